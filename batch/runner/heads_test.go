// Signed heads: what is signed at which milestone, and that no signer keeps the batch waiting.

package runner

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// signer is an Ed25519 key that takes its time, fails or panics.
type signer struct {
	ed25519.PrivateKey
	wait func()
	fail error
}

func (s *signer) Sign(r io.Reader, text []byte, opt crypto.SignerOpts) ([]byte, error) {
	if s.wait != nil {
		s.wait()
	}
	if s.fail != nil {
		return nil, s.fail
	}
	return s.PrivateKey.Sign(r, text, opt)
}

func newSigner() *signer {
	return &signer{PrivateKey: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))}
}

func (s *signer) key(t testing.TB) *journal.Key {
	k, err := journal.NewKey("R101-controller", journal.Software, s)
	require.NoError(t, err)
	return k
}

// milestones are those of the signed heads on record; every head is held against the records.
func (s *site) milestones() (list []string) {
	var tree journal.Tree
	roots := map[uint64]journal.Hash{}
	for _, body := range s.bodies {
		tree.Add(journal.Leaf(body))
		roots[tree.Size()] = tree.Root()
	}
	for _, r := range s.of(record.KindHeadSigned) {
		n, err := journal.ReadNote(r.Text(record.SignedNote))
		require.NoError(s.t, err)
		head, err := n.Head()
		require.NoError(s.t, err)
		require.Equal(s.t, r.Count(record.HeadSize), head.Size)
		require.Less(s.t, head.Size, r.Seq())
		require.Equal(s.t, roots[head.Size], head.Root)
		require.NoError(s.t, n.Verify(s.rig.Key.Name(), s.rig.Key.Public()))
		list = append(list, r.Text(record.Milestone))
	}
	return list
}

func TestHeadsAreSignedAtMilestonesAndTheLastOneLiesBesideTheJournal(t *testing.T) {
	inBubble(t, func(s *site) {
		s.rig.Key = newSigner().key(t)
		dir := s.onDisk()
		s.tell(5*second, sequencer.Hold)
		s.tell(1300*second, sequencer.Restart)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		require.NoError(t, res.SignFault)
		require.Equal(t, res.Records, res.Signed)
		list := s.milestones()
		if list[0] == "boot" { // the disk was faster than the start
			list = list[1:]
		} else {
			require.EqualValues(t, 1, s.of(record.KindHeadSigned)[0].Count(record.Coalesced), "the boot is in the same commit")
		}
		require.Equal(t, []string{"batch_start", "time", "time"}, list)
		rep, err := evidence.VerifyWith(dir, &evidence.Options{Trusted: []*journal.PublicKey{s.rig.Key.Public()}})
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, res.Records, rep.Signed.Records)
		require.Equal(t, res.Records, rep.Signed.Trusted)
		require.Len(t, rep.Signed.Heads, len(s.of(record.KindHeadSigned))+1)
		require.Zero(t, rep.Signed.Heads[len(rep.Signed.Heads)-1].Seq)
		s.verified(dir)
	})
}

func TestAVirtualRunSignsTheSameHeadsEveryTime(t *testing.T) {
	run := func() (string, []string) {
		s := newSite(t, 1)
		dir := s.onDisk()
		s.rig.Port, s.rig.Clock, s.rig.Wall, s.rig.Key, s.opt.Virtual = s.plant, nil, nil, newSigner().key(t), &Virtual{}
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, res.Records, res.Signed)
		s.verified(dir)
		sums, err := os.ReadFile(dir + "/SHA256SUMS")
		require.NoError(t, err)
		return string(sums), s.milestones()
	}
	one, list := run()
	two, _ := run()
	require.Equal(t, one, two)
	require.Equal(t, []string{"batch_start"}, list[:1])
}

func TestASlowSignerDelaysNothingAndItsLagIsOnRecord(t *testing.T) {
	took := func(wait time.Duration) (took int64, lag string, merged uint64) {
		inBubble(t, func(s *site) {
			slow := newSigner()
			slow.wait = func() { time.Sleep(wait) }
			s.rig.Key = slow.key(t)
			s.tell(9*second, sequencer.Hold)
			s.tell(16*second, sequencer.Restart)
			s.complete()
			for i, r := range s.list {
				if r.Kind == record.KindBatchEnd {
					took = s.seen[i]
				}
			}
			s.milestones()
			first := s.of(record.KindHeadSigned)[0]
			lag = first.Text(record.SignLagMS)
		})
		return took, lag, merged
	}
	quick, _, _ := took(0)
	slow, lag, _ := took(3 * time.Second)
	require.Regexp(t, `^30\d\d\.\d{3}$`, lag)
	require.InDelta(t, quick, slow, float64(second)/5, "the batch ends when it would have ended")
}

func TestASignerThatHangsIsLeftBehindAfterADeclaredTime(t *testing.T) {
	inBubble(t, func(s *site) {
		hung, over := newSigner(), make(chan struct{})
		hung.wait = func() { <-over }
		defer close(over)
		s.rig.Key = hung.key(t)
		dir := s.onDisk()
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		require.ErrorIs(t, res.SignFault, errSigner)
		require.Zero(t, res.Signed)
		end := s.seen[len(s.seen)-1]
		require.InDelta(t, end+SignLimit, s.clock.Now(), float64(second)/2)
		require.Empty(t, s.milestones())
		rep, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Contains(t, rep.Verdict(), "no signature")
	})
}

func TestASignerThatFailsOrPanicsIsOnRecordAndTheBatchGoesOn(t *testing.T) {
	for _, why := range []string{"the bus is gone", "panic: no such device"} {
		inBubble(t, func(s *site) {
			broken := newSigner()
			broken.fail = errors.New("the bus is gone")
			if why != "the bus is gone" {
				broken.wait = func() { panic("no such device") }
			}
			s.rig.Key = broken.key(t)
			dir := s.onDisk()
			res, err := s.run()
			require.NoError(t, err)
			require.Equal(t, sequencer.Complete, res.State)
			require.ErrorContains(t, res.SignFault, why)
			notes := s.of(record.KindHeadUnsigned)
			require.Contains(t, []string{"boot", "batch_start"}, notes[0].Text(record.Milestone), "as the disk is slower or faster than the start")
			require.Contains(t, notes[0].Text(record.Detail), why)
			s.verified(dir)
		})
	}
}

func TestABatchThatIsContinuedIsSignedOverAllOfItsRecords(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, func(s *site) {
		s.rig.Key = newSigner().key(t)
		s.rig.Dir, s.opt.Storage, s.wires.unchecked = dir, nil, true
		ctx, cancel := context.WithCancel(s.ctx)
		s.ctx = ctx
		s.at(9*second, func(*Runner) { panic("cut") }) // a guest that panics ends the run and not the batch
		_, err := s.run()
		cancel()
		require.ErrorContains(t, err, "panic: cut")
	})
	inBubble(t, func(s *site) {
		s.rig.Key = newSigner().key(t)
		s.rig.Dir, s.opt.Storage, s.wires.unchecked = dir, nil, true
		s.at(9*second, func(r *Runner) {
			_ = r.Tell(Command{Command: sequencer.Abort, Operator: "op1", Reason: "test"})
		})
		b, err := evidence.Rebind(dir)
		require.NoError(t, err)
		s.b = b
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, res.Records, res.Signed)
		rep, err := evidence.VerifyWith(dir, &evidence.Options{Trusted: []*journal.PublicKey{s.rig.Key.Public()}})
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, res.Records, rep.Signed.Trusted)
		require.Contains(t, s.of(record.KindHeadSigned)[0].Text(record.Milestone), "recovery")
		s.verified(dir)
	})
}
