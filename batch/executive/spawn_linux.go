// Runners as processes of a Linux system.

package executive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Processes is a Spawner of processes. Each is in a session of its own, and outlives the manager; what it prints stands in the file log of its
// directory; it inherits no descriptor and no capability.
type Processes struct {
	Argv []string // program and arguments; the directory of the batch is added as the last
	// UID gives the user and group of a batch, to whom its directory then belongs; ok is false for those of the manager. Nil: always. Only
	// root can give others.
	UID func(batch string) (uid, gid int, ok bool)
}

// Spawn implements Spawner.
func (s Processes) Spawn(batch, dir string) (Process, error) {
	if len(s.Argv) == 0 {
		return nil, errors.New("executive: no program for runners; give Processes.Argv")
	}
	attr := &syscall.SysProcAttr{Setsid: true}
	if s.UID != nil {
		if uid, gid, ok := s.UID(batch); ok {
			attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			if err := own(dir, uid, gid); err != nil {
				return nil, fmt.Errorf("executive: %s: its directory: %w", batch, err)
			}
		}
	}
	out, err := openLog(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("executive: %s: %w", batch, err)
	}
	defer out.Close()
	closeOnExec()
	cmd := exec.Command(s.Argv[0], append(s.Argv[1:len(s.Argv):len(s.Argv)], dir)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, out, out, attr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("executive: %s: %w", batch, err)
	}
	p, err := watch(cmd.Process, true)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("executive: %s: %w", batch, err), cmd.Process.Kill(), cmd.Wait())
	}
	return p, nil
}

// Adopt implements Spawner.
func (Processes) Adopt(batch string, pid int) (Process, error) {
	p, err := os.FindProcess(pid)
	if err == nil {
		var c *process
		if c, err = watch(p, false); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("executive: %s: process %d: %w", batch, pid, err)
}

// openLog opens the log of a runner, who may have put something else in its place: that is refused, and not waited for.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, err
	}
	is, err := f.Stat()
	if err == nil {
		if st, ok := is.Sys().(*syscall.Stat_t); !is.Mode().IsRegular() || ok && st.Nlink > 1 {
			err = fmt.Errorf("%s is no file of its own; remove it", path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// own gives a directory and all beneath it to a user, who may come to it then: all but its order, which he may read, and which is known by its owner
// to be the manager's. A file that has another name elsewhere is refused: whoever has made it may have meant somebody else's.
func own(dir string, uid, gid int) error {
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // who had it before may still be there, and leads nobody out of it
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		switch {
		case ok && !d.IsDir() && st.Nlink > 1:
			return fmt.Errorf("%s has %d names; remove it", filepath.Join(dir, path), st.Nlink)
		case ok && path == "order.json" && int(st.Uid) == os.Getuid():
			return root.Lchown(path, -1, gid)
		}
		return root.Lchown(path, uid, gid)
	})
}

// closeOnExec marks every descriptor that this process has inherited: a runner that outlives the manager would keep it open.
func closeOnExec() {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// process is a runner that is a process. Its end is seen by a descriptor, so no thread waits for it.
type process struct {
	p     *os.Process
	child bool
	ended *os.File // an epoll that has the process in it
}

// watch makes the descriptor by which the end of p is seen.
func watch(p *os.Process, child bool) (*process, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	var add error
	err = p.WithHandle(func(h uintptr) {
		add = syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, int(h), &syscall.EpollEvent{Events: syscall.EPOLLIN})
	})
	if err = errors.Join(err, add, syscall.SetNonblock(fd, true)); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	return &process{p: p, child: child, ended: os.NewFile(uintptr(fd), "process "+strconv.Itoa(p.Pid))}, nil
}

func (c *process) PID() int { return c.p.Pid }

func (c *process) Kill() error {
	if err := c.p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (c *process) Wait(ctx context.Context) error {
	defer c.ended.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.ended.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := c.ended.SyscallConn()
	if err != nil {
		return err
	}
	var ev [1]syscall.EpollEvent
	err = raw.Read(func(fd uintptr) bool {
		n, err := syscall.EpollWait(int(fd), ev[:], 0)
		return n > 0 || err != nil && !errors.Is(err, syscall.EINTR)
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case !c.child:
		return errors.Join(errors.New("its process has ended"), c.p.Release())
	}
	state, err := c.p.Wait()
	if err != nil {
		return err
	}
	return errors.New("its process has ended: " + state.String())
}
