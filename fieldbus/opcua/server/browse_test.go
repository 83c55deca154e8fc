// The claims of browsing: what stands where, in parts or at once, and by paths.

package server

import (
	"fmt"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// look browses a node forward.
func (r *rig) look(id *ua.NodeID, most uint32, change func(*ua.BrowseDescription)) *ua.BrowseResult {
	r.t.Helper()
	d := &ua.BrowseDescription{NodeID: id, ReferenceTypeID: ua.NewTwoByteNodeID(idHierarchical), IncludeSubtypes: true, ResultMask: 63}
	if change != nil {
		change(d)
	}
	return ask[*ua.BrowseResponse](r, &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: most,
		NodesToBrowse: []*ua.BrowseDescription{d}}).Results[0]
}

// names gives the names of what was found.
func names(b *ua.BrowseResult) (list []string) {
	for _, x := range b.References {
		list = append(list, x.BrowseName.Name)
	}
	return list
}

func TestEveryNodeIsFoundFromTheRootAndHasItsAttributes(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	s.Variable(s.Folder(Node{}, "Tags"), "T1", "", Float64)
	s.EventType("E", Field{"F", Bool})
	seen := map[string]bool{}
	next := []*ua.NodeID{ua.NewTwoByteNodeID(84)}
	for len(next) > 0 {
		at := next[0]
		if next = next[1:]; seen[at.String()] {
			continue
		}
		seen[at.String()] = true
		class := ua.NodeClass(r.read(at, ua.AttributeIDNodeClass).Value.Int())
		if class == variable {
			d := r.read(at, ua.AttributeIDValue)
			require.Contains(t, []ua.StatusCode{ua.StatusOK, ua.StatusBadWaitingForInitialData}, d.Status, at.String())
			require.Equal(t, ua.StatusOK, r.read(at, ua.AttributeIDAccessLevel).Status)
		}
		if class == variable || class == object {
			require.Len(t, r.look(at, 0, func(d *ua.BrowseDescription) { d.ReferenceTypeID = ua.NewTwoByteNodeID(idTypeDef) }).References, 1, at.String())
		}
		for _, x := range r.look(at, 0, func(d *ua.BrowseDescription) { d.ReferenceTypeID = ua.NewTwoByteNodeID(0) }).References {
			require.Equal(t, ua.StatusOK, r.read(x.NodeID.NodeID, ua.AttributeIDNodeClass).Status, "%v leads to what there is", at)
			next = append(next, x.NodeID.NodeID)
		}
	}
	require.Equal(t, len(s.nodes), len(seen))
	for _, id := range []uint32{2254, 2255} {
		require.NotEmpty(t, r.read(ua.NewNumericNodeID(0, id), ua.AttributeIDValue).Value.Value())
	}
	require.Equal(t, "urn:test:plant", r.read(ua.NewNumericNodeID(0, 2255), ua.AttributeIDValue).Value.Value().([]string)[2])
}

func TestAFolderIsBrowsedInPartsThatMakeUpTheWhole(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	f := s.Folder(Node{}, "F")
	var nodes []Node
	for i := range 25 {
		nodes = append(nodes, s.Variable(f, fmt.Sprint("v", i), "", Bool))
	}
	b := r.look(own("F"), 10, nil)
	got := names(b)
	s.Remove(nodes[10]) // with which it would go on
	s.Remove(nodes[3])
	for len(b.ContinuationPoint) > 0 {
		b = ask[*ua.BrowseNextResponse](r, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{b.ContinuationPoint}}).Results[0]
		require.Equal(t, ua.StatusOK, b.StatusCode)
		got = append(got, names(b)...)
	}
	require.Len(t, got, 24)
	require.NotContains(t, got, "v10")
	require.Equal(t, "v24", got[23])
	for i := range maxPoints + 1 {
		b = r.look(own("F"), 1, nil)
		if i < maxPoints {
			require.NotEmpty(t, b.ContinuationPoint)
		}
	}
	require.Equal(t, ua.StatusBadNoContinuationPoints, b.StatusCode)
	require.Empty(t, b.References)
	p := r.sess.subs.views.points[0]
	name := []byte{0, 0, 0, 0, 0, 0, 0, byte(p.id)}
	release := ask[*ua.BrowseNextResponse](r, &ua.BrowseNextRequest{ReleaseContinuationPoints: true, ContinuationPoints: [][]byte{name, name, {1}}}).Results
	require.Equal(t, ua.StatusOK, release[0].StatusCode)
	require.Equal(t, ua.StatusBadContinuationPointInvalid, release[1].StatusCode)
	require.Equal(t, ua.StatusBadContinuationPointInvalid, release[2].StatusCode)
	b = r.look(own("F"), 1, nil)
	s.Remove(f)
	b = ask[*ua.BrowseNextResponse](r, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{b.ContinuationPoint}}).Results[0]
	require.Equal(t, ua.StatusBadNodeIDUnknown, b.StatusCode)
	r.sess.subs.end()
	require.Empty(t, r.sess.subs.views.points)
}

func TestAFolderIsSearchedToItsEndHoweverLongItIs(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	f := s.Folder(Node{}, "F")
	for i := range 3*maxReferences + 1 {
		s.Variable(f, fmt.Sprint("v", i), "", Bool)
	}
	s.Folder(f, "last")
	require.Equal(t, []string{"last"}, names(r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.NodeClassMask = uint32(object) })))
	b := r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.ReferenceTypeID = ua.NewTwoByteNodeID(idComponent) })
	n := len(b.References)
	for parts := 1; len(b.ContinuationPoint) > 0; parts++ {
		require.Len(t, b.References, maxReferences)
		b = ask[*ua.BrowseNextResponse](r, &ua.BrowseNextRequest{ContinuationPoints: [][]byte{b.ContinuationPoint}}).Results[0]
		n += len(b.References)
	}
	require.Equal(t, 3*maxReferences+1, n)
}

func TestBrowsingGivesWhatWasAskedForAndRefusesTheRest(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	s.Variable(s.Folder(Node{}, "F"), "v", "", Bool)
	s.Folder(s.Folder(Node{}, "F"), "g")
	require.Equal(t, []string{"v"}, names(r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.NodeClassMask = uint32(variable) })))
	require.Equal(t, []string{"g"}, names(r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.ReferenceTypeID = ua.NewTwoByteNodeID(idOrganizes) })))
	require.Empty(t, names(r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.IncludeSubtypes = false })))
	up := r.look(own("F/v"), 0, func(d *ua.BrowseDescription) { d.BrowseDirection = ua.BrowseDirectionInverse })
	require.Equal(t, []string{"F"}, names(up))
	require.False(t, up.References[0].IsForward)
	bare := r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.ResultMask = 0 }).References[0]
	require.Equal(t, "ns=2;s=F/v", bare.NodeID.NodeID.String())
	require.Equal(t, "", bare.BrowseName.Name)
	full := r.look(own("F"), 0, nil).References[0]
	require.Equal(t, []any{"v", uint16(2), "v", variable, "i=63", "i=47", true}, []any{full.BrowseName.Name, full.BrowseName.NamespaceIndex, full.DisplayName.Text,
		full.NodeClass, full.TypeDefinition.NodeID.String(), full.ReferenceTypeID.String(), full.IsForward})
	require.Equal(t, ua.StatusBadNodeIDUnknown, r.look(own("x"), 0, nil).StatusCode)
	require.Equal(t, ua.StatusBadReferenceTypeIDInvalid, r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.ReferenceTypeID = own("F") }).StatusCode)
	require.Equal(t, ua.StatusBadBrowseDirectionInvalid, r.look(own("F"), 0, func(d *ua.BrowseDescription) { d.BrowseDirection = 3 }).StatusCode)
	require.Equal(t, ua.StatusBadViewIDUnknown, r.refused(&ua.BrowseRequest{View: &ua.ViewDescription{ViewID: own("F")},
		NodesToBrowse: []*ua.BrowseDescription{{NodeID: own("F"), ReferenceTypeID: ua.NewTwoByteNodeID(0)}}}))
	require.Equal(t, ua.StatusBadNothingToDo, r.refused(&ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}}))
	var many []*ua.BrowseDescription
	for i := range maxOperations {
		s.Folder(Node{}, fmt.Sprint("f", i))
		many = append(many, &ua.BrowseDescription{NodeID: ua.NewTwoByteNodeID(idObjects), ReferenceTypeID: ua.NewTwoByteNodeID(0), ResultMask: 63})
	}
	require.Equal(t, ua.StatusBadResponseTooLarge, r.refused(&ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, NodesToBrowse: many}))
}

// path is a path of names from a node, each by a hierarchical reference.
func path(from *ua.NodeID, names ...*ua.QualifiedName) *ua.BrowsePath {
	p := &ua.BrowsePath{StartingNode: from, RelativePath: &ua.RelativePath{}}
	for _, n := range names {
		p.RelativePath.Elements = append(p.RelativePath.Elements, &ua.RelativePathElement{ReferenceTypeID: ua.NewTwoByteNodeID(idHierarchical), IncludeSubtypes: true, TargetName: n})
	}
	return p
}

func TestAPathOfNamesLeadsToItsNode(t *testing.T) {
	r := newRig(t, plant(nil))
	s := r.srv.space
	s.Variable(s.Folder(s.Folder(Node{}, "A"), "b/c"), "v", "", Bool)
	s.EventType("E", Field{"F", Bool})
	q := func(ns uint16, n string) *ua.QualifiedName { return &ua.QualifiedName{NamespaceIndex: ns, Name: n} }
	root := ua.NewTwoByteNodeID(84)
	back := path(own("A/b%2Fc"), q(2, "A"))
	back.RelativePath.Elements[0].IsInverse = true
	long := path(root)
	for range maxElements + 1 {
		long.RelativePath.Elements = append(long.RelativePath.Elements, path(root, q(0, "x")).RelativePath.Elements...)
	}
	strange := path(root, q(0, "Objects"))
	strange.RelativePath.Elements[0].ReferenceTypeID = own("A")
	got := ask[*ua.TranslateBrowsePathsToNodeIDsResponse](r, &ua.TranslateBrowsePathsToNodeIDsRequest{BrowsePaths: []*ua.BrowsePath{
		path(root, q(0, "Objects"), q(2, "A"), q(2, "b/c"), q(2, "v")), path(root, q(0, "Objects"), q(0, "Server"), q(0, "NamespaceArray")), back,
		path(ua.NewNumericNodeID(0, idBaseEvent), q(2, "E"), q(2, "F")),
		path(root, q(0, "Objects"), q(0, "A")), path(own("x"), q(0, "A")), path(root, q(0, "")), path(root), long, strange,
	}}).Results
	for i, want := range []string{"ns=2;s=A/b%2Fc/v", "i=2255", "ns=2;s=A", "ns=2;s=/EventTypes/E/F"} {
		require.Equal(t, ua.StatusOK, got[i].StatusCode, want)
		require.Len(t, got[i].Targets, 1)
		require.Equal(t, want, got[i].Targets[0].TargetID.NodeID.String())
		require.Equal(t, uint32(0xFFFFFFFF), got[i].Targets[0].RemainingPathIndex)
	}
	for i, want := range []ua.StatusCode{ua.StatusBadNoMatch, ua.StatusBadNodeIDUnknown, ua.StatusBadBrowseNameInvalid, ua.StatusBadNothingToDo, ua.StatusBadTooManyOperations,
		ua.StatusBadReferenceTypeIDInvalid} {
		require.Equal(t, want, got[4+i].StatusCode, "%d", i)
	}
	reg := ask[*ua.RegisterNodesResponse](r, &ua.RegisterNodesRequest{NodesToRegister: []*ua.NodeID{own("A")}})
	require.Equal(t, "ns=2;s=A", reg.RegisteredNodeIDs[0].String())
	require.Equal(t, ua.StatusBadNodeIDUnknown, r.refused(&ua.RegisterNodesRequest{NodesToRegister: []*ua.NodeID{own("x")}}))
	ask[*ua.UnregisterNodesResponse](r, &ua.UnregisterNodesRequest{NodesToUnregister: reg.RegisteredNodeIDs})
}
