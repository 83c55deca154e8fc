//go:build unix

// What only Unix has: sessions of their own, and locks that end with their process.

package main

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// apart lets a process outlive the terminal and the session of who starts it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// lockFile locks a file until it is closed or the process ends, or says errLocked.
func lockFile(name string) (io.Closer, error) {
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
