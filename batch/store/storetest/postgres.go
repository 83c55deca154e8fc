// A PostgreSQL server of one's own, for tests.

package storetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrAbsent: there is no PostgreSQL on this machine, or it cannot be started here; what to install is said.
var ErrAbsent = errors.New("storetest: no PostgreSQL")

// Postgres is a server that a test started, on a port of the loopback, with TLS, a password, and fsync on. What it has is in a
// directory of its own, which Close removes. Linux only.
type Postgres struct {
	URL    string // of user batchkit, who may do anything, over TLS that is verified
	Local  string // the same, over its socket, without TLS and without a password
	Host   string // host:port
	Socket string // path of its socket, where nobody is asked for a password
	dir    string
	bin    string
	port   int

	mu      sync.Mutex // for what Kill is called beside
	cmd     *exec.Cmd
	ended   chan struct{}
	stopped []int
}

const pgPassword = "a/b c%"

// StartPostgres makes a server and starts it; it blocks for some seconds. ErrAbsent is all that says that a test cannot run here.
func StartPostgres(ctx context.Context) (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	root, err := serverTemp()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(root, "bkpg")
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir, bin: bin}
	err = p.init(ctx)
	if err == nil {
		err = p.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// maxSocket is how long the path of the directory may be, in bytes: that of the socket in it ends at 107 in all.
const maxSocket = 64

// serverTemp is the first directory for temporary files that the server, which may run as somebody else, can reach.
func serverTemp() (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm"} {
		if len(dir) <= maxSocket && reachable(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("storetest: nobody but root may enter %s, or its path is longer than %d bytes; set TMPDIR to another one", os.TempDir(), maxSocket)
}

// reachable reports whether a directory, and all above it, may be entered by everybody, where the server is somebody else.
func reachable(dir string) bool {
	for ; os.Geteuid() == 0; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&1 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return true
}

// postgresBin is where the newest server is.
func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.SortFunc(found, func(a, b string) int { return versionOf(a) - versionOf(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if at, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(at), nil
	}
	return "", fmt.Errorf("%w: install postgresql", ErrAbsent)
}

// versionOf is the number in /usr/lib/postgresql/15/bin; 0 elsewhere.
func versionOf(path string) int {
	rest, _ := strings.CutPrefix(path, "/usr/lib/postgresql/")
	text, _, _ := strings.Cut(rest, "/")
	n, _ := strconv.Atoi(text)
	return n
}

func (p *Postgres) init(ctx context.Context) error {
	at, err := FreePort() // it is bound only when the making is over, and anew after each kill
	if err != nil {
		return err
	}
	p.port, p.Host = at.Port, at.String()
	data, secret := filepath.Join(p.dir, "data"), filepath.Join(p.dir, "secret")
	err = errors.Join(os.Chmod(p.dir, 0o755), os.Mkdir(data, 0o700), os.WriteFile(secret, []byte(pgPassword+"\n"), 0o644))
	if err != nil {
		return err
	}
	if err := ownedByServer(data); err != nil {
		return err
	}
	// --no-sync spares the flushes of the making only.
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "-D", data, "-U", "batchkit", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256",
		"--pwfile="+secret, "-E", "UTF8", "--locale=C")
	cmd.Dir = p.dir
	if err := asServer(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("storetest: initdb: %w: %s", err, out)
	}
	if err := p.certificate(data); err != nil {
		return err
	}
	p.URL = "postgres://batchkit:a%2Fb%20c%25@" + p.Host + "/postgres?sslmode=verify-full&sslrootcert=" + filepath.Join(p.dir, "ca.pem")
	p.Socket = filepath.Join(p.dir, fmt.Sprintf(".s.PGSQL.%d", p.port))
	p.Local = fmt.Sprintf("postgres://batchkit@/postgres?host=%s&port=%d", p.dir, p.port)
	return nil
}

// certificate gives the server one of its own, which is its own authority.
func (p *Postgres) certificate(data string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = os.WriteFile(filepath.Join(p.dir, "ca.pem"), text, 0o644)
	for name, text := range map[string][]byte{"server.crt": text, "server.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		path := filepath.Join(data, name)
		err = errors.Join(err, os.WriteFile(path, text, 0o600))
		err = errors.Join(err, ownedByServer(path))
	}
	return err
}

// Start starts a server that was killed or stopped, with more settings as "name=value", and blocks until it answers.
func (p *Postgres) Start(ctx context.Context, settings ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := p.start(settings)
	for ctx.Err() == nil {
		switch {
		case err != nil:
			return err
		case !p.running(): // such as: what the one before it left is still in use
			err = p.start(settings)
		case exec.CommandContext(ctx, filepath.Join(p.bin, "pg_isready"), "-q", "-U", "batchkit", "-h", p.dir, "-p", strconv.Itoa(p.port)).Run() == nil:
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return fmt.Errorf("storetest: PostgreSQL does not start: %w: %s", ctx.Err(), text[max(0, len(text)-2000):])
}

func (p *Postgres) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *Postgres) start(settings []string) error {
	args := []string{"-D", filepath.Join(p.dir, "data"), "-p", strconv.Itoa(p.port), "-k", p.dir, "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on", "-c", "fsync=on",
		"-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "unix_socket_permissions=0777",
		"-c", "dynamic_shared_memory_type=mmap"} // in its directory: one that is killed leaves none behind
	if versionOf(p.bin) >= 14 {
		args = append(args, "-c", "recovery_init_sync_method=syncfs") // after a kill it need not flush each file by itself
	}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(p.bin, "postgres"), args...)
	cmd.Dir = p.dir
	if err := asServer(cmd); err != nil {
		return err
	}
	if err := ownedByServer(p.dir); err != nil { // its socket is in it
		return err
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ended, err := startKept(cmd)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.ended = cmd, ended
	return err
}

// all are the processes of the server.
func (p *Postgres) all() []int {
	if p.cmd == nil || p.cmd.Process == nil || !p.running() {
		return nil
	}
	return append([]int{p.cmd.Process.Pid}, childrenOf(p.cmd.Process.Pid)...)
}

// Kill kills all processes of the server at once, without a word.
func (p *Postgres) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pid := range append(p.all(), p.stopped...) {
		signal(pid, sigKill)
	}
	p.stopped = nil
	if p.ended != nil {
		<-p.ended
	}
}

// Pause stops all processes of the server where they are, until Resume.
func (p *Postgres) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = p.all() // the first is the one that would start more
	for _, pid := range p.stopped {
		signal(pid, sigStop)
	}
}

// Resume lets them go on.
func (p *Postgres) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pid := range p.stopped {
		signal(pid, sigCont)
	}
	p.stopped = nil
}

// Close ends the server and removes what it has.
func (p *Postgres) Close() error {
	p.Resume()
	p.mu.Lock()
	all := p.all()
	p.mu.Unlock()
	if len(all) > 0 {
		signal(all[0], sigQuit)
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
		}
	}
	p.Kill()
	freeShared(filepath.Join(p.dir, "data", "postmaster.pid"))
	return os.RemoveAll(p.dir)
}
