// The watcher: it reads references, feeds a discipline with what they say, and shows what follows.

package system

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// How often references are read, and for how long an answer is waited for.
const (
	readEvery    = time.Second
	readPTPEvery = 250 * time.Millisecond // while it is good
	readRTCEvery = time.Minute            // a transfer on the bus
	readTime     = 2 * time.Second
)

// lookEvery is how often the wall clock is looked at, whatever the references do: a step that the kernel does not tell is seen then.
const lookEvery = time.Second

// stalled is the age of the newest look beyond which what is shown is taken back: nobody watches any more.
const stalled = 5 * time.Second

// Watching is a reference that is watched.
type Watching struct {
	timebase.Ref
	From  timebase.Reference // read by one goroutine at a time
	Every time.Duration      // between readings; 0: a second, of a PTP that is good a quarter of it, of an RTC a minute
}

// WatchOptions are what a Watch may be told besides; nil is all zero.
type WatchOptions struct {
	Config timebase.Config       // but for Refs, which stays empty
	Told   func(timebase.Change) // is told of each change, must not block, and runs before anybody is notified
}

// Watch follows references of the wall clock and shows what a timebase.Discipline makes of them; it implements timebase.Watched. Make
// one with NewWatch, run it with Run. Observe and Notify may be called from any goroutine, at any time.
type Watch struct {
	clock *clock
	told  func(timebase.Change)
	steps func(ctx context.Context, told func()) error
	refs  []watched
	d     *timebase.Discipline // of Run alone

	running atomic.Bool
	shown   atomic.Pointer[timebase.Observation]
	kick    chan struct{} // the wall clock wants to be looked at
	answers chan answer
	notice  timebase.Observation // expected by those who are notified
	napped  int64                // ns
	changes []timebase.Change

	mu   sync.Mutex
	subs map[*func()]struct{}
}

var _ timebase.Watched = (*Watch)(nil)

// watched is a reference and how its reading stands.
type watched struct {
	Watching
	ask  chan struct{}
	busy bool
	due  time.Time
	late time.Time // when a reading that goes on counts as one more that failed
}

// answer is what one reading gave.
type answer struct {
	ref     int
	reading timebase.Reading
	err     error
}

// NewWatch makes a Watch of references, which timebase.Config.Refs tells the order of. The clock is one of NewClock at speed 1: times
// of the world are no times of another clock. The error says what cannot be.
func NewWatch(c timebase.Clock, refs []Watching, opt *WatchOptions) (*Watch, error) {
	own, ok := c.(*clock)
	if !ok || own.speed != 1 {
		return nil, errors.New("system: references are watched by a clock of NewClock at speed 1; give that, or watch none")
	}
	if opt == nil {
		opt = &WatchOptions{}
	}
	w := &Watch{clock: own, told: opt.Told, steps: steps, refs: make([]watched, len(refs)), kick: make(chan struct{}, 1),
		answers: make(chan answer), subs: map[*func()]struct{}{}}
	config := opt.Config
	if len(config.Refs) > 0 {
		return nil, errors.New("system: WatchOptions.Config.Refs is made of the references that are watched; leave it empty")
	}
	for i, ref := range refs {
		if ref.From == nil || ref.Every < 0 {
			return nil, fmt.Errorf("system: reference %q: give what it is read from, and a time between readings that is not below 0", ref.Name)
		}
		w.refs[i].Watching = ref
		config.Refs = append(config.Refs, ref.Ref)
	}
	var err error
	if w.d, err = timebase.NewDiscipline(&config); err != nil {
		return nil, err
	}
	w.look(&timebase.Look{Ref: -1})
	return w, nil
}

// Run reads the references until ctx ends, and returns its error then. Each is read by a goroutine of its own with a deadline of two
// seconds, so that one that is slow or hangs keeps no other waiting; all of them have ended when Run returns. A step of the wall
// clock is looked at as soon as the kernel tells of it, on other systems than Linux within a second. One Run goes on at a time.
func (w *Watch) Run(ctx context.Context) error {
	if !w.running.CompareAndSwap(false, true) {
		return errors.New("system: the references are watched already; run a Watch once at a time")
	}
	defer w.running.Store(false)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = w.steps(ctx, w.wake) }) // without it, steps are found by looks
	for i := range w.refs {
		w.refs[i].busy, w.refs[i].due, w.refs[i].ask = false, time.Time{}, make(chan struct{}, 1)
		wg.Go(func() { w.read(ctx, i) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-w.answers:
			w.take(&a)
		case <-w.kick:
			w.look(&timebase.Look{Ref: -1})
		case <-timer.C:
			if now := time.Now(); !now.Before(next) {
				w.look(&timebase.Look{Ref: -1})
				next = now.Add(lookEvery)
			}
		}
		timer.Reset(time.Until(w.due(next)))
	}
}

// read reads one reference whenever it is asked to.
func (w *Watch) read(ctx context.Context, i int) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.refs[i].ask:
		}
		limited, cancel := context.WithTimeout(ctx, readTime)
		r, err := w.refs[i].From.Read(limited)
		cancel()
		select {
		case <-ctx.Done():
			return
		case w.answers <- answer{i, r, err}:
		}
	}
}

// due has references read whose time has come, and returns when there is something to do next.
func (w *Watch) due(next time.Time) time.Time {
	now := time.Now()
	for i := range w.refs {
		r := &w.refs[i]
		switch {
		case !r.busy && !now.Before(r.due):
			r.busy, r.due, r.late = true, now.Add(r.every(false)), now.Add(2*readTime)
			r.ask <- struct{}{} // has room: it was taken before the answer came
		case r.busy && !now.Before(r.late):
			w.look(&timebase.Look{Ref: i, Failed: true, Reading: timebase.Reading{Why: "no answer, and no end of waiting for it"}})
			r.late = now.Add(r.every(false))
		}
		at := r.due
		if r.busy {
			at = r.late
		}
		if at.Before(next) {
			next = at
		}
	}
	return next
}

// every is the time between two readings of a reference.
func (r *watched) every(good bool) time.Duration {
	switch {
	case r.Every > 0:
		return r.Every
	case r.Kind == timebase.RTC:
		return readRTCEvery
	case r.Kind == timebase.PTP && good:
		return readPTPEvery
	}
	return readEvery
}

// take takes in the end of a reading.
func (w *Watch) take(a *answer) {
	r := &w.refs[a.ref]
	r.busy = false
	if a.err == nil && a.reading.Good {
		r.due = r.due.Add(r.every(true) - r.every(false)) // sooner
	}
	l := timebase.Look{Ref: a.ref, Reading: a.reading}
	if a.err != nil {
		l.Failed, l.Reading = true, timebase.Reading{Why: a.err.Error()}
	}
	w.look(&l)
}

// wake has the wall clock looked at; it does not block.
func (w *Watch) wake() {
	select {
	case w.kick <- struct{}{}:
	default: // it is about to be
	}
}

// look looks at the wall clock, feeds the discipline, and shows what follows.
func (w *Watch) look(l *timebase.Look) {
	if nap := asleep(); nap-w.napped > int64(time.Second/10) { // two clocks are read, one after the other
		w.napped = nap
	}
	l.Mono, l.UTC = look(w.clock)
	l.Slept = w.napped
	w.changes = w.d.Step(l, w.changes[:0])
	o := w.d.Status()
	w.shown.Store(&o)
	if w.told != nil {
		for _, c := range w.changes {
			w.told(c)
		}
	}
	expected := w.notice.After(o.Mono)
	if o.Changed(&expected) || o.Bound > expected.Bound || o.Bound == 0 != (expected.Bound == 0) {
		w.notice = o
		w.mu.Lock()
		defer w.mu.Unlock()
		for fire := range w.subs {
			(*fire)()
		}
	} else if o.Bound < expected.Bound {
		w.notice = o
	}
}

// Notify implements timebase.Watched; fire is called by Run.
func (w *Watch) Notify(fire func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs[&fire] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.subs, &fire)
	}
}

// Observe implements timebase.Source: the wall clock as it is now, with the newest status. It takes no lock and allocates nothing. A
// wall clock that was moved since the newest look is shown as if it had not been, and looked at: what is known of it is of before.
// Where nobody has looked for 5 s, as before Run and after its end, what claims to be synchronised is shown as HOLDOVER.
func (w *Watch) Observe() timebase.Observation {
	mono, utc := look(w.clock)
	was := w.shown.Load()
	o := was.After(mono)
	age := o.Mono - was.Mono
	if o.Sync != timebase.Unset {
		if moved := utc - o.UTC; moved <= stepFloor+age/2000 && moved >= -stepFloor-age/2000 {
			o.UTC = utc
		} else {
			w.wake()
		}
	}
	if age > int64(stalled) && o.Sync > timebase.Holdover {
		o.Sync, o.Reason, o.Why = timebase.Holdover, timebase.NoAnswer, "nobody watches the references"
	}
	return o
}

// stepFloor is the move of the wall clock that the discipline takes for none, ns; besides, 500 us for each second.
const stepFloor = timebase.StepFloor
