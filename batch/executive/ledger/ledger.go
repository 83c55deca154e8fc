// Package ledger is a journal that is no batch's: what a process of the executive has decided, refused and seen.
//
// Start with [Open]. Each process of the executive has one of its own - manager, runtime server, I/O process - since a journal has one
// writer. It is a chain like a batch's, verified by the same programs, and a batch is a record.ObjectID in it.
//
// The rule that must not be broken: evidence before action. Append returns when the record is durable, and not sooner.
//
// The package decides nothing and starts nothing.
package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// segment is the size of a segment in bytes.
const segment = 72 << 10

// Options are the options of Open. Nil is the same as the zero value.
type Options struct {
	Clock   timebase.Clock                           // nil: the system's
	Wall    timebase.Source                          // counts Mono on Clock; nil: the system's
	Storage journal.Storage                          // nil: the operating system
	ID      string                                   // name of a journal that is new; "": kind and a number by lot
	Take    func(seq uint64, r *record.Record) error // is given every record that is there, before Open returns; an error is Open's
	// Whole is as Take, and is given the bytes, too, which are good until it returns.
	Whole func(seq uint64, r *record.Record, body []byte) error
	// After is the chain at a record up to which whoever opens has all: Take and Whole are given what follows, and of the segments before it only the headers
	// are read. A journal that does not have that link is refused. Zero: all is read.
	After journal.Chain
}

// Ledger is such a journal. Its methods may be called from any goroutine.
type Ledger struct {
	time   sync.Mutex // of wall and keep; taken after mu
	wall   timebase.Source
	keep   timebase.Keeper
	clock  timebase.Clock
	device string

	mu     sync.Mutex
	w      *journal.Writer
	body   record.Body
	seq    uint64
	found  *journal.Recovery
	broken error // a record failed to become durable; nothing more is taken
}

// Open opens the journal in dir, which is made, with all above it, where it is not there, or continues the one that lies there. Device is the
// device_id of its records, and kind, such as "manager", begins the name of a new journal. A journal whose end was cut off is continued and says so in a
// recovery_event; one that is damaged is refused, and nothing is changed.
func Open(dir, device, kind string, opt *Options) (*Ledger, error) {
	if opt == nil {
		opt = &Options{}
	}
	l := &Ledger{device: device, clock: opt.Clock, wall: opt.Wall}
	if l.clock == nil {
		l.clock = system.NewClock(1)
	}
	if l.wall == nil {
		l.wall = system.Wall(l.clock)
	}
	l.keep.Observe(l.wall.Observe())
	if err := l.open(dir, kind, opt); err != nil {
		return nil, fmt.Errorf("ledger: %s: %w", dir, err)
	}
	if l.found != nil && l.found.Outcome == journal.TornTail {
		_, err := l.Append(func(b *record.Body) {
			b.Begin(record.KindRecovery)
			b.Text(record.RecoveryPath, l.found.Outcome.String())
			b.Text(record.Detail, l.found.Reason)
		})
		if err != nil {
			return nil, errors.Join(err, l.w.Close())
		}
	}
	return l, nil
}

func (l *Ledger) open(dir, kind string, opt *Options) (err error) {
	o := &journal.Options{Segment: segment, Storage: opt.Storage, Pending: 4 * journal.MaxBody, After: opt.After, Quick: opt.After.N > 0}
	found, err := journal.Scan(dir, func(seq uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && opt.Take != nil {
			err = opt.Take(seq, r)
		}
		if err == nil && opt.Whole != nil {
			err = opt.Whole(seq, r, body)
		}
		return err
	}, o)
	switch {
	case err != nil:
		return err
	case found.Outcome == journal.None && opt.ID != "":
		l.w, err = journal.Create(dir, journal.Header{JournalID: opt.ID}, o)
		return err
	case found.Outcome == journal.None:
		var id [8]byte
		if _, err := rand.Read(id[:]); err != nil {
			return err
		}
		l.w, err = journal.Create(dir, journal.Header{JournalID: kind + "-" + hex.EncodeToString(id[:])}, o)
		return err
	case found.Outcome != journal.Clean && found.Outcome != journal.TornTail:
		return fmt.Errorf("the journal is %s: %s; nothing was changed. Keep it as it is and put another directory in its place", found.Outcome, found.Reason)
	}
	if l.w, l.found, err = journal.Open(dir, journal.Header{JournalID: found.JournalID}, o); err != nil {
		return err
	}
	if l.seq = l.w.Tail().N; l.w.Tail() != found.Head { // before the lock was there somebody else wrote on
		return errors.Join(errors.New("another process wrote while it was read; start again when that one has ended"), l.w.Close())
	}
	return nil
}

// Append writes one record and returns its number when it is durable; it blocks for as long as the disk does. Fill begins the body and gives
// its fields; the stamps are added after it. It makes a Ledger a record.Log.
func (l *Ledger) Append(fill func(b *record.Body)) (uint64, error) { return l.AppendAll(fill) }

// AppendAll is Append of several records in their order, with one wait for the disk for as many as have room. It returns the number of the last; after
// an error the first of them may be in the journal. None is 0 and no error.
func (l *Ledger) AppendAll(fills ...func(b *record.Body)) (uint64, error) {
	return l.append(l.now, fills)
}

// AppendAt is AppendAll with one stamp for all, by which was decided what they say: one that Now has given, and the same order in both.
func (l *Ledger) AppendAt(at timebase.Stamp, fills ...func(b *record.Body)) (uint64, error) {
	return l.append(func() timebase.Stamp { return at }, fills)
}

func (l *Ledger) append(at func() timebase.Stamp, fills []func(b *record.Body)) (uint64, error) {
	if len(fills) == 0 {
		return 0, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fill := range fills {
		if l.broken != nil {
			return 0, l.broken
		}
		fill(&l.body)
		l.stamps(at()).Write(&l.body)
		body, err := l.body.Append(nil)
		if err != nil { // this one was not written
			return 0, errors.Join(err, l.commit())
		}
		if err = l.w.Append(l.seq+1, body); errors.Is(err, journal.ErrFull) {
			if err = l.commit(); err == nil {
				err = l.w.Append(l.seq+1, body)
			}
		}
		if err != nil {
			return 0, l.stop(err)
		}
		l.seq++
	}
	if err := l.commit(); err != nil {
		return 0, err
	}
	return l.seq, nil
}

// commit makes durable what was written. The caller holds mu.
func (l *Ledger) commit() error {
	if l.broken != nil {
		return l.broken
	}
	if err := l.w.Commit(); err != nil {
		return l.stop(err)
	}
	return nil
}

// stop has the ledger take nothing more. The caller holds mu.
func (l *Ledger) stop(err error) error {
	if l.broken == nil {
		l.broken = fmt.Errorf("ledger: evidence can no longer be kept: %w", err)
	}
	return l.broken
}

// now is the time of a record. It waits for no disk.
func (l *Ledger) now() timebase.Stamp {
	l.time.Lock()
	defer l.time.Unlock()
	l.keep.Observe(l.wall.Observe())
	return l.keep.Stamp(l.clock.Now())
}

// stamps are those of the next record.
func (l *Ledger) stamps(at timebase.Stamp) *Stamps {
	h := l.w.Header()
	return &Stamps{Seq: l.seq + 1, Journal: h.JournalID, Epoch: int64(h.Epoch), Device: l.device, At: at}
}

// Now is the stamp that a record would have now. It does not block.
func (l *Ledger) Now() timebase.Stamp { return l.now() }

// UTC is the time of day in ns since 1970, as a record would have it now; 0 where it is not known. It does not block.
func (l *Ledger) UTC() int64 { return l.now().UTC }

// Head is the number of the last record and its link.
func (l *Ledger) Head() journal.Chain { return l.w.Tail() }

// ID is the name of the journal.
func (l *Ledger) ID() string { return l.w.Header().JournalID }

// Close closes the journal; the next Open finds it clean. What is appended afterwards is refused.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = errors.New("ledger: it is closed")
	}
	return l.w.Close()
}
