// The anchor of a batch's journal: a slot on the rig's chip, from its first record until its package is made.

package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
)

// anchored opens the journal with the batch's slot on the rig's chip. Where there is no slot, or the chip fails, the batch runs all
// the same, and its boot says so. A slot that was taken for a batch that cannot run is given back.
func (r *Runner) anchored(dir string, opt *journal.Options) (w *journal.Writer, rec *journal.Recovery, err error) {
	chip := r.rig.FRAM
	if chip == nil {
		return r.begin(dir, opt)
	}
	was, err := chip.Find(r.b.JournalID)
	if err == nil {
		opt.Anchor, err = chip.Take(r.b.JournalID)
	}
	if err == nil {
		r.kept = opt.Anchor.String()
		if w, rec, err = r.begin(dir, opt); err == nil && w.Anchored() != nil {
			r.kept = unanchored(w.Anchored())
		}
		if err != nil && was == nil {
			_ = chip.Release(r.b.JournalID)
		}
		if !errors.Is(err, journal.ErrAnchor) && !errors.Is(err, journal.ErrChip) && !errors.Is(err, journal.ErrNoSlot) {
			return w, rec, err
		}
	}
	r.kept, opt.Anchor = unanchored(err), nil
	return r.begin(dir, opt)
}

// unanchored are the words of a record for a journal that goes on without its anchor.
func unanchored(err error) string { return batch.Clean("none: " + err.Error()) }

// begin opens the journal, or makes that of a new batch.
func (r *Runner) begin(dir string, opt *journal.Options) (*journal.Writer, *journal.Recovery, error) {
	head := journal.Header{JournalID: r.b.JournalID}
	w, rec, err := journal.Open(dir, head, opt)
	if errors.Is(err, journal.ErrNone) {
		rec = &journal.Recovery{}
		if err = r.prepare(); err == nil {
			w, err = journal.Create(dir, head, opt)
		}
	}
	return w, rec, err
}

// stage puts records into the anchor's ring, once the disk has what a batch begins with: that is there whole or not at all.
func (c *crew) stage(ctx context.Context, first uint64) {
	defer c.wg.Done()
	w := c.r.loop.w
	if w.Wait(ctx, first) != nil {
		return
	}
	if err := w.Staging(ctx); err != nil {
		c.r.in.unanchor(unanchored(err))
	}
}

// unanchor takes in that the journal goes on without its anchor.
func (in *inbox) unanchor(why string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lostAnchor = why
	in.wake()
}

// release gives the slot of a batch back whose package is made.
func (r *Runner) release() error {
	if r.rig.FRAM == nil {
		return nil
	}
	if err := r.rig.FRAM.Release(r.b.JournalID); err != nil {
		return fmt.Errorf("runner: the batch is over and its slot could not be given back: %w", err)
	}
	return nil
}
