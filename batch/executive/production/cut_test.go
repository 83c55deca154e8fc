// The engine is cut off at any of its writes, and killed at any moment: the next one goes on, nothing is lost, nothing is run twice.

package production

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
	"github.com/batchkit/batchkit/journal/record"
)

// floor has batches of a shop run: one has the unit at a time, and is complete after some turns.
func (s *shop) turn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := false
	for _, id := range s.order {
		busy = busy || len(s.list[id].Equipment) > 0 && s.list[id].Life != api.Removed // what is Lost keeps its unit
	}
	for _, id := range s.order {
		b := s.list[id]
		switch {
		case b.Life != api.Active || b.State != "Running":
		case len(b.Equipment) > 0 && b.Records >= 3:
			b.Life, b.State, b.Steps, b.Equipment = api.Ended, "Complete", nil, nil
		case len(b.Equipment) > 0:
			b.Records++
		case !busy:
			busy = true
			s.began[id]++
			b.Steps, b.Equipment = []string{"CHARGE"}, []string{"R1"}
		}
	}
	s.touch()
}

// cut ends all runners as a power cut does.
func (s *shop) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.order {
		if b := s.list[id]; b.Life == api.Active {
			b.Life = api.Lost
		}
	}
	s.touch()
}

// day has the jobs of a day worked off by engines that are cut off: cut gives the disk of each life, and says whether the life is cut off at this turn.
type day struct {
	*plant
	wanted int // articles
	added  int
	lives  int
	disk   func(life int, after *journaltest.Disk) *journaltest.Disk
	kill   func() bool
}

// orders are what a planner puts into the list; he says again what was not accepted, having looked at the list.
func (d *day) plan() {
	list := []struct {
		recipe string
		amount int64
	}{{"A", 2}, {"A", 1}, {"B", 2}}
	for ; d.added < len(list); d.added++ {
		there := map[string]bool{}
		listed, err := d.listed()
		if errors.Is(err, journaltest.ErrPower) { // he cannot look: he does so in the next life
			return
		}
		require.NoError(d.t, err)
		for _, text := range listed {
			there[text] = true
		}
		o := list[d.added]
		if there[fmt.Sprintf("%s size=%d", o.recipe, d.added)] {
			continue
		}
		if _, err := d.e.Jobs().Add(&api.AddJobs{Jobs: []api.JobOrder{{Recipe: o.recipe, Amount: o.amount, Size: fmt.Sprint(d.added)}}}); err != nil {
			return
		}
	}
}

// listed is what was ever put into the list, by what is durable.
func (d *day) listed() (list []string, err error) {
	d.e.mu.Lock()
	defer d.e.mu.Unlock()
	_, err = journal.Scan(d.dir+"/production", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindJobListed {
			for _, v := range r.Texts(record.Values) {
				if strings.HasPrefix(v, "size=") {
					list = append(list, r.Text(record.ObjectID)+" "+v)
				}
			}
		}
		return err
	}, &journal.Options{Storage: d.opt.Storage})
	return list, err
}

// run works the day off, and gives what its product management has.
func (d *day) run() {
	disk := d.disk(0, nil)
	for d.lives = 0; ; d.lives++ {
		require.Less(d.t, d.lives, 200)
		if disk != nil {
			d.opt.Storage = disk
		}
		e, err := Open(d.dir, "CELL-1", d.shop.needs(), &d.opt)
		if err == nil {
			d.e = e
			d.plant.run()
			err = d.life()
			if err == nil {
				return
			}
			_ = d.e.Close()
		}
		if disk != nil {
			disk = d.disk(d.lives+1, disk)
		}
	}
}

// life is one life of an engine: nil at the end of the day.
func (d *day) life() error {
	for range 5000 {
		select {
		case err := <-d.done:
			if err == nil {
				err = context.Canceled
			}
			return err
		default:
		}
		if d.kill() {
			d.plant.kill()
			return context.Canceled
		}
		if life, _ := d.e.Life(); life == Up {
			d.plan()
			if d.added == 3 && len(d.e.Jobs().List()) == 0 && d.taken() == d.wanted {
				d.stop()
				err := <-d.done
				if err == nil {
					err = d.e.Close()
				}
				return err
			}
		}
		d.shop.turn()
		time.Sleep(50 * time.Millisecond)
	}
	require.Fail(d.t, "the day does not end", "%+v\n%+v\n%q", d.e.Jobs().List(), d.e.Processes().List(), d.shop.orders)
	return nil
}

func (d *day) taken() int {
	d.shop.mu.Lock()
	defer d.shop.mu.Unlock()
	return len(d.shop.articles)
}

// holds makes sure of what has to be so whatever was cut: each process ran once, each success is one article, and all decisions follow from the inputs.
func (d *day) holds() {
	require.Len(d.t, d.shop.articles, d.wanted)
	ids := map[string]bool{}
	for _, a := range d.shop.articles {
		require.False(d.t, ids[a.ID], "%s twice", a.ID)
		ids[a.ID] = true
		require.Equal(d.t, 1, d.shop.began[a.Process])
	}
	ran := 0
	for _, n := range d.shop.began {
		ran += n
	}
	require.Equal(d.t, d.wanted, ran, "as many batches ran as were ordered: %v", d.shop.began)
	c := d.checks()
	require.Zero(d.t, c.Missing)
	listed, err := d.listed()
	require.NoError(d.t, err)
	require.Len(d.t, listed, 3)
}

func inDay(t *testing.T, fn func(d *day)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &day{plant: &plant{t: t, dir: t.TempDir(), shop: newShop()}, wanted: 5, kill: func() bool { return false },
			disk: func(int, *journaltest.Disk) *journaltest.Disk { return nil }}
		d.shop.triggers["B"] = []jobs.Trigger{}
		fn(d)
	})
}

func TestADayThatIsNotCutIsWorkedOff(t *testing.T) {
	inDay(t, func(d *day) {
		d.run()
		d.holds()
	})
}

func TestTheEngineIsCutOffAtAnyOfItsWritesAndNothingIsLostNorRunTwice(t *testing.T) {
	step := 7 // of the writes of a day
	if os.Getenv("BATCHKIT_LONG") != "" {
		step = 1
	}
	for n := 1; n > 0; n += step {
		over := false
		inDay(t, func(d *day) {
			d.dir = "."
			d.disk = func(life int, after *journaltest.Disk) *journaltest.Disk {
				if after != nil {
					return after.Cut(journaltest.Loss{Sectors: []string{"a", "b", ""}[n%3]})
				}
				disk := journaltest.NewDisk()
				syncs := 0
				over = true
				disk.Fault = func(_ int, op, _ string) *journaltest.Fault {
					if op != "sync" {
						return nil
					}
					if syncs++; syncs == n {
						over = false
						return &journaltest.Fault{Err: journaltest.ErrPower, Power: true, Half: n%2 == 0}
					}
					return nil
				}
				return disk
			}
			d.run()
			d.holds()
		})
		if over { // the day has fewer writes
			require.Greater(t, n, 25)
			return
		}
	}
}

func TestTheEngineIsKilledAtAnyMomentAndNothingIsLostNorRunTwice(t *testing.T) {
	seeds := 20
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 1000
	}
	for seed := range seeds {
		inDay(t, func(d *day) {
			rnd := rand.New(rand.NewPCG(uint64(seed), 1))
			d.kill = func() bool {
				dies := d.lives < 15 && rnd.IntN(12) == 0
				if dies && rnd.IntN(2) == 0 {
					d.shop.cut() // with all runners
				}
				return dies
			}
			defer func() {
				if d.t.Failed() {
					fmt.Println("seed", seed)
				}
			}()
			d.run()
			d.holds()
		})
	}
}
