// Opening a ring, whatever was left of it, and reading from it.

package trend

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/batchkit/batchkit/journal"
)

// Open opens the ring in dir, whose parent must exist, and makes an empty one where there is none. It reads every segment, passes
// over what is torn, and writes nothing. It fails with journal.ErrInUse where another process has it. What is found stands in
// Stats.
func Open(dir string, o *Options) (*Ring, error) {
	r := &Ring{dir: dir, next: 1}
	if o != nil {
		r.opt = *o
	}
	if r.opt.Segment == 0 {
		r.opt.Segment = DefaultSegment
	}
	if r.opt.Budget == 0 {
		r.opt.Budget = DefaultBudget
	}
	if r.opt.Sync == 0 {
		r.opt.Sync = defaultSync
	}
	if r.opt.Segment < MinSegment || r.opt.Segment > MaxSegment || r.opt.Budget < 3*int64(r.opt.Segment) || r.opt.Sync < 0 {
		return nil, fmt.Errorf("trend: ring %q: Budget %d, Segment %d, Sync %s: a segment has %d to %d bytes, the budget holds three at least, "+
			"and the time is not negative", dir, r.opt.Budget, r.opt.Segment, time.Duration(r.opt.Sync), MinSegment, MaxSegment)
	}
	if r.st = r.opt.Storage; r.st == nil {
		r.st = journal.System()
	}
	err := r.st.Mkdir(dir)
	if err == nil {
		err = r.st.SyncDir(filepath.Dir(dir))
	}
	if err == nil {
		r.lock, err = r.st.Lock(filepath.Join(dir, "lock"))
	}
	if err != nil {
		return nil, fmt.Errorf("trend: ring %q: %w", dir, err)
	}
	if err := r.find(); err != nil {
		return nil, errors.Join(fmt.Errorf("trend: ring %q: %w", dir, err), r.lock.Close())
	}
	return r, nil
}

// find takes in what lies on the disk.
func (r *Ring) find() error {
	names, err := r.st.List(r.dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	greatest, well := uint64(0), true
	for _, name := range names {
		s := segment{}
		if n, err := fmt.Sscanf(name, "%016d.trend", &s.number); n != 1 || err != nil || segmentName(s.number) != name {
			continue
		}
		b, err := r.st.Read(filepath.Join(r.dir, name), MaxSegment, r.raw)
		if err != nil {
			return fmt.Errorf("segment %d: %w; move it elsewhere to go on without it", s.number, err)
		}
		r.raw, r.number, well = b, s.number, false
		s.used = int64(len(b))
		if first, passed, ok := readHeader(b, s.number); ok {
			s.first, s.last, s.passed = first, first-1, uint64(passed)
			r.passed = max(r.passed, s.passed)
			greatest = max(greatest, first-1)
		}
		r.stats.Torn += int64(scan(b, s.number, func(one *Sample, kind byte, last bool) bool {
			if kind == kindMark {
				well = last
				greatest = max(greatest, one.Seq-1)
				return true
			}
			if s.count++; s.count == 1 {
				s.first = one.Seq
			}
			s.last = one.Seq
			greatest = max(greatest, one.Seq)
			return true
		}))
		r.segs = append(r.segs, s)
	}
	r.next = greatest + 1
	if !well {
		r.next += MaxLoss
		r.stats.Skipped = MaxLoss
		r.passed += MaxLoss
	}
	r.synced, r.found = greatest, greatest
	return nil
}

// settle has the next number be greater than one up to which a sink has all that it will ever get, though the disk may have lost some
// of that: they are not passed over. It is called before the first Flush.
func (r *Ring) settle(n uint64) {
	r.disk.Lock()
	defer r.disk.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == 0 && len(r.segs) > 0 || n <= r.found || n >= maxNumber-MaxLoss {
		return
	}
	r.passed -= r.stats.Skipped
	r.stats.Skipped = MaxLoss
	if n < r.next {
		r.stats.Skipped = r.next - 1 - n
	} else {
		r.next = n + MaxLoss + 1
	}
	r.passed += r.stats.Skipped
}

// Read appends to buf the oldest samples on disk whose numbers are greater than after, most at most, and of one segment only. What
// was not flushed cannot be read. It blocks for the disk. A segment that cannot be read three times is passed over for good; until
// then the error says why.
func (r *Ring) Read(after uint64, most int, buf []Sample) ([]Sample, error) {
	r.disk.Lock()
	defer r.disk.Unlock()
	for i := range r.segs {
		s := &r.segs[i]
		if s.last <= after || s.count == 0 {
			continue
		}
		from := len(buf)
		err := r.show(s, func(one *Sample) bool {
			if one.Seq > after {
				buf = append(buf, *one)
			}
			return len(buf)-from < most
		})
		if err != nil {
			if s.refused++; s.refused < triesToRead && !errors.Is(err, fs.ErrNotExist) {
				return buf, err
			}
			r.mu.Lock()
			r.stats.Failed += s.count
			r.stats.Fault = err
			s.count = 0
			r.mu.Unlock()
			continue
		}
		s.refused = 0
		if len(buf) > from {
			return buf, nil
		}
	}
	return buf, nil
}

// show goes through the samples of a segment that may be read.
func (r *Ring) show(s *segment, see func(one *Sample) bool) error {
	b, err := r.st.Read(filepath.Join(r.dir, segmentName(s.number)), MaxSegment, r.raw)
	if err != nil {
		return fmt.Errorf("trend: ring %q: segment %d: %w", r.dir, s.number, err)
	}
	r.raw = b
	scan(b, s.number, func(one *Sample, kind byte, _ bool) bool {
		return kind == kindMark || one.Seq <= s.last && see(one)
	})
	return nil
}

// passedUpTo counts the numbers up to one that were passed over, as far as segments tell that are still there.
func (r *Ring) passedUpTo(n uint64) (passed uint64) {
	r.disk.Lock()
	defer r.disk.Unlock()
	for i := range r.segs {
		if r.segs[i].first <= n {
			passed = max(passed, r.segs[i].passed)
		}
	}
	return passed
}

// behind counts the samples, on disk and in memory, whose numbers are greater than after, and the numbers that were ever passed over,
// and gives the last number that was given.
func (r *Ring) behind(after uint64) (held, passed, last uint64) {
	r.disk.Lock()
	defer r.disk.Unlock()
	for i := range r.segs {
		s := &r.segs[i]
		switch {
		case s.count == 0 || s.last <= after:
		case s.first > after:
			held += s.count
		case s.count == s.last-s.first+1:
			held += s.last - after
		default: // numbers are missing in it
			if r.show(s, func(one *Sample) bool {
				if one.Seq > after {
					held++
				}
				return true
			}) != nil {
				held += s.count
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return held + uint64(len(r.queue)), r.passed, r.next - 1
}
