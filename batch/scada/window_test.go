// What is shown of a controller that runs, falls silent, ends, and is gone.

package scada

import (
	"context"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// pane is a window whose clock a test sets.
type pane struct {
	*Window
	t  *testing.T
	at time.Time
}

func newPane(t *testing.T, out string, o *Options) *pane {
	t.Helper()
	w, err := New(server.NewSpace("urn:test:scada"), out, o)
	require.NoError(t, err)
	p := &pane{Window: w, t: t, at: noon}
	w.now = func() time.Time { return p.at }
	w.since = noon
	return p
}

// later lets time go by, and the window look.
func (p *pane) later(d time.Duration) {
	p.t.Helper()
	p.at = p.at.Add(d)
	p.round(context.Background())
	require.Zero(p.t, p.space.Refused(), "the space has taken all of it")
}

// get gives what is shown at a path.
func (p *pane) get(path string) server.Value {
	p.t.Helper()
	n, ok := p.tree.nodes[path]
	require.True(p.t, ok, "%s is not there", path)
	return p.space.Get(n)
}

func (p *pane) text(path string) string { p.t.Helper(); return p.get(path).Text }

// level sends a sample of the tank's weight, in hundredths of a kilogram.
func (p *pane) level(seq uint64, counts int64, q tag.Quality) {
	p.t.Helper()
	s := httptest.NewServer(p.Receiver())
	defer s.Close()
	sink, err := trend.NewLines(s.URL, nil)
	require.NoError(p.t, err)
	one := trend.Sample{Seq: seq, Channel: "ai/5", Form: tag.Int, Bits: uint64(counts), Quality: q, Mono: int64(seq), UTC: p.at.UnixNano()}
	if q != tag.Good {
		one.Status = statusBad
	}
	_, err = sink.Send(context.Background(), []trend.Sample{one})
	require.NoError(p.t, err)
}

func TestABatchIsShownFromItsFirstRecordToItsLast(t *testing.T) {
	b := newBook(t)
	p := newPane(t, b.out, nil)
	p.later(time.Second)
	require.Empty(t, p.tree.beneath(folderBatches))
	b.to(last(b.rows, record.KindWindowStart))
	p.later(time.Second)
	require.Equal(t, "Running", p.text("Batches/B-0001/State"))
	require.Equal(t, "CHARGE_A, CHARGE_B", p.text("Batches/B-0001/Step"))
	require.Contains(t, p.get("Batches/B-0001/ActiveSteps").Texts, "CHARGE_A Running")
	require.Equal(t, "Running", p.text("Batches/B-0001/Steps/CHARGE_A/State"))
	require.Equal(t, "120.00", p.text("Batches/B-0001/Totals/A/TargetText"))
	require.InDelta(t, 120.0, math.Float64frombits(p.get("Batches/B-0001/Totals/A/Target").Bits), 0)
	total := p.get("Batches/B-0001/Totals/A/Total")
	require.Equal(t, [...]any{true, fieldbus.StatusWaiting}, [...]any{total.Null, total.Status}, "none is told yet")
	state := p.get("Batches/B-0001/State")
	require.Equal(t, fieldbus.StatusGood, state.Status)
	require.Equal(t, b.rows[10].rec.Time(record.TsUTC), state.Source.UnixNano(), "it is true since its record")
	require.True(t, p.get("Batches/B-0001/EndTime").Null)
	p.later(30 * time.Second)
	require.Equal(t, fieldbus.StatusLastUsable, p.get("Batches/B-0001/State").Status, "nothing is heard of the controller")
	require.Equal(t, fieldbus.StatusLastUsable, p.get("Batches/B-0001/Totals/A/Target").Status)
	require.InDelta(t, 30.0, math.Float64frombits(p.get("Window/Behind").Bits), 0)
	b.to(len(b.rows))
	p.later(time.Second)
	p.later(time.Hour)
	require.Equal(t, "Complete", p.text("Batches/B-0001/State"))
	require.Equal(t, fieldbus.StatusGood, p.get("Batches/B-0001/State").Status, "what is over stays so")
	require.Equal(t, "PASS", p.text("Batches/B-0001/Verdict"))
	require.Equal(t, b.rows[len(b.rows)-1].link, p.text("Batches/B-0001/HashCurr"))
	require.Equal(t, uint64(len(b.rows)), p.get("Batches/B-0001/JournalHead").Bits)
	require.Equal(t, "1.0", p.text("Batches/B-0001/TagMapVersion"))
	require.Equal(t, "B-0001 Complete", p.Status().Newest)
	blocks := 0
	for _, r := range b.rows {
		if r.rec.Kind == record.KindInputBlock {
			blocks++
		}
	}
	require.Equal(t, uint64(len(b.rows)-blocks), p.Status().Events, "each record but those of inputs is an event")
	require.NoError(t, os.RemoveAll(filepath.Join(b.out, "B-0001")))
	p.later(2 * time.Second)
	require.Empty(t, p.tree.beneath(folderBatches), "its package was released")
}

func TestATagHasTheNameAndTheScaleOfTheMapAndBecomesStaleInSilence(t *testing.T) {
	b := newBook(t)
	b.to(20)
	p := newPane(t, b.out, nil)
	p.later(time.Second)
	require.Equal(t, fieldbus.StatusWaiting, p.get("Tags/WT301/Value").Status)
	require.Equal(t, "BAD", p.text("Tags/WT301/Quality"))
	require.Equal(t, reduced(b.rows, 20).mappingDigest, p.text("Window/MappingDigest"))
	p.level(1, 12345, tag.Good)
	p.later(0)
	v := p.get("Tags/WT301/Value")
	require.InDelta(t, 123.45, math.Float64frombits(v.Bits), 0)
	require.Equal(t, [...]any{fieldbus.StatusGood, p.at, p.at}, [...]any{v.Status, v.Source, v.Server.UTC()})
	require.Equal(t, "123.45 kg", p.text("Tags/WT301/Text"))
	require.Equal(t, "GOOD", p.text("Tags/WT301/Quality"))
	require.Equal(t, 1, p.Status().Good)
	p.later(4 * time.Second)
	require.Equal(t, fieldbus.StatusGood, p.get("Tags/WT301/Value").Status)
	p.later(time.Second)
	v = p.get("Tags/WT301/Value")
	require.Equal(t, fieldbus.StatusLastUsable, v.Status, "2 s by its map, and 2.5 s on the way here")
	require.InDelta(t, 123.45, math.Float64frombits(v.Bits), 0)
	require.Equal(t, "STALE", p.text("Tags/WT301/Quality"))
	require.Equal(t, "0x40900000", p.text("Tags/WT301/OpcUaStatus"))
	p.level(2, 1, tag.Bad)
	p.later(0)
	require.Equal(t, statusBad, p.get("Tags/WT301/Value").Status)
	require.Equal(t, "BAD", p.text("Tags/WT301/Quality"))
	p.level(3, 1, tag.Good)
	p.later(0)
	require.Equal(t, "0.01 kg", p.text("Tags/WT301/Text"))
}

func TestOnlyTheLastBatchesThatHaveEndedStay(t *testing.T) {
	b := newBook(t)
	b.to(len(b.rows))
	for _, name := range []string{"B-0002", "B-0003"} {
		require.NoError(t, os.CopyFS(filepath.Join(b.out, name), os.DirFS(filepath.Join(b.out, "B-0001"))))
	}
	p := newPane(t, b.out, &Options{Finished: 2})
	p.later(time.Second)
	require.Equal(t, []string{"B-0002", "B-0003"}, p.tree.beneath(folderBatches))
	require.Zero(t, p.Status().Events, "they are old")
}

func TestAMapThatIsNotThereIsSaid(t *testing.T) {
	b := newBook(t)
	b.to(20)
	require.NoError(t, os.Remove(filepath.Join(b.out, "B-0001", "files", "map.yaml")))
	p := newPane(t, b.out, nil)
	p.later(time.Second)
	require.Contains(t, p.text("Window/Fault"), "no file there has the digest")
	require.Empty(t, p.tree.beneath(folderTags))
}

func TestAValueIsNotReadByTheMapOfAnotherBatch(t *testing.T) {
	b := newBook(t)
	b.to(20)
	p := newPane(t, b.out, nil)
	p.level(1, 12345, tag.Good)
	p.later(time.Second)
	require.Equal(t, "GOOD", p.text("Tags/WT301/Quality"))
	s := p.feed.sources["B-0001"]
	digest := s.state.mappingDigest
	for _, other := range []string{"", "00"} { // the next batch is bound to a map that is not there, or nobody knows yet to which
		s.state.mappingDigest = other
		p.later(100 * time.Millisecond)
		require.Equal(t, server.Value{Null: true, Status: statusMap, Source: noon, Server: noon}, p.get("Tags/WT301/Value"))
		require.Equal(t, "BAD", p.text("Tags/WT301/Quality"))
		require.Zero(t, p.Status().Good)
	}
	p.later(retryAfter)
	require.Contains(t, p.text("Window/Fault"), "no file there has the digest")
	s.state.mappingDigest = digest
	p.later(100 * time.Millisecond)
	require.Equal(t, "GOOD", p.text("Tags/WT301/Quality"))
	require.Empty(t, p.text("Window/Fault"), "it is in use again")
}

func TestAWindowThatIsHeldUpDoubtsWhatItShows(t *testing.T) {
	b := newBook(t)
	b.to(20)
	synctest.Test(t, func(t *testing.T) {
		w, err := New(server.NewSpace("urn:test:scada"), b.out, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		held, done := make(chan struct{}), make(chan struct{})
		tell := w.feed.tell
		var stop bool
		w.feed.tell = func(s *source, r *record.Record, hash string) {
			if tell(s, r, hash); stop {
				<-held
			}
		}
		go func() { defer close(done); _ = w.Run(ctx) }()
		get := func(path string) server.Value {
			synctest.Wait()
			w.showing.Lock()
			defer w.showing.Unlock()
			return w.space.Get(w.tree.nodes[path])
		}
		b.to(21)
		time.Sleep(time.Second)
		w.samples.take([]trend.Sample{{Seq: 1, Channel: "ai/5", Form: tag.Int, Bits: 12345, Quality: tag.Good, Mono: 1, UTC: time.Now().UnixNano()}})
		b.to(22)
		time.Sleep(time.Second)
		require.Equal(t, "GOOD", get("Tags/WT301/Quality").Text)
		require.Equal(t, fieldbus.StatusGood, get("Batches/B-0001/State").Status)
		stop = true
		b.to(23)
		time.Sleep(10 * time.Second) // a disk that does not answer, for example
		require.Equal(t, fieldbus.StatusLastUsable, get("Tags/WT301/Value").Status)
		require.Equal(t, "STALE", get("Tags/WT301/Quality").Text)
		require.Equal(t, "0x40900000", get("Tags/WT301/OpcUaStatus").Text)
		require.Equal(t, fieldbus.StatusLastUsable, get("Batches/B-0001/State").Status)
		stop = false
		close(held)
		b.to(24)
		time.Sleep(time.Second)
		require.Equal(t, fieldbus.StatusGood, get("Batches/B-0001/State").Status)
		cancel()
		<-done
	})
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, o := range []Options{{Finished: -1}, {Finished: MaxFinished + 1}, {Batches: MaxBatches + 1}, {Poll: time.Millisecond}, {Silence: -1}} {
		_, err := New(server.NewSpace("urn:test:scada"), t.TempDir(), &o)
		require.ErrorContains(t, err, "scada: Finished")
	}
}

func TestAWindowRunsUntilItsContextEnds(t *testing.T) {
	b := newBook(t)
	b.to(20)
	w, err := New(server.NewSpace("urn:test:scada"), b.out, &Options{Poll: leastPoll})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	require.Eventually(t, func() bool { return w.Status().Batches == 1 }, 20*time.Second, 5*time.Millisecond)
	b.to(30)
	require.Eventually(t, func() bool { return w.Status().Records == 30 }, 20*time.Second, 5*time.Millisecond)
	require.Positive(t, w.Status().Events)
	cancel()
	require.NoError(t, <-done)
}
