// A wall clock that is wrong, for trials.

package main

import (
	"errors"
	"strings"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// odd is the wall clock of a board that was set wrong: nothing stands behind it but the board's own battery, and it says so.
type odd struct {
	of timebase.Source
	by time.Duration
}

// Observe implements timebase.Source.
func (o odd) Observe() timebase.Observation {
	seen := o.of.Observe()
	if seen.Sync == timebase.Unset {
		return seen
	}
	return timebase.Observation{Mono: seen.Mono, UTC: seen.UTC + int64(o.by), Sync: timebase.RTCOnly, Source: "host"}
}

// wallOf is the wall clock of a node; nil is the system's.
func wallOf(t *site, clock timebase.Clock) (timebase.Source, error) {
	by, err := t.offset()
	if err != nil || by == 0 {
		return nil, err
	}
	return odd{system.Wall(clock), by}, nil
}

// offsets are flags -wall-offset NODE=DURATION.
type offsets map[string]time.Duration

// String implements flag.Value.
func (o offsets) String() string { return "" }

// Set implements flag.Value.
func (o offsets) Set(s string) error {
	node, text, ok := strings.Cut(s, "=")
	by, err := time.ParseDuration(text)
	if !ok || node == "" || err != nil {
		return errors.New("NODE=DURATION is wanted, such as n2=5h or n2=-5h")
	}
	o[node] = by
	return nil
}
