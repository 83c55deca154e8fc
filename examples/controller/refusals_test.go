// Tests of everything that is refused before a batch begins. What the command says to each is one page, testdata/refusals.golden;
// nothing may be written, but for what the build records of its own files.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
)

// refusal is one mistake.
type refusal struct {
	name  string
	spoil func(t *testing.T) // what somebody did to the demo's files; nil for nothing
	args  string             // in words; _ stands for a blank within a word
	blame string             // file whose line and column the message shows; "" where it is no file's fault
}

// own runs the files of the desk.
const own = "-virtual -unapproved -recipe recipe.yaml -map map.yaml"

// changed makes a spoil of one change.
func changed(name, old, text string) func(*testing.T) {
	return func(t *testing.T) { edit(t, name, old, text) }
}

// files are the mistakes in recipe, map, calibration and fault script.
var files = []refusal{
	{"a field that no recipe has", changed("recipe.yaml", "title:", "titel:"), own, "recipe.yaml"},
	{"a unit that measures something else", changed("recipe.yaml", "120.00 kg", "120.00 L"), own, "recipe.yaml"},
	{"a unit that does not exist", changed("recipe.yaml", "120.00 kg", "120.00 banana"), own, "recipe.yaml"},
	{"a tag that the map does not have", changed("recipe.yaml", "XV101: open", "XV110: open"), own, "recipe.yaml"},
	{"a tag of a condition that the map does not have", changed("recipe.yaml", "FT101 < 1", "TF101 < 1"), own, "recipe.yaml"},
	{"a tag of another kind", changed("recipe.yaml", "tag: FT101", "tag: ZS101"), own, "recipe.yaml"},
	{"an input that is set", changed("recipe.yaml", "XV101: open", "ZS101: open"), own, "recipe.yaml"},
	{"a word that a switch does not know", changed("recipe.yaml", "XV101: open", "XV101: ajar"), own, "recipe.yaml"},
	{"a set point out of its limits", changed("recipe.yaml", "TIC301.sp: 20.0 Cel", "TIC301.sp: 120.0 Cel"), own, "recipe.yaml"},
	{"a set point in another unit", changed("recipe.yaml", "TIC301.sp: 20.0 Cel", "TIC301.sp: 20.0 kg"), own, "recipe.yaml"},
	{"a meter that the map does not have", changed("recipe.yaml", "meter: FQ101", "meter: FQ301"), own, "recipe.yaml"},
	{"a step that stands twice", changed("recipe.yaml", "id: CHARGE_B", "id: CHARGE_A"), own, "recipe.yaml"},
	{"a wait without an end", changed("recipe.yaml", "timeout: 20 s\n", "\n"), own, "recipe.yaml"},
	{"a recipe that is empty", func(t *testing.T) { write(t, "recipe.yaml", "") }, own, "recipe.yaml"},
	{"a tag that the map names twice", changed("map.yaml", "logical_tag: XV102", "logical_tag: XV101"), own, "map.yaml"},
	{"a channel that the map names twice", changed("map.yaml", "do/2", "do/1"), own, "map.yaml"},
	{"a map without its calibration", changed("map.yaml", "calibration: calibration.yaml\n", ""), own, "map.yaml"},
	{"a calibration without the meter", changed("calibration.yaml", "FQ201", "FQ301"), own, "recipe.yaml"},
	{"a fault script full of mistakes", func(t *testing.T) {
		write(t, "script", "at 5s  silnt ctr/1 3s\nsilent ctr/1 3s\nat 12 silent ctr/1 3s\nat 5s silent ctr/99 3s\nat 5s slow di/1 3s 4s\n"+
			"at 12s command restart op1\nat 12s command jump op1 \"x\"\nat 12s command hold \"\" \"x\"\nat 12s command hold op1 \"x\" step=CHARGE\nat 5s \"unclosed\n")
	}, "-virtual -faults script", "script"},
}

// places are the mistakes in what is named on the command line.
var places = []refusal{
	{"a recipe that is not there", nil, "-virtual -recipe nowhere.yaml", ""},
	{"a map that is not there", nil, "-virtual -map nowhere.yaml", ""},
	{"a calibration that is not there", func(t *testing.T) { require.NoError(t, os.Remove("calibration.yaml")) }, own, ""},
	{"a fault script that is not there", nil, "-virtual -faults nowhere", ""},
	{"a recipe that is a directory", func(t *testing.T) { require.NoError(t, os.Mkdir("recipes", 0o750)) }, "-virtual -recipe recipes", ""},
	{"a recipe that is no recipe", changed("recipe.yaml", "#", strings.Repeat("# long\n", 1<<20/7)+"#"), own, ""},
	{"a recipe and a map of one name", func(t *testing.T) {
		require.NoError(t, os.Mkdir("recipes", 0o750))
		require.NoError(t, os.Rename("recipe.yaml", "recipes/map.yaml"))
	}, "-virtual -unapproved -recipe recipes/map.yaml -map map.yaml", ""},
	{"evidence in a file", nil, "-virtual -out map.yaml", ""},
	{"a batch that was run before", func(t *testing.T) { done(t, "-virtual") }, "-virtual -batch B-0001", ""},
	{"a batch id that is a path", nil, "-virtual -batch ../B-0001", ""},
	{"an operator of two words", nil, "-virtual -operator ines_maria", ""},
	{"more than the recipe is made for", nil, "-virtual -size 1000_kg", ""},
	{"less than the recipe is made for", nil, "-virtual -size 10_kg", ""},
	{"a size that is none", nil, "-virtual -size 5_banana", ""},
	{"a size without a unit", nil, "-virtual -size 250", ""},
	{"a size in another unit", nil, "-virtual -size 250_L", ""},
	{"a command that there is not", nil, "start", ""},
	{"a command behind the flags", nil, "-virtual approve", ""},
	{"a speed that is too high", nil, "-speed 1001", ""},
	{"a speed in virtual time", nil, "-virtual -speed 10", ""},
	{"a person in virtual time", nil, "-virtual -prompt", ""},
}

// newer gives the demo's recipe, as somebody changed it, a version of its own.
func newer(t *testing.T) { edit(t, "recipe.yaml", `version: "1.0"`, `version: "1.1"`) }

const ana = "approve -recipe recipe.yaml -operator ana -approval CR-7 -reason first_use"

// approvals are the mistakes in who may run what.
var approvals = []refusal{
	{"a recipe that nobody approved", newer, "-virtual -recipe recipe.yaml", ""},
	{"a recipe that was edited after its approval", func(t *testing.T) {
		newer(t)
		done(t, words(ana)...)
		edit(t, "recipe.yaml", "nominal: 200 kg", "nominal: 210 kg")
	}, "-virtual -recipe recipe.yaml", ""},
	{"an approval of what was edited after its approval", func(t *testing.T) {
		newer(t)
		done(t, words(ana)...)
		edit(t, "recipe.yaml", "nominal: 200 kg", "nominal: 210 kg")
	}, ana, ""},
	{"a recipe that is not in effect yet", func(t *testing.T) {
		newer(t)
		done(t, words(ana+" -effective-from 2200-01-01T00:00:00Z")...)
	}, "-virtual -recipe recipe.yaml", ""},
	{"an approval without a name", nil, "approve -recipe recipe.yaml -approval CR-7 -reason first_use", ""},
	{"a reason without its quotes", nil, "approve -recipe recipe.yaml -operator ana -approval CR-7 -reason first use -effective-from 2200-01-01T00:00:00Z", ""},
	{"a date that is none", nil, ana + " -effective-from tomorrow", ""},
	{"an approval of what cannot be read", changed("recipe.yaml", "title:", "titel:"), ana, "recipe.yaml"},
}

// words splits a command line.
func words(args string) (all []string) {
	for _, w := range strings.Fields(args) {
		all = append(all, strings.ReplaceAll(w, "_", " "))
	}
	return all
}

func TestWhatIsRefusedIsNamedAndNothingIsWritten(t *testing.T) {
	page := here(t, "refusals.golden")
	var said strings.Builder
	clock := regexp.MustCompile(`now it is [0-9TZ:.-]+`)
	for _, group := range [][]refusal{files, places, approvals} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				workplace(t)
				if r.spoil != nil {
					r.spoil(t)
				}
				before := listing(t, ".")
				o := controller(words(r.args)...)
				require.NotZero(t, o.code, o)
				require.Empty(t, o.out)
				require.True(t, strings.HasSuffix(o.err, "\n") && len(o.err) > 1)
				if r.blame != "" {
					require.Regexp(t, `(?m)^`+regexp.QuoteMeta(r.blame)+`:\d+:\d+: `, o.err, "file, line and column")
				}
				after := listing(t, ".")
				for name := range after {
					if before[name] == "" && (name == "out" || strings.HasPrefix(name, "out/device")) {
						delete(after, name)
					}
				}
				require.Equal(t, before, after, "nothing is lost, changed or left lying about")
				if runtime.GOOS == "windows" {
					o.err = filepath.ToSlash(o.err)
				}
				fmt.Fprintf(&said, "# %s\n$ controller %s\n%sexit %d\n\n", r.name, quoted(r.args), clock.ReplaceAllString(o.err, "now it is NOW"), o.code)
			})
		}
	}
	golden.Check(t, page, []byte(said.String()))
}

// quoted writes a command line as somebody types it.
func quoted(args string) string {
	all := words(args)
	for i, w := range all {
		if strings.Contains(w, " ") {
			all[i] = `"` + w + `"`
		}
	}
	return strings.Join(all, " ")
}

func TestOnlyWhatNeedsTheDeviceJournalTouchesIt(t *testing.T) {
	for _, r := range append(files[:len(files):len(files)], places[:4]...) {
		workplace(t)
		if r.spoil != nil {
			r.spoil(t)
		}
		controller(words(r.args)...)
		require.NoDirExists(t, "out", r.name)
	}
}
