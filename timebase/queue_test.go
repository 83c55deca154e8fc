// Claims about the queue of deadlines, held against a model that looks at every owner.

package timebase_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// model is a queue without cleverness: one deadline per owner, searched from end to end.
type model []int64

func (m model) next() (due int64, owner int) {
	due, owner = timebase.Never, -1
	for i, d := range m {
		if d < due {
			due, owner = d, i
		}
	}
	return due, owner
}

func TestAQueueDoesWhatTheModelDoes(t *testing.T) {
	const seed = 20260101
	r := rand.New(rand.NewPCG(seed, 1))
	for _, owners := range []int{1, 2, 3, 40} {
		q, m := timebase.NewQueue(owners), make(model, owners)
		for i := range m {
			m[i] = timebase.Never
		}
		for op := range 25_000 {
			owner := r.IntN(owners)
			switch r.IntN(6) {
			case 0:
				q.Clear(owner)
				m[owner] = timebase.Never
			case 1:
				q.Set(owner, timebase.Never)
				m[owner] = timebase.Never
			case 2: // what a machine does with a deadline that has come
				if _, first := q.Next(); first >= 0 {
					q.Clear(first)
					m[first] = timebase.Never
				}
			default: // few different times, so that most are shared; some below zero
				m[owner] = r.Int64N(20) - 5
				q.Set(owner, m[owner])
			}
			wantDue, wantOwner := m.next()
			due, first := q.Next()
			if due != wantDue || first != wantOwner || q.Due(owner) != m[owner] {
				require.Fail(t, "queue and model differ", "seed %d, %d owners, operation %d: next is %d of %d, want %d of %d",
					seed, owners, op, due, first, wantDue, wantOwner)
			}
		}
		for i := range m {
			require.Equal(t, m[i], q.Due(i))
		}
	}
}

func TestDeadlinesComeByTimeThenOwnerInWhateverOrderTheyWereSet(t *testing.T) {
	const seed, owners = 20260102, 60
	r := rand.New(rand.NewPCG(seed, 1))
	due := make([]int64, owners)
	want := make([]int, owners)
	for i := range due {
		due[i], want[i] = r.Int64N(8), i
	}
	slices.SortFunc(want, func(a, b int) int { return cmp.Or(cmp.Compare(due[a], due[b]), cmp.Compare(a, b)) })
	for range 200 {
		q := timebase.NewQueue(owners)
		for _, owner := range r.Perm(owners) {
			q.Set(owner, due[owner])
		}
		var got []int
		for at, owner := q.Next(); owner >= 0; at, owner = q.Next() {
			require.Equal(t, due[owner], at)
			got = append(got, owner)
			q.Clear(owner)
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}

func TestAnEmptyQueueIsNeverDue(t *testing.T) {
	for _, owners := range []int{0, 3} {
		due, owner := timebase.NewQueue(owners).Next()
		require.Equal(t, timebase.Never, due)
		require.Equal(t, -1, owner)
	}
	q := timebase.NewQueue(2)
	q.Clear(1)
	require.Equal(t, timebase.Never, q.Due(1))
	q.Set(1, 5)
	q.Set(1, timebase.Never)
	due, owner := q.Next()
	require.Equal(t, timebase.Never, due)
	require.Equal(t, -1, owner)
}

func TestAQueueDoesNotAllocate(t *testing.T) {
	const owners = 1000
	q := timebase.NewQueue(owners)
	at := int64(0)
	require.Zero(t, testing.AllocsPerRun(20, func() {
		for i := range owners {
			at = (at*7919 + 13) % 10_007
			q.Set(i, at)
		}
		for _, owner := q.Next(); owner >= 0; _, owner = q.Next() {
			q.Clear(owner)
		}
	}))
}

// BenchmarkQueue moves the earliest deadline on and another one about, which is what a step of a machine does. The time grows
// with the logarithm of what is pending.
func BenchmarkQueue(b *testing.B) {
	for _, pending := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("pending=%d", pending), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			q := timebase.NewQueue(pending)
			for i := range pending {
				q.Set(i, r.Int64N(1_000_000))
			}
			b.ReportAllocs()
			for b.Loop() {
				due, owner := q.Next()
				q.Set(owner, due+r.Int64N(1_000_000))
				q.Set(r.IntN(pending), due+r.Int64N(1_000_000))
			}
		})
	}
}
