// What a recovery set aside is part of the evidence.

package evidence

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

func TestWhatARecoverySetAsideIsThereAndIsWhatItWas(t *testing.T) {
	whole, b := packed(t, "B-0001", approved{}), tinyBatch(t, "B-0001", approved{})
	dir := cut(t, whole, b, int(place(t, whole, "window_start/1")))
	segment := filepath.Join(dir, filepath.FromSlash(segmentsDir), "00000001.seg")
	data, err := os.ReadFile(segment)
	require.NoError(t, err)
	end := len(data) - 512
	for data[end-1] == 0 {
		end--
	}
	copy(data[(end+511)&^511:], slices.Repeat([]byte{0xA5}, 40))
	require.NoError(t, os.WriteFile(segment, data, 0o640))
	r := resumed(t, dir, b, tag.Good)
	r.rounds(1, 300)
	r.end()
	honest(t, dir, b)
	names, err := os.ReadDir(filepath.Join(dir, quarantineDir))
	require.NoError(t, err)
	require.Len(t, names, 1)
	name := quarantineDir + "/" + names[0].Name()
	require.Equal(t, slices.Repeat([]byte{0xA5}, 40), slurp(t, dir, name))

	for says, harm := range map[string]func(dir string){
		"40 bytes were set aside then, and are not in journal/quarantine/": func(dir string) { require.NoError(t, os.Remove(filepath.Join(dir, name))) },
		"it is not what was set aside: its digest is ":                     func(dir string) { put(t, dir, name, slices.Repeat([]byte{0xA4}, 40)) },
		"it is nothing that a recovery sets aside":                         func(dir string) { put(t, dir, quarantineDir+"/note.txt", []byte("x")) },
	} {
		forged := clone(t, dir)
		harm(forged)
		resum(t, forged)
		c := failed(t, forged, "journal")
		require.Contains(t, c.String(), says)
	}
}
