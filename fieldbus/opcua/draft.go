// Draft: the text of a device profile and of a tag map of what a Browse has found.

package opcua

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
)

// Files of a Draft, one beside the other: the tag map names the profile so.
const (
	ProfileFile = "profile.yaml"
	TagMapFile  = "bus.yaml"
)

// What a Draft has until a person has decided.
const (
	draftVersion = "0.1"
	draftTimes   = "every: 1 s"
	draftStale   = "5 s"
	maxName      = 64  // bytes of a name of a point
	maxDevice    = 48  // of a name of a device, which others are made of
	maxRemark    = 120 // of a comment
)

// Draft writes a device profile and a tag map of what was found, as ParseProfile and ParseTagMap take them, for a device of the name
// given. They are a beginning: comments say what a person has to decide, and what cannot be a point and why. The same Survey gives the
// same bytes. It refuses a name that cannot be one, and a Survey without a tag.
func (s *Survey) Draft(device string) (profile, tagMap []byte, err error) {
	if identOf(strings.ReplaceAll(device, "_", "-"), maxDevice) != strings.ReplaceAll(device, "_", "-") || device == "" {
		return nil, nil, fmt.Errorf("opcua: draft: device %.100q: must be 1 to %d letters, digits, _ . - that begin with a letter or a digit and end so",
			device, maxDevice)
	}
	points, rest := s.points()
	tags := 0
	for _, p := range points {
		if p.v.Type != fieldbus.String {
			tags++
		}
	}
	if tags == 0 {
		return nil, nil, fmt.Errorf("opcua: draft: none of the %d variables that were found can be a tag%s", len(s.Variables), s.because())
	}
	profile, tagMap = s.profile(device, points, rest), s.tagMap(device, points, tags)
	read, err := fieldbus.ParseTagMap(TagMapFile, tagMap, func(string) (*fieldbus.Profile, error) {
		return fieldbus.ParseProfile(ProfileFile, profile)
	})
	if err == nil {
		_, err = NewDevice(&read.Devices[0], nil)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("opcua: draft: what was found makes no files; please report it: %w", err)
	}
	return profile, tagMap, nil
}

// because gives the first reason for which a variable cannot be a point.
func (s *Survey) because() string {
	for i := range s.Variables {
		if v := &s.Variables[i]; v.Refused != "" {
			return fmt.Sprintf("; the first, %s: %s", remark(v.Path), v.Refused)
		}
	}
	return ""
}

// namedPoint is a variable with its name in a profile.
type namedPoint struct {
	name string
	v    *Variable
}

// points gives a name to each variable that can be a point, and those that cannot.
func (s *Survey) points() (points []namedPoint, rest []*Variable) {
	taken := map[string]bool{}
	for i := range s.Variables {
		v := &s.Variables[i]
		switch {
		case v.Refused != "" || v.Type == 0:
			rest = append(rest, v)
			continue
		case len(points) == fieldbus.MaxPoints:
			left := *v
			left.Refused = fmt.Sprintf("a profile has %d points at most; browse from a node further down", fieldbus.MaxPoints)
			rest = append(rest, &left)
			continue
		}
		var parts []string
		for part := range strings.SplitSeq(v.Path, "/") {
			if part = identOf(part, maxName); part != "" {
				parts = append(parts, part)
			}
		}
		base := strings.Join(parts, ".")
		if base == "" {
			base = "point"
		}
		if len(base) > maxName { // the end tells more than the beginning
			base = identOf(base[len(base)-maxName:], maxName)
		}
		name := base
		for n := 2; taken[name]; n++ {
			more := fmt.Sprintf("-%d", n)
			name = base[:min(len(base), maxName-len(more))] + more
		}
		taken[name] = true
		points = append(points, namedPoint{name, v})
	}
	return points, rest
}

// identOf makes a name of letters, digits, "_", "." and "-" of a text, that begins and ends with a letter or a digit; "" where none is in it.
func identOf(text string, most int) string {
	var b strings.Builder
	gap := false
	for _, r := range umlauts.Replace(text) {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-':
			if gap {
				b.WriteByte('_')
			}
			b.WriteRune(r)
			gap = false
		default:
			gap = true
		}
	}
	name := strings.Trim(b.String(), "._-")
	return strings.TrimRight(name[:min(len(name), most)], "._-")
}

// umlauts are the letters that many names of this trade have and a profile has not.
var umlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "ß", "ss")

// profile writes the device profile.
func (s *Survey) profile(device string, points []namedPoint, rest []*Variable) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# Device profile of %s, drafted by browsing %s
# %s: %d nodes, %d variables, %d points.
#
# A person decides before it is approved: what is a point at all; the unit of each number, where the server tells none; what may be
# written (access), which is what the server allows and not what is meant; how many bytes identify a device (length).
`, device, s.Endpoint, beneath(s.Node), s.Nodes, len(s.Variables), len(points))
	if s.Apart > 0 {
		fmt.Fprintf(&b, "# %d properties of nodes are left out.\n", s.Apart)
	}
	if len(s.Gaps) > 0 {
		b.WriteString("#\n# Not looked at:\n")
		for _, g := range s.Gaps {
			fmt.Fprintf(&b, "#   %s\n", shortened(g, 2*maxRemark))
		}
	}
	fmt.Fprintf(&b, "\nprofile: %s\nversion: \"%s\"\nschema_version: %d\nprotocol: %s\n\npoints:\n", quoted(device), draftVersion, fieldbus.Schema, Protocol)
	for _, p := range points {
		b.WriteString(pointText(p))
	}
	if len(rest) > 0 {
		b.WriteString("\n# No points:\n")
		for _, v := range rest {
			fmt.Fprintf(&b, "#   %s (%s): %s\n", remark(v.Path), remark(v.At), shortened(v.Refused, 2*maxRemark))
		}
	}
	return []byte(b.String())
}

// beneath says where it was looked.
func beneath(node string) string {
	if node == "" {
		return "Beneath its Objects folder"
	}
	return "Beneath " + remark(node)
}

// remark gives a text of a server for a comment.
func remark(text string) string { return shortened(text, maxRemark) }

// pointText writes one point, with a line on where it comes from.
func pointText(p namedPoint) string {
	v := p.v
	var b strings.Builder
	b.WriteString("  # " + remark(v.Path))
	if v.Description != "" {
		b.WriteString(": " + remark(v.Description))
	}
	fmt.Fprintf(&b, "\n  - {point: %s, at: %s, type: %s", quoted(p.name), quoted(v.At), v.Type)
	notes := v.Notes
	switch {
	case v.Type == fieldbus.String:
		fmt.Fprintf(&b, ", length: %d", v.Length)
		notes = append([]string{"length: decide"}, notes...)
	case v.Type == fieldbus.Bool:
	case v.Unit != "":
		fmt.Fprintf(&b, ", unit: %s", quoted(string(v.Unit)))
	case !strings.Contains(strings.Join(notes, " "), "unit: "):
		notes = append([]string{"unit: decide"}, notes...)
	}
	if v.Access != fieldbus.ReadOnly {
		fmt.Fprintf(&b, ", access: %s", v.Access)
	}
	b.WriteString("}")
	if len(notes) > 0 {
		b.WriteString(" # " + shortened(strings.Join(notes, "; "), 2*maxRemark))
	}
	b.WriteString("\n")
	return b.String()
}

// quoted writes a text for YAML: as it stands where it cannot be taken for anything else, else in quotation marks.
func quoted(text string) string {
	name := strings.ReplaceAll(text, "/", "")
	if identOf(name, maxName) == name && !slices.Contains(notText, strings.ToLower(text)) && text[0] != '/' {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// notText are the words that are no text in YAML for one reader or another.
var notText = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

// tagMap writes the tag map.
func (s *Survey) tagMap(device string, points []namedPoint, tags int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# Tag map of %s, drafted by browsing it: each of its %d tags is a channel of the same name.
#
# A person decides before it is approved: the channel of each tag, as the I/O map names it; its class: what is decided by belongs into
# one of plane control; for how long it counts (stale_after), longer than a class of control takes from one reading to the next; and,
# of the device, reconnect, latency_budget, heartbeat and identify. What no I/O map names is to be taken out.

tag_map: %s
version: "%s"
schema_version: %d
profiles: [%s]

devices:
  - {device: %s, profile: "%s %s", endpoints: [%s]}

classes:
  - {class: watched, plane: telemetry, %s}

tags:
`, device, tags, quoted(device+"-MAP"), draftVersion, fieldbus.Schema, ProfileFile, quoted(device), device, draftVersion, quoted(s.Endpoint), draftTimes)
	for _, p := range points {
		if p.v.Type == fieldbus.String {
			continue
		}
		stale := ", stale_after: " + draftStale
		if p.v.Access == fieldbus.WriteOnly {
			stale = ""
		}
		name := quoted(p.name)
		fmt.Fprintf(&b, "  - {channel: %s, device: %s, point: %s, class: watched%s}\n", name, quoted(device), name, stale)
	}
	return []byte(b.String())
}
