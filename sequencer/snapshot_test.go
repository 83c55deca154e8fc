// Snapshots: what is not one is refused, and none that is taken leads to a panic.

package sequencer

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// running is a machine in the middle of its run, with an output on its way and deadlines set.
func running(t testing.TB) *rig {
	r := newRig(charge())
	require.NoError(t, r.take(1, Event{Kind: Boot}))
	require.NoError(t, r.take(1, Event{Kind: Told, Command: Start}))
	return r
}

func TestWhatIsNoSnapshotIsRefused(t *testing.T) {
	r := running(t)
	good := r.m.Snapshot(nil)
	require.Equal(t, append([]byte("before"), good...), r.m.Snapshot([]byte("before")))
	for n := range len(good) {
		_, err := New(&r.w.Program, r.plant).Restore(good[:n])
		require.ErrorIs(t, err, errSnapshot, "cut at %d", n)
	}
	rest, err := New(&r.w.Program, r.plant).Restore(append(bytes.Clone(good), "rest"...))
	require.NoError(t, err)
	require.Equal(t, "rest", string(rest))
}

func TestASnapshotIsTakenUpOverWhateverTheMachineWasDoing(t *testing.T) {
	r := running(t)
	idle := New(&r.w.Program, r.plant)
	start := idle.Snapshot(nil)
	_, err := r.m.Restore(start)
	require.NoError(t, err)
	require.Equal(t, start, r.m.Snapshot(nil))
	require.Equal(t, idle.Wake(), r.m.Wake())
	require.True(t, r.m.active.empty())
	require.Equal(t, idle.Step(1, &Event{Kind: Told, Command: Start}, nil), r.m.Step(1, &Event{Kind: Told, Command: Start}, nil))
}

func TestASnapshotOfAnotherProgramIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(m *Machine){
		"state":           func(m *Machine) { m.el[1].State = uint8(stateCount) },
		"action":          func(m *Machine) { m.el[1].PC = 6 },
		"no action":       func(m *Machine) { m.el[1].PC = -2 },
		"waits at end":    func(m *Machine) { m.el[1].PC = 5 },
		"waits at start":  func(m *Machine) { m.el[1].PC = -1 },
		"block waits":     func(m *Machine) { m.el[0].Waiting = true },
		"tries":           func(m *Machine) { m.el[1].Tries = 1 },
		"block anew":      func(m *Machine) { m.el[0].Anew = true },
		"no trip":         func(m *Machine) { m.r.Trip = uint8(TripRequested) },
		"nothing to read": func(m *Machine) { m.r.Unread = true },
		"trips":           func(m *Machine) { m.r.Tripped = 200 },
		"owner":           func(m *Machine) { m.out[0].Owner = 4 },
		"no owner":        func(m *Machine) { m.out[0].Owner = -1 },
		"busy":            func(m *Machine) { m.r.Busy++ },
		"shown":           func(m *Machine) { m.r.Shown = uint8(stateCount) },
	} {
		r := running(t)
		spoil(r.m)
		_, err := New(&r.w.Program, r.plant).Restore(r.m.Snapshot(nil))
		require.ErrorIs(t, err, errSnapshot, name)
	}
}

// FuzzRestoreEverything is FuzzRestore for a program with one of everything.
func FuzzRestoreEverything(f *testing.F) {
	r := somewhere(f)
	good := r.m.Snapshot(nil)
	f.Add(good, uint8(Hold))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x83
		f.Add(bad, uint8(i%int(commandCount)))
	}
	f.Fuzz(func(t *testing.T, b []byte, c uint8) {
		m := New(&r.w.Program, newPlant(r.w))
		if _, err := m.Restore(b); err != nil {
			require.ErrorIs(t, err, errSnapshot)
			return
		}
		for i, ev := range []Event{{Kind: Input}, {Kind: Told, Command: Command(c)}, {Kind: Done, ID: 1, OK: true}, {Kind: Tick},
			{Kind: Told, Command: Manual, Elem: int(c) % len(m.el)}, {Kind: Told, Command: Restart}, {Kind: Told, Command: Release},
			{Kind: Told, Command: GoTo, Elem: int(c) % len(m.el), Target: int(c)%len(m.el) + 1}, {Kind: Told, Command: Force, Elem: int(c) % len(m.el)},
			{Kind: Told, Command: Automatic}, {Kind: Boot}, {Kind: Tick}, {Kind: Told, Command: Abort}} {
			m.Step(int64(i)*second, &ev, nil)
		}
	})
}

// FuzzRestore holds Restore, and the steps after it, against panics on any bytes.
func FuzzRestore(f *testing.F) {
	r := running(f)
	good := r.m.Snapshot(nil)
	f.Add(good, uint8(Hold))
	f.Add(r.m.Snapshot(good[:0:0])[:40], uint8(Abort))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x83
		f.Add(bad, uint8(Stop))
	}
	f.Fuzz(func(t *testing.T, b []byte, c uint8) {
		w := charge()
		m := New(&w.Program, newPlant(w))
		if _, err := m.Restore(b); err != nil {
			require.ErrorIs(t, err, errSnapshot)
			return
		}
		for i, ev := range []Event{{Kind: Input}, {Kind: Told, Command: Command(c)}, {Kind: Done, ID: 1}, {Kind: Finished, ID: 1}, {Kind: Tick},
			{Kind: Told, Command: Release}, {Kind: Told, Command: Abort}, {Kind: Boot}} {
			m.Step(int64(i)*second, &ev, nil)
		}
	})
}
