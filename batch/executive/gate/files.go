// Certificates: read again when they change, and held against what a board is called.

package gate

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

const (
	nodeURI   = "urn:batchkit:node:" // of a certificate, before the name of the board
	protocol  = "batchkit-gate/1"    // both ends agree to it in the handshake
	lookEvery = time.Second          // between two looks whether a file has changed
	soon      = 30 * 24 * time.Hour  // before a certificate ends, it is told
	maxPEM    = 1 << 20              // bytes of a file
)

// material is what the files say.
type material struct {
	pool *x509.CertPool
	own  tls.Certificate
}

// files are the three files, and what they said last.
type files struct {
	opt  *Options
	tell func(string)

	mu     sync.Mutex
	looked time.Time
	stamp  string
	last   *material
}

// now is what the files say. New ones that are wrong are told, and those before stay in use.
func (f *files) now() (*material, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil && time.Since(f.looked) < lookEvery {
		return f.last, nil
	}
	f.looked = time.Now()
	stamp := ""
	for _, name := range []string{f.opt.CA, f.opt.Cert, f.opt.Key} {
		if is, err := os.Stat(name); err == nil {
			stamp += fmt.Sprint(is.Size(), is.ModTime().UnixNano(), " ")
		}
	}
	if f.last != nil && stamp == f.stamp {
		return f.last, nil
	}
	m, err := readFiles(f.opt)
	if err != nil && f.last == nil {
		return nil, err
	}
	f.stamp = stamp
	if err != nil {
		f.tell(err.Error() + "; the certificates of before stay in use")
		return f.last, nil
	}
	if left := time.Until(m.own.Leaf.NotAfter); left < soon {
		f.tell(fmt.Sprintf("gate: %s: the certificate of %s ends at %s; renew it", f.opt.Cert, f.opt.Node, m.own.Leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	if f.last != nil {
		f.tell(fmt.Sprintf("gate: the certificate of %s until %s is in use", f.opt.Node, m.own.Leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	f.last = m
	return m, nil
}

// readFiles reads the files and holds the certificate against the CA and the name of the board.
func readFiles(opt *Options) (*material, error) {
	ca, err := readPEM(opt.CA)
	if err != nil {
		return nil, fmt.Errorf("gate: certificate of the CA: %w", err)
	}
	m := &material{pool: x509.NewCertPool()}
	if !m.pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("gate: %s has no certificate of a CA, in PEM", opt.CA)
	}
	cert, err := readPEM(opt.Cert)
	if err != nil {
		return nil, fmt.Errorf("gate: certificate of %s: %w", opt.Node, err)
	}
	key, err := readPEM(opt.Key)
	if err != nil {
		return nil, fmt.Errorf("gate: key of %s: %w", opt.Node, err)
	}
	if m.own, err = tls.X509KeyPair(cert, key); err != nil {
		return nil, fmt.Errorf("gate: %s and %s: %w", opt.Cert, opt.Key, err)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if err := m.check([]*x509.Certificate{m.own.Leaf}, use, opt.Node, m.own.Certificate[1:]...); err != nil {
			return nil, fmt.Errorf("gate: %s: %w", opt.Cert, err)
		}
	}
	return m, nil
}

func readPEM(name string) ([]byte, error) {
	is, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if is.Size() > maxPEM {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", name, is.Size(), maxPEM)
	}
	data, err := os.ReadFile(name)
	if err == nil {
		if block, _ := pem.Decode(data); block == nil {
			err = fmt.Errorf("%s is no PEM", name)
		}
	}
	return data, err
}

// check holds a certificate against the CA, a use, and the name of the board that it must say; more are those between it and the CA.
func (m *material) check(chain []*x509.Certificate, use x509.ExtKeyUsage, node string, more ...[]byte) error {
	if len(chain) == 0 {
		return errors.New("there is no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	for _, der := range more {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: m.pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
		return err
	}
	is, err := nodeOf(chain[0])
	if err == nil && is != node {
		err = fmt.Errorf("the certificate is that of board %s, and not of %s", is, node)
	}
	return err
}

// nodeOf is the board that a certificate says it is of.
func nodeOf(c *x509.Certificate) (node string, err error) {
	for _, u := range c.URIs {
		name, ok := strings.CutPrefix(u.String(), nodeURI)
		switch {
		case !ok:
			continue
		case node != "":
			return "", fmt.Errorf("the certificate names two boards, %s and %.64q", node, name)
		}
		if err := api.CheckNode(name); err != nil {
			return "", fmt.Errorf("the certificate: %w", err)
		}
		node = name
	}
	if node == "" {
		return "", fmt.Errorf("the certificate of %.80q names no board; it needs the URI %sNAME as alternative name", c.Subject.CommonName, nodeURI)
	}
	return node, nil
}

// server is how others are taken: each is verified anew, none by a ticket.
func (m *material) server() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.pool,
		NextProtos: []string{protocol}, SessionTicketsDisabled: true, VerifyConnection: agreed}
}

// client is how a board is reached. Its name is no host name, which the library would compare without case; so it is verified here.
func (m *material) client(node string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.own}, NextProtos: []string{protocol}, InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if err := agreed(s); err != nil {
				return err
			}
			return m.check(s.PeerCertificates, x509.ExtKeyUsageServerAuth, node)
		}}
}

func agreed(s tls.ConnectionState) error {
	if s.NegotiatedProtocol != protocol {
		return fmt.Errorf("the other side speaks %.40q, and not %s", s.NegotiatedProtocol, protocol)
	}
	return nil
}
