// What somebody orders who takes a random program into his own hands, and what random programs have met.

package sequencer

import (
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// directs gives an order of somebody who takes the sequence into his own hands: to what waits for him, and now and then to anything.
func (w *world) directs() (ev Event, ok bool) {
	p, n := w.r.w.Elems, len(w.r.w.Elems)
	if !w.hand || w.IntN(4) > 0 {
		return ev, false
	}
	ev = Event{Kind: Told, Command: Automatic + Command(w.IntN(6)), Elem: w.IntN(n), Target: w.IntN(n)}
	if w.IntN(6) == 0 { // where a block begins
		for w.r.w.Elems[ev.Elem].Phase && ev.Elem > 0 {
			ev.Elem--
		}
		ev.Command = Manual
		return ev, true
	}
	for _, q := range members(&w.r.m.active) {
		if m := w.r.m.Mode(q); m == AutomaticMode && w.IntN(4) > 0 {
			continue
		}
		switch w.IntN(4) {
		case 0: // a child of the block in which it waits
			ev.Command, ev.Elem = GoTo, p[q].Parent
			for c := p[q].Parent + 1; p[q].Parent >= 0 && c < p[p[q].Parent].End && w.IntN(3) > 0; c = p[c].End {
				ev.Target = c
			}
			return ev, p[q].Parent >= 0
		case 1:
			ev.Command, ev.Elem = Release, q
			return ev, true
		case 2:
			if w.IntN(2) == 0 {
				ev.Command, ev.Elem = Force, q
				return ev, true
			}
		}
	}
	return ev, w.IntN(3) == 0
}

// count counts which constructs have come to their ends.
func (w *world) count(fx []Effect, met map[string]int) {
	if w.r.watch.unread {
		met["trip unread"]++
	}
	if w.r.watch.stands {
		met["trip stands"]++
	}
	for i := range fx {
		switch e := &fx[i]; {
		case e.Kind == ActionEnded && e.Reason != "":
			met[e.Reason]++
		case e.Kind == ActionEnded:
			met[w.r.w.Actions[e.Action].Kind.String()]++
		case e.Kind == ActionStarted && w.r.w.Actions[e.Action].Kind == recipe.Step:
			met["step"]++
		case e.Kind == ModeChanged:
			met[Mode(e.Value).String()]++
		case e.Kind == ActionReady:
			met["ready"]++
		case e.Kind == RequestResource || e.Kind == ActionWaits || e.Kind == ReleaseResource:
			met[map[EffectKind]string{RequestResource: "asked", ActionWaits: "queued", ReleaseResource: "given back"}[e.Kind]]++
			if e.Reason == "no longer wanted" || e.Result == Refused {
				met[e.Reason]++
			}
		case e.Kind == StepChanged && (e.Edge == EdgeRound || e.Edge == EdgeTransfer || e.Edge == EdgeGoTo || e.Edge == EdgeRetry && e.Tries > 0):
			met[e.Edge.String()]++
		case e.Kind == TripChanged:
			met["trip "+e.Trip.String()]++
		case e.Kind == Diagnosed:
			met[e.Command.String()]++
		case e.Kind == StepChanged && w.r.w.Elems[e.Elem].Logic && e.To != Running:
			met[map[bool]string{true: "logic done", false: "logic not done"}[e.To == Complete]]++
		}
	}
}

// time lets how well time is known matter, now and then.
func (g *grower) time(b *block) {
	if g.IntN(8) == 0 {
		b.time = &Action{Kind: recipe.Time, React: []Command{Hold, Abort, NoCommand, NoCommand}[g.IntN(4)], Limit: "time not known"}
		b.time.State, b.time.For = timebase.Sync(g.IntN(5)), g.Int64N(3)*second
	}
}

func (g *grower) reaction() Command {
	return []Command{NoCommand, Hold, Hold, Abort, HardAbort}[g.IntN(5)]
}

func (g *grower) jog(t *todo, window int) {
	o := g.IntN(g.outs)
	t.Window, t.Short, t.AtMost, t.For, t.Settle = window, g.Int64N(3), 1+g.IntN(4), 1+g.Int64N(second), 1+g.Int64N(second)
	t.sets = []Set{{Output: o, Value: g.w.Outputs[o].Safe + 1 + g.Int64N(2), Jog: true}}
}

// totals makes an action that waits for the total of a window, or closes it.
func (g *grower) totals(t *todo, window *int) {
	t.Window, t.Short = *window, g.Int64N(3)
	if t.Kind != recipe.CloseWindow {
		return
	}
	if *window = -1; g.IntN(2) == 0 {
		t.React, t.NotGood = g.reaction(), g.reaction()
	}
}
