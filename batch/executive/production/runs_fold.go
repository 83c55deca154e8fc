// Unit runs as they follow from the ledger.

package production

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// runs is what is folded of unit runs.
type runs struct {
	tracker *unitrun.Tracker
	of      map[string]runPlace // by process: the newest run that is linked to it
	order   []string            // of: the oldest first
	serial  uint64              // greatest number of a material that is called as nextMaterial calls them
	changes uint64              // of runs, all that there were
	recent  []string            // the newest of them, each as its run
	follow  map[string]bool     // tracked runs that were created to follow a batch; others are a person's or a signal's, whatever batch they name
	last    map[string]int64    // by Active run: when its newest value on record was taken, or when it became Active; ns since 1970, 0: not known
}

type runPlace struct{ run, unit string }

// maxLinked is of how many processes the run is remembered.
const maxLinked = api.MaxBatches

func (r *runs) init() {
	r.tracker = unitrun.NewTracker()
	r.of, r.last, r.follow = map[string]runPlace{}, map[string]int64{}, map[string]bool{}
}

// stepRuns has the unit runs take an event that stands in a line.
func (f *fold) stepRuns(at timebase.Stamp, line []byte) ([]fill, error) {
	ev, err := unitrun.ParseEvent(line)
	if err != nil {
		return nil, err
	}
	fills, _ := f.stepRun(at, &ev)
	return fills, nil
}

// stepRun has the unit runs take an event, and gives the records of what it came to. The effects are good until the next step.
func (f *fold) stepRun(at timebase.Stamp, ev *unitrun.Event) ([]fill, []unitrun.Effect) {
	fx := f.runs.tracker.Step(at, ev, nil)
	fills := make([]fill, len(fx))
	for i := range fx {
		fills[i] = runFill(&fx[i])
		f.runs.note(&fx[i], at.UTC)
		if ev.Kind == unitrun.Create && ev.Actor == selfActor && fx[i].Kind == unitrun.RunChanged {
			f.runs.follow[fx[i].Run] = true
		}
	}
	return fills, fx
}

// note keeps what the engine has to know of an effect.
func (r *runs) note(fx *unitrun.Effect, utc int64) {
	switch fx.Kind {
	case unitrun.RunChanged:
		r.changed(fx.Run)
	case unitrun.Linked:
		r.changed(fx.Run)
		return
	case unitrun.Registered, unitrun.Arrived, unitrun.SplitOff, unitrun.Merged:
		if digits, ours := strings.CutPrefix(fx.Material, "M-"); ours {
			if n, err := strconv.ParseUint(digits, 10, 32); err == nil && n <= r.serial+maxSkip {
				r.serial = max(r.serial, n)
			}
		}
		return
	default:
		return
	}
	if fx.Old == unitrun.Idle && fx.Process != "" {
		r.link(fx.Process, runPlace{fx.Run, fx.Unit})
	}
	if !fx.State.Tracked() {
		delete(r.follow, fx.Run)
	}
	if fx.State == unitrun.Active {
		r.last[fx.Run] = utc
	} else {
		delete(r.last, fx.Run)
	}
}

// maxRecent is how many changes of runs are kept for those who watch.
const maxRecent = 1024

// changed keeps that a run has changed.
func (r *runs) changed(run string) {
	r.changes++
	if r.recent = append(r.recent, run); len(r.recent) >= 2*maxRecent {
		r.recent = slices.Clone(lastOf(r.recent, maxRecent))
	}
}

// news gives the runs that have changed since so many changes, each once as it is now; all that are remembered where since is 0
// or too long ago.
func (r *runs) news(since uint64) (list []api.Run) {
	behind := r.changes - since
	if since == 0 || behind > uint64(len(r.recent)) {
		for _, run := range r.tracker.Runs("", api.MaxRuns) {
			list = append(list, r.view(&run))
		}
		return list
	}
	told := map[string]bool{}
	for _, id := range lastOf(r.recent, int(behind)) {
		if run, ok := r.tracker.Run(id); ok && !told[id] {
			told[id] = true
			list = append(list, r.view(&run))
		}
	}
	return list
}

// maxSkip is how many numbers a person may leave out who names a material as nextMaterial does. A name with a greater number is one like any other, so that
// nobody uses up all that there are.
const maxSkip = 1000

// nextMaterial is a name for a material that no other has.
func (r *runs) nextMaterial() string {
	for n := r.serial + 1; ; n++ {
		id := fmt.Sprintf("M-%06d", n)
		if _, known := r.tracker.Material(id); !known {
			return id
		}
	}
}

// link keeps the run of a process.
func (r *runs) link(process string, p runPlace) {
	if _, known := r.of[process]; !known {
		r.order = append(r.order, process)
	}
	r.of[process] = p
	if len(r.order) > maxLinked {
		delete(r.of, r.order[0])
		r.order = r.order[1:]
	}
}

// runOf gives the unit run that is linked to a process, and its unit; "" where there is none.
func (f *fold) runOf(process string) (run, unit string) {
	p := f.runs.of[process]
	return p.run, p.unit
}

// captured takes in a record of values: what is remembered of it is when the newest was taken.
func (r *runs) captured(rec *record.Record) {
	run, rows := rec.Text(record.RunID), rec.Texts(record.RunData)
	if _, active := r.last[run]; !active || len(rows) == 0 {
		return
	}
	ns, _, _ := strings.Cut(rows[len(rows)-1], " ")
	if at, err := strconv.ParseInt(ns, 10, 64); err == nil {
		r.last[run] = at
	}
}

// missing gives what makes a configuration what is wanted: all that is not so yet, and that what is there otherwise goes. Whole
// is one event, the zero one where nothing is missing or where it has no room in one record; parts are the same in several:
// definitions come before the units that use them, and go behind them.
func (r *runs) missing(want *unitrun.Config) (whole unitrun.Event, events []unitrun.Event) {
	is := r.tracker.Config()
	var parts []unitrun.Config
	for i := range want.Definitions {
		d := &want.Definitions[i]
		if k := slices.IndexFunc(is.Definitions, func(o unitrun.Definition) bool { return o.Name == d.Name }); k < 0 || !same(&is.Definitions[k], d) {
			parts = append(parts, unitrun.Config{Definitions: []unitrun.Definition{*d}})
		}
	}
	for i := range want.Units {
		u := &want.Units[i]
		if k := slices.IndexFunc(is.Units, func(o unitrun.Unit) bool { return o.ID == u.ID }); k < 0 || !same(&is.Units[k], u) {
			parts = append(parts, unitrun.Config{Units: []unitrun.Unit{*u}})
		}
	}
	for i := range is.Units {
		if id := is.Units[i].ID; !slices.ContainsFunc(want.Units, func(u unitrun.Unit) bool { return u.ID == id }) {
			parts = append(parts, unitrun.Config{Units: []unitrun.Unit{{ID: id, Gone: true}}})
		}
	}
	for i := range is.Definitions {
		if name := is.Definitions[i].Name; !slices.ContainsFunc(want.Definitions, func(d unitrun.Definition) bool { return d.Name == name }) {
			parts = append(parts, unitrun.Config{Definitions: []unitrun.Definition{{Name: name, Gone: true}}})
		}
	}
	var all unitrun.Config
	for i := range parts {
		all.Definitions, all.Units = append(all.Definitions, parts[i].Definitions...), append(all.Units, parts[i].Units...)
		events = append(events, unitrun.Event{Kind: unitrun.Configure, Config: &parts[i]})
	}
	whole = unitrun.Event{Kind: unitrun.Configure, Config: &all}
	if _, err := whole.Append(nil); err != nil {
		whole = unitrun.Event{}
	}
	return whole, events
}

func same[T any](a, b *T) bool {
	one, err1 := json.Marshal(a)
	two, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(one, two)
}
