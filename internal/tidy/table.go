// How the tables of the house are read: their rows, and the questions asked of them.

package tidy

import (
	"slices"
	"strings"
)

// floor is a storey of the house and the packages on it.
type floor struct {
	name     string
	packages []string
}

// edge is an import that is allowed although it does not go down.
type edge struct{ from, to, why string }

// reserve is a package that is closed to all floors below from.
type reserve struct{ path, from string }

// module is a third-party import path and the packages that may use it; tests opens it to every test file.
type module struct {
	prefix string
	in     []string
	tests  bool
}

// grade says what a package's code may do.
type grade string

const (
	pure     grade = "pure"     // only computes
	blocking grade = "blocking" // may call what it was handed, starts nothing
	starting grade = "starting" // may start goroutines
)

// gradeRow gives the packages of one grade.
type gradeRow struct {
	grade    grade
	packages []string
}

// impurity is a standard package closed to pure code, but for some packages.
type impurity struct {
	path   string
	except []string
}

// nameRow gives names of a standard package that pure code may use: everywhere, or in one package.
type nameRow struct {
	path, in string
	only     []string
}

// matches tells whether a package path is the pattern, or lies beneath a pattern that ends in /*.
func matches(pattern, path string) bool {
	if above, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, above)
	}
	return pattern == path
}

// matchesAny tells whether any of the patterns matches the path.
func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// beneath tells whether an import path is the given one or a package under it.
func beneath(path, above string) bool {
	return path == above || strings.HasPrefix(path, above+"/")
}

// floorOf gives the height of a package, counted from the ground, or -1 where it stands on no floor.
func floorOf(path string) int {
	return slices.IndexFunc(floors, func(f floor) bool { return matchesAny(f.packages, path) })
}

// floorNamed gives the height of the floor with that name, or -1.
func floorNamed(name string) int {
	return slices.IndexFunc(floors, func(f floor) bool { return f.name == name })
}

// gradeOf gives the grade of a package.
func gradeOf(path string) grade {
	for _, row := range grades {
		if matchesAny(row.packages, path) {
			return row.grade
		}
	}
	return blocking
}

// hasNamedEdge tells whether the table allows this import although it does not go down.
func hasNamedEdge(from, to string) bool {
	return slices.ContainsFunc(namedEdges, func(e edge) bool { return matches(e.from, from) && matches(e.to, to) })
}

// pureName tells whether pure code of the package dir may use a name of a standard package.
func pureName(dir, path, name string) bool {
	bound := false
	for _, row := range pureNames {
		if row.path != path {
			continue
		}
		bound = true
		if (row.in == "" || row.in == dir) && slices.Contains(row.only, name) {
			return true
		}
	}
	return !bound
}
