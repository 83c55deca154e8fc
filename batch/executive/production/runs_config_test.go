// Claims about the file of unit runs.

package production

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/strictyaml"
)

// cell has two reactors and a mixer.
func cell() *api.Model {
	return &api.Model{Version: 1, Items: []api.Equipment{
		{ID: "PLANT", Level: "site"},
		{ID: "R101", Level: "unit", Parent: "PLANT", Class: "REACTOR", Owners: 1},
		{ID: "R102", Level: "unit", Parent: "PLANT", Class: "REACTOR", Owners: 1},
		{ID: "M201", Level: "unit", Parent: "PLANT", Owners: 2},
		{ID: "R103", Level: "unit", Parent: "PLANT", Class: "REACTOR", Owners: 1, Retired: true},
		{ID: "n2.R1", Level: "unit", Parent: "PLANT", Class: "REACTOR", Owners: 1, Node: "n2"},
	}}
}

func definitions(t testing.TB) []Definition {
	t.Helper()
	src, err := os.ReadFile("testdata/runs.yaml")
	require.NoError(t, err)
	list, err := ParseRuns("runs.yaml", src)
	require.NoError(t, err)
	return list
}

// missing is what is missing, in parts.
func (f *fold) missing(want *unitrun.Config) []unitrun.Event {
	_, parts := f.runs.missing(want)
	return parts
}

func TestAFileOfUnitRunsBecomesTheSlotsOfItsUnits(t *testing.T) {
	c, err := configured(definitions(t), cell())
	require.NoError(t, err)
	ev := unitrun.Event{Kind: unitrun.Configure, Config: &c}
	line, err := ev.Append(nil)
	require.NoError(t, err)
	golden.Check(t, "testdata/runs.golden", append(bytes.ReplaceAll(line, []byte(`},{`), []byte("},\n{")), '\n'))

	f := newFold("")
	whole, _ := f.runs.missing(&c)
	_, fx := f.stepRun(noonStamp(), &whole)
	require.NoError(t, refusal(fx))
	require.Empty(t, f.missing(&c), "it is so, and is not told again")
	less, err := configured(definitions(t)[:1], cell())
	require.NoError(t, err)
	todo := f.missing(&less)
	require.NotEmpty(t, todo)
	for i := range todo {
		_, fx := f.stepRun(noonStamp(), &todo[i])
		for _, e := range fx {
			require.Equal(t, unitrun.Configured, e.Kind, e.Reason)
		}
	}
	require.Empty(t, f.missing(&less))
	require.Len(t, f.runs.tracker.Stands(), 2)
}

func TestAFileThatIsTooLongForOneRecordIsToldInSeveral(t *testing.T) {
	var src strings.Builder
	src.WriteString("schema_version: 1\nrun_definitions:\n")
	for i := range 20 {
		fmt.Fprintf(&src, "  - run_definition: D%d\n    class: REACTOR\n    capture:\n      period: 1 s\n      tags:\n", i)
		for k := range 30 {
			fmt.Fprintf(&src, "        - {logical_tag: %s%d, physical_channel: ai/%d}\n", strings.Repeat("T", 30), k, k)
		}
	}
	list, err := ParseRuns("runs.yaml", []byte(src.String()))
	require.NoError(t, err)
	c, err := configured(list, cell())
	require.NoError(t, err)
	f := newFold("")
	whole, todo := f.runs.missing(&c)
	require.Zero(t, whole.Kind)
	for i := range todo {
		_, err := todo[i].Append(nil)
		require.NoError(t, err)
		_, fx := f.stepRun(noonStamp(), &todo[i])
		for _, e := range fx {
			require.Equal(t, unitrun.Configured, e.Kind, e.Reason)
		}
	}
	require.Empty(t, f.missing(&c))
}

func TestWhatIsWrongInAFileOfUnitRunsIsToldAllAtOnceWithItsPlace(t *testing.T) {
	src, err := os.ReadFile("testdata/faults.yaml")
	require.NoError(t, err)
	_, err = ParseRuns("faults.yaml", src)
	require.Error(t, err)
	src2, err2 := os.ReadFile("testdata/misfits.yaml")
	require.NoError(t, err2)
	_, err2 = ParseRuns("misfits.yaml", src2)
	require.Error(t, err2)
	golden.Check(t, "testdata/faults.golden", []byte(err.Error()+"\n"+err2.Error()+"\n"))
}

func TestADefinitionThatFitsNoUnitIsRefused(t *testing.T) {
	for _, c := range []struct{ def, want string }{
		{"class: OVEN", `no unit of class "OVEN" is in use`},
		{"units: [R103]", "unit R103 is not in use on this board"},
		{"{class: REACTOR, units: [M201]}", `unit M201 is not in use on this board, or is not of class "REACTOR"`},
		{"units: [n2.R1]", "unit n2.R1 is not in use on this board"},
		{"{units: [M201], follow: {batches: true}}", "2 batches may have unit M201 at a time"},
	} {
		body := "{run_definition: P, " + strings.Trim(c.def, "{}") + "}"
		if strings.Contains(c.def, "follow") {
			body = "{run_definition: P, units: [M201], follow: {batches: true}}"
		}
		list, err := ParseRuns("runs.yaml", []byte("schema_version: 1\nrun_definitions:\n  - "+body+"\n"))
		require.NoError(t, err, body)
		_, err = configured(list, cell())
		require.ErrorContains(t, err, c.want)
	}
}

// seen is a file as the schema sees it: each scalar is a text.
func seen(n strictyaml.Node) any {
	switch n.Kind() {
	case strictyaml.List:
		list := []any{}
		for _, item := range n.List(1 << 20) {
			list = append(list, seen(item))
		}
		return list
	case strictyaml.Mapping:
		fields := map[string]any{}
		for _, e := range n.Entries(1 << 20) {
			fields[e.Key.Str()] = seen(e.Value)
		}
		return fields
	}
	return n.Str()
}

func TestTheSchemaOfUnitRunsTakesWhatParseRunsTakes(t *testing.T) {
	const id = "https://batchkit.github.io/batch/executive/production/runs.schema.json"
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(RunsSchema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(id, doc))
	s, err := c.Compile(id)
	require.NoError(t, err)
	require.Equal(t, 2020, s.DraftVersion)
	all := `run_definition: P, class: C, units: [U], control: both, auto_create: true, post_processing: true, ready_from_created: true, link_while_paused: false, test: true,
    identifier: {by: unit, prefix: P-, digits: 4}, follow: {batches: true, at_abort: cancel}, ports: {create: a, active: b, ready: c, cancel: d},
    capture: {period: 1 s, tags: [{logical_tag: T, physical_channel: a/1, gain: 0.01 kg, decimals: 2}]}`
	file := func(body string) []byte { return []byte("schema_version: 1\nrun_definitions:\n  - {" + body + "}\n") }
	src, err := os.ReadFile("testdata/runs.yaml")
	require.NoError(t, err)
	for _, ok := range [][]byte{src, file(all)} {
		_, err := ParseRuns("runs.yaml", ok)
		require.NoError(t, err)
		require.NoError(t, s.Validate(seen(strictyaml.Parse("runs.yaml", ok, nil).Root())))
	}
	for _, bad := range []string{"run_definition: P", "class: C", "run_definition: a b, class: C", "run_definition: P, class: C, control: radio", "run_definition: P, class: C, colour: red",
		"run_definition: P, class: C, test: maybe", "run_definition: P, class: C, capture: {period: 1 s, tags: []}", "run_definition: P, class: C, capture: {tags: [{logical_tag: T, physical_channel: a}]}",
		"run_definition: P, class: C, follow: {at_abort: cancel}", "run_definition: P, class: C, follow: {batches: true, at_abort: keep}", "run_definition: P, class: C, identifier: {by: unit, digits: 13}",
		"run_definition: P, class: C, capture: {period: 1 s, tags: [{logical_tag: T, physical_channel: a, decimals: 13}]}", "run_definition: P, class: C, ports: {begin: x}"} {
		_, err := ParseRuns("runs.yaml", file(bad))
		require.Error(t, err, bad)
		require.Error(t, s.Validate(seen(strictyaml.Parse("runs.yaml", file(bad), nil).Root())), bad)
	}
}

func FuzzParseRuns(f *testing.F) {
	for _, name := range []string{"testdata/runs.yaml", "testdata/faults.yaml", "testdata/misfits.yaml"} {
		src, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		list, err := ParseRuns("runs.yaml", src)
		if err != nil {
			require.Nil(t, list)
			return
		}
		model := cell()
		c, err := configured(list, model)
		if err != nil {
			return
		}
		fold := newFold("")
		for _, ev := range fold.missing(&c) {
			_, err := ev.Append(nil)
			require.NoError(t, err, "what a file says can be told")
			_, fx := fold.stepRun(noonStamp(), &ev)
			for _, e := range fx {
				require.Equal(t, unitrun.Configured, e.Kind, e.Reason)
			}
		}
	})
}
