// Values as a board says them, made plain decimals without arithmetic that rounds twice.

package production

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Bounds of a decimal.
const (
	maxPlaces = 12 // decimals that a definition may ask for
	maxDigits = 40 // digits of a value; one that has more is no value that anybody measured
)

// exact is for decimal: as many places as the text has.
const exact = -1

// decimal writes a number as GET /v1/values shows it - digits, a point, an exponent - times a gain, as a plain decimal: exact, or
// rounded once, half to even, to as many places as says. A gain without amount is none. No minus stands before a zero. It is not
// ok for what is no number, such as NaN, and for one of more than 40 digits.
func decimal(text string, gain quantity.Quantity, places int) (plain string, ok bool) {
	digits, scale, negative, ok := readDecimal(text)
	if !ok {
		return "", false
	}
	if gain.Coef != 0 {
		n, _ := new(big.Int).SetString(digits, 10)
		n.Mul(n, big.NewInt(gain.Coef))
		negative = negative != (gain.Coef < 0)
		digits, scale = n.Abs(n).String(), scale+int(gain.Scale)
	}
	if places >= 0 {
		digits, scale = roundTo(digits, scale, places)
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		scale = max(scale, 0)
	}
	if scale <= 0 {
		digits, scale = digits+strings.Repeat("0", -scale), 0
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	if digits == "" {
		digits = "0"
	}
	if len(digits) > maxDigits {
		return "", false
	}
	plain = digits
	if scale > 0 {
		plain = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if negative && strings.Trim(digits, "0") != "" {
		plain = "-" + plain
	}
	return plain, true
}

// readDecimal takes a number apart: it is digits x 10^-scale.
func readDecimal(text string) (digits string, scale int, negative, ok bool) {
	if len(text) > 2*maxDigits {
		return "", 0, false, false
	}
	text, negative = strings.CutPrefix(text, "-")
	mantissa, power, has := strings.Cut(text, "e")
	if has {
		n, err := strconv.Atoi(power)
		if err != nil || n > maxDigits || n < -maxDigits {
			return "", 0, false, false
		}
		scale = -n
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	digits = whole + part
	scale += len(part)
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return "", 0, false, false
		}
	}
	return digits, scale, negative, whole != ""
}

// roundTo gives digits x 10^-scale with places decimals, rounded half to even.
func roundTo(digits string, scale, places int) (string, int) {
	if scale <= places {
		return digits + strings.Repeat("0", places-scale), places
	}
	cut := len(digits) - (scale - places)
	if cut < 0 {
		return "0", places
	}
	kept, rest := []byte("0"+digits[:cut]), digits[cut:]
	half := "5" + strings.Repeat("0", len(rest)-1)
	if rest > half || rest == half && (kept[len(kept)-1]-'0')%2 == 1 {
		i := len(kept) - 1
		for ; kept[i] == '9'; i-- {
			kept[i] = '0'
		}
		kept[i]++
	}
	return string(kept), places
}
