// What the I/O process keeps on record, and on disk beside it: refusals, the newest model, and the watchdog that vouches for all.

package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal/record"
)

// append writes a record and waits until it is durable. After a failure nothing is written that is not safe.
func (s *Server) append(fill func(b *record.Body)) error {
	s.mu.Lock()
	s.appends++
	s.mu.Unlock()
	_, err := s.ledger.Append(fill)
	s.mu.Lock()
	s.appends--
	s.appended++
	s.mu.Unlock()
	if err != nil {
		s.fail(err)
	}
	return err
}

// fail takes in that evidence can no longer be kept, or tokens.
func (s *Server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return
	}
	s.broken = fmt.Errorf("wire: evidence can no longer be kept: %w", err)
	for _, l := range s.lanes {
		s.drop(l, func(j *job) bool { return j.c != nil && !s.isSafe(j.write.Channel, j.write.Bits) }, s.broken)
	}
	select {
	case s.alarm <- struct{}{}:
	default:
	}
}

// maxRefusals is of how many kinds of refusals is remembered when they were on record last.
const maxRefusals = 4096

// refusals are the refusals that were on record within the last second, each with what came since.
type refusals struct {
	mu   sync.Mutex
	last map[[2]string]*refusal
}

type refusal struct {
	at   int64
	more uint64
	fill func(b *record.Body)
}

// refuse has a refused write on record, each second at most for a batch and a channel; those between are counted.
func (s *Server) refuse(c *session, channel, equipment string, token uint64, why string) {
	var o owner
	s.mu.Lock()
	if h := s.owners[equipment]; h != nil {
		o = h.owner
	}
	s.mu.Unlock()
	s.note([2]string{c.hello.Batch, channel}, func(b *record.Body) {
		b.Begin(record.KindWireRefused)
		b.Text(record.ObjectID, c.hello.Batch)
		b.Text(record.PhysicalChannel, channel)
		b.Count(record.TokenOffered, token)
		b.Count(record.Token, o.Token)
		b.Text(record.Detail, clip(why))
		if o.Batch != "" {
			b.Text(record.ResourceOwner, o.Batch)
		}
		b.Int(record.PeerUID, int64(c.uid))
	})
}

// refuseAccess has on record that somebody may not do what he asked for. The user of another board is the one that he is there.
func (s *Server) refuseAccess(p api.Peer, what, batchID, why string) {
	actor, uid := p.Actor(), p.UID
	if p.Node != "" {
		uid = p.There
	}
	s.note([2]string{actor, "/" + what}, func(b *record.Body) {
		b.Begin(record.KindAccessRefused)
		b.Text(record.Actor, actor)
		b.Text(record.Command, what)
		b.Text(record.Detail, clip(why))
		b.Int(record.PeerUID, int64(uid))
		if batchID != "" {
			b.Text(record.ObjectID, clip(batchID))
		}
	})
}

// refusalGap is the least time in ns between two records of one kind of refusal.
const refusalGap = 1_000_000_000

// note writes a record of a refusal, or counts it where there was one of its kind within the last second.
func (s *Server) note(key [2]string, fill func(b *record.Body)) {
	now := s.clock.Now()
	s.kept.mu.Lock()
	if s.kept.last == nil {
		s.kept.last = map[[2]string]*refusal{}
	}
	if s.kept.last[key] == nil && len(s.kept.last) >= maxRefusals {
		key = [2]string{} // so many at once: they count as of one kind
	}
	if r := s.kept.last[key]; r != nil && now-r.at < refusalGap {
		r.more++
		r.fill = fill
		s.kept.mu.Unlock()
		return
	}
	s.kept.last[key] = &refusal{at: now}
	s.kept.mu.Unlock()
	_ = s.append(fill)
}

// flush writes what was counted, each second, and at the end.
func (s *Server) flush(ctx context.Context) {
	for {
		err := s.clock.Wait(ctx, s.clock.Now()+refusalGap)
		now := s.clock.Now()
		var due []*refusal
		s.kept.mu.Lock()
		for key, r := range s.kept.last {
			switch {
			case err == nil && now-r.at < refusalGap:
			case r.more > 0:
				due = append(due, &refusal{more: r.more, fill: r.fill})
				r.at, r.more = now, 0
			default:
				delete(s.kept.last, key)
			}
		}
		s.kept.mu.Unlock()
		for _, r := range due {
			_ = s.append(func(b *record.Body) {
				r.fill(b)
				b.Count(record.Coalesced, r.more)
			})
		}
		if err != nil {
			return
		}
	}
}

// arm starts the watchdog.
func (s *Server) arm() error {
	w := s.opt.Watchdog
	if w == nil {
		return nil
	}
	actual, err := w.Arm(s.opt.WatchdogTime)
	if err != nil {
		return fmt.Errorf("wire: the watchdog does not start: %w; see to it, or leave it out", err)
	}
	err = s.noteDog("armed", nil, func(b *record.Body) {
		b.Int(record.TimeoutMS, s.opt.WatchdogTime.Milliseconds())
		b.Int(record.ActualMS, actual.Milliseconds())
	})
	s.opt.WatchdogTime = actual
	return err
}

// noteDog has on record what has become of the watchdog; with an error, that it has not.
func (s *Server) noteDog(result string, err error, fill func(b *record.Body)) error {
	return s.append(func(b *record.Body) {
		b.Begin(record.KindWatchdog)
		if err != nil {
			result = "not_" + result
			b.Text(record.Detail, clip(err.Error()))
		}
		b.Text(record.Result, result)
		if fill != nil {
			fill(b)
		}
	})
}

// feed feeds the watchdog while all that it vouches for goes on: the watch of the port, which has brought a value or was taken up anew; the
// writes, none of which is under way for as long as that; and the ledger.
func (s *Server) feed(ctx context.Context) {
	period := int64(s.opt.WatchdogTime) / 4
	var seen, appended uint64
	appends, first, deaf := 0, true, false
	for ctx.Err() == nil {
		s.mu.Lock()
		on := (first || s.seen != seen) && (appends == 0 || s.appended != appended)
		for _, l := range s.lanes {
			on = on && (!l.busy || l.ended != l.marked)
		}
		if on {
			seen, appended, appends, first = s.seen, s.appended, s.appends, false
			for _, l := range s.lanes {
				l.busy, l.marked = l.under != nil, l.ended
			}
		}
		s.mu.Unlock()
		wait := period / 4
		if on {
			err := s.opt.Watchdog.Feed()
			if err == nil {
				wait = period
			} else if !deaf { // it bites if it stays so, and is asked again until then
				_ = s.noteDog("fed", err, nil)
			}
			deaf = err != nil
		}
		_ = s.clock.Wait(ctx, s.clock.Now()+wait)
	}
}

// disarm stops the watchdog where all outputs are safe. Else it goes on: nobody is left who could do more.
func (s *Server) disarm() error {
	if s.opt.Watchdog == nil {
		return nil
	}
	s.mu.Lock()
	safe := true
	for _, it := range s.items {
		safe = safe && s.allSafe(it.Channels)
	}
	s.mu.Unlock()
	if !safe {
		return s.noteDog("left_armed", nil, func(b *record.Body) { b.Text(record.Detail, "outputs are not known to be safe") })
	}
	err := s.opt.Watchdog.Disarm()
	if errors.Is(err, hal.ErrStays) {
		return s.noteDog("stays", nil, nil)
	}
	return errors.Join(err, s.noteDog("disarmed", err, nil))
}
