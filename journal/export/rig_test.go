// What the tests share: a journal with a log on it, a clock that jumps, and what lies where.

package export_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// book is a journal in a directory, and a Log that writes into it.
type book struct {
	t   *testing.T
	dir string
	w   *journal.Writer
	utc int64 // of the next record
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{t: t, dir: filepath.Join(t.TempDir(), "j"), utc: 1_000_000_000}
	var err error
	require.NoError(t, os.Mkdir(b.cursors(), 0o750))
	b.w, err = journal.Create(b.dir, journal.Header{JournalID: "D1-1"}, &journal.Options{Segment: 72 << 10, Pending: 128 << 10})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.w.Close() })
	return b
}

func (b *book) Append(fill func(*record.Body)) (uint64, error) {
	var body record.Body
	fill(&body)
	seq := b.w.Head().N + 1
	body.Count(record.EventSeq, seq)
	body.Text(record.JournalID, "D1-1")
	body.Int(record.Epoch, 1)
	body.Count(record.TsMonoNS, seq)
	body.Text(record.SyncState, "NTP_SYNC")
	body.Text(record.TimeSource, "ntp")
	body.Text(record.DeviceID, "D1")
	if b.utc != 0 {
		body.Time(record.TsUTC, b.utc)
	}
	text, err := body.Append(nil)
	if err == nil {
		err = b.w.Append(seq, text)
	}
	if err == nil {
		err = b.w.Commit()
	}
	return seq, err
}

// note appends records of about 10,000 bytes: six fill a segment.
func (b *book) note(n int) {
	b.t.Helper()
	for range n {
		_, err := b.Append(func(body *record.Body) {
			body.Begin(record.KindEngineFault)
			body.Text(record.Detail, strings.Repeat("x", 10_000))
			body.Int(record.Engine, 1)
		})
		require.NoError(b.t, err)
	}
}

func (b *book) source() export.Source { return export.Source{Dir: b.dir, Durable: b.w.Durable} }

// exporter makes one to the sink named "share", its cursor beside the journal.
func (b *book) exporter(s export.Sink, opt *export.Options) *export.Exporter {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(b.cursors(), 0o750))
	e, err := export.New("share", s, b.source(), b.cursors(), &clock{now: 1, tick: 1}, opt)
	require.NoError(b.t, err)
	return e
}

func (b *book) cursors() string { return filepath.Join(b.dir, "..", "cursor") }

func (b *book) acked() journal.Chain {
	b.t.Helper()
	return b.exporter(nil, nil).Status().Acked
}

// want are the bytes that an uncut export leaves.
func (b *book) want() string {
	b.t.Helper()
	var out []byte
	_, err := journal.Scan(b.dir, func(seq uint64, body []byte, c journal.Chain) error {
		r := export.Row{Seq: seq, Leaf: journal.Leaf(body), Link: c.Link, Body: body}
		out = r.Append(out)
		return nil
	}, nil)
	require.NoError(b.t, err)
	return string(out)
}

// states are the states of the sink on record, with how many changes each stands for besides.
func (b *book) states() (all []string) {
	b.t.Helper()
	_, err := journal.Scan(b.dir, func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindExportState {
			all = append(all, fmt.Sprintf("%s acked %d behind %d merged %d", r.Text(record.SinkState), r.Count(record.AckedSeq),
				r.Count(record.Behind), r.Count(record.Coalesced)))
		}
		return err
	}, nil)
	require.NoError(b.t, err)
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

// clock jumps to what is waited for.
type clock struct {
	now   int64
	tick  int64 // by which it goes on when it is looked at
	waits []int64
	fn    func(n int) // called at each wait
}

func (c *clock) Now() int64 {
	c.now += c.tick
	return c.now
}

func (c *clock) Wait(ctx context.Context, until int64) error {
	c.waits = append(c.waits, until-c.now)
	c.now = until
	if c.fn != nil {
		c.fn(len(c.waits))
	}
	return ctx.Err()
}

func (c *clock) Alarm(func()) timebase.Alarm { return nil }

// liar is a sink whose answers a test chooses.
type liar struct {
	held journal.Chain
	take func(rows []export.Row) (journal.Chain, error)
	sent []uint64
}

func (l *liar) Held(context.Context, string) (journal.Chain, error) { return l.held, nil }

func (l *liar) Take(_ context.Context, _ string, rows []export.Row) (journal.Chain, error) {
	for _, r := range rows {
		l.sent = append(l.sent, r.Seq)
	}
	got := journal.Chain{N: rows[len(rows)-1].Seq, Link: rows[len(rows)-1].Link}
	if l.take != nil {
		var err error
		if got, err = l.take(rows); err != nil {
			return got, err
		}
	}
	l.held = got
	return got, nil
}
