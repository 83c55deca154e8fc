// Exchanges: listening to an instrument that talks by itself, asking one that does not, its identity, and orders.

package scale

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/iomap/tag"
)

// What is done before a Read: limits of what is thrown away.
const (
	maxStale = 64 << 10 // bytes in one go; more means that there is no end
	behind   = 4        // characters after the last one, for which an instrument is left alone
	maxKept  = 1 << 10  // so many wait only where some may have been lost: a kernel keeps some 4 KiB
)

func isTime(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// Read implements line.Device. All points are of one frame.
func (d *Device) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	p, err := d.begin(ctx)
	if err == nil {
		err = d.points(points, len(out))
	}
	switch {
	case err != nil:
	case d.format.ask != nil:
		err = d.asked(ctx, p)
	default:
		err = d.listen(ctx, p)
	}
	if err != nil {
		return d.failed("read", err)
	}
	for i, pt := range points {
		place := &d.format.places[pt.Index]
		if d.said.plain {
			out[i] = d.format.reading(place, &d.said.frame)
		} else {
			out[i] = d.format.without(place, d.said.why)
		}
	}
	return nil
}

// points refuses points that are not of the profile.
func (d *Device) points(points []*fieldbus.Point, room int) error {
	if room < len(points) {
		return fmt.Errorf("%d points and room for %d", len(points), room)
	}
	for _, pt := range points {
		if pt.Index < 0 || pt.Index >= len(d.format.places) || d.format.places[pt.Index].name != pt.Name {
			return fmt.Errorf("point %q is not of the profile", short(pt.Name))
		}
	}
	return nil
}

// stale takes what has come in so far, which was said before now. Each is told of what is whole in it. It gives how many bytes it was.
func (d *Device) stale(ctx context.Context, p port, each func()) (n int, err error) {
	past := time.Now()
	for {
		for d.framer.next(&d.said) {
			each()
		}
		k, err := p.ReadUntil(ctx, d.framer.room(), past)
		if k == 0 {
			return n, d.silent(ctx, p, err)
		}
		d.took(k)
		if n += k; n > maxStale {
			return n, fmt.Errorf("more than %d bytes wait, and more come in; is this an instrument?", maxStale)
		}
	}
}

// wires is how long so many characters are on the line.
func (d *Device) wires(n int) time.Duration {
	if d.format.line == (linux.Line{}) {
		return 0
	}
	return time.Duration(n) * 12 * time.Second / time.Duration(d.format.line.Baud) // a character is 12 bits at most
}

// listen takes the first weight of which the first byte comes in from now on.
func (d *Device) listen(ctx context.Context, p port) error {
	n, err := d.stale(ctx, p, func() {})
	if err != nil {
		return err
	}
	losses := lost(p)
	d.framer.cut(n > maxKept || losses != d.losses)
	d.losses, d.framer.strays = losses, 0
	until := time.Now().Add(d.respond + d.wires(2*d.format.most) + straggle)
	for {
		err := d.hear(ctx, p, until)
		switch {
		case errors.Is(err, errSilent):
			return fmt.Errorf("%w within %v; %d bytes came: look at cable and rate, and whether it is on: %w",
				err, d.respond, d.framer.strays+d.framer.to-d.framer.from, os.ErrDeadlineExceeded)
		case err != nil:
			return err
		case d.said.debt != weight:
			d.pay()
			continue
		}
		if losses := lost(p); losses != d.losses { // the frame may be made of two
			d.losses = losses
			d.framer.reset(true)
			continue
		}
		return nil
	}
}

// asked asks for a weight.
func (d *Device) asked(ctx context.Context, p port) error {
	if d.owed.forget(d.format.late); d.owed.doubtful() {
		return fmt.Errorf("%w: %d answers; not sent", fieldbus.ErrDoubt, len(d.owed))
	}
	return d.exchange(ctx, p, d.format.ask, weight, func() bool { return d.said.debt == weight && !d.owed.of(weight) })
}

// exchange sends a question and hears what is said until that is the answer. Without one, the instrument owes it, and the error wraps ErrDoubt
// where the session goes on. Of what comes twice in one exchange the second is not counted: the line may have doubled it.
func (d *Device) exchange(ctx context.Context, p port, send []byte, kind int, answered func() bool) error {
	if len(d.owed) >= maxOwed {
		return fmt.Errorf("%w: %d answers; not sent", fieldbus.ErrDoubt, len(d.owed))
	}
	if err := d.settle(ctx, p); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	d.owed.add(kind)
	d.last = d.last[:0]
	defer func() { d.ready = time.Now().Add(d.pause) }()
	n, err := p.Write(send)
	if err == nil && n < len(send) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("%w: %d of %d bytes sent: %w", fieldbus.ErrDown, n, len(send), err)
	}
	until := time.Now().Add(d.respond + d.wires(len(send)+d.format.most) + straggle)
	for {
		err := d.hear(ctx, p, until)
		switch {
		case errors.Is(err, errSilent):
			return fmt.Errorf("%w: no answer within %v (%d bytes came that are none): %w", fieldbus.ErrDoubt, d.respond,
				d.framer.strays+d.framer.to-d.framer.from, os.ErrDeadlineExceeded)
		case err != nil && ctx.Err() != nil && !errors.Is(err, fieldbus.ErrDown):
			return fmt.Errorf("%w: %w", fieldbus.ErrDoubt, err)
		case err != nil:
			return err
		case bytes.Equal(d.said.frame.bytes, d.last):
			continue
		}
		d.last = append(d.last[:0], d.said.frame.bytes...)
		if d.pay(); answered() {
			return nil
		}
	}
}

// pay takes in what was said as an answer, and tells whether it was asked for.
func (d *Device) pay() bool {
	switch {
	case d.said.debt != weight || d.said.plain:
		return d.owed.pay(d.said.debt)
	case d.format.ask == nil: // it is said in place of a weight, of its own accord
		return false
	}
	return d.owed.payOldest()
}

// settle throws away what has come in, and, where the instrument does not talk by itself, waits until nothing comes. A weight that nobody asked
// for means that more is on its way than is known, unless it is the last one over again.
func (d *Device) settle(ctx context.Context, p port) error {
	if d.format.ask == nil {
		n, err := d.stale(ctx, p, func() { d.pay() })
		d.framer.cut(n > maxKept)
		return err
	}
	strange := false
	each := func() {
		paid := d.pay()
		strange = strange || !paid && d.said.debt == weight && !bytes.Equal(d.said.frame.bytes, d.last)
	}
	// What the line doubles comes at once behind the first.
	if rest := d.wires(behind) - time.Since(d.heard); rest > 0 {
		if _, err := d.wait(ctx, p, rest); err != nil {
			return err
		}
	}
	for patience := time.Now().Add(d.respond); ; {
		n, err := d.stale(ctx, p, each)
		if err != nil {
			return err
		}
		if n == 0 && d.framer.to == d.framer.from {
			break
		}
		if time.Now().After(patience) {
			return fmt.Errorf("%w: the line is not silent for %v; is the instrument set to talk by itself?", fieldbus.ErrDoubt, quiet)
		}
		if n, err = d.wait(ctx, p, quiet); err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	d.framer.reset(false)
	d.framer.strays = 0
	if strange {
		if len(d.owed) < maxOwed {
			d.owed.add(weight)
		}
		return fmt.Errorf("%w: it has said a weight that it was not asked for", fieldbus.ErrDoubt)
	}
	return nil
}

// wait takes what comes within a time, up to the first of it.
func (d *Device) wait(ctx context.Context, p port, long time.Duration) (n int, err error) {
	n, err = p.ReadUntil(ctx, d.framer.room(), time.Now().Add(long))
	if n > 0 {
		d.took(n)
		return n, nil
	}
	return 0, d.silent(ctx, p, err)
}

// Write implements line.Device: it gives an order, and returns nil when the instrument has said that it was carried out. An order is not sent
// while it owes the answer to the same one.
func (d *Device) Write(ctx context.Context, point *fieldbus.Point, form tag.Form, value uint64) error {
	p, err := d.begin(ctx)
	if err == nil {
		err = d.points([]*fieldbus.Point{point}, 1)
	}
	if err == nil {
		err = d.give(ctx, p, &d.format.places[point.Index], form, value)
	}
	if err != nil {
		return d.failed("write "+short(point.Name), err)
	}
	return nil
}

func (d *Device) give(ctx context.Context, p port, place *place, form tag.Form, value uint64) error {
	switch {
	case place.kind != order:
		return fmt.Errorf("%w: the profile has it read-only", fieldbus.ErrRefused)
	case form != tag.Bool || value > 1:
		return fmt.Errorf("%w: value %d of form %v: an order is a bool", fieldbus.ErrRefused, value, form)
	case value == 0:
		return nil
	}
	kind := orders + place.order
	d.owed.forget(d.format.late)
	switch {
	case d.owed.of(kind):
		return fmt.Errorf("%w: the answer to the same order is owed", fieldbus.ErrRefused)
	case d.format.ask != nil && d.owed.doubtful():
		return fmt.Errorf("%w: %d answers; not sent", fieldbus.ErrDoubt, len(d.owed))
	}
	err := d.exchange(ctx, p, d.format.commands[place.order].send, kind, func() bool { return d.said.debt == kind })
	switch {
	case err == nil:
	case d.owed.of(kind):
		return fmt.Errorf("%w: %w", fieldbus.ErrUnknown, d.over(err))
	default:
		return d.over(err)
	}
	if !d.said.done {
		return fmt.Errorf("%w: the instrument says %q", fieldbus.ErrRefused, short(string(d.said.frame.bytes)))
	}
	return nil
}
