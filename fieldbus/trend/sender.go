// The sender: from the ring to a sink, in order, through outages, at a bounded rate.

package trend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/timebase"
)

// Limits and defaults of a sender.
const (
	MaxBatch       = 5000
	maxRate        = 1_000_000
	maxCause       = 200 // bytes of what a sink says that an event keeps
	defaultBatch   = 500
	defaultRate    = 2000
	defaultPoll    = time.Second
	defaultLeast   = time.Second
	defaultMost    = 5 * time.Minute
	defaultTimeout = 10 * time.Second
	defaultSave    = 5 * time.Minute
)

// Sink keeps samples elsewhere. Send hands it samples in ascending order of their numbers, at least one, and returns when ctx ends
// at the latest. acked is the greatest number that the sink has for good, together with all samples that it was handed before; 0
// says nothing. A sink may be handed samples again that it has: it must keep a number once.
type Sink interface {
	Send(ctx context.Context, batch []Sample) (acked uint64, err error)
}

// SenderOptions of a Sender; nil means all zero.
type SenderOptions struct {
	Batch       int           // samples at a time, at most MaxBatch; 0: 500
	Rate        int           // samples a second at most, which leaves the line to others while it catches up; 0: 2000
	Poll        time.Duration // how often it looks for new samples; 0: 1 s. What was put is in memory for as long, and while a Send takes.
	Least, Most time.Duration // pauses after failures: at random from Least to three times the one before, Most at most; 0: 1 s and 5 min
	Timeout     time.Duration // for one Send; 0: 10 s
	Save        time.Duration // how often the cursor is made durable; 0: 5 min, and each catch-up. After a cut what came since is sent again.
	Seed        uint64        // of the pauses; give each controller another one, so that they do not come back all at once
	// Report takes an event of kind fieldbus.Backlog after each catch-up: Buffered is how many numbers were behind or came
	// meanwhile, and equals Acknowledged + Dropped; Sent counts repeats; Count is how many numbers were passed over,
	// see Numbers; Cause is what the sink said first. It is called by Run, and must not block. Nil: nothing is told.
	Report func(fieldbus.Event)
}

// Numbers say where the samples of a ring are: Taken = Acknowledged + Dropped + Buffered.
type Numbers struct {
	Taken, Acknowledged, Dropped, Buffered uint64
	// Passed is how many numbers were passed over, behind writers that had not ended well, MaxLoss for each: nobody knows which of
	// them stood for samples that a cut has taken, and they count as none.
	Passed uint64
	Sent   uint64 // repeats too
	Fault  error  // why the sink does not take them now; nil: it does
}

// Sender sends a ring to one sink. It is the only one of its ring: the cursor lies there.
type Sender struct {
	ring  *Ring
	sink  Sink
	name  string
	clock timebase.Clock
	opt   SenderOptions
	rand  *rand.Rand
	buf   []Sample
	free  int64 // time from which the line is free, as Rate has it
	pause time.Duration

	mu    sync.Mutex // guards what follows, against Numbers
	c     cursor
	fault error

	catching bool // since the sink failed, or was far behind as Run began
	began    cursor
	cause    string
}

// NewSender makes a sender of a ring to a sink that is known by a name, such as "historian-1", under which its cursor is kept. Make it
// before the first sample is put: the cursor may know of numbers that the disk has lost.
func NewSender(name string, ring *Ring, sink Sink, clock timebase.Clock, o *SenderOptions) (*Sender, error) {
	s := &Sender{ring: ring, sink: sink, name: name, clock: clock}
	if o != nil {
		s.opt = *o
	}
	p := &s.opt
	if p.Batch < 0 || p.Batch > MaxBatch || p.Rate < 0 || p.Rate > maxRate || p.Poll < 0 || p.Least < 0 || p.Most < 0 || p.Timeout < 0 || p.Save < 0 {
		return nil, fmt.Errorf("trend: sink %q: Batch %d, Rate %d, or a time below 0: at most %d and %d are wanted, and nothing negative",
			name, p.Batch, p.Rate, MaxBatch, maxRate)
	}
	or(&p.Batch, defaultBatch)
	or(&p.Rate, defaultRate)
	or(&p.Poll, defaultPoll)
	or(&p.Least, defaultLeast)
	or(&p.Most, defaultMost)
	or(&p.Timeout, defaultTimeout)
	or(&p.Save, defaultSave)
	p.Most = max(p.Most, p.Least)
	s.rand = rand.New(rand.NewPCG(p.Seed, 1))
	c, err := openCursor(ring.dir, name, ring.st)
	if err != nil {
		return nil, err
	}
	s.c = *c
	ring.settle(c.at)
	return s, nil
}

func or[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Numbers may be called from any goroutine. It may wait for the disk.
func (s *Sender) Numbers() Numbers {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := Numbers{Acknowledged: s.c.acknowledged, Sent: s.c.sent, Fault: s.fault}
	var last uint64
	n.Buffered, n.Passed, last = s.ring.behind(s.c.at)
	n.Passed = min(n.Passed, last-n.Acknowledged-n.Buffered)
	n.Taken = last - n.Passed
	n.Dropped = n.Taken - n.Acknowledged - n.Buffered
	return n
}

// Run flushes the ring and sends what it holds until ctx ends; then it flushes once more, saves its cursor and returns what came of
// that. What the disk or the sink refuse is waited out: Ring.Stats and Numbers tell of it.
func (s *Sender) Run(ctx context.Context) error {
	s.pause = s.opt.Least
	if held, _, _ := s.ring.behind(s.c.at); held > uint64(s.opt.Batch) {
		s.begin("left by the run before")
	}
	for due := int64(0); ctx.Err() == nil; {
		now := s.clock.Now()
		_ = s.ring.Flush(now) // Stats tells
		if now-s.c.savedAt >= int64(s.opt.Save) {
			_ = s.c.save(now) // what is lost with it is sent again
		}
		if now >= due {
			more, err := s.round(ctx)
			if ctx.Err() != nil {
				break
			}
			due = s.after(err)
			if more {
				continue
			}
			now = s.clock.Now()
		}
		until := now + int64(s.opt.Poll)
		if due > now {
			until = min(until, due)
		}
		if s.clock.Wait(ctx, until) != nil {
			break
		}
	}
	now := s.clock.Now()
	return errors.Join(s.ring.Flush(now), s.c.save(now))
}

// after takes in what came of a round, and gives the time before which there is no other; 0: at once.
func (s *Sender) after(err error) (due int64) {
	s.mu.Lock()
	s.fault = err
	s.mu.Unlock()
	if err == nil {
		return 0
	}
	s.begin(err.Error())
	due = s.clock.Now() + int64(s.pause)
	s.pause = min(s.opt.Least+time.Duration(s.rand.Int64N(int64(3*s.pause-s.opt.Least)+1)), s.opt.Most)
	return due
}

// begin begins a catch-up, unless there is one.
func (s *Sender) begin(cause string) {
	if !s.catching {
		s.catching, s.began, s.cause = true, s.c, cause[:min(len(cause), maxCause)]
	}
}

// caughtUp ends it.
func (s *Sender) caughtUp() {
	if !s.catching {
		return
	}
	s.catching = false
	_ = s.c.save(s.clock.Now()) // Run tries again
	passed, acked := s.c.passed-s.began.passed, s.c.acknowledged-s.began.acknowledged
	all := max(s.c.at-s.began.at-min(passed, s.c.at-s.began.at), acked)
	if s.opt.Report != nil {
		s.opt.Report(fieldbus.Event{Kind: fieldbus.Backlog, At: s.clock.Now(), Device: s.name, Cause: s.cause, Buffered: int64(all),
			Sent: int64(s.c.sent - s.began.sent), Acknowledged: int64(acked), Dropped: int64(all - acked), Count: int64(passed)})
	}
}

// round sends one batch. more says that there may be another one.
func (s *Sender) round(ctx context.Context) (more bool, err error) {
	s.buf, err = s.ring.Read(s.c.at, s.opt.Batch, s.buf[:0])
	if err != nil {
		return false, err
	}
	if len(s.buf) == 0 {
		s.caughtUp()
		return false, nil
	}
	if err := s.turn(ctx, len(s.buf)); err != nil {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	acked, err := s.sink.Send(limited, s.buf)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.sent += uint64(len(s.buf))
	first, last := s.buf[0].Seq, s.buf[len(s.buf)-1].Seq
	for i := range s.buf { // what it has is not sent again, whatever else was wrong
		if s.buf[i].Seq <= acked {
			s.c.at = s.buf[i].Seq
			s.c.acknowledged++
		}
	}
	s.c.passed = min(max(s.c.passed, s.ring.passedUpTo(s.c.at)), s.c.at-s.c.acknowledged)
	switch {
	case err != nil:
		return false, fmt.Errorf("trend: sink %q: samples %d to %d: %w", s.name, first, last, err)
	case acked < first:
		return false, fmt.Errorf("trend: sink %q: it took none of samples %d to %d, and says that it has those up to %d", s.name, first, last, acked)
	}
	s.pause = s.opt.Least
	return true, nil
}

// turn waits until n samples may be sent. After a pause one batch may be sent at once.
func (s *Sender) turn(ctx context.Context, n int) error {
	each, now := int64(time.Second)/int64(s.opt.Rate), s.clock.Now()
	burst := each * int64(s.opt.Batch)
	s.free = max(s.free, now-burst) + each*int64(n)
	if s.free <= now {
		return nil
	}
	return s.clock.Wait(ctx, s.free)
}
