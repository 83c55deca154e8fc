// A process that is one of many: how its memory is kept small.

package host

import (
	"os"
	"runtime"
	"runtime/debug"
)

// Of a process that has one batch alone.
const (
	heapGrowth = 25 // percent of what lives, between two collections: the heap of a batch hardly changes once it runs
	threads    = 2  // that run Go code at once: each has memory of its own, and one more than the loop keeps clients from waiting for it
)

// keepSmall has the process grow little. What the environment says stands.
func keepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(threads, runtime.GOMAXPROCS(0)))
	}
}
