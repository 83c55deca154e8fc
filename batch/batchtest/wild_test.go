// A plant that does anything: the one on which random recipes run.

package batchtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/internal/grow"
	"github.com/batchkit/batchkit/iomap/tag"
)

// wild is a plant of which the switches turn over and the temperature jumps at random, whose counters run on and rest, and whose devices are
// slow, refuse or lie now and then. It is a Forker and Powered.
type wild struct {
	chance  *rand.PCG
	now     int64
	next    int64
	values  map[string]uint64
	out     []string // channels, in their order
	all     []string
	bad     map[string]int64 // by channel: until when its values are BAD
	changed map[string]int64 // when it was emitted last
	lied    map[string]bool  // by channel: the last write was confirmed and not carried out
	queue   []coming
	dark    bool
	show    bool
}

// coming is a write that is carried out at a time.
type coming struct {
	at      int64
	channel string
	value   uint64
	lies    bool
}

const (
	ms   = int64(1_000_000)
	calm = 8 // switches from di/0 on that turn over at random; those behind them do it seldom, and mostly turn back soon
)

func newWild(seed uint64) *wild {
	w := &wild{chance: rand.NewPCG(seed, 7), values: map[string]uint64{}, bad: map[string]int64{}, changed: map[string]int64{},
		lied: map[string]bool{}, show: true}
	for i := range 13 {
		w.out = append(w.out, fmt.Sprintf("do/%d", i))
	}
	w.all = slices.Clone(w.out)
	for i := range calm + grow.Guards {
		w.all = append(w.all, fmt.Sprintf("di/%d", i))
	}
	w.all = append(w.all, "ai/1")
	for i := range grow.Meters {
		w.all = append(w.all, fmt.Sprintf("ctr/%d", i+1))
	}
	return w
}

// Fork returns a copy.
func (w *wild) Fork() runner.Simulation {
	c := *w
	state, err := w.chance.MarshalBinary()
	if err != nil {
		panic(err)
	}
	c.chance = &rand.PCG{}
	if err := c.chance.UnmarshalBinary(state); err != nil {
		panic(err)
	}
	c.values, c.bad, c.changed, c.lied = maps.Clone(w.values), maps.Clone(w.bad), maps.Clone(w.changed), maps.Clone(w.lied)
	c.queue = slices.Clone(w.queue)
	return &c
}

func (w *wild) one(in int) bool { return rand.New(w.chance).IntN(in) == 0 }

// Watch is for real time only.
func (w *wild) Watch(context.Context, func(tag.Raw)) error { return errors.New("it has no clock") }

// Write is for real time only.
func (w *wild) Write(context.Context, tag.Write) error { return errors.New("it has no clock") }

// Next is when something happens.
func (w *wild) Next() int64 {
	next := w.next
	if w.show {
		next = w.now
	}
	for _, q := range w.queue {
		next = min(next, q.at)
	}
	return next
}

// Advance does what is due.
func (w *wild) Advance(now int64, emit func(tag.Raw)) {
	for {
		i := -1
		for k, q := range w.queue {
			if q.at <= min(now, w.next) && (i < 0 || q.at < w.queue[i].at) {
				i = k
			}
		}
		switch {
		case i >= 0:
			q := w.queue[i]
			w.queue = slices.Delete(w.queue, i, i+1)
			w.lied[q.channel] = q.lies
			if w.now = max(w.now, q.at); !q.lies {
				w.values[q.channel] = q.value
				w.send(q.channel, emit)
			}
		case w.next <= now:
			w.now = max(w.now, w.next)
			w.next += 400 * ms
			w.turn(emit)
		default:
			if w.now = max(w.now, now); w.show {
				w.show = false
				for _, ch := range w.all {
					w.send(ch, emit)
				}
			}
			return
		}
	}
}

// turn lets the process do something.
func (w *wild) turn(emit func(tag.Raw)) {
	r := rand.New(w.chance)
	for _, ch := range w.all {
		was := w.values[ch]
		switch {
		case ch[0] == 'c':
			if n := r.IntN(200); w.now/(4000*ms)%2 == 0 { // nothing flows for 4 s of every 8
				w.values[ch] += uint64(n)
			}
		case ch == "ai/1" && r.IntN(2) == 0:
			w.values[ch] = uint64(r.IntN(1000))
		case ch[:2] == "di" && r.IntN(w.often(ch)) == 0:
			w.values[ch] ^= 1
		}
		if r.IntN(1500) == 0 {
			w.bad[ch] = w.now + int64(r.IntN(3000))*ms
		}
		if w.values[ch] != was || w.now-w.changed[ch] >= 1400*ms {
			w.send(ch, emit)
		}
	}
}

// often is in how many turns a switch turns over once.
func (w *wild) often(ch string) int {
	switch {
	case !slices.Contains(w.all[len(w.out)+calm:], ch):
		return 4
	case w.values[ch] == 0:
		return 60
	}
	return 5
}

func (w *wild) send(ch string, emit func(tag.Raw)) {
	w.changed[ch] = w.now
	if w.dark {
		return
	}
	raw := tag.Raw{Channel: ch, Form: tag.Int, Bits: w.values[ch], Quality: tag.Good, At: w.now}
	if ch[0] == 'd' {
		raw.Form = tag.Bool
	}
	if w.bad[ch] > w.now {
		raw.Quality = tag.Bad
	}
	emit(raw)
}

// Apply takes a write.
func (w *wild) Apply(now int64, out tag.Write) (int64, error) {
	done := now + int64(1+rand.New(w.chance).IntN(60))*ms
	switch {
	case w.dark:
		return now, errors.New("no power")
	case w.one(100):
		return done, errors.New("refused by the device")
	case w.one(60):
		done += 2500 * ms
	}
	if out.Deadline > 0 && done > out.Deadline {
		return out.Deadline, errors.New("no answer")
	}
	// A write takes the place of one to the same output that is under way: the runner has cut that short.
	w.queue = slices.DeleteFunc(w.queue, func(q coming) bool { return q.channel == out.Channel })
	w.queue = append(w.queue, coming{done, out.Channel, out.Bits & 1, w.one(200)})
	return done, nil
}

// PowerCut lets all outputs drop.
func (w *wild) PowerCut(now int64) {
	w.now, w.dark, w.queue = max(w.now, now), true, nil
	for _, ch := range w.out {
		w.values[ch], w.lied[ch] = 0, false
	}
}

// Boot shows everything, and drops what was on its way.
func (w *wild) Boot(now int64) { w.now, w.dark, w.show, w.queue = max(w.now, now), false, true, nil }
