// Package script reads scenario and fault files: one command a line, in words that a process engineer can read and write.
//
//	# charge with a flow meter that freezes
//	press START
//	at 12.5s          set LT101 "40 L"
//	after 3s          expect step CHARGE_A
//	during CHARGE_A   stale FT101 1m30s
//
// Start with [Parse]; it returns the commands as [Line]s, and all errors at once, each with file, line, column and the line shown.
// What a verb and its arguments mean is the consumer's: it reads them with [Line.Arg], [Line.Int] and [Line.Duration], and refuses with
// [Line.Errorf].
//
// The rule that must not be broken: time is exact. It is held in whole nanoseconds, never passes through a float, and what is finer
// than a nanosecond is an error.
//
// It does not run anything and has no variables, conditions or loops. "#" begins a comment only where a word could begin, so V#1 is a
// word.
package script

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a file.
const (
	MaxBytes  = 64 << 10 // bytes
	MaxLines  = 10_000   // lines, empty ones and comments included
	MaxWords  = 64       // words of a line
	MaxName   = 64       // characters of a verb or a step
	MaxErrors = 100      // errors returned; the rest is counted
)

// WhenKind says how a line is placed in time.
type WhenKind uint8

// The kinds of When.
const (
	None   WhenKind = iota // no prefix
	At                     // at 12.5s: at a time from the beginning
	After                  // after 3s: a time after the line before; what that means exactly is the consumer's
	During                 // during STEP: while a step is active
)

// When is the time prefix of a line.
type When struct {
	Kind WhenKind
	Ns   int64  // of At and After, in nanoseconds, never negative
	Step string // of During
}

// Line is one command.
type Line struct {
	File string
	No   int // line number, from 1
	When When
	Verb string   // letters, digits, _ . - and beginning with a letter; as written
	Args []string // quotes and escapes resolved; an argument may be empty if it was quoted

	source  string
	columns []int // of the verb, then of each argument
}

// Error is one thing that is wrong, and where.
type Error struct {
	File         string
	Line, Column int    // from 1; Column counts characters
	Msg          string // what is wrong and what to do
	Source       string // the line as it stands in the file
}

// Error returns "file:line:column: message" and the source line; characters that cannot be printed are shown as U+FFFD.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s\n    %s", e.File, e.Line, e.Column, e.Msg, strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, e.Source))
}

// fault is an error within a line: a column and a message.
type fault struct {
	column int
	msg    string
}

// Parse reads a file of UTF-8 text with lines ended by LF or CRLF; file names it in errors. It returns the good lines in order even if
// there are errors, so that a consumer can go on and find its own; they must not be run then. The error joins at most MaxErrors
// values of type *[Error].
func Parse(file string, src []byte) ([]Line, error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if len(src) > MaxBytes {
		return nil, &Error{File: file, Line: 1, Column: 1, Msg: fmt.Sprintf("file is %d bytes, more than the limit of %d", len(src), MaxBytes)}
	}
	var lines []Line
	var errs []error
	more := 0
	for i, source := range strings.Split(strings.TrimSuffix(string(src), "\n"), "\n") {
		source = strings.TrimSuffix(source, "\r")
		line := Line{File: file, No: i + 1, source: source}
		found := &fault{1, fmt.Sprintf("file has more than %d lines", MaxLines)}
		if i < MaxLines {
			found = line.read()
		}
		switch {
		case found == nil && line.Verb != "":
			lines = append(lines, line)
		case found != nil && len(errs) < MaxErrors:
			errs = append(errs, line.errorAt(found.column, found.msg))
		case found != nil:
			more++
		}
		if i == MaxLines {
			break
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	return lines, errors.Join(errs...)
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func isName(s string) bool { return len(s) <= MaxName && namePattern.MatchString(s) }

// read fills in the line from its source. A line without a command keeps an empty Verb.
func (l *Line) read() *fault {
	words, bad := split(l.source)
	if bad != nil || len(words) == 0 {
		return bad
	}
	words, bad = l.readWhen(words)
	if bad != nil {
		return bad
	}
	verb := words[0]
	switch {
	case verb.quoted || !isName(verb.text) || verb.text[0] <= '9':
		return &fault{verb.column, fmt.Sprintf("a command begins with a letter and has at most %d letters, digits, _ . -", MaxName)}
	case isPrefix(verb.text):
		return &fault{verb.column, "a line has one time only"}
	}
	l.Verb = verb.text
	for _, w := range words {
		l.columns = append(l.columns, w.column)
	}
	for _, w := range words[1:] {
		l.Args = append(l.Args, w.text)
	}
	return nil
}

func isPrefix(word string) bool { return word == "at" || word == "after" || word == "during" }

// readWhen takes the time prefix off the words of a line and returns the others, at least one.
func (l *Line) readWhen(words []word) ([]word, *fault) {
	prefix := words[0]
	if prefix.quoted || !isPrefix(prefix.text) {
		return words, nil
	}
	if len(words) < 3 {
		return nil, &fault{utf8.RuneCountInString(l.source) + 1,
			fmt.Sprintf("%q needs a time or a step, and then a command", prefix.text)}
	}
	what := words[1]
	if prefix.text == "during" {
		if !isName(what.text) {
			return nil, &fault{what.column, fmt.Sprintf("a step has 1 to %d letters, digits, _ . - and begins with a letter or a digit", MaxName)}
		}
		l.When = When{Kind: During, Step: what.text}
		return words[2:], nil
	}
	ns, why := duration(what.text)
	if why != "" {
		return nil, &fault{what.column, why}
	}
	l.When = When{Kind: At, Ns: ns}
	if prefix.text == "after" {
		l.When.Kind = After
	}
	return words[2:], nil
}
