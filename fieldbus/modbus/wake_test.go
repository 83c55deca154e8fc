// The claims of a wait that its context ends: it is never missed, concerns no other call, and holds nothing.

package modbus

import (
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNoCancellationIsMissedWheneverItComes(t *testing.T) {
	ctxs := []func() (context.Context, context.CancelFunc){
		func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Hour) },
	}
	for i := range 3000 {
		near, end := net.Pipe()
		c, err := Dial(t.Context(), "far", &Options{Timeout: time.Hour, Dial: func(context.Context, string, string) (net.Conn, error) {
			return near, nil
		}})
		require.NoError(t, err)
		go func() { _, _ = readFrame(end) }()
		ctx, cancel := ctxs[i%2]()
		go func() {
			for range rand.IntN(3000) { // about as long as it takes to send
				_ = ctx.Err()
			}
			cancel()
		}()
		require.ErrorIs(t, c.ReadHolding(ctx, 1, 1, make([]uint16, 1)), context.Canceled)
		_, _ = end.Close(), c.Close()
	}
}

func TestTheEndOfAContextConcernsNoCallButItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: slow(50 * time.Millisecond)}
		c := f.client(t, time.Second)
		first, cancel := context.WithCancel(t.Context())
		for range 3 {
			require.NoError(t, c.ReadHolding(first, 1, 1, make([]uint16, 1)))
		}
		time.AfterFunc(20*time.Millisecond, cancel) // while the next call, of another context, is under way
		begin := time.Now()
		require.NoError(t, c.WriteCoil(t.Context(), 1, 1, true))
		require.NoError(t, c.WriteCoil(context.Background(), 1, 1, true))
		require.Equal(t, 100*time.Millisecond, time.Since(begin))

		again, cancel := context.WithCancel(t.Context())
		for range 3 {
			require.NoError(t, c.ReadHolding(again, 1, 1, make([]uint16, 1)))
		}
		cancel()
		synctest.Wait()
		require.NoError(t, c.ReadHolding(t.Context(), 1, 1, make([]uint16, 1)), "it ended between two calls")
		require.ErrorIs(t, c.ReadHolding(again, 1, 1, make([]uint16, 1)), context.Canceled)
		require.NoError(t, c.ReadHolding(t.Context(), 1, 1, make([]uint16, 1)))
	})
}

func TestNoContextHoldsAClientThatIsClosedOrACallThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: own}
		c := f.client(t, time.Second)
		w := c.line.(*wire)
		read := func(ctx context.Context) { require.NoError(t, c.ReadHolding(ctx, 1, 1, make([]uint16, 1))) }
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			read(ctx)
			require.Nil(t, w.unwatch, "the context of one call")
			cancel()
		}
		read(t.Context())
		read(t.Context())
		require.NotNil(t, w.unwatch, "the context of many calls")
		read(context.Background())
		require.Nil(t, w.unwatch)
		read(t.Context())
		read(t.Context())
		require.NoError(t, c.Close())
		require.Nil(t, w.unwatch)
		require.ErrorIs(t, c.ReadHolding(t.Context(), 1, 1, make([]uint16, 1)), ErrDown)
		require.Nil(t, w.unwatch)
	})
}
