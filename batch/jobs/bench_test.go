// What a decision costs as the list grows.

package jobs_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/timebase"
)

// bench is a list of n idle jobs of many recipes behind one that runs.
type bench struct {
	l    *jobs.List
	fx   []jobs.Effect
	jobs []string
	news []jobs.Event
}

func (b *bench) do(ev jobs.Event) []jobs.Effect {
	b.fx = b.l.Step(timebase.Stamp{}, &ev, b.fx[:0])
	return b.fx
}

// newBench lists n jobs of n/10 recipes, so that ten jobs each have one; every other one has a neighbour of its recipe.
func newBench(n int, rules jobs.Rules) *bench {
	b := &bench{l: jobs.NewList("")}
	b.do(jobs.Event{Kind: jobs.Configure, Rules: &rules})
	kinds := max(n/10, 1)
	for i := range kinds {
		b.do(jobs.Event{Kind: jobs.Recipe, Recipe: &jobs.RecipeInfo{Recipe: fmt.Sprint("R", i), Product: "P"}})
	}
	b.do(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: "R0"}}})
	b.answer()
	for i := range n {
		b.do(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: fmt.Sprint("R", i/2%kinds), Amount: 3}}})
	}
	for _, j := range b.l.Jobs() {
		if j.Kind == jobs.Production {
			b.jobs = append(b.jobs, j.ID)
		}
	}
	return b
}

// answer says of every set-up that there is nothing to do.
func (b *bench) answer() {
	b.hear()
	for len(b.news) > 0 && b.news[0].Kind == jobs.Content {
		b.say(func(ev jobs.Event) { b.do(ev) })
	}
}

// hear notes what a plant would answer to the last event.
func (b *bench) hear() {
	for _, e := range b.fx {
		switch {
		case e.Kind == jobs.AskContent:
			b.news = append(b.news, jobs.Event{Kind: jobs.Content, Job: e.Job})
		case e.Kind == jobs.Ordered && e.Do == jobs.Start:
			b.news = append(b.news, jobs.Event{Kind: jobs.Process, Process: e.Process, State: jobs.Running},
				jobs.Event{Kind: jobs.Process, Process: e.Process, State: jobs.Success})
		}
	}
}

// say says the next of these answers.
func (b *bench) say(timed func(ev jobs.Event)) {
	ev := b.news[0]
	b.news = b.news[1:]
	timed(ev)
	b.hear()
}

// rounds are pieces of the day of a list: what is timed is one event.
var rounds = []struct {
	name  string
	rules jobs.Rules
	do    func(b *bench, i int, timed func(ev jobs.Event))
}{
	{"a process begins and ends", jobs.Rules{Scheduler: jobs.Parallel, Slots: 1}, func(b *bench, i int, timed func(ev jobs.Event)) {
		b.say(timed)
		b.say(timed)
	}},
	{"a job is added behind", jobs.Rules{Scheduler: jobs.Seamless}, func(b *bench, i int, timed func(ev jobs.Event)) {
		timed(jobs.Event{Kind: jobs.Add, Orders: []jobs.Order{{Recipe: "R1", Amount: 1}}})
		b.jobs = append(b.jobs, b.fx[0].Job)
	}},
	{"a job is added in the middle", jobs.Rules{Scheduler: jobs.Seamless}, func(b *bench, i int, timed func(ev jobs.Event)) {
		timed(jobs.Event{Kind: jobs.Add, Place: jobs.Before, Job: b.jobs[len(b.jobs)/2], Orders: []jobs.Order{{Recipe: "R1", Amount: 1}}})
		b.jobs = append(b.jobs, b.fx[0].Job)
	}},
	{"an idle job is completed", jobs.Rules{Scheduler: jobs.Parallel, Slots: 1}, func(b *bench, i int, timed func(ev jobs.Event)) {
		k := 1 + i*7919%(len(b.jobs)-1)
		timed(jobs.Event{Kind: jobs.Complete, Job: b.jobs[k]})
		b.jobs[k] = b.jobs[len(b.jobs)-1]
		b.jobs = b.jobs[:len(b.jobs)-1]
	}},
	{"the list is worked off, group by group", jobs.Rules{Scheduler: jobs.Parallel, Slots: 1}, func(b *bench, i int, timed func(ev jobs.Event)) {
		if i == 0 {
			b.do(jobs.Event{Kind: jobs.Complete, Job: b.jobs[0]})
			b.news = []jobs.Event{{Kind: jobs.Process, Process: b.jobs[0] + "-0001", State: jobs.Discarded}}
			b.hear()
		}
		b.say(timed)
	}},
}

// BenchmarkStep times single events in lists of n jobs: the median of each kind of round, how many times that of a list of a hundred it is, and
// the 99th of a hundred.
func BenchmarkStep(b *testing.B) {
	for _, r := range rounds {
		base := 0.0
		for _, n := range []int{100, 1000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", r.name, n), func(b *testing.B) {
				l := newBench(n, r.rules)
				var took []time.Duration
				timed := func(ev jobs.Event) {
					from := time.Now()
					l.do(ev)
					took = append(took, time.Since(from))
				}
				runtime.GC() // what the list is made of is no part of a decision
				b.ResetTimer()
				for i := range min(b.N, n/4) {
					r.do(l, i, timed)
				}
				slices.Sort(took)
				median := float64(took[len(took)/2].Nanoseconds())
				if n == 100 {
					base = median
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(median, "ns-median")
				b.ReportMetric(median/base, "times-100-jobs")
				b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "ns-99th")
			})
		}
	}
}
