// What who approves a map is told of it: what is new in it, what is found in it, and its table of safe states.

package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
)

const versions = "../../iomap/testdata/versions/"

func TestTwoVersionsOfAMapAreComparedInWords(t *testing.T) {
	code, out, errs := command("diff", versions+"old.yaml", versions+"new.yaml")
	require.Equal(t, exitOK, code, errs)
	want, err := os.ReadFile(versions + "forward.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), out)
	_, out, _ = command("diff", versions+"old.yaml", versions+"old.yaml")
	require.Equal(t, "no difference\n", out)
	code, _, errs = command("diff", versions+"old.yaml", demo+"recipe.yaml")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "has the key mapping")
	code, _, errs = command("diff", demo+"calibration.yaml", demo+"calibration.yaml")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "has the key calibration")
}

func TestTheTableOfSafeStatesIsPrintedToBeSigned(t *testing.T) {
	code, out, errs := command("safe-states", "../quickstart/map.yaml")
	require.Equal(t, exitOK, code, errs)
	golden.Check(t, "testdata/safe_states.golden", []byte(out))
	code, out, errs = command("safe-states", "-csv", "../quickstart/map.yaml")
	require.Equal(t, exitOK, code, errs)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 17)
	code, _, _ = command("safe-states", "-svg", "../quickstart/map.yaml")
	require.Equal(t, exitUsage, code)
	code, _, errs = command("safe-states", demo+"recipe.yaml")
	require.Equal(t, exitFound, code)
	require.NotEmpty(t, errs)
}

func TestACheckOfAMapFailsWhereSomethingCannotDoWhatIsMeant(t *testing.T) {
	code, out, errs := command("check", "-period", "100ms", demo+"map.yaml")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "warning: map: XV101")
	code, out, errs = command("check", "-period", "10s", demo+"map.yaml")
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "it is read every 10 s and STALE after 3 s")
	require.Contains(t, errs, "cannot do what is meant")
	code, _, _ = command("check", "-period", "10s", demo+"recipe.yaml", demo+"map.yaml")
	require.Equal(t, exitFound, code)
	code, _, errs = command("check", "-period", "10 s", demo+"map.yaml")
	require.Equal(t, exitFound, code, "as maps have it: %s", errs)
	code, _, errs = command("check", "-map-schema", demo+"map.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "take no files")
	code, _, errs = command("check", "-period", "soon", demo+"map.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "-period: a time above 0 is wanted, such as 200ms")
	code, _, _ = command("check", "-period", "-1s", demo+"map.yaml")
	require.Equal(t, exitUsage, code)
}

func TestAFindingOfRecipeAndMapIsTold(t *testing.T) {
	src, err := os.ReadFile("../quickstart/recipe.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, text, 0o644))
		return file
	}
	for _, name := range []string{"map.yaml", "calibration.yaml"} {
		text, err := os.ReadFile("../quickstart/" + name)
		require.NoError(t, err)
		write(name, text)
	}
	old := "for: 1 s"
	require.Contains(t, string(src), old)
	recipe := write("recipe.yaml", []byte(strings.Replace(string(src), old, "for: 95 s", 1)))
	code, out, errs := command("check", recipe, filepath.Join(dir, "map.yaml"))
	require.Equal(t, exitFound, code, errs)
	require.Contains(t, out, "wrong: CHARGE/6: FT101 must be stable for 95 s, and the time-out is 90 s; make the time-out longer\n")
}
