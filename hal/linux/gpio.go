// Lines of GPIO: what is asked of the kernel's character devices, and what a board finds there.

package linux

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ErrNoLine refuses a line whose chip, number or name is not there; the error says what there is.
var ErrNoLine = errors.New("no such line")

// LineAt says where a line is: on the chip with a label, at an offset, or by the name that the device tree gives it. Numbers of chips
// (gpiochip4) change from one kernel to the next, so that none is ever taken.
type LineAt struct {
	Chip   string // label of the chip, such as pinctrl-bcm2711; "" only where Name is given, and on one chip alone
	Name   string // name of the line; "": the one at Offset
	Offset int    // number of the line on its chip, from 0
}

// String gives, for example, `line 17 of chip "pinctrl-bcm2711"`.
func (a LineAt) String() string {
	line, chip := "line "+strconv.Itoa(a.Offset), "any chip"
	if a.Name != "" {
		line = fmt.Sprintf("line %q", a.Name)
	}
	if a.Chip != "" {
		chip = fmt.Sprintf("chip %q", a.Chip)
	}
	return line + " of " + chip
}

// Bias is the pull at an input, as far as the chip has one. The zero value leaves it as it is.
type Bias uint8

// The pulls.
const (
	BiasAsIs Bias = iota
	PullUp
	PullDown
	BiasOff
)

// biases are the words of a board file.
var biases = [...]string{"as_is", "pull_up", "pull_down", "none"}

// String gives the word of a board file: as_is, pull_up, pull_down or none.
func (b Bias) String() string { return biases[min(b, BiasOff)] }

// InputOptions are the optional settings of OpenInput. Nil is the same as the zero value.
type InputOptions struct {
	Bias      Bias
	ActiveLow bool          // high and low change places: a level is what is meant by it, not the voltage
	Debounce  time.Duration // for which a level must rest before the kernel tells of it; 0: every edge. A map debounces too
	Rising    bool          // only edges towards high are told, and numbered
}

// OutputOptions are the optional settings of OpenOutput. Nil is the same as the zero value.
type OutputOptions struct {
	ActiveLow bool // as in InputOptions
	OpenDrain bool // the line is pulled low, or let go
}

// consumer is the name under which lines are held; others see it in EBUSY and in gpioinfo.
const consumer = "batchkit"

// Chip is one GPIO chip as the kernel has it now.
type Chip struct {
	Device string // such as gpiochip0; it may be another one at the next boot
	Label  string
	Lines  int
}

// String gives, for example, `pinctrl-rp1 (gpiochip0, 54 lines)`.
func (c Chip) String() string { return fmt.Sprintf("%s (%s, %d lines)", c.Label, c.Device, c.Lines) }

// LineInfo is one line as the kernel has it now.
type LineInfo struct {
	Offset   int
	Name     string
	Consumer string // who holds it, where Used
	Used     bool
	Output   bool
}

// maxNamed is how many lines or chips an error lists.
const maxNamed = 12

// bank is what the kernel knows of chips and lines.
type bank interface {
	chips() ([]Chip, error)
	lines(c Chip) ([]LineInfo, error)
}

// findLine resolves where a line is. One that is not there is refused with what there is.
func findLine(b bank, at LineAt) (Chip, LineInfo, error) {
	chips, err := b.chips()
	if err != nil {
		return Chip{}, LineInfo{}, fmt.Errorf("%v: %w", at, err)
	}
	var found Chip
	var line LineInfo
	hits, labelled := 0, 0
	for _, c := range chips {
		if at.Chip != "" && c.Label != at.Chip {
			continue
		}
		labelled++
		lines, err := b.lines(c)
		if err != nil {
			return Chip{}, LineInfo{}, fmt.Errorf("%v: %s: %w", at, c.Device, err)
		}
		for _, l := range lines {
			if at.Name != "" && l.Name == at.Name || at.Name == "" && l.Offset == at.Offset {
				found, line = c, l
				hits++
			}
		}
	}
	switch {
	case labelled == 0 && at.Chip != "":
		return found, line, fmt.Errorf("gpiochip labelled %q not found; there are: %s: %w", at.Chip, chipList(chips), ErrNoLine)
	case hits == 0:
		return found, line, fmt.Errorf("%v not found; there are: %s: %w", at, lineList(b, chips, at), ErrNoLine)
	case hits > 1:
		return found, line, fmt.Errorf("%v: %d lines are that; %s: %w", at, hits,
			map[bool]string{true: "give the label of the chip", false: "labels and names must differ"}[at.Chip == ""], ErrNoLine)
	}
	return found, line, nil
}

// chipList names chips.
func chipList(chips []Chip) string {
	if len(chips) == 0 {
		return "no chips of GPIO at all (no /dev/gpiochip*: is the driver loaded, and the device tree right?)"
	}
	words := []string{}
	for _, c := range chips[:min(len(chips), maxNamed)] {
		words = append(words, c.String())
	}
	if more := len(chips) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

// lineList says what lines there are where one was looked for in vain: how many, and the names of some.
func lineList(b bank, chips []Chip, at LineAt) string {
	if at.Name == "" {
		for _, c := range chips {
			if c.Label == at.Chip {
				return fmt.Sprintf("lines 0 to %d of %s", c.Lines-1, c.Device)
			}
		}
	}
	words, all := []string{}, 0
	for _, c := range chips {
		if at.Chip != "" && c.Label != at.Chip {
			continue
		}
		lines, _ := b.lines(c)
		for _, l := range lines {
			if l.Name == "" {
				continue
			}
			if all++; len(words) < maxNamed {
				words = append(words, l.Name)
			}
		}
	}
	switch {
	case all == 0:
		return "no lines with names; give the number of the line on its chip"
	case all > len(words):
		words = append(words, fmt.Sprintf("and %d more", all-len(words)))
	}
	return strings.Join(words, ", ")
}

// held explains why a line was not given: where another has it, who that is.
func held(err error, line LineInfo, busy bool) error {
	switch {
	case busy && line.Used:
		return fmt.Errorf("%q has it already; only one may, so end that, or take it out of its configuration: %w",
			cmp.Or(line.Consumer, "the kernel"), err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; this user may not: on Debian and Raspberry Pi OS the group gpio may", err)
	}
	return err
}
