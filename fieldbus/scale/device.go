// Device: an instrument of a tag map as package line wants it; what it is made of, and its sessions.

package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/linux"
)

// DeviceOptions of a Device. The zero value, and nil, have a meaning.
type DeviceOptions struct {
	// Open opens a serial line by what stands behind "serial:" in an endpoint; nil: hal/linux, as the profile's setting line says, which on other
	// systems than Linux gives errors.ErrUnsupported.
	Open func(ctx context.Context, path string) (hal.RS232, error)
	// Dial opens a connection to a device server; nil: net.Dialer. It must support deadlines.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Device is one instrument: a line.Device, line.Texter and line.Debtor made of a device of a tag map.
//
// An instrument that talks by itself is listened to: a Read throws away what came before it, and the frame that is under way, and takes the
// next. That takes up to the time between two frames, which its class must bear. A frame with a hole in it, in time, is none: it may be the
// beginning of one and the end of another. Where no whole frame begins within the response
// of the profile (1 s where it has none), the session is over, and so it is when the port says that the line has gone.
//
// One that is asked owes an answer when none came in time. Then Read returns fieldbus.ErrDoubt, and nothing is sent, until Prove has
// returned nil: it asks who the instrument is, where the profile can ask that, since nothing older follows that answer; or the time has
// passed that the profile has as late. What is owed is remembered for as long as the Device lives, also when it is opened anew. What an
// earlier process asked for is not known to this one: where the profile has no identity to ask for, it begins after a silence of the
// response, and an answer that comes later than that could be taken for its own. An instrument that may be so late wants an identity.
//
// What is taken for granted: it answers in the order in which it was asked, and each question once; a frame that the line doubles comes at
// once behind the first.
type Device struct {
	name    string
	format  *Format
	opt     DeviceOptions
	respond time.Duration
	pause   time.Duration

	// Of who owns the line.
	framer framer
	owed   owed
	said   said
	last   []byte // the weight that was taken last
	fresh  bool   // a session was begun, and nothing has proved yet that an earlier process is owed nothing
	ready  time.Time
	heard  time.Time
	losses uint32 // as the port counts them
	beyond int    // bytes of an exchange that were taken when its time was over

	mu   sync.Mutex
	port port // nil: not open
}

const (
	defaultRespond = time.Second
	straggle       = 100 * time.Millisecond // for the rest of a frame that has begun
	quiet          = 20 * time.Millisecond  // of a line on which something came that nobody asked for; an adapter on USB gives its bytes every 16 ms
	maxWait        = int64(time.Minute)
)

// NewDevice compiles a device of a tag map; it connects to nothing. All that its profile, its limits and its endpoints have and this protocol
// does not comes as one error. It keeps d.Profile, which must not change.
func NewDevice(d *fieldbus.Device, o *DeviceOptions) (*Device, error) {
	if o == nil {
		o = &DeviceOptions{}
	}
	if d == nil || d.Profile == nil {
		return nil, errors.New("scale: device: has no profile; give it one")
	}
	v := &Device{name: d.Name, opt: *o, respond: time.Duration(d.Profile.Limits.Response), pause: time.Duration(d.Profile.Limits.Pause)}
	if v.respond == 0 {
		v.respond = defaultRespond
	}
	f, err := NewFormat(d.Profile)
	wrong := []error{err}
	for _, err := range limits(d.Profile) {
		wrong = append(wrong, fmt.Errorf("scale: profile %q %s: %w", short(d.Profile.ID), d.Profile.Version, err))
	}
	if d.Unit != 0 {
		wrong = append(wrong, fmt.Errorf("scale: device %q: unit %d: one instrument is on a line, and has none; leave it out", d.Name, d.Unit))
	}
	v.format = f
	for _, e := range d.Endpoints {
		if _, _, err := v.endpoint(e); err != nil {
			wrong = append(wrong, fmt.Errorf("scale: device %q: %w", d.Name, err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	v.framer.format = f
	return v, nil
}

// limits refuses a profile that is not of this protocol, and limits that mean nothing here.
func limits(p *fieldbus.Profile) (wrong []error) {
	if p.Protocol != Protocol {
		wrong = append(wrong, fmt.Errorf("protocol %q: this driver has %q", short(p.Protocol), Protocol))
	}
	l := &p.Limits
	for _, n := range []struct {
		what string
		n    int
	}{{"read_registers", l.ReadRegisters}, {"read_bits", l.ReadBits}, {"write_registers", l.WriteRegisters}, {"write_bits", l.WriteBits},
		{"hole", l.Hole}, {"in_flight", l.InFlight}, {"absent", len(l.Absent)}} {
		if n.n != 0 {
			wrong = append(wrong, fmt.Errorf("limit %s: means nothing for text; leave it out", n.what))
		}
	}
	for _, t := range []struct {
		what string
		ns   int64
	}{{"pause", l.Pause}, {"connect_pause", l.ConnectPause}, {"response", l.Response}} {
		if t.ns < 0 || t.ns > maxWait {
			wrong = append(wrong, fmt.Errorf("limit %s %v: must be 0 to %v", t.what, time.Duration(t.ns), time.Duration(maxWait)))
		}
	}
	return wrong
}

// endpoint takes an endpoint apart, and refuses what the device cannot be reached by.
func (d *Device) endpoint(text string) (serial bool, addr string, err error) {
	if path, ok := strings.CutPrefix(text, "serial:"); ok && path != "" {
		if d.format != nil && d.format.line == (linux.Line{}) && d.opt.Open == nil {
			return false, "", fmt.Errorf("endpoint %q: the profile has no setting line, such as 9600 7E1, which tells how to open it", short(text))
		}
		return true, path, nil
	}
	if addr, ok := strings.CutPrefix(text, "tcp://"); ok {
		host, port, err := net.SplitHostPort(addr)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
			return false, "", fmt.Errorf("endpoint %q: must be tcp://HOST:PORT with a port of 1 to 65535", short(text))
		}
		return false, addr, nil
	}
	return false, "", fmt.Errorf(`endpoint %q: not one of this protocol; must be such as "serial:/dev/ttyUSB0" or "tcp://10.0.0.7:4001"`, short(text))
}

// Open implements line.Device: endpoints are "serial:PATH" and, of a device server, "tcp://HOST:PORT". A session that is open is closed first.
func (d *Device) Open(ctx context.Context, endpoint string) error {
	_ = d.Close() // what became of the session before does not matter
	serial, addr, err := d.endpoint(endpoint)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return d.failed("open", err)
	}
	p, err := d.dial(ctx, serial, addr)
	if err != nil {
		return d.failed("open", fmt.Errorf("%w: %w", fieldbus.ErrDown, err))
	}
	d.framer.reset(d.format.ask == nil)
	d.last, d.fresh, d.losses = d.last[:0], true, lost(p)
	d.mu.Lock()
	d.port = p
	d.mu.Unlock()
	return nil
}

func (d *Device) dial(ctx context.Context, serial bool, addr string) (port, error) {
	if !serial {
		open := d.opt.Dial
		if open == nil {
			open = new(net.Dialer).DialContext
		}
		ctx, cancel := context.WithTimeout(ctx, d.respond)
		defer cancel()
		conn, err := open(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return stream{conn}, nil
	}
	open := d.opt.Open
	if open == nil {
		open = func(_ context.Context, path string) (hal.RS232, error) { return linux.OpenRS232(path, d.format.line) }
	}
	p, err := open(ctx, addr)
	if err != nil {
		return nil, err
	}
	return wire{p}, nil
}

// lost gives how many bytes a port has counted as lost, where it counts them: in its part, and in the kernel's buffer behind it.
func lost(p port) uint32 {
	if w, ok := p.(wire); ok {
		if c, ok := w.RS232.(interface {
			Counts() (linux.SerialCounts, error)
		}); ok {
			n, err := c.Counts()
			if err == nil {
				return n.Overrun + n.Dropped
			}
		}
	}
	return 0
}

// Close implements line.Device.
func (d *Device) Close() error {
	d.mu.Lock()
	p := d.port
	d.port = nil
	d.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := p.Close(); err != nil {
		return d.failed("close", err)
	}
	return nil
}

// begin gives the port, when an exchange may be begun.
func (d *Device) begin(ctx context.Context) (port, error) {
	d.beyond = 0
	if wait := time.Until(d.ready); wait > 0 && d.format.ask != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.port == nil {
		return nil, fmt.Errorf("%w: not open", fieldbus.ErrDown)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("not begun: %w", err)
	}
	return d.port, nil
}

// hear gives the next thing that is said until a time has come; silence is an error that wraps errSilent.
func (d *Device) hear(ctx context.Context, p port, until time.Time) error {
	for {
		if d.framer.next(&d.said) {
			return nil
		}
		from := time.Now()
		n, err := p.ReadUntil(ctx, d.framer.room(), until)
		if n > 0 {
			if d.format.ask == nil && time.Since(from) > p.hole() {
				d.framer.cut(false)
			}
			d.took(n)
			if err := d.late(ctx, n, until); err != nil {
				return err
			}
			continue
		}
		if err := d.silent(ctx, p, err); err != nil {
			return err
		}
		if !time.Now().Before(until) {
			return errSilent
		}
	}
}

// late counts n bytes that were taken when the time was over. What had come in by then is looked at; an instrument that talks without end
// holds nobody up.
func (d *Device) late(ctx context.Context, n int, until time.Time) error {
	over := ctx.Err()
	if over == nil && !time.Now().Before(until) {
		over = errSilent
	}
	if over == nil {
		return nil
	}
	if d.beyond += n; d.beyond <= maxKept {
		return nil
	}
	return over
}

// took takes in n bytes that came.
func (d *Device) took(n int) {
	d.framer.heard(n)
	d.heard = time.Now()
}

// errSilent is why there is nothing.
var errSilent = errors.New("nothing was said that is a frame")

// silent tells what it means that a port has given nothing: nil, if its time was over.
func (d *Device) silent(ctx context.Context, p port, err error) error {
	d.mu.Lock()
	closed := d.port != p
	d.mu.Unlock()
	switch {
	case closed:
		return fmt.Errorf("%w: closed: %w", fieldbus.ErrDown, err)
	case err == nil:
		return fmt.Errorf("the port gives nothing and no error: %w", io.ErrNoProgress)
	case ctx.Err() != nil:
		return ctx.Err()
	case isTime(err):
		return nil
	}
	return fmt.Errorf("%w: %w", fieldbus.ErrDown, err)
}

// failed says of which device an error is.
func (d *Device) failed(what string, err error) error {
	return fmt.Errorf("scale: device %q: %s: %w", d.name, what, err)
}
