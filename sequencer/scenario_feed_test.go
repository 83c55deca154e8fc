// The words of scenario files about feeding and time.

package sequencer

import (
	"slices"

	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/timebase"
)

// In a phase, a total that is 1 off its target being out of tolerance:
//
//	close_window NAME [OUT_OF_TOLERANCE [NOT_GOOD]]    continue, hold, abort or hard_abort
//	jog NAME SHORT FOR SETTLE MOST OUTPUT VALUE
//	time STATE WITHIN hold|abort|confirm    of the element before it: how well time must be known, 0s for any bound
//
// and what happens
//
//	clock STATE BOUND                       how well the wall clock is known, 0s for no bound

func commandOf(word string) Command {
	c, _ := ParseCommand(word) // none for continue and confirm
	return c
}

func reacts(l script.Line, t *todo) (err error) {
	switch {
	case t.Kind == recipe.WaitTotal:
		t.Short, err = l.Int(1)
	case t.Kind == recipe.CloseWindow && len(l.Args) > 1:
		t.React = commandOf(l.Args[1])
		if len(l.Args) > 2 {
			t.NotGood = commandOf(l.Args[2])
		}
	}
	return err
}

func (s *scenario) jog(l script.Line, t *todo) (err error) {
	var most int64
	set := Set{Jog: true}
	if t.Window = slices.Index(s.w.windows, l.Args[0]); t.Window < 0 {
		return l.ArgErrorf(0, "no such window")
	}
	if t.Short, err = l.Int(1); err == nil {
		t.For, err = l.Duration(2)
	}
	if err == nil {
		t.Settle, err = l.Duration(3)
	}
	if err == nil {
		most, err = l.Int(4)
	}
	if set.Output = slices.Index(s.w.tags, l.Args[5]); err == nil {
		set.Value, err = l.Int(6)
	}
	t.AtMost, t.sets = int(most), []Set{set}
	return err
}

func timeRule(l script.Line) (a *Action, err error) {
	a = &Action{Kind: recipe.Time, React: commandOf(l.Args[2]), Reason: "time", Limit: "time is not known well enough"}
	a.State, _ = timebase.ParseSync(l.Args[0])
	a.For, err = l.Duration(1)
	return a, err
}

func (s *scenario) clock(l script.Line) (err error) {
	s.r.plant.sync, _ = timebase.ParseSync(l.Args[0])
	s.r.plant.bound, err = l.Duration(1)
	return err
}
