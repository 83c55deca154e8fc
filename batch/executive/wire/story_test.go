// Random stories: equipment changes hands while whoever had it goes on writing.

package wire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/stretchr/testify/require"
)

// gauge is a port that looks at every write: its number is the token that it was sent under, unless it is the I/O process's own.
type gauge struct {
	tag.Port
	mu    sync.Mutex
	floor map[string]uint64 // by channel: writes under lower tokens must not begin
	wrong []string
	done  int
}

func (g *gauge) Write(ctx context.Context, w tag.Write) error {
	g.mu.Lock()
	if !w.Safe {
		g.done++
		if uint64(w.ID) < g.floor[w.Channel] {
			g.wrong = append(g.wrong, fmt.Sprintf("%s under %d, and %d was fenced", w.Channel, w.ID, g.floor[w.Channel]))
		}
	}
	g.mu.Unlock()
	time.Sleep(time.Duration(w.Bits) * time.Millisecond)
	err := g.Port.Write(ctx, w)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !w.Safe && uint64(w.ID) < g.floor[w.Channel] {
		g.wrong = append(g.wrong, fmt.Sprintf("%s under %d was under way when %d had been fenced", w.Channel, w.ID, g.floor[w.Channel]))
	}
	return err
}

func TestNoWriteUnderAnOldTokenBeginsOrIsUnderWayAfterAFence(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		inBubble(t, func(t *testing.T) { story(t, rand.New(rand.NewPCG(seed, 12))) })
	}
}

func story(t *testing.T, rnd *rand.Rand) {
	r := newRig(t, &api.Memory{}, nil)
	r.end()
	g := &gauge{Port: r.plant, floor: map[string]uint64{}}
	r.plant = g
	r.start(nil)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	write := func(u *runner, token uint64) { // for ever, under the token that it has
		wg.Go(func() {
			for i := uint64(0); ctx.Err() == nil; i++ {
				one, cancel := context.WithTimeout(ctx, 2*time.Second)
				_ = u.p.Write(one, tag.Write{ID: uint32(token), Channel: "do/1", Bits: i % 2})
				cancel()
				time.Sleep(3 * time.Millisecond)
			}
		})
	}
	token := uint64(0)
	for step := range 30 {
		token++
		u := r.newRunner(fmt.Sprint("B-", step), outputsOf("U1"))
		u.p.Grant([]string{"U1"}, token)
		write(u, token)
		time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond)
		switch rnd.IntN(5) {
		case 0:
			u.die()
		case 1:
			r.end()
			r.start(nil)
		case 2:
			continue // the next one has a greater token, and nobody fences
		}
		token++
		r.fence(token, rnd.IntN(2) == 0, "U1")
		g.mu.Lock()
		g.floor["do/1"] = token
		g.mu.Unlock()
		time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond)
	}
	stop()
	wg.Wait()
	require.Empty(t, g.wrong)
	require.Greater(t, g.done, 50, "something was written")
	require.NotEmpty(t, r.records(record.KindWireRefused))
}
