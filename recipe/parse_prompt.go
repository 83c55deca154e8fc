// This file reads prompts: words alone, or with what is wanted for an answer.

package recipe

import (
	"unicode/utf8"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
)

// prompt reads a prompt, which is a text that any words answer, or a mapping.
func (r *reader) prompt(a *Action, n strictyaml.Node) {
	if n.Kind() != strictyaml.Mapping {
		a.Text = n.Str()
		return
	}
	f := n.Map()
	a.Text = f.Req("text").Str()
	kind := f.Req("answer")
	var words []string
	for k := AnswerConfirm; k < answerKinds; k++ {
		words = append(words, k.String())
	}
	word := kind.OneOf(words...)
	for k := AnswerConfirm; k < answerKinds && word != ""; k++ {
		if k.String() == word {
			a.Answer.Kind = k
		}
	}
	r.limitsOf(&a.Answer, f, n)
	f.Done()
}

// limitsOf reads the keys that belong to a kind of answer, and reports those that belong to another.
func (r *reader) limitsOf(a *Answer, f *strictyaml.Fields, n strictyaml.Node) {
	for _, key := range [...]struct {
		name string
		of   AnswerKind
		must bool
		read func(n strictyaml.Node)
	}{
		{"min", AnswerNumber, true, func(n strictyaml.Node) { a.Min, _ = quantityOf(n) }},
		{"max", AnswerNumber, true, func(n strictyaml.Node) { r.greatest(a, n) }},
		{"resolution", AnswerNumber, false, func(n strictyaml.Node) { r.resolution(a, n) }},
		{"into", AnswerNumber, false, func(n strictyaml.Node) { r.into(a, n) }},
		{"choices", AnswerChoice, true, func(n strictyaml.Node) { a.Choices = choices(n) }},
		{"max_length", AnswerText, true, func(n strictyaml.Node) { a.MaxLength = int(n.Int(1, MaxAnswer)) }},
	} {
		v, ok := f.Opt(key.name)
		switch {
		case ok && a.Kind == key.of:
			key.read(v)
		case ok && a.Kind != AnswerAny:
			v.Errorf("%s belongs to a prompt whose answer is %s; this one's is %s", key.name, key.of, a.Kind)
		case key.must && a.Kind == key.of:
			n.Errorf("prompt: key %q is missing; a prompt whose answer is %s needs it", key.name, key.of)
		}
	}
}

// greatest reads the greatest number, which is not below the least.
func (r *reader) greatest(a *Answer, n strictyaml.Node) {
	q, ok := quantityOf(n)
	if a.Max = q; !ok || !sameCode(n, "max", q, a.Min) {
		return
	}
	if c, err := a.Min.Cmp(a.Max); err == nil && c > 0 {
		n.Errorf("max %q is below min %q", a.Max, a.Min)
	}
}

// resolution reads the step, of which least and greatest number are whole numbers.
func (r *reader) resolution(a *Answer, n strictyaml.Node) {
	q, ok := quantityOf(n)
	if a.Resolution = q; !ok || !sameCode(n, "resolution", q, a.Min) {
		return
	}
	if q.Coef <= 0 {
		n.Errorf("resolution %q is not above zero", q)
		return
	}
	for _, limit := range [...]quantity.Quantity{a.Min, a.Max} {
		if _, err := limit.Counts(q); limit.Unit == q.Unit && err != nil {
			n.Errorf("%q is no whole number of the resolution %q", limit, q)
		}
	}
}

// sameCode refuses another unit than that of min, so that a record needs to name one only.
func sameCode(n strictyaml.Node, key string, q, least quantity.Quantity) bool {
	if least.Unit != "" && q.Unit != least.Unit {
		n.Errorf("%s %q is in another unit than min %q; write it in %s", key, q, least, unitWords(least.Unit))
		return false
	}
	return true
}

func unitWords(u quantity.Unit) string {
	if u == quantity.One {
		return "plain numbers"
	}
	return string(u)
}

// into reads the parameter that takes the answer. What the prompt lets through, the parameter takes.
func (r *reader) into(a *Answer, n strictyaml.Node) {
	name := n.Str()
	p := find(r.recipe.Params, name, func(p Param) string { return p.Name })
	if name == "" {
		return
	}
	if p == nil {
		n.Errorf("no parameter %q; %s", name, r.has())
		return
	}
	a.Into = name
	switch {
	case p.Ref != "":
		n.Errorf("parameter %q has the value of $%s; write the answer into that", name, p.Ref)
		return
	case p.Value.Unit == "" || a.Min.Unit == "":
		return
	case !a.Min.Unit.Compatible(p.Value.Unit):
		n.Errorf("min %q and parameter %q, which is %q, measure different things", a.Min, name, p.Value)
		return
	}
	if why := p.outside(a.Min); why != "" {
		n.Errorf("parameter %q does not take every answer: %s", name, why)
	} else if why := p.outside(a.Max); why != "" && a.Max.Unit == a.Min.Unit {
		n.Errorf("parameter %q does not take every answer: %s", name, why)
	}
}

// choices reads the answers to choose from.
func choices(n strictyaml.Node) (list []string) {
	items := n.List(MaxChoices)
	if n.Kind() == strictyaml.List && len(items) == 1 || n.Kind() == strictyaml.List && len(items) == 0 {
		n.Errorf("choices: two answers at least are wanted; for one there is answer: confirm")
	}
	seen := map[string]int{}
	for _, item := range items {
		text := item.Str()
		if count := utf8.RuneCountInString(text); count > MaxChoice {
			item.Errorf("a choice of %d characters is too long; %d is the most", count, MaxChoice)
		}
		item.Once(seen, text, "choice")
		list = append(list, text)
	}
	return list
}
