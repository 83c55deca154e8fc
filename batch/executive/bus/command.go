// Commands from the bus: who asks what of the manager of a node, and what it answers.

package bus

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Limits of commands.
const (
	MaxRequest  = 256 << 10        // bytes of a request
	commands    = 16               // carried at a time
	waiting     = 64               // that wait for their turn
	perUser     = 4                // of one user, carried and waiting
	orderWait   = 2 * time.Second  // that one may wait for its turn: later it is not carried out
	orderLimit  = 25 * time.Second // that the manager may take; a removal by force takes 20 s
	remembered  = 256              // requests with an id, of one user
	rememberFor = 10 * time.Minute
)

// Request is what a client asks of the manager of a node, by a request to cmd.NODE.USER. The subject says who asks, and nothing else does: a body that
// names an operator or a role is refused, and no server lets a client publish under the subject of another.
//
// An order with an ID is carried out once for as long as the bridge lives: the same again has the same answer, for ten minutes and the last 256
// of a user. A bridge that was started anew has forgotten; so who asks again says in Life which bridge his first request was meant for (its answers
// to any other request say so), and where that is another one by now he is told, and nothing is carried out. Without an ID each request counts.
type Request struct {
	ID     string          `json:"id,omitempty"`   // of an order, of the client's choice, unique among his: 1 to 64 letters, digits, "_", "-" and "."
	Life   string          `json:"life,omitempty"` // of the bridge that is to carry it out; "": any
	Method string          `json:"method"`         // GET or POST
	Path   string          `json:"path"`           // as package api has it, such as /v1/batches/n1.B-0001/commands; GET /v1/again: see below
	Body   json.RawMessage `json:"body,omitempty"` // as package api has it, without operator and role
}

// Answer is what a Request gets. Status 502 and 504 say that nobody knows whether an order was carried out.
type Answer struct {
	Status int             `json:"status"` // as of HTTP
	Life   string          `json:"life"`   // of the bridge that answers
	Body   json.RawMessage `json:"body"`   // what was asked for, or {"status", "error"}
}

// NewID makes an ID for a Request.
func NewID() string {
	var id [12]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// Ask asks the manager of a node as the user that c was connected for, and blocks until it answers or ctx ends, after 30 s at most. An answer of a status
// above 399 is an *api.Error, beside the answer. After any other error nobody knows whether an order was carried out: who asks again does it with the
// same ID, and the Life of an answer that he has had before.
func (c *Conn) Ask(ctx context.Context, node string, r *Request) (*Answer, error) {
	for _, name := range [][2]string{{"node", node}, {"user", c.opt.User}} {
		if err := checkName(name[0], name[1]); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	if len(data) > MaxRequest {
		return nil, fmt.Errorf("bus: the request has %d bytes; at most %d are taken", len(data), MaxRequest)
	}
	ctx, cancel := context.WithTimeout(ctx, orderLimit+2*orderWait)
	defer cancel()
	subject := "cmd." + node + "." + c.opt.User
	denied, stop := c.refusals()
	defer stop()
	type got struct {
		m   *nats.Msg
		err error
	}
	answer := make(chan got, 1)
	go func() {
		m, err := c.nc.RequestWithContext(ctx, subject, data)
		answer <- got{m, err}
	}()
	var g got
	for waits := true; waits; {
		select {
		case g = <-answer:
			waits = false
		case no := <-denied:
			if no.subject == subject {
				cancel()
				<-answer
				return nil, &api.Error{Status: http.StatusForbidden, Message: "bus: the server refuses " + subject + ": " + words(no.err)}
			}
		}
	}
	switch {
	case errors.Is(g.err, nats.ErrReconnectBufExceeded):
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "bus: it was not carried out: no server is connected"}
	case errors.Is(g.err, nats.ErrNoResponders):
		return nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "bus: it was not carried out: no bus process of node " + node + " is there"}
	case g.err != nil:
		return nil, fmt.Errorf("bus: %s: nobody knows whether it was carried out: %w", subject, g.err)
	}
	var a Answer
	if err := json.Unmarshal(g.m.Data, &a); err != nil {
		return nil, fmt.Errorf("bus: %s: the answer: %w", subject, err)
	}
	if a.Status > 399 {
		no := &api.Error{}
		_ = json.Unmarshal(a.Body, no)
		no.Status = a.Status
		return &a, no
	}
	return &a, nil
}

// order is a request that waits for its turn.
type order struct {
	m    *nats.Msg
	user string
	at   time.Time
}

// command carries requests to the manager until ctx ends.
func (b *Bridge) command(ctx context.Context) {
	sub, err := b.c.nc.QueueSubscribeSync("cmd."+b.node+".*", "bridge") // of two bridges one carries it
	if err != nil {
		b.opt.Tell("commands", "refused", words(err))
		return
	}
	_ = sub.SetPendingLimits(4*waiting, 16*MaxRequest)
	queue := make(chan *order, waiting)
	defer b.leave(sub, queue)
	var group sync.WaitGroup
	defer group.Wait()
	for range commands {
		group.Go(func() {
			for {
				select {
				case o := <-queue:
					b.carry(ctx, o)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for ctx.Err() == nil {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if !errors.Is(err, nats.ErrSlowConsumer) {
				rest(ctx, time.Second)
			}
			continue
		}
		b.queue(queue, m)
	}
}

// leave takes no more requests, and tells those who still wait that theirs are not carried out: nobody would answer them.
func (b *Bridge) leave(sub *nats.Subscription, queue <-chan *order) {
	const why = "it is not carried out: the bridge of this node is ending; ask again later"
	if sub.Drain() == nil && b.c.nc.FlushTimeout(time.Second) == nil { // what the server has handed out is here then
		for {
			m, err := sub.NextMsg(time.Millisecond)
			if err != nil {
				break
			}
			if o := b.order(m); o != nil {
				b.answer(m, b.no(http.StatusServiceUnavailable, why))
			}
		}
	}
	for len(queue) > 0 {
		o := <-queue
		b.memory.leave(o.user)
		b.answer(o.m, b.no(http.StatusServiceUnavailable, why))
	}
}

// order is who asks. What is to be answered elsewhere than in the inbox of its user is not taken, nil: we may publish where he may not.
func (b *Bridge) order(m *nats.Msg) *order {
	o := &order{m: m, user: strings.TrimPrefix(m.Subject, "cmd."+b.node+"."), at: time.Now()}
	if inbox := inboxOf(&Options{User: o.user}) + "."; !ident(o.user) || !strings.HasPrefix(m.Reply, inbox) {
		b.opt.Tell(m.Subject, "refused", fmt.Sprintf("its answer is wanted at %.80q, which is not in the inbox of this user, %s", m.Reply, inbox))
		return nil
	}
	return o
}

// queue has a request wait for its turn, or refuses it.
func (b *Bridge) queue(queue chan<- *order, m *nats.Msg) {
	o := b.order(m)
	if o == nil {
		return
	}
	if !b.memory.enter(o.user) {
		b.answer(m, b.no(http.StatusTooManyRequests, fmt.Sprintf("it is not carried out: %d requests of this user are under way", perUser)))
		return
	}
	select {
	case queue <- o:
	default:
		b.memory.leave(o.user)
		b.answer(m, b.no(http.StatusServiceUnavailable, "it is not carried out: too many requests are under way; ask again later"))
	}
}

// no is the answer to what is refused.
func (b *Bridge) no(status int, why string) *Answer {
	body, _ := json.Marshal(&api.Error{Status: status, Message: "bus: " + why})
	return &Answer{Status: status, Life: b.life, Body: body}
}

func (b *Bridge) answer(m *nats.Msg, a *Answer) {
	data, err := json.Marshal(a)
	if most := int(b.c.nc.MaxPayload()); err != nil || most > 0 && len(data) > most {
		data, _ = json.Marshal(b.no(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the answer has %d bytes and the bus carries %d at a time; ask for one batch, or read the run-time data", len(data), most)))
	}
	if err := m.Respond(data); err != nil {
		b.opt.Tell("commands", "not answered", words(err))
	}
}

// carry carries one request out and answers it.
func (b *Bridge) carry(ctx context.Context, o *order) {
	defer b.memory.leave(o.user)
	if time.Since(o.at) > orderWait {
		b.answer(o.m, b.no(http.StatusServiceUnavailable, "it is not carried out: it has waited for too long; ask again later"))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	b.answer(o.m, b.do(ctx, o.user, o.m.Data))
}

// do carries out what a user asks.
func (b *Bridge) do(ctx context.Context, user string, data []byte) *Answer {
	r, err := readRequest(data)
	if err != nil {
		return b.no(http.StatusBadRequest, err.Error())
	}
	if r.Life != "" && r.Life != b.life {
		return b.no(http.StatusConflict, "it is not carried out now: the bridge was started anew and does not know whether it was before; look at what became of it")
	}
	if b.opt.Users[user] == "" && r.Method == http.MethodGet {
		b.opt.Tell("cmd."+b.node+"."+user, "refused", "the bridge has no role for this user")
		return b.no(http.StatusForbidden, "user "+user+" has no role at this node; ask for one whoever keeps its bus process")
	}
	if r.ID == "" || r.Method == http.MethodGet || b.opt.Users[user] == "" {
		a, _ := b.pass(ctx, user, r)
		return a
	}
	known, first, err := b.memory.first(user, r.ID, sha256.Sum256([]byte(r.Method+"\n"+r.Path+"\n"+string(r.Body))))
	switch {
	case err != nil:
		return b.no(http.StatusConflict, err.Error())
	case first:
		a, sure := b.pass(ctx, user, r)
		b.memory.done(user, r.ID, known, a, sure)
		return a
	}
	select {
	case <-known.done:
		return known.answer
	case <-ctx.Done():
		return b.no(http.StatusGatewayTimeout, "the same request is under way; ask again")
	}
}

// readRequest reads a request strictly.
func readRequest(data []byte) (*Request, error) {
	if len(data) > MaxRequest {
		return nil, fmt.Errorf("a request of %d bytes; at most %d are taken", len(data), MaxRequest)
	}
	var r Request
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf(`%w; send {"method", "path", "body"} as Request has it`, err)
	}
	if len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return nil, errors.New("more stands behind the request; send one")
	}
	for _, c := range []struct{ what, v string }{{"id", r.ID}, {"life", r.Life}} {
		if c.v != "" && (len(c.v) > api.MaxID || Token(c.v) != strings.ReplaceAll(c.v, ".", "//")) {
			return nil, fmt.Errorf(`%s %.80q: it has 1 to %d letters, digits, "_", "-" and "."`, c.what, c.v, api.MaxID)
		}
	}
	return &r, nil
}

// verbatim is an answer as it came.
type verbatim struct{ json.RawMessage }

// Check implements api.Body.
func (*verbatim) Check() error { return nil }

// pass hands a request to who answers it here, in the name of its user. Sure tells whether it is known what became of it, or that nothing did.
func (b *Bridge) pass(ctx context.Context, user string, r *Request) (a *Answer, sure bool) {
	at, err := find(r)
	if err != nil {
		return b.no(http.StatusNotFound, err.Error()), true
	}
	var in api.Body
	if at.body != nil {
		var o *api.Order
		in, o = at.body()
		if err = take(r, in); err != nil {
			var no *api.Error
			if errors.As(err, &no) {
				return b.no(no.Status, no.Message), true
			}
			return b.no(http.StatusBadRequest, err.Error()), true
		}
		if o.Operator != "" || o.Role != "" {
			b.opt.Tell("cmd."+b.node+"."+user, "refused", fmt.Sprintf("%s %s: it said to be operator %.80q with role %.80q", r.Method, r.Path, o.Operator, o.Role))
			return b.no(http.StatusForbidden, "who orders it is said by the subject; send it without operator and role"), true
		}
		o.Operator, o.Role = "nats:"+user, b.opt.Users[user] // without a role the manager refuses it, on its record
	} else if len(r.Body) > 0 {
		return b.no(http.StatusBadRequest, r.Method+" "+r.Path+" takes no body"), true
	}
	if at.again {
		n, _ := json.Marshal(map[string]int{"subjects": b.out.again()})
		return &Answer{Status: http.StatusOK, Life: b.life, Body: n}, true
	}
	to := b.manager
	if at.runtime {
		to = b.runtime
	}
	var out verbatim
	err = to.Call(ctx, r.Method, r.Path, in, &out)
	var no *api.Error
	switch {
	case err == nil:
		return &Answer{Status: http.StatusOK, Life: b.life, Body: out.RawMessage}, true
	case errors.As(err, &no):
		body, _ := json.Marshal(no)
		return &Answer{Status: no.Status, Life: b.life, Body: body}, true
	case nobody(err):
		return b.no(http.StatusServiceUnavailable, "it was not carried out: "+err.Error()), false
	}
	return b.no(http.StatusBadGateway, "nobody knows whether it was carried out: "+err.Error()), true
}

// nobody tells whether an error says that there was nobody to ask.
func nobody(err error) bool {
	var op *net.OpError
	return errors.Is(err, api.ErrNobody) || errors.As(err, &op) && op.Op == "dial"
}
