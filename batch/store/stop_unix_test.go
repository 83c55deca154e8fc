//go:build unix

// Processes that are stopped where they are.

package store_test

import (
	"os"
	"syscall"
)

func stop(p *os.Process) { _ = p.Signal(syscall.SIGSTOP) }

func goOn(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }
