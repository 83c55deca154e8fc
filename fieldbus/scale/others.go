// What an instrument says beside weights: why there is none, who it is, what became of an order.

package scale

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxOthers is how many templates beside the frame, and how many commands, a profile may have.
const maxOthers = 16

// others reads the templates of all that is no weight.
func (s *settings) others() {
	f := s.format
	for _, set := range s.profile.Settings {
		group, name, _ := strings.Cut(set.Key, ".")
		switch group {
		case "instead":
			s.instead(set.Key, name)
		case "command":
			if !strings.Contains(name, ".") {
				s.command(set.Key, name)
			}
		}
	}
	f.who = s.bytes("identity")
	f.identity = s.template("identity.frame")
	switch {
	case (f.who == nil) != (s.profile.Setting("identity.frame") == ""):
		s.fail("identity", errors.New("identity and identity.frame are wanted both, or neither"))
	case f.identity != nil && f.identity.find("text") < 0:
		s.fail("identity.frame", errors.New("it has no field {text}, which is the identity"))
	}
	for _, a := range f.answers() {
		if a.sum = f.frame.sum; a.has(check) && !f.frame.has(check) {
			s.fail(a.key, errors.New("it has a {check}, and the frame has none, whose setting check is"))
		}
	}
}

// answer is a template, and what it is an answer to.
type answer struct {
	key  string
	kind int
	*template
}

// answers gives all templates but the frame.
func (f *Format) answers() (all []answer) {
	for _, in := range f.instead {
		all = append(all, answer{"instead." + condNames[in.why], weight, in.frame})
	}
	if f.identity != nil {
		all = append(all, answer{"identity.frame", whom, f.identity})
	}
	for i, c := range f.commands {
		all = append(all, answer{"command." + c.name + ".done", orders + i, c.done})
		if c.refused != nil {
			all = append(all, answer{"command." + c.name + ".refused", orders + i, c.refused})
		}
	}
	return all
}

// distinct refuses templates of which one thing may fit two that mean different things, and those that fit what was sent: some lines echo.
func (s *settings) distinct() {
	f := s.format
	all := f.answers()
	for i, a := range all {
		if overlap(f.frame, a.template, f.frame.opening(f.numbers), a.opening(nil)) {
			s.fail(a.key, errors.New("it may look as a weight does; make one of them differ in what stands there literally, or in length"))
		}
		for _, b := range all[:i] {
			if a.kind != b.kind && overlap(a.template, b.template, a.opening(nil), b.opening(nil)) {
				s.fail(a.key, fmt.Errorf("it may look as %s does, and nobody could tell which question it answers; make one of them differ", b.key))
			}
		}
		sent := f.who
		if a.kind >= orders {
			sent = f.commands[a.kind-orders].send
		}
		if _, v := a.match(sent, new(frame)); v == whole && a.kind != weight {
			s.fail(a.key, errors.New("it fits what is sent: an echo would be taken for the answer"))
		}
	}
}

func (s *settings) instead(key, name string) {
	kind, _, _ := strings.Cut(name, ".")
	why := conds(slices.Index(condNames[:], kind))
	t := s.template(key)
	switch {
	case t == nil:
	case why != isOverload && why != isUnderload && why != isFault && why != isBusy:
		s.fail(key, errors.New("want instead.overload, instead.underload, instead.fault or instead.busy, and .2 and so on behind it for more of them"))
	case len(s.format.instead) == maxOthers:
		s.fail(key, fmt.Errorf("more than %d of them", maxOthers))
	default:
		s.format.instead = append(s.format.instead, instead{why, t})
	}
}

func (s *settings) command(key, name string) {
	c := command{name: name, send: s.bytes(key), done: s.template(key + ".done"), refused: s.template(key + ".refused")}
	switch {
	case name == "" || len(s.format.commands) == maxOthers:
		s.fail(key, fmt.Errorf("want 1 to %d commands, with a name each, such as command.zero", maxOthers))
	case s.profile.Setting(key+".done") == "":
		s.fail(key, fmt.Errorf("%s.done is missing: the answer that says that it was carried out", key))
	case c.done == nil:
	default:
		s.format.commands = append(s.format.commands, c)
	}
}

// What may stand at a place of a template, beside one byte.
const (
	anything = -1
	digit    = -2 // or what else numbers have
)

// overlap tells whether some bytes may fit two templates, as far as their lengths and their openings show: it errs on that side.
func overlap(t, u *template, a, b []int) bool {
	if t.least > u.most || u.least > t.most {
		return false
	}
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x >= 0 && y >= 0 && x != y || x == digit && y >= 0 && strings.IndexByte("0123456789+-., _*^?=", byte(y)) < 0 {
			return false
		}
	}
	return true
}

// opening gives what stands at the places of a template, up to the first that is not always the same.
func (t *template) opening(numbers []int) (all []int) {
	for _, p := range t.pieces {
		what := anything
		switch {
		case p.kind == literal:
			for _, c := range p.lit {
				all = append(all, int(c))
			}
			continue
		case p.kind == begin:
			continue
		case p.width == 0:
			return all
		case p.kind == field && slices.Contains(numbers, p.field):
			what = digit
		}
		for range p.width {
			all = append(all, what)
		}
	}
	return all
}
