// Priority on Linux, where each thread has one of its own, and each session, too.

package main

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

// niceness is how far the process steps aside.
const niceness = 10

// lower lowers the priority of all threads; those that are made later have that of the one that makes them. Where the kernel shares the
// processors out by sessions (sched_autogroup), that counts within a session alone: a process that leads one, as a service does, lowers its
// session, too. One in the session of others does not, since they would go with it.
func lower() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err == nil {
			err = syscall.Setpriority(syscall.PRIO_PROCESS, id, niceness)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	session, _, wrong := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	if wrong != 0 || int(session) != os.Getpid() {
		return nil
	}
	err = os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(niceness)), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the kernel has none
	}
	return err
}
