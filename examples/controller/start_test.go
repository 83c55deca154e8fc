// Tests of a start that is refused: what ends, what a person may still do, and what the lines say.

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dry is an interlock that the demo's plant violates at its boot, and that gates nothing but the start.
const dry = `
interlocks:
  - {interlock_id: IL-DRY, kind: trip, when: "LT301 < 20.0 L", debounce: 100 ms, latch: until_reset, gates: [], reaction: hold}
`

const dryRun = "-virtual -unapproved -recipe recipe.yaml -map map.yaml -faults script"

func TestAVirtualRunWhoseStartIsRefusedEndsAndSaysWhatIsWanted(t *testing.T) {
	workplace(t)
	src, err := os.ReadFile("map.yaml")
	require.NoError(t, err)
	write(t, "map.yaml", string(src)+dry)
	write(t, "script", "at 3s command start op1 \"once more\"\n")
	o := controller(words(dryRun)...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.out, "demo orders start: refused (interlock IL-DRY blocks: LT301 < 20.0 L; ")
	require.Contains(t, o.out, "   3.000 s  op1 orders start, because: once more: refused (interlock IL-DRY blocks: ")
	require.Contains(t, o.out, "batch    B-0001 is Idle\n")
	require.Contains(t, o.err, "none is scheduled: it is Idle, and wants reset_interlock IL-DRY, then start; its start was refused: interlock IL-DRY blocks: ")
	require.Contains(t, o.err, "\n  at 12s command reset_interlock op1 \"why\" IL-DRY\n  at 13s command start op1 \"why\"\n")
	require.Less(t, len(records(t, "out/B-0001")), 500, "it ends, and does not fill the disk")
}

func TestWhatIsWrongWithAFaultScriptIsToldInTheOrderOfItsLines(t *testing.T) {
	workplace(t)
	write(t, "script", "at 1s command jump op1 \"x\"\nat 2 comment op1 x\nat 3s command force op1 \"x\" CHARGE_A.entry\n"+
		"at 4s command force op1 \"x\" CHARGE_Z\n")
	o := controller("-virtual", "-faults", "script")
	require.Equal(t, exitFailed, o.code)
	require.Regexp(t, `(?s)^script:1:.*there are start, pause, .*, comment, acknowledge, reset_interlock, confirm_time, historian_total, reset_safe_state\n.*\nscript:2:.*\nscript:4:.*`+
		`the recipe has no step "CHARGE_Z"; it has BLEND, `, o.err)
	require.NotContains(t, o.err, "script:3:")
}

func TestAPersonMayStartAgainWhatWasNotStartedOrEndTheRun(t *testing.T) {
	for _, plain := range []bool{false, true} {
		workplace(t)
		src, err := os.ReadFile("map.yaml")
		require.NoError(t, err)
		write(t, "map.yaml", string(src)+dry)
		interrupt, args := "\x03", "-unapproved -recipe recipe.yaml -map map.yaml"
		if plain {
			interrupt, args = "Ctrl-C", args+" -plain"
		}
		p := sit(200, 50,
			act{"demo orders start: refused (interlock IL-DRY", interrupt},
			act{"The batch is Idle: s start, Enter leaves it so? Ctrl-C again ends the run", "s\r"},
			act{"demo orders start, because: from the terminal: refused (interlock IL-DRY", interrupt},
			act{"The batch is Idle: s start", interrupt})
		stdout := io.Writer(io.Discard)
		if plain {
			stdout, p.screen.cooked = p.screen, true
		}
		var errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		code := run(ctx, words(args), p.console, stdout, &errs)
		cancel()
		p.rises(t)
		require.Equal(t, exitFailed, code, errs.String())
		require.Equal(t, []string{"demo start"}, orders(t, "out/B-0001"))
		require.Contains(t, errs.String(), "before the batch was started: context canceled; its start was refused: interlock IL-DRY blocks: ")
	}
}
