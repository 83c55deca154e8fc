// This file tests walking a document: the readers, the keys of a mapping, and going on after an error.

package strictyaml_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// value parses a document with one key, and returns its value.
func value(t *testing.T, source string) (*strictyaml.Doc, strictyaml.Node) {
	t.Helper()
	doc := strictyaml.Parse("f", []byte("key: "+source+"\n"), nil)
	require.NoError(t, doc.Err(), source)
	return doc, doc.Root().Map().Req("key")
}

func TestTextIsItsSourceWhateverADecoderWouldMakeOfIt(t *testing.T) {
	for source, want := range map[string]string{
		"3.10": "3.10", "1.5": "1.5", "010": "010", "0x10": "0x10", "1e3": "1e3", ".5": ".5", "+1": "+1", "1_000": "1_000", "1:30": "1:30",
		"true": "true", "yes": "yes", "on": "on", "NO": "NO", "2026-01-02": "2026-01-02", ".inf": ".inf", ".NaN": ".NaN", "=": "=", "<<": "<<",
		"a   b": "a   b", "120.00 kg  # c": "120.00 kg", "a#b": "a#b", "流量 é": "流量 é", `C:\x`: `C:\x`, "x'y": "x'y",
		`"null"`: "null", `'~'`: "~", `"a\tb\n\"\\é\u0041"`: "a\tb\n\"\\é" + "A", `'it''s'`: "it's", `" a "`: " a ",
		"|\n  a\n   b\n": "a\n b\n", ">-\n  a\n  b\n": "a b", "\"a\n  b\"": "a b", "\n  x": "x",
	} {
		doc, n := value(t, source)
		require.Equal(t, want, n.Str(), source)
		require.NoError(t, doc.Err(), source)
	}
}

func TestTextIsNotEmptyAndBounded(t *testing.T) {
	for source, want := range map[string]string{
		`""`:      `1:6: "key" must not be empty`,
		`" \n\t"`: `1:6: "key" must not be empty`,
		"[x]":     `1:6: "key" must be a single value, is a list`,
		"{x: y}":  `1:6: "key" must be a single value, is a mapping`,
		strings.Repeat("é", strictyaml.MaxText+1): `1:6: "key" is 4097 characters, more than the limit of 4096`,
	} {
		doc, n := value(t, source)
		require.Empty(t, n.Str())
		require.Equal(t, []string{want}, faults(t, doc))
	}
	_, n := value(t, strings.Repeat("é", strictyaml.MaxText))
	require.NotEmpty(t, n.Str())
}

func TestIdentsHaveNarrowSpelling(t *testing.T) {
	for _, good := range []string{"a", "FT101", "B-0001", "1.0.2", "on", "3.10", strings.Repeat("x", strictyaml.MaxIdent)} {
		_, n := value(t, good)
		require.Equal(t, good, n.Ident())
	}
	for _, bad := range []string{"-a", ".a", "_a", "a b", "é", `""`, `"a\n"`, "a/b", strings.Repeat("x", strictyaml.MaxIdent+1)} {
		doc, n := value(t, bad)
		require.Empty(t, n.Ident())
		require.Len(t, faults(t, doc), 1)
		require.Contains(t, faults(t, doc)[0], `1:6: "key" must be a name of 1 to 64 letters, digits, _ . -`)
	}
}

func TestWholeNumbersHaveOneForm(t *testing.T) {
	for source, want := range map[string]int64{"0": 0, "7": 7, "-7": -7, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		doc, n := value(t, source)
		require.Equal(t, want, n.Int(math.MinInt64, math.MaxInt64))
		require.NoError(t, doc.Err())
	}
	for source, why := range map[string]string{
		"0x10": ": write it in decimal", "0o10": ": write it in decimal", "-0b1": ": write it in decimal",
		"010": ": remove the leading zero, or the sign of zero", "-0": ": remove the leading zero, or the sign of zero",
		"1e3": ": write it without exponent", "1.5E-3": ": write it without exponent",
		".5": ": a fraction is not a whole number", "3.10": ": a fraction is not a whole number", "1.": ": a fraction is not a whole number",
		"+1": ": remove the plus sign", "1_000": ": write the digits without separators", "1 000": ": write the digits without separators",
		`"1"`: ": remove the quotes", "yes": ": not a number", "5s": ": not a number", ".inf": ": not a number", `""`: ": not a number",
		"11": "", "-1": "", "9223372036854775808": "",
	} {
		doc, n := value(t, source)
		require.Zero(t, n.Int(1, 10))
		shown := strings.Trim(source, `"`)
		require.Equal(t, []string{fmt.Sprintf(`1:6: "key" must be a whole number from 1 to 10, is %q%s`, shown, why)}, faults(t, doc))
	}
}

func TestOnlyTrueAndFalseAreTruthValues(t *testing.T) {
	_, n := value(t, "true")
	require.True(t, n.Bool())
	doc, n := value(t, "false")
	require.False(t, n.Bool())
	require.NoError(t, doc.Err())
	for _, source := range []string{"yes", "on", "True", "TRUE", "1", "y", `"true"`, "'false'"} {
		doc, n := value(t, source)
		require.False(t, n.Bool())
		require.Equal(t, []string{fmt.Sprintf(`1:6: "key" must be true or false, without quotes, is %q`, strings.Trim(source, `'"`))}, faults(t, doc))
	}
}

func TestAWordOutsideTheListIsRefusedWithTheNearestOne(t *testing.T) {
	_, n := value(t, "hold")
	require.Equal(t, "hold", n.OneOf("drop", "hold"))
	for source, want := range map[string]string{
		"hodl":                   `1:6: "key" must be one of drop, hold, is "hodl"; did you mean "hold"?`,
		"latch":                  `1:6: "key" must be one of drop, hold, is "latch"`,
		strings.Repeat("x", 100): `1:6: "key" must be one of drop, hold, is "` + strings.Repeat("x", 40) + `"...`,
	} {
		doc, n := value(t, source)
		require.Empty(t, n.OneOf("drop", "hold"))
		require.Equal(t, []string{want}, faults(t, doc))
	}
}

func TestUnknownAndMissingKeysAreReportedWithWhatIsAllowed(t *testing.T) {
	doc := strictyaml.Parse("f", []byte("name: x\nsteps:\n- id: A\n  timout: 3\n  zzz: 1\n- {}\n"), nil)
	f := doc.Root().Map()
	require.Equal(t, "x", f.Req("name").Str())
	for _, item := range f.Req("steps").List(10) {
		s := item.Map()
		s.Req("id").Ident()
		_, ok := s.Opt("timeout")
		require.False(t, ok)
		s.Opt("timeout")
		s.Done()
	}
	f.Req("version").Str()
	f.Done()
	require.Equal(t, []string{
		`1:1: document: key "version" is missing`,
		`4:3: item 1 of "steps": unknown key "timout"; did you mean "timeout"?; allowed: id, timeout`,
		`5:3: item 1 of "steps": unknown key "zzz"; allowed: id, timeout`,
		`6:3: item 2 of "steps": key "id" is missing`,
	}, faults(t, doc))
}

func TestAKeyThatIsThereIsNotSuggested(t *testing.T) {
	doc := strictyaml.Parse("f", []byte("tag: x\ntags: y\nid: z\n"), nil)
	f := doc.Root().Map()
	f.Req("tag")
	f.Opt("a")
	f.Done()
	require.Equal(t, []string{`2:1: document: unknown key "tags"; allowed: tag, a`, `3:1: document: unknown key "id"; allowed: tag, a`}, faults(t, doc))
}

func TestListsAndEntriesComeInOrderAndAreBounded(t *testing.T) {
	doc, n := value(t, "[b, a, c]")
	var got []string
	for _, item := range n.List(3) {
		got = append(got, item.Str())
	}
	require.Equal(t, []string{"b", "a", "c"}, got)
	require.Empty(t, n.List(2))
	require.Equal(t, []string{`1:6: "key" has 3 entries, more than the limit of 2`}, faults(t, doc))

	doc, n = value(t, "{b: 1, a: 2}")
	got = nil
	for _, e := range n.Entries(2) {
		got = append(got, fmt.Sprintf("%s %d %s", e.Key.Ident(), e.Value.Int(0, 9), e.Key.Pos()))
	}
	require.Equal(t, []string{"b 1 f:1:7", "a 2 f:1:13"}, got)
	require.Empty(t, n.Entries(1))
	require.Equal(t, []string{`1:6: "key" has 2 entries, more than the limit of 1`}, faults(t, doc))

	doc, n = value(t, "{a b: [[x], {}]}")
	e := n.Entries(9)[0]
	e.Key.Ident()
	e.Value.List(9)[0].List(9)[0].Bool()
	e.Value.List(9)[1].List(9)
	require.Equal(t, []string{
		`1:7: key "a b" must be a name of 1 to 64 letters, digits, _ . - that begins with a letter or a digit, is "a b"`,
		`1:14: item 1 of item 1 of "a b" must be true or false, without quotes, is "x"`,
		`1:18: item 2 of "a b" must be a list, is a mapping`,
	}, faults(t, doc))
}

func TestAnAbsentNodeIsSilentAndASecondErrorIsNotMade(t *testing.T) {
	doc := strictyaml.Parse("f", []byte("a: ~\nb: x\n"), nil)
	before := faults(t, doc)
	f := doc.Root().Map()
	refused := f.Req("a")
	value, ok := f.Opt("a")
	require.True(t, ok)
	require.Equal(t, refused, value)
	gone, ok := f.Opt("c")
	require.False(t, ok)
	for _, n := range []strictyaml.Node{{}, refused, gone, strictyaml.Parse("g", nil, nil).Root()} {
		require.Equal(t, strictyaml.Absent, n.Kind())
		require.Empty(t, n.Str())
		require.Empty(t, n.Ident())
		require.Empty(t, n.OneOf("x"))
		require.Zero(t, n.Int(1, 2))
		require.False(t, n.Bool())
		require.Empty(t, n.List(9))
		require.Empty(t, n.Entries(9))
		n.Errorf("follows from the first")
		m := n.Map()
		require.Equal(t, strictyaml.Absent, m.Req("x").Map().Req("y").Kind())
		m.Done()
	}
	require.Equal(t, strictyaml.Pos{}, gone.Pos())
	require.Equal(t, "f:1:4", refused.Pos().String())
	require.Equal(t, before, faults(t, doc))
}

func TestTheKindOfANodeCanBeAskedFor(t *testing.T) {
	for source, want := range map[string]strictyaml.Kind{"x": strictyaml.Scalar, "[]": strictyaml.List, "{}": strictyaml.Mapping} {
		_, n := value(t, source)
		require.Equal(t, want, n.Kind())
	}
	require.Equal(t, "nothing", strictyaml.Absent.String())
}

func Example() {
	source := "name: Charge\nversion: 3.10\nsteps:\n  - id: CHARGE_A\n    retries: 1e1\n  - id: CHARGE_A\n    timout: 30s\n"
	doc := strictyaml.Parse("recipe.yaml", []byte(source), nil)
	recipe := doc.Root().Map()
	recipe.Req("name").Str()
	version := recipe.Req("version").Str()
	seen := map[string]bool{}
	for _, item := range recipe.Req("steps").List(1000) {
		step := item.Map()
		id := step.Req("id")
		if seen[id.Ident()] {
			id.Errorf("step %q is there already; give each step a name of its own", id.Ident())
		}
		seen[id.Ident()] = true
		if retries, ok := step.Opt("retries"); ok {
			retries.Int(0, 10)
		}
		step.Opt("timeout")
		step.Done()
	}
	recipe.Done()
	fmt.Println("version", version)
	fmt.Println(doc.Err())
	var all *strictyaml.Errors
	fmt.Println(errors.As(doc.Err(), &all), len(all.List()))
	// Output:
	// version 3.10
	// recipe.yaml:5:14: "retries" must be a whole number from 0 to 10, is "1e1": write it without exponent
	//         retries: 1e1
	//                  ^
	// recipe.yaml:6:9: step "CHARGE_A" is there already; give each step a name of its own
	//       - id: CHARGE_A
	//             ^
	// recipe.yaml:7:5: item 2 of "steps": unknown key "timout"; did you mean "timeout"?; allowed: id, retries, timeout
	//         timout: 30s
	//         ^
	// true 3
}
