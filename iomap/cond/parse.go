// This file holds Parse: the text of a condition, read by recursive descent.

package cond

import (
	"fmt"
	"slices"
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
//	one        = "not" one | "(" condition ")" | tag [ operator constant ]
//	operator   = ">=" | ">" | "<=" | "<" | "==" | "!="
//	constant   = number [ unit ] | word of a switch
//
// A tag alone is a switch that is on. White space may stand between any two parts and must stand between number and unit.
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

// next moves to the next token: a parenthesis, an operator, or a run of anything else up to one of these or white space.
func (p *parser) next() {
	p.start = p.end + len(p.text[p.end:]) - len(strings.TrimLeft(p.text[p.end:], " \t\r\n"))
	rest := p.text[p.start:]
	n := strings.IndexFunc(rest, func(r rune) bool { return strings.ContainsRune(" \t\r\n()<>=!&|", r) })
	switch {
	case n < 0:
		n = len(rest)
	case n == 0 && strings.ContainsRune("()", rune(rest[0])):
		n = 1
	case n == 0:
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
		p.fail(start, "more than %d parentheses and not inside each other", MaxDepth)
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
		switch {
		case p.err != nil:
		case p.tok == "":
			p.fail(len(p.text), "the parenthesis of column %d is not closed", p.column(start))
		case p.tok != ")":
			p.stray()
		default:
			p.next()
		}
	case IsName(tok):
		p.comparison()
	case tok == "" || tok == ")" || tok == "and" || tok == "or":
		p.fail(start, "a tag is missing here, found %s", shown(tok))
	case tok == "!":
		p.fail(start, `"!" is not an operator; write not`)
	default:
		p.fail(start, "%s is not the name of a tag; it must be words of letters, digits and _ joined by points, "+
			"beginning with a letter", shown(tok))
	}
}

// comparison reads a tag and what it is compared with.
func (p *parser) comparison() {
	n := part{op: Eq, size: 1, name: p.tok, column: p.column(p.start)}
	start := p.start
	p.next()
	if op := slices.Index(opText[:], p.tok); op >= int(Eq) {
		n.op = Op(op)
		p.next()
		p.operand(&n)
	} else if p.tok != "" && strings.Contains("<>=!", p.tok[:1]) {
		p.fail(p.start, "%s is not an operator; write one of >=, >, <=, <, ==, !=", shown(p.tok))
	}
	if p.err == nil {
		p.add(n, start)
	}
}

// operand reads the constant of a comparison.
func (p *parser) operand(n *part) {
	start, tok := p.start, p.tok
	n.constant = p.column(start)
	switch {
	case tok != "" && (digit(tok[0]) || strings.Contains("+-.", tok[:1])):
		p.next()
		if unit := p.tok; unit != "" && !joins(unit) && !strings.Contains("()<>=!&|", unit[:1]) {
			tok += " " + unit
			p.next()
		}
		q, err := quantity.Parse(tok)
		if err != nil {
			p.fail(start, "%s", strings.TrimPrefix(err.Error(), "quantity: "))
		}
		n.value = q
	case IsName(tok) && !strings.Contains(tok, "."):
		n.word = tok
		p.next()
	default:
		p.fail(start, "after %s a quantity such as 40 L or a word such as open is missing, found %s", n.op, shown(tok))
	}
}

// stray reports what stands where the condition could end.
func (p *parser) stray() {
	switch {
	case p.tok == ")":
		p.fail(p.start, "this parenthesis closes none")
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

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordByte(c byte) bool { return letter(c) || digit(c) || c == '_' }
