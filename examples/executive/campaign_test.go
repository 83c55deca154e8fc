// A campaign: processes of the executive are killed at random, again and again, while batches run.

//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/sequencer"
)

// mended is how long outputs of a batch whose runner is gone may be away from their safe values once the I/O process is up. Half of it is
// for which an I/O process that was started anew waits for runners to come back.
const mended = 10 * time.Second

// patient is how often an operator restarts a batch that is Held before he aborts it.
const patient = 5

// campaign is one run of it.
type campaign struct {
	*rig
	rng   *rand.Rand
	pair  int
	again map[string]int  // how often a batch that was Held was restarted
	count map[string]int  // what happened, for the summary
	shown []time.Duration // from the end of a runner until the batch is shown Lost
	alone []time.Duration // from there until its outputs are safe, the I/O process being alive
	both  []time.Duration // the same, where the I/O process was killed with it
}

// victim is a batch whose runner was killed.
type victim struct {
	id   string
	at   time.Time
	held []string // equipment that it had
	lit  bool     // and an output of that was on
}

// rounds is how many there are: BATCHKIT_ROUNDS, or as many as the length of the run says.
func rounds(t *testing.T) int {
	if v := os.Getenv("BATCHKIT_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if long() {
		return 450
	}
	return 5
}

func TestKillsAtRandomLeaveNoEquipmentHeldByTwoNoneLeakedAndNoGapInTheEvidence(t *testing.T) {
	if aside(t) {
		return
	}
	c := &campaign{rig: newRigWith(t, parts, func(dir string) { drain(t, dir) }), rng: seeded(t), again: map[string]int{}, count: map[string]int{}}
	all := rounds(t)
	for n := range all {
		c.fill()
		time.Sleep(time.Duration(c.rng.IntN(2000)) * time.Millisecond)
		c.settle(c.strike())
		if n%25 == 24 {
			t.Logf("round %d: %v", n+1, c.count)
		}
	}
	c.clear()
	grants := c.log()
	packages := c.evidence()
	t.Logf("%d rounds, %d grants, %d packages verified; %v", all, grants, packages, c.count)
	t.Logf("a runner is gone -> shown Lost: %s; -> outputs safe: %s; with the I/O process gone, too: %s", spread(c.shown), spread(c.alone), spread(c.both))
}

// leavings are where the recipes wait for a vessel to be empty.
var leavings = regexp.MustCompile(`(?m)^( +)- wait: "(WT301|WT901) < 1\.00 kg`)

// drain lays out the recipes so that a batch lets out first what another has left in a vessel; in a cell of vessels a person does that.
func drain(t *testing.T, dir string) {
	for _, recipe := range []string{"charge", "rinse", "twin"} {
		name := "recipes/" + recipe + ".yaml"
		data, err := files.ReadFile(dirCell + "/" + name)
		require.NoError(t, err)
		valve := cond(recipe == "rinse", "XV903", "XV301")
		require.Len(t, leavings.FindAll(data, -1), 1)
		data = leavings.ReplaceAll(data, []byte("$1- set: {"+valve+": open}\n$1- wait: \"$2 < 0.50 kg\"\n$1- set: {"+valve+": closed}\n$0"))
		require.NoError(t, lay(filepath.Join(dir, dirCell, name), data))
	}
}

// spread is the least, the middle and the greatest of some times, and how many there are.
func spread(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("%v/%v/%v of %d", ms(d[0]), ms(d[len(d)/2]), ms(d[len(d)-1]), len(d))
}

// fill sees to it that some batches are under way.
func (c *campaign) fill() {
	live := 0
	for _, b := range c.batches() {
		if b.Life != api.Removed {
			live++
		}
	}
	for ; live < 8; live++ {
		unit := units[c.rng.IntN(len(units))]
		switch c.rng.IntN(5) {
		case 0, 1:
			c.create("CHARGE", unit, nil)
		case 2, 3:
			c.create("RINSE", unit, nil)
		default:
			c.pair++
			group := map[string]string{"PAIR": fmt.Sprintf("P-%d", c.pair)}
			c.create("TWIN", "R101", group)
			c.create("TWIN", "R102", group)
			live++
		}
	}
}

// strike kills one or two processes, and gives the batches among them, and whether the I/O process was.
func (c *campaign) strike() (victims []victim, blind bool) {
	for range 1 + c.rng.IntN(2) {
		name := []string{api.Manager, api.Runtime, api.IO, ""}[c.rng.IntN(4)]
		if name != "" {
			if _, ok := c.signal(name, syscall.SIGKILL); ok {
				c.count["killed "+name]++
				blind = blind || name == api.IO
			}
			continue
		}
		v, ok := c.choose()
		if !ok {
			continue
		}
		if _, ok := c.signal(v.id, syscall.SIGKILL); ok {
			c.count["killed runner"]++
			v.at = time.Now()
			victims = append(victims, v)
		}
	}
	return victims, blind
}

// choose gives a batch that has a runner; every other time one that has an output on, if there is one.
func (c *campaign) choose() (v victim, ok bool) {
	holdings := c.holdings()
	var all, lit []victim
	for _, b := range c.batches() {
		if b.Life != api.Ready && b.Life != api.Active {
			continue
		}
		v := victim{id: b.ID}
		for _, h := range holdings {
			if h.Batch == v.id {
				v.held = append(v.held, h.Equipment)
				v.lit = v.lit || len(c.plant.on(h.Equipment)) > 0
			}
		}
		if all = append(all, v); v.lit {
			lit = append(lit, v)
		}
	}
	if c.rng.IntN(2) == 0 && len(lit) > 0 {
		all = lit
	}
	if len(all) == 0 {
		return v, false
	}
	return all[c.rng.IntN(len(all))], true
}

// settle waits until every victim was shown Lost and nobody is any more, and holds what must hold meanwhile.
func (c *campaign) settle(victims []victim, blind bool) {
	c.t.Helper()
	for i := range victims {
		c.fallen(&victims[i], blind)
	}
	c.up()
	c.until("nobody is lost", func() bool {
		c.held()
		lost := 0
		for _, b := range c.batches() {
			if b.Life == api.Lost {
				lost++
			}
			c.tend(&b)
		}
		return lost == 0
	})
}

// fallen waits until a victim is shown Lost, and the outputs of all that it had are safe.
func (c *campaign) fallen(v *victim, blind bool) {
	c.t.Helper()
	var shown, safe, up time.Duration
	c.until(v.id+" is shown Lost and its outputs are safe", func() bool {
		since := time.Since(v.at)
		if up == 0 && c.s.ask(c.t.Context(), api.IO, "GET", "/v1/self", nil, &api.Self{}) == nil {
			up = since
		}
		on := slices.ContainsFunc(v.held, func(e string) bool { return len(c.plant.on(e)) > 0 })
		switch {
		case !on && safe == 0:
			safe = max(since, 1)
		case on && up > 0:
			safe = 0 // what it wrote last came through behind the look before
			require.Less(c.t, since-up, mended, "%s is lost, and its outputs are not safe: %v", v.id, v.held)
		}
		var b api.Batch
		if shown == 0 && c.s.ask(c.t.Context(), api.Manager, "GET", "/v1/batches/"+v.id, nil, &b) == nil && b.Life == api.Lost {
			shown = time.Since(v.at)
		}
		return shown > 0 && safe > 0
	})
	c.held()
	c.shown = append(c.shown, shown)
	if !v.lit {
		return
	}
	if blind {
		c.both = append(c.both, safe)
	} else {
		c.alone = append(c.alone, safe)
	}
}

// tend does with a batch what its operator would.
func (c *campaign) tend(b *api.Batch) {
	c.t.Helper()
	switch {
	case b.Life == api.Lost:
		c.safe(b.ID)
		var err error
		switch c.rng.IntN(4) {
		case 0:
			err = c.remove(b.ID, false)
			c.count["lost, removed"]++
		case 1:
			err = c.ask("POST", "/v1/batches/"+b.ID+"/restart", &api.Restart{Order: because, Cold: true}, nil)
			c.count["lost, restarted cold"]++
		default:
			err = c.ask("POST", "/v1/batches/"+b.ID+"/restart", &api.Restart{Order: because}, nil)
			c.count["lost, restarted warm"]++
		}
		if err != nil {
			c.count["lost, refused: "+err.Error()]++
		}
	case b.Life == api.Active && b.State == sequencer.Held.String():
		if c.again[b.ID]++; c.again[b.ID] > patient { // such as one whose partner is gone
			c.tell(b.ID, "abort")
			c.count["held, aborted"]++
			return
		}
		c.tell(b.ID, "restart")
		c.count["held, restarted"]++
	case b.Life == api.Ready:
		c.tell(b.ID, "start") // who was to start it was killed before that
	case b.Life == api.LoadFailed:
		c.count["load failed"]++
		_ = c.remove(b.ID, false)
	case b.Life == api.Ended && b.State == "": // the manager has not heard its runner since it was started anew
	case b.Life == api.Ended:
		rep, err := evidence.Verify(b.Package)
		require.NoError(c.t, err, b.ID)
		require.True(c.t, rep.OK(), "%s: %s", b.ID, rep.Verdict())
		c.count["ended "+b.State]++
		_ = c.remove(b.ID, false)
	}
}
