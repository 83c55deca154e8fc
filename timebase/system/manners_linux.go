// Manners on Linux: scheduling policy, memory, and how many threads run Go code.

package system

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// realTime gives a thread, or the calling one for 0, a policy with a priority; 0 changes nothing.
func realTime(tid int, p policy, priority int) error {
	if priority == 0 {
		return nil
	}
	param := struct{ priority int32 }{int32(priority)}
	_, _, e := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), uintptr(p), uintptr(unsafe.Pointer(&param)))
	switch e {
	case 0:
		return nil
	case unix.EPERM:
		return fmt.Errorf("system: %v with priority %d: %w: it takes CAP_SYS_NICE or LimitRTPRIO=%d", p, priority, e, priority)
	}
	return fmt.Errorf("system: %v with priority %d: %w", p, priority, e)
}

// allRealTime does so for every thread of the process that has no higher priority yet. Threads to come inherit it.
func allRealTime(priority int) error {
	for done := map[string]bool{}; ; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("system: threads of this process: %w", err)
		}
		more := false
		for _, t := range threads { // until no new one is found, since one that had the old policy may have started it
			if done[t.Name()] {
				continue
			}
			done[t.Name()], more = true, true
			tid, err := strconv.Atoi(t.Name())
			if err != nil || policyOf(tid) >= priority {
				continue
			}
			if err := realTime(tid, rr, priority); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// policyOf is the priority of a thread under SCHED_FIFO or SCHED_RR, 0 for every other policy.
func policyOf(tid int) int {
	has, _, e := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(tid), 0, 0)
	var param struct{ priority int32 }
	if p := policy(has); e != 0 || p != fifo && p != rr {
		return 0
	}
	if _, _, e = unix.RawSyscall(unix.SYS_SCHED_GETPARAM, uintptr(tid), uintptr(unsafe.Pointer(&param)), 0); e != 0 {
		return 0
	}
	return int(param.priority)
}

// lock keeps memory in RAM, and says whether it does.
func (m Manners) lock() string {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE); err != nil {
		return "memory not locked: " + err.Error() + ": it takes CAP_IPC_LOCK or LimitMEMLOCK=infinity"
	}
	words := "memory locked"
	if m.Memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.Memory)
		words += fmt.Sprintf(", GOMEMLIMIT %d MiB", m.Memory>>20)
	}
	return words
}
