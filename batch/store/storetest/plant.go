// A plant's database, held against what it promises.

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Plant holds a database of a plant against what store.Plant says of it. Open opens the same database each time, which is empty
// at first. It leaves rows of journals whose names begin with "suite".
func Plant(ctx context.Context, open func(ctx context.Context) (*store.Plant, error)) error {
	s := &plantSuite{ctx: ctx, open: open}
	var err error
	if s.p, err = open(ctx); err != nil {
		return fmt.Errorf("storetest: the plant does not open: %w", err)
	}
	s.check("records become rows, and a question finds them", "look at the statements of records", s.rows)
	s.check("a record is in the rows once, however often it is given", "keep the place in the journal in the transaction of the rows", s.once)
	s.check("a gap, another journal and another record are refused, and change nothing", "hold what is given against the place and its link", s.refused)
	s.check("what contradicts is set aside with the reason, and the rest goes on", "look at the checks of records, and at what the database refuses", s.aside)
	s.check("rebuilt is live, row for row, and other journals stay", "delete and make in one transaction", s.rebuilt)
	s.check("until a rebuild has ended readers see what was there, and a rebuild that fails changes nothing", "delete and make in one transaction", s.unseen)
	s.check("two that bring in one journal at once bring it in once", "lock the place in the journal first", s.writers)
	s.check("a reader sees whole transactions", "read in one transaction that sees one moment", s.whole)
	s.check("questions give all, some at a time, and refuse a filter that they do not know", "look at the cursor", s.pages)
	s.check("a plant that is opened again is the same", "look for what is kept in memory", s.again)
	return errors.Join(append(s.broken, s.p.Close())...)
}

type plantSuite struct {
	ctx    context.Context
	open   func(ctx context.Context) (*store.Plant, error)
	p      *store.Plant
	broken []error
}

func (s *plantSuite) check(promise, remedy string, look func() error) {
	if err := look(); err != nil {
		s.broken = append(s.broken, fmt.Errorf("storetest: broken: %s: %w; %s", promise, err, remedy))
	}
}

// PlantRows are all rows of a plant whose journals' names begin with so, a line each.
func PlantRows(ctx context.Context, p *store.Plant, so string) (all []string, err error) {
	err = p.Rows(ctx, func(table string, row []string) error {
		if strings.HasPrefix(row[0], so) {
			all = append(all, table+" "+strings.Join(row, "|"))
		}
		return nil
	})
	return all, err
}

// sameRows tells the first row in which two differ.
func sameRows(got, want []string) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("row %d is %q, and not %q", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d rows, and not %d", len(got), len(want))
	}
	return nil
}

// given brings in records in pieces of some size.
func given(ctx context.Context, p *store.Plant, name string, all []*record.Record, piece int) error {
	var at journal.Chain
	for len(all) > 0 {
		some := all[:min(piece, len(all))]
		all = all[len(some):]
		if err := p.Apply(ctx, name, at, some); err != nil {
			return err
		}
		for _, r := range some {
			at.Add(r.Body)
		}
	}
	return nil
}

func (s *plantSuite) rows() error {
	const name = "suite-rows"
	all, err := Day(name, 1, 12)
	if err == nil {
		err = given(s.ctx, s.p, name, all, 17)
	}
	if err != nil {
		return err
	}
	f := store.Filter{Journal: name, ID: "R-000003"}
	runs, next, err := s.p.Runs(s.ctx, f)
	if err != nil || len(runs) != 1 || next != "" {
		return fmt.Errorf("one run was to be found: %+v %w", runs, cmpErr(err))
	}
	if r := runs[0]; r.State != "Ready" || r.Status != ready || r.MainIdent != "lot R-000003" || r.Created == 0 || r.Started <= r.Created || r.Definition != "Production" {
		return fmt.Errorf("a run is %+v", r)
	}
	jobs, _, err := s.p.Jobs(s.ctx, store.Filter{Journal: name, Recipe: "PAINT"})
	if err != nil || len(jobs) != 3 || jobs[0].Amount != 4 || jobs[0].Begun != 4 || jobs[0].Success != 3 || jobs[0].Size != "500 L" || jobs[0].Group != "G-000001" {
		return fmt.Errorf("jobs are %+v %w", jobs, cmpErr(err))
	}
	articles, _, err := s.p.Articles(s.ctx, store.Filter{Journal: name, Job: "J-000002"})
	if err != nil || len(articles) != 4 || articles[0].Run != "R-000005" {
		return fmt.Errorf("articles are %+v %w", articles, cmpErr(err))
	}
	batches, _, err := s.p.Batches(s.ctx, store.Filter{Journal: name, State: "Ended"})
	if err != nil || len(batches) != 12 || batches[0].Since == 0 || batches[0].Actor != "planner" || batches[0].Reason == "" {
		return fmt.Errorf("batches are %+v %w", batches, cmpErr(err))
	}
	links, _, err := s.p.Links(s.ctx, store.Filter{Journal: name, Run: "R-000003"})
	if err != nil || len(links) != 1 || links[0].Material != "M-000003" || links[0].State != "linked" {
		return fmt.Errorf("links are %+v %w", links, cmpErr(err))
	}
	asides, _, err := s.p.Asides(s.ctx, store.Filter{Journal: name})
	if err != nil || len(asides) != 0 {
		return fmt.Errorf("nothing was to be set aside: %+v %w", asides, cmpErr(err))
	}
	return nil
}

func (s *plantSuite) once() error {
	const name = "suite-once"
	all, err := Day(name, 2, 9)
	if err == nil {
		err = given(s.ctx, s.p, name, all, len(all))
	}
	if err != nil {
		return err
	}
	want, err := PlantRows(s.ctx, s.p, name)
	if err != nil {
		return err
	}
	at, err := s.p.At(s.ctx, name)
	if err != nil || at.N != uint64(len(all)) {
		return fmt.Errorf("the place is %d, and not %d: %w", at.N, len(all), cmpErr(err))
	}
	for _, piece := range []int{1000, 7} {
		if err := given(s.ctx, s.p, name, all, piece); err != nil {
			return err
		}
		got, err := PlantRows(s.ctx, s.p, name)
		if err := errors.Join(err, sameRows(got, want)); err != nil {
			return err
		}
	}
	return nil
}

func (s *plantSuite) refused() error {
	const name = "suite-refused"
	all, err := Day(name, 3, 3)
	if err == nil {
		err = s.p.Apply(s.ctx, name, journal.Chain{}, all[:5])
	}
	if err != nil {
		return err
	}
	want, err := PlantRows(s.ctx, s.p, name)
	if err != nil {
		return err
	}
	at, err := s.p.At(s.ctx, name)
	if err != nil {
		return err
	}
	later := at
	later.Add(all[5].Body)
	other, err := another(name, 8)
	if err != nil {
		return err
	}
	for what, c := range map[string]struct {
		name string
		from journal.Chain
		all  []*record.Record
		want error
	}{
		"a gap":                             {name, later, all[6:], store.ErrRefused},
		"a gap within":                      {name, at, []*record.Record{all[5], all[7]}, store.ErrRefused},
		"the order":                         {name, at, []*record.Record{all[6], all[5]}, store.ErrRefused},
		"records of another journal":        {"suite-refused-2", journal.Chain{}, all, store.ErrRefused},
		"another link at the place":         {name, journal.Chain{N: 5, Link: later.Link}, all[5:], store.ErrDamaged},
		"other records up to the place":     {name, journal.Chain{}, other, store.ErrDamaged},
		"a journal without a name":          {"", journal.Chain{}, all, store.ErrRefused},
		"a journal with a NUL in its name":  {"a\x00b", journal.Chain{}, all, store.ErrRefused},
		"a journal whose name is very long": {strings.Repeat("a", 1000), journal.Chain{}, all, store.ErrRefused},
	} {
		if err := s.p.Apply(s.ctx, c.name, c.from, c.all); !errors.Is(err, c.want) {
			return fmt.Errorf("%s: %w, and not %w", what, cmpErr(err), c.want)
		}
	}
	got, err := PlantRows(s.ctx, s.p, name)
	return errors.Join(err, sameRows(got, want))
}

func (s *plantSuite) aside() error {
	for piece, name := range map[int]string{1: "suite-aside-1", 1000: "suite-aside-2"} {
		all, why, err := contradictions(name)
		if err == nil {
			err = given(s.ctx, s.p, name, all, piece)
		}
		if err != nil {
			return err
		}
		asides, _, err := s.p.Asides(s.ctx, store.Filter{Journal: name, Limit: 100})
		if err != nil {
			return err
		}
		found := map[uint64]store.Aside{}
		for _, a := range asides {
			found[a.Seq] = a
		}
		for i, want := range why {
			a, there := found[uint64(i+1)]
			if there != (want != "") || !strings.Contains(a.Reason, want) || there && a.Body != string(all[i].Body) {
				return fmt.Errorf("record %d, %.200s: was to be set aside with %q: %.300q", i+1, all[i].Body, want, a.Reason)
			}
		}
		values, _, err := s.p.Values(s.ctx, store.Filter{Journal: name})
		if err != nil || len(values) != 3 || values[0].Value != "a text with blanks" || values[0].At != -5 || values[1].N != 1 || values[2].Value != "" {
			return fmt.Errorf("values are %+v %w", values, cmpErr(err))
		}
		jobs, _, err := s.p.Jobs(s.ctx, store.Filter{Journal: name})
		if err != nil || len(jobs) != 1 || jobs[0].Aside != "the recipe is missing" {
			return fmt.Errorf("jobs are %+v %w", jobs, cmpErr(err))
		}
	}
	return nil
}

func (s *plantSuite) rebuilt() error {
	const name = "suite-once"
	all, err := Day(name, 2, 9)
	if err != nil {
		return err
	}
	want, err := PlantRows(s.ctx, s.p, "")
	if err != nil {
		return err
	}
	if err := s.p.Rebuild(s.ctx, name, func(add func([]*record.Record) error) error {
		for i := range all {
			if err := add(all[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	got, err := PlantRows(s.ctx, s.p, "")
	if err := errors.Join(err, sameRows(got, want)); err != nil {
		return err
	}
	if err := s.p.Rebuild(s.ctx, name, func(func([]*record.Record) error) error { return nil }); err != nil {
		return err
	}
	got, err = PlantRows(s.ctx, s.p, name)
	if err := errors.Join(err, sameRows(got, nil)); err != nil {
		return fmt.Errorf("of a journal that has no records: %w", err)
	}
	return s.p.Apply(s.ctx, name, journal.Chain{}, all)
}

func (s *plantSuite) unseen() error {
	const name = "suite-rows"
	all, err := Day(name, 1, 12)
	if err != nil {
		return err
	}
	other, err := s.open(s.ctx)
	if err != nil {
		return err
	}
	want, err := PlantRows(s.ctx, s.p, name)
	if err != nil {
		return errors.Join(err, other.Close())
	}
	stop := errors.New("stop")
	for _, end := range []error{nil, stop} {
		err := s.p.Rebuild(s.ctx, name, func(add func([]*record.Record) error) error {
			if err := add(all[:len(all)-4]); err != nil {
				return err
			}
			got, err := PlantRows(s.ctx, other, name)
			if err := errors.Join(err, sameRows(got, want)); err != nil {
				return fmt.Errorf("under way: %w", err)
			}
			if end != nil {
				return end
			}
			return add(all[len(all)-4:])
		})
		if !errors.Is(err, end) {
			return errors.Join(fmt.Errorf("a rebuild that ends with %v returned %w", end, cmpErr(err)), other.Close())
		}
		got, err := PlantRows(s.ctx, other, name)
		if err := errors.Join(err, sameRows(got, want)); err != nil {
			return errors.Join(err, other.Close())
		}
	}
	return other.Close()
}

func (s *plantSuite) writers() error {
	const name = "suite-writers"
	var all sync.WaitGroup
	came := make([]error, writers)
	records, err := Day(name, 7, 40)
	if err != nil {
		return err
	}
	for w := range writers {
		all.Go(func() {
			p, err := s.open(s.ctx)
			if err == nil {
				err = errors.Join(given(s.ctx, p, name, records, 10+w), p.Close())
			}
			came[w] = err
		})
	}
	all.Wait()
	if err := errors.Join(came...); err != nil {
		return err
	}
	got, err := PlantRows(s.ctx, s.p, name)
	if err != nil {
		return err
	}
	if err := s.p.Rebuild(s.ctx, name, func(add func([]*record.Record) error) error { return add(records) }); err != nil {
		return err
	}
	want, err := PlantRows(s.ctx, s.p, name)
	return errors.Join(err, sameRows(got, want))
}

func (s *plantSuite) whole() error {
	const name, piece = "suite-whole", 6
	t := &Teller{Journal: name}
	first, err := t.Run("R-1", "Production", "R101", "Idle", "Created", created)
	if err == nil {
		err = s.p.Apply(s.ctx, name, journal.Chain{}, []*record.Record{first})
	}
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	done := make(chan error, 1)
	all.Go(func() {
		done <- func() error {
			var at journal.Chain
			at.Add(first.Body)
			for n := range rounds {
				var some []*record.Record
				from := at
				for i := range piece {
					r, err := t.Data("R-1", fmt.Sprintf("%d a %d GOOD", n*piece+i, i))
					if err != nil {
						return err
					}
					some = append(some, r)
					at.Add(r.Body)
				}
				if err := s.p.Apply(s.ctx, name, from, some); err != nil {
					return err
				}
			}
			return nil
		}()
	})
	defer all.Wait()
	for {
		select {
		case err := <-done:
			return err
		default:
		}
		values, place := 0, ""
		if err := s.p.Rows(s.ctx, func(table string, row []string) error {
			switch {
			case row[0] != name:
			case table == "plant_journal":
				place = row[1]
			case table == "plant_value":
				values++
			}
			return nil
		}); err != nil {
			return err
		}
		if place != fmt.Sprint(values+1) || values%piece != 0 {
			return fmt.Errorf("%d values beside place %s", values, place)
		}
	}
}

func (s *plantSuite) pages() error {
	whole, next, err := s.p.Values(s.ctx, store.Filter{Limit: store.MaxRows})
	if err != nil || next != "" || len(whole) < 100 {
		return fmt.Errorf("%d values, and next %q: %w", len(whole), next, cmpErr(err))
	}
	f := store.Filter{Limit: 13}
	var got []store.Value
	for {
		some, next, err := s.p.Values(s.ctx, f)
		if err != nil {
			return err
		}
		if got = append(got, some...); next == "" {
			break
		}
		f.After = next
	}
	if !slices.Equal(got, whole) {
		return fmt.Errorf("%d values some at a time, and %d at once, or others", len(got), len(whole))
	}
	v := whole[len(whole)/2]
	one, _, err := s.p.Values(s.ctx, store.Filter{Journal: v.Journal, Run: v.Run, Tag: v.Tag, From: v.At, To: v.At + 1})
	if err != nil || !slices.Contains(one, v) || len(one) > 3 {
		return fmt.Errorf("a value by run, tag and time: %+v %w", one, cmpErr(err))
	}
	for _, f := range []store.Filter{{Tag: "a", Recipe: "x"}, {Limit: -1}, {Limit: store.MaxRows + 1}, {After: "x"}, {After: `["1"]`}, {After: `["x","a","b","1","1","1"]`},
		{Run: "a\x00"}, {Run: strings.Repeat("x", 1000)}} {
		if _, _, err := s.p.Values(s.ctx, f); !errors.Is(err, store.ErrRefused) {
			return fmt.Errorf("%+v: %w", f, cmpErr(err))
		}
	}
	return nil
}

func (s *plantSuite) again() error {
	want, err := PlantRows(s.ctx, s.p, "")
	if err != nil {
		return err
	}
	if err := s.p.Close(); err != nil {
		return err
	}
	if s.p, err = s.open(s.ctx); err != nil {
		return err
	}
	got, err := PlantRows(s.ctx, s.p, "")
	return errors.Join(err, sameRows(got, want))
}
