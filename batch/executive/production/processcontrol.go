// The facade for those who look after what runs: processes, and what they do.

package production

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/sequencer"
)

// ProcessControl is what runs: the processes of the jobs, each a batch, and their activities, each a step on the equipment of its batch. What its methods order
// is on record before it is done, under the operator, role and reason of the order. Until the engine is Up they refuse.
type ProcessControl struct{ e *Engine }

// Processes gives what runs.
func (e *Engine) Processes() *ProcessControl { return &ProcessControl{e} }

// List gives the processes that are not over, by their ids.
func (c *ProcessControl) List() api.Processes {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	list := api.Processes{}
	for _, id := range slices.Sorted(maps.Keys(c.e.fold.procs)) {
		if p := c.e.fold.procs[id]; !over(p.stage) {
			list = append(list, c.e.processView(p))
		}
	}
	return list
}

// Process gives one process; one that is over is there for as long as its batch is in the list of the manager.
func (c *ProcessControl) Process(id string) (api.ProcessView, error) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	p := c.e.fold.procs[id]
	if p == nil {
		return api.ProcessView{}, noProcess(id)
	}
	return c.e.processView(p), nil
}

func noProcess(id string) error {
	return &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("production: no process %.40q is here; its records and its evidence lie with its batch", id)}
}

// processView is a process as clients see it. It is called with mu held.
func (e *Engine) processView(p *process) api.ProcessView {
	v := api.ProcessView{ID: p.id, Job: p.job, State: p.stage.String(), Recipe: p.recipe, Unit: p.unit}
	if p.asked != 0 {
		v.Ordered = p.asked.String()
	}
	if t := e.out.first(p.id); t != nil {
		v.Waits = t.do.String()
		if t.why != "" {
			v.Waits += ": " + t.why
		}
	}
	b := p.batch
	if b == nil {
		return v
	}
	v.Unit, v.Life, v.Batch, v.Reason, v.Records = or(b.Unit, p.unit), b.Life, b.State, b.Reason, b.Records
	for _, s := range b.Steps {
		if len(v.Activities) < api.MaxSteps {
			v.Activities = append(v.Activities, activity(s, b.Equipment))
		}
	}
	return v
}

// activity is a step as a batch tells it: its id, and behind a colon what it waits for.
func activity(step string, equipment []string) api.Activity {
	id, wait, _ := strings.Cut(step, ": ")
	a := api.Activity{Step: id, Waits: wait}
	if !strings.Contains(step, waitsFor) {
		a.Resources = slices.Clone(equipment)
		a.Resources = a.Resources[:min(len(a.Resources), api.MaxSet)]
	}
	return a
}

// Activities gives the activities of a process, and of those that wait for equipment who has it, as arbitration says.
func (c *ProcessControl) Activities(ctx context.Context, id string) ([]api.Activity, error) {
	v, err := c.Process(id)
	if err != nil {
		return nil, err
	}
	waits := func(a api.Activity) bool { return strings.HasPrefix(a.Waits, waitsFor[2:]) }
	if !slices.ContainsFunc(v.Activities, waits) {
		return v.Activities, nil
	}
	held, err := c.e.needs.Resources.Holdings(ctx)
	if err != nil {
		return nil, err
	}
	for i := range v.Activities {
		if a := &v.Activities[i]; waits(*a) {
			a.Waits += who(held, id, a.Step)
		}
	}
	return v.Activities, nil
}

// who tells who has what a step of a batch waits for.
func who(held api.Holdings, batch, step string) (text string) {
	for _, h := range held {
		its := func(w api.Waiting) bool { return w.Batch == batch && w.Step == step }
		if h.Batch != "" && slices.ContainsFunc(h.Waiting, its) {
			text += "; " + h.Equipment + " is had by " + h.Batch
		}
	}
	return text
}

// Tell orders something of a process that is under way: pause, resume or abort. It is on record, and then told to the batch, which refuses what its state does
// not take.
func (c *ProcessControl) Tell(ctx context.Context, id string, cmd *api.ProcessCommand) error {
	if err := c.e.up(); err != nil {
		return err
	}
	if err := cmd.Check(); err != nil {
		return bad("%s", err)
	}
	word, err := c.e.ordered(id, cmd)
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("by %s", or(cmd.Operator, "nobody"))
	if cmd.Role != "" {
		reason += " (" + cmd.Role + ")"
	}
	if cmd.Reason != "" {
		reason += ": " + cmd.Reason
	}
	return c.e.needs.Batches.Tell(ctx, id, &api.Command{Order: api.Order{Reason: cutTo(reason, api.MaxText)}, Command: word})
}

// ordered puts an order of a person on record, and gives the word that the batch has for it.
func (e *Engine) ordered(id string, cmd *api.ProcessCommand) (word string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.fold.procs[id]
	switch {
	case p == nil:
		return "", noProcess(id)
	case over(p.stage):
		return "", &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf("production: process %s is over: %s", id, p.stage)}
	case cmd.Command == "pause":
		word = sequencer.Hold.String()
	case cmd.Command == "resume" && p.batch != nil && p.batch.State == sequencer.Paused.String():
		word = sequencer.Resume.String()
	case cmd.Command == "resume":
		word = sequencer.Restart.String()
	case cmd.Command == "abort":
		word = sequencer.Abort.String()
	default:
		return "", bad("command %.40q is none; give pause, resume or abort", cmd.Command)
	}
	return word, e.deed(&deed{Did: didCommand, Process: id, Job: p.job, Detail: cmd.Command}, by(&cmd.Order))
}

// processNews is what has changed of processes. It is called with mu held.
func (w *watcher) processNews() (list []news) {
	there, ended := map[string]bool{}, map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(w.e.fold.procs)) {
		p := w.e.fold.procs[id]
		is, known := over(p.stage), w.processes[id]
		if is {
			ended[id] = true
		} else {
			there[id] = true
		}
		if is && !known && (w.ended == nil || w.ended[id]) {
			continue
		}
		if !known || p.rev > w.seen {
			v := w.e.processView(p)
			list = append(list, news{"process", &v})
		}
		if is && !known { // it came and went in a moment: how it ended is told all the same
			list = append(list, news{"over", id})
		}
	}
	w.ended = ended
	list = append(list, left("over", w.processes, there)...)
	w.processes = there
	return list
}

// left are those that were there and are no more.
func left(event string, was, is map[string]bool) (list []news) {
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if !is[id] {
			list = append(list, news{event, id})
		}
	}
	return list
}
