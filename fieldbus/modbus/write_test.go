// Writes through a port: what is sent, what comes back, and how long it may take.

package modbus

import (
	"context"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestAWriteReachesTheDeviceAndComesBackWithTheNextRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.take()
		b.asked()
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Form: tag.Bool, Bits: 1}))
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "ao/1", Form: tag.Int, Bits: ^uint64(1)}))
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "ao/2", Form: tag.Int, Bits: 0x0102_0304}))
		require.Equal(t, []uint8{writeCoil, writeRegister, writeRegisters}, b.asked())
		require.Equal(t, all(tag.Good, 1+1e8, 1, ^uint64(1), 0x0102_0304, 0), w.pass(100*time.Millisecond))
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Form: tag.Bool}))
		require.EqualValues(t, 0, w.pass(100 * time.Millisecond)[0].Bits)
		w.end()
	})
}

func TestAWriteThatCannotBeIsRefusedAndNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.take()
		b.asked()
		for want, write := range map[string]tag.Write{
			"no such point":                     {Channel: "do/9"},
			"read-only":                         {Channel: "ai/1", Form: tag.Float32},
			"form int for a point of form bool": {Channel: "do/1", Form: tag.Int},
			"value 2: the point holds 0 to 1":   {Channel: "do/1", Form: tag.Bool, Bits: 2},
			"value 40000: the point holds":      {Channel: "ao/1", Form: tag.Int, Bits: 40_000},
		} {
			err := w.port.Write(t.Context(), write)
			require.ErrorIs(t, err, ErrRefused)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, `channel "`+write.Channel+`"`)
		}
		require.Empty(t, b.asked())
		w.end()
	})
}

func TestTheDevicesRefusalOfAWriteIsARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.take()
		b.forbid(10, IllegalValue)
		err := w.port.Write(t.Context(), tag.Write{Channel: "ao/1", Form: tag.Int, Bits: 1})
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorIs(t, err, IllegalValue)
		require.ErrorContains(t, err, `channel "ao/1"`)
		b.forbid(10, DeviceFailure)
		err = w.port.Write(t.Context(), tag.Write{Channel: "ao/1", Form: tag.Int, Bits: 1})
		require.ErrorIs(t, err, ErrUnknown, "the device may have begun")
		w.end()
	})
}

func TestAWriteThatIsNotAnsweredIsUnknownAtItsDeadlineAndEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, func(o *PortOptions) { o.Period = time.Minute })
		w.take()
		b.set(func() { b.far.answer = nil })
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		write := tag.Write{Channel: "do/1", Bits: 1, Deadline: w.clock.Now() + 4e7}
		require.ErrorIs(t, w.port.Write(ctx, write), ErrUnknown)
		require.Equal(t, 40*time.Millisecond, time.Since(begin))

		err := w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1})
		require.ErrorIs(t, err, ErrDown)
		require.NotErrorIs(t, err, ErrUnknown)
		require.Equal(t, 40*time.Millisecond, time.Since(begin), "a dead connection is told at once")

		b.set(func() { b.far.answer = b.answer })
		got := w.pass(time.Minute)
		require.Equal(t, tag.Bad, got[0].Quality, "Watch comes upon it with its next round")
		require.Equal(t, tag.Good, w.pass(100 * time.Millisecond)[0].Quality)
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1}))
		w.end()
	})
}

func TestAWriteAfterItsDeadlineIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.pass(50 * time.Millisecond)
		b.asked()
		require.ErrorContains(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Deadline: 1}), "not begun: deadline over by 50ms")
		require.Empty(t, b.asked())
		w.end()
	})
}

func TestWithoutAWatchAWriteFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		p, err := NewPort("far", samplePoints, &PortOptions{Dial: b.dial})
		require.NoError(t, err)
		err = p.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1})
		require.ErrorIs(t, err, ErrDown)
		require.ErrorContains(t, err, "not connected yet")
		require.Empty(t, b.dials)
	})
}

func TestAWriteWaitsForAtMostOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, func(o *PortOptions) { o.Gap = -1; o.Period = time.Millisecond }) // four reads, one behind the other
		w.take()
		let := make(chan struct{})
		b.set(func() { b.far.answer = func(request []byte) [][]byte { <-let; return b.answer(request) } })
		w.pass(time.Millisecond)
		b.asked()
		var group sync.WaitGroup
		group.Go(func() { require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1})) })
		synctest.Wait()
		require.Empty(t, b.asked(), "a read is under way")
		let <- struct{}{}
		synctest.Wait()
		require.Equal(t, []uint8{writeCoil}, b.asked(), "and the write is next")
		close(let)
		group.Wait()
		w.end()
	})
}

func TestAWriteBehindAReadThatIsNotAnsweredIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.take()
		b.set(func() { b.far.answer = nil })
		w.pass(101 * time.Millisecond)
		b.asked()
		begin := time.Now()
		err := w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1})
		require.ErrorIs(t, err, ErrDown)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "why")
		require.NotErrorIs(t, err, ErrUnknown)
		require.Less(t, time.Since(begin), 300*time.Millisecond)
		require.Empty(t, b.asked())
		w.end()
	})
}
