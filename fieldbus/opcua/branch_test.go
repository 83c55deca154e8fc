// The claims of what reads branches, and of the table of units.

package opcua

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/metering/quantity"
)

// branchBody is an answer to a Browse, in bytes.
func branchBody(t testing.TB, results ...*ua.BrowseResult) []byte {
	res := &ua.BrowseResponse{Results: results, ResponseHeader: &ua.ResponseHeader{ServiceDiagnostics: &ua.DiagnosticInfo{},
		AdditionalHeader: ua.NewExtensionObject(nil)}}
	body, err := ua.Encode(res)
	require.NoError(t, err)
	kind := ua.ServiceTypeID(res)
	return append([]byte{1, 0, byte(kind), byte(kind >> 8)}, body...)
}

func TestABranchIsReadAsTheLibraryWritesIt(t *testing.T) {
	property := ref(ua.NewGUIDNodeID(3, "00000000-0000-0000-0000-00000000ABCD"), "a name\nof two lines")
	property.ReferenceTypeID = ua.NewNumericNodeID(0, id.HasProperty)
	property.NodeID = ua.NewExpandedNodeID(property.NodeID.NodeID, "urn:there", 7)
	body := branchBody(t, &ua.BrowseResult{StatusCode: ua.StatusBadNodeIDUnknown}, &ua.BrowseResult{ContinuationPoint: []byte("more"),
		References: []*ua.ReferenceDescription{ref(ua.NewStringNodeID(2, "Flow"), "Flow"), property}})
	list, err := branchesAnswer(body, id.BrowseResponse_Encoding_DefaultBinary, 2)
	require.NoError(t, err)
	require.Equal(t, uint32(ua.StatusBadNodeIDUnknown), list[0].status)
	require.Equal(t, []byte("more"), list[1].more)
	r := list[1].references
	n, err := decoded(r[0].node)
	require.NoError(t, err)
	require.Equal(t, "ns=2;s=Flow", n.String())
	require.Equal(t, []any{false, true, "Flow", uint16(1), uint32(ua.NodeClassVariable)}, []any{r[0].property, r[0].forward, r[0].name, r[0].space, r[0].class})
	n, err = decoded(r[1].node)
	require.NoError(t, err)
	require.Equal(t, "ns=3;g=00000000-0000-0000-0000-00000000ABCD", n.String())
	require.Equal(t, []any{true, "urn:there", uint32(7), "a name of two lines"}, []any{r[1].property, r[1].uri, r[1].server, r[1].name})
	_, err = branchesAnswer(body, id.BrowseResponse_Encoding_DefaultBinary, 1)
	require.ErrorIs(t, err, errAnswer)
	for n := range body {
		_, err := branchesAnswer(body[:n], id.BrowseResponse_Encoding_DefaultBinary, 2)
		require.Error(t, err, n)
	}
}

func FuzzBranches(f *testing.F) {
	f.Add(branchBody(f, &ua.BrowseResult{ContinuationPoint: []byte("more"), References: []*ua.ReferenceDescription{ref(ua.NewStringNodeID(2, "Flow"), "Flow")}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := branchesAnswer(slices.Clone(body), id.BrowseResponse_Encoding_DefaultBinary, 1)
		if err != nil {
			return
		}
		w := &walk{uris: []string{"", "urn:a"}, seen: map[string]bool{}, nodes: 100}
		next := w.step(nil, &spot{}, list[0].references)
		require.LessOrEqual(t, len(next)*18, len(body))
		for _, p := range next {
			if text, err := w.textOf(p.id); err == nil {
				back, err := w.nodeOf(text)
				require.NoError(t, err)
				require.Equal(t, p.key, back.String())
			}
		}
	})
}

func TestUnitsOfRecommendation20AreOurs(t *testing.T) {
	for code, unit := range units {
		_, err := quantity.ParseUnit(string(unit))
		require.NoError(t, err, code)
		number := int32(0)
		for _, c := range []byte(code) {
			number = number<<8 | int32(c)
		}
		got, _ := unitOf(cefact, number)
		require.Equal(t, unit, got)
	}
	unit, _ := unitOf(cefact, 4933453) // as part 8 has it
	require.Equal(t, quantity.Unit("kg"), unit)
	for _, number := range []int32{0, -1, 0x4B00, 0x7F, 1 << 30} {
		unit, says := unitOf(cefact, number)
		require.Empty(t, unit)
		require.NotEmpty(t, says)
	}
	unit, says := unitOf("urn:own", 4933453)
	require.Empty(t, unit)
	require.Equal(t, `4933453 of "urn:own"`, says)
}
