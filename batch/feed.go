// Feeding to a target: what runs in after a valve closes is learnt from one batch to the next, and a window is judged.

package batch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// InFlight is what was learnt of what runs in after the valve of a window closes: how far before its target the wait for its total ends.
// It belongs to a recipe, whatever its version, a meter and a window.
type InFlight struct {
	Recipe  string
	Window  string
	Meter   string            // name of the meter on the I/O map
	Value   quantity.Quantity // in the unit of the meter
	Version int64             // how often it was learnt, from 1 on
	Batch   string            // where it was learnt last
	Seq     uint64            // number of the record there
}

// MaxInFlightVersion is the greatest version of a learnt value that is taken: who learnt once a second for a million years has fewer.
const MaxInFlightVersion = 1 << 50

// MaxInFlight is how many of these a batch may be bound with.
const MaxInFlight = 4096

// InFlightError says that what was learnt lies outside the limits of the recipe. Whoever keeps it may bind without it: the window begins
// anew with the first value of the recipe.
type InFlightError struct {
	InFlight
	Why string
}

// Error says which limit is broken and what to do.
func (e *InFlightError) Error() string {
	return fmt.Sprintf("batch: in-flight value %s: %s; widen the limits of the recipe, or bind without it to begin anew", e.InFlight, e.Why)
}

// String says it in the words that batch_created holds.
func (i InFlight) String() string {
	return fmt.Sprintf("window %s, meter %s, %s, version %d, learnt in %s at %d", i.Window, i.Meter, i.Value, i.Version, i.Batch, i.Seq)
}

// ReadInFlight is the inverse of String for a recipe; ok is false for any other text.
func ReadInFlight(recipe, words string) (i InFlight, ok bool) {
	part := strings.Split(words, ", ")
	if len(part) != 5 {
		return InFlight{}, false
	}
	i.Recipe = recipe
	i.Window, _ = strings.CutPrefix(part[0], "window ")
	i.Meter, _ = strings.CutPrefix(part[1], "meter ")
	i.Value, _ = quantity.Parse(part[2])
	version, _ := strings.CutPrefix(part[3], "version ")
	i.Version, _ = strconv.ParseInt(version, 10, 64)
	learnt, _ := strings.CutPrefix(part[4], "learnt in ")
	batch, seq, _ := strings.Cut(learnt, " at ")
	i.Batch = batch
	i.Seq, _ = strconv.ParseUint(seq, 10, 64)
	return i, i.check() == "" && i.String() == words
}

// check says what is wrong with it by itself.
func (i *InFlight) check() string {
	switch {
	case !isName(i.Window):
		return "the name of a window is wanted"
	case len(i.Meter) > 256 || !cond.IsName(i.Meter):
		return "the name of a meter is wanted"
	case i.Value.Unit == "":
		return "a value with its unit is wanted"
	case i.Version < 1 || i.Version > MaxInFlightVersion:
		return fmt.Sprintf("a version from 1 to %d is wanted", int64(MaxInFlightVersion))
	case !isName(i.Batch) || i.Seq == 0:
		return "the batch and the record where it was learnt are wanted"
	}
	return ""
}

// history holds what a batch is to be bound with against the recipe, as far as that can be done without its windows.
func (p *Plan) history(list []InFlight) error {
	if len(list) > MaxInFlight {
		return fmt.Errorf("batch: %d in-flight values: %d at most can be taken; hand over the newest of each window and meter", len(list), MaxInFlight)
	}
	for k := range list {
		i := &list[k]
		if why := i.check(); why != "" {
			return fmt.Errorf("batch: in-flight value %d, %.200s: %s", k+1, i, why)
		}
		if i.Recipe != p.Recipe.ID {
			return fmt.Errorf("batch: in-flight value %d, %s: it belongs to recipe %.64q, and this is %s", k+1, i, i.Recipe, p.Recipe.ID)
		}
		if slices.ContainsFunc(list[:k], func(o InFlight) bool { return o.Window == i.Window && o.Meter == i.Meter }) {
			return fmt.Errorf("batch: in-flight value %d, %s: there is another one of that window and meter; hand over the newest only", k+1, i)
		}
	}
	return nil
}

// history writes what the batch works with of what was learnt.
func (m *Machine) history() {
	if len(m.b.InFlight) == 0 {
		return
	}
	words := make([]string, len(m.b.InFlight))
	for i := range words {
		words[i] = m.b.InFlight[i].String()
	}
	m.body.Texts(record.InFlight, words)
}

// learning is what a program knows of a window that learns, in counts of its meter's resolution.
type learning struct {
	on       bool
	action   int // that waits for the total
	min, max int64
	share    int64 // of recipe.LearnParts
	value    int64 // with which this batch works
	version  int64 // of that; 0: the first value of the recipe
}

// learn reads how a window learns, and takes what was learnt before.
func (c *compiler) learn(a *recipe.Action, s *sequencer.Action) {
	w := &c.out.wins[s.Window]
	res := w.meter.Resolution
	l := learning{on: true, action: len(c.out.seq.Actions), value: s.Short}
	l.min, l.max = c.atLeast(0, "min", &a.Learn.Min, res), c.atLeast(1, "max", &a.Learn.Max, res)
	l.share, _ = a.Learn.Parts()
	if l.min > l.max {
		c.report(a.Node, "learn: max %q is below min %q", c.amount(&a.Learn.Max), c.amount(&a.Learn.Min))
	} else if s.Short < l.min || s.Short > l.max {
		c.report(a.Node, "short_by %q, the first value, lies outside the limits of learn, %q to %q", c.amount(&a.ShortBy),
			c.amount(&a.Learn.Min), c.amount(&a.Learn.Max))
	}
	for k := range c.inFlight {
		if i := &c.inFlight[k]; i.Window == a.Window && i.Meter == w.meter.Name {
			l.value, l.version = c.learnt(a, i, &l, res), i.Version
			s.Short = l.value
			s.Reason = "total " + a.Window + " within " + i.Value.String() + " of its target, learnt, version " + strconv.FormatInt(i.Version, 10)
			c.taken = append(c.taken, *i)
		}
	}
	w.learn = l
}

// learnt is the value that was learnt, held against the limits of the recipe.
func (c *compiler) learnt(a *recipe.Action, i *InFlight, l *learning, res quantity.Quantity) int64 {
	v, err := i.Value.Counts(res)
	why := ""
	switch {
	case err != nil:
		why = strings.TrimPrefix(err.Error(), "quantity: ")
	case v < l.min:
		why = fmt.Sprintf("it is below min %q", c.amount(&a.Learn.Min))
	case v > l.max:
		why = fmt.Sprintf("it is above max %q", c.amount(&a.Learn.Max))
	}
	if why != "" {
		c.outside = &InFlightError{*i, why}
		c.report(a.Node, "in-flight value %s: %s", i, why)
	}
	return v
}

// jogs compiles a jog.
func (c *compiler) jogs(a *recipe.Action, s *sequencer.Action) {
	for k := range a.Settings {
		c.set(&a.Settings[k])
	}
	s.Count = len(c.out.seq.Sets) - s.First
	for k := s.First; k < len(c.out.seq.Sets); k++ {
		set := &c.out.seq.Sets[k]
		if set.Jog = true; set.Value == c.out.seq.Outputs[set.Output].Safe {
			c.report(c.setBy[k], "this is the safe value of %s, to which a jog returns; set another", c.plan.Map.Tags[c.out.outputs[set.Output]].Name)
		}
	}
	s.Window, s.For, s.Settle, s.AtMost = c.named[a.Window], c.duration(&a.For), c.duration(&a.Settle), a.AtMost
	if s.Window < len(c.out.windows) {
		s.Short = c.out.windows[s.Window].Tolerance
	}
	s.Reason = fmt.Sprintf("total %s no more than its tolerance below its target, or %d jogs", a.Window, a.AtMost)
}

// reacts gives the command that a reaction stands for.
func reacts(r *recipe.Reaction) sequencer.Command {
	if r == nil {
		return sequencer.NoCommand
	}
	return [...]sequencer.Command{recipe.Hold: sequencer.Hold, recipe.Abort: sequencer.Abort, recipe.HardAbort: sequencer.HardAbort}[min(*r,
		recipe.HardAbort)]
}

// feedState is what is remembered of a window that feeds, of fixed size.
type feedState struct {
	Bound   int64  // of the wall clock's error when it opened, ns; 0: not known
	Jog     uint64 // record of the first write of its first jog, 0 before it
	Settled int64  // total before that, counts
	Samples int64  // samples before that
	Flowing bool   // something flowed then
	Done    bool   // it was looked at what could be learnt
	Value   int64  // learnt, counts
	Version int64
	Seq     uint64 // record of that; 0: nothing was learnt
}

// late tells whether a bound of the wall clock's error is greater than a window wants; one that is not known is.
func (w *window) late(bound int64) bool { return w.within > 0 && (bound == 0 || bound > w.within) }

// tolerance is the one by which a window is judged that closes now, and why, "" where time does not matter.
func (m *Machine) tolerance(n int) (tolerance int64, why string) {
	w := &m.form.prog.wins[n]
	tolerance = m.form.prog.windows[n].Tolerance
	if w.within == 0 {
		return tolerance, ""
	}
	switch opening, closing := w.late(m.feeds[n].Bound), w.late(m.stamp.Bound); {
	case opening && closing:
		return w.cautious, "worse at both edges"
	case opening:
		return w.cautious, "worse at opening"
	case closing:
		return w.cautious, "worse at closing"
	}
	return tolerance, "within"
}

// jogged notes what a window had come to before its first jog.
func (m *Machine) jogged(e *sequencer.Effect) {
	w := m.form.prog.seq.Actions[e.Action].Window
	if f := &m.feeds[w]; f.Jog == 0 {
		t := m.met.Total(w)
		f.Jog, f.Settled, f.Samples, f.Flowing = m.next, t.Value, t.Samples, m.met.Flows(w, m.at)
	}
}

// judged tells the sequencer how a window was judged that it has closed.
func (m *Machine) judged(e *sequencer.Effect, t *metering.Total, verdict string, tolerance int64) {
	if !m.form.prog.seq.Actions[e.Action].Judged() {
		return
	}
	w := &m.form.prog.wins[e.Window]
	ev := sequencer.Event{Kind: sequencer.WindowClosed, Window: e.Window}
	switch verdict {
	case "OUT_OF_TOLERANCE":
		ev.Verdict = sequencer.OutOfTolerance
	case "NOT_GOOD":
		ev.Verdict = sequencer.NotGood
	}
	if ev.Verdict != sequencer.Passed {
		ev.Reason = fmt.Sprintf("window %s is %s: total %s, target %s, tolerance %s", w.id, verdict,
			amountOf(t.Value, w.meter.Resolution), amountOf(m.form.prog.windows[e.Window].Target, w.meter.Resolution),
			amountOf(tolerance, w.meter.Resolution))
	}
	m.tell(ev)
}

// learn records what is learnt from a window that has closed at its end, or why nothing is.
func (m *Machine) learn(e *sequencer.Effect, t *metering.Total, fx []Effect) []Effect {
	w, f := &m.form.prog.wins[e.Window], &m.feeds[e.Window]
	l, target := &w.learn, m.form.prog.windows[e.Window].Target
	if !l.on || f.Done || e.Reason != "end" {
		return fx
	}
	if f.Done = true; f.Jog == 0 {
		f.Settled, f.Samples, f.Flowing = t.Value, t.Samples, t.FlowAtEnd
	}
	off, ok := minus(f.Settled, target)
	value, result, why := l.value, "not_learnt", ""
	switch {
	case t.Quality != tag.Good:
		why = "the total is not GOOD"
	case f.Flowing && f.Jog != 0:
		why = "something flowed before its first jog"
	case f.Flowing:
		why = "something flowed when it closed"
	case !ok || off > l.max-l.min || off < l.min-l.max:
		why = "the error is greater than max less min: something else than what runs in"
	default:
		value, result = l.next(off)
	}
	version := l.version
	if why == "" {
		version++
		f.Value, f.Version, f.Seq = value, version, m.next
	}
	res := w.meter.Resolution
	m.begin(record.KindInFlight)
	m.step(e)
	m.body.Text(record.ActionID, m.form.prog.actions[l.action].id)
	m.body.Text(record.MeterWindowID, w.id)
	m.body.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	m.body.Text(record.Unit, string(res.Unit))
	m.decimal(record.Target, target, res)
	m.decimal(record.SettledTotal, f.Settled, res)
	m.body.Count(record.Samples, uint64(f.Samples))
	if ok {
		m.decimal(record.Delta, off, res)
	} else {
		m.body.Text(record.Delta, record.Overflow)
	}
	m.decimal(record.OldValue, l.value, res)
	m.decimal(record.NewValue, value, res)
	m.decimal(record.MinValue, l.min, res)
	m.decimal(record.MaxValue, l.max, res)
	m.body.Text(record.LearnShare, shareWords(l.share))
	m.body.Text(record.FromVersion, strconv.FormatInt(l.version, 10))
	m.body.Text(record.ToVersion, strconv.FormatInt(version, 10))
	m.body.Text(record.Result, result)
	if why != "" {
		m.body.Text(record.Detail, why)
	}
	m.causes(m.refs.Windows[e.Window], f.Jog)
	return m.put(fx)
}

// next is the value with a share of an error added, rounded half to even, and kept within the limits.
func (l *learning) next(off int64) (value int64, result string) {
	more, _ := quantity.MulDivRound(off, l.share, recipe.LearnParts) // it is no greater than the error
	switch room := l.max - l.value; {
	case more > room:
		return l.max, "limited"
	case more < l.min-l.value:
		return l.min, "limited"
	}
	return l.value + more, "learnt"
}

// shareWords is a share of recipe.LearnParts in per cent.
func shareWords(share int64) string {
	return string(quantity.AppendDecimal(nil, share, 2)) + " %"
}

// minus is a less b; false where 64 bits do not hold it.
func minus(a, b int64) (int64, bool) {
	d := a - b
	return d, (d < a) == (b > 0)
}

// Learnt returns what this batch has learnt so far of what runs in, in the order of the windows in the recipe. Whoever binds the next batch
// of the recipe hands it over.
func (m *Machine) Learnt() (list []InFlight) {
	for n := range m.feeds {
		f, w := &m.feeds[n], &m.form.prog.wins[n]
		if q, ok := quantity.FromCounts(f.Value, w.meter.Resolution); f.Seq != 0 && ok {
			list = append(list, InFlight{Recipe: m.b.Plan.Recipe.ID, Window: w.id, Meter: w.meter.Name, Value: q, Version: f.Version, Batch: m.b.ID, Seq: f.Seq})
		}
	}
	return list
}
