// Subscriptions: the cycle of each, and who is served first (part 4, 5.14.1).

package server

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Limits of the subscriptions of a session.
const (
	maxRequests      = 32      // Publish requests that wait
	maxNotifications = 1000    // values and events in one notification message
	maxBytes         = 1 << 18 // and about how many bytes, beyond the first
	maxSent          = 64      // messages of a subscription that wait for being acknowledged
	maxKept          = 1 << 20 // and their bytes, of all subscriptions of a session
	maxFields        = 8192    // of events that the items of a session ask for
	maxMoving        = 16      // items that watch the time of the server
	maxInterval      = 10 * time.Minute
	maxLife          = time.Hour // without a Publish request
)

// subscriptions are those of one session. The zero value has none. Locks are taken in this order: out, mu, that of the space, q.
type subscriptions struct {
	out      sync.Mutex // keeps the order of answers
	mu       sync.Mutex // guards all but what waits in queues
	srv      *Server
	answer   func(id uint32, hdr *ua.RequestHeader, r ua.Response) (sent bool) // of the session
	waits    func(hdr *ua.RequestHeader) bool                                  // of the session
	list     []*subscription
	requests []pending // Publish requests, the oldest first
	dead     []obituary
	timer    *time.Timer
	ended    bool
	items    int
	fields   int // of events that items ask for
	moving   int
	kept     int // bytes of messages that wait for being acknowledged

	q     sync.Mutex // guards what waits in queues, subscription.ready, and what is browsed
	held  int        // bytes in queues
	views views
}

// subscription is one of them.
type subscription struct {
	owner    *subscriptions
	id       uint32
	every    time.Duration // publishing interval
	life     uint32        // cycles without a Publish request after which it ends
	keep     uint32        // cycles without news after which a message says that it lives
	most     int           // notifications in a message
	enabled  bool
	priority uint8
	items    map[uint32]*item
	polled   []*item // those of standard variables
	ready    []*item // those that have something for the client

	next     time.Time // end of the cycle
	lifeLeft uint32
	keepLeft uint32
	due      bool      // a message is to be sent as soon as a Publish request comes
	since    time.Time // since when
	seq      uint32    // of the next message
	sent     []*sentMessage
}

// sentMessage waits for being acknowledged, or asked for again.
type sentMessage struct {
	message *ua.NotificationMessage
	bytes   int
}

// pending is a Publish request that waits.
type pending struct {
	id      uint32
	hdr     *ua.RequestHeader
	results []ua.StatusCode
	until   time.Time // zero: for ever
}

// obituary is what a client is told of a subscription that has ended by itself.
type obituary struct {
	id, seq uint32
	status  ua.StatusCode
}

// reply is an answer that is on its way.
type reply struct {
	to pending
	r  ua.Response
}

// begin takes in of whom they are.
func (s *subscriptions) begin(c *call) {
	if s.srv == nil {
		s.srv = c.srv
	}
	if s.answer == nil {
		s.answer, s.waits = c.sess.answer, c.sess.waits
	}
}

// serve runs f, and then sends what can be sent. What it gives is the error of f. What is not sent, since the connection has gone meanwhile, is
// kept until the client asks for it again.
func (s *subscriptions) serve(c *call, f func(now time.Time) ([]reply, error)) error {
	s.out.Lock()
	defer s.out.Unlock()
	list, err := func() ([]reply, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ended {
			return nil, ua.StatusBadSessionClosed
		}
		s.begin(c)
		now := time.Now()
		list, err := f(now)
		return append(list, s.publish(now)...), err
	}()
	for _, a := range list {
		s.answer(a.to.id, a.to.hdr, a.r)
	}
	return err
}

// tick ends the cycles that are over, and sends what can be sent.
func (s *subscriptions) tick() {
	s.out.Lock()
	defer s.out.Unlock()
	for _, a := range s.turn(time.Now()) {
		s.answer(a.to.id, a.to.hdr, a.r)
	}
}

// turn is tick, but for the sending.
func (s *subscriptions) turn(now time.Time) (list []reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.requests = slices.DeleteFunc(s.requests, func(p pending) bool {
		if p.over(now) {
			list = append(list, fault(p, ua.StatusBadTimeout))
		}
		return p.over(now) || !s.waits(p.hdr)
	})
	for _, sub := range slices.Clone(s.list) {
		if now.Before(sub.next) {
			continue
		}
		if sub.next = sub.next.Add(sub.every); !now.Before(sub.next) {
			sub.next = now.Add(sub.every)
		}
		if sub.cycle(now); sub.lifeLeft == 0 {
			s.dead = append(s.dead, obituary{sub.id, sub.seq, ua.StatusBadTimeout})
			s.dead = s.dead[max(0, len(s.dead)-s.srv.o.Limits.Subscriptions):]
			s.drop(sub)
		}
	}
	list = append(list, s.publish(now)...)
	s.arm(now)
	return list
}

// arm sets the timer for the end of the next cycle.
func (s *subscriptions) arm(now time.Time) {
	if len(s.list) == 0 {
		if s.timer != nil {
			s.timer.Stop()
		}
		return
	}
	next := slices.MinFunc(s.list, func(a, b *subscription) int { return a.next.Compare(b.next) }).next
	if wait := max(next.Sub(now), 0); s.timer == nil {
		s.timer = time.AfterFunc(wait, s.tick)
	} else {
		s.timer.Reset(wait)
	}
}

// cycle ends a publishing cycle.
func (sub *subscription) cycle(now time.Time) {
	if sub.lifeLeft--; len(sub.owner.requests) > 0 {
		sub.lifeLeft = sub.life
	}
	if sub.gather(now); sub.due {
		return
	}
	if sub.enabled && sub.news() {
		sub.due, sub.since = true, now
		return
	}
	if sub.keepLeft--; sub.keepLeft == 0 {
		sub.due, sub.since = true, now
	}
}

// publish sends messages as long as there are both messages and requests: those of the highest priority first, and of those what has
// waited longest.
func (s *subscriptions) publish(now time.Time) (list []reply) {
	for len(s.requests) > 0 {
		to := s.requests[0]
		if !s.waits(to.hdr) { // its connection has gone
		} else if len(s.dead) > 0 {
			o := s.dead[0]
			s.dead = s.dead[1:]
			m := &ua.NotificationMessage{SequenceNumber: o.seq, PublishTime: now, NotificationData: []*ua.ExtensionObject{
				ua.NewExtensionObject(&ua.StatusChangeNotification{Status: o.status, DiagnosticInfo: &ua.DiagnosticInfo{}})}}
			list = append(list, reply{to, response(to, o.id, m, nil, false)})
		} else if sub := s.first(); sub != nil {
			list = append(list, reply{to, sub.message(to, now)})
		} else if len(s.list) == 0 {
			list = append(list, fault(to, ua.StatusBadNoSubscription))
		} else {
			return list
		}
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	return list
}

// first gives the subscription that is to be served; nil: there is none.
func (s *subscriptions) first() (best *subscription) {
	for _, sub := range s.list {
		if sub.due && (best == nil || cmp.Or(cmp.Compare(sub.priority, best.priority), best.since.Compare(sub.since)) > 0) {
			best = sub
		}
	}
	return best
}

// over tells whether nobody waits for an answer any more.
func (p *pending) over(now time.Time) bool { return !p.until.IsZero() && now.After(p.until) }

// fault answers a Publish request with an error.
func fault(to pending, status ua.StatusCode) reply {
	return reply{to, &ua.ServiceFault{ResponseHeader: responseHeader(to.hdr, status)}}
}

// get gives a subscription by its number, which counts as a sign of life.
func (s *subscriptions) get(id uint32) (*subscription, error) {
	for _, sub := range s.list {
		if sub.id == id {
			sub.lifeLeft = sub.life
			return sub, nil
		}
	}
	return nil, ua.StatusBadSubscriptionIDInvalid
}

// drop ends a subscription.
func (s *subscriptions) drop(sub *subscription) {
	s.list = slices.DeleteFunc(s.list, func(x *subscription) bool { return x == sub })
	s.q.Lock()
	for _, it := range sub.ready {
		it.listed = false
	}
	sub.ready, sub.polled = nil, nil
	s.q.Unlock()
	for _, it := range sub.items {
		sub.remove(it)
	}
	for _, m := range sub.sent {
		s.kept -= m.bytes
	}
	sub.sent = nil
}

// end ends them all; it is called once, when the session ends. Requests that wait have no connection any more.
func (s *subscriptions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for len(s.list) > 0 {
		s.drop(s.list[0])
	}
	s.requests, s.dead = nil, nil
	s.q.Lock()
	defer s.q.Unlock()
	s.views = views{}
}

// count gives how many there are, and how many items they monitor.
func (s *subscriptions) count() (subscriptions, items int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list), s.items
}

// waits tells whether the client of a request can still be answered.
func (s *session) waits(hdr *ua.RequestHeader) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.asked[hdr]
	return ok && c == s.conn.Load()
}
