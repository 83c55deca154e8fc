// A port for a server that is started later, and again.

package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// handed are the ports that FreePort has given.
var handed sync.Map

// FreePort finds an address of the loopback at which nobody listens, below the ports that systems give to whoever asks for any. Such a
// port stays free while a test prepares its server, and while that server is down; one that a system gave goes to the next who asks. It
// gives a process none twice: whoever has one may not listen at it yet, or not at the moment.
func FreePort() (*net.TCPAddr, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if err != nil {
			continue
		}
		at := l.Addr().(*net.TCPAddr)
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("storetest: %w", err)
		}
		if _, twice := handed.LoadOrStore(at.Port, true); !twice {
			return at, nil
		}
	}
	return nil, errors.New("storetest: no port is free")
}
