// What a process that is one of many asks of its runtime.

package host

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProcessOfOneBatchKeepsSmallAndWhatTheEnvironmentSaysStands(t *testing.T) {
	percent, procs := debug.SetGCPercent(70), runtime.GOMAXPROCS(4)
	defer func() {
		debug.SetGCPercent(percent)
		runtime.GOMAXPROCS(procs)
	}()
	t.Setenv("GOGC", "70")
	t.Setenv("GOMAXPROCS", "4")
	keepSmall()
	require.Equal(t, 70, debug.SetGCPercent(70))
	require.Equal(t, 4, runtime.GOMAXPROCS(0))
	require.NoError(t, os.Unsetenv("GOGC"))
	require.NoError(t, os.Unsetenv("GOMAXPROCS"))
	keepSmall()
	require.Equal(t, heapGrowth, debug.SetGCPercent(70))
	require.Equal(t, threads, runtime.GOMAXPROCS(0))
}
