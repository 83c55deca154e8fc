// The decoder of frames is fed with anything.

package trend

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
)

func FuzzDecode(f *testing.F) {
	s := Sample{Seq: 7, Channel: "ai/1", Form: tag.Float32, Bits: 1 << 40, Quality: tag.Good, Status: 3, Mono: 5, UTC: -1}
	f.Add(encode(nil, kindSample, &s, 3), uint64(3))
	f.Add(encode(nil, kindMark, &Sample{Seq: 9}, 1), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, segment uint64) {
		s, kind, n := decode(b, segment)
		if n > 0 {
			require.Equal(t, b[:n], encode(nil, kind, &s, segment), "what is read is what was written")
			require.NoError(t, (&s).check0(kind))
		}
		// The same bytes as the inside of a segment, and behind the checksum of a frame.
		whole := append(header(segment, 1, 0), b...)
		before, torn := uint64(0), 0
		torn = scan(whole, segment, func(s *Sample, kind byte, _ bool) bool {
			if kind == kindSample {
				require.Greater(t, s.Seq, before)
				before = s.Seq
			}
			return true
		})
		require.LessOrEqual(t, torn, len(whole))
		scan(b, segment, func(*Sample, byte, bool) bool { return true })
		if len(b) >= frameFixed { // with the sum put right, so that what lies behind it is reached
			n := min(max(len(b), frameFixed), frameLimit)
			c := bytes.Clone(b[:n])
			c[0], c[2], c[3] = frameMagic, byte(n), byte(n>>8)
			one := sum(c, segment)
			c[4], c[5], c[6], c[7] = byte(one), byte(one>>8), byte(one>>16), byte(one>>24)
			if s, kind, k := decode(c, segment); k > 0 {
				require.Equal(t, c, encode(nil, kind, &s, segment))
				require.NoError(t, (&s).check0(kind))
			}
		}
	})
}

// check0 is check, and for a mark that it is nothing else.
func (s *Sample) check0(kind byte) error {
	if kind == kindMark {
		return nil
	}
	return s.check()
}

func TestAFrameOfAnotherSegmentIsNone(t *testing.T) {
	b := encode(nil, kindSample, &Sample{Seq: 1, Channel: "a"}, 4)
	_, _, n := decode(b, 4)
	require.Equal(t, len(b), n)
	_, _, n = decode(b, 5)
	require.Zero(t, n)
}
