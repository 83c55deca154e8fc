// The table of safe states: what becomes of each output in a fault of each class, for people who sign it.

package iomap

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// SafeStates is what becomes of one output in a fault of one class, in words.
type SafeStates struct {
	Output   string // logical_tag
	Channel  string // physical_channel
	Class    string // fault class
	State    string // hold, drop or latch
	Value    string // where drop and latch take it; "" for hold
	Recovery string // auto, restart, reset or plc
	Default  bool   // the map says nothing of it
	By       string // the inputs whose faults are faults of the output, the safety_trips that gate it; "" where nothing
}

// SafeStateTable returns the rows of the table: of each output, in the order of the map, each class, in its order. The output of the
// trip_request is not among them, since no fault makes a request or takes one back. The slice belongs to the caller.
func SafeStateTable(m *Map) (rows []SafeStates) {
	for i := range m.Tags {
		t := &m.Tags[i]
		for class := InputInvalid; t.Output && !m.requests(t) && class < FaultClasses; class++ {
			p := t.Fault(class)
			r := SafeStates{Output: t.Name, Channel: t.Channel, Class: class.String(), State: p.State.String(), Recovery: p.Recover.String(),
				Default: !p.Given, By: m.faultOf(i, class)}
			if p.State != KeepState {
				r.Value = t.text(p.Value)
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// requests tells whether a tag is the output that requests a trip.
func (m *Map) requests(t *Tag) bool { return m.Trip != nil && m.name(m.Trip.Tag) == t.Name }

// faultOf names what brings a fault of a class upon an output besides its own device.
func (m *Map) faultOf(output int, class FaultClass) string {
	var names []string
	switch class {
	case InputInvalid, NetStale, SensorBad:
		for _, id := range m.Tags[output].Faults.Depends {
			names = append(names, m.Tags[id].Name)
		}
	case SafetyTrip:
		for i := range m.Interlocks {
			for _, id := range m.Interlocks[i].Gates {
				if m.Interlocks[i].Kind == SafetyTripKind && int(id) == output {
					names = append(names, m.Interlocks[i].ID)
				}
			}
		}
	}
	return strings.Join(names, " ")
}

// columns are those of the table.
var columns = [...]struct {
	key, title string
	of         func(r *SafeStates) string
}{
	{"logical_tag", "output", func(r *SafeStates) string { return r.Output }},
	{"physical_channel", "channel", func(r *SafeStates) string { return r.Channel }},
	{"fault_class", "fault", func(r *SafeStates) string { return r.Class }},
	{"recover_policy", "does", func(r *SafeStates) string { return r.State }},
	{"safe_value", "at", func(r *SafeStates) string { return r.Value }},
	{"recover_by", "back by", func(r *SafeStates) string { return r.Recovery }},
	{"given", "said by", func(r *SafeStates) string { return map[bool]string{true: "default", false: "map"}[r.Default] }},
	{"by", "by faults of", func(r *SafeStates) string { return r.By }},
}

// SafeStatesCSV returns the table as CSV (RFC 4180, lines end in LF) behind a line of column names, those of records where they have one.
// The same map gives the same bytes.
func SafeStatesCSV(m *Map) []byte {
	var b strings.Builder
	line := func(of func(i int) string) {
		for i := range columns {
			if i > 0 {
				b.WriteByte(',')
			}
			field := of(i)
			if strings.ContainsAny(field, "\",\n") {
				field = `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
			}
			b.WriteString(field)
		}
		b.WriteByte('\n')
	}
	line(func(i int) string { return columns[i].key })
	rows := SafeStateTable(m)
	for k := range rows {
		line(func(i int) string { return columns[i].of(&rows[k]) })
	}
	return []byte(b.String())
}

// SafeStatesDigest returns the SHA-256 of SafeStatesCSV, in hex. It is the safe_state_table of object_bound where the map says something
// of faults.
func SafeStatesDigest(m *Map) string {
	sum := sha256.Sum256(SafeStatesCSV(m))
	return hex.EncodeToString(sum[:])
}

// SafeStatesText returns the table as aligned text for a sign-off: which map it is of, the rows, what the words mean, and lines for names.
// digest is that of the map file and stands beside its name.
func SafeStatesText(m *Map, digest string) string {
	var b strings.Builder
	b.WriteString("Safe states of " + m.ID + " " + m.Version + ", " + m.Equipment + " on " + m.Device +
		"\nmap file          SHA-256 " + digest + "\nsafe_state_table  SHA-256 " + SafeStatesDigest(m) + "\n\n")
	rows := SafeStateTable(m)
	wide := [len(columns)]int{}
	for i := range columns {
		wide[i] = len(columns[i].title)
		for k := range rows {
			wide[i] = max(wide[i], utf8.RuneCountInString(columns[i].of(&rows[k])))
		}
	}
	line := func(of func(i int) string) {
		text := ""
		for i := range columns {
			field := of(i)
			text += field + strings.Repeat(" ", wide[i]-utf8.RuneCountInString(field)+2)
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line(func(i int) string { return columns[i].title })
	for k := range rows {
		if k > 0 && rows[k].Output == rows[k-1].Output {
			line(func(i int) string {
				if i < 2 {
					return ""
				}
				return columns[i].of(&rows[k])
			})
			continue
		}
		b.WriteByte('\n')
		line(func(i int) string { return columns[i].of(&rows[k]) })
	}
	if len(rows) == 0 && m.Trip == nil {
		b.WriteString("\nthe map has no output\n")
	}
	if m.Trip != nil {
		b.WriteString("\n" + m.name(m.Trip.Tag) + " requests a trip of the safety chain: no fault makes a request or takes one back.\n")
	}
	b.WriteString(legend)
	return b.String()
}

const legend = `
hold: it keeps its value, and may go to its safe value and nowhere else. drop: it goes to the value beside it.
latch: as drop, and it stays there until a person resets it.
auto: what is commanded holds again when the fault is over. restart: those who answer for it are held until a restart.
reset: a person resets it, then as restart. plc: the PLC resets its trip.

prepared by  ______________________________  date  ____________
checked by   ______________________________  date  ____________
approved by  ______________________________  date  ____________
`

// SaysFaults tells whether the map says something of faults of an output, and does not leave all of it to the defaults.
func (m *Map) SaysFaults() bool {
	for i := range m.Tags {
		f := &m.Tags[i].Faults
		for class := range f.Policy {
			if f.Policy[class].Given {
				return true
			}
		}
		if len(f.Depends) > 0 {
			return true
		}
	}
	return false
}
