// The database of the plant: made anew of the journals, and held against what it was.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// ledgers are those that the database of a plant is made of, by their directories.
var ledgers = []string{"production", "manager"}

// rebuild makes the database anew. Whoever asks it sees what was there before until all is done.
func (s *session) rebuild(ctx context.Context) error {
	s.dir = s.home()
	plant, err := openPlant(ctx, s.dir)
	if err != nil {
		return err
	}
	defer plant.Close()
	for _, name := range ledgers {
		n, err := anew(ctx, plant, filepath.Join(s.dir, name))
		if err != nil {
			return err
		}
		if n > 0 {
			fmt.Fprintf(s.stdout, "the database of the plant has %d records of the %s\n", n, name)
		}
	}
	return s.count(ctx, plant)
}

// anew makes the rows of one ledger anew, and tells of how many records.
func anew(ctx context.Context, plant *store.Plant, dir string) (n int, err error) {
	id, _, _, err := journal.Begin(dir, nil)
	if errors.Is(err, fs.ErrNotExist) || err == nil && id == "" {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	err = plant.Rebuild(ctx, id, func(add func(all []*record.Record) error) error {
		return behind(dir, journal.Chain{}, func(_ journal.Chain, all []*record.Record) error {
			n += len(all)
			return add(all)
		})
	})
	return n, err
}

// atOnceRows is how many records are given to the database at a time.
const atOnceRows = 512

// behind gives the records of a ledger behind one of them, some at a time, each time with the one before them.
func behind(dir string, from journal.Chain, do func(from journal.Chain, all []*record.Record) error) error {
	var all []*record.Record
	at := from
	give := func() error {
		if len(all) == 0 {
			return nil
		}
		err := do(from, all)
		from, all = at, nil
		return err
	}
	_, err := journal.Scan(dir, func(_ uint64, body []byte, c journal.Chain) error {
		r, err := record.Parse(bytes.Clone(body)) // it is kept
		if err != nil {
			return err
		}
		if all, at = append(all, r), c; len(all) < atOnceRows {
			return nil
		}
		return give()
	}, &journal.Options{After: from})
	return errors.Join(err, give())
}

// checkPlant brings into the database what was written behind the last word of production, makes it anew, and holds the one
// against the other.
func (s *session) checkPlant(ctx context.Context) error {
	plant, err := openPlant(ctx, s.dir)
	if err != nil {
		return err
	}
	defer plant.Close()
	for _, name := range ledgers {
		dir := filepath.Join(s.dir, name)
		id, _, _, err := journal.Begin(dir, nil)
		if err != nil {
			return err
		}
		at, err := plant.At(ctx, id)
		if err == nil {
			err = behind(dir, at, func(from journal.Chain, all []*record.Record) error { return plant.Apply(ctx, id, from, all) })
		}
		if err != nil {
			return err
		}
	}
	live, err := rowsOf(ctx, plant)
	if err != nil {
		return err
	}
	for _, name := range ledgers {
		if _, err := anew(ctx, plant, filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	again, err := rowsOf(ctx, plant)
	if err != nil {
		return err
	}
	if !slices.Equal(live, again) {
		return fmt.Errorf("executive: the database of the plant is another one when it is made anew from the journals: %s", firstOf(live, again))
	}
	fmt.Fprintf(s.stdout, "the database of the plant, made anew from the journals, is the same: %d rows\n", len(again))
	return s.count(ctx, plant)
}

// rowsOf are all rows, each with the name of its table.
func rowsOf(ctx context.Context, plant *store.Plant) (list []string, err error) {
	err = plant.Rows(ctx, func(table string, row []string) error {
		list = append(list, fmt.Sprintf("%s %q", table, row))
		return nil
	})
	return list, err
}

// firstOf is the first row in which two lists differ.
func firstOf(was, is []string) string {
	for i := range max(len(was), len(is)) {
		a, b := "nothing", "nothing"
		if i < len(was) {
			a = was[i]
		}
		if i < len(is) {
			b = is[i]
		}
		if a != b {
			return fmt.Sprintf("%.300s was there, and %.300s is", a, b)
		}
	}
	return ""
}

// count shows how many rows there are of what.
func (s *session) count(ctx context.Context, plant *store.Plant) error {
	rows := map[string]int{}
	var order []string
	err := plant.Rows(ctx, func(table string, _ []string) error {
		if rows[table]++; rows[table] == 1 {
			order = append(order, table)
		}
		return nil
	})
	var list []string
	for _, table := range order {
		list = append(list, fmt.Sprintf("%s %d", strings.TrimPrefix(table, "plant_"), rows[table]))
	}
	fmt.Fprintln(s.stdout, "its rows: "+strings.Join(list, ", "))
	return err
}
