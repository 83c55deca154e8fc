// Whole batches over a line whose link fails: the demo's plant is a device on a bus (T6 of the seed).

package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	busline "github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// busMap has the channels of the demo's plant as points of one device.
func busMap() *fieldbus.TagMap {
	p := &fieldbus.Profile{ID: "T301"}
	m := &fieldbus.TagMap{ID: "T301-BUS", Version: "1", Profiles: []*fieldbus.Profile{p}, Classes: []fieldbus.Class{
		{Name: "fast", Every: second / 20}, {Name: "slow", Every: second / 5},
	}}
	add := func(kind fieldbus.Type, access fieldbus.Access, class int, stale int64, format string, numbers ...int) {
		for _, n := range numbers {
			channel := fmt.Sprintf(format, n)
			m.Tags = append(m.Tags, fieldbus.Tag{Channel: channel, Point: len(p.Points), Class: class, StaleAfter: stale})
			p.Points = append(p.Points, fieldbus.Point{Index: len(p.Points), Name: channel, Type: kind, Access: access})
		}
	}
	add(fieldbus.Bool, fieldbus.ReadWrite, 1, 3*second, "do/%d", 1, 2, 3, 4, 5, 6, 7, 8)
	add(fieldbus.Int16, fieldbus.ReadWrite, 1, 3*second, "ao/%d", 1)
	add(fieldbus.Bool, fieldbus.ReadOnly, 1, 3*second, "di/%d", 1, 2, 3, 4, 5)
	add(fieldbus.Uint32, fieldbus.ReadOnly, 0, second/2, "ctr/%d", 1, 2)
	add(fieldbus.Int32, fieldbus.ReadOnly, 0, second/2, "tot/%d", 1, 2)
	add(fieldbus.Float32, fieldbus.ReadOnly, 0, second, "ai/%d", 1, 2)
	add(fieldbus.Uint16, fieldbus.ReadOnly, 1, 2*second, "ai/%d", 3, 5)
	add(fieldbus.Float32, fieldbus.ReadOnly, 1, 2*second, "ai/%d", 4)
	m.Devices = []fieldbus.Device{{Name: "plc1", Profile: p, Endpoints: []string{"a", "b"}, Reconnect: 2 * second, Latency: second / 10}}
	return m
}

// remote is the plant behind a connection that fails, as a driver of a line. A wait for an answer ends after 300 ms.
type remote struct {
	clock timebase.Clock
	plant *sim.Plant
	mu    sync.Mutex
	up    bool
	link  int // linkCut, linkSilent or 0
	delay int64
	begun func(w tag.Write)
	fault error // of the device
}

const (
	linkCut = 1 + iota
	linkSilent
)

var errBroken = errors.New("broken pipe")

// ask takes the time of an exchange; do is what the device does in the middle of it.
func (d *remote) ask(ctx context.Context, do func()) (sent bool, err error) {
	d.mu.Lock()
	up, link, delay := d.up, d.link, d.delay
	d.mu.Unlock()
	const limit = 3 * second / 10
	switch {
	case !up || link == linkCut:
		return false, errBroken
	case link == linkSilent:
		delay = limit
	}
	if err := d.clock.Wait(ctx, d.clock.Now()+min(delay, limit)); err != nil {
		return true, err
	}
	if link != linkSilent {
		do()
	}
	if err := d.clock.Wait(ctx, d.clock.Now()+min(delay, limit-min(delay, limit))); err != nil {
		return true, err
	}
	if 2*delay > limit {
		return true, errors.New("no answer within 300ms")
	}
	return true, nil
}

func (d *remote) Open(ctx context.Context, _ string) error {
	d.mu.Lock()
	d.up = true
	d.mu.Unlock()
	_, err := d.ask(ctx, func() {})
	return err
}

func (d *remote) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	_, err := d.ask(ctx, func() {
		for i, p := range points {
			if raw, ok := d.plant.Read(p.Name); ok {
				out[i] = fieldbus.Reading{Form: raw.Form, Bits: raw.Bits, Quality: raw.Quality}
			}
		}
	})
	return err
}

func (d *remote) Write(ctx context.Context, p *fieldbus.Point, form tag.Form, bits uint64) (err error) {
	w := tag.Write{Channel: p.Name, Form: form, Bits: bits}
	d.begun(w)
	sent, err := d.ask(ctx, func() { _, d.fault = d.plant.Apply(d.clock.Now(), w) })
	switch {
	case err == nil && d.fault != nil:
		return fmt.Errorf("%w: %w", fieldbus.ErrRefused, d.fault)
	case err != nil && sent:
		return fmt.Errorf("%w: %w", fieldbus.ErrUnknown, err)
	}
	return err
}

func (d *remote) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.up = false
	return nil
}

// overLine is the line as the port of a site, and what was seen to pass it.
type overLine struct {
	*busline.Line
	s    *site
	far  *remote
	mu   sync.Mutex
	link fieldbus.LinkState
	told []fieldbus.Event
	now  tag.Write
	sent int // that were not in the safe direction
}

// newOverLine makes a line of the site's plant.
func newOverLine(s *site) *overLine {
	far := &remote{clock: s.clock, plant: s.plant, delay: second / 500}
	l, err := busline.New(busMap(), []busline.Attached{{Device: "plc1", Driver: far}}, &busline.Options{Clock: s.clock, Seed: s.seed})
	require.NoError(s.t, err)
	o := &overLine{Line: l, s: s, far: far}
	far.begun = o.begun
	return o
}

func (o *overLine) Watch(ctx context.Context, emit func(tag.Raw)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = o.s.plant.Watch(ctx, func(tag.Raw) {}) }) // the plant lives
	return o.Line.Watch(ctx, emit)
}

func (o *overLine) Report(to func(fieldbus.Event)) {
	o.Line.Report(func(e fieldbus.Event) {
		o.mu.Lock()
		o.told = append(o.told, e)
		if e.Kind == fieldbus.LinkChanged {
			o.link = e.New
		}
		o.mu.Unlock()
		to(e)
	})
}

func (o *overLine) Write(ctx context.Context, w tag.Write) error {
	o.s.announced(w)
	o.mu.Lock()
	o.now = w
	o.mu.Unlock()
	return o.Line.Write(ctx, w)
}

// begun is told when a write is sent: but for the safe side, only where the output is known.
func (o *overLine) begun(w tag.Write) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now.Channel != w.Channel || o.now.Safe {
		return
	}
	o.sent++
	v, err := o.Value(w.Channel)
	require.NoError(o.s.t, err)
	q, _, age := v.At(o.s.clock.Now())
	require.True(o.s.t, o.link == fieldbus.Up || o.link == fieldbus.Degraded, "seed %d: %s is written while the link is %v", o.s.seed, w.Channel, o.link)
	require.Equal(o.s.t, tag.Good, q, "seed %d: %s is written, and is %v old", o.s.seed, w.Channel, time.Duration(age))
}

// fail lets the link fail for the first 40 s, and then no more.
func (o *overLine) fail(rng *rand.Rand, ctx context.Context) {
	for o.s.clock.Now() < 40*second {
		if o.s.clock.Wait(ctx, o.s.clock.Now()+rng.Int64N(6*second)) != nil {
			return
		}
		o.far.mu.Lock()
		o.far.link, o.far.delay = max(rng.IntN(5)-2, 0), rng.Int64N(second/20)
		if rng.IntN(5) == 0 {
			o.far.delay = rng.Int64N(second / 5)
		}
		o.far.mu.Unlock()
	}
	o.far.mu.Lock()
	o.far.link, o.far.delay = 0, second/500
	o.far.mu.Unlock()
}

// recorded holds the records of the bus against what the line has told.
func (o *overLine) recorded() (transitions int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var told, noted []string
	for _, e := range o.told {
		if e.Kind == fieldbus.LinkChanged {
			told = append(told, e.New.String())
		}
	}
	for _, r := range o.s.of(record.KindLinkState) {
		if r.Text(record.Result) == fieldbus.ResultChanged {
			noted = append(noted, r.Text(record.WatchdogState))
		}
	}
	require.GreaterOrEqual(o.s.t, len(told), len(noted))
	require.Equal(o.s.t, told[:len(noted)], noted, "seed %d: each transition once, in order", o.s.seed)
	require.LessOrEqual(o.s.t, len(told)-len(noted), 1, "seed %d: but for that of the end", o.s.seed)
	return len(noted)
}

func TestABatchOverALinkThatFailsHoldsAndGoesOnAndEndsRight(t *testing.T) {
	seeds := uint64(4)
	if os.Getenv("BATCHKIT_LONG") == "1" {
		seeds = 300
	}
	transitions, sent, held := 0, 0, 0
	for seed := uint64(1); seed <= seeds && !t.Failed(); seed++ {
		inOurTime(t, func(t *testing.T) {
			s := newSite(t, seed)
			o := newOverLine(s)
			s.rig.Port, s.opt.Schedule = o, nil
			for at := 4 * second; at < 600*second; at += 4 * second {
				s.at(at, func(r *Runner) {
					_ = r.Tell(Command{Command: [...]sequencer.Command{sequencer.Restart, sequencer.Resume}[at/second%8/4], Operator: "op1", Reason: "campaign"})
				})
			}
			ctx, end := context.WithCancel(t.Context())
			defer end()
			go o.fail(rand.New(rand.NewPCG(seed, 7)), ctx)
			res, err := s.run()
			require.NoError(t, err, "seed %d", seed)
			require.Equal(t, sequencer.Complete, res.State, "seed %d: %v", seed, s.states())
			s.whole(res)
			s.safe()
			s.totals(res)
			for _, st := range s.states() {
				if st == "Held" {
					held++
				}
			}
			transitions, sent = transitions+o.recorded(), sent+o.sent
		})
	}
	t.Logf("%d batches: %d transitions recorded, %d writes sent that were not to the safe side, %d times held", seeds, transitions, sent, held)
}
