// The claims of a client: one exchange at a time, the end of the connection at the first doubt, and what a write that failed says.

package modbus

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// calls are the ten functions, by what they ask for, and whether they write.
var calls = []struct {
	name   string
	writes bool
	call   func(context.Context, *Client) error
}{
	{"read coils", false, func(ctx context.Context, c *Client) error { return c.ReadCoils(ctx, 7, 5, make([]bool, 11)) }},
	{"read discrete", false, func(ctx context.Context, c *Client) error { return c.ReadDiscrete(ctx, 7, 5, make([]bool, 11)) }},
	{"read holding", false, func(ctx context.Context, c *Client) error { return c.ReadHolding(ctx, 7, 5, make([]uint16, 3)) }},
	{"read input", false, func(ctx context.Context, c *Client) error { return c.ReadInput(ctx, 7, 5, make([]uint16, 3)) }},
	{"write coil", true, func(ctx context.Context, c *Client) error { return c.WriteCoil(ctx, 7, 5, true) }},
	{"write register", true, func(ctx context.Context, c *Client) error { return c.WriteRegister(ctx, 7, 5, 9) }},
	{"write coils", true, func(ctx context.Context, c *Client) error { return c.WriteCoils(ctx, 7, 5, make([]bool, 11)) }},
	{"write registers", true, func(ctx context.Context, c *Client) error { return c.WriteRegisters(ctx, 7, 5, []uint16{1, 2}) }},
	{"mask write", true, func(ctx context.Context, c *Client) error { return c.MaskWrite(ctx, 7, 5, 9, 2) }},
	{"read and write", true, func(ctx context.Context, c *Client) error {
		return c.ReadWriteRegisters(ctx, 7, 5, make([]uint16, 3), 2, []uint16{1, 2})
	}},
}

func TestWhatTheDeviceHoldsIsWhatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&far{answer: own}).client(t, 0)
		coils := make([]bool, MaxCoils)
		require.NoError(t, c.ReadCoils(t.Context(), 1, 63_000, coils))
		for i, on := range coils {
			require.Equal(t, i%2 == 1, on, "coil %d", i)
		}
		words := make([]uint16, MaxRead)
		require.NoError(t, c.ReadHolding(t.Context(), 1, 65_411, words))
		require.EqualValues(t, 65_411, words[0])
		require.EqualValues(t, 65_535, words[124])
		require.NoError(t, c.ReadInput(t.Context(), 1, 300, words[:1]))
		require.EqualValues(t, 300, words[0])
	})
}

func TestWhatDoesNotFitOneExchangeIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: own}
		c := f.client(t, 0)
		for _, n := range []int{0, MaxRead + 1, 1 << 16, 1<<16 + 1} {
			require.ErrorContains(t, c.ReadHolding(t.Context(), 1, 0, make([]uint16, n)), "1 to 125")
			require.ErrorContains(t, c.ReadCoils(t.Context(), 1, 0, make([]bool, n*20)), "1 to 2000")
			require.ErrorContains(t, c.WriteRegisters(t.Context(), 1, 0, make([]uint16, n)), "1 to 123")
		}
		require.ErrorContains(t, c.ReadInput(t.Context(), 1, 65_535, make([]uint16, 2)), "the last address is 65535")
		require.Empty(t, f.asked())
		require.NoError(t, c.ReadInput(t.Context(), 1, 65_535, make([]uint16, 1)), "and the client stays in use")
	})
}

func TestAnExceptionLeavesTheConnectionInUseAndTellsWhatBecameOfAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code := Exception(0)
		f := &far{answer: func(request []byte) [][]byte { return [][]byte{refused(request, code)} }}
		c := f.client(t, 0)
		surely := map[Exception]bool{1: true, 2: true, 3: true, 6: true, 7: true, 10: true}
		for i := range 256 {
			f.set(func() { code = Exception(i) })
			for _, x := range calls {
				err := x.call(t.Context(), c)
				var e Exception
				require.ErrorAs(t, err, &e, x.name)
				require.Equal(t, code, e)
				refuses := surely[e]
				require.Equal(t, x.writes && refuses, isErr(err, ErrRefused), "%s: %v", x.name, err)
				require.Equal(t, x.writes && !refuses, isErr(err, ErrUnknown), "%s: %v", x.name, err)
			}
		}
		require.Len(t, f.dials, 1)
	})
}

func TestAfterATimeoutTheConnectionIsGoneAndALateReplyFindsNobody(t *testing.T) {
	for _, x := range calls {
		synctest.Test(t, func(t *testing.T) {
			f := &far{}
			c := f.client(t, 300*time.Millisecond)
			begin := time.Now()
			err := x.call(t.Context(), c)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, x.name)
			require.Equal(t, x.writes, isErr(err, ErrUnknown), x.name)
			require.Equal(t, 300*time.Millisecond, time.Since(begin))
			f.set(func() { f.answer = own })
			for _, next := range calls {
				err := next.call(t.Context(), c)
				require.ErrorIs(t, err, ErrDown, next.name)
				require.NotErrorIs(t, err, ErrUnknown, "nothing was sent")
				require.ErrorContains(t, err, "given up after: no answer within 300ms")
			}
			require.Len(t, f.requests, 1)
			require.Equal(t, 300*time.Millisecond, time.Since(begin), "the calls after it failed at once")
		})
	}
}

func TestACancelledExchangeReturnsWithinFiveMilliseconds(t *testing.T) {
	for _, x := range calls {
		for _, after := range []time.Duration{1, time.Millisecond, 3 * time.Millisecond, 777 * time.Microsecond, 200 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				c := (&far{}).client(t, 0)
				ctx, cancel := context.WithCancel(t.Context())
				var ended time.Time
				time.AfterFunc(after, func() { ended = time.Now(); cancel() })
				err := x.call(ctx, c)
				require.ErrorIs(t, err, context.Canceled, x.name)
				require.Equal(t, x.writes, isErr(err, ErrUnknown), x.name)
				require.LessOrEqual(t, time.Since(ended), 5*time.Millisecond)
				require.ErrorIs(t, x.call(t.Context(), c), ErrDown, "a reply may still come")
			})
		}
	}
}

func TestTheEndOfAContextIsTheEndOfTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&far{}).client(t, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		begin := time.Now()
		err := c.WriteCoil(ctx, 1, 1, true)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ErrUnknown)
		require.Equal(t, 20*time.Millisecond, time.Since(begin))
	})
}

func TestWithAContextThatHasEndedNothingIsSentAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: own}
		c := f.client(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, x := range calls {
			err := x.call(ctx, c)
			require.ErrorIs(t, err, context.Canceled, x.name)
			require.NotErrorIs(t, err, ErrUnknown, x.name)
		}
		require.Empty(t, f.asked())
		require.NoError(t, c.WriteCoil(t.Context(), 1, 1, true))
	})
}

func TestExchangesComeOneAtATimeInTheOrderOfTheirCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		f := &far{}
		f.answer = func(request []byte) [][]byte { <-let; return own(request) }
		c := f.client(t, time.Minute)
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() {
				out := make([]uint16, 1)
				require.NoError(t, c.ReadHolding(t.Context(), 1, uint16(i), out))
				require.EqualValues(t, i, out[0])
			})
			synctest.Wait()
		}
		for i := range 5 {
			let <- struct{}{}
			synctest.Wait()
			f.set(func() { require.EqualValues(t, i, f.requests[i][9]) })
		}
		group.Wait()
	})
}

func TestWhoWaitsForItsTurnLeavesWithItsContextAndFailsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{}
		c := f.client(t, time.Second)
		var group sync.WaitGroup
		group.Go(func() { require.ErrorIs(t, c.ReadInput(t.Context(), 1, 1, make([]uint16, 1)), os.ErrDeadlineExceeded) })
		synctest.Wait()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			err := c.WriteCoil(ctx, 1, 1, true)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, ErrUnknown)
		})
		group.Go(func() {
			err := c.WriteCoil(t.Context(), 1, 2, true)
			require.ErrorIs(t, err, ErrDown)
			require.NotErrorIs(t, err, ErrUnknown)
		})
		group.Wait()
		require.Equal(t, []uint8{readInput}, f.asked())
	})
}

// lateContext has a deadline that nobody has noticed yet.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestATurnThatComesAfterTheEndOfTheContextIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: own}
		c := f.client(t, 0)
		c.turn <- struct{}{}
		var group sync.WaitGroup
		group.Go(func() {
			err := c.WriteCoil(lateContext{t.Context(), time.Now().Add(time.Second)}, 1, 1, true)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, ErrUnknown)
		})
		time.AfterFunc(time.Second, c.end)
		group.Wait()
		require.Empty(t, f.asked())
		require.NoError(t, c.WriteCoil(t.Context(), 1, 1, true))
	})
}

func TestCloseEndsTheExchangeUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&far{}).client(t, time.Hour)
		var group sync.WaitGroup
		group.Go(func() { require.ErrorIs(t, c.WriteCoil(context.Background(), 1, 1, true), ErrUnknown) })
		synctest.Wait()
		require.NoError(t, c.Close())
		group.Wait()
		require.NoError(t, c.Close(), "and may be called again")
		require.ErrorIs(t, c.WriteCoil(t.Context(), 1, 1, true), ErrDown)
	})
}

func TestADialThatFailsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Dial(t.Context(), "far", &Options{Dial: (&far{absent: true}).dial})
		require.ErrorIs(t, err, errNobody)
		require.ErrorIs(t, err, ErrDown)
		begin := time.Now()
		_, err = Dial(t.Context(), "far", &Options{Timeout: time.Second, Dial: hang})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		_, err = Dial(t.Context(), "far", &Options{Timeout: -1})
		require.ErrorContains(t, err, "must not be negative")
	})
}

// hang is a network that swallows everything.
func hang(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// echo answers every read on a connection with ten registers, after a pause, and allocates nothing for it.
func echo(l net.Listener, pause time.Duration, done chan<- struct{}) {
	defer close(done)
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	timer := time.NewTimer(0)
	var in, out [maxFrame]byte
	for {
		if _, err := io.ReadFull(conn, in[:12]); err != nil {
			return
		}
		timer.Reset(pause)
		<-timer.C
		copy(out[:], in[:8])
		out[4], out[5], out[8] = 0, 23, 20
		if _, err := conn.Write(out[:29]); err != nil {
			return
		}
	}
}

func TestAReadAllocatesNothing(t *testing.T) {
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, x := range []struct {
		ctx   context.Context
		pause time.Duration
		runs  int
	}{
		{context.Background(), 0, 300},
		{cancellable, 0, 300},
		{context.Background(), 4 * lap, 5},
		{cancellable, 4 * lap, 5},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		go echo(l, x.pause, done)
		c, err := Dial(t.Context(), l.Addr().String(), &Options{Timeout: patient})
		require.NoError(t, err)
		out := make([]uint16, 10)
		require.NoError(t, c.ReadHolding(x.ctx, 1, 5, out))
		n := testing.AllocsPerRun(x.runs, func() { err = c.ReadHolding(x.ctx, 1, 5, out) })
		require.NoError(t, err)
		require.Zero(t, n, "after a pause of %v", x.pause)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
		<-done
	}
}
