// Points in the words of a profile, and their values, held against a table and against pymodbus.

package modbus

import (
	"bufio"
	"bytes"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// kinds and orders are the words of profiles.
var (
	kinds = map[string]fieldbus.Type{"int16": fieldbus.Int16, "uint16": fieldbus.Uint16, "int32": fieldbus.Int32, "uint32": fieldbus.Uint32,
		"int64": fieldbus.Int64, "uint64": fieldbus.Uint64, "float32": fieldbus.Float32, "float64": fieldbus.Float64}
	orders = map[string]fieldbus.Order{"ABCD": fieldbus.ABCD, "CDAB": fieldbus.CDAB, "BADC": fieldbus.BADC, "DCBA": fieldbus.DCBA}
)

// spot compiles a point that must be right.
func spot(t *testing.T, pt fieldbus.Point) *place {
	t.Helper()
	p, err := newPlace(&pt)
	require.NoError(t, err)
	return &p
}

// holds holds the registers of one value against what they must be: big is the value big end first.
func holds(t *testing.T, kind, order string, big, words []uint16) {
	t.Helper()
	p := spot(t, fieldbus.Point{At: "holding 7", Type: kinds[kind], Order: orders[order], Access: fieldbus.ReadWrite})
	var want uint64
	for _, w := range big {
		want = want<<16 | uint64(w)
	}
	if unused := 64 - 16*len(big); strings.HasPrefix(kind, "int") {
		want = uint64(int64(want<<unused) >> unused)
	}
	got, ok := p.value(words)
	require.True(t, ok, "%s %s %x", kind, order, words)
	require.Equal(t, want, got, "%s %s %x", kind, order, words)
	var buf [4]uint16
	back, err := p.registers(p.form, got, &buf)
	require.NoError(t, err)
	require.Equal(t, words, back, "and back: %s %s", kind, order)
}

func TestAnOrderOfBytesIsWhatItsLettersSay(t *testing.T) {
	two, four := []uint16{0x0A0B, 0x0C0D}, []uint16{0x0102, 0x0304, 0x0506, 0x0708}
	for order, words := range map[string][3][]uint16{
		"ABCD": {{0x0A0B}, {0x0A0B, 0x0C0D}, {0x0102, 0x0304, 0x0506, 0x0708}},
		"CDAB": {{0x0A0B}, {0x0C0D, 0x0A0B}, {0x0708, 0x0506, 0x0304, 0x0102}},
		"BADC": {{0x0B0A}, {0x0B0A, 0x0D0C}, {0x0201, 0x0403, 0x0605, 0x0807}},
		"DCBA": {{0x0B0A}, {0x0D0C, 0x0B0A}, {0x0807, 0x0605, 0x0403, 0x0201}},
	} {
		for _, kind := range []string{"int16", "uint16"} {
			holds(t, kind, order, two[:1], words[0])
		}
		for _, kind := range []string{"int32", "uint32", "float32"} {
			holds(t, kind, order, two, words[1])
		}
		for _, kind := range []string{"int64", "uint64", "float64"} {
			holds(t, kind, order, four, words[2])
		}
	}
}

// python is Debian's, which has Debian's modules.
const python = "/usr/bin/python3"

// pymodbus skips a test where it is not to be had.
func pymodbus(t *testing.T) {
	t.Helper()
	if err := exec.Command(python, "-c", "import pymodbus.server").Run(); err != nil {
		t.Skip("no pymodbus on this machine: install python3-pymodbus")
	}
}

func TestEveryTypeInEveryOrderIsWhatPymodbusMakesOfIt(t *testing.T) {
	pymodbus(t)
	out, err := exec.Command(python, "testdata/orders.py").Output()
	require.NoError(t, err)
	lines := 0
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); lines++ {
		f := strings.Fields(s.Text())
		require.Len(t, f, 4, s.Text())
		holds(t, f[0], f[1], hexWords(t, f[2]), hexWords(t, f[3]))
	}
	require.Equal(t, 4*(6+4+6+4+6+4+7+7), lines)
}

func hexWords(t *testing.T, text string) (words []uint16) {
	for ; len(text) > 0; text = text[4:] {
		w, err := strconv.ParseUint(text[:4], 16, 16)
		require.NoError(t, err)
		words = append(words, uint16(w))
	}
	return words
}

func TestABoolIsOneBitAndARegisterOfOneIsZeroOrOne(t *testing.T) {
	whole := spot(t, fieldbus.Point{At: "input 5", Type: fieldbus.Bool})
	for word, want := range map[uint16]fieldbus.Reading{
		0: {Quality: tag.Good}, 1: {Bits: 1, Quality: tag.Good},
		2: {Status: fieldbus.StatusOutOfRange}, 0xFF00: {Status: fieldbus.StatusOutOfRange},
	} {
		require.Equal(t, want, whole.reading([]uint16{word}), "%x", word)
	}
	for bit := range 16 {
		p := spot(t, fieldbus.Point{At: "holding 5." + strconv.Itoa(bit), Type: fieldbus.Bool})
		for _, word := range []uint16{0, 1, 0x8000, 0x55AA, 0xFFFF} {
			got := p.reading([]uint16{word})
			require.Equal(t, fieldbus.Reading{Bits: uint64(word >> bit & 1), Quality: tag.Good}, got, "bit %d of %x", bit, word)
		}
	}
}

func TestAUint64BeyondAnInt64IsBadAndOutOfRange(t *testing.T) {
	p := spot(t, fieldbus.Point{At: "input 5", Type: fieldbus.Uint64})
	require.Equal(t, fieldbus.Reading{Form: tag.Int, Bits: math.MaxInt64, Quality: tag.Good}, p.reading([]uint16{0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF}))
	require.Equal(t, fieldbus.Reading{Form: tag.Int, Status: fieldbus.StatusOutOfRange}, p.reading([]uint16{0x8000, 0, 0, 0}))
}

func TestWhatIsNotANumberStaysTheBitsThatItIs(t *testing.T) {
	p := spot(t, fieldbus.Point{At: "input 5", Type: fieldbus.Float32})
	require.Equal(t, fieldbus.Reading{Form: tag.Float32, Bits: 0x7FC0_0001, Quality: tag.Good}, p.reading([]uint16{0x7FC0, 1}))
	p = spot(t, fieldbus.Point{At: "input 5", Type: fieldbus.Float64})
	got := p.reading([]uint16{0xFFF8, 0, 0, 7})
	require.Equal(t, fieldbus.Reading{Form: tag.Float64, Bits: 0xFFF8_0000_0000_0007, Quality: tag.Good}, got)
}

func TestAValueThatAPointCannotHoldIsNotWritten(t *testing.T) {
	var buf [4]uint16
	for _, x := range []struct {
		kind        fieldbus.Type
		least, most int64
	}{
		{fieldbus.Bool, 0, 1}, {fieldbus.Int16, -32_768, 32_767}, {fieldbus.Uint16, 0, 65_535}, {fieldbus.Int32, -1 << 31, 1<<31 - 1},
		{fieldbus.Uint32, 0, 1<<32 - 1}, {fieldbus.Float32, 0, 1<<32 - 1}, {fieldbus.Uint64, 0, math.MaxInt64},
	} {
		p := spot(t, fieldbus.Point{At: "holding 1", Type: x.kind, Access: fieldbus.ReadWrite})
		for v, want := range map[int64]bool{x.least: true, x.most: true, x.least - 1: false, x.most + 1: false} {
			_, err := p.registers(p.form, uint64(v), &buf)
			require.Equal(t, want, err == nil, "%v: %d: %v", x.kind, v, err)
		}
	}
	p := spot(t, fieldbus.Point{At: "holding 1", Type: fieldbus.Float32, Access: fieldbus.ReadWrite})
	_, err := p.registers(tag.Int, 1, &buf)
	require.ErrorContains(t, err, "value of form int for a point of form float32")
	p = spot(t, fieldbus.Point{At: "holding 1", Type: fieldbus.Int16})
	_, err = p.registers(tag.Int, 1, &buf)
	require.ErrorContains(t, err, "the profile has it read-only")
}

func TestATextEndsAtItsFirstZeroAndWithoutTheSpacesThatFillIt(t *testing.T) {
	for _, x := range []struct {
		length int
		order  fieldbus.Order
		words  []uint16
		want   string
	}{
		{4, fieldbus.ABCD, []uint16{0x4142, 0x4344}, "ABCD"},
		{4, fieldbus.BADC, []uint16{0x4241, 0x4443}, "ABCD"},
		{3, fieldbus.ABCD, []uint16{0x4142, 0x43FF}, "ABC"},
		{4, fieldbus.ABCD, []uint16{0x4120, 0x2020}, "A"},
		{4, fieldbus.ABCD, []uint16{0x4100, 0xFFFF}, "A"},
		{4, fieldbus.ABCD, []uint16{0, 0}, ""},
	} {
		p := spot(t, fieldbus.Point{At: "input 5", Type: fieldbus.String, Length: x.length, Order: x.order})
		got, err := p.text(x.words)
		require.NoError(t, err)
		require.Equal(t, x.want, got)
	}
	p := spot(t, fieldbus.Point{At: "input 5", Type: fieldbus.String, Length: 4})
	for _, words := range [][]uint16{{0x4107, 0x4141}, {0x4180, 0x4141}, {0x417F, 0x4141}} {
		_, err := p.text(words)
		require.ErrorContains(t, err, "byte 1 is not printable ASCII")
	}
}

func TestAPointThatCannotBeIsRefusedWithAllThatIsWrongAboutIt(t *testing.T) {
	const form = `must be "coil", "discrete", "holding" or "input"`
	for _, x := range []struct {
		p    fieldbus.Point
		want []string
	}{
		{fieldbus.Point{At: "", Type: fieldbus.Bool}, []string{`address "": ` + form}},
		{fieldbus.Point{At: "holding", Type: fieldbus.Bool}, []string{form}},
		{fieldbus.Point{At: "holding  4", Type: fieldbus.Int16}, []string{form}},
		{fieldbus.Point{At: "holding 04", Type: fieldbus.Int16}, []string{form}},
		{fieldbus.Point{At: "holding +4", Type: fieldbus.Int16}, []string{form}},
		{fieldbus.Point{At: "holding 65536", Type: fieldbus.Int16}, []string{form}},
		{fieldbus.Point{At: "holding 4.16", Type: fieldbus.Bool}, []string{form}},
		{fieldbus.Point{At: "holding 4.", Type: fieldbus.Bool}, []string{form}},
		{fieldbus.Point{At: "coil 4.1", Type: fieldbus.Bool}, []string{form}},
		{fieldbus.Point{At: "Coil 4", Type: fieldbus.Bool}, []string{form}},
		{fieldbus.Point{At: strings.Repeat("x", 100_000), Type: fieldbus.Bool}, []string{`xxx...": ` + form}},
		{fieldbus.Point{At: "coil 4", Type: fieldbus.Int16}, []string{"coil 4 is one bit"}},
		{fieldbus.Point{At: "holding 4.1", Type: fieldbus.Int16}, []string{"bit 1 of a register is one bit"}},
		{fieldbus.Point{At: "holding 4.1", Type: fieldbus.Bool, Order: fieldbus.BADC}, []string{"a bool has no order"}},
		{fieldbus.Point{At: "holding 65533", Type: fieldbus.Int64}, []string{"the last address is 65535"}},
		{fieldbus.Point{At: "input 4", Type: fieldbus.Int64, Access: fieldbus.ReadWrite}, []string{"input cannot be written"}},
		{fieldbus.Point{At: "discrete 4", Type: fieldbus.Bool, Access: fieldbus.WriteOnly}, []string{"discrete cannot be written"}},
		{fieldbus.Point{At: "input 4", Type: 0}, []string{"type 0 is none"}},
		{fieldbus.Point{At: "input 4", Type: fieldbus.String + 1}, []string{"type 11 is none"}},
		{fieldbus.Point{At: "input 4", Type: fieldbus.Int16, Order: 4, Access: 3, Length: 1}, []string{"order 4", "access 3", "only a string"}},
		{fieldbus.Point{At: "input 4", Type: fieldbus.String}, []string{"string of 0 bytes: 1 to 250"}},
		{fieldbus.Point{At: "input 4", Type: fieldbus.String, Length: math.MaxInt}, []string{"1 to 250"}},
		{fieldbus.Point{At: "input 4", Type: fieldbus.String, Length: 251, Order: fieldbus.CDAB, Access: fieldbus.ReadWrite},
			[]string{"1 to 250", "order is ABCD or BADC", "never written", "input cannot be written"}},
	} {
		_, err := newPlace(&x.p)
		for _, want := range x.want {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestARangeIsATableAndAddressesInOrder(t *testing.T) {
	for text, want := range map[string]gap{"input 100..199": {Input, 100, 200}, "coil 7": {Coil, 7, 8}, "holding 0..65535": {Holding, 0, 65_536}} {
		g, err := newGap(text)
		require.NoError(t, err)
		require.Equal(t, want, g)
	}
	for _, text := range []string{"", "input", "input 7..6", "input 7..", "input ..7", "input 7...8", "input 7-8", "inputs 7", "input 65536", "input 1.2"} {
		_, err := newGap(text)
		require.ErrorContains(t, err, `must be such as "input 100..199"`, text)
	}
}

func FuzzAddress(f *testing.F) {
	for _, at := range []string{"coil 0", "discrete 65535", "holding 40.3", "input 100..199", "holding 65534", "input 07", "coil 1.2"} {
		f.Add(at, uint8(fieldbus.Int32), uint8(fieldbus.CDAB), uint8(0), 0)
	}
	f.Fuzz(func(t *testing.T, at string, kind, order, access uint8, length int) {
		if g, err := newGap(at); err == nil {
			require.True(t, 0 <= g.from && g.from < g.to && g.to <= 1<<16, at)
		}
		p, err := newPlace(&fieldbus.Point{At: at, Type: fieldbus.Type(kind), Order: fieldbus.Order(order), Access: fieldbus.Access(access), Length: length})
		if err != nil {
			require.Less(t, len(err.Error()), 2000)
			return
		}
		require.True(t, 0 <= p.first && p.count >= 1 && p.end() <= 1<<16 && p.count <= MaxRead, at)
		bit := ""
		if p.bit >= 0 {
			bit = "." + strconv.Itoa(p.bit)
		}
		require.Equal(t, at, p.table.String()+" "+strconv.Itoa(p.first)+bit)
		words := make([]uint16, p.count)
		for i := range words {
			words[i] = uint16(length >> i)
		}
		if p.kind == fieldbus.String {
			if s, err := p.text(words); err == nil {
				require.LessOrEqual(t, len(s), length)
			}
			return
		}
		bits, ok := p.value(words)
		if p.access == fieldbus.ReadOnly || !ok || p.bit >= 0 {
			return
		}
		var buf [4]uint16
		back, err := p.registers(p.form, bits, &buf)
		require.NoError(t, err)
		require.Equal(t, words, back)
	})
}
