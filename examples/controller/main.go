// Controller runs one batch on a simulated plant, from recipe file to verified evidence.
//
//	go run ./examples/controller    the built-in demo, about 40 s
//	go run ./examples/controller    again, when it was killed: the batch goes on
//	go run ./examples/controller -virtual    the same batch with the clock as an input, at once
//	go run ./examples/controller -virtual -dry    without driving one output; what would be written, and when, is a file beside the package
//	go run ./examples/controller -bus opcua    its plant reached by OPC UA, signed and encrypted, instead of Modbus
//	go run ./examples/controller -scale    its load cell with an indicator of its own, on an RS-232 line (Linux)
//	go run ./examples/controller -recipe FILE ...    another recipe; approve it first, or say -unapproved
//	go run ./examples/controller approve ...    approve and publish recipe, map and calibration
//	go run ./examples/controller activate ...    have batches use them that name no files
//	go run ./examples/controller rollback ...    go back to the version that was active before
//	go run ./examples/controller versions    what is active, what was, and who said so
//	go run ./examples/controller extract ...    some records of a batch as a package, on record
//	go run ./examples/controller -board FILE -map FILE -recipe FILE ...    the same on the devices of this machine, in real time
//
// # A fault script (-faults) has lines such as
//
//	at 5s silent ctr/1 3s
//	at 12s command restart op1 "meter is back"
//	at 20s command manual op1 "charge by hand" CHARGE
//	at 25s command go_to op1 "once more" CHARGE FILL_A
//	at 12s command change op1 "weaker lot" charge_a "125 kg"
//	at 13s comment op1 "the hose drips"
//	at 14s historian op1 A "119.98 kg" "read at its panel"
//	at 14s answer op1 2 "2.50 kg"
//	at 15s command acknowledge op1 "seen" TAH301
//	at 16s command reset_interlock op1 "level is back" IL-HEAT-DRY
//	at 17s override grant op1 maintenance OV-FILL "5 min" "the valve sticks"
//	at 18s override set op1 maintenance XV301 open "to see it move"
//	at 19s override clear op1 maintenance XV301 "it does"
//	at 20s override revoke op1 maintenance OV-FILL "done"
//	at 16s command reset_safe_state op1 "the plug was loose" XV301
//	at 1s command confirm_time op1 "by my watch"    # the wall clock was UNSET, and the start refused
//	at 2s command start op1 "time is confirmed"
//
// Every line has a time. The faults are those of sim.FaultKind (go doc -all ./hal/sim FaultKind); commands are those of
// sequencer.Command, by an operator, with a reason, and concern the whole batch or the step behind that. Go_to has, besides, the step
// that comes next; change has a parameter and its new value, acknowledge an alarm, reset_interlock an interlock and reset_safe_state
// an output. Override has the operator's role, and an override of the map or one of its tags. An answer names the number of its
// prompt, which nobody else answers then. What stands behind # is a comment.
//
// It wires what the packages offer and holds no logic of a batch: files and flags (this file); which batch runs (choose.go), and
// the run (control.go); approval (approval.go), the versions in use (versions.go) and their journal (device.go), its signatures
// (key.go) and its chip (fram.go); extracts (extract.go), where records are sent and when packages go (export.go), and the medium
// that they lie on (medium.go); a board with real devices (board.go), or the plant, a process of its own (plant.go) that is a Modbus
// device (plant_device.go), an OPC UA server (plant_opcua.go) and a scale (plant_scale.go) at the far end of wires (wire.go, drivers.go)
// that are chosen (wiring.go), and values that are sent on (trend.go); cuts of its power (power.go), references of the wall clock
// (time.go), what is asked of the system (realtime.go), fault scripts (faults.go), and overrides and dry runs (override.go); what a
// person sees as lines (view.go, news.go) or on a terminal (live.go).
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/timebase/system"
)

//go:embed demo/*.yaml
var demo embed.FS

// Exit codes.
const (
	exitOK     = 0 // the batch is complete and its evidence verifies
	exitFailed = 1 // it is not, or something was refused
	exitUsage  = 2 // the command line was not understood
)

// flags are the command line.
type flags struct {
	recipe, mapping, size, batch, operator, out, faults string
	time                                                string
	key, oldKey, fram, export, replaced, historian      string
	trend                                               string
	virtual, dry, json, unapproved, prompt, plain       bool
	realTime                                            bool
	speed                                               int
	seed                                                uint64
	powercut, retain                                    time.Duration
	given                                               map[string]bool // the flags that stand on the command line
	scripted                                            map[uint32]bool // prompts, by number, that the fault script answers
	dev                                                 *device         // nil: nobody has asked for it yet; see flags.device
	board, bus                                          string
	scale                                               bool
	station                                             *station // nil: nobody has asked for it yet; see flags.onBoard
}

func main() {
	// Whatever wants the process to end has the batch aborted and its outputs made safe first; a reader of its output that has
	// gone away does not end it at all.
	ctx, stdin, stop := attend()
	signal.Ignore(syscall.SIGPIPE)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "approve":
			return approve(args[1:], stdout, stderr)
		case "activate":
			return activate(args[1:], stdout, stderr)
		case "rollback":
			return rollback(args[1:], stdout, stderr)
		case "versions":
			return versions(args[1:], stdout, stderr)
		case "extract":
			return extract(args[1:], stdout, stderr)
		case "plant":
			return plant(ctx, args[1:], stderr)
		}
	}
	f := flags{given: map[string]bool{}}
	set := newFlags("controller", "controller [flags]           run one batch on the simulated plant\n"+
		"       controller approve [flags]   approve and publish recipe, map and calibration; see controller approve -help\n"+
		"       controller activate [flags]  have batches use them that name no files\n"+
		"       controller rollback [flags]  go back to the version that was active before\n"+
		"       controller versions [flags]  list what is active and what was\n"+
		"       controller extract [flags]   take an extract of a batch, on record", stderr)
	set.StringVar(&f.recipe, "recipe", "", "recipe `FILE`, or active:ID; the active one, or the built-in demo, if not given")
	set.StringVar(&f.mapping, "map", "", "I/O map `FILE`, or active:ID; the active one, or that of the demo plant, if not given")
	set.StringVar(&f.size, "size", "", "batch size, a `QUANTITY` such as \"200 kg\"; the recipe's nominal size if not given")
	set.StringVar(&f.batch, "batch", "", "batch `ID`; the next free of B-0001, B-0002, ... if not given")
	set.StringVar(&f.operator, "operator", "demo", "`ID` of the operator who answers for the batch")
	set.StringVar(&f.out, "out", "out", "`DIR`ectory for evidence: DIR/ID is the package of the batch, DIR/device the device journal")
	set.BoolVar(&f.virtual, "virtual", false, "run in virtual time: the clock is an input, and the batch takes no time")
	set.IntVar(&f.speed, "speed", 1, "run the clock and the plant `N` times as fast, 1 to 1000; what a busy machine does not keep up with goes STALE")
	f.clocks(set)
	f.wires(set)
	set.Uint64Var(&f.seed, "seed", 1, "seed `N` of the simulated plant")
	set.StringVar(&f.faults, "faults", "", "fault script `FILE`: what shall go wrong, and what operators do, and when; see go doc ./examples/controller for its lines, go doc -all ./hal/sim FaultKind for the faults")
	set.StringVar(&f.historian, "historian", "", "`FILE` of a historian, with the totals of windows whose meter has \"historian: external\" in the map: batch_id,meter_window_id,total,unit[,calib_version]")
	set.StringVar(&f.trend, "trend", "", trendHelp)
	boardFlags(set, &f)
	exportFlags(set, &f)
	set.StringVar(&f.replaced, "medium-replaced", "", "`REASON` for which the medium below -out was replaced by the one that is there now; goes on record")
	set.BoolVar(&f.json, "json", false, "print the closing summary as one JSON object, and nothing else")
	sortFlags(set, &f)
	set.BoolVar(&f.prompt, "prompt", false, "ask the person at the terminal instead of answering prompts automatically")
	set.BoolVar(&f.plain, "plain", false, "print plain lines, where a terminal would show a view that is redrawn")
	set.DurationVar(&f.powercut, "powercut", 0, "cut the power of the board after `TIME`, such as 8s, and boot it again")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	set.Visit(func(one *flag.Flag) { f.given[one.Name] = true })
	if wrong := f.wrong(set.Args()); wrong != "" {
		fmt.Fprintln(stderr, "controller: "+wrong+"; see controller -help")
		return exitUsage
	}
	if f.powercut > 0 {
		return powercut(ctx, &f, args, stdin, stdout, stderr)
	}
	defer f.close(stderr)
	ok, err := control(ctx, &f, stdin, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	if err != nil || !ok {
		return exitFailed
	}
	return exitOK
}

// newFlags makes a set of flags that shows how the command is used before it lists them.
func newFlags(name, usage string, stderr io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprintf(stderr, "usage: %s\n\n", usage)
		set.PrintDefaults()
	}
	return set
}

// wrong says what is wrong with the flags and what stands behind them, or nothing.
func (f *flags) wrong(rest []string) string {
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("%q: flags begin with -, and a command, such as approve, stands before them", rest[0])
	case slices.Contains(reserved[:], f.batch):
		return fmt.Sprintf("-batch %s: that directory below -out is no batch's; choose another id", f.batch)
	case f.empty() != "":
		return fmt.Sprintf("-%s: nothing stands behind it; give a value, or leave it out", f.empty())
	case f.given["retain"] && (f.retain <= 0 || f.export == ""):
		return fmt.Sprintf("-retain %s: a time above 0 is wanted, and -export, since only what is kept elsewhere may go", f.retain)
	case f.speed < 1 || f.speed > system.MaxSpeed:
		return fmt.Sprintf("-speed %d: 1 to %d is wanted", f.speed, system.MaxSpeed)
	case f.virtual && f.speed != 1:
		return "-speed and -virtual: a virtual batch takes no time; leave one out"
	case f.powercut < 0 || f.given["powercut"] && f.powercut == 0:
		return fmt.Sprintf("-powercut %s: a time above 0 is wanted", f.powercut)
	case f.oldKey != "" && f.key == "":
		return "-oldkey: the key in its place is wanted with it; give -key"
	case f.virtual && f.trend != "":
		return "-trend and -virtual: a virtual batch is over before anybody has seen a value; leave one out"
	case f.trend != "" && trendWrong(f.trend) != nil:
		return fmt.Sprintf("-trend %s: %v", f.trend, trendWrong(f.trend))
	case f.virtual && f.powercut > 0:
		return "-powercut and -virtual: what is cut is the power of a real process; leave one out"
	case f.virtual && f.replaced != "":
		return "-medium-replaced and -virtual: a virtual batch looks at no medium; leave one out"
	case f.time != "" && (f.virtual || f.speed != 1):
		return "-time: what references say is of real time; leave out -virtual and -speed, or -time"
	case f.time != "" && watchable(f.time) != nil:
		return fmt.Sprintf("-time %s: %v", f.time, watchable(f.time))
	case f.realTime && (f.virtual || f.speed != 1):
		return "-realtime: deadlines are kept near in real time; leave out -virtual and -speed, or -realtime"
	case f.board != "" && f.fram != "":
		return "-board and -fram: the board file names the chip, which no file stands in for; leave out -fram"
	case f.board != "" && (f.virtual || f.speed != 1 || f.powercut > 0 || f.given["seed"]):
		return "-board: -virtual, -dry, -speed, -powercut and -seed are of the simulated plant; leave them out, or -board"
	case f.miswired() != "":
		return f.miswired()
	case f.virtual && f.prompt:
		return "-prompt and -virtual: virtual time waits for nobody; leave one out"
	}
	return ""
}

// empty names a flag that was given without a value.
func (f *flags) empty() string {
	for name, value := range map[string]string{"recipe": f.recipe, "map": f.mapping, "size": f.size, "batch": f.batch, "operator": f.operator,
		"out": f.out, "faults": f.faults, "key": f.key, "oldkey": f.oldKey, "fram": f.fram, "export": f.export, "medium-replaced": f.replaced, "time": f.time,
		"historian": f.historian, "board": f.board, "bus": f.bus, "trend": f.trend} {
		if f.given[name] && value == "" {
			return name
		}
	}
	return ""
}

// hostFS opens any path of the host, so that recipe and map may lie in different places; "demo:" is the built-in demo, and "active:"
// what is active.
type hostFS struct {
	wiring string            // the ending of the tag map in whose place bus.yaml of the demo is asked for
	active map[string]string // where an active version lies, by its name below active:; "" is the calibration, whatever its map calls it
}

// Open opens a file of the host, of the demo, or of what is active.
func (h hostFS) Open(name string) (fs.File, error) {
	if rest, ok := strings.CutPrefix(name, "demo:"); ok {
		if rest = strings.TrimPrefix(rest, "/"); rest == "bus.yaml" {
			rest = "bus" + h.wiring + ".yaml"
		}
		return demo.Open("demo/" + rest)
	}
	if rest, ok := strings.CutPrefix(name, prefixActive); ok {
		rest = strings.TrimPrefix(rest, "/")
		if h.active[rest] == "" {
			rest = ""
		}
		return os.Open(h.active[rest])
	}
	return os.Open(filepath.FromSlash(name))
}

// maxSmall is how many bytes of a script, or of the last words of a plant, are read.
const maxSmall = 4 << 20

// readSmall reads a whole file that is expected to be small.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: larger than %d bytes; is it the right file?", name, most)
	}
	return data, err
}

// load reads recipe and map; those of the demo stand in for what is not given.
func load(host hostFS, recipeFile, mapFile string) (*batch.Plan, error) {
	if recipeFile == "" {
		recipeFile = "demo:/recipe.yaml"
	}
	if mapFile == "" {
		mapFile = "demo:/map.yaml"
	}
	return batch.Load(host, filepath.ToSlash(recipeFile), filepath.ToSlash(mapFile), nil)
}

// checkOut refuses what cannot be the directory that all evidence goes to.
func checkOut(out string) error {
	info, err := os.Stat(out)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("controller: -out %s: it is a file; give a directory", out)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("controller: -out %s: %w; give a directory that can be written", out, err)
	}
	return nil
}

// makeOut makes the directory that all evidence goes to.
func makeOut(out string) error {
	if err := checkOut(out); err != nil {
		return err
	}
	if err := evidence.MakeDir(out); err != nil {
		return fmt.Errorf("controller: -out %s: %w; give a directory that can be written", out, err)
	}
	return nil
}
