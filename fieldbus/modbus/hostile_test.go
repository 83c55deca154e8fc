// Hostile devices: whatever comes in, no value is wrong, no write is confirmed that was not done, and nothing panics.

package modbus

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"testing/synctest"

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
