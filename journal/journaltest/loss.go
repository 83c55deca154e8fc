// What a power cut leaves, and other ways to look at a disk and to change it.

package journaltest

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// Loss decides what of the pending names and sectors survives a power cut.
// Each has one letter, in the order in which they were made; those without a
// letter are lost.
type Loss struct {
	// Names: '1' is made or taken away for good, anything else is not.
	Names string
	// Sectors: '0' is lost and '1' is written. A torn sector holds 'z' zeros,
	// 'f' ones or 'r' noise; 'a' to 'g' the new
	// bytes up to 64, 128, ... 448 and the old ones behind; 'A' to 'G' the old
	// ones up to there and the new ones behind.
	Sectors string
}

// Pending returns how many names and how many sectors are not durable.
func (d *Disk) Pending() (names, sectors int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if !e.safe || e.gone {
			names++
		}
		if e.file != nil {
			sectors += len(e.file.pending)
		}
	}
	return names, sectors
}

// Cut returns the disk as it is found after a power cut.
func (d *Disk) Cut(l Loss) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := NewDisk()
	c.entries, c.shelf = c.entries[:0], d.shelf
	names, sectors := 0, 0
	for _, e := range d.entries {
		lives := e.safe
		if !e.safe || e.gone {
			lives = letter(l.Names, names) == '1' != e.gone
			names++
		}
		var n int
		if e.file != nil {
			n = len(e.file.pending)
		}
		if lives && (e.name == "." || c.directory(filepath.Dir(e.name))) {
			k := &entry{name: e.name, safe: true}
			if e.file != nil {
				k.file = e.file.cut(l.Sectors, sectors)
			}
			c.entries = append(c.entries, k)
		}
		sectors += n
	}
	return c
}

func letter(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return '0'
}

// cut returns the file after a power cut; its pending sectors have the letters
// of s from index first on.
func (f *file) cut(s string, first int) *file {
	f.owned = false
	c := &file{media: f.media, safe: f.safe}
	if len(f.pending) > 0 {
		c.media = slices.Clone(f.media)
	}
	for i, w := range f.pending {
		how := letter(s, first+i)
		if how == '0' {
			continue
		}
		b := w.block
		if how != '1' {
			var old *block
			if w.index < len(c.media) {
				old = c.media[w.index]
			}
			b = torn(how, old.bytes(), w.block.bytes(), uint64(first+i))
		}
		c.media = put(c.media, w.index, b)
		c.safe = max(c.safe, w.end)
	}
	c.cache, c.size = c.media, c.safe
	return c
}

// torn returns the sector that a write left in the middle.
func torn(how byte, before, after []byte, seed uint64) *block {
	data := [Sector]byte(after)
	switch {
	case how == 'z':
		clear(data[:])
	case how == 'f':
		copy(data[:], bytes.Repeat([]byte{0xFF}, Sector))
	case how == 'r':
		rng := rand.New(rand.NewPCG(seed, 5))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
	case how >= 'a' && how <= 'g':
		n := 64 * (int(how-'a') + 1)
		copy(data[n:], before[n:])
	case how >= 'A' && how <= 'G':
		copy(data[:64*(int(how-'A')+1)], before)
	}
	return newBlock(data[:])
}

// Kept is the loss of nothing: a process that died, not a computer.
func (d *Disk) Kept() Loss {
	names, sectors := d.Pending()
	return Loss{strings.Repeat("1", names), strings.Repeat("1", sectors)}
}

// Copy returns a disk that holds what reads of this one show, all durable.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := NewDisk()
	c.entries, c.shelf = nil, d.shelf
	for _, e := range d.entries {
		if e.gone {
			continue
		}
		k := &entry{name: e.name, safe: true}
		if e.file != nil {
			e.file.owned = false
			k.file = &file{cache: e.file.cache, media: e.file.cache, size: e.file.size, safe: e.file.size}
		}
		c.entries = append(c.entries, k)
	}
	return c
}

// snapshot returns the disk as it is, pending sectors included, without locks
// and hooks. The caller holds d.mu.
func (d *Disk) snapshot() *Disk {
	c := NewDisk()
	c.entries, c.shelf = nil, d.shelf
	for _, e := range d.entries {
		k := *e
		if e.file != nil {
			k.file = e.file.copied()
		}
		c.entries = append(c.entries, &k)
	}
	c.log, c.calls = slices.Clip(d.log), d.calls
	return c
}

// sum tells media apart.
func (d *Disk) sum() uint64 {
	sum := uint64(3)
	for _, e := range d.entries {
		for _, c := range []byte(e.name) {
			sum = mix(sum, uint64(c))
		}
		if e.file != nil {
			sum = mix(sum, e.file.sum())
		}
	}
	return sum
}

// whole tells disks apart, by what they show and what is pending, too.
func (d *Disk) whole() uint64 {
	sum := d.sum()
	for _, e := range d.entries {
		if !e.safe {
			sum = mix(sum, 7)
		}
		if e.gone {
			sum = mix(sum, 13)
		}
		if e.file == nil {
			continue
		}
		for _, b := range e.file.cache {
			if b != nil {
				sum = mix(sum, b.sum)
			}
		}
		for _, w := range e.file.pending {
			sum = mix(sum, uint64(w.index)<<32|uint64(w.end))
			if w.block != nil {
				sum = mix(sum, w.block.sum)
			}
		}
	}
	return sum
}

// Calls returns how many calls there were; of one operation, or of all if op
// is empty.
func (d *Disk) Calls(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if op == "" {
		return d.calls
	}
	return d.counts[op]
}

// Trace returns the calls since Trace was last called, each as its operation
// and its name with slashes.
func (d *Disk) Trace() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.trace
	d.trace = nil
	return t
}

// Files returns the names of all files, sorted.
func (d *Disk) Files() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, e := range d.entries {
		if e.file != nil && !e.gone {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}

// Content returns what reads of a file show; nil if there is none.
func (d *Disk) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.find(name); e != nil && e.file != nil {
		return e.file.read([]byte{}, nil)
	}
	return nil
}

// Put makes a file hold this content, durable.
func (d *Disk) Put(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.find(name)
	if e == nil {
		e = &entry{name: name}
		d.entries = append(d.entries, e)
	}
	e.file, e.safe = newFile(content), true
}

// Lose takes a file away, as if it had never been there.
func (d *Disk) Lose(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = slices.DeleteFunc(d.entries, func(e *entry) bool { return e.name == name && e.file != nil })
}
