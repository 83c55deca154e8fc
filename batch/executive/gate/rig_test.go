// What the tests stand on: a plant CA, and boards with gates on loopback.

package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// told collects lines.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *told) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// board is one with a gate that runs.
type board struct {
	*Gate
	n   *api.Memory
	log *told
	end func()
}

// echo answers who has asked.
func echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := api.PeerOf(r)
		as := p.Actor()
		if p.Keeper {
			as += " keeper"
		}
		api.Reply(w, &api.Accepted{As: as}, nil)
	})
}

// free are addresses of loopback at which nobody listens, and that the system gives to nobody who asks it for any.
func free(t *testing.T, n int) (list []string) {
	t.Helper()
	for tries := 0; len(list) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000)))
		if err != nil {
			require.Less(t, tries, 1000, err)
			continue
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}

func options(dir, node, listen string, peers map[string]string) Options {
	return Options{Node: node, Listen: listen, CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, node+".pem"), Key: filepath.Join(dir, node+".key"), Peers: peers}
}

// newBoard starts a board.
func newBoard(t *testing.T, o Options) *board {
	t.Helper()
	b := &board{n: &api.Memory{}, log: &told{}}
	o.Tell = b.log.say
	g, err := New(o)
	require.NoError(t, err)
	b.Gate = g
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, b.n, echo()) }()
	var once sync.Once
	b.end = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(b.end)
	return b
}

// two are boards n1 and n2 that know each other, and their CA.
func two(t *testing.T) (ca *Authority, dir string, n1, n2 *board) {
	t.Helper()
	dir = t.TempDir()
	ca, err := OpenAuthority(dir)
	require.NoError(t, err)
	for _, node := range []string{"n1", "n2", "n3"} {
		require.NoError(t, ca.Issue(node, time.Hour))
	}
	at := free(t, 2)
	n1 = newBoard(t, options(dir, "n1", at[0], map[string]string{"n2": at[1]}))
	n2 = newBoard(t, options(dir, "n2", at[1], map[string]string{"n1": at[0]}))
	return ca, dir, n1, n2
}

// ask asks a board by the gate of another.
func (b *board) ask(node, method, path string) (as string, err error) {
	var a api.Accepted
	for range 100 { // until its listener is there
		c := b.n.Dial(api.Remote(node, api.IO))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err = c.Call(ctx, method, path, nil, &a)
		cancel()
		c.Close()
		if err == nil || !strings.Contains(err.Error(), api.ErrNobody.Error()) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return a.As, err
}
