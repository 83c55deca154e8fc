// The suite of a port: green on a small board, and red on what OEMs get wrong.

package haltest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/iomap/tag"
)

// ticks is the clock of a rig, on the time of the bubble.
type ticks struct{ base time.Time }

func (c ticks) Now() int64 { return int64(time.Since(c.base)) + 1 }

func (c ticks) Wait(ctx context.Context, until int64) error {
	timer := time.NewTimer(time.Duration(until - c.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// panel is a board of two outputs and two inputs, of which DI1 is wired to DO1. It is wrong in one way, or in none.
type panel struct {
	wrong string
	clock ticks
	mu    sync.Mutex
	level map[string]uint64
	emit  func(tag.Raw)
	late  sync.WaitGroup
}

func newPanel(wrong string) *panel {
	return &panel{wrong: wrong, clock: ticks{time.Now()}, level: map[string]uint64{"DO1": 0, "DI1": 0, "DI2": 1, "AO1": 0}}
}

// show emits a channel; the caller holds mu.
func (p *panel) show(channel string) {
	if p.emit == nil || p.wrong == "forgets" && channel == "DI2" {
		return
	}
	raw := tag.Raw{Channel: channel, Form: tag.Bool, Bits: p.level[channel], Quality: tag.Good, At: p.clock.Now()}
	switch {
	case channel == "AO1":
		raw.Form = tag.Int
	case p.wrong == "stale" && channel == "DI2":
		raw.Quality = tag.Stale
	case p.wrong == "future":
		raw.At += int64(time.Second)
	}
	p.emit(raw)
}

func (p *panel) Watch(ctx context.Context, emit func(tag.Raw)) error {
	p.mu.Lock()
	if p.wrong == "once" && p.emit != nil {
		p.mu.Unlock()
		return errors.New("panel: it was watched already")
	}
	p.emit = emit
	for _, c := range []string{"DO1", "DI1", "DI2", "AO1"} {
		p.show(c)
	}
	p.mu.Unlock()
	<-ctx.Done()
	switch p.wrong {
	case "lost":
		return errors.New("panel: bus error")
	case "hangs":
		time.Sleep(time.Minute)
	case "emits on", "once":
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.emit = nil
	return nil
}

func (p *panel) Write(ctx context.Context, w tag.Write) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case w.Channel != "DO1" && w.Channel != "AO1" && p.wrong != "takes all":
		return fmt.Errorf("panel: %q is no output", w.Channel)
	case w.Deadline > 0 && w.Deadline < p.clock.Now() && p.wrong != "no deadline":
		return fmt.Errorf("panel: %q: %w", w.Channel, context.DeadlineExceeded)
	case p.wrong == "says yes":
		return nil
	case p.wrong == "arrives late" && ctx.Err() != nil:
		p.late.Go(func() {
			time.Sleep(50 * time.Millisecond)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.set(w)
		})
		return ctx.Err()
	case p.wrong == "ignores ctx" && ctx.Err() != nil:
		time.Sleep(3 * time.Second)
	}
	p.set(w)
	return nil
}

func (p *panel) set(w tag.Write) {
	p.level[w.Channel] = w.Bits
	if p.wrong == "inverts" && w.Bits == 1 {
		p.level[w.Channel] = 0
	}
	p.show(w.Channel)
	if w.Channel == "DO1" && p.wrong != "no wire" {
		p.level["DI1"] = w.Bits
		p.show("DI1")
	}
}

func (p *panel) options() *haltest.PortOptions {
	return &haltest.PortOptions{Device: "panel", Channels: []string{"DO1", "DI1", "DI2", "AO1"}, Clock: p.clock, Loops: [][2]string{{"DO1", "DI1"}},
		Outputs: []haltest.PortOutput{{Channel: "DO1"}, {Channel: "AO1", Form: tag.Int, Values: [2]uint64{0, 777}}}}
}

func TestASmallBoardIsGreenAndLeftSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel("")
		r, err := haltest.Port(limit(t), p, p.options())
		green(t, r, err)
		require.Equal(t, map[string]uint64{"DO1": 0, "DI1": 0, "DI2": 1, "AO1": 0}, p.level)
		r, err = haltest.Port(limit(t), p, nil)
		green(t, r, err, "no channel is forgotten: not checked; it takes Channels", "it takes Outputs that may be driven",
			"the rig's Clock, and an output", "it takes an output")
	})
}

func TestAPortThatBreaksAPromiseIsFound(t *testing.T) {
	for wrong, wants := range map[string][]string{
		"forgets": {`Port "panel": broken: Watch first emits every channel once, outputs read back included; seen: within 2s nothing came of ["DI2"]; ` +
			`there came ["DO1" "DI1" "AO1"]; do: emit all that the board has, with quality Bad where nothing can be read`},
		"says yes": {`broken: Write drives "DO1"; seen: "DO1" was written to 1, which was confirmed, and 2s later it reads back 0, GOOD`,
			`a Write that returned nil was carried out, and "DO1" reads back what it drives is broken`, `"DI1" is not 1`},
		"emits on":     {"broken: Watch returns nil or ctx's error when ctx ends, and emits nothing after that; seen: 6 values came after Watch had returned, the first of \"DO1\""},
		"no deadline":  {`broken: a write is not begun after its Deadline; seen: "DO1" was written to 1, confirmed, though its Deadline was over; do: compare Deadline with the rig's clock`},
		"arrives late": {`seen: "DO1" reads back 1, and not 0, after a write to another value that was called off, and one to this; do: call the exchange off`},
		"ignores ctx":  {`seen: "DO1": with a ctx that had ended Write took 3s`},
		"takes all":    {`broken: a write that cannot be carried out is an error; seen: a Write to "haltest/none", which no board has, gave nil`},
		"no wire":      {`broken: "DI1" follows "DO1", to which it is wired; seen: "DO1" was driven to 1, and 2s later "DI1" is not 1; do: look at the wire`},
		"inverts":      {`it reads back 0, GOOD`},
		"once":         {"broken: Watch can be called again, and emits every channel that it emitted before", "Watch has returned: panel: it was watched already"},
		"lost":         {"seen: its Watch returned panel: bus error, and not nil or ctx's error"},
		"hangs":        {"seen: its Watch did not return within 1s of the end of its ctx; do: wait for whoever emits before returning"},
		"stale":        {`seen: "DI2" has quality STALE; a source says GOOD or BAD`},
		"future":       {`was true at `, "fill tag.Raw as its comments say"},
	} {
		t.Run(wrong, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPanel(wrong)
				r, err := haltest.Port(limit(t), p, p.options())
				red(t, r, err, wants...)
				p.late.Wait()
				time.Sleep(2 * time.Minute) // until who hangs has gone
			})
		})
	}
}
