// Writes: who may, in what order, and one at a time.

package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
)

// slowWrite is the time in ns after which the writes to an output are slow.
const slowWrite = 100_000_000

// maxPassed is how many safe writes go before one to a slow output: those who write on and on would keep it waiting for ever.
const maxPassed = 16

// job is a write that waits or is under way.
type job struct {
	c         *session // nil: the I/O process's own
	seq       uint64
	equipment string
	token     uint64
	write     tag.Write
	limit     int64       // time in ns that it may take
	passed    int         // safe ones that went before it, because it goes to a slow output
	safe      bool        // it goes before all others, replaces those to its output, and cuts short the one that is under way to it
	void      func() bool // of an own one: it is not to be begun any more; called with Server.mu held
	dead      error       // why it is not to be begun, or was cut short
	ended     chan error  // of an own one; has room for one
}

// lane holds the writes of one part of the port; all but ready is guarded by Server.mu.
type lane struct {
	safe, rest []*job
	under      *job // nil: none is under way
	cut        context.CancelFunc
	slow       map[string]bool // the last write to a channel took longer than slowWrite
	ended      uint64
	marked     uint64 // ended, when the watchdog was fed last
	busy       bool   // one was under way then
	ready      chan struct{}
}

func newLane() *lane { return &lane{slow: map[string]bool{}, ready: make(chan struct{}, 1)} }

// What ends a write before its time.
var (
	errReplaced = errors.New("a later write has taken its place")
	errCalled   = errors.New("it was called off")
	errEnd      = errors.New("the I/O process ends")
	errGiven    = errors.New("the equipment was given to another while the write waited")
	errSlow     = errors.New("the device did not confirm in time")
)

func (s *Server) lane(channel string) *lane { return s.lanes[s.opt.Lanes[channel]] }

// add lets a job wait for its turn; the caller holds mu.
func (s *Server) add(j *job) {
	l := s.lane(j.write.Channel)
	if s.life.Err() != nil {
		s.finish(j, fmt.Errorf("%w: %w", tag.ErrRefused, errEnd))
		return
	}
	if !j.safe {
		l.rest = append(l.rest, j)
	} else {
		s.drop(l, func(old *job) bool { return old.write.Channel == j.write.Channel }, errReplaced)
		l.safe = append(l.safe, j)
	}
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// drop takes those that which is true of off their list, and cuts short the one under way; the caller holds mu.
func (s *Server) drop(l *lane, which func(j *job) bool, why error) {
	for _, list := range []*[]*job{&l.safe, &l.rest} {
		*list = slices.DeleteFunc(*list, func(j *job) bool {
			if !which(j) {
				return false
			}
			s.finish(j, fmt.Errorf("%w: %w", tag.ErrRefused, why))
			return true
		})
	}
	if l.under != nil && which(l.under) && l.under.dead == nil {
		l.under.dead = why
		l.cut()
	}
}

// cut ends what a runner has asked for and has not ended; the caller holds mu.
func (s *Server) cut(c *session) {
	if c.job != nil {
		s.drop(s.lane(c.job.write.Channel), func(j *job) bool { return j.c == c }, errCalled)
	}
}

// callOff ends one write.
func (s *Server) callOff(c *session, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.job != nil && c.job.seq == seq {
		s.cut(c)
	}
}

// finish says what became of a job; the caller holds mu.
func (s *Server) finish(j *job, err error) {
	if j.c == nil {
		j.ended <- err
	} else {
		if j.c.job == j {
			j.c.job = nil
		}
		j.c.answer(j.seq, err)
	}
	s.idle.Broadcast()
}

// next waits for the next job: among safe ones one to an output that answers goes before one to an output that may keep it waiting again.
// It is nil when ctx has ended, and then nothing waits any more.
func (s *Server) next(ctx context.Context, l *lane) (j *job, one context.Context) {
	for {
		s.mu.Lock()
		if ctx.Err() != nil {
			s.drop(l, func(*job) bool { return true }, errEnd)
			s.mu.Unlock()
			return nil, nil
		}
		list, i := &l.safe, 0
		if len(*list) == 0 {
			list = &l.rest
		} else {
			i = max(slices.IndexFunc(*list, func(j *job) bool { return !l.slow[j.write.Channel] || j.passed >= maxPassed }), 0)
			for _, j := range (*list)[:i] {
				j.passed++
			}
		}
		if len(*list) > 0 {
			j = (*list)[i]
			*list = slices.Delete(*list, i, i+1)
			l.under = j
			one, l.cut = context.WithCancel(ctx)
			s.mu.Unlock()
			return j, one
		}
		s.mu.Unlock()
		select {
		case <-l.ready:
		case <-ctx.Done():
		}
	}
}

// drive writes to the port, one write of a lane at a time.
func (s *Server) drive(ctx context.Context, l *lane) {
	for {
		j, one := s.next(ctx, l)
		if j == nil {
			return
		}
		begun := s.clock.Now()
		s.mu.Lock()
		err := s.may(j, begun)
		s.mu.Unlock()
		if errors.Is(err, errGiven) {
			s.begin(func() { s.refuse(j.c, j.write.Channel, j.equipment, j.token, errGiven.Error()) })
		}
		if err == nil {
			err = s.put(one, j, begun)
		}
		took := s.clock.Now() - begun
		s.mu.Lock()
		l.cut()
		if j.dead != nil && err != nil {
			err = fmt.Errorf("%w: %w", j.dead, err)
		}
		l.slow[j.write.Channel], l.under = took > slowWrite, nil
		l.ended++
		s.finish(j, err)
		s.mu.Unlock()
	}
}

// may holds a write against who has the equipment now, when its turn has come; the caller holds mu.
func (s *Server) may(j *job, now int64) error {
	switch {
	case j.dead != nil:
		return fmt.Errorf("%w: %w", tag.ErrRefused, j.dead)
	case j.write.Deadline != 0 && now >= j.write.Deadline:
		return fmt.Errorf("%w: its turn did not come before its deadline", tag.ErrRefused)
	case j.c == nil && j.void != nil && j.void():
		return fmt.Errorf("%w: who had %s is back", tag.ErrRefused, j.equipment)
	case j.c == nil:
		return nil
	case !s.owns(j):
		return fmt.Errorf("%w: %s: %w", tag.ErrRefused, j.equipment, errGiven)
	case s.broken != nil && !s.isSafe(j.write.Channel, j.write.Bits):
		return fmt.Errorf("%w: %w", tag.ErrRefused, s.broken)
	}
	return nil
}

// put writes to the port, until the write's deadline or its limit.
func (s *Server) put(ctx context.Context, j *job, now int64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	w := j.write
	if until := now + j.limit; w.Deadline == 0 || w.Deadline > until {
		w.Deadline = until
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := s.clock.Alarm(func() { cancel(errSlow) })
	defer alarm.Stop()
	alarm.Set(w.Deadline)
	if err = s.port.Write(ctx, w); err != nil && context.Cause(ctx) == errSlow {
		err = fmt.Errorf("%w: %w", errSlow, err)
	}
	return err
}

// write lets a write of a runner wait for its turn, or refuses it, which is on record.
func (s *Server) write(c *session, f *frame) {
	out := &c.hello.Outputs[f.channel]
	e, has := s.equipmentOf(out.Channel)
	if e != out.Equipment {
		s.askModel(func() bool { e, _ := s.equipmentOf(out.Channel); return e == out.Equipment })
		e, has = s.equipmentOf(out.Channel)
	}
	why := ""
	switch {
	case !has:
		why = "the equipment model has no equipment with that channel"
	case e == "":
		why = "the equipment model has it as a channel of two"
	case e != out.Equipment:
		why = "by the equipment model it is a channel of " + e + ", and by the map of the batch of " + strconv.Quote(out.Equipment)
	default:
		why = s.claim(c, e, f.token)
	}
	if why != "" {
		s.refuse(c, out.Channel, e, f.token, why)
		c.answer(f.seq, fmt.Errorf("%w: %s", tag.ErrRefused, why))
		return
	}
	j := &job{c: c, seq: f.seq, equipment: e, token: f.token, limit: batch.WriteTime,
		write: tag.Write{ID: f.id, Channel: out.Channel, Form: f.form, Bits: f.bits, Deadline: f.at, Safe: f.safe}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.job != nil { // its runner waits for that no more
		s.cut(c)
	}
	j.safe = f.safe && s.safeOrUndeclared(out.Channel, f.bits)
	c.job = j
	s.add(j)
}

// equipmentOf finds the equipment of a channel.
func (s *Server) equipmentOf(channel string) (equipment string, has bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	equipment, has = s.channels[channel]
	return equipment, has
}

// claim holds a token of a batch against the greatest that is known, and keeps it where it is greater. It says why the batch may not write
// under it; "" is that it may. It waits for the disk where something changes.
func (s *Server) claim(c *session, equipment string, token uint64) (why string) {
	s.mu.Lock()
	o := s.owners[equipment]
	same := o != nil && o.session == c && o.Token == token
	s.mu.Unlock()
	if same {
		return ""
	}
	if why = s.take(c, equipment, token); why == "" {
		s.clear(equipment, c)
	}
	return why
}

// take is claim, where something changes.
func (s *Server) take(c *session, equipment string, token uint64) (why string) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	why, keep := s.judge(c, equipment, token)
	next := owner{equipment, token, c.hello.Batch, c.uid, s.bound(c, equipment)}
	s.mu.Unlock()
	if why != "" || !keep {
		return why
	}
	if err := s.tokens.put(next); err != nil {
		s.fail(err)
		return "its token cannot be kept: " + err.Error()
	}
	s.own(next, c)
	return ""
}

// judge decides on a token; keep says that it is to be written down. The caller holds disk and mu.
func (s *Server) judge(c *session, equipment string, token uint64) (why string, keep bool) {
	o := s.owners[equipment]
	_, known := s.items[equipment]
	switch {
	case token == 0:
		return "the batch does not have " + equipment, false
	case o == nil && !known:
		return "the equipment model has no " + strconv.Quote(equipment), false
	case o == nil || token > o.Token:
		if most := s.most(); token > most && token-most > maxJump {
			return fmt.Sprintf("its token %d is more than %d above the greatest that is known, which is %d: no arbiter has given it", token, maxJump, most), false
		}
		return "", true
	case token < o.Token:
		return fmt.Sprintf("its token %d is no longer the newest of %s, which is %d", token, equipment, o.Token), false
	case o.Batch == "":
		return "", true
	case o.Batch != c.hello.Batch || o.UID != c.uid:
		return fmt.Sprintf("token %d of %s is that of %s", token, equipment, o.Batch), false
	case o.session != nil && o.session.n > c.n:
		return "a later connection of the batch has " + equipment, false
	}
	if !slices.Equal(o.Outputs, s.bound(c, equipment)) {
		return "", true
	}
	o.session, o.away = c, false // it has come back
	return "", false
}

// maxJump is how far above the greatest token that was seen or told by a fence that of a batch may be: tokens are counted one by one, so what is
// beyond was invented, and would leave none above it for a fence. What a fence says is not bounded.
const maxJump = 1 << 20

// most is the greatest token that is known; the caller holds mu.
func (s *Server) most() (token uint64) {
	token = s.counted
	for _, o := range s.owners {
		token = max(token, o.Token)
	}
	return token
}

// bound gives what a runner says of the outputs of a piece of equipment; the caller holds mu.
func (s *Server) bound(c *session, equipment string) (list []Output) {
	for _, o := range c.hello.Outputs {
		if o.Equipment == equipment && s.channels[o.Channel] == equipment {
			list = append(list, o)
		}
	}
	return list
}

// recall takes up what was kept of those who had equipment: the channels that they were bound to are theirs until it is given back.
func (s *Server) recall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Sorted(maps.Keys(s.tokens.all)) {
		o := s.tokens.all[e]
		s.owners[e] = &holding{owner: o, away: true}
		for _, out := range o.Outputs {
			s.channels[out.Channel], s.told[out.Channel] = e, out
		}
	}
	s.assign()
}

// own sets who has a piece of equipment; the caller holds disk.
func (s *Server) own(o owner, c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[o.Equipment] = &holding{owner: o, session: c}
	for _, out := range o.Outputs {
		s.told[out.Channel] = out
	}
	if c == nil {
		s.assign() // what the batch was bound to counts no more
	}
}

// owns tells whether a write is of the batch that has its equipment, under its token; the caller holds mu.
func (s *Server) owns(j *job) bool {
	o := s.owners[j.equipment]
	return j.c != nil && o != nil && o.session == j.c && o.Token == j.token
}

// clear ends what others than c, nil for nobody, have asked for of a piece of equipment, and returns when it has ended: until then it may
// still be carried out. It comes after its claim without a lock between them: what somebody asked for who has the equipment since stands.
func (s *Server) clear(equipment string, c *session) {
	for _, j := range s.evict(equipment, c) {
		s.refuse(j.c, j.write.Channel, equipment, j.token, errGiven.Error())
	}
}

// evict is clear, and gives the writes that had not begun.
func (s *Server) evict(equipment string, c *session) (ended []*job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := func(j *job) bool { return j.c != c && j.equipment == equipment && !s.owns(j) }
	for _, l := range s.lanes {
		s.drop(l, func(j *job) bool {
			is := others(j)
			if is && j.c != nil && j != l.under {
				ended = append(ended, j)
			}
			return is
		}, fmt.Errorf("%s: %w", equipment, errGiven))
	}
	for s.life.Err() == nil && slices.ContainsFunc(s.lanes, func(l *lane) bool { return l.under != nil && others(l.under) }) {
		s.idle.Wait()
	}
	return ended
}

// free takes a piece of equipment from the batch that has it by this connection. Its token stays.
func (s *Server) free(c *session, equipment string) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	o := s.owners[equipment]
	mine := o != nil && o.Batch == c.hello.Batch && (o.session == c || o.session == nil)
	if !mine {
		s.mu.Unlock()
		return
	}
	next := owner{equipment, o.Token, "", -1, nil}
	s.mu.Unlock()
	if err := s.tokens.put(next); err != nil {
		s.fail(err)
		return
	}
	s.own(next, nil)
}
