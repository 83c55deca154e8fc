// Tests of times against package time.

package record

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// layout is the form of a time in a body, as package time spells it.
const layout = "2006-01-02T15:04:05.000000000Z"

// numbers calls fn with the edges of int64, of seconds, days and years, and then with n random numbers of every size.
func numbers(t *testing.T, n int, fn func(int64)) {
	edges := []int64{0, math.MaxInt64, math.MinInt64, maxInt, -maxInt}
	for _, unit := range []int64{1, 10, 1e3, 1e6, 1e9, 60e9, 3600e9, 86400e9, 365 * 86400e9, 366 * 86400e9} {
		edges = append(edges, unit, -unit)
	}
	for year := 1678; year <= 2262; year++ {
		edges = append(edges, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(),
			time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	}
	for _, e := range edges {
		for d := int64(-2); d <= 2; d++ {
			fn(e + d) // wraps at the ends of int64, which are edges too
		}
	}
	const seed = 1
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		fn(int64(r.Uint64()) >> r.IntN(64))
	}
}

func TestATimeIsWrittenAsPackageTimeWritesItAndReadBack(t *testing.T) {
	numbers(t, 100_000, func(n int64) {
		got := string(AppendTime([]byte("x"), n))
		if want := "x" + time.Unix(0, n).UTC().Format(layout); got != want {
			require.Equal(t, want, got, "AppendTime(%d)", n)
		}
		back, ok := ParseTime(got[1:])
		if !ok || back != n {
			require.FailNow(t, "not read back", "ParseTime(%q) = %d, %v; want %d", got[1:], back, ok, n)
		}
	})
}

func TestATextThatIsNoTimeIsRefused(t *testing.T) {
	for _, s := range []string{
		"",
		"2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.000000000",
		"2026-01-02T03:04:05.000000000z",
		"2026-01-02t03:04:05.000000000Z",
		"2026-01-02 03:04:05.000000000Z",
		"2026-01-02T03:04:05,000000000Z",
		"2026/01/02T03:04:05.000000000Z",
		"2026-00-02T03:04:05.000000000Z",
		"2026-13-02T03:04:05.000000000Z",
		"2026-01-00T03:04:05.000000000Z",
		"2026-01-32T03:04:05.000000000Z",
		"2026-02-29T03:04:05.000000000Z",
		"2100-02-29T03:04:05.000000000Z",
		"2026-04-31T03:04:05.000000000Z",
		"2026-01-02T24:00:00.000000000Z",
		"2026-01-02T03:60:05.000000000Z",
		"2026-06-30T23:59:60.000000000Z",
		"2026-01-02T03:04:05.00000000 Z",
		"2026-01-02T03:04:05.-00000001Z",
		"+026-01-02T03:04:05.000000000Z",
		"2026-01-02T03:04:0\u00e9.00000000Z",
		"\xff\xff\xff\xff-01-02T03:04:05.000000000Z",
		"1677-09-21T00:12:43.145224191Z", // one below the least int64
		"2262-04-11T23:47:16.854775808Z", // one above the greatest
		"0001-01-01T00:00:00.000000000Z",
		"9999-12-31T23:59:59.999999999Z",
	} {
		n, ok := ParseTime(s)
		require.False(t, ok, s)
		require.Zero(t, n, s)
	}
}

func TestATimeWithOneByteChangedIsTakenOnlyWhereItIsAnotherTime(t *testing.T) {
	const seed = 2
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50_000 {
		s := AppendTime(nil, int64(r.Uint64()))
		s[r.IntN(len(s))] = "0123456789-:.TZ+ \xff"[r.IntN(18)]
		got, ok := ParseTime(string(s))
		want, err := time.Parse(layout, string(s))
		fits := err == nil && want.Format(layout) == string(s) && time.Unix(0, want.UnixNano()).Equal(want)
		require.Equal(t, fits, ok, "%q", s)
		if ok {
			require.Equal(t, want.UnixNano(), got, "%q", s)
		}
	}
}
