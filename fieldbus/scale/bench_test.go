// How fast frames are found, beside a bare splitter of lines.

package scale

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkFrames reports how many times as long a frame takes as a line does that bufio splits off and nobody looks at.
func BenchmarkFrames(b *testing.B) {
	f := formats(b)[0]
	text, err := f.Append(nil, map[string]string{"status": "ST", "mode": "GS", "weight": "+00012.34", "unit": "kg"})
	require.NoError(b, err)
	const n = 1000
	all := bytes.Repeat(text, n)
	r := &framer{format: f}
	var s said
	var ours, its time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		frames := 0
		for rest := all; len(rest) > 0; {
			k := copy(r.room(), rest[:min(len(rest), 64)])
			r.heard(k)
			rest = rest[k:]
			for r.next(&s) {
				if f.reading(&f.places[0], &s.frame).Bits == 1234 {
					frames++
				}
			}
		}
		ours += time.Since(begin)
		require.Equal(b, n, frames)
		begin = time.Now()
		lines := bufio.NewScanner(bytes.NewReader(all))
		for lines.Scan() {
			frames--
		}
		its += time.Since(begin)
		require.Zero(b, frames)
	}
	b.ReportMetric(float64(ours)/float64(its), "of-bufio")
	b.ReportMetric(float64(b.N)*n/ours.Seconds(), "frames/s")
}

func TestAFrameIsFoundAndReadWithoutAnAllocation(t *testing.T) {
	f := formats(t)[0]
	r := &framer{format: f}
	var s said
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.heard(copy(r.room(), "ST,GS,+00012.34kg\r\n"))
		for r.next(&s) {
			_ = f.reading(&f.places[0], &s.frame)
		}
	}))
}
