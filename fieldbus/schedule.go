// Schedule: what is read next. Control by its deadlines, telemetry in what is left.

package fieldbus

import "math"

// Group is what is read in one exchange, or in a few that belong together.
type Group struct {
	Plane Plane
	Every int64 // ns from one reading to the next
	Cost  int64 // ns that the line is taken for it, as far as is known; it is learnt from what it took
}

// Schedule is the order of reads on one line. The zero value is not ready: use NewSchedule.
type Schedule struct{ groups []Group }

// NewSchedule makes a schedule of groups, all due at once.
func NewSchedule(groups []Group) *Schedule { return &Schedule{groups: groups} }

// Next gives the group to be read now, or -1 and the time of the next one.
func (s *Schedule) Next(at int64) (group int, when int64) { return -1, math.MaxInt64 }

// Done takes in that a group was read, from one time to another.
func (s *Schedule) Done(group int, from, to int64) {}
