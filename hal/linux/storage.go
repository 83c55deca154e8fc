// Storage health: from the device of a file system to what its kernel drivers say of it.

package linux

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/hal"
)

// Limits of what is read.
const (
	maxText  = 4096 // bytes of a file of sysfs
	maxDepth = 4    // devices upon devices
	maxParts = 16   // devices under one file system
)

// StorageOptions are the optional settings of StorageHealth; nil means all zero.
type StorageOptions struct {
	// Cycles is how often a block of raw flash may be erased, as its data sheet says. Zero means that it is not known: how much of
	// the life of a UBI device is used up is then UNKNOWN, though its erasures are counted.
	Cycles int64
}

// health is one reading: of a tree, into a result.
type health struct {
	hal.StorageHealth
	sys    fs.FS
	cycles int64
	parts  int
	basis  string // of BytesWritten
}

// StorageHealth reads how a medium stands from a tree such as os.DirFS("/sys"). It always has an answer; what could not be read is
// a reason for UNKNOWN. It knows eMMC, UBI and MTD, and what stands upon them by way of device mapper and md.
func StorageHealth(sys fs.FS, m Medium, opt *StorageOptions) hal.StorageHealth {
	h := &health{StorageHealth: hal.NewStorageHealth(""), sys: sys}
	if opt != nil {
		h.cycles = min(opt.Cycles, 1<<53)
	}
	h.medium(m)
	if h.basis != "" {
		h.Note(h.basis)
	}
	return h.StorageHealth
}

func (h *health) medium(m Medium) {
	if n, ok := ubiNumber(m.Source); ok && m.Major == 0 {
		h.ubi(n)
		return
	}
	if m.Major == 0 {
		h.Judge(hal.HealthUnknown, fmt.Sprintf("file system %q from %q lies on no device of its own", m.FS, m.Source))
		return
	}
	dir, err := h.follow(fmt.Sprintf("dev/block/%d:%d", m.Major, m.Minor))
	if err != nil {
		h.Judge(hal.HealthUnknown, fmt.Sprintf("no device %d:%d is known here: %v", m.Major, m.Minor, err))
		return
	}
	h.fileSystem(path.Base(dir))
	h.block(dir, 0)
}

// follow resolves a symbolic link of the tree.
func (h *health) follow(link string) (string, error) {
	to, err := fs.ReadLink(h.sys, link)
	if err != nil {
		return "", err
	}
	return path.Join(path.Dir(link), to), nil
}

// text reads a small file; ok is false where it is not there.
func (h *health) text(name string) (string, bool) { return textOf(h.sys, name) }

// number reads a number that is not negative, decimal or with 0x; ok is false where there is none.
func (h *health) number(name string) (int64, bool) {
	s, ok := h.text(name)
	n, err := strconv.ParseInt(s, 0, 64)
	return n, ok && err == nil && n >= 0
}

// fileSystem takes in what ext4 and f2fs count, and errors that ext4 has found.
func (h *health) fileSystem(dev string) {
	for _, kind := range [...]string{"ext4", "f2fs"} {
		dir := path.Join("fs", kind, dev)
		if kb, ok := h.number(path.Join(dir, "lifetime_write_kbytes")); ok && kb < 1<<53 {
			h.written(kb<<10, fmt.Sprintf("bytes_written_total: by %s on %s since it was made", kind, dev))
		}
		if n, ok := h.number(path.Join(dir, "errors_count")); ok && n > 0 {
			h.Judge(hal.HealthReplace, fmt.Sprintf("%s on %s has found %d errors; check it, and see where they come from", kind, dev, n))
		}
	}
}

// written takes in a count of bytes written if it is the greatest of those known: each counts from a start of its own.
func (h *health) written(n int64, basis string) {
	if n > h.BytesWritten {
		h.BytesWritten, h.basis = n, basis
	}
}

// block takes in a block device: a disk, or a part of one.
func (h *health) block(dir string, depth int) {
	if _, ok := h.text(path.Join(dir, "partition")); ok {
		dir = path.Dir(dir)
	}
	name := path.Base(dir)
	h.parts++
	if depth > maxDepth || h.parts > maxParts {
		if h.parts == maxParts+1 || depth > maxDepth {
			h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: more than %d devices, or %d upon one another, are not looked at",
				name, maxParts, maxDepth))
		}
		return
	}
	if under, err := fs.ReadDir(h.sys, path.Join(dir, "slaves")); err == nil && len(under) > 0 {
		for _, u := range under[:min(len(under), maxParts+1)] {
			at, err := h.follow(path.Join(dir, "slaves", u.Name()))
			if err != nil {
				h.Judge(hal.HealthUnknown, fmt.Sprintf("%s lies on %s, which cannot be found: %v", name, u.Name(), err))
				continue
			}
			h.block(at, depth+1)
		}
		return
	}
	if s, ok := h.text(path.Join(dir, "stat")); ok {
		if fields := strings.Fields(s); len(fields) > 6 {
			if sectors, err := strconv.ParseInt(fields[6], 10, 64); err == nil && sectors >= 0 && sectors < 1<<53 {
				h.written(sectors<<9, fmt.Sprintf("bytes_written_total: to %s since the system started", name))
			}
		}
	}
	h.disk(dir, name)
}

// disk takes in what the driver of a disk tells.
func (h *health) disk(dir, name string) {
	switch ubi, isUBI := strings.CutPrefix(name, "ubiblock"); {
	case strings.HasPrefix(name, "mmcblk"):
		h.mmc(path.Join(dir, "device"), name)
	case isUBI:
		n, _ := ubiNumber("ubi" + ubi)
		h.ubi(n)
	case strings.HasPrefix(name, "mtdblock"):
		h.mtd(strings.TrimPrefix(name, "mtdblock"), true)
	case strings.HasPrefix(name, "loop"):
		file, _ := h.text(path.Join(dir, "loop/backing_file"))
		h.Judge(hal.HealthUnknown, fmt.Sprintf("%s is a file, %q; ask for the health of what holds that", name, file))
	case strings.HasPrefix(name, "nvme"):
		h.named(path.Join(dir, "device"), name)
		h.Judge(hal.HealthUnknown, name+": an NVMe disk tells its wear in its SMART log, which sysfs does not show")
	default:
		h.named(path.Join(dir, "device"), name)
		h.Judge(hal.HealthUnknown, name+": its driver tells nothing of its wear")
	}
}

// named takes in what a device calls itself.
func (h *health) named(dir, name string) {
	words := []string{name}
	for _, file := range [...]string{"model", "name", "cid", "serial", "wwid"} {
		if s, ok := h.text(path.Join(dir, file)); ok && s != "" && printable(s) {
			words = append(words, file+" "+s)
		}
	}
	if h.Medium != "" {
		h.Medium += ", "
	}
	h.Medium += strings.Join(words, " ")
}

// printable tells whether a text of a device is short and plain enough to be written on.
func printable(s string) bool {
	return len(s) <= 128 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-:/+()") == ""
}
