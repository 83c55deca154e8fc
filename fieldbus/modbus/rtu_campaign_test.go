// The hostile line: thousands of exchanges with slaves and a wire that do everything wrong, and not one wrong value.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile is a line on which much goes wrong.
var hostile = ill{late: 80, lost: 20, deaf: 20, cut: 30, doubled: 50, before: 40, after: 30, flip: 30, hole: 30, foreign: 50, refused: 50}

// master is what the campaign asks of a client, so that another can take its place.
type master interface {
	ReadCoils(ctx context.Context, unit uint8, address uint16, out []bool) error
	ReadHolding(ctx context.Context, unit uint8, address uint16, out []uint16) error
	ReadInput(ctx context.Context, unit uint8, address uint16, out []uint16) error
	WriteCoil(ctx context.Context, unit uint8, address uint16, on bool) error
	WriteRegister(ctx context.Context, unit uint8, address, value uint16) error
	WriteRegisters(ctx context.Context, unit uint8, address uint16, values []uint16) error
	Prove(ctx context.Context, unit uint8) error
}

// lineTally is what a campaign has seen.
type lineTally struct {
	exchanges, good, refused, unanswered, doubted, proofs, proved, confirmed, unknown int
	wrong                                                                             []string
}

func (t *lineTally) String() string {
	return fmt.Sprintf("%d exchanges: %d reads right, %d writes confirmed, %d refused, %d unanswered, %d writes unknown, %d not sent in doubt, "+
		"%d of %d proofs, %d wrong", t.exchanges, t.good, t.confirmed, t.refused, t.unanswered, t.unknown, t.doubted, t.proved, t.proofs, len(t.wrong))
}

// campaign does n exchanges and holds each result against what the slaves have done.
type campaign struct {
	lineTally
	bus   *bus
	m     master
	rng   *rand.Rand
	alike bool // all reads have one function and length, and one slave is asked
}

const written = 200 // first address that the campaign writes to

func (c *campaign) run(ctx context.Context, n int) {
	units := slices.Sorted(maps.Keys(c.bus.slaves))
	for c.exchanges < n {
		c.exchanges++
		unit := units[c.rng.IntN(len(units))]
		if c.alike {
			unit = units[0]
		}
		call, cancel := ctx, context.CancelFunc(func() {})
		if c.rng.IntN(50) == 0 {
			call, cancel = context.WithTimeout(ctx, time.Duration(c.rng.IntN(20_000))*time.Microsecond)
		}
		var err error
		if c.rng.IntN(4) == 0 {
			err = c.write(call, unit)
		} else {
			err = c.read(call, unit)
		}
		cancel()
		if _, refused := errors.AsType[Exception](err); err == nil || refused {
			continue
		}
		if c.rng.IntN(5) > 0 { // now and then it is asked again in doubt
			c.proofs++
			if c.m.Prove(ctx, unit) == nil {
				c.proved++
			}
		}
	}
}

// bad notes a wrong result.
func (c *campaign) bad(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf("exchange %d: ", c.exchanges)+fmt.Sprintf(format, args...))
}

// told counts an error.
func (c *campaign) told(err error) error {
	_, answered := errors.AsType[Exception](err)
	switch {
	case answered:
		c.refused++
	case isErr(err, ErrUnknown):
		c.unknown++
	case isErr(err, ErrDoubt) && !isErr(err, os.ErrDeadlineExceeded):
		c.doubted++
	default:
		c.unanswered++
	}
	return err
}

func (c *campaign) read(ctx context.Context, unit byte) error {
	begin := time.Now()
	a, n := uint16(c.rng.IntN(220)), 4
	if c.alike {
		n = 4
	} else if c.rng.IntN(2) == 0 {
		n = 1 + c.rng.IntN(3) // as long as a proof
	} else if c.rng.IntN(4) == 0 {
		n = 1 + c.rng.IntN(20)
	}
	words, bits := make([]uint16, n), make([]bool, 8*n)
	fn, err := uint8(readHolding), error(nil)
	kind := c.rng.IntN(5)
	if c.alike {
		kind = 2
	}
	switch kind {
	case 0:
		fn, err = readInput, c.m.ReadInput(ctx, unit, a, words)
	case 1:
		fn, err = readCoils, c.m.ReadCoils(ctx, unit, a, bits)
		words = words[:0]
		for _, on := range bits {
			if words = append(words, 0); on {
				words[len(words)-1] = 1
			}
		}
	default:
		err = c.m.ReadHolding(ctx, unit, a, words)
	}
	if err != nil {
		return c.told(err)
	}
	for i, w := range words {
		if !c.held(unit, fn, a+uint16(i), w, begin) {
			c.bad("unit %d function %d address %d gave %d", unit, fn, a+uint16(i), w)
			return nil
		}
	}
	c.good++
	return nil
}

// held tells whether a register or coil held a value at any time since begin.
func (c *campaign) held(unit byte, fn uint8, a, value uint16, begin time.Time) bool {
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	before := word(unit, fn, a)
	if fn == readCoils {
		before &= 1
	}
	for _, e := range c.bus.log {
		if e.unit != unit || e.address != a || e.coil != (fn == readCoils) || fn == readInput {
			continue
		}
		if e.at.Before(begin) {
			before = e.value
		} else if e.value == value {
			return true
		}
	}
	return value == before
}

func (c *campaign) write(ctx context.Context, unit byte) error {
	begin, asked := time.Now(), c.asked()
	a, value := uint16(written+c.rng.IntN(3)), uint16(c.rng.IntN(3))
	by, err, n := uint8(writeRegister), error(nil), 1
	switch c.rng.IntN(4) {
	case 0:
		by, value = writeCoil, value&1
		err = c.m.WriteCoil(ctx, unit, a, value == 1)
	case 1:
		err = c.m.WriteRegister(ctx, unit, a, value)
	default:
		by, n = writeRegisters, 2
		err = c.m.WriteRegisters(ctx, unit, a, []uint16{value, value})
	}
	done := 0
	c.bus.mu.Lock()
	for _, e := range c.bus.log {
		if e.unit == unit && e.by == by && e.address >= a && e.address < a+uint16(n) && e.value == value && !e.at.Before(begin) {
			done++
		}
	}
	c.bus.mu.Unlock()
	switch {
	case err == nil && done < n:
		c.bad("unit %d: write to %d confirmed and not done", unit, a)
	case err == nil:
		c.confirmed++
	case isErr(err, ErrRefused) && done > 0:
		c.bad("unit %d: write to %d refused and done", unit, a)
	case !isErr(err, ErrRefused) && !isErr(err, ErrUnknown) && c.writes(asked) > 0:
		c.bad("unit %d: write to %d said to be not sent and was: %v", unit, a, err)
	}
	if err != nil {
		return c.told(err)
	}
	return nil
}

func (c *campaign) asked() int {
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	return len(c.bus.requests)
}

// writes counts the writes that came through since.
func (c *campaign) writes(since int) (n int) {
	c.bus.mu.Lock()
	defer c.bus.mu.Unlock()
	for _, r := range c.bus.requests[since:] {
		if r[1] >= writeCoil {
			n++
		}
	}
	return n
}

const char115200 = 10 * time.Second / 115200

func TestNoAnswerIsEverTakenForAnother(t *testing.T) {
	seeds, each := 40, 250
	if os.Getenv("BATCHKIT_LONG") == "1" {
		seeds, each = 300, 1000
	}
	var all lineTally
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer func() {
				cancel()
				time.Sleep(time.Minute) // for slaves that are late
			}()
			b := newBus(ctx, seed, char115200, 50*time.Millisecond, 1, 2, 17)
			b.ill = hostile
			b.ill.echo = seed%3 == 2
			port := newNear(b, 1750*time.Microsecond)
			m, err := NewRTU(port, &RTUOptions{Baud: 115200, Bits: 10, Timeout: 50 * time.Millisecond})
			require.NoError(t, err)
			c := &campaign{bus: b, m: m, rng: rand.New(rand.NewPCG(seed, 2))}
			c.run(ctx, each)
			require.Empty(t, c.wrong, "seed %d", seed)
			require.Zero(t, port.tight, "seed %d: requests that followed something by less than t3.5", seed)
			require.NoError(t, m.Close())
			all.exchanges, all.good, all.confirmed = all.exchanges+c.exchanges, all.good+c.good, all.confirmed+c.confirmed
			all.refused, all.unanswered, all.unknown = all.refused+c.refused, all.unanswered+c.unanswered, all.unknown+c.unknown
			all.doubted, all.proofs, all.proved = all.doubted+c.doubted, all.proofs+c.proofs, all.proved+c.proved
		})
	}
	require.Greater(t, all.good, all.exchanges/4, "it must do something: %s", all.String())
	t.Log(all.String())
}
