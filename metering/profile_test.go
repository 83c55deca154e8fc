// Ten thousand random profiles: every total to the last bit as an auditor finds it from the lines.

package metering_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// profile is one window of a meter, and what happens to it.
type profile struct {
	auditor
	d     *rand.Rand
	name  string
	shape string
	start int64
	end   int64
	lines strings.Builder
	at    int64 // of the step
	line  int64 // of the last line
	level int64 // the counter, or what flows or stands on the scale
	rate  int64 // counts a second, about
	named int64
	now   tag.Quality
}

// shapes are how the source goes.
var shapes = []string{"step", "ramp", "pulsed", "noisy", "low"}

// newProfile draws a meter with a calibration.
func newProfile(d *rand.Rand) *profile {
	p := &profile{d: d, shape: shapes[d.IntN(len(shapes))], now: tag.Good}
	p.m = metering.Meter{Method: metering.Method(d.IntN(4)), Trapezoid: d.IntN(2) == 0, Loss: d.IntN(2) == 0}
	if d.IntN(2) == 0 {
		p.m.Period = 100_000_000
	}
	if p.m.Method >= metering.Flow && d.IntN(2) == 0 {
		p.m.Median = 3 + 2*d.IntN(4)
	}
	resolution := []string{"0.01 kg", "0.001 kg", "1 g", "0.05 kg"}[d.IntN(4)]
	one, unit, flow, per := "1 {pulse}", "kg/{pulse}", "kg/s", big.NewRat(1, nsPerUnit)
	p.one, p.rate = ratOf(1), 1<<d.IntN(12)
	switch p.m.Method {
	case metering.Pulses:
		p.m.Bits = []uint8{16, 32, 64}[d.IntN(3)]
		if d.IntN(3) == 0 {
			p.m.Cutoff = 150_000_000
		}
	case metering.Totalizer:
		one, unit, p.one = "0.01 kg", "1", big.NewRat(1, 100)
		if d.IntN(2) == 0 {
			p.m.Modulus = 1_000_000 + d.Int64N(2)
		}
	case metering.Flow:
		one, unit, flow, p.one, per = "0.1 kg/h", "1", "kg/h", big.NewRat(1, 10), big.NewRat(1, 3600*nsPerUnit)
		p.m.Cutoff = int64(d.IntN(2) * 40)
	case metering.Weight:
		one, unit, flow, p.one, per = "0.01 kg", "1", "kg", big.NewRat(1, 100), ratOf(1)
	}
	if p.m.Method <= metering.Totalizer && d.IntN(2) == 0 {
		p.m.Most = p.rate*4 + 1
	}
	p.calibrate(unit, flow)
	cal := metering.Calibration{ID: "C", Factors: []metering.Factor{p.factor}}
	if err := cal.Bind(&p.m, "M", quantityOf(one), quantityOf(resolution)); err != nil {
		if !strings.Contains(err.Error(), "write fewer digits") {
			panic(err)
		}
		return newProfile(d)
	}
	res := quantityOf(resolution)
	size := decimalOf(res.Coef, res.Scale)
	if res.Unit == "g" {
		size.Quo(size, ratOf(1000))
	}
	p.per = per.Quo(per, size)
	p.name = fmt.Sprintf("%s, %s, %v by %s", p.m.Method, p.shape, cal.Words("M"), resolution)
	return p
}

// calibrate draws a factor.
func (p *profile) calibrate(unit, flow string) {
	p.factor.Meter = "M"
	number := func(most int64, scale uint8, unit string) quantity.Quantity {
		return quantity.Quantity{Coef: p.d.Int64N(most) + 1, Scale: scale, Unit: quantity.Unit(unit)}
	}
	switch p.d.IntN(4) {
	case 0:
		p.factor.K = number(20_000, 4, unit)
	case 1:
		p.factor.Gain, p.factor.Offset = number(20_000, 4, unit), number(200, 3, flow)
		p.factor.Offset.Coef -= 100
	default:
		x, step := "Hz", uint8(0)
		switch p.m.Method {
		case metering.Totalizer:
			x, step = "kg/s", 2
		case metering.Flow:
			x, step = "kg/h", 1
		case metering.Weight:
			x, step = "kg", 2
		}
		var point metering.Point
		point.Source = quantity.Quantity{Coef: int64(p.d.IntN(2)) * -40, Scale: step, Unit: quantity.Unit(x)}
		if p.m.Method <= metering.Totalizer {
			point.Source.Coef = 0
		}
		point.True = quantity.Quantity{Coef: 0, Scale: 4, Unit: quantity.Unit(flow)}
		for range 2 + p.d.IntN(4) {
			p.factor.Points = append(p.factor.Points, point)
			point.Source.Coef += 1 + p.d.Int64N(1+p.rate*2)
			point.True.Coef += 1 + p.d.Int64N(1+p.rate*4)
		}
	}
}

// next draws the next value of the source.
func (p *profile) next(ns int64) int64 {
	var rate int64
	switch n := p.at / 100_000_000; p.shape {
	case "step":
		rate = p.rate * (n / 8 % 2)
	case "ramp":
		rate = p.rate * (n % 32) / 32
	case "pulsed":
		rate = p.rate * 4 * (max(0, 3-n%16) / 3)
	case "noisy":
		rate = p.rate + p.d.Int64N(p.rate+1) - p.rate/2
	case "low":
		rate = p.d.Int64N(3)
	}
	switch p.m.Method {
	case metering.Flow:
		return rate - int64(p.d.IntN(2))*p.d.Int64N(5)
	case metering.Weight:
		p.level += rate/8 + p.d.Int64N(3) - 1
		return p.level
	}
	p.level += rate * ns / nsPerUnit
	if p.m.Modulus > 0 {
		p.level %= p.m.Modulus
	}
	if p.m.Bits == 16 && p.d.IntN(2) == 0 {
		p.level &= 0xFFFF
	}
	return p.level
}

// write writes a line, as the package comment says.
func (p *profile) write(at, raw int64, word string) {
	if at = min(at, p.at); word != "CUT" {
		at = max(at, p.line)
	}
	p.line = at
	if word == "GOOD" {
		fmt.Fprintf(&p.lines, "%d\t%d\tGOOD\n", at, raw)
		return
	}
	fmt.Fprintf(&p.lines, "%d\t\t%s\n", at, word)
}

// event draws the next event and writes the line that it makes.
func (p *profile) event() metering.Event {
	ns := 50_000_000 + p.d.Int64N(100_000_000)
	if p.d.IntN(10) == 0 {
		ns *= p.d.Int64N(20)
	}
	p.at += ns
	ev := metering.Event{Kind: metering.Reading, Raw: p.next(ns), RawAt: p.at - p.d.Int64N(100_000_000)*p.d.Int64N(2), Quality: tag.Good}
	switch p.d.IntN(80) {
	case 0, 1:
		ev.Quality = tag.Quality(p.d.IntN(2))
	case 2, 3, 4:
		ev.Kind, ev.Quality = metering.Quality, tag.Quality(p.d.IntN(3))
	case 5:
		ev.Kind, p.at = metering.Cut, p.d.Int64N(1_000_000_000)
	case 6:
		ev.Role, ev.Raw = metering.Identity, p.named
		if p.d.IntN(3) == 0 {
			ev.Raw++
		}
	case 7:
		p.level = p.d.Int64N(max(0, p.level)/2 + 100)
		ev.Raw = p.level
	case 8:
		p.level += p.rate * p.d.Int64N(1_000)
		ev.Raw = p.level
	case 9: // near the end of a range
		p.level = max(p.m.Modulus, int64(1)<<min(p.m.Bits, 62)) - p.d.Int64N(p.rate+1) - 1
		if p.m.Method >= metering.Flow {
			p.level = 0
		}
		ev.Raw = p.level
	}
	switch {
	case ev.Kind == metering.Cut:
		p.write(p.at, 0, "CUT")
		p.now = tag.Stale
	case ev.Role == metering.Identity:
		if ev.Raw != p.named {
			p.named = ev.Raw
			p.write(ev.RawAt, 0, "NEW")
		}
	case ev.Kind == metering.Reading:
		p.write(ev.RawAt, ev.Raw, ev.Quality.String())
		p.now = ev.Quality
	default:
		if ev.Quality != tag.Good && ev.Quality != p.now {
			p.write(ev.RawAt, 0, ev.Quality.String())
		}
		p.now = ev.Quality
	}
	return ev
}

// run lets the machine take in the whole window and returns what it noted.
func (p *profile) run(t *testing.T, m, other *metering.Machine) (notes []metering.Note, ok bool) {
	p.at = 1_000_000_000 + p.d.Int64N(1_000_000_000)
	p.start = p.at
	m.Step(p.at-500_000_000, &metering.Event{Kind: metering.Reading, Role: metering.Identity, Quality: tag.Good}, nil)
	ev := metering.Event{Kind: metering.Open, Raw: p.next(0), RawAt: p.at - p.d.Int64N(100_000_000), Quality: tag.Good}
	fx := m.Step(p.at, &ev, nil)
	if fx[0].Kind != metering.Opened {
		return nil, false
	}
	p.line = ev.RawAt
	p.write(ev.RawAt, ev.Raw, "GOOD")
	var snap []byte
	for range p.d.IntN(60) {
		ev := p.event()
		if other != nil { // the machine dies before each event
			snap = m.Snapshot(snap[:0])
			_, err := other.Restore(snap)
			require.NoError(t, err)
			m, other = other, m
		}
		fx = m.Step(p.at, &ev, fx[:0])
		for _, e := range fx {
			if e.Kind == metering.Noted {
				notes = append(notes, e.Note)
			}
		}
	}
	p.at += p.d.Int64N(200_000_000)
	p.end = p.at
	m.Step(p.at, &metering.Event{Kind: metering.Close}, nil)
	if other != nil {
		_, err := other.Restore(m.Snapshot(snap[:0]))
		require.NoError(t, err)
	}
	return notes, true
}

func TestTenThousandProfilesAreThoseOfExactArithmetic(t *testing.T) {
	const seed, profiles = 20261129, 10_000
	seen := map[string]int{}
	for n := range profiles {
		p := newProfile(rand.New(rand.NewPCG(seed, uint64(n))))
		meters, windows := []metering.Meter{p.m}, []metering.Window{{}}
		m := metering.NewMachine(meters, windows)
		var other *metering.Machine
		if n%10 == 0 {
			other = metering.NewMachine(meters, windows)
		}
		noted, ok := p.run(t, m, other)
		name := fmt.Sprintf("seed %d, profile %d: %s, %+v", seed, n, p.name, p.m)
		if !ok {
			seen["refused"]++
			continue
		}
		if other != nil {
			m = other
		}
		text := p.lines.String()
		want := p.audit(text, p.start, p.end)
		got := m.Total(0)
		if !want.fits || !want.raw.IsInt64() {
			require.Equal(t, tag.Bad, got.Quality, name)
			seen["does not fit"]++
			continue
		}
		require.Equal(t, want.value, got.Value, "%s\n%s", name, text)
		expected := metering.Total{Value: want.value, Raw: want.raw.Int64(), StartAt: p.start, EndAt: p.end, Samples: want.lines, Source: p.now,
			Quality: want.worst, Late: want.late, Missing: want.missing, Gaps: want.gaps, GapTime: want.gapTime, Cuts: want.cuts,
			Apart: want.apart, Tare: got.Tare, FlowAtStart: got.FlowAtStart, FlowAtEnd: got.FlowAtEnd, EdgeFlow: got.EdgeFlow}
		if want.spacing > 0 {
			expected.Period = factor(want.spread, want.spacing)
		}
		if p.m.Method == metering.Flow {
			expected.Raw = 0
		}
		require.Equal(t, expected, got, "%s\n%s", name, text)
		require.Equal(t, sha256.Sum256([]byte(text)), m.Digest(0), name)
		p.recomputed(t, &got, text, name)
		for _, note := range want.notes {
			seen[fmt.Sprint(p.m.Method, " ", []string{"", "", "", "rolled over", "reset", "replaced", "", "outside"}[note])]++
		}
		seen[fmt.Sprint(p.m.Method, " ", got.Quality)]++
		seen[p.shape]++
		seen["notes"] += len(noted)
		seen["gaps"] += int(got.Gaps)
		seen["cuts"] += int(got.Cuts)
		if got.Apart > 0 {
			seen["apart"]++
		}
	}
	t.Logf("seed %d: %v", seed, seen)
	for _, what := range []string{"pulses GOOD", "totalizer GOOD", "flow GOOD", "weight GOOD", "pulses rolled over", "totalizer rolled over",
		"pulses reset", "totalizer reset", "pulses replaced", "totalizer replaced", "pulses outside", "totalizer outside", "flow outside",
		"weight outside", "apart", "gaps", "cuts", "step", "ramp", "pulsed", "noisy", "low"} {
		require.Greater(t, seen[what], 50, "%s: hardly drawn: %v", what, seen)
	}
}

// recomputed holds Recompute against what the machine showed.
func (p *profile) recomputed(t *testing.T, total *metering.Total, text, name string) {
	t.Helper()
	again, digest, err := metering.Recompute(bytes.NewReader([]byte(text)), &p.m, p.start, p.end)
	require.NoError(t, err, name)
	require.Equal(t, sha256.Sum256([]byte(text)), digest, name)
	want := *total
	want.FlowAtStart, again.Source = false, want.Source // quality that came back is no line
	if p.m.Method == metering.Weight {
		want.FlowAtEnd = false
	}
	require.Equal(t, want, again, name)
}
