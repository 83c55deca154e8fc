// An identity is made, saved and loaded whole; a certificate is believed if it is listed, or signed by an authority that is, and fits.

package opcua

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// signed makes a certificate of our key, signed by an authority, or by itself.
func signed(t *testing.T, change func(c *x509.Certificate), by *Identity) *Identity {
	t.Helper()
	own, err := us()
	require.NoError(t, err)
	u, err := url.Parse("urn:batchkit:made")
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "made"}, URIs: []*url.URL{u},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true}
	if change != nil {
		change(c)
	}
	parent, key := c, own.Key
	if by != nil {
		parent, err = x509.ParseCertificate(by.Certificate)
		require.NoError(t, err)
		key = by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.Key.PublicKey, key)
	require.NoError(t, err)
	return &Identity{Certificate: der, Key: own.Key, URI: "urn:batchkit:made"}
}

func TestACertificateIsBelievedIfItIsListedAndFits(t *testing.T) {
	one, other := signed(t, nil, nil), signed(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(8) }, nil)
	trust, err := NewTrust(one.Certificate)
	require.NoError(t, err)
	now := time.Now()
	require.NoError(t, trust.Check(one.Certificate, one.URI, "", now))
	require.ErrorContains(t, trust.Check(other.Certificate, one.URI, "", now), "neither trusted nor signed")
	require.ErrorContains(t, trust.Check(one.Certificate, "urn:batchkit:another", "", now), `is not of the application "urn:batchkit:another"`)
	require.ErrorContains(t, trust.Check(one.Certificate, one.URI, "", now.Add(2*time.Hour)), "is valid from")
	require.ErrorContains(t, trust.Check(one.Certificate, one.URI, "", now.Add(-2*time.Hour)), "is valid from")
	require.ErrorContains(t, trust.Check([]byte("no certificate"), one.URI, "", now), "not a certificate")
	require.ErrorContains(t, (*Trust)(nil).Check(one.Certificate, one.URI, "", now), "nobody is trusted")
	two := signed(t, func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs[0]) }, nil)
	trust, err = NewTrust(two.Certificate)
	require.NoError(t, err)
	require.ErrorContains(t, trust.Check(two.Certificate, two.URI, "", now), "is not of the application")
}

func TestAnAuthorityIsBelievedForWhatItSigns(t *testing.T) {
	authority := signed(t, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }, nil)
	child := signed(t, func(c *x509.Certificate) { c.SerialNumber, c.Subject.CommonName = big.NewInt(9), "child" }, authority)
	trust, err := NewTrust(authority.Certificate)
	require.NoError(t, err)
	require.NoError(t, trust.Check(child.Certificate, child.URI, "", time.Now()))
	require.ErrorContains(t, trust.Check(child.Certificate, child.URI, "plc-2", time.Now()), `it is not of host "plc-2"`)
	server := signed(t, func(c *x509.Certificate) {
		c.SerialNumber, c.DNSNames, c.ExtKeyUsage = big.NewInt(12), []string{"plc-2"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}, authority)
	require.NoError(t, trust.Check(server.Certificate, server.URI, "plc-2", time.Now()))
	require.ErrorContains(t, trust.Check(server.Certificate, server.URI, "", time.Now()), "for this use", "a server's certificate is no client's")
	pinned, err := NewTrust(child.Certificate)
	require.NoError(t, err)
	require.NoError(t, pinned.Check(child.Certificate, child.URI, "plc-2", time.Now()), "who is trusted by itself may be reached anywhere")
	plain := signed(t, nil, nil)
	trust, err = NewTrust(plain.Certificate)
	require.NoError(t, err)
	grandchild := signed(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(10) }, plain)
	require.Error(t, trust.Check(grandchild.Certificate, grandchild.URI, "", time.Now()), "an application that is trusted cannot vouch for others")
	self, err := us()
	require.NoError(t, err)
	trust, err = NewTrust(self.Certificate) // of NewIdentity, which may sign itself
	require.NoError(t, err)
	grandchild = signed(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(11) }, self)
	require.Error(t, trust.Check(grandchild.Certificate, grandchild.URI, "", time.Now()))
	_, err = NewTrust(slices.Repeat([][]byte{plain.Certificate}, MaxTrusted+1)...)
	require.ErrorContains(t, err, "256 at most")
}

func TestAKeyOfAWrongSizeIsRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "small"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	_, err = NewTrust(der)
	require.ErrorContains(t, err, `certificate of "small": its key has 1024 bits; 2048 to 4096 are taken`)
}

func TestAnIdentityIsSavedAndLoadedWholeAndReplacesNothing(t *testing.T) {
	id, err := us()
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, id.Save(cert, key))
	got, err := LoadIdentity(cert, key)
	require.NoError(t, err)
	require.Equal(t, id.Certificate, got.Certificate)
	require.Equal(t, id.URI, got.URI)
	require.True(t, id.Key.Equal(got.Key))
	require.ErrorContains(t, id.Save(cert, filepath.Join(dir, "other.pem")), "exist")
	require.NoFileExists(t, filepath.Join(dir, "other.pem"), "a key without a certificate")
	before, err := os.ReadFile(key)
	require.NoError(t, err)
	require.ErrorContains(t, id.Save(filepath.Join(dir, "other"), key), "exist")
	after, err := os.ReadFile(key)
	require.NoError(t, err)
	require.Equal(t, before, after)

	der := filepath.Join(dir, "cert.der")
	require.NoError(t, os.WriteFile(der, id.Certificate, 0o600))
	pkcs1 := filepath.Join(dir, "key.pkcs1")
	require.NoError(t, os.WriteFile(pkcs1, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(id.Key)}), 0o600))
	_, err = LoadIdentity(der, pkcs1)
	require.NoError(t, err)
	two := filepath.Join(dir, "two.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate})
	require.NoError(t, os.WriteFile(two, append(block, block...), 0o600))
	_, err = LoadIdentity(two, key)
	require.ErrorContains(t, err, "holds more than one thing")
	_, err = LoadIdentity(cert, cert)
	require.ErrorContains(t, err, "is not the RSA key of")
	long := filepath.Join(dir, "long")
	require.NoError(t, os.WriteFile(long, make([]byte, maxFile+1), 0o600))
	_, err = LoadIdentity(long, key)
	require.ErrorContains(t, err, "is longer than")
	_, err = NewIdentity("", "urn:x", nil, time.Now(), time.Now())
	require.ErrorContains(t, err, "wants a name")
	_, err = NewIdentity("n", "no uri", nil, time.Now(), time.Now())
	require.ErrorContains(t, err, "wants a name, and a URI")
}

func TestADirectoryOfCertificatesIsTrustedOrRefusedWhole(t *testing.T) {
	dir := t.TempDir()
	one := signed(t, nil, nil)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.der"), one.Certificate, 0o600))
	trust, err := LoadTrust(dir)
	require.NoError(t, err)
	require.NoError(t, trust.Check(one.Certificate, one.URI, "", time.Now()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.txt"), []byte("hello"), 0o600))
	_, err = LoadTrust(dir)
	require.ErrorContains(t, err, "b.txt: opcua: not a certificate")
	require.ErrorContains(t, err, "take it out, or mend it")
	_, err = LoadTrust(filepath.Join(dir, "none"))
	require.Error(t, err)
}

func TestAPolicyHasOneName(t *testing.T) {
	for _, p := range policies {
		got, err := ParsePolicy(p.String())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	_, err := ParsePolicy("basic128rsa15")
	require.ErrorContains(t, err, "must be one of none, basic256sha256-sign")
	require.Empty(t, Policy(9).String())
}
