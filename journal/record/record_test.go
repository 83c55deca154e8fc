// Tests of the tables: the names of keys and kinds.

package record

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var nameForm = regexp.MustCompile(`^[a-z0-9_]+$`)

func TestKeyNamesAscendByteByByteAndAreFound(t *testing.T) {
	last := ""
	for k := range keyCount {
		name := k.String()
		require.Regexp(t, nameForm, name)
		require.Less(t, last, name)
		got, ok := ParseKey(name)
		require.True(t, ok, name)
		require.Equal(t, k, got)
		last = name
	}
	for _, name := range []string{"", "a", "zzz", "unit ", "Unit", "units", "uni"} {
		_, ok := ParseKey(name)
		require.False(t, ok, name)
	}
	require.Empty(t, keyCount.String())
	require.Empty(t, (keyCount + 1).String())
}

func TestEveryKeyIsUsed(t *testing.T) {
	var used keySet
	Kinds(func(k Kind, _ Spec) {
		for i := range used {
			used[i] |= knownSets[k][i]
		}
	})
	for k := range keyCount {
		require.True(t, used.has(k), "%s is carried by no kind", k)
	}
}

func TestKindNamesAreUniqueAndAreFound(t *testing.T) {
	seen := map[string]bool{}
	Kinds(func(k Kind, spec Spec) {
		require.Regexp(t, nameForm, spec.Name)
		require.False(t, seen[spec.Name], spec.Name)
		seen[spec.Name] = true
		require.Equal(t, spec.Name, k.String())
		got, ok := ParseKind(spec.Name)
		require.True(t, ok)
		require.Equal(t, k, got)
	})
	require.Len(t, seen, int(kindCount)-1)
	for _, k := range []Kind{KindNone, kindCount, 255} {
		require.Empty(t, k.String())
		require.Empty(t, k.Spec())
	}
	_, ok := ParseKind("")
	require.False(t, ok)
}

func TestAKindNamesEachKeyOnce(t *testing.T) {
	Kinds(func(kind Kind, spec Spec) {
		var own keySet
		for _, list := range [][]Key{stamps, spec.Must, spec.May} {
			for _, k := range list {
				require.False(t, own.has(k), "%s names %s twice", spec.Name, k)
				own.add(k)
			}
		}
	})
}

func TestTheKindsThatMayStandOutsideABatchAreExactlyThese(t *testing.T) {
	var alone []string
	Kinds(func(k Kind, spec Spec) {
		if spec.Alone {
			alone = append(alone, spec.Name)
		}
		for _, key := range inBatch {
			require.True(t, knownSets[k].has(key), "%s does not know %s", spec.Name, key)
			require.Equal(t, !spec.Alone, mustSets[k].has(key), "%s and %s", spec.Name, key)
		}
	})
	require.Equal(t, []string{"boot", "recovery_event", "time_observed", "clock_step", "time_source_change", "engine_fault", "library_change", "object_activated",
		"in_flight_kept", "storage_health", "medium_replaced", "key_event", "head_signed", "head_unsigned", "head_anchored", "export", "verification",
		"export_state", "records_released", "batch_released", "reconcile_amended", "watchdog",
		"link_state", "link_failover_event", "resync_complete_event", "bus_write", "point_quality", "bus_measures", "telemetry_backlog",
		"batch_life", "equipment_change", "equipment_owner", "fence", "wire_refused", "runner_lost", "access_refused", "bus_state",
		"production_input", "job_listed", "job_state", "job_slot", "job_notice", "process_state", "article",
		"unit_run", "unit_run_material", "unit_run_data", "unit_run_notice"}, alone)
}

func TestARecordWithABatchCarriesAllThatARecordOfABatchDoes(t *testing.T) {
	Kinds(func(kind Kind, spec Spec) {
		for _, lack := range inBatch {
			if !spec.Alone || lack == BatchID {
				continue
			}
			var b Body
			begin(&b, kind, keyCount)
			for _, k := range inBatch {
				if k != lack {
					give(&b, k)
				}
			}
			_, err := b.Append(nil)
			require.ErrorIs(t, err, ErrRecord)
			require.EqualError(t, err, "record: refused: "+spec.Name+": "+lack.String()+" is missing")

			give(&b, lack)
			body, err := b.Append(nil)
			require.NoError(t, err)
			_, err = Parse(body)
			require.NoError(t, err)
			_, err = Parse(without(t, body, lack))
			require.EqualError(t, err, "record: refused: "+spec.Name+": "+lack.String()+" is missing")
		}
	})
}

func TestClassesAndGradesAreSpelt(t *testing.T) {
	require.Equal(t, []string{"process", "configuration", "security", "system"},
		[]string{Process.String(), Configuration.String(), Security.String(), System.String()})
	require.Equal(t, []string{"input", "decision", "note"}, []string{Input.String(), Decision.String(), Note.String()})
	require.NotPanics(t, func() { _ = Class(255).String() + Grade(255).String() })
}

func TestEveryDecisionNamesItsCause(t *testing.T) {
	Kinds(func(k Kind, spec Spec) {
		if spec.Grade == Decision {
			require.True(t, mustSets[k].has(Cause), spec.Name)
		}
	})
}

func TestAChangeOfWhatGovernsTellsWhoWhyFromToAndScope(t *testing.T) {
	Kinds(func(k Kind, spec Spec) {
		if spec.Class == Configuration {
			require.Subset(t, spec.Must, []Key{Actor, ChangeReason, OldValue, NewValue, ImpactScope}, spec.Name)
		}
	})
}
