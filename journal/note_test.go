// Notes: what is signed is verified by openssl, and what is not a note byte for byte is refused.

package journal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
)

const device = "plant.example:line-1"

func edKey(t testing.TB, seed byte) *Key {
	k, err := NewKey(device, Software, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	require.NoError(t, err)
	return k
}

func p256Key(t testing.TB) *Key {
	s, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	k, err := NewKey(device, Software, s)
	require.NoError(t, err)
	return k
}

func someHead(n int) *Head {
	var tree Tree
	for i := range n {
		tree.Add(Leaf([]byte{byte(i)}))
	}
	return &Head{Origin: Origin("R101-controller", "J-1"), Size: tree.Size(), Root: tree.Root()}
}

// opensslVerifies has openssl verify a note, with what lies in the two files and nothing else.
func opensslVerifies(t *testing.T, text string, key *PublicKey) {
	t.Helper()
	shell, err := exec.LookPath("bash")
	if err == nil {
		_, err = exec.LookPath("openssl")
	}
	if err != nil {
		t.Skip("openssl or bash is not there; install openssl")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "head.note"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), key.PEM(), 0o600))
	verify := "openssl dgst -sha256 -verify key.pem -signature sig text"
	if key.Algorithm() == "Ed25519" {
		verify = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile sig"
	}
	script := `set -e
sed '/^$/,$d' head.note > text
sed -n '$p' head.note | cut -d' ' -f3 | base64 -d | tail -c +5 > sig
` + verify + "\nsed -i 1s/R/Q/ text\n! " + verify
	cmd := exec.Command(shell, "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, "Verified OK|Signature Verified Successfully", string(out))
}

func TestOpensslVerifiesWhatASoftwareKeyHasSigned(t *testing.T) {
	for _, k := range []*Key{edKey(t, 1), p256Key(t)} {
		text, err := SignHead(k, someHead(5))
		require.NoError(t, err)
		opensslVerifies(t, text, k.Public())
	}
}

func TestANoteIsReadAndVerifiedByTheKeyThatSignedItOnly(t *testing.T) {
	head := someHead(5)
	keys := []*Key{edKey(t, 1), p256Key(t), edKey(t, 2), p256Key(t)}
	for i, k := range keys {
		text, err := SignHead(k, head)
		require.NoError(t, err)
		n, err := ReadNote(text)
		require.NoError(t, err)
		require.Equal(t, []Signature{{k.Name(), k.ID()}}, n.Signatures)
		got, err := n.Head()
		require.NoError(t, err)
		require.Equal(t, *head, got)
		for j, other := range keys {
			require.Equal(t, i == j, n.Verify(device, other.Public()) == nil)
		}
		require.ErrorIs(t, n.Verify("another", k.Public()), ErrNote)
	}
}

func TestPackageNoteReadsAnEd25519NoteWithAKeyOfItsOwn(t *testing.T) {
	k := edKey(t, 1)
	text, err := SignHead(k, someHead(3))
	require.NoError(t, err)
	vkey, err := note.NewEd25519VerifierKey(device, k.Public().key.(ed25519.PublicKey))
	require.NoError(t, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	n, err := note.Open([]byte(text), note.VerifierList(v))
	require.NoError(t, err)
	require.Equal(t, someHead(3).Text(), n.Text)
}

func TestTwoSignaturesOfOneTextByASoftwareKeyAreTheSame(t *testing.T) {
	for _, k := range []*Key{edKey(t, 1), p256Key(t)} {
		a, err := SignHead(k, someHead(5))
		require.NoError(t, err)
		b, err := SignHead(k, someHead(5))
		require.NoError(t, err)
		require.Equal(t, a, b)
	}
}

func TestNoNoteThatWasTouchedVerifies(t *testing.T) {
	const seed = 1
	random := mathrand.New(mathrand.NewPCG(seed, 0))
	for _, k := range []*Key{edKey(t, 1), p256Key(t)} {
		text, err := SignHead(k, someHead(200))
		require.NoError(t, err)
		for range 5_000 {
			b := []byte(text)
			switch at := random.IntN(len(b)); random.IntN(4) {
			case 0:
				b[at] ^= 1 << random.IntN(8)
			case 1:
				b = append(b[:at], b[at+1:]...)
			case 2:
				b = append(b[:at+1], b[at:]...)
			case 3:
				b = b[:at]
			}
			if string(b) == text {
				continue
			}
			n, err := ReadNote(string(b))
			if err != nil {
				require.ErrorIs(t, err, ErrNote)
				continue
			}
			require.ErrorIs(t, n.Verify(device, k.Public()), ErrNote, "seed %d: %q", seed, b)
		}
	}
}

func TestWhatIsNoHeadIsRefused(t *testing.T) {
	k := edKey(t, 1)
	root := strings.Split(someHead(5).Text(), "\n")[2]
	for _, text := range []string{
		"a/b\n5\n", "a/b\n5\n" + root + "\nextension\n", "ab\n5\n" + root + "\n", "a/b/c d\n5\n" + root + "\n", "a/b\n05\n" + root + "\n",
		"a/b\n+5\n" + root + "\n", "a/b\n-1\n" + root + "\n", "a/b\n18446744073709551616\n" + root + "\n", "a/b\n5\n" + root[1:] + "\n",
		"a/b\n5\nAAAA\n", "/b\n5\n" + root + "\n", keyStatement("a/b", KeyProvisioned, k.Public(), nil),
	} {
		raw, err := sign(text, k)
		require.NoError(t, err)
		n, err := ReadNote(raw)
		require.NoError(t, err, "%q", text)
		require.NoError(t, n.Verify(device, k.Public()))
		_, err = n.Head()
		require.ErrorIs(t, err, ErrNote, "%q", text)
	}
	_, err := SignHead(k, &Head{Origin: "a\n7\n/b"})
	require.ErrorIs(t, err, ErrNote)
}

func TestANoteIsBounded(t *testing.T) {
	k := edKey(t, 1)
	text, err := SignHead(k, someHead(5))
	require.NoError(t, err)
	lines := strings.SplitAfter(text, "\n")
	others := func(n int) string {
		s := text
		for i := range n {
			s += strings.Replace(lines[4], device, device+string(rune('a'+i)), 1)
		}
		return s
	}
	n, err := ReadNote(others(maxSignatures - 1))
	require.NoError(t, err)
	require.NoError(t, n.Verify(device, k.Public()), "the others do not matter")
	for _, s := range []string{others(maxSignatures), text + lines[4], strings.Repeat("a", MaxNote) + text, "", "\n", "\n\n",
		text + "\n",
		strings.Replace(text, "\n\n", "\n\r\n", 1), strings.TrimSuffix(text, "\n")} {
		_, err := ReadNote(s)
		require.ErrorIs(t, err, ErrNote, "%.80q", s)
	}
}

func FuzzReadNote(f *testing.F) {
	k := edKey(f, 1)
	text, err := SignHead(k, someHead(5))
	require.NoError(f, err)
	f.Add(text)
	f.Add("a/b\n1\n\n\n— x AAAAAAA=\n")
	f.Fuzz(func(t *testing.T, raw string) {
		n, err := ReadNote(raw)
		if err != nil {
			return
		}
		if n.Verify(device, k.Public()) == nil {
			require.Equal(t, someHead(5).Text(), n.Text)
		}
		if h, err := n.Head(); err == nil {
			require.True(t, strings.HasPrefix(raw, h.Text()+"\n"))
		}
	})
}

func TestARotationIsSignedByTheOldKeyAndTheNew(t *testing.T) {
	origin := Origin("R101-controller", "J-1")
	old, key := edKey(t, 1), p256Key(t)
	raw, err := SignKeyEvent(origin, KeyRotated, key, old)
	require.NoError(t, err)
	n, err := ReadNote(raw)
	require.NoError(t, err)
	require.NoError(t, CheckKeyEvent(n, origin, KeyRotated, device, key.Public(), device, old.Public()))
	for _, err := range []error{
		CheckKeyEvent(n, "a/b", KeyRotated, device, key.Public(), device, old.Public()),
		CheckKeyEvent(n, origin, KeyProvisioned, device, key.Public(), "", nil),
		CheckKeyEvent(n, origin, KeyRotated, device, old.Public(), device, key.Public()),
		CheckKeyEvent(n, origin, KeyRotated, device, key.Public(), "another", old.Public()),
	} {
		require.ErrorIs(t, err, ErrNote)
	}
	alone, err := sign(n.Text, key) // without the old key
	require.NoError(t, err)
	n, err = ReadNote(alone)
	require.NoError(t, err)
	require.ErrorIs(t, CheckKeyEvent(n, origin, KeyRotated, device, key.Public(), device, old.Public()), ErrNote)
	_, err = SignKeyEvent(origin, KeyRotated, key, nil)
	require.ErrorIs(t, err, ErrNote)
	_, err = SignKeyEvent(origin, KeyRevoked, key, old)
	require.ErrorIs(t, err, ErrNote)
	raw, err = SignKeyEvent(origin, KeyProvisioned, old, nil)
	require.NoError(t, err)
	n, err = ReadNote(raw)
	require.NoError(t, err)
	require.NoError(t, CheckKeyEvent(n, origin, KeyProvisioned, device, old.Public(), "", nil))
}

// liar signs another text than it was given.
type liar struct{ crypto.Signer }

func (l liar) Sign(r io.Reader, text []byte, opt crypto.SignerOpts) ([]byte, error) {
	return l.Signer.Sign(r, append([]byte{1}, text...), opt)
}

func TestAKeyThatCannotBeUsedIsRefused(t *testing.T) {
	ed := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for _, s := range []crypto.Signer{rsaKey, p384} {
		_, err := NewKey(device, Software, s)
		require.ErrorIs(t, err, ErrKey)
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb", "ä", strings.Repeat("a", 129)} {
		_, err := NewKey(name, Software, ed)
		require.ErrorIs(t, err, ErrKey, "%q", name)
	}
	_, err = NewKey(device, 0, ed)
	require.ErrorIs(t, err, ErrKey)
	_, err = NewKey(device, TPM, nil)
	require.ErrorIs(t, err, ErrKey)
	k, err := NewKey(device, TPM, liar{ed})
	require.NoError(t, err)
	_, err = SignHead(k, someHead(1))
	require.ErrorIs(t, err, ErrKey, "a signature is verified before it is given out")
}

func TestAPublicKeyIsReadFromPEMAndNothingElseIs(t *testing.T) {
	for _, k := range []*Key{edKey(t, 1), p256Key(t)} {
		got, err := ParsePEM(k.Public().PEM())
		require.NoError(t, err)
		require.True(t, got.Equal(k.Public()))
		require.Equal(t, k.ID(), got.ID(device))
		der, err := x509.MarshalPKIXPublicKey(k.Public().key)
		require.NoError(t, err)
		require.Equal(t, der, got.SPKI())
		for _, bad := range [][]byte{nil, got.SPKI(), append(got.PEM(), got.PEM()...), append(got.PEM(), "x"...), make([]byte, MaxPEM+1),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: got.SPKI()}),
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: append(got.SPKI(), 0)}),
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: got.SPKI()[1:]})} {
			_, err := ParsePEM(bad)
			require.ErrorIs(t, err, ErrKey)
		}
	}
	for _, p := range []Protection{Software, TPM, SecureElement} {
		got, ok := ParseProtection(p.String())
		require.True(t, ok)
		require.Equal(t, p, got)
	}
	_, ok := ParseProtection("")
	require.False(t, ok)
}
