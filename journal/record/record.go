// Package record holds the evidence record: the table of kinds, the keys, and the canonical writer and reader.
//
// Start with [Body], which builds one record, and [Parse], which reads one. A record is one JSON object in a restricted
// canonical form, CJ1: keys sorted by byte, no white space, no floats, fractions and 64-bit counters as decimal strings, times
// as RFC 3339 UTC with nine digits. Hashes are taken over the stored bytes, never over something serialised again.
//
// The rule that must not be broken: a kind is declared once, in the table of [Spec]; a record that lacks a key that its kind
// demands, or carries one that its kind does not know, is refused. So is a value that has not the form of its key, which is
// declared once, too, beside the key's name.
//
// The package writes and reads bytes. It stores nothing and assigns no number.
package record

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// ErrRecord is wrapped by every refusal of this package.
var ErrRecord = errors.New("record: refused")

// Class is the audit class of a kind (seed H2-8).
type Class uint8

// The audit classes.
const (
	Process       Class = iota // what the process did and was told
	Configuration              // what was changed in what governs the process
	Security                   // who may do what
	System                     // the state of the controller itself
)

// String gives the class as documents spell it.
func (c Class) String() string {
	return [...]string{"process", "configuration", "security", "system"}[min(c, System)]
}

// Grade says what a replay does with a kind.
type Grade uint8

// The grades.
const (
	Input    Grade = iota // copied on replay
	Decision              // recomputed on replay and compared, byte for byte
	Note                  // neither; a measure or a remark of the shell
)

// String gives the grade as documents spell it.
func (g Grade) String() string { return [...]string{"input", "decision", "note"}[min(g, Note)] }

// Kind is the kind of a record.
type Kind uint8

// The kinds. Their text names are the values of event_type.
const (
	KindNone             Kind = iota
	KindBatchCreated          // first record of a batch: what it is bound to
	KindObjectBound           // one governed object that the batch is bound to
	KindActionDeclared        // one OEM action type that the recipe may ask for
	KindBoot                  // a start of the controller, outputs read back
	KindRecovery              // a start on a journal that was cut short: a boot, and how the journal was recovered
	KindTimeObserved          // a look at the wall clock
	KindInputBlock            // packed samples and ticks
	KindTickLate              // a tick was taken later than the limit allows
	KindCommand               // an operator's command
	KindPromptAnswer          // an operator's answer
	KindWriteDone             // what became of a write
	KindActionProgress        // progress of an OEM action
	KindActionResult          // result of an OEM action
	KindResourceGranted       // an arbiter gives what was asked for
	KindResourceRefused       // an arbiter does not
	KindResourceQueue         // where a request stands in an arbiter's queue
	KindHistorianTotal        // the historian's total of a window, or why there is none
	KindBatchState            // state of the batch changed
	KindStepState             // state of an element of the recipe changed
	KindActionState           // an action began or ended
	KindOutputWrite           // an output is to take a value
	KindWindowStart           // a metering window opened
	KindWindowStop            // a metering window closed
	KindWindowEvent           // something has happened to an open metering window
	KindReconcile             // totals compared
	KindInFlight              // what runs in after a valve closes was learnt from a window, or not
	KindPrompt                // an operator is asked
	KindActionRequest         // an OEM action is asked for
	KindResourceRequest       // an arbiter is asked for equipment that batches share
	KindResourceRelease       // equipment is given back to its arbiter, or is no longer asked for
	KindTimeout               // a time-out ran out
	KindModeChange            // mode of a block changed
	KindCommandResult         // what became of a command
	KindParameterChange       // a parameter of the formula has another value from now on
	KindQualityChange         // quality of a tag changed
	KindOutputFault           // an output is not known to be what it should be
	KindMarker                // a mark that the recipe sets
	KindClockStep             // the wall clock stepped
	KindTimeSourceChange      // the wall clock has another state of synchronisation, or another source
	KindInterlock             // an interlock came to block, to permit, tripped, or was reset
	KindAlarm                 // an alarm was raised, cleared or acknowledged
	KindBatchEnd              // the run is over: last decision of a batch
	KindEngineFault           // an invariant of the engine broke
	KindLibraryChange         // a governed object changed its state
	KindObjectActivated       // a version of a governed object is in use from now on
	KindInFlightKept          // what a batch has learnt of what runs in is handed to the next ones
	KindStorageHealth         // how the medium stands, and what was written to it
	KindCheckpointTaken       // the state after a record lies in a slot, as a shortcut for the next start
	KindMediumReplaced        // a medium was replaced by another
	KindKeyEvent              // what has become of a key that signs heads
	KindHeadSigned            // the head of this journal at some record before, signed
	KindHeadUnsigned          // a head that the signer could not sign
	KindHeadAnchored          // the head of another journal, kept in this one
	KindExport                // an evidence package was exported
	KindVerification          // an evidence package was verified
	KindMeasures              // how the shell kept up since the last of these
	KindExportState           // a sink of exported records came, went, or fell behind
	KindRecordsReleased       // the first records of this journal may go: sinks hold them, and a policy says so
	KindBatchReleased         // the package of a batch may go
	KindTraceDump             // what the shell did in detail before something went wrong
	KindDiagnostics           // what was found when an abort came
	KindReconcileAmended      // what a reconciliation comes to with a total that came after the end of its batch
	KindSafeState             // an output came into the safe state of a fault, or out of it
	KindPowerWarning          // the supply fails, or is back: an early warning
	KindPowerFail             // how long it took to make safe what a power warning was about
	KindPowerBudget           // whether what is to be done at a power warning fits the time that the board runs on
	KindWatchdog              // what has become of the watchdog
	KindTripRequest           // a trip of the safety chain is requested, and whether that is seen to have come true
	KindInputEdge             // the edge has come that a switch of the map waits for
	KindOverride              // what has become of a grant to override something, or of a tag in it
	KindLinkState             // the link to a device on a bus has another state, or is down for longer than was declared
	KindLinkFailover          // a device is reached by another way
	KindResync                // every control tag of a device was read once since its link came up
	KindBusWrite              // a write was blocked on its bus, its outcome is unknown, or was found by reading back
	KindPointQuality          // a value of a device came to be BAD, or GOOD again, while its link is up
	KindBusMeasures           // how long control took on a bus since the last of these
	KindTelemetryBacklog      // what of the samples for watching was buffered, sent, acknowledged and dropped
	KindBatchLife             // a batch stands elsewhere in the list of a manager, or what was asked of it was refused
	KindEquipmentChange       // the equipment model was changed
	KindEquipmentOwner        // an arbiter gave equipment, took it back, or its queue was changed by a person
	KindFence                 // equipment was fenced: who had it before is refused from now on
	KindWireRefused           // a write was refused where the wire is
	KindRunnerLost            // a runner is gone that had outputs: they went to what was declared for that
	KindAccessRefused         // somebody asked for what he may not, or said to be whom he is not
	KindBusState              // how the bus stands, or what it refused: a connection, the arbiter's log, a node's presence
	KindProductionInput       // job list or unit runs were told something
	KindJobListed             // a job came into the list
	KindJobState              // a job has another state, or has counted
	KindJobSlot               // a group of jobs has a slot, another one, or none any more
	KindJobNotice             // job list: refused, set aside, taken back, asked for, or for a person to see to
	KindProcessState          // a process of a job is ordered to do something, or has another state
	KindArticle               // a process has made an article
	KindUnitRun               // a unit run has another state
	KindUnitRunMaterial       // a material came, went, was linked to a unit run, or was moved back
	KindUnitRunData           // values that were captured for a unit run
	KindUnitRunNotice         // unit runs: refused, or sampled at a start
	kindCount
)

// Spec declares one kind.
type Spec struct {
	Name  string // value of event_type
	Class Class
	Grade Grade
	Must  []Key // keys without which the record is refused
	May   []Key // keys that it may carry besides
	Alone bool  // may stand outside a batch; with batch_id it carries all that a record of a batch does
	Field bool  // device_id is the device in the field that it is about, where there is one, and not the controller
	Gap   int64 // of notes: ns between two of them. What would be noted sooner is merged into the next, which says since when and how much
}

// stamps are the keys that every record carries; the wall half is absent while no clock was ever valid.
var stamps = []Key{EventSeq, EventType, JournalID, Epoch, TsMonoNS, SyncState, TimeSource, DeviceID}

// joins are the keys that every record may carry where they apply.
var joins = []Key{TsUTC, OffsetMS, TimeBoundMS, BatchID, RecipeID, RecipeVersion, OperatorID, EquipmentID, StepID, ActionID,
	MappingVersion, TagMapVersion, DeviceProfileID, CalibVersion, MeterWindowID, Result, Cause, Unapproved}

// marks are keys that any record may carry and that are no columns of a table: hardly any batch has them.
var marks = []Key{DryRun, ForcedFlag}

// observed are the keys of what an observer that follows references knows of the wall clock.
var observed = []Key{HoldoverAgeS, LastSyncTs, LeapSecond, MovedMS, PrimaryBackup, SourceChange, SourceDetail, StepReason, TimeStepCount}

// inBatch are the keys that every record of a batch carries.
var inBatch = []Key{BatchID, RecipeID, RecipeVersion, MappingVersion, OperatorID, EquipmentID}

var specs = [kindCount]Spec{
	KindBatchCreated: {Name: "batch_created", Must: []Key{Engine, SchemaVersion, BatchSize, CalibVersion},
		May: slices.Concat(observed, []Key{RestartOf, Seed, Values, BlockAgeMS, InFlight, EquipmentModelVersion})},
	KindObjectBound: {Name: "object_bound", Must: []Key{ObjectKind, ObjectID, ObjectVersion, Digest},
		May: []Key{ApprovalID, ApprovedBy, EffectiveFrom, Expiry, EquipmentBound, SafeStateTable}},
	KindActionDeclared: {Name: "action_declared", Must: []Key{ActionType, ActionVersion, Params, Values}},
	KindBoot: {Name: "boot", Class: System, Alone: true, Must: []Key{Engine},
		May: slices.Concat(observed, []Key{Readback, Anchor, RealTime, BootID, ResetCause})},
	KindRecovery: {Name: "recovery_event", Class: System, Alone: true, Must: []Key{RecoveryPath},
		May: slices.Concat(observed, []Key{Engine, Readback, Anchor, RealTime, CheckpointID, CheckpointLastSeq, PhaseState, TruncateTail,
			LossIntervalS, Detail, Digest, BootID, ResetCause})},
	KindTimeObserved: {Name: "time_observed", Class: System, Alone: true, May: observed},
	KindInputBlock:   {Name: "input_block", Must: []Key{BlockData, BlockEvents, BlockForm, FirstMonoNS}, May: []Key{Coalesced}},
	KindTickLate:     {Name: "tick_late", Class: System, Must: []Key{LateMS, Limit}},
	KindCommand: {Name: "command", Must: []Key{Command, ChangeReason, OperatorRole},
		May: []Key{TargetStepID, Parameter, AlarmID, InterlockID, LogicalTag, OverrideID, Value, Refusal, ClaimedActor}},
	KindPromptAnswer:   {Name: "prompt_answer", Must: []Key{PromptID, Value}, May: []Key{OperatorRole}},
	KindWriteDone:      {Name: "write_done", Must: []Key{WriteID, Result, DoneMonoNS}, May: []Key{LogicalTag, Detail, Outcome}},
	KindActionProgress: {Name: "action_progress", Must: []Key{RequestID}, May: []Key{Message, Values}},
	KindActionResult:   {Name: "action_result", Must: []Key{RequestID, Result}, May: []Key{Values, Detail}},
	KindBatchState:     {Name: "batch_state", Grade: Decision, Must: []Key{BatchState, OldValue, Cause}, May: []Key{Detail}},
	KindStepState: {Name: "step_state", Grade: Decision, Must: []Key{StepID, StepState, PhaseState, Level, Cause},
		May: []Key{OldValue, Detail, ElapsedMS, RetryCount, TimeoutMS, Round}},
	KindActionState: {Name: "action_state", Grade: Decision, Must: []Key{StepID, ActionID, ActionState, Cause},
		May: []Key{Command, WaitReason, ElapsedMS, Detail, TimeoutMS, ResourceID, OwnerStepID, EventQueueDepth, QueuePlace, ResourceOwner,
			OwnerSince}},
	KindOutputWrite: {Name: "output_write", Grade: Decision,
		Must: []Key{LogicalTag, PhysicalChannel, Value, OldValue, RawState, Polarity, SafeDirection, WriteID, Cause},
		May:  []Key{Unit, SafeState, SafeStateReason, SafeValue, ProtocolBinding, Scaling, Detail}},
	KindWindowStart: {Name: "window_start", Grade: Decision,
		Must: []Key{MeterWindowID, CalibVersion, LogicalTag, WindowStartEvent, WindowStartTsMono, Unit, Target, Quality, Meter, Method,
			Coefficients, FilterType, SourceUnit, Cause},
		May: []Key{Tolerance, RawState, CautiousTolerance, TimeWithinMS, Value, ValidFrom, EffectiveFrom, Expiry, SamplePeriodMS, FilterParam, FilterDelayMS, Tare, Boundary}},
	KindWindowStop: {Name: "window_stop", Grade: Decision,
		Must: []Key{MeterWindowID, CalibVersion, LogicalTag, WindowStopEvent, WindowStartTsMono, WindowEndTsMono, TotalizedValue,
			Unit, Target, Delta, Samples, SamplesDigest, Quality, Method, SourceUnit, Gaps, Cause, Result},
		May: []Key{Tolerance, RawState, TimeQuality, TimeWithinMS, SamplePeriodMS, SamplesLate, SamplesMissing, GapMS, Cuts, TimeStepCount, HeldMS, Tare, SecondCount,
			MeterTotal, MeterQuality, Boundary, EdgeFlow, Coalesced}},
	KindWindowEvent: {Name: "window_event", Grade: Decision,
		Must: []Key{MeterWindowID, CalibVersion, LogicalTag, WindowEvent, TotalizedValue, Unit, Cause},
		May:  []Key{OldValue, NewValue, ElapsedMS, MovedMS, Coalesced}},
	KindReconcile: {Name: "reconcile", Grade: Decision,
		Must: []Key{MeterWindowID, BatchTotal, Compared, Unit, ReconcileStatus, Cause},
		May: []Key{MeterTotal, HistorianTotal, HistorianSource, HistorianCalibVersion, Delta, Tolerance, Hint, Pairs, Absent, Anomalies, Facts,
			Amends, Detail}},
	KindHistorianTotal: {Name: "historian_total", Must: []Key{MeterWindowID, HistorianSource},
		May: []Key{Value, Unit, HistorianCalibVersion, Detail}},
	KindReconcileAmended: {Name: "reconcile_amended", Class: System, Alone: true,
		Must: []Key{Actor, AmendedBatchID, AmendedJournalID, Amends, HeadSize, HeadLink, ExportRef, MeterWindowID, Value, HistorianTotal, Unit,
			HistorianSource, OldValue, NewValue, ReconcileStatus, BatchTotal, Tolerance, Compared, Pairs},
		May: []Key{OperatorRole, ChangeReason, HistorianCalibVersion, MeterTotal, Delta, Hint, Absent, Anomalies, Facts, Detail}},
	KindInFlight: {Name: "in_flight", Grade: Decision,
		Must: []Key{MeterWindowID, CalibVersion, Unit, Target, SettledTotal, Samples, Delta, OldValue, NewValue, MinValue, MaxValue, LearnShare,
			FromVersion, ToVersion, Result, Cause},
		May: []Key{Detail}},
	KindPrompt: {Name: "prompt", Grade: Decision, Must: []Key{StepID, PromptID, Message, Cause},
		May: []Key{TimeoutMS, Answer, Choices, MaxLength, MaxValue, MinValue, Parameter, Resolution, Unit}},
	KindActionRequest: {Name: "action_request", Grade: Decision, Must: []Key{RequestID, ActionType, ActionVersion, Cause},
		May: []Key{Params}},
	KindModeChange: {Name: "mode_change", Grade: Decision, Must: []Key{StepID, Mode, OldValue, Cause}},
	KindResourceRequest: {Name: "resource_request", Grade: Decision,
		Must: []Key{RequestID, ResourceID, StepID, Cause}},
	KindResourceRelease: {Name: "resource_released", Grade: Decision,
		Must: []Key{RequestID, Result, Cause}, May: []Key{ResourceID, Detail}},
	KindResourceGranted: {Name: "resource_granted",
		Must: []Key{RequestID}, May: []Key{Token}},
	KindResourceRefused: {Name: "resource_refused",
		Must: []Key{RequestID, Detail}, May: []Key{Result}},
	KindResourceQueue: {Name: "resource_queue",
		Must: []Key{RequestID, QueuePlace}, May: []Key{ResourceOwner, OwnerSince}},
	KindTimeout: {Name: "timeout", Grade: Decision, Must: []Key{StepID, TimeoutMS, TimeoutReason, RetryCount, Result, Cause}},
	KindCommandResult: {Name: "command_result", Grade: Decision, Must: []Key{Command, Result, Cause},
		May: []Key{Detail, BatchState, PromptID}},
	KindParameterChange: {Name: "parameter_change", Class: Configuration, Grade: Decision,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, Unit, ImpactScope, OperatorRole, Parameter, Cause}},
	KindQualityChange: {Name: "quality_change", Grade: Decision, Must: []Key{LogicalTag, Quality, OldValue, Cause},
		May: []Key{AgeMS, Detail, PhysicalChannel, ProtocolBinding, Scaling, FilterType, FilterParam}},
	KindInputEdge: {Name: "input_edge", Grade: Decision,
		Must: []Key{LogicalTag, PhysicalChannel, Polarity, EdgeLevel, RawState, DebouncedState, DebounceMS, PulseMS, Cause}, May: []Key{ProtocolBinding}},
	KindOutputFault: {Name: "output_fault", Grade: Decision, Must: []Key{LogicalTag, WriteID, Result, Cause},
		May: []Key{Detail, SafeState, SafeStateReason, PhysicalChannel, ProtocolBinding, Scaling}},
	KindMarker: {Name: "marker", Grade: Decision, Must: []Key{StepID, Message, Cause}},
	KindClockStep: {Name: "clock_step", Class: System, Grade: Decision, Alone: true,
		Must: []Key{MovedMS, TimeStepCount, Cause}, May: []Key{FromMonoNS, ToMonoNS, OrderToleranceMS, StepReason}},
	KindTimeSourceChange: {Name: "time_source_change", Class: System, Grade: Decision, Alone: true,
		Must: []Key{OldValue, NewValue, SourceChange, HoldoverState, TimeStepCount, Cause},
		May:  []Key{HoldoverAgeS, LastSyncTs, PrimaryBackup, SourceDetail}},
	KindInterlock: {Name: "interlock", Grade: Decision,
		Must: []Key{InterlockID, InterlockKind, InterlockGateState, DebounceMS, VoteWindowMS, RawState, DebouncedState, FilterType,
			FilterParam, Values, Result, Reaction, Cause},
		May: []Key{LogicalTag, Quality, AgeMS, Coalesced, Detail}},
	KindAlarm: {Name: "alarm", Grade: Decision, Must: []Key{AlarmID, AlarmState, Priority, Message, OldValue, NewValue, Cause},
		May: []Key{LogicalTag, Quality, AgeMS, InterlockID, Coalesced, Detail}},
	KindBatchEnd:    {Name: "batch_end", Grade: Decision, Must: []Key{BatchState, Result, Values, Cause}, May: []Key{Detail, RecoveryRule}},
	KindDiagnostics: {Name: "diagnostics", Grade: Decision, Must: []Key{Command, Detail, ActiveSteps, Values, Cause}, May: []Key{Omitted}},
	KindSafeState: {Name: "safe_state", Grade: Decision,
		Must: []Key{LogicalTag, FaultClass, SafeState, SafeStateReason, RecoverPolicy, RecoverBy, Result, Cause},
		May:  []Key{OldValue, Unit, InterlockID}},
	KindPowerWarning: {Name: "power_warning", Class: System, Must: []Key{Result}, May: []Key{HoldupMS}},
	KindPowerFail: {Name: "power_fail", Class: System, Grade: Note, Must: []Key{HoldupMS, Result},
		May: []Key{OutputsMS, FlushMS, CheckpointMS, Detail}},
	KindPowerBudget: {Name: "power_budget", Class: System, Grade: Note, Must: []Key{HoldupMS, StorageCommitTimeMS, Result}, May: []Key{Detail}},
	KindWatchdog:    {Name: "watchdog", Class: System, Grade: Note, Alone: true, Must: []Key{Result}, May: []Key{TimeoutMS, ActualMS, Detail}},
	KindTripRequest: {Name: "trip_request", Grade: Decision, Must: []Key{LogicalTag, Value, Result, ElapsedMS, TimeoutMS, Cause},
		May: []Key{Detail}},
	KindOverride: {Name: "override", Grade: Decision, Must: []Key{OverrideID, OverrideGrant, OverrideRole, Actor, Result, Values, Cause},
		May: []Key{ChangeReason, OverrideDuration, Expiry, ExpiryMonoNS, LogicalTag, PhysicalChannel, OldValue, NewValue, Unit, Detail}},
	KindLinkState: {Name: "link_state", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{WatchdogState, OldValue, ElapsedMS, ReconnectCount, Result, SeenMonoNS}, May: []Key{AgeMS, OPCUAStatus, Limit, Detail, EventsLost}},
	KindLinkFailover: {Name: "link_failover_event", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{FromPath, ToPath, GapMS, ReconnectCount, SeenMonoNS}, May: []Key{AgeMS, Detail, EventsLost}},
	KindResync: {Name: "resync_complete_event", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{TagsRead, ElapsedMS, ReconnectCount, SeenMonoNS}, May: []Key{AgeMS, Detail, EventsLost}},
	KindBusWrite: {Name: "bus_write", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{PhysicalChannel, WriteID, Outcome, WatchdogState, SeenMonoNS},
		May:  []Key{LogicalTag, AgeMS, Limit, OPCUAStatus, Detail, EventsLost}},
	KindPointQuality: {Name: "point_quality", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{PhysicalChannel, Quality, OPCUAStatus, SeenMonoNS}, May: []Key{LogicalTag, AgeMS, Limit, Detail, EventsLost}},
	KindBusMeasures: {Name: "bus_measures", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{ControlPlaneLatencyMS, Exchanges, OverBudget, SeenMonoNS}, May: []Key{LatencyBudget, Detail, EventsLost}},
	KindTelemetryBacklog: {Name: "telemetry_backlog", Class: System, Grade: Note, Alone: true, Field: true,
		Must: []Key{TelemetryBacklog, TelemetrySent, TelemetryAcked, TelemetryDropped, TelemetryTaken, SeenMonoNS}, May: []Key{Detail, EventsLost}},
	KindMeasures: {Name: "measures", Class: System, Grade: Note, Gap: 1_000_000_000,
		Must: []Key{FirstMonoNS, StorageCommitTimeMS, EventQueueDepth, DispatchLatencyMS, LoopLatencyMS, Backpressure, EventsPerSecond},
		May:  []Key{Coalesced, Anchor}},
	KindTraceDump: {Name: "trace_dump", Class: System, Grade: Note, Gap: 300_000_000_000, Must: []Key{Detail, FirstMonoNS, Trace},
		May: []Key{Coalesced, Overwritten}},
	KindKeyEvent: {Name: "key_event", Class: Security, Grade: Note, Alone: true,
		Must: []Key{KeyState, KeyID, KeyName, KeyProtection, PublicKey}, May: []Key{SignedNote, OldValue, Actor, ChangeReason}},
	KindHeadSigned: {Name: "head_signed", Class: System, Grade: Note, Alone: true, Gap: 1_000_000_000,
		Must: []Key{HeadSize, SignedNote, KeyID, KeyName, Milestone, SignLagMS}, May: []Key{Coalesced}},
	KindHeadUnsigned: {Name: "head_unsigned", Class: System, Grade: Note, Alone: true, Gap: 1_000_000_000,
		Must: []Key{HeadSize, KeyID, KeyName, Milestone, Detail}, May: []Key{Coalesced}},
	KindHeadAnchored: {Name: "head_anchored", Class: System, Grade: Note, Alone: true,
		Must: []Key{AnchoredJournalID, HeadSize, HeadLink}, May: []Key{HeadRoot}},
	KindEngineFault: {Name: "engine_fault", Class: System, Grade: Note, Alone: true, Must: []Key{Detail, Engine}},
	KindLibraryChange: {Name: "library_change", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope, ObjectKind, ObjectID, ObjectVersion, Digest, ApprovalID},
		May:  []Key{EffectiveFrom, Expiry, ApprovedBy}},
	KindObjectActivated: {Name: "object_activated", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope, ObjectKind, ObjectID, ToVersion, ActiveSlot, Digest,
			ApprovalID, ApprovedBy},
		May: []Key{FromVersion, RollbackReason}},
	KindInFlightKept: {Name: "in_flight_kept", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope, ObjectID, InFlight, ToVersion}, May: []Key{FromVersion}},
	KindStorageHealth: {Name: "storage_health", Class: System, Grade: Note, Alone: true, Gap: 1_000_000_000,
		Must: []Key{StorageHealthState, Reasons},
		May: []Key{Medium, BytesWrittenTotal, WriteAmplification, WearIndex, EraseCountMax, BadBlockCount, PayloadBytes, JournalBytes,
			ZeroFillBytes, Flushes, Segments, ProjectedLifeDays, BudgetAssumptions}},
	KindCheckpointTaken: {Name: "checkpoint_taken", Class: System, Grade: Note,
		Must: []Key{CheckpointID, CheckpointLastSeq, CheckpointPeriod, Result}, May: []Key{CheckpointSlot, Digest, Detail}},
	KindMediumReplaced: {Name: "medium_replaced", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope}},
	KindExport: {Name: "export", Class: System, Alone: true, Must: []Key{Actor, ExportRef, ObjectID, Values}, May: []Key{Detail}},
	KindVerification: {Name: "verification", Class: System, Alone: true,
		Must: []Key{Actor, ExportRef, ChainVerifyResult, ObjectID, Result, Values}, May: []Key{Detail}},
	KindExportState: {Name: "export_state", Class: System, Grade: Note, Alone: true, Gap: 1_000_000_000,
		Must: []Key{Sink, SinkState, ObjectID, AckedSeq, Behind}, May: []Key{Detail, Coalesced}},
	KindRecordsReleased: {Name: "records_released", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope, Policy, Sinks, HeadSize, HeadLink, TreePeaks}},
	KindBatchReleased: {Name: "batch_released", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope, Policy, Sinks, ObjectID, AnchoredJournalID, HeadSize, HeadLink,
			ExportRef, Digest}},
	KindBatchLife: {Name: "batch_life", Alone: true, Must: []Key{Actor, ObjectID, LifeState, OldValue, Result},
		May: []Key{ChangeReason, OperatorRole, Command, Detail, RunnerPID, BatchState, RestartOf}},
	KindEquipmentChange: {Name: "equipment_change", Class: Configuration, Alone: true,
		Must: []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope, ObjectID, EquipmentModelVersion, Digest}, May: []Key{OperatorRole, Detail}},
	KindEquipmentOwner: {Name: "equipment_owner", Alone: true, Must: []Key{ObjectID, ResourceID, ArbiterSeq},
		May: []Key{RequestID, Token, QueuePlace, Actor, OperatorRole, ChangeReason, Detail, Priority, ResourceOwner, OwnerSince}},
	KindFence: {Name: "fence", Alone: true, Must: []Key{ResourceID, Token, Result},
		May: []Key{ObjectID, Actor, OperatorRole, ChangeReason, Values, Detail}},
	KindWireRefused: {Name: "wire_refused", Class: Security, Alone: true, Gap: 1_000_000_000,
		Must: []Key{ObjectID, PhysicalChannel, TokenOffered, Token, Detail}, May: []Key{ResourceOwner, PeerUID, Coalesced}},
	KindRunnerLost: {Name: "runner_lost", Class: System, Alone: true, Must: []Key{ObjectID, ResourceID, Values, Result}, May: []Key{Detail}},
	KindAccessRefused: {Name: "access_refused", Class: Security, Grade: Note, Alone: true, Gap: 1_000_000_000,
		Must: []Key{Actor, Command, Detail}, May: []Key{ClaimedActor, PeerUID, ObjectID, OperatorRole, Coalesced}},
	KindBusState: {Name: "bus_state", Class: System, Grade: Note, Alone: true, Gap: 1_000_000_000,
		Must: []Key{ObjectKind, ObjectID, Result}, May: []Key{Detail, ArbiterSeq, Coalesced}},
	KindProductionInput: {Name: "production_input", Alone: true, Must: []Key{ObjectKind, Operation},
		May: []Key{Actor, OperatorRole, ChangeReason, JobID, ProcessID, RunID, MaterialID}},
	KindJobListed: {Name: "job_listed", Grade: Decision, Alone: true, Must: []Key{JobID, JobKind, ObjectID, Values, Cause},
		May: []Key{AfterJobID, GroupID, ProductID}},
	KindJobState: {Name: "job_state", Grade: Decision, Alone: true, Must: []Key{JobID, JobKind, JobState, OldValue, StatusCode, Values, Cause},
		May: []Key{GroupID, SetupSteps, RecoveryRule, Detail}},
	KindJobSlot: {Name: "job_slot", Grade: Decision, Alone: true, Must: []Key{GroupID, Slot, SlotState, Cause}, May: []Key{OldValue, JobID, Detail}},
	KindJobNotice: {Name: "job_notice", Grade: Decision, Alone: true, Must: []Key{Result, Cause},
		May: []Key{JobID, JobKind, GroupID, ProcessID, Detail}},
	KindProcessState: {Name: "process_state", Grade: Decision, Alone: true, Must: []Key{ProcessID, JobID, ProcessState, OldValue, Cause},
		May: []Key{Command, Detail, ProductID, Values}},
	KindArticle: {Name: "article", Grade: Decision, Alone: true, Must: []Key{ArticleID, ProductID, ProcessID, JobID, Cause}, May: []Key{RunID, UnitID, Detail}},
	KindUnitRun: {Name: "unit_run", Grade: Decision, Alone: true,
		Must: []Key{RunID, RunDefinition, UnitID, RunState, StatusCode, OldValue, Cause},
		May:  []Key{MainIdent, CreatedTs, StartedTs, EndedTs, ProcessID, Command, Values, Detail}},
	KindUnitRunMaterial: {Name: "unit_run_material", Grade: Decision, Alone: true, Must: []Key{MaterialID, Result, Cause},
		May: []Key{RunID, FromUnit, UnitID, Values, Detail}},
	KindUnitRunData: {Name: "unit_run_data", Alone: true, Must: []Key{RunID, RunData}, May: []Key{Detail}},
	KindUnitRunNotice: {Name: "unit_run_notice", Grade: Decision, Alone: true, Must: []Key{Result, Cause},
		May: []Key{RunID, RunDefinition, UnitID, Command, MaterialID, LogicalTag, Value, Detail}},
}

// Spec returns the declaration of a kind. The slices are read-only.
func (k Kind) Spec() Spec {
	if k < kindCount {
		return specs[k]
	}
	return Spec{}
}

// String gives the text name, the value of event_type.
func (k Kind) String() string { return k.Spec().Name }

// Kinds calls fn for every kind, in the order of the table.
func Kinds(fn func(Kind, Spec)) {
	for k := KindNone + 1; k < kindCount; k++ {
		fn(k, specs[k])
	}
}

// ParseKind finds the kind with a text name; ok is false where there is none.
func ParseKind(name string) (Kind, bool) {
	for k := KindNone + 1; k < kindCount; k++ {
		if specs[k].Name == name {
			return k, true
		}
	}
	return KindNone, false
}

// Common returns the keys that every record carries, and those that every record may carry where they apply, in their order.
func Common() []Key {
	out := slices.Concat(stamps, joins)
	slices.Sort(out)
	return out
}

// keySet is a set of keys.
type keySet [(int(keyCount) + 63) / 64]uint64

func (s *keySet) add(k Key)      { s[k/64] |= 1 << (k % 64) }
func (s *keySet) has(k Key) bool { return s[k/64]&(1<<(k%64)) != 0 }

func setOf(lists ...[]Key) (s keySet) {
	for _, l := range lists {
		for _, k := range l {
			s.add(k)
		}
	}
	return s
}

// mustSets, knownSets and batchSet are made once from the tables and never change.
var mustSets, knownSets, batchSet = tables()

func tables() (must, known [kindCount]keySet, batch keySet) {
	for k := KindNone + 1; k < kindCount; k++ {
		s := &specs[k]
		must[k] = setOf(stamps, s.Must)
		if !s.Alone {
			must[k] = setOf(stamps, inBatch, s.Must)
		}
		known[k] = setOf(stamps, joins, marks, s.Must, s.May)
	}
	return must, known, setOf(inBatch)
}

// check holds the keys of a record against its kind.
func (k Kind) check(set *keySet) error {
	if k == KindNone || k >= kindCount {
		return fmt.Errorf("%w: no such kind", ErrRecord)
	}
	for i, have := range set {
		must := mustSets[k][i]
		if set.has(BatchID) {
			must |= batchSet[i]
		}
		if lack := must &^ have; lack != 0 {
			return fmt.Errorf("%w: %s: %s is missing", ErrRecord, k, firstKey(i, lack))
		}
		if odd := have &^ knownSets[k][i]; odd != 0 {
			return fmt.Errorf("%w: %s: %s is not a field of this kind", ErrRecord, k, firstKey(i, odd))
		}
	}
	return nil
}

func firstKey(word int, set uint64) Key { return Key(word*64 + bits.TrailingZeros64(set)) }
