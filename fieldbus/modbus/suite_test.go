// The device is held against the suite of drivers, over TCP, at a server that can be made silent.

package modbus_test

import (
	"context"
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
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/iomap/tag"
)

// mute is a memory that can be made silent, and that has no input registers from 900 on.
type mute struct {
	*server.Memory
	gate sync.RWMutex
}

func (m *mute) Read(r server.Request, out []uint16) error {
	m.gate.RLock()
	defer m.gate.RUnlock()
	if r.Table == server.Input && int(r.Address)+len(out) > 900 {
		return server.Exception(modbus.IllegalAddress)
	}
	return m.Memory.Read(r, out)
}

func (m *mute) Write(r server.Request, values []uint16) error {
	m.gate.RLock()
	defer m.gate.RUnlock()
	return m.Memory.Write(r, values)
}

// silent holds requests up, or lets them go.
func (m *mute) silent(silent bool) {
	if silent {
		m.gate.Lock()
	} else {
		m.gate.Unlock()
	}
}

// kiln is a profile of which all but the last two points are there.
func kiln() *fieldbus.Profile {
	p := &fieldbus.Profile{ID: "kiln", Version: "1", Protocol: modbus.Protocol, Points: []fieldbus.Point{
		{Name: "valve", At: "coil 3", Type: fieldbus.Bool, Access: fieldbus.ReadWrite},
		{Name: "door", At: "discrete 9", Type: fieldbus.Bool},
		{Name: "setpoint", At: "holding 10", Type: fieldbus.Int16, Access: fieldbus.ReadWrite},
		{Name: "total", At: "holding 20", Type: fieldbus.Int64, Order: fieldbus.CDAB, Access: fieldbus.ReadWrite},
		{Name: "hand", At: "holding 30.3", Type: fieldbus.Bool},
		{Name: "level", At: "input 5", Type: fieldbus.Float32, Order: fieldbus.DCBA},
		{Name: "flow", At: "input 7", Type: fieldbus.Uint32},
		{Name: "maker", At: "input 200", Type: fieldbus.String, Length: 5},
		{Name: "ghost", At: "input 905", Type: fieldbus.Int16},
	}}
	for i := range p.Points {
		p.Points[i].Index = i
	}
	return p
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

func TestTheDeviceKeepsWhatALineBuildsOn(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]fieldbus.Limits{"one in flight": {}, "four in flight": {InFlight: 4}, "with pauses": {Pause: 1e6, ConnectPause: 1e6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &mute{Memory: server.NewMemory()}
			m.Set(server.Discrete, 9, 1)
			m.Set(server.Holding, 30, 8)
			m.Set(server.Input, 5, 1, 2, 3, 4)
			m.Set(server.Input, 200, 'A'<<8|'c', 'm'<<8|'e')
			s, err := server.Serve("127.0.0.1:0", m)
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			p := kiln()
			p.Limits = limits
			p.Limits.Response = int64(20 * time.Second)
			var conn net.Conn
			d, err := modbus.NewDevice(&fieldbus.Device{Name: "kiln", Profile: p, Unit: 1}, &modbus.DeviceOptions{
				Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err = new(net.Dialer).DialContext(ctx, network, addr)
					return conn, err
				}})
			require.NoError(t, err)
			points := make([]*fieldbus.Point, 7)
			for i := range points {
				points[i] = &p.Points[i]
			}
			r := holds(t, d, &bustest.Options{
				Device: "kiln", Endpoint: "tcp://" + s.Addr(), Foreign: "opc.tcp://" + s.Addr(), Points: points, Steady: true,
				Outputs: []bustest.Output{{Point: points[0]}, {Point: points[2], Values: [2]uint64{0, ^uint64(4)}},
					{Point: points[3], Values: [2]uint64{0, 0x0102_0304_0506_0708}}},
				Absent: &p.Points[8], Text: &p.Points[7], Is: "Acme", Silent: m.silent,
				Cut: func() { _ = conn.Close() }, Within: 500 * time.Millisecond,
			})
			require.Empty(t, r.NotChecked)
		})
	}
}

func TestALineSurvivesAWireThatGoesBad(t *testing.T) {
	t.Parallel()
	memory := server.NewMemory()
	s, err := server.Serve("127.0.0.1:0", memory)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	var noise atomic.Pointer[[]byte]
	relay, err := bustest.NewRelay("127.0.0.1:0", s.Addr(), func(_, reply []byte) ([]byte, error) {
		if b := noise.Load(); b != nil {
			return *b, nil
		}
		return reply, nil
	})
	require.NoError(t, err)
	m := &fieldbus.TagMap{ID: "bus", Profiles: []*fieldbus.Profile{kiln()}, Classes: []fieldbus.Class{{Name: "fast", Every: 1e6}},
		Tags: []fieldbus.Tag{{Channel: "ao/1", Point: 3, StaleAfter: 60e9}}}
	m.Profiles[0].Limits.Response = 2e9 // two of the four below cost it; a busy machine takes less for a write
	m.Devices = []fieldbus.Device{{Name: "kiln", Profile: m.Profiles[0], Unit: 1, Endpoints: []string{"tcp://" + relay.Addr()}}}
	d, err := modbus.NewDevice(&m.Devices[0], nil)
	require.NoError(t, err)
	l, err := line.New(m, []line.Attached{{Device: "kiln", Driver: d}}, nil)
	require.NoError(t, err)
	l.Report(func(e fieldbus.Event) {
		if e.Kind == fieldbus.LinkChanged && e.New == fieldbus.Doubt {
			t.Errorf("over TCP nothing is ever owed, and the link went from %v to %v", e.Old, e.New)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	raws := make(chan tag.Raw, 1<<16)
	var group sync.WaitGroup
	group.Go(func() { require.NoError(t, relay.Run(ctx)) })
	group.Go(func() { require.NoError(t, l.Watch(ctx, func(r tag.Raw) { raws <- r })) })
	defer func() { cancel(); group.Wait() }()
	until := func(q tag.Quality) (r tag.Raw) {
		for limit := time.After(time.Minute); ; {
			select {
			case r = <-raws:
				if r.Quality == q {
					return r
				}
			case <-limit:
				require.Fail(t, "no value", "of quality %v within a minute", q)
			}
		}
	}
	for i, b := range [][]byte{[]byte("garbage, garbage"), {}, {0, 0, 0}, make([]byte, 300)} {
		noise.Store(nil)
		memory.Set(server.Holding, 20, uint16(i))
		until(tag.Good)
		require.NoError(t, l.Write(ctx, tag.Write{Channel: "ao/1", Form: tag.Int, Bits: 0x0102_0304_0506_0708}))
		require.EqualValues(t, 0x0102, memory.Get(server.Holding, 23))
		noise.Store(&b)
		until(tag.Bad)
	}
}
