// How units and runs are: definitions, and the slots of units for them.

package unitrun

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a configuration.
const (
	MaxDefinitions = 1024
	MaxClasses     = 64        // of a unit, or of a definition
	MaxUnitSlots   = 32        // definitions of one unit
	MaxTags        = 64        // tags that one slot captures
	MinPeriod      = 10        // ms between the values of a capture
	MaxPeriod      = 86400_000 // ms
	MaxDigits      = 12        // of the number in an identifier
)

// Control says who may tell a slot what to do.
type Control uint8

// The controls. Finish is always told by message.
const (
	ByMessage Control = iota
	BySignal
	ByBoth
)

var controlNames = [...]string{"message", "signal", "both"}

// String is the word of a control.
func (c Control) String() string { return word(controlNames[:], int(c)) }

// MarshalText implements encoding.TextMarshaler.
func (c Control) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Control) UnmarshalText(text []byte) error {
	i := slices.Index(controlNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%w: control %.40q is not message, signal or both", ErrEvent, text)
	}
	*c = Control(i)
	return nil
}

// Naming says where the identifier of a run comes from.
type Naming uint8

// The namings.
const (
	NamedByUnit    Naming = iota // by prefix and number, where the command gives none
	NamedByMessage               // the command gives it
	NamedBySignal                // the ident port has it, where the command gives none
)

var namingNames = [...]string{"unit", "message", "signal"}

// String is the word of a naming.
func (n Naming) String() string { return word(namingNames[:], int(n)) }

// MarshalText implements encoding.TextMarshaler.
func (n Naming) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Naming) UnmarshalText(text []byte) error {
	i := slices.Index(namingNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%w: ident %.40q is not by unit, message or signal", ErrEvent, text)
	}
	*n = Naming(i)
	return nil
}

// word gives the word of a value, "" where it has none.
func word(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return ""
}

// Config is a change of configuration: each definition and each unit that is named is from now on as it stands here, and all others stay. It is
// taken whole or not at all. Runs that are tracked keep what they were created with; a slot that is taken away stays until its run has
// ended, and is then told what to do by message.
type Config struct {
	Definitions []Definition `json:"definitions,omitempty"`
	Units       []Unit       `json:"units,omitempty"`
}

// Definition is what runs are one of, such as Production or Maintenance.
type Definition struct {
	Name    string   `json:"name"`
	Classes []string `json:"classes,omitempty"` // of units that may have runs of it
	Gone    bool     `json:"gone,omitempty"`    // it is taken away: no unit has a slot for it
}

// Unit is a process unit.
type Unit struct {
	ID      string   `json:"id"`
	Classes []string `json:"classes,omitempty"`
	Slots   []Slot   `json:"slots,omitempty"` // one for each definition that it has runs of
	Gone    bool     `json:"gone,omitempty"`  // it is taken away: no run is tracked and no material is in it
}

// Slot says how the runs of one definition are on one unit. The zero value is controlled by message, numbers its runs, captures nothing, and has
// Ready as the last state.
type Slot struct {
	Definition string   `json:"definition"`
	Control    Control  `json:"control,omitempty"`
	Ports      Ports    `json:"ports,omitzero"`
	AutoCreate bool     `json:"auto_create,omitempty"` // start creates a run where none is tracked
	Naming     Naming   `json:"naming,omitempty"`
	Prefix     string   `json:"prefix,omitempty"` // of identifiers by unit; the number behind it counts from 1 and is not used twice while the slot is there
	Digits     int      `json:"digits,omitempty"` // that number has at least so many
	Capture    *Capture `json:"capture,omitempty"`
	Post       bool     `json:"post,omitempty"`            // runs need post-processing: Ready is followed by Finished. Else Ready is the last state
	Unstarted  bool     `json:"ready_unstarted,omitempty"` // a run may be made Ready that never was started
	PausedOff  bool     `json:"no_link_paused,omitempty"`  // material that arrives while a run is Paused does not belong to it
	Test       bool     `json:"test,omitempty"`            // its runs, and the material linked to them, stand in no report
	Follow     bool     `json:"follow,omitempty"`          // whoever drives the tracker has runs follow the batches that have the unit
	Restart    bool     `json:"cancel_aborted,omitempty"`  // of Follow: a batch that was aborted cancels its run for restart; else makes it Ready
}

// Ports are the tags that tell a slot what to do. Each is optional. A rising edge is the command; of Active the falling edge is pause.
type Ports struct {
	Create string `json:"create,omitempty"`
	Active string `json:"active,omitempty"` // rising: start, or resume where the run is Paused; falling: pause
	Ready  string `json:"ready,omitempty"`
	Cancel string `json:"cancel,omitempty"`
	Ident  string `json:"ident,omitempty"` // text
}

// all gives the tags of ports by role.
func (p *Ports) all() [roleCount]string {
	return [roleCount]string{roleIdent: p.Ident, roleCreate: p.Create, roleActive: p.Active, roleReady: p.Ready, roleCancel: p.Cancel}
}

// Capture says which values are captured while a run is Active.
type Capture struct {
	Tags     []string `json:"tags"`
	PeriodMS int64    `json:"period_ms"`
}

// check refuses a configuration that no tracker takes, whatever it has.
func (c *Config) check() error {
	if len(c.Definitions)+len(c.Units) == 0 {
		return errors.New("it changes nothing; name definitions or units")
	}
	names := make([]string, 0, len(c.Definitions))
	for i := range c.Definitions {
		names = append(names, c.Definitions[i].Name)
	}
	if err := checkNames("definition", names); err != nil {
		return err
	}
	names = names[:0]
	for i := range c.Units {
		names = append(names, c.Units[i].ID)
	}
	return cmp.Or(checkNames("unit", names), c.checkEach())
}

// checkEach refuses a definition or a unit that no tracker takes.
func (c *Config) checkEach() error {
	for i := range c.Definitions {
		d := &c.Definitions[i]
		if err := cmp.Or(checkName(d.Name), checkClasses(d.Classes, d.Gone)); err != nil {
			return fmt.Errorf("definition %q: %w", d.Name, err)
		}
	}
	for i := range c.Units {
		u := &c.Units[i]
		if err := cmp.Or(checkName(u.ID), u.check()); err != nil {
			return fmt.Errorf("unit %q: %w", u.ID, err)
		}
	}
	return nil
}

// checkName refuses what is no name.
func checkName(name string) error { return checkNames("name", []string{name}) }

func checkClasses(classes []string, gone bool) error {
	switch {
	case gone && len(classes) > 0:
		return errors.New("it is gone, and has classes; leave them out")
	case !gone && len(classes) == 0 || len(classes) > MaxClasses:
		return fmt.Errorf("it has %d classes; give 1 to %d", len(classes), MaxClasses)
	}
	return checkNames("class", classes)
}

func (u *Unit) check() error {
	if err := checkClasses(u.Classes, u.Gone); err != nil {
		return err
	}
	if u.Gone && len(u.Slots) > 0 || len(u.Slots) > MaxUnitSlots {
		return fmt.Errorf("it has %d definitions; at most %d are taken, none where it is gone", len(u.Slots), MaxUnitSlots)
	}
	names := make([]string, 0, len(u.Slots))
	for i := range u.Slots {
		names = append(names, u.Slots[i].Definition)
		if err := u.Slots[i].check(); err != nil {
			return fmt.Errorf("definition %q: %w", u.Slots[i].Definition, err)
		}
	}
	return checkNames("definition", names)
}

func (s *Slot) check() error {
	var tags []string
	for _, tag := range s.Ports.all() {
		if tag != "" {
			tags = append(tags, tag)
		}
	}
	if err := errors.Join(checkNames("port", tags), checkText("prefix", s.Prefix, MaxText/2), s.Capture.check()); err != nil {
		return err
	}
	starts := s.Ports.Active != "" && (s.AutoCreate || s.Ports.Create != "")
	switch {
	case s.Control > ByBoth || s.Naming > NamedBySignal:
		return errors.New("control or naming is not known; set them to what there is")
	case s.Control == ByMessage && len(tags) > 0 && (len(tags) > 1 || s.Ports.Ident == ""):
		return errors.New("it has ports, and is controlled by message; set control to signal or both")
	case s.Control == BySignal && (!starts || s.Ports.Ready == ""):
		return errors.New("it is controlled by signal alone, and has no ports that create, start and end a run; name active, ready, and create or auto_create")
	case s.Control == BySignal && s.Naming == NamedByMessage:
		return errors.New("it is controlled by signal alone, and no message gives an identifier; have it by unit or by signal")
	case (s.Naming == NamedBySignal) != (s.Ports.Ident != ""):
		return errors.New("an ident port is for identifiers by signal, which need one")
	case s.Naming != NamedByUnit && (s.Prefix != "" || s.Digits != 0) || s.Digits < 0 || s.Digits > MaxDigits:
		return fmt.Errorf("prefix and digits are for identifiers by unit, with 0 to %d digits", MaxDigits)
	case s.Control == BySignal && s.Follow || s.Restart && !s.Follow:
		return errors.New("runs that follow batches are controlled by message or both, and cancel_aborted is for them")
	}
	return nil
}

func (c *Capture) check() error {
	if c == nil {
		return nil
	}
	if len(c.Tags) == 0 || len(c.Tags) > MaxTags || c.PeriodMS < MinPeriod || c.PeriodMS > MaxPeriod {
		return fmt.Errorf("it captures %d tags each %d ms; give 1 to %d tags, and %d to %d ms", len(c.Tags), c.PeriodMS, MaxTags, MinPeriod, MaxPeriod)
	}
	for _, tag := range c.Tags {
		if strings.ContainsAny(tag, " \x00") {
			return fmt.Errorf("captured tag %q has a blank or a NUL in it, by which its values would be read as others; name it otherwise", tag)
		}
	}
	return checkNames("captured tag", c.Tags)
}

// fits tells whether a definition is one of a unit's classes.
func (d *Definition) fits(u *Unit) bool {
	return slices.ContainsFunc(d.Classes, func(class string) bool { return slices.Contains(u.Classes, class) })
}

// misfit refuses a slot whose definition is not for its unit.
func misfit(u *Unit, s *Slot, d *Definition) error {
	if d == nil {
		return fmt.Errorf("unit %q: definition %q is not there; name it under definitions", u.ID, s.Definition)
	}
	if !d.fits(u) {
		return fmt.Errorf("unit %q: definition %q is for units of %s, and this is one of %s", u.ID, d.Name, strings.Join(d.Classes, ", "),
			strings.Join(u.Classes, ", "))
	}
	return nil
}
