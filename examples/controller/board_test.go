// The claims of -board that need no board.

package main

import (
	"embed"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/iomap"
)

//go:embed board/*.yaml
var boards embed.FS

// unpackBoards copies the files of the bed to the working directory.
func unpackBoards(t *testing.T) {
	entries, err := boards.ReadDir("board")
	require.NoError(t, err)
	for _, e := range entries {
		data, err := boards.ReadFile("board/" + e.Name())
		require.NoError(t, err)
		write(t, e.Name(), string(data))
	}
}

// bed parses a board and loads the map of the bed, from the working directory.
func bed(t *testing.T, board string) (*linux.Board, *iomap.Map) {
	src, err := os.ReadFile(board)
	require.NoError(t, err)
	b, err := linux.ParseBoard(board, src)
	require.NoError(t, err)
	plan, err := batch.Load(os.DirFS("."), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	return b, plan.Map
}

func TestBothBoardsCarryTheMapBesideThem(t *testing.T) {
	t.Chdir(t.TempDir())
	unpackBoards(t)
	for _, file := range []string{"bed.yaml", "pi4.yaml"} {
		b, m := bed(t, file)
		require.NoError(t, carries(b, m))
	}
}

func TestAMapThatABoardCannotCarryIsRefusedWithAllThatIsWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	unpackBoards(t)
	edit(t, "bed.yaml", "line: 0, safe: low", "line: 0, safe: high")
	edit(t, "bed.yaml", "resend: 200 ms", "resend: 1 s")
	edit(t, "map.yaml", "physical_channel: do/2", "physical_channel: di/9")
	edit(t, "map.yaml", "physical_channel: di/1", "physical_channel: do/2")
	edit(t, "map.yaml", "physical_channel: di/2", "physical_channel: ctr/9")
	b, m := bed(t, "bed.yaml")
	err := carries(b, m)
	for _, want := range []string{
		`bed.yaml: map BED-IO: tag XV1: channel "do/1": its safe_value is 0 on the wire, and bed.yaml:11:5 drives 1 when the board is opened; make them the same`,
		`tag XV2: channel "di/9": the board has none of that name; there are: [do/1 do/2 do/3 di/1 di/2 di/3 di/4 di/5 ctr/1]`,
		`tag ZS1: channel "do/2": the map has it as an input, and the board as the other`,
		`tag LSL1: channel "ctr/9": the board has none of that name`,
		`tag LSH1: channel "di/3": stale_after 2000 ms, and levels are read anew every 1000 ms; more than twice that is wanted, or another resend`,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestABoardThatIsNotThereIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	unpackBoards(t)
	edit(t, "bed.yaml", "chip: bed-gpio, line: 0", "chip: no-such-chip, line: 0")
	o := controller("-board", "bed.yaml", "-map", "map.yaml", "-recipe", "recipe.yaml", "-unapproved")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "controller: -board: linux: board bed: bed.yaml:11:5: output \"do/1\": ")
	require.NoDirExists(t, "out/B-0001")
}

func TestFlagsOfThePlantDoNotGoWithABoard(t *testing.T) {
	for _, flag := range [][]string{{"-virtual"}, {"-dry"}, {"-speed", "2"}, {"-seed", "7"}, {"-powercut", "3s"}} {
		o := controller(append([]string{"-board", "b.yaml"}, flag...)...)
		require.Equal(t, exitUsage, o.code, o)
		require.Contains(t, o.err, "-board: -virtual, -dry, -speed, -powercut and -seed are of the simulated plant")
	}
}
