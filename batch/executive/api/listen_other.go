//go:build !unix

// Where there are no locks of directories: who starts two processes of one name at a time may get both.

package api

import "fmt"

func lockDir(string) (unlock func(), err error) { return func() {}, nil }

// refused takes every error of a connection for a socket that nobody listens at.
func refused(error) bool { return true }

// Keeps refuses nobody but another board: here the system does not say who is at the far end of a socket.
func (p Peer) Keeps(string) error {
	if p.Node != "" {
		return fmt.Errorf("api: node %s is another board", p.Node)
	}
	return nil
}
