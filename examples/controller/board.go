// A real board in the place of the simulated plant: its file, its devices, and what of a map it can carry.

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/hal/tpm"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/timebase/system"
)

// boardHelp describes the flag.
const boardHelp = "board `FILE`: run on the lines and devices of this machine that it names, in the place of the simulated plant; " +
	"wants -map and -recipe that fit; see go doc ./hal/linux Board"

// boardFlags adds the flags of what stands on a board.
func boardFlags(set *flag.FlagSet, f *flags) {
	set.StringVar(&f.board, "board", "", boardHelp)
	set.StringVar(&f.key, "key", "", "private key `FILE` that signs the heads of the journal: Ed25519 or P-256, PKCS #8 in PEM")
	set.StringVar(&f.oldKey, "oldkey", "", "private key `FILE` in whose place -key is from now on")
	set.StringVar(&f.fram, "fram", "", framHelp)
}

// bootID is where the kernel tells one start of the board from another.
const bootID = "/proc/sys/kernel/random/boot_id"

// station is the board that a process runs on. It stays open until the process ends, since an output is let go where it is closed.
type station struct {
	*linux.Devices
	signer *journal.Key // nil: nobody has asked for it yet, or there is none
}

// supply is the warning of the board with the times of the rig's clock, where the kernel has its own.
type supply struct {
	hal.Power
	now func() int64
}

// Watch implements hal.Power.
func (s supply) Watch(ctx context.Context, emit func(hal.PowerEvent)) error {
	return s.Power.Watch(ctx, func(e hal.PowerEvent) {
		e.Mono = max(s.now()-max(linux.Monotonic()-e.Mono, 0), 1)
		emit(e)
	})
}

// onBoard opens the board of -board, once in a process; nil without the flag. From then on its outputs are driven, at first at their safe
// levels. A map that it cannot carry is refused; nil: none is known yet.
func (f *flags) onBoard(m *iomap.Map) (*station, error) {
	if f.board == "" {
		return nil, nil
	}
	var err error
	if f.station == nil {
		f.station, err = f.arrive(m)
	} else if m != nil {
		err = carries(f.station.Board, m)
	}
	if err != nil {
		return nil, fmt.Errorf("controller: -board: %w", err)
	}
	return f.station, nil
}

// arrive reads the board file and opens what it names.
func (f *flags) arrive(m *iomap.Map) (*station, error) {
	src, err := readSmall(f.board, linux.MaxBoardFile)
	if err != nil {
		return nil, err
	}
	b, err := linux.ParseBoard(f.board, src)
	if err == nil && m != nil {
		err = carries(b, m)
	}
	if err != nil {
		return nil, err
	}
	d, err := b.Open()
	if err != nil {
		return nil, err
	}
	return &station{Devices: d}, nil
}

// salvage makes a station of the outputs that a board still has, where the whole of it is not to be had: of a batch that was cut short
// they may be on.
func (f *flags) salvage() (*station, error) {
	src, err := readSmall(f.board, linux.MaxBoardFile)
	if err != nil {
		return nil, err
	}
	b, err := linux.ParseBoard(f.board, src)
	if err != nil {
		return nil, err
	}
	d, err := b.OpenOutputs()
	if f.station = (&station{Devices: d}); len(d.Outputs) == 0 {
		return nil, errors.Join(errors.New("none of its outputs is to be had"), err)
	}
	return f.station, nil
}

// leave closes the board.
func (s *station) leave(stderr io.Writer) {
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		fmt.Fprintf(stderr, "controller: board %s: %v\n", s.Board.ID, err)
	}
}

// carries refuses, all at once, what of a map a board has not: channels that are not there or go the other way, safe values that are
// not what the board drives when it is opened, and tags that are stale sooner than the board reads them anew.
func carries(b *linux.Board, m *iomap.Map) error {
	var wrong []error
	refuse := func(t *iomap.Tag, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: map %s: tag %s: channel %q: %s", b.File, m.ID, t.Name, t.Channel, fmt.Sprintf(format, args...)))
	}
	ins, counters := []string{}, []string{}
	for i := range b.Inputs {
		ins = append(ins, b.Inputs[i].Channel)
	}
	for i := range b.Counters {
		counters = append(counters, b.Counters[i].Channel)
	}
	for i := range m.Tags {
		t := &m.Tags[i]
		o := slices.IndexFunc(b.Outputs, func(o linux.BoardOutput) bool { return o.Channel == t.Channel })
		bits, _ := t.Wire(t.Safe)
		switch {
		case t.Output && o < 0 && slices.Contains(b.Channels(), t.Channel), !t.Output && o >= 0:
			refuse(t, "the map has it as an %s, and the board as the other", map[bool]string{true: "output", false: "input"}[t.Output])
		case t.Output && o < 0, !slices.Contains(b.Channels(), t.Channel):
			refuse(t, "the board has none of that name; there are: %v", b.Channels())
		case t.Type == iomap.Number, t.Type == iomap.Switch && slices.Contains(counters, t.Channel),
			t.Type == iomap.Counter && slices.Contains(ins, t.Channel):
			refuse(t, "it is a %s there, which no %s can be read from or written to", b.Sort(t.Channel), t.Type)
		case t.Output && bits != b.Outputs[o].SafeBit():
			refuse(t, "its safe_value is %d on the wire, and %s drives %d when the board is opened; make them the same", bits,
				b.Outputs[o].Where(), b.Outputs[o].SafeBit())
		}
		if t.StaleAfter > 0 && t.StaleAfter <= 2*int64(b.Resend) {
			refuse(t, "stale_after %d ms, and levels are read anew every %d ms; more than twice that is wanted, or another resend",
				t.StaleAfter/1_000_000, b.Resend.Milliseconds())
		}
	}
	if w := b.Watchdog; w != nil && w.Timeout < runner.LeastWatchdogTime {
		wrong = append(wrong, fmt.Errorf("%s: watchdog: timeout %v: one write may take as long; %v at least are wanted", b.File, w.Timeout,
			runner.LeastWatchdogTime))
	}
	return errors.Join(wrong...)
}

// connect gives the rig its port and its clocks.
func (s *station) connect(ctx context.Context, j *job, f *flags, rig *runner.Rig, opt *runner.Options) (unsafe func() []string, release func(), err error) {
	clock, why, stop := beat(f)
	rig.Clock = clock
	rig.Port = s.Port(rig.Clock.Now)
	if s.Power != nil {
		rig.Power = supply{s.Power, rig.Clock.Now}
	}
	s.guard(rig, opt)
	rig.Health = func() hal.StorageHealth { return health(j.dir) }
	if rig.Medium, err = medium(f, j.b.Plan.Map.Device); err != nil {
		stop()
		return nil, nil, err
	}
	unwatch := func() {}
	if refs := s.references(f); refs != "" {
		if rig.Wall, unwatch, err = watchTime(ctx, rig.Clock, refs); err != nil {
			stop()
			return nil, nil, err
		}
	}
	rig.RealTime = manners(f, why)
	return func() []string { return unsafeOutputs(j.b.Plan.Map, s.read) }, func() { unwatch(); stop() }, nil
}

// guard gives the rig the watchdog of the board, and why the board came up last, as far as that and the kernel know.
func (s *station) guard(rig *runner.Rig, opt *runner.Options) {
	if id, err := readSmall(bootID, batch.MaxDetail); err == nil {
		rig.BootID = strings.TrimSpace(string(id))
	}
	if s.Watchdog == nil {
		return
	}
	rig.Watchdog, opt.WatchdogTime = s.Watchdog, s.Board.Watchdog.Timeout
	if cause, _, err := s.Watchdog.LastReset(); err == nil {
		rig.Reset = cause
	}
}

// key is the key in the TPM of the board, under the name of the device; nil where the board has none. It is open until the process
// ends, as both the batch's journal and the device's sign by it.
func (s *station) key(device string) (*journal.Key, error) {
	if s == nil || s.Board.TPM == nil || s.signer != nil {
		return s.signs(), nil
	}
	t, err := tpm.Open(s.Board.TPM.Device)
	if err != nil {
		return nil, fmt.Errorf("controller: key of board %s: %w", s.Board.ID, err)
	}
	k, err := t.Key(device)
	if err == nil {
		s.signer, err = journal.NewKey(device, journal.TPM, k)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("controller: key of board %s: %w", s.Board.ID, err), t.Close())
	}
	return s.signer, nil
}

// signs is the key that was asked for.
func (s *station) signs() *journal.Key {
	if s == nil {
		return nil
	}
	return s.signer
}

// references are those of the wall clock: what -time says, or else the kernel and the clock chip of the board, if it has one.
func (s *station) references(f *flags) string {
	if f.time == "" && s.RTC != nil {
		return "kernel,rtc:" + s.RTC.Device()
	}
	return f.time
}

// read reads an output back.
func (s *station) read(channel string) (bits uint64, ok bool) {
	i := slices.IndexFunc(s.Board.Outputs, func(o linux.BoardOutput) bool { return o.Channel == channel })
	if i < 0 {
		return 0, false
	}
	high, err := s.Outputs[i].Get()
	if high {
		bits = 1
	}
	return bits, err == nil
}

// rest drives the outputs of a map to their safe values: opening the board has done so where this process has not had it yet.
func (s *station) rest(ctx context.Context, m *iomap.Map) error {
	clock := system.NewClock(1)
	return runner.MakeSafe(ctx, m, runner.Rig{Port: s.Port(clock.Now), Clock: clock})
}
