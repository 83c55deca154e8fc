// The one form of frames and headers: each field wrong by itself, under a right checksum.

package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFrameHasASizeOfItsKind(t *testing.T) {
	sum := saltSum(testSalt)
	for _, c := range []struct {
		kind kind
		body int
		ok   bool
	}{
		{kindEvent, 0, false}, {kindEvent, 1, true}, {kindEvent, MaxBody, true}, {kindEvent, MaxBody + 1, false},
		{kindCommit, commitBody - 8, false}, {kindCommit, commitBody - 1, false},
		{kindCommit, commitBody, true}, {kindCommit, commitBody + 1, false},
		{kindCommit, commitBody + 8, false}, {kindCommit, maxCommit + 8, false}, // what fills it is something else
		{kindEnd, endBody - 1, false}, {kindEnd, endBody + 1, false}, {kindEnd, endBody, false},
		{0, 8, false}, {4, 8, false},
	} {
		b := appendFrame(nil, 1, c.kind, bytes.Repeat([]byte{7}, c.body))
		seal(b, sum, 0)
		_, ok := decodeFrame(b, sum)
		require.Equal(t, c.ok, ok, "kind %d with %d bytes", c.kind, c.body)
		_, ok = decodeFrame(b[:len(b)-8], sum)
		require.False(t, ok, "cut off")
	}
}

func TestCommitAndEndFramesFillTheirSectorWithDots(t *testing.T) {
	sum := saltSum(testSalt)
	b := endFrame(sum, 3, Chain{N: 9, Link: Leaf(nil)})
	require.Len(t, b, sector)
	require.True(t, isEnd(b, sum, 3, Chain{N: 9, Link: Leaf(nil)}))
	for at := endUsed; at < sector; at++ {
		c := bytes.Clone(b)
		c[at] = 1
		seal(c, sum, 0)
		_, ok := decodeFrame(c, sum)
		require.False(t, ok, "byte %d", at)
	}
	for fill := 0; fill <= maxCommit-commitBody+8; fill++ {
		b := appendFrame(nil, 1, kindCommit, append(bytes.Repeat([]byte{7}, commitBody), strings.Repeat(".", fill)...))
		seal(b, sum, 0)
		_, ok := decodeFrame(b, sum)
		require.Equal(t, fill <= maxCommit-commitBody && fill%8 == 0, ok, "%d dots", fill)
	}
	for _, size := range []int{endBody - 8, endBody, endBody + 8} {
		b := appendFrame(nil, 1, kindEnd, []byte(strings.Repeat(".", size)))
		seal(b, sum, 0)
		_, ok := decodeFrame(b, sum)
		require.Equal(t, size == endBody, ok, "an end frame of %d bytes", size)
	}
	b = appendCommit(nil, commit{})
	require.Len(t, b, sector, "a promise")
	b[0]--
	seal(b, sum, 0)
	_, ok := decodeFrame(b, sum)
	require.False(t, ok, "a dot outside of the body")
	for events := frameSize(1); events < 4*sector; events += 8 {
		b := appendCommit(make([]byte, events), commit{first: 1, last: 1, group: 1})
		require.Zero(t, len(b)%sector)
		require.GreaterOrEqual(t, len(b), 2*sector)
		require.Less(t, len(b)-events, commitUsed+max(sector, 2*sector-events))
	}
}

func TestAHeaderHasOneForm(t *testing.T) {
	h := header{id: "B-1", epoch: 2, number: 3, size: minSegment, inflight: 900, prev: 2, prevEnd: 4096, prevTail: 8, first: 5, salt: 6}
	got, ok := decodeHeader(h.encode())
	require.True(t, ok)
	require.Equal(t, h, got)
	word := func(at int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
	}
	for name, change := range map[string]func(b []byte){
		"magic":               func(b []byte) { b[0] ^= 1 },
		"version":             word(8, formatVersion+1),
		"number zero":         word(16, 0),
		"number beyond":       word(16, lastSegment+1),
		"number not larger":   word(28, 3),
		"size too small":      word(20, minSegment-4096),
		"size not even":       word(20, minSegment+512),
		"size too large":      word(20, maxSegment+4096),
		"in flight":           word(24, minSegment+1),
		"end before":          word(32, maxSegment+1),
		"set aside":           word(40, maxSegment+1),
		"no id":               word(44, 0),
		"half an id":          word(44, 2),
		"id too long":         word(44, maxJournalID+1),
		"id beyond the block": word(44, headerSize),
		"id with a space":     func(b []byte) { b[129] = ' ' },
		"bytes behind the id": func(b []byte) { b[headerCRC-1] = 1 },
		"first":               word(56, 0),
	} {
		b := h.encode()
		change(b)
		binary.LittleEndian.PutUint32(b[headerCRC:], crc32.Checksum(b[:headerCRC], castagnoli))
		_, ok := decodeHeader(b)
		require.False(t, ok, name)
	}
	_, ok = decodeHeader(h.encode()[:headerSize-1])
	require.False(t, ok, "cut off")
	h.id = strings.Repeat("x", maxJournalID)
	_, ok = decodeHeader(h.encode())
	require.True(t, ok, "the longest id")
}

func TestEverySegmentHasASaltOfItsOwn(t *testing.T) {
	h := Header{JournalID: "a", Epoch: 1, Salt: 1}
	seen := map[uint64]bool{segmentSalt(h, 1): true, segmentSalt(h, 2): true}
	for _, h := range []Header{{JournalID: "b", Epoch: 1, Salt: 1}, {JournalID: "a", Epoch: 2, Salt: 1}, {JournalID: "a", Epoch: 1, Salt: 2}} {
		seen[segmentSalt(h, 1)] = true
	}
	require.Len(t, seen, 5)
}

func TestSegmentNumbersEnd(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "j"), Header{JournalID: "a"}, &Options{Segment: minSegment})
	require.NoError(t, err)
	w.seg.number, w.next = lastSegment-1, lastSegment
	require.NoError(t, w.Reserve())
	require.NotNil(t, w.spare, "the last one")
	require.NoError(t, w.Append(1, make([]byte, 50000)))
	require.NoError(t, w.Append(2, make([]byte, 50000)))
	require.NoError(t, w.Commit())
	require.EqualValues(t, lastSegment, w.seg.number)
	require.NoError(t, w.Reserve(), "and there is nothing to reserve")
	require.Nil(t, w.spare)
	require.NoError(t, w.Append(3, make([]byte, 50000)))
	err = w.Commit()
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "segment numbers end at 99999999: begin a new journal")
	require.ErrorIs(t, w.Close(), ErrFailed)
}

// What Scan has no use for, or compares with itself, is written as the format says.
func TestFramesAndHeadersSayWhatTheFormatSays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	w, err := Create(dir, Header{JournalID: "a"}, &Options{Segment: minSegment})
	require.NoError(t, err)
	for seq := range uint64(3) { // the last one begins a segment
		require.NoError(t, w.Append(seq+1, make([]byte, 30000)))
		require.NoError(t, w.Commit())
	}
	require.NoError(t, w.Close())
	type said struct {
		kind         kind
		seq, durable uint64
	}
	for number, want := range map[uint32][]said{
		1: {{kindEvent, 1, 0}, {kindCommit, 1, 0}, {kindEvent, 2, 0}, {kindCommit, 2, 1}, {kindEnd, 2, 0}},
		2: {{kindEvent, 3, 0}, {kindCommit, 3, 2}, {kindCommit, 3, 3}},
	} {
		raw, err := os.ReadFile(filepath.Join(dir, segmentsDir, segmentName(number)))
		require.NoError(t, err)
		h, ok := decodeHeader(raw[:headerSize])
		require.True(t, ok)
		require.Equal(t, segmentSalt(w.Header(), number), h.salt)
		require.Equal(t, minSegment-2*headerSize, h.inflight, "all of Pending would not fit")
		var got []said
		f, ok := decodeFrame(raw[headerSize:], saltSum(h.salt))
		for at := headerSize; ok; f, ok = decodeFrame(raw[at:], saltSum(h.salt)) {
			s := said{kind: f.kind, seq: f.seq}
			if f.kind == kindCommit {
				s.durable = f.commit().durable
			}
			got, at = append(got, s), at+f.size()
		}
		require.Equal(t, want, got, "segment %d", number)
	}
}

func TestWhatLooksLikeAFrame(t *testing.T) {
	form := func(n, tag uint32, seq uint64, rel uint32) []byte {
		b := binary.LittleEndian.AppendUint32(nil, n)
		b = binary.LittleEndian.AppendUint32(b, 0xDEADBEEF)
		b = binary.LittleEndian.AppendUint64(b, seq)
		b = binary.LittleEndian.AppendUint32(b, tag)
		return binary.LittleEndian.AppendUint32(b, rel)
	}
	for name, c := range map[string]struct {
		b    []byte
		want bool
	}{
		"the least":         {form(1, 1, 0, 0), true},
		"the most":          {form(MaxBody, 3, 1<<48-1, maxSegment-1), true},
		"no body":           {form(0, 1, 1, 0), false},
		"a body too large":  {form(MaxBody+1, 1, 1, 0), false},
		"kind 0":            {form(1, 0, 1, 0), false},
		"kind 4":            {form(1, 4, 1, 0), false},
		"a flag":            {form(1, 1<<8|1, 1, 0), false},
		"a seq too large":   {form(1, 1, 1<<48, 0), false},
		"a rel too large":   {form(1, 1, 1, maxSegment), false},
		"behind 8 bytes":    {append(make([]byte, 8), form(1, 1, 1, 0)...), true},
		"behind 4 bytes":    {append(make([]byte, 4), form(1, 1, 1, 0)...), false},
		"cut off in a head": {form(1, 1, 1, 0)[:frameHead-1], false},
	} {
		require.Equal(t, c.want, looksLikeFrames(c.b), name)
	}
}
