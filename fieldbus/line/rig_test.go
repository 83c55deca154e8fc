// The far end of the tests: devices of our own behind wires that can be cut, and a story that is told of what a line says of them.

package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
	"github.com/stretchr/testify/require"
)

// wire is the way to a device.
type wire struct {
	cut    bool          // nothing can be connected, and what is breaks
	silent bool          // half open: what is sent is never answered
	delay  time.Duration // each way
	loss   int           // of a thousand requests, and of a thousand answers
}

// plc is a device and a driver for it; one whose wait for an answer ends gives the connection up.
type plc struct {
	timeout time.Duration

	mu      sync.Mutex
	paths   map[string]*wire
	words   map[string]uint64
	now     func() uint64 // what point "now" reads: the time at the device
	beats   bool          // "pulse" counts with each read
	text    string
	refused map[string]bool // points
	up      *wire           // of the session; nil: there is none
	opens   []string
	written []string
	asked   [][]string                           // points of each read
	plans   int                                  // reads that want another plan
	hangs   bool                                 // the driver forgets its time-out
	refuse  func(points []*fieldbus.Point) error // of each read; nil: none
	chance  *rand.Rand
	begun   func(point string, bits uint64) // a write begins
	open    map[string]bool                 // points whose last write has an unknown outcome
	blind   []string                        // writes to them
}

func newPLC(endpoints ...string) *plc {
	p := &plc{timeout: 300 * time.Millisecond, paths: map[string]*wire{}, text: "FT-100",
		words: map[string]uint64{"level": 5, "valve": 0, "dose": 0, "temp": 20, "pulse": 1}, refused: map[string]bool{}, open: map[string]bool{}}
	for _, e := range endpoints {
		p.paths[e] = &wire{delay: 2 * time.Millisecond}
	}
	return p
}

// set changes the far end.
func (p *plc) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// reads and writes give what was asked and written.
func (p *plc) reads() [][]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *plc) writes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.written)
}

// pause lets time pass, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (p *plc) Open(ctx context.Context, endpoint string) error {
	p.mu.Lock()
	w := p.paths[endpoint]
	p.opens = append(p.opens, endpoint)
	if p.up != nil {
		p.mu.Unlock()
		panic("opened twice")
	}
	if w == nil {
		p.mu.Unlock()
		return errors.New("no such endpoint")
	}
	cut, silent, delay := w.cut, w.silent, w.delay
	p.mu.Unlock()
	switch {
	case cut:
		return errors.New("connection refused")
	case silent || 2*delay > p.timeout:
		if err := pause(ctx, p.timeout); err != nil {
			return err
		}
		return fmt.Errorf("no answer within %v", p.timeout)
	}
	if err := pause(ctx, 2*delay); err != nil {
		return err
	}
	p.set(func() { p.up = w })
	return nil
}

// exchange has the device do something, if the wire lets it.
func (p *plc) exchange(ctx context.Context, do func() error) error {
	p.mu.Lock()
	w, hangs := p.up, p.hangs
	if w == nil || w.cut {
		p.mu.Unlock()
		return fmt.Errorf("%w: broken pipe", fieldbus.ErrDown)
	}
	silent, delay, lost := w.silent, w.delay, false
	if w.loss > 0 {
		silent, lost = silent || p.chance.IntN(1000) < w.loss, p.chance.IntN(1000) < w.loss
	}
	p.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if silent {
		if err := pause(ctx, p.timeout); err != nil {
			return err
		}
		return fmt.Errorf("no answer within %v", p.timeout)
	}
	if err := pause(ctx, delay); err != nil {
		return err
	}
	err := func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return do()
	}()
	if 2*delay > p.timeout || lost {
		if err := pause(ctx, p.timeout-delay); err != nil {
			return err
		}
		return fmt.Errorf("no answer within %v", p.timeout)
	}
	if err := pause(ctx, delay); err != nil {
		return err
	}
	return err
}

func (p *plc) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	err := p.exchange(ctx, func() error {
		var names []string
		for _, pt := range points {
			names = append(names, pt.Name)
		}
		p.asked = append(p.asked, names)
		if p.refuse != nil {
			if err := p.refuse(points); err != nil {
				return err
			}
		}
		if p.plans > 0 && len(points) > 1 {
			p.plans--
			return fmt.Errorf("%w: illegal address", fieldbus.ErrPlan)
		}
		for i, pt := range points {
			out[i] = fieldbus.Reading{Form: pt.Type.Form(), Bits: p.words[pt.Name], Quality: tag.Good}
			if pt.Name == "now" && p.now != nil {
				out[i].Bits = p.now()
			}
			if pt.Name == "pulse" && p.beats {
				p.words["pulse"]++
			}
			if p.refused[pt.Name] {
				out[i] = fieldbus.Reading{Form: pt.Type.Form(), Status: fieldbus.StatusDeviceFailure}
			}
		}
		return nil
	})
	p.set(func() {
		for _, pt := range points {
			p.open[pt.Name] = p.open[pt.Name] && err != nil
		}
	})
	return err
}

func (p *plc) Write(ctx context.Context, pt *fieldbus.Point, _ tag.Form, bits uint64) error {
	p.mu.Lock()
	if p.open[pt.Name] && pt.Access != fieldbus.WriteOnly {
		p.blind = append(p.blind, pt.Name)
	}
	begun := p.begun
	p.mu.Unlock()
	if begun != nil {
		begun(pt.Name, bits)
	}
	sent := false
	err := p.exchange(ctx, func() error {
		sent = true
		if p.refused[pt.Name] {
			return fmt.Errorf("%w: illegal value", fieldbus.ErrRefused)
		}
		p.words[pt.Name] = bits
		p.written = append(p.written, fmt.Sprintf("%s=%d", pt.Name, bits))
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !errors.Is(err, fieldbus.ErrRefused) && (sent || p.up != nil && !p.up.cut) {
		p.open[pt.Name] = true
		return fmt.Errorf("%w: %w", fieldbus.ErrUnknown, err)
	}
	return err
}

func (p *plc) Text(ctx context.Context, _ *fieldbus.Point) (text string, err error) {
	err = p.exchange(ctx, func() error { text = p.text; return nil })
	return text, err
}

func (p *plc) Close() error {
	p.set(func() { p.up = nil })
	return nil
}

// slave is one of several devices on a serial line: a reply that did not come is owed.
type slave struct {
	*plc
	owed bool
}

func (s *slave) doubt(err error) error {
	if err != nil && !errors.Is(err, fieldbus.ErrDown) && !errors.Is(err, fieldbus.ErrRefused) && !errors.Is(err, fieldbus.ErrPlan) {
		s.owed = true
		return fmt.Errorf("%w: %w", fieldbus.ErrDoubt, err)
	}
	return err
}

func (s *slave) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	if s.owed {
		return fieldbus.ErrDoubt
	}
	return s.doubt(s.plc.Read(ctx, points, out))
}

func (s *slave) Write(ctx context.Context, pt *fieldbus.Point, f tag.Form, bits uint64) error {
	if s.owed {
		return fieldbus.ErrDoubt
	}
	return s.doubt(s.plc.Write(ctx, pt, f, bits))
}

func (s *slave) Prove(ctx context.Context) error {
	err := s.doubt(s.exchange(ctx, func() error { return nil }))
	s.owed = err != nil
	return err
}

// meter is the profile of the devices of the tests.
var meter = &fieldbus.Profile{ID: "meter", Version: "1", Points: []fieldbus.Point{
	{Name: "level", Type: fieldbus.Uint16},
	{Name: "valve", Type: fieldbus.Bool, Access: fieldbus.ReadWrite},
	{Name: "dose", Type: fieldbus.Int32, Access: fieldbus.ReadWrite},
	{Name: "temp", Type: fieldbus.Int16},
	{Name: "horn", Type: fieldbus.Bool, Access: fieldbus.WriteOnly},
	{Name: "pulse", Type: fieldbus.Uint16},
	{Name: "now", Type: fieldbus.Int64},
	{Name: "type", Type: fieldbus.String, Length: 16},
}}

const (
	ms = int64(time.Millisecond)
	s  = int64(time.Second)
)

// mapOf makes a tag map in which each device has level, valve and dose polled every 100 ms, temp every second, and horn.
func mapOf(names ...string) *fieldbus.TagMap {
	m := &fieldbus.TagMap{ID: "plant", Version: "1", Profiles: []*fieldbus.Profile{meter}, Classes: []fieldbus.Class{
		{Name: "fast", Plane: fieldbus.Control, Every: 100 * ms}, {Name: "slow", Plane: fieldbus.Telemetry, Every: s},
	}}
	for i, name := range names {
		m.Devices = append(m.Devices, fieldbus.Device{Name: name, Profile: meter, Endpoints: []string{name + ":502"}, Reconnect: 2 * s, Latency: 50 * ms})
		for point, class := range []int{0, 0, 0, 1, 0} {
			m.Tags = append(m.Tags, fieldbus.Tag{
				Channel: name + "/" + meter.Points[point].Name, Device: i, Point: point, Class: class, StaleAfter: []int64{250 * ms, 5 * s}[class],
			})
			if meter.Points[point].Access == fieldbus.WriteOnly {
				m.Tags[len(m.Tags)-1].StaleAfter = 0 // as ParseTagMap wants it
			}
		}
	}
	return m
}

// story is a line that is watched, and what is told of it.
type story struct {
	t      *testing.T
	line   *Line
	clock  timebase.Clock
	end    func()
	done   chan error
	writes uint32

	mu     sync.Mutex
	out    bytes.Buffer
	last   map[string]tag.Raw
	raws   []tag.Raw
	events []fieldbus.Event
}

// tell begins a story of a line, in the bubble that the caller has made.
func tell(t *testing.T, m *fieldbus.TagMap, o *Options, devices ...Attached) *story {
	t.Helper()
	st := &story{t: t, clock: system.NewClock(1), done: make(chan error, 1), last: map[string]tag.Raw{}}
	if o == nil {
		o = &Options{}
	}
	o.Clock = st.clock
	l, err := New(m, devices, o)
	require.NoError(t, err)
	st.line = l
	l.Report(st.event)
	st.begin()
	return st
}

// begin watches the line.
func (st *story) begin() {
	ctx, cancel := context.WithCancel(st.t.Context())
	st.end = func() {
		st.t.Helper()
		cancel()
		require.NoError(st.t, <-st.done)
	}
	go func() { st.done <- st.line.Watch(ctx, st.raw) }()
	synctest.Wait()
}

func (st *story) say(format string, args ...any) {
	now := st.clock.Now()
	fmt.Fprintf(&st.out, "%6d.%03d  %s\n", now/ms, now%ms/1000, fmt.Sprintf(format, args...))
}

// raw takes a value; the story tells those that are new.
func (st *story) raw(r tag.Raw) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.raws = append(st.raws, r)
	was, had := st.last[r.Channel]
	st.last[r.Channel] = r
	if !had || was.Quality != r.Quality || was.Bits != r.Bits {
		st.say("%-12s %s %d", r.Channel, r.Quality, int64(r.Bits))
	}
}

func (st *story) event(e fieldbus.Event) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.events = append(st.events, e)
	switch e.Kind {
	case fieldbus.LinkChanged:
		st.say("link %s: %v after %v, %v ago: %s", e.Device, e.New, time.Duration(e.Took).Round(time.Millisecond), age(e.Age), e.Cause)
	case fieldbus.Resynced:
		st.say("link %s: %d tags read, out for %v, reconnects %d", e.Device, e.Count, time.Duration(e.Took).Round(time.Millisecond), e.Reconnects)
	case fieldbus.LinkFailover:
		st.say("link %s: failover from %s to %s, gap %v: %s", e.Device, e.From, e.To, time.Duration(e.Took).Round(time.Millisecond), e.Cause)
	case fieldbus.SLABroken:
		st.say("link %s: not back within %v", e.Device, time.Duration(e.Limit))
	case fieldbus.WriteTold:
		st.say("write %d %s: %s: %s", e.WriteID, e.Channel, e.Outcome, e.Cause)
	case fieldbus.PointChanged:
		st.say("point %s: %s, was %s, status %08X, %d more changes", e.Channel, e.To, e.From, uint32(e.Status), e.Count)
	case fieldbus.Measured:
		st.say("measured %s: %d exchanges, most %v, %d over %v%s", e.Device, e.Count, time.Duration(e.Took).Round(time.Millisecond), e.Over, time.Duration(e.Limit), cause(e.Cause))
	}
}

func cause(s string) string {
	if s != "" {
		s = ": " + s
	}
	return s
}

func age(ns int64) string {
	if ns < 0 {
		return "never"
	}
	return time.Duration(ns).Round(time.Millisecond).String()
}

// pass lets time pass.
func (st *story) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// note writes a sentence into the story.
func (st *story) note(format string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	fmt.Fprintf(&st.out, "-- "+format+"\n", args...)
}

// write writes with a deadline of a second.
func (st *story) write(channel string, bits uint64, safe bool) error {
	ctx, cancel := context.WithTimeout(st.t.Context(), time.Second)
	defer cancel()
	st.writes++
	err := st.line.Write(ctx, tag.Write{ID: st.writes, Channel: channel, Form: st.line.byName[channel].point.Type.Form(), Bits: bits, Safe: safe,
		Deadline: st.clock.Now() + s})
	synctest.Wait()
	if err == nil {
		st.note("write %d %s=%d: done", st.writes, channel, bits)
	}
	return err
}

// check holds the story against its golden file.
func (st *story) check(name string) {
	st.t.Helper()
	golden.Check(st.t, filepath.Join("testdata", name+".golden"), st.out.Bytes())
}
