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
	found              []*place // variables, in the order of the Survey once described
	apart, more        int
	gaps               []string
}

// place is a node on the way.
type place struct {
	id     *ua.NodeID
	key    string // its id as text
	v      Variable
	value  bool // a variable
	unit   *ua.NodeID
	parent *place // of a property
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
func (w *walk) begin() (*place, error) {
	if w.start == "" {
		// What OPC UA puts beneath Objects is of the server and not of the plant.
		for _, n := range []uint32{id.Server, id.Aliases} {
			w.seen[ua.NewNumericNodeID(0, n).String()] = true
		}
		w.gap("the server's own objects, Server and Aliases; begin at i=%d to see the first", id.Server)
		return &place{id: ua.NewNumericNodeID(0, id.ObjectsFolder)}, nil
	}
	n, err := nodeOf(w.start, w.uris)
	if err != nil {
		return nil, err
	}
	return &place{id: n}, nil
}

// nodeOf reads a node id as Point.At has it, by the namespaces of a server.
func nodeOf(text string, uris []string) (*ua.NodeID, error) {
	rest := text
	if uri, local, ok := strings.Cut(text, ";"); ok && strings.HasPrefix(uri, "nsu=") {
		i := slices.Index(uris, strings.TrimPrefix(uri, "nsu="))
		if i < 0 {
			return nil, fmt.Errorf("node %.100q: the server has no namespace %.100q", text, uri[4:])
		}
		rest = fmt.Sprintf("ns=%d;%s", i, local)
	}
	n, err := ua.ParseNodeID(rest)
	if err != nil || !strings.Contains(rest, "=") || len(text) > mostID {
		return nil, fmt.Errorf(`node %.100q: must be such as "nsu=URI;s=NAME", "ns=2;s=NAME" or "i=85"`, text)
	}
	return n, nil
}

// textOf gives a node id as Point.At has it, or why there is none.
func (w *walk) textOf(n *ua.NodeID) (string, error) {
	text := n.String()
	if n.Namespace() == 0 {
		return text, nil
	}
	_, local, _ := strings.Cut(text, ";")
	if int(n.Namespace()) >= len(w.uris) || w.uris[n.Namespace()] == "" {
		return text, errors.New("the server does not tell the URI of its namespace")
	}
	uri := w.uris[n.Namespace()]
	if strings.ContainsAny(uri, ";%") {
		return text, fmt.Errorf("the URI of its namespace, %.100q, has a ; or %% in it", uri)
	}
	return "nsu=" + uri + ";" + local, nil
}

// limits asks what the server bears in one call. A server that does not tell gets what is usual.
func (w *walk) limits(ctx context.Context) {
	w.perBrowse, w.perRead = nodesPerCall, valuesPerCall
	var nodes []*ua.ReadValueID
	for _, n := range []uint32{id.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse, id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead} {
		nodes = append(nodes, &ua.ReadValueID{NodeID: ua.NewNumericNodeID(0, n), AttributeID: ua.AttributeIDValue})
	}
	values, err := w.read(ctx, nodes)
	if err != nil {
		return // a connection that is lost shows in the next call
	}
	for i, to := range []*int{&w.perBrowse, &w.perRead} {
		if v := values[i]; v.Status == ua.StatusOK && v.Value != nil {
			if n, ok := v.Value.Value().(uint32); ok && n > 0 {
				*to = int(min(n, uint32(*to)))
			}
		}
	}
}

// levels goes down from root. A level is looked at as a whole before its nodes are taken, by their paths and not by the order in which
// the server told of them.
func (w *walk) levels(ctx context.Context, root *place) error {
	w.seen[root.id.String()] = true
	level := []*place{root}
	for depth := 0; len(level) > 0; depth++ {
		if depth == w.depth {
			w.gap("%d nodes that lie deeper than %d steps, the first beneath %s; allow more, or give a node to begin at", len(level), depth, shown(level[0].v.Path))
			return nil
		}
		var next []*place
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
func (w *walk) take(next []*place) (level []*place) {
	slices.SortFunc(next, func(a, b *place) int { return cmp.Or(cmp.Compare(a.v.Path, b.v.Path), cmp.Compare(a.key, b.key)) })
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
func (w *walk) browse(ctx context.Context, part []*place) (next []*place, err error) {
	results, err := w.ways(ctx, part)
	var code ua.StatusCode
	if errors.As(err, &code) && len(part) > 1 && code != ua.StatusBadTimeout { // some servers bear less than they say
		for i := range part {
			more, err := w.browse(ctx, part[i:i+1])
			if next = append(next, more...); err != nil {
				return next, err
			}
		}
		return next, nil
	}
	if errors.As(err, &code) && code != ua.StatusBadTimeout {
		w.gap("what is beneath %s: %s", shown(part[0].v.Path), named(code))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if r.StatusCode == ua.StatusBadNoContinuationPoints && len(part) > 1 { // asked for alone it may have one
			more, err := w.browse(ctx, part[i:i+1])
			if next = append(next, more...); err != nil {
				return next, err
			}
			continue
		}
		more, err := w.rest(ctx, part[i], r)
		if next = append(next, more...); err != nil {
			return next, err
		}
	}
	return next, nil
}

// ways sends one Browse.
func (w *walk) ways(ctx context.Context, part []*place) ([]*ua.BrowseResult, error) {
	req := &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: perNode}
	for _, p := range part {
		req.NodesToBrowse = append(req.NodesToBrowse, &ua.BrowseDescription{NodeID: p.id, BrowseDirection: ua.BrowseDirectionForward,
			ReferenceTypeID: ua.NewNumericNodeID(0, id.HierarchicalReferences), IncludeSubtypes: true,
			NodeClassMask: uint32(ua.NodeClassObject | ua.NodeClassVariable), ResultMask: uint32(ua.BrowseResultMaskAll)})
	}
	res, err := w.ask(ctx, req)
	if err != nil {
		return nil, err
	}
	got, ok := res.(*ua.BrowseResponse)
	if !ok || len(got.Results) != len(part) {
		return nil, fmt.Errorf("the server answers %d nodes with something else", len(part))
	}
	return got.Results, nil
}

// rest takes a result, and asks for what it left out until there is no more.
func (w *walk) rest(ctx context.Context, p *place, r *ua.BrowseResult) (next []*place, err error) {
	for empty := 0; ; {
		if r.StatusCode != ua.StatusOK {
			w.gap("what is beneath %s: %s", shown(p.v.Path), named(r.StatusCode))
			return next, nil
		}
		next = w.step(next, p, r.References)
		if len(r.ContinuationPoint) == 0 {
			return next, nil
		}
		if empty++; len(r.References) > 0 {
			empty = 0
		}
		if empty >= emptyHands {
			w.gap("more of what is beneath %s: the server does not come to an end", shown(p.v.Path))
		}
		if empty >= emptyHands || w.many() { // the level ends with it, and says so
			return next, nil
		}
		res, err := w.ask(ctx, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{r.ContinuationPoint}})
		if err != nil {
			return next, err
		}
		got, ok := res.(*ua.BrowseNextResponse)
		if !ok || len(got.Results) != 1 {
			return next, errors.New("the server answers BrowseNext with something else")
		}
		r = got.Results[0]
	}
}

// step makes places of references from a node.
func (w *walk) step(next []*place, from *place, refs []*ua.ReferenceDescription) []*place {
	for _, r := range refs {
		w.refs++
		if !r.IsForward || r.NodeClass != ua.NodeClassObject && r.NodeClass != ua.NodeClassVariable {
			continue
		}
		name := shortened(r.BrowseName.Name, mostName)
		n, err := w.local(r.NodeID)
		if err != nil {
			w.gap("%s beneath %s: %v", shown(name), shown(from.v.Path), err)
			continue
		}
		p := &place{id: n, key: n.String(), value: r.NodeClass == ua.NodeClassVariable}
		if w.seen[p.key] {
			continue
		}
		if name == "" {
			name = shortened(p.key, mostName)
		}
		if p.v.Path = name; from.v.Path != "" {
			p.v.Path = from.v.Path + "/" + name
		}
		if w.bytes += 2*len(p.key) + len(p.v.Path); w.bytes > mostBytes {
			return next
		}
		if r.ReferenceTypeID.Namespace() == 0 && r.ReferenceTypeID.IntID() == id.HasProperty {
			if p.parent = from; name == "EngineeringUnits" && r.BrowseName.NamespaceIndex == 0 {
				from.unit = n
			}
		}
		next = append(next, p)
	}
	return next
}

// local gives a node that a reference names, with its namespace by its index. It keeps nothing of the message.
func (w *walk) local(e *ua.ExpandedNodeID) (*ua.NodeID, error) {
	if e.ServerIndex != 0 {
		return nil, errors.New("it is a node of another server")
	}
	n := ua.NewNodeIDFromExpandedNodeID(e)
	if n.Type() == ua.NodeIDTypeString && len(n.StringID()) > mostID || n.Type() == ua.NodeIDTypeByteString && len(n.StringID()) > 2*mostID {
		return nil, fmt.Errorf("its node id is longer than %d bytes", mostID)
	}
	if e.NamespaceURI != "" {
		i := slices.Index(w.uris, e.NamespaceURI)
		if i < 0 {
			return nil, fmt.Errorf("the server has no namespace %.100q", e.NamespaceURI)
		}
		if err := n.SetNamespace(uint16(i)); err != nil {
			return nil, fmt.Errorf("a node id that cannot be: %w", err)
		}
	}
	return n, nil
}

// read reads attributes. Where the server refuses a call as a whole, or answers with more than is taken, it is asked for less, and what it
// will not give alone has the server's status. The error is that of a connection that is lost.
func (w *walk) read(ctx context.Context, nodes []*ua.ReadValueID) ([]*ua.DataValue, error) {
	for _, n := range nodes {
		n.DataEncoding = &ua.QualifiedName{}
	}
	res, err := w.ask(ctx, &ua.ReadRequest{NodesToRead: nodes, TimestampsToReturn: ua.TimestampsToReturnNeither})
	if got, ok := res.(*ua.ReadResponse); err == nil && ok && len(got.Results) == len(nodes) {
		return got.Results, nil
	}
	var code ua.StatusCode
	switch {
	case err == nil:
		return nil, fmt.Errorf("the server answers %d attributes with something else", len(nodes))
	case ctx.Err() != nil || !errors.As(err, &code) || code == ua.StatusBadTimeout:
		return nil, err
	case len(nodes) == 1:
		return []*ua.DataValue{{Status: code}}, nil
	}
	half := len(nodes) / 2
	a, err := w.read(ctx, nodes[:half])
	if err != nil {
		return nil, err
	}
	b, err := w.read(ctx, nodes[half:])
	return append(a, b...), err
}

// named gives a status by its name.
func named(code ua.StatusCode) string {
	if d, ok := ua.StatusCodes[code]; ok {
		return strings.TrimPrefix(d.Name, "Status")
	}
	return fmt.Sprintf("0x%08X", uint32(code))
}

// shown gives a path for a message.
func shown(path string) string {
	if path == "" {
		return "the beginning"
	}
	return shortened(path, mostText)
}
