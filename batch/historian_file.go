// The file of a historian: its totals of metering windows, one a line.

package batch

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/metering/quantity"
)

// Limits of a historian's file.
const (
	MaxHistorianFile = 1 << 20 // bytes
	MaxHistorianRows = 10_000
)

// HistorianRow is the total of one window in a historian's file.
type HistorianRow struct {
	Line   int
	Batch  string
	Window string
	Total  string // with its unit, such as "119.98 kg"
	Calib  string // calib_version that the historian used; "": it does not say
}

// historianHead are the columns of a historian's file; the last may be left out.
var historianHead = []string{"batch_id", "meter_window_id", "total", "unit", "calib_version"}

// ParseHistorian reads a historian's file, comma-separated values by RFC 4180 in UTF-8; name is what errors show. Its first line names the
// columns, which are these and stand in this order:
//
//	batch_id,meter_window_id,total,unit,calib_version
//	B-0001,A,119.98,kg,2026-03
//
// The column calib_version may be left out. Total is a decimal number that is not below zero, unit a UCUM unit that converts to that of
// the window. No window stands twice. The file is refused as a whole, with the line of the first fault.
func ParseHistorian(name string, data []byte) (rows []HistorianRow, err error) {
	if len(data) > MaxHistorianFile {
		return nil, fmt.Errorf("%s: %d bytes; a historian's file has %d at most", name, len(data), MaxHistorianFile)
	}
	r := csv.NewReader(bytes.NewReader(data))
	head, err := r.Read()
	if err != nil || len(head) < 4 || len(head) > 5 || !slices.Equal(head, historianHead[:len(head)]) {
		return nil, fmt.Errorf("%s: line 1: the columns are to be %s or %s", name, strings.Join(historianHead[:4], ","), strings.Join(historianHead, ","))
	}
	seen := map[[2]string]int{}
	for {
		cells, err := r.Read()
		line, _ := r.FieldPos(0)
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return rows, nil
		case errors.As(err, &broken):
			return nil, fmt.Errorf("%s: line %d: %w; write %s", name, broken.Line, broken.Err, strings.Join(head, ","))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		case len(rows) == MaxHistorianRows:
			return nil, fmt.Errorf("%s: line %d: more than %d totals; make several files", name, line, MaxHistorianRows)
		}
		row := HistorianRow{Line: line, Batch: cells[0], Window: cells[1], Total: cells[2] + " " + cells[3]}
		if len(cells) == 5 {
			row.Calib = cells[4]
		}
		if err := row.check(); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, line, err)
		}
		key := [2]string{row.Batch, row.Window}
		if before := seen[key]; before != 0 {
			return nil, fmt.Errorf("%s: line %d: window %s of batch %s stands in line %d already; leave one", name, line, row.Window, row.Batch, before)
		}
		seen[key] = line
		rows = append(rows, row)
	}
}

// check refuses what is no total.
func (r *HistorianRow) check() error {
	for i, text := range [...]string{r.Batch, r.Window, r.Total, r.Calib} {
		if text == "" && i < 3 || Clean(text) != text {
			return fmt.Errorf("%s %.40q: 1 to %d bytes of UTF-8 are wanted", historianHead[[...]int{0, 1, 2, 4}[i]], text, MaxDetail)
		}
	}
	q, err := quantity.Parse(r.Total)
	if err == nil && q.Coef < 0 {
		err = errors.New("it is below zero")
	}
	if err != nil {
		return fmt.Errorf("total %.80q: %s; write a decimal number, and its unit in the next column", r.Total,
			strings.TrimPrefix(err.Error(), "quantity: "))
	}
	return nil
}
