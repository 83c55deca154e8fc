// Claims about the text form of quantities and of decimal numbers.

package quantity

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseKeepsTheDecimalsAsWritten(t *testing.T) {
	for text, want := range map[string]Quantity{
		"120.00 kg":             {12000, 2, "kg"},
		"-0.05 kg/min":          {-5, 2, "kg/min"},
		"0 L":                   {0, 0, "L"},
		"0.000 L":               {0, 3, "L"},
		"95 %":                  {95, 0, "%"},
		"5":                     {5, 0, One},
		"-2.50":                 {-250, 2, One},
		"60 /min":               {60, 0, "/min"},
		"1500.5 {pulse}/kg":     {15005, 1, "{pulse}/kg"},
		"7.00 [pH]":             {700, 2, "[pH]"},
		"0.000000000001 m3":     {1, 12, "m3"},
		"9223372036854775807 g": {1<<63 - 1, 0, "g"},
		"-9223372.036854775808": {-1 << 63, 12, One},
	} {
		got, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
		require.Equal(t, text, got.String())
	}
}

func TestParseSaysWhatToWriteInstead(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `quantity: "": no number; write one such as 12.5`,
		" 5 kg":                    `quantity: " 5 kg": needless space; write one space between number and unit only`,
		"5 kg ":                    `needless space`,
		"5  kg":                    `needless space`,
		"5 ":                       `needless space`,
		"5\tkg":                    `not a decimal number`,
		"5kg":                      `no space before the unit; write "5 kg"`,
		"5%":                       `no space before the unit; write "5 %"`,
		"5 1":                      `unit 1 is not written; write "5"`,
		"1 000 kg":                 `a second number after the space`,
		"1,5 kg":                   `quantity: "1,5 kg": comma in the number; write a decimal point`,
		"1,000.5 kg":               `comma in the number`,
		"+5 kg":                    `leading +`,
		".5 kg":                    `no digit before the point`,
		"-.5 kg":                   `no digit before the point`,
		"5. kg":                    `no digit after the point`,
		"1.2.3 kg":                 `more than one point`,
		"1e3 kg":                   `exponent; write the number out in digits`,
		"1E-3 kg":                  `exponent`,
		"0x10 kg":                  `not a decimal number`,
		"NaN kg":                   `not a decimal number`,
		"Inf":                      `not a decimal number`,
		"-":                        `not a decimal number`,
		"--5 kg":                   `not a decimal number`,
		"kg":                       `not a decimal number`,
		"٣ kg":                     `not a decimal number`,
		"−5 kg":                    `not a decimal number`,
		"05 kg":                    `needless zero in front`,
		"-00.5 kg":                 `needless zero in front`,
		"-0.00 kg":                 `negative zero`,
		"0.0000000000001 kg":       `13 decimals; at most 12 are kept`,
		"9223372036854775808 kg":   `the number does not fit 64 bits`,
		"-9223372036854775809 kg":  `the number does not fit 64 bits`,
		"99999999999999999999":     `the number does not fit 64 bits`,
		"9223372036854775.8080":    `the number does not fit 64 bits`,
		"5 kgs":                    `quantity: "5 kgs": unit "kgs": not known; the closest known is "kg"`,
		"5 kg/h/h":                 `more than one slash`,
		strings.Repeat("7", 5_000): `777...": the number does not fit`,
	} {
		q, err := Parse(text)
		require.ErrorContains(t, err, want, text)
		require.Zero(t, q)
		require.Less(t, len(err.Error()), 200)
		require.Equal(t, strings.Contains(want, "fit"), errors.Is(err, ErrOverflow), text)
	}
}

func TestParseDecimalNamesTheNumber(t *testing.T) {
	coef, scale, err := ParseDecimal("-12.50")
	require.NoError(t, err)
	require.Equal(t, int64(-1250), coef)
	require.Equal(t, uint8(2), scale)

	_, _, err = ParseDecimal("12,50")
	require.EqualError(t, err, `quantity: number "12,50": comma in the number; write a decimal point, and no thousands separator`)
	_, _, err = ParseDecimal("12.50 kg")
	require.ErrorContains(t, err, `number "12.50 kg": not a decimal number`)
}

func TestAppendDecimalWritesExactlyScaleDecimals(t *testing.T) {
	for _, c := range []struct {
		coef  int64
		scale uint8
		want  string
	}{
		{0, 0, "0"}, {0, 3, "0.000"}, {-5, 2, "-0.05"}, {5, 1, "0.5"}, {-5, 0, "-5"}, {123, 3, "0.123"}, {123, 2, "1.23"},
		{-1 << 63, 12, "-9223372.036854775808"}, {1<<63 - 1, 19, "0.9223372036854775807"}, {7, 25, "0." + strings.Repeat("0", 24) + "7"},
	} {
		require.Equal(t, "x"+c.want, string(AppendDecimal([]byte("x"), c.coef, c.scale)))
	}
}

func TestEveryQuantityIsReadBackFromItsText(t *testing.T) {
	d := newDice()
	for range 20_000 {
		q := d.quantity("kg", One, "%", "/min", "kg/{pulse}")
		back, err := Parse(q.String())
		require.NoError(t, err, "seed %d", seed)
		require.Equal(t, q, back, "seed %d", seed)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	room := make([]byte, 0, 64)
	q := Quantity{-1 << 63, 12, "{pulse}/kg"}
	require.Zero(t, testing.AllocsPerRun(100, func() { room = q.Append(room[:0]) }))
	require.Equal(t, "-9223372.036854775808 {pulse}/kg", string(room))
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"120.00 kg", "-0.05 kg/min", "5", "95 %", "1,5 kg", "5 1", "-0", "1e3", "5kg", "5 kg/h/h", "5 /min", "1 /", "1 µL", "5 °C",
		"9223372036854775808", "-9223372036854775808 g", "0.0000000000001",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(s)
		if err != nil {
			require.Zero(t, q)
			require.True(t, strings.HasPrefix(err.Error(), "quantity: "))
			return
		}
		require.Equal(t, s, q.String())
		order, err := q.Cmp(q)
		require.NoError(t, err)
		require.Zero(t, order)
	})
}
