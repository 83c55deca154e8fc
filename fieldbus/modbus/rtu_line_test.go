// Control under a flood of telemetry on a serial line: what it waits for.

package modbus

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// A line of 115200 Bd, and the slave on it.
const (
	paced      = 115200
	pacedSlave = 1
)

// serialMap has one slave: control registers from 0 on, and telemetry in blocks of its own, all of it wanted each ms.
func serialMap(control, blocks int, every int64) *fieldbus.TagMap {
	p := &fieldbus.Profile{ID: "drive", Version: "1", Protocol: Protocol, Limits: fieldbus.Limits{Response: 2e9}}
	m := &fieldbus.TagMap{ID: "bus", Version: "1", Profiles: []*fieldbus.Profile{p}, Devices: []fieldbus.Device{{Name: "drive", Profile: p, Unit: pacedSlave}},
		Classes: []fieldbus.Class{{Name: "fast", Plane: fieldbus.Control, Every: every}, {Name: "flood", Plane: fieldbus.Telemetry, Every: 1e6}}}
	add := func(class, address int) {
		i := len(p.Points)
		name := fmt.Sprint("r", address)
		p.Points = append(p.Points, fieldbus.Point{Index: i, Name: name, At: fmt.Sprint("holding ", address), Type: fieldbus.Uint16})
		m.Tags = append(m.Tags, fieldbus.Tag{Channel: name, Point: i, Class: class, StaleAfter: 10e9})
	}
	for a := range control {
		add(0, a)
	}
	for b := range blocks {
		for a := range MaxRead {
			add(1, 1000*(b+1)+a)
		}
	}
	return m
}

// budget is within what time control is done behind the longest read of telemetry, by what the two cost.
func budget(every int64, control, telemetry time.Duration) int64 {
	return fieldbus.NewSchedule([]fieldbus.Group{
		{Plane: fieldbus.Control, Every: every, Cost: int64(control)}, {Plane: fieldbus.Telemetry, Every: 1e6, Cost: int64(telemetry)},
	}).Budget()
}

// waits are when control reads were begun, and when they were done.
type waits struct{ begun, done []int64 }

// took gives what each has taken from its place on the grid on, in order of length. The grid is where the read is that is least behind.
func (w *waits) took(every int64) (all []int64) {
	behind := func(at, grid int64) int64 { return ((at-grid)%every + every) % every }
	grid := w.begun[0]
	for _, at := range w.begun {
		if behind(at, grid) > every/2 {
			grid = at
		}
	}
	for i, at := range w.begun {
		all = append(all, w.done[i]-at+behind(at, grid))
	}
	slices.Sort(all)
	return all
}

func TestControlIsDoneWithinTheBudgetOfBaudRateAndLengthUnderAFloodOfTelemetry(t *testing.T) {
	const (
		control = 10
		think   = 3 * time.Millisecond // of the slave, at most
		every   = 50e6
	)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		far := newBus(ctx, 1, char115200, time.Second, pacedSlave)
		m := serialMap(control, 4, every)
		d, err := NewDevice(&m.Devices[0], &DeviceOptions{Bus: NewBus(func(context.Context, string, *Client) (*Client, error) {
			return NewRTU(newNear(far, 0), &RTUOptions{Baud: paced, Bits: 10})
		})})
		require.NoError(t, err)
		clock := system.NewClock(1)
		l, err := line.New(m, []line.Attached{{Device: "drive", Driver: d, Endpoints: []string{"serial:wire"}}}, &line.Options{Clock: clock})
		require.NoError(t, err)
		w, telemetry := waits{}, 0
		time.AfterFunc(time.Minute, cancel)
		require.NoError(t, l.Watch(ctx, func(r tag.Raw) {
			switch {
			case r.Quality != tag.Good:
			case r.Channel == "r0":
				w.begun, w.done = append(w.begun, r.At), append(w.done, clock.Now())
			case r.Channel == "r1000":
				telemetry++
			}
		}))
		synctest.Wait()
		took := w.took(every)
		require.GreaterOrEqual(t, len(took), 1190, "each place of the grid")
		limit := budget(every, RTUTime(paced, 8, 5+2*control)+think, RTUTime(paced, 8, 5+2*MaxRead)+think)
		require.LessOrEqual(t, took[len(took)-1], limit)
		require.Greater(t, 4*telemetry, 500, "which was read all the time")
		t.Logf("budget %v, median %v, p99 %v, worst %v", time.Duration(limit), time.Duration(took[len(took)/2]),
			time.Duration(took[len(took)*99/100]), time.Duration(took[len(took)-1]))
	})
}
