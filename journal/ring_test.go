// The ring: what is a record in it, which of two counts, and where the next one goes.

package journal

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// ringOf seals records of these bodies behind a chain.
func ringOf(c Chain, epoch uint32, bodies ...[]byte) []byte {
	var b []byte
	for i, body := range bodies {
		b = appendRinged(b, c.N+uint64(i)+1, epoch, body)
	}
	sealRinged(b, ringSum("J", epoch), c)
	return b
}

// seqs searches a ring that records fill to its last byte.
func seqs(ring []byte, above uint64) []uint64 {
	var all []uint64
	for _, r := range searchRing(ring, "J", above) {
		all = append(all, r.seq)
	}
	return all
}

func TestARecordIsFoundWhereverItLiesInTheRing(t *testing.T) {
	b := ringOf(Chain{}, 1, []byte("a"), bytes.Repeat([]byte("b"), 99), []byte("12345678"))
	for at := 0; at <= 160; at += 8 {
		ring := append(make([]byte, at), b...)
		require.Equal(t, []uint64{1, 2, 3}, seqs(ring, 0), at)
		require.Equal(t, []uint64{3}, seqs(ring, 2))
		require.Empty(t, seqs(ring, 3))
		for seq := range uint64(5) {
			require.Equal(t, seq >= 1 && seq <= 3, bears(ring, ringSum("J", 1), seq))
		}
	}
	whole := bytes.Repeat([]byte("x"), MaxBody)
	require.Equal(t, []uint64{1}, seqs(ringOf(Chain{}, 1, whole), 0))
}

func TestWhatIsNoRecordHidesNoneBehindIt(t *testing.T) {
	sum := ringSum("J", 1)
	first := ringSize(20)
	for what, change := range map[string]func(b []byte){
		"another epoch":  func(b []byte) { b[16]++ },
		"not zero":       func(b []byte) { b[20] = 1 },
		"longer":         func(b []byte) { binary.LittleEndian.PutUint32(b, uint32(20+first)) },
		"empty":          func(b []byte) { binary.LittleEndian.PutUint32(b, 0) },
		"padding":        func(b []byte) { b[ringHead+20] = 1 },
		"more than most": func(b []byte) { binary.LittleEndian.PutUint32(b, MaxBody+1) },
	} {
		for _, seal := range []bool{false, true} {
			b := ringOf(Chain{}, 1, make([]byte, 20), []byte("two"))
			b = append(b, make([]byte, ringSize(MaxBody))...)
			change(b)
			n := int(min(binary.LittleEndian.Uint32(b), MaxBody))
			if one := b[:ringSize(n)]; seal && what != "another epoch" && what != "longer" {
				binary.LittleEndian.PutUint32(one[4:], frameSum(sum, one[:len(one)-ringTag]))
			}
			require.Equal(t, []uint64{2}, seqs(b, 0), "%s, sealed %t", what, seal)
		}
	}
}

func TestOfTwoRecordsWithOneNumberThatOfTheLaterEpochCounts(t *testing.T) {
	one, two := ringOf(Chain{}, 1, []byte("one")), ringOf(Chain{}, 2, []byte("two"))
	for _, ring := range [][]byte{append(bytes.Clone(one), two...), append(bytes.Clone(two), one...)} {
		all := searchRing(ring, "J", 0)
		require.Len(t, all, 1)
		require.Equal(t, "two", string(all[0].body))
		require.Equal(t, uint32(2), all[0].epoch)
	}
}

func TestNoPlaceInTheRingIsGivenTwice(t *testing.T) {
	const seed, size = 3, 400
	rng := rand.New(rand.NewPCG(seed, 0))
	s := space{size: size}
	seq, durable, most := uint64(0), uint64(0), 0
	for range 20_000 {
		need := 8 * (1 + rng.IntN(20))
		at, room := s.place(need)
		require.GreaterOrEqual(t, at, 0, "seed %d", seed)
		require.LessOrEqual(t, at+room, size, "seed %d", seed)
		for _, u := range s.used {
			require.False(t, at < u.to && u.from < at+room, "seed %d: %d to %d is in use", seed, u.from, u.to)
		}
		if need <= room {
			seq++
			s.take(at, need, seq)
			require.Equal(t, at+need, s.at)
		} else {
			require.NotEmpty(t, s.used, "seed %d: an empty ring takes what is not longer than it", seed)
		}
		if rng.IntN(3) == 0 {
			durable += uint64(rng.IntN(int(seq-durable) + 1))
			s.free(durable)
			require.Len(t, s.used, int(seq-durable))
		}
		most = max(most, len(s.used))
	}
	require.Greater(t, most, 5)
	s = space{size: 160, at: 80}
	at, room := s.place(80)
	require.Equal(t, [2]int{80, 80}, [2]int{at, room}, "to the last byte")
}

func TestWhatIsInTheRingNeverBecomesLess(t *testing.T) {
	w := &Writer{}
	for _, n := range []uint64{3, 5, 4} { // of two that stage, the one that was first may come last
		w.acknowledge(Chain{N: n})
	}
	require.Equal(t, uint64(5), w.Durable())
	require.Equal(t, uint64(5), w.Head().N)
}
