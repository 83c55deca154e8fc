// What a tracker is told: commands, signals, material, configuration.

package unitrun

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/batchkit/batchkit/internal/oneline"
)

// Limits of what a tracker takes. What is beyond one is refused, and nothing is cut off.
const (
	MaxText      = 200      // bytes of a name or a value
	MaxReason    = 400      // bytes of a reason
	MaxSet       = 64       // materials of one split or merge
	MaxSignals   = 64       // signals of one event
	MaxData      = 256      // values of one Sample
	MaxEvent     = 24 << 10 // bytes of an event, so that its record fits
	MaxUnits     = 1 << 14
	MaxSlots     = 1 << 14 // slots of all units
	MaxReady     = 1 << 17 // runs that wait for their post-processing
	MaxOver      = 1 << 12 // runs that are over for good and are remembered, the newest
	MaxLinks     = 1 << 16 // materials of one run
	MaxMaterials = 1 << 17 // materials that have not exited, or belong to a tracked run
	MaxExited    = 1 << 14 // materials that have exited, belong to no tracked run and are remembered, the newest
	MaxTrace     = 256     // places of one material that are remembered, the newest
	MaxLines     = 256     // materials into which one was split, or of which it was merged
)

// ErrEvent: bytes that are no event, or an event that cannot be written.
var ErrEvent = errors.New("unitrun: no event")

// EventKind is what a tracker is told.
type EventKind uint8

// The kinds of events. Create to Cancel are the commands: with Run they are for that run, else for the slot of Unit and Definition.
const (
	Create     EventKind = iota + 1 // register a run: Ident, Process, Test
	Start                           // it is under way: the first time, or again as Resume. With auto-create it is registered, too: Ident, Process, Test
	Pause                           // it rests
	Resume                          // it is under way again
	MakeReady                       // it has ended
	Finish                          // its post-processing is closed: Run
	Cancel                          // cancel it for restart: its material goes back
	Signal                          // ports have Signals
	Boot                            // the tracker is back: what level a port had before is not known
	Sample                          // Data was captured for Run. It changes nothing in a tracker, so a log may leave it out
	Register                        // Material is known, and at no unit yet: Test
	Arrive                          // Material, which is known or not, comes into Unit from outside: Test
	Move                            // Material goes to Unit
	Split                           // Materials, which are new, are split off from Material, where it is
	Merge                           // Material, which is new, is made of Materials, which are in one unit and exit
	Exit                            // Material leaves the plant
	Regenerate                      // Material is taken up again at Unit, where it was before: what is on record of it since is marked invalid
	Configure                       // Config is how units and runs are from now on
	eventCount
)

// kindNames are the words of kinds in a log and in scripts.
var kindNames = [...]string{"", "create", "start", "pause", "resume", "ready", "finish", "cancel", "signal", "boot", "sample", "register", "arrive",
	"move", "split", "merge", "exit", "regenerate", "configure"}

// String is the word of a kind.
func (k EventKind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Command tells whether an event is one that a run or its slot is told.
func (k EventKind) Command() bool { return k >= Create && k <= Cancel }

// ParseCommand gives the command of a word: create, start, pause, resume, ready, finish or cancel; ok is false where there is none.
func ParseCommand(word string) (k EventKind, ok bool) {
	for k = Create; k <= Cancel; k++ {
		if kindNames[k] == word {
			return k, true
		}
	}
	return 0, false
}

// MarshalText implements encoding.TextMarshaler.
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *EventKind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames[:], string(text))
	if i < 1 {
		return fmt.Errorf("%w: kind %.40q is not known", ErrEvent, text)
	}
	*k = EventKind(i)
	return nil
}

// Event is what a tracker is told. What does not belong to its kind is empty. It is written as one line of JSON (Append), and that line is
// on record.
type Event struct {
	Kind       EventKind `json:"event"`
	Unit       string    `json:"unit,omitempty"`
	Definition string    `json:"definition,omitempty"`
	Run        string    `json:"run,omitempty"`
	Ident      string    `json:"ident,omitempty"`   // of a run that is created; "": as its slot says
	Process    string    `json:"process,omitempty"` // batch that a run that is created belongs to
	Test       bool      `json:"test,omitempty"`    // a run or a material that stands in no report
	Signals    []Level   `json:"signals,omitempty"`
	Data       []Value   `json:"data,omitempty"`
	Material   string    `json:"material,omitempty"`
	Materials  []string  `json:"materials,omitempty"`
	Config     *Config   `json:"config,omitempty"`
	Actor      string    `json:"actor,omitempty"` // who asks, where that is a person
	Role       string    `json:"role,omitempty"`
	Reason     string    `json:"reason,omitempty"`
}

// Level is what a port has. Of an ident port it is Text, of any other High.
type Level struct {
	Tag  string `json:"tag"`
	High bool   `json:"high,omitempty"`
	Text string `json:"text,omitempty"`
	Bad  bool   `json:"bad,omitempty"` // its quality is not GOOD: what it has is not known, and the next GOOD level is no edge
}

// Value is one value that was captured.
type Value struct {
	At      int64  `json:"at,omitempty"` // UTC in ns since 1970; 0: not known
	Tag     string `json:"tag"`
	Value   string `json:"value"`
	Quality string `json:"quality"` // GOOD, STALE or BAD
}

// Append appends the event as one line of JSON, the only one that ParseEvent takes for it. What a tracker would refuse for its form alone is
// ErrEvent, and nothing is appended.
func (e *Event) Append(dst []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return dst, fmt.Errorf("%w: %s: %w", ErrEvent, e.Kind, err)
	}
	return oneline.Append(dst, e, MaxEvent, ErrEvent)
}

// ParseEvent reads what Append wrote, and nothing else: other spellings of the same event are ErrEvent, too.
func ParseEvent(line []byte) (Event, error) { return oneline.Parse[Event](line, MaxEvent, ErrEvent) }

// check refuses what no tracker takes, whatever stands in it.
func (e *Event) check() error {
	if e.Kind == 0 || e.Kind >= eventCount {
		return errors.New("its kind is not known; set Kind")
	}
	for _, f := range [...]struct{ name, text string }{{"unit", e.Unit}, {"definition", e.Definition}, {"run", e.Run}, {"ident", e.Ident},
		{"process", e.Process}, {"material", e.Material}, {"actor", e.Actor}, {"role", e.Role}} {
		if err := checkText(f.name, f.text, MaxText); err != nil {
			return err
		}
	}
	if err := checkText("reason", e.Reason, MaxReason); err != nil {
		return err
	}
	if len(e.Materials) > MaxSet || len(e.Signals) > MaxSignals || len(e.Data) > MaxData {
		return fmt.Errorf("it has %d materials, %d signals, %d values; at most %d, %d, %d are taken", len(e.Materials), len(e.Signals), len(e.Data),
			MaxSet, MaxSignals, MaxData)
	}
	if err := checkNames("material", e.Materials); err != nil {
		return err
	}
	return e.checkKind()
}

// checkKind refuses an event that lacks what its kind needs, or has what is another's.
func (e *Event) checkKind() error {
	bare := *e
	bare.Kind, bare.Actor, bare.Role, bare.Reason = 0, "", "", ""
	switch e.Kind {
	case Create, Start, Pause, Resume, MakeReady, Finish, Cancel:
		return e.checkCommand()
	case Signal:
		return bare.checkSignals()
	case Sample:
		return bare.checkData()
	case Configure:
		if e.Config == nil {
			return errors.New("config is missing; say how units are")
		}
		if bare.Config = nil; !bare.empty() {
			return errors.New("it has more than config; leave the rest out")
		}
		return e.Config.check()
	case Boot:
	default:
		return e.checkMaterial()
	}
	if !bare.empty() {
		return errors.New("it has what does not belong to it; leave that out")
	}
	return nil
}

// empty tells whether nothing is left in an event.
func (e *Event) empty() bool {
	return e.Kind == 0 && e.Unit+e.Definition+e.Run+e.Ident+e.Process+e.Material == "" && !e.Test && e.Signals == nil && e.Data == nil &&
		e.Materials == nil && e.Config == nil
}

func (e *Event) checkCommand() error {
	switch {
	case e.Run == "" && (e.Unit == "" || e.Definition == ""):
		return errors.New("neither run, nor unit and definition; say which is meant")
	case e.Run != "" && e.Unit+e.Definition != "":
		return errors.New("run, and unit or definition; give one of both")
	case e.Kind == Create && e.Run != "":
		return errors.New("a run is given; the tracker numbers it")
	case e.Kind == Finish && e.Run == "":
		return errors.New("run is missing; several may wait to be finished")
	case e.Kind > Start && (e.Ident != "" || e.Process != "" || e.Test):
		return errors.New("ident, process and test are told when a run is created")
	case e.Material != "" || e.Materials != nil || e.Signals != nil || e.Data != nil || e.Config != nil:
		return errors.New("it has what does not belong to it; leave that out")
	}
	return nil
}

func (e *Event) checkSignals() error {
	if len(e.Signals) == 0 {
		return errors.New("signals are missing; name each tag")
	}
	for i, l := range e.Signals {
		if l.Tag == "" || slices.ContainsFunc(e.Signals[:i], func(m Level) bool { return m.Tag == l.Tag }) {
			return fmt.Errorf("tag %q is empty or named twice; name each once", l.Tag)
		}
		if err := errors.Join(checkText("tag", l.Tag, MaxText), checkText("text", l.Text, MaxText)); err != nil {
			return err
		}
		if l.Bad && (l.High || l.Text != "") {
			return fmt.Errorf("tag %q is bad, and has a level; what is not GOOD has none", l.Tag)
		}
	}
	if e.Signals = nil; !e.empty() {
		return errors.New("it has more than signals; leave the rest out")
	}
	return nil
}

func (e *Event) checkData() error {
	if e.Run == "" || len(e.Data) == 0 {
		return errors.New("run or data is missing; name both")
	}
	for i := range e.Data {
		v := &e.Data[i]
		if v.Tag == "" || v.Quality != "GOOD" && v.Quality != "STALE" && v.Quality != "BAD" {
			return fmt.Errorf("value %d: tag is missing, or quality %.20q is not GOOD, STALE or BAD", i+1, v.Quality)
		}
		if err := errors.Join(checkText("tag", v.Tag, MaxText), checkText("value", v.Value, MaxText)); err != nil {
			return err
		}
	}
	if e.Run, e.Data = "", nil; !e.empty() {
		return errors.New("it has more than run and data; leave the rest out")
	}
	return nil
}

func (e *Event) checkMaterial() error {
	many, unit := e.Kind == Split || e.Kind == Merge, e.Kind == Arrive || e.Kind == Move || e.Kind == Regenerate
	switch {
	case e.Material == "":
		return errors.New("material is missing; name it")
	case many != (len(e.Materials) > 0):
		return errors.New("materials are for split and merge, which need them")
	case unit != (e.Unit != ""):
		return errors.New("unit is for arrive, move and regenerate, which need it")
	case slices.Contains(e.Materials, e.Material):
		return fmt.Errorf("material %q is named twice", e.Material)
	case e.Test && e.Kind != Register && e.Kind != Arrive:
		return errors.New("test is told when a material comes to be known")
	case e.Definition+e.Run+e.Ident+e.Process != "" || e.Signals != nil || e.Data != nil || e.Config != nil:
		return errors.New("it has what does not belong to it; leave that out")
	}
	return nil
}

// checkNames refuses names that are empty, too long or not one of a kind.
func checkNames(what string, names []string) error {
	for i, n := range names {
		if n == "" || slices.Contains(names[:i], n) {
			return fmt.Errorf("%s %q is empty or named twice; name each once", what, n)
		}
		if err := checkText(what, n, MaxText); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses a text that is too long or no UTF-8.
func checkText(name, text string, limit int) error {
	if len(text) > limit || !utf8.ValidString(text) {
		return fmt.Errorf("%s has %d bytes, or is no UTF-8; at most %d are taken", name, len(text), limit)
	}
	return nil
}
