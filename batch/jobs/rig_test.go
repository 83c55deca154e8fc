// A list, its journal, and a plant beside it: batches that really are there, orders that are on their way, news that nobody has heard.

package jobs_test

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/timebase"
)

// batch is a process as it really is.
type batch struct {
	id    string
	stage jobs.Stage
	begun bool
	heard jobs.Stage // what the list was told last
	gone  bool       // over, and taken out of the plant

	byPerson bool // a person has put it on hold
}

// order is what the list has said of a process, and nobody has done yet.
type order struct {
	process string
	do      jobs.Do
}

// news is what a process has come to, and nobody has told the list yet.
type news struct {
	process  string
	stage    jobs.Stage
	reworked bool
}

// rig is a plant with a list.
type rig struct {
	testing.TB
	rng     *rand.Rand
	list    *jobs.List
	journal [][]byte
	events  []jobs.Event // what was read of it
	sums    []uint64     // of the effects of each event
	fx      []jobs.Effect
	now     view

	batches []*batch
	byID    map[string]*batch
	orders  []order
	news    []news
	asked   []jobs.Effect // AskRecipe and AskContent that nobody has answered

	missing  map[string]string // recipes that are not there
	noResume map[string]string
	calm     bool // nobody makes trouble any more
	shifted  bool // numbers may stand for other processes than those that are there
	met      map[string]int
	seed     uint64
	audit
}

func newRig(tb testing.TB, seed uint64, rules jobs.Rules) *rig {
	w := &rig{TB: tb, rng: rand.New(rand.NewPCG(seed, 14)), list: jobs.NewList(""), byID: map[string]*batch{},
		missing: map[string]string{}, noResume: map[string]string{}, met: map[string]int{}, seed: seed, audit: newAudit(rules)}
	w.tell(jobs.Event{Kind: jobs.Configure, Rules: &rules})
	return w
}

// digest is a number of effects that is the same where they are, in every field.
func digest(fx []jobs.Effect) uint64 {
	h := fnv.New64a()
	var line []byte
	for i := range fx {
		e := &fx[i]
		line = line[:0]
		for _, text := range [...]string{e.Job, e.Group, e.After, e.Recipe, e.Provider, e.Product, e.Unit, e.Size, e.Recovery, e.Slot, e.OldSlot,
			e.Process, e.Reason} {
			line = append(append(line, text...), 0)
		}
		c := &e.Counts
		for _, n := range [...]int64{int64(e.Kind), int64(e.JobKind), e.Priority, int64(e.Old), int64(e.State), c.Amount, c.Begun, c.Running, c.Success,
			c.Failure, c.Reworked, c.Dropped, int64(e.Do), int64(e.OldStage), int64(e.Stage), int64(len(e.Steps))} {
			line = binary.AppendVarint(line, n)
		}
		for _, s := range e.Steps {
			line = fmt.Append(line, s)
		}
		h.Write(line)
	}
	return h.Sum64()
}

func TestADigestKnowsEveryFieldOfAnEffect(t *testing.T) {
	none := digest([]jobs.Effect{{}})
	for i := range reflect.TypeFor[jobs.Effect]().NumField() {
		var e jobs.Effect
		switch f := reflect.ValueOf(&e).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int64:
			f.SetInt(1)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Struct:
			f.Field(f.NumField() - 1).SetInt(1)
		default:
			f.SetUint(1)
		}
		require.NotEqual(t, none, digest([]jobs.Effect{e}), reflect.TypeFor[jobs.Effect]().Field(i).Name)
	}
}

// must fails where something that has to hold does not. It is cheap where it does.
func (w *rig) must(holds bool, format string, args ...any) {
	if !holds {
		require.FailNow(w, fmt.Sprintf(format, args...))
	}
}

// tell writes an event down, tells the list what is written, and holds what comes of it against the rules.
func (w *rig) tell(ev jobs.Event) {
	line, err := ev.Append(nil)
	w.must(err == nil, "%v", err)
	read, err := jobs.ParseEvent(line)
	w.must(err == nil, "%v", err)
	before := w.now
	w.journal, w.events = append(w.journal, line), append(w.events, read)
	w.fx = w.list.Step(timebase.Stamp{}, &read, w.fx[:0])
	w.sums = append(w.sums, digest(w.fx))
	w.now = w.view(w.list)
	w.check(w, before, w.now, &read)
	for i := range w.fx {
		switch e := w.fx[i]; e.Kind {
		case jobs.Ordered:
			w.orders = append(w.orders, order{e.Process, e.Do})
			w.met["order "+e.Do.String()]++
		case jobs.AskRecipe, jobs.AskContent:
			w.asked = append(w.asked, e)
		default:
			w.met[e.Kind.String()]++
		}
	}
}

// fold gives the list that the journal so far comes to, and holds each effect against what it was the first time.
func (w *rig) fold() *jobs.List {
	l := jobs.NewList("")
	var fx []jobs.Effect
	for i := range w.events {
		fx = l.Step(timebase.Stamp{}, &w.events[i], fx[:0])
		w.must(w.sums[i] == digest(fx), "event %d, %s, has other effects in a fold", i, w.journal[i])
	}
	return l
}

// first gives the place of the oldest entry of a process that is chosen at random.
func first[T any](r *rand.Rand, list []T, process func(T) string) int {
	id := process(list[r.IntN(len(list))])
	return slices.IndexFunc(list, func(e T) bool { return process(e) == id })
}

// carryOut does one thing that was ordered, those of one process in their order.
func (w *rig) carryOut() {
	i := first(w.rng, w.orders, func(o order) string { return o.process })
	o := w.orders[i]
	w.orders = slices.Delete(w.orders, i, i+1)
	w.do(o)
}

// do does what was ordered.
func (w *rig) do(o order) {
	b := w.byID[o.process]
	if b == nil {
		require.Equal(w, jobs.Start, o.do, "process %s was never made, and is to be done: %s", o.process, o.do)
		b = &batch{id: o.process, stage: jobs.Awaited}
		w.batches, w.byID[b.id] = append(w.batches, b), b
		return
	}
	b.byPerson = b.byPerson && o.do != jobs.Pause && o.do != jobs.Resume
	switch {
	case b.stage >= jobs.Discarded:
		if o.do == jobs.Start { // nobody knew that it is over
			w.news = append(w.news, news{process: b.id, stage: b.stage})
		}
	case o.do == jobs.Start: // it is taken up as it is
		if b.stage != jobs.Awaited {
			w.news = append(w.news, news{process: b.id, stage: b.stage})
		}
	case b.stage == jobs.Awaited:
		if o.do != jobs.Resume {
			w.comes(b, jobs.Discarded)
		}
	case o.do == jobs.Pause:
		if b.stage == jobs.Running && w.rng.IntN(4) > 0 {
			w.comes(b, jobs.Interrupted)
		} else if b.stage == jobs.Running {
			w.comes(b, jobs.Success)
		}
	case o.do == jobs.Resume:
		if b.stage == jobs.Interrupted {
			w.comes(b, jobs.Running)
		}
	case o.do == jobs.AbortIt, o.do == jobs.CleanItUp:
		w.comes(b, jobs.Failure)
	}
}

// comes lets a process come to a stage.
func (w *rig) comes(b *batch, to jobs.Stage) {
	b.stage = to
	if begins := !b.begun && to != jobs.Discarded; begins {
		b.begun = true
		if w.owner[b.id] == nil {
			w.owner[b.id] = &life{} // nobody's
		}
		j := w.owner[b.id]
		j.really++
		w.must(w.shifted || j.kind != jobs.Production || j.amount == 0 || j.really <= j.amount, "job %s makes more than were ordered", j.id)
	}
	w.news = append(w.news, news{process: b.id, stage: to, reworked: to == jobs.Success && w.rng.IntN(8) == 0})
	w.met["process "+to.String()]++
}

// hear tells the list of one thing that has happened, those of one process in their order.
func (w *rig) hear() {
	i := first(w.rng, w.news, func(n news) string { return n.process })
	n := w.news[i]
	if w.calm || w.rng.IntN(20) > 0 { // else it is told again later
		w.news = slices.Delete(w.news, i, i+1)
	}
	b := w.byID[n.process]
	b.heard = n.stage
	w.tell(jobs.Event{Kind: jobs.Process, Process: n.process, State: n.stage, Reworked: n.reworked})
}

// moves lets a process go on by itself; false where none can.
func (w *rig) moves() bool {
	var able []*batch
	for _, b := range w.batches {
		if b.stage == jobs.Awaited || b.stage == jobs.Running {
			able = append(able, b)
		}
	}
	if len(able) == 0 {
		return false
	}
	b := able[w.rng.IntN(len(able))]
	to := jobs.Running
	switch n := w.rng.IntN(20); {
	case b.stage == jobs.Running && n == 0 && !w.calm:
		to = jobs.Failure
	case b.stage == jobs.Running && n == 1 && !w.calm:
		to = jobs.Interrupted // a person has put it on hold
	case b.stage == jobs.Running:
		to = jobs.Success
	case n == 0 && !w.calm:
		to = jobs.Failure // it began and failed before anybody saw it run
	case n == 1 && !w.calm:
		to = jobs.Discarded // a person has removed it
	}
	b.byPerson = to == jobs.Interrupted
	w.comes(b, to)
	return true
}

// answer answers one question of the list.
func (w *rig) answer() {
	i := w.rng.IntN(len(w.asked))
	e := w.asked[i]
	w.asked = slices.Delete(w.asked, i, i+1)
	if e.Kind == jobs.AskRecipe {
		w.tell(jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Provider: e.Provider, Recipe: e.Recipe, Product: "ART-" + e.Recipe,
			Missing: w.missing[e.Recipe], NoResume: w.noResume[e.Recipe]}})
		return
	}
	ev := jobs.Event{Kind: jobs.Content, Job: e.Job}
	if n := w.rng.IntN(10); n < 1 && !w.calm {
		ev.Reason = "the tool list cannot be read"
	} else if n < 7 {
		for k := range 1 + w.rng.IntN(3) {
			ev.Steps = append(ev.Steps, jobs.Step{Type: fmt.Sprint("T", k), Recipe: "SETUP", Unit: "U1", Sort: w.rng.IntN(2)})
		}
	}
	w.tell(ev)
}

// find lists the processes that are there.
func (w *rig) find() (list []jobs.Found) {
	for _, b := range w.batches {
		if !b.gone {
			list = append(list, jobs.Found{Process: b.id, State: b.stage})
		}
		b.heard = b.stage
	}
	w.rng.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

// cut ends the process of the list at this point: what it has not heard is lost, and what it has ordered was done or not. power says that the
// batches were cut off as well.
func (w *rig) cut(power bool) {
	for len(w.orders) > 0 {
		o := w.orders[0]
		w.orders = w.orders[1:]
		if w.rng.IntN(2) == 0 {
			w.do(o)
		} else { // and what was ordered of it later is lost, too
			w.orders = slices.DeleteFunc(w.orders, func(p order) bool { return p.process == o.process })
		}
	}
	for _, b := range slices.Clone(w.batches) {
		switch {
		case power && !w.calm && b.stage < jobs.Discarded && w.rng.IntN(30) == 0:
			w.vanish(b)
		case power && !w.calm && b.stage == jobs.Running && w.rng.IntN(8) == 0:
			w.comes(b, jobs.Failure)
		case power && b.stage == jobs.Running:
			b.stage = jobs.Interrupted
		case !power && w.rng.IntN(4) == 0 && b.stage == jobs.Awaited:
			w.comes(b, jobs.Running)
		case !power && w.rng.IntN(4) == 0 && b.stage == jobs.Running:
			w.comes(b, jobs.Success)
		}
		if b.stage >= jobs.Discarded && b.heard == b.stage {
			b.gone = w.rng.IntN(2) == 0
		}
	}
	w.met[fmt.Sprintf("cut with power %v", power)]++
	w.comesUp(w.fold())
}

// vanish loses what is on record of a batch, and with it all that would tell that it was there.
func (w *rig) vanish(b *batch) {
	w.met["vanished"]++
	if b.begun {
		b.stage, b.heard, b.gone = jobs.Failure, jobs.Failure, true
		return
	}
	delete(w.byID, b.id)
	w.batches = slices.DeleteFunc(w.batches, func(o *batch) bool { return o == b })
}

// comesUp goes on with a list that has to be as the one that was there.
func (w *rig) comesUp(l *jobs.List) {
	w.list, w.orders, w.news, w.asked = l, nil, nil, nil
	require.Equal(w, w.now, w.view(l))
}

func (w *rig) boot() { w.tell(jobs.Event{Kind: jobs.Boot, Processes: w.find()}) }

// story tells how a test that failed has come to that, and how things stand.
func (w *rig) story() {
	if !w.Failed() {
		return
	}
	var s strings.Builder
	fmt.Fprintf(&s, "rules %+v, seed %d\n", w.rules, w.seed)
	for _, line := range w.journal {
		fmt.Fprintf(&s, "%s\n", line)
	}
	for _, j := range w.list.Jobs() {
		fmt.Fprintf(&s, "job %s %s %s of %s, group %s, %+v, aside %q, held %v\n", j.ID, j.Kind, j.State, j.Order.Recipe, j.Group, j.Counts, j.SetAside, j.Held)
	}
	for _, v := range w.list.Slots() {
		fmt.Fprintf(&s, "slot %+v\n", v)
	}
	for _, p := range w.list.Processes() {
		really := "not there"
		if b := w.byID[p.Process]; b != nil {
			really = b.stage.String()
		}
		fmt.Fprintf(&s, "process %+v, really %s\n", p, really)
	}
	fmt.Fprintf(&s, "orders %v, news %v, %d questions\n", w.orders, w.news, len(w.asked))
	w.Log(s.String())
}
