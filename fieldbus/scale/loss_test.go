// The claims about lines that lose bytes, never fall silent, or lead through a device server.

package scale_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/iomap/tag"
)

// counting is a cable whose driver counts what it has lost.
type counting struct {
	*cable
	lost atomic.Uint32
}

func (c *counting) Counts() (linux.SerialCounts, error) {
	return linux.SerialCounts{Overrun: c.lost.Load()}, nil
}

func TestAFrameThatMayBeMadeOfTwoIsNone(t *testing.T) {
	p := profile(t, "and-stream")
	synctest.Test(t, func(t *testing.T) {
		c := &counting{cable: newCable(nil)}
		d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{
			Open: func(context.Context, string) (hal.RS232, error) { return c, nil }})
		require.NoError(t, err)
		require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
		go func() {
			time.Sleep(10 * time.Millisecond)
			c.say([]byte("\r\nST,GS,+000"))
			c.lost.Add(19) // 12.00kg\r\nST,GS,+000
			c.say([]byte("99.00kg\r\n"))
			time.Sleep(20 * time.Millisecond)
			c.say([]byte("ST,GS,+00100.00kg\r\n")) // its beginning may be lost
			time.Sleep(20 * time.Millisecond)
			c.say([]byte("ST,GS,+00101.00kg\r\n"))
		}()
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(10100), got[0])
		require.NoError(t, d.Close())
	})
}

// throttled is a port that keeps more than its reader can see, and gives it when there is room.
type throttled struct {
	*cable
	kept, discards int
}

func (c *throttled) Discard() error { c.discards++; return nil }

func (c *throttled) Read(ctx context.Context, p []byte) (int, error) {
	n, err := c.cable.Read(ctx, p)
	if n > 0 && c.kept > 0 {
		c.kept--
		go func() {
			time.Sleep(time.Millisecond)
			c.say([]byte("ST,GS,+00001.00kg\r\n"))
		}()
	}
	return n, err
}

func TestWhatWasKeptWhereNobodyCouldReadItIsOldToo(t *testing.T) {
	p := profile(t, "and-stream")
	synctest.Test(t, func(t *testing.T) {
		c := &throttled{cable: newCable(nil), kept: 50}
		d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, &scale.DeviceOptions{
			Open: func(context.Context, string) (hal.RS232, error) { return c, nil }})
		require.NoError(t, err)
		require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
		for range 200 {
			c.say([]byte("ST,GS,+00001.00kg\r\n"))
		}
		go func() {
			time.Sleep(200 * time.Millisecond)
			for range 2 {
				c.say([]byte("ST,GS,+00002.00kg\r\n"))
				time.Sleep(50 * time.Millisecond)
			}
		}()
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(200), got[0])
		require.Equal(t, 2, c.discards)
		require.NoError(t, d.Close())
		time.Sleep(time.Second)
	})
}

// firehose never falls silent.
type firehose struct{ *cable }

func (firehose) Read(_ context.Context, p []byte) (int, error) { return len(p), nil }

func TestALineThatNeverFallsSilentIsGivenUp(t *testing.T) {
	for _, name := range []string{"and-stream", "sics", "toledo"} {
		d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: profile(t, name)}, &scale.DeviceOptions{
			Open: func(context.Context, string) (hal.RS232, error) { return firehose{newCable(nil)}, nil }})
		require.NoError(t, err)
		require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
		_, err = read(t.Context(), d, profile(t, name), "WEIGHT")
		require.ErrorContains(t, err, "is this an instrument?")
		require.NoError(t, d.Close())
	}
	synctest.Test(t, func(t *testing.T) { // one that is asked, and is set to talk by itself
		p := profile(t, "sics")
		d, s := plugged(t, p, nil)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					s.say([]byte("S S       1.00 g\r\n"))
				}
			}
		}()
		time.Sleep(15 * time.Millisecond)
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.ErrorContains(t, err, "is the instrument set to talk by itself?")
		close(stop)
		<-done
	})
}

func TestADeviceServerIsListenedTo(t *testing.T) {
	t.Parallel()
	p := profile(t, "toledo")
	p.Limits.Response = int64(20 * time.Second) // for machines that are busy
	f, err := scale.NewFormat(p)
	require.NoError(t, err)
	b, err := f.Append(nil, map[string]string{"a": ",", "b": "0", "c": " ", "weight": "001234", "tare": "0"})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var hurry atomic.Int32 // ten times as many frames
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		for err == nil {
			time.Sleep(5 * time.Millisecond)
			for range 1 + 9*hurry.Load() {
				if _, err = c.Write(b); err != nil {
					break
				}
			}
		}
	}()
	d, err := scale.NewDevice(&fieldbus.Device{Name: "S1", Profile: p}, nil)
	require.NoError(t, err)
	require.NoError(t, d.Open(t.Context(), "tcp://"+l.Addr().String()))
	for range 10 {
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(1234), got[0])
	}
	hurry.Store(1)
	require.Eventually(t, func() bool { // what waits has filled up, and what the server keeps cannot be known
		_, err := read(t.Context(), d, p, "WEIGHT")
		return err != nil
	}, 20*time.Second, 300*time.Millisecond)
	hurry.Store(0)
	require.NoError(t, d.Close())
	require.NoError(t, l.Close())
	<-done
}

func TestAValueIsAsOldAsTheProfileSays(t *testing.T) {
	p := profile(t, "and-stream", "net: mode=NT", "net: mode=NT\n  lag: 40 ms")
	synctest.Test(t, func(t *testing.T) {
		got, err := spoken(t, p, "ST,GS,+00012.34kg\r\n", "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, fieldbus.Reading{Form: tag.Int, Bits: 1234, Quality: tag.Good, Age: 40_000_000}, got[0])
	})
}

func TestPausesAreKeptBetweenQuestions(t *testing.T) {
	p := profile(t, "sics", "response: 500 ms", "response: 500 ms, pause: 200 ms")
	synctest.Test(t, func(t *testing.T) {
		d, _ := asking(t, p, "S S       1.00 g\r\n")
		begin := time.Now()
		for range 3 {
			_, err := read(t.Context(), d, p, "WEIGHT")
			require.NoError(t, err)
		}
		require.Equal(t, 403*time.Millisecond, time.Since(begin))
	})
}

func TestWhatTheLineDoublesAnswersNothingElse(t *testing.T) {
	p := profile(t, "sics")
	synctest.Test(t, func(t *testing.T) { // at once behind the first, and the next question is waiting already
		n := 0
		var s *socket
		d, s := plugged(t, p, func([]byte) {
			n++
			answer := []byte("S S       " + string(rune('0'+n)) + ".00 g\r\n")
			go func() {
				for range 2 {
					time.Sleep(time.Millisecond)
					s.say(answer)
				}
			}()
		})
		for want := int64(100); want <= 500; want += 100 {
			got, err := read(t.Context(), d, p, "WEIGHT")
			require.NoError(t, err)
			require.Equal(t, good(want), got[0])
		}
		time.Sleep(time.Second)
	})
	synctest.Test(t, func(t *testing.T) { // the answer to an old proof, while a weight that was asked for later is owed
		who := "I4 A \"77\"\r\n"
		d, _ := asking(t, p, "", "", "S S       1.00 g\r\n"+who, "", who+who, "S S       2.00 g\r\n"+who, "S S       3.00 g\r\n")
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.ErrorIs(t, d.Prove(t.Context()), fieldbus.ErrDoubt)
		require.NoError(t, d.Prove(t.Context()))
		_, err = read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.ErrorIs(t, d.Prove(t.Context()), fieldbus.ErrDoubt, "the second is the first over again")
		require.NoError(t, d.Prove(t.Context()))
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(300), got[0])
	})
}
