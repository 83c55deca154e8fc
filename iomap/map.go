// Package iomap gives wires their names: logical tags bound to physical channels by a versioned mapping, and holds the interlocks.
//
// Start with [Parse], which reads a map file, [Machine], which turns raw values into scaled ones with quality and age, and
// scaled ones into writes, and [Guard], which runs the interlocks and alarms of the map over these values. Whoever signs for a map
// reads what [Check] finds in it, what [Diff] says is new in it, and [SafeStatesText]; [JSONSchema] is for editors.
//
// The rule that must not be broken: nothing above this package sees a raw value without its quality, and every output has a
// declared safe value.
//
// The package is pure: values come in as inputs, time comes in with them.
package iomap

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Limits of a map.
const (
	MaxTags   = 4096
	MaxMeters = 256
	MaxUnits  = 256

	MaxResources = 1024
)

// Map is a mapping as its file declares it. It is never changed after Parse.
type Map struct {
	ID          string  // name of the mapping
	Version     string  // mapping_version, verbatim
	Device      string  // device_id of the controller that the wires end at
	Equipment   string  // equipment_id of the unit that the tags belong to
	Calibration string  // name of the calibration file, relative to the map file; "" where no meter needs one
	TagMap      string  // name of the tag map that says which channel is which point of which device, relative to the map file; "": no bus has one
	Tags        []Tag   // a tag's ID is its place in this list
	Meters      []Meter // in the order of the file
	Units       []Unit  // equipment that recipes ask for by class, in the order of the file
	Interlocks  []Interlock
	Alarms      []Alarm

	// Resources are the equipment that recipes may name in uses, in the one order in which it is got; nil: the map has no list, and
	// each name is a resource with one owner.
	Resources []Resource
	Trip      *Trip // what a hard abort asks of the safety chain; nil where nothing

	Overrides []Override // who may take what into his hands, in the order of the file

	OrderTolerance int64 // step of the wall clock in ns beyond which UTC orders nothing across it; whole ms
}

// Tag is one logical tag.
type Tag struct {
	Name       string            // logical_tag
	Channel    string            // physical_channel
	Output     bool              // written, not only read
	Type       Type              // what its scaled value is
	Form       tag.Form          // form on the wire
	Unit       quantity.Unit     // of a Number; "" for a Switch; of a Counter what it counts
	Resolution quantity.Quantity // one count of the scaled value of a Number
	Gain       quantity.Quantity // of a Number: what one on the wire stands for
	Offset     quantity.Quantity // of a Number: what zero on the wire stands for
	Scale      quantity.Linear   // raw to counts, made from Gain, Offset and Resolution
	Invert     bool              // polarity: a Switch whose wire is 0 when it is on
	Words      [2]string         // names of off and on, for example closed and open
	StaleAfter int64             // ns without a new value after which it is STALE; 0 for outputs never written back
	Debounce   int64             // ns that a Switch must rest before its change counts
	Safe       int64             // safe_value of an output, scaled
	Min, Max   int64             // limits of a Number output, scaled; of an input with Valid, what it can be
	Display    Display           // of a Number: how people are shown it
	Binding    string            // protocol_binding: how the channel is reached, as text; "" where the board says
	Filter     Filter            // of a Number that is an input
	Trigger    Trigger           // of a Switch that is an input
	Pulse      int64             // of a Switch whose Trigger is an edge: for how long it is on, ns
	Valid      bool              // of a Number that is an input: it is BAD outside of Min to Max
	Faults     Faults            // of an output
	Resource   int               // of an output: place in Resources + 1 of the equipment that it is a part of; 0: it is of none, and every batch on the map drives it
}

// Type is what a scaled value is.
type Type uint8

// The types.
const (
	Switch  Type = iota // 0 or 1
	Number              // counts of the resolution
	Counter             // raw count, modulo 2^32 or as wide as its Meter says
)

// String gives the name that map files use: switch, number or counter.
func (t Type) String() string { return [...]string{"switch", "number", "counter"}[min(t, Counter)] }

// Trip is how a batch that is aborted hard requests a trip of the PLC's safety chain.
type Trip struct {
	Tag     tag.ID    // a Switch that is an output and is read back; no recipe may set it
	Value   int64     // what requests; its Safe is what does not
	Confirm cond.Cond // what must be true besides its reading back; nil: nothing
	Text    string    // of Confirm, in its canonical form; "" where there is none
	Within  int64     // ns from the request until both must be so, MaxTripTime at most
}

// Unit is equipment that a recipe may ask for by class.
type Unit struct {
	Name         string // its id, unique in the map
	Class        string
	Priority     int64 // of several that can do it, that with the least is taken
	Capabilities []Capability
	Tags         []UnitTag
	Meters       []UnitMeter
}

// Capability is what a unit has: a quantity, or else a word.
type Capability struct {
	Name     string
	Quantity quantity.Quantity
	Word     string
}

// String gives the quantity or the word.
func (c *Capability) String() string {
	if c.Word != "" {
		return c.Word
	}
	return c.Quantity.String()
}

// UnitTag is a tag of a unit under the name that recipes use behind the unit's own.
type UnitTag struct {
	Name string
	Tag  tag.ID
}

// UnitMeter is a meter of a unit under the name that recipes use behind the unit's own.
type UnitMeter struct {
	Name  string
	Meter int // place in Meters
}

// Resource is equipment that elements of a recipe hold while they run.
type Resource struct {
	Name           string // resource_id
	Owners         int    // how many elements of a batch may hold it at one time
	BetweenBatches bool   // batches share it, and one has it at a time: an arbiter says which has it. Owners is 1
	Equipment      string // equipment_id: by which name all who share it know it; Name where the file gives none
}

// Lookup finds a tag by name; ok is false where there is none.
func (m *Map) Lookup(name string) (id tag.ID, ok bool) {
	for i := range m.Tags {
		if m.Tags[i].Name == name {
			return tag.ID(i), true
		}
	}
	return tag.None, false
}

// Channel finds a tag by its physical channel; ok is false where there is none.
func (m *Map) Channel(channel string) (id tag.ID, ok bool) {
	for i := range m.Tags {
		if m.Tags[i].Channel == channel {
			return tag.ID(i), true
		}
	}
	return tag.None, false
}
