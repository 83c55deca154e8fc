// Times as text, in integers alone.

package record

import "strconv"

// AppendTime appends utc, ns since 1970-01-01, as RFC 3339 in UTC with nine digits and Z.
func AppendTime(out []byte, utc int64) []byte {
	const day = 86400
	sec := utc / 1_000_000_000
	ns := utc % 1_000_000_000
	if ns < 0 {
		sec, ns = sec-1, ns+1_000_000_000
	}
	days := sec / day
	rest := sec % day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	y, m, d := civil(days)
	out = pad(out, y, 4)
	out = pad(append(out, '-'), m, 2)
	out = pad(append(out, '-'), d, 2)
	out = pad(append(out, 'T'), rest/3600, 2)
	out = pad(append(out, ':'), rest/60%60, 2)
	out = pad(append(out, ':'), rest%60, 2)
	out = pad(append(out, '.'), ns, 9)
	return append(out, 'Z')
}

// civil turns days since 1970-01-01 into a date of the proleptic Gregorian calendar: the year is counted from March, so that
// the leap day is its last.
func civil(days int64) (year, month, day int64) {
	days += 719468
	era := days / 146097 // positive: no int64 of ns lies before the year 0
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

func pad(out []byte, n int64, width int) []byte {
	for p, i := int64(10), 1; i < width; p, i = p*10, i+1 {
		if n < p {
			out = append(out, '0')
		}
	}
	return strconv.AppendInt(out, n, 10)
}

// ParseTime reads what AppendTime writes; ok is false for anything else.
func ParseTime(s string) (utc int64, ok bool) {
	if len(s) != len("2006-01-02T15:04:05.000000000Z") {
		return 0, false
	}
	num := func(from, to int) (n int64) {
		for _, c := range []byte(s[from:to]) {
			n = n*10 + int64(c-'0')
		}
		return n
	}
	y, m, d := num(0, 4), num(5, 7), num(8, 10)
	if m <= 2 {
		y--
	}
	era := y / 400
	yoe := y - era*400
	mp := (m + 9) % 12
	doe := yoe*365 + yoe/4 - yoe/100 + (153*mp+2)/5 + d - 1
	sec := (era*146097+doe-719468)*86400 + num(11, 13)*3600 + num(14, 16)*60 + num(17, 19)
	utc = sec*1_000_000_000 + num(20, 29)
	// What is no digit, out of its range, or beyond an int64 (the sum wraps) comes out as another text.
	var buf [40]byte
	if string(AppendTime(buf[:0], utc)) != s {
		return 0, false
	}
	return utc, true
}
