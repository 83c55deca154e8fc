// Services Browse and BrowseNext (part 4, 5.9).

package server

import (
	"encoding/binary"
	"slices"

	"github.com/gopcua/opcua/ua"
)

const (
	maxPoints     = 8    // continuation points of a session
	maxReferences = 1000 // of a node in one response
)

// views is what a session has begun to browse. The lock of the queues guards it.
type views struct {
	points []*point
	last   uint64
}

// point is where browsing a node goes on.
type point struct {
	id   uint64
	node uint32 // number; 0: a standard node
	key  key
	at   place
	what wanted
}

// wanted says which references a client wants, and what of them.
type wanted struct {
	direction ua.BrowseDirection
	of        key // type of reference; the zero key: any
	beneath   bool
	classes   uint32
	mask      uint32
	most      int
}

func browse(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.BrowseRequest)
	if err := operations(len(r.NodesToBrowse)); err != nil {
		return nil, err
	}
	if r.View != nil && r.View.ViewID != nil {
		if k, ok := keyOf(r.View.ViewID); !ok && r.View.ViewID.String() != "s=" || k != (key{}) {
			return nil, ua.StatusBadViewIDUnknown
		}
	}
	most := maxReferences
	if m := r.RequestedMaxReferencesPerNode; m > 0 && m < maxReferences {
		most = int(m)
	}
	b := browsing{c: c, left: c.srv.o.Limits.Message}
	list := make([]*ua.BrowseResult, len(r.NodesToBrowse))
	for i, x := range r.NodesToBrowse {
		if list[i] = b.begin(x, most); b.err != nil {
			return nil, b.err
		}
	}
	return &ua.BrowseResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

func browseNext(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.BrowseNextRequest)
	if err := operations(len(r.ContinuationPoints)); err != nil {
		return nil, err
	}
	b := browsing{c: c, left: c.srv.o.Limits.Message}
	list := make([]*ua.BrowseResult, len(r.ContinuationPoints))
	for i, x := range r.ContinuationPoints {
		list[i] = &ua.BrowseResult{StatusCode: ua.StatusBadContinuationPointInvalid, References: []*ua.ReferenceDescription{}}
		p := c.sess.subs.point(x)
		switch {
		case p == nil:
		case r.ReleaseContinuationPoints:
			list[i].StatusCode = ua.StatusOK
		default:
			list[i] = b.goOn(p)
		}
		if b.err != nil {
			return nil, b.err
		}
	}
	return &ua.BrowseNextResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// browsing is one request to browse.
type browsing struct {
	c    *call
	left int // bytes that the response may still have
	err  error
}

// begin browses a node.
func (b *browsing) begin(x *ua.BrowseDescription, most int) *ua.BrowseResult {
	space := b.c.srv.space
	no := func(code ua.StatusCode) *ua.BrowseResult {
		return &ua.BrowseResult{StatusCode: code, References: []*ua.ReferenceDescription{}}
	}
	w := wanted{direction: x.BrowseDirection, beneath: x.IncludeSubtypes, classes: x.NodeClassMask, mask: x.ResultMask, most: most}
	space.mu.Lock()
	k, ok := keyOf(x.NodeID)
	n := space.nodes[k]
	of, known := space.referenceType(x.ReferenceTypeID)
	space.mu.Unlock()
	switch {
	case !ok || n == nil:
		return no(ua.StatusBadNodeIDUnknown)
	case w.direction > ua.BrowseDirectionBoth:
		return no(ua.StatusBadBrowseDirectionInvalid)
	case !known:
		return no(ua.StatusBadReferenceTypeIDInvalid)
	}
	w.of = of
	return b.goOn(&point{node: n.num, key: k, what: w})
}

// goOn browses a node from a point on.
func (b *browsing) goOn(p *point) *ua.BrowseResult {
	r := &ua.BrowseResult{References: []*ua.ReferenceDescription{}}
	for more := true; more; {
		var found []ref
		var full bool
		if found, full, more = b.c.srv.space.some(p, p.what.most-len(r.References)); more && found == nil {
			return &ua.BrowseResult{StatusCode: ua.StatusBadNodeIDUnknown, References: []*ua.ReferenceDescription{}}
		}
		for _, x := range found {
			d := x.describe(p.what.mask)
			size, err := encoded(d)
			if b.left -= size; err != nil {
				b.err = err
			} else if b.left < 0 {
				b.err = ua.StatusBadResponseTooLarge
			}
			if b.err != nil {
				return r
			}
			r.References = append(r.References, d)
		}
		if !full {
			continue
		}
		if r.ContinuationPoint = b.c.sess.subs.keep(p); r.ContinuationPoint == nil {
			return &ua.BrowseResult{StatusCode: ua.StatusBadNoContinuationPoints, References: []*ua.ReferenceDescription{}}
		}
		break
	}
	return r
}

// some gives the next references of a node that a client wants, and moves the point behind them: not more than it may have, and only what
// stands among the next maxReferences, since a Set may wait for it. Full says that it may have no more, though there are some; more that
// this was not all. Where the node has gone, more is true and nothing, not even a list, is found.
func (s *Space) some(p *point, most int) (found []ref, full, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[p.key]
	if n == nil || n.num != p.node {
		return nil, false, true
	}
	found = []ref{}
	looked := 0
	p.at, more = n.refs(p.at, func(x ref) bool {
		if looked++; looked > maxReferences {
			return false
		}
		if !s.wants(&p.what, x) {
			return true
		}
		if full = len(found) == most; !full {
			found = append(found, x)
		}
		return !full
	})
	return found, full, more
}

// wants tells whether a client wants a reference.
func (s *Space) wants(w *wanted, r ref) bool {
	switch {
	case r.inverse && w.direction == ua.BrowseDirectionForward, !r.inverse && w.direction == ua.BrowseDirectionInverse:
		return false
	case w.classes != 0 && w.classes&uint32(r.to.class) == 0:
		return false
	}
	return s.ofType(r.typ, w.of, w.beneath)
}

// ofType tells whether a type of references is the one that is wanted, or beneath it.
func (s *Space) ofType(typ uint32, of key, beneath bool) bool {
	return of == (key{}) || of == std(typ) || beneath && s.nodes[std(typ)].isA(of)
}

// referenceType reads the identifier of a type of references; null is any. It is false where there is none.
func (s *Space) referenceType(id *ua.NodeID) (key, bool) {
	k, ok := keyOf(id)
	if id == nil || ok && k == (key{}) {
		return key{}, true
	}
	n := s.nodes[k]
	return k, ok && n != nil && n.class == refType
}

// describe tells of a reference what is wanted.
func (r ref) describe(mask uint32) *ua.ReferenceDescription {
	d := &ua.ReferenceDescription{ReferenceTypeID: ua.NewTwoByteNodeID(0), NodeID: r.to.key.far(), BrowseName: &ua.QualifiedName{},
		DisplayName: &ua.LocalizedText{}, TypeDefinition: key{}.far()}
	has := func(bit ua.BrowseResultMask) bool { return mask&uint32(bit) != 0 }
	if has(ua.BrowseResultMaskReferenceTypeID) {
		d.ReferenceTypeID = std(r.typ).id()
	}
	d.IsForward = has(ua.BrowseResultMaskIsForward) && !r.inverse
	if has(ua.BrowseResultMaskNodeClass) {
		d.NodeClass = r.to.class
	}
	if has(ua.BrowseResultMaskBrowseName) {
		d.BrowseName = &ua.QualifiedName{NamespaceIndex: r.to.ns, Name: r.to.name}
	}
	if has(ua.BrowseResultMaskDisplayName) {
		d.DisplayName = ua.NewLocalizedText(r.to.name)
	}
	if has(ua.BrowseResultMaskTypeDefinition) && r.to.typ != nil {
		d.TypeDefinition = r.to.typ.key.far()
	}
	return d
}

// keep keeps a point, and gives the name by which a client goes on; nil: it has too many.
func (s *subscriptions) keep(p *point) []byte {
	s.q.Lock()
	defer s.q.Unlock()
	if len(s.views.points) >= maxPoints {
		return nil
	}
	s.views.last++
	p.id = s.views.last
	s.views.points = append(s.views.points, p)
	return binary.BigEndian.AppendUint64(nil, p.id)
}

// point takes a point out by its name; nil: there is none.
func (s *subscriptions) point(name []byte) *point {
	if len(name) != 8 {
		return nil
	}
	id := binary.BigEndian.Uint64(name)
	s.q.Lock()
	defer s.q.Unlock()
	for i, p := range s.views.points {
		if p.id == id {
			s.views.points = slices.Delete(s.views.points, i, i+1)
			return p
		}
	}
	return nil
}
