// Clean stops, hard cuts, and what is broken: nothing is lost, nothing is run twice, and one bad entry stops no other.

package jobs_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/timebase"
)

var everyRule = []jobs.Rules{{Scheduler: jobs.Parallel, Slots: 1}, {Scheduler: jobs.Parallel, Slots: 3}, {Scheduler: jobs.Seamless}, {Scheduler: jobs.Seamless, KeepSlot: true}}

// shift works through a list of some jobs in which nothing goes wrong but that away takes the system away now and then.
func shift(t *testing.T, rules jobs.Rules, seed uint64, away func(w *rig)) *rig {
	w := newRig(t, seed, rules)
	defer w.story()
	w.calm = true
	for range 8 {
		w.tell(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: pick(w, recipeNames), Amount: int64(1 + w.rng.IntN(3))}}})
		for range w.rng.IntN(20) {
			w.goesOn()
		}
		if w.rng.IntN(2) == 0 {
			away(w)
			w.boot()
			w.resumes()
		}
	}
	w.drain()
	w.empty()
	return w
}

// resumes holds a list that has just come up against the rule of resume slots: who has a process that rests and is to go on has one.
func (w *rig) resumes() {
	rests := map[string]bool{}
	for _, p := range w.list.Processes() {
		if j, ok := w.list.Job(p.Job); ok && p.Stage == jobs.Interrupted && p.Do == jobs.Resume && j.Kind == jobs.Production {
			rests[j.Group] = true
		}
	}
	for _, s := range w.list.Slots() {
		require.Equal(w, rests[s.Group], s.Slot == "resume", "%+v", s)
		if rests[s.Group] {
			w.met["resumed"]++
		}
	}
}

// wholly holds that every process of every job was made once, and well.
func (w *rig) wholly() {
	for _, id := range slices.Sorted(maps.Keys(w.lives)) {
		if j := w.lives[id]; j.kind == jobs.Production {
			require.Equal(w, j.amount, j.counts.Success, "job %s", id)
			require.Zero(w, j.counts.Failure, "job %s", id)
			require.Equal(w, j.amount, j.really, "job %s", id)
		}
	}
}

func TestACleanStopLosesNothingAndRunsNothingTwice(t *testing.T) {
	resumed := 0
	for _, rules := range everyRule {
		for seed := range seeds(25, 500) {
			w := shift(t, rules, seed, func(w *rig) {
				w.tell(jobs.Event{Kind: jobs.Halt})
				for !w.list.Settled() {
					switch {
					case len(w.orders) > 0:
						w.carryOut()
					case len(w.news) > 0:
						w.hear()
					default:
						require.True(w, w.moves())
					}
				}
				require.Empty(w, slices.DeleteFunc(w.list.Jobs(), func(j jobs.Job) bool { return j.State.Stable() }), "all has come to rest")
				l := jobs.NewList("")
				require.NoError(w, l.Restore(w.list.Snapshot(nil)))
				w.comesUp(l)
			})
			w.wholly()
			resumed += w.met["resumed"]
		}
	}
	require.Greater(t, resumed, 50)
}

func TestAHardCutLosesNothingAndRunsNothingTwice(t *testing.T) {
	resumed := 0
	for _, rules := range everyRule {
		for seed := range seeds(25, 500) {
			w := shift(t, rules, seed, func(w *rig) { w.cut(true) })
			w.wholly()
			resumed += w.met["resumed"]
		}
	}
	require.Greater(t, resumed, 50)
}

func TestTheProcessOfTheListDiesAndTheBatchesGoOn(t *testing.T) {
	for _, rules := range everyRule {
		for seed := range seeds(25, 500) {
			shift(t, rules, seed, func(w *rig) { w.cut(false) }).wholly()
		}
	}
}

// TestACutBetweenAnyTwoEventsLosesNothingAndRunsNothingTwice lives the same lives again and again, and cuts each at one event later.
func TestACutBetweenAnyTwoEventsLosesNothingAndRunsNothingTwice(t *testing.T) {
	cuts := 0
	for _, rules := range everyRule {
		for seed := range seeds(3, 60) {
			for n := 1; ; n++ {
				w := newRig(t, seed, rules)
				w.calm = true
				again := w.until(n)
				func() {
					defer w.story()
					w.cut(w.rng.IntN(2) == 0)
					w.boot()
					w.resumes()
					w.drain()
					w.empty()
					w.wholly()
				}()
				if cuts++; !again {
					break
				}
			}
		}
	}
	require.Greater(t, cuts, 500)
}

// until lives until so many events were told; false where there are no more. Jobs come all along.
func (w *rig) until(n int) bool {
	jobsLeft := 5
	for range 5000 {
		switch {
		case len(w.journal) >= n:
			return true
		case jobsLeft > 0 && w.rng.IntN(12) == 0:
			jobsLeft--
			w.tell(jobs.Event{Kind: jobs.Add, Place: jobs.Place(w.rng.IntN(2)), Orders: []jobs.Order{{Recipe: pick(w, recipeNames[:2]), Amount: int64(1 + w.rng.IntN(2))}}})
		case len(w.orders) > 0 && w.rng.IntN(2) == 0:
			w.carryOut()
		case len(w.news) > 0 && w.rng.IntN(2) == 0:
			w.hear()
		case len(w.asked) > 0:
			w.answer()
		case !w.moves() && jobsLeft == 0 && len(w.orders)+len(w.news) == 0:
			return false
		}
	}
	return false
}

func TestAListThatIsCutOffAgainBeforeItHasComeUpComesUpAllTheSame(t *testing.T) {
	for _, rules := range everyRule {
		for seed := range seeds(20, 500) {
			shift(t, rules, seed, func(w *rig) {
				for range 1 + w.rng.IntN(3) {
					w.cut(w.rng.IntN(2) == 0)
					w.boot()
				}
				w.cut(true)
			}).wholly()
		}
	}
}

func TestOnlyAJobWhoseRecipeForbidsItIsNotResumedAfterAHardCut(t *testing.T) {
	list := jobs.NewList("")
	step := func(ev jobs.Event) []jobs.Effect { return list.Step(timebase.Stamp{}, &ev, nil) }
	step(jobs.Event{Kind: jobs.Configure, Rules: &jobs.Rules{Scheduler: jobs.Parallel, Slots: 3}})
	step(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: "A", Amount: 3}, {Recipe: "B", Amount: 3}, {Recipe: "C", Amount: 1}}})
	var found []jobs.Found
	for _, r := range []jobs.RecipeInfo{{Recipe: "A"}, {Recipe: "B", NoResume: "a melt that has cooled is scrap"}, {Recipe: "C"}} {
		for _, e := range step(jobs.Event{Kind: jobs.Recipe, Recipe: &r}) {
			if e.Kind == jobs.AskContent {
				step(jobs.Event{Kind: jobs.Content, Job: e.Job})
			}
		}
		all := list.Processes()
		p := all[slices.IndexFunc(all, func(p jobs.ProcessView) bool { return p.Recipe == r.Recipe })].Process
		step(jobs.Event{Kind: jobs.Process, Process: p, State: jobs.Running})
		found = append(found, jobs.Found{Process: p, State: jobs.Interrupted})
	}
	recovery := map[string]string{}
	for _, e := range step(jobs.Event{Kind: jobs.Boot, Processes: found}) {
		if e.Kind == jobs.Changed && e.Recovery != "" {
			recovery[e.Recipe] = e.State.String() + ": " + e.Recovery
		}
	}
	require.Equal(t, map[string]string{"A": "Interrupted: resume", "B": "CleanUp: a melt that has cooled is scrap", "C": "CompletingInterrupted: resume"}, recovery)
}

// without lives on from the journal of a rig of which one line cannot be read.
func (w *rig) without(t *testing.T, line int) *rig {
	o := newRig(t, w.seed, w.rules)
	o.shifted, o.calm = true, true
	for i, text := range w.journal[1:] {
		ev, err := jobs.ParseEvent(text)
		require.NoError(t, err)
		if i+1 != line {
			o.tell(ev)
		}
	}
	o.comesUp(o.fold())
	for _, b := range w.batches {
		c := *b
		o.batches, o.byID[c.id] = append(o.batches, &c), &c
	}
	return o
}

// TestALineThatCannotBeReadIsSetAsideAndTheRestGoesOn leaves out each line of journals, as whoever folds one does that finds it unreadable. What
// is in the plant and belongs to no job of the list that comes of it is told, and the list comes to its end.
func TestALineThatCannotBeReadIsSetAsideAndTheRestGoesOn(t *testing.T) {
	for seed := range seeds(4, 100) {
		w := newRig(t, seed, everyRule[seed%4])
		for range 60 {
			w.happens()
		}
		for line := 1; line < len(w.journal); line++ {
			bad := slices.Clone(w.journal[line])
			bad[len(bad)/2] = 0
			_, err := jobs.ParseEvent(bad)
			require.ErrorIs(t, err, jobs.ErrEvent)
			o := w.without(t, line)
			func() {
				defer o.story()
				known := maps.Clone(o.stages)
				o.boot()
				strays := 0
				for i := range o.fx {
					if o.fx[i].Kind == jobs.Notify && o.fx[i].Job == "" {
						strays++
					}
				}
				for _, b := range o.batches {
					if _, ok := known[b.id]; !ok && b.stage < jobs.Discarded && !b.gone {
						strays--
						if _, ok := o.stages[b.id]; !ok { // nor has the list taken it up since
							b.stage = jobs.Failure // a person has seen to it
						}
					}
				}
				require.Zero(o, strays, "every process that belongs to no job is told, and no other")
				o.drain()
				require.Empty(o, o.list.Jobs())
				require.Empty(o, o.list.Processes())
			}()
		}
	}
}

// TestARecipeThatIsNotThereAnyMoreStopsNoOther boots with recipes of which some are gone: their jobs are set aside, and come back.
func TestARecipeThatIsNotThereAnyMoreStopsNoOther(t *testing.T) {
	for _, rules := range everyRule {
		for seed := range seeds(20, 500) {
			w := newRig(t, seed, rules)
			func() {
				defer w.story()
				w.calm = true
				for _, r := range recipeNames {
					w.tell(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: r, Amount: 2}, {Recipe: "X" + r, Amount: 1}}})
					w.missing["X"+r] = "it was deleted"
				}
				for range w.rng.IntN(60) {
					w.goesOn()
				}
				w.cut(true)
				w.boot()
				for range 2000 {
					switch {
					case len(w.orders) > 0:
						w.carryOut()
					case len(w.news) > 0:
						w.hear()
					case len(w.asked) > 0:
						w.answer()
					default:
						w.moves()
					}
				}
				left := w.list.Jobs()
				require.Len(w, left, len(recipeNames), "all others are made")
				for _, j := range left {
					require.Contains(w, j.SetAside, "it was deleted; Retry when it is")
				}
				require.Empty(w, w.list.Processes())
				require.True(w, w.list.Available(), "what is set aside holds no slot")
				w.drain()
				w.empty()
				w.wholly()
			}()
		}
	}
}
