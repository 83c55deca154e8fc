// The messages of one journal: what follows is taken, what is there is dropped, what does not fit is tried again, left to the board or set aside.

package bus

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// mostAside is how many messages a directory of those that were set aside holds; of more only the digest is told.
const mostAside = 1000

// errGap says that rows do not follow what the sink holds: some before them are missing.
var errGap = errors.New("bus: records before it are missing")

// following are the rows behind at. An error is errGap, or one of another record than the sink has there. Begin tells that nothing of the
// journal is before the first row.
func following(at journal.Chain, rows []export.Row, begin bool) ([]export.Row, error) {
	for len(rows) > 0 && rows[0].Seq <= at.N {
		if rows[0].Seq == at.N && rows[0].Link != at.Link {
			return nil, fmt.Errorf("bus: record %d has link %s, and the hub has another record %d with link %s", at.N, rows[0].Link, at.N, at.Link)
		}
		rows = rows[1:]
	}
	switch {
	case len(rows) == 0:
		return nil, nil
	case at.N == 0 && begin && rows[0].Seq > 1: // what was released before is told by a record of the journal itself
		return rows, nil
	case rows[0].Seq != at.N+1:
		return nil, errGap
	case journal.Link(rows[0].Seq, at.Link, rows[0].Leaf) != rows[0].Link:
		return nil, fmt.Errorf("bus: record %d does not follow record %d as the hub has it, with link %s", rows[0].Seq, at.N, at.Link)
	}
	return rows, nil
}

// some are messages whose rows go to the sink together.
type some struct {
	rows []export.Row
	msgs []jetstream.Msg
	ends []uint64 // the last record of each
}

// journal takes messages of one journal, in their order. The caller holds mu.
func (d *deliverer) journal(ctx context.Context, p *place, msgs []jetstream.Msg) {
	if time.Now().Before(p.stuck) {
		d.later(p, msgs, "")
		return
	}
	sink := d.sink(p.node)
	if p.at.N == 0 {
		at, err := sink.Held(ctx, p.id)
		if err != nil {
			d.failed(p, msgs, err)
			return
		}
		p.at = at
	}
	var s some
	at := p.at
	for _, m := range msgs {
		rows, err := unpack(m.Data())
		if err == nil {
			rows, err = following(at, rows, m.Headers().Get(headBegin) != "")
		}
		switch {
		case errors.Is(err, errGap):
			d.missing(p, at, m)
		case err != nil:
			d.aside(m, fmt.Errorf("journal %q of node %q: %w", p.id, p.node, err))
		case len(rows) == 0:
			_ = m.Ack() // it is dropped again when it comes again
		default:
			last := &rows[len(rows)-1]
			at = journal.Chain{N: last.Seq, Link: last.Link}
			s.rows, s.msgs, s.ends = append(s.rows, rows...), append(s.msgs, m), append(s.ends, last.Seq)
		}
	}
	if len(s.rows) > 0 {
		d.take(ctx, p, sink, &s)
	}
}

// take hands rows to the sink, and acknowledges what it then holds.
func (d *deliverer) take(ctx context.Context, p *place, sink export.Sink, s *some) {
	got, err := sink.Take(ctx, p.id, s.rows)
	if err != nil {
		p.at = journal.Chain{} // it is asked
		d.failed(p, s.msgs, err)
		return
	}
	p.at = got
	d.say(p, "", "")
	for i, m := range s.msgs {
		if s.ends[i] <= got.N {
			_ = m.Ack()
		} else {
			d.later(p, s.msgs[i:], "the sink took a part")
			return
		}
	}
}

// failed has messages tried again that the sink did not take.
func (d *deliverer) failed(p *place, msgs []jetstream.Msg, err error) {
	p.stuck = time.Now().Add(deliverNext / 2)
	d.told("journal "+p.id, "not taken", words(err))
	d.later(p, msgs, words(err))
}

// missing says from where the board shall send, and has a message tried again that does not follow yet: what is before it may come.
func (d *deliverer) missing(p *place, at journal.Chain, m jetstream.Msg) {
	try := m.Headers().Get(headTry)
	if gap := fmt.Sprint(try, " ", p.at.N); gap != p.gap && at == p.at {
		p.gap = gap
		d.opt.Tell("journal "+p.id, "gap", fmt.Sprintf("the hub has records up to %d, and what the stream has begins later; node %s sends them again", p.at.N, p.node))
		d.say(p, cut(try), "")
	}
	d.later(p, []jetstream.Msg{m}, "")
}

// later has messages delivered again, or, when that was in vain often enough, left to the board.
func (d *deliverer) later(p *place, msgs []jetstream.Msg, why string) {
	dropped := false
	for _, m := range msgs {
		meta, err := m.Metadata()
		if err == nil && meta.NumDelivered < deliverMost {
			_ = m.NakWithDelay(deliverNext)
			continue
		}
		_ = m.Term()
		dropped = true
	}
	if dropped && why != "" {
		d.opt.Tell("journal "+p.id, "dropped", "the board sends it again: "+why)
		d.say(p, "", why)
	}
}

// aside keeps a message that cannot be taken, and takes it out of the stream. The caller holds mu.
func (d *deliverer) aside(m jetstream.Msg, why error) {
	sum := sha256.Sum256(m.Data())
	text := fmt.Sprintf("%s; SHA-256 of the message %x", why, sum)
	if d.opt.Aside != "" {
		if err := keepAside(d.opt.Aside, fmt.Sprintf("%x.rows", sum), m.Data()); err != nil {
			text += fmt.Sprintf("; it is not kept: %v", err)
		}
	}
	d.opt.Tell(cut(m.Subject()), "set aside", text)
	_ = m.Term()
}

// keepAside writes a file and makes it durable, unless it is there or there are too many.
func keepAside(dir, name string, data []byte) error {
	have, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(have) >= mostAside {
		return fmt.Errorf("%s has %d of them, which is the most; look at them and move them away", dir, mostAside)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
