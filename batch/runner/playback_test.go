// What a board was recorded as is enough to decide a batch again: in virtual time, and in real time, without the board.

package runner

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
)

func TestARealRunThatWasRecordedIsPlayedBackToTheSameDecisions(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		var file bytes.Buffer
		s := newSite(t, 2)
		recorder := sim.NewRecorder(s.wires, s.clock, &file, 0)
		s.rig.Port = recorder
		res := s.complete()
		require.NoError(t, recorder.Close())
		rec, err := sim.ReadRecording("run.rec", file.Bytes())
		require.NoError(t, err)
		require.True(t, rec.Whole)

		plays := sim.NewPlayback(rec, 50_000_000)
		var list []*record.Record
		again, err := Run(context.Background(), demoBatch(t, 2), Rig{Port: plays, Dir: "memory"}, &Options{Virtual: &Virtual{},
			Storage: newMemory(), Ask: s.opt.Ask, Record: func(_ record.Kind, body []byte) {
				r, err := record.Parse(bytes.Clone(body))
				require.NoError(t, err)
				list = append(list, r)
			}})
		require.NoError(t, err)
		require.Equal(t, res.Windows, again.Windows)
		require.Equal(t, course(s.list), course(list))
		require.Empty(t, plays.Differences())

		live := newSite(t, 2)
		plays = sim.NewPlayback(rec, 50_000_000).On(live.clock)
		live.rig.Port = plays
		live.wires.unchecked = true
		again, err = live.run()
		require.NoError(t, err)
		require.Equal(t, res.Windows, again.Windows)
		require.Equal(t, course(s.list), course(live.list))
		require.Empty(t, plays.Differences())
	})
}
