// The claims of several ports as one.

package runner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// half is a port of one channel, and of another that is not its.
type half struct {
	channel string
	lost    chan error
	written []tag.Write
}

func (h *half) Watch(ctx context.Context, emit func(tag.Raw)) error {
	emit(tag.Raw{Channel: h.channel, Quality: tag.Good})
	emit(tag.Raw{Channel: "shared", Quality: tag.Good, Form: tag.Int, Bits: uint64(len(h.channel))})
	select {
	case <-ctx.Done():
		return nil
	case err := <-h.lost:
		return err
	}
}

func (h *half) Write(_ context.Context, w tag.Write) error {
	h.written = append(h.written, w)
	return nil
}

// halves joins a port of do/1 and one of meter, which has the channel "shared" too.
func halves(t *testing.T) (board, bus *half, whole tag.Port) {
	board, bus = &half{channel: "do/1", lost: make(chan error)}, &half{channel: "meter", lost: make(chan error)}
	whole, err := runner.Join(runner.Part{Name: "board", Port: board, Channels: []string{"do/1"}},
		runner.Part{Name: "bus", Port: bus, Channels: []string{"meter", "shared"}})
	require.NoError(t, err)
	return board, bus, whole
}

func TestPortsThatAreJoinedAreOneAndAWriteGoesToItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, bus, whole := halves(t)
		ctx, cancel := context.WithCancel(t.Context())
		said, done := map[string]int{}, make(chan error)
		go func() { done <- whole.Watch(ctx, func(r tag.Raw) { said[fmt.Sprint(r.Channel, r.Bits)]++ }) }()
		synctest.Wait()
		require.NoError(t, whole.Write(ctx, tag.Write{ID: 7, Channel: "meter"}))
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, map[string]int{"do/10": 1, "meter0": 1, "shared5": 1}, said, "a channel has one source")
		require.Empty(t, board.written)
		require.Len(t, bus.written, 1)
		require.EqualError(t, whole.Write(ctx, tag.Write{Channel: "di/9"}), `runner: join: no port has channel "di/9"`)
	})
}

func TestAJoinIsLostWithAnyOfItsPortsAndSaysWhich(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, bus, whole := halves(t)
		done := make(chan error)
		go func() { done <- whole.Watch(t.Context(), func(tag.Raw) {}) }()
		bus.lost <- errors.New("cable cut")
		require.EqualError(t, <-done, `runner: join: port "bus" is lost: cable cut`)
		go func() { done <- whole.Watch(t.Context(), func(tag.Raw) {}) }()
		bus.lost <- nil
		require.EqualError(t, <-done, `runner: join: port "bus" is lost: its Watch has returned`)
	})
}

func TestAPartThatPanicsIsLost(t *testing.T) {
	whole, err := runner.Join(runner.Part{Name: "odd", Port: panics{}, Channels: []string{"x"}})
	require.NoError(t, err)
	require.EqualError(t, whole.Watch(t.Context(), func(tag.Raw) {}), `runner: join: port "odd" is lost: panic: broken`)
}

// panics is a port that is broken.
type panics struct{ tag.Port }

func (panics) Watch(context.Context, func(tag.Raw)) error { panic("broken") }

func TestWhatCannotBeJoinedIsRefusedAtOnce(t *testing.T) {
	_, err := runner.Join()
	require.ErrorContains(t, err, "0 ports: 1 to 64 are wanted")
	h := &half{}
	_, err = runner.Join(runner.Part{Name: "a", Port: h, Channels: []string{"x"}}, runner.Part{Name: "b", Channels: []string{"y"}},
		runner.Part{Name: "c", Port: h, Channels: []string{"x"}})
	require.ErrorContains(t, err, `part 2, "b": a port and its channels are wanted`)
	require.ErrorContains(t, err, `channel "x" is one of "a" and one of "c"; a channel has one port`)
}
