// What only Windows has: process groups, and files that are open once.

package main

import (
	"errors"
	"os"
	"syscall"
)

// detached is DETACHED_PROCESS: no console.
const detached = 0x8

// sharing is ERROR_SHARING_VIOLATION.
const sharing = syscall.Errno(32)

// apart lets a process outlive the console of who starts it.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | detached, HideWindow: true}
}

// lockFile locks a file until it is closed or the process ends, or says errLocked.
func lockFile(name string) (*os.File, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharing) {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// sameLock is true: nobody can delete a file that is open without sharing.
func sameLock(*os.File, string) bool { return true }
