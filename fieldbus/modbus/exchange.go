// Exchanges: reads of many points in few requests, writes of one, and what an exception is about.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// group is what a list of points is kept by.
type group struct {
	first *fieldbus.Point
	n     int
}

// reads are the requests for a list of points.
type reads struct {
	points []*fieldbus.Point
	layout *layout
	asked  []Read // one for each chunk
	blind  []int  // places in the list of points that cannot be read
}

// of gives the requests for a list of points, and keeps them for the next time.
func (d *Device) of(points []*fieldbus.Point) (*reads, error) {
	if len(points) == 0 {
		return &reads{layout: &layout{}}, nil
	}
	key := group{points[0], len(points)}
	if r := d.layouts[key]; r != nil && slices.Equal(r.points, points) {
		return r, nil
	}
	r := &reads{points: slices.Clone(points)}
	var places []*place
	for i, pt := range points {
		p, err := d.place(pt)
		if err != nil {
			return nil, err
		}
		if places = append(places, p); p.access == fieldbus.WriteOnly {
			r.blind = append(r.blind, i)
		}
	}
	r.layout = newLayout(places, &d.rules)
	for _, s := range r.layout.chunks {
		r.asked = append(r.asked, Read{Unit: d.unit, Table: s.table, Address: uint16(s.first), Out: make([]uint16, s.count)})
	}
	if len(d.layouts) > 4*len(d.places) {
		clear(d.layouts)
	}
	d.layouts[key] = r
	return r, nil
}

// place finds a point.
func (d *Device) place(pt *fieldbus.Point) (*place, error) {
	if pt == nil || pt.Index < 0 || pt.Index >= len(d.places) || d.places[pt.Index].name != pt.Name {
		return nil, fmt.Errorf("modbus: device %q: %w: not one of profile %q; give the points of that", d.name, fieldbus.ErrPoint, d.profile.ID)
	}
	return &d.places[pt.Index], nil
}

// Plan implements line.Planner: each group is read in one exchange. Points that are write-only are a group by themselves, without one.
func (d *Device) Plan(points []*fieldbus.Point) (groups [][]int) {
	r, err := d.of(points)
	if err != nil {
		all := make([]int, len(points)) // Read refuses them
		for i := range all {
			all[i] = i
		}
		return [][]int{all}
	}
	for _, s := range r.layout.chunks {
		groups = append(groups, slices.Clone(r.layout.order[s.from:s.to]))
	}
	if len(r.blind) > 0 {
		groups = append(groups, slices.Clone(r.blind))
	}
	return groups
}

// Read implements line.Device. It allocates nothing where the points are those of an earlier call.
func (d *Device) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	if len(points) != len(out) {
		return fmt.Errorf("modbus: device %q: %w: %d points and room for %d readings", d.name, fieldbus.ErrPoint, len(points), len(out))
	}
	r, err := d.of(points)
	if err != nil {
		return err
	}
	for _, i := range r.blind {
		out[i] = d.places[points[i].Index].bad(fieldbus.StatusNotReadable)
	}
	if err := d.ask(ctx, r.asked); err != nil {
		return err
	}
	var refused error
	for i := range r.asked {
		if err := d.take(r, i, out); err != nil && (refused == nil || !errors.Is(err, fieldbus.ErrPlan)) {
			refused = err
		}
	}
	return refused
}

// ask carries out the reads: with pauses one by one, else as many at a time as the device bears.
func (d *Device) ask(ctx context.Context, asked []Read) error {
	size := max(len(asked), 1)
	if d.limits.Pause > 0 {
		size = 1
	}
	for from := 0; from < len(asked); from += size {
		c, err := d.begin(ctx)
		if err != nil {
			return err
		}
		err = c.ReadAll(ctx, asked[from:min(from+size, len(asked))])
		d.end()
		if err != nil {
			return fmt.Errorf("device %q: %w", d.name, err)
		}
	}
	return nil
}

// take makes readings of what came of one read.
func (d *Device) take(r *reads, i int, out []fieldbus.Reading) error {
	asked, s := &r.asked[i], &r.layout.chunks[i]
	places := r.layout.order[s.from:s.to]
	if asked.Err == nil {
		for _, k := range places {
			p := r.layout.places[k]
			out[k] = p.reading(asked.Out[p.first-s.first:])
		}
		return nil
	}
	e, _ := errors.AsType[Exception](asked.Err) // ReadAll would have returned any other
	status := fieldbus.StatusDeviceFailure
	switch e {
	case NoPath, NoResponse:
		return fmt.Errorf("device %q: %w", d.name, asked.Err)
	case IllegalAddress, IllegalValue:
		if g, ok := r.layout.widest(s); ok {
			d.rules.gaps = append(d.rules.gaps, g)
			clear(d.layouts)
			return fmt.Errorf("device %q: %w, cut at %v %d: %w", d.name, fieldbus.ErrPlan, g.table, g.to, asked.Err)
		}
		status = fieldbus.StatusConfigurationError
	case IllegalFunction:
		status = fieldbus.StatusConfigurationError
	}
	for _, k := range places {
		out[k] = r.layout.places[k].bad(status)
	}
	return nil
}

// Write implements line.Device. A bit of a register is written by function 22, so that no other bit of it changes; a device that does not
// know that refuses it, and it is never done by reading and writing the whole.
func (d *Device) Write(ctx context.Context, point *fieldbus.Point, form tag.Form, bits uint64) error {
	p, err := d.place(point)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var buf [4]uint16
	words, err := p.registers(form, bits, &buf)
	if err != nil {
		return fmt.Errorf("modbus: device %q: point %q: %w: %w", d.name, p.name, ErrRefused, err)
	}
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer d.end()
	address := uint16(p.first)
	switch {
	case p.table == Coil:
		err = c.WriteCoil(ctx, d.unit, address, words[0] == 1)
	case p.bit >= 0:
		err = c.MaskWrite(ctx, d.unit, address, ^(uint16(1) << p.bit), words[0]<<p.bit)
	case p.count == 1:
		err = c.WriteRegister(ctx, d.unit, address, words[0])
	default:
		err = c.WriteRegisters(ctx, d.unit, address, words)
	}
	if err != nil {
		return fmt.Errorf("device %q: point %q: %w", d.name, p.name, err)
	}
	return nil
}

// Text implements line.Texter.
func (d *Device) Text(ctx context.Context, point *fieldbus.Point) (string, error) {
	p, err := d.place(point)
	if err != nil {
		return "", err
	}
	if p.kind != fieldbus.String {
		return "", fmt.Errorf("modbus: device %q: point %q: %w: not a string", d.name, p.name, fieldbus.ErrPoint)
	}
	asked := []Read{{Unit: d.unit, Table: p.table, Address: uint16(p.first), Out: make([]uint16, p.count)}}
	if err := d.ask(ctx, asked); err != nil {
		return "", err
	}
	if e, ok := errors.AsType[Exception](asked[0].Err); ok && e != NoPath && e != NoResponse {
		return "", fmt.Errorf("device %q: point %q: %w: %w", d.name, p.name, fieldbus.ErrPoint, e)
	} else if ok {
		return "", fmt.Errorf("device %q: point %q: %w", d.name, p.name, asked[0].Err)
	}
	text, err := p.text(asked[0].Out)
	if err != nil {
		return "", fmt.Errorf("modbus: device %q: point %q: %w: %w", d.name, p.name, fieldbus.ErrPoint, err)
	}
	return text, nil
}
