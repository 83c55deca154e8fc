// Safe states: what becomes of an output while a fault lasts, and how it comes back.

package sequencer

import (
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/timebase"
)

// SafeStatus is where an output stands that a fault concerns.
type SafeStatus uint8

// The statuses.
const (
	NotInSafeState  SafeStatus = iota
	FaultLasts                 // nothing takes it from its safe state
	WaitsForReset              // the fault is over, and nothing does before a person has reset it
	WaitsForRestart            // who answers for it is held, and a restart brings it back
)

// String gives the name that records use.
func (s SafeStatus) String() string {
	return [...]string{"returned", "entered", "waits_for_reset", "waits_for_restart"}[min(s, WaitsForRestart)]
}

// FlapGap is the time in ns for which the fault of an output that comes back by itself must be gone where it has come again soon after
// the last time; each time twice as long, up to FlapGap << 5. So a source that flaps moves no output and fills no journal.
const FlapGap = 1_000_000_000

const maxFlaps = 6

// faulted is what an output has of faults, of fixed size.
type faulted struct {
	Lasts  iomap.FaultSet   // that last
	Stays  iomap.FaultSet   // that are over, and in whose safe states it is still
	Latch  iomap.FaultSet   // of both, those that a person has to reset
	Class  iomap.FaultClass // that decides
	Status uint8            // SafeStatus told last
	Flaps  uint8            // how often in a row a fault has come again soon
	Absent bool             // its device did not confirm, or reads back something else, and has not confirmed since
	Back   bool             // Held comes back when the fault is over: nobody is held for it
	Until  int64            // a fault that has flapped is over when it was gone until then
	Left   int64            // when it was last out of a safe state that ends by itself
}

// faultNames are the words for a class of faults in reasons.
var faultNames = [iomap.FaultClasses]string{
	iomap.InputInvalid: "safe state: input_invalid", iomap.NetStale: "safe state: net_stale", iomap.SensorBad: "safe state: sensor_bad",
	iomap.DeviceAbsent: "safe state: device_absent", iomap.RunnerLost: "safe state: runner_lost", iomap.Watchdog: "safe state: watchdog",
	iomap.PowerLoss: "safe state: power_loss", iomap.SafetyTrip: "safe state: safety_trip"}

// policy is what becomes of an output in a fault of a class.
func (m *Machine) policy(o int, c iomap.FaultClass) *iomap.FaultPolicy {
	return &m.p.Outputs[o].Faults.Policy[c]
}

// faultGate is the class of faults that keeps an output at its safe value, NoClass where none does.
func (m *Machine) faultGate(o int) iomap.FaultClass {
	s := &m.out[o]
	shut := s.Lasts | s.Latch
	for c := iomap.InputInvalid; s.Stays&^s.Latch != 0 && c < iomap.FaultClasses; c++ {
		if s.Stays.Has(c) && m.policy(o, c).Recover == iomap.RecoverAuto {
			shut |= c.Of()
		}
	}
	if shut == 0 {
		return iomap.NoClass
	}
	return m.p.Outputs[o].Faults.Decisive(shut)
}

// lasting is the set of faults of an output that last.
func (m *Machine) lasting(o int) iomap.FaultSet {
	set := m.view.Faults(o)
	if m.out[o].Absent {
		set |= iomap.DeviceAbsent.Of()
	}
	if m.r.Failing {
		set |= iomap.PowerLoss.Of()
	}
	for _, i := range m.gates[o] {
		if m.p.Interlocks[i].Safety {
			if blocks, _ := m.view.Blocks(int(i)); blocks {
				set |= iomap.SafetyTrip.Of()
			}
		}
	}
	return set
}

// assess takes in which faults of an output last and tells a change of its safe state.
func (m *Machine) assess(at int64, o int, restarts bool, fx []Effect) []Effect {
	s, faults := &m.out[o], m.p.Outputs[o].Faults
	if faults == nil || m.foreign(o) {
		return fx
	}
	now := m.lasting(o)
	if now == s.Lasts && s.Stays == 0 {
		return fx
	}
	fresh, over, stayed := now&^s.Lasts, s.Lasts&^now, s.Stays
	s.Lasts, s.Stays = now, (s.Stays|over)&^now
	for c := iomap.InputInvalid; c < iomap.FaultClasses; c++ {
		if fresh.Has(c) && faults.Policy[c].State == iomap.LatchState {
			s.Latch |= c.Of()
		}
		if over.Has(c) && s.Flaps > 0 && faults.Policy[c].Recover == iomap.RecoverAuto {
			s.Until = at + FlapGap<<(s.Flaps-1)
			m.timers.Set(m.faultTimer(o), s.Until)
		}
	}
	for c := iomap.InputInvalid; s.Stays != 0 && c < iomap.FaultClasses; c++ {
		if s.Stays.Has(c) && m.leaves(at, o, c) {
			s.Stays &^= c.Of()
		}
	}
	m.all = m.all || fresh|over != 0 || s.Stays != stayed // whoever it has withheld something from
	return m.tellSafe(at, o, restarts, fx)
}

// leaves tells whether an output leaves the safe state of a fault that is over.
func (m *Machine) leaves(at int64, o int, c iomap.FaultClass) bool {
	s := &m.out[o]
	switch m.policy(o, c).Recover {
	case iomap.RecoverAuto:
		return s.Flaps == 0 || at >= s.Until
	case iomap.RecoverPLC:
		return true
	}
	return !s.Latch.Has(c) && (s.Value != m.safe(o) || !m.isHeld(int(s.Owner)))
}

// tellSafe tells a change of an output's safe state, and lets it come back where it is over.
func (m *Machine) tellSafe(at int64, o int, restarts bool, fx []Effect) []Effect {
	s := &m.out[o]
	class, status := m.p.Outputs[o].Faults.Decisive(s.Lasts|s.Stays), FaultLasts
	switch {
	case class == iomap.NoClass:
		status = NotInSafeState
	case s.Lasts.Has(class):
	case s.Latch.Has(class):
		status = WaitsForReset
	case m.policy(o, class).Recover != iomap.RecoverAuto:
		status = WaitsForRestart
	}
	was := s.Class
	if class == was && status == SafeStatus(s.Status) {
		return fx
	}
	safe := m.safe(o)
	s.Class, s.Status, m.all = class, uint8(status), true
	e := Effect{Kind: SafeStateChanged, Output: o, Fault: class, WasFault: was, Status: status, Value: s.Value}
	switch {
	case was == iomap.NoClass:
		if s.Left > 0 && at < s.Left+2*FlapGap<<s.Flaps {
			s.Flaps = min(s.Flaps+1, maxFlaps)
		} else {
			s.Flaps = 0
		}
	case class == iomap.NoClass:
		s.Left = at
		m.timers.Clear(m.faultTimer(o))
	}
	if class != iomap.NoClass && m.policy(o, class).State != iomap.KeepState {
		e.Value = m.safe(o)
	}
	if to := m.safe(o); class != iomap.NoClass && to != safe && s.Value == to && !s.Kept && !s.Back { // somebody has set it to what it is to be now
		m.keepValue(o)
		m.caught[o] = true
		if m.policy(o, class).Recover == iomap.RecoverAuto {
			s.Kept, s.Back = false, true
		}
	}
	if class == iomap.SafetyTrip {
		e.Interlock = m.tripOf(o)
	}
	fx = append(fx, e)
	return m.comesBack(at, o, safe, restarts, fx)
}

// tripOf is the number + 1 of the safety trip that gates an output.
func (m *Machine) tripOf(o int) int {
	for _, i := range m.gates[o] {
		if blocks, _ := m.view.Blocks(int(i)); blocks && m.p.Interlocks[i].Safety {
			return int(i) + 1
		}
	}
	return 0
}

// comesBack lets an output have what is commanded where its safe state is over, and else moves it on from what was its safe value.
func (m *Machine) comesBack(at int64, o int, was int64, restarts bool, fx []Effect) []Effect {
	s := &m.out[o]
	if s.Back && s.Class == iomap.NoClass {
		s.Back = false
		switch {
		case m.isHeld(int(s.Owner)): // a restart brings it back
			s.Kept = true
		case m.gaveUp(int(s.Owner)) || m.follows(o) || m.gate(o).shut():
		default:
			return m.write(at, o, m.wanted(at, o), "fault over", fx)
		}
	}
	if restarts && s.Kept && !m.isHeld(int(s.Owner)) { // which is about to bring it back
		return fx
	}
	if s.Value == was && was != m.safe(o) && !m.follows(o) {
		reason := "fault over"
		if s.Class != iomap.NoClass {
			reason = faultNames[s.Class]
		}
		m.grantTime(at)
		return m.writeSafe(at, o, reason, fx)
	}
	return fx
}

// grantTime gives an output its time to be confirmed where a transient state waits for it.
func (m *Machine) grantTime(at int64) {
	if m.timers.Due(m.escapeTimer()) != timebase.Never {
		m.timers.Set(m.escapeTimer(), at+Transient)
	}
}

// faults takes in the faults of all outputs and drives those to their safe values that drop. As with an interlock that is level and not
// edge: what comes to run while a fault lasts is met by it too. What a safety trip drives, its interlock does.
func (m *Machine) faults(at int64, fx []Effect) []Effect {
	for o := range m.out {
		fx = m.assess(at, o, false, fx)
		if c := m.out[o].Class; c != iomap.NoClass && c != iomap.SafetyTrip && SafeStatus(m.out[o].Status) < WaitsForRestart {
			fx = m.dropIn(at, o, c, fx)
		}
		m.caught[o] = false
	}
	return fx
}

// dropIn drives an output to the value of a class that drops, and holds who answers for it unless it comes back by itself.
func (m *Machine) dropIn(at int64, o int, c iomap.FaultClass, fx []Effect) []Effect {
	s, p := &m.out[o], m.policy(o, c)
	caught := m.caught[o]
	m.caught[o] = false
	if p.State == iomap.KeepState || s.Value == m.safe(o) && (!s.Back && !caught || p.Recover == iomap.RecoverAuto) {
		return fx
	}
	n := len(fx)
	m.grantTime(at)
	if p.Recover != iomap.RecoverAuto {
		if s.Back || s.Value != m.p.Outputs[o].Safe { // somebody has set it
			fx = m.failAt(at, int(s.Owner), Hold, faultNames[c], fx)
		}
		fx = m.drive(at, o, faultNames[c], fx)
	} else {
		if !s.Kept && !s.Back && !m.setLater(o) {
			m.keepValue(o)
			s.Kept, s.Back = false, true
		}
		fx = m.writeSafe(at, o, faultNames[c], fx)
	}
	for ; n < len(fx); n++ {
		if fx[n].Kind != Found && fx[n].Fault == iomap.NoClass {
			fx[n].Fault = c
			if fx[n].Kind != Write {
				fx[n].Output = o
			}
		}
	}
	return fx
}

// restsFor is the class of faults for which a value is the one that an output takes, NoClass where there is none.
func (m *Machine) restsFor(o int, value int64) iomap.FaultClass {
	if c := m.out[o].Class; c != iomap.NoClass && m.policy(o, c).State != iomap.KeepState && value == m.safe(o) {
		return c
	}
	return iomap.NoClass
}

// cameUp takes in at a boot that a fault has come and gone while nobody watched, and tells which outputs it has brought into a safe state.
// What recovers by itself is left to the recovery rules.
func (m *Machine) cameUp(at int64, c iomap.FaultClass, fx []Effect) []Effect {
	for o := range m.out {
		s := &m.out[o]
		s.Absent, s.Until, s.Left, s.Flaps = false, 0, 0, 0
		m.timers.Clear(m.faultTimer(o))
		if m.p.Outputs[o].Faults == nil || c == iomap.NoClass || m.foreign(o) {
			continue
		}
		switch p := m.policy(o, c); {
		case p.State == iomap.LatchState:
			s.Latch, s.Stays = s.Latch|c.Of(), s.Stays|c.Of()&^s.Lasts
		case p.State == iomap.DropState && p.Recover == iomap.RecoverRestart && s.Value != m.safe(o):
			s.Stays |= c.Of() &^ s.Lasts
		}
		fx = m.tellSafe(at, o, false, fx)
	}
	return fx
}

// drops brings outputs to rest at a boot whose fault has dropped them, and holds who answers for them.
func (m *Machine) drops(at int64, c iomap.FaultClass, fx []Effect) []Effect {
	for o := range m.out {
		if s := &m.out[o]; c != iomap.NoClass && s.Stays.Has(c) && s.Class == c {
			fx = m.dropIn(at, o, c, fx)
		}
	}
	return fx
}

// power takes in that the supply fails, or is back. While it fails the whole batch is held, unless every output comes back by itself.
func (m *Machine) power(at int64, back bool, fx []Effect) []Effect {
	m.r.Failing = !back
	if back {
		return fx
	}
	n, all, own := len(fx), true, false
	for o := range m.out {
		fx = m.assess(at, o, false, fx)
	}
	for o := range m.out {
		if m.foreign(o) {
			continue
		}
		f := m.p.Outputs[o].Faults
		own, all = true, all && f != nil && f.Policy[iomap.PowerLoss].Recover == iomap.RecoverAuto
	}
	if !all || !own {
		fx = m.fail(at, Hold, faultNames[iomap.PowerLoss], fx)
	}
	for ; n < len(fx); n++ {
		if fx[n].Kind == StepChanged {
			fx[n].Fault = iomap.PowerLoss
		}
	}
	return fx
}

// resets answers the order that resets what has latched of an output.
func (m *Machine) resets(at int64, ev *Event, answer Effect, fx []Effect) []Effect {
	if ev.Target < 0 || ev.Target >= len(m.out) {
		answer.Reason = "no such output"
		return append(fx, answer)
	}
	s := &m.out[ev.Target]
	answer.Output = ev.Target
	switch lasts := s.Lasts & s.Latch; {
	case s.Latch == 0:
		answer.Result, answer.Reason = NoOp, "it has not latched"
	case lasts != 0:
		answer.Fault = m.p.Outputs[ev.Target].Faults.Decisive(lasts)
		answer.Reason = "its fault lasts: " + answer.Fault.String()
	default:
		answer.Result, s.Latch = Accepted, 0
		return m.assess(at, ev.Target, false, append(fx, answer))
	}
	return append(fx, answer)
}

// SafeState tells in which safe state an output is, of which class of faults, and which of its faults last.
func (m *Machine) SafeState(output int) (c iomap.FaultClass, s SafeStatus, lasts iomap.FaultSet) {
	o := &m.out[output]
	return o.Class, SafeStatus(o.Status), o.Lasts
}

// Failing tells whether the supply fails, as far as was heard.
func (m *Machine) Failing() bool { return m.r.Failing }

// fits tells whether an output can have come into this state of its faults.
func (s *faulted) fits(of *iomap.Faults, due int64) bool {
	if of == nil {
		return *s == faulted{} && due == timebase.Never
	}
	all := s.Lasts | s.Stays | s.Latch
	return all>>iomap.FaultClasses == 0 && all&1 == 0 && s.Latch&^(s.Lasts|s.Stays) == 0 && s.Class < iomap.FaultClasses &&
		SafeStatus(s.Status) <= WaitsForRestart && (s.Class == 0) == (s.Status == 0) && s.Flaps <= maxFlaps
}
