// The simulated secure element: a key that signs and a number that only grows.

package sim

import (
	"crypto"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/batchkit/batchkit/hal"
)

// Counter is the counter of a Board and implements hal.Counter. It begins at 0 and outlives power cuts, but not the process.
type Counter struct {
	board *Board
	value uint64
}

var _ hal.Counter = (*Counter)(nil)

// Read implements hal.Counter.
func (c *Counter) Read() (uint64, error) {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	if err := c.board.ready("counter", "counter", false); err != nil {
		return 0, err
	}
	return c.value, nil
}

// Increment implements hal.Counter.
func (c *Counter) Increment() (uint64, error) {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	if err := c.board.ready("counter", "counter", false); err != nil {
		return 0, err
	}
	if c.value++; c.value == 0 {
		c.value--
		return 0, fmt.Errorf("sim: counter %q: it is used up", "counter")
	}
	return c.value, nil
}

// Signer is the key of a Board and implements crypto.Signer: an Ed25519 key that follows from the board's seed, so that runs are alike.
// It protects nothing.
type Signer struct {
	board *Board
	key   ed25519.PrivateKey
}

var _ crypto.Signer = (*Signer)(nil)

func newSigner(b *Board) Signer {
	seed := make([]byte, ed25519.SeedSize)
	for i := range uint64(4) {
		binary.BigEndian.PutUint64(seed[8*i:], draw(b.seed, signalKey, i))
	}
	return Signer{board: b, key: ed25519.NewKeyFromSeed(seed)}
}

const signalKey = 1<<32 + 1 // of draw

// Public implements crypto.Signer.
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign implements crypto.Signer; without power it fails.
func (s *Signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if err := s.board.ready("key", "key", false); err != nil {
		return nil, err
	}
	return s.key.Sign(rand, digest, opts)
}

// Counter returns the board's counter.
func (b *Board) Counter() *Counter { return &b.counter }

// Signer returns the board's key.
func (b *Board) Signer() *Signer { return &b.key }
