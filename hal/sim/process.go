// The process behind the plant's wires: valves, flows, tank and heat, in steps of 10 ms and in integers.

package sim

// The units of the process: ug of mass (and so, at 1 kg/L, nL of volume), uCel of temperature, 1/600 of a travel.
const (
	stepNS = 10_000_000 // length of a step, ns

	kilogram  = 1_000_000_000
	pulseMass = kilogram / 100 // of one pulse, and of one digit of totalizers and load cell
	tankLimit = 450 * kilogram // above it the tank spills
	heatLevel = 20 * kilogram  // below it the heater box does not heat
	levelSpan = 500 * kilogram // at full scale of ai/3

	coarseRate = 100 * kilogram / 1000 // per step fully open: 10 kg/s
	fineRate   = 10 * kilogram / 1000  // 1 kg/s
	drainRate  = 250 * kilogram / 1000 // 25 kg/s
	rateSpread = 20_000                // ppm by which rates differ from seed to seed
	flowNoise  = 5_000                 // ppm by which a flow wanders
	flowPeriod = 100                   // steps between two targets of that wandering

	travel     = 600
	openSpeed  = travel / 20 // 0.2 s
	closeSpeed = travel / 30 // 0.3 s
	openSwitch = travel * 95 / 100
	spinSpeed  = travel / 50  // 0.5 s
	stopSpeed  = travel / 100 // 1 s
	spinSwitch = travel * 8 / 10

	ambient    = 20_000_000 // uCel, of the room and of what flows in
	heatPower  = 11_400_000 // uCel times kg per step: 200 kg from 20 to 60 Cel in 7 s
	lossSteps  = 60_000     // time constant of the losses, in steps
	emptyLoss  = 1_000      // the same for an empty tank
	hysteresis = 300_000    // uCel below the set point at which heating begins again
)

// The signals of draw.
const (
	signalRates = 1<<33 + iota
	signalStart
	signalFlow // and the next, for line B
	_
	signalDrain
	signalLevel
	signalTemp
	signalLoad
)

// The outputs, in the order of their channels do/1 to do/8, ao/1.
const (
	outCoarseA = iota
	outFineA
	outCoarseB
	outFineB
	outHeater
	outAgitator
	outDrain
	outHorn
	outSetPoint
	outputs
)

// process is the whole state of the process. A step is a function of this state, the outputs and the number of the step.
type process struct {
	seed      uint64
	rate      [2][2]int64 // per step: line A and B, coarse and fine
	drain     int64
	valve     [5]int64 // position: coarse A, fine A, coarse B, fine B, drain
	stirrer   int64    // speed
	heating   bool
	temp      int64
	contents  int64
	drained   int64
	spilt     int64
	delivered [2]int64
	recent    [2][10]int64 // flow of the last ten steps
}

func newProcess(seed uint64) process {
	spread := func(i uint64, rate int64) int64 {
		return rate + rate/1_000_000*within(draw(seed, signalRates, i), rateSpread)
	}
	return process{
		seed: seed, temp: ambient,
		rate:  [2][2]int64{{spread(0, coarseRate), spread(1, fineRate)}, {spread(2, coarseRate), spread(3, fineRate)}},
		drain: spread(4, drainRate),
	}
}

// step does step k under the given outputs; leak and block tell which line does.
func (m *process) step(k int64, out *[outputs]int64, leak, block [2]bool) {
	for i, o := range [...]int{outCoarseA, outFineA, outCoarseB, outFineB, outDrain} {
		m.valve[i] = ramp(m.valve[i], out[o] != 0, openSpeed, closeSpeed)
	}
	m.stirrer = ramp(m.stirrer, out[outAgitator] != 0, spinSpeed, stopSpeed)
	for line := range 2 {
		in := m.flow(k, line, leak[line], block[line])
		m.recent[line][k%10] = in
		m.delivered[line] += in
		if in > 0 {
			m.temp += (ambient - m.temp) * in / (m.contents + in)
			m.contents += in
		}
	}
	if over := m.contents - tankLimit; over > 0 {
		m.spilt += over
		m.contents -= over
	}
	if m.valve[4] > 0 {
		gone := m.drain * m.valve[4] / travel
		gone = min(m.contents, gone+gone*wander(m.seed, signalDrain, k, flowPeriod, flowNoise)/1_000_000)
		m.drained += gone
		m.contents -= gone
	}
	m.heat(out)
}

func (m *process) flow(k int64, line int, leak, block bool) int64 {
	coarse, fine := m.valve[2*line], m.valve[2*line+1]
	if leak {
		fine = travel
	}
	if block || coarse+fine == 0 {
		return 0
	}
	f := (m.rate[line][0]*coarse + m.rate[line][1]*fine) / travel
	return f + f*wander(m.seed, signalFlow+uint64(line), k, flowPeriod, flowNoise)/1_000_000
}

// heat is the heater box: a thermostat that heats only what is stirred and covers the heater.
func (m *process) heat(out *[outputs]int64) {
	target := out[outSetPoint] * 100_000
	switch {
	case out[outHeater] == 0 || m.stirrer < spinSwitch || m.contents < heatLevel || m.temp >= target:
		m.heating = false
	case m.temp < target-hysteresis:
		m.heating = true
	}
	if m.heating {
		m.temp += heatPower * kilogram / m.contents
	}
	if m.contents < kilogram {
		m.temp -= (m.temp - ambient) / emptyLoss
	} else {
		m.temp -= (m.temp - ambient) / lossSteps
	}
}

// moving tells whether a valve or the stirrer is on its way.
func (m *process) moving(out *[outputs]int64) bool {
	for i, o := range [...]int{outCoarseA, outFineA, outCoarseB, outFineB, outDrain} {
		if m.valve[i] != goal(out[o]) {
			return true
		}
	}
	return m.stirrer != goal(out[outAgitator])
}

func goal(out int64) int64 {
	if out != 0 {
		return travel
	}
	return 0
}

func ramp(position int64, on bool, up, down int64) int64 {
	if on {
		return min(position+up, travel)
	}
	return max(position-down, 0)
}
