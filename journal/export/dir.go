// Dir: a directory as a sink, such as a share or a disk that is plugged in. One file for each journal, in the form of events.tsv.

package export

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/batchkit/batchkit/journal"
)

const (
	// dirExt ends the name of a journal's file in a Dir.
	dirExt = ".tsv"

	flushed  = 1 << 20                      // bytes after which a Dir flushes, and so the most that a cut leaves unsure
	longest  = 20 + 2*65 + 2 + 1            // bytes of a line, without its body
	lookBack = flushed + 2*(longest+64<<10) // bytes at the end of a file that are looked at when it comes up
)

// Dir is a Sink. The directory must exist: one that does not is away, and is never made, since that is how a disk that is not plugged
// in looks. A file grows line by line and is flushed before anything is acknowledged. When it is read first its end is held against
// its own chain; what forms no line that follows, which a cut of power leaves, is copied to a file beside it, named by its place and
// digest, before the file is shortened. What is broken further up is no cut, and refused. The zero Dir is not usable: set Path.
type Dir struct {
	Path string

	files map[string]*tail
}

// tail is the end of a file that is known to be durable.
type tail struct {
	size int64
	at   journal.Chain
}

// Held implements Sink. It flushes the file, so that what it tells is durable.
func (d *Dir) Held(_ context.Context, journalID string) (journal.Chain, error) {
	delete(d.files, journalID)
	root, err := os.OpenRoot(d.Path)
	if err != nil {
		return journal.Chain{}, d.wrong(journalID, err)
	}
	defer root.Close()
	f, err := d.open(root, journalID, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		d.keep(journalID, &tail{})
		return journal.Chain{}, nil
	}
	if err != nil {
		return journal.Chain{}, d.wrong(journalID, err)
	}
	t, err := d.come(root, f, journalID)
	if err = errors.Join(err, f.Close()); err != nil {
		return journal.Chain{}, d.wrong(journalID, err)
	}
	d.keep(journalID, t)
	return t.at, nil
}

// Take implements Sink.
func (d *Dir) Take(ctx context.Context, journalID string, rows []Row) (journal.Chain, error) {
	t := d.files[journalID]
	if t == nil {
		if _, err := d.Held(ctx, journalID); err != nil {
			return journal.Chain{}, err
		}
		t = d.files[journalID]
	}
	delete(d.files, journalID) // what it is after an error is read anew
	root, err := os.OpenRoot(d.Path)
	if err != nil {
		return journal.Chain{}, d.wrong(journalID, err)
	}
	defer root.Close()
	flags := os.O_RDWR
	if t.size == 0 {
		flags |= os.O_CREATE
	}
	f, err := d.open(root, journalID, flags)
	if err != nil {
		return journal.Chain{}, d.wrong(journalID, err)
	}
	now := *t
	err = grow(ctx, f, &now, rows)
	if err == nil && t.size == 0 {
		err = syncDir(root)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return journal.Chain{}, d.wrong(journalID, err)
	}
	d.keep(journalID, &now)
	return now.at, nil
}

// Whole reads all that the directory holds of a journal and holds every line against the one before it: what Held does for the end.
// It returns the last record, after which nothing may stand, and the first, 1 unless the journal had released records before it was
// sent here. It changes nothing, and blocks for as long as reading takes. A file of which a line is broken, changed, left out or
// doubled is refused with ErrSink; one that is not there is, too: what is about to be removed elsewhere shall be here.
func (d *Dir) Whole(ctx context.Context, journalID string) (first uint64, last journal.Chain, err error) {
	root, err := os.OpenRoot(d.Path)
	if err != nil {
		return 0, last, d.wrong(journalID, err)
	}
	defer root.Close()
	f, err := d.open(root, journalID, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrSink, err)
	}
	if err != nil {
		return 0, last, d.wrong(journalID, err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, longest+journal.MaxBody)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return first, last, nil
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, journal.Chain{}, d.wrong(journalID, err)
		}
		row, _, ok := ParseRow(line)
		follows := first == 0 && row.Seq > 1 || row.Seq == last.N+1 && journal.Link(row.Seq, last.Link, row.Leaf) == row.Link
		if !ok || !follows {
			return 0, journal.Chain{}, d.wrong(journalID, fmt.Errorf("%w: the line behind record %d is broken or does not follow", ErrSink, last.N))
		}
		if ctx.Err() != nil {
			return 0, journal.Chain{}, ctx.Err()
		}
		if last = (journal.Chain{N: row.Seq, Link: row.Link}); first == 0 {
			first = row.Seq
		}
	}
}

func (d *Dir) keep(journalID string, t *tail) {
	if d.files == nil {
		d.files = map[string]*tail{}
	}
	d.files[journalID] = t
}

func (d *Dir) wrong(journalID string, err error) error {
	return fmt.Errorf("export: journal %q in directory %q: %w", journalID, d.Path, err)
}

// open opens a journal's file, which must be a regular one.
func (d *Dir) open(root *os.Root, journalID string, flags int) (*os.File, error) {
	name := journalID + dirExt
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || flags&os.O_CREATE == 0) {
		return nil, err
	}
	return root.OpenFile(name, flags, 0o640)
}

// grow writes rows behind the end, and flushes at the end and after so many bytes.
func grow(ctx context.Context, f *os.File, t *tail, rows []Row) error {
	info, err := f.Stat()
	if err == nil && info.Size() != t.size {
		err = fmt.Errorf("it has %d bytes, not the %d that it had; who else writes it?", info.Size(), t.size)
	}
	if err != nil {
		return err
	}
	var buf []byte
	at := t.at
	put := func() error {
		_, err := f.WriteAt(buf, t.size)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			// What a failed flush has dropped would be read back as if it were there.
			return errors.Join(err, f.Truncate(t.size))
		}
		t.size, t.at, buf = t.size+int64(len(buf)), at, buf[:0]
		return nil
	}
	for i := range rows {
		r := &rows[i]
		if at.N != 0 && r.Seq != at.N+1 || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("row %d does not follow row %d", r.Seq, at.N), ctx.Err())
		}
		if len(buf) > 0 && len(buf)+longest+len(r.Body) > flushed {
			if err := put(); err != nil {
				return err
			}
		}
		buf, at = r.Append(buf), journal.Chain{N: r.Seq, Link: r.Link}
	}
	return put()
}

// come makes durable what a file holds, finds where its whole lines end, and sets aside what is behind them.
func (d *Dir) come(root *os.Root, f *os.File, journalID string) (*tail, error) {
	if err := f.Sync(); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-lookBack)
	raw := make([]byte, info.Size()-from)
	if _, err := io.ReadFull(io.NewSectionReader(f, from, int64(len(raw))), raw); err != nil {
		return nil, err
	}
	begin := 0
	if from > 0 { // the first line may be cut by the window
		begin = bytes.IndexByte(raw, '\n') + 1
	}
	end, at := begin, journal.Chain{}
	for n := 0; ; n++ {
		row, size, ok := ParseRow(raw[end:])
		if !ok || n > 0 && (row.Seq != at.N+1 || journal.Link(row.Seq, at.Link, row.Leaf) != row.Link) {
			break
		}
		end, at = end+size, journal.Chain{N: row.Seq, Link: row.Link}
	}
	if from > 0 && (begin == 0 || end == begin) || len(raw)-end > flushed {
		return nil, fmt.Errorf("its lines from byte %d on are broken, more than a cut of power leaves; move the file away to have all sent anew",
			from+int64(end))
	}
	t := &tail{size: from + int64(end), at: at}
	if end == len(raw) {
		return t, nil
	}
	if err := setAside(root, journalID, t.size, raw[end:]); err != nil {
		return nil, err
	}
	return t, errors.Join(f.Truncate(t.size), f.Sync())
}

// setAside keeps the end of a file that forms no line.
func setAside(root *os.Root, journalID string, off int64, torn []byte) error {
	sum := sha256.Sum256(torn)
	name := fmt.Sprintf("%s-%d-%x.torn", journalID, off, sum)
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(torn, 0)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(root)
}

func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return nil
}
