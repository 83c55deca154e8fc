// A key in a TPM: what swtpm signs is a signed head that openssl verifies.

//go:build linux

package journal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
	"github.com/stretchr/testify/require"
)

// tpmKey is a P-256 key that never leaves its TPM.
type tpmKey struct {
	tpm    transport.TPM
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public *ecdsa.PublicKey
}

func (k *tpmKey) Public() crypto.PublicKey { return k.public }

func (k *tpmKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	rsp, err := tpm2.Sign{
		KeyHandle: tpm2.NamedHandle{Handle: k.handle, Name: k.name},
		Digest:    tpm2.TPM2BDigest{Buffer: digest},
		InScheme: tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgECDSA,
			Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256})},
		Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
	}.Execute(k.tpm)
	if err != nil {
		return nil, err
	}
	sig, err := rsp.Signature.Signature.ECDSA()
	if err != nil {
		return nil, err
	}
	number := func(p tpm2.TPM2BECCParameter) *big.Int { return new(big.Int).SetBytes(p.Buffer) }
	return asn1.Marshal(struct{ R, S *big.Int }{number(sig.SignatureR), number(sig.SignatureS)})
}

// newTPM starts swtpm, which ends with the test.
func newTPM(t *testing.T) transport.TPM {
	path, err := exec.LookPath("swtpm")
	if err != nil {
		t.Skip("swtpm is not there; install swtpm")
	}
	dir, err := os.MkdirTemp("", "tpm") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+socket,
		"--flags", "not-need-init,startup-clear")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var tpm transport.TPMCloser
	require.Eventually(t, func() bool {
		tpm, err = linuxudstpm.Open(socket)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond, "swtpm does not answer")
	t.Cleanup(func() { _ = tpm.Close() })
	return tpm
}

// newTPMKey makes a signing key in a TPM.
func newTPMKey(t *testing.T, tpm transport.TPM) *tpmKey {
	made, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.TPMRHOwner,
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true,
				SignEncrypt: true},
			Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256,
				Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA,
					Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})}}),
		}),
	}.Execute(tpm)
	require.NoError(t, err)
	public, err := made.OutPublic.Contents()
	require.NoError(t, err)
	point, err := public.Unique.ECC()
	require.NoError(t, err)
	raw := make([]byte, 65)
	raw[0] = 4
	new(big.Int).SetBytes(point.X.Buffer).FillBytes(raw[1:33])
	new(big.Int).SetBytes(point.Y.Buffer).FillBytes(raw[33:])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	require.NoError(t, err)
	return &tpmKey{tpm: tpm, handle: made.ObjectHandle, name: made.Name, public: key}
}

func TestOpensslVerifiesWhatATPMHasSigned(t *testing.T) {
	k, err := NewKey(device, TPM, newTPMKey(t, newTPM(t)))
	require.NoError(t, err)
	require.Equal(t, "ECDSA-P256", k.Public().Algorithm())
	for n := range 5 {
		text, err := SignHead(k, someHead(n))
		require.NoError(t, err)
		signed, err := ReadNote(text)
		require.NoError(t, err)
		require.NoError(t, signed.Verify(device, k.Public()))
		opensslVerifies(t, text, k.Public())
	}
}
