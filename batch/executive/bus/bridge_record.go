// What becomes of the bus, on record.

package bus

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal/record"
)

// Limits of what is on record.
const (
	recordGap  = time.Second // between two records of the same object and result; those between are counted in the next
	maxObjects = 256         // different ones that are counted at a time; what is above it is counted as one of them
	maxBurst   = 8           // records within a quarter of recordGap; the others wait
)

// Recorder writes what it is told as bus_state records: the same within a second is one record, which says how often it was told. Nothing is left out
// but words: the newest detail stands for those before it.
type Recorder struct {
	led *ledger.Ledger

	mu    sync.Mutex
	list  map[event]*note
	order []event // those that are to be written, in the order in which they came
	wake  chan struct{}
}

// event is what makes two of them the same.
type event struct{ object, result string }

type note struct {
	detail string
	merged uint64    // that were told since the last record, but for one
	waits  bool      // it is to be written
	at     time.Time // of the last record
}

// NewRecorder returns the recorder of a ledger, such as that of the bus process. Run writes.
func NewRecorder(l *ledger.Ledger) *Recorder {
	return &Recorder{led: l, list: map[event]*note{}, wake: make(chan struct{}, 1)}
}

// Tell takes what is to go on record: for Options and BridgeOptions. It does not block.
func (r *Recorder) Tell(object, result, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := event{cut(object), cut(result)}
	t := r.list[k]
	if t == nil {
		if len(r.list) >= maxObjects {
			r.tidy()
		}
		if len(r.list) >= maxObjects { // whoever is refused under ever new names fills no disk
			k = event{"others", "refused"}
			t = r.list[k]
		}
	}
	if t == nil {
		t = &note{}
		r.list[k] = t
	}
	t.detail = cut(detail)
	if t.waits {
		t.merged++
		return
	}
	t.waits = true
	r.order = append(r.order, k)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// tidy forgets those that are on record and would not be merged any more; the caller holds mu.
func (r *Recorder) tidy() {
	for k, t := range r.list {
		if !t.waits && time.Since(t.at) >= recordGap {
			delete(r.list, k)
		}
	}
}

// Run writes until ctx ends, and then what is left. An error says that the ledger takes nothing more.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			_, err := r.write(maxObjects)
			return err
		}
		for left := 1; left > 0 && ctx.Err() == nil; {
			var err error
			if left, err = r.write(maxBurst); err != nil {
				return err
			}
			if left > 0 {
				rest(ctx, recordGap/4)
			}
		}
	}
}

// write writes those whose time has come, most at most, and tells how many wait. With maxObjects it writes all.
func (r *Recorder) write(most int) (left int, err error) {
	for _, k := range r.due(most) {
		r.mu.Lock()
		t := r.list[k]
		detail, merged := t.detail, t.merged
		t.waits, t.merged, t.at = false, 0, time.Now()
		r.mu.Unlock()
		_, err := r.led.Append(func(b *record.Body) {
			b.Begin(record.KindBusState)
			kind, id := object(k.object)
			b.Text(record.ObjectKind, kind)
			b.Text(record.ObjectID, id)
			b.Text(record.Result, k.result)
			if detail != "" {
				b.Text(record.Detail, detail)
			}
			if merged > 0 {
				b.Count(record.Coalesced, merged)
			}
		})
		if err != nil {
			return 0, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.order), nil
}

// due takes those off the list whose time has come.
func (r *Recorder) due(most int) (list []event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = slices.DeleteFunc(r.order, func(k event) bool {
		if len(list) >= most || most < maxObjects && time.Since(r.list[k].at) < recordGap {
			return false
		}
		list = append(list, k)
		return true
	})
	return list
}

// object is what is told as a record has it: "node n2" is node n2; a word alone, such as connection, is a thing of the bus; all else is a subject.
func object(text string) (kind, id string) {
	if kind, id, ok := strings.Cut(text, " "); ok && kind != "" && id != "" {
		return kind, id
	}
	if strings.Contains(text, ".") {
		return "subject", text
	}
	return "bus", text
}
