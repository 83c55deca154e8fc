// Claims about who gets through a gate, and what.

package gate

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

func TestABoardIsWhoItsCertificateSays(t *testing.T) {
	_, _, n1, n2 := two(t)
	as, err := n1.ask("n2", "GET", "/v1/self")
	require.NoError(t, err)
	require.Equal(t, "node:n1 keeper", as)
	as, err = n2.ask("n1", "POST", "/v1/fences")
	require.NoError(t, err)
	require.Equal(t, "node:n2 keeper", as)
}

func TestFourRequestsAreLetThrough(t *testing.T) {
	_, _, n1, n2 := two(t)
	for _, ok := range []string{"GET /v1/self", "GET /v1/wire", "POST /v1/fences", "POST /v1/port", "POST /v1/floors", "GET /v1/values", "POST /v1/self", "GET /v1/port", "GET /v1/self/", "GET /"} {
		method, path, _ := strings.Cut(ok, " ")
		_, err := n1.ask("n2", method, path)
		switch ok {
		case "GET /v1/self", "GET /v1/wire", "POST /v1/fences", "POST /v1/port":
			require.NoError(t, err, ok)
		default:
			require.ErrorContains(t, err, "other boards may ask for /v1/self", ok)
		}
	}
	require.Contains(t, n2.log.all(), "POST /v1/floors of node:n1")
}

func TestABoardThatIsNotThereIsARefusalWithTheReason(t *testing.T) {
	_, _, n1, n2 := two(t)
	_, err := n1.ask("n2", "GET", "/v1/self")
	require.NoError(t, err)
	n2.end()
	_, err = n1.ask("n2", "GET", "/v1/self")
	var no *api.Error
	require.ErrorAs(t, err, &no)
	require.Equal(t, http.StatusServiceUnavailable, no.Status)
	require.ErrorContains(t, err, "gate: board n2 cannot be reached: dial tcp")
}

func TestABoardThatIsNoPeerIsRefusedAndHearsWhy(t *testing.T) {
	_, dir, _, n2 := two(t)
	n3 := newBoard(t, options(dir, "n3", "127.0.0.1:0", map[string]string{"n2": n2.Addr().String()}))
	_, err := n3.ask("n2", "GET", "/v1/self")
	require.ErrorContains(t, err, "n3 is none of the peers of n2")
	require.Eventually(t, func() bool { return strings.Contains(n2.log.all(), "n3 is none of the peers of n2") }, 10*time.Second, time.Millisecond)
}

func TestABoardThatIsAnotherThanItsAddressSaysIsNotBelieved(t *testing.T) {
	_, dir, _, n2 := two(t)
	n3 := newBoard(t, options(dir, "n3", "127.0.0.1:0", map[string]string{"n1": n2.Addr().String()}))
	_, err := n3.ask("n1", "GET", "/v1/self")
	require.ErrorContains(t, err, "the certificate is that of board n2, and not of n1")
}

// forge makes a certificate as it is told.
func forge(t *testing.T, a *Authority, change func(c *x509.Certificate)) tls.Certificate {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	u, err := url.Parse(nodeURI + "n1")
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "n1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{u}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, public, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestACertificateThatIsWrongOpensNothing(t *testing.T) {
	ca, _, _, n2 := two(t)
	other, err := OpenAuthority(t.TempDir())
	require.NoError(t, err)
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		require.NoError(t, err)
		return u
	}
	good := func(*x509.Certificate) {}
	for name, c := range map[string]struct {
		by     *Authority
		change func(c *x509.Certificate)
		tls    func(c *tls.Config)
		ok     bool
	}{
		"good":           {by: ca, change: good, ok: true},
		"of another CA":  {by: other, change: good},
		"past":           {by: ca, change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
		"not yet":        {by: ca, change: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }},
		"for servers":    {by: ca, change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		"no name":        {by: ca, change: func(c *x509.Certificate) { c.URIs = nil }},
		"a host's name":  {by: ca, change: func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"n1"} }},
		"two names":      {by: ca, change: func(c *x509.Certificate) { c.URIs = append(c.URIs, uri(nodeURI+"n2")) }},
		"a dotted name":  {by: ca, change: func(c *x509.Certificate) { c.URIs = []*url.URL{uri(nodeURI + "n1.x")} }},
		"a name in case": {by: ca, change: func(c *x509.Certificate) { c.URIs = []*url.URL{uri(nodeURI + "N1")} }},
		"TLS 1.2":        {by: ca, change: good, tls: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		"other words":    {by: ca, change: good, tls: func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
		"no words":       {by: ca, change: good, tls: func(c *tls.Config) { c.NextProtos = nil }},
		"no certificate": {by: ca, change: good, tls: func(c *tls.Config) { c.Certificates = nil }},
	} {
		conf := &tls.Config{Certificates: []tls.Certificate{forge(t, c.by, c.change)}, InsecureSkipVerify: true, NextProtos: []string{protocol}}
		if c.tls != nil {
			c.tls(conf)
		}
		raw, err := net.Dial("tcp", n2.Addr().String())
		require.NoError(t, err)
		require.NoError(t, raw.SetDeadline(time.Now().Add(10*time.Second)))
		conn := tls.Client(raw, conf)
		if err = conn.Handshake(); err == nil {
			err = introduce(conn, who(api.Peer{UID: 1000}, true))
		}
		raw.Close()
		require.Equal(t, c.ok, err == nil, "%s: %v", name, err)
	}
}

func TestWhoeverDoesNotSayWhoAsksIsRefused(t *testing.T) {
	ca, _, _, n2 := two(t)
	for _, line := range []string{"", "\n", "who\n", "who 1 2\n", "who -2 0\n", "who 01 0\n", "who 1  0\n", "GET /v1/self HTTP/1.1\r\n", "who 1 0 \n", "who 99999999999999999999999999999999999"} {
		raw, err := net.Dial("tcp", n2.Addr().String())
		require.NoError(t, err)
		require.NoError(t, raw.SetDeadline(time.Now().Add(10*time.Second)))
		conn := tls.Client(raw, &tls.Config{Certificates: []tls.Certificate{forge(t, ca, func(*x509.Certificate) {})}, InsecureSkipVerify: true, NextProtos: []string{protocol}})
		require.NoError(t, conn.Handshake())
		if line == "" { // it says nothing, and is not waited for
			begun := time.Now()
			_, err = io.ReadAll(conn)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Less(t, time.Since(begun), 10*time.Second)
		} else {
			require.ErrorContains(t, introduce(conn, []byte(line)), "it does not say who asks", line)
		}
		raw.Close()
	}
}

func FuzzWhoAsksIsSaidInOneWay(f *testing.F) {
	for _, s := range []string{"who 0 0\n", "who 1000 1\n", "who -1 0\n", "who +1 0\n", "who 1 1\nGET"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in := strings.NewReader(s)
		p, err := readWho(in)
		require.Equal(t, [3]any{-1, -1, ""}, [3]any{p.UID, p.PID, p.Node})
		if err == nil {
			require.Equal(t, s, string(who(api.Peer{UID: p.There}, p.Keeper))+s[len(s)-in.Len():], "and what is behind it is left")
		}
	})
}

func TestCertificatesAreTakenAnewWithoutARestart(t *testing.T) {
	_, dir, n1, n2 := two(t)
	_, err := n1.ask("n2", "GET", "/v1/self")
	require.NoError(t, err)

	fresh := t.TempDir()
	ca, err := OpenAuthority(fresh)
	require.NoError(t, err)
	require.NoError(t, ca.Issue("n1", time.Hour))
	swap := func(name string) {
		data, err := os.ReadFile(filepath.Join(fresh, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), time.Now(), time.Now().Add(time.Minute)))
	}
	look := func(b *board) {
		b.files.mu.Lock()
		defer b.files.mu.Unlock()
		b.files.looked = time.Time{}
	}
	swap("n1.key") // half of it: what was before stays in use
	look(n1)
	_, err = n1.ask("n2", "GET", "/v1/self")
	require.NoError(t, err)
	require.Contains(t, n1.log.all(), "the certificates of before stay in use")

	swap("ca.pem")
	swap("n1.pem")
	look(n1)
	look(n2) // whose own certificate is of the old CA: the new one is not taken as long as it is
	_, err = n1.ask("n2", "GET", "/v1/self")
	require.Error(t, err, "n1 believes the new CA only, and n2 is of the old one")
	require.NoError(t, ca.Issue("n2", time.Hour))
	swap("n2.key")
	swap("n2.pem")
	look(n2)
	_, err = n1.ask("n2", "GET", "/v1/self")
	require.NoError(t, err)
}

func TestABoardHasSoManyConnectionsAndNoMore(t *testing.T) {
	ca, _, n1, n2 := two(t)
	n2.mu.Lock()
	n2.counts["n1"] = MaxPerNode
	n2.mu.Unlock()
	_, err := n1.ask("n2", "GET", "/v1/self")
	require.ErrorContains(t, err, "n2 takes 512 connections of n1")
	n2.mu.Lock()
	n2.counts["n1"] = 0
	n2.mu.Unlock()
	conf := &tls.Config{Certificates: []tls.Certificate{forge(t, ca, func(*x509.Certificate) {})}, InsecureSkipVerify: true, NextProtos: []string{protocol}}
	for range 20 { // none is left over
		conn, err := tls.Dial("tcp", n2.Addr().String(), conf)
		require.NoError(t, err)
		require.NoError(t, introduce(conn, who(api.Peer{UID: 1}, false)))
		conn.Close()
	}
	require.Eventually(t, func() bool {
		n2.mu.Lock()
		defer n2.mu.Unlock()
		return n2.counts["n1"] == 0 && len(n2.open) == 0
	}, 10*time.Second, 10*time.Millisecond)
}

func TestAGateSaysWhatIsWrongWithItsOptions(t *testing.T) {
	dir := t.TempDir()
	ca, err := OpenAuthority(dir)
	require.NoError(t, err)
	require.NoError(t, ca.Issue("n1", time.Hour))
	require.NoError(t, ca.Issue("n2", -time.Minute))
	require.ErrorContains(t, ca.Issue("n.1", time.Hour), "the name of a board")
	again, err := OpenAuthority(dir)
	require.NoError(t, err)
	require.True(t, again.cert.Equal(ca.cert), "the CA of before")
	is, err := os.Stat(filepath.Join(dir, "n1.key"))
	require.NoError(t, err)
	require.Zero(t, is.Mode().Perm()&0o077)
	data, err := os.ReadFile(filepath.Join(dir, "n1.pem"))
	require.NoError(t, err)
	cert, err := parse(data, x509.ParseCertificate)
	require.NoError(t, err)
	require.Greater(t, time.Since(cert.NotBefore), 24*time.Hour, "a board whose clock is hours behind takes it")
	good := options(dir, "n1", "127.0.0.1:0", nil)
	for _, c := range []struct {
		change func(o *Options)
		want   string
	}{
		{func(o *Options) { o.Node = "n.1" }, "the name of a board"},
		{func(o *Options) { o.Node = "n3" }, "the certificate is that of board n1, and not of n3"},
		{func(o *Options) { o.CA = filepath.Join(dir, "none") }, "certificate of the CA"},
		{func(o *Options) { o.Key = o.CA }, "ca.pem"},
		{func(o *Options) {
			o.Node, o.Cert, o.Key = "n2", filepath.Join(dir, "n2.pem"), filepath.Join(dir, "n2.key")
		}, "expired"},
		{func(o *Options) { o.Peers = map[string]string{"n1": "x:1"} }, "is this board itself"},
		{func(o *Options) { o.Peers = map[string]string{"n2": "x"} }, "missing port"},
		{func(o *Options) { o.Listen = "nowhere" }, "missing port"},
	} {
		o := good
		c.change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, c.want)
	}
	g, err := New(good)
	require.NoError(t, err)
	require.NoError(t, g.Close())
}
