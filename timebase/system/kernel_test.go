// The claims of the references that are no daemons: the kernel, and clock chips.

package system

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestTheAgeOfAKernelsClockIsFoundByTheSawToothOfItsMaximumError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(1)
		k := NewKernel(c)
		update := time.Now().Add(-20 * time.Second) // a daemon's last, which left an error of 8 ms
		k.ask = func() (discipline, error) {
			grown := int64(time.Since(update) / time.Second)
			return discipline{synced: true, offset: 5, bound: 8_000_000 + grown*500_000, leap: 1}, nil
		}
		age := func() time.Duration {
			r, err := k.Read(t.Context())
			require.NoError(t, err)
			require.True(t, r.Good)
			require.EqualValues(t, 1, r.Leap)
			return time.Duration(r.Mono - r.Heard)
		}
		require.Equal(t, 36*time.Second, age(), "before it has fallen: the time that it takes to grow from nothing")
		time.Sleep(10 * time.Second)
		require.Equal(t, 46*time.Second, age())
		time.Sleep(time.Second)
		update = time.Now()
		time.Sleep(time.Second)
		require.Equal(t, 2*time.Second, age(), "it fell after the look before")
		for range 40 {
			time.Sleep(777 * time.Millisecond)
			age()
		}
		require.Equal(t, 2*time.Second+40*777*time.Millisecond, age(), "the daemon is gone: it grows, and nothing was heard")
		update = time.Now()
		time.Sleep(5 * time.Second)
		require.Equal(t, 5*time.Second, age(), "it grew since, by less than without an update")
	})
}

func TestAKernelThatCannotBeAskedOrIsNotSynchronisedIsNotGood(t *testing.T) {
	k := NewKernel(NewClock(1))
	k.ask = func() (discipline, error) { return discipline{bound: 16_000_000_000}, nil }
	r, err := k.Read(t.Context())
	require.NoError(t, err)
	require.False(t, r.Good)
	require.Equal(t, "kernel: its clock is not synchronised", r.Why)
	k.ask = func() (discipline, error) { return discipline{}, errors.New("not permitted") }
	_, err = k.Read(t.Context())
	require.EqualError(t, err, "system: kernel: state of its clock: not permitted")
}

func TestAClockChipIsAReference(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		utc := time.Now().Add(-90 * time.Second).UnixNano()
		board, err := sim.NewBoard(1, &sim.BoardOptions{UTC: utc})
		require.NoError(t, err)
		r, err := NewChip(c, board.RTC()).Read(t.Context())
		require.NoError(t, err)
		require.True(t, r.Good)
		require.Equal(t, utc/1e9*1e9, r.UTC, "what the chip shows")
		require.InDelta(t, 90*time.Second, r.Offset, 1e9)
		require.Equal(t, r.Mono, r.Heard)
		require.EqualValues(t, time.Second, r.Bound)
	})
}

func TestAChipWithADeadCellLeavesTheWallClockUnset(t *testing.T) {
	inScene(t, func(t *testing.T, c timebase.Clock) {
		board, err := sim.NewBoard(1, &sim.BoardOptions{DeadCell: true})
		require.NoError(t, err)
		chip := NewChip(c, board.RTC())
		r, err := chip.Read(t.Context())
		require.NoError(t, err, "it has answered")
		require.False(t, r.Good)
		require.Equal(t, `sim: clock chip "rtc": hal: clock has lost its time, set it`, r.Why)
		_, ntp := of(c, "chrony", timebase.NTP)
		s := watch(t, c, Watching{Ref: timebase.Ref{Name: "rtc", Kind: timebase.RTC}, From: chip}, ntp)
		require.Equal(t, timebase.Unset, s.after(time.Second).Sync)
		require.Equal(t, timebase.NTPSync, s.after(10*time.Second).Sync)
	})
}

func TestAChipThatIsOffIsAnError(t *testing.T) {
	board, err := sim.NewBoard(1, nil)
	require.NoError(t, err)
	board.PowerCut(1)
	_, err = NewChip(NewClock(1), board.RTC()).Read(t.Context())
	require.ErrorContains(t, err, "system: clock chip: ")
}
