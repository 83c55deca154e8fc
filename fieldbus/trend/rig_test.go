// What the tests share: samples that follow from their numbers, rings on simulated disks, and what is read from them.

package trend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// sampleOf is the sample that the tests put as the nth.
func sampleOf(n uint64) trend.Sample {
	return trend.Sample{Channel: fmt.Sprintf("ai/%d", n%7), Form: tag.Form(n % 4), Bits: n * 0x9E3779B97F4A7C15, Quality: tag.Quality(n % 3),
		Status: fieldbus.Status(n), Mono: int64(n) * 1_000_000, UTC: 1_800_000_000_000_000_000 + int64(n)}
}

// source puts samples, and remembers what has which number.
type source struct {
	n   uint64
	put map[uint64]trend.Sample // by number; those that the ring has refused are not in it
}

func newSource() *source { return &source{put: map[uint64]trend.Sample{}} }

// give puts one sample; a number that was given before is a fault, unless nobody can have seen it.
func (s *source) give(r *trend.Ring) bool {
	s.n++
	one := sampleOf(s.n)
	took := r.Put(one)
	one.Seq = r.Stats().Taken
	if took {
		s.put[one.Seq] = one
	}
	return took
}

func small(st journal.Storage) *trend.Options {
	return &trend.Options{Segment: trend.MinSegment, Budget: 3 * trend.MinSegment, Storage: st}
}

func open(t testing.TB, st journal.Storage) *trend.Ring {
	t.Helper()
	r, err := trend.Open("ring", small(st))
	require.NoError(t, err)
	return r
}

// all reads what a ring holds.
func all(r *trend.Ring) (list []trend.Sample, err error) {
	after := uint64(0)
	for {
		some, err := r.Read(after, 50, nil)
		if err != nil || len(some) == 0 {
			return list, err
		}
		list = append(list, some...)
		after = some[len(some)-1].Seq
	}
}

// honest holds what was read against what was put.
func (s *source) honest(list []trend.Sample) error {
	before := uint64(0)
	for _, one := range list {
		if was, is := s.put[one.Seq]; !is || was != one || one.Seq <= before {
			return fmt.Errorf("number %d behind %d: read %+v, put %+v", one.Seq, before, one, was)
		}
		before = one.Seq
	}
	return nil
}

// losses are what a cut may leave of so many names and sectors.
func losses(names, sectors int, rng *rand.Rand) (some []journaltest.Loss) {
	fill := func(n int, letters string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	for _, letters := range []string{"0", "1", "01", "01", "01zfrabcdefgABCDEFG", "1zfrabcdefgABCDEFG"} {
		some = append(some, journaltest.Loss{Names: fill(names, "01"), Sectors: fill(sectors, letters)},
			journaltest.Loss{Names: fill(names, "1"), Sectors: fill(sectors, letters)})
	}
	return some
}

// historian is a sink that keeps a number once, fails as chance has it, and may be away.
type historian struct {
	mu     sync.Mutex
	rng    *rand.Rand // nil: it does not fail by chance
	away   bool
	has    uint64
	kept   []trend.Sample
	by     map[uint64]trend.Sample
	again  int // samples that it had already
	failed int
	unsaid uint64 // samples that it took in an answer that was lost
	wrong  error
}

func (h *historian) set(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
}

var errAway = errors.New("historian is away")

func (h *historian) Send(_ context.Context, batch []trend.Sample) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[uint64]trend.Sample{}
	}
	how := 9
	if h.rng != nil {
		how = h.rng.IntN(12)
	}
	if h.away || how == 0 {
		h.failed++
		return 0, errAway
	}
	n := len(batch)
	if how == 1 { // it takes some
		n = h.rng.IntN(n + 1)
	}
	for _, one := range batch[:n] {
		if one.Seq <= h.has {
			h.again++
			if was, is := h.by[one.Seq]; is && was != one {
				h.wrong = fmt.Errorf("number %d stands for two samples: %+v and %+v", one.Seq, was, one)
			}
			continue
		}
		h.has, h.by[one.Seq] = one.Seq, one
		h.kept = append(h.kept, one)
		if how == 2 {
			h.unsaid++
		}
	}
	switch how {
	case 2: // it took all, and its answer is lost
		return 0, errAway
	case 3: // it took all and says so, with an error
		return h.has, errAway
	}
	return h.has, nil
}
