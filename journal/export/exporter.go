// Exporter: one journal to one sink, in bounded batches, through outages.

package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

const (
	maxName      = 256 // bytes of the name of a sink
	maxBatch     = 1 << 20
	defaultBatch = 256 << 10
	maxDetail    = 1000 // bytes of the words of an outage that go on record
)

// Options are the settings of an Exporter; nil means all zero.
type Options struct {
	// Batch is how many bytes of rows a sink is handed at a time, at most 1 MiB; one row may be more. Zero means 256 KiB.
	Batch int
	// Poll is how often Run looks for new records. Zero means 1 s.
	Poll time.Duration
	// Least and Most are the first and the longest pause after an outage; each is twice the one before, until the sink has taken
	// something. Zero means 1 s and 5 min.
	Least, Most time.Duration
	// Quiet is the least time between two records of the sink's state; what comes sooner is told with the next. Zero means 1 min.
	Quiet time.Duration
	// Log takes the records of the sink's state. Nil means that none are made.
	Log record.Log
	// Told is what the last record of this sink and journal said, in an earlier process; only another state makes a record then.
	Told State
	// Again has a sink that holds less than it acknowledged sent the rest anew. Without it that is an outage: so looks the empty
	// directory in which a disk is not mounted.
	Again bool
}

// Exporter sends one journal to one sink.
type Exporter struct {
	name   string
	sink   Sink
	src    Source
	id     string
	clock  timebase.Clock
	opt    Options
	cursor *cursor

	settled journal.Chain // of a journal that another process may write: what is known to be durable

	mu     sync.Mutex // guards status
	status Status

	told   State // what the last record said
	toldAt int64
	merged uint64 // changes that no record said
	last   State
}

// Status is how an export stands.
type Status struct {
	State  State         // "" before the first attempt
	Acked  journal.Chain // the last record that the sink acknowledged, in an earlier process too; zero where nothing is known
	Behind uint64        // durable records that it lacks, as far as is known
	Detail string        // what the sink said when it went down
	Faults []string      // why slots of the cursor could not be read: the sink is asked, and sent again what is in doubt
}

// New prepares the export of a journal to a sink, which is known by its name; the cursor lies in cursorDir, which must exist.
// A journal that is not there yet is refused with ErrJournal.
func New(name string, sink Sink, src Source, cursorDir string, clock timebase.Clock, opt *Options) (*Exporter, error) {
	e := &Exporter{name: name, sink: sink, src: src, clock: clock}
	if opt != nil {
		e.opt = *opt
	}
	if e.opt.Batch < 0 || e.opt.Batch > maxBatch {
		return nil, fmt.Errorf("export: Options.Batch is %d: 0 to %d are wanted", e.opt.Batch, maxBatch)
	}
	orDefault(&e.opt.Batch, defaultBatch)
	orDefault(&e.opt.Poll, time.Second)
	orDefault(&e.opt.Least, time.Second)
	orDefault(&e.opt.Most, 5*time.Minute)
	orDefault(&e.opt.Quiet, time.Minute)
	e.told, e.last, e.toldAt = e.opt.Told, e.opt.Told, clock.Now()-int64(e.opt.Quiet)
	var err error
	if e.id, _, _, err = journal.Begin(src.Dir, e.reading()); err == nil && e.id == "" {
		err = fmt.Errorf("%w: no journal in %q yet", ErrJournal, src.Dir)
	}
	if err == nil {
		e.cursor, err = openCursor(cursorDir, name, e.id, src.Storage)
	}
	if err != nil {
		return nil, err
	}
	e.status.Acked, e.status.Faults = e.cursor.acked, e.cursor.faults
	return e, nil
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (e *Exporter) reading() *journal.Options { return &journal.Options{Storage: e.src.Storage} }

// Status tells how the export stands. It may be called from any goroutine and waits for nothing that is slow.
func (e *Exporter) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Run exports until ctx ends, then returns nil. An outage is waited out. It returns early with ErrCursor, ErrSink, ErrGap or ErrJournal,
// each of which needs a person, and with an error of the cursor's own storage or of the log.
func (e *Exporter) Run(ctx context.Context) error {
	pause := e.opt.Least
	for {
		before := e.cursor.acked.N
		err := e.CatchUp(ctx)
		wait := e.opt.Poll
		if err == nil || e.cursor.acked.N > before { // what went on in between is a new outage
			pause = e.opt.Least
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
		case Outage(err):
			wait, pause = pause, min(2*pause, e.opt.Most)
		default:
			return err
		}
		if e.clock.Wait(ctx, e.clock.Now()+int64(wait)) != nil {
			return nil
		}
	}
}

// outage is an error of a sink that may be back.
type outage struct{ error }

// Unwrap gives what the sink said.
func (o outage) Unwrap() error { return o.error }

// Outage tells whether an error of CatchUp says no more than that the sink is away.
func Outage(err error) bool {
	var o outage
	return errors.As(err, &o)
}

// CatchUp sends what is durable now and the sink does not hold, and returns when the sink has acknowledged all of it. An error is an
// Outage, or one that Run returns.
func (e *Exporter) CatchUp(ctx context.Context) error {
	r := round{e: e, ctx: ctx}
	err := r.run()
	switch {
	case ctx.Err() != nil:
		return errors.Join(err, ctx.Err())
	case err == nil:
		return e.tell(Up, r.behind(), "")
	case Outage(err):
		return errors.Join(err, e.tell(Down, r.behind(), err.Error()))
	}
	_ = e.tell(Down, r.behind(), err.Error()) // what stops the export is told by its own error
	return err
}

// tell notes a state, and has it recorded where it is another one than was recorded last.
func (e *Exporter) tell(s State, behind uint64, detail string) error {
	e.mu.Lock()
	e.status = Status{State: s, Acked: e.cursor.acked, Behind: behind, Detail: detail, Faults: e.cursor.faults}
	e.mu.Unlock()
	changed := s != e.last
	e.last = s
	now := e.clock.Now()
	if s == e.told || e.opt.Log == nil {
		return nil
	}
	if e.told != "" && now-e.toldAt < int64(e.opt.Quiet) {
		if changed {
			e.merged++
		}
		return nil
	}
	_, err := e.opt.Log.Append(func(b *record.Body) {
		b.Begin(record.KindExportState)
		b.Text(record.Sink, e.name)
		b.Text(record.SinkState, string(s))
		b.Text(record.ObjectID, e.id)
		b.Count(record.AckedSeq, e.cursor.acked.N)
		b.Count(record.Behind, behind)
		if detail != "" {
			b.Text(record.Detail, string(bytes.ToValidUTF8([]byte(detail[:min(len(detail), maxDetail)]), []byte("?"))))
		}
		if e.merged > 0 {
			b.Count(record.Coalesced, e.merged)
		}
	})
	if err != nil {
		return fmt.Errorf("export: recording that sink %q is %s: %w", e.name, s, err)
	}
	e.told, e.toldAt, e.merged = s, now, 0
	return nil
}
