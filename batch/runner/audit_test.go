// What outputs read back is held against what was commanded, and no port of good faith suffers from that.

package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// shy is a plant that changes or leaves out what outputs read back.
type shy struct {
	*sim.Plant
	said map[string]int64 // by channel: when it was said last
	see  func(now, last int64, raw *tag.Raw) bool
}

func (s *shy) Advance(now int64, emit func(tag.Raw)) {
	s.Plant.Advance(now, func(raw tag.Raw) {
		last, ok := s.said[raw.Channel]
		if !ok {
			last = -1
		}
		if isOutput := strings.HasPrefix(raw.Channel, "do/") || raw.Channel == "ao/1"; isOutput && !s.see(now, last, &raw) {
			return
		}
		s.said[raw.Channel] = now
		emit(raw)
	})
}

func TestAPortThatReadsBackSeldomOrNotExactlyIsBelieved(t *testing.T) {
	for name, see := range map[string]func(now, last int64, raw *tag.Raw) bool{
		"only once, at the start": func(_, last int64, _ *tag.Raw) bool { return last < 0 },
		"every other second":      func(now, last int64, _ *tag.Raw) bool { return last < 0 || now-last >= 2*second },
		"one count low, as rounded": func(_, _ int64, raw *tag.Raw) bool {
			if raw.Channel == "ao/1" && raw.Bits > 0 {
				raw.Bits--
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			s.opt.Virtual, s.opt.Storage = &Virtual{}, newMemory()
			s.rig = Rig{Port: &shy{sim.NewPlant(1), map[string]int64{}, see}, Dir: "memory"}
			res, err := s.run()
			require.NoError(t, err)
			require.Equal(t, sequencer.Complete, res.State)
			require.Empty(t, s.of(record.KindOutputFault))
		})
	}
}

func TestOutputsAreMadeSafeThoughTheContextHasEndedAndTheBoardComesLate(t *testing.T) {
	inBubble(t, func(s *site) {
		require.NoError(t, s.plant.Write(s.ctx, tag.Write{Channel: "do/1", Form: tag.Bool, Bits: 1}))
		s.wires.lost = span{1, 3 * second}
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		err := MakeSafe(ctx, s.b.Plan.Map, Rig{Port: s.wires, Clock: s.clock})
		require.Error(t, err, "it ends with its context, and soon")
		require.Less(t, s.clock.Now(), second)
		require.NoError(t, MakeSafe(s.ctx, s.b.Plan.Map, Rig{Port: s.wires, Clock: s.clock}))
		require.Zero(t, s.plant.Output("do/1"))
	})
}

func TestABatchThatCannotBeContinuedIsMadeSafeAllTheSame(t *testing.T) {
	inBubble(t, func(s *site) {
		dir := s.onDisk()
		s.at(4*second, func(*Runner) { panic(errors.New("it dies")) }) // and leaves its journal as a batch that was cut short
		_, err := s.run()
		require.ErrorContains(t, err, "it dies")
		before := len(s.wires.to("do/1"))
		segment := filepath.Join(dir, "journal", "segments", "00000001.seg")
		data, err := os.ReadFile(segment)
		require.NoError(t, err)
		data[2000] ^= 1
		require.NoError(t, os.WriteFile(segment, data, 0o640))
		_, err = s.run()
		require.ErrorIs(t, err, ErrUsed)
		require.ErrorContains(t, err, "the batch was cut short, and its outputs were driven to the safe values of map T301-IO 1.0")
		calls := s.wires.to("do/1")
		require.Greater(t, len(calls), before)
		require.True(t, calls[len(calls)-1].Bits == 0 && calls[len(calls)-1].err == nil)
	})
}
