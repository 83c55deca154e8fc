// The chain against values made with sha256sum, and against its own text form.

package journal_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

func TestChainEqualsWhatSha256sumSays(t *testing.T) {
	require.Equal(t, "022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c", journal.Leaf([]byte("a")).String())
	require.Equal(t, "4075b6a68556aaa03188190d906199743692269dd8556b034c418f194a70e188", journal.Leaf([]byte("bc")).String())
	var c journal.Chain
	c.Add([]byte("a"))
	require.Equal(t, "d5cf17a22515e8acc3c73933ca18460e2f862d018977a129d0ef16cdd5f84705", c.Link.String())
	c.Add([]byte("bc"))
	require.Equal(t, uint64(2), c.N)
	require.Equal(t, "f34efb640c81939d42fafccf1696a381bb49e63b0f35793d66cd9d8af6ada55b", c.Link.String())
}

func TestALeafIsHashedAlikeWhateverItsLength(t *testing.T) {
	for _, n := range []int{0, 1, 1022, 1023, 1024, 1025, journal.MaxBody} {
		b := bytes.Repeat([]byte{'x'}, n)
		want := sha256.Sum256(append([]byte{0}, b...))
		require.Equal(t, journal.Hash(want), journal.Leaf(b), "%d bytes", n)
	}
}

func TestLinkHashesThreeLinesOfText(t *testing.T) {
	prev, leaf := journal.Leaf([]byte("x")), journal.Leaf([]byte("y"))
	for _, n := range []uint64{0, 1, 9, 10, math.MaxUint64} {
		want := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n%s\n", n, prev, leaf))
		require.Equal(t, journal.Hash(want), journal.Link(n, prev, leaf), "n=%d", n)
	}
	require.Equal(t, strings.Repeat("0", 64), journal.Hash{}.String())
}

func TestHashingDoesNotAllocate(t *testing.T) {
	body := make([]byte, 300)
	var c journal.Chain
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Add(body) }))
}
