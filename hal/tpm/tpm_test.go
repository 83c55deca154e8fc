// The claims of keys and counters in a TPM, on swtpm: they are the same after a power cut, and keep the promises of their
// contracts.

//go:build linux

package tpm

import (
	"context"
	"crypto"
	"crypto/sha256"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/haltest"
)

// part is a TPM that is a program, with what it keeps.
type part struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	open *TPM
}

func newPart(t *testing.T) *part {
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("swtpm is not there; install swtpm")
	}
	dir, err := os.MkdirTemp("", "tpm") // the path of a socket must be short
	require.NoError(t, err)
	p := &part{t: t, dir: dir}
	t.Cleanup(func() {
		p.off()
		_ = os.RemoveAll(dir)
	})
	p.on()
	return p
}

// on starts it, and off takes its power.
func (p *part) on() {
	socket := filepath.Join(p.dir, "s")
	p.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+p.dir, "--server", "type=unixio,path="+socket,
		"--flags", "not-need-init,startup-clear")
	require.NoError(p.t, p.cmd.Start())
	require.Eventually(p.t, func() bool {
		t, err := Open(socket)
		if err != nil {
			return false
		}
		p.open = t
		_, err = tpm2.GetRandom{BytesRequested: 1}.Execute(t.tpm)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond, "swtpm does not answer")
}

func (p *part) off() {
	_ = p.open.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = os.Remove(filepath.Join(p.dir, "s"))
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestAKeyIsThatOfItsLabelAndOfItsPartAlsoAfterAPowerCut(t *testing.T) {
	p := newPart(t)
	k, err := p.open.Key("batch")
	require.NoError(t, err)
	r, err := haltest.Signer(within(t), k, nil)
	require.NoError(t, err)
	require.True(t, r.Passed())
	require.NoError(t, k.Close())
	other, err := p.open.Key("batch 2")
	require.NoError(t, err)
	require.False(t, k.public.Equal(other.public), "another label, another key")
	p.off()
	_, err = other.Sign(nil, make([]byte, 32), crypto.SHA256)
	require.ErrorIs(t, err, os.ErrClosed)
	p.on()
	again, err := p.open.Key("batch")
	require.NoError(t, err)
	require.True(t, k.public.Equal(again.public))
	_, err = again.Sign(nil, make([]byte, 20), crypto.SHA1)
	require.ErrorContains(t, err, "a digest of 20 bytes: the key signs SHA-256 sums")
	sum := sha256.Sum256([]byte("text"))
	_, err = again.Sign(nil, sum[:], crypto.SHA384)
	require.Error(t, err)
	for _, label := range []string{"", string(make([]byte, 129))} {
		_, err = p.open.Key(label)
		require.ErrorContains(t, err, "1 to 128 are wanted")
	}
	foreign, err := newPart(t).open.Key("batch")
	require.NoError(t, err)
	require.False(t, k.public.Equal(foreign.public), "another part, another key")
}

func TestACounterOnlyGrowsAlsoOverAPowerCutAndWhenItIsMadeAnew(t *testing.T) {
	p := newPart(t)
	const index = FirstIndex + 0x77
	c, err := p.open.Counter(index)
	require.NoError(t, err)
	r, err := haltest.Counter(within(t), c, &haltest.CounterOptions{Spend: 3})
	require.NoError(t, err)
	require.True(t, r.Passed())
	last, err := c.Increment()
	require.NoError(t, err)
	p.off()
	p.on()
	c, err = p.open.Counter(index)
	require.NoError(t, err)
	now, err := c.Read()
	require.NoError(t, err)
	require.GreaterOrEqual(t, now, last, "a part may jump ahead after a cut, and never back")
	now, err = c.Increment()
	require.NoError(t, err)
	require.Greater(t, now, last)

	require.NoError(t, p.open.use("removing", func(raw transport.TPM) error {
		_, err := tpm2.NVUndefineSpace{AuthHandle: tpm2.TPMRHOwner, NVIndex: tpm2.NamedHandle{Handle: c.index, Name: c.name}}.Execute(raw)
		return err
	}))
	_, err = c.Read()
	require.Error(t, err)
	c, err = p.open.Counter(index)
	require.NoError(t, err)
	anew, err := c.Read()
	require.NoError(t, err)
	require.Greater(t, anew, now, "made anew it begins above all that was counted")
}

func TestWhatIsNoCounterIsRefusedAndLeftAlone(t *testing.T) {
	p := newPart(t)
	const index = FirstIndex + 0x78
	require.NoError(t, p.open.use("an ordinary place", func(raw transport.TPM) error {
		_, err := tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{NVIndex: index,
			NameAlg: tpm2.TPMAlgSHA256, DataSize: 8, Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, NT: tpm2.TPMNTOrdinary}})}.
			Execute(raw)
		return err
	}))
	_, err := p.open.Counter(index)
	require.ErrorContains(t, err, "what lies there is no counter; choose another index")
	for _, outside := range []uint32{0, FirstIndex - 1, LastIndex + 1} {
		_, err = p.open.Counter(outside)
		require.ErrorContains(t, err, "want 0x1800000 to 0x1bfffff")
	}
	_, err = Open(filepath.Join(t.TempDir(), "tpmrm0"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(p.dir)
	require.Error(t, err, "a directory is none")
}
