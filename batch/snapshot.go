// The whole state of a machine as bytes, and back.

package batch

import (
	"encoding/binary"
	"errors"

	"github.com/batchkit/batchkit/timebase"
)

// SnapshotForm is the number of the form of a snapshot. It grows whenever a field is added, removed, moved or given another
// meaning: a checkpoint in another form is passed over.
const SnapshotForm = 5

var errSnapshot = errors.New("batch: not a snapshot of a machine of this batch")

// clockState is the state of the keeper, of fixed size; the source's name and its words follow it.
type clockState struct {
	Mono, UTC, Offset, Bound, Counted int64
	LastSync, Age, Steps, Moved       int64
	Sync                              timebase.Sync
	Role                              timebase.Role
	Reason, Step                      timebase.Reason
	Leap                              int8
	Source, Why                       uint8 // lengths
}

func clockOf(k *timebase.Keeper) (c clockState, words string) {
	o := k.Last()
	return clockState{o.Mono, o.UTC, o.Offset, o.Bound, k.Steps(), o.LastSync, o.Age, o.Steps, o.Moved, o.Sync, o.Role, o.Reason, o.Step, o.Leap,
		uint8(len(o.Source)), uint8(len(o.Why))}, o.Source + o.Why
}

func (c *clockState) restore(k *timebase.Keeper, words string) {
	k.Restore(timebase.Observation{Mono: c.Mono, UTC: c.UTC, Sync: c.Sync, Source: words[:c.Source], Offset: c.Offset, Bound: c.Bound,
		Role: c.Role, LastSync: c.LastSync, Age: c.Age, Steps: c.Steps, Moved: c.Moved, Step: c.Step, Leap: c.Leap, Reason: c.Reason,
		Why: words[c.Source:]}, c.Counted)
}

// Snapshot appends the whole state to dst. A machine of the same batch that is given it by Restore behaves as this one.
func (m *Machine) Snapshot(dst []byte) []byte {
	le := binary.LittleEndian
	clock, words := clockOf(&m.keep)
	dst, _ = binary.Append(dst, le, &m.st)
	dst, _ = binary.Append(dst, le, &clock)
	dst = append(dst, words...)
	for _, part := range m.refParts() {
		dst, _ = binary.Append(dst, le, part)
	}
	dst, _ = binary.Append(dst, le, m.form.own)
	return m.seq.Snapshot(m.met.Snapshot(m.guard.Snapshot(m.io.Snapshot(dst))))
}

func (m *Machine) refParts() [23]any {
	r := &m.refs
	return [...]any{&r.Batch, r.Elems, r.Actions, r.Windows, r.Outputs, r.Told, r.TotalQ, r.Facts, r.Opened, r.Edges, r.Heard,
		r.Recons, r.Hist, m.line, m.feeds, r.Noticed, r.Interlocks, r.Alarms, r.Steps, r.Faulty,
		r.Late, r.SafeStates, r.Unsafe}
}

// Restore puts back a state that Snapshot gave.
func (m *Machine) Restore(src []byte) error {
	var c clockState
	for _, part := range [...]any{&m.st, &c} {
		n, err := binary.Decode(src, binary.LittleEndian, part)
		if err != nil {
			return errSnapshot
		}
		src = src[n:]
	}
	words := int(c.Source) + int(c.Why)
	if len(src) < words {
		return errSnapshot
	}
	c.restore(&m.keep, string(src[:words]))
	src = src[words:]
	for _, part := range m.refParts() {
		n, err := binary.Decode(src, binary.LittleEndian, part)
		if err != nil {
			return errSnapshot
		}
		src = src[n:]
	}
	for _, e := range m.refs.Steps {
		if e < 0 || int(e) > len(m.b.prog.elems) {
			return errSnapshot
		}
	}
	if !m.refs.counted() {
		return errSnapshot
	}
	src, err := m.restoreForm(src)
	if err == nil {
		src, err = m.io.Restore(src)
	}
	if err == nil {
		src, err = m.guard.Restore(src)
	}
	if err == nil {
		src, err = m.met.Restore(src)
	}
	if err == nil {
		src, err = m.seq.Restore(src)
	}
	if err != nil || len(src) != 0 {
		return errSnapshot
	}
	m.troubledAll()
	return nil
}
