// The chip that remembers how far journals had come: that of a board, or a file that stands in for one.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
)

// framSlots is into how many slots a new chip is parted: one for the device journal for ever, and one for each batch until its
// package is made. No room is given to checkpoints: all of a slot is for records.
const framSlots = 8

// framHelp is what is said of the flag.
const framHelp = "`FILE` that stands in for a chip which remembers how far the journals have come; made where it is not there"

// chip is a chip and who has it. A nil chip is none: it has no slot for anybody.
type chip struct {
	*journal.Chip
	file  string    // or the device
	board io.Closer // nil: it is closed with its board
}

// openChip opens the chip of the board, or the file that stands in for one.
func (f *flags) openChip() (*chip, error) {
	if f.board == "" {
		return openChip(f.fram)
	}
	s, err := f.onBoard(nil)
	if err != nil || s.FRAM == nil {
		return nil, err
	}
	name := s.FRAM.Path()
	c, err := slotted(s.FRAM, name, filepath.Join(os.TempDir(), "batchkit"+strings.ReplaceAll(name, "/", "-")+".lock"))
	if err != nil {
		return nil, fmt.Errorf("controller: fram %s of board %s: %w", name, s.Board.ID, err)
	}
	return c, nil
}

// openChip opens the file that stands in for a chip.
func openChip(file string) (*chip, error) {
	if file == "" {
		return nil, nil
	}
	board, err := sim.NewBoard(0, &sim.BoardOptions{FRAMFile: file})
	if err != nil {
		return nil, fmt.Errorf("controller: -fram: %w", err)
	}
	c, err := slotted(board.FRAM(), file, file+".lock")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("controller: -fram %s: %w; keep the file, and give another one", file, err), board.Close())
	}
	c.board = board
	return c, nil
}

// slotted opens a chip, and parts it into slots where it is blank.
func slotted(part hal.FRAM, file, lock string) (*chip, error) {
	c := &chip{file: file}
	var err error
	if c.Chip, err = journal.OpenChip(part, lock); errors.Is(err, journal.ErrChip) && unwritten(part) {
		if err = journal.FormatChip(part, framSlots, 0, lock); err == nil {
			c.Chip, err = journal.OpenChip(part, lock)
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// unwritten tells whether nothing was ever written to a chip: all of it is 0, or 0xFF.
func unwritten(f hal.FRAM) bool {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	for _, b := range data {
		if b != data[0] || b != 0 && b != 0xFF {
			return false
		}
	}
	return err == nil
}

// device finds the device journal whose chip this is, "" where it is nobody's yet.
func (c *chip) device() (id string, err error) {
	if c == nil {
		return "", nil
	}
	ids, err := c.Journals()
	for _, one := range ids {
		if deviceJournal.MatchString(one) {
			id = one
		}
	}
	return id, err
}

// find gives the slot of a journal to one who reads it, nil where it has none.
func (c *chip) find(id string) (*journal.Anchor, error) {
	if c == nil || id == "" {
		return nil, nil
	}
	return c.Find(id)
}

// take gives a journal its slot.
func (c *chip) take(id string) (*journal.Anchor, error) {
	if c == nil {
		return nil, nil
	}
	return c.Take(id)
}

// slots is the chip for a rig, nil where there is none.
func (c *chip) slots() *journal.Chip {
	if c == nil {
		return nil
	}
	return c.Chip
}

// Close closes the file.
func (c *chip) Close() error {
	if c == nil || c.board == nil {
		return nil
	}
	return c.board.Close()
}
