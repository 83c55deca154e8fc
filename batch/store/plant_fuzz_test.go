// The decoders of a plant, given anything.

package store

import (
	"errors"
	"fmt"
	"testing"
)

// A text of run_data that is taken says what it said.
func FuzzParseValue(f *testing.F) {
	for _, text := range []string{"1800000000000000000 TT101.temperature 80.50 GOOD", "-1 a  BAD", "0 a b c d", "00 a b c", "1 a b", "", "   ", "1  x GOOD", "1 a \x00 GOOD"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := parseValue(text)
		if ok && fmt.Sprintf("%d %s %s %s", v.At, v.Tag, v.Value, v.Quality) != text {
			t.Fatalf("%q became %+v", text, v)
		}
	})
}

// A cursor that is none is refused, and one that is taken has as many arguments as it asks for.
func FuzzCursor(f *testing.F) {
	for _, text := range []string{`["1","R-000001"]`, `["1","a","b","1","2","3"]`, `[]`, `[1]`, `["x","y"]`, `["1 OR 1=1","x"]`, `["9223372036854775808","x"]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i := range plantTables {
			cond, args, err := plantTables[i].after(text, 2)
			if err != nil && !errors.Is(err, ErrRefused) || err == nil && (len(args) != plantTables[i].key+1 || cond == "") {
				t.Fatalf("%q: %s %v %v", text, cond, args, err)
			}
		}
	})
}
