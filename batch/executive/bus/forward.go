// Forward: all journals of a board to the hub, beside those who write them.

package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

const (
	forwardEach  = 200 * time.Millisecond
	forwardFind  = time.Second
	forwardAgain = 5 * time.Minute
	forwardLeast = 50 * time.Millisecond // before the hub is tried again
	forwardMost  = 200 * time.Millisecond
	journalFrom  = 500 * time.Millisecond // before a journal is tried again that the hub did not take while it was there
	journalMost  = 30 * time.Second       // the longest time before that
	atOnce       = 4
	mostJournals = 100_000
)

// ForwardOptions are the options of NewForward. Sink is required.
type ForwardOptions struct {
	Sink   func(journalID string) (export.Sink, error) // where a journal goes; called again after a journal was at rest. One Sink of this package may serve all
	Name   string                                      // of the sink, by which its cursors are known: a file name; "": hub
	Every  time.Duration                               // how often a journal is looked at for new records; 0: 200 ms
	AtOnce int                                         // journals that are sent at a time; 0: 4
	Again  time.Duration                               // after which a journal in which nothing is new is held against the hub once more, and one that needs a person looked at; 0: 5 min
	Boots  func() uint64                               // counts the processes of the hub, as Sink.Boots does: after another one all journals are held against it; nil: unfinished ones when it was away
	Clock  timebase.Clock                              // nil: the system's
	Tell   func(object, result, detail string)         // how the hub stands, and what needs a person, for bus_state records; from any goroutine, it may not block; nil: nobody
}

// Forward sends the journals of a board on: ledgers in DIR/*, and what lies in DIR/batches/*; new ones as they appear. It reads beside their writers, takes
// no lock of theirs, and sends nothing that it has not made durable itself (journal.Settle): whoever is killed at any moment has what was sent on its
// disk. It keeps a cursor for each, of what the sink has acknowledged. A hub that lacks what it had acknowledged is sent it again, and that is told.
type Forward struct {
	dir, cursors string
	opt          ForwardOptions

	mu    sync.Mutex          // guards what follows, and each tracked
	all   map[string]*tracked // by directory
	ids   map[string]string   // directory by journal
	boots uint64
	down  string // why the hub is away; "" while it is there
	back  bool   // it was away: it may be another process now, on another disk
	tries int    // since it is
	next  int64  // when it is tried again
	probe bool   // that is under way
}

// Forwarded is how one journal stands.
type Forwarded struct {
	Journal  string
	Dir      string
	Status   export.Status
	Finished bool   // its batch has a package, the sink has all of it, and it is left alone
	Stopped  string // why it is not sent on: a person has to look
}

// NewForward prepares the forwarding of the journals in dir, a board's directory. The cursors lie in the directory cursors, which is made.
func NewForward(dir, cursors string, opt *ForwardOptions) (*Forward, error) {
	f := &Forward{dir: dir, cursors: cursors, opt: *opt, all: map[string]*tracked{}, ids: map[string]string{}}
	f.opt.Name = cmp.Or(f.opt.Name, "hub")
	f.opt.Every, f.opt.Again, f.opt.AtOnce = cmp.Or(f.opt.Every, forwardEach), cmp.Or(f.opt.Again, forwardAgain), cmp.Or(f.opt.AtOnce, atOnce)
	if !named(f.opt.Name) || f.opt.Sink == nil || f.opt.AtOnce < 0 || f.opt.Every < 0 || f.opt.Again < 0 {
		return nil, fmt.Errorf("bus: a forwarder needs a sink, with a name of letters and digits, and no negative limits; it has %q", f.opt.Name)
	}
	if f.opt.Clock == nil {
		f.opt.Clock = system.NewClock(1)
	}
	if f.opt.Tell == nil {
		f.opt.Tell = func(string, string, string) {}
	}
	return f, nil
}

// Run forwards until ctx ends, and returns nil when all that it began has ended.
func (f *Forward) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	slots := make(chan struct{}, f.opt.AtOnce)
	find := int64(0)
	for ctx.Err() == nil {
		now := f.opt.Clock.Now()
		if now >= find {
			f.find()
			find = now + int64(forwardFind)
		}
		for _, t := range f.due(now) {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				f.rest(t)
				continue
			}
			work.Go(func() {
				defer func() { <-slots }()
				f.send(ctx, t)
			})
		}
		if f.opt.Clock.Wait(ctx, now+int64(f.pause())) != nil {
			break
		}
	}
	return nil
}

// pause is how long Run sleeps: while the hub is away, only until it is tried again.
func (f *Forward) pause() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != "" {
		return min(f.opt.Every, forwardLeast)
	}
	return f.opt.Every
}

// due are the journals that are to be looked at now; they are marked as under way. While the hub is away it is one of them.
func (f *Forward) due(now int64) (list []*tracked) {
	boots := uint64(0)
	if f.opt.Boots != nil {
		boots = f.opt.Boots()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	again, back := boots != f.boots, f.back && f.opt.Boots == nil
	f.boots, f.back = boots, false
	for _, t := range f.all {
		if again || back && !t.left {
			t.next, t.seen = 0, ""
		}
		if !t.busy && now >= t.next {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *tracked) int { return cmp.Or(cmp.Compare(a.next, b.next), cmp.Compare(a.dir, b.dir)) })
	if f.down != "" {
		if f.probe || now < f.next || len(list) == 0 {
			return nil
		}
		list, f.probe = list[:1], true
	}
	for _, t := range list {
		t.busy = true
	}
	return list
}

// rest takes the mark back.
func (f *Forward) rest(t *tracked) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.busy, f.probe = false, false
}

// send looks at one journal and sends what is new.
func (f *Forward) send(ctx context.Context, t *tracked) {
	sign, quiet, err := f.changed(t)
	if err == nil && quiet && (t.finished || f.opt.Clock.Now()-t.asked < int64(f.opt.Again)) {
		f.mu.Lock()
		t.busy, t.next = false, f.opt.Clock.Now()+int64(f.opt.Every)
		if t.finished {
			t.next = f.opt.Clock.Now() + int64(f.opt.Again)
			t.exporter, t.seen, t.left = nil, "", true // then it is held against the hub
		}
		if f.probe {
			f.probe, f.next = false, 0 // it says nothing of the hub: the next one is asked
		}
		f.mu.Unlock()
		return
	}
	there := false
	if err == nil {
		err = f.prepare(t)
	}
	if err == nil {
		t.sink.there = false
		err = t.exporter.CatchUp(ctx)
		there = t.sink.there
	}
	f.done(ctx, t, sign, there, err)
}

// done takes in what became of it.
func (f *Forward) done(ctx context.Context, t *tracked, sign string, there bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.opt.Clock.Now()
	t.busy, t.left, f.probe = false, false, false
	if t.exporter != nil {
		t.status = t.exporter.Status()
	}
	switch {
	case ctx.Err() != nil:
	case err == nil:
		f.hub("", now)
		t.stopped, t.fails, t.next, t.asked = "", 0, now+int64(f.opt.Every), now
		t.passed(sign, now)
	case errors.Is(err, errAway) || export.Outage(err) && !there:
		t.fails, t.next = 0, now
		f.hub(err.Error(), now)
	case export.Outage(err): // it is there, and does not take this one
		f.hub("", now)
		t.next = now + int64(min(journalFrom<<min(t.fails, 10), journalMost))
		t.fails++
		t.tell(f, err)
	default:
		t.next, t.exporter = now+int64(f.opt.Again), nil
		t.tell(f, err)
	}
}

// hub takes in how the hub stands. The caller holds mu.
func (f *Forward) hub(why string, now int64) {
	if why == "" {
		f.tries = 0
	} else {
		f.next = now + int64(min(forwardLeast<<min(f.tries, 10), forwardMost))
		f.tries++
	}
	if (why == "") == (f.down == "") {
		return
	}
	if f.down = why; why != "" {
		f.opt.Tell(f.opt.Name, "away", cut(why))
		return
	}
	f.back = true
	f.opt.Tell(f.opt.Name, "here", "")
}

// Status is how all journals stand, by their names. It waits for nothing that is slow.
func (f *Forward) Status() (list []Forwarded) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.all {
		list = append(list, Forwarded{Journal: t.id, Dir: t.dir, Status: t.status, Finished: t.left, Stopped: t.stopped})
	}
	slices.SortFunc(list, func(a, b Forwarded) int { return cmp.Or(cmp.Compare(a.Journal, b.Journal), cmp.Compare(a.Dir, b.Dir)) })
	return list
}

// watched is a sink of which it is known whether it answered.
type watched struct {
	export.Sink
	f     *Forward
	t     *tracked
	there bool
}

// Held implements export.Sink.
func (w *watched) Held(ctx context.Context, journalID string) (journal.Chain, error) {
	at, err := w.Sink.Held(ctx, journalID)
	if w.there = err == nil; !w.there {
		return at, err
	}
	if had := w.t.exporter.Status().Acked; at.N < had.N {
		w.f.opt.Tell("journal "+journalID, "sent again", fmt.Sprintf("%s has records up to %d, and had acknowledged those up to %d", w.f.opt.Name, at.N, had.N))
	}
	return at, nil
}

// Announce implements export.Announcer for a sink that does.
func (w *watched) Announce(journalID string, edge export.Edge) {
	if a, ok := w.Sink.(export.Announcer); ok {
		a.Announce(journalID, edge)
	}
}
