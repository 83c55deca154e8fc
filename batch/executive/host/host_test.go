// The life of a batch in its runner: loaded or not, started, ended, removed, and what is refused meanwhile.

package host

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

func TestABatchIsLoadedStartedAnsweredAndRemoved(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		b := s.lives(api.Ready)
		require.Equal(t, "Idle", b.State)
		require.Equal(t, "UNIT-1", b.Unit)
		require.Contains(t, b.Commands, "start")
		require.NotContains(t, b.Commands, "hold")
		require.Empty(t, s.office.heard(), "a batch that is Ready has asked for nothing")

		status, words := s.tell("start")
		require.Zero(t, status, words)
		b = s.until(func(b api.Batch) bool { return len(b.Equipment) > 0 })
		require.Equal(t, api.Active, b.Life)
		require.Equal(t, []string{"LINE_1"}, b.Equipment)
		require.Equal(t, []string{"grant [CELL-LINE-1] 1"}, s.board.said())
		status, words = s.post("removal", &api.Removal{})
		require.Equal(t, 409, status)
		require.Contains(t, words, "abort it first")

		b = s.until(func(b api.Batch) bool { return len(b.Prompts) > 0 })
		require.Equal(t, "is it full", b.Prompts[0].Text)
		require.Empty(t, b.Equipment)
		require.Equal(t, []string{"ASK: answer 2"}, b.Steps)
		status, words = s.post("answers", &api.PromptAnswer{Prompt: b.Prompts[0].ID, Value: "ok"})
		require.Zero(t, status, words)
		b = s.lives(api.Ended)
		require.Equal(t, "Complete", b.State)
		require.NotEmpty(t, b.Link)
		require.Empty(t, b.Reason)
		require.Equal(t, []string{"claim 1 CHARGE.uses [CELL-LINE-1]", "release 1 CHARGE.uses"}, s.office.heard())
		require.Equal(t, []string{"grant [CELL-LINE-1] 1", "release [CELL-LINE-1]"}, s.board.said())
		require.True(t, evidence.Sealed(b.Package))
		s.removed()
		require.Equal(t, "goodbye", s.board.said()[2])
		life := s.records("ledger", record.KindBatchLife)
		require.Len(t, life, 2)
		require.Equal(t, []string{"refused", "accepted"}, []string{life[0].Text(record.Result), life[1].Text(record.Result)})
	})
}

func TestABatchThatCannotBeLoadedSaysWhyUntilItIsRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		with func(s *site)
		why  string
	}{
		"nobody binds it":              {func(*site) {}, "the runtime server does not answer"},
		"it is refused":                {func(s *site) { s.runtime(); s.bound = nil }, "there is no such recipe"},
		"a name leads out":             {func(s *site) { s.runtime(); s.bound.Files["../../x"] = nil }, "leads out of the directory"},
		"the recipe is wrong":          {func(s *site) { s.runtime(); s.replace("recipe.yaml", "XV1", "XV9") }, "XV9"},
		"the size is":                  {func(s *site) { s.runtime(); s.order.Size = "99 kg" }, "size 99 kg"},
		"nobody answers for approvals": {func(s *site) { s.runtime(); s.bound.Unapproved = false }, "Options.Release"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *site) {
				c.with(s)
				s.begin()
				b := s.lives(api.LoadFailed)
				require.Contains(t, b.Reason, c.why)
				require.Empty(t, b.Commands)
				require.False(t, exists(filepath.Join(s.dir, "x")))
				status, words := s.tell("start")
				require.NotZero(t, status)
				require.NotEmpty(t, words)
				// Where no rights were loaded only the manager can remove it: in this process everybody is the process of the manager.
				s.manager()
				status, words = s.post("removal", &api.Removal{Order: api.Order{Operator: "op1", Role: "operator"}})
				require.Zero(t, status, words)
				<-s.ended
				require.NoError(t, s.err)
				require.NotEmpty(t, s.records("ledger", record.KindBatchLife, record.KindAccessRefused))
			})
		})
	}
}

func TestABatchThatWasNeverStartedIsRemoved(t *testing.T) {
	inBubble(t, func(s *site) {
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		status, words := s.tell("hold")
		require.Equal(t, 409, status, words)
		require.Contains(t, words, "not legal in this state; it is ")
		require.Contains(t, words, ", and takes ")
		s.removed()
		require.Len(t, s.records("evidence/journal", record.KindCommandResult), 1, "what is illegal in its state is in the journal of the batch")
		require.Zero(t, s.board.opened)
		_, err := s.net.Dial(s.order.Batch).Far(s.ctx)
		require.Error(t, err, "nobody listens any more")
	})
}

func TestABatchWhoseProcessIsToldToStopIsAbortedAndMadeSafe(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() != 0 })
		s.quit()
		<-s.ended
		require.Error(t, s.err)
		require.Zero(t, s.board.output())
		end := s.records("evidence/journal", record.KindBatchEnd)
		require.Len(t, end, 1)
		require.Equal(t, "Aborted", end[0].Text(record.BatchState))
	})
}

func TestAManagerThatIsGoneKeepsABatchFromNewEquipmentOnly(t *testing.T) {
	inBubble(t, func(s *site) {
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		b := s.until(func(b api.Batch) bool { return len(b.Steps) > 0 })
		time.Sleep(time.Second)
		require.Equal(t, api.Active, b.Life)
		queued := s.records("evidence/journal", record.KindResourceQueue)
		require.NotEmpty(t, queued)
		require.Equal(t, noManager, queued[0].Text(record.ResourceOwner))
		stop := s.manager()
		s.until(func(b api.Batch) bool { return len(b.Equipment) > 0 })
		stop() // what it has it keeps, and what it gives back waits
		b = s.until(func(b api.Batch) bool { return len(b.Prompts) > 0 })
		time.Sleep(time.Second)
		require.Equal(t, "release [CELL-LINE-1]", s.board.said()[1])
		s.post("answers", &api.PromptAnswer{Prompt: b.Prompts[0].ID, Value: "ok"})
		time.Sleep(time.Second)
		s.manager()
		s.lives(api.Ended)
		require.Contains(t, s.office.heard(), "release 1 CHARGE.uses")
		s.removed()
	})
}
