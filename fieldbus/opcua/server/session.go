// Sessions: who has come in, by which channel, and until when.

package server

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// minTimeout is the shortest session time-out that is granted, unless Limits.Idle is shorter.
const minTimeout = time.Second

// session is a client that was let in, or waits for it.
type session struct {
	id     *ua.NodeID
	subs   subscriptions
	closed chan struct{} // closed when the session has ended

	srv         *Server
	host        string // of the client that made it
	token       string // that its requests are known by
	sec         security
	cert        []byte // of its client; nil with None
	maxResponse uint32 // bytes; 0: any
	conn        atomic.Pointer[conn]

	mu    sync.Mutex
	asked map[*ua.RequestHeader]*conn // requests that are not answered yet

	// Under the server's mutex.
	active  bool
	used    time.Time // last
	timeout time.Duration
	nonce   []byte // that the next signature is over
	user    string
}

// answer sends the response to a request, in any order with others and from any goroutine; hdr is the request's own. It waits for no
// client, and one that does not read loses its connection. false: it was not sent, and nothing to this request will be, since its connection
// is gone or the session has another one; with a session that has ended it is false, too.
func (s *session) answer(id uint32, hdr *ua.RequestHeader, r ua.Response) (sent bool) {
	c := s.asker(hdr)
	if c == nil {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			c.kill(panicked(p))
			sent = false
		}
	}()
	c.mu.Lock()
	full := c.queued >= s.srv.o.Limits.Message
	c.mu.Unlock()
	if full {
		c.kill(fmt.Errorf("client does not read: %w", ua.StatusBadTCPNotEnoughResources))
		return false
	}
	if err := c.respond(s, id, hdr, r); err != nil {
		c.kill(err)
		return false
	}
	return true
}

// ask notes on which connection a request came, until it is answered.
func (s *session) ask(hdr *ua.RequestHeader, c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[*ua.RequestHeader]*conn{}
	}
	s.asked[hdr] = c
}

// asker gives the connection of a request that was not answered yet, and takes it out.
func (s *session) asker(hdr *ua.RequestHeader) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.asked[hdr]
	if delete(s.asked, hdr); c != s.conn.Load() {
		return nil
	}
	return c
}

// forgo takes out what was asked, since the connection is another, or none.
func (s *session) forgo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

// find gives the active session of a request that came in by c.
func (s *Server) find(c *conn, token *ua.NodeID) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[tokenOf(token)]
	switch {
	case sess == nil || sess.conn.Load() != c: // that it is somebody else's is not for everybody's ears
		return nil, ua.StatusBadSessionIDInvalid
	case !sess.active:
		return nil, ua.StatusBadSessionNotActivated
	}
	sess.used = time.Now()
	return sess, nil
}

// tokenOf gives the key of an authentication token.
func tokenOf(n *ua.NodeID) string {
	if n == nil || n.Type() != ua.NodeIDTypeByteString || n.Namespace() != 0 {
		return ""
	}
	return n.StringID()
}

// end ends a session; again it does nothing.
func (s *Server) end(sess *session) {
	s.mu.Lock()
	there := s.sessions[sess.token] == sess
	if there {
		delete(s.sessions, sess.token)
		s.unbind(sess)
	}
	s.mu.Unlock()
	if there {
		close(sess.closed)
		sess.subs.end()
	}
}

// unbind takes a session from its connection. mu is held.
func (s *Server) unbind(sess *session) {
	sess.forgo()
	if c := sess.conn.Swap(nil); c != nil && sess.active {
		if c.active.Add(-1) == 0 {
			c.idle.Store(time.Now().UnixNano())
		}
	}
}

// createSession answers CreateSession.
func (c *conn) createSession(r ua.Request) (ua.Response, error) {
	req, ok := r.(*ua.CreateSessionRequest)
	if !ok {
		return nil, ua.StatusBadInternalError
	}
	sec, o := c.ch.sec, &c.srv.o
	if !slices.Contains(o.Policies, sec.policy) {
		return nil, fmt.Errorf("policy %s is not among those of this server: %w", sec.policy, ua.StatusBadSecurityPolicyRejected)
	}
	signature := &ua.SignatureData{}
	if sec.policy != opcua.None {
		if len(req.ClientNonce) < nonceSize || len(req.ClientNonce) > maxNonce {
			return nil, ua.StatusBadNonceInvalid
		}
		if (&opening{cert: req.ClientCertificate, uri: sec.uri}).leafIs(c.ch.cert) != nil {
			return nil, ua.StatusBadCertificateInvalid
		}
		if err := o.Trust.Check(c.ch.cert, req.ClientDescription.ApplicationURI, "", time.Now()); err != nil {
			return nil, withheld{ua.StatusBadCertificateURIInvalid, err}
		}
		err := c.lane(func() (err error) {
			signature.Algorithm = c.ch.asym.SignatureURI()
			signature.Signature, err = c.ch.asym.Signature(slices.Concat(req.ClientCertificate, req.ClientNonce))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	sess := &session{
		id: ua.NewNumericNodeID(1, c.srv.lastID.Add(1)), closed: make(chan struct{}), srv: c.srv, host: c.host, sec: sec, cert: c.ch.cert,
		maxResponse: req.MaxResponseMessageSize, used: time.Now(), timeout: timeoutOf(req.RequestedSessionTimeout, o.Limits.Idle), nonce: newNonce(),
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	token := ua.NewByteStringNodeID(0, secret)
	sess.token = tokenOf(token)
	if err := c.srv.enter(c, sess); err != nil {
		return nil, err
	}
	resp := &ua.CreateSessionResponse{
		ResponseHeader: responseHeader(req.RequestHeader, ua.StatusOK), SessionID: sess.id, AuthenticationToken: token,
		RevisedSessionTimeout: float64(sess.timeout / time.Millisecond), ServerNonce: sess.nonce, ServerEndpoints: c.endpoints(req.EndpointURL),
		ServerSoftwareCertificates: []*ua.SignedSoftwareCertificate{}, ServerSignature: signature, MaxRequestMessageSize: uint32(o.Limits.Message),
	}
	if o.Identity != nil {
		resp.ServerCertificate = o.Identity.Certificate
	}
	return resp, nil
}

// leafIs tells whether a certificate, with or without those of its authorities, is another's.
func (h *opening) leafIs(cert []byte) error {
	if !bytes.Equal(h.leaf(), cert) {
		return errors.New("another certificate")
	}
	return nil
}

// timeoutOf gives the time-out that is granted, of one in ms.
func timeoutOf(ms float64, most time.Duration) time.Duration {
	if !(ms >= 0 && ms < float64(most/time.Millisecond)) || ms == 0 { // NaN, too
		return most
	}
	return min(max(time.Duration(ms)*time.Millisecond, minTimeout), most)
}

// enter takes a session in that is not active yet. Where there are too many, one gives way that was never activated, or else one whose
// connection is gone: the oldest of the client that has most of them.
func (s *Server) enter(c *conn, sess *session) error {
	s.mu.Lock()
	var gone *session
	own, idle := 0, map[string]int{}
	for _, o := range s.sessions {
		if o.conn.Load() == c {
			own++
		}
		if !o.busy() {
			idle[o.host]++
		}
	}
	for _, o := range s.sessions {
		switch {
		case o.busy() || gone != nil && o.active && !gone.active:
		case gone == nil || gone.active && !o.active, idle[o.host] > idle[gone.host], idle[o.host] == idle[gone.host] && o.used.Before(gone.used):
			gone = o
		}
	}
	there := len(s.sessions)
	full := there >= s.o.Limits.Sessions
	if s.closed || own >= max(s.o.Limits.Sessions/4, 1) || full && gone == nil {
		s.mu.Unlock()
		return fmt.Errorf("there are %d sessions, %d of this connection: %w", there, own, ua.StatusBadTooManySessions)
	}
	if full { // its place is taken at once
		delete(s.sessions, gone.token)
		s.unbind(gone)
	}
	sess.conn.Store(c)
	s.sessions[sess.token] = sess
	s.mu.Unlock()
	if full {
		s.refused.Add(1)
		close(gone.closed)
		gone.subs.end()
	}
	return nil
}

// busy tells whether a session is active on a connection. The server's mutex is held.
func (s *session) busy() bool { return s.active && s.conn.Load() != nil }

// activateSession answers ActivateSession.
func (c *conn) activateSession(r ua.Request) (ua.Response, error) {
	req, ok := r.(*ua.ActivateSessionRequest)
	if !ok {
		return nil, ua.StatusBadInternalError
	}
	s := c.srv
	s.mu.Lock()
	sess := s.sessions[tokenOf(req.RequestHeader.AuthenticationToken)]
	if sess == nil || !sess.mayMove(c) {
		s.mu.Unlock()
		return nil, ua.StatusBadSessionIDInvalid
	}
	nonce, was, active := sess.nonce, sess.user, sess.active
	s.mu.Unlock()
	if c.ch.asym != nil {
		err := c.lane(func() error {
			return c.ch.asym.VerifySignature(slices.Concat(s.o.Identity.Certificate, nonce), req.ClientSignature.Signature)
		})
		if errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil {
			return nil, ua.StatusBadApplicationSignatureInvalid
		}
	}
	user, err := c.user(req.UserIdentityToken, nonce)
	if err != nil {
		return nil, err
	}
	if active && user != was {
		return nil, ua.StatusBadIdentityChangeNotSupported
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[sess.token] != sess || !sess.mayMove(c) { // it has ended meanwhile, or was moved
		return nil, ua.StatusBadSessionIDInvalid
	}
	if !sess.active || sess.conn.Load() != c {
		s.unbind(sess)
		sess.conn.Store(c)
		sess.active = true
		c.active.Add(1)
	}
	sess.user, sess.used, sess.nonce = user, time.Now(), newNonce()
	return &ua.ActivateSessionResponse{
		ResponseHeader: responseHeader(req.RequestHeader, ua.StatusOK), ServerNonce: sess.nonce,
		Results: []ua.StatusCode{}, DiagnosticInfos: []*ua.DiagnosticInfo{},
	}, nil
}

// mayMove tells whether a session may be activated on a connection: the one that it was made on, or another of the same application, by
// the same policy. Without security nobody proves to be the same, so the first connection must have gone. The server's mutex is held.
func (s *session) mayMove(c *conn) bool {
	old := s.conn.Load()
	if old == c {
		return true
	}
	return s.active && s.sec == c.ch.sec && bytes.Equal(s.cert, c.ch.cert) && (s.sec.policy != opcua.None || old == nil)
}

// closeSession answers CloseSession. Subscriptions end with their session, whatever the client asks for.
func (c *conn) closeSession(r ua.Request) (ua.Response, error) {
	req, ok := r.(*ua.CloseSessionRequest)
	if !ok {
		return nil, ua.StatusBadInternalError
	}
	c.srv.mu.Lock()
	sess := c.srv.sessions[tokenOf(req.RequestHeader.AuthenticationToken)]
	mine := sess != nil && sess.conn.Load() == c
	c.srv.mu.Unlock()
	if !mine {
		return nil, ua.StatusBadSessionIDInvalid
	}
	c.srv.end(sess)
	return &ua.CloseSessionResponse{ResponseHeader: responseHeader(req.RequestHeader, ua.StatusOK)}, nil
}
