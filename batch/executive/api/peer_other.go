//go:build !linux

// Where the kernel is not asked who is at the far end of a socket, nobody is believed.

package api

import "net"

func peerOf(net.Conn) (Peer, bool) { return Peer{}, false }
