// Equipment that a person takes from a batch that lives.

package host

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

const takenWhy = "CELL-LINE-1 was taken from it by anna: stuck"

// took has the manager take equipment from the batch; the port refuses what is driven of it from then on.
func (s *site) took(equipment ...string) {
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.tell(api.Ruling{Kind: "refused", ID: 1, Equipment: equipment, Reason: takenWhy})
}

func TestABatchWhoseEquipmentAPersonTakesIsHeldWithoutItAndIsAbortedAndRemovedAsAnyOther(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() != 0 })
		s.took("CELL-LINE-1")
		b := s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Empty(t, b.Equipment)
		require.Contains(t, b.Reason, takenWhy)
		require.Equal(t, []string{"grant [CELL-LINE-1] 1", "release [CELL-LINE-1]"}, s.board.said())
		status, words := s.tell("restart")
		require.Equal(t, 409, status)
		require.Contains(t, words, "was taken from it")
		status, words = s.tell("abort")
		require.Zero(t, status, words)
		b = s.lives(api.Ended)
		require.Equal(t, "Aborted", b.State)
		require.Equal(t, uint64(1), s.board.output(), "who has it now drives it")
		s.removed()
		require.Equal(t, "goodbye", s.board.said()[2])
		require.Equal(t, "ended", s.records("evidence/journal", record.KindResourceRefused)[0].Text(record.Result))
	})
}

func TestOfASetOfWhichAPieceIsTakenTheBatchKeepsTheRest(t *testing.T) {
	inBubble(t, func(s *site) {
		s.replace("maps/map.yaml", "between_batches: true}]", "between_batches: true}, {resource_id: LINE_2, equipment_id: CELL-LINE-2, between_batches: true}]")
		s.replace("recipe.yaml", "uses: [LINE_1]", "uses: [LINE_1, LINE_2]")
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() != 0 })
		s.took("CELL-LINE-1")
		b := s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Equal(t, []string{"LINE_2"}, b.Equipment)
		s.office.mu.Lock()
		s.office.tell(api.Ruling{Kind: "granted", ID: 1, Equipment: []string{"CELL-LINE-2"}, Token: 7})
		s.office.mu.Unlock()
		synctest.Wait()
		require.Equal(t, []string{"grant [CELL-LINE-1 CELL-LINE-2] 1", "release [CELL-LINE-1]", "grant [CELL-LINE-2] 7"}, s.board.said())
		s.took("CELL-LINE-2")
		time.Sleep(time.Second)
		require.Empty(t, s.batch().Equipment)
		s.tell("abort")
		s.lives(api.Ended)
		s.removed()
	})
}

func TestWhatWasTakenWhileTheRunnerDidNotHearIsGoneWhenItHearsAgain(t *testing.T) {
	inBubble(t, func(s *site) {
		stop := s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() != 0 })
		stop()
		s.office.mu.Lock()
		s.office.ruled, s.office.over = nil, takenWhy
		s.office.mu.Unlock()
		s.manager()
		b := s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Empty(t, b.Equipment)
		s.tell("abort")
		s.lives(api.Ended)
		s.removed()
	})
}
