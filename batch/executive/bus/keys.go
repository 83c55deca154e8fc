// Keys: who is who on the bus.

package bus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/nats-io/nkeys"
)

// Key is an nkey, by which a server knows a node, a hub, a client or an administrator: the server has only what is public of it.
type Key struct {
	Public string // as in the list of users of a server; it begins with U
	pair   nkeys.KeyPair
}

// sign answers what a server asks, which proves that the key is there.
func (k *Key) sign(nonce []byte) ([]byte, error) { return k.pair.Sign(nonce) }

// NewKey makes a key and writes its seed to a new file, which nobody but its owner may read. A file that is there is left as it is,
// and an error.
func NewKey(path string) (*Key, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	_, err = f.Write(append(seed, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	return keyOf(pair)
}

// ReadKey reads the file with the seed of a key. One that others may read is refused, except on Windows, where its mode does not tell.
func ReadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("bus: %w", err)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("bus: %s is no file; name one with the seed of an nkey", path)
	case runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("bus: %s may be read or written by others (%s); chmod 600 it, and make a new key if they have read it", path, st.Mode().Perm())
	}
	seed, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		return nil, fmt.Errorf("bus: %s holds no seed of an nkey; make one with NewKey or nk -gen user", path)
	}
	return keyOf(pair)
}

func keyOf(pair nkeys.KeyPair) (*Key, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	if !nkeys.IsValidPublicUserKey(public) {
		return nil, errors.New("bus: the key is not that of a user; its seed begins with SU")
	}
	return &Key{Public: public, pair: pair}, nil
}

// ident tells whether a text is a name on the bus: one that is a token of a subject, and no more.
func ident(text string) bool {
	for _, r := range text {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 32
}
