// Tests of honest packages: whatever became of a run, its package verifies, and its decisions follow again.

package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// honest packs a run, which must verify and replay.
func honest(t *testing.T, dir string, b *batch.Batch) *Report {
	t.Helper()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	replay, err := Replay(dir)
	require.NoError(t, err)
	require.Nil(t, replay.Divergence)
	require.Equal(t, rep.Run, replay.Run)
	return rep
}

// stops gives the fields that a run's window_stop records have under a key.
func stops(t *testing.T, dir string, k record.Key) (out []string) {
	for _, body := range bodies(t, slurp(t, dir, eventsName)) {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind == record.KindWindowStop {
			out = append(out, rec.Text(k))
		}
	}
	return out
}

func TestRunsThatAreHeldStoppedOrAbortedLeaveHonestPackages(t *testing.T) {
	for _, c := range []struct {
		command sequencer.Command
		after   int // rounds before the command
		state   string
		results []string
	}{
		{sequencer.Hold, 4, "Complete", []string{"PASS", "NOT_GOOD"}},
		{sequencer.Stop, 4, "Stopped", []string{"INCOMPLETE"}},
		{sequencer.Abort, 4, "Aborted", []string{"INCOMPLETE"}},
		{sequencer.Abort, 11, "Aborted", []string{"PASS", "INCOMPLETE"}},
	} {
		dir := t.TempDir()
		b := tinyBatch(t, "B-0001", approved{})
		r := begin(t, dir, b)
		r.rounds(0, c.after)
		r.tell(c.command)
		r.rounds(c.after, 300)
		r.end()
		rep := honest(t, dir, b)
		require.Equal(t, c.state, rep.State)
		require.True(t, rep.Ended)
		require.Equal(t, c.results, stops(t, dir, record.Result), "%s after %d rounds", c.command, c.after)
	}
}

// altered is testdata/plan with one line of a file changed.
func altered(t testing.TB, name, old, new string) fstest.MapFS {
	plan := fstest.MapFS{}
	for _, file := range []string{"recipe.yaml", "map.yaml", "lab/calibration.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata/plan", file))
		require.NoError(t, err)
		if file == name {
			require.Contains(t, string(text), old)
			text = []byte(strings.Replace(string(text), old, new, 1))
		}
		plan[file] = &fstest.MapFile{Data: text}
	}
	return plan
}

func TestTotalsBeyondAnyNumberLeaveHonestPackages(t *testing.T) {
	for _, c := range []struct {
		name    string
		extra   uint64 // pulses that come at once, beside the four of a round
		total   string
		quality string
	}{
		{"a total that no decimal can tell", 0, "overflow", "GOOD"},
		{"a total that no 64 bits can hold", 4, "0.00", "BAD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bound(t, altered(t, "lab/calibration.yaml", "30 {pulse}/kg", "90000000000000000 kg/{pulse}"), "B-0001", approved{})
			dir := t.TempDir()
			r := begin(t, dir, b)
			r.rounds(0, 1)
			r.until(r.now + 50*ms)
			r.pulses += c.extra
			r.rounds(1, 3)
			r.tell(sequencer.Stop)
			r.rounds(3, 200)
			r.end()
			honest(t, dir, b)
			require.Equal(t, c.total, stops(t, dir, record.TotalizedValue)[0])
			require.Equal(t, c.quality, stops(t, dir, record.Quality)[0])
		})
	}
}

// cut leaves in a new directory what a cut of the power behind record n leaves of a package.
func cut(t *testing.T, dir string, b *batch.Batch, n int) string {
	to := t.TempDir()
	require.NoError(t, WriteFiles(to, b))
	w, err := journal.Create(filepath.Join(to, journalDir), journal.Header{JournalID: b.JournalID}, nil)
	require.NoError(t, err)
	for i, body := range bodies(t, slurp(t, dir, eventsName))[:n] {
		require.NoError(t, w.Append(uint64(i)+1, body))
	}
	require.NoError(t, w.Close())
	return to
}

// relived feeds the records of a journal to a fresh machine of its batch, which must come to the same decisions.
func relived(t *testing.T, dir string, b *batch.Batch) *batch.Replay {
	t.Helper()
	replay := b.Replay()
	_, err := journal.Scan(filepath.Join(dir, journalDir), func(_ uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		return replay.Record(rec)
	}, nil)
	require.NoError(t, err)
	return replay
}

// resumed continues a batch that was cut, as package runner does: decisions that lack are made again, then comes the boot.
// Source is the quality with which the counter is read then.
func resumed(t *testing.T, dir string, b *batch.Batch, source tag.Quality) *run {
	w, rec, err := journal.Open(filepath.Join(dir, journalDir), journal.Header{JournalID: b.JournalID}, nil)
	require.NoError(t, err)
	replay := relived(t, dir, b)
	r := &run{t: t, b: b, m: replay.Machine, w: w, blk: batch.NewBlock(len(b.Plan.Map.Tags)), next: rec.Head.N + 1, now: 1, pulses: 65_700}
	for _, body := range replay.Lacking() {
		r.append(body, nil)
	}
	seen := timebase.Observation{Mono: 1, UTC: created + 3600*1000*ms, Sync: timebase.RTCOnly, Source: "host"}
	r.step(batch.Event{Kind: batch.Boot, Epoch: w.Header().Epoch, Observation: seen, Recovery: rec.Outcome.String(), Tail: rec.TailBytes, LossMS: 1000,
		Readback: []batch.Reading{{Form: tag.Bool, Quality: tag.Good}, {Tag: 1, Form: tag.Bool, Bits: 1, Quality: tag.Good},
			{Tag: 2, Form: tag.Int, Bits: r.pulses % 65536, Quality: source}}})
	return r
}

func TestABatchThatWasCutAnywhereAndContinuedLeavesAnHonestPackage(t *testing.T) {
	whole, b := packed(t, "B-0001", approved{}), tinyBatch(t, "B-0001", approved{})
	at := func(kind string) int { return int(place(t, whole, kind)) }
	last := at("batch_end/1")
	for _, n := range []int{at("boot/1"), at("command/1"), at("window_start/1") - 1, at("window_start/1"), at("write_done/1"),
		at("window_stop/1") - 1, at("window_stop/1"), at("reconcile/1"), at("prompt/1"), at("window_start/2"), at("quality_change/1"),
		at("window_stop/2"), last - 1, last} {
		dir := cut(t, whole, b, n)
		rep := honest(t, dir, b)
		require.Equal(t, n == last, rep.Ended)
		if n == last {
			continue
		}
		r := resumed(t, dir, b, tag.Good)
		if r.rounds(1, 8); !r.m.Ended() { // and cut again
			r.end()
			honest(t, dir, b)
			r = resumed(t, dir, b, tag.Bad)
		}
		if r.m.State() == sequencer.Idle {
			r.tell(sequencer.Start)
		}
		r.ask = max(r.ask, uint32(1)) // whatever was asked before the cut is answered
		r.rounds(1, 300)
		require.True(t, r.m.Ended(), "cut behind record %d it comes to rest in %s", n, r.m.State())
		r.end()
		require.True(t, honest(t, dir, b).Ended)
	}
}
