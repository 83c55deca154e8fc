// The command line: one program is the guest's init, the guest's writer and the explorer.

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crashlab:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if os.Getpid() == 1 && os.Args[0] == "/init" { // the kernel gives init what arguments it likes
		args = []string{"guest"}
	}
	if len(args) == 0 {
		return errors.New("say guest or explore; see run.sh")
	}
	switch args[0] {
	case "guest":
		return guest()
	case "live":
		if len(args) != 3 {
			return errors.New("live needs the number of the life and the name of the run; only guest calls it")
		}
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("live %q: must be the number of a life: %w", args[1], err)
		}
		return live(n, args[2])
	case "explore":
		return exploreCommand(args[1:])
	}
	return fmt.Errorf("%q: no such command; say guest or explore", args[0])
}

func exploreCommand(args []string) error {
	var o options
	f := flag.NewFlagSet("explore", flag.ContinueOnError)
	f.StringVar(&o.bed, "bed", "", "directory with vmlinux and initrd.cpio, as run.sh makes it")
	f.IntVar(&o.states, "states", 2000, "crash states of our writer; every other run gets a quarter")
	f.Uint64Var(&o.seed, "seed", 1, "from which the states are drawn")
	f.IntVar(&o.jobs, "jobs", 1, "states judged at the same time")
	f.StringVar(&o.only, "run", "", "only the run of this name")
	f.StringVar(&o.out, "out", "", "directory for recordings, and for what -state builds; empty: none are kept")
	f.StringVar(&o.recording, "recording", "", "explore this recording and start no virtual machine")
	f.IntVar(&o.state, "state", -1, "only this state of the -recording; its disk is left in -out")
	f.BoolVar(&o.ruin, "ruin", false, "in every run one sector of the unflushed writes holds garbage, as some media leave what they were writing")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q: explore takes only flags", f.Arg(0))
	}
	if o.jobs < 1 || o.states < 1 {
		return errors.New("-jobs and -states must be at least 1")
	}
	if o.state >= 0 && (o.recording == "" || o.out == "") {
		return errors.New("-state needs -recording, which it is a state of, and -out, where its disk is left")
	}
	return explore(o)
}
