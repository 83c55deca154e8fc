// The claims of a power-fail line: the state first, then each change once, and what the line is at last.

package hal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
)

// script is a line whose edges are told beforehand. After each it is at the level that stands beside it.
type script struct {
	level bool
	steps []step
	err   error
}

type step struct {
	edge  hal.Edge
	after bool
}

func (s *script) Get() (bool, error) { return s.level, nil }
func (s *script) Close() error       { return nil }
func (s *script) Watch(_ context.Context, emit func(hal.Edge)) error {
	for _, one := range s.steps {
		s.level = one.after
		emit(one.edge)
	}
	return s.err
}

func TestAPowerLineTellsTheStateFirstAndThenEachChangeOnce(t *testing.T) {
	for name, c := range map[string]struct {
		failsHigh, level bool
		steps            []step
		want             []hal.PowerEvent
	}{
		"nothing happens": {level: true, want: []hal.PowerEvent{{Mono: 100}}},
		"it fails already": {failsHigh: true, level: true,
			want: []hal.PowerEvent{{Mono: 100, Failing: true}}},
		"it fails and comes back": {level: true, steps: []step{{hal.Edge{Mono: 200}, false}, {hal.Edge{Mono: 300, High: true}, true}},
			want: []hal.PowerEvent{{Mono: 100}, {Mono: 200, Failing: true}, {Mono: 300}}},
		"edges of before are in the first": {level: true, steps: []step{{hal.Edge{Mono: 50}, true}, {hal.Edge{Mono: 60, High: true}, true}},
			want: []hal.PowerEvent{{Mono: 100}}},
		"an edge that comes while the state is read is told once": {level: false, steps: []step{{hal.Edge{Mono: 101}, false}},
			want: []hal.PowerEvent{{Mono: 100, Failing: true}}},
		"a dip whose end was merged": {level: true, steps: []step{{hal.Edge{Mono: 200}, true}},
			want: []hal.PowerEvent{{Mono: 100}, {Mono: 200, Failing: true}, {Mono: 100}}},
	} {
		p, err := hal.NewPowerLine(&script{level: c.level, steps: c.steps}, c.failsHigh, time.Millisecond, func() int64 { return 100 })
		require.NoError(t, err, name)
		var got []hal.PowerEvent
		require.NoError(t, p.Watch(t.Context(), func(e hal.PowerEvent) { got = append(got, e) }), name)
		require.Equal(t, c.want, got, name)
	}
}

func TestAPowerLineThatIsLostSaysSo(t *testing.T) {
	lost := errors.New("unplugged")
	p, err := hal.NewPowerLine(&script{err: lost}, false, time.Millisecond, func() int64 { return 1 })
	require.NoError(t, err)
	require.Equal(t, time.Millisecond, p.Holdup())
	require.ErrorIs(t, p.Watch(t.Context(), func(hal.PowerEvent) {}), lost)
	_, err = hal.NewPowerLine(&script{}, false, 0, func() int64 { return 1 })
	require.ErrorContains(t, err, "measure for how long")
	_, err = hal.NewPowerLine(nil, false, 1, nil)
	require.ErrorContains(t, err, "are needed")
}
