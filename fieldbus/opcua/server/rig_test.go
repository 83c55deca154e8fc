// The rig of the tests: identities, servers with services that answer little, and node-opcua.

package server

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// allPolicies are the five.
var allPolicies = []opcua.Policy{opcua.None, opcua.Basic256Sha256Sign, opcua.Basic256Sha256, opcua.Aes128Sha256RsaOaep, opcua.Aes256Sha256RsaPss}

// people are identities that tests share, since keys take long to make.
var people struct {
	once                             sync.Once
	server, client, stranger, lapsed *opcua.Identity
}

// meet makes the identities.
func meet(t testing.TB) (server, client, stranger, lapsed *opcua.Identity) {
	t.Helper()
	people.once.Do(func() {
		// They are valid in bubbles of synctest, too, which begin in the year 2000.
		from := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
		for _, p := range []struct {
			to    **opcua.Identity
			name  string
			until time.Time
		}{
			{&people.server, "server", from.AddDate(100, 0, 0)}, {&people.client, "client", from.AddDate(100, 0, 0)},
			{&people.stranger, "stranger", from.AddDate(100, 0, 0)}, {&people.lapsed, "lapsed", from.Add(time.Hour)},
		} {
			var err error
			*p.to, err = opcua.NewIdentity(p.name, "urn:test:"+p.name, []string{"localhost", "127.0.0.1"}, from, p.until)
			require.NoError(t, err)
		}
	})
	return people.server, people.client, people.stranger, people.lapsed
}

// secured gives options with all policies, a server's identity and trust in the client and in the one whose time is over.
func secured(t testing.TB) *Options {
	t.Helper()
	server, client, _, lapsed := meet(t)
	trust, err := opcua.NewTrust(client.Certificate, lapsed.Certificate)
	require.NoError(t, err)
	return &Options{Policies: allPolicies, Identity: server, Trust: trust}
}

// stubs are services for tests: Read has the state of the server and nothing else; Write panics, and Publish is answered never.
func stubs() map[uint16]service {
	read := func(c *call, r ua.Request) (ua.Response, error) {
		resp := &ua.ReadResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), DiagnosticInfos: []*ua.DiagnosticInfo{}}
		for _, n := range r.(*ua.ReadRequest).NodesToRead {
			v := &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadNodeIDUnknown}
			switch n.NodeID.String() {
			case "i=2259": // Server_ServerStatus_State
				v = &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(int32(0))}
			case "i=2255": // Server_NamespaceArray
				v = &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant([]string{"http://opcfoundation.org/UA/", "urn:test"})}
			case "s=long":
				v = &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(strings.Repeat("long", 50000))}
			case "s=huge":
				v = &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(strings.Repeat("huge", 500000))}
			}
			resp.Results = append(resp.Results, v)
		}
		return resp, nil
	}
	return map[uint16]service{
		id.ReadRequest_Encoding_DefaultBinary:    read,
		id.WriteRequest_Encoding_DefaultBinary:   func(*call, ua.Request) (ua.Response, error) { panic("a fault of a service") },
		id.PublishRequest_Encoding_DefaultBinary: func(*call, ua.Request) (ua.Response, error) { return nil, nil },
	}
}

// serve starts a server with the stubs; it must end with its test.
func serve(t testing.TB, o *Options) *Server {
	t.Helper()
	s, err := Serve("127.0.0.1:0", NewSpace("urn:test"), o)
	require.NoError(t, err)
	s.table = stubs()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// pipes is a listener within the process, for bubbles of synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe:4840" }

// serveVirtual starts a server with the stubs within a bubble, and gives what connects to it. The test closes it.
func serveVirtual(t testing.TB, o *Options) (s *Server, dial func() net.Conn) {
	t.Helper()
	s, err := newServer(NewSpace("urn:test"), o)
	require.NoError(t, err)
	s.table = stubs()
	p := pipes{make(chan net.Conn), make(chan struct{})}
	s.start(p)
	return s, func() net.Conn {
		near, far := net.Pipe()
		p.conns <- far
		return near
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// visitor is what a script of node-opcua wants to know to come as the client that is trusted.
func visitor(t *testing.T, visits ...map[string]any) map[string]any {
	t.Helper()
	_, client, _, _ := meet(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, client.Save(cert, key))
	return map[string]any{"uri": client.URI, "cert": cert, "key": key, "pki": filepath.Join(dir, "pki"), "visits": visits}
}

// nodeName gives a policy as node-opcua spells it.
func nodeName(p opcua.Policy) (policy, mode string) {
	sec := securities[p]
	mode = map[ua.MessageSecurityMode]string{
		ua.MessageSecurityModeNone: "None", ua.MessageSecurityModeSign: "Sign", ua.MessageSecurityModeSignAndEncrypt: "SignAndEncrypt",
	}[sec.mode]
	return sec.uri[strings.Index(sec.uri, "#")+1:], mode
}
