// Several boards: equipment and messages from node to node, and nodes that go and come.

package executive

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// readies makes a batch at a node.
func (b *node) readies(id string) {
	b.t.Helper()
	require.NoError(b.t, post(b.c, "/v1/batches", &api.Create{ID: id, Recipe: "R"}))
	b.is(b.c, id, api.Ready)
}

func TestBatchesOfThreeNodesGetEquipmentInTheOrderInWhichTheyAsked(t *testing.T) {
	inPlant(t, 3, func(all []*node) {
		n1, n2, n3 := all[0], all[1], all[2]
		ids := []string{"n1.A", "n2.A", "n3.A", "n2.B"}
		at := []*node{n1, n2, n3, n2}
		var heard []func() []api.Ruling
		for i, b := range at {
			b.readies(ids[i])
			heard = append(heard, b.hears(ids[i]))
		}
		for i, b := range at {
			b.asks(ids[i], 1, "U1")
		}
		for i, b := range at {
			time.Sleep(time.Second)
			require.Equal(t, ids[i], n1.owner(n1.c, "U1").Batch)
			require.Equal(t, n1.owner(n1.c, "U1"), n3.owner(n3.c, "U1"), "all nodes say the same")
			list := heard[i]()
			require.Equal(t, "granted 1", kinds(list)[len(list)-1])
			b.gives(ids[i], 1)
		}
		last := heard[3]()
		require.Equal(t, int64(3), last[0].Place)
		require.Equal(t, "n1.A", last[0].Owner)
		witnesses(t, all)
	})
}

func TestBatchesOfTwoNodesMeetAndOneThatIsLostIsWaitedForNoLonger(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		for i, b := range all {
			id := fmt.Sprintf("n%d.A", i+1)
			require.NoError(t, post(b.c, "/v1/batches", &api.Create{ID: id, Recipe: "R", Groups: map[string]string{"peer": "X"}}))
			b.is(b.c, id, api.Ready)
		}
		heard := n2.hears("n2.A")
		say := func(b *node, msg api.Message) {
			msg.Group = "X"
			require.NoError(t, post(b.c, "/v1/messages", &msg))
		}
		say(n2, api.Message{Batch: "n2.A", Do: "meet", Message: "m", Partners: 2, Key: "k1"})
		say(n1, api.Message{Batch: "n1.A", Do: "meet", Message: "m", Partners: 2, Key: "k1"})
		say(n1, api.Message{Batch: "n1.A", Do: "post", Message: "ready", Key: "k2"})
		say(n2, api.Message{Batch: "n2.A", Do: "take", Message: "ready", Key: "k2"})
		require.Equal(t, []string{"delivered 0k1", "delivered 0k2"}, kinds(heard()))
		say(n2, api.Message{Batch: "n2.A", Do: "take", Message: "more", Key: "k3"})
		n1.far.set(hangs)
		n1.fake("n1.A").stop()
		n1.is(n1.c, "n1.A", api.Lost)
		time.Sleep(time.Minute)
		require.Len(t, heard(), 2, "its manager cannot say so")
		n1.far.set(open)
		time.Sleep(20 * time.Second)
		list := heard()
		require.Equal(t, "unanswered 0k3", kinds(list)[2], "what was owed is said when the log is back")
		require.Equal(t, "n1.A: Lost", list[2].Reason)
	})
}

func TestANodeThatWasAwayHasOnRecordWhatTheOthersDidAndGoesOn(t *testing.T) {
	inPlant(t, 3, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n1.readies("n1.B")
		n2.readies("n2.A")
		n1.asks("n1.B", 1, "U3")
		n2.asks("n2.A", 1, "U1")
		n1.asks("n1.A", 1, "U1")
		heard := n2.hears("n2.A")
		n2.down()
		n1.gives("n1.B", 1)
		require.NoError(t, post(n1.c, "/v1/equipment/U1/release", &api.Order{Reason: "stuck"}))
		require.Equal(t, "n1.A", n1.owner(n1.c, "U1").Batch)
		n2.up()
		time.Sleep(time.Second)
		n2.is(n2.c, "n2.A", api.Ready)
		require.Equal(t, []string{"granted 1"}, kinds(heard()), "what it had was taken, and so it stands no more")
		n2.asks("n2.A", 3, "U1")
		n1.gives("n1.A", 1)
		list := heard()
		require.Equal(t, "granted 3", kinds(list)[len(list)-1])
		witnesses(t, all)
	})
}

func TestABatchIsCreatedOnlyUnderTheNameOfItsNode(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1 := all[0]
		for _, id := range []string{"A", "n2.A", "n1.", "n11.A"} {
			err := post(n1.c, "/v1/batches", &api.Create{ID: id, Recipe: "R"})
			require.Equal(t, http.StatusBadRequest, status(t, err), id)
			require.ErrorContains(t, err, "begin it with n1.")
		}
		var a api.Accepted
		for i := range 2 {
			require.NoError(t, n1.c.Call(n1.ctx, http.MethodPost, "/v1/batches", &api.Create{Recipe: "R"}, &a))
			require.Equal(t, fmt.Sprintf("n1.B-%04d", i+1), a.Batch)
		}
		for _, name := range []string{"n.1", "n:1", "-", strings.Repeat("n", 17), "é"} {
			_, err := New(t.TempDir(), n1.net, n1.far, n1.site, &Options{Node: name})
			require.ErrorContains(t, err, "has 1 to 16 letters", name)
		}
	})
}

func TestANodeFencesWhatLiesAtAnotherNodeThere(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n1.asks("n1.A", 1, "U1", "U2")
		n2.readies("n2.A")
		n2.asks("n2.A", 1, "U2")
		n1.fake("n1.A").stop()
		n1.is(n1.c, "n1.A", api.Lost)
		n2.mu.Lock()
		n2.ioDown = true
		n2.mu.Unlock()
		err := post(n1.c, "/v1/batches/n1.A/removal", &api.Removal{Force: true})
		require.ErrorContains(t, err, "the I/O process of node n2 does not confirm")
		time.Sleep(time.Minute)
		require.Equal(t, "n1.A", n2.owner(n2.c, "U2").Batch, "what is not confirmed goes to nobody")
		require.Len(t, n1.fences, 1, "what is confirmed is not asked for each second")
		require.Equal(t, n1.fences[0].Token, n2.owner(n2.c, "U2").Token, "and one fence is tried until it stands: tokens are not raised each second, in the log of all")
		n2.mu.Lock()
		n2.ioDown = false
		n2.mu.Unlock()
		n1.is(n1.c, "n1.A", api.Removed)
		time.Sleep(time.Second)
		require.Equal(t, "n2.A", n2.owner(n2.c, "U2").Batch)
		require.Equal(t, []string{"U2"}, n2.fences[0].Equipment)
		require.Equal(t, []string{"U1"}, n1.fences[0].Equipment)
		require.Greater(t, n2.owner(n2.c, "U2").Token, n2.fences[len(n2.fences)-1].Token)
	})
}

func TestAPersonTakesEquipmentFromABatchOfAnotherNodeAtEitherOfThem(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		heard := n1.hears("n1.A")
		n1.asks("n1.A", 1, "U1", "U2")
		for i, at := range []string{"U1", "U2"} { // at n2: one lies at the other node, and one here
			require.NoError(t, post(n2.c, "/v1/equipment/"+at+"/release", &api.Order{Reason: "stuck"}))
			require.Len(t, all[i].fences, 1)
			require.Equal(t, []string{at}, all[i].fences[0].Equipment)
			list := heard()
			require.Equal(t, "refused", list[len(list)-1].Kind)
			require.Contains(t, list[len(list)-1].Reason, at+" was taken from it")
		}
		witnesses(t, all)
	})
}

func TestABatchThatGotEquipmentMeanwhileIsNotFencedOff(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n1.readies("n1.B")
		n1.asks("n1.A", 1, "U1")
		n1.asks("n1.B", 1, "U1")
		n2.far.mu.Lock()
		n2.far.then = func() { n1.gives("n1.A", 1) }
		n2.far.mu.Unlock()
		err := post(n2.c, "/v1/equipment/U1/release", &api.Order{Reason: "stuck"})
		require.Equal(t, http.StatusConflict, status(t, err))
		require.ErrorContains(t, err, "it changed hands meanwhile")
		require.Empty(t, n1.fences)
		require.Equal(t, "n1.B", n1.owner(n1.c, "U1").Batch)
		witnesses(t, all)
	})
}

func TestTheIOProcessOfANodeIsToldTheFloorsOfWhatComesToLieThere(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n2.readies("n2.A")
		n2.asks("n2.A", 1, "U2")
		time.Sleep(time.Minute)
		require.Len(t, n1.floors, 1)
		n1.down()
		n1.mu.Lock()
		n1.model.Version++
		n1.model.Items[1].Node, n1.model.Items[1].Owners = "", 1
		for i := range api.MaxChannels {
			n1.model.Items = append(n1.model.Items, api.Equipment{ID: fmt.Sprint("V", i), Level: "unit", Owners: 1})
		}
		n1.mu.Unlock()
		n1.up()
		time.Sleep(time.Minute)
		n1.mu.Lock()
		defer n1.mu.Unlock()
		last := n1.floors[len(n1.floors)-2:]
		require.Equal(t, map[string]uint64{"U2": n2.owner(n2.c, "U2").Token}, last[0].Tokens)
		require.Equal(t, []bool{true, false}, []bool{last[0].More, last[1].More}, "it is not said that these are all before they are")
	})
}

func TestTheIOProcessOfANodeIsToldHowFarThePlantHasCounted(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n2.readies("n2.A")
		time.Sleep(10 * time.Second)
		n2.mu.Lock()
		n2.secret = 9 * tellAfter // its own I/O process has seen it
		n2.tokens = n2.secret
		n2.mu.Unlock()
		time.Sleep(time.Minute)
		n2.asks("n2.A", 1, "U1")
		token := n2.owner(n2.c, "U1").Token
		require.Greater(t, token, uint64(9*tellAfter))
		n1.mu.Lock()
		defer n1.mu.Unlock()
		told := slices.DeleteFunc(slices.Clone(n1.floors), func(f api.Floors) bool { return f.Token == 0 }) // when it came up, and when its model was known
		require.Len(t, told, 1)
		require.Equal(t, token-1, told[0].Token, "before that is given which its I/O process would take for invented")
	})
}

func TestTheIOProcessOfANodeIsToldTheFloorsOnceInEachOfItsLives(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n2.readies("n2.A")
		n2.asks("n2.A", 1, "U1", "U2")
		token := n2.owner(n2.c, "U1").Token
		time.Sleep(time.Minute)
		told := func() []api.Floors {
			n1.mu.Lock()
			defer n1.mu.Unlock()
			return n1.floors
		}
		require.Len(t, told(), 1, "nobody had anything when it began, and that is said, too")
		n1.far.set(fails)
		n1.mu.Lock()
		n1.boot, n1.tokens = "2", 0
		n1.mu.Unlock()
		time.Sleep(time.Minute)
		require.Len(t, told(), 1, "without the log it is not known what was given meanwhile")
		n1.far.set(open)
		time.Sleep(time.Minute)
		require.Len(t, told(), 2)
		require.Equal(t, map[string]uint64{"U1": token}, told()[1].Tokens, "what lies at another node is not its business")
		require.Empty(t, n1.fences)
	})
}

func TestBatchesOfANodeThatIsNotHereAreLostAndKeepWhatTheyHave(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n2.readies("n2.A")
		n2.asks("n2.A", 1, "U1")
		time.Sleep(time.Second)
		require.False(t, n1.owner(n1.c, "U1").Lost, "of a node that was never heard of nothing is said")
		for _, c := range []struct {
			here, lost bool
			life       api.Life
		}{{true, false, api.Active}, {false, true, api.Active}, {true, true, api.Lost}, {true, false, api.Active}} {
			require.NoError(t, post(n1.c, "/v1/nodes", &api.Nodes{Nodes: []api.Node{{Node: "n2", Here: c.here, Since: "now", Batches: []api.NodeBatch{{ID: "n2.A", Life: c.life}}}}}))
			h := n1.owner(n1.c, "U1")
			require.Equal(t, c.lost, h.Lost)
			require.Equal(t, "n2.A", h.Batch)
			list := n1.nodes()
			require.Equal(t, c.here, list.Nodes[0].Here)
			require.Positive(t, list.Nodes[0].Mark)
		}
	})
}

// trade has two nodes pass U1 to and fro.
func trade(a, b *node, times int) {
	for range times {
		a.trades++
		a.asks(a.name+".A", a.trades, "U1")
		b.asks(b.name+".A", a.trades, "U1")
		a.gives(a.name+".A", a.trades)
		b.gives(b.name+".A", a.trades)
	}
}

// first is the first operation that is in the log.
func first(b *node) (from uint64) {
	_ = b.far.Memory.Read(b.ctx, 1, func(seq uint64, _ []byte) error {
		from = seq
		return errFirst
	})
	return from
}

func TestTheLogIsKeptForANodeThatIsAwayUntilItIsStruckOut(t *testing.T) {
	inPlant(t, 3, func(all []*node) {
		n1, n2, n3 := all[0], all[1], all[2]
		for _, b := range all {
			b.down()
			b.whole = 20
			b.up()
		}
		n1.readies("n1.A")
		n2.readies("n2.A")
		trade(n1, n2, 20)
		time.Sleep(time.Minute)
		require.Greater(t, first(n1), uint64(40), "a node that is there and does nothing says how far it is, too")
		marks := 0
		require.NoError(t, n1.far.Memory.Read(t.Context(), 1, func(_ uint64, line []byte) error {
			if strings.HasPrefix(string(line), `{"op":"mark"`) {
				marks++
			}
			return nil
		}))
		require.LessOrEqual(t, marks, 6, "no more often than a trim is due")
		n3.down()
		trade(n1, n2, 40)
		time.Sleep(time.Minute)
		kept := first(n1)
		list := n1.nodes()
		require.Equal(t, "n3", list.Nodes[1].Node)
		require.LessOrEqual(t, kept, list.Nodes[1].Mark+1)
		require.Contains(t, list.Nodes[1].Reason, "the log is kept for it from operation")
		require.Equal(t, http.StatusNotFound, status(t, post(n1.c, "/v1/nodes/n9/strike", &api.Order{Reason: "x"})))
		require.Equal(t, http.StatusConflict, status(t, post(n1.c, "/v1/nodes/n1/strike", &api.Order{Reason: "x"})))
		require.NoError(t, post(n1.c, "/v1/nodes/n3/strike", &api.Order{Reason: "it has burnt"}))
		time.Sleep(time.Second)
		require.Greater(t, first(n1), kept+100)
		for _, had := range []bool{false, true} {
			if had {
				n1.asks("n1.A", 900, "U1")
			}
			_, err := n3.new()
			require.ErrorContains(t, err, "a person may let its ledger begin anew")
			require.NotErrorIs(t, err, ErrAway)
		}
		n3.why = "it was repaired"
		n3.up()
		require.Equal(t, "n1.A", n3.owner(n3.c, "U1").Batch)
		n3.down()
		n3.why = ""
		n3.up()
		require.Equal(t, "n1.A", n3.owner(n3.c, "U1").Batch)
		n1.gives("n1.A", 900)
		trade(n1, n2, 10)
		time.Sleep(time.Minute)
		require.Equal(t, n1.owners()[len(n1.owners())-20:], n3.owners()[len(n3.owners())-20:])
	})
}

// TestNodesThatAreCutOffAndKilledAtRandomHaveOneHistory has batches of three nodes ask for what lies anywhere while their ways to the log come and go.
func TestNodesThatAreCutOffAndKilledAtRandomHaveOneHistory(t *testing.T) {
	for seed := range uint64(6) {
		inPlant(t, 3, func(all []*node) {
			r := rand.New(rand.NewPCG(seed, 7))
			for _, b := range all {
				b.down()
				b.whole = []int{0, 30}[seed%2]
				b.up()
				b.readies(b.name + ".A")
				b.readies(b.name + ".B")
			}
			claims := map[string]uint32{}
			for range 400 {
				b := all[r.IntN(3)]
				id := b.name + []string{".A", ".B"}[r.IntN(2)]
				switch n := r.IntN(20); {
				case n == 0:
					b.far.set(open)
					b.down()
					b.up()
				case n < 4:
					b.far.set([]way{hangs, fails, unknown, deaf}[r.IntN(4)])
				case n < 8:
					b.far.set(open)
				case n < 15:
					claims[id]++
					set := []string{"U1", "U2", "U3"}
					r.Shuffle(3, func(i, k int) { set[i], set[k] = set[k], set[i] })
					_ = post(b.c, "/v1/claims", &api.Claim{Batch: id, ID: claims[id], Step: "S", Equipment: set[:1+r.IntN(2)]})
				default:
					_ = post(b.c, "/v1/releases", &api.Claim{Batch: id, ID: claims[id], Step: "S"})
				}
			}
			for _, b := range all {
				b.far.set(open)
			}
			time.Sleep(time.Minute)
			witnesses(t, all)
			has := map[string][]string{}
			for _, h := range all[0].m.desk.holdings() {
				has[h.Equipment] = append(has[h.Equipment], h.Batch)
			}
			for id, who := range has {
				require.Len(t, who, 1, "seed %d: %s", seed, id)
			}
			for _, b := range all[1:] {
				require.Equal(t, all[0].m.desk.holdings(), b.m.desk.holdings())
			}
			require.Greater(t, len(all[0].owners()), 30, "seed %d", seed)
			if seed%2 == 1 {
				require.Greater(t, first(all[0]), uint64(1), "trimmed")
			}
		})
	}
}
