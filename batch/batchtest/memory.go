// The disk of a trial: files in memory.

package batchtest

import (
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/batchkit/batchkit/journal"
)

// memory is a journal.Storage for one goroutine. What is written to it is durable at once.
type memory map[string][]byte

// Mkdir makes nothing: every directory is there.
func (m memory) Mkdir(string) error { return nil }

// List gives the names in a directory in their order.
func (m memory) List(dir string) (names []string, err error) {
	for name := range m {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Read gives what a file begins with.
func (m memory) Read(name string, limit int, buf []byte) ([]byte, error) {
	data, ok := m[filepath.Clean(name)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return append(buf[:0], data[:min(limit, len(data))]...), nil
}

// Create opens a file.
func (m memory) Create(name string) (journal.File, error) {
	name = filepath.Clean(name)
	if _, ok := m[name]; !ok {
		m[name] = nil
	}
	return file{m, name}, nil
}

// Remove takes a file away.
func (m memory) Remove(name string) error {
	delete(m, filepath.Clean(name))
	return nil
}

// Settle has nothing to do.
func (m memory) Settle(string) error { return nil }

// SyncDir has nothing to do.
func (m memory) SyncDir(string) error { return nil }

// Lock gives a lock: nobody else is there.
func (m memory) Lock(string) (io.Closer, error) { return file{}, nil }

// file is a file of a memory.
type file struct {
	m    memory
	name string
}

// WriteAt writes at an offset and lets the file grow.
func (f file) WriteAt(p []byte, off int64) (int, error) {
	data := f.m[f.name]
	if end := int(off) + len(p); end > len(data) {
		data = append(data, make([]byte, end-len(data))...)
	}
	copy(data[off:], p)
	f.m[f.name] = data
	return len(p), nil
}

// Sync has nothing to do.
func (f file) Sync() error { return nil }

// Close has nothing to do.
func (f file) Close() error { return nil }
