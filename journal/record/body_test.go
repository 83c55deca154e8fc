// Tests of the writer: what it puts out for every kind, and what it refuses.

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// give adds a sample value of the key's form, and returns what a reader must find: a string, or a list.
func give(b *Body, k Key) (want any) {
	switch k.form() {
	case formCounts:
		b.Counts(k, []uint64{1, math.MaxUint64})
		return []string{"1", "18446744073709551615"}
	case formTexts:
		b.Texts(k, []string{"a=1", "", "\"\\\n"})
		return []string{"a=1", "", "\"\\\n"}
	case formBool:
		b.Bool(k, true)
		return "true"
	case formTime:
		b.Time(k, 1_700_000_000_123_456_789+int64(k))
		return string(AppendTime(nil, 1_700_000_000_123_456_789+int64(k)))
	case formInt:
		b.Int(k, maxInt-int64(k))
		return fmt.Sprint(maxInt - int64(k))
	case formCount:
		b.Count(k, math.MaxUint64-uint64(k))
		return fmt.Sprint(uint64(math.MaxUint64 - uint64(k)))
	case formDecimal, formMeasure:
		b.Decimal(k, -1000-int64(k), 3)
		return fmt.Sprintf("-1.%03d", int(k))
	}
	if k == EventType {
		return b.Kind().String() // Begin gave it
	}
	b.Text(k, "v "+k.String()+" \u00e9\u2028\U0001F6B0\x00\x7f")
	return "v " + k.String() + " \u00e9\u2028\U0001F6B0\x00\x7f"
}

// keysOf lists the keys of a set from the last to the first, so that the writer has to put them in order.
func keysOf(s keySet) (keys []Key) {
	for k := keyCount; k > 0; k-- {
		if s.has(k - 1) {
			keys = append(keys, k-1)
		}
	}
	return keys
}

// begin starts a record with all the keys that its kind demands but the one left out; keyCount leaves out none.
func begin(b *Body, kind Kind, out Key) {
	b.Begin(kind)
	for _, k := range keysOf(mustSets[kind]) {
		if k != out {
			give(b, k)
		}
	}
}

func TestEveryKindIsWrittenAndParsesBackEqual(t *testing.T) {
	var b Body
	Kinds(func(kind Kind, spec Spec) {
		for name, set := range map[string]keySet{"what it demands": mustSets[kind], "all it may carry": knownSets[kind]} {
			t.Run(spec.Name+" with "+name, func(t *testing.T) {
				b.Begin(kind)
				want := map[Key]any{}
				for _, k := range keysOf(set) {
					want[k] = give(&b, k)
				}
				body, err := b.Append([]byte("before"))
				require.NoError(t, err)
				body = []byte(strings.TrimPrefix(string(body), "before"))
				require.NoError(t, canonical(body))

				r, err := Parse(body)
				require.NoError(t, err)
				require.Equal(t, kind, r.Kind)
				require.Equal(t, uint64(math.MaxUint64)-uint64(EventSeq), r.Seq())
				for k := range keyCount {
					require.Equal(t, set.has(k), r.Has(k), k.String())
					if list, ok := want[k].([]string); ok {
						require.Equal(t, list, r.Texts(k), k.String())
					} else if set.has(k) {
						require.Equal(t, want[k], r.Text(k), k.String())
					}
				}
			})
		}
	})
}

func TestAKindIsRefusedWithoutAnyOfItsKeysAndWithAnyOther(t *testing.T) {
	var b Body
	refused := func(spec Spec, k Key, why string) {
		out, err := b.Append([]byte("before"))
		require.ErrorIs(t, err, ErrRecord)
		require.EqualError(t, err, "record: refused: "+spec.Name+": "+k.String()+why)
		require.Equal(t, "before", string(out))
	}
	Kinds(func(kind Kind, spec Spec) {
		for k := range keyCount {
			switch {
			case mustSets[kind].has(k) && k != EventType:
				begin(&b, kind, k)
				refused(spec, k, " is missing")
			case !knownSets[kind].has(k):
				begin(&b, kind, keyCount)
				give(&b, k)
				refused(spec, k, " is not a field of this kind")
			}
		}
		for _, k := range spec.Must {
			require.True(t, mustSets[kind].has(k), "%s demands %s", spec.Name, k)
		}
	})
}

func TestTheWriterNamesKindAndKeyOfWhatItRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxBody)
	cases := []struct {
		name string
		add  func(b *Body)
		want string
	}{
		{"a key given twice", func(b *Body) { b.Text(Quality, "BAD") }, "quality: given twice"},
		{"the kind given again", func(b *Body) { b.Text(EventType, "boot") }, "event_type: given twice"},
		{"a key that is none", func(b *Body) { b.Text(keyCount, "x") }, ": no such key"},
		{"bad UTF-8", func(b *Body) { b.Text(Detail, "a\xffb") }, "detail: not UTF-8"},
		{"half a character", func(b *Body) { b.Text(Detail, "\xc3") }, "detail: not UTF-8"},
		{"a surrogate", func(b *Body) { b.Text(Detail, "\xed\xa0\x80") }, "detail: not UTF-8"},
		{"bad UTF-8 in a list", func(b *Body) { b.Texts(Detail, []string{"good", "\x80"}) }, "detail: not UTF-8"},
		{"an integer above 2^53-1", func(b *Body) { b.Int(Detail, 1<<53) }, "detail: integer beyond 2^53-1"},
		{"an integer below -(2^53-1)", func(b *Body) { b.Int(Detail, math.MinInt64) }, "detail: integer beyond 2^53-1"},
		{"a text that is too long", func(b *Body) { b.Text(Detail, long) }, "at most 65536; the longest field is detail"},
		{"a number of 13 decimals", func(b *Body) { b.Decimal(OffsetMS, 1, 13) }, "offset_ms: more decimals than any reader takes"},
		{"a text for a time", func(b *Body) { b.Text(TsUTC, "now") }, "ts_utc: given as text, its form is time"},
		{"a number for a text", func(b *Body) { b.Int(Detail, 1) }, "detail: given as integer, its form is text"},
		{"an overflow for a time in ms", func(b *Body) { b.Text(OffsetMS, Overflow) }, "offset_ms: given as text, its form is decimal"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b Body
			begin(&b, KindQualityChange, keyCount)
			c.add(&b)
			if !strings.Contains(c.want, "longest") {
				b.Text(EventSeq, "a later fault does not hide the first")
			}
			out, err := b.Append(nil)
			require.ErrorIs(t, err, ErrRecord)
			require.ErrorContains(t, err, "quality_change: ")
			require.ErrorContains(t, err, c.want)
			require.Nil(t, out)

			begin(&b, KindQualityChange, keyCount)
			_, err = b.Append(nil)
			require.NoError(t, err, "Begin forgets a refusal")
		})
	}
}

func TestABodyOfTheGreatestLengthIsTakenAndOneByteMoreIsNot(t *testing.T) {
	var b Body
	size := func(n int) ([]byte, error) {
		begin(&b, KindQualityChange, keyCount)
		b.Text(Detail, strings.Repeat("x", n))
		return b.Append(nil)
	}
	empty, err := size(0)
	require.NoError(t, err)
	full, err := size(MaxBody - len(empty))
	require.NoError(t, err)
	require.Len(t, full, MaxBody)
	_, err = Parse(full)
	require.NoError(t, err)

	after, err := b.Append([]byte("before"))
	require.NoError(t, err, "what stands before is not counted")
	require.Equal(t, "before"+string(full), string(after))

	_, err = size(MaxBody - len(empty) + 1)
	require.ErrorContains(t, err, "65537 bytes")
	_, err = Parse(append(full[:len(full)-2], `x"}`...))
	require.ErrorContains(t, err, "65537 bytes")
}

func TestABodyKeepsNothingOfTheRecordBefore(t *testing.T) {
	var b, fresh Body
	for _, add := range []func(*Body){
		func(b *Body) { b.Decimal(Value, 5, 3) },
		func(b *Body) { b.Text(Value, "x") },
		func(b *Body) { b.Count(Value, 7) },
		func(b *Body) { b.Text(Value, "") },
		func(b *Body) { b.Decimal(Value, 0, 0) },
	} {
		for _, to := range []*Body{&b, &fresh} {
			begin(to, KindPromptAnswer, Value)
			add(to)
		}
		got, err := b.Append(nil)
		require.NoError(t, err)
		want, err := fresh.Append(nil)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		fresh = Body{}
	}
}

func TestAKindThatIsNoneIsRefused(t *testing.T) {
	for _, k := range []Kind{KindNone, kindCount, 255} {
		var b Body
		b.Begin(k)
		_, err := b.Append(nil)
		require.ErrorIs(t, err, ErrRecord)
		require.ErrorContains(t, err, "no such kind")
	}
	var unused Body
	_, err := unused.Append(nil)
	require.ErrorContains(t, err, "no such kind")
}

func TestEscapesAreThoseOfCJ1AndNoOthers(t *testing.T) {
	short := map[byte]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	for c := range byte(0x80) {
		want := string(rune(c))
		if s, ok := short[c]; ok {
			want = s
		} else if c < 0x20 || c == 0x7F {
			want = fmt.Sprintf(`\u%04x`, c)
		}
		text := "a" + string(rune(c)) + "z"
		got := appendText(nil, text)
		require.Equal(t, `"a`+want+`z"`, string(got))

		var back string
		require.NoError(t, json.Unmarshal(got, &back))
		require.Equal(t, text, back)
		cur := cursor{s: string(got)}
		back, ok := cur.text()
		require.True(t, ok)
		require.Equal(t, text, back)
	}
	require.Equal(t, "\"</>&\u00e9\u2028\ufeff\U0001F6B0\"", string(appendText(nil, "</>&\u00e9\u2028\ufeff\U0001F6B0")))
}

// stepState writes a record of the size that a running batch writes most.
func stepState(b *Body, cause []uint64, dst []byte) ([]byte, error) {
	b.Begin(KindStepState)
	b.Count(EventSeq, 1234567)
	b.Text(JournalID, "5f1c0e6d9b7a4c3e8f2d1a0b9c8d7e6f")
	b.Int(Epoch, 7)
	b.Count(TsMonoNS, 9_876_543_210_123)
	b.Time(TsUTC, 1_700_000_000_123_456_789)
	b.Text(SyncState, "NTP_SYNC")
	b.Text(TimeSource, "ntp")
	b.Decimal(OffsetMS, -125, 3)
	b.Decimal(TimeBoundMS, 5000, 3)
	b.Text(DeviceID, "ctl-1")
	b.Text(BatchID, "B-0001")
	b.Text(RecipeID, "mix")
	b.Text(RecipeVersion, "3")
	b.Text(MappingVersion, "2")
	b.Text(OperatorID, "op7")
	b.Text(EquipmentID, "T101")
	b.Text(StepID, "CHARGE_A")
	b.Text(StepState, "start")
	b.Text(PhaseState, "Running")
	b.Text(Level, "phase")
	b.Counts(Cause, cause)
	return b.Append(dst)
}

func TestWritingAllocatesNothing(t *testing.T) {
	var b Body
	buf := make([]byte, 0, MaxBody)
	cause := []uint64{1234560, 1234566}
	var err error
	allocs := testing.AllocsPerRun(1000, func() {
		var e error
		if buf, e = stepState(&b, cause, buf[:0]); e != nil {
			err = errors.Join(err, e)
		}
	})
	require.NoError(t, err)
	require.Zero(t, allocs)
	require.NoError(t, canonical(buf))
}

func BenchmarkAppend(b *testing.B) {
	var body Body
	buf := make([]byte, 0, MaxBody)
	cause := []uint64{1234560, 1234566}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = stepState(&body, cause, buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParse(b *testing.B) {
	var body Body
	buf, err := stepState(&body, []uint64{1234560, 1234566}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(buf); err != nil {
			b.Fatal(err)
		}
	}
}
