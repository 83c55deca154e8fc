// What reading a journal found out: the outcome, its evidence, and the search that tells torn from damaged.

package journal

import "fmt"

// Outcome is the verdict of recovery on a journal.
type Outcome uint8

// The outcomes.
const (
	// None: no journal lies here, not even an empty one.
	None Outcome = iota
	// Clean: every record that anything promises is there.
	Clean
	// TornTail: as Clean, then bytes that form no whole group and that
	// nothing promises: what was being written when power went.
	TornTail
	// Damaged: something proves that acknowledged records are missing or
	// altered, or more is broken than can have been in flight. What was
	// delivered is the verified beginning.
	Damaged
	// Foreign: a segment belongs to another journal or has another format.
	Foreign
	// TailLost: the anchor, or the reader, knows of records that neither the
	// disk nor its ring holds: the end was cut off, or an older copy put back.
	TailLost
	// Rewritten: a record has another link on the disk than in the anchor, or
	// than the reader knows.
	Rewritten
)

// String returns the outcome as records and reports spell it.
func (o Outcome) String() string {
	switch o {
	case None:
		return "NONE"
	case Clean:
		return "CLEAN"
	case TornTail:
		return "TORN_TAIL"
	case Damaged:
		return "DAMAGED"
	case Foreign:
		return "FOREIGN"
	case TailLost:
		return "TAIL_LOST"
	case Rewritten:
		return "REWRITTEN"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Recovery tells what was found in a journal and how.
type Recovery struct {
	// Outcome is the verdict.
	Outcome Outcome
	// JournalID is the journal's name, empty if no header could be read.
	JournalID string
	// Epoch is that of the last segment read.
	Epoch uint32
	// Head is the chain after the last verified record.
	Head Chain
	// From is the first record that was read: 1, unless records were released
	// or Options.Quick or After is set. Of those before it that are there only
	// headers speak.
	From uint64
	// Released is what the newest release among the records that were read gives up. Its segments may still be there: see
	// Writer.Release.
	Released Released
	// Missing is the first record that was acknowledged, or may have been,
	// and cannot be had; where the outcome is Rewritten it, or one before it,
	// is another one than it was. It is 0 unless the outcome is Damaged,
	// TailLost or Rewritten.
	Missing uint64
	// Reason tells in words why the outcome is none of None and Clean.
	Reason string
	// Anchor says what was found in Options.Anchor.
	Anchor AnchorState
	// Ringed counts the records up to Head that only the anchor's ring had;
	// Open has written them to the disk.
	Ringed int
	// Accepted is the last seq that the anchor knows Append to have taken, 0
	// where it knows of none: what lies between Head and it was taken and never
	// acknowledged.
	Accepted uint64
	// Segment and Offset tell where the verified records end.
	Segment uint32
	Offset  int64
	// TailBytes counts the bytes behind Offset that form no group, without the
	// zeros that follow, and TailDigest is their SHA-256; zero if the outcome
	// was decided before the last segment.
	TailBytes  int64
	TailDigest Hash
	// Quarantined is the file into which Open copied those bytes, if it did.
	Quarantined string
	// Warnings counts faults that cost no record, such as one unreadable copy
	// of a header. Path describes each.
	Warnings int
	// Path tells in words what was read, found and done, in order.
	Path []string
}

func (r *Recovery) step(format string, args ...any) {
	r.Path = append(r.Path, fmt.Sprintf(format, args...))
}

func (r *Recovery) warn(format string, args ...any) {
	r.Warnings++
	r.step(format, args...)
}

// conclude sets an outcome and its reason.
func (r *Recovery) conclude(o Outcome, format string, args ...any) {
	r.Outcome, r.Missing = o, 0
	if o == Damaged || o == TailLost {
		r.Missing = r.Head.N + 1
	}
	r.Reason = fmt.Sprintf(format, args...)
	r.step("%s", r.Reason)
}

// judge decides what the end of the last segment is: r.Offset is where its
// groups end, and how is what stopped the reading there.
func (r *Recovery) judge(img *image, how stop) {
	end := int(r.Offset)
	t := img.setAside(end)
	r.TailBytes, r.TailDigest = int64(t.bytes), t.digest
	short := img.size - headerSize - len(img.frames())
	b := img.frames()
	switch later := proof(b, end, saltSum(img.salt)); {
	case how == stopEnd:
		r.conclude(Damaged, "segment %d is ended at byte %d, so the segment after it existed; it cannot be read", img.number, end)
	case how == stopMisfit:
		r.conclude(Damaged, "segment %d, byte %d: whole frames that do not fit the chain, which no power cut leaves", img.number, end)
	case later != 0:
		r.conclude(Damaged, "segment %d: the group at byte %d is broken, but the frame at byte %d was written after it was durable",
			img.number, end, later)
	case t.bytes > img.inflight:
		r.conclude(Damaged, "segment %d: %d bytes behind byte %d are broken, more than the %d that can have been in flight",
			img.number, t.bytes, end, img.inflight)
	case t.bytes > 0:
		r.conclude(TornTail, "segment %d: %d bytes behind byte %d form no group and nothing promises them", img.number, t.bytes, end)
	case short > 0:
		r.conclude(TornTail, "segment %d: the file lacks %d bytes at its end; nothing promises them", img.number, short)
	default:
		r.Outcome = Clean
	}
}

// proof looks behind a broken group, which starts at end, for a frame that
// was written later than that group. One group is in flight at a time, so such
// a frame proves that the broken one was durable. It returns the frame's
// offset, or 0.
func proof(b []byte, end int, sum uint32) int {
	for at, stop := end, end+used(b[end:]); at < stop; {
		f, ok := decodeFrame(b[at:], sum)
		if !ok {
			at += 8
			continue
		}
		if uint64(at) > uint64(end)+uint64(f.rel) {
			return at
		}
		at += f.size()
	}
	return 0
}
