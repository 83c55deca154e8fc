// What a line knows of one device: its link, what is to be done for it next, and the groups in which its points are read.

package line

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/fieldbus"
)

// device is one device of a line. It belongs to who has the turn.
type device struct {
	def       *fieldbus.Device
	name      string
	driver    Device
	planner   Planner // nil where the driver is none
	prover    Prover
	texter    Texter
	endpoints []string
	link      *fieldbus.Link
	fx        []fieldbus.LinkEffect
	channels  []*channel
	groups    []*group

	path      int                // by which it is, or was, connected
	ctx       context.Context    // of the session
	cancel    context.CancelFunc // nil: there is no session
	scanned   bool               // its groups are in the schedule
	known     bool               // it was identified in this session
	synced    int                // groups that were read in this Syncing
	plans     int                // plans made anew in this session
	disown    bool               // its channels were emitted Bad, and none has counted since
	fresh     bool               // nothing was emitted of it since Watch began
	held      bool               // as the link was told
	quiet     int64              // of silence, after which it may be another one
	alive     int64              // when it answered last; 0: never
	job       job
	beat      beat
	latency   latency
	connected bool  // under mu too
	view      State // under mu
}

// job is what a link wants done.
type job struct {
	kind  fieldbus.LinkEffectKind // Open, Sync or Probe; 0: nothing
	order uint64                  // who asked first
	after int64                   // not before
}

// group is points that are read together.
type group struct {
	dev      *device
	class    *fieldbus.Class
	points   []*fieldbus.Point
	out      []fieldbus.Reading
	channels []*channel
	places   []int // of each channel, in points
	index    int   // in the schedule
	from, to int64 // when it was read last
}

// errPlan is why a plan is refused.
var errPlan = errors.New("the driver's plan does not have each point once")

// plan groups the device's points: by class, and within it as the driver wants.
func (d *device) plan(classes []fieldbus.Class) error {
	groups := make([]*group, 0, len(d.groups))
	for i := range classes {
		all := &group{dev: d, class: &classes[i]}
		for _, c := range d.channels {
			if c.tag.Class == i && c.point.Access != fieldbus.WriteOnly {
				all.add(c)
			}
		}
		if len(all.points) == 0 {
			continue
		}
		all.out = make([]fieldbus.Reading, len(all.points))
		if d.planner == nil {
			groups = append(groups, all)
			continue
		}
		parts, err := all.split(d.planner.Plan(all.points))
		if err != nil {
			return fmt.Errorf("line: device %q: class %q: %w; mend the driver", d.name, all.class.Name, err)
		}
		groups = append(groups, parts...)
	}
	d.groups = groups
	d.quiet = swapTime
	if len(groups) > 0 {
		d.quiet = max(d.quiet, stillBeats*slices.MinFunc(groups, byPeriod).class.Every)
	}
	return nil
}

func byPeriod(a, b *group) int { return cmp.Compare(a.class.Every, b.class.Every) }

// add takes a channel into a group; two channels of one point are read once.
func (g *group) add(c *channel) {
	place := len(g.points)
	for i, p := range g.points {
		if p == c.point {
			place = i
		}
	}
	if place == len(g.points) {
		g.points = append(g.points, c.point)
	}
	g.channels, g.places = append(g.channels, c), append(g.places, place)
}

// split makes groups of what a driver says of g's points.
func (g *group) split(plan [][]int) ([]*group, error) {
	groups := make([]*group, 0, len(plan))
	owner := make([]*group, len(g.points))
	for _, part := range plan {
		one := &group{dev: g.dev, class: g.class, out: make([]fieldbus.Reading, len(part))}
		for _, i := range part {
			if i < 0 || i >= len(owner) || owner[i] != nil {
				return nil, errPlan
			}
			owner[i] = one
			one.points = append(one.points, g.points[i])
		}
		if len(part) > 0 {
			groups = append(groups, one)
		}
	}
	for i, c := range g.channels {
		one := owner[g.places[i]]
		if one == nil {
			return nil, errPlan
		}
		one.add(c)
	}
	for _, one := range owner {
		if one == nil {
			return nil, errPlan
		}
	}
	return groups, nil
}

// exchanges is how many of them a read of the group may take.
func (g *group) exchanges() int {
	if g.dev.planner != nil {
		return 1
	}
	return len(g.points)
}

// control gives the n-th group of the control plane, or nil.
func (d *device) control(n int) *group {
	for _, g := range d.groups {
		if g.class.Plane != fieldbus.Control {
			continue
		}
		if n == 0 {
			return g
		}
		n--
	}
	return nil
}

// tags counts the control tags.
func (d *device) tags() (n int) {
	for _, g := range d.groups {
		if g.class.Plane == fieldbus.Control {
			n += len(g.channels)
		}
	}
	return n
}

// session gives the context of the session, a new one where the last exchange had to be ended.
func (d *device) session(ctx context.Context) context.Context {
	if d.cancel == nil || d.ctx.Err() != nil {
		d.end()
		d.ctx, d.cancel = context.WithCancel(ctx)
	}
	return d.ctx
}

// why says of an error of the driver that it is the line that ended its call.
func (d *device) why(err error) error {
	if d.cancel != nil && d.ctx.Err() != nil {
		return fmt.Errorf("its driver did not return in time: %w", err)
	}
	return err
}

// end ends the session's context.
func (d *device) end() {
	if d.cancel != nil {
		d.cancel()
		d.cancel = nil
	}
}

// endpoint gives the endpoint of a path that a link names by its number.
func (d *device) endpoint(path string) string {
	if n, err := strconv.Atoi(path); err == nil && n >= 0 && n < len(d.endpoints) {
		return d.endpoints[n]
	}
	return path
}
