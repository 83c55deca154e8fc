// Control by signal: levels of the board become levels of ports.

package production

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// signalPort is a channel by which slots are controlled.
type signalPort struct {
	slots []slotKey
	level unitrun.Level // as it was told last
	told  bool
}

// wirePort notes that a slot is controlled by a channel.
func (k *runKeeper) wirePort(channel string, key slotKey, was map[string]*signalPort) {
	if channel == "" {
		return
	}
	p := k.ports[channel]
	if p == nil {
		if p = was[channel]; p == nil {
			p = &signalPort{}
		}
		p.slots = nil
		k.ports[channel] = p
	}
	p.slots = append(p.slots, key)
}

// heard takes a value of the board. Where its channel is a port whose level is another one now, or is not known any more, the
// unit runs are told.
func (k *runKeeper) heard(v *api.Value) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read.heard(v)
	p := k.ports[v.Channel]
	if p == nil {
		return nil
	}
	now := levelOf(v)
	if p.told && p.level == now {
		return nil
	}
	ev := unitrun.Event{Kind: unitrun.Signal, Signals: k.idents(p)}
	ev.Signals = append(slices.DeleteFunc(ev.Signals, func(l unitrun.Level) bool { return l.Tag == v.Channel }), now)
	if _, err := k.tell(&ev); err != nil {
		return err
	}
	p.level, p.told = now, true
	return nil
}

// heardRaw is heard for whoever has the value as a port gives it.
func (k *runKeeper) heardRaw(raw *tag.Raw) error {
	v := api.Value{Channel: raw.Channel, Form: raw.Form.String(), Quality: raw.Quality.String()}
	switch raw.Form {
	case tag.Bool:
		v.Value = strconv.FormatUint(raw.Bits&1, 10)
	case tag.Float32:
		v.Value = strconv.FormatFloat(float64(math.Float32frombits(uint32(raw.Bits))), 'g', -1, 32)
	case tag.Float64:
		v.Value = strconv.FormatFloat(math.Float64frombits(raw.Bits), 'g', -1, 64)
	default:
		v.Value = strconv.FormatInt(int64(raw.Bits), 10)
	}
	return k.heard(&v)
}

// levelOf is what a value is as the level of a port: high where it is not 0.
func levelOf(v *api.Value) unitrun.Level {
	plain, ok := decimal(v.Value, quantity.Quantity{}, exact)
	if !ok || v.Quality != goodValue {
		return unitrun.Level{Tag: v.Channel, Bad: true}
	}
	return unitrun.Level{Tag: v.Channel, High: strings.Trim(plain, "-0.") != ""}
}

// idents are the identifiers that the slots of a port have before them: they are told with each signal, since they change without
// meaning anything.
func (k *runKeeper) idents(p *signalPort) (list []unitrun.Level) {
	for _, key := range p.slots {
		info := k.slots[key]
		if info == nil || info.ident == "" || slices.ContainsFunc(list, func(l unitrun.Level) bool { return l.Tag == info.ident }) || len(list) >= unitrun.MaxSignals-1 {
			continue
		}
		l := unitrun.Level{Tag: info.ident, Bad: true}
		if text, quality := k.read.of(info.ident, quantity.Quantity{}, exact); quality == goodValue {
			l = unitrun.Level{Tag: info.ident, Text: text}
		}
		list = append(list, l)
	}
	return list
}

// listen hears the board until ctx ends, or evidence can no longer be kept.
func (k *runKeeper) listen(ctx context.Context, board Board) {
	for wait := soonest; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		broken := error(nil)
		err := board.Values(ctx, func(v *api.Value) error {
			wait = soonest
			broken = k.heard(v)
			return broken
		})
		if ctx.Err() != nil || broken != nil {
			return
		}
		if err == nil {
			err = errors.New("nothing is heard any more")
		}
		if k.streamLost(err) != nil {
			return
		}
		_ = k.clock.Wait(ctx, k.clock.Now()+int64(wait))
	}
}

// streamLost says that nothing is heard of the board any more, and why: no port has a level then, and what it has when it is
// heard again is no edge.
func (k *runKeeper) streamLost(why error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read.lose()
	var errs []error
	var ev unitrun.Event
	tell := func() {
		if len(ev.Signals) > 0 {
			_, err := k.tell(&ev)
			errs = append(errs, err)
		}
		ev = unitrun.Event{Kind: unitrun.Signal, Actor: selfActor, Reason: cutTo("the board is not heard: "+why.Error(), unitrun.MaxReason)}
	}
	tell()
	for _, channel := range slices.Sorted(maps.Keys(k.ports)) {
		p := k.ports[channel]
		if !p.told || p.level.Bad {
			continue
		}
		p.level = unitrun.Level{Tag: channel, Bad: true}
		if ev.Signals = append(ev.Signals, p.level); len(ev.Signals) == unitrun.MaxSignals {
			tell()
		}
	}
	tell()
	return errors.Join(errs...)
}
