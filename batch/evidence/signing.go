// Signing heads: what a run and a device journal do alike, in the words of their records.

package evidence

import (
	"encoding/base64"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
)

// KeyWords gives a key in the words of its record.
func KeyWords(k *journal.Key) batch.SigningKey {
	return batch.SigningKey{ID: k.ID(), Name: k.Name(), Protection: k.Protection().String(),
		Public: base64.StdEncoding.EncodeToString(k.Public().SPKI())}
}

// SignHead signs a head and returns what there is to record: the note, or how the signer failed. One that panics has failed. The
// caller adds Lag and Merged. It blocks for as long as the signer does.
func SignHead(k *journal.Key, h *journal.Head, milestone string) (s batch.SignedHead) {
	s = batch.SignedHead{Size: h.Size, Milestone: milestone, Key: KeyWords(k)}
	defer func() {
		if p := recover(); p != nil {
			s.Note, s.Fault = "", fmt.Sprintf("panic: %v", p)
		}
	}()
	var err error
	if s.Note, err = journal.SignHead(k, h); err != nil {
		s.Note, s.Fault = "", err.Error()
	}
	return s
}
