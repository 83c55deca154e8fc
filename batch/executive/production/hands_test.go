// A day on which people hold, let go and remove batches while the engine is killed, stopped and cut off, at random: each batch runs once, each that is complete
// is one article, and nobody but a person lets go what a person holds.

package production

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// hands are the people of such a day.
type hands struct {
	*plant
	rnd  *rand.Rand
	held map[string]bool // by a person
	up   bool

	writing sync.Mutex // of log: workers of the engine write there, too
	log     []string
}

func (h *hands) logs(format string, args ...any) {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// said gives what was logged by now.
func (h *hands) said() []string {
	h.writing.Lock()
	defer h.writing.Unlock()
	return slices.Clone(h.log)
}

// pick gives one of the batches for which is holds, "" for none.
func (h *hands) pick(is func(b *api.Batch) bool) string {
	h.shop.mu.Lock()
	defer h.shop.mu.Unlock()
	var list []string
	for _, id := range h.shop.order {
		if is(h.shop.list[id]) {
			list = append(list, id)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return list[h.rnd.IntN(len(list))]
}

// hold has a person hold a batch, and be seen.
func (h *hands) hold() {
	id := h.pick(func(b *api.Batch) bool { return b.Life == api.Active && b.State == "Running" && len(b.Equipment) > 0 })
	if id == "" || !h.up {
		return
	}
	h.logs("hold %s", id)
	h.shop.mu.Lock()
	h.held[id] = true
	h.shop.mu.Unlock()
	h.shop.set(id, func(b *api.Batch) { b.State = "Held" })
	time.Sleep(200 * time.Millisecond)
}

// let has a person let a batch go on, and be seen: what was let go and then cut off while nobody looked is held still, until he does so again.
func (h *hands) let() {
	if !h.up {
		return
	}
	id := h.pick(func(b *api.Batch) bool { return b.Life == api.Active && b.State == "Held" && h.held[b.ID] })
	if id == "" {
		return
	}
	h.logs("let %s", id)
	h.shop.mu.Lock()
	delete(h.held, id)
	h.shop.mu.Unlock()
	h.shop.set(id, func(b *api.Batch) { b.State = "Running" })
	time.Sleep(200 * time.Millisecond)
}

// remove has a person take a batch away that is complete, whether it was seen or not.
func (h *hands) remove() {
	id := h.pick(func(b *api.Batch) bool { return b.Life == api.Ended })
	if id == "" {
		return
	}
	h.logs("remove %s", id)
	h.lives(id, "Running", h.shop.get(id).State)
	h.shop.vanishes(id)
	h.shop.mu.Lock()
	h.shop.touch()
	h.shop.mu.Unlock()
}

// turn is what happens next.
func (h *hands) turn() {
	switch h.rnd.IntN(14) {
	case 0:
		h.hold()
	case 1, 2:
		h.let()
	case 3, 4:
		h.remove()
	case 5:
		if h.up {
			h.logs("kill")
			h.kill()
			h.up = false
		}
	case 6:
		if h.up {
			h.logs("stop")
			h.plant.down()
			h.up = false
		}
	case 7:
		if h.rnd.IntN(2) == 0 {
			h.logs("cut")
			h.shop.cut()
		}
	case 8, 9, 10:
		if !h.up {
			h.logs("up")
			h.plant.up()
			h.up = true
		}
	}
	h.shop.turn()
	time.Sleep(time.Duration(h.rnd.IntN(400)) * time.Millisecond)
}

// ends has all be let go and go on until the list is empty.
func (h *hands) ends() {
	if !h.up {
		h.plant.up()
		h.up = true
	}
	h.until("the list is empty", func() bool {
		h.let()
		h.shop.turn()
		for _, j := range h.e.Jobs().List() {
			if j.State == jobs.JobSuspended.String() {
				require.Fail(h.t, "a job is suspended", "%+v", j)
			}
		}
		return len(h.e.Jobs().List()) == 0
	})
}

func TestPeopleCutsAndStopsAtRandomLoseNothingAndRunNothingTwice(t *testing.T) {
	seeds := 30
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 2000
	}
	for seed := range seeds {
		inOurTime(t, func(p *plant) {
			h := &hands{plant: p, rnd: rand.New(rand.NewPCG(uint64(seed), 7)), held: map[string]bool{}, up: true}
			defer func() {
				if h.t.Failed() {
					fmt.Printf("seed %d\n%s\n", seed, strings.Join(h.said(), "\n"))
				}
			}()
			p.opt.StopBy, p.e.opt.StopBy = 20*time.Second, 20*time.Second
			p.shop.mu.Lock()
			p.shop.refuses = func(what, id string) error {
				if h.logs("%s %s", strings.ToUpper(what), id); what == "restart" && h.held[id] {
					h.logs("LET GO by the engine: %s", id)
				}
				return nil
			}
			p.shop.mu.Unlock()
			p.add("A", 3)
			p.add("B", 2)
			for range 60 {
				h.turn()
			}
			h.ends()
			p.until("all articles are taken", func() bool { return len(p.shop.made()) >= 5 })
			require.Len(t, p.shop.made(), 5)
			require.False(t, slices.ContainsFunc(h.said(), func(s string) bool { return strings.HasPrefix(s, "LET") }), "%q", h.said())
			ran := 0
			for _, n := range p.shop.began {
				ran += n
			}
			require.Equal(t, 5, ran)
		})
	}
}
