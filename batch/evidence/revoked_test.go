// A key that was revoked has no way back: not by a declaration, not by a rotation that whoever has it signs.

package evidence

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// redeclared says that a key signs, which needs no note.
func (d *deviceLog) redeclared(k *journal.Key) *deviceLog {
	return d.add(record.KindKeyEvent, func(b *record.Body) { fillKey(b, journal.KeyDeclared, k, nil, "") })
}

func TestARevokedKeyLeadsToNoOtherHoweverItComesBack(t *testing.T) {
	k, thief := edKey(t, 1), edKey(t, 2)
	dir := signedRun(t, thief, true)
	last := uint64(len(bodies(t, slurp(t, dir, eventsName))))
	for name, back := range map[string]func(d *deviceLog) *deviceLog{
		"declared":    func(d *deviceLog) *deviceLog { return d.redeclared(k) },
		"provisioned": func(d *deviceLog) *deviceLog { return d.key(journal.KeyProvisioned, k, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeviceLog(t).key(journal.KeyProvisioned, k, nil).key(journal.KeyRevoked, k, nil)
			rep := trusting(t, dir, back(d).key(journal.KeyRotated, thief, k).anchor(dir, last).done(), k)
			require.False(t, rep.OK(), rep.Verdict())
			require.Zero(t, rep.Signed.Trusted)
			require.Empty(t, rep.Proven)
		})
	}
}

func TestWhatARevokedKeySignsInTheDeviceJournalIsNotTrusted(t *testing.T) {
	k, thief := edKey(t, 1), edKey(t, 2)
	dir := packed(t, "B-0001", approved{})
	last := uint64(len(bodies(t, slurp(t, dir, eventsName))))
	signed := newDeviceLog(t).key(journal.KeyProvisioned, k, nil).anchor(dir, last).sign(k)
	device := signed.key(journal.KeyRevoked, k, nil).redeclared(k).sign(k).key(journal.KeyRotated, thief, k).sign(thief).done()
	rep, err := VerifyWith(dir, &Options{Trusted: []*journal.PublicKey{k.Public()}, Device: device})
	require.NoError(t, err)
	require.Equal(t, uint64(2), rep.Anchored.Signed.Trusted, "what it signed before counts")
	require.Contains(t, found(rep, "anchors").Detail, "and which is revoked by record 4, and signs nothing that counts from there on")
	require.Contains(t, found(rep, "anchors").Detail, "key "+thief.ID()+", which only the package itself says")
}

func TestWhatARevokedKeySignsInTheBatchsJournalIsNotTrusted(t *testing.T) {
	k := edKey(t, 1)
	dir, b := t.TempDir(), tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	words := wordsOf(k)
	r.append(r.m.AppendKey(nil, r.next, &words))
	r.rounds(0, 5)
	r.sign(dir, k)
	r.rounds(5, 8)
	r.key(k, func(f map[string]any) { f["key_state"] = string(journal.KeyRevoked) })
	r.key(k, func(map[string]any) {})
	r.sign(dir, k)
	r.rounds(8, 200)
	r.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	rep := trusting(t, dir, "", k)
	require.Len(t, rep.Signed.Heads, 2)
	require.Equal(t, rep.Signed.Heads[0].Size, rep.Signed.Trusted)
	require.Contains(t, rep.Verdict(), "which you gave, and which is revoked by record ")
	for _, words := range rep.Proven {
		require.NotContains(t, words, "the owner of key "+k.ID())
	}
}

func TestAnExtractOfTheDeviceJournalSaysThatMoreMayStandThere(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	last, k := uint64(len(bodies(t, slurp(t, dir, eventsName)))), edKey(t, 1)
	whole := newDeviceLog(t).anchor(dir, 20).keep("J-B-0001", last+7, "aa", "").key(journal.KeyProvisioned, k, nil).key(journal.KeyRevoked, k, nil).done()
	require.Contains(t, anchoredBy(t, dir, whole).Verdict(), "tail lost")
	for query, says := range map[string]string{
		"seq=1..1": fmt.Sprintf("records 21 to %d", last) + " are not anchored; it is an extract, whose chain holds, of ",
		"seq=3..4": "not anchored: device journal D-1 keeps no head of journal J-B-0001, of ",
	} {
		part := filepath.Join(t.TempDir(), "x")
		_, err := Export(whole, part, parsed(t, query))
		require.NoError(t, err)
		rep := anchoredBy(t, dir, part)
		require.True(t, rep.OK(), rep.Verdict())
		require.NotEqual(t, LevelHolds, rep.Levels()[3].State)
		require.Contains(t, found(rep, "anchors").Detail, says)
		require.Contains(t, found(rep, "anchors").Detail, "records without what they say, which may be later heads or revoked keys")
	}
}
