// Suites of contracts that are not hal's, in the same words.

package haltest

import (
	"context"
	"time"
)

// Suite is one run of a suite that another package has, such as fieldbus/bustest. Its methods are called by one goroutine.
type Suite struct{ s *suite }

// NewSuite begins a suite of a contract, with a ctx that has a deadline, else it returns ErrNoDeadline.
func NewSuite(ctx context.Context, contract, device string) (*Suite, error) {
	s, err := begin(ctx, contract, device, nil)
	if err != nil {
		return nil, err
	}
	return &Suite{s}, nil
}

// Check holds one promise; what look returns is what was seen instead, and remedy what to look at first. A look that hangs beyond the
// end of ctx is left behind, in a goroutine of its own. It tells whether the promise was kept.
func (s *Suite) Check(promise, remedy string, look func() error) bool {
	return s.s.check(promise, remedy, look)
}

// Restore is Check for what has to be done even where ctx has ended.
func (s *Suite) Restore(promise, remedy string, look func() error) {
	s.s.restore(promise, remedy, look)
}

// Skip says that a promise is not checked, and what that would take.
func (s *Suite) Skip(promise, wants string) { s.s.skip(promise, wants) }

// Figure adds a measurement of values of ns, if there are any.
func (s *Suite) Figure(name string, values *[]int64) { s.s.figure(name, values) }

// Timed is how long work took, in ns.
func (s *Suite) Timed(work func() error) (ns int64, err error) { return s.s.timed(work) }

// Now is the time on the suite's clock, in ns.
func (s *Suite) Now() time.Duration { return time.Duration(s.s.clock.Now()) }

// After calls f in a goroutine of its own when d is over, whatever the suite does then.
func (s *Suite) After(d time.Duration, f func()) { time.AfterFunc(d, f) }

// End returns what was found.
func (s *Suite) End() (Report, error) { return s.s.end() }
