// The check "anchors": the heads that the controller's device journal keeps of a package's journal, held against the package.

package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Anchored is what the device journal says of the head of a package's journal. It says no more than the device journal is worth, which
// Outcome and Signed tell.
type Anchored struct {
	Records   uint64 // records 1 to this one are those whose head is kept there; 0: none is, or no device journal was given
	Seq       uint64 // of the record there that keeps it
	JournalID string // of the device journal; "" where none was given
	Outcome   string // of reading it: CLEAN or TORN_TAIL; "" of an extract
	Left      uint64 // records whose bodies an extract of it leaves out: what they keep or revoke is not known
	Signed    Signed // which of its records are signed, and by whose key
}

// anchor is a head of the package's journal, as a record of the device journal keeps it.
type anchor struct {
	seq, size  uint64
	link, root string // hex; root is "" where it was not kept
}

// witness is a device journal: what it says of one journal's heads, and of keys.
type witness struct {
	id, device, outcome string
	head                journal.Chain
	left                uint64 // records whose bodies an extract leaves out
	keys                signatures
	anchors             []anchor         // of that journal, in the order of the records
	right               []anchor         // those that the package bears out
	amended             []*record.Record // amendments of that journal's reconciliations
	signed              Signed
	unsound             string // why it is no witness; "" where it is one
}

// readWitness reads the device journal in a directory, or an extract of it, for what it says of the journal of that id.
func readWitness(dir, of string, trusted []*journal.PublicKey) (*witness, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w in %s: %w", ErrNoDevice, dir, err)
	}
	defer root.Close()
	have, err := list(root)
	if err != nil {
		return nil, err
	}
	w := &witness{}
	w.keys.breach = func(_ string, seq uint64, format string, args ...any) { w.fail(seq, "", format, args...) }
	w.head, w.outcome, err = rows(root, dir, func(r *Row) error { w.add(r, of); return nil })
	switch {
	case errors.Is(err, ErrNoPackage), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w in %s: give the directory that holds its segments/", ErrNoDevice, dir)
	case errors.Is(err, ErrJournal), errors.Is(err, ErrChain):
		w.fail(0, "", "%v", err)
		return w, nil
	case err != nil:
		return nil, err
	}
	part := have.has(eventsName)
	if part {
		switch rep, err := Verify(dir); {
		case err != nil:
			return nil, err
		case !rep.OK():
			w.fail(0, "", "%s", rep.Verdict())
		}
	}
	h := &holder{root: root, tree: have, signatures: &w.keys, origin: journal.Origin(w.device, w.id), part: part, loose: !part, fail: w.fail,
		leaves: func(fn func(leaf, link journal.Hash)) error {
			_, _, err := rows(root, dir, func(r *Row) error { fn(r.Leaf, r.Link); return nil })
			return err
		}}
	heads, err := h.hold()
	if err != nil {
		return nil, err
	}
	w.signed = w.keys.sum(heads, follow(trusted, nil, w.keys.moves, nil, "the device journal"))
	return w, nil
}

// add takes in one record of the device journal. A body that an extract leaves out says nothing.
func (w *witness) add(r *Row, of string) {
	rec := r.Record
	if rec == nil {
		w.left++
		return
	}
	id, device := rec.Text(record.JournalID), rec.Text(record.DeviceID)
	if w.id == "" {
		w.id, w.device = id, device
	} else if id != w.id || device != w.device {
		w.fail(r.Seq, "", "it is of journal %.80q of %.80q, the records before it are of %.80q of %.80q", id, device, w.id, w.device)
	}
	w.keys.add(r.Seq, rec)
	if rec.Kind == record.KindReconcileAmended && rec.Text(record.AmendedJournalID) == of {
		if len(w.amended) == maxNotes {
			w.fail(r.Seq, "", "it amends a reconciliation, one more than the %d that are read", maxNotes)
			return
		}
		w.amended = append(w.amended, rec)
	}
	if rec.Kind != record.KindHeadAnchored || rec.Text(record.AnchoredJournalID) != of {
		return
	}
	a := anchor{seq: r.Seq, size: rec.Count(record.HeadSize), link: rec.Text(record.HeadLink), root: rec.Text(record.HeadRoot)}
	if a.size == 0 || len(w.anchors) == maxNotes {
		w.fail(r.Seq, "", "it keeps the head of no record, or it is one head more than the %d that are read", maxNotes)
		return
	}
	w.anchors = append(w.anchors, a)
}

// fail keeps the first reason why the journal is no witness.
func (w *witness) fail(seq uint64, file, format string, args ...any) {
	if w.unsound == "" {
		c := Check{}
		c.fail(seq, file, format, args...)
		w.unsound = where(seq) + c.Detail
		if file != "" {
			w.unsound = fmt.Sprintf("%.200q: %s", file, w.unsound)
		}
	}
}

// before returns the last record of the package whose head the device journal kept before its own record seq.
func (w *witness) before(seq uint64) (size uint64) {
	for i := range w.right {
		if w.right[i].seq < seq {
			size = max(size, w.right[i].size)
		}
	}
	return size
}

// checkAnchors holds the heads that the device journal keeps against the package.
func (v *verifier) checkAnchors() error {
	c, r := v.check("anchors"), &v.report
	r.Chip = v.chip().String()
	if v.opt.Device == "" {
		c.open("the tail is not anchored: no device journal was given; anchor=" + r.Chip)
		return nil
	}
	w, err := readWitness(v.opt.Device, v.text(record.JournalID), v.opt.Trusted)
	if err != nil {
		return err
	}
	v.witness = w
	r.Anchored = Anchored{JournalID: Plain(w.id), Outcome: w.outcome, Left: w.left, Signed: w.signed}
	if err := v.holdAnchors(c); err != nil {
		return err
	}
	v.holdAmendments(c)
	a := &r.Anchored
	switch {
	case w.unsound != "":
		c.fail(0, "", "the device journal is no witness: %s; verify without it to see what the package shows alone", w.unsound)
		a.Records, a.Seq = 0, 0
	case len(w.anchors) == 0:
		c.open(fmt.Sprintf("not anchored: device journal %s keeps no head of journal %.80s%s; anchor=%s", a.JournalID,
			v.text(record.JournalID), a.lacks(), r.Chip))
	case a.Records < v.head.N:
		c.found("records 1 to %d are those whose head record %d of device journal %s keeps; records %d to %d are not anchored; %s", a.Records,
			a.Seq, a.JournalID, a.Records+1, v.head.N, a.rests())
	default:
		c.found("records 1 to %d, which are all, are those whose head record %d of device journal %s keeps; %s", a.Records, a.Seq,
			a.JournalID, a.rests())
	}
	return nil
}

// holdAnchors goes over the records of the package and looks whether they have the links and roots that were kept.
func (v *verifier) holdAnchors(c *Check) error {
	w, a := v.witness, &v.report.Anchored
	heads := slices.Clone(w.anchors)
	slices.SortStableFunc(heads, func(a, b anchor) int { return cmp.Compare(a.size, b.size) })
	var tree journal.Tree
	err := v.leaves(func(leaf, link journal.Hash) {
		tree.Add(leaf)
		for ; len(heads) > 0 && heads[0].size == tree.Size(); heads = heads[1:] {
			switch h := &heads[0]; {
			case h.link != link.String():
				c.fail(h.size, "", "rewritten: its link is not the one that record %d of the device journal keeps", h.seq)
			case h.root != "" && h.root != tree.Root().String():
				c.fail(h.size, "", "rewritten: the root of records 1 to %d is not the one that record %d of the device journal keeps",
					h.size, h.seq)
			default:
				w.right = append(w.right, *h)
				a.Records, a.Seq = h.size, h.seq
			}
		}
	})
	for i := range heads {
		c.fail(v.head.N+1, "", "tail lost: record %d of the device journal keeps the head of records 1 to %d, and the package ends with record %d",
			heads[i].seq, heads[i].size, v.head.N)
	}
	return err
}

// Words says on one line what is anchored: "no anchor", or up to which record, and in which journal.
func (a *Anchored) Words() string {
	if a.Records == 0 {
		return "no anchor"
	}
	return fmt.Sprintf("records 1 to %d are anchored in device journal %s", a.Records, a.JournalID)
}

// rests says what the word of the device journal is worth.
func (a *Anchored) rests() string {
	read := "it is an extract, whose chain holds"
	if a.Outcome != "" {
		read = "it is " + a.Outcome
	}
	read += a.lacks()
	if a.Signed.Records < a.Seq {
		return read + ", and no signed head of it covers that record, so whoever can write it can have made it anew"
	}
	return read + ", and of it " + a.Signed.Words()
}

// lacks says that an extract of the device journal may leave out a later head, or the revocation of a key.
func (a *Anchored) lacks() string {
	if a.Left == 0 {
		return ""
	}
	return fmt.Sprintf(", of %d records without what they say, which may be later heads or revoked keys", a.Left)
}

func (a *Anchored) proven() []string {
	if a.Records == 0 {
		return nil
	}
	return []string{fmt.Sprintf("records 1 to %d are those whose head record %d of device journal %s keeps: since it was written none "+
		"of them was changed, added, left out or cut off", a.Records, a.Seq, a.JournalID)}
}

// notProven says what anchors leave open in a package of last records.
func (a *Anchored) notProven(last uint64) (list []string) {
	if a.Records == 0 {
		return unanchored()
	}
	if a.Records < last {
		list = append(list, fmt.Sprintf("that the end is whole: only the head of record %d of %d is anchored", a.Records, last))
	}
	return append(list, "that the device journal is what it was: "+a.rests())
}

// chip is what the records say of a chip that held the head while the batch ran.
type chip struct{ words string }

// noChip stands before the words of a record for a head that was kept nowhere else, or in a file that is put back with its disk.
const noChip = "none"

// add takes in what a start of the controller, or a later note, says of the chip. The worst that was said stays.
func (c *chip) add(rec *record.Record) {
	words := rec.Text(record.Anchor)
	switch rec.Kind {
	case record.KindBoot, record.KindRecovery:
		if words == "" {
			words = noChip
		}
	case record.KindMeasures:
	default:
		return
	}
	if words != "" && !strings.HasPrefix(c.words, noChip) {
		c.words = words
	}
}

// String gives it in the words of the records; "none" where they have none.
func (c *chip) String() string {
	switch {
	case c.words == "":
		return noChip
	case strings.HasPrefix(c.words, noChip):
		return Plain(c.words)
	}
	return Plain(c.words) + ", by what the records say; what it holds is not in the package"
}

// chip is what the records of the package say of it.
func (v *verifier) chip() *chip {
	if v.excerpt != nil {
		return &v.excerpt.chip
	}
	return &v.recs.chip
}
