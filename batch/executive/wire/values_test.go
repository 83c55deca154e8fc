// Tests of what is shown of the board to those who only look.

package wire

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
)

func TestWhoLooksSeesEveryChannelAndThenWhatChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := &api.Memory{}
		r := newRig(t, n, nil)
		c := n.Dial(api.IO)
		defer c.Close()
		seen, told := map[string]api.Value{}, 0
		errEnough := errors.New("enough")
		watch := func(enough func() bool) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			require.ErrorIs(t, c.Events(ctx, "/v1/values", 5*time.Second, func(event, _ string, data []byte) error {
				if event == "value" {
					var v api.Value
					require.NoError(t, json.Unmarshal(data, &v))
					require.NoError(t, v.Check())
					seen[v.Channel] = v
					told++
				}
				if enough() {
					return errEnough
				}
				return nil
			}), errEnough)
		}
		watch(func() bool { return len(seen) >= len(all) })
		for _, channel := range all {
			require.Contains(t, seen, channel)
		}
		require.Equal(t, "0", seen["do/1"].Value)
		require.Equal(t, "GOOD", seen["do/1"].Quality)
		at, err := time.Parse(time.RFC3339Nano, seen["do/1"].At)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Hour)

		told = 0
		written := false
		watch(func() bool {
			if !written && told >= len(all) {
				written = true
				require.NoError(t, r.plant.Write(context.Background(), tag.Write{ID: 1, Channel: "do/1", Form: tag.Bool, Bits: 1}))
			}
			return seen["do/1"].Value == "1"
		})
		require.Equal(t, "GOOD", seen["do/1"].Quality)
		r.s.lose(errors.New("the bus is cut"))
		watch(func() bool { return seen["do/1"].Quality == "BAD" })
	})
}

func TestOnlySoManyLookAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := &api.Memory{}
		r := newRig(t, n, nil)
		c := n.Dial(api.IO)
		defer c.Close()
		for range maxLookers {
			r.s.lookers <- struct{}{}
		}
		err := c.Events(t.Context(), "/v1/values", time.Second, func(string, string, []byte) error { return nil })
		require.ErrorContains(t, err, "as many watch the values as may; end one of them")
		<-r.s.lookers
		errEnough := errors.New("enough")
		require.ErrorIs(t, c.Events(t.Context(), "/v1/values", time.Second, func(string, string, []byte) error { return errEnough }), errEnough)
	})
}

func TestAValueIsShownInDecimal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &api.Memory{}, nil)
		for _, c := range []struct {
			form tag.Form
			bits uint64
			want string
		}{
			{tag.Bool, 3, "1"}, {tag.Int, math.MaxUint64, "-1"}, {tag.Float32, uint64(math.Float32bits(0.1)), "0.1"},
			{tag.Float64, math.Float64bits(-2.5), "-2.5"}, {tag.Float64, math.Float64bits(math.NaN()), "NaN"},
		} {
			v := r.s.show(tag.Raw{Channel: "c", Form: c.form, Bits: c.bits, Quality: tag.Good, At: 1})
			require.Equal(t, c.want, v.Value)
			require.Equal(t, c.form.String(), v.Form)
			require.NoError(t, v.Check())
		}
	})
}
