// What a set-up job has to do: steps from triggers.

package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// MaxTriggers is how many triggers there may be.
const MaxTriggers = 4096

// Trigger says when a step belongs to a set-up.
type Trigger struct {
	Kind     JobKind `json:"kind"`          // Prepare: before production; CleanUp: behind it
	For      string  `json:"for,omitempty"` // recipe that is set up for; "": every one
	Type     string  `json:"type"`          // of the step: a person switches steps off by it
	Recipe   string  `json:"recipe"`        // of the step
	Unit     string  `json:"unit,omitempty"`
	Provides string  `json:"provides,omitempty"` // of Prepare: the capability that the step gives; passed over where a resource has it
	Removes  string  `json:"removes,omitempty"`  // of CleanUp: the capability that the step takes away; passed over where none has it
	Sort     int     `json:"sort,omitempty"`     // ascending is one after the other, equal is side by side
}

// Setup gives the steps of a set-up of a kind for a recipe, by ascending Sort, those of one Sort in the order of their triggers. It gives
// none where there is nothing to do, and for a production job. has tells whether some resource has a capability at this time; where it is
// nil the steps are those that there could be at all: nothing is there before production, and everything behind it.
func Setup(triggers []Trigger, recipe string, kind JobKind, has func(capability string) bool) []Step {
	var steps []Step
	for i := range triggers {
		t := &triggers[i]
		if t.Kind != kind || kind != Prepare && kind != CleanUp || t.For != "" && t.For != recipe {
			continue
		}
		if has != nil && (t.Provides != "" && has(t.Provides) || t.Removes != "" && !has(t.Removes)) {
			continue
		}
		steps = append(steps, Step{Type: t.Type, Recipe: t.Recipe, Unit: t.Unit, Sort: t.Sort})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.Sort, b.Sort) })
	return steps
}

// CheckTriggers refuses triggers of which Setup could make what no list takes.
func CheckTriggers(triggers []Trigger) error {
	if len(triggers) > MaxTriggers {
		return fmt.Errorf("jobs: %d triggers; at most %d are taken", len(triggers), MaxTriggers)
	}
	var every [CleanUp + 1]int // steps for every recipe
	most := map[Trigger]int{}  // steps for one recipe more than for every one
	for i := range triggers {
		t := &triggers[i]
		if err := t.check(); err != nil {
			return fmt.Errorf("jobs: trigger %d: %w", i+1, err)
		}
		if t.For == "" {
			every[t.Kind]++
		} else {
			most[Trigger{Kind: t.Kind, For: t.For}]++
		}
	}
	for i := range triggers {
		t := &triggers[i]
		if n := every[t.Kind] + most[Trigger{Kind: t.Kind, For: t.For}]; n > MaxSteps {
			return fmt.Errorf("jobs: trigger %d: %s of recipe %q has %d steps; at most %d are taken", i+1, t.Kind, t.For, n, MaxSteps)
		}
	}
	return nil
}

// check refuses a trigger for its form.
func (t *Trigger) check() error {
	switch {
	case t.Kind != Prepare && t.Kind != CleanUp:
		return errors.New("kind is missing or not known; it is prepare or clean_up")
	case t.Kind == Prepare && t.Removes != "":
		return errors.New("removes belongs to clean_up; leave it out")
	case t.Kind == CleanUp && t.Provides != "":
		return errors.New("provides belongs to prepare; leave it out")
	}
	return cmp.Or(need(t.Type != "", "type is missing; say what kind of step it is"), need(t.Recipe != "", "recipe is missing; name it"),
		text("type", t.Type, MaxName), text("recipe", t.Recipe, MaxName), text("unit", t.Unit, MaxName),
		within("sort", int64(t.Sort), -MaxSort, MaxSort), text("for", t.For, MaxName), text("provides", t.Provides, MaxName), text("removes", t.Removes, MaxName))
}
