// The wire between a controller and the process of its plant: how that is started, found, reached and ended.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

var errLocked = errors.New("in use by another process")

// How long things of the wire may take, in real time.
const (
	startTime = 10 * time.Second      // until a plant listens
	endTime   = 5 * time.Second       // until one that was told to end has ended
	denyTime  = time.Second           // until one has that could not be told
	lookEvery = 10 * time.Millisecond // between two looks at either
	lingerFor = time.Minute           // of a plant, after its last client
)

// wire is a plant in a process of its own, as a board.
type wire struct {
	tag.Port
	at   address
	user io.Closer // the lock of who uses the plant
}

// Unwrap gives the port over its devices.
func (w *wire) Unwrap() tag.Port { return w.Port }

// Close lets others use the plant.
func (w *wire) Close() error { return w.user.Close() }

// connect makes sure that the plant of f runs, and reaches it. A plant that lives goes on; where it cannot be the one that is
// wanted - a fresh one, another speed, a script of faults, a wire that it has not - it ends first.
func connect(ctx context.Context, f *plantFlags, clock timebase.Clock) (*wire, error) {
	if err := f.wants(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.dir, 0o750); err != nil {
		return nil, fmt.Errorf("controller: plant in %s: %w", f.dir, err)
	}
	user, err := usePlant(f.dir)
	if err != nil {
		return nil, err
	}
	w := &wire{user: user}
	if f.opcua {
		err = introduce(f.dir)
	}
	if err == nil {
		w.at, err = reachPlant(ctx, f)
	}
	if err == nil {
		w.Port, err = portTo(w.at, f, clock)
	}
	if err != nil {
		return nil, errors.Join(err, user.Close())
	}
	return w, nil
}

// usePlant takes the lock of who uses the plant in a directory.
func usePlant(dir string) (io.Closer, error) {
	user, err := lockFile(filepath.Join(dir, fileUser))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("controller: the plant in %s is in use by a controller that lives; wait for its end, or give another -out", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("controller: plant in %s: %w", dir, err)
	}
	return user, nil
}

// reachPlant finds or starts the plant of f and returns where it listens. A controller that was killed may have started one that takes
// its lock only now, before the one that is started here: then that one is looked at.
func reachPlant(ctx context.Context, f *plantFlags) (address, error) {
	at, err := tryPlant(ctx, f)
	for range 2 {
		if err == nil || ctx.Err() != nil {
			break
		}
		if _, living := findPlant(f.dir); !living {
			break
		}
		at, err = tryPlant(ctx, f)
	}
	return at, err
}

// tryPlant is one try of reachPlant.
func tryPlant(ctx context.Context, f *plantFlags) (address, error) {
	at, living, err := awaitPlant(ctx, f.dir)
	if err != nil {
		return at, err
	}
	if living && !f.fresh && at.Seed != f.seed {
		return at, fmt.Errorf("controller: the plant in %s runs with seed %d and the batch with seed %d: it is not the plant of this batch; give another -out",
			f.dir, at.Seed, f.seed)
	}
	if living && !f.fresh && f.faults == "" && at.Speed == f.speed && (at.OPCUA != "" || !f.opcua) && (at.Scale || !f.scale) {
		return at, nil
	}
	if living {
		if err := endPlant(ctx, f.dir); err != nil {
			return at, err
		}
	}
	return startPlant(ctx, f)
}

// holdFile is lockFile, but gives those a moment who lock the file only to see whether it is locked.
func holdFile(name string) (*os.File, error) {
	for tries := 20; ; tries-- {
		lock, err := lockFile(name)
		if !errors.Is(err, errLocked) || tries == 0 {
			return lock, err
		}
		time.Sleep(lookEvery)
	}
}

// findPlant tells whether the plant in a directory lives, and where it listens; that is empty while it starts or ends.
func findPlant(dir string) (at address, living bool) {
	lock, err := lockFile(filepath.Join(dir, fileLock))
	if err == nil {
		_ = lock.Close()
	}
	if !errors.Is(err, errLocked) {
		return at, false
	}
	data, err := readSmall(filepath.Join(dir, fileAddr), sim.MaxState)
	if err != nil || json.Unmarshal(data, &at) != nil {
		at = address{}
	}
	return at, true
}

// awaitPlant is findPlant, but waits until a plant that starts or ends has done so.
func awaitPlant(ctx context.Context, dir string) (at address, living bool, err error) {
	for until := time.Now().Add(endTime); ; {
		at, living = findPlant(dir)
		if !living || at.Address != "" {
			return at, living, nil
		}
		if !time.Now().Before(until) {
			return at, true, fmt.Errorf("controller: a plant lives in %s, and %s does not say where it listens; end its process, or give another -out",
				dir, filepath.Join(dir, fileAddr))
		}
		select {
		case <-ctx.Done():
			return at, true, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// startPlant starts a plant in a session of its own and waits until it listens.
func startPlant(ctx context.Context, f *plantFlags) (at address, err error) {
	wrong := func(err error) error {
		return fmt.Errorf("controller: the plant in %s was not started: %w%s", f.dir, err, lastWords(f.dir))
	}
	self, err := os.Executable()
	if err != nil {
		return at, wrong(err)
	}
	log, err := os.OpenFile(filepath.Join(f.dir, fileLog), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return at, wrong(err)
	}
	defer log.Close()
	// What a plant that was killed left behind is not to be taken for the address of this one. And a disk without room shows here,
	// not in a plant that can write down nothing, not even why.
	home, err := os.OpenRoot(f.dir)
	if err != nil {
		return at, wrong(err)
	}
	defer home.Close()
	lock, err := holdFile(filepath.Join(f.dir, fileLock)) // a plant that has it has written its address; any other error the plant tells of
	if errors.Is(err, errLocked) {
		return at, wrong(err)
	}
	err = replaceFile(home, fileAddr, make([]byte, sim.MaxState/8))
	_ = lock.Close() // nil where there is none
	if err != nil {
		return at, wrong(err)
	}
	cmd := exec.Command(self, f.args()...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, apart()
	if err := cmd.Start(); err != nil {
		return at, wrong(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timeout, look := time.After(startTime), time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case err := <-ended:
			if err == nil {
				err = errors.New("it ended at once")
			}
			return at, wrong(err)
		case <-timeout:
			_ = cmd.Process.Kill()
			return at, wrong(fmt.Errorf("it did not listen within %s", startTime))
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			return at, wrong(ctx.Err())
		}
		data, err := readSmall(filepath.Join(f.dir, fileAddr), sim.MaxState)
		if err == nil && json.Unmarshal(data, &at) == nil && at.Pid == cmd.Process.Pid {
			return at, nil
		}
	}
}

// lastWords gives the last words of a plant.
func lastWords(dir string) string {
	text, err := readSmall(filepath.Join(dir, fileLog), maxSmall)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\nit said: " + strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// endPlant has the plant in a directory keep its state and end, and waits until it has.
func endPlant(ctx context.Context, dir string) error {
	at, living := findPlant(dir)
	if !living {
		return nil
	}
	until := time.Now().Add(endTime)
	err := switchOn(ctx, at, coilEnd)
	if errors.Is(err, modbus.ErrDown) || errors.Is(err, modbus.ErrRefused) || errors.Is(err, modbus.ErrStray) {
		until = time.Now().Add(denyTime)
	}
	for ; living && time.Now().Before(until); _, living = findPlant(dir) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	if !living {
		return nil
	}
	if err == nil {
		err = errors.New("it said that it would")
	}
	return fmt.Errorf("controller: the plant in %s, process %d at %s, was told to end and did not: %w; end that process, or give another -out",
		dir, at.Pid, at.Address, err)
}

// switchOn switches a coil of a plant on.
func switchOn(ctx context.Context, at address, coil uint16) error {
	return switchTo(ctx, at, coil, true)
}

// switchTo switches a coil of a plant on or off.
func switchTo(ctx context.Context, at address, coil uint16, on bool) error {
	c, err := modbus.Dial(ctx, at.Address, &modbus.Options{Timeout: 2 * time.Second})
	if err != nil {
		return err
	}
	return errors.Join(c.WriteCoil(ctx, 0, coil, on), c.Close())
}

// unsafe names the outputs that the plant does not read back at their safe values; those that cannot be read are among them.
func (w *wire) unsafe(m *iomap.Map) []string {
	read := map[string]uint64{}
	// The batch may have ended because its context has.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if c, err := modbus.Dial(ctx, w.at.Address, nil); err == nil {
		var coils [8]bool
		var setPoint [1]uint16
		if c.ReadCoils(ctx, 0, 0, coils[:]) == nil && c.ReadHolding(ctx, 0, 0, setPoint[:]) == nil {
			for i := range coils {
				read[points[i].Channel] = 0
				if coils[i] {
					read[points[i].Channel] = 1
				}
			}
			read["ao/1"] = uint64(setPoint[0])
		}
		_ = c.Close()
	}
	return unsafeOutputs(m, func(channel string) (uint64, bool) {
		v, ok := read[channel]
		return v, ok
	})
}

// unsafeOutputs names the outputs of a map that do not read back their safe values.
func unsafeOutputs(m *iomap.Map, read func(channel string) (uint64, bool)) []string {
	names := []string{}
	for i := range m.Tags {
		t := &m.Tags[i]
		if !t.Output {
			continue
		}
		bits, writable := t.Wire(t.Safe)
		if v, ok := read(t.Channel); !writable || !ok || v != bits {
			names = append(names, t.Name)
		}
	}
	return names
}

var _ tag.Port = (*wire)(nil)
