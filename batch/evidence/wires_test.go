// What records say of a wire is held against the map.

package evidence

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatRecordsSayOfAWireIsThatOfTheMap(t *testing.T) {
	plan := altered(t, "map.yaml", "logical_tag: XV1,", `logical_tag: XV1, protocol_binding: "modbus unit 3, coil 17",`)
	dir := t.TempDir()
	b := bound(t, plan, "B-0001", approved{})
	wholeRun(t, dir, b)
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	require.Contains(t, string(slurp(t, dir, eventsName)), `"protocol_binding":"modbus unit 3, coil 17"`)
	for _, value := range []any{nil, "modbus unit 3, coil 18"} {
		got := failed(t, forge(t, dir, with("output_write", 1, "protocol_binding", value)), "records")
		require.Equal(t, place(t, dir, "output_write/1"), got.Seq, got.String())
		require.Contains(t, got.Detail, "by the map it is")
	}
	got := failed(t, forge(t, dir, with("object_bound", 2, "safe_state_table", strings.Repeat("0", 64))), "records")
	require.Equal(t, place(t, dir, "object_bound/2"), got.Seq, got.String())
	require.Contains(t, got.Detail, "safe_state_table")
}
