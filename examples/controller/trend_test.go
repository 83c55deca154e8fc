// Values that are sent on, to receivers that are dead, slow, or back again, and what the batch knows of it.

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// course lists what a batch came to: the ends of its phases and metering windows, and its own. What a busy machine makes of it in between,
// such as a tag that is STALE for a moment and a hold for that, is not of it.
func course(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, r := range records(t, dir) {
		switch {
		case r.Kind == record.KindStepState && r.Text(record.StepState) == "end", r.Kind == record.KindWindowStop, r.Kind == record.KindBatchEnd:
			list = append(list, fmt.Sprint(r.Kind, " ", r.Text(record.StepID), " ", r.Text(record.MeterWindowID), " ", r.Text(record.PhaseState), " ",
				r.Text(record.BatchState)))
		}
	}
	slices.Sort(list) // branches go beside each other
	return list
}

func TestABatchIsTheSameWhetherItsValuesAreTakenOrNot(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	defer close(hang)
	var asked atomic.Int64
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked.Add(1) <= 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer back.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dead := "http://" + nobody.Addr().String()
	require.NoError(t, nobody.Close())
	script := restarts(t)
	outs := map[string][]string{"none": nil, "slow": {"-trend", slow.URL}, "back": {"-trend", back.URL}, "dead": {"-trend", dead}}
	type ended struct{ name, said string }
	ends := make(chan ended, len(outs))
	for name, args := range outs {
		cmd, said := process(t, append([]string{"-speed", "5", "-faults", script, "-out", name}, args...)...)
		go func() {
			err := cmd.Wait()
			ends <- ended{name, fmt.Sprint(said.String(), err)}
		}()
	}
	said := map[string]string{}
	for range outs {
		one := <-ends
		said[one.name] = one.said
	}
	for name := range outs {
		dir := filepath.Join(name, "B-0001")
		report, err := evidence.Verify(dir)
		require.NoError(t, err, said[name])
		require.True(t, report.OK(), "%s: %s\n%s", name, report.Verdict(), said[name])
		require.Equal(t, "Complete", report.State, said[name])
		require.Equal(t, course(t, filepath.Join("none", "B-0001")), course(t, dir), said[name])
		require.NotEmpty(t, of(records(t, dir), record.KindLinkState), "%s: what happened on the bus is on record", name)
		backlogs := of(records(t, dir), record.KindTelemetryBacklog)
		if name != "back" {
			require.Empty(t, backlogs, name)
			continue
		}
		require.NotEmpty(t, backlogs, "it has caught up\n%s", said[name])
		r := backlogs[0]
		require.Equal(t, trendSink, r.Text(record.DeviceID))
		require.Equal(t, r.Count(record.TelemetryBacklog), r.Count(record.TelemetryAcked))
		require.Zero(t, r.Count(record.TelemetryDropped))
		require.Contains(t, r.Text(record.Detail), "503")
	}
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
