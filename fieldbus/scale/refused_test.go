// What is refused of profiles, as a table.

package scale_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/internal/golden"
)

func TestTheProfilesOfTestdataAreInOrder(t *testing.T) {
	for _, name := range []string{"and-stream", "sics", "toledo", "sbi"} {
		_, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: profile(t, name),
			Endpoints: []string{"serial:/dev/ttyUSB0", "tcp://10.0.0.7:4001"}}, nil)
		require.NoError(t, err, name)
	}
}

// wrongs are a profile of testdata each, what is replaced in it, and by what.
func wrongs() [][]string {
	return [][]string{
		{"and-stream", `frame: '{status 2},{mode 2},{weight 9}{unit 2}\r\n'`, "must: a.3"},
		{"and-stream", `{weight 9}{unit 2}`, `{weight}{unit 2}`},
		{"and-stream", `{weight 9}{unit 2}`, `{weight},{unit 2}`},
		{"and-stream", `{unit 2}\r\n`, `{unit 2}`},
		{"and-stream", `{unit 2}\r\n`, `{unit 2`},
		{"and-stream", `{unit 2}\r\n`, `{unit 2}\r\q`},
		{"and-stream", `{unit 2}\r\n`, `{unit 2}\r\n{check 1}`},
		{"and-stream", `{unit 2}\r\n`, `{unit 0}\r\n`},
		{"and-stream", `{unit 2}\r\n`, `{Unit 2}\r\n`},
		{"and-stream", `{unit 2}\r\n`, `{mode 2}\r\n`},
		{"and-stream", `{unit 2}\r\n`, `{net 2}\r\n`},
		{"and-stream", `{unit 2}\r\n`, `{_ 2}\r\n`},
		{"and-stream", `{unit 2}\r\n`, `{unit 2}{check 2}\r\n`},
		{"and-stream", `{weight 9}{unit 2}\r\n`, `{weight 9}{unit 2}\r\n{tare 9}\r\n`},
		{"and-stream", "line: 2400 7E1", "line: 2400 9E1"},
		{"and-stream", "line: 2400 7E1", "speed: fast"},
		{"and-stream", "stable: status=ST", "stable: state=ST"},
		{"and-stream", "stable: status=ST", "stable: status=STABLE"},
		{"and-stream", "stable: status=ST", "stable: status.3"},
		{"and-stream", "stable: status=ST", "stable: sometimes"},
		{"and-stream", "stable: status=ST", "lag: 5 kg"},
		{"and-stream", "net: mode=NT", "check: crc"},
		{"and-stream", "unit: kg\n  stable", "unit: kilo\n  stable"},
		{"and-stream", "net: mode=NT", "decimals: many"},
		{"and-stream", "net: mode=NT", "decimal: '|'"},
		{"and-stream", "net: mode=NT", "identity: 'ID\\r\\n'"},
		{"and-stream", "net: mode=NT", "command.zero: 'Z\\r\\n'"},
		{"and-stream", "net: mode=NT", "instead.fault: '{_ 17}\\r\\n'"},
		{"and-stream", "net: mode=NT", "instead.sleepy: 'Z\\r\\n'"},
		{"and-stream", "net: mode=NT", "instead.fault: 'ERR\\n'"},
		{"and-stream", "at: weight gross stable, type: int32", "at: weight gross stable, type: float32"},
		{"and-stream", "gain: 0.01 kg", "gain: 10 g"},
		{"and-stream", "gain: 0.01 kg", "gain: 0.01 kg, offset: 1 kg"},
		{"and-stream", "gain: 0.01 kg", "gain: -0.01 kg"},
		{"and-stream", "at: weight gross stable", "at: weight gross net"},
		{"and-stream", "at: weight gross stable", "at: weight steady"},
		{"and-stream", "at: weight gross stable", "at: height"},
		{"and-stream", "at: stable, type: bool", "at: zero, type: bool"},
		{"and-stream", "at: stable, type: bool", "at: stable, type: int16"},
		{"and-stream", "at: stable, type: bool", "at: stable, type: bool, access: rw"},
		{"and-stream", "at: stable, type: bool", "at: command zero, type: bool, access: w"},
		{"and-stream", "at: stable, type: bool", "at: identity, type: string, length: 5"},
		{"and-stream", "response: 1 s", "response: 2 min, in_flight: 2, read_registers: 5"},
		{"and-stream", "protocol: scale", "protocol: modbus"},
		{"sics", "at: identity, type: string, length: 16", "at: identity, type: bool"},
		{"sics", "type: bool, access: w", "type: bool"},
		{"sics", `'I4 A "{text}"\r\n'`, `'S {text}\r\n'`},
		{"sics", `'I4 A "{text}"\r\n'`, `'I4 A "{serial}"\r\n'`},
		{"sics", `'T S {_ 10} {_}\r\n'`, `'S S {_ 10} {_}\r\n'`},
		{"sics", `'T S {_ 10} {_}\r\n'`, `'T\r\n'`},
		{"sics", `'T S {_ 10} {_}\r\n'`, `'Z {_ 1}\r\n'`},
		{"sics", `'T S {_ 10} {_}\r\n'`, `'T{check 2}\r\n'`},
		{"sics", `ask: 'SI\r\n'`, `ask: '{weight}'`},
		{"toledo", "a.0-2 - 2", "a.0-9"},
		{"toledo", `{weight 6}{tare 6}\r{check 1}`, `{tare 6}\r{check 1}{weight}\r`},
		{"toledo", `{a 1}{b 1}{c 1}{weight 6}{tare 6}\r{check 1}`, `{weight}#{begin}{a 1}{b 1}{c 1}{tare 6}\r{check 1}`},
		{"toledo", "a.0-2 - 2", "weight.0-2"},
		{"toledo", "check: sum negated 7bit", "check: sum twice"},
		{"toledo", "check: sum negated 7bit", "late: 1 h"},
	}
}

func TestWhatCannotBeIsRefusedWithWhatToDo(t *testing.T) {
	var out bytes.Buffer
	for _, c := range wrongs() {
		p := profile(t, c[0], c[1:]...)
		_, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, nil)
		require.Error(t, err, "%v", c)
		fmt.Fprintf(&out, "%s: %s\n-> %s\n", c[0], strings.ReplaceAll(c[2], "\n", " "), strings.ReplaceAll(err.Error(), "\n", "\n   "))
	}
	for _, e := range []string{"serial:", "tcp://:4001", "tcp://host", "tcp://host:0", "rtu-tcp://host:1", "/dev/ttyUSB0"} {
		_, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: profile(t, "sics"), Endpoints: []string{e}}, nil)
		require.Error(t, err, e)
		fmt.Fprintf(&out, "%s\n-> %v\n", e, err)
	}
	_, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Unit: 1, Profile: profile(t, "sics", "line: 9600 8N1", "lag: 5 s"),
		Endpoints: []string{"serial:/dev/ttyUSB0"}}, nil)
	fmt.Fprintf(&out, "no line, and a unit\n-> %v\n", err)
	_, err = scale.NewDevice(nil, nil)
	require.Error(t, err)
	golden.Check(t, "testdata/refused.golden", out.Bytes())
}

func TestOpenRefusesWhatIsNotOfTheProtocol(t *testing.T) {
	d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: profile(t, "sics")}, nil)
	require.NoError(t, err)
	require.ErrorContains(t, d.Open(t.Context(), "opc.tcp://host:1"), "opc.tcp://host:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Open(ctx, "serial:/dev/ttyUSB0"), context.Canceled)
}
