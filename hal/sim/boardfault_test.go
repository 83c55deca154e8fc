// The claims of the board's faults, and of what brings it down and up again.

package sim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
)

// befall adds a fault from words.
func befall(t *testing.T, b *Board, at int64, verb string, args ...string) {
	t.Helper()
	f, err := ParseBoardFault(verb, args)
	require.NoError(t, err)
	f.At = at
	require.NoError(t, b.Fault(f))
}

func TestAStuckContactShowsNothingAndThenWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, 1, nil)
		b.Connect("do", "di")
		befall(t, b, 2*second, "stuck", "di", "3s")
		got, err := edges(t, b.Input("di"), func() {
			for i := range int64(7) {
				b.Advance(i*second + 1)
				require.NoError(t, b.Output("do").Set(i%2 == 0))
			}
		})
		require.NoError(t, err)
		var words []string
		for _, e := range got {
			words = append(words, fmt.Sprint(e.Mono, e.High, e.Seq, e.Lost))
		}
		require.Equal(t, []string{"1 true 1 0", "1000000001 false 2 0", "5000000000 true 3 0", "5000000001 false 4 0", "6000000001 true 5 0"}, words)

		befall(t, b, 0, "stuck", "do", "1s")
		require.NoError(t, b.Output("do").Set(false))
		high, err := b.Output("do").Get()
		require.NoError(t, err)
		require.True(t, high, "Get is the line, and not what was set")
	})
}

func TestAContactThatChattersComesToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, 3, nil)
		l := b.Input("di")
		befall(t, b, second, "bounce", "di", "12ms")
		got, err := edges(t, l, func() {
			for at := int64(0); at < 2*second; at += ms {
				b.Advance(at)
				synctest.Wait()
			}
		})
		require.NoError(t, err)
		require.Greater(t, len(got), 12)
		require.Zero(t, len(got)%2)
		for i, e := range got {
			require.Equal(t, i%2 == 0, e.High)
			require.True(t, e.Mono >= second && e.Mono <= second+13*ms, e.Mono)
		}
	})
}

func TestTheClockChipCanDriftStepDieAndFallSilent(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano()
	b := board(t, 1, &BoardOptions{UTC: begin})
	shows := func(at, want int64) {
		t.Helper()
		b.Advance(at)
		utc, err := b.RTC().Read()
		require.NoError(t, err)
		require.Equal(t, want, utc-begin)
	}
	befall(t, b, 100*second, "drift", "100000", "100s")
	shows(100*second, 100*second)
	shows(150*second, 155*second)
	shows(1000*second, 1010*second)
	befall(t, b, 0, "step", "-10s")
	shows(1001*second, 1001*second)
	befall(t, b, 0, "deadbus", "2s")
	_, err := b.RTC().Read()
	require.EqualError(t, err, `sim: clock chip "rtc": no answer on the bus`)
	require.ErrorContains(t, b.RTC().Set(begin), "no answer on the bus")
	shows(1003*second, 1003*second)
	befall(t, b, 1005*second, "deadcell")
	shows(1006*second, 1006*second)
	b.PowerCut(1007 * second)
	b.Boot(1008 * second)
	_, err = b.RTC().Read()
	require.ErrorIs(t, err, hal.ErrTimeLost)
}

func TestNoiseOnASerialLineIsSeededAndEnds(t *testing.T) {
	sent := make([]byte, 1000)
	for i := range sent {
		sent[i] = byte(i)
	}
	hear := func(seed uint64, noise string, late int64) []byte {
		b := board(t, seed, nil)
		befall(t, b, 0, "noise", "bus", noise, "20", "1s")
		b.Advance(late)
		here, field := b.Bus()
		for i := 0; i < len(sent); i += 50 {
			n, err := here.Write(sent[i : i+50])
			require.NoError(t, err)
			require.Equal(t, 50, n)
		}
		got := make([]byte, 3000)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		n, err := field.Read(ctx, got)
		require.NoError(t, err)
		return got[:n]
	}
	for noise, lens := range map[string][2]int{"flip": {1000, 1000}, "drop": {900, 990}, "double": {1010, 1100}, "cut": {700, 999}} {
		got := hear(5, noise, 0)
		require.NotEqual(t, sent, got, noise)
		require.True(t, lens[0] <= len(got) && len(got) <= lens[1], "%s: %d", noise, len(got))
		require.Equal(t, got, hear(5, noise, 0), "the same seed, the same noise")
		require.NotEqual(t, got, hear(6, noise, 0))
		require.Equal(t, sent, hear(5, noise, second), "it is over")
	}
}

func TestABrownOutWarnsAndPowerGoesWhenTheHoldUpIsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, 1, &BoardOptions{Holdup: 30 * time.Millisecond})
		var events []hal.PowerEvent
		done := make(chan error)
		go func() {
			done <- b.Power().Watch(t.Context(), func(e hal.PowerEvent) { events = append(events, e) })
		}()
		synctest.Wait()
		require.Equal(t, 30*time.Millisecond, b.Power().Holdup())
		befall(t, b, second, "brownout", "29ms")
		b.Advance(2 * second)
		_, err := b.FRAM().WriteAt([]byte{1}, 0)
		require.NoError(t, err, "it was short enough")
		b.BrownOut(3*second, time.Second)
		b.Advance(3*second + 29*ms)
		_, err = b.FRAM().WriteAt([]byte{2}, 0)
		require.NoError(t, err, "the hold-up is for this")
		b.Advance(3*second + 30*ms)
		_, err = b.FRAM().WriteAt([]byte{3}, 0)
		require.ErrorIs(t, err, hal.ErrPowerLost)
		require.ErrorIs(t, <-done, hal.ErrPowerLost)
		require.Equal(t, []hal.PowerEvent{{Mono: 0}, {Mono: second, Failing: true}, {Mono: second + 29*ms}, {Mono: 3 * second, Failing: true}}, events)
		b.Boot(5 * second)
		require.Equal(t, hal.ResetPower, b.Reset())
		b.Boot(6 * second)
		require.Equal(t, hal.ResetProcess, b.Reset())
	})
}

func TestTheWatchdogBitesAndTheNextBootKnows(t *testing.T) {
	b := board(t, 1, &BoardOptions{DeadCell: true})
	require.NoError(t, b.RTC().Set(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano()))
	w := b.Watchdog()
	_, err := w.Arm(999 * time.Millisecond)
	require.ErrorContains(t, err, "whole seconds, from 1s to 1m0s")
	actual, err := w.Arm(1500 * time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, time.Second, actual)
	for at := int64(0); at < 5*second; at += second - 1 {
		b.Advance(at)
		require.NoError(t, w.Feed())
	}
	require.NoError(t, b.Output("do").Set(true))
	require.NoError(t, w.Close())
	b.Advance(10 * second)
	require.ErrorIs(t, b.Output("do").Set(true), hal.ErrPowerLost)
	b.Boot(11 * second)
	require.Equal(t, hal.ResetWatchdog, b.Reset())
	high, err := b.Output("do").Get()
	require.NoError(t, err)
	require.False(t, high)
	_, err = b.RTC().Read()
	require.NoError(t, err, "a reset leaves the clock chip its supply")
	b.Advance(100 * second)
	require.NoError(t, b.Output("do").Set(true), "it comes up with the watchdog at rest")
}

func TestAKeyFollowsFromTheSeedAndACounterOutlivesACut(t *testing.T) {
	a, b := board(t, 1, nil), board(t, 2, nil)
	require.NotEqual(t, a.Signer().Public(), b.Signer().Public())
	require.Equal(t, a.Signer().Public(), board(t, 1, nil).Signer().Public())
	signature, err := a.Signer().Sign(nil, []byte("text"), crypto.Hash(0))
	require.NoError(t, err)
	require.True(t, ed25519.Verify(a.Signer().Public().(ed25519.PublicKey), []byte("text"), signature))
	v, err := a.Counter().Increment()
	require.NoError(t, err)
	require.Equal(t, uint64(1), v)
	a.PowerCut(1)
	_, err = a.Counter().Increment()
	require.ErrorIs(t, err, hal.ErrPowerLost)
	_, err = a.Signer().Sign(nil, []byte("text"), crypto.Hash(0))
	require.ErrorIs(t, err, hal.ErrPowerLost)
	a.Boot(2)
	v, err = a.Counter().Read()
	require.NoError(t, err)
	require.Equal(t, uint64(1), v)
}

func TestAFaultOfABoardThatCannotBeIsRefused(t *testing.T) {
	for words, want := range map[[5]string]string{
		{"rust"}:                             `sim: board fault "rust": unknown; known are stuck, bounce, deadcell, drift, step, deadbus, noise, torn, brownout`,
		{"stuck", "di"}:                      `sim: board fault "stuck": 1 arguments: want stuck <line> <for>`,
		{"stuck", "di", "soon"}:              `sim: board fault stuck: argument 2: "soon" is not a time`,
		{"stuck", "di", "0s"}:                `sim: board fault "stuck": duration 0s: want more than 0 and at most 8760h0m0s`,
		{"drift", "200000", "1s"}:            `200000 ppm: want at most 100000, either way`,
		{"step", "0s"}:                       `a step of 0s: want one, of 8760h0m0s at most`,
		{"noise", "wire", "flip", "9", "1s"}: `line "wire": want bus or serial`,
		{"noise", "bus", "rub", "9", "1s"}:   `noise: want flip, drop, double or cut`,
		{"noise", "bus", "flip", "0", "1s"}:  `every 0: want 1 at least`,
		{"torn", "-1"}:                       `byte -1: want 0 at least`,
		{"deadcell", "1s"}:                   `1 arguments: want deadcell`,
	} {
		args := []string{}
		for _, w := range words[1:] {
			if w != "" {
				args = append(args, w)
			}
		}
		_, err := ParseBoardFault(words[0], args)
		require.ErrorContains(t, err, want)
	}
	b := board(t, 1, nil)
	require.ErrorContains(t, b.Fault(BoardFault{Kind: LineStuck, Line: "di", For: 1}), `line "di": the board has no such line yet; ask for it first`)
	require.ErrorContains(t, b.Fault(BoardFault{Kind: LineBounce, Line: b.Output("do").name, For: 1}), "no such line")
	require.ErrorContains(t, b.Fault(BoardFault{}), "no such kind")
	require.ErrorContains(t, b.Fault(BoardFault{Kind: WriteTorn, For: 1}), "it has no end")
	b.Input("di")
	for range MaxFaults {
		require.NoError(t, b.Fault(BoardFault{Kind: LineStuck, Line: "di", At: 1, For: 1}))
	}
	require.ErrorContains(t, b.Fault(BoardFault{Kind: CellDead}), "256 wait already")
	_, err := NewBoard(1, &BoardOptions{Holdup: -1})
	require.ErrorContains(t, err, "hold-up -1ns: want 0 or more")
}

func TestATornWriteIsScripted(t *testing.T) {
	b := board(t, 1, nil)
	befall(t, b, second, "torn", "3")
	b.Advance(second)
	n, err := b.FRAM().WriteAt([]byte("abcdef"), 0)
	require.ErrorIs(t, err, hal.ErrPowerLost)
	require.Equal(t, 3, n)
}
