// The log of all boards in PostgreSQL.

package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store/storetest"
)

func TestTheDemoOfThreeBoardsRunsWithTheLogInPostgreSQL(t *testing.T) {
	if !long() {
		t.Skip("three boards once more: BATCHKIT_LONG=1 runs it")
	}
	if aside(t) {
		return
	}
	pg, err := storetest.StartPostgres(t.Context())
	if errors.Is(err, storetest.ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.Close()) })
	t.Chdir(t.TempDir())
	t.Setenv(asCommand, "1")
	var out, wrong said
	code := run(t.Context(), []string{"-plain", "-nodes", "3", "-postgres", pg.URL}, &out, &wrong)
	require.Equal(t, exitOK, code, out.String()+wrong.String())
	require.Len(t, verifiedOn.FindAllString(out.String(), -1), 9, out.String())
	for _, want := range []string{"9 of 9 batches are complete", "none of what another had", "the ledgers of n1, n2, n3 say the same", "each up to its end"} {
		require.Contains(t, out.String(), want)
	}
}
