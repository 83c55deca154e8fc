// Random programs under random events.

package sequencer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// grower makes random programs.
type grower struct {
	*rand.Rand
	w      *wired
	n      int
	faulty bool // outputs have policies for faults

	sharing bool // much is done with equipment that batches share, and outputs are parts of it
	rounds  int  // repeats around what is being made
	outs    int  // outputs that may be set: not the one that requests a trip
}

func (g *grower) program() *wired {
	g.w = &wired{}
	trips := g.IntN(2) == 0
	for i := range 1 + g.IntN(4) {
		g.w.output(fmt.Sprintf("Y%d", i), int64(g.IntN(3)-1))
	}
	g.w.owners = map[string]int{"R1": 1 + g.IntN(3)}
	g.w.shared = map[string]bool{"R0": g.IntN(3) == 0, "R2": g.IntN(4) > 0}
	if trips {
		g.w.output("TRIP", int64(g.IntN(3)-1))
	}
	for i := range 3 {
		g.w.tag(fmt.Sprintf("X%d", i))
	}
	if g.outs = len(g.w.Outputs); trips {
		g.w.Trip = &Trip{Output: g.outs - 1, Value: 5, Within: (1 + g.Int64N(8)) * second / 4}
		if g.outs--; g.IntN(2) == 0 {
			g.w.Trip.Confirm = g.cond()
		}
	}
	g.interlocks()
	if g.faulty {
		g.faults()
	}
	w := g.w.procedure(g.block(0))
	if g.sharing {
		g.parts()
	}
	if g.IntN(2) == 0 {
		w.FailureLevel = recipe.Level(g.IntN(4))
	}
	return w
}

func (g *grower) block(depth int) *block {
	g.n++
	b := &block{name: fmt.Sprintf("E%d", g.n), level: min(recipe.Level(depth), recipe.Operation)}
	b.timeout = (1 + g.Int64N(40)) * second / 2
	b.reaction, b.recovery = []recipe.Reaction{recipe.Hold, recipe.Hold, recipe.Abort, recipe.HardAbort}[g.IntN(4)], recipe.Recovery(g.IntN(5))
	if b.reaction == recipe.HardAbort && g.IntN(2) == 0 { // else few get far
		b.reaction = recipe.Hold
	}
	if b.retry = max(g.IntN(8)-4, 0); b.retry > 0 { // so that it comes to that
		b.timeout = (1 + g.Int64N(6)) * second / 2
	}
	if g.IntN(8) == 0 {
		b.entry = g.cond()
	}
	if g.IntN(8) == 0 {
		b.exit = g.cond()
	}
	for r := range 3 {
		if g.IntN(10) == 0 || g.sharing && g.IntN(6) == 0 {
			b.uses = append(b.uses, fmt.Sprintf("R%d", r))
		}
	}
	if depth == 3 || depth > 0 && g.IntN(2) == 0 || g.IntN(12) == 0 {
		g.phase(b)
		return b
	}
	b.kind = recipe.Sequence + recipe.Block(g.IntN(4))
	if b.kind == recipe.Repeat {
		g.rounds++
		defer func() { g.rounds-- }()
		b.atMost, b.onLimit = 1+g.IntN(4), recipe.Limit(g.IntN(3))
		if g.IntN(3) > 0 {
			b.until = g.cond()
		}
	}
	for i := range 1 + g.IntN(3) {
		c := g.block(depth + 1)
		if b.kind == recipe.Select && (i == 0 || g.IntN(2) == 0) {
			c.when = g.cond()
		}
		if g.IntN(3) == 0 {
			c.equipment = "Q"
		}
		b.below = append(b.below, c)
		if b.kind == recipe.Select && c.when == nil {
			break
		}
	}
	return b
}

// cond makes a condition, now and then one that remembers.
func (g *grower) cond() cond.Cond {
	x := fmt.Sprintf("X%d", g.IntN(3))
	text := []string{x + " >= 3", "X0 < 4 or X1 > 2", "stable(" + x + ", 2, 1 s)", "elapsed(1 s) and " + x + " < 5",
		"2 of (X0 > 1, X1 > 1, stable(X2, 3, 500 ms))", "elapsed(2 s)"}[g.IntN(6)]
	c, err := g.w.cond(text)
	if err != nil {
		panic(err)
	}
	return c
}

// logic makes the logic of a phase.
func (g *grower) logic() *block {
	l := &block{timeout: (1 + g.Int64N(20)) * second / 4}
	for range 1 + g.IntN(3) {
		t := todo{Action: Action{Reason: "because", Kind: []recipe.ActionKind{recipe.Set, recipe.Set, recipe.Wait, recipe.Delay,
			recipe.Mark}[g.IntN(5)]}}
		switch t.Kind {
		case recipe.Set:
			t.sets = []Set{{Output: g.IntN(g.outs), Value: int64(g.IntN(7) - 3)}}
		case recipe.Wait:
			t.Cond = g.cond()
		case recipe.Delay:
			t.For = 1 + g.Int64N(second)
		}
		l.todo = append(l.todo, t)
	}
	return l
}

func (g *grower) phase(b *block) {
	b.level = recipe.Phase
	if b.retry == 0 && g.IntN(3) == 0 {
		b.timeout = 0
	}
	for t := range b.logic {
		if g.IntN(6) == 0 {
			b.logic[t] = g.logic()
		}
	}
	g.time(b)
	window := -1
	defer func() {
		if window >= 0 && b.recovery == recipe.RecoverRepeat { // as recipe.Parse refuses it
			b.recovery = recipe.RecoverResume
		}
		if slices.ContainsFunc(b.todo, func(t todo) bool { return t.Kind == recipe.OpenWindow || t.line != "" }) {
			b.retry = 0 // that, too
		}
	}()
	for range 1 + g.IntN(6) {
		t := todo{Action: Action{Reason: "because"}}
		switch t.Kind = recipe.Set + recipe.ActionKind(g.IntN(14)); t.Kind {
		case recipe.Set:
			for range 1 + g.IntN(2) {
				t.sets = append(t.sets, Set{Output: g.IntN(g.outs), Value: int64(g.IntN(7) - 3)})
			}
			if len(t.sets) == 2 && t.sets[0].Output == t.sets[1].Output {
				t.sets = t.sets[1:]
			}
		case recipe.Wait:
			if t.Cond = atLeast(g.input(), int64(g.IntN(6))); g.IntN(2) == 0 {
				t.Cond = g.cond()
			}
		case recipe.Sync, recipe.Send, recipe.Receive:
			if t.Kind != recipe.Send && g.IntN(2) == 0 { // else nothing gets far
				continue
			}
			t.line = fmt.Sprintf("L%d", g.IntN(2))
		case recipe.Delay:
			t.For = 1 + g.Int64N(5*second)
		case recipe.OpenWindow:
			if window >= 0 || g.rounds > 0 { // as recipe.Parse refuses it
				continue
			}
			window = g.w.window("W", 5+g.Int64N(10))
			t.Window = window
		case recipe.CloseWindow, recipe.WaitTotal:
			if window < 0 {
				continue
			}
			g.totals(&t, &window)
		case recipe.Jog:
			if window < 0 {
				continue
			}
			g.jog(&t, window)
		case recipe.VerifyStable:
			t.Tag, t.Within, t.For = g.input(), 1+g.Int64N(2), 1+g.Int64N(3*second)
		}
		b.todo = append(b.todo, t)
	}
	if len(b.todo) == 0 {
		b.todo = []todo{{Action: Action{Kind: recipe.Mark}}}
	}
	if window >= 0 {
		b.todo = append(b.todo, todo{Action: Action{Kind: recipe.CloseWindow, Window: window}})
	}
}

func (g *grower) input() tag.ID { return tag.ID(len(g.w.Outputs) + g.IntN(3)) }

// mood says how the world behaves in one run.
type mood struct {
	silent, failing int // percent of writes that are never answered, or not confirmed
	commands        int // percent of events
	nonsense        int // percent of events
	changes         int // percent of events before which some constants become others
}

// world feeds a rig with random events.
type world struct {
	also func() error // after each event
	*rand.Rand
	mood
	r    *rig
	hand bool    // somebody takes it into his own hands
	open []Event // answers that are to come, with their times in At
	due  []int64
	seen []string
	had  map[uint32]EventKind // by request: what the arbiter said last
}

// show remembers what there is to answer.
func (w *world) show(ev *Event, fx []Effect) {
	w.seen = append(w.seen, fmt.Sprintf("%s %+v -> %+v", seconds(w.r.now), *ev, fx))
	for i := range fx {
		e := &fx[i]
		answer := Event{ID: e.ID, OK: w.IntN(100) >= w.failing}
		switch e.Kind {
		case Write:
			answer.Kind = Done
			w.r.plant.lies[e.Output] = w.IntN(100) < 3
		case RequestResource:
			w.rule(e.ID)
			continue
		case ReleaseResource:
			delete(w.had, e.ID)
			continue
		case Ask:
			answer.Kind = Answered
		case RequestAction:
			answer.Kind = Finished
		case CancelAction: // it may have ended well before it heard of that
			for k := range w.open {
				if w.open[k].Kind == Finished && w.open[k].ID == e.ID {
					w.open[k].OK = w.IntN(4) == 0
				}
			}
			continue
		default:
			continue
		}
		if w.IntN(100) >= w.silent {
			w.open, w.due = append(w.open, answer), append(w.due, w.r.now+w.Int64N(second/2))
		}
	}
}

// rule has the arbiter say something of a request, now and then of its place before that. What it has granted it grants again.
func (w *world) rule(id uint32) {
	later := func(k EventKind) {
		reason := [...]string{"the arbiter says no", "interlock 0"}[id%2] // the second may be the text of an interlock, too
		w.open = append(w.open, Event{Kind: k, ID: id, Reason: reason})
		w.due = append(w.due, w.r.now+w.Int64N(second))
	}
	if w.had == nil {
		w.had = map[uint32]EventKind{}
	}
	if w.had[id] == 0 && w.IntN(100) < 2*w.failing+10 {
		later(ResourceRefused)
		return
	}
	if w.IntN(2) == 0 {
		later(ResourceQueue)
	}
	if w.IntN(100) >= w.silent {
		w.had[id] = ResourceGranted
		later(ResourceGranted)
	}
}

// answer gives one of the answers that are due.
func (w *world) answer() (ev Event, ok bool) {
	for i := range w.open {
		if w.due[i] > w.r.now {
			continue
		}
		ev = w.open[i]
		if w.IntN(20) > 0 { // some answers come twice
			w.open, w.due = append(w.open[:i], w.open[i+1:]...), append(w.due[:i], w.due[i+1:]...)
		}
		return ev, true
	}
	return ev, false
}

func (w *world) event() Event {
	n := len(w.r.w.Elems)
	if c := map[State]Command{Held: Restart, Paused: Resume}[w.r.m.State(0)]; c != NoCommand && w.IntN(4) == 0 {
		return Event{Kind: Told, Command: c} // somebody looks after it
	}
	if ev, ok := w.directs(); ok {
		return ev
	}
	if ev, ok := w.breaks(); ok {
		return ev
	}
	switch k := w.IntN(100); {
	case k < w.commands:
		ev := Event{Kind: Told, Command: Pause + Command(w.IntN(6))}
		if w.IntN(30) == 0 {
			ev.Command = HardAbort
		} else if w.IntN(2) == 0 {
			ev.Elem = w.IntN(n)
		}
		return ev
	case k < w.commands+w.nonsense:
		ev := Event{Kind: EventKind(w.IntN(14)), Command: Command(w.IntN(22)), Elem: w.IntN(n+4) - 2, Target: w.IntN(n+4) - 2, ID: uint32(w.IntN(6)),
			Window: w.IntN(5) - 2, OK: w.IntN(2) == 0}
		if ev.Kind == Done { // of a write that a deadline before it makes, nothing can be told yet
			ev.ID = min(ev.ID, w.r.m.r.Writes)
		}
		return ev
	}
	if ev, ok := w.answer(); ok {
		return ev
	}
	switch p := w.r.plant; w.IntN(4) {
	case 1:
		for i := range p.blocks {
			p.blocks[i], p.doubt = w.IntN(4) == 0, w.IntN(6) == 0
		}
	case 0:
		for i := range p.totals {
			p.totals[i].Value += w.Int64N(4)
			if p.totals[i].Source = tag.Good; w.IntN(20) == 0 {
				p.totals[i].Source = tag.Stale
			}
		}
		p.sync, p.bound = timebase.Sync(w.IntN(5)), w.Int64N(3)*second
	default:
		i := w.IntN(len(p.value))
		p.value[i] = int64(w.IntN(9) - 2)
		if p.quality[i] = tag.Good; w.IntN(10) == 0 {
			p.quality[i] = tag.Quality(w.IntN(2))
		}
		if w.r.touch = tag.ID(i); w.IntN(4) > 0 {
			return Event{Kind: Changed}
		}
	}
	return Event{Kind: Input}
}

// comesUp is a boot at which the output that requests a trip reads as before, or cannot be read, or reads that it does.
func (w *world) comesUp() Event {
	o := w.r.w.Outputs[w.r.w.Trip.Output].Tag
	switch w.IntN(3) {
	case 1:
		w.r.plant.quality[o] = tag.Bad
	case 2:
		w.r.plant.value[o], w.r.plant.quality[o] = w.r.w.Trip.Value, tag.Good
	}
	return Event{Kind: Boot}
}

// run lets a program of that seed live for a while and then brings it to its end.
func (w *world) run() error {
	if w.IntN(8) > 0 { // some shells forget it
		if err := w.r.take(1, Event{Kind: Boot}); err != nil {
			return err
		}
	}
	if w.hand && w.IntN(2) == 0 {
		if err := w.r.take(1, Event{Kind: Told, Command: Automatic + Command(w.IntN(3)), Elem: w.IntN(len(w.r.w.Elems))}); err != nil {
			return err
		}
	}
	if err := w.r.take(1, Event{Kind: Told, Command: Start}); err != nil {
		return err
	}
	for range 150 {
		to := w.r.now + w.Int64N(second/2)
		if w.IntN(10) > 0 { // now and then a deadline is overslept
			if err := w.r.ticks(to); err != nil {
				return err
			}
		}
		w.r.now = to
		if w.IntN(8) == 0 {
			if err := w.r.refork(); err != nil {
				return err
			}
		}
		if w.IntN(100) < w.changes {
			if err := w.change(); err != nil {
				return err
			}
		}
		if w.r.w.Trip != nil && w.IntN(50) == 0 {
			if err := w.r.take(to, w.comesUp()); err != nil {
				return err
			}
		}
		if err := w.r.take(to, w.event()); err != nil {
			return err
		}
		if w.also == nil {
			continue
		}
		if err := w.also(); err != nil {
			return err
		}
	}
	return w.end()
}

// end aborts the batch. Whatever the device does, the run ends in time.
func (w *world) end() error {
	if err := w.r.take(w.r.now, Event{Kind: Told, Command: []Command{Abort, HardAbort}[w.IntN(2)]}); err != nil {
		return err
	}
	for last := w.r.now + 3*Transient; w.r.now < last && !w.r.m.Ended(); w.r.now += second / 4 {
		if ev, ok := w.answer(); ok && w.silent < 100 {
			if err := w.r.take(w.r.now, ev); err != nil {
				return err
			}
		}
		if err := w.r.ticks(w.r.now); err != nil {
			return err
		}
	}
	if !w.r.m.Ended() {
		return fmt.Errorf("the run does not end: %s", w.r.m.State(0))
	}
	for c := range orderCount {
		if err := w.r.take(w.r.now, Event{Kind: Told, Command: c}); err != nil {
			return err
		}
	}
	return w.r.take(w.r.now, Event{Kind: Boot})
}

func TestRandomProgramsKeepTheRulesUnderRandomEvents(t *testing.T) {
	seeds := uint64(500)
	if os.Getenv("BATCHKIT_LONG") == "1" {
		seeds = 20_000
	}
	ends, met := map[State]int{}, map[string]int{}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 0))
		g := grower{Rand: rnd, faulty: seed >= seeds*4/5}
		w := &world{Rand: rnd, r: newRig(g.program()), hand: seed/6%2 == 1, mood: []mood{{0, 0, 2, 0, 0}, {0, 5, 10, 2, 5}, {5, 10, 10, 5, 0},
			{30, 30, 20, 10, 10}, {100, 0, 10, 5, 2}, {0, 100, 10, 5, 5}}[seed%6]}
		if w.hand && seed%6 > 2 { // where little fails there is more to direct
			w.mood = mood{0, int(seed % 2), 1, 0, 0}
		}
		w.r.show = func(ev *Event, fx []Effect) {
			w.show(ev, fx)
			w.count(fx, met)
		}
		if err := w.run(); err != nil {
			for _, line := range w.seen[max(len(w.seen)-25, 0):] {
				t.Log(line)
			}
			require.NoError(t, err, "seed %d, %d elements", seed, len(w.r.w.Elems))
		}
		ends[w.r.m.State(0)]++
	}
	t.Logf("%d runs ended %v; they met %v", seeds, ends, met)
	for _, what := range []string{"set", "wait", "sync", "send", "receive", "select", "until", "uses", "round", "transfer", "logic done", "logic not done",
		"automatic", "semi_automatic", "manual", "step", "ready", "released", "go_to", "forced",
		"the total is still short", "the total is not short", "time is known well enough", "let begin by a restart", "let begin by an answer",
		"asked", "queued", "given back", "no longer wanted", "retry", "abort", "hard_abort", "trip requested", "trip confirmed", "trip not_confirmed", "trip unread", "trip stands"} {
		require.NotZero(t, met[what], "the worlds are such that everything is met: %v", met)
	}
	require.True(t, seeds < 10_000 || met[unconfirmed] > 0, "something is kept for want of a safe output: %v", met)
	for _, s := range []State{Complete, Stopped, Aborted} {
		require.NotZero(t, ends[s], "the worlds are such that every end is met: %v", ends)
	}
}
