// The front of the package: a window, what it is told, and its rounds.

// Package scada shows a running controller to OPC UA clients: its batches, tags, device and records, as a window that nothing reaches through.
//
// Start with [New], which fills a server.Space; [Window.Run] keeps it in step with the journals that the controller leaves below a directory,
// and [Window.Receiver] takes the samples of tags that a trend.Sender posts to it.
//
// # What is shown
//
//	Batches/<batch_id>/        State, Recipe, RecipeVersion, Step, ActiveSteps, TagMapVersion, JournalHead, HashCurr ...
//	Batches/<batch_id>/Steps/<step_id>/      State, Level, WaitsFor
//	Batches/<batch_id>/Totals/<window>/      Total, Target, Delta, Tolerance (Float64) with TotalText ... (exact), Unit, Result
//	Tags/<logical_tag>/        Value (Float64, Boolean or Int64), Text (exact), Quality, OpcUaStatus, Unit, Channel
//	Device/                    DeviceId, JournalHead, HashCurr; Storage, Time, Links/<device>/WatchdogState
//	Window/                    Version, Behind, EventsFrom, Fault, MappingDigest ...
//
// A decimal is shown twice: as Float64, which is for eyes, and as the text that is on record. A Unit is a UCUM
// code, such as kg/min or Cel. Each variable has a description.
//
// Events have the type BatchRecordEventType, and each is a record, with the fields EventSeq, JournalId, BatchId, RecipeVersion, HashCurr, Kind
// (its event_type), StepId, Record (its text), and PreviousSeq, by which a client finds that it has lost one. Subscribe to those of the Server
// object, or of Batches/<batch_id>. Blocks of inputs are told by no event.
//
// # The rule that must not be broken
//
// A window that hears nothing does not look alive: what a batch that has not ended was is UncertainLastUsableValue when its journal is silent
// for longer than Options.Silence and the age of a block, also from a start of the window until the journal grows; a tag is when its value is
// older than its map allows, and BAD when the map in use is not that of the newest batch. While the window itself is held up for longer than
// Silence, by a disk that does not answer for example, nothing of it stays GOOD. And nothing is written below the directory of the controller, nor is any lock taken there: a window that is slow,
// killed or attacked holds nothing up.
//
// # What it does not do
//
// It changes nothing, so it needs no rights but to read. Totals are those of the last record that tells one: at the start, the thresholds and
// the end of a metering window. It is no evidence and no historian: it keeps what is, in memory, and nothing of what was; after a restart it
// reads the journals again, tells none of their old records as events, and says from which on it does. A record that a cut of power takes
// may have been shown; the journal is then another, which is told as an event of kind gap.
package scada

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/iomap"
)

// Version is the form of what a window shows. It grows when a name or a meaning becomes another.
const Version = "1"

// Limits of Options.
const (
	MaxFinished = 1024
	MaxBatches  = 1024
	leastPoll   = 10 * time.Millisecond
)

// Options of a Window; nil means all zero.
type Options struct {
	Finished int           // batches that have ended and are still shown, the last ones; 0: 20, at most MaxFinished
	Batches  int           // journals of batches that are read, those that were written last; 0: 64, at most MaxBatches
	Poll     time.Duration // between two looks at the journals, each of which reads a segment of every one that runs; 0: 500 ms
	Silence  time.Duration // after which what was heard last is no longer GOOD; 0: 5 s
}

// Window keeps a space in step with a controller.
type Window struct {
	space   *server.Space
	opt     Options
	tree    *tree
	events  server.EventType
	feed    feed
	samples *receiver
	since   time.Time
	now     func() time.Time
	raised  uint64
	plan    *iomap.Map // that tags are named by; nil: none is known
	digest  string     // its SHA-256, hex
	broken  string     // why the map cannot be had
	tried   time.Time
	good    int

	showing sync.Mutex // of the tree
	turned  time.Time  // when the last round ended; under showing
	mu      sync.Mutex
	status  Status
}

// Status is how a window stands.
type Status struct {
	Batches, Ended   int // that are shown
	Tags, Good       int
	Records          uint64 // of the journals that are watched
	Events           uint64 // that were raised
	Samples, Missing uint64 // that came; numbers that never did
	Refused          uint64 // requests with samples
	Newest           string // the batch that was created last, its state and phases
	Fault            string
}

// New makes a window on the controller that leaves batches below a directory, such as that of examples/controller -out. Nothing is read
// before Run.
func New(space *server.Space, dir string, o *Options) (*Window, error) {
	w := &Window{space: space, tree: newTree(space), now: time.Now}
	if o != nil {
		w.opt = *o
	}
	p := &w.opt
	if p.Finished < 0 || p.Finished > MaxFinished || p.Batches < 0 || p.Batches > MaxBatches || p.Poll < 0 || p.Silence < 0 ||
		p.Poll > 0 && p.Poll < leastPoll {
		return nil, fmt.Errorf("scada: Finished %d, Batches %d, Poll %s, Silence %s: at most %d and %d are wanted, %s at least between two looks, and "+
			"nothing negative", p.Finished, p.Batches, p.Poll, p.Silence, MaxFinished, MaxBatches, leastPoll)
	}
	or(&p.Finished, 20)
	or(&p.Batches, 64)
	or(&p.Poll, 500*time.Millisecond)
	or(&p.Silence, 5*time.Second)
	now := func() time.Time { return w.now() }
	w.samples = newReceiver(now)
	w.feed = feed{dir: dir, most: p.Batches, sources: map[string]*source{}, now: now, tell: w.raise, gap: w.lacking}
	w.events = space.EventType(eventTypeName, eventFields...)
	for _, name := range [...]string{folderBatches, folderTags, folderDevice, folderWindow} {
		w.tree.folder(name)
	}
	return w, nil
}

func or[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Receiver takes samples of tags, as trend.Lines posts them. It may be used from any goroutine, and reads one request at a time: it says 503 to
// others. Who may reach it can show what he likes as the value of a tag: have it listen on loopback or on a Unix socket.
func (w *Window) Receiver() http.Handler { return w.samples }

// Run keeps the space in step until ctx ends, and returns nil then. What cannot be read is shown in Window/Fault and tried again.
func (w *Window) Run(ctx context.Context) error {
	w.since = w.now()
	tick := time.NewTicker(w.opt.Poll)
	defer tick.Stop()
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { w.watch(ctx) })
	for {
		w.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round reads what is new, and shows it.
func (w *Window) round(ctx context.Context) {
	if w.feed.round(ctx) != nil {
		return // ctx has ended
	}
	now := w.now()
	w.showing.Lock()
	defer w.showing.Unlock()
	defer func() { w.turned = w.now() }()
	shown, newest := w.shown()
	is := map[string]bool{}
	for _, s := range shown {
		w.showBatch(s, now)
		is[under("", s.name)] = true
	}
	for _, name := range w.tree.beneath(folderBatches) {
		if !is[name] {
			w.tree.remove(folderBatches + "/" + name)
		}
	}
	w.remap(newest, now)
	w.good = 0
	w.showTags(newest, now)
	w.showDevice(w.feed.sources[deviceDir], newest, now)
	w.showWindow(now)
	w.sum(shown, newest)
}

// watch doubts what is shown while a round takes longer than Silence, until ctx ends: a disk that does not answer must not make a window look
// alive.
func (w *Window) watch(ctx context.Context) {
	tick := time.NewTicker(max(w.opt.Silence/4, leastPoll))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		func() {
			w.showing.Lock()
			defer w.showing.Unlock()
			if !w.turned.IsZero() && w.now().Sub(w.turned) > w.opt.Silence+w.opt.Poll {
				w.tree.doubt()
			}
		}()
	}
}

// shown lists the batches that are to be shown: all that have not ended, and of the others the last ones. Newest is the one that was created
// last, those that run before those that have ended.
func (w *Window) shown() (list []*source, newest *source) {
	var ended []*source
	for name, s := range w.feed.sources {
		switch {
		case name == deviceDir || !s.read || s.state.batch == "":
		case s.state.ended:
			ended = append(ended, s)
		default:
			list = append(list, s)
		}
	}
	last := func(a, b *source) int {
		if a.state.created != b.state.created {
			return int(min(max(b.state.created-a.state.created, -1), 1))
		}
		return strings.Compare(b.name, a.name)
	}
	slices.SortFunc(list, last)
	slices.SortFunc(ended, last)
	list = append(list, ended[:min(len(ended), w.opt.Finished)]...)
	if len(list) > 0 {
		newest = list[0]
	}
	return list, newest
}

// eventsFrom says of each journal from which record on events are told.
func (w *Window) eventsFrom() (list []string) {
	for _, name := range w.feed.names() {
		if s := w.feed.sources[name]; s.read {
			list = append(list, s.state.journal+" "+strconv.FormatUint(s.from, 10))
		}
	}
	return list
}

// fault says what cannot be read.
func (w *Window) fault() string {
	if w.feed.fault != "" {
		return w.feed.fault
	}
	return w.broken
}

// sum keeps how the window stands.
func (w *Window) sum(shown []*source, newest *source) {
	count, _ := w.samples.stats()
	st := Status{Batches: len(shown), Good: w.good, Events: w.raised, Samples: count.Taken, Missing: count.Missing, Refused: count.Refused, Fault: w.fault()}
	for _, s := range w.feed.sources {
		st.Records += s.state.seq
	}
	for _, s := range shown {
		if s.state.ended {
			st.Ended++
		}
	}
	if w.plan != nil {
		st.Tags = len(w.plan.Tags)
	}
	if newest != nil {
		phases, _ := newest.state.active()
		st.Newest = newest.state.batch + " " + newest.state.word
		if phases != "" {
			st.Newest += ": " + phases
		}
	}
	w.mu.Lock()
	w.status = st
	w.mu.Unlock()
}

// Status tells how the window stood after its last round. It may be called from any goroutine.
func (w *Window) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}
