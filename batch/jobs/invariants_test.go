// Lists of chance under both schedulers, with people, failures, halts and cuts at any place: the invariants I1 to I7 hold.

package jobs_test

import (
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/timebase"
)

var recipeNames = []string{"A", "B", "C", "D"}

// pick picks one of a list.
func pick[T any](w *rig, list []T) T { return list[w.rng.IntN(len(list))] }

// someJob names a job of the list, now and then one that is not there.
func (w *rig) someJob() string {
	all := w.now.jobs
	if len(all) == 0 || w.rng.IntN(30) == 0 {
		return fmt.Sprintf("J-%06d", 1+w.rng.IntN(40))
	}
	return all[w.rng.IntN(len(all))].ID
}

// add puts jobs into the list, at any place.
func (w *rig) add() {
	ev := jobs.Event{Kind: jobs.Add, Place: jobs.Place(w.rng.IntN(6))}
	if w.rng.IntN(3) == 0 {
		ev.Place = jobs.Append
	}
	for range 1 + w.rng.IntN(3) {
		ev.Orders = append(ev.Orders, jobs.Order{Recipe: pick(w, recipeNames), Amount: int64(w.rng.IntN(4))})
	}
	switch all := w.now.jobs; ev.Place {
	case jobs.Before, jobs.After:
		ev.Job = w.someJob()
	case jobs.Around:
		for i := w.rng.IntN(3); i < len(all); i += 1 + w.rng.IntN(3) {
			ev.Orders = slices.Insert(ev.Orders, w.rng.IntN(len(ev.Orders)+1), jobs.Order{ID: all[i].ID})
		}
	}
	w.tell(ev)
}

// people lets somebody do something.
func (w *rig) people() {
	switch n := w.rng.IntN(60); {
	case n < 18:
		w.add()
	case n < 20:
		r := pick(w, recipeNames)
		w.missing[r] = pick(w, []string{"", "", "it was deleted"})
		w.tell(jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Recipe: r, Product: "ART-" + r, Missing: w.missing[r], NoResume: w.noResume[r]}})
	case n < 21:
		r := w.audit.rules
		if w.rng.IntN(2) == 0 {
			r.Retries = w.rng.IntN(3)
		}
		if r.Scheduler == jobs.Parallel && w.rng.IntN(2) == 0 {
			r.Slots = 1 + w.rng.IntN(3)
		}
		w.tell(jobs.Event{Kind: jobs.Configure, Rules: &r})
	case n < 24:
		w.tell(jobs.Event{Kind: jobs.Acknowledge, Job: w.someJob(), Steps: []jobs.Step{{Type: "T1", Recipe: "SETUP", Off: w.rng.IntN(2) == 0}}})
	case n < 26:
		w.tell(jobs.Event{Kind: jobs.Content, Job: w.someJob()})
	default:
		kinds := []jobs.EventKind{jobs.Complete, jobs.Abort, jobs.Interrupt, jobs.Suspend, jobs.Continue, jobs.Continue, jobs.Retry}
		w.tell(jobs.Event{Kind: pick(w, kinds), Job: w.someJob()})
	}
}

// happens lets one thing happen.
func (w *rig) happens() {
	switch n := w.rng.IntN(100); {
	case n < 14:
		w.people()
	case n < 40 && len(w.news) > 0:
		w.hear()
	case n < 60 && len(w.orders) > 0:
		w.carryOut()
	case n < 75 && len(w.asked) > 0:
		w.answer()
	case n < 96:
		w.moves()
	case n < 97:
		w.cut(w.rng.IntN(2) == 0)
		w.boot()
	case n < 98:
		w.stop()
	}
}

// stop halts the system cleanly, unless it is cut off before it has come to rest, and brings it back.
func (w *rig) stop() {
	w.tell(jobs.Event{Kind: jobs.Halt})
	for range w.rng.IntN(200) {
		switch n := w.rng.IntN(40); {
		case n == 0:
			w.people()
		case n < 20 && len(w.news) > 0:
			w.hear()
		case n < 30 && len(w.orders) > 0:
			w.carryOut()
		case n < 32 && len(w.asked) > 0:
			w.answer()
		case n < 34:
			w.moves()
		}
	}
	if w.list.Settled() && w.rng.IntN(4) > 0 {
		w.met["settled"]++
		l := jobs.NewList("")
		require.NoError(w, l.Restore(w.list.Snapshot(nil)))
		w.comesUp(l)
	} else {
		w.cut(w.rng.IntN(2) == 0)
	}
	w.boot()
}

// drain lets everything come to its end: people do what they are asked for, and nobody makes trouble.
func (w *rig) drain() {
	w.calm, w.missing = true, map[string]string{}
	for range 20_000 {
		switch {
		case len(w.orders) > 0:
			w.carryOut()
		case len(w.news) > 0:
			w.hear()
		case len(w.asked) > 0:
			w.answer()
		case w.enough():
		case w.moves():
		case !w.attend():
			return
		}
	}
	require.Fail(w, "it does not come to its end")
}

// enough lets somebody complete a job that would run for ever; false where there is none.
func (w *rig) enough() bool {
	for _, j := range w.now.jobs {
		if j.Kind == jobs.Production && j.Counts.Amount == 0 && j.Counts.Success > 1 && j.State == jobs.JobRunning {
			w.tell(jobs.Event{Kind: jobs.Complete, Job: j.ID})
			return true
		}
	}
	return false
}

// attend lets people do the next thing that is to be done; false where there is none.
func (w *rig) attend() bool {
	for _, j := range w.now.jobs {
		kind := jobs.EventKind(0)
		switch {
		case j.SetAside != "":
			kind = jobs.Retry
		case j.Held:
			kind = jobs.Continue
		case j.State == jobs.SetupRetryBlocked:
			kind = jobs.Acknowledge
		default:
			continue
		}
		w.tell(jobs.Event{Kind: kind, Job: j.ID})
		return true
	}
	for _, p := range w.now.processes {
		if b := w.byID[p.Process]; b != nil && b.byPerson && b.stage == jobs.Interrupted {
			b.byPerson = false
			w.comes(b, jobs.Running)
			return true
		}
		if _, listed := w.list.Job(p.Job); !listed && p.Stage == jobs.Interrupted {
			w.comes(w.byID[p.Process], jobs.Failure) // a person aborts what a job that was given up has left
			return true
		}
	}
	return false
}

// empty holds a drained system against I5: it holds nothing.
func (w *rig) empty() {
	require.Empty(w, w.list.Jobs(), "I5: it is stuck")
	require.Empty(w, w.list.Processes(), "I5: processes are left")
	require.True(w, w.list.Available())
	for _, s := range w.list.Slots() {
		require.Empty(w, s.Group, "I5: a slot is held")
	}
	for _, j := range w.lives {
		require.True(w, j.gone, "job %s is lost", j.id)
	}
	for _, b := range w.batches {
		require.GreaterOrEqual(w, b.stage, jobs.Discarded, "batch %s is left in the plant, and no job knows of it", b.id)
	}
}

// twin holds a list that was restored from a snapshot against the one that it was taken of, for the event that was told last.
func (w *rig) twin(before, after []byte) {
	l := jobs.NewList("")
	require.NoError(w, l.Restore(before))
	fx := l.Step(timebase.Stamp{}, &w.events[len(w.events)-1], nil)
	require.Equal(w, w.sums[len(w.sums)-1], digest(fx), "a restored list has other effects")
	require.Equal(w, string(after), string(l.Snapshot(nil)), "a restored list goes on differently")
}

// live lives through one seed.
func live(t *testing.T, rules jobs.Rules, seed uint64, met map[string]int) {
	w := newRig(t, seed, rules)
	defer w.story()
	for _, r := range recipeNames {
		if w.rng.IntN(4) == 0 {
			w.missing[r] = "it was never there"
		}
		if w.rng.IntN(4) == 0 {
			w.noResume[r] = "what was cut off is scrap"
		}
	}
	twins := seed%8 == 0
	before := w.list.Snapshot(nil)
	for range 140 {
		n := len(w.journal)
		if w.happens(); twins && len(w.journal) > n {
			after := w.list.Snapshot(nil)
			if len(w.journal) == n+1 {
				w.twin(before, after)
			}
			before = after
		}
	}
	w.drain()
	w.empty()
	w.fold()
	for what, n := range w.met {
		met[what] += n
	}
	met["events"] += len(w.journal)
}

// seeds are how many lists of chance there are to each of the rules, usually and behind BATCHKIT_LONG.
func seeds(usual, long uint64) uint64 {
	if os.Getenv("BATCHKIT_LONG") != "" {
		return long
	}
	return usual
}

func TestListsOfChanceKeepTheirInvariantsAndLoseNothing(t *testing.T) {
	percent := debug.SetGCPercent(400) // most of what they make is garbage at once
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	for _, c := range []struct {
		name  string
		rules jobs.Rules
	}{
		{"parallel 1", jobs.Rules{Scheduler: jobs.Parallel, Slots: 1}},
		{"parallel 2", jobs.Rules{Scheduler: jobs.Parallel, Slots: 2, Retries: 1}},
		{"parallel 3", jobs.Rules{Scheduler: jobs.Parallel, Slots: 3, Complete: true}},
		{"seamless", jobs.Rules{Scheduler: jobs.Seamless}},
		{"seamless, keeping the slot", jobs.Rules{Scheduler: jobs.Seamless, KeepSlot: true, Retries: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			met := map[string]int{}
			for seed := range seeds(500, 20_000) {
				live(t, c.rules, seed, met)
			}
			for _, what := range slices.Sorted(maps.Keys(met)) {
				t.Logf("%8d %s", met[what], what)
			}
		})
	}
}
