// A disk that grows slow, full or fails at times of a clock, over any other storage.

package journaltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/timebase"
)

// DiskFaultKind says what goes wrong with a disk.
type DiskFaultKind uint8

// The kinds of fault of an Ill disk, with the words of ParseDiskFault.
const (
	DiskSlow  DiskFaultKind = iota + 1 // slow <delay> <for>: each write and each flush takes so much longer
	DiskFull                           // full <for>: nothing can be created, and a write beyond what its file has fails; what has room works on
	DiskFails                          // fail <for>: each flush fails with a medium error, after which the disk has not got what was written
)

// DiskFault is one fault of a disk. It befalls the calls that begin from At on, until the end of For.
type DiskFault struct {
	Kind  DiskFaultKind
	At    int64         // when it begins, on the disk's clock; 0: at once
	For   time.Duration // more than 0
	Delay time.Duration // of DiskSlow, more than 0
}

// MaxDiskFaults is how many faults a disk takes.
const MaxDiskFaults = 256

// Errors of an Ill disk.
var (
	errMedium = errors.New("medium error, as the fault has it")
	errNoRoom = fmt.Errorf("no room, as the fault has it: %w", journal.ErrDiskFull)
)

var diskWords = [...]struct{ word, usage string }{{"slow", "<delay> <for>"}, {"full", "<for>"}, {"fail", "<for>"}}

// ParseDiskFault reads a fault from words, such as "slow" with "200ms", "10s". At is left 0. Durations are those of package script.
func ParseDiskFault(verb string, args []string) (DiskFault, error) {
	f := DiskFault{}
	var words []string
	for i, k := range diskWords {
		words = append(words, k.word)
		if k.word == verb {
			f.Kind = DiskFaultKind(i + 1)
		}
	}
	if f.Kind == 0 {
		return f, fmt.Errorf("journaltest: disk fault %q: unknown; known are %s", verb, strings.Join(words, ", "))
	}
	if usage := diskWords[f.Kind-1].usage; len(args) != len(strings.Fields(usage)) {
		return DiskFault{}, fmt.Errorf("journaltest: disk fault %q: %d arguments: want %s %s", verb, len(args), verb, usage)
	}
	line := script.Line{Verb: verb, Args: args}
	var wrong *script.Error
	long, err := line.Duration(len(args) - 1)
	if f.For = time.Duration(long); f.Kind == DiskSlow && err == nil {
		long, err = line.Duration(0)
		f.Delay = time.Duration(long)
	}
	if errors.As(err, &wrong) {
		return DiskFault{}, fmt.Errorf("journaltest: disk fault %s", wrong.Msg)
	}
	return f, f.check()
}

func (f *DiskFault) check() error {
	switch {
	case f.Kind == 0 || int(f.Kind) > len(diskWords):
		return fmt.Errorf("journaltest: disk fault %d: no such kind", f.Kind)
	case f.For <= 0 || f.At < 0:
		return fmt.Errorf("journaltest: disk fault %q: from %d on, for %s: want a time that is not negative, and a duration above 0",
			diskWords[f.Kind-1].word, f.At, f.For)
	case (f.Kind == DiskSlow) != (f.Delay > 0):
		return fmt.Errorf("journaltest: disk fault %q: delay %s: slow wants one above 0, and no other takes one", diskWords[f.Kind-1].word, f.Delay)
	}
	return nil
}

// Ill is a [journal.Storage] over another one, with faults. It may be used from any goroutine, as that one may.
type Ill struct {
	journal.Storage
	clock timebase.Clock

	mu     sync.Mutex
	faults []DiskFault
}

var _ journal.Storage = (*Ill)(nil)

// NewIll returns a disk that works as s does until a fault befalls it. It waits on the clock where it is slow.
func NewIll(s journal.Storage, clock timebase.Clock) *Ill { return &Ill{Storage: s, clock: clock} }

// Fault adds a fault. It refuses one beyond MaxDiskFaults.
func (d *Ill) Fault(f DiskFault) error {
	if err := f.check(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.faults) == MaxDiskFaults {
		return fmt.Errorf("journaltest: disk fault %q: the disk has %d already", diskWords[f.Kind-1].word, MaxDiskFaults)
	}
	if f.At == 0 {
		f.At = d.clock.Now()
	}
	d.faults = append(d.faults, f)
	return nil
}

// befalls tells whether there is a fault of a kind now, and for how long it delays.
func (d *Ill) befalls(kind DiskFaultKind) (delay time.Duration, is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	for _, f := range d.faults {
		if f.Kind == kind && f.At <= now && now-f.At < int64(f.For) {
			delay, is = max(delay, f.Delay), true
		}
	}
	return delay, is
}

// dawdle waits as long as a slow disk takes.
func (d *Ill) dawdle() error {
	delay, is := d.befalls(DiskSlow)
	if !is {
		return nil
	}
	return d.clock.Wait(context.Background(), d.clock.Now()+int64(delay))
}

// Mkdir is part of [journal.Storage].
func (d *Ill) Mkdir(dir string) error {
	if _, full := d.befalls(DiskFull); full {
		return errNoRoom
	}
	return d.Storage.Mkdir(dir)
}

// Create is part of [journal.Storage].
func (d *Ill) Create(name string) (journal.File, error) {
	size := int64(0)
	b, err := d.Read(name, 1<<26, nil)
	if err == nil {
		size = int64(len(b))
	} else if _, full := d.befalls(DiskFull); full {
		return nil, errNoRoom
	}
	f, err := d.Storage.Create(name)
	if err != nil {
		return nil, err
	}
	return &illFile{File: f, d: d, size: size}, nil
}

// Settle is part of [journal.Storage].
func (d *Ill) Settle(name string) error {
	return d.flush(func() error { return d.Storage.Settle(name) })
}

// SyncDir is part of [journal.Storage].
func (d *Ill) SyncDir(dir string) error {
	return d.flush(func() error { return d.Storage.SyncDir(dir) })
}

// Lock is part of [journal.Storage].
func (d *Ill) Lock(name string) (io.Closer, error) { return d.Storage.Lock(name) }

// flush lets a flush be slow or fail.
func (d *Ill) flush(do func() error) error {
	if err := d.dawdle(); err != nil {
		return err
	}
	if _, fails := d.befalls(DiskFails); fails {
		return errMedium
	}
	return do()
}

// illFile is a file of an Ill disk.
type illFile struct {
	journal.File
	d    *Ill
	size int64 // that it is known to have
}

func (f *illFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.d.dawdle(); err != nil {
		return 0, err
	}
	if _, full := f.d.befalls(DiskFull); full && off+int64(len(p)) > f.size {
		return 0, errNoRoom
	}
	n, err := f.File.WriteAt(p, off)
	f.size = max(f.size, off+int64(n))
	return n, err
}

func (f *illFile) Sync() error { return f.d.flush(f.File.Sync) }
