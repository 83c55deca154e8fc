// A client made by hand, which says what no client should.

package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// foe is one connection to a server. Where it behaves, it secures messages as the server does, seen from the other side.
type foe struct {
	t      testing.TB
	nc     net.Conn
	r      *bufio.Reader
	far    *opcua.Identity // the server's
	c      *conn           // secures
	nextID uint32
	token  *ua.NodeID
	life   uint32 // ms, asked for a token
}

// errGone means that the server has closed the connection and said nothing.
var errGone = fmt.Errorf("connection is closed")

// call connects; nothing is said yet.
func dialFoe(t testing.TB, s *Server) *foe {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	return newFoe(t, nc, s)
}

func newFoe(t testing.TB, nc net.Conn, s *Server) *foe {
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	return &foe{t: t, nc: nc, r: bufio.NewReader(nc), far: s.o.Identity, life: 3600000}
}

func (f *foe) raw(b []byte) *foe {
	_, _ = f.nc.Write(b)
	return f
}

// hello begins as it should.
func (f *foe) hello() *foe {
	body := must((&uacp.Hello{ReceiveBufSize: maxChunk, SendBufSize: maxChunk, EndpointURL: "opc.tcp://here"}).Encode())
	f.raw(frame("HELF", body))
	kind, _, err := f.next()
	require.NoError(f.t, err)
	require.Equal(f.t, "ACK", kind)
	return f
}

// next reads one chunk. What the server says with ERR is the error.
func (f *foe) next() (kind string, chunk []byte, err error) {
	head, err := f.r.Peek(8)
	if err != nil {
		return "", nil, errGone
	}
	chunk = make([]byte, binary.LittleEndian.Uint32(head[4:]))
	if _, err := io.ReadFull(f.r, chunk); err != nil {
		return "", nil, errGone
	}
	if kind = string(chunk[:3]); kind == "ERR" {
		return "", nil, ua.StatusCode(binary.LittleEndian.Uint32(chunk[8:]))
	}
	return kind, chunk, nil
}

// end reads until the connection ends, and gives what the server said at last.
func (f *foe) end() error {
	for {
		if _, _, err := f.next(); err != nil {
			return err
		}
	}
}

// as prepares for a policy, as who.
func (f *foe) as(p opcua.Policy, who *opcua.Identity) *foe {
	f.c = &conn{srv: &Server{o: Options{Identity: who}, rsa: make(chan struct{}, 1)}, dead: make(chan struct{})}
	ch := &channel{sec: securities[p]}
	if p != opcua.None {
		der := must(uapolicy.ParseCertificate(f.far.Certificate))
		ch.cert, ch.asym = f.far.Certificate, must(uapolicy.Asymmetric(ch.sec.uri, who.Key, must(uapolicy.PublicKey(der.Raw))))
	}
	f.c.ch = ch
	return f
}

// opening makes the request for a token, and its nonce.
func (f *foe) opening(kind ua.SecurityTokenRequestType) *ua.OpenSecureChannelRequest {
	r := &ua.OpenSecureChannelRequest{RequestType: kind, SecurityMode: f.c.ch.sec.mode, RequestedLifetime: f.life}
	if f.c.ch.asym != nil {
		r.ClientNonce = newNonce()
	}
	return r
}

// open opens or renews the channel.
func (f *foe) open(kind ua.SecurityTokenRequestType) error {
	r := f.opening(kind)
	chunk := must(f.c.lock(f.c.ch, f.number(), f.encode(r)))
	return f.raw(chunk).opened(r)
}

// opened reads the answer to OpenSecureChannel, and goes by it.
func (f *foe) opened(r *ua.OpenSecureChannelRequest) error {
	_, chunk, err := f.next()
	if err != nil {
		return err
	}
	_, rest, err := openHead(chunk)
	require.NoError(f.t, err)
	ch := f.c.ch
	if ch.asym != nil {
		rest, err = f.c.unlock(ch, chunk, len(chunk)-len(rest))
		require.NoError(f.t, err)
	}
	_, body, err := ch.sequence(rest)
	require.NoError(f.t, err)
	_, v, err := ua.DecodeService(body)
	require.NoError(f.t, err)
	resp, ok := v.(*ua.OpenSecureChannelResponse)
	require.True(f.t, ok, "%T", v)
	tok := &token{id: resp.SecurityToken.TokenID, lapses: time.Now().Add(time.Hour)}
	if ch.asym != nil {
		tok.algo = must(uapolicy.Symmetric(ch.sec.uri, r.ClientNonce, resp.ServerNonce))
	}
	if ch.id = resp.SecurityToken.ChannelID; ch.cur == nil {
		ch.cur = tok
	} else {
		ch.next = []*token{tok}
	}
	return nil
}

// renewed uses the new token from now on.
func (f *foe) renewed() { f.c.ch.cur, f.c.ch.next = f.c.ch.next[0], []*token{f.c.ch.cur} }

func (f *foe) number() uint32 {
	f.nextID++
	return f.nextID
}

func (f *foe) encode(r ua.Request) []byte {
	if r.Header() == nil {
		r.SetHeader(&ua.RequestHeader{AuthenticationToken: f.token, RequestHandle: f.nextID, AdditionalHeader: ua.NewExtensionObject(nil)})
	}
	if r.Header().AuthenticationToken == nil {
		r.Header().AuthenticationToken = ua.NewTwoByteNodeID(0)
	}
	return slices.Concat(must(ua.NewFourByteExpandedNodeID(0, ua.ServiceTypeID(r)).Encode()), must(ua.Encode(r)))
}

// chunksOf makes the chunks of a request.
func (f *foe) chunksOf(r ua.Request) [][]byte {
	return must(f.c.ch.chunks(f.number(), f.encode(r), maxChunk, 0))
}

// say sends a request and waits for nothing.
func (f *foe) say(r ua.Request) {
	for _, c := range f.chunksOf(r) {
		f.raw(c)
	}
}

// heard reads a response; a fault, or what ends the connection, is the error.
func (f *foe) heard() (ua.Response, error) {
	var whole []byte
	for {
		_, chunk, err := f.next()
		if err != nil {
			return nil, err
		}
		_, body, err := f.c.receive(chunk)
		require.NoError(f.t, err)
		if whole = append(whole, body...); chunk[3] == 'F' {
			break
		}
	}
	_, v, err := ua.DecodeService(whole)
	require.NoError(f.t, err)
	resp, ok := v.(ua.Response)
	require.True(f.t, ok, "%T", v)
	if status := resp.Header().ServiceResult; status != ua.StatusOK {
		return nil, status
	}
	return resp, nil
}

// ask sends a request and reads its response.
func (f *foe) ask(r ua.Request) (ua.Response, error) {
	f.say(r)
	return f.heard()
}

// create makes a session.
func (f *foe) create() (*ua.CreateSessionResponse, error) {
	r := &ua.CreateSessionRequest{
		ClientDescription:       &ua.ApplicationDescription{ApplicationURI: "urn:test:client", ApplicationName: ua.NewLocalizedText("foe")},
		RequestedSessionTimeout: 60000,
	}
	if f.c.ch.asym != nil {
		r.ClientNonce, r.ClientCertificate = newNonce(), f.c.srv.o.Identity.Certificate
	}
	resp, err := f.ask(r)
	if err != nil {
		return nil, err
	}
	made, ok := resp.(*ua.CreateSessionResponse)
	require.True(f.t, ok, "%T", resp)
	f.token = made.AuthenticationToken
	return made, nil
}

// activation makes the request that activates a session, with a nonce that the server gave.
func (f *foe) activation(nonce []byte) *ua.ActivateSessionRequest {
	r := &ua.ActivateSessionRequest{
		ClientSignature: &ua.SignatureData{}, UserTokenSignature: &ua.SignatureData{}, UserIdentityToken: ua.NewExtensionObject(nil),
	}
	if a := f.c.ch.asym; a != nil {
		r.ClientSignature.Algorithm = a.SignatureURI()
		r.ClientSignature.Signature = must(a.Signature(slices.Concat(f.far.Certificate, nonce)))
	}
	return r
}

// enter comes in as nobody.
func (f *foe) enter() error {
	made, err := f.create()
	if err == nil {
		_, err = f.ask(f.activation(made.ServerNonce))
	}
	return err
}

// come says hello, opens a channel and comes in, all as it should.
func (f *foe) come(p opcua.Policy) *foe {
	f.t.Helper()
	f.hello().as(p, people.client)
	require.NoError(f.t, f.open(ua.SecurityTokenRequestTypeIssue))
	require.NoError(f.t, f.enter())
	return f
}

// reading is the request for a node.
func reading(node string) *ua.ReadRequest {
	return &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{{
		NodeID: ua.MustParseNodeID(node), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{},
	}}}
}

// read reads the state of the server.
func (f *foe) read() error {
	resp, err := f.ask(reading("i=2259"))
	if err != nil {
		return err
	}
	require.Equal(f.t, int32(0), resp.(*ua.ReadResponse).Results[0].Value.Value())
	return nil
}

// alive is a good client that comes in, reads and goes.
func alive(t testing.TB, s *Server) {
	t.Helper()
	f := dialFoe(t, s).come(s.o.Policies[len(s.o.Policies)-1])
	require.NoError(t, f.read())
	_, err := f.ask(&ua.CloseSessionRequest{})
	require.NoError(t, err)
	require.NoError(t, f.nc.Close())
}

func TestAFoeThatBehavesIsServed(t *testing.T) {
	s := serve(t, secured(t))
	for _, p := range allPolicies {
		f := dialFoe(t, s).come(p)
		require.NoError(t, f.read(), "%s", p)
		long, err := f.ask(reading("s=long"))
		require.NoError(t, err)
		require.Len(t, long.(*ua.ReadResponse).Results[0].Value.Value(), 200000, "%s", p)
		_, err = f.ask(reading("s=huge"))
		require.Equal(t, ua.StatusBadResponseTooLarge, err, "%s", p)
		require.NoError(t, f.read(), "%s", p)
	}
	require.Equal(t, 5, s.Stats().Sessions)
	require.Equal(t, 5, s.Stats().Connections)
	require.Zero(t, s.Stats().Refused)
}
