// Services TranslateBrowsePathsToNodeIds, RegisterNodes and UnregisterNodes (part 4, 5.9).

package server

import "github.com/gopcua/opcua/ua"

// Limits of one path.
const (
	maxElements = MaxDepth + 8
	maxTargets  = 100
)

func translate(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.TranslateBrowsePathsToNodeIDsRequest)
	if err := operations(len(r.BrowsePaths)); err != nil {
		return nil, err
	}
	list := make([]*ua.BrowsePathResult, len(r.BrowsePaths))
	left := c.srv.o.Limits.Message
	for i, x := range r.BrowsePaths {
		list[i] = c.srv.space.follow(x)
		n, err := encoded(list[i])
		if err != nil {
			return nil, err
		}
		if left -= n; left < 0 {
			return nil, ua.StatusBadResponseTooLarge
		}
	}
	return &ua.TranslateBrowsePathsToNodeIDsResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list,
		DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// follow follows a path.
func (s *Space) follow(x *ua.BrowsePath) *ua.BrowsePathResult {
	no := func(code ua.StatusCode) *ua.BrowsePathResult {
		return &ua.BrowsePathResult{StatusCode: code, Targets: []*ua.BrowsePathTarget{}}
	}
	if x.RelativePath == nil || len(x.RelativePath.Elements) == 0 {
		return no(ua.StatusBadNothingToDo)
	}
	if len(x.RelativePath.Elements) > maxElements {
		return no(ua.StatusBadTooManyOperations)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := keyOf(x.StartingNode)
	if !ok || s.nodes[k] == nil {
		return no(ua.StatusBadNodeIDUnknown)
	}
	at := []*vertex{s.nodes[k]}
	for _, e := range x.RelativePath.Elements {
		of, known := s.referenceType(e.ReferenceTypeID)
		switch {
		case e.TargetName == nil || e.TargetName.Name == "":
			return no(ua.StatusBadBrowseNameInvalid)
		case !known:
			return no(ua.StatusBadReferenceTypeIDInvalid)
		}
		var next []*vertex
		for _, n := range at {
			next = s.step(n, e, of, next)
		}
		if at = next; len(at) == 0 {
			return no(ua.StatusBadNoMatch)
		}
	}
	r := no(ua.StatusOK)
	for _, n := range at {
		const whole = 0xFFFFFFFF // nothing of the path is left
		r.Targets = append(r.Targets, &ua.BrowsePathTarget{TargetID: n.key.far(), RemainingPathIndex: whole})
	}
	return r
}

// step adds the nodes to which an element of a path leads from a node; at most maxTargets.
func (s *Space) step(n *vertex, e *ua.RelativePathElement, of key, to []*vertex) []*vertex {
	want := func(r ref) bool {
		return r.inverse == e.IsInverse && r.to.name == e.TargetName.Name && r.to.ns == e.TargetName.NamespaceIndex && s.ofType(r.typ, of, e.IncludeSubtypes)
	}
	if e.TargetName.NamespaceIndex == 2 && !e.IsInverse && (n.num != 0 || n.key == std(idObjects)) {
		// Names beneath a node of ours are found by its path, however many there are.
		if d := s.nodes[key{ns: 2, text: n.path() + escape.Replace(e.TargetName.Name)}]; d != nil && d.up == n && want(ref{d.link, false, d}) {
			return append(to, d)
		}
		return to
	}
	n.refs(place{}, func(r ref) bool {
		if want(r) {
			to = append(to, r.to)
		}
		return len(to) < maxTargets
	})
	return to
}

// register gives the nodes as they are: no other identifier is faster. It holds nothing.
func register(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.RegisterNodesRequest)
	if err := operations(len(r.NodesToRegister)); err != nil {
		return nil, err
	}
	c.srv.space.mu.Lock()
	defer c.srv.space.mu.Unlock()
	for _, id := range r.NodesToRegister {
		if k, ok := keyOf(id); !ok || c.srv.space.nodes[k] == nil {
			return nil, ua.StatusBadNodeIDUnknown
		}
	}
	return &ua.RegisterNodesResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), RegisteredNodeIDs: r.NodesToRegister}, nil
}

func unregister(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.UnregisterNodesRequest)
	if err := operations(len(r.NodesToUnregister)); err != nil {
		return nil, err
	}
	return &ua.UnregisterNodesResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK)}, nil
}
