// A real board: the suites for the lines that its file names.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// bench is a real board.
type bench struct {
	*linux.Devices
	probed []string
}

// open opens the board of -board, or makes a simulated one.
func open(f *flags, s *signoff) (subject, error) {
	if f.board == "" {
		s.File, s.Digest = "", ""
		return newMock()
	}
	src, err := readBoard(f.board)
	if err != nil {
		return nil, fmt.Errorf("commission: -board: %w", err)
	}
	sum := sha256.Sum256(src)
	s.Digest = hex.EncodeToString(sum[:])
	b, err := linux.ParseBoard(f.board, src)
	if err != nil {
		return nil, fmt.Errorf("commission: -board: %w", err)
	}
	one := &bench{}
	for _, found := range b.Probe() {
		one.probed = append(one.probed, found.String())
	}
	if one.Devices, err = b.Open(); err != nil {
		return nil, fmt.Errorf("commission: -board: %w", err)
	}
	return one, nil
}

// readBoard reads a board file, and no more of a larger one than shows that it is.
func readBoard(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, linux.MaxBoardFile+1))
}

// name implements subject.
func (b *bench) name() string { return b.Board.ID + " " + b.Board.Version }

// found implements subject.
func (b *bench) found() []string { return b.probed }

// output finds an output by its channel.
func (b *bench) output(channel string) (hal.OutputLine, error) {
	for i := range b.Board.Outputs {
		if b.Board.Outputs[i].Channel == channel {
			return b.Outputs[i], nil
		}
	}
	return nil, fmt.Errorf("commission: board %s has no output %q; it has %v", b.Board.ID, channel, b.Board.Channels())
}

// input finds an input by its channel.
func (b *bench) input(channel string) (hal.InputLine, error) {
	for i := range b.Board.Inputs {
		if b.Board.Inputs[i].Channel == channel {
			return b.Inputs[i], nil
		}
	}
	return nil, fmt.Errorf("commission: board %s has no input %q; it has %v", b.Board.ID, channel, b.Board.Channels())
}

// allowed gives what may be driven, safe value first, and refuses what the board has not.
func (b *bench) allowed(f *flags) (outputs []haltest.PortOutput, err error) {
	var wrong []error
	names := slices.Clone(f.drive)
	for _, l := range f.loops {
		_, bad := b.input(l[1])
		wrong, names = append(wrong, bad), append(names, l[0])
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		if _, bad := b.output(name); bad != nil {
			wrong = append(wrong, bad)
			continue
		}
		for j := range b.Board.Outputs {
			if o := &b.Board.Outputs[j]; o.Channel == name {
				outputs = append(outputs, haltest.PortOutput{Channel: name, Form: tag.Bool, Values: [2]uint64{o.SafeBit(), 1 - o.SafeBit()}})
			}
		}
	}
	return outputs, errors.Join(wrong...)
}

// checks implements subject: each line, and then all of them as a port.
func (b *bench) checks(f *flags) (list []check, err error) {
	outputs, err := b.allowed(f)
	if err != nil {
		return nil, err
	}
	for i, l := range b.Outputs {
		list = append(list, b.ofOutput(f, b.Board.Outputs[i].Channel, l, outputs))
	}
	for i, l := range b.Inputs {
		list = append(list, b.ofInput(f, b.Board.Inputs[i].Channel, l))
	}
	list = append(list, check{contract: "Port", device: "lines", run: func(ctx context.Context) (haltest.Report, error) {
		clock := system.NewClock(1)
		return haltest.Port(ctx, b.Port(clock.Now), &haltest.PortOptions{Device: "lines", Channels: b.Board.Channels(), Outputs: outputs,
			Loops: f.loops, Clock: clock, Settle: max(2*b.Board.Resend, 2e9)})
	}})
	serials, err := b.serials(f)
	return append(append(list, b.chips(f)...), serials...), err
}

// ofOutput is the suite for an output. One that nobody has named is not driven.
func (b *bench) ofOutput(f *flags, channel string, l hal.OutputLine, outputs []haltest.PortOutput) check {
	c := check{contract: "Output", device: channel}
	if !slices.ContainsFunc(outputs, func(o haltest.PortOutput) bool { return o.Channel == channel }) {
		c.why = "nothing: an output is driven only where -drive or -loop names it"
		return c
	}
	o := &haltest.OutputOptions{Device: channel}
	for _, pair := range f.loops {
		if pair[0] == channel {
			o.Loop, _ = b.input(pair[1])
		}
	}
	c.run = func(ctx context.Context) (haltest.Report, error) { return haltest.Output(ctx, l, o) }
	return c
}

// ofInput is the suite for an input.
func (b *bench) ofInput(f *flags, channel string, l hal.InputLine) check {
	o := &haltest.InputOptions{Device: channel, Mono: linux.Monotonic}
	for _, pair := range f.loops {
		if pair[1] == channel {
			o.Loop, _ = b.output(pair[0])
		}
	}
	return check{contract: "Input", device: channel, run: func(ctx context.Context) (haltest.Report, error) { return haltest.Input(ctx, l, o) }}
}
