// Breaches of floors and modules, and the sense of the tables themselves.

package tidy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// house begins every import path of the module.
const house = "github.com/batchkit/batchkit/"

// imports is a body that imports a package of the house.
func imports(path string) string { return "import _ \"" + house + path + "\"\n" }

var floorBreaches = []breach{
	{"an import goes up", one("recipe/up.go", "recipe", imports("batch/runner")),
		[]string{"recipe/up.go:5: floor: recipe imports " + house + "batch/runner: floor 6b is above floor 4"}},
	{"an import stays on its floor without a named edge", one("recipe/side.go", "recipe", imports("fieldbus/bustest")),
		[]string{"recipe/side.go:5: floor: recipe imports " + house +
			"fieldbus/bustest: floor 4 is its own, and no edge between them is named"}},
	{"a named edge holds in one direction only", one("iomap/cond/back.go", "cond", imports("iomap")),
		[]string{"iomap/cond/back.go:5: floor: iomap/cond imports " + house +
			"iomap: floor 3 is its own, and no edge between them is named"}},
	{"the board below looks up to the clock", one("hal/clock.go", "hal", imports("timebase")),
		[]string{"hal/clock.go:5: floor: hal imports " + house + "timebase: floor 2 is above floor 1"}},
	{"the journal is used below floor 6", one("recipe/log.go", "recipe", imports("journal")),
		[]string{"recipe/log.go:5: floor: recipe imports " + house + "journal: it is reserved for floor 6a and above"}},
	{"a package stands on no floor",
		map[string]string{"recipe/attic/attic.go": "// Package attic is new.\npackage attic\n",
			"recipe/attic/more_test.go": "// Tests.\n\npackage attic_test\n"},
		[]string{"recipe/attic: floor: package recipe/attic stands on no floor"}},
	{"a package on a floor imports one that stands on none", one("recipe/lost.go", "recipe", imports("nowhere")),
		[]string{"recipe/lost.go:5: floor: recipe imports " + house + "nowhere: it stands on no floor"}},
	{"a test reaches up", one("recipe/up_test.go", "recipe", imports("batch/runner")),
		[]string{"recipe/up_test.go:5: floor: recipe imports " + house +
			"batch/runner: a test on floor 4 may not reach up to floor 6b"}},
	{"an external test without an example reaches up", one("recipe/up_test.go", "recipe_test", imports("batch/runner")),
		[]string{"recipe/up_test.go:5: floor: recipe imports " + house +
			"batch/runner: a test on floor 4 may not reach up to floor 6b"}},
	{"code that is no test uses what is for tests", one("recipe/plant.go", "recipe", imports("batch/batchtest")),
		[]string{"recipe/plant.go:5: floor: recipe imports " + house + "batch/batchtest: floor 6c is above floor 4"}},
}

var moduleBreaches = []breach{
	{"a module is not in the table", one("hal/net.go", "hal", "import _ \"github.com/spf13/cobra\"\n"),
		[]string{"hal/net.go:5: module: hal imports github.com/spf13/cobra: not in the table of modules"}},
	{"a module is used elsewhere than its place", one("journal/y.go", "journal", "import _ \"go.yaml.in/yaml/v3\"\n"),
		[]string{"journal/y.go:5: module: journal imports go.yaml.in/yaml/v3: allowed only in internal/strictyaml"}},
	{"a path only begins like one in the table",
		one("batch/executive/n.go", "executive", "import _ \"github.com/nats-io/nats.gopher\"\n"),
		[]string{"batch/executive/n.go:5: module: batch/executive imports github.com/nats-io/nats.gopher: " +
			"not in the table of modules"}},
	{"testify outside a test", one("hal/t.go", "hal", "import _ \"github.com/stretchr/testify/require\"\n"),
		[]string{"hal/t.go:5: module: hal imports github.com/stretchr/testify/require: allowed only in tests"}},
	{"testify by another door than require", one("hal/t_test.go", "hal", "import _ \"github.com/stretchr/testify/assert\"\n"),
		[]string{"hal/t_test.go:5: module: hal imports github.com/stretchr/testify/assert: not in the table of modules"}},
	{"a module that is open to tests, in code that is none", one("hal/f.go", "hal", "import _ \"github.com/looplab/fsm\"\n"),
		[]string{"hal/f.go:5: module: hal imports github.com/looplab/fsm: allowed only in recipe/library, tests"}},
	{"cgo", one("hal/c.go", "hal", "import \"C\"\n"),
		[]string{"hal/c.go:5: module: hal imports C: not in the table of modules"}},
}

func TestEveryPackageInATableStandsOnOneFloor(t *testing.T) {
	floorsOf := map[string]string{}
	for _, f := range floors {
		for _, p := range f.packages {
			require.Empty(t, floorsOf[p], "%s stands on two floors", p)
			floorsOf[p] = f.name
		}
	}
	for _, row := range grades {
		for _, p := range row.packages {
			require.NotEmpty(t, floorsOf[p], "grade of %s, which stands on no floor", p)
		}
	}
	for _, e := range namedEdges {
		require.NotEmpty(t, floorsOf[e.to], "edge to %s, which stands on no floor", e.to)
		require.NotEmpty(t, e.why, "edge from %s to %s without a reason", e.from, e.to)
	}
	for _, m := range modules {
		for _, p := range m.in {
			require.GreaterOrEqual(t, floorOf(p), 0, "module in %s, which stands on no floor", p)
		}
	}
	for _, r := range reserved {
		require.NotEmpty(t, floorsOf[r.path])
		require.GreaterOrEqual(t, floorNamed(r.from), 0)
	}
}

func TestNoPackageHasTwoGrades(t *testing.T) {
	seen := map[string]grade{}
	for _, row := range grades {
		for _, p := range row.packages {
			require.Empty(t, seen[p], "%s has two grades", p)
			seen[p] = row.grade
		}
	}
}

// requirement is a line of go.mod that requires a module directly.
var requirement = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)

func TestEachModuleThatGoModRequiresStandsInThePictureOfTheHouse(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	direct := requirement.FindAllStringSubmatch(string(mod), -1)
	require.NotEmpty(t, direct)
	for _, m := range direct {
		short := strings.TrimPrefix(m[1], "github.com/nats-io/") // rows of one maker name it once
		require.True(t, strings.Contains(string(page), "`"+m[1]+"`") || strings.Contains(string(page), "`"+short+"`"), "ARCHITECTURE.md has no row for %s", m[1])
	}
}
