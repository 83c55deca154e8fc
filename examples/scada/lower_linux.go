// Priority on Linux, where each thread has one of its own.

package main

import (
	"os"
	"strconv"
	"syscall"
)

// niceness is how far the process steps aside.
const niceness = 10

// lower lowers the priority of all threads; those that are made later have that of the one that makes them.
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
		if err != nil && err != syscall.ESRCH {
			return err
		}
	}
	return nil
}
