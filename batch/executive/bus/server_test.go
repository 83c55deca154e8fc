// Servers: what they refuse, and what each role may do.

package bus

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store"
)

// plant is a server with one user of each role, and two nodes.
type plant struct {
	opt   *ServerOptions
	seeds map[string]string
	url   string
}

func newPlant(t *testing.T) *plant { return newPlantOf(t, func(*ServerOptions) {}) }

// newPlantOf is newPlant with other options.
func newPlantOf(t *testing.T, change func(o *ServerOptions)) *plant {
	p := &plant{opt: alone(t), seeds: map[string]string{}}
	change(p.opt)
	for name, role := range map[string]Role{"n1": RoleNode, "n2": RoleNode, "hub": RoleHub, "anna": RoleClient, "root": RoleAdmin} {
		seed := filepath.Join(t.TempDir(), name)
		k, err := NewKey(seed)
		require.NoError(t, err)
		p.seeds[name] = seed
		p.opt.Users = append(p.opt.Users, User{Role: role, Name: name, Key: k.Public, Areas: areas[name]})
	}
	p.opt.Users = append(p.opt.Users, User{Role: RoleWatch, Name: "wall", Password: "as long as this"})
	s, _ := runServer(t, p.opt)
	p.url = s.ClientURL()
	return p
}

var areas = map[string][]string{"n1": {"mill"}}

func (p *plant) connect(t *testing.T, role Role, name string, tale *told) *Conn {
	o := &Options{URL: p.url, Seed: p.seeds[name], User: name}
	if role == RoleNode {
		o.User, o.Node = "", name
	}
	if role == RoleWatch {
		o.URL = strings.Replace(p.url, "nats://", "nats://wall:as%20long%20as%20this@", 1)
	}
	if tale != nil {
		o.Tell = tale.tell
	}
	return connect(t, o)
}

func TestEachRoleMayDoWhatIsItsOwn(t *testing.T) {
	p := newPlant(t)
	root := p.connect(t, RoleAdmin, "root", nil)
	for _, k := range []struct {
		role Role
		name string
		may  []string
		not  []string
		hear []string
		deaf []string
	}{
		{RoleNode, "n1", []string{"arb.log.plant", "$KV.presence.n1", "rt.n1.batch.n1.B-1", "rt.mill.u1.t1", "ev.n1.j1", "hub.ask.n1"},
			[]string{"$KV.presence.n2", "rt.n2.batch.x", "rt.dairy.u1.t1", "ev.n2.j1", "cmd.n2.n1", "cmd.n1.anna", "arb.log.other", "hub.ask.n2", "hub.told",
				"$JS.API.STREAM.DELETE.ARB_plant", "$JS.API.STREAM.UPDATE.ARB_plant", "$JS.API.STREAM.PURGE.EV", "_INBOX.anna.x",
				"$JS.API.CONSUMER.CREATE.KV_presence.x", "$JS.API.DIRECT.GET.KV_presence.$KV.presence.n2", "$JS.API.CONSUMER.CREATE.EV.x", "$JS.API.CONSUMER.CREATE.ARB_plant.x"},
			[]string{"cmd.n1.*", "$KV.presence.*", "_INBOX.n1.>", "arb.told.plant"}, []string{"cmd.n2.*", "_INBOX.n2.>", "_INBOX.>", ">", "ev.>"}},
		{RoleHub, "hub", []string{"hub.told", "hub.told.n1.x"}, []string{"ev.n1.j1", "arb.log.plant", "cmd.n1.hub", "$KV.presence.hub", "rt.n1.batch.x", "$JS.API.CONSUMER.CREATE.KV_presence.x", "$JS.API.STREAM.INFO.ARB_plant"},
			[]string{"ev.>", "hub.ask.>"}, []string{"cmd.>", "_INBOX.>"}},
		{RoleClient, "anna", []string{"cmd.n1.anna", "cmd.n2.anna", "hub.ask.anna"}, []string{"cmd.n1.root", "cmd.n1.n1", "rt.n1.batch.x", "arb.log.plant", "$KV.presence.n1",
			"$JS.API.STREAM.PURGE.ARB_plant", "$JS.API.STREAM.INFO.KV_presence", "$JS.API.DIRECT.GET.rt", "ev.n1.j1"}, []string{"rt.>", "$KV.presence.*", "_INBOX.anna.>"}, []string{"cmd.n1.>", "_INBOX.n1.>", "arb.>"}},
		{RoleWatch, "wall", nil, []string{"cmd.n1.wall", "rt.n1.batch.x", "ev.n1.j1"}, []string{"rt.>"}, []string{"cmd.>", "_INBOX.n1.>", ">"}},
		{RoleAdmin, "root", []string{"cmd.n1.root", "arb.told.plant"}, nil, []string{">"}, nil},
	} {
		var tale told
		c := p.connect(t, k.role, k.name, &tale)
		all, err := root.nc.SubscribeSync(">")
		require.NoError(t, err)
		require.NoError(t, root.nc.Flush())
		for _, s := range append(k.may, k.not...) {
			require.NoError(t, c.nc.Publish(s, []byte("by "+k.name)))
		}
		require.NoError(t, c.nc.Flush())
		require.NoError(t, root.nc.Flush())
		got := map[string]bool{}
		for {
			m, err := all.NextMsg(10 * time.Millisecond)
			if err != nil {
				break
			}
			got[m.Subject] = got[m.Subject] || string(m.Data) == "by "+k.name
		}
		for _, s := range k.may {
			require.True(t, got[s], "%s may write %s", k.name, s)
		}
		for _, s := range k.not {
			require.False(t, got[s], "%s may not write %s", k.name, s)
		}
		for _, s := range append(k.hear, k.deaf...) {
			_, err := c.nc.SubscribeSync(s)
			require.NoError(t, err)
		}
		require.NoError(t, c.nc.Flush())
		for _, s := range append(k.not, k.deaf...) {
			require.Eventually(t, func() bool { return strings.Contains(tale.all(), "\n"+s+" refused") }, patience, time.Millisecond, "%s is told that %s was refused:\n%s", k.name, s, tale.all())
		}
		for _, s := range k.hear {
			require.NotContains(t, tale.all(), "\n"+s+" refused", k.name)
		}
		require.NoError(t, all.Unsubscribe())
	}
}

func TestANodeWithItsRoleHasTheWholeLog(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	one := openLog(t, p.connect(t, RoleNode, "n1", nil), "plant", nil)
	two := openLog(t, p.connect(t, RoleNode, "n2", nil), "plant", sqlite(t))
	fill(t, one, 1, 3)
	require.NoError(t, two.Append(within(t, patience), 4, make([]byte, 1<<20)))
	require.NoError(t, one.Wait(within(t, patience), 4))
	require.NoError(t, one.Trim(within(t, patience), 2))
	require.Len(t, readAll(t, two), 3)
}

func TestAKeyThatIsNotKnownIsNotLetInAndTheReasonIsTold(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	seed := filepath.Join(t.TempDir(), "stranger")
	_, err := NewKey(seed)
	require.NoError(t, err)
	var tale told
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	c, err := Connect(ctx, &Options{URL: p.url, Seed: seed, Node: "n1", Tell: tale.tell})
	require.NoError(t, err)
	defer c.Close()
	require.ErrorIs(t, c.Ready(ctx), context.DeadlineExceeded)
	require.Eventually(t, func() bool { return strings.Contains(tale.all(), "Authorization Violation") }, patience, time.Millisecond)
}

func TestAServerRefusesWhatWouldLoseOrLetIn(t *testing.T) {
	k, err := NewKey(filepath.Join(t.TempDir(), "k"))
	require.NoError(t, err)
	node := User{Role: RoleNode, Name: "n1", Key: k.Public}
	for _, c := range []struct {
		change func(o *ServerOptions)
		says   string
	}{
		{func(o *ServerOptions) { o.MaxStore = 0 }, "MaxStore and MaxMemory"},
		{func(o *ServerOptions) { o.MaxMemory = 0 }, "MaxStore and MaxMemory"},
		{func(o *ServerOptions) { o.Node = "n 1" }, "is no name"},
		{func(o *ServerOptions) { o.Dir = "" }, "no directory"},
		{func(o *ServerOptions) { o.Listen = "nowhere" }, "HOST:PORT"},
		{func(o *ServerOptions) { o.Listen = "127.0.0.1:70000" }, "no port"},
		{func(o *ServerOptions) { o.Listen = "0.0.0.0:0" }, "it has no users"},
		{func(o *ServerOptions) { o.Listen, o.Users = ":0", []User{node} }, "without TLS"},
		{func(o *ServerOptions) { o.Cluster = "0.0.0.0:0" }, "anybody would be one"},
		{func(o *ServerOptions) { o.Routes = []string{"127.0.0.1:1"} }, "set Cluster"},
		{func(o *ServerOptions) { o.Cluster, o.Advertise = "127.0.0.1:0", "nowhere" }, "nowhere: missing port"},
		{func(o *ServerOptions) { o.CA = "ca.pem" }, "some are set"},
		{func(o *ServerOptions) { o.CA, o.Cert, o.Key = "none", "none", "none" }, "no such file"},
		{func(o *ServerOptions) { o.MQTT = "127.0.0.1:0" }, "without a password"},
		{func(o *ServerOptions) { o.MQTT, o.Users = "0.0.0.0:0", []User{node} }, "where passwords could be read"},
		{func(o *ServerOptions) { o.Websocket, o.Users = ":0", []User{node} }, "where passwords could be read"},
		{func(o *ServerOptions) { o.Users = []User{{Role: RoleClient, Name: "anna", Password: "0123456789ab"}} }, "for role watch alone"},
		{func(o *ServerOptions) { o.Users = []User{{Role: RoleWatch, Name: "wall", Password: "short"}} }, "12 to 72"},
		{func(o *ServerOptions) { o.Users = []User{{Role: RoleNode, Name: "n1", Key: "UABC"}} }, "no public nkey"},
		{func(o *ServerOptions) { o.Users = []User{{Role: RoleNode, Name: "n.*", Key: k.Public}} }, "no name"},
		{func(o *ServerOptions) {
			o.Users = []User{{Role: RoleNode, Name: "n1", Key: k.Public, Areas: []string{">"}}}
		}, "no name"},
		{func(o *ServerOptions) { o.Users = []User{{Role: "king", Name: "n1", Key: k.Public}} }, "is not known"},
	} {
		o := alone(t)
		c.change(o)
		_, err := NewServer(o)
		require.ErrorIs(t, err, store.ErrRefused, c.says)
		require.ErrorContains(t, err, c.says)
	}
}

func TestOptionsOfAConnectionThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		says string
	}{
		{Options{}, "no server is named"},
		{Options{URL: "http://a:1"}, "server 1 is not nats://"},
		{Options{URL: "nats://a:1,ws://x:secret@b"}, "server 2 is not nats://"},
		{Options{URL: strings.Repeat("nats://a:1,", 16) + "nats://a:1"}, "at most 16"},
		{Options{URL: "nats://a:1", Node: "n.>"}, "is no name"},
		{Options{URL: "tls://a:1", Cert: "x"}, "without its key"},
		{Options{URL: "nats://a:1", CA: "x"}, "name it by tls://"},
		{Options{URL: "tls://a:1", CA: "/nowhere/ca.pem"}, "no such file"},
		{Options{URL: "nats://a:1", Seed: "/nowhere/seed"}, "no such file"},
	} {
		_, err := Connect(context.Background(), &c.opt)
		require.ErrorContains(t, err, c.says)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestASeedThatOthersMayReadIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of files say nothing here: install it on a system where they do")
	}
	seed := filepath.Join(t.TempDir(), "seed")
	k, err := NewKey(seed)
	require.NoError(t, err)
	again, err := ReadKey(seed)
	require.NoError(t, err)
	require.Equal(t, k.Public, again.Public)
	_, err = NewKey(seed)
	require.ErrorIs(t, err, os.ErrExist, "a key is not written over")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		require.NoError(t, os.Chmod(seed, mode))
		_, err = ReadKey(seed)
		require.ErrorContains(t, err, "chmod 600")
	}
	require.NoError(t, os.Chmod(seed, 0o600))
	require.NoError(t, os.WriteFile(seed, []byte("no seed"), 0o600))
	_, err = ReadKey(seed)
	require.ErrorContains(t, err, "holds no seed")
	_, err = ReadKey(t.TempDir())
	require.ErrorContains(t, err, "is no file")
}

func TestTheSnippetForAPlantsOwnServersSaysTheSame(t *testing.T) {
	p := newPlant(t)
	text, err := Snippet(p.opt)
	require.NoError(t, err)
	conf := filepath.Join(t.TempDir(), "nats-server.conf")
	require.NoError(t, os.WriteFile(conf, []byte(text), 0o600))
	o, err := server.ProcessConfigFile(conf)
	require.NoError(t, err, text)
	require.True(t, o.SyncAlways)
	require.EqualValues(t, maxPayload, o.MaxPayload)
	require.EqualValues(t, p.opt.MaxStore, o.JetStreamMaxStore)
	s, err := NewServer(p.opt)
	require.NoError(t, err)
	require.Len(t, o.Nkeys, len(s.opt.Nkeys))
	for _, want := range s.opt.Nkeys {
		for _, is := range o.Nkeys {
			if is.Nkey == want.Nkey {
				require.Equal(t, want.Permissions, is.Permissions)
				require.Equal(t, want.AllowedConnectionTypes, is.AllowedConnectionTypes)
			}
		}
	}
	require.Len(t, o.Users, 1)
	require.Equal(t, s.opt.Users[0].Permissions, o.Users[0].Permissions)
}

func TestASnippetRefusesWhatAServerRefuses(t *testing.T) {
	p := newPlant(t)
	for says, change := range map[string]func(o *ServerOptions){
		"set Dir":                func(o *ServerOptions) { o.Dir = "" },
		"MaxStore and MaxMemory": func(o *ServerOptions) { o.MaxStore = 0 },
		"MaxMemory are not both": func(o *ServerOptions) { o.MaxMemory = 0 },
		"let in anybody":         func(o *ServerOptions) { o.Users = nil },
	} {
		o := *p.opt
		change(&o)
		text, err := Snippet(&o)
		require.ErrorIs(t, err, store.ErrRefused, says)
		require.ErrorContains(t, err, says)
		require.Empty(t, text)
	}
}

// ca signs certificates for 127.0.0.1.
type ca struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
	n    int64
}

func newCA(t *testing.T) *ca {
	c := &ca{t: t, n: 1}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c.key = key
	c.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plant"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c.file = c.write("ca", "CERTIFICATE", c.sign(c.cert, key))
	return c
}

func (c *ca) sign(what *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, what, c.cert, &key.PublicKey, c.key)
	require.NoError(c.t, err)
	return der
}

func (c *ca) write(name, kind string, der []byte) string {
	path := filepath.Join(c.t.TempDir(), name)
	require.NoError(c.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

func (c *ca) issue(name string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(c.t, err)
	c.n++
	der := c.sign(&x509.Certificate{SerialNumber: big.NewInt(c.n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, k)
	raw, err := x509.MarshalECPrivateKey(k)
	require.NoError(c.t, err)
	return c.write(name, "CERTIFICATE", der), c.write(name+".key", "EC PRIVATE KEY", raw)
}

func TestWithCertificatesNobodyElseIsLetInClientOrServer(t *testing.T) {
	t.Parallel()
	ours, theirs := newCA(t), newCA(t)
	routes := []string{free(t), free(t), free(t)}
	var urls []string
	for i, name := range []string{"s1", "s2", "s3"} {
		o := alone(t)
		o.Node, o.Cluster, o.Routes, o.CA = name, routes[i], routes, ours.file
		o.Cert, o.Key = ours.issue(name)
		s, _ := runServer(t, o)
		urls = append(urls, strings.Replace(s.ClientURL(), "nats://", "tls://", 1))
	}
	cert, key := ours.issue("n1")
	l := openLog(t, connect(t, &Options{URL: strings.Join(urls, ","), Node: "n1", CA: ours.file, Cert: cert, Key: key}), "plant", nil)
	fill(t, l, 1, 3) // three servers agree, so their connections with each other stand
	cert, key = theirs.issue("n1")
	for name, o := range map[string]Options{
		"a certificate of another CA": {CA: ours.file, Cert: cert, Key: key},
		"no certificate":              {CA: ours.file},
		"no TLS":                      {},
	} {
		o.URL = urls[0]
		if o.CA == "" {
			o.URL = strings.Replace(urls[0], "tls://", "nats://", 1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
		c, err := Connect(ctx, &o)
		require.NoError(t, err)
		require.Error(t, c.Ready(ctx), name)
		require.NotEqual(t, nats.CONNECTED, c.nc.Status(), name)
		c.Close()
		cancel()
	}
}
