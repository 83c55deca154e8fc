// Ports that hang, that are lost, and that say what cannot be.

package runner

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// millis rounds a time to ms.
func millis(ns int64) int64 { return (ns + 500_000) / 1_000_000 }

func TestAnOutputThatHangsIsUnknownAndItsSafeValueIsWrittenUntilItIsConfirmed(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.hang["do/1"] = span{1, 7 * second}
		s.tell(9*second, sequencer.Restart)
		s.complete()
		require.Equal(t, []string{"Running", "Holding", "Held", "Restarting", "Running", "Complete"}, s.states())

		calls := s.wires.to("do/1")
		require.EqualValues(t, 1, calls[0].Bits)
		begin := calls[0].begin
		require.Equal(t, int64(batch.WriteTime), calls[0].end-begin)
		n := 1
		for ; calls[n-1].end < 7*second; n++ {
			require.Zero(t, calls[n].Bits)
			require.LessOrEqual(t, calls[n].end-calls[n].begin, int64(batch.WriteTime))
			pause := int64(sequencer.RetrySafe)
			if n == 1 {
				pause = 0 // the first follows at once, behind those to outputs that answer
			}
			require.InDelta(t, pause, calls[n].begin-calls[n-1].end, 5e6, "write %d", n)
		}
		require.NoError(t, calls[n-1].err)
		require.InDelta(t, 7000, millis(calls[n-1].end), 5, "it is confirmed once the port recovers")
		require.EqualValues(t, 1, calls[n].Bits, "restart opens again")
		require.Equal(t, int64(9000), millis(calls[n].begin))

		faults := s.of(record.KindOutputFault)
		require.Len(t, faults, n-1)
		for _, r := range faults {
			require.Equal(t, "XV101", r.Text(record.LogicalTag))
		}
		unknown := map[uint32]bool{}
		for _, r := range s.of(record.KindWriteDone) {
			unknown[uint32(r.Int(record.WriteID))] = r.Text(record.Result) == "unknown"
		}
		for i, c := range calls {
			require.Equal(t, i < n-1, unknown[c.ID], "write %d", i)
		}
		for _, o := range []string{"do/2", "do/3", "do/4"} {
			for _, c := range s.wires.to(o) {
				if c.Bits == 0 {
					require.Less(t, c.begin, begin+batch.WriteTime+10_000_000, "%s waits for the one that hangs", o)
					break
				}
			}
		}
	})
}

func TestAnOutputThatIsGoneIsWrittenLessAndLessOften(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.hang["do/1"] = span{1, 600 * second}
		s.tell(605*second, sequencer.Restart)
		s.complete()
		calls := s.wires.to("do/1")
		var waits []int64
		for n := 2; calls[n-1].end < 500*second; n++ {
			waits = append(waits, (calls[n].begin-calls[n-1].end+5_000_000)/500_000_000)
		}
		soon := []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8}
		require.Equal(t, soon, waits[:len(soon)], "in half seconds")
		for _, w := range waits[len(soon):] {
			require.EqualValues(t, 8, w)
		}
		require.Less(t, len(s.of(record.KindOutputFault)), 130, "the dead device does not fill the journal")
	})
}

func TestASafeWriteCutsShortTheWriteThatHangsOnItsOutput(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.hang["do/1"] = span{1, 2 * second}
		s.tell(1*second, sequencer.Hold)
		s.tell(5*second, sequencer.Restart)
		s.complete()
		calls := s.wires.to("do/1")
		require.EqualValues(t, 1, calls[0].Bits)
		require.Equal(t, int64(1000), millis(calls[0].end))
		require.ErrorIs(t, calls[0].err, context.Canceled)
		require.Zero(t, calls[1].Bits)
		require.InDelta(t, 1000, millis(calls[1].begin), 5)
		require.Empty(t, s.of(record.KindOutputFault), "what became of a write that was replaced says nothing")
	})
}

// The port takes one write at a time. So a safe write waits for one that hangs on another output, but no longer than a write
// may take, and it goes before all others.
func TestASafeWriteWaitsForOtherOutputsNoLongerThanOneWriteMayTake(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.hang["do/1"] = span{second, 60 * second}
		s.tell(5*second, sequencer.Hold)
		s.tell(70*second, sequencer.Restart)
		s.complete()
		for _, o := range []string{"do/2", "do/3", "do/4"} {
			for _, c := range s.wires.to(o) {
				if c.Bits == 0 && c.begin >= 5*second {
					require.Less(t, c.begin, 5*second+batch.WriteTime+10_000_000, o)
					break
				}
			}
		}
	})
}

func TestAPortThatIsLostMakesTagsBadAtOnceAndTheBatchGoesOnWhenItIsBack(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.lost = span{4 * second, 8 * second}
		s.tell(12*second, sequencer.Restart)
		require.ErrorIs(t, s.complete().Port, errLost)
		require.Equal(t, []string{"Running", "Holding", "Held", "Restarting", "Running", "Complete"}, s.states())
		bad, held := map[string]bool{}, int64(0)
		for _, r := range s.of(record.KindQualityChange) {
			name, at := r.Text(record.LogicalTag), int64(r.Count(record.TsMonoNS))
			switch r.Text(record.Quality) {
			case "BAD":
				bad[name] = true
				require.Less(t, at, 4*second+10_000_000)
			case "GOOD":
				require.True(t, bad[name], name)
				require.Less(t, at, 9*second+200_000_000, "the port is watched again each second")
				delete(bad, name)
			}
			if name == "FC101" && r.Text(record.Quality) == "BAD" {
				held = at
			}
		}
		require.Empty(t, bad, "tags that stay BAD")
		require.NotZero(t, held)
		for _, r := range s.of(record.KindWindowStop) {
			require.Equal(t, "NOT_GOOD", r.Text(record.Result), "a window that saw a gap")
		}
	})
}

func TestAPortThatCannotBeWatchedAtTheStartHasItsOutputsDrivenSafe(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.lost = span{0, 5 * second}
		s.complete()
		boot := s.of(record.KindBoot)[0]
		require.Empty(t, boot.Texts(record.Readback))
		require.Equal(t, int64(2000), millis(int64(boot.Count(record.TsMonoNS))), "readback is waited for")
		require.Zero(t, s.wires.did[0].Bits)
		for o := 1; o <= 8; o++ {
			require.Equal(t, int64(2), s.wires.did[o-1].begin/second)
		}
	})
}

// A port is a stranger's code. What it says wrongly is BAD and nothing worse, and its records can be read.
func TestReadingsThatCannotBeAreBadAndReplay(t *testing.T) {
	for _, bend := range []func(raw *tag.Raw){
		func(raw *tag.Raw) { raw.Form = 77 },
		func(raw *tag.Raw) { raw.Quality = tag.Stale },
		func(raw *tag.Raw) { raw.Quality = 200 },
		func(raw *tag.Raw) { raw.Form, raw.Bits, raw.At = tag.Float64, 0x7FF8_0000_0000_0001, 1<<62 },
		func(raw *tag.Raw) { raw.At = -5 },
	} {
		inBubble(t, func(s *site) {
			s.wires.bend = func(raw *tag.Raw) {
				if raw.Channel == "do/3" || raw.Channel == "ai/3" {
					bend(raw)
				}
			}
			s.tell(20*second, sequencer.Abort)
			res, err := s.run()
			require.NoError(t, err)
			require.Equal(t, sequencer.Aborted, res.State)
			s.whole(res)
		})
	}
}

func TestChannelsThatNobodyMapsAreNamed(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.bend = func(raw *tag.Raw) {
			if raw.Channel == "ai/5" {
				raw.Channel = "ai/99"
			}
		}
		s.tell(2*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, []string{"ai/99"}, res.Unmapped)
	})
}

func TestAPortThatIsSlowToEndDelaysTheEndAndNothingElse(t *testing.T) {
	inBubble(t, func(s *site) {
		s.wires.linger = 5 * second
		s.tell(3*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.InDelta(t, 8*second, s.clock.Now(), 1e9)
		s.whole(res)
	})
}

func TestARunThatEndsLeavesNothingBehind(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		s := newSite(t, 1)
		s.complete()
		synctest.Wait()
		require.False(t, s.wires.busy)
		require.Empty(t, runners(), "goroutines of the run are still there")
	})
}

// A panic of an OEM's port is a failure of the port: the process goes on, for its outputs may be open.
func TestAPortThatPanicsIsLostAndItsWritesFail(t *testing.T) {
	inBubble(t, func(s *site) {
		port := &panicky{wires: s.wires, watch: span{3 * second, 4 * second}, write: span{3 * second, 7 * second}}
		s.rig.Port = port
		s.tell(20*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.ErrorContains(t, res.Port, "panic: the driver broke")
		require.Contains(t, s.states(), "Held")
		require.NotEmpty(t, s.of(record.KindOutputFault))
		s.whole(res)
		s.safe()
	})
}

// panicky are wires whose driver panics at times.
type panicky struct {
	*wires
	watch, write span
}

// Watch panics at the first value that comes in its span.
func (p *panicky) Watch(ctx context.Context, emit func(tag.Raw)) error {
	return p.wires.Watch(ctx, func(raw tag.Raw) {
		if p.watch.has(p.s.clock.Now()) {
			panic("the driver broke")
		}
		emit(raw)
	})
}

// Write panics in its span.
func (p *panicky) Write(ctx context.Context, w tag.Write) error {
	if p.write.has(p.s.clock.Now()) {
		panic("the driver broke")
	}
	return p.wires.Write(ctx, w)
}
