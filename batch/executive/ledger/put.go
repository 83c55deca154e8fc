// Small files beside a journal, such as an order or who may write: the old one is there or the new one.

package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Put puts a file with data in the place of path, and returns when that is durable: whoever reads it after a cut finds the one or the other, whole.
// Who calls it is the only one that writes that file; path with ".tmp" behind it is written on the way. It blocks for as long as the disk does.
func Put(path string, data []byte) error {
	if err := os.Remove(path + ".tmp"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ledger: %w", err)
	}
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o640) // whoever owns the directory leads it nowhere else
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return Settle(filepath.Dir(path))
}

// Settle makes the names in a directory durable, where the system can. It blocks for as long as the disk does.
func Settle(dir string) error {
	if runtime.GOOS == "windows" { // there a directory cannot be flushed
		return nil
	}
	d, err := os.Open(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
