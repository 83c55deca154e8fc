// Where the bus keeps what nodes show: for those who come later.

package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// Limits of what is kept.
const (
	rtStream      = "rt"
	rtStreamBytes = 32 << 20 // of all nodes; what is oldest goes first
	streamsEach   = time.Minute
)

// keep has the bus keep presences and run-time data, and looks again: a server that lost its memory has lost these. Until ctx ends. Without them nothing
// is missing but what was said before somebody came.
func (b *Bridge) keep(ctx context.Context) {
	for {
		if b.c.nc.IsConnected() {
			for _, ensure := range []func(context.Context) error{b.ensurePresence, b.ensureRunTime, b.find} {
				if err := ensure(ctx); err != nil && ctx.Err() == nil {
					b.opt.Tell("streams", "not there", words(err))
				}
			}
		}
		again := b.c.nc.Stats().Reconnects
		for waits := time.Duration(0); waits < streamsEach && again == b.c.nc.Stats().Reconnects; waits += time.Second {
			if !rest(ctx, time.Second) {
				return
			}
		}
	}
}

// replicas is by how many servers something is kept: three, or one that is alone; never two.
func (c *Conn) replicas() int {
	if c.nc.ConnectedClusterName() != "" {
		return 3
	}
	return 1
}

// ensurePresence makes the bucket of presences, or holds the one that is there against it. All its keys live for as long as it says, since they were
// written last; a key with a time of its own would lose that with an update.
func (b *Bridge) ensurePresence(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	kv, err := b.c.js.KeyValue(ctx, presence)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = b.c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: presence, Description: "which nodes are here", History: 1, TTL: b.lives,
			MaxValueSize: maxPresence, MaxBytes: 2 * api.MaxNodes * maxPresence, Storage: jetstream.MemoryStorage, Replicas: b.c.replicas()})
	}
	if err != nil {
		return fmt.Errorf("bus: bucket %s: %w", presence, err)
	}
	st, err := kv.Status(ctx)
	if err != nil {
		return fmt.Errorf("bus: bucket %s: %w", presence, err)
	}
	if st.TTL() != b.lives {
		return fmt.Errorf("bus: bucket %s is there, and its keys live for %s and not for %s; delete it, and it is made anew", presence, st.TTL(), b.lives)
	}
	return nil
}

// ensureRunTime makes the stream of run-time data: the newest of each subject, for two minutes, in memory.
func (b *Bridge) ensureRunTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	s, err := b.c.js.Stream(ctx, rtStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = b.c.js.CreateStream(ctx, jetstream.StreamConfig{Name: rtStream, Description: "run-time data: the newest of each subject", Subjects: []string{"rt.>"},
			MaxMsgsPerSubject: 1, MaxAge: rtGone, MaxBytes: rtStreamBytes, MaxMsgSize: rtPayload + 4096, Discard: jetstream.DiscardOld,
			Storage: jetstream.MemoryStorage, Replicas: b.c.replicas(), AllowDirect: true})
	}
	if err != nil {
		return fmt.Errorf("bus: stream %s: %w", rtStream, err)
	}
	if made := s.CachedInfo().Created; !made.Equal(b.stream) { // another one than before: it has nothing of what was said
		b.stream = made
		b.out.lost()
	}
	if is := s.CachedInfo().Config; is.MaxMsgsPerSubject != 1 || is.MaxAge != rtGone || is.Discard != jetstream.DiscardOld {
		return fmt.Errorf("bus: stream %s is there and keeps %d of each subject for %s; delete it, and it is made anew", rtStream, is.MaxMsgsPerSubject, is.MaxAge)
	}
	return nil
}
