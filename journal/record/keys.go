// The keys of records: each with one name and one form, in the order in which they stand in a body.

package record

// Key is a field name of a record. Keys are numbered in the byte order of their names, which is their order in a body.
type Key uint8

// The keys. Units are the suffix of the name. The form of each stands beside its name in the table below.
const (
	ActionID            Key = iota // place of an action, step_id/n
	ActionState                    // start or end
	ActionType                     // OEM action type asked for
	ActionVersion                  // version of the OEM action type
	Actor                          // who did it
	AgeMS                          // age of a value when it was used
	ApprovalID                     // approval that covers an object
	ApprovedBy                     // who approved
	Backpressure                   // times that inputs had to wait because the journal or the gate had no room
	BatchID                        // the batch
	BatchSize                      // size of the batch with its unit
	BatchState                     // state of the batch, one of the ISA-88 twelve
	BatchTotal                     // total computed from the window
	BlockData                      // packed input events, base64
	BlockEvents                    // number of events in the block
	BlockForm                      // coding of block_data
	CalibVersion                   // version of the calibration in force
	Cause                          // numbers of the records that led to this one
	ChangeReason                   // why it was done, in the actor's words
	CheckpointLastSeq              // last record from which a state was recovered
	Coalesced                      // inputs or notes that were replaced by newer ones before they were taken
	Command                        // command given
	Compared                       // totals that a reconciliation compared
	Delta                          // difference, in unit
	Detail                         // what a device or person said, verbatim
	DeviceID                       // field device or controller that the event came from
	DeviceProfileID                // profile of the device
	Digest                         // SHA-256 of an object's bytes, hex
	DispatchLatencyMS              // longest time from a decision until the port was given its write
	DoneMonoNS                     // when a write took effect, monotonic ns
	EffectiveFrom                  // from when an object may be used
	ElapsedMS                      // time since the start of what ended
	Engine                         // engine number
	Epoch                          // boot count of the journal
	EquipmentID                    // unit that the batch runs on
	EventQueueDepth                // most inputs that waited at one time
	EventSeq                       // number of the record in its journal
	EventType                      // kind of the record
	EventsPerSecond                // records of each kind per second, kind=rate
	Expiry                         // until when an object may be used
	ExportRef                      // SHA-256 of the manifest of an evidence package, hex
	FirstMonoNS                    // stamp of the first event of a block; since when measures were taken
	ChainVerifyResult              // what verifying the hash chain of a package came to: PASS or FAIL
	Hint                           // likely cause of a difference
	HistorianTotal                 // total according to the historian
	ImpactScope                    // what a change touches
	JournalID                      // the journal
	LateMS                         // how late a tick was taken
	Level                          // ISA-88 level of the element
	Limit                          // limit that was met or broken
	LogicalTag                     // tag as the map names it
	LoopLatencyMS                  // longest time by which the loop was late for a deadline
	LossIntervalS                  // greatest time for which inputs may be missing
	MappingVersion                 // version of the I/O mapping
	Message                        // text shown or logged
	MeterTotal                     // total according to the meter's own totalizer
	MeterWindowID                  // metering window
	MovedMS                        // by how much UTC was moved
	NewValue                       // value after a change
	ObjectID                       // name of a governed object
	ObjectKind                     // recipe, mapping or calibration
	ObjectVersion                  // version of a governed object
	OffsetMS                       // last measured offset of the wall clock
	OldValue                       // value before a change
	OperatorID                     // operator who acts or answers for the batch
	OperatorRole                   // role in which the operator acts
	Params                         // parameters handed over, name=value
	PhaseState                     // state of the element, one of the ISA-88 twelve
	PhysicalChannel                // channel as the map names it
	Polarity                       // normal or inverted
	PromptID                       // number of a prompt
	Quality                        // GOOD, STALE or BAD
	RawState                       // value on the wire
	Readback                       // outputs as read back
	RecipeID                       // the recipe
	RecipeVersion                  // version of the recipe
	ReconcileStatus                // PASS, WARN or FAIL
	RecoveryPath                   // how the journal was recovered
	RecoveryRule                   // recovery rule that has ended the batch; restart: a new one is to take its place
	RequestID                      // number of an OEM action
	RestartOf                      // batch_id of the batch in whose place this one was begun
	Result                         // outcome
	RetryCount                     // how often it was tried again
	SafeDirection                  // whether the write goes to the safe side
	SafeState                      // safe value that was taken
	SafeStateReason                // why it was taken
	Samples                        // number of samples in the window
	SamplesDigest                  // SHA-256 of the window's sample lines, hex
	SchemaVersion                  // version of the recipe schema
	Seed                           // seed of a simulation
	StepID                         // element of the recipe
	StepState                      // edge of the element: start, end, hold, resume, retry or abort
	StorageCommitTimeMS            // longest time from a record to its being durable
	SyncState                      // state of synchronisation
	TagMapVersion                  // version of the tag map
	Target                         // value aimed at
	TimeBoundMS                    // greatest error of ts_utc
	TimeSource                     // who gives UTC
	TimeStepCount                  // steps of UTC seen in this epoch
	TimeoutMS                      // time allowed
	TimeoutReason                  // what was waited for
	Tolerance                      // difference allowed
	TotalizedValue                 // total of the window
	TruncateTail                   // bytes set aside at the end of the journal
	TsMonoNS                       // monotonic time of the event
	TsUTC                          // UTC of the event
	Unapproved                     // true where the batch runs without approval
	Unit                           // UCUM unit of the values beside it
	Value                          // value set, answered or measured
	Values                         // results handed back, name=value
	WaitReason                     // what is waited for
	WindowEndTsMono                // monotonic time at which the window closed
	WindowStartEvent               // why the window opened
	WindowStartTsMono              // monotonic time at which the window opened
	WindowStopEvent                // why the window closed
	WriteID                        // number of a write
	keyCount
)

var keys = [keyCount]struct {
	name string
	form form
}{
	ActionID:            {"action_id", formText},
	ActionState:         {"action_state", formText},
	ActionType:          {"action_type", formText},
	ActionVersion:       {"action_version", formInt},
	Actor:               {"actor", formText},
	AgeMS:               {"age_ms", formInt},
	ApprovalID:          {"approval_id", formText},
	ApprovedBy:          {"approved_by", formText},
	Backpressure:        {"backpressure", formInt},
	BatchID:             {"batch_id", formText},
	BatchSize:           {"batch_size", formText},
	BatchState:          {"batch_state", formText},
	BatchTotal:          {"batch_total", formMeasure},
	BlockData:           {"block_data", formText},
	BlockEvents:         {"block_events", formInt},
	BlockForm:           {"block_form", formInt},
	CalibVersion:        {"calib_version", formText},
	Cause:               {"cause", formCounts},
	ChangeReason:        {"change_reason", formText},
	CheckpointLastSeq:   {"checkpoint_last_seq", formCount},
	Coalesced:           {"coalesced", formCount},
	Command:             {"command", formText},
	Compared:            {"compared", formTexts},
	Delta:               {"delta", formMeasure},
	Detail:              {"detail", formText},
	DeviceID:            {"device_id", formText},
	DeviceProfileID:     {"device_profile_id", formText},
	Digest:              {"digest", formText},
	DispatchLatencyMS:   {"dispatch_latency_ms", formDecimal},
	DoneMonoNS:          {"done_mono_ns", formCount},
	EffectiveFrom:       {"effective_from", formTime},
	ElapsedMS:           {"elapsed_ms", formDecimal},
	Engine:              {"engine", formInt},
	Epoch:               {"epoch", formInt},
	EquipmentID:         {"equipment_id", formText},
	EventQueueDepth:     {"event_queue_depth", formInt},
	EventSeq:            {"event_seq", formCount},
	EventType:           {"event_type", formText},
	EventsPerSecond:     {"events_per_second", formTexts},
	Expiry:              {"expiry", formTime},
	ExportRef:           {"export_ref", formText},
	FirstMonoNS:         {"first_mono_ns", formCount},
	ChainVerifyResult:   {"hash_chain_verify_result", formText},
	Hint:                {"hint", formText},
	HistorianTotal:      {"historian_total", formMeasure},
	ImpactScope:         {"impact_scope", formText},
	JournalID:           {"journal_id", formText},
	LateMS:              {"late_ms", formInt},
	Level:               {"level", formText},
	Limit:               {"limit", formInt},
	LogicalTag:          {"logical_tag", formText},
	LoopLatencyMS:       {"loop_latency_ms", formDecimal},
	LossIntervalS:       {"loss_interval_s", formDecimal},
	MappingVersion:      {"mapping_version", formText},
	Message:             {"message", formText},
	MeterTotal:          {"meter_total", formMeasure},
	MeterWindowID:       {"meter_window_id", formText},
	MovedMS:             {"moved_ms", formDecimal},
	NewValue:            {"new_value", formValue},
	ObjectID:            {"object_id", formText},
	ObjectKind:          {"object_kind", formText},
	ObjectVersion:       {"object_version", formText},
	OffsetMS:            {"offset_ms", formDecimal},
	OldValue:            {"old_value", formValue},
	OperatorID:          {"operator_id", formText},
	OperatorRole:        {"operator_role", formText},
	Params:              {"params", formTexts},
	PhaseState:          {"phase_state", formText},
	PhysicalChannel:     {"physical_channel", formText},
	Polarity:            {"polarity", formText},
	PromptID:            {"prompt_id", formInt},
	Quality:             {"quality", formText},
	RawState:            {"raw_state", formCount},
	Readback:            {"readback", formTexts},
	RecipeID:            {"recipe_id", formText},
	RecipeVersion:       {"recipe_version", formText},
	ReconcileStatus:     {"reconcile_status", formText},
	RecoveryPath:        {"recovery_path", formText},
	RecoveryRule:        {"recovery_rule", formText},
	RequestID:           {"request_id", formInt},
	RestartOf:           {"restart_of", formText},
	Result:              {"result", formText},
	RetryCount:          {"retry_count", formInt},
	SafeDirection:       {"safe_direction", formBool},
	SafeState:           {"safe_state", formValue},
	SafeStateReason:     {"safe_state_reason", formText},
	Samples:             {"samples", formCount},
	SamplesDigest:       {"samples_digest", formText},
	SchemaVersion:       {"schema_version", formInt},
	Seed:                {"seed", formCount},
	StepID:              {"step_id", formText},
	StepState:           {"step_state", formText},
	StorageCommitTimeMS: {"storage_commit_time_ms", formDecimal},
	SyncState:           {"sync_state", formText},
	TagMapVersion:       {"tag_map_version", formText},
	Target:              {"target", formMeasure},
	TimeBoundMS:         {"time_bound_ms", formDecimal},
	TimeSource:          {"time_source", formText},
	TimeStepCount:       {"time_step_count", formInt},
	TimeoutMS:           {"timeout_ms", formInt},
	TimeoutReason:       {"timeout_reason", formText},
	Tolerance:           {"tolerance", formMeasure},
	TotalizedValue:      {"totalized_value", formMeasure},
	TruncateTail:        {"truncate_tail", formCount},
	TsMonoNS:            {"ts_mono_ns", formCount},
	TsUTC:               {"ts_utc", formTime},
	Unapproved:          {"unapproved", formBool},
	Unit:                {"unit", formText},
	Value:               {"value", formValue},
	Values:              {"values", formTexts},
	WaitReason:          {"wait_reason", formText},
	WindowEndTsMono:     {"window_end_ts_mono", formCount},
	WindowStartEvent:    {"window_start_event", formText},
	WindowStartTsMono:   {"window_start_ts_mono", formCount},
	WindowStopEvent:     {"window_stop_event", formText},
	WriteID:             {"write_id", formInt},
}

// String gives the name that stands in a body.
func (k Key) String() string {
	if k < keyCount {
		return keys[k].name
	}
	return ""
}

func (k Key) form() form {
	if k < keyCount {
		return keys[k].form
	}
	return formText
}

// ParseKey finds the key with a name; ok is false where there is none.
func ParseKey(name string) (k Key, ok bool) {
	lo, hi := 0, int(keyCount)
	for lo < hi {
		mid := (lo + hi) / 2
		switch s := keys[mid].name; {
		case s == name:
			return Key(mid), true
		case s < name:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, false
}
