// What people see, and what they order, against a manager that is none.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// stand is a manager that says what it is told to, and keeps what it was asked.
type stand struct {
	mu       sync.Mutex
	batches  api.Batches
	holdings api.Holdings
	events   chan api.Batch
	asked    []string
}

func (m *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == "GET" && r.URL.Path == "/v1/batches":
		api.Reply(w, &m.batches, nil)
	case r.Method == "GET" && r.URL.Path == "/v1/equipment":
		api.Reply(w, &m.holdings, nil)
	case r.URL.Path == "/v1/events":
		s := api.NewStream(w)
		for {
			select {
			case b := <-m.events:
				data, _ := json.Marshal(&b)
				_ = s.Send("batch", "", data)
			case <-r.Context().Done():
				return
			}
		}
	default:
		body, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		m.asked = append(m.asked, r.Method+" "+r.URL.Path+" "+strings.TrimSpace(string(body)))
		m.mu.Unlock()
		api.Reply(w, &api.Accepted{Batch: "B-0001", As: "local:7"}, nil)
	}
}

func TestAListShowsEveryBatchAsLostWhileTheManagerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &api.Memory{}
		m := &stand{batches: api.Batches{{ID: "B-0002", Life: api.Ready}, {ID: "B-0001", Life: api.Loading}}, events: make(chan api.Batch)}
		listener, err := n.Listen(api.Manager)
		require.NoError(t, err)
		serving, end := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- api.Serve(serving, listener, m) }()

		l, c := &list{}, n.Dial(api.Manager)
		ctx, stop := context.WithCancel(t.Context())
		followed := make(chan struct{})
		go func() { defer close(followed); l.follow(ctx, c, func(*api.Batch) {}) }()
		m.events <- api.Batch{ID: "B-0001", Life: api.Active, State: "Running"}
		synctest.Wait()
		all := l.all()
		require.Equal(t, []api.Life{api.Active, api.Ready}, []api.Life{all[0].Life, all[1].Life})

		end()
		<-served
		time.Sleep(quiet)
		synctest.Wait()
		for _, b := range l.all() {
			require.Equal(t, api.Lost, b.Life)
			require.Equal(t, "the manager does not answer", b.Reason)
		}
		stop()
		<-followed
		c.Close()
	})
}

func TestThePictureShowsTheBatchesAndWhoHasWhat(t *testing.T) {
	all := []api.Batch{
		{ID: "B-0001", Unit: "R101", Recipe: "CHARGE", Life: api.Active, State: "Running", Records: 41, Steps: []string{"FILL"}},
		{ID: "B-0002", Unit: "R101", Recipe: "RINSE", Life: api.LoadFailed, Reason: "no \x1b[2Jsuch recipe"},
	}
	held := []api.Holding{
		{Equipment: "R101", Batch: "B-0001", Step: "CHARGE", Token: 4, Since: "08:00", Waiting: []api.Waiting{{Batch: "B-0002"}, {Batch: "B-0003", Priority: 2}}},
		{Equipment: "R102"},
		{Equipment: "S901", Batch: "B-0009", Step: "WASH", Token: 2, Lost: true},
	}
	require.Equal(t, []string{
		"cell",
		"",
		batchHead,
		"B-0001        R101   CHARGE   Active       Running         41  FILL",
		"B-0002        R101   RINSE    Load Failed                   0  no ?[2Jsuch recipe",
		"",
		"R101   B-0001 CHARGE since 08:00, token 4; waits: B-0002, B-0003 (priority 2)",
		"R102   free",
		"S901   B-0009 WASH, token 2, Lost: it is kept until the batch is removed or restarted",
	}, (&screen{}).picture("cell", all, held, 100, 30))
	for _, r := range (&screen{}).picture("cell", all, held, 12, 4) {
		require.LessOrEqual(t, len(r), 12)
	}
	require.Len(t, (&screen{}).picture("cell", all, held, 12, 4), 4)
}

func TestThePictureOfSeveralBoardsHasAColumnForThem(t *testing.T) {
	all := []api.Batch{
		{ID: "n1.B-0001", Unit: "R101", Recipe: "CHARGE", Life: api.Active, State: "Running", Records: 41, Steps: []string{"FILL"}},
		{ID: "B-\x1b1", Life: api.Ended},
	}
	rows := (&screen{wide: true}).picture("cells", all, nil, 100, 30)
	require.Equal(t, []string{
		"NODE  BATCH         UNIT   RECIPE   LIFE         STATE      RECORDS  WHAT",
		"n1    B-0001        R101   CHARGE   Active       Running         41  FILL",
		"?     B-?1                          Ended                         0  ",
	}, rows[2:5])
}

func TestACommandIsOneCallOfTheAPI(t *testing.T) {
	dir := t.TempDir()
	n := api.Sockets(filepath.Join(dir, dirRun))
	require.NoError(t, layOut(dir))
	m := &stand{holdings: api.Holdings{{Equipment: "S901", Waiting: []api.Waiting{{Batch: "B-0001", ID: 3}}}}}
	l, err := n.Listen(api.Manager)
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, l, m) }()
	for line, asked := range map[string]string{
		"create RINSE -unit R102 -group PAIR=P-1 -start": `POST /v1/batches {"recipe_id":"RINSE","unit":"R102","groups":{"PAIR":"P-1"},"start":true}`,
		"tell B-0001 hold -reason leak":                  `POST /v1/batches/B-0001/commands {"reason":"leak","command":"hold"}`,
		"answer B-0001 4 yes":                            `POST /v1/batches/B-0001/answers {"prompt":4,"value":"yes"}`,
		"remove -force B-0001":                           `POST /v1/batches/B-0001/removal {"force":true}`,
		"restart B-0001 -cold":                           `POST /v1/batches/B-0001/restart {"cold":true}`,
		"release S901 -operator anna":                    `POST /v1/equipment/S901/release {"operator":"anna"}`,
		"reorder B-0001 S901 -place 2":                   `POST /v1/equipment/S901/queue {"batch_id":"B-0001","claim":3,"place":2}`,
	} {
		var out, wrong bytes.Buffer
		m.asked = nil
		require.Equal(t, exitOK, run(t.Context(), append(strings.Fields(line), "-dir", dir), &out, &wrong), wrong.String())
		require.Equal(t, []string{asked}, m.asked)
		require.Equal(t, "taken in, as local:7: B-0001\n", out.String())
	}
	for _, line := range []string{"fly", "tell B-0001", "list B-0001", "reorder B-0002 S901", "answer B-0001 x yes"} {
		var out, wrong bytes.Buffer
		require.NotEqual(t, exitOK, run(t.Context(), append(strings.Fields(line), "-dir", dir), &out, &wrong))
		require.NotEmpty(t, wrong.String())
	}
	end()
	require.NoError(t, <-served)
}
