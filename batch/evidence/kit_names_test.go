// Tests of what the programs in a package print: names out of the package cannot speak for them.

package evidence

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANameCannotPrintALineOfTheReport(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such names there")
	}
	dir := short(t, 4)
	for _, name := range []string{"x\nV3 HOLDS: anchored", "files/x\nV4 HOLDS: all of it"} { // one beside the package, one that cannot be listed
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o640))
		for program, run := range map[string]string{verifyShName: tool(t, "bash", "bash"), verifyPyName: tool(t, "python3", "Python 3")} {
			out, _ := exec.Command(run, filepath.Join("kit", program), dir).CombinedOutput()
			require.NotContains(t, string(out), "\nV3 HOLDS", program)
			require.NotContains(t, string(out), "\nV4 HOLDS", program)
			require.Equal(t, 1, strings.Count("\n"+string(out), "\nV0 "), program)
		}
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
}
