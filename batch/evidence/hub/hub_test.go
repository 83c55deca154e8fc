// What a hub takes, what it refuses, and what it is after a cut.

package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

func TestWhatFollowsIsHeldAndNothingElse(t *testing.T) {
	all := rows(t, "J1", journal.Chain{}, 20, "x")
	other := rows(t, "J1", end(all[:9]), 5, "another")
	bent := func(i int, how func(r *export.Row)) []export.Row {
		list := slices.Clone(all[10:15])
		how(&list[i])
		return list
	}
	for name, c := range map[string]struct {
		rows []export.Row
		want error
	}{
		"a gap":                                 {all[12:], hub.ErrGap},
		"another record that is held":           {other[:1], hub.ErrFork},
		"another record behind what is held":    {other[1:], hub.ErrFork},
		"a body that was touched":               {bent(2, func(r *export.Row) { r.Body = bytes.Replace(r.Body, []byte("x"), []byte("y"), 1) }), hub.ErrRows},
		"a leaf that was touched":               {bent(2, func(r *export.Row) { r.Leaf[0] ^= 1 }), hub.ErrRows},
		"a link that was touched":               {bent(2, func(r *export.Row) { r.Link[0] ^= 1 }), hub.ErrRows},
		"a number that was touched":             {bent(2, func(r *export.Row) { r.Seq++ }), hub.ErrRows},
		"one that is left out":                  {slices.Delete(slices.Clone(all[10:]), 2, 3), hub.ErrRows},
		"one that is doubled":                   {slices.Insert(slices.Clone(all[10:]), 2, all[11]), hub.ErrRows},
		"a body of another journal":             {rows(t, "J2", end(all[:10]), 1, "x"), hub.ErrRows},
		"none":                                  {nil, hub.ErrRows},
		"held ones, of which the last is bent":  {append(slices.Clone(all[5:9]), other[0]), hub.ErrFork},
		"held ones, of which the first is bent": {append([]export.Row{{Seq: 5, Leaf: all[4].Leaf, Body: all[4].Body}}, all[5:9]...), hub.ErrRows},
	} {
		h := open(t, t.TempDir(), nil)
		n1 := h.From("n1")
		at, err := n1.Take(t.Context(), "J1", all[:10])
		require.NoError(t, err, name)
		require.Equal(t, end(all[:10]), at, name)
		_, err = n1.Take(t.Context(), "J1", c.rows)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, text(all[:10]), file(t, h, "J1"), name)
		at, err = n1.Take(t.Context(), "J1", all[5:]) // half of which it has
		require.NoError(t, err, name)
		require.Equal(t, end(all), at, name)
		require.Equal(t, text(all), file(t, h, "J1"), name)
		s := status(t, h, "J1")
		require.Empty(t, s.Trouble, name)
		require.Equal(t, c.want == hub.ErrFork, s.Forks == 1, name)
		require.Equal(t, c.want == hub.ErrGap, s.Gaps == 1 && s.Refilled == 1, name)
	}
}

func TestWhatContradictsIsKeptAside(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, nil)
	all := rows(t, "J1", journal.Chain{}, 3, "x")
	_, err := h.Take(t.Context(), "J1", all)
	require.NoError(t, err)
	for range 3 { // an edge that sends it again and again
		_, err = h.Take(t.Context(), "J1", rows(t, "J1", end(all[:1]), 2, "other"))
		require.ErrorIs(t, err, hub.ErrFork)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "forks", "J1-2-*.tsv"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Equal(t, text(rows(t, "J1", end(all[:1]), 1, "other")), read(t, kept[0]))
	require.Equal(t, uint64(1), status(t, h, "J1").Forks)
	for n := range 40 {
		_, err = h.Take(t.Context(), "J1", rows(t, "J1", end(all[:1]), 2, fmt.Sprint(n)))
		require.ErrorIs(t, err, hub.ErrFork)
	}
	kept, err = filepath.Glob(filepath.Join(dir, "forks", "*"))
	require.NoError(t, err)
	require.Len(t, kept, 16, "and no more than that")
	require.NoError(t, h.Close())
	require.Equal(t, uint64(41), status(t, open(t, dir, nil), "J1").Forks, "it is remembered")
}

func TestAJournalIsItsFirstSenders(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, nil)
	all := rows(t, "J1", journal.Chain{}, 4, "x")
	_, err := h.From("n1").Take(t.Context(), "J1", all[:2])
	require.NoError(t, err)
	for range 2 {
		_, err = h.From("n2").Take(t.Context(), "J1", all[2:])
		require.ErrorIs(t, err, hub.ErrOwner)
		_, err = h.From("n2").Held(t.Context(), "J1")
		require.ErrorIs(t, err, hub.ErrOwner)
		h.From("n2").Announce("J1", export.Edge{Durable: 99, Acked: 99})
		require.Zero(t, status(t, h, "J1").Missing)
		require.NoError(t, h.Close())
		h = open(t, dir, nil)
	}
	_, err = h.From("n1").Take(t.Context(), "J1", all[2:])
	require.NoError(t, err)
	require.Equal(t, "n1", status(t, h, "J1").Node)
}

func TestNamesThatAreNoneLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	h := open(t, filepath.Join(dir, "hub"), nil)
	one := rows(t, "J1", journal.Chain{}, 1, "x")
	for _, id := range []string{"", "../J1", "a/b", `a\b`, "J 1", "J\x001", strings.Repeat("j", 65), "/etc/passwd", "ü"} {
		_, err := h.Take(t.Context(), id, one)
		require.ErrorIs(t, err, hub.ErrRows, "%q", id)
		_, err = h.Held(t.Context(), id)
		require.ErrorIs(t, err, hub.ErrRows, "%q", id)
		_, err = h.From(id).Take(t.Context(), "J1", one)
		require.ErrorIs(t, err, hub.ErrRows, "%q", id)
	}
	for _, id := range []string{".", "..", "...", "-"} { // strange, and a journal may be called so
		_, err := h.Take(t.Context(), id, rows(t, id, journal.Chain{}, 1, "x"))
		require.NoError(t, err, "%q", id)
	}
	lies, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, lies, 1)
	require.Len(t, h.Journals(), 4)
}

func TestADirectoryIsOneHubs(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, nil)
	_, err := hub.Open(dir, nil)
	require.ErrorIs(t, err, hub.ErrBusy)
	require.NoError(t, h.Close())
	open(t, dir, nil)
}

func TestWithoutRoomItRefusesAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	all := rows(t, "J1", journal.Chain{}, 4, "x")
	h := open(t, dir, nil)
	_, err := h.Take(t.Context(), "J1", all[:2])
	require.NoError(t, err)
	require.NoError(t, h.Close())
	h = open(t, dir, &hub.Options{Room: 1 << 60})
	_, err = h.Take(t.Context(), "J1", all[2:])
	require.ErrorIs(t, err, hub.ErrFull)
	_, err = h.Take(t.Context(), "J2", rows(t, "J2", journal.Chain{}, 1, "x"))
	require.ErrorIs(t, err, hub.ErrFull)
	require.Len(t, h.Journals(), 1)
	require.Contains(t, status(t, h, "J1").Trouble, "no room")
	at, err := h.Held(t.Context(), "J1")
	require.NoError(t, err)
	require.Equal(t, end(all[:2]), at)
	require.NoError(t, h.Close())

	h = open(t, dir, &hub.Options{Journals: 1})
	_, err = h.Take(t.Context(), "J2", rows(t, "J2", journal.Chain{}, 1, "x"))
	require.ErrorIs(t, err, hub.ErrFull)
	_, err = h.Take(t.Context(), "J1", all[2:])
	require.NoError(t, err)
}

func TestAFileThatIsCutAnywhereIsGoneOnWithToTheSameBytes(t *testing.T) {
	all := rows(t, "J1", journal.Chain{}, 300, strings.Repeat("x", 700))
	whole := text(all)
	made := t.TempDir()
	h := open(t, made, nil)
	_, err := h.From("n1").Take(t.Context(), "J1", all)
	require.NoError(t, err)
	require.NoError(t, h.Close())
	index := read(t, made+"/journals/J1.idx")
	require.Greater(t, len(index), 3*100, "some blocks are closed")
	for cut := len(whole); cut >= 0; cut -= 9973 {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
		require.NoError(t, os.WriteFile(dir+"/journals/J1.tsv", []byte(whole[:cut]), 0o640))
		h := open(t, dir, nil)
		n1 := h.From("n1")
		n1.Announce("J1", export.Edge{Durable: 300, Acked: 300})
		held, err := n1.Held(t.Context(), "J1")
		require.NoError(t, err)
		require.Equal(t, uint64(strings.Count(whole[:cut], "\n")), held.N, "cut at byte %d", cut)
		s := status(t, h, "J1")
		require.Equal(t, 300-held.N, s.Behind)
		if held.N < 300 {
			require.Equal(t, uint64(300), s.Missing)
			_, err = n1.Take(t.Context(), "J1", all[held.N:])
			require.NoError(t, err)
			s = status(t, h, "J1")
			require.Equal(t, []uint64{0, 0, 1, 1}, []uint64{s.Missing, s.Behind, s.Gaps, s.Refilled})
		}
		require.Equal(t, whole, file(t, h, "J1"), "cut at byte %d", cut)
		require.NoError(t, h.Close())
		require.Equal(t, index, read(t, dir+"/journals/J1.idx"), "cut at byte %d: the index is that of the uncut one", cut)
		torn, err := filepath.Glob(dir + "/forks/*.torn")
		require.NoError(t, err)
		require.Equal(t, cut > 0 && whole[cut-1] != '\n', len(torn) == 1, "cut at byte %d: what was torn is set aside", cut)
	}
}

func TestAnIndexThatIsMadeAnewIsTheSame(t *testing.T) {
	all := rows(t, "J1", journal.Chain{}, 400, strings.Repeat("x", 700))
	dir := t.TempDir()
	h := open(t, dir, nil)
	for i := 0; i < len(all); i += 7 {
		_, err := h.Take(t.Context(), "J1", all[i:min(i+7, len(all))])
		require.NoError(t, err)
	}
	require.NoError(t, h.Close())
	name := dir + "/journals/J1.idx"
	live := read(t, name)
	for says, damage := range map[string]func() error{
		"it is gone":               func() error { return os.Remove(name) },
		"it is cut off":            func() error { return os.WriteFile(name, []byte(live[:len(live)/2]), 0o640) },
		"a byte of it is another":  func() error { return os.WriteFile(name, []byte(live[:40]+"?"+live[41:]), 0o640) },
		"something is behind":      func() error { return os.WriteFile(name, []byte(live+live[:200]), 0o640) },
		"it is of another journal": func() error { return os.WriteFile(name, bytes.Repeat([]byte{0xff}, 5000), 0o640) },
		"nothing is wrong":         func() error { return nil },
	} {
		require.NoError(t, damage(), says)
		h := open(t, dir, nil)
		require.Equal(t, uint64(400), status(t, h, "J1").Held, says)
		require.NoError(t, h.Close())
		require.Equal(t, live, read(t, name), says)
	}
	require.NoError(t, open(t, dir, &hub.Options{Rebuild: true}).Close())
	require.Equal(t, live, read(t, name))
}

func TestARowThatWasChangedOnTheDiskIsFoundAndNeverGiven(t *testing.T) {
	all := rows(t, "J1", journal.Chain{}, 400, strings.Repeat("x", 700))
	whole := text(all)
	for _, at := range []int{5, 1000, len(whole) / 2, len(whole) - 200_000} {
		dir := t.TempDir()
		h := open(t, dir, nil)
		for _, id := range []string{"J0", "J1", "J2"} {
			_, err := h.Take(t.Context(), id, rows(t, id, journal.Chain{}, 400, strings.Repeat("x", 700)))
			require.NoError(t, err)
		}
		require.NoError(t, h.Close())
		bad := []byte(whole)
		bad[at] ^= 1
		require.NoError(t, os.WriteFile(dir+"/journals/J1.tsv", bad, 0o640))
		h = open(t, dir, nil)
		_, _, err := h.Verify(t.Context(), "J1")
		require.ErrorIs(t, err, hub.ErrDamaged, "byte %d", at)
		_, err = ask(t, h, "journal_id=J1")
		require.ErrorIs(t, err, hub.ErrDamaged, "byte %d", at)
		lines, err := ask(t, h, "journal_id=J2")
		require.NoError(t, err, "the others are there")
		require.Equal(t, 400, strings.Count(lines, "\n"))
		require.NoError(t, h.Close())

		h = open(t, dir, &hub.Options{Rebuild: true})
		require.Equal(t, "damaged", says(h.Held(t.Context(), "J1")), "byte %d", at)
		_, err = h.Take(t.Context(), "J1", all[399:])
		require.ErrorIs(t, err, hub.ErrDamaged)
		require.Contains(t, status(t, h, "J1").Trouble, "not what a cut of power leaves")
		require.NoError(t, h.Close())
		require.Equal(t, string(bad), read(t, dir+"/journals/J1.tsv"), "it is left as it is")
	}
}

func says(_ journal.Chain, err error) string {
	if err == nil {
		return ""
	}
	return strings.Fields(strings.TrimPrefix(err.Error(), "hub: what is held was "))[0][:7]
}

func TestARecordOfAKindThatIsNotKnownIsKept(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	all := rows(t, "J1", journal.Chain{}, 2, "x")
	c := end(all)
	strange := []byte(`{"event_type":"of_tomorrow"}`)
	c.Add(strange)
	all = append(all, export.Row{Seq: 3, Leaf: journal.Leaf(strange), Link: c.Link, Body: strange})
	all = append(all, rows(t, "J1", c, 2, "x")...)
	_, err := h.Take(t.Context(), "J1", all)
	require.NoError(t, err)
	require.Equal(t, text(all), file(t, h, "J1"))
	require.Equal(t, uint64(1), status(t, h, "J1").Unread)
	split := []byte("{\"a\":\n1}")
	c = end(all)
	c.Add(split)
	_, err = h.Take(t.Context(), "J1", []export.Row{{Seq: c.N, Leaf: journal.Leaf(split), Link: c.Link, Body: split}})
	require.ErrorIs(t, err, hub.ErrRows, "it would be two lines")
}

func TestAJournalThatHadReleasedRecordsBeginsWhereItDoes(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, nil)
	all := rows(t, "J1", journal.Chain{}, 400, strings.Repeat("x", 700))
	_, err := h.Take(t.Context(), "J1", all[50:])
	require.NoError(t, err)
	for range 2 {
		s := status(t, h, "J1")
		require.Equal(t, []uint64{51, 400}, []uint64{s.First, s.Held})
		at, err := h.Take(t.Context(), "J1", all[49:60])
		require.NoError(t, err, "it leads to what is held, and is passed over")
		require.Equal(t, end(all), at)
		_, err = h.Take(t.Context(), "J1", all[:10])
		require.ErrorIs(t, err, hub.ErrRows)
		lines, err := ask(t, h, "seq=..60")
		require.NoError(t, err)
		require.Equal(t, 10, strings.Count(lines, "\n"))
		require.NoError(t, h.Close())
		h = open(t, dir, &hub.Options{Rebuild: true})
	}
}

// log keeps what goes on record.
type log struct{ lines []string }

func (l *log) Append(fill func(*record.Body)) (uint64, error) {
	var b record.Body
	fill(&b)
	for _, k := range []record.Key{record.JournalID, record.DeviceID, record.SyncState, record.TimeSource} {
		b.Text(k, "x")
	}
	b.Count(record.EventSeq, 1)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	text, err := b.Append(nil)
	if err == nil {
		var r *record.Record
		if r, err = record.Parse(text); err == nil {
			l.lines = append(l.lines, r.Text(record.ObjectID)+" "+r.Text(record.Result))
		}
	}
	return uint64(len(l.lines)), err
}

func TestGapsRefillsAndForksAreOnRecord(t *testing.T) {
	l := &log{}
	h := open(t, t.TempDir(), &hub.Options{Log: l, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	all := rows(t, "J1", journal.Chain{}, 9, "x")
	n1 := h.From("n1")
	n1.Announce("J1", export.Edge{Durable: 9, Acked: 6}) // its disk was put back to before it knew of the journal
	_, err := n1.Take(t.Context(), "J1", all[:3])
	require.NoError(t, err)
	s := status(t, h, "J1")
	require.Equal(t, "2027-01-15T08:00:00Z", s.Heard)
	require.Equal(t, []uint64{6, 6}, []uint64{s.Behind, s.Missing})
	_, err = n1.Take(t.Context(), "J1", all[3:])
	require.NoError(t, err)
	_, err = n1.Take(t.Context(), "J1", rows(t, "J1", end(all[:8]), 1, "y"))
	require.ErrorIs(t, err, hub.ErrFork)
	require.Equal(t, []string{"J1 gap", "J1 refilled", "J1 fork"}, l.lines)
	s = status(t, h, "J1")
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.Contains(t, string(data), `"gaps":"1","refilled":"1","forks":"1"`)
	require.Contains(t, s.Words(), "J1 of n1: records 1 to 9, 0 behind, heard 2027-01-15T08:00:00Z, 1 gaps, 1 refilled, 1 FORKS; ")
}

func TestADiskThatWasPutBackIsRefilledFromTheEdge(t *testing.T) {
	e := newEdge(t, "J1")
	e.write(300, 400)
	dir := t.TempDir()
	h := open(t, dir, nil)
	send := func(again bool) error {
		x, err := export.New("hub", h.From("n1"), e.source(), e.dir+"/cursor", clock, &export.Options{Again: again, Batch: 20_000})
		require.NoError(t, err)
		return x.CatchUp(context.Background())
	}
	require.NoError(t, send(false))
	require.NoError(t, h.Close())
	old := t.TempDir()
	require.NoError(t, os.CopyFS(old, os.DirFS(dir)))
	h = open(t, dir, nil)
	e.write(400, 400)
	require.NoError(t, send(false))
	require.NoError(t, h.Close())

	h = open(t, old, nil)
	err := send(false)
	require.True(t, export.Outage(err), "%v", err)
	require.ErrorContains(t, err, "had acknowledged")
	s := status(t, h, "J1")
	require.Equal(t, []uint64{300, 700, 1, 0, 400}, []uint64{s.Held, s.Missing, s.Gaps, s.Refilled, s.Behind}, "the hub itself says so")
	require.NoError(t, send(true))
	s = status(t, h, "J1")
	require.Equal(t, []uint64{700, 0, 1, 1, 0}, []uint64{s.Held, s.Missing, s.Gaps, s.Refilled, s.Behind})
	require.Equal(t, e.lines(), file(t, h, "J1"))
	require.NoError(t, h.Close())

	h = open(t, t.TempDir(), nil) // an empty one
	require.NoError(t, send(true))
	require.Equal(t, e.lines(), file(t, h, "J1"))
	require.Equal(t, uint64(1), status(t, h, "J1").Refilled)
}
