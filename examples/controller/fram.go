// The chip that remembers how far journals had come: here a file that stands in for one.

package main

import (
	"errors"
	"fmt"
	"io"

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
	file  string
	board *sim.Board
}

// openChip opens the file that stands in for a chip, and parts it into slots where it is blank. Where another part stands on the
// board, this is the function to change.
func openChip(file string) (*chip, error) {
	if file == "" {
		return nil, nil
	}
	board, err := sim.NewBoard(0, &sim.BoardOptions{FRAMFile: file})
	if err != nil {
		return nil, fmt.Errorf("controller: -fram: %w", err)
	}
	c := &chip{file: file, board: board}
	lock := file + ".lock"
	if c.Chip, err = journal.OpenChip(board.FRAM(), lock); errors.Is(err, journal.ErrChip) && unwritten(board.FRAM()) {
		if err = journal.FormatChip(board.FRAM(), framSlots, 0, lock); err == nil {
			c.Chip, err = journal.OpenChip(board.FRAM(), lock)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("controller: -fram %s: %w; keep the file, and give another one", file, err), board.Close())
	}
	return c, nil
}

// unwritten tells whether nothing was ever written to a chip.
func unwritten(f hal.FRAM) bool {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	for _, b := range data {
		if b != 0 {
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
	if c == nil {
		return nil
	}
	return c.board.Close()
}
