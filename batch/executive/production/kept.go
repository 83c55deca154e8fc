// What the ledger has come to, kept in a file: a start reads it, and of the ledger what follows.

package production

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

const (
	keptFile  = "production.kept"
	keptForm  = 1           // grows with whatever a fold of the same ledger would have otherwise: what an earlier build has kept is carried on
	maxKept   = 256 << 20   // bytes of that file
	keptFirst = time.Minute // behind a start, which has enough to do
	keptEvery = 5 * time.Second
)

// kept is that file: one line of JSON. It is derived: where it cannot be used all of the ledger is read, and it comes to the same. It can be used where the
// ledger says behind its record, in a deed, that it has the digest of this file.
type kept struct {
	Form   int    `json:"form"`
	Engine uint64 `json:"engine"` // that has decided all of it
	Prefix string `json:"prefix,omitempty"`
	Seq    uint64 `json:"seq"`
	Link   string `json:"link"`

	List   json.RawMessage        `json:"list"`
	Setups map[string][]jobs.Step `json:"setups,omitempty"`
	Procs  []keptProcess          `json:"processes,omitempty"`
	Ended  []string               `json:"ended,omitempty"`
	Owed   map[string]deed        `json:"owed,omitempty"`
	Infos  []jobs.RecipeInfo      `json:"recipes,omitempty"`
	Rules  *jobs.Rules            `json:"rules,omitempty"` // that the list was told last
	There  []string               `json:"jobs,omitempty"`
	Known  []uint64               `json:"known,omitempty"`
	Unread []uint64               `json:"unread,omitempty"`

	Runs    json.RawMessage  `json:"runs"`
	Linked  [][3]string      `json:"linked,omitempty"` // process, run, unit; the oldest first
	Serial  uint64           `json:"material,omitempty"`
	Changes uint64           `json:"changes,omitempty"`
	Recent  []string         `json:"recent,omitempty"`
	Follow  []string         `json:"follow,omitempty"`
	Last    map[string]int64 `json:"last,omitempty"`
}

// keptProcess is what a process is by the ledger alone.
type keptProcess struct {
	ID       string     `json:"id"`
	Job      string     `json:"job"`
	Recipe   string     `json:"recipe,omitempty"`
	Provider string     `json:"provider,omitempty"`
	Unit     string     `json:"unit,omitempty"`
	Size     string     `json:"size,omitempty"`
	Priority int64      `json:"priority,omitempty"`
	Stage    jobs.Stage `json:"stage"`
	Asked    jobs.Do    `json:"asked"`
	Taken    bool       `json:"taken,omitempty"`
	Rested   bool       `json:"rested,omitempty"`
}

// keep gives the file of a fold that stands between two inputs.
func (f *fold) keep(at journal.Chain) ([]byte, error) {
	switch {
	case f.engine != EngineNumber || f.foreign != nil || len(f.aside) > 0 || f.diverged != nil:
		return nil, errors.New("production: what cannot be read, or comes out differently, is not on record yet")
	case len(f.expect) > 0 || f.pieces.next > 0:
		return nil, errBetween
	}
	runs, err := f.runs.tracker.Snapshot(nil)
	if err != nil {
		return nil, err
	}
	k := kept{Form: keptForm, Engine: f.engine, Prefix: f.prefix, Seq: at.N, Link: at.Link.String(), List: f.list.Snapshot(nil), Setups: f.setups, Ended: f.ended,
		Owed: f.owed, There: slices.Sorted(maps.Keys(f.there)), Known: slices.Sorted(maps.Keys(f.known)), Unread: slices.Sorted(maps.Keys(f.unread)), Runs: runs, Serial: f.runs.serial, Changes: f.runs.changes,
		Recent: f.runs.recent, Follow: slices.Sorted(maps.Keys(f.runs.follow)), Last: f.runs.last}
	if f.rules != (jobs.Rules{}) {
		k.Rules = &f.rules
	}
	for _, id := range slices.Sorted(maps.Keys(f.procs)) {
		p := f.procs[id]
		k.Procs = append(k.Procs, keptProcess{p.id, p.job, p.recipe, p.provider, p.unit, p.size, p.priority, p.stage, p.asked, p.taken, p.rested})
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.infos), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		k.Infos = append(k.Infos, f.infos[key])
	}
	for _, process := range f.runs.order {
		p := f.runs.of[process]
		k.Linked = append(k.Linked, [3]string{process, p.run, p.unit})
	}
	text, err := json.Marshal(&k)
	if err == nil && len(text) > maxKept {
		err = fmt.Errorf("production: it has %d bytes; at most %d are kept", len(text), maxKept)
	}
	return text, err
}

// errBetween: an input is not on record whole with what it came to.
var errBetween = errors.New("production: in the middle of an input")

// restored gives the fold of such a file.
func restored(text []byte, prefix string) (*fold, error) {
	var k kept
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&k); err != nil {
		return nil, err
	}
	link, err := hex.DecodeString(k.Link)
	switch {
	case err != nil:
		return nil, err
	case k.Form != keptForm || k.Engine != EngineNumber || k.Prefix != prefix || k.Seq == 0 || len(link) != len(journal.Hash{}):
		return nil, fmt.Errorf("production: it is of form %d, engine number %d, for ids that begin with %.40q", k.Form, k.Engine, k.Prefix)
	}
	f := newFold(prefix)
	sum := sha256.Sum256(text)
	f.engine, f.after, f.digest = k.Engine, journal.Chain{N: k.Seq, Link: journal.Hash(link)}, hex.EncodeToString(sum[:])
	if err := f.list.Restore(k.List); err != nil {
		return nil, err
	}
	if f.runs.tracker, err = unitrun.Restore(k.Runs); err != nil {
		return nil, err
	}
	for _, p := range k.Procs {
		f.procs[p.ID] = &process{id: p.ID, job: p.Job, recipe: p.Recipe, provider: p.Provider, unit: p.Unit, size: p.Size, priority: p.Priority, stage: p.Stage, asked: p.Asked, taken: p.Taken, rested: p.Rested}
	}
	for _, info := range k.Infos {
		f.infos[[2]string{info.Provider, info.Recipe}] = info
	}
	for _, l := range k.Linked {
		f.runs.link(l[0], runPlace{l[1], l[2]})
	}
	if f.ended = k.Ended; k.Rules != nil {
		f.rules = *k.Rules
	}
	f.runs.serial, f.runs.changes, f.runs.recent = k.Serial, k.Changes, k.Recent
	maps.Copy(f.setups, k.Setups)
	maps.Copy(f.owed, k.Owed)
	maps.Copy(f.runs.last, k.Last)
	for _, id := range k.There {
		f.there[id] = true
	}
	for _, id := range k.Follow {
		f.runs.follow[id] = true
	}
	for _, seq := range k.Known {
		f.known[seq] = true
	}
	for _, seq := range k.Unread {
		f.unread[seq] = true
	}
	return f, nil
}

// keptFold gives the fold that is kept in a directory with all that follows up to a record, and the file; none where there is no file that the ledger vouches for.
func keptFold(ctx context.Context, dir, prefix string, end uint64) (*fold, []byte) {
	file, err := os.Open(filepath.Join(dir, keptFile))
	if err != nil {
		return nil, nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKept+1))
	if err != nil {
		return nil, nil
	}
	f, err := restored(text, prefix)
	if err != nil {
		return nil, nil
	}
	if err = f.readOn(ctx, dir, end); err != nil || !f.vouched {
		return nil, nil
	}
	return f, text
}

// begin opens the ledger, and folds what stands there: what is kept and what follows, where the ledger says that it is what it has come to; else all.
func (e *Engine) begin(device string) (*ledger.Ledger, error) {
	e.fold = newFold(e.opt.Prefix)
	if e.opt.Storage == nil && e.opt.Kept >= 0 {
		if f, text := keptFold(context.Background(), e.dir, e.opt.Prefix, math.MaxUint64); f != nil {
			again, err := restored(text, e.opt.Prefix) // since the ledger is read once more when it is opened
			if err != nil {
				return nil, err
			}
			e.fold = again
		}
	}
	return ledger.Open(filepath.Join(e.dir, "production"), device, "production", &ledger.Options{Clock: e.clock, Wall: e.opt.Wall, Storage: e.opt.Storage,
		ID: e.opt.ID, Whole: e.fold.take, After: e.fold.after})
}

// keepFolds keeps what the ledger has come to from time to time, until ctx ends. What is kept is folded from the ledger once more, so that it is what a start
// would come to, and holds each decision against its inputs on the way.
func (e *Engine) keepFolds(ctx context.Context) {
	if e.opt.Storage != nil || e.opt.Kept < 0 {
		return
	}
	e.mu.Lock()
	at := e.fold.after.N
	e.mu.Unlock()
	for e.pause(ctx, keptFirst); ctx.Err() == nil; e.pause(ctx, keptEvery) {
		head := e.led.Head().N
		if head < at+uint64(e.opt.Kept) {
			continue
		}
		at = head // whatever comes of it, not again before as many more
		if err := e.keepFold(ctx); err != nil && !errors.Is(err, errBetween) && ctx.Err() == nil {
			e.mu.Lock()
			e.notice(api.JobNotice{Result: "keep", Detail: "what the ledger has come to could not be kept; the next start reads more of it: " + short(err.Error())})
			e.touch()
			e.mu.Unlock()
		}
	}
}

// keepFold keeps what the ledger has come to by now. The digest is on record before the file is there.
func (e *Engine) keepFold(ctx context.Context) error {
	e.mu.Lock()
	end, err := e.led.Head().N, e.broken // nobody appends, so what there is is durable
	e.mu.Unlock()
	if err != nil {
		return err
	}
	f, _ := keptFold(ctx, e.dir, e.opt.Prefix, end)
	if f == nil {
		f = newFold(e.opt.Prefix)
		if err := f.readOn(ctx, e.dir, end); err != nil {
			return err
		}
	}
	text, err := f.keep(f.at)
	if err == nil {
		_, err = restored(text, e.opt.Prefix) // or the next start would read all, and nobody would know why
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if err := e.did(&deed{Did: didKeep, Seq: f.at.N, Detail: hex.EncodeToString(sum[:])}, person{}); err != nil {
		return err
	}
	return ledger.Put(filepath.Join(e.dir, keptFile), text)
}

// readOn folds what follows in the ledger of a directory up to a record, or to its end where that comes before. An error says that it is not all there or
// not as it was, or is that of ctx.
func (f *fold) readOn(ctx context.Context, dir string, end uint64) error {
	f.at = f.after
	found, err := journal.Scan(filepath.Join(dir, "production"), func(seq uint64, body []byte, c journal.Chain) error {
		if seq > end {
			return errEnough
		}
		r, err := record.Parse(body)
		if err == nil {
			err = f.take(seq, r, body)
		}
		f.at = c
		return cmp.Or(err, ctx.Err())
	}, &journal.Options{After: f.after})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	case found.Outcome != journal.Clean && found.Outcome != journal.TornTail:
		return fmt.Errorf("production: the ledger is %s behind record %d: %s", found.Outcome, f.at.N, found.Reason)
	case end != math.MaxUint64 && f.at.N < end: // it is on its way to the disk
		return errBetween
	}
	return nil
}
