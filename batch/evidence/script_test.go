// Tests of what needs none of this software: the samples with Python.

package evidence

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tool finds a program or skips, saying what to install.
func tool(t *testing.T, name, of string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not there; install %s", name, of)
	}
	return path
}

func TestPythonUnpacksTheSamplesOfAWindowAndComesToTheSameTotal(t *testing.T) {
	python := tool(t, "python3", "Python 3")
	dir := packed(t, "B-0001", approved{})
	root := slurp(t, dir, manifestName)
	m, err := parseManifest(root)
	require.NoError(t, err)
	unpack := func(dir, window string) (string, error) {
		out, err := exec.Command(python, "testdata/unpack.py", dir, window, "2", "16", "1/30", "0.05", "500").CombinedOutput()
		return string(out), err
	}
	for i, total := range []string{"1.05 kg", "0.40 kg"} {
		w := m.Windows[i]
		out, err := unpack(dir, w.MeterWindowID)
		require.NoError(t, err, out)
		require.Equal(t, strconv.FormatUint(w.Samples, 10)+" samples, digest "+w.Digest+", total "+total, strings.TrimSpace(out))
	}
	forged := forge(t, dir, replaced("window_stop", 1, `"totalized_value":"1.05"`, `"totalized_value":"1.00"`))
	out, err := unpack(forged, "A")
	require.Error(t, err)
	require.Contains(t, out, "record 24 says")
}
