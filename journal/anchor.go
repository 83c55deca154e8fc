// The anchor: a slot on a chip that remembers how far a journal had come.

package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Anchor is the slot of one journal on a [Chip], for Options.Anchor. It is
// good for one Writer at a time; [Scan] may read it beside one.
type Anchor struct {
	chip *Chip
	slot int
	id   string
	base int64
	ring int // bytes; 0: heads only

	saved int // bytes of each of the checkpoints behind the ring; 0: there are none
}

// String tells what it is, as records spell it; a stand-in is none. Of the
// bytes of a ring a record takes the length of its body, rounded up to a
// multiple of 8, and 64 more.
func (a *Anchor) String() string {
	switch {
	case !a.chip.f.Model().Apart:
		return "none: a file stands in for the chip"
	case a.ring == 0:
		return fmt.Sprintf("fram: slot %d, heads only", a.slot)
	case a.saved > 0:
		return fmt.Sprintf("fram: slot %d, a ring of %d bytes, two checkpoints of up to %d", a.slot, a.ring, a.saved-checkpointHeader)
	}
	return fmt.Sprintf("fram: slot %d, a ring of %d bytes", a.slot, a.ring)
}

// AnchorState is what recovery found in an anchor.
type AnchorState uint8

// The states. Only AnchorHeld proves something.
const (
	// AnchorNone: there was no anchor, or the journal is another one's.
	AnchorNone AnchorState = iota
	// AnchorStandIn: the cells lie on a disk and are put back with it. What
	// they hold was used, and proves nothing: for reports it is no anchor.
	AnchorStandIn
	// AnchorNew: the slot holds nothing. The journal was not anchored before,
	// or the chip is another one.
	AnchorNew
	// AnchorHeld: the head in it is this journal's, and was held against it.
	AnchorHeld
	// AnchorForeign: the head in it is another journal's, as after a copy of
	// another chip. It says nothing of this one.
	AnchorForeign
	// AnchorUnreadable: neither copy of the head can be read, or both are
	// blank and the ring is not.
	AnchorUnreadable
)

// String returns the state as reports spell it.
func (s AnchorState) String() string {
	switch s {
	case AnchorNone, AnchorStandIn:
		return "none"
	case AnchorNew:
		return "new"
	case AnchorHeld:
		return "fram"
	case AnchorForeign:
		return "foreign"
	case AnchorUnreadable:
		return "unreadable"
	}
	return fmt.Sprintf("AnchorState(%d)", uint8(s))
}

const (
	markMagic = "bkhead01"
	markSize  = 160
	markCRC   = markSize - 4
	markApart = slotHeads / 2 // from one copy to the other
	flagClean = 1             // the journal was closed in order
)

// mark is the head that a slot holds, a lower bound of what the disk has
// acknowledged. Layout, in each of two copies, of which the older one is
// written over:
//
//	0   magic           28  segment u32              80   flags u32: 1 closed in order
//	8   generation u64  32  last seq on the disk u64 84   length of the journal's id u32
//	16  accepted u64    40  zeros u64                88   journal id in 64 bytes
//	24  epoch u32       48  link of that record      156  CRC-32C of 0 to 155
type mark struct {
	id             string
	generation     uint64
	epoch, segment uint32
	at             Chain
	accepted       uint64 // last seq that Append had taken then
	flags          uint32
}

func (m *mark) encode(b []byte) []byte {
	b = append(b[:0], zeros[:markSize]...)
	copy(b, markMagic)
	binary.LittleEndian.PutUint64(b[8:], m.generation)
	binary.LittleEndian.PutUint64(b[16:], m.accepted)
	binary.LittleEndian.PutUint32(b[24:], m.epoch)
	binary.LittleEndian.PutUint32(b[28:], m.segment)
	binary.LittleEndian.PutUint64(b[32:], m.at.N)
	copy(b[48:], m.at.Link[:])
	binary.LittleEndian.PutUint32(b[80:], m.flags)
	binary.LittleEndian.PutUint32(b[84:], uint32(len(m.id)))
	copy(b[88:], m.id)
	binary.LittleEndian.PutUint32(b[markCRC:], crc32.Checksum(b[:markCRC], castagnoli))
	return b
}

// decodeMark accepts exactly what encode writes, and no generation behind which there is none.
func decodeMark(b []byte) (mark, bool) {
	n := binary.LittleEndian.Uint32(b[84:])
	if n > maxJournalID {
		return mark{}, false
	}
	m := mark{
		id: string(b[88 : 88+n]), generation: binary.LittleEndian.Uint64(b[8:]), accepted: binary.LittleEndian.Uint64(b[16:]),
		epoch: binary.LittleEndian.Uint32(b[24:]), segment: binary.LittleEndian.Uint32(b[28:]),
		at:    Chain{N: binary.LittleEndian.Uint64(b[32:]), Link: Hash(b[48:80])},
		flags: binary.LittleEndian.Uint32(b[80:]),
	}
	return m, m.generation != 0 && m.generation != 1<<64-1 && string(m.encode(nil)) == string(b[:markSize])
}

// memory is what an anchor held when it was read.
type memory struct {
	id      string
	state   AnchorState
	standIn bool
	mark    mark // the newer head; zero generation if there is none of this journal
	copy    int  // the one that it is in
	notes   []string
	ring    []byte
	records []ringed
	links   map[uint64]Hash // of what the anchor knows; the least is from
	from    uint64
}

// recall reads an anchor.
func (a *Anchor) recall() (*memory, error) {
	m := &memory{id: a.id, standIn: !a.chip.f.Model().Apart, state: AnchorNew, copy: 1, links: map[uint64]Hash{}}
	var heads [2]mark
	var ok, blank [2]bool
	b := make([]byte, slotHeads+a.ring)
	if err := readCells(a.chip.f, b, a.base); err != nil {
		return nil, fmt.Errorf("reading the anchor in slot %d: %w: %w; try again, or open without it, "+
			"which loses what only the chip holds", a.slot, ErrAnchor, err)
	}
	for i := range heads {
		one := b[i*markApart:][:markApart]
		blank[i] = used(one) == 0
		heads[i], ok[i] = decodeMark(one)
		if !ok[i] && !blank[i] {
			m.notes = append(m.notes, fmt.Sprintf("the anchor's head copy %d cannot be read", i))
		}
	}
	m.choose(heads, ok, blank)
	m.ring = b[slotHeads:]
	if m.state == AnchorNew && used(m.ring) > 0 {
		m.state = AnchorUnreadable // a ring is written behind a head
	}
	m.records = searchRing(m.ring, a.id, m.mark.at.N)
	m.know(m.mark.at)
	for _, r := range m.records {
		m.know(Chain{N: r.seq, Link: r.link})
	}
	return m, nil
}

// choose takes the newer of the heads of this journal that can be read.
func (m *memory) choose(heads [2]mark, ok, blank [2]bool) {
	if blank != [2]bool{true, true} {
		m.state = AnchorUnreadable
	}
	for i, h := range heads {
		if ok[i] && h.id != m.id {
			m.notes = append(m.notes, fmt.Sprintf("a head in the anchor is of journal %q; the slot is that of %q", h.id, m.id))
			m.state, ok[i] = AnchorForeign, false
		}
	}
	for i, h := range heads {
		if ok[i] && (!ok[1-i] || h.generation >= heads[1-i].generation) {
			m.mark, m.copy, m.state = h, i, AnchorHeld
		}
	}
	a, b := heads[0].generation, heads[1].generation
	switch {
	case ok[0] && ok[1] && a != b+1 && b != a+1:
		m.notes = append(m.notes, fmt.Sprintf("the anchor's heads have generations %d and %d, which are not one after the other", a, b))
	case m.state == AnchorHeld && m.mark.generation > 1 && blank[1-m.copy]:
		m.notes = append(m.notes, fmt.Sprintf("the anchor's head has generation %d, and the other copy is blank", m.mark.generation))
	}
}

// know takes in the link of a record, of which the first has the least number.
func (m *memory) know(c Chain) {
	if c.N == 0 {
		return
	}
	if m.from == 0 {
		m.from = c.N
	}
	m.links[c.N] = c.Link
}

// headed tells whether a head of this journal was found.
func (m *memory) headed() bool { return m.mark.generation > 0 }

// reported is the state for Recovery.
func (m *memory) reported() AnchorState {
	if m.standIn {
		return AnchorStandIn
	}
	return m.state
}

// claim keeps other Writers out of the slot.
func (a *Anchor) claim() (io.Closer, error) {
	c, claim := a.chip, slotClaim{a: a}
	return &claim, c.guarded(func() (err error) {
		t, _, err := c.table()
		switch {
		case err != nil:
			return err
		case a.slot >= len(t.ids) || *c.anchor(&t, a.slot) != *a: // also where the chip was parted anew meanwhile
			return fmt.Errorf("slot %d is no longer that of journal %q: %w; take one anew", a.slot, a.id, ErrNoSlot)
		}
		if _, held := c.held[a.slot]; held {
			return fmt.Errorf("slot %d: %w", a.slot, ErrInUse)
		}
		if c.lock != "" {
			if claim.lock, err = (system{}).Lock(c.slotLock(a.slot)); err != nil {
				return fmt.Errorf("slot %d: %w", a.slot, err)
			}
		}
		c.held[a.slot] = *a
		return nil
	})
}

type slotClaim struct {
	a    *Anchor
	lock io.Closer
}

func (s *slotClaim) Close() error {
	c := s.a.chip
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, s.a.slot)
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}
