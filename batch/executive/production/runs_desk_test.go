// Claims about unit runs and material as clients reach them.

package production

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

// client is a client of the engine of a rig, on a network in memory; rights are those that count.
func (r *runRig) client(rights api.Rights) *api.Client {
	r.t.Helper()
	n := &api.Memory{}
	listener, err := n.Listen(api.Production)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = api.Serve(ctx, listener, r.e.Handler(func(context.Context) (api.Rights, error) { return rights, nil }))
	})
	c := n.Dial(api.Production)
	end := r.end
	r.end = func() { c.Close(); cancel(); wg.Wait(); end(); r.end = end }
	return c
}

func TestAPersonDrivesARunByMessages(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		c := r.client(api.LocalRights())
		ctx := context.Background()
		var slots api.UnitSlots
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/units", nil, &slots))
		require.Len(t, slots, 5)
		require.Equal(t, api.UnitSlot{Unit: "R101", Definition: "Production", State: "Idle", Code: 8388608, Control: "message", Follows: true, Captured: []string{"WT301", "FT101", "WT901"}}, slots[2])

		var done api.RunAccepted
		require.NoError(t, c.Call(ctx, http.MethodPost, "/v1/runs", &api.RunCreate{Unit: "R101", Definition: "Production", Ident: "Lot 7", Start: true}, &done))
		require.Equal(t, "R-000001", done.Run)
		require.Regexp(t, "^local:", done.As)
		tell := func(command string) error {
			return c.Call(ctx, http.MethodPost, "/v1/runs/R-000001/commands", &api.RunCommand{Command: command}, &done)
		}
		var no *api.Error
		require.ErrorAs(t, tell("finish"), &no)
		require.Equal(t, http.StatusConflict, no.Status)
		require.ErrorContains(t, no, "finish is refused: it is Active; possible: pause, ready, cancel")
		require.ErrorAs(t, tell("explode"), &no)
		require.Equal(t, http.StatusBadRequest, no.Status)
		for _, command := range []string{"pause", "resume", "ready"} {
			require.NoError(t, tell(command))
		}
		var run api.Run
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/runs/R-000001", nil, &run))
		require.Equal(t, []string{"Ready", "Lot 7", "finish"}, []string{run.State, run.Ident, run.Commands[0]})
		require.EqualValues(t, 1048616, run.Code)
		require.NotEmpty(t, run.Ended)
		require.NoError(t, tell("finish"))
		var list api.Runs
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/runs?unit=R101&state=finished", nil, &list))
		require.Len(t, list, 1)
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/runs?after=R-000001", nil, &list))
		require.Empty(t, list)
		for path, want := range map[string]string{"/v1/runs?state=odd": "none of a run", "/v1/runs?limit=0": "no number above 0", "/v1/runs?after=x": "no run", "/v1/runs/R-000009": "no run", "/v1/materials/X": "no material"} {
			require.ErrorContains(t, c.Call(ctx, http.MethodGet, path, nil, &list), want)
		}
		require.ErrorContains(t, c.Call(ctx, http.MethodPost, "/v1/runs", &api.RunCreate{Unit: "R109", Definition: "Production"}, &done), "no such unit is known; configure it first")
		require.NotEmpty(t, r.notices("refused"))
		r.checked()
	})
}

func TestMaterialIsMovedBackWholeOrCancelIsRefusedWhole(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		c := r.client(api.LocalRights())
		ctx := context.Background()
		var done api.RunAccepted
		material := func(o *api.MaterialOrder) error { return c.Call(ctx, http.MethodPost, "/v1/materials", o, &done) }
		require.NoError(t, material(&api.MaterialOrder{Command: "arrive", Unit: "R101"}))
		require.Equal(t, []string{"M-000001"}, done.Materials)
		require.NoError(t, material(&api.MaterialOrder{Command: "arrive", Unit: "R101"}))
		require.Equal(t, []string{"M-000002"}, done.Materials)
		require.NoError(t, c.Call(ctx, http.MethodPost, "/v1/runs", &api.RunCreate{Unit: "R102", Definition: "Production", Ident: "Lot 1", Start: true}, &done))
		for _, id := range []string{"M-000001", "M-000002"} {
			require.NoError(t, material(&api.MaterialOrder{Command: "move", Material: id, Unit: "R102"}))
		}
		var run api.Run
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/runs/R-000001", nil, &run))
		require.Equal(t, []string{"M-000001", "M-000002"}, run.Materials)

		require.NoError(t, material(&api.MaterialOrder{Command: "move", Material: "M-000002", Unit: "R101"}))
		cancel := func() error {
			return c.Call(ctx, http.MethodPost, "/v1/runs/R-000001/commands", &api.RunCommand{Command: "cancel"}, &done)
		}
		require.ErrorContains(t, cancel(), "M-000002: ")
		var m api.Material
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/materials/M-000001", nil, &m))
		require.Equal(t, "R102", m.Unit, "nothing was moved")
		require.Equal(t, "Active", r.state("R-000001"))

		require.NoError(t, c.Call(ctx, http.MethodPost, "/v1/runs", &api.RunCreate{Unit: "R101", Definition: "Production", Ident: "Lot 2", Start: true}, &done))
		require.Equal(t, "R-000002", done.Run)
		require.NoError(t, c.Call(ctx, http.MethodPost, "/v1/runs/R-000002/commands", &api.RunCommand{Command: "cancel"}, &done))
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/materials/M-000002", nil, &m))
		require.Equal(t, "R102", m.Unit, "it is where it came from, whole")
		require.Equal(t, "Canceled for restart", r.state("R-000002"))
		var list api.Materials
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/materials?unit=R102", nil, &list))
		require.Len(t, list, 2)

		require.NoError(t, material(&api.MaterialOrder{Command: "split", Material: "M-000001", Others: []string{"HALF-1", "HALF-2"}}))
		require.NoError(t, material(&api.MaterialOrder{Command: "merge", Material: "WHOLE", Others: []string{"HALF-1", "HALF-2"}}))
		require.NoError(t, material(&api.MaterialOrder{Command: "exit", Material: "WHOLE"}))
		require.ErrorContains(t, material(&api.MaterialOrder{Command: "exit", Material: "WHOLE"}), "WHOLE")
		require.ErrorContains(t, material(&api.MaterialOrder{Command: "exit"}), "material_id is missing")
		require.ErrorContains(t, material(&api.MaterialOrder{Command: "melt", Material: "WHOLE"}), "none; give register")
		require.NoError(t, c.Call(ctx, http.MethodGet, "/v1/materials/WHOLE", nil, &m))
		require.Equal(t, "exited", m.Life)
		require.Equal(t, []string{"HALF-1", "HALF-2"}, m.From)
		r.checked()
	})
}

func TestANewMaterialHasANameOfItsOwnWhoeverAsksAtOnceAndWhateverOthersAreCalled(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		u := r.e.UnitRuns()
		for _, id := range []string{"M-4294967295", "M-18446744073709551615", "M-000003", "M-1"} {
			_, err := u.Material(&api.MaterialOrder{Command: "register", Material: id})
			require.NoError(t, err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		given := map[string]int{}
		for n := range 40 {
			all.Go(func() {
				ids, err := u.Material(&api.MaterialOrder{Command: []string{"arrive", "register"}[n%2], Unit: []string{"R101", ""}[n%2]})
				mu.Lock()
				defer mu.Unlock()
				require.NoError(t, err)
				given[ids[0]]++
			})
		}
		all.Wait()
		require.Len(t, given, 40, "each is another one")
		require.Contains(t, given, "M-000004")
		_, err := u.Material(&api.MaterialOrder{Command: "register", Material: "M-000050"})
		require.NoError(t, err)
		ids, err := u.Material(&api.MaterialOrder{Command: "register"})
		require.NoError(t, err)
		require.Equal(t, []string{"M-000051"}, ids)
		r.checked()
	})
}

func TestAListGoesOnBehindTheLastThatWasGiven(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		c, u := r.client(api.LocalRights()), r.e.UnitRuns()
		for range 7 {
			_, err := u.Material(&api.MaterialOrder{Command: "arrive", Unit: "R101"})
			require.NoError(t, err)
		}
		var got []string
		for after := ""; ; {
			var list api.Materials
			require.NoError(t, c.Call(t.Context(), http.MethodGet, "/v1/materials?limit=3&after="+after, nil, &list))
			if len(list) == 0 {
				break
			}
			for _, m := range list {
				got, after = append(got, m.ID), m.ID
			}
			require.LessOrEqual(t, len(got), 7)
		}
		require.Len(t, got, 7)
		var list api.Materials
		require.ErrorContains(t, c.Call(t.Context(), http.MethodGet, "/v1/materials?after=M-000099", nil, &list), "is remembered", "it does not begin anew")
	})
}

func TestWhoMayNotPlanIsRefusedOnRecord(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		c := r.client(api.Rights{Local: map[string]string{"*": "viewer"}, Roles: map[string][]string{"viewer": {}}})
		var done api.RunAccepted
		for _, err := range []error{
			c.Call(t.Context(), http.MethodPost, "/v1/runs", &api.RunCreate{Unit: "R101", Definition: "Production"}, &done),
			c.Call(t.Context(), http.MethodPost, "/v1/runs/R-000001/commands", &api.RunCommand{Command: "pause"}, &done),
			c.Call(t.Context(), http.MethodPost, "/v1/materials", &api.MaterialOrder{Command: "arrive", Unit: "R101"}, &done),
		} {
			var no *api.Error
			require.ErrorAs(t, err, &no)
			require.Equal(t, http.StatusForbidden, no.Status)
		}
		var list api.Runs
		require.NoError(t, c.Call(t.Context(), http.MethodGet, "/v1/runs", nil, &list), "who may not plan may look")
		require.Len(t, r.records(record.KindAccessRefused), 3)
		require.Empty(t, r.states())
	})
}

func TestAnEngineWithoutUnitRunsRefusesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runRig{t: t, dir: t.TempDir()}
		var err error
		r.e, err = Open(r.dir, "board-1", &Needs{Batches: &r.batches, Products: Recorded{}, Resources: &r.plant}, nil)
		require.NoError(t, err)
		_, err = r.e.UnitRuns().Create(&api.RunCreate{Unit: "R101", Definition: "Production"})
		require.ErrorContains(t, err, "start it with a file of run definitions")
		require.Empty(t, r.e.UnitRuns().Slots())
		require.NoError(t, r.e.Close())
		time.Sleep(time.Second)
	})
}

func TestWhoWatchesIsToldOfEachRunThatChanges(t *testing.T) {
	inRunBubble(t, func(t *testing.T, r *runRig) {
		c := r.client(api.LocalRights())
		r.batch("B-1", api.Active, "Running", "R101")
		var told []string
		errEnough := errors.New("enough")
		err := c.Events(t.Context(), "/v1/events", 5*time.Second, func(event, _ string, data []byte) error {
			if event != "run" {
				return nil
			}
			var run api.Run
			require.NoError(t, json.Unmarshal(data, &run))
			require.NoError(t, run.Check())
			if told = append(told, run.ID+" "+run.State); len(told) == 1 {
				go r.batches.say(t, "B-1", api.Batch{ID: "B-1", Life: api.Ended, State: "Complete"})
			}
			if run.State == "Ready" {
				return errEnough
			}
			return nil
		})
		require.ErrorIs(t, err, errEnough)
		require.Equal(t, []string{"R-000001 Active", "R-000001 Ready"}, told)
	})
}
