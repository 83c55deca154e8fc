// Parse, and the language that it reads.

package recipe

// Parse reads a recipe file, YAML or its subset JSON; file is the name that errors show. What is wrong is returned all at once, each
// error with line, column and the line itself; then the Recipe is nil. What follows is the whole language.
//
// # A recipe
//
// This one is complete and runs on the demo plant (examples/controller/demo/map.yaml). To begin, save it, change it, and look at it
// with "go run ./examples/evidence check RECIPE MAP" after each change.
//
//	recipe: RINSE                   # its ID
//	version: "1.0"
//	schema_version: 1
//	title: Rinse tank T301 with A
//	batch_size: {nominal: 40 kg, min: 20 kg, max: 80 kg}
//	formula:
//	  - {name: water, value: 40 kg, min: 20 kg, max: 80 kg, scaling: linear}
//	procedure:
//	  id: RINSE
//	  level: procedure
//	  sequence:
//	    - id: FILL
//	      level: phase
//	      timeout: 2 min
//	      actions:
//	        - open_window: {window: A, meter: FQ101, target: $water, tolerance: 0.5 kg}
//	        - set: {XV102: open}
//	        - wait_total: {window: A, short_by: 0.2 kg}
//	        - set: {XV102: closed}
//	        - verify_stable: {tag: FT101, within: 1 kg/min, for: 1 s}
//	        - close_window: A
//	    - id: DRAIN
//	      level: phase
//	      timeout: 5 min
//	      on_timeout: abort
//	      actions:
//	        - set: {XV301: open}
//	        - wait: "WT301 < 0.5 kg"
//	        - set: {XV301: closed}
//
// An ID, and a name of a window, a line, a message or equipment, is letters, digits, _ . and -. A quantity is a number, a space and a
// UCUM code: 40 kg, 0.5 kg/min, 60 Cel (degrees Celsius), 90 s; one of a plain number has no code; [quantity.Unit] lists the codes.
// Where a quantity may stand below, $name may stand for a parameter. Tags and meters are those of the I/O map, and a switch takes the
// words that the map gives it.
//
// # Header, formula, equipment
//
// recipe, version, schema_version, title and batch_size (nominal, min, max) must be there. recovery is that of all phases which have
// none of their own; see below. failure_level (procedure, the default, unit_procedure, operation or phase) says of what a failure takes
// hold: a time-out, an output that is not confirmed, a meter that is not GOOD and the like holds or aborts the highest element around it
// whose level is not above that, and the others go on. What is in manual keeps failures below it from what lies around it.
//
// formula lists the parameters: name, value at the nominal batch size, scaling (none, the default, linear or quadratic), and min and
// max of the scaled value, which may be left out. Limits are held against every permitted batch size, and against what an operator gives
// it while the batch is held. The value may be $other, to be that of another parameter.
//
//	formula:
//	  - {name: charge, value: 120.00 kg, min: 50 kg, max: 250 kg, scaling: linear}
//	  - {name: level_after, value: $charge}
//	  - {name: hot, value: 60.0 Cel, min: 40 Cel, max: 80 Cel}
//
// equipment asks for units by class. Which unit of the map it is, is settled when a batch is bound: of those that meet all needs (a
// quantity at least, or the very word) and are not taken, the one with the least priority number, then the first by its id. line.FQ is
// then a meter like any other, and line.FINE a tag.
//
//	equipment:
//	  - {name: line, class: DOSING_LINE, needs: {rate: 1 kg/s, lining: glass}}
//
// # Elements
//
// procedure is one element, and elements hold elements: id, level and exactly one of sequence, parallel, select, repeat and actions.
// level is procedure, unit_procedure, operation or phase; it is not above that of the block around it, and a level between may be left
// out. A phase has actions, all others are blocks. Any element may have, in this order of time:
//
//	uses         common equipment that it acquires, all at once, before it begins, and releases when it has ended
//	entry        condition on which it begins
//	time         of a phase: how well time must be known then; see below
//	exit         condition on which it ends
//	timeout      how long a phase may be Running, and how long each wait of the element itself may take: uses, entry, exit, the choice
//	             of a select, the until of a repeat. It does not limit what stands in a block. Required where something waits
//	on_timeout   what then becomes of the batch, or of what failure_level says: hold, the default, abort or hard_abort. With
//	             {retry: 2, then: hold} it is tried again before, 1 to 100 times
//
//	# begins when its line is free and the tank is empty, and ends when all has come to rest
//	- id: TRANSFER
//	  level: phase
//	  uses: [LINE_1, PUMP_7]
//	  entry: "LT301 < 5 L and XV301 == closed"
//	  exit: "ZS101 == closed and stable(WT301, 0.1 kg, 5 s)"
//	  timeout: 10 min
//	  on_timeout: {retry: 2, then: hold}
//	  actions:
//	    - set: {XV101: open}
//	    - wait: "WT301 >= 50 kg"
//	    - set: {XV101: closed}
//
// Who is tried again has its whole time once more: a phase begins anew once all that it had set is safe again; of a block, or between
// phases, the wait alone begins anew. A phase that meters or names a line or message cannot be tried again. A hard_abort lets no logic run
// and requests the trip that the map declares (trip_request).
//
// An exit only waits, after the last action: what must follow it, such as closing a valve, stands in the next phase.
// The equipment of uses needs no tag: what counts is that branches of this batch name it, and one has it at a time. Where the map
// lists its resources, only those may be named; some may have several owners at a time, and what batches share is given by an arbiter,
// as a set, once all else of the uses is free. Who holds some of that and asks for more gets it in the order of the map's list only.
// An output that the map calls a part of what batches share is set only where that is used; it is the batch's from the grant on, when
// it is driven to its safe value unless it has that, and is driven there once more before the equipment is given back. Any other
// output keeps what it was set to when its phase has ended, until another phase sets it; at the end of the batch all go to their safe
// values. Branches that run at once may not set the same output. While an interlock of the map gates an output, a set that would take
// it from its safe value waits.
//
// # Blocks
//
// sequence: one after the other. parallel: all at once; it ends when all have ended.
//
//	# both valves at once
//	- id: CHARGE
//	  level: operation
//	  parallel:
//	    - {id: OPEN_A, level: phase, timeout: 20 s, actions: [{set: {XV102: open}}]}
//	    - {id: OPEN_B, level: phase, timeout: 20 s, actions: [{set: {XV202: open}}]}
//
// select: the first element whose when is true, in the order of the file; the last may have otherwise: true and is taken when all before
// are false. A condition on a value that is STALE or BAD is waited for and not passed over, with otherwise too, and so is a stable
// or elapsed in it that has yet to have its time. The same goes for the until of a repeat.
//
//	# heat only what is cold
//	- id: ADJUST
//	  level: operation
//	  timeout: 1 min
//	  select:
//	    - when: "TT301 < 40 Cel"
//	      id: WARM
//	      level: phase
//	      timeout: 30 min
//	      actions:
//	        - set: {HS301: on}
//	        - wait: "TT301 >= 40 Cel"
//	        - set: {HS301: off}
//	    - otherwise: true
//	      id: WARM_ALREADY
//	      level: phase
//	      actions:
//	        - mark: warm enough
//
// repeat: a sequence once, and again while until is false, at_most so many times (1 to 10,000). Then on_limit follows: hold, the
// default, where each restart grants one round more; abort; or continue with what comes after. Without until it is exactly so many
// rounds. Two rounds begin 100 ms apart at least.
//
//	# shots until the weight is reached
//	- id: TOP_UP
//	  level: operation
//	  timeout: 10 s
//	  repeat:
//	    until: "WT301 >= 99.5 kg"
//	    at_most: 5
//	    on_limit: hold
//	    sequence:
//	      - id: SHOT
//	        level: phase
//	        timeout: 1 min
//	        actions:
//	          - set: {XV102: open}
//	          - delay: 2 s
//	          - set: {XV102: closed}
//
// # Actions
//
// The actions of a phase follow each other. Each is one key with its value:
//
//	set: {XV101: open, TIC301.sp: 60 Cel}                outputs take values; done when the device has confirmed all, so it waits
//	wait: "TT301 >= 58 Cel"                              wait for a condition
//	delay: 5 s                                           let a time pass; a hold stops the clock
//	open_window: {window: W, meter: FQ101, target: 50 kg, tolerance: 0.5 kg}    begin to total what the meter counts
//	wait_total: {window: W, short_by: 2 kg}              wait until the total is that much short of the target; without short_by: at it
//	jog: {window: W, set: {XV102: open}, for: 200 ms, settle: 1 s, at_most: 3}    top it up in small portions
//	close_window: W                                      end the total and judge it by target and tolerance
//	verify_stable: {tag: FT101, within: 0.1 kg/min, for: 1 s}    wait until the value has kept within a band of that width for so long
//	mark: tank is empty                                  put a line into the log
//	prompt: Take a sample and confirm.                   ask the operator, and wait for the answer
//	request: {type: titrate, with: {volume: 5 mL}}       have the controller do what its maker has declared, and wait for the result
//	sync: FULL                                           meet other branches at a line
//	send: SEEDED                                         post a message
//	receive: SEEDED                                      wait for a message, and take it
//
// A prompt takes any words, unless it says what it wants. Then the answer is held against that: what does not fit is refused, with what
// is wanted, and the prompt goes on waiting. The number becomes the value of the parameter that into names, for this batch, from then on
// and within the limits of the parameter; whatever waits with the old value goes on with the new one, and what was set with it stays.
//
//	prompt: {text: Connect the hose., answer: confirm}                                  takes yes and nothing else
//	prompt: {text: Choose a filter., answer: choice, choices: [left, right]}            takes one of 2 to 16 choices, as it is written
//	prompt: {text: Number the sample., answer: text, max_length: 20}                    takes 1 to so many characters, 200 at most
//	prompt: {text: Weigh A., answer: number, min: 60 kg, max: 200 kg, into: charge}     takes a number with its unit, for $charge
//	prompt: {text: Dip it., answer: number, min: 0 L, max: 90 L, resolution: 0.5 L}     takes a number in steps
//
// min and max must be there and resolution, of which they and the answer are whole numbers, may be; all three are in one unit. An answer
// may be in another that converts.
//
// A window is opened, used and closed in one phase, has one name in the recipe, and may not stand in a repeat: it has one total in a
// batch. To correct a charge in a repeat, use shots and the level or weight, as above.
//
// # Charging to a target
//
//	# learns from batch to batch when to close, tops up what is short, and holds where there is too much
//	- id: CHARGE_A
//	  level: phase
//	  timeout: 10 min
//	  actions:
//	    - open_window: {window: A, meter: FQ101, target: 50 kg, tolerance: 0.10 kg, time: {within: 100 ms, tolerance: 0.05 kg}}
//	    - set: {XV102: open}
//	    - wait_total: {window: A, short_by: 0.20 kg, learn: {min: 0 kg, max: 0.60 kg, share: 50 %}}
//	    - set: {XV102: closed}
//	    - verify_stable: {tag: FT101, within: 0.01 kg/s, for: 1 s}
//	    - jog: {window: A, set: {XV102: open}, for: 200 ms, settle: 1 s, at_most: 3}
//	    - close_window: {window: A, out_of_tolerance: hold, not_good: hold}
//
// learn takes short_by for the first value only. When the window closes at its end, the error is what the settled total, that of before
// the first jog, is above the target; short_by becomes itself plus share of the error (above 0 % and up to 100 %), and stays between min
// and max. Nothing is learnt from a total that is not GOOD, that still flowed, or whose error is greater than max less min: that was
// something else than what runs in. The controller keeps what was learnt by recipe, meter and window, also for later versions of the
// recipe, as long as it lies within their limits; else it begins anew with short_by. A window learns once in a batch.
//
// A jog first lets things settle. While the total then is more than the tolerance short of the target, the outputs take what set says for
// that time, counted from when their devices have confirmed it, go to their safe values, and it settles again. After at_most jogs (1 to
// 100) the phase goes on, whatever the total. A hold ends a jog that is under way, and it counts as one: a restart opens nothing, but
// lets things settle and looks at the total anew, and so does a controller that comes up again. What an interlock gates is not opened
// while it blocks.
//
// close_window may say what follows its verdict: out_of_tolerance, and not_good for a total that is not GOOD, each continue (the
// default), hold, abort or hard_abort. It is a failure like a time-out, of this phase and what failure_level says. A restart goes on behind
// the close.
//
// # Where time matters
//
// Every record says how well the wall clock is known: sync_state (PTP_LOCKED, NTP_SYNC, HOLDOVER, RTC_ONLY, UNSET, from best to worst)
// and time_bound_ms, the greatest error that it may have. A bound that is not known is worse than any.
//
// time in open_window gives the tolerance, no wider than the other, by which the verdict is found where the bound is greater than within
// at the opening or the closing; the records say which tolerance it was, and why. A jog aims by the ordinary one.
//
// time in a phase says how well time must be known when the phase begins, behind its entry: within, the greatest bound; state, the least
// state; or both. otherwise says what follows: hold, where a restart is the decision of a person to let it begin all the same; abort; or
// confirm, which asks the operator, waits for yes and needs a timeout. Both decisions are on record.
//
//	# an exposure whose times an auditor compares with those of other systems
//	- id: STERILISE
//	  level: phase
//	  time: {within: 1 s, state: HOLDOVER, otherwise: confirm}
//	  timeout: 1 h
//	  actions:
//	    - set: {HS301: on}
//	    - delay: 20 min
//	    - set: {HS301: off}
//
// # Lines and messages
//
// Phases that name the same line with sync wait for each other, one in each of two or more branches of one parallel block, and go on
// together. A line may not stand in a repeat inside a branch.
//
//	# discharge only when the tank is hot and the hose is connected
//	- id: MAKE_READY
//	  level: operation
//	  parallel:
//	    - id: HEAT
//	      level: phase
//	      timeout: 1 h
//	      actions:
//	        - set: {HS301: on}
//	        - wait: "TT301 >= 58 Cel"
//	        - sync: READY
//	        - set: {HS301: off}
//	    - id: LAY_LINE
//	      level: phase
//	      timeout: 1 h
//	      actions:
//	        - prompt: Connect the hose to XV301 and confirm.
//	        - sync: READY
//	        - set: {XV301: open}
//
// A message goes one way: send never waits, receive does. Up to 255 of one name wait to be received, and each must be received before
// the recipe ends.
//
//	# the sample waits until the tank is stirred
//	- id: SAMPLE
//	  level: operation
//	  parallel:
//	    - id: STIR
//	      level: phase
//	      timeout: 1 h
//	      actions:
//	        - set: {AG301: running}
//	        - delay: 5 min
//	        - send: MIXED
//	    - id: TAKE
//	      level: phase
//	      timeout: 2 h
//	      actions:
//	        - receive: MIXED
//	        - prompt: Take a sample and confirm.
//
// # Hold, restart, stop, abort
//
// Unless a phase says otherwise, hold, stop and abort drive all outputs that it has set to their safe values, and restart brings back what
// a hold took. on_hold, on_restart, on_stop and on_abort give a phase logic of its own for that, of set, delay, wait and mark: the
// outputs that the logic sets follow it and stay so while the phase is held, all others go to their safe values at once. When its
// timeout, which must be there, is over, all do. A hard abort, ordered or as on_timeout, is one of the whole batch: no logic runs, and all
// outputs go to their safe values at once. An abort keeps a record of what was found: all values, and what each phase waited for.
//
//	# keep stirring while held; empty the tank on abort
//	- id: DISSOLVE
//	  level: phase
//	  timeout: 1 h
//	  on_hold: {timeout: 10 s, actions: [{set: {AG301: running}}, {mark: stirring while held}]}
//	  on_abort: {timeout: 1 min, actions: [{set: {XV301: open}}, {delay: 30 s}]}
//	  actions:
//	    - set: {AG301: running, HS301: on}
//	    - wait: "TT301 >= 58 Cel"
//
// recovery, in a phase or in the header, says what follows when the controller comes up again in the middle of a phase: hold, the
// default; resume; repeat, the phase from its beginning, unless it meters or names a line or message; abort; or restart, a new batch,
// which begins with the formula of the recipe at its size: a value that the one before was changed to, by order or by answer, is not taken
// over. What on_timeout has used of its retries is used: a restart after a hold grants none.
//
// # Equipment phases
//
// Phases directly after each other in a sequence that name the same equipment_phase hand it over: the agitator does not stop between
// them. After the last one its outputs go to their safe values.
//
//	# one agitator for both
//	- id: REACT
//	  level: operation
//	  sequence:
//	    - {id: HEAT_UP, level: phase, equipment_phase: AGITATE, timeout: 1 min, actions: [{set: {AG301: running}}]}
//	    - {id: KEEP, level: phase, equipment_phase: AGITATE, timeout: 1 h, actions: [{delay: 30 min}]}
//
// # Conditions
//
// A condition stands in quotes: [cond.Parse] has the grammar.
//
//	"TT301 >= $hot and not (XV101 == open or XV201 == open)"    a number with a quantity, a switch with one of its words
//	"ES301"                                                     a switch that is on: its second word in the map
//	"stable(TT301, 0.2 Cel, 30 s)"                              has kept within a band of that width for that time
//	"elapsed(10 min)"                                           that time has passed since the wait began
//	"2 of (TT301 > 58 Cel, LT301 > 20 L, WT301 > 20 kg)"        so many are true, or more
//
// A value that is STALE or BAD counts neither as true nor as false. It can only be outvoted, by a true side of an or, by a false side of
// an and, by so many of an "N of" that it does not matter.
//
// # What is refused elsewhere
//
// Parse knows no map. batch.Load holds a recipe against one, in names, words and units, and proves that no run of it gets stuck (package
// sound): that no branches wait for each other in a circle, every message comes, and every element is reached.
func Parse(file string, src []byte) (*Recipe, error) {
	r := read(file, src)
	if err := r.recipe.Doc.Err(); err != nil {
		return nil, err
	}
	return r.recipe, nil
}
