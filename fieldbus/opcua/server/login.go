// Logging in: who a session is of.

package server

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// Limits of logging in.
const (
	maxFails  = 3           // wrong passwords of a connection, which then ends
	failDelay = time.Second // the answer to a wrong password waits for
	maxUser   = 256         // bytes
	maxSecret = 1024        // bytes of a password, encrypted
	anonymous = "anonymous" // policy ids
	byName    = "username-"
)

// tokenPolicy gives how a client of a policy says who its user is, and the security policy by which a password is encrypted.
func (s *Server) tokenPolicy(sec security) *ua.UserTokenPolicy {
	if s.o.Login == nil {
		return &ua.UserTokenPolicy{PolicyID: anonymous, TokenType: ua.UserTokenTypeAnonymous}
	}
	if sec.policy == opcua.None { // the password is encrypted all the same
		sec = securities[opcua.Basic256Sha256]
	}
	return &ua.UserTokenPolicy{PolicyID: byName + sec.policyName(), TokenType: ua.UserTokenTypeUserName, SecurityPolicyURI: sec.uri}
}

func (sec security) policyName() string {
	if sec.policy == opcua.Basic256Sha256Sign { // encrypts passwords as the other one does
		return opcua.Basic256Sha256.String()
	}
	return sec.policy.String()
}

// user gives the name of who a session is of; "": nobody is asked. nonce is the last that the session was given.
func (c *conn) user(token *ua.ExtensionObject, nonce []byte) (string, error) {
	login, policy := c.srv.o.Login, c.srv.tokenPolicy(c.ch.sec)
	switch t := token.Value.(type) {
	case nil, *ua.AnonymousIdentityToken:
		if login != nil {
			return "", fmt.Errorf("nobody comes in without a name: %w", ua.StatusBadIdentityTokenRejected)
		}
		return "", nil
	case *ua.UserNameIdentityToken:
		if login == nil || t.PolicyID != policy.PolicyID {
			return "", ua.StatusBadIdentityTokenRejected
		}
		ok := false
		password, err := c.password(t, policy.SecurityPolicyURI, nonce)
		if errors.Is(err, io.EOF) {
			return "", err
		}
		if err == nil {
			ok = c.srv.mayLogin(t.UserName, password)
		}
		if ok {
			c.fails = 0
			return t.UserName, nil
		}
		c.fails++
		if !c.pause(failDelay) {
			return "", io.EOF
		}
		if err != nil {
			return "", fmt.Errorf("user %.40q: the password cannot be read: %w", t.UserName, ua.StatusBadUserAccessDenied)
		}
		return "", fmt.Errorf("user %.40q with another password: %w", t.UserName, ua.StatusBadUserAccessDenied)
	}
	return "", ua.StatusBadIdentityTokenRejected
}

// mayLogin asks Login, one at a time.
func (s *Server) mayLogin(user, password string) bool {
	s.login.Lock()
	defer s.login.Unlock()
	return s.o.Login(user, password)
}

// password decrypts a password: its length with that of the nonce, itself, and the nonce, so that nobody can say it again.
func (c *conn) password(t *ua.UserNameIdentityToken, uri string, nonce []byte) (string, error) {
	var plain []byte
	err := c.lane(func() error {
		a, err := uapolicy.Asymmetric(uri, c.srv.o.Identity.Key, nil)
		if err != nil {
			return err
		}
		if t.EncryptionAlgorithm != a.EncryptionURI() || len(t.UserName) > maxUser || len(t.Password) > maxSecret {
			return ua.StatusBadIdentityTokenInvalid
		}
		plain, err = a.Decrypt(t.Password)
		return err
	})
	if err != nil {
		return "", err
	}
	if len(plain) < 4+len(nonce) {
		return "", ua.StatusBadIdentityTokenInvalid
	}
	n, rest := binary.LittleEndian.Uint32(plain), plain[4:]
	if uint64(n) < uint64(len(nonce)) || uint64(n) > uint64(len(rest)) {
		return "", ua.StatusBadIdentityTokenInvalid
	}
	password, said := rest[:int(n)-len(nonce)], rest[int(n)-len(nonce):n]
	if subtle.ConstantTimeCompare(said, nonce) != 1 {
		return "", ua.StatusBadIdentityTokenInvalid
	}
	return string(password), nil
}
