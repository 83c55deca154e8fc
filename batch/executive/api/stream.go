// Server-sent events: how they are written, and how they are read.

package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// errStreams: a stream that could not begin.
var errStreams = errors.New("api: as many event streams are open as this server has; end one and ask again")

// Stream is a stream of server-sent events to one client. Its methods are called on the handler's goroutine.
type Stream struct {
	w   io.Writer
	ctl *http.ResponseController
	err error
}

// NewStream begins a stream, which ends with the handler. Where the server has as many as it may, the client is refused with status 503, and
// every method says so.
func NewStream(w http.ResponseWriter) *Stream {
	s := &Stream{w: w, ctl: http.NewResponseController(w)}
	if a, ok := w.(*answer); ok && !a.stream() {
		s.err = errStreams
		Reply(w, nil, &Error{http.StatusServiceUnavailable, errStreams.Error()})
		return s
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	s.err = s.write("")
	return s
}

// Send sends an event; id may be "". An error says that the client is gone, or does not read for five seconds; the stream is then at its end.
func (s *Stream) Send(event, id string, data []byte) error {
	if strings.ContainsAny(event+id, "\r\n\x00") {
		return fmt.Errorf("api: event %q with id %q: they are one line each", event, id)
	}
	var b strings.Builder
	b.Grow(len(event) + len(id) + len(data) + 24)
	b.WriteString("event: " + event + "\n")
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	for line := range bytes.SplitSeq(bytes.ReplaceAll(data, []byte("\r"), []byte("\n")), []byte("\n")) {
		b.WriteString("data: ")
		b.Write(line)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return s.write(b.String())
}

// Beat says that the process lives.
func (s *Stream) Beat() error { return s.write(": alive\n\n") }

func (s *Stream) write(text string) error {
	if s.err != nil {
		return s.err
	}
	_ = s.ctl.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if _, s.err = io.WriteString(s.w, text); s.err == nil {
		s.err = s.ctl.Flush()
	}
	return s.err
}

// sse reads a stream of server-sent events by the rules of the HTML standard, but for retry, which is passed over.
type sse struct {
	r     *bufio.Reader
	heard func() // a line has come
	begun bool   // a first line was read
	cr    bool   // the last line ended with a carriage return: a line feed may follow

	line  []byte
	event string
	id    string // of the last event that had one
	data  []byte
	some  bool // data was there, even if it is ""
}

func newSSE(r io.Reader, heard func()) *sse { return &sse{r: bufio.NewReader(r), heard: heard} }

// next gives the next event, or event "" for a comment.
func (s *sse) next() (event, id string, data []byte, err error) {
	s.event, s.data, s.some = "", nil, false
	for {
		if err := s.readLine(); err != nil {
			return "", "", nil, err
		}
		s.heard()
		switch {
		case len(s.line) == 0 && s.some:
			if s.event == "" {
				s.event = "message"
			}
			return s.event, s.id, s.data, nil
		case len(s.line) == 0:
			s.event = ""
			continue
		case s.line[0] == ':' && !s.some && s.event == "":
			return "", s.id, nil, nil
		}
		if err := s.field(); err != nil {
			return "", "", nil, err
		}
	}
}

func (s *sse) field() error {
	name, value, _ := bytes.Cut(s.line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		s.event = string(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			s.id = string(value)
		}
	case "data":
		if s.some {
			s.data = append(s.data, '\n')
		}
		if len(s.data)+len(value) > MaxBody {
			return fmt.Errorf("an event has more than %d bytes", MaxBody)
		}
		s.data, s.some = append(s.data, value...), true
	}
	return nil
}

// readLine reads one line, which ends with LF, CR or both.
func (s *sse) readLine() error {
	s.line = s.line[:0]
	for {
		b, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		after := s.cr
		s.cr = b == '\r'
		switch {
		case b == '\n' && after:
			continue
		case b == '\n' || b == '\r':
			if !s.begun {
				s.begun, s.line = true, bytes.TrimPrefix(s.line, []byte("\uFEFF"))
			}
			return nil
		case len(s.line) == MaxBody:
			return fmt.Errorf("a line has more than %d bytes", MaxBody)
		}
		s.line = append(s.line, b)
	}
}
