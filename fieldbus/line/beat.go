// Heartbeat: a point by which a device shows that its program runs, or by which it sees that ours does.

package line

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// stillBeats is how many beats a heartbeat that is read may stand still, and how many a device may say nothing at all.
const stillBeats = 3

// beat is the heartbeat of a device.
type beat struct {
	next  int64 // monotonic ns
	n     uint64
	last  uint64 // as read
	seen  bool
	still int
}

// due tells when the next beat is.
func (b *beat) due(d *device) int64 {
	if d.def.Heartbeat == nil || d.def.Beat <= 0 || d.disown || d.link.State() == fieldbus.Doubt {
		return math.MaxInt64
	}
	return b.next
}

// life carries out one beat: it writes the next number, or reads whether the device has written one.
func (l *Line) life(ctx context.Context, d *device) {
	b := &d.beat
	b.next = max(b.next+d.def.Beat, l.clock.Now())
	if l.same(d.session(ctx), d, d.cancel) != nil {
		return
	}
	if d.def.Heartbeat.Access == fieldbus.ReadOnly {
		l.listen(ctx, d)
		return
	}
	b.n = (b.n + 1) & math.MaxInt16 // every type of integer has it
	bits, form := b.n, d.def.Heartbeat.Type.Form()
	if form == tag.Bool {
		bits &= 1
	}
	ctx = d.session(ctx)
	l.guard.begin(d.cancel, l.clock.Now()+limit(d.def.Profile, 1))
	err := d.driver.Write(ctx, d.def.Heartbeat, form, bits)
	l.guard.end()
	switch {
	case err == nil:
		l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Answered})
	case errors.Is(err, fieldbus.ErrPoint), errors.Is(err, fieldbus.ErrRefused):
		l.lose(d, fmt.Errorf("heartbeat %s: %w; set right the map or the device", d.def.Heartbeat.Name, err))
	default:
		l.failed(d, err)
	}
}

// listen reads the heartbeat, and tells whether the device lives. It does not if the number stands still: a program that has stopped
// leaves its values behind, and they look good.
func (l *Line) listen(ctx context.Context, d *device) bool {
	b := &d.beat
	ctx = d.session(ctx)
	var out [1]fieldbus.Reading
	l.guard.begin(d.cancel, l.clock.Now()+limit(d.def.Profile, 1))
	err := d.driver.Read(ctx, []*fieldbus.Point{d.def.Heartbeat}, out[:])
	l.guard.end()
	if err != nil && !errors.Is(err, fieldbus.ErrPoint) && !errors.Is(err, fieldbus.ErrPlan) {
		l.failed(d, err)
		return false
	}
	l.step(d, fieldbus.LinkEvent{Kind: fieldbus.Answered})
	if out[0].Quality == tag.Good && (!b.seen || out[0].Bits != b.last) {
		b.last, b.seen, b.still = out[0].Bits, true, 0
		return true
	}
	if b.still = min(b.still+1, stillBeats); b.still < stillBeats {
		return true
	}
	l.lose(d, fmt.Errorf("heartbeat %s stands still at %d: the device answers, and its program does not run", d.def.Heartbeat.Name, b.last))
	return false
}

// begins is the first beat after connecting: a heartbeat that stood still must have gone on.
func (l *Line) begins(ctx context.Context, d *device) bool {
	d.beat.next = l.clock.Now() + d.def.Beat
	if d.def.Heartbeat == nil || d.def.Beat <= 0 || d.def.Heartbeat.Access != fieldbus.ReadOnly {
		return true
	}
	return l.listen(ctx, d)
}
