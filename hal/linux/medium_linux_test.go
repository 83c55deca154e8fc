// The machine that the test runs on has a medium, too.

package linux

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheMediumOfThisMachineIsFoundAndNeverGuessedAt(t *testing.T) {
	m, err := MediumOf(t.TempDir())
	require.NoError(t, err)
	require.NotEmpty(t, m.FS)
	h := StorageHealth(os.DirFS("/sys"), m, nil)
	require.NotEmpty(t, h.Reasons)
	t.Logf("%+v: %s, %q, %d bytes written", m, h.State, h.Reasons, h.BytesWritten)
	_, err = MediumOf(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
