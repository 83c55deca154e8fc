// The playback of a recording: a port that emits what another one has emitted, and holds what is written against what was.

package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// MaxDifferences is how many differences a playback keeps.
const MaxDifferences = 256

// Difference is one write of the run that is not the recorded one, or a recorded one that the run did not make.
type Difference struct {
	Channel  string
	N        int     // the Nth write to that channel, from 1
	At       int64   // when the run wrote it, on the clock of the run, or the time at which it was recorded there
	Got      *uint64 // bits that the run wrote; nil: it wrote nothing
	Recorded *uint64 // bits that were recorded; nil: nothing was
	Late     int64   // ns by which the run was late; negative: early; 0 where times are not compared
}

// String says it in words.
func (d Difference) String() string {
	what := fmt.Sprintf("write %d to %q at %d: ", d.N, d.Channel, d.At)
	switch {
	case d.Got == nil:
		return what + fmt.Sprintf("not made; %d was recorded", *d.Recorded)
	case d.Recorded == nil:
		return what + fmt.Sprintf("%d, which was not recorded", *d.Got)
	case *d.Got != *d.Recorded:
		return what + fmt.Sprintf("%d, where %d was recorded", *d.Got, *d.Recorded)
	}
	return what + fmt.Sprintf("%d, as recorded, but %s late", *d.Got, time.Duration(d.Late))
}

// Playback is a port that plays a recording, whatever is written to it: in real time as a tag.Port, in virtual time through Next,
// Advance and Apply. Its time begins where every channel that was emitted before any was emitted again had come: these come at once.
// A write gets the answer that the same write to its channel got then, after as long; one that was not recorded is confirmed after
// WriteTime. Behind the end of the recording it is silent, so that its values grow stale.
//
// All methods may be called from any goroutine, but not from within emit.
type Playback struct {
	r      *Recording
	within int64

	mu       sync.Mutex
	clock    timebase.Clock
	watching bool
	started  bool
	offset   int64 // from the recording's time to that of the run
	now      int64
	next     int            // of the recording's values
	made     map[string]int // writes of the run, by channel
	list     map[string][]int
	differ   []Difference
}

var _ Stepped = (*Playback)(nil)

// NewPlayback returns a playback of r. Writes that the run makes earlier or later than was recorded by more than within ns are
// differences; with 0 times are not compared.
func NewPlayback(r *Recording, within int64) *Playback {
	p := &Playback{r: r, within: within, made: map[string]int{}, list: map[string][]int{}}
	for i := range r.writes {
		name := r.channels[r.writes[i].channel].name
		p.list[name] = append(p.list[name], i)
	}
	return p
}

// On gives the playback the clock that Watch and Write wait on, and returns the playback. Advance and Apply need none.
func (p *Playback) On(clock timebase.Clock) *Playback {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock = clock
	return p
}

// Clone returns a playback that is where this one is, and goes on by itself.
func (p *Playback) Clone() *Playback {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Playback{r: p.r, within: p.within, clock: p.clock, started: p.started, offset: p.offset, now: p.now, next: p.next,
		made: map[string]int{}, list: p.list, differ: append([]Difference(nil), p.differ...)}
	for name, n := range p.made {
		c.made[name] = n
	}
	return c
}

// first is how many values come at once, and when the last of them came.
func (r *Recording) first() (n int, at int64) {
	seen := map[string]bool{}
	at = r.begin
	for i := range r.values {
		name := r.channels[r.values[i].channel].name
		if seen[name] {
			break
		}
		seen[name] = true
		n, at = i+1, r.values[i].t
	}
	return n, at
}

// start begins the time of the playback.
func (p *Playback) start(now int64) {
	if p.started {
		return
	}
	_, at := p.r.first()
	p.started, p.now, p.offset = true, now, now-at
}

// idle is how often a playback behind its end has nothing to emit.
const idle = int64(time.Second)

// Next implements Stepped. Before the first Advance it is 0.
func (p *Playback) Next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.soon()
}

func (p *Playback) soon() int64 {
	switch {
	case !p.started:
		return 0
	case p.next == len(p.r.values):
		return p.now + idle
	}
	return p.r.values[p.next].t + p.offset
}

// Over tells whether all that was recorded was emitted.
func (p *Playback) Over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next == len(p.r.values)
}

// Advance implements Stepped.
func (p *Playback) Advance(now int64, emit func(tag.Raw)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now, emit)
}

func (p *Playback) advance(now int64, emit func(tag.Raw)) {
	p.start(now)
	p.now = max(p.now, now)
	for ; p.next < len(p.r.values) && p.r.values[p.next].t+p.offset <= p.now; p.next++ {
		p.send(p.next, emit)
	}
}

// send emits a recorded value.
func (p *Playback) send(i int, emit func(tag.Raw)) {
	if emit == nil {
		return
	}
	v := &p.r.values[i]
	c := &p.r.channels[v.channel]
	raw := tag.Raw{Channel: c.name, Form: c.form, Bits: v.bits, Quality: v.quality}
	if v.at > 0 {
		raw.At = max(v.at+p.offset, 1)
	}
	emit(raw)
}

// Apply implements Stepped.
func (p *Playback) Apply(now int64, w tag.Write) (done int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.apply(now, &w)
}

func (p *Playback) apply(now int64, w *tag.Write) (done int64, err error) {
	p.start(now)
	now = max(now, p.now)
	n := p.made[w.Channel]
	p.made[w.Channel]++
	got := w.Bits
	list := p.list[w.Channel]
	if n >= len(list) {
		p.note(Difference{Channel: w.Channel, N: n + 1, At: now, Got: &got})
		return now + int64(WriteTime), nil
	}
	was := &p.r.writes[list[n]]
	recorded, late := was.bits, now-was.t-p.offset
	if p.within == 0 || max(late, -late) <= p.within {
		late = 0
	}
	if got != recorded || late != 0 {
		p.note(Difference{Channel: w.Channel, N: n + 1, At: now, Got: &got, Recorded: &recorded, Late: late})
	}
	done = now + was.done - was.t
	if was.err != "" {
		return done, errors.New(was.err)
	}
	if w.Deadline > 0 && done > w.Deadline {
		return w.Deadline, fmt.Errorf("sim: write to %q: answered %s after its deadline, as recorded: %w", w.Channel,
			time.Duration(done-w.Deadline), context.DeadlineExceeded)
	}
	return done, nil
}

func (p *Playback) note(d Difference) {
	if len(p.differ) < MaxDifferences {
		p.differ = append(p.differ, d)
	}
}

// Differences are the writes of the run, so far, that are not those recorded, in their order, and behind them, channel by channel, those
// recorded that the run did not make; MaxDifferences at most. Call it when the run has ended.
func (p *Playback) Differences() []Difference {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := append([]Difference(nil), p.differ...)
	for _, c := range p.r.Channels() {
		for n := p.made[c]; n < len(p.list[c]) && len(all) < MaxDifferences; n++ {
			was := p.r.writes[p.list[c][n]]
			all = append(all, Difference{Channel: c, N: n + 1, At: was.t + p.offset, Recorded: &was.bits})
		}
	}
	return all
}

var errPlayback = errors.New("sim: playback has no clock, or a Watch already: give it one with On, or use Advance and Apply")

// Watch implements tag.Port. A Watch after the first begins with the newest value of each channel. One Watch at a time.
func (p *Playback) Watch(ctx context.Context, emit func(tag.Raw)) error {
	p.mu.Lock()
	clock := p.clock
	if clock == nil || p.watching {
		p.mu.Unlock()
		return errPlayback
	}
	p.watching = true
	if p.next > 0 {
		p.advance(clock.Now(), nil)
		p.newest(emit)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watching = false
	}()
	for {
		p.mu.Lock()
		p.advance(clock.Now(), emit)
		next := p.soon()
		p.mu.Unlock()
		err := clock.Wait(ctx, next)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sim: playback: clock: %w", err)
		}
	}
}

// newest emits the newest value of each channel.
func (p *Playback) newest(emit func(tag.Raw)) {
	last := map[uint16]int{}
	for i := range p.next {
		last[p.r.values[i].channel] = i
	}
	for ch := range p.r.channels {
		if i, ok := last[uint16(ch)]; ok {
			p.send(i, emit)
		}
	}
}

// Write implements tag.Port.
func (p *Playback) Write(ctx context.Context, w tag.Write) error {
	p.mu.Lock()
	clock := p.clock
	if clock == nil {
		p.mu.Unlock()
		return errPlayback
	}
	done, answer := p.apply(clock.Now(), &w)
	p.mu.Unlock()
	if err := clock.Wait(ctx, done); err != nil && answer == nil {
		return fmt.Errorf("sim: write to %q: no answer: %w", w.Channel, err)
	}
	return answer
}
