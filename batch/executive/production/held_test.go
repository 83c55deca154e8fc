// Tests of batches that a person holds: neither a stop nor a cut has them go on.

package production

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
)

// running adds a job of one process, and gives that when it runs.
func (p *plant) running() string {
	p.t.Helper()
	id := p.add("A", 1) + "-0001"
	p.there(id)
	p.shop.runs(id)
	p.stage(id, jobs.Running)
	return id
}

func held(b *api.Batch) { b.State = "Held" }

// lets has a person let a batch go on, which then runs to its end.
func (p *plant) lets(id string) {
	p.t.Helper()
	p.shop.set(id, func(b *api.Batch) { b.State = "Running" })
	p.stage(id, jobs.Running)
	p.shop.completes(id)
	p.gone("J-000001")
	p.until("its article is taken", func() bool { return len(p.shop.made()) == 1 })
}

func TestWhatAPersonHoldsIsHeldBehindACleanStop(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.running()
		p.shop.set(id, held)
		p.stage(id, jobs.Interrupted)
		p.down()
		p.up()
		time.Sleep(2 * time.Minute)
		require.Equal(t, "create", p.shop.story(id))
		require.Equal(t, "Held", p.shop.get(id).State)
		p.lets(id)
	})
}

func TestWhatAPersonHoldsWhileTheEngineIsDownIsHeldWhenItIsUp(t *testing.T) {
	for _, killed := range []bool{false, true} {
		inOurTime(t, func(p *plant) {
			id := p.running()
			p.opt.Leave, p.e.opt.Leave = true, true
			if killed {
				p.kill()
			} else {
				p.down()
			}
			p.shop.set(id, held)
			p.opt.Leave = false
			p.up()
			p.stage(id, jobs.Interrupted)
			p.down()
			p.up()
			time.Sleep(2 * time.Minute)
			require.Equal(t, "create", p.shop.story(id))
			p.lets(id)
		})
	}
}

func TestWhatAPersonHoldsAndIsLostIsTakenUpAndHeld(t *testing.T) {
	for _, killed := range []bool{false, true} {
		inOurTime(t, func(p *plant) {
			id := p.running()
			p.shop.set(id, held)
			p.stage(id, jobs.Interrupted)
			if killed {
				p.kill()
			}
			p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
			if killed {
				p.up()
			}
			p.until("it is taken up", func() bool { return p.shop.story(id) == "create, warm" })
			p.kill()
			p.up()
			time.Sleep(2 * time.Minute)
			require.Equal(t, "create, warm", p.shop.story(id))
			p.lets(id)
		})
	}
}

func TestWhatIsOnItsWayToRestByAPersonAndIsLostIsHeldForGood(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.running()
		p.shop.set(id, func(b *api.Batch) { b.State = "Holding" })
		p.until("it is seen", func() bool { v, _ := p.e.Processes().Process(id); return v.Batch == "Holding" })
		p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
		p.until("it is taken up", func() bool { return p.shop.story(id) == "create, warm" })
		p.stage(id, jobs.Interrupted)
		p.kill()
		p.up()
		time.Sleep(2 * time.Minute)
		require.Equal(t, "create, warm", p.shop.story(id))
		p.lets(id)
	})
}

func TestWhatWaitsForItsUnitAndIsLostGoesOnThoughTheEngineIsKilledInBetween(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.add("A", 2)
		p.there("J-000001-0001")
		p.shop.runs("J-000001-0001")
		p.there("J-000001-0002")
		p.shop.set("J-000001-0002", func(b *api.Batch) { b.Steps = []string{"ALL: waits for R1"} })
		p.shop.mu.Lock()
		p.shop.refuses = func(what, _ string) error {
			if what == "restart" {
				return &api.Error{Status: 503, Message: "not now"}
			}
			return nil
		}
		p.shop.mu.Unlock()
		p.shop.set("J-000001-0002", func(b *api.Batch) { b.Life = api.Lost })
		p.until("it has come up Held", func() bool { return p.shop.get("J-000001-0002").State == "Held" })
		p.kill()
		p.shop.mu.Lock()
		p.shop.refuses = nil
		p.shop.mu.Unlock()
		p.up()
		p.until("it goes on", func() bool { return p.shop.get("J-000001-0002").State == "Running" })
	})
}

func TestWhatAPersonHoldsAndIsLostIsTakenUpThoughTheEngineIsKilledInBetween(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.running()
		p.shop.set(id, func(b *api.Batch) { b.State = "Held" })
		p.until("that is seen", func() bool { v, _ := p.e.Processes().Process(id); return v.State == "Interrupted" })
		p.shop.mu.Lock()
		p.shop.refuses = func(what, _ string) error {
			if what == "warm" {
				return &api.Error{Status: 503, Message: "not now"}
			}
			return nil
		}
		p.shop.mu.Unlock()
		p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
		p.until("the taking up is on record", func() bool { return len(p.deeds(didTakeUp)) == 1 })
		p.kill()
		p.shop.mu.Lock()
		p.shop.refuses = nil
		p.shop.mu.Unlock()
		p.up()
		p.until("it has come up", func() bool { return p.shop.get(id).Life == api.Active })
		time.Sleep(time.Minute)
		require.Equal(t, "Held", p.shop.get(id).State, "and rests")
		p.lets(id)
	})
}

func TestWhatWasLostAndIsTakenUpGoesOnThoughTheEngineIsKilledInBetween(t *testing.T) {
	inOurTime(t, func(p *plant) {
		id := p.running()
		p.shop.mu.Lock()
		p.shop.refuses = func(what, _ string) error {
			if what == "restart" {
				return &api.Error{Status: 503, Message: "not now"}
			}
			return nil
		}
		p.shop.mu.Unlock()
		p.shop.set(id, func(b *api.Batch) { b.Life = api.Lost })
		p.until("it has come up Held", func() bool { return p.shop.get(id).State == "Held" })
		p.until("that is seen", func() bool { v, _ := p.e.Processes().Process(id); return v.Batch == "Held" })
		v, err := p.e.Processes().Process(id)
		require.NoError(t, err)
		require.Equal(t, "Running", v.State, "it does not count as held by a person")
		p.kill()
		p.shop.mu.Lock()
		p.shop.refuses = nil
		p.shop.mu.Unlock()
		p.up()
		p.until("it goes on", func() bool { return p.shop.get(id).State == "Running" })
		p.shop.completes(id)
		p.gone("J-000001")
	})
}
