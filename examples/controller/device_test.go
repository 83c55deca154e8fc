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
