// The chip: how a FRAM is parted among journals, and which slot is whose.

package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/hal"
)

const (
	maxSlots  = 16
	chipMagic = "bkfram02" // the last two are the number of the layout
	tableSize = 1280
	tableCRC  = tableSize - 4
	entrySize = 8 + maxJournalID
	slotUnit  = 256       // of which offset and size of a slot are multiples
	slotHeads = 2 * 256   // both copies of the head, each at a multiple of 256
	leastRing = 4 << 10   // a smaller rest of a slot is left alone
	leastChip = 32 << 10  // below it a chip holds heads only
	mostChip  = 4 << 20   // read whole when a journal is opened
	maxTear   = 8         // frames of the ring begin at multiples of it
	tableWait = 5_000_000 // ns between two tries to have the table
	tableTry  = 400
)

// What may be wrong with a chip, to be told apart with errors.Is.
var (
	// ErrNoSlot is returned by Chip.Take where each slot belongs to another
	// journal: release one, or go on without an anchor and say so.
	ErrNoSlot = errors.New("no free slot on this chip")
	// ErrChip is returned where a chip cannot be used as it is: it was never
	// formatted, its table is destroyed, or its cells tear in units of more
	// than 8 bytes.
	ErrChip = errors.New("this chip cannot be used")
	// ErrAnchor is in every error of a chip that failed while it was used.
	ErrAnchor = errors.New("anchor failed")
)

// Chip is a [hal.FRAM] that several journals share, each in a slot of its own.
// A table on the chip says which slot is whose; it is written whole, in two
// copies one after the other, so that a cut leaves the old one or the new.
// Methods may be called from several goroutines. They block for the transfer
// (where Take finds a new slot, all of it is written and read back, 0.4 us per
// byte and way on SPI), and for up to 2 s while another process has the table,
// which ends in ErrInUse. What they have changed is in the cells when they
// return nil; a chip that fails is ErrAnchor.
//
// The layout, all numbers little endian: two copies of the table, of 1280
// bytes each, then the slots, all of one size. A slot holds two copies of a
// head, each 256 bytes from the next (see anchor.go), and then a ring of
// records (see ring.go), where the chip has 32 KiB or more and the slot room
// for a ring of 4 KiB; and at its end two checkpoints (see checkpoint.go), where
// the chip was parted with room for them. The table:
//
//	0    magic           24  size of a slot u64       64    per slot: length of the
//	8    generation u64  32  number of slots u32            journal's id u32, zeros,
//	16   chip size u64   36  zeros                          the id in 64 bytes
//	                     40  room of a checkpoint,    1276  CRC-32C of 0 to 1275
//	                         with its header, u64
type Chip struct {
	f    hal.FRAM
	lock string

	mu   sync.Mutex
	held map[int]Anchor // slots that a Writer of this Chip uses
}

// table is what a chip says of itself.
type table struct {
	generation uint64
	chip, slot int64    // sizes
	saved      int64    // room of each of the checkpoints in a slot; 0: there are none
	ids        []string // by slot; "" is free
}

// FormatChip parts a chip into so many slots, 1 to 16, of equal size, each with
// room for two checkpoints of states of so many bytes, 0 to MaxCheckpoint; with
// 0 all of a slot is for records, and checkpoints are files. The room for both,
// with a header of 512 bytes each and in whole 512 bytes, is taken from the
// ring, of which 4 KiB must be left, on a chip of 32 KiB at least. It
// refuses a chip of which a slot is taken (ErrInUse) and one that is not fit
// (ErrChip). Lock is as in OpenChip. What was on the chip is lost.
func FormatChip(f hal.FRAM, slots, state int, lock string) error {
	c, err := newChip(f, lock)
	if err != nil {
		return err
	}
	return c.guarded(func() error {
		if t, _, err := c.table(); err == nil {
			if i := slices.IndexFunc(t.ids, func(id string) bool { return id != "" }); i >= 0 {
				return fmt.Errorf("formatting: %w: slot %d belongs to journal %q; release it first", ErrInUse, i, t.ids[i])
			}
		} else if !errors.Is(err, ErrChip) {
			return err
		}
		size := (f.Size() - 2*tableSize) / max(int64(slots), 1) / slotUnit * slotUnit
		if slots < 1 || slots > maxSlots || size < slotHeads {
			return fmt.Errorf("formatting: %w: %d slots on %d bytes: there may be 1 to %d of %d bytes at least",
				ErrChip, slots, f.Size(), maxSlots, slotHeads)
		}
		t := table{chip: f.Size(), slot: size, ids: make([]string, slots)}
		if state < 0 || state > MaxCheckpoint {
			return fmt.Errorf("formatting: %w: checkpoints of %d bytes: must be 0 to %d", ErrChip, state, MaxCheckpoint)
		}
		if state > 0 {
			t.saved = int64(slotSize(state))
		}
		if !t.bears() {
			return fmt.Errorf("formatting: %w: two checkpoints of %d bytes in a slot of %d leave no ring of %d bytes, "+
				"or the chip has fewer than %d; give 0 for none, or fewer slots", ErrChip, state, size, leastRing, leastChip)
		}
		return c.write(t, 0)
	})
}

// OpenChip returns a chip that FormatChip has parted, or ErrChip. Where more
// than one process uses the chip, lock is the path of a file, the same for
// all of them and in a directory that is there, by which they wait for each
// other; beside it there will be a file for each slot in use. With "" the
// caller promises that this Chip is the only one that is open on these cells,
// in any process: nothing else keeps two Writers out of one slot.
func OpenChip(f hal.FRAM, lock string) (*Chip, error) {
	c, err := newChip(f, lock)
	if err != nil {
		return nil, err
	}
	err = c.guarded(func() error {
		_, _, err := c.table()
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func newChip(f hal.FRAM, lock string) (*Chip, error) {
	switch m, size := f.Model(), f.Size(); {
	case m.Tear < 1 || m.Tear > maxTear || maxTear%m.Tear != 0:
		return nil, fmt.Errorf("journal: chip: %w: a cut ruins %d bytes of it at once; the layout bears 1, 2, 4 or %d",
			ErrChip, m.Tear, maxTear)
	case size < 2*tableSize+slotHeads || size > mostChip:
		return nil, fmt.Errorf("journal: chip: %w: it has %d bytes, must have %d to %d", ErrChip, size, 2*tableSize+slotHeads, mostChip)
	}
	return &Chip{f: f, lock: lock, held: map[int]Anchor{}}, nil
}

// guarded calls f while no other process and no other goroutine has the table.
func (c *Chip) guarded(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock == "" {
		return named(f())
	}
	for try := 0; ; try++ {
		lock, err := system{}.Lock(c.lock)
		if err == nil {
			return named(errors.Join(f(), lock.Close()))
		}
		if !errors.Is(err, ErrInUse) || try == tableTry {
			return named(err)
		}
		time.Sleep(tableWait)
	}
}

func named(err error) error {
	if err != nil {
		return fmt.Errorf("journal: chip: %w", err)
	}
	return nil
}

// Take returns the slot of a journal, and gives it a free one where it has
// none; that is zeroed first. The error is ErrNoSlot where there is none. The
// slot stays the journal's over power cuts, until Release.
func (c *Chip) Take(journalID string) (a *Anchor, err error) {
	if !validID(journalID) {
		return nil, fmt.Errorf("journal: chip: journal id %q: must be 1 to %d of A-Z a-z 0-9 . _ -", journalID, maxJournalID)
	}
	return a, c.guarded(func() error {
		t, newer, err := c.table()
		if err != nil {
			return err
		}
		n := slices.Index(t.ids, journalID)
		if n < 0 {
			if n = slices.Index(t.ids, ""); n < 0 {
				return fmt.Errorf("%w for journal %q: they belong to %q; release one whose journal has ended", ErrNoSlot, journalID, t.ids)
			}
			if err := c.clear(t.offset(n), t.slot); err != nil {
				return err
			}
			t.ids[n] = journalID
			if err := c.write(t, newer); err != nil {
				return err
			}
		}
		a = c.anchor(&t, n)
		return nil
	})
}

// Find returns the slot of a journal for one who reads it, or nil where it has
// none. It changes nothing.
func (c *Chip) Find(journalID string) (a *Anchor, err error) {
	return a, c.guarded(func() error {
		t, _, err := c.table()
		if n := slices.Index(t.ids, journalID); err == nil && n >= 0 && journalID != "" {
			a = c.anchor(&t, n)
		}
		return err
	})
}

// Release gives the slot of a journal back. What it held, the proof of that
// journal's end, is forgotten. A journal without a slot is no error; a slot
// that a Writer uses is ErrInUse.
func (c *Chip) Release(journalID string) error {
	return c.guarded(func() error {
		t, newer, err := c.table()
		if err != nil {
			return err
		}
		n := slices.Index(t.ids, journalID)
		if n < 0 {
			return nil
		}
		if _, held := c.held[n]; held {
			return fmt.Errorf("releasing slot %d of journal %q: %w", n, journalID, ErrInUse)
		}
		if c.lock != "" {
			lock, err := system{}.Lock(c.slotLock(n))
			if err != nil {
				return fmt.Errorf("releasing slot %d of journal %q: %w", n, journalID, err)
			}
			defer lock.Close()
		}
		t.ids[n] = ""
		return c.write(t, newer)
	})
}

// Journals returns the journal of each slot, "" for a free one.
func (c *Chip) Journals() (ids []string, err error) {
	return ids, c.guarded(func() error {
		t, _, err := c.table()
		ids = t.ids
		return err
	})
}

func (c *Chip) slotLock(n int) string { return fmt.Sprintf("%s.%d", c.lock, n) }

// anchor returns slot n. A chip below 32 KiB has no rings.
func (c *Chip) anchor(t *table, n int) *Anchor {
	a := &Anchor{chip: c, slot: n, id: t.ids[n], base: t.offset(n), saved: int(t.saved)}
	if rest := t.slot - slotHeads - chipMarks*t.saved; t.chip >= leastChip && rest >= leastRing {
		a.ring = int(rest)
	}
	return a
}

func (t *table) offset(n int) int64 { return 2*tableSize + int64(n)*t.slot }

// bears tells whether the checkpoints of a slot, if any, leave a ring in it.
func (t *table) bears() bool {
	return t.saved == 0 || t.chip >= leastChip && t.saved > checkpointHeader && t.saved <= t.slot && t.saved%sector == 0 &&
		t.slot-slotHeads-chipMarks*t.saved >= leastRing
}

func (t *table) encode() []byte {
	b := make([]byte, tableSize)
	copy(b, chipMagic)
	binary.LittleEndian.PutUint64(b[8:], t.generation)
	binary.LittleEndian.PutUint64(b[16:], uint64(t.chip))
	binary.LittleEndian.PutUint64(b[24:], uint64(t.slot))
	binary.LittleEndian.PutUint32(b[32:], uint32(len(t.ids)))
	binary.LittleEndian.PutUint64(b[40:], uint64(t.saved))
	for i, id := range t.ids {
		binary.LittleEndian.PutUint32(b[64+entrySize*i:], uint32(len(id)))
		copy(b[64+entrySize*i+8:], id)
	}
	binary.LittleEndian.PutUint32(b[tableCRC:], crc32.Checksum(b[:tableCRC], castagnoli))
	return b
}

// decodeTable accepts exactly what encode writes for a chip of this size.
func decodeTable(b []byte, chip int64) (table, bool) {
	t := table{
		generation: binary.LittleEndian.Uint64(b[8:]),
		chip:       int64(binary.LittleEndian.Uint64(b[16:])), slot: int64(binary.LittleEndian.Uint64(b[24:])),
		saved: int64(binary.LittleEndian.Uint64(b[40:])),
	}
	n := binary.LittleEndian.Uint32(b[32:])
	if n < 1 || n > maxSlots || t.chip != chip || t.slot < slotHeads || t.slot > chip || t.slot%slotUnit != 0 ||
		t.offset(int(n)) > chip || !t.bears() {
		return table{}, false
	}
	for i := range int(n) {
		e := b[64+entrySize*i:]
		size := binary.LittleEndian.Uint32(e)
		if size > maxJournalID || size > 0 && !validID(string(e[8:8+size])) {
			return table{}, false
		}
		t.ids = append(t.ids, string(e[8:8+size]))
	}
	return t, bytes.Equal(t.encode(), b)
}

// table reads the table, and tells which copy is the newer one.
func (c *Chip) table() (t table, newer int, err error) {
	found, other := false, ""
	for i := range 2 {
		b := make([]byte, tableSize)
		if err := readCells(c.f, b, int64(i)*tableSize); err != nil {
			return table{}, 0, fmt.Errorf("reading the table: %w: %w", ErrAnchor, err)
		}
		if one, ok := decodeTable(b, c.f.Size()); ok && (!found || one.generation > t.generation) {
			t, newer, found = one, i, true
		}
		if m := string(b[:len(chipMagic)]); m != chipMagic && m[:len(m)-2] == chipMagic[:len(m)-2] {
			other = m
		}
	}
	if !found && other != "" {
		return table{}, 0, fmt.Errorf("%w: it is of another format: %q, this build reads %q; go on with the build that formatted it, "+
			"or format it anew, which ends what it knows", ErrChip, other, chipMagic)
	}
	if !found {
		return table{}, 0, fmt.Errorf("%w: neither copy of its table can be read; format it", ErrChip)
	}
	return t, newer, nil
}

// write writes both copies of a new table, first over the older one. A cut between them leaves one that is whole.
func (c *Chip) write(t table, newer int) error {
	t.generation++
	for _, i := range []int{1 - newer, newer} {
		if err := writeCells(c.f, t.encode(), int64(i)*tableSize); err != nil {
			return fmt.Errorf("writing the table: %w: %w", ErrAnchor, err)
		}
	}
	return nil
}

// clear makes cells zero.
func (c *Chip) clear(off, size int64) error {
	blank := make([]byte, 4<<10)
	for size > 0 {
		n := min(size, int64(len(blank)))
		if err := writeCells(c.f, blank[:n], off); err != nil {
			return fmt.Errorf("clearing a slot: %w: %w", ErrAnchor, err)
		}
		off, size = off+n, size-n
	}
	return nil
}

// readCells reads all of p.
func readCells(f hal.FRAM, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil {
		err = errors.New("fewer bytes than were asked for")
	}
	return fmt.Errorf("%d bytes at %d: %w", len(p), off, err)
}

// writeCells writes p and reads it back: a cell that is stuck is found when the table or a slot is made, not when it is needed.
func writeCells(f hal.FRAM, p []byte, off int64) error {
	if _, err := f.WriteAt(p, off); err != nil {
		return fmt.Errorf("%d bytes at %d: %w", len(p), off, err)
	}
	got := make([]byte, len(p))
	if err := readCells(f, got, off); err != nil {
		return err
	}
	if !bytes.Equal(got, p) {
		return fmt.Errorf("%d bytes at %d: cells do not hold what was written; replace the chip", len(p), off)
	}
	return nil
}
