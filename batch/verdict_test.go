// Claims about the verdict on a total, at the ends of what 64 bits hold.

package batch

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
)

func TestATotalTooFarFromItsTargetForItsDifferenceIsOutOfTolerance(t *testing.T) {
	for _, c := range []struct {
		total, target int64
		want          string
	}{
		{1005, 1000, "PASS"}, {995, 1000, "PASS"}, {1006, 1000, "OUT_OF_TOLERANCE"}, {994, 1000, "OUT_OF_TOLERANCE"},
		{math.MinInt64, 1, "OUT_OF_TOLERANCE"}, {math.MinInt64, 0, "OUT_OF_TOLERANCE"}, {math.MinInt64 + 3, 1 << 62, "OUT_OF_TOLERANCE"},
		{math.MaxInt64, 1, "OUT_OF_TOLERANCE"},
	} {
		require.Equal(t, c.want, verdict(&metering.Total{Value: c.total, Quality: tag.Good}, c.target, 5, "end"), c)
	}
}
