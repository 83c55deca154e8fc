// What nodes have on record.

package arbiter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// mark has a node say how far it is.
func mark(b *arbiter.Book, node string, upto int64, given uint32) []arbiter.Effect {
	return b.Step(b.Next(), &arbiter.Op{Kind: arbiter.Mark, Batch: node, Place: upto, ID: given}, nil)
}

func TestAMarkOnlyGrowsAndIsNeverBeyondTheEndOfTheLog(t *testing.T) {
	b := arbiter.NewBook()
	b.Step(1, &arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"U1"}, Owners: 1}, nil)
	require.Empty(t, mark(b, "n2", 1, 0))
	require.Empty(t, mark(b, "n1", 2, 7))
	require.Empty(t, mark(b, "n1", 1, 3))
	fx := mark(b, "n1", int64(b.Next()), 0)
	require.Len(t, fx, 1)
	require.Equal(t, "operation 5 is not in the log, which ends with 4; mark what is there", fx[0].Reason)
	require.Equal(t, []arbiter.NodeMark{{Node: "n1", Seq: 2, Given: 7}, {Node: "n2", Seq: 1}}, b.Marks())
	require.Empty(t, mark(b, "n1", 5, 0))
	require.Equal(t, uint64(5), b.Marks()[0].Seq)
}

func TestAMarkNamesWhoHasSpokenForItsNodeLast(t *testing.T) {
	b := arbiter.NewBook()
	b.Step(1, &arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"U1"}, Owners: 1}, nil)
	says := func(life string) (known bool) {
		op := arbiter.Op{Kind: arbiter.Mark, Batch: "n1", Place: 1, Key: life}
		if _, known = b.Known(&op, nil); !known {
			require.Empty(t, b.Step(b.Next(), &op, nil))
		}
		return known
	}
	require.False(t, says("one"))
	require.True(t, says("one"))
	require.False(t, says("two"), "another one speaks, if only to say the same")
	require.True(t, says(""), "a mark of before there were lives")
	require.Equal(t, []arbiter.NodeMark{{Node: "n1", Seq: 1, Life: "two"}}, b.Marks())
	require.Equal(t, b.Marks(), restored(t, b).Marks())
}

func TestAPersonStrikesANodeOutAndItMayMarkAnew(t *testing.T) {
	b := arbiter.NewBook()
	b.Step(1, &arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"U1"}, Owners: 1}, nil)
	strike := arbiter.Op{Kind: arbiter.Mark, Batch: "n1", Retired: true, Actor: "AS", Reason: "burnt"}
	require.Contains(t, b.Step(b.Next(), &strike, nil)[0].Reason, "has no mark")
	mark(b, "n1", 1, 0)
	require.Empty(t, b.Step(b.Next(), &strike, nil))
	require.Empty(t, b.Marks())
	mark(b, "n1", 3, 0)
	require.Equal(t, []arbiter.NodeMark{{Node: "n1", Seq: 3}}, b.Marks())
	strike.Actor = ""
	_, err := strike.Append(nil)
	require.ErrorContains(t, err, "say which person strikes the node out")
}

func TestThereAreMarksOfSixtyFourNodesAtMost(t *testing.T) {
	b := arbiter.NewBook()
	b.Step(1, &arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"U1"}, Owners: 1}, nil)
	for i := range arbiter.MaxMarks {
		require.Empty(t, mark(b, fmt.Sprint("n", i), 1, 0))
	}
	require.Contains(t, mark(b, "another", 1, 0)[0].Reason, "strike one out")
	require.Len(t, b.Marks(), arbiter.MaxMarks)
	require.Empty(t, mark(b, "n5", 40, 0))
}

func TestMarksStandInTheWholeAndWhatIsNoMarkIsRefused(t *testing.T) {
	b := arbiter.NewBook()
	b.Step(1, &arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"U1"}, Owners: 1}, nil)
	require.NotContains(t, whole(t, b), "nodes", "a book without marks is written as before there were any")
	mark(b, "n1", 1, 4)
	mark(b, "n2", 2, 0)
	require.Equal(t, b.Marks(), restored(t, b).Marks())
	text := whole(t, b)
	for _, c := range [][2]string{{`"seq":1`, `"seq":0`}, {`"seq":2`, `"seq":4`}, {`"n2"`, `"n1"`}, {`"n1"`, `""`}} {
		require.Contains(t, text, c[0])
		op := arbiter.Op{Kind: arbiter.Whole, State: []byte(strings.Replace(text, c[0], c[1], 1))}
		fx := arbiter.NewBook().Step(4, &op, nil)
		require.Len(t, fx, 1, c[1])
		require.Contains(t, fx[0].Reason, "cannot be read", c[1])
	}
}
