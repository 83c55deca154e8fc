// A campaign: processes of the executive, and the server of the plant's database, are killed at random while a day of jobs is worked off.

//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// Victims that have no name of their own: the server of the plant's database, and the process of a batch.
const (
	database = "the database"
	runnerOf = "a batch"
)

// dayCampaign is one run of it.
type dayCampaign struct {
	*stage
	rng     *rand.Rand
	pg      *storetest.Postgres // nil: the database is a file
	ordered map[string]int64    // how many are to be made, by job
	cutOff  map[string]bool     // batches that were under way when the I/O process was killed, and so may be Held until a person lets them go on
	count   map[string]int      // what happened, for the summary
}

// takenIn is what is said of a job that is in the list.
var takenIn = regexp.MustCompile(`J-\d+`)

// dayRounds is how many kills there are.
func dayRounds(t *testing.T) int {
	switch {
	case os.Getenv("BATCHKIT_ROUNDS") != "":
		return rounds(t)
	case long():
		return 60 // some 5 minutes
	}
	return 6
}

func TestADayLosesNoJobAndRunsNoneTwiceWhateverIsKilled(t *testing.T) {
	if aside(t) {
		return
	}
	rng, seed := drawn(t)
	c := &dayCampaign{rng: rng, ordered: map[string]int64{}, cutOff: map[string]bool{}, count: map[string]int{}}
	var flags []string
	switch pg, err := storetest.StartPostgres(t.Context()); {
	case err == nil:
		t.Cleanup(func() { require.NoError(t, pg.Close()) })
		c.pg, flags = pg, []string{"-postgres", pg.URL}
	case !errors.Is(err, storetest.ErrAbsent):
		require.NoError(t, err)
	}
	home := filepath.Join("out", "executive")
	t.Chdir(t.TempDir())
	drain(t, home) // a clean-up that was cut is ended, and another one begins: what it left in a vessel is let out
	c.stage = stageHere(t, flags...)
	t.Cleanup(func() {
		own, _ := filepath.Abs(home) // whose processes go on where a test fails
		all, _ := os.ReadDir("/proc")
		for _, p := range all {
			line, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "cmdline"))
			if pid, err := strconv.Atoi(p.Name()); err == nil && strings.Contains(string(line), "\x00runner\x00"+own) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if t.Failed() {
			kept := filepath.Join(os.TempDir(), fmt.Sprintf("executive-day-failed-%d", os.Getpid()))
			for _, name := range []string{"production", "manager", "batches"} {
				_ = os.CopyFS(filepath.Join(kept, name), os.DirFS(filepath.Join(home, name)))
			}
			t.Logf("%v\n%s\n%s\nkept in %s", c.count, c.wrong.String(), c.out.String(), kept)
		}
	})
	all := dayRounds(t)
	for range all {
		c.plan()
		time.Sleep(time.Duration(c.rng.IntN(2500)) * time.Millisecond)
		for range 1 + c.rng.IntN(2) {
			c.strike()
		}
		c.back()
	}
	c.workedOff()
	c.letAllGo()
	c.end()
	require.Equal(t, exitOK, <-c.code)
	c.verify(home)
	t.Logf("seed %d, %d rounds, %d jobs; %v", seed, all, len(c.ordered), c.count)
}

// plan sees to it that there is something in the list.
func (c *dayCampaign) plan() {
	c.t.Helper()
	for c.listed() < 3 {
		amount, recipe, product := int64(1+c.rng.IntN(2)), "RINSE", "WATER"
		if c.rng.IntN(2) == 0 {
			recipe, product = "CHARGE", "A-30"
		}
		id := takenIn.FindString(c.do(fmt.Sprintf("add -amount %d -unit %s -product %s %s", amount, units[c.rng.IntN(len(units))], product, recipe)))
		require.NotEmpty(c.t, id)
		require.NotContains(c.t, c.ordered, id, "a job of that id was there before")
		c.ordered[id] = amount
	}
}

// listed is how many of the jobs that were ordered are in the list.
func (c *dayCampaign) listed() (n int) {
	var all api.Jobs
	c.until("production answers", func() bool {
		return (&session{}).ask(c.t.Context(), api.Production, "GET", "/v1/jobs", nil, &all) == nil
	})
	for i := range all {
		if all[i].Kind == kindProduction {
			n++
		}
	}
	return n
}

// strike kills something.
func (c *dayCampaign) strike() {
	c.t.Helper()
	who := []string{api.Production, api.Production, api.Manager, api.IO, database, runnerOf}[c.rng.IntN(6)]
	if who == runnerOf {
		c.strikeRunner()
		return
	}
	if who == database {
		if c.pg == nil {
			return
		}
		c.pg.Kill()
		c.count["killed "+who]++
		return
	}
	if who == api.IO {
		var all api.Batches
		c.until("the manager answers", func() bool {
			return (&session{}).ask(c.t.Context(), api.Manager, "GET", "/v1/batches", nil, &all) == nil
		})
		for i := range all {
			c.cutOff[all[i].ID] = true
		}
	}
	var self api.Self
	if (&session{}).ask(c.t.Context(), who, "GET", "/v1/self", nil, &self) != nil {
		return // it is not up again yet
	}
	p, err := os.FindProcess(self.PID)
	require.NoError(c.t, err)
	if p.Kill() == nil {
		c.count["killed "+who]++
	}
}

// strikeRunner kills the process of a batch that is under way.
func (c *dayCampaign) strikeRunner() {
	c.t.Helper()
	var all api.Batches
	c.until("the manager answers", func() bool {
		return (&session{}).ask(c.t.Context(), api.Manager, "GET", "/v1/batches", nil, &all) == nil
	})
	all = slices.DeleteFunc(all, func(b api.Batch) bool { return b.Life != api.Active || b.State != sequencer.Running.String() })
	if len(all) == 0 {
		return
	}
	var self api.Self
	if (&session{}).ask(c.t.Context(), all[c.rng.IntN(len(all))].ID, "GET", "/v1/self", nil, &self) != nil {
		return // it has ended
	}
	if p, err := os.FindProcess(self.PID); err == nil && p.Kill() == nil {
		c.count["killed "+runnerOf]++
	}
}

// back waits until all are there again. The database is started again some time later.
func (c *dayCampaign) back() {
	c.t.Helper()
	time.Sleep(time.Duration(c.rng.IntN(500)) * time.Millisecond)
	if c.pg != nil {
		require.NoError(c.t, c.pg.Start(c.t.Context()))
	}
	for _, who := range []string{api.Runtime, api.IO, api.Manager, api.Production} {
		c.until(who+" is back", func() bool { return (&session{}).ask(c.t.Context(), who, "GET", "/v1/self", nil, &api.Self{}) == nil })
	}
	c.tend()
}

// tend has batches go on that are Held since the I/O process was away, as their operator would.
func (c *dayCampaign) tend() {
	var all api.Batches
	if (&session{}).ask(c.t.Context(), api.Manager, "GET", "/v1/batches", nil, &all) != nil {
		return
	}
	for i := range all {
		b := &all[i]
		if b.Life == api.Active && b.State == sequencer.Held.String() && c.cutOff[b.ID] {
			c.try("tell " + b.ID + " restart -reason checked")
			c.count["let go on"]++
		}
	}
}

// workedOff waits until the list is empty.
func (c *dayCampaign) workedOff() {
	c.t.Helper()
	what := ""
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		code, list := c.try("jobs")
		if code == exitOK && !strings.Contains(list, "J-") {
			return
		}
		if c.tend(); time.Now().After(end) {
			_, what = c.try("processes")
			_, who := c.try("who")
			_, batches := c.try("list")
			require.Fail(c.t, "the list is not worked off", "%s\n%s\n%s\n%s", list, what, batches, who)
		}
	}
}

// verify holds what was left against what was ordered.
func (c *dayCampaign) verify(home string) {
	c.t.Helper()
	checked, err := production.Check(home, "", nil)
	require.NoError(c.t, err)
	require.True(c.t, checked.OK(), "%+v", checked)
	var out said
	s := &session{flags: flags{dir: home}, stdout: &out, stderr: &out}
	require.NoError(c.t, s.checkPlant(c.t.Context()), "what is in the database follows from the journals")
	plant, err := openPlant(c.t.Context(), home)
	require.NoError(c.t, err)
	defer plant.Close()

	// A process is one batch that began once; what is a success has made one article, and all that was ordered was made.
	made, good, articles := map[string]int64{}, map[string]bool{}, map[string]bool{}
	processes := everyRow(c.t, func(f store.Filter) ([]store.Process, string, error) { return plant.Processes(c.t.Context(), f) })
	ran := map[string]bool{}
	for _, p := range processes {
		require.False(c.t, ran[p.ID], "%s is there twice", p.ID)
		ran[p.ID] = true
		if _, ordered := c.ordered[p.Job]; ordered { // and no set-up, which is ended where production was cut, and made anew
			require.Contains(c.t, []string{jobs.Success.String(), jobs.Discarded.String()}, p.State, "%s: %s", p.ID, p.Detail)
		}
		if p.State == jobs.Success.String() {
			made[p.Job]++
			good[p.ID] = true
		}
	}
	for id, n := range c.ordered {
		require.Equal(c.t, n, made[id], "of job %s", id)
	}
	for _, a := range everyRow(c.t, func(f store.Filter) ([]store.Article, string, error) { return plant.Articles(c.t.Context(), f) }) {
		require.False(c.t, articles[a.Process], "%s has made two articles", a.Process)
		require.Contains(c.t, c.ordered, a.Job, "a set-up makes no article")
		require.True(c.t, good[a.Process], "%s has made an article, and is no success", a.Process)
		articles[a.Process] = true
		made[a.Job]--
	}
	for id := range c.ordered {
		require.Zero(c.t, made[id], "a process of job %s has made no article", id)
	}
	dirs, err := os.ReadDir(filepath.Join(home, "batches"))
	require.NoError(c.t, err)
	whole := map[string]bool{}
	for _, d := range dirs {
		require.True(c.t, ran[d.Name()], "there is a directory %s, and no process of that id", d.Name())
		if begun := c.begun(filepath.Join(home, "batches", d.Name(), "evidence")); good[d.Name()] {
			require.Equal(c.t, 1, begun, "%s began", d.Name())
			require.FileExists(c.t, filepath.Join(home, "batches", d.Name(), "evidence", "SHA256SUMS"))
			whole[d.Name()] = true
		}
	}
	require.Len(c.t, whole, len(good), "each success has its evidence")
	c.count["articles"], c.count["processes"], c.count["decisions"] = len(articles), len(processes), checked.Decisions
}

// begun is how often a batch began. Its evidence has to be whole; one that was taken away when it was Lost has a journal alone.
func (c *dayCampaign) begun(dir string) (n int) {
	c.t.Helper()
	_, err := journal.Scan(filepath.Join(dir, "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindBatchState && r.Text(record.OldValue) == sequencer.Idle.String() && r.Text(record.BatchState) == sequencer.Running.String() {
			n++
		}
		return err
	}, nil)
	require.NoError(c.t, err, dir)
	if _, err := os.Stat(filepath.Join(dir, "SHA256SUMS")); err == nil {
		rep, err := evidence.Verify(dir)
		require.NoError(c.t, err, dir)
		require.True(c.t, rep.OK(), "%s: %s", dir, rep.Verdict())
	}
	return n
}

// everyRow asks for rows until there are no more.
func everyRow[T any](t *testing.T, ask func(f store.Filter) ([]T, string, error)) (all []T) {
	t.Helper()
	var f store.Filter
	for {
		some, next, err := ask(f)
		require.NoError(t, err)
		all = append(all, some...)
		if f.After = next; next == "" {
			return all
		}
	}
}
