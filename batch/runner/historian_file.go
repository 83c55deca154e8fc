// A historian that is a file, which something else writes.

package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/batch"
)

// HistorianFile is a Historian that reads a file of batch.ParseHistorian each time that it is asked. While the file, or the window in it, is
// not there, it has no total yet. Whoever writes the file puts it in its place whole, by a rename.
type HistorianFile string

// Total gives the total of a window; it reads at most batch.MaxHistorianFile bytes.
func (f HistorianFile) Total(_ context.Context, q HistorianQuery) (HistorianTotal, error) {
	name := filepath.Base(string(f))
	source := HistorianTotal{Source: "file " + name}
	file, err := os.Open(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return source, ErrNotYet
	}
	if err != nil {
		return source, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, batch.MaxHistorianFile+1))
	if err != nil {
		return source, err
	}
	rows, err := batch.ParseHistorian(name, data)
	if err != nil {
		return source, err
	}
	for i := range rows {
		if r := &rows[i]; r.Batch == q.Batch && r.Window == q.Window {
			return HistorianTotal{Total: r.Total, Source: fmt.Sprintf("file %s, line %d", name, r.Line), Calib: r.Calib}, nil
		}
	}
	return source, ErrNotYet
}
