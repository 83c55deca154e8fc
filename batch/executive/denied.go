// Who asked for what he may not, on record.

package executive

import (
	"net/http"
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
type denial struct{ actor, claimed, command, batch string }

type denied struct {
	at     time.Time
	merged uint64
}

// denied puts on record that somebody asked for what he may not, and gives the refusal. The same within a second is counted in the next.
func (m *Manager) denied(peer api.Peer, o *api.Order, command, batch, actor, role string, why error) error {
	k := denial{actor, "", command, short(batch)}
	if o != nil && o.Operator+o.Role != "" {
		k.claimed = short(o.Operator + " as " + o.Role)
	}
	merged, soon := m.again(k)
	if soon {
		return why
	}
	_, err := m.led.Append(func(b *record.Body) {
		b.Begin(record.KindAccessRefused)
		b.Text(record.Actor, actor)
		b.Text(record.Command, command)
		b.Text(record.Detail, short(why.Error()))
		b.Int(record.PeerUID, int64(peer.UID))
		for _, f := range []struct {
			key  record.Key
			text string
		}{{record.ClaimedActor, k.claimed}, {record.ObjectID, k.batch}, {record.OperatorRole, role}} {
			if f.text != "" {
				b.Text(f.key, f.text)
			}
		}
		if merged > 0 {
			b.Count(record.Coalesced, merged)
		}
	})
	if err != nil {
		return &api.Error{Status: http.StatusServiceUnavailable, Message: "executive: " + err.Error()}
	}
	return why
}

// again tells whether the same was on record just now, and counts it; otherwise how many were counted since then.
func (m *Manager) again(k denial) (merged uint64, soon bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.second) >= denialGap {
		m.second, m.wrote = time.Now(), 0
	}
	if m.wrote >= maxSecond {
		k = denial{} // whoever asks under ever new names fills no disk
	}
	d := m.denials[k]
	if d == nil {
		if len(m.denials) >= maxDenials {
			clear(m.denials)
		}
		d = &denied{}
		m.denials[k] = d
	}
	if time.Since(d.at) < denialGap {
		d.merged++
		return 0, true
	}
	m.wrote++
	merged, d.merged, d.at = d.merged, 0, time.Now()
	return merged, false
}
