// Tests of what a map file says of outputs in faults, and of what is refused.

package iomap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

const faultHead = `mapping: M
version: "1"
schema_version: 1
device_id: D
equipment_id: E
tags:
  - {logical_tag: X1, physical_channel: di/1, direction: in, type: switch, stale_after: 1 s}
  - {logical_tag: N1, physical_channel: ai/1, direction: in, type: number, form: float32, resolution: 0.1 Cel, gain: 1 Cel, stale_after: 1 s}
  - {logical_tag: Y0, physical_channel: do/9, direction: out, type: switch, safe_value: "off", stale_after: 1 s}
`

func withFaults(text string) string {
	return faultHead + `  - {logical_tag: Y1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed, ` + text + "}\n" +
		`  - {logical_tag: A1, physical_channel: ao/1, direction: out, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, min: 0 Cel, max: 90 Cel, safe_value: 20 Cel}` + "\n"
}

func TestAMapThatSaysNothingOfFaultsHasTheDefaults(t *testing.T) {
	m := parse(t, withFaults("stale_after: 1 s"))
	for id, safe := range map[tag.ID]int64{3: 0, 4: 20} {
		f := &m.Tags[id].Faults
		for c := iomap.InputInvalid; c < iomap.FaultClasses; c++ {
			want := iomap.DefaultFault(c)
			want.Value = safe
			require.Equal(t, want, f.Policy[c], c)
		}
		require.Empty(t, f.Depends)
	}
	require.Equal(t, iomap.Faults{}, m.Tags[0].Faults, "inputs have none")
}

func TestFaultsAreReadAsTheyStand(t *testing.T) {
	m := parse(t, withFaults(`depends_on: [N1, X1], on_fault: {net_stale: {state: drop, recover: auto}, sensor_bad: {state: latch, value: open},
      power_loss: {state: drop, value: open}, safety_trip: {state: drop, value: open}, runner_lost: {state: hold}}`))
	f := &m.Tags[3].Faults
	require.Equal(t, []tag.ID{1, 0}, f.Depends)
	for c, want := range map[iomap.FaultClass]iomap.FaultPolicy{
		iomap.NetStale:   {State: iomap.DropState, Recover: iomap.RecoverAuto, Given: true},
		iomap.SensorBad:  {State: iomap.LatchState, Value: 1, Recover: iomap.RecoverReset, Given: true},
		iomap.PowerLoss:  {State: iomap.DropState, Value: 1, Recover: iomap.RecoverRestart, Given: true},
		iomap.SafetyTrip: {State: iomap.DropState, Value: 1, Recover: iomap.RecoverPLC, Given: true},
		iomap.RunnerLost: {State: iomap.KeepState, Recover: iomap.RecoverAuto, Given: true},
		iomap.Watchdog:   {State: iomap.DropState, Recover: iomap.RecoverRestart},
	} {
		require.Equal(t, want, f.Policy[c], c)
	}
}

func TestNonsenseOfFaultsIsRefusedWithItsReason(t *testing.T) {
	for text, want := range map[string]string{
		"on_fault: {power_loss: {state: hold}}":                   "without supply nothing holds its value",
		"on_fault: {watchdog: {state: hold}}":                     "a board that is reset holds nothing",
		"on_fault: {device_absent: {state: hold}}":                "nobody knows which value the device has",
		"on_fault: {device_absent: {state: drop, recover: auto}}": "what a device did that did not answer is not known",
		"on_fault: {safety_trip: {state: latch}}":                 "the PLC chain drops the output",
		"on_fault: {safety_trip: {state: drop, recover: auto}}":   "the PLC chain resets its trip, and nobody here",
		"on_fault: {net_stale: {state: drop, recover: plc}}":      "plc is the way back from a safety_trip alone",
		"on_fault: {net_stale: {state: latch, recover: auto}}":    "what latches is reset by a person",
		"on_fault: {net_stale: {state: drop, recover: reset}}":    "only what latches is reset",
		"on_fault: {net_stale: {state: hold, recover: restart}}":  "a batch that is held brings its outputs to their safe values",
		"on_fault: {net_stale: {state: hold, value: open}}":       "hold keeps the value that the output has",
		"on_fault: {net_stale: {state: drop, value: ajar}}":       `"ajar" is not a value of Y1; it is closed or open`,
		"on_fault: {net_stale: {value: open}}":                    `key "state" is missing`,
		"on_fault: {net_stale: {state: vanish}}":                  `"state" must be one of hold, drop, latch`,
		"on_fault: {no_luck: {state: drop}}":                      `unknown key "no_luck"`,
		"on_fault: {}":                                            "on_fault says of no class of faults",
		"depends_on: []":                                          "depends_on names nothing",
		"depends_on: [Y1]":                                        "Y1 need not depend on itself",
		"depends_on: [Y0]":                                        "Y0 is an output; an output depends on inputs",
		"depends_on: [X1, X1]":                                    "X1 stands twice",
		"depends_on: [X9]":                                        `must be one of`,
	} {
		_, err := iomap.Parse("m.yaml", []byte(withFaults(text)))
		require.ErrorContains(t, err, want, text)
	}
	_, err := iomap.Parse("m.yaml", []byte(strings.Replace(withFaults("stale_after: 1 s"), "safe_value: 20 Cel",
		"safe_value: 20 Cel, on_fault: {net_stale: {state: drop, value: 91 Cel}}", 1)))
	require.ErrorContains(t, err, `value "91 Cel" is beyond min and max of A1`)
	_, err = iomap.Parse("m.yaml", []byte(strings.Replace(withFaults("stale_after: 1 s"), "stale_after: 1 s}\n  - {logical_tag: N1",
		"stale_after: 1 s, depends_on: [N1]}\n  - {logical_tag: N1", 1)))
	require.ErrorContains(t, err, `"depends_on" belongs to an output`)
	_, err = iomap.Parse("m.yaml", []byte(withFaults("stale_after: 1 s, on_fault: {net_stale: {state: drop}}")+
		"trip_request: {tag: Y1, value: open, within: 1 s}\n"))
	require.ErrorContains(t, err, "Y1 requests the trip of the safety chain")
	var many []string
	for i := range iomap.MaxDepends + 1 {
		many = append(many, fmt.Sprint("X", i))
	}
	_, err = iomap.Parse("m.yaml", []byte(withFaults("depends_on: ["+strings.Join(many, ", ")+"]")))
	require.ErrorContains(t, err, "16")
}

func TestTheGravestThatDropsDecidesAndElseTheGravestThatHolds(t *testing.T) {
	f := &iomap.Faults{}
	for c := iomap.InputInvalid; c < iomap.FaultClasses; c++ {
		f.Policy[c] = iomap.DefaultFault(c)
	}
	set := func(list ...iomap.FaultClass) (s iomap.FaultSet) {
		for _, c := range list {
			s |= c.Of()
		}
		return s
	}
	require.Equal(t, iomap.NoClass, f.Decisive(0))
	require.Equal(t, iomap.SensorBad, f.Decisive(set(iomap.SensorBad, iomap.NetStale)))
	require.Equal(t, iomap.SafetyTrip, f.Decisive(set(iomap.SafetyTrip, iomap.PowerLoss, iomap.InputInvalid)))
	f.Policy[iomap.NetStale].State = iomap.DropState
	require.Equal(t, iomap.NetStale, f.Decisive(set(iomap.SensorBad, iomap.NetStale)))
	require.Zero(t, iomap.NoClass.Of())
}

func TestAValueThatIsRefusedHereIsInvalidAndOneThatItsSourceDisownsIsBad(t *testing.T) {
	m := parse(t, withFaults("stale_after: 1 s"))
	k := iomap.NewMachine(m)
	const n1 = tag.ID(1)
	at := int64(1)
	give := func(bits uint64, form tag.Form, q tag.Quality) iomap.FaultClass {
		at += ms
		k.Step(at, &iomap.Event{Kind: iomap.Sample, Tag: n1, Form: form, Bits: bits, Quality: q}, nil)
		return k.Trouble(n1)
	}
	require.Equal(t, iomap.NetStale, k.Trouble(n1), "nothing was heard of it")
	require.Equal(t, iomap.NoClass, give(0x41a00000, tag.Float32, tag.Good))
	require.Equal(t, iomap.InputInvalid, give(0x7fc00000, tag.Float32, tag.Good), "NaN")
	require.Equal(t, iomap.SensorBad, give(0x41a00000, tag.Float32, tag.Bad))
	require.Equal(t, iomap.InputInvalid, give(1, tag.Int, tag.Good), "another form than the map says")
	require.Equal(t, iomap.NoClass, give(0x41a00000, tag.Float32, tag.Good))
	at += 1001 * ms
	k.Step(at, &iomap.Event{Kind: iomap.Tick}, nil)
	require.Equal(t, iomap.NetStale, k.Trouble(n1))
	require.Equal(t, iomap.NoClass, k.Absent(3), "an output that was never read back is not absent for that")
}
