// Processes of PostgreSQL on Linux.

package storetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

const (
	sigKill = syscall.SIGKILL
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
	sigQuit = syscall.SIGQUIT
)

// signal sends a signal to a process that may have ended.
func signal(pid int, s syscall.Signal) { _ = syscall.Kill(pid, s) }

// serverUser is whom the server runs as: it refuses root.
func serverUser() (uid, gid uint32, err error) {
	if os.Geteuid() != 0 {
		return uint32(os.Geteuid()), uint32(os.Getegid()), nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
			gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
			if err1 == nil && err2 == nil {
				return uint32(uid), uint32(gid), nil
			}
		}
	}
	return 0, 0, fmt.Errorf("%w: it refuses root, and there is no user postgres; install postgresql", ErrAbsent)
}

func ownedByServer(path string) error {
	uid, gid, err := serverUser()
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	return os.Chown(path, int(uid), int(gid))
}

// asServer has a command run as the server does, and end with this process: at once, and without leaving shared memory behind. One
// that is stopped then goes on first, since the kernel wakes a group of processes that nobody is left to wake.
func asServer(cmd *exec.Cmd) error {
	uid, gid, err := serverUser()
	if err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return nil
}

// startKept starts a command from a thread that lasts as long as it: the kernel takes the end of that for the end of the parent.
func startKept(cmd *exec.Cmd) (ended chan struct{}, err error) {
	started, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return done, <-started
}

// freeShared gives back the segment of shared memory that a server which was killed has left: the last of the line of two numbers.
func freeShared(pidFile string) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return // it has done so itself
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 2 {
			if id, err := strconv.Atoi(string(fields[1])); err == nil {
				_, _, _ = syscall.Syscall(syscall.SYS_SHMCTL, uintptr(id), 0, 0) // IPC_RMID is 0
			}
		}
	}
}

// childrenOf lists the children of a process.
func childrenOf(pid int) (all []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		at := bytes.LastIndexByte(text, ')')
		if fields := bytes.Fields(text[at+1:]); len(fields) > 1 && string(fields[1]) == strconv.Itoa(pid) {
			if n, err := strconv.Atoi(string(text[:bytes.IndexByte(text, ' ')])); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}
