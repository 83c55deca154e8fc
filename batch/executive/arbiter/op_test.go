// Operations as bytes, and books as operations.

package arbiter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

func TestAnOperationHasOneSpelling(t *testing.T) {
	op := arbiter.Op{Kind: arbiter.Request, At: 5, Batch: "B-1", ID: 7, Step: "U<1>", Equipment: []string{"R1"}, Priority: -3}
	line, err := op.Append([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, `x{"op":"request","at":5,"batch":"B-1","claim":7,"step":"U\u003c1\u003e","equipment":["R1"],"priority":-3}`, string(line))
	again, err := arbiter.ParseOp(line[1:])
	require.NoError(t, err)
	require.Equal(t, op, again)
	for _, bad := range []string{"", "{}", "null", "[]", `{"op":"leave"}`, `{"op":"leave","batch":"A"} `, `{"op":"leave","batch":"A","batch":"A"}`,
		`{"batch":"A","op":"leave"}`, `{"op":"Leave","batch":"A"}`, `{"op":"leave","Batch":"A"}`, `{"op":"leave","batch":"A","x":1}`,
		`{"op":"leave","batch":"A","claim":0}`, `{"op":"leave","batch":"A","claim":-1}`, `{"op":"leave","batch":"A","claim":1e0}`,
		`{"op":"leave","batch":"\ud800"}`, "{\"op\":\"leave\",\"batch\":\"\xff\"}", `{"op":"kind 99","batch":"A"}`, `{"op":"","batch":"A"}`} {
		_, err := arbiter.ParseOp([]byte(bad))
		require.ErrorIs(t, err, arbiter.ErrOp, bad)
	}
	_, err = arbiter.ParseOp(make([]byte, arbiter.MaxOp+1))
	require.ErrorIs(t, err, arbiter.ErrOp)
	unfit := arbiter.Op{Kind: arbiter.Leave}
	dst, err := unfit.Append([]byte("x"))
	require.ErrorIs(t, err, arbiter.ErrOp)
	require.Equal(t, "x", string(dst))
	for k := arbiter.Request; k <= arbiter.Quit; k++ {
		text, err := k.MarshalText()
		require.NoError(t, err)
		var back arbiter.OpKind
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, k, back)
	}
}

func FuzzOperations(f *testing.F) {
	for _, line := range []string{`{"op":"stock","equipment":["R1","R2"],"owners":1}`, `{"op":"request","batch":"A","claim":1,"step":"U","equipment":["R1"]}`,
		`{"op":"request","batch":"B","claim":1,"step":"U","equipment":["R1","R2"]}`, `{"op":"join","batch":"A","group":"G"}`,
		`{"op":"meet","batch":"A","group":"G","message":"M","key":"K","partners":2}`, `{"op":"force","equipment":["R1"],"actor":"AS"}`,
		`{"op":"reorder","batch":"B","claim":1,"place":9223372036854775807,"actor":"AS"}`, `{"op":"leave","batch":"A"}`} {
		f.Add([]byte(line))
	}
	b := arbiter.NewBook()
	for i, op := range []arbiter.Op{{Kind: arbiter.Stock, Equipment: []string{"R1", "R2"}, Owners: 1}, ask("A", 1, "U", "R1", "R2"), ask("B", 1, "U", "R1"),
		{Kind: arbiter.Join, Batch: "A", Group: "G"}, {Kind: arbiter.Post, Batch: "A", Group: "G", Key: "K"}, {Kind: arbiter.Force, Equipment: []string{"R2"}, Actor: "AS"}} {
		b.Step(uint64(i+1), &op, nil)
	}
	op, err := b.Whole(3)
	require.NoError(f, err)
	line, err := op.Append(nil)
	require.NoError(f, err)
	f.Add(line)
	f.Fuzz(func(t *testing.T, text []byte) {
		b := arbiter.NewBook()
		for _, line := range bytes.Split(text, []byte("\n")) {
			op, err := arbiter.ParseOp(line)
			if err != nil {
				require.ErrorIs(t, err, arbiter.ErrOp)
				continue
			}
			again, err := op.Append(nil)
			require.NoError(t, err)
			require.Equal(t, line, again)
			b.Step(b.Next(), &op, nil)
		}
		b.Holdings()
		restored(t, b)
	})
}

// slice is a log in memory that cannot fail.
type slice struct {
	first uint64
	ops   [][]byte
}

func (s *slice) Append(_ context.Context, seq uint64, op []byte) error {
	s.ops = append(s.ops, bytes.Clone(op))
	return nil
}

func (s *slice) Read(_ context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	for i, op := range s.ops {
		if seq := s.first + uint64(i); seq >= from {
			if err := do(seq, op); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *slice) Trim(_ context.Context, seq uint64) error {
	s.ops, s.first = s.ops[seq-s.first:], seq
	return nil
}

// put appends an operation and steps a book with it.
func put(t *testing.T, log *slice, b *arbiter.Book, op arbiter.Op) {
	line, err := op.Append(nil)
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), b.Next(), line))
	b.Step(b.Next(), &op, nil)
}

func TestALogLeadsToItsBookAlsoWhereItWasTrimmed(t *testing.T) {
	log, b := &slice{first: 1}, arbiter.NewBook()
	put(t, log, b, arbiter.Op{Kind: arbiter.Stock, Equipment: []string{"R1", "R2"}, Owners: 1})
	put(t, log, b, ask("A", 1, "U", "R1"))
	early, err := arbiter.Read(t.Context(), log)
	require.NoError(t, err)
	put(t, log, b, ask("B", 1, "U", "R1"))
	op, err := b.Whole(9)
	require.NoError(t, err)
	mark := b.Next()
	put(t, log, b, op)
	put(t, log, b, giveBack("A", 1, "U"))
	require.NoError(t, log.Trim(t.Context(), mark))

	late, err := arbiter.Read(t.Context(), log)
	require.NoError(t, err)
	require.Equal(t, whole(t, b), whole(t, late))
	require.Equal(t, b.Next(), late.Next())
	require.NoError(t, early.Follow(t.Context(), log, nil), "it was behind what was trimmed")
	require.Equal(t, whole(t, b), whole(t, early))
	var told []string
	put(t, log, b, giveBack("B", 1, "U"))
	require.NoError(t, late.Follow(t.Context(), log, func(seq uint64, op *arbiter.Op, fx []arbiter.Effect) {
		for i := range fx {
			told = append(told, fmt.Sprint(seq, " ", words(&fx[i])))
		}
	}))
	require.Equal(t, []string{"6 B/1 ends R1"}, told)

	log.ops = log.ops[1:] // and the Whole is gone
	log.first++
	_, err = arbiter.Read(t.Context(), log)
	require.ErrorIs(t, err, arbiter.ErrOp)
	log.ops[0] = []byte("{}")
	_, err = arbiter.Read(t.Context(), log)
	require.ErrorIs(t, err, arbiter.ErrOp)
	stop := errors.New("stop")
	require.ErrorIs(t, arbiter.NewBook().Follow(t.Context(), failing{stop}, nil), stop)
}

type failing struct{ error }

func (f failing) Append(context.Context, uint64, []byte) error { return f.error }
func (f failing) Read(context.Context, uint64, func(seq uint64, op []byte) error) error {
	return f.error
}
func (f failing) Trim(context.Context, uint64) error { return f.error }

func TestABookThatNoLogLeadsToIsRefused(t *testing.T) {
	s := begin(t)
	s.does(ask("A", 1, "U", "R1", "R2"), "A/1 has R1+R2 by 1")
	s.does(ask("B", 1, "U", "R2"), "B/1 is 1, A has it since 3")
	good := whole(t, s.book)
	for _, cut := range []struct{ old, by string }{
		{`"token":1,"turn":3,`, `"token":0,"turn":3,`}, {`"id":"R1"`, `"id":"R3"`}, {`"id":"R1"`, `"id":"Z"`}, {`"batch":"B"`, `"batch":"A"`},
		{`"owners":1`, `"owners":65`}, {`"claim":1`, `"claim":0`}, {`["R2"]`, `["R3"]`}, {`["R1","R2"]`, `["R1","R1"]`}, {`{"token"`, ` {"token"`},
	} {
		require.Contains(t, good, cut.old)
		op := arbiter.Op{Kind: arbiter.Whole, State: bytes.Replace([]byte(good), []byte(cut.old), []byte(cut.by), 1)}
		b := arbiter.NewBook()
		fx := b.Step(9, &op, nil)
		require.Len(t, fx, 1, "%+v", cut)
		require.Equal(t, arbiter.Refused, fx[0].Kind)
		require.EqualValues(t, 1, b.Next())
	}
}
