// The controls' Storage: the operating system's files, and one thing wrong with them.

package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/journal"
)

// shelf is a journal.Storage with a fault. Package journal keeps its own Storage to itself, so this is another one.
type shelf struct {
	fault fault
	early func(seq uint64) // told of a group that was written, for faultEarly
}

func (s shelf) Mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o750); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (s shelf) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (s shelf) Read(name string, most int, _ []byte) ([]byte, error) {
	b, err := os.ReadFile(name)
	return b[:min(most, len(b))], err
}

func (s shelf) Create(name string) (journal.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	return sheet{f, s}, nil
}

func (s shelf) Remove(name string) error { return os.Remove(name) }

func (s shelf) Settle(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (s shelf) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s shelf) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(journal.ErrInUse, err, f.Close())
	}
	return f, nil
}

// sheet is a file on the shelf.
type sheet struct {
	*os.File
	s shelf
}

func (f sheet) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	if last, ok := lastOfGroup(p); ok && err == nil && f.s.fault == faultEarly {
		f.s.early(last)
	}
	return n, err
}

func (f sheet) Sync() error {
	if f.s.fault == faultNoSync {
		return nil
	}
	return f.File.Sync()
}

// lastOfGroup returns the last record of a group, which the commit frame behind its events bears as its seq: see the package
// comment of journal. False is for what holds no such frame, and for the promise that Close writes, which has no events.
func lastOfGroup(p []byte) (uint64, bool) {
	const head, commit = 24, 2
	for at := 0; at+head <= len(p); {
		f := p[at:]
		if f[16] == commit {
			return binary.LittleEndian.Uint64(f[8:]), at > 0
		}
		at += head + (int(binary.LittleEndian.Uint32(f))+7)&^7
	}
	return 0, false
}
