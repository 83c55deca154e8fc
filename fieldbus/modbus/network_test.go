// Over the real network: against the server of this module, through a wire that spoils replies, and at a frozen device.

package modbus

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/stretchr/testify/require"
)

// patient is the time-out where an answer must come, however busy the machine is.
const patient = 20 * time.Second

func serve(t *testing.T, d server.Model) *server.Server {
	t.Helper()
	s, err := server.Serve("127.0.0.1:0", d)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAllFunctionsWorkWithAServerOfAnotherMake(t *testing.T) {
	memory := server.NewMemory()
	c, err := Dial(t.Context(), serve(t, memory).Addr(), &Options{Timeout: patient})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	ctx := t.Context()

	require.NoError(t, c.WriteCoil(ctx, 1, 9, true))
	require.NoError(t, c.WriteCoil(ctx, 1, 10, true))
	require.NoError(t, c.WriteCoil(ctx, 1, 10, false))
	coils := make([]bool, 9)
	require.NoError(t, c.ReadCoils(ctx, 1, 3, coils))
	require.Equal(t, []bool{6: true, 8: false}, coils)

	require.NoError(t, c.WriteRegister(ctx, 1, 65_535, 0xABCD))
	require.EqualValues(t, 0xABCD, memory.Get(server.Holding, 65_535))
	many := make([]uint16, MaxWrite)
	for i := range many {
		many[i] = uint16(i * 500)
	}
	require.NoError(t, c.WriteRegisters(ctx, 1, 100, many))
	out := make([]uint16, MaxRead)
	require.NoError(t, c.ReadHolding(ctx, 1, 99, out))
	require.Equal(t, append(append([]uint16{0}, many...), 0), out)

	memory.Set(server.Input, 7, 1, 2, 3)
	require.NoError(t, c.ReadInput(ctx, 255, 8, out[:2]))
	require.Equal(t, []uint16{2, 3}, out[:2])
}

// refuser is a device that refuses everything.
type refuser struct{ e server.Exception }

func (r refuser) Read(server.Request, []uint16) error  { return r.e }
func (r refuser) Write(server.Request, []uint16) error { return r.e }

func TestTheExceptionsOfTheServerArriveAsTheyWere(t *testing.T) {
	for _, e := range []Exception{1, 2, 3, 4, 5, 6, 8, 10, 11} {
		c, err := Dial(t.Context(), serve(t, refuser{server.Exception(e)}).Addr(), &Options{Timeout: patient})
		require.NoError(t, err)
		for _, x := range calls {
			want := e
			if x.name == "mask write" || x.name == "read and write" {
				want = IllegalFunction // this server has them not
			}
			require.ErrorIs(t, x.call(t.Context(), c), want, x.name)
		}
		require.NoError(t, c.Close())
	}
}

// frozen is where a device listens whose processor has stopped: the kernel accepts and takes what is sent, and nobody answers.
func frozen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// takesLess wants a call to take less than a limit. Where it takes longer, another process may have had the processors: it is tried again.
func takesLess(t *testing.T, limit time.Duration, call func() time.Duration) {
	t.Helper()
	took := call()
	for n := 1; n < 20 && took >= limit; n++ {
		took = call()
	}
	require.Less(t, took, limit)
}

func TestAFrozenDeviceCostsTheTimeoutAndACancellationCutsItShort(t *testing.T) {
	addr := frozen(t)
	takesLess(t, 500*time.Millisecond, func() time.Duration {
		c, err := Dial(t.Context(), addr, &Options{Timeout: 50 * time.Millisecond})
		if err != nil { // on a busy machine dialling takes longer than that
			t.Log(err)
			return time.Hour
		}
		begin := time.Now()
		require.ErrorIs(t, c.WriteCoil(t.Context(), 1, 1, true), ErrUnknown)
		took := time.Since(begin)
		require.GreaterOrEqual(t, took, 50*time.Millisecond)
		_ = c.Close()
		return took
	})
	takesLess(t, 250*time.Millisecond, func() time.Duration { // 5 ms on a machine that is not busy
		c, err := Dial(t.Context(), addr, &Options{Timeout: time.Hour})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := make(chan time.Time, 1)
		time.AfterFunc(20*time.Millisecond, func() { cancelled <- time.Now(); cancel() })
		require.ErrorIs(t, c.ReadHolding(ctx, 1, 1, make([]uint16, 1)), context.Canceled)
		took := time.Since(<-cancelled)
		t.Logf("returned %v after the cancellation", took)
		require.NoError(t, c.Close())
		return took
	})
}

// relayed puts a wire before the server that spoils replies.
func relayed(t *testing.T, s *server.Server, spoil func(request, reply []byte) ([]byte, error)) string {
	t.Helper()
	r, err := bustest.NewRelay("127.0.0.1:0", s.Addr(), spoil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return r.Addr()
}

func TestOverARealWireRepliesDoubledAndOutOfTurnBringNoWrongValue(t *testing.T) {
	memory := server.NewMemory()
	for i := range 1 << 16 {
		memory.Set(server.Holding, uint16(i), uint16(i))
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 3))
	var old []byte
	addr := relayed(t, serve(t, memory), func(_, reply []byte) ([]byte, error) {
		before := old
		old = slices.Clone(reply)
		switch rng.IntN(12) {
		case 0:
			return append(slices.Clone(reply), reply...), nil
		case 1:
			return append(slices.Clone(before), reply...), nil
		case 2:
			return append(slices.Clone(reply), before...), nil
		case 3:
			if before != nil {
				return before, nil
			}
		case 4:
			return reply[:rng.IntN(len(reply))], os.ErrClosed
		}
		return reply, nil
	})
	var c *Client
	right, wires := 0, 0
	for n := range 3000 {
		if c == nil || over(c) {
			var err error
			c, err = Dial(t.Context(), addr, &Options{Timeout: patient, After: c})
			require.NoError(t, err)
			wires++
		}
		address := uint16(n * 7)
		out := make([]uint16, 1+n%3)
		if err := c.ReadHolding(t.Context(), 1, address, out); err != nil {
			continue
		}
		right++
		for i := range out {
			require.Equal(t, address+uint16(i), out[i], "seed %d, transaction %d", seed, n)
		}
	}
	t.Logf("seed %d: %d of 3000 right over %d connections", seed, right, wires)
	require.Greater(t, right, 1000)
	require.Greater(t, wires, 100)
	require.NoError(t, c.Close())
}
