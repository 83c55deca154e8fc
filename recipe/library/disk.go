// Disk: all that a store asks of a file system, and the operating system's answer.

package library

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// Disk is the file system as a store needs it. Names are paths joined with path/filepath. It differs from the journal's storage in
// what a store lives by: a file comes to its name by one Rename, when its bytes are durable, and is never written in place.
// Implementations other than the operating system's serve to test what happens when storage fails.
type Disk interface {
	// Mkdir makes a directory whose parent exists; an existing one is no error.
	Mkdir(dir string) error
	// List returns the names in a directory, in any order.
	List(dir string) ([]string, error)
	// Read returns a whole file, as the system gives it: that may be a cache, and not what the medium holds.
	// One of more than most bytes is refused; one that is not there is fs.ErrNotExist.
	Read(name string, most int) ([]byte, error)
	// Write makes a new file and returns when its bytes are durable; its name need not be. A name that is there already is
	// fs.ErrExist. After any other error a part of the file may be there.
	Write(name string, data []byte) error
	// Rename gives a file another name, in place of what has that name; after a power cut one of both names holds the file.
	Rename(from, to string) error
	// Remove takes a name away. A store removes nothing but what it failed to write.
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
}

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
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (system) Read(name string, most int) ([]byte, error) {
	info, err := os.Lstat(name)
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
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(data) > most {
		return nil, fmt.Errorf("%s: more than %d bytes", name, most)
	}
	return data, err
}

func (system) Write(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (system) Rename(from, to string) error { return os.Rename(from, to) }

func (system) Remove(name string) error { return os.Remove(name) }

func (system) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // NTFS journals names by itself and offers no call for it
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
