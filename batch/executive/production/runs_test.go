// Claims about unit runs that follow signals, batches and people, and what is captured of them.

package production

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// checked holds the ledger against a fold of it.
func (r *runRig) checked() {
	r.t.Helper()
	c, err := Check(r.dir, "", &journal.Options{Storage: r.storage})
	require.NoError(r.t, err)
	require.Empty(r.t, c.Differs)
	require.True(r.t, c.OK())
	keptAnywhere(r.t, filepath.Join(r.dir, "production"), "", &journal.Options{Storage: r.storage})
}

func TestPulsesAtPortsAreEdgesAndDriveARun(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		for _, channel := range []string{"R101/di/3", "R101/di/4", "R101/di/5"} {
			r.value(channel, "0")
		}
		pulse := func(channel string) { r.value(channel, "1"); r.value(channel, "0") }
		pulse("R101/di/3")
		r.value("R101/di/4", "1")
		r.value("R101/di/4", "0")
		r.value("R101/di/4", "1")
		pulse("R101/di/5")
		pulse("R101/di/5")
		require.Equal(t, []string{"R-000001 Created M-0001", "R-000001 Active M-0001", "R-000001 Paused M-0001", "R-000001 Active M-0001", "R-000001 Ready M-0001"}, r.states())
		require.Len(t, r.notices("refused"), 1, "what is not possible is on record")
		require.Contains(t, r.notices("refused")[0], "R101/di/5 : it is Idle")
		require.Len(t, r.notices("sampled"), 3, "the first level of each port is no edge")
		r.checked()
	})
}

func TestTheIdentifierOfASignalIsReadWhenItIsNeeded(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.value("R101/di/2", "0")
		before := len(r.records(record.KindProductionInput))
		for i := range 50 {
			r.value("R101/ctr/1", strconv.Itoa(i))
		}
		require.Len(t, r.records(record.KindProductionInput), before, "a counter that counts is no signal")
		r.value("R101/di/2", "1")
		require.Equal(t, []string{"R-000001 Created 49", "R-000001 Active 49"}, r.states())
		v, err := r.e.UnitRuns().Run("R-000001")
		require.NoError(t, err)
		require.True(t, v.Test)
		require.NotEmpty(t, v.Started)
	})
}

func TestALevelThatIsHighAtARestartIsNoEdge(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.value("R101/ctr/1", "7")
		r.value("R101/di/2", "1")
		require.Empty(t, r.states())
		require.Contains(t, r.notices("sampled"), "R101/di/2 high: first level since the start")
		r.end()
		r.start()
		require.Empty(t, r.states())
		high := 0
		for _, n := range r.notices("sampled") {
			if strings.HasPrefix(n, "R101/di/2 high: first level since the start") {
				high++
			}
		}
		require.Equal(t, 2, high, "the level is on record at each start")
		r.value("R101/di/2", "0")
		r.value("R101/di/2", "1")
		require.Equal(t, []string{"R-000001 Created 7", "R-000001 Active 7"}, r.states())
		r.checked()
	})
}

func TestWhatIsNotGoodIsNoEdgeAndALostStreamIsTold(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.value("R102/di/3", "0")
		r.quality("R102/di/3", "1", "BAD")
		r.value("R102/di/3", "1")
		require.Empty(t, r.states())
		require.Contains(t, r.notices("sampled"), "R102/di/3 bad: its quality is not GOOD: what it has is not known, and the level that follows is no edge")
		r.value("R102/di/3", "0")
		r.board.lose("the wire is gone")
		time.Sleep(time.Minute)
		reason := ""
		for _, rec := range r.records(record.KindProductionInput) {
			if strings.Contains(rec.Text(record.ChangeReason), "not heard") {
				reason = rec.Text(record.ChangeReason)
			}
		}
		require.Equal(t, "the board is not heard: the wire is gone", reason)
		r.value("R102/di/3", "1")
		require.Len(t, r.states(), 1, "the stream has come back with a low level, and that rose")
		r.value("R102/di/3", "0")
		r.board.lose("the wire is gone")
		r.value("R102/di/3", "1")
		time.Sleep(time.Minute)
		require.Len(t, r.states(), 1, "what rose while nobody heard is no edge")
		r.checked()
	})
}

func TestRunsFollowTheBatchesThatHaveAUnit(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.batch("B-1", api.Active, "Running")
		require.Empty(t, r.states())
		r.batch("B-1", api.Active, "Running", "R101")
		r.batch("B-1", api.Active, "Running", "R101", "S901")
		require.Equal(t, []string{"R-000001 Created B-1", "R-000001 Active B-1"}, r.states())
		run, unit := r.runOf("B-1")
		require.Equal(t, []string{"R-000001", "R101"}, []string{run, unit})
		r.batch("B-1", api.Active, "Running")
		r.batch("B-2", api.Active, "Running", "R101", "R102")
		r.batch("B-2", api.Active, "Aborting", "R101", "R102")
		r.batch("B-2", api.Ended, "Aborted")
		require.Equal(t, []string{"R-000001 Ready B-1", "R-000002 Created B-2", "R-000002 Active B-2", "R-000003 Created B-2", "R-000003 Active B-2",
			"R-000002 Canceled for restart B-2", "R-000003 Canceled for restart B-2"}, r.states()[2:])
		r.batch("B-3", api.Active, "Running", "R101")
		r.batch("B-4", api.Active, "Running", "R101")
		require.Equal(t, "Ready", r.state("R-000004"), "a unit that another batch has was given back")
		require.Equal(t, "Active", r.state("R-000005"))
		run, _ = r.runOf("B-3")
		require.Equal(t, "R-000004", run, "an article that is late has its run still")
		r.checked()
	})
}

// runOf is the run of a process.
func (r *runRig) runOf(process string) (run, unit string) {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	return r.e.fold.runOf(process)
}

func TestARunOfABatchThatWentWhileNobodyWasThereEndsAtTheStart(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.batch("B-1", api.Active, "Running", "R101")
		r.batch("B-2", api.Active, "Running", "R102")
		r.end()
		r.batch("B-1", api.Ended, "Complete")
		r.batch("B-3", api.Active, "Running", "R101")
		r.start()
		require.Equal(t, "Ready", r.state("R-000001"))
		require.Equal(t, "Active", r.state("R-000002"), "it goes on, and is not begun anew")
		require.Equal(t, "Active", r.state("R-000003"))
		v, err := r.e.UnitRuns().Run("R-000003")
		require.NoError(t, err)
		require.Equal(t, "B-3", v.Process)
		require.Len(t, r.e.UnitRuns().List(RunFilter{}), 3)
		r.checked()
	})
}

func TestAUnitWithARunOfAPersonHasNoneThatFollows(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		id, err := r.e.UnitRuns().Create(&api.RunCreate{Unit: "R101", Definition: "Production", Ident: "by hand", Start: true})
		require.NoError(t, err)
		r.batch("B-1", api.Active, "Running", "R101")
		time.Sleep(time.Minute)
		require.Len(t, r.notices("refused"), 1, "it is on record once")
		r.batch("B-1", api.Ended, "Complete")
		require.Equal(t, "Active", r.state(id), "it is his")
		r.batch("B-2", api.Active, "Running", "R101")
		require.NoError(t, r.tell(id, "ready"))
		time.Sleep(time.Minute)
		require.Equal(t, "Active", r.state("R-000002"), "it follows as soon as it may")
		require.NoError(t, r.tell(id, "finish"))
		require.ErrorContains(t, r.tell(id, "finish"), "Finished")
	})
}

func TestARunOfAPersonIsHisAlsoWhereItNamesABatch(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		create := func(unit, process string) string {
			id, err := r.e.UnitRuns().Create(&api.RunCreate{Unit: unit, Definition: "Production", Ident: "by hand", Process: process})
			require.NoError(t, err)
			return id
		}
		first, second := create("R101", "B-1"), create("R102", "B-2")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"Created", "Created"}, []string{r.state(first), r.state(second)}, "nobody else ends or begins them")
		r.batch("B-1", api.Active, "Running", "R101")
		r.batch("B-2", api.Active, "Running", "R102")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"Created", "Created"}, []string{r.state(first), r.state(second)}, "nor where the batch has the unit")
		require.NoError(t, r.tell(first, "start"))
		r.end()
		r.batch("B-1", api.Ended, "Aborted")
		r.start()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"Active", "Created"}, []string{r.state(first), r.state(second)}, "nor after a start")
		r.batch("B-2", api.Ended, "Complete")
		require.Equal(t, []string{"Active", "Created"}, []string{r.state(first), r.state(second)}, "nor where the batch gives it back")
		require.NoError(t, r.tell(first, "ready"))
		r.batch("B-3", api.Active, "Running", "R101")
		require.Equal(t, "Active", r.state("R-000003"), "a unit that he has left has a run that follows")
		r.batch("B-3", api.Ended, "Complete")
		require.Equal(t, "Ready", r.state("R-000003"))
		r.checked()
	})
}

// rows are the values on record of a run.
func (r *runRig) rows(run string) (list []string) {
	for _, rec := range r.records(record.KindUnitRunData) {
		if rec.Text(record.RunID) == run {
			list = append(list, rec.Texts(record.RunData)...)
		}
	}
	return list
}

func TestValuesAreCapturedInTheWindowsInWhichARunIsActive(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.value("R101/ai/5", "12345")
		r.value("R101/ai/1", "1.0005")
		r.batch("B-1", api.Active, "Running", "R101")
		time.Sleep(10*time.Second + time.Second/2)
		require.NoError(t, r.tell("R-000001", "pause"))
		time.Sleep(time.Minute)
		require.NoError(t, r.tell("R-000001", "resume"))
		r.value("R101/ai/5", "20000")
		time.Sleep(5*time.Second + time.Second/2)
		r.batch("B-1", api.Ended, "Complete")
		time.Sleep(time.Minute)
		rows := r.rows("R-000001")
		require.Len(t, rows, 3*(11+6))
		_, first, _ := strings.Cut(rows[0], " ")
		require.Equal(t, "WT301 123.45 GOOD", first)
		_, second, _ := strings.Cut(rows[1], " ")
		require.Equal(t, "FT101 1.000 GOOD", second, "half to even")
		_, third, _ := strings.Cut(rows[2], " ")
		require.Equal(t, "WT901 - BAD", third, "nobody ever heard of it")
		r.windows("R-000001")
		r.checked()
	})
}

// windows holds the values of a run against its states: each is taken while the run is Active, a period behind the one before,
// and stands on record before the run is Paused or over.
func (r *runRig) windows(run string) {
	active, from, last := false, int64(0), map[string]int64{}
	for _, rec := range r.records(record.KindUnitRun, record.KindUnitRunData) {
		if rec.Text(record.RunID) != run {
			continue
		}
		if rec.Kind == record.KindUnitRun {
			active, from = rec.Text(record.RunState) == "Active", rec.Time(record.TsUTC)
			clear(last)
			continue
		}
		require.True(r.t, active, "values while it is not Active")
		for _, row := range rec.Texts(record.RunData) {
			f := strings.Fields(row)
			require.Len(r.t, f, 4)
			at, err := strconv.ParseInt(f[0], 10, 64)
			require.NoError(r.t, err)
			require.GreaterOrEqual(r.t, at, from)
			require.LessOrEqual(r.t, at, rec.Time(record.TsUTC))
			if was, some := last[f[1]]; some {
				require.Equal(r.t, int64(time.Second), at-was)
			}
			last[f[1]] = at
		}
	}
}

func TestWhatIsCapturedGoesOnAfterACutAndTheGapIsTold(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.value("R101/ai/5", "1")
		r.batch("B-1", api.Active, "Running", "R101")
		time.Sleep(32*time.Second + time.Second/2)
		before := len(r.rows("R-000001"))
		r.cut()
		require.Equal(t, "Active", r.state("R-000001"))
		time.Sleep(10 * time.Second)
		r.batch("B-1", api.Ended, "Complete")
		require.Greater(t, len(r.rows("R-000001")), before)
		var gaps []string
		for _, rec := range r.records(record.KindUnitRunData) {
			if rec.Has(record.Detail) {
				gaps = append(gaps, rec.Text(record.Detail))
			}
		}
		require.Len(t, gaps, 1)
		require.Regexp(t, `^nothing was captured from 2026-12-25T\S+Z to here: production was not there$`, strings.Split(gaps[0], ";")[0])
		seen := map[string]bool{}
		for _, row := range r.rows("R-000001") {
			f := strings.Fields(row)
			require.False(t, seen[f[0]+f[1]], "no value is on record twice")
			seen[f[0]+f[1]] = true
		}
		require.Len(t, r.states(), 3, "the run is the same")
		r.checked()
	})
}

func TestWhileTheBoardIsNotHeardValuesAreStale(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.value("R101/ai/5", "100")
		r.batch("B-1", api.Active, "Running", "R101")
		time.Sleep(3*time.Second + time.Second/2)
		r.board.mu.Lock()
		order := r.board.order
		r.board.order = nil // the I/O process comes back without a value
		r.board.mu.Unlock()
		r.board.lose("the I/O process has ended")
		time.Sleep(5 * time.Second)
		r.board.mu.Lock()
		r.board.order = order
		r.board.mu.Unlock()
		r.value("R101/ai/5", "101")
		time.Sleep(3 * time.Second)
		r.batch("B-1", api.Ended, "Complete")
		count := map[string]int{}
		for _, row := range r.rows("R-000001") {
			if f := strings.Fields(row); f[1] == "WT301" {
				count[f[2]+" "+f[3]]++
			}
		}
		require.Positive(t, count["1.00 GOOD"])
		require.Equal(t, 5, count["1.00 STALE"])
		require.Positive(t, count["1.01 GOOD"])
	})
}

func TestAnEngineWithOneGoroutineTurnsItsRunsByHand(t *testing.T) {
	e, clock := thousand(t, 3)
	k := e.floor.keeper
	f := math.Float32bits(1.5)
	for _, raw := range []tag.Raw{{Channel: "U0000/ai/5", Form: tag.Bool, Bits: 3, Quality: tag.Good}, {Channel: "U0001/ai/5", Form: tag.Float32, Bits: uint64(f), Quality: tag.Good},
		{Channel: "U0002/ai/5", Form: tag.Float64, Bits: math.Float64bits(math.Inf(1)), Quality: tag.Good}} {
		require.NoError(t, k.heardRaw(&raw))
	}
	next, err := e.turnRuns()
	require.NoError(t, err)
	require.Equal(t, 1+sec, next)
	for range 5 {
		clock.now.Store(next)
		next, err = e.turnRuns()
		require.NoError(t, err)
	}
	e.floor.holders.hear(&api.Batch{ID: "B-U0001", Life: api.Ended, State: "Complete"})
	_, err = e.turnRuns()
	require.NoError(t, err)
	require.NoError(t, k.flush())
	require.NoError(t, e.Close())
	r := &runRig{t: t, dir: e.dir}
	for run, want := range map[string]string{"R-000001": "0.01 GOOD", "R-000002": "0.02 GOOD", "R-000003": "- BAD"} {
		rows := r.rows(run)
		require.Len(t, rows, 6)
		_, last, _ := strings.Cut(rows[5], " ")
		require.Equal(t, "WT301 "+want, last)
	}
	r.checked()
}

func TestAUnitThatGoesWhileItHasARunIsWaitedForAndNothingElseIs(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		r.end()
		r.defs = r.defs[:2]
		r.start()
		r.batch("B-1", api.Active, "Running", "R101")
		less := cell()
		less.Version, less.Items[1].Retired, less.Items[4].Retired = 2, true, false // R101 goes, R103 is back
		r.plant.set(less)
		time.Sleep(time.Minute)
		units := func() (list []string) {
			for _, s := range r.e.UnitRuns().Slots() {
				list = append(list, s.Unit+" "+s.Definition+" "+s.State)
			}
			return list
		}
		require.Contains(t, units(), "R103 Production Idle")
		require.Contains(t, units(), "R101 Production Active")
		refused := len(r.notices("refused"))
		require.Positive(t, refused)
		time.Sleep(5 * time.Minute)
		require.Len(t, r.notices("refused"), refused, "it is not said again and again")
		told := 0
		for _, rec := range r.records(record.KindProductionInput) {
			if strings.Contains(rec.Text(record.Operation), "not as their file says") {
				told++
			}
		}
		require.Equal(t, 1, told)
		r.batch("B-1", api.Ended, "Complete")
		time.Sleep(15 * time.Minute)
		require.NotContains(t, strings.Join(units(), ","), "R101")
		r.checked()
	})
}
