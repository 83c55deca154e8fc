// The claims of tags as registers, read by the client of another make.

package server

import (
	"fmt"
	"testing"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// shelf is a map of three channels, and their values at a time.
func shelf(now *int64, values map[string]fieldbus.Value) (*Tags, error) {
	m := &fieldbus.TagMap{Tags: []fieldbus.Tag{{Channel: "level"}, {Channel: "flow"}, {Channel: "valve"}}}
	return NewTags(m, func(name string) (fieldbus.Value, int64, bool) {
		v, ok := values[name]
		return v, *now, ok
	})
}

func TestATagIsReadWithItsQualityAndItsAge(t *testing.T) {
	now := int64(1_000_000_000)
	good := func(form tag.Form, bits uint64) fieldbus.Value {
		return fieldbus.Value{Raw: tag.Raw{Form: form, Bits: bits, Quality: tag.Good}, Read: now, Limit: 250_000_000}
	}
	model, err := shelf(&now, map[string]fieldbus.Value{
		"level": good(tag.Int, 0x0001_0002_0003_0004), "flow": good(tag.Float32, 0x4049_0FDB),
		"valve": {Raw: tag.Raw{Bits: 1, Quality: tag.Bad}, Status: fieldbus.StatusNotConnected},
	})
	require.NoError(t, err)
	c := connect(t, serve(t, model).Addr(), patient)
	at, ok := model.Row("flow")
	require.True(t, ok)
	require.Equal(t, 7, at)
	for later, want := range map[int64]string{
		0:               "[1 2 3 4 2 0 0 0 0 16457 4059 2 0 0 0 0 0 0 0 65535 65535]",
		1:               "[1 2 3 4 2 0 1 0 0 16457 4059 2 0 1 0 0 0 0 0 65535 65535]",
		250_000_000:     "[1 2 3 4 2 0 250 0 0 16457 4059 2 0 250 0 0 0 0 0 65535 65535]",
		250_000_001:     "[1 2 3 4 1 0 251 0 0 16457 4059 1 0 251 0 0 0 0 0 65535 65535]",
		70_000_000_000:  "[1 2 3 4 1 1 4464 0 0 16457 4059 1 1 4464 0 0 0 0 0 65535 65535]",
		1 << 62:         "[1 2 3 4 1 65535 65534 0 0 16457 4059 1 65535 65534 0 0 0 0 0 65535 65535]",
		-500_000_000:    "[1 2 3 4 2 0 0 0 0 16457 4059 2 0 0 0 0 0 0 0 65535 65535]",
		249_999_999_999: "[1 2 3 4 1 3 53392 0 0 16457 4059 1 3 53392 0 0 0 0 0 65535 65535]",
	} {
		now = 1_000_000_000 + later
		row, err := c.ReadRegisters(0, 21, modbus.INPUT_REGISTER)
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(row), "%d ns later", later)
		part, err := c.ReadRegisters(3, 10, modbus.INPUT_REGISTER)
		require.NoError(t, err)
		require.Equal(t, row[3:13], part, "and in part")
	}
}

func TestNothingIsWrittenByThisWay(t *testing.T) {
	now := int64(1)
	v := fieldbus.Value{}
	model, err := shelf(&now, map[string]fieldbus.Value{"level": v, "flow": v, "valve": v})
	require.NoError(t, err)
	c := connect(t, serve(t, model).Addr(), patient)
	require.ErrorIs(t, c.WriteRegister(0, 1), modbus.ErrIllegalFunction)
	require.ErrorIs(t, c.WriteCoil(0, true), modbus.ErrIllegalFunction)
	_, err = c.ReadRegisters(0, 1, modbus.HOLDING_REGISTER)
	require.ErrorIs(t, err, modbus.ErrIllegalFunction)
	_, err = c.ReadRegisters(20, 2, modbus.INPUT_REGISTER)
	require.ErrorIs(t, err, modbus.ErrIllegalDataAddress)
	_, ok := model.Row("horn")
	require.False(t, ok)
}

func TestAChannelThatNobodyKnowsIsRefused(t *testing.T) {
	now := int64(1)
	_, err := shelf(&now, map[string]fieldbus.Value{"level": {}})
	require.ErrorContains(t, err, `channel "flow": nobody knows its value`)
	require.ErrorContains(t, err, `channel "valve"`)
	_, err = NewTags(&fieldbus.TagMap{}, nil)
	require.ErrorContains(t, err, "1 to 9362 tags")
	_, err = NewTags(&fieldbus.TagMap{Tags: make([]fieldbus.Tag, MaxTags+1)}, func(string) (fieldbus.Value, int64, bool) { return fieldbus.Value{}, 0, true })
	require.ErrorContains(t, err, "1 to 9362 tags")
}
