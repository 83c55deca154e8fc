// What a tracker comes to.

package unitrun

import (
	"fmt"
	"strconv"
	"strings"
)

// EffectKind is what a step came to.
type EffectKind uint8

// The kinds of effects. Each names in brackets what it has beside Kind. Of runs that is always Run, Unit, Definition, Ident, Process and Test; of
// material Material, Visit, which is its place in its trace, and Test, but that Linked has Test of its run.
const (
	RunChanged   EffectKind = iota + 1 // a run went from Old to State by Command [Created, Started, Ended, Post]
	CaptureOn                          // Tags of a run are captured each PeriodMS from now on
	CaptureOff                         // nothing of a run is captured any more
	Captured                           // Data was captured for a run
	Linked                             // Material belongs to a run: it was in Unit, or came there
	Registered                         // Material is known, and at no unit
	Arrived                            // Material came into Unit from outside
	Moved                              // Material went from From to Unit
	SplitOff                           // Material was split off from Other, in Unit
	Merging                            // Material exits from From into Other
	Merged                             // Material was made, in Unit, of what Merging has said
	Exited                             // Material left the plant from From
	MovedBack                          // Material is in Unit again, "" outside, and was in From before, "" where it had exited [Run where its cancel did it]
	TraceInvalid                       // what is on record of Material in From, at place Visit of its trace, counts no more
	LineInvalid                        // that Material was made of Other counts no more
	TestMarked                         // Material stands in no report from now on: it belongs to a run in test
	Sampled                            // Tag has Value, and that is no edge: Reason
	Configured                         // Definition, or Unit, is as it was told
	Refused                            // Command is refused: Reason, which says what to do [what it was for]
	effectCount
)

// effectNames are the words of effects, which stand in records.
var effectNames = [effectCount]string{"", "state", "capture_on", "capture_off", "captured", "linked", "registered", "arrived", "moved", "split_off", "merging",
	"merged", "exited", "moved_back", "trace_invalid", "line_invalid", "test_marked", "sampled", "configured", "refused"}

// String is the word of a kind.
func (k EffectKind) String() string {
	if int(k) < len(effectNames) && k > 0 {
		return effectNames[k]
	}
	return "effect " + strconv.Itoa(int(k))
}

// Effect is what a step came to. What does not belong to its kind is empty. Its slices are the tracker's or the event's: read-only, and valid until
// the next step.
type Effect struct {
	Kind EffectKind

	Run        string
	Unit       string
	Definition string
	Ident      string
	Process    string
	Test       bool
	Command    EventKind
	Old, State State
	Created    int64 // UTC in ns since 1970 when the run was created, 0: not known
	Started    int64 // when it was Active first; 0: not yet, or not known
	Ended      int64 // when it came to be Ready
	Post       bool  // it is Ready, and waits to be finished; a run that is Ready and does not is over
	Tags       []string
	PeriodMS   int64
	Data       []Value

	Material string
	Other    string
	From     string
	Visit    uint32

	Tag    string
	Value  string // high, low, or a text in quotes
	Reason string
}

// String says an effect in one line, for people.
func (e *Effect) String() string {
	of := strings.Join(strings.Fields(e.Run+" "+e.Unit+" "+e.Definition), " ")
	switch e.Kind {
	case RunChanged:
		s := fmt.Sprintf("%s: %s -> %s, code %d, ident %s", of, e.Old, e.State, uint32(e.State.Status()), e.Ident)
		switch {
		case e.Post:
			s += ", waits to be finished"
		case e.State == Ready:
			s += ", its last state"
		}
		return s + e.test()
	case CaptureOn:
		return fmt.Sprintf("%s: capture %s each %d ms", of, strings.Join(e.Tags, " "), e.PeriodMS)
	case CaptureOff:
		return of + ": capture ends"
	case Captured:
		for i := range e.Data {
			of += fmt.Sprintf(" %s=%s,%s", e.Data[i].Tag, e.Data[i].Value, e.Data[i].Quality)
		}
		return of
	case Linked:
		return fmt.Sprintf("%s: material %s belongs to it", of, e.Material)
	case Sampled:
		return fmt.Sprintf("%s: %s is %s, no edge: %s", of, e.Tag, e.Value, e.Reason)
	case Configured:
		return strings.TrimSpace("configured: " + of + " " + e.Reason)
	case Refused:
		for _, what := range []string{e.Material, e.Tag} {
			if what != "" {
				of = strings.TrimSpace(of + " " + what)
			}
		}
		return fmt.Sprintf("refused: %s: %s", strings.TrimSpace(e.Command.String()+" "+of), e.Reason)
	}
	return e.ofMaterial()
}

// ofMaterial says what has become of a material.
func (e *Effect) ofMaterial() string {
	switch e.Kind {
	case Registered:
		return e.Material + " is known" + e.test()
	case Arrived:
		return e.Material + " arrived in " + e.Unit + e.test()
	case Moved:
		return e.Material + " moved from " + e.From + " to " + e.Unit
	case SplitOff:
		return e.Material + " was split off " + e.Other + " in " + e.Unit + e.test()
	case Merging:
		return e.Material + " goes into " + e.Other + " in " + e.From
	case Merged:
		return e.Material + " was made in " + e.Unit + e.test()
	case Exited:
		return e.Material + " exited from " + e.From
	case MovedBack:
		return fmt.Sprintf("%s is moved back from %s to %s, visit %d", e.Material, place(e.From), place(e.Unit), e.Visit)
	case TraceInvalid:
		return fmt.Sprintf("%s in %s, visit %d: counts no more", e.Material, place(e.From), e.Visit)
	case LineInvalid:
		return e.Material + " of " + e.Other + ": counts no more"
	case TestMarked:
		return e.Material + " is in test, by " + e.Run
	}
	return e.Kind.String()
}

func (e *Effect) test() string {
	if e.Test {
		return ", in test"
	}
	return ""
}

// place names a unit, or what is at none.
func place(unit string) string {
	if unit == "" {
		return "outside"
	}
	return unit
}
