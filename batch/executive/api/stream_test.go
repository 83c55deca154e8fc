// Tests of server-sent events: what a stream writes, and what the reader makes of a stream.

package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// read gives the events of a stream, a line each, and how it ended.
func read(r io.Reader) (list []string, err error) {
	s := newSSE(r, func() {})
	for {
		event, id, data, err := s.next()
		if err != nil {
			return list, err
		}
		list = append(list, fmt.Sprintf("%s|%s|%s", event, id, data))
	}
}

func TestAStreamIsReadByTheRulesOfTheStandard(t *testing.T) {
	for text, want := range map[string][]string{
		"event: batch\ndata: {}\n\n":                      {"batch||{}"},
		"event: batch\r\ndata: {}\r\n\r\n":                {"batch||{}"},
		"event: batch\rdata: {}\r\r":                      {"batch||{}"},
		"\uFEFFdata: a\n\n":                               {"message||a"},
		"data: a\ndata:b\ndata:  c\n\n":                   {"message||a\nb\n c"},
		"data\n\n":                                        {"message||"},
		"event: x\n\ndata: a\n\n":                         {"message||a"},
		"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n":    {"message|7|a", "message|7|b", "message||c"},
		"id: 7\x00\ndata: a\n\n":                          {"message||a"},
		": alive\n\n: alive\n\n":                          {"||", "||"},
		"event: x\n: alive\ndata: a\n\n":                  {"x||a"},
		"colour: red\nretry: 10\ndata: a\n\n":             {"message||a"},
		"data: whole\n\ndata: cut off\n":                  {"message||whole"},
		"\n\n\n":                                          nil,
		"data: a":                                         nil,
		"event: record\nid: 3\ndata: {\"a\":\"b:c\"}\n\n": {"record|3|{\"a\":\"b:c\"}"},
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			got, err := read(r)
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, want, got, "%q", text)
		}
	}
}

func TestAnEventWithoutEndIsGivenUp(t *testing.T) {
	_, err := read(io.MultiReader(strings.NewReader("data: "), endless{}))
	require.ErrorContains(t, err, "a line has more than 1048576 bytes")
	_, err = read(&repeated{line: "data: " + strings.Repeat("x", 1000) + "\n"})
	require.ErrorContains(t, err, "an event has more than 1048576 bytes")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

type repeated struct {
	line string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.line[r.at:])
	r.at = (r.at + n) % len(r.line)
	return n, nil
}

func TestWhatAStreamSendsIsReadAsItWasSent(t *testing.T) {
	w := httptest.NewRecorder()
	s := NewStream(w)
	require.NoError(t, s.Send("batch", "", []byte(`{"a":1}`)))
	require.NoError(t, s.Beat())
	require.NoError(t, s.Send("record", "12", []byte("two\nlines\rand a third")))
	require.NoError(t, s.Send("removed", "", nil))
	require.Error(t, s.Send("a\nb", "", nil))
	require.Error(t, s.Send("a", "1\r2", nil))
	require.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	got, err := read(w.Body)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []string{`batch||{"a":1}`, "||", "record|12|two\nlines\nand a third", "removed|12|"}, got)
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: batch\r\nid: 1\rdata: {}\n\n: alive\n\n\uFEFFdata"))
	f.Add([]byte("data\ndata\n\n\r\n\r"))
	f.Fuzz(func(t *testing.T, text []byte) {
		one, err := read(bytes.NewReader(text))
		require.ErrorIs(t, err, io.EOF)
		slow, err := read(iotest.OneByteReader(bytes.NewReader(text)))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, one, slow, "where the pieces part does not matter")
		_, err = read(iotest.ErrReader(errors.New("cut")))
		require.ErrorContains(t, err, "cut")
	})
}
