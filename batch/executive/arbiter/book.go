// Package arbiter stands between batches: it gives equipment that they share, and passes their messages.
//
// Start with [Book], a pure machine. Its state is a function of the operations in a [Log], in their order; so whoever reads the log has
// the same book, the queue outlives every process, and a token is a number that the log has counted. Nothing else decides.
//
// The rule that must not be broken: tokens only grow, and no two batches have one piece of equipment. A grant never expires: it ends by
// Release, or by what a person has ordered and the log has on record.
package arbiter

import (
	"context"
	"errors"
)

// ErrConflict: another operation stands in the log under that number. Read on, and ask anew.
var ErrConflict = errors.New("arbiter: another operation came first")

// ErrUnknown: nobody knows whether the operation is in the log. Read back before anything else is decided.
var ErrUnknown = errors.New("arbiter: outcome of the operation unknown")

// Log keeps operations in their order. All methods block for as long as their medium does, and may be called from any goroutine.
type Log interface {
	// Append writes an operation under number seq, which is one more than the last, and returns once it is durable. Another number, or one
	// that was written meanwhile, is ErrConflict; after any error but that and a refusal the outcome is ErrUnknown, which it then wraps.
	Append(ctx context.Context, seq uint64, op []byte) error
	// Read gives the operations from number from on, in their order, to the last that was durable when it was called; Do's error ends it.
	// Where earlier ones were trimmed, it begins with the first that is there, which is a Whole.
	Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error
	// Trim lets operations before seq go; the one under seq is a Whole.
	Trim(ctx context.Context, seq uint64) error
}

// Follower is a Log that others write to as well.
type Follower interface {
	Log
	// Wait blocks until the operation under seq is there, or ctx ends, whose error it then returns. It may return sooner, and without a reason.
	Wait(ctx context.Context, seq uint64) error
}

// EffectKind is what an operation came to.
type EffectKind uint8

// The kinds of effects.
const (
	Granted    EffectKind = iota + 1 // Batch has all that claim ID asked for, under Token
	Queued                           // claim ID waits: Place, Owner, Since
	Refused                          // Reason, which says what to do: of an operation; of claim ID, which ends; of one that was granted: Equipment was taken from it
	Released                         // Batch has Equipment no more, or waits for it no more
	Raised                           // who had Equipment before Token is to be refused
	Delivered                        // Batch gets Message, by From, for Key; of a Meet, all have come
	Unanswered                       // Batch gets nothing for Key: Reason says why, such as "B-0002: removed"
	Sent                             // the message of Key is in the book
)

// Effect is what an operation came to for one batch. Its slices are the book's: read-only.
type Effect struct {
	Kind      EffectKind
	Batch     string
	ID        uint32
	Step      string
	Equipment []string
	Token     uint64
	Place     int64
	Owner     string
	Since     int64
	Key       string
	Message   string
	From      string
	Reason    string
}

// Holding is one piece of equipment: who has it, since when, and who waits, in order. One that several batches may have stands once for
// each that has it.
type Holding struct {
	Equipment string
	Owners    int    // how many may have it at a time
	Retired   bool   // nobody gets it any more
	Batch     string // "" where it is free
	ID        uint32
	Step      string
	Token     uint64 // the greatest that was given for it
	Since     int64  // UTC in ns since 1970; 0: not known
	Waiting   []Waiting
}

// Waiting is a claim that waits.
type Waiting struct {
	Batch     string
	ID        uint32
	Step      string
	Equipment []string // the whole set
	Priority  int64
	Since     int64
}
