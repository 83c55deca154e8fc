// The hash chain: leaf, link, and the running state that writer and verifiers share.

package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Hash is a SHA-256 digest.
type Hash [sha256.Size]byte

// String returns the digest as 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Leaf returns SHA-256(0x00 || body). It does not allocate.
func Leaf(body []byte) Hash {
	var text [1024]byte
	if len(body) < len(text) { // at once, which is faster than in parts
		return sha256.Sum256(text[:1+copy(text[1:], body)])
	}
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(body)
	var sum Hash
	h.Sum(sum[:0])
	return sum
}

// Link returns the link of record n, made from the link before it and its
// leaf: SHA-256 of three lines of text, each ending in LF: n in decimal, then
// prev and leaf in lower-case hexadecimal. It does not allocate.
func Link(n uint64, prev, leaf Hash) Hash {
	var text [len("18446744073709551615") + 2*(1+2*sha256.Size) + 1]byte
	b := strconv.AppendUint(text[:0], n, 10)
	b = append(b, '\n')
	b = hex.AppendEncode(b, prev[:])
	b = append(b, '\n')
	b = hex.AppendEncode(b, leaf[:])
	b = append(b, '\n')
	return sha256.Sum256(b)
}

// Chain is the state of a chain after its record N. The zero Chain is the
// state before record 1.
type Chain struct {
	// N is the number of the last record, 0 if there is none.
	N uint64
	// Link is the link of record N, zero if there is none.
	Link Hash
}

// Add moves the chain over its next record, N+1, whose body is given.
func (c *Chain) Add(body []byte) {
	c.N++
	c.Link = Link(c.N, c.Link, Leaf(body))
}
