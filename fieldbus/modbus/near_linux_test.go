// The near end of links that fail: a line with a device on it, one who looks at its values and writes, and what must hold of all of it.

package modbus_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// clockMap is the tag map: the time at the device, and an output that is written with a growing number.
func clockMap() *fieldbus.TagMap {
	p := &fieldbus.Profile{ID: "clockwork", Version: "1", Protocol: modbus.Protocol, Limits: fieldbus.Limits{Response: 150e6}, Points: []fieldbus.Point{
		{Index: 0, Name: "time", At: "input 0", Type: fieldbus.Int64},
		{Index: 1, Name: "out", At: "holding 9", Type: fieldbus.Uint16, Access: fieldbus.ReadWrite},
	}}
	return &fieldbus.TagMap{
		ID: "bus", Version: "1", Profiles: []*fieldbus.Profile{p},
		Devices: []fieldbus.Device{{Name: "plc", Profile: p, Unit: 1}},
		Classes: []fieldbus.Class{{Name: "fast", Plane: fieldbus.Control, Every: 20e6}},
		Tags:    []fieldbus.Tag{{Channel: "time", Point: 0, StaleAfter: 250e6}, {Channel: "out", Point: 1, StaleAfter: 250e6}},
	}
}

// witness sees all that a line says, in its order.
type witness struct {
	t      *testing.T
	line   *line.Line
	clock  timebase.Clock
	offset int64 // from the clock to that of the device
	slack  int64 // by which the offset may be wrong

	mu       sync.Mutex
	link     fieldbus.LinkState
	synced   bool
	resyncs  int
	changes  int
	counts   uint64
	good     int
	raws     map[string]tag.Raw
	written  map[uint64]error // by value
	outcomes [3]int           // confirmed, refused, unknown
}

// compare finds how the clock stands to that of the device, which is this machine's: of many looks the one that was interrupted least.
func (w *witness) compare() {
	w.slack = int64(time.Hour)
	for range 1000 {
		before, there, after := w.clock.Now(), time.Now().UnixNano(), w.clock.Now()
		if after-before < w.slack {
			w.offset, w.slack = there-before, after-before
		}
	}
}

// fail is an error that names its seed by the test that is run.
func (w *witness) fail(format string, args ...any) { w.t.Errorf(format, args...) }

// raw takes a value: GOOD only after a resync, and true between the time that it says and now.
func (w *witness) raw(r tag.Raw) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	w.raws[r.Channel] = r
	if r.Quality != tag.Good {
		return
	}
	if !w.synced {
		w.fail("%s is GOOD, and was not read through since it was connected; the link is %v", r.Channel, w.link)
	}
	if took := int64(r.Bits) - w.offset; r.Channel == "time" && (took < r.At-w.slack || took > now+w.slack) {
		w.fail("a value says that it is of %d, the device took it at %d, and it is %d", r.At, took, now)
	}
}

// event takes what is told: each transition once, and each follows from the one before.
func (w *witness) event(e fieldbus.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Reconnects < w.counts {
		w.fail("reconnect_count goes back from %d to %d", w.counts, e.Reconnects)
	}
	w.counts = e.Reconnects
	switch e.Kind {
	case fieldbus.LinkChanged:
		if w.changes++; e.Old != w.link || e.New == e.Old {
			w.fail("the link is told to go from %v to %v, and was %v", e.Old, e.New, w.link)
		}
		if w.link = e.New; e.New != fieldbus.Up && e.New != fieldbus.Degraded && e.New != fieldbus.Doubt {
			w.synced = false
		}
	case fieldbus.Resynced:
		w.synced = true
		w.resyncs++
	}
}

// look holds what passes a gate against what is so by the clock of the device.
func (w *witness) look() {
	v, err := w.line.Value("time")
	now := w.line.Now()
	q, _, age := v.At(now)
	if err != nil || q != tag.Good {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.good++
	if took := now - (int64(v.Raw.Bits) - w.offset); took > age+w.slack || age > v.Limit {
		w.fail("a value passes with an age of %v, is %v old, and %v is the limit", time.Duration(age), time.Duration(took), time.Duration(v.Limit))
	}
}

// write writes a value that is written once, and holds that it was let through only where the point was GOOD at some time meanwhile.
func (w *witness) write(ctx context.Context, v uint64) {
	good := func() bool {
		now := w.line.Now()
		value, err := w.line.Value("out")
		q, _, _ := value.At(now)
		return err == nil && q == tag.Good
	}
	w.mu.Lock()
	resyncs, at := w.resyncs, w.raws["out"].At
	w.mu.Unlock()
	before := good() // behind that, so that what comes between the two is not taken for nothing
	ctx, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
	defer cancel()
	err := w.line.Write(ctx, tag.Write{ID: uint32(v), Channel: "out", Form: tag.Int, Bits: v})
	after := good()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written[v] = err
	sent := err == nil || errors.Is(err, fieldbus.ErrUnknown)
	// It waited for its turn, in which a reading may have come, or a resync.
	if sent && !before && !after && w.resyncs == resyncs && w.raws["out"].At == at {
		w.fail("write %d was let through, and the point was stale before and behind it: %v", v, err)
	}
	switch {
	case err == nil:
		w.outcomes[0]++
	case sent:
		w.outcomes[2]++
	default:
		w.outcomes[1]++
	}
}

// TestTheNearEndOfALinkThatFails is a controller, in its namespace.
func TestTheNearEndOfALinkThatFails(t *testing.T) {
	if os.Getenv(roleEnv) != "near" {
		t.Skip("is one end of another test")
	}
	seed, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(seed, 1))
	f, c := newFar(t), newCable(t)
	endpoint := "tcp://" + farAt
	if seed%2 == 0 {
		endpoint = "tcp://" + c.l.Addr().String()
	}
	w := &witness{t: t, clock: system.NewClock(1), raws: map[string]tag.Raw{}, written: map[uint64]error{}}
	w.compare()
	m := clockMap()
	d, err := modbus.NewDevice(&m.Devices[0], nil)
	require.NoError(t, err)
	w.line, err = line.New(m, []line.Attached{{Device: "plc", Driver: d, Endpoints: []string{endpoint}}}, &line.Options{Clock: w.clock, Seed: seed})
	require.NoError(t, err)
	w.line.Report(w.event)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { require.NoError(t, w.line.Watch(ctx, w.raw)) })
	next := uint64(0)
	group.Go(func() {
		for chance := rand.New(rand.NewPCG(seed, 2)); ctx.Err() == nil; time.Sleep(time.Duration(chance.IntN(30)) * time.Millisecond) {
			w.look()
			if next++; next%2 == 0 {
				w.write(ctx, next)
			}
		}
	})
	isUp := func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.synced && w.link == fieldbus.Up }
	up := func() { require.Eventually(t, isUp, 90*time.Second, 10*time.Millisecond) } // twenty pairs of processes start at once
	up()
	story := ""
	for range 5 {
		story += " " + trouble(t, rng, f, c, seed%2 == 0)
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
	}
	up()
	w.mu.Lock()
	confirmed, passed := w.outcomes[0], w.good
	w.mu.Unlock()
	working := func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.outcomes[0] > confirmed && w.good > passed }
	require.Eventually(t, working, 30*time.Second, 10*time.Millisecond, "writes are confirmed again, and values pass")
	cancel()
	group.Wait()
	f.kill()
	w.reconcile(f)
	t.Logf("seed %d, %s:%s: %d transitions, %d resyncs, %d looks passed, writes %v", seed, endpoint, story, w.changes, w.resyncs, w.good, w.outcomes)
}

// reconcile holds what the device was told against what the line said of each write.
func (w *witness) reconcile(f *far) {
	for v, times := range f.wrote {
		err, ok := w.written[v]
		if !ok || err != nil && !errors.Is(err, fieldbus.ErrUnknown) {
			w.fail("write %d arrived, and was said not to be sent: %v", v, err)
		}
		if times > 1 {
			w.fail("write %d arrived %d times", v, times)
		}
	}
	for v, err := range w.written {
		if err == nil && f.wrote[v] == 0 {
			w.fail("write %d was confirmed, and never arrived", v)
		}
	}
	require.Equal(w.t, w.line.State()[0].Link, w.link, "what was told last is what is")
}
