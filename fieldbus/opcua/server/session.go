// Sessions: who has come in, by which channel, and until when.

package server

import (
	"github.com/gopcua/opcua/ua"
)

// session is a client that was let in.
type session struct {
	id     *ua.NodeID
	subs   subscriptions
	closed <-chan struct{} // closed when the session has ended
}

// answer sends the response to a request, in any order with others and from any goroutine. It waits for no client: a response for a
// session whose connection is gone is dropped, and a client that does not read loses its connection.
func (s *session) answer(id uint32, hdr *ua.RequestHeader, r ua.Response) {}
