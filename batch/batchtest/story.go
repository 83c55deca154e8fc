// What was decided, in words that a process engineer can read.

package batchtest

import (
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
)

// story is the whole passage.
func (p *passage) story() string {
	lines := p.told(p.recs, 0)
	switch p.ended {
	case "rests":
		lines = append(lines, fmt.Sprintf("the batch rests, %s, and nothing more is to happen", p.state()))
	case "limit":
		lines = append(lines, fmt.Sprintf("the time is up; the batch is %s", p.state()))
	}
	return strings.Join(lines, "\n") + "\n"
}

// told tells of records: of the first most, of the last where most is negative, of all where it is 0. What says nothing to an operator
// is left out: packed inputs, what devices confirm, and measures.
func (p *passage) told(recs []*record.Record, most int) (lines []string) {
	for _, rec := range recs {
		if text := words(rec); text != "" {
			lines = append(lines, fmt.Sprintf("%10s  %s", clock(p.at(rec)), text))
		}
	}
	switch {
	case most > 0 && len(lines) > most:
		lines = append(lines[:most], "...")
	case most < 0 && len(lines) > -most:
		lines = lines[len(lines)+most:]
	}
	return lines
}

// clock shows a time since the beginning, to the tenth of a second.
func clock(ns int64) string {
	tenths := (ns + second/20) / (second / 10)
	if tenths < 600 {
		return fmt.Sprintf("%d.%d s", tenths/10, tenths%10)
	}
	return fmt.Sprintf("%d:%02d.%d", tenths/600, tenths/10%60, tenths%10)
}

// words tells of one record; "" where it says nothing to an operator.
func words(rec *record.Record) string {
	t := rec.Text
	switch rec.Kind {
	case record.KindInputBlock, record.KindObjectBound, record.KindTimeObserved, record.KindWriteDone, record.KindMeasures,
		record.KindTraceDump, record.KindCheckpointTaken, record.KindStorageHealth, record.KindActionDeclared,
		record.KindPowerBudget, record.KindWatchdog:
		if rec.Kind == record.KindWriteDone && t(record.Result) != "confirmed" {
			return fmt.Sprintf("%s does not answer: %s", t(record.LogicalTag), t(record.Detail))
		}
		return ""
	case record.KindBatchCreated:
		text := fmt.Sprintf("batch of %s %s, %s", t(record.RecipeID), t(record.RecipeVersion), t(record.BatchSize))
		for _, known := range rec.Texts(record.InFlight) {
			text += "; " + known
		}
		return text
	case record.KindBoot:
		return "controller comes up"
	case record.KindRecovery:
		return "controller comes up again" + brackets(strings.TrimSuffix("cause: "+t(record.ResetCause), "cause: ")) + ": " + t(record.RecoveryPath)
	case record.KindBatchState:
		return "batch is " + t(record.BatchState)
	case record.KindStepState:
		return stepWords(rec)
	case record.KindActionState:
		return actionWords(rec)
	case record.KindOutputWrite:
		return fmt.Sprintf("%s: %s%s", t(record.LogicalTag), withUnit(rec, record.Value), brackets(t(record.SafeStateReason)+t(record.Detail)))
	case record.KindCommand:
		what := spaced(t(record.StepID)) + spaced(t(record.TargetStepID)) + spaced(t(record.Parameter)) + spaced(t(record.AlarmID)) + spaced(t(record.InterlockID)) +
			spaced(t(record.LogicalTag))
		return fmt.Sprintf("%s tells: %s %s\"%s\"", t(record.OperatorID), t(record.Command), what, t(record.ChangeReason))
	case record.KindCommandResult:
		return fmt.Sprintf("%s is %s%s", t(record.Command), t(record.Result), brackets(t(record.Detail)))
	case record.KindPrompt:
		return fmt.Sprintf("%s asks: %s", t(record.StepID), t(record.Message))
	case record.KindPromptAnswer:
		return fmt.Sprintf("%s answers: %s", t(record.OperatorID), t(record.Value))
	}
	return eventWords(rec)
}

// eventWords tells of what is met seldom.
func eventWords(rec *record.Record) string {
	t := rec.Text
	spoken := func(k record.Key) string { return strings.ReplaceAll(t(k), "_", " ") }
	switch rec.Kind {
	case record.KindWindowStart:
		return fmt.Sprintf("window %s opens, target %s %s", t(record.MeterWindowID), t(record.Target), t(record.Unit))
	case record.KindWindowStop:
		why := ""
		if quality := t(record.TimeQuality); quality != "" && quality != "within" {
			why = fmt.Sprintf(", by the tolerance of %s %s, since time is %s", t(record.Tolerance), t(record.Unit), quality)
		}
		return fmt.Sprintf("window %s closes: %s %s, %s%s", t(record.MeterWindowID), t(record.TotalizedValue), t(record.Unit), t(record.Result), why)
	case record.KindInFlight:
		v := values(rec)
		return fmt.Sprintf("window %s, what runs in: %s, short by %s and was %s %s, version %s; error %s%s", t(record.MeterWindowID), spoken(record.Result),
			v[record.NewValue.String()], v[record.OldValue.String()], t(record.Unit), t(record.ToVersion), t(record.Delta), brackets(t(record.Detail)))
	case record.KindWindowEvent:
		return fmt.Sprintf("window %s: %s at %s %s%s", t(record.MeterWindowID), spoken(record.WindowEvent), t(record.TotalizedValue), t(record.Unit),
			brackets(strings.TrimPrefix(t(record.OldValue)+" to "+t(record.NewValue), " to ")))
	case record.KindReconcile:
		return fmt.Sprintf("window %s against its meter: %s%s", t(record.MeterWindowID), t(record.ReconcileStatus), brackets(t(record.Hint)))
	case record.KindTimeout:
		return fmt.Sprintf("%s runs out of time after %s (%s): %s", t(record.StepID), clock(rec.Int(record.TimeoutMS)*1_000_000),
			t(record.TimeoutReason), t(record.Result))
	case record.KindQualityChange:
		return fmt.Sprintf("%s is %s", t(record.LogicalTag), t(record.Quality))
	case record.KindOutputFault:
		return fmt.Sprintf("%s is not known to be what it should be%s", t(record.LogicalTag), brackets(t(record.Detail)))
	case record.KindSafeState:
		if t(record.Result) == "returned" {
			return fmt.Sprintf("%s is out of its safe state%s", t(record.LogicalTag), brackets(t(record.SafeStateReason)))
		}
		return fmt.Sprintf("%s is in its safe state, %s %s, recovers by %s: %s%s", t(record.LogicalTag), t(record.RecoverPolicy),
			withUnit(rec, record.SafeState), t(record.RecoverBy), spoken(record.Result), brackets(t(record.SafeStateReason)))
	case record.KindPowerWarning:
		return "a warning: the supply is " + t(record.Result)
	case record.KindPowerFail:
		return fmt.Sprintf("after the warning: outputs safe in %s ms, records durable in %s ms", t(record.OutputsMS), t(record.FlushMS))
	case record.KindMarker:
		return fmt.Sprintf("%s notes: %s", t(record.StepID), t(record.Message))
	case record.KindResourceRequest:
		return fmt.Sprintf("%s asks for %s, which batches share", t(record.StepID), values(rec)[record.ResourceID.String()])
	case record.KindResourceQueue:
		return fmt.Sprintf("place %d in the queue; %s has it", rec.Int(record.QueuePlace), or(t(record.ResourceOwner), "somebody"))
	case record.KindResourceGranted:
		return "it is granted"
	case record.KindResourceRelease:
		return strings.TrimSpace(fmt.Sprintf("%s gives back %s", t(record.StepID), values(rec)[record.ResourceID.String()])) + brackets(t(record.Detail))
	case record.KindParameterChange:
		v := values(rec)
		return fmt.Sprintf("%s is %s and was %s%s", t(record.Parameter), strings.TrimSpace(v[record.NewValue.String()]+" "+t(record.Unit)),
			v[record.OldValue.String()], brackets(t(record.ChangeReason)))
	case record.KindInterlock:
		return fmt.Sprintf("%s %s is %s and %s (%s): %s", spoken(record.InterlockKind), t(record.InterlockID),
			spoken(record.Result), t(record.InterlockGateState), t(record.Detail), strings.Join(rec.Texts(record.Values), ", "))
	case record.KindAlarm:
		return fmt.Sprintf("alarm %s is %s, %s: %s%s", t(record.AlarmID), t(record.AlarmState), spoken(record.NewValue),
			t(record.Message), brackets(t(record.StepID)))
	case record.KindClockStep:
		return fmt.Sprintf("the wall clock steps by %s ms%s", t(record.MovedMS), brackets(spoken(record.StepReason)))
	case record.KindTimeSourceChange:
		return fmt.Sprintf("the wall clock is %s and was %s (%s)", t(record.NewValue), t(record.OldValue), spoken(record.SourceChange))
	case record.KindModeChange:
		return fmt.Sprintf("%s is in %s and was in %s", t(record.StepID), spoken(record.Mode), spoken(record.OldValue))
	case record.KindDiagnostics:
		return fmt.Sprintf("as the %s came: %s", spoken(record.Command), strings.Join(rec.Texts(record.ActiveSteps), "; "))
	case record.KindTripRequest:
		return fmt.Sprintf("trip requested with %s, %s%s", t(record.LogicalTag), spoken(record.Result), brackets(t(record.Detail)))
	case record.KindBatchEnd:
		return fmt.Sprintf("the end: %s, %s%s", t(record.BatchState), spoken(record.Result), brackets(t(record.Detail)))
	}
	return values(rec).line(rec)
}

func stepWords(rec *record.Record) string {
	id, to, why := rec.Text(record.StepID), rec.Text(record.PhaseState), brackets(rec.Text(record.Detail))
	switch edge := rec.Text(record.StepState); {
	case edge == "start" && to == "Running":
		return id + " begins" + why
	case edge == "round":
		return fmt.Sprintf("%s goes round again, round %d%s", id, rec.Int(record.Round), why)
	case edge == "retry":
		return id + " begins anew" + why
	case to == rec.Text(record.OldValue):
		return fmt.Sprintf("%s: %s, still %s%s", id, edge, to, why)
	}
	return fmt.Sprintf("%s is %s%s", id, to, why)
}

// actionWords tells what a step waits for.
func actionWords(rec *record.Record) string {
	why := rec.Text(record.WaitReason)
	if kind := rec.Text(record.Command); rec.Text(record.ActionState) == "end" && (kind == "jog" || kind == "time") {
		return fmt.Sprintf("%s: %s", rec.Text(record.StepID), rec.Text(record.Detail))
	}
	if rec.Text(record.ActionState) != "start" || why == "" {
		return ""
	}
	if held := rec.Texts(record.OwnerStepID); len(held) > 0 {
		why += fmt.Sprintf("; %s has it, %d in the queue", strings.Join(held, ", "), rec.Int(record.EventQueueDepth))
	}
	return fmt.Sprintf("%s waits: %s", rec.Text(record.StepID), why)
}

func withUnit(rec *record.Record, k record.Key) string {
	text := values(rec)[k.String()]
	if u := rec.Text(record.Unit); u != "" {
		text += " " + u
	}
	return text
}

func brackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func spaced(text string) string {
	if text == "" {
		return ""
	}
	return text + " "
}
