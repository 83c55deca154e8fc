// Who may take a signal out of the hands of the batch, under which conditions, and for how long.

package iomap

import (
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of overrides.
const (
	MaxOverrides    = 32
	MaxOverrideTags = 64                        // of all overrides of a map together
	MaxOverrideTime = 24 * 3600 * 1_000_000_000 // ns
	MaxRoles        = 16
)

// Override is a permission that a map gives: outputs that a person may set by hand, and inputs to which he may give a value (forced
// I/O), while it is granted to him.
//
// None lets anybody pass an interlock, and interlocks and alarms look at what devices say, never at a value that a person gives. Nor is
// a total ever made of such a value.
type Override struct {
	ID       string
	Tags     []tag.ID
	Roles    []string  // in which role; one at least
	Held     bool      // only while the batch rests: Idle, Held or Paused
	When     cond.Cond // only while it is true; nil: whenever
	Text     string    // of When, in its canonical form; "" where there is none
	Used     []tag.ID  // tags that When names
	Limit    int64     // longest time of a grant, ns
	OverBoot bool      // it outlives a start of the controller, and the time without supply counts; false: a start ends it
}
