// The rules of the anchors as they are, offer and ready, slots that jobs have: a model to hold hazards against. Ours are other ones.

package jobs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
)

// ojob is a job as the anchors have it: A1 of recipe A, pA its prepare, cA its clean-up.
type ojob struct {
	name, recipe string
	kind         jobs.JobKind
	class        jobs.Class
}

// same tells whether two jobs are production jobs of one recipe.
func (j *ojob) same(o *ojob) bool {
	return j != nil && o != nil && j.kind == jobs.Production && o.kind == jobs.Production && j.recipe == o.recipe
}

func (j *ojob) is(kind jobs.JobKind, recipe string) bool {
	return j != nil && j.kind == kind && j.recipe == recipe
}

// original is a list under the rules of schedulers.md 1.2; prepares are the recipes that have a prepare, and every one has a clean-up.
type original struct {
	slots      []*ojob // of Parallel
	run        *ojob   // of Seamless
	completing []*ojob
	seamless   bool
	prepares   string
	list       []*ojob
	heard      []func() // news that nobody has heard yet
	available  bool     // slot-available is to be answered by a round
	rounds     int
	between    func() // happens between offer and ready
	log        []string
}

func newOriginal(slots int, prepares string) *original {
	return &original{slots: make([]*ojob, slots), seamless: slots == 0, prepares: prepares}
}

func (o *original) at(j *ojob) int { return slices.Index(o.list, j) }

// beside gives the list entry before or behind a job.
func (o *original) beside(j *ojob, by int) *ojob {
	if i := o.at(j) + by; o.at(j) >= 0 && i >= 0 && i < len(o.list) {
		return o.list[i]
	}
	return nil
}

func (o *original) job(name string) *ojob {
	i := slices.IndexFunc(o.list, func(j *ojob) bool { return j.name == name })
	if i < 0 {
		return nil
	}
	return o.list[i]
}

// add puts jobs into the list before one, or behind the last, and gives them a round.
func (o *original) add(before string, names ...string) {
	for _, name := range names {
		at := len(o.list)
		if before != "" {
			at = o.at(o.job(before))
		}
		o.list = slices.Insert(o.list, at, &ojob{name: name, recipe: name[:1], kind: jobs.Production})
	}
	o.round()
}

// goes lets a job go to a class, and the scheduler hear of it; lags, and nobody hears of it yet.
func (o *original) goes(name string, to jobs.Class) {
	o.lags(name, to)
	o.hear()
}

func (o *original) lags(name string, to jobs.Class) {
	j := o.job(name)
	j.class = to
	o.heard = append(o.heard, func() { o.updated(j, to) })
}

func (o *original) hear() {
	for len(o.heard) > 0 {
		next := o.heard[0]
		o.heard = o.heard[1:]
		next()
		for o.available {
			o.available = false
			o.round()
		}
	}
}

// tell notes that a slot is available.
func (o *original) tell() {
	o.available = true
	o.log = append(o.log, "SA")
}

func (o *original) start(j *ojob) {
	j.class = jobs.ClassRunning
	o.log = append(o.log, j.name)
}

// round offers the idle jobs, wraps those that are taken in set-ups, and makes them ready.
func (o *original) round() {
	o.rounds++
	var idle []*ojob
	for _, j := range o.list {
		if j.kind == jobs.Production && j.class == jobs.ClassIdle {
			idle = append(idle, j)
		}
	}
	taken := o.offer(idle)
	ready := o.wrap(taken)
	for _, j := range ready {
		j.class = jobs.ClassWaiting
	}
	if o.between != nil {
		then := o.between
		o.between = nil
		then()
	}
	if len(ready) > 0 {
		o.ready(ready)
	}
}

func (o *original) offer(idle []*ojob) (taken []*ojob) {
	if !o.seamless {
		free := 0
		for _, s := range o.slots {
			if s == nil {
				free++
			}
		}
		for i, j := range idle {
			before := o.beside(j, -1)
			switch {
			case slices.ContainsFunc(o.slots, j.same) && j.same(before) && before.class >= jobs.ClassWaiting:
			case i > 0 && j.same(idle[i-1]) && slices.Contains(taken, idle[i-1]):
			case free > 0:
				free--
			default:
				continue
			}
			taken = append(taken, j)
		}
		return taken
	}
	next := o.beside(o.run, 1)
	for i, j := range idle {
		switch {
		case o.run == nil || o.run.class == jobs.ClassCompleting && next.is(jobs.CleanUp, o.run.recipe):
			if i > 0 && (!j.same(idle[0]) || len(taken) < i) {
				continue
			}
		case !j.same(o.run) || !j.same(o.beside(j, -1)):
			continue
		}
		taken = append(taken, j)
	}
	return taken
}

// wrap gives the jobs that were taken the set-ups that they need, and gives all of them in the order of the list.
func (o *original) wrap(taken []*ojob) (ready []*ojob) {
	ahead := func(j *ojob) *ojob {
		n := o.beside(j, 1)
		for j.same(n) {
			n = o.beside(n, 1)
		}
		return n
	}
	for _, j := range taken {
		before, clean := o.beside(j, -1), ahead(j)
		waits := clean.is(jobs.CleanUp, j.recipe) && clean.class == jobs.ClassWaiting
		if strings.Contains(o.prepares, j.recipe) && (!j.same(before) || before.class > jobs.ClassRunning) && !waits {
			p := &ojob{name: "p" + j.recipe, recipe: j.recipe, kind: jobs.Prepare}
			o.list = slices.Insert(o.list, o.at(j), p)
			ready = append(ready, p)
		}
		ready = append(ready, j)
		behind := o.beside(j, 1)
		if last := !j.same(behind) || behind.class == jobs.ClassIdle && !slices.Contains(taken, behind); last && !clean.is(jobs.CleanUp, j.recipe) {
			c := &ojob{name: "c" + j.recipe, recipe: j.recipe, kind: jobs.CleanUp}
			o.list = slices.Insert(o.list, o.at(j)+1, c)
			ready = append(ready, c)
		}
	}
	return ready
}

func (o *original) ready(list []*ojob) {
	if o.seamless {
		o.readySeamless(list)
		return
	}
	for _, j := range list {
		before := o.beside(j, -1)
		linked := j.same(before) || before != nil && before.kind == jobs.Prepare && j.kind == jobs.Production && j.recipe == before.recipe
		switch i := slices.Index(o.slots, nil); {
		case j.kind == jobs.CleanUp:
		case j.same(before) && before.class == jobs.ClassCompleting && slices.Contains(o.slots, before):
			o.pass(before, j)
		case !linked && i >= 0:
			o.slots[i] = j
			o.start(j)
		}
	}
}

// pass hands the slot of one job to another one, which starts unless it is at work already.
func (o *original) pass(from, to *ojob) {
	at := &o.run
	for _, list := range [][]*ojob{o.slots, o.completing} {
		if i := slices.Index(list, from); i >= 0 {
			at = &list[i]
		}
	}
	*at = to
	if to.class == jobs.ClassWaiting {
		o.start(to)
	}
}

func (o *original) readySeamless(list []*ojob) {
	first := list[0]
	if o.run != nil && o.run.class <= jobs.ClassRunning {
		return
	}
	if next := o.beside(o.run, 1); o.run != nil && o.run.class == jobs.ClassCompleting &&
		(next.is(jobs.CleanUp, o.run.recipe) || o.run.kind == jobs.Prepare && (next == nil || next.class != jobs.ClassWaiting)) {
		o.completing, o.run = append(o.completing, o.run), nil
	}
	o.completing = slices.DeleteFunc(o.completing, func(j *ojob) bool { return first.same(j) && j == o.beside(first, -1) })
	o.run = first
	o.start(first)
}

// older gives a job of the same recipe that stands before one in the list, whatever it does.
func (o *original) older(j *ojob) *ojob {
	for i := o.at(j) - 1; i >= 0; i-- {
		if j.same(o.list[i]) {
			return o.list[i]
		}
	}
	return nil
}

func (o *original) updated(j *ojob, to jobs.Class) {
	if to < jobs.ClassCompleting {
		return
	}
	next, older := o.beside(j, 1), o.older(j)
	waits := next != nil && next.class == jobs.ClassWaiting
	holds := j == o.run || slices.Contains(o.slots, j) || slices.Contains(o.completing, j)
	if to == jobs.ClassCompleted {
		o.list = slices.DeleteFunc(o.list, func(k *ojob) bool { return k == j })
	}
	switch {
	case !holds:
	case to == jobs.ClassCompleting && !slices.Contains(o.completing, j):
		if waits && j.same(next) {
			o.pass(j, next)
		} else if o.seamless && waits && next.is(jobs.CleanUp, j.recipe) && j.kind == jobs.Production {
			o.tell()
		}
	case to != jobs.ClassCompleted:
	case slices.Contains(o.completing, j):
		o.overCompleting(j, next, older)
	case older != nil:
		o.pass(j, older)
		if o.seamless {
			o.tell()
		}
	case j.kind == jobs.Prepare && waits && next.is(jobs.Production, j.recipe), !o.seamless && waits && next.is(jobs.CleanUp, j.recipe):
		o.pass(j, next)
	case o.seamless && waits && next.is(jobs.CleanUp, j.recipe):
		o.completing, o.run = append(o.completing, next), nil
		o.start(next)
		o.tell()
	case j.kind == jobs.CleanUp || j.kind == jobs.Prepare:
		if o.run == j {
			o.run = nil
		}
		if i := slices.Index(o.slots, j); i >= 0 {
			o.slots[i] = nil
		}
		o.tell()
	}
}

// overCompleting goes on behind a completed job in a completing slot.
func (o *original) overCompleting(j, next, older *ojob) {
	switch {
	case j.kind != jobs.Production:
		o.completing = slices.DeleteFunc(o.completing, func(k *ojob) bool { return k == j })
	case older != nil:
		o.pass(j, older)
	case next.is(jobs.CleanUp, j.recipe):
		o.pass(j, next)
	}
}

// shows gives what has started and was told since, and the slots.
func (o *original) shows() string {
	name := func(j *ojob) string {
		if j == nil {
			return "-"
		}
		return j.name
	}
	var slots []string
	for _, s := range o.slots {
		slots = append(slots, name(s))
	}
	if o.seamless {
		slots = append(slots, name(o.run))
	}
	for _, s := range o.completing {
		slots = append(slots, name(s))
	}
	text := fmt.Sprintf("%s %s", strings.Join(o.log, " "), slots)
	o.log = nil
	return strings.TrimSpace(text)
}

// stuck tells what is left of a list when nobody is at work any more: nothing, where the rules do their work.
func (o *original) stuck() string {
	var left []string
	for _, j := range o.list {
		if j.class == jobs.ClassRunning || j.class == jobs.ClassCompleting {
			return ""
		}
		left = append(left, fmt.Sprintf("%s %s", j.name, j.class))
	}
	return strings.Join(left, ", ")
}

// TestTheModelOfTheOriginalRulesDoesWhatTheAnchorsAreTestedFor holds the model against their scenarios: without this its failures prove nothing.
func TestTheModelOfTheOriginalRulesDoesWhatTheAnchorsAreTestedFor(t *testing.T) {
	const c, d = jobs.ClassCompleting, jobs.ClassCompleted
	for _, s := range []struct {
		id       string
		slots    int
		prepares string
		add      []string
		do       [][3]any // job, class, what it shows; or before, job
	}{
		{"P1", 3, "", []string{"A1", "B1", "C1", "D1", "E1"}, [][3]any{{"", d, "A1 B1 C1 [A1 B1 C1]"}}},
		{"P4", 3, "A", []string{"A1"}, [][3]any{{"", d, "pA [pA - -]"}, {"A1", d, "[pA - -]"}, {"pA", c, "[pA - -]"}, {"pA", d, "cA [cA - -]"}, {"cA", d, "SA [- - -]"}}},
		{"P5", 1, "", []string{"A1", "A2"}, [][3]any{{"A1", c, "A1 A2 [A2]"}}},
		{"P8", 1, "", []string{"A1"}, [][3]any{{"A1", d, "A1 cA [cA]"}, {"cA", d, "SA [-]"}}},
		{"P11", 3, "A", []string{"A1"}, [][3]any{{"pA", d, "pA A1 [A1 - -]"}, {"A1", d, "cA [cA - -]"}, {"cA", d, "SA [- - -]"}}},
		{"P12", 1, "", []string{"A1", "A2"}, [][3]any{{"A1", c, "A1 A2 [A2]"}, {"A2", c, "[A2]"}, {"A2", d, "[A1]"}, {"A1", d, "cA [cA]"}}},
		{"P13", 1, "", []string{"A1", "A2", "A3"}, [][3]any{{"A1", c, "A1 A2 [A2]"}, {"A2", c, "A3 [A3]"}, {"A3", c, "[A3]"}, {"A2", d, "[A3]"},
			{"A3", d, "[A1]"}, {"A1", d, "cA [cA]"}}},
		{"P14", 1, "", []string{"A1"}, [][3]any{{"A1", c, "A1 [A1]"}, {"cA", nil, "A2"}, {"", d, "A2 [A2]"}, {"A1", d, "[A2]"}, {"A2", d, "cA [cA]"}}},
		{"P15", 1, "", []string{"A1"}, [][3]any{{"A1", d, "A1 cA [cA]"}, {"cA", nil, "A2"}, {"", d, "[cA]"}, {"cA", d, "SA A2 [A2]"}}},
		{"P16", 1, "", []string{"A1"}, [][3]any{{"", nil, "B1"}, {"A1", c, "A1 [A1]"}, {"A1", d, "cA [cA]"}, {"cA", d, "SA B1 [B1]"}}},
		{"S1", 0, "", []string{"A1", "B1", "C1"}, [][3]any{{"", d, "A1 [A1]"}}},
		{"S3", 0, "", []string{"A1", "A2", "A3"}, [][3]any{{"A1", c, "A1 A2 [A2]"}}},
		{"S4", 0, "", []string{"A1"}, [][3]any{{"A1", c, "A1 SA [A1]"}, {"", nil, "A2"}, {"", d, "A2 [A2 A1]"}}},
		{"S13", 0, "A", []string{"A1"}, [][3]any{{"A1", d, "pA [pA]"}, {"pA", c, "[pA]"}, {"pA", d, "cA SA [- cA]"}, {"cA", d, "[-]"}}},
		{"S16", 0, "", []string{"A1"}, [][3]any{{"A1", d, "A1 cA SA [- cA]"}, {"cA", d, "[-]"}}},
		{"S18", 0, "", []string{"A1", "A2", "A3"}, [][3]any{{"A1", c, "A1 A2 [A2]"}, {"A2", c, "A3 [A3]"}, {"A3", c, "SA [A3]"}, {"", nil, "B1"},
			{"", d, "B1 [B1 A3]"}, {"A3", d, "[B1 A2]"}, {"A1", d, "[B1 A2]"}, {"A2", d, "cA [B1 cA]"}, {"cA", d, "[B1]"}}},
	} {
		o := newOriginal(s.slots, s.prepares)
		o.add("", s.add...)
		for i, e := range s.do {
			if e[1] == nil {
				o.add(e[0].(string), e[2].(string))
				continue
			}
			if e[0] != "" {
				o.goes(e[0].(string), e[1].(jobs.Class))
			}
			require.Equal(t, e[2], o.shows(), "%s, event %d", s.id, i+1)
		}
	}
}
