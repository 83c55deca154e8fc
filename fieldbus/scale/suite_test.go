// The device is held against the suite of drivers, asked and listened to, by serial and by TCP.

package scale_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/haltest"
)

// balance is an instrument that is asked by SICS, and answers at once, or, while it is silent, all of it later.
type balance struct {
	mu     sync.Mutex
	silent bool
	owed   [][]byte
	say    func(p []byte)
}

func (b *balance) hear(p []byte) {
	answer := map[string]string{"SI\r\n": "S S       2.50 g\r\n", "I4\r\n": "I4 A \"0815\"\r\n", "Z\r\n": "Z A\r\n"}[string(p)]
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent {
		b.owed = append(b.owed, []byte(answer))
		return
	}
	b.say([]byte(answer))
}

func (b *balance) quiet(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent = on
	for ; !on && len(b.owed) > 0; b.owed = b.owed[1:] {
		b.say(b.owed[0])
	}
}

// holds holds the driver against the suite, at most five times: again where all that it found is calls that took too long, which a machine
// that stalls does to any driver. One that is slow is so each time.
func holds(t *testing.T, d line.Device, o *bustest.Options) (r haltest.Report) {
	t.Helper()
	var err error
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r, err = bustest.Check(ctx, d, o)
		cancel()
		if n := len(r.Broken); n == 0 || strings.Count(err.Error(), "is the limit") < n {
			break
		}
		t.Log(err)
	}
	require.NoError(t, err)
	return r
}

func suite(t *testing.T, d *scale.Device, p *fieldbus.Profile, o bustest.Options) {
	t.Helper()
	for _, name := range []string{"WEIGHT", "SHOWN", "STABLE", "OVERLOAD"} {
		if pt := p.Find(name); pt != nil {
			o.Points = append(o.Points, pt)
		}
	}
	o.Device, o.Foreign, o.Steady, o.Within = "S1", "opc.tcp://10.0.0.7:4840", true, 500*time.Millisecond
	r := holds(t, d, &o)
	t.Logf("kept %d promises, not checked: %v", len(r.Kept), r.NotChecked)
}

func TestTheDeviceKeepsWhatALineBuildsOn(t *testing.T) {
	t.Parallel()
	t.Run("asked", func(t *testing.T) {
		t.Parallel()
		p := profile(t, "sics", "response: 500 ms", "response: 20 s")
		b := &balance{}
		s := &socket{heard: b.hear}
		b.say = s.say
		d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{Open: s.open})
		require.NoError(t, err)
		suite(t, d, p, bustest.Options{Endpoint: "serial:/dev/ttyS1", Text: p.Find("SERIAL"), Is: "0815", Silent: b.quiet,
			Cut: func() { s.now().pull() }})
	})
	t.Run("asked over TCP", func(t *testing.T) {
		t.Parallel()
		p := profile(t, "sics", "response: 500 ms", "response: 20 s")
		b := &balance{}
		at, cut := served(t, b)
		d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, nil)
		require.NoError(t, err)
		suite(t, d, p, bustest.Options{Endpoint: "tcp://" + at, Text: p.Find("SERIAL"), Is: "0815", Silent: b.quiet, Cut: cut})
	})
	t.Run("listened to", func(t *testing.T) {
		t.Parallel()
		p := profile(t, "and-stream", "response: 1 s", "response: 20 s", "{point: NET, at: net, type: bool}",
			"{point: TARE, at: tare, type: int32, unit: kg, scaling: {gain: 0.01 kg}}", "{weight 9}{unit 2}", "{weight 9}{unit 2},{tare 6}")
		var silent atomic.Bool
		s := &socket{}
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				if !silent.Load() {
					s.say([]byte("ST,GS,+00012.34kg,------\r\n"))
				}
			}
		}()
		defer func() { close(stop); <-done }()
		d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{Open: s.open})
		require.NoError(t, err)
		suite(t, d, p, bustest.Options{Endpoint: "serial:/dev/ttyS1", Silent: silent.Store, Absent: p.Find("TARE"), Cut: func() { s.now().pull() }})
	})
}

// served puts a balance behind a device server, and gives its address and what cuts its connections.
func served(t *testing.T, b *balance) (at string, cut func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var conn net.Conn
	b.say = func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = conn.Write(p)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conn = c
			mu.Unlock()
			go func() {
				buf := make([]byte, 64)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					b.hear(buf[:n])
				}
			}()
		}
	}()
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		_ = conn.Close()
	}
	t.Cleanup(func() { _ = l.Close(); <-done; cut() })
	return l.Addr().String(), cut
}

func Example() {
	profile, err := fieldbus.ParseProfile("indicator.yaml", []byte(`
profile: INDICATOR
version: 1.0
schema_version: 1
protocol: scale
settings:
  line: 9600 7E1
  frame: '{status 2},{mode 2},{weight 9}{unit 2}\r\n'
  unit: kg
  stable: status=ST
points:
  - {point: WEIGHT, at: weight stable, type: int32, unit: kg, scaling: {gain: 0.01 kg}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	cable := newCable(nil) // in place of an RS-232 line
	d, err := scale.NewDevice(&fieldbus.Device{Name: "HOPPER", Profile: profile}, &scale.DeviceOptions{
		Open: func(context.Context, string) (hal.RS232, error) { return cable, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := d.Open(context.Background(), "serial:/dev/ttyUSB0"); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // what comes before the Read does not count
		for ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
			cable.say([]byte(".00kg\r\nST,GS,+00012.34kg\r\n"))
		}
	}()
	out := make([]fieldbus.Reading, 1)
	err = d.Read(ctx, []*fieldbus.Point{&profile.Points[0]}, out)
	cancel()
	fmt.Println(int64(out[0].Bits), out[0].Quality, err, d.Close())
	// Output: 1234 GOOD <nil> <nil>
}
