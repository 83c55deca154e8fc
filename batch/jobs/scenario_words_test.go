// Scenario scripts: the words of events.

package jobs_test

import (
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/script"
)

// commands are the lines that name a job and nothing else.
var commands = map[string]jobs.EventKind{"complete": jobs.Complete, "abort": jobs.Abort, "interrupt": jobs.Interrupt, "suspend": jobs.Suspend,
	"continue": jobs.Continue, "retry": jobs.Retry, "acknowledge": jobs.Acknowledge}

// happens carries out the line of an event.
func (p *player) happens(l script.Line) error {
	if kind := commands[l.Verb]; kind != 0 {
		id, err := p.id(l, 0)
		if err != nil {
			return err
		}
		ev := jobs.Event{Kind: kind, Job: id}
		for i, w := range l.Args[1:] {
			step, ok := strings.CutPrefix(w, "off=")
			if !ok || kind != jobs.Acknowledge {
				return l.ArgErrorf(i+1, "%q is not known here", w)
			}
			ev.Steps = append(ev.Steps, jobs.Step{Type: step, Recipe: "SETUP", Off: true})
		}
		p.tells(ev)
		return nil
	}
	switch l.Verb {
	case "scheduler":
		return p.scheduler(l)
	case "recipe":
		return p.says(l)
	case "add":
		return p.adds(l)
	case "content":
		return p.contents(l)
	case "process", "unheard":
		return p.processes(l)
	case "tick":
		n, err := l.Int(0)
		if len(l.Args) == 0 {
			n, err = 1, nil
		}
		for ; n > 0 && err == nil; n-- {
			p.tick()
		}
		return err
	case "run":
		for i := 0; p.tick(); i++ {
			if i > 5000 {
				return l.Errorf("it does not come to an end in 5000 ticks")
			}
		}
		return nil
	case "halt":
		p.tells(jobs.Event{Kind: jobs.Halt})
		return nil
	case "cut", "crash":
		return p.cuts(l)
	case "boot":
		return p.boots(l)
	}
	return l.Errorf("%q is no event and no expectation; the package comment lists them", l.Verb)
}

// option cuts "name=value".
func option(w string) (name, value string) {
	name, value, _ = strings.Cut(w, "=")
	return name, value
}

func (p *player) scheduler(l script.Line) error {
	name, err := l.Arg(0)
	if err != nil {
		return err
	}
	rest := l.Args[1:]
	r := jobs.Rules{}
	switch name {
	case "parallel":
		n, err := l.Int(1)
		if err != nil {
			return err
		}
		r.Scheduler, r.Slots, rest = jobs.Parallel, int(n), rest[1:]
	case "seamless":
		r.Scheduler = jobs.Seamless
	default:
		return l.ArgErrorf(0, "%q is no scheduler; it is parallel or seamless", name)
	}
	for i, w := range rest {
		name, value := option(w)
		at := len(l.Args) - len(rest) + i
		switch name {
		case "keep-slot":
			r.KeepSlot = true
		case "complete-idle":
			r.Complete = true
		case "retries":
			if r.Retries, err = strconv.Atoi(value); err != nil {
				return l.ArgErrorf(at, "%q is no number", value)
			}
		default:
			return l.ArgErrorf(at, "%q is not known here", w)
		}
	}
	p.tells(jobs.Event{Kind: jobs.Configure, Rules: &r})
	return nil
}

// says takes in what a script says of a recipe, and says it to a list that has asked.
func (p *player) says(l script.Line) error {
	name, err := l.Arg(0)
	if err != nil {
		return err
	}
	_, again := p.recipes[name]
	r := &recipeWords{info: jobs.RecipeInfo{Recipe: name}, ticks: 1}
	p.recipes[name] = r
	for i := 1; i < len(l.Args); i++ {
		word, value := option(l.Args[i])
		why := strings.Join(l.Args[i+1:], " ")
		switch word {
		case "prepare":
			r.prepare, err = steps(l, i, value)
		case "cleanup":
			r.cleanUp, err = steps(l, i, value)
		case "ticks":
			r.ticks, err = strconv.Atoi(value)
		case "product":
			r.info.Product = value
		case "later":
			r.late = true
		case "missing":
			r.info.Missing, i = why, len(l.Args)
		case "no-resume":
			r.info.NoResume, i = why, len(l.Args)
		default:
			return l.ArgErrorf(i, "%q is not known here", l.Args[i])
		}
		if err != nil {
			return err
		}
	}
	if again {
		p.tells(jobs.Event{Kind: jobs.Recipe, Recipe: &r.info})
	}
	return nil
}

// steps reads how many steps a set-up has.
func steps(l script.Line, i int, value string) (int, error) {
	switch value {
	case "later":
		return later, nil
	case "fails":
		return fails, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, l.ArgErrorf(i, "%q is no number of steps, and not later or fails", value)
	}
	return n, nil
}

func (p *player) adds(l script.Line) error {
	if _, err := l.Arg(0); err != nil {
		return err
	}
	ev := jobs.Event{Kind: jobs.Add}
	o := jobs.Order{Amount: 1}
	var names []int
	for i := 0; i < len(l.Args); i++ {
		w := l.Args[i]
		name, value := option(w)
		n, err := strconv.ParseInt(value, 10, 64)
		switch name {
		case "before", "after":
			if ev.Job, err = p.id(l, i+1); err != nil {
				return err
			}
			ev.Place = map[string]jobs.Place{"before": jobs.Before, "after": jobs.After}[name]
			i++
		case "first":
			ev.Place = jobs.First
		case "after-recipe":
			ev.Place = jobs.AfterRecipe
		case "around":
			ev.Place = jobs.Around
		case "recipe":
			o.Recipe = value
		case "product":
			o.Product = value
		case "unit":
			o.Unit = value
		case "size":
			o.Size = value
		case "amount", "priority":
			if err != nil {
				return l.ArgErrorf(i, "%q is no number", value)
			}
			if name == "amount" {
				o.Amount = n
			} else {
				o.Priority = n
			}
		default:
			names = append(names, i)
		}
	}
	p.coming = nil
	for _, i := range names {
		new, err := p.order(l, i, o, ev.Place == jobs.Around)
		if err != nil {
			return err
		}
		ev.Orders = append(ev.Orders, new)
	}
	p.tells(ev)
	return nil
}

// order makes the order of a job that is named by an argument.
func (p *player) order(l script.Line, i int, o jobs.Order, around bool) (jobs.Order, error) {
	name := l.Args[i]
	if id := p.ids[name]; id != "" {
		if !around {
			return o, l.ArgErrorf(i, "%s is there already; only for around are jobs of the list named", name)
		}
		return jobs.Order{ID: id}, nil
	}
	if o.Recipe == "" {
		o.Recipe = strings.TrimRight(name, "0123456789-.")
	}
	if o.Recipe == "" || strings.Contains(name, "=") {
		return o, l.ArgErrorf(i, "%q names no recipe; say recipe=", name)
	}
	p.coming = append(p.coming, name)
	return o, nil
}

func (p *player) contents(l script.Line) error {
	id, err := p.id(l, 0)
	if err != nil {
		return err
	}
	what, err := l.Arg(1)
	if err != nil {
		return err
	}
	n, why := 0, ""
	switch what {
	case "none":
	case "fails":
		n, why = fails, strings.Join(l.Args[2:], " ")
	case "steps":
		many, err := l.Int(2)
		if err != nil {
			return err
		}
		n = int(many)
	default:
		return l.ArgErrorf(1, "%q is not known here; it is none, steps N or fails WHY", what)
	}
	p.content(id, n, why)
	return nil
}

// processes lets a process come to a stage, and tells the list of it unless nobody hears it.
func (p *player) processes(l script.Line) error {
	text, err := l.Arg(0)
	if err != nil {
		return err
	}
	id, err := p.process(l, 0, text)
	if err != nil {
		return err
	}
	word, err := l.Arg(1)
	if err != nil {
		return err
	}
	stage, err := stageOf(l, 1, word)
	if err != nil {
		return err
	}
	reworked := len(l.Args) > 2 && l.Args[2] == "reworked"
	if b := p.byID[id]; b != nil && b.stage < jobs.Discarded && stage != jobs.Awaited {
		p.comes(b, stage)
		p.news = nil
	}
	if l.Verb == "process" {
		p.tells(jobs.Event{Kind: jobs.Process, Process: id, State: stage, Reworked: reworked})
	}
	return nil
}

func stageOf(l script.Line, i int, word string) (jobs.Stage, error) {
	var s jobs.Stage
	if err := s.UnmarshalText([]byte(word)); err != nil {
		return 0, l.ArgErrorf(i, "stage %q is not known; it is Awaited, Running, Interrupted, Discarded, Success or Failure", word)
	}
	return s, nil
}

// tick lets every process that the list knows go on by one stage, as it was ordered; false where none does.
func (p *player) tick() bool {
	moved := false
	for _, v := range p.list.Processes() {
		b := p.byID[v.Process]
		now, there := p.list.Process(v.Process)
		if b == nil || !there {
			continue
		}
		to := p.goesTo(b, now.Do)
		if b.stage == jobs.Running && to == jobs.NoStage {
			moved = true // it runs, and is not over yet
		}
		if to == jobs.NoStage {
			continue
		}
		moved = true
		p.comes(b, to)
		p.news = nil
		p.tells(jobs.Event{Kind: jobs.Process, Process: b.id, State: to})
	}
	return moved
}

// goesTo gives the stage to which a process comes next, NoStage where it stays.
func (p *player) goesTo(b *batch, do jobs.Do) jobs.Stage {
	ends := do == jobs.AbortIt || do == jobs.CleanItUp
	switch {
	case b.stage == jobs.Awaited && do == jobs.Start:
		return jobs.Running
	case b.stage == jobs.Awaited:
		return jobs.Discarded
	case ends:
		return jobs.Failure
	case b.stage == jobs.Running && do == jobs.Pause:
		return jobs.Interrupted
	case b.stage == jobs.Interrupted && do == jobs.Resume:
		return jobs.Running
	case b.stage == jobs.Running:
		v, _ := p.list.Process(b.id)
		if p.ticks[b.id]++; p.ticks[b.id] >= p.recipe(v.Recipe).ticks {
			return jobs.Success
		}
	}
	return jobs.NoStage
}

// cuts ends the process of the list: what was told since is lost. With cut the batches are cut off, too; those named were never made.
func (p *player) cuts(l script.Line) error {
	for i, w := range l.Args {
		id, err := p.process(l, i, w)
		if err != nil {
			return err
		}
		p.batches = slices.DeleteFunc(p.batches, func(b *batch) bool { return b.id == id })
		delete(p.byID, id)
	}
	for _, b := range p.batches {
		if l.Verb == "cut" && b.stage == jobs.Running {
			b.stage = jobs.Interrupted
		}
	}
	p.comesUp(p.fold())
	return nil
}

// boots brings the list up again, with the processes that are there, or with those that the line names.
func (p *player) boots(l script.Line) error {
	ev := jobs.Event{Kind: jobs.Boot}
	for i, w := range l.Args {
		name, word := option(w)
		id, err := p.process(l, i, name)
		if err != nil {
			return err
		}
		stage, err := stageOf(l, i, word)
		if err != nil {
			return err
		}
		if b := p.byID[id]; b != nil && b.stage < jobs.Discarded && b.stage != stage {
			p.comes(b, stage)
			p.news = nil
		}
		ev.Processes = append(ev.Processes, jobs.Found{Process: id, State: stage})
	}
	for _, b := range p.batches {
		if len(l.Args) == 0 {
			ev.Processes = append(ev.Processes, jobs.Found{Process: b.id, State: b.stage})
		}
	}
	p.tells(ev)
	return nil
}
