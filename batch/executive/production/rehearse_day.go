// The form of a day: how a list is worked off, what stands in it, and what people order when.

package production

import (
	"cmp"
	"math"
	"slices"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Limits of a day.
const (
	MaxDayRecipes = 256
	MaxDayEntries = 10_000 // jobs and commands, each
)

// Day is a day's list. It is data: a rehearsal and a real day are made of the same.
type Day struct {
	Rules   jobs.Rules
	Runs    string      // file of unit-run definitions, beside the file of the day; "": none
	Recipes []DayRecipe // those of which there is more to say than that they exist
	Entries []DayEntry  // in the order of their times
}

// DayRecipe is what a day says of a recipe.
type DayRecipe struct {
	Recipe   string
	Product  string // that it makes, where a job does not say; "": nobody says
	NoResume string // why what was cut off hard is not resumed; "": it is
	Triggers []jobs.Trigger
}

// DayEntry is what somebody orders at a time of the day: jobs that come into the list, or a command to one of them.
type DayEntry struct {
	At      int64 // ns since the day began
	Place   jobs.Place
	Orders  []jobs.Order
	Names   []string       // of these, as the day calls them; "" for one that has no name
	Command jobs.EventKind // 0: Orders come into the list
	Job     string         // by its name: of Before and After the job that is there, of a command the one that is meant
	Off     []string       // of Acknowledge, types of steps that are not to be done
	Reason  string
}

// ParseDay reads a day; file is the name that errors show. What is wrong is returned all at once, each error with line, column and
// the line itself. Times count from the begin of the day. A job has a name if another entry speaks of it; place is append where
// nothing is said.
//
//	schema_version: 1
//	scheduler: parallel          # or seamless
//	slots: 2                     # of parallel
//	retries: 3                   # of a set-up that fails
//	unit_runs: runs.yaml         # definitions of unit runs
//	recipes:
//	  - recipe_id: CHARGE
//	    product_id: A-30
//	    prepare:                 # before a group of its jobs; equal sort is side by side, ascending one after the other
//	      - {type: rinse, recipe_id: RINSE, unit: R101}
//	    clean_up:
//	      - {type: rinse, recipe_id: RINSE, unit: R101}
//	jobs:
//	  - {name: first, recipe_id: CHARGE, amount: 2, unit: R101, size: 30 kg}
//	  - {at: 20 s, place: after, job: first, recipe_id: CHARGE, amount: 1, unit: R101}
//	commands:
//	  - {at: 30 s, command: complete, job: first, reason: the tank is full}
//
// An amount of 0 is made until somebody says complete. Slots are 1 to jobs.MaxSlots, and 1 where nothing is said; seamless has
// none. Places are append, first, before, after and after_recipe; commands are complete, abort, interrupt, suspend, continue,
// acknowledge and retry, each with its reason. A recipe of which there is nothing to say needs no entry.
//
// Recipes may also have no_resume, what is prepared the capability that it provides and a clean-up the one that it removes
// (jobs.Trigger), jobs product_id and priority, an acknowledge steps_off, and a day keep_slot and complete_idle (jobs.Rules).
func ParseDay(file string, src []byte) (*Day, error) {
	doc := strictyaml.Parse(file, src, nil)
	r := &dayReader{names: map[string]int{}, recipes: map[string]int{}}
	d := &Day{}
	f := doc.Root().Map()
	f.Req("schema_version").Int(1, 1)
	d.Rules = rulesOf(f)
	if n, ok := f.Opt("unit_runs"); ok {
		d.Runs = n.File()
	}
	if n, ok := f.Opt("recipes"); ok {
		for _, e := range n.List(MaxDayRecipes) {
			d.Recipes = append(d.Recipes, r.recipe(e))
		}
	}
	for _, n := range f.Req("jobs").List(MaxDayEntries) {
		d.Entries = append(d.Entries, r.job(n))
	}
	if n, ok := f.Opt("commands"); ok {
		for _, e := range n.List(MaxDayEntries) {
			d.Entries = append(d.Entries, r.command(e))
		}
	}
	f.Done()
	r.resolve(d)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	d.Entries = joined(d.Entries)
	return d, nil
}

// rulesOf reads how the list is worked off.
func rulesOf(f *strictyaml.Fields) (r jobs.Rules) {
	scheduler := f.Req("scheduler").OneOf("parallel", "seamless")
	slots, has := f.Opt("slots")
	r.Scheduler = jobs.Seamless
	switch {
	case scheduler == "parallel":
		r.Scheduler, r.Slots = jobs.Parallel, 1
		if has {
			r.Slots = int(slots.Int(1, jobs.MaxSlots))
		}
	case scheduler == "seamless" && has:
		slots.Errorf("slots belong to parallel; leave them out")
	}
	if n, ok := f.Opt("retries"); ok {
		r.Retries = int(n.Int(-1, jobs.MaxRetries))
	}
	if n, ok := f.Opt("keep_slot"); ok {
		if r.KeepSlot = n.Bool(); r.KeepSlot && scheduler == "parallel" {
			n.Errorf("keep_slot belongs to seamless; leave it out")
		}
	}
	if n, ok := f.Opt("complete_idle"); ok {
		r.Complete = n.Bool()
	}
	return r
}

// dayReader reads a day, and keeps what names mean.
type dayReader struct {
	names, recipes map[string]int // by the line that says them first
	spoken         []spoken
}

// spoken is a name that an entry says of a job.
type spoken struct {
	node strictyaml.Node
	name string
	at   int64
}

func (r *dayReader) recipe(n strictyaml.Node) (d DayRecipe) {
	f := n.Map()
	id := f.Req("recipe_id")
	d.Recipe = id.Ident()
	id.Once(r.recipes, d.Recipe, "recipe")
	d.Product = optIdent(f, "product_id")
	if n, ok := f.Opt("no_resume"); ok {
		d.NoResume = bounded(n, jobs.MaxText)
	}
	d.Triggers = append(triggersOf(f, "prepare", jobs.Prepare, d.Recipe), triggersOf(f, "clean_up", jobs.CleanUp, d.Recipe)...)
	f.Done()
	return d
}

// triggersOf reads when there is something to do before or behind the jobs of a recipe.
func triggersOf(f *strictyaml.Fields, key string, kind jobs.JobKind, recipe string) (list []jobs.Trigger) {
	n, _ := f.Opt(key)
	for _, e := range n.List(jobs.MaxSteps) {
		f := e.Map()
		t := jobs.Trigger{Kind: kind, For: recipe, Type: f.Req("type").Ident(), Recipe: f.Req("recipe_id").Ident(), Unit: optIdent(f, "unit")}
		if n, ok := f.Opt("sort"); ok {
			t.Sort = int(n.Int(-jobs.MaxSort, jobs.MaxSort))
		}
		if kind == jobs.Prepare {
			t.Provides = optIdent(f, "provides")
		} else {
			t.Removes = optIdent(f, "removes")
		}
		f.Done()
		list = append(list, t)
	}
	return list
}

// places are the words of places; around belongs to people who see the list.
var places = []string{"append", "first", "before", "after", "after_recipe"}

func (r *dayReader) job(n strictyaml.Node) (e DayEntry) {
	f := n.Map()
	e.At = timeOf(f)
	if n, ok := f.Opt("place"); ok {
		e.Place = jobs.Place(max(slices.Index(places, n.OneOf(places...)), 0))
	}
	beside, has := f.Opt("job")
	wants := e.Place == jobs.Before || e.Place == jobs.After
	switch {
	case has && !wants:
		beside.Errorf("job belongs to place before and after; leave it out")
	case wants && !has:
		f.Req("job")
	case wants:
		e.Job = beside.Ident()
		r.spoken = append(r.spoken, spoken{beside, e.Job, e.At})
	}
	name := ""
	if n, ok := f.Opt("name"); ok {
		name = n.Ident()
		n.Once(r.names, name, "job")
	}
	o := jobs.Order{Recipe: f.Req("recipe_id").Ident(), Amount: f.Req("amount").Int(0, math.MaxInt32), Product: optIdent(f, "product_id"), Unit: optIdent(f, "unit")}
	if n, ok := f.Opt("size"); ok {
		o.Size = bounded(n, jobs.MaxName)
	}
	if n, ok := f.Opt("priority"); ok {
		o.Priority = n.Int(-maxDayPriority, maxDayPriority)
	}
	f.Done()
	e.Orders, e.Names = []jobs.Order{o}, []string{name}
	return e
}

// maxDayPriority is what the manager takes.
const maxDayPriority = 1_000_000

func (r *dayReader) command(n strictyaml.Node) (e DayEntry) {
	f := n.Map()
	e.At = timeOf(f)
	e.Command = commandOf(f.Req("command").OneOf(commandWords...))
	job := f.Req("job")
	e.Job = job.Ident()
	r.spoken = append(r.spoken, spoken{job, e.Job, e.At})
	if n, ok := f.Opt("steps_off"); ok {
		for _, s := range n.List(jobs.MaxSteps) {
			e.Off = append(e.Off, s.Ident())
		}
		if e.Command != jobs.Acknowledge {
			n.Errorf("steps_off belongs to acknowledge; leave it out")
		}
	}
	e.Reason = bounded(f.Req("reason"), jobs.MaxText)
	f.Done()
	return e
}

// resolve refuses what speaks of a job that is not there by then, and puts all in the order of time.
func (r *dayReader) resolve(d *Day) {
	at := map[string]int64{}
	for _, e := range d.Entries {
		for _, name := range e.Names {
			at[name] = e.At
		}
	}
	for _, s := range r.spoken {
		switch begun, known := at[s.name]; {
		case s.name == "":
		case !known:
			s.node.Errorf("no job has the name %s; give one of the jobs name: %s", s.name, s.name)
		case begun > s.at:
			s.node.Errorf("job %s comes into the list later, at %d ms; speak of it from then on", s.name, begun/1_000_000)
		}
	}
	slices.SortStableFunc(d.Entries, func(a, b DayEntry) int { return cmp.Compare(a.At, b.At) })
}

// joined puts neighbours that are appended at one time into one entry: they come into the list together.
func joined(all []DayEntry) (list []DayEntry) {
	for _, e := range all {
		if n := len(list) - 1; n >= 0 && plain(&list[n]) && plain(&e) && list[n].At == e.At {
			list[n].Orders, list[n].Names = append(list[n].Orders, e.Orders...), append(list[n].Names, e.Names...)
			continue
		}
		list = append(list, e)
	}
	return list
}

func plain(e *DayEntry) bool { return e.Command == 0 && e.Place == jobs.Append }

func optIdent(f *strictyaml.Fields, key string) string {
	n, _ := f.Opt(key)
	return n.Ident()
}

// bounded reads a text of so many bytes at most.
func bounded(n strictyaml.Node, most int) string {
	text := n.Str()
	if len(text) > most {
		n.Errorf("it has %d bytes; at most %d are taken", len(text), most)
	}
	return text
}

// timeOf reads the time of an entry, in ns since the begin of the day.
func timeOf(f *strictyaml.Fields) int64 {
	n, ok := f.Opt("at")
	if !ok {
		return 0
	}
	text := n.Str()
	if text == "" {
		return 0
	}
	q, err := quantity.Parse(text)
	if err == nil && q.Unit.Compatible("s") {
		if ns, err := q.Nanoseconds(); err == nil && ns >= 0 && ns <= maxDay {
			return ns
		}
	}
	n.Errorf("%q must be a time from 0 s to 7 d, such as 90 s or 2 h", text)
	return 0
}
