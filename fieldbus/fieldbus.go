// Package fieldbus says what devices on a bus have, and decides how they are kept reachable and when they are asked: device profiles
// and tag map with versions, the state machine of a link, and the order of reads.
//
// Start with [ParseTagMap] and [ParseProfile], which read the two governed files and are the reference of both languages, and [Link],
// which decides about one device. The loop that talks to devices is package fieldbus/line, where the way to a running batch stands;
// protocols, and their words for addresses and endpoints, are fieldbus/modbus and others. [Check] holds a tag map against the I/O map
// that names it, as "evidence check" does, which holds both against the protocol, too.
//
// The rule that must not be broken: a value is GOOD only if it was read, whole, from the device that the tag map names, on a link
// whose every control tag was read since it came up; and it is STALE by its age when it is looked at, not when a timer says so.
//
// The package touches no device, clock or file and starts nothing.
package fieldbus

import (
	"errors"

	"github.com/batchkit/batchkit/iomap/tag"
)

// What a device driver's errors wrap, and callers branch on.
var (
	// ErrDown: there is no connection, or it was given up. Nothing was sent.
	ErrDown = errors.New("no connection")
	// ErrStray: what came in is not the answer to the request.
	ErrStray = errors.New("not the answer to this request")
	// ErrRefused: the device, its description, or the state of its link does not allow the write, or its turn did not come in time. Nothing
	// was written.
	ErrRefused = tag.ErrRefused
	// ErrUnknown: the write was sent and may have been carried out, or be carried out yet. Read back before writing again.
	ErrUnknown = tag.ErrUnknown
	// ErrPoint: the device has answered, and will not give what was asked for; the link is sound.
	ErrPoint = errors.New("the device refuses the point")
	// ErrPlan: what was to be read in one exchange cannot be; ask for the plan anew and go on. See line.Planner.
	ErrPlan = errors.New("these points cannot be read together")
	// ErrDoubt: a reply is owed and may still come; the device must prove what it answers to before its values count.
	ErrDoubt = errors.New("the device owes a reply")
)
