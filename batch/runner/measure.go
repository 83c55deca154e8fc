// How the shell keeps up: measures, as notes at a bounded rate.

package runner

import (
	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/timebase"
)

// When measures are noted: every measureEvery, and at once, though not within measureLeast of the last, where a record took longer
// than SlowCommit to be durable or inputs had to wait for room. All in ns. Where the journal has no room for more than what must be
// recorded a note is shed: the next one covers its time, too, and says so.
const measureEvery = 30_000_000_000

var measureLeast = record.KindMeasures.Spec().Gap // never changes

// SlowCommit is the time in ns that a record may take to be durable before a note of measures says so at once.
const SlowCommit = 1_000_000_000

// measures are what is measured since from.
type measures struct {
	now     int64 // as the loop saw it last
	from    int64
	after   int64 // no note before that time: one was coalesced
	worst   int64 // longest time from a record to its being durable, in the whole run
	v       batch.Measures
	counts  [256]int64 // by kind of record
	record  uint64     // one that is not durable yet, 0: none
	at      int64      // when it was appended
	write   uint64     // record that a write waits for, 0: none
	decided int64      // when that was decided
	crowded bool
}

// appended counts a record, and follows one at a time until it is durable.
func (m *measures) appended(k record.Kind, seq uint64) {
	m.counts[k]++
	if m.record == 0 {
		m.record, m.at = seq, m.now
	}
}

// gated follows one write at a time through the gate.
func (m *measures) gated(e *batch.Effect) {
	if e.Kind == batch.Write && m.write == 0 {
		m.write, m.decided = e.Seq, m.now
	}
}

// durable takes in how far the journal is durable, and that the writes that waited for that were handed on.
func (m *measures) durable(seq uint64) {
	if m.record != 0 && seq >= m.record {
		m.v.Commit, m.record = max(m.v.Commit, m.now-m.at), 0
		m.worst = max(m.worst, m.v.Commit)
	}
	if m.write != 0 && seq >= m.write {
		m.v.Dispatch, m.write = max(m.v.Dispatch, m.now-m.decided), 0
	}
}

// since is for how many ns the record that is followed has waited, if seq makes it durable; -1 where none is followed.
func (m *measures) since(seq uint64) int64 {
	if m.record == 0 || seq < m.record {
		return -1
	}
	return m.now - m.at
}

// waiting takes in how many inputs wait, and whether they must.
func (m *measures) waiting(inputs int, crowded bool) {
	m.v.Depth = max(m.v.Depth, int64(inputs))
	if crowded && !m.crowded {
		m.v.Pressure++
	}
	m.crowded = crowded
}

// waiting takes in how many inputs wait now, and whether samples must.
func (l *loop) waiting(now int64, crowded bool) {
	depth := l.r.in.depth()
	l.ring.crowded(now, depth, l.gauge.crowded, crowded)
	l.gauge.waiting(depth, crowded)
}

// due is when the next note is due.
func (m *measures) due() int64 {
	if m.v.Pressure > 0 || m.v.Commit > SlowCommit || m.v.Anchor != "" {
		return max(m.from+measureLeast, m.after)
	}
	return max(m.from+measureEvery, m.after)
}

// rates are the records of each kind per second since from, to 0.01.
func (m *measures) rates() (list []string) {
	took := max((m.now-m.from)/1_000_000, 1)
	record.Kinds(func(k record.Kind, spec record.Spec) {
		if n := m.counts[k]; n > 0 {
			list = append(list, string(quantity.AppendDecimal([]byte(spec.Name+"="), n*100_000/took, 2)))
		}
	})
	return list
}

// measure notes what was measured, if it is time, and returns when it will be time again.
func (l *loop) measure(now int64) int64 {
	m := &l.gauge
	if m.from == 0 {
		m.from = now
	}
	m.now = now
	switch {
	case l.failed != nil, l.m.Ended() && m.v.Coalesced == 0: // only what would be lost follows the last decision
		return timebase.Never
	case now < m.due() && !l.m.Ended():
		return m.due()
	case l.w.Room() < reserve:
		m.v.Coalesced++
		m.after = now + measureLeast
		return m.after
	}
	defer l.fault()
	l.seal()
	if m.v.From, m.v.Rates = m.from, m.rates(); m.record != 0 {
		m.v.Commit = max(m.v.Commit, now-m.at) // so far
	}
	body, err := l.m.AppendMeasures(l.buf[:0], l.next, &m.v)
	if err != nil {
		panic(err)
	}
	*m = measures{now: now, from: now, worst: m.worst, record: m.record, at: m.at, write: m.write, decided: m.decided, crowded: m.crowded}
	l.append(record.KindMeasures, l.next, body)
	return m.due()
}
