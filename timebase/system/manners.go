// Manners: what a controller asks of the operating system so that its deadlines are kept, and what it got.

package system

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// The priorities that a controller with manners has: its threads, and above them the thread of its clock.
const (
	Priority      = 20
	ClockPriority = 50
)

// Manners is what a process may ask for. Each is worth having without the others, and none is needed for a batch to be right: deadlines
// are kept nearer.
type Manners struct {
	// Priority is that of SCHED_RR, 1 to 98, for each thread that the process has and will have; 0: the ordinary policy. It is for a
	// process that allocates little and runs no programs: what computes without end leaves the others on the machine what the kernel keeps
	// for them, 5 % of the time as a rule.
	Priority int

	// Lock keeps all memory of the process in RAM. The heap then counts in full: set GOMEMLIMIT, or Memory.
	Lock bool

	// Memory is the soft limit of the heap in bytes where Lock was granted, and nobody has set GOMEMLIMIT; 0: none.
	Memory int64

	// Procs is how many threads may run Go code at once, at least; 0: two for each processor. A thread that comes back from a system call
	// needs a free one, and the kernel knows whose turn it is. Who has set GOMAXPROCS keeps it.
	Procs int
}

// Take takes what can be had, and tells in words what was got and what was not, with what would give it: "SCHED_RR 20; memory locked;
// GOMAXPROCS 4 on 2 processors". At most 400 bytes. It changes the whole process, and blocks for as long as it takes to bring its memory
// into RAM.
func (m Manners) Take() string {
	var got []string
	if m.Procs == 0 {
		m.Procs = 2 * runtime.NumCPU()
	}
	got = append(got, procs(m.Procs))
	if m.Lock {
		got = append(got, m.lock())
	}
	if m.Priority > 0 { // last, since what was done before may have started threads
		words := fmt.Sprintf("%v %d", rr, m.Priority)
		if err := allRealTime(m.Priority); err != nil {
			words = "not " + words + ": " + err.Error()
		}
		got = append(got, words)
	}
	words := strings.Join(got, "; ")
	return words[:min(len(words), 400)]
}

// The policies of sched_setscheduler(2). A thread that never spins may have SCHED_FIFO. Those that run Go code may not: the sweeper of the
// collector, for one, goes round until another thread has done with a span, and under SCHED_FIFO it would keep that thread, of its own
// priority, from the processor for ever. Under SCHED_RR each has its turn, 100 ms at a time unless sched_rr_timeslice_ms says less.
const (
	fifo policy = 1
	rr   policy = 2
)

type policy uintptr

func (p policy) String() string {
	if p == rr {
		return "SCHED_RR"
	}
	return "SCHED_FIFO"
}

// procs lets more threads run Go code, where nobody has said how many.
func procs(most int) string {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < most {
		runtime.GOMAXPROCS(most)
	}
	return fmt.Sprintf("GOMAXPROCS %d on %d processors", runtime.GOMAXPROCS(0), runtime.NumCPU())
}
