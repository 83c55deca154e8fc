// The front of the package, and what client and server agree on: policies.

// Package opcua reaches OPC UA servers as devices of a line, and has what client and server share: certificates, trust and policies.
//
// Start with NewDevice, which makes a line.Device of a device of a tag map; Browse makes profile and tag map of what a server has.
// Package fieldbus/opcua/server is the other way, towards SCADA.
//
// The rule that must not be broken: nothing secret is sent to a server that is not trusted, and no value is younger than it says.
//
// A Device uses types, algorithms and the encoder of github.com/gopcua/opcua, and neither its client nor its decoder. Its client decodes
// in a goroutine of its own, where an array of -2 elements ends the process; takes the certificate of a channel from whoever answers;
// and gives up the connection over one call that is refused. So a channel here is some 400 lines; what a server sends is read by a
// cursor that allocates by no number that a message claims, and nests 100 deep at most. Every chunk is held to its size, its sequence
// number, its channel and its keys, a message to 1 MiB and 64 chunks, an OpenSecureChannel to the policy and the certificate that were
// asked for. A panic of what remains of the library (its algorithms) costs the session.
//
// What cannot be contained: over None anybody in between may say anything, and a password that is encrypted for itself may be played
// on; a server that is trusted may lie about values, times and quality.
package opcua

import (
	"fmt"
	"slices"
	"strings"
)

// Protocol is what a profile for this package has as its protocol.
const Protocol = "opcua"

// Policy is how a connection is secured: a security policy of OPC UA part 7 and a mode.
type Policy uint8

// The policies. All but None and Basic256Sha256Sign sign and encrypt.
const (
	None Policy = iota // nothing is signed or encrypted; nobody knows who is there
	Basic256Sha256Sign
	Basic256Sha256
	Aes128Sha256RsaOaep
	Aes256Sha256RsaPss
)

var policyNames = []string{"none", "basic256sha256-sign", "basic256sha256", "aes128-sha256-rsaoaep", "aes256-sha256-rsapss"}

// ParsePolicy reads a policy as String gives it, in letters of either case.
func ParsePolicy(text string) (Policy, error) {
	if i := slices.Index(policyNames, strings.ToLower(text)); i >= 0 {
		return Policy(i), nil
	}
	return None, fmt.Errorf("opcua: policy %.40q: must be one of %s", text, strings.Join(policyNames, ", "))
}

// String gives the name: none, basic256sha256-sign, basic256sha256, aes128-sha256-rsaoaep or aes256-sha256-rsapss.
func (p Policy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return ""
}
