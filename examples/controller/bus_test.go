// Tests of tag maps and device profiles that are approved, activated and bound with the map that names them.

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal/record"
)

// onBus is a workplace whose map names a tag map, each of the three files in a version of its own.
func onBus(t *testing.T) {
	workplace(t)
	for _, name := range []string{"bus.yaml", "plc.yaml"} {
		data, err := demo.ReadFile("demo/" + name)
		require.NoError(t, err)
		write(t, name, string(data))
	}
	data, err := os.ReadFile("map.yaml")
	require.NoError(t, err)
	if !strings.Contains(string(data), "\ntag_map:") {
		edit(t, "map.yaml", "\ncalibration:", "\ntag_map: bus.yaml\ncalibration:")
	}
	edit(t, "map.yaml", `version: "1.0"`, `version: "1.1"`)
	edit(t, "bus.yaml", `version: "1.0"`, `version: "1.1"`)
	edit(t, "bus.yaml", "T301-PLC 1.0", "T301-PLC 1.1")
	edit(t, "plc.yaml", `version: "1.0"`, `version: "1.1"`)
	newer(t)
}

func TestATagMapAndItsProfilesAreApprovedWithTheMapAndBoundUnderThatApproval(t *testing.T) {
	onBus(t)
	approve := words(ana + " -map map.yaml")
	o := done(t, approve...)
	require.Regexp(t, `(?m)^tag_map T301-BUS 1\.1 is published, effective at once, approval CR-7 by ana: [0-9a-f]{64}$`, o.out)
	require.Regexp(t, `(?m)^device_profile T301-PLC 1\.1 is published, effective at once, approval CR-7 by ana: [0-9a-f]{64}$`, o.out)
	done(t, "-virtual", "-recipe", "recipe.yaml", "-map", "map.yaml")
	bound := of(records(t, "out/B-0001"), record.KindObjectBound)
	require.Len(t, bound, 5)
	for _, rec := range bound[3:] {
		require.Equal(t, "CR-7", rec.Text(record.ApprovalID))
		require.Equal(t, "1.1", rec.Text(record.TagMapVersion))
	}
	require.Equal(t, "T301-PLC", bound[4].Text(record.DeviceProfileID))
	rep, err := evidence.Verify("out/B-0001")
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())

	edit(t, "plc.yaml", "response: 500 ms", "response: 2 s")
	o = controller("-virtual", "-recipe", "recipe.yaml", "-map", "map.yaml", "-batch", "LATER")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "device_profile T301-PLC 1.1 (plc.yaml): ")
}

func TestWhoApprovesATagMapIsToldWhatIsNewInIt(t *testing.T) {
	onBus(t)
	approve := words(ana + " -map map.yaml")
	done(t, approve...)
	edit(t, "plc.yaml", `version: "1.1"`, `version: "1.2"`)
	edit(t, "plc.yaml", "at: coil 7", "at: coil 9")
	edit(t, "bus.yaml", `version: "1.1"`, `version: "1.2"`)
	edit(t, "bus.yaml", "T301-PLC 1.1", "T301-PLC 1.2")
	edit(t, "bus.yaml", "every: 50 ms", "every: 40 ms")
	o := done(t, approve...)
	require.Contains(t, o.out, "tag_map T301-BUS 1.2 differs from 1.1 in 4 ways\n"+
		"  compatible: Tag map, version: was 1.1, is now 1.2.\n"+
		"  compatible: Profile T301-PLC, version: was 1.1, is now 1.2.\n"+
		"  changed: Profile T301-PLC: point horn, at: was coil 7, is now coil 9.\n"+
		"  compatible: Class fast, every: was 50 ms, is now 40 ms.\n")
	require.Contains(t, o.out, "device_profile T301-PLC 1.2 differs from 1.1 in 2 ways\n")
}

func TestAnActiveMapRunsOnItsActiveTagMapAndProfiles(t *testing.T) {
	onBus(t)
	done(t, words(ana+" -map map.yaml")...)
	o := done(t, words(bob+" -map map.yaml")...)
	require.Contains(t, o.out, "tag_map T301-BUS 1.1 is active; none was before, record ")
	require.Contains(t, o.out, "device_profile T301-PLC 1.1 is active; none was before, record ")
	for _, name := range []string{"recipe.yaml", "map.yaml", "bus.yaml", "plc.yaml"} {
		require.NoError(t, os.Remove(name))
	}
	done(t, "-virtual")
	require.Len(t, of(records(t, "out/B-0001"), record.KindObjectBound), 5)
}

func TestABatchThatWasCutShortIsNotContinuedOnAChangedTagMapOrProfile(t *testing.T) {
	onBus(t)
	args := words("-speed 10 -unapproved -recipe recipe.yaml -map map.yaml")
	cmd, said := process(t, args...)
	waitForRecord(t, "out/B-0001", "step_state")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
	before := listing(t, "out/B-0001")
	for _, c := range []struct{ file, old, text, says string }{
		{"plc.yaml", "response: 500 ms", "response: 2 s", "is bound to device_profile T301-PLC 1.1 as it was; leave out -map to continue it"},
		{"bus.yaml", "every: 50 ms", "every: 60 ms", "is bound to tag_map T301-BUS 1.1 as it was; leave out -map to continue it"},
	} {
		edit(t, c.file, c.old, c.text)
		o := controller(args...)
		require.Equal(t, exitFailed, o.code, o)
		require.Contains(t, o.err, c.says)
		require.Equal(t, before, listing(t, "out/B-0001"))
	}
}
