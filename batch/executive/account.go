// The account: what the ledger says became of equipment. The log is held against it at a start: the ledger is a chain, and the log is none.

package executive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal/record"
)

// deed is what became of equipment of one batch by an operation, as it is on record.
type deed struct {
	batch, word         string
	equipment           []string
	claim               int64
	token               uint64
	place               int64
	actor, role, reason string // of who has ordered it, where that is a person
}

// deeds are what is on record of an operation.
func deeds(op *arbiter.Op, fx []arbiter.Effect) (list []deed) {
	for i := range fx {
		f := &fx[i]
		word := owned(f, op.Kind)
		if word == "" || f.Batch == "" || len(f.Equipment) == 0 {
			continue
		}
		d := deed{batch: f.Batch, word: word, equipment: f.Equipment, claim: int64(f.ID), token: f.Token, place: max(f.Place, 0)}
		if op.Actor != "" {
			d.actor, d.role, d.reason = op.Actor, op.Role, op.Reason
		}
		list = append(list, d)
	}
	return list
}

// parseDeed reads what records wrote.
func parseDeed(r *record.Record) deed {
	return deed{batch: r.Text(record.ObjectID), word: r.Text(record.Detail), equipment: slices.Clone(r.Texts(record.ResourceID)),
		claim: r.Int(record.RequestID), token: r.Count(record.Token), place: r.Int(record.QueuePlace),
		actor: r.Text(record.Actor), role: r.Text(record.OperatorRole), reason: r.Text(record.ChangeReason)}
}

func (d *deed) same(o *deed) bool {
	return d.batch == o.batch && d.word == o.word && slices.Equal(d.equipment, o.equipment) && d.claim == o.claim && d.token == o.token &&
		d.place == o.place && d.actor == o.actor && d.role == o.role && d.reason == o.reason
}

// text is a deed as people read it; nil is none.
func (d *deed) text() string {
	if d == nil {
		return "nothing"
	}
	text := fmt.Sprintf("%q, claim %d, token %d: %q %s", d.batch, d.claim, d.token, d.equipment, d.word)
	if d.place > 0 {
		text += fmt.Sprintf(" %d", d.place)
	}
	if d.actor != "" {
		text += fmt.Sprintf(" by %q as %q: %q", d.actor, d.role, d.reason)
	}
	return short(text)
}

// grant is one piece of equipment as a claim has it.
type grant struct {
	equipment, batch string
	claim            int64
}

// account is that. What stands in the ledger before the first operation of the log is kept as what it came to; the rest one by one.
type account struct {
	from  uint64 // first operation of the log
	last  uint64 // last operation of which something is on record
	later []noted
	has   map[grant]uint64 // with the token of each
	token uint64           // the greatest that was given
	err   error            // why the log could not be read

	node    string          // whose ledger it is; "": not known
	lives   map[string]bool // who has spoken for the node
	other   string          // who has superseded this ledger last
	vouched uint64          // operation up to which a person has let the log speak for what the ledger lacks

	by   person // who lets a ledger begin anew that was put back, and why; nobody: it does not
	anew string // what a person has let happen
}

// noted is a deed and the number of its operation.
type noted struct {
	seq uint64
	deed
}

// newAccount begins the account for a log. What is wrong with the log is said when it is read.
func newAccount(log arbiter.Log) *account {
	ctx, cancel := context.WithTimeout(context.Background(), logLimit)
	defer cancel()
	a := &account{from: math.MaxUint64, has: map[grant]uint64{}, lives: map[string]bool{}}
	err := log.Read(ctx, 1, func(seq uint64, _ []byte) error {
		a.from = min(a.from, seq)
		return errFirst
	})
	if err != nil && a.from == math.MaxUint64 {
		a.from, a.err = 0, err
	}
	return a
}

// errFirst ends the reading of a log behind its first operation.
var errFirst = errors.New("executive: that was the first")

// note takes in a record.
func (a *account) note(r *record.Record) {
	n := noted{r.Count(record.ArbiterSeq), parseDeed(r)}
	a.last = n.seq
	if n.seq < a.from {
		a.add(&n.deed)
		return
	}
	a.later = append(a.later, n)
}

// add has a deed count.
func (a *account) add(d *deed) {
	a.token = max(a.token, d.token)
	for _, id := range d.equipment {
		g := grant{id, d.batch, d.claim}
		switch _, had := a.has[g]; {
		case d.word == wordGranted, d.word == wordRaised && had:
			a.has[g] = d.token
		case d.word == wordReleased, d.word == wordTaken:
			delete(a.has, g)
		}
	}
}

// hold holds what an operation of the log came to against what is on record of it, and gives what is not on record yet. Over is set where the book
// was not led to by the operations before, but is that of a Whole.
func (a *account) hold(seq uint64, op *arbiter.Op, fx []arbiter.Effect, over bool, b *arbiter.Book) (rest []deed, err error) {
	list := deeds(op, fx)
	if over {
		for len(a.later) > 0 && a.later[0].seq < seq {
			a.add(&a.later[0].deed)
			a.later = a.later[1:]
		}
		if list, err = a.whole(seq, b); err != nil {
			return nil, err
		}
	} else if op.Kind == arbiter.Whole && len(fx) > 0 {
		return nil, differs(seq, fx[0].Reason, "what the operations before it have led to")
	}
	n := 0
	for ; n < len(a.later) && a.later[n].seq <= seq; n++ {
		said := &a.later[n]
		if n >= len(list) || said.seq < seq {
			return nil, differs(said.seq, "nothing more", said.text())
		}
		if over {
			list[n].actor, list[n].role, list[n].reason = said.actor, said.role, said.reason
		}
		if !said.same(&list[n]) {
			return nil, differs(seq, list[n].text(), said.text())
		}
	}
	if seq < a.last && n < len(list) {
		return nil, differs(seq, list[n].text(), "nothing more")
	}
	a.later = a.later[n:]
	for i := range list {
		a.add(&list[i])
	}
	return list[n:], nil
}

// whole holds a book that stands in the log as one operation against what all before it have come to. What it gives is to be on record of it: all that
// stands, where the ledger is a new one, or what differs, where a person lets it begin anew.
func (a *account) whole(seq uint64, b *arbiter.Book) ([]deed, error) {
	if b.Token() < a.token {
		return nil, differs(seq, fmt.Sprintf("that tokens go on above %d", b.Token()), fmt.Sprintf("that %d was given", a.token))
	}
	fresh := a.token == 0
	left := maps.Clone(a.has)
	var list []deed
	var first error
	for _, d := range stands(b) {
		same := true
		for _, id := range d.equipment {
			g := grant{id, d.batch, d.claim}
			token, had := left[g]
			if delete(left, g); had && token == d.token {
				continue
			}
			if same = false; first == nil && had {
				first = differs(seq, d.text(), fmt.Sprintf("that this one has %s under token %d", id, token))
			} else if first == nil {
				first = differs(seq, d.text(), "that this one does not have "+id)
			}
		}
		if !same {
			list = append(list, d)
		}
	}
	var gone []deed
	for _, g := range slices.SortedFunc(maps.Keys(left), func(g, h grant) int {
		return cmp.Or(cmp.Compare(g.equipment, h.equipment), cmp.Compare(g.batch, h.batch), cmp.Compare(g.claim, h.claim))
	}) {
		d := deed{batch: g.batch, claim: g.claim, token: left[g], equipment: []string{g.equipment}, word: wordGranted}
		first = cmp.Or(first, differs(seq, "nothing of what stands", d.text()))
		d.word = wordReleased
		gone = append(gone, d)
	}
	list = append(gone, list...)
	begun := len(a.later) > 0 && a.later[0].seq == seq // somebody has let it, and a cut came between
	if first == nil || fresh || begun {
		return list, nil
	}
	if a.by.actor == "" {
		return nil, fmt.Errorf("%w. %s", first, putBack)
	}
	a.anew = fmt.Sprintf("the log begins with operation %d, and the ledger ends before it", seq)
	for i := range list {
		list[i].actor, list[i].role, list[i].reason = a.by.actor, a.by.role, a.by.reason
	}
	return list, nil
}

// putBack is what can be done with a ledger that was put back.
const putBack = "Where it is known that the disk of this node was put back to an earlier day, or is a new one, or that the node was struck out meanwhile, " +
	"a person may let its ledger begin anew with what the log says: start the manager once with a reason for that"

// backward refuses a ledger that lacks what its own node has said that it has on record, and one of which nobody knows whether it lacks what the log has
// no more. What the log still has could be written; but a disk that was put back has other things of an earlier day, too, and somebody is to know.
func (a *account) backward(node string, marks []arbiter.NodeMark) error {
	if node == "" {
		return nil
	}
	var mine arbiter.NodeMark
	if i := slices.IndexFunc(marks, func(m arbiter.NodeMark) bool { return m.Node == node }); i >= 0 {
		mine = marks[i]
	}
	why := ""
	switch {
	case max(a.last, a.vouched) < mine.Last:
		why = fmt.Sprintf("node %s has said that it has on record what operation %d came to, and its ledger ends with operation %d: its disk was put back", node, mine.Last, a.last)
	case a.last > 0 && max(a.last, a.vouched)+1 < a.from && mine.Seq+1 < a.from:
		why = fmt.Sprintf("operations %d to %d were let go from the log, and no mark of node %s says that they are on record: it was struck out", a.last+1, a.from-1, node)
	case a.strange(mine.Life):
		why = fmt.Sprintf("somebody has spoken for node %s whom its ledger does not know: its disk was put back, or copied", node)
	default:
		return nil
	}
	if a.strange(mine.Life) {
		why += ". A copy of this disk may run on another board: end that one first"
	}
	if a.by.actor == "" {
		return fmt.Errorf("%s. %s", why, putBack)
	}
	a.anew = or(a.anew, why)
	return nil
}

// ledgerKind is the object_kind of a ledger that began anew. Its object_version is the operation up to which the log speaks for it.
const ledgerKind = "ledger"

// admit puts on record that a person has let a ledger begin anew with what the log says up to an operation. It is said once: where nothing became of
// equipment up to there, nothing else on record says that the ledger goes so far.
func (a *account) admit(led string, seq uint64) []func(b *record.Body) {
	if a.anew == "" {
		return nil
	}
	return []func(b *record.Body){func(b *record.Body) {
		b.Begin(record.KindLibraryChange)
		b.Text(record.Actor, a.by.actor)
		b.Text(record.ChangeReason, a.by.reason)
		b.Text(record.OldValue, fmt.Sprintf("up to operation %d of the log", a.last))
		b.Text(record.NewValue, "what the log says")
		b.Text(record.ImpactScope, short("who had what, and which batches there were, between the two: "+a.anew))
		b.Text(record.ObjectKind, ledgerKind)
		b.Text(record.ObjectID, led)
		b.Text(record.ObjectVersion, strconv.FormatUint(seq, 10))
		b.Text(record.Digest, "none")
		b.Text(record.ApprovalID, "none")
	}}
}

// stands is all that a book has given, as it would be on record if it were given now.
func stands(b *arbiter.Book) (list []deed) {
	for _, batch := range b.Batches() {
		for _, f := range b.Of(batch, nil) {
			if f.Kind == arbiter.Granted {
				list = append(list, deeds(&arbiter.Op{}, []arbiter.Effect{f})...)
			}
		}
	}
	return list
}

// differs says that the log was changed, or the ledger is another one's.
func differs(seq uint64, log, ledger string) error {
	return fmt.Errorf("operation %d: the log says %s; the ledger says %s. One of the two was changed, or does not belong to the other, and a ledger "+
		"whose records were changed would not have opened. Nothing was given to anybody: keep both as they are, find out who wrote to the log, and put the log of "+
		"before in its place", seq, log, ledger)
}
