// The suggestion in an error about an unknown unit: what people write instead of UCUM, and the nearest spelling.

package quantity

import "strings"

// written pairs what people write with the UCUM code they mean. It feeds error messages only; none of it is accepted.
var written = [...]struct{ text, code string }{
	{"°c", "Cel"}, {"c", "Cel"}, {"degc", "Cel"}, {"celsius", "Cel"}, {"kelvin", "K"},
	{"ph", "[pH]"}, {"ntu", "{NTU}"}, {"percent", "%"}, {"pct", "%"},
	{"pulse", "{pulse}"}, {"pulses", "{pulse}"}, {"imp", "{pulse}"}, {"pls", "{pulse}"},
	{"sec", "s"}, {"second", "s"}, {"seconds", "s"}, {"minute", "min"}, {"minutes", "min"},
	{"hr", "h"}, {"hrs", "h"}, {"hour", "h"}, {"hours", "h"}, {"day", "d"}, {"days", "d"},
	{"kilo", "kg"}, {"gram", "g"}, {"grams", "g"}, {"ton", "t"}, {"tonne", "t"}, {"to", "t"},
	{"litre", "L"}, {"liter", "L"}, {"ltr", "L"}, {"cc", "mL"}, {"ccm", "mL"}, {"m^3", "m3"}, {"m³", "m3"}, {"cbm", "m3"},
	{"amp", "A"}, {"volt", "V"}, {"watt", "W"}, {"hertz", "Hz"}, {"millibar", "mbar"},
}

// closest is the known code that code most likely means: the same but for case, a common name, or else the one that
// takes the fewest edits, each side of a slash by itself.
func closest(code string) string {
	if strings.EqualFold(code, "rpm") {
		return "/min"
	}
	above, below, compound := strings.Cut(code, "/")
	if !compound {
		return closestAtom(code)
	}
	if above != "" {
		above = closestAtom(above)
	}
	return above + "/" + closestAtom(below)
}

// closestAtom is closest for a code without a slash.
func closestAtom(code string) string {
	if isUnit(code) {
		return code
	}
	const longest = 16 // bytes compared, as no code of the table is longer and the comparison takes their square
	code = strings.NewReplacer("µ", "u", "μ", "u").Replace(code[:min(len(code), longest)])
	for i := range units {
		if strings.EqualFold(units[i].code, code) {
			return units[i].code
		}
	}
	for i := range written {
		if strings.EqualFold(written[i].text, code) {
			return written[i].code
		}
	}
	best, fewest := 0, 2*longest
	for i := range units {
		if n := edits(units[i].code, code); n < fewest {
			best, fewest = i, n
		}
	}
	return units[best].code
}

// edits is the Levenshtein distance of two short texts in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
