// Tests of verification: whatever is touched is found, and named by record or file.

package evidence

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
)

// found returns a check by its name.
func found(rep *Report, name string) *Check {
	return &rep.Checks[slices.IndexFunc(rep.Checks, func(c Check) bool { return c.Name == name })]
}

// failed returns a check of a package, which must have failed.
func failed(t *testing.T, dir, name string) Check {
	t.Helper()
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.False(t, rep.OK(), "nothing was found")
	require.Empty(t, rep.Proven)
	c := found(rep, name)
	require.True(t, c.Failed, "%s holds; found instead: %s", name, rep.Verdict())
	return *c
}

func TestEveryCheckOfAWholePackageHoldsAndTheReportSaysWhatIsNotProven(t *testing.T) {
	for _, rel := range []batch.Release{approved{}, batch.Unapproved} {
		dir := packed(t, "B-0001", rel)
		before := everything(t, dir)
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Len(t, rep.Checks, 13)
		require.Contains(t, found(rep, "anchors").String(), "open  anchors: the tail is not anchored: ")
		require.Equal(t, "B-0001", rep.BatchID)
		require.Equal(t, "Complete", rep.State)
		require.NotEmpty(t, rep.Proven)
		require.Contains(t, strings.Join(rep.NotProven, "\n"), "no anchor")
		require.Contains(t, strings.Join(rep.NotProven, "\n"), "no signature")
		require.Contains(t, rep.Verdict(), "no anchor")
		require.Equal(t, before, everything(t, dir), "Verify changes nothing")
	}
}

// verifyEvents verifies an events file alone, with the governed files of a package.
func verifyEvents(t testing.TB, files []governed, events []byte) *Report {
	v := &verifier{report: newReport()}
	clean := make([]governed, len(files))
	for i, f := range files {
		clean[i] = governed{name: f.name, digest: f.digest, data: f.data}
	}
	v.recs = newRecords(clean, func(check string, seq uint64, format string, args ...any) {
		v.check(check).fail(seq, "", format, args...)
	})
	var err error
	v.head, err = v.readLines(bytes.NewReader(events), v.recs.add)
	require.NoError(t, err)
	v.recs.finish()
	return &v.report
}

func filesOf(t testing.TB, dir string) []governed {
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	tree, err := list(root)
	require.NoError(t, err)
	files, err := readGoverned(root, tree, nil)
	require.NoError(t, err)
	return files
}

func TestEveryByteOfTheEventsBelongsToARecordThatIsNamedWhenItChanges(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	lines := bytes.SplitAfter(slurp(t, dir, eventsName), []byte{'\n'})
	events := bytes.Join(lines[:8], nil)
	require.False(t, verifyEvents(t, nil, events).Checks[1].Failed)
	n, end := uint64(1), len(lines[0])+len(lines[1]) // behind the record after n: what comes later cannot be named before it
	for i, old := range events {
		for k, with := range [...]byte{old ^ 1, old ^ 0x20, '\n', '\t', 0, old + 128} {
			if with == old || k != i%6 && k != 2 {
				continue
			}
			events[i] = with
			rep := verifyEvents(t, nil, events[:end])
			c := rep.Checks[1]
			require.True(t, c.Failed, "byte %d as %q", i, with)
			require.Equal(t, n, c.Seq, "byte %d as %q: %s", i, with, c.String())
		}
		if events[i] = old; old == '\n' {
			n++
			end = min(end+len(lines[n]), len(events))
		}
	}
	for i := range len(events) - 1 {
		if rep := verifyEvents(t, nil, events[:i+1]); events[i] != '\n' {
			require.True(t, rep.Checks[1].Failed, "cut behind byte %d", i)
		}
	}
}

func TestLinesThatAreDroppedDoubledMovedOrAddedAreNamed(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	whole := bytes.SplitAfter(slurp(t, dir, eventsName), []byte{'\n'})
	whole = whole[:len(whole)-1]
	n := len(whole)
	at := func(lines ...[]byte) []byte { return bytes.Join(lines, nil) }
	join := func(parts ...[][]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, at(p...)...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []byte
		check  string
		seq    uint64
	}{
		{"first dropped", join(whole[1:]), "chain", 1},
		{"one dropped", join(whole[:9], whole[10:]), "chain", 10},
		{"last dropped", join(whole[:n-1]), "journal", uint64(n)},
		{"one doubled", join(whole[:10], whole[9:]), "chain", 11},
		{"two exchanged", join(whole[:9], whole[10:11], whole[9:10], whole[11:]), "chain", 10},
		{"an empty line", join(whole[:9], [][]byte{{'\n'}}, whole[9:]), "chain", 10},
		{"a line longer than a record", join(whole[:9], [][]byte{bytes.Repeat([]byte{'x'}, 200_000), {'\n'}}, whole[9:]), "chain", 10},
		{"text behind the end", join(whole, [][]byte{[]byte("more")}), "chain", uint64(n) + 1},
		{"one again at the end", join(whole, whole[:1]), "chain", uint64(n) + 1},
		{"nothing left", nil, "chain", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			touched := clone(t, dir)
			put(t, touched, eventsName, c.events)
			got := failed(t, touched, "sums")
			require.Equal(t, eventsName, got.File)
			resum(t, touched)
			require.Equal(t, c.seq, failed(t, touched, c.check).Seq)
		})
	}
}

func TestFilesThatAreTouchedAreNamedWhetherOrNotTheSumsWereMadeAnew(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	edit := func(name, old, with string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data := slurp(t, dir, name)
			require.Contains(t, string(data), old)
			put(t, dir, name, bytes.Replace(data, []byte(old), []byte(with), 1))
		}
	}
	add := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, dir, name, []byte("x")) }
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, name))) }
	}
	for _, c := range []struct {
		name  string
		touch func(t *testing.T, dir string)
		file  string // named by sums
		check string // fails even with new sums
	}{
		{"a sample", edit("samples/A.tsv", "65524", "65525"), "samples/A.tsv", "samples"},
		{"a sample, so that the total is another", edit("samples/A.tsv", "\t4\tGOOD", "\t7777\tGOOD"), "samples/A.tsv", "totals"},
		{"what is no sample", edit("samples/A.tsv", "\tGOOD", "\tGREAT"), "samples/A.tsv", "totals"},
		{"a sample file is gone", remove("samples/A.tsv"), "samples/A.tsv", "samples"},
		{"a sample file of no window", add("samples/C.tsv"), "samples/C.tsv", "samples"},
		{"the recipe", edit("files/recipe.yaml", "1.00 kg", "1.05 kg"), "files/recipe.yaml", "files"},
		{"the calibration", edit("files/calibration.yaml", "30 {pulse}", "31 {pulse}"), "files/calibration.yaml", "files"},
		{"the mapping is gone", remove("files/map.yaml"), "files/map.yaml", "files"},
		{"a file that nothing binds", add("files/more.yaml"), "files/more.yaml", "files"},
		{"the batch of the manifest", edit(manifestName, `"batch_id":"B-0001"`, `"batch_id":"B-0007"`), manifestName, "manifest"},
		{"the last link of the manifest", edit(manifestName, `"last_link":"`, `"last_link":"0`), manifestName, "manifest"},
		{"what is not proven", edit(manifestName, `who made it`, `nothing`), manifestName, "manifest"},
		{"a key more", edit(manifestName, `{"anchor"`, `{"also":1,"anchor"`), manifestName, "manifest"},
		{"a key twice", edit(manifestName, `{"anchor"`, `{"anchor":"x","anchor"`), manifestName, "manifest"},
		{"white space", edit(manifestName, `,"batch_id"`, `, "batch_id"`), manifestName, "manifest"},
		{"the outcome of the journal", edit(manifestName, "CLEAN", "TORN_TAIL"), manifestName, "manifest"},
		{"a path in the manifest", edit(manifestName, `"name":"A.tsv"`, `"name":"../../A.tsv"`), manifestName, "manifest"},
		{"the manifest is gone", remove(manifestName), manifestName, "manifest"},
		{"the events are gone", remove(eventsName), eventsName, "chain"},
		{"a segment", edit("journal/segments/00000001.seg", `"event_type":"boot"`, `"event_type":"root"`), "journal/segments/00000001.seg", "journal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			touched := clone(t, dir)
			c.touch(t, touched)
			require.Equal(t, c.file, failed(t, touched, "sums").File)
			resum(t, touched)
			failed(t, touched, c.check)
		})
	}
}

func TestManifestDifferencesAreNamedByTheirKey(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	put(t, dir, manifestName, bytes.Replace(slurp(t, dir, manifestName), []byte(`"engine":1`), []byte(`"engine":2`), 1))
	require.Equal(t, "engine is 2, of the records and files it is 1", failed(t, dir, "manifest").Detail)
}

func TestSumsThatAreNoSumsAreRefusedAndNoNameLeadsOut(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	sums := string(slurp(t, dir, sumsName))
	zero := strings.Repeat("0", 64)
	first := sums[:strings.Index(sums, "\n")+1]
	digit := "0"
	if sums[0] == '0' {
		digit = "1"
	}
	for _, c := range []struct{ name, sums, file string }{
		{"a path that leads out", zero + "  ../../../../etc/passwd\n" + sums, "../../../../etc/passwd"},
		{"an absolute path", zero + "  /etc/passwd\n" + sums, "/etc/passwd"},
		{"a name with a carriage return", strings.Replace(sums, "events.tsv", "events.tsv\r", 1), "events.tsv\r"},
		{"no line feed at the end", strings.TrimSuffix(sums, "\n"), sumsName},
		{"a line twice", first + sums, sumsName},
		{"no sums at all", "hello\n", sumsName},
		{"an empty file", "", csvName},
		{"upper case", strings.ToUpper(first) + sums[len(first):], sumsName},
		{"a digit of a digest", digit + sums[1:], csvName},
	} {
		t.Run(c.name, func(t *testing.T) {
			put(t, dir, sumsName, []byte(c.sums))
			require.Equal(t, c.file, failed(t, dir, "sums").File)
		})
	}
	require.NoError(t, os.Remove(filepath.Join(dir, sumsName)))
	require.Equal(t, sumsName, failed(t, dir, "sums").File)
}

func TestAPackageWithoutItsJournalStillVerifies(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, found(rep, "journal").Detail, "not in the package")
	require.Contains(t, found(rep, "sums").Detail, "journal/ is left out as a whole, so listed and absent: journal/segments/00000001.seg")
}

func TestTheJournalOfAnotherRunIsFoundAtTheFirstRecordThatDiffers(t *testing.T) {
	dir, other := packed(t, "B-0001", approved{}), packed(t, "B-0002", approved{})
	require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
	require.NoError(t, os.CopyFS(filepath.Join(dir, journalDir), os.DirFS(filepath.Join(other, journalDir))))
	resum(t, dir)
	require.Equal(t, uint64(1), failed(t, dir, "journal").Seq)
}

func TestFilesBesideThePackageAreToldAndDoNotCount(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	put(t, dir, "report.html", []byte("<p>"))
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, []string{"report.html"}, rep.Other)
}

func TestLinksAreNotFollowed(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	outside := filepath.Join(t.TempDir(), "map.yaml")
	require.NoError(t, os.Rename(filepath.Join(dir, "files/map.yaml"), outside))
	if err := os.Symlink(outside, filepath.Join(dir, "files/map.yaml")); err != nil {
		require.Equal(t, "windows", runtime.GOOS, err)
		t.Skip("making symbolic links needs developer mode to be switched on")
	}
	require.Equal(t, "files/map.yaml", failed(t, dir, "sums").File)
	failed(t, dir, "files")
}

func TestWhatIsNoPackageIsAnError(t *testing.T) {
	dir := t.TempDir()
	_, err := Verify(dir)
	require.ErrorIs(t, err, ErrNoPackage)
	_, err = Replay(dir)
	require.ErrorIs(t, err, ErrNoPackage)
	_, err = Verify(filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	put(t, dir, "file", nil)
	_, err = Verify(filepath.Join(dir, "file"))
	require.Error(t, err)
}

// again puts a copy of one record in the place of another.
func again(from, to uint64) func(uint64, []byte) []byte {
	var kept []byte
	return func(n uint64, body []byte) []byte {
		if n == from {
			kept = body
		}
		if n != to {
			return body
		}
		return bytes.Replace(kept, fmt.Appendf(nil, `"event_seq":"%d"`, from), fmt.Appendf(nil, `"event_seq":"%d"`, to), 1)
	}
}

// place finds the number of a record by its kind and how many of that kind have come, such as boot/1.
func place(t *testing.T, dir, at string) uint64 {
	kind, nth, _ := strings.Cut(at, "/")
	left, err := strconv.Atoi(nth)
	require.NoError(t, err)
	for i, body := range bodies(t, slurp(t, dir, eventsName)) {
		if strings.Contains(string(body), `"event_type":"`+kind+`"`) {
			if left--; left == 0 {
				return uint64(i) + 1
			}
		}
	}
	require.Fail(t, "no such record", at)
	return 0
}

func TestRecordsThatContradictEachOtherAreNamedAlthoughTheirChainIsWhole(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for _, c := range []struct {
		name  string
		edit  func(uint64, []byte) []byte
		check string
		at    string // kind and place of the record that is named
		says  string
	}{
		{"another batch", replaced("boot", 1, `"batch_id":"B-0001"`, `"batch_id":"B-0002"`), "identity", "boot/1", "batch_id"},
		{"another recipe version", replaced("command", 1, `"recipe_version":"1.0"`, `"recipe_version":"1.1"`), "identity", "command/1", "recipe_version"},
		{"another engine", replaced("boot", 1, `"engine":1`, `"engine":2`), "identity", "boot/1", "engine"},
		{"unapproved in one record", replaced("command", 1, `}`, `,"unapproved":true}`), "identity", "command/1", "unapproved"},
		{"another number", replaced("boot", 1, `"event_seq":"5"`, `"event_seq":"7"`), "records", "boot/1", "record 7"},
		{"not canonical", replaced("boot", 1, `,"event_seq"`, `, "event_seq"`), "records", "boot/1", "refused"},
		{"an unknown kind", replaced("boot", 1, `"event_type":"boot"`, `"event_type":"bout"`), "records", "boot/1", "bout"},
		{"bound to another file", replaced("object_bound", 2, `"digest":"`, `"digest":"0`), "files", "object_bound/2", "mapping"},
		{"bound to another version", replaced("object_bound", 2, `"object_version":"7"`, `"object_version":"8"`), "files", "object_bound/2", "TINY-IO 7"},
		{"created twice", again(1, 2), "records", "object_bound/1", "created twice"},
		{"a file bound twice", again(2, 3), "records", "object_bound/2", "second recipe"},
		{"a file bound when the batch has begun", again(4, 8), "records", "command/1", "calibration"},
		{"a block that does not unpack", replaced("input_block", 2, `"block_data":"`, `"block_data":"////`), "records", "input_block/2", "block"},
		{"a block of fewer events", replaced("input_block", 1, `"block_events":3`, `"block_events":4`), "records", "input_block/1", "block_events"},
		{"a window closed that was not open", again(27, 29), "samples", "step_state/3", "was not open"},
		{"a window never closed", replaced("window_start", 1, `"meter_window_id":"A"`, `"meter_window_id":"X"`), "samples", "window_start/1", "never closed"},
		{"an action type declared when the batch has begun", fields("command", 1, func(f map[string]any) {
			for _, k := range []string{"change_reason", "command", "operator_role"} {
				delete(f, k)
			}
			f["event_type"], f["action_type"], f["action_version"], f["params"], f["values"] = "action_declared", "x", 1, []string{}, []string{}
		}), "records", "command/1", "not just created"},
		{"another batch in a record that may stand outside one", replaced("time_observed", 1, `"batch_id":"B-0001"`, `"batch_id":"B-0002"`), "identity", "time_observed/1", "batch_id"},
		{"unapproved in a record that may stand outside a batch", with("boot", 1, "unapproved", true), "identity", "boot/1", "unapproved"},
		{"a window opened twice", replaced("window_start", 2, `"meter_window_id":"B.2"`, `"meter_window_id":"A"`), "samples", "window_start/2", "opened twice"},
		{"a window whose name is a path", replaced("window_start", 1, `"meter_window_id":"A"`, `"meter_window_id":"../A"`), "samples", "window_start/1", "no name"},
		{"another digest", replaced("window_stop", 1, `"samples_digest":"`, `"samples_digest":"0`), "samples", "window_stop/1", "samples_digest"},
		{"another total", replaced("window_stop", 1, `"totalized_value":"1.05"`, `"totalized_value":"1.00"`), "totals", "window_stop/1", "totalized_value"},
		{"another delta", replaced("window_stop", 1, `"delta":"0.05"`, `"delta":"0.00"`), "totals", "window_stop/1", "delta"},
		{"another count", replaced("window_stop", 1, `"raw_state":"32"`, `"raw_state":"33"`), "totals", "window_stop/1", "raw_state"},
		{"a better quality", replaced("window_stop", 2, `"quality":"BAD"`, `"quality":"GOOD"`), "totals", "window_stop/2", "quality"},
		{"another calibration", replaced("window_stop", 1, `"calib_version":"2026-03"`, `"calib_version":"2026-04"`), "identity", "window_stop/1", "calib_version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failed(t, forge(t, dir, c.edit), c.check)
			require.Equal(t, place(t, dir, c.at), got.Seq, got.String())
			require.Contains(t, got.String(), c.says)
		})
	}
}

func TestAPackageThatWasHashedAnewVerifiesAndTheReportSaysThatThisDoesNotShow(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	for _, c := range []struct {
		name      string
		edit      func(uint64, []byte) []byte
		divergent string // record at which replay parts; "" where it does not
	}{
		{"a decision", replaced("output_write", 1, `"value":"open"`, `"value":"closed"`), "output_write/1"},
		{"the cause of a verdict", with("window_stop", 1, "cause", []string{"22"}), "window_stop/1"},
		{"the words of an operator", replaced("command", 1, `"operator_id":"o.shift"`, `"operator_id":"o.day"`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			forged := forge(t, dir, c.edit)
			rep, err := Verify(forged)
			require.NoError(t, err)
			require.True(t, rep.OK(), rep.Verdict())
			require.Contains(t, strings.Join(rep.NotProven, "\n"), "records that were all hashed again do not show")
			replay, err := Replay(forged)
			require.NoError(t, err)
			if c.divergent == "" {
				require.Nil(t, replay.Divergence)
				return
			}
			require.NotNil(t, replay.Divergence, "an edited decision does not follow from its inputs")
			require.Equal(t, place(t, dir, c.divergent), replay.Divergence.Seq)
		})
	}
}
