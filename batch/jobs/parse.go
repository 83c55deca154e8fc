// Events as lines of JSON, and what no list takes for its form alone.

package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/batchkit/batchkit/internal/oneline"
)

// ErrEvent: bytes that are no event, or an event that cannot be written.
var ErrEvent = errors.New("jobs: no event")

// Append appends the event as one line of JSON, the only one that ParseEvent takes for it. What a list would refuse for its form
// alone is ErrEvent, and nothing is appended.
func (e *Event) Append(dst []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return dst, fmt.Errorf("%w: %s: %w", ErrEvent, e.Kind, err)
	}
	return oneline.Append(dst, e, MaxEvent, ErrEvent)
}

// ParseEvent reads what Append wrote, and nothing else: other spellings of the same event are ErrEvent, too.
func ParseEvent(line []byte) (Event, error) { return oneline.Parse[Event](line, MaxEvent, ErrEvent) }

func need(there bool, what string) error {
	if there {
		return nil
	}
	return errors.New(what)
}

// within refuses a number that is out of bounds.
func within(name string, v, low, high int64) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %d; it is %d to %d", name, v, low, high)
	}
	return nil
}

// text refuses what is too long, no UTF-8, or holds control characters.
func text(name, v string, limit int) error {
	if len(v) > limit || !utf8.ValidString(v) {
		return fmt.Errorf("%s has %d bytes, or is no UTF-8; at most %d are taken", name, len(v), limit)
	}
	for _, r := range v {
		if unicode.IsControl(r) {
			return fmt.Errorf("%s holds a control character; write it without", name)
		}
	}
	return nil
}

// check refuses what no list takes, whatever stands in it.
func (e *Event) check() error {
	job := need(e.Job != "", "job is missing; say which one")
	err := cmp.Or(text("job", e.Job, MaxName), text("process", e.Process, MaxName), text("actor", e.Actor, MaxName), text("role", e.Role, MaxName),
		text("reason", e.Reason, MaxText), e.foreign())
	if err != nil {
		return err
	}
	switch e.Kind {
	case Configure:
		return e.Rules.check()
	case Add:
		return e.checkOrders()
	case Recipe:
		if e.Recipe == nil {
			return errors.New("recipe is missing; say what is known of it")
		}
		r := e.Recipe
		return cmp.Or(need(r.Recipe != "", "recipe has no name; name it"), text("provider", r.Provider, MaxName), text("recipe", r.Recipe, MaxName),
			text("missing", r.Missing, MaxText), text("product", r.Product, MaxName), text("noresume", r.NoResume, MaxText))
	case Content, Acknowledge:
		return cmp.Or(job, need(e.Reason == "" || len(e.Steps) == 0 || e.Kind == Acknowledge, "steps and a reason stand side by side; give one of both"),
			checkSteps(e.Steps))
	case Complete, Abort, Interrupt, Suspend, Continue, Retry:
		return job
	case Process:
		return cmp.Or(need(e.Process != "", "process is missing; say which one"), checkStage(e.State, e.Reworked))
	case Boot:
		return e.checkFound()
	case Halt:
		return nil
	}
	return errors.New("its kind is not known; set Kind")
}

// foreign refuses what does not belong to the kind.
func (e *Event) foreign() error {
	k := e.Kind
	only := func(set bool, name string, kinds ...EventKind) error {
		for _, o := range kinds {
			if o == k {
				return nil
			}
		}
		if set {
			return fmt.Errorf("%s does not belong to it; leave it empty", name)
		}
		return nil
	}
	return cmp.Or(
		only(e.Job != "", "job", Add, Content, Complete, Abort, Interrupt, Suspend, Continue, Acknowledge, Retry),
		only(e.Rules != nil, "rules", Configure),
		only(e.Orders != nil, "orders", Add),
		only(e.Place != Append, "place", Add),
		only(e.Recipe != nil, "recipe", Recipe),
		only(e.Steps != nil, "steps", Content, Acknowledge),
		only(e.Process != "", "process", Process),
		only(e.State != NoStage, "state", Process),
		only(e.Reworked, "reworked", Process),
		only(e.Processes != nil, "processes", Boot))
}

func (r *Rules) check() error {
	switch {
	case r == nil:
		return errors.New("rules are missing; say how the list is worked off")
	case r.Scheduler == Parallel:
		return cmp.Or(within("slots", int64(r.Slots), 1, MaxSlots), within("retries", int64(r.Retries), -1, MaxRetries),
			need(!r.KeepSlot, "keep_slot belongs to seamless; leave it out"))
	case r.Scheduler == Seamless:
		return cmp.Or(need(r.Slots == 0, "slots belong to parallel; leave them out"), within("retries", int64(r.Retries), -1, MaxRetries))
	}
	return errors.New("scheduler is not known; it is parallel or seamless")
}

func (e *Event) checkOrders() error {
	if len(e.Orders) == 0 || len(e.Orders) > MaxOrders {
		return fmt.Errorf("it has %d orders; 1 to %d are taken", len(e.Orders), MaxOrders)
	}
	beside := e.Place == Before || e.Place == After
	if beside != (e.Job != "") || int(e.Place) >= len(placeWords) {
		return errors.New("place and job do not fit; job is named for before and after, and for nothing else")
	}
	for i := range e.Orders {
		o := &e.Orders[i]
		var err error
		if o.ID != "" {
			old := Order{ID: o.ID}
			err = cmp.Or(need(e.Place == Around, "id belongs to around; the list numbers its jobs itself"),
				need(*o == old, "a job that stands in the list is named by its id alone; leave the rest out"), text("id", o.ID, MaxName))
		} else {
			err = cmp.Or(need(o.Recipe != "", "recipe is missing; name it"), text("provider", o.Provider, MaxName), text("recipe", o.Recipe, MaxName),
				within("amount", o.Amount, 0, MaxAmount), text("product", o.Product, MaxName), text("unit", o.Unit, MaxName),
				text("size", o.Size, MaxName), within("priority", o.Priority, -MaxPriority, MaxPriority))
		}
		if err != nil {
			return fmt.Errorf("order %d: %w", i+1, err)
		}
	}
	return nil
}

func checkSteps(steps []Step) error {
	if len(steps) > MaxSteps {
		return fmt.Errorf("it has %d steps; at most %d are taken", len(steps), MaxSteps)
	}
	for i := range steps {
		s := &steps[i]
		err := cmp.Or(need(s.Type != "", "type is missing; say what kind of step it is"), need(s.Recipe != "", "recipe is missing; name it"),
			text("type", s.Type, MaxName), text("recipe", s.Recipe, MaxName), text("unit", s.Unit, MaxName),
			within("sort", int64(s.Sort), -MaxSort, MaxSort))
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func checkStage(s Stage, reworked bool) error {
	return cmp.Or(need(s > NoStage && s <= Failure, "state is missing or not known; say to which stage it has come"),
		need(!reworked || s == Success || s == Failure, "reworked stands without an end; it is said with Success or Failure"))
}

func (e *Event) checkFound() error {
	if len(e.Processes) > MaxProcesses {
		return fmt.Errorf("it has %d processes; at most %d are taken", len(e.Processes), MaxProcesses)
	}
	for i := range e.Processes {
		f := &e.Processes[i]
		if err := cmp.Or(need(f.Process != "", "process is missing; say which one"), text("process", f.Process, MaxName), checkStage(f.State, f.Reworked)); err != nil {
			return fmt.Errorf("process %d: %w", i+1, err)
		}
	}
	return nil
}
