// The whole state of a machine as bytes, and back.

package batch

import (
	"encoding/binary"
	"errors"

	"github.com/batchkit/batchkit/timebase"
)

// SnapshotForm is the number of the form of a snapshot. It grows whenever a field is added, removed, moved or given another
// meaning: a checkpoint in another form is passed over.
const SnapshotForm = 4

var errSnapshot = errors.New("batch: not a snapshot of a machine of this batch")

// clockState is the state of the keeper, of fixed size; the source's name follows it.
type clockState struct {
	Mono, UTC, Offset, Bound, Steps int64
	Sync                            uint8
	Source                          uint8 // length of the name
}

// Snapshot appends the whole state to dst. A machine of the same batch that is given it by Restore behaves as this one.
func (m *Machine) Snapshot(dst []byte) []byte {
	le := binary.LittleEndian
	o := m.keep.Last()
	dst, _ = binary.Append(dst, le, &m.st)
	dst, _ = binary.Append(dst, le, &clockState{o.Mono, o.UTC, o.Offset, o.Bound, m.keep.Steps(), uint8(o.Sync), uint8(len(o.Source))})
	dst = append(dst, o.Source...)
	for _, part := range m.refParts() {
		dst, _ = binary.Append(dst, le, part)
	}
	dst, _ = binary.Append(dst, le, m.form.own)
	return m.seq.Snapshot(m.met.Snapshot(m.guard.Snapshot(m.io.Snapshot(dst))))
}

func (m *Machine) refParts() [15]any {
	r := &m.refs
	return [...]any{&r.Batch, r.Elems, r.Actions, r.Windows, r.Outputs, r.Told, r.Totals, r.TotalQ, m.line, r.Noticed, r.Interlocks, r.Alarms, r.Steps, r.Faulty,
		r.Late}
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
	if len(src) < int(c.Source) {
		return errSnapshot
	}
	m.keep.Restore(timebase.Observation{Mono: c.Mono, UTC: c.UTC, Sync: timebase.Sync(c.Sync), Source: string(src[:c.Source]),
		Offset: c.Offset, Bound: c.Bound}, c.Steps)
	src = src[c.Source:]
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
	return nil
}
