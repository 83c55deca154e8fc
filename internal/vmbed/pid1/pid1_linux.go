// Package pid1 is what the first process of a virtual machine must do before anything else can run there, and the end of it.
// It is no init for machines that people use: it reaps no orphans and asks nobody before it turns the power off.
package pid1

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount mounts a file system at a directory, which it makes where there is none. One that is mounted there already is left.
func Mount(source, at, kind, opts string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, at, kind, 0, opts); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mounting %s at %s as %s %s: %w", source, at, kind, opts, err)
	}
	return nil
}

// Output has standard output and errors go to the device at path, since the kernel found no console for the first process.
// Where there is no such device they are left as they are.
func Output(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	for _, std := range []int{1, 2} {
		if err := unix.Dup3(fd, std, 0); err != nil {
			return fmt.Errorf("taking %s for output: %w", path, err)
		}
	}
	return unix.Close(fd)
}

// Modules loads the kernel's modules that the file "order" in dir names, each on a line with its parameters. One that does not fit
// this processor or finds no device is left out, since another may stand in for it, or nobody asks for it.
func Modules(dir string) error {
	order, err := os.ReadFile(filepath.Join(dir, "order"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(order)) {
		name, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), params, 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("loading module %s: %w", name, err)
		}
	}
	return nil
}

// PowerOff writes back what files hold and ends the machine. It returns only where that failed.
func PowerOff() error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
