// Tests of the names of evidence: each has a place, and the list of those that have none can only shrink.

package record

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
)

// lacking are the names that nothing carries. Who gives one a place takes it from this list; none may be added.
const lacking = `
Sequencing: scan_time_ms, delta_ms, P95, P99
Change, approval, security: effective batch range
Test T1: delta_ms, P95, P99
`

func TestEveryNameOfEvidenceHasThePlaceThatTheGoldenFileShows(t *testing.T) {
	var out strings.Builder
	last := ""
	Places(func(section, name, place string) {
		if section != last {
			fmt.Fprintf(&out, "%s\n", section)
			last = section
		}
		fmt.Fprintf(&out, "  %s: %s\n", name, place)
	})
	t.Log(out.String())
	golden.Check(t, "testdata/fields.golden", []byte(out.String()))
}

func TestTheNamesThatHaveNoPlaceAreExactlyThese(t *testing.T) {
	var got strings.Builder
	last := ""
	Places(func(section, name, place string) {
		require.NotEmpty(t, place, name)
		switch {
		case place != notYet:
		case section != last:
			fmt.Fprintf(&got, "\n%s: %s", section, name)
			last = section
		default:
			got.WriteString(", " + name)
		}
	})
	require.Equal(t, strings.TrimSpace(lacking), strings.TrimSpace(got.String()))
}

func TestANameOfEvidenceHasOneMeaningOnly(t *testing.T) {
	inSection := map[string]bool{}
	other := map[string]string{}
	for _, s := range sections {
		require.NotEmpty(t, s.title)
		for _, n := range s.names {
			require.Equal(t, n.means == itself, n.of == "", n.list)
			for name := range strings.SplitSeq(n.list, ", ") {
				require.Equal(t, strings.TrimSpace(name), name)
				require.NotEmpty(t, name)
				require.False(t, inSection[s.title+": "+name], "%s: %s stands twice", s.title, name)
				inSection[s.title+": "+name] = true
				if n.means == another || n.means == outside {
					require.NotContains(t, other, name, "a second meaning")
					other[name] = n.of
					_, isKey := ParseKey(name)
					require.False(t, isKey, "%s is a key", name)
				}
			}
		}
	}
}

func TestOtherSpellingsAreOfNamesThatTheTableHolds(t *testing.T) {
	held := map[string]bool{}
	Places(func(_, name, _ string) { held[name] = true })
	for _, s := range sections {
		for _, n := range s.names {
			if n.means != another && n.means != value {
				continue
			}
			for name := range strings.SplitSeq(n.of, ", ") {
				_, isKey := ParseKey(name)
				require.True(t, isKey || held[name], "%s, of which %s is another spelling or a value", name, n.list)
			}
		}
	}
}

func TestAQueryTakesAKeyAndItsOtherSpellings(t *testing.T) {
	for k := range keyCount {
		require.Equal(t, []Key{k}, Lookup(k.String()))
	}
	for name, want := range map[string][]Key{
		"ts_mono":      {TsMonoNS},
		"event_ts":     {TsMonoNS, TsUTC},
		"recipe_ver":   {RecipeVersion},
		"result_code":  {Result},
		"window_start": {WindowStartEvent},
		"old value":    {OldValue},
		"reconcile":    {ReconcileStatus},
		"PASS":         nil, // a value
		"step_start":   nil, // a value
		"hash_prev":    nil, // outside the bodies
		"ts_mon":       nil,
		"ts_mono, ":    nil,
		"":             nil,
	} {
		require.Equal(t, want, Lookup(name), name)
	}
}
