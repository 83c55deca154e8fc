// A line of package line over a real tty: what control waits for under a flood of telemetry, and an adapter that is pulled out.

package modbus

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// BenchmarkRTUControl reports what control takes, from its place on the grid to its value, on a paced wire on which telemetry is wanted
// all the time, in reads as long as they can be. The median, the 99th percentile and the worst are parts of the budget that follows from
// baud rate and length. On a machine that is busy the parts of the wire come late themselves: of-taken is the 99th percentile as a part of
// the budget that follows from what single reads took in this run.
func BenchmarkRTUControl(b *testing.B) {
	const control, first = 10, 20 // reads by which the schedule learns what they cost
	for _, every := range []int64{50e6, 100e6} {
		b.Run(time.Duration(every).String(), func(b *testing.B) {
			c, p := onWire(b)
			m := serialMap(control, 4, every)
			d, err := NewDevice(&m.Devices[0], &DeviceOptions{Bus: NewBus(func(context.Context, string, *Client) (*Client, error) { return c, nil })})
			require.NoError(b, err)
			clock := system.NewClock(1)
			l, err := line.New(m, []line.Attached{{Device: "drive", Driver: d, Endpoints: []string{"serial:wire"}}}, &line.Options{Clock: clock})
			require.NoError(b, err)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			w, short, long, n := waits{}, []int64{}, []int64{}, 0
			require.NoError(b, l.Watch(ctx, func(r tag.Raw) {
				now := clock.Now()
				switch {
				case r.Quality != tag.Good:
				case r.Channel == "r0":
					if n++; n > first {
						w.begun, w.done, short = append(w.begun, r.At), append(w.done, now), append(short, now-r.At)
					}
					if n > first+b.N {
						cancel()
					}
				case len(r.Channel) == 5 && r.Channel[2:] == "000":
					long = append(long, now-r.At)
				}
			}))
			took := w.took(every)
			slices.Sort(short)
			slices.Sort(long)
			p99 := func(all []int64) int64 { return all[len(all)*99/100] }
			limit := float64(budget(every, RTUTime(paced, 8, 5+2*control), RTUTime(paced, 8, 5+2*MaxRead)))
			b.ReportMetric(float64(took[len(took)/2])/limit, "p50-of-budget")
			b.ReportMetric(float64(p99(took))/limit, "p99-of-budget")
			b.ReportMetric(float64(took[len(took)-1])/limit, "worst-of-budget")
			b.ReportMetric(float64(p99(took))/float64(budget(every, time.Duration(p99(short)), time.Duration(p99(long)))), "p99-of-taken")
			b.ReportMetric(float64(len(long))/float64(len(took)), "long-reads/op")
			b.ReportMetric(float64(atomic.LoadInt64(&p.tight)), "violated")
		})
	}
}

// plugged is a line whose adapter can be pulled out, by a name that stays.
type plugged struct {
	name         string
	mu           sync.Mutex
	held         *os.File
	at           string // the device that the name stands for
	ports, opens int    // openings that were tried, and that succeeded
	events       []fieldbus.Event
	last         tag.Raw
}

// plug puts an adapter in, with a slave behind it.
func (p *plugged) plug(t *testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held, p.at = terminal(t)
	behind(t, p.held, 1, time.Second, 1)
	require.NoError(t, os.Symlink(p.at, p.name))
	p.ports = 0
}

func (p *plugged) open(_ context.Context, name string, before *Client) (*Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ports++
	port, err := linux.OpenRS485(name, linux.Line{Baud: paced, Data: 8, Parity: 'N', Stop: 1}, nil)
	if err != nil {
		return nil, err
	}
	p.opens++
	return NewRTU(port, &RTUOptions{Baud: paced, Bits: 10, Timeout: 10 * time.Second, After: before})
}

// told gives how often a link came to a state.
func (p *plugged) told(s fieldbus.LinkState) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Kind == fieldbus.LinkChanged && e.New == s {
			n++
		}
	}
	return n
}

func TestALinePulledOutFromUnderADeviceIsDownAtOnceAndUpByTheFirstTryAfterItIsBack(t *testing.T) {
	for name, pull := range pulls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &plugged{name: filepath.Join(t.TempDir(), "adapter")}
			p.plug(t)
			m := serialMap(3, 0, 10e6)
			m.Profiles[0].Limits.Response = 10e9 // a busy machine is no slave that is silent
			d, err := NewDevice(&m.Devices[0], &DeviceOptions{Bus: NewBus(p.open)})
			require.NoError(t, err)
			l, err := line.New(m, []line.Attached{{Device: "drive", Driver: d, Endpoints: []string{"serial:" + p.name}}}, nil)
			require.NoError(t, err)
			l.Report(func(e fieldbus.Event) { p.mu.Lock(); defer p.mu.Unlock(); p.events = append(p.events, e) })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				done <- l.Watch(ctx, func(r tag.Raw) { p.mu.Lock(); defer p.mu.Unlock(); p.last = r })
			}()
			good := func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.last.Quality == tag.Good }
			comes := func(so func() bool) { t.Helper(); require.Eventually(t, so, 20*time.Second, time.Millisecond) }
			comes(good)
			p.mu.Lock()
			before, held, at := len(p.events), p.held, p.at
			require.NoError(t, os.Remove(p.name))
			p.mu.Unlock()
			if err := pull(held, at); isErr(err, os.ErrPermission) {
				t.Skip("needs root: ", err)
			}
			comes(func() bool { return p.told(fieldbus.Connecting) > 2 })
			require.False(t, good(), "what was read does not stay GOOD")
			p.plug(t)
			comes(good)
			cancel()
			require.NoError(t, <-done)
			p.mu.Lock()
			defer p.mu.Unlock()
			var states []fieldbus.LinkState
			was := fieldbus.Up
			for _, e := range p.events[before:] {
				if e.Kind == fieldbus.LinkChanged {
					require.Equal(t, was, e.Old, "no transition is left out")
					was, states = e.New, append(states, e.New)
				}
			}
			require.Equal(t, fieldbus.Down, states[0], "seen by the read that was under way or came next, and not as a slave that is silent")
			first := p.events[before]
			require.Contains(t, first.Cause, io.ErrUnexpectedEOF.Error())
			n := len(states)
			require.Equal(t, []fieldbus.LinkState{fieldbus.Connecting, fieldbus.Doubt, fieldbus.Syncing, fieldbus.Up, fieldbus.Down}, states[n-5:])
			require.Equal(t, []int{1, 2}, []int{p.ports, p.opens}, "by the first try after it was back")
		})
	}
}
