//go:build !unix

// Where system calls are not those of Unix, exchanges go by the net.Conn.

package modbus

import "net"

type raw struct{}

func newRaw(net.Conn) *raw { return nil }

func (*raw) ask(*[]byte, []byte) (int, error) { panic("modbus: a raw connection that is none") }
