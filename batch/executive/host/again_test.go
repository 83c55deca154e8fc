// A batch whose process was lost: it comes up again where it was, Held, with what it was bound to, whoever else is there.

package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
)

// cut lets the runner go on in a copy of its directory as it is on the disk now: what a process that dies leaves.
func (s *site) cut() {
	s.t.Helper()
	was := s.dir
	copied := filepath.Join(s.t.TempDir(), "again")
	require.NoError(s.t, os.CopyFS(copied, os.DirFS(was)))
	s.quit()
	<-s.ended
	s.dir = copied
}

func TestABatchThatWasLostComesUpHeldWithWhatItWasBoundTo(t *testing.T) {
	for _, stays := range []uint64{0, 1} { // what the output was left at: that of a runner that is lost, or as it was
		comesUpHeld(t, stays)
	}
}

func comesUpHeld(t *testing.T, stays uint64) {
	inBubble(t, func(s *site) {
		s.manager()
		stop := s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() != 0 })
		time.Sleep(2 * time.Second)
		s.cut()
		stop() // nobody binds it now
		s.board = &board{out: stays}
		s.order.Warm, s.order.WarmBy, s.order.WarmRole, s.order.Reason = true, "op2", "operator", "seen to"
		s.begin()
		b := s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Equal(t, api.Active, b.Life)
		require.Equal(t, uint64(3), b.Model)
		require.Equal(t, []string{"LINE_1"}, b.Equipment)
		require.Zero(t, s.board.output())
		require.Zero(t, s.board.opened, "no output was driven away from safe before the batch was held")
		status, words := s.tell("restart")
		require.Zero(t, status, words)
		b = s.until(func(b api.Batch) bool { return len(b.Prompts) > 0 })
		s.post("answers", &api.PromptAnswer{Prompt: b.Prompts[0].ID, Value: "ok"})
		require.Equal(t, "Complete", s.lives(api.Ended).State)
		require.NotEmpty(t, s.records("evidence/journal", record.KindRecovery))
		s.removed()
	})
}

func TestABatchThatWasLostWhileReadyIsReadyAgain(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.cut()
		s.order.Warm = true
		s.begin()
		require.Equal(t, "Idle", s.lives(api.Ready).State)
		s.removed()
	})
}

func TestABatchThatWasLostAfterItsEndHasEnded(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() != 0 })
		s.tell("abort")
		b := s.lives(api.Ended)
		s.cut()
		s.order.Warm = true
		s.begin()
		again := s.lives(api.Ended)
		require.Equal(t, "Aborted", again.State)
		require.Equal(t, b.Link, again.Link)
		require.Equal(t, b.Records, again.Records)
		require.Empty(t, again.Reason)
		s.removed()
	})
}
