// What a lively recipe meets beside its own steps: the interlocks, alarms and requests of its map, and what people are asked and say.

package grow

import (
	"fmt"
	"slices"
	"strings"
)

// Guards is how many switches GS1, GS2 and so on, of which interlocks speak, the map of lively recipes has. The channels are di/8 and so
// on. The output ES, on do/12, requests a trip.
const Guards = 4

// Interlock is what a map says of an interlock that a test may want to know.
type Interlock struct {
	ID, Kind string
	Gates    []string // outputs
}

// Alarm is what a map says of an alarm that a test may want to know.
type Alarm struct {
	ID    string
	Fault string // its class, "" where it has a condition
	Of    string // of a fault "interlock": which one, "" for any
}

// Site is the map of a lively recipe.
type Site struct {
	Map, Calibration string // the files; the one names the other calibration.yaml
	Interlocks       []Interlock
	Alarms           []Alarm
	Trips            bool // it has a trip_request
}

// Site returns a random map for lively recipes. It has many owners.
func (g *Grower) Site() *Site {
	s := &Site{}
	text, tags, _ := strings.Cut(Map(), "tags:\n")
	text += "calibration: calibration.yaml\ntags:\n" + tags
	for i := range Guards {
		text += fmt.Sprintf("  - {logical_tag: GS%d, physical_channel: di/%d, direction: in, type: switch, words: [clear, violated], stale_after: 2 s}\n", i+1, switches+i)
	}
	text += fmt.Sprintf("  - {logical_tag: ES, physical_channel: do/%d, direction: out, type: switch, words: [rest, trip], safe_value: rest, stale_after: 3 s}\n", outputs)
	meters, calibration := meters()
	text += meters
	s.Calibration = calibration
	text += g.interlocks(s) + g.alarms(s)
	if s.Trips = g.IntN(3) > 0; s.Trips {
		confirm := []string{"", ", confirm: GS1 == clear", `, confirm: "stable(TT1, 100 Cel, 1 s)"`}[g.IntN(3)]
		text += fmt.Sprintf("trip_request: {tag: ES, value: trip%s, within: 1 s}\n", confirm)
	}
	s.Map = text + resources
	return s
}

func meters() (text, calibration string) {
	for i := 1; i <= Meters; i++ {
		text += fmt.Sprintf("  - {logical_tag: FC%d, physical_channel: ctr/%d, direction: in, type: counter, unit: \"{pulse}\", stale_after: 2 s}\n", i, i)
	}
	text += "meters:\n"
	calibration = "calibration: K\nversion: \"1\"\nschema_version: 1\nvalid_from: 2026-01-01T00:00:00Z\nvalid_to: 2099-01-01T00:00:00Z\nfactors:\n"
	for i := 1; i <= Meters; i++ {
		text += fmt.Sprintf("  - {meter: FQ%d, source: FC%d, bits: 32, resolution: 0.01 kg}\n", i, i)
		calibration += fmt.Sprintf("  - {meter: FQ%d, k_factor: \"100 {pulse}/kg\"}\n", i)
	}
	return text, calibration
}

func (g *Grower) interlocks(s *Site) (text string) {
	for n := g.IntN(5); n > 0; n-- {
		il := Interlock{ID: fmt.Sprintf("IL%d", len(s.Interlocks)+1), Kind: []string{"permissive", "trip", "trip", "safety_trip"}[g.IntN(4)]}
		for range g.IntN(4) {
			if o := fmt.Sprintf("XV%d", 1+g.IntN(outputs/2)); !slices.Contains(il.Gates, o) {
				il.Gates = append(il.Gates, o)
			}
		}
		when := fmt.Sprintf("GS%d == violated", 1+g.IntN(Guards))
		switch {
		case il.Kind == "permissive":
			when = fmt.Sprintf("GS%d == clear", 1+g.IntN(Guards))
		case g.IntN(3) == 0:
			when += " or TT1 > 99 Cel"
		case g.IntN(3) == 0 && len(il.Gates) > 0:
			when += fmt.Sprintf(" and %s == open", il.Gates[0])
		}
		debounce := []int{10, 50, 300, 1000}[g.IntN(4)]
		text += fmt.Sprintf("  - {interlock_id: %s, kind: %s, when: %q, debounce: %d ms, gates: [%s]", il.ID, il.Kind, when, debounce,
			strings.Join(il.Gates, ", "))
		if g.IntN(3) == 0 {
			text += fmt.Sprintf(", vote_window: %d ms, vote: %d %%", debounce*(1+g.IntN(8)), 10*(2+g.IntN(8)))
		}
		if il.Kind == "trip" {
			text += ", latch: " + []string{"until_reset", "auto"}[g.IntN(2)]
		}
		if il.Kind != "permissive" {
			reaction := []string{"hold", "hold", "hold", "none", "abort", "hard_abort"}[g.IntN(6)]
			if reaction == "none" && len(il.Gates) == 0 {
				reaction = "hold"
			}
			text += ", reaction: " + reaction
		}
		text += "}\n"
		s.Interlocks = append(s.Interlocks, il)
	}
	if text != "" {
		text = "interlocks:\n" + text
	}
	return text
}

func (g *Grower) alarms(s *Site) (text string) {
	for n := g.IntN(6); n > 0; n-- {
		a := Alarm{ID: fmt.Sprintf("AL%d", len(s.Alarms)+1), Fault: []string{"", "quality", "output_fault", "timeout", "interlock", "interlock"}[g.IntN(6)]}
		if a.Fault == "interlock" && !slices.ContainsFunc(s.Interlocks, Interlock.trips) {
			a.Fault = ""
		}
		text += fmt.Sprintf("  - {alarm_id: %s, message: x, priority: high, ", a.ID)
		if a.Fault == "" {
			text += "when: " + []string{"TT1 > 80 Cel", "LS1 == full and LS2 == full", "GS2 == violated"}[g.IntN(3)]
		} else {
			text += "fault: " + a.Fault
		}
		if i := g.IntN(len(s.Interlocks) + 1); a.Fault == "interlock" && i < len(s.Interlocks) && s.Interlocks[i].trips() {
			a.Of = s.Interlocks[i].ID
			text += ", of: " + a.Of
		}
		if a.Fault == "" && g.IntN(2) == 0 {
			text += ", delay: 500 ms, off_delay: 1 s"
		}
		text += "}\n"
		s.Alarms = append(s.Alarms, a)
	}
	if text != "" {
		text = "alarms:\n" + text
	}
	return text
}

func (i Interlock) trips() bool { return i.Kind != "permissive" }

// Answers returns what people say to prompts: something for each, and last what fits none.
func Answers() []string {
	return []string{"yes", "ok", "left", "55 Cel", "4 kg", "2 s", "999 kg", "no"}
}

// prompt is what a lively recipe asks instead of any words.
func (g *Grower) prompt() string {
	return []string{"", "{text: x, answer: confirm}", "{text: x, answer: choice, choices: [left, right]}", "{text: x, answer: text, max_length: 3}",
		"{text: x, answer: number, min: 20 Cel, max: 80 Cel, into: hot}", "{text: x, answer: number, min: 2 kg, max: 8 kg, resolution: 0.5 kg, into: charge}",
		"{text: x, answer: number, min: 1 s, max: 9 s, into: pause}"}[g.IntN(7)]
}

// Parameters returns the parameters of lively recipes, each with a value that it takes.
func Parameters() [][2]string {
	return [][2]string{{"hot", "42 Cel"}, {"charge", "6 kg"}, {"pause", "2 s"}}
}

const formula = "formula: [{name: hot, value: 50 Cel, min: 10 Cel, max: 90 Cel}, {name: charge, value: 5 kg, min: 2 kg, max: 8 kg}, " +
	"{name: pause, value: 3 s, min: 1 s, max: 9 s}]\n"
