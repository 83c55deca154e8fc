// Pack: from the directory of a finished run to an evidence package.

package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Packed tells whether a directory holds a package that was made to its end: SHA256SUMS is its last file.
func Packed(dir string) bool {
	for _, name := range [...]string{manifestName, sumsName} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			return false
		}
	}
	return true
}

// Sealed tells whether a directory holds a package whose manifest says that the run has ended, or cannot be read: nothing may be added.
func Sealed(dir string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil || !Packed(dir) {
		return false
	}
	defer root.Close()
	data, err := readSmall(root, manifestName, MaxManifest)
	if err != nil {
		return true
	}
	m, err := parseManifest(data)
	return err != nil || m.Ending != endingNotYet
}

// WriteFiles writes the governed files of a batch, byte for byte, to files/ in dir, which must exist. A file that lies there
// already must be the same, else ErrOther is returned. It belongs before the first record, so that the files are there whatever
// happens to the run.
func WriteFiles(dir string, b *batch.Batch) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	if err := root.MkdirAll(filesDir, 0o750); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	for i := range b.Plan.Files {
		f := &b.Plan.Files[i]
		name := filesDir + "/" + f.Name
		switch sum, err := hashFile(root, name); {
		case err == nil && sum.String() == f.Digest:
			continue
		case err == nil:
			return fmt.Errorf("%w: %s is not the %s %s %s of batch %s", ErrOther, filepath.Join(dir, name), f.Kind, f.ID, f.Version, b.ID)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("evidence: %w", err)
		}
		if err := replace(root, name, f.Data); err != nil {
			return err
		}
	}
	return syncDirs(root, filesDir, ".")
}

// Pack makes dir, which holds journal/ and files/ of a run of b, an evidence package. The journal's writer must be closed. Every
// file is written under another name and then renamed, SHA256SUMS last: a Pack that was cut off is made good by the next one,
// and a second Pack writes the same bytes. A package of another batch, or of records that this journal does not hold, is not
// overwritten (ErrOther). A journal that is damaged or missing is refused with ErrJournal.
func Pack(dir string, b *batch.Batch) (*Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	p := &packer{dir: dir, root: root}
	if err := p.before(b); err != nil {
		return nil, err
	}
	defer p.discard()
	if err := p.scan(b); err != nil {
		return nil, err
	}
	return p.finish()
}

// packer is one packing under way.
type packer struct {
	dir     string
	root    *os.Root
	prior   *Manifest // of the package that lies there; nil where there is none
	recs    *records
	head    journal.Chain
	outcome string
	breach  error // why the records cannot be packed
	temps   []*temp
	events  *temp // and the files that are written beside it
	derived *deriver
	buf     []byte
}

// before looks at what lies in the directory.
func (p *packer) before(b *batch.Batch) error {
	data, err := readSmall(p.root, manifestName, MaxManifest)
	if err == nil {
		if p.prior, err = parseManifest(data); err != nil {
			return fmt.Errorf("%w: %s cannot be read (%w); move it away to pack anew", ErrOther, filepath.Join(p.dir, manifestName), err)
		}
		if p.prior.BatchID != b.ID || p.prior.JournalID != b.JournalID {
			return fmt.Errorf("%w: %s holds batch %s, journal %s", ErrOther, p.dir, p.prior.BatchID, p.prior.JournalID)
		}
		if p.prior.Selection != nil {
			return fmt.Errorf("%w: %s holds an extract; pack in the directory of the run", ErrOther, p.dir)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("evidence: %w", err)
	}
	var files []governed
	for i := range b.Plan.Files {
		f := &b.Plan.Files[i]
		data, err := readSmall(p.root, filesDir+"/"+f.Name, batch.MaxFile)
		if err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		if string(data) != string(f.Data) {
			return fmt.Errorf("%w: %s is not the %s of batch %s", ErrOther, filepath.Join(p.dir, filesDir, f.Name), f.Kind, b.ID)
		}
		files = append(files, governed{name: f.Name, digest: f.Digest, data: data})
	}
	p.recs = newRecords(files, p.refuse)
	if err := p.root.MkdirAll(samplesDir, 0o750); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	p.recs.signed.texts = map[uint64]string{}
	p.recs.windows.create = func(id string) (io.Writer, error) {
		t, err := p.temp(samplesDir + "/" + id + sampleSuffix)
		if err != nil {
			return nil, err
		}
		return t.w, nil
	}
	return nil
}

// refuse keeps the first reason why the records cannot be packed.
func (p *packer) refuse(_ string, seq uint64, format string, args ...any) {
	if p.breach == nil {
		p.breach = errors.New(where(seq) + fmt.Sprintf(format, args...))
	}
}

// scan reads the journal and writes events.tsv and the samples under other names.
func (p *packer) scan(b *batch.Batch) error {
	if err := p.openRows(); err != nil {
		return err
	}
	kept := p.prior == nil
	var prev journal.Hash
	found, err := journal.Scan(filepath.Join(p.dir, journalDir), func(seq uint64, body []byte, c journal.Chain) error {
		rec := p.recs.add(seq, body)
		if rec == nil {
			return p.breach
		}
		if p.prior != nil && seq == p.prior.LastSeq {
			kept = c.Link.String() == p.prior.LastLink
		}
		row := Row{Seq: seq, Prev: prev, Leaf: journal.Leaf(body), Link: c.Link, Body: body, Record: rec}
		prev = c.Link
		return errors.Join(p.row(&row), p.recs.windows.err)
	}, nil)
	if err != nil {
		return fmt.Errorf("evidence: %s: %w", p.dir, err)
	}
	p.recs.finish()
	p.head, p.outcome = found.Head, found.Outcome.String()
	switch {
	case found.Outcome != journal.Clean && found.Outcome != journal.TornTail:
		return fmt.Errorf("%w: %s is %s: %s", ErrJournal, filepath.Join(p.dir, journalDir), found.Outcome, found.Reason)
	case p.recs.created == nil || len(p.recs.bound) != len(b.Plan.Files):
		return fmt.Errorf("%w: its %d records do not bind a batch to its %d files", ErrJournal, p.head.N, len(b.Plan.Files))
	case p.recs.text(record.BatchID) != b.ID || p.recs.text(record.JournalID) != b.JournalID:
		return fmt.Errorf("%w: the journal in %s is that of batch %s", ErrOther, p.dir, p.recs.text(record.BatchID))
	case !kept:
		return fmt.Errorf("%w: the package in %s holds record %d with link %s, the journal does not", ErrOther, p.dir,
			p.prior.LastSeq, p.prior.LastLink)
	}
	return nil
}

// finish puts the files in place.
func (p *packer) finish() (*Manifest, error) {
	closed := map[string]bool{eventsName: true, csvName: true, jsonlName: true}
	for _, w := range p.recs.windows.closed() {
		closed[samplesDir+"/"+w.id+sampleSuffix] = true
	}
	for _, t := range p.temps {
		if closed[t.name] {
			if err := t.keep(p.root); err != nil {
				return nil, err
			}
		}
	}
	p.discard()
	if err := p.signatures(&p.recs.signed); err != nil {
		return nil, err
	}
	m := p.recs.manifest(p.head, p.outcome)
	if err := p.seal(m); err != nil {
		return nil, err
	}
	return m, syncDirs(p.root, samplesDir)
}

// openRows begins the files that have a row for each record.
func (p *packer) openRows() (err error) {
	if err := p.root.MkdirAll(derivedDir, 0o750); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	var t [3]*temp
	for i, name := range [...]string{eventsName, csvName, jsonlName} {
		if t[i], err = p.temp(name); err != nil {
			return err
		}
	}
	p.events = t[0]
	p.derived, err = newDeriver(t[1].w, t[2].w)
	return err
}

// row writes the rows of one record.
func (p *packer) row(r *Row) error {
	p.buf = appendLine(p.buf[:0], r.Seq, r.Leaf, r.Link, r.Body)
	_, err := p.events.w.Write(p.buf)
	return errors.Join(err, p.derived.row(strconv.FormatUint(r.Seq, 10), r.Prev, r.Link, r.Record))
}

// seal writes manifest and programs, and the sums last.
func (p *packer) seal(m *Manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	for _, k := range kit() {
		if err := replace(p.root, k.name, []byte(k.text)); err != nil {
			return err
		}
	}
	if err := replace(p.root, manifestName, data); err != nil {
		return err
	}
	t, err := list(p.root)
	if err != nil {
		return err
	}
	if err := replace(p.root, sumsName, t.sums()); err != nil {
		return err
	}
	return syncDirs(p.root, derivedDir, ".")
}
