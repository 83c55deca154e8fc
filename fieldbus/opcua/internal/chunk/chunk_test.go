// What is sealed opens and nothing else does, and who counts is followed by who listens.

package chunk

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"math"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/stretchr/testify/require"
)

// pairs gives the algorithms of both ends by each policy that secures, of tokens and of certificates.
func pairs(t *testing.T, check func(name string, near, far *uapolicy.EncryptionAlgorithm, wide bool)) {
	var own []*rsa.PrivateKey
	for _, bits := range []int{2048, 3072} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		own = append(own, k)
	}
	for _, uri := range []string{ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss} {
		a, b := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		near, err := uapolicy.Symmetric(uri, a, b)
		require.NoError(t, err)
		far, err := uapolicy.Symmetric(uri, b, a)
		require.NoError(t, err)
		check(uri, near, far, false)
		for _, k := range own {
			near, err := uapolicy.Asymmetric(uri, k, &k.PublicKey)
			require.NoError(t, err)
			check(uri, near, near, k.Size() > 256)
		}
	}
}

func TestWhatIsSealedOpensAndNothingElseDoes(t *testing.T) {
	pairs(t, func(name string, near, far *uapolicy.EncryptionAlgorithm, wide bool) {
		for _, encrypted := range []bool{true, false} {
			for _, n := range []int{numbers, 15, 16, 17, 500} {
				head := Opening(7, name, []byte("own"), []byte("peer"))
				body := bytes.Repeat([]byte{0xA5}, n)
				b, err := Seal(near, append(bytes.Clone(head), body...), len(head), encrypted, wide)
				require.NoError(t, err)
				require.EqualValues(t, len(b), int(b[4])|int(b[5])<<8, "the size in the head")
				was := bytes.Clone(b)
				plain, ok := Open(far, b, len(head), encrypted, wide)
				require.True(t, ok, "%s, %d bytes", name, n)
				require.Equal(t, body, plain)
				require.Equal(t, was, b, "what is opened stays as it is")
				for _, at := range []int{0, len(head) - 1, len(head), len(b) - 1} {
					b[at] ^= 1
					_, ok := Open(far, b, len(head), encrypted, wide)
					require.False(t, ok, "%s, %d bytes, the one at %d of another value", name, n, at)
					b[at] ^= 1
				}
				_, ok = Open(far, b[:len(head)], len(head), encrypted, wide)
				require.False(t, ok, "a head alone")
			}
			head := Opening(7, name, nil, nil)
			b, err := Seal(near, append(bytes.Clone(head), make([]byte, numbers-1)...), len(head), encrypted, wide)
			require.NoError(t, err)
			_, ok := Open(far, b, len(head), encrypted, wide)
			require.False(t, ok, "no room for numbers")
		}
	})
}

func TestWithoutAnAlgorithmOnlyTheSizeIsSet(t *testing.T) {
	b, err := Seal(nil, []byte("MSGF\x00\x00\x00\x00body"), 8, false, false)
	require.NoError(t, err)
	require.Equal(t, "MSGF\x0c\x00\x00\x00body", string(b))
}

func TestNumbersBeginAgainWhereWhoListensLetsThem(t *testing.T) {
	send, take := Count{Last: math.MaxUint32 - 1030}, Count{}
	var again bool
	for range 2000 {
		n := send.Next()
		require.True(t, take.Follows(n), "%d", n)
		again = again || n == 1
	}
	require.True(t, again)
	// Part 6: not before it is greater than MaxUint32-1024.
	c := Count{Last: math.MaxUint32 - 1024, begun: true}
	require.False(t, c.Follows(1))
	require.True(t, c.Follows(math.MaxUint32-1023))
	require.False(t, c.Follows(begin))
	require.True(t, c.Follows(begin-1))
}

func TestNoNumberIsLeftOutOrComesTwice(t *testing.T) {
	var c Count
	require.True(t, c.Follows(51))
	for _, n := range []uint32{51, 53, 0, 1, 50} {
		require.False(t, c.Follows(n), "%d", n)
	}
	require.True(t, c.Follows(52))
	require.EqualValues(t, 1, new(Count).Next())
}
