// Tests of commands: in whose name they are carried, which are, and what becomes of those that are said again.

package bus

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// start is an order.
func start(id string) *Request {
	return &Request{ID: id, Method: "POST", Path: "/v1/batches/n1.B-1/commands", Body: []byte(`{"command":"start","reason":"it is time"}`)}
}

const started = "POST /v1/batches/n1.B-1/commands nats:anna/operator start"

// office is a board with a bridge, and anna, who may command there.
func office(t *testing.T) (s *stub, anna *Conn, end func()) {
	t.Helper()
	url, _ := served(t, "127.0.0.1:0")
	s = newStub(t, "n1")
	b, end := bridged(t, s, &Options{URL: url}, &BridgeOptions{Tell: s.tell, Users: map[string]string{"anna": "operator"}})
	require.NoError(t, b.c.nc.Flush())
	anna = connected(t, &Options{URL: url, User: "anna"})
	soon(t, func() bool {
		_, err := anna.Ask(t.Context(), "n1", &Request{Method: "GET", Path: "/v1/self"})
		return err == nil
	}, "the bridge answers")
	return s, anna, end
}

// refusedWith asks and wants to be refused.
func refusedWith(t *testing.T, c *Conn, r *Request, status int, why string) {
	t.Helper()
	_, err := c.Ask(t.Context(), "n1", r)
	var no *api.Error
	require.ErrorAs(t, err, &no)
	require.Equal(t, status, no.Status, no.Message)
	require.ErrorContains(t, err, why)
}

func TestAnOrderIsCarriedInTheNameOfItsSubjectWithTheRoleOfTheBridge(t *testing.T) {
	s, anna, _ := office(t)
	a, err := anna.Ask(t.Context(), "n1", start(""))
	require.NoError(t, err)
	require.Equal(t, 200, a.Status)
	require.JSONEq(t, `{"batch_id":"n1.B-1","as":"nats:anna"}`, string(a.Body))
	require.Equal(t, []string{started}, s.ordered())
	for _, body := range []string{`{"command":"start","operator":"local:0"}`, `{"command":"start","role":"admin"}`, `{"command":"start","OPERATOR":"x"}`} {
		refusedWith(t, anna, &Request{Method: "POST", Path: "/v1/batches/n1.B-1/commands", Body: []byte(body)}, http.StatusForbidden, "said by the subject")
	}
	require.True(t, s.heard("cmd.n1.anna refused POST /v1/batches/n1.B-1/commands: it said to be operator"))
	require.Equal(t, []string{started}, s.ordered())
	refusedWith(t, anna, &Request{Method: "POST", Path: "/v1/batches/n1.B-1/commands", Body: []byte(`{"command":"nonsense"}`)}, http.StatusConflict, "no such command")
}

func TestWhoHasNoRoleIsCarriedWithoutOneAndSeesNothing(t *testing.T) {
	s, anna, _ := office(t)
	bert := connected(t, &Options{URL: anna.opt.URL, User: "bert"})
	refusedWith(t, bert, &Request{Method: "GET", Path: "/v1/batches"}, http.StatusForbidden, "user bert has no role at this node")
	_, err := bert.Ask(t.Context(), "n1", start("")) // the manager refuses it, on its record; this one does not
	require.NoError(t, err)
	require.Equal(t, []string{"POST /v1/batches/n1.B-1/commands nats:bert/ start"}, s.ordered())
}

func TestOnlyWhatClientsMayAskIsCarried(t *testing.T) {
	s, anna, _ := office(t)
	for _, path := range []string{"/v1/claims", "/v1/releases", "/v1/messages", "/v1/nodes", "/v1/fences", "/v1/port", "/v1/batches/../nodes/commands", "/v1/batches//commands",
		"/v1/batches/n1.B-1/commands?x=1", "/v1/batches/n1.B-1/commands/", "/v1/batches/a%2Fb/commands", "/v1/batches/manager/commands", "http://x/v1/batches", ""} {
		refusedWith(t, anna, &Request{Method: "POST", Path: path, Body: []byte(`{}`)}, http.StatusNotFound, "cannot be asked by the bus")
	}
	for _, path := range []string{"/v1/events", "/v1/rulings", "/v1/batches/n1.B-1/records", "/v1/wire", "/v1/batches?x"} {
		refusedWith(t, anna, &Request{Method: "GET", Path: path}, http.StatusNotFound, "cannot be asked by the bus")
	}
	refusedWith(t, anna, &Request{Method: "DELETE", Path: "/v1/batches/n1.B-1"}, http.StatusNotFound, "cannot be asked by the bus")
	refusedWith(t, anna, &Request{Method: "GET", Path: "/v1/batches", Body: []byte(`{}`)}, http.StatusBadRequest, "takes no body")
	require.Empty(t, s.ordered())
	s.set(func() { s.list = []api.Batch{{ID: "n1.B-1", Life: api.Ready}} })
	a, err := anna.Ask(t.Context(), "n1", &Request{Method: "GET", Path: "/v1/batches"})
	require.NoError(t, err)
	var list api.Batches
	require.NoError(t, json.Unmarshal(a.Body, &list))
	require.Equal(t, "n1.B-1", list[0].ID)
}

func TestWhatIsMalformedIsRefused(t *testing.T) {
	s, anna, _ := office(t)
	for text, why := range map[string]string{
		`{`: "unexpected EOF", `[]`: "cannot unmarshal", `{"method":"GET","path":"/v1/self","x":1}`: "unknown field", `{"method":"GET","path":"/v1/self"} {}`: "more stands behind",
		`{"id":"a b","method":"GET","path":"/v1/self"}`:                                                      `id "a b"`,
		`{"method":"POST","path":"/v1/batches/n1.B-1/commands","body":{"command":"start","command":"stop"}}`: "is there twice",
		`{"method":"POST","path":"/v1/batches/n1.B-1/commands","body":{"command":"start","force":true}}`:     "unknown field",
		`{"method":"POST","path":"/v1/batches/n1.B-1/commands","body":{}}`:                                   "command is missing",
		`{"method":"POST","path":"/v1/batches/n1.B-1/commands"}`:                                             "no JSON object",
	} {
		m, err := anna.nc.Request("cmd.n1.anna", []byte(text), 10*time.Second)
		require.NoError(t, err)
		var a Answer
		require.NoError(t, json.Unmarshal(m.Data, &a))
		require.Equal(t, http.StatusBadRequest, a.Status, text)
		require.Contains(t, string(a.Body), strings.ReplaceAll(why, `"`, `\"`))
	}
	m, err := anna.nc.Request("cmd.n1.anna", make([]byte, MaxRequest+1), 10*time.Second)
	require.NoError(t, err)
	require.Contains(t, string(m.Data), "at most 262144 are taken")
	_, err = anna.Ask(t.Context(), "n1", &Request{Method: "POST", Path: "/x", Body: []byte(`"` + strings.Repeat("x", MaxRequest) + `"`)})
	require.ErrorContains(t, err, "at most 262144 are taken")
	require.Empty(t, s.ordered())
}

func TestAnAnswerGoesNowhereButToTheInboxOfItsUser(t *testing.T) {
	s, anna, _ := office(t)
	sub, err := anna.nc.SubscribeSync("arb.log.plant")
	require.NoError(t, err)
	data, err := json.Marshal(start(""))
	require.NoError(t, err)
	for _, reply := range []string{"arb.log.plant", "_INBOX.n2.x", "_INBOX.annabel.x"} {
		require.NoError(t, anna.nc.PublishRequest("cmd.n1.anna", reply, data))
	}
	require.NoError(t, anna.nc.Publish("cmd.n1.anna", data))
	_, err = anna.Ask(t.Context(), "n1", &Request{Method: "GET", Path: "/v1/self"}) // comes behind them
	require.NoError(t, err)
	require.Empty(t, s.ordered())
	n, _, err := sub.Pending()
	require.NoError(t, err)
	require.Zero(t, n)
	require.True(t, s.heard(`cmd.n1.anna refused its answer is wanted at "arb.log.plant"`))
}

func TestTheSameOrderIsCarriedOutOnceAndAnsweredEachTime(t *testing.T) {
	t.Parallel()
	s, anna, end := office(t)
	first, err := anna.Ask(t.Context(), "n1", start("order-1"))
	require.NoError(t, err)
	r := start("order-1")
	r.Life = first.Life
	again, err := anna.Ask(t.Context(), "n1", r)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Len(t, s.ordered(), 1)
	r.Body = []byte(`{"command":"stop"}`)
	refusedWith(t, anna, r, http.StatusConflict, "another request had this id")
	bert := connected(t, &Options{URL: anna.opt.URL, User: "bert"})
	_, err = bert.Ask(t.Context(), "n1", start("order-1"))
	require.NoError(t, err)
	require.Len(t, s.ordered(), 2, "ids are a user's own")

	end() // another bridge does not know, and says so
	bridged(t, s, &Options{URL: anna.opt.URL}, &BridgeOptions{Users: map[string]string{"anna": "operator"}})
	r = start("order-1")
	r.Life = first.Life
	soon(t, func() bool {
		_, err := anna.Ask(t.Context(), "n1", r)
		var no *api.Error
		return errors.As(err, &no) && no.Status == http.StatusConflict
	}, "it is told that the bridge was started anew")
	require.Len(t, s.ordered(), 2)
}

func TestWhoAsksAgainWhileItIsUnderWayGetsTheAnswerOfTheFirst(t *testing.T) {
	t.Parallel()
	s, anna, _ := office(t)
	s.mu.Lock()
	s.hold = make(chan struct{})
	s.mu.Unlock()
	answers := make(chan *Answer, 3)
	for range 3 {
		go func() {
			a, err := anna.Ask(t.Context(), "n1", start("order-1"))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	soon(t, func() bool { return len(s.ordered()) == 1 }, "the first is under way")
	close(s.hold)
	first := <-answers
	require.Equal(t, first, <-answers)
	require.Equal(t, first, <-answers)
	require.Len(t, s.ordered(), 1)
}

func TestOneUserDoesNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	s, anna, _ := office(t)
	s.mu.Lock()
	s.hold = make(chan struct{})
	s.mu.Unlock()
	defer close(s.hold)
	for range perUser {
		go func() { _, _ = anna.Ask(t.Context(), "n1", start("")) }()
	}
	soon(t, func() bool { return len(s.ordered()) == perUser }, "as many as may are under way")
	refusedWith(t, anna, start(""), http.StatusTooManyRequests, "4 requests of this user are under way")
	bert := connected(t, &Options{URL: anna.opt.URL, User: "bert"})
	go func() { _, _ = bert.Ask(t.Context(), "n1", start("")) }()
	soon(t, func() bool { return len(s.ordered()) == perUser+1 }, "another one is carried")
}

func TestAnOrderThatNobodyTookMayBeGivenAgain(t *testing.T) {
	t.Parallel()
	s, anna, end := office(t)
	s.stop()
	refusedWith(t, anna, start("order-1"), http.StatusServiceUnavailable, "it was not carried out")
	s.start()
	_, err := anna.Ask(t.Context(), "n1", start("order-1"))
	require.NoError(t, err)
	require.Equal(t, []string{started}, s.ordered())
	end()
	refusedWith(t, anna, start("order-1"), http.StatusServiceUnavailable, "no bus process of node n1 is there")
}

func TestAnOrderWhoseManagerDiedIsOfUnknownOutcomeAndNotGivenAgain(t *testing.T) {
	s, anna, _ := office(t)
	s.mu.Lock()
	s.hold = make(chan struct{})
	s.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		_, err := anna.Ask(t.Context(), "n1", start("order-1"))
		done <- err
	}()
	soon(t, func() bool { return len(s.ordered()) == 1 }, "it is under way")
	s.stop()
	err := <-done
	var no *api.Error
	if errors.As(err, &no) { // nobody knows, or it was answered at the last moment
		require.Equal(t, http.StatusBadGateway, no.Status, no.Message)
		require.ErrorContains(t, err, "nobody knows whether it was carried out")
	}
	s.mu.Lock()
	s.hold = nil
	s.mu.Unlock()
	s.start()
	_, again := anna.Ask(t.Context(), "n1", start("order-1"))
	require.Equal(t, err, again)
	require.Len(t, s.ordered(), 1)
}

func TestRequestsAreRememberedForAWhileAndBounded(t *testing.T) {
	m := newMemory()
	require.True(t, m.enter("anna"))
	for i := range remembered + 10 {
		k, first, err := m.first("anna", NewID(), [32]byte{byte(i)})
		require.NoError(t, err)
		require.True(t, first)
		m.done("anna", "", k, &Answer{}, true)
	}
	m.leave("anna")
	require.Len(t, m.users["anna"].list, remembered)
	for _, k := range m.users["anna"].list {
		k.at = k.at.Add(-2 * rememberFor)
	}
	require.True(t, m.enter("anna"))
	m.leave("anna")
	require.Empty(t, m.users)
	for range perUser {
		require.True(t, m.enter("anna"))
	}
	require.False(t, m.enter("anna"))
}
