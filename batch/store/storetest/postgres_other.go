//go:build !linux

// Processes of PostgreSQL elsewhere: none.

package storetest

import (
	"fmt"
	"os/exec"
)

const sigKill, sigStop, sigCont, sigQuit = 9, 19, 18, 3

func signal(int, int) {}

func ownedByServer(string) error { return fmt.Errorf("%w: install postgresql on Linux", ErrAbsent) }

func asServer(*exec.Cmd) error { return ownedByServer("") }

func startKept(*exec.Cmd) (chan struct{}, error) { return nil, ownedByServer("") }

func freeShared(string) {}

func childrenOf(int) []int { return nil }
