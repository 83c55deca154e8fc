// This file tests Parse and Bind: the tree, the canonical text, the columns and what is refused.

package cond

import (
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// plant is a small set of tags.
type plant struct{}

func (plant) CondTag(name string) (Tag, bool) {
	res := func(s string) quantity.Quantity {
		q, err := quantity.Parse(s)
		if err != nil {
			panic(err)
		}
		return q
	}
	switch name {
	case "T101.level":
		return Tag{ID: 0, Resolution: res("0.1 L")}, true
	case "door_open":
		return Tag{ID: 1, Switch: true, Words: [2]string{"no", "yes"}}, true
	case "TT101":
		return Tag{ID: 2, Resolution: res("0.01 Cel")}, true
	case "XV101":
		return Tag{ID: 3, Switch: true, Words: [2]string{"closed", "open"}}, true
	case "N101":
		return Tag{ID: 4, Resolution: res("1")}, true
	case "FC101":
		return Tag{ID: 5}, true
	}
	return Tag{}, false
}

func TestTheCanonicalTextHasSingleSpacesAndTheFewestParentheses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a", "a"},
		{"  ( ( a ) )\n", "a"},
		{"T101.level>=40 L and not(door_open or TT101<5   Cel)", "T101.level >= 40 L and not (door_open or TT101 < 5 Cel)"},
		{"a and b or c and d", "a and b or c and d"},
		{"(a and b) or (c and d)", "a and b or c and d"},
		{"(a or b) and (c or d)", "(a or b) and (c or d)"},
		{"a and (b and c)", "a and (b and c)"},
		{"(a or b) or c", "(a or b) or c"},
		{"not (not (a))", "not not a"},
		{"not a == open and not (b != shut)", "not a == open and not b != shut"},
		{"a>-0.50 mbar or b<=5 or c<1 {pulse}/min or d==0 % or e!=7.00 [pH]",
			"a > -0.50 mbar or b <= 5 or c < 1 {pulse}/min or d == 0 % or e != 7.00 [pH]"},
		{"a>=$target and b==$n_2", "a >= $target and b == $n_2"},
		{"stable ( T1.x,0.2   Cel,$t )and elapsed(30 s)", "stable(T1.x, 0.2 Cel, $t) and elapsed(30 s)"},
		{"02 of((a or b),not(c),(1 of(d)))", "2 of (a or b, not c, 1 of (d))"},
		{"not 2 of (a,b)and(3 of (a,b,c and (d or e)))or f", "not 2 of (a, b) and 3 of (a, b, c and (d or e)) or f"},
		{"stable and elapsed or of == of and stable >= 5", "stable and elapsed or of == of and stable >= 5"},
		{"2 of (a > 4,b > 5,elapsed(1 s))", "2 of (a > 4, b > 5, elapsed(1 s))"},
	} {
		e, err := Parse(c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, e.String())
		again, err := Parse(c.want)
		require.NoError(t, err)
		require.Equal(t, shape(e), shape(again), c.text)
	}
}

func TestParametersAreListedWithTheirColumns(t *testing.T) {
	e, err := Parse("a > $x and stable(TT101, $band, $time) or elapsed($time)")
	require.NoError(t, err)
	require.Equal(t, []Ref{{"x", 5}, {"band", 26}, {"time", 33}, {"time", 51}}, e.Params())
	require.Equal(t, []Ref{{"a", 1}, {"TT101", 19}}, e.Tags())
}

// shape is an expression without its columns.
func shape(e *Expr) []part {
	parts := append([]part(nil), e.parts...)
	for i := range parts {
		parts[i].column, parts[i].value.column, parts[i].time.column = 0, 0, 0
	}
	return parts
}

func TestTagsAreListedWithTheirColumns(t *testing.T) {
	e, err := Parse("T101.level >= 40 L and\nnot (door_open or TT101 < 5 Cel) or door_open")
	require.NoError(t, err)
	require.Equal(t, []Ref{{"T101.level", 1}, {"door_open", 29}, {"TT101", 42}, {"door_open", 60}}, e.Tags())
}

func TestASyntaxErrorSaysWhereAndWhat(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		msg    string
	}{
		{"", 1, "the condition is empty"},
		{" \t", 3, "the condition is empty"},
		{"a and", 6, "a tag is missing here, found the end of the text"},
		{"a and and b", 7, `a tag is missing here, found "and"`},
		{"()", 2, `a tag is missing here, found ")"`},
		{"(a or b", 8, "the parenthesis of column 1 is not closed"},
		{"(a b)", 4, `"and" or "or" is missing before "b"`},
		{"a)", 2, "this parenthesis closes none"},
		{"a not b", 3, `"and" or "or" is missing before "not"`},
		{"a AND b", 3, `"AND" must be in lower case`},
		{"a > 5 OR b", 7, `"OR" must be in lower case`},
		{"a && b", 3, `"&&" is not an operator; write and`},
		{"a || b", 3, `"||" is not an operator; write or`},
		{"!a", 1, `"!" is not an operator; write not`},
		{"a = 5", 3, `"=" is not an operator; write one of >=, >, <=, <, ==, !=`},
		{"a => 5", 3, `"=>" is not an operator; write one of >=, >, <=, <, ==, !=`},
		{"5 < a", 1, `"5" is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter`},
		{"1 < a < 5", 1, `"1" is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter`},
		{"a < 5 < b", 7, `"<" has no tag on its left; compare each tag by itself and join with and`},
		{"T101..level", 1, `"T101..level" is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter`},
		{"a >=", 5, `after >= a quantity such as 40 L or a word such as open is missing, found the end of the text`},
		{"a >= and b", 6, `after >= a quantity such as 40 L or a word such as open is missing, found "and"`},
		{"a == b.c", 6, `after == a quantity such as 40 L or a word such as open is missing, found "b.c"`},
		{"a >= 40L", 6, `"40L": no space before the unit; write "40 L"`},
		{"a >= 4,5 L", 6, `"4,5 L": comma in the number; write a decimal point, and no thousands separator`},
		{"a >= 40 degC", 6, `"40 degC": unit "degC": not known; the closest known is "Cel"`},
		{"Füllstand > 5 L", 1, `"Füllstand" is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter`},
		{"a and ü", 7, `"ü" is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter`},
		{strings.Repeat("(", 33) + "a", 33, "more than 32 parentheses and not inside each other"},
		{strings.Repeat("not ", 33) + "a", 129, "more than 32 parentheses and not inside each other"},
		{"a" + strings.Repeat(" or a", 256), 1276, "the condition has more than 256 operators and comparisons"},
		{strings.Repeat("a", 4097), 1, "the condition has 4097 bytes, more than the limit of 4096"},
		{"a>5 or a" + strings.Repeat("a", 4087), 1, "the condition with single spaces has more than 4096 bytes; shorten it"},
	} {
		refused(t, c.text, c.column, c.msg)
	}
	_, err := Parse("a and")
	require.EqualError(t, err, "cond: column 6: a tag is missing here, found the end of the text")
}

func refused(t *testing.T, text string, column int, msg string) {
	t.Helper()
	e, err := Parse(text)
	require.Nil(t, e, text)
	var at *SyntaxError
	require.ErrorAs(t, err, &at, text)
	require.Equal(t, SyntaxError{column, msg}, *at, "%.60s", text)
}

func TestAWrongFunctionSaysWhereAndWhat(t *testing.T) {
	const noTag = " is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter"
	for _, c := range []struct {
		text   string
		column int
		msg    string
	}{
		{"a >= 4,5,6 L", 6, `"4,5,6 L": comma in the number; write a decimal point, and no thousands separator`},
		{"a, b", 2, `a comma stands only in "2 of (a, b, c)" and in stable(TAG, BAND, TIME)`},
		{"(a, b)", 3, `a comma stands only in "2 of (a, b, c)" and in stable(TAG, BAND, TIME)`},
		{"a > $", 5, `"$" is not a parameter; write $ and its name, which is letters, digits and _`},
		{"a > $b.c", 5, `"$b.c" is not a parameter; write $ and its name, which is letters, digits and _`},
		{"$a > 5", 1, `"$a"` + noTag},
		{"a > 5 $b", 5, `"5 $b": unit "$b": not known; the closest known is "1"`},
		{"3 of (a, b)", 1, `"3" of 2 conditions cannot be; write a number from 1 to 2`},
		{"b or 0 of (a)", 6, `"0" of 1 conditions cannot be; write a number from 1 to 1`},
		{"99999999999999999999 of (a)", 1, `"99999999999999999999" of 1 conditions cannot be; write a number from 1 to 1`},
		{"1.5 of (a, b)", 1, `"1.5" is not a number of conditions; write "2 of (a, b, c)"`},
		{"2 OF (a, b)", 3, `"OF" must be in lower case`},
		{"2 (a, b)", 1, `"2"` + noTag},
		{"2 of a, b", 6, `after 2 of the conditions in parentheses are missing, found "a"`},
		{"2 of (a, )", 10, `a tag is missing here, found ")"`},
		{"2 of (, a)", 7, `a tag is missing here, found ","`},
		{"2 of (a, b", 11, "the parenthesis of column 6 is not closed"},
		{"2 of (a b)", 9, `"and" or "or" is missing before "b"`},
		{"2 of (a, b) c", 13, `"and" or "or" is missing before "c"`},
		{"elapsed()", 9, `after the parenthesis a time such as 30 s is missing, found ")"`},
		{"elapsed(30s)", 9, `"30s": no space before the unit; write "30 s"`},
		{"elapsed(30 s", 13, "the parenthesis of column 8 is not closed"},
		{"elapsed(30 s, 5 s)", 13, `")" is missing before ","; write stable(TAG, BAND, TIME) or elapsed(TIME)`},
		{"stable(TT101, 0,2 Cel, 30 s)", 15, `"0,2 Cel": comma in the number; write a decimal point, and no thousands separator`},
		{"stable(TT101, 0.2 Cel)", 22, `a comma and a time such as 30 s are missing here, found ")"`},
		{"stable(TT101 0.2 Cel)", 14, `a comma and the width of the band such as 0.2 Cel are missing here, found "0.2"`},
		{"stable(TT101, open, 30 s)", 15, `after the comma the width of the band such as 0.2 Cel is missing, found "open"`},
		{"stable(0.2 Cel, TT101, 30 s)", 8, `"0.2"` + noTag},
		{"stable(", 8, `a tag is missing here, found the end of the text`},
		{"stable(not a, 5, 5 s)", 8, `a tag is missing here, found "not"`},
		{"Stable(TT101, 0.2 Cel, 30 s)", 1, `"Stable" is not a function; write stable(TAG, BAND, TIME) or elapsed(TIME)`},
		{strings.Repeat("1 of (", 33) + "a", 198, "more than 32 parentheses and not inside each other"},
		{"257 of (a" + strings.Repeat(",a", 256) + ")", 519, "the condition has more than 256 operators and comparisons"},
	} {
		refused(t, c.text, c.column, c.msg)
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", 32) + "a" + strings.Repeat(")", 32),
		strings.Repeat("not ", 32) + "a",
		"a" + strings.Repeat(" or a", 254),
		strings.Repeat("a", 4096),
		strings.Repeat("1 of (", 32) + "a" + strings.Repeat(")", 32),
		"255 of (a" + strings.Repeat(", a", 254) + ")",
	} {
		_, err := Parse(text)
		require.NoError(t, err, "%.60s", text)
	}
}

func TestNamesAreWordsJoinedByPoints(t *testing.T) {
	for _, name := range []string{"a", "XV101", "T101.level", "a_1.2.c", "And", "note"} {
		require.True(t, IsName(name), name)
	}
	for _, name := range []string{"", "and", "or", "not", "1a", "_a", ".a", "a.", "a..b", "a-b", "a b", "ä", "aä"} {
		require.False(t, IsName(name), name)
	}
}

func TestBindTurnsConstantsIntoCounts(t *testing.T) {
	e, err := Parse("T101.level >= 0.04 m3 and not (door_open or TT101 < 5 Cel) or XV101 != closed or N101 == -7")
	require.NoError(t, err)
	c, errs := e.Bind(plant{}, nil)
	require.Nil(t, errs)
	require.Equal(t, Cond{
		{Op: Or, Size: 9},
		{Op: And, Size: 6},
		{Op: Ge, Size: 1, Tag: 0, Value: 400},
		{Op: Not, Size: 4},
		{Op: Or, Size: 3},
		{Op: Eq, Size: 1, Tag: 1, Value: 1},
		{Op: Lt, Size: 1, Tag: 2, Value: 500},
		{Op: Ne, Size: 1, Tag: 3, Value: 0},
		{Op: Eq, Size: 1, Tag: 4, Value: -7},
	}, c)
	require.Equal(t, "not (door_open or TT101 < 5 Cel)", e.Part(3))
	require.Equal(t, "XV101 != closed", e.Part(7))
	require.Empty(t, e.Part(9))
	require.Empty(t, e.Part(-1))
}

// formula gives parameters as a recipe does.
type formula map[string]string

func (f formula) Lookup(name string) (quantity.Quantity, bool) {
	q, err := quantity.Parse(f[name])
	return q, err == nil
}

var params = formula{"volume": "0.040 m3", "band": "0.2 Cel", "below": "-0.2 Cel", "time": "0.5 min", "zero": "0 s", "fine": "0.001 Cel"}

func TestBindPutsParametersInTheirPlaces(t *testing.T) {
	e, err := Parse("2 of (T101.level >= $volume, stable(TT101, $band, $time), elapsed($time))")
	require.NoError(t, err)
	c, errs := e.Bind(plant{}, params)
	require.Nil(t, errs)
	const half = 30_000_000_000
	require.Equal(t, Cond{
		{Op: Of, Size: 4, Value: 2},
		{Op: Ge, Size: 1, Tag: 0, Value: 400},
		{Op: Stable, Size: 1, Tag: 2, Value: 20, Time: half},
		{Op: Elapsed, Size: 1, Time: half},
	}, c)
	require.Equal(t, 2, c.Cells())
	require.Equal(t, "T101.level >= $volume", e.Part(1), "the text keeps the name")
	require.Equal(t, "stable(TT101, $band, $time)", e.Part(2))
	require.Equal(t, "elapsed($time)", e.Part(3))
	_, errs = e.Bind(plant{}, nil)
	require.Equal(t, []SyntaxError{
		{21, `no parameter "volume" in the formula`}, {44, `no parameter "band" in the formula`},
		{51, `no parameter "time" in the formula`}, {67, `no parameter "time" in the formula`},
	}, errs)
}

func TestBindRefusesWhatDoesNotFitAndReturnsAllOfIt(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		msg    string
	}{
		{"TT10 > 5 Cel", 1, `no tag "TT10" in the I/O map`},
		{"TT101 > 5 K", 9, `tag "TT101" is a quantity in Cel, and "5 K" measures something else`},
		{"TT101 > 5.005 Cel", 9, `tag "TT101" comes in steps of 0.01 Cel, and "5.005 Cel" is no whole number of these`},
		{"TT101 > 900000000000000000 Cel", 9, `tag "TT101": "900000000000000000 Cel" in counts of "0.01 Cel": does not fit 64 bits`},
		{"not TT101", 5, `tag "TT101" is a number; compare it with a quantity in Cel`},
		{"TT101 == open", 10, `tag "TT101" is a number; compare it with a quantity in Cel`},
		{"N101 == open", 9, `tag "N101" is a number; compare it with a plain number`},
		{"FC101 > 5", 9, `tag "FC101" cannot be compared`},
		{"XV101 == 1", 10, `tag "XV101" is a switch; compare it with closed or open`},
		{"XV101 > closed", 9, `tag "XV101" is a switch; only == and != compare it`},
		{"XV101 == shut", 10, `tag "XV101" is closed or open, not "shut"`},
		{"XV101 == $volume", 10, `tag "XV101" is a switch; compare it with closed or open`},
		{"TT101 > $volume", 9, `tag "TT101" is a quantity in Cel, and $volume: "0.040 m3" measures something else`},
		{"TT101 > $fine", 9, `tag "TT101" comes in steps of 0.01 Cel, and $fine: "0.001 Cel" is no whole number of these`},
		{"TT101 > $none", 9, `no parameter "none" in the formula`},
		{"stable(TT10, 1 Cel, 1 s)", 8, `no tag "TT10" in the I/O map`},
		{"stable(XV101, 1 Cel, 1 s)", 8, `tag "XV101" is a switch; only a number can be stable`},
		{"stable(FC101, 1, 1 s)", 15, `tag "FC101" cannot be compared`},
		{"stable(TT101, 1 kg, 1 s)", 15, `tag "TT101" is a quantity in Cel, and "1 kg" measures something else`},
		{"stable(TT101, -0.01 Cel, 1 s)", 15, `tag "TT101": a band is not below zero, as "-0.01 Cel" is`},
		{"stable(TT101, $below, 1 s)", 15, `tag "TT101": $below: a band is not below zero, as "-0.2 Cel" is`},
		{"stable(TT101, 1 Cel, $band)", 22, `$band: a time such as 30 s is wanted, not "0.2 Cel"`},
		{"elapsed(5 kg)", 9, `a time such as 30 s is wanted, not "5 kg"`},
		{"elapsed(5)", 9, `a time such as 30 s is wanted, not "5"`},
		{"elapsed(0.5 ns)", 9, `a time such as 30 s is wanted: "0.5 ns" in counts of "1 ns": not a whole number of counts`},
		{"elapsed(0 s)", 9, `a time above zero such as 30 s is wanted, not "0 s"`},
		{"elapsed(-1 s)", 9, `a time above zero such as 30 s is wanted, not "-1 s"`},
		{"elapsed($zero)", 9, `$zero: a time above zero such as 30 s is wanted, not "0 s"`},
		{"elapsed(1000000 d)", 9, `a time such as 30 s is wanted: "1000000 d" in counts of "1 ns": does not fit 64 bits`},
	} {
		e, err := Parse(c.text)
		require.NoError(t, err, c.text)
		bound, errs := e.Bind(plant{}, params)
		require.Nil(t, bound, c.text)
		require.Equal(t, []SyntaxError{{c.column, c.msg}}, errs, c.text)
	}
	e, err := Parse("x and XV101 == shut and TT101 > 5 Cel and y > 1")
	require.NoError(t, err)
	_, errs := e.Bind(plant{}, nil)
	require.Len(t, errs, 3)
	require.Equal(t, 43, errs[2].Column)
}

// FuzzParse holds every text that parses against its canonical form.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"T101.level >= 40 L and not (door_open or TT101 < 5 Cel)", "a or (b or c)", "not not a", "a == open",
		"2 of (a > $x, stable(TT101, 0.2 Cel, $time), not elapsed(30 s))", "1 of (1 of (a), b)",
		"elapsed($time) and T101.level < $volume", "a>-5.0 [pH]", "((((a", "a <= 1 {pulse}/kg", "a\xff", "a > 5 \x00", strings.Repeat("(", 40)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			at, ok := err.(*SyntaxError)
			require.True(t, ok)
			require.Nil(t, e)
			require.GreaterOrEqual(t, at.Column, 1)
			require.LessOrEqual(t, at.Column, len([]rune(text))+1)
			require.NotContains(t, at.Msg, "\n")
			return
		}
		again, err := Parse(e.String())
		require.NoError(t, err)
		require.Equal(t, shape(e), shape(again))
		require.Equal(t, e.String(), again.String())
		for _, ref := range e.Tags() {
			require.True(t, strings.HasPrefix(string([]rune(text)[ref.Column-1:]), ref.Name))
		}
		for _, ref := range e.Params() {
			require.True(t, strings.HasPrefix(string([]rune(text)[ref.Column-1:]), "$"+ref.Name))
		}
		c, errs := e.Bind(plant{}, params)
		for _, at := range errs {
			require.True(t, at.Column >= 1 && at.Column <= len([]rune(text)), "%v", at)
		}
		if errs != nil {
			return
		}
		mem := begun(c, 0)
		truth := c.Eval(image{}, 1, mem)
		require.True(t, c.Cells() > 0 || truth == Bad, "a condition on tags that nobody knows is bad")
		for _, img := range []image{{{400, tag.Good}, {1, tag.Good}, {500, tag.Good}, {0, tag.Good}, {-7, tag.Stale}}, of(True, False, Stale)} {
			leaf := c.Decisive(img, 9, mem)
			require.True(t, c[leaf].Op >= Eq, "what is bound is well formed")
			c.Eval(img, 9, mem)
			require.NotEmpty(t, e.Part(leaf))
		}
	})
}
