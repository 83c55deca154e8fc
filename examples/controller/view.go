// What a person sees: plain lines while the batch runs, a summary at its end.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
)

// view prints. Its methods are called one at a time.
type view struct {
	b     *batch.Batch
	out   io.Writer
	quiet bool
}

func newView(b *batch.Batch, out io.Writer, quiet bool) *view { return &view{b, out, quiet} }

func (v *view) begin(dir string) {
	if v.quiet {
		return
	}
	p := v.b.Plan
	fmt.Fprintf(v.out, "batch %s: %s %s, %s, on %s; evidence in %s\n", v.b.ID, p.Recipe.ID, p.Recipe.Version, v.b.Size, p.Map.Equipment, dir)
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
	if v.quiet || !shown(k) {
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

// summary is what -json prints.
type summary struct {
	Batch    string           `json:"batch_id"`
	State    string           `json:"batch_state"`
	Recipe   string           `json:"recipe_id"`
	Version  string           `json:"recipe_version"`
	Size     string           `json:"batch_size"`
	Windows  []runner.Window  `json:"windows"`
	Records  uint64           `json:"records"`
	Link     string           `json:"hash_curr"`
	Late     int64            `json:"late_ticks"`
	Verified bool             `json:"verified"`
	Checks   []evidence.Check `json:"checks"`
	Evidence string           `json:"evidence"`
}

// end prints the summary. Report is nil where the evidence could not be read.
func (v *view) end(res *runner.Result, report *evidence.Report) {
	s := summary{Batch: res.Batch, State: res.State.String(), Recipe: v.b.Plan.Recipe.ID, Version: v.b.Plan.Recipe.Version,
		Size: v.b.Size.String(), Windows: res.Windows, Records: res.Records, Link: res.Link, Late: res.LateTicks, Evidence: res.Dir}
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
	verdict := "cannot be read"
	if report != nil {
		verdict = report.Verdict()
	}
	fmt.Fprintf(v.out, "chain    %d records, last link %.16s...: %s\n", s.Records, s.Link, verdict)
	fmt.Fprintf(v.out, "evidence %s\n\nnext: go run ./examples/evidence verify %s\n      go run ./examples/evidence replay %s\n", s.Evidence, s.Evidence, s.Evidence)
}

// asker answers prompts: by itself, or with what a person types. A line that is typed answers the oldest prompt.
func asker(ctx context.Context, f *flags, stdin io.Reader, v *view) func(r *runner.Runner, p runner.Prompt) {
	if !f.prompt {
		return func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }
	}
	type question struct {
		r  *runner.Runner
		id uint32
	}
	open := make(chan question, 64)
	// A read of a terminal cannot be called off: this goroutine ends with the process, or when its input does.
	go func() {
		for lines := bufio.NewScanner(stdin); lines.Scan(); {
			select {
			case q := <-open:
				_ = q.r.Answer(q.id, lines.Text(), f.operator, "operator")
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(r *runner.Runner, p runner.Prompt) {
		fmt.Fprintf(v.out, "%s: %s\nanswer, then Enter: ", p.Step, p.Text)
		select {
		case open <- question{r, p.ID}:
		default:
		}
	}
}
