// The log against the ledger: what was changed in the one and not in the other.

package executive

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal/record"
)

// past is a log in which equipment went from hand to hand in all ways.
func past() []arbiter.Op {
	claim := func(batch string, id uint32, step string, set ...string) arbiter.Op {
		return arbiter.Op{Kind: arbiter.Request, Batch: batch, ID: id, Step: step, Equipment: set}
	}
	return []arbiter.Op{
		{Kind: arbiter.Stock, Equipment: []string{"U1", "U2", "U3"}, Owners: 1},
		{Kind: arbiter.Stock, Equipment: []string{"P1"}, Owners: 2},
		claim("A", 1, "S", "U1", "P1"),
		claim("B", 1, "S", "U1"),
		claim("C", 1, "S", "U1"),
		claim("B", 2, "T", "P1"),
		{Kind: arbiter.Reorder, Batch: "C", ID: 1, Place: 1, Actor: "op", Role: "shift", Reason: "first"},
		{Kind: arbiter.Floor, Token: 40},
		{Kind: arbiter.Raise, Batch: "A"},
		{Kind: arbiter.Force, Equipment: []string{"P1"}, Batch: "A", Actor: "op", Role: "shift", Reason: "stuck"},
		{Kind: arbiter.Release, Batch: "A", ID: 1},
		claim("D", 1, "S", "U2", "U3"),
		claim("A", 2, "S", "U3"),
		{Kind: arbiter.Leave, Batch: "D", Reason: "removed"},
		claim("D", 2, "S", "U2"),
	}
}

// lines are operations as they stand in a log.
func lines(t *testing.T, ops []arbiter.Op) (list [][]byte) {
	for i := range ops {
		line, err := ops[i].Append(nil)
		require.NoError(t, err)
		list = append(list, line)
	}
	return list
}

// told are the records of a log.
func told(ops []arbiter.Op) (list []func(*record.Body), book *arbiter.Book) {
	book = arbiter.NewBook()
	for i := range ops {
		seq := book.Next()
		list = append(list, records(seq, deeds(&ops[i], book.Step(seq, &ops[i], nil)))...)
	}
	return list, book
}

// noted puts records into the ledger of a site.
func (s *site) noted(list []func(*record.Body)) {
	led, err := ledger.Open(filepath.Join(s.dir, "manager"), "test", "manager", nil)
	require.NoError(s.t, err)
	_, err = led.AppendAll(list...)
	require.NoError(s.t, err)
	require.NoError(s.t, led.Close())
}

// comesUp starts a manager, and gives who has what.
func (s *site) comesUp() ([]arbiter.Holding, error) {
	m, err := New(s.dir, s.net, s.log, s, &Options{Device: "test"})
	if err != nil {
		return nil, err
	}
	list := m.desk.holdings()
	require.NoError(s.t, m.Close())
	return list, nil
}

// altered gives an operation with each of its fields changed, alone.
func altered(op arbiter.Op) (list []arbiter.Op) {
	with := func(change func(o *arbiter.Op)) {
		o := op
		o.Equipment = slices.Clone(op.Equipment)
		change(&o)
		list = append(list, o)
	}
	for _, batch := range []string{"A", "B", "C", "D", "E"} {
		with(func(o *arbiter.Op) { o.Batch = batch })
	}
	for _, id := range []string{"U1", "U2", "U3", "P1"} {
		with(func(o *arbiter.Op) { o.Equipment = []string{id} })
		with(func(o *arbiter.Op) { o.Equipment = append(o.Equipment, id) })
	}
	for n := range 4 {
		with(func(o *arbiter.Op) { o.ID = uint32(n) })
		with(func(o *arbiter.Op) { o.Owners = n })
		with(func(o *arbiter.Op) { o.Place = int64(n) })
		with(func(o *arbiter.Op) { o.Priority = int64(n) })
		with(func(o *arbiter.Op) { o.Token = uint64(n * 50) })
	}
	for kind := arbiter.Request; kind <= arbiter.Mark; kind++ {
		with(func(o *arbiter.Op) { o.Kind = kind })
	}
	with(func(o *arbiter.Op) { o.Step = "T" })
	with(func(o *arbiter.Op) { o.Actor = "nobody" })
	with(func(o *arbiter.Op) { o.Role = "guest" })
	with(func(o *arbiter.Op) { o.Reason = "none" })
	with(func(o *arbiter.Op) { o.Retired = true })
	return list
}

func TestWhateverIsChangedInTheLogNobodyHasWhatTheLedgerDoesNotSay(t *testing.T) {
	inOurTime(t, func(s *site) {
		ops := past()
		list, book := told(ops)
		led, err := ledger.Open(t.TempDir(), "test", "manager", nil)
		require.NoError(t, err)
		var on []*record.Record // what is on record
		for _, fill := range list {
			var b record.Body
			fill(&b)
			stamps(&b)
			body, err := b.Append(nil)
			require.NoError(t, err)
			r, err := record.Parse(body)
			require.NoError(t, err)
			on = append(on, r)
		}
		who := func(b *arbiter.Book) (all []string) {
			for _, h := range b.Holdings() {
				all = append(all, fmt.Sprint(h.Equipment, h.Batch, h.ID, h.Token))
			}
			return all
		}
		refused, same := 0, 0
		try := func(changed [][]byte, what string) {
			log := &memLog{ops: changed}
			a := newAccount(log)
			for _, r := range on {
				a.note(r)
			}
			d := newDesk(log, led, a, 1000, func() {})
			if err := d.begin(s.ctx); err != nil {
				require.ErrorContains(t, err, "operation ", what)
				refused++
				return
			}
			require.Equal(t, who(book), who(d.book), what)
			same++
		}
		try(lines(t, ops), "as it was")
		require.Equal(t, 1, same)
		for i := range ops {
			for _, op := range altered(ops[i]) {
				if line, err := op.Append(nil); err == nil {
					changed := lines(t, ops)
					changed[i] = line
					try(changed, string(line))
				}
			}
			try(slices.Delete(lines(t, ops), i, i+1), fmt.Sprint("without ", i+1))
			if i > 0 {
				changed := lines(t, ops)
				changed[i-1], changed[i] = changed[i], changed[i-1]
				try(changed, fmt.Sprint("before ", i))
				try(slices.Insert(lines(t, ops), i, lines(t, ops)[i-1]), fmt.Sprint("twice ", i))
			}
		}
		t.Logf("%d refused, %d change nobody's equipment", refused, same)
		require.Greater(t, refused, 200)
		require.Zero(t, led.Head().N, "what was refused left nothing, and what was on record is not written again")
		require.NoError(t, led.Close())
	})
}

// stamps gives a body what every record has.
func stamps(b *record.Body) {
	b.Count(record.EventSeq, 1)
	b.Text(record.JournalID, "J")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Text(record.SyncState, "never")
	b.Text(record.TimeSource, "none")
	b.Text(record.DeviceID, "test")
}

func TestAnOwnerThatWasChangedInTheLogIsNamedAndTheManagerDoesNotComeUp(t *testing.T) {
	inOurTime(t, func(s *site) {
		ops := past()
		list, _ := told(ops)
		s.noted(list)
		ops[2].Batch = "B"
		s.log.ops = lines(t, ops)
		_, err := s.comesUp()
		require.ErrorContains(t, err, `operation 3: the log says "B", claim 1, token 1: ["U1" "P1"] granted; the ledger says "A", claim 1, token 1: ["U1" "P1"] granted`)
		require.ErrorContains(t, err, "put the log of before in its place")
	})
}

func TestALedgerThatEndsAnywhereIsContinuedFromTheLog(t *testing.T) {
	ops := past()
	list, book := told(ops)
	for n := range len(list) + 1 {
		inOurTime(t, func(s *site) {
			s.log.ops = lines(t, ops)
			s.noted(list[:n])
			for range 2 {
				had, err := s.comesUp()
				require.NoError(t, err)
				require.Equal(t, book.Holdings(), had)
				require.Len(t, ownerRecords(s), len(list))
			}
		})
	}
}

// trimmed is a log whose first operations are one.
func trimmed(t *testing.T, s *site) *arbiter.Book {
	ops := past()
	list, book := told(ops)
	s.noted(list)
	op, err := book.Whole(0)
	require.NoError(t, err)
	s.log.ops = append(make([][]byte, len(ops)), lines(t, []arbiter.Op{op})...)
	return book
}

func TestABookThatStandsInTheLogAsOneIsHeldAgainstAllThatTheLedgerSays(t *testing.T) {
	inOurTime(t, func(s *site) {
		book := trimmed(t, s)
		had, err := s.comesUp()
		require.NoError(t, err)
		require.Equal(t, book.Holdings(), had)
		whole, err := arbiter.ParseOp(s.log.ops[len(s.log.ops)-1])
		require.NoError(t, err)
		for _, c := range [][2]string{{`"batch":"D","claims":[{"claim":2`, `"batch":"D","claims":[{"claim":3`}, {`"batch":"D"`, `"batch":"E"`},
			{`{"token":46`, `{"token":45`}, {`{"token":46`, `{"token":47`}, {`"claim":2,"step":"S","equipment":["U2"]`, `"claim":2,"step":"S","equipment":["U9"]`}} {
			require.Contains(t, string(whole.State), c[0])
			op := whole
			op.State = bytes.Replace(whole.State, []byte(c[0]), []byte(c[1]), 1)
			s.log.ops[len(s.log.ops)-1] = lines(t, []arbiter.Op{op})[0]
			had, err = s.comesUp()
			if err == nil {
				require.Equal(t, book.Holdings(), had, c[1])
				require.Contains(t, c[1], "47", "tokens may go on higher")
			}
		}
	})
}

func TestANewLedgerBeginsWithWhatTheLogHas(t *testing.T) {
	inOurTime(t, func(s *site) {
		book := trimmed(t, s)
		s.dir = t.TempDir()
		for range 2 {
			had, err := s.comesUp()
			require.NoError(t, err)
			require.Equal(t, book.Holdings(), had)
			require.Equal(t, []string{"owner A granted U3", "owner B granted P1", "owner C granted U1", "owner D granted U2"}, sortedLines(ownerRecords(s)))
		}
		m, err := New(s.dir, s.net, s.log, s, &Options{Device: "test", Whole: 1})
		require.NoError(t, err)
		_, err = m.desk.do(arbiter.Op{Kind: arbiter.Release, Batch: "D", ID: 2}, nil)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		_, err = s.comesUp()
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(ownerRecords(s)[4], "released U2"))
	})
}

func sortedLines(list []string) []string {
	slices.Sort(list)
	return list
}

func TestALedgerIsHeldAgainstTheMarkOfItsNode(t *testing.T) {
	for _, c := range []struct {
		what       string
		last, from uint64 // of the ledger, and of the log
		marks      []arbiter.NodeMark
		why        string
	}{
		{"a new node", 0, 1, nil, ""},
		{"a new node, on a log that was trimmed", 0, 90, []arbiter.NodeMark{{Node: "n2", Seq: 95, Last: 95}}, ""},
		{"nothing went on record yet", 0, 1, []arbiter.NodeMark{{Node: "n1", Seq: 3}}, ""},
		{"all is there", 40, 1, []arbiter.NodeMark{{Node: "n1", Seq: 50, Last: 40}}, ""},
		{"more is there", 60, 30, []arbiter.NodeMark{{Node: "n1", Seq: 50, Last: 40}}, ""},
		{"what a cut left out is in the log", 40, 30, nil, ""},
		{"what was let go came to nothing", 40, 60, []arbiter.NodeMark{{Node: "n1", Seq: 59, Last: 40}}, ""},
		{"a new disk", 0, 1, []arbiter.NodeMark{{Node: "n1", Seq: 50, Last: 40}}, "its ledger ends with operation 0: its disk was put back"},
		{"one record is lacking", 39, 1, []arbiter.NodeMark{{Node: "n1", Seq: 50, Last: 40}}, "its ledger ends with operation 39"},
		{"struck out", 40, 60, []arbiter.NodeMark{{Node: "n2", Seq: 59, Last: 59}}, "operations 41 to 59 were let go"},
		{"this disk has spoken last", 40, 1, []arbiter.NodeMark{{Node: "n1", Seq: 50, Last: 40, Life: "mine"}, {Node: "n2", Seq: 50, Life: "of n2"}}, ""},
		{"another disk has", 40, 1, []arbiter.NodeMark{{Node: "n1", Seq: 50, Last: 40, Life: "its"}}, "somebody has spoken for node n1 whom its ledger does not know"},
		{"struck out, and its mark is one that came behind", 40, 60, []arbiter.NodeMark{{Node: "n1", Seq: 58, Last: 40}}, "operations 41 to 59 were let go"},
	} {
		a := account{last: c.last, from: c.from, lives: map[string]bool{"mine": true}}
		err := a.backward("n1", c.marks)
		if c.why == "" {
			require.NoError(t, err, c.what)
			continue
		}
		require.ErrorContains(t, err, c.why, c.what)
		require.ErrorContains(t, err, putBack, c.what)
		require.NoError(t, a.backward("", c.marks), "one board alone has no mark")
		a.by = person{actor: "local:0", reason: "known"}
		require.NoError(t, a.backward("n1", c.marks), c.what)
		require.Contains(t, a.anew, c.why)
	}
}
