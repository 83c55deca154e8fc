// Proofs: that nothing is owed which could be taken for another answer, and who the instrument is.

package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
)

// Owes implements line.Debtor: an instrument that talks by itself owes nothing.
func (d *Device) Owes(string) bool { return d.format.ask != nil }

// Prove implements line.Prover. In a new session it asks who the instrument is even if it owes nothing, since an earlier process may be owed
// something; where it cannot ask that, it waits until nothing has come for as long as an answer may take.
func (d *Device) Prove(ctx context.Context) error {
	p, err := d.begin(ctx)
	if err == nil && d.format.ask != nil {
		err = d.prove(ctx, p)
	}
	if err != nil {
		return d.failed("not proved", err)
	}
	return nil
}

func (d *Device) prove(ctx context.Context, p port) error {
	if d.owed.forget(d.format.late); !d.owed.doubtful() && !d.fresh {
		return nil
	}
	if d.format.who == nil {
		return d.outwait(ctx, p)
	}
	err := d.exchange(ctx, p, d.format.who, whom, func() bool { return d.said.debt == whom && !d.owed.doubtful() })
	if err == nil {
		d.fresh = false
	}
	return err
}

// outwait lets time prove that nothing is owed, or the answer that is owed.
func (d *Device) outwait(ctx context.Context, p port) error {
	begun := time.Now()
	for until := begun.Add(d.respond); d.fresh || d.owed.doubtful(); d.owed.forget(d.format.late) {
		err := d.hear(ctx, p, until)
		switch {
		case errors.Is(err, errSilent):
			d.fresh = false
			if d.owed.forget(d.format.late); d.owed.doubtful() {
				last := d.owed[len(d.owed)-1].at.Add(d.format.late)
				return fmt.Errorf("%w: %d answers, and nothing to ask that would prove anything; it is over in %v", fieldbus.ErrDoubt,
					len(d.owed), time.Until(last))
			}
		case err != nil:
			return err
		case time.Since(begun) > 3*d.respond:
			return fmt.Errorf("%w: it says what it was not asked for; is it set to talk by itself?", fieldbus.ErrDoubt)
		default:
			d.pay()
			until = time.Now().Add(d.respond)
		}
	}
	return nil
}

// Text implements line.Texter: who the instrument is.
func (d *Device) Text(ctx context.Context, point *fieldbus.Point) (string, error) {
	p, err := d.begin(ctx)
	if err == nil {
		err = d.points([]*fieldbus.Point{point}, 1)
	}
	if err != nil {
		return "", d.failed("text", err)
	}
	place := &d.format.places[point.Index]
	if place.kind != identity {
		return "", d.failed("text", fmt.Errorf("%w: %s is no string", fieldbus.ErrPoint, point.Name))
	}
	d.owed.forget(d.format.late)
	if err := d.exchange(ctx, p, d.format.who, whom, func() bool { return d.said.debt == whom }); err != nil {
		return "", d.failed("text", d.over(err))
	}
	text := string(d.said.frame.text(d.format.identity.find("text")))
	if len(text) > place.length {
		return "", d.failed("text", fmt.Errorf("%w: %s is %q, longer than its %d bytes", fieldbus.ErrPoint, point.Name, short(text), place.length))
	}
	return text, nil
}

// over takes ErrDoubt from an error of an instrument that talks by itself, which proves nothing: its session is over then.
func (d *Device) over(err error) error {
	if d.format.ask == nil && errors.Is(err, fieldbus.ErrDoubt) {
		return errors.New(err.Error())
	}
	return err
}
