// The names of run-time data: how what a plant calls its things becomes a token of a subject, and a level of an MQTT topic.

package bus

import (
	"fmt"
	"strconv"
	"strings"
)

// Token writes a name as one token of a subject. Letters, digits and "-_:=@" stay, "." becomes "//", and every other byte %XX, the empty name "%". A
// server shows "//" to MQTT clients as ".", so a topic has ids as they are: rt.n1.batch.n1//B-0001 is rt/n1/batch/n1.B-0001 there.
func Token(name string) string {
	if name == "" {
		return "%"
	}
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case asItIs(c):
			b.WriteByte(c)
		case c == '.':
			b.WriteString("//")
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// ParseToken is what Token was given. A text that Token does not write is refused.
func ParseToken(token string) (string, error) {
	if token == "%" {
		return "", nil
	}
	var b strings.Builder
	for rest := token; rest != ""; {
		switch {
		case asItIs(rest[0]):
			b.WriteByte(rest[0])
			rest = rest[1:]
		case strings.HasPrefix(rest, "//"):
			b.WriteByte('.')
			rest = rest[2:]
		default:
			if len(rest) < 3 || rest[0] != '%' {
				return "", fmt.Errorf("bus: %.80q is no token of a name; write it as Token does", token)
			}
			c, err := strconv.ParseUint(rest[1:3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("bus: %.80q is no token of a name; write it as Token does", token)
			}
			b.WriteByte(byte(c))
			rest = rest[3:]
		}
	}
	if name := b.String(); name != "" && Token(name) == token {
		return name, nil
	}
	return "", fmt.Errorf("bus: %.80q is not how Token writes a name", token)
}

func asItIs(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_:=@", c) >= 0
}

// checkName refuses what is no name of a node, a user or an area. It is a token as it stands.
func checkName(what, name string) error {
	if !ident(name) {
		return fmt.Errorf("bus: %s %.80q: it has 1 to 32 letters, digits, - and _", what, name)
	}
	return nil
}
