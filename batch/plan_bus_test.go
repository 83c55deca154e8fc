// Claims about plans whose I/O map names a tag map.

package batch

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

// busPlan are the files of a small plan on a bus.
func busPlan() map[string]string {
	return map[string]string{
		"maps/map.yaml": `mapping: M
version: "1"
schema_version: 1
device_id: D
equipment_id: E
tag_map: bus/bus.yaml
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, safe_value: off, stale_after: 3 s}
  - {logical_tag: TT1, physical_channel: ai/1, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 3 s}
  - {logical_tag: TT2, physical_channel: ai/2, direction: in, type: number, form: int, resolution: 1 Cel, gain: 1 Cel, stale_after: 30 s}
`,
		"maps/bus/bus.yaml": `tag_map: BUS
version: "1"
schema_version: 1
profiles: [kinds/plc.yaml]
devices:
  - {device: PLC, profile: PLC 1, reconnect: 1 s, latency_budget: 1 s}
classes:
  - {class: fast, plane: control, every: 100 ms}
  - {class: slow, plane: telemetry, every: 10 s}
tags:
  - {channel: do/1, device: PLC, point: XV, class: fast, stale_after: 3 s}
  - {channel: ai/1, device: PLC, point: T1, class: fast, stale_after: 3 s}
  - {channel: ai/2, device: PLC, point: T2, class: slow, stale_after: 30 s}
`,
		"maps/bus/kinds/plc.yaml": `{profile: PLC, version: "1", schema_version: 1, protocol: modbus, points: [
  {point: XV, at: coil 0, type: bool, access: rw}, {point: T1, at: input 0, type: int16, scaling: {gain: 1 Cel}},
  {point: T2, at: input 1, type: int16, unit: Cel}]}
`,
		"recipe.yaml": `recipe: R
version: "1"
schema_version: 1
title: R
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: P
  level: phase
  timeout: 30 s
  actions:
    - set: {XV1: on}
    - wait: "TT1 > 20 Cel"
    - set: {XV1: off}
`,
	}
}

// loadBus loads it with a text of a file replaced; without a text, the file is left out.
func loadBus(name, old, text string) (*Plan, error) {
	files := fstest.MapFS{}
	for file, src := range busPlan() {
		if file == name && text == "" {
			continue
		}
		if file == name {
			src = strings.Replace(src, old, text, 1)
		}
		files[file] = &fstest.MapFile{Data: []byte(src)}
	}
	return Load(files, "recipe.yaml", "maps/map.yaml", nil)
}

func TestAPlanHasTheTagMapThatItsMapNamesAndTheProfilesOfThat(t *testing.T) {
	p, err := loadBus("", "", "")
	require.NoError(t, err)
	require.Equal(t, "BUS", p.TagMap.ID)
	var kinds []string
	for i := range p.Files {
		kinds = append(kinds, p.Files[i].Kind+" "+p.Files[i].Name+" "+p.Files[i].ID+" "+p.Files[i].Version)
	}
	require.Equal(t, []string{"recipe recipe.yaml R 1", "mapping map.yaml M 1", "tag_map bus.yaml BUS 1", "device_profile plc.yaml PLC 1"}, kinds)
	require.Equal(t, []string{p.TagMap.Digest, p.TagMap.Profiles[0].Digest}, []string{p.Files[2].Digest, p.Files[3].Digest})
	p, err = loadBus("maps/map.yaml", "tag_map: bus/bus.yaml\n", "# none\n")
	require.NoError(t, err)
	require.Nil(t, p.TagMap)
	require.Len(t, p.Files, 2)
}

func TestWhatIsWrongWithTheBusesOfAPlanIsToldWithItsPlace(t *testing.T) {
	for _, c := range []struct{ file, old, text, says string }{
		{"maps/bus/bus.yaml", "", "", "batch: tag map maps/bus/bus.yaml: file does not exist; check its path; maps/map.yaml names it, and it is looked for beside that file"},
		{"maps/bus/kinds/plc.yaml", "", "", "batch: device profile maps/bus/kinds/plc.yaml: file does not exist; check its path\nmaps/bus/bus.yaml:4:12: it is named there"},
		{"maps/bus/bus.yaml", "class: fast, plane", "klass: fast, plane", "maps/bus/bus.yaml:8:"},
		{"maps/bus/kinds/plc.yaml", "int16", "int17", "maps/bus/kinds/plc.yaml:2:"},
		{"maps/bus/kinds/plc.yaml", "access: rw", "access: r", "batch: tag map maps/bus/bus.yaml does not fit maps/map.yaml: XV1: it is an output, and point XV is read only"},
		{"maps/map.yaml", "gain: 1 Cel", "gain: 10 Cel", "TT1: its gain is 10 Cel, and that of point T1 is 1 Cel"},
		{"maps/map.yaml", "bus/bus.yaml", "../bus.yaml", "is not the name of a file beside or below this one"},
	} {
		_, err := loadBus(c.file, c.old, c.text)
		require.ErrorContains(t, err, c.says)
	}
}

func TestACheckOfAPlanLooksAtItsBusesToo(t *testing.T) {
	text := func(p *Plan, opt *iomap.CheckOptions) string {
		list, err := p.Check(opt)
		require.NoError(t, err)
		var b strings.Builder
		for _, f := range list {
			b.WriteString(f.String() + "\n")
		}
		return b.String()
	}
	p, err := loadBus("", "", "")
	require.NoError(t, err)
	require.NotContains(t, text(p, nil), "telemetry")
	p, err = loadBus("recipe.yaml", "TT1 > 20 Cel", "TT2 > 20 Cel")
	require.NoError(t, err)
	require.Contains(t, text(p, nil), "TT2: the recipe goes by it, and class slow is telemetry")
	opt := p.polled(&iomap.CheckOptions{Period: func(tag.ID) int64 { return 7 }})
	require.Equal(t, int64(10_000_000_000), opt.Period(2))
	p.TagMap = &fieldbus.TagMap{}
	require.Equal(t, int64(7), p.polled(&iomap.CheckOptions{Period: func(tag.ID) int64 { return 7 }}).Period(2), "what is on no bus the board reads")
	require.Zero(t, p.polled(nil).Period(2))
}
