// Decimal text without a unit: reading it into coefficient and scale, and writing it.

package quantity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseDecimal reads a decimal number such as "-12.50" into coefficient -1250 and scale 2, meaning -1250 x 10^-2. It
// accepts and refuses the same numbers as [Parse].
func ParseDecimal(s string) (coef int64, scale uint8, err error) {
	coef, scale, err = parseDecimal(s)
	if err != nil {
		return 0, 0, fmt.Errorf("quantity: number %q: %w", clip(s), err)
	}
	return coef, scale, nil
}

// parseDecimal is ParseDecimal with errors that leave it to the caller to show the text.
func parseDecimal(s string) (int64, uint8, error) {
	digits := strings.TrimPrefix(s, "-")
	neg := len(digits) < len(s)
	whole, frac, point := strings.Cut(digits, ".")
	if whole == "" || !allDigits(whole) || !allDigits(frac) || point && frac == "" {
		return 0, 0, malformed(s)
	}
	if len(whole) > 1 && whole[0] == '0' {
		return 0, 0, errors.New("needless zero in front; write the number without it")
	}
	if len(frac) > MaxScale {
		return 0, 0, fmt.Errorf("%d decimals; at most %d are kept", len(frac), MaxScale)
	}
	var mag uint64
	for _, part := range [2]string{whole, frac} {
		for i := range len(part) {
			d := uint64(part[i] - '0')
			if mag > (1<<63-d)/10 {
				return 0, 0, fmt.Errorf("the number %w", ErrOverflow)
			}
			mag = mag*10 + d
		}
	}
	if neg && mag == 0 {
		return 0, 0, errors.New("negative zero; write it without the sign")
	}
	coef, ok := signed(neg, mag)
	if !ok {
		return 0, 0, fmt.Errorf("the number %w", ErrOverflow)
	}
	return coef, uint8(len(frac)), nil
}

// malformed says what to write instead of s, which has not the form of a decimal number.
func malformed(s string) error {
	body := strings.TrimPrefix(s, "-")
	switch {
	case s == "":
		return errors.New("no number; write one such as 12.5")
	case s[0] == '+':
		return errors.New("leading +; write the number without it")
	case strings.Contains(s, ","):
		return errors.New("comma in the number; write a decimal point, and no thousands separator")
	case strings.HasPrefix(body, "."):
		return errors.New("no digit before the point; write 0 there")
	case strings.HasSuffix(body, "."):
		return errors.New("no digit after the point; leave the point out")
	case strings.Count(s, ".") > 1:
		return errors.New("more than one point in the number")
	case body != "" && allDigits(body[:1]) && strings.ContainsAny(body, "eE"):
		return errors.New("exponent; write the number out in digits")
	}
	return errors.New("not a decimal number such as 12.5")
}

// allDigits tells whether s has ASCII digits only; the empty string has.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// AppendDecimal appends coef x 10^-scale as decimal text with exactly scale decimals: (nil, -5, 2) gives "-0.05". It
// takes any scale and allocates only if dst is too small.
func AppendDecimal(dst []byte, coef int64, scale uint8) []byte {
	if coef < 0 {
		dst = append(dst, '-')
	}
	var room [20]byte
	digits := strconv.AppendUint(room[:0], magnitude(coef), 10)
	decimals := int(scale)
	if decimals == 0 {
		return append(dst, digits...)
	}
	whole := len(digits) - decimals
	if whole > 0 {
		dst = append(dst, digits[:whole]...)
		dst = append(dst, '.')
		return append(dst, digits[whole:]...)
	}
	dst = append(dst, '0', '.')
	for range -whole {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
