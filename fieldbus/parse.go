// What both governed files are read with: names, times, quantities, and their limits.

package fieldbus

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Schema is the version of the language of profiles and tag maps that this package reads (schema_version).
const Schema = 1

// Limits of the two files.
const (
	MaxPoints    = 4096 // of a profile
	MaxProfiles  = 16   // of a tag map
	MaxDevices   = 256
	MaxClasses   = 16
	MaxTags      = 8192
	MaxEndpoints = 4   // of a device
	MaxText      = 200 // bytes of an address, an endpoint or an identity
	MaxLength    = 250 // bytes of a String
	MaxSettings  = 64  // of a profile
)

// maxTime is the greatest time of either file, in ns: a day.
const maxTime = 86_400_000_000_000

// digestOf is the SHA-256 of a file, hex.
func digestOf(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}

// head reads the keys that both files begin with.
func head(f *strictyaml.Fields, kind string) (id, version string) {
	id, version = f.Req(kind).Ident(), f.Req("version").Ident()
	f.Req("schema_version").Int(Schema, Schema)
	return id, version
}

// textOf reads a text of one line that only a protocol understands.
func textOf(n strictyaml.Node, what, such string) string {
	text := n.Str()
	if len(text) > MaxText || !utf8.ValidString(text) || strings.TrimSpace(text) != text ||
		strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		n.Errorf("%s must be 1 to %d bytes of visible characters on one line, such as %q", what, MaxText, such)
		return ""
	}
	return text
}

// channelOf reads the name of a physical channel, as I/O maps have it: visible ASCII without spaces, quotes or commas.
func channelOf(n strictyaml.Node) string {
	name := n.Str()
	ok := len(name) <= strictyaml.MaxIdent
	for i := range len(name) {
		c := name[i]
		ok = ok && c > ' ' && c < 0x7F && c != '"' && c != '\'' && c != ','
	}
	if !ok {
		n.Errorf("%q is not the name of a channel; it must be 1 to %d visible ASCII characters without spaces, quotes and commas",
			name, strictyaml.MaxIdent)
		return ""
	}
	return name
}

// quantityOf reads a number with its unit; ok is false where nothing stands there or it is refused.
func quantityOf(n strictyaml.Node) (q quantity.Quantity, ok bool) {
	text := n.Str()
	if text == "" {
		return quantity.Quantity{}, false
	}
	q, err := quantity.Parse(text)
	if err != nil {
		n.Errorf("%s", bare(err))
		return quantity.Quantity{}, false
	}
	return q, true
}

// bare is the message of an error of package quantity without the name of the package.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "quantity: ") }

// timeOf reads a time above zero, in ns; 0 where it is refused.
func timeOf(n strictyaml.Node) int64 {
	q, ok := quantityOf(n)
	if !ok {
		return 0
	}
	ns, err := q.Nanoseconds()
	switch {
	case !q.Unit.Compatible("s"):
		n.Errorf("%q is not a time; write one such as 20 ms or 3 s", q)
	case err != nil || ns <= 0 || ns > maxTime:
		n.Errorf("%q must be a time above zero, in whole nanoseconds, of %s at most", q, span(maxTime))
	default:
		return ns
	}
	return 0
}

// span is a time in the greatest unit of which it is a whole number; "" for none.
func span(ns int64) string {
	if ns == 0 {
		return ""
	}
	for _, u := range [...]struct {
		ns   int64
		name string
	}{{3_600_000_000_000, " h"}, {60_000_000_000, " min"}, {1_000_000_000, " s"}, {1_000_000, " ms"}, {1000, " us"}} {
		if ns%u.ns == 0 {
			return strconv.FormatInt(ns/u.ns, 10) + u.name
		}
	}
	return strconv.FormatInt(ns, 10) + " ns"
}
