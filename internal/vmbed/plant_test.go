//go:build linux && amd64

// A plant at the wires of a simulated chip: the tank of examples/controller/board, seen from outside of the controller.

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

// Lines of the chip, as bed.yaml has them.
const (
	lineFeed     = 0
	lineDrain    = 1
	lineOpen     = 3 // end switch of the feed valve
	lineWet      = 4
	linePulse    = 8
	chipLines    = 12
	chipLabel    = "bed-gpio"
	tankFile     = "/disk/tank"
	wetAt        = 10 // pulses
	valveTicks   = 5  // that the feed valve takes to move
	tick         = 10 * time.Millisecond
	keepTankEach = 10 // pulses
)

// tank is the plant. What is in it outlives the power of the controller, as what is in a tank does.
type tank struct {
	chip   *guest.Chip
	file   *os.File
	level  uint64 // pulses of the meter, ten to a kilogram
	moving int    // ticks for which the feed valve has not been where its coil wants it
	open   bool   // the feed valve is
	phase  bool   // of the pulse
	errs   []error
}

// fillTank puts the plant at the wires.
func fillTank() (*tank, error) {
	chip, err := guest.NewChip(chipLabel, make([]string, chipLines)...)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(tankFile, os.O_RDWR|os.O_CREATE|unix.O_SYNC, 0o600)
	if err != nil {
		return nil, errors.Join(err, chip.Close())
	}
	t := &tank{chip: chip, file: f}
	var word [8]byte
	if _, err := f.ReadAt(word[:], 0); err == nil {
		t.level = binary.LittleEndian.Uint64(word[:])
	}
	t.pull(lineWet, t.level >= wetAt)
	return t, nil
}

func (t *tank) pull(line int, high bool) { t.note(t.chip.Pull(line, high)) }

func (t *tank) driven(line int) bool {
	high, err := t.chip.Level(line)
	t.note(err)
	return high
}

func (t *tank) note(err error) {
	if err != nil && len(t.errs) < 10 {
		t.errs = append(t.errs, err)
	}
}

// step is what the plant does in one tick.
func (t *tank) step() {
	before := t.level
	if coil := t.driven(lineFeed); coil == t.open {
		t.moving = 0
	} else if t.moving++; t.moving >= valveTicks {
		t.open, t.moving = coil, 0
		t.pull(lineOpen, t.open)
	}
	if t.open || t.phase {
		t.phase = !t.phase
		t.pull(linePulse, t.phase)
		if t.phase {
			t.level++
		}
	}
	if t.driven(lineDrain) {
		t.level -= min(t.level, 3)
	}
	if t.level == before {
		return
	}
	if (t.level >= wetAt) != (before >= wetAt) {
		t.pull(lineWet, t.level >= wetAt)
	}
	if t.level/keepTankEach != before/keepTankEach || t.level == 0 {
		_, err := t.file.WriteAt(binary.LittleEndian.AppendUint64(nil, t.level), 0)
		t.note(err)
	}
}

// runPlant runs a program beside the plant and returns its exit status.
func runPlant(args []string) (int, error) {
	t, err := fillTank()
	if err != nil {
		return 0, err
	}
	fmt.Printf("plant: the tank holds %d pulses\n", t.level)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case err := <-ended:
			fmt.Printf("plant: the tank holds %d pulses\n", t.level)
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = nil
			}
			if cerr := t.chip.Close(); !errors.Is(cerr, fs.ErrNotExist) {
				t.note(cerr)
			}
			return cmd.ProcessState.ExitCode(), errors.Join(append(t.errs, err)...)
		case <-ticks.C:
			t.step()
		}
	}
}
