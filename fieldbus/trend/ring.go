// The ring: samples wait in memory, are written to the newest segment, and the oldest segment goes when there is no room.

package trend

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/batchkit/batchkit/journal"
)

// Limits of a ring.
const (
	DefaultBudget  = 64 << 20
	DefaultSegment = 256 << 10
	MinSegment     = 4 << 10
	MaxSegment     = 4 << 20
	MaxSegments    = 4096 // files of a ring; beyond it the oldest goes though there is room
	MaxQueue       = 4096 // samples in memory that wait for the disk
	// MaxLoss is how many numbers at most a cut of power takes of those that could be read, and how many are passed over behind
	// one.
	MaxLoss     = 4096
	defaultSync = time.Minute
	maxNumber   = math.MaxUint64 / 2
	triesToRead = 3
)

// Options of a Ring; nil means all zero.
type Options struct {
	Budget  int64           // bytes on disk, at least three segments; 0: DefaultBudget
	Segment int             // bytes of a segment, MinSegment to MaxSegment; 0: DefaultSegment
	Sync    time.Duration   // longest time for which what was written may be lost by a cut of power; 0: 1 min
	Storage journal.Storage // nil: the operating system's
}

// Stats are the numbers of a ring.
type Stats struct {
	Taken   uint64 // the last number given, in earlier lives too: samples that were offered, and numbers that were passed over
	Stored  uint64 // samples on disk
	Waiting uint64 // samples in memory
	// Since Open:
	Shed    uint64 // samples for which there was no room in memory, since the disk was slow
	Failed  uint64 // samples that the disk did not take
	Evicted uint64 // samples that went with their segments, sent or not
	// Found by Open:
	Torn    int64  // bytes that were no whole frame and were passed over
	Skipped uint64 // numbers that were passed over, since it is not known which were given: the writer before has not ended well
	Fault   error  // what the disk said last when it failed; nil: it has not
}

// segment is one file of a ring.
type segment struct {
	number      uint64
	first, last uint64 // numbers of samples that can be read; last < first: none
	count       uint64
	passed      uint64 // numbers before first that were passed over, ever
	used        int64
	refused     int // how often it could not be read
}

// Ring is a bounded ring of samples on disk. It may be used from any goroutine; only one process at a time has it.
//
// Put keeps a sample in memory and never waits for the disk. Flush writes what is in memory, with one write, and flushes the
// device only every Options.Sync or MaxLoss/2 numbers. So what was flushed outlives the process, however that dies; a cut of power
// takes what was written within Options.Sync at most, and what was in memory is lost with both. A frame is 46 bytes and the name
// of its channel: ten channels once a second with names of 12 bytes are 50 MB a day, and a flush of the device each minute some 20
// MB more of pages that are written again.
type Ring struct {
	dir string
	st  journal.Storage
	opt Options

	mu      sync.Mutex // guards what follows, and is never held while the disk works
	queue   []Sample
	spare   []Sample
	next    uint64
	passed  uint64 // numbers that were passed over, ever
	stats   Stats
	closed  bool
	segs    []segment
	flushed int64 // when the device was flushed last

	disk   sync.Mutex // one at a time at the disk; taken before mu
	lock   io.Closer
	file   journal.File // of the last segment; nil: the next write begins one
	number uint64       // of the last segment there ever was
	found  uint64       // the greatest number that Open has found; 0 once there is a segment of this life
	synced uint64       // the last number that a cut of power leaves, or that a durable header tells of
	buf    []byte
	raw    []byte
}

// Put takes in a sample and gives it its number; what Seq holds is overwritten. Where MaxQueue samples wait it is dropped, which
// the numbers show, and false is returned, as it is for one that cannot be kept, which gets no number, and on a closed ring. It
// never blocks.
func (r *Ring) Put(s Sample) bool {
	if s.check() != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.next >= maxNumber {
		return false
	}
	s.Seq = r.next
	r.next++
	if len(r.queue) >= MaxQueue {
		r.stats.Shed++
		return false
	}
	r.queue = append(r.queue, s)
	return true
}

// Stats tells how the ring stands. It never blocks.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Taken, s.Waiting = r.next-1, uint64(len(r.queue))
	for i := range r.segs {
		s.Stored += r.segs[i].count
	}
	return s
}

// Flush writes what waits in memory, and flushes the device where that is due at this monotonic time. It blocks for the disk. What
// the disk does not take is dropped and counted, and the error says why; later samples are tried again.
func (r *Ring) Flush(now int64) error {
	r.disk.Lock()
	defer r.disk.Unlock()
	return r.flush(now)
}

func (r *Ring) flush(now int64) error {
	r.mu.Lock()
	batch := r.queue
	r.queue, r.spare = r.spare[:0], batch
	r.mu.Unlock()
	rest := batch
	var err error
	for len(rest) > 0 && err == nil {
		var n int
		n, err = r.write(rest)
		rest = rest[n:]
	}
	if err == nil && r.file != nil && r.unsynced() > 0 && (now-r.flushed >= int64(r.opt.Sync) || r.unsynced() > MaxLoss/2) {
		r.flushed = now
		err = r.sync()
	}
	if err != nil {
		err = fmt.Errorf("trend: ring %q: %d samples are lost: %w", r.dir, len(rest), err)
		r.mu.Lock()
		r.stats.Failed += uint64(len(rest))
		r.stats.Fault = err
		r.mu.Unlock()
	}
	return err
}

// unsynced is how many numbers of the last segment a cut of power may take.
func (r *Ring) unsynced() uint64 {
	if last := r.segs[len(r.segs)-1].last; last > r.synced {
		return last - r.synced
	}
	return 0
}

// write writes as many samples as fit the last segment, and returns how many. None may be read whose number is more than MaxLoss
// beyond what is durable, or a number that was sent might be given anew after a cut.
func (r *Ring) write(batch []Sample) (n int, err error) {
	if r.file != nil && batch[0].Seq-r.synced > MaxLoss {
		if err := r.sync(); err != nil {
			return 0, err
		}
		if batch[0].Seq-r.synced > MaxLoss {
			r.abandon() // the header of the next one tells of the number
		}
	}
	if r.file == nil {
		if err := r.roll(batch[0].Seq); err != nil {
			return 0, err
		}
	}
	last := &r.segs[len(r.segs)-1]
	r.buf = r.buf[:0]
	for n < len(batch) && batch[n].Seq-r.synced <= MaxLoss && last.used+int64(len(r.buf))+frameLimit+sector <= int64(r.opt.Segment) {
		r.buf = encode(r.buf, kindSample, &batch[n], last.number)
		n++
	}
	if n == 0 { // it is full
		err := r.sync()
		r.abandon()
		return 0, err
	}
	if err := r.put(r.buf, last.used); err != nil {
		return 0, err
	}
	r.mu.Lock()
	last.last = batch[n-1].Seq
	last.count += uint64(n)
	last.used += int64(len(r.buf))
	r.mu.Unlock()
	return n, nil
}

func (r *Ring) put(b []byte, at int64) error {
	n, err := r.file.WriteAt(b, at)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// sync flushes the device. After an error it is not known what is durable, and another segment is begun.
func (r *Ring) sync() error {
	if err := r.file.Sync(); err != nil {
		r.abandon()
		return err
	}
	last := &r.segs[len(r.segs)-1]
	r.synced = max(r.synced, last.last)
	r.mu.Lock()
	last.used = padded(last.used) // a write that is torn ruins the sectors that it wrote, and none of what is durable
	r.mu.Unlock()
	return nil
}

// abandon ends the last segment; the next write begins one.
func (r *Ring) abandon() {
	if r.file != nil {
		_ = r.file.Close() // makes nothing durable
		r.file = nil
	}
}

// roll begins a segment, and makes its name and its header durable before anything in it can be read.
func (r *Ring) roll(first uint64) error {
	if err := r.evict(); err != nil {
		return err
	}
	r.number++
	name := filepath.Join(r.dir, segmentName(r.number))
	f, err := r.st.Create(name)
	if err != nil {
		return err
	}
	r.file = f
	if err = r.put(header(r.number, first, uint32(min(r.passed, first-1, math.MaxUint32))), 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = r.st.SyncDir(r.dir)
	}
	if err != nil {
		r.abandon()
		return errors.Join(err, ignoreMissing(r.st.Remove(name)))
	}
	r.synced = max(r.synced, first-1)
	r.mu.Lock()
	r.segs = append(r.segs, segment{number: r.number, first: first, last: first - 1, passed: r.passed, used: padded(headerSize)})
	r.mu.Unlock()
	r.found = 0
	return nil
}

// evict removes the oldest segments until another one has room.
func (r *Ring) evict() error {
	for {
		var used int64
		for i := range r.segs {
			used += r.segs[i].used
		}
		if len(r.segs) == 0 || used+int64(r.opt.Segment) <= r.opt.Budget && len(r.segs) < MaxSegments {
			return nil
		}
		if err := ignoreMissing(r.st.Remove(filepath.Join(r.dir, segmentName(r.segs[0].number)))); err != nil {
			return err
		}
		r.mu.Lock()
		r.stats.Evicted += r.segs[0].count
		r.segs = append(r.segs[:0:0], r.segs[1:]...)
		r.mu.Unlock()
	}
}

// Close writes what waits, makes it durable with a mark that the writer has ended well, and gives the ring back. It blocks for the
// disk.
func (r *Ring) Close() error {
	r.disk.Lock()
	defer r.disk.Unlock()
	r.mu.Lock()
	done := r.closed
	r.closed = true
	r.mu.Unlock()
	if done {
		return nil
	}
	err := r.flush(r.flushed)
	if r.file != nil && err == nil {
		last := &r.segs[len(r.segs)-1]
		if err = r.put(encode(nil, kindMark, &Sample{Seq: r.next}, last.number), last.used); err == nil {
			err = r.sync()
		}
	}
	r.abandon()
	return errors.Join(err, r.lock.Close())
}

// padded is where the next sector begins.
func padded(used int64) int64 { return (used + sector - 1) / sector * sector }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
