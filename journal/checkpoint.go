// Checkpoints: what a state was after a record, in slots that are written in turn beside the segments.

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
}

// Checkpoints are the slots of a journal: files "checkpoints/1" and so on beside its segments, the oldest of which is overwritten
// by each Write. No file says which is the newest: whoever reads them takes the highest generation that the journal speaks for.
// That is one whose Head is the chain's own at that record, and whose Digest stands in a later record; a slot that is newer than
// what is left of its journal, or was put there by others, is passed over, and so is one that was being written when power went.
//
// Layout, little endian: magic, format version u32, length of the journal id u32, generation u64, seq u64, link, length of the
// payload u64, journal id, zeros, and at 480 the SHA-256 of the 480 bytes before and of the payload, which begins at 512.
type Checkpoints struct {
	dir  string
	id   string
	st   Storage
	held []uint64 // generation in each slot; 0: nothing that can be read
	last uint64
	made bool // the names of the slots are durable
}

// OpenCheckpoints reads the slots of the journal in dir, of which there are 1 to MaxCheckpoints, or DefaultCheckpoints if slots is 0. It
// returns what can be read, the newest first, and of every slot that holds something else a line that says what: such a slot is
// overwritten in its turn, which is the next. It changes nothing. Of opt only Storage matters.
func OpenCheckpoints(dir, journalID string, slots int, opt *Options) (s *Checkpoints, all []Checkpoint,
	faults []string, err error) {
	if slots == 0 {
		slots = DefaultCheckpoints
	}
	if slots < 1 || slots > MaxCheckpoints || !validID(journalID) {
		return nil, nil, nil, fmt.Errorf("journal: checkpoints of %q: %d slots of journal %q: 1 to %d are wanted, and an id",
			dir, slots, journalID, MaxCheckpoints)
	}
	s = &Checkpoints{dir: filepath.Join(dir, checkpointsDir), id: journalID, st: storageOf(opt), held: make([]uint64, slots)}
	for i := range s.held {
		data, err := s.st.Read(s.slot(i), checkpointHeader+MaxCheckpoint, nil)
		if errors.Is(err, fs.ErrNotExist) || err == nil && used(data) == 0 {
			continue
		}
		c, why := s.decode(data)
		if err != nil {
			why = err.Error()
		}
		if why != "" {
			faults = append(faults, fmt.Sprintf("checkpoint slot %d is passed over: %s", i+1, why))
			continue
		}
		s.held[i], s.last = c.Generation, max(s.last, c.Generation)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Checkpoint) int { return bytes.Compare(order(b), order(a)) })
	return s, all, faults, nil
}

// order makes the newer checkpoint the greater.
func order(c Checkpoint) []byte {
	return append(binary.BigEndian.AppendUint64(nil, c.Generation), c.Digest[:]...)
}

func (s *Checkpoints) slot(i int) string { return filepath.Join(s.dir, fmt.Sprint(i+1)) }

// Write puts a state into the oldest slot and returns when it is durable, with its generation and digest. The record that names
// them comes after that. After an error the slot is the next to be written; the others are as they were.
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
	i := 0
	for k, g := range s.held {
		if g < s.held[i] {
			i = k
		}
	}
	data, digest := s.encode(&c)
	c.Digest = digest
	if err := s.put(s.slot(i), data); err != nil {
		return c, fmt.Errorf("journal: checkpoint slot %q: %w", s.slot(i), full(err))
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

// encode gives the bytes of a slot: whole sectors.
func (s *Checkpoints) encode(c *Checkpoint) ([]byte, Hash) {
	b := make([]byte, (checkpointHeader+len(c.Payload)+sector-1)/sector*sector)
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
