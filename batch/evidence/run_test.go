// A run for the tests: a small driver that feeds a machine with a scripted plant and writes the journal.

package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

const ms = int64(1_000_000)

// created is the UTC at which the batches of these tests are created, 2026-01-01.
const created = 1_767_225_600_000_000_000

// approved is a Release that approves of everything.
type approved struct{}

func (approved) Approved(kind, _, _, _ string) (batch.Approval, error) {
	return batch.Approval{ID: "AP-" + kind, By: "qa.lead", EffectiveFrom: 1_700_000_000_000_000_000, Expiry: 1_900_000_000_000_000_000}, nil
}

func tinyBatch(t require.TestingT, id string, rel batch.Release) *batch.Batch {
	return bound(t, os.DirFS("testdata/plan"), id, rel)
}

// bound binds the recipe of a file system that is laid out as testdata/plan.
func bound(t require.TestingT, plan fs.FS, id string, rel batch.Release) *batch.Batch {
	p, err := batch.Load(plan, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := p.Bind(id, "", rel, &batch.BindOptions{Operator: "o.shift", JournalID: "J-" + id, Seed: 42})
	require.NoError(t, err)
	return b
}

// run drives one batch. The plant is a valve that confirms after 20 ms, and a counter of 16 bits that is about to roll over.
type run struct {
	t          require.TestingT
	b          *batch.Batch
	m          *batch.Machine
	w          *journal.Writer
	blk        *batch.Block
	next       uint64
	now        int64
	pulses     uint64
	open       bool
	deaf       bool   // the valve never answers
	mute       string // channel that never answers
	wires      map[string]uint64
	unanswered uint32        // write to it
	done       []batch.Event // writes under way, ev.At their time
	ask        uint32
	request    uint32 // that an arbiter was asked
	fx         []batch.Effect
}

// begin makes the directory of a run with its files and the records that stand at the head of every journal.
func begin(t require.TestingT, dir string, b *batch.Batch) *run {
	require.NoError(t, WriteFiles(dir, b))
	w, err := journal.Create(filepath.Join(dir, journalDir), journal.Header{JournalID: b.JournalID}, &journal.Options{Segment: 72 << 10})
	require.NoError(t, err)
	r := &run{t: t, b: b, m: b.Start(), w: w, blk: batch.NewBlock(len(b.Plan.Map.Tags)), next: 1, now: 1, pulses: 65_520}
	epoch, seen := w.Header().Epoch, timebase.Observation{Mono: 1, UTC: created, Sync: timebase.NTPSync, Source: "ntp", Bound: 5 * ms}
	r.step(batch.Event{Kind: batch.Created, Epoch: epoch, Observation: seen})
	for i := range b.Plan.Files {
		r.step(batch.Event{Kind: batch.Bound, File: i})
	}
	for i := range b.Plan.Actions {
		r.step(batch.Event{Kind: batch.Declared, File: i})
	}
	r.step(batch.Event{Kind: batch.Boot, Epoch: epoch, Observation: seen, Readback: []batch.Reading{{Form: tag.Bool, Quality: tag.Good}}})
	r.step(batch.Event{Kind: batch.Observed, Observation: seen})
	return r
}

// step records an event, lets the machine decide, and records what it decides.
func (r *run) step(ev batch.Event) {
	if r.m.Ended() {
		return
	}
	if ev.Kind.Packed() {
		r.blk.Add(r.now, &ev)
		ev.Seq = r.next
	} else {
		r.seal()
		ev.Seq = r.next
		r.append(r.m.AppendInput(nil, r.now, &ev))
	}
	r.fx = r.m.Step(r.now, &ev, r.fx[:0])
	if len(r.fx) > 0 {
		r.seal()
	}
	for i := range r.fx {
		switch e := &r.fx[i]; e.Kind {
		case batch.Record:
			r.append(e.Body, nil)
		case batch.Write:
			r.open = e.Write.Bits == 1
			if !r.deaf && e.Write.Channel != r.mute {
				if r.wires == nil {
					r.wires = map[string]uint64{}
				}
				r.wires[e.Write.Channel] = e.Write.Bits
				r.done = append(r.done, batch.Event{Kind: batch.Done, ID: e.Write.ID, OK: true, At: r.now + 20*ms})
			}
			if e.Write.Channel == r.mute {
				r.unanswered = e.Write.ID
			}
		case batch.Ask:
			r.ask = e.ID
		case batch.RequestResource:
			r.request = e.ID
		}
	}
	if r.blk.Full() {
		r.seal()
	}
}

func (r *run) append(body []byte, err error) {
	require.NoError(r.t, err)
	require.NoError(r.t, r.w.Append(r.next, body))
	if r.next++; r.w.Room() < 512<<10 {
		require.NoError(r.t, r.w.Commit())
	}
}

func (r *run) seal() {
	if r.blk.Events > 0 {
		r.append(r.m.AppendBlock(nil, r.next, r.blk))
		r.blk.Reset()
	}
}

// until moves time to at and takes what is due before: ticks, and answers of the valve.
func (r *run) until(at int64) {
	for {
		due := r.m.Wake()
		if len(r.done) > 0 && r.done[0].At <= at && r.done[0].At < due {
			ev := r.done[0]
			r.done = slices.Delete(r.done, 0, 1)
			r.now = max(r.now, ev.At)
			r.step(ev)
			continue
		}
		if due > at || due == timebase.Never || r.m.Ended() {
			break
		}
		r.now = max(r.now, due)
		r.step(batch.Event{Kind: batch.Tick})
	}
	r.now = max(r.now, at)
}

// sample brings one value of a tag of testdata/plan/map.yaml, by its number there.
func (r *run) sample(id tag.ID, bits uint64, q tag.Quality, age int64) {
	form := tag.Int
	if id < 2 {
		form = tag.Bool
	}
	r.step(batch.Event{Kind: batch.Sample, Tag: id, Form: form, Bits: bits, Quality: q, AgeMS: age})
}

// tell gives a command to the whole batch.
func (r *run) tell(c sequencer.Command) {
	r.step(batch.Event{Kind: batch.Told, Command: c, Operator: "o.shift", Role: "operator", Reason: "scripted <&>"})
}

// round brings a round of values after 100 ms, and while the valve is open some pulses; odd rounds come late.
func (r *run) round(n int) {
	r.until(r.now + 100*ms)
	if r.open {
		r.pulses += 4
	}
	r.sample(1, 1, tag.Good, 0)
	r.sample(2, r.pulses%65536, tag.Good, int64(n%2)*7)
	r.sample(3, r.pulses/3*10, tag.Good, 0)
}

// rounds runs the batch for a number of rounds, or to its end. In the second window the counter is silent for so long that it
// is stale, and disowns a value after that; each time the batch is held and restarted.
func (r *run) rounds(from, to int) {
	for n := from; n < to && !r.m.Ended(); n++ {
		r.round(n)
		switch {
		case n == 0:
			r.tell(sequencer.Start)
		case r.ask != 0:
			r.step(batch.Event{Kind: batch.Answered, ID: r.ask, Value: "yes", Operator: "o.night", Role: "operator"})
			r.ask = 0
			r.round(1)
			r.until(r.now + 900*ms)
		case n == 12:
			r.sample(2, 5, tag.Bad, 0)
		}
		if r.m.State() == sequencer.Held {
			r.tell(sequencer.Restart)
		}
	}
}

// end closes the journal in good order.
func (r *run) end() {
	r.seal()
	require.NoError(r.t, r.w.Close())
}

// wholeRun leaves the directory of a batch that has ended, not yet packed.
func wholeRun(t require.TestingT, dir string, b *batch.Batch) {
	r := begin(t, dir, b)
	r.rounds(0, 200)
	require.True(t, r.m.Ended(), "the scripted batch is %s", r.m.State())
	r.end()
}

// packed makes a package of a batch that has ended.
func packed(t testing.TB, id string, rel batch.Release) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b := tinyBatch(t, id, rel)
	wholeRun(t, dir, b)
	_, err := Pack(dir, b)
	require.NoError(t, err)
	return dir
}

// clone copies a package, so that it can be touched.
func clone(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// slurp reads a file of a package.
func slurp(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

// put writes a file of a package.
func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o640))
}

// resum makes SHA256SUMS anew, as a forger would.
func resum(t testing.TB, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	tree, err := list(root)
	require.NoError(t, err)
	put(t, dir, sumsName, tree.sums())
}

// bodies gives the bodies of an events file.
func bodies(t testing.TB, events []byte) (out [][]byte) {
	t.Helper()
	_, err := readChain(bytes.NewReader(events), func(_ uint64, body []byte) error {
		out = append(out, bytes.Clone(body))
		return nil
	})
	require.NoError(t, err)
	return out
}

// chained makes an events file of bodies.
func chained(all [][]byte) (events []byte) {
	var c journal.Chain
	for _, body := range all {
		c.Add(body)
		events = appendLine(events, c.N, journal.Leaf(body), c.Link, body)
	}
	return events
}

// forge rewrites a package without its journal: bodies are edited, everything is hashed again, and the manifest is made anew.
func forge(t testing.TB, dir string, edit func(n uint64, body []byte) []byte) string {
	t.Helper()
	dir = clone(t, dir)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
	all := bodies(t, slurp(t, dir, eventsName))
	for i := range all {
		all[i] = edit(uint64(i)+1, all[i])
	}
	put(t, dir, eventsName, chained(all))
	rederive(t, dir)
	v, err := openPackage(dir)
	require.NoError(t, err)
	defer v.root.Close()
	require.NoError(t, v.checkRecords())
	m, err := v.recs.manifest(v.head, "CLEAN").encode()
	require.NoError(t, err)
	put(t, dir, manifestName, m)
	resum(t, dir)
	return dir
}

// rederive makes derived/ anew from events.tsv, as a forger would.
func rederive(t testing.TB, dir string) {
	t.Helper()
	var csv, jsonl bytes.Buffer
	d, err := newDeriver(&csv, &jsonl)
	require.NoError(t, err)
	lines, prev := newLineReader(bytes.NewReader(slurp(t, dir, eventsName))), journal.Hash{}
	for {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		rec, _ := record.Parse(ln.body)
		require.NoError(t, d.row(strconv.FormatUint(ln.seq, 10), prev, ln.link, rec))
		prev = ln.link
	}
	put(t, dir, csvName, csv.Bytes())
	put(t, dir, jsonlName, jsonl.Bytes())
}

// fields edits the fields of the nth record of a kind, from 1; of every record where kind is "". Values are strings, numbers,
// truth values and lists, as JSON has them.
func fields(kind string, nth int, edit func(f map[string]any)) func(uint64, []byte) []byte {
	return func(_ uint64, body []byte) []byte {
		if kind != "" && !bytes.Contains(body, []byte(`"event_type":"`+kind+`"`)) {
			return body
		}
		if nth--; kind != "" && nth != 0 {
			return body
		}
		f := map[string]any{}
		in := json.NewDecoder(bytes.NewReader(body))
		in.UseNumber()
		if in.Decode(&f) != nil {
			panic("a record is no JSON")
		}
		edit(f)
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		if e.Encode(f) != nil {
			panic("a record cannot be written")
		}
		return bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
	}
}

// with sets one field of a record; nil takes it away.
func with(kind string, nth int, key string, value any) func(uint64, []byte) []byte {
	return fields(kind, nth, func(f map[string]any) {
		if f[key] = value; value == nil {
			delete(f, key)
		}
	})
}

// both makes two edits, one after the other.
func both(a, b func(uint64, []byte) []byte) func(uint64, []byte) []byte {
	return func(n uint64, body []byte) []byte { return b(n, a(n, body)) }
}

// replaced edits the records of one kind: the nth of them, from 1.
func replaced(kind string, nth int, old, with string) func(uint64, []byte) []byte {
	return func(_ uint64, body []byte) []byte {
		if !bytes.Contains(body, []byte(`"event_type":"`+kind+`"`)) {
			return body
		}
		if nth--; nth != 0 {
			return body
		}
		return bytes.Replace(body, []byte(old), []byte(with), 1)
	}
}
