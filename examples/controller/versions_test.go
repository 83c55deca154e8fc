// Which versions batches use: activations, the way back, and what a cut between store and record leaves.

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

const (
	bob  = "activate -recipe recipe.yaml -operator bob -reason new_season"
	back = "rollback -object recipe -operator eva -reason it_overfills"
)

// inUse makes version 1.1 of the demo's recipe the active one.
func inUse(t *testing.T) {
	t.Helper()
	newer(t)
	done(t, words(ana)...)
	require.Contains(t, done(t, words(bob)...).out, "recipe BLEND-AB 1.1 is active; none was before, record ")
}

// next approves and activates version 1.2.
func next(t *testing.T) {
	t.Helper()
	edit(t, "recipe.yaml", `"1.1"`, `"1.2"`)
	done(t, words(ana)...)
	require.Contains(t, done(t, words(bob)...).out, "recipe BLEND-AB 1.2 is active in place of 1.1, record ")
}

// runs runs a batch that names no files, and wants it to use a version of the recipe.
func runs(t *testing.T, id, version string, args ...string) {
	t.Helper()
	done(t, append([]string{"-virtual", "-batch", id}, args...)...)
	require.Equal(t, version, of(records(t, "out/"+id), record.KindBatchCreated)[0].Text(record.RecipeVersion), id)
}

func TestABatchThatNamesNoFilesUsesTheActiveVersionsAndARollbackLeadsBack(t *testing.T) {
	workplace(t)
	newer(t)
	done(t, words(ana)...)
	runs(t, "APPROVED", "1.0")
	done(t, words(bob)...)
	require.NoError(t, os.Rename("recipe.yaml", "kept.yaml"))
	runs(t, "ACTIVE", "1.1")
	runs(t, "DEMO", "1.0", "-recipe", "demo:recipe.yaml", "-map", "demo:map.yaml")
	require.NoError(t, os.Rename("kept.yaml", "recipe.yaml"))
	o := controller(words(back)...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "before recipe BLEND-AB 1.1 none was active; activate the one that is wanted")
	next(t)
	runs(t, "NEXT", "1.2")
	require.Contains(t, done(t, words(bob)...).out, "recipe BLEND-AB 1.2 is active already, since record ")
	require.Contains(t, done(t, words(back)...).out, "recipe BLEND-AB 1.1 is active in place of 1.2, record ")
	runs(t, "BACK", "1.1")
	runs(t, "NAMED", "1.1", "-recipe", "active:BLEND-AB")
	o = controller(words(bob)...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "this version was active before; to activate it again is a rollback, say so")
	text := done(t, "versions").out
	for _, want := range []string{
		"recipe BLEND-AB 1.0 is published, approval BUILTIN-DEMO by builtin: ",
		"recipe BLEND-AB 1.1 is published, ACTIVE, approval CR-7 by ana: ",
		"recipe BLEND-AB 1.2 is published, was active, approval CR-7 by ana: ",
		`Z: activated recipe BLEND-AB 1.2 after 1.1 by bob: "new season"` + "\n",
		`Z: rolled back to recipe BLEND-AB 1.1 after 1.2 by eva: "it overfills"` + "\n",
	} {
		require.Contains(t, text, want)
	}
}

func TestWhatMayNotBeActivatedIsRefusedAndNothingIsWritten(t *testing.T) {
	workplace(t)
	newer(t)
	o := controller(words(bob)...)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, `recipe "BLEND-AB" version "1.1": never seen here`)
	require.NoDirExists(t, "out")
	done(t, words(ana+" -effective-from 2200-01-01T00:00:00Z")...)
	before := listing(t, "out")
	for args, says := range map[string]string{
		bob: "effective from 2200-01-01T00:00:00.000000000Z, now it is ",
		"rollback -object recipe -operator eva -reason x":    "no recipe is active",
		"-virtual -recipe active:BLEND-AB":                   "no version of it is active",
		"activate -recipe recipe.yaml -operator bob":         "-recipe, -operator and -reason are all needed",
		"rollback -object recipe -operator eva -reason a b ": "flags begin with -",
	} {
		o := controller(words(args)...)
		require.NotZero(t, o.code, o)
		require.Contains(t, o.err, says)
		require.Equal(t, before, listing(t, "out"), args)
	}
}

func TestACutBetweenStoreAndRecordLeavesTheOldVersionActive(t *testing.T) {
	workplace(t)
	inUse(t)
	device := filepath.Join("out", "device", "segments")
	old := t.TempDir()
	edit(t, "recipe.yaml", `"1.1"`, `"1.2"`)
	done(t, words(ana)...)
	require.NoError(t, os.CopyFS(old, os.DirFS(device)))
	done(t, words(bob)...)
	require.FileExists(t, "out/device/files/active/recipe.BLEND-AB.B")
	require.NoError(t, os.RemoveAll(device)) // slot B is written, and its record never was
	require.NoError(t, os.CopyFS(device, os.DirFS(old)))
	require.Contains(t, done(t, "versions").out, "recipe BLEND-AB 1.1 is published, ACTIVE, ")
	runs(t, "OLD", "1.1")
	require.Contains(t, done(t, words(bob)...).out, "recipe BLEND-AB 1.2 is active in place of 1.1, record ")
	runs(t, "NEW", "1.2")

	require.NoError(t, os.WriteFile("out/device/files/active/recipe.BLEND-AB.B", []byte("spoilt"), 0o640))
	o := controller("-virtual")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "library: damaged file")
	o = controller("versions")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "library: damaged file")
	require.Contains(t, done(t, words(bob)...).out, "recipe BLEND-AB 1.2 is active in place of 1.2, record ", "the other slot mends it")
	runs(t, "MENDED", "1.2")
}

// halfWritten is what is said of a file that was being made when the process was killed.
var halfWritten = regexp.MustCompile(`(\S+\.new) was left half written, and nothing reads it; remove it while nothing is written here`)

func TestAnActivationThatIsKilledAtAnyMomentIsMadeOrNot(t *testing.T) {
	workplace(t)
	inUse(t)
	next(t)
	rng := rand.New(rand.NewPCG(1, 3))
	killed := 0
	for n := range count(8, 200) {
		cmd, said := process(t, words(back)...)
		after := time.Duration(rng.Int64N(int64(60 * time.Millisecond)))
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err != nil {
			require.False(t, cmd.ProcessState.Exited(), "%d: %s", n, said)
			killed++
		}
		o := controller("versions")
		if left := halfWritten.FindStringSubmatch(o.err); left != nil { // it says what to do
			require.NoError(t, os.Remove(left[1]))
			o = controller("versions")
		}
		require.Equal(t, exitOK, o.code, "%d, after %s: %s", n, after, o)
		require.NotContains(t, o.err, "begins anew", "%d, after %s", n, after)
		require.Regexp(t, `recipe BLEND-AB 1\.[12] is published, ACTIVE, `, o.out)
	}
	runs(t, "AFTER", activeRecipe(t))
	t.Logf("%d of them were killed", killed)
}

// activeRecipe is the version that the last activation of a recipe names.
func activeRecipe(t *testing.T) (version string) {
	t.Helper()
	_, err := journal.Scan("out/device", func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindObjectActivated && r.Text(record.ObjectKind) == "recipe" {
			version = r.Text(record.ToVersion)
		}
		return err
	}, nil)
	require.NoError(t, err)
	return version
}
