// This file reads what a phase does with a metering window: to open it, wait for its total, correct that, and close it.

package recipe

import (
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
)

// window is what is known of a metering window while its phase is read.
type window struct {
	phase  *Element
	unit   quantity.Unit // of its target, "" if that is refused
	line   int
	learns int // line of the wait_total that learns, 0 before it
	jogs   int // line of its first jog, 0 before it
	closed int // line, 0 while it is open
}

// openWindow reads the action that opens a metering window.
func (r *reader) openWindow(a *Action, n strictyaml.Node, phase *Element) {
	f := n.Map()
	name := f.Req("window")
	a.Window = name.Ident()
	a.Meter = tagName(f.Req("meter"))
	a.Target = r.amount(f.Req("target"), "target", 1)
	tolerance := f.Req("tolerance")
	a.Tolerance = r.amount(tolerance, "tolerance", 0)
	time, timed := f.Opt("time")
	f.Done()
	unit := r.nominal(&a.Target).Unit
	r.sameUnit(tolerance, "tolerance", &a.Tolerance, unit)
	if timed {
		r.cautious(a, time, unit)
	}
	if around := r.around(Repeat); around != nil {
		name.Errorf("window %q would be opened in every round of %q, and a window has one total in a batch; meter outside the repeat",
			a.Window, around.ID)
	}
	if a.Window == "" {
		return
	}
	if first := r.windows[a.Window]; first != nil {
		name.Errorf("window %q is opened twice; the first time in line %d", a.Window, first.line)
		return
	}
	r.windows[a.Window] = &window{phase: phase, line: name.Pos().Line, unit: unit}
}

// cautious reads how well time must be known at both edges of a window, and the tolerance that it is judged by where it is not.
func (r *reader) cautious(a *Action, n strictyaml.Node, unit quantity.Unit) {
	f := n.Map()
	a.TimeWithin = r.time(f.Req("within"))
	tolerance := f.Req("tolerance")
	a.Cautious = r.amount(tolerance, "tolerance", 0)
	f.Done()
	r.sameUnit(tolerance, "tolerance", &a.Cautious, unit)
	wide, narrow := r.nominal(&a.Tolerance), r.nominal(&a.Cautious)
	if c, err := narrow.Cmp(wide); narrow.Unit != "" && wide.Unit != "" && err == nil && c > 0 {
		tolerance.Errorf("tolerance %q for when time is not known well is above the tolerance %q; it must be as narrow or narrower", narrow, wide)
	}
}

// waitTotal reads the action that waits for the total of a window.
func (r *reader) waitTotal(a *Action, n strictyaml.Node, phase *Element) {
	f := n.Map()
	w := r.useWindow(a, f.Req("window"), phase)
	short, has := f.Opt("short_by")
	if has {
		a.ShortBy = r.amount(short, "short_by", 0)
		if w != nil {
			r.sameUnit(short, "short_by", &a.ShortBy, w.unit)
		}
	}
	learn, learns := f.Opt("learn")
	f.Done()
	if !learns {
		return
	}
	r.learn(a, learn, w)
	switch {
	case !has:
		learn.Errorf("learn needs short_by, which is the first value; afterwards what was learnt is used")
	case w == nil:
	case w.learns != 0:
		learn.Errorf("window %q learns in line %d already; it has one total, and learns from it once", a.Window, w.learns)
	case w.jogs != 0:
		learn.Errorf("window %q jogs in line %d, before this; what runs in is learnt before any jog", a.Window, w.jogs)
	default:
		w.learns = learn.Pos().Line
	}
}

// learn reads within which limits short_by is learnt, and by which share of the error.
func (r *reader) learn(a *Action, n strictyaml.Node, w *window) {
	f := n.Map()
	least, greatest, share := f.Req("min"), f.Req("max"), f.Req("share")
	a.Learn.Min = r.amount(least, "min", 0)
	a.Learn.Max = r.amount(greatest, "max", 1)
	a.Learn.Share, _ = quantityOf(share)
	f.Done()
	if w != nil {
		r.sameUnit(least, "min", &a.Learn.Min, w.unit)
		r.sameUnit(greatest, "max", &a.Learn.Max, w.unit)
	}
	if q := a.Learn.Share; q.Unit != "" {
		if parts, err := a.Learn.Parts(); err != nil || parts <= 0 || parts > LearnParts {
			share.Errorf("share %q is wanted above 0 %% and up to 100 %%, in steps of 0.01 %%", q)
		}
	}
	short, low, high := r.nominal(&a.ShortBy), r.nominal(&a.Learn.Min), r.nominal(&a.Learn.Max)
	for _, q := range [...]quantity.Quantity{short, low, high} {
		if q.Unit == "" || !q.Unit.Compatible(short.Unit) {
			return
		}
	}
	if c, err := low.Cmp(high); err == nil && c > 0 {
		greatest.Errorf("max %q is below min %q", high, low)
	} else if why := a.Learn.outside(short, low, high); why != "" {
		n.Errorf("short_by %q, the first value, is %s", short, why)
	}
}

// jog reads the action that tops a total up.
func (r *reader) jog(a *Action, n strictyaml.Node, phase *Element) {
	f := n.Map()
	w := r.useWindow(a, f.Req("window"), phase)
	a.Settings = r.settings(f.Req("set"), "an output", cond.IsName)
	a.For = r.time(f.Req("for"))
	a.Settle = r.time(f.Req("settle"))
	a.AtMost = int(f.Req("at_most").Int(1, MaxJogs))
	f.Done()
	if w != nil && w.jogs == 0 {
		w.jogs = n.Pos().Line
	}
}

// closeWindow reads the action that ends a total: the name of the window, or a mapping that says what follows its verdict.
func (r *reader) closeWindow(a *Action, n strictyaml.Node, phase *Element) {
	name := n
	if n.Kind() == strictyaml.Mapping {
		f := n.Map()
		name = f.Req("window")
		for _, key := range [...]struct {
			name string
			into **Reaction
		}{{"out_of_tolerance", &a.OutOfTolerance}, {"not_good", &a.NotGood}} {
			if v, ok := f.Opt(key.name); ok {
				*key.into = reactionOf(v.OneOf("continue", Hold.String(), Abort.String(), HardAbort.String()))
			}
		}
		f.Done()
	}
	if w := r.useWindow(a, name, phase); w != nil {
		w.closed = name.Pos().Line
	}
}

// reactionOf is the reaction with a name, nil for continue.
func reactionOf(word string) *Reaction {
	for v := Hold; v <= HardAbort; v++ {
		if v.String() == word {
			return &v
		}
	}
	return nil
}

// timeRule reads how well time must be known when a phase begins, and what follows where it is not.
func (r *reader) timeRule(f *strictyaml.Fields, e *Element, block bool) {
	n, ok := f.Opt("time")
	switch {
	case !ok:
		return
	case block:
		n.Errorf("time belongs to a phase; %q is %s", e.ID, withArticle(e.Level))
		return
	}
	e.Time = &TimeRule{}
	f = n.Map()
	within, limited := f.Opt("within")
	state, named := f.Opt("state")
	if limited {
		e.Time.Within = r.time(within)
	}
	if named {
		e.Time.State = state.OneOf("PTP_LOCKED", "NTP_SYNC", "HOLDOVER", "RTC_ONLY")
	}
	if !limited && !named {
		n.Errorf("time of %q wants neither within nor state; write one of them, or both", e.ID)
	}
	word := f.Req("otherwise").OneOf(TimeHold.String(), TimeAbort.String(), TimeConfirm.String())
	for word != "" && e.Time.Otherwise.String() != word {
		e.Time.Otherwise++
	}
	f.Done()
}

// sameUnit holds an amount against the unit of a window's target.
func (r *reader) sameUnit(n strictyaml.Node, key string, a *Amount, target quantity.Unit) {
	q := r.nominal(a)
	if q.Unit != "" && target != "" && !q.Unit.Compatible(target) {
		n.Errorf("%s %q and the target, which is in %s, measure different things", key, q, target)
	}
}

// useWindow reads the name of a window that is open in this phase; nil where it is not.
func (r *reader) useWindow(a *Action, n strictyaml.Node, phase *Element) *window {
	a.Window = n.Ident()
	w := r.windows[a.Window]
	switch {
	case a.Window == "":
		return nil
	case w == nil:
		n.Errorf("window %q is not open; open_window must stand before, in the same phase", a.Window)
	case w.phase != phase:
		n.Errorf("window %q belongs to phase %q; a window is used and closed in the phase that opens it", a.Window, w.phase.ID)
	case w.closed != 0:
		n.Errorf("window %q is closed already, in line %d", a.Window, w.closed)
	default:
		return w
	}
	return nil
}

// closed reports the windows that a phase opens and does not close.
func (r *reader) closed(phase *Element) {
	for i := range phase.Actions {
		a := &phase.Actions[i]
		if w := r.windows[a.Window]; a.Kind == OpenWindow && w != nil && w.phase == phase && w.closed == 0 {
			a.Node.Errorf("window %q is never closed; phase %q must end with close_window: %s", a.Window, phase.ID, a.Window)
		}
	}
}
