// Lines of GPIO on Linux, by the library that speaks to the character devices.

package linux

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/warthog618/go-gpiocdev"

	"github.com/batchkit/batchkit/hal"
)

// edgeQueue is how many edges of a line the kernel is asked to keep for the library.
const edgeQueue = 64

// kernel is the bank of this machine.
type kernel struct{}

// chips implements bank.
func (kernel) chips() ([]Chip, error) {
	list := []Chip{}
	var last error
	for _, device := range gpiocdev.Chips() {
		c, err := gpiocdev.NewChip(device)
		if err != nil {
			last = fmt.Errorf("%s: %w", device, held(err, LineInfo{}, false))
			continue
		}
		list = append(list, Chip{device, c.Label, c.Lines()})
		_ = c.Close()
	}
	if len(list) == 0 && last != nil {
		return nil, last
	}
	return list, nil
}

// lines implements bank.
func (kernel) lines(c Chip) ([]LineInfo, error) {
	chip, err := gpiocdev.NewChip(c.Device)
	if err != nil {
		return nil, err
	}
	defer chip.Close()
	list := make([]LineInfo, 0, chip.Lines())
	for i := range chip.Lines() {
		info, err := chip.LineInfo(i)
		if err != nil {
			return nil, err
		}
		list = append(list, LineInfo{i, info.Name, info.Consumer, info.Used, info.Config.Direction == gpiocdev.LineDirectionOutput})
	}
	return list, nil
}

// request asks for a line.
func request(at LineAt, options ...gpiocdev.LineReqOption) (wire, error) {
	c, info, err := findLine(kernel{}, at)
	if err != nil {
		return nil, err
	}
	line, err := gpiocdev.RequestLine(c.Device, info.Offset, append(options, gpiocdev.WithConsumer(consumer))...)
	if err != nil {
		return nil, fmt.Errorf("%v (line %d of %s): %w", at, info.Offset, c.Device, held(err, info, errors.Is(err, syscall.EBUSY)))
	}
	return line, nil
}

// requestInput asks for an input whose edges go to came.
func requestInput(at LineAt, o *InputOptions, came func(hal.Edge)) (wire, error) {
	options := []gpiocdev.LineReqOption{gpiocdev.AsInput, gpiocdev.WithMonotonicEventClock, gpiocdev.WithEventBufferSize(edgeQueue),
		gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
			came(hal.Edge{Mono: int64(e.Timestamp), High: e.Type == gpiocdev.LineEventRisingEdge, Seq: e.LineSeqno})
		})}
	if o.Rising {
		options = append(options, gpiocdev.WithRisingEdge)
	} else {
		options = append(options, gpiocdev.WithBothEdges)
	}
	switch o.Bias {
	case PullUp:
		options = append(options, gpiocdev.WithPullUp)
	case PullDown:
		options = append(options, gpiocdev.WithPullDown)
	case BiasOff:
		options = append(options, gpiocdev.WithBiasDisabled)
	}
	if o.ActiveLow {
		options = append(options, gpiocdev.AsActiveLow)
	}
	if o.Debounce > 0 {
		options = append(options, gpiocdev.WithDebounce(o.Debounce))
	}
	return request(at, options...)
}

// requestOutput asks for an output.
func requestOutput(at LineAt, initial bool, o *OutputOptions) (wire, error) {
	v := 0
	if initial {
		v = 1
	}
	options := []gpiocdev.LineReqOption{gpiocdev.AsOutput(v)}
	if o.ActiveLow {
		options = append(options, gpiocdev.AsActiveLow)
	}
	if o.OpenDrain {
		options = append(options, gpiocdev.AsOpenDrain)
	}
	return request(at, options...)
}
