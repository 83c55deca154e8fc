// A manager that is killed before or after any step that it takes outside: the next one brings it to the same end.

package executive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

var errDead = errors.New("the manager is dead")

// mortal is a manager that dies at one of its steps, and the next one, which does not.
type mortal struct {
	mu    sync.Mutex
	s     *site
	m     *Manager
	stop  context.CancelFunc
	done  chan error
	steps int
	dies  int
	dead  bool
	where string
}

// step counts a step; it is false where the manager is dead.
func (x *mortal) step(what string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.dead {
		return false
	}
	if x.steps++; x.steps == x.dies {
		x.dead, x.where = true, what
		x.stop()
		_ = x.m.led.Close() // what it would write is not written
		return false
	}
	return true
}

// up sees to it that a manager runs.
func (x *mortal) up() *api.Client {
	s := x.s
	x.mu.Lock()
	dead := x.m == nil || x.dead
	x.mu.Unlock()
	if dead {
		if x.m != nil {
			<-x.done
		}
		m, err := New(s.dir, s.net, s.log, s, &Options{Device: "test"})
		require.NoError(s.t, err)
		ctx, cancel := context.WithCancel(s.ctx)
		x.mu.Lock()
		x.dead, x.m, x.stop, x.done = false, m, cancel, make(chan error, 1)
		x.mu.Unlock()
		s.all.Go(func() { x.done <- m.Run(ctx) })
		time.Sleep(time.Second)
	}
	return s.net.Dial(api.Manager)
}

// story is what is done with two batches, in stages that may be said again.
var story = []func(s *site, c *api.Client) error{
	func(s *site, c *api.Client) error { return exists(c, "A") },
	func(s *site, c *api.Client) error { return exists(c, "B") },
	func(s *site, c *api.Client) error { return lives(c, "B", api.Ready) },
	func(s *site, c *api.Client) error {
		if lives(c, "A", api.Active) != nil {
			_ = post(c, "/v1/batches/A/commands", &api.Command{Command: "start"})
		}
		return lives(c, "A", api.Active)
	},
	func(s *site, c *api.Client) error {
		return post(c, "/v1/claims", &api.Claim{Batch: "A", ID: 1, Step: "S", Equipment: []string{"U1"}})
	},
	func(s *site, c *api.Client) error {
		return post(c, "/v1/claims", &api.Claim{Batch: "B", ID: 1, Step: "S", Equipment: []string{"U1", "U2"}})
	},
	func(s *site, c *api.Client) error {
		s.set("A", func(f *fake) { f.frozen = true })
		return lives(c, "A", api.Lost)
	},
	func(s *site, c *api.Client) error {
		if lives(c, "A", api.Lost) == nil {
			_ = post(c, "/v1/batches/A/restart", &api.Restart{})
		}
		return lives(c, "A", api.Active)
	},
	func(s *site, c *api.Client) error {
		if lives(c, "A", api.Removed) != nil {
			_ = post(c, "/v1/batches/A/removal", &api.Removal{Force: true})
		}
		return lives(c, "A", api.Removed)
	},
	func(s *site, c *api.Client) error {
		if lives(c, "B", api.Ready) == nil {
			_ = post(c, "/v1/batches/B/removal", &api.Removal{})
		}
		return lives(c, "B", api.Removed)
	},
}

func lives(c *api.Client, id string, life api.Life) error {
	var b api.Batch
	if err := c.Call(context.Background(), http.MethodGet, "/v1/batches/"+id, nil, &b); err != nil {
		return err
	}
	if b.Life != life {
		return fmt.Errorf("%s is %s: %s", id, b.Life, b.Reason)
	}
	return nil
}

// exists creates a batch, and takes up one whose runner the manager has not started any more.
func exists(c *api.Client, id string) error {
	var no *api.Error
	if err := lives(c, id, api.Ready); errors.As(err, &no) && no.Status == http.StatusNotFound {
		_ = post(c, "/v1/batches", &api.Create{ID: id, Recipe: "R", Unit: "U1"})
	}
	if lives(c, id, api.Lost) == nil {
		_ = post(c, "/v1/batches/"+id+"/restart", &api.Restart{})
	}
	for _, life := range []api.Life{api.Ready, api.Active} {
		if lives(c, id, life) == nil {
			return nil
		}
	}
	return errors.New("not yet")
}

// run plays the story with a manager that dies at one step; 0: at none. It gives how many steps there were.
func (x *mortal) run() int {
	s := x.s
	s.step = x.step
	s.log.before = func(uint64) error {
		if !x.step("append") {
			return errDead
		}
		return nil
	}
	s.log.after = func(uint64) error {
		if !x.step("appended") {
			return arbiter.ErrUnknown
		}
		return nil
	}
	for stage, tries := 0, 0; stage < len(story); tries++ {
		c := x.up()
		err := story[stage](s, c)
		c.Close()
		if err == nil {
			stage, tries = stage+1, 0
			continue
		}
		require.Less(s.t, tries, 400, "dies at %d: stage %d: %v", x.dies, stage, err)
		time.Sleep(250 * time.Millisecond)
	}
	x.stop()
	<-x.done
	_ = x.m.Close()
	return x.steps
}

// ends holds what is left against what must be.
func (x *mortal) ends() {
	s := x.s
	about := fmt.Sprintf("dies at %d (%s)", x.dies, x.where)
	for id, f := range s.fakes {
		select {
		case <-f.ended:
		default:
			require.Fail(s.t, about, "runner of %s lives", id)
		}
	}
	book, granted := arbiter.NewBook(), map[string]uint64{}
	safe := func(token uint64) bool {
		for _, f := range s.fences {
			if f.Safe && f.Batch == "A" && f.Token > token {
				return true
			}
		}
		return false
	}
	last := uint64(0)
	require.NoError(s.t, book.Follow(context.Background(), s.log, func(seq uint64, _ *arbiter.Op, fx []arbiter.Effect) {
		for _, f := range fx {
			if f.Kind != arbiter.Granted {
				continue
			}
			granted[fmt.Sprint(seq, f.Batch)]++
			require.Greater(s.t, f.Token, last, about)
			last = f.Token
			if f.Batch == "B" {
				require.True(s.t, safe(1), "%s: B has U1 after A was fenced", about)
			}
		}
	}))
	for _, h := range book.Holdings() {
		require.Empty(s.t, h.Batch, about)
		require.Empty(s.t, h.Waiting, about)
	}
	recorded := map[string]uint64{}
	_, err := journal.Scan(filepath.Join(s.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindEquipmentOwner && r.Text(record.Detail) == "granted" {
			recorded[fmt.Sprint(r.Count(record.ArbiterSeq), r.Text(record.ObjectID))]++
		}
		return err
	}, &journal.Options{})
	require.NoError(s.t, err)
	require.Equal(s.t, granted, recorded, about+": each grant is on record once")
}

func TestAManagerKilledAtAnyStepIsFollowedByOneThatComesToTheSameEnd(t *testing.T) {
	steps, died, deaths := 0, 0, map[string]int{}
	inOurTime(t, func(s *site) {
		x := &mortal{s: s}
		steps = x.run()
		x.ends()
	})
	require.Greater(t, steps, 20)
	for dies := 1; dies <= steps; dies++ {
		inOurTime(t, func(s *site) {
			x := &mortal{s: s, dies: dies}
			x.run()
			x.ends()
			if x.where != "" {
				deaths[x.where]++
				died++
			}
		})
		if t.Failed() {
			return
		}
	}
	require.Greater(t, died, steps*9/10)
	t.Logf("%d deaths: %v", steps, deaths)
}
