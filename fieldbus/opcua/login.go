// Login: which of the ways into a server is taken, how it proves who it is, and how we say who we are.

package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// errClosed is why a session is over that was closed.
var errClosed = errors.New("it was closed")

// location takes an endpoint apart: HOST:PORT.
func location(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err == nil && u.Scheme == "opc.tcp" && u.User == nil && u.Hostname() != "" {
		if port, e := strconv.ParseUint(u.Port(), 10, 16); e == nil && port > 0 {
			return net.JoinHostPort(u.Hostname(), u.Port()), nil
		}
	}
	return "", fmt.Errorf("endpoint %.200q: must be opc.tcp://HOST:PORT and what the server has behind it, without a name or password; "+
		"OPC UA has port 4840", endpoint)
}

// valid refuses options that no server can be reached by.
func (o *DeviceOptions) valid() error {
	switch {
	case int(o.Policy) >= len(policyNames):
		return fmt.Errorf("policy %d: there is none", o.Policy)
	case o.Policy != None && (o.Identity == nil || o.Identity.Key == nil):
		return fmt.Errorf("policy %v: wants an Identity, by which the server knows us", o.Policy)
	case o.Policy != None && o.Trust == nil:
		return fmt.Errorf("policy %v: wants a Trust, which says what servers are believed", o.Policy)
	case o.Policy == None && o.Password != "" && o.Trust == nil:
		return errors.New("policy none with a password: wants a Trust, which says what server may read the password")
	case o.User == "" && o.Password != "":
		return errors.New("a password without a user")
	}
	return nil
}

// leaf gives the first certificate of a chain, and its key.
func leaf(chain []byte) ([]byte, *rsa.PublicKey, error) {
	list, err := x509.ParseCertificates(chain)
	if err != nil || len(list) == 0 {
		return nil, nil, errors.New("the server has no certificate that can be read")
	}
	if _, err := certificate(list[0].Raw); err != nil {
		return nil, nil, err
	}
	return list[0].Raw, list[0].PublicKey.(*rsa.PublicKey), nil
}

// entry is the way into a server that is taken.
type entry struct {
	offer
	sec  security
	user token     // as whom
	host string    // at which it is reached
	lock *security // by which the password is encrypted; nil: by the channel alone
}

// choose takes the way in that has the policy, the mode and the user that are asked for, and no other, and holds the server's
// certificate against what is trusted.
func choose(offers []offer, host string, o *DeviceOptions) (*entry, error) {
	var have []string
	for _, f := range offers {
		if !f.tcp || f.policy != o.Policy.uri() || f.mode != uint32(o.Policy.mode()) {
			have = append(have, fmt.Sprintf("%.60s/%v", strings.TrimPrefix(f.policy, ua.SecurityPolicyURIPrefix), ua.MessageSecurityMode(f.mode)))
			continue
		}
		e := &entry{offer: f, sec: security{policy: o.Policy}, host: host}
		if o.Policy != None || o.User != "" {
			if err := e.believe(o); err != nil {
				return nil, err
			}
		}
		return e, e.choose(o)
	}
	slices.Sort(have)
	return nil, fmt.Errorf("the server does not offer policy %v, and no other is taken in its place; it has %.300q", o.Policy, slices.Compact(have))
}

// believe holds the certificate of the server against what is trusted. A user without a password over None needs none.
func (e *entry) believe(o *DeviceOptions) error {
	if o.Policy == None && o.Password == "" {
		return nil
	}
	der, key, err := leaf(e.cert)
	if err == nil {
		err = o.Trust.Check(der, e.app, e.host, time.Now())
	}
	if err != nil {
		return fmt.Errorf("the server is not believed: %w", err)
	}
	e.sec.peer, e.sec.key, e.sec.own = der, key, o.Identity
	return nil
}

// choose takes the kind of user, and how its password is kept secret.
func (e *entry) choose(o *DeviceOptions) error {
	kind := ua.UserTokenTypeAnonymous
	if o.User != "" {
		kind = ua.UserTokenTypeUserName
	}
	var why error
	for _, t := range e.tokens {
		if t.kind != uint32(kind) {
			continue
		}
		e.user = t
		if o.Password == "" {
			return nil
		}
		policy := t.policy
		if policy == "" {
			policy = e.policy
		}
		switch i := slices.IndexFunc([]Policy{Basic256Sha256, Aes128Sha256RsaOaep, Aes256Sha256RsaPss}, func(p Policy) bool { return p.uri() == policy }); {
		case i >= 0:
			e.lock = &security{policy: Basic256Sha256 + Policy(i), own: o.Identity, peer: e.sec.peer, key: e.sec.key}
			return nil
		case policy == ua.SecurityPolicyURINone && o.Policy != None && o.Policy != Basic256Sha256Sign:
			return nil // the channel encrypts it
		default:
			why = fmt.Errorf("the server wants the password by policy %.100q, by which anybody could read it; nothing was sent", policy)
		}
	}
	if why == nil && len(e.tokens) == 0 && o.User == "" {
		return nil // it says nothing about users
	}
	if why == nil {
		why = fmt.Errorf("the server does not take %v users over policy %v", kind, o.Policy)
	}
	return why
}

// discover asks a server what ways in it has, over a connection of its own, on which nothing is secret.
func discover(ctx context.Context, addr, endpoint string) (offers []offer, err error) {
	ch, err := dial(ctx, addr, endpoint, security{})
	if err != nil {
		return nil, err
	}
	s, err := begins(ctx, ch, openWait)
	if err != nil {
		return nil, err
	}
	defer s.close()
	_, err = s.ask(ctx, openWait, &ua.GetEndpointsRequest{EndpointURL: endpoint}, func(body []byte) (err error) {
		offers, err = offersAnswer(body)
		return err
	})
	return offers, err
}

// enter makes a session: the ways in are asked for, one is chosen, the server proves that it has the key of its certificate, and the
// user is named to it. Response is the wait for an answer, life that of keys.
func enter(ctx context.Context, endpoint, name string, o *DeviceOptions, response, life time.Duration) (*contact, error) {
	addr, err := location(endpoint)
	if err != nil {
		return nil, err
	}
	offers, err := discover(ctx, addr, endpoint)
	if err != nil {
		return nil, fmt.Errorf("asking for the endpoints: %w", err)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	e, err := choose(offers, host, o)
	if err != nil {
		return nil, err
	}
	sec := e.sec
	if o.Policy == None {
		sec = security{}
	}
	ch, err := dial(ctx, addr, endpoint, sec)
	if err != nil {
		return nil, err
	}
	ch.life = life
	s, err := begins(ctx, ch, response)
	if err != nil {
		return nil, err
	}
	idle, err := s.login(ctx, endpoint, name, e, o)
	if err != nil {
		s.close()
		return nil, err
	}
	s.wg.Go(func() { s.stay(idle) })
	return s, nil
}

// login creates the session and activates it, and gives for how long it lives without a request.
func (s *contact) login(ctx context.Context, endpoint, name string, e *entry, o *DeviceOptions) (time.Duration, error) {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return 0, err
	}
	client := &ua.ApplicationDescription{ApplicationURI: "urn:batchkit:controller", ProductURI: "urn:batchkit", ApplicationType: ua.ApplicationTypeClient,
		ApplicationName: ua.NewLocalizedText("batchkit")}
	req := &ua.CreateSessionRequest{ClientDescription: client, EndpointURL: endpoint, SessionName: "batchkit " + name, ClientNonce: nonce,
		RequestedSessionTimeout: float64(sessionLife.Milliseconds()), MaxResponseMessageSize: maxMessage}
	if o.Policy != None {
		client.ApplicationURI, req.ClientCertificate = o.Identity.URI, o.Identity.Certificate
	}
	var r *created
	if _, err := s.ask(ctx, openWait, req, func(body []byte) (err error) {
		r, err = createdAnswer(body)
		return err
	}); err != nil {
		return 0, fmt.Errorf("creating a session: %w", err)
	}
	if e.sec.peer != nil {
		if !bytes.HasPrefix(r.cert, e.sec.peer) {
			return 0, errors.New("the session has another certificate than the endpoint: somebody is in between; nothing secret was sent")
		}
	}
	signature := &ua.SignatureData{}
	if o.Policy != None {
		if len(r.nonce) < 32 || s.ch.asym.VerifySignature(slices.Concat(o.Identity.Certificate, nonce), r.signature) != nil {
			return 0, errors.New("the server does not prove that it has the key of its certificate")
		}
		sig, err := s.ch.asym.Signature(slices.Concat(r.cert, r.nonce))
		if err != nil {
			return 0, err
		}
		signature.Algorithm, signature.Signature = s.ch.asym.SignatureURI(), sig
	}
	user, err := e.identify(o, r.nonce)
	if err != nil {
		return 0, err
	}
	s.auth = r.token
	if _, err := s.ask(ctx, openWait, &ua.ActivateSessionRequest{ClientSignature: signature, UserIdentityToken: user,
		UserTokenSignature: &ua.SignatureData{}}, func(body []byte) error {
		_, err := answer(body, id.ActivateSessionResponse_Encoding_DefaultBinary)
		return err
	}); err != nil {
		return 0, fmt.Errorf("activating the session of user %.64q: %w", o.User, err)
	}
	idle := time.Duration(min(max(r.timeout, 0), float64(sessionLife.Milliseconds()))) * time.Millisecond
	if !(r.timeout >= 1000) {
		return 0, fmt.Errorf("the server forgets a session after %g ms; a second is the least", r.timeout)
	}
	return idle, nil
}

// identify makes the token of the user. The password is encrypted by the key of the server, with what it has just made up.
func (e *entry) identify(o *DeviceOptions, nonce []byte) (*ua.ExtensionObject, error) {
	if o.User == "" {
		return ua.NewExtensionObject(&ua.AnonymousIdentityToken{PolicyID: e.user.id}), nil
	}
	t := &ua.UserNameIdentityToken{PolicyID: e.user.id, UserName: o.User, Password: []byte(o.Password)}
	if e.lock != nil {
		var err error
		if t.Password, t.EncryptionAlgorithm, err = sealedPassword(e.lock, o.Password, nonce); err != nil {
			return nil, fmt.Errorf("encrypting the password: %w", err)
		}
	}
	return ua.NewExtensionObject(t), nil
}

// sealedPassword encrypts a password as part 4 (7.40.2.2) has it.
func sealedPassword(lock *security, password string, nonce []byte) (secret []byte, algorithm string, err error) {
	algo, err := uapolicy.Asymmetric(lock.policy.uri(), nil, lock.key)
	if err != nil {
		return nil, "", err
	}
	plain := binary.LittleEndian.AppendUint32(nil, uint32(len(password)+len(nonce)))
	secret, err = algo.Encrypt(slices.Concat(plain, []byte(password), nonce))
	return secret, algo.EncryptionURI(), err
}
