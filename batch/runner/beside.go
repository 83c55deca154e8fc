// Beside the loop: checkpoints of the state and looks at the medium, which may wait for a disk, and the notes of both.

package runner

import (
	"bytes"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// HealthEvery is the time in ns between two looks at the medium.
const HealthEvery = 3_600_000_000_000

// sorts is how many sorts of work are done beside the loop. Of each one piece at most is under way.
const sorts = 2

// marks are the checkpoints of a run.
type marks struct {
	due  int64 // 0: not set yet
	busy bool
	done *journal.Checkpoint // written, or failed, and not named by a record yet
	err  error
	last uint64 // the record that names the last one; before it is durable the one before may be the only one that counts
}

// medium is what is known of the medium.
type medium struct {
	due  int64
	busy bool
	now  *hal.StorageHealth // not noted yet
	last *hal.StorageHealth // as noted last, in this life or one before, or as the rig was told
}

// finish takes in what work beside the loop has come to.
func (in *inbox) finish(f func(l *loop)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.finished = append(in.finished, f)
	in.wake()
}

// done hands out what work beside the loop has come to.
func (in *inbox) done() []func(l *loop) {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := in.finished
	in.finished = nil
	return list
}

// beside begins what is due beside the loop, notes what it has come to, and returns when something will be due.
func (l *loop) beside(now int64) int64 {
	if l.r.slots == nil && l.r.rig.Health == nil && l.r.rig.Historian == nil {
		return timebase.Never
	}
	for _, f := range l.r.in.done() {
		f(l)
	}
	if l.failed != nil || l.m.Ended() { // the last look at the medium is one at the end
		return timebase.Never
	}
	if l.w.Room() < reserve {
		return now + measureLeast
	}
	next := min(l.mark(now), l.examine(now), l.consult(now))
	if later := l.r.in.done(); len(later) > 0 { // in virtual time it is done as soon as it is begun
		for _, f := range later {
			f(l)
		}
		next = min(l.mark(now), l.examine(now), l.consult(now))
	}
	return next
}

// mark puts the state into a slot if it is time, and names the slot in a record once it is durable.
func (l *loop) mark(now int64) int64 {
	m, slots := &l.marks, l.r.slots
	if slots == nil {
		return timebase.Never
	}
	if m.due == 0 {
		m.due = now + l.r.opt.CheckpointPeriod
	}
	if m.done != nil {
		l.did(answered, record.KindCheckpointTaken, m.done.Head.N, -1, m.err != nil)
		l.note(record.KindCheckpointTaken, m.fill(l.r.opt.CheckpointPeriod))
		m.done, m.err, m.last = nil, nil, l.next-1
	}
	switch {
	case m.busy || l.failed != nil: // finish wakes the loop
		return timebase.Never
	case now < m.due:
		return m.due
	}
	if v := l.r.opt.Virtual; (v == nil || v.Sync) && l.w.Durable() < m.last { // without Sync nothing is durable before the end
		return now + measureLeast
	}
	defer l.fault()
	l.seal()
	head := l.w.Tail()
	if head.N != l.next-1 { // the journal did not take the last record, and the run is about to end
		return timebase.Never
	}
	state := l.m.Checkpoint(nil, l.prev)
	m.busy, m.due = true, now+l.r.opt.CheckpointPeriod
	l.did(asked, record.KindCheckpointTaken, head.N, -1, false)
	l.aside(func() func(l *loop) {
		c, err := slots.Write(head, state)
		return func(l *loop) { l.marks.busy, l.marks.done, l.marks.err = false, &c, err }
	})
	return m.due
}

// fill gives the fields of a record about a checkpoint.
func (m *marks) fill(period int64) func(b *record.Body) {
	c, err := m.done, m.err
	return func(b *record.Body) {
		b.Count(record.CheckpointID, c.Generation)
		b.Count(record.CheckpointLastSeq, c.Head.N)
		b.Text(record.CheckpointPeriod, fmt.Sprintf("%d ms", period/1_000_000))
		if c.Slot != "" {
			b.Text(record.CheckpointSlot, c.Slot)
		}
		if err != nil {
			b.Text(record.Result, "failed")
			b.Text(record.Detail, batch.Clean(err.Error()))
			return
		}
		b.Text(record.Result, "ok")
		b.Text(record.Digest, c.Digest.String())
	}
}

// examine looks at the medium if it is time, and notes how it stands.
func (l *loop) examine(now int64) int64 {
	m := &l.medium
	if l.r.rig.Health == nil {
		return timebase.Never
	}
	if m.now != nil {
		fill := l.stands(m.now)
		m.now = nil
		l.note(record.KindStorageHealth, fill)
	}
	switch {
	case m.busy:
		return timebase.Never
	case now < m.due:
		return m.due
	}
	m.busy, m.due = true, now+HealthEvery
	l.did(asked, record.KindStorageHealth, 0, -1, false)
	l.aside(func() func(l *loop) {
		h := ask(l.r.rig.Health)
		return func(l *loop) { l.medium.busy, l.medium.now = false, &h }
	})
	return m.due
}

// stands takes in how the medium stands, which is not better than it was, and gives the fields of the record.
func (l *loop) stands(h *hal.StorageHealth) func(b *record.Body) {
	if l.medium.last != nil {
		*h = h.After(*l.medium.last, false)
	}
	l.medium.last = h
	s := l.w.Stats()
	t := hal.Traffic{Payload: s.Payload, Written: s.Written, ZeroFill: s.ZeroFill, Flushes: s.Flushes, Segments: s.Segments}
	var life *hal.Life
	if e := l.r.rig.Endurance; e != nil {
		if p, err := e.LifeUnder(t, l.now()-l.begun); err == nil { // New has looked at e: it is too early
			life = &p
		}
	}
	l.did(answered, record.KindStorageHealth, 0, -1, h.State >= hal.HealthWatch)
	return func(b *record.Body) { h.Fill(b, &t, life) }
}

// before is the last thing on record of the medium: what the rig was told, and what the journal of a batch that is continued says.
// Where a record says that the medium was replaced, what was said of the one before no longer counts.
func before(told, own *hal.StorageHealth) *hal.StorageHealth {
	switch {
	case own == nil:
		return told
	case told == nil:
		return own
	case told.Replaces == own.Medium && told.Medium != own.Medium:
		return told
	}
	h := own.After(*told, false)
	return &h
}

// ask asks for the health of the medium. One who panics does not know.
func ask(health func() hal.StorageHealth) (h hal.StorageHealth) {
	defer func() {
		if p := recover(); p != nil {
			h = hal.NewStorageHealth("")
			h.Judge(hal.HealthUnknown, fmt.Sprintf("Rig.Health: panic: %v", p))
		}
	}()
	h = health()
	h.Medium = batch.Clean(h.Medium)
	for i := range h.Reasons {
		h.Reasons[i] = batch.Clean(h.Reasons[i])
	}
	h.Reasons = h.Reasons[:min(len(h.Reasons), hal.MaxReasons)]
	return h
}

// note records a remark between two inputs.
func (l *loop) note(k record.Kind, fill func(b *record.Body)) {
	if l.failed != nil {
		return
	}
	defer l.fault()
	l.seal()
	body, err := l.m.AppendNote(l.buf[:0], l.next, k, fill)
	if err != nil {
		panic(err)
	}
	l.append(k, l.next, body)
}

// openSlots reads the checkpoints of a journal, if they are wanted, of which some may lie in its anchor.
func (r *Runner) openSlots(dir string, a *journal.Anchor) (err error) {
	if r.opt.CheckpointPeriod > 0 {
		r.slots, r.saved, r.wrong, err = journal.OpenCheckpoints(dir, r.b.JournalID, 0,
			&journal.Options{Storage: r.opt.Storage, Anchor: a})
	}
	return err
}

// spoken are the checkpoints for which the journal speaks: their record is the journal's own, and a later one names their digest. The
// slots of the others are written first, so that a cut does not cost one that counts.
func (r *Runner) spoken(dir string) (list []journal.Checkpoint, err error) {
	if len(r.saved) == 0 {
		return nil, nil
	}
	type state struct{ member, named bool }
	known := make([]state, len(r.saved))
	kind := []byte(`"event_type":"` + record.KindCheckpointTaken.String() + `"`)
	_, err = journal.Scan(dir, func(seq uint64, body []byte, c journal.Chain) error {
		for i := range r.saved {
			known[i].member = known[i].member || r.saved[i].Head == c
		}
		if !bytes.Contains(body, kind) {
			return nil
		}
		rec, err := record.Parse(body)
		if err != nil || rec.Kind != record.KindCheckpointTaken {
			return err
		}
		for i := range r.saved {
			s := &r.saved[i]
			known[i].named = known[i].named || known[i].member && rec.Count(record.CheckpointID) == s.Generation &&
				rec.Text(record.Digest) == s.Digest.String()
		}
		return nil
	}, &journal.Options{Storage: r.opt.Storage})
	for i, k := range known {
		if k.member && k.named {
			list = append(list, r.saved[i])
		} else if err == nil {
			r.slots.Forget(r.saved[i])
		}
	}
	return list, err
}
