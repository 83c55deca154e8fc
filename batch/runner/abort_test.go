// Retries, aborts and requests for a trip, from the files to the records, replayed and taken up again after every record.

package runner

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// tripped is a tank that fills by 1 L/s, and a PLC that trips on request, unless it is deaf.
type tripped struct {
	tanks
	deaf  bool
	trips bool
}

func (s *tripped) Advance(now int64, emit func(tag.Raw)) {
	s.tanks.Advance(now, func(raw tag.Raw) {
		switch raw.Channel {
		case "di/1":
			raw.Bits = map[bool]uint64{true: 1}[s.trips]
		case "ai/2":
			return
		}
		emit(raw)
	})
}

func (s *tripped) Apply(now int64, w tag.Write) (int64, error) {
	done, err := s.tanks.Apply(now, w)
	s.trips = s.trips || w.Channel == "do/4" && w.Bits == 0 && !s.deaf
	return done, err
}

func (s *tripped) rest() *tripped {
	s.out[3] = true // the request is inverted: its wire is 1 at rest
	return s
}

// fill binds the batch of these tests.
func fill(t *testing.T, replace ...string) *batch.Batch {
	t.Helper()
	plan, err := batch.Load(replaced{os.DirFS("testdata/abort"), strings.NewReplacer(replace...)}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", batch.Unapproved, nil)
	require.NoError(t, err)
	return b
}

// aborts are the lines of what became of time-outs, aborts and outputs.
func aborts(list []*record.Record) string {
	var out strings.Builder
	for _, r := range list {
		line := ""
		switch r.Kind {
		case record.KindTimeout:
			line = fmt.Sprintf("%s times out: %s, %d, %s", r.Text(record.StepID), r.Text(record.TimeoutReason), r.Int(record.RetryCount), r.Text(record.Result))
		case record.KindStepState:
			if line = r.Text(record.StepID) + " " + r.Text(record.StepState); r.Has(record.RetryCount) {
				line += fmt.Sprintf(" %d", r.Int(record.RetryCount))
			}
		case record.KindOutputWrite:
			line = fmt.Sprintf("write %s %s, safe %t %s%s", r.Text(record.LogicalTag), r.Text(record.Value), r.Bool(record.SafeDirection),
				r.Text(record.SafeStateReason), r.Text(record.Detail))
		case record.KindDiagnostics:
			line = fmt.Sprintf("%s: %s\n    %s\n    %s", r.Text(record.Command), r.Text(record.Detail), strings.Join(r.Texts(record.ActiveSteps), "\n    "),
				strings.Join(r.Texts(record.Values), "\n    "))
		case record.KindTripRequest:
			line = fmt.Sprintf("trip %s = %s is %s after %s ms of %d %s", r.Text(record.LogicalTag), r.Text(record.Value), r.Text(record.Result),
				r.Text(record.ElapsedMS), r.Int(record.TimeoutMS), r.Text(record.Detail))
		case record.KindCommandResult:
			line = fmt.Sprintf("%s is %s", r.Text(record.Command), r.Text(record.Result))
		case record.KindBatchEnd:
			line = fmt.Sprintf("end %s %s %v", r.Text(record.BatchState), r.Text(record.Result), r.Texts(record.Values))
		}
		if line != "" {
			fmt.Fprintf(&out, "%8.3f s  %s\n", float64(r.Count(record.TsMonoNS))/1e9, line)
		}
	}
	return out.String()
}

func TestWhatATimeOutAndAnAbortLeaveInTheRecords(t *testing.T) {
	for _, c := range []struct {
		name    string
		deaf    bool
		replace []string
		tell    []Scheduled
	}{
		{name: "retry_succeeds"},
		{name: "retry_then_abort", replace: []string{">= 10 L", ">= 20 L"}},
		{name: "retry_then_hard_abort", replace: []string{">= 10 L", ">= 20 L", "then: abort", "then: hard_abort"}},
		{name: "hard_abort_of_an_abort", tell: []Scheduled{{At: 2 * second, Do: tell(sequencer.Abort, "")}, {At: 4 * second, Do: tell(sequencer.HardAbort, "")}}},
		{name: "hard_abort_of_a_deaf_plc", deaf: true, tell: []Scheduled{{At: 2 * second, Do: tell(sequencer.HardAbort, "")}}},
		{name: "hard_abort_while_held", tell: []Scheduled{{At: 2 * second, Do: tell(sequencer.Hold, "")}, {At: 4 * second, Do: tell(sequencer.HardAbort, "")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := (&tripped{deaf: c.deaf}).rest()
			list, _ := lives(t, fill(t, c.replace...), Rig{Port: port}, c.deaf, c.tell...)
			golden.Check(t, "testdata/abort/"+c.name+".golden", []byte(aborts(list)))
			require.Equal(t, strings.Contains(c.name, "hard"), !port.out[3], "the request stands at the end")
			require.Equal(t, [3]bool{}, [3]bool(port.out[:3]))
		})
	}
}

func TestABatchIsTakenUpAgainAfterEveryRecordOfAnAbort(t *testing.T) {
	for _, replace := range [][]string{{">= 10 L", ">= 20 L"}, {">= 10 L", ">= 20 L", "then: abort", "then: hard_abort"}} {
		b := fill(t, replace...)
		list, _ := lives(t, b, Rig{Port: (&tripped{}).rest()}, false)
		requested := slices.IndexFunc(list, func(r *record.Record) bool { return r.Kind == record.KindTripRequest })
		for n := range list {
			m := takenUp(t, b, list[:n+1])
			if m == nil {
				continue
			}
			again := &again{t: t, m: m, at: 1, bits: map[string]uint64{"do/4": 1}}
			again.run()
			require.True(t, m.Ended(), "after record %d the batch is %s", n+1, m.State())
			require.Equal(t, requested >= 0 && n >= requested || again.requested, m.Tripped(), "after record %d", n+1)
			for channel, bits := range again.bits {
				require.Equal(t, channel == "do/4" && !m.Tripped(), bits != 0, "after record %d: %s", n+1, channel)
			}
		}
	}
}

// takenUp is the machine that some records lead to, with the decisions that they lack; nil where nothing has begun or all is over.
func takenUp(t *testing.T, b *batch.Batch, list []*record.Record) *batch.Machine {
	replay := b.Replay()
	begun := false
	for _, r := range list {
		require.NoError(t, replay.Record(r))
		begun = begun || r.Kind == record.KindBoot
	}
	if !begun || replay.Machine.Ended() {
		return nil
	}
	return replay.Machine
}

// again takes a batch up again, on outputs that are at rest and devices that answer at once.
type again struct {
	t         *testing.T
	m         *batch.Machine
	at        int64
	bits      map[string]uint64
	requested bool
}

func (a *again) run() {
	now := int64(1)
	ev := batch.Event{Kind: batch.Boot, Epoch: 2, Recovery: "test", LossMS: -1, Observation: seeded{virtualUTC, &now}.Observe()}
	for _, id := range []tag.ID{0, 1, 2} {
		ev.Readback = append(ev.Readback, batch.Reading{Tag: id, Form: tag.Bool, Quality: tag.Good})
	}
	ev.Readback = append(ev.Readback, batch.Reading{Tag: 3, Form: tag.Bool, Bits: 1, Quality: tag.Good})
	a.step(&ev)
	a.step(&batch.Event{Kind: batch.Told, Command: sequencer.Start, Operator: "op1", Role: "operator", Reason: "test"})
	for n := 0; n < 3000 && !a.m.Ended(); n++ {
		if a.at >= 90*second {
			a.step(&batch.Event{Kind: batch.Told, Command: sequencer.Abort, Operator: "op1", Role: "operator", Reason: "test"})
		}
		for i, channel := range []string{"do/1", "do/2", "do/3", "do/4"} {
			a.step(&batch.Event{Kind: batch.Sample, Tag: tag.ID(i), Form: tag.Bool, Bits: a.bits[channel], Quality: tag.Good})
		}
		a.step(&batch.Event{Kind: batch.Sample, Tag: 5, Form: tag.Bool, Bits: 1 - a.bits["do/4"], Quality: tag.Good})
		for a.at += second / 10; !a.m.Ended() && a.m.Wake() <= a.at; {
			at := a.at
			a.at = a.m.Wake()
			a.step(&batch.Event{Kind: batch.Tick})
			a.at = at
		}
	}
}

func (a *again) step(ev *batch.Event) {
	if a.m.Ended() {
		return
	}
	for queue := []batch.Event{*ev}; len(queue) > 0; queue = queue[1:] {
		for _, e := range a.m.Step(a.at, &queue[0], nil) {
			switch {
			case e.Kind == batch.Write:
				a.bits[e.Write.Channel] = e.Write.Bits
				queue = append(queue, batch.Event{Kind: batch.Done, ID: e.Write.ID, OK: true, At: a.at})
			case e.Kind == batch.Record && e.Of == record.KindTripRequest:
				a.requested = true
			}
		}
	}
}
