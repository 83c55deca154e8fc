// Values of the board, for whoever only looks.

package api

import "cmp"

// Value is one channel of the board as the I/O process has it: an event of GET /v1/values.
type Value struct {
	Channel string `json:"channel"`
	Form    string `json:"form"`         // bool, int, float32 or float64
	Value   string `json:"value"`        // as the device gave it, in decimal; a bool is 0 or 1
	Quality string `json:"quality"`      // GOOD or BAD
	At      string `json:"at,omitempty"` // UTC at which it was true, by the clock of its board; "": not known
}

// Check implements Body.
func (v *Value) Check() error {
	return cmp.Or(need("channel", v.Channel), texts("channel", v.Channel, "value", v.Value, "at", v.At), word("form", v.Form, "bool", "int", "float32", "float64"),
		word("quality", v.Quality, "GOOD", "STALE", "BAD"))
}
