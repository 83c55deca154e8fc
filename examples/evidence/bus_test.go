// What who approves a tag map or a device profile is told of it.

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const busVersions = "../../fieldbus/testdata/versions/"

func TestTwoVersionsOfATagMapAndOfAProfileAreComparedInWords(t *testing.T) {
	for _, c := range [][3]string{{"old.yaml", "new.yaml", "forward.golden"}, {"old_profile.yaml", "new_profile.yaml", "profile.golden"}} {
		code, out, errs := command("diff", busVersions+c[0], busVersions+c[1])
		require.Equal(t, exitOK, code, errs)
		want, err := os.ReadFile(busVersions + c[2])
		require.NoError(t, err)
		require.Equal(t, string(want), out)
	}
	code, _, errs := command("diff", busVersions+"old.yaml", busVersions+"old_profile.yaml")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "has the key tag_map")
	require.Contains(t, errs, "the key profile")
}

func TestTagMapsAndProfilesAreChecked(t *testing.T) {
	code, out, errs := command("check", demo+"bus.yaml", demo+"plc.yaml")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "T301-BUS 1.0: 1 device, 1 profile, 23 tags\n")
	require.Contains(t, out, "  PLC-301  T301-PLC 1.0  23 tags")
	require.Contains(t, out, "T301-PLC 1.0: modbus, 23 points\n")
	code, _, errs = command("check", "../../fieldbus/testdata/wrong/tagmap_header.yaml", "../../fieldbus/testdata/wrong/profile_points.yaml")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, `profile_points.yaml:6:37: "type" must be one of`)
	for flag, title := range map[string]string{"-tag-map-schema": "Batchkit tag map", "-profile-schema": "Batchkit device profile"} {
		code, out, errs := command("check", flag)
		require.Equal(t, exitOK, code, errs)
		require.Contains(t, out, `"title": "`+title+`"`)
	}
	code, _, _ = command("check", "-schema", "-profile-schema")
	require.Equal(t, exitUsage, code)
}

func TestAMapIsHeldAgainstTheTagMapThatItNamesOrIsGiven(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, replace ...string) string {
		src, err := os.ReadFile(demo + name)
		require.NoError(t, err)
		text := strings.NewReplacer(replace...).Replace(string(src))
		if name == "map.yaml" {
			text = strings.Replace(text, "\ntag_map: bus.yaml\n", "\n", 1)
		}
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return file
	}
	write("plc.yaml", "at: input 16, type: uint16", "at: input 16, type: float32")
	write("calibration.yaml")
	m, bus := write("map.yaml"), write("bus.yaml")
	const says = "wrong: LT301: its form is int, and point level is float32"
	code, out, errs := command("check", m, bus)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, says)
	require.Contains(t, errs, "cannot do what is meant")

	src, err := os.ReadFile(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(m, []byte("tag_map: bus.yaml\n"+string(src)), 0o644), "before the key mapping")
	for _, args := range [][]string{{"check", m}, {"check", m, bus}} {
		code, out, _ = command(args...)
		require.Equal(t, exitFound, code)
		require.Equal(t, 1, strings.Count(out, says))
	}
	code, _, errs = command("check", demo+"recipe.yaml", m)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "LT301: its form is int, and point level is float32")
	require.NoError(t, os.Remove(bus))
	code, _, errs = command("check", m)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "its tag map: ")
}

func TestAddressesAndEndpointsAreHeldAgainstTheProtocol(t *testing.T) {
	dir := t.TempDir()
	edit := func(replace ...string) {
		for _, name := range []string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
			src, err := os.ReadFile(demo + name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.NewReplacer(replace...).Replace(string(src))), 0o644))
		}
	}
	edit("at: input 14,", "at: 30015,", "unit: 1, reconnect", "endpoints: [10.0.0.7], unit: 1, reconnect")
	for _, files := range [][]string{{"map.yaml"}, {"bus.yaml"}, {"recipe.yaml", "map.yaml"}, {"plc.yaml"}} {
		args := []string{"check"}
		for _, name := range files {
			args = append(args, filepath.Join(dir, name))
		}
		code, _, errs := command(args...)
		require.Equal(t, exitFound, code, files)
		require.Equal(t, 1, strings.Count(errs, `modbus: profile "T301-PLC" 1.0: point "weight": address "30015": must be`), errs)
		require.Contains(t, errs, `what a manual calls 40041 is "holding 40"`)
		require.Equal(t, files[0] != "plc.yaml", strings.Contains(errs, `device "PLC-301": endpoint "10.0.0.7": not one of this protocol; must be such as "tcp://`), errs)
	}
	edit("protocol: modbus", "protocol: profinet", "at: input 14,", "at: 30015,")
	code, out, errs := command("check", filepath.Join(dir, "bus.yaml"))
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, `note: profile T301-PLC 1.0: protocol "profinet" is not known here; see its driver for addresses and limits`)

	drafts := "../../fieldbus/opcua/testdata/"
	files := func(replace ...string) (profile, bus string) {
		for from, to := range map[string]*string{"draft_profile.golden": &profile, "draft_bus.golden": &bus} {
			src, err := os.ReadFile(drafts + from)
			require.NoError(t, err)
			*to = filepath.Join(dir, map[string]string{"draft_profile.golden": "profile.yaml", "draft_bus.golden": "bus.yaml"}[from])
			require.NoError(t, os.WriteFile(*to, []byte(strings.NewReplacer(replace...).Replace(string(src))), 0o644))
		}
		return profile, bus
	}
	profile, bus := files()
	code, out, errs = command("check", bus, profile)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "PLC-1 0.1: opcua, 19 points")
	require.NotContains(t, out, "not known here")
	_, bus = files("i=5001", "holding 40", "opc.tcp:", "tcp:")
	code, _, errs = command("check", bus)
	require.Equal(t, exitFound, code)
	require.Equal(t, 1, strings.Count(errs, `point "Valves.Pulses": address "nsu=urn:batchkit:browse%3B100%25;holding 40": it has no identifier`), errs)
	require.Contains(t, errs, `endpoint "tcp://plc:4840/plant": must be opc.tcp://HOST:PORT`)

	code, out, errs = command("check", "../../fieldbus/scale/testdata/profiles/sics.yaml")
	require.Equal(t, exitOK, code, errs)
	require.NotContains(t, out, "not known here")
	src, err := os.ReadFile("../../fieldbus/scale/testdata/profiles/sics.yaml")
	require.NoError(t, err)
	sics := filepath.Join(dir, "sics.yaml")
	require.NoError(t, os.WriteFile(sics, []byte(strings.Replace(string(src), "settings:", "settings:\n  bites: \"yes\"", 1)), 0o644))
	code, _, errs = command("check", sics)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "bites")
}
