// The guest's side: the first process of the machine.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/internal/vmbed/pid1"
)

const (
	consolePort = "/dev/ttyS0"
	statusPort  = "/dev/ttyS1" // of the program's exit status, and of nothing else
	diskDevice  = "/dev/vda"
	diskAt      = "/disk"
)

// first is what the machine does from its start to its end. It does not return.
func first() error {
	if err := serve(); err != nil {
		fmt.Println("vmbed: in the guest:", err)
	}
	drain(1)
	_ = os.WriteFile("/sys/class/tty/ttyS0/console", []byte("0"), 0) // the kernel's last words are no news
	return pid1.PowerOff()
}

// serve makes the machine ready, runs the job and tells the host the status of each program.
func serve() error {
	if err := mounts(); err != nil {
		return err
	}
	if err := raw(consolePort); err != nil {
		return err
	}
	if err := pid1.Output(consolePort); err != nil {
		return err
	}
	if err := pid1.Modules("/modules"); err != nil {
		return err
	}
	for _, fs := range [][2]string{{"configfs", "/sys/kernel/config"}, {"debugfs", "/sys/kernel/debug"}} {
		if err := pid1.Mount(fs[0], fs[1], fs[0], ""); err != nil {
			return err
		}
	}
	if err := loopback(); err != nil {
		return err
	}
	text, err := os.ReadFile(jobFile)
	if err != nil {
		return err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("%s: %w", jobFile, err)
	}
	if j.Disk {
		if err := pid1.Mount(diskDevice, diskAt, "ext4", ""); err != nil {
			return err
		}
	}
	if err := tell(newLife); err != nil {
		return fmt.Errorf("telling of a new life: %w", err)
	}
	for i, p := range j.Programs {
		if i > 0 {
			fmt.Println(nextProgram)
		}
		status, err := do(p)
		if err != nil {
			return err
		}
		if err := tell(strconv.Itoa(status)); err != nil {
			return fmt.Errorf("telling the status: %w", err)
		}
	}
	if j.Disk {
		return unix.Unmount(diskAt, 0)
	}
	return nil
}

// mounts mounts what programs expect. What was brought to /dev/shm, where go test may build, stays seen there.
func mounts() error {
	const shared, kept = "/dev/shm", "/shm"
	for _, dir := range []string{shared, kept} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	if err := unix.Mount(shared, kept, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keeping %s: %w", shared, err)
	}
	for _, fs := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}} {
		if err := pid1.Mount(fs[0], fs[1], fs[0], ""); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(shared, 0o777); err != nil {
		return err
	}
	if err := unix.Mount(kept, shared, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("showing %s again: %w", shared, err)
	}
	return nil
}

// do runs a program to its end. One that a signal has ended has the status that a shell would give it.
func do(p program) (int, error) {
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.Dir, p.Env, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	if status, ok := exit.Sys().(interface{ Signal() unix.Signal }); ok {
		return 128 + int(status.Signal()), nil
	}
	return 0, err
}

// raw has a port carry every byte as it is.
func raw(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	t.Cflag |= unix.CLOCAL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// tell gives a status to the host, or that this is a new life.
func tell(word string) error {
	f, err := os.OpenFile(statusPort, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, word)
	drain(int(f.Fd()))
	return errors.Join(err, f.Close())
}

// drain waits until a port has sent what it was given.
func drain(fd int) { _ = unix.IoctlSetInt(fd, unix.TCSBRK, 1) }

// loopback switches on the network that a machine has with itself.
func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("switching lo on: %w", err)
	}
	return nil
}
