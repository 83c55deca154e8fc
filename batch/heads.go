// The notes of signed heads: the key that signs, and what it has signed.

package batch

import "github.com/batchkit/batchkit/journal/record"

// SigningKey is the key that signs the heads of a journal, in the words of its record.
type SigningKey struct {
	ID, Name, Protection string
	Public               string // SPKI in DER, base64
}

// Fill gives a body the fields of the key; what became of it is for the caller to say.
func (k *SigningKey) Fill(b *record.Body) {
	b.Text(record.KeyID, k.ID)
	b.Text(record.KeyName, k.Name)
	b.Text(record.KeyProtection, k.Protection)
	b.Text(record.PublicKey, k.Public)
}

// AppendKey appends to dst the note that the heads of this journal are signed by a key from now on, as number seq. Like all of
// these it stands between inputs and changes nothing.
func (m *Machine) AppendKey(dst []byte, seq uint64, k *SigningKey) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	m.identify(record.KindKeyEvent, seq)
	m.body.Text(record.KeyState, "declared")
	k.Fill(&m.body)
	m.body.Text(record.OperatorID, m.b.Operator)
	return m.body.Append(dst)
}

// SignedHead is a head that was to be signed, and what became of it.
type SignedHead struct {
	Size      uint64 // records that it covers
	Milestone string // why
	Merged    int64  // milestones before, in whose place it stands
	Key       SigningKey
	Lag       int64  // ns from the last record that it covers until the signature was there
	Note      string // "" where the signer failed
	Fault     string // how
}

// Kind is that of its record.
func (h *SignedHead) Kind() record.Kind {
	if h.Note == "" {
		return record.KindHeadUnsigned
	}
	return record.KindHeadSigned
}

// Fill gives a body, which was begun with Kind, the fields of the head.
func (h *SignedHead) Fill(b *record.Body) {
	if h.Note != "" {
		b.Text(record.SignedNote, h.Note)
		b.Decimal(record.SignLagMS, h.Lag/1000, 3)
	} else {
		b.Text(record.Detail, Clean(h.Fault))
	}
	b.Count(record.HeadSize, h.Size)
	b.Text(record.Milestone, h.Milestone)
	b.Text(record.KeyID, h.Key.ID)
	b.Text(record.KeyName, h.Key.Name)
	if h.Merged > 0 {
		b.Count(record.Coalesced, uint64(h.Merged))
	}
}

// AppendHead appends to dst the note of a signed head, or of one that the signer could not sign, as number seq.
func (m *Machine) AppendHead(dst []byte, seq uint64, h *SignedHead) ([]byte, error) {
	m.stamp = m.keep.Stamp(m.st.Last)
	m.identify(h.Kind(), seq)
	h.Fill(&m.body)
	m.body.Text(record.OperatorID, m.b.Operator)
	return m.body.Append(dst)
}
