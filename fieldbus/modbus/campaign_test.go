// The campaign: random transactions with a device that mixes up its replies bring no wrong value; and a control that they do.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	reference "github.com/goburrow/modbus"
	"github.com/stretchr/testify/require"
)

// asked is one random transaction.
type asked struct {
	function uint8
	unit     uint8
	address  uint16
	n        int
	out      []uint16 // what a read brought
}

func (a *asked) reads() bool { return a.function <= readInput || a.function == readWrite }

// table is the one that is read.
func (a *asked) table() Table {
	if a.function == readWrite {
		return Holding
	}
	return Table(a.function)
}

// next makes up a transaction.
func (m *mess) next() *asked {
	m.busy.Lock()
	defer m.busy.Unlock()
	m.serial++
	m.done, m.cut = false, false
	functions := []uint8{1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 6, 15, 16, 22, 23}
	a := &asked{function: functions[m.rng.IntN(len(functions))], unit: uint8(1 + m.rng.IntN(3)), n: 1 + m.rng.IntN(30)}
	a.address = uint16(m.rng.IntN(2000))
	a.out = make([]uint16, a.n)
	m.now = a
	return a
}

// judge tells whether what a transaction without an error told is true.
func (m *mess) judge(a *asked) bool {
	m.busy.Lock()
	defer m.busy.Unlock()
	if len(a.out) != a.n || a.function > readInput && !m.done {
		return false
	}
	for i, v := range a.out {
		if want := m.value(a.unit, a.table(), a.address+uint16(i)); a.reads() && v != want && (a.table() > Discrete || v != want&1) {
			return false
		}
	}
	return true
}

// tally is how a campaign went.
type tally struct{ right, wrong, refused, failed, unknown, dials int }

// ours does transactions with the client of this package, some of them several at a time.
func (m *mess) ours(t *testing.T, transactions int, addr string, o *Options) (sum tally) {
	var c *Client
	defer func() { _ = c.Close() }()
	for range transactions {
		for c == nil || over(c) {
			next, err := Dial(context.Background(), addr, o)
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) { // as a dial says it that was late by itself
					require.ErrorIs(t, err, context.DeadlineExceeded, "a machine that is busy may be late")
				}
				continue
			}
			c, o.After = next, next
			sum.dials++
		}
		a := m.next()
		if a.function <= readInput && a.n%2 == 0 && o.InFlight > 1 {
			m.several(t, c, a, &sum)
			continue
		}
		err := do(c, a)
		switch {
		case err == nil && m.judge(a):
			sum.right++
		case err == nil:
			sum.wrong++
			t.Logf("wrong: %+v, done %v", a, m.done)
		case isErr(err, ErrRefused) || a.function <= readInput && isErr(err, Busy):
			require.False(t, m.done, "%v", err)
			sum.refused++
		case isErr(err, ErrUnknown):
			require.Greater(t, a.function, uint8(readInput), "%v", err)
			sum.unknown++
		default:
			require.LessOrEqual(t, a.function, uint8(readInput), "%v", err)
			sum.failed++
		}
	}
	return sum
}

// several reads the same as a at four addresses.
func (m *mess) several(t *testing.T, c *Client, a *asked, sum *tally) {
	reads := make([]Read, 4)
	for i := range reads {
		reads[i] = Read{Unit: a.unit, Table: a.table(), Address: a.address + uint16(1000*i), Out: make([]uint16, a.n)}
	}
	err := c.ReadAll(context.Background(), reads)
	for _, r := range reads {
		one := &asked{function: uint8(r.Table), unit: r.Unit, address: r.Address, n: a.n, out: r.Out}
		switch {
		case r.Err == nil && m.judge(one):
			sum.right++
		case r.Err == nil:
			sum.wrong++
		case isErr(r.Err, Busy) || isErr(r.Err, IllegalAddress): // that of another beside it, which nobody can tell
			sum.refused++
		default:
			require.Error(t, err)
			sum.failed++
		}
	}
}

// do carries out a transaction.
func do(c *Client, a *asked) error {
	ctx, bits := context.Background(), make([]bool, a.n)
	defer func() {
		for i := range bits {
			if bits[i] {
				a.out[i] = 1
			}
		}
	}()
	switch a.function {
	case readCoils:
		return c.ReadCoils(ctx, a.unit, a.address, bits)
	case readDiscrete:
		return c.ReadDiscrete(ctx, a.unit, a.address, bits)
	case readHolding:
		return c.ReadHolding(ctx, a.unit, a.address, a.out)
	case readInput:
		return c.ReadInput(ctx, a.unit, a.address, a.out)
	case writeCoil:
		return c.WriteCoil(ctx, a.unit, a.address, true)
	case writeRegister:
		return c.WriteRegister(ctx, a.unit, a.address, 7)
	case writeCoils:
		return c.WriteCoils(ctx, a.unit, a.address, make([]bool, a.n))
	case writeRegisters:
		return c.WriteRegisters(ctx, a.unit, a.address, make([]uint16, a.n))
	case maskWrite:
		return c.MaskWrite(ctx, a.unit, a.address, 1, 2)
	default:
		return c.ReadWriteRegisters(ctx, a.unit, a.address, a.out, 5, []uint16{1})
	}
}

// theirs does transactions with github.com/goburrow/modbus, which is closed after every error but an exception and so connects anew.
func (m *mess) theirs(t *testing.T, transactions int, addr string) (sum tally) {
	h := reference.NewTCPClientHandler(addr)
	h.Timeout = 20 * time.Millisecond
	defer func() { _ = h.Close() }()
	c := reference.NewClient(h)
	for range transactions {
		a := m.next()
		h.SlaveId = a.unit
		values, err := theirDo(c, a)
		if refusal := (*reference.ModbusError)(nil); errors.As(err, &refusal) {
			sum.refused++
			continue
		}
		if err != nil {
			_ = h.Close()
			sum.failed++
			continue
		}
		a.out = a.out[:0]
		for i := range values {
			switch {
			case a.table() > Discrete && i%2 == 1:
				a.out = append(a.out, binary.BigEndian.Uint16(values[i-1:]))
			case a.table() <= Discrete:
				for k := range min(8, a.n-8*i) {
					a.out = append(a.out, uint16(values[i]>>k&1))
				}
			}
		}
		if !a.reads() {
			a.out = make([]uint16, a.n)
		}
		if m.judge(a) {
			sum.right++
		} else {
			sum.wrong++
		}
	}
	return sum
}

func theirDo(c reference.Client, a *asked) ([]byte, error) {
	n := uint16(a.n)
	switch a.function {
	case readCoils:
		return c.ReadCoils(a.address, n)
	case readDiscrete:
		return c.ReadDiscreteInputs(a.address, n)
	case readHolding:
		return c.ReadHoldingRegisters(a.address, n)
	case readInput:
		return c.ReadInputRegisters(a.address, n)
	case writeCoil:
		return c.WriteSingleCoil(a.address, coilOn)
	case writeRegister:
		return c.WriteSingleRegister(a.address, 7)
	case writeCoils:
		return c.WriteMultipleCoils(a.address, n, make([]byte, (a.n+7)/8))
	case writeRegisters:
		return c.WriteMultipleRegisters(a.address, n, make([]byte, 2*a.n))
	case maskWrite:
		return c.MaskWriteRegister(a.address, 1, 2)
	default:
		return c.ReadWriteMultipleRegisters(a.address, n, 5, 1, []byte{0, 1})
	}
}

// long is n in a plain test, and a hundred times as many in a long one.
func long(n int) int {
	if os.Getenv("BATCHKIT_LONG") == "1" {
		return 100 * n
	}
	return n
}

func TestADeviceThatMixesUpItsRepliesBringsNoWrongValue(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, inFlight := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			m, n := newMess(seed), long(10_000)
			sum := m.ours(t, n, "far", &Options{Timeout: 10 * time.Millisecond, InFlight: inFlight, Dial: m.dial})
			t.Logf("seed %d: %d transactions, %d in flight: %+v; of each kind %v", seed, n, inFlight, sum, m.of())
			require.Zero(t, sum.wrong, "seed %d", seed)
			require.Greater(t, sum.right, n/3)
			require.NotZero(t, slices.Min([]int{sum.refused, sum.failed, sum.unknown, slices.Min(m.of())}), "%+v", sum)
		})
	}
}

func TestADeviceThatMixesUpItsRepliesOnARealWireBringsNoWrongValueAndOneToAnotherClient(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for _, inFlight := range []int{1, 4} {
		m, n := newMess(seed), long(300)
		addr, right := m.listen(t), 0
		for tries := 0; tries < 5 && right <= n/4; tries++ { // a machine that is busy answers late more often than the device does
			sum := m.ours(t, n, addr, &Options{Timeout: 20 * time.Millisecond, InFlight: inFlight})
			t.Logf("seed %d: %d transactions, %d in flight: %+v", seed, n, inFlight, sum)
			require.Zero(t, sum.wrong, "seed %d", seed)
			right = sum.right
		}
		require.Greater(t, right, n/4)
	}
	m, n := newMess(seed), long(300)
	addr, sum := m.listen(t), tally{}
	for tries := 0; sum.wrong == 0 && tries < 8; tries++ {
		sum = m.theirs(t, n, addr)
	}
	t.Logf("seed %d: %d transactions of goburrow/modbus: %+v", seed, n, sum)
	require.NotZero(t, sum.wrong, "seed %d: the campaign must be able to find a client that is fooled", seed)
}
