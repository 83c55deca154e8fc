// Claims of scenario files: what is wrong is said where it stands, with what is known.

package batchtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const right = "recipe charge.yaml\nmap map.yaml\nwant state Complete\n"

func TestWhatIsWrongInAScenarioIsSaidWithItsLine(t *testing.T) {
	for line, want := range map[string]string{
		"plant 7":                       "s.txt:4:1: write: plant seed NUMBER",
		"plant seed -1":                 "s.txt:4:1: write: plant seed NUMBER",
		"map m.yaml":                    `s.txt:4:1: a second "map"; one is enough`,
		"at 1s size \"20 kg\"":          `s.txt:4:7: "size" takes no time`,
		"limit 0s":                      "s.txt:4:1: limit 0s: want more than 0",
		"fault silent ctr/1 3s":         "s.txt:4:1: when? Write: at TIME fault ..., during STEP fault ..., or after TIME fault ...",
		"after 3s crash 1s":             "s.txt:4:10: after what?",
		"at 1s fault silnt ctr/1 3s":    `s.txt:4:7: fault "silnt": unknown; known are silent, bad, frozen`,
		"at 1s fault":                   "s.txt:4:7: write: fault KIND",
		"at 1s command halt op1 x":      `s.txt:4:15: no command "halt"; there are start, pause, resume, hold, restart, stop, abort`,
		"at 1s command hold op1":        "s.txt:4:7: write: command COMMAND OPERATOR \"REASON\"",
		"at 1s command hold op1 x on=A": `s.txt:4:26: "on=A": write: command`,
		"at 1s answer ok":               "s.txt:4:7: write: answer VALUE OPERATOR",
		"at 1s crash":                   "s.txt:4:7: write: crash TIME",
		"at 1s here now":                "s.txt:4:7: write: here",
		"at 1s jump":                    `s.txt:4:7: no word "jump"; known are answer, batches, command, crash, fault, here, limit, map, plant, power_cut, power_warning, recipe, size, taken, unattended, want, watchdog`,
		"want":                          "s.txt:4:1: want what? Known are no, record, state, total",
		"want money":                    "s.txt:4:1: want what?",
		"want state":                    "s.txt:4:1: write: want state STATE",
		"want total A 20 kg":            "s.txt:4:1: write: want total WINDOW QUANTITY within QUANTITY",
		"want record time_out":          `s.txt:4:1: there is no kind of record "time_out"; there are`,
		"want no record timeout step=A": `s.txt:4:1: record timeout: "step=A": want key=value; its own keys are`,
		"want no money":                 "s.txt:4:1: write: want no record",
		"at 1s want state Complete":     "s.txt:4:7: want takes no time",
		"at 1x crash 1s":                `s.txt:4:4: "1x" is not a time`,
	} {
		_, err := readScenario("s.txt", []byte(right+line+"\n"))
		require.ErrorContains(t, err, want, line)
	}
	_, err := readScenario("s.txt", nil)
	require.ErrorContains(t, err, "s.txt: it names no recipe; write a line: recipe FILE")
	require.ErrorContains(t, err, "s.txt: it names no map")
	require.ErrorContains(t, err, "s.txt: it wants nothing")
}

func TestWhatOnlyTheRecipeKnowsIsSaidWithItsLineToo(t *testing.T) {
	for line, want := range map[string]string{
		"during STIRR crash 1s":          `x.txt:4:14: the recipe has no step "STIRR"; it has RINSE, CHARGE_A, STIR, DRAIN`,
		"want total A 21 kg within 0 kg": "x.txt:4:1: window A: total 19.97 kg (PASS), want 21 kg within 0 kg",
		"size \"1 kg\"":                  "size 1 kg",
	} {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/scenarios")))
		name := filepath.Join(dir, "x.txt")
		require.NoError(t, os.WriteFile(name, []byte(right+line+"\n"), 0o644))
		require.NoError(t, os.WriteFile(strings.TrimSuffix(name, ".txt")+".golden", nil, 0o644))
		require.Contains(t, heard(t, func(l testing.TB) { play(l, name) }), want)
	}
}

// talker is a listener to what is logged.
type talker struct {
	listener
	logged []string
}

func (l *talker) Logf(format string, args ...any) {
	l.logged = append(l.logged, fmt.Sprintf(format, args...))
}

func TestAScenarioThatIsNotAsWantedIsNotCutShort(t *testing.T) {
	for want, cut := range map[string]int{"state Complete": 1, "state Aborted": 0} {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/scenarios")))
		name := filepath.Join(dir, "x.txt")
		require.NoError(t, os.WriteFile(name, []byte("recipe charge.yaml\nmap map.yaml\nwant "+want+"\n"), 0o644))
		l := &talker{listener: listener{TB: t}}
		play(l, name)
		require.Len(t, l.logged, cut)
		require.Len(t, l.said, 2-cut)
		require.Contains(t, l.said[1-cut], "there is no story yet; look at this one, and write it with BATCHKIT_UPDATE=1 in the environment, or")
	}
}

func FuzzReadScenario(f *testing.F) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	require.NoError(f, err)
	require.GreaterOrEqual(f, len(files), 12)
	for _, name := range files {
		src, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if s, err := readScenario("s.txt", src); err == nil {
			require.NotEmpty(t, s.wants)
		}
	})
}
