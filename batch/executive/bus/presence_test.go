// Tests of who is here: what renewals say, and silence.

package bus

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// tales gives nodes, and what is told of them.
func tales(t *testing.T) (*nodes, *[]string) {
	t.Helper()
	list := &[]string{}
	return newNodes("n1", "life-1", 30*time.Second, func(object, result, _ string) { *list = append(*list, object+" "+result) }), list
}

func says(t *testing.T, node string, batches ...api.NodeBatch) []byte {
	t.Helper()
	data, err := json.Marshal(&Presence{Node: node, Boot: "boot", Bridge: "life-" + node, Total: len(batches), Batches: batches})
	require.NoError(t, err)
	return data
}

// here lists who is here, and who is not as -NODE.
func here(n *nodes, at time.Time) (list []string) {
	all, _ := n.now(at)
	for _, v := range all.Nodes {
		if v.Here {
			list = append(list, v.Node)
		} else {
			list = append(list, "-"+v.Node)
		}
	}
	return list
}

func TestANodeIsHereForAsLongAsItRenews(t *testing.T) {
	n, told := tales(t)
	at := time.Now()
	require.Empty(t, here(n, at))
	for range 20 {
		n.take(at, "n2", says(t, "n2"), false)
		require.Equal(t, []string{"n2"}, here(n, at))
		at = at.Add(renewEach)
	}
	at = at.Add(-renewEach)
	require.Equal(t, []string{"n2"}, here(n, at.Add(30*time.Second-1)))
	require.Equal(t, []string{"-n2"}, here(n, at.Add(30*time.Second)))
	n.take(at.Add(time.Hour), "n2", says(t, "n2"), false)
	require.Equal(t, []string{"n2"}, here(n, at.Add(time.Hour)))
	n.gone("n2")
	n.gone("n3")
	require.Equal(t, []string{"-n2"}, here(n, at.Add(time.Hour)))
	require.Equal(t, []string{"node n2 here", "node n2 not here", "node n2 here", "node n2 not here"}, *told)
}

func TestAKeyThatLiesThereSaysNothingUntilItsNodeIsHeardOrSilentForTooLong(t *testing.T) {
	n, told := tales(t)
	at := time.Now()
	n.take(at, "n2", says(t, "n2"), true)
	n.take(at, "n3", says(t, "n3"), true)
	require.Empty(t, here(n, at))
	n.take(at.Add(4*time.Second), "n3", says(t, "n3"), false)
	n.take(at.Add(5*time.Second), "n3", says(t, "n3"), true) // found later, and no renewal
	require.Equal(t, []string{"n3"}, here(n, at.Add(29*time.Second)))
	require.Equal(t, []string{"-n2", "n3"}, here(n, at.Add(31*time.Second)))
	require.Equal(t, []string{"-n2", "-n3"}, here(n, at.Add(34*time.Second)))
	require.Equal(t, []string{"node n3 here", "node n2 not here", "node n3 not here"}, *told)
}

func TestAChangeIsTold(t *testing.T) {
	n, _ := tales(t)
	at, last := time.Now(), uint64(0)
	changed := func() bool {
		_, rev := n.now(at)
		is := rev != last
		last = rev
		return is
	}
	n.take(at, "n2", says(t, "n2"), false)
	require.True(t, changed())
	n.take(at, "n2", says(t, "n2"), false)
	require.False(t, changed())
	n.take(at, "n2", says(t, "n2", api.NodeBatch{ID: "n2.B-1", Life: api.Active}), false)
	require.True(t, changed())
	n.take(at, "n2", says(t, "n2", api.NodeBatch{ID: "n2.B-1", Life: api.Ended}), false)
	require.True(t, changed())
	at = at.Add(time.Minute)
	require.True(t, changed())
	require.False(t, changed())
}

func TestWhatIsSaidBadlyIsNotTaken(t *testing.T) {
	n, told := tales(t)
	for key, data := range map[string]string{
		"n2": `{`, "n3": `{"node":"n2","boot":"b","bridge":"x"}`, "n4": `{"node":"n4","batches":[{"batch_id":"../x"}]}`, "n.5": `{"node":"n.5"}`,
		"n6": `{"node":"n6","bridge":"` + string(make([]byte, maxPresence)) + `"}`, "n7": `{"node":"n7","total":-1}`,
	} {
		n.take(time.Now(), key, []byte(data), false)
	}
	require.Empty(t, here(n, time.Now()))
	require.Len(t, *told, 6)
}

func TestANodeIsNotListedForItselfAndHearsOfItsDouble(t *testing.T) {
	n, told := tales(t)
	n.take(time.Now(), "n1", []byte(`{"node":"n1","boot":"b","bridge":"life-1"}`), false)
	n.take(time.Now(), "n1", []byte(`{"node":"n1","boot":"b","bridge":"life-0"}`), true) // of our life before
	require.Empty(t, *told)
	n.take(time.Now(), "n1", []byte(`{"node":"n1","boot":"b","bridge":"life-2"}`), false)
	require.Equal(t, []string{"node n1 double"}, *told)
	require.Empty(t, here(n, time.Now()))
}

func TestNodesAreBounded(t *testing.T) {
	n, told := tales(t)
	at := time.Now()
	for i := range api.MaxNodes {
		n.take(at, fmt.Sprint("x", i), says(t, fmt.Sprint("x", i)), false)
	}
	n.take(at, "more", says(t, "more"), false)
	require.Len(t, here(n, at), api.MaxNodes)
	require.Contains(t, *told, "node more refused")
	n.gone("x5") // one that has gone makes room
	n.take(at, "more", says(t, "more"), false)
	require.Len(t, here(n, at), api.MaxNodes)
	require.Contains(t, here(n, at), "more")
	all, _ := n.now(at)
	require.NoError(t, all.Check())
}
