// The facade of unit runs, and the paths by which clients reach it.

package production

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
)

// UnitRuns is the runs of process units and their material, for people. What its methods order is on record when they return,
// refused or not, under the operator, role and reason of the order, which whoever calls has made sure of. Until the engine is Up
// they refuse.
type UnitRuns struct{ e *Engine }

// UnitRuns gives the unit runs, for people.
func (e *Engine) UnitRuns() *UnitRuns { return &UnitRuns{e} }

// RunFilter says which runs or materials a list is of. The zero value is all that are remembered, as many as one answer takes.
type RunFilter struct {
	Unit       string
	Definition string // of runs
	State      string // of runs
	After      string // the list begins behind this id
	Limit      int    // 0: as many as one answer takes
}

// Create has a run be created, and started where that is asked for, and gives its id.
func (u *UnitRuns) Create(c *api.RunCreate) (run string, err error) {
	if err := c.Check(); err != nil {
		return "", bad("%s", err)
	}
	k, err := u.begin()
	if err != nil {
		return "", err
	}
	defer k.mu.Unlock()
	fx, err := k.order(&unitrun.Event{Kind: unitrun.Create, Unit: c.Unit, Definition: c.Definition, Ident: c.Ident, Process: c.Process}, &c.Order)
	for i := range fx {
		if fx[i].Kind == unitrun.RunChanged {
			run = fx[i].Run
		}
	}
	if err == nil && c.Start { // nobody comes between
		_, err = k.order(&unitrun.Event{Kind: unitrun.Start, Run: run}, &c.Order)
	}
	return run, err
}

// Tell orders something of a run: start, pause, resume, ready, finish or cancel. What its state does not take is refused, on
// record.
func (u *UnitRuns) Tell(run string, c *api.RunCommand) error {
	if err := c.Check(); err != nil {
		return bad("%s", err)
	}
	kind, ok := unitrun.ParseCommand(c.Command)
	if !ok || kind == unitrun.Create {
		return bad("command %.40q is none; give start, pause, resume, ready, finish or cancel", c.Command)
	}
	k, err := u.begin()
	if err != nil {
		return err
	}
	defer k.mu.Unlock()
	_, err = k.order(&unitrun.Event{Kind: kind, Run: run}, &c.Order)
	return err
}

// materialKinds are the words of what is told of material.
var materialKinds = []unitrun.EventKind{unitrun.Register, unitrun.Arrive, unitrun.Move, unitrun.Split, unitrun.Merge, unitrun.Exit, unitrun.Regenerate}

// Material tells what has become of material: register, arrive, move, split, merge, exit or regenerate. It gives the ids that are
// meant, a new one among them.
func (u *UnitRuns) Material(o *api.MaterialOrder) (ids []string, err error) {
	if err := o.Check(); err != nil {
		return nil, bad("%s", err)
	}
	i := slices.IndexFunc(materialKinds, func(k unitrun.EventKind) bool { return k.String() == o.Command })
	if i < 0 {
		return nil, bad("command %.40q is none; give register, arrive, move, split, merge, exit or regenerate", o.Command)
	}
	ev := unitrun.Event{Kind: materialKinds[i], Material: o.Material, Unit: o.Unit, Materials: o.Others, Test: o.Test}
	k, err := u.begin()
	if err != nil {
		return nil, err
	}
	defer k.mu.Unlock()
	if ev.Material == "" { // nobody else is given the same
		k.e.lookRuns(func(r *runs) { ev.Material = r.nextMaterial() })
	}
	_, err = k.order(&ev, &o.Order)
	return append([]string{ev.Material}, o.Others...), err
}

// begin is called before orders are given, by one at a time: where there is no error, mu of the keeper is held, and whoever calls lets it go.
func (u *UnitRuns) begin() (*runKeeper, error) {
	k := u.e.floor.keeper
	if k == nil {
		return nil, &api.Error{Status: http.StatusConflict, Message: "production: there are no unit runs here; start it with a file of run definitions"}
	}
	if err := u.e.up(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	if !k.up {
		k.mu.Unlock()
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "production: the unit runs are being taken up; ask again in a moment"}
	}
	return k, nil
}

// order has the unit runs take an order. What they refuse is an *api.Error. It is called with mu held.
func (k *runKeeper) order(ev *unitrun.Event, o *api.Order) ([]unitrun.Effect, error) {
	ev.Actor, ev.Role, ev.Reason = o.Operator, o.Role, o.Reason
	fx, err := k.tell(ev)
	fx = slices.Clone(fx) // who comes next uses them again
	if err == nil {
		if no := refusal(fx); no != nil {
			err = &api.Error{Status: http.StatusConflict, Message: no.Error()}
		}
	}
	return fx, err
}

// Run gives one run.
func (u *UnitRuns) Run(id string) (v api.Run, err error) {
	err = &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("production: no run %.40q is remembered; the records have all", id)}
	u.e.lookRuns(func(r *runs) {
		if run, ok := r.tracker.Run(id); ok {
			v, err = r.view(&run), nil
		}
	})
	return v, err
}

// answerSize is about how many bytes a list has at most, of MaxAnswer: what is behind them is in the list that begins behind the last id.
const answerSize = 4 << 20

// sizeOf is about how many bytes names take in an answer.
func sizeOf(lists ...[]string) (n int) {
	for _, list := range lists {
		for _, name := range list {
			n += len(name) + 4
		}
	}
	return n
}

// atATime is how many are taken out of the tracker together: a list that is short costs little, however many there are.
const atATime = 256

// inSteps gives all that are behind one, some at a time.
func inSteps[T any](next func(after string) []T, after string, id func(v *T) string) iter.Seq[*T] {
	return func(yield func(v *T) bool) {
		for list := next(after); len(list) > 0; list = next(after) {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
			after = id(&list[len(list)-1])
		}
	}
}

// List gives runs in the order of their ids, as many as one answer takes.
func (u *UnitRuns) List(f RunFilter) api.Runs {
	list, limit, size := api.Runs{}, limitOf(f.Limit, api.MaxRuns), 0
	u.e.lookRuns(func(r *runs) {
		for run := range inSteps(func(after string) []unitrun.Run { return r.tracker.Runs(after, atATime) }, f.After, func(r *unitrun.Run) string { return r.ID }) {
			if len(list) >= limit || size > answerSize {
				return
			}
			if (f.Unit == "" || f.Unit == run.Unit) && (f.Definition == "" || f.Definition == run.Definition) && (f.State == "" || f.State == run.State.String()) {
				v := r.view(run)
				list, size = append(list, v), size+500+sizeOf(v.Materials)
			}
		}
	})
	return list
}

func limitOf(asked, most int) int {
	if asked <= 0 || asked > most {
		return most
	}
	return asked
}

// view is a run as clients see it.
func (r *runs) view(run *unitrun.Run) api.Run {
	v := api.Run{ID: run.ID, Definition: run.Definition, Unit: run.Unit, State: run.State.String(), Code: uint32(run.State.Status()), Ident: run.Ident,
		Created: stamp(run.Created), Started: stamp(run.Started), Ended: stamp(run.Ended), Process: run.Process, Materials: lastOf(run.Materials, api.MaxHistory), Test: run.Test}
	opt := &unitrun.Slot{Post: run.Post}
	if run.State.Tracked() {
		if s, ok := r.tracker.Stand(run.Unit, run.Definition); ok {
			opt = &s.Slot
		}
	}
	for do := unitrun.Start; do <= unitrun.Cancel; do++ {
		if _, err := unitrun.Next(run.State, do, opt); err == nil {
			v.Commands = append(v.Commands, do.String())
		}
	}
	return v
}

func lastOf[T any](list []T, most int) []T { return list[max(0, len(list)-most):] }

// Slots gives where runs may be, and which are there.
func (u *UnitRuns) Slots() api.UnitSlots {
	list := api.UnitSlots{}
	var stands []unitrun.Stand
	u.e.lookRuns(func(r *runs) { stands = r.tracker.Stands() })
	for i := range stands {
		s := &stands[i]
		v := api.UnitSlot{Unit: s.Unit, Definition: s.Slot.Definition, State: s.State.String(), Code: uint32(s.State.Status()), Run: s.Run,
			Control: s.Slot.Control.String(), Follows: s.Slot.Follow}
		if s.Slot.Capture != nil {
			v.Captured = s.Slot.Capture.Tags
		}
		p := &s.Slot.Ports
		for _, port := range []api.UnitPort{{Port: "create", Channel: p.Create}, {Port: "active", Channel: p.Active}, {Port: "ready", Channel: p.Ready}, {Port: "cancel", Channel: p.Cancel},
			{Port: "ident", Channel: p.Ident}} {
			if port.Channel != "" {
				if k := u.e.floor.keeper; k != nil {
					port.Level = k.level(port.Channel)
				}
				v.Ports = append(v.Ports, port)
			}
		}
		list = append(list, v)
	}
	return list
}

// level gives the level of a port as it was told last; "" where none was.
func (k *runKeeper) level(channel string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch p := k.ports[channel]; {
	case p == nil || !p.told:
		return ""
	case p.level.Bad:
		return "bad"
	case p.level.High:
		return "high"
	}
	return "low"
}

// OneMaterial gives one material.
func (u *UnitRuns) OneMaterial(id string) (v api.Material, err error) {
	err = &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("production: no material %.40q is remembered; the records have all", id)}
	u.e.lookRuns(func(r *runs) {
		if m, ok := r.tracker.Material(id); ok {
			v, err = materialView(&m), nil
		}
	})
	return v, err
}

// Materials gives materials in the order in which they came to be known, as many as one answer takes. One that is not remembered has none behind it: nobody
// knows where it stood.
func (u *UnitRuns) Materials(f RunFilter) api.Materials {
	list, limit, size := api.Materials{}, limitOf(f.Limit, api.MaxMaterials), 0
	u.e.lookRuns(func(r *runs) {
		if _, known := r.tracker.Material(f.After); f.After != "" && !known {
			return
		}
		for m := range inSteps(func(after string) []unitrun.Material { return r.tracker.Materials(after, atATime) }, f.After, func(m *unitrun.Material) string { return m.ID }) {
			if len(list) >= limit || size > answerSize {
				return
			}
			if f.Unit == "" || f.Unit == m.Unit {
				v := materialView(m)
				list, size = append(list, v), size+300+sizeOf(v.Runs, v.From, v.Into)+200*len(v.Places)
			}
		}
	})
	return list
}

func materialView(m *unitrun.Material) api.Material {
	v := api.Material{ID: m.ID, Unit: m.Unit, Life: m.Life.String(), Test: m.Test, Runs: lastOf(m.Runs, api.MaxHistory), Into: lastOf(m.Children, api.MaxHistory)}
	for _, p := range lastOf(m.Parents, api.MaxHistory) {
		v.From = append(v.From, p.Of)
	}
	for _, t := range lastOf(m.Trace, api.MaxHistory) {
		v.Places = append(v.Places, api.MaterialPlace{Unit: t.Unit, Since: stamp(t.Arrived), Invalid: t.Invalid})
	}
	return v
}

// serveRuns answers the paths of unit runs.
func (d *desk) serveRuns(mux *http.ServeMux) {
	u := d.e.UnitRuns()
	mux.HandleFunc("GET /v1/runs", func(w http.ResponseWriter, r *http.Request) {
		f, err := filterOf(r.URL.Query())
		digits, is := strings.CutPrefix(f.After, "R-")
		if _, no := strconv.ParseUint(digits, 10, 64); err == nil && f.After != "" && (!is || no != nil) {
			err = bad("after %.40q is no run", f.After)
		}
		list := u.List(f)
		api.Reply(w, &list, err)
	})
	mux.HandleFunc("GET /v1/runs/{id}", func(w http.ResponseWriter, r *http.Request) {
		v, err := u.Run(r.PathValue("id"))
		api.Reply(w, &v, err)
	})
	mux.HandleFunc("GET /v1/units", func(w http.ResponseWriter, _ *http.Request) {
		list := u.Slots()
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/materials", func(w http.ResponseWriter, r *http.Request) {
		f, err := filterOf(r.URL.Query())
		if _, no := u.OneMaterial(f.After); err == nil && f.After != "" {
			err = no
		}
		list := u.Materials(f)
		api.Reply(w, &list, err)
	})
	mux.HandleFunc("GET /v1/materials/{id}", func(w http.ResponseWriter, r *http.Request) {
		v, err := u.OneMaterial(r.PathValue("id"))
		api.Reply(w, &v, err)
	})
	mux.HandleFunc("POST /v1/runs", d.createRun)
	mux.HandleFunc("POST /v1/runs/{id}/commands", d.tellRun)
	mux.HandleFunc("POST /v1/materials", d.tellMaterial)
}

// filterOf reads what a list is asked for.
func filterOf(q url.Values) (f RunFilter, err error) {
	f = RunFilter{Unit: q.Get("unit"), Definition: q.Get("definition"), State: q.Get("state"), After: q.Get("after")}
	if text := q.Get("limit"); text != "" {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 {
			return f, bad("limit %.40q is no number above 0", text)
		}
	}
	if f.State != "" {
		s, ok := unitrun.ParseState(f.State)
		if !ok {
			return f, bad("state %.40q is none of a run", f.State)
		}
		f.State = s.String()
	}
	return f, nil
}

func (d *desk) createRun(w http.ResponseWriter, r *http.Request) {
	var c api.RunCreate
	err := api.Take(w, r, &c)
	if err == nil {
		err = d.allow(r, &c.Order, "unit runs of "+c.Unit)
	}
	var run string
	if err == nil {
		run, err = d.e.UnitRuns().Create(&c)
	}
	api.Reply(w, &api.RunAccepted{Run: run, As: c.Operator}, err)
}

func (d *desk) tellRun(w http.ResponseWriter, r *http.Request) {
	var c api.RunCommand
	id := r.PathValue("id")
	err := api.Take(w, r, &c)
	if err == nil {
		err = d.allow(r, &c.Order, id)
	}
	if err == nil {
		err = d.e.UnitRuns().Tell(id, &c)
	}
	api.Reply(w, &api.RunAccepted{Run: id, As: c.Operator}, err)
}

func (d *desk) tellMaterial(w http.ResponseWriter, r *http.Request) {
	var o api.MaterialOrder
	err := api.Take(w, r, &o)
	if err == nil {
		err = d.allow(r, &o.Order, "material "+o.Material)
	}
	var ids []string
	if err == nil {
		ids, err = d.e.UnitRuns().Material(&o)
	}
	api.Reply(w, &api.RunAccepted{Materials: ids, As: o.Operator}, err)
}
