// How the shell keeps up is on record, and changes nothing.

package runner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

func TestMeasuresAreNotedEveryHalfMinute(t *testing.T) {
	inBubble(t, func(s *site) {
		s.tell(5*second, sequencer.Hold)
		s.tell(95*second, sequencer.Abort)
		_, err := s.run()
		require.NoError(t, err)
		notes := s.of(record.KindMeasures)
		require.Len(t, notes, 3)
		for i, r := range notes {
			at := int64(r.Count(record.TsMonoNS))
			require.InDelta(t, int64(i+1)*30*second, at, float64(second))
			require.Zero(t, r.Int(record.Backpressure))
			require.Positive(t, r.Int(record.EventQueueDepth))
			require.NotEqual(t, "0.000", r.Text(record.DispatchLatencyMS)+r.Text(record.StorageCommitTimeMS))
			require.Contains(t, strings.Join(r.Texts(record.EventsPerSecond), " "), "input_block=1.")
		}
		require.Contains(t, notes[1].Texts(record.EventsPerSecond), "measures=0.03")
	})
}

func TestMeasuresThatAreDueWhenTheBatchHasEndedKeepNothingWaiting(t *testing.T) {
	campaign(t, demoPlan(t), 233) // its last commit takes longer than a note of measures may wait
}

func TestADiskThatStallsIsNotedAtOnceWithWhatItHeldUp(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.stall = span{3 * second, 8 * second}
		s.tell(4*second, sequencer.Hold)
		s.tell(5*second, sequencer.Restart)
		res := s.complete()
		require.Equal(t, sequencer.Complete, res.State)
		first := s.of(record.KindMeasures)[0]
		require.InDelta(t, 8*second, int64(first.Count(record.TsMonoNS)), float64(second)/2)
		require.Regexp(t, `^[45]\d{3}\.\d{3}$`, first.Text(record.StorageCommitTimeMS))
		waited := ""
		for _, r := range s.of(record.KindMeasures) {
			waited = max(waited, r.Text(record.DispatchLatencyMS))
		}
		require.Regexp(t, `^[234]\d{3}\.\d{3}$`, waited, "the valves waited for their records; the note after the first may say so")
	})
}
