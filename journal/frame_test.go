// Frames, groups and headers made by hand: what validates, and what must not.

package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const testSalt = 99

// sealed returns one sealed event frame.
func sealed(seq uint64, body []byte, rel int) []byte {
	b := appendFrame(nil, seq, kindEvent, body)
	seal(b, saltSum(testSalt), rel)
	return b
}

func TestNoBitOfAFrameIsUnprotected(t *testing.T) {
	for size := 1; size <= 17; size++ {
		b := append(sealed(7, bytes.Repeat([]byte{0xC3}, size), 16), make([]byte, 32)...)
		f, ok := decodeFrame(b, saltSum(testSalt))
		require.True(t, ok)
		require.Equal(t, uint64(7), f.seq)
		_, ok = decodeFrame(b, saltSum(testSalt+1))
		require.False(t, ok, "another salt")
		for bit := range 8 * frameSize(size) {
			b[bit/8] ^= 1 << (bit % 8)
			_, ok := decodeFrame(b, saltSum(testSalt))
			require.False(t, ok, "size %d, bit %d", size, bit)
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestAFrameHasOneForm(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"pad":   func(b []byte) { b[len(b)-1] = 1 },
		"flag1": func(b []byte) { b[17] = 1 },
		"flag2": func(b []byte) { b[18] = 1 },
		"flag3": func(b []byte) { b[19] = 1 },
		"kind":  func(b []byte) { b[16] = 9 },
		"empty": func(b []byte) { b[0] = 0 },
	} {
		b := sealed(1, []byte("abc"), 0)
		change(b)
		seal(b, saltSum(testSalt), 0)
		_, ok := decodeFrame(b, saltSum(testSalt))
		require.False(t, ok, name)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	sum := saltSum(testSalt)
	f.Add(sealed(1, []byte("abc"), 0))
	f.Add(endFrame(sum, 3, Chain{N: 9}))
	c := appendCommit(nil, commit{first: 1, last: 2, group: 1})
	seal(c, sum, 88)
	f.Add(c)
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, ok := decodeFrame(b, sum); ok {
			again := appendFrame(nil, got.seq, got.kind, got.body)
			seal(again, sum, int(got.rel))
			require.Equal(t, b[:got.size()], again)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	h := header{id: "B-1", epoch: 2, number: 3, size: minSegment, inflight: 900, prev: 2, first: 5}
	f.Add(h.encode())
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, ok := decodeHeader(b); ok {
			require.Equal(t, b, got.encode())
		}
	})
}

// group is a group made by hand, with one thing that can be wrong.
type group struct {
	bodies  []string
	skip    uint64 // added to every seq
	rel     int    // added to every distance
	broken  int    // body whose bytes change after the link was made, from 1
	commit  func(c *commit)
	trailer uint64 // added to the seq of the commit frame
}

// bytes returns the group, valid but for what is asked, and moves head over it.
func (g group) bytes(sum uint32, number uint64, head *Chain) []byte {
	c := commit{first: head.N + 1, durable: head.N, group: number}
	var b []byte
	for i, body := range g.bodies {
		at := len(b)
		head.Add([]byte(body))
		text := []byte(body)
		if g.broken == i+1 {
			text[0] ^= 1
		}
		b = appendFrame(b, head.N+g.skip, kindEvent, text)
		seal(b[at:], sum, at+g.rel)
	}
	c.last, c.link = head.N, head.Link
	if g.commit != nil {
		g.commit(&c)
	}
	at := len(b)
	b = appendCommit(b, c)
	b[at+8] += byte(g.trailer)
	seal(b[at:], sum, at)
	return b
}

// segmentOf returns a whole segment file.
func segmentOf(h header, frames []byte) []byte {
	b := make([]byte, h.size)
	copy(b, h.encode())
	copy(b[h.size-headerSize:], h.encode())
	copy(b[headerSize:], frames)
	return b
}

// shelf is storage that only holds segment files to read.
type shelf struct {
	system
	files map[string][]byte
}

func newShelf(segments ...[]byte) shelf {
	s := shelf{files: map[string][]byte{}}
	for i, b := range segments {
		s.files[segmentName(uint32(i+1))] = b
	}
	return s
}

func (s shelf) List(string) ([]string, error) {
	var names []string
	for name := range s.files {
		names = append(names, name)
	}
	return names, nil
}

func (s shelf) Read(name string, most int, buf []byte) ([]byte, error) {
	b := s.files[filepath.Base(name)]
	return append(buf[:0], b[:min(most, len(b))]...), nil
}

func testHeader() header {
	return header{id: "B-1", epoch: 1, number: 1, size: minSegment, inflight: 8000, salt: testSalt, first: 1}
}

func TestFramesThatValidateButDoNotFitAreDamageAndNotDelivered(t *testing.T) {
	two := []string{"one", "two"}
	for name, g := range map[string]group{
		"a body that the link contradicts": {bodies: two, broken: 1},
		"a gap in seq":                     {bodies: two, skip: 1},
		"a wrong distance":                 {bodies: two, rel: 8},
		"first too small":                  {bodies: two, commit: func(c *commit) { c.first-- }},
		"last too large":                   {bodies: two, commit: func(c *commit) { c.last++ }},
		"last too large, seq right":        {bodies: two, commit: func(c *commit) { c.last++ }, trailer: 1<<64 - 1},
		"a promise of itself":              {bodies: two, commit: func(c *commit) { c.durable = c.last }},
		"another group number":             {bodies: two, commit: func(c *commit) { c.group++ }},
		"another link":                     {bodies: two, commit: func(c *commit) { c.link[31] ^= 1 }},
		"another seq of the commit frame":  {bodies: two, trailer: 1},
	} {
		sum := saltSum(testSalt)
		var head Chain
		frames := group{bodies: two}.bytes(sum, 1, &head)
		good := head
		frames = append(frames, g.bytes(sum, 2, &head)...)
		rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), frames))})
		require.NoError(t, err)
		require.Equal(t, Damaged, rec.Outcome, "%s: %v", name, rec.Path)
		require.Equal(t, good, rec.Head, name)
	}
}

func TestAGroupOfAnotherSizeIsDamage(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	good := head
	whole := group{bodies: []string{"two"}}.bytes(sum, 2, &head)
	_, at := openFrame(whole)
	for _, size := range []int{commitUsed, sector - at, 2*sector - at} { // without dots, to the end of one sector, and of two
		b := appendFrame(slices.Clone(whole[:at]), head.N, kindCommit, whole[at+frameHead:at+size])
		seal(b[at:], sum, at)
		rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), slices.Concat(frames, b)))})
		require.NoError(t, err)
		want, outcome := good, Damaged
		if at+size == len(whole) {
			want, outcome = head, Clean
		}
		require.Equal(t, outcome, rec.Outcome, "%v", rec.Path)
		require.Equal(t, want, rec.Head)
	}
}

func TestACommitMayKnowLessThanTheGroupBefore(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	frames = append(frames, group{bodies: []string{"two"}, commit: func(c *commit) { c.durable = 0 }}.bytes(sum, 2, &head)...)
	rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), frames))})
	require.NoError(t, err)
	require.Equal(t, Clean, rec.Outcome)
	require.Equal(t, head, rec.Head)
}

func TestAFrameInsideABodyProvesNothing(t *testing.T) {
	sum := saltSum(testSalt)
	inner := string(sealed(9, []byte("quoted"), 0))
	var head Chain
	frames := group{bodies: []string{"first", inner, "last"}}.bytes(sum, 1, &head)
	frames[frameHead] ^= 1 // the first sector did not arrive
	rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), frames))})
	require.NoError(t, err)
	require.Equal(t, TornTail, rec.Outcome, "%v", rec.Path)
	require.Zero(t, rec.Head)
}

func TestAHeaderMustCarryTheChainOn(t *testing.T) {
	var head Chain
	frames := group{bodies: []string{"one", "two"}}.bytes(saltSum(testSalt), 1, &head)
	next := testHeader()
	next.number, next.prev, next.prevEnd, next.prevGroups = 2, 1, headerSize+len(frames), 1
	next.first, next.before = head.N+1, head.Link
	for name, c := range map[string]struct {
		change   func(h *header)
		want     Outcome
		warnings int
	}{
		"as it should be":        {func(*header) {}, Clean, 0},
		"another link":           {func(h *header) { h.before[0] ^= 1 }, Damaged, 0},
		"another seq":            {func(h *header) { h.first++ }, Damaged, 0},
		"an older epoch":         {func(h *header) { h.epoch = 0 }, Damaged, 0},
		"an end before the end":  {func(h *header) { h.prevEnd -= 8 }, Damaged, 0},
		"an end in the header":   {func(h *header) { h.prevEnd = 0 }, Damaged, 0},
		"an end behind the end":  {func(h *header) { h.prevEnd += sector }, Clean, 1},
		"an end behind the file": {func(h *header) { h.prevEnd = maxSegment }, Clean, 1},
		"another predecessor":    {func(h *header) { h.prev = 0 }, Clean, 1},
		"more groups":            {func(h *header) { h.prevGroups++ }, Clean, 1},
		"something was set side": {func(h *header) { h.prevTail = 8 }, Clean, 1},
	} {
		h := next
		c.change(&h)
		rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), frames), segmentOf(h, nil))})
		require.NoError(t, err)
		require.Equal(t, c.want, rec.Outcome, "%s: %v", name, rec.Path)
		require.Equal(t, c.warnings, rec.Warnings, "%s: %v", name, rec.Path)
	}
}

func TestHeaderCopies(t *testing.T) {
	var head Chain
	frames := group{bodies: []string{"one"}}.bytes(saltSum(testSalt), 1, &head)
	whole := segmentOf(testHeader(), frames)
	other := testHeader()
	other.epoch = 7
	newer := other.encode()
	newer[8] = formatVersion + 1
	binary.LittleEndian.PutUint32(newer[headerCRC:], crc32.Checksum(newer[:headerCRC], castagnoli))
	for name, c := range map[string]struct {
		change   func(b []byte) []byte
		want     Outcome
		warnings int
	}{
		"whole":              {func(b []byte) []byte { return b }, Clean, 0},
		"first lost":         {func(b []byte) []byte { clear(b[:headerSize]); return b }, Clean, 1},
		"second lost":        {func(b []byte) []byte { clear(b[len(b)-headerSize:]); return b }, Clean, 1},
		"both lost":          {func(b []byte) []byte { clear(b[:headerSize]); clear(b[len(b)-headerSize:]); return b }, Damaged, 0},
		"contradict":         {func(b []byte) []byte { copy(b, other.encode()); return b }, Damaged, 0},
		"bytes behind":       {func(b []byte) []byte { return append(b, 1) }, Clean, 1},
		"zeros behind":       {func(b []byte) []byte { return append(b, 0) }, Clean, 0},
		"second cut off":     {func(b []byte) []byte { return b[:len(b)-headerSize] }, Clean, 1},
		"and a byte":         {func(b []byte) []byte { return b[:len(b)-headerSize-1] }, TornTail, 1},
		"only the first":     {func(b []byte) []byte { return b[:headerSize] }, TornTail, 1},
		"first of a newer":   {func(b []byte) []byte { copy(b, newer); clear(b[len(b)-headerSize:]); return b }, Foreign, 0},
		"second of a newer":  {func(b []byte) []byte { clear(b[:headerSize]); copy(b[len(b)-headerSize:], newer); return b }, Foreign, 0},
		"of a newer version": {func(b []byte) []byte { copy(b, newer); copy(b[len(b)-headerSize:], newer); return b }, Foreign, 0},
	} {
		rec, err := Scan("x", nil, &Options{Storage: newShelf(c.change(slices.Clone(whole)))})
		require.NoError(t, err)
		require.Equal(t, c.want, rec.Outcome, "%s: %v", name, rec.Path)
		require.Equal(t, c.warnings, rec.Warnings, "%s: %v", name, rec.Path)
	}
}

func TestASegmentWithoutHeaderIsEmptyOrUnfinishedOrDamage(t *testing.T) {
	var head Chain
	frames := group{bodies: []string{"one"}}.bytes(saltSum(testSalt), 1, &head)
	first := segmentOf(testHeader(), frames)
	garbage := make([]byte, minSegment)
	for i := range garbage {
		garbage[i] = byte(i*7 + 1)
	}
	torn := make([]byte, minSegment)
	h := testHeader()
	copy(torn, h.encode()[:200])
	tornEnd := make([]byte, minSegment)
	copy(tornEnd[minSegment-headerSize:], h.encode()[:200])
	behind := slices.Clone(garbage)
	copy(behind[4096:], frames)
	for name, c := range map[string]struct {
		second []byte
		want   Outcome
		says   string
	}{
		"zeros":       {make([]byte, minSegment), Clean, "segment 2 is empty; it can be used"},
		"few zeros":   {make([]byte, 100), Clean, "segment 2 is empty; it can be used"},
		"torn header": {torn, Clean, "segment 2 was never begun: its header is not whole and it holds no group"},
		"torn second": {tornEnd, Clean, "segment 2 was never begun: its header is not whole and it holds no group"},
		"short":       {append(make([]byte, headerSize+8), garbage[:80]...), TornTail, "segment 2 was never begun: it has no header and what is in it looks like no frame"},
		"hidden":      {behind, Damaged, "segment 2 holds frames, but neither copy of its header can be read"},
		"garbage":     {garbage, TornTail, "segment 2 was never begun: it has no header and what is in it looks like no frame"},
		"frames":      {append(make([]byte, headerSize), frames...), Damaged, "segment 2 holds frames, but neither copy of its header can be read"},
	} {
		rec, err := Scan("x", nil, &Options{Storage: newShelf(first, c.second)})
		require.NoError(t, err)
		require.Equal(t, c.want, rec.Outcome, name)
		require.Contains(t, rec.Path, c.says, name)
		require.Equal(t, head, rec.Head)
	}
}

func TestGarbageBehindADamagedSegmentDoesNotExcuseIt(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	frames = append(frames, group{bodies: []string{"two"}}.bytes(sum, 2, &head)...)
	frames[frameHead] ^= 1
	garbage := bytes.Repeat([]byte{0xF5}, minSegment)
	rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), frames), garbage)})
	require.NoError(t, err)
	require.Equal(t, Damaged, rec.Outcome, "%v", rec.Path)
	require.Equal(t, uint64(1), rec.Missing)
}

func TestOnlyTheEndFrameOfThisSegmentEndsIt(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	second, after := sealed(2, []byte("two"), 0), head
	after.Add([]byte("two"))
	for name, c := range map[string]struct {
		end  []byte
		says string
	}{
		"right":          {endFrame(sum, 1, head), "the segment after it existed"},
		"another number": {endFrame(sum, 2, head), "whole frames that do not fit the chain"},
		"another link":   {endFrame(sum, 1, Chain{N: 1}), "whole frames that do not fit the chain"},
		"another seq":    {endFrame(sum, 1, Chain{N: 2, Link: head.Link}), "whole frames that do not fit the chain"},
		"in a group":     {slices.Concat(second, endFrame(sum, 1, after)), "whole frames that do not fit the chain"},
	} {
		rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), slices.Concat(frames, c.end)))})
		require.NoError(t, err)
		require.Equal(t, Damaged, rec.Outcome, name)
		require.Contains(t, rec.Reason, c.says, name)
	}
}

func FuzzScan(f *testing.F) {
	var head Chain
	frames := group{bodies: []string{"one", "two"}}.bytes(saltSum(testSalt), 1, &head)
	whole := segmentOf(testHeader(), append(frames, group{}.bytes(saltSum(testSalt), 2, &head)...))
	f.Add(600, []byte{1, 2, 3}, 0, len(whole))
	f.Add(0, []byte{0}, 0, 700)
	f.Add(headerSize, frames, 1, len(whole))
	f.Fuzz(func(t *testing.T, at int, patch []byte, twice, size int) {
		b := slices.Clone(whole)
		if at >= 0 && at < len(b) {
			copy(b[at:], patch)
		}
		b = b[:min(len(b), max(0, size))]
		segments := [][]byte{b}
		if twice%2 != 0 {
			segments = append(segments, patch)
		}
		var c Chain
		rec, err := Scan("x", func(_ uint64, body []byte, got Chain) error {
			c.Add(body)
			if c != got {
				return fmt.Errorf("record %d breaks the chain", c.N)
			}
			return nil
		}, &Options{Storage: newShelf(segments...)})
		require.NoError(t, err)
		require.Equal(t, c, rec.Head)
		require.Equal(t, rec.Outcome == Damaged, rec.Missing == c.N+1)
	})
}

func TestBytesBehindAnEndFrameAreNoticed(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	next := testHeader()
	next.number, next.prev, next.prevEnd, next.prevGroups = 2, 1, headerSize+len(frames), 1
	next.first, next.before = head.N+1, head.Link
	for behind, warnings := range map[string]int{"": 0, "x": 1} {
		first := segmentOf(testHeader(), slices.Concat(frames, endFrame(sum, 1, head), []byte(behind)))
		rec, err := Scan("x", nil, &Options{Storage: newShelf(first, segmentOf(next, nil))})
		require.NoError(t, err)
		require.Equal(t, Clean, rec.Outcome)
		require.Equal(t, warnings, rec.Warnings, "%v", rec.Path)
	}
}

// Of the group behind the broken one a single frame is left, neither its first nor its last.
func TestOneFrameOfALaterGroupProvesTheBrokenOne(t *testing.T) {
	sum := saltSum(testSalt)
	filled := string(bytes.Repeat([]byte("x"), 600))
	for name, c := range map[string]struct {
		bodies   []string
		from, to int // what is left of the later group
	}{
		"in its middle":     {[]string{filled, "two", filled}, sector, 2 * sector},
		"its body is zeros": {[]string{string(make([]byte, 600))}, 0, sector},
	} {
		var head Chain
		frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
		good := head
		broken := group{bodies: []string{"two"}}.bytes(sum, 2, &head)
		broken[frameHead] ^= 1
		later := group{bodies: c.bodies}.bytes(sum, 3, &head)
		clear(later[:c.from])
		clear(later[c.to:])
		rec, err := Scan("x", nil, &Options{Storage: newShelf(segmentOf(testHeader(), slices.Concat(frames, broken, later)))})
		require.NoError(t, err)
		require.Equal(t, Damaged, rec.Outcome, "%s: %v", name, rec.Path)
		require.Contains(t, rec.Reason, "was written after it was durable", name)
		require.Equal(t, good, rec.Head)
	}
}
