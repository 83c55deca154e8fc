// Records become rows: in one transaction, each once.

package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Sizes of what is written together.
const (
	MaxName       = 200  // bytes of an id, a tag, a unit or the name of a journal: what an index holds
	maxReason     = 500  // bytes of why a record was set aside
	applyTogether = 1024 // records that are undone together where one of them contradicts; then each is written by itself
	valuesKept    = 6400 // values that wait for the statement that brings them in
)

// At is the last record of a journal that is in the rows, and its link; the zero Chain where none is.
func (p *Plant) At(ctx context.Context, name string) (journal.Chain, error) {
	var n int64
	var link string
	err := p.read.QueryRowContext(ctx, "SELECT seq, link FROM plant_journal WHERE name = $1", name).Scan(&n, &link)
	if errors.Is(err, sql.ErrNoRows) {
		return journal.Chain{}, nil
	}
	if err != nil {
		return journal.Chain{}, p.wrong(err)
	}
	at, err := chainOf(n, link)
	return at, p.wrong(err)
}

func chainOf(n int64, link string) (at journal.Chain, err error) {
	text, err := hex.DecodeString(link)
	if err != nil || len(text) != len(at.Link) || n < 0 {
		return at, fmt.Errorf("%w: the place in a journal is none; rebuild it", ErrDamaged)
	}
	at.N = uint64(n)
	copy(at.Link[:], text)
	return at, nil
}

// Apply makes rows of the records of a journal that stand behind from, in their order, in one transaction: where it returns an
// error there is nothing of them, but for one that came from the commit itself, after which At tells. Records that are in the
// rows already are passed over; a record that is missing between is ErrRefused, and so is one that has another number or journal
// than it is to have. Where the rows were made of records with another link, that is ErrDamaged: the journal is another one of
// the same name, or was put back, and Rebuild makes the rows of it.
//
// Records of kinds that have no rows count as applied. Some hundred records in one call are cheaper than each by itself.
func (p *Plant) Apply(ctx context.Context, name string, from journal.Chain, all []*record.Record) error {
	if len(all) == 0 {
		return nil
	}
	return p.wrong(p.inTx(ctx, name, func(f *fold) error { return f.apply(from, all) }))
}

// Rebuild makes all rows of a journal anew, in one transaction: until it ends whoever asks sees those that were there, and after
// an error they stay. Read is called once and gives the records of the journal to add, from the first on, in as many calls as it
// likes, with ten seconds at most between two (PostgreSQL gives up a transaction that rests); what add returns, it returns. A
// journal of which it gives none is forgotten. Rows of other journals are not touched. Who brings in records of the same journal
// meanwhile waits (Options.Busy), and is then ErrRefused; in SQLite that is so for every journal.
func (p *Plant) Rebuild(ctx context.Context, name string, read func(add func(all []*record.Record) error) error) error {
	return p.wrong(p.inTx(ctx, name, func(f *fold) error {
		for i := range plantTables {
			if err := f.exec("DELETE FROM "+plantTables[i].name+" WHERE journal = $1", f.journal); err != nil {
				return err
			}
		}
		f.at = journal.Chain{}
		f.built++
		given := journal.Chain{}
		return read(func(all []*record.Record) error {
			err := f.apply(given, all)
			given = f.at
			return err
		})
	}))
}

// fold is one transaction that brings in records of one journal.
type fold struct {
	p       *Plant
	ctx     context.Context
	conn    *sql.Conn
	tx      *sql.Tx
	name    string
	journal int64
	at      journal.Chain
	built   int64           // how often its rows were made anew
	runs    map[string]bool // unit runs that were found to have a row, or none
	values  []Value         // that wait
	stmts   map[string]*sql.Stmt
}

// inTx does something in a transaction of its own, in which nobody else brings in records of that journal, and puts down how far
// it came.
func (p *Plant) inTx(ctx context.Context, name string, do func(f *fold) error) (err error) {
	if bad := badName(name); bad != "" || name == "" {
		return fmt.Errorf("%w: the name of a journal: it is empty, or %s", ErrRefused, bad)
	}
	if p.read != p.write {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	conn, err := p.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	f := &fold{p: p, ctx: ctx, conn: conn, tx: tx, name: name, runs: map[string]bool{}, stmts: map[string]*sql.Stmt{}}
	if err := f.begin(); err != nil {
		return err
	}
	if err := do(f); err != nil {
		return err
	}
	if err := f.exec("UPDATE plant_journal SET seq = $2, link = $3, built = $4 WHERE number = $1", f.journal, int64(f.at.N), f.at.Link.String(), f.built); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	p.remember(f)
	return nil
}

// prepared is a statement that was prepared when the plant was opened; nil where it was not.
func (f *fold) prepared(text string) *sql.Stmt {
	if s := f.stmts[text]; s != nil {
		return s
	}
	base := f.p.stmts[text]
	if base == nil {
		return nil
	}
	s := f.tx.StmtContext(f.ctx, base)
	f.stmts[text] = s
	return s
}

func (f *fold) exec(text string, args ...any) (err error) {
	if s := f.prepared(text); s != nil {
		_, err = s.Exec(args...)
	} else {
		_, err = f.tx.ExecContext(f.ctx, text, args...)
	}
	return err
}

// find gives the id that a question finds; "" and ok false where there is none.
func (f *fold) find(text string, args ...any) (id string, ok bool, err error) {
	var row *sql.Row
	if s := f.prepared(text); s != nil {
		row = s.QueryRow(args...)
	} else {
		row = f.tx.QueryRowContext(f.ctx, text, args...)
	}
	if err = row.Scan(&id); errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return id, err == nil, err
}

// begin locks the place in the journal, and makes it where there is none.
func (f *fold) begin() error {
	for range 10 { // another journal may take the number
		var n int64
		var link string
		err := f.tx.QueryRowContext(f.ctx, "UPDATE plant_journal SET seq = seq WHERE name = $1 RETURNING number, seq, link, built", f.name).Scan(&f.journal, &n, &link, &f.built)
		if err == nil {
			f.at, err = chainOf(n, link)
			return err
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := f.exec("INSERT INTO plant_journal (number, name, seq, link, built) SELECT COALESCE(MAX(number), 0) + 1, CAST($1 AS TEXT), 0, CAST($2 AS TEXT), 0 FROM plant_journal "+
			"WHERE TRUE ON CONFLICT DO NOTHING", f.name, journal.Hash{}.String()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: too many begin a journal at once; nothing was written, ask again", ErrRefused)
}

// apply brings in what is new of the records behind from.
func (f *fold) apply(from journal.Chain, all []*record.Record) error {
	fresh, err := f.fresh(from, all)
	for err == nil && len(fresh) > 0 {
		some := fresh[:min(applyTogether, len(fresh))]
		fresh = fresh[len(some):]
		err = f.together(some)
	}
	return err
}

// fresh gives the records that are not in the rows yet, and moves the place behind them.
func (f *fold) fresh(from journal.Chain, all []*record.Record) ([]*record.Record, error) {
	const another = "%w: record %d of journal %s is another one than the rows were made of: the journal has the same name, or was put back; rebuild it"
	switch {
	case from.N > f.at.N:
		return nil, fmt.Errorf("%w: record %d of journal %s is next, not %d; apply the journal from there", ErrRefused, f.at.N+1, f.name, from.N+1)
	case from.N == f.at.N && from.Link != f.at.Link:
		return nil, fmt.Errorf(another, ErrDamaged, from.N, f.name)
	}
	known := f.at
	var fresh []*record.Record
	for i, r := range all {
		if id := r.Text(record.JournalID); id != "" && id != f.name || r.Seq() != from.N+1 {
			return nil, fmt.Errorf("%w: record %d of journal %.*q was given for number %d of journal %s; give the records of one journal in their order", ErrRefused, r.Seq(), MaxName, id,
				from.N+1, f.name)
		}
		from.Add(r.Body)
		if from.N == known.N && from.Link != known.Link {
			return nil, fmt.Errorf(another, ErrDamaged, from.N, f.name)
		}
		if from.N == known.N+1 {
			fresh = all[i:]
		}
	}
	if len(fresh) > 0 {
		f.at = from
	}
	return fresh, nil
}

// together brings in some records, and where the database refuses what one of them says, each by itself, so that it alone is set
// aside.
func (f *fold) together(some []*record.Record) error {
	err := f.undoable(some)
	if err == nil || !contradicts(err) {
		return err
	}
	for _, r := range some {
		if err := f.undoable([]*record.Record{r}); err != nil {
			if !contradicts(err) {
				return err
			}
			if err := f.aside(r, "the database refuses it: "+err.Error()); err != nil {
				return err
			}
		}
	}
	return nil
}

// undoable brings in records of which nothing is there after an error.
func (f *fold) undoable(some []*record.Record) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if err := f.exec("SAVEPOINT records"); err != nil {
		return err
	}
	var err error
	for i := 0; err == nil && i < len(some); i++ {
		err = f.take(some[i])
	}
	if err == nil {
		err = f.flush()
	}
	if err == nil {
		return f.exec("RELEASE SAVEPOINT records")
	}
	f.values = f.values[:0]
	clear(f.runs)
	if !contradicts(err) {
		return err
	}
	if undo := f.exec("ROLLBACK TO SAVEPOINT records"); undo != nil {
		return undo
	}
	if undo := f.exec("RELEASE SAVEPOINT records"); undo != nil {
		return undo
	}
	return err
}

// take brings in one record.
func (f *fold) take(r *record.Record) error {
	var why string
	var err error
	if r.Kind == record.KindUnitRunData {
		why, err = f.data(r)
	} else if rows := rowsOf[r.Kind]; rows != nil {
		if why, err = f.write(rows(r)); r.Kind == record.KindUnitRun && why == "" {
			f.found(r.Text(record.RunID), true)
		}
	}
	if err != nil || why == "" {
		return err
	}
	return f.aside(r, why)
}

// aside keeps a record that says what cannot be, with the reason.
func (f *fold) aside(r *record.Record, why string) error {
	return f.exec("INSERT INTO plant_aside (journal, seq, kind, reason, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
		f.journal, int64(r.Seq()), r.Kind.String(), plain(why, maxReason), string(r.Body))
}

// write does the steps of a record, whose checks come first, and gives the reason where one of them is not met.
func (f *fold) write(steps []step) (string, error) {
	for i := range steps {
		s := &steps[i]
		if s.text == "" {
			return s.why, nil
		}
		args := append([]any{f.journal}, s.args...)
		if !s.ask {
			if err := f.exec(s.text, args...); err != nil {
				return "", err
			}
			continue
		}
		switch id, found, err := f.find(s.text, args...); {
		case err != nil:
			return "", err
		case s.none && found:
			return s.why + id, nil
		case !s.none && !found:
			return s.why, nil
		}
	}
	return "", nil
}
