// The traces of batch/testdata made anew: the same inputs, decided by the engine as it is.

package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// renewed feeds the inputs of a trace to a fresh machine and gives the bodies that a journal of it holds. Inputs get new numbers where
// there are more or fewer decisions than there were; a trace of more than one boot is not renewed.
func renewed(t testing.TB, b *Batch, list [][]byte) (out [][]byte) {
	m, at := b.Start(), int64(0)
	blk := NewBlock(len(b.Plan.Map.Tags))
	var fx []Effect
	next := func() uint64 { return uint64(len(out)) + 1 }
	decided := func() {
		for i := range fx {
			if fx[i].Kind == Record {
				out = append(out, bytes.Clone(fx[i].Body))
			}
		}
	}
	seal := func() {
		if blk.Events == 0 {
			return
		}
		body, err := m.AppendBlock(nil, next(), blk)
		require.NoError(t, err)
		out = append(out, body)
		blk.Reset()
	}
	for _, body := range list {
		_, kind, _ := bytes.Cut(body, []byte(`"event_type":"`)) // decisions may be such as this engine refuses
		kind, _, _ = bytes.Cut(kind, []byte(`"`))
		if k, ok := record.ParseKind(string(kind)); !ok || k.Spec().Grade != record.Input {
			continue
		}
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind != record.KindInputBlock {
			ev, err := b.readInput(rec)
			require.NoError(t, err)
			at, ev.Seq = int64(rec.Count(record.TsMonoNS)), next()
			body, err := m.AppendInput(nil, at, &ev)
			require.NoError(t, err)
			out = append(out, body)
			fx = m.Step(at, &ev, fx[:0])
			decided()
			continue
		}
		data, err := base64.StdEncoding.DecodeString(rec.Text(record.BlockData))
		require.NoError(t, err)
		blk.form = int(rec.Int(record.BlockForm))
		require.NoError(t, Unpack(rec.Int(record.BlockForm), data, int64(rec.Count(record.FirstMonoNS)), len(b.Plan.Map.Tags), func(then int64, ev *Event) error {
			if ev.Seq = next(); ev.Kind == Tick {
				then = max(at, m.Wake())
			}
			at = then
			blk.Add(at, ev)
			if fx = m.Step(at, ev, fx[:0]); len(fx) > 0 {
				seal()
				decided()
			}
			return nil
		}))
		seal()
	}
	return out
}

// TestTracesAreRenewed writes the traces anew where BATCHKIT_RENEW=1 is in the environment: a change of what records say makes others of
// the same inputs. What has changed is to be looked at.
func TestTracesAreRenewed(t *testing.T) {
	if os.Getenv("BATCHKIT_RENEW") != "1" {
		t.Skip("set BATCHKIT_RENEW=1 to write the traces of testdata/engine1 anew")
	}
	for _, dir := range fixtures(t) {
		list := bodies(t, dir)
		var file bytes.Buffer
		var c journal.Chain
		for i, body := range renewed(t, bindFixture(t, dir, list), list) {
			c.Add(body)
			leaf := journal.Leaf(body)
			fmt.Fprintf(&file, "%d\t%s\t%s\t%s\n", i+1, hex.EncodeToString(leaf[:]), hex.EncodeToString(c.Link[:]), body)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "events.tsv"), file.Bytes(), 0o644))
	}
}
