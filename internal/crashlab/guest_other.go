//go:build !linux

// The guest on systems that have none: it is a Linux of its own.

package main

import "errors"

var errLinux = errors.New("the guest is a Linux; build it with GOOS=linux")

func guest() error { return errLinux }

func live(int, string) error { return errLinux }
