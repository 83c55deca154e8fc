// The feed: journals below the directory of a controller, read beside who writes them, from where this process has read them to.

package scada

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Limits of the feed.
const (
	maxDirs   = 4096
	listEvery = time.Second      // between two looks for new journals
	restEvery = 10 * time.Second // between two looks into the journal of a batch that has ended
	deviceDir = "device"
)

// source is one journal.
type source struct {
	name   string // of its directory below the window's: the batch, or "device"
	dir    string
	at     journal.Chain // what was read
	state  state
	old    bool // it was there when the window began, and what it held then is told by no event
	read   bool // it was read once
	from   uint64
	told   uint64 // the last record that an event told
	heard  time.Time
	due    time.Time
	health string // outcome of the journal, in words, where that is no more than a torn end
	lost   uint64 // times that it had to be begun anew
	unread uint64 // records that this build does not understand
}

// feed reads journals. Tell is called for each record that came while the window watched.
type feed struct {
	dir     string
	most    int // journals of batches
	sources map[string]*source
	listed  time.Time
	begun   bool
	now     func() time.Time
	tell    func(s *source, r *record.Record, hash string)
	gap     func(s *source, from, to uint64, why string)
	fault   string // of the directory
}

// round looks at all journals that are due. It returns early with ctx's error.
func (f *feed) round(ctx context.Context) error {
	now := f.now()
	if f.listed.IsZero() || now.Sub(f.listed) >= listEvery {
		f.list()
		f.listed = now
	}
	for _, name := range f.names() {
		s := f.sources[name]
		if now.Before(s.due) {
			continue
		}
		if err := f.look(ctx, s); err != nil {
			return err
		}
		if s.due = now; s.state.ended {
			s.due = now.Add(restEvery)
		}
	}
	return ctx.Err()
}

// names lists the sources in order, those of batches first.
func (f *feed) names() []string {
	names := make([]string, 0, len(f.sources))
	for name := range f.sources {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// list finds journals: that of the device, and of batches those that were written to last. One that is gone is forgotten.
func (f *feed) list() {
	type found struct {
		name string
		at   time.Time
	}
	root, err := os.Open(f.dir)
	var dirs []fs.DirEntry
	if err == nil {
		dirs, err = root.ReadDir(maxDirs)
		_ = root.Close()
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	f.fault = ""
	switch {
	case err != nil:
		f.fault = clip(err.Error(), maxText)
	case len(dirs) == maxDirs:
		f.fault = fmt.Sprintf("%s has %d entries or more, and no more are looked at: move packages elsewhere", clip(f.dir, maxName), maxDirs)
	}
	var all []found
	for _, d := range dirs {
		if !d.IsDir() || strings.HasPrefix(d.Name(), ".") || d.Name() == deviceDir {
			continue
		}
		if at, ok := written(filepath.Join(f.dir, d.Name(), "journal")); ok {
			all = append(all, found{d.Name(), at})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return b.at.Compare(a.at) })
	is := map[string]bool{}
	for _, one := range all[:min(len(all), f.most)] {
		f.add(one.name, filepath.Join(f.dir, one.name, "journal"))
		is[one.name] = true
	}
	if _, ok := written(filepath.Join(f.dir, deviceDir)); ok {
		f.add(deviceDir, filepath.Join(f.dir, deviceDir))
		is[deviceDir] = true
	}
	for name := range f.sources {
		if !is[name] {
			delete(f.sources, name)
		}
	}
	f.begun = true
}

func (f *feed) add(name, dir string) {
	if f.sources[name] == nil {
		f.sources[name] = &source{name: name, dir: dir, old: !f.begun, from: 1}
	}
}

// written tells when the newest segment of a journal was written to, and whether there is one.
func written(dir string) (at time.Time, ok bool) {
	names, err := os.ReadDir(filepath.Join(dir, "segments"))
	if err != nil || len(names) == 0 {
		return at, false
	}
	info, err := names[len(names)-1].Info()
	if err != nil {
		return at, false
	}
	return info.ModTime(), true
}

// look reads what is new in a journal. What it reads is verified to follow what was read before; the last group may not be durable yet, and
// where a cut of power takes it the journal is another one then, which is begun anew and told as a gap.
func (f *feed) look(ctx context.Context, s *source) error {
	first := !s.read
	rec, err := journal.Scan(s.dir, func(_ uint64, body []byte, c journal.Chain) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.take(s, body, c, first)
		return nil
	}, &journal.Options{After: s.at})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist) || err == nil && rec.Outcome == journal.None:
		return nil // it is about to be made, or gone: list knows
	case err != nil:
		s.health = clip(err.Error(), maxText)
		return nil
	case rec.Outcome == journal.Rewritten || rec.Outcome == journal.TailLost:
		f.again(s, fmt.Sprintf("journal is %s: %s", rec.Outcome, rec.Reason))
		return nil
	}
	s.read, s.health = true, ""
	if rec.Outcome != journal.Clean && rec.Outcome != journal.TornTail {
		s.health = clip(fmt.Sprintf("%s: %s", rec.Outcome, rec.Reason), maxText)
	}
	if first && s.old {
		s.from, s.told = s.at.N+1, s.at.N
	}
	return nil
}

// again begins a journal anew that is not the one that was read.
func (f *feed) again(s *source, why string) {
	was := s.at.N
	*s = source{name: s.name, dir: s.dir, old: true, lost: s.lost + 1, heard: s.heard}
	f.gap(s, 1, was, why)
}

// take takes in one record.
func (f *feed) take(s *source, body []byte, c journal.Chain, first bool) {
	if c.N != s.at.N+1 && s.at.N > 0 {
		f.gap(s, s.at.N+1, c.N-1, "they are not there any more")
	}
	s.at = c
	r, err := record.Parse(body)
	if err != nil {
		s.unread++
		s.state.seq, s.state.link, s.state.kind = c.N, c.Link.String(), "unknown"
		if !first || !s.old {
			f.gap(s, c.N, c.N, "this window does not understand them")
			s.told = c.N
		}
		return
	}
	s.state.take(r, c.Link.String())
	if first && s.old {
		return
	}
	s.heard = f.now()
	f.tell(s, r, c.Link.String())
	if r.Kind != record.KindInputBlock {
		s.told = c.N
	}
}
