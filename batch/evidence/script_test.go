// Tests of what needs none of this software: the samples with Python.

package evidence

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
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
		out, err := exec.Command(python, "testdata/unpack.py", dir, window, "FC1:2", "500", "pulses=16,0,1/30,0.05").CombinedOutput()
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
	require.Contains(t, out, fmt.Sprintf("record %d says", place(t, dir, "window_stop/1")))
}

// unpacked are the arguments by which testdata/unpack.py reads a window of meterPlan, by its source.
var unpacked = map[string][]string{
	"FC1": {"FC1:1"}, "FT1": {"FT1:3"}, "FI1": {"FI1:4", "2=1000,0"}, "WT1": {"WT1:5"},
}

func TestPythonUnpacksTheLinesOfEveryMethodWhateverBecomesOfTheirSources(t *testing.T) {
	python := tool(t, "python3", "Python 3")
	words, pulses := map[string]int{}, 0
	for _, k := range meterKinds {
		for _, seed := range []uint64{1, 2} {
			dir, _ := charged(t, k.meter, k.factor, seed, true)
			start, stop := firstOf(t, dir, record.KindWindowStart), firstOf(t, dir, record.KindWindowStop)
			if stop == nil {
				continue
			}
			args := unpacked[start.Text(record.LogicalTag)]
			args = slices.Concat([]string{"testdata/unpack.py", dir, "A", args[0], "500"}, args[1:])
			if strings.Contains(k.meter, "identity: ID1") {
				args = append(args, "identity=ID1:6,500")
			}
			says := stop.Text(record.Samples) + " samples, digest " + stop.Text(record.SamplesDigest)
			if k.name == "pulses" {
				pulses++
				args = append(args, "pulses=16,400,0.01,0.001")
				says += ", total " + stop.Text(record.TotalizedValue) + " kg"
			}
			out, err := exec.Command(python, args...).CombinedOutput()
			require.NoError(t, err, "%s, seed %d: %s", k.name, seed, out)
			require.Equal(t, says, strings.TrimSpace(string(out)), "%s, seed %d", k.name, seed)
			for line := range strings.Lines(string(slurp(t, dir, "samples/A"+sampleSuffix))) {
				words[strings.TrimSpace(line[strings.LastIndexByte(line, '\t'):])]++
			}
		}
	}
	t.Log(words, pulses)
	require.NotZero(t, pulses)
	for _, word := range []string{"GOOD", "STALE", "BAD", wordCut, wordNew} {
		require.NotZero(t, words[word], "no line was ever %s", word)
	}
}
