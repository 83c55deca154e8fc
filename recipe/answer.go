// This file holds Answer: what a prompt wants to be answered, and whether an answer fits.

package recipe

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Limits of what a prompt may ask for.
const (
	MaxChoices = 16  // answers to choose from
	MaxChoice  = 64  // characters of one
	MaxAnswer  = 200 // characters of a text
)

// AnswerKind is what sort of answer a prompt wants.
type AnswerKind uint8

// The answers.
const (
	AnswerAny     AnswerKind = iota // any words
	AnswerConfirm                   // yes, and nothing else
	AnswerNumber                    // a number with its unit
	AnswerChoice                    // one of the choices, as it is written
	AnswerText                      // words, at most so many characters
	answerKinds
)

// String gives the word that recipes and records use: confirm, number, choice or text; "" for any words.
func (k AnswerKind) String() string {
	return [...]string{"", "confirm", "number", "choice", "text"}[min(k, AnswerText)]
}

// Answer is what a prompt wants to be answered. The zero Answer takes any words.
type Answer struct {
	Kind       AnswerKind
	Min, Max   quantity.Quantity // AnswerNumber: limits, in one unit
	Resolution quantity.Quantity // AnswerNumber: it is a whole number of these, in the same unit; the zero Quantity: it may be any
	Choices    []string          // AnswerChoice
	MaxLength  int               // AnswerText: characters, 1 to MaxAnswer
	Into       string            // AnswerNumber: the parameter whose value it becomes; "" for none
}

// Yes is the answer that confirms.
const Yes = "yes"

// Wanted says in words what is wanted, such as "a number from 1 kg to 5 kg in steps of 0.01 kg"; "" where any words are.
func (a *Answer) Wanted() string {
	switch a.Kind {
	case AnswerConfirm:
		return Yes
	case AnswerNumber:
		text := fmt.Sprintf("a number from %s to %s", a.Min, a.Max)
		if a.Resolution.Unit != "" {
			text += fmt.Sprintf(" in steps of %s", a.Resolution)
		}
		return text
	case AnswerChoice:
		return "one of " + strings.Join(a.Choices, ", ")
	case AnswerText:
		return fmt.Sprintf("a text of at most %d characters", a.MaxLength)
	}
	return ""
}

// spaces is what a text may not be made of alone. It is written out, since the tables of a build of Go may become others.
const spaces = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// Check holds an answer against what is wanted: why says what is wrong and what to do, "" where it fits. The quantity is the
// number of one that fits, as it was written.
func (a *Answer) Check(text string) (q quantity.Quantity, why string) {
	switch a.Kind {
	case AnswerConfirm:
		if text != Yes {
			return q, "only " + Yes + " confirms it; hold the batch where it cannot be confirmed"
		}
	case AnswerNumber:
		return a.number(text)
	case AnswerChoice:
		if !slices.Contains(a.Choices, text) {
			return q, a.Wanted() + " is wanted"
		}
	case AnswerText:
		if n := utf8.RuneCountInString(text); n > a.MaxLength || strings.Trim(text, spaces) == "" {
			return q, fmt.Sprintf("%s is wanted; it has %d", a.Wanted(), n)
		}
	}
	return q, ""
}

func (a *Answer) number(text string) (q quantity.Quantity, why string) {
	q, err := quantity.Parse(text)
	if err != nil || !q.Unit.Compatible(a.Min.Unit) {
		return q, fmt.Sprintf("%s is wanted, with its unit, such as %+q", a.Wanted(), a.Min)
	}
	// Units that convert compare.
	below, _ := q.Cmp(a.Min)
	above, _ := q.Cmp(a.Max)
	if below < 0 || above > 0 {
		return q, fmt.Sprintf("%s is outside the limits; %s is wanted", q, a.Wanted())
	}
	if a.Resolution.Unit != "" {
		if _, err := q.Counts(a.Resolution); err != nil {
			return q, fmt.Sprintf("%s is no whole number of %s; %s is wanted", q, a.Resolution, a.Wanted())
		}
	}
	return q, ""
}
