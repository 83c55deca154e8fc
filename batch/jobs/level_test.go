// Admission is looked at again after every event: after each one, nothing waits that could go on.

package jobs_test

import (
	"github.com/batchkit/batchkit/batch/jobs"
)

// level holds a list against what could go on by now, and does not. It knows of slots, groups and jobs what anybody may ask.
func (a *audit) level(w *rig, now view) {
	if w.list.Halted() {
		return
	}
	slot, closed, prepares := map[string]string{}, map[string]bool{}, map[string]bool{}
	working, waits := map[string]bool{}, map[string]string{}
	for _, s := range now.slots {
		slot[s.Group] = s.Slot
	}
	var play []*jobs.Job // production jobs that are neighbours
	for i := range now.jobs {
		j := &now.jobs[i]
		switch {
		case j.Kind == jobs.Prepare:
			prepares[j.Group] = true
			continue
		case j.Kind == jobs.CleanUp:
			closed[j.Group] = closed[j.Group] || j.State.Class() >= jobs.ClassRunning
			continue
		case j.SetAside != "" || j.Group == "" && j.Held:
			continue
		}
		play = append(play, j)
		held := j.Held && (j.State == jobs.JobWaiting || j.State == jobs.JobSuspended || j.State == jobs.JobInterrupted)
		if held || j.State == jobs.JobDispatched || j.State == jobs.JobRunning || j.State == jobs.JobInterrupting {
			working[j.Group] = true
		}
		if !j.Held && (j.State == jobs.JobWaiting || j.State == jobs.JobInterruptedWaiting) {
			waits[j.Group] = j.ID
		}
	}
	for g, id := range waits {
		w.must(prepares[g] || working[g], "job %s of group %s waits, and nobody of it is at work", id, g)
	}
	joins := func(j *jobs.Job, k int) bool { // to the group of a neighbour
		if k < 0 || k >= len(play) {
			return false
		}
		n := play[k]
		return n.Group != "" && n.Order.Recipe == j.Order.Recipe && !closed[n.Group] && (a.rules.Scheduler == jobs.Parallel || slot[n.Group] == "running")
	}
	first := map[string]bool{}
	for k, j := range play {
		if j.Group != "" || j.State != jobs.JobInitial || first[j.Order.Recipe] || !a.known[j.Order.Recipe] {
			continue
		}
		first[j.Order.Recipe] = true
		w.must(!now.available, "job %s is idle, and could have a slot", j.ID)
		w.must(!joins(j, k-1) && !joins(j, k+1), "job %s is idle, and could join the group beside it", j.ID)
	}
}

// sensible holds an order against what the process was ordered before: nothing is ordered twice, or against all sense. After a boot it may be
// said again.
func (a *audit) sensible(w *rig, e *jobs.Effect, ev *jobs.Event) {
	last := a.last[e.Process]
	w.must(e.Do != last || ev.Kind == jobs.Boot || a.again[e.Process], "process %s is to be done twice: %s", e.Process, e.Do)
	w.must(e.Do != jobs.Drop || e.Stage == jobs.Awaited, "process %s is %s, and to be dropped", e.Process, e.Stage)
	w.must(e.Do != jobs.Resume || e.Stage == jobs.Interrupted || last == jobs.Pause || last == jobs.Resume,
		"process %s is %s, was told to %s, and is to be resumed", e.Process, e.Stage, last)
	w.must(last != jobs.CleanItUp || e.Do == jobs.CleanItUp || e.Do == jobs.Pause || e.Do == jobs.AbortIt, "process %s is to be cleaned up, and then: %s", e.Process, e.Do)
	w.must(last != jobs.AbortIt || e.Do != jobs.Resume && e.Do != jobs.Start, "process %s is to be aborted, and then: %s", e.Process, e.Do)
	a.last[e.Process] = e.Do
	delete(a.again, e.Process)
}
