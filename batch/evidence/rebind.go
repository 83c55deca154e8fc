// Rebind: the batch of a run, bound once more to what its records say.

package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Rebind binds the batch of a run once more, from the records of its journal and the governed files beside it: the batch that a
// controller continues, whatever has become since then of the files that it was bound to, and of their approvals. It reads
// journal/ and files/ alone and changes nothing. A journal that is damaged, or holds no batch, is refused with ErrJournal.
func Rebind(dir string) (*batch.Batch, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	v := &verifier{dir: dir, root: root}
	if v.tree, err = list(root); err != nil {
		return nil, err
	}
	b, err := v.rebind(v.readJournal)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrJournal, dir, err)
	}
	return b, nil
}

// readJournal reads the records of the journal.
func (v *verifier) readJournal(fn func(n uint64, body []byte) error) (journal.Chain, error) {
	found, err := journal.Scan(filepath.Join(v.dir, journalDir), func(seq uint64, body []byte, _ journal.Chain) error {
		return fn(seq, body)
	}, nil)
	switch {
	case err != nil:
		return journal.Chain{}, err
	case found.Outcome != journal.Clean && found.Outcome != journal.TornTail:
		return journal.Chain{}, fmt.Errorf("it is %s: %s", found.Outcome, found.Reason)
	}
	return found.Head, nil
}

// rebind makes a batch from governed files and the records that bind them, which read hands over in order.
func (v *verifier) rebind(read func(fn func(n uint64, body []byte) error) (journal.Chain, error)) (*batch.Batch, error) {
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
	v.recs.replay = true
	v.head, err = read(func(n uint64, body []byte) error {
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
	plan, err := batch.Load(flat{v}, name["recipe"], name["mapping"], &batch.LoadOptions{Actions: v.recs.actions, Bound: true})
	if err != nil {
		return nil, err
	}
	var rel batch.Release = release(v.recs.bound)
	if v.recs.unapproved() {
		rel = batch.Unapproved
	}
	c := v.recs.created
	var inFlight []batch.InFlight
	for _, words := range c.Texts(record.InFlight) {
		i, ok := batch.ReadInFlight(plan.Recipe.ID, words)
		if !ok {
			return nil, fmt.Errorf("%.200q in batch_created is no in-flight value", words)
		}
		inFlight = append(inFlight, i)
	}
	return plan.Bind(c.Text(record.BatchID), c.Text(record.BatchSize), rel, &batch.BindOptions{Operator: c.Text(record.OperatorID),
		JournalID: c.Text(record.JournalID), Seed: c.Count(record.Seed), RestartOf: c.Text(record.RestartOf), BlockAge: c.Int(record.BlockAgeMS) * 1_000_000,
		InFlight: inFlight, DryRun: v.recs.dry(), EquipmentModel: c.Count(record.EquipmentModelVersion)})
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
