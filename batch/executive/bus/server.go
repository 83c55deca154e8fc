// A server of the bus within a process.

package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/batchkit/batchkit/batch/store"
)

// maxPayload is the largest message that a server of ours takes.
const maxPayload = 8 << 20

// ServerOptions say how a server is run. Zero is as it says.
type ServerOptions struct {
	Node    string   // its name, an identifier; no two of a cluster have the same
	Listen  string   // HOST:PORT for clients; port 0: one that is free. Without Users it has to be a loopback address
	Cluster string   // HOST:PORT for the other servers; "": it is alone
	Plant   string   // name of the cluster; "": plant
	Routes  []string // HOST:PORT of the others' Cluster, itself too if that is simpler: three servers, or five
	// Advertise is where others are told to reach it, HOST:PORT, in place of Cluster: servers tell each other of servers, and one that has no route to a
	// third yet goes there. Where that is none of Routes as the others have them, such as by a tunnel, it would go around what Routes lead through.
	Advertise string
	Dir       string // where streams are kept: a directory on a disk that stays

	MaxStore  int64 // bytes of streams in files, and in memory: more are refused. Both have to be set
	MaxMemory int64

	CA   string // PEM files: who signs, the own certificate and its key. Clients and other servers have to show one of the same CA; "": no TLS
	Cert string
	Key  string

	Users     []User // who may do what; none: everybody may do all, which is for tests and for one board
	Log       string // name of the arbiter's log that nodes may write; "": plant
	MQTT      string // HOST:PORT for MQTT clients of role Watch, "": none
	Websocket string // HOST:PORT for websocket clients of roles Watch and Client, "": none. These two ways ask for no certificate

	Tell func(level, text string) `json:"-"` // what the server says, level is notice, warning or error; from any goroutine, it may not block; nil: nobody
}

// Server is a server of the bus. Each write is on the disk before it is acknowledged.
type Server struct {
	opt server.Options
	s   *server.Server
	log *talk
}

// NewServer makes a server and looks at its options: what cannot be is store.ErrRefused, with what to do. It starts nothing; the
// files of CA, Cert and Key are read.
func NewServer(o *ServerOptions) (*Server, error) {
	s := &Server{log: &talk{tell: o.Tell}}
	err := o.check()
	if err == nil {
		err = s.options(o)
	}
	if err == nil {
		s.s, err = server.NewServer(&s.opt)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: bus: server %s: %w", store.ErrRefused, o.Node, err)
	}
	s.s.SetLoggerV2(s.log, false, false, false)
	return s, nil
}

// check refuses what would lose, or let in, more than whoever wrote it can have meant.
func (o *ServerOptions) check() error {
	host, _, err := net.SplitHostPort(o.Listen)
	switch {
	case !ident(o.Node):
		return fmt.Errorf("%.40q is no name; set Node to 1 to 32 letters, digits, - and _", o.Node)
	case o.Plant != "" && !ident(o.Plant), o.Log != "" && !ident(o.Log):
		return errors.New("plant or log is no name; it has 1 to 32 letters, digits, - and _")
	case err != nil:
		return fmt.Errorf("listen: %w; set it to HOST:PORT", err)
	case o.Dir == "":
		return errors.New("no directory; set Dir to one on a disk that stays")
	case o.MaxStore <= 0 || o.MaxMemory <= 0:
		return errors.New("MaxStore and MaxMemory are not both set: a server would take up to three quarters of the disk; set them")
	case (o.CA == "") != (o.Cert == "") || (o.Cert == "") != (o.Key == ""):
		return errors.New("of CA, Cert and Key some are set and some are not; set all, or none")
	case len(o.Users) == 0 && !loopback(host):
		return fmt.Errorf("it has no users and listens at %s, where others reach it; name users, or listen at 127.0.0.1", o.Listen)
	case o.CA == "" && len(o.Users) > 0 && !loopback(host):
		return fmt.Errorf("it listens at %s without TLS; set CA, Cert and Key", o.Listen)
	case o.Cluster == "" && len(o.Routes) > 0:
		return errors.New("it has routes and does not listen for servers; set Cluster")
	case (o.MQTT != "" || o.Websocket != "") && len(o.Users) == 0:
		return errors.New("MQTT and websocket clients would be let in without a password; name users of role Watch")
	}
	for _, at := range []string{o.MQTT, o.Websocket} {
		if host, _, err := net.SplitHostPort(at); at != "" && err == nil && o.CA == "" && !loopback(host) {
			return fmt.Errorf("it listens at %s without TLS, where passwords could be read; set CA, Cert and Key", at)
		}
	}
	return nil
}

// loopback tells whether only this machine reaches a host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// options puts the options in the words of the server.
func (s *Server) options(o *ServerOptions) (err error) {
	s.opt = server.Options{ServerName: o.Node, NoSigs: true, NoLog: true, MaxPayload: maxPayload, JetStream: true, StoreDir: o.Dir, SyncAlways: true,
		JetStreamMaxStore: o.MaxStore, JetStreamMaxMemory: o.MaxMemory, DisableJetStreamBanner: true, WriteDeadline: 10 * time.Second,
		PingInterval: 10 * time.Second, MaxPingsOut: 2, MaxConn: 4096, MaxControlLine: 4096}
	if s.opt.Host, s.opt.Port, err = address(o.Listen); err != nil {
		return err
	}
	var shown, open *tls.Config
	if o.CA != "" {
		if shown, err = certificates(o, true); err != nil {
			return err
		}
		if open, err = certificates(o, false); err != nil {
			return err
		}
		s.opt.TLSConfig, s.opt.TLSVerify, s.opt.TLSTimeout = shown, true, 5
	}
	if o.Cluster != "" {
		routes := shown
		if routes != nil { // a server is a client of the others
			routes = routes.Clone()
			routes.RootCAs = routes.ClientCAs
		}
		if err := s.cluster(o, routes); err != nil {
			return err
		}
	}
	if err := apart(o.Users); err != nil {
		return err
	}
	for i := range o.Users {
		if err := s.user(&o.Users[i], o); err != nil {
			return err
		}
	}
	if o.MQTT != "" {
		if s.opt.MQTT.Host, s.opt.MQTT.Port, err = address(o.MQTT); err != nil {
			return err
		}
		s.opt.MQTT.TLSConfig, s.opt.MQTT.TLSTimeout = open, 5
	}
	if o.Websocket != "" {
		if s.opt.Websocket.Host, s.opt.Websocket.Port, err = address(o.Websocket); err != nil {
			return err
		}
		s.opt.Websocket.TLSConfig, s.opt.Websocket.NoTLS = open, open == nil
		s.opt.Websocket.HandshakeTimeout = 5 * time.Second
	}
	return nil
}

// cluster sets what servers need of each other.
func (s *Server) cluster(o *ServerOptions, t *tls.Config) (err error) {
	c := &s.opt.Cluster
	if c.Name = o.Plant; c.Name == "" {
		c.Name = "plant"
	}
	if c.Host, c.Port, err = address(o.Cluster); err != nil {
		return err
	}
	if t == nil && !loopback(c.Host) {
		return fmt.Errorf("it listens for servers at %s without TLS: anybody would be one; set CA, Cert and Key", o.Cluster)
	}
	if t != nil { // each is the client of the others as well, and holds them against the same CA
		t = t.Clone()
		t.RootCAs = t.ClientCAs
	}
	c.NoAdvertise, c.TLSConfig, c.TLSTimeout, c.PoolSize = true, t, 5, -1 // one connection between two servers: there are few
	c.PingInterval, c.MaxPingsOut, c.WriteDeadline = 2*time.Second, 2, 10*time.Second
	if o.Advertise != "" {
		if _, _, err := address(o.Advertise); err != nil {
			return err
		}
		c.Advertise = o.Advertise
	}
	for _, r := range o.Routes {
		host, port, err := address(r)
		if err != nil {
			return err
		}
		s.opt.Routes = append(s.opt.Routes, &url.URL{Scheme: "nats-route", Host: net.JoinHostPort(host, strconv.Itoa(port))})
	}
	return nil
}

// address takes HOST:PORT apart. Port 0 is a free one, which servers write as -1.
func address(text string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, err
	}
	if port, err = strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%.60q has no port of 0 to 65535", text)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// certificates reads the files of TLS. Verify has clients show a certificate.
func certificates(o *ServerOptions, verify bool) (*tls.Config, error) {
	return server.GenTLSConfig(&server.TLSConfigOpts{CertFile: o.Cert, KeyFile: o.Key, CaFile: o.CA, Verify: verify, Timeout: 5})
}

// Run runs the server until ctx ends, and returns when it has stopped: an error is why it could not begin. It is called once.
func (s *Server) Run(ctx context.Context) error {
	s.s.Start()
	stop := context.AfterFunc(ctx, s.s.Shutdown)
	defer stop()
	if !s.s.ReadyForConnections(10*time.Second) && ctx.Err() == nil {
		s.s.Shutdown()
		s.s.WaitForShutdown()
		return fmt.Errorf("bus: server %s does not come up at %s:%d: %s", s.opt.ServerName, s.opt.Host, s.opt.Port, s.log.said())
	}
	s.s.WaitForShutdown()
	if ctx.Err() == nil {
		return fmt.Errorf("bus: server %s has stopped: %s", s.opt.ServerName, s.log.said())
	}
	return nil
}

// Ready blocks until the server takes clients, or ctx ends, whose error it then returns. Streams may take seconds more in a cluster.
func (s *Server) Ready(ctx context.Context) error {
	for !s.s.ReadyForConnections(10 * time.Millisecond) {
		if ctx.Err() != nil {
			return fmt.Errorf("bus: server %s is not ready: %w: %s", s.opt.ServerName, ctx.Err(), s.log.said())
		}
	}
	return nil
}

// ClientURL is where clients of this machine reach the server once it is ready.
func (s *Server) ClientURL() string { return s.s.ClientURL() }

// ClusterAddr is where other servers reach it once it is ready, HOST:PORT; "" where it is alone.
func (s *Server) ClusterAddr() string {
	if a := s.s.ClusterAddr(); a != nil {
		return a.String()
	}
	return ""
}

// talk is the log of the server, told to whoever listens.
type talk struct {
	tell func(level, text string)
	last bounded
}

func (t *talk) say(level, format string, v ...any) {
	text := cut(strings.TrimSpace(fmt.Sprintf(format, v...)))
	if level == "error" {
		t.last.set(text)
	}
	if t.tell != nil {
		t.tell(level, text)
	}
}

// said is the last error.
func (t *talk) said() string { return t.last.get() }

// Noticef and the others implement server.Logger.
func (t *talk) Noticef(format string, v ...any) { t.say("notice", format, v...) }
func (t *talk) Warnf(format string, v ...any)   { t.say("warning", format, v...) }
func (t *talk) Errorf(format string, v ...any)  { t.say("error", format, v...) }
func (t *talk) Fatalf(format string, v ...any)  { t.say("error", format, v...) }
func (t *talk) Debugf(string, ...any)           {}
func (t *talk) Tracef(string, ...any)           {}
