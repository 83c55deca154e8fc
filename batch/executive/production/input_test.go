// Tests of what stands in a production_input: that lines of any length come back, and that a cut between pieces leaves nothing.

package production

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// inputs writes the records of inputs, without those for which cut is true, and reads them again.
func inputs(t *testing.T, cut func(n int) bool, list ...*input) (kinds, lines []string) {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(dir, "X", "production", nil)
	require.NoError(t, err)
	n := 0
	for _, in := range list {
		fills, err := in.fills()
		require.NoError(t, err)
		for _, fill := range fills {
			if n++; !cut(n) {
				_, err := l.Append(fill)
				require.NoError(t, err)
			}
		}
	}
	require.NoError(t, l.Close())
	var p pieces
	_, err = journal.Scan(dir, func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		require.NoError(t, err)
		if kind, line := p.take(r); line != nil {
			kinds, lines = append(kinds, kind), append(lines, string(line))
		}
		return nil
	}, nil)
	require.NoError(t, err)
	return kinds, lines
}

func never(int) bool { return false }

func TestALineOfAnyLengthComesBackAsItWas(t *testing.T) {
	for _, size := range []int{1, maxPiece - 1, maxPiece, maxPiece + 1, 2 * maxPiece, 2*maxPiece + 1, 5*maxPiece + 17} {
		for _, c := range []string{`"`, "x", "ä", "→"} {
			line := strings.Repeat(c, size/len(c)+1)
			kinds, lines := inputs(t, never, &input{kind: forJobs, line: []byte(line)}, &input{kind: forRuns, line: []byte("next")})
			require.Equal(t, []string{forJobs, forRuns}, kinds)
			require.Equal(t, []string{line, "next"}, lines, "%s %d", c, size)
		}
	}
}

func TestALineThatWasCutOffBetweenItsPiecesIsNoInput(t *testing.T) {
	long := &input{kind: forJobs, line: []byte(strings.Repeat("x", 3*maxPiece))}
	kinds, lines := inputs(t, func(n int) bool { return n == 3 }, long, &input{kind: forRuns, line: []byte("next")})
	require.Equal(t, []string{forRuns}, kinds)
	require.Equal(t, []string{"next"}, lines)
	kinds, lines = inputs(t, func(n int) bool { return n == 3 }, long, long)
	require.Equal(t, []string{forJobs}, kinds)
	require.Equal(t, string(long.line), lines[0])
}

func TestAPieceThatFollowsOnNothingCannotBeRead(t *testing.T) {
	long := &input{kind: forJobs, line: []byte(strings.Repeat("x", 3*maxPiece))}
	kinds, _ := inputs(t, func(n int) bool { return n == 2 }, long)
	require.Equal(t, []string{forPart}, kinds)
}

func TestALineThatIsTooLongIsRefused(t *testing.T) {
	_, err := (&input{kind: forJobs, line: make([]byte, maxParts*maxPiece+1)}).fills()
	require.ErrorContains(t, err, "at most")
}

func FuzzADeedIsReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"did":"give","process":"J-000001-0001","detail":"x"}`))
	f.Add([]byte(`{"did":"aside","seq":7}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := parseDeed(line)
		if err != nil {
			return
		}
		again, err := parseDeed(d.line())
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}
