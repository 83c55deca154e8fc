// The hub over HTTP: the side that answers.

package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// The names of headers. How a journal stands where it is written comes with each question; where an answer goes on, with the
// answer.
const (
	headDurable = "Batchkit-Durable"
	headAcked   = "Batchkit-Acked"
	headNode    = "Batchkit-Node"
	headNext    = "Batchkit-Next"
	headLeft    = "Batchkit-Left"
)

const (
	maxQuery   = 72 << 10         // bytes of the words of a query
	maxBodies  = 32               // rows of how many requests are in memory at a time; others wait
	maxOwn     = 8                // of these, of one caller: one that dribbles keeps no other away
	maxQueries = 4                // queries at a time; others wait
	slow       = 10 * time.Second // that 64 KiB of an answer may take
)

// Caller is who asks, and what for he may.
type Caller struct {
	Name  string // of the node, or the person
	Write bool   // send journals as the node of that name
	Read  bool   // ask for records, files and how journals stand
}

// wrong is an answer that is an error.
type wrong struct {
	Error string `json:"error"`
	Kind  string `json:"kind"`
}

// held is the answer to rows, and to what is held.
type held struct {
	N    uint64 `json:"n,string"`
	Link string `json:"link"`
}

// kinds are the errors that have a word and a status of their own.
var kinds = [...]struct {
	err    error
	kind   string
	status int
}{{ErrRows, "rows", http.StatusUnprocessableEntity}, {ErrGap, "gap", http.StatusConflict}, {ErrFork, "fork", http.StatusConflict},
	{ErrOwner, "owner", http.StatusForbidden}, {ErrFull, "full", http.StatusInsufficientStorage}, {ErrDamaged, "damaged", http.StatusInternalServerError},
	{ErrNone, "none", http.StatusNotFound}, {ErrQuery, "query", http.StatusBadRequest}, {evidence.ErrQuery, "query", http.StatusBadRequest},
	{ErrRight, "right", http.StatusUnauthorized}}

// Handler answers for a hub; who tells who asks, by a token or a certificate, and its error refuses him. A server that is open to
// others needs limits of its own for connections and heads of requests, such as those of api.ServeWith. It answers:
//
//	POST /v1/journals/ID/rows   rows as lines of events.tsv, at most 4 MiB; {"n":"12","link":HEX} is what is then held
//	GET  /v1/journals/ID        what is held of it: the same
//	GET  /v1/journals           Status of each journal, as a list
//	GET  /v1/journals/ID/file   all rows of it, as lines
//	GET  /v1/records?q=WORD&q=WORD&after=PLACE&rows=N
//	                            the records that all words mean, as evidence query prints them; Batchkit-Next says where
//	                            to go on, "" that it was all
//
// An error is {"error":TEXT,"kind":WORD} with a status of 400 or above.
func Handler(h *Hub, who func(*http.Request) (Caller, error)) http.Handler {
	s := &site{hub: h, own: map[string]*own{}, bodies: make(chan struct{}, maxBodies), queries: make(chan struct{}, maxQueries)}
	mux := http.NewServeMux()
	for _, route := range []struct {
		pattern string
		write   bool
		do      func(w http.ResponseWriter, r *http.Request, c Caller) error
	}{
		{"POST /v1/journals/{id}/rows", true, s.rows},
		{"GET /v1/journals/{id}", true, s.held},
		{"GET /v1/journals", false, s.journals},
		{"GET /v1/journals/{id}/file", false, s.file},
		{"GET /v1/records", false, s.records},
	} {
		mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) {
			c, err := who(r)
			if err != nil {
				err = fmt.Errorf("%w: %w", ErrRight, err)
			} else if route.write && !c.Write || !route.write && !c.Read {
				err = fmt.Errorf("%w: %.80q may not ask %s", ErrRight, c.Name, route.pattern)
			}
			if err == nil {
				err = route.do(w, r, c)
			}
			if err != nil {
				refuse(w, err)
			}
		})
	}
	return mux
}

// site is the handlers.
type site struct {
	hub             *Hub
	bodies, queries chan struct{} // a place is taken by each

	mu  sync.Mutex
	own map[string]*own // by caller
}

// own are the places of one caller, while he has or wants some.
type own struct {
	places chan struct{}
	users  int
}

// body waits for a place for rows of a caller, and gives what frees it.
func (s *site) body(ctx context.Context, caller string) (free func(), err error) {
	s.mu.Lock()
	o := s.own[caller]
	if o == nil {
		o = &own{places: make(chan struct{}, maxOwn)}
		s.own[caller] = o
	}
	o.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if o.users--; o.users == 0 {
			delete(s.own, caller)
		}
	}
	mine, err := place(ctx, o.places)
	if err != nil {
		leave()
		return nil, err
	}
	all, err := place(ctx, s.bodies)
	if err != nil {
		mine()
		leave()
		return nil, err
	}
	return func() { all(); mine(); leave() }, nil
}

// place waits for a place, and gives what frees it.
func place(ctx context.Context, of chan struct{}) (free func(), err error) {
	select {
	case of <- struct{}{}:
		return func() { <-of }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func refuse(w http.ResponseWriter, err error) {
	out, status := wrong{Error: err.Error(), Kind: "other"}, http.StatusInternalServerError
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			out.Kind, status = k.kind, k.status
			break
		}
	}
	answer(w, status, out)
}

func answer[T any](w http.ResponseWriter, status int, v T) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// sender is the sink of who asks, told how the journal stands there.
func (s *site) sender(r *http.Request, c Caller) (*Sender, error) {
	var edge export.Edge
	for _, n := range []struct {
		head string
		to   *uint64
	}{{headDurable, &edge.Durable}, {headAcked, &edge.Acked}} {
		text := r.Header.Get(n.head)
		if text == "" {
			continue
		}
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %s is %.40q and no number", ErrQuery, n.head, text)
		}
		*n.to = v
	}
	from := s.hub.From(c.Name)
	from.Announce(r.PathValue("id"), edge)
	return from, nil
}

func (s *site) rows(w http.ResponseWriter, r *http.Request, c Caller) error {
	free, err := s.body(r.Context(), c.Name)
	if err != nil {
		return err
	}
	defer free()
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxTake))
	if err != nil {
		return fmt.Errorf("%w: reading them: %w", ErrRows, err)
	}
	var rows []export.Row
	for at := 0; at < len(data); {
		row, n, ok := export.ParseRow(data[at:min(len(data), at+longest)])
		if !ok {
			return fmt.Errorf("%w: line %d is not NUMBER TAB LEAF TAB LINK TAB BODY, or its leaf is not that of its body", ErrRows, len(rows)+1)
		}
		rows, at = append(rows, row), at+n
	}
	from, err := s.sender(r, c)
	if err != nil {
		return err
	}
	at, err := from.Take(r.Context(), r.PathValue("id"), rows)
	return s.holds(w, at, err)
}

func (s *site) held(w http.ResponseWriter, r *http.Request, c Caller) error {
	from, err := s.sender(r, c)
	if err != nil {
		return err
	}
	at, err := from.Held(r.Context(), r.PathValue("id"))
	return s.holds(w, at, err)
}

func (s *site) holds(w http.ResponseWriter, at journal.Chain, err error) error {
	if err == nil {
		answer(w, http.StatusOK, held{at.N, at.Link.String()})
	}
	return err
}

func (s *site) journals(w http.ResponseWriter, r *http.Request, _ Caller) error {
	list := s.hub.Journals()
	if list == nil {
		list = []Status{}
	}
	answer(w, http.StatusOK, list)
	return nil
}

// patient writes to who reads an answer, and gives him up where he does not.
type patient struct {
	w   io.Writer
	ctl *http.ResponseController
}

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	_ = p.ctl.SetWriteDeadline(time.Now().Add(slow)) // a connection that has none is not one of a network
	return p.w.Write(b)
}

func (s *site) file(w http.ResponseWriter, r *http.Request, _ Caller) error {
	if _, err := s.hub.book(r.PathValue("id"), false); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/tab-separated-values")
	ctl := http.NewResponseController(w)
	out := bufio.NewWriterSize(patient{w, ctl}, 64<<10)
	err := s.hub.Copy(r.Context(), r.PathValue("id"), out, nil)
	if err = errors.Join(err, out.Flush()); err != nil {
		panic(http.ErrAbortHandler) // it has begun: who reads it sees that it was cut off
	}
	_ = ctl.SetWriteDeadline(time.Time{})
	return nil
}

func (s *site) records(w http.ResponseWriter, r *http.Request, _ Caller) error {
	if len(r.URL.RawQuery) > maxQuery {
		return fmt.Errorf("%w: more than %d bytes of words", ErrQuery, maxQuery)
	}
	v := r.URL.Query()
	q, err := evidence.ParseQuery(v["q"])
	if err != nil {
		return err
	}
	from, err := ParsePlace(v.Get("after"))
	if err != nil {
		return err
	}
	rows, err := strconv.Atoi(cmp.Or(v.Get("rows"), strconv.Itoa(MaxRows)))
	if err != nil {
		return fmt.Errorf("%w: rows is %.40q and no number", ErrQuery, v.Get("rows"))
	}
	free, err := place(r.Context(), s.queries)
	if err != nil {
		return err
	}
	defer free()
	var out bytes.Buffer
	var line []byte
	a, err := s.hub.Records(r.Context(), q, from, rows, func(row *evidence.Row) error {
		line = row.Append(line[:0])
		out.Write(line)
		if out.Len() >= maxAnswer {
			return errEnough
		}
		return nil
	})
	if err != nil && out.Len() == 0 {
		return err
	}
	w.Header().Set(headNext, a.Next.String()) // after an error, where it has come to: who goes on meets the error
	w.Header().Set(headLeft, strconv.FormatUint(a.Left, 10))
	w.Header().Set("Content-Type", "text/tab-separated-values")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	_, _ = patient{w, http.NewResponseController(w)}.Write(out.Bytes())
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	return nil
}
