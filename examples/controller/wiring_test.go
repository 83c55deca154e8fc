// The wirings of the demo: their tag maps, and the flags that choose one.

package main

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/journal/record"
)

// wirings are the flags of each wiring, and the tag map that they bind a batch to.
var wirings = map[string]string{"": "T301-BUS", "-bus opcua": "T301-BUS-OPCUA", "-scale": "T301-BUS-SCALE", "-bus opcua -scale": "T301-BUS-OPCUA-SCALE"}

// wired gives the flags that stand on a command line.
func wired(args string) *flags {
	f := &flags{bus: modbus.Protocol, given: map[string]bool{}}
	if strings.Contains(args, "-bus opcua") {
		f.bus, f.given["bus"] = opcua.Protocol, true
	}
	if strings.Contains(args, "-scale") {
		f.scale, f.given["scale"] = true, true
	}
	return f
}

func TestTheTagMapsOfTheDemoDifferInTheWayToTheirDevicesAlone(t *testing.T) {
	first, err := demo.ReadFile("demo/bus.yaml")
	require.NoError(t, err)
	for args, id := range wirings {
		ending := wired(args).wiring()
		is, err := demo.ReadFile("demo/bus" + ending + ".yaml")
		require.NoError(t, err)
		_, body, _ := strings.Cut(string(is), "\ntag_map:")
		back := strings.NewReplacer(" "+id+"\n", " T301-BUS\n", "plc-opcua.yaml", "plc.yaml", ", scale.yaml", "", "T301-PLC-OPCUA 1.0", "T301-PLC 1.0, unit: 1",
			"  - {device: SCALE-301, profile: T301-SCALE 1.0, reconnect: 10 s, latency_budget: 500 ms}\n", "",
			"  - {class: weight, plane: control, every: 200 ms}   # of what is said ten times a second, a read takes the next\n", "",
			"device: SCALE-301, point: weight, class: weight,", "device: PLC-301, point: weight, class: fast,").Replace(body)
		_, want, _ := strings.Cut(string(first), "\ntag_map:")
		require.Equal(t, want, back, args)
	}
}

func TestEveryWiringOfTheDemoIsBoundByTheSameMapAndIsPartOfTheBuild(t *testing.T) {
	for args, id := range wirings {
		plan, err := load(hostFS{wiring: wired(args).wiring()}, "", "")
		require.NoError(t, err)
		require.Equal(t, id, plan.TagMap.ID)
		require.Empty(t, fieldbus.Check(plan.TagMap, plan.Map, nil))
		require.Len(t, plan.TagMap.Tags, len(points))
		for i := range plan.Files {
			require.True(t, isDemo(&plan.Files[i]), plan.Files[i].ID)
		}
	}
	require.False(t, isDemo(&batch.File{Kind: "mapping", Data: []byte("mapping: T301-IO\n")}))
}

func TestTheProfileForOPCUAIsWhatThePlantShows(t *testing.T) {
	types := map[fieldbus.Type]string{fieldbus.Bool: "1", fieldbus.Uint16: "3", fieldbus.Int32: "4", fieldbus.Uint32: "5", fieldbus.Float32: "8"}
	m, err := demoBus(byOPCUA)
	require.NoError(t, err)
	other, err := demoBus("")
	require.NoError(t, err)
	for i := range m.Tags {
		p, old := m.Devices[0].Profile.Points[m.Tags[i].Point], other.Devices[0].Profile.Points[other.Tags[i].Point]
		at := -1
		for k := range points {
			if points[k].Channel == m.Tags[i].Channel {
				at = k
			}
		}
		require.GreaterOrEqual(t, at, 0)
		require.Equal(t, "nsu="+uaSpace+";s="+uaFolder+"/"+points[at].Name, p.At)
		require.EqualValues(t, types[p.Type], string('0'+rune(points[at].kind())), p.Name)
		require.Equal(t, points[at].Table != server.Input, p.Access == fieldbus.ReadWrite, p.Name)
		p.At = old.At
		require.Equal(t, old, p, "but for its address it is the same point")
	}
}

func TestFlagsOfAWiringThatMeanNothingAreRefused(t *testing.T) {
	workplace(t)
	for args, says := range map[string]string{
		"-bus canopen":               `-bus "canopen": modbus or opcua is wanted; see controller -help`,
		"-bus=":                      "-bus: nothing stands behind it",
		"-bus opcua -virtual":        "-bus and -virtual: in virtual time no wire leads to the plant; leave one out",
		"-bus opcua -map map.yaml":   "-bus and -map: the tag map that a map names says how its devices are reached; leave one out",
		"-bus modbus -board bed":     "-bus and -board: it is of the simulated plant; leave one out",
		"-bus opcua -scale -virtual": "-bus and -scale and -virtual: ",
	} {
		if runtime.GOOS != "linux" && strings.Contains(args, "-scale") {
			says = "-scale: a pseudo terminal of Linux stands in for the RS-232 line, and this is "
		}
		o := controller(strings.Fields(args)...)
		require.Equal(t, exitUsage, o.code, args)
		require.Contains(t, o.err, says)
	}
	require.NoDirExists(t, "out")
}

func TestAnActiveMapIsNotRewired(t *testing.T) {
	workplace(t)
	newer(t)
	edit(t, "map.yaml", `version: "1.0"`, `version: "1.1"`)
	done(t, words(ana+" -map map.yaml")...)
	done(t, words(bob+" -map map.yaml")...)
	o := controller("-bus", "opcua")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "controller: -bus: a map is active, and its tag map says how its devices are reached; say -map demo:map.yaml, or leave it out\n")
	require.NoDirExists(t, "out/B-0001")
}

func TestATagMapWithDevicesThatThePlantIsNotIsRefused(t *testing.T) {
	profile := func(protocol string) *fieldbus.Profile { return &fieldbus.Profile{Protocol: protocol} }
	f := &plantFlags{bus: &fieldbus.TagMap{ID: "TWO", Devices: []fieldbus.Device{{Name: "A", Profile: profile(modbus.Protocol)}, {Name: "B", Profile: profile(modbus.Protocol)}}}}
	require.EqualError(t, f.wants(), "controller: tag map TWO has devices A and B of protocol modbus, and the plant is one of each; leave out the others")
	f.bus.Devices[1].Profile = profile("canopen")
	require.EqualError(t, f.wants(), `controller: tag map TWO: device B: protocol "canopen": the plant speaks modbus, opcua and scale`)
	f.bus.Devices[1].Profile = profile(scale.Protocol)
	require.NoError(t, f.wants())
	require.Equal(t, [2]bool{false, true}, [2]bool{f.opcua, f.scale})
}

func TestABatchThatWasCutShortIsNotRewired(t *testing.T) {
	workplace(t)
	cmd, said := process(t, "-speed", "10")
	waitForRecord(t, "out/B-0001", record.KindStepState.String())
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
	before := listing(t, "out/B-0001")
	for args, id := range wirings {
		if args == "" || strings.Contains(args, "-scale") && runtime.GOOS != "linux" {
			continue
		}
		o := controller(strings.Fields("-speed 10 " + args)...)
		require.Equal(t, exitFailed, o.code, o)
		require.Contains(t, o.err, "controller: batch B-0001 was cut short and is bound to tag map T301-BUS 1.0, and not to "+id+" 1.0; "+
			"leave out -bus and -scale to continue it as it is wired\n")
		require.Equal(t, before, listing(t, "out/B-0001"))
	}
	require.NoDirExists(t, "out/plant/"+filePKI)
	_, err := os.Lstat("out/plant/" + fileScale)
	require.ErrorIs(t, err, os.ErrNotExist)
}
