// A server made for the tests: it does what it is told, and spoils what it is told to spoil. It speaks policy None.

package opcua

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
)

// fake is such a server.
type fake struct {
	listener net.Listener
	mu       sync.Mutex
	spoil    func(req ua.Request, frame []byte) []byte // what is sent in place of a frame; nil: the frame
	answer   func(req ua.Request) ua.Response          // in place of what it says by itself; nil: that
	hello    func(frame []byte) []byte                 // in place of its acknowledgement
	opens    func(c *fakeConn, frame []byte) []byte    // in place of what opens a channel
	canned   []byte                                    // what it says to everything; nil: it looks
	reads    int
}

// fakeConn is one connection of it.
type fakeConn struct {
	net.Conn
	seq uint32
}

func newFake(t testing.TB) *fake {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &fake{listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			wg.Go(func() { f.serve(&fakeConn{Conn: c}) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return f
}

func (f *fake) endpoint() string { return "opc.tcp://" + f.listener.Addr().String() + "/fake" }

// set changes what it does.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// frame makes a message of policy None.
func (c *fakeConn) frame(kind string, number uint32, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), 0)
	b = binary.LittleEndian.AppendUint32(b, 5) // channel
	if kind[:3] == "OPN" {
		b = chunk.AppendBytes(chunk.AppendBytes(chunk.AppendBytes(b, []byte(ua.SecurityPolicyURINone)), nil), nil)
	} else {
		b = binary.LittleEndian.AppendUint32(b, 9) // token
	}
	c.seq++
	b = binary.LittleEndian.AppendUint32(b, c.seq)
	b = append(binary.LittleEndian.AppendUint32(b, number), body...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	return b
}

// serve answers one client until it leaves.
func (f *fake) serve(c *fakeConn) {
	defer func() { _ = c.Close() }()
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		b := make([]byte, binary.LittleEndian.Uint32(head[4:])-8)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		var out []byte
		f.mu.Lock()
		switch string(head[:3]) {
		case "HEL":
			out = binary.LittleEndian.AppendUint32([]byte("ACKF"), 28)
			for _, n := range []uint32{0, maxChunk, maxChunk, 0, 0} {
				out = binary.LittleEndian.AppendUint32(out, n)
			}
			if f.hello != nil {
				out = f.hello(out)
			}
		case "OPN":
			k := cursor{b: b[4:]}
			k.bytes()
			k.bytes()
			k.bytes()
			k.u32()
			number := k.u32()
			r := &ua.OpenSecureChannelResponse{ResponseHeader: okay(), SecurityToken: &ua.ChannelSecurityToken{ChannelID: 5, TokenID: 9, RevisedLifetime: 3_600_000}}
			out = c.frame("OPNF", number, coded(r))
			if f.opens != nil {
				out = f.opens(c, out)
			}
		case "MSG":
			number := binary.LittleEndian.Uint32(b[12:])
			if f.canned != nil {
				out = c.frame("MSGF", number, f.canned)
				break
			}
			_, v, err := ua.DecodeService(b[16:])
			req, ok := v.(ua.Request)
			if err != nil || !ok {
				f.mu.Unlock()
				return
			}
			if r := f.respond(req); r != nil {
				out = c.frame("MSGF", number, coded(r))
				if f.spoil != nil {
					out = f.spoil(req, out)
				}
			}
		default:
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// okay is the head of an answer that is in order.
func okay() *ua.ResponseHeader {
	return &ua.ResponseHeader{Timestamp: time.Unix(1, 0), ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil)}
}

// respond answers a request; nil: not at all.
func (f *fake) respond(req ua.Request) ua.Response {
	if f.answer != nil {
		if r := f.answer(req); r != nil {
			return r
		}
	}
	switch req := req.(type) {
	case *ua.GetEndpointsRequest:
		return &ua.GetEndpointsResponse{ResponseHeader: okay(), Endpoints: []*ua.EndpointDescription{{Server: &ua.ApplicationDescription{ApplicationName: &ua.LocalizedText{}},
			SecurityMode: ua.MessageSecurityModeNone, SecurityPolicyURI: ua.SecurityPolicyURINone,
			UserIdentityTokens: []*ua.UserTokenPolicy{{PolicyID: "0", TokenType: ua.UserTokenTypeAnonymous}}}}}
	case *ua.CreateSessionRequest:
		return &ua.CreateSessionResponse{ResponseHeader: okay(), SessionID: ua.NewNumericNodeID(1, 1), AuthenticationToken: ua.NewByteStringNodeID(0, []byte{1, 2, 3, 4}),
			RevisedSessionTimeout: 60_000, ServerSignature: &ua.SignatureData{}}
	case *ua.ActivateSessionRequest:
		return &ua.ActivateSessionResponse{ResponseHeader: okay()}
	case *ua.CloseSessionRequest:
		return &ua.CloseSessionResponse{ResponseHeader: okay()}
	case *ua.ReadRequest:
		f.reads++
		r := &ua.ReadResponse{ResponseHeader: okay()}
		for _, n := range req.NodesToRead {
			v := &ua.DataValue{Value: ua.MustVariant(1.5), SourceTimestamp: time.Unix(1, 0), ServerTimestamp: time.Unix(1, 0)}
			if n.NodeID.IntID() == id.Server_NamespaceArray {
				v.Value = ua.MustVariant([]string{"http://opcfoundation.org/UA/", "urn:fake", "urn:batchkit:test"})
			}
			v.UpdateMask()
			r.Results = append(r.Results, v)
		}
		return r
	case *ua.WriteRequest:
		return &ua.WriteResponse{ResponseHeader: okay(), Results: make([]ua.StatusCode, len(req.NodesToWrite))}
	}
	return &ua.ServiceFault{ResponseHeader: &ua.ResponseHeader{ServiceResult: ua.StatusBadServiceUnsupported, ServiceDiagnostics: &ua.DiagnosticInfo{}}}
}
