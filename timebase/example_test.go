// The examples of package timebase: a dual stamp, a reference that is lost, and deadlines in their order.

package timebase_test

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

func Example() {
	var keeper timebase.Keeper
	show := func(mono int64) {
		s := keeper.Stamp(mono)
		fmt.Println(s.Mono, s.Sync, s.Source, time.Unix(0, s.UTC).UTC().Format(time.TimeOnly), time.Duration(s.Bound))
	}
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixNano()
	second := int64(time.Second)

	show(1 * second)
	keeper.Observe(timebase.Observation{Mono: 2 * second, UTC: noon, Sync: timebase.NTPSync, Source: "ntp", Bound: 4_000_000})
	show(12 * second)
	moved, step := keeper.Observe(timebase.Observation{Mono: 12 * second, UTC: noon, Sync: timebase.RTCOnly, Source: "host"})
	fmt.Println("moved by", time.Duration(moved), step, keeper.Steps())
	show(13 * second)
	// Output:
	// 1000000000 UNSET none 00:00:00 0s
	// 12000000000 NTP_SYNC ntp 12:00:10 5ms
	// moved by -10s true 1
	// 13000000000 RTC_ONLY host 12:00:01 0s
}

// A reference is good for long enough, falls silent although it still calls itself good, and how far the wall clock may be wrong grows.
func ExampleDiscipline() {
	d, err := timebase.NewDiscipline(&timebase.Config{Refs: []timebase.Ref{{Name: "chrony", Kind: timebase.NTP, MaxAge: int64(time.Minute)}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	second := int64(time.Second)
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixNano()
	heard := int64(0)
	var told []timebase.Change
	for at := int64(100); at < 600; at++ {
		if at < 200 {
			heard = at * second // later nothing comes from behind chronyd, whatever it says
		}
		told = d.Step(&timebase.Look{Mono: at * second, UTC: start + at*second, Reading: timebase.Reading{
			Mono: at * second, UTC: start + at*second, Good: true, Heard: heard, Bound: 2_000_000}}, told[:0])
		for _, c := range told {
			fmt.Println(at, c.Ref, c.Reason, "from", c.From.Sync, "to", c.To.Sync, time.Duration(c.To.Bound).Round(time.Millisecond))
		}
	}
	now := d.Status()
	fmt.Println(now.Sync, now.Source, time.Duration(now.Age), time.Duration(now.Bound).Round(time.Millisecond))
	// Output:
	// 105 chrony raised from UNSET to NTP_SYNC 2ms
	// 260 chrony silent from NTP_SYNC to HOLDOVER 8ms
	// HOLDOVER chrony 6m40s 42ms
}

func ExampleQueue() {
	const debounce, stale, escape = 0, 1, 2
	q := timebase.NewQueue(3)
	q.Set(escape, 30)
	q.Set(stale, 30)
	q.Set(debounce, 40)
	q.Set(debounce, 20) // in place of 40
	for due, owner := q.Next(); due != timebase.Never; due, owner = q.Next() {
		fmt.Println(due, owner)
		q.Clear(owner)
	}
	// Output:
	// 20 0
	// 30 1
	// 30 2
}
