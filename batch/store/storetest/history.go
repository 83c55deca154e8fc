// Histories: what several clients have seen of a log while its medium was disturbed.

package storetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
)

// Outcome is what a call came to.
type Outcome uint8

// The outcomes.
const (
	Done     Outcome = iota + 1 // of an append: it is in the log; of a reading: At
	Conflict                    // ErrConflict: the number was not next
	Refused                     // any other error: nothing was written, or read
	Unknown                     // ErrUnknown
)

// State is a log as a history knows it: the number of its last operation, and a digest of all that is in it.
type State struct {
	Last   uint64
	Digest [sha256.Size]byte
}

// with is the state with one more operation.
func (s State) with(op []byte) State {
	h := sha256.New()
	h.Write(s.Digest[:])
	h.Write(op)
	next := State{Last: s.Last + 1}
	h.Sum(next.Digest[:0])
	return next
}

// Call is one call of a client. Times are nanoseconds since the history began; who does not know the outcome has not ended
// (math.MaxInt64).
type Call struct {
	Client       int
	Read         bool
	Seq          uint64 // of an append
	Op           string // of an append; no two have the same
	Begun, Ended int64
	Outcome      Outcome
	At           State // of a reading that is Done: all that this client has read
}

// Step is the model of a log, for a check of linearizability: what a log in a state may answer to a call, and its state after it.
// It is pure, and states are compared by ==. The log of a history that begins with an empty log begins with State{}.
func Step(s State, c *Call) (next State, legal bool) {
	switch is := c.Seq == s.Last+1; {
	case c.Outcome == Refused:
		return s, true
	case c.Read:
		return s, c.Outcome == Done && s == c.At
	case c.Outcome == Conflict:
		return s, !is
	case is:
		return s.with([]byte(c.Op)), true
	default:
		return s, c.Outcome == Unknown // it came to nothing
	}
}

// Trial is what leads to a history: clients that append, read on, wait and trim at random, each on a log that it has opened itself,
// while faults come one after the other. The log is empty at first.
type Trial struct {
	Seed    uint64
	Clients int           // 0: five
	For     time.Duration // 0: one second
	Least   int           // so many appends are done, if need be after For; it ends after ten times For though
	Limit   time.Duration // of one call; 0: one second
	Pause   time.Duration // most that a client rests between two calls; 0: none
	// Open opens the log for a client; one that is an io.Closer is closed. A client opens anew now and then, and after some errors.
	Open func(ctx context.Context, client int) (arbiter.Log, error)
	// Fault makes one fault, repairs it, and then returns. Nil: none.
	Fault func(ctx context.Context, dice *rand.Rand) error
}

// History is what came of a trial. Of calls whose outcome is unknown it has those only of which the log had the operation in the
// end, as Done and not ended: the last call has read all of it.
type History struct {
	Calls                        []Call
	Appended, Conflicts, Refused int
	Applied, Vanished            int // appends with an unknown outcome that are in the log, and are not
	Read, Waited, Trimmed        int
	Opened, Faults               int
	Reasons                      map[string]int // of the refusals, by their beginning

	begun     time.Time
	mu        sync.Mutex
	seen      map[string]bool  // operations that somebody has read
	was       map[uint64]State // what was read first, up to each number
	bases     map[uint64]State // what is before a log that was trimmed, by its first number
	positions []State          // of the clients
	broken    []error
}

// Run makes the history. Its error says that the log is broken already without a check, or that it could not be read in the end.
func (t *Trial) Run(ctx context.Context) (*History, error) {
	t = &Trial{t.Seed, cmp.Or(t.Clients, 5), cmp.Or(t.For, time.Second), t.Least, cmp.Or(t.Limit, time.Second), t.Pause, t.Open, t.Fault}
	h := &History{Reasons: map[string]int{}, seen: map[string]bool{}, bases: map[uint64]State{1: {}}, was: map[uint64]State{}, begun: time.Now(), positions: make([]State, t.Clients)}
	short, cancel := context.WithTimeout(ctx, 10*t.For)
	defer cancel()
	var all sync.WaitGroup
	for n := range t.Clients {
		all.Go(func() {
			c := &client{Trial: t, h: h, n: n, dice: rand.New(rand.NewPCG(t.Seed, uint64(n)))}
			c.run(short, ctx)
		})
	}
	dice := rand.New(rand.NewPCG(t.Seed, math.MaxUint64))
	for t.Fault != nil && short.Err() == nil && !h.enough(t) {
		if err := t.Fault(ctx, dice); err != nil { // it is repaired though the time is over
			h.breaks(fmt.Errorf("storetest: the fault: %w", err))
			break
		}
		h.Faults++
	}
	all.Wait()
	h.end(ctx, t)
	return h, errors.Join(h.broken...)
}

func (h *History) breaks(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.broken) < 5 {
		h.broken = append(h.broken, err)
	}
}

// fine reports whether a call came to what it was to. A log that is found damaged is broken.
func (h *History) fine(err error) bool {
	if errors.Is(err, store.ErrDamaged) {
		h.breaks(fmt.Errorf("storetest: a client finds the log damaged: %w", err))
	}
	return err == nil
}

func (h *History) count(n *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n++
}

// enough reports whether the trial is over.
func (h *History) enough(t *Trial) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.begun) >= t.For && h.Appended >= t.Least
}

func (h *History) now() int64 { return int64(time.Since(h.begun)) }

// add takes a call into the history.
func (h *History) add(c Call, err error) {
	h.fine(err)
	switch {
	case err == nil:
		c.Outcome = Done
	case c.Read:
		c.Outcome = Refused
	case errors.Is(err, arbiter.ErrUnknown):
		c.Outcome, c.Ended = Unknown, math.MaxInt64
	case errors.Is(err, arbiter.ErrConflict):
		c.Outcome = Conflict
	default:
		c.Outcome = Refused
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case c.Outcome == Refused:
		h.Refused++
		text := err.Error()
		h.Reasons[text[:min(len(text), 120)]]++
		return // it may be left out
	case c.Read:
		h.Read++
	case c.Outcome == Conflict:
		h.Conflicts++
	case c.Outcome == Done:
		h.Appended++
	}
	h.Calls = append(h.Calls, c)
}

// end reads all, once the medium is left alone, and settles what was unknown.
func (h *History) end(ctx context.Context, t *Trial) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := &client{Trial: t, h: h, n: t.Clients, fresh: true}
	for {
		err := c.open(ctx)
		if err == nil {
			c.position = State{}
			if err = c.read(ctx); err == nil {
				break
			}
		}
		if c.close(); ctx.Err() != nil || errors.Is(err, store.ErrDamaged) {
			h.breaks(fmt.Errorf("storetest: the log was not read in the end: %w", err))
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	all := len(h.Calls)
	h.Calls = slices.DeleteFunc(h.Calls, func(c Call) bool { return c.Outcome == Unknown && !h.seen[c.Op] })
	h.Vanished = all - len(h.Calls)
	for i := range h.Calls {
		if h.Calls[i].Outcome == Unknown {
			h.Calls[i].Outcome = Done
			h.Applied++
		}
	}
}

// Stale is how many readings have certainly missed something: what a call that had ended before they began knew to be in the log.
func (h *History) Stale() int { return len(h.Calls) - len(h.Lenient()) }

// Lenient are the calls without the readings that were stale, for a log whose readings may be that. What such a reading gave was in
// the log at some time before: Run has seen to it. Whoever holds a log against these calls says so, and how many there were.
func (h *History) Lenient() []Call {
	byEnd := slices.Clone(h.Calls)
	slices.SortFunc(byEnd, func(a, b Call) int { return cmp.Compare(a.Ended, b.Ended) })
	all := slices.Clone(h.Calls)
	slices.SortFunc(all, func(a, b Call) int { return cmp.Compare(a.Begun, b.Begun) })
	last, at := uint64(0), 0
	return slices.DeleteFunc(all, func(c Call) bool {
		for ; at < len(byEnd) && byEnd[at].Ended < c.Begun; at++ {
			last = max(last, byEnd[at].Seq, byEnd[at].At.Last) // who had a conflict has read all before that number
		}
		return c.Read && c.At.Last < last
	})
}

// String is what happened, in one line.
func (h *History) String() string {
	return fmt.Sprintf("%d calls: %d appended, %d conflicts, %d refused, unknown %d (in the log) and %d (not); %d read (%d stale), %d waited, %d trimmed, %d opened; %d faults",
		len(h.Calls), h.Appended, h.Conflicts, h.Refused, h.Applied, h.Vanished, h.Read, h.Stale(), h.Waited, h.Trimmed, h.Opened, h.Faults)
}

// client is one of those who call.
type client struct {
	*Trial
	h        *History
	n        int
	dice     *rand.Rand
	log      arbiter.Log
	position State // all that it has read
	made     int
	fresh    bool // it knows nothing yet
}

// run calls until short ends. Each call may take its limit, though, which is of ctx.
func (c *client) run(short, ctx context.Context) {
	defer c.close()
	for short.Err() == nil && !c.h.enough(c.Trial) {
		c.call(short, ctx)
		if c.Pause > 0 {
			select {
			case <-short.Done():
			case <-time.After(time.Duration(c.dice.Int64N(int64(c.Pause)))):
			}
		}
	}
}

func (c *client) call(short, ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	if c.dice.IntN(100) == 0 {
		c.close()
	}
	if c.log == nil && c.open(ctx) != nil {
		time.Sleep(time.Duration(c.dice.IntN(20)) * time.Millisecond)
		return
	}
	var err error
	switch n := c.dice.IntN(20); {
	case n < 9:
		err = c.append(ctx)
	case n < 18:
		err = c.read(ctx)
	case n == 18:
		c.trim(ctx)
	default:
		c.wait(short)
	}
	if err != nil && !errors.Is(err, arbiter.ErrConflict) && c.dice.IntN(4) == 0 {
		c.close()
	}
}

func (c *client) open(ctx context.Context) (err error) {
	if c.log, err = c.Open(ctx, c.n); err != nil {
		c.log = nil
		c.h.fine(err)
		return err
	}
	c.h.count(&c.h.Opened)
	return nil
}

func (c *client) close() {
	if closer, ok := c.log.(io.Closer); ok {
		_ = closer.Close()
	}
	c.log = nil
}

// append appends under the number that is next for this client.
func (c *client) append(ctx context.Context) error {
	c.made++
	op := binary.AppendUvarint(nil, uint64(c.n))
	op = append(op, fmt.Sprintf("/%d/", c.made)...)
	for range c.dice.IntN(200) {
		op = append(op, byte(c.dice.Uint32()))
	}
	call := Call{Client: c.n, Seq: c.position.Last + 1, Op: string(op), Begun: c.h.now()}
	err := c.log.Append(ctx, call.Seq, op)
	call.Ended = c.h.now()
	c.h.add(call, err)
	return err
}

// read reads on from what the client has.
func (c *client) read(ctx context.Context) error {
	call := Call{Client: c.n, Read: true, Begun: c.h.now()}
	at := c.position
	err := c.log.Read(ctx, at.Last+1, func(seq uint64, op []byte) error {
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		if base, ok := c.h.bases[seq]; c.fresh && at.Last == 0 && ok {
			at = base
		}
		if seq != at.Last+1 {
			return fmt.Errorf("%w: operation %d was read after %d", store.ErrDamaged, seq, at.Last)
		}
		at = at.with(op)
		if was, known := c.h.was[seq]; known && was != at {
			return fmt.Errorf("%w: operation %d, or one before it, was read otherwise", store.ErrDamaged, seq)
		}
		c.h.was[seq] = at
		c.h.seen[string(op)] = true
		return nil
	})
	call.Ended, call.At = c.h.now(), at
	c.h.add(call, err)
	if err == nil {
		c.position = at
		c.h.mu.Lock()
		defer c.h.mu.Unlock()
		if c.n < len(c.h.positions) {
			c.h.positions[c.n] = at
		}
	}
	return err
}

// trim lets go what all clients have read.
func (c *client) trim(ctx context.Context) {
	c.h.mu.Lock()
	least := slices.MinFunc(c.h.positions, func(a, b State) int { return cmp.Compare(a.Last, b.Last) })
	if least.Last < c.position.Last {
		c.h.bases[least.Last+1] = least
	}
	c.h.mu.Unlock()
	if least.Last < c.position.Last && c.h.fine(c.log.Trim(ctx, least.Last+1)) {
		c.h.count(&c.h.Trimmed)
	}
}

// wait waits a little for the operation after the next.
func (c *client) wait(ctx context.Context) {
	f, ok := c.log.(arbiter.Follower)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, min(c.Limit, 50*time.Millisecond))
	defer cancel()
	if c.h.fine(f.Wait(ctx, c.position.Last+1+uint64(c.dice.IntN(2)))) {
		c.h.count(&c.h.Waited)
	}
}
