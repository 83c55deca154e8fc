// The check "signatures": which records are covered by which signed head, and by whose key.

package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Signed is what Verify found out about the signatures of a package. Where the check "signatures" failed it holds those that are
// right.
type Signed struct {
	Records uint64       // records 1 to this one are covered by a signed head; 0: nothing is signed
	Trusted uint64       // the same for heads that are signed by a key in Options.Trusted, or by one that such a key led to
	Keys    []SignedKey  // in the order in which the records name them
	Heads   []SignedHead // in ascending order of their size
}

// SignedKey is a key that the records of a package name.
type SignedKey struct {
	ID, Name   string
	Algorithm  string // Ed25519 or ECDSA-P256
	Protection string // software, tpm or secure_element, as the device declares
	Trusted    bool   // it stands in Options.Trusted, or one that does led to it; otherwise only the package says whose it is
	Via        string // which record led to it, in words; "" where it was given itself
	Revoked    string // which record revokes it, and what counts all the same; "" where none does
	Heads      int    // that are signed by it
	Records    uint64 // the last of them covers records 1 to this one
}

// SignedHead is a head whose signature is right and whose root is that of the records.
type SignedHead struct {
	File  string // its note
	Seq   uint64 // of its record; 0 where it only lies in notes/, as the last one does
	Size  uint64 // it covers records 1 to this one
	KeyID string
}

// checkSignatures holds notes/ and keys/ against the records, and the heads against the leaves of events.tsv.
func (v *verifier) checkSignatures() error {
	c, part := v.check("signatures"), v.excerpt != nil
	var records *signatures
	if part {
		records = &v.excerpt.signed
	} else {
		records = &v.recs.signed
	}
	h := &holder{root: v.root, tree: v.tree, signatures: records, part: part, fail: c.fail, leaves: v.leaves,
		origin: journal.Origin(v.text(record.DeviceID), v.text(record.JournalID))}
	h.checkKeys()
	heads, err := h.hold()
	if err != nil {
		return err
	}
	var device []keyMove
	if v.witness != nil && v.witness.unsound == "" {
		device = v.witness.keys.moves
	}
	t := follow(v.opt.Trusted, device, records.moves, v.witness.before, "the package")
	if t.conflict != "" {
		c.fail(0, "", "%s", t.conflict)
	}
	v.report.Signed = records.sum(heads, t)
	s := &v.report.Signed
	switch {
	case s.Trusted == 0 && len(v.opt.Trusted) > 0:
		hint := ""
		if v.opt.Device == "" {
			hint = "; a rotation may stand in the device journal, which was not given"
		}
		c.fail(0, "", "no head is signed by a key that was given, or that one led to%s; %s", hint, s.Words())
	case s.Records == 0:
		c.found("nothing is signed")
	case s.Records < v.head.N:
		c.found("%d heads; %s; records %d to %d are not signed", len(s.Heads), s.Words(), s.Records+1, v.head.N)
	default:
		c.found("%d heads; %s, which are all", len(s.Heads), s.Words())
	}
	return nil
}

// leaves calls fn with the leaf and the link of every record of events.tsv, as they are stated.
func (v *verifier) leaves(fn func(leaf, link journal.Hash)) error {
	if !v.tree.has(eventsName) {
		return nil
	}
	f, err := v.root.Open(eventsName)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := newLineReader(f); ; {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(ln.leaf, ln.link)
	}
}

// holder holds the signed heads of one journal against its leaves, and what lies in notes/ and keys/ against its records.
type holder struct {
	*signatures
	root   *os.Root
	tree   *tree
	origin string // of the journal's notes
	loose  bool   // notes of records need not lie in notes/, too
	part   bool   // bodies are left out, and with them what some notes say of their place
	fail   func(seq uint64, file, format string, args ...any)
	leaves func(fn func(leaf, link journal.Hash)) error
}

// hold returns the heads that are right, by size.
func (h *holder) hold() ([]signedHead, error) {
	heads, err := h.notes()
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	return h.roots(heads)
}

// checkKeys holds keys/ against the keys that the records name.
func (h *holder) checkKeys() {
	named := map[string]bool{}
	for i := range h.keys {
		k := &h.keys[i]
		name := keyName(k.id)
		named[name] = true
		if !h.tree.has(name) { // nor opened: it may be a pipe
			h.fail(k.from, name, "%s", h.tree.lacks(name))
			continue
		}
		switch data, err := readSmall(h.root, name, journal.MaxPEM); {
		case err != nil:
			h.fail(k.from, name, "%v", err)
		case string(data) != string(k.public.PEM()):
			h.fail(k.from, name, "it is not the key of the record")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.tree.files)) {
		if isKeyName(name) && !named[name] {
			h.fail(0, name, "no record names a key of its name")
		}
	}
}

// notes holds notes/ against the records, and takes in the notes that no record holds. It returns the heads of both, by size.
func (h *holder) notes() ([]signedHead, error) {
	recorded, heads := map[string]bool{}, slices.Clone(h.heads)
	for i := range h.heads {
		name := noteName(h.heads[i].size)
		recorded[name] = true
		if sum, ok := h.tree.files[name]; !ok && h.loose {
			continue
		} else if !ok {
			h.fail(h.heads[i].seq, name, "%s", h.tree.lacks(name))
		} else if sum != h.heads[i].digest {
			h.fail(h.heads[i].seq, name, "it is not the note of the record")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.tree.files)) {
		if !isNoteName(name) || recorded[name] {
			continue
		}
		data, err := readSmall(h.root, name, journal.MaxNote)
		if err != nil {
			return nil, err
		}
		head, why := h.beside(string(data))
		switch {
		case why != nil:
			h.fail(0, name, "%.300s", why)
		case noteName(head.size) != name || head.size == 0:
			h.fail(0, name, "its head covers records 1 to %d, which is not what its name says", head.size)
		case len(heads) == 2*maxNotes:
			h.fail(0, name, "it is one note more than the %d that are read", 2*maxNotes)
		default:
			heads = append(heads, head)
		}
	}
	slices.SortFunc(heads, func(a, b signedHead) int { return cmp.Compare(a.size, b.size) })
	return heads, nil
}

// beside reads and verifies a note that no record holds. It must be signed by a key that is in use at the end of the records, and in an
// extract, which may lack the record, by one that was in use behind the records that it covers.
func (h *holder) beside(text string) (head signedHead, err error) {
	n, err := journal.ReadNote(text)
	if err != nil {
		return head, err
	}
	for _, sig := range n.Signatures {
		at := h.find(sig.Name, sig.KeyID, 0)
		if stated, err := n.Head(); at < 0 && h.part && err == nil {
			at = h.find(sig.Name, sig.KeyID, stated.Size+1)
		}
		if at >= 0 {
			return h.read(text, h.origin, at)
		}
	}
	return head, fmt.Errorf("it is not signed by a key that the records name and that is in use")
}

// roots goes over the leaves and returns the heads whose root is that of the records.
func (h *holder) roots(heads []signedHead) (right []signedHead, err error) {
	var tree journal.Tree
	err = h.leaves(func(leaf, _ journal.Hash) {
		tree.Add(leaf)
		for len(heads) > 0 && heads[0].size == tree.Size() {
			if heads[0].root == tree.Root() {
				right = append(right, heads[0])
			} else {
				h.fail(heads[0].seq, noteName(heads[0].size), "records 1 to %d are not those that key %s has signed", heads[0].size,
					h.keys[heads[0].key].id)
			}
			heads = heads[1:]
		}
	})
	for i := range heads {
		h.fail(heads[i].seq, noteName(heads[i].size), "it covers records 1 to %d, and there are %d", heads[i].size, tree.Size())
	}
	return right, err
}

// sum tells which keys have signed what, and which of them the reader may take for the device's.
func (s *signatures) sum(heads []signedHead, t *trust) (out Signed) {
	limits := make([]uint64, len(s.keys))
	for i := range s.keys {
		k := &s.keys[i]
		to := SignedKey{ID: k.id, Name: Plain(k.name), Algorithm: k.public.Algorithm(), Protection: k.protection, Revoked: t.revoked(k.public)}
		if by := t.find(k.public); by != nil {
			to.Trusted, to.Via, limits[i] = true, by.via, by.limit
		}
		out.Keys = append(out.Keys, to)
	}
	for i := range heads {
		h, k := &heads[i], &out.Keys[heads[i].key]
		out.Heads = append(out.Heads, SignedHead{File: noteName(h.size), Seq: h.seq, Size: h.size, KeyID: k.ID})
		k.Heads++
		k.Records = max(k.Records, h.size)
		out.Records = max(out.Records, h.size)
		if k.Trusted && h.size <= limits[h.key] {
			out.Trusted = max(out.Trusted, h.size)
		}
	}
	return out
}

// Words says on one line what is signed and by whom: "no signature", or up to which record by which key, and whether anybody but
// the package says whose that is.
func (s *Signed) Words() string {
	if s.Records == 0 {
		return "no signature"
	}
	var words []string
	for i := range s.Keys {
		k := &s.Keys[i]
		if k.Heads == 0 {
			continue
		}
		whose := "which only the package itself says is that of " + k.Name
		switch {
		case k.Trusted && k.Via == "":
			whose = "which you gave"
		case k.Trusted:
			whose = k.Via
		}
		if k.Revoked != "" {
			whose += ", and which is " + k.Revoked
		}
		words = append(words, fmt.Sprintf("records 1 to %d are signed by %s key %s, %s", k.Records, k.Protection, k.ID, whose))
	}
	return strings.Join(words, "; ")
}

// proven says what signatures show where no check failed.
func (s *Signed) proven() (list []string) {
	for i := range s.Keys {
		if k := &s.Keys[i]; k.Heads > 0 && k.Revoked == "" {
			list = append(list, fmt.Sprintf("records 1 to %d are those that the owner of key %s has signed: "+
				"who has not that key cannot have changed them, added to them or left any out", k.Records, k.ID))
		}
	}
	return list
}

// notProven says what signatures leave open in a package of last records.
func (s *Signed) notProven(last uint64) (list []string) {
	if s.Records == 0 {
		return []string{"who made it: there is no signature"}
	}
	if s.Records < last {
		list = append(list, fmt.Sprintf("who made records %d to %d: the last signed head covers records 1 to %d", s.Records+1, last,
			s.Records))
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		if k.Heads > 0 && !k.Trusted {
			list = append(list, fmt.Sprintf("that key %s is that of %s: only the package says so; "+
				"compare %s with a key of which you know whose it is",
				k.ID, k.Name, keyName(k.ID)))
		}
		if k.Heads > 0 && k.Revoked != "" {
			list = append(list, fmt.Sprintf("that key %s has signed, and not whoever else may have it: it is %s", k.ID, k.Revoked))
		} else if k.Heads > 0 {
			list = append(list, fmt.Sprintf("that nobody else has key %s: its protection is %s, as the device declares", k.ID, k.Protection))
		}
	}
	return list
}
