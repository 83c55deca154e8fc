// OPC UA before a plant is wired: who this controller is (identity), and what a server has (browse).

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// passwordVariable is the environment variable that has the password of -user.
const passwordVariable = "OPCUA_PASSWORD"

// Limits of what is typed.
const (
	maxPassword = 1024 // bytes
	maxDays     = 36500
)

// subcommand runs what is no self-test; done tells that args were one.
func subcommand(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int, done bool) {
	if len(args) == 0 {
		return 0, false
	}
	run, ok := map[string]func(context.Context, *flag.FlagSet, []string, io.Reader, io.Writer, io.Writer) error{"browse": browse, "identity": identity}[args[0]]
	if !ok {
		return 0, false
	}
	set := flag.NewFlagSet("commission "+args[0], flag.ContinueOnError)
	set.SetOutput(stderr)
	switch err := run(ctx, set, args[1:], stdin, stdout, stderr); {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK, true
	case errors.Is(err, errUsage):
		return exitUsage, true
	default:
		fmt.Fprintln(stderr, err)
		return exitFailed, true
	}
}

// errUsage says that the command line was not understood, of which was told already.
var errUsage = errors.New("usage")

// operand parses flags that stand before or behind the one argument that is none.
func operand(set *flag.FlagSet, args []string, what string, stderr io.Writer) (string, error) {
	var text string
	for range 2 {
		if err := set.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return "", err
			}
			return "", errUsage
		}
		if args = set.Args(); len(args) == 0 || text != "" {
			break
		}
		text, args = args[0], args[1:]
	}
	if len(args) > 0 || text == "" {
		fmt.Fprintf(stderr, "%s: one %s is wanted; see %s -help\n", set.Name(), what, set.Name())
		return "", errUsage
	}
	return text, nil
}

// browse writes a device profile and a tag map of what a server has.
func browse(ctx context.Context, set *flag.FlagSet, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var b opcua.BrowseOptions
	set.Usage = usage(set, "commission browse opc.tcp://HOST:PORT -o DIR [flags]    nothing is changed on the server")
	policy := set.String("policy", "none", "`NAME` of the security policy: none, basic256sha256-sign, basic256sha256, aes128-sha256-rsaoaep or aes256-sha256-rsapss")
	cert := set.String("cert", "", "`FILE` with our certificate; see commission identity")
	key := set.String("key", "", "`FILE` with its key")
	trust := set.String("trust", "", "`DIR` with the certificates, PEM or DER, of servers that are believed, or of their authorities; they come from who runs the server")
	user := set.String("user", "", "`NAME` of a user; the password comes from the environment, "+passwordVariable+", or is asked for")
	device := set.String("device", "PLC-1", "`NAME` that the device is to have (device_id)")
	out := set.String("o", "", "`DIR` for "+opcua.ProfileFile+" and "+opcua.TagMapFile+", which must not be there")
	set.StringVar(&b.Node, "node", "", "`ID` of the node beneath which is looked, such as nsu=URI;s=NAME; the Objects folder if not given")
	set.IntVar(&b.Nodes, "nodes", 0, "look at `N` nodes at most; 20,000 if not given")
	set.IntVar(&b.Depth, "depth", 0, "go `N` steps from the node at most; 24 if not given")
	set.DurationVar(&b.Time, "time", 0, "`TIME` that it may take; 2m if not given")
	endpoint, err := operand(set, args, "endpoint such as opc.tcp://10.0.0.7:4840", stderr)
	if err != nil {
		return err
	}
	if *out == "" {
		fmt.Fprintln(stderr, "commission browse: -o DIR is wanted")
		return errUsage
	}
	if err := absent(*out, opcua.ProfileFile, opcua.TagMapFile); err != nil {
		return err
	}
	o, err := options(*policy, *cert, *key, *trust, *user, stdin, stderr)
	if err != nil {
		return err
	}
	s, err := opcua.Browse(ctx, endpoint, o, &b)
	if err != nil {
		return fmt.Errorf("commission: %w", err)
	}
	profile, tagMap, err := s.Draft(*device)
	if err == nil {
		err = place(*out, map[string][]byte{opcua.ProfileFile: profile, opcua.TagMapFile: tagMap})
	}
	if err != nil {
		for _, g := range s.Gaps {
			fmt.Fprintf(stderr, "not looked at: %s\n", g)
		}
		return fmt.Errorf("commission: %w", err)
	}
	tell(s, profile, *out, stdout)
	return nil
}

// tell prints what was found.
func tell(s *opcua.Survey, profile []byte, dir string, stdout io.Writer) {
	points := 0
	if p, err := fieldbus.ParseProfile(opcua.ProfileFile, profile); err == nil {
		points = len(p.Points)
	}
	fmt.Fprintf(stdout, "%d nodes, %d variables: %d points, %d that are none, for the reasons in %s\n", s.Nodes, len(s.Variables), points,
		len(s.Variables)-points, opcua.ProfileFile)
	for _, g := range s.Gaps {
		fmt.Fprintf(stdout, "not looked at: %s\n", g)
	}
	for _, name := range []string{opcua.ProfileFile, opcua.TagMapFile} {
		fmt.Fprintf(stdout, "written: %s\n", filepath.Join(dir, name))
	}
	fmt.Fprintf(stdout, "decide what the comments ask for, then: evidence check %s\n", filepath.Join(dir, opcua.TagMapFile))
}

// options makes options of flags. The password is read where there is a user.
func options(policy, cert, key, trust, user string, stdin io.Reader, stderr io.Writer) (*opcua.DeviceOptions, error) {
	p, err := opcua.ParsePolicy(policy)
	if err != nil {
		return nil, fmt.Errorf("commission: -policy: %w", err)
	}
	o := &opcua.DeviceOptions{Policy: p, User: user}
	if p != opcua.None && (cert == "" || key == "" || trust == "") {
		return nil, fmt.Errorf("commission: policy %s wants -cert, -key and -trust", p)
	}
	if cert != "" || key != "" {
		if o.Identity, err = opcua.LoadIdentity(cert, key); err != nil {
			return nil, fmt.Errorf("commission: %w", err)
		}
	}
	if trust != "" {
		if o.Trust, err = opcua.LoadTrust(trust); err != nil {
			return nil, fmt.Errorf("commission: %w", err)
		}
	}
	if user != "" {
		o.Password, err = password(user, stdin, stderr)
	}
	if err == nil && o.Password != "" && trust == "" {
		return nil, fmt.Errorf("commission: -user %s: wants -trust, which says what server may read the password, with policy %s, too", user, p)
	}
	return o, err
}

// password gives the password of a user: from the environment, or typed, unseen where it is a terminal. It is no argument of the command,
// since everybody on the machine can read those.
func password(user string, stdin io.Reader, stderr io.Writer) (string, error) {
	if text, ok := os.LookupEnv(passwordVariable); ok {
		return text, nil
	}
	if f, ok := stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(stderr, "password of %q: ", user)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(stderr)
		if err != nil {
			return "", fmt.Errorf("commission: password: %w", err)
		}
		return string(text), nil
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, maxPassword+2)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if err != nil && !errors.Is(err, io.EOF) || line == "" || len(line) > maxPassword {
		return "", fmt.Errorf("commission: password of %q: set %s, or give it as the first line of the standard input, 1 to %d bytes", user, passwordVariable, maxPassword)
	}
	return line, nil
}

// identity makes certificate and key of a controller.
func identity(_ context.Context, set *flag.FlagSet, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	var hosts []string
	set.Usage = usage(set, "commission identity -name NAME -uri URI -host NAME [flags] DIR    cert.pem and key.pem, in DIR")
	name := set.String("name", "", "`NAME` of the application, as people see it in a server's list")
	uri := set.String("uri", "", "`URI` by which servers know it, such as urn:plant:controller-1; it is to be its own")
	set.Func("host", "`NAME` or address under which the controller is reached; may be given more than once", func(text string) error {
		if text == "" || len(hosts) >= maxPairs {
			return fmt.Errorf("1 to %d names are wanted", maxPairs)
		}
		hosts = append(hosts, text)
		return nil
	})
	days := set.Int("days", 1825, "for which it is valid")
	dir, err := operand(set, args, "directory", stderr)
	if err != nil {
		return err
	}
	if *name == "" || *uri == "" || len(hosts) == 0 || *days < 1 || *days > maxDays {
		fmt.Fprintf(stderr, "commission identity: -name, -uri and -host are wanted, and -days of 1 to %d\n", maxDays)
		return errUsage
	}
	const certFile, keyFile = "cert.pem", "key.pem"
	if err := absent(dir, certFile, keyFile); err != nil {
		return err
	}
	now := time.Now()
	id, err := opcua.NewIdentity(*name, *uri, hosts, now, now.AddDate(0, 0, *days))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = id.Save(filepath.Join(dir, certFile), filepath.Join(dir, keyFile))
	}
	if err != nil {
		return fmt.Errorf("commission: %w", err)
	}
	fmt.Fprintf(stdout, "%s: certificate of %s, SHA-1 %s, valid for %d days; give it to those who are to trust this controller\n",
		filepath.Join(dir, certFile), *uri, opcua.Thumbprint(id.Certificate), *days)
	fmt.Fprintf(stdout, "%s: its key; it stays here\n", filepath.Join(dir, keyFile))
	return nil
}

// absent refuses files that are there already.
func absent(dir string, names ...string) error {
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("commission: %s: it is there already and is not replaced; give another directory", filepath.Join(dir, name))
		}
	}
	return nil
}

// place writes files that must not be there, all of them or none.
func place(dir string, files map[string][]byte) (err error) {
	var done []string
	defer func() {
		if err != nil {
			for _, name := range done {
				err = errors.Join(err, os.Remove(name))
			}
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		done = append(done, f.Name())
		_, err = f.Write(data)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
