// The whole state of a discipline as bytes, and back.

package timebase

import (
	"encoding/binary"
	"errors"
)

var errSnapshot = errors.New("timebase: not a snapshot of a discipline of these references")

// Snapshot appends the whole state to dst. A Discipline of the same Config that is given it by Restore behaves as this one.
func (d *Discipline) Snapshot(dst []byte) []byte {
	dst, _ = binary.Append(dst, binary.LittleEndian, &d.st)
	dst, _ = binary.Append(dst, binary.LittleEndian, d.refs)
	dst = append(dst, byte(len(d.why)))
	return append(dst, d.why...)
}

// Restore puts back a state that Snapshot gave. Monotonic time must go on from it: it is of no use after the machine came up anew.
func (d *Discipline) Restore(src []byte) error {
	next := Discipline{c: d.c, refs: make([]refState, len(d.refs))}
	for _, part := range [...]any{&next.st, next.refs} {
		n, err := binary.Decode(src, binary.LittleEndian, part)
		if err != nil {
			return errSnapshot
		}
		src = src[n:]
	}
	if len(src) == 0 || int(src[0]) != len(src)-1 || !next.sound() {
		return errSnapshot
	}
	next.why = string(src[1:])
	*d = next
	return nil
}

// sound tells whether a state is one that Step can lead to, as far as its arithmetic needs.
func (d *Discipline) sound() bool {
	s, n := &d.st, int16(len(d.refs))
	ok := s.Active >= -1 && s.Active < n && s.ChipRef >= -1 && s.ChipRef < n && s.Sync <= PTPLocked && s.Reason < reasonCount && s.Step < reasonCount &&
		(s.Sync <= RTCOnly || s.Active >= 0) && s.Anchor.sound() && s.Chip.sound()
	for _, v := range [...]int64{s.Mono, s.UTC, s.Slept, s.Slack, s.Steps, s.WokeMono, s.Before} {
		ok = ok && v >= 0 && v <= LatestUTC
	}
	for _, v := range [...]int64{s.Moved, s.Sum} {
		ok = ok && magnitude(v) <= LatestUTC
	}
	for i := range d.refs {
		r := &d.refs[i]
		ok = ok && r.Last.sound() && magnitude(r.Sum) <= LatestUTC && r.Doubled <= maxDoubled && r.Penalty >= 0 && r.Penalty <= latestInterval && r.Why < reasonCount &&
			r.PenaltyT >= 0 && r.UpT >= 0 && r.GoodT >= 0 && r.Goods >= 0
	}
	return ok
}

func (a *anchor) sound() bool {
	return a.AtT >= -LatestUTC && a.FromT >= -LatestUTC && a.Bound >= 0 && a.Drift >= 0 && a.Drift <= MaxDrift && magnitude(a.Sum) <= LatestUTC &&
		magnitude(a.Slack) <= LatestUTC && magnitude(a.UTC) <= LatestUTC
}
