// This file puts actions into words.

package recipe

import (
	"strconv"
	"strings"
)

// String is the amount as recipes write it; "" where none is given.
func (a *Amount) String() string {
	switch {
	case a.Param != "":
		return "$" + a.Param
	case a.Word != "":
		return a.Word
	case a.Quantity.Unit != "":
		return a.Quantity.String()
	}
	return ""
}

// String says in words what the action does, such as "set XV101 to open" or "wait until TT301 >= 58 Cel". Two actions that do
// the same have the same words, and others have others.
func (a *Action) String() string {
	switch a.Kind {
	case Set:
		return "set " + settingWords(a.Settings, " to ")
	case Wait:
		return "wait until " + condWords(a.Cond)
	case Delay:
		return "let " + a.For.String() + " pass"
	case OpenWindow:
		text := "open window " + a.Window + " on meter " + a.Meter + ", target " + a.Target.String() + ", tolerance " + a.Tolerance.String()
		if a.TimeWithin.Given() {
			text += ", or " + a.Cautious.String() + " where time is not known within " + a.TimeWithin.String()
		}
		return text
	case CloseWindow:
		return "close window " + a.Window + verdictWords("out of tolerance", a.OutOfTolerance) + verdictWords("not GOOD", a.NotGood)
	case WaitTotal:
		if !a.ShortBy.Given() {
			return "wait until window " + a.Window + " is at its target"
		}
		return "wait until window " + a.Window + " is " + a.ShortBy.String() + " short of its target" + a.Learn.words()
	case Jog:
		return "jog window " + a.Window + " by setting " + settingWords(a.Settings, " to ") + " for " + a.For.String() + ", then " +
			a.Settle.String() + " to settle, " + strconv.Itoa(a.AtMost) + " at most"
	case VerifyStable:
		return "wait until " + a.Tag + " has stayed within " + a.Within.String() + " for " + a.For.String()
	case Mark:
		return "log " + quote(a.Text)
	case Prompt:
		return "ask the operator " + quote(a.Text) + a.Answer.words()
	case Request:
		if len(a.Settings) == 0 {
			return "request " + a.Type
		}
		return "request " + a.Type + " with " + settingWords(a.Settings, " ")
	case Sync:
		return "meet at line " + a.Line
	case Send:
		return "send message " + a.Line
	case Receive:
		return "wait for message " + a.Line
	}
	return ""
}

// verdictWords says what follows a verdict; "" where nothing does.
func verdictWords(verdict string, then *Reaction) string {
	if then == nil {
		return ""
	}
	return "; if " + verdict + ", " + then.String()
}

// words says how it is learnt; "" where it is not.
func (l *Learn) words() string {
	if !l.Given() {
		return ""
	}
	return ", learnt by " + l.Share.String() + " of the error, from " + l.Min.String() + " to " + l.Max.String()
}

// String says in words how well time must be known, such as "within 1 s and NTP_SYNC, otherwise hold".
func (t *TimeRule) String() string {
	if t == nil {
		return ""
	}
	var words []string
	if t.Within.Given() {
		words = append(words, "within "+t.Within.String())
	}
	if t.State != "" {
		words = append(words, t.State)
	}
	return strings.Join(words, " and ") + ", otherwise " + t.Otherwise.String()
}

// words says what is wanted, behind the question; "" where any words are.
func (a *Answer) words() string {
	text := ""
	switch a.Kind {
	case AnswerAny:
		return ""
	case AnswerConfirm:
		text = " and have it confirmed"
	case AnswerChoice:
		text = " for one of " + inQuotes(strings.Join(a.Choices, `", "`))
	default:
		text = " for " + a.Wanted()
	}
	if a.Into != "" {
		text += ", which becomes $" + a.Into
	}
	return text
}

func settingWords(settings []Setting, between string) string {
	words := make([]string, len(settings))
	for i := range settings {
		words[i] = settings[i].Name + between + settings[i].Value.String()
	}
	return strings.Join(words, ", ")
}

func quote(text string) string { return `"` + strings.Join(strings.Fields(text), " ") + `"` }
