// Who asked for what he may not, on record.

package production

import (
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

// Limits of what is on record of those who may not.
const (
	denialGap  = time.Second // between two records of the same; those between are counted in the next
	maxDenials = 1024        // that are remembered for it
	maxSecond  = 64          // different ones on record within denialGap; of more there is one, and those between are counted in the next
)

// denial is what makes two of them the same.
type denial struct{ actor, claimed, object string }

// denials are those that were on record last.
type denials struct {
	list   map[denial]*denied
	second int64 // since when those are counted that came on record, on the clock
	wrote  int
}

type denied struct {
	at     int64
	merged uint64
}

// denied puts on record that somebody asked for what he may not, and gives the refusal. The same within a second is counted in the next.
func (e *Engine) denied(peer api.Peer, o *api.Order, object, actor, role string, why error) error {
	k := denial{actor, "", cutTo(object, api.MaxText)}
	if o.Operator+o.Role != "" {
		k.claimed = cutTo(o.Operator+" as "+o.Role, api.MaxText)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	merged, soon := e.denials.again(k, e.clock.Now())
	if soon {
		return why
	}
	if e.broken != nil {
		return e.broken
	}
	_, err := e.led.Append(func(b *record.Body) {
		b.Begin(record.KindAccessRefused)
		b.Text(record.Actor, actor)
		b.Text(record.Command, api.MayPlan)
		b.Text(record.Detail, short(why.Error()))
		b.Int(record.PeerUID, int64(peer.UID))
		some(b, record.ClaimedActor, k.claimed)
		some(b, record.ObjectID, k.object)
		some(b, record.OperatorRole, role)
		if merged > 0 {
			b.Count(record.Coalesced, merged)
		}
	})
	if err != nil {
		return e.breaks(err)
	}
	return why
}

// again tells whether the same was on record just now, and counts it; otherwise how many were counted since then.
func (l *denials) again(k denial, now int64) (merged uint64, soon bool) {
	if now-l.second >= int64(denialGap) {
		l.second, l.wrote = now, 0
	}
	if l.wrote >= maxSecond {
		k = denial{} // whoever asks under ever new names fills no disk
	}
	if l.list == nil {
		l.list = map[denial]*denied{}
	}
	d := l.list[k]
	if d == nil {
		if len(l.list) >= maxDenials {
			clear(l.list)
		}
		d = &denied{at: now - int64(denialGap)}
		l.list[k] = d
	}
	if now-d.at < int64(denialGap) {
		d.merged++
		return 0, true
	}
	l.wrote++
	merged, d.merged, d.at = d.merged, 0, now
	return merged, false
}
