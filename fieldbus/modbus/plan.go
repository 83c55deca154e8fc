// Plan: which blocks are read so that every point is, in few exchanges and none of them cut in two.

package modbus

import (
	"cmp"
	"slices"
)

// block is one read. It covers points[from:to] of a plan.
type block struct {
	table    Table
	first    uint16
	count    int // coils or registers
	from, to int
}

// plan is what a round reads.
type plan struct {
	points []*Point // by table and address
	blocks []block
}

// newPlan joins points of one table into one block where no more than gap registers that nobody asked for lie between them, or
// sixteen times as many coils, as long as the block fits an exchange.
func newPlan(points []Point, gap int) *plan {
	p := &plan{}
	for i := range points {
		p.points = append(p.points, &points[i])
	}
	slices.SortStableFunc(p.points, func(a, b *Point) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Address, b.Address))
	})
	for i, pt := range p.points {
		limit, hole := MaxRead, gap
		if pt.Table == Coil {
			limit, hole = MaxCoils, 16*gap
		}
		if n := len(p.blocks); n > 0 {
			b := &p.blocks[n-1]
			wide := b.with(pt)
			if b.table == pt.Table && wide.count <= limit && b.hole(pt) <= hole {
				*b = wide
				continue
			}
		}
		p.blocks = append(p.blocks, p.block(i, i+1))
	}
	return p
}

// block covers points[from:to], which are of one table.
func (p *plan) block(from, to int) block {
	b := block{table: p.points[from].Table, first: p.points[from].Address, from: from, to: from}
	for _, pt := range p.points[from:to] {
		b = b.with(pt)
	}
	return b
}

// with is the block and the point behind it.
func (b block) with(pt *Point) block {
	b.count = max(b.count, int(pt.Address)+pt.words()-int(b.first))
	b.to++
	return b
}

// hole gives how many addresses lie unused between the block and the point behind it.
func (b block) hole(pt *Point) int { return max(int(pt.Address)-int(b.first)-b.count, 0) }

// split cuts block i in two at its widest hole, and of equal ones at that nearest to the middle. It reports false where there is
// only one point left.
func (p *plan) split(i int) bool {
	b := p.blocks[i]
	if b.to-b.from < 2 {
		return false
	}
	middle, cut, widest := (b.from+b.to)/2, 0, -1
	head := p.block(b.from, b.from+1)
	for k := b.from + 1; k < b.to; k++ {
		hole := head.hole(p.points[k])
		if hole > widest || hole == widest && distance(k, middle) < distance(cut, middle) {
			cut, widest = k, hole
		}
		head = head.with(p.points[k])
	}
	p.blocks = slices.Replace(p.blocks, i, i+1, p.block(b.from, cut), p.block(cut, b.to))
	return true
}

func distance(a, b int) int { return max(a-b, b-a) }
