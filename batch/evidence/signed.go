// The check "signatures": which records are covered by which signed head, and by whose key.

package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Signed is what Verify found out about the signatures of a package. Where the check "signatures" failed it holds those that are
// right.
type Signed struct {
	Records uint64       // records 1 to this one are covered by a signed head; 0: nothing is signed
	Trusted uint64       // the same for heads that are signed by a key that was given to VerifyTrusting
	Keys    []SignedKey  // in the order in which the records name them
	Heads   []SignedHead // in ascending order of their size
}

// SignedKey is a key that the records of a package name.
type SignedKey struct {
	ID, Name   string
	Algorithm  string // Ed25519 or ECDSA-P256
	Protection string // software, tpm or secure_element, as the device declares
	Trusted    bool   // it was given to VerifyTrusting; otherwise only the package says whose it is
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
	c := v.check("signatures")
	v.checkKeys(c)
	heads, err := v.notes(c)
	if err != nil {
		return err
	}
	if heads, err = v.roots(c, heads); err != nil {
		return err
	}
	v.sum(heads)
	s := &v.report.Signed
	switch {
	case s.Trusted == 0 && len(v.trusted) > 0:
		c.fail(0, "", "no head is signed by a key that was given; %s", s.Words())
	case s.Records == 0:
		c.found("nothing is signed")
	case s.Records < v.head.N:
		c.found("%d heads; %s; records %d to %d are not signed", len(s.Heads), s.Words(), s.Records+1, v.head.N)
	default:
		c.found("%d heads; %s, which are all", len(s.Heads), s.Words())
	}
	return nil
}

// checkKeys holds keys/ against the keys that the records name.
func (v *verifier) checkKeys(c *Check) {
	named := map[string]bool{}
	for i := range v.recs.signed.keys {
		k := &v.recs.signed.keys[i]
		name := keyName(k.id)
		named[name] = true
		if !v.tree.has(name) { // nor opened: it may be a pipe
			c.fail(k.from, name, "%s", v.tree.lacks(name))
			continue
		}
		switch data, err := readSmall(v.root, name, journal.MaxPEM); {
		case err != nil:
			c.fail(k.from, name, "%v", err)
		case string(data) != string(k.public.PEM()):
			c.fail(k.from, name, "it is not the key of the record")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		if isKeyName(name) && !named[name] {
			c.fail(0, name, "no record names a key of its name")
		}
	}
}

// notes holds notes/ against the records, and takes in the notes that no record holds. It returns the heads of both, by size.
func (v *verifier) notes(c *Check) ([]signedHead, error) {
	s := &v.recs.signed
	recorded, heads := map[string]bool{}, slices.Clone(s.heads)
	for i := range s.heads {
		h := &s.heads[i]
		name := noteName(h.size)
		recorded[name] = true
		if sum, ok := v.tree.files[name]; !ok {
			c.fail(h.seq, name, "%s", v.tree.lacks(name))
		} else if sum != h.digest {
			c.fail(h.seq, name, "it is not the note of the record")
		}
	}
	origin := journal.Origin(v.recs.text(record.DeviceID), v.recs.text(record.JournalID))
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		if !isNoteName(name) || recorded[name] {
			continue
		}
		data, err := readSmall(v.root, name, journal.MaxNote)
		if err != nil {
			return nil, err
		}
		h, why := s.beside(string(data), origin)
		switch {
		case why != nil:
			c.fail(0, name, "%.300s", why)
		case noteName(h.size) != name || h.size == 0:
			c.fail(0, name, "its head covers records 1 to %d, which is not what its name says", h.size)
		case len(heads) == 2*maxNotes:
			c.fail(0, name, "it is one note more than the %d that are read", 2*maxNotes)
		default:
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, func(a, b signedHead) int { return cmp.Compare(a.size, b.size) })
	return heads, nil
}

// beside reads and verifies a note that no record holds. It must be signed by a key that is in use at the end of the records.
func (s *signatures) beside(text, origin string) (h signedHead, err error) {
	n, err := journal.ReadNote(text)
	if err != nil {
		return h, err
	}
	for _, sig := range n.Signatures {
		if at := s.find(sig.Name, sig.KeyID, 0); at >= 0 {
			return s.read(text, origin, at)
		}
	}
	return h, fmt.Errorf("it is not signed by a key that the records name and that is in use")
}

// roots goes over the leaves of events.tsv and returns the heads whose root is that of the records.
func (v *verifier) roots(c *Check, heads []signedHead) (right []signedHead, err error) {
	if len(heads) == 0 || !v.tree.has(eventsName) {
		return nil, nil
	}
	f, err := v.root.Open(eventsName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var tree journal.Tree
	for lines := newLineReader(f); len(heads) > 0; {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		tree.Add(ln.leaf)
		for len(heads) > 0 && heads[0].size == tree.Size() {
			if heads[0].root == tree.Root() {
				right = append(right, heads[0])
			} else {
				c.fail(heads[0].seq, noteName(heads[0].size), "records 1 to %d are not those that key %s has signed", heads[0].size,
					v.recs.signed.keys[heads[0].key].id)
			}
			heads = heads[1:]
		}
	}
	for i := range heads {
		c.fail(heads[i].seq, noteName(heads[i].size), "it covers records 1 to %d, and there are %d", heads[i].size, tree.Size())
	}
	return right, nil
}

// sum puts into the report which keys have signed what.
func (v *verifier) sum(heads []signedHead) {
	s := &v.report.Signed
	for i := range v.recs.signed.keys {
		k := &v.recs.signed.keys[i]
		s.Keys = append(s.Keys, SignedKey{ID: k.id, Name: Plain(k.name), Algorithm: k.public.Algorithm(), Protection: k.protection,
			Trusted: slices.ContainsFunc(v.trusted, k.public.Equal)})
	}
	for i := range heads {
		h, k := &heads[i], &s.Keys[heads[i].key]
		s.Heads = append(s.Heads, SignedHead{File: noteName(h.size), Seq: h.seq, Size: h.size, KeyID: k.ID})
		k.Heads++
		k.Records = max(k.Records, h.size)
		s.Records = max(s.Records, h.size)
		if k.Trusted {
			s.Trusted = max(s.Trusted, h.size)
		}
	}
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
		if k.Trusted {
			whose = "which you gave"
		}
		words = append(words, fmt.Sprintf("records 1 to %d are signed by %s key %s, %s", k.Records, k.Protection, k.ID, whose))
	}
	return strings.Join(words, "; ")
}

// proven says what signatures show where no check failed.
func (s *Signed) proven() (list []string) {
	for i := range s.Keys {
		if k := &s.Keys[i]; k.Heads > 0 {
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
		if k.Heads > 0 {
			list = append(list, fmt.Sprintf("that nobody else has key %s: its protection is %s, as the device declares", k.ID, k.Protection))
		}
	}
	return list
}
