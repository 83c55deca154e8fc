// The hazards H1 to H5: each in a list under the rules of the anchors, where it comes to nothing good, and in one under ours.

package jobs_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/script"
)

// ours plays one scenario of the hazards, with all that a planner expects of it, lets it come to its end, and finds nothing left.
func ours(t *testing.T, id string) {
	src, err := os.ReadFile("testdata/scenarios/hazards.txt")
	require.NoError(t, err)
	lines, err := script.Parse("hazards.txt", src)
	require.NoError(t, err)
	from := slices.IndexFunc(lines, func(l script.Line) bool { return l.Verb == "scenario" && l.Args[0] == id })
	require.GreaterOrEqual(t, from, 0, "no scenario %s", id)
	lines = lines[from:]
	if n := slices.IndexFunc(lines[1:], func(l script.Line) bool { return l.Verb == "scenario" }); n >= 0 {
		lines = lines[:n+1]
	}
	end, err := script.Parse("end", []byte("run\nexpect idle\n"))
	require.NoError(t, err)
	text, err := playOne(t, append(slices.Clone(lines), end...))
	require.NoError(t, err, text)
}

const (
	completing = jobs.ClassCompleting
	completed  = jobs.ClassCompleted
)

func TestH1TheOriginalLeaksASlotWhereAJobIsPutInBehindOneWhosePrepareRuns(t *testing.T) {
	o := newOriginal(1, "A")
	o.add("", "A1")
	o.add("cA", "A2")
	o.add("", "B1")
	o.goes("pA", completed)
	o.goes("A1", completing)
	o.goes("A1", completed)
	require.Equal(t, "A2 Idle, cA Waiting, B1 Idle", o.stuck(), "A2 was refused while the slot was that of a prepare, and nothing offers it again")
	require.Equal(t, "pA A1 [A1]", o.shows(), "the slot is that of a job that is gone")
	o.add("", "C1")
	require.Equal(t, "A2 Idle, cA Waiting, B1 Idle, C1 Idle", o.stuck(), "and everything behind it is stuck")
}

func TestH1OursTakesItIntoTheGroupAtOnce(t *testing.T) { ours(t, "H1") }

func TestH2TheOriginalGivesNoCleanUpToAJobBeforeOneThatRuns(t *testing.T) {
	o := newOriginal(0, "A")
	o.add("", "A1")
	o.goes("pA", completed)
	o.goes("A1", completing)
	o.add("", "B1")
	o.goes("A1", completed)
	require.Equal(t, "pA A1 SA B1 cA [B1 cA]", o.shows())
	o.add("cA", "A2")
	o.goes("B1", completing)
	o.goes("pA", completed)
	o.goes("cA", completed)
	o.goes("B1", completed)
	o.goes("cB", completed)
	o.goes("A2", completing)
	o.goes("A2", completed)
	o.add("", "C1")
	require.Equal(t, "C1 Idle", o.stuck())
	require.Contains(t, o.shows(), "[A2]", "the running slot is that of a job that is gone, and nobody gives it back")
}

func TestH2OursOpensAnotherGroup(t *testing.T) { ours(t, "H2") }

func TestH3TheOriginalForgetsTheCleanUpOfAPrepareThatWasStarted(t *testing.T) {
	o := newOriginal(0, "A")
	o.add("", "A1")
	o.goes("A1", completed)
	o.goes("pA", completing) // nobody needs it any more
	o.add("", "B1")
	require.Equal(t, "pA B1 [B1 pA]", o.shows())
	o.goes("pA", completed)
	o.goes("B1", completing)
	o.goes("B1", completed)
	o.goes("cB", completed)
	require.Equal(t, "cA Waiting", o.stuck(), "what the prepare has done is never taken back")
}

func TestH3OursAlwaysCleansUpBehindAPrepare(t *testing.T) { ours(t, "H3") }

func TestH4TheOriginalOrphansACleanUpWhereItSeesAJobAsItIsAndNotAsItWasTold(t *testing.T) {
	o := newOriginal(0, "")
	o.add("", "A1")
	o.goes("A1", completing)
	o.between = func() { o.lags("A1", completed) } // while the set-ups of B1 are computed
	o.add("", "B1")
	o.hear()
	require.Equal(t, "A1 SA B1 [B1]", o.shows(), "B1 has taken the running slot from a job that had not been moved out of it")
	o.goes("B1", completing)
	o.goes("B1", completed)
	o.goes("cB", completed)
	require.Equal(t, "cA Waiting", o.stuck())
}

func TestH4OursDecidesByWhatIsOnRecord(t *testing.T) { ours(t, "H4") }

func TestH5TheOriginalTakesAnEarlierJobThatWasNeverStartedForOneThatStillCompletes(t *testing.T) {
	o := newOriginal(0, "")
	o.add("", "A1")
	o.add("A1", "A0") // refused: it is no follow-up
	o.goes("A1", completed)
	o.add("", "B1")
	require.Equal(t, "A1 SA [A0]", o.shows(), "the running slot is that of a job that nobody starts")
	require.Equal(t, "A0 Idle, cA Waiting, B1 Idle", o.stuck())
}

func TestH5OursAsksWhetherAJobIsOfTheGroup(t *testing.T) { ours(t, "H5") }

// TestTheHazardsAreNoneOfOursWhereverTheyAreCutOff lives through the lists of the hazards under each of our schedulers, with cuts at any place.
func TestTheHazardsAreNoneOfOursWhereverTheyAreCutOff(t *testing.T) {
	add := func(place jobs.Place, beside string, recipes ...string) jobs.Event {
		ev := jobs.Event{Kind: jobs.Add, Place: place, Job: beside}
		for _, r := range recipes {
			ev.Orders = append(ev.Orders, jobs.Order{Recipe: r, Amount: 1})
		}
		return ev
	}
	for _, people := range map[string][]jobs.Event{
		"H1": {add(jobs.Append, "", "A"), add(jobs.After, "J-000001", "A"), add(jobs.Append, "", "B")},
		"H2": {add(jobs.Append, "", "A", "B"), add(jobs.First, "", "A"), add(jobs.Append, "", "C")},
		"H3": {add(jobs.Append, "", "A"), {Kind: jobs.Abort, Job: "J-000001"}, add(jobs.Append, "", "B")},
		"H5": {add(jobs.Append, "", "A"), add(jobs.First, "", "A", "B"), {Kind: jobs.Abort, Job: "J-000001"}, add(jobs.Append, "", "B", "A")},
	} {
		for _, rules := range []jobs.Rules{{Scheduler: jobs.Parallel, Slots: 1}, {Scheduler: jobs.Parallel, Slots: 2}, {Scheduler: jobs.Seamless}, {Scheduler: jobs.Seamless, KeepSlot: true}} {
			for seed := range seeds(25, 1000) {
				endure(newRig(t, seed, rules), people)
			}
		}
	}
}

// endure lets people do what they do at times of chance, and everything come to its end.
func endure(w *rig, people []jobs.Event) {
	defer w.story()
	w.calm = true
	for _, ev := range people {
		for range w.rng.IntN(12) {
			w.goesOn()
		}
		if j := w.lives[ev.Job]; ev.Job == "" || j != nil && !j.gone {
			w.tell(ev)
		}
	}
	w.drain()
	w.empty()
}

// goesOn lets one thing happen in which no person has a part.
func (w *rig) goesOn() {
	switch n := w.rng.IntN(40); {
	case n == 0:
		w.cut(w.rng.IntN(2) == 0)
		w.boot()
	case n < 12 && len(w.orders) > 0:
		w.carryOut()
	case n < 24 && len(w.news) > 0:
		w.hear()
	case n < 34 && len(w.asked) > 0:
		w.answer()
	default:
		w.moves()
	}
}
