// The connection of one process with the bus.

package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Limits of a connection.
const (
	dialLimit  = 3 * time.Second // to one server, with TLS
	pingEach   = 2 * time.Second // a server that has stopped answers none: it is left after two
	againMin   = 100 * time.Millisecond
	againMax   = 500 * time.Millisecond // what waits for the link goes on within a second of its being up
	maxServers = 16
	maxTold    = 400 // bytes of what is told
)

// Options say how a process connects with the bus. Zero is as it says.
type Options struct {
	URL  string // nats:// or tls://; several servers with commas, the nearest first. NAME:PASSWORD@ only for the role Watch
	Node string // of this board; "" for a client that is none
	User string // of a client that is no board, such as an operator's or a hub; "": Node
	Seed string // file with the seed of an nkey, which nobody but its owner may read; "": none
	CA   string // file with the certificates that a server's is signed by, PEM; "": those of the system
	Cert string // file with the own certificate, and in Key its key, PEM; read again each time that it connects
	Key  string
	Tell func(object, result, detail string) // connection state and refusals, for bus_state records; from any goroutine, it may not block; nil: nobody
}

// Conn is a connection with the bus. It connects, and does so again, for as long as it is not closed: the bus may be away when it
// is made, and go and come. Its methods may be called from any goroutine.
type Conn struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	opt Options

	mu     sync.Mutex
	denied map[chan refusal]struct{} // who waits for refusals
	why    string                    // no server was reached last
	closed chan struct{}
	once   sync.Once
}

// refusal is what a server has refused, in its words.
type refusal struct {
	subject string
	err     error
}

// Connect makes a connection and blocks until a server has answered, or ctx ends, or a few seconds are over: the connection is
// there all the same, and goes on trying until Close. Only options that cannot be right are an error; nothing is left of the
// connection then.
func Connect(ctx context.Context, o *Options) (*Conn, error) {
	c := &Conn{opt: *o, denied: map[chan refusal]struct{}{}, closed: make(chan struct{})}
	for _, name := range []string{o.Node, o.User} {
		if name != "" && !ident(name) {
			return nil, fmt.Errorf("bus: %.40q is no name; it has 1 to 32 letters, digits, - and _", name)
		}
	}
	list, err := servers(o.URL)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	opts, err := c.options(list)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	if c.nc, err = nats.Connect(strings.Join(list, ","), opts...); err != nil {
		return nil, fmt.Errorf("bus: %s: %w", bare(list[0]), err)
	}
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(askLimit)); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("bus: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	_ = c.Ready(ctx) // the bus may come later
	return c, nil
}

// Ready blocks until the connection stands, or ctx ends, whose error it then returns.
func (c *Conn) Ready(ctx context.Context) error {
	up := c.nc.StatusChanged(nats.CONNECTED)
	defer c.nc.RemoveStatusListener(up)
	for !c.nc.IsConnected() {
		select {
		case <-up:
		case <-ctx.Done():
			return fmt.Errorf("bus: no server answers yet: %w", errors.Join(ctx.Err(), c.nc.LastError()))
		case <-c.closed:
			return errClosed
		}
	}
	return nil
}

// errClosed: Close was called.
var errClosed = errors.New("bus: the connection is closed")

// Close ends the connection. What was sent and not acknowledged is of unknown outcome.
func (c *Conn) Close() {
	c.once.Do(func() {
		close(c.closed)
		c.nc.Close()
	})
}

// servers is the list of servers of an URL, each looked at.
func servers(text string) ([]string, error) {
	if text == "" {
		return nil, errors.New("no server is named; set URL, such as nats://127.0.0.1:4222")
	}
	list := strings.Split(text, ",")
	if len(list) > maxServers {
		return nil, fmt.Errorf("%d servers are named; at most %d are taken", len(list), maxServers)
	}
	for i, s := range list {
		list[i] = strings.TrimSpace(s)
		u, err := url.Parse(list[i])
		if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("server %d is not nats://HOST:PORT or tls://HOST:PORT; write it so", i+1) // it may hold a password: not shown
		}
	}
	return list, nil
}

// bare is a server without its password.
func bare(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return "server"
	}
	return u.Redacted()
}

// options are those of the client.
func (c *Conn) options(list []string) ([]nats.Option, error) {
	o := &c.opt
	opts := []nats.Option{
		nats.Name(cmp.Or(o.Node, o.User, "batchkit")),
		nats.Timeout(dialLimit), nats.PingInterval(pingEach), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(2 * dialLimit), nats.ReconnectOnFlusherError(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), // a key may be let in later
		nats.ReconnectBufSize(-1),                            // what cannot be sent now is refused now: it was never sent
		nats.CustomInboxPrefix(inboxOf(o)),                   // nobody else may listen to it
		nats.DontRandomize(), nats.IgnoreDiscoveredServers(), // those that were named, the nearest first
		nats.CustomReconnectDelay(func(n int) time.Duration { return min(againMin<<min(n, 8), againMax) }),
		nats.ConnectHandler(func(nc *nats.Conn) { c.there(nc, "") }),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.there(nc, "again: ") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.tell("connection", "disconnected", words(err)) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.away(words(err)) }),
		nats.ErrorHandler(c.failed),
	}
	if o.Seed != "" {
		k, err := ReadKey(o.Seed)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Nkey(k.Public, k.sign))
	}
	if o.CA != "" {
		opts = append(opts, nats.RootCAs(o.CA))
	}
	switch {
	case o.Cert != "" && o.Key != "":
		opts = append(opts, nats.ClientCert(o.Cert, o.Key))
	case o.Cert != "" || o.Key != "":
		return nil, errors.New("a certificate without its key, or a key without its certificate; set Cert and Key")
	}
	for _, s := range list {
		if strings.HasPrefix(s, "nats:") && (o.CA != "" || o.Cert != "") {
			return nil, errors.New("certificates are set, and a server is named by nats://, which would take one without TLS; name it by tls://")
		}
	}
	for _, f := range []string{o.CA, o.Cert, o.Key} {
		if f != "" {
			if _, err := os.Stat(f); err != nil {
				return nil, err
			}
		}
	}
	return opts, nil
}

// inboxOf is where answers to a connection come: under its name, so that its role lets it listen there, and no other.
func inboxOf(o *Options) string {
	if name := cmp.Or(o.Node, o.User); name != "" {
		return "_INBOX." + name
	}
	return "_INBOX"
}

// failed is told by the client what a server has refused: nobody else hears of it.
func (c *Conn) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	if err == nil {
		return
	}
	subject := ""
	if errors.Is(err, nats.ErrPermissionViolation) {
		if _, rest, ok := strings.Cut(err.Error(), `"`); ok {
			subject, _, _ = strings.Cut(rest, `"`)
		}
		c.mu.Lock()
		for ch := range c.denied {
			select {
			case ch <- refusal{subject, err}:
			default: // who does not listen has heard one already
			}
		}
		c.mu.Unlock()
	} else if sub != nil {
		subject = sub.Subject
	}
	c.tell(cmp.Or(subject, "connection"), "refused", words(err))
}

// refusals gives what servers refuse from now on, until stop is called.
func (c *Conn) refusals() (ch chan refusal, stop func()) {
	ch = make(chan refusal, 16)
	c.mu.Lock()
	c.denied[ch] = struct{}{}
	c.mu.Unlock()
	return ch, func() {
		c.mu.Lock()
		delete(c.denied, ch)
		c.mu.Unlock()
	}
}

// there tells that a server is reached.
func (c *Conn) there(nc *nats.Conn, again string) {
	c.mu.Lock()
	c.why = ""
	c.mu.Unlock()
	c.tell("connection", "connected", again+bare(nc.ConnectedUrl()))
}

// away tells why no server is reached: once, not at each attempt.
func (c *Conn) away(why string) {
	c.mu.Lock()
	known := c.why == why
	c.why = why
	c.mu.Unlock()
	if !known {
		c.tell("connection", "away", why)
	}
}

func (c *Conn) tell(object, result, detail string) {
	if c.opt.Tell != nil {
		c.opt.Tell(cut(object), result, cut(detail))
	}
}

// words is an error as text that fits a record.
func words(err error) string {
	if err == nil {
		return "by the client"
	}
	return cut(err.Error())
}

// cut makes a text that others wrote fit for a record.
func cut(text string) string {
	if len(text) > maxTold {
		text = text[:maxTold]
	}
	return strings.ToValidUTF8(text, "?")
}
