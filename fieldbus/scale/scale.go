// The front of the package.

// Package scale reaches instruments that talk text over RS-232: scales and flow computers, as devices of a line.
//
// Start with NewDevice. How an instrument frames what it says is learnt from the settings of its profile, not from code: NewFormat has the
// language, and testdata has profiles of four families of instruments.
//
// The rule that must not be broken: a weight is GOOD only if a whole frame says it, in the unit that the profile has, and says itself
// that it may be used. All points of one Read come of one frame. Where the device is asked, a late answer to an earlier question is never
// taken for this one's; where it talks by itself, the first byte of the frame came after the Read was begun.
//
// What nobody can see from here: how long the instrument has filtered what it says, and how long an adapter or a device server has kept
// the bytes (an adapter on USB keeps up to 16 ms of them, unless it was told otherwise). A profile declares the two as its lag, and values
// are as much older. A byte that a line has damaged in a way that leaves another digit is seen by parity or by a check in the frame; on
// a line with neither it is not.
//
// The package starts no goroutine.
package scale

// Protocol is what a profile for this package has as its protocol.
const Protocol = "scale"

// short is a text that a file has, cut for a message.
func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
