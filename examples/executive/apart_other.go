//go:build !unix

// Where there are no sessions, Ctrl-C reaches every process.

package main

import "syscall"

func apart() *syscall.SysProcAttr { return nil }
