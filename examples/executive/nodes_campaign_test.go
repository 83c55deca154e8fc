// A campaign against several boards: their bus is killed and cut, again and again, and now and then other processes are killed, while batches run.

//go:build linux

package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/sequencer"
)

// boardsCampaign is one run of it.
type boardsCampaign struct {
	*boardsRig
	rng    *rand.Rand
	tended map[string]*campaign // by board: what its operator does
	count  map[string]int
	given  map[uint64]string // what any manager has ever shown: token -> equipment and batch
	pair   int
	waits  []time.Duration // from the end of a fault until somebody got what he waited for
	gaps   []time.Duration // from the kill of the leader until there was another
	faults []time.Duration
}

// boardRounds is how many there are: BATCHKIT_ROUNDS, or as many as the length of the run says. Of five, two kill, two cut the bus and one cuts gates.
func boardRounds(t *testing.T) int {
	if v := os.Getenv("BATCHKIT_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if long() {
		return 50
	}
	return 3
}

func TestABusThatIsKilledOrCutLeavesNoEquipmentWithTwoAndDisturbsNoBatchInProgress(t *testing.T) {
	if aside(t) {
		return
	}
	c := &boardsCampaign{boardsRig: newBoards(t, nil), rng: seeded(t), tended: map[string]*campaign{}, count: map[string]int{}, given: map[uint64]string{}}
	for node, r := range c.boards {
		c.tended[node] = &campaign{rig: r, rng: c.rng, again: map[string]int{}, count: c.count}
	}
	all := boardRounds(t)
	for n := range all {
		c.fill()
		c.until("some batches are under way", func() bool { return len(c.under()) > 1 })
		time.Sleep(time.Duration(c.rng.IntN(500)) * time.Millisecond)
		switch n % 5 {
		case 1, 3:
			c.partition()
		case 2:
			c.shut()
		default:
			c.kill(n)
		}
		c.settle()
		if n%10 == 9 {
			t.Logf("round %d: %v", n+1, c.count)
		}
	}
	grants, packages := c.settled()
	c.hubHasAll()
	t.Logf("%d rounds, %d grants, %d packages verified; %v", all, grants, packages, c.count)
	t.Logf("the leader is killed -> another leads: %s; a fault: %s; it is over -> who waited has what he waited for: %s", spread(c.gaps), spread(c.faults), spread(c.waits))
}

// fill sees to it that some batches are under way at each board.
func (c *boardsCampaign) fill() {
	for _, node := range c.names() {
		live := 0
		for _, b := range c.boards[node].batches() {
			if b.Life != api.Removed {
				live++
			}
		}
		for ; live < 3; live++ {
			if c.rng.IntN(6) > 0 {
				c.create(c.rng, node)
				continue
			}
			c.pair++
			group := map[string]string{"PAIR": fmt.Sprintf("P-%d", c.pair)}
			other := c.names()[c.rng.IntN(3)]
			c.boards[node].create("TWIN", unitsOf(node)[0], group)
			c.boards[other].create("TWIN", unitsOf(other)[1], group)
		}
	}
}

// under are the batches that are under way and want nothing of anybody, with what they do.
func (c *boardsCampaign) under() map[string]string {
	doing := map[string]string{}
	for _, r := range c.boards {
		for _, b := range r.batches() {
			does := strings.Join(b.Steps, "; ")
			if b.Life == api.Active && b.State == sequencer.Running.String() && does != "" && !wants(does) {
				doing[b.ID] = does
			}
		}
	}
	return doing
}

// wants tells whether a step waits for equipment or for another batch, which goes by the log.
func wants(does string) bool {
	return strings.Contains(does, "waits for") || strings.Contains(does, "result of")
}

// gone tells whether each of those has got further, and holds that none is held meanwhile. Who has is taken off.
func (c *boardsCampaign) gone(doing map[string]string) bool {
	c.t.Helper()
	for id, does := range doing {
		b := c.of(id).batch(id)
		require.NotContains(c.t, []string{"Holding", "Held", "Aborting", "Aborted", "Stopping", "Stopped"}, b.State, "%s was disturbed: %s %s %v", id, b.Reason, does, b.Steps)
		if b.ID != "" && (b.Life != api.Active || strings.Join(b.Steps, "; ") != does) {
			delete(doing, id)
			c.count["batches that went on in a fault"]++
		}
	}
	return len(doing) == 0
}

// kill kills the bus process of one board, or that of the leader, and now and then another process, too.
func (c *boardsCampaign) kill(round int) {
	led := c.led()
	doing, began := c.under(), time.Now()
	victim := led
	if round%2 == 1 {
		victim = c.names()[c.rng.IntN(3)]
	}
	if _, ok := c.boards[victim].signal(api.Bus, syscall.SIGKILL); !ok {
		c.count["bus not there"]++
		return
	}
	c.count["killed bus"]++
	at, another := time.Now(), victim != led
	if !another {
		c.count["of these the leader"]++
	}
	c.until(fmt.Sprintf("all go on, and somebody leads: %v", doing), func() bool {
		if !another {
			if n := c.leader(); n != "" && (n != victim || time.Since(at) > 10*time.Second) {
				another = true
				c.gaps = append(c.gaps, time.Since(at))
			}
		}
		return c.gone(doing) && another
	})
	c.faults = append(c.faults, time.Since(began))
	if round%3 != 2 {
		return
	}
	r := c.boards[c.names()[c.rng.IntN(3)]]
	name := []string{api.Manager, api.IO, api.Runtime, ""}[c.rng.IntN(4)]
	if name == "" {
		if list := slices.Sorted(maps.Keys(c.under())); len(list) > 0 {
			name = list[c.rng.IntN(len(list))]
			r = c.of(name)
		}
	}
	if _, ok := r.signal(name, syscall.SIGKILL); ok {
		if strings.Contains(name, ".") {
			name = "runner"
		}
		c.count["killed "+name]++
	}
}

// led waits until somebody leads.
func (c *boardsCampaign) led() (node string) {
	c.until("somebody leads", func() bool { node = c.leader(); return node != "" })
	return node
}

// partition cuts one board off the bus, or all from each other, until every batch that can has gone on.
func (c *boardsCampaign) partition() {
	led := c.led()
	doing, began := c.under(), time.Now()
	alone := []string{"", led, c.names()[c.rng.IntN(3)]}[c.rng.IntN(3)]
	c.cut(alone)
	c.count["partitions"]++
	if alone == led {
		c.count["of these the leader alone"]++
	}
	c.onlyByLinks()
	time.Sleep(time.Duration(2000+c.rng.IntN(4000)) * time.Millisecond)
	c.until(fmt.Sprintf("all go on without the bus: %v", doing), func() bool { return c.gone(doing) })
	c.onlyByLinks()
	c.join()
	c.faults = append(c.faults, time.Since(began))
}

// across are the batches that have, or are to have next, what lies behind the gate of a board as they see it.
func (c *boardsCampaign) across(board string) map[string]bool {
	far := map[string]bool{}
	for _, h := range c.boards["n1"].holdings() {
		for _, e := range commons("") {
			if e.Name != h.Equipment {
				continue
			}
			for _, id := range append([]string{h.Batch}, waiting(&h)...) {
				far[id] = far[id] || id != "" && !api.OfNode(id, e.Node) && (e.Node == board || api.OfNode(id, board))
			}
		}
	}
	return far
}

func waiting(h *api.Holding) (ids []string) {
	for _, w := range h.Waiting {
		ids = append(ids, w.Batch)
	}
	return ids
}

// shut cuts the gate of a board that has what a batch of another one uses, until that batch is held and all others have gone on.
func (c *boardsCampaign) shut() {
	began, victim, at := time.Now(), "", ""
	c.until("a batch uses what lies at another board", func() bool {
		under := c.under()
		for _, h := range c.boards["n1"].holdings() {
			for _, e := range commons("") {
				if e.Name == h.Equipment && under[h.Batch] != "" && !api.OfNode(h.Batch, e.Node) && len(c.boards[e.Node].plant.on(e.Name)) > 0 {
					victim, at = h.Batch, e.Node
				}
			}
		}
		if victim == "" {
			c.fill()
			for _, node := range c.names() {
				for _, b := range c.boards[node].batches() {
					c.tended[node].tend(&b)
				}
			}
		}
		return victim != ""
	})
	for way, k := range c.gates {
		if way[0] == at || way[1] == at {
			k.cut()
		}
	}
	c.count["gates cut"]++
	near := c.under()
	delete(near, victim)
	held := false
	c.until(fmt.Sprintf("%s is held, and all go on that use nothing behind the gate of %s: %v", victim, at, near), func() bool {
		for id := range c.across(at) {
			delete(near, id)
		}
		b := c.of(victim).batch(victim)
		held = held || b.State == sequencer.Held.String()
		return c.gone(near) && held
	})
	c.until("silence of "+victim+" makes outputs safe", func() bool {
		for _, h := range c.boards["n1"].holdings() {
			if h.Batch == victim && slices.ContainsFunc(commons(""), func(e shared) bool { return e.Name == h.Equipment && e.Node == at }) {
				return len(c.boards[at].plant.on(h.Equipment)) == 0
			}
		}
		return true
	})
	c.join()
	c.faults = append(c.faults, time.Since(began))
	c.until(victim+" completes", func() bool {
		b := c.of(victim).batch(victim)
		if b.State == sequencer.Held.String() {
			c.of(victim).tell(victim, "restart")
		}
		return b.Life == api.Ended && b.State == sequencer.Complete.String()
	})
}

// settle waits until who waited for equipment has got some, every process answers and nobody is lost.
func (c *boardsCampaign) settle() {
	c.t.Helper()
	waiting := map[string]int64{} // batch and equipment
	for _, h := range c.boards["n1"].holdings() {
		for _, w := range h.Waiting {
			waiting[w.Batch+" "+h.Equipment]++
		}
	}
	began, served := time.Now(), len(waiting) == 0
	c.up()
	c.until("nobody is lost, and who waited is served", func() bool {
		c.look()
		lost := 0
		for _, node := range c.names() {
			for _, b := range c.boards[node].batches() {
				if b.Life == api.Lost {
					lost++
				}
				c.tended[node].tend(&b)
			}
		}
		if !served {
			left := map[string]bool{}
			for _, h := range c.boards["n1"].holdings() {
				for _, w := range h.Waiting {
					left[w.Batch+" "+h.Equipment] = true
				}
			}
			for w := range waiting {
				served = served || !left[w]
			}
			if served {
				c.waits = append(c.waits, time.Since(began))
			}
		}
		return lost == 0 && served
	})
}

// look holds what all managers show against all that any of them has ever shown.
func (c *boardsCampaign) look() {
	c.t.Helper()
	for node, r := range c.boards {
		for _, h := range r.holdings() {
			if h.Batch == "" {
				continue
			}
			is := h.Equipment + " " + h.Batch
			was, known := c.given[h.Token]
			require.True(c.t, !known || strings.HasSuffix(was, " "+h.Batch), "token %d: %s says %s, and it was %s", h.Token, node, is, was)
			c.given[h.Token] = is
		}
	}
}

// hubHasAll holds that the hub has every journal up to its end.
func (b *boardsRig) hubHasAll() {
	b.t.Helper()
	var out said
	s := *b.s
	s.stdout = &out
	require.NoError(b.t, s.forwarded(b.t.Context(), b.sites))
	b.t.Log(strings.TrimSpace(out.String()))
}
