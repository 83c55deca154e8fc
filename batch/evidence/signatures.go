// What the records say of keys and signed heads, and how both are packed.

package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// signatures is what a pass over the records finds out about keys and signed heads. What is wrong with them goes to breach.
type signatures struct {
	breach func(check string, seq uint64, format string, args ...any)
	keys   []signingKey
	heads  []signedHead      // by size
	moves  []keyMove         // rotations and revocations, in their order
	texts  map[uint64]string // notes by size; nil where nobody wants them
}

// signingKey is a key that a record names.
type signingKey struct {
	id, name, protection string
	public               *journal.PublicKey
	from, to             uint64 // first record that may be signed with it; the last one, 0 while there is none
}

// signedHead is a head whose signature is right.
type signedHead struct {
	seq    uint64 // of its record, 0 where its note only lies in notes/
	size   uint64
	root   journal.Hash
	digest journal.Hash // SHA-256 of the note
	key    int          // place of its key in keys
}

// add takes in what a record says of keys and heads, if it does.
func (s *signatures) add(n uint64, rec *record.Record) {
	switch rec.Kind {
	case record.KindKeyEvent:
		s.key(n, rec)
	case record.KindHeadSigned:
		s.head(n, rec)
	}
}

// find returns the place of the key with that name and id that may sign at record n; n is 0 for what follows the last record.
func (s *signatures) find(name, id string, n uint64) int {
	return slices.IndexFunc(s.keys, func(k signingKey) bool {
		return k.name == name && k.id == id && (k.to == 0 || n != 0 && n <= k.to)
	})
}

// key takes in a record that says what has become of a key.
func (s *signatures) key(n uint64, rec *record.Record) {
	k := signingKey{id: rec.Text(record.KeyID), name: rec.Text(record.KeyName), protection: rec.Text(record.KeyProtection), from: n}
	der, err := base64.StdEncoding.Strict().DecodeString(rec.Text(record.PublicKey))
	if err == nil {
		k.public, err = journal.ParsePublicKey(der)
	}
	_, known := journal.ParseProtection(k.protection)
	switch {
	case err != nil:
		s.breach("signatures", n, "its public key cannot be read: %.200s", err)
	case k.public.ID(k.name) != k.id:
		s.breach("signatures", n, "its public key has the id %s under the name %.64q, and not %.64q", k.public.ID(k.name), k.name, k.id)
	case !known:
		s.breach("signatures", n, "%.64q is no protection of a key", k.protection)
	case len(s.keys) == maxKeys:
		s.breach("signatures", n, "the records name more than %d keys", maxKeys)
	default:
		s.become(n, rec, k)
	}
}

// become takes in the new state of a key. A declared key signs; it may be declared again at every boot.
func (s *signatures) become(n uint64, rec *record.Record, k signingKey) {
	state := journal.KeyState(rec.Text(record.KeyState))
	at := s.find(k.name, k.id, n)
	if at >= 0 && !s.keys[at].public.Equal(k.public) {
		s.breach("signatures", n, "another key has the name %.64q and the id %s", k.name, k.id)
		return
	}
	old := -1
	if id := rec.Text(record.OldValue); id != "" {
		old = slices.IndexFunc(s.keys, func(o signingKey) bool { return o.id == id && o.to == 0 })
	}
	switch state {
	case journal.KeyDeclared:
	case journal.KeyProvisioned, journal.KeyRevoked:
		old = -1
	case journal.KeyRotated:
		if old < 0 {
			s.breach("signatures", n, "it takes the place of %.64q, which is no key in use", rec.Text(record.OldValue))
			return
		}
	default:
		s.breach("signatures", n, "%.64q is no state of a key", state)
		return
	}
	if why := s.statement(rec, state, &k, old); why != nil {
		s.breach("signatures", n, "key %s is %s: %.300s", k.id, state, why)
		return
	}
	switch {
	case state == journal.KeyRevoked && at < 0:
		s.breach("signatures", n, "key %s is revoked and was not in use", k.id)
		return
	case state == journal.KeyRevoked:
		s.keys[at].to = n
		s.moves = append(s.moves, keyMove{seq: n, old: s.keys[at].public, oldID: k.id})
		return
	case state == journal.KeyRotated:
		s.keys[old].to = n
		s.moves = append(s.moves, keyMove{seq: n, old: s.keys[old].public, to: k.public, oldID: s.keys[old].id, id: k.id})
	}
	if at < 0 {
		s.keys = append(s.keys, k)
	}
}

// statement verifies the note of a key event. One that only declares which key signs needs none, nor does a revocation: a key that
// is lost cannot sign it.
func (s *signatures) statement(rec *record.Record, state journal.KeyState, k *signingKey, old int) error {
	text := rec.Text(record.SignedNote)
	if text == "" && (state == journal.KeyDeclared || state == journal.KeyRevoked) {
		return nil
	}
	n, err := journal.ReadNote(text)
	if err != nil {
		return err
	}
	var before *journal.PublicKey
	name := ""
	if old >= 0 {
		before, name = s.keys[old].public, s.keys[old].name
	}
	origin := journal.Origin(rec.Text(record.DeviceID), rec.Text(record.JournalID))
	return journal.CheckKeyEvent(n, origin, state, k.name, k.public, name, before)
}

// head takes in the record of a signed head.
func (s *signatures) head(n uint64, rec *record.Record) {
	text := rec.Text(record.SignedNote)
	origin := journal.Origin(rec.Text(record.DeviceID), rec.Text(record.JournalID))
	at := s.find(rec.Text(record.KeyName), rec.Text(record.KeyID), n)
	if at < 0 {
		s.breach("signatures", n, "its head is signed by key %.64q %.64q, which no record before it has declared, or which was given up",
			rec.Text(record.KeyName), rec.Text(record.KeyID))
		return
	}
	h, err := s.read(text, origin, at)
	switch {
	case err != nil:
		s.breach("signatures", n, "the note of its signed head: %.300s", err)
		return
	case h.size != rec.Count(record.HeadSize) || h.size >= n || h.size == 0:
		s.breach("signatures", n, "its head covers records 1 to %d, head_size is %d, and it must cover some that stand before it", h.size,
			rec.Count(record.HeadSize))
		return
	case len(s.heads) > 0 && h.size <= s.heads[len(s.heads)-1].size:
		s.breach("signatures", n, "its head covers records 1 to %d, the one before it covers as many", h.size)
		return
	case len(s.heads) == maxNotes:
		s.breach("signatures", n, "it is the note of one signed head more than the %d that are read", maxNotes)
		return
	}
	h.seq = n
	s.heads = append(s.heads, h)
	if s.texts != nil {
		s.texts[h.size] = text
	}
}

// read reads and verifies the note of a head of a journal, signed by one of the keys.
func (s *signatures) read(text, origin string, key int) (h signedHead, err error) {
	n, err := journal.ReadNote(text)
	if err != nil {
		return h, err
	}
	head, err := n.Head()
	if err != nil {
		return h, err
	}
	if head.Origin != origin {
		return h, fmt.Errorf("it is that of %.80q, and this is %.80q", head.Origin, origin)
	}
	h = signedHead{size: head.Size, root: head.Root, key: key, digest: sha256.Sum256([]byte(text))}
	return h, n.Verify(s.keys[key].name, s.keys[key].public)
}

// signatures writes the notes and the keys of the records to where they lie in a package.
func (p *packer) signatures(s *signatures) error {
	if len(s.keys) > 0 {
		if err := p.root.MkdirAll(keysDir, 0o750); err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		for i := range s.keys {
			if err := replace(p.root, keyName(s.keys[i].id), s.keys[i].public.PEM()); err != nil {
				return err
			}
		}
		if err := syncDirs(p.root, keysDir); err != nil {
			return err
		}
	}
	if len(s.heads) == 0 {
		return nil
	}
	if err := p.root.MkdirAll(notesDir, 0o750); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	for i := range s.heads {
		if size := s.heads[i].size; !p.isNote(size, s.texts[size]) {
			if err := replace(p.root, noteName(size), []byte(s.texts[size])); err != nil {
				return err
			}
		}
	}
	return syncDirs(p.root, notesDir)
}

// isNote tells whether the note of a head lies there already, byte for byte.
func (p *packer) isNote(size uint64, text string) bool {
	if !HasNote(p.dir, size) { // nor opened: it may be a pipe
		return false
	}
	data, err := readSmall(p.root, noteName(size), journal.MaxNote)
	return err == nil && string(data) == text
}

// proven and notProven are what signatures can show as far as the records alone say, which is what a manifest may say.
func (s *signatures) proven() []string {
	if len(s.keys) == 0 {
		return nil
	}
	return []string{"each head in notes/ is signed by the key in keys/ that it names, and is the head of the records up to its size"}
}

func (s *signatures) notProven() []string {
	if len(s.keys) == 0 {
		return []string{"who made it: there is no signature"}
	}
	var names []string
	for i := range s.keys {
		names = append(names, s.keys[i].words())
	}
	return []string{"who made it: heads are signed by " + strings.Join(names, ", ") + ", and keys/ comes with the package; " +
		"compare it with a key of which you know whose it is"}
}

func (k *signingKey) words() string {
	return fmt.Sprintf("key %s %.128s (%s)", k.id, k.name, k.protection)
}
