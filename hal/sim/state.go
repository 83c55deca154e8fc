// The state of a plant as bytes, so that it can go on in another process.

package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
)

// ErrState says that bytes are not the state of the plant that was to take it over.
var ErrState = errors.New("sim: plant: state refused")

// MaxState is the greatest length of a state in bytes.
const MaxState = 256 << 10

// stateHead begins a state, before the SHA-256 of what follows its line; the number is that of the form.
const stateHead = "sim plant 1 "

// image is all of a plant that time changes, in integers.
type image struct {
	Seed              uint64
	Started           bool
	Origin, Now, Step int64
	Valve             [5]int64
	Stirrer           int64
	Heating           bool
	Temp, Contents    int64
	Drained, Spilt    int64
	Delivered         [2]int64
	Recent            [2][10]int64
	Command, Out      [outputs]int64
	Answers           [outputs]int64
	Queue             []queued
	Down, Dark        bool
	Contacts          [chCtr]moving
	Shown             [channelCount]uint64
	WasShown          [channelCount]bool
	Faults            []lasting
}

// queued, moving and lasting are the images of pending, contact and fault.
type queued struct {
	At   int64
	What uint8
	Out  int
	V    int64
}

type moving struct {
	Changes      uint64
	Target, High bool
	Due          [8]int64
	From, To     int
}

type lasting struct {
	Fault
	End int64
}

// Snapshot returns the state of the plant as of the newest Advance: printable text of some kilobytes.
func (p *Plant) Snapshot() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return seal(p.image())
}

func seal(im *image) []byte {
	body, err := json.Marshal(im)
	if err != nil {
		panic(err) // of numbers and words alone
	}
	return sealed(body)
}

func sealed(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append([]byte(stateHead+hex.EncodeToString(sum[:])+"\n"), body...)
}

// Restore gives a plant that was not used yet the state that Snapshot returned for a plant of the same seed. The plant goes on
// exactly as that one would have, its time at now: no time has passed for it since the Snapshot. What is refused with
// ErrState - another seed, another form, damaged or impossible - leaves the plant as it was.
func (p *Plant) Restore(state []byte, now int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	im, err := unseal(state)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrState, err)
	case p.started || len(p.faults) > 0:
		return fmt.Errorf("%w: the plant was used already; its time has begun, or it has faults", ErrState)
	case im.Seed != p.process.seed:
		return fmt.Errorf("%w: it belongs to a plant of seed %d, and this one has seed %d", ErrState, im.Seed, p.process.seed)
	case now < 0 || now > math.MaxInt64/2:
		return fmt.Errorf("%w: time %d: want 0 to %d", ErrState, now, int64(math.MaxInt64/2))
	}
	p.take(im, now-im.Now)
	return nil
}

// Clone returns a plant in the same state, as of the newest Advance, that goes on by itself exactly as this one would. It has no
// clock and no Watch.
func (p *Plant) Clone() *Plant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Plant{
		started: p.started, origin: p.origin, now: p.now, step: p.step, process: p.process, command: p.command, out: p.out,
		queue: slices.Clone(p.queue), answers: p.answers, down: p.down, dark: p.dark, contacts: p.contacts, counter: p.counter,
		totalizer: p.totalizer, shown: p.shown, wasShown: p.wasShown, faults: slices.Clone(p.faults),
	}
}

// unseal reads a state and checks that a plant can have it.
func unseal(state []byte) (*image, error) {
	head, body, _ := bytes.Cut(state, []byte("\n"))
	sum := sha256.Sum256(body)
	switch {
	case len(state) > MaxState:
		return nil, fmt.Errorf("%d bytes: want at most %d", len(state), MaxState)
	case !bytes.HasPrefix(head, []byte(stateHead)):
		return nil, fmt.Errorf("it does not begin with %q", stateHead)
	case string(head[len(stateHead):]) != hex.EncodeToString(sum[:]):
		return nil, errors.New("damaged: its digest is not that of its content")
	}
	im := &image{}
	if err := json.Unmarshal(body, im); err != nil {
		return nil, err
	}
	if wrong := im.wrong(); wrong != "" {
		return nil, errors.New(wrong)
	}
	if again, err := json.Marshal(im); err != nil || !bytes.Equal(again, body) {
		return nil, errors.New("it is not what Snapshot writes")
	}
	return im, nil
}

// The bounds of what a state may hold: far beyond what a plant comes to, and far from where integers overflow.
const (
	latest  = math.MaxInt64 / 4
	longest = 1_000_000_000 * kilogram // 2^60
)

// wrong tells what no plant has, or nothing.
func (im *image) wrong() string {
	times, masses := []int64{im.Origin, im.Now}, []int64{im.Contents, im.Drained, im.Spilt, im.Delivered[0], im.Delivered[1]}
	times = append(times, im.Answers[:]...)
	for i := range im.Contacts {
		c := &im.Contacts[i]
		if c.From < 0 || c.From > c.To || c.To > len(c.Due) {
			return fmt.Sprintf("contact %d has edges %d to %d", i+1, c.From, c.To)
		}
		times = append(times, c.Due[:]...)
	}
	for _, q := range im.Queue {
		if q.What > doBoot || q.Out < 0 || q.Out >= outputs || q.V < 0 || q.V > MaxSetPoint {
			return fmt.Sprintf("what is queued for %d is none", q.At)
		}
		times = append(times, q.At)
	}
	for i := range im.Faults {
		f := &im.Faults[i]
		if _, err := f.place(); err != nil {
			return err.Error()
		}
		times = append(times, f.At, f.End)
	}
	for _, flows := range im.Recent {
		masses = append(masses, flows[:]...)
	}
	for i := range im.Out {
		if v := im.Out[i] | im.Command[i]; v < 0 || v >= 1024 {
			return fmt.Sprintf("output %d is out of its range", i+1)
		}
	}
	for _, v := range append(im.Valve[:], im.Stirrer) {
		if v < 0 || v > travel {
			return fmt.Sprintf("a valve or the agitator is at %d", v)
		}
	}
	for _, t := range times {
		if t < -latest || t > latest {
			return fmt.Sprintf("time %d is out of range", t)
		}
	}
	for _, m := range masses {
		if m < 0 || m > longest {
			return fmt.Sprintf("mass %d is out of range", m)
		}
	}
	if im.Temp < -1000*ambient || im.Temp > 1000*ambient || len(im.Queue) > 2*MaxWrites || len(im.Faults) > MaxFaults {
		return "temperature, queue or faults are out of range"
	}
	if im.Step < 0 || im.Origin+im.Step*stepNS > im.Now || im.Step > latest/stepNS || im.Now-im.Origin-im.Step*stepNS > stepNS {
		return fmt.Sprintf("step %d is not that of its time", im.Step)
	}
	return ""
}

// image copies the state out of the plant.
func (p *Plant) image() *image {
	m := &p.process
	im := &image{
		Seed: m.seed, Started: p.started, Origin: p.origin, Now: p.now, Step: p.step,
		Valve: m.valve, Stirrer: m.stirrer, Heating: m.heating, Temp: m.temp, Contents: m.contents,
		Drained: m.drained, Spilt: m.spilt, Delivered: m.delivered, Recent: m.recent,
		Command: p.command, Out: p.out, Answers: p.answers, Down: p.down, Dark: p.dark,
		Queue: []queued{}, Shown: p.shown, WasShown: p.wasShown, Faults: []lasting{},
	}
	for _, q := range p.queue {
		im.Queue = append(im.Queue, queued{q.at, q.what, q.out, q.v})
	}
	for i := range p.contacts {
		c := &p.contacts[i]
		im.Contacts[i] = moving{c.changes, c.target, c.high, c.due, c.from, c.to}
	}
	for i := range p.faults {
		if f := &p.faults[i]; !p.started || f.end >= p.now {
			im.Faults = append(im.Faults, lasting{f.Fault, min(f.end, latest)})
		}
	}
	return im
}

// take copies a state into the plant, all its times later by shift.
func (p *Plant) take(im *image, shift int64) {
	m := &p.process
	if !im.Started {
		shift = 0 // faults that were declared for later stay where they are
	}
	p.started, p.origin, p.now, p.step = im.Started, im.Origin+shift, im.Now+shift, im.Step
	m.valve, m.stirrer, m.heating, m.temp, m.contents = im.Valve, im.Stirrer, im.Heating, im.Temp, im.Contents
	m.drained, m.spilt, m.delivered, m.recent = im.Drained, im.Spilt, im.Delivered, im.Recent
	p.command, p.out, p.down, p.dark = im.Command, im.Out, im.Down, im.Dark
	p.shown, p.wasShown = im.Shown, im.WasShown
	for i := range p.answers {
		p.answers[i] = im.Answers[i] + shift
	}
	p.queue, p.faults = nil, nil
	for _, q := range im.Queue {
		p.queue = append(p.queue, pending{q.At + shift, q.What, q.Out, q.V})
	}
	for i := range im.Contacts {
		c, was := &p.contacts[i], &im.Contacts[i]
		c.changes, c.target, c.high, c.due, c.from, c.to = was.Changes, was.Target, was.High, was.Due, was.From, was.To
		for k := range c.due {
			c.due[k] += shift
		}
	}
	for i := range im.Faults {
		f := fault{Fault: im.Faults[i].Fault, end: im.Faults[i].End + shift}
		f.At += shift
		f.place, _ = f.Fault.place()
		p.faults = append(p.faults, f)
	}
}

// Read returns what the device behind a channel shows as of the newest Advance, which it takes for the time of the value. False
// says that it shows nothing: there is no such channel, a fault keeps it silent, or there is no power.
func (p *Plant) Read(channel string) (tag.Raw, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch, shown := channelOf(channel), false
	var raw tag.Raw
	if ch >= 0 {
		was, had := p.shown[ch], p.wasShown[ch]
		p.send(p.now, ch, func(r tag.Raw) { raw, shown = r, true })
		p.shown[ch], p.wasShown[ch] = was, had
	}
	return raw, shown
}

// Awake tells whether the plant's devices answer at all, as of the newest Advance: they have power and no fault freezes them.
func (p *Plant) Awake() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dark && !p.down && !p.active(Frozen, 0, p.now)
}
