// Scenario scripts: the words of expectations.

package jobs_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/script"
)

// expect holds what has happened against an expectation.
func (p *player) expect(l script.Line) error {
	what, err := l.Arg(0)
	if err != nil {
		return err
	}
	rest := strings.Join(l.Args[1:], " ")
	same := func(name, is string) error {
		if is != rest {
			return l.Errorf("%s %s", name, is)
		}
		return nil
	}
	switch what {
	case "refused":
		return p.expectRefused(l, rest)
	case "slots":
		return same("slots are", p.slotWords())
	case "order":
		return same("the list is", p.orderWords())
	case "idle":
		if is := p.orderWords(); is != "nothing" {
			return l.Errorf("the list is %s", is)
		}
		return nil
	case "slot-available":
		return p.said(l, what, true, func(e *jobs.Effect) bool { return e.Kind == jobs.SlotAvailable })
	case "no":
		return p.said(l, rest, false, func(e *jobs.Effect) bool { return e.Kind == jobs.SlotAvailable && rest == "slot-available" })
	case "strays":
		return same("strays are", p.strays())
	case "notify", "aside":
		return p.said(l, what, true, func(e *jobs.Effect) bool {
			return e.Kind == map[string]jobs.EffectKind{"notify": jobs.Notify, "aside": jobs.SetAside}[what] &&
				p.name(e.Job) == l.Args[1] && strings.Contains(e.Reason, strings.Join(l.Args[2:], " "))
		})
	case "state", "group", "counts":
		return p.expectJob(l, what)
	}
	for do := jobs.Start; do <= jobs.CleanItUp; do++ {
		if what == map[jobs.Do]string{jobs.Start: "starts", jobs.Drop: "drops", jobs.Pause: "pauses", jobs.Resume: "resumes", jobs.AbortIt: "aborts",
			jobs.CleanItUp: "cleans"}[do] {
			return same(what+" are", p.ordered(do))
		}
	}
	return l.ArgErrorf(0, "%q cannot be expected; the package comment lists what can", what)
}

func (p *player) said(l script.Line, what string, wanted bool, holds func(e *jobs.Effect) bool) error {
	for i := range p.since {
		if holds(&p.since[i]) {
			if wanted {
				return nil
			}
			return l.Errorf("%s is told", what)
		}
	}
	if wanted {
		return l.Errorf("%s is not told", what)
	}
	return nil
}

func (p *player) expectRefused(l script.Line, text string) error {
	switch {
	case len(p.refused) == 0:
		return l.Errorf("the line before is not refused")
	case !strings.Contains(p.refused[0], text):
		return l.Errorf("the line before is refused otherwise: %s", p.refused[0])
	}
	p.refused = nil
	return nil
}

// expectJob holds a job against its state, group or counts.
func (p *player) expectJob(l script.Line, what string) error {
	id, err := p.id(l, 1)
	if err != nil {
		return err
	}
	want, err := l.Arg(2)
	if err != nil {
		return err
	}
	j, listed := p.list.Job(id)
	is := "gone"
	switch {
	case what == "counts":
		c := p.lives[id].counts
		for _, w := range l.Args[2:] {
			name, value := option(w)
			n := map[string]int64{"begun": c.Begun, "running": c.Running, "success": c.Success, "failure": c.Failure, "reworked": c.Reworked, "dropped": c.Dropped}[name]
			if strconv.FormatInt(n, 10) != value {
				return l.Errorf("%s has %s=%d", l.Args[1], name, n)
			}
		}
		return nil
	case what == "group" && listed:
		is = "of group " + cmpOr(p.name(j.Group), "none")
		want = "of group " + want
	case listed:
		is = j.State.String()
	}
	if is != want {
		return l.Errorf("%s is %s", l.Args[1], is)
	}
	return nil
}

// slotWords gives the slots and who works by each, "-" for a free one.
func (p *player) slotWords() string {
	var words []string
	for _, s := range p.list.Slots() {
		words = append(words, fmt.Sprintf("%s=%s", s.Slot, cmpOr(p.name(s.Job), p.name(s.Group), "-")))
	}
	return strings.Join(words, " ")
}

// orderWords gives the jobs in the order of the list.
func (p *player) orderWords() string {
	var words []string
	for _, j := range p.list.Jobs() {
		words = append(words, p.name(j.ID))
	}
	return cmpOr(strings.Join(words, " "), "nothing")
}

// strays gives the processes that belong to no job of the list, and that a person was told of.
func (p *player) strays() string {
	var words []string
	for i := range p.since {
		if e := &p.since[i]; e.Kind == jobs.Notify && e.Job == "" {
			words = append(words, p.name(e.Process))
		}
	}
	return cmpOr(strings.Join(words, " "), "none")
}

// ordered gives the processes that the line before has had something done to.
func (p *player) ordered(do jobs.Do) string {
	var words []string
	for i := range p.since {
		if e := &p.since[i]; e.Kind == jobs.Ordered && e.Do == do {
			words = append(words, p.name(e.Process))
		}
	}
	return cmpOr(strings.Join(words, " "), "none")
}
