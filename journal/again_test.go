// Reading a journal whose files say something else each time.

package journal

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// changing shows one state of a journal after another, as if a Writer went on between them.
type changing struct {
	shelf
	states []shelf
	lists  *int
}

func (c changing) List(dir string) ([]string, error) {
	*c.lists++
	return c.now().List(dir)
}

func (c changing) Read(name string, most int, buf []byte) ([]byte, error) {
	return c.now().Read(name, most, buf)
}

func (c changing) now() shelf { return c.states[(*c.lists-1)%len(c.states)] }

func TestOnlyWhatIsFoundTheSameTwiceIsDamage(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	frames := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	ended := newShelf(segmentOf(testHeader(), slices.Concat(frames, endFrame(sum, 1, head))))
	misfit := newShelf(segmentOf(testHeader(), slices.Concat(frames, endFrame(sum, 2, head))))
	whole := newShelf(segmentOf(testHeader(), append(frames, group{bodies: []string{"two"}}.bytes(sum, 2, &head)...)))
	for name, c := range map[string]struct {
		states []shelf
		want   Outcome
		lists  int
	}{
		"whole at once":        {[]shelf{whole}, Clean, 1},
		"whole at last":        {[]shelf{ended, misfit, whole}, Clean, 3},
		"the same twice":       {[]shelf{misfit, ended, ended, whole}, Damaged, 3},
		"never the same twice": {[]shelf{ended, misfit}, Damaged, mostScans},
	} {
		for _, fn := range []func(uint64, []byte, Chain) error{nil, func(uint64, []byte, Chain) error { return nil }} {
			lists := 0
			rec, err := Scan("x", fn, &Options{Storage: changing{states: c.states, lists: &lists}})
			require.NoError(t, err)
			require.Equal(t, c.want, rec.Outcome, name)
			require.Equal(t, c.lists, lists, name)
		}
	}
}

func TestNoRecordIsDeliveredAgainThoughTheHeadWasLessBetween(t *testing.T) {
	var head Chain
	sum := saltSum(testSalt)
	one := group{bodies: []string{"one"}}.bytes(sum, 1, &head)
	first := head
	two := group{bodies: []string{"two"}}.bytes(sum, 2, &head)
	states := []shelf{
		newShelf(segmentOf(testHeader(), slices.Concat(one, two, endFrame(sum, 2, head)))),
		newShelf(segmentOf(testHeader(), slices.Concat(one, endFrame(sum, 1, first)))),
		newShelf(segmentOf(testHeader(), slices.Concat(one, two))),
	}
	lists := 0
	var got []uint64
	_, err := Scan("x", func(n uint64, _ []byte, _ Chain) error { got = append(got, n); return nil }, &Options{Storage: changing{states: states, lists: &lists}})
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2}, got)
}
