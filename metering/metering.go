// Package metering turns samples into totals that can be recomputed.
//
// Start with [Machine]. A window has explicit edges, a calibration version and a unit; its total is a sum S over its sample lines
// (below), times K of its [Meter], rounded half to even, once, when it is read. The samples of a window are the readings of its
// source: the one in force when it opened and every one until it closed. Their lines are hashed as they come, so the record that
// closes the window carries their digest, and whoever has the lines, start, end and [Meter] can add them up again (seed H2-6);
// [Recompute] does.
//
// # Sample lines
//
// A line is time TAB number TAB word LF. The time is monotonic ns, never before that of the line before it in the same epoch: a
// reading that comes with an earlier one gets that. The number is the raw reading, in counts of the source. The word is its
// quality, GOOD, STALE or BAD; only a line with GOOD has a number. The first line is the reading in force, whose time may lie
// before the start. Lines are written by
//
//   - a reading of the source, GOOD or not;
//   - a change of its quality to another one that is not GOOD: at that time, without number;
//   - an epoch that begins: word CUT, in the time of the new epoch;
//   - an identity that changes: word NEW.
//
// A line without number begins a gap, which lasts to the next number; NEW does not. Holds and steps of the wall clock write
// nothing: what flows while a batch is held is in the total. Readings of second counters, device totals and identities are not
// lines of this file.
//
// # Sums
//
// Below, dt is a difference of times of lines, ns; (x) is what the [Curve] makes of x, which is x itself where there is none.
//
//   - Pulses, Totalizer: S is the sum of the increments from one number to the next, also over gaps and CUT, since the counter
//     went on counting. Whether there is an increment, or the counter was reset or replaced and there is none, is told below.
//     With a Curve, each that is not 0 is curved by dt since the number at which the count last changed, the first number at the
//     earliest; after CUT, NEW, or a reset, since the first number there. With Cutoff, an increment with dt above it is left out,
//     except over a gap. Over CUT dt is not known: Cutoff does not apply, and with a Curve nothing is added.
//   - Flow: x is the median, below; where it is less than Cutoff in amount, (x) is 0. S is the sum of (x) * dt, each number
//     holding until the next line, the last one until the end, and the first one from the start. Trapezoid: the sum of ((x) +
//     (next x)) * dt, and 2 * (x) * dt where the next line has no number or the window ends, and K has the half. From a line
//     without number to the next number nothing is added.
//   - Weight: x is the median; S is (last x) - (first x), or the negative of it for Loss, gaps or not.
//
// The median is of the newest Median numbers since the window opened or a line without number, as many as there are; where those
// are even in number, of all but the oldest. A reading outside the Curve, of Weight and Flow, is as one without number, but
// stays in the median of those that follow; an increment outside is not added, and the time counts from it.
//
// The total is S * K, or S * K / Per where the Curve has a Per.
//
// # Counters
//
// An increment over dt ns fits where it is not above Most * (dt + 1 s); dt is the time from one number to the next, also over a
// gap. From the old reading to the new one, of a range of 2^Bits or Modulus:
//
//   - new >= old, and new - old fits: it counts;
//   - new < old, and (new - old) modulo the range fits: it counts, and has rolled over;
//   - new < old, and new fits: it was reset. Otherwise it was replaced.
//
// Without Most, and over CUT, what is below half of 2^Bits fits. A Totalizer has then counted where new >= old; it has rolled
// over where old lies in the upper half of Modulus and new in the lower, and was reset otherwise. What was reset or replaced adds
// nothing, makes the window BAD, and counts on from the new reading. After NEW the next number adds nothing.
//
// # Quality
//
// A window is as good as the worst word of its lines, CUT being STALE; BAD from NEW, a counter reset or replaced, a reading
// outside the calibration, channels that differ, and a sum, a reading after its Curve or a count that does not fit its 128 or 64
// bits.
//
// # Regularity and edges
//
// Between two numbers that follow each other in one epoch, gaps or not, lies an interval. Period is the mean of them; one above 1.5
// times the declared period is late, and interval / period, rounded half to even, less one, are missing in it. As many are missing
// between the last number, where it is of the epoch of the end, and the end. GapTime is the
// time from a line without number to the next number, or the end, as far as it lies in one epoch: none before CUT that follows.
//
// EdgeFlow is what flows in 1 s at the rate at the end: of a flow that is in force, (x) * 10^9, twice that for a trapezoid; of a
// counter whose last increment came within 1 s before the end, that increment, curved, * 10^9 / dt, rounded half to even. It is
// made counts as S is. FlowAtEnd says whether there is such a flow; of a scale, whether it is not stable.
//
// # By hand
//
// Where a meter has a K-factor and no Curve, Cutoff or Median, and no counter was reset or replaced, these lines give the total
// from a sample file; a test runs them. The method is pulses, totalizer, rectangle, trapezoid or weight; lap is 2^Bits or the
// Modulus, 0 where there is none; K is that of the Meter, below zero for Loss. Python is exact:
//
// From a package, START and END are window_start_ts_mono and window_end_ts_mono of the window_stop record, the samples are
// samples/ID.tsv, and what is printed is totalized_value in counts of the resolution that the meter has on files/map.yaml. K is a
// count of the source (1 of what a counter counts, else the resolution of its tag), times 1 ns for a flow and half of that for a
// trapezoid, by the k_factor and density in coefficients of window_start, over the resolution of the meter. So 1 pulse by
// 100 {pulse}/kg over 0.01 kg is 1, and 0.01 kg/min by 1 ns over 0.001 kg is 1/6000000000, or 1/12000000000 for a trapezoid.
//
//	# python3 total.py METHOD START END K LAP < samples
//	import sys; from fractions import Fraction
//	method, start, end, k, lap = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Fraction(sys.argv[4]), int(sys.argv[5])
//	s, held, t = 0, None, start
//	for line in sys.stdin.read().splitlines() + ["%d\t\tEND" % end]:
//	    at, x, word = line.split("\t"); x = int(x) if x else None; at = int(at) if word == "CUT" else max(int(at), t)
//	    if method in ("rectangle", "trapezoid"):
//	        y = 0 if held is None or word == "CUT" else held if method == "rectangle" else held + (held if x is None else x)
//	        s += (at - t) * y
//	        held = x
//	    elif x is not None: s, held = s + (0 if held is None else (x - held) % lap if lap else x - held), x
//	    elif word == "NEW" and method != "weight": held = None
//	    t = at
//	print(round(s * k))
//
// awk counts in doubles: it is exact as long as the sum by the numerator of K stays below 2^53, and no time, number or lap is
// above that.
//
//	# awk -v method=METHOD -v start=START -v end=END -v num=NUM -v den=DEN -v lap=LAP -f total.awk samples
//	function take(at, x, word) {
//		if (word != "CUT" && at < t) at = t
//		if (method != "rectangle" && method != "trapezoid") { if (x != "" && has) s += x - held + (lap && x < held ? lap : 0) }
//		else if (has && word != "CUT") s += (at - t) * (method == "rectangle" ? held : held + (x == "" ? held : x))
//		if (x != "") { held = x + 0; has = 1 } else if (method ~ /angle|zoid/ || word == "NEW" && method != "weight") has = 0
//		t = at }
//	BEGIN { FS = "\t"; t = start + 0 }
//	{ take($1 + 0, $2 == "" ? "" : $2 + 0, $3) }
//	END { take(end + 0, "", ""); n = s * num; n = n < 0 ? -n : n; q = int(n / den); r = 2 * (n - q * den)
//		if (r > den || r == den && q % 2) q++
//		printf "%s%.0f\n", s * num < 0 && q ? "-" : "", q }
//
// The rule that must not be broken: no total without a calibration version, no silent zero and no silent bridge over a source
// that was not GOOD.
//
// The package is pure. It knows meters by number; package batch binds them to tags and calibrations.
package metering

import (
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering/quantity"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The events of a Machine.
const (
	Reading EventKind = iota + 1 // a source of a meter was read
	Quality                      // the quality of a meter's source changed
	Open                         // open a window
	Close                        // close a window
	Cut                          // an epoch began: what was in force is no more, and monotonic time begins anew
	Stepped                      // the wall clock was stepped
	Paused                       // the batch is held, or goes on again, while windows are open
)

// Role is which of a meter's sources an event is about.
type Role uint8

// The roles.
const (
	Main     Role = iota // what is totalized
	Other                // the second counter of a Pair
	Device               // the device's own total, a Check
	Identity             // what tells one device from another: a number that changes when it is exchanged
)

// Event is one input of a Machine.
type Event struct {
	Kind    EventKind
	Meter   int         // Reading, Quality
	Role    Role        // Reading, Quality
	Raw     int64       // Reading; Open: the reading in force
	RawAt   int64       // Reading and Open: when Raw was true, monotonic ns; Quality: when it changed
	Quality tag.Quality // Reading, Quality, Open: of the source
	Window  int         // Open, Close, Paused
	On      bool        // Paused: held, not going on
}

// EffectKind is the kind of an Effect.
type EffectKind uint8

// The effects of a Machine.
const (
	Opened  EffectKind = iota + 1 // a window opened
	Refused                       // a window did not open, and Why says why not
	Closed                        // a window closed; its Total stands
	Moved                         // the total of an open window may have changed
	Noted                         // something that is to be recorded has happened to an open window
)

// Note is what has happened to an open window.
type Note uint8

// The notes.
const (
	NoNote         Note = iota
	GapBegan            // its source is not GOOD
	GapEnded            // it is GOOD again
	RolledOver          // the source, or the device's total, has rolled over; that is no loss
	WasReset            // it was set back: what flowed cannot be told
	WasReplaced         // it is another one, or has jumped further than it can have counted: what flowed cannot be told
	ChannelsDiffer      // the two counters have drifted apart
	OutOfRange          // a reading lies outside the calibration
	BecameStable        // Weight
	BecameUnstable      // Weight
	TimeStepped         // the wall clock was stepped while it was open
	WasHeld             // the batch was held while it was open
	WentOn              // and goes on
)

// Effect is one consequence of an event.
type Effect struct {
	Kind   EffectKind
	Window int
	Note   Note // Noted
	Role   Role // Noted: of which source

	// The readings of a counter that RolledOver, WasReset or WasReplaced, or the identities; both counts where ChannelsDiffer.
	// OutOfRange: To is the reading. GapEnded: To is its length, ns, as far as it is known. Refused: From is the reading in force.
	From, To int64
	Why      string // Refused: one of the words WhyUsed to WhyTare
}

// Total is what a window shows.
type Total struct {
	Open    bool
	Value   int64       // counts of the meter's resolution
	Raw     int64       // Pulses, Totalizer: counts since the window opened; Weight: what the scale has gained, counts
	StartAt int64       // monotonic ns
	EndAt   int64       // monotonic ns; 0 while open
	Samples int64       // lines of the sample file
	Source  tag.Quality // that the source has now
	Quality tag.Quality // worst that the source had since the window opened

	Period   quantity.Ratio // mean time between two readings of the source, ns; 0 where there were no two
	Late     int64          // readings that came more than half a period late
	Missing  int64          // readings that did not come
	Gaps     int64          // times that the source was not GOOD, or nobody watched
	GapTime  int64          // ns that those lasted, as far as it is known
	Cuts     int64          // epochs that began meanwhile
	Steps    int64          // steps of the wall clock meanwhile
	HeldTime int64          // ns for which the batch was held

	Device        int64       // counts of the device's own total since the window opened
	DeviceQuality tag.Quality // worst that it had; BAD where it was reset or replaced, or cannot be told
	DeviceRolled  bool        // it has rolled over
	DeviceHalf    int64       // Device when Value passed half of the target; 0 before
	Half          int64       // Value then
	Other         int64       // counts of the second counter
	Apart         int64       // Pulses: counts that Cutoff leaves out of Value; Raw has them
	Tare          int64       // Weight: the reading when it opened, counts of the source
	FlowAtStart   bool        // something flowed, or the scale was not stable, when it opened; of a counter: in the second before
	FlowAtEnd     bool        // the same when it closed
	EdgeFlow      int64       // what flows in one second at the rate at the close, counts of the total; 0: nothing
}
