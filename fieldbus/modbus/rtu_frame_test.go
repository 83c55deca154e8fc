// RTU frames, byte for byte: check sums, lengths, times, and that nothing but a whole answer is taken out of any stream of bytes.

package modbus

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFramesAreThoseOfTheProtocol(t *testing.T) {
	for _, x := range []struct {
		q     query
		frame string
	}{
		{query{unit: 0x11, function: readHolding, address: 0x6B, count: 3}, "11 03 006B 0003 7687"},
		{query{unit: 0x11, function: readCoils, address: 0x13, count: 0x25}, "11 01 0013 0025 0E84"},
		{query{unit: 0x11, function: writeCoil, address: 0xAC, value: coilOn}, "11 05 00AC FF00 4E8B"},
		{query{unit: 0x11, function: writeRegister, address: 1, value: 3}, "11 06 0001 0003 9A9B"},
		{query{unit: 0x11, function: writeRegisters, address: 1, count: 2, words: []uint16{0x0A, 0x102}}, "11 10 0001 0002 04 000A 0102 C6F0"},
		{query{unit: 1, function: writeCoils, address: 0x13, count: 10, bits: []bool{true, false, true, true, false, false, true, true, true, false}},
			"01 0F 0013 000A 02 CD01 72CB"},
	} {
		got := appendADU(nil, &x.q)
		require.Equal(t, unhex(t, x.frame), got, x.q.String())
		require.True(t, sound(got))
		n, _ := whole(got)
		require.Equal(t, len(got), n, x.q.String())
		for i := range got {
			bad := bytes.Clone(got)
			bad[i] ^= 0x40
			require.False(t, sound(bad))
		}
	}
}

func TestTheLongestFramesFitASerialLine(t *testing.T) {
	for _, q := range []query{
		{function: writeRegisters, count: MaxWrite, words: make([]uint16, MaxWrite)},
		{function: readWrite, count: MaxRead, words: make([]uint16, MaxReadWrite)},
		{function: writeCoils, count: MaxWriteCoils, bits: make([]bool, MaxWriteCoils)},
	} {
		b := appendADU(nil, &q)
		require.LessOrEqual(t, len(b), maxADU)
		n, _ := whole(b)
		require.Equal(t, len(b), n)
	}
	require.LessOrEqual(t, (&query{function: readHolding, count: MaxRead}).size()+3, maxADU)
	require.LessOrEqual(t, (&query{function: readCoils, count: MaxCoils}).size()+3, maxADU)
}

func TestTheSilenceFollowsFromTheBaudRate(t *testing.T) {
	for _, x := range []struct {
		baud, bits int
		want       time.Duration
	}{
		{9600, 11, 4010416 * time.Nanosecond}, {9600, 10, 3645833 * time.Nanosecond}, {19200, 11, 2005208 * time.Nanosecond},
		{38400, 11, 1750 * time.Microsecond}, {115200, 10, 1750 * time.Microsecond},
	} {
		require.InDelta(t, x.want, silence35(x.baud, x.bits), 1, "%d Bd, %d bits", x.baud, x.bits)
	}
	for baud := 50; baud <= 19200; baud++ {
		require.GreaterOrEqual(t, int64(silence35(baud, 11))*2*int64(baud), int64(77*time.Second)-int64(2*baud), "%d Bd", baud)
	}
}

func TestTheTimeOfAnExchangeFollowsFromTheBaudRate(t *testing.T) {
	require.Equal(t, 301*time.Millisecond, (RTUTime(9600, 8, 255) - 2*silence35(9600, 11)).Truncate(time.Millisecond))
	require.Equal(t, 28612847*time.Nanosecond, RTUTime(115200, 8, 255))
	require.Zero(t, RTUTime(0, 8, 255))
	require.Zero(t, RTUTime(-1, 8, 255))
	require.Equal(t, 2*silence35(9600, 11), RTUTime(9600, -5, 0))
}

func TestTheShapesOfAQueryAndOfItsAnswerAreTheSame(t *testing.T) {
	s := &farSlave{unit: 3, bus: &bus{}, words: map[uint16]uint16{}, coils: map[uint16]bool{}}
	for _, q := range []query{
		{function: readCoils, address: 5, count: 13}, {function: readDiscrete, count: 8}, {function: readHolding, address: 900, count: 7},
		{function: readInput, count: 1}, {function: writeCoil, address: 4, value: coilOn}, {function: writeRegister, address: 7, value: 9},
		{function: writeCoils, address: 1, count: 3, bits: make([]bool, 3)}, {function: maskWrite, address: 1, value: 2, or: 3},
		{function: writeRegisters, address: 2, count: 2, words: make([]uint16, 2)},
		{function: readWrite, address: 2, count: 3, to: 9, words: make([]uint16, 2)},
	} {
		q.unit = 3
		reply := s.do(appendADU(nil, &q))
		require.NoError(t, q.check(reply[1:]), q.String())
		require.Equal(t, q.shape(), shapeOf(reply[1:]), q.String())
	}
}

func TestAnAnswerWhoseBeginningLooksLikeAShorterFrameIsWaitedFor(t *testing.T) {
	q := query{unit: 1, function: readHolding, count: 4}
	m := &rtu{}
	m.sent = len(appendADU(m.own[:0], &q))
	b := adu(append(adu(1, 3, 8, 0, 0, 0), 0, 0, 0)...)
	require.True(t, sound(b[:8]) && sound(b))
	m.reset()
	for n := range b {
		m.n = copy(m.buf[:], b[:n])
		got, err := m.pick(&slave{}, &q, false)
		require.NoError(t, err)
		require.Zero(t, got)
	}
	m.n = copy(m.buf[:], b)
	n, err := m.pick(&slave{}, &q, false)
	require.NoError(t, err)
	require.Equal(t, len(b), n)
}

var fuzzed = []uint8{readCoils, readDiscrete, readHolding, readInput, writeCoil, writeRegister, writeCoils, writeRegisters, maskWrite, readWrite}

// fuzzQuery makes a query that can be of any numbers.
func fuzzQuery(unit, function uint8, address, count, value uint16) query {
	q := query{unit: unit, function: fuzzed[int(function)%len(fuzzed)], address: address, value: value, or: count}
	switch q.function {
	case readCoils, readDiscrete:
		q.count = count%MaxCoils + 1
	case readHolding, readInput, readWrite:
		q.count = count%MaxRead + 1
	case writeCoils:
		q.count = count%MaxWriteCoils + 1
		q.bits = make([]bool, q.count)
	case writeRegisters:
		q.count = count%MaxWrite + 1
		q.words = make([]uint16, q.count)
	}
	if q.function == readWrite {
		q.words = []uint16{value}
	}
	return q
}

func FuzzRTU(f *testing.F) {
	for _, text := range []string{"0103040001000277F3", "01830280F1", "FF00010304000100022A32", "0103006B000274170103040001000277F3", "010600050001580B"} {
		b, err := hex.DecodeString(text)
		require.NoError(f, err)
		for fn := range uint8(len(fuzzed)) {
			f.Add(b, uint8(3), uint8(1), fn, uint16(0x6B), uint16(1), uint16(5), uint8(0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, pieces, unit, function uint8, address, count, value uint16, state uint8) {
		q := fuzzQuery(unit, function, address, count, value)
		m, s := &rtu{}, &slave{Slave: Slave{Late: time.Hour}}
		m.slaves[unit] = s
		m.echoes = echoing(state % 3)
		m.sent = len(appendADU(m.own[:0], &q))
		if state&4 != 0 {
			old := fuzzQuery(unit, function+state>>4, address+1, count, value)
			s.owe(&old, time.Time{})
		}
		inDoubt := s.owesOf(q.function)
		m.reset()
		for rest := b; ; {
			n := min(len(rest), int(pieces)%64+1)
			n = copy(m.room(), rest[:n])
			m.n, rest = m.n+n, rest[n:]
			for _, quiet := range []bool{false, len(rest) == 0 || state&8 != 0} {
				n, err := m.pick(s, &q, quiet)
				require.True(t, err == nil || errors.Is(err, ErrStray))
				require.LessOrEqual(t, m.n, len(m.buf))
				if n == 0 || err != nil {
					continue
				}
				got := m.buf[:n]
				require.True(t, sound(got))
				require.Equal(t, unit, got[0])
				require.True(t, bytes.Contains(b, got), "it was heard as it stands")
				_, refused := errors.AsType[Exception](q.check(got[1 : n-2]))
				require.True(t, refused || q.check(got[1:n-2]) == nil)
				require.False(t, refused && inDoubt, "a refusal that may be owed")
				if q.repeats() && !refused && m.echoes == loud {
					require.GreaterOrEqual(t, bytes.Count(b, got), 2, "an echo confirms nothing")
				}
				return
			}
			if len(rest) == 0 {
				return
			}
		}
	})
}
