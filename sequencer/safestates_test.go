// Safe states in random programs: what the watch knows of them, and how the worlds make faults.

package sequencer

import (
	"fmt"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/timebase"
)

// safeKnown is what a watch knows of the safe state of an output from effects alone.
type safeKnown struct {
	class  iomap.FaultClass
	status SafeStatus
}

// policy is what becomes of an output in the safe state that was told last.
func (w *watch) policy(o int) *iomap.FaultPolicy {
	return &w.w.Outputs[o].Faults.Policy[w.safes[o].class]
}

// drops tells whether an output is in a safe state that has a value.
func (w *watch) drops(o int) bool {
	return w.safes[o].class != iomap.NoClass && w.policy(o).State != iomap.KeepState
}

// safeState checks a change of a safe state.
func (w *watch) safeState(e *Effect) error {
	s := &w.safes[e.Output]
	switch {
	case w.w.Outputs[e.Output].Faults == nil:
		return fmt.Errorf("output %d has no faults", e.Output)
	case s.class != e.WasFault || s.class == e.Fault && s.status == e.Status || (e.Fault == iomap.NoClass) != (e.Status == NotInSafeState):
		return fmt.Errorf("output %d was in the safe state of %q, %s", e.Output, s.class, s.status)
	}
	s.class, s.status = e.Fault, e.Status
	if out := &w.out[e.Output]; out.value != w.safe(e.Output) { // what is safe may be another value now
		out.since = 0
	} else if out.since == 0 {
		out.since = out.wrote
	}
	if e.Fault == iomap.NoClass {
		return nil
	}
	if p := w.policy(e.Output); e.Status == WaitsForReset && p.State != iomap.LatchState || e.Status == WaitsForRestart && p.State == iomap.KeepState {
		return fmt.Errorf("output %d does not wait so: %+v", e.Output, *p)
	}
	return nil
}

// faulty tells whether a fault lasts for which an output may not leave its safe value.
func (w *watch) faulty(o int) bool {
	if w.w.Outputs[o].Faults == nil {
		return false
	}
	return w.plant.faults[o] != 0 || w.failing || w.safes[o].class != iomap.NoClass && w.safes[o].status <= WaitsForReset
}

// faults checks that what lasts is told, and that what drops has its value.
func (w *watch) faults(m *Machine) error {
	for o := range w.safes {
		if w.w.Outputs[o].Faults == nil || m.Ended() || w.foreign(o) {
			continue
		}
		s := &w.safes[o]
		if (w.plant.faults[o] != 0 || w.failing) && (s.class == iomap.NoClass || s.status > FaultLasts && w.policy(o).State == iomap.KeepState) {
			return fmt.Errorf("output %d has faults %b, failing %t, and none is told", o, w.plant.faults[o], w.failing)
		}
		if w.drops(o) && s.status <= WaitsForReset && w.out[o].value != w.policy(o).Value {
			return fmt.Errorf("output %d is %d, and %s drops it to %d", o, w.out[o].value, s.class, w.policy(o).Value)
		}
	}
	return nil
}

// faults gives outputs policies of all kinds.
func (g *grower) faults() {
	for o := range g.outs {
		f := &iomap.Faults{}
		for c := iomap.InputInvalid; c < iomap.FaultClasses; c++ {
			p := iomap.DefaultFault(c)
			if p.Value = g.w.Outputs[o].Safe; g.IntN(2) == 0 && c != iomap.SafetyTrip {
				p.State = iomap.SafeState(g.IntN(3))
				switch p.Recover = iomap.RecoverAuto; {
				case p.State == iomap.KeepState && (c == iomap.DeviceAbsent || c == iomap.Watchdog || c == iomap.PowerLoss):
					p.State, p.Recover = iomap.DropState, iomap.RecoverRestart
				case p.State == iomap.DropState && (c == iomap.DeviceAbsent || g.IntN(2) == 0):
					p.Recover = iomap.RecoverRestart
				case p.State == iomap.LatchState:
					p.Recover = iomap.RecoverReset
				}
			}
			if p.State != iomap.KeepState && g.IntN(3) == 0 {
				p.Value = int64(g.IntN(3) - 1)
			}
			f.Policy[c] = p
		}
		g.w.Outputs[o].Faults = f
	}
}

// breaks lets faults come and go, and people reset what has latched.
func (w *world) breaks() (ev Event, ok bool) {
	if w.r.w.Outputs[0].Faults == nil {
		return ev, false
	}
	o := w.IntN(len(w.r.w.Outputs))
	if w.r.w.Outputs[o].Faults == nil {
		return ev, false
	}
	switch w.IntN(60) {
	case 0:
		return Event{Kind: Power, OK: w.IntN(2) == 0}, true
	case 1, 2, 3, 4:
		return Event{Kind: Told, Command: ResetSafeState, Target: o}, true
	case 5, 6:
		if w.r.plant.faults == nil {
			w.r.plant.faults = map[int]iomap.FaultSet{}
		}
		w.r.plant.faults[o] = []iomap.FaultSet{iomap.InputInvalid.Of(), iomap.NetStale.Of(), iomap.SensorBad.Of() | iomap.NetStale.Of(),
			iomap.DeviceAbsent.Of()}[w.IntN(4)]
		return Event{Kind: Changed}, true
	case 7, 8, 9, 10, 11, 12:
		delete(w.r.plant.faults, o)
		return Event{Kind: Changed}, true
	case 13:
		if w.IntN(4) == 0 {
			return Event{Kind: Boot, Fault: []iomap.FaultClass{iomap.RunnerLost, iomap.Watchdog, iomap.PowerLoss, iomap.NoClass}[w.IntN(4)]}, true
		}
	}
	return ev, false
}

func seconds(ns int64) string {
	if ns == timebase.Never {
		return "never"
	}
	return fmt.Sprintf("%d.%03d s", ns/second, ns%second/1_000_000)
}
