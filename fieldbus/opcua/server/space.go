// Space: what is shown.

package server

import (
	"time"

	"github.com/batchkit/batchkit/fieldbus"
)

// Node names something in a Space; the zero Node is the Objects folder. Its number is never given twice.
type Node struct{ id uint32 }

// Kind is what a variable holds.
type Kind uint8

// The kinds, by the data types of OPC UA.
const (
	Bool Kind = iota + 1
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float32
	Float64
	String
	Strings // an array of String
	Time    // DateTime
)

// Value is a value with its quality and its times.
type Value struct {
	Bits   uint64   // of a number or a truth, as tag.Raw has them: of Float32 and Float64 the pattern, of Bool 0 or 1; of Time ns since 1970 UTC
	Text   string   // of String
	Texts  []string // of Strings
	Null   bool     // there is none, and Status says why
	Status fieldbus.Status
	Source time.Time // when it was true; zero: not known
	Server time.Time // when it came here; zero: as it is read
}

// Space is a namespace of folders and variables, and the events that are raised in it. It is safe for any number of goroutines, and no
// method waits for a client.
type Space struct{}

// NewSpace makes a space with a namespace URI, such as urn:plant:controller. Its nodes have number 1 and string identifiers: the path of
// their names from the Objects folder, such as "Batches/B-0001/State".
func NewSpace(uri string) *Space { return &Space{} }

// Folder makes a folder, or gives the one that is there.
func (s *Space) Folder(parent Node, name string) Node { return Node{} }

// Variable makes a variable, which has no value yet (BadWaitingForInitialData), or gives the one that is there. Description may be "".
func (s *Space) Variable(parent Node, name, description string, kind Kind) Node { return Node{} }

// Writable lets clients write a variable, where Options.Write takes it.
func (s *Space) Writable(n Node) {}

// Set gives a variable a value. What is no variable, or was removed, is passed over.
func (s *Space) Set(n Node, v Value) {}

// Get gives the value of a variable.
func (s *Space) Get(n Node) Value { return Value{} }

// Remove takes a node out, with all beneath it; who monitors one is told BadNodeIdUnknown.
func (s *Space) Remove(n Node) {}

// EventType makes a type of events, beneath BaseEventType, with fields of its own.
func (s *Space) EventType(name string, fields ...Field) EventType { return EventType{} }

// EventType names a type of events.
type EventType struct{ id uint32 }

// Field is a field of a type of events.
type Field struct {
	Name string
	Kind Kind
}

// Event is something that happened.
type Event struct {
	Type     EventType
	Source   Node // what it happened to; zero: the server
	Time     time.Time
	Severity uint16 // 1 to 1000
	Message  string
	Fields   []Value // in the order of the type's
}

// Raise raises an event: who subscribed to events is told.
func (s *Space) Raise(e Event) {}
