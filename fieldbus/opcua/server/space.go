// Space: what is shown.

package server

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/batchkit/batchkit/fieldbus"
)

// Limits of a Space. What goes beyond them is refused and counted (Space.Refused).
const (
	MaxNodes      = 50_000  // folders, variables, types of events and their fields
	MaxDepth      = 16      // of a node beneath the Objects folder
	MaxName       = 200     // bytes of a name
	MaxText       = 1 << 15 // bytes of the texts of a value, or of a message
	MaxEventTypes = 64
	MaxFields     = 64 // of a type of events
)

// Node names something in a Space; the zero Node is the Objects folder. Its number is never given twice.
type Node struct{ id uint32 }

// nowhere is the Node of what was refused.
var nowhere = Node{math.MaxUint32}

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
	Texts  []string // of Strings; not to be changed any more
	Null   bool     // there is none, and Status says why
	Status fieldbus.Status
	Source time.Time // when it was true; zero: not known
	Server time.Time // when it came here; zero: as it is read
}

// Space is a namespace of folders and variables, and the events that are raised in it. It is safe for any number of goroutines, and no
// method waits for a client.
type Space struct {
	uri     string
	began   time.Time
	mu      sync.Mutex // guards all below; but for Remove it is held for one node at a time, or for a part of what is beneath it
	nodes   map[key]*vertex
	own     map[uint32]*vertex // by the number of their Node
	last    uint32             // number that was given last
	events  uint64             // raised
	types   []*eventType
	refused int
	subs    atomic.Uint32 // number of a subscription that was given last
	items   atomic.Uint32 // and of a monitored item
	writing sync.Mutex    // held while Options.Write has a value
}

// NewSpace makes a space with a namespace URI, such as urn:plant:controller. Clients find it at index 2 of the NamespaceArray: OPC UA keeps
// 0 for itself and 1 for the application. Its nodes have string identifiers, the path of their names from the Objects folder, such as
// "ns=2;s=Batches/B-0001/State". A % or / in a name is %25 or %2F there.
func NewSpace(uri string) *Space {
	s := &Space{uri: uri, began: time.Now(), nodes: make(map[key]*vertex), own: make(map[uint32]*vertex)}
	s.addStandard()
	return s
}

// Folder makes a folder, or gives the one that is there. Clients may subscribe to the events of what is in it. A name is 1 to MaxName bytes
// of UTF-8; what has another name, what would be too many or too deep, what is to be in a place that was removed, or is there and is
// something else, is refused: the Node that comes back is nowhere, so that what is put there is refused too.
func (s *Space) Folder(parent Node, name string) Node {
	return s.make(parent, name, func(n *vertex) { n.class, n.typ = object, s.nodes[std(idFolderType)] })
}

// Variable makes a variable, which has no value yet (BadWaitingForInitialData), or gives the one that is there. Description may be "". It
// refuses what Folder does.
func (s *Space) Variable(parent Node, name, description string, kind Kind) Node {
	if kind < Bool || kind > Time || len(description) > MaxText || !utf8.ValidString(description) {
		return s.refuse()
	}
	return s.make(parent, name, func(n *vertex) {
		n.class, n.typ, n.about = variable, s.nodes[std(idDataVariable)], description
		n.data, n.rank = kind.data()
		n.v = &held{kind: kind, value: Value{Null: true, Status: fieldbus.StatusWaiting}}
	})
}

// make makes a node beneath a parent, or gives the one that is there. What fill says of it is what it is.
func (s *Space) make(parent Node, name string, fill func(*vertex)) Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := s.find(parent)
	if up == nil || name == "" || len(name) > MaxName || !utf8.ValidString(name) || up.depth >= MaxDepth {
		s.refused++
		return nowhere
	}
	k := key{ns: 2, text: up.path() + escape.Replace(name)}
	n := &vertex{key: k, ns: 2, name: name, up: up, link: idOrganizes, depth: up.depth + 1}
	if fill(n); n.class == variable || up.class == variable {
		n.link = idComponent
	}
	if old := s.nodes[k]; old != nil && old.class == n.class && old.data == n.data && old.rank == n.rank {
		return Node{old.num}
	}
	if s.nodes[k] != nil || !s.room(1) {
		s.refused++
		return nowhere
	}
	s.add(n)
	return Node{n.num}
}

// room tells whether n more nodes may be made.
func (s *Space) room(n int) bool {
	return len(s.own)+n <= MaxNodes && s.last < math.MaxUint32-uint32(n)-1
}

// add gives a node a number and puts it in its place.
func (s *Space) add(n *vertex) {
	s.last++
	n.num = s.last
	s.nodes[n.key], s.own[n.num] = n, n
	n.up.down = append(n.up.down, n)
}

// refuse counts what was refused.
func (s *Space) refuse() Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	return nowhere
}

// Refused tells how many nodes, types, values and events were refused since the start, because of a limit or of what they were. None of
// them is shown.
func (s *Space) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// escape makes names parts of a path.
var escape = strings.NewReplacer("%", "%25", "/", "%2F")

// find gives the node that a Node names; nil where there is none any more.
func (s *Space) find(n Node) *vertex {
	if n.id == 0 {
		return s.nodes[std(idObjects)]
	}
	return s.own[n.id]
}

// Writable lets clients write a variable, where Options.Write takes it.
func (s *Space) Writable(n Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.find(n); x != nil && x.v != nil {
		x.v.writable = true
	}
}

// Set gives a variable a value. What is no variable, or was removed, is passed over. Of a value whose Status is bad, clients see the status
// and the times alone. Texts that are no UTF-8 or longer than MaxText are replaced by the status BadEncodingLimitsExceeded.
func (s *Space) Set(n Node, v Value) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.find(n)
	if x == nil || x.v == nil {
		return
	}
	if !v.fits() {
		v = Value{Null: true, Status: limitsExceeded, Source: v.Source, Server: v.Server}
		s.refused++
	}
	v.Bits = x.v.kind.clean(v.Bits)
	old := x.v.value
	x.v.value = v
	for it := x.watch; it != nil; it = it.below {
		it.changed(now, &old, &v)
	}
}

// Get gives the value of a variable; the zero Value where there is none.
func (s *Space) Get(n Node) Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.find(n); x != nil && x.v != nil {
		return x.v.value
	}
	return Value{}
}

// Remove takes a node out, with all beneath it; who monitors a variable is told BadNodeIdUnknown, once, and hears no more of it, also when
// one is made in its place. The Objects folder stays.
func (s *Space) Remove(n Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.own[n.id]
	if x == nil || x.up.class == objType || x.class == objType {
		return
	}
	if i, ok := slices.BinarySearchFunc(x.up.down, x.num, byNumber); ok {
		x.up.down = slices.Delete(x.up.down, i, i+1)
	}
	s.drop(x, time.Now())
}

// drop forgets a node and all beneath it.
func (s *Space) drop(n *vertex, now time.Time) {
	for _, d := range n.down {
		s.drop(d, now)
	}
	delete(s.nodes, n.key)
	delete(s.own, n.num)
	for n.watch != nil {
		it := n.watch
		it.unlink()
		it.gone(now)
	}
}
