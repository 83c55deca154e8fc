// Tests of the forms: which key has which, what the writer takes for each, and what the reader does.

package record

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// formKeys has a key of each form.
var formKeys = [...]Key{formText: Detail, formValue: Value, formInt: Epoch, formCount: EventSeq, formDecimal: OffsetMS,
	formMeasure: TotalizedValue, formTime: TsUTC, formBool: Unapproved, formTexts: Readback, formCounts: Cause}

// formsOf lists the keys of each form but text, which the others have.
var formsOf = map[form]string{
	formValue: "new_value, old_value, safe_state, safe_value, value",
	formInt: "action_version, actual_ms, age_ms, backpressure, block_age_ms, block_events, block_form, cuts, debounce_ms, engine, " +
		"epoch, event_queue_depth, exchanges, late_ms, limit, max_length, omitted, order_tolerance_ms, over_budget, override_grant, peer_uid, prompt_id, " +
		"pulse_ms, queue_place, " +
		"request_id, retry_count, round, runner_pid, schema_version, status_code, tags_read, time_step_count, timeout_ms, vote_window_ms, wear_index, " +
		"write_id",
	formCount: "acked_seq, amends, arbiter_seq, bad_block_count, behind, bytes_written_total, checkpoint_id, checkpoint_last_seq, " +
		"coalesced, debounced_state, done_mono_ns, equipment_model_version, erase_count_max, event_seq, events_lost, expiry_mono_ns, first_mono_ns, flushes, " +
		"from_mono_ns, gaps, head_size, journal_bytes, overwritten, payload_bytes, projected_life_days, raw_state, reconnect_count, " +
		"samples, samples_late, samples_missing, second_count, seed, seen_mono_ns, segments, " +
		"telemetry_acked, telemetry_backlog, telemetry_dropped, telemetry_sent, telemetry_taken, to_mono_ns, token, token_offered, truncate_tail, " +
		"ts_mono_ns, window_end_ts_mono, window_start_ts_mono, zero_fill_bytes",
	formDecimal: "checkpoint_ms, control_plane_latency_ms, dispatch_latency_ms, elapsed_ms, filter_delay_ms, flush_ms, gap_ms, held_ms, holdover_age_s, holdup_ms, loop_latency_ms, " +
		"loss_interval_s, moved_ms, offset_ms, outputs_ms, sample_period_ms, sign_lag_ms, storage_commit_time_ms, " +
		"time_bound_ms, time_within_ms, write_amplification",
	formMeasure: "batch_total, cautious_tolerance, delta, edge_flow, historian_total, max_value, meter_total, min_value, " +
		"resolution, settled_total, tare, target, tolerance, totalized_value",
	formTime: "created_ts, effective_from, ended_ts, expiry, last_sync_ts, owner_since, started_ts, ts_utc, valid_from",
	formBool: "dry_run, forced_flag, safe_direction, unapproved",
	formTexts: "absent, active_steps, anomalies, boundary, budget_assumptions, choices, coefficients, compared, equipment_bound, " +
		"events_per_second, facts, in_flight, owner_step_id, pairs, params, readback, reasons, resource_id, run_data, setup_steps, sinks, trace, tree_peaks, values",
	formCounts: "cause",
}

func TestTheKeysOfEachFormAreExactlyThese(t *testing.T) {
	got := map[form][]string{}
	for k := range keyCount {
		got[k.form()] = append(got[k.form()], k.String())
	}
	for f := formValue; f <= formCounts; f++ {
		require.Equal(t, formsOf[f], strings.Join(got[f], ", "), "%s", f)
	}
	for f, k := range formKeys {
		require.Equal(t, form(f), k.form())
	}
	require.Equal(t, formText, keyCount.form())
	require.NotPanics(t, func() { _ = form(255).String() })
}

func TestTheWriterTakesAValueOnlyInTheFormOfItsKey(t *testing.T) {
	give := map[string]func(b *Body, k Key){
		"text":           func(b *Body, k Key) { b.Text(k, "1") },
		"overflow":       func(b *Body, k Key) { b.Text(k, Overflow) },
		"integer":        func(b *Body, k Key) { b.Int(k, 1) },
		"count":          func(b *Body, k Key) { b.Count(k, 1) },
		"decimal":        func(b *Body, k Key) { b.Decimal(k, 1, 0) },
		"time":           func(b *Body, k Key) { b.Time(k, 1) },
		"truth value":    func(b *Body, k Key) { b.Bool(k, true) },
		"list of texts":  func(b *Body, k Key) { b.Texts(k, []string{"1"}) },
		"list of counts": func(b *Body, k Key) { b.Counts(k, []uint64{1}) },
	}
	taken := map[form]string{formText: "overflow, text", formValue: "count, decimal, overflow, text", formInt: "integer",
		formCount: "count", formDecimal: "decimal", formMeasure: "decimal, overflow", formTime: "time", formBool: "truth value",
		formTexts: "list of texts", formCounts: "list of counts"}
	Kinds(func(kind Kind, spec Spec) {
		for k := range keyCount {
			if k == EventType || !knownSets[kind].has(k) {
				continue
			}
			var got []string
			for name, fn := range give {
				var b Body
				begin(&b, kind, k)
				if fn(&b, k); k == BatchID && spec.Alone {
					for _, other := range inBatch[1:] {
						b.Text(other, "1")
					}
				}
				body, err := b.Append(nil)
				if err == nil {
					got = append(got, name)
					require.True(t, acceptable(body))
					continue
				}
				require.ErrorIs(t, err, ErrRecord)
				require.ErrorContains(t, err, spec.Name+": "+k.String()+": given as ")
				require.ErrorContains(t, err, ", its form is "+k.form().String())
			}
			slices.Sort(got)
			require.Equal(t, taken[k.form()], strings.Join(got, ", "), "%s in %s", k, spec.Name)
		}
	})
}

// valuesOf are values in canonical form, and the forms that they are of.
var valuesOf = []struct {
	forms  []form
	values []string
}{
	{[]form{formText, formValue}, []string{`""`, `"true"`, `"+1"`, `"-0"`, `"-0.0"`, `"00"`, `"01"`, `"-01"`, `"1."`, `".5"`, `"1e3"`, `"1_0"`, `" 1"`,
		`"0x1"`, `"1,5"`, `"--1"`, `"0.1234567890123"`, `"18446744073709551616"`, `"-9223372036854775809"`, `"922337203685477580.80"`,
		`"Overflow"`, `"overflow "`, `"2026-02-29T00:00:00.000000000Z"`, `"2026-02-28T00:00:00Z"`,
		`"2026-02-28T00:00:00.000000000+00:00"`, `"\u0000\u001f\u007f"`, `"\"\\\b\f\n\r\t"`, "\"\u00e9\u2028\ufffd/\""}},
	{[]form{formText, formValue, formMeasure}, []string{`"overflow"`}},
	{[]form{formText, formValue, formCount}, []string{`"9223372036854775808"`, `"18446744073709551615"`}},
	{[]form{formText, formValue, formCount, formDecimal, formMeasure}, []string{`"0"`, `"7"`, `"9223372036854775807"`}},
	{[]form{formText, formValue, formDecimal, formMeasure}, []string{`"-1"`, `"0.0"`, `"-0.05"`, `"120.00"`, `"0.123456789012"`,
		`"-9223372036854775808"`, `"-9223372.036854775808"`}},
	{[]form{formText, formValue, formTime}, []string{`"2026-02-28T00:00:00.000000000Z"`, `"1677-09-21T00:12:43.145224192Z"`}},
	{[]form{formInt}, []string{`0`, `-1`, `9007199254740991`, `-9007199254740991`}},
	{[]form{formBool}, []string{`true`, `false`}},
	{[]form{formTexts}, []string{`[""]`, `["a","b"]`, `["01"]`, `["-1"]`, `["1","18446744073709551616"]`, `["\u0000"]`}},
	{[]form{formTexts, formCounts}, []string{`[]`, `["0"]`, `["18446744073709551615","1"]`}},
}

// samples lists the values of valuesOf.
func samples() (all []string) {
	for _, c := range valuesOf {
		all = append(all, c.values...)
	}
	return all
}

func TestAValueIsReadOnlyUnderAKeyOfItsForm(t *testing.T) {
	for _, c := range valuesOf {
		for _, value := range c.values {
			for f, key := range formKeys {
				body := []byte(with(t, key, value))
				require.NoError(t, canonical(body), value)
				good := slices.Contains(c.forms, form(f))
				require.Equal(t, good, acceptable(body), "%s as %s", value, form(f))
				_, err := Parse(body)
				if good {
					require.NoError(t, err, "%s as %s", value, form(f))
					continue
				}
				require.ErrorIs(t, err, ErrRecord, "%s as %s", value, form(f))
				require.ErrorContains(t, err, key.String()+": value is no canonical "+form(f).String())
			}
		}
	}
}

func TestValuesThatAreNotCanonicalAreRefusedInEveryForm(t *testing.T) {
	for _, bad := range []string{
		``, `null`, `nul`, `{}`, `{"a":1}`, `tru`, `True`, `truefalse`, `NaN`, // other values
		`1.0`, `1.`, `.5`, `1e3`, `1E3`, `-0`, `00`, `01`, `-01`, `+1`, `-`, `--1`, `1-1`, `0x1`, // numbers
		`9007199254740992`, `-9007199254740992`, `18446744073709551616`, `99999999999999999999999999`,
		`[1]`, `[null]`, `[[]]`, `[["a"]]`, `[{}]`, `[true]`, `["a",]`, `[,"a"]`, `["a" ,"b"]`, `[ ]`, `["a"`, `[`, // lists
		` "a"`, `"a" `, "\"a\"\n", `'a'`, `a`, `"a`, `"`, // quotation and white space
		`"\/"`, `"\u002f"`, `"\u0041"`, `"\u0031"`, `"\u000a"`, `"\u0022"`, `"\u005c"`, `"\u00e9"`, `"\u0080"`, `"\ud83d\ude00"`, // needless
		`"\u001F"`, `"\u007F"`, `"\U001f"`, `"\x1f"`, `"\a"`, `"\v"`, `"\0"`, `"\'"`, // other escapes
		`"\u00"`, `"\u"`, `"\u0"`, `"\u001"`, `"\u00+1"`, `"\u_001"`, `"\u00 1"`, `"\"`, "\"\\\x01\"", `"\`, // cut short
		"\"\n\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\"", // bare control characters
		"\"\xff\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\\n\xff\"", "[\"\x80\"]", // no UTF-8
	} {
		for _, key := range formKeys {
			body := []byte(with(t, key, bad))
			require.Error(t, canonical(body), bad)
			_, err := Parse(body)
			require.ErrorIs(t, err, ErrRecord, bad)
		}
	}
}

var (
	countForm   = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	decimalForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]{1,12})?$`)
)

// suits judges a value that encoding/json made by the form that it should have, with code that the reader does not use.
func suits(f form, v any) bool {
	s, isText := v.(string)
	list, isList := v.([]any)
	fits := func(s string, least, most *big.Int) bool {
		n, ok := new(big.Int).SetString(strings.Replace(s, ".", "", 1), 10)
		return ok && n.Cmp(least) >= 0 && n.Cmp(most) <= 0
	}
	count := func(v any) bool {
		s, ok := v.(string)
		return ok && countForm.MatchString(s) && fits(s, new(big.Int), new(big.Int).SetUint64(math.MaxUint64))
	}
	switch f {
	case formInt:
		_, ok := v.(float64) // canonical saw to it that it is an integer in range
		return ok
	case formBool:
		_, ok := v.(bool)
		return ok
	case formTexts:
		return isList
	case formCounts:
		return isList && !slices.ContainsFunc(list, func(v any) bool { return !count(v) })
	case formCount:
		return count(v)
	case formDecimal, formMeasure:
		if f == formMeasure && isText && s == Overflow {
			return true
		}
		negativeZero := strings.HasPrefix(s, "-") && strings.Trim(s, "-0.") == ""
		return isText && decimalForm.MatchString(s) && !negativeZero && fits(s, big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64))
	case formTime:
		at, err := time.Parse(layout, s)
		return isText && err == nil && at.Format(layout) == s && time.Unix(0, at.UnixNano()).Equal(at)
	}
	return isText
}
