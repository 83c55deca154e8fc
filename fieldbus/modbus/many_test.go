// The claims of several reads in one call: how many are under way, whose answer is whose, and what the loss of one means for the others.

package modbus

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// several makes n reads of two holding registers each.
func several(n int) []Read {
	reads := make([]Read, n)
	for i := range reads {
		reads[i] = Read{Unit: 1, Table: Holding, Address: uint16(100 * i), Out: make([]uint16, 2)}
	}
	return reads
}

// pipelined connects to the far end with so many in flight.
func (f *far) pipelined(t *testing.T, inFlight int, timeout time.Duration) *Client {
	t.Helper()
	c, err := Dial(t.Context(), "far", &Options{Timeout: timeout, InFlight: inFlight, Dial: f.dial})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// hoard is a device that answers only when it holds n requests, in the order that mix makes of them.
func hoard(n int, mix func(frames [][]byte) [][]byte) func([]byte) [][]byte {
	var held [][]byte
	return func(request []byte) [][]byte {
		held = append(held, own(request)...)
		if len(held) < n {
			return nil
		}
		frames := held
		held = nil
		return mix(frames)
	}
}

func asHeld(frames [][]byte) [][]byte { return frames }

func TestAsManyReadsAreUnderWayAsTheDeviceBearsAndNoMore(t *testing.T) {
	for _, n := range []int{1, 2, 4, 64} {
		synctest.Test(t, func(t *testing.T) {
			f := &far{answer: hoard(n, asHeld)}
			c := f.pipelined(t, n, time.Second)
			reads := several(4 * n)
			require.NoError(t, c.ReadAll(t.Context(), reads), "a device that answers %d at a time", n)
			for i, r := range reads {
				require.NoError(t, r.Err)
				require.Equal(t, []uint16{uint16(100 * i), uint16(100*i + 1)}, r.Out)
			}
			f = &far{answer: hoard(n+1, asHeld)}
			c = f.pipelined(t, n, time.Second)
			require.ErrorIs(t, c.ReadAll(t.Context(), several(4*n)), os.ErrDeadlineExceeded, "no more than %d came", n)
			require.Len(t, f.asked(), n)
		})
	}
}

func TestAnswersInAnyOrderAreTakenByTheirTransaction(t *testing.T) {
	for _, mix := range []func([][]byte) [][]byte{
		asHeld,
		func(b [][]byte) [][]byte { slices.Reverse(b); return b },
		func(b [][]byte) [][]byte { return append(b[3:], b[:3]...) },
		func(b [][]byte) [][]byte { return [][]byte{slices.Concat(b...)} },
		func(b [][]byte) [][]byte { return append([][]byte{slices.Concat(b[7], b[0][:5]), b[0][5:]}, b[1:7]...) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &far{answer: hoard(8, mix)}
			c := f.pipelined(t, 8, time.Second)
			reads := several(32)
			require.NoError(t, c.ReadAll(t.Context(), reads))
			for i, r := range reads {
				require.Equal(t, []uint16{uint16(100 * i), uint16(100*i + 1)}, r.Out)
			}
		})
	}
}

func TestTheLossOfOneAnswerTakesBackWhatCameBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(request []byte) [][]byte {
			if request[9] == 200 {
				return nil
			}
			return own(request)
		}}
		c := f.pipelined(t, 1, time.Second)
		reads := several(5)
		require.ErrorIs(t, c.ReadAll(t.Context(), reads), os.ErrDeadlineExceeded)
		for i, r := range reads {
			require.Equal(t, i >= 2, r.Err != nil, "one at a time, read %d: %v", i, r.Err)
			require.Equal(t, i > 2, isErr(r.Err, ErrDown), "was not sent")
		}
		c = f.pipelined(t, 4, time.Second)
		require.ErrorIs(t, c.ReadAll(t.Context(), reads), os.ErrDeadlineExceeded)
		for i, r := range reads {
			require.ErrorIs(t, r.Err, os.ErrDeadlineExceeded, "read %d", i)
		}
		err := c.ReadAll(t.Context(), reads)
		require.ErrorIs(t, err, ErrDown)
		for _, r := range reads {
			require.ErrorIs(t, r.Err, ErrDown)
		}
	})
}

func TestAnAnswerThatIsFilledUpFromTheNextIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for cut := range 14 {
			f := &far{answer: hoard(4, func(b [][]byte) [][]byte {
				b[0] = b[0][:len(b[0])-cut]
				return [][]byte{slices.Concat(b...)}
			})}
			reads := several(4)
			reads[0].Out = make([]uint16, 6) // as long as two
			err := f.pipelined(t, 4, time.Second).ReadAll(t.Context(), reads)
			require.Equal(t, cut == 0, err == nil)
			for _, r := range reads {
				require.Equal(t, cut == 0, r.Err == nil, "%d bytes are missing: %v", cut, r.Err)
			}
		}
	})
}

func TestAStrayAmongTheAnswersEndsAllThatIsUnderWayAndTheRestIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(request []byte) [][]byte {
			if request[8] == 1 && request[9] == 44 { // address 300
				return [][]byte{own(request)[0], own(request)[0]} // doubled
			}
			return own(request)
		}}
		c := f.pipelined(t, 2, time.Second)
		reads := several(9)
		require.ErrorIs(t, c.ReadAll(t.Context(), reads), ErrStray)
		unsent := 0
		for _, r := range reads {
			require.ErrorIs(t, r.Err, ErrStray)
			if isErr(r.Err, ErrDown) {
				unsent++
			}
		}
		require.GreaterOrEqual(t, unsent, 3)
	})
}

func TestAnExceptionConcernsItsOwnReadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(request []byte) [][]byte {
			if request[9] == 100 {
				return [][]byte{refused(request, IllegalAddress)}
			}
			return own(request)
		}}
		c := f.pipelined(t, 4, 0)
		reads := several(6)
		require.NoError(t, c.ReadAll(t.Context(), reads), "every read was answered")
		for i, r := range reads {
			require.Equal(t, i == 1, errors.Is(r.Err, IllegalAddress), "read %d: %v", i, r.Err)
		}
	})
}

func TestAReadThatCannotBeIsNotSentAndKeepsNoOtherFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: own}
		c := f.pipelined(t, 4, 0)
		reads := []Read{
			{Table: Holding, Out: make([]uint16, MaxRead+1)},
			{Table: Coil, Address: 5, Out: make([]uint16, 3)},
			{Table: 9, Out: make([]uint16, 1)},
			{Table: Discrete, Address: 4, Out: make([]uint16, 2)},
			{Table: Input, Address: 65_535, Out: make([]uint16, 2)},
			{Table: Input, Address: 65_535, Out: make([]uint16, 1), Err: ErrDown},
		}
		require.ErrorContains(t, c.ReadAll(t.Context(), reads), "126 values: one exchange carries 1 to 125")
		require.ErrorContains(t, reads[2].Err, "table(9) is none of coil, discrete, holding and input")
		require.ErrorContains(t, reads[4].Err, "the last address is 65535")
		require.Equal(t, []uint16{1, 0, 1}, reads[1].Out)
		require.Equal(t, []uint16{0, 1}, reads[3].Out)
		require.Equal(t, []uint16{65_535}, reads[5].Out)
		require.NoError(t, reads[5].Err)
		require.Equal(t, []uint8{readCoils, readDiscrete, readInput}, f.asked())
		require.NoError(t, c.ReadAll(t.Context(), nil))
	})
}

// slow puts a pause before every answer of own.
func slow(pause time.Duration) func([]byte) [][]byte {
	return func(request []byte) [][]byte { time.Sleep(pause); return own(request) }
}

func TestADeviceThatDoesOneAfterAnotherIsGivenTheTimeForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: slow(900 * time.Millisecond)}
		require.NoError(t, f.pipelined(t, 8, time.Second).ReadAll(t.Context(), several(20)))
	})
}

func TestADeviceThatFallsSilentWithSeveralUnderWayIsGivenUpAfterOneTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := &far{answer: func(request []byte) [][]byte {
			if n++; n > 6 {
				return nil
			}
			return own(request)
		}}
		begin := time.Now()
		require.ErrorIs(t, f.pipelined(t, 8, time.Second).ReadAll(t.Context(), several(20)), os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

func TestAnAnswerThatOthersOvertakeForEverIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(request []byte) [][]byte {
			time.Sleep(400 * time.Millisecond)
			if request[9] == 100 {
				return nil
			}
			return own(request)
		}}
		begin := time.Now()
		require.ErrorIs(t, f.pipelined(t, 4, time.Second).ReadAll(t.Context(), several(60)), os.ErrDeadlineExceeded)
		require.Equal(t, 4*time.Second, time.Since(begin))
		time.Sleep(time.Minute) // the device comes to its end
	})
}

func TestACancellationEndsReadsWhetherTheDeviceIsSlowOrQuick(t *testing.T) {
	for _, pause := range []time.Duration{time.Microsecond, time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := &far{answer: slow(pause)}
			c := f.pipelined(t, 4, 2*time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			var ended time.Time
			time.AfterFunc(7*time.Millisecond, func() { ended = time.Now(); cancel() })
			reads := several(100_000)
			require.ErrorIs(t, c.ReadAll(ctx, reads), context.Canceled)
			require.LessOrEqual(t, time.Since(ended), 5*time.Millisecond)
			last := reads[len(reads)-1].Err
			require.ErrorIs(t, last, context.Canceled)
			require.ErrorIs(t, last, ErrDown, "it was not sent")
			require.ErrorIs(t, c.ReadAll(t.Context(), reads[:1]), ErrDown, "replies may still come")
			time.Sleep(5 * time.Hour) // the device comes to its end
		})
	}
}

func TestWithAContextThatHasEndedNoReadBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: own}
		c := f.pipelined(t, 4, 0)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		reads := several(3)
		require.ErrorIs(t, c.ReadAll(ctx, reads), context.Canceled)
		require.ErrorIs(t, reads[2].Err, context.Canceled)
		require.Empty(t, f.asked())
		require.NoError(t, c.ReadAll(t.Context(), reads))
	})
}

func TestMoreInFlightThanCanBeIsRefused(t *testing.T) {
	for _, n := range []int{-1, MaxInFlight + 1} {
		_, err := Dial(t.Context(), "far", &Options{InFlight: n, Dial: (&far{}).dial})
		require.ErrorContains(t, err, "must not be negative, and at most 64 in flight")
	}
}

func TestSeveralReadsAllocateNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go echo(l, 0, done)
	c, err := Dial(t.Context(), l.Addr().String(), &Options{InFlight: 4, Timeout: patient})
	require.NoError(t, err)
	reads := make([]Read, 10)
	for i := range reads {
		reads[i] = Read{Table: Holding, Out: make([]uint16, 10)}
	}
	require.Zero(t, testing.AllocsPerRun(50, func() { err = c.ReadAll(context.Background(), reads) }))
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.NoError(t, l.Close())
	<-done
}
