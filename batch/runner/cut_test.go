// Batches that are cut short and come up again, in virtual time: the process dies, or the power with it.

package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// errCut is what a port panics with when the process dies.
var errCut = errors.New("cut")

// mortal is a plant whose controller dies at a time of its own; the plant's time goes on over all of its lives.
type mortal struct {
	*trace
	offset int64 // what this life's clock lacks to the plant's time
	birth  int64 // of this life, on its own clock
	death  int64
	now    int64
	period int64 // of checkpoints
	from   int   // lives that came up from one
	orders []Scheduled
}

// born is a clock of which only the time counts at which a life begins.
type born struct {
	timebase.Clock
	at int64
}

func (b born) Now() int64 { return b.at }

func (m *mortal) Next() int64 { return max(m.trace.Next()-m.offset, m.now) }

func (m *mortal) Advance(now int64, emit func(tag.Raw)) {
	if m.now = now; now >= m.death {
		panic(errCut)
	}
	m.trace.Advance(now+m.offset, func(raw tag.Raw) {
		if raw.At != 0 {
			raw.At -= m.offset
		}
		emit(raw)
	})
}

func (m *mortal) Apply(now int64, w tag.Write) (int64, error) {
	w.Deadline += m.offset
	done, err := m.trace.Apply(now+m.offset, w)
	return done - m.offset, err
}

// live runs a batch until it ends or its controller dies.
func (m *mortal) live(t testing.TB, b *batch.Batch, disk *memory, rng *rand.Rand) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != any(errCut) {
				panic(p)
			}
			err = errCut
		}
	}()
	m.trace.reload(disk)
	m.birth = max(m.birth, 1)
	m.now = m.birth
	virtual := &Virtual{Sync: true, UTC: virtualUTC + m.offset, Durable: func(_ int64, seq uint64) { m.durable = seq },
		Commit: func(now int64) int64 { return now + 1_000_000 + rng.Int64N(50_000_000) }}
	var schedule []Scheduled
	for at := 5 * second; at < 400*second; at += 5 * second {
		schedule = append(schedule, Scheduled{At: at, Do: func(r *Runner) {
			_ = r.Tell(Command{Command: sequencer.Restart, Operator: "op1", Reason: "campaign"})
		}})
	}
	schedule = append(schedule, m.orders...)
	slices.SortStableFunc(schedule, func(a, b Scheduled) int { return cmp.Compare(a.At, b.At) })
	m.alike(t, b, disk)
	m.result, err = Run(context.Background(), b, Rig{Port: m, Dir: "memory", Clock: born{at: m.birth}}, &Options{Virtual: virtual, Storage: disk,
		CheckpointPeriod: m.period, Record: m.record, Schedule: schedule, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }})
	return err
}

// alike holds what a checkpoint and the records after it lead to against what all records lead to.
func (m *mortal) alike(t testing.TB, b *batch.Batch, disk *memory) {
	rec, err := journal.Scan("memory/journal", nil, &journal.Options{Storage: disk})
	require.NoError(t, err)
	if m.period == 0 || rec.Head.N == 0 {
		return
	}
	r, err := New(b, Rig{Port: m, Dir: "memory"}, &Options{Virtual: &Virtual{}, Storage: disk, CheckpointPeriod: m.period})
	require.NoError(t, err)
	require.NoError(t, r.openSlots("memory/journal", nil))
	require.Empty(t, r.wrong)
	short, err := r.recover("memory/journal", rec)
	require.NoError(t, err)
	full, err := r.follow("memory/journal", rec, nil)
	require.NoError(t, err)
	require.Equal(t, full.replay.Machine.Snapshot(nil), short.replay.Machine.Snapshot(nil), "seed %d", m.seed)
	require.True(t, slices.EqualFunc(full.replay.Lacking(), short.replay.Lacking(), bytes.Equal), "seed %d", m.seed)
	require.Equal(t, [3]any{full.head, full.utc, full.tail}, [3]any{short.head, short.utc, short.tail})
	require.Equal(t, len(full.kept), len(short.kept))
	if strings.Contains(short.words, "follows from checkpoint") {
		m.from++
		require.Less(t, short.replay.Inputs, full.replay.Inputs)
	}
}

// inFlight is the longest time in ns for which this campaign's disk holds up a commit and its port is silent.
const inFlight = 51_000_000 + 250_000_000

// within tells that the life that was cut short has lost no more than the loss window that it declares.
func (m *mortal) within(seed uint64, epoch int) {
	last := m.birth
	if m.durable > 0 {
		rec, err := record.Parse(m.bodies[m.durable-1])
		require.NoError(m.t, err)
		if rec.Int(record.Epoch) == int64(epoch) {
			last = int64(rec.Count(record.TsMonoNS))
		}
	}
	require.LessOrEqual(m.t, m.now-last, int64(batch.BlockAge+inFlight), "seed %d, life %d: ns of inputs that were lost", seed, epoch)
}

// reload forgets what was recorded and did not reach the disk.
func (tr *trace) reload(disk *memory) {
	tr.bodies, tr.next = nil, 1
	_, err := journal.Scan("memory/journal", func(seq uint64, body []byte, _ journal.Chain) error {
		tr.bodies = append(tr.bodies, append([]byte(nil), body...))
		tr.next, tr.durable = seq+1, seq
		return nil
	}, &journal.Options{Storage: disk})
	require.NoError(tr.t, err)
}

// cut runs one seed through up to four lives.
func cut(t testing.TB, plan *batch.Plan, seed uint64, period int64) (tr *trace, boots, from int) {
	tr = newTrace(t, seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	b, err := plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: seed})
	require.NoError(t, err)
	disk := newMemory()
	m := &mortal{trace: tr, period: period}
	for cuts := 1 + rng.IntN(3); ; cuts-- {
		m.death = 1<<62 - 1
		if cuts > 0 {
			m.death = m.birth + 1 + rng.Int64N(40*second)
		}
		if err = m.live(t, b, disk, rng); !errors.Is(err, errCut) {
			break
		}
		m.within(seed, boots+1)
		// The plant goes on without its controller: with the outputs as they were, or with none.
		dead := m.offset + m.now
		if rng.IntN(2) == 0 {
			tr.plant.PowerCut(dead)
		}
		pause := 1 + rng.Int64N(5*second)
		if rng.IntN(2) == 0 {
			pause = 1 + rng.Int64N(second/5) // a deadline of the life before is not late when this one begins
		}
		if m.birth = 1; rng.IntN(2) == 0 {
			m.birth = m.now + pause // only the process died, and its clock has gone on
		} else {
			m.offset = dead + pause
		}
		tr.plant.Advance(dead+pause, func(tag.Raw) {})
		tr.plant.Boot(dead + pause + 1)
		boots++
	}
	require.NoError(t, err, "seed %d", seed)
	require.Equal(t, sequencer.Complete, tr.result.State, "seed %d", seed)
	for o := 1; o <= 8; o++ {
		require.Zero(t, tr.plant.Output(fmt.Sprintf("do/%d", o)), "seed %d: output do/%d", seed, o)
	}
	require.Len(t, tr.totals, 2, "seed %d", seed)
	require.Len(t, tr.result.Windows, 2, "seed %d: windows that were closed before a cut are in the result too", seed)
	tr.reload(disk)
	replayed(t, b, tr)
	seen := 0
	for _, body := range tr.bodies {
		r, err := record.Parse(body)
		require.NoError(t, err)
		if r.Kind == record.KindBoot || r.Kind == record.KindRecovery {
			require.Equal(t, seen > 0, r.Kind == record.KindRecovery, "seed %d", seed)
			seen++
		}
	}
	require.LessOrEqual(t, seen, boots+1, "seed %d", seed)
	return tr, boots, m.from
}

func TestABatchThatIsCutShortComesToItsEnd(t *testing.T) {
	rules := map[string]*batch.Plan{"hold": demoPlan(t, "recovery: resume", "recovery: hold"),
		"resume": demoPlan(t, "recovery: hold", "recovery: resume"), "demo": demoPlan(t)}
	runs := uint64(60)
	if os.Getenv("BATCHKIT_LONG") != "" {
		runs = 1000
	}
	for _, rule := range [...]string{"hold", "resume", "demo"} {
		cuts, records := 0, 0
		for seed := uint64(1); seed <= runs; seed++ {
			tr, boots, _ := cut(t, rules[rule], seed, 0)
			cuts += boots
			records += len(tr.bodies)
		}
		t.Logf("rule %s: %d batches, %d cuts, %d records replayed", rule, runs, cuts, records)
	}
}
