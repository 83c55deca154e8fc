// The hub over HTTP: who may ask what, what is refused, and what a client makes of answers that are none.

package hub_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

const (
	tokenN1   = "0123456789abcdef0123456789abcde1"
	tokenN2   = "0123456789abcdef0123456789abcde2"
	tokenAnna = "0123456789abcdef0123456789abcdea"
)

// tokens reads a file of tokens that holds text.
func tokens(t testing.TB, text string, mode os.FileMode) (*hub.Tokens, error) {
	name := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(name, []byte(text), mode))
	return hub.ReadTokens(name)
}

func client(t testing.TB, address string, opt *hub.ClientOptions) *hub.Client {
	if opt.Patience == 0 { // these tests are not about it, and a machine may be busy
		opt.Patience = 20 * time.Second
	}
	c, err := hub.NewClient(address, opt)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestOverHTTPItIsTheSameHub(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	at := "http://" + serve(t, h)
	n1, n2 := client(t, at, &hub.ClientOptions{Node: "n1"}), client(t, at, &hub.ClientOptions{Node: "n2"})
	all := rows(t, "J1", journal.Chain{}, 3_000, strings.Repeat("x", 300))
	held, err := n1.Held(t.Context(), "J1")
	require.NoError(t, err)
	require.Zero(t, held)
	n1.Announce("J1", export.Edge{Durable: 4_000})
	held, err = n1.Take(t.Context(), "J1", all[:2000])
	require.NoError(t, err)
	require.Equal(t, end(all[:2000]), held)
	require.Equal(t, uint64(2000), status(t, h, "J1").Behind, "the edge has said how far it is")
	for want, ask := range map[error]func() error{
		hub.ErrGap:   func() error { _, err := n1.Take(t.Context(), "J1", all[2001:2005]); return err },
		hub.ErrFork:  func() error { _, err := n1.Take(t.Context(), "J1", rows(t, "J1", journal.Chain{}, 1, "y")); return err },
		hub.ErrOwner: func() error { _, err := n2.Take(t.Context(), "J1", all[2000:2005]); return err },
		hub.ErrRows:  func() error { _, err := n1.Take(t.Context(), "J2", all[:1]); return err },
		hub.ErrNone:  func() error { return n1.File(t.Context(), "J9", nil) },
		hub.ErrQuery: func() error { _, err := n1.Records(t.Context(), []string{"what=no"}, nil); return err },
	} {
		require.ErrorIs(t, ask(), want)
	}
	_, err = n1.Take(t.Context(), "J1", all[2000:])
	require.NoError(t, err)
	list, err := n2.Journals(t.Context())
	require.NoError(t, err)
	require.Equal(t, h.Journals(), list)

	var got []byte
	require.NoError(t, n2.File(t.Context(), "J1", func(r *export.Row) error {
		got = r.Append(got)
		return nil
	}))
	require.Equal(t, text(all), string(got))
	for _, words := range [][]string{nil, {"kind=bus_state"}, {"object_id=N-3", "object_id=N-7"}, {"seq=2990.."}, {"object_id=none"}} {
		want, err := ask(t, h, words...)
		require.NoError(t, err)
		var got bytes.Buffer
		left, err := n2.Records(t.Context(), words, func(lines []byte) error {
			got.Write(lines)
			return nil
		})
		require.NoError(t, err)
		require.Zero(t, left)
		require.Equal(t, want, got.String(), "%v", words)
	}
}

func TestEachMayDoWhatItsTokenIsFor(t *testing.T) {
	known, err := tokens(t, "# of the plant\nnode n1 "+tokenN1+"\n\nnode n2 "+tokenN2+" # the other\nreader anna "+tokenAnna+"\n", 0o600)
	require.NoError(t, err)
	h := open(t, t.TempDir(), nil)
	s := httptest.NewServer(hub.Handler(h, known.Who))
	defer s.Close()
	one := rows(t, "J1", journal.Chain{}, 1, "x")
	for _, c := range []struct {
		name, token string
		write, read bool
	}{
		{"n1", tokenN1, true, false}, {"anna", tokenAnna, false, true}, {"nobody", "", false, false}, // what n1 sends is there for anna to read
		{"a guess", tokenN1[:31] + "9", false, false}, {"half a token", tokenN1[:16], false, false},
		{"a long one", strings.Repeat("x", 5000), false, false},
	} {
		c2 := client(t, s.URL, &hub.ClientOptions{Token: c.token, Node: "n1"}) // the name it says is not believed
		_, err := c2.Take(t.Context(), "J1", one)
		require.Equal(t, c.write, err == nil, "%s: %v", c.name, err)
		if !c.write {
			require.ErrorIs(t, err, hub.ErrRight, c.name)
		}
		_, err = c2.Held(t.Context(), "J1")
		require.Equal(t, c.write, err == nil, "%s: %v", c.name, err)
		_, err = c2.Journals(t.Context())
		require.Equal(t, c.read, err == nil, "%s: %v", c.name, err)
		_, err = c2.Records(t.Context(), nil, func([]byte) error { return nil })
		require.Equal(t, c.read, err == nil, "%s: %v", c.name, err)
		err = c2.File(t.Context(), "J1", func(*export.Row) error { return nil })
		require.True(t, err == nil == c.read, "%s: %v", c.name, err)
	}
	_, err = client(t, s.URL, &hub.ClientOptions{Token: tokenN2}).Take(t.Context(), "J1", one)
	require.ErrorIs(t, err, hub.ErrOwner)
}

func TestAFileOfTokensThatIsNoneIsRefused(t *testing.T) {
	for says, text := range map[string]string{
		"node NAME TOKEN":      "master n1 " + tokenN1,
		"is wanted":            "node ../n1 " + tokenN1,
		"a token has 32":       "node n1 short",
		"openssl rand":         "node n1 " + strings.Repeat("x", 300),
		"the token of another": "node n1 " + tokenN1 + "\nnode n2 " + tokenN1,
		"no token":             "# nothing\n",
		"token too long":       "node n1 " + strings.Repeat("x", 70_000),
		"more than":            strings.Repeat("#\n", 300_000),
	} {
		_, err := tokens(t, text, 0o600)
		require.ErrorContains(t, err, says)
	}
	if runtime.GOOS == "windows" {
		return // there are no such modes
	}
	_, err := tokens(t, "node n1 "+tokenN1, 0o640)
	require.ErrorContains(t, err, "chmod 600")
}

// authority is a plant's authority, which certifies names.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plant"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) certify(t *testing.T, name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.n++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1 + a.n), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTheNameOfANodeIsInItsCertificate(t *testing.T) {
	plant, other := newAuthority(t), newAuthority(t)
	h := open(t, t.TempDir(), nil)
	s := httptest.NewUnstartedServer(hub.Handler(h, hub.Certificate))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{plant.certify(t, "hub")}, ClientCAs: plant.pool(), ClientAuth: tls.VerifyClientCertIfGiven}
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	one := rows(t, "J1", journal.Chain{}, 1, "x")
	take := func(certs ...tls.Certificate) error {
		c := client(t, s.URL, &hub.ClientOptions{TLS: &tls.Config{RootCAs: plant.pool(), Certificates: certs}, Node: "n1", Patience: 5 * time.Second})
		_, err := c.Take(t.Context(), "J1", one)
		return err
	}
	require.NoError(t, take(plant.certify(t, "n1")))
	require.ErrorIs(t, take(plant.certify(t, "n2")), hub.ErrOwner)
	require.ErrorIs(t, take(plant.certify(t, "../n1")), hub.ErrRight)
	require.ErrorIs(t, take(), hub.ErrRight)
	require.Error(t, take(other.certify(t, "n1")))
	require.Equal(t, "n1", status(t, h, "J1").Node)
}

func TestRequestsThatAreNoneAreRefusedAndNothingIsLeft(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	s := httptest.NewServer(hub.Handler(h, hub.Anybody))
	defer s.Close()
	good := text(rows(t, "J1", journal.Chain{}, 2, "x"))
	for _, c := range []struct {
		method, path, body string
		head               [2]string
		status             int
	}{
		{"POST", "/v1/journals/J1/rows", "", [2]string{}, 422},
		{"POST", "/v1/journals/J1/rows", good[:len(good)-1], [2]string{}, 422},
		{"POST", "/v1/journals/J1/rows", good + "x", [2]string{}, 422},
		{"POST", "/v1/journals/J1/rows", strings.Replace(good, "\t", " ", 1), [2]string{}, 422},
		{"POST", "/v1/journals/J1/rows", "1\t" + strings.Repeat("x", 5<<20), [2]string{}, 422},
		{"POST", "/v1/journals/J1/rows", good, [2]string{"Batchkit-Node", "../.."}, 401},
		{"POST", "/v1/journals/J1/rows", good, [2]string{"Batchkit-Durable", "many"}, 400},
		{"POST", "/v1/journals/J2/rows", good, [2]string{}, 422},
		{"POST", "/v1/journals/..%2fJ1/rows", good, [2]string{}, 422},
		{"GET", "/v1/journals/J1/file", "", [2]string{}, 404},
		{"GET", "/v1/journals/J1%00", "", [2]string{}, 422},
		{"GET", "/v1/records?q=x", "", [2]string{}, 400},
		{"GET", "/v1/records?rows=0", "", [2]string{}, 400},
		{"GET", "/v1/records?rows=x", "", [2]string{}, 400},
		{"GET", "/v1/records?after=x", "", [2]string{}, 400},
		{"GET", "/v1/records?q=" + strings.Repeat("x", 80_000), "", [2]string{}, 400},
		{"PUT", "/v1/journals/J1", "", [2]string{}, 405},
		{"GET", "/", "", [2]string{}, 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, strings.NewReader(c.body))
		require.NoError(t, err)
		if c.head[0] != "" {
			req.Header.Set(c.head[0], c.head[1])
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		require.Equal(t, c.status, resp.StatusCode, "%s %.60s", c.method, c.path)
	}
	require.Empty(t, h.Journals())
}

func TestAnAnswerThatIsNoneIsAnErrorAndNotAnAcknowledgement(t *testing.T) {
	type answer struct {
		reply string
		code  int
	}
	var now atomic.Pointer[answer]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does it see that he has gone away
		is := now.Load()
		if is.reply == "hang" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Batchkit-Next", "J1/1")
		w.WriteHeader(is.code)
		_, _ = io.WriteString(w, is.reply)
	}))
	defer s.Close()
	c := client(t, s.URL, &hub.ClientOptions{Patience: 100 * time.Millisecond})
	one := rows(t, "J1", journal.Chain{}, 1, "x")
	for _, a := range []answer{{"hang", 200}, {"", 200}, {"{}", 200}, {`{"n":"1","link":"00"}`, 200}, {`{"n":1}`, 200}, {strings.Repeat(" ", 100_000), 200}, {"<html>", 502},
		{`{"error":"x","kind":"y"}`, 500}, {"", 302}} {
		now.Store(&a)
		_, err := c.Take(t.Context(), "J1", one)
		require.Error(t, err, "%.40q", a)
		_, err = c.Held(t.Context(), "J1")
		require.Error(t, err, "%.40q", a)
		_, err = c.Journals(t.Context())
		require.True(t, err != nil || a.reply == "", "%.40q", a)
		if a.reply == "hang" {
			require.ErrorContains(t, err, "deadline")
		}
	}
	now.Store(&answer{"1\n", 200})
	_, err := c.Records(t.Context(), nil, func([]byte) error { return nil })
	require.ErrorContains(t, err, "does not go on", "an answer that leads to itself is not followed for ever")
	require.ErrorIs(t, c.File(t.Context(), "J1", func(*export.Row) error { return nil }), hub.ErrDamaged)
	for _, address := range []string{"", "hub:8443", "ftp://hub", "http://", "http://hub?x=1", "http://\x00"} {
		_, err := hub.NewClient(address, nil)
		require.Error(t, err, address)
	}
}

func TestAHubThatCatchesUpSaysHowFarItIsBehind(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	s := httptest.NewServer(hub.Handler(h, hub.Anybody))
	defer s.Close()
	all := rows(t, "J1", journal.Chain{}, 30, "x")
	c := client(t, s.URL, &hub.ClientOptions{Patience: 30 * time.Second})
	for n, sink := range []interface {
		export.Sink
		export.Announcer
	}{h.From("local"), c} {
		id := fmt.Sprintf("J%d", n+1)
		if n > 0 {
			all = rows(t, id, journal.Chain{}, 30, "x")
		}
		sink.Announce(id, export.Edge{Durable: 1000})
		for k := 0; k < 30; k += 10 {
			_, err := sink.Take(t.Context(), id, all[k:k+10])
			require.NoError(t, err)
			require.EqualValues(t, 1000-10-k, status(t, h, id).Behind)
		}
		_, err := sink.Take(t.Context(), id, rows(t, "J9", end(all), 1, "x"))
		require.ErrorIs(t, err, hub.ErrRows)
		require.EqualValues(t, 970, status(t, h, id).Behind, "what was refused is no progress")
		_, err = client(t, s.URL, &hub.ClientOptions{Patience: 30 * time.Second}).Held(t.Context(), id)
		require.NoError(t, err)
		require.EqualValues(t, 970, status(t, h, id).Behind, "who says nothing takes nothing back")
	}
}

func TestANodeThatDribblesKeepsNoOtherAway(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	s := httptest.NewServer(hub.Handler(h, hub.Anybody))
	defer s.Close() // when they are gone
	for range 40 {
		n, err := net.Dial("tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		defer n.Close()
		_, err = io.WriteString(n, "POST /v1/journals/J1/rows HTTP/1.1\r\nHost: h\r\nBatchkit-Node: n1\r\nContent-Length: 4000\r\n\r\n1")
		require.NoError(t, err)
	}
	time.Sleep(100 * time.Millisecond) // they have come in; where they have not, more places are free
	c := client(t, s.URL, &hub.ClientOptions{Node: "n2", Patience: 20 * time.Second})
	_, err := c.Take(t.Context(), "J2", rows(t, "J2", journal.Chain{}, 3, "x"))
	require.NoError(t, err)
}

func TestASlowHubIsGivenTheTimeItTakes(t *testing.T) {
	h := open(t, t.TempDir(), nil)
	inner := hub.Handler(h, hub.Anybody)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		inner.ServeHTTP(w, r)
	}))
	defer s.Close()
	c := client(t, s.URL, &hub.ClientOptions{Patience: 50 * time.Millisecond})
	all := rows(t, "J1", journal.Chain{}, 3, "x")
	var err error
	for range 10 {
		if _, err = c.Take(context.Background(), "J1", all[:1]); err == nil {
			break
		}
	}
	require.NoError(t, err, "each time it waits twice as long")
	_, err = c.Take(context.Background(), "J1", all[1:])
	require.NoError(t, err, "and it has learnt that")
}

func ExampleHub_Records() {
	dir, _ := os.MkdirTemp("", "hub")
	defer os.RemoveAll(dir)
	h, err := hub.Open(dir, nil)
	if err != nil {
		panic(err)
	}
	defer h.Close()
	t := &testing.T{}
	if _, err := h.From("n1").Take(context.Background(), "J1", rows(t, "J1", journal.Chain{}, 6, "x")); err != nil {
		panic(err)
	}
	q, _ := evidence.ParseQuery([]string{"kind=bus_state"})
	_, err = h.Records(context.Background(), q, hub.Place{}, 100, func(r *evidence.Row) error {
		fmt.Println(r.Seq, string(r.Body[:40]))
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// 3 {"detail":"x","device_id":"D-J1","epoch"
	// 6 {"detail":"x","device_id":"D-J1","epoch"
}
