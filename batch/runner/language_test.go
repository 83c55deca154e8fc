// A recipe with one of everything, from its file to the last record in virtual time, and replayed.

package runner

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// tanks is a simulation of two tanks that fill by 1 L/s while their valves are open, and of a door that is shut after 3 s.
type tanks struct {
	now   int64
	out   [4]bool
	level [2]int64 // tenths of a litre
}

func (s *tanks) Watch(context.Context, func(tag.Raw)) error { return nil }
func (s *tanks) Write(context.Context, tag.Write) error     { return nil }
func (s *tanks) Next() int64                                { return s.now/(second/10)*(second/10) + second/10 }

func (s *tanks) Advance(now int64, emit func(tag.Raw)) {
	for first := s.now == 0; first || s.Next() <= now; first = false {
		if s.now = s.Next(); first {
			s.now = now
		}
		for i := range s.level {
			if s.out[i] {
				s.level[i]++
			}
			emit(tag.Raw{Channel: fmt.Sprintf("ai/%d", i+1), Form: tag.Int, Bits: uint64(s.level[i]), Quality: tag.Good})
		}
		emit(tag.Raw{Channel: "di/1", Form: tag.Bool, Bits: map[bool]uint64{true: 1}[now >= 3*second], Quality: tag.Good})
		s.readBack(emit)
	}
	s.now = max(s.now, now)
}

func (s *tanks) readBack(emit func(tag.Raw)) {
	for i, on := range s.out {
		emit(tag.Raw{Channel: fmt.Sprintf("do/%d", i+1), Form: tag.Bool, Bits: map[bool]uint64{true: 1}[on], Quality: tag.Good})
	}
}

func (s *tanks) Apply(now int64, w tag.Write) (int64, error) {
	s.out[w.Channel[3]-'1'] = w.Bits != 0
	return now + 20_000_000, nil
}

// speak loads the recipe with pairs of texts replaced and binds it.
func speak(t *testing.T, size string, replace ...string) *batch.Batch {
	t.Helper()
	plan, err := batch.Load(replaced{os.DirFS("testdata/language"), strings.NewReplacer(replace...)}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", size, batch.Unapproved, nil)
	require.NoError(t, err)
	return b
}

// live runs a batch in virtual time, replays it with a machine restored before every record, verifies its package, binds it once more
// from its journal, and returns its records.
func live(t *testing.T, b *batch.Batch, schedule ...Scheduled) (list []*record.Record, res Result) {
	t.Helper()
	return lives(t, b, Rig{Port: &tanks{}}, false, schedule...)
}

// liveOn is live on a rig.
func liveOn(t *testing.T, b *batch.Batch, rig Rig, schedule ...Scheduled) (list []*record.Record, res Result) {
	t.Helper()
	return lives(t, b, rig, false, schedule...)
}

// lives is live on a rig; at its end some outputs are not known to be safe, or none.
func lives(t *testing.T, b *batch.Batch, rig Rig, unsafe bool, schedule ...Scheduled) (list []*record.Record, res Result) {
	t.Helper()
	var bodies [][]byte
	dir := filepath.Join(t.TempDir(), "B-1")
	rig.Dir = dir
	res, err := Run(t.Context(), b, rig, &Options{Virtual: &Virtual{}, Schedule: schedule,
		Record: func(_ record.Kind, body []byte) { bodies = append(bodies, slices.Clone(body)) }})
	if unsafe {
		require.ErrorIs(t, err, ErrOutputs)
	} else {
		require.NoError(t, err)
	}
	replay := b.Replay()
	for _, body := range bodies {
		r, err := record.Parse(body)
		require.NoError(t, err)
		list = append(list, r)
		next := b.Start()
		require.NoError(t, next.Restore(replay.Machine.Snapshot(nil)))
		replay.Machine = next
		require.NoError(t, replay.Record(r))
	}
	require.NoError(t, replay.End())
	report, err := evidence.Verify(dir)
	require.NoError(t, err)
	require.True(t, report.OK(), report.Verdict())
	again, err := evidence.Rebind(dir)
	require.NoError(t, err)
	replay = again.Replay()
	for _, r := range list {
		require.NoError(t, replay.Record(r))
	}
	require.NoError(t, replay.End())
	return list, res
}

func tell(c sequencer.Command, step string) func(r *Runner) {
	return func(r *Runner) {
		_ = r.Tell(Command{Command: c, Step: step, Operator: "op1", Role: "operator", Reason: "test"})
	}
}

// steps are the lines of what became of steps, actions and time-outs.
func steps(list []*record.Record) string {
	var out strings.Builder
	for _, r := range list {
		at := int64(r.Count(record.TsMonoNS))
		line := ""
		switch r.Kind {
		case record.KindStepState:
			line = fmt.Sprintf("%s %s %s", r.Text(record.StepID), r.Text(record.StepState), r.Text(record.PhaseState))
			if r.Has(record.Round) {
				line += fmt.Sprintf(", round %d", r.Int(record.Round))
			}
			if d := r.Text(record.Detail); d != "" {
				line += ": " + d
			}
		case record.KindActionState:
			if r.Text(record.ActionState) == "start" {
				line = fmt.Sprintf("%s waits: %s", r.Text(record.ActionID), r.Text(record.WaitReason))
				if r.Has(record.ResourceID) {
					line += fmt.Sprintf(" %v %v", r.Texts(record.ResourceID), r.Texts(record.OwnerStepID))
				}
			}
		case record.KindTimeout:
			line = fmt.Sprintf("%s out of time: %s", r.Text(record.StepID), r.Text(record.TimeoutReason))
		case record.KindOutputWrite:
			line = fmt.Sprintf("%s = %s", r.Text(record.LogicalTag), r.Text(record.Value))
		}
		if line != "" {
			fmt.Fprintf(&out, "%7.3f  %s\n", float64(at)/1e9, line)
		}
	}
	return out.String()
}

func TestARecipeWithOneOfEverythingRunsAndReplays(t *testing.T) {
	list, res := live(t, speak(t, "400 L"), Scheduled{6 * second, tell(sequencer.Hold, "")}, Scheduled{9 * second, tell(sequencer.Restart, "")},
		Scheduled{40 * second, tell(sequencer.Restart, "")})
	require.Equal(t, sequencer.Complete, res.State)
	var bound []string
	for _, r := range list {
		if r.Kind == record.KindObjectBound {
			bound = append(bound, r.Texts(record.EquipmentBound)...)
		}
	}
	require.Equal(t, []string{"reactor=R200: class REACTOR, priority 2; R100 has volume 300 L, less than 400 L"}, bound)
	golden.Check(t, "testdata/language/steps.golden", []byte(steps(list)))
}

func TestAPartnerThatIsStoppedHoldsTheBatchWithItsNameAndTheLine(t *testing.T) {
	list, res := live(t, speak(t, "200 L", "reactor.LT >= $full", "reactor.LT >= 5 L"),
		Scheduled{12 * second, tell(sequencer.Stop, "LEFT")}, Scheduled{20 * second, tell(sequencer.Abort, "")})
	require.Equal(t, sequencer.Aborted, res.State)
	require.Contains(t, steps(list), "RIGHT hold Holding: sync READY: LEFT was stopped or aborted")
}

// replaced is a file system whose recipe has texts replaced.
type replaced struct {
	fs.FS
	r *strings.Replacer
}

// Open opens a file.
func (f replaced) Open(name string) (fs.File, error) {
	data, err := fs.ReadFile(f.FS, name)
	if err != nil {
		return nil, err
	}
	return fstest.MapFS{name: {Data: []byte(f.r.Replace(string(data)))}}.Open(name)
}

// dying is tanks whose controller dies at a time of its life; the tanks go on.
type dying struct {
	*tanks
	offset, death int64
	watch         func(now int64) // nil: nobody is told the time of the tanks
}

func (d *dying) Next() int64 { return d.tanks.Next() - d.offset }

func (d *dying) Advance(now int64, emit func(tag.Raw)) {
	if now >= d.death {
		panic(errCut)
	}
	if d.watch != nil {
		d.watch(now + d.offset)
	}
	d.tanks.Advance(now+d.offset, emit)
}

// outlive runs a batch through several lives, each so long, until it ends.
func outlive(t *testing.T, b *batch.Batch, disk *memory, life int64) (res Result, lives int) {
	t.Helper()
	return outliveOn(t, b, disk, life, nil, nil)
}

// outliveOn is outlive with an arbiter, and with one who is told the time of the tanks.
func outliveOn(t *testing.T, b *batch.Batch, disk *memory, life int64, a Arbiter, watch func(now int64)) (res Result, lives int) {
	t.Helper()
	var schedule []Scheduled
	for at := 5 * second; at < 200*second; at += 5 * second {
		schedule = append(schedule, Scheduled{at, tell(sequencer.Restart, "")})
	}
	world := &tanks{}
	for ; ; lives++ {
		require.Less(t, lives, 40, "a life of %d ns", life)
		port := &dying{tanks: world, offset: world.now, death: life, watch: watch}
		life += life / 3 // else a delay would begin anew for ever
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					if p != any(errCut) {
						panic(p)
					}
					err = errCut
				}
			}()
			res, err = Run(context.Background(), b, Rig{Port: port, Dir: "memory", Clock: born{at: 1}, Arbiter: a},
				&Options{Virtual: &Virtual{Sync: true, UTC: virtualUTC + world.now}, Storage: disk, Schedule: schedule})
			return err
		}()
		if err == nil {
			return res, lives
		}
		require.ErrorIs(t, err, errCut, "a life of %d ns", life)
	}
}

func TestARecipeWithOneOfEverythingOutlivesCutsAtAnyTime(t *testing.T) {
	lives := 0
	for life := second / 2; life < 40*second; life += 1_370_000_000 {
		b := speak(t, "400 L")
		disk := newMemory()
		res, n := outlive(t, b, disk, life)
		lives += n
		require.Equal(t, sequencer.Complete, res.State, "a life of %d ns", life)
		replay := b.Replay()
		_, err := journal.Scan("memory/journal", func(_ uint64, body []byte, _ journal.Chain) error {
			r, err := record.Parse(body)
			require.NoError(t, err)
			return replay.Record(r)
		}, &journal.Options{Storage: disk})
		require.NoError(t, err, "a life of %d ns", life)
		require.NoError(t, replay.End())
	}
	t.Logf("%d lives were cut short", lives)
	require.Greater(t, lives, 50)
}
