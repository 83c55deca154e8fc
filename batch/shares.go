// Equipment that batches share: what an arbiter is asked for, what it says, and the records of both.

package batch

import (
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// maxOwner is how many bytes of an owner's name are kept while a request waits.
const maxOwner = 96

// claimEnded is the result in the record of a refusal that leaves the batch nothing of what it was granted.
const claimEnded = "ended"

// line is where a request stands in an arbiter's queue, of fixed size.
type line struct {
	Asked bool  // the arbiter was asked, and has not granted it
	Place int64 // 0: it has not been told
	Since int64
	Len   uint8 // of Owner
	Owner [maxOwner]byte
}

func (l *line) owner() string { return string(l.Owner[:min(l.Len, maxOwner)]) }

// used names what an action gets, or the part of it that batches share, in the one order.
func (p *program) used(a *sequencer.Action, shared bool) (names []string) {
	for _, r := range p.seq.Uses[a.First : a.First+a.Count] {
		if !shared || p.shared[r] {
			names = append(names, p.needs[r])
		}
	}
	return names
}

// ruled takes in what an arbiter says.
func (m *Machine) ruled(ev *Event) {
	e := sequencer.Event{Kind: sequencer.ResourceGranted, ID: ev.ID}
	switch ev.Kind {
	case ResourceRefused: // it stands in the record of every phase and output that is held for it
		e.Kind, e.OK, e.Reason = sequencer.ResourceRefused, ev.OK, brief(ev.Detail, maxLimit)
	case ResourceQueue:
		e.Kind, m.heard = sequencer.ResourceQueue, line{Asked: true, Place: ev.Place, Since: ev.Since}
		m.heard.Len = uint8(copy(m.heard.Owner[:], brief(ev.Owner, maxOwner-len(" ..."))))
	}
	m.tell(e)
}

// ruling writes what an arbiter says.
func (m *Machine) ruling(ev *Event) {
	b := &m.body
	switch ev.Kind {
	case ResourceGranted:
		m.identify(record.KindResourceGranted, ev.Seq)
		if ev.Token != 0 {
			b.Count(record.Token, ev.Token)
		}
	case ResourceRefused:
		m.identify(record.KindResourceRefused, ev.Seq)
		b.Text(record.Detail, ev.Detail)
		if ev.OK {
			b.Text(record.Result, claimEnded)
		}
	default:
		m.identify(record.KindResourceQueue, ev.Seq)
		b.Int(record.QueuePlace, ev.Place)
		if ev.Owner != "" {
			b.Text(record.ResourceOwner, ev.Owner)
		}
		if ev.Since > 0 {
			b.Time(record.OwnerSince, ev.Since)
		}
	}
	b.Int(record.RequestID, int64(ev.ID))
}

// readRuling reads what an arbiter said from its record.
func readRuling(r *record.Record, ev *Event) {
	ev.ID = uint32(r.Int(record.RequestID))
	switch r.Kind {
	case record.KindResourceGranted:
		ev.Kind, ev.Token = ResourceGranted, r.Count(record.Token)
	case record.KindResourceRefused:
		ev.Kind, ev.OK = ResourceRefused, r.Text(record.Result) == claimEnded
	default:
		ev.Kind, ev.Place, ev.Owner, ev.Since = ResourceQueue, r.Int(record.QueuePlace), r.Text(record.ResourceOwner), r.Time(record.OwnerSince)
	}
}

// arbitrated records what is asked of an arbiter, given back to it, and how long it takes.
func (m *Machine) arbitrated(e *sequencer.Effect, fx []Effect) []Effect {
	a := &m.form.prog.seq.Actions[e.Action]
	known := e.Elem != 0 // a grant of what was never asked for is of no element
	switch e.Kind {
	case sequencer.ActionWaits:
		return m.waitsStill(a, e, fx)
	case sequencer.RequestResource:
		m.line[a.Ask-1] = line{}
		m.begin(record.KindResourceRequest)
	default:
		m.begin(record.KindResourceRelease)
		m.body.Text(record.Result, map[bool]string{true: "released", false: "kept"}[e.Result == sequencer.Accepted])
		if e.Reason != "" {
			m.body.Text(record.Detail, e.Reason)
		}
	}
	m.body.Int(record.RequestID, int64(e.ID))
	if !known {
		m.causes(m.input)
		fx = m.put(fx)
		return append(fx, Effect{Kind: ReleaseResource, Seq: m.next - 1, ID: e.ID})
	}
	names := m.form.prog.used(a, true)
	m.line[a.Ask-1].Asked = e.Kind == sequencer.RequestResource
	m.step(e)
	m.body.Texts(record.ResourceID, names)
	m.causes(m.input, m.refs.Actions[e.Elem], m.refs.Elems[e.Elem])
	if e.Kind == sequencer.RequestResource {
		m.refs.Actions[e.Elem] = m.next
	}
	fx = m.put(fx)
	switch {
	case e.Kind == sequencer.RequestResource:
		fx = append(fx, Effect{Kind: RequestResource, Seq: m.next - 1, ID: e.ID, Step: m.form.prog.elems[e.Elem].id, Params: names})
	case e.Result == sequencer.Accepted:
		fx = append(fx, Effect{Kind: ReleaseResource, Seq: m.next - 1, ID: e.ID, Step: m.form.prog.elems[e.Elem].id, Params: names})
	}
	return fx
}

// waitsStill records that an element waits for an arbiter, with who has what it waits for, its place in the queue, and since when.
func (m *Machine) waitsStill(a *sequencer.Action, e *sequencer.Effect, fx []Effect) []Effect {
	l := &m.line[a.Ask-1]
	*l = m.heard
	m.begin(record.KindActionState)
	m.step(e)
	m.body.Text(record.ActionID, m.form.prog.actions[e.Action].id)
	m.body.Text(record.ActionState, "wait")
	m.body.Text(record.Command, a.Kind.String())
	m.body.Text(record.WaitReason, m.queued(e))
	m.body.Texts(record.ResourceID, m.form.prog.used(a, true))
	m.body.Int(record.QueuePlace, l.Place)
	if l.Len > 0 {
		m.body.Text(record.ResourceOwner, l.owner())
	}
	if l.Since > 0 {
		m.body.Time(record.OwnerSince, l.Since)
	}
	m.causes(m.input, m.refs.Actions[e.Elem], m.refs.Elems[e.Elem])
	m.refs.Actions[e.Elem] = m.next
	return m.put(fx)
}

// queued says what an effect waits for; of an arbiter, also who has it, the place in the queue and since when.
func (m *Machine) queued(e *sequencer.Effect) string {
	p := &m.form.prog.seq.Elems[e.Elem]
	if !p.Phase || p.Count == 0 {
		return e.Reason
	}
	a := &m.form.prog.seq.Actions[p.First]
	if a.Kind != recipe.Acquire || a.Ask == 0 || !m.line[a.Ask-1].Asked {
		return e.Reason
	}
	return e.Reason + "; " + m.line[a.Ask-1].String()
}

// String says where a request stands in an arbiter's queue.
func (l *line) String() string {
	if l.Place == 0 {
		return "the arbiter has not answered"
	}
	words := "place " + strconv.FormatInt(l.Place, 10) + " in the arbiter's queue"
	if l.Len > 0 {
		words += "; " + l.owner() + " has it"
	}
	if l.Since > 0 {
		words += " since " + string(record.AppendTime(nil, l.Since))
	}
	return words
}

// Foreign tells whether a tag is an output that is a part of equipment which the batch does not hold: nobody on its behalf writes that.
func (m *Machine) Foreign(id tag.ID) bool {
	o := slices.Index(m.form.prog.outputs, id)
	return o >= 0 && m.seq.Foreign(o)
}

// GivenBack returns, as effects, the requests to an arbiter that each element gave back last. Who tells them once more does no harm,
// and of one that a cut has come before nobody else will.
func (m *Machine) GivenBack() (fx []Effect) {
	for k, p := range m.form.prog.seq.Asks {
		if id := m.seq.GivenBack(k); id != 0 {
			names := m.form.prog.used(&m.form.prog.seq.Actions[m.form.prog.seq.Elems[p].First], true)
			fx = append(fx, Effect{Kind: ReleaseResource, ID: id, Step: m.form.prog.elems[p].id, Params: names})
		}
	}
	return fx
}
