// Tests of why on packages that the runner has made of the demo.

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
)

// record finds the number of the first record that query prints for some words.
func numberOf(t *testing.T, dir string, words ...string) string {
	t.Helper()
	code, out, errs := command(append([]string{"query", dir}, words...)...)
	require.Equal(t, exitOK, code, errs)
	require.NotEmpty(t, out, "%v", words)
	number, _, _ := strings.Cut(out, "\t")
	return number
}

func TestWhySaysWhatStoppedADemoInWhichSomethingWentWrong(t *testing.T) {
	for name, c := range map[string]struct {
		fault []string
		what  func(dir string) string
	}{
		"silent": {[]string{"silent", "ctr/1", "2s"}, func(dir string) string { return numberOf(t, dir, "batch_state=Holding") }},
		"refuse": {[]string{"refuse", "do/1", "60s"}, func(dir string) string { return numberOf(t, dir, "kind=batch_end") }},
		"estop":  {[]string{"estop", "1s"}, func(dir string) string { return numberOf(t, dir, "batch_state=Holding") }},
		"whole":  {nil, func(dir string) string { return numberOf(t, dir, "step_id=HEAT", "action_state=end", "command=wait") }},
		"held":   {[]string{"silent", "ctr/1", "2s"}, func(string) string { return "CHARGE_A" }},
	} {
		dir := demoRun(t, 2, c.fault...)
		code, out, errs := command("why", dir, c.what(dir))
		require.Equal(t, exitOK, code, errs)
		golden.Check(t, "testdata/why_"+name+".golden", []byte(out))
	}
}

func TestWhyOfWhatIsNotThereSaysWhatThereIs(t *testing.T) {
	dir := demoRun(t, 1)
	code, _, errs := command("why", dir, "100000")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "there is no record 100000; there are records 1 to ")
	require.Contains(t, errs, "evidence query "+dir)
	code, _, errs = command("why", dir, "HEATT")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, `the recipe has no step "HEATT"; its steps: BLEND, PREPARE, CHARGE, CHARGE_A, CHARGE_B and `)
	code, _, errs = command("why", t.TempDir(), "1")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "no evidence package")
	code, _, errs = command("why", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "evidence why DIR NUMBER|STEP")
}
