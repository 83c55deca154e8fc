// Package hal declares what a controller asks of its board: a clock that outlives the supply, FRAM, GPIO lines, serial ports, a
// watchdog, a warning before the supply fails, a counter; and it has the words for how a storage medium stands. What signs is a
// crypto.Signer.
//
// Start with [FRAM] and [RTC], the two devices that keep something over a power cut; [InputLine], [OutputLine], [RS485] and [RS232]
// are the board's way to the plant; [Watchdog] and [Power] are for when things fail, and [NewPowerLine] makes a warning of an
// input line. [StorageHealth] is how a medium stands. A board that is reached by a tag.Port alone needs none of this.
//
// Package hal/linux carries the contracts out by the drivers of a kernel, hal/tpm by a TPM, and hal/sim simulates them, with faults;
// hal/haltest holds any device against them.
//
// The rule that must not be broken: a device says what it knows and no more. A clock that has lost its time returns an error
// and never a guess, a write that returned nil is in the cells, and edges that were lost are counted.
//
// The package declares; it opens nothing, starts nothing and knows no part number. Every method may be called from any
// goroutine, and blocks for no longer than its own comment says.
package hal

import (
	"context"
	"errors"
)

// Errors that a caller branches on. A device that was closed returns an error that wraps os.ErrClosed.
var (
	// ErrTimeLost: the clock chip says that its time is not valid: the cell is dead, the oscillator stopped, or the clock was
	// never set.
	ErrTimeLost = errors.New("hal: clock has lost its time, set it")
	// ErrPowerLost: the supply failed before the operation was over. What a write left behind is told by its tearing model.
	ErrPowerLost = errors.New("hal: supply failed during the operation")
	// ErrStays: the watchdog cannot be stopped once it was armed.
	ErrStays = errors.New("hal: watchdog cannot be stopped, feed it or let it reset the board")
)

// RTC is a clock chip with a cell of its own. It runs while the board is off. Both methods block for one bus transfer, a few
// milliseconds at most.
type RTC interface {
	// Read returns ns since 1970-01-01 UTC. Chips keep whole seconds: the result is true to within one second, plus the drift
	// since Set. While the time is not valid it returns 0 and an error that wraps ErrTimeLost.
	Read() (utc int64, err error)
	// Set sets the time, in ns since 1970-01-01 UTC, of which parts of a second are dropped, and makes it valid. A time
	// outside 2000 to 2099, which chips cannot hold, is refused.
	Set(utc int64) error
}

// FRAM is memory that holds its bytes without supply and needs no erasing. Ranges of concurrent writes must not overlap.
//
// Tearing model: the bytes of one WriteAt reach the cells in ascending order. When the supply fails during it, the bytes
// before the cut are new, the bytes after it are old, and the one byte that was in flight may be anything, its old and new
// values included. No other byte changes. A WriteAt that returned nil is in the cells. A part that ruins more than one byte says
// so in its Model, and whoever lays something out on it refuses what the layout cannot bear.
type FRAM interface {
	// Size is the capacity in bytes; it does not change.
	Size() int64
	// Model says what the part is; it does not change.
	Model() Model
	// ReadAt is io.ReaderAt: fewer than len(p) bytes come with an error, which is io.EOF at the end of the memory. It blocks
	// for the transfer.
	ReadAt(p []byte, off int64) (n int, err error)
	// WriteAt returns when the bytes are in the cells, which takes about 0.4 us per byte on SPI and 25 us on I2C. A range that
	// leaves the memory is refused whole. After another error the tearing model holds; n is how many bytes surely are new.
	WriteAt(p []byte, off int64) (n int, err error)
}

// Model is what a user of FRAM must know of the part behind it. The zero Model says nothing and is to be refused.
type Model struct {
	// Tear is how many bytes a cut may ruin: the ones, from a multiple of Tear on, among which is the byte in flight. FRAM has 1,
	// MRAM the 2 or 8 of its word, an EEPROM its page.
	Tear int
	// Apart tells that the cells are a part of their own, which stays as it is where a disk is put back from a copy. A file that
	// stands in for a chip is not.
	Apart bool
}

// Edge is one change of an input line as the kernel saw it.
type Edge struct {
	Mono int64  // when, ns on the monotonic clock; stamped by the kernel or the chip, never by the reader
	High bool   // level after the edge
	Seq  uint32 // number of the edge on its line, from 1, modulo 2^32; lost edges are numbered too
	Lost uint32 // edges known to be missing between the one delivered before and this one
}

// InputLine is one digital input, requested for as long as it is open.
//
// Edges that come while an earlier one is being handled may be merged before they are numbered: Lost is a lower bound. After
// a burst, believe Get.
type InputLine interface {
	// Get returns the level now. It blocks for one system call.
	Get() (high bool, err error)
	// Watch delivers every edge since the line was requested, in order, until ctx ends, and then returns nil; any other
	// return means that the line is lost. It emits from the calling goroutine. One Watch at a time.
	Watch(ctx context.Context, emit func(Edge)) error
	// Close releases the line and ends Watch.
	Close() error
}

// OutputLine is one digital output. It must stay open for as long as its level matters: after Close, and after a power cut,
// the level is what the hardware falls back to. All methods block for one system call.
type OutputLine interface {
	// Set drives the line. Nil means that the driver took the level over.
	Set(high bool) error
	// Get returns the level that the line drives now.
	Get() (high bool, err error)
	// Close releases the line.
	Close() error
}

// RS485 is one half-duplex port: while it sends it does not hear, and it never hears itself.
type RS485 interface {
	// Write sends p and returns when the last stop bit is out and the driver is off, which takes about 11 bit times per byte.
	Write(p []byte) (n int, err error)
	// Read returns at least one byte as soon as any is there. When ctx ends first it returns 0 and ctx's error; what has
	// already arrived is returned even if ctx has ended, so that a reader can empty the line. An empty p returns at once.
	Read(ctx context.Context, p []byte) (n int, err error)
	// Close releases the port and ends a Read.
	Close() error
}
