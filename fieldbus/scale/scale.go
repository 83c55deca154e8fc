// The front of the package.

// Package scale reaches instruments that talk text over RS-232: scales and flow computers, as devices of a line.
//
// Start with NewDevice. How an instrument frames what it says is learnt from the settings of its profile, not from code.
//
// The rule that must not be broken: a weight is GOOD only if a whole frame says it, in the unit that the profile has, and says itself
// that it may be used.
package scale

// Protocol is what a profile for this package has as its protocol.
const Protocol = "scale"
