// The anchored reader: what the device journal keeps of a package's journal, and what a forger cannot do where it is given.

package evidence

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// deviceLog is a device journal that is being written.
type deviceLog struct {
	t    testing.TB
	dir  string
	w    *journal.Writer
	n    uint64
	tree journal.Tree
}

const deviceID = "D-1"

func newDeviceLog(t testing.TB) *deviceLog {
	d := &deviceLog{t: t, dir: filepath.Join(t.TempDir(), "device")}
	var err error
	d.w, err = journal.Create(d.dir, journal.Header{JournalID: deviceID}, &journal.Options{Segment: 72 << 10})
	require.NoError(t, err)
	return d
}

// add appends a record.
func (d *deviceLog) add(kind record.Kind, fill func(b *record.Body)) *deviceLog {
	d.n++
	var b record.Body
	b.Begin(kind)
	b.Count(record.EventSeq, d.n)
	b.Text(record.JournalID, deviceID)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, d.n)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "")
	b.Text(record.DeviceID, "CTRL-1")
	fill(&b)
	body, err := b.Append(nil)
	require.NoError(d.t, err)
	require.NoError(d.t, d.w.Append(d.n, body))
	d.tree.Add(journal.Leaf(body))
	return d
}

// anchor keeps the head of records 1 to size of a package.
func (d *deviceLog) anchor(dir string, size uint64) *deviceLog {
	all := bodies(d.t, slurp(d.t, dir, eventsName))[:size]
	var tree journal.Tree
	var c journal.Chain
	for _, body := range all {
		tree.Add(journal.Leaf(body))
		c.Add(body)
	}
	rec, err := record.Parse(all[0])
	require.NoError(d.t, err)
	return d.keep(rec.Text(record.JournalID), size, c.Link.String(), tree.Root().String())
}

func (d *deviceLog) keep(id string, size uint64, link, root string) *deviceLog {
	return d.add(record.KindHeadAnchored, func(b *record.Body) {
		b.Text(record.AnchoredJournalID, id)
		b.Count(record.HeadSize, size)
		b.Text(record.HeadLink, link)
		if root != "" {
			b.Text(record.HeadRoot, root)
		}
	})
}

// key says what has become of a key, signed by it and by the old one, where there is one.
func (d *deviceLog) key(state journal.KeyState, k, old *journal.Key) *deviceLog {
	note := ""
	if state != journal.KeyRevoked {
		var err error
		note, err = journal.SignKeyEvent("CTRL-1/"+deviceID, state, k, old)
		require.NoError(d.t, err)
	}
	return d.add(record.KindKeyEvent, func(b *record.Body) { fillKey(b, state, k, old, note) })
}

func fillKey(b *record.Body, state journal.KeyState, k, old *journal.Key, note string) {
	w := wordsOf(k)
	b.Text(record.KeyState, string(state))
	b.Text(record.KeyID, w.ID)
	b.Text(record.KeyName, w.Name)
	b.Text(record.KeyProtection, w.Protection)
	b.Text(record.PublicKey, w.Public)
	if note != "" {
		b.Text(record.SignedNote, note)
	}
	if old != nil {
		b.Text(record.OldValue, old.ID())
	}
}

// sign records the head of all that was recorded.
func (d *deviceLog) sign(k *journal.Key) *deviceLog {
	note, err := journal.SignHead(k, &journal.Head{Origin: "CTRL-1/" + deviceID, Size: d.tree.Size(), Root: d.tree.Root()})
	require.NoError(d.t, err)
	size, w := d.tree.Size(), wordsOf(k)
	return d.add(record.KindHeadSigned, func(b *record.Body) {
		b.Count(record.HeadSize, size)
		b.Text(record.SignedNote, note)
		b.Text(record.KeyID, w.ID)
		b.Text(record.KeyName, w.Name)
		b.Text(record.Milestone, "time")
		b.Decimal(record.SignLagMS, 1, 3)
	})
}

// done closes the journal and returns its directory.
func (d *deviceLog) done() string {
	require.NoError(d.t, d.w.Close())
	return d.dir
}

// anchoredBy is what is found of a package by one who has the device journal.
func anchoredBy(t testing.TB, dir, device string) *Report {
	t.Helper()
	rep, err := VerifyWith(dir, &Options{Device: device})
	require.NoError(t, err)
	return rep
}

func TestAHeadThatTheDeviceJournalKeepsAnchorsThePackage(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	last := uint64(len(bodies(t, slurp(t, dir, eventsName))))
	k := edKey(t, 1)
	device := newDeviceLog(t).key(journal.KeyProvisioned, k, nil).keep("J-B-0002", 7, "aa", "").anchor(dir, 20).anchor(dir, last).done()
	rep := anchoredBy(t, dir, device)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, Anchored{Records: last, Seq: 4, JournalID: deviceID, Outcome: "CLEAN",
		Signed: Signed{Keys: rep.Anchored.Signed.Keys}}, rep.Anchored)
	require.Contains(t, rep.Verdict(), fmt.Sprintf("verified, 13 checks hold; records 1 to %d are anchored in device journal D-1, no signature", last))
	require.Contains(t, found(rep, "anchors").Detail, "no signed head of it covers that record, so whoever can write it can have made it anew")
	require.Equal(t, LevelHolds, rep.Levels()[3].State)
	require.Contains(t, unproven(rep), "that the device journal is what it was")
	require.NotContains(t, unproven(rep), "there is no anchor")

	part := filepath.Join(t.TempDir(), "x")
	_, err := Export(dir, part, parsed(t, "kind=command"))
	require.NoError(t, err)
	rep = anchoredBy(t, part, device)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, last, rep.Anchored.Records, "an extract keeps all links")
}

func TestWhatIsBehindTheLastAnchoredHeadIsSaidNotToBeAnchored(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	rep := anchoredBy(t, dir, newDeviceLog(t).anchor(dir, 20).done())
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, uint64(20), rep.Anchored.Records)
	require.Equal(t, LevelInPart, rep.Levels()[3].State)
	last := len(bodies(t, slurp(t, dir, eventsName)))
	require.Contains(t, found(rep, "anchors").Detail, fmt.Sprintf("records 21 to %d are not anchored", last))
	require.Contains(t, unproven(rep), fmt.Sprintf("that the end is whole: only the head of record 20 of %d is anchored", last))

	rep = anchoredBy(t, dir, newDeviceLog(t).keep("J-B-0002", 7, "aa", "").done())
	require.True(t, rep.OK())
	require.Equal(t,
		"open  anchors: not anchored: device journal D-1 keeps no head of journal J-B-0001; anchor=none", found(rep, "anchors").String())
	require.Contains(t, unproven(rep), "there is no anchor")
	_, err := VerifyWith(dir, &Options{Device: t.TempDir()})
	require.ErrorIs(t, err, ErrNoDevice)
}

func TestATailThatIsCutAndAPackageThatIsMadeAnewAreFoundByTheAnchoredReader(t *testing.T) {
	v := newVictim(t, "bare", packed(t, "B-0001", approved{}))
	require.NoError(t, os.RemoveAll(filepath.Join(v.dir, journalDir)))
	all := bodies(t, v.files[eventsName])
	device := newDeviceLog(t).anchor(v.dir, uint64(len(all))).done()

	forged := forge(t, v.dir, replaced("command", 1, `"operator_id":"o.shift"`, `"operator_id":"o.day"`))
	unfound(t, forged)
	rep := anchoredBy(t, forged, device)
	require.Contains(t, found(rep, "anchors").String(), fmt.Sprintf("FAIL  anchors: record %d: rewritten: ", len(all)))

	put(t, v.dir, eventsName, chained(all[:place(t, v.dir, "window_start/1")]))
	for _, w := range []string{"A", "B.2"} {
		require.NoError(t, os.Remove(filepath.Join(v.dir, "samples", w+sampleSuffix)))
	}
	v.remake(t)
	unfound(t, v.dir)
	rep = anchoredBy(t, v.dir, device)
	require.Contains(t, found(rep, "anchors").Detail,
		fmt.Sprintf("tail lost: record 1 of the device journal keeps the head of records 1 to %d", len(all)))
	require.Equal(t, "V3 anchors: FAILS: see anchors", rep.Levels()[3].String())
	require.Contains(t, rep.Verdict(), "tail lost")
}

func TestADeviceJournalIsReadWithTheSameSuspicion(t *testing.T) {
	dir := packed(t, "B-0001", approved{})
	last, k := uint64(len(bodies(t, slurp(t, dir, eventsName)))), edKey(t, 1)
	signed := newDeviceLog(t).key(journal.KeyProvisioned, k, nil).anchor(dir, last).sign(k).done()
	rep, err := VerifyWith(dir, &Options{Device: signed})
	require.NoError(t, err)
	require.Contains(t, found(rep, "anchors").Detail, "records 1 to 2 are signed by software key "+k.ID()+", which only the package itself says")
	require.Equal(t, uint64(2), rep.Anchored.Signed.Records)
	require.Zero(t, rep.Anchored.Signed.Trusted)

	// Its extract is as good a witness, with the bodies that matter or without.
	part := filepath.Join(t.TempDir(), "x")
	_, err = Export(signed, part, parsed(t, "kind=head_anchored"))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(part, keyName(k.ID())))
	require.FileExists(t, filepath.Join(part, noteName(2)))
	rep = anchoredBy(t, dir, part)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, last, rep.Anchored.Records)
	require.Equal(t, uint64(2), rep.Anchored.Signed.Records)

	for name, spoilt := range map[string]string{
		"another key": newDeviceLog(t).key(journal.KeyProvisioned, k, nil).anchor(dir, last).sign(edKey(t, 2)).done(),
		"no size":     newDeviceLog(t).keep("J-B-0001", 0, "aa", "").done(),
		"damaged":     damagedDevice(t, signed),
		"extract":     spoiltExtract(t, part),
	} {
		rep = anchoredBy(t, dir, spoilt)
		require.Contains(t, found(rep, "anchors").String(), "FAIL  anchors: the device journal is no witness: ", name)
		require.Zero(t, rep.Anchored.Records)
	}
}

func damagedDevice(t *testing.T, dir string) string {
	to := clone(t, dir)
	data := slurp(t, to, "segments/00000001.seg")
	at := bytes.Index(data, []byte("key_event"))
	data[at] ^= 1
	put(t, to, "segments/00000001.seg", data)
	return to
}

func spoiltExtract(t *testing.T, dir string) string {
	to := clone(t, dir)
	data := slurp(t, to, eventsName)
	at := bytes.Index(data, []byte("head_size"))
	data[at-30] ^= 1
	put(t, to, eventsName, data)
	return to
}

func unproven(r *Report) string {
	var out bytes.Buffer
	for _, line := range r.NotProven {
		out.WriteString(line + "\n")
	}
	return out.String()
}

func TestAReportSaysWhatTheRecordsSayOfTheChip(t *testing.T) {
	for words, want := range map[string]string{
		"":                                    "none",
		"none: a file stands in for the chip": "none: a file stands in for the chip",
		"fram: slot 0, heads only":            "fram: slot 0, heads only, by what the records say; what it holds is not in the package",
	} {
		dir := forge(t, packed(t, "B-0001", approved{}), fields("boot", 1, func(f map[string]any) {
			if words != "" {
				f["anchor"] = words
			}
		}))
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.Equal(t, want, rep.Chip)
		require.Contains(t, found(rep, "anchors").Detail, "anchor="+want)
	}
}

// trusting verifies a package for a reader who knows a key.
func trusting(t testing.TB, dir, device string, k *journal.Key) *Report {
	t.Helper()
	rep, err := VerifyWith(dir, &Options{Trusted: []*journal.PublicKey{k.Public()}, Device: device})
	require.NoError(t, err)
	return rep
}

func TestARotationThatBothKeysSignLeadsFromTheOldKeyToTheNewOne(t *testing.T) {
	old, key := edKey(t, 1), edKey(t, 2)
	dir := signedRun(t, key, true)
	last := uint64(len(bodies(t, slurp(t, dir, eventsName))))
	require.False(t, trusting(t, dir, "", old).OK(), "nothing leads to the new key")

	device := newDeviceLog(t).key(journal.KeyProvisioned, old, nil).key(journal.KeyRotated, key, old).done()
	rep := trusting(t, dir, device, old)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, last, rep.Signed.Trusted)
	require.Equal(t, "which record 2 of the device journal puts in the place of key "+old.ID()+", signed by both", rep.Signed.Keys[0].Via)
	require.Contains(t, rep.Verdict(), rep.Signed.Keys[0].Via)

	// One that only the new key has signed leads nowhere, whatever it calls itself.
	device = newDeviceLog(t).key(journal.KeyProvisioned, old, nil).key(journal.KeyProvisioned, key, nil).done()
	require.Contains(t, trusting(t, dir, device, old).Verdict(), "no head is signed by a key that was given")
	d := newDeviceLog(t).key(journal.KeyProvisioned, old, nil)
	note, err := journal.SignKeyEvent("CTRL-1/"+deviceID, journal.KeyProvisioned, key, nil)
	require.NoError(t, err)
	d.add(record.KindKeyEvent, func(b *record.Body) { fillKey(b, journal.KeyRotated, key, old, note) })
	rep = trusting(t, dir, d.done(), old)
	require.True(t, found(rep, "anchors").Failed, "and the journal that holds it is no witness")
	require.Zero(t, rep.Signed.Trusted)
}

func TestARevokedKeyCountsOnlyForWhatWasAnchoredBefore(t *testing.T) {
	k, next := edKey(t, 1), edKey(t, 2)
	dir := signedRun(t, k, true)
	last := uint64(len(bodies(t, slurp(t, dir, eventsName))))
	rep := trusting(t, dir, newDeviceLog(t).key(journal.KeyProvisioned, k, nil).key(journal.KeyRevoked, k, nil).anchor(dir, last).done(), k)
	require.Zero(t, rep.Signed.Trusted, "anchored behind the revocation")
	require.Contains(t, rep.Verdict(), "revoked by record 2 of the device journal, before which it has anchored nothing of this package")
	rep = trusting(t, dir, newDeviceLog(t).key(journal.KeyProvisioned, k, nil).anchor(dir, last).key(journal.KeyRevoked, k, nil).done(), k)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, last, rep.Signed.Trusted)
	// What took the place of a key before it was revoked stays.
	d := newDeviceLog(t).key(journal.KeyProvisioned, k, nil).key(journal.KeyRotated, next, k)
	rep = trusting(t, signedRun(t, next, true), d.done(), k)
	require.True(t, rep.OK(), rep.Verdict())
	require.NotZero(t, rep.Signed.Trusted)
}

// rotatedRun leaves a package whose first head is signed by one key and whose second one by that which took its place in the journal.
func rotatedRun(t testing.TB, old, key *journal.Key) string {
	dir := t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	words := wordsOf(old)
	r.append(r.m.AppendKey(nil, r.next, &words))
	r.rounds(0, 5)
	r.sign(dir, old)
	r.rounds(5, 8)
	r.sign(dir, r.rotate(old, key))
	r.rounds(8, 200)
	r.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	return dir
}

// rotate records that a key takes the place of another, out of the record with which one is declared.
func (r *run) rotate(old, key *journal.Key) *journal.Key {
	note, err := journal.SignKeyEvent("CTRL-1/"+r.b.JournalID, journal.KeyRotated, key, old)
	require.NoError(r.t, err)
	r.key(key, func(f map[string]any) {
		f["key_state"], f["signed_note"], f["old_value"] = string(journal.KeyRotated), note, old.ID()
	})
	return key
}

// key records an event of a key, which edit makes of a declaration.
func (r *run) key(k *journal.Key, edit func(f map[string]any)) {
	r.seal()
	w := wordsOf(k)
	body, err := r.m.AppendKey(nil, r.next, &w)
	require.NoError(r.t, err)
	r.append(fields("key_event", 1, edit)(r.next, body), nil)
}

func TestAKeyThatWasRotatedInTheBatchsJournalIsFollowedThere(t *testing.T) {
	old, key, third := edKey(t, 1), edKey(t, 2), edKey(t, 3)
	dir := rotatedRun(t, old, key)
	rep := trusting(t, dir, "", old)
	require.True(t, rep.OK(), rep.Verdict())
	require.Equal(t, rep.Signed.Records, rep.Signed.Trusted)
	require.Contains(t, rep.Signed.Keys[1].Via, "of the package puts in the place of key "+old.ID())
	require.Less(t, rep.Signed.Keys[0].Records, rep.Signed.Trusted)

	device := newDeviceLog(t).key(journal.KeyProvisioned, old, nil).key(journal.KeyRotated, third, old).done()
	require.Contains(t, trusting(t, dir, device, old).Verdict(), "key "+key.ID()+" takes the place of key "+old.ID())
	device = newDeviceLog(t).key(journal.KeyProvisioned, old, nil).key(journal.KeyRevoked, old, nil).done()
	rep = trusting(t, dir, device, old)
	require.False(t, rep.OK(), "who has the revoked key can have made the rotation")
	require.Zero(t, rep.Signed.Trusted)
}

func TestHeadsOfAnExtractAreVerified(t *testing.T) {
	k := edKey(t, 1)
	for _, dir := range []string{signedRun(t, k, true), rotatedRun(t, k, edKey(t, 2))} {
		whole, err := Verify(dir)
		require.NoError(t, err)
		part := filepath.Join(t.TempDir(), "x")
		_, err = Export(dir, part, parsed(t, "kind=command"))
		require.NoError(t, err)
		rep := trusting(t, part, "", k)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, whole.Signed.Records, rep.Signed.Records)
		require.Equal(t, rep.Signed.Records, rep.Signed.Trusted)
		require.Contains(t, rep.Verdict(), "which you gave")

		bare := t.TempDir() // a run that was not packed
		require.NoError(t, os.CopyFS(filepath.Join(bare, journalDir), os.DirFS(filepath.Join(dir, journalDir))))
		other := filepath.Join(t.TempDir(), "y")
		_, err = Export(bare, other, parsed(t, "kind=command"))
		require.NoError(t, err)
		require.True(t, trusting(t, other, "", k).OK())

		note := noteName(whole.Signed.Heads[0].Size)
		for name, data := range map[string][]byte{note: slurp(t, dir, noteName(whole.Signed.Heads[1].Size)), keyName(k.ID()): []byte("x")} {
			forged := clone(t, part)
			put(t, forged, name, data)
			resum(t, forged)
			require.Equal(t, name, failed(t, forged, "signatures").File)
		}
	}
}
