// A real board: the suites for what is no line of GPIO.

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/hal/tpm"
)

// framRange is how many bytes of a memory are written and restored: the last ones.
const framRange = 4096

// longestBite is the longest time-out that a watchdog is tried with: the suite waits for some of them, and has suiteTime.
const longestBite = suiteTime / 6

// chips lists the suites for the devices of which there is one at most. A watchdog is armed only where -watchdog says so: one that
// cannot be stopped resets the machine after this process has ended.
func (b *bench) chips(f *flags) (list []check) {
	if r := b.RTC; r != nil {
		list = append(list, check{contract: "RTC", device: r.Device(), run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.RTC(ctx, r, &haltest.RTCOptions{UTC: func() int64 { return time.Now().UnixNano() }})
		}})
	}
	if m := b.FRAM; m != nil {
		o := &haltest.FRAMOptions{At: max(m.Size()-framRange, 0)}
		list = append(list, check{contract: "FRAM", device: m.Path(), run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.FRAM(ctx, m, o)
		}})
	}
	if w := b.Watchdog; w != nil {
		c := check{contract: "Watchdog", device: w.Device()}
		o := &haltest.WatchdogOptions{Timeout: min(b.Board.Watchdog.Timeout, longestBite)}
		if c.why = "nothing: it is armed only where -watchdog is given, since one that cannot be stopped then resets the machine"; f.watchdog {
			c.why = ""
		}
		c.run = func(ctx context.Context) (haltest.Report, error) { return haltest.Watchdog(ctx, w, o) }
		list = append(list, c)
	}
	if one := b.Board.TPM; one != nil {
		list = append(list, check{contract: "Signer", device: one.Device, run: func(ctx context.Context) (haltest.Report, error) {
			t, err := tpm.Open(one.Device)
			if err != nil {
				return haltest.Report{}, err
			}
			defer t.Close()
			k, err := t.Key("commission")
			if err != nil {
				return haltest.Report{}, err
			}
			defer k.Close()
			return haltest.Signer(ctx, k, nil)
		}})
	}
	if p := b.Power; p != nil {
		list = append(list, check{contract: "Power", device: "power_fail", run: func(ctx context.Context) (haltest.Report, error) {
			return haltest.Power(ctx, p, nil)
		}})
	}
	return list
}

// serials lists the suites for the serial ports. Those that -pair joins are each other's far end.
func (b *bench) serials(f *flags) (list []check, err error) {
	far := map[string]string{}
	for _, p := range f.pairs {
		for i, name := range p {
			has := slices.IndexFunc(b.Board.Serial, func(s linux.BoardSerial) bool { return s.Name == name })
			other := slices.IndexFunc(b.Board.Serial, func(s linux.BoardSerial) bool { return s.Name == p[1-i] })
			if has < 0 || other < 0 || b.Board.Serial[has].RS485 != b.Board.Serial[other].RS485 {
				return nil, fmt.Errorf("commission: -pair %s,%s: board %s has no two serial ports of one kind by these names", p[0], p[1], b.Board.ID)
			}
			far[name] = p[1-i]
		}
	}
	for i := range b.Board.Serial {
		s := &b.Board.Serial[i]
		c := check{contract: "RS232", device: s.Name}
		if s.RS485 {
			c.contract = "RS485"
			o := &haltest.RS485Options{Baud: s.Mode.Baud}
			if peer := b.RS485[far[s.Name]]; peer != nil {
				o.Peer = peer
			}
			c.run = func(ctx context.Context) (haltest.Report, error) { return haltest.RS485(ctx, b.RS485[s.Name], o) }
		} else {
			o := &haltest.RS232Options{Baud: s.Mode.Baud}
			if peer := b.RS232[far[s.Name]]; peer != nil {
				o.Peer = peer
			}
			c.run = func(ctx context.Context) (haltest.Report, error) { return haltest.RS232(ctx, b.RS232[s.Name], o) }
		}
		list = append(list, c)
	}
	return list, nil
}
