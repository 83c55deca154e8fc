// Coming up again on the journal of a batch that was cut short.

package runner

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
)

// Remains is what the directory of a run that was cut short holds. evidence.Rebind makes its batch.
type Remains struct {
	Journal string // its id; a batch in its place, where it holds no record, is bound with it: BindOptions.JournalID
	Records uint64
	Batch   string // "" where there is no record: nothing was begun
	Last    int64  // ts_utc of its last record, ns since 1970; 0 where the time of day was not known
	State   string // last state of the batch
	Ended   bool   // the run came to its end, and only its package may be missing
	Again   bool   // it ended by the recovery rule restart: a new batch is to take its place
	Outcome journal.Outcome
	Reason  string // of a TORN_TAIL or DAMAGED outcome
}

// Look reads the journal below the directory of a run and changes nothing. It returns nil where there is none.
func Look(dir string) (*Remains, error) {
	var r Remains
	rec, err := journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		switch {
		case rec.Kind == record.KindBatchCreated:
			r.Batch, r.State = rec.Text(record.BatchID), sequencer.Idle.String()
		case rec.Kind == record.KindBatchState:
			r.State = rec.Text(record.BatchState)
		case rec.Kind == record.KindBatchEnd:
			r.Ended, r.Again = true, rec.Text(record.RecoveryRule) != ""
		}
		r.Last = rec.Time(record.TsUTC)
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("runner: journal in %s: %w", dir, err)
	}
	if rec.Outcome == journal.None {
		return nil, nil
	}
	r.Journal, r.Records, r.Outcome, r.Reason = rec.JournalID, rec.Head.N, rec.Outcome, rec.Reason
	return &r, nil
}

// past is what the journal of a batch that was cut short leads to.
type past struct {
	replay *batch.Replay
	head   journal.Chain      // after its last record
	kept   []*record.Record   // what the result needs of its records
	tree   journal.Tree       // over all of them, where heads are signed
	words  string             // how the journal was recovered
	utc    int64              // of the last record, 0 where it is not known
	tail   int64              // bytes set aside
	medium *hal.StorageHealth // as its records say last; nil: they say nothing
	boot   string             // boot_id of its last start
	from   uint64             // generation of the checkpoint that was used; 0: none
}

// recover makes the state that a journal leads to: from the newest checkpoint for which the journal speaks, or else from its
// beginning. A checkpoint that does not lead to what the journal holds after it is passed over.
func (r *Runner) recover(dir string, rec *journal.Recovery) (*past, error) {
	var words []string
	for _, w := range r.wrong {
		words = append(words, batch.Clean(w))
	}
	from, err := r.spoken(dir)
	if err != nil {
		return nil, err
	}
	var p *past
	for i := range from {
		if p, err = r.follow(dir, rec, &from[i]); err == nil {
			break
		}
		words = append(words, batch.Clean(fmt.Sprintf("checkpoint %d is passed over: %v", from[i].Generation, err)))
	}
	if len(from) == 0 || err != nil {
		if p, err = r.follow(dir, rec, nil); err != nil {
			return nil, err
		}
	}
	p.words = strings.Join(append([]string{p.words}, words...), "; ")
	return p, nil
}

// follow feeds the records of a journal to a fresh machine, or those after a checkpoint to one that stands there. A journal of
// another batch, another binding or another engine is refused.
func (r *Runner) follow(dir string, rec *journal.Recovery, from *journal.Checkpoint) (*past, error) {
	p := &past{replay: r.b.Replay(), head: rec.Head, tail: rec.TailBytes}
	start := uint64(0)
	if from != nil {
		var err error
		if p.replay, err = r.b.ReplayFrom(from.Payload, from.Head.N); err != nil {
			return nil, err
		}
		start, p.from = from.Head.N, from.Generation
	}
	_, err := journal.Scan(dir, func(seq uint64, body []byte, _ journal.Chain) error {
		if r.rig.Key != nil {
			p.tree.Add(journal.Leaf(body))
		}
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		if seq > start {
			err = p.replay.Record(rec)
		}
		if rec.Kind == record.KindStorageHealth {
			h := hal.Told(rec)
			p.medium = &h
		}
		if rec.Kind == record.KindBoot || rec.Kind == record.KindRecovery {
			p.boot = rec.Text(record.BootID)
		}
		p.utc = rec.Time(record.TsUTC)
		if kept(rec.Kind) {
			p.kept = append(p.kept, rec)
		}
		return err
	}, &journal.Options{Storage: r.opt.Storage})
	var parted *batch.Divergence
	used := fmt.Errorf("%w: %s", ErrUsed, r.rig.Dir)
	switch {
	case errors.As(err, &parted) && parted.Seq <= uint64(1+len(r.b.Plan.Files)+len(r.b.Plan.Actions)):
		return nil, fmt.Errorf("%w: it is bound to something else than this batch (record %d); continue it with what it is bound to: %w", used, parted.Seq, err)
	case p.replay.Fault() != "":
		return nil, fmt.Errorf("%w: its last input broke the engine: %s; start a new batch", used, p.replay.Fault())
	case err != nil:
		return nil, fmt.Errorf("%w: it cannot be continued: %w", used, err)
	}
	p.words = fmt.Sprintf("%s; the state follows from records 1 to %d", rec.Outcome, rec.Head.N)
	if from != nil {
		p.words = fmt.Sprintf("%s; the state follows from checkpoint %d after record %d and the records after that up to %d",
			rec.Outcome, from.Generation, start, rec.Head.N)
	}
	if rec.Ringed > 0 {
		p.words += fmt.Sprintf("; the last %d of them were only in the anchor", rec.Ringed)
	}
	if rec.Anchor == journal.AnchorNew || rec.Anchor > journal.AnchorHeld {
		p.words += fmt.Sprintf("; the anchor is %s and proves nothing of them", rec.Anchor)
	}
	if rec.Outcome == journal.TornTail {
		p.words += fmt.Sprintf("; %d bytes after them set aside before", rec.TailBytes)
	}
	if n := len(p.replay.Lacking()); n > 0 {
		p.words += fmt.Sprintf("; %d decisions of the last input were made again", n)
	}
	return p, nil
}

// over takes a batch that has ended for what it is: nothing is added to its journal. One without its package is packed.
func (r *Runner) over() (Result, error) {
	dir := filepath.Join(r.rig.Dir, "journal")
	claim, err := journal.Claim(dir, nil)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrUsed, err)
	}
	defer claim.Close()
	rec, err := journal.Scan(dir, nil, nil)
	if err == nil {
		r.past, err = r.follow(dir, rec, nil)
	}
	if err != nil {
		return Result{}, err
	}
	r.loop = newLoop(r, nil)
	return r.pack(r.past.head, r.givenBack(r.past.replay.Machine.GivenBack()))
}

// pack makes the result of a run, and its package.
func (r *Runner) pack(head journal.Chain, err error) (Result, error) {
	res := r.loop.result(head)
	if out := r.loop.unsafe; err == nil && len(out) > 0 {
		err = fmt.Errorf("%w: %s; see to them by hand", ErrOutputs, strings.Join(out, ", "))
	}
	if h := r.loop.heads; h != nil && !errors.Is(err, ErrEvidence) && r.opt.Storage == nil {
		if res.SignFault = h.last(r.rig.Dir, head); res.SignFault == nil {
			res.Signed = head.N
		}
	}
	if r.opt.Storage == nil && !errors.Is(err, ErrEvidence) {
		if _, perr := evidence.Pack(r.rig.Dir, r.b); perr != nil {
			err = errors.Join(err, fmt.Errorf("runner: the journal is whole but its package could not be made: %w", perr))
		} else if evidence.Sealed(r.rig.Dir) {
			err = errors.Join(err, r.release())
		}
	}
	return res, err
}

// resume lets the loop go on where a journal ends: the decisions that it lacks are recorded first.
func (l *loop) resume(p *past) {
	l.m = p.replay.Machine
	l.next = p.head.N + 1
	l.medium.last = before(l.medium.last, p.medium)
	if l.heads != nil {
		l.heads.tree, l.heads.start = p.tree, "recovery"
	}
	for _, rec := range p.kept {
		l.keep(rec)
	}
	for _, body := range p.replay.Lacking() {
		rec, err := record.Parse(body)
		if err != nil {
			panic(err)
		}
		l.append(rec.Kind, l.next, body)
	}
}

// again is the boot of a batch that is continued.
func (l *loop) again(p *past, now int64, wall timebase.Source, readback []batch.Reading) {
	l.prev = max(now, 1)
	seen := l.observation(wall)
	l.prev, l.seen.last = seen.Mono, seen
	ev := batch.Event{Kind: batch.Boot, Epoch: l.w.Header().Epoch, Observation: seen, Readback: readback, Recovery: p.words,
		Last: p.head.N, Tail: p.tail, LossMS: -1, Anchor: l.r.kept, Checkpoint: p.from, Phases: l.m.Phases(),
		BootID: batch.Clean(l.r.rig.BootID), Reset: l.r.cause(p.boot)}
	switch {
	case p.utc == 0 || seen.Sync == timebase.Unset:
		ev.Recovery += "; how long inputs were missed is not known: the time of day is not, or was not"
	case seen.UTC < p.utc:
		ev.Recovery += fmt.Sprintf("; how long inputs were missed is not known: the time of day was set back, by %d ms at least", (p.utc-seen.UTC)/1_000_000)
	default:
		ev.LossMS = (seen.UTC - p.utc) / 1_000_000
	}
	l.step(l.prev, &ev) // no tick goes before it: the deadlines of the epoch before are not on this clock
}
