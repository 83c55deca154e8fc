// Replay: the inputs of a package fed to the engine again.

package evidence

import (
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// ReplayReport is what a replay came to.
type ReplayReport struct {
	Run        // as the records say
	BatchID    string
	Engine     int64             // engine number of the records, and of this build
	Records    uint64            // records of the package
	Inputs     int               // events fed to the engine
	Decisions  int               // records that were decided again and compared
	Divergence *batch.Divergence // the first one; nil where there is none
	Cut        bool              // the batch has not ended, and the decisions of its last input are not all there
	Fault      string            // what broke the engine, and at which record, as it broke it in the run; "" where nothing did
}

// Replay binds a batch to the files and records of a package, feeds every recorded input to the engine, and compares every
// decision byte for byte. It reads events.tsv and files/ alone. A divergence is in the report; the error says why the package
// cannot be replayed: its chain is broken (ErrChain), it was written by another engine number (batch.ErrEngine), a file is not
// the one that the records bind, or an input is none.
func Replay(dir string) (*ReplayReport, error) {
	v, err := openPackage(dir)
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	b, err := v.rebind(v.readStrict)
	if err != nil {
		return nil, fmt.Errorf("evidence: replay of %s: %w", dir, err)
	}
	rep := &ReplayReport{BatchID: b.ID, Engine: batch.Engine, Records: v.head.N, Run: v.recs.run()}
	replay := b.Replay()
	_, err = v.readStrict(func(n uint64, body []byte) error {
		rec, err := record.Parse(body)
		if err != nil {
			return err
		}
		return feed(replay, n, rec)
	})
	if err == nil {
		err = replay.End()
		rep.Cut = err != nil && v.recs.end == nil
	}
	rep.Inputs, rep.Decisions = replay.Inputs, replay.Decisions
	switch {
	case err == nil || rep.Cut || errors.As(err, &rep.Divergence):
		if what := replay.Fault(); what != "" && rep.Divergence == nil {
			rep.Fault = fmt.Sprintf("%v at record %d: %s", errFault, v.recs.lastInput(), Plain(what))
		}
		return rep, nil
	case errors.Is(err, errFault):
		rep.Fault = Plain(err.Error())
		return rep, nil
	}
	return nil, fmt.Errorf("evidence: replay of %s: %w", dir, err)
}

var errFault = errors.New("engine fault")

// feed hands a record to the engine. A journal that ends with an engine_fault holds the input that broke an invariant, and the
// input breaks it again; so may one that nobody but a forger has written.
func feed(r *batch.Replay, n uint64, rec *record.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w at record %d: %v", errFault, n, p)
		}
	}()
	return r.Record(rec)
}

// readStrict reads events.tsv up to the first record that is not in its chain.
func (v *verifier) readStrict(fn func(n uint64, body []byte) error) (journal.Chain, error) {
	if !v.tree.has(eventsName) {
		return journal.Chain{}, fmt.Errorf("%s is not there", eventsName)
	}
	f, err := v.root.Open(eventsName)
	if err != nil {
		return journal.Chain{}, err
	}
	defer f.Close()
	return readChain(f, fn)
}
