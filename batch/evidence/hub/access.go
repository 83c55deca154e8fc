// Who asks: by a token or by the certificate of his connection.

package hub

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
)

// Limits of a file of tokens.
const (
	MaxTokens   = 1_000
	LeastToken  = 32  // bytes of a token
	mostToken   = 256 // bytes
	tokensBytes = 512 << 10
)

// Tokens knows callers by what they bear.
type Tokens struct{ rows []bearer }

// bearer is a caller and the digest of its token: of one length, so that all are compared alike.
type bearer struct {
	sum    [sha256.Size]byte
	caller Caller
}

// ReadTokens reads a file of tokens, which only its owner may read, mode 0600. A line is
//
//	node n1 TOKEN      n1 sends its journals
//	reader anna TOKEN  anna asks
//
// and # begins a remark. A token has 32 to 256 bytes without a space.
func ReadTokens(name string) (*Tokens, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("hub: tokens: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("hub: tokens: %w", err)
	} else if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("hub: tokens: %s has mode %04o, so others may read it: chmod 600 it, and take new tokens", name, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, tokensBytes+1))
	if err != nil || len(data) > tokensBytes {
		return nil, errors.Join(err, fmt.Errorf("hub: tokens: %s has more than %d bytes, or cannot be read", name, tokensBytes))
	}
	t, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("hub: tokens: %s: %w", name, err)
	}
	return t, nil
}

func parseTokens(data []byte) (*Tokens, error) {
	t := &Tokens{}
	in := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; in.Scan(); n++ {
		text, _, _ := strings.Cut(in.Text(), "#")
		word := strings.Fields(text)
		if len(word) == 0 {
			continue
		}
		if len(word) != 3 || word[0] != "node" && word[0] != "reader" || !validID(word[1]) {
			return nil, fmt.Errorf("line %d: node NAME TOKEN or reader NAME TOKEN is wanted", n)
		}
		if len(word[2]) < LeastToken || len(word[2]) > mostToken || len(t.rows) == MaxTokens {
			return nil, fmt.Errorf("line %d: a token of %d bytes, or more than %d of them; a token has %d to %d, and may be made by: openssl rand -hex 32",
				n, len(word[2]), MaxTokens, LeastToken, mostToken)
		}
		b := bearer{sha256.Sum256([]byte(word[2])), Caller{Name: word[1], Write: word[0] == "node", Read: word[0] == "reader"}}
		for i := range t.rows {
			if t.rows[i].sum == b.sum {
				return nil, fmt.Errorf("line %d: the token of another; each has its own", n)
			}
		}
		t.rows = append(t.rows, b)
	}
	if len(t.rows) == 0 {
		return nil, errors.Join(in.Err(), errors.New("no token"))
	}
	return t, in.Err()
}

// Who tells who has sent a request, by its header Authorization: Bearer TOKEN. It takes the same time for every token that is not
// known.
func (t *Tokens) Who(r *http.Request) (c Caller, err error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || len(token) > mostToken {
		return c, errors.New("a header Authorization: Bearer TOKEN is wanted")
	}
	sum, known := sha256.Sum256([]byte(token)), 0
	for i := range t.rows {
		if subtle.ConstantTimeCompare(sum[:], t.rows[i].sum[:]) == 1 {
			c, known = t.rows[i].caller, 1
		}
	}
	if known == 0 {
		return c, errors.New("the token is not known")
	}
	return c, nil
}

// Certificate tells who has sent a request by the common name of its client certificate, which the server has verified: it is the
// name of a node, which may send its journals and ask.
func Certificate(r *http.Request) (Caller, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return Caller{}, errors.New("a client certificate is wanted")
	}
	name := r.TLS.PeerCertificates[0].Subject.CommonName
	if !validID(name) {
		return Caller{}, fmt.Errorf("the common name %.80q of its certificate is not one of a node", name)
	}
	return Caller{Name: name, Write: true, Read: true}, nil
}

// Anybody believes whatever name a request says, and lets it do all: for a hub that only its own machine can reach, and for tests.
func Anybody(r *http.Request) (Caller, error) {
	name := r.Header.Get(headNode)
	if name == "" {
		name = "local"
	}
	if !validID(name) {
		return Caller{}, fmt.Errorf("%.80q is not the name of a node", name)
	}
	return Caller{Name: name, Write: true, Read: true}, nil
}
