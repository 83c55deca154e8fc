// Claims about profiles and tag maps as files: what they become, every error at once, and their bounds.

package fieldbus_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

func q(s string) quantity.Quantity {
	v, err := quantity.Parse(s)
	if err != nil {
		panic(err)
	}
	return v
}

// beside reads the profiles of a directory.
func beside(dir string) func(name string) (*fieldbus.Profile, error) {
	return func(name string) (*fieldbus.Profile, error) {
		src, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		return fieldbus.ParseProfile(name, src)
	}
}

func readMap(t testing.TB, dir, name string) *fieldbus.TagMap {
	src, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	m, err := fieldbus.ParseTagMap(name, src, beside(dir))
	require.NoError(t, err)
	return m
}

func TestAProfileIsReadAsItStands(t *testing.T) {
	p, err := beside("testdata/versions")("old_profile.yaml")
	require.NoError(t, err)
	require.Len(t, p.Digest, 64)
	p.Digest = ""
	require.Equal(t, &fieldbus.Profile{ID: "PLC", Version: "1.0", Protocol: "modbus",
		Settings: []fieldbus.Setting{{Key: "line", Text: "9600 8E1"}, {Key: "frame", Text: "{weight}kg"}, {Key: "old", Text: "gone"}},
		Limits: fieldbus.Limits{ReadRegisters: 60, ReadBits: 200, WriteRegisters: 20, WriteBits: 8, Hole: 4, InFlight: 2, Pause: 5_000_000,
			ConnectPause: 100_000_000, Response: 300_000_000, Absent: []string{"input 100..199"}},
		Points: []fieldbus.Point{
			{Index: 0, Name: "SERIAL", At: "holding 900", Type: fieldbus.String, Length: 16, Order: fieldbus.BADC},
			{Index: 1, Name: "BEAT", At: "holding 800", Type: fieldbus.Uint16, Access: fieldbus.ReadWrite},
			{Index: 2, Name: "XV1", At: "coil 0", Type: fieldbus.Bool, Access: fieldbus.ReadWrite},
			{Index: 3, Name: "RESET", At: "coil 9", Type: fieldbus.Bool, Access: fieldbus.WriteOnly},
			{Index: 4, Name: "FLOW", At: "input 10", Type: fieldbus.Float32, Order: fieldbus.CDAB, Unit: "kg/min",
				Scale: fieldbus.Scaling{Gain: q("1 kg/min"), Offset: q("0 kg/min"), Given: true}},
			{Index: 5, Name: "PULSES", At: "input 12", Type: fieldbus.Uint32, Unit: "{pulse}"},
			{Index: 6, Name: "TEMP", At: "input 14", Type: fieldbus.Int16, Unit: "Cel",
				Scale: fieldbus.Scaling{Gain: q("0.1 Cel"), Offset: q("-20 Cel"), Given: true}},
		}}, p)
	require.Equal(t, "TEMP", p.Find("TEMP").Name)
	require.Nil(t, p.Find("NONE"))
	require.Equal(t, "9600 8E1", p.Setting("line"))
	require.Empty(t, p.Setting("none"))
	p, err = beside("testdata/versions")("new_profile.yaml")
	require.NoError(t, err)
	require.Equal(t, -1, p.Limits.Hole)
}

func TestATagMapIsReadAsItStands(t *testing.T) {
	m := readMap(t, "testdata/versions", "old.yaml")
	p := m.Profiles[0]
	require.Len(t, m.Digest, 64)
	m.Digest = ""
	require.Equal(t, &fieldbus.TagMap{ID: "T301-BUS", Version: "1.0", Files: []string{"old_profile.yaml"}, Profiles: []*fieldbus.Profile{p},
		Devices: []fieldbus.Device{
			{Name: "PLC-1", Profile: p, Endpoints: []string{"tcp://10.0.0.7:502", "tcp://10.1.0.7:502"}, Unit: 3, Reconnect: 5_000_000_000,
				Latency: 100_000_000, Heartbeat: &p.Points[1], Beat: 1_000_000_000, Identify: &p.Points[0], Identity: "A-1002"},
			{Name: "PLC-2", Profile: p}},
		Classes: []fieldbus.Class{{Name: "fast", Every: 50_000_000}, {Name: "slow", Plane: fieldbus.Telemetry, Every: 10_000_000_000}},
		Tags: []fieldbus.Tag{{Channel: "do/1", Point: 2, StaleAfter: 500_000_000}, {Channel: "do/9", Point: 3},
			{Channel: "ctr/1", Point: 5, StaleAfter: 500_000_000}, {Channel: "ai/1", Point: 4, StaleAfter: 1_000_000_000},
			{Channel: "ai/2", Device: 1, Point: 6, Class: 1, StaleAfter: 60_000_000_000}}}, m)
	require.Equal(t, "FLOW", m.PointOf(&m.Tags[3]).Name)
}

func TestWithoutProfilesTheFormOfATagMapIsHeldAndWhatItNamesIsTold(t *testing.T) {
	src, err := os.ReadFile("testdata/versions/old.yaml")
	require.NoError(t, err)
	m, err := fieldbus.ParseTagMap("old.yaml", src, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"old_profile.yaml"}, m.Files)
	require.Equal(t, []string{"PLC 1.0"}, m.Kinds)
	require.Equal(t, "T301-BUS 1.0", m.ID+" "+m.Version)
	require.Nil(t, m.Profiles)
	for _, tag := range m.Tags {
		require.Equal(t, -1, tag.Point)
	}
	_, err = fieldbus.ParseTagMap("old.yaml", append(src, "x: y\n"...), nil)
	require.ErrorContains(t, err, `unknown key "x"`)
}

func TestEveryErrorOfAWrongFileIsToldAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(file, "profile_") {
			var p *fieldbus.Profile
			p, err = fieldbus.ParseProfile(filepath.Base(file), src)
			require.Nil(t, p, file)
		} else {
			var m *fieldbus.TagMap
			m, err = fieldbus.ParseTagMap(filepath.Base(file), src, func(name string) (*fieldbus.Profile, error) {
				switch name {
				case "missing.yaml":
					return nil, errors.New("missing.yaml: no such file")
				case "spare.yaml":
					return &fieldbus.Profile{ID: "SPARE", Version: "1"}, nil
				}
				return beside("testdata/versions")("old_profile.yaml")
			})
			require.Nil(t, m, file)
		}
		require.Error(t, err, file)
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
	}
}

// longMap is a file with lists as long as they are said to be.
func longMap(devices, classes, tags int) []byte {
	var b strings.Builder
	b.WriteString("tag_map: M\nversion: a\nschema_version: 1\nprofiles: [p]\ndevices:\n")
	for i := range devices {
		fmt.Fprintf(&b, "  - {device: D%d, profile: P 1}\n", i)
	}
	b.WriteString("classes:\n")
	for i := range classes {
		fmt.Fprintf(&b, "  - {class: C%d, plane: control, every: 1 s}\n", i)
	}
	b.WriteString("tags:\n")
	for i := range tags {
		fmt.Fprintf(&b, "  - {channel: c/%d, device: D%d, point: A, class: C0, stale_after: 3 s}\n", i, i%max(devices, 1))
	}
	return []byte(b.String())
}

func longProfile(points int) []byte {
	var b strings.Builder
	b.WriteString("profile: P\nversion: 1\nschema_version: 1\nprotocol: x\npoints:\n")
	for i := range points {
		fmt.Fprintf(&b, "  - {point: P%d, at: holding %d, type: int16, unit: kg, scaling: {gain: 1 kg, offset: 0 kg}, access: rw}\n", i, i)
	}
	return []byte(b.String())
}

func TestTheLimitsOfBothFilesCanBeReachedAndNotPassed(t *testing.T) {
	one := func(string) (*fieldbus.Profile, error) {
		return &fieldbus.Profile{ID: "P", Version: "1", Points: []fieldbus.Point{{Name: "A", Type: fieldbus.Int16}}}, nil
	}
	m, err := fieldbus.ParseTagMap("m", longMap(fieldbus.MaxDevices, fieldbus.MaxClasses, fieldbus.MaxTags), one)
	require.NoError(t, err)
	require.Len(t, m.Tags, fieldbus.MaxTags)
	for _, n := range [][3]int{{fieldbus.MaxDevices + 1, 1, 1}, {1, fieldbus.MaxClasses + 1, 1}, {1, 1, fieldbus.MaxTags + 1}, {0, 1, 1}, {1, 0, 1}, {1, 1, 0}} {
		_, err := fieldbus.ParseTagMap("m", longMap(n[0], n[1], n[2]), one)
		require.Error(t, err, n)
	}
	p, err := fieldbus.ParseProfile("p", longProfile(fieldbus.MaxPoints))
	require.NoError(t, err)
	require.Len(t, p.Points, fieldbus.MaxPoints)
	_, err = fieldbus.ParseProfile("p", longProfile(fieldbus.MaxPoints+1))
	require.ErrorContains(t, err, "4096")
}

// demo are the files of the demo plant.
const demo = "../examples/controller/demo"

func TestTheTagMapOfTheDemoBindsEveryChannelOfItsIOMap(t *testing.T) {
	m := readMap(t, demo, "bus.yaml")
	src, err := os.ReadFile(demo + "/map.yaml")
	require.NoError(t, err)
	io, err := iomap.Parse("map.yaml", src)
	require.NoError(t, err)
	require.Len(t, m.Tags, len(io.Tags))
	require.Empty(t, fieldbus.Check(m, io, nil))
}

func ExampleParseTagMap() {
	profile := `
profile: FLOWMETER
version: "2"
schema_version: 1
protocol: modbus
points:
  - {point: flow, at: input 8, type: float32, order: CDAB, unit: kg/min}
`
	m, err := fieldbus.ParseTagMap("bus.yaml", []byte(`
tag_map: LINE-1
version: "1"
schema_version: 1
profiles: [flowmeter.yaml]
devices:
  - {device: FT-101, profile: FLOWMETER 2, endpoints: [tcp://10.0.0.7:502], unit: 3}
classes:
  - {class: fast, plane: control, every: 100 ms}
tags:
  - {channel: ai/1, device: FT-101, point: flow, class: fast, stale_after: 1 s}
`), func(name string) (*fieldbus.Profile, error) { return fieldbus.ParseProfile(name, []byte(profile)) })
	if err != nil {
		fmt.Println(err)
		return
	}
	point := m.PointOf(&m.Tags[0])
	fmt.Println(m.Tags[0].Channel, "is", point.Name, "at", point.At, "of", m.Devices[0].Name)
	// Output: ai/1 is flow at input 8 of FT-101
}

// FuzzParseProfile holds any source against panics, and what is accepted against the promises of a Profile.
func FuzzParseProfile(f *testing.F) {
	for _, file := range []string{"testdata/versions/old_profile.yaml", "testdata/versions/new_profile.yaml", "testdata/wrong/profile_header.yaml",
		"testdata/wrong/profile_points.yaml"} {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := fieldbus.ParseProfile("p", src)
		require.Equal(t, err == nil, p != nil)
		if err != nil {
			return
		}
		names := map[string]bool{}
		require.True(t, p.ID != "" && p.Version != "" && p.Protocol != "" && len(p.Points) > 0 && len(p.Points) <= fieldbus.MaxPoints)
		for i := range p.Points {
			v := &p.Points[i]
			require.False(t, names[v.Name])
			names[v.Name] = true
			require.True(t, v.Index == i && v.Name != "" && v.At != "" && len(v.At) <= fieldbus.MaxText && v.Type.String() != "")
			require.Equal(t, v.Type == fieldbus.String, v.Length > 0)
			require.True(t, !v.Scale.Given || v.Scale.Gain.Coef != 0 && v.Scale.Gain.Unit.Compatible(v.Unit) && v.Scale.Offset.Unit.Compatible(v.Unit))
		}
		require.Empty(t, fieldbus.DiffProfile(p, p))
	})
}

// FuzzParseTagMap does the same for tag maps, each with and without profiles, and holds what is accepted against an I/O map.
func FuzzParseTagMap(f *testing.F) {
	for _, file := range []string{"testdata/versions/old.yaml", "testdata/wrong/tagmap_header.yaml", "testdata/wrong/tagmap_lists.yaml",
		"testdata/check/bus.yaml", demo + "/bus.yaml"} {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(src)
	}
	profiles := map[string]*fieldbus.Profile{}
	for _, file := range []string{"testdata/versions/old_profile.yaml", "testdata/check/bus_profile.yaml", demo + "/plc.yaml"} {
		p, err := beside(".")(file)
		require.NoError(f, err)
		profiles[filepath.Base(file)] = p
	}
	src, err := os.ReadFile("testdata/check/map.yaml")
	require.NoError(f, err)
	io, err := iomap.Parse("map.yaml", src)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, src []byte) {
		blind, err := fieldbus.ParseTagMap("m", src, nil)
		require.Equal(t, err == nil, blind != nil)
		m, full := fieldbus.ParseTagMap("m", src, func(name string) (*fieldbus.Profile, error) {
			if p := profiles[name]; p != nil {
				return p, nil
			}
			return nil, fmt.Errorf("no profile %q", name)
		})
		require.Equal(t, full == nil, m != nil)
		if full != nil {
			return
		}
		require.NoError(t, err, "what is whole has its form")
		require.Nil(t, m.Kinds)
		for i := range m.Tags {
			g := &m.Tags[i]
			p, class := m.PointOf(g), m.Classes[g.Class]
			require.NotEqual(t, fieldbus.String, p.Type)
			require.Equal(t, p.Access == fieldbus.WriteOnly, g.StaleAfter == 0)
			require.True(t, class.Plane == fieldbus.Telemetry || g.StaleAfter == 0 || class.Every < g.StaleAfter)
		}
		require.Empty(t, fieldbus.Diff(m, m))
		fieldbus.Check(m, io, nil)
	})
}
