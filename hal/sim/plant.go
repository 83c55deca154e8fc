// Package sim is a simulated board and a simulated process plant, exact to the bit for a given seed.
//
// Start with [NewPlant]: two dosing lines, a heated and stirred tank and a drain, reached as a tag.Port in real time, or in
// virtual time through Next, Advance and Apply. [NewBench] is one line that every kind of meter measures, with its true total.
// [NewBoard] has the devices of package hal, with power cuts and other faults, and is the fixture that the suites of package haltest
// ask for. [NewRecorder] records any port, and [NewPlayback] plays that back.
//
// The rule that must not be broken: what comes out is a function of seed, outputs, faults and time alone. It does not depend
// on the size of the steps in which time is advanced, on the processor, or on how goroutines are scheduled.
//
// The package starts no goroutine and reads no clock but the one it was handed. It models what a batch controller can see and
// no physics beyond that; it proves nothing about real hardware.
package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// Plant is a process plant with its wires. Its channels:
//
//	do/1, do/2   coarse and fine valve of line A    about 10 and 1 kg/s; 0.2 s to open, 0.3 s to close, flowing meanwhile
//	do/3, do/4   the same of line B
//	do/5         heater enable                      heats while stirred and above 20 kg: 200 kg from 20 to 60 Cel in 7 s
//	do/6         agitator                           runs 0.4 s after it was switched on
//	do/7         drain valve                        about 25 kg/s
//	do/8         horn
//	ao/1         temperature set point              0.1 Cel, 0 to 1000
//	di/1, di/2   coarse valve A, B is open          every edge of a bounce is a value
//	di/3         drain valve is open
//	di/4         emergency stop is healthy          1: healthy
//	di/5         agitator runs
//	ctr/1, ctr/2 pulses of meter A, B               100 per kg, modulo 2^32
//	tot/1, tot/2 totalizer of meter A, B            0.01 kg, never reset
//	ai/1, ai/2   mass flow A, B                     float32, kg/min, mean of 0.1 s
//	ai/3         level                              0 to 4095 for 0 to 500 L, at 1 kg/L
//	ai/4         temperature                        float32, Cel
//	ai/5         load cell                          0.01 kg
//
// Counters and totalizers are emitted every 50 ms, flows every 100 ms, ai/3 to ai/5 every 200 ms, di, do and ao on change and
// every second. The tank spills above 450 kg. Rates differ by up to 2 % from seed to seed and wander by 0.5 %. Seeds divisible
// by 4 start their pulse counters within 2,000 pulses of rolling over.
//
// All methods may be called from any goroutine, but not from within emit.
type Plant struct {
	mu    sync.Mutex
	clock timebase.Clock
	emit  func(tag.Raw) // of the Watch under way

	started bool
	origin  int64 // time of step 0
	now     int64 // all before and at it is past
	step    int64 // newest step done
	process process
	command [outputs]int64 // what was written
	out     [outputs]int64 // what drives the plant
	queue   []pending      // in order of time, then of arrival
	answers [outputs]int64 // when the newest write to each output is done
	down    bool           // power is cut, as of the newest call
	dark    bool           // power is cut, as of now

	contacts  [chCtr]contact
	counter   [2]uint32 // pulses at the start
	totalizer [2]int64  // ug at the start
	shown     [channelCount]uint64
	wasShown  [channelCount]bool
	faults    []fault
}

var _ tag.Port = (*Plant)(nil)

// NewPlant returns a plant whose tank is empty and whose outputs are off. Its time begins with the first call of Watch, Write,
// Advance, Apply or PowerCut.
func NewPlant(seed uint64) *Plant {
	p := &Plant{process: newProcess(seed)}
	p.counter, p.totalizer = startValues(seed)
	for i := range p.contacts {
		p.contacts[i].seed, p.contacts[i].signal = seed, signalOf(channels[chDI+i].name)
	}
	healthy := &p.contacts[3]
	healthy.high, healthy.target = true, true
	return p
}

// On gives the plant the clock that Watch and Write wait on, and returns the plant. Advance and Apply need none.
func (p *Plant) On(clock timebase.Clock) *Plant {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock = clock
	return p
}

var errNoClock = errors.New("sim: plant has no clock: give it one with On, or use Advance and Apply")

// Watch implements tag.Port. What changes because of a valve in motion is emitted up to 30 ms late, with the time at which it
// was true. One Watch at a time.
func (p *Plant) Watch(ctx context.Context, emit func(tag.Raw)) error {
	clock, err := p.open(emit)
	if err != nil {
		return err
	}
	defer p.leave()
	for {
		err := clock.Wait(ctx, p.pass(clock.Now()))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sim: plant: clock: %w", err)
		}
	}
}

// Write implements tag.Port. When ctx ends first, the write may still be carried out.
func (p *Plant) Write(ctx context.Context, w tag.Write) error {
	p.mu.Lock()
	clock := p.clock
	if clock == nil {
		p.mu.Unlock()
		return errNoClock
	}
	done, answer := p.apply(clock.Now(), w)
	p.mu.Unlock()
	if err := clock.Wait(ctx, done); err != nil && answer == nil {
		return fmt.Errorf("sim: write to %q: no answer: %w", w.Channel, err)
	}
	p.pass(clock.Now())
	return answer
}

// open begins a Watch: what was due before it is dropped.
func (p *Plant) open(emit func(tag.Raw)) (timebase.Clock, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clock == nil {
		return nil, errNoClock
	}
	if p.emit != nil {
		return nil, errors.New("sim: plant has a Watch already")
	}
	p.advance(p.clock.Now(), nil)
	p.push(pending{at: p.now, what: doShow})
	p.emit = emit
	return p.clock, nil
}

func (p *Plant) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.emit = nil
}

// pass lets the Watch under way have what is due, and returns when more will be.
func (p *Plant) pass(now int64) (next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.emit != nil {
		p.advance(now, p.emit)
	}
	return p.next()
}

// Delivered returns the ug that went through meter A (line 0) or B (line 1) since the start, as of the newest Advance. So do
// all methods below: they are the truth that tests compare with what the channels show.
func (p *Plant) Delivered(line int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.delivered[line&1]
}

// Pulses returns how many pulses meter A (line 0) or B (line 1) gave since the start.
func (p *Plant) Pulses(line int) int64 { return p.Delivered(line) / pulseMass }

// Contents returns the ug in the tank.
func (p *Plant) Contents() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.contents
}

// Drained returns the ug that left through the drain since the start.
func (p *Plant) Drained() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.drained
}

// Spilt returns the ug that overflowed since the start.
func (p *Plant) Spilt() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.spilt
}

// Output returns what an output, such as "do/1", drives: 0 or 1, or the set point. For any other channel it returns 0.
func (p *Plant) Output(channel string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ch := channelOf(channel); ch >= chOut {
		return p.out[ch-chOut]
	}
	return 0
}
