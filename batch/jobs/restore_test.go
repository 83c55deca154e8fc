// A snapshot is read whole or not at all, and a list made of one that was tampered with is not brought down.

package jobs

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/timebase"
)

// tokens are the values of a snapshot that may be tampered with.
var tokens = regexp.MustCompile(`:(-?[0-9]+|true|false|"[^"]*")`)

// tampered changes one value of a snapshot.
func tampered(r *rand.Rand, src []byte) []byte {
	at := tokens.FindAllSubmatchIndex(src, -1)
	if len(at) == 0 {
		return nil
	}
	m := at[r.IntN(len(at))]
	old := string(src[m[2]:m[3]])
	fresh := old
	switch n, err := strconv.ParseInt(old, 10, 64); {
	case err == nil:
		fresh = strconv.FormatInt([]int64{n + 1, n - 1, 0, 1, 2, 999, 1010, 1999, 1 << 62, -1}[r.IntN(10)], 10)
	case old == "true" || old == "false":
		fresh = "false"
	default:
		other := at[r.IntN(len(at))]
		fresh = string(src[other[2]:other[3]])
	}
	return append(append(append([]byte(nil), src[:m[2]]...), fresh...), src[m[3]:]...)
}

// snapshotOf is the snapshot of a list that was told anything.
func snapshotOf(t testing.TB, seed uint64, events int) []byte {
	c := newCrowd(t, seed)
	for range events {
		c.tell(c.anything())
	}
	return c.list.Snapshot(nil)
}

func TestASnapshotOfAnotherPrefixIsRefused(t *testing.T) {
	src := NewList("n1.").Snapshot(nil)
	for _, other := range []string{"", "n2."} {
		list := NewList(other)
		before := list.Snapshot(nil)
		require.ErrorIs(t, list.Restore(src), ErrSnapshot)
		require.Equal(t, before, list.Snapshot(nil))
	}
	require.NoError(t, NewList("n1.").Restore(src))
}

func TestWhereManyJobsAreCompletedAndTheirProcessesAreLeftNoneIsAdded(t *testing.T) {
	l := NewList("")
	add := &Event{Kind: Add, Orders: []Order{{Recipe: "A", Amount: 1}}}
	l.remains = make([]*job, MaxRemains-1)
	require.Equal(t, Listed, l.Step(timebase.Stamp{}, add, nil)[0].Kind)
	l.remains = make([]*job, MaxRemains)
	fx := l.Step(timebase.Stamp{}, add, nil)
	require.Len(t, fx, 1)
	require.Equal(t, Refused, fx[0].Kind)
	require.Contains(t, fx[0].Reason, "are left")
}

// survives tells a list that may be tampered with what comes to mind: it need not be right, but it comes back from each event.
func survives(t testing.TB, list *List, seed uint64) {
	c := newCrowd(t, seed)
	c.list = list
	for range 30 {
		ev := c.anything()
		if _, err := ev.Append(nil); err == nil {
			list.Step(timebase.Stamp{}, &ev, nil)
		}
	}
	list.Jobs()
	list.Slots()
	list.Processes()
	list.Snapshot(nil)
}

func TestATamperedSnapshotIsRefusedOrHarmless(t *testing.T) {
	taken := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 15))
		src := snapshotOf(t, seed, 60)
		for range 20 {
			bad := tampered(r, src)
			list := NewList("")
			if err := list.Restore(bad); err != nil {
				require.ErrorIs(t, err, ErrSnapshot)
				require.Equal(t, NewList(""), list, "after an error the list is as it was")
				continue
			}
			taken++
			func() {
				defer func() {
					if x := recover(); x != nil {
						t.Errorf("seed %d: %v\n%s", seed, x, bad)
						panic(x)
					}
				}()
				survives(t, list, seed)
			}()
		}
	}
	require.Positive(t, taken)
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("{}"))
	f.Add(NewList("n1.").Snapshot(nil))
	for seed := range uint64(4) {
		f.Add(snapshotOf(f, seed, 20))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		list := NewList("")
		if err := list.Restore(src); err != nil {
			require.ErrorIs(t, err, ErrSnapshot)
			return
		}
		require.Equal(t, string(src), string(list.Snapshot(nil)))
		survives(t, list, 1)
	})
}
