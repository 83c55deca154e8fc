//go:build unix

// What only Unix has: sessions of their own.

package main

import "syscall"

// apart keeps Ctrl-C at the terminal from a process: who started it ends it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
