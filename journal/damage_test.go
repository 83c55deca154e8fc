// Torn or damaged: cuts at every byte, every bit flipped, segments that go missing.

package journal_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// sample is a journal with two epochs; its last group holds the given bodies.
type sample struct {
	d       *disk
	sizes   []int
	acked   int // records before the last group
	from    int // offset of the last group in segment 2
	to      int
	lastSeg string
}

// newSample makes a journal whose last writer was cut off after its last
// group, or closed.
func newSample(t *testing.T, closed bool) sample {
	d := newDisk()
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
	s.d = d.clone()
	return s
}

func (s sample) last() []byte { return s.d.nodes[s.lastSeg].cache }

// replaced returns the disk with other content in one file.
func (s sample) replaced(name string, content []byte) *disk {
	d := s.d.clone()
	d.nodes[name] = &node{cache: content, media: slices.Clone(content)}
	return d
}

// goOn opens a recovered journal, appends one record and checks the whole.
func goOn(t *testing.T, d *disk, sizes ...int) *journal.Recovery {
	t.Helper()
	w, rec, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	require.Equal(t, uint64(len(sizes)), rec.Head.N)
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
func wantQuarantine(t *testing.T, d *disk, rec *journal.Recovery, content []byte) {
	t.Helper()
	require.Equal(t, content, d.nodes[path(seg2)].cache, "the old segment is left as it was")
	torn := content[rec.Offset : rec.Offset+rec.TailBytes]
	if len(torn) == 0 {
		require.Empty(t, rec.Quarantined)
		return
	}
	require.Equal(t, journal.Hash(sha256.Sum256(torn)), rec.TailDigest)
	require.Contains(t, rec.Quarantined, rec.TailDigest.String())
	require.Equal(t, torn, d.nodes[rec.Quarantined].media)
}

// frozen is a disk whose reads are not copied, for scanning it many times.
type frozen struct{ *disk }

func (f frozen) Read(name string, _ []byte) ([]byte, error) { return f.nodes[name].cache, nil }

// flipper changes single bits of a journal and judges what Scan makes of each.
type flipper struct {
	s      sample
	bodies [][]byte
	chains []journal.Chain
	lossy  int // records of the last group that nothing promises
}

func newFlipper(s sample, lossy int) *flipper {
	f := &flipper{s: s, lossy: lossy}
	var c journal.Chain
	for i, size := range s.sizes {
		f.bodies = append(f.bodies, body(uint64(i+1), size))
		c.Add(f.bodies[i])
		f.chains = append(f.chains, c)
	}
	return f
}

// flip changes one bit: nothing may be silently wrong, and what is missing
// must be of the last group, if nothing promises it, or be called damaged.
func (f *flipper) flip(t *testing.T, name string, bit int) {
	t.Helper()
	raw := f.s.d.nodes[name].cache
	raw[bit/8] ^= 1 << (bit % 8)
	defer func() { raw[bit/8] ^= 1 << (bit % 8) }()
	n, wrong := 0, 0
	rec, err := journal.Scan(dir, func(_ uint64, b []byte, c journal.Chain) error {
		if !bytes.Equal(f.bodies[n], b) || c != f.chains[n] {
			wrong++
		}
		n++
		return nil
	}, &journal.Options{Storage: frozen{f.s.d}})
	ok := err == nil && wrong == 0
	all := len(f.s.sizes)
	switch {
	case !ok:
	case rec.Outcome == journal.Clean:
		ok = n == all && rec.Warnings > 0
	case rec.Outcome == journal.TornTail:
		ok = name == f.s.lastSeg && n >= all-f.lossy && (n < all) == (bit/8 >= f.s.from && bit/8 < f.s.to)
	default:
		ok = rec.Outcome == journal.Damaged && rec.Missing == uint64(n+1) && rec.Reason != ""
	}
	if !ok {
		require.Fail(t, "flip not judged rightly", "%s, byte %d, bit %d: %d of %d records, %d wrong, %v, %v",
			name, bit/8, bit%8, n, all, wrong, err, rec)
	}
}

// inUse returns the end of the bytes in use between the headers of a segment.
func (f *flipper) inUse(name string) int {
	return headerSize + used(f.s.d.nodes[name].cache[headerSize:small-headerSize])
}

func TestEveryFlippedBitIsNoticedAndOnlyTheUnpromisedGroupCanLookTorn(t *testing.T) {
	for name, closed := range map[string]bool{"cut off": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			lossy := 3
			if closed {
				lossy = 0
			}
			f := newFlipper(newSample(t, closed), lossy)
			for _, name := range []string{path(seg1), path(seg2)} {
				if closed && name == path(seg1) {
					continue // as in the other
				}
				end := f.inUse(name)
				for bit := range 8 * small {
					// Each bit in use and of both headers, and some of the zeros.
					if at := bit / 8; at < end+64 || at >= small-headerSize || bit%1009 == 0 {
						f.flip(t, name, bit)
					}
				}
			}
		})
	}
}

func TestFlipsAroundAnEndedSegmentAreNoticed(t *testing.T) {
	d := newDisk()
	w, err := journal.Create(dir, head, options(d))
	require.NoError(t, err)
	s := sample{sizes: []int{30000, 30000, 30000}, lastSeg: path(seg2)}
	write(t, w, s.sizes[:2], s.sizes[2:])
	require.NoError(t, w.Close())
	s.d = d.clone()
	f := newFlipper(s, 0)
	for _, name := range []string{path(seg1), path(seg2)} {
		end := f.inUse(name)
		for bit := range 8 * small {
			if at := bit / 8; at >= end-160 && at < end+16 || bit%499 == 0 {
				f.flip(t, name, bit)
			}
		}
	}
}

// The last sector of a closed journal holds the promise itself, often with the
// end of the group it promises: losing both is beyond what a chain can show.
func TestAZeroedOrSwappedSectorOfPromisedRecordsIsDamage(t *testing.T) {
	s := newSample(t, true)
	for _, seg := range []string{seg1, seg2} {
		whole := s.d.nodes[path(seg)].cache
		n := (used(whole[:small-headerSize]) + 511) / 512
		for i := 1; i < n; i++ {
			zeroed := slices.Clone(whole)
			clear(zeroed[i*512 : (i+1)*512])
			images := [][]byte{zeroed}
			for j := i + 1; j < n; j++ {
				swapped := slices.Clone(whole)
				copy(swapped[i*512:], whole[j*512:(j+1)*512])
				copy(swapped[j*512:], whole[i*512:(i+1)*512])
				images = append(images, swapped)
			}
			for k, img := range images {
				rec, got := scan(t, dir, options(s.replaced(path(seg), img)))
				at := fmt.Sprintf("%s sector %d image %d: %v", seg, i, k, rec.Path)
				if len(got) < len(s.sizes) && (seg != seg2 || i < s.to/512) {
					require.Equal(t, journal.Damaged, rec.Outcome, at)
				}
			}
		}
	}
}

func TestMoreBrokenBytesThanCanBeInFlightAreDamage(t *testing.T) {
	d := newDisk()
	opt := &journal.Options{Storage: d, Segment: 256 << 10, Pending: 72 << 10}
	w, err := journal.Create(dir, head, opt)
	require.NoError(t, err)
	write(t, w, []int{10, 10})
	rec, _ := scan(t, dir, opt)
	for _, c := range []struct {
		bytes int
		want  journal.Outcome
	}{{1, journal.TornTail}, {72 << 10, journal.TornTail}, {73 << 10, journal.Damaged}} {
		bad := d.clone()
		raw := bad.nodes[path(seg1)].cache
		for i := range c.bytes {
			raw[int(rec.Offset)+i] = 0xA5
		}
		got, _ := scan(t, dir, &journal.Options{Storage: bad})
		require.Equal(t, c.want, got.Outcome, "%d bytes: %v", c.bytes, got.Path)
	}
}

func TestOpenRefusesADamagedJournalAndChangesNothing(t *testing.T) {
	s := newSample(t, true)
	raw := slices.Clone(s.d.nodes[path(seg1)].cache)
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

func contents(d *disk) map[string]string {
	all := map[string]string{}
	for name, n := range d.nodes {
		if n != nil {
			all[name] = string(n.cache)
		}
	}
	return all
}

// fiveSegments makes a journal of five full segments and returns its body sizes.
func fiveSegments(t *testing.T) (*disk, []int) {
	d := newDisk()
	w, err := journal.Create(dir, head, &journal.Options{Storage: d, Segment: small})
	require.NoError(t, err)
	sizes := slices.Repeat([]int{20000}, 14)
	write(t, w, sizes)
	require.NoError(t, w.Close())
	return d.clone(), sizes
}

func TestAMissingMisnamedOrForeignSegmentIsNeverPassedOver(t *testing.T) {
	base, sizes := fiveSegments(t)
	name := func(n int) string { return filepath.Join(dir, "segments", fmt.Sprintf("%08d.seg", n)) }
	other := newDisk()
	w, err := journal.Create(dir, journal.Header{JournalID: "other"}, options(other))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for n := 1; n <= 5; n++ {
		verified := 3 * (n - 1)
		for what, c := range map[string]struct {
			change func(nodes map[string]*node)
			want   journal.Outcome
			get    int
		}{
			"removed": {func(m map[string]*node) { delete(m, name(n)) }, journal.Damaged, verified},
			"emptied": {func(m map[string]*node) { m[name(n)] = &node{} }, journal.Damaged, verified},
			"zeroed":  {func(m map[string]*node) { m[name(n)] = &node{cache: make([]byte, small)} }, journal.Damaged, verified},
			"renamed": {func(m map[string]*node) { m[name(9)] = m[name(n)]; delete(m, name(n)) }, journal.Damaged, verified},
			"copied":  {func(m map[string]*node) { m[name(9)] = m[name(n)] }, journal.Damaged, len(sizes)},
			"swapped": {func(m map[string]*node) { m[name(n)], m[name(n%5+1)] = m[name(n%5+1)], m[name(n)] }, journal.Damaged,
				min(verified, 3*(n%5))},
			"of another journal": {func(m map[string]*node) { m[name(5)] = other.nodes[name(1)] }, journal.Damaged, 12},
			"a stranger behind":  {func(m map[string]*node) { m[name(6)] = other.nodes[name(1)] }, journal.Clean, len(sizes)},
		} {
			d := base.clone()
			c.change(d.nodes)
			rec, got := scan(t, dir, options(d))
			require.Equal(t, c.want, rec.Outcome, "segment %d %s: %v", n, what, rec.Path)
			require.Len(t, got, c.get, "segment %d %s: %v", n, what, rec.Path)
			if rec.Outcome == journal.Damaged {
				require.Equal(t, uint64(c.get+1), rec.Missing)
			}
		}
	}
}

func TestASegmentOfAnotherJournalOrFormatIsForeign(t *testing.T) {
	base, sizes := fiveSegments(t)
	other := newDisk()
	w, err := journal.Create(dir, journal.Header{JournalID: "other"}, &journal.Options{Storage: other, Segment: small})
	require.NoError(t, err)
	write(t, w, slices.Repeat([]int{60000}, 7))
	require.NoError(t, w.Close())
	six := path("j/segments/00000006.seg")
	d := base.clone()
	d.nodes[six] = other.nodes[six]
	rec, got := scan(t, dir, options(d))
	require.Equal(t, journal.Foreign, rec.Outcome)
	require.Equal(t, `segment 6 belongs to journal "other"`, rec.Reason)
	require.Len(t, got, len(sizes))
	before := contents(d)
	_, _, err = journal.Open(dir, head, options(d))
	require.ErrorIs(t, err, journal.ErrForeign)
	require.Equal(t, before, contents(d))
}

func TestRecoveryIsIdempotent(t *testing.T) {
	s := newSample(t, false)
	torn := slices.Clone(s.last())
	clear(torn[s.from+100 : s.to])
	d := s.replaced(s.lastSeg, torn)
	first, _ := scan(t, dir, options(d))
	w, rec, err := journal.Open(dir, head, options(d))
	require.NoError(t, err)
	require.NotEmpty(t, rec.Quarantined)
	require.Equal(t, first.Head, rec.Head)
	_ = w // cut off here, before it wrote anything
	d = d.clone()
	w, rec, err = journal.Open(dir, head, options(d))
	require.NoError(t, err)
	require.Equal(t, journal.Clean, rec.Outcome, "%v", rec.Path)
	require.Zero(t, rec.Warnings, "%v", rec.Path)
	require.Equal(t, first.Head, rec.Head)
	require.Equal(t, uint32(4), w.Header().Epoch)
	require.Len(t, slices.DeleteFunc(slices.Collect(maps.Keys(d.nodes)), func(n string) bool {
		return filepath.Base(filepath.Dir(n)) != "quarantine"
	}), 1)
	require.NoError(t, w.Close())
}
