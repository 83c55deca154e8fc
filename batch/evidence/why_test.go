// Tests of why: each kind of wait, causes back to inputs, and packages that mean no good.

package evidence

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// row drives the batch of testdata/waits: a value of every tag comes every second, twice that of the counter. The second valve never
// answers.
type row struct {
	*run
	dir   string
	level uint64 // tenths of a litre
	heat  uint64 // tenths of a degree
	shut  uint64
	count uint64
}

func newRow(t *testing.T) *row {
	t.Helper()
	plan, err := batch.Load(os.DirFS("testdata/waits"), "recipe.yaml", "map.yaml",
		&batch.LoadOptions{Actions: []recipe.ActionType{{Name: "mill", Version: 1}}})
	require.NoError(t, err)
	b, err := plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Operator: "o.shift", JournalID: "J-1", Seed: 42})
	require.NoError(t, err)
	r := &row{dir: t.TempDir(), level: 98, heat: 201}
	r.run = begin(t, r.dir, b)
	r.mute = "do/2"
	r.seconds(2) // outputs were read back
	r.tell(sequencer.Start)
	return r
}

// seconds brings values for some seconds.
func (r *row) seconds(n int) {
	for end := r.now + int64(n)*1000*ms; r.now < end; {
		from := r.now
		for i, bits := range []uint64{r.wires["do/1"], r.wires["do/2"], r.level, r.heat, r.shut, 0, r.count} {
			m := &r.b.Plan.Map.Tags[i]
			if m.Name != "LOST" || r.now < 2000*ms {
				r.step(batch.Event{Kind: batch.Sample, Tag: tag.ID(i), Form: m.Form, Bits: bits, Quality: tag.Good})
			}
		}
		r.until(from + 400*ms)
		r.step(batch.Event{Kind: batch.Sample, Tag: 6, Form: tag.Int, Bits: r.count, Quality: tag.Good})
		r.until(from + 800*ms)
		r.step(batch.Event{Kind: batch.Sample, Tag: 6, Form: tag.Int, Bits: r.count, Quality: tag.Good})
		r.until(from + 1000*ms)
	}
}

// told explains steps and records, parted by a line.
func told(t *testing.T, dir string, what ...any) []byte {
	t.Helper()
	var text strings.Builder
	for _, w := range what {
		var r *Reason
		var err error
		if seq, ok := w.(uint64); ok {
			r, err = Why(dir, seq)
		} else {
			r, err = WhyStep(dir, w.(string))
		}
		require.NoError(t, err, "%v", w)
		fmt.Fprintf(&text, "--- why %v\n%s\n", w, r)
	}
	return []byte(text.String())
}

// find returns the last record that all words stand in.
func find(t *testing.T, dir string, words ...string) (seq uint64) {
	t.Helper()
	q := &inquiry{v: &verifier{dir: dir}, index: newIndex()}
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	q.v.root = root
	require.NoError(t, q.open())
	_, err = q.read(func(n uint64, body []byte) error {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(string(body), w) }) {
			seq = n
		}
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, seq, "%v", words)
	return seq
}

func TestAStepSaysWhatItWaitsForWhateverThatIs(t *testing.T) {
	r := newRow(t)
	r.seconds(4)
	r.step(batch.Event{Kind: batch.ResourceQueue, ID: r.request, Place: 2, Owner: "B-7/LIFT", Since: created})
	r.seconds(1)
	r.seal()
	require.NoError(t, r.w.Commit()) // it runs still
	steps := []any{"LEVEL", "EMPTY", "SHUT", "GONE", "STEADY", "CLOCK", "REST", "BAND", "DOSE", "VALVE", "MEET", "TAKE", "LATE", "FIRST",
		"SECOND.uses", "THIRD.uses", "LIFT.uses", "ASKED", "MILLED", "GATED.entry", "ROUTE.select", "AGAIN.until", "GATED", "LAST", "ALL"}
	golden.Check(t, "testdata/why_waits.golden", told(t, r.dir, steps...))
	require.NoError(t, r.w.Close())
}

func TestARecordIsLedBackToItsInputs(t *testing.T) {
	r := newRow(t)
	r.seconds(5)
	r.step(batch.Event{Kind: batch.Answered, ID: r.ask, Value: "lot 7", Operator: "o.night", Role: "operator"})
	r.step(batch.Event{Kind: batch.ResourceGranted, ID: r.request, Token: 7})
	r.level, r.shut = 412, 1
	r.seconds(2)
	r.seconds(31) // delays end, and what is to be stable is
	r.step(batch.Event{Kind: batch.Done, ID: r.unanswered, Detail: "no answer"})
	r.seconds(2)
	r.tell(sequencer.Hold)
	r.seconds(13)
	r.end()
	at := func(words ...string) any { return find(t, r.dir, words...) }
	command := at(`"event_type":"command"`, `"command":"hold"`)
	golden.Check(t, "testdata/why_records.golden", told(t, r.dir,
		at(`"event_type":"action_state"`, `"action_id":"LEVEL/1"`, `"action_state":"start"`),
		at(`"event_type":"action_state"`, `"action_id":"LEVEL/1"`, `"action_state":"end"`),
		at(`"event_type":"action_state"`, `"action_id":"BAND/1"`, `"action_state":"end"`),
		at(`"event_type":"action_state"`, `"action_id":"SECOND.uses/1"`, `"action_state":"start"`),
		at(`"event_type":"action_state"`, `"action_id":"SECOND.uses/1"`, `"action_state":"end"`),
		at(`"event_type":"action_state"`, `"action_id":"MEET/1"`, `"action_state":"end"`),
		at(`"event_type":"action_state"`, `"action_id":"TAKE/1"`, `"action_state":"end"`),
		at(`"event_type":"action_state"`, `"action_id":"ASKED/1"`, `"action_state":"end"`),
		at(`"event_type":"quality_change"`, `"logical_tag":"LOST"`),
		at(`"event_type":"action_state"`, `"action_id":"LIFT.uses/1"`, `"action_state":"end"`),
		at(`"event_type":"output_fault"`), at(`"event_type":"batch_state"`), command, uint64(1), uint64(2), uint64(5),
		at(`"event_type":"time_observed"`), uint64(9), "LEVEL"))
}

func TestATimeOutSaysWhatHadNotCome(t *testing.T) {
	r := newRow(t)
	r.seconds(121)
	r.end()
	timeout := find(t, r.dir, `"event_type":"timeout"`, `"step_id":"LEVEL"`)
	held := find(t, r.dir, `"event_type":"step_state"`, `"step_id":"EMPTY"`, `"phase_state":"Holding"`)
	_, err := Pack(r.dir, r.b)
	require.NoError(t, err)
	golden.Check(t, "testdata/why_timeout.golden", told(t, r.dir, timeout, held))
}

func TestABatchThatWentOnAfterItWasPackedIsReadFromItsJournal(t *testing.T) {
	r := newRow(t)
	r.seconds(3)
	r.end()
	_, err := Pack(r.dir, r.b)
	require.NoError(t, err)
	r.w, _, err = journal.Open(filepath.Join(r.dir, journalDir), journal.Header{JournalID: r.b.JournalID}, nil)
	require.NoError(t, err)
	r.now = 7 * ms // monotonic time begins anew
	r.done = nil
	r.step(batch.Event{Kind: batch.Boot, Epoch: r.w.Header().Epoch, Recovery: "TORN_TAIL", LossMS: 1000, Readback: []batch.Reading{
		{Tag: 0, Form: tag.Bool, Bits: 1, Quality: tag.Good}, {Tag: 1, Form: tag.Bool, Quality: tag.Good}}})
	r.seconds(2)
	r.end()
	boot := find(t, r.dir, `"event_type":"recovery_event"`)
	held := find(t, r.dir, `"event_type":"step_state"`, `"step_id":"LEVEL"`)
	text := told(t, r.dir, boot, held, "LEVEL")
	golden.Check(t, "testdata/why_continued.golden", text)
	require.NoError(t, os.RemoveAll(filepath.Join(r.dir, "files")))
	_, err = Why(r.dir, boot)
	require.ErrorContains(t, err, "has no file with the digest of")
}

func TestWhatCannotBeExplainedIsRefusedWithWhatThereIs(t *testing.T) {
	dir := packed(t, "B-0001", batch.Unapproved)
	last := uint64(len(bodies(t, slurp(t, dir, eventsName))))
	for _, seq := range []uint64{0, last + 1, 1 << 63} {
		_, err := Why(dir, seq)
		require.ErrorIs(t, err, ErrNoReason)
		require.ErrorContains(t, err, fmt.Sprintf("there are records 1 to %d", last))
	}
	_, err := WhyStep(dir, "CHARG")
	require.ErrorIs(t, err, ErrNoReason)
	require.ErrorContains(t, err, "its steps: TINY, CHARGE, TOP_UP")
	_, err = Why(t.TempDir(), 1)
	require.ErrorIs(t, err, ErrNoPackage)
	_, err = Why(filepath.Join(dir, "nowhere"), 1)
	require.ErrorIs(t, err, os.ErrNotExist)

	extract := filepath.Join(t.TempDir(), "extract")
	q, err := ParseQuery([]string{"seq=3..9"})
	require.NoError(t, err)
	_, err = Export(dir, extract, q)
	require.NoError(t, err)
	_, err = Why(extract, 5)
	require.ErrorIs(t, err, ErrChain)
	require.ErrorContains(t, err, "as in an extract")
}

func TestANoteIsNoReason(t *testing.T) {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	r.rounds(0, 6)
	r.seal()
	note := r.next
	r.append(r.m.AppendMeasures(nil, r.next, &batch.Measures{}))
	r.rounds(6, 200)
	r.end()
	_, err := Why(dir, note)
	require.ErrorIs(t, err, ErrNoReason)
	require.ErrorContains(t, err, "is a note (measures)")
	require.ErrorContains(t, err, "the decision before it is record ")
}

// count counts the records that an explanation tells of, and checks that all lead back.
func count(t *testing.T, r *Reason) (n int) {
	t.Helper()
	r.each(func(r *Reason) {
		if n++; r.Told {
			n--
		}
		require.LessOrEqual(t, len(r.Causes), maxBranches)
		require.LessOrEqual(t, len(r.Lines), maxLines+1)
		for _, c := range r.Causes {
			require.Less(t, c.Seq, r.Seq)
		}
	})
	require.Equal(t, r.String(), strings.ToValidUTF8(r.String(), "?"))
	for line := range strings.Lines(r.String()) {
		require.Equal(t, Plain(strings.TrimSuffix(line, "\n")), strings.TrimSuffix(line, "\n"))
		require.Less(t, len(line), 4*maxTold)
	}
	return n
}

func TestACauseThatIsNoRecordBeforeItIsRefused(t *testing.T) {
	whole := packed(t, "B-0001", batch.Unapproved)
	n := find(t, whole, `"event_type":"step_state"`)
	for _, c := range []uint64{0, n, n + 1, n + 1000, 1 << 62} {
		dir := forge(t, whole, func(seq uint64, body []byte) []byte {
			if seq != n {
				return body
			}
			return with("step_state", 1, "cause", []string{fmt.Sprint(c)})(seq, body)
		})
		_, err := Why(dir, 12)
		require.ErrorIs(t, err, ErrCause)
		require.ErrorContains(t, err, fmt.Sprintf("record %d names record %d", n, c))
	}
}

func TestAnExplanationIsBoundedWhateverTheRecordsName(t *testing.T) {
	whole := packed(t, "B-0001", batch.Unapproved)
	last := find(t, whole, `"event_type":"batch_end"`)
	forged := func(causes func(seq uint64) []string) string {
		return forge(t, whole, func(seq uint64, body []byte) []byte {
			if !strings.Contains(string(body), `"cause":`) {
				return body
			}
			return with("", 1, "cause", causes(seq))(seq, body)
		})
	}
	chain := forged(func(seq uint64) []string { return []string{fmt.Sprint(seq - 1)} })
	wide := forged(func(seq uint64) (all []string) {
		for c := uint64(1); c < seq; c++ {
			all = append(all, fmt.Sprint(c))
		}
		return all
	})
	same := forged(func(uint64) []string { return slices.Repeat([]string{"1"}, 5000) })
	for _, dir := range []string{chain, wide, same} {
		r, err := Why(dir, last)
		require.NoError(t, err)
		require.LessOrEqual(t, count(t, r), MaxReasons)
		require.Contains(t, r.Lines[0], "told by the records alone, which do not replay", "they are not what the engine decides")
	}
	r, err := Why(wide, last)
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Left, int(last)-1-maxBranches)
	require.Contains(t, r.String(), "it goes on: why ")
}

func TestRecordsThatMeanNoGoodAreExplainedOrRefused(t *testing.T) {
	whole := packed(t, "B-0001", batch.Unapproved)
	all := bodies(t, slurp(t, whole, eventsName))
	last := uint64(len(all))
	evil := []any{"\u202e\u2028", strings.Repeat("x", 30_000), int64(-9_007_199_254_740_991), int64(9_007_199_254_740_991), "18446744073709551615",
		[]string{strings.Repeat("y", 9000)}, "-1", []string{}}
	tried, told := 0, 0
	for i := 9; i < len(all); i += 3 {
		var keys []string
		fields("", 1, func(f map[string]any) {
			for k := range f {
				keys = append(keys, k)
			}
		})(0, all[i])
		slices.Sort(keys)
		k := keys[i%len(keys)]
		changed := with("", 1, k, evil[tried%len(evil)])(0, all[i])
		tried++
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(filepath.Join(dir, "files"), os.DirFS(filepath.Join(whole, "files"))))
		put(t, dir, eventsName, chained(slices.Concat(all[:i], [][]byte{changed}, all[i+1:])))
		for _, seq := range []uint64{uint64(i + 1), last} {
			if r, err := Why(dir, seq); err == nil {
				told++
				require.LessOrEqual(t, count(t, r), MaxReasons)
			}
		}
		if r, err := WhyStep(dir, "TOP_UP"); err == nil {
			require.LessOrEqual(t, count(t, r), MaxReasons)
		}
	}
	require.Greater(t, tried, 20)
	t.Logf("%d of %d were explained", told, 2*tried)
}
