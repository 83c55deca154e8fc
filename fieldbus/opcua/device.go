// Device: a device of a tag map behind an OPC UA server.

package opcua

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// DeviceOptions of a Device. The zero value, and nil, reach a server without security, as nobody.
type DeviceOptions struct {
	Policy Policy
	// Identity is who we are; needed by every Policy but None.
	Identity *Identity
	// Trust is which servers are believed; needed by every Policy but None, and by None with a Password.
	Trust          *Trust
	User, Password string // "": nobody
}

// Device is one OPC UA server: a line.Device made of a device of a tag map, a line.Planner and a line.Texter.
//
// Addresses of points are node ids: "ns=2;s=Flow", "i=2258", "ns=4;g=..." and "ns=4;b=...". The index of a namespace may be another
// after a restart of the server; "nsu=URI;s=Flow" names the namespace instead, and is looked up in each session. In a URI ; is written
// %3B and % is written %25. The Value attribute is read and written, of scalars.
//
// Settings of a profile:
//
//	read                 ask (default): each poll is a Read. subscribe: the server sends what has changed, and a poll takes what came
//	publishing_interval  of read: subscribe, 10 ms to 1 min (default 100 ms). A server that makes more than twice as much of it is not used
//	sampling_interval    of read: subscribe: how often the server is to look (default: as it publishes). It may look less often
//	source_age           a value whose source's time lies further than this behind the server's, or ahead of it, is BAD, and so is one
//	                     without these times: for servers that repeat the last value of a device that is gone, and stamp what they read
//
// Limits of registers and bits, holes, ranges that are absent, pauses and exchanges in flight mean nothing here and are refused. How
// many nodes go into one Read, the server says (OperationLimits), or 1000. Limits.Response is the wait for an answer (1 s).
//
// A value is GOOD if its status is, and its type is the one that the profile has: nothing is converted, but Byte and SByte, which profiles
// do not have, are uint16 and int16 when they are read. Another type, an array or a structure is BAD with StatusConfigurationError, no
// value at all with StatusWaiting, a uint64 that no int64 holds with StatusOutOfRange. Bad codes of the server are kept. Uncertain ones
// count as BAD, with the Bad code that says the same: LastUsableValue and NoCommunicationLastUsableValue become BadNoCommunication,
// InitialValue BadWaitingForInitialData, SubstituteValue BadOutOfService, those of a sensor BadSensorFailure, others BadDeviceFailure.
// A value that somebody has forced (GoodLocalOverride) is BAD with BadOutOfService. A NaN is GOOD, and the I/O map refuses it.
//
// By read: ask, a value is as old as its request. By read: subscribe, an answer to a Publish that was sent at R says what was so not before
// R less the sampling interval of the item, so Reading.Age is up to two publishing intervals and one sampling interval, and stale_after
// is to be longer. What is not known that way - the first value, one that was written since, an item that the server refuses - is read.
// A lost notification, a subscription that the server ends, and silence for longer than the publishing interval and Limits.Response end
// the session.
//
// Any service that is refused, any answer that does not come, and any context that ends while one is waited for, end the session; the line
// makes a new one. Nothing that others ask for travels on it. A server that forgets idle sessions is kept from it.
type Device struct {
	name     string
	profile  *fieldbus.Profile
	opt      DeviceOptions
	asked    asked
	response time.Duration
	places   []place // by Point.Index

	// Of who owns the line.
	per    int  // nodes in one Read
	anew   bool // there are fewer than the plan goes by
	values []dataValue
	nodes  [][]byte
	at     []int

	mu      sync.Mutex
	cur     *visit
	opening context.CancelFunc // nil: it is not being opened
}

// visit is a session and what is known of the server in it.
type visit struct {
	*contact
	nodes [][]byte // ReadValueId of each place; nil where the server does not have its namespace
	sub   *subscription
}

// maxNodes is how many nodes are read at a time from a server that does not say how many it bears.
const maxNodes = 1000

// NewDevice compiles a device of a tag map; it connects to nothing. All that its profile, its limits, its endpoints and o have and this
// protocol does not comes as one error. It keeps d.Profile, which must not change.
func NewDevice(d *fieldbus.Device, o *DeviceOptions) (*Device, error) {
	if o == nil {
		o = &DeviceOptions{}
	}
	if d == nil || d.Profile == nil {
		return nil, errors.New("opcua: device: has no profile; give it one")
	}
	v := &Device{name: d.Name, profile: d.Profile, opt: *o, per: maxNodes}
	var wrong []error
	for _, err := range v.compile() {
		wrong = append(wrong, fmt.Errorf("opcua: profile %q %s: %w", d.Profile.ID, d.Profile.Version, err))
	}
	for _, e := range d.Endpoints {
		if _, err := location(e); err != nil {
			wrong = append(wrong, fmt.Errorf("opcua: device %q: %w", d.Name, err))
		}
	}
	if err := v.opt.valid(); err != nil {
		wrong = append(wrong, fmt.Errorf("opcua: device %q: %w", d.Name, err))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return v, nil
}

// Open implements line.Device: endpoints are "opc.tcp://HOST:PORT" and what the server has behind it. It asks there for the ways in,
// and connects to the same address whatever names they have. A session that is open is closed first.
func (d *Device) Open(ctx context.Context, endpoint string) error {
	_ = d.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	d.opening = cancel
	d.mu.Unlock()
	s, err := enter(ctx, endpoint, d.name, &d.opt, d.response, keyLife)
	if err != nil {
		return d.wrap(err)
	}
	v := &visit{contact: s}
	if err := d.learn(ctx, v); err != nil {
		s.close()
		return d.wrap(err)
	}
	d.mu.Lock()
	d.opening = nil
	if ctx.Err() == nil {
		d.cur, v = v, nil
	}
	d.mu.Unlock()
	if v != nil {
		v.close()
		return d.wrap(fmt.Errorf("%w: %w", fieldbus.ErrDown, ctx.Err()))
	}
	return nil
}

func (d *Device) wrap(err error) error { return fmt.Errorf("opcua: device %q: %w", d.name, err) }

// learn looks up the namespaces and the limits of a server, and subscribes.
func (d *Device) learn(ctx context.Context, v *visit) error {
	var asks [][]byte
	for _, n := range [...]uint16{id.Server_NamespaceArray, id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
		id.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall} {
		asks = append(asks, appendNode(nil, binary.LittleEndian.AppendUint16([]byte{1, 0}, n)))
	}
	values := make([]dataValue, len(asks))
	var spaces []string
	var most [2]int
	err := v.read(ctx, asks, values, func() {
		spaces = values[0].strings()
		for i := range most {
			number := place{typ: fieldbus.Uint32}
			if n, ok := number.value(&values[1+i]); ok && cause(values[1+i].status) == fieldbus.StatusGood && n > 0 {
				most[i] = int(min(n, maxNodes))
			} else {
				most[i] = maxNodes
			}
		}
	})
	if err != nil {
		return fmt.Errorf("reading its namespaces: %w", err)
	}
	d.anew = most[0] < d.per
	d.per = most[0]
	v.nodes = make([][]byte, len(d.places))
	for i := range d.places {
		if n := d.places[i].node(spaces); n != nil {
			v.nodes[i] = appendNode(nil, n)
		}
	}
	if !d.asked.subscribe {
		return nil
	}
	if v.sub, err = subscribe(ctx, v, d, most[1]); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	return nil
}

// visit gives the session; nil: there is none.
func (d *Device) visit() (*visit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cur == nil {
		return nil, d.wrap(fmt.Errorf("%w: not open", fieldbus.ErrDown))
	}
	return d.cur, nil
}

// place gives the place of a point.
func (d *Device) place(p *fieldbus.Point) (*place, error) {
	if p == nil || p.Index < 0 || p.Index >= len(d.places) || d.places[p.Index].name != p.Name {
		return nil, d.wrap(fmt.Errorf("%w: a point that its profile does not have", fieldbus.ErrRefused))
	}
	return &d.places[p.Index], nil
}

// Plan implements line.Planner: as many points go together as the server reads at a time.
func (d *Device) Plan(points []*fieldbus.Point) [][]int {
	d.anew = false
	var groups [][]int
	for i := range points {
		if i%d.per == 0 {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], i)
	}
	return groups
}

// Read implements line.Device. More points than the server reads at a time are read one part after the other.
func (d *Device) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	v, err := d.visit()
	switch {
	case err != nil:
		return err
	case len(out) != len(points):
		return d.wrap(fmt.Errorf("%w: %d places for %d points", fieldbus.ErrRefused, len(out), len(points)))
	case d.anew && len(points) > d.per:
		d.anew = false
		return d.wrap(fmt.Errorf("%w: the server reads %d nodes at a time", fieldbus.ErrPlan, d.per))
	}
	if err := ctx.Err(); err != nil {
		return d.wrap(fmt.Errorf("not begun: %w", err))
	}
	if err := v.over(); err != nil {
		return d.wrap(err)
	}
	if v.sub != nil {
		if err := v.sub.want(ctx, points); err != nil {
			return d.wrap(err)
		}
	}
	now := time.Now()
	d.at = d.at[:0]
	for i, pt := range points {
		p, err := d.place(pt)
		if err != nil {
			return err
		}
		switch {
		case p.access == fieldbus.WriteOnly:
			out[i] = p.bad(fieldbus.StatusNotReadable)
		case v.nodes[pt.Index] == nil:
			out[i] = p.bad(statusNodeUnknown)
		case v.sub != nil && v.sub.known(pt.Index, now, &out[i]):
		default:
			d.at = append(d.at, i)
		}
	}
	for at := d.at; len(at) > 0; {
		part := at[:min(d.per, len(at))]
		if err := d.ask(ctx, v, points, part, out); err != nil {
			return d.wrap(err)
		}
		at = at[len(part):]
	}
	return nil
}

// ask reads some of the points by the Read service.
func (d *Device) ask(ctx context.Context, v *visit, points []*fieldbus.Point, part []int, out []fieldbus.Reading) error {
	d.nodes = d.nodes[:0]
	for _, i := range part {
		d.nodes = append(d.nodes, v.nodes[points[i].Index])
	}
	for len(d.values) < len(part) {
		d.values = append(d.values, dataValue{})
	}
	values := d.values[:len(part)]
	err := v.read(ctx, d.nodes, values, func() {
		for k, i := range part {
			out[i] = d.places[points[i].Index].reading(&values[k])
			if lag, ok := values[k].lag(); d.asked.sourceAge > 0 && out[i].Quality == tag.Good && (!ok || lag > d.asked.sourceAge) {
				out[i] = d.places[points[i].Index].bad(statusNoCommunication)
			}
		}
	})
	if f, ok := err.(fault); ok {
		switch ua.StatusCode(f) {
		case ua.StatusBadTooManyOperations, ua.StatusBadResponseTooLarge, ua.StatusBadRequestTooLarge, ua.StatusBadEncodingLimitsExceeded:
			if len(part) > 1 {
				d.per = len(part) / 2
				return fmt.Errorf("%w: %w", fieldbus.ErrPlan, err)
			}
		}
		v.fail(err)
		return v.over()
	}
	return err
}

// Text implements line.Texter.
func (d *Device) Text(ctx context.Context, point *fieldbus.Point) (text string, err error) {
	v, err := d.visit()
	if err != nil {
		return "", err
	}
	p, err := d.place(point)
	if err != nil {
		return "", err
	}
	node := v.nodes[point.Index]
	if node == nil {
		return "", d.wrap(fmt.Errorf("point %q: %w: the server does not have namespace %q", p.name, fieldbus.ErrPoint, p.space))
	}
	value := make([]dataValue, 1)
	var wrong error
	err = v.read(ctx, [][]byte{node}, value, func() { text, wrong = p.text(&value[0]) })
	if _, ok := err.(fault); ok {
		v.fail(err)
		err = v.over()
	}
	if err == nil {
		err = wrong
	}
	if err != nil {
		return "", d.wrap(fmt.Errorf("point %q: %w", p.name, err))
	}
	return text, nil
}

// Write implements line.Device. Good means that the server has confirmed it. A Bad code is ErrRefused, but for those that say that
// whatever is behind the server may have it: a time-out, a failure of communication or of the device, an unexpected or internal error, a
// shutdown, an operation that was given up or is not over, an answer that could not be made; these, Uncertain ones,
// GoodCompletesAsynchronously and GoodClamped are ErrUnknown, and so is an answer that does not come, or not whole.
func (d *Device) Write(ctx context.Context, point *fieldbus.Point, form tag.Form, bits uint64) error {
	p, err := d.place(point)
	if err != nil {
		return err
	}
	if err := p.writable(form, bits); err != nil {
		return d.wrap(fmt.Errorf("point %q: %w", p.name, err))
	}
	v, err := d.visit()
	if err != nil {
		return err
	}
	node := v.nodes[point.Index]
	if node == nil {
		return d.wrap(fmt.Errorf("point %q: %w: the server does not have namespace %q", p.name, fieldbus.ErrRefused, p.space))
	}
	var status uint32
	answered := false // by an answer that is whole: of one that the server has broken off nobody knows what it would have been
	sent, err := v.call(ctx, d.response, func(b []byte, number uint32) ([]byte, error) {
		b = v.appendHead(b, id.WriteRequest_Encoding_DefaultBinary, number, d.response)
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = append(b, node[:len(node)-6]...) // without the data encoding, which a write does not have
		return p.appendValue(b, bits), nil
	}, func(body []byte) (err error) {
		answered = true
		status, err = statusAnswer(body, id.WriteResponse_Encoding_DefaultBinary)
		return err
	})
	if sent && v.sub != nil {
		v.sub.wrote(point.Index)
	}
	if f, ok := err.(fault); ok && answered {
		if err = wrote(uint32(f)); errors.Is(err, fieldbus.ErrRefused) {
			v.fail(f) // the next read tells the line
		}
	} else if ok {
		v.fail(f)
		err = fmt.Errorf("%w: the server has broken its answer off: %w", fieldbus.ErrUnknown, f)
	} else if err == nil {
		err = wrote(status)
	} else if sent {
		err = fmt.Errorf("%w: %w", fieldbus.ErrUnknown, err)
	}
	if err != nil {
		return d.wrap(fmt.Errorf("point %q: %w", p.name, err))
	}
	return nil
}

// Close implements line.Device. It waits up to 50 ms for the server to end its half, so that it does not keep a session that nobody has.
func (d *Device) Close() error {
	d.mu.Lock()
	v := d.cur
	d.cur = nil
	if d.opening != nil {
		d.opening()
	}
	d.mu.Unlock()
	if v != nil {
		v.close()
	}
	return nil
}
