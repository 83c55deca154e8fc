// Nodes that forge, and hands that write into the directory.

package hub_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
)

func TestAFirstRowThatIsForgedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, nil)
	for n := range 40 {
		forged := rows(t, "J1", journal.Chain{}, 1, fmt.Sprint(n))
		forged[0].Link[0] ^= 1
		_, err := h.Take(t.Context(), "J1", forged)
		require.ErrorIs(t, err, hub.ErrRows)
	}
	require.Empty(t, h.Journals())
	for _, where := range []string{"journals", "forks"} {
		lies, err := os.ReadDir(filepath.Join(dir, where))
		require.NoError(t, err)
		require.Empty(t, lies, where)
	}
}

func TestAnIndexThatAHandHasWrittenIsRefusedOrTheAnswerIsRight(t *testing.T) {
	for _, value := range []uint64{0, 1, 7, 1 << 20, 1 << 50, 1 << 63, 1<<64 - 1} {
		for word := range 3 { // first, last, end
			dir := t.TempDir()
			h := open(t, dir, nil)
			all := rows(t, "J1", journal.Chain{}, 400, strings.Repeat("x", 700))
			_, err := h.Take(t.Context(), "J1", all)
			require.NoError(t, err)
			name := filepath.Join(dir, "journals", "J1.idx")
			raw := []byte(read(t, name))
			size := binary.LittleEndian.Uint32(raw)
			require.Greater(t, len(raw), int(size), "there are several blocks")
			for at := 0; at < len(raw); at += int(size) { // the first two entries
				size = binary.LittleEndian.Uint32(raw[at:])
				binary.LittleEndian.PutUint64(raw[at+8+8*word:], value)
				binary.LittleEndian.PutUint32(raw[at+4:], crc32.ChecksumIEEE(raw[at+8:at+int(size)]))
				if at > 0 {
					break
				}
			}
			require.NoError(t, os.WriteFile(name, raw, 0o640))
			right := func(what string) {
				for q, want := range map[string]int{"journal_id=J1": 400, "seq=1..400": 400, "kind=bus_state": 133} {
					lines, err := ask(t, h, q)
					if err != nil {
						require.ErrorIs(t, err, hub.ErrDamaged)
						continue
					}
					require.Equal(t, want, strings.Count(lines, "\n"), "%s, word %d is %d, %s", q, word, value, what)
				}
			}
			right("while it is open")
			_, _, err = h.Verify(t.Context(), "J1")
			require.NoError(t, err, "its rows are what they were")
			_, _ = h.Take(t.Context(), "J1", all[3:5]) // which looks for them
			require.NoError(t, h.Close())
			h = open(t, dir, nil)
			right("when it is opened")
			require.NoError(t, h.Close())
			h = open(t, dir, &hub.Options{Rebuild: true})
			lines, err := ask(t, h, "journal_id=J1")
			require.NoError(t, err)
			require.Equal(t, 400, strings.Count(lines, "\n"), "made anew it is right")
			require.NoError(t, h.Close())
		}
	}
}
