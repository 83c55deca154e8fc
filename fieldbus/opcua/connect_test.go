// The claims of connect: the policy that was asked for or none, and nothing for a server that is not trusted.

package opcua

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// policies is the claim that a session has the policy that was asked for, and that no other is made.
func policies(t *testing.T, p plant) {
	stranger, err := NewTrust(ourIdentity().Certificate)
	require.NoError(t, err)
	for policy := range Policy(len(policyNames)) {
		o := p.known(t, policy)
		if policy == None {
			o = nil
		}
		c, err := connect(t.Context(), p.endpoint, o)
		require.NoError(t, err, policy)
		uris, err := namespaces(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "urn:batchkit:test:server", uris[1])
		disconnect(c)
		if policy == None {
			continue
		}
		o.User, o.Password = "op", "secret"
		c, err = connect(t.Context(), p.endpoint, o)
		require.NoError(t, err, policy)
		disconnect(c)
		o.Password = "wrong"
		_, err = connect(t.Context(), p.endpoint, o)
		require.ErrorContains(t, err, `it does not let user "op" in`, policy)
		o.Trust = stranger
		_, err = connect(t.Context(), p.endpoint, o)
		require.ErrorContains(t, err, "is neither trusted nor signed by an authority that is")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = connect(ctx, p.endpoint, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWhatCannotBeAConnectionIsRefusedBeforeAnythingIsSent(t *testing.T) {
	id := &Identity{}
	for says, o := range map[string]*DeviceOptions{
		"policy 9: there is none; must be one of none, ":        {Policy: 9},
		"policy basic256sha256 needs an Identity":               {Policy: Basic256Sha256},
		"needs a Trust: which servers are believed":             {Policy: Aes256Sha256RsaPss, Identity: id},
		`user "op": policy none hides no password`:              {User: "op", Password: "x"},
		"a password without a user; give both":                  {Password: "x"},
		"no list of endpoints: dial tcp 127.0.0.1:1: connect: ": {},
	} {
		_, err := connect(t.Context(), "opc.tcp://127.0.0.1:1", o)
		require.ErrorContains(t, err, says)
	}
	for endpoint, says := range map[string]string{
		"tcp://10.0.0.7:502":             `endpoint "tcp://10.0.0.7:502": must be opc.tcp://HOST:PORT`,
		"opc.tcp://:4840":                "must be opc.tcp://HOST:PORT",
		"opc.tcp://op:secret@plc:4840":   "holds a name or password; they belong into DeviceOptions",
		"opc.tcp://plc\x00:4840":         "must be opc.tcp://HOST:PORT",
		"opc.tcp://plc:port/and the way": "must be opc.tcp://HOST:PORT",
	} {
		_, err := connect(t.Context(), endpoint, nil)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "secret")
	}
	host, err := endpointHost("opc.tcp://[fe80::1]/way")
	require.NoError(t, err)
	require.Equal(t, "[fe80::1]:4840", host)
}
