// A day of jobs, in one process and in virtual time, and a day in processes one of which is killed. The whole day in processes is
// a stage of .ci/run.

package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// dayVerified is the line of a batch of a job whose evidence is whole.
var dayVerified = regexp.MustCompile(`(?m)^J-\d+-\d+  .*; verified, .*$`)

func TestTheDemoOfADayLeavesVerifiedPackages(t *testing.T) {
	if aside(t) {
		return
	}
	for name, how := range map[string][]string{"in one process": {"-t0", "-speed", "3"}, "in virtual time": {"-virtual"}} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv(asCommand, "1")
			var out, wrong said
			code := run(t.Context(), append([]string{"-jobs", "cell/day.yaml", "-plain"}, how...), &out, &wrong)
			require.Equal(t, exitOK, code, out.String()+wrong.String())
			all := dayVerified.FindAllString(out.String(), -1)
			require.NotEmpty(t, all, out.String())
			require.Regexp(t, `\d+ of \d+ batches are complete and their evidence is whole`, out.String())
			require.Contains(t, out.String(), "the ledger of production says the same again")
		})
	}
}

func TestABatchOfADayThatCannotBeLoadedIsToldWithTheReason(t *testing.T) {
	if aside(t) {
		return
	}
	charge, err := files.ReadFile("cell/recipes/charge.yaml")
	require.NoError(t, err)
	grams := bytes.ReplaceAll(charge, []byte("min: 20 kg"), []byte("min: 0.001 kg")) // which no meter of the cell counts
	require.NotEqual(t, charge, grams)
	for name, c := range map[string]struct {
		how        []string
		size, says string
	}{
		"in one process":  {[]string{"-t0", "-speed", "3", "-dir", "x"}, "0.001 kg", `batch: size 0.001 kg: recipes/charge.yaml:30:58: "0.001 kg" in counts of "0.01 kg": not a whole number of counts`},
		"in virtual time": {[]string{"-virtual"}, "900 kg", `batch: size 900 kg: recipe: batch size "900 kg" is above the greatest; choose 20 kg to 60 kg`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			require.NoError(t, lay("x/cell/recipes/charge.yaml", grams))
			require.NoError(t, os.WriteFile("day.yaml", []byte("schema_version: 1\nscheduler: parallel\njobs:\n  - {recipe_id: CHARGE, amount: 1, unit: R101, size: "+c.size+"}\n"), 0o600))
			var out, wrong said
			require.Equal(t, exitFailed, run(t.Context(), append([]string{"-jobs", "day.yaml", "-plain"}, c.how...), &out, &wrong))
			require.Contains(t, wrong.String(), "executive: batch J-000001-0001 is Load Failed: "+c.says)
			require.Regexp(t, `process J-000001-0001 .*Failure .*`+regexp.QuoteMeta(c.says), out.String())
			if name == "in one process" {
				require.Regexp(t, `(?m)^J-000001 .* 0    1$`, out.String(), "the table counts it")
			}
			require.Contains(t, out.String(), "0 of 1 batches are complete and their evidence is whole; dropped before they came to anything: 0")
		})
	}
}

func TestADayWithASizeThatItsRecipeDoesNotGoToIsRefused(t *testing.T) {
	if aside(t) {
		return
	}
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("day.yaml", []byte("schema_version: 1\nscheduler: parallel\njobs:\n  - {recipe_id: CHARGE, amount: 1, unit: R101, size: 900 kg}\n"), 0o600))
	var out, wrong said
	require.NotEqual(t, exitOK, run(t.Context(), []string{"-jobs", "day.yaml", "-plain", "-t0", "-speed", "3"}, &out, &wrong))
	require.Contains(t, wrong.String(), "job 1 of 1: recipe CHARGE is for batches of 20 kg to 60 kg, and not of 900 kg")
}

func TestADayMayHaveItsDatabaseInPostgreSQL(t *testing.T) {
	if aside(t) {
		return
	}
	pg, err := storetest.StartPostgres(t.Context())
	if errors.Is(err, storetest.ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.Close()) })
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("day.yaml", []byte("schema_version: 1\nscheduler: seamless\nunit_runs: runs.yaml\njobs:\n  - {recipe_id: RINSE, amount: 1, product_id: WATER, unit: R101}\n"), 0o600))
	var out, wrong said
	code := run(t.Context(), []string{"-jobs", "day.yaml", "-t0", "-speed", "3", "-postgres", pg.URL}, &out, &wrong)
	require.Equal(t, exitOK, code, out.String()+wrong.String())
	require.Contains(t, out.String(), "the database of the plant, made anew from the journals, is the same")
	require.Contains(t, out.String(), "run 1, article 1, batch 1")
	info, err := os.Stat(filepath.Join("out", "executive-1", plantURL))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "it may name a password")
	require.NoFileExists(t, filepath.Join("out", "executive-1", plantFile))
}

func TestADayGoesOnWhereProductionWasKilled(t *testing.T) {
	if aside(t) {
		return
	}
	s := newStage(t)
	require.Contains(t, s.do("add -amount 2 -unit R101 -product A-30 CHARGE"), "J-000001")
	s.do("add -amount 2 -unit R103 RINSE")
	running := func() bool {
		list := s.do("processes")
		return strings.Contains(list, "CHARGE") && strings.Contains(list, "Running")
	}
	s.until("a process runs", running)
	s.kill(api.Production)
	s.until("production is back", func() bool { code, _ := s.try("jobs"); return code == exitOK })
	s.until("a process runs", running)
	s.kill(api.Production)
	s.until("the list is worked off", func() bool {
		code, out := s.try("jobs")
		return code == exitOK && !strings.Contains(out, "J-")
	})
	require.Contains(t, s.wrong.String(), "the process production has ended")

	// Four charges and rinses and the clean-up, each once, each whole.
	home := filepath.Join("out", "executive")
	dirs, err := os.ReadDir(filepath.Join(home, "batches"))
	require.NoError(t, err)
	made := 0
	for _, d := range dirs {
		r, err := evidence.Verify(filepath.Join(home, "batches", d.Name(), "evidence"))
		require.NoError(t, err)
		require.True(t, r.OK(), d.Name())
		if strings.HasPrefix(d.Name(), "J-000001-") {
			made++
		}
	}
	require.Equal(t, 2, made, "nothing is lost, and nothing is run twice")
	s.letAllGo()
	s.end()
	require.Equal(t, exitOK, <-s.code)
	c, err := production.Check(home, "", nil)
	require.NoError(t, err)
	require.True(t, c.OK(), c.Differs)
	require.Positive(t, c.Decisions)
}

// floor is a production that has one job, whose process is Held until somebody lets it go on.
type floor struct {
	mu    sync.Mutex
	lets  int
	stays bool // it is Held again at once
}

func (f *floor) gone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lets > 0 && !f.stays
}

func (f *floor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		out := api.NewStream(w)
		for out.Beat() == nil && r.Context().Err() == nil {
			time.Sleep(100 * time.Millisecond)
		}
	})
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		api.Reply(w, &api.JobsAccepted{As: "x", Jobs: []string{"J-000001"}}, nil)
	})
	mux.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		list := api.Jobs{}
		if !f.gone() {
			list = append(list, api.Job{ID: "J-000001", Kind: kindProduction, State: "Running", Recipe: "RINSE"})
		}
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("GET /v1/processes", func(w http.ResponseWriter, _ *http.Request) {
		list := api.Processes{}
		if !f.gone() {
			list = append(list, api.ProcessView{ID: "J-000001-0001", Job: "J-000001", State: "Running", Recipe: "RINSE", Batch: "Held", Reason: "outputs not confirmed"})
		}
		api.Reply(w, &list, nil)
	})
	mux.HandleFunc("POST /v1/processes/J-000001-0001/commands", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lets++
		api.Reply(w, &api.JobsAccepted{As: "x"}, nil)
	})
	return mux
}

func TestADayWaitsForNoBatchThatHoldsItselfAndThatNobodyLetsGoOn(t *testing.T) {
	for name, f := range map[string]*floor{"once": {}, "for good": {stays: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &api.Memory{}
			l, err := n.Listen(api.Production)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- api.Serve(ctx, l, f.handler()) }()
			day, err := production.ParseDay("day", []byte("schema_version: 1\nscheduler: seamless\njobs:\n  - {recipe_id: RINSE, amount: 1}\n"))
			require.NoError(t, err)
			var out said
			s := &session{flags: flags{speed: 1}}
			err = s.workOff(ctx, n, day, newDayScreen(&out, day))
			cancel()
			require.NoError(t, <-served)
			require.Contains(t, out.String(), "process J-000001-0001 is Held: outputs not confirmed; it is let go on")
			if f.stays {
				require.ErrorContains(t, err, "is so again after it was let go on 5 times: outputs not confirmed")
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestWhatComesWhileItIsAskedWhatIsThereIsNotGone(t *testing.T) {
	var out said
	d := newDayScreen(&out, &production.Day{})
	d.take(0, &api.Job{ID: "J-000001", Kind: kindProduction})
	known := d.known(nil)
	d.take(0, &api.Job{ID: "J-000002", Kind: "clean_up"})
	d.take(0, &api.ProcessView{ID: "J-000002-0001", Job: "J-000002", State: "Awaited"})
	d.reconcile(known, api.Jobs{}, api.Processes{})
	require.False(t, d.over([]string{"J-000001"}), "the clean-up is there")
	d.reconcile(d.known(nil), api.Jobs{}, api.Processes{})
	require.True(t, d.over([]string{"J-000001"}))
}

func TestWhyAProcessDoesNotGoOnIsShown(t *testing.T) {
	require.Contains(t, processText(&api.ProcessView{ID: "J-000001-0001", State: "Running", Batch: "Held", Reason: "FILL: time-out"}), "Running     (Held: FILL: time-out)")
}

func TestAProcessThatWasDroppedTooLateIsBadAndNoFaultOfTheDay(t *testing.T) {
	var out said
	d := newDayScreen(&out, &production.Day{})
	d.take(0, &api.ProcessView{ID: "J-000001-0001", Job: "J-000001", State: "Failure", Ordered: "drop"})
	require.Equal(t, 1, d.bad["J-000001"])
	require.NoError(t, d.verify([]api.Batch{{ID: "J-000001-0001", Life: api.Ended, State: "Aborted"}}))
	d.take(0, &api.ProcessView{ID: "J-000001-0002", Job: "J-000001", State: "Failure", Ordered: "start"})
	require.Error(t, d.verify([]api.Batch{{ID: "J-000001-0002", Life: api.Ended, State: "Aborted"}}))
}
