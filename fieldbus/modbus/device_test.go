// The claims of a device, against a server on this machine: what is compiled, read, written, refused, and what ends a session.

package modbus

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/iomap/tag"
)

var (
	_ line.Device  = (*Device)(nil)
	_ line.Planner = (*Device)(nil)
	_ line.Debtor  = (*Device)(nil)
	_ line.Texter  = (*Device)(nil)
)

// station is a model that counts what is asked of it, and of which some is forbidden.
type station struct {
	*server.Memory
	mu    sync.Mutex
	wrong map[server.Request]server.Exception // by table and address
	asked []string
	let   chan struct{} // nil: answer at once
}

func newStation() *station {
	return &station{Memory: server.NewMemory(), wrong: map[server.Request]server.Exception{}}
}

func (s *station) forbid(table server.Table, address uint16, e server.Exception) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong[server.Request{Table: table, Address: address}] = e
}

// note takes note of a request.
func (s *station) note(verb string, r server.Request, n int) error {
	s.mu.Lock()
	let := s.let
	s.asked = append(s.asked, fmt.Sprintf("%s %v %d+%d", verb, Table(r.Table), r.Address, n))
	var e server.Exception
	for i := range n {
		if w := s.wrong[server.Request{Table: r.Table, Address: r.Address + uint16(i)}]; w != 0 {
			e = w
		}
	}
	s.mu.Unlock()
	if let != nil {
		<-let
	}
	if e != 0 {
		return e
	}
	return nil
}

func (s *station) Read(r server.Request, out []uint16) error {
	if err := s.note("read", r, len(out)); err != nil {
		return err
	}
	return s.Memory.Read(r, out)
}

func (s *station) Write(r server.Request, values []uint16) error {
	if err := s.note("write", r, len(values)); err != nil {
		return err
	}
	return s.Memory.Write(r, values)
}

// took gives what was asked since it was called last.
func (s *station) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// plc is a profile with one of everything.
func plc() *fieldbus.Profile {
	p := &fieldbus.Profile{ID: "plc", Version: "1", Protocol: Protocol, Points: []fieldbus.Point{
		{Name: "valve", At: "coil 3", Type: fieldbus.Bool, Access: fieldbus.ReadWrite},
		{Name: "door", At: "discrete 9", Type: fieldbus.Bool},
		{Name: "speed", At: "holding 10", Type: fieldbus.Int16, Access: fieldbus.ReadWrite},
		{Name: "total", At: "holding 20", Type: fieldbus.Uint32, Order: fieldbus.CDAB, Access: fieldbus.ReadWrite},
		{Name: "mode", At: "holding 30.3", Type: fieldbus.Bool, Access: fieldbus.ReadWrite},
		{Name: "level", At: "input 5", Type: fieldbus.Float32},
		{Name: "maker", At: "input 200", Type: fieldbus.String, Length: 5},
		{Name: "reset", At: "holding 40", Type: fieldbus.Uint16, Access: fieldbus.WriteOnly},
		{Name: "spare", At: "holding 14", Type: fieldbus.Int16},
	}}
	for i := range p.Points {
		p.Points[i].Index = i
	}
	return p
}

// named gives points of a profile by their names.
func named(p *fieldbus.Profile, names ...string) (points []*fieldbus.Point) {
	for _, n := range names {
		for i := range p.Points {
			if p.Points[i].Name == n {
				points = append(points, &p.Points[i])
			}
		}
	}
	return points
}

// opened is a device whose session is open, of a profile that change may change.
func opened(t *testing.T, s server.Model, p *fieldbus.Profile) *Device {
	t.Helper()
	if p.Limits.Response == 0 {
		p.Limits.Response = int64(patient)
	}
	d, err := NewDevice(&fieldbus.Device{Name: "boiler", Profile: p, Unit: 7}, nil)
	require.NoError(t, err)
	require.NoError(t, d.Open(t.Context(), "tcp://"+serve(t, s).Addr()))
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func read(t *testing.T, d *Device, names ...string) []fieldbus.Reading {
	t.Helper()
	points := named(d.profile, names...)
	out := make([]fieldbus.Reading, len(points))
	require.NoError(t, d.Read(t.Context(), points, out))
	return out
}

func good(form tag.Form, bits uint64) fieldbus.Reading {
	return fieldbus.Reading{Form: form, Bits: bits, Quality: tag.Good}
}

func TestADeviceReadsEachPointInAsFewExchangesAsItTakes(t *testing.T) {
	s := newStation()
	d := opened(t, s, plc())
	s.Set(server.Coil, 3, 1)
	s.Set(server.Discrete, 9, 1)
	s.Set(server.Holding, 10, 0xFFFE)
	s.Set(server.Holding, 20, 0x0304, 0x0102)
	s.Set(server.Holding, 30, 8)
	s.Set(server.Input, 5, 0x7FC0, 1)
	want := []fieldbus.Reading{good(tag.Float32, 0x7FC0_0001), good(tag.Int, 0x0102_0304), good(tag.Bool, 1), good(tag.Bool, 1),
		good(tag.Int, ^uint64(1)), {Form: tag.Int, Status: fieldbus.StatusNotReadable}, good(tag.Bool, 1)}
	for range 2 {
		require.Equal(t, want, read(t, d, "level", "total", "valve", "mode", "speed", "reset", "door"))
		require.Equal(t, []string{"read coil 3+1", "read discrete 9+1", "read holding 10+21", "read input 5+2"}, s.took())
	}
	text, err := d.Text(t.Context(), named(d.profile, "maker")[0])
	require.NoError(t, err)
	require.Empty(t, text)
	s.Set(server.Input, 200, 'A'<<8|'c', 'm'<<8|'e', ' '<<8|'!')
	text, err = d.Text(t.Context(), named(d.profile, "maker")[0])
	require.NoError(t, err)
	require.Equal(t, "Acme", text, "of five bytes")
}

func TestAPlanHasEachPointOnceAndAGroupForEachExchange(t *testing.T) {
	p := plc()
	p.Limits.Hole = 4
	d := opened(t, newStation(), p)
	points := named(p, "level", "total", "valve", "mode", "speed", "reset", "door", "spare")
	require.Equal(t, [][]int{{2}, {6}, {4, 7}, {1}, {3}, {0}, {5}}, d.Plan(points))
	require.Empty(t, d.Plan(nil))
	require.Equal(t, [][]int{{0}}, d.Plan([]*fieldbus.Point{{Name: "foreign"}}))
}

func TestAWriteUsesTheFunctionOfItsType(t *testing.T) {
	s := newStation()
	d := opened(t, s, plc())
	put := func(name string, form tag.Form, bits uint64) {
		require.NoError(t, d.Write(t.Context(), named(d.profile, name)[0], form, bits))
	}
	put("valve", tag.Bool, 1)
	put("speed", tag.Int, ^uint64(1))
	put("total", tag.Int, 0x0102_0304)
	put("reset", tag.Int, 9)
	require.Equal(t, []string{"write coil 3+1", "write holding 10+1", "write holding 20+2", "write holding 40+1"}, s.took())
	require.Equal(t, []uint16{1, 0xFFFE, 0x0304, 0x0102, 9}, []uint16{s.Get(server.Coil, 3), s.Get(server.Holding, 10),
		s.Get(server.Holding, 20), s.Get(server.Holding, 21), s.Get(server.Holding, 40)})
	put("valve", tag.Bool, 0)
	require.EqualValues(t, 0, s.Get(server.Coil, 3))
}

func TestABitOfARegisterIsWrittenByMaskOrNotAtAll(t *testing.T) {
	s := newStation()
	s.Set(server.Holding, 30, 0xABC0)
	d := opened(t, s, plc())
	err := d.Write(t.Context(), named(d.profile, "mode")[0], tag.Bool, 1)
	require.Error(t, err)
	require.EqualValues(t, 0xABC0, s.Get(server.Holding, 30), "a server that does not know function 22")
	require.Empty(t, s.took(), "and nobody read and wrote the whole instead")
}

func TestARefusedWriteChangesNothingAndTheSessionGoesOn(t *testing.T) {
	s := newStation()
	d := opened(t, s, plc())
	for want, w := range map[string]struct {
		name string
		form tag.Form
		bits uint64
	}{
		"the profile has it read-only":      {"level", tag.Float32, 1},
		"form int for a point of form bool": {"valve", tag.Int, 1},
		"value 2: the point holds 0 to 1":   {"valve", tag.Bool, 2},
		"value 40000: the point holds":      {"speed", tag.Int, 40_000},
	} {
		err := d.Write(t.Context(), named(d.profile, w.name)[0], w.form, w.bits)
		require.ErrorIs(t, err, fieldbus.ErrRefused)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, `modbus: device "boiler": point "`+w.name)
	}
	require.ErrorIs(t, d.Write(t.Context(), &fieldbus.Point{Name: "foreign"}, tag.Bool, 1), fieldbus.ErrRefused)
	require.Empty(t, s.took())
	s.forbid(server.Holding, 10, 3)
	err := d.Write(t.Context(), named(d.profile, "speed")[0], tag.Int, 1)
	require.ErrorIs(t, err, fieldbus.ErrRefused)
	require.ErrorIs(t, err, IllegalValue)
	s.forbid(server.Holding, 10, 4)
	require.ErrorIs(t, d.Write(t.Context(), named(d.profile, "speed")[0], tag.Int, 1), fieldbus.ErrUnknown, "the device may have begun")
	require.Equal(t, []fieldbus.Reading{good(tag.Bool, 0)}, read(t, d, "valve"))
}

func TestABlockThatIsRefusedIsCutUntilOnlyTheWrongPointIsBad(t *testing.T) {
	s := newStation()
	d := opened(t, s, plc())
	s.forbid(server.Holding, 17, 2) // in the hole between spare and total
	s.forbid(server.Holding, 30, 3) // of mode
	points := named(d.profile, "speed", "spare", "total", "mode")
	out := make([]fieldbus.Reading, len(points))
	plans := 0
	for err := d.Read(t.Context(), points, out); err != nil; err = d.Read(t.Context(), points, out) {
		require.ErrorIs(t, err, fieldbus.ErrPlan)
		plans++
		require.Less(t, plans, 9)
	}
	require.Equal(t, []fieldbus.Reading{good(tag.Int, 0), good(tag.Int, 0), good(tag.Int, 0),
		{Form: tag.Bool, Status: fieldbus.StatusConfigurationError}}, out)
	s.took()
	require.NoError(t, d.Close())
	require.NoError(t, d.Open(t.Context(), "tcp://"+serve(t, s).Addr()))
	require.NoError(t, d.Read(t.Context(), points, out))
	require.Equal(t, []string{"read holding 10+5", "read holding 20+2", "read holding 30+1"}, s.took(), "which is remembered")
	require.Equal(t, [][]int{{0, 1}, {2}, {3}}, d.Plan(points))
}

func TestAnExceptionSaysWhatIsBad(t *testing.T) {
	s := newStation()
	d := opened(t, s, plc())
	for e, want := range map[server.Exception]fieldbus.Status{
		1: fieldbus.StatusConfigurationError, 2: fieldbus.StatusConfigurationError, 3: fieldbus.StatusConfigurationError,
		4: fieldbus.StatusDeviceFailure, 5: fieldbus.StatusDeviceFailure, 6: fieldbus.StatusDeviceFailure, 8: fieldbus.StatusDeviceFailure,
	} {
		s.forbid(server.Input, 5, e)
		require.Equal(t, []fieldbus.Reading{{Form: tag.Float32, Status: want}, good(tag.Bool, 0)}, read(t, d, "level", "valve"), "exception %d", e)
	}
	s.forbid(server.Input, 5, 0)
	for _, e := range []server.Exception{10, 11} {
		s.forbid(server.Holding, 10, e)
		points := named(d.profile, "speed")
		err := d.Read(t.Context(), points, make([]fieldbus.Reading, 1))
		require.ErrorIs(t, err, Exception(e), "nobody is there")
		for _, not := range []error{fieldbus.ErrPoint, fieldbus.ErrPlan, fieldbus.ErrRefused, fieldbus.ErrDoubt} {
			require.NotErrorIs(t, err, not)
		}
	}
	s.forbid(server.Input, 200, 2)
	_, err := d.Text(t.Context(), named(d.profile, "maker")[0])
	require.ErrorIs(t, err, fieldbus.ErrPoint)
	s.forbid(server.Input, 200, 0)
	s.Set(server.Input, 200, 'A'<<8|7)
	_, err = d.Text(t.Context(), named(d.profile, "maker")[0])
	require.ErrorIs(t, err, fieldbus.ErrPoint)
	_, err = d.Text(t.Context(), named(d.profile, "level")[0])
	require.ErrorIs(t, err, fieldbus.ErrPoint)
}

func TestCloseEndsAReadAndTheSessionIsOverUntilItIsOpened(t *testing.T) {
	s := newStation()
	s.let = make(chan struct{})
	defer close(s.let)
	p := plc()
	p.Limits.Response = int64(time.Minute)
	d := opened(t, s, p)
	done := make(chan error, 1)
	points := named(p, "speed")
	go func() { done <- d.Read(t.Context(), points, make([]fieldbus.Reading, 1)) }()
	require.Eventually(t, func() bool { return len(s.took()) > 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, d.Close())
	require.Error(t, <-done)
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.Read(t.Context(), points, make([]fieldbus.Reading, 1)), fieldbus.ErrDown)
	require.ErrorIs(t, d.Write(t.Context(), points[0], tag.Int, 1), fieldbus.ErrDown)
	require.ErrorIs(t, d.Prove(t.Context()), fieldbus.ErrDown)
	require.NoError(t, d.Open(t.Context(), "tcp://"+serve(t, newStation()).Addr()))
	require.NoError(t, d.Prove(t.Context()))
	read(t, d, "speed")
}

func TestOverTCPAloneNothingIsOwed(t *testing.T) {
	d, err := NewDevice(&fieldbus.Device{Name: "plc", Profile: plc(), Unit: 1}, nil)
	require.NoError(t, err)
	require.False(t, d.Owes("tcp://10.0.0.7:502"))
	require.True(t, d.Owes("rtu-tcp://10.0.0.7:502"))
	require.True(t, d.Owes("tcp:10.0.0.7"), "what cannot be opened says nothing")
	d, err = NewDevice(&fieldbus.Device{Name: "plc", Profile: plc(), Unit: 1}, &DeviceOptions{Bus: NewBus(nil)})
	require.NoError(t, err)
	require.True(t, d.Owes("serial:/dev/ttyS1"))
}

func TestATextIsNoValue(t *testing.T) {
	d := opened(t, newStation(), plc())
	out := make([]fieldbus.Reading, 1)
	require.NoError(t, d.Read(t.Context(), named(d.profile, "maker"), out))
	require.Equal(t, []fieldbus.Reading{{Status: fieldbus.StatusOutOfRange}}, out)
}

func TestPausesAreKept(t *testing.T) {
	s := newStation()
	p := plc()
	p.Limits.ConnectPause, p.Limits.Pause = 30e6, 20e6
	begin := time.Now()
	d := opened(t, s, p)
	read(t, d, "valve", "door", "level")
	require.GreaterOrEqual(t, time.Since(begin), 70*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Read(ctx, named(p, "valve"), make([]fieldbus.Reading, 1)), context.Canceled)
	require.Len(t, s.took(), 3)
}

func TestADeviceRefusesAllThatCannotBeAtOnce(t *testing.T) {
	p := plc()
	p.Protocol = "profibus"
	p.Limits = fieldbus.Limits{ReadRegisters: 126, ReadBits: -1, WriteRegisters: 1, WriteBits: 9999, Hole: -2, InFlight: 65, Pause: -1,
		ConnectPause: math.MaxInt64, Response: -5, Absent: []string{"input 4..9", "everything"}}
	p.Points[0].At = "relay 3"
	p.Points[1].Index = 7
	_, err := NewDevice(&fieldbus.Device{Name: "boiler", Profile: p, Endpoints: []string{"tcp://10.0.0.7", "opc.tcp://x:4840", "serial:/dev/x",
		"rtu-tcp://10.0.0.7:4001", "tcp://:502", "tcp://h:0", "tcp://h:http"}}, &DeviceOptions{Hole: -1})
	for _, want := range []string{
		`modbus: profile "plc" 1: protocol "profibus": this driver has "modbus"`,
		"read_registers 126: must be 1 to 125", "read_bits -1: must be 1 to 2000", "write_bits 9999", "in_flight 65", "pause -1ns",
		"connect_pause 2562047h", "response -5ns", "hole -2", `absent: range "everything"`,
		`point "valve": address "relay 3"`, `point "door": index 7: its place in the profile is 1`,
		`point "total": takes 2 registers, and write_registers is 1`, `point "level": lies in input 4..9, which is said to be absent`,
		`modbus: device "boiler": endpoint "tcp://10.0.0.7": must be tcp://HOST:PORT`, `endpoint "opc.tcp://x:4840": not one of this protocol`,
		`endpoint "serial:/dev/x": a serial line wants DeviceOptions.Bus`, "unit 0: on a serial line it is 1 to 247",
		`endpoint "tcp://:502"`, `endpoint "tcp://h:0"`, `endpoint "tcp://h:http"`, "hole -1: must not be negative",
	} {
		require.ErrorContains(t, err, want)
	}
	p = plc()
	p.Limits = fieldbus.Limits{Pause: 1, InFlight: 2, ReadRegisters: 1}
	_, err = NewDevice(&fieldbus.Device{Name: "boiler", Profile: p}, nil)
	require.ErrorContains(t, err, "pause 1ns with 2 in flight")
	require.ErrorContains(t, err, `point "level": takes 2 registers, and read_registers is 1`)
	_, err = NewDevice(nil, nil)
	require.ErrorContains(t, err, "has no profile")
}

func TestAnEndpointThatIsNotOfThisProtocolIsRefusedByName(t *testing.T) {
	d, err := NewDevice(&fieldbus.Device{Name: "boiler", Profile: plc()}, nil)
	require.NoError(t, err)
	require.ErrorContains(t, d.Open(t.Context(), "opc.tcp://10.0.0.7:4840"), `device "boiler": endpoint "opc.tcp://10.0.0.7:4840"`)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	require.ErrorIs(t, d.Open(t.Context(), "tcp://"+dead.Addr().String()), fieldbus.ErrDown)
}

func TestPointsThatAreNotOfTheProfileAreRefusedAndNothingIsAsked(t *testing.T) {
	s := newStation()
	d := opened(t, s, plc())
	for _, points := range [][]*fieldbus.Point{{nil}, {{Index: -1}}, {{Index: 99}}, {{Name: "foreign"}}} {
		require.ErrorIs(t, d.Read(t.Context(), points, make([]fieldbus.Reading, 1)), fieldbus.ErrPoint)
	}
	require.ErrorIs(t, d.Read(t.Context(), named(d.profile, "speed"), nil), fieldbus.ErrPoint)
	require.Empty(t, s.took())
	require.NoError(t, d.Read(t.Context(), nil, nil))
}

func TestAReadOfTheSamePointsAllocatesNothing(t *testing.T) {
	d := opened(t, server.NewMemory(), plc())
	points := named(d.profile, "valve", "door", "speed", "total", "mode", "level")
	out := make([]fieldbus.Reading, len(points))
	ctx := context.Background()
	// The server is in this process and allocates: what is counted is the device's own work around the exchange.
	require.NoError(t, d.Read(ctx, points, out))
	r, err := d.of(points)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		again, _ := d.of(points)
		for i := range again.asked {
			_ = d.take(r, i, out)
		}
	}))
}
