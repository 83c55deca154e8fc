// The keys of records, in the order in which they stand in a body.

package record

// Key is a field name of a record. Keys are numbered in the byte order of their names, which is their order in a body.
type Key uint16

// The keys. Units are the suffix of the name. Name and form of each stand in keytable.go.
const (
	Absent                Key = iota // totals that were expected and are not there
	AckedSeq                         // last record that a sink says it holds durably
	ActionID                         // place of an action, step_id/n
	ActionState                      // start, wait, ready (what it waits for is true, and it waits for release) or end
	ActionType                       // OEM action type asked for
	ActionVersion                    // version of the OEM action type
	ActiveSlot                       // slot that names the active version, A or B
	ActiveSteps                      // steps that were under way, each with its state and what it waited for
	Actor                            // who did it
	ActualMS                         // time-out that a watchdog really has
	AfterJobID                       // job that a job stands behind in the list
	AgeMS                            // age of a value when it was used
	AlarmID                          // alarm of the map
	AlarmState                       // what has become of an alarm: raised, cleared or acknowledged
	AmendedBatchID                   // batch whose reconciliation is amended
	AmendedJournalID                 // journal of that batch
	Amends                           // number of the record that this one takes the place of
	Anchor                           // where the head of the journal is kept besides, and what was found there
	AnchoredJournalID                // journal whose head is anchored in this one
	Anomalies                        // what is to be known of the edges and the course of a window, a word each, as metering.Anomaly
	Answer                           // kind of answer that a prompt wants: confirm, number, choice or text
	ApprovalID                       // approval that covers an object
	ApprovedBy                       // who approved
	ArbiterSeq                       // number of an operation in the log of an arbiter
	ArticleID                        // article that a process has made
	Backpressure                     // times that inputs had to wait because the journal or the gate had no room
	BadBlockCount                    // blocks of the medium that are out of use
	BatchID                          // the batch
	BatchSize                        // size of the batch with its unit
	BatchState                       // state of the batch, one of the ISA-88 twelve
	BatchTotal                       // total computed from the window
	Behind                           // durable records that a sink does not hold yet
	BlockAgeMS                       // age at which input blocks are sealed
	BlockData                        // packed input events, base64
	BlockEvents                      // number of events in the block
	BlockForm                        // coding of block_data
	BootID                           // what tells one start of the board from another, as its system has it
	Boundary                         // what the edges of a window show: flow_at_start, flow_at_end
	BudgetAssumptions                // what a projection takes for granted, in words
	BytesWrittenTotal                // bytes that the medium was told to write, as far back as its system counts
	CalibVersion                     // version of the calibration in force
	Cause                            // numbers of the records that led to this one
	CautiousTolerance                // tolerance where time is not known well
	ChangeReason                     // why it was done, in the actor's words
	CheckpointID                     // generation of a checkpoint
	CheckpointLastSeq                // last record from which a state was recovered
	CheckpointMS                     // time from a power warning to a checkpoint
	CheckpointPeriod                 // time from one checkpoint to the next, with its unit
	CheckpointSlot                   // where a checkpoint lies: "chip 1", "file 1" and so on
	Choices                          // answers that a prompt takes
	ClaimedActor                     // whom somebody said to be, who may not say so
	Coalesced                        // inputs or notes that were replaced by newer ones before they were taken
	Coefficients                     // what a calibration makes of a meter's readings, in its words
	Command                          // command given
	Compared                         // totals that a reconciliation compared
	ControlPlaneLatencyMS            // longest time that a control exchange took, from when it was due or wanted to its reply
	CreatedTs                        // when a unit run was created
	Cuts                             // epochs that began while a window was open
	DebounceMS                       // how long a raw truth must rest before it counts
	DebouncedState                   // raw_state after the debounce
	Delta                            // difference, in unit; of a window: total less target
	Detail                           // what a device or person said, verbatim
	DeviceID                         // field device or controller that the event came from
	DeviceProfileID                  // profile of the device
	Digest                           // SHA-256 of an object's bytes, hex
	DispatchLatencyMS                // longest time from a decision until the port was given its write
	DoneMonoNS                       // when a write took effect, monotonic ns
	DryRun                           // true in every record of a batch that drives nothing
	EdgeFlow                         // what flowed in the last second of a window, in unit
	EdgeLevel                        // what of a switch counts: level, rising or falling
	EffectiveFrom                    // from when an object may be used
	ElapsedMS                        // time since the start of what ended
	EndedTs                          // when a unit run came to be Ready
	Engine                           // engine number
	Epoch                            // boot count of the journal
	EquipmentBound                   // units of the map that were chosen by class, name=unit and why
	EquipmentID                      // unit that the batch runs on
	EquipmentModelVersion            // version of the equipment model
	EraseCountMax                    // erasures of the block that was erased most
	EventQueueDepth                  // most inputs that waited at one time
	EventSeq                         // number of the record in its journal
	EventType                        // kind of the record
	EventsLost                       // events of a bus that are missing before this one, as far as is known
	EventsPerSecond                  // records of each kind per second, kind=rate
	Exchanges                        // exchanges that were measured
	Expiry                           // until when an object may be used
	ExpiryMonoNS                     // the same by monotonic time
	ExportRef                        // SHA-256 of the manifest of an evidence package, hex
	Facts                            // what a hint rests on besides the totals, name=value; metering.Facts has each, with its unit
	FaultClass                       // class of faults for which an output is in a safe state
	FilterDelayMS                    // by how much a filter in the instrument is late
	FilterParam                      // what the filters in filter_type are set to
	FilterType                       // filters that stand between raw_state and the verdict
	FirstMonoNS                      // stamp of the first event of a block; since when measures were taken
	FlushMS                          // time from a power warning to all records of it being durable
	Flushes                          // flushes that the journal waited for
	ForcedFlag                       // true where something was in override when it was decided
	FromMonoNS                       // monotonic time of the last look at the wall clock before it stepped
	FromPath                         // way to a device that is left
	FromUnit                         // unit that a material was in before
	FromVersion                      // version that was active before
	GapMS                            // time for which a source was not GOOD while a window was open; for which there was no way to a device
	Gaps                             // times that a source was not GOOD, or nobody watched, while a window was open
	GroupID                          // jobs that share a slot, with their set-up and clean-up
	ChainVerifyResult                // what verifying the hash chain of a package came to: PASS or FAIL
	HeadLink                         // link of the last record that a head covers, hex
	HeadRoot                         // root of the tree over the records that a head covers, hex
	HeadSize                         // number of records that a head covers, from record 1
	HeldMS                           // time for which a window was open and its phase held
	Hint                             // likely cause of a difference, as metering.Hint
	HistorianCalibVersion            // calibration that the historian says it used
	HistorianSource                  // who or what gave the historian's total
	HistorianTotal                   // total according to the historian
	HoldoverAgeS                     // time since the reference of the wall clock was heard last
	HoldoverState                    // of the wall clock: none, active, or ended where its bound has grown beyond the limit or it was not to be believed
	HoldupMS                         // time for which the board runs on after a power warning
	ImpactScope                      // what a change touches
	InFlight                         // what a batch begins with of what runs in: window, meter, amount, version, and where it was learnt
	InterlockGateState               // permits or blocks
	InterlockID                      // interlock of the map
	InterlockKind                    // permissive, trip or safety_trip
	JobID                            // job of the list
	JobKind                          // production, prepare or clean_up
	JobState                         // state of a job
	JournalBytes                     // bytes that the journal wrote, zeros of new segments included
	JournalID                        // the journal
	KeyID                            // id of a key that signs heads, 8 hex digits
	KeyName                          // name under which a key signs
	KeyProtection                    // where a private key lies: software, tpm or secure_element
	KeyState                         // declared, provisioned, rotated or revoked
	LastSyncTs                       // when the reference of the wall clock was heard last
	LateMS                           // how late a tick was taken
	LatencyBudget                    // time that a control exchange may take, with its unit
	LeapSecond                       // what is announced for the end of this UTC day: insert or delete
	LearnShare                       // share of the error that is learnt
	Level                            // ISA-88 level of the element
	LifeState                        // where a batch stands in the list of a manager
	Limit                            // limit that was met or broken
	LogicalTag                       // tag as the map names it
	LoopLatencyMS                    // longest time by which the loop was late for a deadline
	LossIntervalS                    // greatest time for which inputs may be missing
	MainIdent                        // name of a unit run that people read
	MappingVersion                   // version of the I/O mapping
	MaterialID                       // piece or lot of material
	MaxLength                        // most characters of an answer
	MaxValue                         // greatest answer, or value that is learnt, in unit
	Medium                           // what a medium calls itself
	Message                          // text shown or logged
	Meter                            // meter of the map
	MeterQuality                     // worst quality of the meter's own totalizer
	MeterTotal                       // total according to the meter's own totalizer
	MeterWindowID                    // metering window
	Method                           // how a meter makes a total: pulses, totalizer, flow or weight
	Milestone                        // why a head was to be signed
	MinValue                         // least answer, or value that is learnt, in unit
	Mode                             // mode of a block: automatic, semi_automatic or manual
	MovedMS                          // by how much UTC was moved
	NewValue                         // value after a change
	ObjectID                         // name of a governed object
	ObjectKind                       // recipe, mapping, calibration, tag_map or device_profile
	ObjectVersion                    // version of a governed object
	OffsetMS                         // last measured offset of the wall clock
	OldValue                         // value before a change
	Omitted                          // entries that did not fit their record
	OPCUAStatus                      // why a value is no better, or a link, as a status code of OPC UA part 4, hex
	Operation                        // what was told to job list or unit runs, as one line of JSON
	OperatorID                       // operator who acts or answers for the batch
	OperatorRole                     // role in which the operator acts
	OrderToleranceMS                 // step of the wall clock up to which order by UTC may be believed across it
	Outcome                          // of a write: CONFIRMED, REFUSED (nothing was written) or UNKNOWN (it may have been carried out)
	OutputsMS                        // time from a power warning to the last output that was confirmed to be in its safe state
	OverBudget                       // of these, those that took longer than latency_budget
	OverrideDuration                 // for how long something may be in override, with its unit
	OverrideGrant                    // number of a grant of an override
	OverrideID                       // permission of the map to override something
	OverrideRole                     // role in which an override was granted
	Overwritten                      // entries of a trace before its first one, which are gone
	OwnerSince                       // since when the owner has what is waited for
	OwnerStepID                      // elements that hold what is waited for
	Pairs                            // each two totals, the difference of the first less the second, in unit, and what that comes to
	Parameter                        // parameter of the formula
	Params                           // parameters handed over, name=value
	PayloadBytes                     // bytes of evidence that the journal took
	PeerUID                          // user of the operating system at the far end of a socket
	PhaseState                       // state of the element, one of the ISA-88 twelve
	PhysicalChannel                  // channel as the map names it
	Polarity                         // normal or inverted
	Policy                           // rule by which records may go: which sinks, and what age
	PrimaryBackup                    // place of the source of UTC among those of its kind: primary or backup
	Priority                         // priority of an alarm: low, medium, high or urgent
	ProcessID                        // process of a job, the id of its batch
	ProcessState                     // state of a process
	ProductID                        // product that a recipe makes
	ProjectedLifeDays                // days until the medium is worn out, on the assumptions beside it
	PromptID                         // number of a prompt
	ProtocolBinding                  // how the channel is reached, as the map says
	PublicKey                        // public key, SPKI in DER, base64
	PulseMS                          // for how long a tag of which edges count is on
	Quality                          // GOOD, STALE or BAD
	QueuePlace                       // place in an arbiter's queue, 1 for who is next
	RawState                         // value on the wire; of window_stop: what its counter has counted, in source_unit; of an interlock: 1 where it is violated, before its filters
	Reaction                         // what a trip does to those who answer for its outputs: hold, abort, hard_abort or none
	Readback                         // outputs as read back
	RealTime                         // what the process got of the system so that it keeps its deadlines, in words
	Reasons                          // why a state is what it is, each reason in words
	RecipeID                         // the recipe
	RecipeVersion                    // version of the recipe
	ReconcileStatus                  // PASS, WARN or FAIL
	ReconnectCount                   // times that a device was connected again; it never goes back in an epoch
	RecoverBy                        // how an output leaves a safe state: auto, restart, reset or plc
	RecoverPolicy                    // what an output does while a fault lasts: hold, drop or latch
	RecoveryPath                     // how the journal was recovered
	RecoveryRule                     // recovery rule that has ended the batch; restart: a new one is to take its place
	Refusal                          // why a command is refused, whatever state the batch is in
	RequestID                        // number of an OEM action, or of a request for equipment
	ResetCause                       // why the board came up: unknown, power, watchdog, ordered or process
	Resolution                       // of which an answer is a whole number, in unit
	ResourceID                       // common equipment that is asked for
	ResourceOwner                    // who has what is asked of an arbiter, in its words
	RestartOf                        // batch_id of the batch in whose place this one was begun
	Result                           // outcome; of a window PASS, OUT_OF_TOLERANCE, NOT_GOOD, or INCOMPLETE where it closed before its end
	RetryCount                       // how often it was tried again
	RollbackReason                   // why an earlier version was activated again
	Round                            // round of the innermost repeat around the element
	RunData                          // values that were captured for a unit run, each: ns UTC, tag, value, quality
	RunDefinition                    // what a unit run is one of, such as Production
	RunID                            // unit run
	RunState                         // state of a unit run
	RunnerPID                        // process of a runner
	SafeDirection                    // whether the write goes to the safe side
	SafeState                        // safe value that was taken
	SafeStateReason                  // why it was taken
	SafeStateTable                   // SHA-256 of the table of safe states as it was signed off, hex
	SafeValue                        // value that an output takes when things fail
	SamplePeriodMS                   // time between two readings: as declared, and at the end as it was in the mean
	Samples                          // number of samples in the window
	SamplesDigest                    // SHA-256 of the window's sample lines, hex
	SamplesLate                      // readings that came more than half a period late
	SamplesMissing                   // readings that did not come
	Scaling                          // gain and offset between the wire and the value
	SchemaVersion                    // version of the recipe schema
	SecondCount                      // counts of the second counter of a flow
	Seed                             // seed of a simulation
	SeenMonoNS                       // when it happened on the bus, monotonic ns
	Segments                         // segments that the journal began
	SettledTotal                     // total before the first jog, from which is learnt
	SetupSteps                       // what a set-up job has to do
	SignLagMS                        // time from the record that a head covers last until its signature was there
	SignedNote                       // C2SP signed note, as it was signed
	Sink                             // where records are sent
	SinkState                        // UP, CATCHING_UP or DOWN
	Sinks                            // what each sink has acknowledged, sink=number link
	Slot                             // slot that a group of jobs has: 1 to n, running, completing or resume
	SlotState                        // taken, moved or freed
	SourceChange                     // why the state of synchronisation or its source became another, as timebase.Reason
	SourceDetail                     // the same in words of the source, or of its loss
	SourceUnit                       // UCUM unit of raw_state, value and tare of a metering window
	StartedTs                        // when a unit run came to be Active first
	StatusCode                       // code of a state, as its table has it
	StepID                           // element of the recipe
	StepReason                       // why the wall clock stepped: clock_step (it was set), suspended or leap_second_done
	StepState                        // edge of the element: start, end, abort, resume, hold, retry, pause, stop, transfer, round or go_to
	StorageCommitTimeMS              // longest time from a record to its being durable
	StorageHealthState               // GOOD, WATCH, REPLACE, FAILED or UNKNOWN
	SyncState                        // state of synchronisation
	TagMapVersion                    // version of the tag map
	TagsRead                         // control tags that were read before any counted
	Tare                             // what a scale showed when a window opened, in source_unit
	Target                           // value aimed at
	TargetStepID                     // element that an order wants to come next
	TelemetryAcked                   // samples for watching that their sink has acknowledged
	TelemetryBacklog                 // samples for watching that wait for their sink
	TelemetryDropped                 // samples for watching that were given up, the oldest first, for want of room
	TelemetrySent                    // samples for watching that were sent, those that were sent again included
	TelemetryTaken                   // samples for watching that were taken in: acknowledged, dropped and waiting
	TimeBoundMS                      // greatest error of ts_utc
	TimeQuality                      // whether time was known within time_within_ms at the edges of a window
	TimeSource                       // who gives UTC
	TimeStepCount                    // steps of UTC seen in this epoch
	TimeWithinMS                     // greatest time_bound_ms for which the ordinary tolerance holds
	TimeoutMS                        // time allowed
	TimeoutReason                    // what was waited for
	ToMonoNS                         // monotonic time of the look at the wall clock that found a step
	ToPath                           // way to a device that is taken
	ToVersion                        // version that is active from now on
	Token                            // fencing token of a grant: it only grows
	TokenOffered                     // fencing token that came with a write
	Tolerance                        // difference allowed
	TotalizedValue                   // total of the window
	Trace                            // what the shell did, an entry each: ms since first_mono_ns, what it was, name=value
	TreePeaks                        // full subtrees of the tree over the records that go, the largest first, hex
	TruncateTail                     // bytes set aside at the end of the journal
	TsMonoNS                         // monotonic time of the event
	TsUTC                            // UTC of the event
	Unapproved                       // true where the batch runs without approval
	Unit                             // UCUM unit of the values beside it
	UnitID                           // process unit that a unit run or a material is in
	ValidFrom                        // from when a calibration holds
	Value                            // value set, answered or measured
	Values                           // name=value of each result, or of each tag that was looked at, with quality and age; of a batch_end: outputs not confirmed
	VoteWindowMS                     // window of a vote; 0: there is none
	WaitReason                       // what is waited for
	WatchdogState                    // state of the link to a device: DOWN, CONNECTING, SYNCING, UP, DEGRADED, DOUBT or DEMOTED
	WearIndex                        // life of the medium that is used up, percent, rounded up
	WindowEndTsMono                  // monotonic time at which the window closed
	WindowEvent                      // what has happened to an open window; metering.Note has what each word means
	WindowStartEvent                 // why the window opened
	WindowStartTsMono                // monotonic time at which the window opened
	WindowStopEvent                  // why the window closed
	WriteAmplification               // bytes written for each byte of evidence
	WriteID                          // number of a write
	ZeroFillBytes                    // zeros that the journal wrote into new segments
	keyCount
)
