// Signatures: which records are covered by whose key, and what a forger who has not that key cannot do.

package evidence

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func edKey(t testing.TB, seed byte) *journal.Key {
	k, err := journal.NewKey("CTRL-1", journal.Software, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	require.NoError(t, err)
	return k
}

func p256Key(t testing.TB) *journal.Key {
	s, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	k, err := journal.NewKey("CTRL-1", journal.SecureElement, s)
	require.NoError(t, err)
	return k
}

func wordsOf(k *journal.Key) batch.SigningKey {
	return batch.SigningKey{ID: k.ID(), Name: k.Name(), Protection: k.Protection().String(),
		Public: base64.StdEncoding.EncodeToString(k.Public().SPKI())}
}

// headOf is the head of records.
func headOf(b *batch.Batch, all [][]byte) *journal.Head {
	var tree journal.Tree
	for _, body := range all {
		tree.Add(journal.Leaf(body))
	}
	return &journal.Head{Origin: journal.Origin("CTRL-1", b.JournalID), Size: tree.Size(), Root: tree.Root()}
}

// sign records the head of all that was recorded.
func (r *run) sign(dir string, k *journal.Key) {
	r.seal()
	require.NoError(r.t, r.w.Commit())
	var all [][]byte
	_, err := journal.Scan(filepath.Join(dir, journalDir), func(_ uint64, body []byte, _ journal.Chain) error {
		all = append(all, bytes.Clone(body))
		return nil
	}, nil)
	require.NoError(r.t, err)
	head := headOf(r.b, all)
	note, err := journal.SignHead(k, head)
	require.NoError(r.t, err)
	r.append(r.m.AppendHead(nil, r.next, &batch.SignedHead{Size: head.Size, Milestone: "time", Key: wordsOf(k), Lag: 2_500_000,
		Note: note}))
}

// signedRun leaves a package with two signed heads in its chain and, if last, one beside it.
func signedRun(t testing.TB, k *journal.Key, last bool) (dir string) {
	dir = t.TempDir()
	b := tinyBatch(t, "B-0001", approved{})
	r := begin(t, dir, b)
	words := wordsOf(k)
	r.append(r.m.AppendKey(nil, r.next, &words))
	r.rounds(0, 5)
	r.sign(dir, k)
	r.rounds(5, 8)
	r.sign(dir, k)
	r.rounds(8, 200)
	r.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	if !last {
		return dir
	}
	all := bodies(t, slurp(t, dir, eventsName))
	note, err := journal.SignHead(k, headOf(b, all))
	require.NoError(t, err)
	require.NoError(t, WriteNote(dir, uint64(len(all)), note))
	_, err = Pack(dir, b)
	require.NoError(t, err)
	return dir
}

func TestAReportTellsWhichRecordsAreSignedAndByWhoseKey(t *testing.T) {
	for _, k := range []*journal.Key{edKey(t, 1), p256Key(t)} {
		dir := signedRun(t, k, true)
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, rep.Records, rep.Signed.Records)
		require.Zero(t, rep.Signed.Trusted)
		require.Len(t, rep.Signed.Heads, 3)
		require.Equal(t, []SignedKey{{ID: k.ID(), Name: "CTRL-1", Algorithm: k.Public().Algorithm(),
			Protection: k.Protection().String(), Heads: 3, Records: rep.Records}}, rep.Signed.Keys)
		require.Contains(t, rep.Verdict(), "which only the package itself says is that of CTRL-1")
		require.Contains(t, strings.Join(rep.NotProven, "\n"), "compare keys/"+k.ID()+".pem with a key of which you know whose it is")
		require.NotContains(t, strings.Join(rep.NotProven, "\n"), "no signature")
		replay, err := Replay(dir)
		require.NoError(t, err)
		require.Nil(t, replay.Divergence)

		rep, err = VerifyWith(dir, &Options{Trusted: []*journal.PublicKey{edKey(t, 9).Public(), k.Public()}})
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, rep.Records, rep.Signed.Trusted)
		require.Contains(t, rep.Verdict(), "which you gave")
		require.NotContains(t, strings.Join(rep.NotProven, "\n"), "only the package says so")
	}
}

func TestWithoutItsLastNoteAReportTellsFromWhereNothingIsSigned(t *testing.T) {
	dir := signedRun(t, edKey(t, 1), false)
	rep, err := Verify(dir)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Verdict())
	size := rep.Signed.Heads[1].Size
	require.Equal(t, size, rep.Signed.Records)
	require.Less(t, size, rep.Records)
	from := strconv.FormatUint(size+1, 10) + " to " + strconv.FormatUint(rep.Records, 10)
	require.Contains(t, found(rep, "signatures").Detail, "records "+from+" are not signed")
	require.Contains(t, strings.Join(rep.NotProven, "\n"), "who made records "+from)
}

func TestPackingASignedRunAgainChangesNothing(t *testing.T) {
	dir := signedRun(t, p256Key(t), true)
	before := everything(t, dir)
	_, err := Pack(dir, tinyBatch(t, "B-0001", approved{}))
	require.NoError(t, err)
	require.Equal(t, before, everything(t, dir))
}

func TestAForgerWhoHasNotTheKeyIsFound(t *testing.T) {
	k := edKey(t, 1)
	dir := signedRun(t, k, true)
	rep, err := Verify(dir)
	require.NoError(t, err)
	last := noteName(rep.Records)
	first, second := noteName(rep.Signed.Heads[0].Size), noteName(rep.Signed.Heads[1].Size)

	// Records are edited and all is hashed again.
	forged := forge(t, dir, replaced("window_stop", 1, `"quality":"GOOD"`, `"quality":"BAD"`))
	require.Equal(t, last, failed(t, forged, "signatures").File, "covered by the last head only")
	forged = forge(t, dir, replaced("command", 1, "scripted", "scriptee"))
	got := failed(t, forged, "signatures")
	require.Equal(t, first, got.File)
	require.Contains(t, got.Detail, "are not those that key "+k.ID()+" has signed")

	// Notes and keys are exchanged, and the sums are made anew.
	another := signedRun(t, edKey(t, 2), true)
	for name, data := range map[string][]byte{
		first:                     slurp(t, dir, second),
		second:                    slurp(t, another, second),
		last:                      slurp(t, another, last),
		keyName(k.ID()):           edKey(t, 2).Public().PEM(),
		keyName("00000000"):       k.Public().PEM(),
		noteName(1):               slurp(t, dir, first),
		noteName(2):               []byte("no note"),
		noteName(rep.Records + 1): slurp(t, dir, last),
	} {
		forged := clone(t, dir)
		put(t, forged, name, data)
		resum(t, forged)
		require.Equal(t, name, failed(t, forged, "signatures").File)
	}
	for _, name := range []string{first, second, keyName(k.ID())} {
		forged := clone(t, dir)
		require.NoError(t, os.Remove(filepath.Join(forged, name)))
		resum(t, forged)
		require.Equal(t, name, failed(t, forged, "signatures").File)
	}
}

func TestWhoSignsAnewWithAnotherKeyIsFoundByThoseWhoKnowTheRightOne(t *testing.T) {
	k := edKey(t, 1)
	for _, dir := range []string{signedRun(t, edKey(t, 2), true), packed(t, "B-0001", approved{})} {
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), "only the package says whose key it is, and the report says so")
		rep, err = VerifyWith(dir, &Options{Trusted: []*journal.PublicKey{k.Public()}})
		require.NoError(t, err)
		require.False(t, rep.OK())
		require.Contains(t, rep.Verdict(), "no head is signed by a key that was given")
	}
}

func TestNoteRecordsThatCannotBeAreRefused(t *testing.T) {
	dir := signedRun(t, edKey(t, 1), false)
	other := wordsOf(edKey(t, 2))
	for what, edit := range map[string]func(uint64, []byte) []byte{
		"has the id ":    with("key_event", 1, "key_id", "00000000"),
		"protection":     with("key_event", 1, "key_protection", "good"),
		"cannot be read": with("key_event", 1, "public_key", "AAAA"),
		"has the id":     with("key_event", 1, "public_key", other.Public),
		"no state":       with("key_event", 1, "key_state", "lent"),
		"signed note":    with("key_event", 1, "key_state", "provisioned"),
		"no key in use":  with("key_event", 1, "key_state", "rotated"),
		"was not in use": with("key_event", 1, "key_state", "revoked"),
		"head_size is":   with("head_signed", 1, "head_size", "1"),
		"no signed note": with("head_signed", 1, "signed_note", "x"),
		"has declared":   with("head_signed", 1, "key_name", "CTRL-2"),
	} {
		require.Contains(t, failed(t, forge(t, dir, edit), "signatures").Detail, what)
	}
}

func TestARotatedKeySignsNoMoreAndItsSuccessorIsSignedByBoth(t *testing.T) {
	old, key := edKey(t, 1), p256Key(t)
	var got []string
	s := signatures{breach: func(_ string, n uint64, format string, args ...any) { got = append(got, format) }}
	event := func(n uint64, state journal.KeyState, k, by *journal.Key, note string) *record.Record {
		var b record.Body
		b.Begin(record.KindKeyEvent)
		b.Count(record.EventSeq, n)
		b.Text(record.JournalID, "D-1")
		b.Int(record.Epoch, 1)
		b.Count(record.TsMonoNS, 1)
		b.Text(record.SyncState, "UNSET")
		b.Text(record.TimeSource, "")
		b.Text(record.DeviceID, "CTRL-1")
		w := wordsOf(k)
		b.Text(record.KeyState, string(state))
		b.Text(record.KeyID, w.ID)
		b.Text(record.KeyName, w.Name)
		b.Text(record.KeyProtection, w.Protection)
		b.Text(record.PublicKey, w.Public)
		if note != "" {
			b.Text(record.SignedNote, note)
		}
		if by != nil {
			b.Text(record.OldValue, by.ID())
		}
		body, err := b.Append(nil)
		require.NoError(t, err)
		rec, err := record.Parse(body)
		require.NoError(t, err)
		return rec
	}
	statement := func(state journal.KeyState, k, by *journal.Key) string {
		note, err := journal.SignKeyEvent("CTRL-1/D-1", state, k, by)
		require.NoError(t, err)
		return note
	}
	s.key(1, event(1, journal.KeyProvisioned, old, nil, statement(journal.KeyProvisioned, old, nil)))
	s.key(2, event(2, journal.KeyRotated, key, old, statement(journal.KeyProvisioned, key, nil)))
	require.Len(t, got, 1, "the old key has not signed")
	s.key(3, event(3, journal.KeyRotated, key, old, statement(journal.KeyRotated, key, old)))
	require.Len(t, got, 1)
	require.GreaterOrEqual(t, s.find("CTRL-1", old.ID(), 3), 0)
	require.Negative(t, s.find("CTRL-1", old.ID(), 4))
	require.GreaterOrEqual(t, s.find("CTRL-1", key.ID(), 4), 0)
	s.key(5, event(5, journal.KeyRevoked, key, nil, ""))
	require.Len(t, got, 1)
	require.Negative(t, s.find("CTRL-1", key.ID(), 0))
}

func TestOpensslVerifiesTheNotesOfAPackageWithItsKeys(t *testing.T) {
	bash := tool(t, "bash", "bash")
	tool(t, "openssl", "openssl")
	for _, k := range []*journal.Key{edKey(t, 1), p256Key(t)} {
		dir := signedRun(t, k, true)
		verify := `openssl dgst -sha256 -verify keys/$id.pem -signature "$tmp/sig" "$tmp/text"`
		if k.Public().Algorithm() == "Ed25519" {
			verify = `openssl pkeyutl -verify -pubin -inkey keys/$id.pem -rawin -in "$tmp/text" -sigfile "$tmp/sig"`
		}
		cmd := exec.Command(bash, "-c", `set -e
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
for n in notes/*.note; do
	sed '/^$/,$d' "$n" >"$tmp/text"
	sed -n '$p' "$n" | cut -d' ' -f3 | base64 -d >"$tmp/raw"
	id=$(head -c 4 "$tmp/raw" | od -An -tx1 | tr -d ' \n')
	tail -c +5 "$tmp/raw" >"$tmp/sig"
	`+verify+`
done`)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, 3, strings.Count(string(out), "\n"), "%s", out)
	}
}

func TestTheIDOfAP256KeyIsTheBeginningOfTheDigestOfItsFile(t *testing.T) {
	k := p256Key(t)
	sum := sha256.Sum256(k.Public().SPKI())
	require.Equal(t, k.ID(), hex.EncodeToString(sum[:4]))
}

func TestANoteThatIsNoneIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, WriteNote(dir, 1, "x"), journal.ErrNote)
	note, err := journal.SignHead(edKey(t, 1), &journal.Head{Origin: "a/b", Size: 1})
	require.NoError(t, err)
	require.NoError(t, WriteNote(dir, 1, note))
	require.True(t, HasNote(dir, 1))
	require.ErrorIs(t, WriteNote(dir, 1, note), os.ErrExist)
}
