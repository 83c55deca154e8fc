// Real-time manners of the controller: a clock with a thread of its own, and what else the system gives it.

package main

import (
	"flag"

	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

const realTimeHelp = "keep deadlines nearer, by what the system grants: real-time threads, locked memory, more threads; what was got is on record of the boot"

// clocks declares the flags that are about time.
func (f *flags) clocks(set *flag.FlagSet) {
	set.StringVar(&f.time, "time", "", timeHelp)
	set.BoolVar(&f.realTime, "realtime", false, realTimeHelp)
}

// heapLimit is the soft limit of the controller's heap while its memory is locked, in bytes: some ten times what the demo takes.
const heapLimit = 256 << 20

// beat gives the clock of a batch. Why says what of it was not to be had; stop ends it, behind everyone who waits.
func beat(f *flags) (clock timebase.Clock, why string, stop func()) {
	if f.realTime {
		c, err := system.NewThreadClock(system.ClockPriority)
		if err == nil {
			return c, "", func() { _ = c.Close() }
		}
		why = "no thread for the clock: " + err.Error() + "; "
	}
	return system.NewClock(f.speed), why, func() {}
}

// manners takes what the system grants, once the processes that this one starts are there: they would inherit it. Why comes first in
// what it tells.
func manners(f *flags, why string) string {
	if !f.realTime {
		return ""
	}
	return why + system.Manners{Priority: system.Priority, Lock: true, Memory: heapLimit}.Take()
}
