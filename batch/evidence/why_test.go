// Tests of why: each kind of wait, causes back to inputs, and packages that mean no good.

package evidence

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
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
	r.seconds(5)
	r.seal()
	require.NoError(t, r.w.Commit())
	steps := []any{"LEVEL", "EMPTY", "SHUT", "GONE", "STEADY", "CLOCK", "REST", "BAND", "DOSE", "VALVE", "MEET", "TAKE", "LATE", "FIRST",
		"SECOND.uses", "THIRD.uses", "ASKED", "MILLED", "GATED.entry", "ROUTE.select", "AGAIN.until", "GATED", "LAST", "ALL"}
	golden.Check(t, "testdata/why_waits.golden", told(t, r.dir, steps...))
	require.NoError(t, r.w.Close())
}

func TestARecordIsLedBackToItsInputs(t *testing.T) {
	r := newRow(t)
	r.seconds(5)
	r.step(batch.Event{Kind: batch.Answered, ID: r.ask, Value: "lot 7", Operator: "o.night", Role: "operator"})
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
		at(`"event_type":"output_fault"`), at(`"event_type":"batch_state"`), command, uint64(1), uint64(9), "LEVEL"))
}
