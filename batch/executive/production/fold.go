// The fold: what the inputs of the ledger have come to. It is the same whether an input is taken now or was taken long ago.

package production

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// process is one process: what the list has ordered of it, and its batch as it was heard last.
type process struct {
	id, job          string
	recipe, provider string
	unit, size       string
	priority         int64
	stage            jobs.Stage // by the list
	asked            jobs.Do    // what the list has ordered last
	taken            bool       // it was Lost and taken up since it was ordered anything
	said             jobs.Stage // what the list was told last, or NoStage
	batch            *api.Batch // nil: it was not heard
	watched          bool       // who watches has seen it; before that it is as it was answered
	early            *api.Batch // seen before the answer to its creation
	rested           bool       // a person had it rest when it was heard last and was not Lost, or when it was taken up
	rev              uint64
}

// maxOver is how many processes that are over are remembered until the manager's list says whether their batches are there still.
const maxOver = api.MaxBatches

// expected is a decision that is to follow its input in the ledger.
type expected struct {
	cause uint64
	fill  fill
}

// fold is the state that follows from the ledger.
type fold struct {
	list    *jobs.List
	prefix  string
	setups  map[string][]jobs.Step // by set-up job: steps that follow from the triggers that were on record last
	engine  uint64                 // engine number that has decided what follows; 0: it is not on record
	foreign error                  // the ledger is of a list with other ids
	runs    runs
	procs   map[string]*process
	ended   []string        // processes that are over, the oldest first
	owed    map[string]deed // articles that product management has not taken, by process
	infos   map[[2]string]jobs.RecipeInfo
	rules   jobs.Rules      // that the list was told last
	there   map[string]bool // jobs of the list

	pieces   pieces
	expect   []expected
	body     record.Body
	bytes    []byte
	known    map[uint64]bool // inputs and decisions that are on record as set aside or diverging
	unread   map[uint64]bool // inputs that cannot be read: decisions that name them are not held against anything
	aside    []deed          // those that are not on record
	diverged *deed           // the first one that is not on record
	strict   bool            // what is known to diverge counts all the same
	after    journal.Chain   // it began with what was kept up to there
	at       journal.Chain   // of what readOn has read
	digest   string          // of what was kept
	vouched  bool            // the ledger says so behind it
	inputs   int
	agreed   int // decisions that came out the same
}

func newFold(prefix string) *fold {
	f := &fold{list: jobs.NewList(prefix), prefix: prefix, there: map[string]bool{}, procs: map[string]*process{}, setups: map[string][]jobs.Step{}, owed: map[string]deed{}, infos: map[[2]string]jobs.RecipeInfo{},
		known: map[uint64]bool{}, unread: map[uint64]bool{}}
	f.runs.init()
	return f
}

// take takes in a record of the ledger, whose bytes are body.
func (f *fold) take(seq uint64, r *record.Record, body []byte) error {
	switch r.Kind {
	case record.KindProductionInput:
		return f.input(seq, r)
	case record.KindJobListed, record.KindJobState, record.KindJobSlot, record.KindJobNotice, record.KindProcessState, record.KindArticle,
		record.KindUnitRun, record.KindUnitRunMaterial, record.KindUnitRunNotice:
		f.compare(seq, r, body)
	case record.KindUnitRunData: // which is an input: nothing is decided by it
		f.runs.captured(r)
	}
	return nil
}

// input takes in an input. One that cannot be read is set aside: the rest goes on without it.
func (f *fold) input(seq uint64, r *record.Record) error {
	kind, line := f.pieces.take(r)
	if line == nil {
		return nil
	}
	if len(f.expect) > 0 { // the one who opened the ledger after the cut has seen to that
		f.differs(f.expect[0].cause, "what it came to is not on record whole, and another input follows")
	}
	s, err := ledger.StampsOf(r)
	if err != nil {
		return err
	}
	f.inputs++
	fills, err := f.step(seq, kind, line, s.At)
	if err != nil {
		f.unread[seq] = true
		if !f.known[seq] {
			f.aside = append(f.aside, deed{Did: didAside, Seq: seq, Detail: fmt.Sprintf("input %d cannot be read, and all goes on without it: %s", seq, err)})
		}
	}
	f.expect = f.expect[:0]
	for _, fill := range fills {
		f.expect = append(f.expect, expected{seq, fill})
	}
	return f.foreign
}

// step has whoever an input is for take it, and gives the records of what it came to.
func (f *fold) step(seq uint64, kind string, line []byte, at timebase.Stamp) ([]fill, error) {
	switch kind {
	case forJobs:
		ev, err := jobs.ParseEvent(line)
		if err != nil {
			return nil, err
		}
		f.follows(seq, &ev)
		return f.stepJobs(at, &ev, nil), nil
	case forRuns:
		return f.stepRuns(at, line)
	case forDeeds:
		d, err := parseDeed(line)
		if err == nil {
			f.did(&d)
		}
		return nil, err
	}
	return nil, fmt.Errorf("object_kind %.40q is not known", kind)
}

// stepJobs has the list take an event; each effect goes to also, where it is given.
func (f *fold) stepJobs(at timebase.Stamp, ev *jobs.Event, also func(fx *jobs.Effect)) []fill {
	if ev.Kind == jobs.Content {
		delete(f.setups, ev.Job)
	}
	fx := f.list.Step(at, ev, nil)
	if ev.Kind == jobs.Recipe && ev.Recipe != nil {
		f.infos[[2]string{ev.Recipe.Provider, ev.Recipe.Recipe}] = *ev.Recipe
	}
	fills := f.jobFills(fx)
	if refused := slices.ContainsFunc(fx, func(x jobs.Effect) bool { return x.Kind == jobs.Refused }); ev.Kind == jobs.Configure && !refused && ev.Rules != nil {
		f.rules = *ev.Rules
	}
	for i := range fx {
		f.note(&fx[i])
		if also != nil {
			also(&fx[i])
		}
	}
	return fills
}

// note keeps what the engine has to know of an effect.
func (f *fold) note(fx *jobs.Effect) {
	switch fx.Kind {
	case jobs.Listed:
		f.there[fx.Job] = true
	case jobs.Gone:
		delete(f.there, fx.Job)
		delete(f.setups, fx.Job)
	case jobs.Ordered:
		p := f.procs[fx.Process]
		if p == nil {
			p = &process{id: fx.Process, job: fx.Job}
			f.procs[fx.Process] = p
		}
		if fx.Do != jobs.Start || p.asked != jobs.Start { // or it is said again when the list boots
			p.taken = false
		}
		p.asked = fx.Do
		if fx.Do == jobs.Start {
			p.recipe, p.provider, p.unit, p.size, p.priority = fx.Recipe, fx.Provider, fx.Unit, fx.Size, fx.Priority
			p.stage = max(p.stage, fx.Stage)
		}
	case jobs.ProcessChanged:
		p := f.procs[fx.Process]
		if p == nil {
			return
		}
		was := p.stage
		if p.stage = fx.Stage; over(p.stage) && !over(was) {
			f.ended = append(f.ended, p.id)
			for len(f.ended) > maxOver {
				f.forget(f.ended[0])
			}
		}
	case jobs.Made:
		f.owed[fx.Process] = deed{Process: fx.Process, Job: fx.Job, Detail: fx.Product}
	}
}

// forget forgets a process that is over.
func (f *fold) forget(id string) {
	delete(f.procs, id)
	f.ended = slices.DeleteFunc(f.ended, func(other string) bool { return other == id })
}

// did takes in a deed.
func (f *fold) did(d *deed) {
	p := f.procs[d.Process]
	switch {
	case d.Did == didEngine:
		if f.engine = d.Seq; d.Detail != f.prefix && f.foreign == nil {
			f.foreign = fmt.Errorf("production: the ids of this ledger begin with %.40q, and not with %.40q; give the prefix that it was begun with", d.Detail, f.prefix)
		}
	case d.Did == didKeep:
		f.vouched = f.vouched || d.Seq == f.after.N && d.Detail == f.digest
	case d.Did == didSetup && d.Setup != nil:
		f.setups[d.Job] = d.Setup.steps()
	case d.Did == didTakeUp && p != nil:
		p.taken, p.rested = true, d.Seq == atRest
	case d.Did == didGoOn && p != nil:
		p.taken, p.rested = false, false // who hears of it next sees whether it rests
	case d.Did == didGive:
		delete(f.owed, d.Process)
	case d.Did == didAside || d.Did == didDiverge:
		f.known[d.Seq] = true
		f.aside = slices.DeleteFunc(f.aside, func(a deed) bool { return a.Seq == d.Seq })
		if f.diverged != nil && f.diverged.Seq == d.Seq && !f.strict {
			f.diverged = nil
		}
	}
}

// follows holds the steps of a set-up against those that follow from the triggers on record before them.
func (f *fold) follows(seq uint64, ev *jobs.Event) {
	if ev.Kind != jobs.Content {
		return
	}
	if steps, said := f.setups[ev.Job]; said && ev.Reason == "" && !slices.Equal(steps, ev.Steps) {
		f.differs(seq, "its steps are not those that follow from the triggers on record before it")
	}
}

// compare holds a decision against the one that the fold has come to.
func (f *fold) compare(seq uint64, r *record.Record, body []byte) {
	cause := r.Counts(record.Cause)
	switch {
	case len(cause) > 0 && f.unread[cause[len(cause)-1]]:
		return
	case len(f.expect) == 0:
		f.differs(seq, "nothing comes of its input now that is not on record before it")
		return
	}
	e := f.expect[0]
	f.expect = f.expect[1:]
	s, err := ledger.StampsOf(r)
	if err == nil {
		e.fill(&f.body, e.cause)
		s.Write(&f.body)
		f.bytes, err = f.body.Append(f.bytes[:0])
	}
	switch {
	case err != nil:
		f.differs(seq, err.Error())
	case !bytes.Equal(f.bytes, body):
		f.differs(seq, "it is "+string(f.bytes)+" now")
	default:
		f.agreed++
	}
}

// differs keeps the first difference.
func (f *fold) differs(seq uint64, why string) {
	if f.diverged == nil && (!f.known[seq] || f.strict) {
		if f.engine != EngineNumber {
			why = fmt.Sprintf("engine number %d decided it, and this one is %d: %s", f.engine, EngineNumber, why)
		}
		f.diverged = &deed{Did: didDiverge, Seq: seq, Detail: fmt.Sprintf("record %d: %s", seq, why)}
	}
}
