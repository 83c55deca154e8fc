// Scada is the window of a running controller: an OPC UA server that shows its batches, tags and records, read-only, in a process of its own.
//
//	go run ./examples/controller -trend http://127.0.0.1:4841/ &    a controller, which posts its values
//	go run ./examples/scada -from out    what it leaves in out, at opc.tcp://127.0.0.1:4840; ends on Ctrl-C
//	go run ./examples/scada -from out -trend unix:out.sock    values come by a Unix socket, which the file's owner alone can reach
//	go run ./examples/scada -from out -cert scada.pem -key scada.key -trust clients -users users    encrypted, with clients and people that are known
//	go run ./examples/scada user anna >>users    a line for the file of users; asks for the password on the standard input
//
// What is shown stands in go doc ./batch/scada. Nothing can be written, and nothing is written below -from. The process takes the lowest of
// the ordinary priorities that a batch does not feel (nice 10), half of the processors, and 128 MiB of memory as far as it can keep to it: it
// may be attacked, killed and started again while a batch runs.
//
// # Certificates
//
// With -cert and -key every connection is encrypted, unless -policy says otherwise; where neither file is there, both are made, for the hosts
// in -host. -trust is a directory with the certificates of clients that are let in, or of their authorities. Without -cert the policy is none:
// nobody knows who is there, and whoever reaches the port may read.
//
// # Users
//
// Each line of the file is a name, the number of rounds of PBKDF2 with HMAC-SHA-256, a salt and the hash, in hexadecimal. With it nobody comes in
// without name and password, which are taken on encrypted connections alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/batchkit/batchkit/batch/scada"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// memory is how much the process keeps to, as far as it can.
const memory = 128 << 20

// flags are the command line.
type flags struct {
	from, listen, trend                  string
	policy, cert, key, trust, users, uri string
	hosts                                string
	finished                             int
	silence                              time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "user" {
		return user(args[1:], stdin, stdout, stderr)
	}
	f, set := flags{}, flag.NewFlagSet("scada", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprint(stderr, "usage: scada [flags]                show a running controller to OPC UA clients, until Ctrl-C\n"+
			"       scada user NAME >>FILE      a line for -users; asks for the password on the standard input\n\n")
		set.PrintDefaults()
	}
	set.StringVar(&f.from, "from", "out", "`DIR`ectory of the controller, its -out; it is only read")
	set.StringVar(&f.listen, "listen", "127.0.0.1:4840", "`ADDRESS` at which OPC UA clients are served")
	set.StringVar(&f.trend, "trend", "127.0.0.1:4841", "`ADDRESS`, or unix:FILE, at which values are taken that a controller -trend posts; whoever reaches it can show what he likes")
	set.StringVar(&f.policy, "policy", "", "`POLICIES`, by commas: none, basic256sha256-sign, basic256sha256, aes128-sha256-rsaoaep, aes256-sha256-rsapss; "+
		"the last three with -cert, none without, if not given")
	set.StringVar(&f.cert, "cert", "", "certificate `FILE`, PEM or DER; made with -key where neither is there")
	set.StringVar(&f.key, "key", "", "private key `FILE` of -cert")
	set.StringVar(&f.hosts, "host", "localhost,127.0.0.1", "`HOSTS`, by commas, under which clients reach it; stand in a certificate that is made")
	set.StringVar(&f.uri, "uri", "urn:batchkit:scada", "application `URI` of a certificate that is made, and of the namespace")
	set.StringVar(&f.trust, "trust", "", "`DIR`ectory with the certificates of clients, or of their authorities, that are let in")
	set.StringVar(&f.users, "users", "", "`FILE` of users, each a line that scada user NAME has printed; nobody else comes in then")
	set.IntVar(&f.finished, "finished", 0, "show the last `N` batches that have ended; 20 if not given")
	set.DurationVar(&f.silence, "silence", 0, "`TIME` without news after which nothing is GOOD any more; 5s if not given")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if set.NArg() > 0 {
		fmt.Fprintf(stderr, "scada: %q: flags begin with -, and the command user stands before them; see scada -help\n", set.Arg(0))
		return exitUsage
	}
	stepAside(func(err error) { fmt.Fprintln(stderr, "scada:", err) })
	if err := show(ctx, &f, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

// stepAside leaves the machine to others.
func stepAside(told func(error)) {
	runtime.GOMAXPROCS(max(runtime.NumCPU()/2, 1))
	debug.SetMemoryLimit(memory)
	if err := lower(); err != nil {
		told(fmt.Errorf("its priority is as it was: %w", err))
	}
}

// show runs the window until ctx ends.
func show(ctx context.Context, f *flags, stdout io.Writer) error {
	opt, err := f.options(time.Now())
	if err != nil {
		return err
	}
	space := server.NewSpace(f.uri)
	w, err := scada.New(space, f.from, &scada.Options{Finished: f.finished, Silence: f.silence})
	if err != nil {
		return err
	}
	in, err := receive(f.trend, w.Receiver())
	if err != nil {
		return err
	}
	s, err := server.Serve(f.listen, space, opt)
	if err != nil {
		return errors.Join(err, in.close())
	}
	fmt.Fprintf(stdout, "opc.tcp://%s  shows %s, read-only; policies: %s\n", s.Addr(), f.from, named(opt.Policies))
	fmt.Fprintf(stdout, "%s  takes values; controller -trend %s\n", in.at, in.url)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	watch(ctx, w, s, stdout)
	cancel()
	<-done
	return errors.Join(s.Close(), in.close())
}

// watch prints how the window stands: within a second where a batch, the number of good tags or a fault is another, and else every ten
// seconds where any number is.
func watch(ctx context.Context, w *scada.Window, s *server.Server, stdout io.Writer) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, lastText := scada.Status{}, ""
	for quiet := 0; ; quiet++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st, clients := w.Status(), s.Stats()
		text := line(&st, &clients)
		news := st.Newest != last.Newest || st.Batches != last.Batches || st.Good != last.Good || st.Fault != last.Fault
		if news || quiet >= 10 && text != lastText {
			fmt.Fprintf(stdout, "%s  %s\n", time.Now().Format(time.TimeOnly), text)
			last, lastText, quiet = st, text, 0
		}
	}
}

// line says how the window stands. What comes from records and files cannot command the terminal.
func line(st *scada.Status, clients *server.Stats) string {
	text := fmt.Sprintf("batches %d, ended %d", st.Batches, st.Ended)
	if st.Newest != "" {
		text += "; " + st.Newest
	}
	text += fmt.Sprintf("; tags %d, GOOD %d; records %d, events %d; sessions %d", st.Tags, st.Good, st.Records, st.Events, clients.Sessions)
	if clients.Refused > 0 {
		text += fmt.Sprintf(", refused %d", clients.Refused)
	}
	if st.Missing > 0 || st.Refused > 0 {
		text += fmt.Sprintf("; values missing %d, posts refused %d", st.Missing, st.Refused)
	}
	if st.Fault != "" {
		text += "; " + st.Fault
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}
