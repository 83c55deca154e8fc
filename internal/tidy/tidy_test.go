// The module itself is tidy, a clean tree passes, and how the trees of the other tests are laid out and judged.

package tidy

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// breach is a change to the clean tree, and what Check must then say, all of it.
type breach struct {
	claim string
	files map[string]string
	want  []string
}

// breaches holds every breach that the tests know, by the subject it is about.
var breaches = map[string][]breach{
	"floors":     floorBreaches,
	"modules":    moduleBreaches,
	"goroutines": goroutineBreaches,
	"purity":     purityBreaches,
	"map ranges": mapRangeBreaches,
	"docs":       docBreaches,
	"sizes":      sizeBreaches,
	"text":       textBreaches,
	"state":      stateBreaches,
	"signatures": signatureBreaches,
	"layout":     layoutBreaches,
	"readme":     readmeBreaches,
}

func TestTheModuleIsTidy(t *testing.T) {
	root, err := os.Getwd()
	require.NoError(t, err)
	for !exists(filepath.Join(root, "go.mod")) {
		require.NotEqual(t, filepath.Dir(root), root, "no go.mod above the test")
		root = filepath.Dir(root)
	}
	found, err := Check(root)
	require.NoError(t, err)
	require.Zero(t, len(found), "violations:\n%s", strings.Join(lines(found), "\n"))
}

func TestACleanTreeHasNoViolations(t *testing.T) {
	require.Empty(t, judge(t, nil))
}

func TestEveryBreachIsCaughtAndNothingElseIsReported(t *testing.T) {
	for _, subject := range slices.Sorted(maps.Keys(breaches)) {
		for _, b := range breaches[subject] {
			t.Run(subject+"/"+b.claim, func(t *testing.T) {
				require.Equal(t, b.want, judge(t, b.files))
			})
		}
	}
}

func TestEveryRuleHasABreach(t *testing.T) {
	caught := map[string]bool{}
	for _, list := range breaches {
		for _, b := range list {
			for _, line := range b.want {
				for field := range strings.FieldsSeq(line) {
					caught[strings.TrimSuffix(field, ":")] = true
				}
			}
		}
	}
	for _, rule := range []string{ruleParse, ruleFloor, ruleModule, ruleGrade, ruleDoc, ruleSize, ruleState, ruleAPI,
		ruleName, ruleTop, ruleReadme, ruleText} {
		require.True(t, caught[rule], "no breach of rule %s", rule)
	}
}

func TestARootWithoutAModuleIsAnError(t *testing.T) {
	root := t.TempDir()
	_, err := Check(root)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("go 1.26\n"), 0o600))
	_, err = Check(root)
	require.ErrorContains(t, err, "go.mod names no module")
}

// judge lays out the clean tree with some files changed or added, and gives what Check says of it.
func judge(t *testing.T, changes map[string]string) []string {
	t.Helper()
	root := t.TempDir()
	files := maps.Clone(cleanTree)
	maps.Copy(files, changes)
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	found, err := Check(root)
	require.NoError(t, err)
	return lines(found)
}

// lines gives violations as text.
func lines(found []Violation) []string {
	var all []string
	for _, v := range found {
		all = append(all, v.String())
	}
	return all
}

// exists tells whether there is such a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// one makes a tree of changes with a single file of package name, whose body begins on line 5.
func one(path, name, body string) map[string]string {
	return map[string]string{path: "// What lives here.\n\npackage " + name + "\n\n" + body}
}
