// The claims of a plant's state: it goes on exactly, and what is no state is refused.

package sim

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// playOn is play in steps of 100 ms, with the plant replaced by its own copy every so many steps.
func playOn(t *testing.T, seed uint64, every int64) string {
	t.Helper()
	var out strings.Builder
	emit := func(r tag.Raw) { fmt.Fprintf(&out, "%d %s %s %x %s\n", r.At, r.Channel, r.Form, r.Bits, r.Quality) }
	p, next := NewPlant(seed), 0
	const step = 100 * ms
	for i := int64(0); i*step <= 60*second; i++ {
		now := epoch + i*step
		for ; next < len(story) && epoch+story[next].at <= now; next++ {
			p.Advance(epoch+story[next].at, emit)
			story[next].do(t, p)
		}
		p.Advance(now, emit)
		if i%every == 0 {
			state := p.Snapshot()
			p = NewPlant(seed)
			require.NoError(t, p.Restore(state, now), "seed %d, at %d", seed, now)
			require.Equal(t, string(state), string(p.Snapshot()))
		}
	}
	return out.String()
}

func TestAPlantThatIsRestoredGoesOnExactly(t *testing.T) {
	for seed := range uint64(5) {
		want := digest(play(t, seed, second, 60*second, true))
		for _, every := range []int64{1, 7, 250} {
			require.Equal(t, want, digest(playOn(t, seed, every)), "seed %d, every %d", seed, every)
		}
	}
}

func TestNoTimePassesForAPlantBetweenItsStates(t *testing.T) {
	for _, begin := range []int64{0, 3, 1000 * second} {
		r := newRig(t, 4)
		r.fault("slow do/8 300ms 9s")
		for _, ch := range []string{"do/1", "do/6", "do/8"} {
			r.write(ch, 1)
		}
		r.run(103 * ms)
		state := r.p.Snapshot()
		var got []tag.Raw
		p := NewPlant(4)
		require.NoError(t, p.Restore(state, begin))
		p.Advance(begin+20*second, func(raw tag.Raw) {
			raw.At += r.now - begin
			got = append(got, raw)
		})
		was := len(r.raws)
		r.run(20 * second)
		require.Equal(t, r.raws[was:], got, "begin %d", begin)
		require.Equal(t, r.p.Delivered(0), p.Delivered(0))
	}
}

func TestAPlantAndItsCopyGoOnAlikeAndApart(t *testing.T) {
	r := newRig(t, 4)
	r.fault("slow do/8 300ms 9s")
	for _, ch := range []string{"do/1", "do/6", "do/8"} {
		r.write(ch, 1)
	}
	r.run(103 * ms)
	var got []tag.Raw
	c, state := r.p.Clone(), r.p.Snapshot()
	require.Equal(t, string(state), string(c.Snapshot()))
	c.Advance(r.now+20*second, func(raw tag.Raw) { got = append(got, raw) })
	require.Equal(t, string(state), string(r.p.Snapshot()), "what befalls the copy does not befall the plant")
	was := len(r.raws)
	r.run(20 * second)
	require.Equal(t, r.raws[was:], got)
	require.Equal(t, string(r.p.Snapshot()), string(c.Snapshot()))
}

func TestAStateThatDoesNotFitIsRefusedAndChangesNothing(t *testing.T) {
	r := newRig(t, 2)
	r.write("do/1", 1)
	r.fault("leak B 3s")
	r.run(second)
	state := r.p.Snapshot()
	other := func(change func(im *image)) []byte {
		im, err := unseal(state)
		require.NoError(t, err)
		change(im)
		return seal(im)
	}
	flipped := bytes.Clone(state)
	flipped[len(flipped)/2] ^= 1
	for want, bad := range map[string][]byte{
		"belongs to a plant of seed 3":        NewPlant(3).Snapshot(),
		"damaged":                             flipped,
		"does not begin with":                 nil,
		"want at most":                        append(bytes.Clone(state), make([]byte, MaxState)...),
		"its digest":                          state[:len(state)-1],
		"contact 1 has edges 1 to 9":          other(func(im *image) { im.Contacts[0].To = 9 }),
		"what is queued for 5 is none":        other(func(im *image) { im.Queue = []queued{{At: 5, Out: 9}} }),
		"output 2 is out of its range":        other(func(im *image) { im.Out[1] = -1 }),
		"a valve or the agitator is at 601":   other(func(im *image) { im.Valve[3] = 601 }),
		"time -9000000000000000000 is out of": other(func(im *image) { im.Origin = -9e18 }),
		"mass -1 is out of range":             other(func(im *image) { im.Recent[1][3] = -1 }),
		"step 7 is not that of its time":      other(func(im *image) { im.Step = 7 }),
		"temperature, queue or faults":        other(func(im *image) { im.Temp = 1 << 60 }),
		"no such kind":                        other(func(im *image) { im.Faults[0].Kind = 99 }),
	} {
		p := NewPlant(2)
		before := p.Snapshot()
		err := p.Restore(bad, 1)
		require.ErrorIs(t, err, ErrState)
		require.ErrorContains(t, err, want)
		require.Equal(t, before, p.Snapshot())
	}
	require.ErrorContains(t, r.p.Restore(state, 1), "used already")
	faulty := NewPlant(2)
	require.NoError(t, faulty.Fault(Fault{Kind: Frozen, At: 1, For: time.Second}))
	require.ErrorContains(t, faulty.Restore(state, 1), "used already", "its faults would be lost")
	require.NoError(t, faulty.Fault(Fault{Kind: Frozen, At: 1<<63 - 1, For: time.Hour}))
	require.NoError(t, NewPlant(2).Restore(faulty.Snapshot(), 1), "a fault that begins in centuries is no fault of the state")
	require.ErrorContains(t, NewPlant(2).Restore(state, -1), "time -1")
}

func TestReadShowsWhatTheDeviceShowsNow(t *testing.T) {
	r := newRig(t, 1)
	r.write("do/1", 1)
	r.run(2345 * ms)
	for ch := range channels {
		raw, ok := r.p.Read(channels[ch].name)
		require.True(t, ok)
		require.Equal(t, tag.Raw{Channel: channels[ch].name, Form: channels[ch].form, Bits: r.p.read(ch), Quality: tag.Good, At: r.now}, raw)
	}
	_, ok := r.p.Read("do/99")
	require.False(t, ok)
	r.fault("silent ctr/1 1s")
	r.fault("stuck tot/1 1s")
	r.fault("bad ai/1 1s")
	stuck := r.last("tot/1").Bits
	r.run(500 * ms)
	_, ok = r.p.Read("ctr/1")
	require.False(t, ok)
	raw, _ := r.p.Read("tot/1")
	require.Equal(t, stuck, raw.Bits)
	raw, _ = r.p.Read("ai/1")
	require.Equal(t, tag.Bad, raw.Quality)
	r.p.PowerCut(r.now)
	r.run(0)
	_, ok = r.p.Read("ctr/2")
	require.False(t, ok)
	require.False(t, r.p.Awake())
	r.p.Boot(r.now)
	r.run(0)
	require.True(t, r.p.Awake())
	r.fault("frozen 1s")
	r.run(second)
	require.False(t, r.p.Awake())
	r.run(ms)
	require.True(t, r.p.Awake())
}

func FuzzRestore(f *testing.F) {
	p := NewPlant(1)
	p.Advance(1, nil)
	_, body, _ := bytes.Cut(p.Snapshot(), []byte("\n"))
	f.Add(body)
	f.Add(bytes.Replace(body, []byte(`"Queue":[]`), []byte(`"Queue":[{"At":9,"What":2,"Out":3,"V":1}]`), 1))
	f.Fuzz(func(t *testing.T, body []byte) {
		im, err := unseal(sealed(body))
		if err != nil {
			return
		}
		p := NewPlant(im.Seed)
		require.NoError(t, p.Restore(sealed(body), 5))
		p.Advance(5+second, func(tag.Raw) {})
		_, err = unseal(p.Snapshot())
		require.NoError(t, err)
	})
}

func TestAWriteThatIsUnderWayWhenTheControllerComesUpAnewNeverArrives(t *testing.T) {
	r := newRig(t, 1)
	r.write("do/4", 1)
	r.run(second)
	require.EqualValues(t, 1, r.p.Output("do/4"))
	r.write("do/4", 0)
	r.write("do/3", 1)
	r.p.Boot(r.now + 1)
	r.run(5 * second)
	require.EqualValues(t, 1, r.p.Output("do/4"))
	require.Zero(t, r.p.Output("do/3"))
	r.write("do/3", 1)
	r.run(second)
	require.EqualValues(t, 1, r.p.Output("do/3"), "one of its new life does")
}
