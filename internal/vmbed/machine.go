// The machine: QEMU with the bed's kernel, from its start to the status of what ran in it.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// qemu is the program that is the machine.
const qemu = "qemu-system-x86_64"

// statusOwn is the exit status where the bed itself has failed, and not what ran in it.
const statusOwn = 125

// errReset is returned where the machine ended before the job did: a watchdog has bitten, the kernel has panicked, or somebody
// has killed it.
var errReset = errors.New("the machine has ended before its program did")

// machine is one virtual machine. It has two watchdogs, a console, and two serial ports
// joined back to back; see the package comment.
type machine struct {
	first  string // this program, as the first process of the guest
	bed    string // directory that make.sh has made
	job    job
	bring  []string // files and directories that the guest shall have where they are here
	disk   string   // file with an ext4; empty: none
	cpus   int
	memory int  // MiB
	again  bool // after a reset it starts anew, and runs the job anew
}

// bedDir is where make.sh leaves what it makes.
func bedDir() (string, error) {
	if dir := os.Getenv("BATCHKIT_BED_CACHE"); dir != "" {
		return filepath.Join(dir, "bed"), nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "batchkit", "vmbed", "bed"), nil
}

// run boots the machine, copies its console to w, and returns the exit status of each of its programs: of fewer, with an error,
// where the machine ended before them. It blocks until the machine has ended or ctx has, which kills it.
func (m machine) run(ctx context.Context, w io.Writer) ([]int, error) {
	dir, err := os.MkdirTemp("", "vmbed")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := m.initrd(filepath.Join(dir, "initrd")); err != nil {
		return nil, err
	}
	// The thread that starts it stays as long as it does.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, qemu, m.args(dir)...)
	cmd.Stdout, cmd.Stderr = w, &complaints
	dieWithUs(cmd)
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%s: %w: %s", qemu, err, bytes.TrimSpace(complaints.Bytes()))
	}
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return nil, err
	}
	all, err := statuses(string(text))
	switch {
	case err != nil:
		return all, err
	case ctx.Err() != nil:
		return all, fmt.Errorf("%w: %w", errReset, context.Cause(ctx))
	case len(all) < len(m.job.Programs):
		return all, errReset
	}
	return all, nil
}

// statuses are those of the last life of a machine: one that began anew has run its programs anew.
func statuses(text string) (all []int, err error) {
	for _, word := range strings.Fields(text) {
		if word == newLife {
			all = nil
			continue
		}
		status, err := strconv.Atoi(word)
		if err != nil {
			return all, fmt.Errorf("the guest's status: %w", err)
		}
		all = append(all, status)
	}
	return all, nil
}

// initrd writes what the kernel unpacks at its start: its modules, and the job.
func (m machine) initrd(path string) error {
	base, err := os.ReadFile(filepath.Join(m.bed, "modules.cpio"))
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(base)
	if err == nil {
		err = pack(f, m.first, m.job, m.bring)
	}
	return errors.Join(err, f.Close())
}

// kernelArgs are the kernel's. It takes its time from the HPET: the processor's own clock it would measure at its start, and be wrong
// by any factor where the host was busy then.
const kernelArgs = "console=ttyS0 quiet loglevel=3 panic=-1 rdinit=/init mitigations=off cryptomgr.notests no_timer_check " +
	"tsc=unstable clocksource=hpet"

// args has the processor emulated: that works on every machine, and is fast enough.
func (m machine) args(dir string) []string {
	args := []string{"-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", fmt.Sprint(m.memory), "-smp", fmt.Sprint(m.cpus),
		"-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", filepath.Join(m.bed, "vmlinux"), "-initrd", filepath.Join(dir, "initrd"),
		"-append", kernelArgs,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", "file,id=status,path=" + filepath.Join(dir, "status"), "-serial", "chardev:status",
		"-chardev", "socket,id=a,server=on,wait=off,path=" + filepath.Join(dir, "line"),
		"-chardev", "socket,id=b,path=" + filepath.Join(dir, "line"),
		"-device", "pci-serial-2x,chardev1=a,chardev2=b",
		"-device", "i6300esb", "-action", "watchdog=reset"}
	if !m.again {
		args = append(args, "-no-reboot")
	}
	if m.disk != "" {
		args = append(args, "-drive", "if=none,id=disk,format=raw,file="+m.disk, "-device", "virtio-blk-pci,drive=disk")
	}
	return args
}
