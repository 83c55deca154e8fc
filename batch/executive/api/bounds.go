// Bounds: how long a text, a list or a number may be, and what an identifier is.

package api

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of lists and names.
const (
	MaxID        = 64     // bytes of the id of a batch, a recipe or a piece of equipment
	MaxBatches   = 20_000 // in a list
	MaxEquipment = 10_000 // in a model, a list, or a change
	MaxSet       = 64     // pieces of equipment in a claim
	MaxWaiting   = 1_000  // claims that wait for one piece
	MaxChannels  = 4_096  // of one piece of equipment
	MaxPrompts   = 256    // of one batch
	MaxSteps     = 1_024  // active ones of one batch
	MaxNames     = 256    // entries of a table of texts, such as groups, capabilities, roles
	MaxFiles     = 64     // of a binding
	maxPriority  = 1_000_000_000
)

// CheckBatch refuses what may not be the id of a batch: it is the name of its directory and of its socket. An id has letters, digits, "_", "-"
// and ".", begins with a letter or a digit, and is none of the names of those who are there once.
func CheckBatch(id string) error {
	switch err := ident("batch_id", id); {
	case err != nil:
		return err
	case id == Manager, id == Runtime, id == IO, id == Bus, id == Production:
		return fmt.Errorf("batch_id %s is the name of a process of the executive; take another one", id)
	}
	return nil
}

// checkName refuses what may not be the name of a listener.
func checkName(name string) error {
	if node, rest, ok := strings.Cut(name, ":"); ok {
		return cmp.Or(ident("node", node), ident("name", rest))
	}
	return ident("name", name)
}

// ident refuses what is no identifier. The value was said by others.
func ident(what, v string) error {
	ok := len(v) > 0 && len(v) <= MaxID
	for i := 0; ok && i < len(v); i++ {
		c := v[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = letter || i > 0 && (c == '_' || c == '-' || c == '.')
	}
	if !ok {
		return fmt.Errorf(`%s %.80q: an identifier has 1 to %d letters, digits, "_", "-" and ".", and begins with a letter or a digit`, what, v, MaxID)
	}
	return nil
}

// idents refuses the first of pairs of name and value that is no identifier; "" is none and taken.
func idents(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if err := ident(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// set refuses a list of identifiers that is too long or names one twice.
func set(what string, list []string, most int) error {
	if err := count(what, len(list), most); err != nil {
		return err
	}
	sorted := slices.Sorted(slices.Values(list))
	for i, v := range sorted {
		if err := ident(what, v); err != nil {
			return err
		}
		if i > 0 && sorted[i-1] == v {
			return fmt.Errorf("%s: %s is there twice; name it once", what, v)
		}
	}
	return nil
}

// texts refuses the first text of a request that is too long, no UTF-8, or has control characters; pairs are name, value.
func texts(pairs ...string) error { return bounded(MaxText, pairs...) }

// reasons refuses as texts does, for what an answer says in more words.
func reasons(pairs ...string) error { return bounded(MaxReason, pairs...) }

func bounded(most int, pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		v := pairs[i+1]
		if len(v) > most {
			return fmt.Errorf("%s has %d bytes; at most %d are taken", pairs[i], len(v), most)
		}
		if !utf8.ValidString(v) {
			return fmt.Errorf("%s is no UTF-8", pairs[i])
		}
		for _, c := range v {
			if unicode.IsControl(c) && c != '\n' && c != '\t' {
				return fmt.Errorf("%s has the control character %U; leave it out", pairs[i], c)
			}
		}
	}
	return nil
}

// lines refuses a list of texts that is too long, or holds one that is.
func lines(what string, list []string, most int) error {
	if err := count(what, len(list), most); err != nil {
		return err
	}
	for _, v := range list {
		if err := reasons(what, v); err != nil {
			return err
		}
	}
	return nil
}

// table refuses a table of texts that is too long, or holds one that is.
func table(what string, m map[string]string) error {
	if err := count(what, len(m), MaxNames); err != nil {
		return err
	}
	var errs []error
	for k, v := range m {
		errs = append(errs, texts(what, k, what+" "+cutKey(k), v))
	}
	return first(errs)
}

// first gives the error whose words come first, so that it is the same one each time.
func first(errs []error) (least error) {
	for _, err := range errs {
		if err != nil && (least == nil || err.Error() < least.Error()) {
			least = err
		}
	}
	return least
}

func cutKey(k string) string { return fmt.Sprintf("%.80q", k) }

func count(what string, n, most int) error {
	if n > most {
		return fmt.Errorf("%s has %d entries; at most %d are taken", what, n, most)
	}
	return nil
}

// word refuses what is none of the words of a field.
func word(what, v string, words ...string) error {
	if slices.Contains(words, v) {
		return nil
	}
	return fmt.Errorf("%s %.80q: it is one of %q", what, v, words)
}

// within refuses a number out of bounds.
func within(what string, v, from, to int64) error {
	if v < from || v > to {
		return fmt.Errorf("%s is %d; it is %d to %d", what, v, from, to)
	}
	return nil
}

// need refuses a field that is empty.
func need(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return errors.New(pairs[i] + " is missing; give it")
		}
	}
	return nil
}

// each checks the entries of a list and says which one is wrong.
func each[T any](what string, list []T, most int, check func(v *T) error) error {
	if err := count(what, len(list), most); err != nil {
		return err
	}
	for i := range list {
		if err := check(&list[i]); err != nil {
			return fmt.Errorf("%s, entry %d: %w", what, i+1, err)
		}
	}
	return nil
}
