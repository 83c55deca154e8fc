// Batches that share one virtual time.

package production

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/timebase"
)

// cellFiles are the files of the example's cell.
func cellFiles(t testing.TB) fstest.MapFS {
	const dir = "../../../examples/executive/cell/"
	all := fstest.MapFS{}
	for _, name := range []string{"equipment.yaml", "rights.yaml", "maps/calibration.yaml", "recipes/charge.yaml", "recipes/rinse.yaml", "recipes/twin.yaml"} {
		data, err := os.ReadFile(dir + name)
		require.NoError(t, err)
		all[name] = &fstest.MapFile{Data: data}
	}
	unit, err := os.ReadFile(dir + "maps/UNIT.yaml")
	require.NoError(t, err)
	for _, u := range []string{"R101", "R102", "R103", "R104"} {
		all["maps/"+u+".yaml"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(unit), "{{unit}}", u))}
	}
	return all
}

// cellPlants is the example's cell.
func cellPlants() []Plant {
	var all []Plant
	for i, name := range []string{"R101", "R102", "R103", "R104", "S901"} {
		all = append(all, Plant{Name: name, Simulation: sim.NewPlant(uint64(i + 1))})
	}
	return all
}

// newCast is a cast of that cell.
func newCast(t testing.TB) *cast {
	turns := newTurns(1)
	rig := &Rig{Dir: t.TempDir(), Files: cellFiles(t), Plant: Plants(cellPlants()...)}
	runtime, err := registry.Open(rig.Dir, "CELL", rig.Files, &api.Memory{}, &registry.Options{Actions: api.Actions(), Ledger: &ledger.Options{Clock: turns, Wall: turns}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = runtime.Close() })
	floor, err := newFloor(turns, rig.Plant, runtime.Model())
	require.NoError(t, err)
	return &cast{turns: turns, floor: floor, runtime: runtime, rig: rig, seed: 1, limit: maxDay, sample: timebase.Never, ctx: t.Context(), plans: map[[2]string]*batch.Plan{}, byID: map[string]*virtualBatch{}}
}

// tells writes down what is heard after each turn.
func (c *cast) tells(story *strings.Builder) func() (int64, error) {
	return func() (int64, error) {
		for _, b := range c.heard() {
			fmt.Fprintf(story, "%8.3f s  %-3s %s %-11s %-8s %v %s %s\n", float64(c.turns.now)/1e9, b.ID, b.Unit, b.Life, b.State, b.Equipment, strings.Join(b.Steps, "; "), b.Reason)
		}
		return timebase.Never, nil
	}
}

func (c *cast) must(t testing.TB, o api.Create) {
	o.Start = true
	_, err := c.Create(t.Context(), &o)
	require.NoError(t, err)
}

func TestBatchesOfOneVirtualTimeWaitForEachOther(t *testing.T) {
	var story [2]strings.Builder
	var left [2]string
	for i := range story {
		c := newCast(t)
		c.must(t, api.Create{ID: "C1", Recipe: "CHARGE", Unit: "R101"})
		c.must(t, api.Create{ID: "R1", Recipe: "RINSE", Unit: "R101"})
		c.must(t, api.Create{ID: "R2", Recipe: "RINSE", Unit: "R102"})
		c.must(t, api.Create{ID: "T", Recipe: "TWIN", Unit: "R102", Groups: map[string]string{"PAIR": "P"}})
		c.must(t, api.Create{ID: "C1", Recipe: "CHARGE"})
		_, err := c.Create(t.Context(), &api.Create{ID: "C1", Recipe: "RINSE"})
		require.ErrorContains(t, err, "C1 is one of CHARGE")
		require.NoError(t, c.play(t.Context(), []planned{{at: 2e9, do: func() error { c.must(t, api.Create{ID: "R3", Recipe: "RINSE", Unit: "R103"}); return nil }}}, c.tells(&story[i])))
		for _, b := range c.all {
			if b.is.ID == "T" {
				require.ErrorContains(t, b.failed, "passes messages")
				continue
			}
			require.NoError(t, b.failed)
			r, err := evidence.Verify(b.is.Package)
			require.NoError(t, err)
			require.True(t, r.OK())
		}
		left[i] = digests(t, filepath.Join(c.rig.Dir, "batches"))
	}
	golden.Check(t, "testdata/share.golden", []byte(story[0].String()))
	require.Equal(t, story[0].String(), story[1].String())
	require.Equal(t, left[0], left[1], "the packages are the same, byte for byte")
}

// digests are the digests of all files below a directory.
func digests(t testing.TB, dir string) string {
	var all strings.Builder
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		fmt.Fprintf(&all, "%x  %s\n", sha256.Sum256(data), name)
		return err
	}))
	return all.String()
}

func TestABatchThatIsHeldRestsUntilAPersonComes(t *testing.T) {
	var story strings.Builder
	c := newCast(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c.ctx = ctx
	c.must(t, api.Create{ID: "C1", Recipe: "CHARGE", Unit: "R101"})
	tell := func(id, command string) func() error {
		return func() error {
			return c.Tell(t.Context(), id, &api.Command{Command: command, Order: api.Order{Operator: "anna", Reason: "a look"}})
		}
	}
	require.NoError(t, c.play(t.Context(), []planned{{at: 2e9, do: tell("C1", "hold")}, {at: 3600e9, do: tell("C1", "restart")}}, c.tells(&story)))
	require.Equal(t, "Complete", c.byID["C1"].is.State, story.String())

	c.must(t, api.Create{ID: "C2", Recipe: "CHARGE", Unit: "R101"})
	require.ErrorIs(t, c.play(t.Context(), []planned{{at: c.turns.now + 2e9, do: tell("C2", "hold")}}, c.tells(&story)), ErrRests)
	c.end(stop)
	require.Equal(t, "Aborted", c.byID["C2"].is.State, story.String())
}
