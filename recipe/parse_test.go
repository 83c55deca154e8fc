// This file tests Parse: what a good recipe becomes, and the exact messages that a wrong one gives.

package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

const goodRecipe = `
recipe: BLEND-AB
version: 1.10
schema_version: 1
title: Blend of A and B
batch_size: {nominal: 200 kg, min: 0.1 t, max: 400 kg}
formula:
  - {name: charge, value: 120.00 kg, min: 50 kg, max: 250 kg, scaling: linear}
  - {name: soak, value: 5 s, scaling: none}
procedure:
  id: BLEND
  level: procedure
  sequence:
    - id: CHARGE
      level: operation
      parallel:
        - id: CHARGE_A
          level: phase
          timeout: 1 min
          on_timeout: abort
          actions:
            - open_window: {window: A, meter: FQ101, target: $charge, tolerance: 0.5 kg}
            - set: {XV101: open, TIC301.sp: 60.0 Cel, SIC301: -5}
            - wait_total: {window: A, short_by: 2 kg}
            - wait_total: {window: A}
            - close_window: A
            - verify_stable: {tag: FT101, within: 0.1 kg/min, for: 1 s}
        - id: TELL
          level: phase
          actions: [{mark: charging}, {delay: $soak}]
    - id: ASK
      level: phase
      timeout: $soak
      on_timeout: hold
      actions:
        - prompt: Take a sample.
        - request: {type: titrate, with: {volume: 5.0 mL, method: fast, target: $charge}}
        - request: {type: weigh}
        - wait: "TT301 >= 58 Cel"
`

func parse(t *testing.T, src string) *Recipe {
	t.Helper()
	r, err := Parse("recipe.yaml", []byte(src))
	require.NoError(t, err)
	return r
}

func q(s string) quantity.Quantity {
	v, err := quantity.Parse(s)
	if err != nil {
		panic(err)
	}
	return v
}

func TestTheHeaderIsReadAsItStands(t *testing.T) {
	r := parse(t, goodRecipe)
	require.Equal(t, []string{"BLEND-AB", "1.10", "Blend of A and B"}, []string{r.ID, r.Version, r.Title})
	require.Equal(t, []quantity.Quantity{q("200 kg"), q("0.1 t"), q("400 kg")}, []quantity.Quantity{r.Nominal, r.Min, r.Max})
	for i, p := range []Param{
		{Name: "charge", Value: q("120.00 kg"), Min: q("50 kg"), Max: q("250 kg"), Scaling: Linear},
		{Name: "soak", Value: q("5 s")},
	} {
		got := r.Params[i]
		require.Equal(t, 8+i, got.Node.Pos().Line)
		got.Node = strictyaml.Node{}
		require.Equal(t, p, got)
	}
}

func TestElementsAreReadAsTheyStand(t *testing.T) {
	r := parse(t, goodRecipe)
	var show func(e *Element, depth int) string
	show = func(e *Element, depth int) string {
		s := fmt.Sprintf("%s%s %s parallel=%v actions=%d timeout=%v/%s line=%d\n", strings.Repeat("  ", depth), e.Level, e.ID,
			e.Block == Parallel, len(e.Actions), e.Timeout.Given(), e.OnTimeout, e.Node.Pos().Line)
		for _, c := range e.Children {
			s += show(c, depth+1)
		}
		return s
	}
	require.Equal(t, `procedure BLEND parallel=false actions=0 timeout=false/hold line=11
  operation CHARGE parallel=true actions=0 timeout=false/hold line=14
    phase CHARGE_A parallel=false actions=6 timeout=true/abort line=17
    phase TELL parallel=false actions=2 timeout=false/hold line=28
  phase ASK parallel=false actions=4 timeout=true/hold line=31
`, show(r.Root, 0))
}

func TestActionsAreReadAsTheyStand(t *testing.T) {
	r := parse(t, goodRecipe)
	bare := func(a Amount) Amount { a.Node = strictyaml.Node{}; return a }
	amount := func(s string) Amount { return Amount{Quantity: q(s)} }
	want := []Action{
		{Kind: OpenWindow, Window: "A", Meter: "FQ101", Target: Amount{Param: "charge"}, Tolerance: amount("0.5 kg")},
		{Kind: Set, Settings: []Setting{{Name: "XV101", Value: Amount{Word: "open"}}, {Name: "TIC301.sp", Value: amount("60.0 Cel")},
			{Name: "SIC301", Value: amount("-5")}}},
		{Kind: WaitTotal, Window: "A", ShortBy: amount("2 kg")},
		{Kind: WaitTotal, Window: "A"},
		{Kind: CloseWindow, Window: "A"},
		{Kind: VerifyStable, Tag: "FT101", Within: amount("0.1 kg/min"), For: amount("1 s")},
		{Kind: Mark, Text: "charging"},
		{Kind: Delay, For: Amount{Param: "soak"}},
		{Kind: Prompt, Text: "Take a sample."},
		{Kind: Request, Type: "titrate", Settings: []Setting{{Name: "volume", Value: amount("5.0 mL")},
			{Name: "method", Value: Amount{Word: "fast"}}, {Name: "target", Value: Amount{Param: "charge"}}}},
		{Kind: Request, Type: "weigh"},
		{Kind: Wait},
	}
	charge, ask := r.Root.Children[0], r.Root.Children[1]
	var got []Action
	for _, phase := range []*Element{charge.Children[0], charge.Children[1], ask} {
		for _, a := range phase.Actions {
			require.NotZero(t, a.Node.Pos().Line)
			a.Node = strictyaml.Node{}
			a.Target, a.Tolerance, a.ShortBy, a.Within, a.For = bare(a.Target), bare(a.Tolerance), bare(a.ShortBy), bare(a.Within), bare(a.For)
			for i := range a.Settings {
				require.NotZero(t, a.Settings[i].Node.Pos().Line)
				require.NotZero(t, a.Settings[i].Value.Node.Pos().Line)
				a.Settings[i].Node, a.Settings[i].Value = strictyaml.Node{}, bare(a.Settings[i].Value)
			}
			if a.Kind == Wait {
				require.Equal(t, "TT301 >= 58 Cel", a.Cond.String())
				a.Cond = nil
			}
			got = append(got, a)
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, Amount{Param: "soak"}, bare(ask.Timeout))
}

func TestWhatIsFoundOutLaterIsReportedAtThePlaceInTheFile(t *testing.T) {
	r := parse(t, goodRecipe)
	require.NoError(t, r.Doc.Err())
	set := r.Root.Children[0].Children[0].Actions[1]
	set.Settings[1].Value.Node.Errorf("no tag %q", "TIC301.sp")
	require.EqualError(t, r.Doc.Err(), strings.Join([]string{
		`recipe.yaml:23:45: no tag "TIC301.sp"`,
		`                - set: {XV101: open, TIC301.sp: 60.0 Cel, SIC301: -5}`,
		`                                                ^`}, "\n"))
}

func TestEveryErrorOfAWrongRecipeIsToldAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 36)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		r, err := Parse(filepath.Base(file), src)
		require.Nil(t, r, file)
		require.Error(t, err, file)
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
	}
}

func TestEveryConstructIsUsedByARecipeThatIsRight(t *testing.T) {
	files, err := filepath.Glob("testdata/right/*.yaml")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		r, err := Parse(file, src)
		require.NoError(t, err)
		for _, p := range r.Params {
			seen["ref"] = seen["ref"] || p.Ref != ""
		}
		for _, u := range r.Units {
			seen["unit"], seen["needs"] = true, seen["needs"] || u.Needs != nil
		}
		var walk func(e *Element)
		walk = func(e *Element) {
			seen[e.Block.String()], seen[e.Level.String()] = true, true
			for key, there := range map[string]bool{"entry": e.Entry != nil, "exit": e.Exit != nil, "uses": e.Uses != nil, "when": e.When != nil,
				"until": e.Loop.Until != nil, "times": e.Block == Repeat && e.Loop.Until == nil, "equipment_phase": e.Equipment != ""} {
				seen[key] = seen[key] || there
			}
			for i := range e.Actions {
				seen[e.Actions[i].Kind.String()] = true
			}
			for l := OnHold; l < LogicEnd; l++ {
				seen[l.String()] = seen[l.String()] || e.Logic[l].Actions != nil
			}
			for _, c := range e.Children {
				walk(c)
			}
		}
		walk(r.Root)
	}
	want := []string{"ref", "unit", "needs", "entry", "exit", "uses", "when", "until", "times", "equipment_phase"}
	for k := Set; k <= Receive; k++ {
		want = append(want, k.String())
	}
	for b := NoBlock; b <= Repeat; b++ {
		want = append(want, b.String())
	}
	for l := Procedure; l <= Phase; l++ {
		want = append(want, l.String())
	}
	for l := OnHold; l < LogicEnd; l++ {
		want = append(want, l.String())
	}
	for _, w := range want {
		require.True(t, seen[w], "no recipe in testdata/right has %q", w)
	}
}

func TestTheNumbersOfElementsAndActionsAreBounded(t *testing.T) {
	head := goodRecipe[:strings.Index(goodRecipe, "procedure:")] + "procedure:\n  id: P\n  level: procedure\n  sequence:\n"
	fill := func(phases, actions int) string {
		var src strings.Builder
		src.WriteString(head)
		for i := range phases {
			fmt.Fprintf(&src, "    - {id: P%d, level: phase, actions: [%s]}\n", i, strings.TrimSuffix(strings.Repeat("{mark: a},", actions), ","))
		}
		return src.String()
	}
	parse(t, fill(MaxElements-1, 5))
	_, err := Parse("recipe.yaml", []byte(fill(MaxElements+1, 1)))
	require.ErrorContains(t, err, "the recipe has more than 2000 elements")
	require.Equal(t, 1, strings.Count(err.Error(), "the recipe has"))
	_, err = Parse("recipe.yaml", []byte(fill(2, 5001)))
	require.ErrorContains(t, err, "the recipe has more than 10000 actions")

	deep := strings.Repeat("{id: A, level: procedure, sequence: [", 12) + strings.Repeat("]}", 12)
	_, err = Parse("recipe.yaml", []byte(strings.Replace(head, "procedure:\n  id: P\n  level: procedure\n  sequence:\n", "procedure: "+deep, 1)))
	require.ErrorContains(t, err, "more than 8 elements inside each other")
}

func ExampleParse() {
	src := []byte(`
recipe: HEAT
version: "1.0"
schema_version: 1
title: Heat up
batch_size: {nominal: 200 kg, min: 100 kg, max: 400 kg}
procedure:
  id: HEAT
  level: phase
  actions:
    - set: {TIC301.sp: 60 Cel, HS301: on}
    - wait: "TT301 >= 58Cel"
`)
	_, err := Parse("recipe.yaml", src)
	fmt.Println(err)
	// Output:
	// recipe.yaml:8:3: phase "HEAT": key "timeout" is missing; the set in line 11 may take for ever
	//       id: HEAT
	//       ^
	// recipe.yaml:12:13: condition, column 10: "58Cel": no space before the unit; write "58 Cel"
	//         - wait: "TT301 >= 58Cel"
	//                 ^
}

func TestATimeoutSaysHowOftenItIsTriedAgain(t *testing.T) {
	for written, want := range map[string]string{
		"hold":                           "hold",
		"hard_abort":                     "hard_abort",
		"{retry: 1, then: hold}":         "retry 1 time, then hold",
		"{then: hard_abort, retry: 100}": "retry 100 times, then hard_abort",
	} {
		ask := parse(t, strings.Replace(goodRecipe, "      on_timeout: hold\n", "      on_timeout: "+written+"\n", 1)).Root.Children[1]
		require.Equal(t, want, ask.TimeoutWords())
	}
}
