// Unit runs are cut off at any write: the next engine goes on, no run is there twice, none is forgotten, and no value is on
// record that was not taken.

package production

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
)

// runStory is two batches on two units, with one engine after the other.
type runStory struct {
	t     *testing.T
	disk  *journaltest.Disk
	loss  journaltest.Loss
	clock *stepped
	defs  []Definition
	plant saidPlant
	world []api.Batch // as they stand, whoever looks
	e     *Engine
	cuts  int
}

// open has an engine come up, and hear of the world.
func (s *runStory) open() (err error) {
	s.e, err = Open(".", "board-1", &Needs{Batches: &saidBatches{}, Products: Recorded{}, Resources: &s.plant, Runs: &RunNeeds{Definitions: s.defs, Units: &s.plant}},
		&Options{Clock: s.clock, Wall: s.clock, Storage: s.disk})
	if err != nil {
		return err
	}
	s.e.life = Up
	if err = s.e.beginRuns(s.t.Context()); err == nil {
		s.hear()
		err = s.e.catchUpRuns()
	}
	if err != nil {
		_ = s.e.Close()
	}
	return err
}

func (s *runStory) hear() {
	for i := range s.world {
		s.e.floor.holders.hear(&s.world[i])
	}
}

// batch has a batch stand otherwise.
func (s *runStory) batch(id string, life api.Life, state string, equipment ...string) func() error {
	return func() error {
		b := api.Batch{ID: id, Life: life, State: state, Equipment: equipment}
		for i := range s.world {
			if s.world[i].ID == id {
				s.world[i] = b
				s.hear()
				_, err := s.e.turnRuns()
				return err
			}
		}
		s.world = append(s.world, b)
		s.hear()
		_, err := s.e.turnRuns()
		return err
	}
}

// second lets a second go by.
func (s *runStory) second() error {
	s.clock.now.Add(sec)
	_, err := s.e.turnRuns()
	return err
}

// tell is a person who orders something, having looked whether that is so already.
func (s *runStory) tell(run, command, so string) func() error {
	return func() error {
		if v, err := s.e.UnitRuns().Run(run); err == nil && v.State == so {
			return nil
		}
		return s.e.UnitRuns().Tell(run, &api.RunCommand{Command: command, Order: api.Order{Operator: "anna"}})
	}
}

func (s *runStory) steps() (list []func() error) {
	seconds := func(n int) {
		for range n {
			list = append(list, s.second)
		}
	}
	list = append(list, s.batch("B-1", api.Active, "Running", "U0000"))
	seconds(7)
	list = append(list, s.tell("R-000001", "pause", "Paused"))
	seconds(2)
	list = append(list, s.tell("R-000001", "resume", "Active"))
	seconds(3)
	list = append(list, s.batch("B-1", api.Ended, "Complete"), s.batch("B-2", api.Active, "Running", "U0000", "U0001"))
	seconds(6)
	list = append(list, s.batch("B-2", api.Active, "Aborting", "U0000", "U0001"), s.batch("B-2", api.Ended, "Aborted"), func() error { return s.e.floor.keeper.flush() })
	return list
}

// run tells the story to its end, with another engine after each cut.
func (s *runStory) run() {
	for up, list := false, s.steps(); len(list) > 0; {
		if !up {
			err := s.open()
			if up = err == nil; !up {
				s.cut(err)
				continue
			}
		}
		if err := list[0](); err != nil {
			_ = s.e.Close()
			up = false
			s.cut(err)
			continue
		}
		list = list[1:]
	}
	if err := s.e.Close(); err != nil {
		s.cut(err)
	}
}

// cut cuts the power.
func (s *runStory) cut(why error) {
	s.cuts++
	require.Less(s.t, s.cuts, 2, "%v", why)
	s.disk = s.disk.Cut(s.loss)
	s.clock.now.Add(sec / 4)
}

// holds makes sure of what has to be so whatever was cut.
func (s *runStory) holds() {
	r := &runRig{t: s.t, dir: ".", storage: s.disk}
	r.checked()
	begun, last, active, newest := map[string]int{}, map[string]string{}, map[string]bool{}, map[string]int64{}
	for _, rec := range r.records(record.KindUnitRun, record.KindUnitRunData) {
		run := rec.Text(record.RunID)
		if rec.Kind == record.KindUnitRun {
			place := rec.Text(record.ProcessID) + " " + rec.Text(record.UnitID)
			if rec.Text(record.OldValue) == "Idle" {
				begun[place]++
			}
			last[place], active[run] = rec.Text(record.RunState), rec.Text(record.RunState) == "Active"
			continue
		}
		require.True(s.t, active[run], "values while it is not Active")
		for _, row := range rec.Texts(record.RunData) {
			ns, _, _ := strings.Cut(row, " ")
			at, err := strconv.ParseInt(ns, 10, 64)
			require.NoError(s.t, err)
			require.Greater(s.t, at, newest[run], "each value is on record once, in order")
			newest[run] = at
		}
	}
	require.Equal(s.t, map[string]int{"B-1 U0000": 1, "B-2 U0000": 1, "B-2 U0001": 1}, begun)
	require.Equal(s.t, map[string]string{"B-1 U0000": "Ready", "B-2 U0000": "Canceled for restart", "B-2 U0001": "Canceled for restart"}, last)
}

func TestUnitRunsAreCutOffAtAnyWriteAndNothingIsLostOrThereTwice(t *testing.T) {
	step := 3
	if os.Getenv("BATCHKIT_LONG") != "" {
		step = 1
	}
	defs, err := ParseRuns("runs.yaml", []byte("schema_version: 1\nrun_definitions:\n  - {run_definition: P, class: C, follow: {batches: true, at_abort: cancel}, capture: {period: 1 s, "+
		"tags: [{logical_tag: WT301, physical_channel: \"{{unit}}/ai/5\"}]}}\n"))
	require.NoError(t, err)
	for n, over := 1, false; !over; n += step {
		s := &runStory{t: t, disk: journaltest.NewDisk(), clock: &stepped{}, defs: defs, loss: journaltest.Loss{Sectors: []string{"a", "b", "1", ""}[n%4]},
			plant: saidPlant{model: &api.Model{Items: []api.Equipment{{ID: "U0000", Level: "unit", Class: "C", Owners: 1}, {ID: "U0001", Level: "unit", Class: "C", Owners: 1}}}}}
		s.clock.now.Store(1)
		over = true
		calls := 0
		s.disk.Fault = func(_ int, op, _ string) *journaltest.Fault {
			if op != "sync" && op != "write" {
				return nil
			}
			if calls++; calls == n {
				over = false
				return &journaltest.Fault{Err: journaltest.ErrPower, Power: true, Half: n%2 == 0}
			}
			return nil
		}
		s.run()
		if s.holds(); t.Failed() {
			t.Log("call", n)
		}
		if over {
			require.Zero(t, s.cuts)
			require.Greater(t, n, 30)
		}
	}
}

func TestWhatHasChangedMeanwhileIsFollowedInOrder(t *testing.T) {
	s := &runStory{t: t, disk: journaltest.NewDisk(), clock: &stepped{}, defs: definitions(t), plant: saidPlant{model: cell()}}
	s.clock.now.Store(1)
	require.NoError(t, s.open())
	for _, b := range []api.Batch{{ID: "B-1", Life: api.Active, State: "Running", Equipment: []string{"R101"}}, {ID: "B-1", Life: api.Active, State: "Running"},
		{ID: "B-2", Life: api.Active, State: "Running", Equipment: []string{"R101"}}} {
		s.e.floor.holders.hear(&b)
	}
	require.NoError(t, s.e.catchUpRuns())
	_, err := s.e.turnRuns()
	require.NoError(t, err)
	r := &runRig{t: t, dir: ".", storage: s.disk}
	require.Equal(t, []string{"R-000001 Created B-1", "R-000001 Active B-1", "R-000001 Ready B-1", "R-000002 Created B-2", "R-000002 Active B-2"}, r.states())
	require.NoError(t, s.e.Close())
}
