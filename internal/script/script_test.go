// This file tests reading a file: lines, words, times, errors and limits.

package script_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/script"
)

func TestLinesKeepTheirTimeVerbAndArguments(t *testing.T) {
	const second = int64(1_000_000_000)
	type when = script.When
	for source, want := range map[string]script.Line{
		`press START`:                    {Verb: "press", Args: []string{"START"}},
		`  press   START  # now`:         {Verb: "press", Args: []string{"START"}},
		`run`:                            {Verb: "run"},
		`at 12.5s set LT101 "40 L"`:      {When: when{Kind: script.At, Ns: second * 25 / 2}, Verb: "set", Args: []string{"LT101", "40 L"}},
		`at 1m30s run`:                   {When: when{Kind: script.At, Ns: 90 * second}, Verb: "run"},
		`at 0s run`:                      {When: when{Kind: script.At}, Verb: "run"},
		`after 3s run`:                   {When: when{Kind: script.After, Ns: 3 * second}, Verb: "run"},
		`during CHARGE_A stale FT101 3s`: {When: when{Kind: script.During, Step: "CHARGE_A"}, Verb: "stale", Args: []string{"FT101", "3s"}},
		`say "a \"b\" \\ c\nd" "" "# no comment"`: {Verb: "say", Args: []string{`a "b" \ c` + "\nd", "", "# no comment"}},
		`open V#1`:      {Verb: "open", Args: []string{"V#1"}},
		`say "流量 é"`:    {Verb: "say", Args: []string{"流量 é"}},
		`say at during`: {Verb: "say", Args: []string{"at", "during"}},
		"run\r":         {Verb: "run"},
		"\ufeffrun":     {Verb: "run"},
	} {
		lines, err := script.Parse("f", []byte(source))
		require.NoError(t, err, source)
		require.Len(t, lines, 1, source)
		got := lines[0]
		require.Equal(t, want.When, got.When, source)
		require.Equal(t, want.Verb, got.Verb, source)
		require.Equal(t, want.Args, got.Args, source)
	}
}

func TestEmptyLinesAndCommentsAreCountedButNotReturned(t *testing.T) {
	lines, err := script.Parse("f", []byte("# title\r\n\r\nrun\r\n   \n  # x\nstop"))
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.Equal(t, 3, lines[0].No)
	require.Equal(t, 6, lines[1].No)
	lines, err = script.Parse("f", nil)
	require.NoError(t, err)
	require.Empty(t, lines)
}

func TestWhatIsWrongInALineIsSaidAtItsColumn(t *testing.T) {
	for source, want := range map[string]string{
		`say "abc`:                     `f:1:5: the quote that opens here is not closed`,
		`say "abc\`:                    `f:1:5: the quote that opens here is not closed`,
		`say "abc"d`:                   `f:1:10: a space is missing after the closing quote`,
		`say a"b"`:                     `f:1:6: quote inside a word; put the whole word in quotes and write \" in it`,
		`say "a\tb"`:                   `f:1:7: \t is not an escape; there are \" \\ \n`,
		"say a\tb":                     `f:1:6: tab; use spaces`,
		"say 流量\u00a0b":                `f:1:7: character U+00A0 is not allowed`,
		"run # \u202e":                 `f:1:7: character U+202E is not allowed`,
		"run\rrun":                     `f:1:4: character U+000D is not allowed`,
		"say \ufffd é\xff b":           `f:1:8: byte 0xff is not UTF-8; save the file as UTF-8`,
		`"say" x`:                      `f:1:1: a command begins with a letter and has at most 64 letters, digits, _ . -`,
		`9x`:                           `f:1:1: a command begins with a letter and has at most 64 letters, digits, _ . -`,
		`at`:                           `f:1:3: "at" needs a time or a step, and then a command`,
		`after 3s`:                     `f:1:9: "after" needs a time or a step, and then a command`,
		`during X # run`:               `f:1:15: "during" needs a time or a step, and then a command`,
		`during -X run`:                `f:1:8: a step has 1 to 64 letters, digits, _ . - and begins with a letter or a digit`,
		`at 3s after 2s run`:           `f:1:7: a line has one time only`,
		`at 3 run`:                     `f:1:4: "3" is not a time; write for example 12.5s, 1m30s or 200ms (units h m min s ms us ns)`,
		"a" + strings.Repeat(" b", 64): `f:1:129: line has more than 64 words`,
	} {
		lines, err := script.Parse("f", []byte(source))
		require.Error(t, err, source)
		require.Empty(t, lines, source)
		var at *script.Error
		require.ErrorAs(t, err, &at, source)
		require.Equal(t, want, fmt.Sprintf("%s:%d:%d: %s", at.File, at.Line, at.Column, at.Msg), source)
	}
}

func TestEveryErrorIsReportedAndGoodLinesAreKept(t *testing.T) {
	lines, err := script.Parse("f.txt", []byte("run\nsay \"x\n9\n\nstop\nat 1x stop\n"))
	require.EqualError(t, err, strings.Join([]string{
		"f.txt:2:5: the quote that opens here is not closed",
		"    say \"x",
		"f.txt:3:1: a command begins with a letter and has at most 64 letters, digits, _ . -",
		"    9",
		`f.txt:6:4: "1x" is not a time; write for example 12.5s, 1m30s or 200ms (units h m min s ms us ns)`,
		"    at 1x stop",
	}, "\n"))
	require.Len(t, lines, 2)
}

func TestSourceThatCannotBePrintedIsShownWithoutHarm(t *testing.T) {
	_, err := script.Parse("f", []byte("run \x1b[2J"))
	require.EqualError(t, err, "f:1:5: character U+001B is not allowed\n    run \ufffd[2J")
}

func TestLimitsOfAFileAreErrors(t *testing.T) {
	_, err := script.Parse("f", make([]byte, script.MaxBytes+1))
	require.ErrorContains(t, err, "f:1:1: file is 65537 bytes, more than the limit of 65536")

	lines, err := script.Parse("f", []byte(strings.Repeat("x\n", script.MaxLines)))
	require.NoError(t, err)
	require.Len(t, lines, script.MaxLines)
	_, err = script.Parse("f", []byte(strings.Repeat("x\n", script.MaxLines+5)))
	require.EqualError(t, err, "f:10001:1: file has more than 10000 lines\n    x")

	_, err = script.Parse("f", []byte(strings.Repeat("9\n", script.MaxErrors+7)))
	require.True(t, strings.HasSuffix(err.Error(), "\nand 7 more"))
	require.Equal(t, script.MaxErrors, strings.Count(err.Error(), "a command begins"))

	lines, err = script.Parse("f", []byte("a"+strings.Repeat(" b", script.MaxWords-1)))
	require.NoError(t, err)
	require.Len(t, lines[0].Args, script.MaxWords-1)
}

// quoted writes a line so that Parse must give it back.
func quoted(l script.Line) string {
	out := ""
	switch l.When.Kind {
	case script.At:
		out = fmt.Sprintf("at %dns ", l.When.Ns)
	case script.After:
		out = fmt.Sprintf("after %dns ", l.When.Ns)
	case script.During:
		out = "during " + l.When.Step + " "
	}
	out += l.Verb
	for _, arg := range l.Args {
		out += ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(arg) + `"`
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"run", "at 12.5s say \"a\\n\"", "during X y\nafter 3h z # c\n", "\xff\"", "at 1m1s x\\", "\ufeff\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		lines, err := script.Parse("f", src)
		text := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range joined.Unwrap() {
				var at *script.Error
				if !errors.As(one, &at) {
					continue
				}
				require.True(t, at.Line >= 1 && at.Line <= len(text), "%v", at)
				require.True(t, at.Column >= 1 && at.Column <= utf8.RuneCountInString(text[at.Line-1])+1, "%v", at)
			}
		}
		for _, line := range lines {
			again, err := script.Parse("f", []byte(quoted(line)))
			if len(quoted(line)) > script.MaxBytes {
				continue
			}
			require.NoError(t, err, quoted(line))
			require.Equal(t, line.When, again[0].When)
			require.Equal(t, line.Verb, again[0].Verb)
			require.Equal(t, line.Args, again[0].Args)
		}
	})
}
