// Messages between batches: the cases of ISA-88 synchronisation, as stories.

package arbiter_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// with is a story whose batches are partners of G.
func with(t *testing.T, partners ...string) *story {
	s := begin(t)
	for _, batch := range partners {
		s.does(join(batch))
	}
	return s
}

func join(batch string) arbiter.Op { return arbiter.Op{Kind: arbiter.Join, Batch: batch, Group: "G"} }

func post(batch, key, text string) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Post, Batch: batch, Group: "G", Key: key, Message: text}
}

func take(batch, key, text string) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Take, Batch: batch, Group: "G", Key: key, Message: text}
}

func meet(batch, key, text string, partners int) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Meet, Batch: batch, Group: "G", Key: key, Message: text, Partners: partners}
}

func forget(batch, key string) arbiter.Op {
	return arbiter.Op{Kind: arbiter.Forget, Batch: batch, Group: "G", Key: key}
}

func gone(kind arbiter.OpKind, batch, reason string) arbiter.Op {
	return arbiter.Op{Kind: kind, Batch: batch, Reason: reason}
}

func TestTwoPartnersMeetInAnyOrder(t *testing.T) {
	for _, order := range [][2]string{{"A", "B"}, {"B", "A"}} {
		s := with(t, "A", "B")
		s.does(meet(order[0], "K1", "FULL", 2))
		s.does(meet(order[1], "K2", "FULL", 2), order[0]+" K1 gets FULL of "+order[1], order[1]+" K2 gets FULL of "+order[0])
		s.does(meet(order[0], "K1", "FULL", 2), order[0]+" K1 gets FULL of "+order[1]) // said again
		s.does(meet(order[0], "K3", "FULL", 2))                                        // the next round
		s.does(meet(order[1], "K4", "FULL", 2), order[0]+" K3 gets FULL of "+order[1], order[1]+" K4 gets FULL of "+order[0])
	}
}

func TestThreePartnersMeetWhenTheLateOneComes(t *testing.T) {
	s := with(t, "A", "B")
	s.does(meet("A", "K1", "FULL", 3))
	s.does(meet("A", "K9", "FULL", 3)) // another branch of A is no other partner
	s.does(meet("B", "K2", "FULL", 3))
	s.does(meet("C", "K3", "FULL", 3), "C K3 refused: it is no partner of group G; let it join first")
	s.does(join("C"))
	s.does(meet("C", "K3", "FULL", 3), "A K1 gets FULL of B, C", "B K2 gets FULL of A, C", "C K3 gets FULL of A, B")
}

func TestAMessageThatIsSentTwiceIsTakenOnce(t *testing.T) {
	s := with(t, "A", "B", "C")
	s.does(post("A", "K1", "MIXED"), "A K1 sent")
	s.does(post("A", "K1", "MIXED"), "A K1 sent")
	s.does(post("A", "K1", "OTHER"), `A K1 refused: key K1 is that of a post of "MIXED" in group G; give each action a key of its own`)
	s.does(take("A", "K2", "")) // its own it does not get
	s.does(take("B", "K3", ""), "B K3 gets MIXED of A")
	s.does(take("B", "K3", ""), "B K3 gets MIXED of A")
	s.does(take("C", "K4", ""))
	s.does(take("C", "K4", ""))
	s.does(take("C", "K4", "MIXED"), "C K4 refused: key K4 waits as a take in group G; give each action a key of its own")
	s.does(post("B", "K5", "READY"), "B K5 sent", "A K2 gets READY of B") // A has waited longer
	s.does(post("B", "K6", "READY"), "B K6 sent", "C K4 gets READY of B")
	s.does(post("A", "K1", "MIXED"), "A K1 sent")
}

func TestMessagesAreTakenInOrderAndByWhatTheyAre(t *testing.T) {
	s := with(t, "A", "B")
	s.does(take("B", "T0", "DRAIN"))
	for i, text := range []string{"FILL", "HEAT", "FILL"} {
		s.does(post("A", fmt.Sprint("P", i), text), fmt.Sprint("A P", i, " sent"))
	}
	s.does(post("A", "P9", "DRAIN"), "A P9 sent", "B T0 gets DRAIN of A")
	s.does(take("B", "T1", "HEAT"), "B T1 gets HEAT of A")
	s.does(take("B", "T2", ""), "B T2 gets FILL of A")
	s.does(take("B", "T3", ""), "B T3 gets FILL of A")
	s.does(take("B", "T4", ""))
}

func TestAPartnerThatIsAbortedReleasesItsWaiters(t *testing.T) {
	s := with(t, "A", "B", "C")
	s.does(meet("A", "K1", "FULL", 3))
	s.does(take("C", "K2", ""))
	s.does(post("B", "K3", "DONE"), "B K3 sent", "C K2 gets DONE of B")
	s.does(post("B", "K4", "MORE"), "B K4 sent")
	s.does(gone(arbiter.Quit, "B", "aborted"), "A K1 in vain: B: aborted") // two cannot be three
	s.does(meet("C", "K5", "FULL", 3), "C K5 in vain: B: aborted")
	s.does(take("C", "K6", ""), "C K6 gets MORE of B") // what it had sent is there
	s.does(take("C", "K7", ""))                        // A may send
	s.does(gone(arbiter.Leave, "A", ""), "C K7 in vain: A: removed")
	s.does(take("C", "K7", ""), "C K7 in vain: A: removed")
	s.does(join("B")) // it was restarted
	s.does(take("C", "K7", ""))
	s.does(post("B", "K4", "MORE"), "B K4 sent") // which it had sent before
	s.does(post("B", "K8", "LAST"), "B K8 sent", "C K7 gets LAST of B")
	s.does(gone(arbiter.Leave, "C", "removed"))
	s.does(gone(arbiter.Leave, "B", "removed"))
	require.Empty(t, s.book.Batches())
}

func TestWhoLeavesWaitsNoMore(t *testing.T) {
	s := with(t, "A", "B", "C")
	s.does(take("A", "K1", ""))
	s.does(meet("A", "K2", "FULL", 2))
	s.does(gone(arbiter.Quit, "A", "lost"), "A K1 in vain: lost", "A K2 in vain: lost")
	s.does(meet("B", "K3", "FULL", 2)) // C may come
	s.does(meet("C", "K4", "FULL", 2), "B K3 gets FULL of C", "C K4 gets FULL of B")
}

func TestAHoldWhileWaitingIsForgottenAndAskedAnew(t *testing.T) {
	s := with(t, "A", "B")
	s.does(take("B", "K1", ""))
	s.does(forget("B", "K1"), "B ends K1")
	s.does(forget("B", "K1"))
	s.does(post("A", "K2", "MIXED"), "A K2 sent")
	s.does(take("B", "K1", ""), "B K1 gets MIXED of A") // restarted: the same action
	s.does(forget("B", "K1"))                           // too late: it has it
	s.does(take("B", "K1", ""), "B K1 gets MIXED of A")
	require.Equal(t, []arbiter.Effect{{Kind: arbiter.Delivered, Batch: "B", Key: "K1", Message: "MIXED", From: "A"}}, s.book.Of("B", nil))
}

func TestATagThatDoesNotMatchIsInWhatIsSaidInTheEnd(t *testing.T) {
	s := with(t, "A", "B", "C")
	s.does(meet("A", "K1", "FULL", 2))
	s.does(meet("B", "K2", "EMPTY", 2))
	s.does(meet("C", "K3", "FULL", 3), "C K3 refused: A waits at FULL of group G for 2 partners, not 3; agree on one number")
	op := forget("A", "K1") // its time is over
	fx := s.book.Step(s.book.Next(), &op, nil)
	require.Len(t, fx, 1)
	require.Equal(t, `it waited for "FULL"; B waits for "EMPTY"`, fx[0].Reason)
	s.does(take("C", "K4", "FILL"))
	s.does(post("B", "K5", "DRAIN"), "B K5 sent")
	op = forget("C", "K4")
	require.Equal(t, `it waited for "FILL"; B has sent "DRAIN"`, s.book.Step(s.book.Next(), &op, nil)[0].Reason)
}

func TestMessagesAreBounded(t *testing.T) {
	s := with(t, "A", "B")
	for i := range arbiter.MaxMessages {
		op := post("A", fmt.Sprint("P", i), "X")
		s.book.Step(s.book.Next(), &op, nil)
	}
	s.does(post("A", "P", "X"), "A P refused: 255 messages of group G wait; take some first")
	s.does(take("B", "T", ""), "B T gets X of A")
	s.does(post("A", "P", "X"), "A P sent")
	for i := range arbiter.MaxWaits {
		op := meet("B", fmt.Sprint("M", i), "FULL", 2)
		s.book.Step(s.book.Next(), &op, nil)
	}
	s.does(meet("B", "M", "FULL", 2), "B M refused: it waits for 256 messages; forget some")
	for i := range 3 * arbiter.MaxSaid {
		op := post("B", fmt.Sprint("S", i), "Y")
		s.book.Step(s.book.Next(), &op, nil)
		op = take("A", fmt.Sprint("U", i), "Y")
		s.book.Step(s.book.Next(), &op, nil)
	}
	require.LessOrEqual(t, len(s.book.Of("B", nil)), arbiter.MaxSaid)
}
