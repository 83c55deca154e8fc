// Services of subscriptions: what part 4, 5.14 asks for, but TransferSubscriptions.

package server

import (
	"math"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
)

// interval reads an interval of a client in ms; what is no number, or not above 0, is the shortest, and none is longer than maxInterval.
func (s *Server) interval(ms float64) time.Duration {
	least := s.o.Limits.Interval
	if !(ms > 0) {
		return least
	}
	if ms >= milliseconds(maxInterval) {
		return max(least, maxInterval)
	}
	return max(least, time.Duration(ms*float64(time.Millisecond)))
}

// counts revises the counts of keep-alive and lifetime: 0 is what it likes best, a sign of life comes within maxInterval, and a lifetime is 3
// to what maxLife holds of it.
func counts(every time.Duration, keep, life uint32) (k, l uint32) {
	if keep == 0 {
		keep = 10
	}
	k = min(keep, uint32(max(maxInterval/every, 1)))
	return k, max(3*k, min(life, uint32(min(maxLife/every, math.MaxUint32))))
}

func createSubscription(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.CreateSubscriptionRequest)
	s, sub := &c.sess.subs, &subscription{items: make(map[uint32]*item), seq: 1, keepLeft: 1, enabled: r.PublishingEnabled}
	err := s.serve(c, func(now time.Time) ([]reply, error) {
		if len(s.list) >= c.srv.o.Limits.Subscriptions {
			return nil, ua.StatusBadTooManySubscriptions
		}
		if sub.id = c.srv.space.subs.Add(1); sub.id == 0 || sub.id == math.MaxUint32 {
			c.srv.space.subs.Store(math.MaxUint32 - 1) // none is given twice
			return nil, ua.StatusBadTooManySubscriptions
		}
		sub.owner = s
		sub.revise(r.RequestedPublishingInterval, r.RequestedMaxKeepAliveCount, r.RequestedLifetimeCount, r.MaxNotificationsPerPublish, r.Priority)
		sub.next = now.Add(sub.every)
		s.list = append(s.list, sub)
		s.arm(now)
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return &ua.CreateSubscriptionResponse{
		ResponseHeader: responseHeader(c.hdr, ua.StatusOK), SubscriptionID: sub.id, RevisedPublishingInterval: milliseconds(sub.every),
		RevisedLifetimeCount: sub.life, RevisedMaxKeepAliveCount: sub.keep,
	}, nil
}

// revise takes in what a client wants, as far as it can be had.
func (sub *subscription) revise(ms float64, keep, life, most uint32, priority uint8) {
	sub.every = sub.owner.srv.interval(ms)
	sub.keep, sub.life = counts(sub.every, keep, life)
	sub.keepLeft, sub.lifeLeft = min(sub.keepLeft, sub.keep), sub.life
	if sub.most = maxNotifications; most > 0 && most < maxNotifications {
		sub.most = int(most)
	}
	sub.priority = priority
}

func modifySubscription(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.ModifySubscriptionRequest)
	a := &ua.ModifySubscriptionResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK)}
	s := &c.sess.subs
	err := s.serve(c, func(now time.Time) ([]reply, error) {
		sub, err := s.get(r.SubscriptionID)
		if err != nil {
			return nil, err
		}
		sub.revise(r.RequestedPublishingInterval, r.RequestedMaxKeepAliveCount, r.RequestedLifetimeCount, r.MaxNotificationsPerPublish, r.Priority)
		sub.next = now.Add(sub.every)
		s.arm(now)
		a.RevisedPublishingInterval, a.RevisedMaxKeepAliveCount, a.RevisedLifetimeCount = milliseconds(sub.every), sub.keep, sub.life
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// each runs f for each number of a list, and gives what becomes of each.
func each(s *subscriptions, c *call, ids []uint32, f func(id uint32) error) ([]ua.StatusCode, error) {
	if err := operations(len(ids)); err != nil {
		return nil, err
	}
	list := make([]ua.StatusCode, len(ids))
	return list, s.serve(c, func(now time.Time) ([]reply, error) {
		for i, id := range ids {
			list[i] = codeOf(f(id))
		}
		return nil, nil
	})
}

func setPublishingMode(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.SetPublishingModeRequest)
	s := &c.sess.subs
	list, err := each(s, c, r.SubscriptionIDs, func(id uint32) error {
		sub, err := s.get(id)
		if err == nil {
			sub.enabled = r.PublishingEnabled
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ua.SetPublishingModeResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

func deleteSubscriptions(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.DeleteSubscriptionsRequest)
	s := &c.sess.subs
	list, err := each(s, c, r.SubscriptionIDs, func(id uint32) error {
		sub, err := s.get(id)
		if err == nil {
			s.drop(sub)
			s.arm(time.Now())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ua.DeleteSubscriptionsResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), Results: list, DiagnosticInfos: []*ua.DiagnosticInfo{}}, nil
}

// publish takes in a Publish request, which is answered as soon as there is something to say.
func publish(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.PublishRequest)
	if len(r.SubscriptionAcknowledgements) > maxOperations {
		return nil, ua.StatusBadTooManyOperations
	}
	s := &c.sess.subs
	return nil, s.serve(c, func(now time.Time) (list []reply, err error) {
		p := pending{id: c.id, hdr: c.hdr, results: make([]ua.StatusCode, len(r.SubscriptionAcknowledgements))}
		if c.hdr.TimeoutHint > 0 {
			p.until = now.Add(time.Duration(c.hdr.TimeoutHint) * time.Millisecond)
		}
		for i, a := range r.SubscriptionAcknowledgements {
			sub, err := s.get(a.SubscriptionID)
			if p.results[i] = codeOf(err); err == nil {
				p.results[i] = sub.acknowledge(a.SequenceNumber)
			}
		}
		if len(s.list)+len(s.dead) == 0 {
			return nil, ua.StatusBadNoSubscription
		}
		for _, sub := range s.list {
			sub.lifeLeft = sub.life
		}
		if s.requests = append(s.requests, p); len(s.requests) > maxRequests {
			list = append(list, fault(s.requests[0], ua.StatusBadTooManyPublishRequests))
			s.requests = slices.Delete(s.requests, 0, 1)
		}
		return list, nil
	})
}

func republish(c *call, req ua.Request) (ua.Response, error) {
	r := req.(*ua.RepublishRequest)
	var m *ua.NotificationMessage
	s := &c.sess.subs
	err := s.serve(c, func(now time.Time) ([]reply, error) {
		sub, err := s.get(r.SubscriptionID)
		if err != nil {
			return nil, err
		}
		for _, k := range sub.sent {
			if k.message.SequenceNumber == r.RetransmitSequenceNumber {
				m = k.message
				return nil, nil
			}
		}
		return nil, ua.StatusBadMessageNotAvailable
	})
	if err != nil {
		return nil, err
	}
	return &ua.RepublishResponse{ResponseHeader: responseHeader(c.hdr, ua.StatusOK), NotificationMessage: m}, nil
}
