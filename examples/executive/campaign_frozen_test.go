// Runners that are frozen, and thawed when others have what they had.

//go:build linux

package main

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Outputs of R101: the coarse valve, and the agitator, which runs for a second.
const (
	charging = "R101/do/1"
	stirring = "R101/do/6"
)

// frozen makes a batch on R101 and freezes its runner when it has an output on.
func (r *rig) frozen(output string) (id string, pid int) {
	r.t.Helper()
	id = r.create("CHARGE", "R101", nil)
	r.until(output+" is on", func() bool { return slices.Contains(r.plant.on("R101"), output) })
	pid, ok := r.signal(id, syscall.SIGSTOP)
	require.True(r.t, ok)
	r.pids[pid] = id
	return id, pid
}

func TestAFrozenRunnerThatIsFencedIsRefusedAtTheWireWhenItThaws(t *testing.T) {
	if aside(t) {
		return
	}
	r := newRig(t)
	id, pid := r.frozen(charging)
	var token uint64
	for _, h := range r.holdings() {
		if h.Equipment == "R101" {
			token = h.Token
		}
	}
	require.Positive(t, token)
	var answer api.Fenced // what a removal asks of the I/O process; the manager is left out, so the runner hears of it at the wire alone
	require.NoError(t, r.s.ask(t.Context(), api.IO, "POST", "/v1/fences", &api.Fence{Order: because, Equipment: []string{"R101"}, Token: token + 1, Batch: id, Safe: true}, &answer))
	require.Zero(t, answer.Greater)
	require.Empty(t, answer.Unconfirmed)
	require.Empty(t, r.plant.on("R101"))
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	r.until("the refusal is on record", func() bool { return r.count("device", "wire_refused", "object_id", id) > 0 })
	require.Empty(t, r.plant.on("R101"), "it moves nothing")
	r.clear()
	r.log()
	r.evidence()
}

func TestAFrozenRunnerThatLostItsUnitMovesNothingOfItWhenItThaws(t *testing.T) {
	if aside(t) {
		return
	}
	r := newRig(t)
	id, pid := r.frozen(charging)
	require.NoError(t, r.ask("POST", "/v1/equipment/R101/release", &because, nil))
	r.until("outputs are safe", func() bool { return len(r.plant.on("R101")) == 0 })
	other := r.create("RINSE", "R101", nil)
	r.until("another has the unit", func() bool {
		for _, h := range r.holdings() {
			if h.Equipment == "R101" && h.Batch == other {
				return true
			}
		}
		return false
	})
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	r.is(other, api.Ended, "Complete")
	r.held()
	r.until("that it was taken is on the record of the batch", func() bool {
		return r.count("batches/"+id+"/evidence", "resource_refused", "result", "ended") > 0
	})
	require.Positive(t, r.count("device", "fence", "", ""))
	require.NotEqual(t, "Complete", r.batch(id).State, "a batch without its unit does not complete")
	r.clear()
	r.log()
	r.evidence()
}

func TestAFrozenRunnerIsRemovedByForceAndItsOutputsAreSafe(t *testing.T) {
	if aside(t) {
		return
	}
	r := newRig(t)
	id, pid := r.frozen(charging)
	require.NoError(t, r.remove(id, true))
	r.is(id, api.Removed, "")
	require.Empty(t, r.plant.on("R101"))
	require.False(t, alive(pid))
	_ = syscall.Kill(pid, syscall.SIGCONT)
	r.clear()
	require.Positive(t, r.count("device", "fence", "", ""))
	r.log()
	r.evidence()
}

func TestAFrozenRunnerThatIsLostAndRestartedIsHeldAndTheOldOneWritesNothing(t *testing.T) {
	if aside(t) {
		return
	}
	r := newRig(t)
	id, pid := r.frozen(charging)
	r.is(id, api.Lost, "")
	require.NoError(t, r.ask("POST", "/v1/batches/"+id+"/restart", &api.Restart{Order: because}, nil))
	_ = syscall.Kill(pid, syscall.SIGCONT)
	r.is(id, api.Active, "Held")
	require.NotEqual(t, pid, r.batch(id).PID)
	require.Empty(t, r.plant.on("R101"))
	require.False(t, alive(pid))
	r.tell(id, "restart")
	r.is(id, api.Ended, "Complete")
	r.clear()
	r.log()
	r.evidence()
}

func TestAFrozenRunnerThatIsNotFencedCarriesOnAndItsMissedDeadlinesAreRecords(t *testing.T) {
	if aside(t) {
		return
	}
	r := newRigWith(t, parts, func(dir string) { drain(t, dir) })
	const stirred = 2 * time.Second // more than it is to stir, less than it takes to be shown Lost
	id, pid := r.frozen(stirring)
	time.Sleep(stirred)
	for n := 1; n < 3 && len(r.plant.on("R101")) == 0; n++ { // a busy machine froze it only when it had stirred
		require.Zero(t, r.count("device", "fence", "", ""))
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
		r.clear()
		id, pid = r.frozen(stirring)
		time.Sleep(stirred)
	}
	require.NotEmpty(t, r.plant.on("R101"), "nobody has fenced it")
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	r.until("it says that it was late", func() bool { return r.batch(id).Late > 0 })
	require.Equal(t, pid, r.batch(id).PID)
	r.until("it ends", func() bool {
		b := r.batch(id)
		if b.State == "Held" {
			r.tell(id, "abort")
		}
		return b.Life == api.Ended
	})
	require.Zero(t, r.count("device", "wire_refused", "", ""))
	require.Positive(t, r.count("batches/"+id+"/evidence", "tick_late", "", ""))
	r.clear()
	r.evidence()
}
