// What a subscription holds is as old as it may be, and a server that loses something is not believed.

package opcua

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// coded gives an answer as a server sends it.
func coded(r ua.Response) []byte {
	if r.Header() == nil {
		r.SetHeader(&ua.ResponseHeader{ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil)})
	}
	b, err := ua.Encode(r)
	if err != nil {
		panic(err)
	}
	n := ua.ServiceTypeID(r)
	return append([]byte{1, 0, byte(n), byte(n >> 8)}, b...)
}

// published is the answer to a Publish: values by handle, or none, which keeps alive.
func published(seq uint32, more bool, values map[uint32]*ua.DataValue) []byte {
	var data []*ua.ExtensionObject
	if values != nil {
		n := &ua.DataChangeNotification{}
		for h, v := range values {
			v.UpdateMask()
			n.MonitoredItems = append(n.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: h, Value: v})
		}
		data = []*ua.ExtensionObject{ua.NewExtensionObject(n)}
	}
	return coded(&ua.PublishResponse{SubscriptionID: 7, MoreNotifications: more,
		NotificationMessage: &ua.NotificationMessage{SequenceNumber: seq, PublishTime: time.Unix(1, 0), NotificationData: data}})
}

// newFeed is of three points, all watched and sampled each 10 ms.
func newFeed() *feed {
	f := &feed{interval: 100 * time.Millisecond, next: 1, items: make([]item, 3)}
	for i := range 3 {
		f.places = append(f.places, place{typ: fieldbus.Int16, form: tag.Int})
		f.claim(i)
		f.made(i, 0, 10)
	}
	return f
}

func TestAValueThatWasSentIsAsOldAsItMayBe(t *testing.T) {
	f, t0 := newFeed(), time.Unix(1000, 0)
	var r fieldbus.Reading
	require.False(t, f.known(0, t0, &r), "nothing came yet")
	ack, err := f.take(published(1, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), 7, t0)
	require.NoError(t, err)
	require.EqualValues(t, 1, ack)
	require.True(t, f.known(0, t0.Add(100*time.Millisecond), &r))
	require.Equal(t, fieldbus.Reading{Form: tag.Int, Bits: 5, Quality: tag.Good, Age: int64(110 * time.Millisecond)}, r, "since the request, and a sampling interval")
	require.False(t, f.known(1, t0, &r), "of the others nothing is known")

	ack, err = f.take(published(2, false, nil), 7, t0.Add(100*time.Millisecond))
	require.NoError(t, err)
	require.Zero(t, ack, "what keeps alive is not acknowledged")
	require.True(t, f.known(0, t0.Add(200*time.Millisecond), &r))
	require.EqualValues(t, 110*time.Millisecond, r.Age, "that nothing has changed is news, too")

	_, err = f.take(published(2, true, map[uint32]*ua.DataValue{2: {Value: ua.MustVariant(int16(6))}}), 7, t0.Add(200*time.Millisecond))
	require.NoError(t, err)
	require.True(t, f.known(0, t0.Add(300*time.Millisecond), &r))
	require.EqualValues(t, 210*time.Millisecond, r.Age, "there is more to come, which may be another value of it")
	require.True(t, f.known(1, t0.Add(300*time.Millisecond), &r))
	require.EqualValues(t, 110*time.Millisecond, r.Age)
}

func TestAfterAWriteWhatWasSentBeforeIsNotKnown(t *testing.T) {
	f, t0 := newFeed(), time.Unix(1000, 0)
	_, err := f.take(published(1, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), 7, t0)
	require.NoError(t, err)
	f.wrote(0, t0.Add(50*time.Millisecond))
	var r fieldbus.Reading
	require.False(t, f.known(0, t0.Add(60*time.Millisecond), &r))
	_, err = f.take(published(2, false, nil), 7, t0.Add(55*time.Millisecond))
	require.NoError(t, err)
	require.False(t, f.known(0, t0.Add(60*time.Millisecond), &r), "it may have been sampled before")
	_, err = f.take(published(2, false, nil), 7, t0.Add(100*time.Millisecond))
	require.NoError(t, err)
	require.True(t, f.known(0, t0.Add(100*time.Millisecond), &r))
}

func TestAServerThatLosesSomethingIsNotBelieved(t *testing.T) {
	ended := coded(&ua.PublishResponse{SubscriptionID: 7, NotificationMessage: &ua.NotificationMessage{SequenceNumber: 1}})
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"a gap":             {published(3, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), "a notification was lost: number 3 came, and 1 is next"},
		"a gap, told later": {published(4, false, nil), "a notification was lost"},
		"one that came":     {published(0, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), "a notification was lost"},
		"another's":         {coded(&ua.PublishResponse{SubscriptionID: 8, NotificationMessage: &ua.NotificationMessage{SequenceNumber: 1}}), "it is of subscription 8"},
		"no such item":      {published(1, false, map[uint32]*ua.DataValue{4: {Value: ua.MustVariant(int16(5))}}), "a value of item 4"},
		"cut":               {ended[:len(ended)-3], "no answer"},
		"another service":   {coded(&ua.ReadResponse{}), "no answer of OPC UA: type 634 and not 829"},
		"none":              {nil, "no answer"},
		"the session's end": {coded(&ua.ServiceFault{ResponseHeader: &ua.ResponseHeader{ServiceResult: ua.StatusBadNoSubscription, ServiceDiagnostics: &ua.DiagnosticInfo{}}}), "the server refuses the service"},
		"of the subscription": {coded(&ua.PublishResponse{SubscriptionID: 7, NotificationMessage: &ua.NotificationMessage{SequenceNumber: 1,
			NotificationData: []*ua.ExtensionObject{{EncodingMask: 1, TypeID: ua.NewFourByteExpandedNodeID(0, id.StatusChangeNotification_Encoding_DefaultBinary),
				Value: &ua.StatusChangeNotification{Status: ua.StatusBadTimeout, DiagnosticInfo: &ua.DiagnosticInfo{}}}}}}), "the server ends the subscription"},
	} {
		_, err := newFeed().take(c.body, 7, time.Unix(1000, 0))
		require.ErrorContains(t, err, c.want, name)
	}
	f := newFeed()
	f.next = 1<<32 - 1
	_, err := f.take(published(1<<32-1, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), 7, time.Unix(1000, 0))
	require.NoError(t, err)
	require.EqualValues(t, 1, f.next, "numbers begin again with 1")
}

func TestASourceThatIsGoneMakesWhatItSaidLastBad(t *testing.T) {
	f, t0 := newFeed(), time.Unix(1000, 0)
	f.sourceAge = time.Second
	stamps := func(lag time.Duration) *ua.DataValue {
		return &ua.DataValue{Value: ua.MustVariant(int16(5)), SourceTimestamp: t0.Add(-lag), ServerTimestamp: t0}
	}
	_, err := f.take(published(1, false, map[uint32]*ua.DataValue{1: stamps(900 * time.Millisecond), 2: stamps(2 * time.Second), 3: {Value: ua.MustVariant(int16(5))}}), 7, t0)
	require.NoError(t, err)
	var r fieldbus.Reading
	require.True(t, f.known(0, t0.Add(50*time.Millisecond), &r))
	require.Equal(t, tag.Good, r.Quality)
	require.True(t, f.known(0, t0.Add(150*time.Millisecond), &r))
	require.Equal(t, fieldbus.Reading{Form: tag.Int, Quality: tag.Bad, Status: statusNoCommunication}, r, "no newer stamp came")
	require.True(t, f.known(1, t0, &r))
	require.Equal(t, tag.Bad, r.Quality)
	require.True(t, f.known(2, t0, &r))
	require.Equal(t, tag.Bad, r.Quality, "without stamps nothing is proved")
	// A clock of the server that was set back, or one of the source that goes ahead, would keep a source alive that is gone.
	_, err = f.take(published(2, false, map[uint32]*ua.DataValue{1: stamps(-900 * time.Millisecond), 2: stamps(-time.Hour)}), 7, t0)
	require.NoError(t, err)
	require.True(t, f.known(0, t0.Add(50*time.Millisecond), &r))
	require.Equal(t, tag.Good, r.Quality)
	require.True(t, f.known(1, t0.Add(50*time.Millisecond), &r))
	require.Equal(t, tag.Bad, r.Quality)
}

func TestWhatTheServerDoesNotWatchIsRead(t *testing.T) {
	f, t0 := newFeed(), time.Unix(1000, 0)
	f.items[0] = item{}
	require.True(t, f.claim(0))
	require.False(t, f.claim(0), "once")
	f.made(0, uint32(ua.StatusBadNodeIDUnknown), 10)
	_, err := f.take(published(1, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), 7, t0)
	require.NoError(t, err)
	var r fieldbus.Reading
	require.False(t, f.known(0, t0, &r))
	f.made(0, 0, 0)
	require.True(t, f.known(0, t0, &r))
	require.EqualValues(t, 100*time.Millisecond, r.Age, "as fast as it can is not slower than it publishes")
}

func TestWhatWasLeftOverIsAsOldAsWhatItWasLeftOverFrom(t *testing.T) {
	f, t0 := newFeed(), time.Unix(1000, 0)
	value := func(handle uint32) map[uint32]*ua.DataValue {
		return map[uint32]*ua.DataValue{handle: {Value: ua.MustVariant(int16(5))}}
	}
	_, err := f.take(published(1, true, value(1)), 7, t0)
	require.NoError(t, err)
	// The answer took a second. What it had no room for was there when it was made.
	_, err = f.take(published(2, false, value(2)), 7, t0.Add(time.Second))
	require.NoError(t, err)
	var r fieldbus.Reading
	for i := range 2 {
		require.True(t, f.known(i, t0.Add(1100*time.Millisecond), &r))
		require.EqualValues(t, 1110*time.Millisecond, r.Age)
	}
	_, err = f.take(published(3, false, nil), 7, t0.Add(1100*time.Millisecond))
	require.NoError(t, err)
	require.True(t, f.known(1, t0.Add(1200*time.Millisecond), &r))
	require.EqualValues(t, 110*time.Millisecond, r.Age, "nothing was left over")
}

func TestAnItemThatIsHardlyEverSampledIsRead(t *testing.T) {
	for _, sampling := range []float64{1e10, math.Inf(1), math.NaN()} {
		f, t0 := newFeed(), time.Unix(1000, 0)
		f.items[0] = item{}
		f.made(0, 0, sampling)
		_, err := f.take(published(1, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}), 7, t0)
		require.NoError(t, err)
		require.False(t, f.known(0, t0, new(fieldbus.Reading)), "%g ms", sampling)
	}
}
