// Who comes in: sessions, policies, certificates and passwords.

package server

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

func TestNothingIsServedWithoutASessionOfItsOwn(t *testing.T) {
	s := serve(t, secured(t))
	other := dialFoe(t, s).come(opcua.None)
	for number := range requestTypes {
		if doors[number] != nil && number != ua.ServiceTypeID(&ua.CloseSessionRequest{}) {
			continue
		}
		request := func() ua.Request {
			r, err := decodeRequest(requestTypes[number], make([]byte, 4000)) // zeros are something of everything
			require.NoError(t, err)
			r.SetHeader(nil)
			return r
		}
		f := dialFoe(t, s).hello().as(opcua.None, nil)
		require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
		_, err := f.ask(request())
		require.Equal(t, ua.StatusBadSessionIDInvalid, err, "%T without a session", request())
		f.token = ua.NewByteStringNodeID(0, make([]byte, 32))
		_, err = f.ask(request())
		require.Equal(t, ua.StatusBadSessionIDInvalid, err, "%T with a token that is none", request())
		f.token = other.token
		_, err = f.ask(request())
		require.Equal(t, ua.StatusBadSessionIDInvalid, err, "%T with another's token", request())
		if doors[number] == nil {
			_, err = f.create()
			require.NoError(t, err)
			_, err = f.ask(request())
			require.Equal(t, ua.StatusBadSessionNotActivated, err, "%T before it is activated", request())
		}
		require.NoError(t, f.nc.Close())
	}
	require.NoError(t, other.read())
	_, err := other.ask(&ua.CloseSessionRequest{})
	require.NoError(t, err)
	require.Equal(t, ua.StatusBadSessionIDInvalid, other.read(), "after it was closed")
	alive(t, s)
}

func TestASessionMovesToAConnectionOfItsOwnerAlone(t *testing.T) {
	o := secured(t)
	server, client, stranger, _ := meet(t)
	var err error
	o.Trust, err = opcua.NewTrust(client.Certificate, stranger.Certificate)
	require.NoError(t, err)
	s := serve(t, o)
	move := func(from *foe, p opcua.Policy, who *opcua.Identity, nonce []byte) (*foe, error) {
		to := dialFoe(t, s).hello().as(p, who)
		require.NoError(t, to.open(ua.SecurityTokenRequestTypeIssue))
		to.token = from.token
		_, err := to.ask(to.activation(nonce))
		return to, err
	}
	first := dialFoe(t, s).hello().as(opcua.Basic256Sha256, client)
	require.NoError(t, first.open(ua.SecurityTokenRequestTypeIssue))
	made, err := first.create()
	require.NoError(t, err)
	_, err = move(first, opcua.Basic256Sha256, client, made.ServerNonce)
	require.Equal(t, ua.StatusBadSessionIDInvalid, err, "before it was activated")
	_, err = first.ask(first.activation(newNonce()))
	require.Equal(t, ua.StatusBadApplicationSignatureInvalid, err, "another nonce is signed")
	resp, err := first.ask(first.activation(made.ServerNonce))
	require.NoError(t, err)
	nonce := resp.(*ua.ActivateSessionResponse).ServerNonce
	_, err = first.ask(first.activation(made.ServerNonce))
	require.Equal(t, ua.StatusBadApplicationSignatureInvalid, err, "a signature counts once")

	_, err = move(first, opcua.Basic256Sha256, stranger, nonce)
	require.Equal(t, ua.StatusBadSessionIDInvalid, err, "another application")
	_, err = move(first, opcua.None, client, nonce)
	require.Equal(t, ua.StatusBadSessionIDInvalid, err, "less secure")
	second, err := move(first, opcua.Basic256Sha256, client, nonce)
	require.NoError(t, err)
	require.NoError(t, second.read())
	require.Equal(t, ua.StatusBadSessionIDInvalid, first.read(), "it has moved")

	plain := dialFoe(t, s).come(opcua.None)
	_, err = move(plain, opcua.None, nil, nil)
	require.Equal(t, ua.StatusBadSessionIDInvalid, err, "nobody has proven to be its owner")
	require.NoError(t, plain.read())
	require.NoError(t, plain.nc.Close())
	require.Eventually(t, func() bool {
		again, err := move(plain, opcua.None, nil, nil)
		return err == nil && again.read() == nil
	}, patience, 5*time.Millisecond, "the first connection has gone")
	require.Equal(t, server.Certificate, made.ServerCertificate)
}

func TestPoliciesAreHeld(t *testing.T) {
	o := secured(t)
	o.Policies = []opcua.Policy{opcua.Basic256Sha256, opcua.Aes256Sha256RsaPss}
	s := serve(t, o)
	_, client, _, _ := meet(t)

	f := dialFoe(t, s).hello().as(opcua.None, client)
	require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue), "discovery needs no security")
	resp, err := f.ask(&ua.GetEndpointsRequest{EndpointURL: "opc.tcp://localhost:1"})
	require.NoError(t, err)
	require.Len(t, resp.(*ua.GetEndpointsResponse).Endpoints, 2)
	require.Equal(t, "opc.tcp://localhost:1", resp.(*ua.GetEndpointsResponse).Endpoints[0].EndpointURL)
	resp, err = f.ask(&ua.GetEndpointsRequest{EndpointURL: "opc.tcp://evil:1"})
	require.NoError(t, err)
	require.Equal(t, "opc.tcp://"+s.Addr(), resp.(*ua.GetEndpointsResponse).Endpoints[0].EndpointURL, "what is not ours is not said again")
	resp, err = f.ask(&ua.FindServersRequest{})
	require.NoError(t, err)
	require.Len(t, resp.(*ua.FindServersResponse).Servers, 1)
	_, err = f.create()
	require.Equal(t, ua.StatusBadSecurityPolicyRejected, err, "a session does")

	for _, c := range []struct {
		name   string
		policy opcua.Policy
		uri    string
		mode   ua.MessageSecurityMode
		want   ua.StatusCode
	}{
		{"a policy that is not offered", opcua.Aes128Sha256RsaOaep, "", 0, ua.StatusBadSecurityPolicyRejected},
		{"a policy that is broken", opcua.Basic256Sha256, ua.SecurityPolicyURIBasic128Rsa15, 0, ua.StatusBadSecurityPolicyRejected},
		{"a policy that is none", opcua.Basic256Sha256, "http://somewhere/else", 0, ua.StatusBadSecurityPolicyRejected},
		{"a mode that is not offered", opcua.Basic256Sha256Sign, "", 0, ua.StatusBadSecurityModeRejected},
		{"no mode with a policy", opcua.Basic256Sha256, "", ua.MessageSecurityModeNone, ua.StatusBadSecurityModeRejected},
		{"a mode without a policy", opcua.None, "", ua.MessageSecurityModeSign, ua.StatusBadSecurityModeRejected},
		{"a mode that is none", opcua.Basic256Sha256, "", 77, ua.StatusBadSecurityModeRejected},
	} {
		f := dialFoe(t, s).hello().as(c.policy, client)
		if c.uri != "" {
			f.c.ch.sec.uri = c.uri
		}
		if c.mode != 0 {
			f.c.ch.sec.mode = c.mode
		}
		require.Equal(t, c.want, f.open(ua.SecurityTokenRequestTypeIssue), c.name)
	}
	for _, to := range []opcua.Policy{opcua.None, opcua.Basic256Sha256Sign, opcua.Aes256Sha256RsaPss} {
		f := dialFoe(t, s).come(opcua.Basic256Sha256)
		old := f.c.ch
		f.as(to, client).c.ch.id, f.c.ch.sent = old.id, old.sent
		require.Error(t, f.open(ua.SecurityTokenRequestTypeRenew), "renewed as %s", to)
	}
	f = dialFoe(t, s).come(opcua.Basic256Sha256)
	require.Equal(t, ua.StatusBadSecurityChecksFailed, f.open(ua.SecurityTokenRequestTypeIssue), "opened twice")
	f = dialFoe(t, s).hello().as(opcua.Basic256Sha256, client)
	require.Equal(t, ua.StatusBadSecurityChecksFailed, f.open(ua.SecurityTokenRequestTypeRenew), "renewed before it was opened")
	alive(t, s)
}

func TestCertificatesAreHeld(t *testing.T) {
	s := serve(t, secured(t))
	server, client, stranger, lapsed := meet(t)
	opens := func(who *opcua.Identity, change func(f *foe)) error {
		f := dialFoe(t, s).hello().as(opcua.Basic256Sha256, who)
		if change != nil {
			change(f)
		}
		return f.open(ua.SecurityTokenRequestTypeIssue)
	}
	require.NoError(t, opens(client, nil))
	require.Equal(t, ua.StatusBadSecurityChecksFailed, opens(stranger, nil), "not trusted")
	require.Equal(t, ua.StatusBadSecurityChecksFailed, opens(lapsed, nil), "trusted, and out of its time")
	require.Equal(t, ua.StatusBadSecurityChecksFailed, opens(&opcua.Identity{Certificate: client.Certificate, Key: stranger.Key}, func(f *foe) {
		f.c.ch.asym = must(uapolicy.Asymmetric(f.c.ch.sec.uri, stranger.Key, &server.Key.PublicKey))
	}), "another's certificate, which everybody can have")
	require.Equal(t, ua.StatusBadCertificateInvalid, opens(client, func(f *foe) { f.c.ch.cert = stranger.Certificate }), "for another server")
	require.Equal(t, ua.StatusBadCertificateInvalid, opens(&opcua.Identity{Certificate: []byte("no certificate"), Key: client.Key}, nil))

	f := dialFoe(t, s).hello().as(opcua.Basic256Sha256, client)
	require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
	good := func() *ua.CreateSessionRequest {
		return &ua.CreateSessionRequest{
			ClientDescription: &ua.ApplicationDescription{ApplicationURI: client.URI, ApplicationName: ua.NewLocalizedText("")},
			ClientNonce:       newNonce(), ClientCertificate: client.Certificate,
		}
	}
	for _, c := range []struct {
		change func(r *ua.CreateSessionRequest)
		want   ua.StatusCode
	}{
		{func(r *ua.CreateSessionRequest) { r.ClientDescription.ApplicationURI = "urn:test:stranger" }, ua.StatusBadCertificateURIInvalid},
		{func(r *ua.CreateSessionRequest) { r.ClientCertificate = stranger.Certificate }, ua.StatusBadCertificateInvalid},
		{func(r *ua.CreateSessionRequest) { r.ClientCertificate = nil }, ua.StatusBadCertificateInvalid},
		{func(r *ua.CreateSessionRequest) { r.ClientNonce = nil }, ua.StatusBadNonceInvalid},
		{func(r *ua.CreateSessionRequest) { r.ClientNonce = make([]byte, 5000) }, ua.StatusBadNonceInvalid},
	} {
		r := good()
		c.change(r)
		_, err := f.ask(r)
		require.Equal(t, c.want, err)
	}
	_, err := f.ask(good())
	require.NoError(t, err)
	alive(t, s)
}

// named makes the token of a user whose password is encrypted with a nonce.
func named(f *foe, user, password string, nonce []byte) *ua.ExtensionObject {
	sec := securities[opcua.Basic256Sha256]
	a := must(uapolicy.Asymmetric(sec.uri, nil, &people.server.Key.PublicKey))
	secret := binary.LittleEndian.AppendUint32(nil, uint32(len(password)+len(nonce)))
	return ua.NewExtensionObject(&ua.UserNameIdentityToken{
		PolicyID: "username-basic256sha256", UserName: user, EncryptionAlgorithm: a.EncryptionURI(),
		Password: must(a.Encrypt(append(append(secret, password...), nonce...))),
	})
}

func TestAPasswordLetsInAndAWrongOneCosts(t *testing.T) {
	o := secured(t)
	asked := 0
	o.Login = func(user, password string) bool { asked++; return user == "ann" && password == "right" }
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, o)
		for _, p := range []opcua.Policy{opcua.None, opcua.Basic256Sha256Sign, opcua.Basic256Sha256} {
			for _, c := range []struct {
				name  string
				token func(f *foe, nonce []byte) *ua.ExtensionObject
				want  ua.StatusCode
				late  bool
			}{
				{"right", func(f *foe, n []byte) *ua.ExtensionObject { return named(f, "ann", "right", n) }, ua.StatusOK, false},
				{"wrong", func(f *foe, n []byte) *ua.ExtensionObject { return named(f, "ann", "wrong", n) }, ua.StatusBadUserAccessDenied, true},
				{"none", func(f *foe, n []byte) *ua.ExtensionObject { return named(f, "ann", "", n) }, ua.StatusBadUserAccessDenied, true},
				{"nobody", func(*foe, []byte) *ua.ExtensionObject { return ua.NewExtensionObject(nil) }, ua.StatusBadIdentityTokenRejected, false},
				{"anonymous", func(*foe, []byte) *ua.ExtensionObject {
					return ua.NewExtensionObject(&ua.AnonymousIdentityToken{PolicyID: "anonymous"})
				}, ua.StatusBadIdentityTokenRejected, false},
				{"a certificate", func(*foe, []byte) *ua.ExtensionObject {
					return ua.NewExtensionObject(&ua.X509IdentityToken{PolicyID: "username-basic256sha256"})
				}, ua.StatusBadIdentityTokenRejected, false},
				{"said before", func(f *foe, _ []byte) *ua.ExtensionObject { return named(f, "ann", "right", newNonce()) }, ua.StatusBadUserAccessDenied, true},
				{"in the clear", func(*foe, []byte) *ua.ExtensionObject {
					return ua.NewExtensionObject(&ua.UserNameIdentityToken{PolicyID: "username-basic256sha256", UserName: "ann", Password: []byte("right")})
				}, ua.StatusBadUserAccessDenied, true},
				{"noise", func(*foe, []byte) *ua.ExtensionObject {
					return ua.NewExtensionObject(&ua.UserNameIdentityToken{
						PolicyID: "username-basic256sha256", UserName: "ann", Password: bytes.Repeat([]byte{7}, 256),
						EncryptionAlgorithm: "http://www.w3.org/2001/04/xmlenc#rsa-oaep",
					})
				}, ua.StatusBadUserAccessDenied, true},
			} {
				f := newFoe(t, dial(), s).hello().as(p, people.client)
				require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
				made, err := f.create()
				require.NoError(t, err)
				r := f.activation(made.ServerNonce)
				r.UserIdentityToken = c.token(f, made.ServerNonce)
				began := time.Now()
				if _, err = f.ask(r); c.want == ua.StatusOK {
					require.NoError(t, err, "%s, %s", c.name, p)
					require.NoError(t, f.read())
				} else {
					require.Equal(t, c.want, err, "%s, %s", c.name, p)
					require.Equal(t, ua.StatusBadSessionNotActivated, f.read())
				}
				require.Equal(t, c.late, time.Since(began) >= failDelay, "%s, %s", c.name, p)
				require.NoError(t, f.nc.Close())
			}
		}
		require.Equal(t, 9, asked, "what cannot be decrypted is no password")

		f := newFoe(t, dial(), s).hello().as(opcua.None, people.client)
		require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
		made, err := f.create()
		require.NoError(t, err)
		for range maxFails {
			r := f.activation(made.ServerNonce)
			r.UserIdentityToken = named(f, "ann", "guess", made.ServerNonce)
			_, err = f.ask(r)
			require.Equal(t, ua.StatusBadUserAccessDenied, err)
		}
		require.Equal(t, ua.StatusBadUserAccessDenied, f.end(), "the connection ends")
		require.NoError(t, s.Close())
	})
}

func TestWhoIsRefusedIsTold(t *testing.T) {
	o := secured(t)
	var told []string
	o.Refused = func(client string, why error) { told = append(told, client+": "+why.Error()) }
	o.Login = func(user, password string) bool { return false }
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, o)
		f := newFoe(t, dial(), s).hello().as(opcua.Basic256Sha256, people.stranger)
		require.Equal(t, ua.StatusBadSecurityChecksFailed, f.open(ua.SecurityTokenRequestTypeIssue))
		f = newFoe(t, dial(), s).hello().as(opcua.None, people.client)
		require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
		made, err := f.create()
		require.NoError(t, err)
		r := f.activation(made.ServerNonce)
		r.UserIdentityToken = named(f, "ann", "wrong", made.ServerNonce)
		_, err = f.ask(r)
		require.Equal(t, ua.StatusBadUserAccessDenied, err)
		synctest.Wait()
		require.Len(t, told, 2)
		require.Contains(t, told[0], `pipe: opcua: server: connection: opcua: certificate of "stranger"`)
		require.Contains(t, told[0], "is neither trusted nor signed, for this use, by an authority that is")
		require.Contains(t, told[1], `pipe: opcua: server: session: user "ann" with another password`)
		for range 100 {
			_ = newFoe(t, dial(), s).raw([]byte("GET / HTTP/1.1\r\n\r\n")).end()
		}
		require.Equal(t, uint64(102), s.Stats().Refused)
		require.LessOrEqual(t, len(told), 2+maxTold, "in no time")
		require.NoError(t, s.Close())
	})
}
