// A batch in virtual time: the same runner, in no time.

package host

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// model is the board, simulated.
type model struct {
	board
	now int64
}

func (m *model) Watch(context.Context, func(tag.Raw)) error { return nil }

func (m *model) Next() int64 {
	if m.now == 0 {
		return 1
	}
	return m.now + 100_000_000
}

func (m *model) Advance(now int64, emit func(tag.Raw)) {
	m.now = now
	emit(tag.Raw{Channel: "do/1", Form: tag.Bool, Bits: m.output(), Quality: tag.Good})
	emit(tag.Raw{Channel: "ai/1", Form: tag.Int, Bits: 7, Quality: tag.Good})
}

func (m *model) Apply(now int64, w tag.Write) (int64, error) {
	return now + 1_000_000, m.Write(context.Background(), w)
}

func TestABatchInVirtualTimeRunsByItself(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		m := &model{}
		s.opt.Clock, s.opt.Wall = nil, nil
		s.opt.Virtual = &runner.Virtual{}
		s.opt.Port = func(*batch.Batch) (tag.Port, error) { return m, nil }
		s.opt.Ask = func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "ok", "op1", "operator") }
		s.begin()
		b := s.lives(api.Ended)
		require.Equal(t, "Complete", b.State, b.Reason)
		require.Equal(t, []string{"claim 1 CHARGE.uses [CELL-LINE-1]", "release 1 CHARGE.uses"}, s.office.heard())
		require.Equal(t, 1, m.opened)
		require.NotEqual(t, timebase.Never, m.now)
		s.removed()
	})
}
