// The suites of a key that signs and of a number that only grows.

package haltest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/hal"
)

// SignerOptions are the options of Signer.
type SignerOptions struct {
	Device     string // name in reports; "" is "signer"
	Signatures int    // how many are made; 0: 8
}

// Signer holds a key against crypto.Signer. What is signed are the SHA-256 sums of short texts that name this suite; an Ed25519 key
// signs the texts themselves. Parts that count their signatures lose as many as the options say, and two more.
func Signer(ctx context.Context, key crypto.Signer, o *SignerOptions) (Report, error) {
	if o == nil {
		o = &SignerOptions{}
	}
	s, err := begin(ctx, "Signer", named(o.Device, "signer"), nil)
	if err != nil {
		return Report{}, err
	}
	n := o.Signatures
	if n <= 0 {
		n = 8
	}
	k := &signer{suite: s, key: key}
	ok := s.check("Public gives the same key each time, of Ed25519, ECDSA or RSA", "read the public half when the key is opened", func() error {
		k.public = key.Public()
		same, ok := k.public.(interface{ Equal(x crypto.PublicKey) bool })
		switch {
		case !ok:
			return fmt.Errorf("a %T", k.public)
		case !same.Equal(key.Public()):
			return errors.New("two keys, one after the other")
		}
		return k.known()
	})
	if !ok {
		s.skip("a signature is of the digest that was given", "a key that can be known")
		return s.end()
	}
	var took []int64
	s.check("a signature is of the digest that was given, by the key that Public gives, and of no other digest",
		"hand the digest on as it is, and do not hash it again", func() error {
			for i := range n {
				ns, err := k.signs(i)
				if err != nil {
					return err
				}
				took = append(took, ns)
			}
			return nil
		})
	s.figure("sign_ns", &took)
	s.check("Sign may be called from any goroutine", "put a lock around the exchange with the part", func() error {
		var wait sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			wait.Go(func() { _, errs[i] = k.signs(n + i) })
		}
		wait.Wait()
		return errors.Join(errs...)
	})
	return s.end()
}

// signer is a run of Signer.
type signer struct {
	*suite
	key    crypto.Signer
	public crypto.PublicKey
}

// known tells whether signatures of the key can be verified here.
func (k *signer) known() error {
	switch k.public.(type) {
	case ed25519.PublicKey, *ecdsa.PublicKey, *rsa.PublicKey:
		return nil
	}
	return fmt.Errorf("a %T", k.public)
}

// verify holds a signature against a text.
func (k *signer) verify(text, signature []byte) bool {
	sum := sha256.Sum256(text)
	switch p := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(p, text, signature)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(p, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(p, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// signs makes a signature and verifies it.
func (k *signer) signs(i int) (ns int64, err error) {
	text := fmt.Appendf(nil, "signed by the suite of package haltest, number %d", i)
	sum := sha256.Sum256(text)
	what, opts := sum[:], crypto.SignerOpts(crypto.SHA256)
	if _, ok := k.public.(ed25519.PublicKey); ok {
		what, opts = text, crypto.Hash(0)
	}
	given := bytes.Clone(what)
	var signature []byte
	ns, err = k.timed(func() (err error) { signature, err = k.key.Sign(rand.Reader, what, opts); return err })
	switch {
	case err != nil:
		return ns, fmt.Errorf("its Sign: %w", err)
	case !bytes.Equal(given, what):
		return ns, errors.New("its Sign changed the digest that it was given")
	case !k.verify(text, signature):
		return ns, fmt.Errorf("signature %d, of %d bytes, does not verify with the key that Public gives", i, len(signature))
	case k.verify(append(text, '.'), signature):
		return ns, fmt.Errorf("signature %d verifies for another text, too", i)
	}
	return ns, nil
}

// CounterOptions are the options of Counter.
type CounterOptions struct {
	Device string      // name in reports; "" is "counter"
	Spend  int         // counts that may be used up for ever; 0: none, and only Read is checked
	Power  PowerSwitch // of the part; nil: that counts outlive the supply is not checked
}

// Counter holds a counter against hal.Counter. What it counts is gone: a part of a TPM takes some 100,000 counts in its life.
func Counter(ctx context.Context, c hal.Counter, o *CounterOptions) (Report, error) {
	if o == nil {
		o = &CounterOptions{}
	}
	s, err := begin(ctx, "Counter", named(o.Device, "counter"), nil)
	if err != nil {
		return Report{}, err
	}
	last := uint64(0)
	var reads, grows []int64
	s.check("Read gives the same number until somebody counts", "see that nobody else counts on it, and that bytes are in their order", func() error {
		for i := range 8 {
			var v uint64
			ns, err := s.timed(func() (err error) { v, err = c.Read(); return err })
			if err != nil {
				return fmt.Errorf("its Read: %w", err)
			}
			if reads = append(reads, ns); i > 0 && v != last {
				return fmt.Errorf("%d, and then %d", last, v)
			}
			last = v
		}
		return nil
	})
	s.figure("read_ns", &reads)
	const adds, outlives = "Increment adds 1, returns the new value, and Read then gives it; it never goes back", "counts outlive the supply"
	if o.Spend <= 0 {
		s.skip(adds, "Spend: counts that may be used up")
		s.skip(outlives, "Spend, and a PowerSwitch")
		return s.end()
	}
	s.check(adds, "return what the part has stored", func() error {
		for range o.Spend {
			var v uint64
			ns, err := s.timed(func() (err error) { v, err = c.Increment(); return err })
			if err != nil {
				return fmt.Errorf("its Increment: %w", err)
			}
			grows = append(grows, ns)
			after, err := c.Read()
			if v != last+1 || err != nil || after != v {
				return fmt.Errorf("from %d, Increment gave %d, and Read then %d, %v", last, v, after, err)
			}
			last = v
		}
		return nil
	})
	s.figure("increment_ns", &grows)
	if o.Power == nil {
		s.skip(outlives, "a PowerSwitch")
		return s.end()
	}
	s.check(outlives, "return from Increment when the part has stored it", func() error {
		if err := o.Power.PowerOff(ctx); err != nil {
			return fmt.Errorf("PowerOff: %w", err)
		}
		if err := o.Power.PowerOn(ctx); err != nil {
			return fmt.Errorf("PowerOn: %w", err)
		}
		if v, err := c.Read(); err != nil || v != last {
			return fmt.Errorf("it stood at %d, and after a cut at %d, %v", last, v, err)
		}
		return nil
	})
	return s.end()
}
