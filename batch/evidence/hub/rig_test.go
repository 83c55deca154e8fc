// What the tests share: rows of journals that were never written, journals that were, and a hub.

package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// body makes the body of record n of a journal: a fault of an engine, or how a bus stands, with keys that come again and others
// that do not.
func body(t testing.TB, id string, n uint64, detail string) []byte {
	t.Helper()
	var b record.Body
	if n%3 == 0 {
		b.Begin(record.KindBusState)
		b.Text(record.ObjectKind, "node")
		b.Text(record.ObjectID, fmt.Sprintf("N-%d", n/100))
		b.Text(record.Result, []string{"up", "down"}[n%2])
	} else {
		b.Begin(record.KindEngineFault)
		b.Int(record.Engine, 1)
	}
	b.Text(record.Detail, detail)
	b.Count(record.EventSeq, n)
	b.Text(record.JournalID, id)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, n)
	b.Text(record.SyncState, "NTP_SYNC")
	b.Text(record.TimeSource, "ntp")
	b.Text(record.DeviceID, "D-"+id)
	b.Time(record.TsUTC, int64(n)*1_000_000_000)
	text, err := b.Append(nil)
	require.NoError(t, err)
	return text
}

// rows makes n rows of a journal behind a chain.
func rows(t testing.TB, id string, after journal.Chain, n int, detail string) (list []export.Row) {
	t.Helper()
	for range n {
		text := body(t, id, after.N+1, detail)
		after.Add(text)
		list = append(list, export.Row{Seq: after.N, Leaf: journal.Leaf(text), Link: after.Link, Body: text})
	}
	return list
}

func end(list []export.Row) journal.Chain {
	return journal.Chain{N: list[len(list)-1].Seq, Link: list[len(list)-1].Link}
}

func text(list []export.Row) string {
	var out []byte
	for i := range list {
		out = list[i].Append(out)
	}
	return string(out)
}

func open(t testing.TB, dir string, opt *hub.Options) *hub.Hub {
	t.Helper()
	h, err := hub.Open(dir, opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

// file is all that a hub has of a journal.
func file(t testing.TB, h *hub.Hub, id string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, h.Copy(context.Background(), id, &out, nil))
	return out.String()
}

// status is how one journal stands.
func status(t testing.TB, h *hub.Hub, id string) hub.Status {
	t.Helper()
	for _, s := range h.Journals() {
		if s.Journal == id {
			return s
		}
	}
	require.Fail(t, "no such journal", id)
	return hub.Status{}
}

// edge is a journal on a board, which is written.
type edge struct {
	t   testing.TB
	dir string
	id  string
	w   *journal.Writer
	n   uint64
}

func newEdge(t testing.TB, id string) *edge {
	t.Helper()
	e := &edge{t: t, dir: t.TempDir(), id: id}
	require.NoError(t, os.Mkdir(filepath.Join(e.dir, "cursor"), 0o750))
	var err error
	e.w, err = journal.Create(filepath.Join(e.dir, "journal"), journal.Header{JournalID: id}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.w.Close() })
	return e
}

// write writes n records, of about size bytes more than the least.
func (e *edge) write(n, size int) {
	e.t.Helper()
	detail := strings.Repeat("x", size)
	for i := range n {
		e.n++
		require.NoError(e.t, e.w.Append(e.n, body(e.t, e.id, e.n, detail)))
		if i%500 == 499 || i == n-1 {
			require.NoError(e.t, e.w.Commit())
		}
	}
}

func (e *edge) source() export.Source {
	return export.Source{Dir: filepath.Join(e.dir, "journal"), Durable: e.w.Durable}
}

// lines are what a hub is to hold of it.
func (e *edge) lines() string {
	e.t.Helper()
	var out []byte
	_, err := journal.Scan(filepath.Join(e.dir, "journal"), func(seq uint64, body []byte, c journal.Chain) error {
		r := export.Row{Seq: seq, Leaf: journal.Leaf(body), Link: c.Link, Body: body}
		out = r.Append(out)
		return nil
	}, nil)
	require.NoError(e.t, err)
	return string(out)
}
