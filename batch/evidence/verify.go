// Verify: every claim of a package held against the bytes.

package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Options are what the reader of a package brings to its verification. The zero Options bring nothing.
type Options struct {
	// Trusted are keys of which the reader knows whose they are. Where some are given, the check "signatures" fails unless one of
	// them, or a key that took its place, has signed a head of the package; that one covers all records is for Report.Signed to tell.
	// A key_event "rotated" that is signed by both leads from a trusted key to the next one, in the package or in the device journal.
	Trusted []*journal.PublicKey
	// Device is the directory of the device journal of the controller that ran the batch, or of an extract of it; "" for none. The
	// heads that it keeps of the package's journal are held against the package, in the check "anchors".
	Device string
}

// Verify verifies as VerifyWith does, for a reader who brings nothing.
func Verify(dir string) (*Report, error) { return VerifyWith(dir, nil) }

// VerifyWith checks a package and changes nothing; nil stands for the zero Options. A package that was touched gives a Report with
// failed checks, which name the record or the file; the error says why nothing can be reported: no such directory, no package
// (ErrNoPackage), no device journal where one was named (ErrNoDevice), or not readable. Links, pipes and devices in the package are
// not followed or opened. It takes as long as it takes to read the package about five times, and the device journal twice.
func VerifyWith(dir string, opt *Options) (*Report, error) {
	if opt == nil {
		opt = &Options{}
	}
	v, err := openPackage(dir)
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	v.opt = *opt
	steps := []func() error{v.checkSums, v.checkRecords, v.checkFiles, v.checkApproval, v.checkWindows, v.checkJournal,
		v.checkAnchors, v.checkSignatures, v.checkDerived, v.checkManifest}
	if v.readPart(); v.part != nil {
		steps = []func() error{v.checkSums, v.checkExtract, v.checkAnchors, v.checkSignatures, v.checkDerived, v.checkManifest}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("evidence: %s: %w", dir, err)
		}
	}
	r := &v.report
	r.Records, r.Link = v.head.N, v.head.Link.String()
	if r.Ref, err = Ref(dir); err != nil {
		r.Ref = ""
	}
	r.Proven = v.told()
	for _, name := range v.tree.other {
		r.Other = append(r.Other, Plain(name))
	}
	if !r.OK() {
		r.Proven = nil
	}
	return r, nil
}

// told takes over what the records say of the batch, and returns what they prove where no check failed.
func (v *verifier) told() (proves []string) {
	r := &v.report
	r.BatchID, r.JournalID = Plain(v.text(record.BatchID)), Plain(v.text(record.JournalID))
	anchors, signatures := r.Anchored.notProven(v.head.N), r.Signed.notProven(v.head.N)
	if e := v.excerpt; e != nil {
		r.Extract, r.DryRun = true, e.dry
		r.NotProven, proves = e.notProven(v.head.N, anchors, signatures), e.proven()
	} else {
		r.Run, r.Reconciled = v.recs.run(), v.recs.windows.reconciliations()
		r.NotProven, proves = v.recs.notProven(anchors, signatures), v.recs.proven()
	}
	return slices.Concat(proves, r.Anchored.proven(), r.Signed.proven())
}

// verifier is one verification under way.
type verifier struct {
	dir     string
	root    *os.Root
	tree    *tree
	recs    *records      // nil of an extract
	excerpt *excerpt      // of an extract, else nil
	head    journal.Chain // of events.tsv, as it is stated
	part    *Query        // of an extract: what its manifest says that was selected; nil where the package is whole
	derived *derivedSums  // what derived/ should hold
	outcome string        // of reading the journal; "" where it is not there or not the same
	report  Report
	opt     Options
	witness *witness // what the device journal says; nil where none was given
}

// openPackage opens a directory and hashes what lies in it.
func openPackage(dir string) (*verifier, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	v := &verifier{dir: dir, root: root, report: newReport()}
	_, noEvents := root.Lstat(eventsName)
	_, noManifest := root.Lstat(manifestName)
	if noEvents != nil && noManifest != nil {
		root.Close()
		return nil, fmt.Errorf("%w in %s: neither %s nor %s is there", ErrNoPackage, dir, eventsName, manifestName)
	}
	if v.tree, err = list(root); err != nil {
		root.Close()
		return nil, err
	}
	return v, nil
}

// check finds a check by its name.
func (v *verifier) check(name string) *Check {
	i := slices.IndexFunc(v.report.Checks, func(c Check) bool { return c.Name == name })
	return &v.report.Checks[i]
}

// breach takes in what is wrong with a record.
func (v *verifier) breach(check string, seq uint64, format string, args ...any) {
	v.check(check).fail(seq, "", format, args...)
}

// text is what all records have under a key of their identity.
func (v *verifier) text(k record.Key) string {
	if v.excerpt != nil {
		return v.excerpt.text(k)
	}
	return v.recs.text(k)
}

// checkRecords goes once over events.tsv.
func (v *verifier) checkRecords() error {
	files, err := readGoverned(v.root, v.tree, func(name, why string) { v.check("files").fail(0, name, "%s", why) })
	if err != nil {
		return err
	}
	v.recs = newRecords(files, v.breach)
	if err := v.readEvents(v.recs.add); err != nil {
		return err
	}
	v.recs.finish()
	v.checkHead(v.recs.n)
	v.check("chain").found("records 1 to %d follow from each other; the last link is %s", v.head.N, v.head.Link)
	v.check("records").found("%d records in canonical form, %d of them bind governed files", v.recs.n, len(v.recs.bound))
	v.check("identity").found("batch %s, recipe %s %s, mapping %s, equipment %s throughout", v.recs.text(record.BatchID),
		v.recs.text(record.RecipeID), v.recs.text(record.RecipeVersion), v.recs.text(record.MappingVersion), v.recs.text(record.EquipmentID))
	return nil
}

// readEvents reads the events file, holds its lines against the chain, and takes in the records.
func (v *verifier) readEvents(take func(n uint64, body []byte) *record.Record) error {
	if !v.tree.has(eventsName) {
		v.check("chain").fail(0, eventsName, "%s", v.tree.lacks(eventsName))
		return nil
	}
	f, err := v.root.Open(eventsName)
	if err != nil {
		return err
	}
	defer f.Close()
	v.head, err = v.readLines(f, take)
	return err
}

// readLines holds the lines of an events file against the chain and takes in the records.
func (v *verifier) readLines(r io.Reader, take func(n uint64, body []byte) *record.Record) (journal.Chain, error) {
	c := v.check("chain")
	lines := newLineReader(r)
	ch := chain{part: v.part != nil}
	v.derived = newDerivedSums()
	for {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return journal.Chain{}, err
		}
		prev := ch.link
		n, wrong := ch.check(&ln)
		if wrong != "" {
			c.fail(n, "", "%s", wrong)
		}
		if ln.bad == "" {
			rec := take(ln.seq, ln.body)
			_ = v.derived.row(strconv.FormatUint(ln.seq, 10), prev, ln.link, rec) // a hash takes everything
		}
	}
	if ch.n == 0 {
		c.fail(0, eventsName, "it holds no record")
	}
	return journal.Chain{N: ch.n, Link: ch.link}, nil
}

// checkFiles looks for files that no record binds.
func (v *verifier) checkFiles() error {
	c := v.check("files")
	for i := range v.recs.files {
		if f := &v.recs.files[i]; !f.used {
			c.fail(0, filesDir+"/"+f.name, "no record binds a file of its digest")
		}
	}
	c.found("%d files have the digests that the records bind", len(v.recs.files))
	return nil
}

// checkWindows holds the sample files against the records of the windows and adds them up again.
func (v *verifier) checkWindows() error {
	c, totals := v.check("samples"), v.check("totals")
	if v.recs.m == nil {
		c.fail(0, "", "without the mapping no sample can be told from another")
	}
	expected := map[string]bool{}
	for _, w := range v.recs.windows.closed() {
		name := samplesDir + "/" + w.id + sampleSuffix
		expected[name] = true
		if stated := w.stop.Text(record.SamplesDigest); w.digest() != stated {
			c.fail(w.stopSeq, "", "samples_digest of window %s is not that of the samples in the input records before it", w.id)
		}
		switch sum, ok := v.tree.files[name]; {
		case !ok:
			c.fail(w.stopSeq, name, "%s", v.tree.lacks(name))
			continue
		case sum.String() != w.stop.Text(record.SamplesDigest):
			c.fail(w.stopSeq, name, "its SHA-256 is not samples_digest of the record")
		}
		f, err := v.root.Open(name)
		if err != nil {
			return err
		}
		err = v.recs.totalFile(w, f)
		f.Close()
		if err != nil {
			totals.fail(w.stopSeq, name, "window %s: %v", w.id, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		if strings.HasPrefix(name, samplesDir+"/") && !expected[name] {
			c.fail(0, name, "no record closes a window of its name")
		}
	}
	c.found("samples of %d windows are those of the input records and have the digests of the records", len(expected))
	totals.found("totals of %d windows follow from their samples and the calibration, targets and verdicts from the recipe", len(expected))
	return nil
}

// checkManifest makes the manifest again and compares.
func (v *verifier) checkManifest() error {
	c := v.check("manifest")
	if !v.tree.has(manifestName) {
		c.fail(0, manifestName, "%s", v.tree.lacks(manifestName))
		return nil
	}
	data, err := readSmall(v.root, manifestName, MaxManifest)
	if errors.Is(err, errLarge) {
		c.fail(0, manifestName, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	m, err := parseManifest(data)
	if err != nil {
		c.fail(0, manifestName, "%.300s", err)
		return nil
	}
	if m.Format != Format {
		c.fail(0, manifestName, "the package is of format %d, and this build reads format %d", m.Format, Format)
	}
	outcome := v.outcome
	if outcome == "" && (m.JournalOutcome == journal.Clean.String() || m.JournalOutcome == journal.TornTail.String()) {
		outcome = m.JournalOutcome
	}
	made := v.manifest(outcome)
	want, err := made.encode()
	if err != nil {
		return err
	}
	if !bytes.Equal(data, want) {
		key, is, should := difference(data, want)
		c.fail(0, manifestName, "%s is %.200s, of the records and files it is %.200s", key, is, should)
	}
	c.found("it says what records and files say")
	return nil
}

func (v *verifier) manifest(outcome string) *Manifest {
	if v.excerpt != nil {
		return v.excerpt.manifest(v.head)
	}
	return v.recs.manifest(v.head, outcome)
}
