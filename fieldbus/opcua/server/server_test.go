// Options: what a server is not started with.

package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

func TestAServerThatNobodyCouldTrustIsNotStarted(t *testing.T) {
	server, _, _, _ := meet(t)
	space := NewSpace("urn:test")
	for _, c := range []struct {
		space *Space
		o     Options
		want  string
	}{
		{nil, Options{}, "opcua: server: there is no space; make one with NewSpace"},
		{space, Options{Policies: []opcua.Policy{77}}, "opcua: server: policy 77: there is none"},
		{space, Options{Policies: allPolicies}, "opcua: server: policy basic256sha256-sign: wants an Identity, and a Trust that lists its clients"},
		{space, Options{Policies: []opcua.Policy{opcua.Basic256Sha256}, Identity: server},
			"opcua: server: policy basic256sha256: wants an Identity, and a Trust that lists its clients"},
		{space, Options{Login: func(string, string) bool { return true }},
			"opcua: server: Login wants an Identity, for whose key passwords are encrypted"},
		{space, Options{Limits: Limits{Sessions: -1}}, "opcua: server: Limits.Sessions -1: must be 1 to 4096"},
		{space, Options{Limits: Limits{Message: 1000}}, "opcua: server: Limits.Message 1000: must be 65536 to 67108864"},
		{space, Options{Limits: Limits{Idle: 48 * time.Hour}}, "opcua: server: Limits.Idle 48h0m0s: must be 10ms to 24h"},
	} {
		_, err := Serve("127.0.0.1:0", c.space, &c.o)
		require.EqualError(t, err, c.want)
	}
	_, err := Serve("nowhere", space, nil)
	require.ErrorContains(t, err, "opcua: server: listen tcp")
	s, err := Serve("127.0.0.1:0", space, nil)
	require.NoError(t, err)
	require.Equal(t, Limits{
		Connections: 32, Sessions: 32, Subscriptions: 8, Items: 4096, Interval: 100 * time.Millisecond, Message: 1 << 20, Handshake: 10 * time.Second,
		Idle: 5 * time.Minute,
	}, s.o.Limits)
	require.NoError(t, s.Close())
}
