// What must hold of models, their files and their order.

package equipment_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/internal/golden"
)

// cell reads the cell of testdata.
func cell(t testing.TB) *equipment.Model {
	t.Helper()
	src, err := os.ReadFile("testdata/cell.yaml")
	require.NoError(t, err)
	m, err := equipment.Parse("cell.yaml", src)
	require.NoError(t, err)
	return m
}

func ids(m *equipment.Model) (list []string) {
	for i := range m.Items {
		list = append(list, m.Items[i].ID)
	}
	return list
}

func TestAModelHasOneOrderWhateverTheOrderOfItsFile(t *testing.T) {
	m := cell(t)
	require.EqualValues(t, 1, m.Version)
	require.Equal(t, []string{"PLANT", "CELL", "CHARGE", "R101", "CM1", "R102"}, ids(m))
	require.Equal(t, []string{"PLANT", "CELL", "R101", "CM1"}, m.Path("CM1"))

	src, err := os.ReadFile("testdata/cell.yaml")
	require.NoError(t, err)
	head, rest, _ := strings.Cut(string(src), "  - equipment_id: R102")
	r102, rest, _ := strings.Cut(rest, "  - equipment_id: R101")
	turned, err := equipment.Parse("turned.yaml", []byte(head+"  - equipment_id: R101"+rest+"  - equipment_id: R102"+r102))
	require.NoError(t, err)
	require.Equal(t, m.Digest(), turned.Digest())
	require.Len(t, m.Digest(), 64)
}

func TestAUnitIsChosenByPriorityAndThenByOrder(t *testing.T) {
	units := cell(t).Units()
	require.Len(t, units, 2)
	require.Equal(t, "R102", units[0].ID)
	require.Equal(t, "R101", units[1].ID)
}

func TestAnOutputBelongsToTheItemInUseThatHasIt(t *testing.T) {
	m := cell(t)
	require.Equal(t, "CHARGE", m.Owner("C/do/1").ID)
	require.Nil(t, m.Owner("do/9"))
	next, err := m.Apply(&equipment.Change{Base: 1, Retire: []string{"CHARGE"}})
	require.NoError(t, err)
	require.Nil(t, next.Owner("C/do/1"))
}

func TestAllThatIsWrongWithAModelFileIsToldAtOnce(t *testing.T) {
	bad := `schema_version: 1
equipment:
  - {equipment_id: PLANT, level: site, parent: CELL}
  - {equipment_id: CELL, level: cell, parent: PLANT, colour: red}
  - {equipment_id: AREA, level: area}
  - {equipment_id: LOST, level: unit, parent: NOWHERE, map: ../r.yaml}
  - {equipment_id: R1, level: unit, parent: PLANT, owners: 1, channels: [a, b], safe: {a: x, c: 0}}
  - {equipment_id: R2, level: unit, parent: CM, map: maps/r2.yaml, owners: 3, channels: [a], safe: {a: 0}}
  - {equipment_id: R1, level: site}
  - {equipment_id: CM, level: control_module, parent: PLANT, map: m.yaml, channels: [z], safe: {z: 00}}
  - {equipment_id: GONE, level: area, parent: PLANT, retired: true}
  - {equipment_id: LEFT, level: process_cell, parent: GONE}
`
	m, err := equipment.Parse("bad.yaml", []byte(bad))
	require.Error(t, err)
	require.Nil(t, m)
	golden.Check(t, "testdata/faults.golden", []byte(err.Error()+"\n"))
}

func TestABrokenFileGivesNoModel(t *testing.T) {
	for _, src := range []string{"", "equipment: []\n", "schema_version: 1\nequipment: []\n", "schema_version: 2\nequipment: [{equipment_id: P, level: site}]\n", "- 1\n", "schema_version: 1\nequipment: {a: b}\n"} {
		m, err := equipment.Parse("x.yaml", []byte(src))
		require.Error(t, err, src)
		require.Nil(t, m, src)
	}
}

func TestAValueOnTheWireIsAWholeNumberOrItsBits(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "1": 1, "-1": 1<<64 - 1, "0x40800000": 0x40800000, "0xffffffffffffffff": 1<<64 - 1} {
		bits, ok := equipment.Raw(text)
		require.True(t, ok, text)
		require.Equal(t, want, bits, text)
	}
	for _, text := range []string{"", "x", "01", "+1", "1.5", "0x", "0x_1", "0x-1", "0x10000000000000000", " 1", "9223372036854775808"} {
		_, ok := equipment.Raw(text)
		require.False(t, ok, text)
	}
}

func TestAMapFitsOrAllThatSpeaksAgainstItIsTold(t *testing.T) {
	m := cell(t)
	good := equipment.Wiring{Map: "maps/r101.yaml", Unit: "R101", Resources: []string{"CHARGE", "R101"}, Outputs: []equipment.Output{
		{Channel: "R101/do/1", Equipment: "R101"}, {Channel: "C/do/1", Equipment: "CHARGE", Safe: 1}}}
	require.NoError(t, m.Fits("R101", &good))

	turned := good
	turned.Resources = []string{"R101", "CHARGE"}
	require.ErrorContains(t, m.Fits("R101", &turned), "CHARGE stands behind R101, and in the model before it")
	require.ErrorContains(t, m.Fits("R102", &good), "it has equipment_id: R101, and the model names it as the map of R102")

	bad := equipment.Wiring{Map: "m.yaml", Unit: "R101", Resources: []string{"NONE", "CELL"}, Outputs: []equipment.Output{
		{Channel: "R101/do/1", Equipment: "CHARGE"}, {Channel: "R102/do/1"}, {Channel: "C/do/1", Equipment: "CHARGE"}, {Channel: "q"}, {Channel: "p", Equipment: "R101"}}}
	err := m.Fits("R101", &bad)
	for _, want := range []string{
		`the model has no "NONE"`,
		"CELL is not arbitrated",
		"output R101/do/1 belongs to R101 in the model, and in the map to CHARGE",
		"output R102/do/1 belongs to R102 in the model, and in the map to none",
		"output C/do/1 has the safe value 1 in the model, and on the wire of the map 0x0",
		"output q belongs to nothing, and nobody could write it",
		"output p belongs to R101, and in the model to nothing",
	} {
		require.ErrorContains(t, err, want)
	}

	less, err := m.Apply(&equipment.Change{Base: 1, Retire: []string{"CHARGE"}})
	require.NoError(t, err)
	require.ErrorContains(t, less.Fits("R101", &good), "CHARGE is retired")
}
