// The keys that sign heads: what is told of them, their ids, and how each signs and is verified.

package journal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrKey is wrapped by every refusal of a key.
var ErrKey = errors.New("journal: key refused")

// MaxPEM is the largest file of a public key, in bytes.
const MaxPEM = 4096

// maxKeyName is the longest name of a key, in bytes.
const maxKeyName = 128

// Protection says where a private key lies, as its owner declares it. Nothing here can check it.
type Protection uint8

// The places of a private key.
const (
	Software      Protection = iota + 1 // a file or memory: whoever reads it signs as the device
	TPM                                 // a TPM, which does not give it away
	SecureElement                       // another part that does not give it away
)

// String returns the protection as records spell it, "" for what is none.
func (p Protection) String() string {
	if p > SecureElement {
		return ""
	}
	return [...]string{"", "software", "tpm", "secure_element"}[p]
}

// ParseProtection finds the protection that String spells so.
func ParseProtection(s string) (p Protection, ok bool) {
	for p = Software; p <= SecureElement; p++ {
		if p.String() == s {
			return p, true
		}
	}
	return 0, false
}

// PublicKey is an Ed25519 or ECDSA P-256 key that verifies.
type PublicKey struct {
	key  crypto.PublicKey // ed25519.PublicKey or *ecdsa.PublicKey
	spki string           // DER
}

// NewPublicKey takes a copy of an ed25519.PublicKey or an *ecdsa.PublicKey on P-256; any other is refused with ErrKey.
func NewPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	switch k := key.(type) {
	case ed25519.PublicKey: // its length is checked below
	case *ecdsa.PublicKey:
		//lint:ignore SA1019 a key without coordinates makes Bytes and MarshalPKIXPublicKey panic, and nothing else tells of it
		if k == nil || k.Curve != elliptic.P256() || k.X == nil || k.Y == nil {
			return nil, fmt.Errorf("%w: of ECDSA keys only P-256 is taken", ErrKey)
		}
	default:
		return nil, fmt.Errorf("%w: a %T is neither Ed25519 nor ECDSA P-256", ErrKey, key)
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err == nil {
		key, err = x509.ParsePKIXPublicKey(spki) // a copy, which the caller cannot change
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &PublicKey{key, string(spki)}, nil
}

// ParsePublicKey reads a SubjectPublicKeyInfo in DER, of MaxPEM bytes at most; what is none, byte for byte, is refused with ErrKey.
func ParsePublicKey(spki []byte) (*PublicKey, error) {
	if len(spki) > MaxPEM {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrKey, len(spki))
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	k, err := NewPublicKey(key)
	if err != nil {
		return nil, err
	}
	if k.spki != string(spki) {
		return nil, fmt.Errorf("%w: it is not in the form that its algorithm has in DER", ErrKey)
	}
	return k, nil
}

// ParsePEM reads a file that holds one PEM block "PUBLIC KEY" and nothing else, as PEM and openssl give it; lines may end in CR LF,
// and space around the block is passed over. Anything else is refused with ErrKey.
func ParsePEM(data []byte) (*PublicKey, error) {
	if len(data) > MaxPEM {
		return nil, fmt.Errorf("%w: a file of %d bytes is too large", ErrKey, len(data))
	}
	text := bytes.TrimSpace(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
	block, _ := pem.Decode(text)
	if block == nil || !bytes.Equal(text, bytes.TrimSpace(pemOf(block.Bytes))) { // Decode passes over what it does not know
		return nil, fmt.Errorf("%w: it is not one PEM block PUBLIC KEY and nothing else", ErrKey)
	}
	return ParsePublicKey(block.Bytes)
}

// SPKI returns the key as SubjectPublicKeyInfo in DER.
func (k *PublicKey) SPKI() []byte { return []byte(k.spki) }

// PEM returns the key as a PEM file.
func (k *PublicKey) PEM() []byte { return pemOf([]byte(k.spki)) }

func pemOf(spki []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
}

// Equal tells whether two keys are the same.
func (k *PublicKey) Equal(other *PublicKey) bool { return other != nil && k.spki == other.spki }

// Algorithm is Ed25519 or ECDSA-P256.
func (k *PublicKey) Algorithm() string {
	if _, ok := k.key.(ed25519.PublicKey); ok {
		return "Ed25519"
	}
	return "ECDSA-P256"
}

// ID returns the id that the key has under a name, as records spell it: 8 hexadecimal digits, C2SP signed-note. That of a P-256 key
// is the same under every name. It tells keys apart; it proves nothing.
func (k *PublicKey) ID(name string) string { return fmt.Sprintf("%08x", k.hash(name)) }

func (k *PublicKey) hash(name string) uint32 {
	text := []byte(k.spki)
	if key, ok := k.key.(ed25519.PublicKey); ok {
		const typeEd25519 = 1
		text = append([]byte(name), '\n', typeEd25519)
		text = append(text, key...)
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint32(sum[:])
}

// verify tells whether sig is a signature of text by this key.
func (k *PublicKey) verify(text, sig []byte) bool {
	if key, ok := k.key.(ed25519.PublicKey); ok {
		return ed25519.Verify(key, text, sig)
	}
	digest := sha256.Sum256(text)
	return ecdsa.VerifyASN1(k.key.(*ecdsa.PublicKey), digest[:], sig)
}

// Key is a key that signs. It may be used by one goroutine at a time, as far as its signer says nothing else.
type Key struct {
	name       string
	protection Protection
	public     *PublicKey
	signer     crypto.Signer
}

// NewKey takes a signer with an Ed25519 or P-256 key, the name under which it signs, and where its private half lies. A name has
// 1 to 128 visible ASCII characters without '+'; it is best that of the device, a path without scheme such as
// plant.example/line-1.
func NewKey(name string, p Protection, s crypto.Signer) (*Key, error) {
	if !isKeyName(name) {
		return nil, fmt.Errorf("%w: the name %.40q has not 1 to %d visible ASCII characters without +", ErrKey, name, maxKeyName)
	}
	if p.String() == "" || s == nil {
		return nil, fmt.Errorf("%w: %s needs a signer and its protection", ErrKey, name)
	}
	public, err := NewPublicKey(s.Public())
	if err != nil {
		return nil, err
	}
	return &Key{name, p, public, s}, nil
}

func isKeyName(name string) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }
	return name != "" && len(name) <= maxKeyName && strings.IndexFunc(name, odd) < 0
}

// Name is the name under which the key signs.
func (k *Key) Name() string { return k.name }

// ID is the key's id under its name.
func (k *Key) ID() string { return k.public.ID(k.name) }

// Public is the half that verifies.
func (k *Key) Public() *PublicKey { return k.public }

// Protection says where the private half lies.
func (k *Key) Protection() Protection { return k.protection }

// signer is a Key as package note takes it.
type signer struct{ *Key }

func (k signer) KeyHash() uint32 { return k.public.hash(k.name) }

// Sign signs a text: Ed25519 over the text, P-256 over its SHA-256, in DER. A signature that the public half does not verify is
// refused. It blocks for as long as the signer does.
func (k signer) Sign(text []byte) (sig []byte, err error) {
	switch key := k.signer.(type) {
	case *ecdsa.PrivateKey: // RFC 6979: no signature hangs on the randomness that a board has when it is switched on
		sig, err = k.digested(nil, text)
	default:
		if k.public.Algorithm() == "Ed25519" {
			sig, err = key.Sign(rand.Reader, text, crypto.Hash(0))
		} else {
			sig, err = k.digested(rand.Reader, text)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("journal: key %s %s cannot sign: %w", k.name, k.ID(), err)
	}
	if !k.public.verify(text, sig) {
		return nil, fmt.Errorf("%w: what %s %s has signed does not verify", ErrKey, k.name, k.ID())
	}
	return sig, nil
}

func (k *Key) digested(random io.Reader, text []byte) ([]byte, error) {
	digest := sha256.Sum256(text)
	return k.signer.Sign(random, digest[:], crypto.SHA256)
}
