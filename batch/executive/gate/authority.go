// A plant CA of ones own, for tests, examples and a first installation.

package gate

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// early is how long before it is made a certificate holds, so that boards whose clocks are off by hours take it.
const early = 48 * time.Hour

// caTime is how long a CA holds.
const caTime = 20 * 365 * 24 * time.Hour

// Authority is a CA whose key lies in a directory, as ca.pem and ca.key. Whoever reads the key can be any board of the plant: a plant keeps it on no board.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// OpenAuthority reads the CA in dir, or makes one where dir has none.
func OpenAuthority(dir string) (*Authority, error) {
	a := &Authority{dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if errors.Is(err, os.ErrNotExist) {
		return a, a.make()
	}
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	key, err := parse(data, x509.ParsePKCS8PrivateKey)
	if err == nil {
		var ok bool
		if a.key, ok = key.(ed25519.PrivateKey); !ok {
			err = errors.New("it is no ed25519 key")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("gate: %s: %w", filepath.Join(dir, "ca.key"), err)
	}
	if data, err = os.ReadFile(filepath.Join(dir, "ca.pem")); err == nil {
		a.cert, err = parse(data, x509.ParseCertificate)
	}
	if err != nil {
		return nil, fmt.Errorf("gate: %s: %w", filepath.Join(dir, "ca.pem"), err)
	}
	return a, nil
}

// parse reads what the first PEM block of a file has.
func parse[T any](data []byte, read func([]byte) (T, error)) (v T, err error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return v, errors.New("it is no PEM")
	}
	return read(block.Bytes)
}

func (a *Authority) make() error {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "batchkit plant CA"}, NotBefore: time.Now().Add(-early), NotAfter: time.Now().Add(caTime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	key, err := a.sign(c, "ca.pem", "ca.key")
	a.cert, a.key = c, key
	return err
}

// Issue makes key and certificate of a board, NODE.key and NODE.pem beside the CA, which hold for a time from now; they take the place of those before.
// Hosts are names and addresses under which a server of another kind on that board is reached, such as that of the bus; a gate asks for the node alone.
func (a *Authority) Issue(node string, holds time.Duration, hosts ...string) error {
	if err := api.CheckNode(node); err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	if node == "ca" {
		return errors.New("gate: the CA lies under the name ca; call the board otherwise")
	}
	uri, err := url.Parse(nodeURI + node)
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	now := time.Now()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: node}, NotBefore: now.Add(-early), NotAfter: now.Add(holds), URIs: []*url.URL{uri},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	_, err = a.sign(c, node+".pem", node+".key")
	return err
}

// sign makes a key and signs a certificate for it, by the CA where there is one, and by itself where there is none.
func (a *Authority) sign(c *x509.Certificate, certName, keyName string) (ed25519.PrivateKey, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	by, with := a.cert, a.key
	if by == nil {
		by, with = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, public, with)
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	*c = *made
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	err = a.put(keyName, "PRIVATE KEY", secret, 0o600)
	if err == nil {
		err = a.put(certName, "CERTIFICATE", der, 0o644)
	}
	return key, err
}

// put writes a file in the place of the one before.
func (a *Authority) put(name, kind string, der []byte, mode os.FileMode) error {
	path := filepath.Join(a.dir, name)
	err := os.MkdirAll(a.dir, 0o700)
	if err == nil {
		err = os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	return nil
}
