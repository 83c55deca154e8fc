// This file reads what a map file says of the wall clock.

package iomap

import "github.com/batchkit/batchkit/internal/strictyaml"

// maxOrderTolerance is the greatest order_tolerance in ns.
const maxOrderTolerance = 3_600_000_000_000

func (r *reader) time(n strictyaml.Node) {
	f := n.Map()
	tolerance := f.Req("order_tolerance")
	f.Done()
	ns := timeOf(tolerance)
	if ns != 0 && (ns > maxOrderTolerance || ns%1_000_000 != 0) {
		tolerance.Errorf("order_tolerance %q must be 1 ms to 1 h, in whole milliseconds", tolerance.Str())
		return
	}
	if ns != 0 {
		r.m.OrderTolerance = ns
	}
}
