// A port for a server that is started later, and again.

package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreePort finds an address of the loopback at which nobody listens, below the ports that systems give to whoever asks for any. Such a
// port stays free while a test prepares its server, and while that server is down; one that a system gave goes to the next who asks.
func FreePort() (*net.TCPAddr, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if err == nil {
			return l.Addr().(*net.TCPAddr), l.Close()
		}
	}
	return nil, errors.New("storetest: no port is free")
}
