//go:build unix

// What only Unix has: sessions of their own, and locks that end with their process.

package main

import (
	"errors"
	"os"
	"syscall"
)

// apart lets a process outlive the terminal and the session of who starts it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// lockFile locks a file until it is closed or the process ends, or says errLocked.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sameLock tells whether the file of a name is still the one that a lock is of: it may have been deleted, and made anew.
func sameLock(lock *os.File, name string) bool {
	mine, err := lock.Stat()
	if err != nil {
		return false
	}
	is, err := os.Stat(name)
	return err == nil && os.SameFile(mine, is)
}
