// The package comment, the settings, and what a run reports.

// Package journaltest takes power from a journal at every call it makes of its
// storage, breaks every bit of what it wrote, and judges what recovery says.
//
// Start with [Crash], [Flips] and [Anchors]: each runs its enumeration and returns an
// error that names every state in which the journal was wrong. [Disk] is the
// simulated [journal.Storage] below them, exact to the sector, for tests of
// single cases. Whoever makes a journal.Storage that stands on another one
// hands it to the first two as Options.Wrap. [Cells] is a hal.FRAM, exact to the
// byte, and [Ill] makes any storage slow, full or failing for a time.
//
// # The rule that must not be broken
//
// A state that a cut of power can leave is never called [journal.Damaged], and
// a record that was acknowledged is never missing from it. A state that it
// cannot leave is never passed over: what is missing is named, unless nothing
// on the disk remains that could tell.
//
// # What is tried
//
// A workload is a word of up to seven letters: s, m, l, h and x append groups
// from two sectors to more than a segment, R makes a reserve, C closes and opens
// again, K opens again without closing, D releases all segments but the last. Crash cuts power between any two calls
// (cut), with every subset of up to ten pending sectors and many of more, one
// sector torn, pending names there or not; again at every call of the recovery
// (nested); lets every call fail in every way, and then cuts (fault); and takes
// back the last sectors of flushes that were acknowledged (lie). After each it
// scans, opens, appends, cuts, scans and opens again. Flips changes what lies
// on a disk: bits, sectors and whole segments. Anchors has words of its own: it
// cuts power at every byte that is written to a chip, with what the disk may
// be at that moment, puts disks and chips back, and damages cells.
//
// # What it does not do
//
// A device that loses the end of what it acknowledged leaves what an honest
// one leaves that was cut earlier: the journal cannot know, and is only held to
// lose no more than the device did. A torn write ruins the sectors that it
// wrote, of 512 bytes, and no others: a medium that ruins what lies beside
// them, an erase block for instance, is no part of it. Disks are not filled,
// times are not measured, and two writers do not race.
package journaltest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
)

// Options are the settings of a run; the zero Options are those of a short one.
type Options struct {
	// Seed sets what is drawn by chance.
	Seed uint64
	// Long tries about ten times as many states.
	Long bool
	// Limit ends a run after so many states; zero means no limit.
	Limit int
	// Only tries the one state of this name, as a failure gives it.
	Only string
	// Wrap, if set, returns the storage under test, which keeps everything on
	// the given one. It is called for each start of a process.
	Wrap func(journal.Storage) journal.Storage
}

// Report counts what was tried.
type Report struct {
	// States counts different states of a disk after a cut, fault or lie.
	States int
	// Flips counts bits, Faults sectors and segments that were changed.
	Flips, Faults int
	// Outcomes counts what Scan said, by kind of state and outcome.
	Outcomes map[string]int
	// Stopped tells that Limit ended the run.
	Stopped bool
}

// String returns the report as one line.
func (r Report) String() string {
	parts := []string{fmt.Sprintf("%d states, %d flips, %d faults", r.States, r.Flips, r.Faults)}
	for _, k := range slices.Sorted(maps.Keys(r.Outcomes)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, r.Outcomes[k]))
	}
	if r.Stopped {
		parts = append(parts, "stopped at the limit")
	}
	return strings.Join(parts, "; ")
}

// enough is how many failures end a run.
const enough = 8

// run is one enumeration under way.
type run struct {
	opt    Options
	report Report
	errs   []error
	seen   map[uint64]bool
	ran    int   // states tried, as Only counts them too
	shelf  shelf // buffers of the state that is tried
	weight []byte
}

// weight makes the garbage collector wait until there is this much more: all
// that a state needs is garbage a millisecond later.
const weight = 64 << 20

func newRun(opt Options) *run {
	if opt.Wrap == nil {
		opt.Wrap = func(s journal.Storage) journal.Storage { return s }
	}
	return &run{opt: opt, weight: make([]byte, weight), seen: map[uint64]bool{}, report: Report{Outcomes: map[string]int{}}}
}

func (r *run) full() bool {
	n := r.report.States + r.report.Flips + r.report.Faults
	r.report.Stopped = r.opt.Limit > 0 && n >= r.opt.Limit
	return r.report.Stopped || len(r.errs) >= enough
}

// fail notes the failure of a state.
func (r *run) fail(name string, err error) {
	r.errs = append(r.errs, fmt.Errorf("seed %d, state %q: %w", r.opt.Seed, name, err))
}

// result ends the run.
func (r *run) result() (Report, error) {
	if r.ran == 0 && r.opt.Only != "" && len(r.errs) == 0 {
		return r.report, fmt.Errorf("there is no state %q", r.opt.Only)
	}
	return r.report, errors.Join(r.errs...)
}

// try runs one check unless it is not the one wanted, and turns a panic into
// its failure.
func (r *run) try(name func() string, check func() error) {
	if r.opt.Only != "" && name() != r.opt.Only {
		return
	}
	r.ran++
	r.shelf.lent = 0
	if err := caught(check); err != nil {
		r.fail(name(), err)
	}
}

// caught calls f and returns its error, or its panic as one.
func caught(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// fresh tells whether a state has not been tried yet. A run for a single
// state takes every one for fresh, so that names stay what they are.
func (r *run) fresh(sum uint64, parts ...uint64) bool {
	for _, p := range parts {
		sum = mix(sum, p)
	}
	if r.seen[sum] && r.opt.Only == "" {
		return false
	}
	r.seen[sum] = true
	return true
}
