// Replay: the records of a journal fed to a fresh machine, every decision compared.

package batch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// Divergence says where a replay parts from its journal.
type Divergence struct {
	Seq  uint64 // number of the record
	Want string // what the journal holds; "" where it holds nothing
	Got  string // what the engine decides; "" where it decides nothing
}

// Error names the record and shows both sides.
func (d *Divergence) Error() string {
	switch {
	case d.Got == "":
		return fmt.Sprintf("batch: replay parts at record %d: the engine decides nothing, the journal holds %s", d.Seq, d.Want)
	case d.Want == "":
		return fmt.Sprintf("batch: replay parts at record %d: the journal lacks %s", d.Seq, d.Got)
	}
	return fmt.Sprintf("batch: replay parts at record %d:\n journal %s\n engine  %s", d.Seq, d.Want, d.Got)
}

// maxMono is a monotonic time that no clock reaches, 146 years after power-up; deadlines after it still fit.
const maxMono = 1 << 62

// ErrEngine says that the journal was written by another engine number.
var ErrEngine = errors.New("batch: another engine number")

// Replay feeds the records of a journal, in order, to a machine of the same batch and compares what it decides. Samples, where
// set, is called for every sample, before the machine takes it in.
type Replay struct {
	Machine   *Machine
	Inputs    int // events fed
	Decisions int // records compared
	Samples   func(at int64, ev *Event)

	before func() // for tests: called before every step

	want [][]byte // decisions that the journal must hold next
	fx   []Effect
	seq  uint64
	at   int64
}

// Replay makes a replay of the batch from its beginning.
func (b *Batch) Replay() *Replay { return &Replay{Machine: b.Start()} }

// Record takes in the next record. The error is a Divergence, wraps ErrEngine, or says why the record cannot be read.
func (r *Replay) Record(rec *record.Record) error {
	if r.seq++; rec.Seq() != r.seq {
		return fmt.Errorf("batch: record %d stands where %d should", rec.Seq(), r.seq)
	}
	switch rec.Kind.Spec().Grade {
	case record.Note:
		return nil
	case record.Decision:
		if len(r.want) == 0 {
			return &Divergence{Seq: r.seq, Want: string(rec.Body)}
		}
		if !bytes.Equal(r.want[0], rec.Body) {
			return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(r.want[0])}
		}
		r.want = r.want[1:]
		r.Decisions++
		return nil
	}
	if len(r.want) > 0 {
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(r.want[0])}
	}
	if rec.Kind == record.KindInputBlock {
		return r.block(rec)
	}
	ev, err := r.Machine.b.readInput(rec)
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	if (ev.Kind == Created || ev.Kind == Boot) && rec.Int(record.Engine) != Engine {
		return fmt.Errorf("%w: record %d was written by engine %d, this build is engine %d", ErrEngine, r.seq, rec.Int(record.Engine), Engine)
	}
	at := int64(rec.Count(record.TsMonoNS))
	again, err := r.Machine.AppendInput(nil, at, &ev)
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	if !bytes.Equal(again, rec.Body) {
		return &Divergence{Seq: r.seq, Want: string(rec.Body), Got: string(again)}
	}
	return r.step(at, &ev)
}

func (r *Replay) block(rec *record.Record) error {
	data, err := base64.StdEncoding.DecodeString(rec.Text(record.BlockData))
	if err != nil || rec.Int(record.BlockForm) != BlockForm {
		return fmt.Errorf("batch: record %d: block_form %d or its coding is unknown to this build", r.seq, rec.Int(record.BlockForm))
	}
	n := int64(0)
	err = Unpack(data, int64(rec.Count(record.FirstMonoNS)), len(r.Machine.b.Plan.Map.Tags), func(at int64, ev *Event) error {
		if len(r.want) > 0 {
			return &Divergence{Seq: r.seq + 1, Got: string(r.want[0])}
		}
		n++
		if ev.Seq = r.seq; ev.Kind == Tick {
			wake := r.Machine.Wake()
			if wake == timebase.Never {
				return errBlock
			}
			at = max(r.at, wake)
		}
		return r.step(at, ev)
	})
	if err != nil {
		return fmt.Errorf("batch: record %d: %w", r.seq, err)
	}
	if n != rec.Int(record.BlockEvents) || uint64(r.at) != rec.Count(record.TsMonoNS) {
		return fmt.Errorf("batch: record %d: its block holds %d events up to %d ns, the record says otherwise", r.seq, n, r.at)
	}
	return nil
}

func (r *Replay) step(at int64, ev *Event) error {
	if at < 0 || at > maxMono {
		return fmt.Errorf("batch: record %d: its stamp is beyond what a clock can show", r.seq)
	}
	if at < r.at && ev.Kind != Boot {
		return fmt.Errorf("batch: record %d: time runs backwards", r.seq)
	}
	if r.Samples != nil && ev.Kind == Sample {
		r.Samples(at, ev)
	}
	r.at = at
	r.Inputs++
	if r.before != nil {
		r.before()
	}
	r.fx = r.Machine.Step(at, ev, r.fx[:0])
	for i := range r.fx {
		if r.fx[i].Kind == Record {
			r.want = append(r.want, bytes.Clone(r.fx[i].Body))
		}
	}
	return nil
}

// Lacking returns the decisions that the inputs so far lead to and the journal does not hold: after a cut, those of its last
// input. They are what the journal must be continued with.
func (r *Replay) Lacking() [][]byte { return r.want }

// End says whether the journal holds all that its inputs lead to.
func (r *Replay) End() error {
	if len(r.want) > 0 {
		return &Divergence{Seq: r.seq + 1, Got: string(r.want[0])}
	}
	return nil
}
