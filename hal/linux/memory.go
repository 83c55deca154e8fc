// Memory that needs no erasing: FRAM, MRAM and EEPROM behind the drivers at24, at25 and spi-nor, and the SRAM of clock chips.

package linux

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/hal"
)

// Flags of an MTD device (mtd/mtd-abi.h), beside noErase.
const mtdWriteable = 0x400

// maxTear is the most bytes that a cut may ruin: no EEPROM has a greater page.
const maxTear = 1 << 16

// FRAM is memory behind a driver of the kernel, and implements hal.FRAM. It is a part of its own, so its Model says Apart. Nobody
// keeps another process from it: journal.Chip has a lock file for that.
type FRAM struct {
	path   string
	f      *os.File
	size   int64
	tear   int
	settle bool // a write is over when the part answers again
}

// FRAMOptions are the optional settings of OpenFRAM; nil means all zero.
type FRAMOptions struct {
	// Backed says that what the kernel takes for RAM has a battery, as the SRAM of some boards has. RAM without one is refused.
	Backed bool
}

// OpenFRAM opens memory by its name, which is one of
//
//	24c256                      what it is called (compatible, or the name that new_device was given), if only one is so
//	24c256@1-0050               the one of that name at that place of the I2C or SPI bus, also as 24c256@i2c-1/0x50 and fm25@spi0.0
//	nvmem:mcp794xx_nvram0       a device of the nvmem class, such as the SRAM of a clock chip
//	mtd:NAME                    an MTD device by its name or label
//	/sys/.../eeprom, /dev/mtd0  a path
//
// tear is how many bytes a cut may ruin, by the data sheet, since no driver tells it: 1 for FRAM, the 8 of its word for MRAM, the
// page for an EEPROM. Flash that must be erased, RAM that forgets, and ordinary files are refused; hal/sim has a file that stands
// in. What is not there gives an error that wraps fs.ErrNotExist and says what is.
func OpenFRAM(name string, tear int, opt *FRAMOptions) (*FRAM, error) {
	return openFRAM(os.DirFS(sysTree), name, tear, opt, onSysfs)
}

func openFRAM(sys fs.FS, name string, tear int, opt *FRAMOptions, known func(*os.File) error) (*FRAM, error) {
	if tear < 1 || tear > maxTear {
		return nil, fmt.Errorf("linux: memory %q: a cut may ruin %d bytes: say from the data sheet how many: 1 for FRAM, 8 for MRAM, "+
			"the page for an EEPROM, at most %d", name, tear, maxTear)
	}
	d, err := choose("memory", name, memories(sys))
	if err != nil {
		return nil, err
	}
	m := &FRAM{path: d.node, tear: tear, settle: true}
	if base := path.Base(d.node); strings.HasPrefix(d.node, "/dev/mtd") {
		m.settle = false
		m.size, err = mtdSize(sys, path.Join("class/mtd", base), opt != nil && opt.Backed)
	}
	if err == nil {
		m.f, err = os.OpenFile(d.node, os.O_RDWR|os.O_SYNC, 0)
	}
	if err == nil && m.settle {
		if err = known(m.f); err == nil {
			m.size, err = sizeOf(m.f)
		}
	}
	if err == nil && m.size < 1 {
		err = errors.New("the kernel says that it has no bytes")
	}
	if err != nil {
		if m.f != nil {
			_ = m.f.Close() // nothing was written
		}
		return nil, fmt.Errorf("linux: memory %s: %w", d.says, err)
	}
	return m, nil
}

// sizeOf is the size of a file.
func sizeOf(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// mtdSize tells the size of an MTD device, and refuses one that is no FRAM.
func mtdSize(sys fs.FS, dir string, backed bool) (int64, error) {
	kind, known := textOf(sys, path.Join(dir, "type"))
	word, _ := textOf(sys, path.Join(dir, "flags"))
	flags, err := strconv.ParseUint(word, 0, 32)
	if !known || err != nil {
		return 0, errors.New("it is no MTD device that sysfs shows; memory is a file eeprom or nvmem there, or /dev/mtdN")
	}
	switch {
	case flags&noErase == 0:
		return 0, fmt.Errorf("it is flash (type %s) that must be erased before it is written, a block at a time, so a cut would ruin what "+
			"nobody wrote; put UBI and UBIFS on it for the journal's files, and take FRAM or MRAM here", kind)
	case flags&mtdWriteable == 0:
		return 0, fmt.Errorf("it cannot be written (type %s)", kind)
	case kind == "ram" && !backed:
		return 0, errors.New("it is RAM, which forgets without supply; if it has a battery, say so (Backed)")
	}
	word, _ = textOf(sys, path.Join(dir, "size"))
	size, err := strconv.ParseInt(word, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("its size is %q", word)
	}
	return size, nil
}

// memories lists what sysfs shows.
func memories(sys fs.FS) (list []listed) {
	for _, bus := range [...]string{"i2c", "spi"} {
		base := path.Join("bus", bus, "devices")
		for _, n := range children(sys, base) {
			dir := path.Join(base, n)
			if !shown(sys, path.Join(dir, "eeprom")) {
				continue
			}
			d := listed{node: path.Join(sysTree, dir, "eeprom"), dir: dir}
			called := callings(sys, dir)
			for _, c := range called {
				d.names = append(d.names, c, c+"@"+n)
				if at, ok := i2cPlace(n); ok {
					d.names = append(d.names, c+"@"+at)
				}
			}
			d.says = "nameless@" + plain(n)
			if len(called) > 0 {
				d.says = called[0] + "@" + plain(n)
			}
			list = append(list, d)
		}
	}
	for _, n := range children(sys, "bus/nvmem/devices") {
		dir := path.Join("bus/nvmem/devices", n)
		// What MTD shows here is for reading, and fuses are written once.
		if kind, _ := textOf(sys, path.Join(dir, "type")); shown(sys, path.Join(dir, "nvmem")) && !strings.HasPrefix(n, "mtd") && kind != "OTP" {
			list = append(list, listed{node: path.Join(sysTree, dir, "nvmem"), dir: dir, says: "nvmem:" + plain(n), names: []string{"nvmem:" + n}})
		}
	}
	for _, n := range children(sys, "class/mtd") {
		if dir := path.Join("class/mtd", n); !strings.HasSuffix(n, "ro") {
			label, _ := textOf(sys, path.Join(dir, "name"))
			kind, _ := textOf(sys, path.Join(dir, "type"))
			list = append(list, listed{node: "/dev/" + n, dir: dir, says: fmt.Sprintf("mtd:%s (%s, /dev/%s)", plain(label), plain(kind), plain(n)),
				names: []string{"mtd:" + label}})
		}
	}
	return list
}

// shown tells whether a tree has a file.
func shown(sys fs.FS, name string) bool {
	_, err := fs.Stat(sys, name)
	return err == nil
}

// callings lists what a device on a bus is called: the name that its maker's tree or a person gave it.
func callings(sys fs.FS, dir string) (names []string) {
	add := func(s string) {
		if s != "" && printable(strings.Replace(s, ",", "", 1)) {
			names = append(names, s)
		}
	}
	if s, ok := textOf(sys, path.Join(dir, "name")); ok {
		add(s)
	} else if s, ok := textOf(sys, path.Join(dir, "modalias")); ok {
		_, s, _ = strings.Cut(s, ":") // spi:fm25
		add(s)
	}
	s, _ := textOf(sys, path.Join(dir, "of_node/compatible"))
	for one := range bytes.SplitSeq([]byte(s), []byte{0}) {
		whole := string(one) // cypress,fm25
		if _, part, ok := strings.Cut(whole, ","); ok && !slices.Contains(names, part) {
			add(part)
		}
		if !slices.Contains(names, whole) {
			add(whole)
		}
	}
	return names
}

// i2cPlace makes i2c-1/0x50 of 1-0050.
func i2cPlace(n string) (string, bool) {
	bus, address, ok := strings.Cut(n, "-")
	at, err := strconv.ParseUint(address, 16, 16)
	if !ok || err != nil {
		return "", false
	}
	return fmt.Sprintf("i2c-%s/0x%02x", bus, at), true
}

// Path is the file behind it.
func (m *FRAM) Path() string { return m.path }

// Size implements hal.FRAM.
func (m *FRAM) Size() int64 { return m.size }

// Model implements hal.FRAM: what OpenFRAM was told.
func (m *FRAM) Model() hal.Model { return hal.Model{Tear: m.tear, Apart: true} }

// ReadAt implements hal.FRAM.
func (m *FRAM) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, m.fail(fmt.Errorf("read at %d: outside of %d bytes", off, m.size))
	}
	whole := len(p)
	p = p[:max(0, min(int64(whole), m.size-off))] // drivers differ in what they do at the end
	if n, err = m.f.ReadAt(p, off); err != nil && !errors.Is(err, io.EOF) {
		return n, m.fail(err)
	}
	if n < len(p) {
		return n, m.fail(fmt.Errorf("read of %d bytes at %d: it gave %d", len(p), off, n))
	}
	if n < whole {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements hal.FRAM. On EEPROM it takes up to 5 ms a page more: the last byte is read back, which the part answers when
// its cells have them all.
func (m *FRAM) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > m.size-int64(len(p)) {
		return 0, m.fail(fmt.Errorf("write of %d bytes at %d: outside of %d bytes", len(p), off, m.size))
	}
	if len(p) == 0 {
		return 0, nil
	}
	if n, err = m.f.WriteAt(p, off); err != nil {
		return n, m.fail(err)
	}
	if !m.settle {
		return n, nil
	}
	var last [1]byte
	if _, err := m.f.ReadAt(last[:], off+int64(len(p))-1); err != nil {
		return 0, m.fail(fmt.Errorf("reading back what was written at %d: %w", off, err))
	}
	if last[0] != p[len(p)-1] {
		return 0, m.fail(fmt.Errorf("byte %d reads back %#02x after %#02x was written; is it write-protected?",
			off+int64(len(p))-1, last[0], p[len(p)-1]))
	}
	return n, nil
}

// Close releases it. It must not run while another method does.
func (m *FRAM) Close() error {
	if err := m.f.Close(); err != nil {
		return m.fail(err)
	}
	return nil
}

func (m *FRAM) fail(err error) error { return fmt.Errorf("linux: memory %s: %w", m.path, err) }
