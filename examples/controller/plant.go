// The plant as a process of its own: it is started by a controller, outlives it, and keeps its state below -out.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// Files in the directory of a plant.
const (
	fileAddr  = "addr"  // where it listens, while it lives
	fileState = "state" // as of a second ago at most, or of its end
	fileLog   = "log"   // what it had to say
	fileLock  = "lock"  // held by the process of the plant
	fileUser  = "user"  // held by the controller that uses it
	fileScale = "scale" // the line of the scale, while the plant lives: a link to a pseudo terminal
)

// keepEvery is the time between two states on the disk.
const keepEvery = time.Second

// address is the file addr.
type address struct {
	Address string `json:"address"`
	Pid     int    `json:"pid"`
	Seed    uint64 `json:"seed"`
	Speed   int    `json:"speed"`
	OPCUA   string `json:"opcua,omitempty"` // endpoint of its OPC UA server
	Scale   bool   `json:"scale,omitempty"` // its load cell has an indicator on a line of its own
}

// plantFlags are the command line of a plant.
type plantFlags struct {
	dir, faults string
	seed        uint64
	speed       int
	fresh       bool
	opcua       bool // it has an OPC UA server, beside Modbus
	scale       bool // its load cell has an indicator on a line of its own, too
	linger      time.Duration
	bus         *fieldbus.TagMap // of the controller; nil: that of the demo
}

// args gives the command line that means these flags.
func (f *plantFlags) args() []string {
	a := []string{"plant", "-dir", f.dir, "-seed", fmt.Sprint(f.seed), "-speed", fmt.Sprint(f.speed), "-linger", f.linger.String()}
	if f.fresh {
		a = append(a, "-fresh")
	}
	if f.opcua {
		a = append(a, "-opcua")
	}
	if f.scale {
		a = append(a, "-scale")
	}
	if f.faults != "" {
		a = append(a, "-faults", f.faults)
	}
	return a
}

// plant is the command line of the same name. It is not for people.
func plant(ctx context.Context, args []string, stderr io.Writer) int {
	var f plantFlags
	set := newFlags("controller plant", "controller plant -dir DIR [flags]   run the simulated plant; controllers start it by themselves", stderr)
	set.StringVar(&f.dir, "dir", "", "`DIR`ectory for the state of the plant, and for where it listens")
	set.Uint64Var(&f.seed, "seed", 1, "seed `N` of the plant")
	set.IntVar(&f.speed, "speed", 1, "run the plant `N` times as fast")
	set.StringVar(&f.faults, "faults", "", "fault script `FILE`; times count from the first request")
	set.BoolVar(&f.fresh, "fresh", false, "begin with an empty tank, whatever state lies in DIR")
	set.BoolVar(&f.opcua, "opcua", false, "be an OPC UA server, too, for the controller whose certificate lies in DIR")
	set.BoolVar(&f.scale, "scale", false, "have an indicator of the load cell, too, on a pseudo terminal to which a link in DIR leads")
	set.DurationVar(&f.linger, "linger", time.Minute, "`TIME` without a request after which the plant ends")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if f.dir == "" || set.NArg() > 0 || f.linger <= 0 {
		fmt.Fprintln(stderr, "controller: plant: -dir is needed, -linger is above 0, and nothing stands behind the flags; see controller plant -help")
		return exitUsage
	}
	if err := runPlant(ctx, &f); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

// runPlant runs a plant until ctx ends, it is told to end, or nobody has asked anything of it for the time of -linger. It keeps its
// state every second and at its end.
func runPlant(ctx context.Context, f *plantFlags) (err error) {
	// What it writes goes below this handle and never by name: the directory may be deleted and made anew for another plant at any time.
	home, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("controller: plant in %s: %w", f.dir, err)
	}
	defer home.Close()
	lock, err := holdFile(filepath.Join(f.dir, fileLock))
	if err != nil {
		return fmt.Errorf("controller: plant in %s: %w", f.dir, err)
	}
	defer lock.Close()
	var wrong []sim.Fault
	p := sim.NewPlant(f.seed)
	if f.faults != "" {
		if _, wrong, err = faults(f.faults, nil, sim.NewPlant(f.seed), map[uint32]bool{}); err != nil {
			return err
		}
	}
	clock := system.NewClock(f.speed)
	if err := loadState(p, f, clock.Now()); err != nil {
		return err
	}
	if err := keepState(p, home); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	b := newBoard(ctx, p, clock, wrong, end)
	b.lock, b.home = lock, home
	where := address{Pid: os.Getpid(), Seed: f.seed, Speed: f.speed}
	stop, err := b.besides(f, &where)
	defer func() { end(); err = errors.Join(err, stop()) }()
	if err != nil {
		return fmt.Errorf("controller: plant in %s: %w", f.dir, err)
	}
	s, err := server.Serve("127.0.0.1:0", b)
	if err != nil {
		return fmt.Errorf("controller: plant in %s: %w", f.dir, err)
	}
	defer func() {
		end()
		if err = errors.Join(err, s.Close()); b.homeless(f) == nil {
			err = errors.Join(err, keepState(p, home))
			_ = home.Remove(fileAddr)
		}
	}()
	where.Address = s.Addr()
	at, err := json.Marshal(where)
	if err == nil {
		err = replaceFile(home, fileAddr, at)
	}
	if err != nil {
		return fmt.Errorf("controller: plant in %s: %w", f.dir, err)
	}
	return b.keep(f)
}

// besides has the plant be an OPC UA server and have an indicator on a line of its own, where that is wanted, and says where. Stop waits
// until both have ended, after the plant's context has.
func (b *board) besides(f *plantFlags, at *address) (stop func() error, err error) {
	var wait sync.WaitGroup
	var errs [2]error
	stop = func() error { wait.Wait(); return errors.Join(errs[:]...) }
	if f.scale {
		if b.scale, err = newIndicator(b, b.home); err != nil {
			return stop, err
		}
		at.Scale = true
		wait.Go(func() { errs[0] = b.scale.run() })
	}
	if f.opcua {
		u, err := newFace(b, f)
		if err != nil {
			return stop, err
		}
		at.OPCUA = u.endpoint()
		wait.Go(func() { errs[1] = u.run() })
	}
	return stop, nil
}

// loadState gives a plant the state of its directory.
func loadState(p *sim.Plant, f *plantFlags, now int64) error {
	state, err := readSmall(filepath.Join(f.dir, fileState), sim.MaxState)
	if errors.Is(err, fs.ErrNotExist) || f.fresh {
		return nil
	}
	if err == nil {
		err = p.Restore(state, now)
	}
	if err != nil {
		return fmt.Errorf("controller: plant in %s: %w; its state is left as it is", f.dir, err)
	}
	if !p.Awake() { // its process ended while its power was cut
		p.Boot(now)
	}
	return nil
}

// keepState keeps the state of a plant as of now.
func keepState(p *sim.Plant, home *os.Root) error {
	if err := replaceFile(home, fileState, p.Snapshot()); err != nil {
		return fmt.Errorf("controller: plant in %s: state: %w", home.Name(), err)
	}
	return nil
}

// keep keeps the state of the plant until it ends. Time is counted in rounds, so that a process that was stopped for a while does
// not take that for solitude.
func (b *board) keep(f *plantFlags) error {
	every := time.NewTicker(keepEvery)
	defer every.Stop()
	for alone := time.Duration(0); alone < f.linger; {
		b.plant.Advance(b.clock.Now(), func(tag.Raw) {})
		if err := b.homeless(f); err != nil {
			return err
		}
		if err := keepState(b.plant, b.home); err != nil {
			// A full disk does not stop a plant.
			fmt.Fprintln(os.Stderr, err)
		}
		select {
		case <-b.ctx.Done():
			return nil
		case <-every.C:
		}
		if alone += keepEvery; b.asked.Swap(false) {
			alone = 0
		}
	}
	return nil
}

// homeless tells that the directory of the plant was deleted. Another plant may have one of the same name by now, and is to find
// its own state and address there.
func (b *board) homeless(f *plantFlags) error {
	if name := filepath.Join(f.dir, fileLock); !sameLock(b.lock, name) {
		return fmt.Errorf("controller: plant in %s: %s is gone, or another's", f.dir, name)
	}
	return nil
}

// replaceFile writes a file that is there whole or not at all.
func replaceFile(home *os.Root, name string, data []byte) error {
	if err := home.WriteFile(name+".new", data, 0o640); err != nil {
		return err
	}
	return home.Rename(name+".new", name)
}
