// A book: one journal on the disk, which grows row by row.

package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// Where things lie.
const (
	journalsDir = "journals"
	forksDir    = "forks"
	lockDir     = "lock"
	rowsExt     = ".tsv"
	ownerExt    = ".json"
	indexExt    = ".idx"

	longest = 20 + 2*65 + 2 + 1 + journal.MaxBody // bytes of a line
	maxTorn = MaxTake + longest                   // bytes behind the last whole row that a cut of power may leave
)

// book is one journal. Its state is what is known to be durable; sure is false where it is to be read anew.
type book struct {
	hub *Hub
	id  string

	mu      sync.Mutex
	gone    bool // the hub has forgotten it
	sure    bool
	broken  error  // why it is damaged; only who opens the hub again finds it whole
	node    string // who owns it; "" before its first row
	first   uint64 // number of its first row; 1 unless the journal had released records before
	at      journal.Chain
	size    int64
	ix      index
	heard   int64 // by the hub's clock; 0: not since it was opened
	durable uint64
	missing uint64 // up to where records are missing that had been acknowledged, or came behind a gap; 0: none are
	counts  counts
	trouble string // why it takes nothing, or what it took last was refused
}

// counts are what is remembered of a journal besides its rows.
type counts struct {
	Gaps     uint64 `json:"gaps,string"`
	Refilled uint64 `json:"refilled,string"`
	Forks    uint64 `json:"forks,string"`
}

func (b *book) name(ext string) string { return journalsDir + "/" + b.id + ext }

// admit refuses whoever does not own the journal, and reads it anew where that is due.
func (b *book) admit(node string) error {
	if b.node != "" && b.node != node {
		return fmt.Errorf("%w: journal %s came from %s first, and now from %.80q", ErrOwner, b.id, b.node, node)
	}
	if b.broken != nil {
		return b.broken
	}
	if b.node != "" && !b.sure {
		return b.come(false)
	}
	return nil
}

// announce takes in how the journal stands where it is written.
func (b *book) announce(edge export.Edge) {
	b.durable = max(edge.Durable, edge.Acked, b.at.N)
	if edge.Acked > b.at.N && b.missing < edge.Acked {
		b.gap(edge.Acked, "the edge has on record that they were acknowledged")
	}
}

// gap notes that records are missing up to a number.
func (b *book) gap(to uint64, why string) {
	if b.missing == 0 {
		b.counts.Gaps++
		b.remember()
		b.say("gap", fmt.Sprintf("records %d to %d are missing: %s", b.at.N+1, to, why))
	}
	b.missing = max(b.missing, to)
}

// say puts on record what became of the journal, where the hub has a log. What a log cannot take does not keep rows away.
func (b *book) say(result, detail string) {
	if b.hub.opt.Log == nil {
		return
	}
	_, err := b.hub.opt.Log.Append(func(body *record.Body) {
		body.Begin(record.KindBusState)
		body.Text(record.ObjectKind, "journal")
		body.Text(record.ObjectID, b.id)
		body.Text(record.Result, result)
		body.Text(record.Detail, detail)
	})
	if err != nil {
		b.trouble = "not on record: " + err.Error()
	}
}

// take takes rows; gone tells that the hub has forgotten the book, and nothing was done.
func (b *book) take(ctx context.Context, node string, rows []export.Row, early export.Edge) (at journal.Chain, gone bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return at, true, nil
	}
	if err := cmp.Or(ctx.Err(), b.admit(node)); err != nil {
		return b.at, false, err
	}
	b.heard = b.hub.opt.Now().UnixNano()
	if early != (export.Edge{}) {
		b.announce(early)
	}
	lines, recs, err := b.check(rows)
	if err == nil && len(lines) > 0 {
		err = b.grow(node, lines, recs)
	}
	if err != nil {
		b.trouble = fmt.Sprintf("%.500s", err.Error())
		return b.at, false, err
	}
	b.trouble = ""
	b.announce(export.Edge{Durable: b.durable})
	if b.missing != 0 && b.at.N >= b.missing {
		b.counts.Refilled++
		b.say("refilled", fmt.Sprintf("records up to %d are there", b.missing))
		b.missing = 0
		b.remember()
	}
	return b.at, false, nil
}

// taken is what check has found of a row.
type taken struct {
	row  export.Row
	rec  *record.Record // nil where this program does not know its kind
	size int            // bytes of its line
}

// check holds rows against what is held and against each other, and gives those that are new, as lines.
func (b *book) check(rows []export.Row) (lines []byte, recs []taken, err error) {
	had := 0 // rows that it has
	for had < len(rows) && rows[had].Seq <= b.at.N {
		had++
	}
	if had > 0 {
		if err := b.again(rows[:had]); err != nil {
			return nil, nil, err
		}
	}
	at := b.at
	for i := had; i < len(rows); i++ {
		r := &rows[i]
		rec, err := b.sound(r)
		switch {
		case err != nil:
			return nil, nil, err
		case i > 0 && r.Seq != rows[i-1].Seq+1:
			return nil, nil, fmt.Errorf("%w: journal %s: record %d comes behind record %d", ErrRows, b.id, r.Seq, rows[i-1].Seq)
		case at.N > 0 && r.Seq != at.N+1:
			b.gap(rows[len(rows)-1].Seq, fmt.Sprintf("record %d was sent", r.Seq))
			return nil, nil, fmt.Errorf("%w: journal %s: it holds records up to %d with link %s, and was sent record %d; send those between first",
				ErrGap, b.id, at.N, at.Link, r.Seq)
		case (at.N > 0 || r.Seq == 1) && journal.Link(r.Seq, at.Link, r.Leaf) != r.Link:
			if i > 0 || at.N == 0 { // nothing is held that it contradicts
				return nil, nil, fmt.Errorf("%w: journal %s: the link of record %d does not follow from what is before it", ErrRows, b.id, r.Seq)
			}
			err := b.forked(r, at)
			return nil, nil, errors.Join(err, b.aside(r, err))
		}
		from := len(lines)
		if lines = r.Append(lines); len(lines) > MaxTake {
			return nil, nil, fmt.Errorf("%w: journal %s: more than %d bytes at a time", ErrRows, b.id, MaxTake)
		}
		recs = append(recs, taken{*r, rec, len(lines) - from})
		at = journal.Chain{N: r.Seq, Link: r.Link}
	}
	return lines, recs, nil
}

// sound refuses a row that is broken in itself, or is of another journal.
func (b *book) sound(r *export.Row) (*record.Record, error) {
	if len(r.Body) == 0 || len(r.Body) > journal.MaxBody || r.Seq == 0 || bytes.IndexByte(r.Body, '\n') >= 0 || journal.Leaf(r.Body) != r.Leaf {
		return nil, fmt.Errorf("%w: journal %s: the body of record %d, of %d bytes, is not the one that its leaf was made of, or can be none",
			ErrRows, b.id, r.Seq, len(r.Body))
	}
	rec, err := record.Parse(r.Body)
	if err != nil {
		return nil, nil //nolint:nilerr // of a newer version: it is kept, and counted as unread
	}
	if rec.Text(record.JournalID) != b.id || rec.Seq() != r.Seq {
		return nil, fmt.Errorf("%w: journal %s: record %d says of itself that it is record %d of journal %.80q", ErrRows, b.id, r.Seq, rec.Seq(),
			rec.Text(record.JournalID))
	}
	return rec, nil
}

// again holds rows that it has against what is held. They are in one chain, so where the last is the same all are.
func (b *book) again(rows []export.Row) error {
	for i := range rows {
		r := &rows[i]
		if _, err := b.sound(r); err != nil {
			return err
		}
		if i > 0 && (r.Seq != rows[i-1].Seq+1 || journal.Link(r.Seq, rows[i-1].Link, r.Leaf) != r.Link) {
			return fmt.Errorf("%w: journal %s: record %d does not follow from the one sent before it", ErrRows, b.id, r.Seq)
		}
	}
	if b.same(&rows[len(rows)-1]) == nil {
		return nil
	}
	for i := range rows {
		if err := b.same(&rows[i]); err != nil {
			return errors.Join(err, b.aside(&rows[i], err))
		}
	}
	return nil
}

// same holds a row against the one that is held under its number.
func (b *book) same(r *export.Row) error {
	if r.Seq == b.at.N {
		if r.Link == b.at.Link {
			return nil
		}
		return b.forked(r, b.at)
	}
	held, err := b.find(r.Seq)
	if err != nil {
		return err
	}
	if held == (journal.Chain{}) { // from before the first that was ever sent
		return fmt.Errorf("%w: journal %s: it begins with record %d, and was sent record %d", ErrRows, b.id, b.first, r.Seq)
	}
	if held.Link != r.Link {
		return b.forked(r, held)
	}
	return nil
}

// forked says that a row contradicts what is held.
func (b *book) forked(r *export.Row, held journal.Chain) error {
	return fmt.Errorf("%w: journal %s: record %d was sent with link %s, which contradicts record %d that is held with link %s; it is kept aside in %s. "+
		"Was the journal made anew, or the hub's file changed?", ErrFork, b.id, r.Seq, r.Link, held.N, held.Link, forksDir)
}

// aside keeps a row that contradicts what is held, and puts that on record. It returns what failed in that.
func (b *book) aside(r *export.Row, fork error) (err error) {
	if !errors.Is(fork, ErrFork) {
		return nil
	}
	name := fmt.Sprintf("%s/%s-%d-%x%s", forksDir, b.id, r.Seq, r.Link[:8], rowsExt)
	if _, known := b.hub.root.Lstat(name); known == nil { // it was sent again
		return nil
	}
	if b.counts.Forks++; b.counts.Forks <= maxForks {
		err = writeFile(b.hub.root, name, r.Append(nil))
		b.say("fork", fmt.Sprintf("record %d was sent with link %s, and that is not what follows or is held", r.Seq, r.Link))
	}
	b.remember()
	return err
}

// grow writes lines behind the end, flushes them, and takes them into the index.
func (b *book) grow(node string, lines []byte, recs []taken) error {
	if room, err := journal.Available(b.hub.dir); err == nil && b.hub.opt.Room > 0 && room-int64(len(lines)) < b.hub.opt.Room {
		return fmt.Errorf("%w: %s has %d bytes free, of which %d are to stay free", ErrFull, b.hub.dir, room, b.hub.opt.Room)
	}
	flags := os.O_RDWR
	if b.node == "" {
		b.node = node
		if err := b.owner(); err != nil {
			b.node = ""
			return err
		}
		flags |= os.O_CREATE
	} else if b.size == 0 {
		flags |= os.O_CREATE
	}
	b.sure = false
	f, err := openRegular(b.hub.root, b.name(rowsExt), flags)
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	err = b.write(f, lines)
	if err == nil && b.size == 0 {
		err = syncDir(b.hub.root, journalsDir)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, roomy(err))
	}
	for i := range recs {
		b.add(&recs[i])
	}
	b.sure = b.ix.flush(b.hub.root, b.name(indexExt)) == nil // where it could not be written, it is made anew
	return nil
}

func (b *book) write(f *os.File, lines []byte) error {
	info, err := f.Stat()
	if err == nil && info.Size() != b.size {
		err = fmt.Errorf("it has %d bytes, not the %d that it had; who else writes it?", info.Size(), b.size)
	}
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(lines, b.size); err == nil {
		err = f.Sync()
	}
	if err != nil { // what a failed flush has dropped would be read back as if it were there
		return errors.Join(err, f.Truncate(b.size))
	}
	return nil
}

// add takes a durable row into the state.
func (b *book) add(t *taken) {
	if b.first == 0 {
		b.first = t.row.Seq
	}
	b.at = journal.Chain{N: t.row.Seq, Link: t.row.Link}
	b.size += int64(t.size)
	b.ix.add(t.rec, b.at, b.size)
}

// come reads the journal: its owner, its index, and the rows behind the last block of that but one, which it holds against the
// chain. What forms no row at its end, as a cut of power leaves, is set aside. With anew, all rows are read and the index made
// anew.
func (b *book) come(anew bool) (err error) {
	defer func() {
		if err != nil {
			b.trouble = fmt.Sprintf("%.500s", err.Error())
		}
		if errors.Is(err, ErrDamaged) {
			b.broken = err
		}
	}()
	if err := b.whose(); err != nil {
		return err
	}
	b.sure, b.first, b.at, b.size, b.ix = false, 0, journal.Chain{}, 0, index{}
	f, err := openRegular(b.hub.root, b.name(rowsExt), os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		b.sure = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	if err := b.ix.read(b.hub.root, b.name(indexExt), info.Size()); err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	if anew {
		b.ix = index{known: b.ix.known}
	} else {
		b.first, b.at, b.size = b.ix.first, journal.Chain{N: b.ix.cur.last, Link: b.ix.cur.link}, b.ix.cur.end
	}
	if err := b.rest(f, info.Size()); err != nil {
		return err
	}
	if err := errors.Join(b.ix.flush(b.hub.root, b.name(indexExt)), b.ix.cut(b.hub.root, b.name(indexExt))); err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	b.sure, b.trouble = true, ""
	return nil
}

// rest reads the rows from what is known to the end.
func (b *book) rest(f *os.File, size int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(f, b.size, size-b.size), longest)
	for b.size < size {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("hub: journal %s: %w", b.id, err)
		}
		row, n, ok := export.ParseRow(line)
		if ok && b.first != 0 {
			ok = row.Seq == b.at.N+1
		}
		if ok && (b.first != 0 || row.Seq == 1) {
			ok = journal.Link(row.Seq, b.at.Link, row.Leaf) == row.Link
		}
		if !ok {
			return b.torn(f, size)
		}
		rec, _ := record.Parse(row.Body)
		b.add(&taken{row, rec, n})
	}
	return nil
}

// torn sets aside what forms no row at the end.
func (b *book) torn(f *os.File, size int64) error {
	if size-b.size > maxTorn || b.size < b.ix.known {
		return fmt.Errorf("%w: journal %s: behind record %d, at byte %d of %s, no row follows that is in its chain, and that is not what a cut of power leaves. "+
			"Have the index made anew, or move the file away to have all sent again", ErrDamaged, b.id, b.at.N, b.size, b.name(rowsExt))
	}
	raw := make([]byte, size-b.size)
	if _, err := f.ReadAt(raw, b.size); err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	leaf := journal.Leaf(raw)
	err := writeFile(b.hub.root, fmt.Sprintf("%s/%s-%d-%x.torn", forksDir, b.id, b.size, leaf[:8]), raw)
	if err == nil {
		err = errors.Join(f.Truncate(b.size), f.Sync())
	}
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	return nil
}

// openRegular opens a file that is a regular one, or is made.
func openRegular(root *os.Root, name string, flags int) (*os.File, error) {
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || flags&os.O_CREATE == 0) {
		return nil, err
	}
	return root.OpenFile(name, flags, 0o640)
}

// syncDir makes durable what names a directory has.
func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return nil
}
