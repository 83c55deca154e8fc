// RTU over TCP: the same claims behind a gateway that passes on bytes.

package modbus

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
)

// dialBus gives the near end of a pipe, behind which a bus is.
func dialBus(b *bus) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		out := make(chan []byte, 1000) // a pipe holds nothing, and a network does
		b.emit = func(p []byte) {
			if len(p) > 0 {
				out <- append([]byte(nil), p...)
			}
		}
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case p := <-out:
					_, _ = there.Write(p)
				case <-stop:
					return
				}
			}
		}()
		go func() {
			defer close(stop)
			buf := make([]byte, 512)
			for {
				n, err := there.Read(buf)
				if err != nil {
					return
				}
				b.ask(append([]byte(nil), buf[:n]...))
			}
		}()
		return here, nil
	}
}

func TestNoAnswerIsEverTakenForAnotherBehindAGateway(t *testing.T) {
	var all lineTally
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer func() {
				cancel()
				time.Sleep(time.Minute)
			}()
			b := newBus(ctx, seed, char115200, 50*time.Millisecond, 1, 2, 17)
			b.ill = hostile
			m, err := DialRTU(ctx, "gateway", &RTUOptions{Baud: 115200, Bits: 10, Timeout: 50 * time.Millisecond, Dial: dialBus(b)})
			require.NoError(t, err)
			c := &campaign{bus: b, m: m, rng: rand.New(rand.NewPCG(seed, 2))}
			c.run(ctx, 100)
			require.Empty(t, c.wrong, "seed %d", seed)
			require.NoError(t, m.Close())
			all.exchanges, all.good = all.exchanges+c.exchanges, all.good+c.good
		})
	}
	require.Greater(t, all.good, all.exchanges/4)
	t.Logf("%d exchanges, %d reads right, 0 wrong", all.exchanges, all.good)
}

func TestAGatewayThatKeepsTheSilenceNeedsNoBaudRateAndOneThatHangsUpEndsTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := newBus(ctx, 1, 0, time.Second, 1)
		var conn net.Conn
		m, err := DialRTU(ctx, "gateway", &RTUOptions{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			conn, err = dialBus(b)(ctx, network, addr)
			return conn, err
		}})
		require.NoError(t, err)
		for a := range uint16(5) {
			got, err := holding(m, 1, a, 1)
			require.NoError(t, err)
			require.Equal(t, word(1, readHolding, a), got[0])
		}
		require.NoError(t, m.WriteRegister(ctx, 1, 1, 7))
		waiting, stop := context.WithCancel(ctx)
		time.AfterFunc(10*time.Millisecond, stop)
		begin := time.Now()
		require.ErrorIs(t, m.ReadHolding(waiting, 9, 0, make([]uint16, 1)), context.Canceled)
		require.LessOrEqual(t, time.Since(begin), 15*time.Millisecond)
		require.NoError(t, conn.Close())
		_, err = holding(m, 1, 0, 1)
		require.Error(t, err)
		require.False(t, errors.Is(err, ErrDoubt))
		_, err = holding(m, 1, 0, 1)
		require.ErrorIs(t, err, ErrDown)
	})
}

func TestWhatIsOwedIsRememberedThoughAGatewayCannotBeReachedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := newBus(ctx, 1, 0, time.Second, 1)
		over, gone := dialBus(b), false
		d, err := NewDevice(&fieldbus.Device{Name: "plc", Profile: plc(), Unit: 1}, &DeviceOptions{
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if gone {
					return nil, errors.New("no route")
				}
				return over(ctx, network, addr)
			}})
		require.NoError(t, err)
		points, out := named(d.profile, "speed"), make([]fieldbus.Reading, 1)
		require.NoError(t, d.Open(ctx, "rtu-tcp://gateway:4001"))
		require.NoError(t, d.Read(ctx, points, out))
		lose := func() {
			b.mu.Lock()
			b.ill.lost = 1000
			b.mu.Unlock()
			require.ErrorIs(t, d.Read(ctx, points, out), ErrDoubt)
			b.mu.Lock()
			b.ill.lost = 0
			b.mu.Unlock()
		}
		lose()
		gone = true
		require.ErrorIs(t, d.Open(ctx, "rtu-tcp://gateway:4001"), ErrDown)
		gone = false
		require.NoError(t, d.Open(ctx, "rtu-tcp://gateway:4001"))
		require.ErrorIs(t, d.Read(ctx, points, out), ErrDoubt, "the answer may still come, by the new connection")
		require.NoError(t, d.Prove(ctx))
		lose()
		require.NoError(t, d.Open(ctx, "tcp://plc:502"), "another way to it")
		require.NoError(t, d.Open(ctx, "rtu-tcp://gateway:4001"))
		require.ErrorIs(t, d.Read(ctx, points, out), ErrDoubt)
		require.NoError(t, d.Close())
	})
}

func TestWhatIsOwedOutlivesATryToConnectThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := newBus(ctx, 1, 0, time.Second, 1)
		m, err := DialRTU(ctx, "gateway", &RTUOptions{Dial: dialBus(b)})
		require.NoError(t, err)
		waiting, stop := context.WithCancel(ctx)
		defer stop()
		time.AfterFunc(10*time.Millisecond, stop)
		require.ErrorIs(t, m.ReadHolding(waiting, 9, 0, make([]uint16, 1)), ErrDoubt)
		none := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
		_, err = DialRTU(ctx, "gateway", &RTUOptions{Dial: none, After: m})
		require.ErrorIs(t, err, ErrDown)
		next, err := DialRTU(ctx, "gateway", &RTUOptions{Dial: dialBus(b), After: m})
		require.NoError(t, err)
		_, err = holding(next, 9, 0, 1)
		require.ErrorIs(t, err, ErrDoubt, "the gateway may pass on what the slave was asked by the first connection")
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "nothing is sent in doubt")
		require.NoError(t, next.Close())
		synctest.Wait()
	})
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, o := range []RTUOptions{{}, {Baud: 10}, {Baud: 9600, Bits: 5}, {Baud: 9600, Timeout: -1}, {Baud: 9600, Turnaround: -1}} {
		_, err := NewRTU(&scripted{}, &o)
		require.ErrorContains(t, err, "modbus: line \"RTU\"")
	}
	m, err := NewRTU(&scripted{}, &RTUOptions{Baud: 9600, Name: "south"})
	require.NoError(t, err)
	require.ErrorContains(t, m.SetSlave(t.Context(), 0, Slave{}), `"south"`)
	require.Error(t, m.SetSlave(t.Context(), 1, Slave{Late: -1}))
	_, err = DialRTU(t.Context(), "127.0.0.1:1", &RTUOptions{Timeout: time.Second})
	require.ErrorIs(t, err, ErrDown)
	require.True(t, errors.Is(err, ErrDown))
}
