// The package comment, what a caller hands in (Header, Options) and the errors to branch on.

// Package journal keeps numbered records in a hash chain on a disk that may
// lose power at any byte. It knows nothing of what a record means, but for one
// kind (see Releases): a record is a sequence number and a body of 1 to 65,536
// bytes.
//
// Start with [Create], [Open] and [Writer]; [Scan] reads a journal without
// changing a byte; [Chain] is the chain by itself, for those who verify.
//
// # The chain
//
//	leaf_n = SHA-256(0x00 || body_n)
//	link_n = SHA-256(dec(n) LF hex(link_{n-1}) LF hex(leaf_n) LF)
//	link_0 = 64 zeros
//
// # The tree and its signed heads
//
// [Tree] is the Merkle tree of RFC 9162 over the same leaves, in their order.
// A head of it, signed by a [Key], is a C2SP checkpoint: a text of three lines
// (<device_id>/<journal_id>, number of records, root in base64), an empty line
// and the signatures. Everybody with the public key verifies it, openssl too:
//
//	sed '/^$/,$d' N.note >text
//	sed -n '$p' N.note | cut -d' ' -f3 | base64 -d | tail -c +5 >sig
//	openssl dgst -sha256 -verify key.pem -signature sig text                     P-256
//	openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile sig   Ed25519
//
// The first four bytes that tail cuts off are the id of the key. A Writer
// signs nothing; when and where heads are signed and kept is the caller's.
//
// # The rule that must not be broken
//
// A group of records is written only after the group before it is durable,
// and nothing is written over a byte that may be evidence. So whatever is
// found behind a damaged group proves that this group had been durable:
// recovery calls it [Damaged] and never continues. Only a broken end that
// nothing contradicts is [TornTail]; it is set aside and writing goes on in a
// new segment.
//
// # On disk
//
// A journal is a directory with "segments/00000001.seg" and so on,
// "quarantine/" for torn tails, and "lock"; [Checkpoints] puts "checkpoints/" beside
// them where they are not on a chip, which are no evidence. All numbers are little endian. A
// segment is zero-filled to its full size and made durable before its header
// is written, twice: in its first and its last 512 bytes. Between them lie
// frames, each beginning at a multiple of 8:
//
//	0   length of the body u32
//	4   CRC-32C u32, over the salt (8 bytes), the length, and all from 8 on
//	8   seq u64
//	16  kind u8: 1 event, 2 commit, 3 end of segment
//	17  flags, 3 bytes, zero
//	20  distance from the first byte of the group u32
//	24  body, then zeros up to a multiple of 8
//
// A group is its events and one commit frame, written by one call and made
// durable by one flush. Its size is a multiple of 512, and 1024 at least if it
// has events; the body of the commit frame is filled with dots up to that. So
// no write touches a sector that holds what is durable already, and the loss
// of one sector leaves another that tells. The commit frame holds the first and
// the last seq, the seq known to be durable when it was written, the number of
// the group in its segment (u64 each) and the link of the last record. A group counts only
// if its commit frame validates and its link recomputes. A commit without
// events is written by [Writer.Close]: it promises that all before it is
// durable. The end frame (number of groups u64, link, dots: 512 bytes) is
// written when the next segment stands, so it promises that one. The header
// names the end of the segment before, the number of its groups, and the
// digest of what recovery set aside there; see segment.go for its layout.
//
// # Releases
//
// A journal that is written for years gives its oldest segments up: a record of
// kind records_released says through which record, with its link and the
// frontier of the tree there, and when it is durable [Writer.Release] removes the
// segments before, one after the other. A journal that begins later than with
// record 1 is whole only if a record of its own has released all that is
// missing; a hole, or another link, is [Damaged]. What a record may release is
// for package export to decide. Removed files are not used again: a segment must
// be zeros before it is written, and to write these over an old file costs
// what a new one does.
//
// # What it does not do
//
// A journal cannot show by itself that its end is missing: bytes of the last
// group that are damaged after it was acknowledged look like a torn write as
// long as nothing later promises them (a later group or segment, or an
// orderly Close), and a directory put back from an older copy looks whole.
// Give it an [Anchor], or compare [Recovery].Head with a head kept elsewhere.
// It does not encode, export or repair, and starts no goroutine:
// [Writer.Run] and [Writer.Staging] are the caller's to start.
//
// # The anchor
//
// A part of a FRAM ([Chip.Take]) holds the head, written after each group that
// the disk has acknowledged, and a ring. What is appended goes into the ring
// with Stage and is durable then: a fifth of a millisecond on SPI instead of
// the disk's flush. Its place is given back when the disk has it; while the
// ring is full, records are durable when the disk has them. A disk that ends
// before the head was cut or put back ([TailLost]), one that has another link
// there was written anew ([Rewritten]); both are refused as damage is. Whoever
// can write the chip can still deceive, and a chip put back from an older copy
// proves only what it knew.
package journal

import "errors"

// MaxBody is the largest body of one record, in bytes. The smallest is 1.
const MaxBody = 64 << 10

const (
	defaultSegment = 256 << 10
	minSegment     = 72 << 10
	maxSegment     = 64 << 20
	defaultPending = 1 << 20
	maxPending     = 256 << 20
	leanPending    = 32 << 10 // with which a Lean one begins
	maxJournalID   = 64
)

// Header names a journal and the epoch in which it is written.
type Header struct {
	// JournalID is 1 to 64 bytes of A-Z, a-z, 0-9, '.', '_' and '-'.
	JournalID string
	// Epoch grows with each Open. Zero means one more than the last (1 for a
	// new journal); any other number must be larger than the last.
	Epoch uint32
	// Salt is mixed with JournalID, Epoch and segment number into the salt of
	// each segment, so that bytes of another journal cannot pass as frames of
	// this one. Zero is allowed; equal salts make equal files.
	Salt uint64
}

// Options are the optional settings of a journal; nil means all zero.
type Options struct {
	// Segment is the size of a new segment file in bytes, a multiple of 4096
	// from 72 KiB to 64 MiB. Zero means 256 KiB.
	Segment int
	// Pending is the size in bytes of the buffer that Append fills while
	// another of the same size is being written: at least MaxBody+24, a
	// multiple of 8, at most 256 MiB. Zero means 1 MiB.
	Pending int
	// Lean has both buffers, and the one in which a group is made of them, begin
	// small and grow as they fill: Append and Commit allocate while they do. It
	// is for a process that is one of many.
	Lean bool
	// Quick has Open read the last two segment files and the last one before
	// them that holds records. Of the others it reads only that their headers
	// carry the chain on: what is found, Outcome included, is then said of the
	// records from Recovery.From on, and damage before them is for Scan to
	// find. It is for a journal that is too long to be read whenever it is
	// opened. Where a header is not as it should be all is read.
	Quick bool
	// After has Scan deliver only what follows a record that the reader has:
	// the segments before it are not read, and a journal in which its link is
	// another is Rewritten, one that ends before it TailLost. Zero means all.
	After Chain
	// OnDurable, if set, is called with the last seq that is durable whenever
	// there are more, in order and never twice at a time, on the goroutine
	// that commits or stages, which writes nothing else until it returns. It
	// must not call Commit, Stage or Close.
	OnDurable func(seq uint64)
	// Anchor is a part of a chip that remembers the journal's head, and in a
	// ring what the disk has yet to take: see Writer.Stage. Open holds the
	// journal against it and takes over what only the ring has; what was
	// opened with it once should be opened with it ever after. Nil means none.
	Anchor *Anchor
	// Storage is where the files are. Nil means the operating system.
	Storage Storage
}

// What went wrong, to be told apart with errors.Is.
var (
	// ErrExists is returned by Create where a journal lies already.
	ErrExists = errors.New("a journal exists here already")
	// ErrNone is returned by Open where no journal lies.
	ErrNone = errors.New("no journal here")
	// ErrForeign is returned by Open for a journal of another id or format.
	ErrForeign = errors.New("not this journal")
	// ErrInUse is returned by Create and Open while another Writer lives,
	// in this process or in another.
	ErrInUse = errors.New("journal in use by another writer")
	// ErrDamaged is returned by Open when acknowledged records are missing or
	// others than they were: Damaged, TailLost and Rewritten.
	ErrDamaged = errors.New("journal damaged")
	// ErrFull is returned by Append when the pending buffer has no room now;
	// the record was not taken and may be offered again after a commit.
	ErrFull = errors.New("journal: pending buffer full")
	// ErrOrder is returned by Append for a seq that is not the last one plus 1,
	// and by Wait for one that was not appended.
	ErrOrder = errors.New("record out of order")
	// ErrSize is returned by Append for a body that is empty or above MaxBody.
	ErrSize = errors.New("body must have 1 to 65536 bytes")
	// ErrFailed is in every error after a failed write or flush. It stays: the
	// Writer can only be closed. What was durable before remains so.
	ErrFailed = errors.New("journal failed")
	// ErrDiskFull is added to ErrFailed when the medium had no room.
	ErrDiskFull = errors.New("disk full")
	// ErrClosed is returned by a Writer after Close.
	ErrClosed = errors.New("journal: writer closed")
)
