// The model lives in the ledger: it is changed whole, on record, and is there again after every end.

package registry_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/registry"
	"github.com/batchkit/batchkit/journal/record"
)

// without is a change that takes S901 out of use, for a reason.
func without(base uint64) *api.ModelChange {
	return &api.ModelChange{Order: api.Order{Reason: "leaks"}, Change: equipment.Change{Base: base, Retire: []string{"S901"}}}
}

func TestTheFirstStartTakesTheModelOfTheFileAndLaterOnesThatOfTheLedger(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		dir, files := t.TempDir(), cell()
		g := serve(t, dir, files, nil)
		first := g.s.Model()
		require.EqualValues(t, 1, first.Version)
		require.Len(t, first.Items, 5)
		require.Empty(t, g.told)
		g.end()
		list := g.records(record.KindEquipmentChange)
		require.Len(t, list, 5)
		for _, r := range list {
			require.Equal(t, me(), r.Text(record.Actor))
			require.Equal(t, "none", r.Text(record.OldValue))
			require.Equal(t, "first start: equipment.yaml", r.Text(record.ChangeReason))
			require.EqualValues(t, 1, r.Count(record.EquipmentModelVersion))
			require.Equal(t, first.Digest, r.Text(record.Digest))
		}

		put(files, "equipment.yaml", strings.Replace(modelYAML, "priority: 2", "priority: 7", 1))
		g = serve(t, dir, files, nil)
		require.Equal(t, first.Digest, g.s.Model().Digest)
		require.Len(t, g.told, 1)
		require.Contains(t, g.told[0], "R101: priority: 2 -> 7; it was not taken: change the model by POST /v1/model/changes")
		require.Equal(t, g.told, g.s.Model().Aside)
		g.end()
		require.Len(t, g.records(record.KindEquipmentChange), 5)

		delete(files, "equipment.yaml")
		g = serve(t, dir, files, nil)
		require.Equal(t, first.Digest, g.s.Model().Digest)
		require.Empty(t, g.told)
		g.end()
	})
}

func TestAFirstStartWithoutAModelSaysWhatToDo(t *testing.T) {
	_, err := registry.Open(t.TempDir(), "D", fstest.MapFS{}, &api.Memory{}, nil)
	require.ErrorContains(t, err, "write it as equipment.yaml")
	bad := cell()
	put(bad, "equipment.yaml", strings.Replace(modelYAML, "level: site", "level: sight", 1))
	_, err = registry.Open(t.TempDir(), "D", bad, &api.Memory{}, nil)
	require.ErrorContains(t, err, "equipment.yaml:3:")
}

func TestAChangeIsShownBeforeAndOnRecordBeforeAnybodySeesIt(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		dir, files := t.TempDir(), cell()
		g := serve(t, dir, files, nil)
		shown, err := g.change(without(1), "?dry=1")
		require.NoError(t, err)
		require.EqualValues(t, 1, g.s.Model().Version, "nothing was changed")
		require.Equal(t, []string{"S901: retired"}, shown.Changes)
		require.Equal(t, []string{"RINSE no longer on R102", "RINSE no longer on R101"}, shown.Recipes)

		made, err := g.change(without(1), "")
		require.NoError(t, err)
		require.Equal(t, shown, made)
		m := g.s.Model()
		require.EqualValues(t, 2, m.Version)
		require.Empty(t, m.Recipes[0].Units)

		_, err = g.change(without(1), "")
		require.Equal(t, http.StatusConflict, status(t, err))
		require.ErrorContains(t, err, "made for 1 and it is 2")
		_, err = g.change(without(2), "")
		require.Equal(t, http.StatusUnprocessableEntity, status(t, err))
		_, err = g.change(&api.ModelChange{Change: equipment.Change{Base: 2, Return: []string{"S901"}}}, "")
		require.ErrorContains(t, err, "a change has a reason")
		g.end()

		list := g.records(record.KindEquipmentChange)
		require.Len(t, list, 6)
		r := list[5]
		require.Equal(t, me(), r.Text(record.Actor))
		require.Equal(t, "local", r.Text(record.OperatorRole))
		require.Equal(t, "leaks", r.Text(record.ChangeReason))
		require.Equal(t, "S901", r.Text(record.ObjectID))
		require.NotContains(t, r.Text(record.OldValue), "retired")
		require.Contains(t, r.Text(record.NewValue), `"retired":true`)
		require.Equal(t, made.Scope, r.Text(record.ImpactScope))
		require.EqualValues(t, 2, r.Count(record.EquipmentModelVersion))

		g = serve(t, dir, files, nil)
		again := g.s.Model()
		require.Equal(t, m.Digest, again.Digest)
		require.EqualValues(t, 2, again.Version)
		g.end()
	})
}

func TestAChangeThatWasCutOffIsNotMadeAndThatIsOnRecord(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		dir, files := t.TempDir(), cell()
		g := serve(t, dir, files, nil)
		g.end()
		old, err := equipment.Parse("equipment.yaml", []byte(modelYAML))
		require.NoError(t, err)
		next, err := old.Apply(&equipment.Change{Base: 1, Retire: []string{"S901", "R102"}})
		require.NoError(t, err)
		led, err := ledger.Open(filepath.Join(dir, "runtime"), "CELL-01", "runtime", nil)
		require.NoError(t, err)
		_, err = led.Append(func(b *record.Body) {
			equipment.Write(b, old, next, equipment.Steps(old, next), 0, "local:1", "", "x", "none")
		})
		require.NoError(t, err)
		require.NoError(t, led.Close())

		for range 2 {
			g = serve(t, dir, files, nil)
			require.EqualValues(t, 1, g.s.Model().Version)
			require.Empty(t, g.told)
			g.end()
			list := g.records(record.KindRecovery)
			require.Len(t, list, 1, "it is told once")
			require.Contains(t, list[0].Text(record.Detail), "to version 2 was cut off after 1 of its records, and is not made")
		}
		g = serve(t, dir, files, nil)
		i, err := g.change(without(1), "")
		require.NoError(t, err)
		require.EqualValues(t, 2, i.Version)
		g.end()
	})
}

func TestWhoWatchesIsToldTheModelWheneverItIsAnotherOne(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		g := serve(t, t.TempDir(), cell(), nil)
		var seen []uint64
		var beats int
		enough := errors.New("enough")
		err := g.c.Events(t.Context(), "/v1/events", 5*time.Second, func(event, id string, data []byte) error {
			if event == "" {
				if beats++; beats == 3 {
					_, err := g.change(without(1), "")
					require.NoError(t, err)
				}
				return nil
			}
			var m api.Model
			require.Equal(t, "model", event)
			require.NoError(t, json.Unmarshal(data, &m))
			require.Equal(t, fmt.Sprint(m.Version), id)
			if seen = append(seen, m.Version); m.Version == 2 {
				return enough
			}
			return nil
		})
		require.ErrorIs(t, err, enough)
		require.Equal(t, []uint64{1, 2}, seen)
		g.end()
	})
}

// batches answers as a manager or a runner does.
func batches(t *testing.T, n *api.Memory, name string, list api.Batches) {
	t.Helper()
	l, err := n.Listen(name)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = api.Serve(t.Context(), l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api.Reply(w, &list, nil) }))
	}()
	t.Cleanup(func() { <-done }) // it may wait a moment for who has just been answered, and behind the bubble's end no time passes
}

func TestWhomAChangeTouchesTheManagerSaysAndWithoutItTheRunners(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		g := serve(t, t.TempDir(), cell(), nil)
		i, err := g.change(without(1), "?dry=1")
		require.NoError(t, err)
		require.Empty(t, i.Batches)
		require.Contains(t, i.Scope, "the manager did not answer")

		batches(t, g.net, "B-1", api.Batches{{ID: "B-1", Recipe: "RINSE", Unit: "R101", Life: api.Active}})
		i, err = g.change(without(1), "?dry=1")
		require.NoError(t, err)
		require.Equal(t, []string{"B-1"}, i.Batches, "the map of R101 names S901")
		require.Contains(t, i.Scope, "the manager did not answer")

		batches(t, g.net, api.Manager, api.Batches{{ID: "B-2", Recipe: "RINSE", Unit: "R102", Life: api.Ready},
			{ID: "B-3", Recipe: "RINSE", Unit: "R102", Life: api.Removed}, {ID: "B-4", Recipe: "OLD", Unit: "X", Equipment: []string{"S901"}, Life: api.Lost}})
		i, err = g.change(without(1), "?dry=1")
		require.NoError(t, err)
		require.Equal(t, []string{"B-2", "B-4"}, i.Batches)
		require.NotContains(t, i.Scope, "did not answer")
		g.end()
	})
}

func TestAChangeThatTakesAnOutputFromABoundBatchWaitsForItAndForTheWordOfTheManager(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		g := serve(t, t.TempDir(), cell(), nil)
		c := &api.ModelChange{Order: api.Order{Reason: "rewired"}, Change: equipment.Change{Base: 1, Put: []equipment.Item{{ID: "S901", Level: "equipment_module", Parent: "CELL", Owners: 1}}}}
		_, err := g.change(c, "")
		require.Equal(t, http.StatusConflict, status(t, err))
		require.ErrorContains(t, err, "start the manager first")
		list := api.Batches{{ID: "B-1", Recipe: "RINSE", Unit: "R101", Life: api.Ready}}
		batches(t, g.net, api.Manager, list)
		for _, query := range []string{"?dry=1", ""} {
			_, err = g.change(c, query)
			require.Equal(t, http.StatusConflict, status(t, err))
			require.ErrorContains(t, err, "S901: output S901/do/1 would no longer be its, and B-1 is bound to it; remove that batch first")
		}
		list[0].Life = api.Removed
		i, err := g.change(c, "")
		require.NoError(t, err)
		require.EqualValues(t, 2, i.Version)
		g.end()
	})
}

// TestMain is the child process of the test below, too.
func TestMain(m *testing.M) {
	if dir := os.Getenv("REGISTRY_CHILD"); dir != "" {
		fmt.Println(child(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child changes the model again and again until it is killed, and says which version is made.
func child(dir string) error {
	s, err := registry.Open(dir, "CELL-01", os.DirFS(filepath.Join(dir, "files")), &api.Memory{}, nil)
	if err != nil {
		return err
	}
	for {
		if err := registry.Turn(s); err != nil {
			return err
		}
		fmt.Println("made", s.Model().Version)
	}
}

func TestAServerThatIsKilledComesUpWithAModelThatIsWholeAndNotOlderThanWhatWasAnswered(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "files"), cell())
	version := 0
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "REGISTRY_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		made := 0
		for ; made <= round*3 && lines.Scan(); made++ {
			n, err := fmt.Sscanf(lines.Text(), "made %d", &version)
			require.NoError(t, err, lines.Text())
			require.Equal(t, 1, n)
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() {
			_, _ = fmt.Sscanf(lines.Text(), "made %d", &version)
		}
		_ = cmd.Wait()
		require.Positive(t, made)

		s, err := registry.Open(dir, "CELL-01", os.DirFS(filepath.Join(dir, "files")), &api.Memory{}, nil)
		require.NoError(t, err)
		now := int(s.Model().Version)
		require.GreaterOrEqual(t, now, version)
		require.LessOrEqual(t, now, version+1, "at most the change that was under way")
		version = now
		require.NoError(t, s.Close())
	}
}
