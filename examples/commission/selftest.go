// The self-test: which suites there are for a board, and how they are run one after the other.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/batchkit/batchkit/hal/haltest"
)

// check is one device and the suite for it.
type check struct {
	contract, device string
	run              func(ctx context.Context) (haltest.Report, error)
	why              string // why it is not run; "" where it is
}

// subject is a board that is looked at.
type subject interface {
	// name says which board it is.
	name() string
	// checks lists the suites for its devices; it refuses loops and outputs that the board has not.
	checks(f *flags) ([]check, error)
	// found lists what is there, in words.
	found() []string
	io.Closer
}

// Results of a suite.
const (
	passed     = "PASS"
	failed     = "FAIL"
	notChecked = "NOT CHECKED"
)

// signoff is what was found, for the archive.
type signoff struct {
	Form     int              `json:"form"` // 1
	Board    string           `json:"board"`
	File     string           `json:"board_file"`
	Digest   string           `json:"board_file_sha256"`
	Operator string           `json:"operator"`
	Begun    string           `json:"ts_utc"` // by the wall clock of this machine
	Found    []string         `json:"found"`
	Suites   []haltest.Report `json:"suites"`
	Results  []string         `json:"results"` // of each suite
	Passed   bool             `json:"passed"`  // nothing has failed
}

// selftest runs the suites of a board and tells whether nothing has failed.
func selftest(ctx context.Context, f *flags, w io.Writer) (ok bool, err error) {
	s := signoff{Form: 1, File: f.board, Operator: f.operator, Begun: time.Now().UTC().Format(time.RFC3339), Passed: true}
	if err := free(f.signoff); err != nil {
		return false, err
	}
	board, err := open(f, &s)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, board.Close()) }()
	s.Board, s.Found = board.name(), board.found()
	list, err := board.checks(f)
	if err != nil {
		return false, err
	}
	t := &table{w: w}
	t.head(&s)
	for _, c := range list {
		r, result := c.perform(ctx)
		s.Suites, s.Results = append(s.Suites, r), append(s.Results, result)
		s.Passed = s.Passed && result != failed
		t.row(&r, result)
		if ctx.Err() != nil {
			return false, fmt.Errorf("commission: called off: %w", context.Cause(ctx))
		}
	}
	t.foot(&s)
	return s.Passed, s.write(f.signoff)
}

// perform runs a suite. One that could not run at all has failed.
func (c *check) perform(ctx context.Context) (r haltest.Report, result string) {
	if c.why != "" {
		return haltest.Report{Contract: c.contract, Device: c.device, NotChecked: []string{c.why}}, notChecked
	}
	ctx, cancel := context.WithTimeout(ctx, suiteTime)
	defer cancel()
	r, err := c.run(ctx)
	r.Contract, r.Device = c.contract, c.device
	switch {
	case err != nil && r.Passed():
		r.Broken = append(r.Broken, haltest.Breach{Contract: c.contract, Device: c.device, Promise: "the suite runs to its end",
			Seen: err.Error(), Remedy: "see to what the error names, and run it again"})
		return r, failed
	case err != nil:
		return r, failed
	case len(r.Kept) == 0:
		return r, notChecked
	}
	return r, passed
}

// free refuses a sign-off that is there already.
func free(file string) error {
	if file == "" {
		return nil
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("commission: -signoff %s: it is there already; a sign-off is not overwritten, give another name", file)
	}
	return nil
}

// write writes the sign-off; "" is nowhere.
func (s *signoff) write(file string) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("commission: -signoff %s: %w", file, err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("commission: -signoff: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("commission: -signoff %s: %w", file, err)
	}
	return nil
}
