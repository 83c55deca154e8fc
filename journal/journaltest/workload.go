// Workloads: short lives of a journal, each a word whose letters are its steps.

package journaltest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/batchkit/batchkit/journal"
)

const (
	dir     = "j"
	segment = 72 << 10
	steps   = "smlhxRCK"
)

func header() journal.Header { return journal.Header{JournalID: "B-0001"} }

// sizes returns the bodies of the group that a letter stands for.
func sizes(step byte) []int {
	switch step {
	case 's': // two sectors
		return []int{40}
	case 'm': // three
		return []int{20, 400, 700}
	case 'l': // nine
		return []int{2000, 2300}
	case 'h': // most of a segment
		return []int{30000, 30000}
	case 'x': // split where a segment ends
		return []int{900, 30000, 30000}
	}
	return nil
}

// words returns the workloads of a run. Beside the groups, R makes a reserve,
// C closes the journal and opens it, K does so without closing, and D releases
// all segments but the one in use.
func words(long bool, seed uint64) []string {
	all := []string{"", "sms", "smCm", "hhs", "hRhs", "hxCs", "sKsKs", "RhhCs", "mKhRhs", "hRKhs", "lml", "hhhRhh", "CCsC", "hKhKh", "hhhD", "hDhhDs", "hhDKhDC", "hDCD"}
	if long {
		rng := rand.New(rand.NewPCG(seed, 7))
		for range 85 {
			var w []byte
			for range 3 + rng.IntN(4) {
				w = append(w, steps[rng.IntN(len(steps))])
			}
			all = append(all, string(w))
		}
	}
	last := []string{""}
	for range 2 { // all of one letter, then all of two
		var next []string
		for _, w := range last {
			for _, s := range steps {
				next = append(next, w+string(s))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// body returns the body of record n; each writer's are its own.
func body(n uint64, size int, writer int) []byte {
	b := fmt.Appendf(make([]byte, 0, size), `{"n":%d,"w":%d,"x":"`, n, writer)
	for i := len(b); i < size; i++ {
		b = append(b, 'a'+byte((uint64(i)*7+n)%26))
	}
	return b[:size]
}

// history is what writers were told and what they had appended.
type history struct {
	bodies [][]byte
	chains []journal.Chain
	ends   map[uint64]int // last records of groups, and the sectors written then
	acked  uint64
	writer int

	releases map[uint64]uint64 // by number of the record, the last one that it releases
}

func newHistory() *history { return &history{ends: map[uint64]int{}, releases: map[uint64]uint64{}} }

func (h *history) appended() uint64 { return uint64(len(h.bodies)) }

// clone returns a history that goes on by itself after record n.
func (h *history) clone(n uint64) *history {
	c := &history{acked: n, writer: h.writer + 1, ends: map[uint64]int{n: 0}, releases: map[uint64]uint64{}}
	for seq, last := range h.releases {
		if seq <= n {
			c.releases[seq] = last
		}
	}
	c.bodies, c.chains = slices.Clip(h.bodies[:n]), slices.Clip(h.chains[:n])
	for end, log := range h.ends {
		if end <= n {
			c.ends[end] = log
		}
	}
	return c
}

// process is one that keeps a journal on a disk, and starts again after K, C
// and failures.
type process struct {
	d    *Disk
	st   journal.Storage
	w    *journal.Writer
	h    *history
	wrap func(journal.Storage) journal.Storage
}

func (p *process) options() *journal.Options {
	return &journal.Options{Storage: p.st, Segment: segment, Pending: segment, OnDurable: func(seq uint64) {
		p.h.acked = seq
		p.h.ends[seq] = len(p.d.log)
	}}
}

// errHead is in the error of a start that found too few records or too many.
var errHead = errors.New("opened at a wrong record")

// start opens the journal, or creates it where there is none.
func (p *process) start() (*journal.Recovery, error) {
	p.d.locks = map[string]bool{}
	p.w = nil
	p.st = p.wrap(p.d)
	w, rec, err := journal.Open(dir, header(), p.options())
	if errors.Is(err, journal.ErrNone) {
		w, err = journal.Create(dir, header(), p.options())
	}
	if err != nil {
		return rec, err
	}
	n := w.Head().N
	if n < p.h.acked || n > p.h.appended() {
		return rec, fmt.Errorf("%w: it goes on after record %d; acknowledged are %d, appended %d", errHead, n, p.h.acked, p.h.appended())
	}
	p.w = w
	if _, ok := p.h.ends[n]; !ok {
		p.h.ends[n] = len(p.d.log)
	}
	p.h = p.h.clone(n)
	return rec, nil
}

// group appends records of these sizes and commits them.
func (p *process) group(sizes []int) error {
	splits := sizes[0] == 900
	for i, size := range sizes {
		if err := p.append(body(p.h.appended()+1, size, p.h.writer), splits || i == len(sizes)-1); err != nil {
			return err
		}
	}
	return p.w.Commit()
}

// append appends a record, which may become the last of a group.
func (p *process) append(b []byte, ends bool) error {
	var c journal.Chain
	if n := len(p.h.chains); n > 0 {
		c = p.h.chains[n-1]
	}
	if err := p.w.Append(c.N+1, b); err != nil {
		return err
	}
	c.Add(b)
	p.h.bodies, p.h.chains = append(p.h.bodies, b), append(p.h.chains, c)
	if ends {
		p.h.ends[c.N] = math.MaxInt
	}
	return nil
}

// step does what one letter stands for.
func (p *process) step(step byte) error {
	switch step {
	case 'R':
		return p.w.Reserve()
	case 'C':
		err := p.close()
		_, again := p.start()
		return errors.Join(err, again)
	case 'K':
		p.w = nil
		_, err := p.start()
		return err
	}
	if step == 'D' {
		return p.release()
	}
	return p.group(sizes(step))
}

// run does the whole of a word and closes. After an error it closes and starts
// again, as a supervisor makes a process do; one start that fails is tried
// once more.
func (p *process) run(word string) error {
	all := p.restart()
	for _, s := range []byte(word) {
		if p.w == nil {
			return all
		}
		err := p.step(s)
		if err == nil {
			continue
		}
		all = errors.Join(all, err)
		if s != 'R' { // a reserve that failed leaves the writer as it was
			all = errors.Join(all, p.close(), p.restart())
		}
	}
	return errors.Join(all, p.close())
}

// restart starts, at the second attempt if need be.
func (p *process) restart() error {
	_, err := p.start()
	if err != nil {
		_, again := p.start()
		err = errors.Join(err, again)
	}
	return err
}

// close closes the journal if it is open.
func (p *process) close() error {
	if p.w == nil {
		return nil
	}
	return p.w.Close()
}

// cutPoint is a disk between two calls, and what the writer knew then.
type cutPoint struct {
	call     int // the next one
	disk     *Disk
	h        *history
	acked    uint64
	appended uint64
}

// watch calls f and returns the disk before each call and at the end.
func (p *process) watch(f func() error) ([]cutPoint, error) {
	var all []cutPoint
	note := func() {
		all = append(all, cutPoint{p.d.calls + 1, p.d.snapshot(), p.h, p.h.acked, p.h.appended()})
	}
	p.d.before = note
	err := f()
	p.d.before = nil
	note()
	return all, err
}

func segments() string { return filepath.Join(dir, "segments") }
