// Random events against a tracker and, beside it, a model that is too simple to be wrong.

package unitrun_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/timebase"
)

// world is a tracker under random events, and what a model knows of it from events and effects alone.
type world struct {
	*testing.T
	rng    *rand.Rand
	track  *unitrun.Tracker
	twin   *unitrun.Tracker // written and read
	every  int              // events between that
	log    []string         // lines of events
	at     timebase.Stamp
	runs   map[string]*modelRun
	order  []string // of runs
	mats   map[string]*modelMaterial
	names  int
	levels map[string]unitrun.Level // GOOD ones since the start, or since they were bad
	edges  map[string]bool          // tags that have one in the event under way
	idents map[string]bool          // that were made by unit
	gone   map[string]bool          // units that were taken away
	due    map[string]bool          // materials that a cancel under way has to take back
	met    map[string]int
}

// modelRun is a run as the model knows it.
type modelRun struct {
	slot    string
	state   unitrun.State
	capture bool
	test    bool
	off     bool // it takes no material while Paused
	links   map[string]modelLink
	created int64
	started int64
}

// modelLink is when a material came to belong to a run.
type modelLink struct{ visit, splits int }

// modelMaterial is a material as the model knows it: the way that it came, each place with a number of its own.
type modelMaterial struct {
	way    []modelVisit
	exited bool
	splits int
}

type modelVisit struct {
	unit string
	no   int
}

func (m *modelMaterial) here() modelVisit { return m.way[len(m.way)-1] }

// arrowed are the transitions of unit-runs.md 2.3, written down once more.
var arrowed = map[string]string{
	"Idle create": "Created", "Created start": "Active", "Created ready": "Ready", "Created cancel": "Canceled for restart", "Active pause": "Paused",
	"Active ready": "Ready", "Active cancel": "Canceled for restart", "Paused start": "Active", "Paused resume": "Active", "Paused ready": "Ready",
	"Paused cancel": "Canceled for restart", "Ready finish": "Finished",
}

// step tells both trackers an event, and holds them against what must be.
func (w *world) step(e unitrun.Event) {
	line, err := e.Append(nil)
	if err != nil {
		require.ErrorIs(w, err, unitrun.ErrEvent)
		fx := w.track.Step(w.at, &e, nil)
		require.Len(w, fx, 1)
		require.Equal(w, unitrun.Refused, fx[0].Kind)
		w.met["no event"]++
		return
	}
	parsed, err := unitrun.ParseEvent(line)
	require.NoError(w, err)
	clear(w.due)
	was := snapshot(w, w.track)
	predicted := w.before(&parsed)
	fx := w.track.Step(w.at, &parsed, nil)
	require.Equal(w, fx, w.twin.Step(w.at, &parsed, nil), "a tracker that was written and read does the same")
	w.log = append(w.log, fmt.Sprintf("%d %s", w.at.UTC, line))
	refused := slices.ContainsFunc(fx, func(f unitrun.Effect) bool { return f.Kind == unitrun.Refused })
	if refused && parsed.Kind != unitrun.Signal {
		require.False(w, slices.ContainsFunc(fx, func(f unitrun.Effect) bool { return f.Kind != unitrun.Refused }), "%v", fx)
		require.Equal(w, was, snapshot(w, w.track), "what is refused changes nothing")
	}
	for i := range fx {
		w.hear(&parsed, &fx[i])
		require.NotContains(w, fx[i].String(), "%!")
	}
	require.Empty(w, w.due, "a cancel takes back all")
	switch {
	case predicted == "refused":
		require.True(w, refused, "%s: %v", line, fx)
	case predicted == "done":
		require.False(w, refused, "%s: %v", line, fx)
	}
	for i := range fx { // the last of each material says where it is now
		f := &fx[i]
		last := !slices.ContainsFunc(fx[i+1:], func(g unitrun.Effect) bool { return g.Material == f.Material })
		if m, ok := w.track.Material(f.Material); ok && last && f.Kind != unitrun.Refused && f.Kind != unitrun.TraceInvalid {
			j := slices.IndexFunc(m.Trace, func(v unitrun.Visit) bool { return v.No == f.Visit && !v.Invalid })
			require.GreaterOrEqual(w, j, 0, "%v", f)
			require.False(w, slices.ContainsFunc(m.Trace[j+1:], func(v unitrun.Visit) bool { return !v.Invalid }), "%v", f)
			require.True(w, f.Kind == unitrun.Linked || f.Test == m.Test, "%v", f)
		}
	}
	if len(w.log)%w.every == 0 {
		text := snapshot(w, w.track)
		if w.twin, err = unitrun.Restore([]byte(text)); err != nil {
			require.NoError(w, err, text)
		}
		require.Equal(w, text, snapshot(w, w.twin))
	}
	w.holds(&parsed, fx)
}

func snapshot(t require.TestingT, track *unitrun.Tracker) string {
	text, err := track.Snapshot(nil)
	require.NoError(t, err)
	return string(text)
}

// before says what has to become of an event, where the model knows, and takes in what has no effect.
func (w *world) before(e *unitrun.Event) string {
	switch e.Kind {
	case unitrun.Cancel:
		if r := w.meant(e); r != nil {
			unit, definition, _ := strings.Cut(r.slot, " ")
			if s, _ := w.track.Stand(unit, definition); s.Slot.Control == unitrun.BySignal && !s.Leaving {
				return "refused"
			}
			if w.stuck(r) {
				w.met["cancel refused"]++
				return "refused"
			}
			w.met["cancel done"]++
			for id, l := range r.links {
				if w.mats[id].here().no == l.visit {
					w.due[id] = true
				}
			}
			return "done"
		}
		return "refused"
	case unitrun.Create:
		if w.tracked(e.Unit+" "+e.Definition) != nil {
			return "refused"
		}
	case unitrun.Sample:
		if r := w.runs[e.Run]; r == nil || !r.capture {
			return "refused"
		}
	case unitrun.Boot:
		clear(w.levels)
	case unitrun.Signal:
		clear(w.edges)
		for _, l := range e.Signals {
			if old, ok := w.levels[l.Tag]; ok && !l.Bad && old.High != l.High {
				w.edges[l.Tag] = l.High
			}
			if w.levels[l.Tag] = l; l.Bad {
				delete(w.levels, l.Tag)
			}
		}
	}
	return ""
}

// meant is the tracked run that a command is for.
func (w *world) meant(e *unitrun.Event) *modelRun {
	if e.Run == "" {
		return w.tracked(e.Unit + " " + e.Definition)
	}
	if r := w.runs[e.Run]; r != nil && r.state.Tracked() {
		return r
	}
	return nil
}

// tracked is the run in a slot.
func (w *world) tracked(slot string) *modelRun {
	for _, id := range w.order {
		if r := w.runs[id]; r.slot == slot && r.state.Tracked() {
			return r
		}
	}
	return nil
}

// stuck tells whether a material of a run cannot go back.
func (w *world) stuck(r *modelRun) bool {
	for id, l := range r.links {
		m := w.mats[id]
		i := slices.IndexFunc(m.way, func(v modelVisit) bool { return v.no == l.visit })
		switch {
		case i < 0: // it was taken back already
		case m.exited, i < len(m.way)-1, m.splits != l.splits, i == 0, w.gone[m.way[i-1].unit]:
			return true
		}
	}
	return false
}

// hear takes an effect into the model.
func (w *world) hear(e *unitrun.Event, f *unitrun.Effect) {
	w.met[f.Kind.String()]++
	slot := f.Unit + " " + f.Definition
	switch f.Kind {
	case unitrun.RunChanged:
		w.changed(e, f)
	case unitrun.CaptureOn:
		require.Equal(w, unitrun.Active, w.runs[f.Run].state)
		require.True(w, !w.runs[f.Run].capture || e.Kind == unitrun.Boot, "it is on already")
		w.runs[f.Run].capture = true
	case unitrun.CaptureOff:
		require.True(w, w.runs[f.Run].capture)
		w.runs[f.Run].capture = false
	case unitrun.Captured:
		require.True(w, w.runs[f.Run].capture)
	case unitrun.Linked:
		r, m := w.runs[f.Run], w.mats[f.Material]
		was, there := r.links[f.Material]
		require.False(w, there && m.came(was.visit), "it belongs to it already")
		require.True(w, r.state.Tracked())
		require.Equal(w, r.slot, slot)
		require.False(w, r.state == unitrun.Paused && r.off, "it takes none while it is Paused")
		require.Equal(w, f.Unit, m.here().unit)
		r.links[f.Material] = modelLink{m.here().no, m.splits}
	case unitrun.Refused, unitrun.Sampled:
		if e.Kind == unitrun.Signal && f.Kind == unitrun.Refused && f.Command != unitrun.Signal && f.Material == "" {
			rising, there := w.edges[f.Tag]
			require.True(w, there && rising == (f.Command != unitrun.Pause), "only an edge commands: %v", f)
		}
		require.NotEmpty(w, f.Reason)
		require.LessOrEqual(w, len(f.Reason), unitrun.MaxReason)
	case unitrun.Configured:
		w.gone[f.Unit] = f.Unit != "" && f.Reason != ""
	case unitrun.TestMarked, unitrun.TraceInvalid, unitrun.LineInvalid:
	default:
		w.material(f)
	}
}

// changed takes in that a run has another state.
func (w *world) changed(e *unitrun.Event, f *unitrun.Effect) {
	slot := f.Unit + " " + f.Definition
	r := w.runs[f.Run]
	if f.Old == unitrun.Idle {
		require.Nil(w, r, "a run has a number of its own")
		require.Nil(w, w.tracked(slot), "one tracked run in a slot")
		if len(w.order) > 0 {
			require.Greater(w, f.Run, w.order[len(w.order)-1], "numbers grow")
		}
		r = &modelRun{slot: slot, state: unitrun.Idle, links: map[string]modelLink{}, test: f.Test, created: w.at.UTC}
		s, _ := w.track.Stand(f.Unit, f.Definition)
		r.off = s.Slot.PausedOff
		if e.Ident == "" && s.Slot.Naming == unitrun.NamedByUnit {
			require.False(w, w.idents[slot+"/"+f.Ident], "an identifier by unit is given once")
			w.idents[slot+"/"+f.Ident] = true
		}
		require.NotEmpty(w, f.Ident)
		w.runs[f.Run] = r
		w.order = append(w.order, f.Run)
	}
	require.Equal(w, r.state, f.Old)
	require.Equal(w, arrowed[f.Old.String()+" "+f.Command.String()], f.State.String(), "%s in %s", f.Command, f.Old)
	if f.State == unitrun.Active && r.started == 0 && f.Old == unitrun.Created {
		r.started = w.at.UTC
	}
	require.Equal(w, r.created, f.Created)
	require.Equal(w, r.started, f.Started, "the start is the first one")
	if e.Kind == unitrun.Signal {
		_, there := w.edges[w.port(f)]
		require.True(w, there && w.edges[w.port(f)] == (f.Command != unitrun.Pause), "only an edge commands: %v", f)
	}
	r.state = f.State
}

// port is the tag by which a slot is told a command.
func (w *world) port(f *unitrun.Effect) string {
	s, _ := w.track.Stand(f.Unit, f.Definition)
	switch f.Command {
	case unitrun.Create:
		if !w.edges[s.Slot.Ports.Create] && s.Slot.AutoCreate { // no rising edge of it
			return s.Slot.Ports.Active
		}
		return s.Slot.Ports.Create
	case unitrun.MakeReady:
		return s.Slot.Ports.Ready
	case unitrun.Cancel:
		return s.Slot.Ports.Cancel
	}
	return s.Slot.Ports.Active
}

// holds are the promises about a tracker as it stands.
func (w *world) holds(e *unitrun.Event, fx []unitrun.Effect) {
	taken := map[string]string{}
	for _, s := range w.track.Stands() {
		slot := s.Unit + " " + s.Slot.Definition
		taken[slot] = s.Run
		r := w.tracked(slot)
		require.Equal(w, r != nil, s.Run != "", slot)
		require.Equal(w, s.State == unitrun.Idle, r == nil)
	}
	for _, id := range w.order {
		r := w.runs[id]
		view, ok := w.track.Run(id)
		require.True(w, ok)
		require.Equal(w, r.state, view.State)
		require.Equal(w, len(r.links), len(view.Materials), id)
		if r.state.Tracked() {
			require.Equal(w, id, taken[r.slot], "a tracked run is in its slot")
			require.Equal(w, r.capture, capturing(w.track, id))
			require.True(w, r.capture == (r.state == unitrun.Active) || !r.capture)
		} else {
			require.False(w, r.capture)
			require.False(w, capturing(w.track, id))
		}
	}
	for key := range w.idents {
		if slot, _, _ := strings.Cut(key, "/"); !has(taken, slot) {
			delete(w.idents, key) // a slot that was taken away and is there again counts anew
		}
	}
	inside := 0
	for id, m := range w.mats {
		view, ok := w.track.Material(id)
		require.True(w, ok)
		want := ""
		if !m.exited {
			want = m.here().unit
		}
		require.Equal(w, want, view.Unit, id)
		require.Equal(w, m.exited, view.Life == unitrun.MaterialExited)
		var way []string
		for _, v := range view.Trace {
			if !v.Invalid {
				way = append(way, v.Unit)
			}
		}
		require.Len(w, way, len(m.way))
		for i := range way {
			require.Equal(w, m.way[i].unit, way[i])
		}
		if want != "" {
			inside++
			require.Contains(w, w.track.Inside(want), id)
			w.belongs(e, fx, id, want)
		}
	}
	for _, u := range units {
		inside -= len(w.track.Inside(u))
	}
	require.Zero(w, inside, "each material is in one unit")
}

// belongs holds that what came, or was there at a create, belongs to the runs that are tracked.
func (w *world) belongs(e *unitrun.Event, fx []unitrun.Effect, id, unit string) {
	came := slices.ContainsFunc(fx, func(f unitrun.Effect) bool {
		return f.Material == id && (f.Kind == unitrun.Arrived || f.Kind == unitrun.Moved || f.Kind == unitrun.SplitOff || f.Kind == unitrun.Merged || f.Kind == unitrun.MovedBack)
	})
	for _, run := range w.order {
		r := w.runs[run]
		if !r.state.Tracked() || !strings.HasPrefix(r.slot, unit+" ") {
			continue
		}
		created := slices.ContainsFunc(fx, func(f unitrun.Effect) bool { return f.Run == run && f.State == unitrun.Created })
		if created || came && e.Kind != unitrun.Signal && (r.state != unitrun.Paused || !r.off) {
			require.Contains(w, r.links, id, "%s of %s after %v", id, run, fx)
			require.True(w, w.mats[id].came(r.links[id].visit), "%s of %s is linked where it is not any more", id, run)
		}
	}
}

func has(all map[string]string, key string) bool {
	_, ok := all[key]
	return ok
}

func capturing(track *unitrun.Tracker, id string) bool {
	tags, _ := track.Capturing(id)
	return tags != nil
}

func TestRandomEventsKeepThePromisesOfATracker(t *testing.T) {
	seeds, length := 500, 60
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds, length = 20_000, 100
	}
	met := map[string]int{}
	for seed := range seeds {
		random(t, uint64(seed), length, met)
	}
	for k := unitrun.RunChanged; k <= unitrun.Refused; k++ {
		require.Greater(t, met[k.String()], seeds/20, "%s hardly came", k)
	}
	require.Greater(t, met["cancel refused"], seeds/20)
	require.Greater(t, met["cancel done"], seeds/20)
	t.Log(met)
}

// random tells a tracker random events, and says by which seed where that fails.
func random(t *testing.T, seed uint64, length int, met map[string]int) {
	w := newWorld(t, seed, met)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d, the last of %d events: %s", seed, len(w.log), w.log[len(w.log)-1])
		}
	}()
	for i := range length {
		w.at.Mono++
		if w.at.UTC = zero + int64(i); w.rng.IntN(20) == 0 {
			w.at.UTC = 0
		}
		w.step(w.event())
	}
	w.foldsAlike()
}

// foldsAlike holds that the lines alone lead to the same tracker.
func (w *world) foldsAlike() {
	again := unitrun.NewTracker()
	for _, line := range w.log {
		utc, text, _ := strings.Cut(line, " ")
		var at timebase.Stamp
		_, err := fmt.Sscan(utc, &at.UTC)
		require.NoError(w, err)
		e, err := unitrun.ParseEvent([]byte(text))
		require.NoError(w, err)
		again.Step(at, &e, nil)
	}
	require.Equal(w, snapshot(w, w.track), snapshot(w, again))
}
