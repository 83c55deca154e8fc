// Secure channels: opening and renewing them, and what secures each chunk.

package server

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
)

// Limits of channels.
const (
	minLifetime = time.Second
	maxLifetime = time.Hour
	renewPause  = 100 * time.Millisecond // between two OpenSecureChannel of a connection; the second waits
	maxUnused   = 4                      // tokens that a client has and does not use
	maxCert     = 16 << 10               // bytes of a certificate with those of its authorities
	nonceSize   = 32
	maxNonce    = 128
)

// security is a policy as the protocol names it.
type security struct {
	policy opcua.Policy
	uri    string
	mode   ua.MessageSecurityMode
}

var securities = []security{
	{opcua.None, ua.SecurityPolicyURINone, ua.MessageSecurityModeNone},
	{opcua.Basic256Sha256Sign, ua.SecurityPolicyURIBasic256Sha256, ua.MessageSecurityModeSign},
	{opcua.Basic256Sha256, ua.SecurityPolicyURIBasic256Sha256, ua.MessageSecurityModeSignAndEncrypt},
	{opcua.Aes128Sha256RsaOaep, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.MessageSecurityModeSignAndEncrypt},
	{opcua.Aes256Sha256RsaPss, ua.SecurityPolicyURIAes256Sha256RsaPss, ua.MessageSecurityModeSignAndEncrypt},
}

// token is what secures messages for a time.
type token struct {
	id     uint32
	lapses time.Time
	algo   *uapolicy.EncryptionAlgorithm // nil: nothing is secured
}

// channel is a secure channel. Its goroutine is that of its connection; what sending needs is under the connection's mutex.
type channel struct {
	id    uint32
	sec   security
	cert  []byte                        // of the client; nil with None
	asym  *uapolicy.EncryptionAlgorithm // nil with None
	extra bool                          // the client's key is of more than 2048 bits
	cur   *token                        // sending; changed under the connection's mutex
	next  []*token                      // issued, and not used by the client yet; the oldest first
	sent  chunk.Count
	heard chunk.Count // of the client
}

// lapsed tells whether no token is valid any more.
func (ch *channel) lapsed(now time.Time) bool {
	return now.After(ch.cur.lapses) && (len(ch.next) == 0 || now.After(ch.next[len(ch.next)-1].lapses))
}

// open answers OpenSecureChannel.
func (c *conn) open(chunk []byte) error {
	if wait := time.Until(c.opened.Add(renewPause)); wait > 0 {
		if !c.pause(wait) {
			return io.EOF
		}
	}
	c.opened = time.Now()
	h, rest, err := openHead(chunk)
	if err != nil {
		return err
	}
	ch := c.ch
	if ch == nil {
		ch, err = c.newChannel(h)
	} else if got := binary.LittleEndian.Uint32(chunk[8:]); got != ch.id || h.uri != ch.sec.uri || !bytes.Equal(h.leaf(), ch.cert) {
		err = fmt.Errorf("channel %d is renewed by what did not open it: %w", got, ua.StatusBadSecurityChecksFailed)
	} else if ch.asym != nil {
		err = c.believe(h)
	}
	if err != nil {
		return err
	}
	plain := rest
	if ch.asym != nil {
		if plain, err = c.unlock(ch, chunk, len(chunk)-len(rest)); err != nil {
			return err
		}
	}
	reqID, body, err := ch.sequence(plain)
	if err != nil {
		return err
	}
	var typ ua.ExpandedNodeID
	n, err := decodeScanned(body, &typ)
	if err != nil {
		return err
	}
	if typ.NodeID.Namespace() != 0 || typ.NodeID.IntID() != id.OpenSecureChannelRequest_Encoding_DefaultBinary {
		return fmt.Errorf("OPN with a request of type %s: %w", typ.NodeID, ua.StatusBadTCPMessageTypeInvalid)
	}
	var req ua.OpenSecureChannelRequest
	if _, err = decodeScanned(bytes.Clone(body[n:]), &req); err != nil {
		return err
	}
	return c.grant(ch, reqID, &req)
}

// grant gives a channel a token.
func (c *conn) grant(ch *channel, reqID uint32, req *ua.OpenSecureChannelRequest) error {
	if renew := req.RequestType == ua.SecurityTokenRequestTypeRenew; renew != (c.ch != nil) {
		return fmt.Errorf("a channel is opened once, and then renewed: %w", ua.StatusBadSecurityChecksFailed)
	}
	if c.ch == nil {
		i := slices.IndexFunc(securities, func(s security) bool { return s.uri == ch.sec.uri && s.mode == req.SecurityMode })
		if i < 0 || i > 0 && !slices.Contains(c.srv.o.Policies, securities[i].policy) {
			return fmt.Errorf("mode %s is not among those of this server: %w", req.SecurityMode, ua.StatusBadSecurityModeRejected)
		}
		ch.sec = securities[i]
	} else if req.SecurityMode != ch.sec.mode {
		return fmt.Errorf("renewed with another mode: %w", ua.StatusBadSecurityModeRejected)
	}
	life := min(max(time.Duration(req.RequestedLifetime)*time.Millisecond, minLifetime), maxLifetime)
	if req.RequestedLifetime == 0 {
		life = maxLifetime
	}
	t := &token{id: c.srv.lastID.Add(1), lapses: time.Now().Add(life + life/4)}
	resp := &ua.OpenSecureChannelResponse{
		ResponseHeader: responseHeader(req.RequestHeader, ua.StatusOK),
		SecurityToken: &ua.ChannelSecurityToken{
			ChannelID: ch.id, TokenID: t.id, CreatedAt: time.Now(), RevisedLifetime: uint32(life / time.Millisecond),
		},
	}
	if ch.asym != nil {
		if len(req.ClientNonce) < nonceSize || len(req.ClientNonce) > maxNonce {
			return fmt.Errorf("nonce of %d bytes: %w", len(req.ClientNonce), ua.StatusBadNonceInvalid)
		}
		var err error
		resp.ServerNonce = newNonce()
		if t.algo, err = uapolicy.Symmetric(ch.sec.uri, resp.ServerNonce, req.ClientNonce); err != nil {
			return fmt.Errorf("%w: %w", err, ua.StatusBadSecurityChecksFailed)
		}
	}
	body, err := encodeService(resp)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch, ch.cur = ch, t
	} else {
		ch.next = append(ch.next[max(len(ch.next)+1-maxUnused, 0):], t)
	}
	f, err := c.lock(ch, reqID, body)
	if err != nil {
		return err
	}
	c.push(f)
	return nil
}

// opening is the head of an OPN chunk.
type opening struct {
	uri         string
	cert, thumb []byte
	first       *x509.Certificate // of cert, once it was parsed
}

// leaf gives the client's own certificate, without those of authorities.
func (h *opening) leaf() []byte {
	if h.first == nil && len(h.cert) > 0 {
		if all, err := x509.ParseCertificates(h.cert); err == nil && len(all) > 0 {
			h.first = all[0]
		}
	}
	if h.first == nil || h.uri == ua.SecurityPolicyURINone {
		return nil
	}
	return h.first.Raw
}

// openHead reads the head of an OPN chunk, and gives what follows it.
func openHead(chunk []byte) (*opening, []byte, error) {
	s := scanner{b: chunk[headSize+4:]}
	var parts [3][]byte
	for i := range parts {
		parts[i] = bytes.Clone(s.take(max(s.length(), 0)))
	}
	if s.bad || len(parts[0]) > 255 || len(parts[1]) > maxCert || len(parts[2]) > sha1.Size {
		return nil, nil, fmt.Errorf("head of OPN is malformed: %w", ua.StatusBadDecodingError)
	}
	return &opening{uri: string(parts[0]), cert: parts[1], thumb: parts[2]}, s.b, nil
}

// newChannel checks who opens a channel, and by which policy. Nothing has been proven yet.
func (c *conn) newChannel(h *opening) (*channel, error) {
	ch := &channel{id: c.srv.lastID.Add(1), sec: security{uri: h.uri}}
	if h.uri == ua.SecurityPolicyURINone {
		return ch, nil // for discovery at least
	}
	offered := slices.ContainsFunc(securities, func(s security) bool { return s.uri == h.uri && slices.Contains(c.srv.o.Policies, s.policy) })
	if !offered {
		return nil, fmt.Errorf("policy %.100q is not among those of this server: %w", h.uri, ua.StatusBadSecurityPolicyRejected)
	}
	own := sha1.Sum(c.srv.o.Identity.Certificate)
	if !bytes.Equal(h.thumb, own[:]) {
		return nil, fmt.Errorf("message is for another certificate: %w", ua.StatusBadCertificateInvalid)
	}
	if ch.cert = h.leaf(); ch.cert == nil {
		return nil, fmt.Errorf("client has no certificate that can be read: %w", ua.StatusBadCertificateInvalid)
	}
	if err := c.believe(h); err != nil {
		return nil, err
	}
	key, ok := h.first.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("client has no RSA key: %w", ua.StatusBadCertificateInvalid)
	}
	var err error
	if ch.asym, err = uapolicy.Asymmetric(h.uri, c.srv.o.Identity.Key, key); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ua.StatusBadSecurityChecksFailed)
	}
	ch.extra = key.Size() > 256
	return ch, nil
}

// believe checks the client's certificate. That the client says to be its application is looked at with its session.
func (c *conn) believe(h *opening) error {
	var uri string
	if len(h.first.URIs) > 0 {
		uri = h.first.URIs[0].String()
	}
	if err := c.srv.o.Trust.Check(h.first.Raw, uri, "", time.Now()); err != nil {
		return withheld{ua.StatusBadSecurityChecksFailed, err}
	}
	return nil
}

// lane lets one connection at a time compute with the key, and beside it one of those that have proven who they are, which wait for no
// stranger. What fails holds its lane for twice as long as it took: who floods the server with messages that cannot be opened gets half
// of one core.
func (c *conn) lane(f func() error) error {
	lane := c.srv.rsa
	if c.ch != nil && c.ch.asym != nil {
		lane = c.srv.known
	}
	select {
	case lane <- struct{}{}:
	case <-c.dead:
		return io.EOF
	}
	defer func() { <-lane }()
	began := time.Now()
	err := f()
	if err != nil {
		c.pause(time.Since(began))
	}
	return err
}

// unlock opens an asymmetric chunk whose head has n bytes.
func (c *conn) unlock(ch *channel, b []byte, n int) (plain []byte, err error) {
	size := c.srv.o.Identity.Key.Size()
	err = c.lane(func() (err error) {
		ok := len(b)-n <= 8*size // an OPN has two or three blocks
		if ok {
			plain, ok = chunk.Open(ch.asym, b, n, true, size > 256)
		}
		if !ok {
			err = ua.StatusBadSecurityChecksFailed
		}
		return err
	})
	return plain, err
}

// lock makes an asymmetric chunk. The connection's mutex is held; what it computes is of a client that has proven its key.
func (c *conn) lock(ch *channel, reqID uint32, body []byte) ([]byte, error) {
	var own []byte
	if ch.asym != nil {
		own = c.srv.o.Identity.Certificate
	}
	b := chunk.Opening(ch.id, ch.sec.uri, own, ch.cert)
	n := len(b)
	return chunk.Seal(ch.asym, append(ch.number(b, reqID), body...), n, ch.asym != nil, ch.extra)
}

// pause waits; false: the connection ends.
func (c *conn) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.dead:
		return false
	}
}
