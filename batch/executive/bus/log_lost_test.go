// What servers lose, forget and fork is found, and put back where somebody has it.

package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// told is what a connection tells.
type told struct {
	mu   sync.Mutex
	list []string
}

func (t *told) tell(object, result, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, object+" "+result+" "+detail)
}

func (t *told) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.list, "\n")
}

// board is one server whose disk is put back.
type board struct {
	t    *testing.T
	opt  *ServerOptions
	stop func()
	url  string
	tale told
}

func newBoard(t *testing.T) *board {
	b := &board{t: t, opt: alone(t)}
	b.opt.Listen = free(t)
	b.start()
	return b
}

func (b *board) start() {
	s, stop := runServer(b.t, b.opt)
	b.url, b.stop = s.ClientURL(), stop
}

// node is a node with its copy, which may be nil.
func (b *board) node(name string, copy arbiter.Log) *Log {
	return openLog(b.t, connect(b.t, &Options{URL: b.url, Node: name, Tell: b.tale.tell}), "plant", copy)
}

// keep copies the disk of the server, while it is stopped.
func (b *board) keep() (image string) {
	image = filepath.Join(b.t.TempDir(), "image")
	b.stop()
	require.NoError(b.t, os.CopyFS(image, os.DirFS(b.opt.Dir)))
	b.start()
	return image
}

// rollBack puts an image in the place of the disk; "" is an empty one.
func (b *board) rollBack(image string) {
	b.stop()
	require.NoError(b.t, os.RemoveAll(b.opt.Dir))
	if image != "" {
		require.NoError(b.t, os.CopyFS(b.opt.Dir, os.DirFS(image)))
	}
	b.start()
}

func TestATailThatTheServerHasLostIsPutBackByWhoHasIt(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	copied, blind := b.node("n1", sqlite(t)), b.node("n2", nil)
	fill(t, copied, 1, 5)
	image := b.keep()
	for _, l := range []*Log{copied, blind} { // an append waits for a server that was away no longer than a moment
		require.NoError(t, l.c.Ready(within(t, patience)))
	}
	fill(t, copied, 6, 12)
	want := readAll(t, blind)

	b.rollBack(image)
	require.NoError(t, blind.c.Ready(within(t, patience)))
	require.NoError(t, copied.c.Ready(within(t, patience)))
	err := blind.Append(within(t, patience), 13, opOf(13))
	require.ErrorIs(t, err, store.ErrDamaged, "who has seen more gives nothing")
	require.ErrorContains(t, err, "operations 6 to 12 of plant, which were acknowledged, are gone")
	require.ErrorIs(t, blind.Read(within(t, patience), 1, nil), store.ErrDamaged)

	require.NoError(t, copied.Append(within(t, patience), 13, opOf(13)))
	require.Equal(t, append(want, "13:operation 13"), readAll(t, blind))
	require.Contains(t, b.tale.all(), "ARB_plant refilled operations 6 to 12")
}

func TestAStreamThatIsGoneAltogetherIsPutBackFromTheWholeOn(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	mine := sqlite(t)
	l := b.node("n1", mine)
	fill(t, l, 1, 8)
	require.NoError(t, l.Append(within(t, patience), 9, make([]byte, 2<<20)))
	require.NoError(t, l.Trim(within(t, patience), 6))
	want := readAll(t, l)
	b.rollBack("")
	require.Equal(t, want, readAll(t, b.node("n1", mine)))
	fresh := b.node("n3", nil)
	require.Equal(t, want, readAll(t, fresh))
	fill(t, fresh, 10, 11)
}

func TestAForkGivesNothingAndSaysWhereItBegins(t *testing.T) {
	t.Parallel()
	for _, to := range []uint64{7, 9, 10} { // shorter than what was seen, as long, and longer
		t.Run(fmt.Sprint(to), func(t *testing.T) {
			t.Parallel()
			b := newBoard(t)
			l := b.node("n1", sqlite(t))
			fill(t, l, 1, 5)
			image := b.keep()
			require.NoError(t, l.c.Ready(within(t, patience)))
			fill(t, l, 6, 9)
			b.rollBack(image)
			stranger := b.node("n2", nil) // it has seen nothing of what is gone
			for n := uint64(6); n <= to; n++ {
				require.NoError(t, stranger.Append(within(t, patience), n, fmt.Appendf(nil, "another %d", n)))
			}
			require.NoError(t, l.c.Ready(within(t, patience)))
			for range 2 {
				err := l.Append(within(t, patience), 10, opOf(10))
				require.ErrorIs(t, err, store.ErrDamaged, "even where the server takes the number")
				require.ErrorContains(t, err, "operation 6 of plant is no longer what it was: the stream has that of n2.")
				require.ErrorContains(t, err, "the copy of this node has that of n1.")
				require.ErrorIs(t, l.Read(within(t, patience), 1, nil), store.ErrDamaged)
				require.ErrorIs(t, l.Trim(within(t, patience), 7), store.ErrDamaged)
			}
		})
	}
}

// node2Error is what a node hears that opens the log anew.
func (b *board) node2Error() error {
	_, err := OpenLog(within(b.t, patience), connect(b.t, &Options{URL: b.url, Node: "n2"}), "plant", nil)
	return err
}

func TestAnOperationOfAnotherChainIsFound(t *testing.T) {
	b := newBoard(t)
	l := b.node("n1", nil)
	fill(t, l, 1, 2)
	e := entry{seq: 3, id: "n9.1", body: opOf(3)} // its link is that of nothing
	_, out, err := l.publish(within(t, patience), e.message(l.subject))
	require.NoError(t, err)
	require.Equal(t, outDone, out)
	require.ErrorIs(t, l.Read(within(t, patience), 1, func(uint64, []byte) error { return nil }), store.ErrDamaged)
	require.ErrorContains(t, b.node2Error(), "operation 3 of plant (by n9.1) does not follow")
}

func TestEntriesOfOthersAreReadWithDistrust(t *testing.T) {
	good := entry{seq: 3, id: "n1.x", body: []byte("op")}
	head := func(change func(h nats.Header)) []byte {
		m := good.message("s")
		change(m.Header)
		b := []byte("NATS/1.0\r\n")
		for k, v := range m.Header {
			b = fmt.Appendf(b, "%s: %s\r\n", k, v[0])
		}
		return append(b, "\r\n"...)
	}
	for _, c := range []struct {
		name string
		hdrs []byte
	}{
		{"none", nil},
		{"no link", head(func(h nats.Header) { h.Del(headLink) })},
		{"a short link", head(func(h nats.Header) { h.Set(headLink, "00ff") })},
		{"nobody", head(func(h nats.Header) { h.Del(headID) })},
		{"a long name", head(func(h nats.Header) { h.Set(headID, strings.Repeat("x", maxID+1)) })},
		{"no parts", head(func(h nats.Header) { h.Set(headParts, "0") })},
		{"too many parts", head(func(h nats.Header) { h.Set(headParts, "100000") })},
	} {
		_, err := entryOf(&stored{Seq: 3, Hdrs: c.hdrs, Data: []byte("op")})
		require.ErrorContains(t, err, "message 3 is no operation", c.name)
	}
	_, err := entryOf(&stored{Seq: 3, Hdrs: head(func(nats.Header) {})})
	require.ErrorContains(t, err, "it is empty")
	e, err := entryOf(&stored{Seq: 3, Hdrs: head(func(nats.Header) {}), Data: []byte("op")})
	require.NoError(t, err)
	require.Equal(t, good, *e)

	for _, body := range []string{"", "x", "1 00", "0 " + strings.Repeat("0", 64), "5 " + strings.Repeat("0", 64) + "\n5 " + strings.Repeat("0", 64)} {
		_, err := readParts(&entry{parts: strings.Count(body, "\n") + 1, body: []byte(body)})
		require.ErrorIs(t, err, store.ErrDamaged, "%q", body)
	}
	for _, b := range [][]byte{nil, make([]byte, frame), append(make([]byte, frame-1), 9, 1)} {
		_, err := recordOf(b)
		require.ErrorIs(t, err, store.ErrDamaged)
	}
}
