// Files that are read once: what is checked is what batches are bound to, whatever becomes of the files meanwhile.

package registry

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"github.com/batchkit/batchkit/batch"
)

// source is a tree of files of which each is read once. It is used by one goroutine.
type source struct {
	fs.FS
	have   map[string]*content // by name
	opened map[string]*content // since it was emptied
}

// content is a file as it was read, or why it was not.
type content struct {
	info fs.FileInfo
	data []byte
	err  error
}

// Open implements fs.FS; a directory is opened as it is.
func (s *source) Open(name string) (fs.File, error) {
	c := s.get(name)
	if c.err != nil {
		return nil, c.err
	}
	if c.info.IsDir() {
		return s.FS.Open(name)
	}
	if s.opened != nil {
		s.opened[name] = c
	}
	return &opened{c.info, bytes.NewReader(c.data)}, nil
}

func (s *source) get(name string) *content {
	c := s.have[name]
	if c == nil {
		c = &content{}
		c.info, c.data, c.err = readFile(s.FS, name)
		s.have[name] = c
	}
	return c
}

// readFile reads a file of at most batch.MaxFile bytes; of a directory it gives the info alone.
func readFile(from fs.FS, name string) (info fs.FileInfo, data []byte, err error) {
	f, err := from.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil || info.IsDir() {
		return info, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("registry: %s is no file", name)
	}
	if data, err = io.ReadAll(io.LimitReader(f, batch.MaxFile+1)); err == nil && int64(len(data)) != info.Size() {
		err = fmt.Errorf("registry: %s: %d of %d bytes were read; at most %d are taken", name, len(data), info.Size(), batch.MaxFile)
	}
	return info, data, err
}

// read gives the bytes of a file, which are read-only.
func (s *source) read(name string) ([]byte, error) {
	c := s.get(name)
	if c.err == nil && c.info.IsDir() {
		return nil, fmt.Errorf("registry: %s is a directory; name the file in it", name)
	}
	return c.data, c.err
}

// same tells whether the files have these bytes still.
func (s *source) same(data map[string][]byte) bool {
	for name, was := range data {
		if is, err := s.read(name); err != nil || !bytes.Equal(is, was) {
			return false
		}
	}
	return len(data) > 0
}

// opened is an open file in memory.
type opened struct {
	info fs.FileInfo
	*bytes.Reader
}

func (o *opened) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *opened) Close() error               { return nil }
