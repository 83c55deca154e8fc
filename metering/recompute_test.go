// Claims about sample files: what is read, and what is refused with the number of its line.

package metering_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/stretchr/testify/require"
)

func TestWhatIsNoSampleFileIsRefusedWithItsLine(t *testing.T) {
	counter := metering.Meter{Bits: 32, K: factor(1, 1)}
	const form = "it is no sample; write time, raw value where it is GOOD, and GOOD, STALE, BAD, CUT or NEW, parted by tabs"
	const begin = "9\t100\tGOOD\n"
	for _, c := range []struct {
		claim, text string
		line        int
		why         string
	}{
		{"nothing", "", 0, "there is none; a window has at least the reading in force when it opened"},
		{"no end", begin + "20\t110\tGOOD", 2, "it has no end; the file is cut off"},
		{"cut within a line", begin + "20\t1", 2, "it has no end; the file is cut off"},
		{"an empty line", begin + "\n", 2, form},
		{"a space", begin + "20 \t110\tGOOD\n", 2, form},
		{"two fields", begin + "20\t110\n", 2, form},
		{"four fields", begin + "20\t110\tGOOD\t\n", 2, form},
		{"carriage return", begin + "20\t110\tGOOD\r\n", 2, form},
		{"a leading zero", begin + "020\t110\tGOOD\n", 2, form},
		{"a plus", begin + "+20\t110\tGOOD\n", 2, form},
		{"less than no nothing", begin + "20\t-0\tGOOD\n", 2, form},
		{"a sign alone", begin + "20\t-\tGOOD\n", 2, form},
		{"a fraction", begin + "20\t1.5\tGOOD\n", 2, form},
		{"more than 64 bits", begin + "20\t9223372036854775808\tGOOD\n", 2, form},
		{"less than 64 bits", begin + "20\t-9223372036854775809\tGOOD\n", 2, form},
		{"twenty digits", begin + "20\t18446744073709551616\tGOOD\n", 2, form},
		{"GOOD without number", begin + "20\t\tGOOD\n", 2, form},
		{"BAD with a number", begin + "20\t5\tBAD\n", 2, form},
		{"a word that is none", begin + "20\t\tWORSE\n", 2, form},
		{"a word in small letters", begin + "20\t\tbad\n", 2, form},
		{"a line without end", begin + strings.Repeat("1", 100), 2, form},
		{"text", "samples of FQ101\n", 1, form},
		{"a time that goes back", begin + "20\t110\tGOOD\n19\t110\tGOOD\n", 3, "its time lies before that of the line above"},
		{"a gap that goes back", begin + "20\t110\tGOOD\n19\t\tBAD\n", 3, "its time lies before that of the line above"},
		{"a time beyond all", begin + "4611686018427387905\t110\tGOOD\n", 2, "its time is none of this machine's; it is more than 146 years away"},
		{"no reading in force", "9\t\tBAD\n", 1, "the first line is not the reading in force when the window opened"},
		{"a first line after the start", "11\t5\tGOOD\n", 1, "the first line is not the reading in force when the window opened"},
		{"a line after the end", begin + "101\t110\tGOOD\n", 2, "its time lies after the end of the window"},
	} {
		for name, r := range map[string]io.Reader{"": strings.NewReader(c.text), ", byte by byte": iotest.OneByteReader(strings.NewReader(c.text))} {
			total, digest, err := metering.Recompute(r, &counter, 10, 100)
			require.EqualError(t, err, fmt.Sprintf("metering: samples, line %d: %s", c.line, c.why), c.claim+name)
			require.Equal(t, metering.Total{}, total, c.claim)
			require.Zero(t, digest, c.claim)
		}
	}
	_, _, err := metering.Recompute(strings.NewReader(begin), &metering.Meter{Bits: 32}, 10, 100)
	require.EqualError(t, err, "metering: a meter without factor, or pulses that are not of 16, 32 or 64 bits, has no total")
	_, _, err = metering.Recompute(strings.NewReader(begin), &counter, 10, 1<<62+1)
	require.EqualError(t, err, "metering: start or end is more than 146 years away; write monotonic ns")
	_, _, err = metering.Recompute(iotest.ErrReader(errors.New("disk gone")), &counter, 10, 100)
	require.ErrorContains(t, err, "disk gone")
	polyline := metering.Meter{Method: metering.Weight, K: factor(1, 1), Curve: metering.Curve{X: []int64{0, 5}, A: []int64{1}, B: []int64{0}}}
	_, _, err = metering.Recompute(strings.NewReader(begin), &polyline, 10, 100)
	require.EqualError(t, err, "metering: samples, line 1: the reading lies outside the calibration")
}

func TestAnEpochMayEndAWindowBeforeItBegan(t *testing.T) {
	text := "900\t100\tGOOD\n7\t\tCUT\n8\t110\tGOOD\n9\t\tNEW\n9\t5\tGOOD\n9\t7\tGOOD\n"
	total, digest, err := metering.Recompute(strings.NewReader(text), &metering.Meter{Bits: 32, K: factor(1, 1)}, 1_000, 10)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256([]byte(text)), digest)
	require.Equal(t, metering.Total{Value: 12, Raw: 12, StartAt: 1_000, EndAt: 10, Samples: 6, Source: tag.Good, Quality: tag.Bad,
		Period: factor(1, 2), Gaps: 1, GapTime: 1, Cuts: 1, FlowAtEnd: true}, total)
}

// FuzzRecompute holds any file against panics, and what is accepted against the form of its lines.
func FuzzRecompute(f *testing.F) {
	for _, text := range []string{"", "9\t100\tGOOD\n20\t110\tGOOD\n30\t\tBAD\n40\t150\tGOOD\n", "9\t-5\tGOOD\n7\t\tCUT\n8\t\tNEW\n8\t\tSTALE\n",
		"-1\t9223372036854775807\tGOOD\n0\t-9223372036854775808\tGOOD\n"} {
		for method := range uint8(4) {
			f.Add([]byte(text), method, int64(10), int64(1000))
		}
	}
	curve := metering.Curve{X: []int64{-100, 0, 1000}, A: []int64{3, 1 << 40}, B: []int64{7, 7}}
	f.Fuzz(func(t *testing.T, text []byte, kind uint8, start, end int64) {
		m := metering.Meter{Method: metering.Method(kind % 4), Bits: 32, K: factor(1, 3), Trapezoid: kind&4 != 0, Median: int(kind >> 4 & 7)}
		if kind&8 != 0 {
			m.Curve = curve
		}
		total, digest, err := metering.Recompute(bytes.NewReader(text), &m, start, end)
		if err != nil {
			require.Equal(t, metering.Total{}, total)
			return
		}
		require.Equal(t, sha256.Sum256(text), digest)
		var again []byte
		lines := readLines(string(text))
		for _, l := range lines {
			switch l.word {
			case metering.CutWord, metering.NewWord:
				again = metering.AppendBreak(again, l.at, l.word)
			default:
				again = metering.AppendSample(again, l.at, l.raw, map[string]tag.Quality{"GOOD": tag.Good, "STALE": tag.Stale, "BAD": tag.Bad}[l.word])
			}
		}
		require.Equal(t, string(text), string(again))
		require.EqualValues(t, len(lines), total.Samples)
	})
}
