// Package haltest holds a device against the contract that package hal, or tag.Port, declares for it: as a unit test, as a check of a
// new board, and when a plant is commissioned.
//
// Start with [Port], if the board is one, or with the suite that has the name of the contract: [FRAM], [RTC], [Input], [Output],
// [RS485], [RS232], [Watchdog], [Power], [Signer], [Counter]. Each takes a ctx that has a deadline, a device, and options that may be
// nil, and returns a [Report] and one error that joins every [Breach] that was found. A fixture that can do more than the device
// itself - cut its power, close the loop from an output to an input - is handed over in the options; what a suite cannot check
// without one stands in Report.NotChecked and is never passed in silence.
//
// The rule that must not be broken: a suite leaves the device as it found it. What it overwrites it restores, outputs go back to what
// they were, and what cannot be undone - a bite of a watchdog, counts of a counter, a device closed for good - is asked for by an
// option.
//
// A suite proves nothing about what it had no fixture for, and nothing about the next device of the same type.
package haltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrNoDeadline is returned, alone, by a suite whose ctx has no deadline: a device that hangs would then hang its suite.
var ErrNoDeadline = errors.New("haltest: ctx has no deadline, give it one: a device that hangs is found by it")

// Clock is the clock on which a device lives. Now is monotonic ns, and Wait returns when Now is at least until, or with the error of
// ctx. Where options leave it out time is that of the process, whose zero no device knows: what has to be compared with the stamps of
// a device is then not checked. A simulated board is the clock of its devices.
type Clock interface {
	Now() int64
	Wait(ctx context.Context, until int64) error
}

// PowerSwitch takes the supply away from a device and gives it back. PowerOn returns when the device may be used again.
type PowerSwitch interface {
	PowerOff(ctx context.Context) error
	PowerOn(ctx context.Context) error
}

// Report is what a suite has found, for sign-off. All slices are in the order in which the suite went.
type Report struct {
	Contract   string   `json:"contract"`    // the name of the suite, such as "FRAM"
	Device     string   `json:"device"`      // the name that the options gave
	Kept       []string `json:"kept"`        // promises that were checked and kept, in words
	Broken     []Breach `json:"broken"`      // the others
	NotChecked []string `json:"not_checked"` // what was not checked, and what it would take
	Figures    []Figure `json:"figures"`     // what was measured
}

// Passed tells whether no promise was broken; some may not have been checked.
func (r *Report) Passed() bool { return len(r.Broken) == 0 }

// Figure is one measured quantity. Its name ends in its unit; times are whole ns.
type Figure struct {
	Name  string `json:"name"`  // such as "write_64_bytes_ns"
	Count int    `json:"count"` // how many values it is made of
	Min   int64  `json:"min"`
	P50   int64  `json:"p50"`
	P99   int64  `json:"p99"`
	Max   int64  `json:"max"`
}

// Breach is one promise that a device has broken.
type Breach struct {
	Contract string `json:"contract"`
	Device   string `json:"device"`
	Promise  string `json:"promise"` // as the contract has it
	Seen     string `json:"seen"`    // what happened instead
	Remedy   string `json:"remedy"`  // what to look at first
}

// Error says all of it.
func (b *Breach) Error() string {
	return fmt.Sprintf("haltest: %s %q: broken: %s; seen: %s; do: %s", b.Contract, b.Device, b.Promise, b.Seen, b.Remedy)
}

// suite is one run of a suite.
type suite struct {
	ctx    context.Context
	clock  Clock
	own    bool // the clock is the process's, which no device knows
	mu     sync.Mutex
	report Report
	gone   bool          // ctx has ended, or a check hangs
	slow   time.Duration // for which restore waits, where that is more than grace
}

// begin starts a suite. A nil suite comes with the error to return.
func begin(ctx context.Context, contract, device string, clock Clock) (*suite, error) {
	if _, ok := ctx.Deadline(); !ok {
		return nil, ErrNoDeadline
	}
	s := &suite{ctx: ctx, clock: clock, report: Report{Contract: contract, Device: device,
		Kept: []string{}, Broken: []Breach{}, NotChecked: []string{}, Figures: []Figure{}}}
	if clock == nil {
		s.clock, s.own = &processClock{base: time.Now()}, true
	}
	return s, nil
}

// end returns what was found.
func (s *suite) end() (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.report
	r.Kept, r.Broken = slices.Clone(r.Kept), slices.Clone(r.Broken)
	r.NotChecked, r.Figures = slices.Clone(r.NotChecked), slices.Clone(r.Figures)
	var errs []error
	for i := range r.Broken {
		errs = append(errs, &r.Broken[i])
	}
	if err := s.ctx.Err(); err != nil {
		errs = append(errs, fmt.Errorf("haltest: %s %q: not finished, give it more time: %w", r.Contract, r.Device, err))
	}
	return r, errors.Join(errs...)
}

// check holds one promise; what look returns is what was seen instead. It waits for look until ctx ends: a look that hangs beyond it
// is left behind, since nothing can call it off. It tells whether the promise was kept.
func (s *suite) check(promise, remedy string, look func() error) bool {
	if s.over() {
		s.skip(promise, "more time: ctx had ended before it was its turn")
		return false
	}
	return s.judge(promise, remedy, look, grace)
}

// restore is check for what has to be done even where ctx has ended, or where a call hangs: a valve may be open. It then has as long as
// grace, or slow. Where a call hangs nobody knows what comes after it, and so it is not said to be done.
func (s *suite) restore(promise, remedy string, look func() error) {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if s.judge(promise, remedy, look, max(s.slow, grace)) && gone {
		s.mu.Lock()
		s.report.Kept = s.report.Kept[:len(s.report.Kept)-1]
		s.mu.Unlock()
		s.skip(promise, "a device that answers: it was tried, and what hangs may come after it")
	}
}

// judge runs look, for so long beyond the end of ctx at most.
func (s *suite) judge(promise, remedy string, look func() error, beyond time.Duration) bool {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("a panic: %v", p)
			}
		}()
		done <- look()
	}()
	var seen error
	select {
	case seen = <-done:
	case <-s.ctx.Done():
		select {
		case seen = <-done:
		case <-time.After(beyond):
			seen = fmt.Errorf("a call that did not return; ctx ended (%w) and %s more were waited", context.Cause(s.ctx), beyond)
			s.mu.Lock()
			s.gone = true
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen == nil {
		s.report.Kept = append(s.report.Kept, promise)
		return true
	}
	s.report.Broken = append(s.report.Broken,
		Breach{Contract: s.report.Contract, Device: s.report.Device, Promise: promise, Seen: seen.Error(), Remedy: remedy})
	return false
}

// grace is for how long a call may go on after its ctx has ended.
const grace = time.Second

// over tells whether nothing more can be checked.
func (s *suite) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone || s.ctx.Err() != nil
}

// skip says that a promise is not checked, and what that would take.
func (s *suite) skip(promise, wants string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.NotChecked = append(s.report.NotChecked, promise+": not checked; it takes "+wants)
}

// figure adds a measurement, if there is one, and if no call hangs, which may write the values still.
func (s *suite) figure(name string, values *[]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || len(*values) == 0 {
		return
	}
	v := slices.Clone(*values)
	slices.Sort(v)
	at := func(percent int) int64 { return v[(len(v)-1)*percent/100] }
	s.report.Figures = append(s.report.Figures, Figure{Name: name, Count: len(v), Min: v[0], P50: at(50), P99: at(99), Max: v[len(v)-1]})
}

// wait lets time pass on the device's clock.
func (s *suite) wait(d time.Duration) error { return s.clock.Wait(s.ctx, s.clock.Now()+int64(d)) }

// timed is how long work took, in ns of the device's clock.
func (s *suite) timed(work func() error) (ns int64, err error) {
	begin := s.clock.Now()
	err = work()
	return s.clock.Now() - begin, err
}

// processClock is the clock of this process, from its creation on.
type processClock struct{ base time.Time }

// Now implements Clock.
func (c *processClock) Now() int64 { return int64(time.Since(c.base)) + 1 }

// Wait implements Clock.
func (c *processClock) Wait(ctx context.Context, until int64) error {
	timer := time.NewTimer(time.Duration(until - c.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// named is the name of a device, or what stands for it.
func named(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}
