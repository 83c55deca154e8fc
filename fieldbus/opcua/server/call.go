// Calls: what a service is handed of a session's request, and how it answers.

package server

import (
	"time"

	"github.com/gopcua/opcua/ua"
)

// call is one request of a session that is active, as a service is handed it.
type call struct {
	srv  *Server
	sess *session
	id   uint32            // of the request on its channel
	hdr  *ua.RequestHeader // the request has the same
}

// service answers a request; a nil response says that it answers later, by session.answer. An error that is a ua.StatusCode becomes a
// ServiceFault, any other the fault BadInternalError. It runs on the goroutine of its connection: what it waits for, this client waits
// for. A panic costs the connection, so a lock is given back by defer.
//
// Services stand in Server.services, by the type of their request (ua.ServiceTypeID). Those of sessions, channels and discovery are not
// among them.
type service func(c *call, req ua.Request) (ua.Response, error)

// responseHeader makes the header of the response to a request; hdr may be nil.
func responseHeader(hdr *ua.RequestHeader, status ua.StatusCode) *ua.ResponseHeader {
	h := &ua.ResponseHeader{
		Timestamp: time.Now(), ServiceResult: status, ServiceDiagnostics: &ua.DiagnosticInfo{}, StringTable: []string{},
		AdditionalHeader: ua.NewExtensionObject(nil),
	}
	if hdr != nil {
		h.RequestHandle = hdr.RequestHandle
	}
	return h
}
