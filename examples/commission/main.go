// Commission holds a board against the contracts of its devices, prints what it found as a table, and writes that down for sign-off.
//
//	go run ./examples/commission -selftest    on a simulated board, so that one sees what it does
//	go run ./examples/commission -selftest -board FILE    on the devices of this machine that a board file names; see go doc ./hal/linux Board
//	go run ./examples/commission -selftest -board FILE -loop do/1,di/1    with a wire from an output to an input
//	go run ./examples/commission -selftest -board FILE -drive do/2    an output that may be driven though no wire leads back
//
// An output that is not named is not driven, since a valve may hang on it; every line is read. A check that wants a wire, a switch in the
// supply or a second port says so and is NOT CHECKED: it is not passed. The exit code is 0 where nothing has failed, 1 where something
// has, or cannot be opened, and 2 where the command line was not understood.
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
	drive           []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, set := flags{}, flag.NewFlagSet("commission", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.BoolVar(&f.selftest, "selftest", false, "hold every device against its contract")
	set.StringVar(&f.board, "board", "", "board `FILE`; a simulated board if not given")
	set.StringVar(&f.operator, "operator", "", "`ID` of who answers for it; goes into the sign-off")
	set.StringVar(&f.signoff, "signoff", "", "`FILE` that the sign-off is written to")
	set.Func("loop", "`OUTPUT,INPUT` that a wire joins, by their channels; the output is driven; may be given more than once", f.loop)
	set.Func("drive", "`OUTPUT` that may be driven; may be given more than once", f.drives)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	switch {
	case set.NArg() > 0:
		fmt.Fprintf(stderr, "commission: %q: flags begin with -; see commission -help\n", set.Arg(0))
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

// loop takes a value of -loop.
func (f *flags) loop(text string) error {
	out, in, two := strings.Cut(text, ",")
	if !two || out == "" || in == "" || strings.Contains(in, ",") {
		return errors.New("an output and an input are wanted, with a comma between them")
	}
	if len(f.loops) >= maxPairs {
		return fmt.Errorf("more than %d", maxPairs)
	}
	f.loops = append(f.loops, [2]string{out, in})
	return nil
}

// drives takes a value of -drive.
func (f *flags) drives(text string) error {
	if text == "" || len(f.drive) >= maxPairs {
		return fmt.Errorf("1 to %d outputs are wanted", maxPairs)
	}
	f.drive = append(f.drive, text)
	return nil
}
