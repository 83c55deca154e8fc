// Every crash and every damage that journaltest knows, on its simulated disk.

package journal_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/journaltest"
)

// enumerate returns the settings of a run: short, or long if BATCHKIT_LONG is set.
func enumerate() journaltest.Options {
	return journaltest.Options{Seed: 1, Long: os.Getenv("BATCHKIT_LONG") != ""}
}

func TestNoCrashLosesWhatWasAcknowledgedOrIsCalledDamage(t *testing.T) {
	opt := enumerate()
	r, err := journaltest.Crash(opt)
	t.Log(r)
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.States, map[bool]int{false: 20_000, true: 150_000}[opt.Long])
}

func TestNoDamageIsPassedOverOrCalledATornTail(t *testing.T) {
	opt := enumerate()
	r, err := journaltest.Flips(opt)
	t.Log(r)
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Flips, map[bool]int{false: 16_384, true: 131_072}[opt.Long])
}

func TestNoCutOfAChipLosesWhatItHasAcknowledgedAndNoDiskIsPutBackUnseen(t *testing.T) {
	opt := enumerate()
	r, err := journaltest.Anchors(opt)
	t.Log(r)
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.States, map[bool]int{false: 3_000, true: 50_000}[opt.Long])
}
