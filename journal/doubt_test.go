// Small doubts about notes, keys and anchors, each as a claim.

package journal

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARotationThatOnlyTheOldKeyHasSignedIsNone(t *testing.T) {
	old, k := edKey(t, 1), edKey(t, 2)
	raw, err := sign(keyStatement("a/J", KeyRotated, k.public, old.public), old)
	require.NoError(t, err)
	n, err := ReadNote(raw)
	require.NoError(t, err)
	require.ErrorIs(t, CheckKeyEvent(n, "a/J", KeyRotated, device, k.public, device, old.public), ErrNote)
}

func TestLimitsOfKeysAndNotes(t *testing.T) {
	k := edKey(t, 1).public
	require.False(t, k.Equal(nil))
	_, err := NewKey(strings.Repeat("a", 128), Software, ed25519.NewKeyFromSeed(make([]byte, 32)))
	require.NoError(t, err)
	text := string(k.PEM())
	_, err = ParsePEM([]byte(text + strings.Repeat("\n", MaxPEM-len(text))))
	require.NoError(t, err)
	_, err = ParsePEM([]byte(text + strings.Repeat("\n", MaxPEM-len(text)+1)))
	require.ErrorIs(t, err, ErrKey)
	_, err = ReadNote("a/b\n1\n\n\u2014 \u00e4 AAAAAAA=\n")
	require.ErrorIs(t, err, ErrNote, "a name that is not ASCII")
}

func TestTheVerdictOfAnAnchor(t *testing.T) {
	head := Chain{N: 2, Link: Leaf([]byte("link"))}
	rec := Recovery{JournalID: "J", Outcome: Clean, Head: head, Epoch: 2, Segment: 2}
	at := func(epoch, segment uint32, n uint64) mark {
		return mark{generation: 1, epoch: epoch, segment: segment, at: Chain{N: n}}
	}
	later := []ringed{{seq: 4, body: []byte("x")}}
	for _, c := range []struct {
		change func(r *Recovery, m *memory)
		want   Outcome
		anchor AnchorState
		reason string
	}{
		{func(*Recovery, *memory) {}, Clean, AnchorHeld, ""},
		{func(_ *Recovery, m *memory) { m.mark = at(3, 2, 2) }, TailLost, AnchorHeld, "an older copy"},
		{func(_ *Recovery, m *memory) { m.mark = at(2, 3, 2) }, TailLost, AnchorHeld, "an older copy"},
		{func(_ *Recovery, m *memory) { m.mark = at(2, 2, 3) }, TailLost, AnchorHeld, "had acknowledged record 3"},
		{func(_ *Recovery, m *memory) { m.records = later }, TailLost, AnchorHeld, "record 3 is neither there nor on the disk"},
		{func(r *Recovery, m *memory) { r.JournalID, m.records = "K", later }, Clean, AnchorNone, ""},
		{func(r *Recovery, m *memory) { r.Outcome, m.records = Damaged, later }, Damaged, AnchorHeld, ""},
		{func(r *Recovery, m *memory) { r.Outcome, m.records = Foreign, later }, Foreign, AnchorHeld, ""},
		{func(_ *Recovery, m *memory) { m.ring = ringOf(head, 2, []byte("y"))[ringHead:] }, TailLost, AnchorHeld, "cells of it are damaged"},
		{func(_ *Recovery, m *memory) { m.ring = ringOf(head, 1, []byte("y"))[ringHead:] }, Clean, AnchorHeld, ""},
	} {
		m := &memory{id: "J", state: AnchorHeld, mark: at(2, 2, 2), links: map[uint64]Hash{}}
		r := reader{rec: found{Recovery: rec, memory: m}}
		c.change(&r.rec.Recovery, m)
		require.NoError(t, r.hold())
		require.Equal(t, c.want, r.rec.Outcome, c.reason)
		require.Equal(t, c.anchor, r.rec.Anchor)
		require.Contains(t, r.rec.Reason, c.reason)
	}
}
