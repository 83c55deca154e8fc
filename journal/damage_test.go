// Torn or damaged: files cut at every byte, and what Open makes of damage.
// Bits, sectors and segments are for enumerate_test.go.

package journal_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// sample is a journal with two epochs; its last group holds the given bodies.
type sample struct {
	d       *journaltest.Disk
	sizes   []int
	acked   int // records before the last group
	from    int // offset of the last group in segment 2
	to      int
	lastSeg string
}

// newSample makes a journal whose last writer was cut off after its last
// group, or closed.
func newSample(t *testing.T, closed bool) sample {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{20, 33}, []int{1, 300, 8})
	require.NoError(t, w.Close())
	w, _, err = journal.Open(dir, head, options(d))
	require.NoError(t, err)
	write(t, w, []int{100}, []int{15, 16, 17})
	rec, _ := scan(t, dir, options(d))
	from := int(rec.Offset)
	write(t, w, []int{64, 9, 101})
	rec, _ = scan(t, dir, options(d))
	s := sample{
		sizes: []int{20, 33, 1, 300, 8, 100, 15, 16, 17, 64, 9, 101}, acked: 9,
		from: from, to: int(rec.Offset), lastSeg: path(seg2),
	}
	if closed {
		require.NoError(t, w.Close())
	}
	s.d = d.Copy()
	return s
}

func (s sample) last() []byte { return s.d.Content(s.lastSeg) }

// replaced returns the disk with other content in one file.
func (s sample) replaced(name string, content []byte) *journaltest.Disk {
	d := s.d.Copy()
	d.Put(name, content)
	return d
}

// goOn opens a recovered journal, appends one record and checks the whole.
func goOn(t *testing.T, d *journaltest.Disk, sizes ...int) *journal.Recovery {
	t.Helper()
	w, rec, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	require.Equal(t, uint64(len(sizes)), rec.Head.N)
	require.Equal(t, rec.Head, w.Head())
	require.Equal(t, rec.Head.N, w.Durable())
	write(t, w, []int{44})
	require.NoError(t, w.Close())
	after, got := scan(t, dir, options(d))
	require.Equal(t, journal.Clean, after.Outcome, "%v", after.Path)
	wantBodies(t, got, append(slices.Clone(sizes), 44)...)
	return rec
}

func TestACutAtEveryByteOfTheLastGroupLosesOnlyThatGroup(t *testing.T) {
	s := newSample(t, false)
	rng := rand.New(rand.NewPCG(3, 0))
	whole := s.last()
	for cut := s.from; cut <= s.to; cut++ {
		zeroed := slices.Clone(whole)
		clear(zeroed[cut:s.to])
		garbage := slices.Clone(whole)
		for i := cut; i < s.to; i++ {
			garbage[i] = byte(rng.Uint32())
		}
		for name, content := range map[string][]byte{"truncated": whole[:cut], "zeros": zeroed, "garbage": garbage} {
			where := fmt.Sprintf("%s at byte %d", name, cut)
			want := s.acked
			if bytes.Equal(content, whole) || name == "truncated" && cut == s.to {
				want = len(s.sizes)
			}
			d := s.replaced(s.lastSeg, content)
			rec, got := scan(t, dir, options(d))
			require.Contains(t, []journal.Outcome{journal.Clean, journal.TornTail}, rec.Outcome, "%s: %v", where, rec.Path)
			require.Len(t, got, want, where)
			require.Zero(t, rec.Missing)
			if want == s.acked {
				require.Equal(t, int64(s.from), rec.Offset)
				require.Equal(t, used(content[s.from:min(s.to, len(content))]) > 0 || name == "truncated", rec.Outcome == journal.TornTail, where)
			}
			if cut%16 == 0 {
				wantQuarantine(t, d, goOn(t, d, s.sizes[:want]...), content)
			}
		}
	}
}

func used(b []byte) int { return len(bytes.TrimRight(b, "\x00")) }

// wantQuarantine checks that the torn bytes were set aside and nothing else touched.
func wantQuarantine(t *testing.T, d *journaltest.Disk, rec *journal.Recovery, content []byte) {
	t.Helper()
	require.Equal(t, content, d.Content(path(seg2)), "the old segment is left as it was")
	torn := content[rec.Offset : rec.Offset+rec.TailBytes]
	if len(torn) == 0 {
		require.Empty(t, rec.Quarantined)
		return
	}
	require.Equal(t, journal.Hash(sha256.Sum256(torn)), rec.TailDigest)
	require.Contains(t, rec.Quarantined, rec.TailDigest.String())
	require.Equal(t, torn, d.Content(rec.Quarantined))
}

func TestAChangeOfWhatWasSetAsideIsNoticed(t *testing.T) {
	s := newSample(t, true)
	raw := slices.Clone(s.last())
	copy(raw[50000:], "torn bytes")
	d := s.replaced(s.lastSeg, raw)
	goOn(t, d, s.sizes...)
	rec, _ := scan(t, dir, options(d))
	require.Zero(t, rec.Warnings, "%v", rec.Path)
	raw[50003] ^= 1
	d.Put(s.lastSeg, raw)
	rec, _ = scan(t, dir, options(d))
	require.Equal(t, journal.Clean, rec.Outcome)
	require.Equal(t, 1, rec.Warnings, "%v", rec.Path)
}

func TestMoreBrokenBytesThanCanBeInFlightAreDamage(t *testing.T) {
	d := journaltest.NewDisk()
	opt := &journal.Options{Storage: d, Segment: 256 << 10, Pending: 72 << 10}
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	write(t, w, []int{10, 10})
	rec, _ := scan(t, dir, opt)
	for _, c := range []struct {
		bytes int
		want  journal.Outcome
	}{{1, journal.TornTail}, {72<<10 + 512, journal.TornTail}, {72<<10 + 513, journal.Damaged}} { // all of Pending, and its commit frame
		bad := d.Copy()
		raw := bad.Content(path(seg1))
		for i := range c.bytes {
			raw[int(rec.Offset)+i] = 0xA5
		}
		bad.Put(path(seg1), raw)
		got, _ := scan(t, dir, &journal.Options{Storage: bad})
		require.Equal(t, c.want, got.Outcome, "%d bytes: %v", c.bytes, got.Path)
	}
}

func TestOpenRefusesADamagedJournalAndChangesNothing(t *testing.T) {
	s := newSample(t, true)
	raw := slices.Clone(s.d.Content(path(seg1)))
	raw[headerSize+40] ^= 4
	d := s.replaced(path(seg1), raw)
	before := contents(d)
	w, rec, err := journal.Open(dir, head, options(d))
	require.Nil(t, w)
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.ErrorContains(t, err, "record 1 was acknowledged, or may have been, and cannot be read")
	require.Equal(t, uint64(1), rec.Missing)
	require.Equal(t, before, contents(d))
	_, _, err = journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrDamaged, "and again: the lock was given back")
}

func contents(d *journaltest.Disk) map[string]string {
	all := map[string]string{}
	for _, name := range d.Files() {
		all[name] = string(d.Content(name))
	}
	return all
}

// fiveSegments makes a journal of five full segments and returns its body sizes.
func fiveSegments(t *testing.T) (*journaltest.Disk, []int) {
	d := journaltest.NewDisk()
	w, err := journal.Create(dir, head, &journal.Options{Storage: d, Segment: small})
	require.NoError(t, err)
	sizes := slices.Repeat([]int{20000}, 14)
	write(t, w, sizes)
	require.NoError(t, w.Close())
	return d.Copy(), sizes
}

func TestASegmentOfAnotherJournalOrFormatIsForeign(t *testing.T) {
	base, sizes := fiveSegments(t)
	other := journaltest.NewDisk()
	w, err := journal.Create(dir, journal.Header{JournalID: "other"}, &journal.Options{Storage: other, Segment: small})
	require.NoError(t, err)
	write(t, w, slices.Repeat([]int{60000}, 7))
	require.NoError(t, w.Close())
	name := func(n int) string { return filepath.Join(dir, "segments", fmt.Sprintf("%08d.seg", n)) }
	for claim, c := range map[string]struct {
		from, to int
		want     journal.Outcome
		get      int
		reason   string
	}{
		"in its place":         {5, 5, journal.Foreign, 12, `segment 5 belongs to journal "other"`},
		"behind the last":      {6, 6, journal.Foreign, len(sizes), `segment 6 belongs to journal "other"`},
		"under another number": {1, 5, journal.Damaged, 12, ""},
	} {
		d := base.Copy()
		d.Put(name(c.to), other.Content(name(c.from)))
		rec, got := scan(t, dir, options(d))
		require.Equal(t, c.want, rec.Outcome, claim)
		require.Contains(t, rec.Reason, c.reason, claim)
		require.Len(t, got, c.get, claim)
		before := contents(d)
		_, _, err = journal.Open(dir, head, options(d))
		require.Error(t, err)
		require.Equal(t, c.want == journal.Foreign, errors.Is(err, journal.ErrForeign), claim)
		require.Equal(t, before, contents(d), claim)
	}
}

func TestCreateLeavesAloneWhateverItFinds(t *testing.T) {
	s := newSample(t, true)
	torn, damaged := s.last(), s.d.Content(path(seg1))
	copy(torn[50000:], "torn bytes")
	damaged[headerSize+40] ^= 4
	for name, d := range map[string]*journaltest.Disk{
		"whole": s.d.Copy(), "torn": s.replaced(s.lastSeg, torn), "damaged": s.replaced(path(seg1), damaged),
	} {
		before := contents(d)
		_, err := journal.Create(dir, head, options(d))
		require.ErrorIs(t, err, journal.ErrExists, name)
		require.Equal(t, before, contents(d), name)
	}
}

func TestAJournalWhoseNameCannotBeReadIsDamagedAndNotForeign(t *testing.T) {
	s := newSample(t, true)
	raw := s.d.Content(path(seg1))
	clear(raw[:headerSize])
	clear(raw[len(raw)-headerSize:])
	d := s.replaced(path(seg1), raw)
	d.Lose(path(seg2))
	_, rec, err := journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.NotErrorIs(t, err, journal.ErrForeign)
	require.Empty(t, rec.JournalID)
}

func TestAnErrorOfTheCallbackEndsTheScanInAnySegment(t *testing.T) {
	whole, sizes := fiveSegments(t)
	other := journaltest.NewDisk()
	w, err := journal.Create(dir, journal.Header{JournalID: "other"}, options(other))
	require.NoError(t, err)
	for range 6 {
		write(t, w, []int{60000})
	}
	foreign := whole.Copy()
	behind := filepath.Join(dir, "segments", "00000006.seg")
	foreign.Put(behind, other.Content(behind))
	enough := errors.New("enough")
	for name, d := range map[string]*journaltest.Disk{"whole": whole, "with a foreign segment": foreign} {
		for last := 1; last <= len(sizes); last++ {
			n := 0
			_, err := journal.Scan(dir, func(uint64, []byte, journal.Chain) error {
				if n++; n == last {
					return enough
				}
				return nil
			}, options(d))
			require.ErrorIs(t, err, enough, "%s, record %d", name, last)
			require.Equal(t, last, n, name)
		}
	}
}
