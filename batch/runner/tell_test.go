// Which command of those that wait is taken next.

package runner

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

var makingSafe = []sequencer.Command{sequencer.Hold, sequencer.Stop, sequencer.Abort, sequencer.HardAbort}

func TestACommandThatMakesSafeFindsRoomInAFullInbox(t *testing.T) {
	in := newInbox(nil)
	for range maxCommands {
		require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: sequencer.Comment}))
	}
	require.ErrorIs(t, in.tell(batch.Event{Kind: batch.Answered}), ErrBusy)
	for _, step := range []string{"", "A"} {
		for _, c := range makingSafe {
			for range maxSafety {
				require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: c, Step: step}))
			}
			require.ErrorIs(t, in.tell(batch.Event{Kind: batch.Told, Command: c, Step: step}), ErrBusy, "so many say so already")
		}
	}
	for n := range maxCommands - len(makingSafe)*maxSafety { // of steps, each its own
		require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: sequencer.Hold, Step: fmt.Sprint("U", n)}))
	}
	require.ErrorIs(t, in.tell(batch.Event{Kind: batch.Told, Command: sequencer.Hold, Step: "B"}), ErrBusy)
	ev, _, _, ok := in.take(true, zero)
	require.True(t, ok)
	require.Equal(t, sequencer.HardAbort, ev.Command)
	require.NoError(t, in.tell(ev), "there is room again")
	in.close()
	require.ErrorIs(t, in.tell(ev), ErrEnded)
}

func TestCommandsThatWereRefusedBeforeTheyCameKeepNoOtherOut(t *testing.T) {
	in := newInbox(nil)
	for _, c := range []sequencer.Command{sequencer.Abort, sequencer.Comment} {
		for n := range maxRefused {
			err := in.tell(batch.Event{Kind: batch.Told, Command: c, Refusal: "no"})
			require.Equal(t, c == sequencer.Abort, err == nil, "%d", n)
		}
	}
	for range maxCommands {
		require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: sequencer.Restart}))
	}
	for range maxSafety {
		require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: sequencer.Abort}))
	}
	ev, _, _, _ := in.take(true, zero)
	require.Equal(t, batch.Event{Kind: batch.Told, Command: sequencer.Abort}, ev, "and a forged abort is not one that makes safe")
}

func TestWhatSomebodyForgedIsOnRecordUnderWhoHeIsAndChangesNothing(t *testing.T) {
	withTrip(t, func(s *site) {
		long := strings.Repeat("x\xff", 1000)
		s.at(4*second, func(r *Runner) {
			require.ErrorContains(t, r.Tell(Command{Command: sequencer.HardAbort, Refused: "no"}), "operator is required")
			require.NoError(t, r.Tell(Command{Command: sequencer.HardAbort, Step: long, Operator: "local:1000", Refused: long, Claimed: long}))
			require.NoError(t, r.Tell(Command{Command: sequencer.OverrideSet, Name: long, Value: long, Operator: "local:1000", Reason: long, Refused: "local:1000 is no edge"}))
		})
		s.tell(8*second, sequencer.Abort)
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		s.whole(res)
		list, said := s.of(record.KindCommand), s.of(record.KindCommandResult)
		require.Equal(t, "hard_abort", list[1].Text(record.Command))
		require.Equal(t, "local:1000", list[1].Text(record.OperatorID))
		require.Equal(t, batch.Clean(long), list[1].Text(record.ClaimedActor))
		require.Equal(t, "refused", said[1].Text(record.Result))
		require.Equal(t, "refused local:1000 is no edge", said[2].Text(record.Result)+" "+said[2].Text(record.Detail))
		require.Equal(t, "Running", said[2].Text(record.BatchState))
	})
}

func TestAHoldIsTakenAgainBehindAnAnswerThatLetsAStepBegin(t *testing.T) {
	in := newInbox(nil)
	require.NoError(t, in.tell(batch.Event{Kind: batch.Answered, ID: 1}))
	require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: sequencer.Hold, Step: "B"}))
	var taken []batch.EventKind
	for ev, _, _, ok := in.take(true, zero); ok; ev, _, _, ok = in.take(true, zero) {
		taken = append(taken, ev.Kind)
	}
	require.Equal(t, []batch.EventKind{batch.Told, batch.Answered, batch.Told}, taken)
}

func TestACommandThatMakesSafeIsTakenFirstAndAgainBehindWhatWouldUndoIt(t *testing.T) {
	for _, c := range []struct {
		given []sequencer.Command
		taken string
	}{
		{[]sequencer.Command{sequencer.Change, sequencer.Comment, sequencer.HardAbort}, "[hard_abort change comment]"},
		{[]sequencer.Command{sequencer.Abort, sequencer.Hold, sequencer.HardAbort}, "[hard_abort abort hold]"},
		{[]sequencer.Command{sequencer.Start, sequencer.HardAbort}, "[hard_abort start hard_abort]"},
		{[]sequencer.Command{sequencer.Change, sequencer.Restart, sequencer.Change, sequencer.Hold, sequencer.Comment},
			"[hold change restart hold change comment]"},
		{[]sequencer.Command{sequencer.Restart, sequencer.Hold, sequencer.Restart, sequencer.Stop}, "[hold stop restart hold restart stop]"},
	} {
		in := newInbox(nil)
		for _, command := range c.given {
			require.NoError(t, in.tell(batch.Event{Kind: batch.Told, Command: command}))
		}
		var taken []sequencer.Command
		for ev, _, _, ok := in.take(true, zero); ok; ev, _, _, ok = in.take(true, zero) {
			taken = append(taken, ev.Command)
		}
		require.Equal(t, c.taken, fmt.Sprint(taken))
	}
}

// Whatever waits: nothing is lost, other commands keep their order, nothing that begins something follows a command that makes
// safe without that coming again, and a hard abort waits for one answer at most.
func TestTheOrderInWhichCommandsAreTakenUndoesNoneThatMakesSafe(t *testing.T) {
	others := []sequencer.Command{sequencer.Start, sequencer.Restart, sequencer.Change, sequencer.Comment, sequencer.Release, sequencer.GoTo}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 5))
		in, last, answers, inOrder := newInbox(nil), map[uint32]int{}, 0, uint32(0)
		var all []batch.Event
		for n := 0; n < 200 || !in.empty(); n++ {
			switch k := rng.IntN(10); {
			case n < 200 && k < 4:
				ev := batch.Event{Kind: batch.Told, ID: uint32(len(all) + 1), Command: others[rng.IntN(len(others))]}
				if k == 0 {
					ev.Command = makingSafe[rng.IntN(len(makingSafe))]
				}
				if in.tell(ev) == nil {
					all = append(all, ev)
				}
			case n < 200 && k < 6:
				in.answer(batch.Event{Kind: batch.Done})
			default:
				hard := false
				for i := range all {
					hard = hard || all[i].Command == sequencer.HardAbort && last[all[i].ID] == 0
				}
				ev, _, _, ok := in.take(true, zero)
				if answers++; !ok || ev.Kind == batch.Told {
					answers = 0
				}
				require.True(t, !hard || ev.Command == sequencer.HardAbort || answers == 1, "seed %d: %s is taken before a hard abort", seed, ev.Command)
				if ok && ev.Kind == batch.Told && !makesSafe(&ev) {
					require.Zero(t, last[ev.ID], "seed %d: taken twice", seed)
					require.Greater(t, ev.ID, inOrder, "seed %d: out of order", seed)
					inOrder = ev.ID
				}
				if ok && ev.Kind == batch.Told {
					last[ev.ID] = n + 1
				}
			}
		}
		for i := range all {
			require.NotZero(t, last[all[i].ID], "seed %d: %s is lost", seed, all[i].Command)
			for k := range all[:i] {
				require.False(t, makesSafe(&all[i]) && begins(&all[k]) && last[all[k].ID] > last[all[i].ID], "seed %d: %s undoes %s", seed,
					all[k].Command, all[i].Command)
			}
		}
	}
}

func TestAHardAbortIsCarriedOutBeforeWhatWaitsInAFullInbox(t *testing.T) {
	withTrip(t, func(s *site) {
		s.at(4*second, func(r *Runner) {
			for n := range maxCommands {
				require.NoError(t, r.Tell(Command{Command: sequencer.Comment, Operator: "op1", Reason: fmt.Sprint(n)}))
			}
			require.ErrorIs(t, r.Answer(1, "ok", "op1", "operator"), ErrBusy)
			require.NoError(t, r.Tell(Command{Command: sequencer.HardAbort, Operator: "op2", Reason: "fire"}))
		})
		res, err := s.run()
		require.NoError(t, err)
		require.Equal(t, sequencer.Aborted, res.State)
		s.whole(res)
		list := s.of(record.KindCommand)
		require.Len(t, list, maxCommands+2)
		require.Equal(t, "hard_abort", list[1].Text(record.Command), "behind the start")
		require.Equal(t, "comment", list[2].Text(record.Command))
	})
}
