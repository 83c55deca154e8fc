// Package line keeps the devices of one line reachable and their values honest: a tag.Port over devices of any protocol.
//
// Start with [New], which makes a [Line] of the devices of a tag map; [Device] is what a protocol has to bring, and bustest.Check holds a
// driver against it. A batch over a bus, of an I/O map that names its tag map:
//
//	plan, err := batch.Load(files, "recipe.yaml", "map.yaml", nil) // with tag map and profiles
//	b, err := plan.Bind("B-0001", "20 kg", batch.Unapproved, nil)
//	driver, err := modbus.NewDevice(&plan.TagMap.Devices[0], nil)
//	l, err := line.New(plan.TagMap, []line.Attached{{Device: "PLC-1", Driver: driver}}, &line.Options{Clock: clock})
//	res, err := runner.Run(ctx, b, runner.Rig{Port: l, Clock: clock, Dir: dir}, nil)
//
// Drivers of other protocols are opcua.NewDevice and scale.NewDevice. Devices that need not wait for each other are better lines of their
// own, which become one port by
//
//	port, err := runner.Join(runner.Part{Name: "plc", Port: l, Channels: []string{"do/1", "ai/1"}}, runner.Part{ ... })
//
// where Channels are those that the tag map gives the devices of the line. The run listens to Report and calls Hold by itself.
//
// The rule that must not be broken: what reaches the controller as GOOD was read since the link came up, and a write that was not
// confirmed is never said to be.
//
// The package starts no goroutine: one calls Watch and owns the line, another calls Write.
package line

import (
	"context"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Device is one protocol session with one device: all that a protocol has to bring. One goroutine at a time calls its methods, but
// Close, which may come at any time and ends the others.
//
// A session that has returned an error which is none of fieldbus.ErrPoint, ErrRefused, ErrPlan and ErrDoubt is over: Close and Open
// come next.
//
// Whatever the protocol: without a session Read and Write return an error that wraps fieldbus.ErrDown, and Close nil. Open refuses an
// endpoint of another scheme with an error that has it. Every call ends soon after its ctx, and none begins behind it. What was asked
// for and not answered in time is never taken for the answer to something else: close the connection, or return ErrDoubt and be a
// [Prover]. The form of a value follows from the point's type: Bool, Float32, Float64, Int for whole numbers.
type Device interface {
	// Open connects by an endpoint, such as "tcp://10.0.0.7:502", until ctx ends.
	Open(ctx context.Context, endpoint string) error
	// Read fills out, which has a place for each of points, in as few exchanges as it takes. It sets Form, Bits, Quality and Status of each;
	// the line sets channel and time. A point that the device refuses is BAD in out, and no error.
	Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error
	// Write writes one value and returns nil when the device has confirmed it. What the point's access or the form does not allow is
	// refused before anything is sent. An error wraps fieldbus.ErrRefused or fieldbus.ErrUnknown, or nothing was sent.
	Write(ctx context.Context, point *fieldbus.Point, form tag.Form, bits uint64) error
	Close() error
}

// Planner is a Device that knows which points go together into one exchange. Without it, all points of a class are one group.
type Planner interface {
	// Plan groups points, by their places in the list. After an error that wraps fieldbus.ErrPlan it is called again.
	Plan(points []*fieldbus.Point) [][]int
}

// Prover is a Device that may owe a reply (fieldbus.ErrDoubt).
type Prover interface {
	// Prove returns nil when nothing that was asked for earlier can be taken for the answer to what is asked from now on.
	Prove(ctx context.Context) error
}

// Debtor is a Prover that may owe a reply by some endpoints only. Without it, a Prover may owe by each.
type Debtor interface {
	Prover
	// Owes tells whether a reply may be owed by an endpoint, ever. If by none that it has, the device is as one without Prove: its
	// session is over after a reply that did not come. It is asked once for each, before anything is opened.
	Owes(endpoint string) bool
}

// Texter is a Device that can read String points, by which it is identified.
type Texter interface {
	Text(ctx context.Context, point *fieldbus.Point) (string, error)
}
