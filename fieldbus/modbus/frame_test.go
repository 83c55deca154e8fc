// Frames, byte for byte: what is sent, which bytes are an answer, and that no others are.

package modbus

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	require.NoError(t, err)
	return b
}

var exchanges = []struct {
	name    string
	q       request
	words   []uint16
	request string
	reply   string
}{
	{"coils", request{id: 0x1234, unit: 0x11, function: readCoils, address: 0x13, value: 0x13}, nil,
		"1234 0000 0006 11 01 0013 0013", "1234 0000 0006 11 01 03 CD6B05"},
	{"holding registers", request{id: 1, unit: 1, function: readHolding, address: 0x6B, value: 3}, nil,
		"0001 0000 0006 01 03 006B 0003", "0001 0000 0009 01 03 06 022B 0000 0064"},
	{"input registers", request{id: 2, unit: 255, function: readInput, address: 8, value: 1}, nil,
		"0002 0000 0006 FF 04 0008 0001", "0002 0000 0005 FF 04 02 000A"},
	{"write of a coil", request{id: 3, unit: 0, function: writeCoil, address: 0xAC, value: coilOn}, nil,
		"0003 0000 0006 00 05 00AC FF00", "0003 0000 0006 00 05 00AC FF00"},
	{"write of a register", request{id: 4, unit: 1, function: writeRegister, address: 1, value: 3}, nil,
		"0004 0000 0006 01 06 0001 0003", "0004 0000 0006 01 06 0001 0003"},
	{"write of registers", request{id: 0xFFFF, unit: 1, function: writeRegisters, address: 1, value: 2}, []uint16{0x000A, 0x0102},
		"FFFF 0000 000B 01 10 0001 0002 04 000A 0102", "FFFF 0000 0006 01 10 0001 0002"},
}

func TestARequestIsSentAsTheProtocolSays(t *testing.T) {
	for _, x := range exchanges {
		require.Equal(t, unhex(t, x.request), x.q.appendTo(nil, x.words), x.name)
	}
}

func TestTheLongestFramesFit(t *testing.T) {
	q := request{function: writeRegisters, value: MaxWrite}
	require.LessOrEqual(t, len(q.appendTo(nil, make([]uint16, MaxWrite))), maxFrame)
	for _, q := range []request{{function: readCoils, value: MaxCoils}, {function: readInput, value: MaxRead}} {
		require.Less(t, q.size(), maxFrame, "there must be room for a byte that follows")
	}
}

func TestTheAnswerIsTakenOnlyWhenItIsWhole(t *testing.T) {
	for _, x := range exchanges {
		reply := unhex(t, x.reply)
		for n := range reply {
			size, err := x.q.check(reply[:n])
			require.NoError(t, err, "%s: %d bytes", x.name, n)
			require.Greater(t, size, n, x.name)
		}
		size, err := x.q.check(reply)
		require.NoError(t, err, x.name)
		require.Equal(t, len(reply), size, x.name)
	}
}

func TestNoOtherHeadAndNoOtherEchoIsTaken(t *testing.T) {
	for _, x := range exchanges {
		reply := unhex(t, x.reply)
		fixed := 9 // head and byte count
		if x.q.writes() {
			fixed = len(reply)
		}
		for i := range fixed {
			for flip := 1; flip < 256; flip++ {
				bad := append([]byte(nil), reply...)
				bad[i] ^= byte(flip)
				_, err := x.q.check(bad)
				require.ErrorIs(t, err, ErrStray, "%s: byte %d is %02x", x.name, i, bad[i])
			}
		}
		_, err := x.q.check(append(reply, 0))
		require.ErrorIs(t, err, ErrStray, "%s: one more byte", x.name)
		_, err = x.q.check(append(reply, reply...))
		require.ErrorIs(t, err, ErrStray, "%s: doubled", x.name)
	}
}

func TestAnExceptionIsAnAnswerOnlyWithTheRightHead(t *testing.T) {
	for _, x := range exchanges {
		for code := range 256 {
			_, err := x.q.check(refused(unhex(t, x.request), Exception(code)))
			require.Equal(t, Exception(code), err, x.name)
		}
		for i := range 8 {
			bad := refused(unhex(t, x.request), Busy)
			bad[i]++
			_, err := x.q.check(bad)
			require.ErrorIs(t, err, ErrStray, "%s: byte %d", x.name, i)
		}
	}
}

func TestExceptionsSayWhatTheyMean(t *testing.T) {
	require.EqualError(t, IllegalAddress, "exception 2 (illegal data address)")
	require.EqualError(t, NoResponse, "exception 11 (gateway target device failed to respond)")
	require.EqualError(t, Exception(9), "exception 9 (not a code of the protocol)")
	require.EqualError(t, Exception(255), "exception 255 (not a code of the protocol)")
}

func FuzzReply(f *testing.F) {
	for _, x := range exchanges {
		reply, err := hex.DecodeString(strings.ReplaceAll(x.reply, " ", ""))
		require.NoError(f, err)
		f.Add(reply, x.q.id, x.q.unit, x.q.function, x.q.address, x.q.value)
	}
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2}, uint16(1), uint8(1), uint8(3), uint16(0), uint16(125))
	f.Add([]byte{0, 1, 0, 0, 0xFF, 0xFF, 1, 3, 0xFF}, uint16(1), uint8(1), uint8(3), uint16(0), uint16(125))
	functions := []uint8{readCoils, readHolding, readInput, writeCoil, writeRegister, writeRegisters}
	f.Fuzz(func(t *testing.T, b []byte, id uint16, unit, function uint8, address, value uint16) {
		q := request{id: id, unit: unit, function: functions[int(function)%len(functions)], address: address, value: value}
		switch {
		case q.function == readCoils:
			q.value = value%MaxCoils + 1
		case !q.writes():
			q.value = value%MaxRead + 1
		}
		size, err := q.check(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, size, maxFrame)
		require.GreaterOrEqual(t, size, len(b), "bytes beyond the answer")
		if size > len(b) {
			return
		}
		// What was taken is what a right device would have sent, values of reads apart.
		want := right(q.appendTo(nil, nil), func(table Table, a uint16) uint16 {
			i := int(a - address)
			if table == Coil {
				return uint16(b[bodyAt+i/8] >> (i % 8) & 1)
			}
			return uint16(b[bodyAt+2*i])<<8 | uint16(b[bodyAt+2*i+1])
		})
		if b = append([]byte(nil), b...); q.function == readCoils {
			b[len(b)-1], want[len(want)-1] = 0, 0 // the bits beyond the last coil are free
		}
		require.Equal(t, want, b)
	})
}
