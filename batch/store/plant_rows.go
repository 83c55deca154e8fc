// All rows of a plant, to compare.

package store

import (
	"context"
	"database/sql"
	"strings"
)

// Rows gives every row of every table to do, in one order for all databases, as texts, and first of all the place in each
// journal. It sees one moment: what is applied meanwhile is not in it. Two plants that were made of the same records give the
// same rows, but that a plant has its journals under numbers of its own, which are given as names. Row is valid until do returns.
func (p *Plant) Rows(ctx context.Context, do func(table string, row []string) error) error {
	conn, err := p.read.Conn(ctx)
	if err != nil {
		return p.wrong(err)
	}
	defer conn.Close()
	opt := &sql.TxOptions{ReadOnly: true}
	if p.read == p.write { // in SQLite every transaction sees one moment
		opt.Isolation = sql.LevelRepeatableRead
	}
	tx, err := conn.BeginTx(ctx, opt)
	if err != nil {
		return p.wrong(err)
	}
	defer tx.Rollback() // it only reads
	if err := each(ctx, tx, "plant_journal", 3, "SELECT name, CAST(seq AS TEXT), link FROM plant_journal WHERE seq > 0 ORDER BY name", do); err != nil {
		return p.wrong(err)
	}
	for i := range plantTables {
		t := &plantTables[i]
		cols := strings.Fields(t.cols)
		text := "SELECT j.name"
		for _, c := range cols {
			text += ", CAST(x." + c + " AS TEXT)"
		}
		text += " FROM " + t.name + " x JOIN plant_journal j ON j.number = x.journal ORDER BY j.name, x." + strings.Join(cols[:t.key], ", x.")
		if err := each(ctx, tx, t.name, len(cols)+1, text, do); err != nil {
			return p.wrong(err)
		}
	}
	return nil
}

// each gives the rows of one question.
func each(ctx context.Context, tx *sql.Tx, table string, cols int, text string, do func(table string, row []string) error) error {
	rows, err := tx.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	row, at := make([]string, cols), make([]any, cols)
	for i := range row {
		at[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(at...); err != nil {
			return err
		}
		if err := do(table, row); err != nil {
			return err
		}
	}
	return rows.Err()
}
