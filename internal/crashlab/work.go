// What the guest writes and the explorer knows of it: bodies, notes to the witness, and the runs.

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

const (
	journalName = "journal" // in the root of the guest's file system
	journalID   = "L-0001"
	segmentSize = 72 << 10 // the smallest: it is full after some twenty groups

	lives         = 3   // starts of the process that writes
	groupsPerLife = 130 // groups that one of them makes durable
)

// setup is one run: which writer, on what.
type setup struct {
	name, what string
	fault      fault
	mount      string // options of the ext4 mount
	ruin       bool   // one sector of the unflushed writes holds garbage
	broken     bool   // a control that must be caught
}

// fault is what a control's Storage does wrong.
type fault uint8

const (
	faultNone   fault = iota // the journal on the operating system, as it ships
	faultPlain               // the lab's own Storage, with nothing wrong
	faultNoSync              // flushing a file does nothing
	faultEarly               // promised when it is written, before the flush
)

// runs returns all of them. Plain is there because the controls need a Storage of the lab's own: it shows that what they
// are caught for is their fault and not that Storage.
func runs() []setup {
	return []setup{
		{name: "ours", what: "the journal as it is"},
		{name: "ruined", what: "the journal as it is, and garbage in a sector that was being written", ruin: true},
		{name: "plain", what: "the lab's Storage, nothing wrong", fault: faultPlain},
		{name: "nosync", what: "control: File.Sync does nothing", fault: faultNoSync, broken: true},
		{name: "early", what: "control: promised before the flush", fault: faultEarly, broken: true},
		{name: "nobarrier", what: "control: ext4 never flushes the disk", mount: "barrier=0", broken: true},
	}
}

func setupNamed(name string) (setup, error) {
	for _, s := range runs() {
		if s.name == name {
			return s, nil
		}
	}
	return setup{}, fmt.Errorf("there is no run %q", name)
}

// size draws the length of a body: most as short as a decision, some as long as a block of samples, few near the largest.
func size(rng *rand.Rand) int {
	switch n := rng.IntN(60); {
	case n == 0:
		return 20_000 + rng.IntN(45_000)
	case n < 15:
		return 1_000 + rng.IntN(5_000)
	}
	return 1 + rng.IntN(500)
}

// body returns the body of a record. It differs between lives, so that what a dead process left unfinished cannot pass for
// what a later one wrote under the same number.
func body(seq uint64, life int) []byte {
	src := rand.NewPCG(seq, uint64(life))
	b := make([]byte, size(rand.New(src))+8)
	n := len(b) - 8
	for at := 0; at < n; at += 8 {
		binary.LittleEndian.PutUint64(b[at:], src.Uint64())
	}
	return b[:n]
}

// claim is what the witness had been told when power went.
type claim struct {
	first []uint64 // of each life, the first record that it may write
	acked uint64   // the last record promised to be durable
	done  bool     // the guest ended in order
}

// note is a line to the witness.
type note struct {
	word string
	life int
	seq  uint64
}

// The words of notes.
const (
	wordLife    = "life"    // the journal is open: what it has up to seq is durable
	wordDurable = "durable" // up to seq
	wordDone    = "done"    // all lives are over, the last closed with seq
)

func (n note) String() string { return fmt.Sprintf("%s %d %d\n", n.word, n.life, n.seq) }

func parseNote(s string) (n note, err error) {
	if _, err = fmt.Sscanf(s, "%s %d %d\n", &n.word, &n.life, &n.seq); err != nil {
		return n, fmt.Errorf("note %.40q to the witness: must be a word, a life and a record: %w", s, err)
	}
	return n, nil
}

// add takes in one more note.
func (c *claim) add(n note) error {
	switch {
	case n.word == wordLife && n.life == len(c.first)+1:
		c.first = append(c.first, n.seq+1)
	case n.word == wordDurable && n.life == len(c.first):
	case n.word == wordDone && n.life == lives:
		c.done = true
	default:
		return fmt.Errorf("the witness was told %q in life %d", n, len(c.first))
	}
	if n.seq < c.acked {
		return fmt.Errorf("the witness was told %q after record %d was durable", n, c.acked)
	}
	c.acked = n.seq
	return nil
}

// want returns the body that a record must have, and false if it was never appended.
func (c *claim) want(seq uint64) ([]byte, bool) {
	for i := len(c.first) - 1; i >= 0; i-- {
		if seq >= c.first[i] {
			return body(seq, i+1), true
		}
	}
	return nil, false
}
