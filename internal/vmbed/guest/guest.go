// Package guest is for tests that run in the bed of internal/vmbed: it puts simulated chips in place and works their wires from
// outside, as a plant would. Start with Inside, and skip where it says no.
//
// All of it speaks to the kernel by files in /sys and needs root. A chip must be closed, or it stays until the machine ends:
// nothing else takes it away.
//
// It drives no hardware and is of no use outside of the bed.
package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Elsewhere is what a test says that is skipped where Inside is false.
const Elsewhere = "runs in a kernel of its own: go test ./internal/vmbed takes it there"

// Inside tells whether this process runs in the bed.
func Inside() bool { return os.Getenv("BATCHKIT_BED") == "1" }

// SerialPair returns the devices of two serial ports that are joined back to back. They begin as every tty does, with echo on: have
// both raw before something is sent, or the two tell each other the same for ever.
func SerialPair() (a, b string) { return "/dev/ttyS2", "/dev/ttyS3" }

// simulators is the directory in which gpio-sim makes chips.
const simulators = "/sys/kernel/config/gpio-sim"

// Chip is a simulated gpiochip. Its lines are seen from outside: Pull is what is put on the wire of an input, Level what an output
// drives, or where nobody drives it, the pull.
type Chip struct {
	dir    string // in configfs
	device string
	pulls  []*os.File // of each line; they stay open, so that a plant with many wires costs little
	levels []*os.File
}

// NewChip makes a chip with a label that no other has, and one line for each name; an empty name leaves its line without. The label
// is what a program finds the chip by; it holds no slash.
func NewChip(label string, names ...string) (*Chip, error) {
	if label == "" || strings.ContainsAny(label, "/\n") || len(names) == 0 {
		return nil, fmt.Errorf("guest: chip %q with %d lines: wants a label without a slash, and a line", label, len(names))
	}
	c := &Chip{dir: filepath.Join(simulators, label)}
	if err := c.make(label, names); err != nil {
		return nil, errors.Join(fmt.Errorf("guest: chip %q: %w", label, err), c.Close())
	}
	return c, nil
}

func (c *Chip) make(label string, names []string) error {
	bank := filepath.Join(c.dir, "bank0")
	for _, dir := range []string{c.dir, bank} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(bank, "num_lines"), strconv.Itoa(len(names))); err != nil {
		return err
	}
	if err := write(filepath.Join(bank, "label"), label); err != nil {
		return err
	}
	for i, name := range names {
		if name == "" {
			continue
		}
		line := filepath.Join(bank, fmt.Sprint("line", i))
		if err := os.Mkdir(line, 0o755); err != nil {
			return err
		}
		if err := write(filepath.Join(line, "name"), name); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(c.dir, "live"), "1"); err != nil {
		return err
	}
	device, err := read(filepath.Join(c.dir, "dev_name"))
	if err != nil {
		return err
	}
	chip, err := read(filepath.Join(bank, "chip_name"))
	if err != nil {
		return err
	}
	c.device = "/dev/" + chip
	for i := range names {
		wire := filepath.Join("/sys/devices/platform", device, chip, fmt.Sprint("sim_gpio", i))
		pull, err := os.OpenFile(filepath.Join(wire, "pull"), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		c.pulls = append(c.pulls, pull)
		level, err := os.Open(filepath.Join(wire, "value"))
		if err != nil {
			return err
		}
		c.levels = append(c.levels, level)
	}
	return nil
}

// Device is the path of the chip's character device. It holds the chip's number, which is another one every time.
func (c *Chip) Device() string { return c.device }

// Pull puts a level on the wire of a line, by its offset. The line's owner sees an edge where it changes.
func (c *Chip) Pull(line int, high bool) error {
	word := "pull-down"
	if high {
		word = "pull-up"
	}
	_, err := c.pulls[line].WriteAt([]byte(word), 0)
	return err
}

// Level reads the wire of a line.
func (c *Chip) Level(line int) (bool, error) {
	var text [1]byte
	_, err := c.levels[line].ReadAt(text[:], 0)
	return text[0] == '1', err
}

// Close takes the chip away. Who holds one of its lines finds it gone. Pull and Level fail from then on.
func (c *Chip) Close() error {
	if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, f := range append(c.pulls, c.levels...) {
		errs = append(errs, f.Close())
	}
	if live, err := read(filepath.Join(c.dir, "live")); err == nil && live == "1" {
		errs = append(errs, write(filepath.Join(c.dir, "live"), "0"))
	}
	lines, err := filepath.Glob(filepath.Join(c.dir, "bank0", "line*"))
	errs = append(errs, err)
	for _, dir := range append(lines, filepath.Join(c.dir, "bank0"), c.dir) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Part is a driver on a chip of the simulated I2C bus, which has one at 0x50 to 0x57, 0x68 and 0x6f. The chips keep what is written
// to them, and share nothing with each other.
type Part struct{ bus, dir, addr string }

// NewPart has the kernel's driver for a part, "24c02" for example, take the chip at an address. It returns once the driver has.
func NewPart(name string, addr int) (*Part, error) {
	buses, err := filepath.Glob("/sys/bus/i2c/devices/i2c-*")
	if err != nil {
		return nil, err
	}
	for _, bus := range buses {
		if text, err := read(filepath.Join(bus, "name")); err != nil || !strings.HasPrefix(text, "SMBus stub") {
			continue
		}
		_, number, _ := strings.Cut(filepath.Base(bus), "-")
		p := &Part{bus: bus, addr: fmt.Sprintf("%#02x", addr), dir: filepath.Join(bus, fmt.Sprintf("%s-%04x", number, addr))}
		if err := write(filepath.Join(bus, "new_device"), name+" "+p.addr); err != nil {
			return nil, fmt.Errorf("guest: %s at %s: %w", name, p.addr, err)
		}
		if _, err := os.Stat(filepath.Join(p.dir, "driver")); err != nil {
			return nil, errors.Join(fmt.Errorf("guest: %s at %s: no driver of this kernel takes it: %w", name, p.addr, err), p.Close())
		}
		return p, nil
	}
	return nil, errors.New("guest: no simulated I2C bus; was i2c-stub loaded?")
}

// Dir is the part's directory in /sys, where its driver keeps its files.
func (p *Part) Dir() string { return p.dir }

// Close takes the driver off the chip, which keeps what it holds.
func (p *Part) Close() error { return write(filepath.Join(p.bus, "delete_device"), p.addr) }

// Until asks every millisecond whether something has come true, for a minute at most; it is for a plant that looks at wires from
// outside, where nobody tells of a change. False: it has not.
func Until(come func() bool) bool {
	for range 60_000 {
		if come() {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

func write(path, text string) error { return os.WriteFile(path, []byte(text), 0) }

func read(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}
