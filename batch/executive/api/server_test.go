// Tests of the side that answers, over sockets: floods, faults, ends.

package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// served answers with h at a socket until the test ends; stop ends it sooner and gives what Serve has returned.
func served(t *testing.T, h http.Handler, opt *ServeOptions) (path string, stop func() error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "x.sock")
	l, err := Listen(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeWith(ctx, l, h, opt); close(done) }()
	stop = func() error { cancel(); return <-done }
	t.Cleanup(func() { _ = stop() })
	return path, stop
}

// one answers as a runner that has one batch.
func one() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/batches/B-0001", func(w http.ResponseWriter, _ *http.Request) {
		Reply(w, &Batch{ID: "B-0001", Life: Ready, Recipe: "R", Unit: "R101"}, nil)
	})
	mux.HandleFunc("POST /v1/batches/B-0001/commands", func(w http.ResponseWriter, r *http.Request) {
		var c Command
		err := Take(w, r, &c)
		Reply(w, &Accepted{Batch: "B-0001", As: PeerOf(r).Actor()}, err)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		s := NewStream(w)
		for s.Beat() == nil {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(Heartbeat):
			}
		}
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("a broken invariant") })
	mux.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "some")
		panic("late")
	})
	return mux
}

func TestCurlSpeaksToASocket(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("install curl to see it speak to a socket")
	}
	path, _ := served(t, one(), nil)
	out, err := exec.CommandContext(t.Context(), curl, "-sS", "--max-time", "20", "--unix-socket", path, "http://x/v1/batches/B-0001").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), `"batch_id":"B-0001","life":"Ready"`)
	out, err = exec.CommandContext(t.Context(), curl, "-sS", "--max-time", "20", "--unix-socket", path, "-d", `{"command":"start"}`,
		"http://x/v1/batches/B-0001/commands").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), `"as":"local:`)
}

func TestAHandlerThatPanicsEndsItsRequestOnlyAndIsTold(t *testing.T) {
	var told atomic.Pointer[error]
	path, _ := served(t, one(), &ServeOptions{Told: func(err error) { told.Store(&err) }})
	c := Dial(path)
	defer c.Close()
	var e *Error
	require.ErrorAs(t, c.Call(t.Context(), "GET", "/panic", nil, nil), &e)
	require.Equal(t, 500, e.Status)
	require.ErrorContains(t, e, "met a fault of the program")
	require.NotContains(t, e.Message, "invariant")
	require.ErrorContains(t, *told.Load(), "the handler panicked: a broken invariant")
	err := c.Call(t.Context(), "GET", "/late", nil, nil)
	require.Error(t, err, "half an answer is none")
	require.False(t, errors.As(err, &e))
	require.NoError(t, c.Call(t.Context(), "GET", "/v1/batches/B-0001", nil, &Batch{}))
}

func TestAFloodOfConnectionsIsTurnedAwayAndPasses(t *testing.T) {
	path, _ := served(t, one(), &ServeOptions{Connections: 8})
	var open []net.Conn
	for range 8 { // half a request each
		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		_, err = io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: ")
		require.NoError(t, err)
		open = append(open, c)
	}
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer c.Close()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return false // it may have come in before the eighth was let in
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == 503 && strings.Contains(string(data), "close those that you do not use")
	}, 5*time.Second, time.Millisecond)
	for _, c := range open {
		require.NoError(t, c.Close())
	}
	c := Dial(path)
	defer c.Close()
	require.Eventually(t, func() bool { return c.Call(t.Context(), "GET", "/v1/batches/B-0001", nil, &Batch{}) == nil }, 5*time.Second, time.Millisecond)
}

func TestOneStreamTooManyIsRefusedUntilAnotherHasEnded(t *testing.T) {
	path, _ := served(t, one(), &ServeOptions{Streams: 1})
	c := Dial(path)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	begun := make(chan struct{}, 100)
	go func() {
		first <- c.Events(ctx, "/v1/events", time.Minute, func(string, string, []byte) error { begun <- struct{}{}; return nil })
	}()
	<-begun
	one := func() error {
		return c.Events(t.Context(), "/v1/events", time.Minute, func(string, string, []byte) error { return errors.New("heard") })
	}
	var e *Error
	require.ErrorAs(t, one(), &e)
	require.Equal(t, 503, e.Status)
	require.ErrorContains(t, e, "end one and ask again")
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.Eventually(t, func() bool { return fmt.Sprint(one()) == "heard" }, 5*time.Second, time.Millisecond)
}

func TestServeReturnsWhenEveryHandlerHas(t *testing.T) {
	in, out, ended := make(chan struct{}), make(chan struct{}), atomic.Bool{}
	path, stop := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(in)
		<-r.Context().Done() // when the server ends
		<-out
		ended.Store(true)
		Reply(w, &Accepted{As: "x"}, nil)
	}), nil)
	idle, err := net.Dial("unix", path) // asks nothing, and does not hold up the end
	require.NoError(t, err)
	defer idle.Close()
	c := Dial(path)
	defer c.Close()
	asked := make(chan error, 1)
	go func() { asked <- c.Call(t.Context(), "POST", "/", nil, &Accepted{}) }()
	<-in
	go func() { time.Sleep(20 * time.Millisecond); close(out) }()
	require.NoError(t, stop())
	require.True(t, ended.Load())
	require.NoError(t, <-asked, "what was asked before the end is answered")
	require.NoFileExists(t, path)
}

func TestAServerThatCanAcceptNoMoreSaysSo(t *testing.T) {
	l, err := Listen(filepath.Join(t.TempDir(), "x.sock"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorIs(t, Serve(t.Context(), l, one()), net.ErrClosed)
}
