// A disk in memory that tells cache from medium, fails on demand and can lose power.

package journaltest

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/journal"
)

// ErrPower is what a Disk answers after its power went.
var ErrPower = errors.New("power is off")

// Fault is what happens to one call instead of what was asked.
type Fault struct {
	// Err is what the call returns; nil makes a write short without a word.
	Err error
	// Half lets half of a write reach the cache, or half of a flush the medium.
	Half bool
	// Done lets all of it happen; Err is returned nevertheless.
	Done bool
	// Power makes every later call fail too.
	Power bool
}

func (f *Fault) error() error {
	if f == nil {
		return nil
	}
	return f.Err
}

// entry is a name in a directory, its own file or a directory itself.
type entry struct {
	name string
	file *file // nil for a directory
	safe bool  // the name is on the medium
	gone bool  // it was removed, and the medium does not know yet
}

// Disk is a [journal.Storage] in memory. Names are durable only after SyncDir
// and bytes only after Sync or Settle; until then they are pending, sector by
// sector. A Sync that fails drops what it should have written, as Linux does:
// reads go on showing it. Set the exported fields before the Disk is used, or
// while no call is under way.
type Disk struct {
	// Fault, if set, is asked at each call, the first being 1, what happens to
	// it; nil for nothing. The operations are mkdir, list, read, create,
	// remove, settle, syncdir, lock, write, sync and close.
	Fault func(call int, op, name string) *Fault
	// OnSync, if set, is called at the begin of each Sync of a file.
	OnSync func()

	mu      sync.Mutex
	entries []*entry
	locks   map[string]bool
	dead    bool
	calls   int
	counts  map[string]int
	trace   []string
	before  func() // called at each call, before it does anything
	log     []undo // each sector written, in order
	flushes []int  // the length of log at each flush
	shelf   *shelf // where reads have their buffers from
}

// NewDisk returns a disk that holds the directory "." and nothing else.
func NewDisk() *Disk {
	return &Disk{entries: []*entry{{name: ".", safe: true}}, locks: map[string]bool{}, counts: map[string]int{}}
}

// call counts a call and returns its fault, if any. The caller holds d.mu.
func (d *Disk) call(op, name string) *Fault {
	if d.before != nil {
		d.before()
	}
	d.calls++
	d.counts[op]++
	d.trace = append(d.trace, op+" "+filepath.ToSlash(name))
	if d.dead {
		return &Fault{Err: ErrPower}
	}
	if d.Fault == nil {
		return nil
	}
	f := d.Fault(d.calls, op, name)
	if f != nil && f.Power {
		d.dead = true
	}
	return f
}

// find returns the entry of a name, or nil.
func (d *Disk) find(name string) *entry {
	for _, e := range d.entries {
		if e.name == name && !e.gone {
			return e
		}
	}
	return nil
}

// directory tells whether there is such a directory.
func (d *Disk) directory(name string) bool {
	e := d.find(name)
	return e != nil && e.file == nil
}

// Mkdir is part of [journal.Storage].
func (d *Disk) Mkdir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("mkdir", dir)
	if f != nil && !f.Done {
		return f.Err
	}
	if !d.directory(filepath.Dir(dir)) {
		return fs.ErrNotExist
	}
	if d.find(dir) == nil {
		d.entries = append(d.entries, &entry{name: dir})
	}
	return f.error()
}

// List is part of [journal.Storage].
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.call("list", dir); f != nil {
		return nil, f.Err
	}
	if !d.directory(dir) {
		return nil, fs.ErrNotExist
	}
	var names []string
	for _, e := range slices.Backward(d.entries) { // in an order that helps nobody
		if e.name != dir && filepath.Dir(e.name) == dir && !e.gone {
			names = append(names, filepath.Base(e.name))
		}
	}
	return names, nil
}

// Read is part of [journal.Storage].
func (d *Disk) Read(name string, most int, buf []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.call("read", name); f != nil {
		return nil, f.Err
	}
	e := d.find(name)
	if e == nil || e.file == nil {
		return nil, fs.ErrNotExist
	}
	b := e.file.read(buf, d.shelf)
	return b[:min(most, len(b))], nil
}

// Create is part of [journal.Storage].
func (d *Disk) Create(name string) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("create", name)
	if f != nil && !f.Done {
		return nil, f.Err
	}
	if !d.directory(filepath.Dir(name)) {
		return nil, fs.ErrNotExist
	}
	e := d.find(name)
	if e == nil {
		e = &entry{name: name, file: &file{owned: true}}
		d.entries = append(d.entries, e)
	}
	if f != nil {
		return nil, f.Err
	}
	return &handle{d: d, e: e}, nil
}

// Remove is part of [journal.Storage].
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("remove", name)
	if f != nil && !f.Done {
		return f.Err
	}
	e := d.find(name)
	switch {
	case e == nil || e.file == nil:
		return errors.Join(fs.ErrNotExist, f.error())
	case e.safe:
		e.gone = true
	default: // the medium has never heard of it
		d.entries = slices.DeleteFunc(d.entries, func(k *entry) bool { return k == e })
	}
	return f.error()
}

// Settle is part of [journal.Storage].
func (d *Disk) Settle(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("settle", name)
	e := d.find(name)
	if e == nil || e.file == nil {
		return errors.Join(fs.ErrNotExist, f.error())
	}
	d.flush(e.file, f)
	if f == nil {
		e.file.reread()
	}
	return f.error()
}

// SyncDir is part of [journal.Storage].
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("syncdir", dir)
	if f != nil && !f.Done {
		return f.Err
	}
	d.entries = slices.DeleteFunc(d.entries, func(e *entry) bool { return e.gone && filepath.Dir(e.name) == dir })
	for _, e := range d.entries {
		if filepath.Dir(e.name) == dir {
			e.safe = true
		}
	}
	return f.error()
}

// Lock is part of [journal.Storage].
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.call("lock", name); f != nil {
		return nil, f.Err
	}
	if d.locks[name] {
		return nil, journal.ErrInUse
	}
	d.locks[name] = true
	return &held{d: d, name: name}, nil
}

type held struct {
	d    *Disk
	name string
}

func (h *held) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	delete(h.d.locks, h.name)
	return nil
}

type handle struct {
	d *Disk
	e *entry
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	f := h.d.call("write", h.e.name)
	switch {
	case f == nil || f.Done:
	case f.Half:
		p = p[:len(p)/2]
	default:
		p = nil
	}
	h.e.file.write(p, int(off), func(u undo) {
		u.name = h.e.name
		h.d.log = append(h.d.log, u)
	})
	return len(p), f.error()
}

func (h *handle) Sync() error {
	if h.d.OnSync != nil {
		h.d.OnSync()
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	f := h.d.call("sync", h.e.name)
	h.d.flushes = append(h.d.flushes, len(h.d.log))
	h.d.flush(h.e.file, f)
	return f.error()
}

// flush moves to the medium what a flush with this fault does.
func (d *Disk) flush(n *file, f *Fault) {
	switch {
	case f == nil || f.Done:
		n.sync(len(n.pending))
	case d.dead:
	case f.Half:
		n.sync(len(n.pending) / 2)
	default:
		n.sync(0) // called clean although it never reached the medium
	}
}

func (h *handle) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return h.d.call("close", h.e.name).error()
}
