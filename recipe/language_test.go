// The reference of the language is true: what it shows is read, and no word of the language is missing in it.

package recipe

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/cond"
)

// reference gives the comment of Parse: its text, and the pieces that stand indented in it.
func reference(t *testing.T) (text string, shown []string) {
	src, err := os.ReadFile("language.go")
	require.NoError(t, err)
	piece := ""
	for _, line := range strings.Split(string(src), "\n") {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			piece += code + "\n"
			continue
		}
		if piece != "" {
			shown, piece = append(shown, piece), ""
		}
		text += line + "\n"
	}
	return text + strings.Join(shown, "\n"), shown
}

// frame is a recipe with a place for elements.
const frame = `recipe: R
version: "1"
schema_version: 1
title: frame
batch_size: {nominal: 100 kg, min: 50 kg, max: 200 kg}
HEADER
procedure:
  id: P
  level: procedure
  sequence:
    - {id: FIRST, level: phase, actions: [{mark: first}]}
`

func TestWhatTheReferenceShowsIsRead(t *testing.T) {
	_, shown := reference(t)
	var header, body string
	whole, elements, conditions, actions := 0, 0, 0, "    - id: ALL\n      level: phase\n      timeout: 1 h\n      actions:\n"
	for _, piece := range shown {
		switch {
		case strings.HasPrefix(piece, "recipe:"):
			_, err := Parse("shown", []byte(piece))
			require.NoError(t, err)
			whole++
		case strings.HasPrefix(piece, "formula:"), strings.HasPrefix(piece, "equipment:"):
			header += piece
		case strings.HasPrefix(piece, "# "):
			elements++
			body += "    " + strings.ReplaceAll(strings.TrimSuffix(piece, "\n"), "\n", "\n    ") + "\n"
		case strings.HasPrefix(piece, "set:"), strings.HasPrefix(piece, "prompt:"):
			for _, line := range strings.Split(strings.TrimSuffix(piece, "\n"), "\n") {
				code, _, explained := cutWide(line)
				require.True(t, explained, line)
				if a := strings.Fields(code)[0]; a != "sync:" && a != "send:" && a != "receive:" { // others must name these, too
					actions += "        - " + code + "\n"
				}
			}
		case strings.HasPrefix(piece, `"`):
			for _, line := range strings.Split(strings.TrimSuffix(piece, "\n"), "\n") {
				code, _, _ := cutWide(line)
				_, err := cond.Parse(strings.Trim(code, `"`))
				require.NoError(t, err, line)
				conditions++
			}
		}
	}
	_, err := Parse("shown", []byte(strings.Replace(frame, "HEADER\n", header, 1)+body+actions))
	require.NoError(t, err)
	require.Equal(t, []int{1, 10, 5}, []int{whole, elements, conditions})
}

// cutWide parts a line of two columns.
func cutWide(line string) (left, right string, ok bool) {
	if at := regexp.MustCompile(`\s{3,}`).FindStringIndex(line); at != nil {
		return line[:at[0]], line[at[1]:], true
	}
	return line, "", false
}

func TestNoWordOfTheLanguageIsMissingInTheReference(t *testing.T) {
	wrong := strings.Replace(frame, "HEADER\n", "x: 1\nformula: [{x: 1}]\nequipment: [{x: 1}]\n", 1) + `
    - {id: A, level: phase, x: 1, on_hold: {x: 1}, actions: [{x: 1}, {open_window: {x: 1}}, {wait_total: {x: 1}}, {verify_stable: {x: 1}}, {prompt: {x: 1}}, {request: {x: 1}}]}
    - {id: C, level: phase, time: {x: 1}, actions: [{open_window: {time: {x: 1}}}, {wait_total: {learn: {x: 1}}}, {jog: {x: 1}}, {close_window: {x: 1}}]}
    - {id: B, level: operation, repeat: {x: 1}}
`
	_, err := Parse("wrong", []byte(wrong))
	require.Error(t, err)
	text, _ := reference(t)
	lists := regexp.MustCompile(`allowed: (.*)`).FindAllStringSubmatch(err.Error(), -1)
	require.Len(t, lists, 17, err)
	for _, list := range lists {
		for _, word := range strings.Split(list[1], ", ") {
			require.Regexp(t, `\b`+word+`\b`, text)
		}
	}
}
