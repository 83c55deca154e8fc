// Prompts: who answers them, by themselves or by what a person types.

package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// asked is what somebody is asked, and whom to tell the answer.
type asked struct {
	r *runner.Runner
	p runner.Prompt
}

// asker answers prompts: by itself, or with what a person types. A line answers the oldest open prompt; one that was typed
// before anything was asked answers nothing. Where standard output is for JSON alone, people are asked on stderr.
func asker(f *flags, stdin io.Reader, v *view, stderr io.Writer) func(r *runner.Runner, p runner.Prompt) {
	if !f.prompt {
		return f.automatic
	}
	open := make(chan asked, 64)
	var ended atomic.Bool
	// A read of a terminal cannot be called off: this goroutine ends with the process, or when its input does.
	go func() {
		defer ended.Store(true)
		for lines := bufio.NewScanner(stdin); lines.Scan(); {
			select {
			case q := <-open:
				_ = q.r.Answer(q.p.ID, complete(lines.Text(), &q.p.Answer), f.operator, "operator")
			default:
			}
		}
	}()
	ask := func(r *runner.Runner, p runner.Prompt) {
		select {
		case open <- asked{r, p}:
		default:
		}
		to := v.out
		if v.quiet {
			to = stderr
			fmt.Fprintf(to, "%s asks: %s%s\n", p.Step, p.Text, bracket(wanted(p.Answer)))
		}
		v.invite(to, ended.Load())
	}
	var mu sync.Mutex
	all := map[uint32]asked{}
	v.again = func(id uint32) {
		mu.Lock()
		q, ok := all[id]
		mu.Unlock()
		if ok {
			ask(q.r, q.p)
		}
	}
	return func(r *runner.Runner, p runner.Prompt) {
		mu.Lock()
		all[p.ID] = asked{r, p}
		mu.Unlock()
		ask(r, p)
	}
}

// refused tells whether a record is that an answer does not fit its prompt, which then waits on.
func refused(k record.Kind, body []byte) (id uint32, ok bool) {
	if k != record.KindCommandResult {
		return 0, false
	}
	r, err := record.Parse(body)
	if err != nil || !r.Has(record.PromptID) || r.Text(record.Result) != sequencer.Refused.String() {
		return 0, false
	}
	return uint32(r.Int(record.PromptID)), true
}

// wanted says how a prompt is to be answered; "" where any words do.
func wanted(a recipe.Answer) string {
	if a.Kind == recipe.AnswerConfirm {
		return "type " + a.Wanted()
	}
	return a.Wanted()
}

// complete gives a bare number the unit in which it was asked for: people read it beside the question, and records must name it.
func complete(text string, a *recipe.Answer) string {
	if a.Kind == recipe.AnswerAny {
		return text
	}
	text = strings.TrimSpace(text)
	q, err := quantity.Parse(text)
	if a.Kind == recipe.AnswerNumber && err == nil && q.Unit == quantity.One {
		q.Unit = a.Min.Unit
		return q.String()
	}
	return text
}

// invite asks for an answer to a prompt, or says that nobody can give one.
func (v *view) invite(to io.Writer, ended bool) {
	if ended {
		fmt.Fprintln(to, "nobody can answer, standard input has ended: Ctrl-C "+v.interrupt()+" the batch")
		return
	}
	fmt.Fprint(to, "answer, then Enter: ")
}

// automatic answers a prompt by itself, unless the fault script does: with yes, the least number, the first choice, or ok.
func (f *flags) automatic(r *runner.Runner, p runner.Prompt) {
	if f.scripted[p.ID] {
		return
	}
	text := "ok"
	switch a := &p.Answer; a.Kind {
	case recipe.AnswerConfirm:
		text = recipe.Yes
	case recipe.AnswerNumber:
		text = a.Min.String()
	case recipe.AnswerChoice:
		text = a.Choices[0]
	case recipe.AnswerText:
		text = text[:min(len(text), a.MaxLength)]
	}
	_ = r.Answer(p.ID, text, "auto", "operator")
}
