// The campaign: links that fail in every way that a seed can think of, and what must hold whatever they do (T6 of the seed).

package line

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

// wrongDevice is in every value of a device that is another one than the map names.
const wrongDevice = 1 << 62

// gate is who decides by the values of a line: an I/O map with limits of age. It notes what must never be.
type gate struct {
	seed  uint64
	clock timebase.Clock
	line  *Line

	mu      sync.Mutex
	machine *iomap.Machine
	ids     map[string]tag.ID
	last    map[string]tag.Raw
	link    map[string]fieldbus.LinkState // as told
	synced  map[string]bool               // resync was told since the link was made
	counts  map[string]uint64             // reconnects
	good    int                           // looks at values that were good
	told    [8]int                        // events by kind
	wrote   map[string]int                // writes by outcome
	wrong   []string
}

func (g *gate) fail(format string, args ...any) {
	if len(g.wrong) < 5 {
		g.wrong = append(g.wrong, fmt.Sprintf("at %v: ", time.Duration(g.clock.Now()))+fmt.Sprintf(format, args...))
	}
}

// limits of age, of the control tags and of the others.
const (
	fastLimit = 250 * ms
	slowLimit = 5 * s
)

func newGate(seed uint64, clock timebase.Clock, m *fieldbus.TagMap) *gate {
	g := &gate{seed: seed, clock: clock, ids: map[string]tag.ID{}, last: map[string]tag.Raw{}, link: map[string]fieldbus.LinkState{},
		synced: map[string]bool{}, counts: map[string]uint64{}, wrote: map[string]int{}}
	io := &iomap.Map{}
	for i := range m.Tags {
		t := &m.Tags[i]
		g.ids[t.Channel] = tag.ID(i)
		io.Tags = append(io.Tags, iomap.Tag{Name: t.Channel, Channel: t.Channel, Type: iomap.Counter, Form: tag.Int, StaleAfter: t.StaleAfter})
	}
	g.machine = iomap.NewMachine(io)
	return g
}

// raw takes a value.
func (g *gate) raw(r tag.Raw) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, device := g.clock.Now(), g.line.byName[r.Channel].dev.name
	if r.Quality == tag.Good && !g.synced[device] {
		g.fail("%s is GOOD, and %s was not read through since it was connected", r.Channel, device)
	}
	if r.Quality == tag.Good && r.Bits&wrongDevice != 0 {
		g.fail("%s is a value of another device", r.Channel)
	}
	g.last[r.Channel] = r
	id := g.ids[r.Channel]
	g.machine.Step(now, &iomap.Event{Kind: iomap.Sample, Tag: id, Form: tag.Int, Bits: r.Bits, Quality: r.Quality, AgeMS: (now - r.At + ms - 1) / ms}, nil)
}

// event takes what is told: each transition follows from the one before it.
func (g *gate) event(e fieldbus.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told[e.Kind-1]++
	if e.Reconnects < g.counts[e.Device] {
		g.fail("reconnect_count of %s goes back", e.Device)
	}
	g.counts[e.Device] = e.Reconnects
	switch e.Kind {
	case fieldbus.LinkChanged:
		if e.Old != g.link[e.Device] || e.Old == e.New {
			g.fail("%s is told to go from %v to %v, and was %v", e.Device, e.Old, e.New, g.link[e.Device])
		}
		if g.link[e.Device] = e.New; e.New == fieldbus.Down || e.New == fieldbus.Demoted || e.New == fieldbus.Connecting || e.New == fieldbus.Syncing {
			g.synced[e.Device] = false
		}
	case fieldbus.Resynced:
		if g.synced[e.Device] || g.link[e.Device] != fieldbus.Up {
			g.fail("%s is told twice to be read through", e.Device)
		}
		g.synced[e.Device] = true
	}
}

// look holds what can be read now against what is so: nothing passes that is older than its limit, by the clock of the device.
func (g *gate) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	g.machine.Step(now, &iomap.Event{Kind: iomap.Tick}, nil)
	for name, id := range g.ids {
		c := g.line.byName[name]
		_, q := g.machine.Read(id, now)
		v, err := g.line.Value(name)
		vq, _, age := v.At(now)
		switch {
		case err != nil:
			g.fail("%s: %v", name, err)
		case q != tag.Good && vq != tag.Good:
			continue
		case c.point.Name != "now":
			continue
		}
		g.good++
		if took := now - int64(g.last[name].Bits); q == tag.Good && took > c.tag.StaleAfter { // since the device took it
			g.fail("%s passes, and is %v old", name, time.Duration(took))
		}
		took := now - int64(v.Raw.Bits)
		if vq == tag.Good && (took > age || age-took > 310*ms || age > c.tag.StaleAfter) {
			g.fail("%s: age %v of a value that is %v old", name, time.Duration(age), time.Duration(took))
		}
	}
}

// plants are the devices of one seed.
type plants struct {
	g    *gate
	rng  *rand.Rand
	all  []*plc
	home []Attached
}

// newPlants makes one device with its own connection and perhaps a second path, or two or three slaves of one line.
func newPlants(seed uint64, clock timebase.Clock) (*plants, *fieldbus.TagMap) {
	rng := rand.New(rand.NewPCG(seed, 6))
	names := []string{"a", "b", "c"}[:1+rng.IntN(3)]
	m := mapOf(names...)
	for i, name := range names {
		m.Devices[i].Identify, m.Devices[i].Identity = &meter.Points[7], "FT-100"
		m.Tags = append(m.Tags, fieldbus.Tag{Channel: name + "/now", Device: i, Point: 6, StaleAfter: fastLimit})
		if rng.IntN(3) == 0 {
			m.Devices[i].Heartbeat, m.Devices[i].Beat = &meter.Points[5], s
		}
	}
	ps := &plants{g: newGate(seed, clock, m), rng: rng}
	for i, name := range names {
		ends := []string{name + ":1", name + ":2"}[:1+rng.IntN(2)]
		p := newPLC(ends...)
		p.chance, p.beats = rand.New(rand.NewPCG(seed, uint64(i))), true
		p.now = func() uint64 {
			bits := uint64(clock.Now())
			if p.text != "FT-100" {
				bits |= wrongDevice
			}
			return bits
		}
		p.begun = func(point string, bits uint64) { ps.begun(name+"/"+point, bits) }
		ps.all = append(ps.all, p)
		a := Attached{Device: name, Driver: p, Endpoints: ends}
		if len(names) > 1 || rng.IntN(4) == 0 {
			a.Driver = &slave{plc: p}
		}
		ps.home = append(ps.home, a)
	}
	return ps, m
}

// begun is told when a write is sent. Even values go to the safe side.
func (ps *plants) begun(channel string, bits uint64) {
	if bits%2 == 0 {
		return
	}
	g, now := ps.g, ps.g.clock.Now()
	c := g.line.byName[channel]
	g.mu.Lock()
	defer g.mu.Unlock()
	if state := g.link[c.dev.name]; state != fieldbus.Up && state != fieldbus.Degraded {
		g.fail("%s is written while its link is %v", channel, state)
	}
	v, err := g.line.Value(channel)
	if q, _, age := v.At(now); err != nil || c.point.Access != fieldbus.WriteOnly && q != tag.Good {
		g.fail("%s is written, and is %v, %v old", channel, q, time.Duration(age))
	}
}

// fault changes the link of a device.
func (ps *plants) fault(p *plc) {
	p.set(func() {
		for e, w := range p.paths {
			if ps.rng.IntN(3) > 0 {
				continue
			}
			*w = wire{delay: 2 * time.Millisecond}
			switch ps.rng.IntN(8) {
			case 0, 1:
				w.cut = true
			case 2:
				w.silent = true
			case 3:
				w.delay = time.Duration(ps.rng.IntN(200)) * time.Millisecond
			case 4:
				w.loss = ps.rng.IntN(300)
			}
			_ = e
		}
		p.hangs = ps.rng.IntN(60) == 0
	})
}

// swap puts in another device, or the right one again: it takes a while, in which nothing answers.
func (ps *plants) swap(p *plc) {
	p.set(func() {
		for _, w := range p.paths {
			w.silent, w.cut = true, len(ps.all) == 1
		}
	})
	time.Sleep(3 * time.Second)
	p.set(func() {
		if p.text = "FT-100"; ps.rng.IntN(2) == 0 {
			p.text = "PT-7"
		}
		for _, w := range p.paths {
			w.silent, w.cut = false, false
		}
	})
}

// heal makes all well.
func (ps *plants) heal() {
	for _, p := range ps.all {
		p.set(func() {
			for _, w := range p.paths {
				*w = wire{delay: 2 * time.Millisecond}
			}
			p.hangs, p.text = false, "FT-100"
		})
	}
}

// write writes something to an output, and holds what is said of it against the device.
func (ps *plants) write(ctx context.Context, l *Line, rng *rand.Rand, id uint32) {
	i := rng.IntN(len(ps.all))
	point := meter.Points[[]int{1, 2, 2, 4}[rng.IntN(4)]]
	bits, safe := uint64(rng.IntN(2)*2+1), rng.IntN(3) == 0
	if point.Type == fieldbus.Bool {
		bits = 1
	}
	if safe {
		bits = 0
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(100+rng.IntN(900))*time.Millisecond)
	defer cancel()
	err := l.Write(ctx, tag.Write{ID: id, Channel: ps.home[i].Device + "/" + point.Name, Form: point.Type.Form(), Bits: bits, Safe: safe})
	p, g := ps.all[i], ps.g
	g.mu.Lock()
	defer g.mu.Unlock()
	p.set(func() {
		switch {
		case err == nil:
			g.wrote["confirmed"]++
			if p.words[point.Name] != bits {
				g.fail("%s is confirmed, and is %d, not %d", point.Name, p.words[point.Name], bits)
			}
		case errors.Is(err, fieldbus.ErrUnknown):
			g.wrote["unknown"]++
		default:
			g.wrote["refused"]++
		}
	})
}

// campaign runs one seed.
func campaign(t *testing.T, seed uint64) (g *gate) {
	synctest.Test(t, func(t *testing.T) {
		clock := system.NewClock(1)
		ps, m := newPlants(seed, clock)
		g = ps.g
		l, err := New(m, ps.home, &Options{Clock: clock, Seed: seed})
		require.NoError(t, err)
		g.line = l
		l.Report(g.event)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { require.NoError(t, l.Watch(ctx, g.raw)) })
		wg.Go(func() { // who looks
			rng := rand.New(rand.NewPCG(seed, 100))
			for clock.Now() < 45*s && pause(ctx, time.Duration(5+rng.IntN(40))*time.Millisecond) == nil {
				g.look()
			}
		})
		wg.Go(func() { // who writes
			rng := rand.New(rand.NewPCG(seed, 101))
			for id := uint32(1); clock.Now() < 45*s && pause(ctx, time.Duration(rng.IntN(400))*time.Millisecond) == nil; id++ {
				ps.write(ctx, l, rng, id)
			}
		})
		for clock.Now() < 40*s {
			time.Sleep(time.Duration(ps.rng.IntN(2500)) * time.Millisecond)
			p := ps.all[ps.rng.IntN(len(ps.all))]
			if ps.rng.IntN(10) == 0 {
				ps.swap(p)
			} else {
				ps.fault(p)
			}
			l.Hold(ps.rng.IntN(2) == 0)
		}
		ps.heal()
		time.Sleep(75 * time.Second)
		g.look()
		g.healed()
	})
	for _, w := range g.wrong {
		t.Errorf("seed %d: %s", seed, w)
	}
	return g
}

// healed holds a line on which all is well again against what was told of it.
func (g *gate) healed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, st := range g.line.State() {
		if st.Link != fieldbus.Up && st.Link != fieldbus.Degraded {
			g.fail("%s is not up again: %v, %s", st.Device, st.Link, st.Down)
		}
		if g.link[st.Device] != st.Link || g.counts[st.Device] != st.Reconnects {
			g.fail("%s is %v with %d reconnects, and was told to be %v with %d", st.Device, st.Link, st.Reconnects, g.link[st.Device], g.counts[st.Device])
		}
	}
	for _, d := range g.line.devices {
		p, ok := d.driver.(*plc)
		if !ok {
			p = d.driver.(*slave).plc
		}
		p.set(func() {
			if len(p.blind) > 0 {
				g.fail("%s was written %d times before it was read back", p.blind[0], len(p.blind))
			}
		})
	}
}

func TestWhateverLinksDoNothingOldPassesAndNothingIsWrittenBlindly(t *testing.T) { seeds(t, 1, 20) }

func TestManyLinksThatFailLetNothingOldPassAndNothingBeWrittenBlindly(t *testing.T) {
	last := uint64(200)
	if os.Getenv("BATCHKIT_LONG") == "1" {
		last = 1000
	}
	seeds(t, 21, last)
}

// seeds runs some seeds, and tells what there was of each thing.
func seeds(t *testing.T, from, to uint64) {
	t.Helper()
	var good int
	var told [8]int
	wrote := map[string]int{}
	for seed := from; seed <= to && !t.Failed(); seed++ {
		g := campaign(t, seed)
		good += g.good
		for i, n := range g.told {
			told[i] += n
		}
		for k, n := range g.wrote {
			wrote[k] += n
		}
	}
	require.Positive(t, good)
	for _, kind := range []fieldbus.EventKind{fieldbus.LinkChanged, fieldbus.LinkFailover, fieldbus.Resynced, fieldbus.SLABroken, fieldbus.WriteTold, fieldbus.Measured} {
		require.Positive(t, told[kind-1], "events of kind %d", kind)
	}
	t.Logf("seeds %d to %d: %d looks at good values; events: %d transitions, %d failovers, %d resyncs, %d outages longer than declared, %d writes; writes: %v",
		from, to, good, told[0], told[1], told[2], told[3], told[4], wrote)
}
