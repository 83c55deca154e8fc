// A simulated board, with every device that a board may have.

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/hal/sim"
)

// mock is a simulated board with a wire from DO1 to DI1. Its time passes as fast as it is waited for.
type mock struct{ *sim.Board }

// newMock makes one.
func newMock() (*mock, error) {
	b, err := sim.NewBoard(1, nil)
	if err != nil {
		return nil, fmt.Errorf("commission: %w", err)
	}
	b.Connect("DO1", "DI1")
	return &mock{b}, nil
}

// name implements subject.
func (m *mock) name() string { return "simulated" }

// found implements subject.
func (m *mock) found() []string {
	return []string{"no -board was given: this is a simulated board, with a wire from DO1 to DI1",
		"its time is that of a model: a figure of 0 ns says nothing of any hardware"}
}

// checks implements subject.
func (m *mock) checks(f *flags) ([]check, error) {
	if len(f.loops)+len(f.drive)+len(f.pairs) > 0 || f.watchdog {
		return nil, fmt.Errorf("commission: -loop, -drive, -pair and -watchdog are of a real board; give -board too")
	}
	here, there := m.Bus()
	near, far := m.Serial()
	return []check{
		{contract: "Output", device: "DO1", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Output(ctx, m.Output("DO1"), &haltest.OutputOptions{Loop: m.Input("DI1"), Clock: m, Power: m})
		}},
		{contract: "Input", device: "DI1", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Input(ctx, m.Input("DI1"), &haltest.InputOptions{Loop: m.Output("DO1"), Clock: m, Mono: m.Now})
		}},
		{contract: "RTC", device: "rtc", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.RTC(ctx, m.RTC(), &haltest.RTCOptions{Clock: m, Power: m})
		}},
		{contract: "FRAM", device: "fram", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.FRAM(ctx, m.FRAM(), &haltest.FRAMOptions{Power: m, Clock: m})
		}},
		{contract: "RS485", device: "bus", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.RS485(ctx, here, &haltest.RS485Options{Peer: there})
		}},
		{contract: "RS232", device: "text", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.RS232(ctx, near, &haltest.RS232Options{Peer: far})
		}},
		{contract: "Watchdog", device: "watchdog", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Watchdog(ctx, m.Watchdog(), &haltest.WatchdogOptions{Timeout: 3 * time.Second, AllowBite: true, Bench: m, Clock: m})
		}},
		{contract: "Power", device: "supply", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Power(ctx, m.Power(), &haltest.PowerOptions{Supply: m, Clock: m})
		}},
		{contract: "Signer", device: "key", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Signer(ctx, m.Signer(), nil)
		}},
		{contract: "Counter", device: "counter", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Counter(ctx, m.Counter(), &haltest.CounterOptions{Spend: 5, Power: m})
		}},
	}, nil
}
