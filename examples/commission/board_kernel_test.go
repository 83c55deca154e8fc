// The self-test on a simulated chip of a real kernel, in the bed of internal/vmbed.

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

func TestKernelABoardIsSignedOffAndOnlyOutputsThatAreNamedAreDriven(t *testing.T) {
	if !guest.Inside() {
		t.Skip(guest.Elsewhere)
	}
	c, err := guest.NewChip("try-gpio", "PUMP", "VALVE", "LEVEL")
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Pull(2, false))
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("b.yaml", []byte(`board: try
version: "1"
schema_version: 1
resend: 100 ms
outputs:
  - {channel: do/1, chip: try-gpio, line: PUMP, safe: low}
  - {channel: do/2, line: VALVE, safe: high}
inputs: [{channel: di/1, line: LEVEL}]
rtc: {device: hctosys}
watchdog: {device: softdog, timeout: 10 s}
`), 0o600))
	code, out, errs := command(t, "-selftest", "-board", "b.yaml", "-drive", "do/1", "-signoff", "s.json")
	require.Equal(t, exitOK, code, out+errs)
	require.Regexp(t, `b\.yaml:6:5: output "do/1": try-gpio \(gpiochip\d+, 3 lines\), line 0 "PUMP", free`, out)
	require.Regexp(t, `Output +do/1 +PASS`, out)
	require.Regexp(t, `Output +do/2 +NOT CHECKED`, out)
	require.Contains(t, out, "an output is driven only where -drive or -loop names it")
	require.Regexp(t, `Input +di/1 +PASS`, out)
	require.Regexp(t, `Port +lines +PASS`, out)
	require.Regexp(t, `RTC +/dev/rtc0 +PASS`, out)
	require.Regexp(t, `Watchdog +/dev/watchdog0 +NOT CHECKED`, out)
	t.Log(out)
}
