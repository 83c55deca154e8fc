// Frames, byte for byte: what is sent, which bytes are an answer, and that no others are.

package modbus

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	require.NoError(t, err)
	return b
}

var exchanges = []struct {
	name    string
	id      uint16
	q       query
	request string
	reply   string
}{
	{"coils", 0x1234, query{unit: 0x11, function: readCoils, address: 0x13, count: 0x13},
		"1234 0000 0006 11 01 0013 0013", "1234 0000 0006 11 01 03 CD6B05"},
	{"discrete inputs", 5, query{unit: 0x11, function: readDiscrete, address: 0xC4, count: 0x16},
		"0005 0000 0006 11 02 00C4 0016", "0005 0000 0006 11 02 03 ACDB35"},
	{"holding registers", 1, query{unit: 1, function: readHolding, address: 0x6B, count: 3},
		"0001 0000 0006 01 03 006B 0003", "0001 0000 0009 01 03 06 022B 0000 0064"},
	{"input registers", 2, query{unit: 255, function: readInput, address: 8, count: 1},
		"0002 0000 0006 FF 04 0008 0001", "0002 0000 0005 FF 04 02 000A"},
	{"write of a coil", 3, query{unit: 0, function: writeCoil, address: 0xAC, value: coilOn},
		"0003 0000 0006 00 05 00AC FF00", "0003 0000 0006 00 05 00AC FF00"},
	{"write of a register", 4, query{unit: 1, function: writeRegister, address: 1, value: 3},
		"0004 0000 0006 01 06 0001 0003", "0004 0000 0006 01 06 0001 0003"},
	{"write of coils", 6, query{unit: 1, function: writeCoils, address: 0x13, count: 10,
		bits: []bool{true, false, true, true, false, false, true, true, true, false}},
		"0006 0000 0009 01 0F 0013 000A 02 CD01", "0006 0000 0006 01 0F 0013 000A"},
	{"write of registers", 0xFFFF, query{unit: 1, function: writeRegisters, address: 1, count: 2, words: []uint16{0x000A, 0x0102}},
		"FFFF 0000 000B 01 10 0001 0002 04 000A 0102", "FFFF 0000 0006 01 10 0001 0002"},
	{"mask write", 7, query{unit: 1, function: maskWrite, address: 4, value: 0xF2, or: 0x25},
		"0007 0000 0008 01 16 0004 00F2 0025", "0007 0000 0008 01 16 0004 00F2 0025"},
	{"read and write", 8, query{unit: 1, function: readWrite, address: 3, count: 6, to: 14, words: []uint16{255, 255, 255}},
		"0008 0000 0011 01 17 0003 0006 000E 0003 06 00FF 00FF 00FF", "0008 0000 000F 01 17 0C 00FE 0ACD 0001 0003 000D 00FF"},
}

// taken is what a wire with that query under way makes of b: whether it is the answer.
func taken(id uint16, q *query, b []byte) (bool, error) {
	w := wire{open: []flight{{q: q, id: id}}}
	w.got = copy(w.in[:], b)
	f, pdu, err := w.match()
	if f.q != nil && (len(w.open) != 0 || w.got != w.from || err == nil && len(pdu) != len(b)-headerSize) {
		panic("an answer that is more or less than what came in")
	}
	return f.q != nil, err
}

func TestARequestIsSentAsTheProtocolSays(t *testing.T) {
	for _, x := range exchanges {
		require.Equal(t, unhex(t, x.request), appendFrame(nil, x.id, &x.q), x.name)
	}
}

func TestTheLongestFramesFit(t *testing.T) {
	for _, q := range []query{
		{function: writeRegisters, count: MaxWrite, words: make([]uint16, MaxWrite)},
		{function: writeCoils, count: MaxWriteCoils, bits: make([]bool, MaxWriteCoils)},
		{function: readWrite, count: MaxRead, words: make([]uint16, MaxReadWrite)},
	} {
		require.LessOrEqual(t, len(appendFrame(nil, 1, &q)), maxFrame, q.String())
	}
	for _, q := range []query{{function: readCoils, count: MaxCoils}, {function: readInput, count: MaxRead}} {
		require.Less(t, headerSize+q.size(), maxFrame, "there must be room for a byte that follows")
	}
}

func TestTheAnswerIsTakenOnlyWhenItIsWhole(t *testing.T) {
	for _, x := range exchanges {
		reply := unhex(t, x.reply)
		for n := range reply {
			whole, err := taken(x.id, &x.q, reply[:n])
			require.NoError(t, err, "%s: %d bytes", x.name, n)
			require.False(t, whole, "%s: %d bytes", x.name, n)
		}
		whole, err := taken(x.id, &x.q, reply)
		require.NoError(t, err, x.name)
		require.True(t, whole, x.name)
	}
}

func TestNoOtherHeadAndNoOtherEchoIsTaken(t *testing.T) {
	for _, x := range exchanges {
		reply := unhex(t, x.reply)
		fixed := 9 // head and byte count
		if x.q.writes() && x.q.function != readWrite {
			fixed = len(reply)
		}
		for i := range fixed {
			for flip := 1; flip < 256; flip++ {
				bad := append([]byte(nil), reply...)
				bad[i] ^= byte(flip)
				_, err := taken(x.id, &x.q, bad)
				require.ErrorIs(t, err, ErrStray, "%s: byte %d is %02x", x.name, i, bad[i])
			}
		}
		_, err := taken(x.id, &x.q, append(reply, 0))
		require.ErrorIs(t, err, ErrStray, "%s: one more byte", x.name)
		_, err = taken(x.id, &x.q, append(reply, reply...))
		require.ErrorIs(t, err, ErrStray, "%s: doubled", x.name)
	}
}

func TestAnExceptionIsAnAnswerOnlyWithTheRightHead(t *testing.T) {
	for _, x := range exchanges {
		for code := range 256 {
			_, err := taken(x.id, &x.q, refused(unhex(t, x.request), Exception(code)))
			require.Equal(t, Exception(code), err, x.name)
		}
		for i := range 8 {
			bad := refused(unhex(t, x.request), Busy)
			bad[i]++
			_, err := taken(x.id, &x.q, bad)
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

// FuzzReply lets anything come in while up to four queries are under way.
func FuzzReply(f *testing.F) {
	for _, x := range exchanges {
		b, more := unhex(f, x.reply), unhex(f, x.reply)
		more[1]++
		f.Add(b, uint8(0), x.id, x.q.unit, x.q.function, x.q.address, max(x.q.value, x.q.count))
		f.Add(append(more, b...), uint8(1), x.id, x.q.unit, x.q.function, x.q.address, max(x.q.value, x.q.count))
	}
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2}, uint8(3), uint16(1), uint8(1), uint8(3), uint16(0), uint16(125))
	f.Add([]byte{0, 1, 0, 0, 0xFF, 0xFF, 1, 3, 0xFF}, uint8(0), uint16(1), uint8(1), uint8(3), uint16(0), uint16(125))
	f.Fuzz(func(t *testing.T, b []byte, n uint8, id uint16, unit, function uint8, address, value uint16) {
		w := wire{id: id - 1, most: int(n%4) + 1}
		w.got = copy(w.in[:], b)
		for i := range w.most {
			w.launch(anyQuery(unit, function, address+uint16(i), value), i, time.Time{})
		}
		for before := len(w.open); before > 0; before-- {
			from, open := w.in[w.from:w.got], slices.Clone(w.open)
			got, pdu, err := w.match()
			if got.q == nil {
				require.True(t, err == nil || errors.Is(err, ErrStray), "%v", err)
				return
			}
			require.Contains(t, open, got)
			require.NotContains(t, w.open, got)
			if e, refusal := err.(Exception); refusal {
				require.Equal(t, refused(append(appendFrame(nil, got.id, got.q), 0), e), from[:9])
				continue
			}
			require.NoError(t, err)
			takenIsRight(t, got, from[:headerSize+len(pdu)])
		}
	})
}

// anyQuery makes a query that the client could send.
func anyQuery(unit, function uint8, address, value uint16) *query {
	functions := []uint8{readCoils, readDiscrete, readHolding, readInput, writeCoil, writeRegister, writeCoils, writeRegisters, maskWrite, readWrite}
	q := &query{unit: unit, function: function, address: address, value: value, count: value, or: value}
	if !slices.Contains(functions, function) {
		q.function = functions[int(function)%len(functions)]
	}
	switch q.function {
	case readCoils, readDiscrete:
		q.count = value%MaxCoils + 1
	case readHolding, readInput, readWrite:
		q.count = value%MaxRead + 1
	}
	return q
}

// takenIsRight claims that a frame is what a right device would have sent, values of reads apart.
func takenIsRight(t *testing.T, f flight, frame []byte) {
	want := right(appendFrame(nil, f.id, f.q), func(table Table, a uint16) uint16 {
		i := int(a - f.q.address)
		if table == Coil || table == Discrete {
			return uint16(frame[9+i/8] >> (i % 8) & 1)
		}
		return uint16(frame[9+2*i])<<8 | uint16(frame[9+2*i+1])
	})
	if frame = slices.Clone(frame); f.q.function == readCoils || f.q.function == readDiscrete {
		frame[len(frame)-1], want[len(want)-1] = 0, 0 // the bits beyond the last coil are free
	}
	require.Equal(t, want, frame)
}
