// Trust across rotation: from a key that the reader knows to those that took its place, until one is revoked.

package evidence

import (
	"fmt"
	"math"
	"slices"

	"github.com/batchkit/batchkit/journal"
)

// keyMove is a key event that ends a key: another one takes its place, which both have signed, or it is revoked.
type keyMove struct {
	seq       uint64
	old, to   *journal.PublicKey // to is nil where the old one is revoked
	oldID, id string
}

// trust is which keys the reader may take for those of the device, and why.
type trust struct {
	keys     []trustedKey
	ended    []endedKey
	conflict string // two journals name different successors of one key; "" where they do not
}

// trustedKey is a key that was given, or that one which was given led to.
type trustedKey struct {
	public *journal.PublicKey
	via    string // which record led to it; "" where it was given
	limit  uint64 // last record of the package that it may vouch for
}

// endedKey is a key that is revoked. There is no way back for it: what declares it again may be of whoever has it.
type endedKey struct {
	public     *journal.PublicKey
	seq, limit uint64 // of the record that revokes it; last record of the package that it may vouch for
	own        bool   // the package revokes it, and not the device journal
}

// follow goes from the keys that were given to those that took their places, by the key events of the device journal and of the package.
// What a revoked key has signed counts as far as the device journal has anchored it before the revocation: whatever else bears its
// signature may have been made since, by whoever has it. Before tells how far that is; nil where there is no device journal. What the
// records themselves revoke counts as far as the record before that. Whose says in words whose they are.
func follow(given []*journal.PublicKey, device, own []keyMove, before func(seq uint64) uint64, whose string) *trust {
	t := &trust{}
	for i := range device {
		if m := &device[i]; m.to == nil && before != nil {
			t.ended = append(t.ended, endedKey{m.old, m.seq, before(m.seq), false})
		}
	}
	for i := range own {
		if m := &own[i]; m.to == nil {
			t.ended = append(t.ended, endedKey{m.old, m.seq, m.seq - 1, true})
		}
	}
	for _, k := range given {
		t.add(k, "")
	}
	for known := -1; known < len(t.keys); {
		known = len(t.keys)
		for i := range device {
			if m := &device[i]; !t.endedBefore(m.old, m.seq) {
				t.move(m, 0, "the device journal")
			}
		}
		for i := range own {
			t.move(&own[i], own[i].seq, whose)
		}
	}
	for i := range own {
		m := &own[i]
		at := slices.IndexFunc(device, func(d keyMove) bool { return d.to != nil && d.old.Equal(m.old) })
		same := slices.ContainsFunc(device, func(d keyMove) bool { return d.to != nil && d.old.Equal(m.old) && d.to.Equal(m.to) })
		if m.to != nil && at >= 0 && !same {
			t.conflict = fmt.Sprintf("key %s takes the place of key %s in record %d, and key %s does in record %d of the device journal", m.id,
				m.oldID, m.seq, device[at].id, device[at].seq)
		}
	}
	return t
}

// move takes in that a key took the place of another. In the package that counts as far as the old key may vouch for records, so needs is
// the number of its record there; in the device journal it counts unless the old key was revoked before, and needs is 0.
func (t *trust) move(m *keyMove, needs uint64, where string) {
	if m.to == nil || t.find(m.to) != nil {
		return
	}
	if by := t.find(m.old); by != nil && needs <= by.limit {
		t.add(m.to, fmt.Sprintf("which record %d of %s puts in the place of key %s, signed by both", m.seq, where, m.oldID))
	}
}

func (t *trust) add(k *journal.PublicKey, via string) {
	to := trustedKey{k, via, math.MaxUint64}
	for i := range t.ended {
		if t.ended[i].public.Equal(k) {
			to.limit = min(to.limit, t.ended[i].limit)
		}
	}
	t.keys = append(t.keys, to)
}

// endedBefore tells whether the device journal revokes a key before its record seq.
func (t *trust) endedBefore(k *journal.PublicKey, seq uint64) bool {
	return slices.ContainsFunc(t.ended, func(e endedKey) bool { return !e.own && e.seq < seq && e.public.Equal(k) })
}

// find returns what is known of a key; nil where the reader may not take it for the device's.
func (t *trust) find(k *journal.PublicKey) *trustedKey {
	i := slices.IndexFunc(t.keys, func(known trustedKey) bool { return known.public.Equal(k) })
	if i < 0 {
		return nil
	}
	return &t.keys[i]
}

// revoked says in words that a key is revoked, and how far it counts; "" where it is not.
func (t *trust) revoked(k *journal.PublicKey) string {
	i := slices.IndexFunc(t.ended, func(e endedKey) bool { return e.public.Equal(k) })
	if i < 0 {
		return ""
	}
	if t.ended[i].own {
		return fmt.Sprintf("revoked by record %d, and signs nothing that counts from there on", t.ended[i].seq)
	}
	if t.ended[i].limit == 0 {
		return fmt.Sprintf("revoked by record %d of the device journal, before which it has anchored nothing of this package", t.ended[i].seq)
	}
	return fmt.Sprintf("revoked by record %d of the device journal, before which it has anchored records 1 to %d", t.ended[i].seq,
		t.ended[i].limit)
}
