// Released traces replay for ever, and a machine that is restored between any two events goes on as the uncut one.

package batch

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// fixtures are the released traces of this engine number: evidence packages without their journals.
func fixtures(t testing.TB) []string {
	dirs, err := filepath.Glob("testdata/engine1/*")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	return dirs
}

// bodies reads the records of a fixture.
func bodies(t testing.TB, dir string) (list [][]byte) {
	src, err := os.ReadFile(filepath.Join(dir, "events.tsv"))
	require.NoError(t, err)
	for line := range bytes.Lines(src) {
		list = append(list, bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))[3])
	}
	return list
}

// approved is a Release that knows what the records of a fixture say.
type approved map[string]Approval

// Approved returns what the record of the object says.
func (a approved) Approved(kind, id, version, digest string) (Approval, error) { return a[kind], nil }

// bindFixture binds a fixture as its records say it was bound.
func bindFixture(t testing.TB, dir string, list [][]byte) *Batch {
	plan, err := Load(os.DirFS(filepath.Join(dir, "files")), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	created, err := record.Parse(list[0])
	require.NoError(t, err)
	rel := approved{}
	for _, body := range list[1 : 1+len(plan.Files)] {
		r, err := record.Parse(body)
		require.NoError(t, err)
		rel[r.Text(record.ObjectKind)] = Approval{ID: r.Text(record.ApprovalID), By: r.Text(record.ApprovedBy)}
	}
	b, err := plan.Bind(created.Text(record.BatchID), created.Text(record.BatchSize), rel, &BindOptions{
		Operator: created.Text(record.OperatorID), JournalID: created.Text(record.JournalID), Seed: created.Count(record.Seed)})
	require.NoError(t, err)
	return b
}

func TestReleasedTracesReplayByteForByte(t *testing.T) {
	for _, dir := range fixtures(t) {
		list := bodies(t, dir)
		r := bindFixture(t, dir, list).Replay()
		feed(t, r, list)
		require.Equal(t, len(list), r.Decisions+inputs(t, list), dir)
	}
}

func feed(t testing.TB, r *Replay, list [][]byte) {
	for _, body := range list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, r.Record(rec))
	}
	require.NoError(t, r.End())
}

func inputs(t testing.TB, list [][]byte) (n int) {
	for _, body := range list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind.Spec().Grade == record.Input {
			n++
		}
	}
	return n
}

func TestAMachineRestoredBeforeEveryEventDecidesAsTheUncutOne(t *testing.T) {
	for _, dir := range fixtures(t) {
		list := bodies(t, dir)
		b := bindFixture(t, dir, list)
		r := b.Replay()
		var snap []byte
		r.Before = func(int64, *Event) {
			snap = r.Machine.Snapshot(snap[:0])
			next := b.Start()
			require.NoError(t, next.Restore(snap))
			require.Equal(t, snap, next.Snapshot(nil))
			r.Machine = next
		}
		feed(t, r, list)
	}
}

func TestAReplayNamesTheFirstRecordThatParts(t *testing.T) {
	dir := fixtures(t)[0]
	list := bodies(t, dir)
	b := bindFixture(t, dir, list)
	for i, body := range list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind != record.KindActionState && rec.Kind != record.KindWindowStop {
			continue
		}
		edited := bytes.Replace(body, []byte(`"step_id":"C`), []byte(`"step_id":"D`), 1)
		if bytes.Equal(edited, body) {
			continue
		}
		r := b.Replay()
		for k := range list[:i] {
			rec, err := record.Parse(list[k])
			require.NoError(t, err)
			require.NoError(t, r.Record(rec))
		}
		bad, err := record.Parse(edited)
		require.NoError(t, err)
		var parted *Divergence
		require.ErrorAs(t, r.Record(bad), &parted)
		require.Equal(t, uint64(i+1), parted.Seq)
	}
}

func TestASnapshotThatIsNoneIsRefused(t *testing.T) {
	dir := fixtures(t)[0]
	list := bodies(t, dir)
	b := bindFixture(t, dir, list)
	r := b.Replay()
	feed(t, r, list)
	snap := r.Machine.Snapshot(nil)
	for n := range snap {
		require.Error(t, b.Start().Restore(snap[:n]))
	}
	require.Error(t, b.Start().Restore(append(snap, 0)))
}

func TestASteadyStepAllocatesNothing(t *testing.T) {
	dir := fixtures(t)[0]
	list := bodies(t, dir)
	r := bindFixture(t, dir, list).Replay()
	for _, body := range list {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, r.Record(rec))
		if rec.Kind == record.KindWindowStart {
			break
		}
	}
	m, at := r.Machine, r.at
	source := m.b.prog.wins[0].meter.Source
	raw, _ := m.io.Source(source)
	block := NewBlock(len(m.b.Plan.Map.Tags))
	fx := make([]Effect, 0, 64)
	n := testing.AllocsPerRun(1000, func() {
		at += 1000
		raw++
		ev := Event{Kind: Sample, Seq: 1000, Tag: source, Form: tag.Int, Bits: uint64(raw), Quality: tag.Good}
		block.Add(at, &ev)
		if fx = m.Step(at, &ev, fx[:0]); len(fx) != 0 {
			t.Fatalf("the step was not steady: %s", fx[0].Body)
		}
		if block.Full() {
			block.Reset()
		}
	})
	require.Zero(t, n)
}
