// The package comment, errors, options, and the Hub: which journals it holds, and whose they are.

// Package hub keeps the journals of many boards for the long term: it verifies the chain of each as rows come in, finds records
// by their join keys, and says how far it is behind.
//
// Start with [Open]; [Hub.From] is the export.Sink of one node, [Handler] and [Client] carry the same over HTTP, [Hub.Records]
// answers queries.
//
// # The rule that must not be broken
//
// What was acknowledged is on the disk, in the chain, once. Rows that do not follow what is held are refused with what is held,
// so that the edge, whose journal is the record, sends what lacks; what contradicts what is held is kept aside and never takes
// its place.
//
// # What it does not do
//
// It gives nothing up: a journal stays until a person moves its file away. It believes no index: each record that a query gives
// is held against the chain, and an index that is not there is made anew from the rows. It starts no goroutine but those of the
// server that a program gives its Handler. Of a person who writes into its directory it knows what the chain tells: a row that was
// changed, left out or put in is found. An index that was made to lack a key, with a checksum that holds, keeps records out of
// answers; where that is in question it is made anew first, with Options.Rebuild.
//
// # On the disk
//
// journals/ID.tsv has the rows of a journal as events.tsv of an evidence package has them, so that sha256sum verifies them;
// ID.json says whose it is; ID.idx is the index of it. forks/ has what contradicted it, and what a cut of power has torn. lock/
// keeps a second process away.
package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// What is refused, to be told apart with errors.Is. Nothing of what was sent with it was taken.
var (
	ErrRows    = errors.New("hub: these are not rows of this journal")          // what was sent is broken, or of another journal
	ErrGap     = errors.New("hub: records are missing")                         // they are to be sent first
	ErrFork    = errors.New("hub: another record is held in this place")        // the journal was made anew, or the hub's file was changed
	ErrOwner   = errors.New("hub: the journal is another node's")               // the first that sent it
	ErrFull    = errors.New("hub: no room")                                     // a person has to make some
	ErrDamaged = errors.New("hub: what is held was damaged")                    // a person has to move the file away; it is then sent anew
	ErrNone    = errors.New("hub: there is no such journal")                    // nobody has sent a row of it
	ErrBusy    = errors.New("hub: another process has the directory")           // one at a time
	ErrQuery   = errors.New("hub: this cannot be asked")                        // a place or a limit that is none
	ErrRight   = errors.New("hub: whoever asks is not known, or may not do so") // no token, a wrong one, or one for other things
)

// Limits.
const (
	MaxTake     = 4 << 20 // bytes of rows, as lines, in one Take
	MaxJournals = 100_000 // where Options do not say
	maxForks    = 16      // that are kept aside of one journal; what comes after is counted
	maxID       = 64      // bytes of a journal's id, and of a node's name
)

// Options are the settings of a Hub; nil means all zero.
type Options struct {
	Room     int64            // bytes that must stay free on the disk: with less, rows are refused with ErrFull. Zero means 64 MiB; below zero, none
	Journals int              // at most; zero means MaxJournals
	Log      record.Log       // takes a bus_state record of each gap, refill and fork; it is called while the journal waits. Nil: they stand in Status alone
	Now      func() time.Time // the hub's clock, by which it says when it has heard of a journal. Nil means time.Now
	Rebuild  bool             // reads all rows of all journals, holds them against their chains, and makes each index anew
}

// Hub keeps journals in a directory. Its methods may be called from any goroutine; rows of different journals do not wait for
// each other.
type Hub struct {
	dir   string
	root  *os.Root
	claim io.Closer
	opt   Options

	mu    sync.Mutex // guards books; taken before the lock of a book
	books map[string]*book
}

// Open opens the hub in a directory, and makes it where it is not. It reads the index of each journal and the last rows of it,
// about 128 KiB, and holds those against their chain. A journal that is damaged does not keep the others away: Status names it. A
// directory that another process has open is ErrBusy.
func Open(dir string, opt *Options) (*Hub, error) {
	h := &Hub{dir: dir, books: map[string]*book{}}
	if opt != nil {
		h.opt = *opt
	}
	h.opt.Room = max(0, cmp.Or(h.opt.Room, 64<<20))
	h.opt.Journals = cmp.Or(h.opt.Journals, MaxJournals)
	if h.opt.Now == nil {
		h.opt.Now = time.Now
	}
	for _, name := range []string{"", journalsDir, forksDir, lockDir, lockDir + "/segments"} { // the last as journal.Claim wants it
		if err := os.Mkdir(filepath.Join(dir, name), 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("hub: %w", err)
		}
	}
	var err error
	if h.claim, err = journal.Claim(filepath.Join(dir, lockDir), nil); errors.Is(err, journal.ErrInUse) {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	} else if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	if h.root, err = os.OpenRoot(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("hub: %w", err), h.claim.Close())
	}
	if err := errors.Join(syncDir(h.root, "."), h.load()); err != nil {
		return nil, errors.Join(fmt.Errorf("hub: %s: %w", dir, err), h.Close())
	}
	return h, nil
}

// load takes in the journals that lie in the directory.
func (h *Hub) load() error {
	d, err := h.root.Open(journalsDir)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1000)
		for _, name := range names {
			id, ok := strings.CutSuffix(name, ownerExt)
			if !ok || !validID(id) {
				continue
			}
			if len(h.books) >= h.opt.Journals {
				return fmt.Errorf("it holds more than %d journals; Options.Journals says how many may be", h.opt.Journals)
			}
			b := &book{hub: h, id: id}
			h.books[id] = b
			_ = b.come(h.opt.Rebuild) // it says so itself whenever it is asked
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Close gives the directory back. What was acknowledged is on the disk already.
func (h *Hub) Close() error {
	return errors.Join(h.root.Close(), h.claim.Close())
}

// validID tells whether an id may be one of a journal. It is a part of file names.
func validID(id string) bool {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return id != "" && len(id) <= maxID && strings.Trim(id, set) == ""
}

// book finds a journal; with make it is made where it is not.
func (h *Hub) book(id string, make bool) (*book, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: journal id %.80q: it has 1 to %d of A-Z a-z 0-9 . _ -", ErrRows, id, maxID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.books[id]
	switch {
	case b != nil:
		return b, nil
	case !make:
		return nil, fmt.Errorf("%w: %s", ErrNone, id)
	case len(h.books) >= h.opt.Journals:
		return nil, fmt.Errorf("%w: it holds %d journals, which is the limit", ErrFull, len(h.books))
	}
	b = &book{hub: h, id: id}
	h.books[id] = b
	return b, nil
}

// drop forgets a journal of which nothing was taken.
func (h *Hub) drop(b *book) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node == "" && h.books[b.id] == b {
		b.gone = true
		delete(h.books, b.id)
	}
}

// all gives the journals in the order of their ids.
func (h *Hub) all() (list []*book) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(h.books)) {
		list = append(list, h.books[id])
	}
	return list
}

// Held implements export.Sink for what this process itself keeps: as From of node "local".
func (h *Hub) Held(ctx context.Context, journalID string) (journal.Chain, error) {
	return h.From("local").Held(ctx, journalID)
}

// Take implements export.Sink, as From of node "local".
func (h *Hub) Take(ctx context.Context, journalID string, rows []export.Row) (journal.Chain, error) {
	return h.From("local").Take(ctx, journalID, rows)
}

// Sender is the hub for the journals of one node, as an export.Sink and export.Announcer. The first node that sends a row of a
// journal owns it.
type Sender struct {
	hub  *Hub
	node string

	mu    sync.Mutex
	early map[string]export.Edge // of journals that the hub has no row of
}

const maxEarly = 1000 // of them that are remembered

// From returns the hub as the sink of a node, which is who has sent: whoever calls it has made sure of that.
func (h *Hub) From(node string) *Sender { return &Sender{hub: h, node: node} }

// Held implements export.Sink. It reads a file anew that an error has left in doubt.
func (s *Sender) Held(ctx context.Context, journalID string) (journal.Chain, error) {
	b, err := s.hub.book(journalID, false)
	if errors.Is(err, ErrNone) {
		return journal.Chain{}, ctx.Err()
	}
	if err != nil {
		return journal.Chain{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := cmp.Or(ctx.Err(), b.admit(s.node)); err != nil {
		return journal.Chain{}, err
	}
	b.heard = s.hub.opt.Now().UnixNano()
	return b.at, nil
}

// Take implements export.Sink: all rows are held against the chain before the first is written, and are durable when it returns.
// Rows that it has are passed over, where they are the same. It takes all or none, and its error wraps ErrRows, ErrGap, ErrFork,
// ErrOwner, ErrFull or ErrDamaged, where it is not one of the disk.
func (s *Sender) Take(ctx context.Context, journalID string, rows []export.Row) (journal.Chain, error) {
	if !validID(s.node) || len(rows) == 0 {
		return journal.Chain{}, fmt.Errorf("%w: %d rows of node %.80q", ErrRows, len(rows), s.node)
	}
	for {
		b, err := s.hub.book(journalID, true)
		if err != nil {
			return journal.Chain{}, err
		}
		at, gone, err := b.take(ctx, s.node, rows, s.told(journalID))
		if gone { // forgotten in between, as nothing had been taken yet
			continue
		}
		if err != nil && at == (journal.Chain{}) {
			s.hub.drop(b)
		}
		return at, err
	}
}

// Announce implements export.Announcer. A journal that is not known is known with its first row.
func (s *Sender) Announce(journalID string, edge export.Edge) {
	if edge == (export.Edge{}) { // who says nothing takes nothing back
		return
	}
	b, err := s.hub.book(journalID, false)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.early == nil || len(s.early) >= maxEarly {
			s.early = map[string]export.Edge{}
		}
		s.early[journalID] = edge
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.admit(s.node) == nil {
		b.announce(edge)
	}
}

// told gives what was announced before the journal was known.
func (s *Sender) told(journalID string) export.Edge {
	s.mu.Lock()
	defer s.mu.Unlock()
	edge := s.early[journalID]
	delete(s.early, journalID)
	return edge
}
