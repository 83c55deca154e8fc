// The plant as a Modbus device: which register is which channel, and what is answered.

package main

import (
	"context"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// spot is where the plant has a channel.
type spot struct {
	Channel string
	Name    string // as OPC UA shows it
	Table   server.Table
	Address uint16
	Words   int // registers; 0: one coil or register
	Form    tag.Form
}

// points is the plant's end of the wire: coils for the digital outputs, a holding register for the set point, input registers for all
// else. The controller's end is the device profile, demo/plc.yaml.
var points = []spot{
	{Channel: "do/1", Name: "valve_a_coarse", Table: server.Coil, Address: 0, Form: tag.Bool},
	{Channel: "do/2", Name: "valve_a_fine", Table: server.Coil, Address: 1, Form: tag.Bool},
	{Channel: "do/3", Name: "valve_b_coarse", Table: server.Coil, Address: 2, Form: tag.Bool},
	{Channel: "do/4", Name: "valve_b_fine", Table: server.Coil, Address: 3, Form: tag.Bool},
	{Channel: "do/5", Name: "heater", Table: server.Coil, Address: 4, Form: tag.Bool},
	{Channel: "do/6", Name: "agitator", Table: server.Coil, Address: 5, Form: tag.Bool},
	{Channel: "do/7", Name: "drain", Table: server.Coil, Address: 6, Form: tag.Bool},
	{Channel: "do/8", Name: "horn", Table: server.Coil, Address: 7, Form: tag.Bool},
	{Channel: "ao/1", Name: "temperature_set", Table: server.Holding, Address: 0, Form: tag.Int},
	{Channel: "ctr/1", Name: "pulses_a", Table: server.Input, Address: 0, Words: 2, Form: tag.Int},
	{Channel: "ctr/2", Name: "pulses_b", Table: server.Input, Address: 2, Words: 2, Form: tag.Int},
	{Channel: "tot/1", Name: "total_a", Table: server.Input, Address: 4, Words: 2, Form: tag.Int},
	{Channel: "tot/2", Name: "total_b", Table: server.Input, Address: 6, Words: 2, Form: tag.Int},
	{Channel: "ai/1", Name: "flow_a", Table: server.Input, Address: 8, Words: 2, Form: tag.Float32},
	{Channel: "ai/2", Name: "flow_b", Table: server.Input, Address: 10, Words: 2, Form: tag.Float32},
	{Channel: "ai/4", Name: "temperature", Table: server.Input, Address: 12, Words: 2, Form: tag.Float32},
	{Channel: "ai/5", Name: "weight", Table: server.Input, Address: 14, Words: 2, Form: tag.Int},
	{Channel: "ai/3", Name: "level", Table: server.Input, Address: 16, Words: 1, Form: tag.Int},
	{Channel: "di/1", Name: "valve_a_open", Table: server.Input, Address: 17, Words: 1, Form: tag.Bool},
	{Channel: "di/2", Name: "valve_b_open", Table: server.Input, Address: 18, Words: 1, Form: tag.Bool},
	{Channel: "di/3", Name: "drain_open", Table: server.Input, Address: 19, Words: 1, Form: tag.Bool},
	{Channel: "di/4", Name: "safety_healthy", Table: server.Input, Address: 20, Words: 1, Form: tag.Bool},
	{Channel: "di/5", Name: "agitator_turns", Table: server.Input, Address: 21, Words: 1, Form: tag.Bool},
}

// What the device has beside its channels.
const (
	coilCable = 97  // written 1: the line of the scale is unplugged; 0: it is plugged in
	coilEnd   = 98  // written 1: the process of the plant keeps its state and ends
	coilPower = 99  // written 1: the power of the board is cut, and comes back after darkness
	regTruth  = 100 // input registers: ug through meters A and B since the plant was new, four words each
	darkness  = int64(500 * time.Millisecond)
)

// Exceptions, as package modbus has them.
const (
	illegalAddress = server.Exception(modbus.IllegalAddress)
	illegalValue   = server.Exception(modbus.IllegalValue)
	busy           = server.Exception(modbus.Busy) // carried out is nothing
)

// board answers for a plant. A channel that a fault keeps silent, or bad, has no address meanwhile; a plant that is frozen or
// without power is silent altogether.
type board struct {
	ctx     context.Context // ends when the process does
	plant   *sim.Plant
	clock   timebase.Clock
	faults  []sim.Fault // their times count from the first request
	first   sync.Once
	asked   atomic.Bool // since this was last looked at
	end     func()
	lock    *os.File   // of its process
	home    *os.Root   // where it keeps its state
	scale   *indicator // of its load cell; nil: the board itself reads that alone
	channel map[server.Table]map[uint16]*spot
}

func newBoard(ctx context.Context, plant *sim.Plant, clock timebase.Clock, faults []sim.Fault, end func()) *board {
	b := &board{ctx: ctx, plant: plant.On(clock), clock: clock, faults: faults, end: end,
		channel: map[server.Table]map[uint16]*spot{server.Coil: {}, server.Holding: {}, server.Input: {}}}
	for i := range points {
		b.channel[points[i].Table][points[i].Address] = &points[i]
	}
	return b
}

// begin takes note of a request; with the first one the faults begin to count.
func (b *board) begin() {
	b.asked.Store(true)
	b.first.Do(func() {
		now := b.clock.Now()
		for _, f := range b.faults {
			f.At += now
			_ = b.plant.Fault(f) // was tried on another plant
		}
	})
}

// live advances the plant to now, and waits as long as it is silent.
func (b *board) live(ctx context.Context) error {
	for {
		b.plant.Advance(b.clock.Now(), func(tag.Raw) {})
		if b.plant.Awake() {
			return nil
		}
		if err := b.clock.Wait(ctx, b.clock.Now()+10_000_000); err != nil {
			return err
		}
	}
}

// Read implements server.Model.
func (b *board) Read(r server.Request, out []uint16) error {
	b.begin()
	if err := b.live(b.ctx); err != nil {
		return err
	}
	if r.Table == server.Input && r.Address >= regTruth {
		return b.truth(r.Address-regTruth, out)
	}
	channels := b.channel[r.Table]
	if int(r.Address)+len(out) > regTruth || channels == nil {
		return illegalAddress
	}
	for i := 0; i < len(out); i++ {
		p := channels[r.Address+uint16(i)]
		if p == nil {
			return illegalAddress
		}
		raw, ok := b.plant.Read(p.Channel)
		if !ok || raw.Quality != tag.Good {
			return illegalAddress
		}
		for word := max(p.Words, 1) - 1; word >= 0; word-- {
			if i+word < len(out) {
				out[i+word] = uint16(raw.Bits)
			}
			raw.Bits >>= 16
		}
		i += max(p.Words, 1) - 1
	}
	return nil
}

// truth gives what flowed through the meters.
func (b *board) truth(at uint16, out []uint16) error {
	if int(at)+len(out) > 8 {
		return illegalAddress
	}
	for i := range out {
		word := int(at) + i
		out[i] = uint16(uint64(b.plant.Delivered(word/4)) >> (48 - 16*(word%4)))
	}
	return nil
}

// Write implements server.Model.
func (b *board) Write(r server.Request, values []uint16) error {
	b.begin()
	if r.Table == server.Coil && len(values) == 1 && r.Address == coilCable && b.scale != nil {
		if err := b.scale.plug(values[0] == 0); err != nil {
			return busy
		}
		return nil
	}
	if r.Table == server.Coil && len(values) == 1 && values[0] == 1 {
		switch r.Address {
		case coilEnd:
			b.end()
			return nil
		case coilPower:
			return b.cut()
		}
	}
	for i, v := range values { // all or nothing is written
		if _, err := b.output(r, i, v); err != nil {
			return err
		}
	}
	for i, v := range values {
		p, _ := b.output(r, i, v)
		if err := b.live(b.ctx); err != nil {
			return err
		}
		// It returns when the device has confirmed.
		if err := b.plant.Write(b.ctx, tag.Write{Channel: p.Channel, Form: p.Form, Bits: uint64(v)}); err != nil {
			return busy
		}
	}
	return nil
}

// output finds the output that the i-th value of a request is for, and refuses a value that it cannot have.
func (b *board) output(r server.Request, i int, v uint16) (*spot, error) {
	if int(r.Address)+i > math.MaxUint16 {
		return nil, illegalAddress
	}
	p := b.channel[r.Table][r.Address+uint16(i)]
	switch {
	case p == nil || p.Table == server.Input:
		return nil, illegalAddress
	case p.Channel == "ao/1" && v > sim.MaxSetPoint:
		return nil, illegalValue
	}
	return p, nil
}

// cut cuts the power of the board, and boots it again.
func (b *board) cut() error {
	b.plant.PowerCut(b.clock.Now())
	err := b.clock.Wait(b.ctx, b.clock.Now()+darkness)
	b.plant.Boot(b.clock.Now())
	b.plant.Advance(b.clock.Now(), func(tag.Raw) {})
	return err
}
