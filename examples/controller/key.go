// The key that signs the heads of journals: read from a file, and its comings and goings recorded in the device journal.

package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// readKey reads a private key of Ed25519 or P-256, PKCS #8 in PEM, as "openssl genpkey -algorithm ed25519" writes it.
func readKey(file, device string) (*journal.Key, error) {
	data, err := readSmall(file, journal.MaxPEM)
	if err != nil {
		return nil, fmt.Errorf("controller: key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block != nil && block.Type == "EC PRIVATE KEY" {
		return nil, fmt.Errorf("controller: key %s: it is not PKCS #8; make it that with openssl pkcs8 -topk8 -nocrypt -in %s", file, file)
	}
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("controller: key %s: it is no PEM file with a PRIVATE KEY; make one with openssl genpkey -algorithm ed25519", file)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("controller: key %s: %w", file, err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("controller: key %s: a %T does not sign", file, private)
	}
	k, err := journal.NewKey(device, journal.Software, signer)
	if err != nil {
		return nil, fmt.Errorf("controller: key %s: %w", file, err)
	}
	return k, nil
}

// signing is what signs the heads of a device journal.
type signing struct {
	key    *journal.Key // nil: none
	why    string       // the newest milestone that is not signed, "" where there is none
	merged int64        // those before it, in whose place it stands
	at     int64        // when the last head was signed, on the device's clock; 0: none was
}

// signLeast is the time in ns between two signed heads at least.
var signLeast = record.KindHeadSigned.Spec().Gap

// signingKey returns the key that signs the batch's heads, nil where there is none. From then on it signs those of the device
// journal, too, where there is one: at once that of the start, if this process did not begin the journal.
func signingKey(f *flags, b *batch.Batch) (*journal.Key, error) {
	own, err := f.station.key(b.Plan.Map.Device)
	if err != nil || f.key == "" && own == nil {
		return nil, err
	}
	d, err := f.device(b.Plan.Map.Device, io.Discard)
	if err != nil {
		return nil, err
	}
	k := own
	if f.key != "" {
		k, err = readKey(f.key, b.Plan.Map.Device)
	}
	if err != nil || d.id == "" {
		return k, err
	}
	if err = d.signs(k, f); err == nil && !d.begun && d.sign.at == 0 {
		d.due("boot")
		err = d.signHead()
	}
	return k, err
}

// signs has a key sign the heads of the device journal, which says so when it is another than before: signed by it, and where the
// file of the old one is given, by that, too.
func (d *device) signs(k *journal.Key, f *flags) error {
	if err := d.hold(); err != nil {
		return err
	}
	words := evidence.KeyWords(k)
	if d.key == words.Public {
		d.sign.key = k
		return nil
	}
	var old *journal.Key
	state := journal.KeyProvisioned
	if f.oldKey != "" {
		var err error
		if old, err = readKey(f.oldKey, d.name); err != nil {
			return err
		}
		if d.key != evidence.KeyWords(old).Public {
			return fmt.Errorf("controller: key %s is not the one that the device journal names; its new key cannot take its place", f.oldKey)
		}
		state = journal.KeyRotated
	}
	note, err := journal.SignKeyEvent(journal.Origin(d.name, d.id), state, k, old)
	if err != nil {
		return err
	}
	_, err = d.Append(func(body *record.Body) {
		body.Begin(record.KindKeyEvent)
		body.Text(record.KeyState, string(state))
		words.Fill(body)
		body.Text(record.SignedNote, note)
		if old != nil {
			body.Text(record.OldValue, old.ID())
		}
		body.Text(record.Actor, f.operator)
	})
	if err == nil {
		d.key, d.sign.key = words.Public, k
	}
	return err
}

// signsIf has the head signed, with the key of a command that has changed something.
func (d *device) signsIf(f *flags) error {
	if f.key == "" || d.w == nil {
		return nil
	}
	k, err := readKey(f.key, d.name)
	if err != nil {
		return err
	}
	return d.signs(k, f)
}

// due says that the head as it is now shall be signed, and why. It is when the process ends with the journal, so that what comes
// together is signed once.
func (d *device) due(why string) {
	if d.sign.why != "" {
		d.sign.merged++
	}
	d.sign.why = why
}

// signHead signs the head and records it. A signer that fails is on record, and no error.
func (d *device) signHead() error {
	s := &d.sign
	out := evidence.SignHead(s.key, &journal.Head{Origin: journal.Origin(d.name, d.id), Size: d.tree.Size(), Root: d.tree.Root()}, s.why)
	s.at = d.clock.Now()
	out.Merged = s.merged
	if d.at != 0 {
		out.Lag = max(s.at-d.at, 0)
	}
	_, err := d.Append(func(body *record.Body) {
		body.Begin(out.Kind())
		out.Fill(body)
	})
	s.why, s.merged = "", 0
	return err
}

// signLast signs the head before the journal is closed, if a milestone was passed since it was signed. Two signed heads have a
// second between them, which it waits for.
func (d *device) signLast() error {
	s := &d.sign
	if s.key == nil || s.why == "" {
		return nil
	}
	if s.at != 0 {
		time.Sleep(time.Duration(max(s.at+signLeast-d.clock.Now(), 0)))
	}
	if err := d.signHead(); err != nil {
		return fmt.Errorf("its head is not signed: %w", err)
	}
	return nil
}
