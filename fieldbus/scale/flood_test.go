// What talks without end holds nobody up.

package scale_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
)

// endless is a connection that is silent for some reads, or until something is written, and then says the same without end.
type endless struct {
	net.Conn
	says   string
	silent int // reads in vain before it talks
}

func (e *endless) Read(p []byte) (int, error) {
	if e.silent > 0 {
		e.silent--
		return e.Conn.Read(p)
	}
	time.Sleep(time.Millisecond)
	n := 0
	for n+len(e.says) <= len(p) {
		n += copy(p[n:], e.says)
	}
	return n, nil
}

func (e *endless) Write(p []byte) (int, error) {
	e.silent = 0
	return len(p), nil
}

func TestWhatTalksWithoutEndHoldsNobodyUp(t *testing.T) {
	for _, says := range []string{"x", "Z A\r\n"} {
		for _, name := range []string{"and-stream", "sics"} {
			for _, cancelled := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %.1s %v", name, says, cancelled), func(t *testing.T) {
					t.Parallel()
					flooded(t, name, says, cancelled)
				})
			}
		}
	}
}

// flooded holds that a Read ends of an instrument that begins to talk when it is waited for, or is asked, and does not end.
func flooded(t *testing.T, name, says string, cancelled bool) {
	near, far := net.Pipe()
	e := &endless{Conn: near, says: says, silent: 1} // while what waits is taken
	if name == "sics" {
		e.silent = 1000 // until it is asked
	}
	p := profile(t, name)
	d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{
		Dial: func(context.Context, string, string) (net.Conn, error) { return e, nil }})
	require.NoError(t, err)
	require.NoError(t, d.Open(t.Context(), "tcp://192.0.2.1:4001"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if cancelled {
		time.AfterFunc(50*time.Millisecond, cancel)
	}
	done := make(chan error, 1)
	go func() {
		_, err := read(ctx, d, p, "WEIGHT")
		done <- err
	}()
	select {
	case err := <-done:
		require.Error(t, err)
	case <-time.After(20 * time.Second):
		t.Error("a Read does not come to an end")
	}
	require.NoError(t, d.Close())
	require.NoError(t, far.Close())
}
