// What the manager orders: the one file from which a runner process knows what it is.

package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
)

// Order is what the manager orders of a runner. It is written before the process is started, and again before one is started in its place.
type Order struct {
	Batch     string            `json:"batch_id"`             // 1 to 64 letters, digits, '.', '_', '-', the first a letter or digit
	JournalID string            `json:"journal_id,omitempty"` // unique for ever; "": the batch id
	Recipe    string            `json:"recipe_id"`
	Unit      string            `json:"unit,omitempty"` // "": the runtime server chooses
	Size      string            `json:"size,omitempty"` // "": the recipe's nominal size
	Operator  string            `json:"operator"`       // who created it
	Role      string            `json:"role,omitempty"`
	Priority  int64             `json:"priority,omitempty"`
	Groups    map[string]string `json:"groups,omitempty"`                  // by the recipe's name of a group of partners: which one that is
	RestartOf string            `json:"restart_of,omitempty"`              // the batch in whose place it is begun
	Model     uint64            `json:"equipment_model_version,omitempty"` // with which it was bound, once that is known
	Created   string            `json:"created,omitempty"`                 // UTC
	Start     bool              `json:"start,omitempty"`                   // the manager starts it once it is Ready, in the name of Operator
	Warm      bool              `json:"warm,omitempty"`                    // it goes on where a process before it was lost, and comes up Held
	Reason    string            `json:"reason,omitempty"`                  // with Warm: why, in whose name and role WarmBy and WarmRole say
	WarmBy    string            `json:"warm_by,omitempty"`
	WarmRole  string            `json:"warm_role,omitempty"`
}

// orderFile is the name of the order in the directory of a batch.
const orderFile = "order.json"

func (o *Order) check() error {
	if err := api.CheckBatch(o.Batch); err != nil {
		return fmt.Errorf("host: order: %w", err)
	}
	if o.JournalID != "" && api.CheckBatch(o.JournalID) != nil {
		return fmt.Errorf("host: order: journal_id %.80q: what may name a batch is wanted", o.JournalID)
	}
	if o.Recipe == "" {
		return errors.New("host: order: it names no recipe")
	}
	return nil
}

// WriteOrder puts an order into the directory of its batch, which is made where it is not there: the old one is there until the new one is
// durable.
func WriteOrder(dir string, o Order) error {
	if err := o.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("host: order: %w", err)
	}
	if err := ledger.Put(filepath.Join(dir, orderFile), append(data, '\n')); err != nil {
		return fmt.Errorf("host: order: %w", err)
	}
	return nil
}

// ReadOrder reads the order in the directory of a batch.
func ReadOrder(dir string) (Order, error) {
	return readOrder(dir, func(os.FileInfo) error { return nil })
}

// ReadOwnOrder is ReadOrder for the manager, to whom the directory of a batch may not belong: what another user has put there is refused, whatever
// it says.
func ReadOwnOrder(dir string) (Order, error) { return readOrder(dir, own) }

// readOrder reads an order, where check lets it. Nothing that stands there makes it wait, and it is read from nowhere else.
func readOrder(dir string, check func(os.FileInfo) error) (o Order, err error) {
	path := filepath.Join(dir, orderFile)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return o, fmt.Errorf("host: order: %w", err)
	}
	defer f.Close()
	is, err := f.Stat()
	if err == nil {
		err = check(is)
	}
	if err != nil {
		return o, fmt.Errorf("host: order: %s: %w", path, err)
	}
	if at, err := os.Lstat(path); err != nil || !at.Mode().IsRegular() || !os.SameFile(at, is) {
		return o, fmt.Errorf("host: order: %s is no file that was written there; remove the batch", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, api.MaxBody+1))
	if err == nil && len(data) > api.MaxBody {
		err = fmt.Errorf("more than %d bytes", api.MaxBody)
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		err = d.Decode(&o)
	}
	if err != nil {
		return o, fmt.Errorf("host: order: %s: %w", f.Name(), err)
	}
	return o, o.check()
}
