// Tests of level V2 of the programs in a package: heads signed by keys that the chain declares.

package evidence

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// signer is a key with a name, as notes know it.
type signer struct {
	name string
	key  crypto.Signer
	der  []byte
	id   []byte
}

func newSigner(t *testing.T, name string, key crypto.Signer) *signer {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	s := &signer{name: name, key: key, der: der}
	sum := sha256.Sum256(der)
	if pub, ok := key.Public().(ed25519.PublicKey); ok {
		sum = sha256.Sum256(append([]byte(name+"\n\x01"), pub...))
	}
	s.id = sum[:4]
	return s
}

// line signs a text.
func (s *signer) line(t *testing.T, text []byte) string {
	hashed, opts := text, crypto.SignerOpts(crypto.Hash(0))
	if _, ok := s.key.(*ecdsa.PrivateKey); ok {
		sum := sha256.Sum256(text)
		hashed, opts = sum[:], crypto.SHA256
	}
	sig, err := s.key.Sign(rand.Reader, hashed, opts)
	require.NoError(t, err)
	return "— " + s.name + " " + base64.StdEncoding.EncodeToString(append(bytes.Clone(s.id), sig...)) + "\n"
}

// treeOf is the root of RFC 9162, by its definition.
func treeOf(leaves []journal.Hash) journal.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	l, r := treeOf(leaves[:k]), treeOf(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

// signedPackage makes what the programs see of a package of n records whose heads are signed.
func signedPackage(t *testing.T, n int, sizes []int, by ...*signer) string {
	dir := t.TempDir()
	var c journal.Chain
	var events []byte
	var leaves []journal.Hash
	recorded := ""
	for i := range n {
		kind := `"boot","journal_id":"J-1"`
		if i < len(by) {
			kind = fmt.Sprintf(`"key_event","journal_id":"J-1","key_id":"%x","public_key":"%s"`, by[i].id,
				base64.StdEncoding.EncodeToString(by[i].der))
		} else if i == n-1 {
			recorded = noteOf(t, leaves[:sizes[0]], by...)
			note := strings.ReplaceAll(recorded, "\n", `\n`)
			kind = fmt.Sprintf(`"head_signed","head_size":"%d","journal_id":"J-1","key_id":"%x","signed_note":"%s"`, sizes[0], by[0].id, note)
		}
		body := fmt.Appendf(nil, `{"device_id":"CTRL-01","event_seq":"%d","event_type":%s}`, i+1, kind)
		c.Add(body)
		leaves = append(leaves, journal.Leaf(body))
		events = appendLine(events, c.N, journal.Leaf(body), c.Link, body)
	}
	put(t, dir, eventsName, events)
	put(t, dir, manifestName, fmt.Appendf(nil, `{"bodies":"%d","journal_id":"J-1","last_link":"%s","last_seq":"%d","selection":null}`, n, c.Link, n))
	for _, d := range []string{"notes", "keys"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o750))
	}
	for _, s := range by {
		put(t, dir, "keys/"+hex.EncodeToString(s.id)+".pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.der}))
	}
	for _, size := range sizes {
		if size != sizes[0] {
			put(t, dir, fmt.Sprintf("notes/%d.note", size), []byte(noteOf(t, leaves[:size], by...)))
		}
	}
	put(t, dir, fmt.Sprintf("notes/%d.note", sizes[0]), []byte(recorded))
	return dir
}

// noteOf signs the head of leaves.
func noteOf(t *testing.T, leaves []journal.Hash, by ...*signer) string {
	root := treeOf(leaves)
	text := fmt.Appendf(nil, "CTRL-01/J-1\n%d\n%s\n", len(leaves), base64.StdEncoding.EncodeToString(root[:]))
	note := string(text) + "\n"
	for _, s := range by {
		note += s.line(t, text)
	}
	return note
}

func TestBothProgramsVerifySignedHeadsAndFindWhatIsWrongWithThem(t *testing.T) {
	kit := newPrograms(t)
	tool(t, "openssl", "openssl")
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, other, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	one, two := newSigner(t, "CTRL-01 soft", ed), newSigner(t, "CTRL-01+se", ec)
	stranger := newSigner(t, "CTRL-01 soft", other)
	edit := func(name, old, with string) func(string) {
		return func(dir string) {
			text := string(slurp(t, dir, name))
			require.Contains(t, text, old)
			put(t, dir, name, []byte(strings.Replace(text, old, with, 1)))
		}
	}
	pemOf := func(s *signer) string { return "keys/" + hex.EncodeToString(s.id) + ".pem" }
	for _, c := range []struct {
		name string
		do   func(dir string)
		want string
	}{
		{"whole", func(string) {}, LevelHolds},
		{"another root", edit("notes/5.note", "\n5\n", "\n5\nA"), LevelFails},
		{"another size", edit("notes/5.note", "\n5\n", "\n6\n"), LevelFails},
		{"another origin", edit("notes/5.note", "/J-1", "/J-2"), LevelFails},
		{"a note under another name", func(dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "notes/6.note"), filepath.Join(dir, "notes/7.note")))
		}, LevelFails},
		{"a note gone that a record holds", func(dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "notes/11.note"))) }, LevelFails},
		{"one of two keys gone", func(dir string) { require.NoError(t, os.Remove(filepath.Join(dir, pemOf(one)))) }, LevelFails},
		{"a line more behind a key", edit(pemOf(one), "KEY-----\n", "KEY-----\n\n"), LevelFails},
		{"another note than the one of the record", func(dir string) {
			note := slurp(t, dir, "notes/11.note")
			text := note[:bytes.Index(note, []byte("\n\n"))+1]
			put(t, dir, "notes/11.note", append(note, stranger.line(t, text)...))
		}, LevelFails},
		{"both keys gone", func(dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, pemOf(one))))
			require.NoError(t, os.Remove(filepath.Join(dir, pemOf(two))))
		}, LevelFails},
		{"a key swapped under the same name", func(dir string) {
			put(t, dir, pemOf(one), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: stranger.der}))
		}, LevelFails},
		{"signed anew by a key that the chain does not declare", func(dir string) {
			put(t, dir, pemOf(stranger), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: stranger.der}))
			note := slurp(t, dir, "notes/5.note")
			text := note[:bytes.Index(note, []byte("\n\n"))+1]
			put(t, dir, "notes/5.note", []byte(string(text)+"\n"+stranger.line(t, text)))
		}, LevelFails},
		{"files beside them", func(dir string) { put(t, dir, "keys/x", nil); put(t, dir, "notes/x", nil) }, LevelHolds},
		{"a note of more records than there are", func(dir string) { put(t, dir, "notes/24.note", nil) }, LevelFails},
		{"a signature cut off", edit("notes/5.note", "CTRL-01+se ", "CTRL-01+se A"), LevelFails},
	} {
		sizes := []int{11, 5, 6, 1, 23}
		if c.name != "whole" && !long() {
			sizes = sizes[:3] // each note more is some 40 processes of the shell's
		}
		dir := signedPackage(t, 23, sizes, one, two)
		c.do(dir)
		for _, program := range kit.each() {
			out, _ := kit.run(program, dir)
			require.Contains(t, out, "\nV2 "+c.want+": ", "%s by %s: %s", c.name, program, out)
		}
	}
}

func TestASignatureOfWhichOneBitIsChangedIsThatOfNoKey(t *testing.T) {
	kit := newPrograms(t)
	tool(t, "openssl", "openssl")
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	one, two := newSigner(t, "CTRL-01 soft", ed), newSigner(t, "CTRL-01+se", ec)
	dir := signedPackage(t, 23, []int{11, 12}, one, two)
	for _, program := range kit.each() {
		for k, s := range []*signer{one, two} {
			note := slurp(t, dir, "notes/12.note")
			text := note[:bytes.Index(note, []byte("\n\n"))+1]
			line := s.line(t, text)
			raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line[strings.LastIndex(line, " "):]))
			require.NoError(t, err)
			raw[len(raw)-3] ^= 1
			put(t, dir, "notes/12.note", []byte(string(text)+"\n— "+s.name+" "+base64.StdEncoding.EncodeToString(raw)+"\n"))
			out, _ := kit.run(program, dir)
			require.Contains(t, out, "\nV2 FAILS: notes/12.note: a signature is not that of its key", "%s, signer %d", program, k)
			put(t, dir, "notes/12.note", note)
		}
	}
}

func TestBothProgramsNameARevokedKeyAndTakeNoNoteOfIt(t *testing.T) {
	kit := newPrograms(t)
	tool(t, "openssl", "openssl")
	b, dir, k := tinyBatch(t, "B-0001", approved{}), t.TempDir(), edKey(t, 1)
	r := begin(t, dir, b)
	words := wordsOf(k)
	r.append(r.m.AppendKey(nil, r.next, &words))
	r.sign(dir, k)
	r.key(k, func(f map[string]any) { f["key_state"] = string(journal.KeyRevoked) })
	at := r.next - 1
	r.rounds(0, 1)
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	expect := func(state, words string) {
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.Equal(t, state, rep.Levels()[2].State, rep.Verdict())
		for _, program := range kit.each() {
			out, _ := kit.run(program, dir)
			require.Contains(t, out, "\nV2 "+state+": "+words, program)
		}
	}
	expect(LevelHolds, fmt.Sprintf("1 heads are signed by keys that the records declare, %s; whose they are and whether to trust them is not judged, "+
		"key %s is revoked by record %d; ", k.ID(), k.ID(), at))
	note, err := journal.SignHead(k, headOf(b, bodies(t, slurp(t, dir, eventsName))))
	require.NoError(t, err)
	require.NoError(t, WriteNote(dir, m.LastSeq, note))
	resum(t, dir)
	expect(LevelFails, noteName(m.LastSeq)+": no key of the package has signed it")
}
