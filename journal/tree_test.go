// The tree is that of RFC 9162, as package tlog computes it from stored hashes.

package journal

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

func TestTheRootIsThatOfTlogAtEverySize(t *testing.T) {
	var tree Tree
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(at))
		for i, x := range at {
			list[i] = stored[x]
		}
		return list, nil
	})
	for n := int64(0); n <= 4200; n++ {
		root, err := tlog.TreeHash(n, read)
		require.NoError(t, err)
		require.Equal(t, Hash(root), tree.Root(), "%d leaves", n)
		require.EqualValues(t, n, tree.Size())
		body := binary.AppendUvarint([]byte("body "), uint64(n))
		more, err := tlog.StoredHashes(n, body, read)
		require.NoError(t, err)
		stored = append(stored, more...)
		tree.Add(Leaf(body))
	}
}

func TestACopyOfATreeGrowsByItself(t *testing.T) {
	var tree Tree
	for i := range 7 {
		tree.Add(Leaf([]byte{byte(i)}))
	}
	kept, root := tree, tree.Root()
	tree.Add(Leaf([]byte("another")))
	require.Equal(t, root, kept.Root())
	require.NotEqual(t, root, tree.Root())
}

func TestGrowingATreeAllocatesNothing(t *testing.T) {
	var tree Tree
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		tree.Add(Leaf([]byte("body")))
		tree.Root()
	}))
}

func BenchmarkTreeAdd(b *testing.B) {
	var tree Tree
	leaf := Leaf([]byte("body"))
	for b.Loop() {
		tree.Add(leaf)
	}
}
