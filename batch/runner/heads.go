// Signed heads: at milestones the head of the journal that is durable is signed, beside the loop, and noted when it is there.

package runner

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// When a head is signed besides the milestones: after that many records, or that time in ns, since the last one.
const (
	SignRecords = 4096
	SignEvery   = 600_000_000_000
)

// SignLimit is the time in ns for which the end of a run waits for a signer: for what it is busy with, and for the last head. A
// signer that takes longer is left behind, and the last head is not signed. Nothing else waits for a signer.
const SignLimit = 5_000_000_000

var signLeast = record.KindHeadSigned.Spec().Gap // ns between two signatures; never changes

// errSigner says that the signer has not answered in time.
var errSigner = errors.New("runner: the signer does not answer")

// heads is what signs the heads of a journal. All but what mu guards is the loop's own.
type heads struct {
	key     *journal.Key
	words   batch.SigningKey
	origin  string
	beside  bool // the signer runs on a goroutine of its own
	now     func() int64
	wake    func()
	tree    journal.Tree
	durable uint64
	want    *wanted // the newest milestone that waits, nil: none
	given   uint64  // size of the head that was given to the signer last, or noted before the run
	at      int64   // when that was
	busy    bool    // the signer was given a head that is not noted yet
	start   string  // milestone of the boot

	mu     sync.Mutex
	signed *batch.SignedHead // what the signer has come to
	idle   chan struct{}     // closed when the signer is done with what it was given
}

// wanted is a head that is to be signed once it is durable.
type wanted struct {
	head      journal.Head
	milestone string
	at        int64 // when its last record was numbered
	merged    int64
}

func newHeads(r *Runner) *heads {
	k := r.rig.Key
	if k == nil {
		return nil
	}
	return &heads{key: k, origin: journal.Origin(r.b.Plan.Map.Device, r.b.JournalID), start: "boot", beside: r.opt.Virtual == nil,
		now: func() int64 { return 0 }, wake: r.in.wake,
		words: evidence.KeyWords(k)}
}

// add takes in a record that was numbered.
func (h *heads) add(now int64, k record.Kind, body []byte) {
	h.tree.Add(journal.Leaf(body))
	if why := h.milestone(k, body); why != "" {
		h.wants(now, why)
	}
}

// milestone says why the head behind a record is to be signed, "" where it is not.
func (h *heads) milestone(k record.Kind, body []byte) string {
	switch k {
	case record.KindKeyEvent: // it follows the boot
		return h.start
	case record.KindClockStep:
		return k.String()
	case record.KindBatchState:
		rec, err := record.Parse(body)
		if err != nil {
			panic(err)
		}
		switch to := rec.Text(record.BatchState); {
		case to == sequencer.Running.String() && rec.Text(record.OldValue) == sequencer.Idle.String():
			return "batch_start"
		case to == sequencer.Complete.String():
			return "batch_complete"
		case to == sequencer.Aborted.String():
			return "batch_abort"
		case to == sequencer.Stopped.String():
			return "batch_stop"
		}
	}
	return ""
}

// wants has the head as it is signed; it takes the place of one that waits.
func (h *heads) wants(now int64, why string) {
	w := &wanted{head: journal.Head{Origin: h.origin, Size: h.tree.Size(), Root: h.tree.Root()}, milestone: why, at: now}
	if h.want != nil {
		w.merged = h.want.merged + 1
	}
	h.want = w
}

// sign signs a head and leaves what it comes to.
func (h *heads) sign(w *wanted, idle chan struct{}) {
	out := evidence.SignHead(h.key, &w.head, w.milestone)
	out.Merged, out.Lag = w.merged, max(h.now()-w.at, 0)
	h.mu.Lock()
	h.signed = &out
	h.mu.Unlock()
	close(idle)
	h.wake()
}

// give hands a head to the signer. Where it runs beside the loop, it is one goroutine for one head at a time. It cannot be called
// off, so a run does not wait for it longer than SignLimit.
func (h *heads) give(now int64, w *wanted) {
	h.given, h.at, h.busy, h.idle = w.head.Size, now, true, make(chan struct{})
	if h.beside {
		go h.sign(w, h.idle)
		return
	}
	h.sign(w, h.idle)
}

// taken takes what the signer has come to, nil where there is nothing.
func (h *heads) taken() *batch.SignedHead {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.signed
	h.signed = nil
	return s
}

// declare notes the key that signs from now on, which is where the heads of a boot begin.
func (l *loop) declare() {
	h := l.heads
	if h == nil || l.failed != nil || l.m.Ended() {
		return
	}
	defer l.fault()
	l.seal()
	body, err := l.m.AppendKey(l.buf[:0], l.next, &h.words)
	if err != nil {
		panic(err)
	}
	l.append(record.KindKeyEvent, l.next, body)
}

// signs notes what was signed, has signed what is to be, and returns when to look again.
func (l *loop) signs(now int64) int64 {
	h := l.heads
	if h == nil || l.failed != nil || l.m.Ended() { // nothing may follow the last record
		return timebase.Never
	}
	defer l.fault()
	next := timebase.Never
	if h.busy && l.w.Room() >= reserve {
		l.noteHead()
	} else if h.busy && h.isSigned() {
		next = now + signLeast
	}
	if h.at == 0 {
		h.at = now
	}
	if h.want == nil && h.tree.Size() > h.given {
		if h.tree.Size()-h.given >= SignRecords {
			h.wants(now, "records")
		} else if now >= h.at+SignEvery {
			h.wants(now, "time")
		}
	}
	switch {
	case h.want == nil && h.tree.Size() == h.given:
		return next
	case h.want == nil:
		return min(next, h.at+SignEvery)
	case h.busy || h.want.head.Size > h.durable: // either wakes the loop
		return next
	case h.given > 0 && now < h.at+signLeast:
		return min(next, h.at+signLeast)
	}
	w := h.want
	h.want = nil
	l.did(asked, record.KindHeadSigned, w.head.Size, -1, false)
	h.give(now, w)
	if !h.beside && l.w.Room() >= reserve {
		l.noteHead()
	}
	return min(next, h.at+SignEvery)
}

func (h *heads) isSigned() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.signed != nil
}

// noteHead records what the signer has come to, if it has.
func (l *loop) noteHead() {
	out := l.heads.taken()
	if out == nil {
		return
	}
	l.heads.busy = false
	l.did(answered, record.KindHeadSigned, out.Size, out.Lag, out.Note == "")
	l.seal()
	body, err := l.m.AppendHead(l.buf[:0], l.next, out)
	if err != nil {
		panic(err)
	}
	l.append(out.Kind(), l.next, body)
}

// last signs the last head of a journal, which cannot be in its own chain, and puts its note beside it. The end of a run waits
// for it, but not longer than SignLimit.
func (h *heads) last(dir string, head journal.Chain) error {
	if h.tree.Size() != head.N || head.N == 0 {
		return fmt.Errorf("runner: the last head is not signed: %d records are durable, %d were numbered", head.N, h.tree.Size())
	}
	if evidence.HasNote(dir, head.N) {
		return nil
	}
	w := &wanted{head: journal.Head{Origin: h.origin, Size: head.N, Root: h.tree.Root()}, milestone: "end"}
	if h.beside {
		limit := time.NewTimer(SignLimit)
		defer limit.Stop()
		if h.busy {
			select {
			case <-h.idle:
			case <-limit.C:
				return errSigner
			}
		}
		h.taken()
		h.give(0, w)
		select {
		case <-h.idle:
		case <-limit.C:
			return errSigner
		}
	} else {
		h.give(0, w)
	}
	out := h.taken()
	if out.Note == "" {
		return errors.New(out.Fault)
	}
	return evidence.WriteNote(dir, head.N, out.Note)
}
