// Services Read and Write (part 4, 5.11).

package server

import (
	"context"
	"time"

	"github.com/gopcua/opcua/ua"
)

// longestWrite is how long Options.Write may take.
const longestWrite = 10 * time.Second

func read(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.ReadRequest)
	if err := operations(len(r.NodesToRead)); err != nil {
		return nil, err
	}
	switch {
	case !(r.MaxAge >= 0):
		return nil, ua.StatusBadMaxAgeInvalid
	case r.TimestampsToReturn > ua.TimestampsToReturnNeither:
		return nil, ua.StatusBadTimestampsToReturnInvalid
	}
	now, left := time.Now(), c.srv.o.Limits.Message
	list := make([]*ua.DataValue, len(r.NodesToRead))
	for i, x := range r.NodesToRead {
		list[i] = c.srv.readOne(x, r.TimestampsToReturn, now)
		n, err := encoded(list[i])
		if err != nil {
			return nil, err
		}
		if left -= n; left < 0 {
			return nil, ua.StatusBadResponseTooLarge
		}
	}
	return &ua.ReadResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// readOne reads one attribute. The lock of the space is held for this one alone, so that no Set waits for more.
func (s *Server) readOne(x *ua.ReadValueID, want ua.TimestampsToReturn, now time.Time) *ua.DataValue {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	k, ok := keyOf(x.NodeID)
	n := s.space.nodes[k]
	switch {
	case !ok || n == nil:
		return status(ua.StatusBadNodeIDUnknown)
	case x.AttributeID == ua.AttributeIDInvalid || x.AttributeID > ua.AttributeIDAccessLevelEx:
		return status(ua.StatusBadAttributeIDInvalid)
	case x.IndexRange != "":
		return status(ua.StatusBadIndexRangeInvalid)
	case x.DataEncoding != nil && x.DataEncoding.Name != "":
		if x.AttributeID != ua.AttributeIDValue {
			return status(ua.StatusBadDataEncodingInvalid)
		}
		if x.DataEncoding.Name != "Default Binary" || x.DataEncoding.NamespaceIndex != 0 || n.data != 862 && n.data != 338 {
			return status(ua.StatusBadDataEncodingUnsupported)
		}
	}
	return s.attribute(n, x.AttributeID, want, now)
}

func write(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.WriteRequest)
	if err := operations(len(r.NodesToWrite)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.srv.ctx, longestWrite)
	defer cancel()
	list := make([]ua.StatusCode, len(r.NodesToWrite))
	for i, x := range r.NodesToWrite {
		list[i] = codeOf(c.srv.writeOne(ctx, c.sess.closed, x))
	}
	return &ua.WriteResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// writeOne hands a value that is written to Options.Write, if it may be written at all.
func (s *Server) writeOne(ctx context.Context, closed <-chan struct{}, x *ua.WriteValue) error {
	node, v, err := s.writable(x)
	if err != nil {
		return err
	}
	s.space.writing.Lock()
	defer s.space.writing.Unlock()
	select {
	case <-closed: // while it waited for others
		return ua.StatusBadSessionClosed
	default:
	}
	if ctx.Err() != nil {
		return ua.StatusBadTimeout
	}
	if err := s.o.Write(ctx, node, v); err != nil {
		if code := codeOf(err); code != ua.StatusBadInternalError {
			return code
		}
		return ua.StatusBadDeviceFailure
	}
	return nil
}

// writable tells which value is to be written to which variable, or why not.
func (s *Server) writable(x *ua.WriteValue) (Node, Value, error) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	k, ok := keyOf(x.NodeID)
	n := s.space.nodes[k]
	if !ok || n == nil {
		return nowhere, Value{}, ua.StatusBadNodeIDUnknown
	}
	if d := s.attribute(n, x.AttributeID, ua.TimestampsToReturnNeither, time.Time{}); d.Status == ua.StatusBadAttributeIDInvalid {
		return nowhere, Value{}, d.Status
	}
	d := x.Value
	switch {
	case x.AttributeID != ua.AttributeIDValue || n.v == nil || !n.v.writable || s.o.Write == nil:
		return nowhere, Value{}, ua.StatusBadNotWritable
	case x.IndexRange != "" || d == nil || d.Status != ua.StatusOK || d.SourcePicoseconds != 0 || d.ServerPicoseconds != 0:
		return nowhere, Value{}, ua.StatusBadWriteNotSupported
	}
	v, ok := n.v.kind.value(d.Value)
	if !ok {
		return nowhere, Value{}, ua.StatusBadTypeMismatch
	}
	v.Source, v.Server = d.SourceTimestamp, d.ServerTimestamp
	return Node{n.num}, v, nil
}
