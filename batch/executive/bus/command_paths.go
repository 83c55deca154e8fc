// What may be asked by the bus, and what of it was asked already.

package bus

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// way is one thing that may be asked.
type way struct {
	method, path string // * in a path is an identifier
	runtime      bool   // the runtime server answers it
	again        bool   // the bridge does: it says all its run-time data again, for who has just come
	body         func() (api.Body, *api.Order)
}

// ways are all that may be asked by the bus. What runners say to their manager is not among them, nor what nodes do, nor any stream: those are
// run-time data.
var ways = []way{
	{method: "GET", path: "/v1/self"},
	{method: "GET", path: "/v1/batches"},
	{method: "GET", path: "/v1/batches/*"},
	{method: "GET", path: "/v1/equipment"},
	{method: "GET", path: "/v1/nodes"},
	{method: "GET", path: "/v1/model", runtime: true},
	{method: "GET", path: "/v1/again", again: true},
	{method: "POST", path: "/v1/batches", body: func() (api.Body, *api.Order) { v := &api.Create{}; return v, &v.Order }},
	{method: "POST", path: "/v1/batches/*/commands", body: func() (api.Body, *api.Order) { v := &api.Command{}; return v, &v.Order }},
	{method: "POST", path: "/v1/batches/*/answers", body: func() (api.Body, *api.Order) { v := &api.PromptAnswer{}; return v, &v.Order }},
	{method: "POST", path: "/v1/batches/*/removal", body: func() (api.Body, *api.Order) { v := &api.Removal{}; return v, &v.Order }},
	{method: "POST", path: "/v1/batches/*/restart", body: func() (api.Body, *api.Order) { v := &api.Restart{}; return v, &v.Order }},
	{method: "POST", path: "/v1/equipment/*/release", body: func() (api.Body, *api.Order) { v := &api.Order{}; return v, v }},
	{method: "POST", path: "/v1/equipment/*/queue", body: func() (api.Body, *api.Order) { v := &api.Reorder{}; return v, &v.Order }},
	{method: "POST", path: "/v1/nodes/*/strike", body: func() (api.Body, *api.Order) { v := &api.Order{}; return v, v }},
}

// find finds what a request asks for.
func find(r *Request) (*way, error) {
	parts := strings.Split(r.Path, "/")
	for i := range ways {
		w := &ways[i]
		want := strings.Split(w.path, "/")
		if w.method != r.Method || len(want) != len(parts) {
			continue
		}
		is := true
		for j := range want {
			is = is && (want[j] == parts[j] || want[j] == "*" && api.CheckBatch(parts[j]) == nil)
		}
		if is {
			return w, nil
		}
	}
	return nil, fmt.Errorf("%.10q %.80q cannot be asked by the bus; package api has the paths, and of these clients' orders and lists are carried", r.Method, r.Path)
}

// take reads the body of a request as the manager would.
func take(r *Request, into api.Body) error {
	req, err := http.NewRequest(r.Method, "http://executive"+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return err
	}
	return api.Take(nil, req, into)
}

// memory is what users have asked lately.
type memory struct {
	mu    sync.Mutex
	users map[string]*asked
}

// asked is what one user has asked.
type asked struct {
	under int               // requests that are under way
	list  map[string]*known // by id
	order []string          // of those of list, the oldest first
}

// known is a request with an id.
type known struct {
	sum    [sha256.Size]byte
	at     time.Time
	done   chan struct{} // closed when answer is there
	answer *Answer
}

func newMemory() *memory { return &memory{users: map[string]*asked{}} }

// enter counts one request of a user more, or refuses it.
func (m *memory) enter(user string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.users[user]
	if u == nil {
		if len(m.users) >= 4*maxUsers {
			return false
		}
		u = &asked{list: map[string]*known{}}
		m.users[user] = u
	}
	if u.under >= perUser {
		return false
	}
	u.under++
	return true
}

// leave counts one less, and forgets what is past.
func (m *memory) leave(user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.users[user]
	u.under--
	for len(u.order) > 0 && (len(u.order) > remembered || time.Since(u.list[u.order[0]].at) > rememberFor) {
		delete(u.list, u.order[0])
		u.order = u.order[1:]
	}
	if u.under == 0 && len(u.order) == 0 {
		delete(m.users, user)
	}
}

// errOther: an id that was used before.
var errOther = errors.New("another request had this id; give each its own")

// first finds a request that was made before; first is true where it was not. It is called between enter and leave.
func (m *memory) first(user, id string, sum [sha256.Size]byte) (k *known, first bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.users[user]
	if k = u.list[id]; k != nil {
		if k.sum != sum {
			return nil, false, errOther
		}
		return k, false, nil
	}
	k = &known{sum: sum, at: time.Now(), done: make(chan struct{})}
	u.list[id] = k
	u.order = append(u.order, id)
	return k, true, nil
}

// done keeps the answer to a request. One that surely was not carried out is forgotten: it may be made again.
func (m *memory) done(user, id string, k *known, a *Answer, keep bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k.answer = a
	close(k.done)
	if u := m.users[user]; !keep && u.list[id] == k {
		delete(u.list, id)
		for i, o := range u.order {
			if o == id {
				u.order = append(u.order[:i:i], u.order[i+1:]...)
				break
			}
		}
	}
}
