// Claims about what is found in a map before it is approved, and about the table of safe states.

package iomap_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// polled is a board that reads everything every second.
var polled = &iomap.CheckOptions{Period: func(tag.ID) int64 { return 1000 * ms }}

// found is the findings of a map, one a line.
func found(m *iomap.Map, opt *iomap.CheckOptions) string {
	var text strings.Builder
	for _, f := range iomap.Check(m, opt) {
		text.WriteString(f.String() + "\n")
	}
	return text.String()
}

func readMap(t *testing.T, file string) *iomap.Map {
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	m, err := iomap.Parse(file, src)
	require.NoError(t, err)
	return m
}

func TestWhatIsWrongWithAMapThatCanBeReadIsFound(t *testing.T) {
	m := readMap(t, "testdata/check/bad.yaml")
	before := iomap.SafeStatesCSV(m)
	golden.Check(t, "testdata/check/bad.golden", []byte(found(m, polled)))
	require.Equal(t, before, iomap.SafeStatesCSV(m))
	require.NotContains(t, found(m, nil), "is read every 1 s", "of what is not known nothing is said")
}

// withFaults is a map of which the outputs say something of faults.
func withFaults(t *testing.T) *iomap.Map {
	m := readMap(t, "../examples/quickstart/map.yaml")
	v := &m.Tags[0]
	v.Faults.Policy[iomap.NetStale] = iomap.FaultPolicy{State: iomap.DropState, Value: 1, Recover: iomap.RecoverRestart, Given: true}
	v.Faults.Policy[iomap.SensorBad] = iomap.FaultPolicy{State: iomap.LatchState, Recover: iomap.RecoverReset, Given: true}
	v.Faults.Policy[iomap.SafetyTrip] = iomap.FaultPolicy{State: iomap.DropState, Recover: iomap.RecoverPLC, Given: true}
	m.Tags[1].Faults.Depends = []tag.ID{5, 4}
	return m
}

func TestFaultsThatNeverComeAreFound(t *testing.T) {
	m := withFaults(t)
	text := found(m, nil)
	require.Contains(t, text, "note: XV102: in net_stale it goes to open and not to its safe_value closed; have that signed off\n")
	require.Contains(t, text, "warning: XV102: what on_fault says of sensor_bad never comes: it depends on no input, and is not read back")
	require.Contains(t, text, "warning: XV102: what on_fault says of safety_trip never comes: no interlock of that kind gates it")
	require.Contains(t, text, "warning: map: XV301 keep their values while what they go by is STALE, and no alarm tells of all of that")
	m.Tags[0].Faults.Depends = []tag.ID{5}
	m.Interlocks = []iomap.Interlock{{ID: "ES", Kind: iomap.SafetyTripKind, When: cond.Cond{{Op: cond.Gt, Size: 1, Tag: 5, Value: 3}}, Text: "WT301 > 3 kg",
		Used: []tag.ID{5}, Gates: []tag.ID{0}}}
	text = found(m, nil)
	require.NotContains(t, text, "never comes")
	require.Contains(t, text, "warning: XV102: in net_stale it goes to open, and an interlock that gates it keeps it at closed")
}

func TestAnOverrideThatBlindsAnInterlockIsFound(t *testing.T) {
	m := readMap(t, "testdata/versions/old.yaml")
	tt, _ := m.Lookup("TT301")
	req, _ := m.Lookup("ES_REQ")
	m.Overrides = []iomap.Override{{ID: "MAINT", Tags: []tag.ID{tt, req}, Roles: []string{"service"}, Limit: 7200 * 1000 * ms, OverBoot: true,
		When: cond.Cond{{Op: cond.And, Size: 3}, {Op: cond.Gt, Size: 1, Tag: tt, Value: 5}, {Op: cond.Lt, Size: 1, Tag: tt, Value: 5}}, Text: "TT301 > 0.5 Cel and TT301 < 0.5 Cel"}}
	text := found(m, nil)
	for _, want := range []string{"wrong: override MAINT: its condition can never be true, so it is never granted", "who forces TT301 blinds interlock IL-HOT",
		"wrong: override MAINT: ES_REQ requests a trip of the safety chain", "note: override MAINT: it may outlive a cut of the supply by up to 2 h"} {
		require.Contains(t, text, want)
	}
}

func TestTheTableOfSafeStatesIsForPeopleWhoSignIt(t *testing.T) {
	m := withFaults(t)
	golden.Check(t, "testdata/check/safe_states.golden", []byte(iomap.SafeStatesText(m, "0123abcd")))
	table := iomap.SafeStatesCSV(m)
	golden.Check(t, "testdata/check/safe_states.csv", table)
	rows, err := csv.NewReader(strings.NewReader(string(table))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+2*8, "two outputs, eight classes")
	require.True(t, m.SaysFaults())
	require.False(t, readMap(t, "../examples/quickstart/map.yaml").SaysFaults())
}

func TestTheRequestForATripIsNotSignedForAsIfFaultsMovedIt(t *testing.T) {
	m := readMap(t, "testdata/versions/old.yaml")
	for _, r := range iomap.SafeStateTable(m) {
		require.NotEqual(t, "ES_REQ", r.Output, "no fault takes a request back")
	}
	require.NotContains(t, string(iomap.SafeStatesCSV(m)), "ES_REQ")
	require.Contains(t, iomap.SafeStatesText(m, ""), "\nES_REQ requests a trip of the safety chain: no fault makes a request or takes one back.\n")

	n := *m
	n.Trip = nil // another version has no request: then faults move what was its output
	require.Contains(t, iomap.Diff(m, &n), iomap.Change{Class: iomap.Decides, Text: "Tag ES_REQ, in power_loss: was none, is now drop at its safe_value, back by restart."})
}

func TestTheDefaultsAreThoseThatAreWritten(t *testing.T) {
	m := readMap(t, "../examples/quickstart/map.yaml")
	says := map[string]string{}
	for _, r := range iomap.SafeStateTable(m) {
		require.True(t, r.Default)
		says[r.Class] = strings.TrimSpace(r.State+" "+r.Value) + ", " + r.Recovery
	}
	require.Equal(t, map[string]string{"input_invalid": "hold, auto", "net_stale": "hold, auto", "sensor_bad": "hold, auto",
		"device_absent": "drop closed, restart", "runner_lost": "drop closed, restart", "watchdog": "drop closed, restart",
		"power_loss": "drop closed, restart", "safety_trip": "drop closed, plc"}, says)
}
