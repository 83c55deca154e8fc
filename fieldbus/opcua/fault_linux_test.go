// On a line, with a server that refuses, is frozen, and is killed: nothing old passes, and what comes back is delivered again.

package opcua

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/iomap/tag"
)

// staleAfter is the limit of age on the rig's line. slack is how late the server may be with its own samples on a busy machine, where it
// publishes them by itself.
const (
	staleAfter = 800 * time.Millisecond
	slack      = time.Second
)

// gate looks at the values of a line as one who decides by them does.
type gate struct {
	read   string
	l      *line.Line
	mu     sync.Mutex
	good   int           // looks at good values
	worst  time.Duration // by how much a value was older than it said
	oldest time.Duration // of the good ones
	told   []fieldbus.Event
	last   tag.Quality
}

// trueAge is how long before a time the server has taken a value of Now.
func trueAge(bits uint64, at time.Time) time.Duration { return at.Sub(time.UnixMilli(int64(bits))) }

// look looks at Now as it stands. The time by which its true age is told is taken before that by which the value says its own: whoever is
// held up between the two sees a value that says it is older, not one that is older than it says.
func (g *gate) look(t *testing.T) {
	v, err := g.l.Value("now")
	require.NoError(t, err)
	at := time.Now()
	q, _, age := v.At(g.l.Now())
	g.mu.Lock()
	defer g.mu.Unlock()
	if q != g.last {
		g.last = q
	}
	if q != tag.Good {
		return
	}
	real := trueAge(v.Raw.Bits, at)
	g.good++
	g.worst, g.oldest = max(g.worst, real-time.Duration(age)), max(g.oldest, real)
}

// await waits until the line has delivered a value that was taken after a time, and gives for how long.
func (g *gate) await(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	for range 4000 {
		v, err := g.l.Value("now")
		require.NoError(t, err)
		if q, _, _ := v.At(g.l.Now()); q == tag.Good && !time.UnixMilli(int64(v.Raw.Bits)).Before(since) {
			return time.Since(since)
		}
		time.Sleep(5 * time.Millisecond)
	}
	require.Fail(t, "nothing was delivered for 20 s")
	return 0
}

// awaitNot waits until the value passes no gate.
func (g *gate) awaitNot(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		v, err := g.l.Value("now")
		q, _, _ := v.At(g.l.Now())
		return err == nil && q != tag.Good
	}, 20*time.Second, 5*time.Millisecond)
}

// watched puts a device on a line that watches the server, and looks at it until the test ends.
func watched(ctx context.Context, t *testing.T, wg *sync.WaitGroup, p *peer, w *wire, read string) *gate {
	prof := plantProfile(fieldbus.Setting{Key: "read", Text: read})
	prof.Limits.Response = int64(3 * time.Second)
	m := &fieldbus.TagMap{
		ID: "plant", Version: "1", Profiles: []*fieldbus.Profile{prof}, Classes: []fieldbus.Class{{Name: "fast", Every: int64(50 * time.Millisecond)}},
		Devices: []fieldbus.Device{{Name: "plant", Profile: prof, Endpoints: []string{w.endpoint()}, Reconnect: int64(2 * time.Second)}},
	}
	for channel, point := range map[string]string{"now": "Now", "level": "Level", "valve": "Valve"} {
		m.Tags = append(m.Tags, fieldbus.Tag{Channel: channel, Point: prof.Find(point).Index, StaleAfter: int64(staleAfter)})
	}
	d := device(t, prof, trusting(t, p, Basic256Sha256))
	l, err := line.New(m, []line.Attached{{Device: "plant", Driver: d, Longest: int64(500 * time.Millisecond)}}, nil)
	require.NoError(t, err)
	g := &gate{l: l, read: read}
	l.Report(func(e fieldbus.Event) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.told = append(g.told, e)
	})
	wg.Go(func() { _ = l.Watch(ctx, func(tag.Raw) {}) })
	wg.Go(func() {
		for ctx.Err() == nil {
			g.look(t)
			time.Sleep(2 * time.Millisecond)
		}
	})
	return g
}

func TestNothingOldPassesWhateverHappensToTheServer(t *testing.T) {
	spare := plant(t)
	p := startPeer(t)
	w := wired(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	gates := []*gate{watched(ctx, t, &wg, p, w, "ask"), watched(ctx, t, &wg, p, w, "subscribe")}
	for _, g := range gates {
		g.await(t, time.Now())
	}
	story(t, p, spare, w, gates)
	for _, g := range gates {
		g.mu.Lock()
		t.Logf("%s: %d looks at good values, the oldest %v, none older than it said but for %v", g.read, g.good, g.oldest, max(g.worst, 0))
		late := 2 * time.Millisecond // the clock of the value has whole ones
		if g.read == "subscribe" {
			late = slack
		}
		require.Less(t, g.worst, late, "a value was older than it said")
		require.Less(t, g.oldest, staleAfter+late, "a value passed that was older than its limit")
		require.Positive(t, g.good)
		g.joined(t)
		was := ""
		for _, e := range g.told {
			if refused := strings.Contains(e.Cause, "EOF"); !refused && !(e.New == fieldbus.Connecting && strings.Contains(was, "EOF")) {
				t.Logf("  %9.3f %v", float64(e.At)/1e9, told(&e))
			}
			was = e.Cause
		}
		g.mu.Unlock()
	}
}

// joined holds that every change of the link was told: each begins where the last one has ended, the loss is among them, and each way up has
// read every tag anew.
func (g *gate) joined(t *testing.T) {
	state, ups, lost, synced := fieldbus.Down, 0, 0, 0
	for _, e := range g.told {
		switch e.Kind {
		case fieldbus.Resynced:
			synced++
		case fieldbus.LinkChanged:
			require.Equal(t, state, e.Old, "%s: a transition is missing before %v", g.read, told(&e))
			if state = e.New; e.Old == fieldbus.Syncing && state == fieldbus.Up {
				ups++
			}
			if state == fieldbus.Down && (e.Old == fieldbus.Up || e.Old == fieldbus.Degraded) {
				lost++
			}
		}
	}
	require.Contains(t, []fieldbus.LinkState{fieldbus.Up, fieldbus.Degraded}, state, g.read)
	require.Positive(t, lost, g.read)
	require.Equal(t, lost+1, ups, g.read)
	require.Equal(t, ups, synced, g.read)
}

// told says what an event tells.
func told(e *fieldbus.Event) string {
	return fmt.Sprintf("%d %v -> %v after %v, reconnects %d: %.150s", e.Kind, e.Old, e.New, time.Duration(e.Took).Round(time.Millisecond), e.Reconnects, e.Cause)
}

// settled waits until the last that was told of the link is that it is up. A value of a link that has come up can be seen before that.
func (g *gate) settled(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		state := fieldbus.Down
		for _, e := range g.told {
			if e.Kind == fieldbus.LinkChanged {
				state = e.New
			}
		}
		return state == fieldbus.Up || state == fieldbus.Degraded
	}, 20*time.Second, 5*time.Millisecond, g.read)
}

// transitions counts what was told of the link so far.
func (g *gate) transitions() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.told {
		if e.Kind == fieldbus.LinkChanged {
			n++
		}
	}
	return n
}

// story does one thing after the other to a server that lines watch.
func story(t *testing.T, p, spare *peer, w *wire, gates []*gate) {
	frozen := 2 * time.Second
	if os.Getenv("BATCHKIT_LONG") == "1" {
		frozen = 8 * time.Second
	}
	all := func(what string, since time.Time) {
		for _, g := range gates {
			t.Logf("%s: %s, delivering %v after that", g.read, what, g.await(t, since).Round(time.Millisecond))
			g.settled(t)
		}
	}
	for _, g := range gates {
		g.settled(t)
	}
	before := gates[0].transitions() + gates[1].transitions()
	side := device(t, plantProfile(), trusting(t, p, None))
	require.NoError(t, side.Open(t.Context(), p.endpoint()))
	require.ErrorIs(t, side.Write(t.Context(), side.profile.Find("Refuses"), tag.Int, 1), fieldbus.ErrRefused)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, side.Read(ctx, named(side.profile, "Now"), make([]fieldbus.Reading, 1)))
	require.NoError(t, side.Close())
	all("a refused call and a cancelled one on the side", time.Now())
	require.Equal(t, before, gates[0].transitions()+gates[1].transitions(), "what others ask for costs the lines nothing")

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	for _, g := range gates {
		g.awaitNot(t)
	}
	time.Sleep(frozen - time.Since(stopped))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	all(fmt.Sprintf("frozen for %v", frozen), time.Now())
	time.Sleep(200 * time.Millisecond)

	p.kill()
	killed := time.Now()
	for _, g := range gates {
		g.awaitNot(t)
	}
	time.Sleep(3*time.Second - time.Since(killed))
	w.turn(spare) // the same server, started again: there is another process at the same address
	all(fmt.Sprintf("killed, and back after %v", time.Since(killed).Round(time.Millisecond)), time.Now())
}
