// The playback of a recording: a port that emits what another one has emitted, and holds what is written against what was.

package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// WriteTime. An output does not read back what a recorded write has led to before the run has made that write: what it showed before
// comes in its place, and the rest with the answer. Behind the end of the recording it is silent, so that its values grow stale. It
// shows what happened and not what would have: a run that is cut short and goes on is for a Plant.
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
	next     int                // of the recording's values
	made     map[string]int     // writes of the run, by channel
	list     map[string][]int   // recorded writes, by channel; it does not change
	outputs  map[string]*output // channels that were written
	differ   []Difference
}

// output is how far a channel that was written is played.
type output struct {
	led   int   // recorded writes that lie before its newest value
	shown int   // the value that was emitted last, -1: none
	held  int   // the newest that waits for a write, -1: none
	owed  int64 // when it is emitted, since the write was made; timebase.Never: not yet
}

var _ Stepped = (*Playback)(nil)

// NewPlayback returns a playback of r. Writes that the run makes earlier or later than was recorded by more than within ns are
// differences; with 0 times are not compared.
func NewPlayback(r *Recording, within int64) *Playback {
	p := &Playback{r: r, within: within, made: map[string]int{}, list: map[string][]int{}, outputs: map[string]*output{}}
	for i := range r.writes {
		name := r.channels[r.writes[i].channel].name
		p.list[name] = append(p.list[name], i)
		p.outputs[name] = &output{shown: -1, held: -1, owed: timebase.Never}
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
	if !p.started {
		return 0
	}
	at, _ := p.owes()
	if p.next == len(p.r.values) {
		return min(at, p.now+idle)
	}
	return min(at, p.r.values[p.next].t+p.offset)
}

// owes is the output whose value has waited for a write that was made, and when it is emitted.
func (p *Playback) owes() (at int64, first *output) {
	at = timebase.Never
	for i := range p.r.channels { // in their order, so that runs are alike
		if o := p.outputs[p.r.channels[i].name]; o != nil && o.owed < at {
			at, first = o.owed, o
		}
	}
	return at, first
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
	for {
		at, o := p.owes()
		due := int64(timebase.Never)
		if p.next < len(p.r.values) {
			due = p.r.values[p.next].t + p.offset
		}
		switch {
		case min(at, due) > p.now:
			return
		case at < due:
			o.shown, o.held, o.owed = o.held, -1, timebase.Never
			p.send(o.shown, at, emit)
		default:
			p.play(p.next, emit)
			p.next++
		}
	}
}

// play emits a recorded value, or, where that is what a write has led to that the run has not made yet, the one before it.
func (p *Playback) play(i int, emit func(tag.Raw)) {
	v := &p.r.values[i]
	name := p.r.channels[v.channel].name
	o := p.outputs[name]
	if o == nil {
		p.send(i, 0, emit)
		return
	}
	for list := p.list[name]; o.led < len(list) && p.r.writes[list[o.led]].t < v.t; {
		o.led++
	}
	if o.led > p.made[name] && o.shown >= 0 {
		o.held = i
		p.send(o.shown, v.t+p.offset, emit)
		return
	}
	o.shown, o.held, o.owed = i, -1, timebase.Never
	p.send(i, 0, emit)
}

// send emits a recorded value, as it was then, or as of at where that is not 0.
func (p *Playback) send(i int, at int64, emit func(tag.Raw)) {
	if emit == nil {
		return
	}
	v := &p.r.values[i]
	c := &p.r.channels[v.channel]
	raw := tag.Raw{Channel: c.name, Form: c.form, Bits: v.bits, Quality: v.quality}
	if v.at > 0 {
		raw.At = max(v.at+p.offset, 1)
	}
	if at > 0 {
		raw.At = at
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
	if o := p.outputs[w.Channel]; o.held >= 0 && p.made[w.Channel] >= o.led {
		o.owed = done
	}
	if was.err != "" {
		return done, &answered{was.err, answers[index(answerWords[:], was.word)]}
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
	all := slices.Clone(p.differ)
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
			if o := p.outputs[p.r.channels[ch].name]; o != nil {
				i = o.shown
			}
			p.send(i, 0, emit)
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
