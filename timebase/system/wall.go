// The wall clock, and what is known of how right it is.

package system

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// firstYear is the first year in which this code can run: a wall clock that is before it was never set.
const firstYear = 2024

// lastYear is the last whole year that a Discipline takes for one: what is later no wall clock was set to on purpose, and UTC in ns ends
// in 2262.
const lastYear = 2115

// discipline is what the operating system knows of its own wall clock.
type discipline struct {
	synced bool
	offset int64 // last measured, ns; above zero where the wall clock is ahead
	bound  int64 // greatest error, ns
	leap   int8  // 1: a second will be inserted, -1: one will be left out
}

type wall struct{ clock timebase.Clock }

// Wall returns the wall clock as seen against clock. On Linux it is NTP_SYNC of source "ntp", with the kernel's offset and
// maximum error, as long as the kernel calls its clock synchronised; else, and everywhere else, RTC_ONLY of source "host"; before
// 2024 or after 2115 it is UNSET of source "none". The kernel notices the loss of its reference only after hours, when its maximum error
// reaches 16 s: believe the bound, not the state. Inside containers, and with daemons that do not tell the kernel, it may
// never hear of a reference at all.
//
// For a clock of NewClock with a speed other than 1, UTC is the real one at the clock's creation and advances with the clock;
// such a time is RTC_ONLY of a source such as "host x10". Any number of goroutines may observe.
func Wall(clock timebase.Clock) timebase.Source { return wall{clock} }

// Observe implements timebase.Source.
func (w wall) Observe() timebase.Observation {
	c, own := ownClock(w.clock)
	if own && c.speed != 1 {
		mono := c.Now()
		o := judge(mono, c.base.Add(time.Duration(mono-1)), discipline{})
		if o.Sync != timebase.Unset {
			o.Source = fmt.Sprintf("host x%d", c.speed)
		}
		return o
	}
	d, _ := kernel()
	now := time.Now()
	if own {
		// One reading holds both times, so that nothing comes between them.
		return judge(c.at(now), now, d)
	}
	return judge(w.clock.Now(), now, d)
}

// ownClock finds what a clock of this package counts by.
func ownClock(c timebase.Clock) (*clock, bool) {
	if t, is := c.(*ThreadClock); is {
		return t.clock, true
	}
	own, is := c.(*clock)
	return own, is
}

// judge turns a time and what is known of it into an observation.
func judge(mono int64, utc time.Time, d discipline) timebase.Observation {
	o := timebase.Observation{Mono: mono, Sync: timebase.Unset, Source: "none"}
	if year := utc.UTC().Year(); year < firstYear || year > lastYear {
		return o
	}
	o.UTC, o.Sync, o.Source = utc.UnixNano(), timebase.RTCOnly, "host"
	if d.synced {
		o.Sync, o.Source, o.Offset, o.Bound = timebase.NTPSync, "ntp", d.offset, d.bound
	}
	return o
}
