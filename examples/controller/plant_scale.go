// The indicator of the plant's load cell: what it says on its line, and when.

package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
)

// cell is the channel whose value the indicator says, and sayEvery the time between two frames on the clock of the plant.
const (
	cell     = "ai/5"
	sayEvery = int64(100 * time.Millisecond)
)

// indicator says the weight of a plant on a line, as the device profile demo/scale.yaml has it. It hears nothing. What a fault keeps
// silent it does not say, and of a bad load cell it says overload.
type indicator struct {
	*board
	home *os.Root
	mu   sync.Mutex
	line *pty // nil: it is unplugged
}

// newIndicator makes an indicator, with a line that is plugged in.
func newIndicator(b *board, home *os.Root) (*indicator, error) {
	n := &indicator{board: b, home: home}
	return n, n.plug(true)
}

// plug plugs the line in, or out: who has it open then finds it gone.
func (n *indicator) plug(in bool) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if in == (n.line != nil) {
		return nil
	}
	if in {
		if n.line, err = openPTY(); err == nil {
			_ = n.home.Remove(fileScale) // that of a plant that was killed
			err = n.home.Symlink(n.line.name, fileScale)
		}
		if err != nil {
			err = errors.Join(fmt.Errorf("line of the scale: %w", err), n.line.close())
			n.line = nil
		}
		return err
	}
	_ = n.home.Remove(fileScale)
	err, n.line = n.line.close(), nil
	return err
}

// run says the weight until the process ends. What nobody reads is lost.
func (n *indicator) run() error {
	last := int64(0)
	for next := n.clock.Now(); n.clock.Wait(n.ctx, next) == nil; next = max(next+sayEvery, n.clock.Now()) {
		n.plant.Advance(n.clock.Now(), func(tag.Raw) {})
		raw, ok := n.plant.Read(cell)
		if !ok || !n.plant.Awake() {
			continue
		}
		text := overload
		if raw.Quality == tag.Good {
			text = weightFrame(int64(raw.Bits), int64(raw.Bits) != last)
			last = int64(raw.Bits)
		}
		n.mu.Lock()
		if n.line != nil {
			n.line.say(text)
		}
		n.mu.Unlock()
	}
	return n.plug(false)
}

// overload is what an indicator says that can show no weight.
const overload = "OL,GS,+99999.99kg\r\n"

// weightFrame is how an indicator says a weight, in hundredths of a kilogram.
func weightFrame(weight int64, moves bool) string {
	state, sign := "ST", '+'
	if moves {
		state = "US"
	}
	if weight < 0 {
		sign, weight = '-', -weight
	}
	if weight > 99_999_99 {
		return overload
	}
	return fmt.Sprintf("%s,GS,%c%05d.%02dkg\r\n", state, sign, weight/100, weight%100)
}
