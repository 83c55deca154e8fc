// Checkpoints: what a state was after a record, in slots that are written in turn, on the anchor's chip or beside the segments.

package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Limits of checkpoints.
const (
	// MaxCheckpoint is the greatest length of the payload of a checkpoint, in bytes.
	MaxCheckpoint = 4 << 20
	// DefaultCheckpoints and MaxCheckpoints are how many checkpoints are kept if nothing else is said, and at most.
	DefaultCheckpoints, MaxCheckpoints = 4, 16
)

const (
	checkpointsDir   = "checkpoints"
	checkpointMagic  = "bkcheckp"
	checkpointHeader = 512
	checkpointSum    = checkpointHeader - sha256.Size
	lastGeneration   = 1<<64 - 2
)

// Checkpoint is a state as it was after a record of a journal. It is a shortcut and no evidence: all that is in it follows from the
// records before it.
type Checkpoint struct {
	Generation uint64 // grows with each one that is written
	Head       Chain  // the record after which it stands
	Payload    []byte // the state, in the caller's form; 1 to MaxCheckpoint bytes
	Digest     Hash   // of header and payload
	Slot       string // where it lies: "chip 1", "file 1" and so on
}

// Checkpoints are the slots of a journal: files "checkpoints/1" and so on beside its segments, and two in its slot on a chip, where
// that was parted with room for them. Each Write overwrites the oldest on the chip, or, where there is no room for the state, the
// oldest file. Nothing says which is the newest: whoever reads them takes the highest generation that the journal speaks for.
// That is one whose Head is the chain's own at that record, and whose Digest stands in a later record; a slot that is newer than
// what is left of its journal, or was put there by others, is passed over, and so is one that was being written when power went.
//
// Layout, little endian: magic, format version u32, length of the journal id u32, generation u64, seq u64, link, length of the
// payload u64, journal id, zeros, and at 480 the SHA-256 of the 480 bytes before and of the payload, which begins at 512.
type Checkpoints struct {
	dir   string
	id    string
	st    Storage
	chip  *Anchor  // nil: there are no slots on a chip
	broke bool     // the chip failed and is not written any more
	held  []uint64 // generation in each slot, those of the chip first; 0: nothing that counts
	chips int      // how many slots the chip has
	last  uint64
	made  bool // the names of the files are durable
}

// OpenCheckpoints reads the slots of the journal in dir: files, of which there are 1 to MaxCheckpoints, or DefaultCheckpoints if slots
// is 0, and those in Options.Anchor. It returns what can be read, the newest first, and of every slot that holds something else a line
// that says what: such a slot is overwritten in its turn, which is the next. It changes nothing, and blocks for the disk and for the
// transfer from the chip. Of opt only Storage and Anchor matter.
func OpenCheckpoints(dir, journalID string, slots int, opt *Options) (s *Checkpoints, all []Checkpoint,
	faults []string, err error) {
	if slots == 0 {
		slots = DefaultCheckpoints
	}
	if slots < 1 || slots > MaxCheckpoints || !validID(journalID) {
		return nil, nil, nil, fmt.Errorf("journal: checkpoints of %q: %d slots of journal %q: 1 to %d are wanted, and an id",
			dir, slots, journalID, MaxCheckpoints)
	}
	s = &Checkpoints{dir: filepath.Join(dir, checkpointsDir), id: journalID, st: storageOf(opt)}
	if opt != nil && opt.Anchor != nil {
		if opt.Anchor.id != journalID {
			return nil, nil, nil, fmt.Errorf("journal: checkpoints of %q: Options.Anchor is the slot of journal %q", journalID, opt.Anchor.id)
		}
		if opt.Anchor.saved > 0 {
			s.chip, s.chips = opt.Anchor, chipMarks
		}
	}
	s.held = make([]uint64, s.chips+slots)
	for i := range s.held {
		data, err := s.read(i)
		if errors.Is(err, fs.ErrNotExist) || err == nil && used(data) == 0 {
			continue
		}
		c, why := s.decode(data)
		if err != nil {
			why = err.Error()
		}
		if why != "" {
			faults = append(faults, fmt.Sprintf("checkpoint in %s is passed over: %s", s.where(i), why))
			continue
		}
		c.Slot, s.held[i], s.last = s.where(i), c.Generation, max(s.last, c.Generation)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Checkpoint) int { return bytes.Compare(order(b), order(a)) })
	return s, all, faults, nil
}

// order makes the newer checkpoint the greater.
func order(c Checkpoint) []byte {
	return append(binary.BigEndian.AppendUint64(nil, c.Generation), c.Digest[:]...)
}

// where names a slot.
func (s *Checkpoints) where(i int) string {
	if i < s.chips {
		return fmt.Sprintf("chip %d", i+1)
	}
	return fmt.Sprintf("file %d", i-s.chips+1)
}

func (s *Checkpoints) file(i int) string { return filepath.Join(s.dir, fmt.Sprint(i-s.chips+1)) }

func (s *Checkpoints) read(i int) ([]byte, error) {
	if i < s.chips {
		return s.chip.readSaved(i)
	}
	return s.st.Read(s.file(i), checkpointHeader+MaxCheckpoint, nil)
}

// Forget says that a checkpoint, as OpenCheckpoints returned it, does not count, since the journal does not speak for it: its slot is
// written before others of its place. It changes nothing by itself.
func (s *Checkpoints) Forget(c Checkpoint) {
	for i := range s.held {
		if s.where(i) == c.Slot && s.held[i] == c.Generation {
			s.held[i] = 0
		}
	}
}

// oldest chooses the slot for so many bytes: on the chip where it has room for them, and else of the files.
func (s *Checkpoints) oldest(size int) int {
	from, to := s.chips, len(s.held)
	if s.chip != nil && !s.broke && size <= s.chip.saved {
		from, to = 0, s.chips
	}
	i := from
	for k := from; k < to; k++ {
		if s.held[k] < s.held[i] {
			i = k
		}
	}
	return i
}

// Write puts a state into the oldest slot and returns when it is durable, with its generation, digest and slot. The record that names
// them comes after that. After an error the slot is the next to be written; the others are as they were. A chip is written only
// while a Writer of the same Chip has the anchor, in pieces that hold up the ring for 0.2 ms each on SPI; after its first error, which is
// ErrAnchor, or ErrNoSlot without that Writer, it is not written any more, and the next Write goes to a file.
func (s *Checkpoints) Write(head Chain, payload []byte) (Checkpoint, error) {
	c := Checkpoint{Generation: s.last + 1, Head: head, Payload: payload}
	if s.last >= lastGeneration {
		return c, fmt.Errorf("journal: checkpoint after record %d: a slot in %q has generation %d, the last one; remove it",
			head.N, s.dir, s.last)
	}
	if len(payload) == 0 || len(payload) > MaxCheckpoint || head.N == 0 {
		return c, fmt.Errorf("journal: checkpoint after record %d: a state of %d bytes: 1 to %d are wanted, after a record",
			head.N, len(payload), MaxCheckpoint)
	}
	data, digest := s.encode(&c)
	i := s.oldest(len(data))
	c.Digest, c.Slot = digest, s.where(i)
	if i < s.chips {
		if err := s.chip.writeSaved(i, data); err != nil {
			s.broke = true
			return c, fmt.Errorf("journal: checkpoint in %s: %w; the next ones are files", c.Slot, err)
		}
	} else if err := s.put(s.file(i), data); err != nil {
		return c, fmt.Errorf("journal: checkpoint slot %q: %w", s.file(i), full(err))
	}
	s.held[i], s.last = c.Generation, c.Generation
	return c, nil
}

// put writes a slot, and makes it and its name durable.
func (s *Checkpoints) put(name string, data []byte) error {
	if !s.made {
		if err := s.st.Mkdir(s.dir); err != nil {
			return err
		}
		if err := s.st.SyncDir(filepath.Dir(s.dir)); err != nil {
			return err
		}
		s.made = true
	}
	f, err := s.st.Create(name)
	if err != nil {
		return err
	}
	if err = writeAll(f, data, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.st.SyncDir(s.dir)
}

// slotSize is how many bytes a state of so many takes: whole sectors.
func slotSize(state int) int { return (checkpointHeader + state + sector - 1) / sector * sector }

// encode gives the bytes of a slot.
func (s *Checkpoints) encode(c *Checkpoint) ([]byte, Hash) {
	b := make([]byte, slotSize(len(c.Payload)))
	copy(b, checkpointMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(s.id)))
	binary.LittleEndian.PutUint64(b[16:], c.Generation)
	binary.LittleEndian.PutUint64(b[24:], c.Head.N)
	copy(b[32:], c.Head.Link[:])
	binary.LittleEndian.PutUint64(b[64:], uint64(len(c.Payload)))
	copy(b[72:], s.id)
	copy(b[checkpointHeader:], c.Payload)
	sum := slotSum(b, len(c.Payload))
	copy(b[checkpointSum:], sum[:])
	return b, sum
}

func slotSum(b []byte, payload int) (sum Hash) {
	h := sha256.New()
	h.Write(b[:checkpointSum])
	h.Write(b[checkpointHeader : checkpointHeader+payload])
	h.Sum(sum[:0])
	return sum
}

// decode reads a slot; it says why where that is not what encode writes. What lies behind the payload is of a longer one before.
func (s *Checkpoints) decode(b []byte) (c Checkpoint, why string) {
	if len(b) < checkpointHeader || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return c, "it has no header of a checkpoint"
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return c, fmt.Sprintf("its format version is %d, this build reads %d", v, formatVersion)
	}
	size := binary.LittleEndian.Uint64(b[64:])
	if size == 0 || size > uint64(len(b)-checkpointHeader) {
		return c, "it is shorter than its header says"
	}
	if c.Digest = slotSum(b, int(size)); !bytes.Equal(c.Digest[:], b[checkpointSum:checkpointHeader]) {
		return c, "its digest is wrong"
	}
	n := binary.LittleEndian.Uint32(b[12:])
	if n > maxJournalID || string(b[72:72+n]) != s.id || used(b[72+n:checkpointSum]) != 0 {
		return c, "it is of another journal"
	}
	c.Generation, c.Head.N = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	c.Head.Link = Hash(b[32:64])
	c.Payload = b[checkpointHeader : checkpointHeader+size]
	if c.Generation == 0 || c.Generation > lastGeneration || c.Head.N == 0 {
		return c, "it is after no record, or of no generation"
	}
	return c, ""
}
