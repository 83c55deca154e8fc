// A power-fail warning by an input line: a comparator on the rail before the regulator.

package hal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PowerLine is an input line that says that the supply fails, and implements Power.
type PowerLine struct {
	line      InputLine
	failsHigh bool
	holdup    time.Duration
	now       func() int64
}

var _ Power = (*PowerLine)(nil)

// NewPowerLine makes a warning of a line, which it owns from then on: Close closes it. failsHigh says that the line is high while
// the supply fails. The hold-up is what the board runs on for after the warning, as measured. now gives the time in ns on the
// clock that stamps the line's edges, for an event that no edge tells.
func NewPowerLine(line InputLine, failsHigh bool, holdup time.Duration, now func() int64) (*PowerLine, error) {
	switch {
	case line == nil || now == nil:
		return nil, errors.New("hal: power-fail line: a line and the clock of its edges are needed")
	case holdup <= 0:
		return nil, fmt.Errorf("hal: power-fail line: hold-up of %v: measure for how long the board runs on after the warning", holdup)
	}
	return &PowerLine{line: line, failsHigh: failsHigh, holdup: holdup, now: now}, nil
}

// Holdup implements Power.
func (p *PowerLine) Holdup() time.Duration { return p.holdup }

// Watch implements Power. Edges from before its call are not told, since the first event is of what they led to. After each edge
// the level is read anew, for edges that came together may have been merged: what is there then counts.
func (p *PowerLine) Watch(ctx context.Context, emit func(PowerEvent)) error {
	began := p.now()
	level, err := p.line.Get()
	if err != nil {
		return fmt.Errorf("hal: power-fail line: %w", err)
	}
	emit(PowerEvent{Mono: p.now(), Failing: level == p.failsHigh})
	var unread error
	err = p.line.Watch(ctx, func(e Edge) {
		if e.Mono <= began {
			return
		}
		if e.High != level {
			level = e.High
			emit(PowerEvent{Mono: e.Mono, Failing: level == p.failsHigh})
		}
		if now, err := p.line.Get(); err != nil {
			unread = err
		} else if now != level {
			level = now
			emit(PowerEvent{Mono: p.now(), Failing: level == p.failsHigh})
		}
	})
	if err = errors.Join(err, unread); err != nil {
		return fmt.Errorf("hal: power-fail line: %w", err)
	}
	return nil
}

// Close implements Power.
func (p *PowerLine) Close() error { return p.line.Close() }
