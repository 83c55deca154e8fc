// A replay that begins at any record decides as the one from the beginning, and a snapshot has the form that its number says.

package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
)

// forms are the digests of the states at the end of the released traces, in SnapshotForm 5. Where they change with no trace decided
// otherwise, the form of a snapshot has changed, and its number must grow.
var forms = map[string]string{
	"testdata/engine1/demo":   "3dc28dd48683d77bf0c30d096067841c786b6c67ab347af00d27e6ce94160bc3",
	"testdata/engine1/faults": "86578642c4804e0978aac15894741a3b184ffcc5689dff6c785a35c2d32e685b",
}

func TestAReplayFromAnyRecordDecidesAsTheOneFromTheBeginning(t *testing.T) {
	for _, dir := range fixtures(t) {
		list := bodies(t, dir)
		b := bindFixture(t, dir, list)
		full := b.Replay()
		tried := 0
		for i, body := range list {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			require.NoError(t, full.Record(rec))
			if len(full.Lacking()) > 0 || !full.booted || full.Machine.Ended() {
				continue
			}
			r, err := b.ReplayFrom(full.Machine.Checkpoint(nil, full.at), full.seq)
			require.NoError(t, err)
			tried++
			for _, body := range list[i+1:] {
				rec, err := record.Parse(body)
				require.NoError(t, err)
				require.NoError(t, r.Record(rec), "%s: from record %d", dir, i+1)
			}
			require.NoError(t, r.End())
			require.True(t, r.Machine.Ended())
		}
		require.Positive(t, tried, dir)
		sum := sha256.Sum256(full.Machine.Snapshot(nil))
		t.Logf("%q: %q, // from %d records", dir, hex.EncodeToString(sum[:]), tried)
		require.Equal(t, forms[dir], hex.EncodeToString(sum[:]), "see SnapshotForm")
	}
}

func TestACheckpointOfAnotherEngineOrFormOrOfNothingIsRefused(t *testing.T) {
	dir := fixtures(t)[0]
	list := bodies(t, dir)
	b := bindFixture(t, dir, list)
	r := b.Replay()
	for _, body := range list[:len(list)/2] {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		require.NoError(t, r.Record(rec))
	}
	state := r.Machine.Checkpoint(nil, r.at)
	for n := range len(state) {
		_, err := b.ReplayFrom(state[:n], 5)
		require.Error(t, err, n)
	}
	_, err := b.ReplayFrom(append(state, 0), 5)
	require.Error(t, err)
	for _, at := range []int{0, 4} {
		state[at]++
		_, err := b.ReplayFrom(state, 5)
		require.ErrorIs(t, err, ErrEngine)
		state[at]--
	}
	state[15] = 0x80
	_, err = b.ReplayFrom(state, 5)
	require.ErrorIs(t, err, errSnapshot)
}

func FuzzAnyStateIsRefusedOrReplays(f *testing.F) {
	dir := fixtures(f)[0]
	list := bodies(f, dir)
	b := bindFixture(f, dir, list)
	r := b.Replay()
	for _, body := range list[:len(list)/2] {
		rec, err := record.Parse(body)
		require.NoError(f, err)
		require.NoError(f, r.Record(rec))
	}
	f.Add(r.Machine.Checkpoint(nil, r.at))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, state []byte) {
		r, err := b.ReplayFrom(state, uint64(len(list)/2))
		if err != nil {
			return
		}
		for _, body := range list[len(list)/2:] {
			rec, err := record.Parse(body)
			require.NoError(t, err)
			if r.Record(rec) != nil {
				return
			}
		}
	})
}
