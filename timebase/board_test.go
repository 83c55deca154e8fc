// A board whose true time is known: a wall clock that drifts, is disciplined, stepped and put to sleep, and references that tell of it,
// fall silent while they claim that all is well, or lie about nothing but that.

package timebase_test

import (
	"github.com/batchkit/batchkit/timebase"
)

// link is a reference as the board has it.
type link struct {
	name  string
	kind  timebase.Kind
	up    bool   // what stands behind it is heard
	says  string // why it calls itself not good; "": it is good
	mute  bool   // it gives no answer
	every int64  // ns from one hearing to the next; 0: whenever it is read
	bound int64
	noise int64 // of its measurement, |noise| <= bound
	leap  int8

	heard, offset int64
}

// board is what the references and the discipline are on. All times are in ns.
type board struct {
	mono, slept int64
	utc         int64 // of the wall clock
	truth       int64 // UTC as it is
	drift       int64 // of the wall clock and of monotonic time, parts per 10^9
	chip        int64 // the clock chip, ahead of truth
	links       []link
	d           *timebase.Discipline
}

// pass lets time pass, and has the wall clock pulled to the truth while one of its references is heard.
func (b *board) pass(ns int64) {
	b.mono += ns
	b.utc += ns
	b.truth += ns - ns/1_000_000*b.drift/1000
	for i := range b.links {
		if l := &b.links[i]; l.up && l.says == "" && l.kind != timebase.RTC {
			pull := min(max((b.utc-b.truth)/2, -ns/5000), ns/5000) // 200 ppm
			b.truth += pull
			break
		}
	}
	b.listen()
}

// listen lets each reference hear what stands behind it.
func (b *board) listen() {
	for i := range b.links {
		if l := &b.links[i]; l.up && b.mono-l.heard >= l.every {
			l.heard, l.offset = b.mono, b.utc-b.truth+l.noise
		}
	}
}

// look is what the discipline is told when a reference is read; -1: only the wall clock is looked at.
func (b *board) look(ref int) timebase.Look {
	k := timebase.Look{Mono: b.mono, UTC: b.utc, Slept: b.slept, Ref: ref}
	if ref < 0 {
		return k
	}
	l := &b.links[ref]
	k.Failed = l.mute
	k.Reading = timebase.Reading{Mono: b.mono, UTC: b.utc, Good: l.says == "", Heard: l.heard, Offset: l.offset, Bound: l.bound, Leap: l.leap, Why: l.says}
	if l.kind == timebase.RTC {
		k.Reading.UTC, k.Reading.Offset = (b.truth+b.chip)/sec*sec, 0
	}
	if l.mute {
		k.Reading = timebase.Reading{Why: "no answer in 1 s"}
	}
	return k
}

// poll has every reference read once, and hands on what has changed.
func (b *board) poll(tell func(timebase.Look, []timebase.Change)) {
	for i := range b.links {
		l := b.look(i)
		tell(l, b.d.Step(&l, nil))
	}
}

func magnitude(n int64) int64 { return max(n, -n) }
