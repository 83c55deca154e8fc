// The index of a journal: for each block of rows, which join keys have which values in it.

package hub

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

const (
	blockSize = 64 << 10 // bytes of rows from which on a block is closed
	entryHead = 4 + 4 + 8 + 8 + 8 + 8 + 8 + 4 + 32
	maxPairs  = 1 << 16 // of a block
	noTime    = int64(-1) << 63
)

// joins are the keys that the index has. A query by another key reads all blocks that its other words leave.
var joins = [...]record.Key{record.EventType, record.BatchID, record.RecipeID, record.RecipeVersion, record.OperatorID, record.OperatorRole, record.Actor,
	record.EquipmentID, record.DeviceID, record.StepID, record.TargetStepID, record.ActionID, record.ActionType, record.MappingVersion, record.TagMapVersion,
	record.DeviceProfileID, record.CalibVersion, record.MeterWindowID, record.Meter, record.Result, record.JournalID, record.Epoch, record.SyncState, record.TimeSource,
	record.InterlockID, record.AlarmID, record.OverrideID, record.ResourceID, record.ResourceOwner, record.LogicalTag, record.PhysicalChannel, record.ObjectKind,
	record.ObjectID, record.ObjectVersion, record.Digest, record.ApprovalID, record.ApprovedBy, record.Parameter, record.Command, record.BatchState,
	record.PhaseState, record.LifeState, record.RestartOf, record.AmendedBatchID, record.AmendedJournalID, record.AnchoredJournalID, record.KeyID,
	record.ReconcileStatus, record.ExportRef, record.Sink}

// numbers are those of them whose values hardly ever come again: they are in the index of the blocks, and not in the summary of a
// journal.
var numbers = [...]record.Key{record.Cause, record.PromptID, record.RequestID, record.WriteID, record.Token, record.ArbiterSeq}

// pair is a key and a value, as a number: FNV-1a of both, of which the lowest bit tells whether the key is one of numbers. Two
// that have one number cost a look at rows that are not meant.
func pair(k record.Key, value string, number bool) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{k.String(), "\x00", value} {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	if h &^= 1; number {
		h |= 1
	}
	return h
}

// summary tells of a whole journal which pairs may be in it: a filter of 8,192 bits.
type summary [128]uint64

func (s *summary) add(p uint64) {
	for _, bit := range [...]uint64{p >> 1, p >> 20, p >> 40} {
		s[bit/64%128] |= 1 << (bit % 64)
	}
}

func (s *summary) has(p uint64) bool {
	for _, bit := range [...]uint64{p >> 1, p >> 20, p >> 40} {
		if s[bit/64%128]>>(bit%64)&1 == 0 {
			return false
		}
	}
	return true
}

// block is what the index has of rows that lie behind each other.
type block struct {
	first, last uint64
	end         int64        // place in the file behind the last
	link        journal.Hash // of the last
	from, to    int64        // the earliest and the latest ts_utc; noTime where none has one
	unread      uint32       // records of kinds that this program does not know
	pairs       []uint64     // ascending
}

// next is the empty block behind another.
func (k *block) next() block {
	return block{first: k.last + 1, last: k.last, end: k.end, link: k.link, from: noTime, to: noTime}
}

// follows tells whether it can lie behind another, the zero block for the first. What a person has written into the file of an
// index may have a checksum.
func (k *block) follows(last *block) bool {
	return k.last >= k.first && k.end > last.end && k.end-last.end <= blockSize+longest && (last.end == 0 || k.first == last.last+1)
}

// index is that of a journal as it grows. The zero index is that of an empty one.
type index struct {
	first  uint64 // number of the journal's first row; 0 while it has none
	cur    block  // the one that is open
	begin  int64  // where it begins
	sum    summary
	unread uint64
	disk   int64  // bytes of the file of the index that stand for the closed ones before cur
	closed []byte // entries that are not in the file yet
	known  int64  // bytes of rows that were durable when a block was entered: what is broken in them no cut of power has torn
}

// add takes a record into the index: at is the chain and end the size behind it.
func (x *index) add(rec *record.Record, at journal.Chain, end int64) {
	if x.first == 0 {
		x.first, x.cur = at.N, block{first: at.N, from: noTime, to: noTime}
	}
	k := &x.cur
	k.last, k.link, k.end = at.N, at.Link, end
	if rec == nil {
		k.unread++
		x.unread++
	} else {
		x.enter(rec)
	}
	if end-x.begin >= blockSize || len(k.pairs) >= maxPairs/2 {
		x.closed = k.append(x.closed)
		x.cur, x.begin = k.next(), end
	}
}

func (x *index) enter(rec *record.Record) {
	k := &x.cur
	if utc, ok := record.ParseTime(rec.Text(record.TsUTC)); ok {
		if k.from == noTime || utc < k.from {
			k.from = utc
		}
		k.to = max(k.to, utc)
	}
	put := func(key record.Key, number bool) {
		if !rec.Has(key) {
			return
		}
		x.put(pair(key, rec.Text(key), number))
		for _, v := range rec.Texts(key) {
			x.put(pair(key, v, number))
		}
	}
	for _, key := range joins {
		put(key, false)
	}
	for _, key := range numbers {
		put(key, true)
	}
}

func (x *index) put(p uint64) {
	i, there := slices.BinarySearch(x.cur.pairs, p)
	if there {
		return
	}
	x.cur.pairs = slices.Insert(x.cur.pairs, i, p)
	if p&1 == 0 {
		x.sum.add(p)
	}
}

// append appends the entry of a block: its length, the checksum of what follows, numbers, end, times, unread, link, pairs.
func (k *block) append(dst []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(entryHead+8*len(k.pairs)))
	dst = append(dst, 0, 0, 0, 0)
	for _, v := range [...]uint64{k.first, k.last, uint64(k.end), uint64(k.from), uint64(k.to)} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	dst = binary.LittleEndian.AppendUint32(dst, k.unread)
	dst = append(dst, k.link[:]...)
	for _, p := range k.pairs {
		dst = binary.LittleEndian.AppendUint64(dst, p)
	}
	binary.LittleEndian.PutUint32(dst[at+4:], crc32.ChecksumIEEE(dst[at+8:]))
	return dst
}

// readBlock reads the entry at the start of in, into k, whose pairs are overwritten. It is not ok behind the last that is whole.
func readBlock(in io.Reader, k *block, buf *[]byte) (size int64, ok bool) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < entryHead || n > entryHead+8*maxPairs || (n-entryHead)%8 != 0 {
		return 0, false
	}
	b := slices.Grow((*buf)[:0], int(n))[:n-8]
	*buf = b
	if _, err := io.ReadFull(in, b); err != nil || crc32.ChecksumIEEE(b) != binary.LittleEndian.Uint32(head[4:]) {
		return 0, false
	}
	word := func() uint64 {
		v := binary.LittleEndian.Uint64(b)
		b = b[8:]
		return v
	}
	k.first, k.last, k.end, k.from, k.to = word(), word(), int64(word()), int64(word()), int64(word())
	k.unread, b = binary.LittleEndian.Uint32(b), b[4:]
	k.link, b = journal.Hash(b[:len(k.link)]), b[len(k.link):]
	k.pairs = k.pairs[:0]
	for len(b) > 0 {
		k.pairs = append(k.pairs, word())
	}
	return int64(n), true
}

// read takes in the file of an index, up to its last block but one that lies in the rows: what lies behind is read from the rows.
// One that is not there, or is broken from its start, has no block.
func (x *index) read(root *os.Root, name string, rows int64) error {
	f, err := openRegular(root, name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 16<<10)
	var buf []byte
	var k, last block
	var size int64
	for {
		n, ok := readBlock(in, &k, &buf)
		if !ok || k.end > rows || !k.follows(&last) {
			break
		}
		if last.last > 0 { // the one before is not the last
			x.keep(&last, size)
		}
		last, size, x.known = k, n, k.end
		last.pairs = slices.Clone(k.pairs)
	}
	return nil
}

// keep takes a block from the file.
func (x *index) keep(k *block, size int64) {
	if x.first == 0 {
		x.first = k.first
	}
	for _, p := range k.pairs {
		if p&1 == 0 {
			x.sum.add(p)
		}
	}
	x.unread += uint64(k.unread)
	x.disk += size
	x.cur, x.begin = k.next(), k.end
}

// flush writes the closed blocks to the file. They are made anew where a cut of power has them lost.
func (x *index) flush(root *os.Root, name string) error {
	if len(x.closed) == 0 {
		return nil
	}
	f, err := openRegular(root, name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(x.closed, x.disk)
	x.disk += int64(len(x.closed))
	x.closed = x.closed[:0]
	return errors.Join(err, f.Close())
}

// cut cuts off what the file has behind the closed blocks.
func (x *index) cut(root *os.Root, name string) error {
	f, err := openRegular(root, name, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(x.disk), f.Close())
}
