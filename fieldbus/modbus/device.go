// Device: a device of a tag map as package line wants it; what it is made of, and its sessions.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
)

// Protocol is what a profile for this package has as its protocol.
const Protocol = "modbus"

// DeviceOptions of a Device.
type DeviceOptions struct {
	// Bus is the serial line that the device shares with others; its endpoints begin with "serial:". Nil: it has a connection of its
	// own, and its endpoints begin with "tcp://" or "rtu-tcp://".
	Bus *Bus
	// Hole is how many registers that nobody asked for are worth reading to save an exchange, where the profile says nothing:
	// fieldbus.HoleWorth computes it for a line. 0: as many as one read bears, which over TCP cost nothing; on a Bus 10, which is
	// about right at 9600 Bd.
	Hole int
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // as in Options
}

// busHole is what a Hole of 0 stands for on a Bus.
const busHole = 10

// Device is one Modbus device: a line.Device made of a device of a tag map. Its points are read by functions 1 to 4 and written by 5
// (coil), 6 (one register), 16 (more) and 22 (a bit of a register). It scales nothing; a value is GOOD only if all of it came in one
// exchange.
//
// A block of points that the device refuses over an address or a quantity is cut in two, and Read returns an error that wraps
// fieldbus.ErrPlan; the cut is remembered for as long as the Device lives. A single point that is refused is BAD: exceptions 1, 2 and 3
// mean the configuration, all others the device. Exceptions 10 and 11 of a gateway say that nobody answered, and end the session.
type Device struct {
	name    string
	unit    uint8
	profile *fieldbus.Profile
	places  []place // by Point.Index
	limits  fieldbus.Limits
	opt     DeviceOptions

	// Of who owns the line.
	rules   rules
	layouts map[group]*reads
	last    [2]*Client // the last over TCP, so that transactions are numbered on, and over RTU, so that what is owed is remembered
	ready   time.Time  // when the next exchange may begin

	mu     sync.Mutex
	client *Client
	busy   atomic.Bool // an exchange is under way
}

// NewDevice compiles a device of a tag map; it connects to nothing. All that its profile, its limits and its endpoints have and this
// protocol does not comes as one error. It keeps d.Profile, which must not change.
func NewDevice(d *fieldbus.Device, o *DeviceOptions) (*Device, error) {
	if o == nil {
		o = &DeviceOptions{}
	}
	if d == nil || d.Profile == nil {
		return nil, errors.New("modbus: device: has no profile; give it one")
	}
	v := &Device{name: d.Name, unit: d.Unit, profile: d.Profile, limits: d.Profile.Limits, opt: *o, layouts: map[group]*reads{}}
	var wrong []error
	for _, err := range v.compile() {
		wrong = append(wrong, fmt.Errorf("modbus: profile %q %s: %w", d.Profile.ID, d.Profile.Version, err))
	}
	for _, e := range d.Endpoints {
		if _, err := v.endpoint(e); err != nil {
			wrong = append(wrong, fmt.Errorf("modbus: device %q: %w", d.Name, err))
		}
	}
	if o.Hole < 0 {
		wrong = append(wrong, fmt.Errorf("modbus: device %q: hole %d: must not be negative", d.Name, o.Hole))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return v, nil
}

// target is an endpoint, taken apart.
type target struct{ scheme, addr string }

// endpoint takes an endpoint apart and refuses what the device cannot be reached by.
func (d *Device) endpoint(text string) (target, error) {
	for _, scheme := range []string{"tcp", "rtu-tcp"} {
		addr, ok := cutPrefix(text, scheme+"://")
		if !ok {
			continue
		}
		host, port, err := net.SplitHostPort(addr)
		if n, ok := digits(port, 1<<16-1); err != nil || host == "" || !ok || n == 0 {
			return target{}, fmt.Errorf("endpoint %q: must be %s://HOST:PORT with a port of 1 to 65535; Modbus has 502", short(text), scheme)
		}
		if d.opt.Bus != nil {
			return target{}, fmt.Errorf(`endpoint %q: the device is on a Bus; its endpoints begin with "serial:"`, short(text))
		}
		return target{scheme, addr}, d.slave(scheme == "rtu-tcp")
	}
	addr, ok := cutPrefix(text, "serial:")
	switch {
	case !ok || addr == "":
		return target{}, fmt.Errorf(`endpoint %q: not one of this protocol; must be such as "tcp://10.0.0.7:502", "rtu-tcp://10.0.0.7:4001" or `+
			`"serial:/dev/ttyS1"`, short(text))
	case d.opt.Bus == nil:
		return target{}, fmt.Errorf("endpoint %q: a serial line wants DeviceOptions.Bus, which opens it once for all its devices", short(text))
	}
	return target{"serial", addr}, d.slave(true)
}

// slave refuses a unit that is none on a serial line.
func (d *Device) slave(serial bool) error {
	if serial && (d.unit == 0 || d.unit > 247) {
		return fmt.Errorf("unit %d: on a serial line it is 1 to 247; 0 is a broadcast, which nobody answers", d.unit)
	}
	return nil
}

// Open implements line.Device: endpoints are "tcp://HOST:PORT", "rtu-tcp://HOST:PORT", and, with a Bus, "serial:" and what the Bus
// understands. A session that is open is closed first.
func (d *Device) Open(ctx context.Context, endpoint string) error {
	_ = d.Close() // what became of the session before does not matter
	t, err := d.endpoint(endpoint)
	if err != nil {
		return fmt.Errorf("modbus: device %q: %w", d.name, err)
	}
	response := time.Duration(d.limits.Response)
	var c *Client
	kind := 0
	if t.scheme != "tcp" {
		kind = 1
	}
	switch t.scheme {
	case "tcp":
		c, err = Dial(ctx, t.addr, &Options{Timeout: response, InFlight: d.limits.InFlight, Dial: d.opt.Dial, After: d.last[kind]})
	case "rtu-tcp":
		c, err = DialRTU(ctx, t.addr, &RTUOptions{Timeout: response, Dial: d.opt.Dial, After: d.last[kind]})
	default:
		c, err = d.opt.Bus.take(ctx, t.addr)
	}
	if err != nil {
		return fmt.Errorf("device %q: %w", d.name, err)
	}
	d.ready = time.Now().Add(time.Duration(d.limits.ConnectPause))
	d.mu.Lock()
	d.client = c
	d.mu.Unlock()
	if d.opt.Bus == nil {
		d.last[kind] = c
	}
	if t.scheme != "tcp" {
		if err := c.SetSlave(ctx, d.unit, Slave{Timeout: response, Pause: time.Duration(d.limits.Pause)}); err != nil {
			return errors.Join(fmt.Errorf("device %q: %w", d.name, err), d.Close())
		}
	}
	return nil
}

// Close implements line.Device. On a Bus it gives the line back, which others may go on using, but not while an exchange of this
// device is under way: that ends, and so does the line, until somebody opens it.
func (d *Device) Close() error {
	d.mu.Lock()
	c := d.client
	d.client = nil
	d.mu.Unlock()
	switch {
	case c == nil:
		return nil
	case d.opt.Bus != nil:
		return d.opt.Bus.give(c, d.busy.Load())
	}
	return c.Close()
}

// Prove implements line.Prover, as Client.Prove. Over TCP every answer proves itself, by its number.
func (d *Device) Prove(ctx context.Context) error {
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer d.end()
	if err := c.Prove(ctx, d.unit); err != nil {
		return fmt.Errorf("device %q: %w", d.name, err)
	}
	return nil
}

// Owes implements line.Debtor: by TCP no reply is owed, since its number tells whose it is, and a connection on which one is missing is
// over.
func (d *Device) Owes(endpoint string) bool {
	t, err := d.endpoint(endpoint)
	return err != nil || t.scheme != "tcp"
}

// begin waits until an exchange may be begun.
func (d *Device) begin(ctx context.Context) (*Client, error) {
	if wait := time.Until(d.ready); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("modbus: device %q: not begun: %w", d.name, ctx.Err())
		case <-timer.C:
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil {
		return nil, fmt.Errorf("modbus: device %q: %w: not open", d.name, ErrDown)
	}
	d.busy.Store(true)
	return d.client, nil
}

// end takes note that an exchange has ended.
func (d *Device) end() {
	d.busy.Store(false)
	if d.limits.Pause > 0 {
		d.ready = time.Now().Add(time.Duration(d.limits.Pause))
	}
}
