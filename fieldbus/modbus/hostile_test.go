// Hostile devices: whatever comes in, no value is wrong, no write is confirmed that was not done, and nothing panics.

package modbus

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// spoilt is the right reply with bytes changed.
func spoilt(change func(reply []byte) []byte) func([]byte) [][]byte {
	return func(request []byte) [][]byte { return [][]byte{change(own(request)[0])} }
}

func plus(i int) func([]byte) [][]byte {
	return spoilt(func(r []byte) []byte { r[i]++; return r })
}

func TestNoHostileReplyIsTakenForAnAnswer(t *testing.T) {
	table := []struct {
		name   string
		answer func([]byte) [][]byte
		want   error // nil: the words are those of the connection
	}{
		{"another transaction", plus(1), ErrStray},
		{"the transaction before", spoilt(func(r []byte) []byte {
			binary.BigEndian.PutUint16(r, binary.BigEndian.Uint16(r)-1)
			return r
		}), ErrStray},
		{"another protocol", plus(3), ErrStray},
		{"another unit", plus(6), ErrStray},
		{"another function", plus(7), ErrStray},
		{"the other read function", spoilt(func(r []byte) []byte { r[7] ^= readHolding ^ readInput; return r }), ErrStray},
		{"a length too long by one", plus(5), ErrStray},
		{"a length of 65535", spoilt(func(r []byte) []byte { r[4], r[5] = 255, 255; return r }), ErrStray},
		{"a length of 0", spoilt(func(r []byte) []byte { r[4], r[5] = 0, 0; return r }), ErrStray},
		{"another byte count, or echo of the address", plus(8), ErrStray},
		{"one byte more, with its length", spoilt(func(r []byte) []byte { r[5]++; return append(r, 0) }), ErrStray},
		{"one byte more, without", spoilt(func(r []byte) []byte { return append(r, 0) }), ErrStray},
		{"doubled", spoilt(func(r []byte) []byte { return append(r, r...) }), ErrStray},
		{"the request itself", func(r []byte) [][]byte { return [][]byte{append(r, 0, 0)} }, ErrStray},
		{"an exception for another function", func(r []byte) [][]byte { r[7]++; return [][]byte{refused(r, 2)} }, ErrStray},
		{"an exception of two bytes", func(r []byte) [][]byte {
			b := append(refused(r, 2), 0)
			b[5]++
			return [][]byte{b}
		}, ErrStray},
		{"text", func([]byte) [][]byte { return [][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n\r\n")} }, ErrStray},
		{"noise without end", func([]byte) [][]byte { return slices.Repeat([][]byte{make([]byte, 7)}, 100) }, ErrStray},
		{"silence", nil, os.ErrDeadlineExceeded},
		{"half of it", spoilt(func(r []byte) []byte { return r[:len(r)/2] }), os.ErrDeadlineExceeded},
		{"half of it and the end", func(r []byte) [][]byte { return [][]byte{own(r)[0][:6], hangUp} }, nil},
		{"the end", func([]byte) [][]byte { return [][]byte{hangUp} }, nil},
	}
	for _, x := range table {
		for _, call := range calls {
			synctest.Test(t, func(t *testing.T) {
				f := &far{answer: x.answer}
				c := f.client(t, 0)
				err := call.call(t.Context(), c)
				require.Error(t, err, "%s: %s", call.name, x.name)
				if x.want != nil {
					require.ErrorIs(t, err, x.want, "%s: %s", call.name, x.name)
				}
				require.Equal(t, call.writes, isErr(err, ErrUnknown), "%s: %s", call.name, x.name)
				f.set(func() { f.answer = own })
				require.ErrorIs(t, call.call(t.Context(), c), ErrDown, "%s: %s", call.name, x.name)
				require.Len(t, f.requests, 1)
			})
		}
	}
}

func TestAReplyInPiecesIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(request []byte) (frames [][]byte) {
			for _, b := range own(request)[0] {
				frames = append(frames, []byte{b})
			}
			return frames
		}}
		c := f.client(t, 0)
		out := make([]uint16, MaxRead)
		require.NoError(t, c.ReadHolding(t.Context(), 1, 77, out))
		require.EqualValues(t, 77+124, out[124])
		require.NoError(t, c.WriteCoil(t.Context(), 1, 77, true))
	})
}

// mess is a device, with its network, that owes replies, doubles them, mixes them up and passes them to later connections.
// What it holds depends on the number of the transaction, so that an old value is a wrong one.
type mess struct {
	far
	rng    *rand.Rand
	busy   sync.Mutex // over all that follows
	serial uint64
	done   bool // the write of this transaction
	owed   [][]byte
}

func (m *mess) value(table Table, address uint16) uint16 {
	h := (m.serial<<24 | uint64(address)<<8 | uint64(table)) * 0x9E3779B97F4A7C15
	return uint16(h >> 48)
}

func (m *mess) answer(request []byte) [][]byte {
	m.busy.Lock()
	defer m.busy.Unlock()
	reply := right(request, m.value)
	if len(m.owed) > 20 {
		m.owed = m.owed[10:]
	}
	old := reply
	if len(m.owed) > 0 {
		old = m.owed[m.rng.IntN(len(m.owed))]
	}
	m.owed = append(m.owed, reply)
	m.done = true
	switch m.rng.IntN(20) {
	case 0: // late: it is owed
		return nil
	case 1: // doubled
		return [][]byte{reply, reply}
	case 2: // doubled, in one piece
		return [][]byte{append(slices.Clone(reply), reply...)}
	case 3: // out of turn
		return [][]byte{old, reply}
	case 4:
		return [][]byte{reply, old}
	case 5: // another's
		return [][]byte{old}
	case 6: // another's head
		return [][]byte{append(slices.Clone(old[:8]), reply[8:]...)}
	case 7: // cut
		return [][]byte{reply[:m.rng.IntN(len(reply))]}
	case 8:
		return [][]byte{reply[:m.rng.IntN(len(reply))], hangUp}
	case 9:
		m.done = false
		return [][]byte{refused(request, Busy)}
	}
	return [][]byte{reply}
}

// transact does one random exchange and returns whether it was a write, whether what it brought was right, and its error.
func (m *mess) transact(ctx context.Context, c *Client) (writes, ok bool, err error) {
	m.busy.Lock()
	m.serial++
	m.done = false
	address, n, table, kind := uint16(m.rng.IntN(60_000)), 1+m.rng.IntN(4), Table(1+m.rng.IntN(4)), m.rng.IntN(6)
	m.busy.Unlock()
	words, coils := make([]uint16, n), make([]bool, n)
	switch {
	case kind == 0:
		err = c.WriteCoil(ctx, 1, address, true)
	case kind == 1:
		err = c.WriteRegisters(ctx, 1, address, words)
	case table == Coil:
		err = c.ReadCoils(ctx, 1, address, coils)
	case table == Discrete:
		err = c.ReadDiscrete(ctx, 1, address, coils)
	case table == Holding:
		err = c.ReadHolding(ctx, 1, address, words)
	default:
		err = c.ReadInput(ctx, 1, address, words)
	}
	m.busy.Lock()
	defer m.busy.Unlock()
	if kind < 2 {
		return true, m.done, err
	}
	ok = true
	for i := range n {
		want := m.value(table, address+uint16(i))
		if table == Coil || table == Discrete {
			ok = ok && coils[i] == (want&1 == 1)
			continue
		}
		ok = ok && words[i] == want
	}
	return false, ok, err
}

func TestTenThousandTransactionsWithADeviceThatMixesUpItsRepliesBringNoWrongValue(t *testing.T) {
	const transactions = 10_000
	seed := uint64(time.Now().UnixNano())
	synctest.Test(t, func(t *testing.T) {
		m := &mess{rng: rand.New(rand.NewPCG(seed, 1))}
		m.far.answer = m.answer
		o := &Options{Timeout: 10 * time.Millisecond, Dial: m.dial}
		var c *Client
		right, failed, unknown, dials := 0, 0, 0, 0
		for range transactions {
			if c == nil || over(c) {
				o.After = c
				var err error
				c, err = Dial(context.Background(), "far", o)
				require.NoError(t, err)
				dials++
			}
			writes, ok, err := m.transact(context.Background(), c)
			switch {
			case err == nil:
				require.True(t, ok, "seed %d: transaction %d", seed, m.serial)
				right++
			case isErr(err, ErrRefused):
				require.True(t, writes && !ok, "seed %d: transaction %d", seed, m.serial)
			case isErr(err, ErrUnknown):
				require.True(t, writes, "seed %d: transaction %d", seed, m.serial)
				unknown++
			default:
				require.False(t, writes, "seed %d: transaction %d: %v", seed, m.serial, err)
				failed++
			}
		}
		require.NoError(t, c.Close())
		t.Logf("seed %d: %d right, %d reads failed, %d writes unknown, %d connections", seed, right, failed, unknown, dials)
		require.Greater(t, right, transactions/3)
		require.Greater(t, failed, transactions/10)
		require.Greater(t, unknown, transactions/50)
		require.Greater(t, dials, transactions/10)
	})
}
