// Links of a network that a test owns: it cuts them and joins them again.

package main

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// link carries connections one way: who connects to it is connected to what lies behind it. What is cut is silent: what was sent waits, as in a network
// whose cable was pulled, and goes on when the link is joined again, unless one of the two has given up meanwhile.
type link struct {
	t  testing.TB
	l  net.Listener
	to string

	mu    sync.Mutex
	open  chan struct{} // closed while the link is open
	conns map[net.Conn]struct{}
	over  bool
	done  sync.WaitGroup
}

// newLink makes a link to an address. It ends with the test.
func newLink(t testing.TB, to string) *link {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := &link{t: t, l: l, to: to, open: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(k.open)
	k.done.Go(k.serve)
	t.Cleanup(k.end)
	return k
}

func (k *link) at() string { return k.l.Addr().String() }

func (k *link) serve() {
	for {
		c, err := k.l.Accept()
		if err != nil {
			return
		}
		if !k.keep(c) {
			return
		}
		k.done.Go(func() { k.carry(c) })
	}
}

// keep has a connection closed when the link ends.
func (k *link) keep(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		c.Close()
		return false
	}
	k.conns[c] = struct{}{}
	return true
}

func (k *link) drop(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c)
	c.Close()
}

// carry carries one connection both ways.
func (k *link) carry(c net.Conn) {
	defer k.drop(c)
	if !k.wait() {
		return
	}
	far, err := net.Dial("tcp", k.to)
	if err != nil || !k.keep(far) {
		return
	}
	defer k.drop(far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, far}, {far, c}} {
		both.Go(func() {
			defer way[1].Close()
			defer way[0].Close()
			for b := make([]byte, 32<<10); ; {
				n, err := way[0].Read(b)
				if err != nil || !k.wait() {
					return
				}
				if _, err := way[1].Write(b[:n]); err != nil {
					return
				}
			}
		})
	}
	both.Wait()
}

// wait blocks while the link is cut; false once it has ended.
func (k *link) wait() bool {
	k.mu.Lock()
	open := k.open
	k.mu.Unlock()
	<-open
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.over
}

// cut cuts it.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.open:
		k.open = make(chan struct{})
	default: // it is
	}
}

// join joins it again.
func (k *link) join() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.open:
	default:
		close(k.open)
	}
}

func (k *link) end() {
	k.join()
	k.mu.Lock()
	k.over = true
	for c := range k.conns {
		c.Close()
	}
	k.mu.Unlock()
	k.l.Close()
	k.done.Wait()
}

func TestALinkThatIsCutIsSilentAndGoesOnWhenItIsJoined(t *testing.T) {
	far, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer far.Close()
	k := newLink(t, far.Addr().String())
	c, err := net.Dial("tcp", k.at())
	require.NoError(t, err)
	defer c.Close()
	d, err := far.Accept()
	require.NoError(t, err)
	defer d.Close()
	heard := make(chan byte)
	go func() {
		b := make([]byte, 1)
		for {
			if n, _ := d.Read(b); n == 0 {
				close(heard)
				return
			}
			heard <- b[0]
		}
	}()
	say := func(b byte) {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	say(1)
	require.Equal(t, byte(1), <-heard)
	k.cut()
	say(2)
	late, err := net.Dial("tcp", k.at())
	require.NoError(t, err, "the network takes it, and nobody answers")
	defer late.Close()
	select {
	case <-heard:
		require.Fail(t, "the link is cut")
	default:
	}
	k.join()
	require.Equal(t, byte(2), <-heard)
}
