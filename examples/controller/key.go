// The key that signs the heads of journals: read from a file, and its comings and goings recorded in the device journal.

package main

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/batchkit/batchkit/batch"
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

// signingKey returns the key that signs the batch's heads, nil where there is none, and has the device journal, where there is one, say
// so when it is another than before: signed by it, and where the file of the old one is given, by that, too.
func signingKey(f *flags, b *batch.Batch) (k *journal.Key, err error) {
	if f.key == "" {
		return nil, nil
	}
	if k, err = readKey(f.key, b.Plan.Map.Device); err != nil {
		return nil, err
	}
	d, err := openDevice(f.out, b.Plan.Map.Device, io.Discard)
	if err != nil || d.id == "" || d.key == publicWords(k) {
		return k, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	var old *journal.Key
	state := journal.KeyProvisioned
	if f.oldKey != "" {
		if old, err = readKey(f.oldKey, d.name); err != nil {
			return nil, err
		}
		if d.key != publicWords(old) {
			return nil, fmt.Errorf("controller: key %s is not the one that the device journal names; its new key cannot take its place", f.oldKey)
		}
		state = journal.KeyRotated
	}
	note, err := journal.SignKeyEvent(journal.Origin(d.name, d.id), state, k, old)
	if err != nil {
		return nil, err
	}
	_, err = d.Append(func(body *record.Body) {
		body.Begin(record.KindKeyEvent)
		body.Text(record.KeyState, string(state))
		body.Text(record.KeyID, k.ID())
		body.Text(record.KeyName, k.Name())
		body.Text(record.KeyProtection, k.Protection().String())
		body.Text(record.PublicKey, publicWords(k))
		body.Text(record.SignedNote, note)
		if old != nil {
			body.Text(record.OldValue, old.ID())
		}
		body.Text(record.Actor, f.operator)
	})
	return k, err
}

// publicWords is a public key as a record has it.
func publicWords(k *journal.Key) string { return base64.StdEncoding.EncodeToString(k.Public().SPKI()) }
