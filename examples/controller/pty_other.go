//go:build !linux

// Where there is no Linux there is no line of a scale.

package main

import "errors"

// pty is a pseudo terminal, of which there is none.
type pty struct{ name string }

func openPTY() (*pty, error) { return nil, errors.ErrUnsupported }

func (*pty) say(string) {}

func (*pty) close() error { return nil }
