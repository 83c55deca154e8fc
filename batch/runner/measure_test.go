// How the shell keeps up is on record, and changes nothing.

package runner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
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

func TestANoteForWhichThereIsNoRoomIsMergedIntoTheNext(t *testing.T) {
	var notes []*record.Record
	r, err := New(demoBatch(t, 1), Rig{Port: &wires{}, Dir: "memory"}, &Options{Storage: newMemory(), Record: func(k record.Kind, body []byte) {
		if k == record.KindMeasures {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			notes = append(notes, rec)
		}
	}})
	require.NoError(t, err)
	w, err := r.open()
	require.NoError(t, err)
	defer w.Close()
	l := newLoop(r, w)
	l.out = func(*batch.Effect) {}
	l.begin(second, seeded{virtualUTC, &l.prev}, nil)
	l.gauge.waiting(1, true)
	l.measure(5 * second)
	for w.Room() >= reserve {
		require.NoError(t, w.Append(l.next, make([]byte, journal.MaxBody)))
		l.next++
	}
	next := l.next
	require.EqualValues(t, 7*second, l.measure(6*second))
	require.EqualValues(t, 7*second, l.measure(6*second+1))
	require.EqualValues(t, 8*second, l.measure(7*second))
	require.Equal(t, next, l.next, "what must be recorded has the room")
	require.NoError(t, w.Commit())
	l.measure(8 * second)
	require.Len(t, notes, 1)
	require.EqualValues(t, 2, notes[0].Count(record.Coalesced))
	require.EqualValues(t, 5*second, notes[0].Count(record.FirstMonoNS))
	require.EqualValues(t, 1, notes[0].Int(record.Backpressure))
}
