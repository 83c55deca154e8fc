// Tests of approval: who answers for a file, from when, and what becomes of a device journal that was cut, spoilt or lost.

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// segment is the first file of the device journal.
var segment = filepath.Join("out", "device", "segments", "00000001.seg")

func TestWhatIsApprovedRunsAndItsRecordsNameTheApproval(t *testing.T) {
	workplace(t)
	newer(t)
	o := done(t, words(ana)...)
	require.Regexp(t, `(?m)^recipe BLEND-AB 1\.1 is published, effective at once, approval CR-7 by ana: [0-9a-f]{64}$`, o.out)
	require.Contains(t, o.out, "mapping T301-IO 1.0 is part of this build and needs no approval\n")
	o = done(t, "-virtual", "-recipe", "recipe.yaml")
	require.Contains(t, o.out, "recipe      BLEND-AB 1.1, approval CR-7 by ana\n")
	require.Contains(t, o.out, "mapping     T301-IO 1.0, approval BUILTIN-DEMO by builtin\n")
	bound := of(records(t, "out/B-0001"), record.KindObjectBound)
	require.Len(t, bound, 5)
	require.Equal(t, "CR-7", bound[0].Text(record.ApprovalID))
	require.Equal(t, "ana", bound[0].Text(record.ApprovedBy))

	before := listing(t, "out/device")
	require.Contains(t, done(t, words(ana)...).out, "approval CR-7 by ana", "approved twice is approved once")
	require.Equal(t, before, listing(t, "out/device"))
}

func TestAnApprovalBeginsWhenItSaysAndItsDateStays(t *testing.T) {
	workplace(t)
	newer(t)
	o := done(t, words(ana+" -effective-from 2200-01-01T01:00:00+01:00")...)
	require.Contains(t, o.out, "effective 2200-01-01T00:00:00.000000000Z, approval CR-7 by ana")
	o = controller("-virtual", "-recipe", "recipe.yaml")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "effective from 2200-01-01T00:00:00.000000000Z, now it is ")
	o = controller(words(ana)...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "recipe BLEND-AB 1.1: it was published before, and keeps its date; give the file a new version\n")
	done(t, "-virtual") // the files of the build were not approved with it, and serve still

	edit(t, "recipe.yaml", `"1.1"`, `"1.2"`)
	done(t, words(ana+" -effective-from 2020-01-01T00:00:00Z")...)
	done(t, "-virtual", "-recipe", "recipe.yaml")

	edit(t, "recipe.yaml", `"1.2"`, `"1.3"`)
	done(t, words(ana+" -effective-from 2026-10-01T00:00:00Z")...)
	done(t, "-virtual", "-recipe", "recipe.yaml", "-batch", "LATER")
	require.Equal(t, "2026-10-01T00:00:00.000000001Z", of(records(t, "out/LATER"), record.KindBatchCreated)[0].Text(record.TsUTC),
		"virtual time begins when the last approval takes effect")
}

func TestTheDemoGivesWayToAFileThatWasApprovedInItsName(t *testing.T) {
	workplace(t)
	edit(t, "recipe.yaml", "nominal: 200 kg", "nominal: 210 kg") // and the version stays
	done(t, words(ana)...)
	done(t, "-virtual", "-recipe", "recipe.yaml")
	o := controller("-virtual")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "the demo's own recipe cannot be published")
	require.Contains(t, o.err, "another -out is free of what stands there")
	done(t, "-virtual", "-out", "elsewhere")
}

// approved makes a device journal with the approvals of the demo and one of ana's, and gives the bytes of its segment that are used.
func approved(t *testing.T) int {
	t.Helper()
	newer(t)
	done(t, words(ana)...)
	data, err := os.ReadFile(segment)
	require.NoError(t, err)
	const copies = 512 // of the header, at the end
	return len(bytes.TrimRight(data[:len(data)-copies], "\x00"))
}

func TestAnApprovalThatWasCutOffAnywhereIsMadeGoodAndNothingIsLostSilently(t *testing.T) {
	workplace(t)
	used := approved(t)
	whole, err := os.ReadFile(segment)
	require.NoError(t, err)
	for size := 1; size < used; size += 199 {
		require.NoError(t, os.RemoveAll("out"))
		require.NoError(t, os.MkdirAll(filepath.Dir(segment), 0o750))
		require.NoError(t, os.WriteFile(segment, whole[:size], 0o640))
		o := controller(words(ana)...)
		require.Equal(t, exitOK, o.code, "cut at %d: %s", size, o)
		kept, err := os.ReadFile(segment)
		require.NoError(t, err)
		require.Equal(t, whole[:size], kept[:size], "cut at %d: what was there stays", size)
		rec, err := journal.Scan(filepath.Join("out", "device"), nil, nil)
		require.NoError(t, err)
		require.EqualValues(t, 15, rec.Head.N, "cut at %d: five files, each drafted, approved and published once", size)
	}
}

func TestADeviceJournalWhoseEndIsMissingSaysSoAndItsApprovalsAreAskedForAgain(t *testing.T) {
	workplace(t)
	used := approved(t)
	require.NoError(t, os.Truncate(segment, int64(used/10)))
	o := controller("-virtual", "-recipe", "recipe.yaml")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "is TORN_TAIL: ")
	require.Contains(t, o.err, "approvals after them are lost\n")
	require.Contains(t, o.err, `recipe "BLEND-AB" version "1.1": a draft since record 1 by "ana"`)
	done(t, words(ana)...)
	done(t, "-virtual", "-recipe", "recipe.yaml")

	require.NoError(t, os.RemoveAll("out/device/segments"))
	o = controller("-virtual")
	require.Equal(t, exitOK, o.code)
	require.Contains(t, o.err, "holds no record; it begins anew, and approvals that it may have held are lost\n")
}

func TestADamagedDeviceJournalIsRefusedAndLeftAsItIs(t *testing.T) {
	workplace(t)
	used := approved(t)
	data, err := os.ReadFile(segment)
	require.NoError(t, err)
	for _, at := range []int{used / 5, used / 2} {
		spoilt := bytes.Clone(data)
		for i := range 3 {
			spoilt[at+i] ^= 0xff
		}
		require.NoError(t, os.WriteFile(segment, spoilt, 0o640))
		before := listing(t, ".")
		for _, args := range [][]string{{"-virtual"}, {"-virtual", "-recipe", "recipe.yaml"}, words(ana)} {
			o := controller(args...)
			require.Equal(t, exitFailed, o.code, o)
			require.Contains(t, o.err, "device journal "+filepath.Join("out", "device")+" is DAMAGED: segment 1: ")
			require.Contains(t, o.err, "; keep it as it is, give another -out, and approve anew there\n")
			require.Equal(t, before, listing(t, "."))
		}
	}
	done(t, "-virtual", "-out", "elsewhere")
}

func TestADeviceJournalThatCannotBeReadIsRefusedAndLeftAsItIs(t *testing.T) {
	workplace(t)
	require.NoError(t, os.MkdirAll(segment, 0o750)) // a directory where a file should be
	before := listing(t, ".")
	o := controller("-virtual")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "controller: device journal ")
	require.Contains(t, o.err, "; keep it as it is, give another -out, and approve anew there\n")
	require.Equal(t, before, listing(t, "."))
}

func TestWhoApprovesANewVersionIsShownWhatIsNewInIt(t *testing.T) {
	workplace(t)
	newer(t)
	require.NotContains(t, done(t, words(ana)...).out, "differs from")
	edit(t, "recipe.yaml", `version: "1.1"`, `version: "1.2"`)
	edit(t, "recipe.yaml", "timeout: 20 s", "timeout: 30 s")
	out := done(t, words(ana)...).out
	require.Contains(t, out, "recipe BLEND-AB 1.2 differs from 1.1 in 2 ways\n  Version: was 1.1, is now 1.2.\n", out)
	require.Contains(t, out, "20 s", out)
}

func TestWhoApprovesANewMapIsShownWhatIsNewInIt(t *testing.T) {
	workplace(t)
	newer(t)
	approve := words(ana + " -map map.yaml")
	edit(t, "map.yaml", `version: "1.0"`, `version: "1.1"`)
	require.NotContains(t, done(t, approve...).out, "differs from")
	edit(t, "map.yaml", `version: "1.1"`, `version: "1.2"`)
	edit(t, "map.yaml", "logical_tag: XV101, physical_channel: do/1,", "logical_tag: XV101, physical_channel: do/11,")
	require.Contains(t, done(t, approve...).out, "mapping T301-IO 1.2 differs from 1.1 in 2 ways\n"+
		"  compatible: Map, version: was 1.1, is now 1.2.\n  decides: Tag XV101, physical_channel: was do/1, is now do/11.\n")
}
