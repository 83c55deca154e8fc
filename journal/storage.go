// Storage: all that the journal asks of a file system, and the operating system's answer.

package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Storage is the file system as the journal needs it. Names are paths joined
// with path/filepath. Errors are returned to the caller wrapped; a full medium
// should be reported with an error that errors.Is finds to be [ErrDiskFull] or
// the system's own. Implementations other than the operating system's serve
// to test what happens when storage fails.
type Storage interface {
	// Mkdir makes a directory whose parent exists; an existing one is no error.
	Mkdir(dir string) error
	// List returns the names in a directory, in any order, and an error that
	// is fs.ErrNotExist if there is no such directory.
	List(dir string) ([]string, error)
	// Read returns what a file begins with, at most limit bytes, in buf if they
	// fit. A file that is shorter is no error; one that is not there is
	// fs.ErrNotExist.
	Read(name string, limit int, buf []byte) ([]byte, error)
	// Create opens a file for writing and makes an empty one if there is none.
	// It never shortens a file.
	Create(name string) (File, error)
	// Remove takes a file's name away; SyncDir makes that durable. A file that
	// is not there is fs.ErrNotExist.
	Remove(name string) error
	// Settle makes what was written to a file durable, and makes later reads
	// show what the medium holds rather than a cache, where that is possible.
	Settle(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes the lock that the named file stands for, without waiting; the
	// error is ErrInUse if it is taken. Closing gives it back, as does the end
	// of the process.
	Lock(name string) (io.Closer, error)
}

// File is a file open for writing.
type File interface {
	// WriteAt writes all of p at an offset or returns an error.
	WriteAt(p []byte, off int64) (int, error)
	// Sync returns when all that was written is durable. After an error it is
	// not known what is, and the journal does not ask again.
	Sync() error
	// Close gives the file back; it makes nothing durable.
	Close() error
}

func writeAll(f File, p []byte, off int) error {
	n, err := f.WriteAt(p, int64(off))
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// System is the operating system's storage: what Options without one use. It serves what lies beside journals, too; Read refuses files
// of more than 64 MiB.
func System() Storage { return system{} }

type system struct{}

func (system) Mkdir(dir string) error {
	err := os.Mkdir(dir, 0o750)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (system) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (system) Read(name string, most int, buf []byte) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for ever
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if info.Size() > maxSegment {
		return nil, fmt.Errorf("%s: %d bytes, more than any file of a journal", name, info.Size())
	}
	most = min(most, int(info.Size()))
	if cap(buf) < most {
		buf = make([]byte, most)
	}
	n, err := io.ReadFull(f, buf[:most])
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return buf[:n], err
}

func (system) Create(name string) (File, error) { return openFile(name, os.O_RDWR|os.O_CREATE, 0o640) }

func (system) Remove(name string) error { return os.Remove(name) }

func (system) Settle(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) { // who may only read may flush as well, but for Windows
		f, err = os.Open(name)
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	if err == nil {
		err = dropCache(f)
	}
	return errors.Join(err, f.Close())
}

func (system) SyncDir(dir string) error { return syncDir(dir) }

func (system) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return lock{f}, nil
}

// lock is a lock that is held; Close gives it back.
type lock struct{ *os.File }

func (l lock) Close() error { return errors.Join(unlockFile(l.File), l.File.Close()) }
