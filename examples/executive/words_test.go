// What people are told when something is not as they thought.

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/production"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/script"
)

func TestAClientOfNoExecutiveIsToldToStartOne(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"list"}, {"who"}, {"watch", "-plain"}, {"create", "CHARGE"}, {"tell", "-reason", "a look", "B-0001", "hold"}, {"reorder", "B-0001", "R101"}} {
		var out, errs bytes.Buffer
		require.Equal(t, exitFailed, run(t.Context(), args, &out, &errs), args)
		require.Equal(t, "executive: the manager in "+filepath.Join("out", "executive")+" does not answer; start it with executive up, or name the directory of one that is up with -dir\n",
			errs.String(), args)
	}
}

func TestAPlannerOfNoExecutiveIsToldToStartOne(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"jobs"}, {"add", "CHARGE"}, {"job", "J-000001", "abort", "-reason", "a look"}, {"processes"}, {"process", "J-000001-0001", "pause", "-reason", "a look"}, {"units"},
		{"runs"}, {"run", "R101", "Production", "-reason", "a look"}, {"command", "R-000001", "finish", "-reason", "a look"}, {"materials"},
		{"material", "arrive", "-reason", "a look"}} {
		var out, errs bytes.Buffer
		require.Equal(t, exitFailed, run(t.Context(), args, &out, &errs), args)
		require.Equal(t, "executive: the production in "+filepath.Join("out", "executive")+" does not answer; start it with executive up, or name the directory of one that is up with -dir\n",
			errs.String(), args)
	}
}

func TestADayThatIsWrongIsSaidWithItsLines(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), []string{"-jobs", "none.yaml"}, &out, &errs))
	require.Contains(t, errs.String(), "executive: -jobs: open none.yaml")
	require.NoError(t, os.WriteFile("day.yaml", []byte("schema_version: 1\nscheduler: seamless\nslots: 2\njobs: []\n"), 0o600))
	errs.Reset()
	require.Equal(t, exitFailed, run(t.Context(), []string{"-jobs", "day.yaml"}, &out, &errs))
	require.Contains(t, errs.String(), "day.yaml:3:8: slots belong to parallel; leave them out")
}

func TestACommandThatIsMisusedIsToldWhatItTakes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"tell", "B-0001"}, []string{"tell takes 2 words, and was given 1", "executive tell BATCH COMMAND"}},
		{[]string{"who", "R101"}, []string{"who takes 0 words, and was given 1", "list | watch | who"}},
		{[]string{"job", "J-000001"}, []string{"job takes 2 words, and was given 1", "executive job JOB COMMAND"}},
		{[]string{"tell", "B-0001", "hold"}, []string{"say so with -reason", "executive tell BATCH COMMAND"}},
		{[]string{"job", "J-000001", "abort"}, []string{"say so with -reason", "executive job JOB COMMAND"}},
		{[]string{"command", "R-000001", "finish"}, []string{"say so with -reason", "executive command RUN COMMAND"}},
		{[]string{"material", "arrive"}, []string{"say so with -reason", "executive material COMMAND"}},
		{[]string{"-virtual"}, []string{"-virtual rehearses a day; name its file with -jobs"}},
		{[]string{"dance"}, []string{`there is no command "dance"`}},
		{[]string{"list", "-dir", strings.Repeat("long/", 30)}, []string{"-dir: the sockets in it would have paths of 166 bytes, and the system takes 103"}},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), tt.args, &out, &errs), tt.args)
		for _, want := range tt.want {
			require.Contains(t, errs.String(), want)
		}
	}
}

func TestAWordForADiskThatWasPutBackIsWrittenWhereItsManagerLooks(t *testing.T) {
	t.Chdir(t.TempDir())
	call := func(args ...string) (out, errs string, code int) {
		var o, e bytes.Buffer
		code = run(t.Context(), append([]string{"putback", "-dir", "x"}, args...), &o, &e)
		return o.String(), e.String(), code
	}
	_, errs, code := call("-reason", "a new disk")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "say which one is meant with -node")
	require.NoError(t, os.MkdirAll("x/n2", 0o750))
	require.NoError(t, (&site{Node: "n2", Gates: map[string]string{}}).write("x/n2"))
	_, errs, code = call("-node", "n2")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "say so with -reason")
	out, errs, code := call("-node", "n2", "-reason", "a new disk")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "the manager of n2 takes it when it is started next")
	there, err := readSite("x/n2")
	require.NoError(t, err)
	require.Equal(t, &site{Node: "n2", Gates: map[string]string{}, PutBack: "a new disk"}, there)
}

func TestADemoSaysWhichBatchesWereLeftBehind(t *testing.T) {
	t.Chdir(t.TempDir())
	run := filepath.Join("out", "executive-1", dirRun)
	require.NoError(t, os.MkdirAll(run, 0o750))
	l, err := api.Listen(filepath.Join(run, "B-0001.sock"))
	require.NoError(t, err)
	defer l.Close()
	var errs bytes.Buffer
	s := &session{stderr: &errs}
	dir, err := s.fresh()
	require.NoError(t, err)
	require.Equal(t, filepath.Join("out", "executive-2"), dir)
	require.Contains(t, errs.String(), "1 batches of another run are in "+filepath.Join("out", "executive-1"))

	s.dir = filepath.Join("out", "executive-1")
	_, err = s.fresh()
	require.ErrorContains(t, err, "batches were left in "+s.dir+": B-0001; executive up -dir ")
}

func TestALineSaysWhatToDoAndFitsATerminal(t *testing.T) {
	lost := batchLine(&api.Batch{ID: "B-0001", Life: api.Lost, Reason: "its process has ended"})
	require.Contains(t, lost, "its process has ended; restart it, warm or cold, or remove it")
	require.NotContains(t, batchLine(&api.Batch{ID: "B-0001", Life: api.Lost, Reason: noManager}), "restart it")

	held := holdingLine(&api.Holding{Equipment: "R101", Batch: "B-0001", Step: "CHARGE.uses", Token: 1, Since: "2026-11-30T18:50:22.301860086Z",
		Waiting: []api.Waiting{{Batch: "B-0002"}}})
	require.Equal(t, "R101   B-0001 CHARGE.uses since 2026-11-30T18:50:22Z, token 1; waits: B-0002", held)
	require.Less(t, len(held), 80)
	require.Equal(t, "R103   retired", holdingLine(&api.Holding{Equipment: "R103", Retired: true}))
}

func TestALineOfAJobSaysHowFarItIs(t *testing.T) {
	require.Equal(t, "J-000001    production  Running                      1         CHARGE        2      1     1    0  A-30 R101", jobLine(&api.Job{ID: "J-000001", Kind: kindProduction,
		State: "Running", Slot: "1", Recipe: "CHARGE", Amount: 2, Begun: 1, Success: 1, Product: "A-30", Unit: "R101"}))
	require.Contains(t, jobLine(&api.Job{ID: "J-000002", Kind: kindProduction, State: "Initial", Recipe: "MILK", Aside: "there is no such recipe"}),
		"any      0     0    0  set aside: there is no such recipe")
	require.Equal(t, strings.Index(jobHead, "SLOT"), strings.Index(jobLine(&api.Job{Kind: kindProduction, State: jobs.JobCompletingInterruptedWaiting.String(), Slot: "resume"}), "resume"))
	held := api.Job{ID: "J-000003", Kind: kindProduction, State: "Initial", Recipe: "CHARGE", Amount: 1, Unit: "R101", Held: true}
	require.Contains(t, jobLine(&held), "0  held until continue; R101")
	require.Contains(t, newDayScreen(nil, &production.Day{}).job(&held), "0 of 1 begun, held until continue")
	require.Equal(t, len(batchHead[:strings.Index(batchHead, "UNIT")]), strings.Index(batchLine(&api.Batch{ID: "J-000001-0001", Unit: "R101"}), "R101"),
		"ids of processes fit their column")
	require.Equal(t, "M1         R102   present    R-000001; into M2, M3", materialLine(&api.Material{ID: "M1", Unit: "R102", Life: "present", Runs: []string{"R-000001"}, Into: []string{"M2", "M3"}}))
	require.Equal(t, "M2         R101   present    from M1", materialLine(&api.Material{ID: "M2", Unit: "R101", Life: "present", From: []string{"M1"}}))
	require.Equal(t, "slot 1          G-000001 CHARGE J-000001", slotLine(&api.JobSlot{Slot: "1", Group: "G-000001", Recipe: "CHARGE", Job: "J-000001"}))
	require.Equal(t, "slot 2          free", slotLine(&api.JobSlot{Slot: "2"}))
	require.Contains(t, processLine(&api.ProcessView{ID: "J-000001-0001", State: "Running", Recipe: "RINSE", Unit: "R101", Life: api.Active, Batch: "Running",
		Activities: []api.Activity{{Step: "WASH", Resources: []string{"S901"}, Waits: "waits for SKID"}}}), "WASH on S901: waits for SKID")
}

func TestACommandThatIsMisusedIsShownItsOwnLineAlone(t *testing.T) {
	for name, want := range map[string]string{"job": "executive job JOB COMMAND", "who": "executive list | watch | who", "run": "executive run UNIT DEFINITION"} {
		require.Contains(t, usageOf(name), want)
		require.Equal(t, 1, strings.Count(usageOf(name), "\n"), name)
	}
}

func TestTheCommandsOfTheREADMEAreThere(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	tried := 0
	for line := range strings.Lines(string(readme)) {
		rest, ok := strings.CutPrefix(line, "go run ./examples/executive ")
		if !ok || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "up ") || strings.HasPrefix(strings.TrimSpace(rest), "#") {
			continue // a demo, or what stays until it is ended
		}
		lines, err := script.Parse("README.md", []byte(rest))
		require.NoError(t, err, line)
		require.Len(t, lines, 1, line)
		args := append([]string{lines[0].Verb}, lines[0].Args...)
		var out, errs bytes.Buffer
		require.Equal(t, exitFailed, run(t.Context(), args, &out, &errs), "there is no executive here: %s%s", line, errs.String())
		tried++
	}
	require.Greater(t, tried, 10)
}
