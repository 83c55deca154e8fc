// The walk through an address space: level by level, each node once.

package opcua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
)

// walk is one Browse under way.
type walk struct {
	endpoint, start string
	nodes, depth    int
	time            time.Duration
	ask             asker
	uris            []string // of namespaces

	perBrowse, perRead int // nodes of a call
	seen               map[string]bool
	bytes, refs        int
	found              []*spot // variables, in the order of the Survey once described
	apart, more        int
	gaps               []string
}

// spot is a node on the way.
type spot struct {
	id     *ua.NodeID
	key    string // its id as text
	v      Variable
	value  bool // a variable
	unit   *ua.NodeID
	parent *spot // of a property
}

// gap notes what was not looked at.
func (w *walk) gap(format string, args ...any) {
	if len(w.gaps) >= mostGaps {
		w.more++
		return
	}
	w.gaps = append(w.gaps, fmt.Sprintf(format, args...))
}

// begin gives the node where the walk begins.
func (w *walk) begin() (*spot, error) {
	if w.start == "" {
		// What OPC UA puts beneath Objects is of the server and not of the plant.
		for _, n := range []uint32{id.Server, id.Aliases} {
			w.seen[ua.NewNumericNodeID(0, n).String()] = true
		}
		w.gap("the server's own objects, Server and Aliases; begin at i=%d to see the first", id.Server)
		return &spot{id: ua.NewNumericNodeID(0, id.ObjectsFolder)}, nil
	}
	n, err := w.nodeOf(w.start)
	if err != nil {
		return nil, fmt.Errorf("node %.200q: %w", w.start, err)
	}
	return &spot{id: n}, nil
}

// nodeOf reads a node id as Point.At has it.
func (w *walk) nodeOf(text string) (*ua.NodeID, error) {
	p := &place{}
	if err := p.locate(text); err != nil {
		return nil, err
	}
	b := p.node(w.uris)
	if b == nil {
		return nil, fmt.Errorf("the server has no namespace %.100q", p.space)
	}
	return decoded(b)
}

// decoded makes a node id of bytes that a cursor has read. It keeps nothing of them.
func decoded(b []byte) (*ua.NodeID, error) {
	n := new(ua.NodeID)
	_, err := n.Decode(slices.Clone(b))
	return n, err
}

// textOf gives a node id as Point.At has it; where no point can have it, with the reason.
func (w *walk) textOf(n *ua.NodeID) (string, error) {
	text := n.String()
	if n.Namespace() != 0 {
		if int(n.Namespace()) >= len(w.uris) || w.uris[n.Namespace()] == "" {
			return text, errors.New("the server does not tell the URI of its namespace")
		}
		_, local, _ := strings.Cut(text, ";")
		text = "nsu=" + strings.NewReplacer("%", "%25", ";", "%3B").Replace(w.uris[n.Namespace()]) + ";" + local
	}
	if !plainText(text) {
		return text, fmt.Errorf("its node id cannot stand in a profile: it is longer than %d bytes, or has spaces at an end or characters that are not visible",
			fieldbus.MaxText)
	}
	if back, err := w.nodeOf(text); err != nil || back.String() != n.String() {
		return text, errors.New("its node id cannot be written so that it is found again")
	}
	return text, nil
}

// limits asks for the namespaces of the server, and what it bears in one call. One that does not tell the latter gets what is usual.
func (w *walk) limits(ctx context.Context) error {
	w.perBrowse, w.perRead = nodesPerCall, valuesPerCall
	var nodes []*ua.ReadValueID
	for _, n := range []uint32{id.Server_NamespaceArray, id.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
		id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead} {
		nodes = append(nodes, &ua.ReadValueID{NodeID: ua.NewNumericNodeID(0, n), AttributeID: ua.AttributeIDValue})
	}
	values, err := w.read(ctx, nodes)
	if err != nil {
		return err
	}
	if w.uris = values[0].strings(); values[0].status>>30 != 0 || len(w.uris) == 0 || len(w.uris) > mostURIs {
		return fmt.Errorf("the server does not tell its namespaces, or has more than %d", mostURIs)
	}
	for i, to := range []*int{&w.perBrowse, &w.perRead} {
		if n, ok := values[1+i].number(kindUint32); ok && n > 0 {
			*to = int(min(int64(n), int64(*to)))
		}
	}
	return nil
}

// levels goes down from root. A level is looked at as a whole before its nodes are taken, by their paths and not by the order in which
// the server told of them.
func (w *walk) levels(ctx context.Context, root *spot) error {
	w.seen[root.id.String()] = true
	level := []*spot{root}
	for depth := 0; len(level) > 0; depth++ {
		if depth == w.depth {
			w.gap("%d nodes that lie deeper than %d steps, the first beneath %s; allow more, or give a node to begin at", len(level), depth, shown(level[0].v.Path))
			return nil
		}
		var next []*spot
		for part := range slices.Chunk(level, w.perBrowse) {
			more, err := w.browse(ctx, part)
			next = append(next, more...)
			if err != nil {
				w.take(next)
				return err
			}
			if w.many() {
				break
			}
		}
		if level = w.take(next); w.many() || len(w.seen) >= w.nodes {
			w.gap("the rest: the server names more than the %d nodes, or the bytes of names, that are looked at; allow more, or give a node to begin at", w.nodes)
			return nil
		}
	}
	return nil
}

// many tells whether the server has named so many nodes, new or known, that it is left.
func (w *walk) many() bool { return w.refs > 4*w.nodes+perNode || w.bytes > mostBytes }

// take takes the nodes of a level that are new, and gives those beneath which is looked.
func (w *walk) take(next []*spot) (level []*spot) {
	slices.SortFunc(next, func(a, b *spot) int { return cmp.Or(cmp.Compare(a.v.Path, b.v.Path), cmp.Compare(a.key, b.key)) })
	for _, p := range next {
		if w.seen[p.key] {
			continue
		}
		if len(w.seen) >= w.nodes {
			return level
		}
		w.seen[p.key] = true
		if p.parent == nil {
			level = append(level, p)
		} else {
			w.apart++
		}
		if p.parent == nil && p.value {
			p.v.Refused = notAsked
			w.found = append(w.found, p)
		}
	}
	return level
}

// browse asks for what hangs on some nodes.
func (w *walk) browse(ctx context.Context, part []*spot) (next []*spot, err error) {
	branches, err := w.ways(ctx, part)
	var code fault
	switch refused := errors.As(err, &code); {
	case refused && len(part) == 1:
		w.gap("what is beneath %s: %s", shown(part[0].v.Path), statusName(uint32(code)))
		return nil, nil
	case refused: // some servers bear less than they say
		branches = make([]branch, len(part))
		for i := range branches {
			branches[i].status = uint32(ua.StatusBadNoContinuationPoints)
		}
	case err != nil:
		return nil, err
	}
	for i := range branches {
		var more []*spot
		if b := &branches[i]; ua.StatusCode(b.status) == ua.StatusBadNoContinuationPoints && len(part) > 1 { // asked for alone it may have one
			more, err = w.browse(ctx, part[i:i+1])
		} else {
			more, err = w.rest(ctx, part[i], b)
		}
		if next = append(next, more...); err != nil {
			return next, err
		}
	}
	return next, nil
}

// ways sends one Browse.
func (w *walk) ways(ctx context.Context, part []*spot) (branches []branch, err error) {
	req := &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: perNode}
	for _, p := range part {
		req.NodesToBrowse = append(req.NodesToBrowse, &ua.BrowseDescription{NodeID: p.id, BrowseDirection: ua.BrowseDirectionForward,
			ReferenceTypeID: ua.NewNumericNodeID(0, id.HierarchicalReferences), IncludeSubtypes: true,
			NodeClassMask: uint32(ua.NodeClassObject | ua.NodeClassVariable), ResultMask: uint32(ua.BrowseResultMaskAll)})
	}
	err = w.ask(ctx, req, func(body []byte) (err error) {
		branches, err = branchesAnswer(body, id.BrowseResponse_Encoding_DefaultBinary, len(part))
		return err
	})
	return branches, err
}

// rest takes a branch, and asks for what it left out until there is no more.
func (w *walk) rest(ctx context.Context, p *spot, b *branch) (next []*spot, err error) {
	for empty := 0; ; {
		if b.status>>30 != 0 {
			w.gap("what is beneath %s: %s", shown(p.v.Path), statusName(b.status))
			return next, nil
		}
		next = w.step(next, p, b.references)
		if len(b.more) == 0 {
			return next, nil
		}
		if empty++; len(b.references) > 0 {
			empty = 0
		}
		if empty >= emptyHands {
			w.gap("more of what is beneath %s: the server does not come to an end", shown(p.v.Path))
		}
		if empty >= emptyHands || w.many() { // the level ends with it, and says so
			return next, nil
		}
		var branches []branch
		err := w.ask(ctx, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{b.more}}, func(body []byte) (err error) {
			branches, err = branchesAnswer(body, id.BrowseNextResponse_Encoding_DefaultBinary, 1)
			return err
		})
		var code fault
		switch {
		case errors.As(err, &code):
			branches = []branch{{status: uint32(code)}}
		case err != nil:
			return next, err
		}
		b = &branches[0]
	}
}

// step makes spots of references from a node.
func (w *walk) step(next []*spot, from *spot, refs []reference) []*spot {
	for i := range refs {
		r := &refs[i]
		w.refs++
		if !r.forward || r.class != uint32(ua.NodeClassObject) && r.class != uint32(ua.NodeClassVariable) {
			continue
		}
		n, err := w.local(r)
		if err != nil {
			w.gap("%s beneath %s: %v", shown(r.name), shown(from.v.Path), err)
			continue
		}
		p := &spot{id: n, key: n.String(), value: r.class == uint32(ua.NodeClassVariable)}
		if w.seen[p.key] {
			continue
		}
		name := r.name
		if name == "" {
			name = shortened(p.key, mostName)
		}
		if p.v.Path = name; from.v.Path != "" {
			p.v.Path = from.v.Path + "/" + name
		}
		if w.bytes += 2*len(p.key) + len(p.v.Path); w.bytes > mostBytes {
			return next
		}
		if r.property {
			if p.parent = from; name == "EngineeringUnits" && r.space == 0 {
				from.unit = n
			}
		}
		next = append(next, p)
	}
	return next
}

// local gives a node that a reference names, with its namespace by its index.
func (w *walk) local(r *reference) (*ua.NodeID, error) {
	switch {
	case r.server != 0:
		return nil, errors.New("it is a node of another server")
	case len(r.node) > mostID:
		return nil, fmt.Errorf("its node id is longer than %d bytes", mostID)
	}
	n, err := decoded(r.node)
	if err == nil && r.uri != "" {
		i := slices.Index(w.uris, r.uri)
		if i < 0 {
			return nil, fmt.Errorf("the server has no namespace %.100q", r.uri)
		}
		err = n.SetNamespace(uint16(i))
	}
	if err != nil {
		return nil, fmt.Errorf("its node id cannot be: %w", err)
	}
	return n, nil
}

// read reads attributes. Where the server refuses a call as a whole it is asked for less, and what it will not give alone has the server's
// status. Any other error ends the session.
func (w *walk) read(ctx context.Context, nodes []*ua.ReadValueID) ([]dataValue, error) {
	for _, n := range nodes {
		n.DataEncoding = &ua.QualifiedName{}
	}
	values := make([]dataValue, len(nodes))
	err := w.ask(ctx, &ua.ReadRequest{NodesToRead: nodes, TimestampsToReturn: ua.TimestampsToReturnNeither}, func(body []byte) error {
		err := readAnswer(body, values)
		for i := range values {
			values[i].body = slices.Clone(values[i].body)
		}
		return err
	})
	var code fault
	switch refused := errors.As(err, &code); {
	case err == nil || !refused:
		return values, err
	case len(nodes) == 1:
		return []dataValue{{status: uint32(code)}}, nil
	}
	half := len(nodes) / 2
	a, err := w.read(ctx, nodes[:half])
	if err != nil {
		return nil, err
	}
	b, err := w.read(ctx, nodes[half:])
	return append(a, b...), err
}

// statusName gives a status by its name.
func statusName(status uint32) string {
	if d, ok := ua.StatusCodes[ua.StatusCode(status&0xFFFF_0000)]; ok {
		return strings.TrimPrefix(d.Name, "Status")
	}
	return fmt.Sprintf("0x%08X", status)
}

// shown gives a path for a message.
func shown(path string) string {
	if path == "" {
		return "the beginning"
	}
	return shortened(path, mostText)
}
