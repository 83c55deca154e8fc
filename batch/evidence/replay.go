// Replay: the inputs of a package fed to the engine again.

package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// ReplayReport is what a replay came to.
type ReplayReport struct {
	BatchID    string
	Engine     int64             // engine number of the records, and of this build
	Records    uint64            // records of the package
	Inputs     int               // events fed to the engine
	Decisions  int               // records that were decided again and compared
	Divergence *batch.Divergence // the first one; nil where there is none
	Cut        bool              // the batch has not ended, and the decisions of its last input are not all there
	Fault      string            // what broke the engine, and at which record, as it broke it in the run; "" where nothing did
	Unapproved bool              // the batch ran without approvals
}

// Replay binds a batch to the files and records of a package, feeds every recorded input to the engine, and compares every
// decision byte for byte. It reads events.tsv and files/ alone. A divergence is in the report; the error says why the package
// cannot be replayed: its chain is broken (ErrChain), it was written by another engine number (batch.ErrEngine), a file is not
// the one that the records bind, or an input is none.
func Replay(dir string) (*ReplayReport, error) {
	v, err := openPackage(dir)
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	b, err := v.rebind()
	if err != nil {
		return nil, fmt.Errorf("evidence: replay of %s: %w", dir, err)
	}
	rep := &ReplayReport{BatchID: b.ID, Engine: batch.Engine, Records: v.head.N, Unapproved: v.recs.text(record.Unapproved) == "true"}
	replay := b.Replay()
	_, err = v.readStrict(func(n uint64, body []byte) error {
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		return feed(replay, n, rec)
	})
	if err == nil {
		err = replay.End()
		rep.Cut = err != nil && !v.recs.ended()
	}
	rep.Inputs, rep.Decisions = replay.Inputs, replay.Decisions
	switch {
	case err == nil || rep.Cut || errors.As(err, &rep.Divergence):
		return rep, nil
	case errors.Is(err, errFault):
		rep.Fault = err.Error()
		return rep, nil
	}
	return nil, fmt.Errorf("evidence: replay of %s: %w", dir, err)
}

var errFault = errors.New("engine fault")

// feed hands a record to the engine. A journal that ends with an engine_fault holds the input that broke an invariant, and the
// input breaks it again; so may one that nobody but a forger has written.
func feed(r *batch.Replay, n uint64, rec *record.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w at record %d: %v", errFault, n, p)
		}
	}()
	return r.Record(rec)
}

// readStrict reads events.tsv up to the first record that is not in its chain.
func (v *verifier) readStrict(fn func(n uint64, body []byte) error) (journal.Chain, error) {
	if !v.tree.has(eventsName) {
		return journal.Chain{}, fmt.Errorf("%s is not there", eventsName)
	}
	f, err := v.root.Open(eventsName)
	if err != nil {
		return journal.Chain{}, err
	}
	defer f.Close()
	return readChain(f, fn)
}

// rebind makes the batch of a package from its files and the records that bind them.
func (v *verifier) rebind() (*batch.Batch, error) {
	files, err := readGoverned(v.root, v.tree, func(string, string) {})
	if err != nil {
		return nil, err
	}
	var wrong error
	v.recs = newRecords(files, func(check string, seq uint64, format string, args ...any) {
		// Totals, samples and the rest are Verify's; here only what stands in the way of the engine counts.
		if (check == "records" || check == "files") && wrong == nil {
			wrong = errors.New(where(seq) + fmt.Sprintf(format, args...))
		}
	})
	v.head, err = v.readStrict(func(n uint64, body []byte) error {
		v.recs.add(n, body)
		return wrong
	})
	if err != nil {
		return nil, err
	}
	if v.recs.finish(); wrong != nil {
		return nil, wrong
	}
	name := map[string]string{}
	for _, b := range v.recs.bound {
		name[b.kind] = b.file
	}
	plan, err := batch.Load(flat{v}, name["recipe"], name["mapping"], &batch.LoadOptions{Actions: v.recs.actions})
	if err != nil {
		return nil, err
	}
	var rel batch.Release = release(v.recs.bound)
	if v.recs.text(record.Unapproved) == "true" {
		rel = batch.Unapproved
	}
	c := v.recs.created
	return plan.Bind(c.Text(record.BatchID), c.Text(record.BatchSize), rel, &batch.BindOptions{Operator: c.Text(record.OperatorID),
		JournalID: c.Text(record.JournalID), Seed: c.Count(record.Seed)})
}

// release answers with the approvals that the records name.
type release []binding

// Approved returns the approval under which a record binds a file.
func (r release) Approved(kind, id, version, digest string) (batch.Approval, error) {
	for i := range r {
		if b := &r[i]; b.kind == kind && b.id == id && b.version == version && b.digest == digest {
			return b.approval, nil
		}
	}
	return batch.Approval{}, errors.New("no record binds it")
}

// flat are the governed files of a package as a file system of one level. A path stands for the file of its base name, since a
// map may name its calibration in a directory below its own, and a package keeps all files in one.
type flat struct{ v *verifier }

// Open opens a governed file by its base name.
func (f flat) Open(name string) (fs.File, error) {
	inside := filesDir + "/" + path.Base(name)
	if !f.v.tree.has(inside) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.v.root.Open(inside)
}
