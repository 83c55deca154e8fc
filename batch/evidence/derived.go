// What a package holds beside its evidence: events.csv and events.jsonl, made of the records, and two programs that verify it.

package evidence

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the programs
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// The programs in a package. They are independent of the code of this package, and their bytes never change within a format.
var (
	//go:embed kit/verify.sh
	verifySh string
	//go:embed kit/verify.py
	verifyPy string
)

// kit are the programs by their names.
func kit() [2]struct{ name, text string } {
	return [2]struct{ name, text string }{{verifyPyName, verifyPy}, {verifyShName, verifySh}}
}

// derivedNames are the files that are made of the records, in their order.
func derivedNames() []string { return []string{csvName, jsonlName} }

// deriver writes the derived files, record by record.
type deriver struct {
	csv, jsonl io.Writer
	keys       []record.Key
	buf        []byte
}

// newDeriver begins both files; the head of the CSV file names its columns.
func newDeriver(csv, jsonl io.Writer) (*deriver, error) {
	d := &deriver{csv: csv, jsonl: jsonl, keys: record.Common()}
	d.keys = slices.DeleteFunc(d.keys, func(k record.Key) bool { return k == record.EventSeq || k == record.EventType })
	d.buf = append(d.buf[:0], "event_seq,event_type,hash_prev,hash_curr"...)
	for _, k := range d.keys {
		d.buf = append(append(d.buf, ','), k.String()...)
	}
	d.buf = append(d.buf, ",body\n"...)
	_, err := csv.Write(d.buf)
	return d, err
}

// row adds one record. A body that was left out, nil, or that is no record leaves its columns empty.
func (d *deriver) row(seq string, prev, link journal.Hash, rec *record.Record) error {
	d.buf = append(append(d.buf[:0], seq...), ',')
	if rec != nil {
		d.buf = appendCell(d.buf, rec.Text(record.EventType))
	}
	d.buf = hex.AppendEncode(append(d.buf, ','), prev[:])
	d.buf = hex.AppendEncode(append(d.buf, ','), link[:])
	for _, k := range d.keys {
		d.buf = append(d.buf, ',')
		switch {
		case rec == nil:
		case k == record.Cause:
			d.buf = append(d.buf, strings.Join(rec.Texts(k), " ")...)
		default:
			d.buf = appendCell(d.buf, rec.Text(k))
		}
	}
	d.buf = append(d.buf, ',')
	if rec != nil {
		d.buf = appendCell(d.buf, string(rec.Body))
	}
	if _, err := d.csv.Write(append(d.buf, '\n')); err != nil {
		return err
	}
	d.buf = append(d.buf[:0], `{"derived":true,"hash_curr":"`...)
	d.buf = hex.AppendEncode(d.buf, link[:])
	d.buf = append(d.buf, `","hash_prev":"`...)
	d.buf = append(hex.AppendEncode(d.buf, prev[:]), `",`...)
	if rec != nil {
		d.buf = append(append(d.buf, rec.Body[1:]...), '\n')
	} else {
		d.buf = append(append(append(d.buf, `"event_seq":"`...), seq...), "\"}\n"...)
	}
	_, err := d.jsonl.Write(d.buf)
	return err
}

// appendCell appends a cell of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe.
func appendCell(dst []byte, s string) []byte {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 && strings.Trim(s[1:], "0123456789.") != "" {
		s = "'" + s
	}
	if !strings.ContainsAny(s, "\",\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}

// derivedSums are the digests of the derived files as the records make them.
type derivedSums struct {
	*deriver
	sums [2]hash.Hash // in the order of derivedNames
}

func newDerivedSums() *derivedSums {
	s := &derivedSums{sums: [2]hash.Hash{sha256.New(), sha256.New()}}
	s.deriver, _ = newDeriver(s.sums[0], s.sums[1]) // a hash takes everything
	return s
}

// checkDerived holds the derived files against the records, and the programs against those of this format.
func (v *verifier) checkDerived() error {
	c := v.check("derived")
	for i, name := range derivedNames() {
		switch sum, ok := v.tree.files[name]; {
		case !ok:
			c.fail(0, name, "%s", v.tree.lacks(name))
		case v.derived == nil || !bytes.Equal(sum[:], v.derived.sums[i].Sum(nil)):
			c.fail(0, name, "it is not what the records make")
		}
	}
	for _, p := range kit() {
		switch sum, ok := v.tree.files[p.name]; {
		case !ok:
			c.fail(0, p.name, "%s", v.tree.lacks(p.name))
		case sum != sha256.Sum256([]byte(p.text)):
			c.fail(0, p.name, "it is not the program of format %d; do not run it", Format)
		}
	}
	c.found("%s follow from the records; %s and %s are those of format %d", strings.Join(derivedNames(), " and "), verifyShName,
		verifyPyName, Format)
	return nil
}
