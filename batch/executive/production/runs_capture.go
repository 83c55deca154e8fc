// Data of unit runs: values at a period while a run is Active, in blocks that go on record.

package production

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Limits of what is captured. What was taken and is not in a block that is on record is lost with the process: that of blockAge
// and one period at most.
const (
	blockAge  = int64(5_000_000_000)     // ns from the first sample of a block until it goes on record
	blockRows = 512                      // values of a block
	blockSize = 24 << 10                 // bytes of a block
	minPeriod = int64(100_000_000)       // ns between two samples: the board shows no more of its values
	maxPeriod = int64(3_600_000_000_000) // ns between two samples
)

// everyRun stands for all runs.
const everyRun = "*"

// point is one tag that is captured.
type point struct {
	tag, channel string
	gain         quantity.Quantity
	places       int
}

// capture is the data of one run while it is Active.
type capture struct {
	run    string
	points []point
	period int64 // ns
	due    int64 // when the next samples are, on the clock
	over   bool  // no more are taken: what is there goes on record

	rows   []byte // of the block, one behind the other
	ends   []int  // where each ends
	since  int64  // when its first row was taken, on the clock
	missed int64  // samples that were not taken
	away   bool   // of some of its rows the board was not heard
	note   string // what is to be said besides
}

// captures are the runs whose data is captured, in order of their ids. They take the time from their caller and write nothing.
type captures struct {
	list []*capture
	from *readings
	text []string // of the block that is written
}

// find gives the place of a run.
func (c *captures) find(run string) (int, bool) {
	return slices.BinarySearchFunc(c.list, run, func(e *capture, run string) int { return cmp.Compare(e.run, run) })
}

// on begins to capture: the first samples are due at once. A note stands with the first block.
func (c *captures) on(run string, points []point, period, now int64, note string) {
	i, there := c.find(run)
	if !there {
		c.list = slices.Insert(c.list, i, &capture{run: run})
	}
	e := c.list[i]
	e.points, e.period, e.due, e.over, e.note = points, min(max(period, minPeriod), maxPeriod), now, false, note
}

// off ends it: what was taken is ripe.
func (c *captures) off(run string) {
	if i, there := c.find(run); there {
		c.list[i].over = true
		c.drop()
	}
}

// drop forgets runs that are over and of which all is on record.
func (c *captures) drop() {
	c.list = slices.DeleteFunc(c.list, func(e *capture) bool { return e.over && len(e.ends) == 0 && e.missed == 0 })
}

// tick takes all samples that are due at now, which is utc; with of not "", those of that run.
func (c *captures) tick(now, utc int64, of string) {
	for _, e := range c.list {
		if of == "" || e.run == of {
			c.sample(e, now, utc)
		}
	}
}

// ripe appends what is to go on record now: blocks that are full, old or the last of a run; with of not "", that of this run or
// of everyRun, whatever it has.
func (c *captures) ripe(dst []*capture, now int64, of string) []*capture {
	for _, e := range c.list {
		some := len(e.ends) > 0 || e.missed > 0
		if some && (e.over || e.run == of || of == everyRun || e.full() || now-e.since >= blockAge) {
			dst = append(dst, e)
		}
	}
	return dst
}

// written says that a block is on record.
func (c *captures) written(list []*capture) {
	for _, e := range list {
		e.rows, e.ends, e.missed, e.away, e.note = e.rows[:0], e.ends[:0], 0, false, ""
	}
	c.drop()
}

// next is when tick has something to do, on the clock; ok is false while nothing is captured.
func (c *captures) next() (at int64, ok bool) {
	for _, e := range c.list {
		next := e.due
		if len(e.ends) > 0 {
			next = min(next, e.since+blockAge)
		}
		if !ok || next < at {
			at, ok = next, true
		}
	}
	return at, ok
}

// full tells whether a block takes no more samples.
func (e *capture) full() bool {
	return len(e.ends)+len(e.points) > blockRows || len(e.rows) > blockSize
}

// sample takes the samples of a run that are due. Of those that are late by more than a period the newest is taken, and the
// others are counted, as are all while a block is full that could not be written.
func (c *captures) sample(e *capture, now, utc int64) {
	if e.over || now < e.due {
		return
	}
	late := (now - e.due) / e.period
	e.missed += late
	e.due += late * e.period
	at := int64(0)
	if utc > 0 {
		at = utc - (now - e.due)
	}
	e.due += e.period
	if len(e.ends) == 0 {
		e.since = now
	}
	if e.full() {
		e.missed++
		return
	}
	for i := range e.points {
		p := &e.points[i]
		value, quality := c.from.of(p.channel, p.gain, p.places)
		e.away = e.away || quality == staleValue
		e.rows = appendRow(e.rows, at, p.tag, value, quality)
		e.ends = append(e.ends, len(e.rows))
	}
}

// appendRow writes one value as run_data has it.
func appendRow(dst []byte, at int64, tag, value, quality string) []byte {
	dst = strconv.AppendInt(dst, at, 10)
	dst = append(append(dst, ' '), tag...)
	dst = append(append(dst, ' '), value...)
	return append(append(dst, ' '), quality...)
}

// fill gives the record of a block. The texts that it lends are good until another fill is called.
func (c *captures) fill(e *capture) func(b *record.Body) {
	return func(b *record.Body) {
		all, from := string(e.rows), 0
		c.text = c.text[:0]
		for _, end := range e.ends {
			c.text = append(c.text, all[from:end])
			from = end
		}
		b.Begin(record.KindUnitRunData)
		b.Text(record.RunID, e.run)
		b.Texts(record.RunData, c.text)
		if detail := e.lost(); detail != "" {
			b.Text(record.Detail, detail)
		}
	}
}

// lost says what is missing of a block.
func (e *capture) lost() string {
	var list []string
	if e.note != "" {
		list = append(list, e.note)
	}
	if e.missed > 0 {
		list = append(list, fmt.Sprintf("%d samples were not taken: nobody came in time, or the block before could not be written", e.missed))
	}
	if e.away {
		list = append(list, "the board was not heard for a time: what was not is STALE")
	}
	return strings.Join(list, "; ")
}
