// The command line: one program is the runner on the host and the first process of the guest.

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if os.Getpid() == 1 && os.Args[0] == "/init" { // the kernel gives init what arguments it likes
		fmt.Fprintln(os.Stderr, "vmbed: the machine goes on without its first process:", first())
		os.Exit(1)
	}
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmbed:", err)
		status = statusOwn
	}
	os.Exit(status)
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// run runs a program in the guest, as go test -exec calls it, and returns its exit status.
func run(args []string) (int, error) {
	var (
		m     machine
		with  list
		limit time.Duration
	)
	dir, err := bedDir()
	if err != nil {
		return 0, err
	}
	f := flag.NewFlagSet("vmbed", flag.ContinueOnError)
	f.StringVar(&m.bed, "bed", dir, "directory with the kernel, as make.sh makes it")
	f.Var(&with, "with", "file or directory to bring along, beside the program and testdata; may be given again")
	f.StringVar(&m.disk, "disk", "", "file with an ext4 that the guest mounts at "+diskAt+" and leaves as it is then")
	f.IntVar(&m.cpus, "cpus", 1, "processors; a busy host is faster with one")
	f.IntVar(&m.memory, "memory", 512, "MiB of memory, half of which the files brought along may take")
	f.BoolVar(&m.again, "again", false, "after a reset start anew and run the program anew")
	f.DurationVar(&limit, "limit", 10*time.Minute, "after which the machine is killed")
	if err := f.Parse(args); err != nil {
		return 0, err
	}
	if f.NArg() == 0 {
		return 0, errors.New("no program; use: go test -exec 'vmbed [flags]' PACKAGE")
	}
	if err := m.take(f.Args(), with); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("it has run for %v, see -limit", limit))
	defer cancel()
	all, err := m.run(ctx, os.Stdout)
	if err != nil {
		return 0, err
	}
	return all[0], nil
}

// take makes the job of a command line: the program and what lies beside it, at the paths that they have here.
func (m *machine) take(args []string, with []string) error {
	if _, err := os.Stat(filepath.Join(m.bed, "vmlinux")); err != nil {
		return fmt.Errorf("no kernel in %s; make it by: bash internal/vmbed/make.sh: %w", m.bed, err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	binary, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	m.bring = []string{binary}
	if _, err := os.Stat("testdata"); err == nil {
		with = append(with, "testdata")
	}
	for _, name := range with {
		name, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		m.bring = append(m.bring, name)
	}
	m.job = job{Disk: m.disk != "", Programs: []program{
		{Args: append([]string{binary}, args[1:]...), Env: environment(os.Environ()), Dir: dir}}}
	m.first, err = os.Executable()
	return err
}
