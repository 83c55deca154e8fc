// The journals of a board: where they lie, whether there is something new, and how far they may be sent.

package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

const (
	segmentsDir  = "segments"
	manifestName = "manifest.json" // of a batch's package: it is finished
	mostBeside   = 64              // directories of a batch, or in one of them, that are looked at
	// settled is how long after the last change of a file a writer may have written without another time of the file: those of some file systems have two seconds.
	settled = 3 * time.Second
)

// errAway is of a sink that could not be made.
var errAway = errors.New("bus: the hub cannot be reached")

// tracked is one journal. What is not guarded by the mutex of Forward belongs to whoever has set busy.
type tracked struct {
	dir, id  string
	batch    string // directory of its batch; "" for a ledger of the board
	exporter *export.Exporter
	sink     *watched
	at       journal.Chain // it was settled up to there

	busy     bool
	finished bool // its batch has a package
	left     bool // it is left alone until Again
	status   export.Status
	stopped  string
	fails    int
	next     int64  // when it is looked at again
	asked    int64  // when it was held against the hub last
	seen     string // what its files looked like before it was sent
	since    int64  // when they first did
	calm     bool   // it was sent once more, settled later
}

// find looks for journals that are new, and forgets those that are gone.
func (f *Forward) find() {
	found := map[string]string{}
	for _, one := range under(f.dir, mostJournals) {
		if filepath.Base(one) != "batches" {
			found[one] = ""
		}
	}
	for _, batch := range under(filepath.Join(f.dir, "batches"), mostJournals) {
		found[batch] = batch
		for _, one := range under(batch, mostBeside) {
			found[one] = batch
			for _, two := range under(one, mostBeside) {
				found[two] = batch
			}
		}
	}
	f.mu.Lock()
	for dir, t := range f.all {
		if _, ok := found[dir]; !ok && !t.busy {
			delete(f.all, dir)
			delete(f.ids, t.id)
			_ = os.RemoveAll(filepath.Join(f.cursors, f.opt.Name, t.id)) // a cursor that is lost costs a question
		}
	}
	for dir := range found {
		if f.all[dir] != nil {
			delete(found, dir)
		}
	}
	f.mu.Unlock()
	for dir, batch := range found {
		if info, err := os.Lstat(filepath.Join(dir, segmentsDir)); err != nil || !info.IsDir() {
			continue
		}
		if id, _, _, err := journal.Begin(dir, nil); err == nil && named(id) {
			f.track(&tracked{dir: dir, id: id, batch: batch})
		}
	}
}

// track takes a journal up. Of two of one name the first is taken.
func (f *Forward) track(t *tracked) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.ids[t.id]; ok {
		t.stopped = fmt.Sprintf("it has the name of the journal in %s; one of them is a copy, or was given a false name", other)
		t.next = 1<<63 - 1
	} else if len(f.ids) < mostJournals {
		f.ids[t.id] = t.dir
	} else {
		return
	}
	f.all[t.dir] = t
	if t.stopped != "" {
		f.opt.Tell("journal "+t.id, "stopped", cut(t.dir+": "+t.stopped))
	}
}

// under are the directories in dir, at most so many, and no links.
func under(dir string, most int) (list []string) {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	for len(list) < most {
		some, err := d.ReadDir(256)
		for _, e := range some {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != segmentsDir {
				list = append(list, filepath.Join(dir, e.Name()))
			}
		}
		if err != nil {
			break
		}
	}
	return list
}

// changed tells what the files of a journal look like, and that nothing can have been written since it was sent.
func (f *Forward) changed(t *tracked) (sign string, quiet bool, err error) {
	names, err := os.ReadDir(filepath.Join(t.dir, segmentsDir))
	if err != nil {
		return "", false, fmt.Errorf("bus: journal %q: %w", t.id, err)
	}
	names = slices.DeleteFunc(names, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".seg") })
	var b strings.Builder
	for _, e := range names[max(0, len(names)-2):] { // only the last one is written, and one behind it is made
		info, err := e.Info()
		if err != nil {
			return "", false, fmt.Errorf("bus: journal %q: %w", t.id, err)
		}
		fmt.Fprintf(&b, "%s %d %d\n", e.Name(), info.Size(), info.ModTime().UnixNano())
	}
	sign = b.String()
	f.mu.Lock()
	defer f.mu.Unlock()
	if sign != t.seen {
		return sign, false, nil
	}
	return sign, t.calm || f.opt.Clock.Now()-t.since < int64(settled), nil
}

// passed takes in that all was sent that there was when the files looked so. The caller holds the mutex of Forward.
func (t *tracked) passed(sign string, now int64) {
	if sign != t.seen {
		t.seen, t.since, t.calm = sign, now, false
		return
	}
	t.calm = true
	if t.batch != "" {
		_, err := os.Lstat(filepath.Join(t.batch, "evidence", manifestName))
		t.finished = err == nil
	}
}

// tell says why a journal is not sent on, once. The caller holds the mutex of Forward.
func (t *tracked) tell(f *Forward, err error) {
	if why := cut(err.Error()); why != t.stopped {
		t.stopped = why
		f.opt.Tell("journal "+t.id, "stopped", why)
	}
}

// prepare makes durable what the journal has, and makes its exporter where there is none.
func (f *Forward) prepare(t *tracked) error {
	at, err := journal.Settle(t.dir, &journal.Options{After: t.at})
	if err != nil {
		return fmt.Errorf("bus: journal %q is not sent on: %w", t.id, err)
	}
	if at.N > t.at.N {
		t.at = at
	}
	if t.exporter != nil {
		return nil
	}
	to, err := f.opt.Sink(t.id)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	cursor := filepath.Join(f.cursors, f.opt.Name, t.id)
	if err := os.MkdirAll(cursor, 0o750); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	t.sink = &watched{Sink: to, f: f, t: t}
	src := export.Source{Dir: t.dir, Durable: func() uint64 { return t.at.N }}
	t.exporter, err = export.New(f.opt.Name, t.sink, src, cursor, f.opt.Clock, &export.Options{Again: true})
	return err
}
