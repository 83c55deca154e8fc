// Outputs to their safe values: when equipment is fenced, when a runner is lost, and when evidence can no longer be kept.

package wire

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// How outputs are driven to their safe values, in ns: for how long in all at first, what each is given at least, how often they are looked
// at, how long one may take to be read back before it is written again, and the least time between tries after the first.
const (
	safeTime  = sequencer.Transient
	leastTime = 20_000_000
	safeLook  = 10_000_000
	readTime  = 1_000_000_000
	retrySafe = 1_000_000_000 // between tries after that
)

// target is an output that is to take its safe value.
type target struct {
	equipment, channel string
	form               tag.Form
	bits               uint64
	written            bool
	begun              int64 // when that write began
	why                error // why it is not there
	skipped            bool  // it is not to be driven any more
}

func (t *target) String() string { return t.channel + "=" + strconv.FormatInt(int64(t.bits), 10) }

// safeOf is the safe value of an output: what the equipment model says, else what a runner has said. The caller holds mu.
func (s *Server) safeOf(id, channel string) (t target, err error) {
	t = target{equipment: id, channel: channel}
	told, has := s.told[channel]
	text, declared := s.items[id].Safe[channel]
	switch v := s.values[channel]; {
	case v != nil && v.raw.Channel != "" && v.raw.Form <= tag.Int:
		t.form = v.raw.Form
	case has:
		t.form = told.Form
	case text != "0" && text != "1" && text != "true" && text != "false":
		t.form = tag.Int
	}
	switch bits, ok := equipment.Raw(text); {
	case declared && ok:
		t.bits = bits
	case text == "true" || text == "false":
		t.bits = uint64(bit(text == "true"))
	case declared:
		return t, fmt.Errorf("the equipment model has %.40q as its safe value, which is no raw value", text)
	case has:
		t.bits = told.Safe
	default:
		return t, fmt.Errorf("nobody has said what its safe value is; say so in the equipment model")
	}
	return t, nil
}

// isSafe tells whether a value is the safe one of its output; the caller holds mu.
func (s *Server) isSafe(channel string, bits uint64) bool {
	t, err := s.safeOf(s.channels[channel], channel)
	return err == nil && same(t.form, t.bits, bits)
}

// safeOrUndeclared is isSafe, or true where nobody has said what is; the caller holds mu.
func (s *Server) safeOrUndeclared(channel string, bits uint64) bool {
	t, err := s.safeOf(s.channels[channel], channel)
	return err != nil || same(t.form, t.bits, bits)
}

func same(form tag.Form, a, b uint64) bool {
	if form == tag.Bool {
		return a&1 == b&1
	}
	return a == b
}

// allSafe tells whether outputs read their safe values; the caller holds mu.
func (s *Server) allSafe(channels []string) bool {
	for _, c := range channels {
		v := s.values[c]
		if v == nil || v.raw.Quality != tag.Good || !s.isSafe(c, v.raw.Bits) {
			return false
		}
	}
	return true
}

// targets are the outputs of equipment, and in words those of which nobody knows what is safe. Those that are to be held are left out where
// held is true. The caller holds mu.
func (s *Server) targets(equipment []string, held bool) (list []*target, open []string) {
	for _, e := range equipment {
		if _, known := s.items[e]; !known {
			open = append(open, e+": the equipment model with its outputs is not there")
		}
		for _, c := range s.items[e].Channels {
			if s.channels[c] != e || held && s.told[c].Hold {
				continue
			}
			t, err := s.safeOf(e, c)
			if err != nil {
				open = append(open, c+": "+err.Error())
				continue
			}
			list = append(list, &t)
		}
	}
	return list, open
}

// secure drives outputs to their safe values, and returns when they have read back, or after ten seconds. An output that has never read
// back is confirmed by its device. Those that skip is true of are left alone; it is called with mu held.
func (s *Server) secure(ctx context.Context, list []*target, skip func(t *target) bool) (confirmed, open []string) {
	left := slices.Clone(list)
	limit := min(int64(slowWrite), safeTime/int64(2*len(list)+1))
	for until := s.clock.Now() + safeTime; ; limit = min(2*limit, batch.WriteTime) {
		left = s.pass(left, skip)
		if now := s.clock.Now(); len(left) == 0 || now >= until || ctx.Err() != nil {
			break
		}
		s.round(left, max(min(limit, until-s.clock.Now()), leastTime), skip)
		left = s.pass(left, skip)
		if len(left) > 0 {
			_ = s.clock.Wait(ctx, s.clock.Now()+safeLook)
		}
	}
	for _, t := range list {
		switch {
		case slices.Contains(left, t) && t.why != nil:
			open = append(open, t.channel+": "+clip(t.why.Error()))
		case slices.Contains(left, t):
			open = append(open, t.channel+": it was written and is not read back")
		case !t.skipped:
			confirmed = append(confirmed, t.String())
		}
	}
	return confirmed, open
}

// pass passes over those that are there, or are not to be driven any more, and gives the rest.
func (s *Server) pass(left []*target, skip func(t *target) bool) []*target {
	left = slices.DeleteFunc(left, func(t *target) bool { return s.confirmed(t) })
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(left, func(t *target) bool {
		t.skipped = skip(t)
		return t.skipped
	})
}

// insist goes on with what secure has left open, until it is there or is not to be driven any more. It takes a sixth of a lane's time, so
// that a device that does not answer keeps no other waiting for long.
func (s *Server) insist(ctx context.Context, list []*target, skip func(t *target) bool) (confirmed []string) {
	limit := int64(slowWrite)
	list = s.pass(slices.Clone(list), skip)
	for left := slices.Clone(list); len(left) > 0 && ctx.Err() == nil; left = s.pass(left, skip) {
		begun := s.clock.Now()
		s.round(left, limit, skip)
		limit = min(2*limit, batch.WriteTime)
		now := s.clock.Now()
		_ = s.clock.Wait(ctx, now+max(retrySafe, 5*(now-begun)))
	}
	for _, t := range list {
		if !t.skipped && ctx.Err() == nil {
			confirmed = append(confirmed, t.String())
		}
	}
	return confirmed
}

// round writes what is not written, all that are open side by side where the lanes allow it, and waits for the answers.
func (s *Server) round(left []*target, limit int64, skip func(t *target) bool) {
	var jobs []*job
	var of []*target
	s.mu.Lock()
	now := s.clock.Now()
	for _, t := range left {
		if t.written && now-t.begun < readTime {
			continue
		}
		s.writes++
		j := &job{equipment: t.equipment, limit: limit, safe: true, ended: make(chan error, 1), void: func() bool { return skip(t) },
			write: tag.Write{ID: s.writes, Channel: t.channel, Form: t.form, Bits: t.bits, Safe: true}}
		t.begun = now
		s.add(j)
		jobs, of = append(jobs, j), append(of, t)
	}
	s.mu.Unlock()
	for i, j := range jobs {
		of[i].why = <-j.ended
		of[i].written = of[i].why == nil
	}
}

// confirmed tells whether an output was written and reads back.
func (s *Server) confirmed(t *target) bool {
	if !t.written {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.values[t.channel]
	if v == nil || !v.good {
		return true // it does not read back; its device has confirmed it
	}
	fresh := v.raw.At >= t.begun || s.clock.Now()-t.begun >= readTime/2 // what has not moved may not be told anew
	return v.raw.Quality == tag.Good && fresh && same(t.form, v.raw.Bits, t.bits)
}

// runnerLost takes care of a runner that is gone: after the grace, its outputs go to their safe values but for those that it wants held.
// What is not confirmed is on record, and goes on being tried until it is, which is on record again, or until somebody has the equipment.
// Whoever comes back meanwhile under a token that is valid has them again. N is the number of its connection.
func (s *Server) runnerLost(ctx context.Context, batchID string, had []string, n uint64, why string) {
	if s.opt.Grace > 0 {
		_ = s.clock.Wait(ctx, s.clock.Now()+int64(s.opt.Grace))
	}
	gone := func(e string) bool {
		o := s.owners[e]
		return o != nil && o.Batch == batchID && o.session == nil
	}
	s.mu.Lock()
	had = slices.DeleteFunc(slices.Clone(had), func(e string) bool { return !gone(e) })
	slices.Sort(had)
	list, open := s.targets(had, true)
	s.mu.Unlock()
	if len(had) == 0 || ctx.Err() != nil {
		return
	}
	skip := func(t *target) bool { return !gone(t.equipment) }
	confirmed, more := s.secure(ctx, list, skip)
	note := func() {
		if ctx.Err() != nil {
			return
		}
		_ = s.append(func(b *record.Body) {
			b.Begin(record.KindRunnerLost)
			b.Text(record.ObjectID, batchID)
			b.Texts(record.ResourceID, had)
			b.Texts(record.Values, confirmed)
			b.Text(record.Result, outcomeOf(open, more))
			b.Text(record.Detail, clip(why+unconfirmed(open, more)))
		})
	}
	if note(); len(more) == 0 {
		return
	}
	if confirmed, more = s.insist(ctx, list, skip), nil; len(confirmed) > 0 {
		note()
	}
}

func outcomeOf(open, more []string) string {
	if len(open)+len(more) > 0 {
		return "unconfirmed"
	}
	return "safe"
}

// unconfirmed is what is to be said of outputs that are not known to be safe.
func unconfirmed(open, more []string) (text string) {
	for _, t := range slices.Concat(open, more) {
		text += "; " + t
	}
	return text
}

// awaitReturn counts those as lost who had equipment when the I/O process ended and have not come back.
func (s *Server) awaitReturn(ctx context.Context) {
	_ = s.clock.Wait(ctx, s.clock.Now()+int64(s.opt.Return))
	away := map[string][]string{}
	s.mu.Lock()
	for e, o := range s.owners {
		if o.Batch != "" && o.away {
			away[o.Batch] = append(away[o.Batch], e)
		}
	}
	s.mu.Unlock()
	for _, b := range slices.Sorted(maps.Keys(away)) {
		s.runnerLost(ctx, b, away[b], 0, "it has not come back since the I/O process began")
	}
}

// allToSafe drives all outputs to their safe values, until they are there: evidence can no longer be kept.
func (s *Server) allToSafe(ctx context.Context) {
	s.mu.Lock()
	list, _ := s.targets(slices.Sorted(maps.Keys(s.items)), false)
	s.mu.Unlock()
	skip := func(*target) bool { return false }
	if _, open := s.secure(ctx, list, skip); len(open) > 0 {
		s.insist(ctx, list, skip)
	}
}

// serveFence answers a fence.
func (s *Server) serveFence(w http.ResponseWriter, r *http.Request) {
	var f api.Fence
	if err := api.Take(w, r, &f); err != nil {
		api.Reply(w, nil, err)
		return
	}
	peer := api.PeerOf(r)
	if err := s.mayFence(r); err != nil {
		s.refuseAccess(peer, "fence", f.Batch, err.Error())
		api.Reply(w, nil, &api.Error{Status: http.StatusForbidden, Message: "wire: fence: " + err.Error()})
		return
	}
	if err := s.mayRaise(peer, &f); err != nil {
		api.Reply(w, nil, err)
		return
	}
	if len(f.Equipment) == 0 || len(f.Equipment) > maxNames || f.Token == 0 {
		api.Reply(w, nil, &api.Error{Status: http.StatusBadRequest, Message: "wire: fence: equipment and a token are wanted"})
		return
	}
	if !s.enter() {
		api.Reply(w, nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "wire: the I/O process does not run; ask again"})
		return
	}
	defer s.tasks.Done()
	actor := f.Operator
	switch {
	case actor == "":
		actor = peer.Actor()
	case peer.Node != "":
		actor = peer.Actor() + " for " + actor
	}
	out, err := s.fence(&f, clip(actor))
	api.Reply(w, out, err)
}

// fence refuses whoever had the equipment before, from when the token is on disk, and makes its outputs safe where that is asked for. The
// same fence again does the same; one whose token has been taken up, or that is older, changes nothing, and is told which token is there.
func (s *Server) fence(f *api.Fence, actor string) (*api.Fenced, error) {
	var fenced []string
	var list []*target
	var open []string
	out := &api.Fenced{}
	var failed error
	for _, e := range f.Equipment {
		s.mu.Lock()
		its, unknown := s.targets([]string{e}, false) // before it is given back, since it may then have fewer
		s.mu.Unlock()
		past, err := s.raise(e, f.Token)
		if err != nil { // those before it are fenced: their outputs and the record are owed
			failed = err
			break
		}
		if out.Greater = max(out.Greater, past); past == 0 {
			s.clear(e, nil)
			fenced, list, open = append(fenced, e), append(list, its...), append(open, unknown...)
		}
	}
	if len(fenced) == 0 {
		return out, failed
	}
	if f.Safe {
		out.Confirmed, out.Unconfirmed = s.secure(s.life, list, func(t *target) bool { return !s.stands(t.equipment, f.Token) })
		out.Unconfirmed = append(out.Unconfirmed, open...)
	}
	err := s.append(func(b *record.Body) {
		b.Begin(record.KindFence)
		b.Texts(record.ResourceID, fenced)
		b.Count(record.Token, f.Token)
		b.Text(record.ObjectID, f.Batch)
		b.Text(record.Actor, actor)
		if f.Role != "" {
			b.Text(record.OperatorRole, f.Role)
		}
		if f.Reason != "" {
			b.Text(record.ChangeReason, f.Reason)
		}
		result := "fenced"
		if f.Safe {
			result = outcomeOf(out.Unconfirmed, nil)
			b.Texts(record.Values, out.Confirmed)
		}
		b.Text(record.Result, result)
		if len(out.Unconfirmed) > 0 {
			b.Text(record.Detail, clip(unconfirmed(out.Unconfirmed, nil)[2:]))
		}
	})
	return out, cmp.Or(failed, err)
}

// stands tells whether a fence is the last word about a piece of equipment; the caller holds mu.
func (s *Server) stands(equipment string, token uint64) bool {
	o := s.owners[equipment]
	return o != nil && o.Token == token && o.Batch == ""
}

// knows tells whether a piece of equipment is in the model, or has a token.
func (s *Server) knows(equipment string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.items[equipment]
	return known || s.owners[equipment] != nil
}

// raise makes token the newest of a piece of equipment, which nobody has then. Where that is past, it gives the token that is there, else 0.
func (s *Server) raise(equipment string, token uint64) (past uint64, err error) {
	if !s.knows(equipment) { // before the lock: claims of all others wait for that
		s.askModel(func() bool { return s.knows(equipment) })
	}
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	o := s.owners[equipment]
	_, known := s.items[equipment]
	s.mu.Unlock()
	switch {
	case o == nil && !known:
		return 0, &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("wire: fence: the equipment model has no %.40q", equipment)}
	case o != nil && (token < o.Token || token == o.Token && o.Batch != ""):
		return o.Token, nil
	case o == nil || token > o.Token:
		next := owner{equipment, token, "", -1, nil}
		if err := s.tokens.put(next); err != nil {
			s.fail(err)
			return 0, err
		}
		s.own(next, nil)
	}
	return 0, nil
}
