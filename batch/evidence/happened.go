// What has happened to open windows: found again from inputs and decisions, and held against the records that tell it.

package evidence

import (
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// due is what a window_event must still tell.
type due struct {
	happened
	source    tag.ID
	coalesced uint64
	moved     string
}

// often tells of the nth time of something whether a record tells it, and how often it was only counted before: all the first eight times,
// then those whose number is a power of two.
func often(n uint64) (told bool, since uint64) {
	switch {
	case n <= 8:
		return true, 0
	case bits.OnesCount64(n) == 1:
		return true, n/2 - 1
	}
	return false, n - 1<<(bits.Len64(n)-1)
}

// happen takes in something that has happened to a window.
func (w *window) happen(h happened, r role) { w.happenAt(h, r, "") }

func (w *window) happenAt(h happened, r role, moved string) {
	w.times[h.event]++
	if told, since := often(w.times[h.event]); told {
		w.due = append(w.due, due{h, w.g.tags[r], since, moved})
	}
}

// untold is how much of it no record tells.
func (w *window) untold() (n uint64) {
	for _, times := range w.times {
		if told, since := often(times); !told {
			n += since
		}
	}
	return n
}

// second takes in a reading of the second counter.
func (ws *windows) second(g *gauge, v int64) {
	if !g.bound.Second.Has {
		return
	}
	from, inc, event := g.other.last, new(big.Int), ""
	if g.other.has {
		inc, event = register(g.bound.Second.Bits, 0, from, v, 0)
	}
	g.other.last, g.other.has = v, true
	for _, w := range ws.open {
		if w.g != g {
			continue
		}
		if event != "" {
			w.happen(happened{event: event, from: from, to: v}, otherRole)
		}
		w.doubt = w.doubt || event == "reset" || event == "replaced"
		w.other.Add(&w.other, inc)
		ws.pair(w)
	}
}

// pair holds the two counters of a flow against each other.
func (ws *windows) pair(w *window) {
	p := &w.g.bound.Second
	apart := new(big.Int).Sub(&w.t.count, &w.other)
	if !p.Has || w.differs || apart.CmpAbs(big.NewInt(p.Within)) <= 0 {
		return
	}
	w.differs, w.doubt = true, true
	w.happen(happened{event: "channels_differ", from: w.t.count.Int64(), to: w.other.Int64()}, otherRole)
}

// device takes in the device's own total.
func (ws *windows) device(g *gauge, then, v int64, q tag.Quality, read bool) {
	d, c := &g.device, &g.bound.Device
	if !c.Has {
		return
	}
	d.quality = q
	from, inc, event := d.last, new(big.Int), ""
	if read && q == tag.Good {
		if d.has {
			most := c.Most
			if !d.timed {
				most = 0
			}
			inc, event = running(c.Modulus, most, from, v, max(0, then-d.at))
		}
		d.last, d.at, d.has, d.timed = v, then, true, true
	}
	for _, w := range ws.open {
		if w.g != g {
			continue
		}
		w.device.Add(&w.device, inc)
		if w.devWorst = min(w.devWorst, q); event == "reset" || event == "replaced" || !w.device.IsInt64() {
			w.devWorst = tag.Bad
		}
		if event != "" {
			w.happen(happened{event: event, from: from, to: v}, deviceRole)
		}
	}
}

// identity takes in who the device is.
func (ws *windows) identity(g *gauge, then, v int64) {
	was, known := g.identity, g.named
	g.identity, g.named = v, true
	if !known || was == v {
		return
	}
	g.device.has, g.other.has, g.has, g.moved, g.runs = false, false, false, false, false
	ws.settle(g, then)
	for _, w := range ws.open {
		if w.g == g {
			w.devWorst = tag.Bad
			ws.write(w, then, 0, wordNew)
			w.happen(happened{event: "replaced", from: was, to: v}, identityRole)
		}
	}
}

// stepped takes in that the wall clock was stepped.
func (ws *windows) stepped(at int64, rec *record.Record) {
	ws.now = max(ws.now, at)
	for _, w := range ws.open {
		w.steps++
		w.happenAt(happened{event: "time_step"}, mainRole, rec.Text(record.MovedMS))
	}
}

// paused takes in that the phase of a window is held, or goes on.
func (ws *windows) paused(at int64, rec *record.Record) {
	to := rec.Text(record.PhaseState)
	on := to == sequencer.Holding.String() || to == sequencer.Held.String()
	if !on && to != sequencer.Running.String() {
		return
	}
	for _, w := range ws.open {
		if w.start.Text(record.StepID) != rec.Text(record.StepID) {
			continue
		}
		if ws.now = max(ws.now, at); w.held == on {
			continue
		}
		if w.held = on; on {
			w.heldAt = ws.now
			w.happen(happened{event: "held"}, mainRole)
			continue
		}
		w.heldTime.Add(&w.heldTime, big.NewInt(max(0, ws.now-w.heldAt)))
		w.happen(happened{event: "resumed"}, mainRole)
	}
}

// event holds a window_event against what has happened.
func (ws *windows) event(n uint64, at int64, rec *record.Record) {
	id, event := rec.Text(record.MeterWindowID), rec.Text(record.WindowEvent)
	i := slices.IndexFunc(ws.open, func(w *window) bool { return w.id == id })
	if i < 0 {
		ws.breach("totals", n, "something has happened to window %.64q, which is not open", id)
		return
	}
	w := ws.open[i]
	switch {
	case len(w.due) == 0 && (event == "stable" || event == "unstable"): // as it closes, or another one opens
		ws.now = max(ws.now, at)
		ws.settle(w.g, at)
	case event == "threshold" && ws.waited == n-1:
		w.happen(happened{event: event}, mainRole)
	}
	if len(w.due) == 0 {
		ws.breach("totals", n, "window %s: %.64q is told of it, and nothing has happened", id, event)
		return
	}
	d := w.due[0]
	w.due = w.due[1:]
	if err := differs(rec, "by its samples", ws.told(w, &d)...); err != nil {
		ws.breach("totals", n, "window %s: %v", id, err)
	}
}

// told are the keys that a window_event must have.
func (ws *windows) told(w *window, d *due) []said {
	var from, to, ns, coalesced string
	switch d.event {
	case "rollover", "reset", "replaced", "channels_differ":
		from, to = strconv.FormatInt(d.from, 10), strconv.FormatInt(d.to, 10)
	case "out_of_range":
		to = strconv.FormatInt(d.to, 10)
	case "gap_end":
		ns = inMS(d.ns)
	}
	if d.coalesced > 0 {
		coalesced = fmt.Sprint(d.coalesced)
	}
	counts, _ := w.t.total()
	res := w.g.meter.Resolution
	return []said{
		{record.WindowEvent, d.event},
		{record.LogicalTag, ws.m.Tags[d.source].Name},
		{record.StepID, w.start.Text(record.StepID)},
		{record.TotalizedValue, shown(counts, res)},
		{record.Unit, string(res.Unit)},
		{record.OldValue, from}, {record.NewValue, to}, {record.ElapsedMS, ns}, {record.MovedMS, d.moved},
		{record.Coalesced, coalesced},
	}
}

// inMS is a number of ns as records spell it, in ms.
func inMS(ns int64) string { return string(quantity.AppendDecimal(nil, ns, 6)) }

// metersOf adds the meters of the windows of an element and of all below it, in their order.
func metersOf(e *recipe.Element, names []string) []string {
	for i := range e.Actions {
		if a := &e.Actions[i]; a.Kind == recipe.OpenWindow {
			names = append(names, a.Meter)
		}
	}
	for _, child := range e.Children {
		names = metersOf(child, names)
	}
	return names
}
