// A quick open by headers made by hand: each wrong by itself, under a right checksum.

package journal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// sevenSegments holds segments of one record each, whose headers have the numbers from first on and whose files those from name on.
func sevenSegments(first, name uint32, change func(i int, h *header)) shelf {
	s := newShelf()
	var head Chain
	sum := saltSum(testSalt)
	end := 0
	for i := range uint32(7) {
		h := testHeader()
		h.number, h.prev, h.prevEnd, h.prevGroups = first+i, first+i-1, end, min(i, 1)
		h.first, h.before = head.N+1, head.Link
		b := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
		end = headerSize + len(b)
		if i < 6 {
			b = append(b, endFrame(sum, 1, head)...)
		}
		change(int(i), &h)
		s.files[segmentName(name+i)] = segmentOf(h, b)
	}
	return s
}

func TestAQuickOpenReadsAllWhereAHeaderDoesNotFollow(t *testing.T) {
	none := func(int, *header) {}
	one := func(at int, change func(h *header)) shelf {
		return sevenSegments(1, 1, func(i int, h *header) {
			if i == at {
				change(h)
			}
		})
	}
	all := map[string]shelf{
		"the first is the second":  sevenSegments(2, 2, none),
		"a first record that is 2": one(0, func(h *header) { h.first++ }),
		"a link before the first":  one(0, func(h *header) { h.before[0] = 1 }),
		"names of others": sevenSegments(2, 1, func(i int, h *header) {
			if i == 0 {
				h.prev = 0
			}
		}),
	}
	renamed := sevenSegments(1, 1, func(i int, h *header) { // there never was a segment 3, and 4 has its name
		if i >= 2 {
			h.number++
		}
		if i >= 3 {
			h.prev++
		}
	})
	for n := uint32(7); n >= 4; n-- {
		renamed.files[segmentName(n+1)] = renamed.files[segmentName(n)]
	}
	delete(renamed.files, segmentName(4))
	all["a name of another"] = renamed
	all["a link that its records do not lead to"] = one(5, func(h *header) { h.before[0] ^= 1 })
	all["a number that its records do not lead to"] = one(5, func(h *header) { h.first++ })
	for i := 1; i < 5; i++ {
		all[fmt.Sprint(i, ": another id")] = one(i, func(h *header) { h.id = "B-2" })
		all[fmt.Sprint(i, ": another predecessor")] = one(i, func(h *header) { h.prev-- })
		all[fmt.Sprint(i, ": an older epoch")] = one(i, func(h *header) { h.epoch = 0 })
		all[fmt.Sprint(i, ": a newer epoch")] = one(i, func(h *header) { h.epoch = 2 })
		if i > 1 {
			all[fmt.Sprint(i, ": an older record")] = one(i, func(h *header) { h.first = 1 })
		}
	}
	for name, s := range all {
		want, err := read(s, "x", &Options{Quick: false}, nil)
		require.NoError(t, err)
		got, err := read(s, "x", &Options{Quick: true}, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.From, name)
		require.Equal(t, want, got, name)
	}
	got, err := read(sevenSegments(1, 1, none), "x", &Options{Quick: true}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, got.From, "where all is as it should be")
	require.Equal(t, Clean, got.Outcome)
	require.Zero(t, got.Warnings)
}

func TestAQuickOpenKnowsTheJournalThoughWhatItReadsIsUnreadable(t *testing.T) {
	s := sevenSegments(1, 1, func(int, *header) {})
	other := testHeader()
	other.number, other.epoch = 6, 9
	raw := s.files[segmentName(6)]
	copy(raw[len(raw)-headerSize:], other.encode()) // the copies contradict each other
	want, err := read(s, "x", &Options{Quick: false}, nil)
	require.NoError(t, err)
	got, err := read(s, "x", &Options{Quick: true}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, got.From)
	require.Equal(t, Damaged, got.Outcome)
	require.Equal(t, want.Head, got.Head)
	require.Equal(t, "B-1", got.JournalID)
	require.EqualValues(t, 1, got.Epoch)
	require.Equal(t, want.Reason, got.Reason)
}
