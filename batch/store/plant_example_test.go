// A plant that is made of a ledger.

package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// tell has a unit run and what was captured for it.
func tell(led *ledger.Ledger) error {
	_, err := led.AppendAll(func(b *record.Body) {
		b.Begin(record.KindUnitRun)
		b.Text(record.RunID, "R-000001")
		b.Text(record.RunDefinition, "Production")
		b.Text(record.UnitID, "R101")
		b.Text(record.MainIdent, "lot 7")
		b.Text(record.OldValue, "Idle")
		b.Text(record.RunState, "Created")
		b.Int(record.StatusCode, 65569)
		b.Counts(record.Cause, []uint64{1})
	}, func(b *record.Body) {
		b.Begin(record.KindUnitRunData)
		b.Text(record.RunID, "R-000001")
		b.Texts(record.RunData, []string{"1800000000000000000 TT101.temperature 80.50 GOOD", "1800000001000000000 TT101.temperature 80.75 GOOD"})
	})
	return err
}

// What a ledger tells of a unit run becomes rows, that are asked for by unit and by tag. Whoever writes the ledger calls Apply with
// what is new; Rebuild makes the rows of all of it.
func ExampleOpenPlant() {
	err := func() error {
		dir, err := os.MkdirTemp("", "batchkit")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		led, err := ledger.Open(filepath.Join(dir, "production"), "board-1", "production", nil)
		if err != nil {
			return err
		}
		if err := tell(led); err != nil {
			return err
		}
		ctx := context.Background()
		p, err := store.OpenPlant(ctx, filepath.Join(dir, "plant.db"), nil)
		if err != nil {
			return err
		}
		defer p.Close()
		if err := p.Rebuild(ctx, led.ID(), func(add func(all []*record.Record) error) error {
			_, err := journal.Scan(filepath.Join(dir, "production"), func(_ uint64, body []byte, _ journal.Chain) error {
				r, err := record.Parse(body)
				if err != nil {
					return err
				}
				return add([]*record.Record{r})
			}, nil)
			return err
		}); err != nil {
			return err
		}
		runs, _, err := p.Runs(ctx, store.Filter{Unit: "R101"})
		for _, r := range runs {
			fmt.Println(r.ID, r.MainIdent, r.State, r.Status)
		}
		if err != nil {
			return err
		}
		values, _, err := p.Values(ctx, store.Filter{Run: "R-000001", Tag: "TT101.temperature"})
		for _, v := range values {
			fmt.Println(v.At, v.Value, v.Quality)
		}
		at, err2 := p.At(ctx, led.ID())
		fmt.Println(at == led.Head(), err2)
		if err == nil {
			err = led.Close()
		}
		return err
	}()
	fmt.Println(err)
	// Output:
	// R-000001 lot 7 Created 65569
	// 1800000000000000000 80.50 GOOD
	// 1800000001000000000 80.75 GOOD
	// true <nil>
	// <nil>
}
