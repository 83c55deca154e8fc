// Records in words: a sentence for each kind that is known here, and the fields of any other.

package evidence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// cutWords cuts words that are longer than most bytes.
func cutWords(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}

// words says what a record says.
func (t *telling) words(rec *record.Record) string {
	if isInput(rec) {
		return t.input(rec)
	}
	if words := t.decision(rec); words != "" {
		return words
	}
	return carried(rec)
}

// input says who or what an input was.
func (t *telling) input(rec *record.Record) string {
	by := rec.Text(record.OperatorID)
	if role := rec.Text(record.OperatorRole); role != "" {
		by += " (" + role + ")"
	}
	switch rec.Kind {
	case record.KindInputBlock:
		return t.block(rec)
	case record.KindBatchCreated:
		return fmt.Sprintf("batch %s of recipe %s %s was created for %s, by %s", rec.Text(record.BatchID), rec.Text(record.RecipeID),
			rec.Text(record.RecipeVersion), rec.Text(record.BatchSize), by)
	case record.KindObjectBound:
		return "the batch is bound to " + rec.Text(record.ObjectKind) + " " + rec.Text(record.ObjectID) + " " + rec.Text(record.ObjectVersion) +
			also(rec, ", approval ", record.ApprovalID) + also(rec, " by ", record.ApprovedBy)
	case record.KindTimeObserved:
		return "a look at the wall clock: " + rec.Text(record.SyncState) + also(rec, ", ", record.TsUTC) + also(rec, ", leap second: ", record.LeapSecond)
	case record.KindTickLate:
		return "a deadline was taken" + ago(rec, " ", record.LateMS, " late") + ago(rec, ", more than ", record.Limit, "")
	case record.KindBoot:
		return "the controller came up and read back what is there"
	case record.KindRecovery:
		return "the controller came up again and read back what is there" + also(rec, ": ", record.RecoveryPath) +
			also(rec, "; seconds of which inputs may be missing: ", record.LossIntervalS)
	case record.KindCommand:
		return by + ordered(rec) + ", reason: " + rec.Text(record.ChangeReason) + also(rec, "; said to be ", record.ClaimedActor) + also(rec, "; refused as it came: ", record.Refusal)
	case record.KindPromptAnswer:
		return by + " answered prompt " + rec.Text(record.PromptID) + ": " + rec.Text(record.Value)
	case record.KindWriteDone:
		words := "the device confirmed write " + rec.Text(record.WriteID)
		if outcome := outcomeWords[rec.Text(record.Outcome)]; outcome != "" {
			words = "write " + rec.Text(record.WriteID) + " " + outcome
		} else if rec.Text(record.Result) != "confirmed" {
			words = "the device did not confirm write " + rec.Text(record.WriteID)
		}
		if t.moment.wrote != "" && t.broken == "" {
			words += ": " + t.moment.wrote
		}
		return words + also(rec, "; ", record.Detail)
	case record.KindResourceGranted:
		return "the arbiter granted request " + rec.Text(record.RequestID)
	case record.KindResourceRefused:
		return "the arbiter refused request " + rec.Text(record.RequestID) + ": " + rec.Text(record.Detail)
	case record.KindResourceQueue:
		return "request " + rec.Text(record.RequestID) + " is at place " + rec.Text(record.QueuePlace) + " of the arbiter's queue" +
			also(rec, "; it is with ", record.ResourceOwner) + also(rec, " since ", record.OwnerSince)
	case record.KindHistorianTotal:
		if !rec.Has(record.Value) {
			return rec.Text(record.HistorianSource) + " gave no total of window " + rec.Text(record.MeterWindowID) + also(rec, ": ", record.Detail)
		}
		return rec.Text(record.HistorianSource) + " gave the total of window " + rec.Text(record.MeterWindowID) + ": " +
			rec.Text(record.Value) + also(rec, " ", record.Unit) + also(rec, ", calibration ", record.HistorianCalibVersion)
	case record.KindPowerWarning:
		if rec.Text(record.Result) == "restored" {
			return "the supply is back"
		}
		return "a warning said that the supply fails" + ago(rec, "; the board runs on for ", record.HoldupMS, "")
	case record.KindActionResult:
		return "request " + rec.Text(record.RequestID) + " of an OEM action ended " + rec.Text(record.Result) + listed(rec, ": ", record.Values) +
			also(rec, "; ", record.Detail)
	}
	return carried(rec)
}

// ordered says what was ordered, and of what.
func ordered(rec *record.Record) string {
	return " ordered " + rec.Text(record.Command) + also(rec, " ", record.StepID) + also(rec, " to ", record.TargetStepID) +
		also(rec, " ", record.Parameter) + also(rec, " ", record.AlarmID) + also(rec, " ", record.InterlockID) +
		also(rec, " ", record.OverrideID) + also(rec, " ", record.LogicalTag) +
		also(rec, " ", record.MeterWindowID) + also(rec, " = ", record.Value)
}

// block says what the last event of an input block was: what was decided next was decided from it.
func (t *telling) block(rec *record.Record) string {
	words, m := rec.Text(record.BlockEvents)+" samples and ticks", &t.moment
	if t.broken != "" || m.seen != m.events || !m.asked {
		return words
	}
	switch m.last.Kind {
	case batch.Sample:
		n := t.replay.Machine.Shows(m.at, m.last.Tag)
		return words + ", the last one a sample: " + n.String()
	case batch.Tick:
		if len(m.due) > 0 {
			return words + ", the last one a deadline: " + strings.Join(m.due, "; ")
		}
		return words + ", the last one a deadline"
	}
	return words
}

// decision says what a decision of a kind that is known here says; "" of another.
func (t *telling) decision(rec *record.Record) string {
	step := rec.Text(record.StepID)
	switch rec.Kind {
	case record.KindBatchState:
		return "the batch is " + rec.Text(record.BatchState) + ", it was " + rec.Text(record.OldValue)
	case record.KindStepState:
		return step + ": " + rec.Text(record.StepState) + also(rec, ", round ", record.Round) + " (" + rec.Text(record.PhaseState) +
			also(rec, ", was ", record.OldValue) + ")" + also(rec, ": ", record.Detail)
	case record.KindActionState:
		return action(rec)
	case record.KindOutputWrite:
		return t.written(rec)
	case record.KindWindowStart, record.KindWindowStop, record.KindWindowEvent:
		return t.windowHad(rec)
	case record.KindReconcile:
		return t.reconciled(rec)
	case record.KindInFlight:
		return taught(rec)
	case record.KindPrompt:
		return step + " asks an operator, prompt " + rec.Text(record.PromptID) + ": " + rec.Text(record.Message)
	case record.KindActionRequest:
		return step + " asks for the OEM action " + rec.Text(record.ActionType) + ", request " + rec.Text(record.RequestID) +
			listed(rec, ": ", record.Params)
	case record.KindResourceRequest:
		return step + " asks the arbiter for " + few(rec.Texts(record.ResourceID)) + ", request " + rec.Text(record.RequestID)
	case record.KindResourceRelease:
		return "request " + rec.Text(record.RequestID) + " was " + rec.Text(record.Result) + listed(rec, ": ", record.ResourceID) +
			also(rec, "; ", record.Detail)
	case record.KindTimeout:
		return step + " ran out of time" + ago(rec, " after ", record.TimeoutMS, "") + ": it waited for " + rec.Text(record.TimeoutReason) + "; " +
			rec.Text(record.Result) + " follows"
	case record.KindInterlock:
		return gate(rec)
	case record.KindOverride:
		return overrode(rec)
	case record.KindSafeState:
		return ofFault(rec)
	case record.KindAlarm:
		return "alarm " + rec.Text(record.AlarmID) + " was " + rec.Text(record.AlarmState) + " and is " + rec.Text(record.NewValue) + ": " +
			rec.Text(record.Message) + also(rec, ", in ", record.StepID)
	case record.KindModeChange:
		return step + " is in " + spoken(rec.Text(record.Mode)) + "; it was in " + spoken(rec.Text(record.OldValue))
	case record.KindParameterChange:
		return "parameter " + rec.Text(record.Parameter) + " is " + rec.Text(record.NewValue) + " " + rec.Text(record.Unit) + ", it was " +
			rec.Text(record.OldValue) + "; by " + rec.Text(record.Actor) + " (" + rec.Text(record.OperatorRole) + "), reason: " +
			rec.Text(record.ChangeReason)
	case record.KindDiagnostics:
		return "found when " + rec.Text(record.Command) + also(rec, " of ", record.StepID) + " came (" + rec.Text(record.Detail) + ")" +
			listed(rec, ": ", record.ActiveSteps)
	case record.KindTripRequest:
		return "trip by " + rec.Text(record.LogicalTag) + " = " + rec.Text(record.Value) + ": " + rec.Text(record.Result) +
			also(rec, ": ", record.Detail)
	case record.KindCommandResult:
		return rec.Text(record.Command) + " was " + rec.Text(record.Result) + also(rec, ": ", record.Detail)
	case record.KindQualityChange:
		return rec.Text(record.LogicalTag) + " is " + rec.Text(record.Quality) + ", it was " + rec.Text(record.OldValue) +
			ago(rec, "; its value was ", record.AgeMS, " old")
	case record.KindInputEdge:
		return edge(rec)
	case record.KindOutputFault:
		return rec.Text(record.LogicalTag) + " is not known to be what was commanded by write " + rec.Text(record.WriteID) + also(rec, ": ", record.Detail)
	case record.KindMarker:
		return step + " marks: " + rec.Text(record.Message)
	case record.KindClockStep, record.KindTimeSourceChange:
		return ofTheClock(rec)
	case record.KindBatchEnd:
		return "the run is over, " + rec.Text(record.BatchState) + ", " + rec.Text(record.Result) + listed(rec, ": ", record.Values)
	}
	return ""
}

// edge says which edge an input has seen.
func edge(rec *record.Record) string {
	return rec.Text(record.LogicalTag) + ": its " + rec.Text(record.EdgeLevel) + " edge, behind a debounce of " +
		strconv.FormatInt(rec.Int(record.DebounceMS), 10) + " ms; it is on for " + strconv.FormatInt(rec.Int(record.PulseMS), 10) + " ms"
}

// ofFault says what became of an output in a fault.
func ofFault(rec *record.Record) string {
	words := rec.Text(record.LogicalTag) + " is in the safe state of " + spoken(rec.Text(record.FaultClass)) + ", " + rec.Text(record.RecoverPolicy) +
		" " + rec.Text(record.SafeState) + also(rec, " ", record.Unit)
	switch rec.Text(record.Result) {
	case "returned":
		return rec.Text(record.LogicalTag) + " is out of its safe state: " + rec.Text(record.SafeStateReason)
	case "waits_for_reset":
		return words + ": the fault is over, and a person has to reset it"
	case "waits_for_restart":
		return words + ": the fault is over, and a restart brings it back"
	}
	return words + ": " + rec.Text(record.SafeStateReason)
}

// ofTheClock says what became of the wall clock.
func ofTheClock(rec *record.Record) string {
	if rec.Kind == record.KindClockStep {
		return "the wall clock stepped by " + rec.Text(record.MovedMS) + " ms" + also(rec, ", ", record.StepReason) +
			ago(rec, "; that is more than the ", record.OrderToleranceMS, " across which UTC may order events")
	}
	return "the wall clock is " + rec.Text(record.NewValue) + ", it was " + rec.Text(record.OldValue) + ": " +
		spoken(rec.Text(record.SourceChange)) + also(rec, ": ", record.SourceDetail) +
		also(rec, "; its reference was heard last at ", record.LastSyncTs)
}

// spoken makes words of a name that records use.
func spoken(name string) string { return strings.ReplaceAll(name, "_", " ") }

// gate says what became of an interlock, and of what: where the value that decides is not GOOD, that comes first, and not the condition.
func gate(rec *record.Record) string {
	var saw, good []string // what is not GOOD comes first
	for _, text := range rec.Texts(record.Values) {
		if strings.Contains(text, " "+tag.Good.String()+" ") {
			good = append(good, shows(text))
		} else {
			saw = append(saw, shows(text))
		}
	}
	saw = append(saw, good...)
	words := spoken(rec.Text(record.InterlockKind)) + " " + rec.Text(record.InterlockID) + " is " + spoken(rec.Text(record.Result)) + " and " +
		rec.Text(record.InterlockGateState)
	result := rec.Text(record.Result)
	switch bad := rec.Has(record.Quality) && rec.Text(record.Quality) != tag.Good.String(); {
	case bad && result == "tripped":
		words += ": " + few(saw) + "; a value that is not GOOD trips" + also(rec, "; it trips on ", record.Detail)
	case bad && result == "not_permitted":
		words += ": " + few(saw) + "; a value that is not GOOD permits nothing" + also(rec, "; it permits on ", record.Detail)
	default:
		if words += also(rec, ": ", record.Detail); len(saw) > 0 {
			words += "; it saw that " + few(saw)
		}
	}
	filter := rec.Text(record.FilterParam)
	if filter == "" || filter == "0 ms" {
		return words
	}
	return words + "; debounced for " + strings.Replace(filter, "; ", ", voted by ", 1)
}

// shows puts in words what an interlock saw of a tag, which records have as "LT301=100.0 L BAD age 400 ms".
func shows(text string) string {
	name, rest, ok := strings.Cut(text, "=")
	value, age, aged := strings.Cut(rest, " age ")
	at := strings.LastIndexByte(value, ' ')
	ms, err := strconv.ParseInt(strings.TrimSuffix(age, " ms"), 10, 64)
	if !ok || !aged || at < 0 || err != nil || ms < 0 {
		return text
	}
	quality, old := value[at+1:], fmt.Sprintf("%d.%d s old", ms/1000, ms/100%10)
	if quality == tag.Good.String() {
		return name + " is " + value[:at] + ", GOOD, " + old
	}
	return name + " is " + quality + " (" + value[:at] + ", " + old + ")"
}

// action says how an action began or ended.
func action(rec *record.Record) string {
	if rec.Text(record.ActionState) == "end" {
		return rec.Text(record.ActionID) + also(rec, ", ", record.Command) + ", ended" + ago(rec, " after ", record.ElapsedMS, "")
	}
	words := rec.Text(record.ActionID) + " waits" + also(rec, ": ", record.WaitReason)
	if rec.Has(record.OwnerStepID) {
		if words += listed(rec, "; held by ", record.OwnerStepID); rec.Int(record.EventQueueDepth) > 0 {
			words += also(rec, ", in the queue before it: ", record.EventQueueDepth)
		}
	}
	return words
}

// reconciled says what totals came to.
func (t *telling) reconciled(rec *record.Record) string {
	total := func(before string, k record.Key) string {
		if !rec.Has(k) {
			return ""
		}
		return before + t.q.b.Shown(rec, k)
	}
	return "window " + rec.Text(record.MeterWindowID) + " reconciled: " + rec.Text(record.ReconcileStatus) + total(", batch ", record.BatchTotal) +
		total(", meter ", record.MeterTotal) + total(", historian ", record.HistorianTotal) + also(rec, "; ", record.Hint) +
		listed(rec, "; absent: ", record.Absent) + also(rec, "; in the place of record ", record.Amends) + also(rec, "; ", record.Detail)
}

// written says which value an output is to take, and for whom or why.
func (t *telling) written(rec *record.Record) string {
	words := rec.Text(record.LogicalTag) + " is to be " + t.q.b.Shown(rec, record.Value) + ", it was " + t.q.b.Shown(rec, record.OldValue) + "; write " + rec.Text(record.WriteID)
	switch {
	case rec.Has(record.ActionID):
		words += " by " + rec.Text(record.ActionID)
	case rec.Has(record.SafeStateReason):
		words += ", its safe value: " + rec.Text(record.SafeStateReason)
	default:
		words += also(rec, ": ", record.Detail)
	}
	return words
}

// windowHad says what has become of a window, or has happened to it.
func (t *telling) windowHad(rec *record.Record) string {
	switch rec.Kind {
	case record.KindWindowStart:
		return "window " + rec.Text(record.MeterWindowID) + " opened on " + rec.Text(record.LogicalTag) + ", target " +
			t.q.b.Shown(rec, record.Target)
	case record.KindWindowStop:
		return "window " + rec.Text(record.MeterWindowID) + " closed (" + rec.Text(record.WindowStopEvent) + ") at " +
			t.q.b.Shown(rec, record.TotalizedValue) + " of " + t.q.b.Shown(rec, record.Target) + ": " + rec.Text(record.Result)
	}
	return "window " + rec.Text(record.MeterWindowID) + ": " + windowWords[rec.Text(record.WindowEvent)] + " (" + rec.Text(record.LogicalTag) +
		also(rec, ", from ", record.OldValue) + also(rec, " to ", record.NewValue) + ago(rec, ", after ", record.ElapsedMS, "") + "), at " +
		t.q.b.Shown(rec, record.TotalizedValue) + also(rec, "; the same happened meanwhile ", record.Coalesced)
}

// windowWords say what has happened to an open window.
var windowWords = map[string]string{"gap": "its source is not GOOD", "gap_end": "its source is GOOD again", "rollover": "its counter has rolled over",
	"reset": "its counter was reset", "replaced": "its counter is another one, or has jumped", "channels_differ": "its two counters have drifted apart",
	"out_of_range": "a reading lies outside the calibration", "stable": "the scale is stable", "unstable": "the scale is not stable",
	"time_step": "the wall clock was stepped", "held": "its step is held", "resumed": "its step goes on", "threshold": "the total waited for is there"}

// also gives the text of a key behind some words, "" where the record has not got it.
func also(rec *record.Record, words string, k record.Key) string {
	if !rec.Has(k) {
		return ""
	}
	return words + rec.Text(k)
}

// ago gives a time in ms as seconds between some words, "" where the record has not got it.
func ago(rec *record.Record, words string, k record.Key, behind string) string {
	if !rec.Has(k) {
		return ""
	}
	whole, _, _ := strings.Cut(rec.Text(k), ".")
	ms, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || ms < 0 {
		return words + rec.Text(k) + " ms" + behind
	}
	return fmt.Sprintf("%s%d.%03d s%s", words, ms/1000, ms%1000, behind)
}

// listed gives the texts of a key behind some words, "" where there is none.
func listed(rec *record.Record, words string, k record.Key) string {
	if len(rec.Texts(k)) == 0 {
		return ""
	}
	return words + few(rec.Texts(k))
}

// carried tells a record by what it carries besides what every record does.
func carried(rec *record.Record) string {
	spec := rec.Kind.Spec()
	keys := slices.Concat([]record.Key{record.StepID, record.ActionID, record.MeterWindowID}, spec.Must, spec.May, []record.Key{record.Result})
	var words []string
	for i, k := range keys {
		text := rec.Text(k)
		if list := rec.Texts(k); len(list) > 0 {
			text = few(list)
		}
		if k != record.Cause && text != "" && !slices.Contains(keys[:i], k) {
			words = append(words, k.String()+" "+cutWords(text, 120))
		}
	}
	return strings.TrimSuffix(spec.Name+": "+strings.Join(words, ", "), ": ")
}

// taught says what was learnt from a window.
func taught(rec *record.Record) string {
	return "window " + rec.Text(record.MeterWindowID) + ", what runs in: " + rec.Text(record.Result) + ", " + rec.Text(record.OldValue) + " -> " +
		rec.Text(record.NewValue) + " " + rec.Text(record.Unit) + ", version " + rec.Text(record.FromVersion) + " -> " + rec.Text(record.ToVersion) +
		", by an error of " + rec.Text(record.Delta) + also(rec, ": ", record.Detail)
}
