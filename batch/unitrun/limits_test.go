// What becomes of limits: what is beyond one is refused or forgotten, and that is told.

package unitrun_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
)

// of is an event of one material.
func of(kind unitrun.EventKind, id, unit string) unitrun.Event {
	return unitrun.Event{Kind: kind, Material: id, Unit: unit}
}

func TestRunsThatAreOverForLongAreForgottenAndTheirNumbersAreNotUsedAgain(t *testing.T) {
	r := newRig(t, unitrun.Slot{AutoCreate: true})
	for range unitrun.MaxOver + 3 {
		r.does(to(unitrun.Start))
		r.does(to(unitrun.MakeReady))
	}
	require.Contains(t, r.refuses(unitrun.Event{Kind: unitrun.Cancel, Run: "R-000003"}), "has been over for long")
	require.Contains(t, r.refuses(unitrun.Event{Kind: unitrun.Cancel, Run: "R-000004"}), "nothing more becomes of it")
	r.does(to(unitrun.Create))
	require.Equal(t, fmt.Sprintf("R-%06d", unitrun.MaxOver+4), stand(r).Run)
	require.Len(t, r.track.Runs("", 1<<20), unitrun.MaxOver+1)
	require.Equal(t, "R-000006", r.track.Runs("R-000005", 1)[0].ID)
	require.Empty(t, r.track.Runs(stand(r).Run, 5))
}

func TestRunsThatWaitToBeFinishedAreKeptAndCounted(t *testing.T) {
	r := newRig(t, unitrun.Slot{AutoCreate: true, Post: true})
	for range unitrun.MaxReady {
		r.does(to(unitrun.Start))
		r.does(to(unitrun.MakeReady))
	}
	require.Contains(t, r.refuses(to(unitrun.Start)), "131072 runs wait to be finished; finish some")
	r.does(unitrun.Event{Kind: unitrun.Finish, Run: "R-000001"})
	r.does(to(unitrun.Start))
}

func TestARunThatHasTooManyMaterialsSaysSoAndCannotBeCanceled(t *testing.T) {
	r := newRig(t, unitrun.Slot{AutoCreate: true})
	r.does(to(unitrun.Start))
	for i := range unitrun.MaxLinks {
		id := fmt.Sprint("M", i)
		r.does(of(unitrun.Arrive, id, "R1"))
		if i%2 == 0 {
			r.does(of(unitrun.Exit, id, ""))
		}
	}
	e := of(unitrun.Arrive, "LAST", "R1")
	fx := r.track.Step(atZero, &e, nil)
	require.Equal(t, unitrun.Arrived, fx[0].Kind, "it is there all the same")
	require.Equal(t, "it has 65536 materials, and LAST is not linked to it; it cannot be canceled for restart any more", fx[1].Reason)
	require.Contains(t, r.refuses(to(unitrun.Cancel)), "not all are known")
	text := snapshot(t, r.track)
	again, err := unitrun.Restore([]byte(text))
	require.NoError(t, err)
	r.track = again
	require.Contains(t, r.refuses(to(unitrun.Cancel)), "not all are known")
}

func TestACancelNamesSoManyAndCountsTheRest(t *testing.T) {
	r := newRig(t, unitrun.Slot{AutoCreate: true})
	r.does(to(unitrun.Start))
	for i := range unitrun.MaxNamed + 5 {
		r.does(of(unitrun.Arrive, fmt.Sprint("M", i), "R1"))
		r.does(of(unitrun.Move, fmt.Sprint("M", i), "T1"))
	}
	require.Contains(t, r.refuses(to(unitrun.Cancel)), "69 materials of 69 cannot go back")
	require.Len(t, r.fx, unitrun.MaxNamed+1)
}

func TestMaterialThatHasExitedForLongIsForgottenUnlessARunHasIt(t *testing.T) {
	r := newRig(t, unitrun.Slot{AutoCreate: true})
	r.does(of(unitrun.Arrive, "OLD", "R1"))
	r.does(to(unitrun.Start))
	r.does(of(unitrun.Exit, "OLD", ""))
	for i := range unitrun.MaxExited + 2 {
		r.does(of(unitrun.Arrive, fmt.Sprint("M", i), "T1"))
		r.does(of(unitrun.Exit, fmt.Sprint("M", i), ""))
	}
	_, known := r.track.Material("M1")
	require.False(t, known)
	_, known = r.track.Material("M2")
	require.True(t, known)
	require.Contains(t, r.refuses(to(unitrun.Cancel)), "1 material of 1 cannot go back")
	r.does(to(unitrun.MakeReady))
	for i := range unitrun.MaxExited {
		r.does(of(unitrun.Arrive, fmt.Sprint("N", i), "T1"))
		r.does(of(unitrun.Exit, fmt.Sprint("N", i), ""))
	}
	_, known = r.track.Material("OLD")
	require.False(t, known)
	run, _ := r.track.Run("R-000001")
	require.Equal(t, []string{"OLD"}, run.Materials)
	all := r.track.Materials("", 1<<20)
	require.Len(t, all, unitrun.MaxExited)
	require.Equal(t, all[2], r.track.Materials(all[1].ID, 1)[0])
}

func TestATraceKeepsItsNewestPlaces(t *testing.T) {
	r := newRig(t, unitrun.Slot{AutoCreate: true})
	r.does(of(unitrun.Arrive, "M1", "R1"))
	for i := range unitrun.MaxTrace {
		r.does(of(unitrun.Move, "M1", []string{"T1", "R1"}[i%2]))
	}
	m, _ := r.track.Material("M1")
	require.Len(t, m.Trace, unitrun.MaxTrace)
	require.EqualValues(t, unitrun.MaxTrace+2, m.Trace[unitrun.MaxTrace-1].No)
	r.does(of(unitrun.Arrive, "M2", "R1"))
	for range unitrun.MaxTrace * 2 { // what is invalid goes first: it can go back as often as one likes
		r.does(to(unitrun.Start))
		r.does(to(unitrun.Cancel))
		r.does(of(unitrun.Move, "M1", "R1"))
		r.does(of(unitrun.Arrive, "M2", "R1"))
	}
}

func TestAMaterialIsSplitSoOftenAndNoMore(t *testing.T) {
	r := newRig(t, unitrun.Slot{})
	r.does(of(unitrun.Arrive, "M", "R1"))
	for i := range unitrun.MaxLines {
		r.does(unitrun.Event{Kind: unitrun.Split, Material: "M", Materials: []string{fmt.Sprint("N", i)}})
	}
	require.Contains(t, r.refuses(unitrun.Event{Kind: unitrun.Split, Material: "M", Materials: []string{"X"}}), "was split into 256 already")
	require.Contains(t, r.refuses(unitrun.Event{Kind: unitrun.Merge, Material: "X", Materials: []string{"N0", "M"}}), "was split into 256 already")
}

func TestMaterialsAndUnitsAreCounted(t *testing.T) {
	r := newRig(t, unitrun.Slot{})
	for i := range unitrun.MaxMaterials {
		r.does(of(unitrun.Register, fmt.Sprint("M", i), ""))
	}
	require.Contains(t, r.refuses(of(unitrun.Arrive, "X", "R1")), "131072 materials are known; let some exit")
	r.does(of(unitrun.Arrive, "M0", "R1"))
	require.Contains(t, r.refuses(unitrun.Event{Kind: unitrun.Split, Material: "M0", Materials: []string{"X"}}), "131072 materials are known")
	r.does(of(unitrun.Exit, "M0", ""))
	r.does(of(unitrun.Arrive, "X", "R1"))
	require.Contains(t, r.refuses(of(unitrun.Regenerate, "M0", "R1")), "131072 materials are known")

	many := func(from, to int) unitrun.Event {
		e := unitrun.Event{Kind: unitrun.Configure, Config: &unitrun.Config{}}
		for i := from; i < to; i++ {
			e.Config.Units = append(e.Config.Units, unitrun.Unit{ID: fmt.Sprint("U", i), Classes: []string{"c"}})
		}
		return e
	}
	for i := 2; i < unitrun.MaxUnits; i += 256 {
		r.does(many(i, min(i+256, unitrun.MaxUnits)))
	}
	require.Contains(t, r.refuses(many(unitrun.MaxUnits, unitrun.MaxUnits+1)), "more than 16384 units")
}
