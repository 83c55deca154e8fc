// Tests of what needs none of this software: the chain with sha256sum, the samples with Python.

package evidence

import (
	"bytes"
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

func TestTheShellVerifiesTheChainAndNamesTheRecordThatWasTouched(t *testing.T) {
	bash := tool(t, "bash", "bash")
	tool(t, "sha256sum", "GNU coreutils")
	// Short chains, for the shell starts six programs for each record.
	short := func(id string, rounds int) (string, *Manifest) {
		b, dir := tinyBatch(t, id, approved{}), t.TempDir()
		r := begin(t, dir, b)
		r.rounds(0, rounds)
		r.end()
		m, err := Pack(dir, b)
		require.NoError(t, err)
		return dir, m
	}
	dir, m := short("B-0001", 3)
	out, err := exec.Command(bash, "testdata/verify.sh", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Greater(t, m.LastSeq, uint64(10))
	require.Equal(t, "records 1 to "+strconv.FormatUint(m.LastSeq, 10)+" hold together; the last link is "+m.LastLink+"\n", string(out))

	dir, m = short("B-0002", 0)
	last := int(m.LastSeq)
	lines := bytes.SplitAfter(slurp(t, dir, eventsName), []byte{'\n'})
	whole := bytes.Join(lines, nil)
	refused := func(events []byte, n int) {
		t.Helper()
		put(t, dir, eventsName, events)
		out, err := exec.Command(bash, "testdata/verify.sh", dir).CombinedOutput()
		require.Error(t, err, "%s", out)
		require.Contains(t, string(out), "record "+strconv.Itoa(n)+" ")
	}
	for _, n := range []int{1, 2, 4, last} {
		start := len(bytes.Join(lines[:n-1], nil))
		for _, off := range []int{0, 3, 80, 150, len(lines[n-1]) / 2, len(lines[n-1]) - 1} {
			touched := bytes.Clone(whole)
			touched[start+off] ^= 1
			refused(touched, n)
		}
	}
	refused(bytes.Join(lines[:len(lines)-2], nil), last-1)
	refused(bytes.Join(append(lines[:4:4], lines[5:]...), nil), 5)
	refused(nil, 0)
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
