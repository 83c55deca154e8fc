// Answers from outside: what is read of them, what is refused, and what is thrown away.

package system

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// chronyAnswerTo lays out an answer to a request; body is written behind the head.
func chronyAnswerTo(request []byte, form uint16, length int, body func(b []byte)) []byte {
	b := make([]byte, chronyAnswerHead+length)
	b[0], b[1] = chronyVersion, chronyAnswer
	copy(b[4:6], request[4:6])
	binary.BigEndian.PutUint16(b[6:], form)
	copy(b[16:20], request[8:12])
	body(b[chronyAnswerHead:])
	return b
}

// chronySays is an answer of tracking of a clock that was brought up to date at that time.
func chronySays(request []byte, updated time.Time) []byte {
	return chronyAnswerTo(request, chronyTracking, chronyTrackingLen, func(b []byte) {
		binary.BigEndian.PutUint16(b[26:], 1) // a leap second is to come
		binary.BigEndian.PutUint64(b[28:], uint64(updated.Unix()))
		binary.BigEndian.PutUint32(b[36:], uint32(updated.Nanosecond()))
		for at, v := range map[int]uint32{40: chronyNumber(-10, 0x1000), 56: chronyNumber(0, 1<<22), 60: chronyNumber(0, 1<<23),
			64: chronyNumber(-9, 1<<24-1), 68: chronyNumber(-10, 0x2000), 72: chronyNumber(10, 1<<23)} {
			binary.BigEndian.PutUint32(b[at:], v)
		}
	})
}

// chronyNumber is coefficient * 2^(exponent-25).
func chronyNumber(exponent int, coefficient int32) uint32 {
	return uint32(exponent)<<25 | uint32(coefficient)&(1<<25-1)
}

func TestNumbersOfChronydAreReadWithoutFloats(t *testing.T) {
	for _, c := range []struct {
		raw  uint32
		unit int64
		want int64
	}{
		{0, 1e9, 0},
		{chronyNumber(2, 1<<23), 1e9, 1_000_000_000},
		{chronyNumber(1, -1<<24), 1e9, -1_000_000_000},
		{chronyNumber(0, 1<<23), 1000, 250},
		{chronyNumber(-29, 1<<23), 1e9, 0},
		{chronyNumber(-27, 1<<23), 1e9, 1},
		{chronyNumber(-64, 1<<24-1), 1e9, 0},
		{chronyNumber(26, 3), 1e9, 6_000_000_000},
		{chronyNumber(63, 1<<24-1), 1e9, math.MaxInt64},
		{chronyNumber(63, -1<<24), 1e9, -math.MaxInt64},
	} {
		require.Equal(t, c.want, chronyFloat(c.raw, c.unit), "%08x", c.raw)
	}
}

// answers serves datagrams at an address until the test is over: each request gets what answer makes of it.
func answers(t *testing.T, conn net.PacketConn, answer func(n int, request []byte) [][]byte) string {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		var b [2048]byte
		for n := 0; ; n++ {
			size, from, err := conn.ReadFrom(b[:])
			if err != nil {
				return
			}
			for _, one := range answer(n, b[:size]) {
				_, _ = conn.WriteTo(one, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// chronyd answers as a chronyd with one source, in its own words where change has some.
func chronyd(t *testing.T, change func(request, answer []byte) [][]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	updated := time.Now().Add(-1500 * time.Millisecond)
	return answers(t, conn, func(_ int, request []byte) [][]byte {
		var b []byte
		switch binary.BigEndian.Uint16(request[4:]) {
		case chronyAskTracking:
			b = chronySays(request, updated)
		case chronyAskSources:
			b = chronyAnswerTo(request, chronySources, chronySourcesLen, func(b []byte) { b[3] = 2 })
		case chronyAskSource:
			b = chronyAnswerTo(request, chronySource, chronySourceLen, func(b []byte) {
				b[21], b[25] = 3, 4*(1-request[23]) // 8 s; the second is selected
			})
		}
		if len(b) > len(request) {
			t.Errorf("a request of %d bytes is not answered with %d", len(request), len(b))
		}
		if change == nil {
			return [][]byte{b}
		}
		return change(request, b)
	})
}

func TestWhatChronydSaysIsRead(t *testing.T) {
	c := NewChrony(NewClock(1), chronyd(t, nil), nil)
	r, err := c.Read(t.Context())
	require.NoError(t, err)
	require.True(t, r.Good, r.Why)
	require.GreaterOrEqual(t, r.Mono-r.Heard, int64(1500*time.Millisecond))
	require.InDelta(t, time.Now().UnixNano(), r.UTC, 1e9)
	r.Mono, r.UTC, r.Heard = 0, 0, 0
	require.Equal(t, timebase.Reading{Good: true, Offset: -119, Bound: 488_281 + 238, Drift: 125 + 250, Leap: 1}, r)
	require.EqualValues(t, 1, c.selected, "asked first the next time")
}

func TestAnswersThatCannotBeRightAreRefused(t *testing.T) {
	for want, change := range map[string]func(b []byte) []byte{
		"answer in version 5 of the protocol":  func(b []byte) []byte { b[0] = 5; return b },
		"refused with status 2":                func(b []byte) []byte { b[9] = 2; return b },
		"answer of form 9: 5 is wanted":        func(b []byte) []byte { b[7] = 9; return b },
		"answer of 40 bytes: 104 are wanted":   func(b []byte) []byte { return b[:40] },
		"leap status 7":                        func(b []byte) []byte { b[28+27] = 7; return b },
		"not a time":                           func(b []byte) []byte { b[28+36] = 0xff; return b },
		"root delay -488281 ns":                func(b []byte) []byte { binary.BigEndian.PutUint32(b[28+64:], chronyNumber(-10, -0x1000000)); return b },
		"none of its datagrams":                nil,
		"i/o timeout; is it running":           func([]byte) []byte { return []byte("hello") },
		"poll interval 2^100 s: 2^-16 to 2^24": func(b []byte) []byte { return b },
	} {
		at := chronyd(t, func(request, b []byte) [][]byte {
			tracking := binary.BigEndian.Uint16(request[4:]) == chronyAskTracking
			switch {
			case change == nil: // a flood
				b[19] ^= 1
				return append(make([][]byte, 0, 100), repeat(b, 100)...)
			case tracking:
				return [][]byte{change(b)}
			case binary.BigEndian.Uint16(request[4:]) == chronyAskSource:
				b[28+21] = 100
			}
			return [][]byte{b}
		})
		ctx, cancel := context.WithTimeout(t.Context(), patienceFor(want))
		r, err := NewChrony(NewClock(1), at, nil).Read(ctx)
		cancel()
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "system: chronyd at 127.0.0.1:")
		require.Zero(t, r)
	}
}

// patienceFor is for how long an answer is waited for: not for long where none comes that counts, else for as long as a busy machine takes.
func patienceFor(want string) time.Duration {
	if strings.Contains(want, "i/o timeout") {
		return 300 * time.Millisecond
	}
	return 20 * time.Second
}

func repeat(b []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

func TestLateAnswersToOthersAreThrownAway(t *testing.T) {
	at := chronyd(t, func(request, b []byte) [][]byte {
		stale, strange := append([]byte(nil), b...), append([]byte(nil), b...)
		stale[19] ^= 1    // its sequence number
		strange[5] ^= 0x7 // its command
		return [][]byte{stale, strange, {}, []byte("hello"), b}
	})
	r, err := NewChrony(NewClock(1), at, nil).Read(t.Context())
	require.NoError(t, err)
	require.True(t, r.Good, r.Why)
}

func TestAReadingEndsWithItsContext(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	at := answers(t, conn, func(int, []byte) [][]byte { cancel(); return nil })
	_, err = NewChrony(NewClock(1), at, nil).Read(ctx)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestAChronydWithoutASourceOrWithoutTimeIsNotGood(t *testing.T) {
	for want, change := range map[string]func(command uint16, b []byte){
		"chronyd: no source is selected": func(command uint16, b []byte) {
			if command == chronyAskSources {
				b[28+3] = 1
			}
		},
		"chronyd: not synchronised": func(command uint16, b []byte) {
			if command == chronyAskTracking {
				b[28+27] = 3
			}
		},
		"chronyd: not updated for 1h0m": func(command uint16, b []byte) {
			if command == chronyAskTracking {
				at := b[28+28:]
				binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)-3599)
			}
		},
	} {
		at := chronyd(t, func(request, b []byte) [][]byte {
			change(binary.BigEndian.Uint16(request[4:]), b)
			return [][]byte{b}
		})
		r, err := NewChrony(NewClock(1), at, nil).Read(t.Context())
		require.NoError(t, err)
		require.Contains(t, r.Why, want)
		require.False(t, r.Good)
	}
}

func TestSilenceIsMeasuredByMonotonicTimeHoweverTheWallClockMoves(t *testing.T) {
	const s = int64(time.Second)
	var v trail
	require.Equal(t, 90*s, v.heardAt(1, 100*s, 10*s), "the first mark's age is believed")
	require.Equal(t, 90*s, v.heardAt(1, 101*s, 11*s))
	require.Equal(t, 90*s, v.heardAt(1, 102*s, -3600*s), "the wall clock was put back: nothing was heard")
	require.Equal(t, 102*s, v.heardAt(2, 103*s, 7200*s), "and forward: it was heard after the look before")
	require.Equal(t, 104*s, v.heardAt(3, 104*s, -5*s), "not in the future")
	var w trail
	require.Equal(t, -50*s, w.heardAt(1, 10*s, 60*s), "before the clock began to count")
}

func FuzzAnswersOfChronyd(f *testing.F) {
	request := chronyAsk(chronyAskTracking, 7, 0, chronyTrackingLen)
	f.Add(chronySays(request, time.Unix(1_800_000_000, 5)))
	f.Add(chronyAnswerTo(request, chronySource, chronySourceLen, func(b []byte) { b[21] = 6 }))
	f.Add(chronyAnswerTo(request, chronySources, chronySourcesLen, func(b []byte) { b[3] = 4 }))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = chronyIsFor(b, chronyAskTracking, 7)
		c := NewChrony(NewClock(1), "", nil)
		track, err := decodeTracking(b)
		source, err2 := decodeSource(b)
		if n, err := decodeSources(b); err == nil {
			require.GreaterOrEqual(t, n, int64(0))
		}
		if err == nil {
			require.GreaterOrEqual(t, track.updated, int64(0))
			require.GreaterOrEqual(t, addBound(track.rootDelay/2, track.rootDispersion), int64(0))
		}
		if err == nil || err2 == nil {
			_ = c.why(&track, &source, err2 == nil, 1e18)
		}
	})
}
