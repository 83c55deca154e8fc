// Programs of others at the other end: the client against libmodbus and pymodbus, and theirs against the server of this house.

package modbus

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/iomap/tag"
)

// makes are the servers of others; each holds in a register its address, and in a bit the lowest bit of its.
var makes = map[string]func(t *testing.T) (port string){
	"libmodbus": func(t *testing.T) string { return served(t, libmodbus(t), "serve") },
	"pymodbus": func(t *testing.T) string {
		pymodbus(t)
		return served(t, python, "testdata/pymodbus_server.py")
	},
}

func TestEveryFunctionWorksWithServersOfOtherMakes(t *testing.T) {
	for name, start := range makes {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c, err := Dial(ctx, "127.0.0.1:"+start(t), &Options{InFlight: 4, Timeout: patient})
			require.NoError(t, err)
			defer func() { require.NoError(t, c.Close()) }()
			words, bits := make([]uint16, MaxRead), make([]bool, 1999)
			for _, from := range []uint16{0, 700, 65_411} {
				require.NoError(t, c.ReadHolding(ctx, 1, from, words))
				for i, w := range words {
					require.Equal(t, from+uint16(i), w)
				}
				require.NoError(t, c.ReadInput(ctx, 1, from, words))
				require.Equal(t, from, words[0])
			}
			require.NoError(t, c.ReadCoils(ctx, 1, 1, bits))
			require.Equal(t, []bool{true, false, true}, bits[:3])
			require.NoError(t, c.ReadDiscrete(ctx, 1, 1, bits))
			require.Equal(t, []bool{true, false, true}, bits[:3])

			require.NoError(t, c.WriteCoil(ctx, 1, 5, false))
			require.NoError(t, c.WriteCoil(ctx, 1, 6, true))
			require.NoError(t, c.WriteCoils(ctx, 1, 7, []bool{false, true, true}))
			require.NoError(t, c.ReadCoils(ctx, 1, 5, bits[:5]))
			require.Equal(t, []bool{false, true, false, true, true}, bits[:5])

			require.NoError(t, c.WriteRegister(ctx, 1, 10, 0xABCD))
			require.NoError(t, c.WriteRegisters(ctx, 1, 11, []uint16{1, 2, 3}))
			require.NoError(t, c.MaskWrite(ctx, 1, 10, 0xFF00, 0x0012))
			require.NoError(t, c.ReadWriteRegisters(ctx, 1, 10, words[:5], 12, []uint16{77, 78}))
			require.Equal(t, []uint16{0xAB12, 1, 77, 78, 14}, words[:5])
		})
	}
}

func TestSeveralReadsUnderWayAreAnsweredRightByServersOfOtherMakes(t *testing.T) {
	for name, start := range makes {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(t.Context(), "127.0.0.1:"+start(t), &Options{InFlight: 8, Timeout: patient})
			require.NoError(t, err)
			defer func() { require.NoError(t, c.Close()) }()
			for round := range 20 {
				var reads []Read
				for i := range 40 {
					reads = append(reads, Read{Unit: 1, Table: Holding + Table(i%2), Address: uint16(100*i + round), Out: make([]uint16, 1+(i+round)%60)})
				}
				require.NoError(t, c.ReadAll(t.Context(), reads))
				for _, r := range reads {
					require.NoError(t, r.Err)
					for k, w := range r.Out {
						require.Equal(t, r.Address+uint16(k), w)
					}
				}
			}
		})
	}
}

func TestADeviceOfAProfileReadsAndWritesServersOfOtherMakes(t *testing.T) {
	for name, start := range makes {
		t.Run(name, func(t *testing.T) {
			p := plc()
			p.Limits.Response = int64(patient)
			d, err := NewDevice(&fieldbus.Device{Name: name, Profile: p, Unit: 1}, nil)
			require.NoError(t, err)
			require.NoError(t, d.Open(t.Context(), "tcp://127.0.0.1:"+start(t)))
			defer func() { require.NoError(t, d.Close()) }()
			put := func(name string, form tag.Form, bits uint64) {
				require.NoError(t, d.Write(t.Context(), named(d.profile, name)[0], form, bits))
			}
			require.Equal(t, []fieldbus.Reading{good(tag.Bool, 1), good(tag.Bool, 1), good(tag.Int, 10), good(tag.Int, 21<<16|20), good(tag.Bool, 1),
				good(tag.Float32, 5<<16|6)}, read(t, d, "valve", "door", "speed", "total", "mode", "level"))
			put("mode", tag.Bool, 0)
			put("valve", tag.Bool, 0)
			put("speed", tag.Int, ^uint64(299))
			put("total", tag.Int, 0xFFFE_FFFD)
			require.Equal(t, []fieldbus.Reading{good(tag.Bool, 0), good(tag.Int, ^uint64(299)), good(tag.Int, 0xFFFE_FFFD), good(tag.Bool, 0)},
				read(t, d, "valve", "speed", "total", "mode"))
			var words [1]uint16
			require.NoError(t, d.client.ReadHolding(t.Context(), 1, 30, words[:]))
			require.EqualValues(t, 30&^8, words[0], "and no other bit of the register")
		})
	}
}

// shown is a server of this house with some values in it.
func shown(t *testing.T) (m *server.Memory, port string) {
	m = server.NewMemory()
	m.Set(server.Coil, 10, 1, 0, 1)
	m.Set(server.Discrete, 20, 0, 1, 1)
	m.Set(server.Holding, 30, 300, 301, 302)
	m.Set(server.Input, 40, 400, 401, 65_535)
	_, port, ok := strings.Cut(serve(t, m).Addr(), ":")
	require.True(t, ok)
	return m, port
}

func TestPymodbusFindsInTheServerWhatIsThere(t *testing.T) {
	pymodbus(t)
	m, port := shown(t)
	out, err := exec.Command(python, "testdata/pymodbus_client.py", port).CombinedOutput()
	require.NoError(t, err, "%s", out)
	pad := ", False, False, False, False, False]"
	require.Equal(t, []string{"1 [True, False, True" + pad, "2 [False, True, True" + pad, "3 [300, 301, 302]", "4 [400, 401, 65535]", "5 True",
		"6 4711", "15 3", "16 3", "3 [0]", "22 exception 1"}, strings.Split(strings.TrimSpace(string(out)), "\n"))
	for address, want := range map[uint16]uint16{11: 1, 12: 1, 13: 0, 14: 1} {
		require.Equal(t, want, m.Get(server.Coil, address), "coil %d", address)
	}
	for address, want := range map[uint16]uint16{30: 300, 31: 4711, 32: 1, 33: 2, 34: 65_535} {
		require.Equal(t, want, m.Get(server.Holding, address), "register %d", address)
	}
}

func TestMbpollFindsInTheServerWhatIsThere(t *testing.T) {
	if _, err := exec.LookPath("mbpoll"); err != nil {
		t.Skip("no mbpoll on this machine: install mbpoll")
	}
	m, port := shown(t)
	poll := func(args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		args = append([]string{"-m", "tcp", "-p", port, "-0", "-1", "-a", "1", "-o", "10"}, args...)
		out, err := exec.CommandContext(ctx, "mbpoll", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	for table, want := range map[string][]string{"0": {"[10]: \t1", "[11]: \t0", "[12]: \t1"}, "1": {"[20]: \t0", "[21]: \t1"},
		"4": {"[30]: \t300", "[31]: \t301"}, "3": {"[40]: \t400", "[42]: \t65535 (-1)"}} {
		from := strings.Trim(want[0][:4], "[]")
		said := poll("-t", table, "-r", from, "-c", "3", "127.0.0.1")
		for _, line := range want {
			require.Contains(t, said, line)
		}
	}
	require.Contains(t, poll("-t", "0", "-r", "50", "127.0.0.1", "1", "1", "0", "1"), "Written 4 references")
	require.Contains(t, poll("-t", "4", "-r", "60", "127.0.0.1", "7", "8", "9"), "Written 3 references")
	require.Contains(t, poll("-t", "4", "-r", "70", "127.0.0.1", "4711"), "Written 1 references")
	got := fmt.Sprint(m.Get(server.Coil, 50), m.Get(server.Coil, 51), m.Get(server.Coil, 52), m.Get(server.Coil, 53),
		m.Get(server.Holding, 60), m.Get(server.Holding, 62), m.Get(server.Holding, 70))
	require.Equal(t, "1 1 0 1 7 9 4711", got)
}
