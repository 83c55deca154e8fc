// Metering windows, taken from the input records: the lines of their samples, and what stood beside them.

package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/big"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
)

// reading is the last value of a tag that was not BAD.
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
	out      io.Writer      // takes the lines too; may be nil
	changed  recipe.Formula // that was in force when it closed; nil: that of the batch size
	jogged   uint64         // record of the first write of its first jog; 0: none
	settled  uint64         // samples before that
	rushed   bool           // something flowed then
	learnt   *record.Record // in_flight; nil before it

	g         *gauge
	t         *tally
	due       []due             // what records must still tell
	times     map[string]uint64 // by window_event: how often
	steps     int64
	held      bool
	heldAt    int64
	heldTime  big.Int
	device    big.Int // counts of the device's own total
	devWorst  tag.Quality
	other     big.Int // counts of the second counter
	differs   bool
	doubt     bool // what its lines do not tell speaks against it
	flowStart bool
	flowEnd   bool
}

// digest is the SHA-256 of the window's lines, hex.
func (w *window) digest() string { return hex.EncodeToString(w.sum.Sum(nil)) }

// quality is what a window is to be believed.
func (w *window) quality(t *tally) tag.Quality {
	if w.doubt {
		return tag.Bad
	}
	return t.quality()
}

// windows follows the records and takes out the samples of each window.
type windows struct {
	breach func(check string, seq uint64, format string, args ...any)
	create func(id string) (io.Writer, error) // where the lines of a window go; may be nil
	meters func() []*gauge                    // once the batch is bound
	m      *iomap.Map                         // nil until the mapping is bound
	last   []reading                          // by tag
	gauges []*gauge
	bound  bool // gauges are known
	byName map[string]*window
	all    []*window // in the order in which they opened
	open   []*window
	now    int64  // when a meter was last told something
	booted uint64 // number of the last boot
	waited uint64 // number of the last record of a wait for a total that ended
	line   []byte
	err    error // of writing lines

	timedOut bool // something was aborted because a step ran out of time
}

func (ws *windows) add(n uint64, rec *record.Record) {
	if ws.m == nil {
		return
	}
	if !ws.bound && rec.Kind != record.KindObjectBound && rec.Kind != record.KindActionDeclared {
		ws.gauges, ws.bound = ws.meters(), true
	}
	if rec.Kind == record.KindTimeout && (rec.Text(record.Result) == "abort" || rec.Text(record.Result) == "hard_abort") {
		ws.timedOut = true
	}
	for _, w := range ws.open {
		w.course.passes(rec, w.id)
	}
	at := int64(rec.Count(record.TsMonoNS))
	switch rec.Kind {
	case record.KindInputBlock:
		if err := unpack(rec, len(ws.m.Tags), ws.sample); err != nil {
			ws.breach("records", n, "%v", err)
		}
	case record.KindBoot, record.KindRecovery:
		ws.booted = n
		ws.boot(at, rec)
	case record.KindWindowStart:
		ws.begin(n, at, rec)
	case record.KindQualityChange:
		if ws.booted != 0 && parseQuality(rec.Text(record.Quality)) == tag.Stale && slices.Contains(rec.Counts(record.Cause), ws.booted) {
			return // the epoch that began has told it, and what was read then came after that
		}
		id, ok := ws.m.Lookup(rec.Text(record.LogicalTag))
		for _, g := range ws.gauges {
			for r := range g.tags {
				if ok && g.tags[r] == id {
					ws.heard(g, role(r), at, at, 0, parseQuality(rec.Text(record.Quality)), false)
				}
			}
		}
	case record.KindClockStep:
		ws.stepped(at, rec)
	case record.KindStepState:
		ws.paused(at, rec)
	case record.KindActionState:
		if rec.Text(record.ActionState) == "end" && rec.Text(record.Command) == recipe.WaitTotal.String() {
			ws.waited = n
		}
	case record.KindWindowEvent:
		ws.event(n, at, rec)
	case record.KindWindowStop:
		ws.end(n, at, rec)
	}
}

// boot takes in what was read at a boot: readings of before it are in force no longer, and those of now are samples like others.
func (ws *windows) boot(at int64, rec *record.Record) {
	clear(ws.last)
	was := ws.now
	ws.now = at
	for _, g := range ws.gauges {
		g.cut()
		ws.settle(g, at)
	}
	for _, w := range ws.open {
		if w.held {
			w.heldTime.Add(&w.heldTime, big.NewInt(max(0, was-w.heldAt)))
			w.heldAt = at
		}
		ws.write(w, at, 0, wordCut)
	}
	for _, words := range rec.Texts(record.Readback) {
		if r, ok := batch.ReadReading(ws.m, words); ok {
			ev := batch.Event{Kind: batch.Sample, Tag: r.Tag, Form: r.Form, Bits: r.Bits, Quality: r.Quality}
			_ = ws.sample(at, &ev) // its error is kept in ws.err
		}
	}
}

// sample takes in one value as the I/O map does. A value that is older than the tag allows, or not of its form, is not GOOD.
func (ws *windows) sample(at int64, ev *batch.Event) error {
	t := &ws.m.Tags[ev.Tag]
	if ev.Kind != batch.Sample || t.Type == iomap.Switch {
		return nil
	}
	rawAt := at - ev.AgeMS*1_000_000
	age := min(max(ev.AgeMS, 0), at/1_000_000+1)
	inForce := max(at-age*1_000_000, 1)
	v, ok := scaled(t, ev.Form, ev.Bits)
	q := tag.Good
	switch {
	case ev.Quality != tag.Good || !ok:
		q = tag.Bad
	case t.StaleAfter > 0 && at-inForce > t.StaleAfter:
		q = tag.Stale
	}
	if q != tag.Bad {
		ws.last[ev.Tag] = reading{v, inForce, true}
	}
	for _, g := range ws.gauges {
		for r := range g.tags {
			if g.tags[r] == ev.Tag {
				ws.heard(g, role(r), at, min(rawAt, at), v, q, true)
			}
		}
	}
	return ws.err
}

// heard takes in a reading of one of a meter's sources, or a change of its quality.
func (ws *windows) heard(g *gauge, r role, at, then, v int64, q tag.Quality, read bool) {
	ws.now = max(ws.now, at)
	switch r {
	case mainRole:
		ws.main(g, at, then, v, q, read)
	case otherRole:
		if read && q == tag.Good {
			ws.second(g, v)
		}
	case deviceRole:
		ws.device(g, then, v, q, read)
	case identityRole:
		if read && q == tag.Good {
			ws.identity(g, then, v)
		}
	}
}

func (ws *windows) main(g *gauge, at, then, v int64, q tag.Quality, read bool) {
	if read || q != tag.Good {
		g.read(then, v, q)
	}
	ws.settle(g, at)
	for _, w := range ws.open {
		switch {
		case w.g != g:
		case read && q == tag.Good:
			ws.write(w, then, v, q.String())
			ws.pair(w)
		case read, q != tag.Good && q != w.t.source:
			ws.write(w, then, 0, q.String())
		default:
			w.t.source = q
		}
	}
}

// settle tells the windows of a scale that it has become stable, or is so no more.
func (ws *windows) settle(g *gauge, at int64) {
	if event := g.settle(at); event != "" {
		for _, w := range ws.open {
			if w.g == g {
				w.happen(happened{event: event}, mainRole)
			}
		}
	}
}

// write adds a line to a window's samples and takes in what it brings about.
func (ws *windows) write(w *window, at, raw int64, word string) {
	if word != wordCut && w.samples > 0 {
		at = max(at, w.t.line)
	}
	w.samples++
	ws.line = appendSample(ws.line[:0], at, raw, word)
	w.sum.Write(ws.line)
	if w.out != nil && ws.err == nil {
		_, ws.err = w.out.Write(ws.line)
	}
	for _, h := range w.t.add(at, raw, word) {
		if h.event == "gap" {
			w.course.gap(ws.now)
		}
		w.happen(h, mainRole)
	}
}

// appendSample appends the line of one sample: time, number where it is GOOD, and quality or what stands in its place.
func appendSample(dst []byte, at, raw int64, word string) []byte {
	dst = append(strconv.AppendInt(dst, at, 10), '\t')
	if word == tag.Good.String() {
		dst = strconv.AppendInt(dst, raw, 10)
	}
	return append(append(append(dst, '\t'), word...), '\n')
}

func (ws *windows) begin(n uint64, at int64, rec *record.Record) {
	w := &window{id: rec.Text(record.MeterWindowID), startSeq: n, start: rec, sum: sha256.New(), times: map[string]uint64{}}
	var ok bool
	w.source, ok = ws.m.Lookup(rec.Text(record.LogicalTag))
	i := slices.IndexFunc(ws.gauges, func(g *gauge) bool { return g.meter.Source == w.source && g.meter.Name == rec.Text(record.Meter) })
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
	case !ok || ws.m.Tags[w.source].Type == iomap.Switch || !ws.last[w.source].seen:
		ws.breach("samples", n, "the source of window %s, %.64q, is no counter or number that has been read", w.id, rec.Text(record.LogicalTag))
		return
	case i < 0:
		ws.breach("samples", n, "the recipe has no window on %.64q, which is meter %.64q", rec.Text(record.LogicalTag), rec.Text(record.Meter))
		return
	}
	if ws.create != nil && ws.err == nil {
		w.out, ws.err = ws.create(w.id)
	}
	ws.now = max(ws.now, at)
	w.g = ws.gauges[i]
	w.t = newTally(&w.g.bound, at)
	ws.settle(w.g, at)
	ws.shows(n, w)
	ws.byName[w.id] = w
	ws.all = append(ws.all, w)
	ws.open = append(ws.open, w)
	if w.g.bound.Device.Has && w.g.device.has {
		w.devWorst = w.g.device.quality
	}
	ws.write(w, min(ws.last[w.source].at, at), ws.last[w.source].raw, tag.Good.String())
	w.flowStart = w.g.flowed(at, w.t)
}

// shows holds the reading that a window begins with against the one in force.
func (ws *windows) shows(n uint64, w *window) {
	raw, t := ws.last[w.source].raw, &ws.m.Tags[w.source]
	key, want := record.RawState, strconv.FormatUint(uint64(raw), 10)
	if t.Type == iomap.Number {
		key, want = record.Value, shown(raw, t.Resolution)
	}
	if is := w.start.Text(key); is != want {
		ws.breach("samples", n, "%s of window %s is %s, the reading in force is %s", key, w.id, is, want)
	}
}

func (ws *windows) end(n uint64, at int64, rec *record.Record) {
	id := rec.Text(record.MeterWindowID)
	for i, w := range ws.open {
		if w.id != id {
			continue
		}
		ws.now = max(ws.now, at)
		ws.settle(w.g, at)
		w.t.end(at)
		if w.held {
			w.heldTime.Add(&w.heldTime, big.NewInt(max(0, at-w.heldAt)))
		}
		w.flowEnd = w.t.flows(at) || w.g.bound.Method.String() == "weight" && !w.g.stable
		w.stop, w.stopSeq, w.course.timedOut = rec, n, ws.timedOut
		if len(w.due) > 0 {
			ws.breach("totals", n, "window %s: %s has happened to it and no record tells it", w.id, w.due[0].event)
		}
		ws.open = append(ws.open[:i], ws.open[i+1:]...)
		return
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
