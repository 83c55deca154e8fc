// Tests of what is shown, under which names, and how often.

package bus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

func TestANameIsOneTokenAndComesBack(t *testing.T) {
	for name, token := range map[string]string{
		"n1.B-0001": "n1//B-0001", "do/1": "do%2F1", "": "%", "%": "%25", "a b": "a%20b", "ä": "%C3%A4", "x>*+#": "x%3E%2A%2B%23", "n2:S901": "n2:S901", "a..b": "a////b",
	} {
		require.Equal(t, token, Token(name))
		require.NotContains(t, strings.ReplaceAll(token, "//", ""), "/")
		back, err := ParseToken(token)
		require.NoError(t, err)
		require.Equal(t, name, back)
	}
	for _, token := range []string{"", "a.b", "a/b", "%2f", "%4", "%41", "a b", "*", ">"} {
		_, err := ParseToken(token)
		require.ErrorContains(t, err, "bus: ", token)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("n1.B-0001")
	f.Add("do/1 \x00ä")
	f.Fuzz(func(t *testing.T, text string) {
		token := Token(text)
		require.False(t, strings.ContainsAny(token, ".*> \t\r\n+#"))
		back, err := ParseToken(token)
		require.NoError(t, err)
		require.Equal(t, text, back)
		if name, err := ParseToken(text); err == nil {
			require.Equal(t, text, Token(name))
		}
	})
}

// sink takes what an outbox sends.
type sink struct {
	list []string
	err  error
}

func (s *sink) send(subject string, data []byte) error {
	if s.err != nil {
		return s.err
	}
	s.list = append(s.list, subject+"="+string(data))
	return nil
}

func (s *sink) take() (list []string) {
	list, s.list = s.list, nil
	return list
}

func TestTheNewestValueWinsAndASubjectIsSentTenTimesASecond(t *testing.T) {
	o, s, at := newOutbox(), &sink{}, time.Now()
	for i := range 5 {
		o.put("a", fmt.Append(nil, i))
		o.put("b", []byte("same"))
	}
	require.NoError(t, o.flush(at, s.send))
	require.Equal(t, []string{"a=4", "b=same"}, s.take())
	o.put("a", []byte("5"))
	o.put("b", []byte("same"))
	require.NoError(t, o.flush(at.Add(rtGap/2), s.send))
	require.Empty(t, s.take())
	require.NoError(t, o.flush(at.Add(rtGap), s.send))
	require.Equal(t, []string{"a=5"}, s.take())
}

func TestWhatDoesNotChangeIsSaidAgain(t *testing.T) {
	o, s, at := newOutbox(), &sink{}, time.Now()
	o.put("a", []byte("1"))
	require.NoError(t, o.flush(at, s.send))
	require.Equal(t, []string{"a=1"}, s.take())
	require.NoError(t, o.flush(at.Add(rtAgain-1), s.send))
	require.Empty(t, s.take())
	require.NoError(t, o.flush(at.Add(rtAgain), s.send))
	require.Equal(t, []string{"a=1"}, s.take())
	o.lost() // as after a server was started anew
	require.NoError(t, o.flush(at.Add(rtAgain+rtGap), s.send))
	require.Equal(t, []string{"a=1"}, s.take())
	require.Equal(t, 1, o.again()) // as after somebody has come
	require.NoError(t, o.flush(at.Add(rtAgain+2*rtGap), s.send))
	require.Equal(t, []string{"a=1"}, s.take())
	require.Equal(t, 1, o.again())
	require.NoError(t, o.flush(at.Add(rtAgain+3*rtGap), s.send))
	require.Empty(t, s.take(), "it was said just now")
}

func TestTheLastWordIsSaidOnceAndForgotten(t *testing.T) {
	o, s, at := newOutbox(), &sink{}, time.Now()
	o.put("a", []byte("1"))
	o.last("a", []byte("gone"))
	require.NoError(t, o.flush(at, s.send))
	require.Equal(t, []string{"a=gone"}, s.take())
	o.lost()
	require.NoError(t, o.flush(at.Add(time.Hour), s.send))
	require.Empty(t, s.take())
	require.Zero(t, o.bytes)
	require.Empty(t, o.said)
}

func TestWhatCouldNotBeSentIsSentLater(t *testing.T) {
	o, s, at := newOutbox(), &sink{err: errors.New("away")}, time.Now()
	o.put("a", []byte("1"))
	o.put("b", []byte("2"))
	require.ErrorIs(t, o.flush(at, s.send), s.err)
	o.put("a", []byte("3"))
	s.err = nil
	require.NoError(t, o.flush(at.Add(rtGap), s.send))
	require.ElementsMatch(t, []string{"a=3", "b=2"}, s.take())
}

func TestAnOutboxIsBounded(t *testing.T) {
	o, s, at := newOutbox(), &sink{}, time.Now()
	o.put("large", make([]byte, rtPayload+1))
	for i := range rtSubjects + 10 {
		o.put(fmt.Sprint("s", i), []byte("x"))
	}
	require.Len(t, o.said, rtSubjects)
	require.EqualError(t, o.full(), fmt.Sprintf("11 values had no room: one has at most %d bytes, and a node %d subjects and %d bytes in all", rtPayload, rtSubjects, rtBytes))
	require.NoError(t, o.full())
	require.NoError(t, o.flush(at, s.send))
	require.Len(t, s.take(), rtBurst)
	o.forget("s5")
	o.forget("s5")
	large := make([]byte, rtPayload)
	for i := range rtSubjects {
		o.put(fmt.Sprint("s", i), large)
	}
	require.LessOrEqual(t, o.bytes, rtBytes)
	require.Error(t, o.full())
}

func TestAChannelIsShownUnderItsAreaAndUnitOrByItself(t *testing.T) {
	b := &Bridge{node: "n1", here: newScene(), out: newOutbox(), opt: BridgeOptions{Areas: []string{"WEST"}, Units: map[string]string{"di/": "U1", "di/9": "PUMP", "x": "NONE"}}}
	items := []api.Equipment{
		{ID: "SITE", Level: "site"}, {ID: "WEST", Level: "area", Parent: "SITE"}, {ID: "CELL", Level: "process_cell", Parent: "WEST"},
		{ID: "U1", Level: "unit", Parent: "CELL", Channels: []string{"do/1"}}, {ID: "M1", Level: "equipment_module", Parent: "U1", Channels: []string{"do/2"}},
		{ID: "PUMP", Level: "equipment_module", Parent: "SITE", Channels: []string{"do/6"}},
		{ID: "EAST", Level: "area", Parent: "SITE"}, {ID: "U7", Level: "unit", Parent: "EAST", Channels: []string{"do/7"}},
		{ID: "FAR", Level: "unit", Parent: "CELL", Node: "n2", Channels: []string{"n2:do/1"}},
	}
	b.here.values["do/1"] = NodeValue{Node: "n1", Value: api.Value{Channel: "do/1", Value: "1"}}
	b.place(items)
	for channel, subject := range map[string]string{
		"do/1": "rt.WEST.U1.do%2F1", "do/2": "rt.WEST.U1.do%2F2", "do/6": "rt.n1.io.do%2F6", "di/1": "rt.WEST.U1.di%2F1",
		"di/91": "rt.n1.io.di%2F91", "ai.1": "rt.n1.io.ai//1", "n2:do/1": "rt.n1.io.n2:do%2F1", "do/7": "rt.n1.io.do%2F7",
	} {
		require.Equal(t, subject, b.valueSubject(channel))
	}
	s := &sink{}
	require.NoError(t, b.out.flush(time.Now(), s.send))
	require.Len(t, s.list, 1)
	require.True(t, strings.HasPrefix(s.list[0], "rt.WEST.U1.do%2F1="), s.list[0])
	require.Contains(t, s.list[0], `"equipment_id":"U1"`)
}
