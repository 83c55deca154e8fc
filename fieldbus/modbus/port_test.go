// The claims of a port, in synctest bubbles: what it emits and when, what it does when the device is gone, and its writes.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

// bank is a far end with memory, some of which may be forbidden.
type bank struct {
	far
	busy   sync.Mutex
	values map[Table]map[uint16]uint16
	wrong  map[uint16]Exception // by address, in all tables
}

func newBank() *bank {
	b := &bank{values: map[Table]map[uint16]uint16{Coil: {}, Holding: {}, Input: {}}, wrong: map[uint16]Exception{}}
	b.far.answer = b.answer
	return b
}

func (b *bank) answer(request []byte) [][]byte {
	b.busy.Lock()
	defer b.busy.Unlock()
	address, value := binary.BigEndian.Uint16(request[8:]), binary.BigEndian.Uint16(request[10:])
	n := uint16(1)
	if f := request[7]; f <= readInput || f == writeRegisters {
		n = value
	}
	for i := range n {
		if e := b.wrong[address+i]; e != 0 {
			return [][]byte{refused(request, e)}
		}
	}
	switch request[7] {
	case writeCoil:
		b.values[Coil][address] = value & 1 // 0xFF00 is told apart below
		if value == coilOn {
			b.values[Coil][address] = 1
		}
	case writeRegister:
		b.values[Holding][address] = value
	case writeRegisters:
		for i := range n {
			b.values[Holding][address+i] = binary.BigEndian.Uint16(request[13+2*i:])
		}
	}
	return [][]byte{right(request, func(table Table, a uint16) uint16 { return b.values[table][a] })}
}

func (b *bank) store(table Table, address uint16, values ...uint16) {
	b.busy.Lock()
	defer b.busy.Unlock()
	for i, v := range values {
		b.values[table][address+uint16(i)] = v
	}
}

func (b *bank) forbid(address uint16, e Exception) {
	b.busy.Lock()
	defer b.busy.Unlock()
	b.wrong[address] = e
}

// watching is a Watch under way.
type watching struct {
	t      *testing.T
	port   *Port
	clock  timebase.Clock
	cancel func()
	done   chan error
	mu     sync.Mutex
	got    []tag.Raw
}

var samplePoints = []Point{
	{Channel: "do/1", Table: Coil, Address: 3, Form: tag.Bool},
	{Channel: "ao/1", Table: Holding, Address: 10, Form: tag.Int, Signed: true},
	{Channel: "ao/2", Table: Holding, Address: 20, Words: 2, Form: tag.Int},
	{Channel: "ai/1", Table: Input, Address: 5, Words: 2, Form: tag.Float32},
}

// watch begins to watch samplePoints of b every 100 ms with a time-out of 300 ms.
func watch(t *testing.T, b *bank, change func(*PortOptions)) *watching {
	t.Helper()
	w := &watching{t: t, clock: system.NewClock(1), done: make(chan error, 1)}
	o := PortOptions{Period: 100 * time.Millisecond, Timeout: 300 * time.Millisecond, Clock: w.clock, Unit: 9, Dial: b.dial}
	if change != nil {
		change(&o)
	}
	var err error
	w.port, err = NewPort("far", samplePoints, &o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() {
		w.done <- w.port.Watch(ctx, func(r tag.Raw) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.got = append(w.got, r)
		})
	}()
	return w
}

// take gives what was emitted since it was called last.
func (w *watching) take() []tag.Raw {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

// pass lets time pass.
func (w *watching) pass(d time.Duration) []tag.Raw {
	require.NoError(w.t, w.clock.Wait(w.t.Context(), w.clock.Now()+int64(d)))
	return w.take()
}

func (w *watching) end() {
	w.cancel()
	require.NoError(w.t, <-w.done)
}

// all is one round of samplePoints.
func all(q tag.Quality, at int64, bits ...uint64) (raws []tag.Raw) {
	for i, p := range samplePoints {
		raws = append(raws, tag.Raw{Channel: p.Channel, Form: p.Form, Bits: bits[i], Quality: q, At: at})
	}
	return raws
}

func TestEveryChannelIsEmittedEachPeriodWithTheTimeOfItsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		b.store(Coil, 3, 1)
		b.store(Holding, 10, 0xFFFF)
		b.store(Holding, 20, 0x0001, 0x0002)
		b.store(Input, 5, 0x4048, 0xF5C3)
		w := watch(t, b, nil)
		require.Equal(t, all(tag.Good, 1, 1, ^uint64(0), 0x10002, 0x4048F5C3), w.take())
		require.Equal(t, []uint8{readCoils, readHolding, readInput}, b.asked(), "one exchange for each table")
		b.store(Holding, 10, 7)
		for i := range int64(3) {
			require.Equal(t, all(tag.Good, 1+(i+1)*1e8, 1, 7, 0x10002, 0x4048F5C3), w.pass(100*time.Millisecond))
		}
		require.EqualValues(t, 9, b.requests[0][6], "the unit")
		w.end()
		require.Len(t, b.dials, 1)
	})
}

func TestWithoutAClockOfTheRigValuesCarryNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, newBank(), func(o *PortOptions) { o.Clock = nil })
		require.Equal(t, all(tag.Good, 0, 0, 0, 0, 0), w.take())
		w.pass(time.Second)
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1, Deadline: 1}))
		w.end()
	})
}

func TestADeviceThatFreezesIsBadWithinPeriodAndTimeoutAndGoodAfterARoundOfReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		b.store(Coil, 3, 1)
		w := watch(t, b, nil)
		require.Len(t, w.pass(50*time.Millisecond), 4)
		b.set(func() { b.far.answer = nil })
		require.Empty(t, w.pass(349*time.Millisecond))
		bad := w.pass(time.Millisecond)
		require.Equal(t, all(tag.Bad, w.clock.Now(), 0, 0, 0, 0), bad)
		_, down := w.port.State()
		require.ErrorContains(t, down, "no answer within 300ms")

		b.store(Holding, 10, 5)
		half := func(request []byte) [][]byte {
			if request[7] == readInput {
				return nil
			}
			return b.answer(request)
		}
		b.set(func() { b.far.answer = half })
		require.Empty(t, w.pass(10*time.Second), "some points could be read; told bad once is enough")
		require.ErrorIs(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1}), ErrDown, "nor is anything written")

		b.set(func() { b.far.answer = b.answer })
		require.Eventually(t, func() bool {
			got := w.pass(time.Millisecond)
			if len(got) > 0 {
				require.Equal(t, all(tag.Good, got[0].At, 1, 5, 0, 0), got)
			}
			return len(got) > 0
		}, 10*time.Second, time.Millisecond)
		connects, down := w.port.State()
		require.Equal(t, 2, connects)
		require.NoError(t, down)
		w.end()
		_, down = w.port.State()
		require.ErrorIs(t, down, context.Canceled)
		for i := range b.requests[1:] { // a late reply to an older connection must not fit
			require.Equal(t, id(b.requests[i])+1, id(b.requests[i+1]), "transaction %d", i)
		}
	})
}

func id(request []byte) uint16 { return binary.BigEndian.Uint16(request) }

func TestRoundsBeginEachPeriodHoweverLongTheReadsTakeAndAtOnceWhenTheyTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.take()
		slow := func(each time.Duration) {
			b.set(func() {
				b.far.answer = func(request []byte) [][]byte {
					_ = w.clock.Wait(t.Context(), w.clock.Now()+int64(each))
					return b.answer(request)
				}
			})
		}
		slow(20 * time.Millisecond)
		w.pass(159 * time.Millisecond)
		got := w.pass(200 * time.Millisecond)
		require.Len(t, got, 8)
		require.Equal(t, []int64{120e6 + 1, 140e6 + 1, 140e6 + 1, 160e6 + 1}, []int64{got[0].At, got[1].At, got[2].At, got[3].At})
		require.Equal(t, got[0].At+1e8, got[4].At)
		slow(50 * time.Millisecond)
		got = w.pass(1041 * time.Millisecond) // rounds end at 360, 550, 700 .. 1300 ms
		require.Len(t, got, 28)
		require.Equal(t, got[8].At+15e7, got[12].At)
		slow(0)
		require.Len(t, w.pass(299*time.Millisecond), 16, "none made up for: at 1450, 1450, 1550, 1650 ms")
		w.end()
	})
}

func TestDialsBackOffFromATenthOfASecondToTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		b.absent = true
		w := watch(t, b, nil)
		require.Equal(t, all(tag.Bad, 1, 0, 0, 0, 0), w.take(), "the first that is heard of it")
		pauses := func() (ms []int64) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for i := range b.dials[1:] {
				ms = append(ms, b.dials[i+1].Sub(b.dials[i]).Milliseconds())
			}
			b.dials = b.dials[len(b.dials)-1:]
			return ms
		}
		require.Empty(t, w.pass(10*time.Second), "told once")
		require.Equal(t, []int64{100, 200, 400, 800, 1600, 2000, 2000, 2000}, pauses())
		b.set(func() { b.absent = false })
		require.NotEmpty(t, w.pass(3*time.Second))
		b.set(func() { b.absent = true; b.far.answer = nil })
		require.NotEmpty(t, w.pass(time.Second))
		pauses()
		w.pass(3 * time.Second)
		require.NotEmpty(t, pauses())
		b.set(func() { require.Less(t, len(b.dials), 3) })
		w.end()
	})
}

func TestAfterAConnectionThatWorkedTheFirstPauseIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		w := watch(t, b, nil)
		w.pass(50 * time.Millisecond)
		for range 3 {
			b.set(func() { b.far.answer = func([]byte) [][]byte { return [][]byte{hangUp} } })
			bad := w.pass(100 * time.Millisecond)
			require.Equal(t, all(tag.Bad, w.clock.Now()-5e7, 0, 0, 0, 0), bad)
			b.set(func() { b.far.answer = b.answer })
			good := w.pass(100 * time.Millisecond)
			require.Equal(t, all(tag.Good, w.clock.Now()-5e7, 0, 0, 0, 0), good, "100 ms after the failure")
		}
		w.end()
	})
}

func TestWatchEndsWithItsContextWhateverItIsAt(t *testing.T) {
	for name, change := range map[string]func(*bank, *PortOptions){
		"waiting for the next round": func(*bank, *PortOptions) {},
		"waiting for an answer":      func(b *bank, o *PortOptions) { b.far.answer, o.Timeout = nil, time.Hour },
		"waiting to dial again":      func(b *bank, _ *PortOptions) { b.absent = true },
		"dialling":                   func(_ *bank, o *PortOptions) { o.Dial, o.Timeout = hang, time.Hour },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBank()
			w := watch(t, b, func(o *PortOptions) { change(b, o) })
			w.pass(50 * time.Millisecond)
			begin := time.Now()
			w.end()
			require.LessOrEqual(t, time.Since(begin), 5*time.Millisecond, name)
		})
	}
}

func TestASecondWatchIsRefusedAndALaterOneIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, newBank(), nil)
		w.take()
		require.ErrorContains(t, w.port.Watch(t.Context(), func(tag.Raw) {}), "has a Watch already")
		w.end()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		require.NoError(t, w.port.Watch(ctx, func(r tag.Raw) { n++; require.Equal(t, tag.Good, r.Quality) }))
		require.Equal(t, 40, n)
	})
}

func TestAnIllegalAddressMakesItsOwnPointBadAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		b.forbid(15, IllegalAddress) // in the gap between ao/1 and ao/2
		b.store(Holding, 10, 1)
		w := watch(t, b, nil)
		require.Equal(t, all(tag.Good, 1, 0, 1, 0, 0), w.take())
		require.Equal(t, []uint8{1, 3, 3, 3, 4}, b.asked(), "refused, and cut in two")
		require.Len(t, w.pass(100*time.Millisecond), 4)
		require.Equal(t, []uint8{1, 3, 3, 4}, b.asked(), "which is remembered")
		b.forbid(21, IllegalValue)
		want := all(tag.Good, 1+2e8, 0, 1, 0, 0)
		want[2].Quality = tag.Bad
		require.Equal(t, want, w.pass(100*time.Millisecond))
		require.NoError(t, w.port.Write(t.Context(), tag.Write{Channel: "do/1", Bits: 1}), "the connection stands")
		w.end()
		require.Len(t, b.dials, 1)
	})
}

func TestADeviceThatIsBusyMakesPointsBadAndIsAskedTheSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank()
		b.forbid(15, Busy)
		w := watch(t, b, nil)
		want := all(tag.Good, 1, 0, 0, 0, 0)
		want[1].Quality, want[2].Quality = tag.Bad, tag.Bad
		require.Equal(t, want, w.take())
		b.forbid(15, 0)
		require.Equal(t, all(tag.Good, 1+1e8, 0, 0, 0, 0), w.pass(100*time.Millisecond))
		require.Equal(t, []uint8{1, 3, 4, 1, 3, 4}, b.asked())
		w.end()
	})
}

// brokenClock is a clock whose Wait fails.
type brokenClock struct{ timebase.Clock }

var errClock = errors.New("stopped")

func (brokenClock) Wait(context.Context, int64) error { return errClock }

func TestAClockThatFailsLosesThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, newBank(), func(o *PortOptions) { o.Clock = brokenClock{o.Clock} })
		require.ErrorIs(t, <-w.done, errClock)
		w.cancel()
	})
}
