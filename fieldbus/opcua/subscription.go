// Subscription: what a server sends by itself, and how old that may be (read: subscribe).

package opcua

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Bounds of what a server makes of a subscription.
const (
	longestSilence  = time.Minute      // between two answers of a server that has nothing to say
	leastLife       = 10 * time.Second // of a subscription of which nobody asks
	longestSampling = 1e9              // ms between two looks at a value
)

// subscription is one subscription with one Publish under way at a time. Whatever is not as it must be ends the session.
type subscription struct {
	s       *contact
	d       *Device
	visit   [][]byte // ReadValueId of each place
	number  uint32
	silence time.Duration // after which the server is taken for dead
	most    int           // items in one request

	feed feed
}

// subscribe makes a subscription without items, and starts to ask for what it has.
func subscribe(ctx context.Context, v *visit, d *Device, most int) (*subscription, error) {
	asks := d.asked.publishing
	req := &ua.CreateSubscriptionRequest{RequestedPublishingInterval: millis(asks), RequestedMaxKeepAliveCount: 1,
		RequestedLifetimeCount: uint32(max(leastLife/asks, 30)), PublishingEnabled: true}
	p := &subscription{s: v.contact, d: d, visit: v.nodes, most: most}
	var interval time.Duration
	var keep uint32
	_, err := v.ask(ctx, openWait, req, func(body []byte) error {
		c, err := answer(body, id.CreateSubscriptionResponse_Encoding_DefaultBinary)
		if err != nil {
			return err
		}
		p.number = c.u32()
		interval = span(c.float())
		c.take(4)
		keep = c.u32()
		return c.done()
	})
	switch {
	case err != nil:
		return nil, err
	case interval <= 0 || interval > 2*asks:
		return nil, fmt.Errorf("the server publishes every %v, and %v was asked for; set publishing_interval to what it can", interval, asks)
	case keep == 0 || time.Duration(min(keep, 1<<20))*interval > longestSilence:
		return nil, fmt.Errorf("the server is silent for %d intervals of %v when nothing changes; %v is the longest", keep, interval, longestSilence)
	}
	p.silence = time.Duration(keep+1)*interval + d.response
	p.feed = feed{places: d.places, sourceAge: d.asked.sourceAge, interval: interval, next: 1, items: make([]item, len(d.places))}
	v.wg.Go(p.run)
	return p, nil
}

// millis gives a time as OPC UA has it, and span takes it; 0 for what is none.
func millis(t time.Duration) float64 { return float64(t) / float64(time.Millisecond) }

func span(ms float64) time.Duration {
	if !(ms > 0 && ms <= longestSampling) {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// run asks for what the subscription has, time after time, until the session ends.
func (p *subscription) run() {
	var ack uint32
	for {
		at := time.Now()
		_, err := p.s.call(context.Background(), p.silence, func(b []byte, number uint32) ([]byte, error) {
			b = p.s.appendHead(b, id.PublishRequest_Encoding_DefaultBinary, number, p.silence)
			if ack == 0 {
				return binary.LittleEndian.AppendUint32(b, 0), nil
			}
			for _, n := range [...]uint32{1, p.number, ack} {
				b = binary.LittleEndian.AppendUint32(b, n)
			}
			return b, nil
		}, func(body []byte) (err error) {
			ack, err = p.feed.take(body, p.number, at)
			return err
		})
		if err != nil {
			p.s.fail(fmt.Errorf("subscription: %w", err))
			return
		}
	}
}

// want has the server watch points that it does not watch yet.
func (p *subscription) want(ctx context.Context, points []*fieldbus.Point) error {
	var list []int
	for _, pt := range points {
		at, err := p.d.place(pt)
		if err != nil {
			return err
		}
		if at.access != fieldbus.WriteOnly && at.typ != fieldbus.String && p.visit[pt.Index] != nil && p.feed.claim(pt.Index) {
			list = append(list, pt.Index)
		}
	}
	for len(list) > 0 {
		part := list[:min(p.most, len(list))]
		list = list[len(part):]
		if err := p.watch(ctx, part); err != nil {
			if _, ok := err.(fault); ok {
				p.s.fail(fmt.Errorf("subscription: %w", err))
				err = p.s.over()
			}
			return err
		}
	}
	return nil
}

// watch makes items of places.
func (p *subscription) watch(ctx context.Context, list []int) error {
	trigger := ua.DataChangeTriggerStatusValue
	if p.d.asked.sourceAge > 0 {
		trigger = ua.DataChangeTriggerStatusValueTimestamp
	}
	filter, err := ua.Encode(ua.NewExtensionObject(&ua.DataChangeFilter{Trigger: trigger}))
	if err != nil {
		return err
	}
	_, err = p.s.call(ctx, p.d.response, func(b []byte, number uint32) ([]byte, error) {
		b = p.s.appendHead(b, id.CreateMonitoredItemsRequest_Encoding_DefaultBinary, number, p.d.response)
		for _, n := range [...]uint32{p.number, uint32(ua.TimestampsToReturnBoth), uint32(len(list))} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		for _, i := range list {
			b = append(b, p.visit[i]...)
			b = binary.LittleEndian.AppendUint32(b, uint32(ua.MonitoringModeReporting))
			b = binary.LittleEndian.AppendUint32(b, uint32(i+1))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(millis(p.d.asked.sampling)))
			b = append(b, filter...)
			b = append(binary.LittleEndian.AppendUint32(b, 1), 1) // the newest value alone
		}
		return b, nil
	}, func(body []byte) error {
		c, err := answer(body, id.CreateMonitoredItemsResponse_Encoding_DefaultBinary)
		if err != nil {
			return err
		}
		if n := c.count(4); n != len(list) {
			return fmt.Errorf("%w: %d results for %d items", errAnswer, n, len(list))
		}
		for _, i := range list {
			status := c.u32()
			c.take(4)
			sampling := c.float()
			c.take(4)
			c.object()
			p.feed.made(i, status, sampling)
		}
		c.diagnosticsList()
		return c.done()
	})
	return err
}

// known gives the reading of a point, as old as it may be, where it is known.
func (p *subscription) known(index int, now time.Time, out *fieldbus.Reading) bool {
	return p.feed.known(index, now, out)
}

// wrote takes note that a point may have another value from now on.
func (p *subscription) wrote(index int) { p.feed.wrote(index, time.Now()) }

// feed is what was sent of a subscription. It is for any number of goroutines.
type feed struct {
	places    []place
	sourceAge time.Duration
	interval  time.Duration

	mu    sync.Mutex
	next  uint32    // sequence number
	rest  time.Time // when the Publish was sent whose answer left over what comes next; zero: it left nothing
	proof time.Time // when the last Publish was sent whose answer left nothing out
	items []item    // by place
}

// item is a point that is watched.
type item struct {
	claimed  bool
	sampling time.Duration // 0: the server does not watch it
	has      bool
	reading  fieldbus.Reading
	at       time.Time     // when the Publish was sent that brought it
	lag      time.Duration // of its source
	stamped  bool          // the lag is known
	wrote    time.Time
}

// claim tells whether a place is to be watched, and was not yet.
func (f *feed) claim(i int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.items[i].claimed
	f.items[i].claimed = true
	return !was
}

// made takes in what the server has made of an item.
func (f *feed) made(i int, status uint32, sampling float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if status>>31 == 1 {
		return // it is read
	}
	if !(sampling <= longestSampling) {
		return // so seldom, or nobody knows how often: it is read
	}
	if f.items[i].sampling = span(sampling); f.items[i].sampling == 0 { // as fast as it can: not slower than it publishes
		f.items[i].sampling = f.interval
	}
}

// wrote takes note of a write.
func (f *feed) wrote(i int, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items[i].wrote = at
}

// known gives the reading of a place at a time. It is not known before its first notification, and after a write not before there is
// one of later than that.
func (f *feed) known(i int, now time.Time, out *fieldbus.Reading) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	it := &f.items[i]
	if !it.has || it.sampling == 0 {
		return false
	}
	proof := it.at
	if f.proof.After(proof) {
		proof = f.proof
	}
	proof = proof.Add(-it.sampling)
	if !it.wrote.IsZero() && !proof.After(it.wrote) {
		return false
	}
	*out = it.reading
	out.Age = int64(max(now.Sub(proof), 0))
	if f.sourceAge > 0 && out.Quality == tag.Good && (!it.stamped || it.lag+now.Sub(it.at) > f.sourceAge) {
		*out = f.places[i].bad(statusNoCommunication)
	}
	return true
}

// errLost is why a session is given up of which a notification is missing: what it held is not known.
var errLost = errors.New("a notification was lost")

// take takes in the answer to a Publish that was sent at a time, and gives the sequence number that is to be acknowledged; 0: none.
func (f *feed) take(body []byte, number uint32, sent time.Time) (ack uint32, err error) {
	c, err := answer(body, id.PublishResponse_Encoding_DefaultBinary)
	if err != nil {
		return 0, err
	}
	of := c.u32()
	c.take(4 * c.count(4))
	more := c.u8() != 0
	seq := c.u32()
	c.take(8) // its time
	n := c.count(3)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case c.bad:
		return 0, errAnswer
	case of != number:
		return 0, fmt.Errorf("%w: it is of subscription %d, and there is %d alone", errAnswer, of, number)
	case n > 0 && seq != f.next, seq != f.next && seq+1 != f.next:
		return 0, fmt.Errorf("%w: number %d came, and %d is next", errLost, seq, f.next)
	}
	if !f.rest.IsZero() {
		sent = f.rest // what was left over may be as old as what it was left over from
	}
	for range n {
		kind, data := c.object()
		if c.bad {
			return 0, errAnswer
		}
		switch kind {
		case id.DataChangeNotification_Encoding_DefaultBinary:
			err = f.changes(data, sent)
		case id.StatusChangeNotification_Encoding_DefaultBinary:
			s := cursor{b: data}
			err = fmt.Errorf("the server ends the subscription: %v", ua.StatusCode(s.u32()))
		}
		if err != nil {
			return 0, err
		}
	}
	c.take(4 * c.count(4))
	c.diagnosticsList()
	if c.bad {
		return 0, errAnswer
	}
	if n > 0 {
		ack = seq
		if f.next++; f.next == 0 {
			f.next = 1
		}
	}
	if f.rest = sent; !more {
		f.rest, f.proof = time.Time{}, sent
	}
	return ack, nil
}

// changes takes in values that have changed.
func (f *feed) changes(data []byte, sent time.Time) error {
	c := cursor{b: data}
	for range c.count(5) {
		handle := c.u32()
		var v dataValue
		c.dataValue(&v, 0)
		if c.bad || handle == 0 || int64(handle) > int64(len(f.items)) {
			return fmt.Errorf("%w: a value of item %d", errAnswer, handle)
		}
		it := &f.items[handle-1]
		it.reading, it.has, it.at = f.places[handle-1].reading(&v), true, sent
		it.lag, it.stamped = v.lag()
	}
	c.diagnosticsList()
	return c.done()
}
