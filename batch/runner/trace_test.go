// What went before a fault is on record, or with the caller; and to keep it costs next to nothing.

package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// entryForm is one entry of a trace.
var entryForm = regexp.MustCompile(`^-?\d+\.\d{3} (take|tick|record|hold|out|durable|samples wait|samples taken|begin|end)( [a-z_]+)?` +
	`( seq=\d+)?( (tag|id)=\d+)?( more=\d+)?( (waited|late|took)=-?\d+\.\d{3})*( inputs=\d+)?( bad)?$`)

// entries gives the entries of the only trace of a run that have a text in them.
func entries(t *testing.T, lines []string, with string) (list []string) {
	t.Helper()
	for _, l := range lines {
		require.Regexp(t, entryForm, l)
		if strings.Contains(l, with) {
			list = append(list, l)
		}
	}
	return list
}

func TestWhatWentBeforeAnOutputFaultIsOnRecordOnceForAllThatFollowsIt(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.hang["do/1"] = span{1, 7 * second}
		s.tell(9*second, sequencer.Restart)
		res := s.complete()
		require.Nil(t, res.Trace, "it is on record")
		dumps, faults := s.of(record.KindTraceDump), s.of(record.KindOutputFault)
		require.Len(t, dumps, 2, "the first at once, and what was merged at the end")
		d, merged := dumps[0], dumps[1]
		require.Equal(t, faults[0].Seq()+1, s.after(d).Seq(), "it stands where the fault is")
		require.Equal(t, "an output is not known to be what it should be", d.Text(record.Detail))
		require.EqualValues(t, len(faults)-2, merged.Count(record.Coalesced))
		require.Equal(t, s.list[len(s.list)-1], merged, "behind the end")

		lines := d.Texts(record.Trace)
		id := faults[0].Int(record.WriteID)
		held := entries(t, lines, fmt.Sprintf(" hold write seq=%d id=%d", s.announces(uint32(id)), id))
		require.Len(t, held, 1)
		require.Len(t, entries(t, lines, fmt.Sprintf(" out write seq=%d id=%d", s.announces(uint32(id)), id)), 1)
		answer := entries(t, lines, fmt.Sprintf(" id=%d waited=0.000 took=2001.000", id))
		require.Len(t, answer, 1, "the write took 2 s: %v", lines)
		require.True(t, strings.HasSuffix(answer[0], " bad"))
		require.NotEmpty(t, entries(t, lines, " durable seq="))
		require.NotEmpty(t, entries(t, lines, " take sample"))
		require.NotEmpty(t, entries(t, lines, " tick seq="))
		t.Logf("%d entries, %d bytes, %d before them are gone:\n%s", len(lines), len(d.Body), d.Count(record.Overwritten),
			strings.Join(lines[max(len(lines)-30, 0):], "\n"))
	})
}

// after is the first record before a trace that is no note.
func (s *site) after(d *record.Record) *record.Record {
	i := slices.Index(s.list, d) - 1
	for s.list[i].Kind.Spec().Grade == record.Decision {
		i--
		if s.list[i+1].Kind == record.KindOutputFault {
			return s.list[i+2]
		}
	}
	return s.list[i]
}

// announces is the number of the record that announces a write.
func (s *site) announces(id uint32) uint64 { return s.wrote[id].seq }

func TestATraceThatTheJournalDoesNotTakeIsGivenToTheCaller(t *testing.T) {
	inBubble(t, func(s *site) {
		s.at(5*second, func(*Runner) { s.disk.sick, s.disk.bad = s.clock.Now(), errors.New("medium error") })
		res, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		require.Greater(t, len(res.Trace), 100)
		require.Contains(t, res.Trace[0], "medium error")
		require.NotEmpty(t, entries(t, res.Trace[1:], " durable seq="))
		require.Empty(t, s.of(record.KindTraceDump))
	})
}

func TestAPortThatIsLostAndAnEngineOrACallbackThatBreaksLeaveTheirTrace(t *testing.T) {
	for name, one := range map[string]struct {
		set  func(s *site)
		want string
	}{
		"port": {func(s *site) {
			s.wires.lost = span{4 * second, 8 * second}
			s.tell(12*second, sequencer.Restart)
		}, "the port was lost: the cable is out"},
		"engine":   {func(s *site) { s.at(5*second, func(r *Runner) { broken(r, "XV101") }) }, "runner: engine fault: "},
		"callback": {func(s *site) { s.at(5*second, func(*Runner) { panic("a bug of theirs") }) }, "Scheduled.Do: panic: a bug of theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				dir := s.onDisk()
				one.set(s)
				res, _ := s.run()
				require.Nil(t, res.Trace)
				var dumps []*record.Record // of a callback that has panicked no more is seen
				_, err := journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
					rec, err := record.Parse(body)
					if err == nil && rec.Kind == record.KindTraceDump {
						dumps = append(dumps, rec)
					}
					return err
				}, nil)
				require.NoError(t, err)
				require.NotEmpty(t, dumps)
				require.True(t, strings.HasPrefix(dumps[0].Text(record.Detail), one.want), dumps[0].Text(record.Detail))
				if name != "engine" { // which no input broke, so that it does not break again
					s.verified(dir)
				}
			})
		})
	}
}

func TestABatchThatIsWellLeavesNoTraceAndOneThatAPersonAbortsNeither(t *testing.T) {
	for _, abort := range []bool{false, true} {
		inBubble(t, func(s *site) {
			if abort {
				s.tell(5*second, sequencer.Abort)
			}
			res, err := s.run()
			require.NoError(t, err)
			require.Nil(t, res.Trace)
			require.Empty(t, s.of(record.KindTraceDump))
		})
	}
}

func TestADiskThatBecomesFullAbortsTheBatchAndTheTraceSaysWhatWasDone(t *testing.T) {
	inBubble(t, func(s *site) {
		s.at(5*second, func(r *Runner) {
			require.NoError(t, r.Tell(Command{Command: sequencer.Abort, Operator: controller, Role: "system", Reason: "no room"}))
		})
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.Equal(t, "the batch is aborted: no room", s.of(record.KindTraceDump)[0].Text(record.Detail))
	})
}

func TestATraceHasNoMoreEntriesThanItKeepsAndFitsARecordWhateverIsInIt(t *testing.T) {
	b := demoBatch(t, 1)
	for _, n := range []int{0, 1, traceSize, traceSize + 1, 10 * traceSize} {
		var small, wide ring
		for i := range n {
			small.add(entry{at: int64(i), took: -1, what: ticked})
			wide.add(entry{at: 1 << 62, took: 1 << 62, done: 1 << 61, seq: 1 << 63, id: 1 << 31, depth: 1 << 30, event: batch.Done, bad: true})
		}
		small.blame("a")
		small.blame("b")
		require.Len(t, small.out.lines, min(n, traceSize))
		require.EqualValues(t, max(n-traceSize, 0), small.out.over)
		require.EqualValues(t, 1, small.out.merged)
		wide.blame(strings.Repeat("\u2028", 1000))
		require.EqualValues(t, n, int(wide.out.over)+len(wide.out.lines), "nothing is lost silently")
		m := b.Start()
		for _, d := range []*dump{small.out, wide.out} {
			body, err := m.AppendNote(nil, 1, record.KindTraceDump, d.fill)
			require.NoError(t, err)
			require.Less(t, len(body), 32<<10)
		}
	}
	var none *ring
	none.add(entry{})
	none.blame("nobody keeps it")
	require.Nil(t, none.left(0))
}

func TestTheMediumIsOnRecordBehindTheEndOfABatchWithWhatIsProjectedOfItsLife(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-0001")
	told := hal.NewStorageHealth("mmcblk0 cid 15")
	told.Judge(hal.HealthWatch, "it was")
	rig := Rig{Port: sim.NewPlant(7), Dir: dir, Medium: &told,
		Endurance: &hal.Endurance{Capacity: 8 << 30, Usable: 90, Cycles: 3000, Page: 16384, Amplification: 300},
		Health: func() hal.StorageHealth {
			h := hal.NewStorageHealth("mmcblk0 cid 15")
			h.Judge(hal.HealthGood, "so it says")
			return h
		}}
	opt := &Options{Virtual: &Virtual{}, Ask: func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }}
	res, err := Run(context.Background(), demoBatch(t, 7), rig, opt)
	require.NoError(t, err)
	require.Equal(t, hal.HealthWatch, res.Medium.State, "it does not get better from one batch to the next")
	var notes []*record.Record
	end := uint64(0)
	_, err = journal.Scan(filepath.Join(dir, "journal"), func(seq uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		switch rec.Kind {
		case record.KindStorageHealth:
			notes = append(notes, rec)
		case record.KindBatchEnd:
			end = seq
		}
		return nil
	}, nil)
	require.NoError(t, err)
	require.Len(t, notes, 2)
	require.Equal(t, end+1, notes[1].Seq())
	require.False(t, notes[0].Has(record.ProjectedLifeDays), "a start is like no day")
	require.Positive(t, notes[1].Count(record.ProjectedLifeDays))
	require.Contains(t, strings.Join(notes[1].Texts(record.BudgetAssumptions), "; "), "in which the journal was written, without pause")
	for _, n := range notes {
		require.Equal(t, "WATCH", n.Text(record.StorageHealthState))
	}
	s := &site{t: t}
	s.verified(dir)
	t.Logf("%d days: %v", notes[1].Count(record.ProjectedLifeDays), notes[1].Texts(record.BudgetAssumptions))

	rig.Endurance = &hal.Endurance{}
	_, err = New(demoBatch(t, 7), rig, opt)
	require.ErrorContains(t, err, "Rig.Endurance: hal: endurance: capacity")
}

func TestOfTwoRecordsAboutAMediumTheGraverCountsUnlessOneSaysThatItWasReplaced(t *testing.T) {
	stands := func(name string, h hal.Health, replaces string) *hal.StorageHealth {
		s := hal.NewStorageHealth(name)
		s.Judge(h, "test")
		s.Replaces = replaces
		return &s
	}
	require.Nil(t, before(nil, nil))
	a, b := stands("a", hal.HealthWatch, ""), stands("a", hal.HealthReplace, "")
	require.Equal(t, a, before(a, nil))
	require.Equal(t, b, before(nil, b))
	require.Equal(t, hal.HealthReplace, before(a, b).State, "the batch's own journal is the newer one")
	require.Equal(t, hal.HealthReplace, before(b, a).State)
	fresh := stands("c", hal.HealthUnknown, "a")
	require.Equal(t, fresh, before(fresh, b), "the batch was cut short on the old one")
	own := stands("c", hal.HealthFailed, "")
	require.Equal(t, hal.HealthFailed, before(fresh, own).State, "and this one was cut short on the new one")
}

func TestWhatABatchSaidOfItsMediumBeforeItWasCutShortStillHolds(t *testing.T) {
	b, disk := demoBatch(t, 7), newMemory()
	states := []hal.Health{hal.HealthReplace, hal.HealthGood, hal.HealthGood}
	health := func() hal.StorageHealth {
		h := hal.NewStorageHealth("m")
		h.Judge(states[0], "test")
		states = states[1:]
		return h
	}
	m := &mortal{trace: newTrace(t, 7), birth: 1, death: 30 * second}
	answer := func(r *Runner, p Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }
	virtual := &Virtual{Sync: true, Durable: func(_ int64, seq uint64) { m.durable = seq }}
	func() {
		defer func() { require.Equal(t, any(errCut), recover()) }()
		_, _ = Run(context.Background(), b, Rig{Port: m, Dir: "memory", Clock: born{at: 1}, Health: health},
			&Options{Virtual: virtual, Storage: disk, Record: m.record, Ask: answer})
	}()
	res, err := Run(context.Background(), b, Rig{Port: sim.NewPlant(7), Dir: "memory", Health: health},
		&Options{Virtual: &Virtual{}, Storage: disk, Ask: answer, Schedule: []Scheduled{{10 * second, func(r *Runner) {
			_ = r.Tell(Command{Command: sequencer.Abort, Operator: "op1", Reason: "test"})
		}}}})
	require.NoError(t, err)
	require.Equal(t, hal.HealthReplace, res.Medium.State)
}

// idleLoop is the loop of a batch that waits in Idle for its start, on a journal in memory.
func idleLoop(b testing.TB) *loop {
	r, err := New(demoBatch(b, 1), Rig{Port: sim.NewPlant(1), Dir: "memory"}, &Options{Virtual: &Virtual{}, Storage: newMemory(), Manual: true})
	require.NoError(b, err)
	w, err := r.open()
	require.NoError(b, err)
	r.loop = newLoop(r, w)
	r.loop.out = func(*batch.Effect) {}
	now := int64(1)
	r.loop.begin(1, seeded{virtualUTC, &now}, nil)
	return r.loop
}

// benchTurn takes one sample as a turn in real time does.
func (l *loop) benchTurn(now int64, seq uint64) {
	l.gauge.now = now
	l.losses(l.r.in.lossOf())
	_ = l.trace(now)
	l.pass(seq)
	l.waiting(now, false)
	ev := batch.Event{Kind: batch.Sample, Tag: 1, Bits: uint64(now)}
	l.sample(now, now-1000, &ev)
	if l.aged(now) == timebase.Never {
		_ = l.w.Commit()
	}
}

func TestToKeepATraceAllocatesNothing(t *testing.T) {
	l := idleLoop(t)
	now := int64(second)
	with := testing.AllocsPerRun(5000, func() { now += 1_000_000; l.benchTurn(now, l.next-1) })
	l.ring = nil
	without := testing.AllocsPerRun(5000, func() { now += 1_000_000; l.benchTurn(now, l.next-1) })
	require.InDelta(t, without, with, 0.5)
	var r ring
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r.event(now, &batch.Event{Kind: batch.Sample}, 5)
		r.durable(now, r.n+1, 7)
	}))
}

// BenchmarkTheLoop takes a sample a turn, and prints how much longer that takes with a trace than without one: in turns of 200, so
// that what else the machine does is the same for both.
func BenchmarkTheLoop(b *testing.B) {
	const turns = 200
	loops := [2]*loop{idleLoop(b), idleLoop(b)}
	loops[1].ring = nil
	var took [2][]time.Duration
	now := int64(second)
	b.ReportAllocs()
	for b.Loop() {
		for i, l := range loops {
			begun, at := time.Now(), now
			for range turns {
				at += 1_000_000
				l.benchTurn(at, l.next-1)
			}
			took[i] = append(took[i], time.Since(begun))
		}
		now += turns * 1_000_000
	}
	for i := range took {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2])/turns, [...]string{"ns/turn", "ns/turn-without"}[i])
	}
	b.ReportMetric(float64(took[0][len(took[0])/2])/float64(took[1][len(took[1])/2]), "ratio")
}

// BenchmarkAnEntryOfATrace adds an entry that is merged with none.
func BenchmarkAnEntryOfATrace(b *testing.B) {
	var t ring
	b.ReportAllocs()
	for b.Loop() {
		t.event(1, &batch.Event{Kind: batch.Done, ID: 7}, 5)
	}
}
