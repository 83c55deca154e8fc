// Requests: which service answers, who may ask for it, and how responses are sent.

package server

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/gopcua/opcua/ua"
)

// requestTypes are the requests that are decoded, by their type; of others nothing is but the header.
var requestTypes = typesOf(
	&ua.FindServersRequest{}, &ua.GetEndpointsRequest{}, &ua.CreateSessionRequest{}, &ua.ActivateSessionRequest{}, &ua.CloseSessionRequest{},
	&ua.CancelRequest{}, &ua.BrowseRequest{}, &ua.BrowseNextRequest{}, &ua.TranslateBrowsePathsToNodeIDsRequest{}, &ua.RegisterNodesRequest{},
	&ua.UnregisterNodesRequest{}, &ua.ReadRequest{}, &ua.HistoryReadRequest{}, &ua.WriteRequest{}, &ua.CallRequest{},
	&ua.CreateMonitoredItemsRequest{}, &ua.ModifyMonitoredItemsRequest{}, &ua.SetMonitoringModeRequest{}, &ua.SetTriggeringRequest{},
	&ua.DeleteMonitoredItemsRequest{}, &ua.CreateSubscriptionRequest{}, &ua.ModifySubscriptionRequest{}, &ua.SetPublishingModeRequest{},
	&ua.PublishRequest{}, &ua.RepublishRequest{}, &ua.TransferSubscriptionsRequest{}, &ua.DeleteSubscriptionsRequest{},
)

func typesOf(all ...ua.Request) map[uint16]reflect.Type {
	m := map[uint16]reflect.Type{}
	for _, r := range all {
		m[ua.ServiceTypeID(r)] = reflect.TypeOf(r).Elem()
	}
	return m
}

// doors are the services that need no active session, by the type of their request: they lead to one, or tell where there are some.
var doors = map[uint16]func(c *conn, req ua.Request) (ua.Response, error){
	ua.ServiceTypeID(&ua.FindServersRequest{}):     (*conn).findServers,
	ua.ServiceTypeID(&ua.GetEndpointsRequest{}):    (*conn).getEndpoints,
	ua.ServiceTypeID(&ua.CreateSessionRequest{}):   (*conn).createSession,
	ua.ServiceTypeID(&ua.ActivateSessionRequest{}): (*conn).activateSession,
	ua.ServiceTypeID(&ua.CloseSessionRequest{}):    (*conn).closeSession,
}

// request answers one request. An error costs the connection.
func (c *conn) request(id uint32, b []byte) error {
	c.srv.requests.Add(1)
	var typ ua.ExpandedNodeID
	n, err := decodeScanned(b, &typ)
	if err != nil {
		return err
	}
	b = b[n:]
	var hdr ua.RequestHeader
	if _, err = decodeScanned(b, &hdr); err != nil {
		return err
	}
	var number uint16
	if n := typ.NodeID.IntID(); typ.NodeID.Namespace() == 0 && n <= 0xffff {
		number = uint16(n)
	}
	sess, resp, err := c.dispatch(id, number, &hdr, b)
	if errors.Is(err, errScan) || errors.Is(err, io.EOF) {
		return err
	}
	if err != nil {
		status, ok := errors.AsType[ua.StatusCode](err)
		if !ok {
			status = ua.StatusBadInternalError
		}
		if doors[number] != nil {
			c.srv.refuse(c.host, fmt.Errorf("opcua: server: session: %w", err))
		} else {
			c.srv.refused.Add(1)
		}
		resp = &ua.ServiceFault{ResponseHeader: responseHeader(&hdr, status)}
	}
	if resp == nil { // it is answered later
		return nil
	}
	if !c.await() {
		return io.EOF
	}
	return c.respond(sess, id, &hdr, resp)
}

// dispatch finds the service of a request, decodes the request and has it answered.
func (c *conn) dispatch(id uint32, number uint16, hdr *ua.RequestHeader, b []byte) (*session, ua.Response, error) {
	door, typ := doors[number], requestTypes[number]
	if door != nil {
		if len(b) > strangers {
			return nil, nil, ua.StatusBadRequestTooLarge
		}
		req, err := decodeRequest(typ, b)
		if err != nil {
			return nil, nil, err
		}
		resp, err := door(c, req)
		return nil, resp, err
	}
	sess, err := c.srv.find(c, hdr.AuthenticationToken)
	if err != nil {
		return nil, nil, err
	}
	svc := c.srv.table[number]
	if svc == nil || typ == nil {
		return sess, nil, ua.StatusBadServiceUnsupported
	}
	req, err := decodeRequest(typ, b)
	if err != nil {
		return sess, nil, err
	}
	req.SetHeader(hdr) // by which its answer is known
	sess.ask(hdr, c)
	resp, err := svc(&call{srv: c.srv, sess: sess, id: id, hdr: hdr}, req)
	if resp != nil || err != nil {
		sess.asker(hdr)
	}
	return sess, resp, err
}

func decodeRequest(typ reflect.Type, b []byte) (ua.Request, error) {
	req, ok := reflect.New(typ).Interface().(ua.Request)
	if !ok {
		return nil, errScan
	}
	_, err := decodeScanned(b, req)
	return req, err
}

// cancel answers Cancel where no other service does: what is asked is answered before the next is read, so nothing is left.
func cancel(c *call, _ ua.Request) (ua.Response, error) {
	return &ua.CancelResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK)}, nil
}

// encodeService encodes a response with its type.
func encodeService(r ua.Response) ([]byte, error) {
	number := ua.ServiceTypeID(r)
	if number == 0 {
		return nil, fmt.Errorf("%T is no response: %w", r, ua.StatusBadInternalError)
	}
	typ, err := ua.NewFourByteExpandedNodeID(0, number).Encode()
	if err != nil {
		return nil, err
	}
	body, err := ua.Encode(r)
	return append(typ, body...), err
}

// respond encodes, secures and queues a response; one that is too large, or cannot be encoded, becomes a fault. sess may be nil. An error
// costs the connection.
func (c *conn) respond(sess *session, id uint32, hdr *ua.RequestHeader, r ua.Response) error {
	body, err := encodeService(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	for fault := false; ; fault = true {
		if most := c.largest(sess); err == nil && len(body) > most {
			err = ua.StatusBadResponseTooLarge
		}
		var frames [][]byte
		if err == nil {
			frames, err = c.ch.chunks(id, body, c.sendSize, c.sendLimits[1])
		}
		if err == nil {
			for _, f := range frames {
				c.push(f)
			}
			return nil
		}
		if fault {
			return fmt.Errorf("response cannot be sent: %w", ua.StatusBadInternalError)
		}
		status, ok := errors.AsType[ua.StatusCode](err)
		if !ok {
			status = ua.StatusBadInternalError
		}
		body, err = encodeService(&ua.ServiceFault{ResponseHeader: responseHeader(hdr, status)})
	}
}

// largest gives how many bytes a response may have: by the server's limit, the connection's and the session's.
func (c *conn) largest(sess *session) int {
	most := c.srv.o.Limits.Message
	if n := c.sendLimits[0]; n > 0 {
		most = min(most, n)
	}
	if sess != nil && sess.maxResponse > 0 {
		most = min(most, int(min(sess.maxResponse, maxMessage)))
	}
	return most
}
