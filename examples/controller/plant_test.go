// The process of the plant: how it is started, how long it lives, what it keeps, and what it answers as a device.

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// listening waits until the plant of a directory says where it listens.
func listening(t *testing.T, dir string) address {
	t.Helper()
	for deadline := time.Now().Add(forLong); ; time.Sleep(5 * time.Millisecond) {
		if at, living := findPlant(dir); living && at.Address != "" {
			return at
		}
		require.True(t, time.Now().Before(deadline), "no plant listens")
	}
}

// home makes a directory for a plant.
func home(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(place(t), "out", "plant")
	require.NoError(t, os.MkdirAll(dir, 0o750))
	return dir
}

func TestAPlantThatCannotBeStartedIsNamedWithItsLastWordsAndNoBatchIsBegun(t *testing.T) {
	for file, says := range map[string]string{
		"":        "controller: plant in PLANT: ",
		fileUser:  "controller: plant in PLANT: ",
		fileLog:   "controller: the plant in PLANT was not started: open ",
		fileAddr:  "controller: the plant in PLANT was not started: renameat ",
		fileLock:  "controller: the plant in PLANT was not started: exit status 1\nit said: controller: plant in PLANT: open ",
		fileState: "controller: the plant in PLANT was not started: exit status 1\nit said: controller: plant in PLANT: state: renameat ",
	} {
		t.Run("instead of "+file, func(t *testing.T) {
			out := filepath.Join(place(t), "out")
			plant := filepath.Join(out, "plant")
			if file == "" {
				require.NoError(t, os.MkdirAll(out, 0o750))
				write(t, plant, "a file and no directory")
			} else {
				require.NoError(t, os.MkdirAll(filepath.Join(plant, file), 0o750))
			}
			o := controller("-out", out)
			require.Equal(t, exitFailed, o.code, o)
			require.Empty(t, o.out)
			require.True(t, strings.HasPrefix(o.err, strings.ReplaceAll(says, "PLANT", plant)), o.err)
			require.NoDirExists(t, filepath.Join(out, "B-0001"))
		})
	}
}

func TestTheAddressOfAPlantThatIsDeadIsNotBelieved(t *testing.T) {
	dir := place(t)
	out := filepath.Join(dir, "out")
	addr, met := fake(t, say(func(q []byte) []byte { return q }))
	require.NoError(t, os.MkdirAll(filepath.Join(out, "plant"), 0o750))
	write(t, filepath.Join(out, "plant", fileAddr), fmt.Sprintf(`{"address":%q,"pid":%d,"seed":1,"speed":1}`, addr, os.Getpid()))
	// A machine that is too busy for a write has the batch held, and nobody else would restart it.
	o := controller("-out", out, "-unapproved", "-recipe", filepath.Join(dir, "bell.yaml"), "-faults", restartsUntil(t, dir, never))
	require.Equal(t, exitOK, o.code, o)
	require.Zero(t, met.Load(), "whoever has that port now was not talked to")
	at, living := findPlant(filepath.Join(out, "plant"))
	require.True(t, living, "the plant outlives its controller")
	require.NotEqual(t, addr, at.Address)
}

func TestAPlantLivesWhileItIsAskedAndEndsByItself(t *testing.T) {
	if aside(t) {
		return
	}
	dir := home(t)
	cmd, said := process(t, "plant", "-dir", dir, "-linger", "3s", "-seed", "3")
	at := listening(t, dir)
	// It is asked until it has kept its state for the fifth time, once a second; unasked it would have ended by then.
	var last time.Time
	for kept := 0; kept < 5; time.Sleep(10 * time.Millisecond) {
		_, err := truth(at)
		require.NoError(t, err)
		if file, err := os.Stat(filepath.Join(dir, fileState)); err == nil && !file.ModTime().Equal(last) {
			kept++
			last = file.ModTime()
		}
	}
	require.NoError(t, cmd.Wait(), said)
	require.NoFileExists(t, filepath.Join(dir, fileAddr))
	require.Empty(t, said.String())
	state, err := os.ReadFile(filepath.Join(dir, fileState))
	require.NoError(t, err)
	require.NoError(t, sim.NewPlant(3).Restore(state, 1), "another goes on from it")
}

func TestTwoPlantsDoNotShareADirectory(t *testing.T) {
	dir := home(t)
	_, _ = process(t, "plant", "-dir", dir)
	at := listening(t, dir)
	for range 2 {
		cmd, said := process(t, "plant", "-dir", dir, "-fresh")
		require.Error(t, cmd.Wait())
		require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
		require.Equal(t, "controller: plant in "+dir+": in use by another process\n", said.String())
	}
	require.Equal(t, at, listening(t, dir))
	_, err := truth(at)
	require.NoError(t, err)
}

func TestAStateThatIsDamagedIsRefusedByThePlantAndLeftAsItIs(t *testing.T) {
	whole := sim.NewPlant(1).Snapshot()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, state := range map[string][]byte{"empty": {}, "half": whole[:len(whole)/2], "a bit": flipped, "longer": append(bytes.Clone(whole), '\n'),
		"another seed": sim.NewPlant(2).Snapshot()} {
		dir := t.TempDir()
		file := filepath.Join(dir, fileState)
		write(t, file, string(state))
		err := runPlant(t.Context(), &plantFlags{dir: dir, seed: 1, speed: 1, linger: time.Minute})
		require.ErrorIs(t, err, sim.ErrState, name)
		require.ErrorContains(t, err, "its state is left as it is", name)
		left, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, state, left, name)
		require.NoFileExists(t, filepath.Join(dir, fileAddr))
	}
}

func TestAPlantIsNotRunWithoutADirectoryOrATime(t *testing.T) {
	for _, args := range [][]string{{}, {"-dir", "x", "-linger", "0s"}, {"-dir", "x", "more"}, {"-dir", "x", "-linger", "soon"}} {
		require.Equal(t, exitUsage, controller(append([]string{"plant"}, args...)...).code, args)
	}
	require.NoDirExists(t, "x")
}

// onNetwork puts a plant on the network, at a speed, and dials it.
func onNetwork(t *testing.T) (*sim.Plant, *modbus.Client) {
	t.Helper()
	p, ctx := sim.NewPlant(1), t.Context()
	s, err := server.Serve("127.0.0.1:0", newBoard(ctx, p, system.NewClock(20), nil, func() {}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c, err := modbus.Dial(ctx, s.Addr(), &modbus.Options{Timeout: forLong})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return p, c
}

func TestThePlantRefusesWhatItDoesNotHave(t *testing.T) {
	t.Parallel()
	p, c := onNetwork(t)
	ctx, one, two, ten := t.Context(), make([]uint16, 1), make([]uint16, 2), make([]uint16, 10)
	coils := func(n int) []bool { return make([]bool, n) }
	for name, err := range map[string]error{
		"a coil beyond the outputs":      c.ReadCoils(ctx, 0, 8, coils(1)),
		"coils over their end":           c.ReadCoils(ctx, 0, 7, coils(2)),
		"the last coil there can be":     c.ReadCoils(ctx, 0, 65_535, coils(1)),
		"the coil that ends it":          c.ReadCoils(ctx, 0, coilEnd, coils(1)),
		"a holding register beyond":      c.ReadHolding(ctx, 0, 1, one),
		"a holding register far beyond":  c.ReadHolding(ctx, 0, regTruth, one),
		"an input beyond the channels":   c.ReadInput(ctx, 0, 22, one),
		"inputs over their end":          c.ReadInput(ctx, 0, 20, ten),
		"the lower half of a counter":    c.ReadInput(ctx, 0, 1, one),
		"truth beyond its end":           c.ReadInput(ctx, 0, regTruth+7, two),
		"truth and what lies before":     c.ReadInput(ctx, 0, regTruth-1, two),
		"writing a coil beyond":          c.WriteCoil(ctx, 0, 8, true),
		"writing off what ends it":       c.WriteCoil(ctx, 0, coilEnd, false),
		"writing a register beyond":      c.WriteRegister(ctx, 0, 1, 0),
		"writing registers beyond":       c.WriteRegisters(ctx, 0, 0, two),
		"writing the last there can be":  c.WriteRegister(ctx, 0, 65_535, 0),
		"writing truth":                  c.WriteRegister(ctx, 0, regTruth, 1),
		"writing many over all that are": c.WriteRegisters(ctx, 0, 65_530, ten[:6]),
	} {
		require.ErrorIs(t, err, modbus.IllegalAddress, name)
	}
	require.ErrorIs(t, c.WriteRegister(ctx, 0, 0, sim.MaxSetPoint+1), modbus.IllegalValue)
	require.ErrorIs(t, c.WriteRegisters(ctx, 0, 0, []uint16{500, 1}), modbus.IllegalAddress)
	require.NoError(t, c.ReadHolding(ctx, 0, 0, one))
	require.Zero(t, one[0], "of what is refused nothing is carried out")
	require.NoError(t, c.WriteRegister(ctx, 0, 0, sim.MaxSetPoint))
	require.NoError(t, c.ReadHolding(ctx, 0, 0, one))
	require.EqualValues(t, sim.MaxSetPoint, one[0])
	require.EqualValues(t, sim.MaxSetPoint, p.Output("ao/1"))
	require.NoError(t, c.ReadInput(ctx, 0, 0, make([]uint16, 22)), "after all that it answers still")
}

func TestTheTruthOfThePlantIsWhatFlowed(t *testing.T) {
	t.Parallel()
	p, c := onNetwork(t)
	ctx := t.Context()
	read := func() (ug [2]int64) {
		var words [8]uint16
		require.NoError(t, c.ReadInput(ctx, 0, regTruth, words[:]))
		for i, w := range words {
			ug[i/4] = ug[i/4]<<16 | int64(w)
		}
		return ug
	}
	require.Zero(t, read())
	require.NoError(t, c.WriteCoil(ctx, 0, 0, true)) // coarse valve of A
	require.NoError(t, c.WriteCoil(ctx, 0, 3, true)) // fine valve of B
	for ug := read(); ug[0] < 50_000_000_000 || ug[1] < 1_000_000_000; ug = read() {
	}
	require.NoError(t, c.WriteCoil(ctx, 0, 0, false))
	require.NoError(t, c.WriteCoil(ctx, 0, 3, false))
	for before := read(); ; {
		time.Sleep(20 * time.Millisecond) // 400 ms of the plant: a valve takes 300 to close
		if now := read(); now == before {
			break
		} else {
			before = now
		}
	}
	ug := read()
	require.Equal(t, [2]int64{p.Delivered(0), p.Delivered(1)}, ug)
	require.Greater(t, ug[0], 5*ug[1])
	// The first word alone, and the meters' own totals, agree with it.
	var word [1]uint16
	require.NoError(t, c.ReadInput(ctx, 0, regTruth+1, word[:]))
	require.EqualValues(t, uint16(ug[0]>>32), word[0])
	var counters [8]uint16
	require.NoError(t, c.ReadInput(ctx, 0, 0, counters[:]))
	raw, shown := p.Read("tot/1")
	require.True(t, shown)
	require.Equal(t, tag.Good, raw.Quality)
	require.EqualValues(t, raw.Bits, uint64(counters[4])<<16|uint64(counters[5]))
}

func TestAPlantThatIsFrozenByAFaultIsSilentAndAnswersThen(t *testing.T) {
	t.Parallel()
	p, c := onNetwork(t)
	require.NoError(t, c.ReadInput(t.Context(), 0, 0, make([]uint16, 1)))
	require.NoError(t, p.Fault(sim.Fault{Kind: sim.Frozen, For: 2 * time.Second})) // 100 ms
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, c.ReadInput(ctx, 0, 0, make([]uint16, 1)))
	require.True(t, p.Awake())
}
