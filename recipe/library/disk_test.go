// A disk in memory that loses power at any call and byte, and keeps any part of what was not durable yet.

package library_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/batchkit/batchkit/recipe/library"
)

// errPower is what a disk answers after its power went.
var errPower = errors.New("power is off")

// inode is a file or a directory. Its bytes are durable from the flush on that Write ends with.
type inode struct {
	dir  bool
	data []byte
	safe bool
}

// rename is a change of names that is not durable yet: both happen or neither.
type rename struct {
	dir      string
	from, to string // "" where there is none
	file     *inode // that has the name to from then on
}

// crashDisk is a library.Disk. Names are durable after SyncDir of their directory, and bytes when Write returns.
type crashDisk struct {
	names   map[string]*inode // as a program sees them
	durable map[string]*inode // as a cut leaves them, at least
	pending []rename          // in the order in which they were made
	calls   int
	cut     int                             // call at which power goes; 0: never
	fail    func(call int, op string) error // where set: what a call answers instead of being made
	trace   []string
}

func newDisk() *crashDisk {
	root := &inode{dir: true, safe: true}
	return &crashDisk{names: map[string]*inode{".": root}, durable: map[string]*inode{".": root}}
}

// call counts a call; off tells that it is the last one, and happens as far as the disk got with it.
func (d *crashDisk) call(op, name string) (off bool, err error) {
	if d.cut > 0 && d.calls >= d.cut {
		return true, errPower
	}
	d.calls++
	d.trace = append(d.trace, op+" "+filepath.ToSlash(name))
	if d.fail != nil {
		if err := d.fail(d.calls, op); err != nil {
			return false, err
		}
	}
	return d.calls == d.cut, nil
}

func (d *crashDisk) change(r rename) {
	if r.from != "" {
		delete(d.names, r.from)
	}
	if r.to != "" {
		d.names[r.to] = r.file
	}
	d.pending = append(d.pending, r)
}

// end is the answer of a call that power went at.
func end(off bool) error {
	if off {
		return errPower
	}
	return nil
}

func (d *crashDisk) Mkdir(dir string) error {
	off, err := d.call("mkdir", dir)
	switch {
	case err != nil:
		return err
	case d.names[filepath.Dir(dir)] == nil:
		return fs.ErrNotExist
	case d.names[dir] == nil:
		d.change(rename{dir: filepath.Dir(dir), to: dir, file: &inode{dir: true, safe: true}})
	}
	return end(off)
}

func (d *crashDisk) List(dir string) (names []string, err error) {
	if _, err := d.call("list", dir); err != nil {
		return nil, err
	}
	for name := range d.names {
		if name != dir && filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

func (d *crashDisk) Read(name string, most int) ([]byte, error) {
	if off, err := d.call("read", name); err != nil || off {
		return nil, errors.Join(err, end(off))
	}
	f := d.names[name]
	if f == nil || f.dir {
		return nil, fs.ErrNotExist
	}
	if len(f.data) > most {
		return nil, fmt.Errorf("%s: more than %d bytes", name, most)
	}
	return slices.Clone(f.data), nil
}

func (d *crashDisk) Write(name string, data []byte) error {
	off, err := d.call("write", name)
	if err != nil {
		return err
	}
	if d.names[name] != nil {
		return fs.ErrExist
	}
	d.change(rename{dir: filepath.Dir(name), to: name, file: &inode{data: slices.Clone(data), safe: !off}})
	return end(off)
}

func (d *crashDisk) Rename(from, to string) error {
	off, err := d.call("rename", from+" "+to)
	if err != nil {
		return err
	}
	f := d.names[from]
	if f == nil {
		return fs.ErrNotExist
	}
	d.change(rename{dir: filepath.Dir(to), from: from, to: to, file: f})
	return end(off)
}

func (d *crashDisk) Remove(name string) error {
	off, err := d.call("remove", name)
	if err != nil {
		return err
	}
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	d.change(rename{dir: filepath.Dir(name), from: name})
	return end(off)
}

func (d *crashDisk) SyncDir(dir string) error {
	off, err := d.call("syncdir", dir)
	if err != nil {
		return err
	}
	if off {
		return errPower // what it would have made durable may be so or not
	}
	var left []rename
	for _, r := range d.pending {
		if r.dir == dir {
			r.apply(d.durable)
		} else {
			left = append(left, r)
		}
	}
	d.pending = left
	return nil
}

func (r *rename) apply(names map[string]*inode) {
	if r.from != "" {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.file
	}
}

// survivors calls fn with every disk that a power cut can leave: any of the changes of names that were not durable, in their order,
// and of a file that was being written any number of its bytes, or zeros or other bytes in place of all.
func (d *crashDisk) survivors(fn func(d *crashDisk)) {
	for set := range 1 << len(d.pending) {
		names := maps.Clone(d.durable)
		var torn string
		for i, r := range d.pending {
			if set&(1<<i) != 0 && (r.from == "" || names[r.from] != nil) {
				r.apply(names)
				if r.to != "" && !r.file.safe {
					torn = r.to
				}
			}
		}
		each := func(data []byte) {
			left := maps.Clone(names)
			if torn != "" {
				left[torn] = &inode{data: data, safe: true}
			}
			fn(&crashDisk{names: left, durable: maps.Clone(left)})
		}
		if torn == "" {
			each(nil)
			continue
		}
		whole := names[torn].data
		for n := range len(whole) + 1 {
			each(whole[:n])
		}
		each(make([]byte, len(whole)))
		each(slices.Repeat([]byte{0xff}, len(whole)))
	}
}

// spoil changes the bytes of a file behind everybody's back.
func (d *crashDisk) spoil(name string, how func(data []byte) []byte) {
	d.names[name] = &inode{data: how(slices.Clone(d.names[name].data)), safe: true}
}

var _ library.Disk = (*crashDisk)(nil)
