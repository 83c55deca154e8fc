// What is shown of a day as it goes: a line for each thing that happens, and a table at its end.

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/sequencer"
)

// dayScreen shows a day. Its methods may be called from any goroutine.
type dayScreen struct {
	mu        sync.Mutex
	out       io.Writer
	jobs      map[string]api.Job // as they were heard last
	order     []string           // of them, as they were heard first
	gone      map[string]bool
	told      map[string]string // what was said of each thing last
	names     map[string]string // of jobs, as the day calls them
	ends      map[string]string // of processes, how they ended
	processes map[string]bool
	good      map[string]int // by job
	bad       map[string]int
	makes     map[string]string // product by recipe
}

func newDayScreen(out io.Writer, day *production.Day) *dayScreen {
	d := &dayScreen{out: out, jobs: map[string]api.Job{}, gone: map[string]bool{}, told: map[string]string{}, names: map[string]string{},
		ends: map[string]string{}, processes: map[string]bool{}, good: map[string]int{}, bad: map[string]int{}, makes: map[string]string{}}
	for _, r := range day.Recipes {
		d.makes[r.Recipe] = r.Product
	}
	return d
}

// say prints what happened at a time of the day, in ns, unless it was said of that thing last.
func (d *dayScreen) say(at int64, what, text string) {
	if d.told[what] == text {
		return
	}
	d.told[what] = text
	fmt.Fprintln(d.out, strings.TrimRight(harmless(fmt.Sprintf("%8.3f s  %s  %s", float64(at)/1e9, what, text)), " "))
}

// print prints a line.
func (d *dayScreen) print(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintln(d.out, harmless(line))
}

// take takes in an event of production that happened at a time of the day.
func (d *dayScreen) take(at int64, body api.Body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch v := body.(type) {
	case *api.Job:
		if _, known := d.jobs[v.ID]; !known {
			d.order = append(d.order, v.ID)
		}
		d.jobs[v.ID] = *v
		d.say(at, "job     "+v.ID, d.job(v))
	case *api.JobSlots:
		d.say(at, "slots   ", slotsText(*v))
	case *api.ProcessView:
		d.ended(v)
		d.say(at, "process "+v.ID, processText(v))
	case *api.JobNotice:
		d.say(at, "notice  ", noticeText(v))
	case *api.Run:
		d.say(at, "run     "+v.ID, fmt.Sprintf("%-8s %-5s %-9s %s", v.Definition, v.Unit, v.State, v.Process))
	}
}

// ended counts a process that has ended: its job may have left the list by then.
func (d *dayScreen) ended(p *api.ProcessView) {
	if d.processes[p.ID] = true; d.ends[p.ID] != "" && d.ends[p.ID] != away {
		return
	}
	switch p.State {
	case jobs.Success.String():
		d.good[p.Job]++
	case jobs.Failure.String():
		if d.bad[p.Job]++; p.Ordered == jobs.Drop.String() {
			d.ends[p.ID] = late
			return
		}
	case jobs.Discarded.String():
	default:
		return
	}
	d.ends[p.ID] = p.State
}

// left takes in that a job has left the list at a time of the day.
func (d *dayScreen) left(at int64, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j, known := d.jobs[id]; known && !d.gone[id] {
		d.say(at, "job     "+id, fmt.Sprintf("%-8s %-11s has left the list", j.Recipe, j.Kind))
	}
	d.gone[id] = true
}

// away is the end of a process of which nothing was heard any more before it was over: it was dropped.
const away = "away"

// late is the end of a process that was to be taken away and got its equipment just before: it is a failure that was ordered.
const late = "late"

// finished takes in that a process is over.
func (d *dayScreen) finished(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.processes[id] = true; d.ends[id] == "" {
		d.ends[id] = away
	}
}

// known are the jobs and processes that were heard of, and these. What comes while it is asked which there are is not among them.
func (d *dayScreen) known(ids []string) (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(ids, d.order, slices.Collect(maps.Keys(d.processes)))
}

// reconcile takes in which of the jobs and processes that were known before it was asked are there: whoever watches may miss one that comes and goes in a
// moment.
func (d *dayScreen) reconcile(known []string, list api.Jobs, under api.Processes) {
	there := map[string]bool{}
	for i := range list {
		there[list[i].ID] = true
	}
	for i := range under {
		there[under[i].ID] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range known {
		if there[id] {
			continue
		}
		if !d.processes[id] {
			d.gone[id] = true
		} else if d.ends[id] == "" {
			d.ends[id] = away
		}
	}
}

// over tells whether these jobs, and all others that were heard of, have left the list, and their processes are over.
func (d *dayScreen) over(ids []string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range slices.Concat(ids, d.order) {
		if !d.gone[id] {
			return false
		}
	}
	for id := range d.processes {
		if d.ends[id] == "" {
			return false
		}
	}
	return true
}

// stuck are the jobs that are left where each is set aside and no process is under way.
func (d *dayScreen) stuck() (left []api.Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.processes {
		if d.ends[id] == "" {
			return nil
		}
	}
	for _, id := range d.order {
		j := d.jobs[id]
		switch {
		case d.gone[id]:
		case j.Aside == "":
			return nil
		default:
			left = append(left, j)
		}
	}
	return left
}

// job is what a job is and how far it is.
func (d *dayScreen) job(j *api.Job) string {
	text := fmt.Sprintf("%-8s %-11s %-16s", j.Recipe, j.Kind, j.State)
	if j.Kind == kindProduction {
		text += fmt.Sprintf(" %s of %s begun", fmt.Sprint(j.Begun), cond(j.Amount == 0, "any", fmt.Sprint(j.Amount)))
	}
	if j.Held {
		text += ", held until continue"
	}
	if j.Aside != "" {
		text += ", set aside: " + j.Aside
	}
	return text
}

func slotsText(all api.JobSlots) string {
	var list []string
	for _, s := range all {
		list = append(list, s.Slot+": "+cond(s.Group == "", "free", strings.TrimSpace(s.Recipe+" "+s.Group+" "+s.Job)))
	}
	return strings.Join(list, ", ")
}

func processText(p *api.ProcessView) string {
	text := fmt.Sprintf("%-8s %-5s %-11s", p.Recipe, p.Unit, cond(p.State == jobs.NoStage.String(), "ordered", p.State))
	if p.Waits != "" && p.Life != api.Loading && p.Life != "" { // that passes in a moment
		text += " " + p.Waits
	}
	if p.Batch == sequencer.Held.String() {
		text += " (Held: " + p.Reason + ")"
	}
	if p.State == jobs.Failure.String() && p.Reason != "" {
		text += " " + string(p.Life) + ": " + p.Reason
	}
	return text
}

func noticeText(n *api.JobNotice) string {
	if n.Result == "give" {
		return "article " + n.Detail
	}
	return strings.Join(strings.Fields(strings.Join([]string{n.Result, n.Job, n.Process, n.Detail}, " ")), " ")
}

// table is what has become of the jobs that are no set-up.
func (d *dayScreen) table() {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, "\n%-11s %-10s %-8s %-8s %-5s %6s %5s %4s\n", "JOB", "NAME", "RECIPE", "PRODUCT", "UNIT", "AMOUNT", "GOOD", "BAD")
	for _, id := range d.order {
		j := d.jobs[id]
		if j.Kind != kindProduction {
			continue
		}
		fmt.Fprintln(d.out, strings.TrimRight(harmless(fmt.Sprintf("%-11s %-10s %-8s %-8s %-5s %6s %5d %4d", j.ID, d.names[id], j.Recipe, cmp.Or(j.Product, d.makes[j.Recipe]), j.Unit,
			cond(j.Amount == 0, "any", fmt.Sprint(j.Amount)), d.good[id], d.bad[id])), " "))
	}
}

// verify holds the evidence of each batch of the day against itself, also of those that were taken away before they came to
// anything.
func (d *dayScreen) verify(all []api.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var wrong []error
	good, dropped := 0, 0
	fmt.Fprintln(d.out)
	for i := range all {
		b := &all[i]
		end := d.ends[b.ID]
		if end == "" || end == away {
			end = cond(b.State == sequencer.Complete.String(), jobs.Success.String(), away)
		}
		if b.Life == api.LoadFailed || end != jobs.Success.String() && end != jobs.Discarded.String() && end != late && end != away {
			wrong = append(wrong, fmt.Errorf("executive: batch %s is %s: %s", b.ID, strings.TrimRight(string(b.Life)+" "+b.State, " "), b.Reason))
			continue
		}
		if b.Package == "" { // it went before anything was on record
			dropped++
			continue
		}
		r, err := evidence.Verify(b.Package)
		if err == nil && !r.OK() {
			err = fmt.Errorf("executive: batch %s: its evidence is not whole; see the programs in %s", b.ID, b.Package)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if end == jobs.Success.String() {
			good++
		} else {
			dropped++
		}
		fmt.Fprintf(d.out, "%s  %-6s  %s  %-9s %s; evidence in %s\n", b.ID, b.Recipe, b.Unit, end, r.Verdict(), b.Package)
	}
	fmt.Fprintf(d.out, "%d of %d batches are complete and their evidence is whole; dropped before they came to anything: %d\n", good, len(all)-dropped, dropped)
	return errors.Join(wrong...)
}
