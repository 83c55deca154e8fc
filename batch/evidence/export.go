// Select and Export: some records of a package or journal, by a query, so that they still verify.

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Row is a record with its place in the chain: Leaf is SHA-256(0x00 || Body), and Link follows from Seq, Prev and Leaf. What it
// points to is valid until the next.
type Row struct {
	Seq        uint64
	Prev       journal.Hash // hash_prev: link of the record before
	Leaf, Link journal.Hash // Link is hash_curr
	Body       []byte       // nil where it was left out
	Record     *record.Record
}

// Append appends the row as a line: number, link before, leaf, link, body, parted by tabs.
func (r *Row) Append(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, r.Seq, 10), '\t')
	dst = append(hex.AppendEncode(dst, r.Prev[:]), '\t')
	dst = append(hex.AppendEncode(dst, r.Leaf[:]), '\t')
	dst = append(hex.AppendEncode(dst, r.Link[:]), '\t')
	return append(append(dst, r.Body...), '\n')
}

// Select calls fn for every record that q means, in order, and returns the head of the chain, and how many bodies were left out, as
// they are in an extract: what those records say is not known. The directory is that of a package, of a run, or of a journal; nil for
// q means all records. Each record is held against the chain before fn sees it; the first that
// is not in its chain ends the reading with ErrChain, and a damaged journal does with ErrJournal: rows that fn has seen hold then,
// but the end is not known.
func Select(dir string, q *Query, fn func(*Row) error) (head journal.Chain, left uint64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return head, 0, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	head, _, err = rows(root, dir, func(r *Row) error {
		switch {
		case r.Record == nil:
			left++
		case q == nil || q.Means(r.Record):
			return fn(r)
		}
		return nil
	})
	return head, left, err
}

// rows calls fn for every record of a package or journal. It returns the head, and of a journal what reading it came to.
func rows(root *os.Root, dir string, fn func(*Row) error) (head journal.Chain, outcome string, err error) {
	info, err := root.Lstat(eventsName)
	if err != nil || !info.Mode().IsRegular() {
		found, err := journalRows(dir, fn)
		if err != nil {
			return head, "", err
		}
		return found.Head, found.Outcome.String(), nil
	}
	f, err := root.Open(eventsName)
	if err != nil {
		return head, "", fmt.Errorf("evidence: %w", err)
	}
	defer f.Close()
	head, err = eventRows(f, fn)
	return head, "", err
}

// eventRows reads the events file of a package.
func eventRows(f io.Reader, fn func(*Row) error) (journal.Chain, error) {
	lines, ch := newLineReader(f), chain{part: true}
	for {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			return journal.Chain{N: ch.n, Link: ch.link}, nil
		}
		if err != nil {
			return journal.Chain{}, fmt.Errorf("evidence: %s: %w", eventsName, err)
		}
		row := Row{Seq: ln.seq, Prev: ch.link, Leaf: ln.leaf, Link: ln.link, Body: ln.body}
		n, wrong := ch.check(&ln)
		if wrong == "" && len(ln.body) > 0 {
			if row.Record, err = record.Parse(ln.body); err != nil {
				wrong = err.Error()
			}
		}
		if wrong != "" {
			return journal.Chain{}, fmt.Errorf("%w: %s: record %d: %s", ErrChain, eventsName, n, wrong)
		}
		if err := fn(&row); err != nil {
			return journal.Chain{}, err
		}
	}
}

// journalRows reads the journal of a run, or one that lies alone.
func journalRows(dir string, fn func(*Row) error) (*journal.Recovery, error) {
	if _, err := os.Lstat(filepath.Join(dir, journalDir)); err == nil {
		dir = filepath.Join(dir, journalDir)
	}
	_, before, _, err := journal.Begin(dir, nil) // where its first records were released
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", dir, err)
	}
	prev := before.Link
	found, err := journal.Scan(dir, func(seq uint64, body []byte, c journal.Chain) error {
		rec, err := record.Parse(body)
		if err != nil {
			return fmt.Errorf("%w: record %d: %w", ErrJournal, seq, err)
		}
		row := Row{Seq: seq, Prev: prev, Leaf: journal.Leaf(body), Link: c.Link, Body: body, Record: rec}
		prev = c.Link
		return fn(&row)
	}, nil)
	switch {
	case err != nil:
		return nil, fmt.Errorf("evidence: %s: %w", dir, err)
	case found.Outcome == journal.None:
		return nil, fmt.Errorf("%w in %s: neither %s nor a journal is there", ErrNoPackage, dir, eventsName)
	case found.Outcome != journal.Clean && found.Outcome != journal.TornTail:
		return nil, fmt.Errorf("%w: %s is %s: %s", ErrJournal, dir, found.Outcome, found.Reason)
	}
	return found, nil
}

// Export makes an extract of a package, a run or a journal in a directory of its own, which must not exist or be empty: the rows of
// all records, so that the chain and what is signed of it hold, and the bodies of those that q means, with the files and samples
// that they name. A package that does not verify is refused with ErrChain, a damaged journal with ErrJournal. Two exports of one
// query from the same records are the same bytes. Without SHA256SUMS, its last file, an extract was not made to its end.
func Export(dir, to string, q *Query) (*Manifest, error) {
	if q == nil {
		q, _ = ParseQuery(nil)
	}
	if !q.canonical() {
		return nil, fmt.Errorf("%w: make it with ParseQuery", ErrQuery)
	}
	if _, err := os.Lstat(filepath.Join(dir, eventsName)); err == nil {
		if rep, err := Verify(dir); err != nil {
			return nil, err
		} else if !rep.OK() {
			return nil, fmt.Errorf("%w: %s is not exported: %s", ErrChain, dir, rep.Verdict())
		}
	}
	from, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer from.Close()
	have, err := list(from)
	if err != nil {
		return nil, err
	}
	if err := MakeDir(to); err != nil {
		return nil, err
	}
	if lies, err := os.ReadDir(to); err != nil || len(lies) > 0 {
		return nil, errors.Join(err, fmt.Errorf("%w: %s is not empty; give another directory", ErrOther, to))
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	p := &packer{dir: to, root: root}
	defer p.discard()
	x := &exporter{p: p, from: from, source: have, e: newExcerpt(q, have, p.refuse),
		all: signatures{breach: p.refuse, texts: map[uint64]string{}}}
	return x.run(dir)
}

// exporter is one export under way.
type exporter struct {
	p      *packer
	from   *os.Root
	source *tree
	e      *excerpt
	all    signatures // what all records say of keys and heads, also those whose bodies are left out
}

func (x *exporter) run(dir string) (*Manifest, error) {
	p, e := x.p, x.e
	if err := p.openRows(); err != nil {
		return nil, err
	}
	head, _, err := rows(x.from, dir, func(r *Row) error {
		if r.Record != nil {
			x.all.add(r.Seq, r.Record)
		}
		if r.Record != nil && e.keeps(r.Record) {
			e.add(r.Seq, r.Body)
		} else {
			r.Body, r.Record = nil, nil
		}
		return errors.Join(p.breach, p.row(r))
	})
	if err != nil {
		return nil, err
	}
	var keep []string
	for _, f := range e.files {
		keep = append(keep, filesDir+"/"+f.Name)
	}
	for _, w := range e.windows {
		keep = append(keep, samplesDir+"/"+w.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(x.source.files)) {
		if dir, _, _ := strings.Cut(name, "/"); dir == notesDir || dir == keysDir {
			keep = append(keep, name)
		}
	}
	for _, name := range keep {
		if err := x.copy(name); err != nil {
			return nil, err
		}
	}
	for _, t := range slices.Clone(p.temps) {
		if err := t.keep(p.root); err != nil {
			return nil, err
		}
	}
	if err := p.signatures(&x.all); err != nil { // a journal that lies alone has neither notes/ nor keys/
		return nil, err
	}
	m := e.manifest(head)
	return m, p.seal(m)
}

// copy copies a file of the source, which must still be what it was.
func (x *exporter) copy(name string) error {
	if err := x.p.root.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	in, err := x.from.Open(name)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer in.Close()
	t, err := x.p.temp(name)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(t.w, h), io.LimitReader(in, limit(name))); err != nil {
		return fmt.Errorf("evidence: %s: %w", name, err)
	}
	if sum := x.source.files[name]; !bytes.Equal(sum[:], h.Sum(nil)) {
		return fmt.Errorf("evidence: %s: it was changed while it was exported; export again", name)
	}
	return nil
}

// Ref returns the export_ref of a package: the SHA-256 of its manifest, hex.
func Ref(dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	data, err := readSmall(root, manifestName, MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w in %s: %s is not there", ErrNoPackage, dir, manifestName)
	} else if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
