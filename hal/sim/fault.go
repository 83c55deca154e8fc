// The faults of the plant: what can go wrong, from when and for how long, and the words for it.

package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/batchkit/batchkit/internal/script"
)

// FaultKind says what goes wrong.
type FaultKind uint8

// The kinds of fault, with the words of ParseFault.
const (
	Silent  FaultKind = iota + 1 // silent <channel> <for>: emits nothing, so that its last value grows stale
	Bad                          // bad <channel> <for>: emits with quality Bad
	Frozen                       // frozen <for>: nothing is emitted, and writes hang until the end or their deadline
	Refuse                       // refuse <output> <for>: writes are refused
	Slow                         // slow <output> <delay> <for>: writes are carried out, and confirmed, later by the delay
	Stuck                        // stuck <channel> <for>: an input keeps the value shown last; an output its value, whatever is written and confirmed
	Leak                         // leak A|B <for>: the line flows as if its fine valve were open
	Block                        // block A|B <for>: the line does not flow, whatever its valves do
	NoPower                      // nopower <for>: outputs drop and stay off until written again; writes of anything but 0 are refused
	EStop                        // estop <for>: the emergency-stop circuit is open; outputs as in NoPower
)

// Fault is one fault of a plant. It befalls what happens after At, up to the end of For, and the writes that are asked for at At.
type Fault struct {
	Kind    FaultKind
	Channel string        // a channel; "A" or "B" for Leak and Block; empty for Frozen, NoPower and EStop
	At      int64         // when it begins, monotonic ns; a time in the past, such as 0, means now, or the plant's start
	For     time.Duration // how long it lasts; more than 0
	Delay   time.Duration // of Slow
}

// The limits of faults.
const (
	MaxFaults    = 256              // faults of one plant that are not over
	MaxFaultTime = 8760 * time.Hour // For and Delay
)

// scope says what a kind of fault befalls.
type scope uint8

const (
	ofAll scope = iota
	ofChannel
	ofOutput
	ofLine
)

// kinds is the table of kinds, in their order.
var kinds = [...]struct {
	word  string
	scope scope
	usage string
}{
	{"silent", ofChannel, "<channel> <for>"},
	{"bad", ofChannel, "<channel> <for>"},
	{"frozen", ofAll, "<for>"},
	{"refuse", ofOutput, "<output> <for>"},
	{"slow", ofOutput, "<output> <delay> <for>"},
	{"stuck", ofChannel, "<channel> <for>"},
	{"leak", ofLine, "<line> <for>"},
	{"block", ofLine, "<line> <for>"},
	{"nopower", ofAll, "<for>"},
	{"estop", ofAll, "<for>"},
}

// String gives the word that ParseFault reads.
func (k FaultKind) String() string {
	if k == 0 || int(k) > len(kinds) {
		return fmt.Sprintf("fault(%d)", uint8(k))
	}
	return kinds[k-1].word
}

// ParseFault reads a fault from words, such as "silent" with "ctr/1", "3s". At is left 0. The constants of FaultKind give the
// arguments of each verb; durations are those of package script, such as 1m30s.
func ParseFault(verb string, args []string) (Fault, error) {
	f := Fault{}
	var words []string
	for i, k := range kinds {
		words = append(words, k.word)
		if k.word == verb {
			f.Kind = FaultKind(i + 1)
		}
	}
	if f.Kind == 0 {
		return Fault{}, fmt.Errorf("sim: fault %q: unknown; known are %s", verb, strings.Join(words, ", "))
	}
	usage := kinds[f.Kind-1].usage
	if len(args) != len(strings.Fields(usage)) {
		return Fault{}, fmt.Errorf("sim: fault %q: %d arguments: want %s %s", verb, len(args), verb, usage)
	}
	line, last := script.Line{Verb: verb, Args: args}, len(args)-1
	if kinds[f.Kind-1].scope != ofAll {
		f.Channel = args[0]
	}
	ns, err := line.Duration(last)
	f.For = time.Duration(ns)
	if f.Kind == Slow && err == nil {
		ns, err = line.Duration(last - 1)
		f.Delay = time.Duration(ns)
	}
	var wrong *script.Error
	if errors.As(err, &wrong) {
		return Fault{}, fmt.Errorf("sim: fault %s", wrong.Msg)
	}
	if _, err := f.place(); err != nil {
		return Fault{}, err
	}
	return f, nil
}

// place checks f and returns the place of what it befalls: of the channel in the table, or the line.
func (f Fault) place() (int, error) {
	if f.Kind == 0 || int(f.Kind) > len(kinds) {
		return 0, fmt.Errorf("sim: fault %q: no such kind", f.Kind)
	}
	ch := channelOf(f.Channel)
	wrong := ""
	switch kinds[f.Kind-1].scope {
	case ofAll:
		if f.Channel != "" {
			wrong = "want none"
		}
		ch = 0
	case ofChannel:
		if ch < 0 {
			wrong = "no such channel"
		}
	case ofOutput:
		if ch < chOut {
			wrong = "not an output"
		}
	case ofLine:
		if ch = strings.Index("AB", f.Channel); ch < 0 || len(f.Channel) != 1 {
			wrong = "want A or B"
		}
	}
	switch {
	case wrong != "":
		return 0, fmt.Errorf("sim: fault %q: channel %q: %s", f.Kind, f.Channel, wrong)
	case f.For <= 0 || f.For > MaxFaultTime:
		return 0, fmt.Errorf("sim: fault %q: duration %s: want more than 0 and at most %s", f.Kind, f.For, MaxFaultTime)
	case f.Delay < 0 || f.Delay > MaxFaultTime:
		return 0, fmt.Errorf("sim: fault %q: delay %s: want 0 to %s", f.Kind, f.Delay, MaxFaultTime)
	case f.Delay > 0 && f.Kind != Slow:
		return 0, fmt.Errorf("sim: fault %q: delay %s: only slow takes one", f.Kind, f.Delay)
	}
	return ch, nil
}

// Fault adds a fault, before or during the run. Faults of one kind may overlap. It refuses a fault that names a channel that
// the plant or the kind does not have, and one beyond MaxFaults.
func (p *Plant) Fault(f Fault) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	place, err := f.place()
	if err != nil {
		return err
	}
	kept := p.faults[:0]
	for _, old := range p.faults {
		if !p.started || old.end >= p.now {
			kept = append(kept, old)
		}
	}
	p.faults = kept
	if len(p.faults) == MaxFaults {
		return fmt.Errorf("sim: fault %q: the plant holds %d already", f.Kind, MaxFaults)
	}
	added := fault{Fault: f, place: place}
	added.begin(p.now)
	p.faults = append(p.faults, added)
	return nil
}

// fault is a fault in a plant.
type fault struct {
	Fault
	place int
	end   int64
}

// begin lets a fault whose time has passed begin at now.
func (f *fault) begin(now int64) {
	f.At = min(max(f.At, now), latest)
	f.end = f.At + min(int64(f.For), latest-f.At)
}

// covers tells whether the fault befalls what happens in the channel or line at time t. What happens at At is past when the
// fault begins, so that it makes no difference whether the plant had come to At when the fault was added.
func (f *fault) covers(kind FaultKind, place int, t int64) bool {
	return f.Kind == kind && f.place == place && f.At < t && t <= f.end
}

// active tells whether a fault of that kind befalls the channel or line at time t.
func (p *Plant) active(kind FaultKind, place int, t int64) bool {
	for i := range p.faults {
		if p.faults[i].covers(kind, place, t) {
			return true
		}
	}
	return false
}

// unsupplied tells whether a fault keeps the supply from the outputs at time t.
func (p *Plant) unsupplied(t int64) bool { return p.active(NoPower, 0, t) || p.active(EStop, 0, t) }

// delay is by how much a write to the output at time t is late.
func (p *Plant) delay(place int, t int64) (late int64) {
	for i := range p.faults {
		if f := &p.faults[i]; f.covers(Slow, place, t) {
			late = max(late, int64(f.Delay))
		}
	}
	return late
}
