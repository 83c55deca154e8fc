// Browse: what a server has, and what of it can be a point.

package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/metering/quantity"
)

// BrowseOptions bounds a Browse. The zero value, and nil, stand for what is in brackets.
type BrowseOptions struct {
	Node  string        // the node beneath which is looked, as Point.At has it (the Objects folder, without what OPC UA itself puts there)
	Nodes int           // most nodes that are looked at (20,000; 200,000 at most)
	Depth int           // most steps from Node (24; 100 at most)
	Time  time.Duration // that it may take (2 min), connecting included
}

// Survey is what Browse has found. It is the same, whatever the order in which a server tells what it has.
type Survey struct {
	Endpoint  string
	Node      string     // as BrowseOptions; "": the Objects folder
	Nodes     int        // that were looked at
	Variables []Variable // by path, then by node
	Apart     int        // properties of nodes, such as a range or a unit, which are no variables of their own
	// Gaps say what was not looked at, and why: a limit that was met, a node that the server would not tell of. Nil: nothing was passed over.
	Gaps []string
}

// Variable is a variable of a server.
type Variable struct {
	Path        string        // names of the nodes on the way to it, parted by "/"; in an address space with more than one way the first by length, then by name
	At          string        // its node, as Point.At has it: "nsu=URI;s=NAME"
	Type        fieldbus.Type // 0: it cannot be a point, for the reason in Refused
	Length      int           // of a String: bytes that a point of it is to have
	Unit        quantity.Unit // of a number: "" where the server tells none that is known here
	Access      fieldbus.Access
	Description string          // as the server has it, cut to 200 bytes
	Refused     string          // why it cannot be a point; "": it can
	Status      fieldbus.Status // of the value when it was read for a trial; good also of what is only written
	Notes       []string        // what a person has to know or to decide
}

// Limits of a Browse, beside those of its options.
const (
	browseNodes   = 20_000
	browseDepth   = 24
	browseTime    = 2 * time.Minute
	browseWait    = 10 * time.Second // for one answer
	browseLife    = time.Hour        // of the keys of its channel
	mostNodes     = 200_000
	mostDepth     = 100
	mostGaps      = 100      // that are told one by one
	mostBytes     = 32 << 20 // of names and node ids
	mostID        = 4096     // bytes of a node id: more has none (part 3)
	mostURIs      = 4096     // namespaces
	mostName      = 64       // bytes of a name in a path
	mostText      = 200      // bytes of a description
	nodesPerCall  = 50       // that are browsed at a time
	valuesPerCall = 500      // attributes that are read at a time
	perNode       = 500      // references that come at a time
	emptyHands    = 8        // continuations in a row that bring nothing, after which no more is asked for
)

// Browse looks at what a server has beneath a node, on a connection of its own, and reads each variable once for a trial. It changes
// nothing there. It blocks until all was looked at, a limit of o is met, which is a gap in the Survey and no error, or ctx ends.
//
// It goes along hierarchical references, forward, through objects and variables, to each node once, by the shortest way. What the server
// sends is taken for hostile: names, ids and texts are cut or left out, a server that goes on for ever is left.
func Browse(ctx context.Context, endpoint string, d *DeviceOptions, o *BrowseOptions) (*Survey, error) {
	w, err := newWalk(endpoint, o)
	if err != nil {
		return nil, err
	}
	if d == nil {
		d = &DeviceOptions{}
	}
	if err := d.valid(); err != nil {
		return nil, fmt.Errorf("opcua: browse: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.time, errTime)
	defer cancel()
	s, err := enter(ctx, endpoint, "browse", d, browseWait, browseLife)
	if err != nil {
		return nil, fmt.Errorf("opcua: browse %.200s: %w", endpoint, err)
	}
	defer s.close()
	w.ask = func(ctx context.Context, req ua.Request, use func(body []byte) error) error {
		_, err := s.ask(ctx, browseWait, req, use)
		return err
	}
	if err := w.all(ctx); err != nil {
		return nil, fmt.Errorf("opcua: browse %s: %w", endpoint, err)
	}
	return w.survey(), nil
}

// errTime is why a Browse ends that has used up its time.
var errTime = errors.New("the time for it is over")

// asker sends one request and has use look at the answer, which is valid only there. An error that is a fault is the server's.
type asker func(ctx context.Context, req ua.Request, use func(body []byte) error) error

// newWalk makes a walk by options.
func newWalk(endpoint string, o *BrowseOptions) (*walk, error) {
	if o == nil {
		o = &BrowseOptions{}
	}
	w := &walk{endpoint: endpoint, start: o.Node, nodes: o.Nodes, depth: o.Depth, time: o.Time, seen: map[string]bool{}}
	for _, n := range []struct {
		name       string
		value      *int
		fall, most int
	}{{"nodes", &w.nodes, browseNodes, mostNodes}, {"depth", &w.depth, browseDepth, mostDepth}} {
		if *n.value == 0 {
			*n.value = n.fall
		}
		if *n.value < 1 || *n.value > n.most {
			return nil, fmt.Errorf("opcua: browse: %s %d: must be 1 to %d", n.name, *n.value, n.most)
		}
	}
	if w.time == 0 {
		w.time = browseTime
	}
	if w.time < 0 {
		return nil, fmt.Errorf("opcua: browse: time %s: must be above zero", w.time)
	}
	return w, nil
}

// all looks at everything.
func (w *walk) all(ctx context.Context) error {
	if err := w.limits(ctx); err != nil {
		return err
	}
	root, err := w.begin()
	if err != nil {
		return err
	}
	err = w.levels(ctx, root)
	if err == nil {
		err = w.describe(ctx)
	}
	if err != nil && errors.Is(context.Cause(ctx), errTime) {
		w.gap("the rest: it took longer than %s; give it more time, or a node to begin at", w.time)
		return nil
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// survey gives what was found.
func (w *walk) survey() *Survey {
	s := &Survey{Endpoint: w.endpoint, Node: w.start, Nodes: len(w.seen), Apart: w.apart, Gaps: w.gaps}
	if w.more > 0 {
		s.Gaps = append(s.Gaps, fmt.Sprintf("and %d more that are not told one by one", w.more))
	}
	for _, p := range w.found {
		s.Variables = append(s.Variables, p.v)
	}
	return s
}
