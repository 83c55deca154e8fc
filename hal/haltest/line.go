// The suites of digital lines.

package haltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// InputOptions are the options of Input.
type InputOptions struct {
	Device  string         // name in reports; "" is "input"
	Loop    hal.OutputLine // drives the line; nil: nothing that needs an edge is checked. It is left as it was
	Mono    func() int64   // now on the clock of the edges, ns; nil: their stamps are held against each other only
	Clock   Clock          // nil: the process's
	Edges   int            // how many edges are driven at a time; 0: 40. Give more than the line can keep for a late reader
	Spacing time.Duration  // between two edges; 0: 2 ms. Less than the time in which edges may be merged finds what is none of a fault
	Settle  time.Duration  // from the output to the level at the input; 0: 1 ms
	Bounce  bool           // the loop is a contact that bounces: edges are not counted, and only their numbers are held against each other
	Close   bool           // close the line in the end, and check that
}

// Input holds a line against hal.InputLine.
func Input(ctx context.Context, in hal.InputLine, o *InputOptions) (Report, error) {
	if o == nil {
		o = &InputOptions{}
	}
	s, err := begin(ctx, "Input", named(o.Device, "input"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	l := &input{suite: s, in: in, opt: *o}
	l.opt.Edges = max(l.opt.Edges, 4)
	if o.Edges == 0 {
		l.opt.Edges = 40
	}
	if o.Spacing == 0 {
		l.opt.Spacing = 2 * time.Millisecond
	}
	if o.Settle == 0 {
		l.opt.Settle = time.Millisecond
	}
	l.levels()
	if l.opt.Loop == nil {
		s.skip("Watch delivers every edge, stamped by the kernel, numbered, with what was lost counted", "a loop from an output")
	} else {
		l.every()
		l.stamps()
		l.late()
	}
	l.ends()
	if o.Close {
		l.closes()
	}
	if l.driven > 0 {
		s.restore("the output of the loop is set back", "set it by hand", func() error { return l.opt.Loop.Set(l.before) })
	}
	return s.end()
}

// input is a run of Input.
type input struct {
	*suite
	in     hal.InputLine
	opt    InputOptions
	before bool // of the loop's output
	level  bool // it was driven to
	driven int  // edges so far
}

// drive makes one edge and returns when, on the device's clock, at the earliest and at the latest.
func (l *input) drive() (from, to int64, err error) {
	from = l.clock.Now()
	err = l.opt.Loop.Set(!l.level)
	to = l.clock.Now()
	if err != nil {
		return from, to, fmt.Errorf("the output of the loop: %w", err)
	}
	l.level = !l.level
	l.driven++
	return from, to, nil
}

// levels reads, and lets the line follow the loop.
func (l *input) levels() {
	var took []int64
	l.check("Get returns the level now", "read the line, and not what its last edge left", func() error {
		if _, err := l.in.Get(); err != nil || l.opt.Loop == nil {
			return err
		}
		var err error
		if l.before, err = l.opt.Loop.Get(); err != nil {
			return fmt.Errorf("the output of the loop: %w", err)
		}
		l.level = l.before
		for range 6 {
			if _, _, err := l.drive(); err != nil {
				return err
			}
			if err := l.wait(max(l.opt.Settle, l.opt.Spacing)); err != nil {
				return err
			}
			var high bool
			ns, err := l.timed(func() (err error) { high, err = l.in.Get(); return err })
			if err != nil || high != l.level {
				return fmt.Errorf("%t, %v, %s after the loop was driven to %t", high, err, max(l.opt.Settle, l.opt.Spacing), l.level)
			}
			took = append(took, ns)
		}
		return nil
	})
	l.figure("get_ns", &took)
}

// edges is one Watch that runs beside the suite.
type edges struct {
	mu     sync.Mutex
	shut   sync.Mutex // held by the suite: the reader is late
	got    []hal.Edge
	after  int // edges that came when Watch had returned
	ended  bool
	news   chan struct{}
	cancel context.CancelFunc
	done   chan error
}

// watch starts one.
func (l *input) watch() *edges {
	ctx, cancel := context.WithCancel(l.ctx)
	w := &edges{news: make(chan struct{}, 1), cancel: cancel, done: make(chan error, 1)}
	go func() {
		err := l.in.Watch(ctx, func(e hal.Edge) {
			w.shut.Lock() // waits for as long as the suite holds it
			defer w.shut.Unlock()
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.ended {
				w.after++
			}
			w.got = append(w.got, e)
			select {
			case w.news <- struct{}{}:
			default:
			}
		})
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
		w.done <- err
	}()
	return w
}

// take returns what has come, once count edges have, lost ones included, or none has come for a while.
func (w *edges) take(count int) []hal.Edge {
	for {
		w.mu.Lock()
		n := 0
		for _, e := range w.got {
			n += 1 + int(e.Lost)
		}
		if n >= count {
			got := w.got
			w.got = nil
			w.mu.Unlock()
			return got
		}
		w.mu.Unlock()
		select {
		case <-w.news:
		case <-time.After(quiet):
			count = 0
		}
	}
}

// quiet is for how long nothing must come, so that nothing more is expected.
const quiet = 300 * time.Millisecond

// stop ends it as its ctx does.
func (w *edges) stop() error {
	w.cancel()
	select {
	case err := <-w.done:
		return err
	case <-time.After(grace):
		return fmt.Errorf("its Watch did not return within %s of the end of its ctx", grace)
	}
}

// numbered holds the numbers of edges against each other, from the one before them, and returns how many there were. Of the first ones of
// all nothing is known.
func numbered(got []hal.Edge, before *hal.Edge) (n int, err error) {
	for i, e := range got {
		n += 1 + int(e.Lost)
		if i > 0 {
			before = &got[i-1]
		}
		if before == nil {
			continue
		}
		if want := before.Seq + 1 + e.Lost; e.Seq != want {
			return n, fmt.Errorf("edge %d came after edge %d with Lost %d", e.Seq, before.Seq, e.Lost)
		}
		if e.Mono < before.Mono {
			return n, fmt.Errorf("edge %d is stamped %d ns before the one in front of it", e.Seq, before.Mono-e.Mono)
		}
		if e.Lost == 0 && e.High == before.High {
			return n, fmt.Errorf("edges %d and %d both end at %t, and none is said to be lost between them", before.Seq, e.Seq, e.High)
		}
	}
	return n, nil
}

// every drives edges slowly enough for each to be delivered.
func (l *input) every() {
	var took []int64
	backlog := l.driven
	l.check("Watch delivers every edge since the line was requested, in order, numbered from one to the next",
		"hand on what the kernel has kept, and its line sequence number", func() error {
			w := l.watch()
			defer func() { _ = w.stop() }()
			old := w.take(1 << 30)
			n, err := numbered(old, nil)
			if err != nil {
				return err
			}
			if n < backlog && !l.opt.Bounce {
				return fmt.Errorf("%d edges were driven before Watch, and it delivered and counted %d", backlog, n)
			}
			var last *hal.Edge
			if len(old) > 0 {
				last = &old[len(old)-1]
			}
			for i := range l.opt.Edges {
				from, _, err := l.drive()
				if err != nil {
					return err
				}
				got := w.take(1)
				took = append(took, l.clock.Now()-from)
				if n, err = numbered(got, last); err != nil {
					return err
				}
				if len(got) == 0 || !l.opt.Bounce && (n != 1 || got[0].High != l.level) {
					return fmt.Errorf("edge %d, to %t, was delivered as %s", i+1, l.level, told(got))
				}
				last = &got[len(got)-1]
				if err := l.wait(max(l.opt.Spacing, l.opt.Settle)); err != nil {
					return err
				}
			}
			return nil
		})
	l.figure("edge_to_emit_ns", &took)
}

// told is a few edges in words.
func told(got []hal.Edge) string {
	if len(got) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d edges, the first %+v, the last %+v", len(got), got[0], got[len(got)-1])
}

// stamps lets the reader be late, and looks whether the stamps are those of the edges.
func (l *input) stamps() {
	const n = 5
	space := 10 * max(l.opt.Spacing, l.opt.Settle)
	l.check("an edge is stamped by the kernel or the chip when it happens, never by the reader",
		"take the event's own time stamp, on the monotonic clock", func() error {
			w := l.watch()
			defer func() { _ = w.stop() }()
			w.take(1 << 30)
			w.shut.Lock()
			var from, to, mono, done [n]int64
			err := func() (err error) {
				defer w.shut.Unlock()
				for i := range n {
					if l.opt.Mono != nil {
						mono[i] = l.opt.Mono()
					}
					if from[i], to[i], err = l.drive(); err != nil {
						return err
					}
					if l.opt.Mono != nil {
						done[i] = l.opt.Mono()
					}
					if err = l.wait(space); err != nil {
						return err
					}
				}
				return nil
			}()
			if err != nil {
				return err
			}
			got := w.take(n)
			if l.opt.Bounce || len(got) < n {
				return l.spread(got, to[n-1]-from[0], space)
			}
			for i := range n {
				if low, high := from[i]-to[0], to[i]-from[0]; i > 0 {
					if d := got[i].Mono - got[0].Mono; d < low-int64(space)/2 || d > high+int64(space)/2 {
						return fmt.Errorf("the edge %d ms after the first is stamped %d ms after it, while the reader was late", low/1_000_000, d/1_000_000)
					}
				}
				if late := got[i].Mono - mono[i]; l.opt.Mono != nil && (late < 0 || got[i].Mono > done[i]+int64(space)/2) {
					return fmt.Errorf("an edge is stamped %d us after it was driven", late/1000)
				}
			}
			return nil
		})
	if l.opt.Mono == nil {
		l.skip("stamps are on the monotonic clock of the board", "Mono")
	}
}

// spread is what is left to say of stamps where edges cannot be told apart.
func (l *input) spread(got []hal.Edge, over int64, space time.Duration) error {
	if len(got) == 0 {
		return errors.New("no edge")
	}
	if d := got[len(got)-1].Mono - got[0].Mono; len(got) > 1 && l.opt.Bounce && d < over-2*int64(space) {
		return fmt.Errorf("edges driven over %d ms are stamped within %d", over/1_000_000, d/1_000_000)
	}
	if !l.opt.Bounce {
		return fmt.Errorf("5 edges, %s apart, were delivered as %s", space, told(got))
	}
	return nil
}

// late drives more edges than a line keeps while the reader does not read.
func (l *input) late() {
	l.check("edges that were lost are counted, and after a burst Get is right", "compute Lost from the gap in the line's sequence numbers",
		func() error {
			w := l.watch()
			defer func() { _ = w.stop() }()
			old := w.take(1 << 30)
			if _, _, err := l.drive(); err != nil { // one is taken, so that the number before the burst is known
				return err
			}
			one := w.take(1)
			if len(one) == 0 {
				return fmt.Errorf("an edge was not delivered; before it: %s", told(old))
			}
			w.shut.Lock()
			err := func() error {
				defer w.shut.Unlock()
				for range l.opt.Edges {
					if err := l.wait(max(l.opt.Spacing, l.opt.Settle)); err != nil {
						return err
					}
					if _, _, err := l.drive(); err != nil {
						return err
					}
				}
				return l.wait(l.opt.Settle)
			}()
			if err != nil {
				return err
			}
			got := w.take(l.opt.Edges)
			n, err := numbered(got, &one[len(one)-1])
			switch {
			case err != nil:
				return err
			case n != l.opt.Edges && !l.opt.Bounce:
				return fmt.Errorf("of %d edges driven while the reader was late %d were delivered and %d counted as lost", l.opt.Edges, len(got), n-len(got))
			}
			if high, err := l.in.Get(); err != nil || high != l.level {
				return fmt.Errorf("its Get says %t (%v) where the loop is at %t", high, err, l.level)
			}
			return nil
		})
	if l.opt.Bounce {
		l.skip("no edge is lost without being counted", "a loop that does not bounce")
	}
}

// ends calls a Watch off, and begins another.
func (l *input) ends() {
	l.check("Watch returns nil when ctx ends, emits nothing after that, and can be called again", "wait for the reader before returning",
		func() error {
			for range 2 {
				w := l.watch()
				w.take(1 << 30)
				if err := w.stop(); err != nil {
					return fmt.Errorf("its Watch: %w", err)
				}
				if l.opt.Loop != nil {
					if _, _, err := l.drive(); err != nil {
						return err
					}
					if err := l.wait(max(l.opt.Spacing, l.opt.Settle)); err != nil {
						return err
					}
				}
				w.take(1)
				w.mu.Lock()
				after := w.after
				w.mu.Unlock()
				if after > 0 {
					return fmt.Errorf("%d edges came after Watch had returned", after)
				}
			}
			return nil
		})
}

// closes closes it for good.
func (l *input) closes() {
	l.check("Close ends Watch, and what is asked of a closed line is an error that wraps os.ErrClosed", "keep a flag", func() error {
		w := l.watch()
		w.take(1 << 30)
		if err := l.in.Close(); err != nil {
			return fmt.Errorf("its Close: %w", err)
		}
		select {
		case err := <-w.done:
			if err == nil {
				return errors.New("its Watch returned nil, as if its ctx had ended")
			}
		case <-time.After(grace):
			w.cancel()
			return fmt.Errorf("its Watch went on for %s", grace)
		}
		if _, err := l.in.Get(); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("its Get: %v", err)
		}
		return nil
	})
}
