// Stats: what a Writer has given its storage to do, for whoever reckons with the life of a medium.

package journal

import "sync/atomic"

// Stats are counts of one Writer since it was made. What recovery wrote is among them; what others wrote to the same medium, and
// what the file system and the medium make of it, is not.
type Stats struct {
	Payload  uint64 // bytes of the bodies that Append took
	Written  uint64 // bytes written to files: frames, headers, fillers and zeros
	ZeroFill uint64 // of these the zeros of new segments
	Flushes  uint64 // flushes of files and directories, those that failed included
	Segments uint64 // segment files that were made
}

// Stats returns the counts as they are now. It waits for nothing and does not allocate.
func (w *Writer) Stats() Stats {
	c := &w.count
	return Stats{Payload: c.payload.Load(), Written: c.written.Load(), ZeroFill: c.zeros.Load(), Flushes: c.flushes.Load(),
		Segments: c.segments.Load()}
}

// counts is what Stats are read from.
type counts struct{ payload, written, zeros, flushes, segments atomic.Uint64 }

// made counts a segment file.
func (c *counts) made(b *blank) {
	c.zeros.Add(uint64(b.size))
	c.segments.Add(1)
}

// counting is a storage that counts what is written through it.
type counting struct {
	Storage
	c *counts
}

func (s counting) Create(name string) (File, error) {
	f, err := s.Storage.Create(name)
	if err != nil {
		return nil, err
	}
	return countingFile{f, s.c}, nil
}

func (s counting) Settle(name string) error {
	s.c.flushes.Add(1)
	return s.Storage.Settle(name)
}

func (s counting) SyncDir(dir string) error {
	s.c.flushes.Add(1)
	return s.Storage.SyncDir(dir)
}

type countingFile struct {
	File
	c *counts
}

func (f countingFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.c.written.Add(uint64(max(n, 0)))
	return n, err
}

func (f countingFile) Sync() error {
	f.c.flushes.Add(1)
	return f.File.Sync()
}
