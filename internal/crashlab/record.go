// Recording: the disk that writes down what happens to it, the witness, and the virtual machine between them.

package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	sector    = 512
	diskSize  = 16 << 20
	witness   = 64 << 10        // bytes of the witness; only its first sector is used
	patience  = 4 * time.Minute // for one virtual machine, which takes some ten seconds
	fileBlock = 4096            // bytes
	// backupSuper is the block with the copy of ext4's superblock: the first of the second group of blocks.
	backupSuper = diskSize / fileBlock / 2
)

// entry is one thing that happened: a write, a flush, or a note to the witness.
type entry struct {
	Off  int64
	Data []byte // of a write
	// Covers is set for a flush: of the entries before this number each write had been answered when it was asked for.
	Covers int
	Flush  bool
	Note   string
}

// recording is all that a run was, from a disk with an empty file system on it.
type recording struct {
	Run  string
	Base []byte
	Log  []entry
	Took time.Duration
}

// recorder keeps the log. Both disks write into it, so it orders what happened to them.
type recorder struct {
	mu   sync.Mutex
	view []byte
	log  []entry
	said claim
}

// disk is the guest's first disk: it does what it is asked, and has a cache that power may empty.
type disk struct {
	*recorder
	past int // entries that the client knows of
}

func (d *disk) size() int64 { return int64(len(d.view)) }

func (d *disk) read(p []byte, off int64) { copy(p, d.view[off:]) }

func (d *disk) write(p []byte, off int64) error {
	if off%sector != 0 || len(p)%sector != 0 {
		return fmt.Errorf("a write of %d bytes at %d: not whole sectors", len(p), off)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.view[off:], p)
	d.log = append(d.log, entry{Off: off, Data: p})
	return nil
}

func (d *disk) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, entry{Flush: true, Covers: d.past})
}

func (d *disk) answered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past = len(d.log)
}

// ear is the witness: a disk to which notes are written, one to a sector.
type ear struct{ *recorder }

func (e ear) size() int64 { return witness }

func (e ear) read(p []byte, _ int64) { clear(p) }

func (e ear) write(p []byte, _ int64) error {
	text := string(bytes.TrimRight(p, "\x00"))
	n, err := parseNote(text)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		err = e.said.add(n)
	}
	if err == nil {
		e.log = append(e.log, entry{Note: text})
	}
	return err
}

func (e ear) flush() {}

func (e ear) answered() {}

// record makes a file system, runs a virtual machine on it to its end, and returns what happened.
func record(s setup, bed, dir string) (*recording, error) {
	began := time.Now()
	base, err := emptyDisk(filepath.Join(dir, "base.img"))
	if err != nil {
		return nil, err
	}
	r := &recorder{view: bytes.Clone(base)}
	console, err := r.machine(s, bed, dir)
	if err == nil && !r.said.done {
		err = errors.New("the guest ended before its work was done")
	}
	if err != nil {
		return nil, fmt.Errorf("recording run %q: %w; the guest's console says:\n%s", s.name, err, console)
	}
	return &recording{Run: s.name, Base: base, Log: r.log, Took: time.Since(began)}, nil
}

// emptyDisk returns a disk with an empty ext4. Nothing of it is left for the kernel to do in the background.
func emptyDisk(path string) ([]byte, error) {
	if err := os.WriteFile(path, make([]byte, diskSize), 0o600); err != nil {
		return nil, err
	}
	if _, err := tool(1, "mkfs.ext4", "-q", "-F", "-b", fmt.Sprint(fileBlock), "-J", "size=4", "-N", "512", "-m", "0",
		"-g", fmt.Sprint(backupSuper), "-E", "lazy_itable_init=0,lazy_journal_init=0", path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// machine runs the virtual machine with both disks and returns what it wrote to its console.
func (r *recorder) machine(s setup, bed, dir string) (console []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	plugs := []device{&disk{recorder: r}, ear{r}}
	names := []string{"disk", "witness"}
	errs := make([]error, len(plugs))
	var wg sync.WaitGroup
	defer func() {
		wg.Wait()
		err = errors.Join(append(errs, err)...)
	}()
	for i, name := range names {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		defer l.Close() // before the wait: nobody waits for a client that never came
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := l.Accept()
			if err == nil {
				err = serve(c, plugs[i])
			}
			if err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				errs[i] = fmt.Errorf("%s: %w", names[i], err)
			}
			if errs[i] != nil {
				cancel() // the guest would wait for ever
			}
		}()
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", machineArgs(s, bed, dir)...)
	console, err = cmd.CombinedOutput()
	return console, err
}

// machineArgs has the processor emulated: that takes seconds more, works on every machine, and not all that offer to do
// better can.
func machineArgs(s setup, bed, dir string) []string {
	args := []string{"-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "256", "-smp", "1",
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-kernel", filepath.Join(bed, "vmlinux"), "-initrd", filepath.Join(bed, "initrd.cpio"),
		"-append", "console=ttyS0 quiet loglevel=4 panic=-1 rdinit=/init mitigations=off no_timer_check tsc=unstable clocksource=hpet crashlab.run=" + s.name}
	for _, name := range []string{"disk", "witness"} {
		args = append(args,
			"-blockdev", fmt.Sprintf("driver=nbd,node-name=%s,server.type=unix,server.path=%s", name, filepath.Join(dir, name)),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,write-cache=on", name))
	}
	return args
}

func (r *recording) save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(f).Encode(r), f.Close())
}

func loadRecording(path string) (*recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &recording{}
	if err := gob.NewDecoder(f).Decode(r); err != nil {
		return nil, fmt.Errorf("%s is no recording of this program: %w", path, err)
	}
	return r, nil
}

// tool runs a program and returns what it printed. An exit status above worst is an error.
func tool(worst int, name string, args ...string) ([]byte, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 && exit.ExitCode() <= worst {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return out, err
}
