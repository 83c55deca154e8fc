// Tests of the tap, and of the web address.

package trend_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// script is a port that emits what it holds.
type script []tag.Raw

func (s script) Watch(_ context.Context, emit func(tag.Raw)) error {
	for _, r := range s {
		emit(r)
	}
	return nil
}

func (script) Write(context.Context, tag.Write) error { return errAway }

// noon is a wall clock that says when it is noon.
type noon struct{ asked int }

func (n *noon) Observe() timebase.Observation {
	n.asked++
	return timebase.Observation{Mono: 1000, UTC: 1_000_000, Sync: timebase.NTPSync}
}

func TestATapKeepsWhatIsWantedAndPassesEverythingOn(t *testing.T) {
	second := int64(time.Second)
	var port script
	for n := range int64(100) {
		quality := tag.Good
		if n >= 50 {
			quality = tag.Bad
		}
		at := 1000 + n*second/10
		port = append(port, tag.Raw{Channel: "di/1", Bits: uint64(n / 20 % 2), Quality: quality, At: at},
			tag.Raw{Channel: "ai/1", Form: tag.Int, Bits: uint64(n), Quality: tag.Good, At: at}, tag.Raw{Channel: "ai/2", Bits: 1, Quality: tag.Good, At: at},
			tag.Raw{Channel: "ai/3", Form: tag.Int, Bits: uint64(n), Quality: tag.Good, At: at}, tag.Raw{Channel: "ai/4", Bits: 1, Quality: tag.Good, At: at})
	}
	r, wall := open(t, journaltest.NewDisk()), &noon{}
	tap, err := trend.NewTap(port, r, system.NewClock(1), wall, map[string]trend.Keep{
		"di/1": {Change: true}, "ai/1": {Every: time.Second}, "ai/2": {Change: true, Every: 4 * time.Second}, "ai/4": {}})
	require.NoError(t, err)
	passed := 0
	require.NoError(t, tap.Watch(t.Context(), func(raw tag.Raw) {
		require.Equal(t, port[passed], raw)
		passed++
	}))
	require.Len(t, port, passed)
	require.ErrorIs(t, tap.Write(t.Context(), tag.Write{}), errAway)
	require.Equal(t, port, tap.Unwrap())
	require.NoError(t, r.Flush(0))
	list, err := all(r)
	require.NoError(t, err)
	count := map[string]int{}
	for _, one := range list {
		count[one.Channel]++
		require.Equal(t, one.Mono+999_000, one.UTC)
		require.Equal(t, one.Quality == tag.Good, one.Status == fieldbus.StatusGood)
	}
	require.Equal(t, map[string]int{"di/1": 6, "ai/1": 10, "ai/2": 3, "ai/4": 100}, count)
	require.LessOrEqual(t, wall.asked, len(port))
}

func TestATapNeverHoldsAPortUp(t *testing.T) {
	port := make(script, 3*trend.MaxQueue)
	for i := range port {
		port[i] = tag.Raw{Channel: "ai/1", Quality: tag.Good}
	}
	r := open(t, journaltest.NewDisk())
	tap, err := trend.NewTap(port, r, system.NewClock(1), nil, map[string]trend.Keep{"ai/1": {}})
	require.NoError(t, err)
	require.NoError(t, tap.Watch(t.Context(), func(tag.Raw) {}))
	n := r.Stats()
	require.Equal(t, uint64(3*trend.MaxQueue), n.Taken)
	require.Equal(t, uint64(trend.MaxQueue), n.Waiting)
	require.Equal(t, uint64(2*trend.MaxQueue), n.Shed)
	require.NoError(t, r.Close())
	require.False(t, r.Put(sampleOf(1)))
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	for _, o := range []trend.Options{{Segment: 1}, {Segment: trend.MaxSegment + 1}, {Budget: 1}, {Budget: -1}, {Sync: -1}} {
		o.Storage = journaltest.NewDisk()
		_, err := trend.Open("ring", &o)
		require.ErrorContains(t, err, `trend: ring "ring": Budget `)
	}
	r := open(t, journaltest.NewDisk())
	for _, s := range []trend.Sample{{}, {Channel: strings.Repeat("x", trend.MaxChannel+1)}, {Channel: "\xff"}, {Channel: "a", Form: 9}, {Channel: "a", Quality: 9}} {
		require.False(t, r.Put(s))
	}
	require.Zero(t, r.Stats().Taken)
	for _, k := range []map[string]trend.Keep{{"": {}}, {"a": {Every: -1}}} {
		_, err := trend.NewTap(script{}, r, system.NewClock(1), nil, k)
		require.Error(t, err)
	}
	for _, o := range []trend.SenderOptions{{Batch: -1}, {Batch: trend.MaxBatch + 1}, {Rate: -1}, {Poll: -1}, {Timeout: -1}} {
		_, err := trend.NewSender("x", r, &historian{}, system.NewClock(1), &o)
		require.ErrorContains(t, err, `trend: sink "x": `)
	}
	_, err := trend.NewSender("", r, &historian{}, system.NewClock(1), nil)
	require.ErrorContains(t, err, "trend: cursor of sink")
	for _, address := range []string{"", "historian:80", "ftp://historian/x", "http://", "http://%zz"} {
		_, err := trend.NewLines(address, nil)
		require.ErrorContains(t, err, "trend: address ")
	}
}

// server keeps lines as a historian that speaks HTTP would: each number once.
type server struct {
	mu     sync.Mutex
	status []int // of the next answers; then 204
	has    float64
	lines  []map[string]any
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := http.StatusNoContent
	if len(s.status) > 0 {
		status, s.status = s.status[0], s.status[1:]
	}
	body := bufio.NewScanner(r.Body)
	for body.Scan() && status != http.StatusServiceUnavailable {
		var one map[string]any
		if err := json.Unmarshal(body.Bytes(), &one); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if n := one["seq"].(float64); n > s.has {
			s.has = n
			s.lines = append(s.lines, one)
		}
	}
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "so it is")
}

func TestLinesArriveOnceWhateverTheServerAnswers(t *testing.T) {
	s := &server{status: []int{503, 500, 302, 204}} // 500: it has kept them, and says otherwise
	web := httptest.NewServer(s)
	defer web.Close()
	sink, err := trend.NewLines(web.URL+"/samples", nil)
	require.NoError(t, err)
	batch := []trend.Sample{
		{Seq: 3, Channel: "a\"\\\n\u2028ü", Form: tag.Float32, Bits: 0x41AC0000, Quality: tag.Good, Mono: 1 << 62, UTC: -5},
		{Seq: 4, Channel: "b", Form: tag.Int, Bits: 1 << 60}, {Seq: 6, Channel: "c", Form: tag.Float64, Bits: 0x7FF8000000000000},
		{Seq: 7, Channel: "d", Bits: 1, Status: fieldbus.StatusNotConnected}, {Seq: 8, Channel: "e", Form: tag.Int, Bits: 1<<64 - 2}}
	for _, want := range []string{`it answers 503 Service Unavailable: "so it is"`, "it answers 500", "it answers 302"} {
		acked, err := sink.Send(t.Context(), batch)
		require.ErrorContains(t, err, want)
		require.Zero(t, acked)
	}
	acked, err := sink.Send(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, uint64(8), acked)
	require.Len(t, s.lines, 5)
	require.Equal(t, map[string]any{"seq": 3.0, "channel": "a\"\\\n\u2028ü", "value": 21.5, "form": "float32", "bits": "41ac0000", "quality": "GOOD",
		"status": 0.0, "mono_ns": "4611686018427387904", "utc_ns": "-5"}, s.lines[0])
	for i, want := range []any{21.5, nil, nil, true, -2.0} {
		require.Equal(t, want, s.lines[i]["value"], i)
	}
	web.Close()
	_, err = sink.Send(t.Context(), batch)
	require.Error(t, err)
}
