// The claims of the command, on the simulated board and where no board is.

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// command runs the command.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestTheSimulatedBoardIsSignedOff(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, errs := command(t, "-selftest", "-operator", "op1", "-signoff", "signoff.json")
	require.Equal(t, exitOK, code, out+errs)
	require.Contains(t, out, "10 passed, 0 failed, 0 not checked, and one promise of the others not checked: board simulated keeps the promises that were checked")
	data, err := os.ReadFile("signoff.json")
	require.NoError(t, err)
	var s signoff
	require.NoError(t, json.Unmarshal(data, &s))
	require.True(t, s.Passed)
	require.Equal(t, "op1", s.Operator)
	require.Len(t, s.Suites, 10)
	for i := range s.Suites {
		require.NotEmpty(t, s.Suites[i].Kept, s.Suites[i].Contract)
		require.Equal(t, passed, s.Results[i])
	}
	code, _, errs = command(t, "-selftest", "-signoff", "signoff.json")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "signoff.json: it is there already; a sign-off is not overwritten")
}

func TestACommandLineThatMeansNothingIsExplained(t *testing.T) {
	for want, args := range map[string][]string{
		"nothing to do; give -selftest":                     {},
		`"x": flags begin with -`:                           {"-selftest", "x"},
		"two names are wanted, with a comma between them":   {"-selftest", "-loop", "do/1"},
		"flag provided but not defined: -bite":              {"-selftest", "-bite"},
		"invalid value \"a,b,c\" for flag -pair: two names": {"-selftest", "-pair", "a,b,c"},
	} {
		code, _, errs := command(t, args...)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, errs, want)
	}
	code, _, errs := command(t, "-selftest", "-drive", "do/1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "-loop, -drive, -pair and -watchdog are of a real board; give -board too")
}

func TestABoardThatCannotBeOpenedFailsWithAllThatIsWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	code, _, errs := command(t, "-selftest", "-board", "none.yaml")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "commission: -board: open none.yaml")
	require.NoError(t, os.WriteFile("b.yaml", []byte("board: b\nversion: \"1\"\nschema_version: 1\nled: 1\noutputs: [{channel: 5, line: 3}]\n"), 0o600))
	code, _, errs = command(t, "-selftest", "-board", "b.yaml")
	require.Equal(t, exitFailed, code)
	for _, want := range []string{"b.yaml:4:1: ", `unknown key "led"`, `key "safe" is missing`, "line 3 is a number, and every chip has one of it"} {
		require.Contains(t, errs, want)
	}
	require.NoError(t, os.WriteFile("c.yaml", []byte("board: b\nversion: \"1\"\nschema_version: 1\n"+
		"outputs: [{channel: do/1, chip: no-such-chip, line: 3, safe: low}]\nrtc: {device: no-such-rtc}\n"), 0o600))
	code, _, errs = command(t, "-selftest", "-board", "c.yaml")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, `c.yaml:4:11: output "do/1": `)
	require.Contains(t, errs, `c.yaml:5:6: rtc "no-such-rtc": `)
}

func TestABoardFileThatIsLargerThanAnyIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("big.yaml", []byte(strings.Repeat("# x\n", 1<<17)), 0o600))
	code, _, errs := command(t, "-selftest", "-board", "big.yaml")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "more than the limit of 262144")
}
