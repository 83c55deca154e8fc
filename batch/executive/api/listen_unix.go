// What Unix systems do in their own way: the lock of a directory, and a socket that nobody listens at.

//go:build unix

package api

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockDir takes the lock of a directory, for which it waits two seconds. It leaves nothing behind, and ends with the process.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for range 200 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s, which others hold for a moment only: %w; ask again", dir, err), f.Close())
	}
	return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN); f.Close() }, nil
}

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// Keeps refuses who is not to be believed of what lies in a directory: neither root, nor this process's user, nor the user whom the directory
// belongs to. Where there is no directory nobody else is. Another board never is.
func (p Peer) Keeps(dir string) error {
	if p.Node != "" {
		return fmt.Errorf("api: node %s is another board", p.Node)
	}
	if p.UID == 0 || p.UID == os.Getuid() {
		return nil
	}
	is, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("api: whether user %d may listen is not known: %w", p.UID, err)
	}
	if st, ok := is.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != p.UID {
		return fmt.Errorf("api: user %d listens, process %d, and %s is not his; end that process", p.UID, p.PID, dir)
	}
	return nil
}
