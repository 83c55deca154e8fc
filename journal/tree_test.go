// The tree is that of RFC 9162, as package tlog computes it from stored hashes.

package journal

import (
	"encoding/binary"
	"encoding/hex"
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

// The leaves and roots with which implementations of certificate transparency test themselves.
func TestTheRootsAreThoseOfTheReferenceLeaves(t *testing.T) {
	var tree Tree
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	for n, root := range []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	} {
		require.Equal(t, root, tree.Root().String(), "%d leaves", n)
		if n < len(leaves) {
			leaf, err := hex.DecodeString(leaves[n])
			require.NoError(t, err)
			tree.Add(Leaf(leaf))
		}
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
