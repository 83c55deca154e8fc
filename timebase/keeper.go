// Observations of the wall clock, the stamps that are made of them, and what counts as a step.

package timebase

import "time"

// Role is the place of a source among those of its kind.
type Role uint8

// The roles.
const (
	NoRole  Role = iota // the source stands alone, or nothing is known of that
	Primary             // first of its kind
	Backup              // takes over when those before it are lost
)

// String gives the name that records use in primary_backup: primary or backup; "" of NoRole.
func (r Role) String() string { return [...]string{"", "primary", "backup"}[min(r, Backup)] }

// ParseRole is the inverse of String; ok is false for any other text.
func ParseRole(s string) (r Role, ok bool) {
	for r = NoRole; r <= Backup; r++ {
		if r.String() == s {
			return r, true
		}
	}
	return NoRole, false
}

// Observation is one look at the wall clock: at monotonic time Mono it was UTC. What stands below Bound is known to an observer that
// follows its references, such as a [Discipline]; of any other it is zero.
type Observation struct {
	Mono   int64  // monotonic ns
	UTC    int64  // ns since 1970-01-01 UTC
	Sync   Sync   // what the source claims
	Source string // who says so: the name of a reference, "host", "seed" or "none"
	Offset int64  // last measured offset to the reference, ns; 0 where unknown
	Bound  int64  // greatest error of UTC at Mono, ns; 0 means that no bound is known

	Role     Role   // of the source
	LastSync int64  // UTC in ns when the reference was heard last; 0: never
	Age      int64  // ns since then, sleep included; in HOLDOVER the age of the holdover
	Steps    int64  // steps of the wall clock that the observer has counted
	Moved    int64  // size of the last of them, ns; above zero: forward
	Step     Reason // why it stepped: ClockStep, Suspended or LeapDone
	Leap     int8   // 1: a second is inserted at the end of this UTC day, -1: one is left out
	Reason   Reason // of the last change of Sync or Source
	Why      string // the same in words, of whoever said so; "" where there are none
}

// After returns what the observation says at monotonic time mono if nothing has changed: UTC has gone on, and Bound has grown.
func (o Observation) After(mono int64) Observation {
	age := mono - o.Mono
	if age <= 0 {
		return o
	}
	o.Mono = mono
	if o.Sync == Unset {
		return o
	}
	o.UTC += age
	o.Bound = grown(o.Bound, age)
	if o.LastSync != 0 {
		o.Age += age
	}
	return o
}

// Changed tells whether p is another state of synchronisation, source or role than o, announces another leap second, or has counted
// another step: what is to be known at once and not at the next look.
func (o *Observation) Changed(p *Observation) bool {
	return o.Sync != p.Sync || o.Source != p.Source || o.Role != p.Role || o.Leap != p.Leap || o.Steps != p.Steps
}

// Stamp is the dual time stamp of one event, with what is known of its wall half.
type Stamp struct {
	Mono   int64  // orders; monotonic ns within the epoch
	UTC    int64  // correlates; ns since 1970-01-01 UTC, 0 while Sync is Unset
	Sync   Sync   // how far UTC may be believed
	Source string // who said so
	Offset int64  // ns
	Bound  int64  // ns; grows with the age of the observation; 0 means that no bound is known
}

// DriftPPM is the rate at which an error bound grows between observations, in parts per million: the worst crystal that a
// board of this class carries.
const DriftPPM = 100

// StepLimit is the difference between the observed and the expected UTC, in ns, above which an observation counts as a step
// of the wall clock and not as a correction, unless the Keeper was given another.
const StepLimit = int64(time.Second)

// Keeper holds the relation between monotonic time and UTC. The zero value is Unset. It is state of a pure machine: copy it
// to take a snapshot.
type Keeper struct {
	Limit int64 // in place of StepLimit, ns; 0: StepLimit
	last  Observation
	steps int64
}

// Observe takes in an observation and reports by how many ns UTC was moved against what was expected, and whether that was a
// step: one that the observer has counted since the observation before, or else a move by more than the limit. Of the move that the
// observer has measured and the one that was expected here the greater is reported. The first valid observation is neither moved nor
// a step.
func (k *Keeper) Observe(o Observation) (moved int64, step bool) {
	if k.last.Sync != Unset && o.Sync != Unset {
		moved = o.UTC - (k.last.UTC + o.Mono - k.last.Mono)
		counted := o.Steps - k.last.Steps
		if counted > 0 && magnitude(o.Moved) > magnitude(moved) {
			moved = o.Moved
		}
		if step = counted > 0 || k.Beyond(moved); step {
			k.steps += max(counted, 1)
		}
	}
	k.last = o
	return moved, step
}

// Beyond tells whether a move is beyond the limit: UTC cannot be used for order across it.
func (k *Keeper) Beyond(moved int64) bool { return magnitude(moved) > uint64(k.Tolerance()) }

// Tolerance returns the limit.
func (k *Keeper) Tolerance() int64 {
	if k.Limit > 0 {
		return k.Limit
	}
	return StepLimit
}

// Steps counts the steps of the wall clock that were seen in this epoch (time_step_count).
func (k *Keeper) Steps() int64 { return k.steps }

// Last returns the newest observation.
func (k *Keeper) Last() Observation { return k.last }

// Restore puts back what Last and Steps returned.
func (k *Keeper) Restore(last Observation, steps int64) { k.last, k.steps = last, steps }

// Stamp returns the dual stamp for monotonic time mono.
func (k *Keeper) Stamp(mono int64) Stamp {
	s := Stamp{Mono: mono, Sync: k.last.Sync, Source: k.last.Source, Offset: k.last.Offset}
	if s.Source == "" {
		s.Source = "none"
	}
	if k.last.Sync == Unset {
		return s
	}
	age := mono - k.last.Mono
	s.UTC = k.last.UTC + age
	s.Bound = grown(k.last.Bound, max(age, -age))
	return s
}

// grown is a bound after an age, never rounded down; one that is not known stays so.
func grown(bound, age int64) int64 {
	if bound <= 0 {
		return bound
	}
	return bound + (age+999_999)/1_000_000*DriftPPM
}

// magnitude is the absolute value; that of the least int64 does not overflow.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
