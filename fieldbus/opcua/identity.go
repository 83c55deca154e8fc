// Identity and Trust: who this application is, and whom it believes.

package opcua

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Limits of certificates and keys.
const (
	MinKeyBits = 2048
	MaxKeyBits = 4096
	MaxTrusted = 256     // certificates of a Trust
	maxFile    = 1 << 16 // bytes of a certificate or key
)

// Identity is the application instance certificate of OPC UA part 6 (6.2.2) and its key.
type Identity struct {
	Certificate []byte // DER
	Key         *rsa.PrivateKey
	URI         string // application URI, as the certificate has it
}

// NewIdentity makes a key of 2048 bits and a certificate that it signs itself, for the hosts (names or addresses) under which the
// application is reached, from an hour before now until the time given. It blocks while it looks for primes, which takes seconds on a
// small board.
func NewIdentity(name, uri string, hosts []string, now, until time.Time) (*Identity, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || name == "" {
		return nil, fmt.Errorf("opcua: identity %q with URI %q: wants a name, and a URI such as urn:plant:controller", name, uri)
	}
	key, err := rsa.GenerateKey(rand.Reader, MinKeyBits)
	if err != nil {
		return nil, fmt.Errorf("opcua: identity: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("opcua: identity: %w", err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{u},
		NotBefore: now.Add(-time.Hour), NotAfter: until, BasicConstraintsValid: true, IsCA: false,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment |
			x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign, // a certificate that signs itself needs the last
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("opcua: identity: %w", err)
	}
	return &Identity{Certificate: der, Key: key, URI: uri}, nil
}

// LoadIdentity reads a certificate and its key, each PEM or DER; the key is PKCS #1 or #8, without a password.
func LoadIdentity(certFile, keyFile string) (*Identity, error) {
	der, err := derOf(certFile)
	if err != nil {
		return nil, err
	}
	c, err := certificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	if len(c.URIs) != 1 {
		return nil, fmt.Errorf("opcua: %s: has %d URIs and not one, by which its application is known; make another one", certFile, len(c.URIs))
	}
	if der, err = derOf(keyFile); err != nil {
		return nil, err
	}
	var key any
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		key, err = x509.ParsePKCS1PrivateKey(der)
	}
	k, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok || !k.PublicKey.Equal(c.PublicKey) {
		return nil, fmt.Errorf("opcua: %s: is not the RSA key of %s, PKCS #1 or #8 without a password", keyFile, certFile)
	}
	return &Identity{Certificate: c.Raw, Key: k, URI: c.URIs[0].String()}, nil
}

// Save writes certificate and key as PEM, the key readable by its owner alone. It replaces no file; if it fails, neither
// is left behind.
func (id *Identity) Save(certFile, keyFile string) error {
	key, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		return fmt.Errorf("opcua: identity: %w", err)
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
		mode       os.FileMode
	}{{keyFile, "PRIVATE KEY", key, 0o600}, {certFile, "CERTIFICATE", id.Certificate, 0o644}} {
		w, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if err == nil {
			err = errors.Join(pem.Encode(w, &pem.Block{Type: f.kind, Bytes: f.der}), w.Close())
		}
		if err != nil {
			if f.name == certFile {
				_ = os.Remove(keyFile) // which was made just now, and is of no use alone
			}
			return fmt.Errorf("opcua: identity: %w", err)
		}
	}
	return nil
}

// Trust is a list of certificates: of applications that are believed, and of authorities whose applications are. A nil Trust believes
// nobody. It is safe for any number of goroutines.
type Trust struct {
	own   [][]byte
	roots *x509.CertPool
}

// NewTrust makes a Trust of certificates, DER.
func NewTrust(ders ...[]byte) (*Trust, error) {
	if len(ders) > MaxTrusted {
		return nil, fmt.Errorf("opcua: %d certificates to be trusted; %d at most", len(ders), MaxTrusted)
	}
	t := &Trust{roots: x509.NewCertPool()}
	for _, der := range ders {
		c, err := certificate(der)
		if err != nil {
			return nil, err
		}
		// An authority says that it is one. One that is listed is believed as an application, too.
		if t.own = append(t.own, c.Raw); c.BasicConstraintsValid && c.IsCA {
			t.roots.AddCert(c)
		}
	}
	return t, nil
}

// LoadTrust reads the certificates of a directory: every file in it, PEM or DER.
func LoadTrust(dir string) (*Trust, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opcua: trust: %w", err)
	}
	var ders [][]byte
	for _, f := range files {
		der, err := derOf(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		if _, err := certificate(der); err != nil {
			return nil, fmt.Errorf("%s: %w; take it out, or mend it", filepath.Join(dir, f.Name()), err)
		}
		ders = append(ders, der)
	}
	return NewTrust(ders...)
}

// Check tells why the certificate of an application is not to be believed at a time; nil: it is. It must be listed, or signed by an
// authority that is, be valid, and have the application's URI. One that is not listed itself must be for the use: of a server that is
// reached at host (a name or an address) it must name that host; host is "" of a client. Revocation lists are not looked at.
func (t *Trust) Check(der []byte, uri, host string, at time.Time) error {
	c, err := certificate(der)
	if err != nil {
		return err
	}
	who := fmt.Sprintf("opcua: certificate of %.64q, SHA-1 %s", c.Subject.CommonName, Thumbprint(der))
	switch {
	case at.Before(c.NotBefore) || at.After(c.NotAfter):
		return fmt.Errorf("%s: is valid from %s to %s only", who, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	case len(c.URIs) != 1 || c.URIs[0].String() != uri:
		return fmt.Errorf("%s: is not of the application %.100q", who, uri)
	case t == nil:
		return fmt.Errorf("%s: nobody is trusted here; give a Trust", who)
	}
	for _, own := range t.own {
		if bytes.Equal(own, c.Raw) {
			return nil
		}
	}
	use := x509.ExtKeyUsageServerAuth
	if host == "" {
		use = x509.ExtKeyUsageClientAuth
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: t.roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
		return fmt.Errorf("%s: is neither trusted nor signed, for this use, by an authority that is; add it to the trusted certificates if it is to be", who)
	}
	if host != "" && c.VerifyHostname(host) != nil {
		return fmt.Errorf("%s: its authority is trusted, and it is not of host %.100q; make it one with that name, or trust it by itself", who, host)
	}
	return nil
}

// Thumbprint gives the SHA-1 of a certificate in hex, by which OPC UA tools name it.
func Thumbprint(der []byte) string { return fmt.Sprintf("%x", sha1.Sum(der)) }

// certificate reads one certificate with an RSA key of a size that is in use.
func certificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("opcua: not a certificate: %w", err)
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("opcua: certificate of %.64q: has no RSA key", c.Subject.CommonName)
	}
	if bits := key.N.BitLen(); bits < MinKeyBits || bits > MaxKeyBits {
		return nil, fmt.Errorf("opcua: certificate of %.64q: its key has %d bits; %d to %d are taken", c.Subject.CommonName, bits, MinKeyBits, MaxKeyBits)
	}
	return c, nil
}

// derOf reads a file, PEM or DER.
func derOf(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opcua: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("opcua: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("opcua: %s: is longer than %d bytes, and so no certificate or key", name, maxFile)
	}
	if block, rest := pem.Decode(data); block != nil {
		if len(bytes.TrimSpace(rest)) > 0 {
			return nil, fmt.Errorf("opcua: %s: holds more than one thing; put each into a file of its own", name)
		}
		return block.Bytes, nil
	}
	return data, nil
}
