// Tests of the engine number of a ledger, and of the prefix of its ids.

package production

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

func TestALedgerNamesTheEngineNumberThatDecides(t *testing.T) {
	inOurTime(t, func(p *plant) {
		require.Equal(t, []string{fmt.Sprintf(`{"did":"engine","seq":%d}`, EngineNumber)}, p.deeds(didEngine))
		p.down()
		p.up()
		require.Len(t, p.deeds(didEngine), 1, "it is said once")
		require.EqualValues(t, EngineNumber, p.checks().Engine)
	})
}

func TestADifferenceNamesTheEngineNumberThatDecided(t *testing.T) {
	inOurTime(t, func(p *plant) {
		job := p.running()[:8]
		p.opt.Leave, p.e.opt.Leave = true, true
		p.down()
		p.writes(wrote(forDeeds, `{"did":"engine","seq":77}`), wrote(forJobs, `{"event":"suspend","job":"`+job+`"}`), func(b *record.Body) {
			b.Begin(record.KindJobNotice)
			b.Text(record.Result, "back")
			b.Counts(record.Cause, []uint64{1})
		})
		c, err := Check(p.dir, "", nil)
		require.NoError(t, err)
		require.EqualValues(t, 77, c.Engine)
		require.Contains(t, c.Differs, fmt.Sprintf("engine number 77 decided it, and this one is %d", EngineNumber))
		p.up()
		require.Len(t, p.deeds(didEngine), 3, "the one that has taken it up names itself")
		p.down()
		p.dir = t.TempDir()
		p.up()
	})
}

func TestALedgerOfAnotherPrefixIsRefusedAndNothingIsChanged(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.down()
		for _, other := range []string{"n2.", "n1."} {
			before := p.checks().Head
			p.opt.Prefix = other
			_, err := Open(p.dir, "CELL-1", p.shop.needs(), &p.opt)
			require.ErrorContains(t, err, "begin with")
			_, err = Check(p.dir, other, nil)
			require.ErrorContains(t, err, "begin with")
			p.opt.Prefix = ""
			require.Equal(t, before, p.checks().Head)
		}
		p.up()
	})
}

func TestTriggersAreOnRecordWithWhatWasThere(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.triggers["A"] = []jobs.Trigger{{Kind: jobs.Prepare, Type: "rinse", Recipe: "RINSE", Provides: "CLEAN"}, {Kind: jobs.Prepare, Type: "heat", Recipe: "HEAT", Provides: "WARM"},
			{Kind: jobs.CleanUp, Type: "empty", Recipe: "EMPTY"}, {Kind: jobs.Prepare, For: "B", Type: "other", Recipe: "OTHER"}}
		p.shop.has["WARM"] = true
		p.add("A", 1)
		p.until("the prepare is there", func() bool { return len(p.shop.ids()) == 1 })
		var said struct{ Setup setupSaid }
		list := p.deeds(didSetup)
		require.Len(t, list, 1)
		require.NoError(t, json.Unmarshal([]byte(list[0]), &said))
		require.Equal(t, setupSaid{Recipe: "A", Kind: jobs.Prepare, Triggers: p.shop.triggers["A"][:2], Has: []string{"WARM"}}, said.Setup)
		p.shop.runs(p.shop.ids()[0])
		p.shop.completes(p.shop.ids()[0])
		p.there("J-000001-0001")
		p.shop.runs("J-000001-0001")
		p.shop.completes("J-000001-0001")
		p.until("the clean-up is there", func() bool { return len(p.shop.ids()) == 3 })
		p.shop.runs(p.shop.ids()[2])
		p.shop.completes(p.shop.ids()[2])
		p.until("the list is empty", func() bool { return len(p.e.Jobs().List()) == 0 })
		require.Len(t, p.deeds(didSetup), 2)
	})
}

func TestStepsThatDoNotFollowFromTheTriggersOnRecordAreFound(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.triggers["A"] = []jobs.Trigger{{Kind: jobs.Prepare, Type: "rinse", Recipe: "RINSE"}}
		p.add("A", 1)
		p.until("the prepare is there", func() bool { return len(p.shop.ids()) == 1 })
		f := newFold("")
		d := deed{Did: didSetup, Job: "J-000002", Setup: &setupSaid{Recipe: "A", Kind: jobs.Prepare, Triggers: p.shop.triggers["A"]}}
		f.did(&d)
		f.follows(7, &jobs.Event{Kind: jobs.Content, Job: "J-000002", Steps: []jobs.Step{{Type: "rinse", Recipe: "RINSE"}}})
		require.Nil(t, f.diverged)
		f.did(&d)
		f.follows(8, &jobs.Event{Kind: jobs.Content, Job: "J-000002", Steps: []jobs.Step{{Type: "rinse", Recipe: "BLEACH"}}})
		require.Contains(t, f.diverged.Detail, "triggers")
		p.shop.runs(p.shop.ids()[0])
		p.shop.completes(p.shop.ids()[0])
		p.there("J-000001-0001")
		p.shop.runs("J-000001-0001")
		p.shop.completes("J-000001-0001")
		p.gone("J-000001")
	})
}

func TestTriggersThatNoListTakesSetTheirJobAside(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.shop.triggers["A"] = make([]jobs.Trigger, jobs.MaxTriggers+1)
		p.shop.triggers["C"] = []jobs.Trigger{{Kind: jobs.Prepare, Type: "", Recipe: "RINSE"}}
		for range jobs.MaxSteps + 1 {
			p.shop.triggers["D"] = append(p.shop.triggers["D"], jobs.Trigger{Kind: jobs.Prepare, Type: "rinse", Recipe: "RINSE"})
		}
		for _, recipe := range []string{"A", "C", "D"} {
			job := p.add(recipe, 1)
			p.until(recipe+" is set aside", func() bool { j, err := p.e.Jobs().Job(job); return err == nil && j.Aside != "" })
			require.NoError(t, p.e.Jobs().Tell(job, &api.JobCommand{Command: "abort"}))
			p.gone(job)
		}
		id := p.add("B", 1) + "-0001"
		p.there(id)
		p.shop.runs(id)
		p.shop.completes(id)
		p.until("the list is empty", func() bool { return len(p.e.Jobs().List()) == 0 })
	})
}

func TestTriggersThatHaveGoneSinceAKillAreNotHeldAgainstTheSteps(t *testing.T) {
	inOurTime(t, func(p *plant) {
		p.opt.Leave, p.e.opt.Leave = true, true
		p.down()
		h := &hung{shop: p.shop, let: make(chan struct{})}
		needs := p.shop.needs()
		needs.Recipes = map[string]RecipeProvider{"": h}
		p.open2(needs)
		p.run()
		p.until("it is up", func() bool { life, _ := p.e.Life(); return life == Up })
		p.add("A", 1)
		p.until("the prepare is asked for", func() bool { return len(p.e.Jobs().List()) == 3 })
		require.NoError(t, p.e.did(&deed{Did: didSetup, Job: "J-000002", Setup: &setupSaid{Recipe: "A", Kind: jobs.Prepare,
			Triggers: []jobs.Trigger{{Kind: jobs.Prepare, Type: "rinse", Recipe: "RINSE"}}}}, person{})) // and then it is killed
		p.kill()
		p.up()
		p.there("J-000001-0001")
		p.shop.runs("J-000001-0001")
		p.shop.completes("J-000001-0001")
		p.gone("J-000001")
	})
}
