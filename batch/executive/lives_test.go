// Several boards: who speaks for a node, where a disk was copied.

package executive

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

func TestOfTwoBoardsWithOneDiskTheLaterSpeaksAndTheOtherGivesNothingMore(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n2.readies("n2.A")
		n1.asks("n1.A", 1, "U1")
		n2.asks("n2.A", 1, "U2")
		time.Sleep(5 * time.Second)
		twin := twinOf(n1)
		twin.serve(api.Remote("n2", api.IO), n2.io())
		twin.up()
		time.Sleep(5 * time.Second)
		err := post(n1.c, "/v1/claims", &api.Claim{Batch: "n1.A", ID: 2, Step: "S", Equipment: []string{"U2"}})
		require.Equal(t, http.StatusServiceUnavailable, status(t, err))
		require.ErrorContains(t, err, "somebody else speaks for node n1: does a copy of its disk run on another board?")
		require.NoError(t, post(n1.c, "/v1/claims", &api.Claim{Batch: "n1.A", ID: 1, Step: "S", Equipment: []string{"U1"}}), "what it has it keeps")
		require.Equal(t, 1, n1.lives("superseded"))
		n2.gives("n2.A", 1)
		n2.asks("n2.A", 2, "U2")
		require.NoError(t, twin.m.desk.reach(), "the others go on")

		n1.down()
		for range 2 {
			_, err := n1.new()
			require.ErrorContains(t, err, "A copy of this disk may run on another board: end that one first")
		}
		twin.down()
		n1.why = "the disk was changed"
		n1.up()
		n1.down()
		n1.why = ""
		n1.up()
		n1.asks("n1.A", 3, "U1")
		require.Equal(t, 1, n1.lives("let"))
		time.Sleep(5 * time.Second)
		require.Equal(t, n2.m.desk.holdings(), n1.m.desk.holdings())
	})
}

// twinOf is a board that has a copy of the disk of another one, and reaches the same log.
func twinOf(b *node) *node {
	s := &site{t: b.t, dir: copied(b.t, b.dir), net: &api.Memory{}, log: &memLog{}, bubble: b.bubble, fakes: map[string]*fake{}, ctx: b.ctx, step: func(string) bool { return true },
		boot: "1", unit: b.unit, model: b.model}
	s.serve(api.Runtime, s.runtime())
	s.serve(api.IO, s.io())
	return &node{site: s, name: b.name, far: &farLog{Memory: b.far.Memory}}
}

// lives counts the records of who has spoken for a node.
func (b *node) lives(result string) (n int) {
	b.t.Helper()
	_, err := journal.Scan(filepath.Join(b.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindBusState && r.Text(record.Result) == result {
			require.Equal(b.t, b.name, r.Text(record.ObjectID))
			n++
		}
		return err
	}, &journal.Options{})
	require.NoError(b.t, err)
	return n
}

func TestAMarkOfAnEarlierLifeThatComesLateStopsNobody(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1 := all[0]
		n1.readies("n1.A")
		n1.asks("n1.A", 1, "U1")
		time.Sleep(5 * time.Second)
		earlier := n1.m.desk.life
		n1.down()
		n1.up()
		time.Sleep(5 * time.Second)
		last := n1.m.desk.next() - 1
		line, err := (&arbiter.Op{Kind: arbiter.Mark, Batch: "n1", Place: int64(last), Token: n1.m.desk.last, Key: earlier}).Append(nil)
		require.NoError(t, err)
		require.NoError(t, n1.far.Memory.Append(t.Context(), last+1, line))
		n1.asks("n1.A", 2, "U1")
		time.Sleep(5 * time.Second)
		require.NoError(t, n1.m.desk.reach())
		require.Zero(t, n1.lives("superseded"))
		n1.down()
		n1.up()
		require.Equal(t, 3, n1.lives("began"))
		require.Zero(t, n1.lives("let"))
	})
}

// superseded has a board n1 whose twin has come up and speaks for it.
func superseded(t *testing.T, fn func(n1, twin, n2 *node)) {
	t.Helper()
	inPlant(t, 2, func(all []*node) {
		n1, n2 := all[0], all[1]
		n1.readies("n1.A")
		n1.asks("n1.A", 1, "U1")
		time.Sleep(5 * time.Second)
		twin := twinOf(n1)
		twin.serve(api.Remote("n2", api.IO), n2.io())
		twin.up()
		defer twin.down()
		time.Sleep(15 * time.Second)
		require.Equal(t, 1, n1.lives("superseded"))
		fn(n1, twin, n2)
	})
}

func TestABoardThatWasSupersededMakesNoBatchUnderANumberThatTheOtherGivesToo(t *testing.T) {
	superseded(t, func(n1, twin, _ *node) {
		require.Equal(t, "n1.B-0001", twin.numbered())
		err := post(n1.c, "/v1/batches", &api.Create{Recipe: "R"})
		require.Equal(t, http.StatusServiceUnavailable, status(t, err))
		require.ErrorContains(t, err, "somebody else speaks for node n1")
	})
}

func TestABoardThatWasSupersededIsToldOfTheCopyWhateverElseItLacks(t *testing.T) {
	superseded(t, func(n1, twin, _ *node) {
		twin.readies("n1.T")
		twin.asks("n1.T", 1, "U2") // the copy gives, and is started again
		time.Sleep(5 * time.Second)
		twin.down()
		twin.up()
		time.Sleep(15 * time.Second)
		n1.down()
		_, err := n1.new()
		require.ErrorContains(t, err, "its ledger ends with operation")
		require.ErrorContains(t, err, "A copy of this disk may run on another board: end that one first")
	})
}

func TestABoardThatWasSupersededWantsAPersonsWordAlsoWhenItsNodeWasStruckOut(t *testing.T) {
	superseded(t, func(n1, twin, n2 *node) {
		n1.down()
		twin.far.set(hangs)
		time.Sleep(30 * time.Second)
		require.NoError(t, n2.m.strike("n1", person{actor: "p", role: "r", reason: "cut off"}))
		_, err := n1.new()
		require.ErrorContains(t, err, "A copy of this disk may run on another board")
		twin.far.set(open)
		time.Sleep(30 * time.Second)
		require.NoError(t, twin.m.desk.reach(), "the copy speaks on")
	})
}

func TestACopyUnderAnotherNameDoesNotComeUp(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1 := all[0]
		for _, name := range []string{"n3", ""} {
			twin := twinOf(n1)
			twin.name = name
			_, err := twin.new()
			require.ErrorContains(t, err, fmt.Sprintf("is that of node \"n1\", and this is node %q: is it a copy of that one's disk? Give a new node an empty directory", name))
		}
	})
}

func TestTheFirstThingThatAManagerSaysIsWhoItIs(t *testing.T) {
	inPlant(t, 1, func(all []*node) {
		n1 := all[0]
		n1.down()
		m, err := n1.new()
		require.NoError(t, err)
		next := m.desk.next()
		_, err = m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: 77}, nil)
		require.NoError(t, err)
		var said []arbiter.OpKind
		require.NoError(t, n1.far.Memory.Read(t.Context(), next, func(_ uint64, line []byte) error {
			op, err := arbiter.ParseOp(line)
			said = append(said, op.Kind)
			return err
		}))
		require.Equal(t, []arbiter.OpKind{arbiter.Mark, arbiter.Floor}, said)
		require.NoError(t, m.Close())
	})
}

func TestWhoCannotSayWhoItIsSaysWhy(t *testing.T) {
	inPlant(t, 1, func(all []*node) {
		n1 := all[0]
		wants := arbiter.Op{Kind: arbiter.Request, Batch: "n1.A", ID: 1, Equipment: []string{"U1"}}
		n1.down()
		m, err := n1.new()
		require.NoError(t, err)
		n1.far.set(fails)
		_, err = m.desk.do(wants, nil)
		require.ErrorContains(t, err, errCable.Error())
		n1.far.set(open)

		twin := twinOf(n1)
		twin.up()
		time.Sleep(15 * time.Second)
		_, err = m.desk.do(wants, nil)
		require.ErrorContains(t, err, "somebody else speaks for node n1")
		twin.down()
		require.NoError(t, m.Close())
	})
}

func TestANodeForWhichThereIsNoMarkLeftGivesNothing(t *testing.T) {
	inPlant(t, 2, func(all []*node) {
		n1 := all[0]
		time.Sleep(5 * time.Second)
		all[1].down()
		says := func(op arbiter.Op) {
			line, err := op.Append(nil)
			require.NoError(t, err)
			require.NoError(t, n1.far.Memory.Append(t.Context(), n1.m.desk.next(), line))
			time.Sleep(3 * time.Second)
		}
		for i := range arbiter.MaxMarks - len(n1.m.desk.marks()) {
			says(arbiter.Op{Kind: arbiter.Mark, Batch: fmt.Sprintf("x%02d", i), Place: 1})
		}
		n1.down()
		log, book := n1.far.Memory, arbiter.NewBook()
		require.NoError(t, book.Follow(t.Context(), log, nil))
		for i, op := range []arbiter.Op{{Kind: arbiter.Mark, Batch: "n1", Retired: true, Actor: "p", Reason: "r"}, {Kind: arbiter.Mark, Batch: "y", Place: 1}} {
			line, err := op.Append(nil)
			require.NoError(t, err)
			require.NoError(t, log.Append(t.Context(), book.Next()+uint64(i), line))
		}
		n1.up()
		time.Sleep(15 * time.Second)
		_, err := n1.m.desk.do(arbiter.Op{Kind: arbiter.Floor, Token: 5000}, nil)
		require.ErrorContains(t, err, "strike one out that is there no more")
	})
}

func TestThePersonsWordAndWhoseItIsAreOnRecordInOneGo(t *testing.T) {
	superseded(t, func(n1, twin, _ *node) {
		twin.down()
		n1.down()
		n1.why = "the disk was changed"
		n1.up()
		var kinds []string
		_, err := journal.Scan(filepath.Join(n1.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
			r, err := record.Parse(body)
			if err == nil && (r.Kind == record.KindLibraryChange && r.Text(record.ObjectKind) == ledgerKind || r.Kind == record.KindBusState) {
				kinds = append(kinds, or(r.Text(record.Result), r.Text(record.ObjectKind)))
			}
			return err
		}, &journal.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"began", "superseded", "ledger", "began", "let"}, kinds)
	})
}
