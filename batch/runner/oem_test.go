// OEM actions: asked for by a recipe, done outside the engine, their reports inputs.

package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// millRecipe stirs, has a mill run, and stops the agitator.
const millRecipe = `recipe: MILL-1
version: "1"
schema_version: 1
title: Milled
batch_size: {nominal: 200 kg, min: 100 kg, max: 400 kg}
formula:
  - {name: fineness, value: 0.5 mm}
procedure:
  id: MILL
  level: procedure
  sequence:
    - id: GRIND
      level: phase
      timeout: 10 min
      actions:
        - set: {AG301: running}
        - request: {type: mill, with: {fineness: $fineness, program: gentle}}
        - set: {AG301: stopped}
`

// milled makes a site's batch one of the mill recipe, with somebody who does it, or nobody.
func (s *site) milled(do Action) {
	files := fstest.MapFS{"recipe.yaml": {Data: []byte(millRecipe)}}
	for _, name := range []string{"map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := os.ReadFile(filepath.Join("../../examples/controller/demo", name))
		require.NoError(s.t, err)
		files[name] = &fstest.MapFile{Data: data}
	}
	plan, err := batch.Load(files, "recipe.yaml", "map.yaml", &batch.LoadOptions{Actions: []recipe.ActionType{{Name: "mill", Version: 3,
		Params: []recipe.Field{{Name: "fineness", Unit: "mm"}, {Name: "program"}}, Results: []recipe.Field{{Name: "residue", Unit: "kg"}}}}})
	require.NoError(s.t, err)
	s.b, err = plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: s.seed})
	require.NoError(s.t, err)
	if do != nil {
		s.rig.Do = map[string]Action{"mill": do}
	}
}

// milledEnd runs the batch to a state and checks it, but for totals.
func (s *site) milledEnd(want sequencer.State) {
	res, err := s.run()
	require.NoError(s.t, err)
	require.Equal(s.t, want, res.State)
	s.whole(res)
	s.safe()
}

func TestProgressAndResultOfAnOEMActionAreRecords(t *testing.T) {
	inBubble(t, func(s *site) {
		var asked []Request
		s.milled(func(ctx context.Context, r Request, progress func([]string, string)) ([]string, error) {
			asked = append(asked, r)
			for _, done := range []string{"20", "80"} {
				if err := s.clock.Wait(ctx, s.clock.Now()+5*second); err != nil {
					return nil, err
				}
				progress([]string{"done=" + done}, done+" % milled\xff")
			}
			return []string{"residue=0.3 kg"}, nil
		})
		s.milledEnd(sequencer.Complete)
		require.Equal(t, []Request{{ID: 1, First: 1, Step: "GRIND", Type: "mill", Version: 3, Params: []string{"fineness=0.5 mm", "program=gentle"}}}, asked)
		reports := s.of(record.KindActionProgress, record.KindActionResult)
		require.Len(t, reports, 3)
		require.Equal(t, []string{"done=20"}, reports[0].Texts(record.Values))
		require.Equal(t, "20 % milled\uFFFD", reports[0].Text(record.Message))
		require.Equal(t, []string{"done=80"}, reports[1].Texts(record.Values))
		require.Equal(t, "ok", reports[2].Text(record.Result))
		require.Equal(t, []string{"residue=0.3 kg"}, reports[2].Texts(record.Values))
		for i, r := range reports {
			require.EqualValues(t, 1, r.Int(record.RequestID))
			require.Equal(t, []int64{5, 10, 10}[i], int64(r.Count(record.TsMonoNS))/second)
		}
	})
}

func TestAnActionIsAskedForOnceItsRecordIsDurable(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.stall = span{1_000_000, 6 * second}
		begun, asked := int64(0), Request{}
		s.milled(func(_ context.Context, r Request, _ func([]string, string)) ([]string, error) {
			begun, asked = s.clock.Now(), r
			return nil, nil
		})
		s.milledEnd(sequencer.Complete)
		require.GreaterOrEqual(t, begun, 6*second)
		require.Equal(t, []string{"fineness=0.5 mm", "program=gentle"}, asked.Params, "after many steps in the gate")
	})
}

func TestReportsAreCutToWhatARecordHolds(t *testing.T) {
	inBubble(t, func(s *site) {
		s.milled(func(_ context.Context, _ Request, progress func([]string, string)) ([]string, error) {
			values := slices.Repeat([]string{strings.Repeat("\x01", 5000)}, 5000)
			progress(values, strings.Repeat("\xff\x00", 5000))
			return values, errors.New(strings.Repeat("\x02", 5000))
		})
		s.tell(second, sequencer.Abort)
		s.milledEnd(sequencer.Aborted)
		for _, r := range s.of(record.KindActionProgress, record.KindActionResult) {
			require.Len(t, r.Texts(record.Values), maxValues)
		}
	})
}

func TestAnOEMActionThatFailsHoldsAndRestartAsksAgain(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("mill jammed") },
		"panic": func() error { panic("mill jammed") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				var ids, firsts []uint32
				s.milled(func(_ context.Context, r Request, _ func([]string, string)) ([]string, error) {
					firsts = append(firsts, r.First)
					if ids = append(ids, r.ID); len(ids) == 1 {
						return nil, fail()
					}
					return nil, nil
				})
				s.tell(5*second, sequencer.Restart)
				s.milledEnd(sequencer.Complete)
				require.Equal(t, []uint32{1, 2}, ids)
				require.Equal(t, []uint32{1, 1}, firsts, "it is the same occurrence")
				require.Equal(t, []string{"Running", "Holding", "Held", "Restarting", "Running", "Complete"}, s.states())
				results := s.of(record.KindActionResult)
				require.Equal(t, "failed", results[0].Text(record.Result))
				require.Contains(t, results[0].Text(record.Detail), "mill jammed")
				require.Equal(t, "ok", results[1].Text(record.Result))
			})
		})
	}
}

func TestARecipeThatAsksForAnActionNobodyDoesIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	s := newSite(t, 1)
	s.milled(nil)
	s.rig.Dir = filepath.Join(t.TempDir(), "B-0001")
	_, err := New(s.b, s.rig, &s.opt)
	require.ErrorContains(t, err, `asks for the action "mill", and the rig has nobody who does it; put it into Rig.Do`)
	require.NoDirExists(t, s.rig.Dir)
}

func TestAResultThatTheActionTypeDoesNotDeclareFailsTheAction(t *testing.T) {
	for result, says := range map[string]string{
		"residue":        "name=value is wanted",
		"dust=1 kg":      "declares no result of this name",
		"residue=2 Cel":  "a quantity in kg is wanted",
		"residue=little": "residue=little",
	} {
		inBubble(t, func(s *site) {
			s.milled(func(context.Context, Request, func([]string, string)) ([]string, error) { return []string{result}, nil })
			s.tell(2*second, sequencer.Abort)
			s.milledEnd(sequencer.Aborted)
			r := s.of(record.KindActionResult)[0]
			require.Equal(t, "failed", r.Text(record.Result))
			require.Contains(t, r.Text(record.Detail), says)
			require.Contains(t, s.states(), "Held")
		})
	}
}

func TestAnOEMActionEndsWithTheRun(t *testing.T) {
	inBubble(t, func(s *site) {
		var ended error
		s.milled(func(ctx context.Context, _ Request, progress func([]string, string)) ([]string, error) {
			<-ctx.Done()
			ended = ctx.Err()
			progress(nil, "too late")
			return nil, ended
		})
		s.tell(5*second, sequencer.Abort)
		s.milledEnd(sequencer.Aborted)
		require.ErrorIs(t, ended, context.Canceled)
		require.Less(t, s.clock.Now(), 6*second)
	})
}

// An action that reports without end may fill neither memory nor journal, nor keep an operator from being heard.
func TestAnOEMActionThatReportsWithoutEndKeepsNobodyWaiting(t *testing.T) {
	inBubble(t, func(s *site) {
		s.disk.stall = span{3 * second, 8 * second}
		s.milled(func(ctx context.Context, _ Request, progress func([]string, string)) ([]string, error) {
			if err := s.clock.Wait(ctx, 4*second); err != nil {
				return nil, err
			}
			for range 20_000 {
				progress([]string{"word=" + strings.Repeat("x", 300)}, "")
			}
			return nil, s.clock.Wait(ctx, 3600*second)
		})
		s.tell(5*second, sequencer.Hold)
		s.tell(20*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		require.Less(t, s.clock.Now(), 21*second)
		require.Greater(t, res.Coalesced, int64(10_000))
		for i, r := range s.list {
			if r.Kind == record.KindCommand && r.Text(record.Command) == "hold" {
				require.Equal(t, int64(5), s.seen[i]/second)
			}
		}
		s.whole(res)
		s.safe()
	})
}

func TestAVirtualRunDoesOEMActionsInNoTime(t *testing.T) {
	s := newSite(t, 1)
	s.milled(func(_ context.Context, _ Request, progress func([]string, string)) ([]string, error) {
		progress(nil, "half")
		return nil, nil
	})
	s.rig = Rig{Port: sim.NewPlant(1), Dir: "memory", Do: s.rig.Do}
	s.opt.Virtual = &Virtual{}
	s.milledEnd(sequencer.Complete)
	require.Len(t, s.of(record.KindActionProgress), 1)
}
