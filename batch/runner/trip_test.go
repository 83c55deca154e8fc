// The request for a trip where there is more at stake than the batch: evidence fails, devices refuse, the controller is told to stop.

package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// withTrip runs fn on the site of the demo, on which the horn requests a trip and no recipe sounds it.
func withTrip(t *testing.T, fn func(s *site)) {
	inBubble(t, func(s *site) {
		dir, files := os.DirFS("../../examples/controller/demo"), fstest.MapFS{}
		for _, name := range [...]string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
			data, err := fs.ReadFile(dir, name)
			require.NoError(s.t, err)
			text := strings.NewReplacer(", HA301: silent}", "}", "set: {HA301: sounding}", "mark: horn", "set: {HA301: silent}", "mark: no horn").
				Replace(string(data))
			if name == "map.yaml" {
				text += "\ntrip_request: {tag: HA301, value: sounding, within: 2 s}\n"
			}
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		p, err := batch.Load(files, "recipe.yaml", "map.yaml", nil)
		require.NoError(s.t, err)
		s.b, err = p.Bind("B-0001", "", batch.Unapproved, nil)
		require.NoError(s.t, err)
		fn(s)
	})
}

// atRest tells that every output but the horn has its safe value.
func (s *site) atRest() {
	for _, o := range []string{"do/1", "do/2", "do/3", "do/4", "do/5", "do/6", "do/7"} {
		require.Zero(s.t, s.plant.Output(o), o)
	}
}

func TestAHardAbortRequestsATripThatTheNextBatchTakesBack(t *testing.T) {
	withTrip(t, func(s *site) {
		s.tell(4*second, sequencer.HardAbort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		s.whole(res)
		s.atRest()
		require.EqualValues(t, 1, s.plant.Output("do/8"))
		last := s.of(record.KindTripRequest)
		require.Equal(t, "confirmed", last[len(last)-1].Text(record.Result))
		require.Less(t, s.clock.Now(), 7*second, "the end waits until it reads back and no longer")

		s.disk = &disk{memory: newMemory(), safe: newMemory(), clock: s.clock}
		s.opt.Storage, s.opt.Schedule, s.bodies, s.list = s.disk, nil, nil, nil
		s.tell(4*second, sequencer.Abort)
		_, err = s.run()
		require.NoError(t, err)
		require.Zero(t, s.plant.Output("do/8"))
		first := s.of(record.KindOutputWrite)[0]
		require.Equal(t, []string{"HA301", "silent", "boot"},
			[]string{first.Text(record.LogicalTag), first.Text(record.Value), first.Text(record.SafeStateReason)})
	})
}

func TestARequestForATripStandsThoughEvidenceFails(t *testing.T) {
	withTrip(t, func(s *site) {
		s.disk.sick, s.disk.bad = 4*second, errors.New("medium error")
		s.tell(4*second, sequencer.HardAbort)
		_, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		s.atRest()
		require.EqualValues(t, 1, s.plant.Output("do/8"))
	})
}

func TestNoTripIsRequestedWhereEvidenceFailsAndTheOutputsAreSafe(t *testing.T) {
	withTrip(t, func(s *site) {
		s.disk.sick, s.disk.bad = 4*second, errors.New("medium error")
		_, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		s.safe()
	})
}

func TestATripIsRequestedWhereEvidenceFailsAndAnOutputCannotBeMadeSafe(t *testing.T) {
	withTrip(t, func(s *site) {
		s.disk.sick, s.disk.bad = 5*second, errors.New("medium error")
		require.NoError(t, s.plant.Fault(sim.Fault{Kind: sim.Refuse, Channel: "do/2", At: 4 * second, For: time.Hour}))
		_, err := s.run()
		require.ErrorIs(t, err, ErrEvidence)
		require.ErrorContains(t, err, "a trip was requested by HA301")
		require.EqualValues(t, 1, s.plant.Output("do/8"))
	})
	withTrip(t, func(s *site) {
		s.disk.sick, s.disk.bad = 5*second, errors.New("medium error")
		for _, channel := range []string{"do/2", "do/8"} {
			require.NoError(t, s.plant.Fault(sim.Fault{Kind: sim.Refuse, Channel: channel, At: 4 * second, For: time.Hour}))
		}
		_, err := s.run()
		require.ErrorContains(t, err, "nor could a trip be requested by HA301")
	})
}

func TestARequestThatMayStandIsNotTakenBackWithoutABatch(t *testing.T) {
	withTrip(t, func(s *site) {
		for _, channel := range []string{"do/1", "do/8"} {
			require.NoError(t, s.plant.Write(s.ctx, tag.Write{Channel: channel, Form: tag.Bool, Bits: 1}))
		}
		require.NoError(t, MakeSafe(s.ctx, s.b.Plan.Map, Rig{Port: s.wires, Clock: s.clock}))
		s.atRest()
		require.EqualValues(t, 1, s.plant.Output("do/8"))
	})
}

func TestARunThatIsToldToStopAbortsSoftly(t *testing.T) {
	withTrip(t, func(s *site) {
		ctx, cancel := context.WithCancel(s.ctx)
		s.ctx = ctx
		s.at(4*second, func(*Runner) { cancel() })
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.Equal(t, "abort", s.of(record.KindDiagnostics)[0].Text(record.Command))
		require.Empty(t, s.of(record.KindTripRequest))
		s.safe()
	})
}

func TestARequestForATripGetsPastAWriteThatHangs(t *testing.T) {
	withTrip(t, func(s *site) {
		s.wires.hang["do/1"] = span{4 * second, 8 * second}
		s.tell(4*second, sequencer.Abort)
		s.tell(4*second+300_000_000, sequencer.HardAbort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		s.whole(res)
		s.atRest()

		request := s.wires.to("do/8")
		last := request[len(request)-1]
		require.EqualValues(t, 1, last.Bits)
		require.Equal(t, int64(4300), millis(last.begin))
		var closing []int64 // of the valve whose write hangs
		for _, c := range s.wires.to("do/1") {
			if c.begin >= 4*second {
				closing = append(closing, millis(c.begin))
			}
		}
		require.Equal(t, []int64{4000, 4304, 6804}, closing[:3], "it is begun anew once the request is made, and has its time")
		require.Len(t, s.of(record.KindOutputFault), len(closing)-2, "what was cut short is not said to have failed")
	})
}
