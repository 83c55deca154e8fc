// Tests of the side that asks, and of both in a bubble: servers that are silent, trickle, or say what they should not.

package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pair serves h in memory for the time of fn, in a bubble.
func pair(t *testing.T, h http.Handler, fn func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		l, err := m.Listen("x")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, l, h) }()
		c := m.Dial("x")
		fn(t, c)
		c.Close()
		cancel()
		require.NoError(t, <-done)
	})
}

// raw serves what answer writes to each connection, once a request was sent.
func raw(t *testing.T, answer func(c net.Conn), fn func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		c := NewClient("raw", func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer close(done)
				defer there.Close()
				buf := make([]byte, 64<<10)
				_, _ = there.Read(buf)
				go func() { _, _ = io.Copy(io.Discard, there) }()
				answer(there)
			}()
			return here, nil
		})
		fn(t, c)
		c.Close()
		<-done
	})
}

func hear(ctx context.Context, c *Client, do func(event, id string, data []byte) error) error {
	return c.Events(ctx, "/v1/events", 5*time.Second, do)
}

func TestInABubbleACallAndAStreamGoAsOverASocket(t *testing.T) {
	pair(t, one(), func(t *testing.T, c *Client) {
		var b Batch
		require.NoError(t, c.Call(t.Context(), "GET", "/v1/batches/B-0001", nil, &b))
		require.Equal(t, Ready, b.Life)
		var a Accepted
		require.NoError(t, c.Call(t.Context(), "POST", "/v1/batches/B-0001/commands", &Command{Command: "start"}, &a))
		require.Equal(t, Peer{UID: os.Getuid()}.Actor(), a.As, "in one process the peer is this process")
		var e *Error
		require.ErrorAs(t, c.Call(t.Context(), "POST", "/v1/batches/B-0001/commands", &Command{}, nil), &e)
		require.Equal(t, 400, e.Status)
		require.ErrorAs(t, c.Call(t.Context(), "GET", "/v1/nothing", nil, nil), &e)
		require.Equal(t, 404, e.Status)
		begin, beats := time.Now(), 0
		enough := errors.New("enough")
		require.Equal(t, enough, hear(t.Context(), c, func(string, string, []byte) error {
			if beats++; beats == 100 {
				return enough
			}
			return nil
		}))
		require.Equal(t, 99*Heartbeat, time.Since(begin), "a stream outlives every limit of a request")
	})
}

func TestAServerThatEndsEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		l, err := m.Listen("x")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, l, one()) }()
		begin := time.Now()
		require.ErrorIs(t, hear(t.Context(), m.Dial("x"), func(string, string, []byte) error { return nil }), io.EOF)
		require.NoError(t, <-done)
		require.Less(t, time.Since(begin), 11*time.Second)
	})
}

func TestABodyThatTricklesIsGivenUpAndAHandlerMayTakeItsTime(t *testing.T) {
	ended := make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /read", func(w http.ResponseWriter, r *http.Request) {
		err := Take(w, r, &Order{})
		ended <- err
		Reply(w, &Accepted{}, err)
	})
	mux.HandleFunc("POST /slow", func(w http.ResponseWriter, r *http.Request) {
		err := Take(w, r, &Order{})
		time.Sleep(20 * time.Second)
		Reply(w, &Accepted{}, errors.Join(err, r.Context().Err()))
	})
	pair(t, mux, func(t *testing.T, c *Client) {
		require.NoError(t, c.Call(t.Context(), "POST", "/slow", &Order{}, &Accepted{}))
		begin := time.Now()
		body, w := io.Pipe()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		_, _ = c.send(t.Context(), "POST", "/read", body)
		require.ErrorContains(t, <-ended, "the body broke off")
		require.Equal(t, 10*time.Second, time.Since(begin))
		w.Close()
		body.Close()
		<-gone
	})
}

func TestAStreamOfWhichNothingIsHeardIsGivenUp(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	for name, answer := range map[string]func(c net.Conn){
		"no answer": func(c net.Conn) { time.Sleep(time.Hour) },
		"no event":  func(c net.Conn) { _, _ = io.WriteString(c, head); time.Sleep(time.Hour) },
		"a line that does not end": func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for err == nil {
				time.Sleep(time.Second)
				_, err = io.WriteString(c, "x")
			}
		},
	} {
		raw(t, answer, func(t *testing.T, c *Client) {
			begin := time.Now()
			err := hear(t.Context(), c, func(string, string, []byte) error { t.Error("an event"); return nil })
			require.ErrorContains(t, err, "nothing was heard for too long", name)
			require.Equal(t, 5*time.Second, time.Since(begin), name)
			time.Sleep(2 * time.Hour)
		})
	}
}

func TestTheTimeOfTheReaderIsNotSilence(t *testing.T) {
	pair(t, one(), func(t *testing.T, c *Client) {
		n, enough := 0, errors.New("enough")
		require.Equal(t, enough, c.Events(t.Context(), "/v1/events", 1500*time.Millisecond, func(string, string, []byte) error {
			time.Sleep(3 * time.Second) // more than quiet; what came meanwhile waits
			if n++; n == 3 {
				return enough
			}
			return nil
		}))
	})
}

func TestAnswersAreBounded(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"too much":     {"HTTP/1.1 200 OK\r\n\r\n{\"as\":\"" + strings.Repeat("x", MaxAnswer), "has more than 16777216 bytes"},
		"no json":      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "answer of raw: invalid character"},
		"out of range": {"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"batch_id\":\"a/b\"}", "an identifier has"},
		"elsewhere":    {"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n", "raw answered 302 Found"},
		"cut off":      {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", "unexpected EOF"},
		"no stream":    {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "raw answered 500 Oh"},
		"a long head":  {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 32<<10), "server response headers exceeded"},
	} {
		raw(t, func(conn net.Conn) { _, _ = io.WriteString(conn, c.answer) }, func(t *testing.T, cl *Client) {
			require.ErrorContains(t, cl.Call(t.Context(), "GET", "/v1/x", nil, &Accepted{}), c.want, name)
		})
	}
	raw(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") }, func(t *testing.T, c *Client) {
		require.ErrorContains(t, hear(t.Context(), c, nil), "and no event stream")
	})
}

func TestACallWithoutADeadlineHasOne(t *testing.T) {
	raw(t, func(c net.Conn) {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for err == nil {
			time.Sleep(time.Second)
			_, err = io.WriteString(c, " ")
		}
	}, func(t *testing.T, c *Client) {
		begin := time.Now()
		require.ErrorIs(t, c.Call(t.Context(), "GET", "/v1/x", nil, &Accepted{}), context.DeadlineExceeded)
		require.Equal(t, MaxWait, time.Since(begin))
		time.Sleep(time.Minute)
	})
}
