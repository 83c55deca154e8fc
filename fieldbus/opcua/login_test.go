// A server is entered by exactly the way that was asked for, if it is believed, and as the user who was named; nothing secret goes elsewhere.

package opcua

import (
	"fmt"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

func TestAUserIsTakenByItsPasswordAlone(t *testing.T) {
	p := plant(t)
	for _, policy := range policies {
		o := trusting(t, p, policy)
		o.User, o.Password = "op", "secret"
		d := device(t, plantProfile(), o)
		d.response = 20 * time.Second // no claim of this test: a server makes keys of each policy, beside whatever the machine does
		require.NoError(t, d.Open(t.Context(), p.endpoint()), "%v: over None the password is encrypted by itself", policy)
		require.NoError(t, d.Read(t.Context(), named(d.profile, "Level"), make([]fieldbus.Reading, 1)))
		require.NoError(t, d.Close())
	}
	o := trusting(t, p, Basic256Sha256)
	o.User, o.Password = "op", "guess"
	err := device(t, plantProfile(), o).Open(t.Context(), p.endpoint())
	require.ErrorContains(t, err, `activating the session of user "op"`)
	require.NotContains(t, err.Error(), "guess")
}

func TestAServerThatIsNotTrustedIsToldNothing(t *testing.T) {
	p := plant(t)
	other, err := us()
	require.NoError(t, err)
	o := trusting(t, p, Basic256Sha256)
	o.Trust, err = NewTrust(other.Certificate)
	require.NoError(t, err)
	err = device(t, plantProfile(), o).Open(t.Context(), p.endpoint())
	require.ErrorContains(t, err, "the server is not believed: opcua: certificate of \"plant\"")
	require.ErrorContains(t, err, "is neither trusted nor signed")
	require.ErrorContains(t, err, Thumbprint(p.id.Certificate), "so that it can be looked up")
	o = trusting(t, p, None)
	o.User, o.Password = "op", "secret"
	o.Trust, err = NewTrust(other.Certificate)
	require.NoError(t, err)
	require.ErrorContains(t, device(t, plantProfile(), o).Open(t.Context(), p.endpoint()), "is not believed", "whose password would be read by anybody")
}

// offered is a server's way in.
func offered(policy Policy, cert []byte, tokens ...token) offer {
	return offer{app: "urn:batchkit:tests", cert: cert, mode: uint32(policy.mode()), policy: policy.uri(), tcp: true, tokens: tokens}
}

func TestNoOtherWayInIsTakenThanTheOneAskedFor(t *testing.T) {
	id, err := us()
	require.NoError(t, err)
	trust, err := NewTrust(id.Certificate)
	require.NoError(t, err)
	nobody, user := token{id: "a", kind: uint32(ua.UserTokenTypeAnonymous)}, token{id: "u", kind: uint32(ua.UserTokenTypeUserName)}
	plain := user
	plain.policy = ua.SecurityPolicyURINone
	weak := user
	weak.policy = ua.SecurityPolicyURIBasic128Rsa15
	with := func(policy Policy, name, password string) *DeviceOptions {
		return &DeviceOptions{Policy: policy, Identity: id, Trust: trust, User: name, Password: password}
	}
	for name, c := range map[string]struct {
		o      *DeviceOptions
		offers []offer
		want   string
	}{
		"a weaker one":               {with(Basic256Sha256, "", ""), []offer{offered(None, nil, nobody), offered(Basic256Sha256Sign, id.Certificate, nobody)}, `policy basic256sha256, and no other is taken in its place; it has ["Basic256Sha256/MessageSecurityModeSign"`},
		"a stronger one":             {with(Basic256Sha256, "", ""), []offer{offered(Aes256Sha256RsaPss, id.Certificate, nobody)}, "no other is taken"},
		"none":                       {with(None, "", ""), nil, "no other is taken"},
		"no certificate":             {with(Basic256Sha256, "", ""), []offer{offered(Basic256Sha256, nil, nobody)}, "has no certificate that can be read"},
		"no user":                    {with(Basic256Sha256, "op", "x"), []offer{offered(Basic256Sha256, id.Certificate, nobody)}, "does not take"},
		"no anonymous":               {with(None, "", ""), []offer{offered(None, nil, user)}, "does not take"},
		"a password in the clear":    {with(None, "op", "x"), []offer{offered(None, id.Certificate, plain)}, "by which anybody could read it; nothing was sent"},
		"a password that is signed":  {with(Basic256Sha256Sign, "op", "x"), []offer{offered(Basic256Sha256Sign, id.Certificate, plain)}, "by which anybody could read it"},
		"a password behind a policy": {with(None, "op", "x"), []offer{offered(None, id.Certificate, user)}, "by which anybody could read it"},
		"a password by a broken one": {with(Basic256Sha256, "op", "x"), []offer{offered(Basic256Sha256, id.Certificate, weak)}, "by which anybody could read it"},
	} {
		_, err := choose(c.offers, "plc", c.o)
		require.ErrorContains(t, err, c.want, name)
	}
	e, err := choose([]offer{offered(None, nil, nobody), offered(Basic256Sha256, id.Certificate, nobody, plain)}, "plc", with(Basic256Sha256, "op", "x"))
	require.NoError(t, err)
	require.Nil(t, e.lock, "the channel encrypts it")
	e, err = choose([]offer{offered(None, id.Certificate, nobody, plain, token{id: "s", kind: uint32(ua.UserTokenTypeUserName), policy: ua.SecurityPolicyURIAes256Sha256RsaPss})}, "plc", with(None, "op", "x"))
	require.NoError(t, err)
	require.Equal(t, Aes256Sha256RsaPss, e.lock.policy, "the one by which it is safe")
	require.Equal(t, "s", e.user.id)
	stranger := offered(Basic256Sha256, id.Certificate, nobody)
	stranger.app = "urn:somebody"
	_, err = choose([]offer{stranger}, "plc", with(Basic256Sha256, "", ""))
	require.ErrorContains(t, err, `is not of the application "urn:somebody"`)
}

func TestKeysAreRenewedAndNothingIsLost(t *testing.T) {
	p := plant(t)
	for _, read := range []string{"ask", "subscribe"} {
		for _, policy := range []Policy{None, Basic256Sha256} {
			t.Run(fmt.Sprint(read, " ", policy), func(t *testing.T) {
				d := device(t, plantProfile(fieldbus.Setting{Key: "read", Text: read}), trusting(t, p, policy))
				require.NoError(t, d.Open(t.Context(), p.endpoint()))
				v, err := d.visit()
				require.NoError(t, err)
				points, out := named(d.profile, "Now", "Level"), make([]fieldbus.Reading, 2)
				tokens := map[uint32]bool{}
				for begin := time.Now(); len(tokens) < 5 && time.Since(begin) < 20*time.Second; {
					v.ch.mu.Lock()
					if token := v.ch.taken[0].token; !tokens[token] {
						tokens[token], v.ch.renew = true, time.Now() // it is due
					}
					v.ch.mu.Unlock()
					require.NoError(t, d.Read(t.Context(), points, out))
					require.NoError(t, d.Write(t.Context(), d.profile.Find("Setpoint"), tag.Int, 0))
				}
				require.Len(t, tokens, 5, "each has a token of its own")
			})
		}
	}
}
