// This file holds Parse: the text of a condition, read by recursive descent.

package cond

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/batchkit/batchkit/metering/quantity"
)

// SyntaxError is one thing that is wrong with a condition, and where.
type SyntaxError struct {
	Column int    // in the text, in characters from 1; one past the end where something is missing there
	Msg    string // what is wrong and what to do; one line
}

// Error returns "cond: column 7: message".
func (e *SyntaxError) Error() string { return fmt.Sprintf("cond: column %d: %s", e.Column, e.Msg) }

// Parse reads a condition:
//
//	condition  = all { "or" all }
//	all        = one { "and" one }
//	one        = "not" one | "(" condition ")" | tag [ operator constant ] | function
//	           | count "of" "(" condition { "," condition } ")"
//	operator   = ">=" | ">" | "<=" | "<" | "==" | "!="
//	constant   = quantity | word of a switch
//	quantity   = number [ unit ] | "$" name of a parameter
//	function   = "stable" "(" tag "," quantity "," quantity ")" | "elapsed" "(" quantity ")"
//
// A tag alone is a switch that is on. stable has the width of the band and then the time, elapsed the time. White space may
// stand between any two parts and must stand between number and unit. No word is reserved but and, or, not.
//
// Of its count "of" is true when so many of its conditions are, and false when so many are false that this cannot be. stable
// keeps the least and the greatest value since it began; a value that makes their distance greater than the band begins
// it anew, as one that is not GOOD does. elapsed counts from [Cond.Begin].
//
// The error is a *SyntaxError with the first thing that is wrong.
func Parse(text string) (*Expr, error) {
	p := parser{text: text}
	p.next()
	switch {
	case len(text) > MaxText:
		p.fail(0, "the condition has %d bytes, more than the limit of %d", len(text), MaxText)
	case p.tok == "":
		p.fail(len(text), "the condition is empty")
	default:
		p.list(Or, 0)
	}
	if p.err == nil && p.tok != "" {
		p.stray()
	}
	e := &Expr{parts: p.parts}
	if p.err == nil && len(e.String()) > MaxText {
		p.fail(0, "the condition with single spaces has more than %d bytes; shorten it", MaxText)
	}
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// IsName tells whether s can name a tag: words of letters, digits and _ joined by points, of which the first begins with a
// letter; and, or and not are no names. A word of a switch is a name without points.
func IsName(s string) bool {
	if s == "and" || s == "or" || s == "not" || s == "" || !letter(s[0]) {
		return false
	}
	for i := range len(s) {
		if s[i] == '.' && (i+1 == len(s) || s[i+1] == '.') || s[i] != '.' && !wordByte(s[i]) {
			return false
		}
	}
	return true
}

// parser reads tokens from text and appends parts. After the first error the text is at its end, so every loop ends.
type parser struct {
	text  string
	start int    // where tok begins
	end   int    // where what follows tok begins
	tok   string // "" at the end of the text
	parts []part
	err   error
}

// next moves to the next token: a parenthesis, a comma, an operator, or a run of anything else up to one of these or white
// space. A comma between two digits of a number is part of the run, so that "4,5 L" is refused as a number.
func (p *parser) next() {
	p.start = p.end + len(p.text[p.end:]) - len(strings.TrimLeft(p.text[p.end:], " \t\r\n"))
	rest := p.text[p.start:]
	n := 0
	for n < len(rest) && !strings.ContainsRune(" \t\r\n()<>=!&|", rune(rest[n])) && (rest[n] != ',' || decimalComma(rest, n)) {
		n++
	}
	switch {
	case n > 0 || rest == "":
	case strings.ContainsRune("(),", rune(rest[0])):
		n = 1
	default:
		n = len(rest) - len(strings.TrimLeft(rest, "<>=!&|"))
	}
	p.tok, p.end = rest[:n], p.start+n
}

// fail notes the first error, at a byte of the text, and ends the text.
func (p *parser) fail(at int, format string, args ...any) {
	if p.err == nil {
		p.err = &SyntaxError{p.column(at), fmt.Sprintf(format, args...)}
	}
	p.start, p.end, p.tok = len(p.text), len(p.text), ""
}

func (p *parser) column(at int) int { return utf8.RuneCountInString(p.text[:at]) + 1 }

// add appends the part that begins at a byte of the text, and returns its place.
func (p *parser) add(n part, start int) int {
	if len(p.parts) == MaxNodes {
		p.fail(start, "the condition has more than %d operators and comparisons", MaxNodes)
	}
	p.parts = append(p.parts, n)
	return len(p.parts) - 1
}

// list reads the operands of an "or", each of which is the operands of an "and". The operator's part is put before them
// when the second operand shows that there is an operator.
func (p *parser) list(op Op, depth int) {
	at := len(p.parts)
	for operands := 1; ; operands++ {
		if op == Or {
			p.list(And, depth)
		} else {
			p.one(depth)
		}
		if p.tok != op.String() {
			if operands > 1 {
				p.parts[at].size = len(p.parts) - at
			}
			return
		}
		if operands == 1 {
			p.add(part{}, p.start)
			copy(p.parts[at+1:], p.parts[at:])
			p.parts[at] = part{op: op}
		}
		p.next()
	}
}

func (p *parser) one(depth int) {
	start, tok := p.start, p.tok
	if depth == MaxDepth && (tok == "not" || tok == "(") {
		p.deep(start)
	}
	switch {
	case p.err != nil:
	case tok == "not":
		at := p.add(part{op: Not}, start)
		p.next()
		p.one(depth + 1)
		p.parts[at].size = len(p.parts) - at
	case tok == "(":
		p.next()
		p.list(Or, depth+1)
		p.closed(start)
	case IsName(tok):
		p.comparison()
	case tok != "" && digit(tok[0]):
		p.next()
		if !strings.EqualFold(p.tok, "of") {
			p.noTag(start, tok)
			return
		}
		p.of(start, tok, depth)
	case tok == "" || tok == ")" || tok == "," || tok == "and" || tok == "or":
		p.fail(start, "a tag is missing here, found %s", shown(tok))
	case tok == "!":
		p.fail(start, `"!" is not an operator; write not`)
	default:
		p.noTag(start, tok)
	}
}

func (p *parser) deep(at int) {
	p.fail(at, "more than %d parentheses and not inside each other", MaxDepth)
}

func (p *parser) noTag(at int, tok string) {
	p.fail(at, "%s is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a letter", shown(tok))
}

// closed takes the parenthesis that closes the one at a byte of the text.
func (p *parser) closed(start int) {
	switch {
	case p.err != nil:
	case p.tok == "":
		p.fail(len(p.text), "the parenthesis of column %d is not closed", p.column(start))
	case p.tok != ")":
		p.stray()
	default:
		p.next()
	}
}

// of reads what follows a count.
func (p *parser) of(start int, count string, depth int) {
	if p.tok != "of" {
		p.fail(p.start, "%s must be in lower case", shown(p.tok))
		return
	}
	p.next()
	open := p.start
	switch {
	case p.tok != "(":
		p.fail(open, "after %s of the conditions in parentheses are missing, found %s", count, shown(p.tok))
		return
	case depth == MaxDepth:
		p.deep(open)
		return
	}
	at := p.add(part{op: Of}, start)
	conditions := 0
	for more := p.err == nil; more; more = p.tok == "," {
		p.next()
		p.list(Or, depth+1)
		conditions++
	}
	if p.closed(open); p.err != nil {
		return
	}
	if strings.Trim(count, "0123456789") != "" {
		p.fail(start, `%s is not a number of conditions; write "2 of (a, b, c)"`, shown(count))
		return
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > conditions {
		p.fail(start, "%s of %d conditions cannot be; write a number from 1 to %d", shown(count), conditions, conditions)
		return
	}
	p.parts[at].n, p.parts[at].size = n, len(p.parts)-at
}

// comparison reads a tag and what it is compared with, or a function.
func (p *parser) comparison() {
	n := part{op: Eq, size: 1, name: p.tok, column: p.column(p.start)}
	start := p.start
	p.next()
	if op := slices.Index(opText[:], p.tok); op >= int(Eq) && op <= int(Ge) {
		n.op = Op(op)
		p.next()
		p.operand(&n)
	} else if p.tok == "(" {
		p.function(&n, start)
	} else if p.tok != "" && strings.Contains("<>=!", p.tok[:1]) {
		p.fail(p.start, "%s is not an operator; write one of >=, >, <=, <, ==, !=", shown(p.tok))
	}
	if p.err == nil {
		p.add(n, start)
	}
}

// function reads the arguments of a function.
func (p *parser) function(n *part, start int) {
	open := p.start
	switch n.name {
	case "stable":
		p.next()
		n.op, n.name, n.column = Stable, p.tok, p.column(p.start)
		switch {
		case IsName(p.tok):
			p.next()
		case p.tok != "" && !strings.Contains("(),<>=!&|", p.tok[:1]) && !joins(p.tok):
			p.noTag(p.start, p.tok)
		default:
			p.fail(p.start, "a tag is missing here, found %s", shown(p.tok))
		}
		p.argument(&n.value, "the width of the band such as 0.2 Cel")
		p.argument(&n.time, "a time such as 30 s")
	case "elapsed":
		n.op, n.name = Elapsed, ""
		p.next()
		p.quantity(&n.time, "after the parenthesis", "a time such as 30 s")
	default:
		p.fail(start, "%s is not a function; write stable(TAG, BAND, TIME) or elapsed(TIME)", shown(n.name))
	}
	switch {
	case p.err != nil:
	case p.tok == ")", p.tok == "":
		p.closed(open)
	default:
		p.fail(p.start, `")" is missing before %s; write stable(TAG, BAND, TIME) or elapsed(TIME)`, shown(p.tok))
	}
}

// argument reads a comma and a quantity.
func (p *parser) argument(k *constant, wanted string) {
	switch {
	case p.err != nil:
	case p.tok != ",":
		p.fail(p.start, "a comma and %s are missing here, found %s", wanted, shown(p.tok))
	default:
		p.next()
		p.quantity(k, "after the comma", wanted)
	}
}

// operand reads the constant of a comparison.
func (p *parser) operand(n *part) {
	if tok := p.tok; IsName(tok) && !strings.Contains(tok, ".") {
		n.value = constant{word: tok, column: p.column(p.start)}
		p.next()
		return
	}
	p.quantity(&n.value, "after "+n.op.String(), "a quantity such as 40 L or a word such as open")
}

// quantity reads a number with its unit, or a parameter.
func (p *parser) quantity(k *constant, where, wanted string) {
	start, tok := p.start, p.tok
	k.column = p.column(start)
	switch {
	case p.err != nil:
	case tok != "" && (digit(tok[0]) || strings.Contains("+-.", tok[:1])):
		p.next()
		if unit := p.tok; unit != "" && !joins(unit) && !strings.Contains("(),<>=!&|", unit[:1]) {
			tok += " " + unit
			p.next()
		}
		q, err := quantity.Parse(tok)
		if err != nil {
			p.fail(start, "%s", strings.TrimPrefix(err.Error(), "quantity: "))
		}
		k.value = q
	case tok != "" && tok[0] == '$':
		if k.param = tok[1:]; !IsName(k.param) || strings.Contains(k.param, ".") {
			p.fail(start, "%s is not a parameter; write $ and its name, which is letters, digits and _", shown(tok))
		}
		p.next()
	default:
		p.fail(start, "%s %s is missing, found %s", where, wanted, shown(tok))
	}
}

// stray reports what stands where the condition could end.
func (p *parser) stray() {
	switch {
	case p.tok == ")":
		p.fail(p.start, "this parenthesis closes none")
	case p.tok == ",":
		p.fail(p.start, `a comma stands only in "2 of (a, b, c)" and in stable(TAG, BAND, TIME)`)
	case joins(p.tok) && p.tok != "not":
		p.fail(p.start, "%s must be in lower case", shown(p.tok))
	case p.tok[0] == '&':
		p.fail(p.start, "%s is not an operator; write and", shown(p.tok))
	case p.tok[0] == '|':
		p.fail(p.start, "%s is not an operator; write or", shown(p.tok))
	case strings.Contains("<>=!", p.tok[:1]):
		p.fail(p.start, "%s has no tag on its left; compare each tag by itself and join with and", shown(p.tok))
	default:
		p.fail(p.start, `"and" or "or" is missing before %s`, shown(p.tok))
	}
}

// joins tells whether a token joins conditions, in whatever case it is written.
func joins(tok string) bool {
	lower := strings.ToLower(tok)
	return lower == "and" || lower == "or" || lower == "not"
}

// shown quotes a token for a message, shortened if it is long.
func shown(tok string) string {
	const longest = 40
	if tok == "" {
		return "the end of the text"
	}
	if runes := []rune(tok); len(runes) > longest {
		return fmt.Sprintf("%q...", string(runes[:longest]))
	}
	return fmt.Sprintf("%q", tok)
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// decimalComma tells whether the comma at i of what begins as a number has digits on both sides.
func decimalComma(s string, i int) bool {
	return i > 0 && strings.Contains("+-.0123456789", s[:1]) && digit(s[i-1]) && i+1 < len(s) && digit(s[i+1])
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordByte(c byte) bool { return letter(c) || digit(c) || c == '_' }
