// The reference that the kernel stands for: whatever daemon keeps its clock, by the error that the kernel itself keeps count of.

package system

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// KernelMaxAge is for how long nothing may be heard of a kernel's clock before it is taken for lost: three polls of a daemon that polls
// as seldom as systemd-timesyncd does by default, every 2048 s.
const KernelMaxAge = 3 * 2048 * time.Second

// kernelRate is by how much the kernel lets its maximum error grow, parts per 10^6.
const kernelRate = 500

// Kernel is a reference of kind NTP: the clock of a Linux kernel that some daemon keeps. One goroutine may use it.
type Kernel struct {
	clock timebase.Clock
	ask   func() (discipline, error)
	seen  int64 // monotonic ns of the look before; 0: none
	bound int64 // of that look
	heard int64
}

// NewKernel makes a reference to the kernel. The clock runs at speed 1.
func NewKernel(clock timebase.Clock) *Kernel { return &Kernel{clock: clock, ask: kernel} }

// Read implements timebase.Reference; it does not block. It is good as long as the kernel calls its clock synchronised, which it does
// for 9 hours after the daemon has gone: believe Heard, which is when the maximum error has fallen last, or the look before that;
// before it has been seen to fall, the time that it takes to grow from nothing is the greatest age there can be. With a daemon that
// does not tell the kernel, and in most containers, it is never good.
func (k *Kernel) Read(context.Context) (timebase.Reading, error) {
	d, err := k.ask()
	if err != nil {
		return timebase.Reading{}, fmt.Errorf("system: kernel: state of its clock: %w", err)
	}
	r := timebase.Reading{Good: d.synced, Offset: d.offset, Bound: d.bound, Leap: d.leap}
	r.Mono, r.UTC = look(k.clock)
	if !d.synced {
		r.Why = "kernel: its clock is not synchronised"
	}
	const second = int64(time.Second)
	switch grown := (r.Mono - k.seen) / second * second / 1_000_000 * kernelRate; {
	case k.seen == 0:
		k.heard = r.Mono - d.bound/kernelRate*1_000_000
	case d.bound < k.bound+grown-kernelRate*second/1_000_000: // it grows once a second
		k.heard = k.seen
	}
	k.seen, k.bound = r.Mono, d.bound
	r.Heard = k.heard
	return r, nil
}
