// A batch that is cut short after every record of its journal, and what must come of it.

package batchtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
)

// WantReplay wants every decision of the run to be decided again from its records, byte for byte, and the controller to come up again
// wherever it is cut short. So the run is repeated with a cut after each record of its journal, also between the decisions of one input,
// and on both sides of what a commit lets go:
//
//   - once the process dies and is back at once: outputs stay as they are, what was on its way to the journal or a device is gone;
//   - once the power is cut for 2 s, where the plant is Powered: outputs drop, the process goes on, the clock begins anew. That is
//     done after every fourth record; with BATCHKIT_LONG=1 after every one.
//
// What was to happen later happens later by that time, and who gave a command of which the journal holds nothing gives it again. Each time all
// records, those before the cut and those after it, must replay, and one of two things must have come of it:
//
//   - It has gone on as if nothing had been. Then the batch comes to the same state; in each branch (the elements in which nothing
//     runs at once) steps come to the same states, set the same outputs to the same values, run out of time and note the same, in
//     the same order; and the same windows close with the same verdict, but for those that were open at the cut, which end NOT_GOOD
//     where they end at all. After a cut of the power, in which time goes by, and where a phase begins anew by its recovery rule, the
//     way there may be another one: then state and windows alone are compared.
//   - It was held or aborted by a rule, and the record says by which: the recovery rule of a phase that ran, an output that does not
//     read back, an OEM action under way, a meter that is not GOOD as it comes up. If it then rests a person restarts it, up to three times while
//     that is refused, and it must come to its end, or to rest again. A window that passes or is out of tolerance uncut and closes is
//     so here too, unless it is NOT_GOOD, and where it ends with its outputs safe uncut, it does here. The rest is not compared.
//
// Times are not compared: some milliseconds of inputs are lost in a cut, so an outcome that hangs on one of them, such as a command At
// a time that a step just reaches, may differ and is then told. Say During a step, and After, what shall happen to it.
//
// The records before the boot of a new batch are not cut apart: they reach the disk in one commit.
func (r *Trial) WantReplay() {
	r.t.Helper()
	c, err := r.done("WantReplay").cuts(long())
	if err != nil {
		r.t.Errorf("batchtest: seed %d: %v", r.b.Seed, err)
		return
	}
	r.t.Logf("batchtest: %s", c)
}

// tally counts what cuts came to.
type tally struct {
	records, cuts, alike, ruled int
}

// String says it in a line.
func (c *tally) String() string {
	return fmt.Sprintf("%d records replayed; cut short %d times: %d went on as uncut, %d were held or aborted by a rule",
		c.records, c.cuts, c.alike, c.ruled)
}

// cuts cuts the passage short everywhere. It ends with the first cut that came to what must not be.
func (p *passage) cuts(all bool) (*tally, error) {
	c := &tally{records: len(p.recs)}
	rp := p.b.Replay()
	for i := range p.marks {
		if p.marks[i].w == nil {
			return c, fmt.Errorf("the plant, a %T, cannot be copied, so the run cannot be cut short; let it be a Forker", p.w.Simulation)
		}
		for n := p.marks[i].from; n <= min(p.marks[i].upTo, uint64(len(p.recs))); n++ {
			if n > 0 && n < p.boot {
				continue
			}
			if err := p.follow(rp, n); err != nil {
				return c, err
			}
			if err := p.cutBoth(c, &p.marks[i], n, all); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// follow moves the spot to the last record up to n after which nothing is left to be decided.
func (p *passage) follow(rp *batch.Replay, n uint64) error {
	for ; p.read < n; p.read++ {
		rec := p.recs[p.read]
		if err := rp.Record(rec); err != nil {
			return err
		}
		if rec.Seq() >= p.boot && len(rp.Lacking()) == 0 && !rp.Machine.Ended() {
			p.spot = spot{rec.Seq(), rp.Machine.Checkpoint(nil, int64(rec.Count(record.TsMonoNS)))}
		}
	}
	return nil
}

// cutBoth cuts the passage short after record n, in both ways.
func (p *passage) cutBoth(c *tally, m *mark, n uint64, all bool) error {
	for _, dark := range [...]bool{false, true} {
		if _, ok := m.w.Simulation.(Powered); dark && (!ok || n%4 != 0 && !all) {
			continue
		}
		again := p.cutAt(m, n, dark)
		ruled, err := p.judge(again, n, dark)
		if err != nil {
			how := map[bool]string{false: "the process died", true: "the power was cut for 2 s"}[dark]
			return fmt.Errorf("after record %d, at %s, %s: %w\nwhat the journal held last:\n  %s\nwhat followed:\n  %s", n,
				clock(m.w.now-birth), how, err, strings.Join(p.told(p.recs[:n], -6), "\n  "), strings.Join(again.told(again.recs[n:], 30), "\n  "))
		}
		if c.cuts++; ruled {
			c.ruled++
		} else {
			c.alike++
		}
	}
	return nil
}

// cutAt lets the controller die at a mark, with n records on its disk, and the batch come to its end.
func (p *passage) cutAt(m *mark, n uint64, dark bool) *passage {
	again := &passage{r: p.r, b: p.b, w: m.w.fork(), clock: m.clock, recs: slices.Clone(p.recs[:n]), epoch: slices.Clone(p.epoch)}
	again.from = p.spot
	again.forget(n)
	again.w.durable, again.w.carer = n, 3
	c := cut{dark: dark}
	if dark {
		c.gone = 2 * second
	}
	for _, e := range slices.Backward(p.epoch) { // a boot that nobody has recorded is told of once more
		if e.first <= m.upTo {
			if e.first > n {
				c.cause = m.w.cause
			}
			break
		}
	}
	again.die(c)
	again.w.delay(c.gone)
	again.play()
	return again
}

// judge tells whether a passage that was cut short after record n was ruled to go another way, or what is wrong with it.
func (p *passage) judge(again *passage, n uint64, dark bool) (ruled bool, err error) {
	if again.fault != nil {
		return false, again.fault
	}
	why := again.rule(n)
	if why == "" {
		return false, p.alike(again, n, dark)
	}
	if again.ended == "limit" && p.ended != "limit" {
		return true, fmt.Errorf("it was held or aborted (%s), and is still %s when the time is up", why, again.state())
	}
	return true, p.spared(again, n)
}

// spared holds what a rule does not excuse after a cut against what followed without one: the verdict of a window that is not NOT_GOOD,
// and that the outputs end safe.
func (p *passage) spared(again *passage, n uint64) error {
	want, got := closed(p.recs[n:]), closed(again.recs[n:])
	for _, w := range windowNames(want, got) {
		if want[w] != got[w] && counts(want[w]) && counts(got[w]) {
			return fmt.Errorf("window %s is %s; uncut it is %s", w, got[w], want[w])
		}
	}
	if want, got := ending(p.recs), ending(again.recs); got != want && got != "" && want == "outputs_safe" {
		return fmt.Errorf("it ends %s; uncut it ends %s", got, want)
	}
	return nil
}

// counts tells whether a verdict is one on the total of a meter that was good.
func counts(verdict string) bool { return verdict == "PASS" || verdict == "OUT_OF_TOLERANCE" }

// ending is what the last batch_end says of the outputs, "" where there is none.
func ending(recs []*record.Record) string {
	for _, rec := range slices.Backward(recs) {
		if rec.Kind == record.KindBatchEnd {
			return rec.Text(record.Result)
		}
	}
	return ""
}

// rule is why a batch was held or aborted by the boot after a cut, as its records say it; "" where it was not.
func (p *passage) rule(n uint64) string {
	boot := uint64(0)
	for _, rec := range p.recs[n:] {
		if rec.Kind == record.KindRecovery && boot == 0 {
			boot = rec.Seq()
		}
		if boot > 0 && falls(rec, boot) {
			return rec.Text(record.Detail)
		}
	}
	return ""
}

// repeats tells whether the boot after a cut has let a phase begin anew.
func (p *passage) repeats(n uint64) bool {
	return slices.ContainsFunc(p.recs[n:], func(rec *record.Record) bool {
		return rec.Kind == record.KindStepState && rec.Text(record.StepState) == "retry" && rec.Text(record.Detail) == "recovery"
	})
}

// falls tells whether a record is that a step is held or aborted because of another record, with its reason.
func falls(rec *record.Record, cause uint64) bool {
	return rec.Kind == record.KindStepState && slices.Contains(rec.Counts(record.Cause), cause) && rec.Text(record.Detail) != "" &&
		slices.Contains([]string{"Holding", "Held", "Aborting", "Aborted"}, rec.Text(record.PhaseState))
}

// alike holds what followed a cut against what followed without one.
func (p *passage) alike(again *passage, n uint64, dark bool) error {
	if want, got := p.state(), again.state(); want != got {
		return fmt.Errorf("the batch is %s; uncut it is %s%s", got, want, again.why())
	}
	if dark || again.repeats(n) {
		return p.sameWindows(again, n)
	}
	want, got := p.branches(n), again.branches(n)
	for _, b := range p.branchNames() {
		i := 0
		for i < len(want[b]) && i < len(got[b]) && want[b][i] == got[b][i] {
			i++
		}
		if i < len(want[b]) || i < len(got[b]) {
			return fmt.Errorf("branch %s goes another way: %s; uncut: %s", b, next(got[b], i), next(want[b], i))
		}
	}
	return p.sameWindows(again, n)
}

func next(list []string, i int) string {
	before := "at first "
	if i > 0 {
		before = "after " + list[i-1] + ", "
	}
	if i < len(list) {
		return before + list[i]
	}
	return before + "nothing more"
}

// branches is what steps did after a record, in its order, by the branch in which they are.
func (p *passage) branches(n uint64) map[string][]string {
	of, out := p.r.branchOf(), map[string][]string{}
	for _, rec := range p.recs[n:] {
		text := rec.Text(record.StepID)
		stem, _, _ := strings.Cut(text, ".")
		branch, ok := of[text]
		if !ok {
			branch = of[stem]
		}
		switch {
		case rec.Kind == record.KindTimeout:
			text += " runs out of time"
		case rec.Kind == record.KindMarker:
			text += " notes " + rec.Text(record.Message)
		case rec.Kind == record.KindOutputWrite && text != "":
			text += fmt.Sprintf(" sets %s to %s", rec.Text(record.LogicalTag), values(rec)[record.Value.String()])
		case rec.Kind == record.KindStepState && rec.Text(record.StepState) == "round":
			text += fmt.Sprintf(" goes round again (%d)", rec.Int(record.Round))
		case rec.Kind == record.KindStepState && rec.Text(record.PhaseState) != rec.Text(record.OldValue):
			text += " is " + rec.Text(record.PhaseState)
		default:
			continue
		}
		out[branch] = append(out[branch], text)
	}
	return out
}

func (p *passage) branchNames() (names []string) {
	for _, b := range p.r.branchOf() {
		if !slices.Contains(names, b) {
			names = append(names, b)
		}
	}
	slices.Sort(names)
	return names
}

// sameWindows holds the windows that closed after a cut against those that closed without one.
func (p *passage) sameWindows(again *passage, n uint64) error {
	open := map[string]bool{}
	for i, rec := range again.recs { // as the boot finds them: what the last input before the cut decides is decided before it
		if i >= int(n) && rec.Kind == record.KindRecovery {
			break
		}
		switch rec.Kind {
		case record.KindWindowStart:
			open[rec.Text(record.MeterWindowID)] = true
		case record.KindWindowStop:
			delete(open, rec.Text(record.MeterWindowID))
		}
	}
	want, got := closed(p.recs[n:]), closed(again.recs[n:])
	for _, w := range windowNames(want, got) {
		if open[w] && want[w] == "PASS" {
			want[w] = "NOT_GOOD"
		}
		if open[w] && want[w] == "OUT_OF_TOLERANCE" {
			want[w] = "NOT_GOOD"
		}
		if want[w] != got[w] {
			return fmt.Errorf("window %s is %s; uncut it is %s", w, or(got[w], "not closed"), or(want[w], "not closed"))
		}
	}
	return nil
}

func closed(recs []*record.Record) map[string]string {
	out := map[string]string{}
	for _, rec := range recs {
		if rec.Kind == record.KindWindowStop {
			out[rec.Text(record.MeterWindowID)] = rec.Text(record.Result)
		}
	}
	return out
}

func windowNames(a, b map[string]string) (names []string) {
	for _, m := range [...]map[string]string{a, b} {
		for w := range m {
			if !slices.Contains(names, w) {
				names = append(names, w)
			}
		}
	}
	slices.Sort(names)
	return names
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
