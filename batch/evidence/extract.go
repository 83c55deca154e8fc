// Extracts: packages that hold the rows of all records of a journal and the bodies of some. What can be checked of one is checked.

package evidence

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// readPart looks whether the package is an extract. What the manifest says is believed only as far as it can be checked.
func (v *verifier) readPart() {
	if !bytes.Contains(v.manifestText(), []byte(`"selection":{`)) {
		return
	}
	v.part, _ = ParseQuery(nil)
	m, err := parseManifest(v.manifestText())
	switch {
	case err == nil && m.Selection != nil && m.Selection.canonical():
		v.part = m.Selection
	case err == nil:
		v.check("manifest").fail(0, manifestName, "selection is in no canonical form")
	}
}

// manifestText is the text of the manifest; nil where it is not there or no text.
func (v *verifier) manifestText() []byte {
	if !v.tree.has(manifestName) {
		return nil
	}
	data, err := readSmall(v.root, manifestName, MaxManifest)
	if err != nil || bytes.IndexByte(data, 0) >= 0 {
		return nil
	}
	return data
}

// checkHead holds the manifest's word on the last record and on the number of bodies against the records. It looks for the text,
// as the programs in the package do.
func (v *verifier) checkHead(found uint64) {
	c, data := v.check("chain"), v.manifestText()
	says := func(format string, args ...any) bool { return bytes.Contains(data, fmt.Appendf(nil, format, args...)) }
	if !says(`"last_link":"%s","last_seq":"%d"`, v.head.Link, v.head.N) || !says(`"bodies":"%d",`, found) ||
		v.part == nil && (found != v.head.N || !says(`"selection":null`)) {
		c.fail(0, manifestName, "it does not say that record %d is the last, with this link and %d bodies", v.head.N, found)
	}
}

// excerpt is what the records of an extract say, as far as their bodies are there.
type excerpt struct {
	query  *Query
	tree   *tree
	breach func(check string, seq uint64, format string, args ...any)

	bodies  uint64
	dry     bool      // one of them is of a dry run
	same    [4]string // in the order of common
	named   [4]bool   // a record has had a say in it
	files   []ManifestFile
	windows []ManifestWindow
	missing []string // files that a record names and that are not there
	signed  signatures
	chip    chip
}

func newExcerpt(q *Query, t *tree, breach func(check string, seq uint64, format string, args ...any)) *excerpt {
	return &excerpt{query: q, tree: t, breach: breach, signed: signatures{breach: breach}}
}

// common are the keys whose value stands in the manifest of an extract where all records have the same.
func common() [4]record.Key {
	return [4]record.Key{record.BatchID, record.DeviceID, record.EquipmentID, record.JournalID}
}

// text is what all records have under a key of common.
func (e *excerpt) text(k record.Key) string {
	keys := common()
	if i := slices.Index(keys[:], k); i >= 0 {
		return e.same[i]
	}
	return ""
}

// add takes in the body of record n; one that was left out is empty.
func (e *excerpt) add(n uint64, body []byte) *record.Record {
	if len(body) == 0 {
		return nil
	}
	e.bodies++
	rec, err := record.Parse(body)
	e.dry = e.dry || err == nil && rec.Text(record.DryRun) == dryYes
	switch {
	case err != nil:
		e.breach("records", n, "%v", err)
		return nil
	case rec.Seq() != n:
		e.breach("records", n, "its body says that it is record %d", rec.Seq())
	case !e.keeps(rec):
		e.breach("records", n, "its body is there, and was not selected: %s", e.query)
	}
	for i, k := range common() {
		switch is := rec.Text(k); {
		case k == record.DeviceID && rec.Kind.Spec().Field:
		case !e.named[i]:
			e.same[i], e.named[i] = is, true
		case is != e.same[i] && k == record.JournalID:
			e.breach("identity", n, "%s is %.80q, in the records before it is %.80q", k, is, e.same[i])
		case is != e.same[i]:
			e.same[i] = ""
		}
	}
	switch rec.Kind {
	case record.KindObjectBound, record.KindLibraryChange:
		e.file(rec)
	case record.KindWindowStop:
		e.window(rec)
	}
	e.chip.add(rec)
	e.signed.add(n, rec)
	return rec
}

// keeps tells whether an extract holds the body of a record: where the query means it, and where the notes of signed heads, which go
// along whole, cannot be verified without it.
func (e *excerpt) keeps(rec *record.Record) bool {
	return rec.Kind == record.KindKeyEvent || e.query.Means(rec)
}

// file looks for the governed file that a record names.
func (e *excerpt) file(rec *record.Record) {
	digest := rec.Text(record.Digest)
	for _, name := range slices.Sorted(maps.Keys(e.tree.files)) {
		if path.Dir(name) != filesDir || e.tree.files[name].String() != digest {
			continue
		}
		if slices.ContainsFunc(e.files, func(f ManifestFile) bool { return f.Name == path.Base(name) }) {
			return // an object is named again as often as its state changes
		}
		e.files = append(e.files, ManifestFile{ApprovalID: rec.Text(record.ApprovalID), Digest: digest, Name: path.Base(name),
			ObjectID: rec.Text(record.ObjectID), ObjectKind: rec.Text(record.ObjectKind), ObjectVersion: rec.Text(record.ObjectVersion)})
		return
	}
	e.missing = append(e.missing, fmt.Sprintf("the %.64s %.64s %.64s", rec.Text(record.ObjectKind), rec.Text(record.ObjectID),
		rec.Text(record.ObjectVersion)))
}

// window looks for the samples of a window that a record closes.
func (e *excerpt) window(rec *record.Record) {
	id, digest := rec.Text(record.MeterWindowID), rec.Text(record.SamplesDigest)
	base := id + sampleSuffix
	sum, there := e.tree.files[samplesDir+"/"+base]
	if !isName(id) || !there || slices.ContainsFunc(e.windows, func(w ManifestWindow) bool { return w.Name == base }) {
		e.missing = append(e.missing, fmt.Sprintf("the samples of window %.64s", id))
		return
	}
	if sum.String() != digest {
		e.breach("samples", rec.Seq(), "the SHA-256 of %s/%s is not samples_digest of the record", samplesDir, base)
	}
	e.windows = append(e.windows, ManifestWindow{Digest: sum.String(), MeterWindowID: id, Name: base,
		Samples: rec.Count(record.Samples)})
}

// manifest makes the manifest of an extract.
func (e *excerpt) manifest(head journal.Chain) *Manifest {
	return &Manifest{Anchor: "none", BatchID: e.same[0], Bodies: e.bodies, Derived: derivedNames(), DeviceID: e.same[1],
		DryRun: e.dry, EquipmentID: e.same[2], Files: append([]ManifestFile{}, e.files...), FirstSeq: min(head.N, 1), Format: Format,
		JournalID: e.same[3], LastLink: head.Link.String(), LastSeq: head.N, NotProven: e.notProven(head.N, unanchored(), e.signed.notProven()),
		Proven: append(e.proven(), e.signed.proven()...), Selection: e.query,
		Unsafe: []string{}, Windows: append([]ManifestWindow{}, e.windows...)}
}

func (e *excerpt) proven() []string {
	return []string{"every body that is there is the one that was hashed into last_link, at its number; none of the records left " +
		"out was changed, added or moved without changing that link"}
}

// notProven is what an extract of last records cannot show, with what its anchors and signatures leave open.
func (e *excerpt) notProven(last uint64, anchors, signatures []string) []string {
	var list []string
	if e.dry {
		list = append(list, notDone)
	}
	if left := last - e.bodies; left > 0 {
		list = append(list, fmt.Sprintf("what the %d records say whose bodies were left out, and that none of them should have been selected", left))
	}
	list = append(list, "approvals, totals, verdicts and how the run ended: they need all records, which the whole package has")
	list = slices.Concat(list, anchors, signatures, []string{"that the inputs were true: what devices and people gave is recorded as it came"})
	if e.missing = slices.Compact(e.missing); len(e.missing) > 0 {
		list = append(list, "what these hold, which records name and which are not there: "+few(e.missing))
	}
	return list
}

// checkExtract makes the checks of an extract. Those that need all records stay open.
func (v *verifier) checkExtract() error {
	v.excerpt = newExcerpt(v.part, v.tree, v.breach)
	e := v.excerpt
	if err := v.readEvents(e.add); err != nil {
		return err
	}
	v.checkHead(e.bodies)
	v.check("chain").found("records 1 to %d follow from each other, the bodies of %d are there; the last link is %s", v.head.N, e.bodies,
		v.head.Link)
	v.check("records").found("%d records in canonical form, all of them selected: %s", e.bodies, v.part)
	v.check("identity").found("journal %s throughout", e.same[3])
	v.checkLoose()
	for _, name := range [...]string{"approval", "totals", "journal"} {
		v.check(name).open("the package is an extract, and this needs all records")
	}
	return nil
}

// checkLoose looks for files that no record of an extract names.
func (v *verifier) checkLoose() {
	named := map[string]bool{}
	for _, f := range v.excerpt.files {
		named[filesDir+"/"+f.Name] = true
	}
	for _, w := range v.excerpt.windows {
		named[samplesDir+"/"+w.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		dir, _, _ := strings.Cut(name, "/")
		check, ok := map[string]string{filesDir: "files", samplesDir: "samples", journalDir: "journal"}[dir]
		if ok && !named[name] {
			v.check(check).fail(0, name, "no record of the extract names it")
		}
	}
	v.check("files").found("%d files have the digests that the records name", len(v.excerpt.files))
	v.check("samples").found("samples of %d windows have the digests of the records that closed them", len(v.excerpt.windows))
}

// open says why a check was not made.
func (c *Check) open(why string) {
	if !c.Failed {
		c.Open, c.Detail = true, Plain(why)
	}
}
