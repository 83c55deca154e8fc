// New: what a line is made of, and the check of it before anything is connected.

package line

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// MaxDevices is how many devices one line may have: as many as an RTU line has addresses.
const MaxDevices = 247

// Attached is a device of the tag map on this line, and the driver that reaches it.
type Attached struct {
	Device    string   // its name in the tag map
	Driver    Device   // of this device alone
	Endpoints []string // where it is reached here, the preferred one first; nil: as the tag map says
	// Longest is the longest pause in ns between two tries to connect; 0: 30 s. It grows up to that while nobody answers, and what comes
	// back is found after it: a short one suits a device that nothing else shares its connection with.
	Longest int64
}

// Options of a Line. The zero value, and nil, have a meaning.
type Options struct {
	// Clock paces the reads and stamps the values; give it the clock of the rig. Nil: one of the line's own, whose time means nothing
	// to others, so that values say "when it arrived", and the deadline of a write is that of its context alone.
	Clock timebase.Clock
	// Seed of the jitter between tries to connect, which differs by device. Controllers that share a network are to have different ones.
	Seed uint64
}

// Line is some devices that are asked one after the other, as a board: a tag.Port whose channels are the tags of these devices. It is
// safe for any number of goroutines.
//
// Watch polls each class of each device at its period, control before telemetry, and keeps every device's link. A value says in At
// when the request for it was begun: the device took it later than that, so it is never older than it says. After a
// connection was made, values are emitted when every control tag of the device was read. A channel is emitted Bad once when its device
// cannot be reached at the beginning of Watch, and once when its link is lost; while a device says nothing, nothing is emitted, and the
// value ages.
//
// Devices of a line wait for each other. Those that share nothing, such as devices with a TCP connection each, are better lines of
// their own.
type Line struct {
	tagMap   *fieldbus.TagMap
	devices  []*device
	classes  []fieldbus.Class
	channels []*channel // in the order of the tag map
	byName   map[string]*channel
	clock    timebase.Clock
	stamps   bool // the clock is that of the rig
	watched  atomic.Bool
	held     atomic.Bool
	turn     chan struct{} // who has put a token in owns all that is not under mu; a channel serves those who wait in order
	kick     chan struct{} // wakes Watch; has room for one
	guard    *guard

	// Of who has the turn.
	ctx      context.Context // of Watch
	scan     scan
	asked    uint64  // numbers the jobs
	last     *device // for whom the last turn of Watch was
	passed   bool    // a job was passed over in it
	measures int64   // when Measured is due
	starved  uint64  // as told
	sweeps   int64   // when a value may have become STALE

	mu       sync.Mutex // of what follows, and of all marked so
	watching bool       // a Watch is under way, and is not about to return
	stop     func()     // ends the write under way
	queue    []said     // from head on
	head     int
	to       func(fieldbus.Event)
	busy     bool       // somebody delivers
	idle     *sync.Cond // nobody does
}

var _ tag.Port = (*Line)(nil)

// channel is one tag.
type channel struct {
	tag     *fieldbus.Tag
	point   *fieldbus.Point
	dev     *device
	value   fieldbus.Value   // under mu
	held    held             // read while the link was not up yet
	open    *open            // a write whose outcome is unknown
	other   bool             // one before it, of another value, may arrive yet
	tracker fieldbus.Tracker // tells how it comes and goes
}

// held is a reading that does not count yet.
type held struct {
	reading fieldbus.Reading
	at      int64 // 0: there is none
}

// New makes a line of devices of a tag map. It connects to nothing. It refuses, all at once, what cannot be: a device that the map
// does not have or that is attached twice, one without an endpoint or without tags, one that is to be identified by a driver that
// reads no text.
func New(m *fieldbus.TagMap, devices []Attached, o *Options) (*Line, error) {
	if o == nil {
		o = &Options{}
	}
	if m == nil || len(devices) == 0 || len(devices) > MaxDevices {
		return nil, fmt.Errorf("line: a tag map and 1 to %d devices are wanted, not %d", MaxDevices, len(devices))
	}
	l := &Line{
		tagMap: m, byName: map[string]*channel{}, classes: m.Classes, clock: o.Clock, stamps: o.Clock != nil,
		turn: make(chan struct{}, 1), kick: make(chan struct{}, 1),
	}
	if l.clock == nil {
		l.clock = system.NewClock(1)
	}
	l.guard, l.idle = newGuard(l.clock), sync.NewCond(&l.mu)
	places := map[int]*device{}
	var wrong []error
	for i := range devices {
		d, place, err := attach(m, &devices[i], len(devices) == 1, o.Seed)
		if err == nil && places[place] != nil {
			err = fmt.Errorf("line: device %q is attached twice; it can be on one line, once", devices[i].Device)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		places[place] = d
		l.devices = append(l.devices, d)
	}
	wrong = append(wrong, l.tags(m, places)...)
	for _, d := range l.devices {
		if len(d.channels) == 0 {
			wrong = append(wrong, fmt.Errorf("line: device %q has no tags in map %q; leave it out", d.name, m.ID))
		}
		if err := d.plan(m.Classes); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	l.scan.build(l.devices, 0)
	return l, nil
}

// attach makes a device of what is attached, and tells its place in the map.
func attach(m *fieldbus.TagMap, a *Attached, alone bool, seed uint64) (*device, int, error) {
	for i := range m.Devices {
		def := &m.Devices[i]
		if def.Name != a.Device {
			continue
		}
		d := &device{def: def, name: a.Device, driver: a.Driver, endpoints: a.Endpoints}
		if d.endpoints == nil {
			d.endpoints = def.Endpoints
		}
		switch {
		case a.Driver == nil || def.Profile == nil:
			return nil, i, fmt.Errorf("line: device %q: it wants a driver and a profile", d.name)
		case a.Longest < 0:
			return nil, i, fmt.Errorf("line: device %q: longest pause %d ns: must be 0, which is 30 s, or more", d.name, a.Longest)
		case len(d.endpoints) == 0 || len(d.endpoints) > fieldbus.MaxEndpoints:
			return nil, i, fmt.Errorf("line: device %q: has %d endpoints; name 1 to %d in the tag map or in Attached", d.name, len(d.endpoints), fieldbus.MaxEndpoints)
		}
		d.planner, _ = a.Driver.(Planner)
		d.prover = prover(a.Driver, d.endpoints)
		d.texter, _ = a.Driver.(Texter)
		if def.Identify != nil && d.texter == nil {
			return nil, i, fmt.Errorf("line: device %q is to be identified by %q, and its driver reads no text; drop identify or take another driver",
				d.name, def.Identify.Name)
		}
		d.link = fieldbus.NewLink(d.name, fieldbus.LinkConfig{
			Seed: seed, Alone: alone, Owes: d.prover != nil, Reconnect: def.Reconnect, Silence: stillBeats * def.Beat, Paths: len(d.endpoints),
			Longest: a.Longest,
		})
		d.view = State{Device: d.name, Path: d.endpoints[0], Down: "not connected yet"}
		return d, i, nil
	}
	return nil, 0, fmt.Errorf("line: device %q is not in tag map %q; name one that is", a.Device, m.ID)
}

// prover gives what proves that nothing is owed; nil: nothing ever is.
func prover(driver Device, endpoints []string) Prover {
	if debtor, ok := driver.(Debtor); ok && !slices.ContainsFunc(endpoints, debtor.Owes) {
		return nil
	}
	p, _ := driver.(Prover)
	return p
}

// tags finds the channels of the devices.
func (l *Line) tags(m *fieldbus.TagMap, places map[int]*device) (wrong []error) {
	for i := range m.Tags {
		t := &m.Tags[i]
		d := places[t.Device]
		switch {
		case d == nil:
			continue // of another line
		case t.Class < 0 || t.Class >= len(m.Classes) || t.Point < 0 || t.Point >= len(d.def.Profile.Points):
			wrong = append(wrong, fmt.Errorf("line: channel %q: its class or point is none of the map's; use ParseTagMap", t.Channel))
			continue
		case d.def.Profile.Points[t.Point].Type == fieldbus.String:
			wrong = append(wrong, fmt.Errorf("line: channel %q: its point is a string, which identifies a device and is no tag; use ParseTagMap", t.Channel))
			continue
		case l.byName[t.Channel] != nil:
			wrong = append(wrong, fmt.Errorf("line: channel %q is there twice; a channel has one point", t.Channel))
			continue
		}
		c := &channel{tag: t, point: &d.def.Profile.Points[t.Point], dev: d}
		c.value = fieldbus.Value{Raw: tag.Raw{Channel: t.Channel}, Status: fieldbus.StatusWaiting, Limit: t.StaleAfter}
		l.byName[t.Channel] = c
		l.channels = append(l.channels, c)
		d.channels = append(d.channels, c)
	}
	return wrong
}
