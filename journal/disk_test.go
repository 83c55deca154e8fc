// A disk in memory that tells cache from medium, fails on demand and can lose power.

package journal_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/journal"
)

var errPower = errors.New("power is off")

// fault is what happens to one call instead of what was asked.
type fault struct {
	err   error
	half  bool // half of a write reaches the cache
	done  bool // all of it happens, and err is returned nevertheless
	power bool // every later call fails too
}

func (f *fault) error() error {
	if f == nil {
		return nil
	}
	return f.err
}

type span struct {
	off  int
	data []byte
}

type node struct {
	cache, media []byte
	unsynced     []span
}

// disk implements journal.Storage. Names and bytes are durable only after
// SyncDir and Sync; a failed Sync drops what it should have written, as Linux does.
type disk struct {
	mu      sync.Mutex
	nodes   map[string]*node // files; nil for directories
	durable map[string]bool
	locks   map[string]bool
	calls   int
	trace   []string
	writes  int
	syncs   int
	dead    bool
	fault   func(call int, op, name string) *fault
	onSync  func()
}

func newDisk() *disk {
	return &disk{
		nodes: map[string]*node{".": nil}, durable: map[string]bool{".": true}, locks: map[string]bool{},
	}
}

// call counts a call and returns its fault, if any. The caller holds d.mu.
func (d *disk) call(op, name string) *fault {
	d.calls++
	d.trace = append(d.trace, op+" "+filepath.ToSlash(name))
	if d.dead {
		return &fault{err: errPower}
	}
	if d.fault == nil {
		return nil
	}
	f := d.fault(d.calls, op, name)
	if f != nil && f.power {
		d.dead = true
	}
	return f
}

func (d *disk) Mkdir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("mkdir", dir)
	if f != nil && !f.done {
		return f.err
	}
	if _, ok := d.nodes[filepath.Dir(dir)]; !ok {
		return fs.ErrNotExist
	}
	if _, ok := d.nodes[dir]; !ok {
		d.nodes[dir] = nil
	}
	return f.error()
}

func (d *disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.call("list", dir); f != nil {
		return nil, f.err
	}
	if _, ok := d.nodes[dir]; !ok {
		return nil, fs.ErrNotExist
	}
	var names []string
	for name := range d.nodes {
		if name != dir && filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

func (d *disk) Read(name string, buf []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.call("read", name); f != nil {
		return nil, f.err
	}
	n := d.nodes[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return append(buf[:0], n.cache...), nil
}

func (d *disk) Create(name string) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("create", name)
	if f != nil && !f.done {
		return nil, f.err
	}
	if d.nodes[name] == nil {
		d.nodes[name] = &node{}
	}
	if f != nil {
		return nil, f.err
	}
	return &handle{d: d, name: name, n: d.nodes[name]}, nil
}

func (d *disk) Settle(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[name]
	if f := d.call("settle", name); f != nil {
		n.unsynced = nil
		return f.err
	}
	n.sync()
	n.cache = slices.Clone(n.media)
	return nil
}

func (d *disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.call("syncdir", dir)
	if f != nil && !f.done {
		return f.err
	}
	for name := range d.nodes {
		if filepath.Dir(name) == dir {
			d.durable[name] = true
		}
	}
	return f.error()
}

func (d *disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.call("lock", name); f != nil {
		return nil, f.err
	}
	if d.locks[name] {
		return nil, journal.ErrInUse
	}
	d.locks[name] = true
	return &held{d: d, name: name}, nil
}

type held struct {
	d    *disk
	name string
}

func (h *held) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	delete(h.d.locks, h.name)
	return nil
}

type handle struct {
	d    *disk
	name string
	n    *node
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.d.writes++
	f := h.d.call("write", h.name)
	switch {
	case f == nil || f.done:
		h.n.write(p, int(off))
	case f.half:
		p = p[:len(p)/2]
		h.n.write(p, int(off))
	default:
		p = nil
	}
	return len(p), f.error()
}

func (n *node) write(p []byte, off int) {
	n.cache = overlay(n.cache, p, off)
	n.unsynced = append(n.unsynced, span{off, slices.Clone(p)})
}

func overlay(b, p []byte, off int) []byte {
	if need := off + len(p) - len(b); need > 0 {
		b = append(b, make([]byte, need)...)
	}
	copy(b[off:], p)
	return b
}

func (n *node) sync() {
	for _, s := range n.unsynced {
		n.media = overlay(n.media, s.data, s.off)
	}
	n.unsynced = nil
}

func (h *handle) Sync() error {
	if h.d.onSync != nil {
		h.d.onSync()
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.d.syncs++
	f := h.d.call("sync", h.name)
	if f == nil || f.done {
		h.n.sync()
	} else if !f.power {
		h.n.unsynced = nil // called clean although it never reached the medium
	}
	return f.error()
}

func (h *handle) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if f := h.d.call("close", h.name); f != nil {
		return f.err
	}
	return nil
}

// loss decides what of the unsynced bytes survives a power cut.
type loss struct {
	name  string
	names bool                       // unsynced names survive
	keep  func(i, last int) (n byte) // for sector i of a span: 0 lost, 1 kept, 2 garbage
}

func losses(seed uint64) []loss {
	rng := rand.New(rand.NewPCG(seed, 1))
	return []loss{
		{"all lost", false, func(int, int) byte { return 0 }},
		{"all kept", true, func(int, int) byte { return 1 }},
		{"first half kept", true, func(i, last int) byte { return b2n(2*i < last) }},
		{"second half kept", true, func(i, last int) byte { return b2n(2*i >= last) }},
		{"sectors scattered", rng.IntN(2) == 0, func(int, int) byte { return byte(rng.IntN(2)) }},
		{"sectors garbled", rng.IntN(2) == 0, func(int, int) byte { return byte(rng.IntN(3)) }},
	}
}

func b2n(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// cut returns the disk as it is found after a power cut.
func (d *disk) cut(l loss) *disk {
	const sector = 512
	c := newDisk()
	for _, name := range slices.Sorted(maps.Keys(d.nodes)) {
		if _, parent := c.nodes[filepath.Dir(name)]; !parent || !d.durable[name] && !l.names {
			continue
		}
		c.durable[name] = true
		n := d.nodes[name]
		if n == nil {
			c.nodes[name] = nil
			continue
		}
		media := slices.Clone(n.media)
		for _, s := range n.unsynced {
			last := (len(s.data) + sector - 1) / sector
			for i := range last {
				p := slices.Clone(s.data[i*sector : min(len(s.data), (i+1)*sector)])
				switch l.keep(i, last) {
				case 0:
					continue
				case 2:
					for j := range p {
						p[j] ^= byte(j*7 + 1)
					}
				}
				media = overlay(media, p, s.off+i*sector)
			}
		}
		c.nodes[name] = &node{cache: media, media: slices.Clone(media)}
	}
	return c
}

// clone returns the disk with all of its cache durable.
func (d *disk) clone() *disk {
	c := newDisk()
	for name, n := range d.nodes {
		c.durable[name] = true
		c.nodes[name] = nil
		if n != nil {
			c.nodes[name] = &node{cache: slices.Clone(n.cache), media: slices.Clone(n.cache)}
		}
	}
	return c
}
