// What a step costs as runs and materials grow, and what a snapshot costs.

package unitrun_test

import (
	"fmt"
	"testing"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/timebase"
)

var atZero = timebase.Stamp{UTC: zero}

// plant is n units, each with a run under way and a material in it, and n runs that wait to be finished.
func plant(b *testing.B, n int) *unitrun.Tracker {
	track := unitrun.NewTracker()
	do := func(e unitrun.Event) {
		if fx := track.Step(atZero, &e, nil); len(fx) == 0 || fx[0].Kind == unitrun.Refused {
			b.Fatalf("%+v: %v", e, fx)
		}
	}
	do(unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{Definitions: []unitrun.Definition{{Name: "P", Classes: []string{"c"}}}}})
	c := &unitrun.Config{}
	for u := range n {
		id := fmt.Sprint("U", u)
		s := unitrun.Slot{Definition: "P", Control: unitrun.ByBoth, AutoCreate: true, Post: true, Prefix: "B-",
			Ports: unitrun.Ports{Active: id + "/active"}, Capture: &unitrun.Capture{Tags: []string{"T"}, PeriodMS: 1000}}
		if c.Units = append(c.Units, unitrun.Unit{ID: id, Classes: []string{"c"}, Slots: []unitrun.Slot{s}}); len(c.Units) == 100 || u == n-1 {
			do(unitrun.Event{Kind: unitrun.Configure, Config: c})
			c = &unitrun.Config{}
		}
	}
	for u := range n {
		id := fmt.Sprint("U", u)
		do(unitrun.Event{Kind: unitrun.Arrive, Material: fmt.Sprint("M", u), Unit: id})
		do(unitrun.Event{Kind: unitrun.Start, Unit: id, Definition: "P"})
		do(unitrun.Event{Kind: unitrun.MakeReady, Unit: id, Definition: "P"})
		do(unitrun.Event{Kind: unitrun.Start, Unit: id, Definition: "P"})
		do(unitrun.Event{Kind: unitrun.Signal, Signals: []unitrun.Level{{Tag: id + "/active", High: true}}})
	}
	return track
}

var sizes = []int{10, 100, 1000, 10_000}

// BenchmarkStep is one round on one unit: pause and resume by signal, a value, a material that comes and goes, the end of a run and a new one.
func BenchmarkStep(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			track := plant(b, n)
			var fx []unitrun.Effect
			step := func(e unitrun.Event) {
				if fx = track.Step(atZero, &e, fx[:0]); len(fx) == 0 || fx[0].Kind == unitrun.Refused {
					b.Fatalf("%+v: %v", e, fx)
				}
			}
			low, high := make([]unitrun.Level, 1), make([]unitrun.Level, 1)
			data := []unitrun.Value{{Tag: "T", Value: "45.2", Quality: "GOOD"}}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				u := i * 7919 % n
				unit, next := fmt.Sprint("U", u), fmt.Sprint("U", (u+1)%n)
				s, _ := track.Stand(unit, "P")
				low[0], high[0] = unitrun.Level{Tag: unit + "/active"}, unitrun.Level{Tag: unit + "/active", High: true}
				step(unitrun.Event{Kind: unitrun.Signal, Signals: low})
				step(unitrun.Event{Kind: unitrun.Signal, Signals: high})
				step(unitrun.Event{Kind: unitrun.Sample, Run: s.Run, Data: data})
				step(unitrun.Event{Kind: unitrun.Move, Material: fmt.Sprint("M", u), Unit: next})
				step(unitrun.Event{Kind: unitrun.Move, Material: fmt.Sprint("M", u), Unit: unit})
				step(unitrun.Event{Kind: unitrun.MakeReady, Run: s.Run})
				step(unitrun.Event{Kind: unitrun.Finish, Run: s.Run})
				step(unitrun.Event{Kind: unitrun.Start, Unit: unit, Definition: "P"})
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8, "ns/event")
		})
	}
}

// BenchmarkCrowd has n materials in one unit: one moves on and comes back.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			track := plant(b, 2)
			step := func(e unitrun.Event) {
				if fx := track.Step(atZero, &e, nil); len(fx) == 0 || fx[0].Kind == unitrun.Refused {
					b.Fatalf("%+v: %v", e, fx)
				}
			}
			for i := range n {
				step(unitrun.Event{Kind: unitrun.Arrive, Material: fmt.Sprint("N", i), Unit: "U0"})
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				id := fmt.Sprint("N", i*7919%n)
				step(unitrun.Event{Kind: unitrun.Move, Material: id, Unit: "U1"})
				step(unitrun.Event{Kind: unitrun.Move, Material: id, Unit: "U0"})
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/event")
		})
	}
}

// BenchmarkSnapshot writes n runs, materials and units, and reads them again.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			track := plant(b, n)
			for b.Loop() {
				text, err := track.Snapshot(nil)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(text)))
				if _, err := unitrun.Restore(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
