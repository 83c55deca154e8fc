// The guest: init of the virtual machine, and the process that writes the journal.

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/internal/vmbed/pid1"
	"github.com/batchkit/batchkit/journal"
)

const (
	diskDevice    = "/dev/vda"
	witnessDevice = "/dev/vdb"
	mountPoint    = "/mnt"
	runParameter  = "crashlab.run=" // on the kernel's command line
)

// guest is what the machine does from its start to its end. It does not return.
func guest() error {
	err := lifeOfGuest()
	if err != nil {
		fmt.Println("crashlab guest:", err)
	}
	return errors.Join(err, pid1.PowerOff())
}

func lifeOfGuest() error {
	for _, fs := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}} {
		if err := pid1.Mount(fs[0], fs[1], fs[0], ""); err != nil {
			return err
		}
	}
	if err := pid1.Output("/dev/console"); err != nil {
		return err
	}
	if err := pid1.Modules("/modules"); err != nil {
		return err
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(string(line), runParameter)
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
	s, err := setupNamed(name)
	if err != nil {
		return err
	}
	if err := pid1.Mount(diskDevice, mountPoint, "ext4", s.mount); err != nil {
		return err
	}
	for n := 1; n <= lives; n++ {
		if err := liveApart(n, name); err != nil {
			return err
		}
	}
	if err := unix.Unmount(mountPoint, 0); err != nil {
		return fmt.Errorf("unmounting %s: %w", mountPoint, err)
	}
	return nil
}

// liveApart runs one life in a process of its own: the first ends by a signal, as it should, the others by themselves.
func liveApart(n int, name string) error {
	cmd := exec.Command("/proc/self/exe", "live", fmt.Sprint(n), name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if n == 1 && errors.As(err, &exit) {
		if status, ok := exit.Sys().(interface{ Signal() unix.Signal }); ok && status.Signal() == unix.SIGKILL {
			return nil
		}
	}
	if err == nil && n == 1 {
		err = errors.New("it was not killed")
	}
	if err != nil {
		return fmt.Errorf("life %d: %w", n, err)
	}
	return nil
}

// teller writes notes to the witness.
type teller struct {
	f    *os.File
	page []byte // direct writing needs an aligned one
	life int
}

func newTeller(life int) (*teller, error) {
	f, err := os.OpenFile(witnessDevice, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 2*fileBlock)
	skip := -uintptr(unsafe.Pointer(&b[0])) % fileBlock
	return &teller{f: f, page: b[skip:][:sector], life: life}, nil
}

// tell returns when the witness has taken the note. One that it does not take is the end: nothing must be done then that
// a note should have preceded.
func (t *teller) tell(word string, seq uint64) {
	clear(t.page)
	copy(t.page, note{word, t.life, seq}.String())
	if _, err := t.f.WriteAt(t.page, 0); err != nil {
		fmt.Println("crashlab guest: telling the witness:", err)
		os.Exit(1)
	}
}

// writer is a life of the process that keeps the journal, as batch/runner keeps it: one goroutine commits, one makes
// reserves, and this one appends.
type writer struct {
	w      *journal.Writer
	t      *teller
	life   int
	groups atomic.Int64
}

func live(n int, name string) error {
	s, err := setupNamed(name)
	if err != nil {
		return err
	}
	t, err := newTeller(n)
	if err != nil {
		return err
	}
	l := &writer{t: t, life: n}
	if err := l.open(s); err != nil {
		return err
	}
	t.tell(wordLife, l.w.Head().N)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var ran, prepared error
	wg.Add(2)
	go func() { defer wg.Done(); ran = l.w.Run(ctx) }()
	go func() { defer wg.Done(); prepared = l.w.Prepare(ctx) }()
	err = l.append()
	stop()
	wg.Wait()
	if err = errors.Join(err, ran, prepared); err != nil {
		return err
	}
	if err := l.w.Close(); err != nil {
		return err
	}
	if n == lives {
		t.tell(wordDone, l.w.Durable())
	}
	return nil
}

// open opens the journal, or makes it.
func (l *writer) open(s setup) (err error) {
	dir, head := filepath.Join(mountPoint, journalName), journal.Header{JournalID: journalID}
	opt := &journal.Options{Segment: segmentSize, OnDurable: func(seq uint64) {
		l.groups.Add(1)
		if s.fault != faultEarly { // that one has told already
			l.t.tell(wordDurable, seq)
		}
	}}
	if s.fault != faultNone {
		opt.Storage = shelf{fault: s.fault, early: func(seq uint64) { l.t.tell(wordDurable, seq) }}
	}
	l.w, _, err = journal.Open(dir, head, opt)
	if errors.Is(err, journal.ErrNone) {
		l.w, err = journal.Create(dir, head, opt)
	}
	return err
}

// append appends records in bursts. Often it waits until the last of a burst is durable; where it does not, the next group
// gathers while the one before is being flushed. The first life is killed in the middle of that.
func (l *writer) append() error {
	rng := rand.New(rand.NewPCG(uint64(l.life), 0))
	seq := l.w.Head().N
	for l.groups.Load() < groupsPerLife {
		for range 1 + rng.IntN(4) {
			seq++
			b := body(seq, l.life)
			err := l.w.Append(seq, b)
			for errors.Is(err, journal.ErrFull) {
				if err = l.w.Wait(context.Background(), seq-1); err == nil {
					err = l.w.Append(seq, b)
				}
			}
			if err != nil {
				return err
			}
		}
		if l.life == 1 && l.groups.Load() >= groupsPerLife-2 {
			time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond) // to be killed somewhere in a group
			return unix.Kill(os.Getpid(), unix.SIGKILL)
		}
		if rng.IntN(10) < 7 {
			if err := l.w.Wait(context.Background(), seq); err != nil {
				return err
			}
		}
	}
	return nil
}
