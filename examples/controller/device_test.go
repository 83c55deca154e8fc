// The device journal keeps the head of every batch that has ended.

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func TestTheDeviceJournalKeepsTheHeadOfEveryBatchThatHasEnded(t *testing.T) {
	workplace(t)
	done(t, "-virtual")
	done(t, "-virtual", "-batch", "B-0002")
	var kept []*record.Record
	_, err := journal.Scan("out/device", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindHeadAnchored {
			kept = append(kept, r)
		}
		return err
	}, nil)
	require.NoError(t, err)
	require.Len(t, kept, 2)
	for i, dir := range []string{"out/B-0001", "out/B-0002"} {
		rep, err := evidence.Verify(dir)
		require.NoError(t, err)
		require.Equal(t, rep.JournalID, kept[i].Text(record.AnchoredJournalID))
		require.Equal(t, rep.Records, kept[i].Count(record.HeadSize))
		require.Equal(t, rep.Link, kept[i].Text(record.HeadLink))
	}
}

// keyFile writes a private key and returns its public half.
func keyFile(t *testing.T, name string, k crypto.Signer) *journal.PublicKey {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	public, err := journal.NewPublicKey(k.Public())
	require.NoError(t, err)
	return public
}

func TestBatchesAreSignedAndTheDeviceJournalTellsWhichKeySigns(t *testing.T) {
	workplace(t)
	one := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	two, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	keys := []*journal.PublicKey{keyFile(t, "one.pem", one), keyFile(t, "two.pem", two)}
	done(t, "-virtual", "-key", "one.pem")
	done(t, "-virtual", "-key", "one.pem", "-batch", "B-0002")
	o := controller("-virtual", "-key", "two.pem", "-oldkey", "two.pem", "-batch", "B-0004")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "is not the one that the device journal names")
	done(t, "-virtual", "-key", "two.pem", "-oldkey", "one.pem", "-batch", "B-0005")
	var states []string
	_, err = journal.Scan("out/device", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		require.NoError(t, err)
		if r.Kind != record.KindKeyEvent {
			return nil
		}
		states = append(states, r.Text(record.KeyState))
		n, err := journal.ReadNote(r.Text(record.SignedNote))
		require.NoError(t, err)
		origin, name := journal.Origin(r.Text(record.DeviceID), r.Text(record.JournalID)), r.Text(record.KeyName)
		if len(states) == 1 {
			return journal.CheckKeyEvent(n, origin, journal.KeyProvisioned, name, keys[0], "", nil)
		}
		return journal.CheckKeyEvent(n, origin, journal.KeyRotated, name, keys[1], name, keys[0])
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"provisioned", "rotated"}, states)
	for dir, k := range map[string]*journal.PublicKey{"out/B-0002": keys[0], "out/B-0005": keys[1]} {
		rep, err := evidence.VerifyWith(dir, &evidence.Options{Trusted: []*journal.PublicKey{k}})
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		require.Equal(t, rep.Records, rep.Signed.Trusted)
	}
}

func TestAFileThatIsNoPrivateKeyIsRefusedBeforeAnythingIsStarted(t *testing.T) {
	workplace(t)
	require.NoError(t, os.WriteFile("key.pem", []byte("no key"), 0o600))
	o := controller("-virtual", "-key", "key.pem")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "make one with openssl genpkey")
	require.NoDirExists(t, "out/B-0001")
	require.Equal(t, exitUsage, controller("-virtual", "-oldkey", "key.pem").code)
}

func TestAnchorsOfBatchesRestOnASignatureWhereThereIsAKey(t *testing.T) {
	workplace(t)
	public := keyFile(t, "key.pem", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	done(t, "-virtual", "-key", "key.pem")
	done(t, "-virtual", "-key", "key.pem")
	newer(t)
	done(t, words(ana+" -key key.pem")...)
	done(t, words(bob+" -key key.pem")...)
	var tree journal.Tree
	roots := []journal.Hash{tree.Root()}
	var why []string
	covered, anchored := uint64(0), uint64(0)
	rec, err := journal.Scan("out/device", func(seq uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		require.NoError(t, err)
		switch r.Kind {
		case record.KindHeadAnchored:
			anchored = seq
		case record.KindHeadSigned:
			why = append(why, r.Text(record.Milestone))
			n, err := journal.ReadNote(r.Text(record.SignedNote))
			require.NoError(t, err)
			require.NoError(t, n.Verify(r.Text(record.KeyName), public))
			head, err := n.Head()
			require.NoError(t, err)
			require.Equal(t, journal.Origin("CTRL-01", r.Text(record.JournalID)), head.Origin)
			require.Equal(t, r.Count(record.HeadSize), head.Size)
			require.Equal(t, roots[head.Size], head.Root, "record %d", seq)
			covered = head.Size
		}
		tree.Add(journal.Leaf(body))
		roots = append(roots, tree.Root())
		return nil
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"verification", "boot", "verification", "publish", "activation"}, why)
	require.Less(t, anchored, covered)
	require.Equal(t, rec.Head.N-1, covered, "all but the last record, which is its own")
}

func TestOneSegmentServesOneProcess(t *testing.T) {
	workplace(t)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	keyFile(t, "key.pem", key)
	for n := 1; n <= 3; n++ {
		done(t, "-virtual", "-key", "key.pem", "-fram", "chip")
		segments, err := os.ReadDir("out/device/segments")
		require.NoError(t, err)
		require.Len(t, segments, n)
	}
}

func TestAnApprovalBesideALivingControllerIsMadeOrSaysWhyNot(t *testing.T) {
	workplace(t)
	newer(t)
	f := flags{out: "out"}
	d, err := f.device("CTRL-01", os.Stderr)
	require.NoError(t, err)
	done(t, words(ana)...) // nothing of this process is written yet
	require.NoError(t, d.hold())
	require.EqualValues(t, 15, d.seq, "what others have written is taken in")
	require.Len(t, d.lib.Entries(), 5)
	edit(t, "recipe.yaml", `"1.1"`, `"1.2"`)
	o := controller(words(ana)...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "journal in use by another writer, a controller that lives: wait for its end\n")
	f.close(os.Stderr)
	done(t, words(ana)...)
}
