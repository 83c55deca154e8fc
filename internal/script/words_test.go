// This file tests what a consumer reads from a line: arguments, whole numbers, durations, and its own errors.

package script_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/script"
)

func one(t *testing.T, source string) script.Line {
	t.Helper()
	lines, err := script.Parse("f", []byte(source))
	require.NoError(t, err)
	require.Len(t, lines, 1)
	return lines[0]
}

func TestDurationsAreExactNanoseconds(t *testing.T) {
	for text, want := range map[string]int64{
		"0s": 0, "1ns": 1, "1us": 1e3, "1ms": 1e6, "1s": 1e9, "1m": 60e9, "1min": 60e9, "1h": 3600e9,
		"12.5s": 12_500_000_000, "1m30s": 90e9, "1min30s": 90e9, "2h0m0.25s": 7_200_250_000_000, "1h1m1s1ms1us1ns": 3_661_001_001_001,
		"0.1s": 1e8, "0.000000001s": 1, "1.50000000000000000000s": 1_500_000_000, "0.0001220703125h": 439_453_125, "007s": 7e9,
		"9223372036854775807ns": math.MaxInt64, "9223372036.854775807s": math.MaxInt64, "2562047h47m16.854775807s": math.MaxInt64,
	} {
		got, err := one(t, "wait "+text).Duration(0)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestWhatIsNotAnExactDurationIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"5": "is not a time", `""`: "is not a time", "s": "is not a time", ".5s": "is not a time", "5.s": "is not a time",
		"-5s": "is not a time", "+5s": "is not a time", "5S": "is not a time", "5sec": "is not a time", "1e3s": "is not a time",
		"1,5s": "is not a time", `"5 s"`: "is not a time", "1m30": "is not a time", "5µs": "is not a time", "1_0s": "is not a time",
		"30s1m": "the larger first", "1s1s": "the larger first", "1m1min": "the larger first",
		"1.5m30s":               "only the last number",
		"0.5ns":                 "finer than a nanosecond",
		"0.0000000001s":         "finer than a nanosecond",
		"0.00006103515625001h":  "finer than a nanosecond",
		"9223372036854775808ns": "too long", "9223372036.854775808s": "too long", "2562048h": "too long",
		"99999999999999999999h": "too long", "2562047h48m": "too long",
	} {
		_, err := one(t, "wait x "+text).Duration(1)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "f:1:8: wait: argument 2: ", text)
	}
}

func TestDurationsAgreeWithRationalNumbers(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	units := []struct {
		name string
		ns   int64
	}{{"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}
	for range 5000 {
		unit := units[rng.IntN(len(units))]
		digits := rng.IntN(15)
		number := fmt.Sprintf("%d", rng.Int64N(1<<(1+rng.IntN(62))))
		if digits > 0 {
			number += fmt.Sprintf(".%0*d", digits, rng.Int64N(int64(math.Pow10(digits))))
		}
		exact, ok := new(big.Rat).SetString(number)
		require.True(t, ok)
		exact.Mul(exact, new(big.Rat).SetInt64(unit.ns))
		got, err := one(t, "wait "+number+unit.name).Duration(0)
		fits := exact.IsInt() && exact.Num().IsInt64()
		require.Equal(t, fits, err == nil, "seed %d: %s%s: %v", seed, number, unit.name, err)
		if fits {
			require.Equal(t, exact.Num().Int64(), got, "seed %d: %s%s", seed, number, unit.name)
		}
	}
}

func TestWholeNumbersHaveOneForm(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "7": 7, "-7": -7, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		got, err := one(t, "count "+text).Int(0)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"-0", "+1", "01", "1.0", "1e3", "0x1", "1_000", "x", `""`, "9223372036854775808"} {
		_, err := one(t, "count "+text).Int(0)
		require.ErrorContains(t, err, "f:1:7: count: argument 1 must be a whole number, is", text)
	}
}

func TestAMissingArgumentIsReportedAtTheEndOfTheLine(t *testing.T) {
	line := one(t, "at 3s set é  # x")
	arg, err := line.Arg(0)
	require.NoError(t, err)
	require.Equal(t, "é", arg)
	_, err = line.Arg(1)
	require.EqualError(t, err, "f:1:17: set: argument 2 is missing\n    at 3s set é  # x")
	_, err = line.Int(1)
	require.ErrorContains(t, err, "argument 2 is missing")
	_, err = line.Duration(-1)
	require.ErrorContains(t, err, "argument 0 is missing")
}

func TestAConsumersErrorsHaveThePlaceOfTheVerbOrTheArgument(t *testing.T) {
	line := one(t, "at 3s set 流量 x")
	require.EqualError(t, line.Errorf("unknown command %q", line.Verb), "f:1:7: unknown command \"set\"\n    at 3s set 流量 x")
	require.ErrorContains(t, line.ArgErrorf(1, "odd"), "f:1:14: odd")
	require.ErrorContains(t, line.ArgErrorf(2, "odd"), "f:1:15: odd")
	require.ErrorContains(t, script.Line{File: "g", No: 3, Verb: "x"}.Errorf("made by hand"), "g:3:1: made by hand")
}

func Example() {
	lines, err := script.Parse("faults.txt", []byte(strings.Join([]string{
		"# the flow meter freezes while the vessel is charged",
		"press START",
		"during CHARGE_A stale FT101 1m30s",
	}, "\n")))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range lines {
		switch line.Verb {
		case "press":
			button, err := line.Arg(0)
			fmt.Println("press", button, err)
		case "stale":
			ns, err := line.Duration(1)
			fmt.Println("in", line.When.Step, line.Args[0], "is stale for", ns, "ns", err)
		default:
			fmt.Println(line.Errorf("unknown command %q", line.Verb))
		}
	}
	_, err = script.Parse("faults.txt", []byte("at 12.5 press STOP"))
	var where *script.Error
	fmt.Println(errors.As(err, &where), where.Line, where.Column)
	// Output:
	// press START <nil>
	// in CHARGE_A FT101 is stale for 90000000000 ns <nil>
	// true 1 4
}
