// A folder of scenario files, each with its story beside it.

package batchtest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Scenarios runs every file *.txt of a folder as a test of its own: one batch on the simulated plant of package sim, in words that a
// process engineer can read and write. "go test github.com/batchkit/batchkit/batch/batchtest -args -scenarios DIR", with DIR as an
// absolute path, does the same without any Go.
//
//	# the meter of A falls silent while A is charged; a person looks, and lets it go on
//	recipe recipe.yaml
//	map    map.yaml
//	plant  seed 7
//
//	during CHARGE_A  fault silent ctr/1 3s
//	after 10s        command restart op1 "meter is back"
//
//	want state Complete
//	want total A 120 kg within 0.3 kg
//	want record quality_change logical_tag=FC101 quality=STALE
//
// First stands what there is. Files are beside the scenario.
//
//	recipe FILE, map FILE
//	plant seed NUMBER            the plant of package sim; without the line seed 1
//	size "150 kg"                without it the recipe's nominal size
//	unattended                   prompts wait for an answer; without it each is answered as it is asked: ok, or the least that fits
//	limit TIME                   of virtual time, 24h without it
//	batches NUMBER               so many run one after the other, each with what the one before has learnt; what stands below is of the last
//
// Then what happens: at a TIME since the start, during a STEP, which is when it begins for the first time, or after a TIME, which
// counts from the line before.
//
//	fault KIND ...               what sim.ParseFault reads, such as: fault slow do/1 2s 10s
//	command COMMAND OPERATOR "REASON" [step=ID] [target=ID] [name=NAME] ["value=VALUE"] [role=ROLE]
//	answer VALUE OPERATOR        of the prompt that has waited longest, or of the next one
//	crash TIME                   the controller's process dies and is back after that time
//	power_cut TIME               its power is cut for that time
//	crash TIME told              the same, and the board tells afterwards why it came up; power_cut TIME told likewise
//	watchdog TIME                the watchdog resets the controller, which is back after that time, and the board tells so
//	power_warning TIME           an early warning says that its supply fails, which it does not: it is back after that time
//	taken RESOURCE BATCH TIME    another batch has equipment that batches share, for that time
//	here                         nothing; the next line may count from here: during STIR here, after 2s crash 1s
//
// And at last what must come of it, as [Trial.WantState], [Trial.WantTotal] and [Trial.WantRecord] say it; each must hold.
//
//	want state Complete
//	want total A 120 kg within 0.3 kg
//	want record timeout step_id=HEAT
//	want no record output_fault
//
// [Trial.WantReplay] is asked of every scenario in which all of that holds. It runs the batch on from each of its records, so one of 75
// records takes about a second of one core, and one of twice as many up to four times as long. The story, [Trial.Story], must be what
// NAME.golden beside it holds; it is written anew where the test binary has a flag -update that is set, or BATCHKIT_UPDATE=1 is in the
// environment.
func Scenarios(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err == nil && len(files) == 0 {
		from, _ := os.Getwd()
		err = fmt.Errorf("no *.txt in it; it was looked for from %s: give an absolute path", from)
	}
	if err != nil {
		t.Fatalf("batchtest: scenarios in %s: %v", dir, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, name)
		})
	}
}

// play runs one scenario.
func play(t testing.TB, name string) {
	t.Helper()
	src, err := os.ReadFile(name)
	var s *scenario
	if err == nil {
		s, err = readScenario(name, src)
	}
	var r *Trial
	if err == nil {
		r, err = s.trial(t)
	}
	if err != nil {
		t.Fatalf("batchtest: %v", err)
	}
	r.Run(s.limit)
	holds := true
	for i := range s.wants {
		if err := s.got(&s.wants[i], r.ran); err != nil {
			t.Errorf("batchtest: %v", err)
			holds = false
		}
	}
	if err := compare(strings.TrimSuffix(name, ".txt")+".golden", []byte(r.Story()), rewrite()); err != nil {
		t.Errorf("batchtest: %v", err)
	}
	if holds { // of what is not as wanted nobody needs to know how it is after a crash
		r.WantReplay()
	}
}

// compare holds a story against a file, or writes it anew.
func compare(name string, got []byte, rewrite bool) error {
	want, err := os.ReadFile(name)
	switch missing := errors.Is(err, fs.ErrNotExist); {
	case rewrite && !bytes.Equal(want, got):
		return os.WriteFile(name, got, 0o644)
	case missing:
		return fmt.Errorf("%s: there is no story yet; look at this one, and write it %s\n%s", name, toWrite, got)
	case err != nil:
		return err
	case bytes.Equal(want, got):
		return nil
	}
	old, now := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	i := 0
	for i < len(old) && i < len(now) && old[i] == now[i] {
		i++
	}
	return fmt.Errorf("%s:%d: the story is another one; if it is right, write it %s\nit was\n%s\nit is\n%s", name, i+1, toWrite,
		strings.Join(old[i:min(i+8, len(old))], "\n"), strings.Join(now[i:min(i+8, len(now))], "\n"))
}

// toWrite says how stories are written.
const toWrite = "with BATCHKIT_UPDATE=1 in the environment, or with -update where the test has that flag"

// rewrite tells whether stories are to be written anew.
func rewrite() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true" || os.Getenv("BATCHKIT_UPDATE") == "1"
}
