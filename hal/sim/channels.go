// The channels of the plant: their order, their cadence, and what each reads.

package sim

import "github.com/batchkit/batchkit/iomap/tag"

// channel is one row of the table of channels. It is due at every step k with k % every == phase.
type channel struct {
	name  string
	form  tag.Form
	every int64
	phase int64
}

// The places of the groups in the table.
const (
	chDI         = 0
	chCtr        = 5
	chTot        = 7
	chFlow       = 9
	chLevel      = 11
	chTemp       = 12
	chLoad       = 13
	chOut        = 14
	channelCount = chOut + outputs
)

// channels is the table; within one instant they are emitted in its order. All phases lie on two steps of every five, so that
// a shell wakes 35 times a second and not 100; see due.
var channels = [channelCount]channel{
	{"di/1", tag.Bool, 100, 35},
	{"di/2", tag.Bool, 100, 35},
	{"di/3", tag.Bool, 100, 35},
	{"di/4", tag.Bool, 100, 35},
	{"di/5", tag.Bool, 100, 35},
	{"ctr/1", tag.Int, 5, 0},
	{"ctr/2", tag.Int, 5, 0},
	{"tot/1", tag.Int, 5, 0},
	{"tot/2", tag.Int, 5, 0},
	{"ai/1", tag.Float32, 10, 2},
	{"ai/2", tag.Float32, 10, 2},
	{"ai/3", tag.Int, 20, 7},
	{"ai/4", tag.Float32, 20, 7},
	{"ai/5", tag.Int, 20, 7},
	{"do/1", tag.Bool, 100, 85},
	{"do/2", tag.Bool, 100, 85},
	{"do/3", tag.Bool, 100, 85},
	{"do/4", tag.Bool, 100, 85},
	{"do/5", tag.Bool, 100, 85},
	{"do/6", tag.Bool, 100, 85},
	{"do/7", tag.Bool, 100, 85},
	{"do/8", tag.Bool, 100, 85},
	{"ao/1", tag.Int, 100, 85},
}

// due tells whether any channel is due at step k.
func due(k int64) bool { return k%5 == 0 || k%10 == 2 || k%20 == 7 }

// channelOf returns the place of a channel in the table, or -1.
func channelOf(name string) int {
	for i := range channels {
		if channels[i].name == name {
			return i
		}
	}
	return -1
}

// read returns what the device behind channel ch shows after the newest step.
func (p *Plant) read(ch int) uint64 {
	m := &p.process
	jitter := func(signal uint64, span int64) int64 { return within(draw(m.seed, signal, uint64(p.step)), span) }
	switch {
	case ch < chCtr:
		return bit(p.contacts[ch-chDI].high)
	case ch < chTot:
		line := ch - chCtr
		return uint64(p.counter[line] + uint32(m.delivered[line]/pulseMass))
	case ch < chFlow:
		line := ch - chTot
		return uint64((p.totalizer[line] + m.delivered[line]) / pulseMass)
	case ch < chLevel:
		sum := int64(0)
		for _, f := range m.recent[ch-chFlow] {
			sum += f
		}
		return uint64(float32Bits(sum*6, 10_000_000)) // ug in 0.1 s to kg/min
	case ch == chLevel:
		counts := (m.contents*4095 + levelSpan/2) / levelSpan
		return uint64(max(0, min(counts+jitter(signalLevel, 1), 4095)))
	case ch == chTemp:
		return uint64(float32Bits(m.temp+jitter(signalTemp, 20_000), 1_000_000))
	case ch == chLoad:
		shake := int64(1)
		if m.stirrer > 0 {
			shake = 3
		}
		return uint64((m.contents+pulseMass/2)/pulseMass + jitter(signalLoad, shake))
	default:
		return uint64(p.out[ch-chOut])
	}
}

// startValues gives counters and totalizers where they stand when the plant is new.
func startValues(seed uint64) (counter [2]uint32, totalizer [2]int64) {
	for line := range uint64(2) {
		counter[line] = uint32(draw(seed, signalStart, 2*line))
		if seed%4 == 0 {
			counter[line] = ^(counter[line] % 2000)
		}
		// With a part below the last digit, so that totalizer and counter do not change at the same moment.
		totalizer[line] = int64(draw(seed, signalStart, 2*line+1) % (100_000 * kilogram))
	}
	return counter, totalizer
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
