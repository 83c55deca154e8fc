// Random operations against a book and, beside it, a model that is too simple to be wrong.

package arbiter_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// world is a book under random operations, and what a model knows of it.
type world struct {
	*testing.T
	rng    *rand.Rand
	book   *arbiter.Book
	log    []arbiter.Op
	claims []*modelClaim // that stand, in no order
	tokens map[string]uint64
	owners map[string]int  // by equipment
	gone   map[string]bool // retired
	ids    map[string]uint32
	over   map[string]bool   // "batch/claim" that has ended
	got    map[string]string // by batch/key
	mail   map[string]int    // messages that were sent and not taken, by what and by whom
	met    map[string]int
	marks  map[string]arbiter.NodeMark
}

// modelClaim is a claim as the model knows it, from effects and operations alone.
type modelClaim struct {
	batch string
	id    uint32
	step  string
	set   []string
	token uint64
}

var (
	batchNames = []string{"B-1", "B-2", "B-3", "B-4", "B-5"}
	equipment  = []string{"P1", "R1", "R2", "S1", "T1"}
	steps      = []string{"U", "V"}
	groupNames = []string{"G", "H"}
	texts      = []string{"FILL", "DRAIN"}
)

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// some picks one to three pieces, in any order.
func (w *world) some() []string {
	all := slices.Clone(equipment)
	w.rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all[:1+w.rng.IntN(3)]
}

// op makes an operation that may or may not make sense.
func (w *world) op() arbiter.Op {
	r := w.rng
	o := arbiter.Op{At: int64(1000 + len(w.log)), Batch: pick(r, batchNames)}
	id := func() uint32 { return uint32(r.IntN(int(w.ids[o.Batch]) + 2)) }
	switch n := r.IntN(100); {
	case n < 30:
		w.ids[o.Batch]++
		o.Kind, o.ID, o.Step, o.Equipment, o.Priority = arbiter.Request, w.ids[o.Batch], pick(r, steps), w.some(), int64(r.IntN(3)-1)
		if r.IntN(4) == 0 {
			o.Step = fmt.Sprint("W", r.IntN(4))
		}
	case n < 33 && len(w.log) > 0: // what was said before
		o = w.log[r.IntN(len(w.log))]
		if o.Kind == arbiter.Whole || o.Kind == arbiter.Stock || o.Kind == arbiter.Mark {
			o.Kind = arbiter.Leave
		}
	case n < 50:
		o.Kind, o.ID, o.Step = arbiter.Release, id(), pick(r, append(steps, ""))
	case n < 51:
		o.Kind, o.Reason = arbiter.Leave, pick(r, []string{"", "aborted"})
	case n < 53:
		o.Kind = arbiter.Raise
	case n < 56:
		o.Kind, o.Equipment, o.Actor, o.Batch = arbiter.Force, w.some()[:1], "AS", pick(r, []string{"", o.Batch})
	case n < 61:
		o.Kind, o.ID, o.Place, o.Actor = arbiter.Reorder, id(), int64(r.IntN(4)), "AS"
	case n < 63:
		o.Kind, o.Token = arbiter.Floor, w.book.Token()+uint64(r.IntN(5))
	case n < 67:
		o.Kind, o.Batch, o.Equipment, o.Owners, o.Retired = arbiter.Stock, "", w.some(), r.IntN(4), r.IntN(4) == 0
	case n < 74:
		o.Kind, o.Group = arbiter.Join, pick(r, groupNames)
	case n < 75:
		o.Kind, o.Group = arbiter.Quit, pick(r, append(groupNames, ""))
	case n < 78:
		o.Kind, o.Batch, o.Place, o.ID = arbiter.Mark, pick(r, []string{"n1", "n2", "n3"}), pick(r, []int64{0, int64(r.IntN(len(w.log) + 1)), 1 << 40}), uint32(r.IntN(9))
		o.Token = uint64(r.IntN(int(min(o.Place, 1<<20)) + 2))
		if r.IntN(4) == 0 {
			o.Retired, o.Actor = true, pick(r, []string{"", "AS"})
		}
	default:
		o.Kind = pick(r, []arbiter.OpKind{arbiter.Post, arbiter.Take, arbiter.Meet, arbiter.Forget})
		o.Group, o.Message, o.Key, o.Partners = pick(r, groupNames), pick(r, texts), fmt.Sprint("K", r.IntN(200)), 2+r.IntN(2)
		if o.Kind == arbiter.Meet {
			o.Message = "LINE"
		}
		if o.Kind == arbiter.Take && r.IntN(2) == 0 {
			o.Message = ""
		}
	}
	return o
}

// find finds a claim of the model.
func (w *world) find(batch string, id uint32) *modelClaim {
	for _, c := range w.claims {
		if c.batch == batch && c.id == id {
			return c
		}
	}
	return nil
}

// drop ends a claim of the model.
func (w *world) drop(c *modelClaim) {
	w.over[fmt.Sprint(c.batch, "/", c.id)] = true
	w.claims = slices.DeleteFunc(w.claims, func(d *modelClaim) bool { return d == c })
}

// owned is how many have a piece.
func (w *world) owned(id string) (n int) {
	for _, c := range w.claims {
		if c.token > 0 && slices.Contains(c.set, id) {
			n++
		}
	}
	return n
}

// had tells what has to hold of a grant before it is one.
func (w *world) granted(e *arbiter.Effect) {
	c := w.find(e.Batch, e.ID)
	require.NotNil(w, c, "%+v", e)
	require.False(w, w.over[fmt.Sprint(e.Batch, "/", e.ID)], "a claim that has ended was granted: %+v", e)
	if c.token == e.Token {
		return // said again
	}
	for _, id := range e.Equipment {
		if c.token == 0 {
			require.False(w, w.gone[id], "retired: %+v", e)
			require.Less(w, w.owned(id), w.owners[id], "%s has too many owners: %+v", id, e)
		}
		require.Greater(w, e.Token, w.tokens[id], "tokens grow: %+v", e)
		w.tokens[id] = e.Token
	}
	c.token, c.set = e.Token, e.Equipment
}

// hear takes effects into the model.
func (w *world) hear(op *arbiter.Op, fx []arbiter.Effect) {
	for i := range fx {
		e := &fx[i]
		w.met[fmt.Sprint(e.Kind)]++
		switch c := w.find(e.Batch, e.ID); {
		case e.Kind == arbiter.Granted:
			w.granted(e)
		case e.Kind == arbiter.Queued:
			require.Zero(w, c.token)
			require.Positive(w, e.Place)
			require.NotEmpty(w, e.Owner)
		case e.Kind == arbiter.Released && e.Key == "":
			require.NotNil(w, c, "%+v", e)
			w.drop(c)
		case e.Kind == arbiter.Refused:
			require.NotEmpty(w, e.Reason)
			if own := op.Kind == arbiter.Force && c != nil && c.token > 0 && len(e.Equipment) == 1; own && e.Key == "" && strings.Contains(e.Reason, "was taken") {
				c.set = slices.DeleteFunc(slices.Clone(c.set), func(id string) bool { return id == e.Equipment[0] })
				if len(c.set) == 0 {
					w.drop(c)
				}
			} else if op.Kind == arbiter.Stock && c != nil {
				require.Zero(w, c.token)
				w.drop(c)
			}
		case e.Kind == arbiter.Raised:
			for _, id := range e.Equipment {
				if again := i > 1 && fx[i-2].Token == e.Token; op.Kind == arbiter.Force && !again { // each owner is told of the same token
					require.Greater(w, e.Token, w.tokens[id])
					w.tokens[id] = e.Token
				}
			}
		case e.Kind == arbiter.Delivered:
			at := e.Batch + "/" + e.Key
			if was, ok := w.got[at]; ok {
				require.Equal(w, was, e.Message+" of "+e.From, "one key, two answers")
			}
			require.NotContains(w, strings.Split(e.From, ", "), e.Batch)
			if _, again := w.got[at]; !again && e.Message != "LINE" {
				w.mail[e.From+e.Message]--
				require.GreaterOrEqual(w, w.mail[e.From+e.Message], 0, "a message was delivered twice")
			}
			w.got[at] = e.Message + " of " + e.From
		case e.Kind == arbiter.Sent:
			at := e.Batch + "/" + e.Key
			if _, again := w.got[at]; !again {
				w.mail[e.Batch+e.Message]++
			}
			w.got[at] = "sent"
		}
	}
}

// before takes into the model what an operation says, and the book may take up.
func (w *world) before(op *arbiter.Op) {
	switch op.Kind {
	case arbiter.Request:
		if w.find(op.Batch, op.ID) == nil && op.ID > 0 {
			w.claims = append(w.claims, &modelClaim{batch: op.Batch, id: op.ID, step: op.Step, set: op.Equipment})
		}
	case arbiter.Stock:
		for _, id := range op.Equipment {
			w.owners[id], w.gone[id] = op.Owners, op.Retired
		}
	case arbiter.Mark:
		m := w.marks[op.Batch]
		switch {
		case op.Retired:
			delete(w.marks, op.Batch)
		case op.Place < int64(w.book.Next()):
			w.marks[op.Batch] = arbiter.NodeMark{Node: op.Batch, Seq: max(m.Seq, uint64(op.Place)), Last: max(m.Last, op.Token), Given: max(m.Given, op.ID)}
		}
	case arbiter.Leave: // who comes back under the name begins anew
		for at := range w.over {
			if strings.HasPrefix(at, op.Batch+"/") {
				delete(w.over, at)
			}
		}
		for at := range w.got {
			if strings.HasPrefix(at, op.Batch+"/") {
				delete(w.got, at)
			}
		}
	}
}

// step does one operation, and holds the book against what must be.
func (w *world) step(op arbiter.Op) {
	line, err := op.Append(nil)
	if err != nil {
		fx := w.book.Step(w.book.Next(), &op, nil)
		require.Len(w, fx, 1)
		require.Equal(w, arbiter.Refused, fx[0].Kind)
		w.log = append(w.log, op)
		return
	}
	parsed, err := arbiter.ParseOp(line)
	require.NoError(w, err)
	w.before(&parsed)
	already, known := w.book.Known(&parsed, nil)
	was := ""
	if known {
		was = whole(w.T, w.book)
	}
	fx := w.book.Step(w.book.Next(), &parsed, nil)
	if known {
		require.Equal(w, already, fx)
		require.Equal(w, was, whole(w.T, w.book), "what is known changes nothing")
	}
	w.log = append(w.log, op)
	w.hear(&op, fx)
	if op.Kind == arbiter.Leave { // its claims may come again under the same numbers
		for at := range w.over {
			if strings.HasPrefix(at, op.Batch+"/") {
				delete(w.over, at)
			}
		}
	}
	if op.Kind == arbiter.Request && w.find(op.Batch, op.ID) != nil && !slices.ContainsFunc(fx, func(e arbiter.Effect) bool {
		return e.Batch == op.Batch && e.ID == op.ID && e.Kind != arbiter.Refused
	}) {
		w.drop(w.find(op.Batch, op.ID))
		delete(w.over, fmt.Sprint(op.Batch, "/", op.ID))
	}
	w.holds()
}

// holds are the promises about the book as it stands.
func (w *world) holds() {
	require.Equal(w, len(w.marks), len(w.book.Marks()))
	for _, m := range w.book.Marks() {
		require.Equal(w, w.marks[m.Node], m)
	}
	waits := map[string][]arbiter.Waiting{}
	owned := map[string]int{}
	for _, h := range w.book.Holdings() {
		waits[h.Equipment] = h.Waiting
		if h.Batch != "" {
			owned[h.Equipment]++
			c := w.find(h.Batch, h.ID)
			require.NotNil(w, c)
			require.Contains(w, c.set, h.Equipment)
			require.LessOrEqual(w, c.token, h.Token)
		}
	}
	for _, id := range equipment {
		require.Equal(w, w.owned(id), owned[id], id)
	}
	for _, c := range w.claims {
		if c.token > 0 {
			continue
		}
		w.placed(c, waits)
		blocked := false
		for _, id := range c.set {
			if !slices.ContainsFunc(waits[id], func(v arbiter.Waiting) bool { return v.Batch == c.batch && v.ID == c.id }) {
				require.Fail(w, "a lost waiter", "%+v", *c)
			}
			blocked = blocked || owned[id] >= w.owners[id]
		}
		if blocked {
			continue
		}
		require.Fail(w, "all of it is free, and it waits: %+v", *c)
	}
}

// placed counts the place of a claim anew.
func (w *world) placed(c *modelClaim, waits map[string][]arbiter.Waiting) {
	before := map[string]bool{}
	for _, id := range c.set {
		for _, v := range waits[id] {
			if v.Batch == c.batch && v.ID == c.id {
				break
			}
			before[fmt.Sprint(v.Batch, "/", v.ID)] = true
		}
	}
	for _, e := range w.book.Of(c.batch, nil) {
		if e.ID == c.id && e.Kind == arbiter.Queued {
			require.EqualValues(w, len(before)+1, e.Place, "%+v", e)
		}
	}
}

// whole is the book in bytes.
func whole(t *testing.T, b *arbiter.Book) string {
	op, err := b.Whole(0)
	require.NoError(t, err)
	return string(op.State)
}

// restored is the book of a Whole.
func restored(t *testing.T, b *arbiter.Book) *arbiter.Book {
	op, err := b.Whole(7)
	require.NoError(t, err)
	line, err := op.Append(nil)
	require.NoError(t, err)
	op, err = arbiter.ParseOp(line)
	require.NoError(t, err)
	again := arbiter.NewBook()
	require.Empty(t, again.Step(b.Next(), &op, nil))
	require.Equal(t, b.Next()+1, again.Next())
	return again
}

func TestRandomOperationsKeepThePromisesOfABook(t *testing.T) {
	seeds, length := 500, 80
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds, length = 20_000, 400
	}
	met := map[string]int{}
	for seed := range seeds {
		w := &world{T: t, rng: rand.New(rand.NewPCG(uint64(seed), 1)), book: arbiter.NewBook(), tokens: map[string]uint64{}, owners: map[string]int{},
			gone: map[string]bool{}, ids: map[string]uint32{}, over: map[string]bool{}, got: map[string]string{}, mail: map[string]int{}, met: met, marks: map[string]arbiter.NodeMark{}}
		w.step(arbiter.Op{Kind: arbiter.Stock, Equipment: equipment, Owners: 1})
		w.step(arbiter.Op{Kind: arbiter.Stock, Equipment: equipment[:2], Owners: 2})
		for range length {
			if w.step(w.op()); t.Failed() {
				t.Fatalf("seed %d, operation %+v", seed, w.log[len(w.log)-1])
			}
		}
		w.foldsAlike()
	}
	for k := arbiter.Granted; k <= arbiter.Sent; k++ {
		require.Greater(t, met[fmt.Sprint(k)], seeds/10, "%d never came", k)
	}
}

// foldsAlike holds that the log alone, from any Whole on, leads to the same book and the same effects.
func (w *world) foldsAlike() {
	live, from := arbiter.NewBook(), w.rng.IntN(len(w.log))
	var late *arbiter.Book
	for i := range w.log {
		if i >= from && i%7 == from%7 {
			late = restored(w.T, live)
			mark, err := live.Whole(7)
			require.NoError(w, err)
			require.Empty(w, live.Step(live.Next(), &mark, nil))
		}
		fx := live.Step(live.Next(), &w.log[i], nil)
		if late != nil {
			require.Equal(w, fx, late.Step(late.Next(), &w.log[i], nil))
			if i%5 > 0 {
				continue
			}
			require.Equal(w, whole(w.T, live), whole(w.T, late))
			require.Equal(w, live.Holdings(), late.Holdings())
			for _, batch := range batchNames {
				require.Equal(w, live.Of(batch, nil), late.Of(batch, nil))
			}
		}
	}
	require.Equal(w, whole(w.T, w.book), whole(w.T, live))
}
