// Who gets equipment, and what persons and the equipment model do to that: as stories.

package arbiter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// words writes an effect as the stories do.
func words(e *arbiter.Effect) string {
	who := e.Batch
	if e.ID > 0 {
		who += fmt.Sprint("/", e.ID)
	}
	set := strings.Join(e.Equipment, "+")
	switch e.Kind {
	case arbiter.Granted:
		return fmt.Sprintf("%s has %s by %d", who, set, e.Token)
	case arbiter.Queued:
		return fmt.Sprintf("%s is %d, %s has it since %d", who, e.Place, e.Owner, e.Since)
	case arbiter.Released:
		return strings.TrimSpace(fmt.Sprintf("%s ends %s%s", who, set, e.Key))
	case arbiter.Raised:
		return fmt.Sprintf("%s: below %d refused for %s", who, e.Token, set)
	case arbiter.Delivered:
		return fmt.Sprintf("%s %s gets %s of %s", who, e.Key, e.Message, e.From)
	case arbiter.Unanswered:
		return fmt.Sprintf("%s %s in vain: %s", who, e.Key, e.Reason)
	case arbiter.Sent:
		return fmt.Sprintf("%s %s sent", who, e.Key)
	}
	return fmt.Sprintf("%s refused: %s", strings.TrimSpace(who+" "+e.Key), e.Reason)
}

// story is one book and its log.
type story struct {
	*testing.T
	book *arbiter.Book
}

// begin is a book of equipment that one batch may have each, but that two may have S1.
func begin(t *testing.T) *story {
	s := &story{t, arbiter.NewBook()}
	s.does(arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"R1", "R2", "R3"}, Owners: 1})
	s.does(arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"S1"}, Owners: 2})
	return s
}

// does takes in an operation and holds what it came to; said again right away it comes to nothing new.
func (s *story) does(op arbiter.Op, want ...string) {
	s.Helper()
	var got []string
	if op.At == 0 {
		op.At = int64(s.book.Next())
	}
	for _, e := range s.book.Step(s.book.Next(), &op, nil) {
		got = append(got, words(&e))
	}
	require.Equal(s, want, got)
	restored(s.T, s.book)
}

func ask(batch string, id uint32, step string, set ...string) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Request, Batch: batch, ID: id, Step: step, Equipment: set}
}

func giveBack(batch string, id uint32, step string) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Release, Batch: batch, ID: id, Step: step}
}

func TestASetIsGivenAsAWholeAndInOrder(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1", "R2"), "A/1 has R1+R2 by 1")
	s.does(ask("B", 1, "U", "R2", "R3"), "B/1 is 1, A has it since 3")
	s.does(ask("C", 1, "U", "R3"), "C/1 has R3 by 2") // B waits for more than is free, and keeps nobody from the rest
	s.does(ask("D", 1, "U", "R2"), "D/1 is 2, A has it since 3")
	s.does(ask("A", 1, "U", "R1", "R2"), "A/1 has R1+R2 by 1") // said again
	s.does(ask("B", 1, "U", "R2", "R3"), "B/1 is 1, A has it since 3")
	s.does(giveBack("A", 1, "U"), "A/1 ends R1+R2", "D/1 has R2 by 3", "B/1 is 1, D has it since 9")
	s.does(giveBack("A", 1, "U"))
	s.does(giveBack("C", 1, "U"), "C/1 ends R3")
	s.does(giveBack("D", 1, "U"), "D/1 ends R2", "B/1 has R2+R3 by 4")
	require.Equal(t, uint64(4), s.book.Token())
}

func TestALateRequestOfWhatWasGivenBackGetsNothing(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1")
	s.does(ask("A", 2, "V", "R2"), "A/2 has R2 by 2")
	s.does(ask("A", 3, "U", "R3"), "A/1 ends R1", "A/3 has R3 by 3") // its step asks anew
	s.does(ask("A", 1, "U", "R1"), "A/1 refused: claim 1 was given back, taken or refused; ask with a new number")
	s.does(giveBack("A", 2, ""), "A/2 ends R2") // without a step: that alone
	s.does(ask("A", 2, "V", "R2"), "A/2 refused: claim 2 was given back, taken or refused; ask with a new number")
	s.does(giveBack("A", 9, "U"), "A/3 ends R3")
	s.does(ask("A", 8, "U", "R1"), "A/8 refused: claim 8 was given back, taken or refused; ask with a new number")
	s.does(giveBack("X", 1, "U"))
	s.does(ask("A", 10, "U", "R1"), "A/10 has R1 by 4")
	s.does(ask("A", 10, "U", "R2"), `A/10 refused: claim 10 is that of step U for ["R1"]; ask with a number of its own`)
}

func TestPriorityComesFirstAndPersonsReorder(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1")
	s.does(ask("B", 1, "U", "R1"), "B/1 is 1, A has it since 3")
	s.does(ask("C", 1, "U", "R1", "R2"), "C/1 is 2, A has it since 3")
	high := ask("D", 1, "U", "R1")
	high.Priority = 5
	s.does(high, "D/1 is 1, A has it since 3", "B/1 is 2, A has it since 3", "C/1 is 3, A has it since 3")
	first := arbiter.Op{Kind: arbiter.Reorder, Batch: "C", ID: 1, Place: 1, Actor: "AS"}
	s.does(first, "C/1 is 1, A has it since 3", "D/1 is 2, A has it since 3", "B/1 is 3, A has it since 3")
	s.does(first, "C/1 is 1, A has it since 3")
	s.does(arbiter.Op{Kind: arbiter.Reorder, Batch: "D", ID: 1, Place: 99, Actor: "AS"}, "B/1 is 2, A has it since 3", "D/1 is 3, A has it since 3")
	s.does(arbiter.Op{Kind: arbiter.Reorder, Batch: "A", ID: 1, Place: 1, Actor: "AS"}, "A/1 refused: claim 1 was granted; it waits no more")
	s.does(arbiter.Op{Kind: arbiter.Reorder, Batch: "Z", ID: 1, Place: 1, Actor: "AS"}, "Z/1 refused: claim 1 is not known; look at who waits")
	s.does(arbiter.Op{Kind: arbiter.Reorder, Batch: "D", ID: 1, Place: 1}, "D/1 refused: actor is missing; say which person orders it")
	var line []string
	for _, w := range s.book.Holding("R1")[0].Waiting {
		line = append(line, w.Batch)
	}
	require.Equal(t, []string{"C", "B", "D"}, line)
	s.does(giveBack("A", 1, "U"), "A/1 ends R1", "C/1 has R1+R2 by 2", "B/1 is 1, C has it since 13", "D/1 is 2, C has it since 13")
}

func TestSeveralMayHaveWhatTheModelSays(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "S1"), "A/1 has S1 by 1")
	s.does(ask("B", 1, "U", "S1"), "B/1 has S1 by 2")
	s.does(ask("C", 1, "U", "S1"), "C/1 is 1, A has it since 3")
	s.does(ask("D", 1, "U", "S1"), "D/1 is 2, A has it since 3")
	require.Len(t, s.book.Holding("S1"), 2)
	s.does(arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"S1"}, Owners: 3}, "C/1 has S1 by 3", "D/1 is 1, A has it since 3")
	s.does(arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"S1"}, Owners: 1})
	s.does(giveBack("A", 1, "U"), "A/1 ends S1", "D/1 is 1, B has it since 4")
	s.does(giveBack("B", 1, "U"), "B/1 ends S1", "D/1 is 1, C has it since 7")
	s.does(giveBack("C", 1, "U"), "C/1 ends S1", "D/1 has S1 by 4")
}

func TestWhatIsRetiredNobodyGetsAnyMore(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1")
	s.does(ask("B", 1, "U", "R2", "R1"), "B/1 is 1, A has it since 3")
	retired := arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"R1"}, Owners: 1, Retired: true}
	s.does(retired, "B/1 refused: R1 is retired; use another one, or have the equipment model changed")
	s.does(retired)
	s.does(ask("C", 1, "U", "R1"), "C/1 refused: R1 is retired; use another one, or have the equipment model changed")
	s.does(ask("C", 1, "U", "R9"), "C/1 refused: R9 is not known as equipment that batches share; add it to the equipment model, with owners")
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1") // who has it keeps it
	none := arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"R1"}}
	s.does(none)
	s.does(ask("C", 2, "U", "R1"), "C/2 refused: R1 is not arbitrated; give it owners in the equipment model")
	s.does(giveBack("A", 1, "U"), "A/1 ends R1")
	require.Empty(t, s.book.Holding("R1"))
	s.does(none)
}

func TestALeavingBatchGivesAllBack(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1")
	s.does(ask("A", 2, "V", "R2"), "A/2 has R2 by 2")
	s.does(ask("B", 1, "U", "R1", "R2"), "B/1 is 1, A has it since 3")
	s.does(ask("A", 3, "W", "R1"), "A/3 is 2, A has it since 3")
	s.does(arbiter.Op{Kind: arbiter.Leave, Batch: "A"}, "A/1 ends R1", "A/2 ends R2", "A/3 ends R1", "B/1 has R1+R2 by 3")
	s.does(arbiter.Op{Kind: arbiter.Leave, Batch: "A"})
	require.Empty(t, s.book.Of("A", nil))
	require.Equal(t, []string{"B"}, s.book.Batches())
}

func TestTokensOnlyGrow(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1")
	s.does(ask("A", 2, "V", "R2"), "A/2 has R2 by 2")
	s.does(arbiter.Op{Kind: arbiter.Raise, Batch: "A"}, "A/1: below 3 refused for R1", "A/1 has R1 by 3", "A/2: below 4 refused for R2", "A/2 has R2 by 4")
	s.does(arbiter.Op{Kind: arbiter.Raise, Batch: "A", Equipment: []string{"R2"}}, "A/2: below 5 refused for R2", "A/2 has R2 by 5")
	s.does(arbiter.Op{Kind: arbiter.Floor, Token: 40})
	s.does(arbiter.Op{Kind: arbiter.Floor, Token: 30})
	s.does(ask("B", 1, "U", "R3"), "B/1 has R3 by 41")
	s.does(arbiter.Op{Kind: arbiter.Floor, Token: 1 << 61}, " refused: token is beyond 1<<60; look at who wrote it to the wire")
	s.does(arbiter.Op{Kind: arbiter.Raise, Batch: "Z"})
}

func TestAPersonTakesWhatHeNamesAndTheBatchKeepsTheRest(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1", "R2"), "A/1 has R1+R2 by 1")
	s.does(ask("B", 1, "U", "R1"), "B/1 is 1, A has it since 3")
	s.does(ask("C", 1, "U", "R2"), "C/1 is 1, A has it since 3")
	force := arbiter.Op{Kind: arbiter.Force, Equipment: []string{"R1"}, Actor: "AS", Role: "engineer", Reason: "leak"}
	s.does(force, "A/1: below 2 refused for R1", "A/1 refused: R1 was taken from it by AS: leak", "B/1 has R1 by 3")
	s.does(ask("A", 1, "U", "R1", "R2"), "A/1 has R2 by 1", "A/1 refused: R1 was taken from it by AS: leak")
	s.does(giveBack("A", 1, "U"), "A/1 ends R2", "C/1 has R2 by 4")
	force.Batch = "A"
	s.does(force, "A refused: nobody has R1 whom it could be taken from; look at who has it")
	force.Batch, force.Equipment = "", []string{"R9"}
	s.does(force, " refused: R9 is not known as equipment that batches share; name another")
	force.Equipment = []string{"R1"}
	s.does(force, "B/1: below 5 refused for R1", "B/1 refused: R1 was taken from it by AS: leak")
	s.does(ask("B", 1, "U", "R1"), "B/1 refused: claim 1 was given back, taken or refused; ask with a new number")
	require.Empty(t, s.book.Of("B", nil))
}

// What can starve is a set of which something is always taken by others: nobody is kept from equipment for it, since who waits and holds
// could otherwise wait in a circle. It is seen in its Queued, and a person lets it pass by holding the others.
func TestASetStarvesWhileOthersTakeItsPartsInTurn(t *testing.T) {
	s := begin(t)
	id := uint32(1)
	s.does(ask("A", id, "U", "R1"), "A/1 has R1 by 1")
	s.does(ask("W", 1, "U", "R1", "R2"), "W/1 is 1, A has it since 3")
	for range 5 {
		id++
		s.book.Step(s.book.Next(), &arbiter.Op{Kind: arbiter.Request, Batch: "B", ID: id, Step: "U", Equipment: []string{"R2"}}, nil)
		s.book.Step(s.book.Next(), &arbiter.Op{Kind: arbiter.Release, Batch: "A", ID: id, Step: "U"}, nil)
		require.Equal(t, arbiter.Queued, s.book.Of("W", nil)[0].Kind)
		id++
		s.book.Step(s.book.Next(), &arbiter.Op{Kind: arbiter.Request, Batch: "A", ID: id, Step: "U", Equipment: []string{"R1"}}, nil)
		s.book.Step(s.book.Next(), &arbiter.Op{Kind: arbiter.Release, Batch: "B", ID: id, Step: "U"}, nil)
		require.Equal(t, arbiter.Queued, s.book.Of("W", nil)[0].Kind)
	}
	require.Len(t, s.book.Holding("R1")[0].Waiting, 1)
}

func TestStepIsTotal(t *testing.T) {
	s := begin(t)
	long := strings.Repeat("x", arbiter.MaxText+1)
	for _, op := range []arbiter.Op{{}, {Kind: 99}, ask("", 1, "U", "R1"), ask("A", 0, "U", "R1"), ask("A", 1, "U"), ask("A", 1, "U", "R1", "R1"), ask("A", 1, "U", ""),
		ask(long, 1, "U", "R1"), ask("A", 1, long, "R1"), ask("A\xff", 1, "U", "R1"), ask("A", 1, "U", make([]string, arbiter.MaxSet+1)...),
		{Kind: arbiter.Stock, Equipment: []string{"R1"}, Owners: 65}, {Kind: arbiter.Stock, Equipment: []string{"R1"}, Owners: -1},
		{Kind: arbiter.Meet, Batch: "A", Group: "G", Key: "K", Partners: 1}, {Kind: arbiter.Post, Batch: "A"}, {Kind: arbiter.Join, Batch: "A"},
		{Kind: arbiter.Force, Equipment: []string{"R1"}}, {Kind: arbiter.Leave}, {Kind: arbiter.Whole, State: []byte("{}")}, {Kind: arbiter.Whole}} {
		fx := s.book.Step(s.book.Next(), &op, nil)
		require.Len(t, fx, 1, "%+v", op)
		require.Equal(t, arbiter.Refused, fx[0].Kind, "%+v", op)
		require.NotEmpty(t, fx[0].Reason)
	}
	op := ask("A", 1, "U", "R1")
	for _, seq := range []uint64{0, 1, s.book.Next() - 1, s.book.Next() + 1} {
		next := s.book.Next()
		require.Equal(t, arbiter.Refused, s.book.Step(seq, &op, nil)[0].Kind)
		require.Equal(t, next, s.book.Next())
	}
}

func TestAmongEqualsAPersonPutsTheLastFirst(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1"), "A/1 has R1 by 1")
	for i, batch := range []string{"B", "C", "D"} {
		s.does(ask(batch, 1, "U", "R1"), fmt.Sprintf("%s/1 is %d, A has it since 3", batch, i+1))
	}
	s.does(arbiter.Op{Kind: arbiter.Reorder, Batch: "D", ID: 1, Place: 2, Actor: "AS"}, "D/1 is 2, A has it since 3", "C/1 is 3, A has it since 3")
	s.does(arbiter.Op{Kind: arbiter.Reorder, Batch: "B", ID: 1, Place: 3, Actor: "AS"},
		"D/1 is 1, A has it since 3", "C/1 is 2, A has it since 3", "B/1 is 3, A has it since 3")
	s.does(giveBack("A", 1, "U"), "A/1 ends R1", "D/1 has R1 by 2", "C/1 is 1, D has it since 9", "B/1 is 2, D has it since 9")
}
