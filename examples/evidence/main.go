// Evidence verifies and replays the evidence package of a batch, without the controller that made it.
//
//	go run ./examples/evidence verify DIR    check every byte; says what is proven and what is not
//	go run ./examples/evidence replay DIR    feed the inputs to the engine again and compare every decision
//
// It holds no check of its own: what is checked, and how, is package batch/evidence.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
)

const usage = `usage: evidence verify DIR
       evidence replay DIR

verify checks an evidence package: the digest of every file, the chain of all records, the approvals that
they name, the samples, totals and verdicts of every metering window, and that all of them agree. It names
the record that was touched.
replay decides everything again from the recorded inputs and compares it with the records, byte for byte.

DIR is the directory of the package, for example out/B-0001.
Exit code 0: nothing was found. 1: something was, or the package cannot be read. 2: this text.
A run that has not ended, or has left outputs that were not confirmed safe, is no fault of its package:
ATTENTION stands before what is said of it.
`

// Exit codes.
const (
	exitOK    = 0
	exitFound = 1
	exitUsage = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 2 {
		switch args[0] {
		case "verify":
			return verify(args[1], stdout, stderr)
		case "replay":
			return replay(args[1], stdout, stderr)
		}
	}
	fmt.Fprint(stderr, usage)
	return exitUsage
}

// verify prints every check on a line, then what the package proves and what it cannot.
func verify(dir string, stdout, stderr io.Writer) int {
	rep, err := evidence.Verify(dir)
	if err != nil {
		return refuse(dir, err, stderr)
	}
	var failed []string
	for i := range rep.Checks {
		c := &rep.Checks[i]
		fmt.Fprintln(stdout, c.String())
		if c.Failed {
			failed = append(failed, c.Name)
		}
	}
	list(stdout, "beside the package, and not vouched for:", rep.Other)
	list(stdout, "proven:", rep.Proven)
	list(stdout, "not proven:", rep.NotProven)
	ended := ""
	if rep.Ended {
		ended = " is " + rep.State
	}
	fmt.Fprintf(stdout, "\nbatch %s%s: %d records, last link %s\n", rep.BatchID, ended, rep.Records, rep.Link)
	if len(failed) == 0 {
		fmt.Fprintln(stdout, attention(&rep.Run)+rep.Verdict())
		return exitOK
	}
	if words := rep.Words(); words != "" {
		fmt.Fprintln(stdout, attention(&rep.Run)+words)
	}
	fmt.Fprintf(stdout, "NOT VERIFIED: %d of %d checks failed: %s\n", len(failed), len(rep.Checks), strings.Join(failed, ", "))
	return exitFound
}

// attention stands before words on a run that nobody may take for one that ended well.
func attention(r *evidence.Run) string {
	if r.Ended && len(r.Unsafe) == 0 {
		return ""
	}
	return "ATTENTION: "
}

func list(w io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(w, "\n"+title)
	for _, line := range lines {
		fmt.Fprintln(w, "  - "+line)
	}
}

// replay prints how many decisions were compared and where the first one parts.
func replay(dir string, stdout, stderr io.Writer) int {
	rep, err := evidence.Replay(dir)
	if err != nil {
		return refuse(dir, err, stderr)
	}
	fmt.Fprintf(stdout, "batch %s, engine %d, %d records\n", rep.BatchID, rep.Engine, rep.Records)
	fmt.Fprintf(stdout, "%d inputs fed, %d decisions compared\n", rep.Inputs, rep.Decisions)
	if words := rep.Words(); words != "" {
		fmt.Fprintln(stdout, attention(&rep.Run)+words)
	}
	switch {
	case rep.Fault != "":
		fmt.Fprintln(stdout, "FAULT: "+rep.Fault)
		return exitFound
	case rep.Divergence != nil:
		fmt.Fprintln(stdout, "DIVERGENCE: "+plain(rep.Divergence))
		return exitFound
	case rep.Cut:
		fmt.Fprintln(stdout, "the records end before the decisions of the last input are all there; up to there")
	}
	fmt.Fprintln(stdout, "0 divergences")
	return exitOK
}

// plain is the text of an error, which may hold words of the package, fit for a terminal line by line.
func plain(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = evidence.Plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// refuse says why there is nothing to report, and what to do.
func refuse(dir string, err error, stderr io.Writer) int {
	fmt.Fprintln(stderr, plain(err))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(stderr, "is %s the directory of a batch? a run leaves its package in out/BATCH\n", dir)
	case errors.Is(err, evidence.ErrNoPackage):
		fmt.Fprintln(stderr, "a run makes its package when it ends; give the directory that holds events.tsv")
	case errors.Is(err, evidence.ErrChain):
		fmt.Fprintf(stderr, "records that were touched are not replayed; see: evidence verify %s\n", dir)
	case errors.Is(err, batch.ErrEngine):
		fmt.Fprintln(stderr, "replay with the version that wrote the package; verify works with any")
	}
	return exitFound
}
