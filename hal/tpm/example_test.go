// The example of package tpm: a key that signs heads, and a counter; it needs a board with a TPM.

package tpm_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/batchkit/batchkit/hal/tpm"
)

func Example() {
	part, err := tpm.Open("/dev/tpmrm0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer part.Close()
	key, err := part.Key("batch controller 1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer key.Close()
	sum := sha256.Sum256([]byte("a head"))
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	fmt.Println(len(signature), err)
	starts, err := part.Counter(tpm.FirstIndex + 0xba7c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(starts.Increment())
}
