// Signed heads and statements of keys: C2SP signed notes, made, read without trust, and verified.

package journal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxNote is the largest note that is read, in bytes.
const MaxNote = 16 << 10

// maxSignatures is how many signatures a note may have.
const maxSignatures = 16

// ErrNote is wrapped by every refusal of a note.
var ErrNote = errors.New("journal: note refused")

// Head is the head of a tree: what a signed head states, as a C2SP checkpoint without extension lines.
type Head struct {
	Origin string // whose: <device_id>/<journal_id>
	Size   uint64 // number of records
	Root   Hash   // of the Tree over their leaves
}

// Origin is the first line of the notes of a journal. A device id has 1 to 128 visible ASCII characters without '+', a journal id
// is as in Header.
func Origin(deviceID, journalID string) string { return deviceID + "/" + journalID }

// Text is what is signed: three lines, each ended by LF: origin, size in decimal, root in base64.
func (h *Head) Text() string {
	return h.Origin + "\n" + strconv.FormatUint(h.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(h.Root[:]) + "\n"
}

// SignHead signs a head and returns the note. It blocks for as long as the signer does. An origin that Origin does not make of a
// device and a journal id is refused with ErrNote; an error of the signer is returned as it is, in words that name the key.
func SignHead(k *Key, h *Head) (string, error) {
	if err := checkOrigin(h.Origin); err != nil {
		return "", err
	}
	return sign(h.Text(), k)
}

func sign(text string, keys ...*Key) (string, error) {
	signers := make([]note.Signer, len(keys))
	for i, k := range keys {
		signers[i] = signer{k}
	}
	out, err := note.Sign(&note.Note{Text: text}, signers...)
	return string(out), err
}

// checkOrigin takes the journal id from behind the last slash, since an id has none: no origin can be read as another journal's.
func checkOrigin(origin string) error {
	at := strings.LastIndexByte(origin, '/')
	if at < 0 || !isKeyName(origin[:at]) || !validID(origin[at+1:]) {
		return fmt.Errorf("%w: %.80q is no origin <device>/<journal id>", ErrNote, origin)
	}
	return nil
}

// SignedNote is a note that was read: a text, and who is said to have signed it. Nothing of it is proven before Verify.
type SignedNote struct {
	// Text is what was signed.
	Text string
	// Signatures are 1 to 16, in their order.
	Signatures []Signature
	raw        string
}

// Signature names the key of a signature.
type Signature struct{ Name, KeyID string }

// ReadNote reads a note from whoever wrote it. What is too large, or not byte for byte in the one form that a note has, is refused
// with ErrNote.
func ReadNote(raw string) (*SignedNote, error) {
	if len(raw) > MaxNote {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrNote, len(raw), MaxNote)
	}
	_, err := note.Open([]byte(raw), nil)
	var read *note.UnverifiedNoteError
	if !errors.As(err, &read) {
		return nil, fmt.Errorf("%w: it is no signed note", ErrNote)
	}
	n := &SignedNote{Text: read.Note.Text, raw: raw}
	again := n.Text + "\n"
	for _, s := range read.Note.UnverifiedSigs {
		sig, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
		if err != nil || !isKeyName(s.Name) || base64.StdEncoding.EncodeToString(sig) != s.Base64 {
			return nil, fmt.Errorf("%w: a signature is not in the one form that it has", ErrNote)
		}
		again += "— " + s.Name + " " + s.Base64 + "\n"
		n.Signatures = append(n.Signatures, Signature{s.Name, fmt.Sprintf("%08x", s.Hash)})
	}
	if again != raw || len(n.Signatures) > maxSignatures {
		return nil, fmt.Errorf("%w: a signature stands twice, or there are more than %d", ErrNote, maxSignatures)
	}
	return n, nil
}

// Verify returns nil if the note has a signature by the key under that name, and it is right. Signatures by others do not matter.
// What it proves is the text: who has a P-256 signature can make a second one of the same text from it, without the key.
func (n *SignedNote) Verify(name string, key *PublicKey) error {
	_, err := note.Open([]byte(n.raw), note.VerifierList(verifier{name, key}))
	var wrong *note.InvalidSignatureError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: the signature of key %s %s is wrong", ErrNote, name, key.ID(name))
	case err != nil:
		return fmt.Errorf("%w: it has no signature by key %s %s", ErrNote, name, key.ID(name))
	}
	return nil
}

// verifier is a public key under a name, as package note takes it.
type verifier struct {
	name string
	key  *PublicKey
}

func (v verifier) Name() string                 { return v.name }
func (v verifier) KeyHash() uint32              { return v.key.hash(v.name) }
func (v verifier) Verify(text, sig []byte) bool { return v.key.verify(text, sig) }

// Head returns the head that the note states. A text that is not that of a Head, byte for byte, is refused with ErrNote.
func (n *SignedNote) Head() (Head, error) {
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || checkOrigin(lines[0]) != nil {
		return Head{}, fmt.Errorf("%w: its text is not the three lines of a head", ErrNote)
	}
	h := Head{Origin: lines[0]}
	var err error
	if h.Size, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return Head{}, fmt.Errorf("%w: its size is no number", ErrNote)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(h.Root) {
		return Head{}, fmt.Errorf("%w: its root is no SHA-256 in base64", ErrNote)
	}
	h.Root = Hash(root)
	if h.Text() != n.Text {
		return Head{}, fmt.Errorf("%w: its lines are not in the one form that they have", ErrNote)
	}
	return h, nil
}

// KeyState is what has become of a key.
type KeyState string

// The states of a key, as records spell them.
const (
	KeyDeclared    KeyState = "declared"    // the heads that follow are signed with it
	KeyProvisioned KeyState = "provisioned" // the device has it now, and had none
	KeyRotated     KeyState = "rotated"     // it takes the place of another
	KeyRevoked     KeyState = "revoked"     // nothing that it signs from now on counts
)

// keyStatement is the text that says what has become of a key. Its second line begins with a word, so it is never taken for a head.
func keyStatement(origin string, state KeyState, key, old *PublicKey) string {
	text := origin + "\nkey " + string(state) + "\n" + base64.StdEncoding.EncodeToString(key.SPKI()) + "\n"
	if old != nil {
		text += "instead of " + base64.StdEncoding.EncodeToString(old.SPKI()) + "\n"
	}
	return text
}

// checkState refuses what is no state of a key, and one that says nothing of an old key, or must, where it is the other way round.
func checkState(state KeyState, old bool) error {
	switch state {
	case KeyDeclared, KeyProvisioned, KeyRotated, KeyRevoked:
		if (state == KeyRotated) == old {
			return nil
		}
		return fmt.Errorf("%w: a key that is %s: an old key signs where a key is rotated, and nowhere else", ErrNote, state)
	}
	return fmt.Errorf("%w: %.40q is no state of a key", ErrNote, state)
}

// SignKeyEvent returns the note that says what has become of a key in a journal. It is signed by the key, which shows that whoever
// says so has it, and where it takes the place of an old one by that, too, which shows that its owner agrees. Old is nil for any
// other state than KeyRotated. A key that is lost cannot be rotated: another one is provisioned.
func SignKeyEvent(origin string, state KeyState, key, old *Key) (string, error) {
	if err := checkOrigin(origin); err != nil {
		return "", err
	}
	if err := checkState(state, old != nil); err != nil {
		return "", err
	}
	if old == nil {
		return sign(keyStatement(origin, state, key.public, nil), key)
	}
	return sign(keyStatement(origin, state, key.public, old.public), old, key)
}

// CheckKeyEvent verifies a note that SignKeyEvent made: that it says this, of these keys under these names, and that both have
// signed. Old is nil where there is none.
func CheckKeyEvent(n *SignedNote, origin string, state KeyState, name string, key *PublicKey,
	oldName string, old *PublicKey) error {
	if err := checkState(state, old != nil); err != nil {
		return err
	}
	if n.Text != keyStatement(origin, state, key, old) {
		return fmt.Errorf("%w: it does not say that the key is %s in %s", ErrNote, state, origin)
	}
	if old != nil {
		if err := n.Verify(oldName, old); err != nil {
			return err
		}
	}
	return n.Verify(name, key)
}
