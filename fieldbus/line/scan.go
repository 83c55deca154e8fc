// Scan: the groups of all devices in the order of the schedule.

package line

import "github.com/batchkit/batchkit/fieldbus"

// scan is what is read when. Groups of devices whose values do not count are left out.
type scan struct {
	schedule *fieldbus.Schedule
	groups   []*group
}

// build takes in the groups of all devices anew.
func (s *scan) build(devices []*device, now int64) {
	s.groups = s.groups[:0]
	for _, d := range devices {
		s.groups = append(s.groups, d.groups...)
	}
	plan := make([]fieldbus.Group, len(s.groups))
	for i, g := range s.groups {
		g.index = i
		plan[i] = fieldbus.Group{Plane: g.class.Plane, Every: g.class.Every}
	}
	if s.schedule == nil {
		s.schedule = fieldbus.NewSchedule(plan)
	} else {
		s.schedule.Plan(plan, now)
	}
	for _, d := range devices {
		for _, g := range d.groups {
			s.schedule.Scan(g.index, d.scanned, now)
		}
	}
}

// set puts a device into the scan, all due at once, or takes it out.
func (s *scan) set(d *device, on bool, now int64) {
	if d.scanned == on {
		return
	}
	d.scanned = on
	for _, g := range d.groups {
		s.schedule.Scan(g.index, on, now)
	}
}

// next gives the group to be read now, or when there is one.
func (s *scan) next(now int64) (*group, int64) {
	i, when := s.schedule.Next(now)
	if i < 0 || i >= len(s.groups) {
		return nil, when
	}
	return s.groups[i], when
}
