// Tests of packages of batches that are bound to a tag map and device profiles.

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
)

// busFiles are a tag map of testdata/plan and its profiles, where the plan has them.
var busFiles = map[string]string{
	"lab/bus.yaml": `tag_map: TINY-BUS
version: "3"
schema_version: 1
profiles: [kinds/valve.yaml, kinds/meter.yaml]
devices:
  - {device: V-1, profile: VALVE 1.0}
  - {device: M-1, profile: METER 2.0}
classes:
  - {class: fast, plane: control, every: 50 ms}
tags:
  - {channel: do/1, device: V-1, point: XV, class: fast, stale_after: 1 s}
  - {channel: di/1, device: V-1, point: ES, class: fast, stale_after: 60 s}
  - {channel: ctr/1, device: M-1, point: PULSES, class: fast, stale_after: 500 ms}
  - {channel: tot/1, device: M-1, point: TOTAL, class: fast, stale_after: 5 s}
`,
	"lab/kinds/valve.yaml": `{profile: VALVE, version: "1.0", schema_version: 1, protocol: modbus, points: [
  {point: XV, at: coil 0, type: bool, access: rw}, {point: ES, at: input 0, type: bool}]}
`,
	"lab/kinds/meter.yaml": `{profile: METER, version: "2.0", schema_version: 1, protocol: modbus, points: [
  {point: PULSES, at: input 0, type: uint16, unit: "{pulse}"}, {point: TOTAL, at: input 1, type: uint32, scaling: {gain: 0.01 kg}}]}
`,
}

// onBus is testdata/plan with its tag map.
func onBus(t testing.TB) fstest.MapFS {
	plan := altered(t, "map.yaml", "calibration: lab/calibration.yaml\n", "calibration: lab/calibration.yaml\ntag_map: lab/bus.yaml\n")
	for name, text := range busFiles {
		plan[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return plan
}

// packedBus is the package of a whole run on a bus.
func packedBus(t *testing.T) (dir string, b *batch.Batch) {
	t.Helper()
	dir, b = t.TempDir(), bound(t, onBus(t), "B-0001", approved{})
	wholeRun(t, dir, b)
	_, err := Pack(dir, b)
	require.NoError(t, err)
	return dir, b
}

func TestTagMapAndProfilesAreBoundByDigestAndStandInThePackage(t *testing.T) {
	dir, b := packedBus(t)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, rep.Proven, "recipe, mapping, calibration, tag map and device profiles are, byte for byte, those that the records name")
	replay, err := Replay(dir)
	require.NoError(t, err)
	require.Nil(t, replay.Divergence)

	m, err := parseManifest(slurp(t, dir, manifestName))
	require.NoError(t, err)
	var said []string
	for _, f := range m.Files[3:] {
		sum := sha256.Sum256(slurp(t, dir, filepath.Join(filesDir, f.Name)))
		require.Equal(t, hex.EncodeToString(sum[:]), f.Digest)
		said = append(said, f.ObjectKind+" "+f.ObjectID+" "+f.ObjectVersion+" "+f.Name+" "+f.ApprovalID)
	}
	require.Equal(t, []string{"tag_map TINY-BUS 3 bus.yaml AP-tag_map", "device_profile VALVE 1.0 valve.yaml AP-device_profile",
		"device_profile METER 2.0 meter.yaml AP-device_profile"}, said)

	profiles := []string{}
	for _, body := range bodies(t, slurp(t, dir, eventsName)) {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Has(record.BatchID) {
			require.Equal(t, "3", rec.Text(record.TagMapVersion), rec.Kind)
		}
		if rec.Has(record.DeviceProfileID) {
			profiles = append(profiles, rec.Text(record.DeviceProfileID)+" "+rec.Text(record.Digest))
		}
	}
	require.Equal(t, []string{"VALVE " + b.Plan.Files[4].Digest, "METER " + b.Plan.Files[5].Digest}, profiles)
}

func TestABatchOnABusIsBoundAgainFromItsFiles(t *testing.T) {
	dir, b := t.TempDir(), bound(t, onBus(t), "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 5)
	r.end()
	got, err := Rebind(dir)
	require.NoError(t, err)
	require.Equal(t, b.Plan.Files, got.Plan.Files)
	require.Equal(t, b.Plan.TagMap.Digest, got.Plan.TagMap.Digest)
	relived(t, dir, got)
	for file, says := range map[string]string{"bus.yaml": "the tag_map TINY-BUS 3", "meter.yaml": "the device_profile METER 2.0"} {
		touched := clone(t, dir)
		touch(t, touched, "files/"+file)
		_, err := Rebind(touched)
		require.ErrorIs(t, err, ErrJournal)
		require.ErrorContains(t, err, "has no file with the digest of "+says)
	}
}

func TestABatchWithoutATagMapSaysNothingOfOne(t *testing.T) {
	events := slurp(t, packed(t, "B-0001", approved{}), eventsName)
	require.NotContains(t, string(events), "tag_map")
	require.NotContains(t, string(events), "device_profile")
}

// swapped changes the bytes of a file and, as a forger would, the digests that records bind.
func swapped(t *testing.T, dir, file, old, text string) (string, func(uint64, []byte) []byte) {
	dir = clone(t, dir)
	before := slurp(t, dir, file)
	after := bytes.Replace(before, []byte(old), []byte(text), 1)
	require.NotEqual(t, before, after)
	put(t, dir, file, after)
	was, is := sha256.Sum256(before), sha256.Sum256(after)
	return dir, func(_ uint64, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(hex.EncodeToString(was[:])), []byte(hex.EncodeToString(is[:])))
	}
}

func TestWhatIsForgedOfATagMapIsFound(t *testing.T) {
	dir, _ := packedBus(t)
	for _, c := range []struct{ name, file, old, text, check, says string }{
		{"a scale that contradicts the mapping", "files/meter.yaml", "0.01 kg", "0.1 kg", "files", "tag map and mapping contradict each other: FT1: its gain is 0.01 kg, and that of point TOTAL is 0.1 kg"},
		{"another version of the tag map", "files/bus.yaml", `version: "3"`, `version: "4"`, "files", "file bus.yaml is TINY-BUS 4, the record binds TINY-BUS 3"},
		{"another profile", "files/valve.yaml", "profile: VALVE", "profile: VALVES", "files", "no device is of profile VALVES 1.0"},
		{"another version of a profile", "files/valve.yaml", "1.0", "1.1", "files", `"VALVE 1.0" is none of the profiles`},
		{"a mapping that names no tag map", "files/map.yaml", "tag_map: lab/bus.yaml\n", "", "records", "a tag map is bound, and the mapping names none"},
		{"a profile fewer", "files/bus.yaml", "kinds/valve.yaml, ", "", "files", "is none of the profiles of this map"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, edit := swapped(t, dir, c.file, c.old, c.text)
			require.Contains(t, failed(t, forge(t, dir, edit), c.check).Detail, c.says)
		})
	}
	for _, c := range []struct {
		name  string
		edit  func(uint64, []byte) []byte
		check string
		says  string
	}{
		{"another profile in the record", replaced("object_bound", 5, `"device_profile_id":"VALVE"`, `"device_profile_id":"METER"`), "files", `device_profile_id is "METER", and file valve.yaml is of VALVE`},
		{"another version in a decision", replaced("output_write", 1, `"tag_map_version":"3"`, `"tag_map_version":"4"`), "identity", `tag_map_version is "4", in the records before it is "3"`},
		{"a profile bound twice", replaced("object_bound", 6, `"object_id":"METER"`, `"object_id":"VALVE"`), "records", "the tag map names device profile METER 2.0, which no record binds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, failed(t, forge(t, dir, c.edit), c.check).Detail, c.says)
		})
	}
	t.Run("a profile is gone", func(t *testing.T) {
		dir := clone(t, dir)
		require.NoError(t, os.Remove(filepath.Join(dir, filesDir, "meter.yaml")))
		resum(t, dir)
		failed(t, dir, "files")
	})
}
