// Values that are sent on, to receivers that are dead, slow, or back again, and what the batch knows of it.

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

// passing is the simulated plant of a run in virtual time, each value of which goes through a tap on its way to the run.
type passing struct {
	runner.Simulation
	tap  func(tag.Raw) // takes a value, and gives it to on
	on   func(tag.Raw)
	look func(now int64)
	led  chan struct{} // closed when tap is there
}

// Watch takes what a tap gives it.
func (p *passing) Watch(ctx context.Context, emit func(tag.Raw)) error {
	p.tap = emit
	close(p.led)
	<-ctx.Done()
	return ctx.Err()
}

// Advance is the plant's, through the tap.
func (p *passing) Advance(now int64, emit func(tag.Raw)) {
	p.look(now)
	p.on = emit
	p.Simulation.Advance(now, p.tap)
}

// receivers are what values are sent to. Each has an address, tells how often it was asked, and ends with the test.
func receivers(t *testing.T) (addresses map[string]string, asked map[string]*atomic.Int64) {
	t.Helper()
	asked = map[string]*atomic.Int64{"slow": {}, "back": {}}
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked["slow"].Add(1)
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(hang) })
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked["back"].Add(1) <= 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(back.Close)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dead := "http://" + nobody.Addr().String()
	require.NoError(t, nobody.Close())
	return map[string]string{"slow": slow.URL, "back": back.URL, "dead": dead}, asked
}

// No clock of the machine is an input of a virtual batch, so that load changes nothing in it: every record is held against the one without a tap.
func TestEveryRecordIsTheSameWhateverBecomesOfTheValuesThatPass(t *testing.T) {
	workplace(t)
	done(t, "-virtual", "-unapproved", "-seed", "7", "-out", "none")
	want, err := os.ReadFile("none/B-0001/events.tsv")
	require.NoError(t, err)
	to, asked := receivers(t)
	for name, url := range to {
		f := &flags{out: name, operator: "demo", unapproved: true, virtual: true, seed: 7, speed: 1000, trend: url, given: map[string]bool{}}
		j, err := choose(f, io.Discard)
		require.NoError(t, err)
		plant, half := &passing{Simulation: sim.NewPlant(j.b.Seed), led: make(chan struct{})}, false
		plant.look = func(now int64) {
			if half || now < int64(20*time.Second) || asked[name] == nil {
				return
			}
			half = true // in mid-batch it has been asked, and those that are back take all from now on
			require.Eventually(t, func() bool { return asked[name].Load() > 0 && (name != "back" || asked[name].Load() > 6) }, 20*time.Second, 5*time.Millisecond)
		}
		tapped, sender, ring, err := newTap(f, j.b.Plan.Map, &runner.Rig{Port: plant, Clock: system.NewClock(f.speed)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var beside sync.WaitGroup
		beside.Go(func() { _ = sender.Run(ctx) })
		beside.Go(func() { _ = tapped.Watch(ctx, func(r tag.Raw) { plant.on(r) }) })
		<-plant.led
		_, err = runner.Run(ctx, j.b, runner.Rig{Port: plant, Dir: j.dir}, &runner.Options{Virtual: &runner.Virtual{}, Ask: f.automatic})
		require.NoError(t, err)
		taken := ring.Stats().Taken
		cancel()
		beside.Wait()
		require.NoError(t, ring.Close())
		require.Greater(t, taken, uint64(100), "%s: the values went through the tap", name)
		is, err := os.ReadFile(filepath.Join(j.dir, "events.tsv"))
		require.NoError(t, err)
		require.Equal(t, string(want), string(is), name)
	}
}

func TestABatchWhoseReceiverComesBackHasOnRecordWhatWaited(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	to, _ := receivers(t)
	cmd, said := process(t, "-speed", "5", "-faults", restarts(t), "-out", "out", "-trend", to["back"])
	require.NoError(t, cmd.Wait(), said)
	dir := filepath.Join("out", "B-0001")
	report, err := evidence.Verify(dir)
	require.NoError(t, err, said)
	require.True(t, report.OK(), "%s\n%s", report.Verdict(), said)
	require.Equal(t, "Complete", report.State, said)
	all := records(t, dir)
	require.Positive(t, ups(all, "PLC-301"), "what the bus tells is on record, tap or not")
	backlogs := of(all, record.KindTelemetryBacklog)
	require.NotEmpty(t, backlogs, "it has caught up\n%s", said)
	r := backlogs[0]
	require.Equal(t, trendSink, r.Text(record.DeviceID))
	require.Equal(t, r.Count(record.TelemetryBacklog), r.Count(record.TelemetryAcked))
	require.Zero(t, r.Count(record.TelemetryDropped))
	require.Contains(t, r.Text(record.Detail), "503")
}

// bus is a port that tells of its bus.
type bus struct {
	tag.Port
	to func(fieldbus.Event)
}

// Report implements runner.Reporter.
func (b *bus) Report(to func(fieldbus.Event)) { b.to = to }

func TestWhatHappensOnABusIsToldThoughItsValuesAreTaken(t *testing.T) {
	b := &bus{}
	p := &tapped{Tap: &trend.Tap{Port: &wire{Port: b}}} // as the plant stands behind a tap
	var told []fieldbus.EventKind
	p.Report(func(ev fieldbus.Event) { told = append(told, ev.Kind) })
	require.NotNil(t, b.to, "nobody asks the bus what happens on it")
	b.to(fieldbus.Event{Kind: fieldbus.LinkChanged})
	p.tell(fieldbus.Event{Kind: fieldbus.LinkChanged})
	require.Len(t, told, 2, "of the bus and of the sender")
}

func TestAnAddressThatCannotBePostedToIsRefusedBeforeAnythingBegins(t *testing.T) {
	workplace(t)
	for args, want := range map[[2]string]string{
		{"-trend", "ftp://x"}:            "give one such as https://",
		{"-trend", "unix:"}:              "names no socket",
		{"-virtual", "-trend=http://x/"}: "-trend and -virtual",
		{"-batch", "trend"}:              "that directory below -out is no batch's",
	} {
		out := controller(args[0], args[1])
		require.Equal(t, exitUsage, out.code, out)
		require.Contains(t, out.err, want)
	}
	require.NoDirExists(t, "out")
}
