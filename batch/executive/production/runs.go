// Unit runs of a board: what they are told goes on record before it counts, and what it came to is carried out.

package production

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// runKeeper is what is not folded of unit runs: what was heard of the board and of who has the units, and what is captured.
type runKeeper struct {
	e     *Engine // puts on record what unit runs are told, and folds it
	clock timebase.Clock
	defs  []Definition

	mu    sync.Mutex // taken before the engine's
	read  readings
	caps  captures
	ports map[string]*signalPort // by channel
	slots map[slotKey]*slotInfo
	units map[string][]slotKey // by unit: slots whose runs follow batches
	ripe  []*capture
	up    bool   // people are answered
	told  string // what was on record last of what is not as the file says

	refused string // what could not be configured
	refusal error  // why
	again   int64  // when it is tried again, on the clock
}

type slotKey struct{ unit, definition string }

// slotInfo is what the file says of a slot, beside what is configured.
type slotInfo struct {
	points []point
	ident  string // its ident port
	cancel bool   // a batch that was aborted cancels its run

	refused string // batch of which it is on record that no run follows it, and the run that is in the way
}

func newRunKeeper(e *Engine, clock timebase.Clock, defs []Definition) *runKeeper {
	k := &runKeeper{e: e, clock: clock, defs: defs}
	k.caps.from = &k.read
	return k
}

// boot takes up what goes on: no port has a level, and what is Active is captured from now on.
func (k *runKeeper) boot() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wire()
	_, err := k.tell(&unitrun.Event{Kind: unitrun.Boot})
	return err
}

// open has people be answered.
func (k *runKeeper) open(up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.up = up
}

// tryAgain is after how many ns it is tried again to have units as the file says, where that was refused.
const tryAgain = int64(600_000_000_000)

// configure has the units of a model be as the file says. What is so already is not told again. Where it cannot be had whole,
// such as while a unit that goes has a run, it is had in part; what is refused is on record and an error, and is tried again
// after a while.
func (k *runKeeper) configure(model *api.Model) error {
	want, err := configured(k.defs, model)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var whole unitrun.Event
	var parts []unitrun.Event
	k.e.lookRuns(func(r *runs) { whole, parts = r.missing(&want) })
	key := fmt.Sprint(len(parts), model.Version, model.Digest)
	if len(parts) > 0 && key == k.refused && k.clock.Now() < k.again {
		return k.refusal
	}
	k.refused, k.refusal = "", nil
	if len(parts) == 0 {
		return nil
	}
	if whole.Kind != 0 {
		fx, err := k.tellSelf(&whole)
		if err != nil || refusal(fx) == nil {
			k.wire()
			return err
		}
	}
	var errs []error
	for i := range parts {
		fx, err := k.tellSelf(&parts[i])
		if err != nil {
			return err
		}
		errs = append(errs, refusal(fx))
	}
	k.wire()
	if k.refusal = errors.Join(errs...); k.refusal != nil {
		k.e.lookRuns(func(r *runs) { _, parts = r.missing(&want) })
		k.refused, k.again = fmt.Sprint(len(parts), model.Version, model.Digest), k.clock.Now()+tryAgain
	}
	return k.refusal
}

// tellSelf tells a configuration, on nobody's order.
func (k *runKeeper) tellSelf(ev *unitrun.Event) ([]unitrun.Effect, error) {
	ev.Actor, ev.Reason = selfActor, "as the file of unit runs and the equipment model say"
	return k.tell(ev)
}

// selfActor is who orders what nobody else does.
const selfActor = "production"

// wire notes what ports and captured tags there are. It is called with mu held.
func (k *runKeeper) wire() {
	var stands []unitrun.Stand
	k.e.lookRuns(func(r *runs) { stands = r.tracker.Stands() })
	was, wasSlots := k.ports, k.slots
	k.ports, k.slots, k.units = map[string]*signalPort{}, map[slotKey]*slotInfo{}, map[string][]slotKey{}
	for i := range stands {
		s := &stands[i]
		key := slotKey{s.Unit, s.Slot.Definition}
		info := &slotInfo{ident: s.Slot.Ports.Ident, cancel: s.Slot.Restart}
		if before := wasSlots[key]; before != nil {
			info.refused = before.refused
		}
		if d := slices.IndexFunc(k.defs, func(d Definition) bool { return d.Name == s.Slot.Definition }); d >= 0 {
			for _, t := range k.defs[d].Tags {
				info.points = append(info.points, point{t.Tag, at(t.Channel, s.Unit), t.Gain, t.Decimals})
			}
		}
		k.slots[key] = info
		if s.Leaving {
			continue
		}
		if s.Slot.Follow {
			k.units[s.Unit] = append(k.units[s.Unit], key)
		}
		p := &s.Slot.Ports
		for _, channel := range []string{p.Create, p.Active, p.Ready, p.Cancel} {
			k.wirePort(channel, key, was)
		}
	}
}

// tell has the unit runs take an event. What was captured of the runs that it may be about goes on record before it. It is called
// with mu held.
func (k *runKeeper) tell(ev *unitrun.Event) ([]unitrun.Effect, error) {
	for _, run := range k.about(ev) {
		k.caps.tick(k.clock.Now(), k.e.utc(), run)
		if err := k.write(run); err != nil {
			return nil, err
		}
	}
	fx, err := k.e.takeRun(ev)
	if err != nil {
		return nil, err
	}
	for i := range fx {
		k.carryOut(&fx[i], ev.Kind == unitrun.Boot)
	}
	return fx, nil
}

// about names the runs that an event may end, pause or cancel.
func (k *runKeeper) about(ev *unitrun.Event) (list []string) {
	k.e.lookRuns(func(r *runs) {
		add := func(key slotKey) {
			if s, ok := r.tracker.Stand(key.unit, key.definition); ok && s.Run != "" && !slices.Contains(list, s.Run) {
				list = append(list, s.Run)
			}
		}
		switch {
		case ev.Run != "":
			list = append(list, ev.Run)
		case ev.Kind.Command():
			add(slotKey{ev.Unit, ev.Definition})
		}
		for i := range ev.Signals {
			if p := k.ports[ev.Signals[i].Tag]; p != nil {
				for _, key := range p.slots {
					add(key)
				}
			}
		}
	})
	return list
}

// carryOut begins and ends what is captured.
func (k *runKeeper) carryOut(fx *unitrun.Effect, boot bool) {
	switch {
	case fx.Kind == unitrun.CaptureOn:
		note := ""
		if boot {
			k.e.lookRuns(func(r *runs) { note = gap(r.last[fx.Run]) })
		}
		k.caps.on(fx.Run, k.points(slotKey{fx.Unit, fx.Definition}, fx.Tags), fx.PeriodMS*int64(time.Millisecond), k.clock.Now(), note)
		k.caps.tick(k.clock.Now(), k.e.utc(), fx.Run)
	case fx.Kind == unitrun.CaptureOff, fx.Kind == unitrun.RunChanged && fx.State != unitrun.Active:
		k.caps.off(fx.Run)
	}
}

// gap says what was not captured while nobody was there, since a time that is known or 0.
func gap(since int64) string {
	if since == 0 {
		return "nothing was captured from its last value to here: production was not there"
	}
	return "nothing was captured from " + string(record.AppendTime(nil, since)) + " to here: production was not there"
}

// points are the tags of a run, with their channels. A tag that the file does not name any more has none, and reads BAD.
func (k *runKeeper) points(key slotKey, tags []string) (list []point) {
	info := k.slots[key]
	for _, t := range tags {
		p := point{tag: t, places: exact}
		if info != nil {
			if i := slices.IndexFunc(info.points, func(o point) bool { return o.tag == t }); i >= 0 {
				p = info.points[i]
			}
		}
		list = append(list, p)
	}
	return list
}

// flush puts on record all that was captured.
func (k *runKeeper) flush() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.write(everyRun)
}

// complain has it said that something is not as the file says, once until it is so, or is otherwise.
func (k *runKeeper) complain(err error, say func(text string) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == k.told {
		return err
	}
	if k.told = text; err == nil {
		return nil
	}
	return errors.Join(err, say(text))
}

// write puts on record what is ripe; with of not "", all that there is of that run, or of every one. It is called with mu held.
func (k *runKeeper) write(of string) error {
	k.ripe = k.caps.ripe(k.ripe[:0], k.clock.Now(), of)
	if len(k.ripe) == 0 {
		return nil
	}
	fills := make([]func(b *record.Body), len(k.ripe))
	for i, e := range k.ripe {
		fills[i] = k.caps.fill(e)
	}
	if err := k.e.keepData(fills); err != nil {
		return err
	}
	k.caps.written(k.ripe)
	return nil
}

// tick takes the samples that are due, and writes what is ripe; next is when it is to be called again, on the clock: a second
// later where nothing is captured.
func (k *runKeeper) tick() (next int64, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	k.caps.tick(now, k.e.utc(), "")
	err = k.write("")
	next, some := k.caps.next()
	if !some {
		next = now + int64(api.Heartbeat)
	}
	return max(next, now+1), err
}

// maxRefusals is how many refusals of one event an error names; all are on record.
const maxRefusals = 20

// refusal says what of an event was refused, as an error; nil where nothing was.
func refusal(fx []unitrun.Effect) error {
	var list []string
	more := 0
	for i := range fx {
		e := &fx[i]
		switch {
		case e.Kind != unitrun.Refused:
		case len(list) == maxRefusals:
			more++
		case e.Material != "":
			list = append(list, e.Material+": "+e.Reason)
		default:
			list = append(list, e.Command.String()+" is refused: "+e.Reason)
		}
	}
	if more > 0 {
		list = append(list, "and "+strconv.Itoa(more)+" more")
	}
	if list == nil {
		return nil
	}
	return errors.New("production: " + strings.Join(list, "; "))
}
