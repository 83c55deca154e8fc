// Witnesses are believed as far as they can be right.

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/store"
)

func TestAWitnessWhoGivesWhatAnotherHasIsNotBelieved(t *testing.T) {
	type said struct {
		seq       uint64
		word      string
		batch     string
		equipment []string
		token     uint64
	}
	for name, tt := range map[string]struct {
		says []said
		want string
	}{
		"one after the other": {[]said{{1, "granted", "n1.A", []string{"S901"}, 1}, {2, "released", "n1.A", []string{"S901"}, 1}, {3, "granted", "n2.B", []string{"S901"}, 2}}, ""},
		"raised":              {[]said{{1, "granted", "n1.A", []string{"S901"}, 1}, {2, "granted", "n1.A", []string{"S901"}, 2}}, ""},
		"said again":          {[]said{{1, "granted", "n1.A", []string{"S901"}, 1}, {2, "granted", "n1.A", []string{"S901"}, 1}}, ""},
		"taken":               {[]said{{1, "granted", "n1.A", []string{"S901"}, 1}, {2, "taken", "n1.A", []string{"S901"}, 2}, {3, "granted", "n2.B", []string{"S901"}, 3}}, ""},
		"two owners":          {[]said{{1, "granted", "n1.A", []string{"S901"}, 1}, {3, "granted", "n2.B", []string{"S902", "S901"}, 2}}, "S901 is given to n2.B while n1.A has it"},
		"one token for two":   {[]said{{1, "granted", "n1.A", []string{"S901"}, 1}, {3, "granted", "n2.B", []string{"S901"}, 1}}, "was given to n1.A"},
		"backwards":           {[]said{{1, "granted", "n1.A", []string{"S901"}, 7}, {3, "granted", "n1.A", []string{"S902"}, 6}}, "token 6 is given behind token 7"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := newWitness("x"), error(nil)
			for _, s := range tt.says {
				if err = w.says(s.seq, s.word, s.batch, s.equipment, s.token); err != nil {
					break
				}
			}
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestALedgerThatSaysSomethingElseThanTheLogIsFound(t *testing.T) {
	log := newWitness("the log")
	require.NoError(t, log.says(1, "granted", "n1.A", []string{"S901"}, 1))
	require.NoError(t, log.says(2, "granted", "n2.B", []string{"S902"}, 2))
	same := newWitness("a ledger")
	require.NoError(t, same.says(1, "granted", "n1.A", []string{"S901"}, 1))
	require.ErrorContains(t, same.agree(log), "token 2", "it lacks one")
	require.NoError(t, same.says(2, "granted", "n2.B", []string{"S902"}, 2))
	require.NoError(t, same.agree(log))
	require.NoError(t, same.says(3, "granted", "n3.C", []string{"R301"}, 3))
	require.ErrorContains(t, same.agree(log), "the log has not")
}

func TestALogIsFoldedAnew(t *testing.T) {
	log, ctx := store.NewMemory(), t.Context()
	for i, op := range []arbiter.Op{
		{Kind: arbiter.Stock, Equipment: []string{"S901"}, Owners: 1},
		{Kind: arbiter.Request, Batch: "n1.A", ID: 1, Step: "WASH", Equipment: []string{"S901"}},
		{Kind: arbiter.Request, Batch: "n2.B", ID: 1, Step: "WASH", Equipment: []string{"S901"}},
		{Kind: arbiter.Release, Batch: "n1.A", ID: 1, Step: "WASH"},
	} {
		line, err := op.Append(nil)
		require.NoError(t, err)
		require.NoError(t, log.Append(ctx, uint64(i+1), line))
	}
	w, err := witnessLog(ctx, log)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"S901": "n2.B"}, w.owner)
	require.Len(t, w.tokens, 2)
}

func TestTheModelOfEachNodeIsOne(t *testing.T) {
	for _, node := range nodeNames(mostNodes) {
		data, err := modelOf(node)
		require.NoError(t, err)
		_, err = equipment.Parse("equipment.yaml", data)
		require.NoError(t, err, "%s", data)
	}
}
