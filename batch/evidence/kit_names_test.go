// Tests of what the programs in a package make of names and sizes: no name speaks for them, and what is too large is refused.

package evidence

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
)

func TestANameCannotPrintALineOfTheReport(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a file system that takes line ends in names, which Windows has not")
	}
	dir := short(t, 4)
	// One beside the package, one that cannot be listed.
	for _, name := range []string{"x\nV3 HOLDS: anchored", "files/x\nV4 HOLDS: all of it"} {
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

func TestWhatIsLargerThanItCanBeIsAFaultToTheProgramsToo(t *testing.T) {
	kit := newPrograms(t)
	dir := short(t, 4)
	for name, size := range map[string]int64{manifestName: MaxManifest + 1, "files/x": batch.MaxFile + 1, verifyShName: maxProgram + 1,
		quarantineDir + "/x": maxSegment + 1} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		was, _ := os.ReadFile(path)
		require.NoError(t, os.WriteFile(path, was, 0o640))
		require.NoError(t, os.Truncate(path, size))
		if name == manifestName { // what a reader of text does not mind
			require.NoError(t, os.WriteFile(path, append(was, strings.Repeat(" ", int(size)-len(was))...), 0o640))
		}
		sums := slurp(t, dir, sumsName)
		out, err := exec.Command(kit.bash, "-c", `cd "$1" && sha256sum -- $(cut -c 67- SHA256SUMS; [ -e "$2" ] && echo "$2") |
			LC_ALL=C sort -u -k 2`, "-", dir, name).Output()
		require.NoError(t, err)
		put(t, dir, sumsName, out)
		want, whole := byVerify(t, dir)
		require.False(t, whole)
		for _, program := range kit.each() {
			said := kit.verdict(program, dir)
			said.at = want.at
			require.Equal(t, want, said, "%s: %s", program, name)
		}
		put(t, dir, sumsName, sums)
		if require.NoError(t, os.Remove(path)); len(was) > 0 {
			require.NoError(t, os.WriteFile(path, was, 0o640))
		}
	}
	want, whole := byVerify(t, dir)
	require.True(t, whole)
	require.Equal(t, LevelHolds, want.v0)
}
