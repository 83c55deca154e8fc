// What a person sees and is asked: plain lines while the batch runs, a summary at its end.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// view prints. Its methods are called one at a time.
type view struct {
	b     *batch.Batch
	dir   string // of the evidence
	out   io.Writer
	quiet bool // print the summary alone, as JSON
	live  bool // real time: a person may be there
	begun bool
}

// begin prints what the batch is bound to.
func (v *view) begin() {
	p := v.b.Plan
	fmt.Fprintf(v.out, "batch %s: %s %s, %s, on %s; evidence in %s\n", v.b.ID, p.Recipe.ID, p.Recipe.Version, v.b.Size, p.Map.Equipment, v.dir)
	fmt.Fprintf(v.out, "a cut of the power loses at most %d ms of inputs, and what is on its way to the disk\n", runner.MaxAge/1_000_000)
	for i := range p.Files {
		approval := "NOT APPROVED"
		if a := v.b.Approvals[i]; a.ID != "" {
			approval = "approval " + a.ID + " by " + a.By
		}
		fmt.Fprintf(v.out, "  %-11s %s %s, %s\n", p.Files[i].Kind, p.Files[i].ID, p.Files[i].Version, approval)
	}
}

// line prints one line that begins with the time since the start of the run.
func (v *view) line(r *record.Record, format string, args ...any) {
	ms := r.Count(record.TsMonoNS) / 1_000_000
	fmt.Fprintf(v.out, "%4d.%03d s  %s\n", ms/1000, ms%1000, fmt.Sprintf(format, args...))
}

// record prints what of a record a person at the plant wants to know.
func (v *view) record(k record.Kind, body []byte) {
	if v.quiet {
		return
	}
	if !v.begun {
		v.begun = true
		v.begin()
	}
	if !shown(k) {
		return
	}
	r, err := record.Parse(body)
	if err != nil {
		return
	}
	text := r.Text
	switch k {
	case record.KindBatchState:
		v.line(r, "batch is %s (it was %s)", text(record.BatchState), text(record.OldValue))
		if s := text(record.BatchState); v.live && (s == sequencer.Held.String() || s == sequencer.Paused.String()) {
			v.line(r, "nothing goes on without a command, of the fault script or a person: Ctrl-C aborts the batch")
		}
	case record.KindStepState:
		v.line(r, "%-10s %s, %s%s", text(record.StepID), text(record.StepState), text(record.PhaseState), bracket(text(record.Detail)))
	case record.KindActionState:
		if text(record.ActionState) == "start" {
			v.line(r, "%-10s waits: %s", text(record.StepID), text(record.WaitReason))
		}
	case record.KindOutputWrite:
		why := text(record.StepID)
		if why == "" {
			why = text(record.SafeStateReason) + text(record.Detail)
		}
		v.line(r, "%-10s %s: %s%s", why, text(record.LogicalTag), text(record.Value), unit(r))
	case record.KindWindowStart:
		v.line(r, "%-10s window %s opens, target %s%s", text(record.StepID), text(record.MeterWindowID), text(record.Target), unit(r))
	case record.KindWindowStop:
		v.line(r, "%-10s window %s closes: %s%s, %s", text(record.StepID), text(record.MeterWindowID), text(record.TotalizedValue), unit(r), text(record.Result))
	case record.KindPrompt:
		v.line(r, "%-10s asks: %s", text(record.StepID), text(record.Message))
	case record.KindPromptAnswer:
		v.line(r, "answer of %s: %s", text(record.OperatorID), text(record.Value))
	case record.KindMarker:
		v.line(r, "%-10s %s", text(record.StepID), text(record.Message))
	case record.KindTimeout:
		v.line(r, "%-10s TIME-OUT after %s ms, waiting for: %s; reaction: %s", text(record.StepID), strconv.FormatInt(r.Int(record.TimeoutMS), 10), text(record.TimeoutReason), text(record.Result))
	case record.KindCommandResult:
		v.line(r, "command %s: %s%s", text(record.Command), text(record.Result), bracket(text(record.Detail)))
	case record.KindQualityChange:
		v.line(r, "%s is %s (it was %s), age %d ms", text(record.LogicalTag), text(record.Quality), text(record.OldValue), r.Int(record.AgeMS))
	case record.KindOutputFault:
		v.line(r, "%s is not known to be as commanded: %s", text(record.LogicalTag), text(record.Detail))
	}
}

func shown(k record.Kind) bool {
	switch k {
	case record.KindBatchState, record.KindStepState, record.KindActionState, record.KindOutputWrite, record.KindWindowStart,
		record.KindWindowStop, record.KindPrompt, record.KindPromptAnswer, record.KindMarker, record.KindTimeout,
		record.KindCommandResult, record.KindQualityChange, record.KindOutputFault:
		return true
	}
	return false
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func unit(r *record.Record) string {
	if u := r.Text(record.Unit); u != "" {
		return " " + u
	}
	return ""
}

// summary is what -json prints. Its keys are those of the records where there are such.
type summary struct {
	Batch      string           `json:"batch_id"`
	State      string           `json:"batch_state"`
	Recipe     string           `json:"recipe_id"`
	Version    string           `json:"recipe_version"`
	Size       string           `json:"batch_size"`
	Unapproved bool             `json:"unapproved"`
	Windows    []window         `json:"windows"`
	Unsafe     []string         `json:"unsafe_outputs"` // outputs that are not at their safe values
	Records    uint64           `json:"records"`
	Link       string           `json:"hash_curr"`
	Late       int64            `json:"late_ticks"`
	Verified   bool             `json:"verified"`
	Checks     []evidence.Check `json:"checks"`
	Evidence   string           `json:"evidence"`
}

// window is a runner.Window with the keys of the records that it is made of.
type window struct {
	ID         string `json:"meter_window_id"`
	Unit       string `json:"unit"`
	Target     string `json:"target"`
	Total      string `json:"totalized_value"`
	Delta      string `json:"delta"`
	Tolerance  string `json:"tolerance"`
	Verdict    string `json:"result"`
	Meter      string `json:"meter_total"`
	Reconciled string `json:"reconcile_status"`
	Hint       string `json:"hint"`
}

// end prints the summary. Report is nil where there is no package; unsafe names the outputs that are not at their safe values.
func (v *view) end(res *runner.Result, report *evidence.Report, unsafe []string) {
	s := summary{Batch: res.Batch, State: res.State.String(), Recipe: v.b.Plan.Recipe.ID, Version: v.b.Plan.Recipe.Version,
		Size: v.b.Size.String(), Windows: []window{}, Unsafe: unsafe, Records: res.Records, Link: res.Link, Late: res.LateTicks,
		Checks: []evidence.Check{}, Evidence: res.Dir}
	for _, a := range v.b.Approvals {
		s.Unapproved = s.Unapproved || a.ID == ""
	}
	for _, w := range res.Windows {
		s.Windows = append(s.Windows, window(w))
	}
	if report != nil {
		s.Verified, s.Checks = report.OK(), report.Checks
	}
	if v.quiet {
		if err := json.NewEncoder(v.out).Encode(s); err != nil {
			fmt.Fprintln(v.out, err)
		}
		return
	}
	fmt.Fprintf(v.out, "\nbatch    %s is %s\n", s.Batch, s.State)
	for _, w := range s.Windows {
		fmt.Fprintf(v.out, "total %s  %s %s, target %s, delta %s, tolerance %s: %s\n", w.ID, w.Total, w.Unit, w.Target, w.Delta, w.Tolerance, w.Verdict)
		if w.Meter == "" {
			fmt.Fprintf(v.out, "  reconciliation: %s, the meter's own total is not there\n", w.Reconciled)
		} else {
			fmt.Fprintf(v.out, "  reconciliation with the meter's own total, %s %s: %s%s; historian: none\n", w.Meter, w.Unit, w.Reconciled, bracket(w.Hint))
		}
	}
	if len(unsafe) == 0 {
		fmt.Fprintln(v.out, "outputs  all at their safe values")
	} else {
		fmt.Fprintf(v.out, "outputs  NOT at their safe values: %s\n", strings.Join(unsafe, ", "))
	}
	if report == nil {
		fmt.Fprintf(v.out, "chain    %d records in %s; no package was made of them\n", s.Records, s.Evidence)
		return
	}
	fmt.Fprintf(v.out, "chain    %d records, last link %.16s...: %s\n", s.Records, s.Link, report.Verdict())
	fmt.Fprintf(v.out, "evidence %s\n\nnext: go run ./examples/evidence verify %s\n      go run ./examples/evidence replay %s\n", s.Evidence, s.Evidence, s.Evidence)
}

// asker answers prompts: by itself, or with what a person types. A line answers the oldest open prompt; one that was typed
// before anything was asked answers nothing. Where standard output is for JSON alone, people are asked on stderr.
func asker(f *flags, stdin io.Reader, v *view, stderr io.Writer) func(r *runner.Runner, p runner.Prompt) {
	if !f.prompt {
		return func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }
	}
	type question struct {
		r  *runner.Runner
		id uint32
	}
	open := make(chan question, 64)
	var ended atomic.Bool
	// A read of a terminal cannot be called off: this goroutine ends with the process, or when its input does.
	go func() {
		defer ended.Store(true)
		for lines := bufio.NewScanner(stdin); lines.Scan(); {
			select {
			case q := <-open:
				_ = q.r.Answer(q.id, lines.Text(), f.operator, "operator")
			default:
			}
		}
	}()
	return func(r *runner.Runner, p runner.Prompt) {
		select {
		case open <- question{r, p.ID}:
		default:
		}
		to := v.out
		if v.quiet {
			to = stderr
			fmt.Fprintf(to, "%s asks: %s\n", p.Step, p.Text)
		}
		if ended.Load() {
			fmt.Fprintln(to, "nobody can answer, standard input has ended: Ctrl-C aborts the batch")
			return
		}
		fmt.Fprint(to, "answer, then Enter: ")
	}
}
