// Tests of extracts and queries: what they hold, that they are the same each time, and that they verify.

package evidence

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func parsed(t testing.TB, words ...string) *Query {
	t.Helper()
	q, err := ParseQuery(words)
	require.NoError(t, err)
	return q
}

// relative reads all files below a directory by their names in it.
func relative(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	for name, data := range everything(t, dir) {
		rel, err := filepath.Rel(dir, name)
		require.NoError(t, err)
		out[filepath.ToSlash(rel)] = data
	}
	return out
}

func TestTwoExportsOfOneQueryAreTheSameBytesAndVerify(t *testing.T) {
	full := packed(t, "B-0001", approved{})
	for _, words := range [][]string{nil, {"seq=3..9"}, {"seq=..4"}, {"kind=window_stop", "kind=object_bound"}, {"meter_window_id=A"},
		{"meter_window_id=B.2", "kind=window_stop"}, {"result=PASS"}, {"batch_id=B-0002"}, {"cause=9"},
		{"from=2026-01-01T00:00:01.000000000Z", "to=2026-01-01T00:00:02.000000000Z"}} {
		q := parsed(t, words...)
		one, two, three := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2"), filepath.Join(t.TempDir(), "3")
		m, err := Export(full, one, q)
		require.NoError(t, err)
		_, err = Export(full, two, q)
		require.NoError(t, err)
		require.Equal(t, relative(t, one), relative(t, two), q.String())
		_, err = Export(one, three, q)
		require.NoError(t, err, "an extract can be exported again")
		require.Equal(t, relative(t, one), relative(t, three), q.String())

		rep, err := Verify(one)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.True(t, rep.Extract)
		ref, err := Ref(one)
		require.NoError(t, err)
		require.Equal(t, ref, rep.Ref)
		whole, err := Verify(full)
		require.NoError(t, err)
		require.Equal(t, whole.Link, rep.Link, "the chain is that of the whole")

		n := uint64(0)
		head, _, err := Select(full, q, func(r *Row) error {
			n++
			require.Equal(t, r.Leaf, journal.Leaf(r.Body))
			require.Equal(t, r.Link, journal.Link(r.Seq, r.Prev, r.Leaf))
			require.Equal(t, 5, len(strings.Split(string(r.Append(nil)), "\t")))
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, whole.Link, head.Link.String())
		require.Equal(t, n, m.Bodies, q.String())
		require.Equal(t, q, parsed(t, q.words()...))
	}
}

func TestAnExtractHoldsTheFilesThatItsRecordsNameAndNoOther(t *testing.T) {
	full := packed(t, "B-0001", approved{})
	to := filepath.Join(t.TempDir(), "x")
	m, err := Export(full, to, parsed(t, "kind=window_stop", "seq=1..60"))
	require.NoError(t, err)
	require.Len(t, m.Windows, 1)
	require.Empty(t, m.Files)
	require.NoDirExists(t, filepath.Join(to, filesDir))
	require.NoDirExists(t, filepath.Join(to, journalDir))
	require.NotContains(t, string(slurp(t, to, eventsName)), "o.night", "what was not selected is not there")
	put(t, to, "samples/A.tsv", []byte("1\t2\tGOOD\n"))
	resum(t, to)
	require.Contains(t, failed(t, to, "samples").Detail, "is not samples_digest of the record")

	to = filepath.Join(t.TempDir(), "y")
	m, err = Export(filepath.Join(full, journalDir), to, parsed(t, "kind=object_bound"))
	require.NoError(t, err, "a journal can be exported without a package")
	require.Equal(t, uint64(3), m.Bodies)
	require.Empty(t, m.Files)
	rep, err := Verify(to)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, strings.Join(rep.NotProven, "\n"), "which are not there: the recipe")
}

func TestOpenChecksOfAnExtractAreNoClaims(t *testing.T) {
	to := filepath.Join(t.TempDir(), "x")
	_, err := Export(packed(t, "B-0001", approved{}), to, nil)
	require.NoError(t, err)
	rep, err := Verify(to)
	require.NoError(t, err)
	require.True(t, found(rep, "totals").Open)
	require.True(t, strings.HasPrefix(found(rep, "totals").String(), "open  totals: "))
	require.Contains(t, rep.Verdict(), "an extract, verified as far as it goes, 9 checks hold and 4 are open")
	states := map[string]string{}
	for _, l := range rep.Levels() {
		states[l.Name] = l.State
	}
	require.Equal(t, map[string]string{"V0": LevelHolds, "V1": LevelHolds, "V2": LevelNone, "V3": LevelNone, "V4": LevelInPart}, states)
	part := filepath.Join(t.TempDir(), "y")
	_, err = Export(to, part, parsed(t, "kind=command"))
	require.NoError(t, err)
	_, err = Replay(part)
	require.ErrorIs(t, err, ErrChain, "without all bodies nothing can be decided again")
}

func TestWhatCannotBeExportedIsRefused(t *testing.T) {
	full := packed(t, "B-0001", approved{})
	_, err := Export(full, full, nil)
	require.ErrorIs(t, err, ErrOther)
	_, err = Export(t.TempDir(), filepath.Join(t.TempDir(), "x"), nil)
	require.ErrorIs(t, err, ErrNoPackage)
	events := slurp(t, full, eventsName)
	events[200] ^= 1
	put(t, full, eventsName, events)
	to := filepath.Join(t.TempDir(), "x")
	_, err = Export(full, to, nil)
	require.ErrorIs(t, err, ErrChain)
	require.NoDirExists(t, to)
	_, _, err = Select(full, nil, func(*Row) error { return nil })
	require.ErrorIs(t, err, ErrChain)
	part := filepath.Join(t.TempDir(), "y")
	_, err = Export(filepath.Join(full, journalDir), part, nil)
	require.NoError(t, err)
	before := relative(t, part)
	_, err = Pack(part, tinyBatch(t, "B-0001", approved{}))
	require.ErrorIs(t, err, ErrOther)
	require.Equal(t, before, relative(t, part), "an extract is not packed over")
	_, err = Export(full, to, &Query{Kinds: []string{"b", "a"}})
	require.ErrorIs(t, err, ErrQuery)
}

func TestWordsThatAreNoQueryAreRefused(t *testing.T) {
	for _, words := range [][]string{{"seq"}, {"seq="}, {"seq=.."}, {"seq=0"}, {"seq=9..3"}, {"seq=1", "seq=2"}, {"seq=-1"}, {"kind=nothing"},
		{"from=yesterday"}, {"to=2026-01-01T00:00:00"}, {"colour=red"}, {"result=" + strings.Repeat("x", maxWord)}, make([]string, maxWords+1)} {
		_, err := ParseQuery(words)
		require.ErrorIs(t, err, ErrQuery, "%.80q", words)
	}
	require.Equal(t, "all", parsed(t).String())
	require.Equal(t, "seq=3.. kind=boot result_code=PASS", parsed(t, "result_code=PASS", "event_type=boot", "kind=boot", "seq=3..").String())
	require.Equal(t, "seq=3..3", parsed(t, "seq=3").String())
	require.Equal(t, "from=2026-01-01T05:00:00.500000000Z", parsed(t, "from=2026-01-01T06:00:00.5+01:00").String(), "a time has one form")
	_, err := Export(packed(t, "B-0001", approved{}), filepath.Join(t.TempDir(), "x"), &Query{From: "2026-01-01T05:00:00Z"})
	require.ErrorIs(t, err, ErrQuery)
}

func TestDerivedFilesCarryTheLinksAndEveryJoinKey(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	rows, err := csv.NewReader(bytes.NewReader(slurp(t, dir, csvName))).ReadAll()
	require.NoError(t, err)
	all := bodies(t, slurp(t, dir, eventsName))
	require.Len(t, rows, len(all)+1)
	for _, name := range []string{"event_seq", "event_type", "hash_prev", "hash_curr", "ts_mono_ns", "ts_utc", "sync_state", "offset_ms", "time_source",
		"batch_id", "recipe_id", "recipe_version", "step_id", "action_id", "operator_id", "equipment_id", "device_id", "mapping_version",
		"calib_version", "tag_map_version", "device_profile_id", "meter_window_id", "result"} {
		require.Contains(t, rows[0], name)
	}
	lines := bytes.Split(bytes.TrimSpace(slurp(t, dir, jsonlName)), []byte{'\n'})
	require.Len(t, lines, len(all))
	prev := journal.Hash{}.String()
	for i, body := range all {
		row := rows[i+1]
		require.Equal(t, string(body), row[len(row)-1])
		require.Equal(t, prev, row[2])
		var f map[string]any
		require.NoError(t, json.Unmarshal(lines[i], &f))
		require.Equal(t, true, f["derived"])
		require.Equal(t, row[2], f["hash_prev"])
		require.Equal(t, row[3], f["hash_curr"])
		prev = row[3]
	}
	require.Equal(t, `'=1+x`, string(appendCell(nil, "=1+x")))
	require.Equal(t, `-0.5`, string(appendCell(nil, "-0.5")))
	require.Equal(t, `"a ""b"", c"`, string(appendCell(nil, `a "b", c`)))
}

// logged is a device journal of one record.
type logged struct {
	t    *testing.T
	recs []*record.Record
}

func (l *logged) Append(fill func(b *record.Body)) (uint64, error) {
	var b record.Body
	fill(&b)
	b.Count(record.EventSeq, uint64(len(l.recs)+1))
	b.Text(record.JournalID, "D-1")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "none")
	b.Text(record.DeviceID, "CTRL-01")
	body, err := b.Append(nil)
	require.NoError(l.t, err)
	rec, err := record.Parse(body)
	require.NoError(l.t, err)
	l.recs = append(l.recs, rec)
	return rec.Seq(), nil
}

func TestExportsAndVerificationsAreRecords(t *testing.T) {
	full, to, log := packed(t, "B-0001", approved{}), filepath.Join(t.TempDir(), "x"), &logged{t: t}
	m, err := Export(full, to, parsed(t, "kind=command"))
	require.NoError(t, err)
	seq, err := LogExport(log, "qa.lead", to, m)
	require.NoError(t, err)
	require.Equal(t, uint64(1), seq)
	ref, err := Ref(to)
	require.NoError(t, err)
	require.Equal(t, ref, log.recs[0].Text(record.ExportRef))
	require.Equal(t, "kind=command", log.recs[0].Text(record.Detail))

	rep, err := Verify(full)
	require.NoError(t, err)
	_, err = LogVerification(log, "qa.lead", rep)
	require.NoError(t, err)
	require.Equal(t, "PASS", log.recs[1].Text(record.ChainVerifyResult))
	require.Equal(t, []string{"V0=HOLDS", "V1=HOLDS", "V2=NONE", "V3=NONE", "V4=HOLDS"}, log.recs[1].Texts(record.Values))
	require.NoError(t, os.Remove(filepath.Join(full, "samples/A.tsv")))
	resum(t, full)
	rep, err = Verify(full)
	require.NoError(t, err)
	_, err = LogVerification(log, "qa.lead", rep)
	require.NoError(t, err)
	require.Equal(t, "PASS", log.recs[2].Text(record.ChainVerifyResult))
	require.Equal(t, "FAIL", log.recs[2].Text(record.Result))
	_, err = LogVerification(log, "", rep)
	require.Error(t, err)
	_, err = LogExport(log, "", to, m)
	require.Error(t, err)
}
