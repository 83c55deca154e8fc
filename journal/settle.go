// Reading beside a Writer of another process: what is there is made durable by whoever reads it.

package journal

import (
	"errors"
	"fmt"
	"io/fs"
)

// Settle makes durable what the journal in dir has, and returns the chain after it: for one who gives records away and does not have the Writer, which may be another
// process, write on meanwhile, or be killed at any moment. What is torn or not whole is not counted, nor what only a cache still shows after a failed
// flush, where the system can tell. It takes no lock and changes nothing. Of a damaged journal it returns the end of the verified beginning. Of Options only
// Storage and After matter: After says that what is up to there was settled before.
func Settle(dir string, opt *Options) (Chain, error) {
	var after Chain
	if opt != nil {
		after = opt.After
		opt = &Options{Storage: opt.Storage, After: after} // what only an anchor has is not on the disk
	}
	w := &Writer{dir: dir, st: storageOf(opt)}
	for range mostScans {
		rec, err := Scan(dir, nil, opt)
		if err != nil {
			return Chain{}, err
		}
		if rec.Head == after || rec.Outcome == None {
			return rec.Head, nil
		}
		if err := w.settle(); errors.Is(err, fs.ErrNotExist) {
			continue // a segment was released just now
		} else if err != nil {
			return Chain{}, fmt.Errorf("journal: settling %q: %w", dir, err)
		}
		found := false
		if _, err = Scan(dir, func(_ uint64, _ []byte, c Chain) error {
			found = found || c == rec.Head
			return nil
		}, opt); err != nil {
			return Chain{}, err
		}
		if found { // what was seen before the flush is there behind it
			return rec.Head, nil
		}
	}
	return Chain{}, fmt.Errorf("journal: settling %q: what was flushed is not found again, %d times", dir, mostScans)
}
