// What a person sees and is asked: plain lines while the batch runs, a summary at its end.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/sequencer"
)

// view prints. Its methods are called one at a time.
type view struct {
	b     *batch.Batch
	was   *runner.Remains // what was found of a batch that was cut short; nil for a new one
	dir   string          // of the evidence
	out   io.Writer
	quiet bool // print the summary alone, as JSON
	live  bool // real time: a person may be there
	asks  bool // Ctrl-C asks before it aborts
	begun bool
	last  uint64          // second of the newest line
	told  string          // the command whose result is to come, and what it is for
	again func(id uint32) // an answer was refused, and the prompt waits on; nil: nobody wants to know
}

// begin prints what the batch is bound to.
func (v *view) begin() {
	p := v.b.Plan
	fmt.Fprintf(v.out, "batch %s: %s %s, %s, on %s; evidence in %s\n", v.b.ID, p.Recipe.ID, p.Recipe.Version, v.b.Size, p.Map.Equipment, v.dir)
	for _, text := range v.follows() {
		fmt.Fprintln(v.out, text)
	}
	if v.b.DryRun {
		fmt.Fprintln(v.out, "A DRY RUN: no output is driven")
	}
	fmt.Fprintf(v.out, "a cut of the power loses at most %d ms of inputs, and what is on its way to the disk\n", v.b.BlockAge/1_000_000)
	for i := range p.Files {
		approval := "NOT APPROVED"
		if a := v.b.Approvals[i]; a.ID != "" {
			approval = "approval " + a.ID + " by " + a.By
		}
		fmt.Fprintf(v.out, "  %-11s %s %s, %s\n", p.Files[i].Kind, p.Files[i].ID, p.Files[i].Version, approval)
	}
}

// follows says what the batch follows on: what was found of it, and the batch in whose place it runs.
func (v *view) follows() (texts []string) {
	if v.was != nil {
		texts = append(texts, found(v.was))
	}
	if v.b.RestartOf != "" {
		texts = append(texts, harmless("in place of batch "+v.b.RestartOf+", which its recovery rule has aborted"))
	}
	return texts
}

// found says what was found of a batch that was cut short.
func found(was *runner.Remains) string {
	text := fmt.Sprintf("it was cut short when it was %s; its journal is %s and holds %d records", was.State, was.Outcome, was.Records)
	if was.Reason != "" {
		text += ": " + was.Reason
	}
	if was.Ended {
		text += "; the batch had ended, and its package is made now"
	}
	return harmless(text)
}

// line prints one line that begins with the time since the start of the run.
func (v *view) line(r *record.Record, text string) {
	ms := r.Count(record.TsMonoNS) / 1_000_000
	v.last = ms / 1000
	fmt.Fprintf(v.out, "%4d.%03d s  %s\n", ms/1000, ms%1000, harmless(text))
}

// interrupt says what Ctrl-C does.
func (v *view) interrupt() string {
	if v.asks {
		return "asks what is to become of"
	}
	return "aborts"
}

// record prints what of a record a person at the plant wants to know.
func (v *view) record(k record.Kind, body []byte) {
	if id, ok := refused(k, body); ok && v.again != nil {
		defer v.again(id)
	}
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
	text := sentence(v.b, k, r)
	v.told, text = pair(v.told, k, r, text)
	if text == "" {
		return
	}
	v.line(r, text)
	if v.live && waits(k, r) {
		v.line(r, "nothing goes on without a command, of the fault script or a person: Ctrl-C "+v.interrupt()+" the batch")
	}
}

// waits tells whether a record is that the batch waits for a command from then on.
func waits(k record.Kind, r *record.Record) bool {
	s := r.Text(record.BatchState)
	if k == record.KindCommandResult {
		return r.Text(record.Command) == sequencer.Start.String() && r.Text(record.Result) == sequencer.Refused.String()
	}
	return k == record.KindBatchState && (s == sequencer.Held.String() || s == sequencer.Paused.String())
}

// ordered says what a person orders, and what it is for; "" where a record is no such order, or says it all itself.
func ordered(k record.Kind, r *record.Record) string {
	text := r.Text
	if k != record.KindCommand || text(record.OperatorRole) == "system" || text(record.Command) == sequencer.Comment.String() {
		return ""
	}
	words := text(record.OperatorID) + " orders " + text(record.Command)
	for _, key := range []record.Key{record.StepID, record.Parameter, record.AlarmID, record.InterlockID, record.OverrideID, record.LogicalTag} {
		if name := text(key); name != "" {
			words += " " + name
		}
	}
	for _, key := range []record.Key{record.TargetStepID, record.Value} {
		if name := text(key); name != "" {
			words += " to " + name
		}
	}
	if why := text(record.ChangeReason); why != text(record.Command) {
		words += ", because: " + why
	}
	return words
}

// pair puts what became of a command behind what was ordered: told is the order until its result is there, text what the record says by
// itself.
func pair(told string, k record.Kind, r *record.Record, text string) (still, line string) {
	switch {
	case k == record.KindCommand:
		return ordered(k, r), text
	case k != record.KindCommandResult || r.Has(record.PromptID) || told == "":
		return told, text
	}
	_, outcome, _ := strings.Cut(text, ": ")
	return "", told + ": " + outcome
}

// sentence says what a record tells a person at the plant, in one line; "" where that is nothing.
func sentence(b *batch.Batch, k record.Kind, r *record.Record) string {
	text, shown := r.Text, func(key record.Key) string { return b.Shown(r, key) }
	switch k {
	case record.KindBatchState:
		return fmt.Sprintf("batch is %s (it was %s)", text(record.BatchState), text(record.OldValue))
	case record.KindStepState:
		edge := text(record.StepState)
		if edge == sequencer.EdgeRound.String() {
			edge = fmt.Sprintf("%s %d", edge, r.Int(record.Round))
		}
		return fmt.Sprintf("%-10s %s, %s%s", text(record.StepID), edge, text(record.PhaseState), bracket(text(record.Detail)))
	case record.KindActionState:
		switch {
		case text(record.ActionState) != "end":
			return fmt.Sprintf("%-10s waits: %s", text(record.StepID), text(record.WaitReason))
		case text(record.Detail) != "":
			return fmt.Sprintf("%-10s waits no more (%s)", text(record.StepID), text(record.Detail))
		}
	case record.KindModeChange:
		return fmt.Sprintf("%-10s %s (it was %s)", text(record.StepID), text(record.Mode), text(record.OldValue))
	case record.KindOutputWrite:
		why := text(record.StepID)
		if why == "" {
			why = text(record.SafeStateReason) + text(record.Detail)
		}
		return fmt.Sprintf("%-10s %s: %s", why, text(record.LogicalTag), shown(record.Value))
	case record.KindWindowStart, record.KindWindowStop, record.KindInFlight, record.KindWindowEvent, record.KindHistorianTotal:
		return windowed(b, r)
	case record.KindClockStep, record.KindTimeSourceChange:
		return clocked(k, r)
	case record.KindPrompt:
		return fmt.Sprintf("%-10s asks: %s%s", text(record.StepID), text(record.Message), bracket(wanted(batch.ReadAnswer(r))))
	case record.KindPromptAnswer:
		return fmt.Sprintf("answer of %s: %s", text(record.OperatorID), text(record.Value))
	case record.KindMarker:
		return fmt.Sprintf("%-10s %s", text(record.StepID), text(record.Message))
	case record.KindTimeout:
		return fmt.Sprintf("%-10s TIME-OUT after %s ms, waiting for: %s; reaction: %s", text(record.StepID), strconv.FormatInt(r.Int(record.TimeoutMS), 10), text(record.TimeoutReason), text(record.Result))
	case record.KindCommand:
		if text(record.OperatorRole) == "system" {
			return fmt.Sprintf("%s: %s, because: %s", text(record.OperatorID), text(record.Command), text(record.ChangeReason))
		}
		if text(record.Command) == sequencer.Comment.String() {
			return fmt.Sprintf("%-10s %s says: %s", text(record.StepID), text(record.OperatorID), text(record.ChangeReason))
		}
	case record.KindParameterChange:
		return fmt.Sprintf("%s is %s%s (it was %s), by %s, because: %s; it touches %s", text(record.Parameter), text(record.NewValue), unit(r),
			text(record.OldValue), text(record.Actor), text(record.ChangeReason), text(record.ImpactScope))
	case record.KindCommandResult:
		return fmt.Sprintf("command %s: %s%s", text(record.Command), text(record.Result), bracket(text(record.Detail)))
	case record.KindQualityChange, record.KindInputEdge:
		return heard(k, r)
	case record.KindInterlock, record.KindAlarm, record.KindOverride:
		return protected(k, r)
	case record.KindRecovery:
		return recovered(r) + "; " + lost(r)
	case record.KindTripRequest:
		return fmt.Sprintf("TRIP requested by %s: %s%s", text(record.LogicalTag), text(record.Result), bracket(text(record.Detail)))
	case record.KindSafeState, record.KindPowerWarning, record.KindOutputFault:
		return faulted(b, r)
	}
	return bused(r)
}

// heard says what became of an input.
func heard(k record.Kind, r *record.Record) string {
	name := r.Text(record.LogicalTag)
	if k == record.KindInputEdge {
		return name + ": " + r.Text(record.EdgeLevel) + " edge"
	}
	age := ""
	if r.Has(record.AgeMS) {
		age = fmt.Sprintf(", age %d ms", r.Int(record.AgeMS))
	}
	return fmt.Sprintf("%s is %s (it was %s)%s", name, r.Text(record.Quality), r.Text(record.OldValue), age)
}

// faulted says what a fault has done to an output, and what was heard of the supply.
func faulted(b *batch.Batch, r *record.Record) string {
	text := r.Text
	if r.Kind == record.KindOutputFault {
		return fmt.Sprintf("%s is not known to be as commanded: %s", text(record.LogicalTag), text(record.Detail))
	}
	switch {
	case r.Kind == record.KindOutputFault:
		return fmt.Sprintf("%s is not known to be as commanded: %s", text(record.LogicalTag), text(record.Detail))
	case r.Kind == record.KindPowerWarning:
		return "SUPPLY " + text(record.Result)
	case text(record.Result) == "returned":
		return fmt.Sprintf("%s is out of its safe state%s", text(record.LogicalTag), bracket(text(record.SafeStateReason)))
	}
	return fmt.Sprintf("SAFE STATE of %s, %s %s, by %s: %s%s", text(record.LogicalTag), text(record.RecoverPolicy), b.Shown(r, record.SafeState),
		text(record.FaultClass), text(record.Result), bracket(text(record.SafeStateReason)))
}

// recovered says how a batch that is continued was recovered, and what was under way in it.
func recovered(r *record.Record) string {
	text := "recovered: " + r.Text(record.RecoveryPath)
	if phases := r.Text(record.PhaseState); phases != "" {
		text += "; under way: " + phases
	}
	return text
}

// lost says what of a batch that is continued may be lost.
func lost(r *record.Record) string {
	if away := r.Text(record.LossIntervalS); away != "" {
		return "nothing was recorded for " + away + " s, in which nobody controlled the plant"
	}
	return "for how long nothing was recorded is not known; meanwhile nobody controlled the plant"
}

// clocked says what has become of the wall clock.
func clocked(k record.Kind, r *record.Record) string {
	if k == record.KindClockStep {
		return fmt.Sprintf("the wall clock was moved by %s ms%s", r.Text(record.MovedMS), bracket(r.Text(record.StepReason)))
	}
	return fmt.Sprintf("wall clock: %s (it was %s), %s", r.Text(record.NewValue), r.Text(record.OldValue), r.Text(record.SourceChange))
}

// windowed says what has become of a window.
func windowed(b *batch.Batch, r *record.Record) string {
	text, shown := r.Text, func(k record.Key) string { return b.Shown(r, k) }
	window := fmt.Sprintf("%-10s window %s", text(record.StepID), text(record.MeterWindowID))
	switch r.Kind {
	case record.KindWindowStart:
		return window + " opens, target " + shown(record.Target)
	case record.KindWindowStop:
		return window + " closes: " + shown(record.TotalizedValue) + ", " + text(record.Result)
	case record.KindWindowEvent:
		if text(record.WindowEvent) == "threshold" { // a step says that it goes on
			return ""
		}
		return window + " at " + shown(record.TotalizedValue) + ": " + text(record.WindowEvent)
	case record.KindHistorianTotal:
		if !r.Has(record.Value) {
			return window + ", historian: none yet" + bracket(text(record.Detail))
		}
		return window + ", historian: " + shown(record.Value) + bracket(text(record.HistorianSource))
	}
	return fmt.Sprintf("%s, what runs in: %s, error %s%s", window, text(record.Result), shown(record.Delta), bracket(text(record.Detail)))
}

func shown(k record.Kind) bool {
	switch k {
	case record.KindBatchState, record.KindStepState, record.KindActionState, record.KindOutputWrite, record.KindWindowStart,
		record.KindWindowStop, record.KindInFlight, record.KindPrompt, record.KindPromptAnswer, record.KindMarker, record.KindTimeout, record.KindModeChange,
		record.KindCommand, record.KindCommandResult, record.KindParameterChange, record.KindQualityChange, record.KindOutputFault, record.KindTripRequest,
		record.KindRecovery, record.KindInterlock, record.KindAlarm, record.KindWindowEvent, record.KindHistorianTotal, record.KindClockStep,
		record.KindLinkState, record.KindLinkFailover, record.KindResync, record.KindBusWrite, record.KindPointQuality, record.KindWriteDone,
		record.KindTelemetryBacklog, record.KindTimeSourceChange, record.KindInputEdge, record.KindOverride, record.KindSafeState, record.KindPowerWarning:
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

// inUnit is a number in a unit as people are shown it.
func inUnit(d iomap.Display, number, unit string) string {
	q, err := quantity.Parse(number + " " + unit)
	if err != nil {
		return number + " " + unit
	}
	return d.Of(q).String()
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
	RestartOf  string           `json:"restart_of"` // batch in whose place it ran; "" where there is none
	State      string           `json:"batch_state"`
	Recipe     string           `json:"recipe_id"`
	Version    string           `json:"recipe_version"`
	Size       string           `json:"batch_size"`
	Unapproved bool             `json:"unapproved"`
	DryRun     bool             `json:"dry_run,omitempty"`
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
	Historian  string `json:"historian_total"`
	Reconciled string `json:"reconcile_status"`
	Hint       string `json:"hint"`
	Absent     string `json:"absent"`
}

// short names the windows of a complete batch that are not as the recipe wants them. A verdict is on record and stops nothing.
func (s *summary) short() (words string) {
	for _, w := range s.Windows {
		if w.Verdict != "PASS" && s.State == sequencer.Complete.String() {
			words += ", window " + w.ID + " " + w.Verdict
		}
	}
	return words
}

// reconciliation says what the totals of a window come to.
func (w *window) reconciliation(in func(number string) string) string {
	words, historian := "  reconciliation", "none"
	if w.Historian != "" {
		historian = in(w.Historian)
	} else if strings.Contains(w.Absent, "historian_total") {
		historian = "absent, which is no PASS; when its total is there: evidence reconcile"
	}
	if w.Meter == "" {
		words += ", the meter's own total is not there: " + w.Reconciled
	} else {
		words += " with the meter's own total, " + in(w.Meter) + ": " + w.Reconciled
	}
	return words + bracket(w.Hint) + "; historian: " + historian
}

// end prints the summary. Report is nil where there is no package; unsafe names the outputs that are not at their safe values.
func (v *view) end(res *runner.Result, report *evidence.Report, unsafe []string) {
	s := summary{Batch: res.Batch, RestartOf: v.b.RestartOf, State: res.State.String(), Recipe: v.b.Plan.Recipe.ID, Version: v.b.Plan.Recipe.Version,
		Size: v.b.Size.String(), Windows: []window{}, Unsafe: unsafe, Records: res.Records, Link: res.Link, Late: res.LateTicks,
		Checks: []evidence.Check{}, Evidence: res.Dir, DryRun: res.DryRun}
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
	if v.was != nil && !v.begun { // it had ended, and only its package was made
		v.begin()
	}
	fmt.Fprintf(v.out, "\nbatch    %s is %s%s\n", s.Batch, s.State, s.short())
	for _, w := range s.Windows {
		in := func(number string) string { return inUnit(v.b.DisplayOf(w.ID), number, w.Unit) }
		bare := func(number string) string { number, _, _ = strings.Cut(in(number), " "); return number }
		fmt.Fprintf(v.out, "total %s  %s, target %s, delta %s, tolerance %s: %s\n", w.ID, in(w.Total), bare(w.Target), bare(w.Delta), bare(w.Tolerance), w.Verdict)
		fmt.Fprintln(v.out, w.reconciliation(in))
	}
	if res.DryRun {
		fmt.Fprintln(v.out, "outputs  NONE was driven: this was a dry run")
	} else if len(unsafe) == 0 {
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
