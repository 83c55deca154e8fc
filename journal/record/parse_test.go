// Tests of the reader: what it refuses, and that it never takes a body that is not its own canonical form.

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/metering/quantity"
)

// canonical is a second reading of CJ1, made of encoding/json: it puts a body out again from what JSON makes of it, and
// compares. It shares no code with the reader that it judges.
func canonical(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return err
	}
	var out []byte
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, err := canonicalValue(fields[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, ","+quoted(name)+":"+v...)
	}
	if want := "{" + strings.TrimPrefix(string(out), ",") + "}"; want != string(body) {
		return fmt.Errorf("not its own canonical form %s", want)
	}
	return nil
}

func canonicalValue(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return quoted(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil || n > 1<<53-1 || n < -(1<<53-1) {
			return "", errors.New("no integer within 2^53-1")
		}
		return strconv.FormatInt(n, 10), nil
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return "", errors.New("a list of something else than strings")
			}
			parts[i] = quoted(s)
		}
		return "[" + strings.Join(parts, ",") + "]", nil
	}
	return "", fmt.Errorf("a value of type %T", v)
}

func quoted(s string) string {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	var out strings.Builder
	for _, c := range s {
		if e, ok := short[c]; ok {
			out.WriteString(e)
		} else if c < 0x20 || c == 0x7F {
			fmt.Fprintf(&out, `\u%04x`, c)
		} else {
			out.WriteRune(c)
		}
	}
	return `"` + out.String() + `"`
}

// acceptable tells whether Parse should take a body: it is canonical, of a known kind, and carries the keys of that kind, each
// with a value of its form.
func acceptable(body []byte) bool {
	if len(body) > MaxBody || canonical(body) != nil {
		return false
	}
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return false
	}
	name, _ := fields["event_type"].(string)
	kind, ok := ParseKind(name)
	if !ok {
		return false
	}
	var set keySet
	for name, v := range fields {
		k, ok := ParseKey(name)
		if !ok || !suits(k.form(), v) {
			return false
		}
		set.add(k)
	}
	for k := range keyCount {
		must := mustSets[kind].has(k) || set.has(BatchID) && slices.Contains(inBatch, k)
		if must && !set.has(k) || set.has(k) && !knownSets[kind].has(k) {
			return false
		}
	}
	return true
}

// again puts a record that was read out with the writer.
func again(r *Record) ([]byte, error) {
	var b Body
	b.Begin(r.Kind)
	for _, p := range r.fields {
		f := p.key.form()
		if f == formMeasure && p.text != Overflow {
			f = formDecimal
		}
		switch f {
		case formInt:
			b.Int(p.key, r.Int(p.key))
		case formCount:
			b.Count(p.key, r.Count(p.key))
		case formDecimal:
			coef, scale, err := quantity.ParseDecimal(p.text)
			if err != nil {
				return nil, err
			}
			b.Decimal(p.key, coef, scale)
		case formTime:
			b.Time(p.key, r.Time(p.key))
		case formBool:
			b.Bool(p.key, r.Bool(p.key))
		case formTexts:
			b.Texts(p.key, r.Texts(p.key))
		case formCounts:
			b.Counts(p.key, r.Counts(p.key))
		default:
			if p.key != EventType {
				b.Text(p.key, p.text)
			}
		}
	}
	return b.Append(nil)
}

// sample is a record with values of many forms.
func sample(t testing.TB) string {
	var b Body
	begin(&b, KindBoot, keyCount)
	for _, k := range append([]Key{Readback, Cause, Unapproved, TsUTC, OffsetMS}, inBatch...) {
		give(&b, k)
	}
	body, err := b.Append(nil)
	require.NoError(t, err)
	return string(body)
}

// with gives a record, of the first kind that knows the key, with other bytes for the value of that key.
func with(t testing.TB, key Key, value string) string {
	var b Body
	kind := KindNone + 1
	for !knownSets[kind].has(key) {
		kind++
	}
	begin(&b, kind, key)
	give(&b, key)
	body, err := b.Append(nil)
	require.NoError(t, err)
	name := `"` + key.String() + `":`
	old := name + string(b.f[key].append(nil))
	require.Contains(t, string(body), old)
	return strings.Replace(string(body), old, name+value, 1)
}

// without gives a body that lacks one of its keys.
func without(t testing.TB, body []byte, key Key) []byte {
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &fields))
	delete(fields, key.String())
	var out []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		out = append(out, `"`+name+`":`+string(fields[name]))
	}
	return []byte("{" + strings.Join(out, ",") + "}")
}

func TestBodiesThatAreNotCanonicalAreRefused(t *testing.T) {
	good := sample(t)
	require.True(t, acceptable([]byte(good)))
	change := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct{ body, want string }{
		"nothing":                {"", "begins with {"},
		"an empty object":        {"{}", "key in quotation marks"},
		"a list":                 {"[]", "begins with {"},
		"a mark of byte order":   {"\ufeff" + good, "begins with {"},
		"space before":           {" " + good, "begins with {"},
		"a line end after":       {good + "\n", "first }"},
		"two objects":            {good + good, "first }"},
		"a NUL after":            {good + "\x00", "first }"},
		"space in front of key":  {change(`,"cause"`, `, "cause"`), "key in quotation marks"},
		"space behind key":       {change(`"cause":`, `"cause" :`), "key in quotation marks"},
		"space in front of list": {change(`"cause":`, `"cause": `), "cause: value is no canonical list of counts"},
		"a comma at the end":     {change(`true}`, `true,}`), "key in quotation marks"},
		"an unknown key":         {change(`"cause"`, `"causes"`), `unknown key "causes"`},
		"a key in upper case":    {change(`"cause"`, `"Cause"`), `unknown key "Cause"`},
		"an empty key":           {change(`"cause"`, `""`), `unknown key ""`},
		"a key with an escape":   {change(`"cause"`, `"c\u0061use"`), "key in quotation marks"},
		"a key given twice":      {change(`"cause":`, `"cause":[],"cause":`), "cause: keys are not in ascending order"},
		"keys out of order":      {change(`"cause":`, `"unit":"L","cause":`), "cause: keys are not in ascending order"},
		"a key that is missing":  {change(`"sync_state"`, `"step_id"`), "boot: sync_state is missing"},
		"a key of another kind":  {change(`"sync_state"`, `"quality":"BAD","sync_state"`), "quality: keys are not in ascending order"},
		"an odd key in order":    {change(`"ts_mono_ns"`, `"tolerance":"1","ts_mono_ns"`), "boot: tolerance is not a field"},
		"an unknown kind":        {change(`"boot"`, `"booth"`), `unknown event_type "booth"`},
		"a kind that is no text": {change(`"boot"`, `true`), "event_type: value is no canonical text"},
		"a kind that is empty":   {change(`"boot"`, `""`), `unknown event_type ""`},
		"too many bytes":         {strings.Repeat("{", MaxBody+1), "at most 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			require.False(t, acceptable([]byte(c.body)))
			r, err := Parse([]byte(c.body))
			require.ErrorIs(t, err, ErrRecord)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, r)
		})
	}
}

func TestNeitherACutNorAChangedByteIsEverMisread(t *testing.T) {
	good := sample(t)
	for i := range len(good) {
		_, err := Parse([]byte(good[:i]))
		require.ErrorIs(t, err, ErrRecord, "cut at byte %d", i)
		for _, c := range []byte("\x00 \"\\,:{}[]01-.eu\x7f\xff") {
			body := []byte(good)
			body[i] = c
			_, err := Parse(body)
			if (err == nil) != acceptable(body) {
				require.FailNow(t, "reader and judge disagree", "byte %d as %q: %v\n%s", i, c, err, body)
			}
		}
	}
}

func TestARecordKeepsTheBodyAndAnswersForWhatIsAbsent(t *testing.T) {
	body := []byte(sample(t))
	r, err := Parse(body)
	require.NoError(t, err)
	require.Same(t, &body[0], &r.Body[0])
	seq := r.Text(JournalID)
	clear(body)
	require.Equal(t, seq, r.Text(JournalID), "strings are a copy")

	require.False(t, r.Has(Quality))
	require.Empty(t, r.Text(Quality))
	require.Zero(t, r.Int(Quality))
	require.Zero(t, r.Count(Quality))
	require.Zero(t, r.Time(Expiry))
	require.False(t, r.Bool(SafeDirection))
	require.Nil(t, r.Texts(Values))
	require.Nil(t, (&Record{}).Counts(Cause))
}

func TestAccessorsGiveZeroForWhatIsNotOfTheirForm(t *testing.T) {
	read := func(key Key, value string) *Record {
		r, err := Parse([]byte(with(t, key, value)))
		require.NoError(t, err)
		return r
	}
	word := read(Detail, `"true"`)
	require.Zero(t, word.Int(Detail))
	require.Zero(t, word.Count(Detail))
	require.Zero(t, word.Time(Detail))
	require.False(t, word.Bool(Detail), "a text is no truth")
	require.Nil(t, word.Texts(Detail))
	require.Nil(t, word.Counts(Detail))
	require.Zero(t, read(Epoch, `-1`).Count(Epoch))
	require.Zero(t, read(EventSeq, `"18446744073709551615"`).Int(EventSeq))
	require.Zero(t, read(Readback, `["5"]`).Count(Readback))
	require.Nil(t, read(Readback, `["5"]`).Counts(Readback), "digits among texts are no counts")

	require.Equal(t, []string{}, read(Readback, `[]`).Texts(Readback))
	require.Equal(t, []uint64{}, read(Cause, `[]`).Counts(Cause))
	require.Equal(t, []uint64{0, math.MaxUint64}, read(Cause, `["0","18446744073709551615"]`).Counts(Cause))
	require.Equal(t, []string{"7"}, read(Cause, `["7"]`).Texts(Cause))
	require.Equal(t, int64(-maxInt), read(Epoch, `-9007199254740991`).Int(Epoch))
	require.Equal(t, uint64(math.MaxUint64), read(EventSeq, `"18446744073709551615"`).Seq())
	require.Equal(t, int64(math.MinInt64), read(TsUTC, `"1677-09-21T00:12:43.145224192Z"`).Time(TsUTC))
	require.True(t, read(Unapproved, `true`).Bool(Unapproved))
	require.False(t, read(Unapproved, `false`).Bool(Unapproved))
}

func FuzzParse(f *testing.F) {
	var b Body
	Kinds(func(kind Kind, _ Spec) {
		begin(&b, kind, keyCount)
		body, err := b.Append(nil)
		require.NoError(f, err)
		f.Add(body)
	})
	for _, key := range formKeys {
		for _, value := range append([]string{`"\u00"`, `"\`, `[`, `-0`, `1e3`, `null`, `[["a"]]`, `"\u001F"`, "\"\xff\""}, samples()...) {
			f.Add([]byte(with(f, key, value)))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Parse(body)
		if (err == nil) != acceptable(body) {
			require.FailNow(t, "reader and judge disagree", "%v\n%q", err, body)
		}
		if err != nil {
			require.ErrorIs(t, err, ErrRecord)
			return
		}
		require.True(t, slices.IsSortedFunc(r.fields, func(a, b parsed) int { return strings.Compare(a.key.String(), b.key.String()) }))
		out, err := again(r)
		require.NoError(t, err)
		require.Equal(t, string(body), string(out))
	})
}
