//go:build !linux

// The guest's side on systems that have none: it is a Linux of its own.

package main

import "errors"

const diskAt = "/disk"

func first() error { return errors.New("the guest is a Linux; build it with GOOS=linux") }
