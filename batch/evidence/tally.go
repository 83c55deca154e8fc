// The sum of a metering window, from its sample lines, by other arithmetic than the engine's: whole numbers of any size.

package evidence

import (
	"math/big"
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
)

// Words of sample lines that are no quality.
const (
	wordCut = "CUT"
	wordNew = "NEW"
)

const nsOfSecond = 1_000_000_000

// happened is something that has happened to an open window, as its record must tell it. The numbers are those of the source.
type happened struct {
	event    string // window_event
	from, to int64
	ns       int64 // gap_end: how long it was
}

// tally adds up the lines of one window. Times are ns.
type tally struct {
	m     *metering.Meter
	start int64 // when the window opened

	lines   uint64
	line    int64 // time of the last line
	number  int64 // time of the last line with a number
	counted bool  // there is one in this epoch
	source  tag.Quality
	worst   tag.Quality
	inGap   bool
	gaps    uint64
	gap     big.Int // length of the last gap
	gapTime big.Int
	cuts    int64
	spread  big.Int // between lines with a number
	spaces  int64
	late    uint64
	missing big.Int

	sum     big.Int // in units of which the meter's K makes counts of the total
	over    bool    // something does not fit where the engine keeps it
	count   big.Int // of a counter: its counts; of a scale: what it has gained
	last    int64   // reading of a counter
	value   big.Int // what the last reading stands for
	first   big.Int // of a scale: what the first one stands for
	tare    int64
	upTo    int64 // up to where a flow is integrated; when a counter was read last
	changed int64 // when a counter last changed
	step    int64 // last increment, 0 where nobody knows in which time it came
	took    int64
	newest  []int64 // readings that a median is taken of
	inForce bool    // a flow is
	timed   bool    // nothing lies between upTo and now that hides time
	whole   bool    // no line without number since changed
	fresh   bool    // the next number is the first of another device
	outside bool
	mute    bool // at the end readings were missing

	until uint64 // lines after which the total is noted; 0: it is not
	noted int64
}

func newTally(m *metering.Meter, start int64) *tally {
	return &tally{m: m, start: start, worst: tag.Good, source: tag.Good}
}

func (t *tally) counter() bool {
	return t.m.Method == metering.Pulses || t.m.Method == metering.Totalizer
}

// add takes in one line. The first is the reading in force when the window opened.
func (t *tally) add(at, raw int64, word string) (told []happened) {
	t.lines++
	if t.lines == t.until {
		defer func() { t.noted, _ = t.total() }()
	}
	if t.lines == 1 {
		t.begin(at, raw)
		return nil
	}
	if word == wordCut {
		return t.cut(at)
	}
	at = max(at, t.line)
	t.reach(at)
	switch word {
	case wordNew:
		t.hold(at)
		t.inForce, t.newest, t.whole, t.fresh, t.step, t.worst = false, nil, false, true, 0, tag.Bad
		return nil
	case tag.Good.String():
		return t.numbered(at, raw)
	}
	t.hold(at)
	t.inForce, t.newest, t.whole = false, nil, false
	return t.broken(parseQuality(word))
}

// begin takes in the reading in force.
func (t *tally) begin(at, raw int64) {
	t.line, t.number, t.counted = at, at, true
	t.last, t.tare, t.upTo, t.changed, t.timed, t.whole = raw, raw, at, at, true, true
	if t.counter() {
		return
	}
	y, ok := t.stands(t.median(raw))
	t.value.Set(y)
	t.first.Set(y)
	t.inForce, t.outside, t.upTo = ok, !ok, max(at, t.start)
}

// cut takes in that an epoch begins: time starts anew.
func (t *tally) cut(at int64) []happened {
	t.line, t.counted = at, false
	t.cuts++
	t.inForce, t.newest, t.timed, t.whole, t.step, t.upTo, t.changed = false, nil, false, false, 0, at, at
	return t.broken(tag.Stale)
}

// broken takes in that there is no number.
func (t *tally) broken(q tag.Quality) []happened {
	t.source, t.worst = q, min(t.worst, q)
	if t.inGap {
		return nil
	}
	t.inGap = true
	t.gaps++
	t.gap.SetInt64(0)
	return []happened{{event: "gap"}}
}

// reach lets time come to at.
func (t *tally) reach(at int64) {
	if at <= t.line {
		return
	}
	if dt := big.NewInt(at - t.line); t.inGap {
		t.gap.Add(&t.gap, dt)
		t.gapTime.Add(&t.gapTime, dt)
	}
	t.line = at
}

// numbered takes in a line with a number.
func (t *tally) numbered(at, raw int64) (told []happened) {
	if t.inGap {
		told = append(told, happened{event: "gap_end", ns: nearest64(&t.gap)})
	}
	t.inGap, t.source = false, tag.Good
	if t.counted {
		t.space(at - t.number)
	}
	t.number, t.counted = at, true
	from, was := t.last, t.outside
	var event string
	switch t.m.Method {
	case metering.Flow:
		event, from = t.flow(at, raw), 0
	case metering.Weight:
		event, from = t.weigh(raw), 0
	default:
		event = t.counts(at, raw)
	}
	if event == "out_of_range" {
		from = 0
	}
	if event != "" && event != "rollover" || t.over {
		t.worst = tag.Bad
	}
	if event != "" && (event != "out_of_range" || !was) {
		told = append(told, happened{event: event, from: from, to: raw})
	}
	return told
}

// space counts the time between two readings, by the declared period.
func (t *tally) space(dt int64) {
	t.spaces++
	t.spread.Add(&t.spread, big.NewInt(dt))
	if t.overdue(dt) {
		t.late++
		t.lacks(dt)
	}
}

// overdue tells whether a time without a reading is more than a period and a half; lacks counts the readings that did not come in it.
func (t *tally) overdue(dt int64) bool {
	p := t.m.Period
	return p > 0 && dt-p > p/2
}

func (t *tally) lacks(dt int64) {
	t.missing.Add(&t.missing, halfEven(big.NewInt(dt), big.NewInt(t.m.Period)))
	t.missing.Sub(&t.missing, big.NewInt(1))
}

// counts takes in a reading of a counter and names what it says of the counter, "" where it has just counted.
func (t *tally) counts(at, raw int64) string {
	old, dt := t.last, at-t.upTo
	t.last, t.upTo = raw, at
	anew := func() { t.changed, t.timed, t.whole, t.fresh, t.step = at, true, true, false, 0 }
	if t.fresh {
		anew()
		return ""
	}
	most, timed := t.m.Most, t.timed
	if !timed {
		most = 0
	}
	inc, event := increment(t.m, most, old, raw, dt)
	switch {
	case event == "reset" || event == "replaced":
		anew()
		return event
	case inc.Sign() == 0 && timed:
		return event
	}
	took, whole := at-t.changed, t.whole
	t.changed, t.timed, t.whole, t.step = at, true, true, 0
	t.count.Add(&t.count, inc)
	t.over = t.over || !t.count.IsInt64()
	n := inc.Int64()
	switch curved := len(t.m.Curve.A) > 0; {
	case t.m.Method == metering.Pulses && t.m.Cutoff > 0 && timed && whole && took > t.m.Cutoff:
		return event
	case curved && (!timed || n == 0):
		return event
	case curved:
		piece := t.pieceOf(n, took)
		if t.outside = piece < 0; t.outside {
			return "out_of_range"
		}
		t.plus(t.m.Curve.A[piece], n)
		t.plus(t.m.Curve.B[piece], took)
	default:
		t.plus(n, 1)
	}
	if timed {
		t.step, t.took = n, took
	}
	return event
}

// plus adds a product to the sum.
func (t *tally) plus(a, b int64) {
	t.sum.Add(&t.sum, new(big.Int).Mul(big.NewInt(a), big.NewInt(b)))
	t.over = t.over || wide(&t.sum)
}

// wide tells whether a number does not fit 128 bits with its sign.
func wide(n *big.Int) bool {
	if n.Sign() < 0 {
		n = new(big.Int).Not(n)
	}
	return n.BitLen() > 127
}

// pieceOf finds the piece of the curve for n counts in so many ns, by their frequency; -1 where there is none.
func (t *tally) pieceOf(n, took int64) int {
	c := &t.m.Curve
	if len(c.X) == 0 {
		return 0
	}
	is := new(big.Int).Mul(big.NewInt(n), big.NewInt(1000*nsOfSecond))
	at := func(i int) int { return is.Cmp(new(big.Int).Mul(big.NewInt(c.X[i]), big.NewInt(took))) }
	for i := 0; i+1 < len(c.X); i++ {
		if at(i) >= 0 && at(i+1) <= 0 {
			return i
		}
	}
	return -1
}

// stands is what a reading of a flow or a weight stands for; false where the calibration does not say.
func (t *tally) stands(x int64) (*big.Int, bool) {
	c := &t.m.Curve
	if t.m.Method == metering.Flow && x < t.m.Cutoff && -x < t.m.Cutoff {
		return new(big.Int), true
	}
	if len(c.A) == 0 {
		return big.NewInt(x), true
	}
	piece := 0
	if len(c.X) > 0 {
		if piece = slices.IndexFunc(c.X, func(edge int64) bool { return x <= edge }) - 1; piece == -1 && x == c.X[0] {
			piece = 0
		}
		if piece < 0 {
			return new(big.Int), false
		}
	}
	y := new(big.Int).Mul(big.NewInt(c.A[piece]), big.NewInt(x))
	y.Add(y, big.NewInt(c.B[piece]))
	t.over = t.over || !y.IsInt64()
	return y, true
}

// median is that of the newest readings: of an odd number of them.
func (t *tally) median(x int64) int64 {
	if t.m.Median <= 1 {
		return x
	}
	t.newest = append(t.newest, x)
	if more := len(t.newest) - t.m.Median; more > 0 {
		t.newest = t.newest[more:]
	}
	list := slices.Clone(t.newest[1-len(t.newest)%2:])
	slices.Sort(list)
	return list[len(list)/2]
}

// flow integrates the reading before up to this one.
func (t *tally) flow(at, raw int64) string {
	y, ok := t.stands(t.median(raw))
	if !ok {
		t.hold(at)
		t.inForce, t.outside = false, true
		return "out_of_range"
	}
	if dt := big.NewInt(at - t.upTo); dt.Sign() > 0 && t.inForce {
		rate := new(big.Int).Set(&t.value)
		if t.m.Trapezoid {
			rate.Add(rate, y)
		}
		t.sum.Add(&t.sum, rate.Mul(rate, dt))
		t.over = t.over || wide(&t.sum)
	}
	t.upTo, t.inForce, t.outside = max(t.upTo, at), true, false
	t.value.Set(y)
	return ""
}

// hold lets the flow in force hold until at. The factor of a trapezoid has the half, so it counts twice there.
func (t *tally) hold(at int64) {
	if t.m.Method != metering.Flow || at <= t.upTo {
		return
	}
	if t.inForce {
		part := new(big.Int).Mul(&t.value, big.NewInt(at-t.upTo))
		if t.m.Trapezoid {
			part.Lsh(part, 1)
		}
		t.sum.Add(&t.sum, part)
		t.over = t.over || wide(&t.sum)
	}
	t.upTo = at
}

// weigh takes in what the scale shows.
func (t *tally) weigh(raw int64) string {
	x := t.median(raw)
	y, ok := t.stands(x)
	if t.outside = !ok; !ok {
		return "out_of_range"
	}
	t.value.Set(y)
	if t.sum.Sub(y, &t.first); t.m.Loss {
		t.sum.Neg(&t.sum)
	}
	t.count.Sub(big.NewInt(x), big.NewInt(t.tare))
	t.over = t.over || !t.count.IsInt64()
	return ""
}

// end takes in that the window ends.
func (t *tally) end(at int64) {
	t.reach(at)
	t.hold(at)
	if dt := at - t.number; t.counted && t.overdue(dt) {
		t.lacks(dt)
		t.mute = true
	}
}

// quality is the worst of the lines and of the sum.
func (t *tally) quality() tag.Quality {
	if _, fits := t.total(); t.over || !fits {
		return tag.Bad
	}
	return t.worst
}

// total is the sum in counts of the total's resolution, rounded half to even; ok is false where 64 bits do not hold it.
func (t *tally) total() (counts int64, ok bool) { return t.scaled(&t.sum) }

func (t *tally) scaled(sum *big.Int) (counts int64, ok bool) {
	den := new(big.Int).Mul(big.NewInt(t.m.K.Den()), big.NewInt(max(1, t.m.Curve.Per)))
	q := halfEven(new(big.Int).Mul(sum, big.NewInt(t.m.K.Num())), den)
	if !q.IsInt64() {
		return 0, false
	}
	return q.Int64(), true
}

// halfEven is num/den, den above zero, rounded to the nearest whole number and from the middle to the even one.
func halfEven(num, den *big.Int) *big.Int {
	q, rest := new(big.Int).DivMod(num, den, new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(den); {
	case twice > 0, twice == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return q
}

// nearest64 is n, or the nearest number of 64 bits.
func nearest64(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return -1 << 63
	}
	return 1<<63 - 1
}

// flows tells whether something flows at the end, by the lines.
func (t *tally) flows(at int64) bool {
	switch t.m.Method {
	case metering.Flow:
		return t.inForce && t.value.Sign() != 0
	case metering.Weight:
		return false
	}
	return t.step != 0 && at-t.changed <= nsOfSecond
}

// edge is what flows in a second at the rate at the end, in counts of the total.
func (t *tally) edge(at int64) int64 {
	if !t.flows(at) {
		return 0
	}
	rate := new(big.Int)
	switch {
	case t.m.Method == metering.Flow:
		if rate.Mul(&t.value, big.NewInt(nsOfSecond)); t.m.Trapezoid {
			rate.Lsh(rate, 1)
		}
	case t.took <= 0:
		return 0
	default:
		n := big.NewInt(t.step)
		if c := &t.m.Curve; len(c.A) > 0 {
			piece := t.pieceOf(t.step, t.took)
			if piece < 0 {
				return 0
			}
			n.Mul(n, big.NewInt(c.A[piece]))
			n.Add(n, new(big.Int).Mul(big.NewInt(c.B[piece]), big.NewInt(t.took)))
		}
		if wide(n) {
			return 0
		}
		if rate = halfEven(n.Mul(n, big.NewInt(nsOfSecond)), big.NewInt(t.took)); wide(rate) {
			return 0
		}
	}
	v, _ := t.scaled(rate)
	return v
}
