// The front of the package, and what client and server agree on: policies.

// Package opcua reaches OPC UA servers as devices of a line, and has what client and server share: certificates, trust and policies.
//
// Start with NewDevice, which makes a line.Device of a device of a tag map; Browse makes profile and tag map of what a server has.
// Package fieldbus/opcua/server is the other way, towards SCADA.
//
// The rule that must not be broken: nothing is sent to a server that is not trusted, and no value is younger than it says.
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
