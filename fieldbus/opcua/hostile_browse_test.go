// The claims of Browse against a server that means ill.

package opcua

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
)

// villain is a server that answers as its fields say. What is nil it answers as an honest one that has nothing.
type villain struct {
	calls  int
	browse func(n *ua.NodeID) *ua.BrowseResult
	next   func(point []byte) *ua.BrowseResult
	read   func(n *ua.ReadValueID) *ua.DataValue
	refuse func(req ua.Request) error
}

// ask answers in bytes, as they come over a wire.
func (v *villain) ask(ctx context.Context, req ua.Request, use func(body []byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.calls++
	if v.refuse != nil {
		if err := v.refuse(req); err != nil {
			return err
		}
	}
	var res ua.Response
	switch r := req.(type) {
	case *ua.BrowseRequest:
		results := []*ua.BrowseResult{}
		for _, n := range r.NodesToBrowse {
			result := &ua.BrowseResult{}
			if v.browse != nil {
				result = v.browse(n.NodeID)
			}
			results = append(results, result)
		}
		res = &ua.BrowseResponse{Results: results}
	case *ua.BrowseNextRequest:
		res = &ua.BrowseNextResponse{Results: []*ua.BrowseResult{v.next(r.ContinuationPoints[0])}}
	case *ua.ReadRequest:
		values := []*ua.DataValue{}
		for _, n := range r.NodesToRead {
			value := &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadAttributeIDInvalid}
			if n.NodeID.Namespace() == 0 && n.NodeID.IntID() == id.Server_NamespaceArray {
				value = valueOf([]string{"http://opcfoundation.org/UA/", "urn:villain", "urn:with;semicolon"})
			} else if v.read != nil {
				value = v.read(n)
			}
			values = append(values, value)
		}
		res = &ua.ReadResponse{Results: values}
	}
	res.SetHeader(&ua.ResponseHeader{ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil)})
	body, err := ua.Encode(res)
	if err != nil {
		return err
	}
	return use(append([]byte{1, 0, byte(ua.ServiceTypeID(res)), byte(ua.ServiceTypeID(res) >> 8)}, body...))
}

// valueOf is a good value.
func valueOf(v any) *ua.DataValue {
	return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(v)}
}

// browsed walks through the villain's space.
func browsed(t *testing.T, v *villain, o *BrowseOptions) (*Survey, error) {
	t.Helper()
	w, err := newWalk("opc.tcp://plc:4840", o)
	require.NoError(t, err)
	w.ask = v.ask
	ctx, cancel := context.WithTimeoutCause(t.Context(), w.time, errTime)
	defer cancel()
	if err := w.all(ctx); err != nil {
		return nil, err
	}
	return w.survey(), nil
}

// ref is a reference to a variable.
func ref(node *ua.NodeID, name string) *ua.ReferenceDescription {
	return &ua.ReferenceDescription{ReferenceTypeID: ua.NewNumericNodeID(0, id.HasComponent), IsForward: true, NodeClass: ua.NodeClassVariable,
		NodeID: ua.NewExpandedNodeID(node, "", 0), BrowseName: &ua.QualifiedName{NamespaceIndex: 1, Name: name}, DisplayName: &ua.LocalizedText{},
		TypeDefinition: ua.NewTwoByteExpandedNodeID(0)}
}

// double answers the attributes of a good Double.
func double(n *ua.ReadValueID) *ua.DataValue {
	switch n.AttributeID {
	case ua.AttributeIDDataType:
		return valueOf(ua.NewNumericNodeID(0, id.Double))
	case ua.AttributeIDValueRank:
		return valueOf(int32(-1))
	case ua.AttributeIDAccessLevel, ua.AttributeIDUserAccessLevel:
		return valueOf(byte(3))
	case ua.AttributeIDValue:
		return valueOf(1.5)
	}
	return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadAttributeIDInvalid}
}

func TestAServerThatDoesNotComeToAnEndIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		v    villain
	}{
		"empty continuations": {"the server does not come to an end", villain{
			browse: func(*ua.NodeID) *ua.BrowseResult { return &ua.BrowseResult{ContinuationPoint: []byte("more")} },
			next:   func([]byte) *ua.BrowseResult { return &ua.BrowseResult{ContinuationPoint: []byte("more")} }}},
		"the same node again and again": {"names more than the 1000 nodes", villain{
			browse: func(*ua.NodeID) *ua.BrowseResult { return &ua.BrowseResult{ContinuationPoint: []byte("more")} },
			next: func([]byte) *ua.BrowseResult {
				return &ua.BrowseResult{ContinuationPoint: []byte("more"), References: []*ua.ReferenceDescription{ref(ua.NewNumericNodeID(1, 7), "again")}}
			}}},
		"a chain without end": {"that lie deeper than 24 steps", villain{
			browse: func(n *ua.NodeID) *ua.BrowseResult {
				return &ua.BrowseResult{References: []*ua.ReferenceDescription{ref(ua.NewNumericNodeID(1, n.IntID()+1), strings.Repeat("deeper", 1000))}}
			}, read: double}},
		"a tree without end": {"names more than the 1000 nodes", villain{
			browse: func(n *ua.NodeID) *ua.BrowseResult {
				r := &ua.BrowseResult{}
				for i := range uint32(10) {
					r.References = append(r.References, ref(ua.NewNumericNodeID(1, (n.IntID()*10+i)%1_000_000_007), fmt.Sprint("n", i)))
				}
				return r
			}, read: double}},
		"a cycle": {"the server's own objects", villain{
			browse: func(n *ua.NodeID) *ua.BrowseResult {
				return &ua.BrowseResult{References: []*ua.ReferenceDescription{ref(ua.NewNumericNodeID(1, (n.IntID()+1)%5), "next")}}
			}, read: double}},
	} {
		s, err := browsed(t, &c.v, &BrowseOptions{Nodes: 1000})
		require.NoError(t, err, name)
		require.Contains(t, strings.Join(s.Gaps, "\n"), c.says, name)
		require.LessOrEqual(t, len(s.Variables), 1000, name)
		require.Less(t, c.v.calls, 6000, name)
	}
}

func TestTextsOfAServerAreCutAndCannotLeaveTheirPlace(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	names := []string{huge, "a\nb", "", `q"uo\te`, "# no comment", "a/b", "\xff\xfe", "  ", "...", "- {point: x}", "\u202Eright to left", "null"}
	nodes := []*ua.NodeID{ua.NewStringNodeID(1, huge), ua.NewStringNodeID(1, "a\nb"), ua.NewStringNodeID(1, ""), ua.NewStringNodeID(1, `q"uo\te`),
		ua.NewStringNodeID(2, "x"), ua.NewStringNodeID(9, "x"), ua.NewStringNodeID(1, " spaced "), ua.NewByteStringNodeID(1, make([]byte, 300)),
		ua.NewStringNodeID(1, "\xff"), ua.NewStringNodeID(0, "nothing"), ua.NewStringNodeID(1, "ok: yes # no"), ua.NewStringNodeID(1, "last")}
	v := &villain{browse: func(n *ua.NodeID) *ua.BrowseResult {
		r := &ua.BrowseResult{}
		if n.Namespace() == 0 && n.IntID() == id.ObjectsFolder {
			for i := range nodes {
				r.References = append(r.References, ref(nodes[i], names[i]))
			}
		}
		return r
	}, read: func(n *ua.ReadValueID) *ua.DataValue {
		if n.AttributeID == ua.AttributeIDDescription {
			return valueOf(&ua.LocalizedText{Text: "line\nprofile: evil\r" + huge, EncodingMask: ua.LocalizedTextText})
		}
		return double(n)
	}}
	s, err := browsed(t, v, nil)
	require.NoError(t, err)
	require.Contains(t, strings.Join(s.Gaps, "\n"), "its node id is longer than 4096 bytes")
	require.Len(t, s.Variables, len(nodes)-1)
	profile, tagMap, err := s.Draft("P")
	require.NoError(t, err)
	require.Less(t, len(profile)+len(tagMap), 16<<10)
	for _, line := range strings.Split(string(profile), "\n") {
		require.Less(t, len(line), 600)
		require.NotEqual(t, "profile: evil", strings.TrimSpace(line))
	}
	p, err := fieldbus.ParseProfile(ProfileFile, profile)
	require.NoError(t, err)
	require.Equal(t, "P", p.ID)
	at := map[string]bool{}
	for i := range p.Points {
		at[p.Points[i].At] = true
	}
	require.Equal(t, map[string]bool{`nsu=urn:villain;s=q"uo\te`: true, "nsu=urn:villain;s=ok: yes # no": true, "nsu=urn:villain;s=last": true,
		"nsu=urn:with%3Bsemicolon;s=x": true, "s=nothing": true}, at)
}

func TestADraftIsOfADeviceWithAName(t *testing.T) {
	s := &Survey{Endpoint: "opc.tcp://plc:4840", Variables: []Variable{{Path: "a/b", At: "ns=1;s=b", Type: fieldbus.Bool}}}
	for _, name := range []string{"PLC-1", "PLC__1", "on", "7", "a.b", strings.Repeat("n", 48)} {
		_, _, err := s.Draft(name)
		require.NoError(t, err, name)
	}
	for _, name := range []string{"", "a b", "-a", "a_", "ä", "a: b", "a\nb", strings.Repeat("n", 49)} {
		_, _, err := s.Draft(name)
		require.ErrorContains(t, err, "must be 1 to 48 letters, digits", name)
	}
}

func TestAServerThatRefusesIsAskedForLessAndThenLeftOut(t *testing.T) {
	few := func(n *ua.NodeID) *ua.BrowseResult {
		r := &ua.BrowseResult{}
		if n.IntID() == id.ObjectsFolder {
			for i := range uint32(20) {
				r.References = append(r.References, ref(ua.NewNumericNodeID(1, 1+i), fmt.Sprint("v", i)))
			}
		}
		return r
	}
	v := &villain{browse: few, read: double, refuse: func(req ua.Request) error {
		if r, ok := req.(*ua.ReadRequest); ok && len(r.NodesToRead) > 3 {
			return fault(ua.StatusBadTooManyOperations)
		}
		if r, ok := req.(*ua.BrowseRequest); ok && len(r.NodesToBrowse) > 1 {
			return fault(ua.StatusBadTooManyOperations)
		}
		return nil
	}}
	s, err := browsed(t, v, nil)
	require.NoError(t, err)
	require.Len(t, s.Variables, 20)
	require.Empty(t, s.Variables[19].Refused)

	v = &villain{browse: few, read: double, refuse: func(req ua.Request) error {
		if r, ok := req.(*ua.ReadRequest); ok && r.NodesToRead[0].NodeID.IntID() != id.Server_NamespaceArray {
			return fault(ua.StatusBadUserAccessDenied)
		}
		return nil
	}}
	s, err = browsed(t, v, nil)
	require.NoError(t, err)
	require.Equal(t, "the server does not tell whether it may be read: BadUserAccessDenied", s.Variables[0].Refused)
	_, _, err = s.Draft("P")
	require.ErrorContains(t, err, "none of the 20 variables that were found can be a tag; the first, v0: the server does not tell")

	for _, lost := range []error{io.EOF, errClosed} {
		v = &villain{browse: few, refuse: func(req ua.Request) error {
			if _, ok := req.(*ua.BrowseRequest); ok {
				return lost
			}
			return nil
		}}
		_, err = browsed(t, v, nil)
		require.ErrorIs(t, err, lost)
	}
	_, err = browsed(t, &villain{browse: few, read: func(*ua.ReadValueID) *ua.DataValue { return valueOf([]int32{1, 2}) }}, nil)
	require.NoError(t, err)
}

func TestABrowseEndsWhenItsTimeIsOverAndSaysWhatItHasNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &villain{browse: func(n *ua.NodeID) *ua.BrowseResult {
			time.Sleep(3 * time.Second)
			return &ua.BrowseResult{References: []*ua.ReferenceDescription{ref(ua.NewNumericNodeID(1, n.IntID()+1), "v")}}
		}, read: double}
		s, err := browsed(t, v, &BrowseOptions{Time: 10 * time.Second})
		require.NoError(t, err)
		require.Contains(t, s.Gaps[len(s.Gaps)-1], "the rest: it took longer than 10s")
		require.NotEmpty(t, s.Variables)
		require.Contains(t, s.Variables[0].Refused, "for want of time")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w, err := newWalk("opc.tcp://plc", nil)
		require.NoError(t, err)
		w.ask = v.ask
		require.True(t, errors.Is(w.all(ctx), context.DeadlineExceeded), "what its caller wants is no gap")
	})
}

func TestABrowseHoldsBoundedMemory(t *testing.T) {
	long, made := strings.Repeat("n", 4000), 0
	v := &villain{browse: func(n *ua.NodeID) *ua.BrowseResult {
		r := &ua.BrowseResult{}
		for i := range 20 {
			made++
			r.References = append(r.References, ref(ua.NewStringNodeID(1, fmt.Sprint(long, made)), fmt.Sprint("node ", i)))
		}
		return r
	}, read: double}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := browsed(t, v, &BrowseOptions{Nodes: mostNodes})
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d nodes, %d variables, %d MiB held", s.Nodes, len(s.Variables), (after.HeapAlloc-before.HeapAlloc)>>20)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(128<<20))
	runtime.KeepAlive(s)
}
