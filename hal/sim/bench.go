// A metering bench: one line whose flow follows a profile, and every way there is to measure it, in integers.

package sim

import (
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// Profile is how a bench's line flows while its valve is open.
type Profile uint8

// The profiles. Times are since the valve was opened.
const (
	StepFlow   Profile = iota // 5 kg/s
	RampFlow                  // from 0.5 to 8 kg/s in 15 s, then on
	PulsedFlow                // 8 kg/s for a second, nothing for the next: a piston pump
	NoisyFlow                 // 5 kg/s, wandering by 10 % and shaking by 5 %
	LowFlow                   // 0.02 kg/s
	profiles
)

// Profiles are all of them.
func Profiles() []Profile { return []Profile{StepFlow, RampFlow, PulsedFlow, NoisyFlow, LowFlow} }

// String gives the name of the profile: step, ramp, pulsed, noisy or low-flow.
func (p Profile) String() string {
	return [...]string{"step", "ramp", "pulsed", "noisy", "low-flow"}[min(p, LowFlow)]
}

// What the bench's instruments show. A count of ai/1 is BenchSpan/65535, of ctr/1 and ctr/2 PulseMass, of tot/1 and ai/3 1 g and 10 g.
const (
	BenchSpan  = 12 * kilogram // ug/s at 65535 of ai/1
	PulseMass  = kilogram / 100
	TotalMass  = kilogram / 1000
	ScaleMass  = kilogram / 100
	ADCNoise   = 3     // counts by which ai/1 is off at most, besides the half that rounding takes
	FloatNoise = 2_000 // ppm by which ai/2 is
	ScaleNoise = 2     // counts by which ai/3 is at rest
	ScaleShake = 8     // and while something falls onto it

	inFlight  = 30                     // steps from the valve to the scale
	perSecond = 1_000_000_000 / stepNS // steps
	pulseStep = 2 * perSecond
)

const (
	benchFlow = 1<<34 + iota
	benchADC
	benchFloat
	benchScale
)

// BenchOptions set up a bench. The zero value is a line of profile StepFlow whose instruments start at 0, are read every 100 ms and do
// not roll over before 2^32, 2^16 (ctr/2) and 2^63.
type BenchOptions struct {
	Profile Profile
	Seed    uint64
	Every   int64  // ns between two readings, a multiple of 10 ms; 0: 100 ms
	Damping int64  // time constant of the flow transmitters, ns; 0: none
	Modulus int64  // counts at which tot/1 rolls over; 0: it does not
	Count   uint32 // where ctr/1 starts, and, modulo 2^16, ctr/2
	Total   int64  // where tot/1 starts, counts
	Tare    int64  // what stands on the scale, ug
}

// BenchFaultKind says what befalls an instrument.
type BenchFaultKind uint8

// The kinds of fault of a bench.
const (
	BenchSilent   BenchFaultKind = iota + 1 // emits nothing for a time
	BenchBad                                // emits with quality Bad for a time
	BenchMissed                             // ctr/1, ctr/2: pulses of a time are not counted
	BenchReset                              // ctr/1, ctr/2, tot/1: is set to 0
	BenchReplaced                           // the same, and tot/1 stands at what another device has counted, whose number is id/1
)

// BenchFault is one fault of an instrument.
type BenchFault struct {
	Kind    BenchFaultKind
	Channel string
	At      int64 // monotonic ns
	For     int64 // ns; of BenchReset and BenchReplaced nothing
}

// Bench is a metering bench. Its channels:
//
//	do/1   the valve           0.2 s to open, 0.3 s to close, flowing meanwhile
//	ctr/1  pulses              100 per kg, modulo 2^32
//	ctr/2  the same pulses     modulo 2^16
//	tot/1  device totalizer    g, modulo what it is set up with
//	id/1   its number
//	ai/1   flow                0 to 65535 for 0 to 12 kg/s, 3 counts of noise
//	ai/2   flow                float32, kg/min, 0.2 % of noise
//	ai/3   load cell           0.01 kg, 0.3 s behind the valve
//
// What flows is a whole number of ug in every 10 ms: Delivered is exact. All methods may be called from any goroutine, but not from
// within emit.
type Bench struct {
	mu    sync.Mutex
	clock timebase.Clock
	opt   BenchOptions
	every int64 // steps

	started      bool
	origin, now  int64
	step, opened int64 // newest step; the one in which the valve was opened last
	valve        int64
	out          bool
	delivered    int64
	flow, damped int64 // ug in a step; damped in 1/1024 of it
	slope, bend  int64 // of damped: its newest change, and the sum of the changes of those
	falling      [inFlight]int64
	arrived      int64
	count        [2]int64 // pulses counted, of ug carried in rest
	rest         [2]int64
	counterStart [2]int64
	total        int64 // ug of tot/1
	id           int64
	writes       []pending
	faults       []BenchFault
	reset        []bool        // of faults: it was carried out
	emit         func(tag.Raw) // of the Watch under way
}

var _ tag.Port = (*Bench)(nil)

var benchChannels = [...]struct {
	name string
	form tag.Form
}{{"do/1", tag.Bool}, {"ctr/1", tag.Int}, {"ctr/2", tag.Int}, {"tot/1", tag.Int}, {"id/1", tag.Int}, {"ai/1", tag.Int},
	{"ai/2", tag.Float32}, {"ai/3", tag.Int}}

// NewBench returns a bench whose valve is shut. It refuses a period that is no multiple of 10 ms, and what its instruments cannot show.
func NewBench(opt BenchOptions) (*Bench, error) {
	b := &Bench{opt: opt, every: opt.Every / stepNS, id: 1001, total: opt.Total * TotalMass,
		counterStart: [2]int64{int64(opt.Count), int64(opt.Count & 0xFFFF)}}
	switch {
	case opt.Every == 0:
		b.every = 10
	case opt.Every < 0 || opt.Every%stepNS != 0:
		return nil, fmt.Errorf("sim: bench: period %d ns: want a multiple of %d", opt.Every, stepNS)
	}
	if opt.Profile >= profiles || opt.Modulus < 0 || opt.Total < 0 || opt.Tare < 0 || opt.Damping < 0 || opt.Total > 1<<32 || opt.Tare > 1<<50 ||
		opt.Modulus > 0 && opt.Total >= opt.Modulus {
		return nil, errors.New("sim: bench: a profile, modulus, total, tare or damping that the bench has not got")
	}
	return b, nil
}

// On gives the bench the clock that Watch and Write wait on, and returns the bench. Advance and Apply need none.
func (b *Bench) On(clock timebase.Clock) *Bench {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = clock
	return b
}

// Fault adds a fault, which befalls what happens from At on.
func (b *Bench) Fault(f BenchFault) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := benchChannel(f.Channel)
	switch {
	case ch <= 0:
		return fmt.Errorf("sim: bench: fault of %q: no such instrument", f.Channel)
	case f.Kind < BenchSilent || f.Kind > BenchReplaced, f.Kind == BenchMissed && (ch < 1 || ch > 2), f.Kind >= BenchReset && (ch < 1 || ch > 3):
		return fmt.Errorf("sim: bench: fault of %q: it cannot have that one", f.Channel)
	case f.For < 0 || f.Kind < BenchReset && f.For == 0 || len(b.faults) == MaxFaults:
		return fmt.Errorf("sim: bench: fault of %q: want a time above 0, and %d faults at most", f.Channel, MaxFaults)
	}
	b.faults, b.reset = append(b.faults, f), append(b.reset, false)
	return nil
}

func benchChannel(name string) int {
	for i := range benchChannels {
		if benchChannels[i].name == name {
			return i
		}
	}
	return -1
}

// Delivered is how many ug have gone through the line, as of the newest Advance; so is what the next two return.
func (b *Bench) Delivered() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.delivered
}

// Fallen is how many ug have fallen onto the scale.
func (b *Bench) Fallen() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.arrived
}

// Bend is the sum of all changes, up and down, of how fast the damped flow grows, in ug/s/s. What is added up of readings every P seconds,
// from rest to rest, differs from what has flowed by P*P/8 times that at most.
func (b *Bench) Bend() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bend / 1024 * perSecond * perSecond
}

// rate is the flow with the valve fully open, ug in a step, k steps after it was opened.
func (b *Bench) rate(k int64) int64 {
	const kgs = kilogram / perSecond // 1 kg/s
	switch b.opt.Profile {
	case RampFlow:
		return kgs/2 + min(k, 1500)*(8*kgs-kgs/2)/1500
	case PulsedFlow:
		if k%pulseStep >= pulseStep/2 {
			return 0
		}
		return 8 * kgs
	case NoisyFlow:
		f := int64(5 * kgs)
		return f + f*(wander(b.opt.Seed, benchFlow, b.step, flowPeriod, 100_000)+within(draw(b.opt.Seed, benchFlow, uint64(b.step)), 50_000))/1_000_000
	case LowFlow:
		return kgs / 50
	}
	return 5 * kgs
}

// doStep does the next step of the process.
func (b *Bench) doStep() {
	b.step++
	at := b.origin + b.step*stepNS
	if b.valve == 0 && b.out {
		b.opened = b.step
	}
	b.valve = ramp(b.valve, b.out, openSpeed, closeSpeed)
	flow := b.rate(b.step-b.opened) * b.valve / travel
	b.flow = flow
	slope := (flow<<10 - b.damped) * stepNS / (b.opt.Damping + stepNS) // all of it where there is no damping
	b.bend += max(slope-b.slope, b.slope-slope)
	b.damped, b.slope = b.damped+slope, slope
	b.delivered += flow
	i := b.step % inFlight
	b.arrived, b.falling[i] = b.arrived+b.falling[i], flow
	b.total += flow
	for line := range b.count {
		if b.faulty(BenchMissed, 1+line, at) {
			continue
		}
		b.rest[line] += flow
		b.count[line] += b.rest[line] / PulseMass
		b.rest[line] %= PulseMass
	}
	for j := range b.faults {
		if f := &b.faults[j]; f.Kind >= BenchReset && !b.reset[j] && f.At <= at {
			b.reset[j] = true
			b.set(f)
		}
	}
}

// set carries out a reset or an exchange.
func (b *Bench) set(f *BenchFault) {
	switch ch := benchChannel(f.Channel); {
	case ch < 3:
		b.count[ch-1], b.rest[ch-1], b.counterStart[ch-1] = 0, 0, 0
	case f.Kind == BenchReplaced:
		b.total, b.id = 777*kilogram, b.id+1
	default:
		b.total = 0
	}
}

func (b *Bench) faulty(kind BenchFaultKind, ch int, at int64) bool {
	for i := range b.faults {
		if f := &b.faults[i]; f.Kind == kind && benchChannel(f.Channel) == ch && f.At <= at && at < f.At+f.For {
			return true
		}
	}
	return false
}
