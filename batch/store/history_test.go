// Histories of the stores under faults, held against the model of a log.

package store_test

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// linearizable holds a history against the model: every call has come to what a single log would have answered at one moment
// between its begin and its end.
func linearizable(t *testing.T, h *storetest.History) {
	t.Helper()
	model := porcupine.Model{
		Init: func() any { return storetest.State{} },
		Step: func(state, in, _ any) (bool, any) {
			call := in.(storetest.Call)
			next, legal := storetest.Step(state.(storetest.State), &call)
			return legal, next
		},
	}
	var all []porcupine.Operation
	for _, c := range h.Calls {
		all = append(all, porcupine.Operation{ClientId: c.Client, Input: c, Call: c.Begun, Return: c.Ended})
	}
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(model, all, time.Minute), h)
}

// trials runs a trial with some seeds, or with many, and holds each history against the model.
func trials(t *testing.T, long time.Duration, make func(t *testing.T) *storetest.Trial) (all []*storetest.History) {
	seeds, seed := 1, uint64(time.Now().UnixNano())%1e6
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 20
	}
	for n := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed+n), func(t *testing.T) {
			trial := make(t)
			trial.Seed, trial.For, trial.Least = seed+n, long, 20
			h, err := trial.Run(t.Context())
			t.Logf("seed %d: %v", seed+n, h)
			for why, times := range h.Reasons {
				t.Logf("%d times: %s", times, why)
			}
			require.NoError(t, err)
			linearizable(t, h)
			require.Zero(t, h.Stale())
			require.GreaterOrEqual(t, h.Appended, trial.Least)
			require.Positive(t, h.Read)
			all = append(all, h)
		})
	}
	return all
}

func TestAHistoryOfMemoryIsLinearizable(t *testing.T) {
	trials(t, 200*time.Millisecond, func(*testing.T) *storetest.Trial {
		m := store.NewMemory()
		return &storetest.Trial{Pause: time.Millisecond, Open: func(context.Context, int) (arbiter.Log, error) { return m, nil }}
	})
}

// servant is the environment variable that makes this test program one that serves the log in the file that it names.
const servant = "BATCHKIT_TEST_SERVANT"

// order and answer are what a client and its servant tell each other.
type (
	order struct {
		Do  byte
		Seq uint64
		Op  []byte
	}
	answer struct {
		Why  string
		Kind int // 1: ErrConflict; 2: ErrUnknown; 3: ErrDamaged
		Seqs []uint64
		Ops  [][]byte
	}
)

var kinds = []error{1: arbiter.ErrConflict, 2: arbiter.ErrUnknown, 3: store.ErrDamaged}

func servantMain(path string) {
	in, out := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	s, err := store.OpenSQLite(path, &store.Options{Busy: 300 * time.Millisecond})
	for {
		var o order
		if in.Decode(&o) != nil {
			return
		}
		a := answer{}
		switch {
		case err != nil:
			a.Why = err.Error()
		case o.Do == 'a':
			a.says(s.Append(context.Background(), o.Seq, o.Op))
		case o.Do == 't':
			a.says(s.Trim(context.Background(), o.Seq))
		default:
			a.says(s.Read(context.Background(), o.Seq, func(seq uint64, op []byte) error {
				a.Seqs, a.Ops = append(a.Seqs, seq), append(a.Ops, op)
				return nil
			}))
		}
		if out.Encode(a) != nil {
			return
		}
	}
}

func (a *answer) says(err error) {
	if err == nil {
		return
	}
	a.Why = err.Error()
	for kind, is := range kinds {
		if is != nil && errors.Is(err, is) {
			a.Kind = kind
		}
	}
}

// served is a log that a process of its own has open.
type served struct {
	cmd  *exec.Cmd
	to   io.WriteCloser
	in   *gob.Encoder
	out  *gob.Decoder
	dead atomic.Bool
	done atomic.Int32 // orders that it has answered
}

func serve(path string) (*served, error) {
	s := &served{cmd: exec.Command(os.Args[0])}
	s.cmd.Env = append(os.Environ(), servant+"="+path)
	to, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	from, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.to, s.in, s.out = to, gob.NewEncoder(to), gob.NewDecoder(from)
	return s, s.cmd.Start()
}

func (s *served) ask(ctx context.Context, o order) (answer, error) {
	if s.dead.Load() {
		return answer{}, errors.New("the servant is dead")
	}
	var a answer
	defer context.AfterFunc(ctx, s.kill)() // who is stopped for too long is given up
	err := s.in.Encode(o)
	if err == nil {
		err = s.out.Decode(&a)
	}
	if err != nil {
		s.kill()
		return a, fmt.Errorf("%w: the servant is dead: %w", arbiter.ErrUnknown, err)
	}
	s.done.Add(1)
	if a.Why != "" {
		err = errors.New(a.Why)
		if a.Kind > 0 {
			err = fmt.Errorf("%w: %w", kinds[a.Kind], err)
		}
	}
	return a, err
}

func (s *served) kill() {
	s.dead.Store(true)
	_ = s.cmd.Process.Kill()
}

func (s *served) Close() error {
	s.kill()
	_ = s.to.Close()
	_ = s.cmd.Wait()
	return nil
}

func (s *served) Append(ctx context.Context, seq uint64, op []byte) error {
	_, err := s.ask(ctx, order{'a', seq, op})
	return err
}

func (s *served) Trim(ctx context.Context, seq uint64) error {
	_, err := s.ask(ctx, order{'t', seq, nil})
	return err
}

func (s *served) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	a, err := s.ask(ctx, order{'r', from, nil})
	for n := 0; n < len(a.Seqs) && err == nil; n++ {
		err = do(a.Seqs[n], a.Ops[n])
	}
	return err
}

// sleep rests for up to so many milliseconds.
func sleep(dice *rand.Rand, most int) {
	time.Sleep(time.Duration(1+dice.IntN(most)) * time.Millisecond)
}

func TestAHistoryOfProcessesThatAreKilledAndStoppedIsLinearizable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("wants processes that can be stopped")
	}
	t.Parallel()
	killed, stopped := 0, 0
	trials(t, 6*time.Second, func(t *testing.T) *storetest.Trial {
		path := filepath.Join(t.TempDir(), "manager.db")
		s, err := store.OpenSQLite(path, nil)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		var mu sync.Mutex
		now := map[int]*served{}
		return &storetest.Trial{Clients: 4, Limit: time.Second, Pause: 2 * time.Millisecond,
			Open: func(_ context.Context, client int) (arbiter.Log, error) {
				s, err := serve(path)
				if err != nil {
					return nil, err
				}
				mu.Lock()
				defer mu.Unlock()
				now[client] = s
				return s, nil
			},
			Fault: func(_ context.Context, dice *rand.Rand) error {
				sleep(dice, 60)
				mu.Lock()
				s := now[dice.IntN(4)]
				mu.Unlock()
				switch {
				case s == nil || s.done.Load() < 3: // a slow machine gets something done, too
				case stopped > 0 && (killed == 0 || dice.IntN(3) > 0): // and has each of the two, however few faults it has time for
					killed++
					s.kill()
				default:
					stopped++
					stop(s.cmd.Process)
					sleep(dice, 200)
					goOn(s.cmd.Process)
				}
				return nil
			}}
	})
	require.Positive(t, killed)
	require.Positive(t, stopped)
}

// proxy stands between clients and the server.
type proxy struct {
	net.Listener
	to   string // path of a socket
	deaf atomic.Bool
	shut atomic.Bool
	mu   sync.Mutex
	all  map[net.Conn]bool

	change func(b []byte) []byte // what a client says; nil: not
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, to: to, all: map[net.Conn]bool{}}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			done.Go(func() { p.carry(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.shut.Store(true)
		p.cut()
		done.Wait()
	})
	return p
}

// carry carries a connection. While the proxy is deaf, what the server says is lost.
func (p *proxy) carry(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("unix", p.to)
	if err != nil || p.shut.Load() {
		return
	}
	defer s.Close()
	p.mu.Lock()
	p.all[c], p.all[s] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(changed{s, p}, c); c.Close(); s.Close() })
	both.Go(func() { _, _ = io.Copy(deafened{c, p}, s); c.Close(); s.Close() })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, c)
	delete(p.all, s)
}

type deafened struct {
	net.Conn
	p *proxy
}

func (d deafened) Write(b []byte) (int, error) {
	if d.p.deaf.Load() {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

type changed struct {
	net.Conn
	p *proxy
}

func (d changed) Write(b []byte) (int, error) {
	if d.p.change != nil {
		_, err := d.Conn.Write(d.p.change(b))
		return len(b), err
	}
	return d.Conn.Write(b)
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.all {
		c.Close()
	}
}

func TestAHistoryOfPostgresUnderFaultsIsLinearizable(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	way := newProxy(t, p.Socket)
	address := "postgres://batchkit@" + way.Addr().String() + "/postgres?sslmode=disable"
	openLog(t, address, "first") // the tables are there
	var faults [5]int
	round, first := 0, 0 // the round that has begun, and that in which a fault was made
	all := trials(t, 4*time.Second, func(*testing.T) *storetest.Trial {
		round++
		name := fmt.Sprint("round", round)
		return &storetest.Trial{Clients: 4, Limit: 2 * time.Second, Pause: 4 * time.Millisecond,
			Open: func(ctx context.Context, _ int) (arbiter.Log, error) {
				return store.OpenPostgres(ctx, address, name, &store.Options{Busy: 300 * time.Millisecond})
			},
			Fault: func(ctx context.Context, dice *rand.Rand) error {
				if first < round {
					first = round
					sleep(dice, 1000)
				}
				sleep(dice, 300)
				n := dice.IntN(len(faults))
				faults[n]++
				switch n {
				case 0:
					p.Kill()
					return p.Start(ctx)
				case 1:
					p.Pause()
					sleep(dice, 300)
					p.Resume()
				case 2:
					p.Pause() // who is given up, and goes on then
					way.cut()
					sleep(dice, 100)
					p.Resume()
				case 3:
					way.cut()
				case 4:
					way.deaf.Store(true)
					sleep(dice, 100)
					way.cut()
					way.deaf.Store(false)
				}
				return nil
			}}
	})
	t.Logf("killed %d, stopped %d, stopped and cut %d, cut %d, deaf and cut %d", faults[0], faults[1], faults[2], faults[3], faults[4])
	unknown := 0
	for _, h := range all {
		unknown += h.Applied
	}
	if os.Getenv("BATCHKIT_LONG") != "" {
		require.Positive(t, unknown, "no append of unknown outcome was in the log")
		require.Positive(t, min(faults[0], faults[1], faults[2], faults[3], faults[4]))
	}
}
