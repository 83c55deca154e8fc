// By which number one occurrence of an OEM action is known, however often it is asked for.

package sequencer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/recipe"
)

func TestAnOEMActionKeepsItsFirstNumberUntilItHasEndedWell(t *testing.T) {
	w := &wired{}
	w.output("Y0", 0)
	r := newRig(w.procedure(&block{name: "P", kind: recipe.Repeat, atMost: 2, below: []*block{{name: "A", timeout: 3600 * second, retry: 1, todo: []todo{
		{Action: Action{Kind: recipe.Delay, For: second}}, {Action: Action{Kind: recipe.Request}}}}}}))
	var asked [][2]int64
	r.show = func(_ *Event, fx []Effect) {
		for _, e := range fx {
			if e.Kind == RequestAction {
				asked = append(asked, [2]int64{int64(e.ID), e.Old})
			}
		}
	}
	at := int64(0)
	take := func(list ...Event) {
		t.Helper()
		for _, ev := range list {
			at += 2 * second
			require.NoError(t, r.ticks(at))
			require.NoError(t, r.take(at, ev))
		}
	}
	restart := Event{Kind: Told, Command: Restart}
	take(Event{Kind: Boot}, Event{Kind: Done, ID: 1, OK: true}, Event{Kind: Told, Command: Start}, Event{Kind: Input})
	take(Event{Kind: Finished, ID: 1}, restart)                                                       // it fails
	take(Event{Kind: Told, Command: Hold}, restart, Event{Kind: Finished, ID: 2}, Event{Kind: Input}) // it is called off, and ends only when all goes on
	take(Event{Kind: Told, Command: Hold}, Event{Kind: Finished, ID: 3}, Event{Kind: Boot}, restart)  // the controller comes up while it is to be asked anew
	take(Event{Kind: Boot}, restart)                                                                  // and while it is under way
	require.Equal(t, [][2]int64{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}}, asked)
	take(Event{Kind: Finished, ID: 5, OK: true}, Event{Kind: Input})
	require.Equal(t, [2]int64{6, 6}, asked[5], "another round is another occurrence")
	at += 3600 * second
	require.NoError(t, r.ticks(at))
	take(Event{Kind: Finished, ID: 6}, Event{Kind: Input})
	require.Equal(t, [2]int64{7, 7}, asked[6], "and so is what comes behind a phase that begins anew")
	take(Event{Kind: Finished, ID: 7, OK: true})
	require.Len(t, asked, 7)
	require.Equal(t, Complete, r.m.State(0))
}
