// What an operation costs, beside what a bare publish does.

package bus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAppend has log and bare publish take turns in one run, and gives the medians of both.
func BenchmarkAppend(b *testing.B) {
	for _, at := range []struct {
		name string
		urls func() string
	}{
		{"one", func() string { s, _ := runServer(b, alone(b)); return s.ClientURL() }},
		{"three", func() string { return strings.Join(three(b), ",") }},
	} {
		b.Run(at.name, func(b *testing.B) {
			c := connect(b, &Options{URL: at.urls(), Node: "n1"})
			l := openLog(b, c, "plant", nil)
			ctx := within(b, 5*patience)
			require.NoError(b, c.Ensure(ctx, &Stream{Name: "BARE", Subjects: []string{"bare"}, MaxBytes: 64 << 20, MaxMsgs: 1 << 20}))
			op := make([]byte, 300)
			var log, bare, read []time.Duration
			for n := uint64(1); b.Loop(); n++ {
				began := time.Now()
				require.NoError(b, l.Append(ctx, n, op))
				mid := time.Now()
				_, err := c.js.Publish(ctx, "bare", op)
				require.NoError(b, err)
				after := time.Now()
				require.NoError(b, l.Read(ctx, n, func(uint64, []byte) error { return nil }))
				log, bare, read = append(log, mid.Sub(began)), append(bare, after.Sub(mid)), append(read, time.Since(after))
			}
			for name, list := range map[string][]time.Duration{"append": log, "bare": bare, "read": read} {
				slices.Sort(list)
				b.ReportMetric(float64(list[len(list)/2].Microseconds()), fmt.Sprintf("%s-p50-µs", name))
				b.ReportMetric(float64(list[len(list)*99/100].Microseconds()), fmt.Sprintf("%s-p99-µs", name))
			}
		})
	}
}
