// Streams: how they are kept, and questions to those who keep them.

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/batchkit/batchkit/batch/store"
)

// Stream is how a stream is kept: in files, by one server or three, refusing what is new when it is full, and nothing in it ends by
// time. Zero is as it says.
type Stream struct {
	Name       string
	Subjects   []string
	Replicas   int           // 1 or 3; 0: 3 in a cluster, 1 at a single server
	MaxBytes   int64         // it has to be set: a stream takes no more than it was given
	MaxMsgs    int64         // so has this
	MaxMsgSize int32         // bytes of one message with its headers; 0: as the server takes
	Queue      bool          // what its one consumer has acknowledged leaves it
	Duplicates time.Duration // within which a message of the same id counts once; 0: two minutes, the least that servers have by default
}

// config is a stream in the words of the server.
func (s *Stream) config(replicas int) jetstream.StreamConfig {
	size := s.MaxMsgSize
	if size == 0 {
		size = -1
	}
	dup := s.Duplicates
	if dup == 0 {
		dup = 2 * time.Minute
	}
	keep := jetstream.LimitsPolicy
	if s.Queue {
		keep = jetstream.WorkQueuePolicy
	}
	return jetstream.StreamConfig{Name: s.Name, Subjects: s.Subjects, Replicas: replicas, MaxBytes: s.MaxBytes, MaxMsgs: s.MaxMsgs, MaxMsgSize: size,
		Storage: jetstream.FileStorage, Retention: keep, Discard: jetstream.DiscardNew, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		DenyDelete: true, Duplicates: dup}
}

// Ensure makes a stream, or holds the one that is there against s. One that is kept otherwise is store.ErrRefused and left as it
// is: a person changes it. It blocks until the cluster has answered, at most for ten seconds.
func (c *Conn) Ensure(ctx context.Context, s *Stream) error {
	switch {
	case s.Replicas != 0 && s.Replicas != 1 && s.Replicas != 3:
		return fmt.Errorf("%w: bus: stream %s: %d replicas; take 3, or 1: two have no majority when one is away, and five are slower", store.ErrRefused, s.Name, s.Replicas)
	case s.MaxBytes <= 0 || s.MaxMsgs <= 0:
		return fmt.Errorf("%w: bus: stream %s has no limit; set MaxBytes and MaxMsgs", store.ErrRefused, s.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	n := s.Replicas
	if n == 0 {
		if n = 1; c.nc.ConnectedClusterName() != "" {
			n = 3
		}
	}
	want := s.config(n)
	var is info
	err := c.ask(ctx, "STREAM.INFO."+s.Name, nil, &is)
	if coded(err) == codeNoStream {
		err = c.ask(ctx, "STREAM.CREATE."+s.Name, &want, &is)
	}
	switch coded(err) {
	case codeNoPeers:
		return fmt.Errorf("%w: bus: stream %s: %d replicas do not fit into this cluster; it needs three servers, or a single one that is in no cluster, with room: %w", store.ErrRefused, s.Name, n, err)
	case codeInUse: // another node has made it meanwhile, or otherwise
		err = c.ask(ctx, "STREAM.INFO."+s.Name, nil, &is)
	}
	if err != nil {
		return fmt.Errorf("bus: stream %s: %w", s.Name, err)
	}
	if other := differs(&is.Config, &want, s.Replicas == 0); other != "" {
		return fmt.Errorf("%w: bus: stream %s is there and kept otherwise: %s; change it with nats stream edit, or name another one", store.ErrRefused, s.Name, other)
	}
	return nil
}

// differs tells in what a stream is kept otherwise, "" in nothing.
func differs(is, want *jetstream.StreamConfig, any13 bool) string {
	var list []string
	odd := func(is bool, format string, args ...any) {
		if is {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	odd(is.Replicas == 2, "it has 2 replicas, which have no majority when one is away: make it 3")
	odd(is.Replicas != 2 && is.Replicas != want.Replicas && !(any13 && (is.Replicas == 1 || is.Replicas == 3)), "it has %d replicas, not %d", is.Replicas, want.Replicas)
	odd(!slices.Equal(is.Subjects, want.Subjects), "its subjects are %q, not %q", is.Subjects, want.Subjects)
	odd(is.Storage != want.Storage, "it is not kept in files")
	odd(is.Discard != want.Discard, "it forgets what is old when it is full: discard must be new")
	odd(is.Retention != want.Retention, "its retention is %s, not %s", is.Retention, want.Retention)
	odd(is.MaxAge != 0, "what is in it ends after %s: max_age must be 0", is.MaxAge)
	odd(is.MaxBytes != want.MaxBytes, "max_bytes is %d, not %d", is.MaxBytes, want.MaxBytes)
	odd(is.MaxMsgs != want.MaxMsgs, "max_msgs is %d, not %d", is.MaxMsgs, want.MaxMsgs)
	odd(is.MaxMsgsPerSubject > 0, "max_msgs_per_subject is %d, not without limit", is.MaxMsgsPerSubject)
	odd(is.MaxMsgSize != want.MaxMsgSize, "max_msg_size is %d, not %d", is.MaxMsgSize, want.MaxMsgSize)
	odd(is.AllowDirect, "allow_direct is on: any replica would answer, with what is old")
	odd(!is.DenyDelete, "deny_delete is off")
	odd(is.AllowRollup || is.AllowMsgTTL || is.AllowMsgSchedules || is.AllowMsgCounter, "messages may replace others, or end by time")
	odd(is.Sealed || is.NoAck, "it is sealed, or acknowledges nothing")
	odd(is.Mirror != nil || len(is.Sources) > 0 || is.SubjectTransform != nil, "it mirrors or changes another one")
	odd(is.PersistMode != want.PersistMode, "it acknowledges what is not on the disk")
	odd(is.RePublish != nil, "it publishes what it has again")
	return strings.Join(list, "; ")
}

// info is the part of what a server says of a stream that counts here.
type info struct {
	Config jetstream.StreamConfig `json:"config"`
	State  struct {
		First uint64 `json:"first_seq"`
		Last  uint64 `json:"last_seq"`
		Msgs  uint64 `json:"messages"`
	} `json:"state"`
}

// Codes of errors of the server.
const (
	codeNotAvailable = 10008
	codeNoPeers      = 10005
	codeNoStream     = 10059
	codeInUse        = 10058
	codeNoMessage    = 10037
	codeWrongLast    = 10071
	codeWrongLast2   = 10164
	codeTooMany      = 10167
	codeStoreFull    = 10047
	codeStoreFailed  = 10077
	codeTooLarge     = 10054
)

// coded is the code of an error of the server, 0 of others.
func coded(err error) int {
	if e := (*jetstream.APIError)(nil); errors.As(err, &e) {
		return int(e.ErrorCode)
	}
	return 0
}

// ask puts a question to the servers, again where nobody has answered, for as long as ctx, at most ten seconds. An answer is
// decoded into to.
func (c *Conn) ask(ctx context.Context, subject string, what, to any) error {
	var body []byte
	if what != nil {
		var err error
		if body, err = json.Marshal(what); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	denied, stop := c.refusals()
	defer stop()
	subject = "$JS.API." + subject
	for n := 0; ; n++ {
		one, cancel := context.WithTimeout(ctx, attempt)
		msg, err := c.nc.RequestWithContext(one, subject, body)
		cancel()
		if err == nil {
			if err = answer(msg.Data, to); coded(err) != codeNotAvailable && coded(err) != codeTooMany {
				return err
			}
		}
		if why := refused(denied, subject); why != nil {
			return why
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			return err
		}
		if stop := pause(ctx, n); stop != nil {
			return fmt.Errorf("the servers do not answer: %w", errors.Join(stop, err))
		}
	}
}

// answer reads what a server has answered.
func answer(data []byte, to any) error {
	var is struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &is); err != nil {
		return fmt.Errorf("bus: an answer of a server is no JSON: %w", err)
	}
	if is.Error != nil {
		return is.Error
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("bus: an answer of a server: %w", err)
	}
	return nil
}

// refused is what the server has refused of a subject, if it has: it answers nothing then, and who asks would wait for ever.
func refused(denied chan refusal, subject string) error {
	for {
		select {
		case r := <-denied:
			if r.subject == subject {
				return fmt.Errorf("%w: bus: this key may not do it: %w; look at the permissions of its role", store.ErrRefused, r.err)
			}
		default:
			return nil
		}
	}
}

// pause waits a moment before the next attempt, or until ctx ends, whose error it then returns.
func pause(ctx context.Context, n int) error {
	t := time.NewTimer(min(10*time.Millisecond<<min(n, 5), 250*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
