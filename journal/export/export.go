// The package comment, rows, the contract of a sink, and the errors to branch on.

// Package export sends the durable records of a journal to where they are kept for long, remembers what was acknowledged there, and
// decides what the journal may give up.
//
// Start with [New] and [Exporter.Run]; [Dir] is a sink; [Releasable] and [Plan.Give] release what sinks have
// acknowledged.
//
// # The rule that must not be broken
//
// The cursor of a sink never runs ahead of what the sink has acknowledged, and a record goes only when every sink of the policy has
// acknowledged it, it is old enough, and a durable record of the same journal says so. A cursor that is lost costs a second sending,
// and nothing else.
//
// # What it does not do
//
// A sink that is away is no error: it is on record, and caught up with when it is back. The package starts no goroutine, and believes
// no sink that says it holds what it was not sent. It does not look again at what a sink acknowledged once.
package export

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/batchkit/batchkit/journal"
)

// What stops an export, to be told apart with errors.Is. Any other error of a sink is an outage.
var (
	// ErrCursor says that the cursor is not of this journal: a record that was acknowledged has another link now.
	ErrCursor = errors.New("export: the journal is not the one that was exported")
	// ErrSink says that a sink holds, or acknowledges, what this journal does not have.
	ErrSink = errors.New("export: the sink does not hold what it says")
	// ErrGap says that the sink lacks records that the journal has released.
	ErrGap = errors.New("export: the sink lacks records that are gone")
	// ErrJournal says that the journal is damaged, or not there.
	ErrJournal = errors.New("export: the journal cannot be exported")
)

// Row is one record. What it points to is valid until the call of Take returns.
type Row struct {
	Seq        uint64
	Leaf, Link journal.Hash
	Body       []byte
}

// Append appends the row as the line of an evidence package's events.tsv: number, leaf, link, body, parted by tabs.
func (r *Row) Append(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, r.Seq, 10), '\t')
	dst = append(hex.AppendEncode(dst, r.Leaf[:]), '\t')
	dst = append(hex.AppendEncode(dst, r.Link[:]), '\t')
	return append(append(dst, r.Body...), '\n')
}

// Sink is where the records of journals are kept. Both methods may block, and return when ctx ends.
type Sink interface {
	// Held tells the last record of a journal that the sink holds durably, with its link; zero where it holds none.
	Held(ctx context.Context, journalID string) (journal.Chain, error)
	// Take takes rows in order, at least one, which follow what the sink holds, and returns the last record that it then holds
	// durably, with its link: one of them, or what it held before. After an error the sink is asked what it holds.
	Take(ctx context.Context, journalID string, rows []Row) (journal.Chain, error)
}

// Source is a journal that is exported.
type Source struct {
	// Dir is its directory.
	Dir string
	// Durable is Writer.Durable where a Writer of this process has the journal: what is not durable is not sent. Nil means that nobody
	// writes it; it is then claimed while it is read.
	Durable func() uint64
	// Storage is where its files are. Nil means the operating system.
	Storage journal.Storage
}

// State is how a sink stands.
type State string

// The states, as records have them.
const (
	Up         State = "UP"          // it holds all that was durable when it was asked last
	CatchingUp State = "CATCHING_UP" // it is there, and lacks records
	Down       State = "DOWN"        // it is away
)
