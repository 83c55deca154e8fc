// The claims of the board: how its FRAM tears, what its clock keeps, how its lines bounce and lose edges, and the bus.

package sim

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/stretchr/testify/require"
)

func board(t *testing.T, seed uint64, o *BoardOptions) *Board {
	b, err := NewBoard(seed, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// boards returns one board with its FRAM in memory and one with it in a file.
func boards(t *testing.T, seed uint64) map[string]*Board {
	return map[string]*Board{
		"memory": board(t, seed, &BoardOptions{FRAMSize: 64}),
		"file":   board(t, seed, &BoardOptions{FRAMSize: 64, FRAMFile: filepath.Join(t.TempDir(), "fram")}),
	}
}

// tear writes 16 new bytes over old ones while cut takes the power, and returns all that is in the FRAM afterwards.
func tear(t *testing.T, b *Board, cut func()) (left []byte, n int) {
	t.Helper()
	f, fresh := b.FRAM(), bytes.Repeat([]byte{0xAA}, 64)
	_, err := f.WriteAt(fresh, 0)
	require.NoError(t, err)
	cut()
	n, err = f.WriteAt(bytes.Repeat([]byte{0x55}, 16), 8)
	require.ErrorIs(t, err, hal.ErrPowerLost)
	_, err = f.WriteAt(fresh, 0)
	require.ErrorIs(t, err, hal.ErrPowerLost, "one cut tears one write")
	_, err = f.ReadAt(fresh, 0)
	require.ErrorIs(t, err, hal.ErrPowerLost)
	b.Boot(0)
	left = make([]byte, 64)
	_, err = f.ReadAt(left, 0)
	require.NoError(t, err)
	return left, n
}

func TestACutTearsOnlyTheByteInFlight(t *testing.T) {
	places, odd := map[int]bool{}, 0
	check := func(left []byte, n int, at int, what string) {
		places[n] = true
		for i, v := range left {
			switch {
			case i >= 8 && i < 8+n:
				require.EqualValues(t, 0x55, v, "%s: byte %d before the cut at %d", what, i, n)
			case i == 8+n && n < 16:
				odd += int(bit(v != 0x55 && v != 0xAA))
			default:
				require.EqualValues(t, 0xAA, v, "%s: byte %d after the cut at %d", what, i, n)
			}
		}
		if at >= 0 {
			require.Equal(t, at, n, what)
		}
	}
	for name, b := range boards(t, 9) {
		for n := range 16 {
			left, got := tear(t, b, func() { b.CutAtByte(int64(n)) })
			check(left, got, n, name)
		}
	}
	clear(places)
	for seed := range uint64(200) {
		b := board(t, seed, &BoardOptions{FRAMSize: 64})
		left, n := tear(t, b, func() { b.PowerCut(1) })
		check(left, n, -1, "seeded")
	}
	require.Len(t, places, 17, "each place, and after the last byte")
	require.Greater(t, odd, 50, "the byte in flight may be anything")
}

func TestACutCountsTheBytesOfSeveralWrites(t *testing.T) {
	b := board(t, 1, nil)
	b.CutAtByte(10)
	for range 2 {
		_, err := b.FRAM().WriteAt(make([]byte, 5), 0)
		require.NoError(t, err)
	}
	n, err := b.FRAM().WriteAt(make([]byte, 5), 0)
	require.ErrorIs(t, err, hal.ErrPowerLost)
	require.Zero(t, n)
	require.ErrorIs(t, b.Output("do").Set(true), hal.ErrPowerLost, "the whole board is off")
	b.Boot(0)
	_, err = b.FRAM().WriteAt(make([]byte, 50), 0)
	require.NoError(t, err, "a cut comes once")
}

func TestAFRAMKeepsToItsSize(t *testing.T) {
	for name, b := range boards(t, 1) {
		f := b.FRAM()
		require.EqualValues(t, 64, f.Size(), name)
		_, err := f.WriteAt([]byte("ab"), 63)
		require.EqualError(t, err, `sim: FRAM "fram": write of 2 bytes at 63: outside of 64 bytes`, name)
		_, err = f.WriteAt([]byte("a"), -1)
		require.Error(t, err, name)
		n, err := f.ReadAt(make([]byte, 2), 63)
		require.Equal(t, 1, n, name)
		require.Equal(t, io.EOF, err, name)
		_, err = f.ReadAt(make([]byte, 2), 64)
		require.Equal(t, io.EOF, err, name)
		_, err = f.ReadAt(make([]byte, 2), -1)
		require.Error(t, err, name)
		all, err := io.ReadAll(io.NewSectionReader(f, 0, 64))
		require.NoError(t, err, name)
		require.Equal(t, make([]byte, 64), all, "a new chip is zero")
	}
}

func TestAFRAMInAFileOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fram")
	b, err := NewBoard(1, &BoardOptions{FRAMSize: 64, FRAMFile: path})
	require.NoError(t, err)
	_, err = b.FRAM().WriteAt([]byte("kept"), 60)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	_, err = b.FRAM().WriteAt([]byte("late"), 0)
	require.ErrorIs(t, err, os.ErrClosed)

	got := make([]byte, 4)
	_, err = board(t, 2, &BoardOptions{FRAMSize: 64, FRAMFile: path}).FRAM().ReadAt(got, 60)
	require.NoError(t, err)
	require.Equal(t, "kept", string(got))
	_, err = NewBoard(1, &BoardOptions{FRAMSize: 65, FRAMFile: path})
	require.ErrorContains(t, err, "file has 64 bytes, the chip has 65: remove it or change FRAMSize")
	_, err = NewBoard(1, &BoardOptions{FRAMSize: -1})
	require.ErrorContains(t, err, "size -1")
}

func TestTheClockChipDriftsAndOutlivesThePower(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano()
	b := board(t, 1, &BoardOptions{UTC: begin, DriftPPM: 50})
	read := func() int64 {
		utc, err := b.RTC().Read()
		require.NoError(t, err)
		return utc - begin
	}
	require.Zero(t, read())
	b.Advance(1999 * ms)
	require.Equal(t, second, read(), "whole seconds")
	b.PowerCut(10 * second)
	_, err := b.RTC().Read()
	require.ErrorIs(t, err, hal.ErrPowerLost)
	b.Boot(100_000 * second)
	require.Equal(t, 100_005*second, read())
	require.NoError(t, b.RTC().Set(begin+7*second+999*ms))
	require.Equal(t, 7*second, read())
	require.ErrorContains(t, b.RTC().Set(0), "year 1970: the chip holds 2000 to 2099")
}

func TestADeadCellIsAnErrorAndNotATime(t *testing.T) {
	b := board(t, 1, &BoardOptions{DeadCell: true})
	lost := func() {
		t.Helper()
		utc, err := b.RTC().Read()
		require.ErrorIs(t, err, hal.ErrTimeLost)
		require.Zero(t, utc)
	}
	lost()
	require.NoError(t, b.RTC().Set(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano()))
	_, err := b.RTC().Read()
	require.NoError(t, err)
	b.PowerCut(1)
	b.Boot(2)
	lost()
}

func TestOutputsDropWithThePowerAndOnClose(t *testing.T) {
	b := board(t, 1, nil)
	level := func() bool {
		high, err := b.Output("do").Get()
		require.NoError(t, err)
		return high
	}
	require.False(t, level())
	require.NoError(t, b.Output("do").Set(true))
	require.True(t, level())
	b.PowerCut(1)
	b.Boot(2)
	require.False(t, level())
	require.NoError(t, b.Output("do").Close())
	require.ErrorIs(t, b.Output("do").Set(true), os.ErrClosed)
}

// edges collects what a Watch of the line delivers while work runs.
func edges(t *testing.T, l *Input, work func()) (got []hal.Edge, err error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Watch(ctx, func(e hal.Edge) { got = append(got, e) }) }()
	synctest.Wait()
	work()
	synctest.Wait()
	cancel()
	return got, <-done
}

func TestALineDeliversEveryBounceAndSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bounced := 0
		for seed := range uint64(20) {
			b := board(t, seed, nil)
			l := b.Input("di")
			got, err := edges(t, l, func() {
				l.Drive(second, true)
				b.Advance(second + int64(Bounce))
				l.Drive(2*second, false)
				b.Advance(3 * second)
			})
			require.NoError(t, err)
			for i, e := range got {
				require.Equal(t, i%2 == 0, e.High, "seed %d", seed)
				require.EqualValues(t, i+1, e.Seq, "seed %d", seed)
				require.Zero(t, e.Lost, "seed %d", seed)
				require.Less(t, e.Mono%second, int64(Bounce), "seed %d", seed)
			}
			high, err := l.Get()
			require.NoError(t, err)
			require.False(t, high, "seed %d", seed)
			bounced += len(got) - 2
		}
		require.Greater(t, bounced, 20)
	})
}

func TestALateReaderIsToldHowManyEdgesItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, 4, nil)
		l := b.Input("di")
		for i := range int64(20) {
			l.Drive(i*second, i%2 == 0)
			b.Advance(i*second + int64(Bounce))
		}
		got, err := edges(t, l, func() {})
		require.NoError(t, err)
		require.Len(t, got, LineBuffer)
		require.Equal(t, got[0].Seq, got[0].Lost+1)
		for i := 1; i < len(got); i++ {
			require.Equal(t, got[i-1].Seq+1, got[i].Seq)
			require.Zero(t, got[i].Lost)
		}
	})
}

func TestALineIsWatchedOnceAndEndsWithItsPower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, 1, nil)
		l := b.Input("di")
		got, err := edges(t, l, func() {
			require.ErrorContains(t, l.Watch(t.Context(), nil), "a Watch already")
			b.PowerCut(1)
			l.Drive(2, true)
		})
		require.ErrorIs(t, err, hal.ErrPowerLost)
		require.Empty(t, got)
		b.Boot(second)
		high, err := l.Get()
		require.NoError(t, err)
		require.True(t, high, "the contact closed while the power was off")
		_, err = edges(t, l, func() { require.NoError(t, l.Close()) })
		require.ErrorIs(t, err, os.ErrClosed)
	})
}

func TestTheBusCarriesBytesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, 1, nil)
		here, field := b.Bus()
		p := make([]byte, 8)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := here.Read(ctx, p)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 50*time.Millisecond, time.Since(begin))

		_, err = field.Write([]byte("0123456789"))
		require.NoError(t, err)
		for _, want := range []string{"01234567", "89"} {
			n, err := here.Read(ctx, p)
			require.NoError(t, err, "what is there is returned though ctx has ended")
			require.Equal(t, want, string(p[:n]))
		}
		go func() { _, _ = here.Write([]byte("late")) }()
		n, err := field.Read(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, "late", string(p[:n]))

		_, err = here.Write(make([]byte, BusBuffer+9))
		require.NoError(t, err)
		n, err = field.Read(t.Context(), make([]byte, 2*BusBuffer))
		require.NoError(t, err)
		require.Equal(t, BusBuffer, n, "a late reader loses bytes")

		go b.PowerCut(1)
		_, err = here.Read(t.Context(), p)
		require.ErrorIs(t, err, hal.ErrPowerLost)
		_, err = field.Write([]byte("unheard"))
		require.NoError(t, err)
		b.Boot(2)
		require.NoError(t, field.Close())
		_, err = field.Read(t.Context(), p)
		require.ErrorIs(t, err, os.ErrClosed)
	})
}
