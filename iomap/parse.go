// This file holds Parse: the header and the lists of a map file.

package iomap

import (
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/timebase"
)

// Schema is the version of the map language that this package reads (schema_version).
const Schema = 1

// maxMapBytes has room for MaxTags tags with all their keys.
const maxMapBytes = 4 << 20

// Parse reads a map file, YAML or its subset JSON; file is the name that errors show. What is wrong is returned all at once,
// each error with line, column and the line itself; then the Map is nil.
//
// The header names the mapping (mapping, version, schema_version: 1), the controller (device_id), the unit (equipment_id)
// and, relative to this file, where a meter needs K-factors the calibration file (calibration), and where channels are reached by a bus
// its tag map (tag_map). tags lists one entry for each wire:
//
//	logical_tag       name that recipes use: words of letters, digits and _ joined by points
//	physical_channel  channel of the board, for example di/3; each is bound once
//	direction         in or out
//	type              switch, number or counter; an output is no counter
//	form              form on the wire. switch: bool; counter: int; number: int, float32 or float64, as output int
//	polarity          switch: normal (default) or inverted, for a wire that is 0 when the switch is on
//	words             switch: names of off and on, by default [off, on]
//	resolution        number: one count of the scaled value, for example 0.01 kg
//	gain, offset      number: what one on the wire stands for, and what zero stands for (default 0)
//	unit              counter: what it counts, for example "{pulse}"
//	stale_after       age after which the value is STALE; every input has one, outputs that are read back may
//	debounce          switch, input: how long it must rest before its change counts
//	trigger           switch, input: level (default), or rising or falling: only its edge counts, from off to on or from on to off, behind
//	                  polarity and debounce, which such a tag must have, 10 ms or more. What is on at a boot, or after STALE or BAD, is no edge
//	pulse             switch, input, with trigger rising or falling: for how long the tag is on from each edge; otherwise it is off
//	safe_value        output: the word or quantity that it takes when things fail
//	min, max          number, output: limits of what may be written. Number, input: both or neither; what lies outside is BAD
//	filter            number, input: {type: none}; {type: median, samples: 3 to 9}; {type: exponential, time_constant: 2 s}, a low pass
//	                  of first order, 1 h at most. What is decided goes by it; totals do not, and have the filter of their meter. It begins
//	                  anew at a boot and after STALE or BAD
//	protocol_binding  how the channel is reached, as text for people and records, for example modbus unit 3, holding 40012
//	on_fault          output: what becomes of it while a fault of a class lasts, see below
//	depends_on        output: inputs whose faults are faults of it, MaxDepends at most
//	resource          output: the resource that it is a part of, which must be between_batches: a batch drives and judges it only while it
//	                  holds that
//	display           number: unit and decimals (0 to 6) that people are shown, for example {unit: t, decimals: 1}; records keep the
//	                  tag's own unit and all its digits
//
// meters lists the sources of totals (MaxMeters at most), each with the keys that its method has:
//
//	meter              its name
//	method             pulses (default): the source counts. totalizer: it is the device's own running total. flow: it is a rate, which
//	                   is integrated over time. weight: it is what stands on a scale
//	source             pulses: a counter. totalizer: a counter, or a number of form int. flow, weight: a number
//	resolution         one count of a total
//	display            unit and decimals that people are shown, as of a tag
//	bits               pulses: where the counter rolls over, 16, 32 or 64
//	most               pulses, totalizer: greatest plausible rate, such as 2000 Hz or 15 kg/s; what is faster is no count but a reset or an
//	                   exchange. Without it half the range is the limit
//	second             pulses: a second counter of the same flow, its bits, and how far the two may come apart in a window: at the
//	                   least what is counted between a reading of the one and the next reading of the other
//	modulus            totalizer: where it rolls over, for example 1000000 kg
//	integration        flow: between two readings the earlier one holds (rectangle), or the mean of both (trapezoid)
//	low_cutoff         flow: less than this is no flow. pulses: a frequency; what is slower is not counted
//	direction          weight: the total is what the scale has gained (gain) or lost (loss)
//	stable             weight: within what difference, and for how long, readings stay while the scale is stable
//	tare               weight: what must be so for a window to open: most on the scale, and whether it must be stable
//	totalizer          not of method totalizer: a number with the device's own total, which windows are held against
//	totalizer_modulus  where that rolls over
//	historian          a number with the total of a historian, or external: somebody is asked for it, or tells it
//	tolerance          allowed difference to totalizer and historian; both need it
//	sample_period      declared time between two readings; what comes later than one and a half of it is counted as late
//	filter             {type: none}; {type: median, samples: 3 to 9} of flow and weight; {type: device, delay: 200 ms}, which says how the
//	                   instrument itself smooths, is recorded, and does nothing here
//	identity           a number that tells one device from another: if it changes the device was exchanged
//
//	meters:
//	  - {meter: FQ101, source: FC101, bits: 32, most: 2000 Hz, second: {source: FC102, bits: 32, within: "200 {pulse}"}, resolution: 0.01 kg}
//	  - meter: FQ201
//	    method: totalizer
//	    source: FT201.total
//	    modulus: 1000000 kg
//	    most: 15 kg/s
//	    identity: FT201.serial
//	    resolution: 0.01 kg
//	  - meter: FQ301
//	    method: flow
//	    source: FT301
//	    integration: trapezoid
//	    low_cutoff: 0.05 kg/min
//	    sample_period: 100 ms
//	    filter: {type: device, delay: 200 ms}
//	    historian: external
//	    tolerance: 0.10 kg
//	    resolution: 0.001 kg
//	  - meter: WQ301
//	    method: weight
//	    source: WT301
//	    direction: gain
//	    stable: {within: 0.20 kg, for: 2 s}
//	    tare: {most: 5 kg, stable: true}
//	    filter: {type: median, samples: 5}
//	    resolution: 0.01 kg
//
// A source in another dimension than the total needs the calibration file: pulses a K-factor, kilograms against litres a density.
//
// units lists the equipment that recipes ask for by class: unit (its id), class, priority (1 is asked first), capabilities (name and
// quantity or word), tags and meters (the name that recipes use behind the unit's, and the tag or meter of this map).
//
// on_fault of an output says for each class of faults of which the defaults are not wanted its state (hold, drop or latch), of drop and
// latch the value, by default the safe_value, and recover (auto, restart, reset or plc); see [FaultClass], [SafeState] and [Recovery]:
//
//	# of the tag XV101
//	  depends_on: [FC101]
//	  on_fault:
//	    net_stale: {state: drop, recover: restart}
//	    sensor_bad: {state: latch}
//	    power_loss: {state: drop, value: open, recover: auto}
//
// By default input_invalid, net_stale and sensor_bad hold and recover by themselves, device_absent, runner_lost, watchdog and power_loss
// drop and recover by a restart, and safety_trip drops and recovers by the PLC. Refused is what cannot be: hold without supply, behind a
// reset, or of a device that does not answer; a hold that waits for a restart, since who is held brings outputs to their safe values; a
// latch without reset and a reset without latch; a device that did not answer and is to recover by itself. The output of trip_request
// has neither key.
//
// interlocks lists what holds whatever a recipe says (MaxInterlocks at most):
//
//	interlock_id      its name
//	kind              permissive: it permits while when is true. trip: it trips when when is true. safety_trip: the PLC chain reports
//	                  a trip while when is true; it is followed and recorded, never overridden, reset or cleared here
//	when              a condition on tags, MaxUsed of them at most; stable may stand in it, and begins anew at a boot; elapsed may not.
//	                  A value that is STALE or BAD and decides it permits nothing and trips a trip, after the debounce, too
//	debounce          10 ms to 60 s: how long a raw violation must rest before it counts, and how long it must be gone
//	vote_window       with vote: 1 to 32 debounces; the debounced violation must have lasted for vote of the time of the last
//	vote              vote_window, in ns and exact, for example 60 %: chatter that outlasts the debounce now and then does not trip. A
//	                  violation that stays trips when it has lasted for debounce + vote of vote_window
//	latch             of a trip: until_reset (it blocks until somebody orders reset_interlock), or auto
//	gates             outputs that may not leave their safe values while it blocks, and that a trip drives there; with []
//	                  the batch may not start or restart while it blocks
//	reaction          of a trip and safety_trip: hold, abort, hard_abort or none: what becomes of those who answer for the outputs that
//	                  it drives to their safe values, or of the batch where it gates none
//
//	interlocks:
//	  # the drain stays shut until the stirrer rests
//	  - {interlock_id: IL-DRAIN, kind: permissive, when: "SS301 == stopped", debounce: 100 ms, gates: [XV301]}
//	  # who heats a tank that is nearly empty for 1.2 s of 2 s is held, and the heating stays off until somebody resets it
//	  - interlock_id: IL-DRY
//	    kind: trip
//	    when: "LT301 < 20 L"
//	    debounce: 200 ms
//	    vote_window: 2 s
//	    vote: 60 %
//	    latch: until_reset
//	    gates: [HS301]
//	    reaction: hold
//	  # the PLC has shut everything: who had set something of it is aborted
//	  - {interlock_id: ES-CHAIN, kind: safety_trip, when: "ES301 == tripped", debounce: 50 ms, gates: [HS301, XV301], reaction: abort}
//
// A condition has 200 bytes at most, and gates MaxGates outputs. After a boot nothing is known of before: what is violated then blocks
// at once, and trips when it has outlasted its debounce and vote. What has latched stays latched.
//
// alarms lists what people are told of and have to acknowledge (MaxAlarms at most):
//
//	alarm_id          its name
//	message           what is told
//	priority          low, medium, high or urgent
//	when              a condition as that of an interlock; while it is STALE or BAD the alarm stays as it is
//	fault             instead of when: quality (a tag is not GOOD), output_fault (an output is not known to have its value), timeout (a
//	                  step ran out of time, until it goes on or ends), interlock (one that is no permissive has tripped), safe_state
//	                  (an output is in a safe state because of a fault)
//	of                of a fault: which tag or interlock; by default any
//	delay, off_delay  how long it must last before it is raised, and be gone before it is cleared, by default 0, 24 h at most
//
//	alarms:
//	  - {alarm_id: TAH301, message: the tank is hot, priority: high, when: "TT301 > 55 Cel", delay: 1 s, off_delay: 2 s}
//	  - {alarm_id: DRY, message: the heating was shut off, priority: urgent, fault: interlock, of: IL-DRY}
//	  - {alarm_id: LATE, message: a step ran out of time, priority: medium, fault: timeout}
//
// A message has 120 bytes at most. One that comes and goes again while nobody has acknowledged it is told less and less often: see
// [AlarmGap].
//
// resources lists the equipment that recipes name in uses, MaxResources at most: resource_id, owners (how many elements of one batch may
// hold it at a time, 1 to 64, by default 1), or between_batches: true for what batches share and one has at a time; an arbiter says
// which. The order of the list is the order in which a recipe may get one after the other; maps of batches that share must agree on
// it. What is shared may have an equipment_id, by which all who share it know it; by default that is its resource_id. A map without this
// list lets a recipe name what it likes, and each name has one owner.
//
//	resources:
//	  - {resource_id: PUMP_7}
//	  - {resource_id: STEAM, owners: 2}
//	  - {resource_id: LINE_1, between_batches: true}
//	  - {resource_id: REACTOR, between_batches: true, equipment_id: R-301}
//
// An output with resource: REACTOR is a part of it. A batch that does not hold REACTOR leaves such an output alone, at a boot, in a fault
// and at its end, too: interlocks of the map, on_fault and overrides concern it only in the batch that holds it.
//
// trip_request, where the PLC can be asked for a trip, says how a hard abort asks:
//
//	trip_request: {tag: ES_REQ, value: on, confirm: "ES301 == tripped", within: 500 ms}
//
// tag is a switch that is an output with a stale_after, which no recipe may set; its safe_value is the value at rest. value is written
// in a hard abort, before all else and without waiting for its record. It must read back, and confirm, if given, be true within that
// time, 5 s at most; otherwise it is recorded that it is not confirmed, the request is written again and again, and the end of the
// batch names the output. The request stands at the end. The start of the next batch on this map drives every output to its
// safe_value, and this one too: the PLC must latch a trip and keep it until it is reset there. Nothing here resets it.
//
// overrides lists what people may take out of the hands of the batch (MaxOverrides at most, of MaxOverrideTags tags together): outputs
// that they set by hand, and inputs to which they give a value, while that is granted to one of them.
//
//	override_id       its name
//	tags              outputs, and inputs that are no counters; not those of trip_request
//	roles             in which roles it may be had
//	held              true: only while the batch rests, that is Idle, Held or Paused; by default false
//	when              a condition, without stable and elapsed, on what devices say: only while it is true
//	limit             longest time of a grant, 1 s to 24 h
//	over_boot         ends (default): a start of the controller ends it. continues: it goes on, and the time without supply counts; where
//	                  nobody knows how long that was it ends
//
//	overrides:
//	  - {override_id: OV-FILL, tags: [XV301], roles: [maintenance], held: true, when: "LT301 < 80 L", limit: 15 min}
//	  - {override_id: OV-LEVEL, tags: [LT301], roles: [shift_lead], limit: 2 h, over_boot: continues}
//
// A grant ends by itself when its time is over or its conditions hold no more. See [Override] for what no override does.
//
// time says how right the wall clock has to be for what the batches on this map are compared with:
//
//	time: {order_tolerance: 100 ms}
//
// order_tolerance is the step of the wall clock, 1 ms to 1 h in whole milliseconds, up to which UTC may be believed for the order of
// events across it; a greater one marks the time between the two looks at the clock. By default it is 1 s. Nothing in a batch is
// ordered by UTC.
func Parse(file string, src []byte) (*Map, error) {
	doc := strictyaml.Parse(file, src, &strictyaml.Options{MaxBytes: maxMapBytes})
	r := reader{m: &Map{}, names: map[string]int{}, channels: map[string]int{}}
	f := doc.Root().Map()
	r.m.ID = f.Req("mapping").Ident()
	r.m.Version = f.Req("version").Ident()
	f.Req("schema_version").Int(Schema, Schema)
	r.m.Device = f.Req("device_id").Ident()
	r.m.Equipment = f.Req("equipment_id").Ident()
	if n, ok := f.Opt("calibration"); ok {
		r.m.Calibration = n.File()
	}
	if n, ok := f.Opt("tag_map"); ok {
		r.m.TagMap = n.File()
	}
	r.tags(f.Req("tags"))
	if n, ok := f.Opt("meters"); ok {
		r.meters(n)
	}
	if n, ok := f.Opt("units"); ok {
		r.units(n)
	}
	if n, ok := f.Opt("interlocks"); ok {
		r.interlocks(n)
	}
	if n, ok := f.Opt("alarms"); ok {
		r.alarms(n)
	}
	if n, ok := f.Opt("resources"); ok {
		r.resources(n)
	}
	if n, ok := f.Opt("trip_request"); ok {
		r.m.Trip = r.trip(n)
		r.ungated(n)
	}
	if n, ok := f.Opt("overrides"); ok {
		r.overrides(n)
	}
	r.faults()
	r.parts()
	r.m.OrderTolerance = timebase.StepLimit
	if n, ok := f.Opt("time"); ok {
		r.time(n)
	}
	f.Done()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return r.m, nil
}

// CondTag makes a Map the [cond.Lookup] of conditions on its scaled values. A counter cannot be compared: what it shows
// rolls over.
func (m *Map) CondTag(name string) (cond.Tag, bool) {
	id, ok := m.Lookup(name)
	if !ok {
		return cond.Tag{}, false
	}
	t := &m.Tags[id]
	return cond.Tag{ID: id, Switch: t.Type == Switch, Words: t.Words, Resolution: t.Resolution}, true
}

// reader fills a Map. Tags that are wrong are in it too, so that an ID is a place in the file's list, and so that a meter
// that names a wrong tag is not told that there is none.
type reader struct {
	m        *Map
	known    []bool         // by tag: its type and direction were read
	names    map[string]int // line of a logical tag
	channels map[string]int // line of a physical channel
	faulty   []faulty       // outputs that say what becomes of them in faults, in the order of the file
	owned    []part         // outputs that say of which resource they are a part, in the order of the file
}

func (r *reader) tags(n strictyaml.Node) {
	items := n.List(MaxTags)
	if n.Kind() == strictyaml.List && len(items) == 0 {
		n.Errorf("a mapping needs a tag")
	}
	for _, item := range items {
		t, known := r.tag(item)
		r.m.Tags, r.known = append(r.m.Tags, t), append(r.known, known)
	}
	r.triggers(n)
}

// quantityOf reads a number with its unit; ok is false where nothing stands there or it is refused.
func quantityOf(n strictyaml.Node) (q quantity.Quantity, ok bool) {
	text := n.Str()
	if text == "" {
		return quantity.Quantity{}, false
	}
	q, err := quantity.Parse(text)
	if err != nil {
		n.Errorf("%s", bare(err))
		return quantity.Quantity{}, false
	}
	return q, true
}

// countsOf reads a quantity as whole counts of a resolution that was read already; 0 where it is refused.
func countsOf(n strictyaml.Node, res quantity.Quantity) (int64, bool) {
	q, ok := quantityOf(n)
	if !ok || res.Unit == "" {
		return 0, false
	}
	counts, err := q.Counts(res)
	if err != nil {
		n.Errorf("%s", bare(err))
		return 0, false
	}
	return counts, true
}

// maxTimeDays keeps the sum of a time of a map and a monotonic time far from the end of 64 bits.
const maxTimeDays = 366

// timeOf reads a time above zero, in ns; 0 where it is refused.
func timeOf(n strictyaml.Node) int64 {
	q, ok := quantityOf(n)
	if !ok {
		return 0
	}
	ns, err := q.Nanoseconds()
	switch {
	case !q.Unit.Compatible("s"):
		n.Errorf("%q is not a time; write one such as 20 ms or 3 s", q)
	case err != nil || ns <= 0 || ns > maxTimeDays*86_400_000_000_000:
		n.Errorf("%q must be a time above zero, in whole nanoseconds, of %d d at most", q, maxTimeDays)
	default:
		return ns
	}
	return 0
}

// bare is the message of an error of package quantity without the name of the package.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "quantity: ") }

// maxName bounds names of tags and channels, in characters.
const maxName = 64

// nameOf reads the name of a tag as conditions can write it.
func nameOf(n strictyaml.Node) string {
	name := n.Str()
	if name != "" && (len(name) > maxName || !cond.IsName(name)) {
		n.Errorf("%q is not the name of a tag; it must be words of letters, digits and _ joined by points, beginning with a "+
			"letter, %d characters at most", name, maxName)
		return ""
	}
	return name
}

// channelOf reads the name of a physical channel: visible ASCII without spaces, quotes or commas.
func channelOf(n strictyaml.Node) string {
	name := n.Str()
	ok := len(name) <= maxName
	for i := range len(name) {
		c := name[i]
		ok = ok && c > ' ' && c < 0x7F && c != '"' && c != '\'' && c != ','
	}
	if !ok {
		n.Errorf("%q is not the name of a channel; it must be 1 to %d visible ASCII characters without spaces, quotes and commas",
			name, maxName)
		return ""
	}
	return name
}

// isWord tells whether s can be a word of a switch.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] == '.' {
			return false
		}
	}
	return cond.IsName(s)
}
