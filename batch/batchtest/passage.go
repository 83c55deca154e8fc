// A passage: the lives of one batch from where it begins, or is cut short, to its end, and all that was recorded in them.

package batchtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

const (
	second  = int64(1_000_000_000)
	restart = sequencer.Restart
	dir     = "memory"
	begun   = 1_767_225_600_000_000_000 // UTC of the plant's time 0: 2026-01-01
)

// passage is a batch from a point of its life on.
type passage struct {
	r     *Trial
	b     *batch.Batch
	w     *world
	clock int64 // of the controller when the next life begins
	recs  []*record.Record
	from  spot    // from which on it is to be replayed
	boot  uint64  // the record with which the first life came up; 0: not yet
	marks []mark  // the moments at which something became durable; nil where they are not wanted
	keep  bool    // marks are wanted
	spot  spot    // to which follow has come
	read  uint64  // records that follow has read
	epoch []epoch // the lives
	ended string  // how it ended: "", "rests", or "limit"
	fault error   // what must not be
}

// mark is the moment at which a commit is done and nothing that it lets go has gone yet.
type mark struct {
	from, upTo uint64 // the records that were durable before, and those that are now
	clock      int64
	w          *world // as it was then
}

// epoch is one life: from its first record on, the plant's time is ts_mono_ns plus offset.
type epoch struct {
	first  uint64
	offset int64
}

func newPassage(r *Trial, limit int64) *passage {
	return &passage{r: r, b: r.b, w: newWorld(r, limit), clock: birth, keep: true}
}

// play lets life follow life until the batch has ended.
func (p *passage) play() {
	for p.fault == nil {
		c, over := p.live()
		if over {
			break
		}
		p.die(c)
	}
	if p.fault == nil {
		p.fault = p.replayed(p.from)
	}
}

// die takes the controller away for a time. What was not durable is gone.
func (p *passage) die(c cut) {
	w := p.w
	p.forget(w.durable)
	w.lost(p.recs)
	w.asked, w.run = nil, nil
	for i := range w.claims {
		w.claims[i].say = nil
	}
	back := w.now + c.gone
	w.cause = c.cause
	plant, ok := w.Simulation.(Powered)
	if c.dark = c.dark && ok; c.dark {
		plant.PowerCut(w.now)
	}
	w.Simulation.Advance(back, func(tag.Raw) {})
	if ok { // a controller that comes up reads everything
		plant.Boot(back + 1)
	}
	if p.clock = back + 1 - w.offset; c.dark {
		p.clock, w.offset = birth, back
	}
	w.now = back
}

// forget takes away the records after one.
func (p *passage) forget(last uint64) {
	p.recs = p.recs[:last]
	for len(p.epoch) > 0 && p.epoch[len(p.epoch)-1].first > last {
		p.epoch = p.epoch[:len(p.epoch)-1]
	}
}

// live runs a life; over tells that there is no other to come.
func (p *passage) live() (c cut, over bool) {
	w := p.w
	w.born = max(p.clock+w.offset, w.now)
	p.epoch = append(p.epoch, epoch{uint64(len(p.recs)) + 1, w.offset})
	w.durable = uint64(len(p.recs))
	w.begin(p.recs)
	w.rest(p.recs)
	w.ruled = w.ruled && p.state() != "Restarting" && p.state() != "Running"
	disk, err := p.disk()
	if err == nil {
		w.run, err = runner.New(p.b, runner.Rig{Port: w, Dir: dir, Clock: born{at: p.clock}, Do: p.r.opt.Do, Arbiter: w, Reset: w.cause}, &runner.Options{
			Storage: disk, Record: p.record, Ask: w.ask,
			Virtual:  &runner.Virtual{UTC: begun + w.offset, Durable: p.durable},
			Schedule: []runner.Scheduled{{At: timebase.Never / 2, Do: func(*runner.Runner) {}}}, // so that a batch which rests may rest
		})
	}
	if err != nil {
		p.fault = err
		return c, true
	}
	defer func() {
		switch end := recover().(type) {
		case nil:
		case cut:
			c, over = end, false
		case rest:
			p.ended = "rests"
		case timeUp:
			p.ended = "limit"
		case error:
			p.fault = end
		default:
			panic(end)
		}
	}()
	over = true
	if _, err = w.run.Run(context.Background()); err != nil && !errors.Is(err, runner.ErrOutputs) {
		p.fault = err
	}
	return c, true
}

// born is a clock of which only the time counts at which a life begins.
type born struct {
	timebase.Clock
	at int64
}

// Now gives that time.
func (b born) Now() int64 { return b.at }

// record takes a record as it is numbered.
func (p *passage) record(_ record.Kind, body []byte) {
	rec, err := record.Parse(slices.Clone(body))
	if err == nil && rec.Seq() != uint64(len(p.recs))+1 {
		err = fmt.Errorf("batchtest: record %d stands where %d should", rec.Seq(), len(p.recs)+1)
	}
	if err != nil {
		panic(err)
	}
	p.recs = append(p.recs, rec)
	if p.boot == 0 && (rec.Kind == record.KindBoot || rec.Kind == record.KindRecovery) {
		p.boot = rec.Seq()
	}
	p.w.see(rec)
}

// durable takes that a commit is done.
func (p *passage) durable(now int64, seq uint64) {
	if p.keep {
		p.marks = append(p.marks, mark{p.w.durable, seq, now, p.w.fork()})
	}
	p.w.durable, p.w.now = seq, max(p.w.now, now+p.w.offset)
	p.w.begin(p.recs[:seq])
}

// disk makes the disk that the next life finds.
func (p *passage) disk() (memory, error) {
	m := memory{}
	if len(p.recs) == 0 {
		return m, nil
	}
	last := p.recs[len(p.recs)-1]
	w, err := journal.Create(dir+"/journal", journal.Header{JournalID: p.b.JournalID, Epoch: uint32(last.Int(record.Epoch))},
		&journal.Options{Storage: m, Segment: p.b.Segment(), Pending: 4 * journal.MaxBody})
	if err != nil {
		return nil, err
	}
	for _, rec := range p.recs {
		if w.Room() < 2*journal.MaxBody {
			err = errors.Join(err, w.Commit())
		}
		err = errors.Join(err, w.Append(rec.Seq(), rec.Body))
	}
	return m, errors.Join(err, w.Commit())
}

// spot is a place in a passage from which it can be decided again: the state of the batch after a record. The zero spot is its beginning.
type spot struct {
	seq   uint64
	state []byte
}

// replayed decides everything again from a spot on.
func (p *passage) replayed(from spot) (err error) {
	rp := p.b.Replay()
	if from.seq > 0 {
		if rp, err = p.b.ReplayFrom(from.state, from.seq); err != nil {
			return err
		}
	}
	for _, rec := range p.recs[from.seq:] {
		if err := rp.Record(rec); err != nil {
			return err
		}
	}
	if p.ended != "" {
		return nil // it was stopped from outside, and what it was about to record is not there
	}
	return rp.End()
}

// link is hash_curr of the last record.
func (p *passage) link() string {
	var c journal.Chain
	for _, rec := range p.recs {
		c.Add(rec.Body)
	}
	return c.Link.String()
}

// tail shows the last records.
func (p *passage) tail() string {
	var out strings.Builder
	for _, rec := range p.recs[max(len(p.recs)-8, 0):] {
		fmt.Fprintf(&out, "  %s\n", rec.Body)
	}
	return out.String()
}

// state is that of the batch at its end.
func (p *passage) state() string { return stateAt(p.recs) }

// stateAt is the state of a batch after some records.
func stateAt(recs []*record.Record) string {
	for _, rec := range slices.Backward(recs) {
		if rec.Kind == record.KindBatchState {
			return rec.Text(record.BatchState)
		}
	}
	return sequencer.Idle.String()
}

// at is the time of a record since the beginning, by the plant.
func (p *passage) at(rec *record.Record) int64 {
	offset := int64(0)
	for _, e := range p.epoch {
		if e.first <= rec.Seq() {
			offset = e.offset
		}
	}
	return int64(rec.Count(record.TsMonoNS)) + offset - birth
}
