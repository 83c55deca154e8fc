// Claims about items that lie on another board.

package equipment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/equipment"
)

const twoBoards = `schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site}
  - {equipment_id: CELL, level: process_cell, parent: PLANT}
  - {equipment_id: R101, level: unit, parent: CELL, owners: 1, channels: ["plc:do/1"], safe: {"plc:do/1": 0}, map: r101.yaml}
  - {equipment_id: R201, level: unit, parent: CELL, owners: 1, node: n2}
  - {equipment_id: S901, level: equipment_module, parent: CELL, owners: 1, node: n2, channels: ["n2:S901/do/1"], safe: {"n2:S901/do/1": 1}}
`

func parse(t *testing.T, src string) *equipment.Model {
	t.Helper()
	m, err := equipment.Parse("two.yaml", []byte(src))
	require.NoError(t, err)
	return m
}

func TestAnItemMayLieOnAnotherBoard(t *testing.T) {
	m := parse(t, twoBoards)
	require.Equal(t, []string{"n2"}, m.Nodes())
	require.Equal(t, "S901", m.Owner("n2:S901/do/1").ID)
	require.Nil(t, m.Owner("S901/do/1"))
	units := m.Units()
	require.Len(t, units, 1, "a unit of another board is not chosen here")
	require.Equal(t, "R101", units[0].ID)

	w := equipment.Wiring{Map: "r101.yaml", Unit: "R101", Resources: []string{"R101", "S901"}, Outputs: []equipment.Output{
		{Channel: "plc:do/1", Equipment: "R101"}, {Channel: "n2:S901/do/1", Equipment: "S901", Safe: 1}}}
	require.NoError(t, m.Fits("R101", &w))
	w.Outputs[1].Channel = "S901/do/1"
	require.ErrorContains(t, m.Fits("R101", &w), "output S901/do/1 belongs to S901, and in the model to nothing")
}

func TestAChannelIsOfAnotherBoardOnlyWhereTheModelKnowsThatBoard(t *testing.T) {
	for _, c := range []struct{ channel, node, there string }{
		{"do/1", "", "do/1"}, {"n2:do/1", "n2", "do/1"}, {"n2:plc:do/1", "n2", "plc:do/1"}, {"plc:do/1", "", "plc:do/1"},
		{"n2:", "", "n2:"}, {":do/1", "", ":do/1"}, {"n22:do/1", "", "n22:do/1"},
	} {
		node, there := equipment.Split(c.channel, []string{"n2", "n3"})
		require.Equal(t, [2]string{c.node, c.there}, [2]string{node, there}, c.channel)
	}
}

func TestWhatLiesOnAnotherBoardIsHeldAgainstItsName(t *testing.T) {
	for _, c := range []struct{ item, want string }{
		{`{equipment_id: A, level: equipment_module, parent: CELL, owners: 1, node: n2, channels: [do/1], safe: {do/1: 0}}`, "do/1 is no channel of board n2, on which it lies; write n2:do/1"},
		{`{equipment_id: A, level: equipment_module, parent: CELL, owners: 1, node: n3, channels: ["n2:x"], safe: {"n2:x": 0}}`, "n2:x is no channel of board n3"},
		{`{equipment_id: A, level: equipment_module, parent: CELL, owners: 1, channels: ["n2:x"], safe: {"n2:x": 0}}`, "n2:x is a channel of board n2, and it lies on this one"},
		{`{equipment_id: A, level: unit, parent: CELL, owners: 1, node: n2, map: a.yaml}`, "it lies on board n2, and the model there names its I/O map"},
		{`{equipment_id: A, level: unit, parent: CELL, owners: 1, node: n2.x}`, `"n2.x" is no name of a board`},
		{`{equipment_id: A, level: unit, parent: CELL, owners: 1, node: n2345678901234567}`, `"n2345678901234567" is no name of a board; use 1 to 16 letters`},
	} {
		_, err := equipment.Parse("two.yaml", []byte(twoBoards+"  - "+c.item+"\n"))
		require.ErrorContains(t, err, c.want, c.item)
	}
}

func TestWhatMovesToAnotherBoardWaitsForThoseWhoAreBoundToIt(t *testing.T) {
	m := parse(t, twoBoards)
	s, _ := m.Item("S901")
	moved := *s
	moved.Node, moved.Channels, moved.Safe = "n3", nil, nil
	next, err := m.Apply(&equipment.Change{Base: 1, Put: []equipment.Item{moved}})
	require.NoError(t, err)
	require.Contains(t, equipment.Diff(m, next), "S901: node: n2 -> n3")
	bound := []equipment.Bound{{Batch: "n1.B-0001", Unit: "R101", Equipment: []string{"S901"}, Model: 1}}
	require.ErrorContains(t, equipment.Keeps(m, next, bound), "S901: it would lie on another board, and n1.B-0001 is bound to it")
	require.NoError(t, equipment.Keeps(m, next, nil))
}

func TestAModelOfOneBoardHasTheDigestThatItAlwaysHad(t *testing.T) {
	require.Equal(t, "4929607ebebdd9ddc435a9576a264c07038255c99680a4431ca0da00e7a52ff1", cell(t).Digest())
}
