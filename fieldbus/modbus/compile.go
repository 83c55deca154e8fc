// Compile: a profile's points and limits against what the protocol has.

package modbus

import (
	"errors"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
)

// maxWait is the longest of the times of a profile.
const maxWait = int64(time.Minute)

// compile makes places and rules of the profile, and returns all that is wrong with it.
func (d *Device) compile() (wrong []error) {
	if d.profile.Protocol != Protocol {
		wrong = append(wrong, fmt.Errorf("protocol %q: this driver has %q", short(d.profile.Protocol), Protocol))
	}
	for _, s := range d.profile.Settings {
		wrong = append(wrong, fmt.Errorf("setting %q: Modbus has none", short(s.Key)))
	}
	wrong = append(wrong, d.limit()...)
	for i := range d.profile.Points {
		pt := &d.profile.Points[i]
		p, err := newPlace(pt)
		if pt.Index != i {
			err = errors.Join(err, fmt.Errorf("index %d: its place in the profile is %d", pt.Index, i))
		}
		if err == nil {
			err = d.bears(&p)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("point %q: %w", short(pt.Name), err))
		}
		d.places = append(d.places, p)
	}
	return wrong
}

// limit takes the limits over, and puts the protocol's in place of zeros.
func (d *Device) limit() (wrong []error) {
	l := &d.limits
	count := func(what string, n *int, most, zero int) {
		if *n < 0 || *n > most {
			wrong = append(wrong, fmt.Errorf("%s %d: must be 1 to %d, or 0 for what the protocol allows", what, *n, most))
		}
		if *n == 0 {
			*n = zero
		}
	}
	count("read_registers", &l.ReadRegisters, MaxRead, MaxRead)
	count("read_bits", &l.ReadBits, MaxCoils, MaxCoils)
	count("write_registers", &l.WriteRegisters, MaxWrite, MaxWrite)
	count("write_bits", &l.WriteBits, MaxWriteCoils, MaxWriteCoils)
	count("in_flight", &l.InFlight, MaxInFlight, 1)
	for _, t := range []struct {
		what string
		ns   int64
	}{{"pause", l.Pause}, {"connect_pause", l.ConnectPause}, {"response", l.Response}} {
		if t.ns < 0 || t.ns > maxWait {
			wrong = append(wrong, fmt.Errorf("%s %v: must be 0 to %v", t.what, time.Duration(t.ns), time.Duration(maxWait)))
		}
	}
	if l.Pause > 0 && l.InFlight > 1 {
		wrong = append(wrong, fmt.Errorf("pause %v with %d in flight: exchanges that overlap have no pause between them; leave one out",
			time.Duration(l.Pause), l.InFlight))
	}
	d.rules = rules{registers: l.ReadRegisters, bits: l.ReadBits, hole: l.Hole}
	switch {
	case l.Hole < -1 || l.Hole > MaxRead:
		wrong = append(wrong, fmt.Errorf("hole %d: must be 1 to %d, -1 (in a profile: none) for none, or 0 (left out) for what the line works out", l.Hole, MaxRead))
	case l.Hole == -1:
		d.rules.hole = 0
	case l.Hole == 0 && d.opt.Hole > 0:
		d.rules.hole = d.opt.Hole
	case l.Hole == 0 && d.opt.Bus != nil:
		d.rules.hole = busHole
	case l.Hole == 0:
		d.rules.hole = MaxRead
	}
	for _, text := range l.Absent {
		g, err := newGap(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("absent: %w", err))
			continue
		}
		d.rules.gaps = append(d.rules.gaps, g)
	}
	return wrong
}

// bears refuses a place that the limits do not allow.
func (d *Device) bears(p *place) error {
	var wrong []error
	if (p.table == Holding || p.table == Input) && p.count > d.limits.ReadRegisters && p.access != fieldbus.WriteOnly {
		wrong = append(wrong, fmt.Errorf("takes %d registers, and read_registers is %d: a value is never read in two", p.count, d.limits.ReadRegisters))
	}
	if p.table == Holding && p.access != fieldbus.ReadOnly && p.count > d.limits.WriteRegisters {
		wrong = append(wrong, fmt.Errorf("takes %d registers, and write_registers is %d: a value is never written in two", p.count, d.limits.WriteRegisters))
	}
	for _, g := range d.rules.gaps {
		if g.table == p.table && p.first < g.to && p.end() > g.from {
			wrong = append(wrong, fmt.Errorf("lies in %v %d..%d, which is said to be absent", g.table, g.from, g.to-1))
		}
	}
	return errors.Join(wrong...)
}
