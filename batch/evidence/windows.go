// The samples of metering windows, taken from the input records.

package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
)

// reading is the last value of a counter that was not BAD.
type reading struct {
	raw, at int64
	seen    bool
}

// window is one metering window as its records and the input records show it.
type window struct {
	id       string
	startSeq uint64
	stopSeq  uint64
	source   tag.ID
	start    *record.Record
	stop     *record.Record // nil while it is open
	weighed  weighed        // its total was held against the others
	course   course
	sum      hash.Hash // over its sample lines
	samples  uint64
	worst    tag.Quality    // worst that a quality_change says of the source while the window is open
	out      io.Writer      // takes the lines too; may be nil
	changed  recipe.Formula // that was in force when it closed; nil: that of the batch size
}

// digest is the SHA-256 of the window's lines, hex.
func (w *window) digest() string { return hex.EncodeToString(w.sum.Sum(nil)) }

// windows follows the records and takes out the samples of each window.
type windows struct {
	breach func(check string, seq uint64, format string, args ...any)
	create func(id string) (io.Writer, error) // where the lines of a window go; may be nil
	m      *iomap.Map                         // nil until the mapping is bound
	last   []reading                          // by tag
	byName map[string]*window
	all    []*window // in the order in which they opened
	open   []*window
	line   []byte
	err    error // of writing lines

	timedOut bool // something was aborted because a step ran out of time
}

func (ws *windows) add(n uint64, rec *record.Record) {
	if ws.m == nil {
		return
	}
	if rec.Kind == record.KindTimeout && (rec.Text(record.Result) == "abort" || rec.Text(record.Result) == "hard_abort") {
		ws.timedOut = true
	}
	for _, w := range ws.open {
		w.course.passes(rec, rec.Kind == record.KindQualityChange && rec.Text(record.LogicalTag) == ws.m.Tags[w.source].Name)
	}
	switch rec.Kind {
	case record.KindInputBlock:
		if err := unpack(rec, len(ws.m.Tags), ws.sample); err != nil {
			ws.breach("records", n, "%v", err)
		}
	case record.KindBoot, record.KindRecovery:
		ws.boot(rec)
	case record.KindWindowStart:
		ws.begin(n, rec)
	case record.KindQualityChange:
		id, _ := ws.m.Lookup(rec.Text(record.LogicalTag))
		for _, w := range ws.open {
			if w.source == id {
				w.worst = min(w.worst, parseQuality(rec.Text(record.Quality)))
			}
		}
	case record.KindWindowStop:
		ws.end(n, rec)
	}
}

// boot takes in what was read at a boot: readings of before it are in force no longer, and those of now are samples like others.
func (ws *windows) boot(rec *record.Record) {
	clear(ws.last)
	for _, words := range rec.Texts(record.Readback) {
		if r, ok := batch.ReadReading(ws.m, words); ok {
			ev := batch.Event{Kind: batch.Sample, Tag: r.Tag, Form: r.Form, Bits: r.Bits, Quality: r.Quality}
			_ = ws.sample(int64(rec.Count(record.TsMonoNS)), &ev) // its error is kept in ws.err
		}
	}
}

// sample takes in one value as the I/O map does. A value that is older than the tag allows, or not of its form, is not GOOD.
func (ws *windows) sample(at int64, ev *batch.Event) error {
	t := &ws.m.Tags[ev.Tag]
	if ev.Kind != batch.Sample || t.Type != iomap.Counter {
		return nil
	}
	rawAt := at - ev.AgeMS*1_000_000
	age := min(max(ev.AgeMS, 0), at/1_000_000+1)
	inForce := max(at-age*1_000_000, 1)
	q := tag.Good
	switch {
	case ev.Quality != tag.Good || ev.Form != t.Form:
		q = tag.Bad
	case t.StaleAfter > 0 && at-inForce > t.StaleAfter:
		q = tag.Stale
	}
	if q != tag.Bad {
		ws.last[ev.Tag] = reading{int64(ev.Bits), inForce, true}
	}
	for _, w := range ws.open {
		if w.source == ev.Tag {
			ws.write(w, rawAt, int64(ev.Bits), q)
		}
	}
	return ws.err
}

func (ws *windows) write(w *window, at, raw int64, q tag.Quality) {
	w.samples++
	ws.line = metering.AppendSample(ws.line[:0], at, raw, q)
	w.sum.Write(ws.line)
	if w.out != nil && ws.err == nil {
		_, ws.err = w.out.Write(ws.line)
	}
}

func (ws *windows) begin(n uint64, rec *record.Record) {
	w := &window{id: rec.Text(record.MeterWindowID), startSeq: n, start: rec, sum: sha256.New(), worst: tag.Good}
	var ok bool
	w.source, ok = ws.m.Lookup(rec.Text(record.LogicalTag))
	switch {
	case !isName(w.id):
		ws.breach("samples", n, "%.80q is no name of a window", w.id)
		return
	case ws.byName[w.id] != nil:
		ws.breach("samples", n, "window %s is opened twice; the first time in record %d", w.id, ws.byName[w.id].startSeq)
		return
	case len(ws.all) == maxWindows:
		ws.breach("samples", n, "there are more than %d windows", maxWindows)
		return
	case !ok || ws.m.Tags[w.source].Type != iomap.Counter || !ws.last[w.source].seen:
		ws.breach("samples", n, "the source of window %s, %.64q, is no counter that has been read", w.id, rec.Text(record.LogicalTag))
		return
	}
	if ws.create != nil && ws.err == nil {
		w.out, ws.err = ws.create(w.id)
	}
	if raw := ws.last[w.source].raw; rec.Text(record.RawState) != strconv.FormatUint(uint64(raw), 10) {
		ws.breach("samples", n, "raw_state of window %s is %s, the reading in force is %d", w.id, rec.Text(record.RawState), raw)
	}
	ws.byName[w.id] = w
	ws.all = append(ws.all, w)
	ws.open = append(ws.open, w)
	ws.write(w, ws.last[w.source].at, ws.last[w.source].raw, tag.Good)
}

func (ws *windows) end(n uint64, rec *record.Record) {
	id := rec.Text(record.MeterWindowID)
	for i, w := range ws.open {
		if w.id == id {
			w.stop, w.stopSeq, w.course.timedOut = rec, n, ws.timedOut
			ws.open = append(ws.open[:i], ws.open[i+1:]...)
			return
		}
	}
	ws.breach("samples", n, "window %.64q is closed and was not open", id)
}

// closed returns the windows that have been closed, in the order in which they opened.
func (ws *windows) closed() (out []*window) {
	for _, w := range ws.all {
		if w.stop != nil {
			out = append(out, w)
		}
	}
	return out
}

// unpack calls fn for the events of an input_block record.
func unpack(rec *record.Record, tags int, fn func(at int64, ev *batch.Event) error) error {
	data, err := base64.StdEncoding.DecodeString(rec.Text(record.BlockData))
	if err != nil {
		return fmt.Errorf("its block is no base64: %w", err)
	}
	n := int64(0)
	err = batch.Unpack(rec.Int(record.BlockForm), data, int64(rec.Count(record.FirstMonoNS)), tags, func(at int64, ev *batch.Event) error {
		n++
		return fn(at, ev)
	})
	if err == nil && n != rec.Int(record.BlockEvents) {
		err = fmt.Errorf("its block holds %d events, block_events is %s", n, rec.Text(record.BlockEvents))
	}
	return err
}

func parseQuality(s string) tag.Quality {
	for q := tag.Good; q > tag.Bad; q-- {
		if q.String() == s {
			return q
		}
	}
	return tag.Bad
}

// isName tells whether s can name a window in recipes, and so a file: letters, digits, '_', '.' and '-', the first a letter or
// digit, at most 64 of them.
func isName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}
