// Commission holds a board against the contracts of its devices, prints what it found as a table, and writes that down for sign-off. It
// also drafts profile and tag map of what an OPC UA server has, and makes the certificate by which servers know a controller.
//
//	go run ./examples/commission -selftest    on a simulated board, so that one sees what it does
//	go run ./examples/commission -selftest -board FILE    on the devices of this machine that a board file names; see go doc ./hal/linux Board
//	go run ./examples/commission -selftest -board FILE -loop do/1,di/1    with a wire from an output to an input
//	go run ./examples/commission -selftest -board FILE -drive do/2    an output that may be driven though no wire leads back
//	go run ./examples/commission -selftest -board FILE -pair a,b    with a cable between two serial ports
//	go run ./examples/commission identity -name tank -uri urn:plant:tank -host 10.0.0.2 DIR    cert.pem and key.pem; replaces none
//	go run ./examples/commission browse opc.tcp://10.0.0.7:4840 -o DIR    profile.yaml and bus.yaml, for a person to decide about
//	go run ./examples/commission browse opc.tcp://10.0.0.7:4840 -policy basic256sha256 -cert FILE -key FILE -trust DIR -user NAME -o DIR
//
// An output that is not named is not driven, since a valve may hang on it; every line is read. A check that wants a wire, a switch in the
// supply or a second port says so and is NOT CHECKED: it is not passed. The exit code is 0 where nothing has failed, 1 where something
// has, or cannot be opened, and 2 where the command line was not understood.
//
// The last 4096 bytes of a memory are written and put back, and a clock chip is set and set back: do not cut the power meanwhile, since a
// journal's anchor may lie there.
//
// The sign-off (-signoff) is one JSON object with the digest of the board file, what was found on the board, and the report of each
// suite, figures included. A file that is there already is not overwritten.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// suiteTime is how long one suite may take; a device that hangs is then a failure.
const suiteTime = time.Minute

// maxPairs is how many loops, or outputs to be driven, are taken.
const maxPairs = 128

// flags are the command line.
type flags struct {
	selftest        bool
	board, operator string
	signoff         string
	loops           [][2]string // output and input
	pairs           [][2]string // serial ports, by their names
	watchdog        bool
	drive           []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if code, done := subcommand(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, set := flags{}, flag.NewFlagSet("commission", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = usage(set, `commission -selftest [flags]                 hold a board against the contracts of its devices
commission browse ENDPOINT -o DIR [flags]    draft profile and tag map of what an OPC UA server has; see commission browse -help
commission identity DIR [flags]              make the certificate by which servers know a controller; see commission identity -help`)
	set.BoolVar(&f.selftest, "selftest", false, "hold every device against its contract")
	set.StringVar(&f.board, "board", "", "board `FILE`; a simulated board if not given")
	set.StringVar(&f.operator, "operator", "", "`ID` of who answers for it; goes into the sign-off")
	set.StringVar(&f.signoff, "signoff", "", "`FILE` that the sign-off is written to")
	set.Func("loop", "`OUTPUT,INPUT` that a wire joins, by their channels; the output is driven; may be given more than once", func(text string) (err error) {
		f.loops, err = joined(f.loops, text)
		return err
	})
	set.Func("pair", "`PORT,PORT` that a cable joins, by the names of the serial ports; may be given more than once", func(text string) (err error) {
		f.pairs, err = joined(f.pairs, text)
		return err
	})
	set.BoolVar(&f.watchdog, "watchdog", false, "arm the watchdog; one that cannot be stopped resets the machine")
	set.Func("drive", "`OUTPUT` that may be driven; may be given more than once", f.drives)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	switch {
	case set.NArg() > 0:
		fmt.Fprintf(stderr, "commission: %q: flags begin with -, and the commands browse and identity stand before them; see commission -help\n", set.Arg(0))
		return exitUsage
	case !f.selftest:
		fmt.Fprintln(stderr, "commission: nothing to do; give -selftest, and see commission -help")
		return exitUsage
	}
	ok, err := selftest(ctx, &f, stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	if err != nil || !ok {
		return exitFailed
	}
	return exitOK
}

// usage says how a command is called, and prints its flags.
func usage(set *flag.FlagSet, calls string) func() {
	return func() {
		fmt.Fprintf(set.Output(), "usage: %s\n\n", strings.ReplaceAll(calls, "\n", "\n       "))
		set.PrintDefaults()
	}
}

// joined takes two names with a comma between them.
func joined(list [][2]string, text string) ([][2]string, error) {
	a, b, two := strings.Cut(text, ",")
	if !two || a == "" || b == "" || strings.Contains(b, ",") {
		return list, errors.New("two names are wanted, with a comma between them")
	}
	if len(list) >= maxPairs {
		return list, fmt.Errorf("more than %d", maxPairs)
	}
	return append(list, [2]string{a, b}), nil
}

// drives takes a value of -drive.
func (f *flags) drives(text string) error {
	if text == "" || len(f.drive) >= maxPairs {
		return fmt.Errorf("1 to %d outputs are wanted", maxPairs)
	}
	f.drive = append(f.drive, text)
	return nil
}
