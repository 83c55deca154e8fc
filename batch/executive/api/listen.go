// The place of a socket: who listens there, and that only one does.

package api

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxPath is how long the path of a Unix socket may be on Linux, in bytes, with what it is called until it is there.
const maxPath = 107 - len(newSuffix)

const newSuffix = ".new"

// Listen makes a Unix socket of mode 0660 and takes the place of one that nobody listens at. One that somebody does is refused, and where two
// ask at a time, one of them is. The socket appears when it can be connected to, and goes with Close. Listen blocks for two seconds at most.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("api: socket %s: the path has %d bytes and the system takes %d; give a directory with a shorter name", path, len(path), maxPath)
	}
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("api: socket %s: %w", path, err)
	}
	defer unlock()
	if err := vacant(path); err != nil {
		return nil, fmt.Errorf("api: socket %s: %w", path, err)
	}
	made := path + newSuffix
	if err := os.Remove(made); err != nil && !errors.Is(err, os.ErrNotExist) { // of one who died here; nobody else has the lock
		return nil, fmt.Errorf("api: socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("api: socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	p := &place{UnixListener: l, path: path}
	if err = os.Chmod(made, 0o660); err == nil {
		p.own, err = os.Lstat(made)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("api: socket: %w", err), l.Close(), os.Remove(made))
	}
	return p, nil
}

// forget removes a socket at which nobody listens.
func forget(path string) error {
	unlock, err := lockDir(filepath.Dir(path))
	if err == nil {
		defer unlock()
		err = vacant(path)
	}
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("api: socket %s: %w", path, err)
	}
	return nil
}

// vacant refuses a path at which somebody listens, or something is that is no socket.
func vacant(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return errors.New("it is there and no socket; remove it, or give another directory")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		err = c.Close()
	} else if refused(err) {
		return nil
	}
	return errors.Join(errors.New("another process listens there; end it first"), err)
}

// place is a listener whose socket goes with it.
type place struct {
	*net.UnixListener
	path string
	own  os.FileInfo
	once sync.Once
	err  error
}

// Close implements net.Listener. The socket goes first, so that it is not that of the next who listens.
func (p *place) Close() error {
	p.once.Do(func() {
		if now, err := os.Lstat(p.path); err == nil && os.SameFile(now, p.own) {
			p.err = os.Remove(p.path)
		}
		p.err = errors.Join(p.err, p.UnixListener.Close())
	})
	return p.err
}

// Addr implements net.Listener.
func (p *place) Addr() net.Addr { return &net.UnixAddr{Name: p.path, Net: "unix"} }
