// Package tpm signs by a TPM 2.0, and counts by it.
//
// Start with [Open]. [TPM.Key] gives a key that never leaves the part, as a crypto.Signer for journal.NewKey; [TPM.Counter] gives a
// number that only grows, whatever is done to the disk.
//
// The rule that must not be broken: nothing here is kept outside of the part. A key is made anew from the part's own seed each
// time and is the same each time, so there is no file to lose or to copy; a TPM that is cleared, or another TPM, has another key.
//
// The package starts nothing. A call blocks for one exchange, some 10 ms on most parts and up to a second on slow ones. Commands
// are sent without secrecy: whoever may open the device, or listens on its bus, sees what is signed, and whoever may open it signs
// as the board.
package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/batchkit/batchkit/hal"
)

var (
	_ crypto.Signer = (*Key)(nil)
	_ hal.Counter   = (*Counter)(nil)
)

// maxLabel is the longest label of a key, in bytes.
const maxLabel = 128

// The indices of the non-volatile memory of a TPM that an owner may use.
const (
	FirstIndex = 0x0180_0000
	LastIndex  = 0x01bf_ffff
)

// TPM is an open TPM 2.0. Any number of goroutines may use it, and what comes of it; one at a time is served.
type TPM struct {
	device string
	mu     sync.Mutex
	tpm    transport.TPMCloser // nil: closed
}

// Open opens a device such as /dev/tpmrm0, through which the kernel lets several processes use the part, or the socket of a TPM
// that is a program. The owner's authorisation must be empty, as it is on a part that nobody has taken. On Windows the error wraps
// errors.ErrUnsupported.
func Open(device string) (*TPM, error) {
	t, err := openDevice(device)
	if err != nil {
		return nil, fmt.Errorf("tpm: %s: %w", device, err)
	}
	return &TPM{device: device, tpm: t}, nil
}

// Close releases the part. Its keys and counters are of no use from then on.
func (t *TPM) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tpm == nil {
		return nil
	}
	err := t.tpm.Close()
	t.tpm = nil
	if err != nil {
		return fmt.Errorf("tpm: %s: %w", t.device, err)
	}
	return nil
}

// use gives the open part to f, and to nobody else meanwhile.
func (t *TPM) use(what string, f func(transport.TPM) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := os.ErrClosed
	if t.tpm != nil {
		err = f(t.tpm)
	}
	if err != nil {
		return fmt.Errorf("tpm: %s: %s: %w", t.device, what, err)
	}
	return nil
}

// Key is an ECDSA key on P-256 in a TPM, and implements crypto.Signer.
type Key struct {
	t      *TPM
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public *ecdsa.PublicKey
}

// Key makes the key of a label: the same for the same part and label, and another for every other label, so that one key can take
// the place of another. The label is 1 to 128 bytes. The key takes a place in the part until Close.
func (t *TPM) Key(label string) (*Key, error) {
	if label == "" || len(label) > maxLabel {
		return nil, fmt.Errorf("tpm: %s: the label of a key has %d bytes; 1 to %d are wanted", t.device, len(label), maxLabel)
	}
	k := &Key{t: t}
	err := t.use(fmt.Sprintf("key %q", label), func(part transport.TPM) error {
		made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(template(label))}.Execute(part)
		if err != nil {
			return fmt.Errorf("it wants a TPM whose owner has no password: %w", err)
		}
		k.handle, k.name = made.ObjectHandle, made.Name
		if k.public, err = publicOf(made.OutPublic); err != nil {
			_, flushed := tpm2.FlushContext{FlushHandle: k.handle}.Execute(part)
			return errors.Join(err, flushed)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// template is what a key is made from: the part adds its seed.
func template(label string) tpm2.TPMTPublic {
	x := sha256.Sum256([]byte("batchkit key\n" + label))
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true,
			SignEncrypt: true},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256,
			Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})}}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: x[:]},
			Y: tpm2.TPM2BECCParameter{Buffer: make([]byte, len(x))}}),
	}
}

// publicOf reads the public half of a key.
func publicOf(told tpm2.TPM2BPublic) (*ecdsa.PublicKey, error) {
	public, err := told.Contents()
	if err != nil {
		return nil, err
	}
	point, err := public.Unique.ECC()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 65)
	if raw[0] = 4; len(point.X.Buffer) > 32 || len(point.Y.Buffer) > 32 {
		return nil, errors.New("it tells a point that is none of P-256")
	}
	copy(raw[33-len(point.X.Buffer):], point.X.Buffer)
	copy(raw[65-len(point.Y.Buffer):], point.Y.Buffer)
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
}

// Public implements crypto.Signer: an *ecdsa.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer: it signs a SHA-256 sum, and returns the signature as ASN.1. The part has randomness of its own.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if len(digest) != sha256.Size || opts != nil && opts.HashFunc() != crypto.SHA256 {
		return nil, fmt.Errorf("tpm: %s: a digest of %d bytes: the key signs SHA-256 sums", k.t.device, len(digest))
	}
	err = k.t.use("signing", func(part transport.TPM) error {
		rsp, err := tpm2.Sign{
			KeyHandle: tpm2.NamedHandle{Handle: k.handle, Name: k.name},
			Digest:    tpm2.TPM2BDigest{Buffer: digest},
			InScheme: tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256})},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
		}.Execute(part)
		if err != nil {
			return err
		}
		made, err := rsp.Signature.Signature.ECDSA()
		if err != nil {
			return err
		}
		number := func(p tpm2.TPM2BECCParameter) *big.Int { return new(big.Int).SetBytes(p.Buffer) }
		signature, err = asn1.Marshal(struct{ R, S *big.Int }{number(made.SignatureR), number(made.SignatureS)})
		return err
	})
	return signature, err
}

// Close gives the key's place in the part back.
func (k *Key) Close() error {
	return k.t.use("closing a key", func(part transport.TPM) error {
		_, err := tpm2.FlushContext{FlushHandle: k.handle}.Execute(part)
		return err
	})
}

// Counter is a counter in the non-volatile memory of a TPM, and implements hal.Counter. A part has some 100,000 counts in its
// life: count what is rare, such as starts and heads at the end of a batch. Whoever may open the part may count, and may remove
// the counter; one that is made anew begins above all that the part has ever counted.
type Counter struct {
	t     *TPM
	index tpm2.TPMHandle
	name  tpm2.TPM2BName
}

// Counter opens the counter at an index from FirstIndex to LastIndex, and makes it where there is none; that counts once. What
// lies there and is no counter is refused, and left alone.
func (t *TPM) Counter(index uint32) (*Counter, error) {
	if index < FirstIndex || index > LastIndex {
		return nil, fmt.Errorf("tpm: %s: counter at %#x: want %#x to %#x", t.device, index, FirstIndex, LastIndex)
	}
	c := &Counter{t: t, index: tpm2.TPMHandle(index)}
	err := t.use(fmt.Sprintf("counter at %#x", index), func(part transport.TPM) error {
		written, err := c.look(part)
		if errors.Is(err, tpm2.TPMRCHandle) { // nothing is there
			if err = c.define(part); err == nil {
				written, err = c.look(part)
			}
		}
		if err != nil || written {
			return err
		}
		if err := c.add(part); err != nil { // a counter that has never counted cannot be read
			return err
		}
		_, err = c.look(part)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// look reads what lies at the index: its name, which goes into each command, and whether it has ever counted.
func (c *Counter) look(part transport.TPM) (written bool, err error) {
	told, err := tpm2.NVReadPublic{NVIndex: c.index}.Execute(part)
	if err != nil {
		return false, err
	}
	public, err := told.NVPublic.Contents()
	if err != nil {
		return false, err
	}
	if public.Attributes.NT != tpm2.TPMNTCounter || public.DataSize != 8 {
		return false, errors.New("what lies there is no counter; choose another index")
	}
	c.name = told.NVName
	return public.Attributes.Written, nil
}

func (c *Counter) define(part transport.TPM) error {
	_, err := tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{NVIndex: c.index,
		NameAlg: tpm2.TPMAlgSHA256, DataSize: 8,
		Attributes: tpm2.TPMANV{OwnerWrite: true, AuthWrite: true, OwnerRead: true, AuthRead: true, NoDA: true, NT: tpm2.TPMNTCounter}})}.
		Execute(part)
	if err != nil {
		return fmt.Errorf("making it wants a TPM whose owner has no password: %w", err)
	}
	return nil
}

// self authorises by the counter, which has no password.
func (c *Counter) self() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: c.index, Name: c.name, Auth: tpm2.PasswordAuth(nil)}
}

func (c *Counter) add(part transport.TPM) error {
	_, err := tpm2.NVIncrement{AuthHandle: c.self(), NVIndex: tpm2.NamedHandle{Handle: c.index, Name: c.name}}.Execute(part)
	return err
}

func (c *Counter) value(part transport.TPM) (uint64, error) {
	rsp, err := tpm2.NVRead{AuthHandle: c.self(), NVIndex: tpm2.NamedHandle{Handle: c.index, Name: c.name}, Size: 8}.Execute(part)
	if err != nil {
		return 0, err
	}
	if len(rsp.Data.Buffer) != 8 {
		return 0, fmt.Errorf("it tells %d bytes; a counter has 8", len(rsp.Data.Buffer))
	}
	return binary.BigEndian.Uint64(rsp.Data.Buffer), nil
}

// Read implements hal.Counter.
func (c *Counter) Read() (n uint64, err error) {
	err = c.t.use("reading a counter", func(part transport.TPM) error {
		n, err = c.value(part)
		return err
	})
	return n, err
}

// Increment implements hal.Counter. Where another process counts at the same time, the number may be that of the other.
func (c *Counter) Increment() (n uint64, err error) {
	err = c.t.use("counting", func(part transport.TPM) error {
		if err := c.add(part); err != nil {
			return err
		}
		n, err = c.value(part)
		return err
	})
	return n, err
}
