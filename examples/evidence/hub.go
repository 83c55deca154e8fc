// A hub, and what is sent to one: journals of many boards, kept for the long term.

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/bus"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/timebase/system"
)

const maxPEM = 1 << 20 // bytes of a file of certificates

// secrets are the files by which the sides of a connection know each other.
type secrets struct{ cert, key, ca string }

func (s *secrets) flags(set *flag.FlagSet) {
	set.StringVar(&s.cert, "cert", "", "")
	set.StringVar(&s.key, "key", "", "")
	set.StringVar(&s.ca, "ca", "", "")
}

// config reads them; nil where none is named.
func (s *secrets) config() (*tls.Config, error) {
	if *s == (secrets{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.cert != "" || s.key != "" {
		pair, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			return nil, fmt.Errorf("hub: -cert and -key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.ca != "" {
		data, err := readSmall(s.ca)
		if err != nil {
			return nil, fmt.Errorf("hub: -ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("hub: -ca %s holds no certificate in PEM", s.ca)
		}
		c.RootCAs, c.ClientCAs = pool, pool
	}
	return c, nil
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPEM))
}

func flags(name string) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	return set
}

// serveHub runs a hub until ctx ends.
func serveHub(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s secrets
	var opt hub.Options
	set := flags("hub")
	s.flags(set)
	dir, listen := set.String("dir", "", ""), set.String("listen", "127.0.0.1:8460", "")
	file := set.String("tokens", "", "")
	set.BoolVar(&opt.Rebuild, "rebuild", false, "")
	set.Int64Var(&opt.Room, "room", 0, "")
	if set.Parse(args) != nil || set.NArg() != 0 || *dir == "" {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	err := func() error {
		config, who, err := access(*listen, *file, &s)
		if err != nil {
			return err
		}
		h, err := hub.Open(*dir, &opt)
		if err != nil {
			return err
		}
		defer h.Close()
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("hub: %w", err)
		}
		scheme := "http"
		if config != nil {
			l, scheme = tls.NewListener(l, config), "https"
		}
		list := h.Journals()
		for i := range list {
			if list[i].Trouble != "" {
				fmt.Fprintln(stderr, evidence.Plain(list[i].Words()))
			}
		}
		fmt.Fprintf(stdout, "hub at %s://%s: %d journals in %s\n", scheme, l.Addr(), len(list), *dir)
		return api.ServeWith(ctx, l, hub.Handler(h, who), &api.ServeOptions{Told: func(err error) { fmt.Fprintln(stderr, plain(err)) }})
	}()
	if err != nil {
		fmt.Fprintln(stderr, plain(err))
		return exitFound
	}
	return exitOK
}

// access says how callers are known. Without a token and a certificate only this machine is let in.
func access(listen, file string, s *secrets) (*tls.Config, func(*http.Request) (hub.Caller, error), error) {
	config, err := s.config()
	if err != nil {
		return nil, nil, err
	}
	if config != nil && len(config.Certificates) == 0 {
		return nil, nil, errors.New("hub: -ca needs -cert and -key: a client certificate comes over TLS")
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, nil, fmt.Errorf("hub: -listen: %w", err)
	}
	ip := net.ParseIP(host)
	here := host == "localhost" || ip != nil && ip.IsLoopback()
	if !here && (config == nil || file == "" && s.ca == "") {
		return nil, nil, fmt.Errorf("hub: %s can be reached from elsewhere: give -cert and -key, and -tokens or -ca", listen)
	}
	who := hub.Anybody
	var known *hub.Tokens
	if file != "" {
		if known, err = hub.ReadTokens(file); err != nil {
			return nil, nil, err
		}
		who = known.Who
	}
	if s.ca != "" {
		config.ClientAuth = tls.VerifyClientCertIfGiven
		who = func(r *http.Request) (hub.Caller, error) {
			if known != nil && r.Header.Get("Authorization") != "" {
				return known.Who(r)
			}
			return hub.Certificate(r)
		}
	}
	return config, who, nil
}

// far are the flags of who asks a hub.
type far struct {
	secrets
	token, node string
	patience    time.Duration
}

func (f *far) flags(set *flag.FlagSet) {
	f.secrets.flags(set)
	set.StringVar(&f.token, "token", "", "")
	set.StringVar(&f.node, "node", "", "")
	set.DurationVar(&f.patience, "patience", 0, "")
}

// client connects nowhere yet.
func (f *far) client(address string) (*hub.Client, error) {
	opt := &hub.ClientOptions{Node: f.node, Patience: f.patience}
	var err error
	if opt.TLS, err = f.config(); err != nil {
		return nil, err
	}
	if f.token != "" {
		data, err := readSmall(f.token)
		if err != nil {
			return nil, fmt.Errorf("hub: -token: %w", err)
		}
		opt.Token = strings.TrimSpace(string(data))
	}
	return hub.NewClient(address, opt)
}

// isHub tells whether a word is the address of a hub, and no directory.
func isHub(word string) bool {
	return strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://")
}

// forward sends journals to a hub, until ctx ends or, with -once, until it has all.
func forward(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f far
	set := flags("forward")
	f.flags(set)
	to, cursors, board := set.String("to", "", ""), set.String("cursors", "", ""), set.String("board", "", "")
	opt := export.Options{Poll: 500 * time.Millisecond, Least: 100 * time.Millisecond, Most: 200 * time.Millisecond}
	set.BoolVar(&opt.Again, "again", false, "")
	once := set.Bool("once", false, "")
	if set.Parse(args) != nil || !isHub(*to) || *cursors == "" || (*board == "") == (set.NArg() == 0) || *board != "" && (*once || opt.Again) {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	c, err := f.client(*to)
	if err != nil {
		fmt.Fprintln(stderr, plain(err))
		return exitFound
	}
	defer c.Close()
	var mu sync.Mutex // one line at a time
	say := func(w io.Writer, format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, format, args...)
	}
	if *board != "" {
		return forwardBoard(ctx, c, *board, *cursors, stdout, stderr, say)
	}
	var all sync.WaitGroup
	var code atomic.Int32
	for _, dir := range set.Args() {
		all.Go(func() {
			x, err := sendOne(ctx, c, *to, dir, *cursors, &opt, *once, func(s export.Status) {
				say(stderr, "%s: %s is %s, records up to %d are there; %s\n", dir, *to, s.State, s.Acked.N, evidence.Plain(s.Detail))
			})
			if x != nil {
				s := x.Status()
				say(stdout, "%s: %s has records up to %d, %d behind\n", dir, *to, s.Acked.N, s.Behind)
			}
			if err != nil {
				say(stderr, "%s: %s\n", dir, plain(err))
				code.Store(exitFound)
			}
		})
	}
	all.Wait()
	return int(code.Load())
}

// forwardBoard sends all journals of a board, new ones as they appear, until ctx ends.
func forwardBoard(ctx context.Context, c *hub.Client, board, cursors string, stdout, stderr io.Writer, say func(io.Writer, string, ...any)) int {
	f, err := bus.NewForward(board, cursors, &bus.ForwardOptions{
		Sink: func(string) (export.Sink, error) { return c, nil },
		Tell: func(object, result, detail string) { say(stderr, "%s %s %s\n", object, result, evidence.Plain(detail)) },
	})
	if err == nil {
		_, err = os.ReadDir(board)
	}
	if err == nil {
		err = f.Run(ctx)
	}
	if err != nil {
		say(stderr, "%s\n", plain(err))
		return exitFound
	}
	for _, s := range f.Status() {
		say(stdout, "%s: the hub has records up to %d, %d behind%s\n", s.Dir, s.Status.Acked.N, s.Status.Behind, evidence.Plain(s.Stopped))
	}
	return exitOK
}

// sendOne sends one journal, which another process may write meanwhile. Tell is called where the hub goes away, and is there again.
func sendOne(ctx context.Context, c *hub.Client, to, dir, cursors string, opt *export.Options, once bool, tell func(export.Status)) (*export.Exporter, error) {
	if _, err := os.Stat(filepath.Join(dir, "journal")); err == nil {
		dir = filepath.Join(dir, "journal")
	}
	id, _, _, err := journal.Begin(dir, nil)
	if err == nil && id == "" {
		err = fmt.Errorf("%w: there is none in %s", export.ErrJournal, dir)
	}
	if err != nil {
		return nil, err
	}
	own := filepath.Join(cursors, id)
	if err := errors.Join(evidence.MakeDir(cursors), evidence.MakeDir(own)); err != nil {
		return nil, err
	}
	x, err := export.New(to, c, export.Source{Dir: dir, Beside: true}, own, system.NewClock(1), opt)
	if err != nil {
		return nil, err
	}
	if once {
		return x, x.CatchUp(ctx)
	}
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for down := false; ; {
		select {
		case err := <-done:
			return x, err
		case <-look.C:
			if s := x.Status(); (s.State == export.Down) != down {
				down = !down
				tell(s)
			}
		}
	}
}

// atHub runs what asks a hub, with its flags before the address.
func atHub(args []string, stderr io.Writer, least int, do func(ctx context.Context, c *hub.Client, words []string) error) int {
	var f far
	set := flags("hub")
	f.flags(set)
	if set.Parse(args) != nil || set.NArg() < least || !isHub(set.Arg(0)) {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := f.client(set.Arg(0))
	if err == nil {
		defer c.Close()
		err = do(ctx, c, set.Args()[1:])
	}
	if err != nil {
		fmt.Fprintln(stderr, plain(err))
		return exitFound
	}
	return exitOK
}

// asksHub tells whether the first word that is no flag is the address of a hub.
func asksHub(args []string) bool {
	var f far
	set := flags("hub")
	f.flags(set)
	return set.Parse(args) == nil && isHub(set.Arg(0))
}

// queryHub prints the records that are meant, as query does.
func queryHub(args []string, stdout, stderr io.Writer) int {
	return atHub(args, stderr, 1, func(ctx context.Context, c *hub.Client, words []string) error {
		if _, err := evidence.ParseQuery(words); err != nil {
			return err
		}
		left, err := c.Records(ctx, words, func(lines []byte) error {
			_, err := stdout.Write(lines)
			return err
		})
		if left > 0 {
			fmt.Fprintf(stderr, "of %d records the hub does not know the kind, and what is meant may be among them\n", left)
		}
		return err
	})
}

// hubStatus prints how each journal stands at a hub.
func hubStatus(args []string, stdout, stderr io.Writer) int {
	return atHub(args, stderr, 1, func(ctx context.Context, c *hub.Client, _ []string) error {
		list, err := c.Journals(ctx)
		for i := range list {
			fmt.Fprintln(stdout, evidence.Plain(list[i].Words()))
		}
		return err
	})
}

// verifyHub fetches journals from a hub, and holds each against its chain here.
func verifyHub(args []string, stdout, stderr io.Writer) int {
	return atHub(args, stderr, 1, func(ctx context.Context, c *hub.Client, ids []string) error {
		if len(ids) == 0 {
			list, err := c.Journals(ctx)
			if err != nil {
				return err
			}
			for i := range list {
				ids = append(ids, list[i].Journal)
			}
		}
		var wrong error
		for _, id := range ids {
			var first, n uint64
			var link journal.Hash
			err := c.File(ctx, id, func(r *export.Row) error {
				if first == 0 {
					first = r.Seq
				}
				n, link = r.Seq, r.Link
				return nil
			})
			if err != nil {
				wrong = errors.Join(wrong, fmt.Errorf("NOT VERIFIED: journal %s, behind record %d: %w", id, n, err))
				continue
			}
			fmt.Fprintf(stdout, "journal %s: records %d to %d are in one chain, last link %s\n", evidence.Plain(id), first, n, link)
		}
		if wrong == nil {
			fmt.Fprintln(stdout, "not proven: that nothing was cut off its end, or all of it made anew; the journal on the board can tell")
		}
		return wrong
	})
}
