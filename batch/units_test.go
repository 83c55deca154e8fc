// Units by class: the choice is the same every time, says why, and a refusal says who was looked at.

package batch

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// tanks loads a recipe that asks for units, with a map that has some.
func tanks(needs, units, actions string) (*Plan, error) {
	mapping := "mapping: IO\nversion: \"1\"\nschema_version: 1\ndevice_id: C\nequipment_id: T1\ntags:\n"
	for i := range 4 {
		mapping += fmt.Sprintf("  - {logical_tag: XV%d, physical_channel: do/%d, direction: out, type: switch, words: [closed, open], safe_value: closed}\n", i, i)
	}
	recipe := "recipe: R\nversion: \"1\"\nschema_version: 1\ntitle: T\nbatch_size: {nominal: 500 L, min: 100 L, max: 900 L}\n" +
		"formula:\n  - {name: volume, value: 500 L, scaling: linear}\nequipment:\n" + needs +
		"procedure:\n  id: ALL\n  level: procedure\n  sequence:\n    - id: P\n      level: phase\n      timeout: 60 s\n      actions:\n" + actions
	return Load(fstest.MapFS{"map.yaml": {Data: []byte(mapping + "units:\n" + units)}, "recipe.yaml": {Data: []byte(recipe)}}, "recipe.yaml", "map.yaml", nil)
}

const (
	threeTanks = "  - {unit: R3, class: REACTOR, priority: 1, capabilities: {volume: 300 L, lining: glass}, tags: {XV: XV3}}\n" +
		"  - {unit: R2, class: REACTOR, priority: 2, capabilities: {volume: 800 L, lining: glass}, tags: {XV: XV2}}\n" +
		"  - {unit: R1, class: REACTOR, priority: 2, capabilities: {volume: 0.8 m3, lining: glass}, tags: {XV: XV1}}\n" +
		"  - {unit: R0, class: REACTOR, priority: 1, capabilities: {volume: 900 L, lining: steel}, tags: {XV: XV0}}\n"
	openBoth = "        - set: {a.XV: open, b.XV: open}\n"
)

func TestTheUnitOfLeastPriorityNumberThenNameIsTakenAndNoneTwice(t *testing.T) {
	plan, err := tanks("  - {name: a, class: REACTOR, needs: {volume: $volume, lining: glass}}\n  - {name: b, class: REACTOR}\n", threeTanks, openBoth)
	require.NoError(t, err)
	for size, want := range map[string][]string{
		"500 L": {"a=R1: class REACTOR, priority 2; R0 has lining steel, not glass; R3 has volume 300 L, less than 500 L",
			"b=R0: class REACTOR, priority 1"},
		"200 L": {"a=R3: class REACTOR, priority 1; R0 has lining steel, not glass", "b=R0: class REACTOR, priority 1"},
	} {
		for range 3 {
			b, err := plan.Bind("B-1", size, Unapproved, nil)
			require.NoError(t, err)
			require.Equal(t, want, b.Equipment.Reasons(), size)
		}
	}
	_, err = plan.Bind("B-1", "850 L", Unapproved, nil)
	require.ErrorContains(t, err, "a: no unit of class REACTOR can be used: R0 has lining steel, not glass; R3 has volume 300 L, less than 850 L; "+
		"R1 has volume 0.8 m3, less than 850 L; R2 has volume 800 L, less than 850 L")
}

func TestARequirementThatNoUnitMeetsIsRefusedWithWhoWasLookedAt(t *testing.T) {
	for name, c := range map[string]struct{ needs, units, want string }{
		"no class": {"  - {name: a, class: MIXER}\n  - {name: b, class: REACTOR}\n", threeTanks,
			"a: the I/O map IO has no unit of class MIXER; its classes: REACTOR"},
		"taken": {"  - {name: a, class: TANK}\n  - {name: b, class: TANK}\n", "  - {unit: T, class: TANK, priority: 1, tags: {XV: XV1}}\n",
			"b: no unit of class TANK can be used: T is taken by a"},
		"no capability": {"  - {name: a, class: TANK, needs: {heat: 5 kW}}\n  - {name: b, class: TANK}\n",
			"  - {unit: T, class: TANK, priority: 1, tags: {XV: XV1}}\n", "a: no unit of class TANK can be used: T has no heat"},
		"another unit": {"  - {name: a, class: TANK, needs: {volume: 5 kg}}\n  - {name: b, class: TANK}\n",
			"  - {unit: T, class: TANK, priority: 1, capabilities: {volume: 5 L}, tags: {XV: XV1}}\n", "T has volume 5 L, which is nothing like 5 kg"},
	} {
		_, err := tanks(c.needs, c.units, openBoth)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "no tag", "%s: a unit that is missing is told once", name)
	}
	_, err := tanks("  - {name: a, class: REACTOR}\n", threeTanks, "        - set: {a.XW: open}\n")
	require.ErrorContains(t, err, `no tag "a.XW" in unit R0 of the I/O map IO; did you mean "a.XV"?`)
}
