// The Merkle tree over the leaves of a chain (RFC 9162): grown leaf by leaf, its root at any time.

package journal

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
)

// Tree is the RFC 9162 Merkle tree over the leaves of a chain, in order: its frontier, which is what the next leaf and the root
// need. The zero Tree is empty. Copying one keeps its state; after a restart it is grown again from the records. It does not
// allocate.
type Tree struct {
	size   uint64
	peaks  [64]Hash // by height: the root of a perfect subtree of 2^height leaves, where size has that bit
	digest [1 + 2*sha256.Size]byte
}

// Add puts the leaf of the next record behind all others. One node is hashed for each leaf, on average.
func (t *Tree) Add(leaf Hash) {
	h, height := leaf, 0
	for ; t.size&(1<<height) != 0; height++ {
		h = t.node(&t.peaks[height], &h)
	}
	t.peaks[height] = h
	t.size++
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Root returns the root of the tree as it is, the SHA-256 of nothing where it has no leaf. It hashes at most 63 nodes.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	low := bits.TrailingZeros64(t.size)
	h := t.peaks[low]
	for height := low + 1; height < bits.Len64(t.size); height++ {
		if t.size&(1<<height) != 0 {
			h = t.node(&t.peaks[height], &h)
		}
	}
	return h
}

// Peaks returns the frontier: the roots of the perfect subtrees that the leaves fall into, the largest first. With the size it is all
// that [RestoreTree] needs.
func (t *Tree) Peaks() (peaks []Hash) {
	for height := bits.Len64(t.size) - 1; height >= 0; height-- {
		if t.size&(1<<height) != 0 {
			peaks = append(peaks, t.peaks[height])
		}
	}
	return peaks
}

// RestoreTree returns the tree of so many leaves from its frontier, as Peaks gave it. It refuses a number of peaks that is not that of
// the size; whether they are right only the leaves, or a signed head, can show.
func RestoreTree(size uint64, peaks []Hash) (t Tree, err error) {
	if len(peaks) != bits.OnesCount64(size) {
		return t, fmt.Errorf("journal: a tree of %d leaves has %d peaks, not %d", size, bits.OnesCount64(size), len(peaks))
	}
	t.size = size
	for height := bits.Len64(size) - 1; height >= 0; height-- {
		if size&(1<<height) != 0 {
			t.peaks[height], peaks = peaks[0], peaks[1:]
		}
	}
	return t, nil
}

// node is SHA-256(0x01 || left || right).
func (t *Tree) node(left, right *Hash) Hash {
	t.digest[0] = 1
	copy(t.digest[1:], left[:])
	copy(t.digest[1+sha256.Size:], right[:])
	return sha256.Sum256(t.digest[:])
}
