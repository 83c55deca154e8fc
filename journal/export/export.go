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
	"bytes"
	"context"
	"crypto/sha256"
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

// ParseRow reads the line at the start of b, and tells its size in bytes. It is not ok where the line is not whole, not byte for byte as
// Append writes it, or its leaf is not that of its body; that its link follows from the row before is for the caller to see. Body is a
// part of b.
func ParseRow(b []byte) (r Row, size int, ok bool) {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		return r, 0, false
	}
	part := bytes.SplitN(b[:n], []byte{'\t'}, 4)
	if len(part) != 4 || len(part[3]) == 0 || len(part[3]) > journal.MaxBody {
		return r, 0, false
	}
	seq, err := strconv.ParseUint(string(part[0]), 10, 64)
	if err != nil || len(part[1]) != 2*sha256.Size || len(part[2]) != 2*sha256.Size {
		return r, 0, false
	}
	r = Row{Seq: seq, Body: part[3]}
	_, bad := hex.Decode(r.Leaf[:], part[1])
	_, worse := hex.Decode(r.Link[:], part[2])
	if bad != nil || worse != nil || seq == 0 || journal.Leaf(r.Body) != r.Leaf {
		return r, 0, false
	}
	return r, n + 1, bytes.Equal(r.Append(nil), b[:n+1])
}

// Sink is where the records of journals are kept. Both methods may block, and return when ctx ends.
type Sink interface {
	// Held tells the last record of a journal that the sink holds durably, with its link; zero where it holds none.
	Held(ctx context.Context, journalID string) (journal.Chain, error)
	// Take takes rows in order, at least one, which follow what the sink holds, and returns the last record that it then holds
	// durably, with its link: one of them, or what it held before. After an error the sink is asked what it holds.
	Take(ctx context.Context, journalID string, rows []Row) (journal.Chain, error)
}

// Edge is how a journal stands where it is written, as an Exporter says it.
type Edge struct {
	Durable uint64 // the last record that is durable there
	Acked   uint64 // the last that this sink has acknowledged, by the cursor; a sink that holds less has lost records
}

// Announcer is a Sink that wants to know how far it is behind. Announce is called before the sink is asked what it holds; it neither
// blocks nor fails: a sink that is far away tells it with the next question.
type Announcer interface {
	Announce(journalID string, edge Edge)
}

// Source is a journal that is exported.
type Source struct {
	// Dir is its directory.
	Dir string
	// Durable is Writer.Durable where a Writer of this process has the journal: what is not durable is not sent. Nil means that nobody
	// writes it; it is then claimed while it is read.
	Durable func() uint64
	// Beside says that another process may write it meanwhile, or be killed: it is not claimed, and what is new is made durable by
	// journal.Settle before it is sent. It counts where Durable is nil.
	Beside bool
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
