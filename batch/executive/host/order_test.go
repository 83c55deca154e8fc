// The order of the manager, written and read.

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOrderIsReadAsItWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "B-0001")
	o := Order{Batch: "B-0001", JournalID: "J-1", Recipe: "FILL", Unit: "UNIT-1", Size: "20 kg", Operator: "op1", Role: "operator", Priority: 3,
		Groups: map[string]string{"transfer": "XFER-7"}, RestartOf: "B-0000", Model: 4, Warm: true, WarmBy: "op2"}
	require.NoError(t, WriteOrder(dir, o))
	o.Reason = "again"
	require.NoError(t, WriteOrder(dir, o))
	got, err := ReadOrder(dir)
	require.NoError(t, err)
	require.Equal(t, o, got)
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1, "nothing is left beside it")
}

func TestAnOrderThatNamesNoBatchIsRefused(t *testing.T) {
	for _, o := range []Order{{}, {Batch: "../x", Recipe: "R"}, {Batch: "manager", Recipe: "R"}, {Batch: "io", Recipe: "R"}, {Batch: "B-1"}, {Batch: ".b", Recipe: "R"},
		{Batch: strings.Repeat("b", 65), Recipe: "R"}, {Batch: "B 1", Recipe: "R"}, {Batch: "B-1", JournalID: "a/b", Recipe: "R"}} {
		require.Error(t, WriteOrder(t.TempDir(), o), "%+v", o)
		require.Error(t, Run(t.Context(), t.TempDir(), o, nil, nil), "%+v", o)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, orderFile), []byte(`{"batch_id": "B-1", "recipe_id": "R", "colour": "red"}`), 0o600))
	_, err := ReadOrder(dir)
	require.ErrorContains(t, err, "colour")
}
