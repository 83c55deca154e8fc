// One pass over the records: identity, bindings, state of the batch, and the windows.

package evidence

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// governed is one file of files/.
type governed struct {
	name   string // base name
	digest string
	data   []byte
	used   bool // a record binds it
}

// readGoverned reads the files of files/. What does not belong there is handed to odd.
func readGoverned(root *os.Root, t *tree, odd func(name, why string)) ([]governed, error) {
	var out []governed
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		dir, base := path.Split(name)
		switch {
		case !strings.HasPrefix(dir, filesDir+"/"):
			continue
		case dir != filesDir+"/" || len(out) == maxGoverned:
			odd(name, "it is no governed file")
			continue
		}
		data, err := readSmall(root, name, batch.MaxFile)
		if errors.Is(err, errLarge) {
			odd(name, err.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, governed{name: base, digest: t.files[name].String(), data: data})
	}
	return out, nil
}

// setAside is what a recovery_event says of the end of the journal.
type setAside struct {
	seq   uint64
	bytes int64
}

// binding is what an object_bound record says, and the file that it means.
type binding struct {
	seq                       uint64
	kind, id, version, digest string
	approval                  batch.Approval
	equipment                 []string // of a mapping: units that were chosen by class
	table                     string   // of a mapping: digest of its table of safe states
	file                      string   // base name; "" where files/ has none of this digest
}

// identity are the keys that have one value throughout a batch's journal.
var identity = [...]record.Key{record.JournalID, record.BatchID, record.RecipeID, record.RecipeVersion, record.MappingVersion,
	record.EquipmentID, record.DeviceID, record.Unapproved, record.DryRun, record.TagMapVersion}

// records is what a pass over the records of one journal finds out. What is wrong with them goes to breach.
type records struct {
	tails  []setAside // by recovery_event
	breach func(check string, seq uint64, format string, args ...any)
	files  []governed
	replay bool // the engine is about to decide anew what was ordered: it is not judged here

	n       uint64 // records seen
	same    [len(identity)]string
	named   bool
	created *record.Record
	begun   bool // something other than bindings has followed batch_created
	bound   []binding
	actions []recipe.ActionType // declared
	state   string              // last state of the batch
	end     *record.Record      // batch_end, nil while the run goes on
	fault   uint64              // number of engine_fault, 0 where there is none
	last    uint64              // number of the record that nothing may follow, 0 while there is none
	m       *iomap.Map
	rec     *recipe.Recipe
	cal     *metering.Calibration
	bus     *fieldbus.TagMap // nil where none is bound
	changed recipe.Formula   // as parameter_change records left it; nil before the first
	jogs    map[string]*jog  // by action, of the recipe
	orders  orders
	windows windows
	signed  signatures
	chip    chip
	links   busNotes
	clock   wallClock
	forced  []string // tags in override
	touched int      // decisions that an override may have touched
}

func newRecords(files []governed, breach func(check string, seq uint64, format string, args ...any)) *records {
	r := &records{files: files, breach: breach, state: sequencer.Idle.String(), cal: &metering.Calibration{}}
	r.windows = windows{breach: breach, meters: r.gauges, byName: map[string]*window{}}
	r.signed.breach = breach
	return r
}

// add takes in the record that should be number n. It returns nil where the body is no record.
func (r *records) add(n uint64, body []byte) *record.Record {
	r.n++
	rec, err := record.Parse(body)
	if r.last != 0 && (err != nil || !mayFollow(rec.Kind)) {
		r.breach("records", n, "it stands behind record %d, which ends the journal", r.last)
	}
	if err != nil {
		r.breach("records", n, "%v", err)
		return nil
	}
	if rec.Seq() != n {
		r.breach("records", n, "its body says that it is record %d", rec.Seq())
	}
	r.identify(n, rec)
	switch rec.Kind {
	case record.KindTimeObserved:
	case record.KindBatchCreated:
		if r.created != nil {
			r.breach("records", n, "the batch is created twice")
			break
		}
		r.created = rec
	case record.KindObjectBound:
		r.bind(n, rec)
	case record.KindActionDeclared:
		if r.created == nil || r.begun {
			r.breach("records", n, "an action type is declared where the batch is not just created")
		}
		r.actions = append(r.actions, batch.ReadAction(rec))
	default:
		if r.created == nil {
			r.breach("records", n, "a %s stands before batch_created", rec.Kind)
		}
		r.begun = true
	}
	r.clocked(n, rec)
	r.windows.add(n, rec)
	r.orders.add(rec)
	switch rec.Kind {
	case record.KindBatchState:
		r.state = rec.Text(record.BatchState)
	case record.KindBatchEnd:
		r.ends(n, rec)
	case record.KindEngineFault:
		r.fault, r.last = n, n
	case record.KindRecovery:
		if tail := int64(rec.Count(record.TruncateTail)); tail > 0 {
			r.tails = append(r.tails, setAside{n, tail})
		}
	case record.KindParameterChange:
		r.changes(n, rec)
	}
	if rec.Bool(record.ForcedFlag) {
		r.touched++
	}
	r.totals(n, rec)
	r.wired(n, rec)
	r.bused(n, rec)
	r.chip.add(rec)
	r.signed.add(n, rec)
	return rec
}

// totals takes in what a record says of windows and their totals.
func (r *records) totals(n uint64, rec *record.Record) {
	switch rec.Kind {
	case record.KindOverride:
		r.overrides(rec)
	case record.KindWindowStart:
		r.opens(n, rec)
		r.begins(rec)
	case record.KindReconcile:
		r.reconciles(n, rec)
	case record.KindOutputWrite, record.KindActionState:
		r.jogged(n, rec)
	case record.KindInFlight:
		r.learns(n, rec)
	case record.KindHistorianTotal, record.KindCommand:
		r.given(n, rec)
	case record.KindCommandResult:
		r.entered(rec)
	case record.KindWindowStop:
		if w := r.windows.byName[rec.Text(record.MeterWindowID)]; w != nil && w.stop == rec {
			w.changed = r.changed
		}
	}
}

// mayFollow tells whether a kind may stand behind the record that ends a journal: what the shell has left to say of itself.
func mayFollow(k record.Kind) bool {
	return k == record.KindMeasures || k == record.KindStorageHealth || k == record.KindTraceDump || k == record.KindWatchdog || k.Spec().Field
}

// identify holds what never changes in a batch's journal against the records before.
func (r *records) identify(n uint64, rec *record.Record) {
	alone := rec.Kind.Spec().Alone && !rec.Has(record.BatchID)
	for i, k := range identity {
		if alone && !rec.Has(k) || k == record.DeviceID && rec.Kind.Spec().Field {
			continue
		}
		if is := rec.Text(k); !r.named && !alone {
			r.same[i] = is
		} else if r.named && is != r.same[i] {
			r.breach("identity", n, "%s is %q, in the records before it is %q", k, is, r.same[i])
		}
	}
	r.named = r.named || !alone
	if r.created == nil {
		return
	}
	for _, k := range [...]record.Key{record.CalibVersion, record.Engine} {
		if rec.Has(k) && rec.Text(k) != r.created.Text(k) {
			r.breach("identity", n, "%s is %q, in batch_created it is %q", k, rec.Text(k), r.created.Text(k))
		}
	}
}

// bind takes in what a batch is bound to and reads the file.
func (r *records) bind(n uint64, rec *record.Record) {
	b := binding{seq: n, kind: rec.Text(record.ObjectKind), id: rec.Text(record.ObjectID), version: rec.Text(record.ObjectVersion),
		digest: rec.Text(record.Digest), approval: batch.Approval{ID: rec.Text(record.ApprovalID), By: rec.Text(record.ApprovedBy),
			EffectiveFrom: rec.Time(record.EffectiveFrom), Expiry: rec.Time(record.Expiry)}, equipment: rec.Texts(record.EquipmentBound),
		table: rec.Text(record.SafeStateTable)}
	for i := range r.bound {
		if r.bound[i].kind == b.kind && (b.kind != "device_profile" || r.bound[i].id == b.id) {
			r.breach("records", n, "a second %s is bound; the first is in record %d", b.kind, r.bound[i].seq)
			return
		}
	}
	if r.created == nil || r.begun {
		r.breach("records", n, "a %s is bound where the batch is not just created", b.kind)
		return
	}
	for i := range r.files {
		if f := &r.files[i]; f.digest == b.digest && !f.used {
			f.used, b.file = true, f.name
			r.read(&b, rec, f.data)
			break
		}
	}
	if b.file == "" {
		r.breach("files", n, "%s/ has no file with the digest of the %s %.64s %.64s", filesDir, b.kind, b.id, b.version)
	}
	r.bound = append(r.bound, b)
}

// read parses a governed file and holds its head against the record.
func (r *records) read(b *binding, rec *record.Record, data []byte) {
	var id, version, inRecord string
	var err error
	switch b.kind {
	case "recipe":
		if r.rec, err = recipe.Parse(b.file, data); err == nil {
			r.jogs = jogsOf(r.rec.Root, map[string]*jog{})
			id, version, inRecord = r.rec.ID, r.rec.Version, rec.Text(record.RecipeVersion)
		}
	case "mapping":
		if r.m, err = iomap.Parse(b.file, data); err == nil {
			id, version, inRecord = r.m.ID, r.m.Version, rec.Text(record.MappingVersion)
			r.windows.m = r.m
			r.windows.last = make([]reading, len(r.m.Tags))
		}
	case "calibration":
		var cal *metering.Calibration
		if cal, err = metering.ParseCalibration(b.file, data); err == nil {
			r.cal = cal
			id, version, inRecord = cal.ID, cal.Version, r.created.Text(record.CalibVersion)
		}
	case "tag_map":
		if r.bus, err = fieldbus.ParseTagMap(b.file, data, r.profile); err == nil {
			id, version, inRecord = r.bus.ID, r.bus.Version, rec.Text(record.TagMapVersion)
		}
	case "device_profile":
		var p *fieldbus.Profile
		if p, err = fieldbus.ParseProfile(b.file, data); err == nil {
			id, version, inRecord = p.ID, p.Version, p.Version
			if said := rec.Text(record.DeviceProfileID); said != p.ID {
				r.breach("files", b.seq, "%s is %.64q, and file %s is of %s", record.DeviceProfileID, said, b.file, p.ID)
			}
		}
	default:
		r.breach("records", b.seq, "%q is no kind of governed file", b.kind)
		return
	}
	switch {
	case err != nil:
		r.breach("files", b.seq, "%.300s", err)
	case id != b.id || version != b.version || version != inRecord:
		r.breach("files", b.seq, "file %s is %s %s, the record binds %.64s %.64s", b.file, id, version, b.id, b.version)
	}
}

// finish says what is missing once all records have been seen.
func (r *records) finish() {
	if r.created == nil {
		r.breach("records", 0, "there is no batch_created")
	}
	kinds := []string{"recipe", "mapping"}
	if r.m != nil && r.m.Calibration != "" {
		kinds = append(kinds, "calibration")
	}
	if r.m != nil && r.m.TagMap != "" {
		kinds = append(kinds, "tag_map")
	}
	for _, kind := range kinds {
		if !slices.ContainsFunc(r.bound, func(b binding) bool { return b.kind == kind }) {
			r.breach("records", 0, "no %s is bound", kind)
		}
	}
	r.buses()
	r.chose()
	if r.created != nil {
		r.history()
	}
	for i := range r.windows.all {
		switch w := r.windows.all[i]; {
		case r.end == nil:
		case w.stop == nil:
			r.breach("samples", w.startSeq, "window %s is opened and never closed, and the run has ended", w.id)
		case w.weighed.rec == nil:
			r.breach("totals", w.stopSeq, "window %s is closed and never reconciled, and the run has ended", w.id)
		case w.learnt == nil && w.stop.Text(record.WindowStopEvent) == "end":
			if a, err := r.aim(w.id, w.changed); err == nil && a.learn.action != "" {
				r.breach("totals", w.stopSeq, "nothing is said of what window %s has taught, and the run has ended", w.id)
			}
		case w.weighed.input != 0:
			r.breach("totals", w.weighed.input, "a historian's total of window %s is given, and nothing has come of it", w.id)
		}
	}
}

// text returns what the records say of the batch: of its identity, or of what batch_created holds besides.
func (r *records) text(k record.Key) string {
	for i := range identity {
		if identity[i] == k {
			return r.same[i]
		}
	}
	if r.created == nil {
		return ""
	}
	return r.created.Text(k)
}

// where names the record of a finding that belongs to one.
func where(seq uint64) string {
	if seq == 0 {
		return ""
	}
	return fmt.Sprintf("record %d: ", seq)
}
