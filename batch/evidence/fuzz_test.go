// Fuzzing of every decoder: nothing panics, and what is taken is what would have been written.

package evidence

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/metering"
)

func FuzzLine(f *testing.F) {
	body := []byte(`{"a":1}`)
	f.Add(bytes.TrimSuffix(appendLine(nil, 7, journal.Leaf(body), journal.Hash{1}, body), []byte{'\n'}))
	f.Add([]byte("1\t2\t3\t4\t5"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ln := parseLine(text)
		if ln.bad == "" {
			require.Equal(t, string(text)+"\n", string(appendLine(nil, ln.seq, ln.leaf, ln.link, ln.body)))
		}
	})
}

func FuzzEvents(f *testing.F) {
	dir := packed(f, "B-0001", approved{})
	files := filesOf(f, dir)
	events := slurp(f, dir, eventsName)
	f.Add(events, uint16(10))
	f.Add(events[:len(events)/2], uint16(3))
	f.Add([]byte("1\t\n\n"), uint16(0))
	f.Fuzz(func(t *testing.T, events []byte, at uint16) {
		rep := verifyEvents(t, files, events)
		if !rep.Checks[1].Failed {
			all := bodies(t, events)
			require.Equal(t, string(events), string(chained(all)))
			// Hashed again, a body that was touched comes as far as the records do.
			if n := int(at) % len(all); len(all[n]) > 0 {
				all[n][int(at)%len(all[n])] ^= byte(at >> 8)
				verifyEvents(t, files, chained(all))
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(slurp(f, packed(f, "B-0001", approved{}), manifestName))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseManifest(data); err == nil {
			again, err := m.encode()
			require.NoError(t, err)
			require.Equal(t, string(data), string(again))
			key, _, _ := difference(data, again)
			require.Empty(t, key)
		}
	})
}

func FuzzSamples(f *testing.F) {
	f.Add(slurp(f, packed(f, "B-0001", approved{}), "samples/B.2.tsv"))
	f.Add([]byte("1\t-9223372036854775808\tGOOD\n2\t9223372036854775807\tGOOD\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []metering.Meter{{Bits: 16}, {Bits: 32, Most: 1000, Cutoff: 5}, {Bits: 64}, {Method: metering.Totalizer, Modulus: 1000},
			{Method: metering.Flow, Trapezoid: true, Median: 3}, {Method: metering.Weight, Median: 5}} {
			tl := newTally(&m, 0)
			_ = tl.read(bytes.NewReader(data))
			if tl.counter() {
				require.GreaterOrEqual(t, tl.sum.Sign(), 0)
			}
		}
	})
}
