// Samples on their way in: what is taken, what is taken once, and what is refused.

package scada

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// noon is the time of these tests.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// desk is a receiver behind HTTP, with a clock that a test sets.
type desk struct {
	*receiver
	at   time.Time
	sink *trend.Lines
	url  string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{at: noon}
	d.receiver = newReceiver(func() time.Time { return d.at })
	s := httptest.NewServer(d.receiver)
	t.Cleanup(s.Close)
	var err error
	d.url = s.URL
	d.sink, err = trend.NewLines(s.URL, nil)
	require.NoError(t, err)
	return d
}

// valve is a sample of a switch that was true so long before noon.
func valve(seq uint64, ago time.Duration) trend.Sample {
	at := noon.Add(-ago)
	return trend.Sample{Seq: seq, Channel: "di/1", Form: tag.Bool, Bits: seq & 1, Quality: tag.Good, Mono: at.UnixNano() - noon.UnixNano() + 1e15, UTC: at.UnixNano()}
}

func (d *desk) send(t *testing.T, list ...trend.Sample) {
	t.Helper()
	acked, err := d.sink.Send(context.Background(), list)
	require.NoError(t, err)
	require.Equal(t, list[len(list)-1].Seq, acked)
}

func TestASampleIsTakenOnceAndALostOneIsCounted(t *testing.T) {
	d := newDesk(t)
	d.send(t, valve(1, 3*time.Second), valve(2, 2*time.Second))
	d.send(t, valve(1, 3*time.Second), valve(2, 2*time.Second), valve(3, time.Second)) // its answer was lost
	d.send(t, valve(7, 0))
	count, heard := d.stats()
	require.Equal(t, tally{Taken: 4, Again: 2, Missing: 3}, count)
	require.Equal(t, noon, heard)
	s, ok := d.look("di/1")
	require.True(t, ok)
	require.Equal(t, uint64(7), s.Seq)
}

func TestAnotherRingBeginsAnewAndIsNotPassedOver(t *testing.T) {
	d := newDesk(t)
	d.send(t, valve(900, 5*time.Second), valve(901, 4*time.Second))
	d.send(t, valve(1, 3*time.Second), valve(2, 2*time.Second)) // the ring was deleted: numbers of it are small, and its times are new
	count, _ := d.stats()
	require.Equal(t, tally{Taken: 4, Rings: 1}, count)
}

func TestEveryFormOfAValueComesThroughAsItWasSent(t *testing.T) {
	d := newDesk(t)
	sent := []trend.Sample{
		{Seq: 1, Channel: "a\"\\\u2028ä", Form: tag.Bool, Bits: 1, Quality: tag.Good, Mono: 1, UTC: 2},
		{Seq: 2, Channel: "b", Form: tag.Int, Bits: 1<<64 - 5, Quality: tag.Bad, Status: fieldbus.StatusSensorFailure, Mono: 1, UTC: 2},
		{Seq: 3, Channel: "c", Form: tag.Float32, Bits: 0x7FC00000, Quality: tag.Good, Mono: 3},
		{Seq: 4, Channel: "d", Form: tag.Float64, Bits: 0x4037000000000000, Quality: tag.Good, Mono: 4},
	}
	d.send(t, sent...)
	for _, s := range sent {
		got, ok := d.look(s.Channel)
		require.True(t, ok)
		require.Equal(t, s, got.Sample)
	}
}

func TestWhatIsNoBatchOfSamplesIsRefusedWholeAndTakesNothing(t *testing.T) {
	d := newDesk(t)
	good := `{"seq":1,"channel":"a","form":"int","bits":"1","quality":"GOOD","status":0,"mono_ns":"1","utc_ns":"0"}`
	with := func(old, put string) string {
		return good + "\n" + strings.Replace(strings.Replace(good, `"seq":1`, `"seq":2`, 1), old, put, 1)
	}
	for body, code := range map[string]int{
		"garbage":                        http.StatusBadRequest,
		"[]":                             http.StatusBadRequest,
		good + "\n" + good:               http.StatusBadRequest,
		with(`"seq":2`, `"seq":0`):       http.StatusBadRequest,
		with(`"seq":2`, `"seq":-1`):      http.StatusBadRequest,
		with(`"int"`, `"int128"`):        http.StatusBadRequest,
		with(`"GOOD"`, `"FINE"`):         http.StatusBadRequest,
		with(`"bits":"1"`, `"bits":"x"`): http.StatusBadRequest,
		with(`"mono_ns":"1"`, `"mono_ns":"99999999999999999999"`):                http.StatusBadRequest,
		with(`"channel":"a"`, `"channel":""`):                                    http.StatusBadRequest,
		with(`"channel":"a"`, `"channel":"`+strings.Repeat("c", 129)+`"`):        http.StatusBadRequest,
		good + "\n" + strings.Repeat("x", maxLine+1):                             http.StatusBadRequest,
		strings.Repeat("\n", maxBody+1):                                          http.StatusRequestEntityTooLarge,
		strings.Repeat(strings.Repeat(" ", 100)+"\n", maxBody/100) + good + good: http.StatusRequestEntityTooLarge,
	} {
		res, err := http.Post(d.url, "application/x-ndjson", strings.NewReader(body))
		require.NoError(t, err)
		said := new(bytes.Buffer)
		_, _ = said.ReadFrom(res.Body)
		_ = res.Body.Close()
		require.Equal(t, code, res.StatusCode, "%.80q: %s", body, said)
		require.Contains(t, said.String(), "samples refused")
	}
	res, err := http.Get(d.url)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	count, _ := d.stats()
	require.Zero(t, count.Taken, "a batch with one bad line is none: the sender keeps all of it")
	require.Equal(t, uint64(15), count.Refused)
}

func TestChannelsWithoutNumberTakeNoMemory(t *testing.T) {
	d := newDesk(t)
	var list []trend.Sample
	for n := range uint64(maxChannels + 100) {
		list = append(list, trend.Sample{Seq: n + 1, Channel: fmt.Sprint("x/", n), Quality: tag.Good, Mono: 1})
	}
	d.receiver.take(list)
	require.Len(t, d.channels, maxChannels)
	require.Equal(t, uint64(100), d.count.Beyond)
}

func TestAValueIsNoYoungerThanItIsThoughItComesLate(t *testing.T) {
	level := &iomap.Tag{Name: "LT301", Channel: "ai/3", Type: iomap.Number, Form: tag.Int, Unit: "L", StaleAfter: int64(2 * time.Second),
		Resolution: quantity.Quantity{Coef: 1, Scale: 1, Unit: "L"}}
	one := iomap.Tag{Name: "ZS101", Channel: "di/1", Type: iomap.Switch, Words: [2]string{"closed", "open"}, StaleAfter: int64(2 * time.Second)}
	d := newDesk(t)
	at := func(after time.Duration) reading {
		s, ok := d.look("di/1")
		return readTag(&one, s, ok, d.at.Add(after), 5*time.Second, 0)
	}
	r := at(0)
	require.Equal(t, fieldbus.StatusWaiting, r.status, "nothing came yet")
	require.True(t, r.value.Null)
	d.send(t, valve(1, 0))
	r = at(0)
	require.Equal(t, [...]any{tag.Good, fieldbus.StatusGood, "open", uint64(1)}, [...]any{r.quality, r.status, r.text, r.value.Bits})
	require.Equal(t, noon, r.value.Source)
	require.Equal(t, tag.Good, at(4*time.Second).quality)
	r = at(5 * time.Second)
	require.Equal(t, [...]any{tag.Stale, fieldbus.StatusLastUsable, "open"}, [...]any{r.quality, r.status, r.text}, "silence")
	d.at = noon.Add(time.Minute) // the link to the window was gone for a minute, and what waited comes in order
	d.send(t, valve(2, -1*time.Second))
	r = at(0)
	require.Equal(t, tag.Stale, r.quality, "it came now, and was true a minute ago")
	require.Equal(t, noon.Add(time.Second), r.value.Source)
	require.Equal(t, d.at, r.value.Server)
	d.send(t, valve(3, -59500*time.Millisecond))
	require.Equal(t, tag.Good, at(0).quality, "it has caught up")
	r = readTag(level, sample{Sample: trend.Sample{Form: tag.Float64, Quality: tag.Good}, came: d.at}, true, d.at, time.Second, 0)
	require.Equal(t, [...]any{tag.Bad, fieldbus.StatusOutOfRange, true}, [...]any{r.quality, r.status, r.value.Null}, "not what the map says it is")
	bad := sample{Sample: trend.Sample{Form: tag.Bool, Quality: tag.Bad, Status: statusBad}, came: d.at}
	require.Equal(t, statusBad, readTag(&one, bad, true, d.at, time.Second, 0).status)
	require.Equal(t, fieldbus.StatusSensorFailure, readTag(&one, bad, true, d.at, time.Second, fieldbus.StatusSensorFailure).status, "the records say why")
}

func TestWithoutUTCTheAgeIsReadOffTheClockOfTheRig(t *testing.T) {
	d := newDesk(t)
	plain := func(seq uint64, mono time.Duration) { // a controller whose clock was never set
		d.receiver.take([]trend.Sample{{Seq: seq, Channel: "di/1", Quality: tag.Good, Mono: int64(time.Hour + mono)}})
	}
	lag := func() time.Duration { s, _ := d.look("di/1"); return s.lag }
	plain(1, 0)
	require.Zero(t, lag())
	d.at = noon.Add(time.Minute)
	plain(2, time.Second)
	require.Equal(t, 59*time.Second, lag())
	plain(3, time.Minute)
	require.Zero(t, lag())
	d.at = noon.Add(2 * time.Minute)
	d.receiver.take([]trend.Sample{{Seq: 4, Channel: "di/1", Quality: tag.Good, Mono: 5}}) // another process, whose clock begins anew
	require.Zero(t, lag())
}

func FuzzReadLines(f *testing.F) {
	f.Add([]byte(`{"seq":7,"channel":"ai/1","value":21.5,"form":"float32","bits":"41ac0000","quality":"GOOD","status":0,"mono_ns":"123","utc_ns":"0"}`))
	f.Add([]byte("{\"seq\":1}\n\n{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := readLines(bytes.NewReader(body))
		if err != nil {
			require.Empty(t, list)
			return
		}
		before := uint64(0)
		for _, s := range list {
			require.Greater(t, s.Seq, before)
			before = s.Seq
			require.LessOrEqual(t, len(s.Channel), trend.MaxChannel)
			require.GreaterOrEqual(t, s.Mono, int64(0))
		}
	})
}

func TestOneSampleFromTheFarFutureDoesNotShutOutAllOthers(t *testing.T) {
	d := newDesk(t)
	foul := valve(1, 0)
	foul.Seq, foul.UTC = 1<<64-1, maxClock
	d.send(t, foul)
	d.at = noon.Add(2 * maxAhead)
	d.send(t, valve(2, -2*maxAhead), valve(3, -2*maxAhead-time.Millisecond))
	s, ok := d.look("di/1")
	require.True(t, ok)
	require.Equal(t, uint64(3), s.Seq)
	count, _ := d.stats()
	require.Equal(t, [...]uint64{3, 1, 0}, [...]uint64{count.Taken, count.Rings, count.Again})
}

func TestAPageInABrowserPostsNothing(t *testing.T) {
	d := newDesk(t)
	for name, value := range map[string]string{"Origin": "null", "Sec-Fetch-Site": "same-origin"} {
		r, err := http.NewRequest(http.MethodPost, d.url, strings.NewReader(`{"seq":1,"channel":"di/1","form":"bool","bits":"1",`+
			`"quality":"GOOD","status":0,"mono_ns":"1","utc_ns":"1"}`))
		require.NoError(t, err)
		r.Header.Set(name, value)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusForbidden, res.StatusCode, name)
	}
	_, ok := d.look("di/1")
	require.False(t, ok)
	count, _ := d.stats()
	require.Equal(t, uint64(2), count.Refused)
}
