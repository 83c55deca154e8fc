// What comes from outside is hostile: decoders take one spelling of what they know, and nothing else, and no list is brought down by it.

package jobs

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lines are events as they stand on record.
var lines = []string{
	`{"event":"configure","rules":{"scheduler":"parallel","slots":3}}`,
	`{"event":"configure","rules":{"scheduler":"seamless","retries":-1,"keep_slot":true,"complete_idle":true}}`,
	`{"event":"add","orders":[{"recipe":"A","amount":3},{"provider":"P","recipe":"B","product":"X","unit":"R1","size":"500 L","priority":-2}]}`,
	`{"event":"add","job":"J-000001","orders":[{"recipe":"A"}],"place":"before"}`,
	`{"event":"add","orders":[{"id":"J-000001"},{"recipe":"A","amount":1}],"place":"around"}`,
	`{"event":"recipe","recipe":{"recipe":"A","missing":"it is not published"}}`,
	`{"event":"content","job":"J-000002","steps":[{"type":"clamp","recipe":"CLAMP","unit":"R2","sort":-1},{"type":"x","recipe":"X","off":true}]}`,
	`{"event":"content","job":"J-000002","reason":"the resources do not answer"}`,
	`{"event":"complete","job":"J-000001","actor":"ann","role":"operator"}`,
	`{"event":"abort","job":"J-000001","actor":"ann","role":"operator","reason":"wrong part"}`,
	`{"event":"interrupt","job":"J-000001"}`,
	`{"event":"suspend","job":"J-000001"}`,
	`{"event":"continue","job":"J-000001"}`,
	`{"event":"acknowledge","job":"J-000002","steps":[{"type":"x","recipe":"X","off":true}]}`,
	`{"event":"retry","job":"J-000001"}`,
	`{"event":"process","process":"J-000001-0001","state":"Success","reworked":true}`,
	`{"event":"halt"}`,
	`{"event":"boot","processes":[{"process":"J-000001-0001","state":"Running"},{"process":"J-000001-0002","state":"Failure","reworked":true}]}`,
	`{"event":"boot"}`,
}

func TestEveryKindOfEventIsReadAsItWasWritten(t *testing.T) {
	kinds := map[EventKind]bool{}
	for _, line := range lines {
		ev, err := ParseEvent([]byte(line))
		require.NoError(t, err, line)
		again, err := ev.Append([]byte("x"))
		require.NoError(t, err)
		require.Equal(t, "x"+line, string(again))
		kinds[ev.Kind] = true
	}
	require.Len(t, kinds, int(Boot))
}

func TestAnEventHasOneSpelling(t *testing.T) {
	for _, line := range []string{
		"", "null", "{}", "[]", "0", `"halt"`,
		`{"event":"halt"} `, ` {"event":"halt"}`, "{\"event\":\"halt\"}\n", `{"event":"halt"}{"event":"halt"}`, `{"event":"halt"}x`,
		`{"event":"Halt"}`, `{"EVENT":"halt"}`, `{"event":"\u0068alt"}`, `{"event":"halt","event":"halt"}`, `{"event":"halt","x":1}`,
		`{"event":"halt","job":""}`, `{"event":"halt","job":"J-000001"}`, `{"event":"halt","actor":null}`,
		`{"job":"J-000001","event":"abort"}`, `{"event":"abort"}`, `{"event":""}`, `{"event":14}`, `{"event":"boot","processes":[]}`,
		`{"event":"boot","processes":[{"process":"p","state":"none"}]}`, `{"event":"boot","processes":[{"process":"","state":"Running"}]}`,
		`{"event":"process","process":"p","state":"Running","reworked":true}`, `{"event":"process","process":"p"}`,
		`{"event":"add","orders":[]}`, `{"event":"add"}`, `{"event":"add","orders":[{"recipe":"A","amount":-1}]}`,
		`{"event":"add","orders":[{"recipe":"A","amount":1.0}]}`, `{"event":"add","orders":[{"recipe":"A","amount":1e3}]}`,
		`{"event":"add","orders":[{"recipe":"A","amount":99999999999999999999}]}`, `{"event":"add","orders":[{"id":"J-000001"}]}`,
		`{"event":"add","orders":[{"recipe":"A","priority":9223372036854775807}]}`, `{"event":"add","orders":[{"recipe":"A"}],"place":"append"}`,
		`{"event":"add","orders":[{"recipe":"A"}],"place":"before"}`, `{"event":"add","job":"J-000001","orders":[{"recipe":"A"}]}`,
		`{"event":"add","orders":[null]}`, `{"event":"configure"}`, `{"event":"configure","rules":{}}`,
		`{"event":"configure","rules":{"scheduler":"parallel"}}`, `{"event":"configure","rules":{"scheduler":"parallel","slots":65}}`,
		`{"event":"configure","rules":{"scheduler":"seamless","slots":1}}`, `{"event":"abort","job":"a\u0000"}`, "{\"event\":\"abort\",\"job\":\"\xff\"}",
		`{"event":"abort","job":"` + strings.Repeat("x", MaxName+1) + `"}`, strings.Repeat("[", 1<<16), strings.Repeat(`{"rules":`, 1<<14),
	} {
		_, err := ParseEvent([]byte(line))
		require.ErrorIs(t, err, ErrEvent, "%.80s", line)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, line := range lines {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		ev, err := ParseEvent(line)
		if err != nil {
			require.ErrorIs(t, err, ErrEvent)
			require.Equal(t, Event{}, ev)
			return
		}
		again, err := ev.Append(nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(line, again))
	})
}
