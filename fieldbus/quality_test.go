// Age and quality at their boundaries, and what a hole is worth.

package fieldbus

import (
	"math"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestAValueIsStaleOneNanosecondAfterItsLimit(t *testing.T) {
	good := tag.Raw{Quality: tag.Good}
	for _, c := range []struct {
		v      Value
		now    int64
		q      tag.Quality
		status Status
		age    int64
	}{
		{Value{Raw: good, Read: 1000, Limit: 500}, 1000, tag.Good, StatusGood, 0},
		{Value{Raw: good, Read: 1000, Limit: 500}, 1499, tag.Good, StatusGood, 499},
		{Value{Raw: good, Read: 1000, Limit: 500}, 1500, tag.Good, StatusGood, 500},
		{Value{Raw: good, Read: 1000, Limit: 500}, 1501, tag.Stale, StatusLastUsable, 501},
		{Value{Raw: good, Read: 1000, Limit: 500}, math.MaxInt64, tag.Stale, StatusLastUsable, math.MaxInt64 - 1000},
		{Value{Raw: good, Read: 1000, Limit: 500}, 999, tag.Good, StatusGood, 0},
		{Value{Raw: good, Read: 1000}, 1000, tag.Good, StatusGood, 0},
		{Value{Raw: good, Read: 1000}, 1001, tag.Stale, StatusLastUsable, 1},
		{Value{Raw: good, Read: 1, Limit: math.MaxInt64}, math.MaxInt64, tag.Good, StatusGood, math.MaxInt64 - 1},
		{Value{Status: StatusNotConnected, Read: 1000, Limit: 500}, 1200, tag.Bad, StatusNotConnected, 200},
		{Value{Status: StatusNotConnected, Read: 1000, Limit: 500}, 9000, tag.Bad, StatusNotConnected, 8000},
		{Value{Raw: tag.Raw{Quality: tag.Stale}, Status: StatusSensorFailure, Read: 1000, Limit: 500}, 1000, tag.Bad, StatusSensorFailure, 0},
		{Value{}, 1000, tag.Bad, StatusWaiting, -1},
		{Value{Raw: good, Limit: 500}, 1000, tag.Bad, StatusWaiting, -1},
		{Value{Status: StatusConfigurationError}, 1000, tag.Bad, StatusConfigurationError, -1},
	} {
		q, status, age := c.v.At(c.now)
		require.Equal(t, c.q, q, "%+v at %d", c.v, c.now)
		require.Equal(t, c.status, status, "%+v at %d", c.v, c.now)
		require.Equal(t, c.age, age, "%+v at %d", c.v, c.now)
	}
}

func TestAHoleIsWorthWhatASecondExchangeTakes(t *testing.T) {
	for _, c := range []struct {
		name                      string
		byteTime, gap, turnaround int64
		overhead, bits, want      int
	}{
		{"9600 Bd", 1_145_833, 4_010_416, 0, 13, 16, 10},
		{"9600 Bd, a slave that takes 2.3 ms", 1_145_833, 4_010_416, 2_300_000, 13, 16, 11},
		{"115200 Bd 8N1", 86_805, 1_750_000, 0, 13, 16, 26},
		{"115200 Bd 8N1, coils", 86_805, 1_750_000, 0, 13, 1, 426},
		{"TCP: bytes take no time", 0, 0, 500_000, 12, 16, math.MaxInt},
		{"nothing is saved", 1_000_000, 0, 0, 0, 16, 0},
		{"as much as one register", 1_000_000, 1_000_000, 0, 0, 16, 1},
		{"not quite one register", 1_000_000, 999_999, 1, 0, 16, 0},
		{"less than nothing", 1_000_000, -5, -5, -5, 16, 0},
		{"a point without bits", 1_000_000, 0, 0, 13, 0, math.MaxInt},
		{"more than fits", math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt, math.MaxInt, 1},
		{"more than fits, bytes of 1 ns", 1, math.MaxInt64, math.MaxInt64, math.MaxInt, 1, math.MaxInt32},
	} {
		got := HoleWorth(c.byteTime, c.gap, c.turnaround, c.overhead, c.bits)
		if c.name == "more than fits" {
			require.GreaterOrEqual(t, got, 0, c.name)
			continue
		}
		require.Equal(t, c.want, got, c.name)
	}
}

func TestBridgingAHoleIsNoSlowerThanASecondExchangeAndOneMoreIs(t *testing.T) {
	for byteTime := int64(1000); byteTime < 2_000_000; byteTime += 77_777 {
		for gap := int64(0); gap < 5_000_000; gap += 999_999 {
			for turnaround := int64(0); turnaround < 10_000_000; turnaround += 3_333_333 {
				h := int64(HoleWorth(byteTime, gap, turnaround, 13, 16))
				second := 13*byteTime + 2*gap + turnaround
				require.LessOrEqual(t, 2*h*byteTime, second)
				require.Greater(t, 2*(h+1)*byteTime, second)
			}
		}
	}
}
