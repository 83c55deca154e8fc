// What crosses a connection, and what lies on disk, byte by byte.

package wire

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// samples has a frame of each kind.
func samples() []frame {
	return []frame{
		{kind: kWrite, seq: 1 << 60, id: 7, channel: 3, form: tag.Int, bits: 1 << 63, at: 5, token: 9, safe: true},
		{kind: kCancel, seq: 8}, {kind: kTime, at: 12}, {kind: kGrant, token: 9, text: "U1"}, {kind: kFree, text: "U1"},
		{kind: kHead, seq: 4, link: [32]byte{1, 31: 2}, text: "batch-00"}, {kind: kBye},
		{kind: kValue, channel: 65535, form: tag.Float64, quality: tag.Good, bits: 3, at: 1},
		{kind: kDone, seq: 3, outcome: unknown, text: "the device did not confirm in time"}, {kind: kNow, at: 1, now: 2},
	}
}

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	var all []byte
	for _, f := range samples() {
		all = f.append(all)
	}
	r, buf := bytes.NewReader(all), make([]byte, maxFrame)
	for _, want := range samples() {
		got, err := readFrame(r, buf)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for n := range all { // cut off anywhere, it is an end and never another frame
		r, got := bytes.NewReader(all[:n]), 0
		for {
			f, err := readFrame(r, buf)
			if err != nil {
				break
			}
			require.Equal(t, samples()[got], f)
			got++
		}
	}
}

func TestATextIsCutToWhatAFrameTakes(t *testing.T) {
	f := frame{kind: kDone, text: strings.Repeat("ä", 600) + "\xff"}
	got, err := parse(f.append(nil)[2:])
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ä", maxText/2), got.text)
}

// FuzzFrame: what is taken is written in one way only, and nothing else is taken.
func FuzzFrame(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.append(nil)[2:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parse(b)
		if err != nil {
			return
		}
		require.Equal(t, b, got.append(nil)[2:])
	})
}

func TestTokensThatAreCutAnywhereAreThoseThatWereOnDisk(t *testing.T) {
	dir := t.TempDir()
	tk, err := openTokens(dir)
	require.NoError(t, err)
	var ends []int // of the file, after each put
	for i := range 6 {
		require.NoError(t, tk.put(owner{fmt.Sprint("U", i%2), uint64(10 + i), fmt.Sprint("B-", i), 1000, nil}))
		info, err := os.Stat(tk.path())
		require.NoError(t, err)
		ends = append(ends, int(info.Size()))
	}
	require.NoError(t, tk.close())
	whole, err := os.ReadFile(tk.path())
	require.NoError(t, err)
	for n := 0; n <= len(whole); n++ {
		for _, tail := range []string{"", strings.Repeat("\x00", 100)} { // a file may have grown before its data came
			require.NoError(t, os.WriteFile(tk.path(), append(whole[:n:n], tail...), 0o600))
			again, err := openTokens(dir)
			require.NoError(t, err, "cut at %d", n)
			for i, end := range ends {
				if n >= end {
					require.GreaterOrEqual(t, again.all[fmt.Sprint("U", i%2)].Token, uint64(10+i), "cut at %d", n)
				}
			}
			require.NoError(t, again.put(owner{"U9", 1, "B", -1, nil}))
			require.NoError(t, again.close())
			last, err := openTokens(dir)
			require.NoError(t, err)
			require.Equal(t, again.all, last.all)
			require.NoError(t, last.close())
		}
	}
}

func TestTokensThatAreDamagedAreRefusedAndLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens")
	a, b := owner{"U1", 5, "B-1", 1, nil}, owner{"U1", 6, "B-2", 1, nil}
	for at := range a.line() {
		bad := append(a.line(), b.line()...)
		bad[at] ^= 0x40
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		_, err := openTokens(dir)
		require.ErrorContains(t, err, "damaged", "byte %d", at)
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, bad, left)
	}
	require.NoError(t, os.WriteFile(path, append(b.line(), a.line()...), 0o600))
	_, err := openTokens(dir)
	require.ErrorContains(t, err, "falls from 6 to 5")
}

func TestTheFileOfTokensDoesNotGrowForEver(t *testing.T) {
	tk, err := openTokens(t.TempDir())
	require.NoError(t, err)
	for i := range 20 {
		require.NoError(t, tk.put(owner{"U1", uint64(i + 1), "B-1", 1, nil}))
	}
	tk.lines = tokenLines + 1 // as after so many
	require.NoError(t, tk.put(owner{"U2", 1, "B-1", 1, nil}))
	data, err := os.ReadFile(tk.path())
	require.NoError(t, err)
	require.Equal(t, 2, bytes.Count(data, []byte("\n")))
	require.NoError(t, tk.close())
}
