// Several boards: ledgers and disks that were put back to an earlier day.

package executive

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func TestALedgerThatWasPutBackBehindItsMarkNeedsAPersonsWord(t *testing.T) {
	for _, trimmed := range []bool{true, false} {
		inPlant(t, 3, func(all []*node) {
			n1, n2, n3 := all[0], all[1], all[2]
			n1.readies("n1.A")
			n2.readies("n2.A")
			trade(n1, n2, 3)
			n1.down()
			old := copied(t, n1.dir)
			if !trimmed {
				n3.down()
			}
			n1.whole = 20
			n1.up()
			for i := range 3 { // that ask for nothing
				id := n1.numbered()
				require.Equal(t, fmt.Sprintf("n1.B-%04d", i+1), id)
				require.NoError(t, post(n1.c, "/v1/batches/"+id+"/removal", &api.Removal{Force: true}))
			}
			trade(n1, n2, 15)
			n2.asks("n2.A", 900, "U2")
			time.Sleep(time.Minute)
			n1.down()
			require.NoError(t, os.RemoveAll(n1.dir))
			require.NoError(t, os.CopyFS(n1.dir, os.DirFS(old)))
			before := n1.owners()
			for range 2 {
				_, err := n1.new()
				require.ErrorContains(t, err, "a person may let its ledger begin anew")
				require.NotErrorIs(t, err, ErrAway)
				require.Equal(t, !trimmed, strings.Contains(err.Error(), "its disk was put back"))
				require.Equal(t, before, n1.owners(), "nothing was written")
			}
			n1.why = "the disk was changed"
			n1.up()
			n1.down()
			n1.why = ""
			n1.up()
			require.Equal(t, n2.m.desk.holdings(), n1.m.desk.holdings())
			require.Equal(t, trimmed, first(n1) > 1)
			require.Equal(t, 1, n1.anew())
			require.Equal(t, "n1.B-0004", n1.numbered(), "its mark says how many numbers it has given")
			if !trimmed {
				witnesses(t, all[:2])
				n3.up()
				time.Sleep(time.Second)
				require.Equal(t, n1.owners(), n3.owners())
			}
		})
	}
}

func TestAPersonsWordForALedgerThatWasPutBackIsGivenOnce(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n2.readies("n2.A")
		n1.down()
		old := copied(t, n1.dir)
		n1.whole = 20
		n1.up()
		trade(n1, n2, 5)
		for i := range uint64(60) { // nothing becomes of equipment by these, and the log is trimmed beyond all that did
			_, err := n1.m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: 1000 + i}, nil)
			require.NoError(t, err)
		}
		time.Sleep(time.Minute)
		n1.down()
		require.NoError(t, os.RemoveAll(n1.dir))
		require.NoError(t, os.CopyFS(n1.dir, os.DirFS(old)))
		_, err := n1.new()
		require.ErrorContains(t, err, "its disk was put back")
		n1.why = "the disk was changed"
		n1.up()
		n1.down()
		n1.why = ""
		n1.up()
		n1.down()
		require.Equal(t, 1, n1.anew())
		again := copied(t, n1.dir)
		n1.up()
		trade(n1, n2, 5)
		for i := range uint64(60) {
			_, err := n1.m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: 2000 + i}, nil)
			require.NoError(t, err)
		}
		time.Sleep(time.Minute)
		n1.down()
		require.NoError(t, os.RemoveAll(n1.dir))
		require.NoError(t, os.CopyFS(n1.dir, os.DirFS(again)))
		_, err = n1.new()
		require.ErrorContains(t, err, "its disk was put back", "what was said of one day is not said of another")
		n1.why = "the disk was changed"
		n1.up()
	})
}

// numbered makes a batch without saying which.
func (b *node) numbered() string {
	b.t.Helper()
	var a api.Accepted
	require.NoError(b.t, b.c.Call(b.ctx, http.MethodPost, "/v1/batches", &api.Create{Recipe: "R"}, &a))
	b.is(b.c, a.Batch, api.Ready)
	return a.Batch
}

// anew counts the records of a ledger that began anew by a person's word.
func (b *node) anew() (n int) {
	_, err := journal.Scan(filepath.Join(b.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindLibraryChange && r.Text(record.ObjectKind) == "ledger" {
			require.Equal(b.t, "the disk was changed", r.Text(record.ChangeReason))
			require.True(b.t, strings.HasPrefix(r.Text(record.Actor), "local:"))
			n++
		}
		return err
	}, &journal.Options{})
	require.NoError(b.t, err)
	return n
}

func TestBatchesThatALedgerLacksWhichWasPutBackAreLostAndTheirNumbersAreNotGivenAgain(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.numbered()
		n1.down()
		old := copied(t, n1.dir)
		n1.up()
		gone, has := n1.numbered(), n1.numbered()
		n1.asks(gone, 1, "U2")
		n1.asks(has, 1, "U1")
		require.NoError(t, post(n1.c, "/v1/batches/"+gone+"/removal", &api.Removal{Force: true}))
		n2.readies("n2.A")
		n2.asks("n2.A", 1, "U1")
		n1.fake(has).stop()
		n1.down()
		require.NoError(t, os.RemoveAll(n1.dir))
		require.NoError(t, os.CopyFS(n1.dir, os.DirFS(old)))
		_, err := n1.new()
		require.ErrorContains(t, err, "somebody has spoken for node n1 whom its ledger does not know")
		n1.why = "the disk was changed"
		n1.up()
		b := n1.is(n1.c, has, api.Lost)
		require.Equal(t, forgotten, b.Reason)
		require.Equal(t, []string{"U1"}, b.Equipment)
		require.Equal(t, "n1.B-0004", n1.numbered())
		require.Equal(t, http.StatusConflict, status(t, post(n1.c, "/v1/batches", &api.Create{ID: has, Recipe: "R"})))
		require.Empty(t, n2.is(n2.c, "n2.A", api.Ready).Equipment)
		require.NoError(t, post(n1.c, "/v1/batches/"+has+"/removal", &api.Removal{Force: true}))
		require.NotEmpty(t, n1.fences)
		time.Sleep(time.Second)
		require.Equal(t, "n2.A", n2.owner(n2.c, "U1").Batch)
		witnesses(t, all)
	})
}

// unrest is what befalls nodes at random.
type unrest struct {
	t      *testing.T
	r      *rand.Rand
	all    []*node
	claims map[string]uint32
	copies map[string][]string
	odd    map[string]bool // it was put back or struck out, so it may want a person's word
}

// rise has a node come up, with a person's word where there is a reason for one.
func (u *unrest) rise(b *node) {
	if m, err := b.new(); err == nil {
		require.NoError(u.t, m.Close())
	} else {
		require.ErrorContains(u.t, err, "a person may let its ledger begin anew")
		require.True(u.t, u.odd[b.name], "%s: %v", b.name, err)
		b.why = "it was put back"
	}
	b.up()
	b.why, u.odd[b.name] = "", false
}

// befall has one thing happen.
func (u *unrest) befall() {
	b, o := u.all[u.r.IntN(3)], u.all[u.r.IntN(3)]
	id := b.name + []string{".A", ".B"}[u.r.IntN(2)]
	switch n := u.r.IntN(40); {
	case n == 0:
		b.far.set(open)
		b.down()
		u.copies[b.name] = append(u.copies[b.name], copied(u.t, b.dir))
		u.rise(b)
	case n == 1 && len(u.copies[b.name]) > 0:
		b.far.set(open)
		b.down()
		require.NoError(u.t, os.RemoveAll(b.dir))
		require.NoError(u.t, os.CopyFS(b.dir, os.DirFS(u.copies[b.name][u.r.IntN(len(u.copies[b.name]))])))
		u.odd[b.name] = true
		u.rise(b)
		b.down()
		u.rise(b)
	case n == 2 && o != b:
		u.odd[o.name] = true
		_ = post(b.c, "/v1/nodes/"+o.name+"/strike", &api.Order{Reason: "x"})
	case n == 3 && o != b:
		b.down()
		o.far.set(open)
		for range u.r.IntN(60) {
			u.claims[o.name+".A"]++
			_ = post(o.c, "/v1/claims", &api.Claim{Batch: o.name + ".A", ID: u.claims[o.name+".A"], Step: "S", Equipment: []string{"U1"}})
			_ = post(o.c, "/v1/releases", &api.Claim{Batch: o.name + ".A", ID: u.claims[o.name+".A"], Step: "S"})
		}
		b.far.set(open)
		u.rise(b)
	case n == 4:
		_ = post(b.c, "/v1/equipment/"+[]string{"U1", "U2", "U3"}[u.r.IntN(3)]+"/release", &api.Order{Reason: "x"})
	case n == 5:
		b.fake(id).stop()
		time.Sleep(10 * time.Second)
		_ = post(b.c, "/v1/batches/"+id+"/removal", &api.Removal{Force: true})
	case n < 9:
		b.far.set([]way{hangs, fails, unknown, deaf}[u.r.IntN(4)])
	case n < 14:
		b.far.set(open)
	case n < 28:
		u.claims[id]++
		set := []string{"U1", "U2", "U3"}
		u.r.Shuffle(3, func(i, k int) { set[i], set[k] = set[k], set[i] })
		_ = post(b.c, "/v1/claims", &api.Claim{Batch: id, ID: u.claims[id], Step: "S", Equipment: set[:1+u.r.IntN(2)]})
	default:
		_ = post(b.c, "/v1/releases", &api.Claim{Batch: id, ID: u.claims[id], Step: "S"})
	}
}

// TestNodesThatArePutBackAndStruckOutAtRandomComeUpAndAgree holds that a person's word is wanted only where there is a reason, that with it every manager
// comes up, that all say the same of who has what, and that all can be given back. BATCHKIT_LONG=1 tries more.
func TestNodesThatArePutBackAndStruckOutAtRandomComeUpAndAgree(t *testing.T) {
	seeds := uint64(3)
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 100
	}
	for seed := range seeds {
		inPlant(t, 3, func(all []*node) {
			u := &unrest{t, rand.New(rand.NewPCG(seed, 9)), all, map[string]uint32{}, map[string][]string{}, map[string]bool{}}
			for _, b := range all {
				b.down()
				b.whole = []int{0, 12, 30}[seed%3]
				b.up()
				b.readies(b.name + ".A")
				b.readies(b.name + ".B")
			}
			for range 300 {
				u.befall()
			}
			for _, b := range all {
				b.far.set(open)
			}
			time.Sleep(time.Minute)
			for _, b := range all {
				if err := b.m.desk.reach(); err != nil {
					require.ErrorContains(t, err, "was it struck out")
					b.down()
					u.rise(b)
				}
			}
			time.Sleep(time.Minute)
			for _, b := range all {
				require.Equal(t, all[0].m.desk.holdings(), b.m.desk.holdings(), "seed %d", seed)
			}
			for _, b := range all {
				for _, id := range []string{".A", ".B"} {
					_ = post(b.c, "/v1/batches/"+b.name+id+"/removal", &api.Removal{Force: true})
				}
			}
			time.Sleep(time.Minute)
			for _, h := range all[0].m.desk.holdings() {
				require.Empty(t, h.Batch, "seed %d: %s", seed, h.Equipment)
			}
		})
	}
}
