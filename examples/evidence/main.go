// Evidence checks recipes before they are approved, and verifies, replays, queries, explains and exports the evidence package of a batch,
// without the controller that made it.
//
//	go run ./examples/evidence check recipe.yaml map.yaml    validate and prove; prints formula and procedure, -svg DIR draws it
//	go run ./examples/evidence check map.yaml    a map alone, and its calibration; prints its meters, interlocks, alarms, resources and trip request
//	go run ./examples/evidence check bus.yaml    a tag map with its device profiles, or a profile alone
//	go run ./examples/evidence diff old.yaml new.yaml        what is new in a version of a recipe, map, tag map or device profile, in words
//	go run ./examples/evidence safe-states map.yaml        what becomes of each output in a fault of each class, to be signed; -csv
//	go run ./examples/evidence verify DIR    check every byte; says what is proven and what is not
//	go run ./examples/evidence verify -trust key.pem -device out/device DIR    with a key that you know, and the device journal
//	go run ./examples/evidence verify DIR/manager    the ledger of a process, or a device journal: its chain, and that its records are records
//	go run ./examples/evidence reconcile DIR -device out/device -csv historian.csv -by NAME -reason TEXT    totals that came late
//	go run ./examples/evidence replay DIR    feed the inputs to the engine again and compare every decision
//	go run ./examples/evidence query DIR kind=window_stop    print records with their place in the chain
//	go run ./examples/evidence why DIR        why the batch is what it is: who or what held or aborted it, what it waits for
//	go run ./examples/evidence why DIR 120    why record 120 stands there: its causes back to inputs, and what was waited for
//	go run ./examples/evidence export DIR TO meter_window_id=A    an extract: all rows, and the bodies of some records
//
//	go run ./examples/evidence hub -dir /srv/hub    keep the journals of many boards, and find records in them
//	go run ./examples/evidence forward -to http://127.0.0.1:8460 -node n1 -cursors out/cursors out/B-0001    send journals there
//	go run ./examples/evidence query http://127.0.0.1:8460 batch_id=B-0001    ask there as in a directory; status and verify, too
//
// It holds no check of its own: what is checked, and how, is package batch/evidence.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
)

const usage = `usage: evidence check [-svg DIR] [-period TIME] FILE... | check -schema | -map-schema | -tag-map-schema | -profile-schema
       evidence diff OLD NEW
       evidence safe-states [-csv] MAP
       evidence format RECIPE
       evidence verify [-trust KEY.pem]... [-device JOURNAL] DIR
       evidence reconcile DIR -device JOURNAL -csv FILE -by NAME [-role ROLE] -reason TEXT
       evidence reconcile DIR -device JOURNAL -window ID -total "119.98 kg" [-calib VERSION] -by NAME [-role ROLE] -reason TEXT
       evidence replay DIR
       evidence query DIR [WORD...]
       evidence why DIR [NUMBER|STEP]
       evidence export DIR TO [WORD...]
       evidence hub -dir DIR [-listen ADDRESS] [-tokens FILE] [-cert FILE -key FILE [-ca FILE]] [-rebuild] [-room BYTES]
       evidence forward -to URL -cursors DIR [-again] [-once] [ACCESS] JOURNAL... | -board DIR
       evidence query [ACCESS] URL [WORD...] | verify [ACCESS] URL [ID...] | status [ACCESS] URL

check validates each recipe on each map among the files, proves that no run of it gets stuck, and prints its
formula and procedure as tables; with -svg it also draws it into the directory. Of maps alone it holds meters
against the calibration, and prints them, interlocks, alarms, resources and trip request. What it finds in a map
that may not do what is meant it lists as wrong, warning or note, and it fails where something is wrong. A map that
names a tag map is held against that; of tag maps and device profiles alone it prints what they have, and holds tag
maps against the maps among the files that name none.
  -period TIME       how often the board reads its inputs, such as 100ms: they must be fresh enough for what goes
                     by them
check -schema prints the JSON Schema by which an editor completes and marks recipes, -map-schema that of maps,
-tag-map-schema that of tag maps and -profile-schema that of device profiles.
diff says in words what is new in a version of a recipe or of a map; of a map also whether batches decide
otherwise by it (decides), or something is gone that others may name (removes). Of a tag map or a device profile it
says whether unit, scale or type of a value is another, or where it comes from (changed), or something is gone (removed).
safe-states prints what becomes of each output in a fault of each class, with lines to sign; with -csv as a
table for other programs. format prints the recipe in its canonical form.

verify checks an evidence package: the digest of every file, the chain of all records, the approvals that
they name, the samples, totals and verdicts of every metering window, and that all of them agree. It names
the record that was touched.
  -trust KEY.pem     a public key of which you know whose it is; may be given up to 64 times. It fails unless such a
                     key, or one that took its place by a key_event that both have signed, has signed a head
  -device JOURNAL    directory of the controller's device journal, or of an extract of it. It fails where the
                     package is shorter than a head that is kept there (tail lost), or has another one (rewritten). It
                     prints the reconciliations that are amended there, and fails where their sums do not hold
Of a journal that is no batch's, such as a device journal or the ledger of a process of the executive, it checks the
chain, the form of each record, and what is signed; query prints its records.
reconcile takes a historian's total that came after the end of the batch, of a window whose meter has "historian:
external" in the map. It verifies the package, changes nothing of it, and records in the controller's device journal,
which must be there and not in use, what the reconciliation comes to with it. FILE has the columns
batch_id,meter_window_id,total,unit[,calib_version], with a line that names them; lines of other batches are passed over.
replay decides everything again from the recorded inputs and compares it with the records, byte for byte.
query prints the records that all words mean, one a line, parted by tabs: number, link before, leaf, link,
body. Leaf is SHA-256(0x00 || body), link SHA-256(number LF link before LF leaf LF), so each line verifies.
why says in words why a record stands there: the records that led to it, back to inputs, and what was waited for
then, with value, unit, quality and age. For a step it explains the last record of it, and what it waits for at
the end of the records; for a block, its last state or the last hold, stop, abort, resumption or time-out in it; for
the procedure, and where neither is given, the last state of the batch. DIR may be the directory of a batch that runs.
export makes an extract in the new directory TO: the rows of all records, so that the chain holds, and the
bodies of those that are meant; controller extract does so on record in the device journal. Words are:
  seq=3..40               numbers; either end may be left out
  kind=window_stop        kind of the record
  from=TIME to=TIME       ts_utc, such as 2026-01-31T06:00:00Z; to is not in it
  KEY=VALUE               any key of a record, such as step_id=CHARGE_A or meter_window_id=A
Of words with the same key one must be met, and all keys must be.

hub keeps the journals of many boards in DIR and answers at ADDRESS, 127.0.0.1:8460 where none is given. It holds
each record against the chain as it comes in, and refuses what does not follow. Its files journals/ID.tsv are as
events.tsv of a package.
  -tokens FILE       who may do what, a line each: node NAME TOKEN, who sends its journals, or reader NAME TOKEN, who
                     asks; mode 0600. An address that others reach needs them or -ca, and -cert
  -cert, -key FILE   the hub's certificate and key, in PEM: it answers over TLS
  -ca FILE           the authorities of client certificates, whose common name is that of a node
  -rebuild           reads all, holds it against the chains, and makes the index anew
  -room BYTES        that are to stay free on the disk, 64 MiB where nothing is given
forward sends journals, each the directory of a journal or of a batch, and goes on with that until it is stopped. One that
another process writes is sent as it grows, and makes it no trouble. What the hub has acknowledged stands in -cursors.
  -board DIR         sends all journals of an executive's directory, new ones as they appear, and what the hub has lost
  -again             sends anew what the hub has lost, as when its disk was put back
  -once              ends when the hub has all; exit code 1 where it has not
query prints the records of all journals at a hub that are meant, as of a directory. verify fetches journals, all where
none is named, and holds each against its chain here. status says how each stands: what is held, and how far behind.
ACCESS is -token FILE, which holds the token; -ca FILE, -cert FILE and -key FILE for https; -node NAME where the hub takes
anybody's word; -patience TIME, longer than the way there and back, 500ms where nothing is given.

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
	help := func(s string) bool { return s == "-h" || s == "-help" || s == "--help" || s == "help" }
	switch {
	case len(args) > 0 && help(args[0]) || len(args) > 1 && help(args[1]):
		fmt.Fprint(stdout, usage)
		return exitOK
	case len(args) >= 2 && args[0] == "check":
		return check(args[1:], stdout, stderr)
	case len(args) == 3 && args[0] == "diff":
		return diff(args[1], args[2], stdout, stderr)
	case len(args) >= 2 && args[0] == "safe-states":
		return safeStates(args[1:], stdout, stderr)
	case len(args) == 2 && args[0] == "format":
		return format(args[1], stdout, stderr)
	case len(args) >= 2 && (args[0] == "hub" || args[0] == "forward"):
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if args[0] == "hub" {
			return serveHub(ctx, args[1:], stdout, stderr)
		}
		return forward(ctx, args[1:], stdout, stderr)
	case len(args) >= 2 && args[0] == "status":
		return hubStatus(args[1:], stdout, stderr)
	case len(args) >= 2 && args[0] == "verify" && asksHub(args[1:]):
		return verifyHub(args[1:], stdout, stderr)
	case len(args) >= 2 && args[0] == "query" && asksHub(args[1:]):
		return queryHub(args[1:], stdout, stderr)
	case len(args) >= 2 && args[0] == "verify":
		return verify(args[1:], stdout, stderr)
	case len(args) >= 2 && args[0] == "reconcile":
		return reconcile(args[1:], stdout, stderr)
	case len(args) == 2 && args[0] == "replay":
		return replay(args[1], stdout, stderr)
	case len(args) >= 2 && args[0] == "query":
		return query(args[1], args[2:], stdout, stderr)
	case len(args) == 2 && args[0] == "why":
		return why(args[1], "", stdout, stderr)
	case len(args) == 3 && args[0] == "why":
		return why(args[1], args[2], stdout, stderr)
	case len(args) >= 3 && args[0] == "export":
		return extract(args[1], args[2], args[3:], stdout, stderr)
	}
	fmt.Fprint(stderr, usage)
	return exitUsage
}

// witnesses reads what is given to a verification besides the package, and where that lies; ok tells that it is no matter of usage.
func witnesses(args []string) (dir string, opt *evidence.Options, ok bool, err error) {
	const most = 64
	opt = &evidence.Options{}
	set := flag.NewFlagSet("verify", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&opt.Device, "device", "", "")
	var files []string
	set.Func("trust", "", func(name string) error { files = append(files, name); return nil })
	if set.Parse(args) != nil || set.NArg() != 1 || len(files) > most {
		return "", nil, false, nil
	}
	for _, name := range files {
		k, err := readKey(name)
		if err != nil {
			return "", nil, true, fmt.Errorf("evidence: key %s: %w; give one PEM block PUBLIC KEY, as openssl pkey -pubout writes it", name, err)
		}
		opt.Trusted = append(opt.Trusted, k)
	}
	return set.Arg(0), opt, true, nil
}

// readKey reads a public key.
func readKey(name string) (*journal.PublicKey, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, journal.MaxPEM+1))
	if err != nil {
		return nil, err
	}
	return journal.ParsePEM(data)
}

// verify prints every check on a line, then what the package proves and what it cannot.
func verify(args []string, stdout, stderr io.Writer) int {
	dir, opt, ok, err := witnesses(args)
	if !ok {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, plain(err))
		return exitFound
	}
	rep, err := evidence.VerifyWith(dir, opt)
	if _, alone := os.Stat(filepath.Join(dir, "segments")); alone == nil && errors.Is(err, evidence.ErrNoPackage) && opt.Device == "" {
		kept, err := evidence.VerifyJournal(dir, opt.Trusted)
		if err != nil {
			return refuse(dir, err, stderr)
		}
		return verifyJournal(kept, stdout)
	}
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
	fmt.Fprintln(stdout)
	levels := rep.Levels()
	for i := range levels {
		fmt.Fprintln(stdout, levels[i].String())
	}
	var amended, totals []string
	for i := range rep.Reconciled {
		totals = append(totals, rep.Reconciled[i].Words())
	}
	list(stdout, "totals held against each other:", totals)
	for i := range rep.Amended {
		amended = append(amended, rep.Amended[i].Words())
	}
	list(stdout, "amended in the device journal:", amended)
	list(stdout, "beside the package, and not vouched for:", rep.Other)
	list(stdout, "proven:", rep.Proven)
	list(stdout, "not proven:", rep.NotProven)
	ended := ""
	if rep.Ended {
		ended = " is " + rep.State
	}
	what := "batch " + rep.BatchID
	if rep.BatchID == "" { // an extract of a device journal
		what = "journal " + rep.JournalID
	}
	fmt.Fprintf(stdout, "\n%s%s: %d records, last link %s\n", what, ended, rep.Records, rep.Link)
	fmt.Fprintf(stdout, "export_ref %s\n", rep.Ref)
	if len(failed) == 0 {
		fmt.Fprintln(stdout, attention(&rep.Run)+rep.Verdict())
		return exitOK
	}
	if words := rep.Words(); words != "" && !rep.Extract {
		fmt.Fprintln(stdout, attention(&rep.Run)+words)
	}
	fmt.Fprintf(stdout, "NOT VERIFIED: %d of %d checks failed: %s\n", len(failed), len(rep.Checks), strings.Join(failed, ", "))
	return exitFound
}

// verifyJournal prints what a journal that is no package comes to.
func verifyJournal(r *evidence.JournalReport, stdout io.Writer) int {
	fmt.Fprintln(stdout, r.Words())
	if !r.OK() {
		fmt.Fprintln(stdout, "NOT VERIFIED")
		return exitFound
	}
	fmt.Fprintln(stdout, "not proven: that nothing was cut off its end, or all of it made anew; who keeps a head of it can tell")
	return exitOK
}

// query prints the records that are meant, each with its place in the chain.
func query(dir string, words []string, stdout, stderr io.Writer) int {
	q, err := evidence.ParseQuery(words)
	if err != nil {
		return refuse(dir, err, stderr)
	}
	out := bufio.NewWriter(stdout)
	var line []byte
	head, left, err := evidence.Select(dir, q, func(r *evidence.Row) error {
		line = r.Append(line[:0])
		_, err := out.Write(line)
		return err
	})
	if err = errors.Join(out.Flush(), err); err != nil {
		return refuse(dir, err, stderr)
	}
	if left > 0 {
		fmt.Fprintf(stderr, "%s is an extract: of %d of its %d records the bodies were left out, and what is meant may be among them\n",
			dir, left, head.N)
	}
	return exitOK
}

// extract makes an extract and prints what it is known by.
func extract(dir, to string, words []string, stdout, stderr io.Writer) int {
	q, err := evidence.ParseQuery(words)
	if err != nil {
		return refuse(dir, err, stderr)
	}
	m, err := evidence.Export(dir, to, q)
	if err != nil {
		return refuse(dir, err, stderr)
	}
	ref, err := evidence.Ref(to)
	if err != nil {
		return refuse(to, err, stderr)
	}
	fmt.Fprintf(stdout, "%s: %d of %d records with their bodies: %s\n", to, m.Bodies, m.LastSeq, evidence.Plain(q.String()))
	fmt.Fprintf(stdout, "export_ref %s\n", ref)
	return exitOK
}

// attention stands before words on a run that nobody may take for one that ended well.
func attention(r *evidence.Run) string {
	if r.Ended && len(r.Unsafe) == 0 || r.State == "" { // of an extract it is not known
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
	case errors.Is(err, evidence.ErrNoDevice):
		fmt.Fprintln(stderr, "a controller keeps its device journal in out/device")
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(stderr, "is %s the directory of a batch? a run leaves its package in out/BATCH\n", dir)
	case errors.Is(err, evidence.ErrNoPackage):
		fmt.Fprintln(stderr, "a run makes its package when it ends; give the directory that holds events.tsv. "+
			"Of a journal alone, export makes an extract that verifies")
	case errors.Is(err, evidence.ErrChain):
		fmt.Fprintf(stderr, "an extract is not replayed, nor are records that were touched; see: evidence verify %s\n", dir)
	case errors.Is(err, batch.ErrEngine):
		fmt.Fprintln(stderr, "replay with the version that wrote the package; verify works with any")
	}
	return exitFound
}
