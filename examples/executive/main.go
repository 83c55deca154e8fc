// Executive runs many batches on one board: a simulated cell of four units and a cleaning skid, and twelve batches of three recipes that share it.
//
//	go run ./examples/executive            the cell, end to end, in less than a minute: processes, twelve batches, their evidence verified
//	go run ./examples/executive -t0        the same in one process
//	go run ./examples/executive up         the processes alone; they stay until Ctrl-C, with their directory in out/executive. Batches that were not
//	                                       removed stay behind, and up takes them over again
//
// Beside up, in another terminal:
//
//	executive create -unit R101 CHARGE     a batch; the list shows it Ready, or Load Failed with the reason
//	executive tell -reason WHY B-0001 start    what an operator orders: start, hold, restart, stop, abort; each has its reason
//	executive list                         the batches; watch shows them as they go
//	executive who                          who has what equipment, since when, and who waits
//	executive remove B-0001                let it go; with -force, whatever it does: its outputs are made safe first
//	executive restart B-0001               take a Lost batch up again, Held; with -cold as a new one
//	executive change -dry FILE             what a change of the equipment model would touch; without -dry, and with -reason, it is made
//
// A planner has a list of jobs, each so many batches of one recipe:
//
//	executive -jobs cell/day.yaml          a day's list, worked off in real time; with -virtual rehearsed in virtual time
//	executive add -amount 2 CHARGE         a job; jobs shows the list, and processes its batches
//	executive job -reason WHY J-000001 suspend    continue, complete, abort, interrupt, retry, acknowledge
//	executive units                        where runs of units are tracked; runs, run, command, materials and material likewise
//	executive rebuild                      the database of the plant anew from the journals
//
// Where a plant has outgrown one board:
//
//	executive -nodes 3                     three boards, each with all of these processes and a bus process, on one cluster on this host, and a hub for their
//	                                       journals: nine batches that want each other's equipment, end to end in less than a minute
//	executive up -nodes 3                  the processes alone; then each command says which board it means: executive create -node n1 -start RINSE
//	executive watch -nodes 3               the batches of all boards
//
// With -nats URL the boards are clients of the plant's own cluster, whose servers let them in once they are set by the nats.conf that is written into the
// directory of the boards. With -postgres URL the log of who gets what lies in PostgreSQL.
//
// All of them speak the API of package api, and so does curl: curl --unix-socket out/executive/run/manager.sock http://x/v1/batches
//
// Any of the processes may be killed: batches go on without the manager and the runtime server, up starts again what is not a batch, and a
// batch whose own process died is Lost until a person has removed or restarted it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// flags are the command line.
type flags struct {
	dir              string
	t0, plain, tied  bool
	speed            int
	order            api.Order
	unit, size, id   string
	priority         int64
	start            bool
	groups           groups
	force, cold, dry bool
	step             string
	place            int64

	day, where, beside, product string // of jobs
	amount                      int64
	off, others                 words
	virtual                     bool
	plans                       bool // there is a process of production

	nodes          int    // 0: one board
	node           string // the one of several that is meant
	nats, postgres string
	offsets        offsets
}

// groups are flags -group NAME=VALUE.
type groups map[string]string

// String implements flag.Value.
func (g groups) String() string { return "" }

// Set implements flag.Value.
func (g groups) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" || value == "" {
		return errors.New("NAME=VALUE is wanted, such as PAIR=P-1")
	}
	g[name] = value
	return nil
}

// session is one call of the program.
type session struct {
	flags
	args           []string // what is no flag, behind the command
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out a command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := &session{flags: flags{groups: groups{}, offsets: offsets{}}, stdout: stdout, stderr: stderr}
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	set := s.set()
	for len(args) > 0 {
		if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
			return exitOK
		} else if err != nil {
			return exitUsage
		}
		if args = set.Args(); len(args) > 0 { // flags may stand behind what is none
			s.args, args = append(s.args, args[0]), args[1:]
		}
	}
	do, wants := s.command(name)
	switch {
	case do == nil:
		fmt.Fprintf(stderr, "executive: there is no command %q; see executive -help\n", harmless(name))
		return exitUsage
	case len(s.args) != wants:
		fmt.Fprintf(stderr, "executive: %s\n%s", misused(name, wants, len(s.args)), usageOf(name))
		return exitUsage
	}
	if err := s.said(name); err != nil {
		fmt.Fprintf(stderr, "%v\n%s", err, usageOf(name))
		return exitUsage
	}
	if err := s.short(); err != nil {
		fmt.Fprintln(stderr, harmlessLines(err.Error()))
		return exitUsage
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(stderr, harmlessLines(err.Error()))
		return exitFailed
	}
	return exitOK
}

// said refuses what a command line lacks, or has for nothing.
func (s *session) said(name string) error {
	switch name {
	case "tell", "strike", "job", "process", "run", "command", "material":
		if s.order.Reason == "" {
			return errors.New("executive: why it is ordered goes on record; say so with -reason")
		}
	case "":
		if s.virtual && s.day == "" {
			return errors.New("executive: -virtual rehearses a day; name its file with -jobs, such as -jobs cell/day.yaml")
		}
	}
	return nil
}

// misused says that a command has too few or too many words.
func misused(name string, wants, has int) string {
	if name == "" {
		name = "the demo"
	}
	return fmt.Sprintf("%s takes %d words, and was given %d; a text of several words wants quotes", name, wants, has)
}

// usageOf gives the lines of usage that are of one command.
func usageOf(name string) string {
	var lines strings.Builder
	for line := range strings.Lines(usage) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "  ") // what it does stands behind
		if word := strings.Fields(command); name != "" && len(word) > 1 && word[0] == "executive" && slices.Contains(word, name) {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// command finds what carries out a command, and how many words it takes.
func (s *session) command(name string) (do func(context.Context) error, wants int) {
	switch name {
	case "":
		return s.demo, 0
	case "up":
		return s.up, 0
	case plantRole, api.Runtime, api.IO, api.Manager, api.Production, api.Bus, hubRole:
		return func(ctx context.Context) error { return s.role(ctx, name) }, 0
	case "runner":
		return s.runner, 1
	case "list":
		return s.list, 0
	case "jobs", "add", "job", "processes", "process", "units", "runs", "run", "command", "materials", "material", "rebuild":
		return s.planning(name)
	case "watch":
		return s.watch, 0
	case "who":
		return s.who, 0
	case "create":
		return s.create, 1
	case "tell":
		return s.tell, 2
	case "answer":
		return s.answer, 3
	case "remove":
		return s.remove, 1
	case "restart":
		return s.restart, 1
	case "release":
		return s.release, 1
	case "reorder":
		return s.reorder, 2
	case "change":
		return s.change, 1
	case "strike":
		return s.strike, 1
	case "putback":
		return s.putBack, 0
	}
	return nil, 0
}

// set declares the flags.
func (s *session) set() *flag.FlagSet {
	set := flag.NewFlagSet("executive", flag.ContinueOnError)
	set.SetOutput(s.stderr)
	set.Usage = func() { fmt.Fprint(s.stderr, usage); set.PrintDefaults() }
	set.StringVar(&s.dir, "dir", "", "`DIR`ectory of the executive; out/executive if not given, and of the demo the first free out/executive-N")
	set.BoolVar(&s.t0, "t0", false, "the demo in one process")
	set.IntVar(&s.speed, "speed", 1, "with -t0: `N` times as fast as real time")
	set.StringVar(&s.day, "jobs", "", "the demo: `FILE` of a day's list, such as cell/day.yaml, that is worked off in the place of the twelve batches")
	set.BoolVar(&s.virtual, "virtual", false, "with -jobs: rehearse the day, in virtual time and in this process alone")
	set.StringVar(&s.where, "where", "", "add: `PLACE` in the list: append, first, before, after or after_recipe; append if not given")
	set.StringVar(&s.beside, "job", "", "add: the `JOB` before or after which it is to stand")
	set.StringVar(&s.product, "product", "", "add: `PRODUCT` that it makes; what is known of the recipe if not given")
	set.Int64Var(&s.amount, "amount", 1, "add: how many; 0: until executive job JOB complete")
	set.Var(&s.off, "off", "job acknowledge: `TYPE` of steps of a set-up that are not to be done; may be given again")
	set.Var(&s.others, "other", "material split and merge: other `MATERIAL`; may be given again")
	set.BoolVar(&s.plain, "plain", false, "lines instead of a picture")
	set.BoolVar(&s.tied, "tied", false, "of a process of the executive: end with the standard input")
	set.StringVar(&s.order.Operator, "operator", "", "`NAME` of who orders it; taken from edges only, anybody else is the local user")
	set.StringVar(&s.order.Role, "role", "", "`ROLE` of the operator; the same")
	set.StringVar(&s.order.Reason, "reason", "", "`WHY`, for the record; tell, strike, putback, change, job, process, run, command and material want it")
	set.StringVar(&s.unit, "unit", "", "create, add: `UNIT`; the first that the recipe can run on if not given. material arrive, move, regenerate: where to")
	set.StringVar(&s.size, "size", "", "create, add: batch `SIZE`, such as '40 kg'; that of the recipe if not given")
	set.StringVar(&s.id, "id", "", "create: `NAME` of the batch; run: the main identifier; the next free one if not given. material: which one is meant")
	set.Int64Var(&s.priority, "priority", 0, "create, add: `N`, greater comes first where batches wait for equipment")
	set.BoolVar(&s.start, "start", false, "create: start it once it is Ready; run: start it at once")
	set.Var(s.groups, "group", "create: `NAME=VALUE`, partners of this batch: all that say the same; may be given again")
	set.BoolVar(&s.force, "force", false, "remove: whatever the batch does; its outputs are made safe, and its process is ended")
	set.BoolVar(&s.cold, "cold", false, "restart: as a new batch; the evidence of the old one is kept")
	set.BoolVar(&s.dry, "dry", false, "change: say what it would touch, and change nothing")
	set.StringVar(&s.step, "step", "", "tell: `STEP` that is meant; the whole batch if not given")
	set.Int64Var(&s.place, "place", 1, "reorder: new `PLACE`; 1 is next")
	set.IntVar(&s.nodes, "nodes", 0, "the demo and up: `N` boards, 3 to 7, each an executive of its own in DIR/n1, DIR/n2, ...; 0 is one board without a bus")
	set.StringVar(&s.node, "node", "", "the board of several that is spoken to: `NODE`, such as n1")
	set.StringVar(&s.nats, "nats", "", "with -nodes: `URL` of the NATS cluster of the plant, which is to know the users in DIR/n1/keys/"+fileUsers+"; each board has a server of its own if not given")
	set.StringVar(&s.postgres, "postgres", "", "with -nodes: `URL` of the PostgreSQL that has the log of who gets what, which is on the bus if not given; otherwise of that which has the database of the plant, "+plantFile+" if not given")
	set.Var(s.offsets, "wall-offset", "with -nodes, for trials: `NODE=DURATION` by which the wall clock of a board is wrong; may be given again")
	return set
}

// usage stands above the flags.
const usage = `usage: executive [flags]                   the demo: a cell, twelve batches, their evidence verified
       executive -jobs FILE                a day's list of jobs, such as cell/day.yaml, worked off; with -virtual in virtual time
       executive -nodes 3                  the demo of three boards: nine batches that want each other's equipment
       executive up -nodes 3               their processes, until Ctrl-C; any command then says with -node which board it means, such as n1
       executive up                        start the processes, and stay until Ctrl-C; batches stay until they are removed
       executive list | watch | who        the batches | as they go | who has what, since when, who waits
       executive create RECIPE             CHARGE, RINSE or TWIN; see -unit, -size, -start, -group
       executive tell BATCH COMMAND        start, hold, restart, stop, abort, ...; all want a -reason
       executive answer BATCH PROMPT VALUE
       executive remove BATCH              see -force
       executive restart BATCH             of one that is Lost; see -cold. It comes up Held: tell it to restart
       executive release EQUIPMENT         take it from who has it: its outputs are made safe, what that batch writes is refused from then on
       executive reorder BATCH EQUIPMENT   put who waits for it to another place; see -place
       executive strike NODE               the log of several boards is kept for it no longer: it is there no more. Wants a -reason
       executive putback -node NODE        let its manager come up with a disk of an earlier day, or that was copied; it takes what the log says. Wants a -reason
       executive jobs | processes          the list of jobs and who has a slot | their batches, and what each step does
       executive add RECIPE                put a job into the list; see -amount, -unit, -size, -product, -where, -job, -priority
       executive job JOB COMMAND           complete, abort, interrupt, suspend, continue, retry, acknowledge (see -off). Wants a -reason
       executive process PROCESS COMMAND   pause, resume, abort. Wants a -reason
       executive units | runs | materials  where runs are tracked | the runs | the material
       executive run UNIT DEFINITION       a new run; see -start, -id (its main identifier). Wants a -reason
       executive command RUN COMMAND       start, pause, resume, ready, finish, cancel. Wants a -reason
       executive material COMMAND          arrive, move, split, merge, exit, regenerate; see -id, -unit, -other. Wants a -reason
       executive rebuild                   make the database of the plant anew from the journals
       executive change FILE               change the equipment model; see -dry. Wants a -reason; its form: go doc ./batch/executive/equipment ParseChange

The same by curl: curl --unix-socket DIR/run/manager.sock http://x/v1/batches

`

// harmlessLines is harmless for a text of several lines.
func harmlessLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = harmless(lines[i])
	}
	return strings.Join(lines, "\n")
}
