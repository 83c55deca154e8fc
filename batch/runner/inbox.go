// The inbox: what came in and was not taken yet, in classes, bounded.

package runner

import (
	"maps"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of the inbox. Answers of devices are as many as there are writes under way; they are never refused. What OEM actions
// report waits among the samples, so that one which reports without end keeps neither commands nor answers waiting.
const (
	maxSamples   = 4096
	leanRoom     = 4       // for samples, answers, commands and effects each, with which a lean run begins
	leanBody     = 8 << 10 // bytes of a record for which a lean loop has room; a longer one is made in room of its own
	maxStrangers = 16      // channels that the map does not name and that are remembered
)

// inbox takes in from any goroutine and never blocks. The loop takes out: commands that make safe, answers of devices, other commands,
// what an arbiter says, samples.
type inbox struct {
	mu         sync.Mutex
	answers    []batch.Event
	commands   []given  // in the order in which they were given
	served     bool     // one that makes safe was taken last: an answer is next
	rulings    []ruling // what an arbiter has said of requests that stand, in the order in which it was said first
	waiting    int      // of rulings, those that were not taken yet
	samples    []arrived
	head       int   // first sample not taken
	stamped    int   // samples from head on that were there when the clock showed now
	now        int64 // stamp of those
	place      []int // by tag: place of its newest sample in samples, or -1
	seq        uint64
	coalesced  int64
	unmapped   map[string]bool   // channels that the map does not name and that had values
	read       []bool            // by tag: it had a value
	portErr    error             // why the port was lost last
	ids        map[string]tag.ID // by channel
	tags       []iomap.Tag
	failed     error
	lostAnchor string // why the journal has lost its anchor; "" once that was taken
	lostPort   error  // why the port was lost; nil once that was taken
	supply     warned
	bus        busQueue
	over       bool
	finished   []func(l *loop) // what work beside the loop has come to: one of each sort at most
	ready      chan struct{}   // has room for one: something came in
}

// arrived is a sample with the time at which it was true, 0 where that is when it is taken.
type arrived struct {
	ev batch.Event
	at int64
}

func newInbox(tags []iomap.Tag) *inbox {
	in := &inbox{tags: tags, ids: make(map[string]tag.ID, len(tags)), place: make([]int, len(tags)), read: make([]bool, len(tags)),
		unmapped: map[string]bool{}, ready: make(chan struct{}, 1), samples: make([]arrived, 0, 64), // they grow to maxSamples where they have to
		answers: make([]batch.Event, 0, 64), commands: make([]given, 0, 2*maxCommands)}
	for i := range tags {
		in.place[i] = -1
		in.ids[tags[i].Channel] = tag.ID(i)
	}
	return in
}

// lean has the lists of an inbox in which nothing is yet begin small.
func (in *inbox) lean() {
	in.samples, in.answers, in.commands = make([]arrived, 0, leanRoom), make([]batch.Event, 0, leanRoom), make([]given, 0, leanRoom)
}

func (in *inbox) wake() {
	select {
	case in.ready <- struct{}{}:
	default:
	}
}

// close refuses every command from now on: nothing would become of it.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.over = true
}

// answer takes in what became of a write.
func (in *inbox) answer(ev batch.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answers = append(in.answers, ev)
	in.wake()
}

// report takes in progress or the result of an OEM action. In a full inbox the newest progress of an action replaces the one
// before it, and is counted.
func (in *inbox) report(ev batch.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := len(in.samples) - 1; i >= in.head && ev.Kind == batch.Progress && len(in.samples)-in.head >= maxSamples; i-- {
		if old := &in.samples[i].ev; old.Kind == batch.Progress && old.ID == ev.ID {
			*old = ev
			in.coalesced++
			in.stamped = 0
			return
		}
	}
	in.push(arrived{ev: ev})
}

// push puts something behind all other samples.
func (in *inbox) push(a arrived) {
	if in.head > 0 && len(in.samples) == cap(in.samples) {
		in.shift()
	}
	in.samples = append(in.samples, a)
	in.wake()
}

// sample takes in a value. A number or a counter that was not taken yet is replaced by its newer value, and counted; an edge of
// a switch never is, unless the inbox is full: then the newest value of each tag stands.
func (in *inbox) sample(raw tag.Raw, now int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	id, ok := in.ids[raw.Channel]
	if !ok {
		if len(in.unmapped) < maxStrangers {
			in.unmapped[raw.Channel] = true
		}
		return
	}
	in.read[id] = true
	if raw.Quality != tag.Good || raw.Form > tag.Float64 {
		raw.Quality, raw.Form = tag.Bad, min(raw.Form, tag.Float64) // what cannot be is BAD, in words that a record has
	}
	at := raw.At
	if at == 0 {
		at = now
	}
	a := arrived{ev: batch.Event{Kind: batch.Sample, Tag: id, Form: raw.Form, Bits: raw.Bits, Quality: raw.Quality}, at: at}
	if p := in.place[id]; p >= in.head && (in.tags[id].Type != iomap.Switch || len(in.samples)-in.head >= maxSamples) {
		if in.tags[id].Type == iomap.Switch {
			a.ev.Quality = tag.Bad // an edge was lost: nothing may rest on this switch until its next value, and a record says so
		}
		in.samples[p] = a
		in.coalesced++
		in.stamped = 0 // it may have come after that
		return
	}
	in.push(a)
	in.place[id] = len(in.samples) - 1
}

func (in *inbox) shift() {
	in.samples = in.samples[:copy(in.samples, in.samples[in.head:])]
	for i := range in.place {
		in.place[i] = max(in.place[i]-in.head, -1)
	}
	in.head = 0
}

// durable takes in how far the journal is durable.
func (in *inbox) durable(seq uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.seq = seq
	in.wake()
}

// fail takes in that the journal has failed.
func (in *inbox) fail(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.failed == nil {
		in.failed = err
	}
	in.wake()
}

// take takes out the next event; with only set, none of the samples and reports. At is when a sample was true, 0 for other
// events. Stamp is not earlier than it came in; samples that wait together have one stamp, so that they are packed as a scan. What an
// arbiter grants or refuses comes behind commands and answers, and its news, which are few, before the samples.
func (in *inbox) take(only bool, clock func() int64) (ev batch.Event, at, stamp int64, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if ev, ok = in.command(); ok {
		return ev, 0, clock(), true
	}
	if in.waiting > 0 {
		if ev, stamp, ok = in.ruled(true, clock); ok {
			return ev, 0, stamp, true
		}
	}
	if !only && in.waiting > 0 {
		if ev, stamp, ok = in.ruled(false, clock); ok {
			return ev, 0, stamp, true
		}
	}
	if only || in.head == len(in.samples) {
		return ev, 0, 0, false
	}
	if in.stamped == 0 {
		in.stamped, in.now = len(in.samples)-in.head, clock()
	}
	in.stamped--
	a := in.samples[in.head]
	if in.head++; in.head == len(in.samples) {
		in.shift()
	}
	return a.ev, a.at, in.now, true
}

// status returns how far the journal is durable, and a failure.
func (in *inbox) status() (durable uint64, failed error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.seq, in.failed
}

// depth is how many inputs wait.
func (in *inbox) depth() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.answers) + len(in.commands) + in.waiting + len(in.samples) - in.head
}

// lost takes in that the port was lost: every tag that was read is BAD until it is read again.
func (in *inbox) lost(err error, now int64) {
	in.mu.Lock()
	in.portErr, in.lostPort = err, err
	read := slices.Clone(in.read)
	in.mu.Unlock()
	for i := range in.tags {
		if t := &in.tags[i]; read[i] {
			in.sample(tag.Raw{Channel: t.Channel, Form: t.Form, Quality: tag.Bad}, now)
		}
	}
}

// lossOf returns, once, why the journal has lost its anchor, and why the port was lost.
func (in *inbox) lossOf() (anchor string, port error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	anchor, port = in.lostAnchor, in.lostPort
	in.lostAnchor, in.lostPort = "", nil
	return anchor, port
}

// portFault returns why the port was lost last, nil if it never was.
func (in *inbox) portFault() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.portErr
}

// readback returns the newest readings that wait to be taken, and whether no tag is lacking.
func (in *inbox) readback() (r []batch.Reading, all bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	all = true
	for i := range in.tags {
		p := in.place[i]
		if p < in.head {
			all = false
			continue
		}
		ev := &in.samples[p].ev
		r = append(r, batch.Reading{Tag: ev.Tag, Form: ev.Form, Bits: ev.Bits, Quality: ev.Quality})
	}
	return r, all
}

// strangers returns the channels that the map does not name and that had values, in order.
func (in *inbox) strangers() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Sorted(maps.Keys(in.unmapped))
}

// empty tells whether nothing waits but samples and reports.
func (in *inbox) empty() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.commands) == 0 && len(in.answers) == 0 && in.waiting == 0
}

// dropped returns how many samples were replaced.
func (in *inbox) dropped() int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.coalesced
}
